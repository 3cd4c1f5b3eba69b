//! Intents on counters, texts, lists and sets.

use driftless_document::{Intent, Value};

pub(crate) fn increment(path: &str, by: i64) -> Intent {
    Intent::Increment {
        path: path.into(),
        by,
    }
}

pub(crate) fn splice(path: &str, at: usize, delete: usize, insert: &str) -> Intent {
    Intent::Splice {
        path: path.into(),
        at,
        delete,
        insert: insert.into(),
    }
}

pub(crate) fn replace(path: &str, text: &str) -> Intent {
    Intent::ReplaceText {
        path: path.into(),
        text: text.into(),
    }
}

pub(crate) fn push(path: &str, values: &[Value]) -> Intent {
    Intent::InsertElements {
        path: path.into(),
        at: None,
        values: values.into(),
    }
}

pub(crate) fn add(path: &str, member: Value) -> Intent {
    Intent::AddMember {
        path: path.into(),
        member,
    }
}

pub(crate) fn drop_member(path: &str, member: Value) -> Intent {
    Intent::RemoveMember {
        path: path.into(),
        member,
    }
}
