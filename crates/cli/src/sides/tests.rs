//! How the sides stand on terminals of several widths.

use super::*;

fn text(text: &str) -> Said {
    Said::Text(text.to_owned())
}

fn side(said: Said, device: &str) -> Side {
    Side {
        said,
        by: format!("{device}, 2026-11-22 16:53"),
    }
}

fn springs() -> Sides {
    Sides {
        base: vec![text("Bay Springs")],
        sides: vec![
            side(text("Bay St. Louis"), "laptop"),
            side(text("Bay Saint Louis"), "phone"),
        ],
    }
}

fn layout(columns: usize) -> Layout {
    Layout {
        columns,
        paint: Paint::Signs,
        full: false,
    }
}

fn lines(sides: &Sides, columns: usize) -> Vec<String> {
    let shown = lay_out(sides, layout(columns));
    for line in &shown.lines {
        let taken = console::measure_text_width(line);
        assert!(taken <= columns, "{taken} of {columns} columns: {line}");
    }
    shown.lines
}

#[test]
fn two_sides_stand_next_to_each_other() {
    assert_eq!(
        lines(&springs(), 80),
        [
            "was Bay Springs",
            "",
            "[0]                                    │ [1]",
            "Bay {+St.+} Louis                      │ Bay {+Saint+} Louis",
            "laptop, 2026-11-22 16:53               │ phone, 2026-11-22 16:53",
        ]
    );
}

#[test]
fn on_a_narrow_terminal_they_stand_one_below_the_other() {
    assert_eq!(
        lines(&springs(), 59),
        [
            "was Bay Springs",
            "",
            "[0] Bay {+St.+} Louis",
            "    laptop, 2026-11-22 16:53",
            "",
            "[1] Bay {+Saint+} Louis",
            "    phone, 2026-11-22 16:53",
        ]
    );
    // However narrow it is, something is said.
    let shown = lay_out(&springs(), layout(3));
    assert!(shown.lines.len() > 20, "{:?}", shown.lines);
}

#[test]
fn many_sides_stand_one_below_the_other_unless_the_terminal_is_wide() {
    let mut sides = springs();
    sides.sides.push(side(Said::Word("(absent)"), "tablet"));
    assert_eq!(
        lines(&sides, 78)[2],
        "[0]                      │ [1]                      │ [2]"
    );
    assert_eq!(lines(&sides, 77)[2], "[0] Bay {+St.+} Louis");
    sides.sides.push(side(text("Bay City"), "desk"));
    assert_eq!(lines(&sides, 100)[2], "[0] Bay {+St. Louis+}");
    assert!(lines(&sides, 120)[2].ends_with("│ [3]"));
}

#[test]
fn long_sides_are_wrapped_in_their_columns() {
    let sides = Sides {
        base: vec![Said::Word("(absent)")],
        sides: vec![
            side(
                text("one two three four five six seven eight nine ten"),
                "a",
            ),
            side(text("漢字空港漢字空港漢字空港漢字空港漢字空港"), "b"),
        ],
    };
    assert_eq!(
        lines(&sides, 60),
        [
            "was (absent)",
            "",
            "[0]                          │ [1]",
            "one two three four five six  │ 漢字空港漢字空港漢字空港漢字",
            "seven eight nine ten         │ 空港漢字空港",
            "a, 2026-11-22 16:53          │ b, 2026-11-22 16:53",
        ]
    );
}

#[test]
fn a_side_alone_and_no_base_is_shown_too() {
    let sides = Sides {
        base: Vec::new(),
        sides: vec![side(Said::Word("(deleted)"), "laptop")],
    };
    assert_eq!(
        lines(&sides, 80),
        ["[0] (deleted)", "    laptop, 2026-11-22 16:53"]
    );
    assert_eq!(lines(&Sides::default(), 80), [""; 0]);
}

#[test]
fn what_is_long_is_cut_unless_it_is_asked_for() {
    let long = "all alike, ".repeat(400);
    let sides = Sides {
        base: vec![text(&long)],
        sides: vec![
            side(text(&format!("{long}here")), "laptop"),
            side(text(&format!("{long}there")), "phone"),
        ],
    };
    let shown = lay_out(&sides, layout(80));
    assert!(shown.is_short);
    assert!(shown.lines.len() < 40, "{:#?}", shown.lines);
    let all = shown.lines.join("\n");
    for part in ["{+here+}", "{+there+}", "characters …]"] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let full = Layout {
        full: true,
        ..layout(80)
    };
    let shown = lay_out(&sides, full);
    assert!(!shown.is_short);
    assert!(shown.lines.len() > 150, "{}", shown.lines.len());
}

#[test]
fn control_characters_are_written_out_wherever_they_come_from() {
    let sides = Sides {
        base: vec![text("\u{1b}[2J")],
        sides: vec![
            side(text("a\u{9b}31m"), "lap\u{1b}top"),
            side(text("\u{202e}b"), "phone"),
        ],
    };
    for columns in [40, 80] {
        let shown = lines(&sides, columns).join("");
        assert_eq!(shown, crate::output::clean(&shown));
    }
}
