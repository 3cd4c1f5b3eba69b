//! Documents of rules: what is read, what is refused and where, which rule matches.

use driftless_document::{
    Fit, Kind, NoAuthors, Policy, ROLES, Rules, RulesError, RulesFault, RulesVersion, Shown,
    Subject, Value, limits, rules_schema,
};

use crate::policies::{Log, entry_of, side, values};
use crate::support::text;

const EXAMPLE: &str = r#"
# What a workshop agreed on.
version = 1

[[rule]]
name = "A task that is done stays done"
collection = "tasks"
path = "status"
policy = { rank = ["done", "doing", "open"] }

[[rule]]
collection = ["stock*", "shop"]
path = ["counts.**", "price_*"]
type = ["int", "float"]
edits = { min = 2, max = 10 }
policy = "max"

[[rule]]
kind = "record_deleted"
some_role = "admin"
policy = { prefer_role = ["owner", "admin"] }

[[rule]]
kind = "record_deleted"
policy = "edit_wins"
"#;

fn at(document: &str) -> String {
    Rules::read(document).unwrap_err().to_string()
}

fn rule(keys: &str) -> String {
    format!("version = 1\n[[rule]]\n{keys}\n")
}

#[test]
fn toml_and_json_of_the_same_rules_are_the_same_rules() {
    let toml = Rules::read(EXAMPLE).unwrap();
    let json = r#" {"rule": [
        {"policy": {"rank": ["done", "doing", "open"]}, "path": ["status"], "collection": "tasks",
         "name": "A task that is done stays done"},
        {"collection": ["shop", "stock*"], "path": ["price_*", "counts.**"], "type": ["float", "int"],
         "edits": {"max": 10, "min": 2}, "policy": "max"},
        {"kind": "record_deleted", "some_role": ["admin"],
         "policy": {"prefer_role": ["owner", "admin"]}},
        {"kind": ["record_deleted"], "policy": "edit_wins"}
      ], "version": 1}"#;
    let json = Rules::read(json).unwrap();
    assert_eq!(toml.canonical(), json.canonical());
    assert_eq!(toml.version(), json.version());
    assert_eq!(
        Rules::from_canonical(toml.canonical().as_bytes())
            .unwrap()
            .version(),
        toml.version()
    );
    assert_eq!(toml.len(), 4);
    assert_eq!(toml.name(0), Some("A task that is done stays done"));
    assert_eq!(
        toml.version(),
        RulesVersion::of(toml.canonical().as_bytes())
    );
}

#[test]
fn no_rules_leave_everything_to_people() {
    let none = Rules::read("version = 1").unwrap();
    assert_eq!(none, Rules::default());
    assert_eq!(none.canonical(), r#"{"version":1}"#);
    let entry = values([Value::Int(1), Value::Int(2)]);
    assert_eq!(
        none.decide("c", &entry, &NoAuthors),
        (None, &Policy::Review)
    );
}

#[test]
fn the_first_rule_that_matches_wins() {
    let rules = Rules::read(EXAMPLE).unwrap();
    let mut entry = values([text("open"), text("done")]);
    entry.register = "status".into();
    let (n, policy) = rules.decide("tasks", &entry, &NoAuthors);
    assert_eq!((n, policy.as_str()), (Some(0), "rank"));
    assert_eq!(
        rules.decide("other", &entry, &NoAuthors),
        (None, &Policy::Review)
    );

    let mut counted = values([Value::Int(1), Value::Float(2.5)]);
    counted.register = "counts.box.small".into();
    assert_eq!(rules.decide("stock_2026", &counted, &NoAuthors).0, Some(1));
    assert_eq!(rules.decide("stoc", &counted, &NoAuthors).0, None);
    counted.register = "colour".into();
    assert_eq!(rules.decide("stock_2026", &counted, &NoAuthors).0, None);

    let sides = [side(1, Shown::Keep), side(2, Shown::Absent)];
    let deleted = entry_of(Kind::RecordDeleted, &sides);
    assert_eq!(
        rules.decide("tasks", &deleted, &NoAuthors),
        (Some(3), &Policy::EditWins)
    );
    let log = Log::of(&[(1, "admin"), (2, "editor")]);
    assert_eq!(rules.decide("tasks", &deleted, &log).0, Some(2));
}

#[test]
fn a_rule_is_passed_over_where_its_policy_says_nothing() {
    let rules = Rules::read(&format!(
        "{}{}",
        rule("policy = \"max\""),
        "[[rule]]\npolicy = \"edit_wins\"\n"
    ))
    .unwrap();
    let sides = [side(1, Shown::Keep), side(2, Shown::Absent)];
    let deleted = entry_of(Kind::RecordDeleted, &sides);
    assert_eq!(rules.decide("c", &deleted, &NoAuthors).0, Some(1));
    let mut written = values([Value::Int(1), Value::Int(2)]);
    written.kind = Kind::Text;
    assert_eq!(
        rules.decide("c", &written, &NoAuthors),
        (None, &Policy::Review)
    );
}

#[test]
fn conditions_on_history_and_authors_are_asked_of_the_log_of_members() {
    let three = values([Value::Int(1), Value::Int(2), Value::Int(3)]);
    let log = Log::of(&[(1, "owner"), (2, "admin")]);
    let matches = |keys: &str, log: &Log| {
        let rules = Rules::read(&rule(&format!("{keys}\npolicy = \"max\""))).unwrap();
        rules.decide("c", &three, log).0.is_some()
    };
    assert!(matches("candidates = { min = 3 }", &log));
    assert!(!matches("candidates = { max = 2 }", &log));
    assert!(matches("devices = { min = 3, max = 3 }", &log));
    assert!(!matches("edits = { min = 4 }", &log));
    assert!(matches("some_role = \"admin\"", &log));
    assert!(!matches("some_role = \"editor\"", &log));
    assert!(!matches("every_role = [\"owner\", \"admin\"]", &log));
    let all = Log::of(&[(1, "owner"), (2, "admin"), (3, "admin")]);
    assert!(matches("every_role = [\"owner\", \"admin\"]", &all));
    assert!(matches("owner_wrote = true", &log));
    assert!(!matches("owner_wrote = false", &log));
    assert!(matches("owner_wrote = false", &Log::default()));
    assert!(matches("type = \"int\"", &log));
    assert!(!matches("type = [\"float\", \"string\"]", &log));
}

// tidy: table
/// Holds what is said of documents that are refused.
fn refused(cases: &[(String, &str)]) {
    for (document, expected) in cases {
        let found = at(document);
        assert!(
            found.contains(expected),
            "{document}\n  said   {found}\n  not    {expected}"
        );
    }
}

#[test]
fn a_document_that_is_no_rules_is_refused_with_what_is_wrong() {
    refused(&[
        (String::new(), "`version` is missing"),
        (
            "version = 1.5".into(),
            "version: expected a whole number from 1 to 1",
        ),
        (
            "version = \"1\"".into(),
            "version: expected a number, found a text",
        ),
        (
            "version = 2\nnew = 1".into(),
            "version 2 is of a newer Driftless",
        ),
        (
            "version = 1\nrules = []".into(),
            "rules: there is no such key; here are version, rule",
        ),
        (
            "version = 1\nrule = 3".into(),
            "rule: expected a list, found a number",
        ),
        ("version = 1\nrule".into(), "not TOML: "),
        ("{\"version\": 1, \"version\": 1}".into(), "stands twice"),
        ("{\"version\": 1, }".into(), "not JSON"),
    ]);
}

#[test]
fn a_bad_policy_is_refused_with_the_key_it_is_in() {
    let two = |third: &str| {
        format!(
            "version = 1\n[[rule]]\npolicy = \"max\"\n[[rule]]\npolicy = \"min\"\n[[rule]]\n{third}\n"
        )
    };
    refused(&[
        (rule("path = \"a\""), "rule[0]: `policy` is missing"),
        (
            rule("policy = \"newest\""),
            "rule[0].policy: \"newest\" is none of review, max",
        ),
        (
            rule("policy = \"rank\""),
            "rule[0].policy: `rank` needs to be given something",
        ),
        (
            rule("policy = {}"),
            "rule[0].policy: a policy is one of rank, prefer_role, custom",
        ),
        (
            rule("policy = { rank = [1], custom = \"x\" }"),
            "rule[0].policy: a policy is one of",
        ),
        (
            two("policy = { rank = [\"a\", 1.5] }"),
            "rule[2].policy.rank[1]: expected a text, a whole number",
        ),
        (
            two("policy = { rank = [\"a\", \"b\", \"a\"] }"),
            "rule[2].policy.rank[2]: \"a\" stands twice",
        ),
        (
            two("policy = { prefer_role = [\"boss\"] }"),
            "rule[2].policy.prefer_role[0]: \"boss\" is none of owner",
        ),
        (
            two("policy = { custom = \"\" }"),
            "rule[2].policy.custom: it is empty",
        ),
        (
            rule("policy = \"max\"\nkind = \"record_deleted\""),
            "rule[0].policy: `max` does not decide conflicts of kind record_deleted",
        ),
        (
            rule("policy = \"edit_wins\"\npath = \"a\""),
            "rule[0].policy: `edit_wins` decides about whole records, so the rule can have no `path`",
        ),
    ]);
}

#[test]
fn a_bad_match_is_refused_with_the_key_it_is_in() {
    refused(&[
        (
            rule("polcy = \"max\""),
            "rule[0].polcy: there is no such key; here are name, collection",
        ),
        (
            rule("policy = \"max\"\npath = \"a..b\""),
            "rule[0].path: an empty part",
        ),
        (
            rule("policy = \"max\"\npath = [\"a\", \"$deleted\"]"),
            "rule[0].path[1]: a first $",
        ),
        (
            rule("policy = \"max\"\npath = []"),
            "rule[0].path: it is empty",
        ),
        (
            rule("policy = \"max\"\ncollection = \"a\\\\x\""),
            "rule[0].collection: a \\ stands before",
        ),
        (
            rule("policy = \"max\"\ntype = \"number\""),
            "rule[0].type: \"number\" is none of null, bool",
        ),
        (
            rule("policy = \"max\"\nkind = \"text\""),
            "rule[0].kind: \"text\" is none of",
        ),
        (
            rule("policy = \"max\"\nedits = { min = 3, max = 2 }"),
            "rule[0].edits: `min` is greater than `max`",
        ),
        (
            rule("policy = \"max\"\nedits = { min = 0 }"),
            "rule[0].edits.min: expected a whole number from 1",
        ),
        (
            rule("policy = \"max\"\nedits = {}"),
            "rule[0].edits: it is empty",
        ),
        (
            rule("policy = \"max\"\nowner_wrote = \"yes\""),
            "rule[0].owner_wrote: expected true or false, found a text",
        ),
        (
            rule("policy = \"max\"\nname = 1979-05-27"),
            "rule[0].name: expected a text, found a table",
        ),
        (
            rule("policy = \"max\"\nname = \"a\\u0007\""),
            "rule[0].name: it has a control character",
        ),
    ]);
}

#[test]
fn everything_has_a_limit() {
    let fault = |document: &str| Rules::read(document).unwrap_err().fault;
    let comment = format!("version = 1\n# {}", "x".repeat(limits::RULES_SOURCE_BYTES));
    assert!(matches!(fault(&comment), RulesFault::TooLarge { .. }));
    let many = format!(
        "version = 1\n{}",
        "[[rule]]\npolicy = \"max\"\n".repeat(limits::RULES + 1)
    );
    assert!(matches!(
        fault(&many),
        RulesFault::TooMany { what: "rules", .. }
    ));
    let most = format!(
        "version = 1\n{}",
        "[[rule]]\npolicy = \"max\"\n".repeat(limits::RULES)
    );
    assert_eq!(Rules::read(&most).unwrap().len(), limits::RULES);
    let list: Vec<_> = (0..=limits::RULE_LIST).map(|n| n.to_string()).collect();
    let long = rule(&format!("policy = {{ rank = [{}] }}", list.join(",")));
    assert!(matches!(fault(&long), RulesFault::TooMany { .. }));
    // Few bytes as TOML, many as what travels: names with wide escapes.
    let named = format!(
        "[[rule]]\npolicy = \"max\"\nname = \"{}\"\n",
        "y".repeat(200)
    );
    let wide = format!("version = 1\n{}", named.repeat(200));
    assert!(matches!(
        fault(&wide),
        RulesFault::TooLarge {
            limit: limits::RULES_BYTES,
            ..
        }
    ));
    let deep = format!(
        "version = 1\nrule = {}{}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    assert!(matches!(fault(&deep), RulesFault::NotToml { .. }));
    let deep = format!("{{\"rule\": {}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(matches!(fault(&deep), RulesFault::NotJson { .. }));
}

#[test]
fn what_travels_is_taken_in_its_one_form_only() {
    let rules = Rules::read(EXAMPLE).unwrap();
    let spaced = rules.canonical().replace(':', ": ");
    let refused = |bytes: &[u8]| Rules::from_canonical(bytes).unwrap_err().fault;
    assert_eq!(refused(spaced.as_bytes()), RulesFault::NotCanonical);
    assert_eq!(refused(&[0xff]), RulesFault::NotCanonical);
    let newer = r#"{"shiny":true,"version":7}"#;
    assert_eq!(
        refused(newer.as_bytes()),
        RulesFault::Newer {
            version: 7,
            known: 1
        }
    );
    assert!(Rules::from_canonical(br#"{"shiny":true,"version":1}"#).is_err());
}

#[test]
fn an_explanation_walks_the_rules_as_deciding_does() {
    let rules = Rules::read(EXAMPLE).unwrap();
    let mut entry = values([Value::Int(5), Value::Int(9)]);
    entry.register = "price_eur".into();
    let subject = Subject::of("shop", &entry, &NoAuthors);
    let told = rules.explain(&subject);
    assert_eq!((told.rule, told.policy), (Some(1), Some(Policy::Max)));
    let words: Vec<_> = told
        .steps
        .iter()
        .map(|step| (step.fit, step.words.as_str()))
        .collect();
    assert_eq!(
        words,
        [
            (
                Fit::No,
                "does not match: it wants collection `tasks`, and this is in `shop`"
            ),
            (Fit::Matches, "matches: shows the greatest value"),
        ]
    );
}

#[test]
fn before_an_edit_an_explanation_says_what_it_depends_on() {
    let rules = Rules::read(EXAMPLE).unwrap();
    let subject = Subject {
        collection: "shop".into(),
        field: Some(driftless_document::FieldPath::parse("price_eur").unwrap()),
        kind: Kind::PutPut,
        types: None,
        history: None,
    };
    let told = rules.explain(&subject);
    assert_eq!((told.rule, told.policy), (None, None));
    let last = told
        .steps
        .iter()
        .find(|step| step.fit == Fit::Depends)
        .unwrap();
    assert_eq!(
        last.words,
        "would show the greatest value, if the edits are as it wants: type `int` or `float`"
    );
}

#[test]
fn the_published_schema_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.schema.json");
    let schema = serde_json::to_string_pretty(&rules_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap();
    assert_eq!(published, schema, "run this test once with UPDATE_SCHEMA=1");
}

/// Each word the schema allows is taken, so that the two cannot say different things.
#[test]
fn what_the_schema_names_is_what_is_read() {
    let schema = rules_schema();
    let words = |pointer: &str| -> Vec<String> {
        let list = schema
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer}"));
        list.as_array()
            .unwrap()
            .iter()
            .map(|w| w.as_str().unwrap().to_owned())
            .collect()
    };
    for policy in words("/$defs/policy/oneOf/0/enum") {
        Rules::read(&rule(&format!("policy = \"{policy}\""))).unwrap();
    }
    for kind in words("/$defs/rule/properties/kind/anyOf/0/enum") {
        Rules::read(&rule(&format!("policy = \"review\"\nkind = \"{kind}\""))).unwrap();
    }
    for found in words("/$defs/rule/properties/type/anyOf/0/enum") {
        Rules::read(&rule(&format!("policy = \"review\"\ntype = \"{found}\""))).unwrap();
    }
    assert_eq!(words("/$defs/role/enum"), ROLES);
    let properties = schema
        .pointer("/$defs/rule/properties")
        .unwrap()
        .as_object()
        .unwrap();
    let mut listed: Vec<_> = properties.keys().cloned().collect();
    let error = at(&rule("nonsense = 1\npolicy = \"max\""));
    let mut named: Vec<_> = error
        .rsplit("here are ")
        .next()
        .unwrap()
        .split(", ")
        .map(str::to_owned)
        .collect();
    listed.sort();
    named.sort();
    assert_eq!(listed, named);
}

#[test]
fn every_error_says_what_to_do() {
    let error = RulesError {
        at: "rule[0]".into(),
        fault: RulesFault::Empty,
    };
    assert_eq!(error.to_string(), "rule[0]: it is empty");
    assert!(error.remedy().contains("driftless rules check"));
}
