//! Counters and sets, and the types of fields as a writer finds them.

use std::collections::BTreeSet;

use super::{Intent, WriteError, Writer, check_value};
use crate::change::Action;
use crate::field::{FieldKey, FieldType};
use crate::json::elements_of;
use crate::path::{FieldPath, Register};
use crate::references;
use crate::value::Value;

impl Intent {
    /// Whether it makes a text, list or counter where there is none.
    pub(super) fn makes_object(&self) -> bool {
        match self {
            Self::Increment { by, .. } => *by != 0,
            Self::Splice { insert, .. } => !insert.is_empty(),
            Self::ReplaceText { text, .. } | Self::AppendText { text, .. } => !text.is_empty(),
            Self::InsertElements { values, .. } => !values.is_empty(),
            _ => false,
        }
    }
}

impl Writer<'_> {
    pub(super) fn increment(&mut self, path: &str, by: i64) -> Result<(), WriteError> {
        let key = self.key_of(path, FieldType::Counter)?;
        if by == 0 {
            return Ok(());
        }
        if !references::is_increment(by) {
            return Err(WriteError::IncrementTooLarge {
                path: path.to_owned(),
                by,
            });
        }
        self.clear_above(path);
        self.create(&key);
        let made = Self::genesis(&key);
        let now = self.count(&key).saturating_add(by);
        self.live
            .insert(key.clone(), vec![(made, Value::Counter(now))]);
        self.counted.remove(&key);
        self.push(&key, Action::Increment(by), vec![made]);
        Ok(())
    }

    /// What a counter reads, with what this change added.
    fn count(&mut self, key: &str) -> i64 {
        let stands = match self.counted.get(key) {
            Some(stands) => stands.first(),
            None => self.live(key).first().map(|(_, value)| value),
        };
        match stands {
            Some(Value::Counter(count)) => *count,
            _ => 0,
        }
    }

    pub(super) fn member(
        &mut self,
        path: &str,
        member: &Value,
        is_added: bool,
    ) -> Result<(), WriteError> {
        self.key_of(path, FieldType::Set)?;
        let key = FieldKey::of_member(parse(path)?, member)
            .map(|key| key.to_key())
            .ok_or_else(|| WriteError::NotAMember { path: path.into() })?;
        if is_added {
            self.clear_above(path);
            self.operate(&key, Action::Put(Value::Bool(true)));
        } else {
            self.empty(&key);
        }
        Ok(())
    }

    pub(super) fn clear_set(&mut self, key: &str) {
        let members: BTreeSet<String> = self.keys_from(key).collect();
        for member in members {
            self.empty(&member);
        }
    }

    pub(super) fn clear_counter(&mut self, key: &str, field: &FieldKey) -> Result<(), WriteError> {
        if self.is_empty(key) {
            return Ok(());
        }
        Err(WriteError::CannotUnset {
            path: field.path().to_key(),
        })
    }

    /// Gives a counter, text, list or set a value as a whole: by the steps that make it read so.
    pub(super) fn put_typed(
        &mut self,
        path: &str,
        is: FieldType,
        value: &Value,
    ) -> Result<(), WriteError> {
        match (is, value) {
            (FieldType::Counter, Value::Int(wanted)) => {
                let key = self.key_of(path, FieldType::Counter)?;
                let by = wanted.saturating_sub(self.count(&key));
                self.increment(path, by)
            }
            (FieldType::Text, Value::String(text)) => self.replace_text(path, text),
            (FieldType::List | FieldType::Set, Value::Json(array)) => match elements_of(array) {
                Some(values) if is == FieldType::List => self.replace_list(path, &values),
                Some(members) => self.replace_set(path, &members),
                None => Err(does_not_fit(path, is)),
            },
            _ => Err(does_not_fit(path, is)),
        }
    }

    /// A set shall have these members and no others; those it has already are left alone.
    fn replace_set(&mut self, path: &str, members: &[Value]) -> Result<(), WriteError> {
        let not_a_member = || WriteError::NotAMember { path: path.into() };
        let mut wanted = BTreeSet::new();
        for member in members {
            let key = FieldKey::of_member(parse(path)?, member).ok_or_else(not_a_member)?;
            wanted.insert(key.to_key());
        }
        let stored: BTreeSet<String> = self.keys_from(&FieldType::Set.key_at(path)).collect();
        for key in stored.union(&wanted) {
            match (self.is_empty(key), wanted.contains(key)) {
                (true, true) => self.operate(key, Action::Put(Value::Bool(true))),
                (false, false) => self.delete(key),
                _ => {}
            }
        }
        Ok(())
    }

    /// The key of the field at a path that has, or will have, this type; an error where it has another one.
    pub(super) fn key_of(&mut self, path: &str, wanted: FieldType) -> Result<String, WriteError> {
        let field = FieldKey::new(parse(path)?, wanted);
        let key = field.to_key();
        if key.len() > crate::limits::KEY_BYTES {
            return Err(WriteError::NotAField { key });
        }
        let is_value = |writer: &mut Self| !writer.is_empty(path);
        let is = match self.type_at(path) {
            Some(kind) => kind,
            None if is_value(self) => FieldType::Value,
            None => wanted,
        };
        // Made apart, a field can have two types; then each is changed by its own means.
        if is != wanted && self.record.place_of_genesis(&key).is_none() {
            return Err(WriteError::OtherType {
                path: path.to_owned(),
                is,
                wanted,
            });
        }
        Ok(key)
    }

    /// The type of the field at a path, if it is a counter, text, list or set that is there; of several that were made
    /// apart, the one that a row shows.
    pub(super) fn type_at(&mut self, path: &str) -> Option<FieldType> {
        let Some(Register::Field(_)) = Register::parse(path) else {
            return None;
        };
        let is_created = |key: &String| self.creates.contains(key);
        let objects = [FieldType::Counter, FieldType::List, FieldType::Text];
        let is_there = |kind: &FieldType| {
            let key = kind.key_at(path);
            is_created(&key) || self.record.place_of_genesis(&key).is_some()
        };
        if let Some(kind) = objects.into_iter().find(is_there) {
            return Some(kind);
        }
        let set = FieldType::Set.key_at(path);
        let mut members = self.keys_from(&set);
        let is_there = |key: &String| match (self.counted.get(key), self.live.get(key)) {
            (Some(stands), _) => !stands.is_empty(),
            (None, live) => live.is_none_or(|live| !live.is_empty()),
        };
        members.any(|key| is_there(&key)).then_some(FieldType::Set)
    }
}

fn does_not_fit(path: &str, is: FieldType) -> WriteError {
    WriteError::DoesNotFit {
        path: path.to_owned(),
        is,
        remedy: match is {
            FieldType::Counter => "give an integer, or increment it",
            FieldType::Text => "give a string, or edit it at a place",
            FieldType::List => "give an array, or push, put and remove its elements",
            FieldType::Set => "give an array, or add and remove its members",
            FieldType::Value => "unset it first",
        },
    }
}

pub(super) fn check_element(path: &str, value: &Value) -> Result<(), WriteError> {
    check_value(path, value)
}

fn parse(path: &str) -> Result<FieldPath, WriteError> {
    FieldPath::parse(path).map_err(|_| WriteError::NotAField { key: path.into() })
}
