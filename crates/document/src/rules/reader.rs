//! Walks through a document that is parsed, and knows where it is, so that an error can say so.

use serde_json::{Map, Value as Json};

use super::error::{RulesError, RulesFault};
use crate::limits;

/// A value and its place in the document.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    at: String,
    value: &'a Json,
}

impl<'a> Place<'a> {
    /// The whole document.
    pub(super) fn root(value: &'a Json) -> Self {
        Self {
            at: String::new(),
            value,
        }
    }

    /// An error here.
    pub(super) fn fault(&self, fault: RulesFault) -> RulesError {
        RulesError {
            at: self.at.clone(),
            fault,
        }
    }

    fn wrong_type(&self, expected: &'static str) -> RulesError {
        self.fault(RulesFault::Type {
            expected,
            found: kind_of(self.value),
        })
    }

    fn below(&self, key: &str, value: &'a Json) -> Self {
        let at = if self.at.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.at)
        };
        Self { at, value }
    }

    /// The table, which may have these keys and no others.
    pub(super) fn table(&self, keys: &[&str]) -> Result<Table<'a>, RulesError> {
        let Json::Object(members) = self.value else {
            return Err(self.wrong_type("a table"));
        };
        if let Some(unknown) = members.keys().find(|key| !keys.contains(&key.as_str())) {
            let known = keys.join(", ");
            let name: String = unknown.chars().take(64).collect();
            return Err(self
                .below(&name.escape_debug().to_string(), self.value)
                .fault(RulesFault::UnknownKey { known }));
        }
        Ok(Table {
            place: self.clone(),
            members,
        })
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_object()
    }

    pub(super) fn value(&self) -> &'a Json {
        self.value
    }

    /// The elements of a list of at most so many.
    pub(super) fn list(&self, what: &'static str, limit: usize) -> Result<Vec<Self>, RulesError> {
        let Json::Array(elements) = self.value else {
            return Err(self.wrong_type("a list"));
        };
        if elements.len() > limit {
            return Err(self.fault(RulesFault::TooMany {
                what,
                count: elements.len(),
                limit,
            }));
        }
        let places = elements.iter().enumerate().map(|(n, value)| Self {
            at: format!("{}[{n}]", self.at),
            value,
        });
        Ok(places.collect())
    }

    /// One element, or the elements of a list that has some.
    pub(super) fn one_or_more(&self) -> Result<Vec<Self>, RulesError> {
        if !self.value.is_array() {
            return Ok(vec![self.clone()]);
        }
        self.some()
    }

    /// The elements of a list that has some.
    pub(super) fn some(&self) -> Result<Vec<Self>, RulesError> {
        let elements = self.list("members of one list", limits::RULE_LIST)?;
        if elements.is_empty() {
            return Err(self.fault(RulesFault::Empty));
        }
        Ok(elements)
    }

    /// A text that is not empty, not too long, and can be shown.
    pub(super) fn text(&self) -> Result<&'a str, RulesError> {
        let Json::String(text) = self.value else {
            return Err(self.wrong_type("a text"));
        };
        let fault = if text.is_empty() {
            RulesFault::Empty
        } else if text.len() > limits::RULE_TEXT_BYTES {
            RulesFault::TooMany {
                what: "bytes in one text",
                count: text.len(),
                limit: limits::RULE_TEXT_BYTES,
            }
        } else if text.chars().any(char::is_control) {
            RulesFault::ControlCharacter
        } else {
            return Ok(text);
        };
        Err(self.fault(fault))
    }

    /// One of some words, as its number.
    pub(super) fn word(&self, known: &[&str]) -> Result<usize, RulesError> {
        let text = self.text()?;
        known.iter().position(|word| *word == text).ok_or_else(|| {
            self.fault(RulesFault::NotOneOf {
                found: text.to_owned(),
                known: known.join(", "),
            })
        })
    }

    pub(super) fn boolean(&self) -> Result<bool, RulesError> {
        self.value
            .as_bool()
            .ok_or_else(|| self.wrong_type("true or false"))
    }

    pub(super) fn number(&self, min: u64, max: u64) -> Result<u64, RulesError> {
        if !self.value.is_number() {
            return Err(self.wrong_type("a number"));
        }
        self.value
            .as_u64()
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.fault(RulesFault::Number { min, max }))
    }

    /// Reads each of some places, refusing what stands twice.
    pub(super) fn all<T: PartialEq>(
        places: &[Self],
        read: impl Fn(&Self) -> Result<T, RulesError>,
    ) -> Result<Vec<T>, RulesError> {
        let mut all = Vec::new();
        for place in places {
            let value = read(place)?;
            if all.contains(&value) {
                return Err(place.fault(RulesFault::Twice {
                    value: place.value.to_string(),
                }));
            }
            all.push(value);
        }
        Ok(all)
    }
}

/// A table of known keys.
#[derive(Clone, Debug)]
pub(super) struct Table<'a> {
    place: Place<'a>,
    members: &'a Map<String, Json>,
}

impl<'a> Table<'a> {
    pub(super) fn get(&self, key: &str) -> Option<Place<'a>> {
        let value = self.members.get(key)?;
        Some(self.place.below(key, value))
    }

    pub(super) fn need(&self, key: &'static str) -> Result<Place<'a>, RulesError> {
        self.get(key)
            .ok_or_else(|| self.place.fault(RulesFault::Missing { key }))
    }

    /// The only member of a table that has just one.
    pub(super) fn only(&self) -> Option<(&'a str, Place<'a>)> {
        let mut members = self.members.iter();
        let (key, value) = members.next()?;
        members
            .next()
            .is_none()
            .then(|| (key.as_str(), self.place.below(key, value)))
    }
}

fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a table",
    }
}
