//! Invitation links: as text, whole or refused.

use driftless_protocol::{Hash, InviteLink, LinkError, WorkspaceId};

use crate::common::{hex, key, mutations};

fn link() -> InviteLink {
    InviteLink::new(
        WorkspaceId([1; 16]),
        Hash([2; 32]),
        &key(99),
        key(1).device_id(),
        "192.168.1.7:7878",
    )
    .unwrap()
}

#[test]
fn a_link_survives_as_text() {
    let text = link().to_text();
    assert_eq!(InviteLink::parse(&format!("  {text}\n")), Ok(link()));
    assert_eq!(text.parse(), Ok(link()));
    assert_eq!(link().invite_key().device_id(), key(99).device_id());
    assert!(text.starts_with("driftless://join/"));
    assert!(
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_:/.".contains(c)),
        "{text}"
    );
    assert!(text.len() < 210, "{} characters", text.len());
}

#[test]
fn the_longest_address_fits() {
    let address = "a".repeat(260);
    let link = InviteLink::new(
        WorkspaceId([1; 16]),
        Hash([2; 32]),
        &key(99),
        key(1).device_id(),
        &address,
    )
    .unwrap();
    assert_eq!(InviteLink::parse(&link.to_text()), Ok(link));
}

#[test]
fn every_changed_or_missing_character_is_refused() {
    let text = link().to_text();
    for changed in mutations(text.as_bytes()) {
        if let Ok(changed) = String::from_utf8(changed) {
            assert!(InviteLink::parse(&changed).is_err(), "{changed}");
        }
    }
    for (at, _) in text.char_indices() {
        assert!(InviteLink::parse(&text[..at]).is_err());
        let swapped = if &text[at..=at] == "A" { "B" } else { "A" };
        let replaced = [&text[..at], swapped, &text[at + 1..]].concat();
        assert!(InviteLink::parse(&replaced).is_err());
    }
}

#[test]
fn each_error_says_what_to_do() {
    let text = link().to_text();
    let refusal = |text: &str| InviteLink::parse(text).unwrap_err();
    assert_eq!(refusal("https://example.org"), LinkError::NotALink);
    assert_eq!(
        refusal(&format!("{text}{}", "A".repeat(600))).remedy(),
        "Copy the link alone, without the text around it."
    );
    assert_eq!(refusal(&text[..60]), LinkError::Damaged);
    for address in ["", "a b", "a\n", &"a".repeat(261)] {
        let refused = InviteLink::new(
            WorkspaceId([1; 16]),
            Hash([2; 32]),
            &key(9),
            key(1).device_id(),
            address,
        );
        assert_eq!(refused, Err(LinkError::Address));
    }
}

#[test]
fn the_secret_does_not_get_into_a_log() {
    let shown = format!("{:?}", link());
    assert!(
        !shown.contains(&hex(&[99; 32])) && !shown.contains("99, 99"),
        "{shown}"
    );
    let shown = format!("{:?}", key(99));
    assert!(
        !shown.contains(&hex(&[99; 32])) && !shown.contains("99, 99"),
        "{shown}"
    );
}
