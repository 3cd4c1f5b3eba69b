//! The types of fields, and the keys that say them.
//!
//! A field that is replaced as a whole has its path as its key. `notes#text`, `steps#list` and `views#counter`
//! name an object each, made by its genesis change. A set has no key of its own: each member is a register,
//! `tags/s:urgent`, that is there or not; a row shows them together under `tags/`.

use crate::genesis;
use crate::ids::OpId;
use crate::json::number_text;
use crate::limits;
use crate::path::FieldPath;
use crate::value::Value;

/// How a field is changed, and how edits made apart merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FieldType {
    /// Replaced as a whole; edits made apart contest each other.
    Value,
    /// Added to; every increment counts.
    Counter,
    /// Characters are put in and taken out.
    Text,
    /// Elements are put in, replaced and taken out.
    List,
    /// Members are added and removed; an add wins over a removal made apart.
    Set,
}

impl FieldType {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Counter => "counter",
            Self::Text => "text",
            Self::List => "list",
            Self::Set => "set",
        }
    }

    /// What a key has behind the path.
    fn suffix(self) -> &'static str {
        match self {
            Self::Value => "",
            Self::Counter => "#counter",
            Self::Text => "#text",
            Self::List => "#list",
            Self::Set => "/",
        }
    }

    /// The key of the field of this type at a path, as text.
    pub(crate) fn key_at(self, path: &str) -> String {
        format!("{path}{}", self.suffix())
    }

    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Value,
        Self::Counter,
        Self::Text,
        Self::List,
        Self::Set,
    ];
}

/// A key taken apart: the field's path, its type, and the member where it is one of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldKey {
    path: FieldPath,
    kind: FieldType,
    member: Option<String>,
}

impl FieldKey {
    /// The key of the field at this path with this type; of a set, what a row shows its members under.
    pub fn new(path: FieldPath, kind: FieldType) -> Self {
        Self {
            path,
            kind,
            member: None,
        }
    }

    /// The key of a member of the set at this path, or `None` where a set cannot have such a member: one that is
    /// no string, integer, boolean or finite number, or whose key is over [`limits::KEY_BYTES`].
    pub fn of_member(path: FieldPath, member: &Value) -> Option<Self> {
        let key = Self {
            path,
            kind: FieldType::Set,
            member: Some(member_name(member)?),
        };
        (key.to_key().len() <= limits::KEY_BYTES).then_some(key)
    }

    /// Reads a key, or `None` where it is none of this Driftless.
    pub fn parse(key: &str) -> Option<Self> {
        if key.len() > limits::KEY_BYTES {
            return None;
        }
        let (path, rest) = key.split_at(end_of_path(key));
        let path = FieldPath::parse(path).ok()?;
        let mut kinds = FieldType::ALL.into_iter();
        if let Some(kind) = kinds.find(|kind| kind.suffix() == rest) {
            return Some(Self::new(path, kind));
        }
        let member = rest.strip_prefix('/')?;
        let value = member_value(member)?;
        (member_name(&value).as_deref() == Some(member)).then(|| Self {
            path,
            kind: FieldType::Set,
            member: Some(member.to_owned()),
        })
    }

    /// The field's path.
    pub fn path(&self) -> &FieldPath {
        &self.path
    }

    /// The field's type.
    pub fn kind(&self) -> FieldType {
        self.kind
    }

    /// The member, of the key of a set's member.
    pub fn member(&self) -> Option<Value> {
        self.member.as_deref().and_then(member_value)
    }

    /// The key.
    pub fn to_key(&self) -> String {
        let member = self.member.as_deref().unwrap_or_default();
        format!("{}{}{member}", self.path, self.kind.suffix())
    }
}

/// The path of the field that a register belongs to; none of one of ours. Of a list's element it is the list's.
pub(crate) fn path_of(register: &str) -> Option<FieldPath> {
    FieldPath::parse(&register[..end_of_path(register)]).ok()
}

/// What a list's element is called as a register of the conflict log.
pub(crate) fn element_key(list: &str, element: &OpId) -> String {
    format!("{list}/{}@{}", element.counter, element.actor)
}

/// The list and the element that [`element_key`] names.
pub(crate) fn element_of(key: &str) -> Option<(&str, OpId)> {
    let (list, name) = key.rsplit_once('/')?;
    let (counter, actor) = name.split_once('@')?;
    let element = OpId {
        counter: counter.parse().ok()?,
        actor: genesis::named(&format!("#{actor}"))?,
    };
    let is_list = FieldKey::parse(list).is_some_and(|field| field.kind() == FieldType::List);
    (is_list && element_key(list, &element) == key).then_some((list, element))
}

/// Where the first `#` or `/` stands that is not escaped.
fn end_of_path(key: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in key.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'#' | b'/' => return at,
            _ => {}
        }
    }
    key.len()
}

/// A member as a part of a key: a letter for its type, a colon, its text.
fn member_name(member: &Value) -> Option<String> {
    Some(match member {
        Value::String(text) => format!("s:{text}"),
        Value::Int(number) => format!("i:{number}"),
        Value::Uint(number) => format!("u:{number}"),
        Value::Float(number) if number.is_finite() => {
            format!("f:{}", number_text(member)?)
        }
        Value::Bool(value) => format!("b:{value}"),
        _ => return None,
    })
}

fn member_value(name: &str) -> Option<Value> {
    let (tag, text) = name.split_once(':')?;
    Some(match tag {
        "s" => Value::String(text.to_owned()),
        "i" => Value::Int(text.parse().ok()?),
        "u" => Value::Uint(text.parse().ok()?),
        "f" => Value::Float(text.parse().ok()?),
        "b" => Value::Bool(text.parse().ok()?),
        _ => return None,
    })
}
