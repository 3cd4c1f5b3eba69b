//! Names with wildcards.
//!
//! `*` stands for any run of characters within a name; in a path, a part that is `**` stands for any number of parts,
//! none included. `\*` is the star itself. No pattern goes back over more than its last star, so matching takes at
//! most the bytes of the pattern times those of the name.

use super::error::RulesFault;
use crate::limits;
use crate::path::FieldPath;

/// A piece of a pattern: one character, or a run of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    One(char),
    Run,
}

/// A pattern for a collection's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamePattern {
    text: String,
    pieces: Vec<Piece>,
}

/// A pattern for a field's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathPattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// One segment.
    Name(Vec<Piece>),
    /// Any number of segments.
    Any,
}

impl NamePattern {
    pub(super) fn parse(text: &str) -> Result<Self, RulesFault> {
        check_length(text)?;
        let mut pieces = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '*' => push_run(&mut pieces),
                '\\' => match letters.next() {
                    Some(escaped @ ('*' | '\\')) => pieces.push(Piece::One(escaped)),
                    _ => return Err(bad("a \\ stands before * or \\ only")),
                },
                plain => pieces.push(Piece::One(plain)),
            }
        }
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        fits(&self.pieces, name)
    }
}

impl PathPattern {
    pub(super) fn parse(text: &str) -> Result<Self, RulesFault> {
        check_length(text)?;
        let mut parts = Vec::new();
        for part in split(text) {
            if part == "**" {
                if parts.last() != Some(&Part::Any) {
                    parts.push(Part::Any);
                }
            } else {
                parts.push(Part::Name(part_of(part)?));
            }
        }
        if parts.len() > limits::DEPTH {
            return Err(bad(&format!(
                "{} parts, but no field's path has more than {}",
                parts.len(),
                limits::DEPTH
            )));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn matches(&self, path: &FieldPath) -> bool {
        let one = |part: &Part, segment: &String| match part {
            Part::Name(pieces) => fits(pieces, segment),
            Part::Any => true,
        };
        let any = |part: &Part| *part == Part::Any;
        wildcard(&self.parts, path.segments(), any, one)
    }
}

/// The parts between dots that stand bare.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut escaped) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'.' => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// One part, with the escapes of a field's path and `\*`.
fn part_of(part: &str) -> Result<Vec<Piece>, RulesFault> {
    if part.is_empty() {
        return Err(bad("an empty part; the empty name is written \\e"));
    }
    if part == "\\e" {
        return Ok(Vec::new());
    }
    let mut pieces = Vec::new();
    let mut letters = part.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' => push_run(&mut pieces),
            '\\' => match letters.next() {
                Some(escaped @ ('*' | '\\' | '.' | '/' | '#')) => pieces.push(Piece::One(escaped)),
                Some('$') if pieces.is_empty() => pieces.push(Piece::One('$')),
                _ => return Err(bad("a \\ stands before * \\ . / # or a first $ only")),
            },
            '/' | '#' => return Err(bad(&format!("a bare {letter}; write \\{letter}"))),
            '$' if pieces.is_empty() => {
                return Err(bad(
                    "a first $ is written \\$; whole records are matched by `kind`",
                ));
            }
            plain => pieces.push(Piece::One(plain)),
        }
    }
    Ok(pieces)
}

fn push_run(pieces: &mut Vec<Piece>) {
    if pieces.last() != Some(&Piece::Run) {
        pieces.push(Piece::Run);
    }
}

fn check_length(text: &str) -> Result<(), RulesFault> {
    if text.is_empty() {
        return Err(RulesFault::Empty);
    }
    if text.len() > limits::RULE_TEXT_BYTES {
        return Err(RulesFault::TooMany {
            what: "bytes in one text",
            count: text.len(),
            limit: limits::RULE_TEXT_BYTES,
        });
    }
    if text.chars().any(char::is_control) {
        return Err(RulesFault::ControlCharacter);
    }
    Ok(())
}

fn bad(reason: &str) -> RulesFault {
    RulesFault::Pattern {
        reason: reason.to_owned(),
    }
}

fn fits(pieces: &[Piece], name: &str) -> bool {
    let letters: Vec<char> = name.chars().collect();
    let any = |piece: &Piece| *piece == Piece::Run;
    wildcard(pieces, &letters, any, |piece, letter| {
        *piece == Piece::One(*letter)
    })
}

/// Whether a pattern fits a whole text. Where a letter does not fit, the last star takes one letter more: what stood
/// before that star is settled, so nothing is tried twice for it.
fn wildcard<P, L>(
    pattern: &[P],
    text: &[L],
    is_star: impl Fn(&P) -> bool,
    fits: impl Fn(&P, &L) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None; // behind the last star, and up to where it reaches
    while t < text.len() {
        match pattern.get(p) {
            Some(piece) if is_star(piece) => {
                p += 1;
                star = Some((p, t));
            }
            Some(piece) if fits(piece, &text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((behind, reach)) => {
                    *reach += 1;
                    (p, t) = (*behind, *reach);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(is_star)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn path(text: &str) -> FieldPath {
        FieldPath::parse(text).unwrap()
    }

    /// The meaning of a pattern, by trying everything.
    fn naive(pattern: &[Part], segments: &[String]) -> bool {
        match pattern.split_first() {
            None => segments.is_empty(),
            Some((Part::Any, rest)) => (0..=segments.len()).any(|n| naive(rest, &segments[n..])),
            Some((Part::Name(pieces), rest)) => segments
                .split_first()
                .is_some_and(|(first, others)| fits(pieces, first) && naive(rest, others)),
        }
    }

    #[test]
    fn stars_stay_within_a_part_and_two_go_over_all() {
        let cases = [
            ("address.*", "address.city", true),
            ("address.*", "address", false),
            ("address.*", "address.geo.lat", false),
            ("address.**", "address", true),
            ("address.**", "address.geo.lat", true),
            ("**.lat", "address.geo.lat", true),
            ("**.lat", "lat", true),
            ("**.lat", "address.lat.x", false),
            ("**", "anything.at.all", true),
            ("price_*", "price_eur", true),
            ("price_*", "price_", true),
            ("price_*", "price.eur", false),
            ("*_at", "made_at", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            (r"a\.b", r"a\.b", true),
            (r"a\.b", "a.b", false),
            (r"\*", "*", true),
            (r"\*", "x", false),
            (r"\$id", r"\$id", true),
            (r"\e", r"\e", true),
            ("**.b.**.d", "a.b.c.b.d", true),
            ("**.b.**.d", "a.c.d", false),
        ];
        for (pattern, field, expected) in cases {
            let parsed = PathPattern::parse(pattern).unwrap();
            assert_eq!(
                parsed.matches(&path(field)),
                expected,
                "{pattern} on {field}"
            );
        }
    }

    #[test]
    fn a_pattern_means_what_trying_everything_says() {
        let parts = ["**", "a", "b", "*"];
        let names = ["a", "b"];
        let mut tried = 0;
        for p in 0..4_usize.pow(4) {
            let text: Vec<_> = (0..4).map(|n| parts[p / 4_usize.pow(n) % 4]).collect();
            let pattern = PathPattern::parse(&text.join(".")).unwrap();
            for length in 1..=5_u32 {
                for s in 0..2_usize.pow(length) {
                    let field: Vec<_> =
                        (0..length).map(|n| names[s / 2_usize.pow(n) % 2]).collect();
                    let field = FieldPath::new(field).unwrap();
                    let expected = naive(&pattern.parts, field.segments());
                    assert_eq!(pattern.matches(&field), expected, "{text:?} on {field}");
                    tried += 1;
                }
            }
        }
        assert_eq!(tried, 256 * 62);
    }

    #[test]
    fn a_pattern_of_many_stars_is_answered_at_once() {
        let pattern = NamePattern::parse(&"*a".repeat(120)).unwrap();
        assert!(!pattern.matches(&"ab".repeat(1_000)));
        assert!(pattern.matches(&"a".repeat(1_000)));
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for bad in [
            "", "a..b", ".a", "a/b", "a#text", "$deleted", r"a\x", "a\\", "a\u{7}",
        ] {
            assert!(PathPattern::parse(bad).is_err(), "{bad:?}");
        }
        let long = "a".repeat(limits::RULE_TEXT_BYTES + 1);
        assert!(matches!(
            PathPattern::parse(&long),
            Err(RulesFault::TooMany { .. })
        ));
        assert!(PathPattern::parse(&vec!["a"; limits::DEPTH + 1].join(".")).is_err());
    }
}
