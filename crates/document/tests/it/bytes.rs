//! The hash of a raw change, and the frame around it.

use driftless_document::{ChangeHash, Intent, Record, Refusal, Value, change_hash, limits};

use crate::support::{actor, edit, encoded, expanded, fix_checksum, put, refusal, text};

fn long_change() -> Vec<u8> {
    let record = Record::new();
    let intents = [put("a", text(&"abcdefgh".repeat(100)))];
    record.write(actor(1), 1, &intents).unwrap().unwrap()
}

#[test]
fn a_change_has_the_hash_that_automerge_gives_it() {
    let mut record = Record::new();
    for n in 0..20 {
        let raw = edit(&mut record, actor(n % 3), &[put("a", Value::Int(n.into()))]);
        let parsed = automerge::Change::from_bytes(raw.clone()).unwrap();
        assert_eq!(change_hash(&raw), Some(ChangeHash(parsed.hash().0)));
        assert_eq!(record.heads(), [ChangeHash(parsed.hash().0)]);
    }
}

#[test]
fn a_wrong_checksum_is_no_hash_and_no_change() {
    let raw = long_change();
    for at in 4..raw.len() {
        let mut damaged = raw.clone();
        damaged[at] ^= 1;
        assert_eq!(change_hash(&damaged), None, "byte {at}");
        let refusal = refusal(&Record::new(), &damaged);
        let expected = [Refusal::NotAChange, Refusal::NotCanonical];
        assert!(
            expected.contains(&refusal) || matches!(refusal, Refusal::Foreign { .. }),
            "byte {at}: {refusal}"
        );
    }
}

#[test]
fn only_one_whole_raw_change_chunk_is_looked_at() {
    let raw = long_change();
    let mut record = Record::new();
    edit(&mut record, actor(1), &[put("a", Value::Int(1))]);
    let mut parsed = automerge::Change::from_bytes(raw.clone()).unwrap();
    let deflated = parsed.bytes().into_owned();
    assert_eq!(deflated[8], 2, "long enough to be deflated");
    let mut other_magic = raw.clone();
    other_magic[0] ^= 1;
    let wrong = [
        ("no bytes", Vec::new()),
        ("a header", raw[..9].to_vec()),
        ("a deflated change", deflated),
        ("a document", record.save()),
        ("a byte behind it", [&raw[..], &[0]].concat()),
        ("two changes", [&raw[..], &raw[..]].concat()),
        ("cut short", raw[..raw.len() - 1].to_vec()),
        ("another magic", other_magic),
    ];
    for (what, bytes) in wrong {
        assert_eq!(refusal(&record, &bytes), Refusal::NotAChange, "{what}");
        assert_eq!(change_hash(&bytes), None, "{what}");
    }
}

#[test]
fn a_length_in_more_bytes_than_it_needs_is_refused() {
    let raw = long_change();
    let length_bytes = 2; // 128 or more, below 16,384
    let at = 9 + length_bytes - 1;
    let mut longer = raw[..at].to_vec();
    longer.extend([raw[at] | 0x80, 0]);
    longer.extend(&raw[at + 1..]);
    fix_checksum(&mut longer);
    let refusal = refusal(&Record::new(), &longer);
    assert!(matches!(
        refusal,
        Refusal::NotAChange | Refusal::NotCanonical
    ));
}

#[test]
fn a_change_over_the_bytes_of_the_limit_is_not_parsed() {
    let mut change = expanded(&long_change());
    let big = automerge::ScalarValue::Bytes(vec![7; limits::CHANGE_BYTES]);
    change.operations[0].action = automerge::legacy::OpType::Put(big);
    let raw = encoded(change);
    let expected = Refusal::TooLarge {
        bytes: raw.len(),
        limit: limits::CHANGE_BYTES,
    };
    assert_eq!(refusal(&Record::new(), &raw), expected);
}

/// A change that puts null on one key `runs` times, in a few bytes whatever their number.
fn run_length(runs: u64, key: &str, replaced: u64) -> Vec<u8> {
    let leb = |mut n: u64| {
        let mut bytes = Vec::new();
        while n > 0x3f {
            bytes.push(n.to_le_bytes()[0] | 0x80);
            n >>= 7;
        }
        bytes.push(n.to_le_bytes()[0]); // the same signed and unsigned
        bytes
    };
    let key = [&leb(runs)[..], &leb(key.len() as u64), key.as_bytes()].concat();
    let columns: [(u8, Vec<u8>); 5] = [
        (21, key),
        (52, leb(runs)),
        (66, [&leb(runs)[..], &[1]].concat()),
        (86, [&leb(runs)[..], &[0]].concat()),
        (112, [leb(runs), leb(replaced)].concat()),
    ];
    let mut body = vec![0, 16];
    body.extend(actor(1).0);
    body.extend([1, 1, 0, 0, 0, 5]);
    for (column, data) in &columns {
        body.push(*column);
        body.extend(leb(data.len() as u64));
    }
    for (_, data) in columns {
        body.extend(data);
    }
    let mut raw = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1];
    raw.extend(leb(body.len() as u64));
    raw.extend(body);
    fix_checksum(&mut raw);
    raw
}

#[test]
fn a_run_of_one_is_an_honest_change() {
    let honest = Record::new().write(actor(1), 0, &[put("a", Value::Null)]);
    let leb_of_one = 0x7f; // a literal of one item, where the test writes a run
    assert!(honest.unwrap().unwrap().contains(&leb_of_one));
    let expected = Refusal::WrongPred {
        operation: 1,
        key: "a".into(),
    };
    assert_eq!(refusal(&Record::new(), &run_length(2, "a", 0)), expected);
}

#[test]
fn a_few_bytes_do_not_make_millions_of_operations() {
    for runs in [100_001, 2_000_000, 1 << 40, (1 << 62) + 5] {
        let raw = run_length(runs, "a", 0);
        assert!(raw.len() < 150);
        let expected = Refusal::OverLimit {
            what: "operations",
            count: usize::try_from(runs).unwrap(),
            limit: limits::CHANGE_OPERATIONS,
        };
        assert_eq!(refusal(&Record::new(), &raw), expected);
    }
}

#[test]
fn a_few_bytes_do_not_make_millions_of_replaced_operations() {
    let expected = |count| Refusal::OverLimit {
        what: "replaced operations",
        count,
        limit: limits::CHANGE_REPLACED,
    };
    let record = Record::new();
    assert_eq!(
        refusal(&record, &run_length(2, "a", 1 << 40)),
        expected(2 << 40)
    );
    let endless = run_length(30_000, "a", 1 << 62);
    assert_eq!(refusal(&record, &endless), expected(usize::MAX));
}

#[test]
fn a_few_bytes_do_not_write_thirty_thousand_times() {
    let raw = run_length(30_000, "a", 0);
    let expected = Refusal::OverLimit {
        what: "writing operations in its few bytes",
        count: 30_000,
        limit: limits::CHANGE_WRITES + limits::CHANGE_WRITES_PER_BYTE * raw.len(),
    };
    assert_eq!(refusal(&Record::new(), &raw), expected);
}

#[test]
fn equal_elements_and_the_delete_of_a_long_text_take_few_bytes_and_are_admitted() {
    let mut record = Record::new();
    let equal = Intent::InsertElements {
        path: "items".into(),
        at: None,
        values: vec![Value::Null; 4_000],
    };
    let raw = edit(&mut record, actor(1), &[equal]);
    assert!(raw.len() < 400);
    let paste = Intent::AppendText {
        path: "notes".into(),
        text: "abc ".repeat(8_000),
    };
    edit(&mut record, actor(1), &[paste]);
    let cut = Intent::Splice {
        path: "notes".into(),
        at: 0,
        delete: 32_000,
        insert: String::new(),
    };
    let raw = edit(&mut record, actor(1), &[cut]);
    assert!(raw.len() < 200);
}

/// The change with these columns, all 128 or more, behind an honest head, and with these other actors.
fn made(columns: &[(u8, &[u8])], others: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![0, 16];
    body.extend(actor(1).0);
    body.extend([1, 1, 0, 0, u8::try_from(others.len()).unwrap()]);
    for other in others {
        body.push(u8::try_from(other.len()).unwrap());
        body.extend(*other);
    }
    body.push(u8::try_from(columns.len()).unwrap());
    for (column, data) in columns {
        body.extend([*column | 0x80, 1]);
        body.push(u8::try_from(data.len()).unwrap());
    }
    for (_, data) in columns {
        body.extend(*data);
    }
    let mut raw = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1];
    raw.push(u8::try_from(body.len()).unwrap());
    raw.extend(body);
    fix_checksum(&mut raw);
    raw
}

#[test]
fn columns_and_actors_that_no_driftless_writes_are_refused_before_anything_is_parsed() {
    let foreign = |raw: &[u8]| match refusal(&Record::new(), raw) {
        Refusal::Foreign { what } => what,
        other => panic!("refused otherwise: {other}"),
    };
    // Marks grow (148) and have names (165); all other columns are below 128.
    assert_eq!(foreign(&made(&[(148, &[1])], &[])), "a mark");
    assert_eq!(foreign(&made(&[(165, &[1])], &[])), "a mark");
    assert_eq!(
        foreign(&made(&[(135, &[1])], &[])),
        "a column that no Driftless writes"
    );
    for other in [&[][..], &[7; 15], &[7; 17]] {
        let expected = "an actor id that has not 16 bytes";
        assert_eq!(foreign(&made(&[], &[other])), expected);
    }
}

#[test]
fn one_long_key_is_not_repeated_without_end() {
    let long = "k".repeat(500_000);
    let expected = Refusal::OverLimit {
        what: "bytes of keys",
        count: 30_000 * 500_000,
        limit: limits::CHANGE_KEY_BYTES,
    };
    assert_eq!(
        refusal(&Record::new(), &run_length(30_000, &long, 0)),
        expected
    );
}

#[test]
fn a_change_as_large_as_the_limits_allow_is_written_and_admitted() {
    let mut record = Record::new();
    let puts: Vec<_> = (0..16_000)
        .map(|n| put(&format!("f{n}"), Value::Int(n)))
        .collect();
    edit(&mut record, actor(1), &puts);
    assert_eq!(record.row().fields.len(), 16_000);
    let settled: Vec<_> = (0..16_000)
        .map(|n| crate::support::settle(&format!("g{n}"), None))
        .collect();
    edit(&mut record, actor(1), &settled);
    assert_eq!(record.row().fields.len(), 16_000);
}
