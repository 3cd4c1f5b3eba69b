//! The taxonomy: stable, complete, and of use to a person.

use std::collections::BTreeSet;

use driftless_protocol::Code;

#[test]
fn numbers_and_texts_are_unique_and_lead_back() {
    let numbers: BTreeSet<u16> = Code::ALL.iter().map(|code| code.number()).collect();
    let texts: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(
        (numbers.len(), texts.len()),
        (Code::ALL.len(), Code::ALL.len())
    );
    for &code in Code::ALL {
        assert_eq!(Code::from_number(code.number()), code);
        assert_eq!(code.to_string(), code.as_str());
        assert!(code.sentence().ends_with('.') && code.remedy().ends_with('.'));
    }
}

#[test]
fn a_code_of_a_newer_release_keeps_its_number() {
    let code = Code::from_number(60_000);
    assert_eq!(code, Code::Other(60_000));
    assert_eq!(
        (code.number(), code.to_string().as_str()),
        (60_000, "other(60000)")
    );
    assert!(!code.retry());
    assert_eq!(code.remedy(), "Update Driftless on this device.");
}
