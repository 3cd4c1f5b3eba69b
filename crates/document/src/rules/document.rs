//! A document of rules as text: read from TOML or JSON, written in its one form.

use serde_json::{Map, Value as Json, json};

use super::error::{RulesError, RulesFault};
use super::fields;
use super::pattern::{NamePattern, PathPattern};
use super::reader::{Place, Table};
use super::{KINDS, RULES_FORMAT, Range, Rule, Rules, ValueType};
use crate::conflict::Kind;
use crate::json::{canonical_text, read_json as parse_json, value_to_json};
use crate::limits;
use crate::policy::{Policy, ROLES};
use crate::value::Value;

pub(super) fn read(text: &str) -> Result<Rules, RulesError> {
    if text.len() > limits::RULES_SOURCE_BYTES {
        return Err(RulesError::too_large(
            text.len(),
            limits::RULES_SOURCE_BYTES,
        ));
    }
    if text.trim_start().starts_with('{') {
        return read_json(text);
    }
    let document: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let place = error.span().map_or(0, |span| span.start);
        let line = text[..place.min(text.len())].lines().count().max(1);
        RulesFault::NotToml {
            reason: format!("{}, in line {line}", error.message()),
        }
    })?;
    checked(&from_toml(toml::Value::Table(document)))
}

pub(super) fn read_json(text: &str) -> Result<Rules, RulesError> {
    if text.len() > limits::RULES_SOURCE_BYTES {
        return Err(RulesError::too_large(
            text.len(),
            limits::RULES_SOURCE_BYTES,
        ));
    }
    let document = parse_json(text).map_err(|error| RulesFault::NotJson {
        reason: error.to_string(),
    })?;
    checked(&document)
}

/// A date is no type of JSON: it stays a text in an array, which is nowhere expected.
fn from_toml(value: toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::String(text),
        toml::Value::Integer(number) => Json::from(number),
        toml::Value::Float(number) => Json::from(number),
        toml::Value::Boolean(value) => Json::Bool(value),
        toml::Value::Datetime(time) => json!({ "$timestamp": time.to_string() }),
        toml::Value::Array(elements) => elements.into_iter().map(from_toml).collect(),
        toml::Value::Table(members) => Json::Object(
            members
                .into_iter()
                .map(|(key, value)| (key, from_toml(value)))
                .collect(),
        ),
    }
}

fn checked(document: &Json) -> Result<Rules, RulesError> {
    let root = Place::root(document);
    // First: a newer version may have keys that are unknown here.
    if let Some(version) = document.get("version").and_then(Json::as_u64)
        && version > RULES_FORMAT
    {
        return Err(RulesFault::Newer {
            version,
            known: RULES_FORMAT,
        }
        .into());
    }
    let table = root.table(&fields::DOCUMENT)?;
    table.need("version")?.number(RULES_FORMAT, RULES_FORMAT)?;
    let rules: Vec<Rule> = match table.get("rule") {
        None => Vec::new(),
        Some(list) => list
            .list("rules", limits::RULES)?
            .iter()
            .map(rule)
            .collect::<Result<_, _>>()?,
    };
    let canonical = write(&rules);
    if canonical.len() > limits::RULES_BYTES {
        return Err(RulesError::too_large(canonical.len(), limits::RULES_BYTES));
    }
    Ok(Rules { rules, canonical })
}

fn rule(place: &Place<'_>) -> Result<Rule, RulesError> {
    let table = place.table(&fields::RULE)?;
    let rule = Rule {
        name: match table.get(fields::NAME) {
            Some(name) => Some(name.text()?.to_owned()),
            None => None,
        },
        collections: several(&table, fields::COLLECTION, |place| {
            NamePattern::parse(place.text()?).map_err(|fault| place.fault(fault))
        })?,
        paths: several(&table, fields::PATH, |place| {
            PathPattern::parse(place.text()?).map_err(|fault| place.fault(fault))
        })?,
        types: several(&table, fields::TYPE, |place| {
            let names = ValueType::ALL.map(ValueType::as_str);
            Ok(ValueType::ALL[place.word(&names)?])
        })?,
        kinds: several(&table, fields::KIND, |place| {
            Ok(KINDS[place.word(&KINDS.map(Kind::as_str))?])
        })?,
        edits: range(&table, fields::EDITS)?,
        candidates: range(&table, fields::CANDIDATES)?,
        devices: range(&table, fields::DEVICES)?,
        some_roles: several(&table, fields::SOME_ROLE, role)?,
        every_role: several(&table, fields::EVERY_ROLE, role)?,
        owner_wrote: match table.get(fields::OWNER_WROTE) {
            Some(place) => Some(place.boolean()?),
            None => None,
        },
        policy: policy(&table.need(fields::POLICY)?)?,
    };
    check_decides(&rule, &table.need(fields::POLICY)?)?;
    Ok(rule)
}

/// A rule that nothing can match is a mistake.
fn check_decides(rule: &Rule, place: &Place<'_>) -> Result<(), RulesError> {
    let policy = rule.policy.as_str();
    if !rule.kinds.is_empty() && !rule.kinds.iter().any(|kind| rule.policy.decides(*kind)) {
        let kinds: Vec<_> = rule.kinds.iter().map(|kind| kind.as_str()).collect();
        return Err(place.fault(RulesFault::DecidesNothing {
            policy,
            kinds: kinds.join(", "),
        }));
    }
    let of_fields = [
        (fields::PATH, rule.paths.is_empty()),
        (fields::TYPE, rule.types.is_empty()),
    ];
    let of_records = !rule.policy.decides(Kind::PutPut);
    match of_fields.into_iter().find(|(_, empty)| !empty) {
        Some((key, _)) if of_records => Err(place.fault(RulesFault::NotOfFields { policy, key })),
        _ => Ok(()),
    }
}

fn several<T: PartialEq>(
    table: &Table<'_>,
    key: &str,
    read: impl Fn(&Place<'_>) -> Result<T, RulesError>,
) -> Result<Vec<T>, RulesError> {
    match table.get(key) {
        None => Ok(Vec::new()),
        Some(place) => Place::all(&place.one_or_more()?, read),
    }
}

fn range(table: &Table<'_>, key: &str) -> Result<Range, RulesError> {
    let Some(place) = table.get(key) else {
        return Ok(Range::default());
    };
    let bounds = place.table(&fields::RANGE)?;
    let bound = |key| match bounds.get(key) {
        Some(place) => place.number(1, limits::RULE_NUMBER).map(Some),
        None => Ok(None),
    };
    let range = Range {
        min: bound("min")?,
        max: bound("max")?,
    };
    match (range.min, range.max) {
        (Some(min), Some(max)) if min > max => Err(place.fault(RulesFault::EmptyRange)),
        (None, None) => Err(place.fault(RulesFault::Empty)),
        _ => Ok(range),
    }
}

fn role(place: &Place<'_>) -> Result<String, RulesError> {
    Ok(ROLES[place.word(&ROLES)?].to_owned())
}

fn policy(place: &Place<'_>) -> Result<Policy, RulesError> {
    if place.is_table() {
        let table = place.table(&fields::GIVEN_POLICIES)?;
        let Some((name, given)) = table.only() else {
            let known = fields::GIVEN_POLICIES.join(", ");
            return Err(place.fault(RulesFault::Pattern {
                reason: format!("a policy is one of {known}, by itself"),
            }));
        };
        return Ok(match name {
            fields::RANK => Policy::Rank(Place::all(&given.some()?, scalar)?),
            fields::PREFER_ROLE => Policy::PreferRole(Place::all(&given.some()?, role)?),
            _ => Policy::Custom(given.text()?.to_owned()),
        });
    }
    let name = place.text()?;
    if fields::GIVEN_POLICIES.contains(&name) {
        let example = match name {
            fields::CUSTOM => "{ custom = \"name\" }".to_owned(),
            list => format!("{{ {list} = [\"first\", \"second\"] }}"),
        };
        return Err(place.fault(RulesFault::Pattern {
            reason: format!("`{name}` needs to be given something: {example}"),
        }));
    }
    let known: Vec<_> = fields::PLAIN_POLICIES
        .into_iter()
        .chain(fields::GIVEN_POLICIES)
        .collect();
    place.word(&known)?;
    Ok(plain_policy(name))
}

fn plain_policy(name: &str) -> Policy {
    match name {
        "max" => Policy::Max,
        "min" => Policy::Min,
        "any_true" => Policy::AnyTrue,
        "all_true" => Policy::AllTrue,
        "longest" => Policy::Longest,
        "first_edit" => Policy::FirstEdit,
        "most_edits" => Policy::MostEdits,
        "prefer_owner" => Policy::PreferOwner,
        "latest" => Policy::Latest,
        "edit_wins" => Policy::EditWins,
        "delete_wins" => Policy::DeleteWins,
        _ => Policy::Review,
    }
}

/// A value of a `rank`: text, a whole number, true or false.
fn scalar(place: &Place<'_>) -> Result<Value, RulesError> {
    match place.value() {
        Json::Bool(value) => Ok(Value::Bool(*value)),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Ok(Value::Int(int)),
            (None, Some(uint)) => Ok(Value::Uint(uint)),
            _ => Err(place.fault(RulesFault::Type {
                expected: "a text, a whole number, true or false",
                found: "a fraction",
            })),
        },
        _ => place.text().map(|text| Value::String(text.to_owned())),
    }
}

/// The one form of some rules.
pub(super) fn write(rules: &[Rule]) -> String {
    let mut document = Map::new();
    document.insert("version".into(), Json::from(RULES_FORMAT));
    if !rules.is_empty() {
        document.insert("rule".into(), rules.iter().map(rule_to_json).collect());
    }
    canonical_text(&Json::Object(document))
        .expect("rules are five levels deep and have no number that JSON has not")
}

fn rule_to_json(rule: &Rule) -> Json {
    let mut json = Map::new();
    let mut words = |key: &str, mut words: Vec<&str>| {
        if !words.is_empty() {
            words.sort_unstable();
            json.insert(key.to_owned(), Json::from(words));
        }
    };
    let texts = |texts: &'_ [String]| -> Vec<String> { texts.to_vec() };
    words(
        fields::COLLECTION,
        rule.collections.iter().map(NamePattern::text).collect(),
    );
    words(
        fields::PATH,
        rule.paths.iter().map(PathPattern::text).collect(),
    );
    words(
        fields::TYPE,
        rule.types.iter().map(|t| t.as_str()).collect(),
    );
    words(
        fields::KIND,
        rule.kinds.iter().map(|kind| kind.as_str()).collect(),
    );
    let (some, every) = (texts(&rule.some_roles), texts(&rule.every_role));
    words(fields::SOME_ROLE, some.iter().map(String::as_str).collect());
    words(
        fields::EVERY_ROLE,
        every.iter().map(String::as_str).collect(),
    );
    if let Some(name) = &rule.name {
        json.insert(fields::NAME.into(), Json::from(name.as_str()));
    }
    for (key, range) in [
        (fields::EDITS, rule.edits),
        (fields::CANDIDATES, rule.candidates),
        (fields::DEVICES, rule.devices),
    ] {
        if !range.is_open() {
            let bounds = [("min", range.min), ("max", range.max)];
            let given = bounds
                .into_iter()
                .filter_map(|(key, bound)| Some((key.to_owned(), Json::from(bound?))));
            json.insert(key.into(), Json::Object(given.collect()));
        }
    }
    if let Some(wrote) = rule.owner_wrote {
        json.insert(fields::OWNER_WROTE.into(), Json::from(wrote));
    }
    json.insert(fields::POLICY.into(), policy_to_json(&rule.policy));
    Json::Object(json)
}

fn policy_to_json(policy: &Policy) -> Json {
    match policy {
        Policy::Rank(order) => {
            json!({ "rank": order.iter().map(value_to_json).collect::<Vec<_>>() })
        }
        Policy::PreferRole(roles) => json!({ "prefer_role": roles }),
        Policy::Custom(name) => json!({ "custom": name }),
        plain => Json::from(plain.as_str()),
    }
}
