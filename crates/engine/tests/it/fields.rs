//! Counters, texts, lists and sets on replicas: what edits mean beside other fields, what is refused, what is found.

use driftless_document::{FieldPath, FieldType, Node, Row, Value, WriteError, parse_node};
use driftless_engine::{Edit, EngineError, Filter, Replica};

use crate::support::{assert_equal, insert, sync, two};

fn path(text: &str) -> FieldPath {
    FieldPath::parse(text).unwrap()
}

fn set(field: &str, json: &str) -> Edit {
    Edit::Set {
        path: path(field),
        node: parse_node(json).unwrap(),
    }
}

fn increment(field: &str, by: i64) -> Edit {
    Edit::Increment {
        path: path(field),
        by,
    }
}

fn append(field: &str, text: &str) -> Edit {
    Edit::AppendText {
        path: path(field),
        text: text.into(),
    }
}

fn push(field: &str, values: &[Value]) -> Edit {
    Edit::InsertElements {
        path: path(field),
        at: None,
        values: values.into(),
    }
}

fn add(field: &str, member: Value) -> Edit {
    Edit::AddMember {
        path: path(field),
        member,
    }
}

fn text(value: &str) -> Value {
    Value::String(value.into())
}

fn edit(
    replica: &mut Replica,
    id: driftless_document::RecordId,
    edits: &[Edit],
) -> Result<bool, EngineError> {
    let commit = replica.edit("notes", id, edits)?;
    replica.commit_group()?;
    Ok(commit.changed)
}

fn row(replica: &Replica, id: driftless_document::RecordId) -> Row {
    replica.get("notes", id).unwrap().unwrap()
}

/// A record with one field of each type.
const TYPED: [&str; 4] = ["views", "story", "steps", "tags"];

fn typed(replica: &mut Replica) -> driftless_document::RecordId {
    let id = insert(replica, r#"{"name":"a"}"#);
    let edits = [
        increment("views", 2),
        append("story", "once"),
        push("steps", &[Value::Int(1), text("two")]),
        add("tags", text("x")),
    ];
    assert!(edit(replica, id, &edits).unwrap());
    id
}

#[test]
fn setting_a_field_to_what_it_shall_read_changes_only_what_differs() {
    let (_, mut laptop, _, mut phone) = two();
    let id = typed(&mut laptop);
    sync(&mut laptop, &mut phone).unwrap();
    let sets = [
        set("views", "10"),
        set("story", r#""once more""#),
        set("steps", r#"[1,"TWO",{"three":3}]"#),
        set("tags", r#"["y","x"]"#),
    ];
    assert!(edit(&mut laptop, id, &sets).unwrap());
    assert!(!edit(&mut laptop, id, &sets).unwrap());
    let beside = [
        increment("views", 1),
        append("story", "!"),
        push("steps", &[Value::Null]),
        add("tags", Value::Int(7)),
    ];
    assert!(edit(&mut phone, id, &beside).unwrap());
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
    let row = row(&laptop, id);
    assert_eq!(row.at(&path("views")), Some(&Value::Counter(11)));
    let Some(Value::Text(story)) = row.at(&path("story")) else {
        panic!("it is a text")
    };
    assert!(
        ["once more!", "once! more"].contains(&story.as_str()),
        "{story}"
    );
    let Some(Value::List(steps)) = row.at(&path("steps")) else {
        panic!("it is a list")
    };
    assert_eq!(steps.len(), 4);
    assert_eq!(steps[..2], [Value::Int(1), text("TWO")]);
    assert!(steps.contains(&Value::Json(r#"{"three":3}"#.into())));
    let expected = Value::Set(vec![Value::Int(7), text("x"), text("y")]);
    assert_eq!(row.at(&path("tags")), Some(&expected));
}

#[test]
fn a_list_that_is_replaced_keeps_the_elements_that_stay() {
    let (_, mut laptop, _, mut phone) = two();
    let id = insert(&mut laptop, "{}");
    let numbers = |range: std::ops::Range<i64>| range.map(Value::Int).collect::<Vec<_>>();
    edit(&mut laptop, id, &[push("l", &numbers(0..6))]).unwrap();
    sync(&mut laptop, &mut phone).unwrap();
    // The one takes out 1 and 2 and puts 9 at the end, the other gives 4 another value.
    edit(&mut laptop, id, &[set("l", "[0,3,4,5,9]")]).unwrap();
    let put = Edit::PutElement {
        path: path("l"),
        at: 4,
        value: text("four"),
    };
    edit(&mut phone, id, &[put]).unwrap();
    sync(&mut laptop, &mut phone).unwrap();
    assert_equal(&laptop, &phone);
    let expected = [
        Value::Int(0),
        Value::Int(3),
        text("four"),
        Value::Int(5),
        Value::Int(9),
    ];
    assert_eq!(
        row(&phone, id).at(&path("l")),
        Some(&Value::List(expected.into()))
    );
    for to in ["[]", "[5,4,3]", "[3,5,4,3,[1]]", "[null,true,1.5]"] {
        edit(&mut laptop, id, &[set("l", to)]).unwrap();
        let found = row(&laptop, id).at(&path("l")).cloned().unwrap();
        assert_eq!(driftless_document::value_to_json(&found).to_string(), to);
    }
}

/// What an edit is refused with; nothing is written.
#[track_caller]
fn refusal(replica: &mut Replica, id: driftless_document::RecordId, edits: &[Edit]) -> WriteError {
    let before = row(replica, id);
    let refused = match edit(replica, id, edits) {
        Err(EngineError::Write(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(row(replica, id), before);
    refused
}

#[test]
fn what_does_not_fit_a_field_is_refused_with_its_name() {
    let (_, mut laptop, _, _) = two();
    let id = typed(&mut laptop);
    let one = Value::Int(1);
    let of_each = |field: &str| {
        [
            increment(field, 1),
            append(field, "x"),
            push(field, std::slice::from_ref(&one)),
            add(field, one.clone()),
        ]
    };
    for (n, field) in TYPED.into_iter().enumerate() {
        for (m, wrong) in of_each(field).into_iter().enumerate() {
            if n != m {
                let error = refusal(&mut laptop, id, &[wrong]);
                assert!(
                    matches!(&error, WriteError::OtherType { path, .. } if path == field),
                    "{error}"
                );
            }
        }
        let inside = refusal(&mut laptop, id, &[set(&format!("{field}.x"), "1")]);
        assert!(
            matches!(&inside, WriteError::HasNoFields { path, .. } if path == field),
            "{inside}"
        );
        let object = refusal(&mut laptop, id, &[set(field, r#"{"a":1}"#)]);
        assert!(
            matches!(&object, WriteError::HasNoFields { path, .. } if path == field),
            "{object}"
        );
        let value = refusal(&mut laptop, id, &[set(field, "true")]);
        assert!(
            matches!(&value, WriteError::DoesNotFit { path, .. } if path == field),
            "{value}"
        );
    }
    for wrong in of_each("name") {
        let error = refusal(&mut laptop, id, &[wrong]);
        assert!(
            matches!(&error, WriteError::OtherType { path, is: FieldType::Value, .. } if path == "name")
        );
    }
}

#[test]
fn what_a_field_of_its_type_cannot_do_is_refused_with_its_name() {
    let (_, mut laptop, _, _) = two();
    let id = typed(&mut laptop);
    let unset = Edit::Unset {
        path: path("views"),
    };
    assert_eq!(
        refusal(&mut laptop, id, &[unset]).to_string(),
        "the counter `views` cannot be unset; set it to 0"
    );
    let far = Edit::Splice {
        path: path("story"),
        at: 5,
        delete: 0,
        insert: "x".into(),
    };
    assert_eq!(
        refusal(&mut laptop, id, &[set("name", "1"), far]).to_string(),
        "the text `story` has 4 characters; there is no place 5"
    );
    let gone = Edit::RemoveElements {
        path: path("steps"),
        at: 1,
        count: 2,
    };
    assert_eq!(
        refusal(&mut laptop, id, &[gone]).to_string(),
        "the list `steps` has 2 elements; there is no place 2"
    );
    let member = refusal(&mut laptop, id, &[add("tags", Value::Json("[]".into()))]);
    assert!(
        matches!(&member, WriteError::NotAMember { path } if path == "tags"),
        "{member}"
    );
    let much = refusal(&mut laptop, id, &[increment("views", i64::MIN)]);
    assert!(matches!(&much, WriteError::IncrementTooLarge { path, .. } if path == "views"));
}

#[test]
fn a_value_takes_the_place_of_no_text_and_a_text_that_of_no_object() {
    let (_, mut laptop, _, _) = two();
    let id = insert(&mut laptop, r#"{"address":{"city":"Bern"}}"#);
    let error = refusal(&mut laptop, id, &[append("address", "x")]);
    assert_eq!(
        error.to_string(),
        "the field `address` has fields inside it and cannot be a text"
    );
    edit(&mut laptop, id, &[append("address.way", "left")]).unwrap();
    let error = refusal(&mut laptop, id, &[set("address", "1")]);
    assert_eq!(
        error.to_string(),
        "the field `address` cannot be one value: the text `address.way` inside it stays"
    );
    // An object in its place empties the text, which is there for good.
    edit(&mut laptop, id, &[set("address", r#"{"zip":"1"}"#)]).unwrap();
    let nested = driftless_document::nest(&row(&laptop, id).fields);
    assert_eq!(
        serde_json::Value::Object(nested.fields),
        serde_json::json!({"address": {"way": "", "zip": "1"}})
    );
    assert!(nested.shadowed.is_empty());
}

#[test]
fn an_import_finds_fields_of_every_type() {
    let (_, mut laptop, _, _) = two();
    let id = typed(&mut laptop);
    let import = |laptop: &mut Replica, json: &str| {
        let fields = driftless_document::parse_record(json).unwrap();
        let counts = laptop.import("notes", vec![(Some(id), fields)]).unwrap();
        laptop.commit_group().unwrap();
        counts
    };
    let same = r#"{"name":"a","views":2,"story":"once","steps":[1,"two"],"tags":["x"]}"#;
    let counts = import(&mut laptop, same);
    assert_eq!((counts.updated, counts.unchanged), (0, 1));
    let other = r#"{"views":5,"story":"twice","steps":["two"],"tags":["y"]}"#;
    assert_eq!(import(&mut laptop, other).updated, 1);
    let nested = driftless_document::nest(&row(&laptop, id).fields);
    let expected =
        serde_json::json!({"name":"a","views":5,"story":"twice","steps":["two"],"tags":["y"]});
    assert_eq!(serde_json::Value::Object(nested.fields), expected);
}

#[test]
fn a_query_finds_records_by_what_fields_of_every_type_read() {
    let (_, mut laptop, _, _) = two();
    let id = typed(&mut laptop);
    insert(&mut laptop, r#"{"name":"b"}"#);
    let found = |field: &str, wanted: &str| {
        let value = match parse_node(wanted) {
            Ok(Node::Leaf(value)) => value,
            _ => text(wanted),
        };
        let filter = Filter {
            path: path(field),
            value,
            text: wanted.into(),
        };
        let records = laptop.list("notes", &[filter], None).unwrap();
        records.iter().map(|(found, _)| *found).collect::<Vec<_>>() == [id]
    };
    for (field, wanted) in [
        ("views", "2"),
        ("story", "once"),
        ("steps", "two"),
        ("steps", "1"),
        ("steps", r#"[1,"two"]"#),
        ("tags", "x"),
        ("tags", r#"["x"]"#),
    ] {
        assert!(found(field, wanted), "{field}={wanted}");
    }
    for (field, wanted) in [
        ("views", "3"),
        ("story", "on"),
        ("steps", "[1]"),
        ("tags", "y"),
    ] {
        assert!(!found(field, wanted), "{field}={wanted}");
    }
}
