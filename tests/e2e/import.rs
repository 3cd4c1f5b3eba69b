//! Import keeps what it reads, in whole blocks, and a second run finishes what the first began.

use std::fmt::Write as _;

use serde_json::json;

use crate::support::{Device, World, number, text, text_of};

/// A file of `rows` wildlife strikes in the columns of the FAA's reports; `key` makes each row its own.
pub fn strikes(rows: usize) -> String {
    const AIRPORTS: [&str; 5] = [
        "BARKSDALE AIR FORCE BASE ARPT",
        "LOS ANGELES INTL",
        "CHICAGO O'HARE INTL ARPT",
        "\"LOGAN, BOSTON\"",
        "NEW ORLEANS INTL",
    ];
    const SPECIES: [&str; 4] = [
        "Turkey vulture",
        "Unknown bird or bat",
        "Sparrow",
        "Herring gull",
    ];
    let mut file = String::from(
        "key,Airport Name,Aircraft Make Model,Effect Amount of damage,Flight Date,Aircraft Airline Operator,\
         Origin State,Phase of flight,Wildlife Size,Wildlife Species,Time of day,Cost Other,Cost Repair,\
         Cost Total $,Speed IAS in knots\n",
    );
    for n in 0..rows {
        let speed = if n % 7 == 0 {
            String::new()
        } else {
            (80 + n % 250).to_string()
        };
        writeln!(
            file,
            "S{n:05},{},B-7{}7-{}00,{},19{}-0{}-1{},OPERATOR {},STATE {},Climb,Medium,{},Day,{},{},{},{speed}",
            AIRPORTS[n % 5],
            n % 8,
            n % 9,
            if n % 11 == 0 { "Medium" } else { "None" },
            90 + n % 10,
            1 + n % 9,
            n % 10,
            n % 100,
            n % 50,
            SPECIES[n % 4],
            n % 3,
            n * 17 % 5_000,
            n * 17 % 5_000 + n % 3,
        )
        .unwrap();
    }
    file
}

fn import(device: &Device, file: &str, collection: &str, more: &[&str]) -> serde_json::Value {
    let arguments = ["import", file, "--collection", collection];
    device.json(arguments.iter().chain(more))
}

#[test]
fn a_second_run_changes_nothing_and_a_changed_file_updates() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("rows.csv", "k,v\na,1\nb,2\nc,3\n");
    let counts = import(&laptop, &file, "rows", &["--key", "k"]);
    assert_eq!(
        (
            &counts["imported"],
            &counts["updated"],
            &counts["unchanged"]
        ),
        (&json!(3), &json!(0), &json!(0))
    );
    let digest = laptop.digest();
    let counts = import(&laptop, &file, "rows", &["--key", "k"]);
    assert_eq!(
        (
            &counts["imported"],
            &counts["updated"],
            &counts["unchanged"]
        ),
        (&json!(0), &json!(0), &json!(3))
    );
    assert_eq!(laptop.digest(), digest);

    laptop.json(["delete", "rows", "key:c"]);
    let file = world.file("rows.csv", "k,v\na,1\nb,20\nc,30\nd,4\n");
    let counts = import(&laptop, &file, "rows", &["--key", "k"]);
    assert_eq!(
        (
            &counts["imported"],
            &counts["updated"],
            &counts["unchanged"]
        ),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(
        counts["skipped_deleted"], 1,
        "what was deleted here stays deleted"
    );
    assert_eq!(laptop.fields("rows", "key:b")["v"], 20);
}

#[test]
fn without_a_key_every_row_is_a_new_record() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("rows.csv", "v\n1\n1\n");
    import(&laptop, &file, "rows", &[]);
    assert_eq!(import(&laptop, &file, "rows", &[])["imported"], 2);
    assert_eq!(laptop.lines(["list", "rows"]).len(), 4);
}

#[test]
fn a_column_keeps_its_type_and_the_collection_remembers_it() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file(
        "a.csv",
        "\u{feff}k,zip,n,price,mixed,empty\r\n1,00501,1,1.5,1,\r\n2,10001,2,2,x,\r\n",
    );
    import(&laptop, &file, "towns", &["--key", "k"]);
    assert_eq!(
        laptop.fields("towns", "key:1"),
        json!({"k": 1, "zip": "00501", "n": 1, "price": 1.5, "mixed": "1", "empty": null})
    );
    // Alone, this file's zip would be a number.
    let file = world.file("b.csv", "k,zip,n,price,mixed,empty\n3,20002,3,3,3,x\n");
    import(&laptop, &file, "towns", &["--key", "k"]);
    assert_eq!(
        laptop.fields("towns", "key:3"),
        json!({"k": 3, "zip": "20002", "n": 3, "price": 3, "mixed": "3", "empty": "x"})
    );
    assert_eq!(
        import(&laptop, &file, "elsewhere", &["--key", "k"])["imported"],
        1
    );
    assert_eq!(
        laptop.fields("elsewhere", "key:3")["zip"],
        20002,
        "another collection remembers its own"
    );

    let file = world.file("c.csv", "k,zip,n\n4,30003,4\n");
    import(
        &laptop,
        &file,
        "towns",
        &["--key", "k", "--types", "n=string"],
    );
    assert_eq!(
        laptop.fields("towns", "key:4"),
        json!({"k": 4, "zip": "30003", "n": "4"})
    );
    let file = world.file("d.csv", "k,n\n5,5\n");
    import(&laptop, &file, "towns", &["--key", "k"]);
    assert_eq!(
        laptop.fields("towns", "key:5")["n"],
        "5",
        "a type given once is remembered"
    );
}

#[test]
fn names_hold_any_text_and_json_comes_back_nested() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file(
        "odd.csv",
        "Cost Total $,a.b,$x,größe,\"q\"\"\ny\"\n1,2,3,4,5\n",
    );
    import(&laptop, &file, "odd", &["--key", "größe"]);
    let fields = laptop.fields("odd", "key:4");
    assert_eq!(
        fields,
        json!({"Cost Total $": 1, "a.b": 2, "$x": 3, "größe": 4, "q\"\ny": 5})
    );

    let records = json!([
        {"id": 1, "address": {"city": "Köln", "geo": {"lat": 50.94, "a.b": []}}, "tags": [1, "two", null], "none": {}},
        {"id": "1 ", "photo": {"$bytes": "AAEC/w=="}, "seen": {"$timestamp": "2026-01-31T12:00:00.5Z"}, "big": u64::MAX},
    ]);
    for (name, content) in [
        ("records.json", records.to_string()),
        (
            "records.jsonl",
            text_of(records.as_array().unwrap().iter().map(ToString::to_string)),
        ),
    ] {
        let file = world.file(name, content);
        import(&laptop, &file, name, &["--key", "id"]);
        assert_eq!(laptop.fields(name, "key:1"), records[0]);
        assert_eq!(laptop.fields(name, "key:1 "), records[1]);
    }
}

#[test]
fn an_interrupted_import_keeps_whole_blocks_and_the_next_one_finishes() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(6_000));
    let arguments = ["import", &file, "--collection", "strikes", "--key", "key"];
    let mut importing = laptop.start(arguments.iter().chain(&["--json"]));
    importing.stderr_line_with("imported 256 of 6,000 records");
    importing.interrupt();
    let error = importing.wait().failed(1);
    assert_eq!(error["code"], "interrupted");
    assert!(
        text(&error["message"]).contains("of 6,000 records"),
        "{error}"
    );

    let kept = number(&laptop.json(["status"])["records"]);
    assert!(
        (256..6_000).contains(&kept) && kept.is_multiple_of(256),
        "{kept} records are whole blocks"
    );
    let counts = laptop.json(arguments);
    assert_eq!(
        (number(&counts["imported"]), number(&counts["unchanged"])),
        (6_000 - kept, kept)
    );
    assert_eq!(laptop.json(["status"])["records"], 6_000);
    laptop.json(["verify"]);
}

#[test]
fn a_killed_import_keeps_whole_blocks_and_the_next_one_finishes() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("strikes.csv", strikes(6_000));
    let arguments = ["import", &file, "--collection", "strikes", "--key", "key"];
    let mut importing = laptop.start(arguments);
    importing.stderr_line_with("imported 256 of 6,000 records");
    importing.kill();

    let kept = number(&laptop.json(["status"])["records"]);
    assert!(
        (256..6_000).contains(&kept) && kept.is_multiple_of(256),
        "{kept} records are whole blocks"
    );
    let counts = laptop.json(arguments);
    assert_eq!(
        (number(&counts["imported"]), number(&counts["unchanged"])),
        (6_000 - kept, kept)
    );
    assert_eq!(number(&counts["updated"]), 0);
    laptop.json(["verify"]);
}

#[test]
fn a_device_that_joined_reads_columns_as_the_records_have_them() {
    let world = World::new();
    let laptop = world.init("laptop");
    let file = world.file("towns.csv", "k,zip,n\na,00501,1\nb,10001,2\n");
    import(&laptop, &file, "towns", &["--key", "k"]);
    let serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    phone.json(["sync"]);
    serving.stop();
    let file = world.file("one.csv", "k,zip,n\nb,10001,2\n");
    let counts = import(&phone, &file, "towns", &["--key", "k"]);
    assert_eq!(counts["unchanged"], 1, "{counts}");
    assert_eq!(
        phone.fields("towns", "key:b"),
        json!({"k": "b", "zip": "10001", "n": 2})
    );
}

#[test]
fn a_file_that_is_too_long_and_a_column_with_two_types_are_told() {
    let world = World::new();
    let laptop = world.init("laptop");
    let long = world.path("long.csv");
    let file = std::fs::File::create(&long).unwrap();
    file.set_len(1024 * 1024 * 1024 + 1).unwrap(); // nothing is written
    let short = world.file("short.csv", "k,n\n1,2\n");
    for served in [false, true] {
        let _serving = served.then(|| laptop.serve());
        let long = long.to_str().unwrap();
        let error = laptop.fails(2, ["import", long, "--collection", "c"]);
        assert!(text(&error["message"]).ends_with("it has more than 1,073,741,824 bytes"));
        let types = ["--types", "n=bool", "--types", "n=string"];
        let arguments = ["import", &short, "--collection", "c"];
        let error = laptop.fails(2, arguments.iter().chain(&types));
        assert_eq!(error["message"], "--types names the column `n` twice");
    }
}
