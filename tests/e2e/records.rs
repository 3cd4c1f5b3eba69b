//! Single records: what goes in comes out, by every name a record has.

use serde_json::{Value as Json, json};

use crate::support::{Device, World, text};

fn notes() -> (World, Device) {
    let world = World::new();
    let laptop = world.init("laptop");
    (world, laptop)
}

#[test]
fn what_is_inserted_is_shown_again() {
    let (_world, laptop) = notes();
    let id = laptop.insert(
        "people",
        &[
            "name=Ada Lovelace",
            "born=1815",
            "zip=00501",
            "quoted=\"00501\"",
            "ratio=0.1",
            "big=18446744073709551615",
            "small=-9223372036854775808",
            "sure=true",
            "nothing=null",
            "empty=",
            "equation=a=b",
            "address.city=London",
            "address.home\\.town=Marylebone",
            "job={\"title\":\"analyst\",\"since\":{\"year\":1842}}",
            "tags=[\"first\", 2, {\"a\": []}]",
            "photo={\"$bytes\":\"aGVsbG8=\"}",
            "seen={\"$timestamp\":\"2026-01-31T12:00:00Z\"}",
            "odd $ name=x",
        ],
    );
    let record = laptop.json(["get", "people", &id]);
    assert_eq!(record["id"], id);
    assert_eq!(record["collection"], "people");
    assert!(!text(&record["version"]).is_empty());
    let expected = json!({
        "name": "Ada Lovelace",
        "born": 1815,
        "zip": "00501",
        "quoted": "00501",
        "ratio": 0.1,
        "big": 18_446_744_073_709_551_615_u64,
        "small": i64::MIN,
        "sure": true,
        "nothing": null,
        "empty": "",
        "equation": "a=b",
        "address": {"city": "London", "home.town": "Marylebone"},
        "job": {"title": "analyst", "since": {"year": 1842}},
        "tags": ["first", 2, {"a": []}],
        "photo": {"$bytes": "aGVsbG8="},
        "seen": {"$timestamp": "2026-01-31T12:00:00Z"},
        "odd $ name": "x",
    });
    assert_eq!(record["fields"], expected);
    assert_eq!(laptop.lines(["list", "people"]), [record]);
}

#[test]
fn each_write_changes_the_version_and_says_whether_it_changed_anything() {
    let (_world, laptop) = notes();
    let id = laptop.insert("notes", &["title=a", "body.text=x", "body.length=1"]);
    let first = laptop.json(["get", "notes", &id]);
    let set = laptop.json(["set", "notes", &id, "title=b", "n=2"]);
    assert_eq!((&set["changed"], &set["id"]), (&json!(true), &json!(id)));
    let second = laptop.json(["get", "notes", &id]);
    assert_eq!(
        second["fields"],
        json!({"title": "b", "body": {"text": "x", "length": 1}, "n": 2})
    );
    assert_ne!(second["version"], first["version"]);
    assert_eq!(second["version"], set["version"]);

    let again = laptop.json(["set", "notes", &id, "title=b"]);
    assert_eq!(
        (&again["changed"], &again["version"]),
        (&json!(false), &set["version"])
    );

    laptop.json(["unset", "notes", &id, "body", "n"]);
    assert_eq!(laptop.fields("notes", &id), json!({"title": "b"}));

    laptop.json([
        "set",
        "notes",
        &id,
        "title={\"long\":\"b\",\"short\":\"c\"}",
    ]);
    assert_eq!(
        laptop.fields("notes", &id),
        json!({"title": {"long": "b", "short": "c"}})
    );
    laptop.json(["set", "notes", &id, "title={\"long\":\"d\"}"]);
    assert_eq!(laptop.fields("notes", &id), json!({"title": {"long": "d"}}));
}

#[test]
fn a_deleted_record_is_gone_until_it_is_restored_as_it_was() {
    let (_world, laptop) = notes();
    let id = laptop.insert("notes", &["title=a", "n=1"]);
    let other = laptop.insert("notes", &["title=b"]);
    let before = laptop.fields("notes", &id);
    assert_eq!(laptop.json(["delete", "notes", &id])["changed"], true);

    for command in [
        &["get", "notes", &id][..],
        &["set", "notes", &id, "n=2"],
        &["unset", "notes", &id, "n"],
    ] {
        let error = laptop.fails(3, command);
        assert_eq!(error["code"], "record_deleted");
        assert!(
            text(&error["remedy"]).to_lowercase().contains("restore"),
            "{error}"
        );
    }
    let listed: Vec<_> = laptop.lines(["list", "notes"]);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], other);
    assert_eq!(laptop.json(["status"])["records"], 1);

    assert_eq!(laptop.json(["restore", "notes", &id])["changed"], true);
    assert_eq!(laptop.fields("notes", &id), before);
    assert_eq!(laptop.json(["restore", "notes", &id])["changed"], false);
}

#[test]
fn a_record_is_named_by_its_id_the_beginning_of_it_or_its_key() {
    let (world, laptop) = notes();
    let file = world.file(
        "shops.csv",
        "city,street,n\nBerlin,Main Street 1,1\nBerlin,\"a \"\"b\"\", c\",2\n00501,x,3\n",
    );
    laptop.json([
        "import",
        &file,
        "--collection",
        "shops",
        "--key",
        "city",
        "--key",
        "street",
    ]);
    let by_key = laptop.json(["get", "shops", "key:[\"Berlin\",\"a \\\"b\\\", c\"]"]);
    assert_eq!(by_key["fields"]["n"], 2);
    let id = text(&by_key["id"]);
    for name in [id.clone(), id.to_uppercase(), id[..13].to_owned()] {
        assert_eq!(laptop.json(["get", "shops", &name]), by_key, "{name}");
    }
    assert_eq!(
        laptop.json(["get", "shops", "key:[\"00501\",\"x\"]"])["fields"]["n"],
        3
    );

    let file = world.file("one.csv", "code,n\n00501,1\n[\"a\"],2\n");
    laptop.json(["import", &file, "--collection", "codes", "--key", "code"]);
    assert_eq!(laptop.fields("codes", "key:00501")["n"], 1);

    for unknown in ["key:nobody", "00000000-0000-7000-8000-000000000000", "ffff"] {
        assert_eq!(
            laptop.fails(3, ["get", "codes", unknown])["code"],
            "not_found",
            "{unknown}"
        );
    }
    assert_eq!(
        laptop.fails(3, ["get", "nothing-here", "key:00501"])["code"],
        "not_found"
    );
}

#[test]
fn a_beginning_that_fits_two_records_names_neither() {
    let (_world, laptop) = notes();
    let (one, other) = (
        laptop.insert("notes", &["n=1"]),
        laptop.insert("notes", &["n=2"]),
    );
    let common = one
        .bytes()
        .zip(other.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    assert!(
        common > 0,
        "ids made within a second begin alike: {one} {other}"
    );
    let error = laptop.fails(2, ["get", "notes", &one[..common]]);
    assert_eq!(error["code"], "ambiguous");
}

#[test]
fn lists_are_in_id_order_and_filters_compare_as_people_mean_it() {
    let (world, laptop) = notes();
    let file = world.file(
        "towns.csv",
        "name,zip,size,state\na,00501,10,NY\nb,10001,20,NY\nc,02134,10,MA\nd,10001,,MA\n",
    );
    laptop.json(["import", &file, "--collection", "towns", "--key", "name"]);
    let names = |arguments: &[&str]| -> Vec<String> {
        let arguments = ["list", "towns"].iter().chain(arguments);
        laptop
            .lines(arguments)
            .iter()
            .map(|record| text(&record["fields"]["name"]))
            .collect()
    };
    let sorted = |arguments: &[&str]| {
        let mut names = names(arguments);
        names.sort();
        names
    };
    assert_eq!(sorted(&[]), ["a", "b", "c", "d"]);
    assert_eq!(sorted(&["--where", "state=NY"]), ["a", "b"]);
    assert_eq!(sorted(&["--where", "zip=00501"]), ["a"]);
    assert_eq!(
        sorted(&["--where", "zip=10001"]),
        ["b", "d"],
        "a number matches a string of its text"
    );
    assert_eq!(sorted(&["--where", "size=10"]), ["a", "c"]);
    assert_eq!(
        sorted(&["--where", "size=10.0"]),
        ["a", "c"],
        "numbers compare as numbers"
    );
    assert_eq!(
        sorted(&["--where", "size=\"10\""]),
        Vec::<String>::new(),
        "a text is no number"
    );
    assert_eq!(sorted(&["--where", "size=null"]), ["d"]);
    assert_eq!(
        sorted(&["--where", "state=MA", "--where", "zip=02134"]),
        ["c"]
    );
    assert_eq!(sorted(&["--where", "nowhere=1"]), Vec::<String>::new());

    let ids: Vec<_> = laptop
        .lines(["list", "towns"])
        .iter()
        .map(|record| text(&record["id"]))
        .collect();
    assert!(ids.is_sorted(), "{ids:?}");
    assert_eq!(names(&["--limit", "2"]).len(), 2);
    assert_eq!(names(&["--limit", "2"]), names(&[])[..2]);
    assert_eq!(names(&["--limit", "0"]), Vec::<String>::new());
    assert_eq!(laptop.lines(["list", "empty"]), Vec::<Json>::new());
}

#[test]
fn what_cannot_be_kept_exactly_is_refused_and_nothing_is_written() {
    let (_world, laptop) = notes();
    let id = laptop.insert("notes", &["n=1"]);
    let before = laptop.digest();
    let refused: &[&[&str]] = &[
        &["insert", "notes", "n=123456789012345678901234567890"],
        &["insert", "notes", "n=0.1234567890123456789012345"],
        &["insert", "notes", "n=1e999"],
        &["insert", "notes", "n={\"a\":1,\"a\":2}"],
        &["insert", "notes", "photo={\"$bytes\":\"not base64!\"}"],
        &["insert", "notes", "seen={\"$timestamp\":\"yesterday\"}"],
        &["insert", "notes", "n"],
        &["insert", "notes", "=1"],
        &["insert", "notes", "$deleted=true"],
        &["insert", "notes", "a/b=1"],
        &["insert", "notes", "n=1", "n=2"],
        &["insert", "notes", "a=1", "a.b=2"],
        &["insert", "", "n=1"],
        &["set", "notes", &id, "n=1", "n=2"],
        &["unset", "notes", &id, "a..b"],
        &["list", "notes", "--where", "n"],
        &["list", "notes", "--where", "n={\"a\":1}"],
    ];
    for arguments in refused {
        let error = laptop.fails(2, *arguments);
        assert!(!text(&error["remedy"]).is_empty(), "{arguments:?}");
    }
    assert_eq!(laptop.digest(), before);
}

#[test]
fn for_people_there_are_tables_and_an_id_alone() {
    let (_world, laptop) = notes();
    let inserted = laptop
        .run(["insert", "notes", "title=a\tb", "n=1"])
        .succeeded()
        .stdout;
    let id = inserted.trim_end();
    assert_eq!(inserted, format!("{id}\n"), "the id alone, for a script");
    let listed = laptop.run(["list", "notes"]).succeeded().stdout;
    let width = id.len();
    assert_eq!(
        listed,
        format!("{:width$}  n  title\n{id}  1  a\\tb\n", "id"),
        "control characters are written out"
    );
    let shown = laptop.run(["get", "notes", id]).succeeded().stdout;
    assert!(shown.contains("title  a\\tb"), "{shown}");
}
