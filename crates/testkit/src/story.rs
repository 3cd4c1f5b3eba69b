//! Plans told: what each change does, and what it knew.

use std::any::Any;
use std::fmt::Write as _;

use driftless_document::{Action, Change, OpId, Value};

use crate::histories::Plan;
use crate::plain::Plain;

/// What becomes of a plan, a line for each change.
pub fn tell(plan: &Plan) -> String {
    let plain = Plain::of(plan);
    let mut told = format!("{} replicas\n", plan.replicas);
    for (n, change) in plain.changes.iter().enumerate() {
        let deps: Vec<String> = plain
            .changes
            .iter()
            .enumerate()
            .filter(|(_, earlier)| change.deps.contains(&earlier.hash))
            .map(|(n, _)| n.to_string())
            .collect();
        let behind = if deps.is_empty() {
            "first".to_owned()
        } else {
            format!("behind {}", deps.join(", "))
        };
        let done = change
            .numbered()
            .map(|(id, operation)| operation_text(&plain.changes, id, operation));
        let done: Vec<String> = done.collect();
        let who = short(change.actor.0);
        let _ = writeln!(told, "{n:>3}. {who}, {behind}: {}", done.join("; "));
    }
    told
}

fn operation_text(
    changes: &[Change],
    id: OpId,
    operation: &driftless_document::Operation,
) -> String {
    let key = &operation.key;
    let key = match key.strip_prefix("$review/") {
        Some(entry) => format!("$review/{}", entry.get(..8).unwrap_or(entry)),
        None => key.clone(),
    };
    let at = |id: &OpId| match changes
        .iter()
        .position(|c| c.actor == id.actor && (c.start_op..=c.max_op()).contains(&id.counter))
    {
        Some(n) => format!("{}@{n}", id.counter),
        None => format!("{}@?", id.counter),
    };
    let what = match &operation.action {
        Action::Put(value) => format!("{key} = {}", value_text(value)),
        Action::Delete => format!("{key} emptied"),
        Action::Increment(by) => format!("{key} {by:+}"),
        Action::Insert { after, value } => {
            let behind = after.as_ref().map_or("the head".to_owned(), at);
            format!("{key}: {} behind {behind}", value_text(value))
        }
        Action::PutElement { element, value } => {
            format!("{key}: {} = {}", at(element), value_text(value))
        }
        Action::DeleteElement { element } => format!("{key}: {} gone", at(element)),
    };
    format!("[{}] {what}", id.counter)
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::String(text) => format!("{text:?}"),
        other => format!("{other:?}"),
    }
}

fn short(actor: [u8; 16]) -> String {
    let restarts = actor[15];
    let device = format!("{:02x}{:02x}", actor[0], actor[1]);
    if restarts == 0 {
        device
    } else {
        format!("{device}.{restarts}")
    }
}

/// What a panic says.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a text"))
}
