//! `driftless rules`: what a contested field shows while nobody has decided.

use std::io;
use std::path::Path;

use driftless::{
    Database, Fit, Rules, rules_explanation_in_words, rules_explanation_to_json,
    rules_report_to_json, rules_to_json,
};
use serde_json::json;

use crate::args::Explain;
use crate::caller::{Caller, named};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, clean, count};
use crate::rules_args::{self, RulesAction};
use crate::sides::{COLUMNS_OF_NO_TERMINAL, paragraph};

/// What is read of a file of rules: what rules may have, and a byte to see that there is more.
const FILE_BYTES: u64 = 64 * 1024 + 1;

/// `driftless rules`.
pub(crate) async fn run(
    context: &mut Context,
    arguments: rules_args::Rules,
) -> Result<(), Failure> {
    match arguments.action.unwrap_or(RulesAction::Show) {
        RulesAction::Check(named) => {
            let rules = read(&*context.caller(), &named.file).await?;
            print_checked(&mut context.output, &rules)
        }
        RulesAction::Set(named) => {
            let rules = read(&*context.caller(), &named.file).await?;
            context
                .with_database(async |database, output| set(database, output, rules).await)
                .await
        }
        RulesAction::Show => {
            context
                .with_database(async |database, output| show(database, output).await)
                .await
        }
        RulesAction::Explain(named) => {
            context
                .with_database(async |database, output| explain(database, output, &named).await)
                .await
        }
    }
}

/// Reads rules from the file as whoever typed the command finds it.
async fn read(caller: &dyn Caller, path: &Path) -> Result<Rules, Failure> {
    let content = caller.read_file(path, FILE_BYTES).await;
    let bytes = content.map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => malformed(path, &source.to_string()),
        _ => Failure::File {
            action: "read",
            path: named(path).to_owned(),
            source,
        },
    })?;
    let text = String::from_utf8(bytes).map_err(|_| malformed(path, "it is not UTF-8 text"))?;
    Rules::read(&text).map_err(|error| Failure::Rules {
        path: named(path).to_owned(),
        error,
    })
}

fn malformed(path: &Path, reason: &str) -> Failure {
    Failure::Usage {
        message: format!("{}: {reason}", named(path).display()),
        remedy: "Give a file of rules, TOML or JSON, of at most 64 KiB.".into(),
    }
}

fn print_checked(output: &mut Output, rules: &Rules) -> Result<(), Failure> {
    if output.json() {
        return output.object(&json!({
            "version": rules.version().to_string(),
            "rules": rules_to_json(rules),
        }));
    }
    print_rules(output, rules)?;
    let number = count(rules.len() as u64, "rule");
    output.line(&format!("{number}, version {}", rules.version()))
}

/// A line for each rule.
fn print_rules(output: &mut Output, rules: &Rules) -> Result<(), Failure> {
    for n in 0..rules.len() {
        let named = rules.name(n).map(|name| format!(" ({})", clean(name)));
        let words = rules.in_words(n).unwrap_or_default();
        let line = format!("{n}{}: {}", named.unwrap_or_default(), clean(&words));
        output.line(&line)?;
    }
    Ok(())
}

async fn set(database: &Database, output: &mut Output, rules: Rules) -> Result<(), Failure> {
    let (version, number) = (rules.version(), rules.len() as u64);
    let changed = database.rules().set(rules).await?;
    let object = json!({ "version": version.to_string(), "changed": changed });
    let number = count(number, "rule");
    output.answer(
        &object,
        &if changed {
            format!("{number} set, version {version}; other devices get them with the next sync")
        } else {
            format!("{number} held already, version {version}")
        },
    )
}

async fn show(database: &Database, output: &mut Output) -> Result<(), Failure> {
    let report = database.rules().current().await?;
    if output.json() {
        return output.object(&rules_report_to_json(&report));
    }
    let Some(version) = report.version else {
        return output.line("no rules: every conflict is left to a person");
    };
    print_rules(output, &report.rules)?;
    let by = report.set_by.as_ref();
    let by = by.map_or_else(String::new, |by| format!(", set by {}", clean(&by.name)));
    output.line(&format!(
        "{}, version {version}{by}",
        count(report.rules.len() as u64, "rule")
    ))?;
    if let Some(error) = &report.not_understood {
        output.line(&format!(
            "they are not understood here, so every conflict is left to a person: {}",
            clean(&error.to_string())
        ))?;
    }
    for name in &report.not_installed {
        output.line(&format!(
            "the policy {} is not installed in this program: what it decides is left to a person here",
            clean(name)
        ))?;
    }
    Ok(())
}

async fn explain(database: &Database, output: &mut Output, named: &Explain) -> Result<(), Failure> {
    let collection = &named.name.collection;
    let record = database
        .collection(collection)
        .find(&named.name.record)
        .await?;
    let told = database
        .rules()
        .explain(collection, record, &named.field)
        .await?;
    if output.json() {
        return output.object(&rules_explanation_to_json(&told));
    }
    if told.by_type.is_none() {
        for step in &told.walk.steps {
            let name = step.name.as_deref();
            let name = name.map_or_else(String::new, |name| format!(" ({name})"));
            let mark = match step.fit {
                Fit::Matches => "*",
                Fit::Depends => "?",
                _ => " ",
            };
            say(
                output,
                &format!("{mark} rule {}{name}: {}", step.rule, step.words),
            )?;
        }
    }
    say(output, &rules_explanation_in_words(&told))
}

/// Prints a sentence, in lines that fit the terminal.
fn say(output: &mut Output, sentence: &str) -> Result<(), Failure> {
    let columns = output.width().unwrap_or(COLUMNS_OF_NO_TERMINAL);
    let lines = paragraph(sentence, columns);
    lines.iter().try_for_each(|line| output.line(line))
}
