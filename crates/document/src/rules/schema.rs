//! The JSON Schema of a document of rules, made of the words the reader knows.

use serde_json::{Value as Json, json};

use super::{KINDS, RULES_FORMAT, ValueType, fields};
use crate::conflict::Kind;
use crate::limits;
use crate::policy::ROLES;

/// The JSON Schema (draft 2020-12) of a document of rules, for editors: `docs/rules.schema.json`.
///
/// What only reading can tell, such as a pattern that is none, is beyond it.
pub fn rules_schema() -> Json {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of a Driftless workspace",
        "type": "object",
        "additionalProperties": false,
        "required": ["version"],
        "properties": {
            "version": { "const": RULES_FORMAT },
            "rule": {
                "type": "array",
                "maxItems": limits::RULES,
                "items": { "$ref": "#/$defs/rule" },
            },
        },
        "$defs": {
            "rule": rule(),
            "policy": policy(),
            "text": text(),
            "range": {
                "type": "object",
                "additionalProperties": false,
                "minProperties": 1,
                "properties": {
                    (fields::RANGE[0]): number(),
                    (fields::RANGE[1]): number(),
                },
            },
            "role": { "enum": ROLES },
            "roles": one_or_more(&json!({ "$ref": "#/$defs/role" })),
        },
    })
}

fn rule() -> Json {
    let range = json!({ "$ref": "#/$defs/range" });
    let roles = json!({ "$ref": "#/$defs/roles" });
    let names = one_or_more(&json!({ "$ref": "#/$defs/text" }));
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": [fields::POLICY],
        "properties": {
            (fields::NAME): { "$ref": "#/$defs/text" },
            (fields::COLLECTION): names,
            (fields::PATH): names,
            (fields::TYPE): one_or_more(&json!({ "enum": ValueType::ALL.map(ValueType::as_str) })),
            (fields::KIND): one_or_more(&json!({ "enum": KINDS.map(Kind::as_str) })),
            (fields::EDITS): range,
            (fields::CANDIDATES): range,
            (fields::DEVICES): range,
            (fields::SOME_ROLE): roles,
            (fields::EVERY_ROLE): roles,
            (fields::OWNER_WROTE): { "type": "boolean" },
            (fields::POLICY): { "$ref": "#/$defs/policy" },
        },
    })
}

fn policy() -> Json {
    let given = |name: &str, what: &Json| {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": [name],
            "properties": { (name): what },
        })
    };
    let value = json!({
        "anyOf": [
            { "$ref": "#/$defs/text" },
            { "type": "integer" },
            { "type": "boolean" },
        ],
    });
    json!({
        "oneOf": [
            { "enum": fields::PLAIN_POLICIES },
            given(fields::RANK, &list(&value)),
            given(fields::PREFER_ROLE, &list(&json!({ "$ref": "#/$defs/role" }))),
            given(fields::CUSTOM, &json!({ "$ref": "#/$defs/text" })),
        ],
    })
}

fn text() -> Json {
    json!({ "type": "string", "minLength": 1, "maxLength": limits::RULE_TEXT_BYTES })
}

fn number() -> Json {
    json!({ "type": "integer", "minimum": 1, "maximum": limits::RULE_NUMBER })
}

fn list(of: &Json) -> Json {
    json!({
        "type": "array",
        "minItems": 1,
        "maxItems": limits::RULE_LIST,
        "uniqueItems": true,
        "items": of,
    })
}

fn one_or_more(of: &Json) -> Json {
    json!({ "anyOf": [of, list(of)] })
}
