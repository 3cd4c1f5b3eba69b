//! Which words tell the sides of a conflict apart.
//!
//! A side is read against what was there before and against every other side: a word is marked where the sides
//! disagree about it, and only there. What all of them changed alike is not marked.

use similar::{Algorithm, DiffOp, capture_diff_slices};
use unicode_segmentation::UnicodeSegmentation as _;

/// Words of all sides together that are compared: the work grows with the square, and this much of it is done
/// before anybody waits.
const WORDS_COMPARED: usize = 8_000;
/// Sides that are compared, each with every other: more than that nobody reads word by word.
const SIDES_COMPARED: usize = 10;

/// What a piece of a side is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing that the sides disagree about.
    None,
    /// This side has it; before it was not there, and some other side has it not.
    Added,
    /// It was there before, and some other side has it still; this one has not.
    Removed,
    /// So many characters that are left out here.
    LeftOut,
}

/// A part of a side, under one mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) mark: Mark,
    pub(crate) text: String,
}

impl Piece {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self {
            mark: Mark::None,
            text: text.into(),
        }
    }
}

/// Each side with the words marked that tell it from the others.
///
/// A side that has no word in common with anything is not marked: all of it would be. Neither are sides that are
/// too long, or too many.
pub(crate) fn marked(base: Option<&str>, sides: &[&str]) -> Vec<Vec<Piece>> {
    let base = words_of(base.unwrap_or_default());
    let sides: Vec<Vec<&str>> = sides.iter().map(|side| words_of(side)).collect();
    let words = base.len() + sides.iter().map(Vec::len).sum::<usize>();
    if sides.len() < 2 || sides.len() > SIDES_COMPARED || words > WORDS_COMPARED {
        let whole = |side: &Vec<&str>| vec![Piece::plain(side.concat())];
        return sides.iter().map(whole).collect();
    }
    let compared = Compared::new(&base, &sides);
    let all = sides.iter().enumerate();
    all.map(|(n, side)| compared.pieces(n, &base, side))
        .collect()
}

/// Words, and what stands between them, in their order.
fn words_of(text: &str) -> Vec<&str> {
    text.split_word_bounds().collect()
}

/// The sides, each compared with what was there before and with the others.
struct Compared {
    /// Of each side: how it came of what was there before.
    edits: Vec<Vec<DiffOp>>,
    /// Of each side, each word of what was there before: whether the side has it still.
    kept: Vec<Vec<bool>>,
    /// Of each side, each of its words: whether every other side has it too.
    shared: Vec<Vec<bool>>,
}

impl Compared {
    fn new(base: &[&str], sides: &[Vec<&str>]) -> Self {
        let edits: Vec<_> = sides.iter().map(|side| diff(base, side)).collect();
        let kept = edits.iter().map(|edit| {
            let mut kept = vec![false; base.len()];
            for (old, _) in equal(edit) {
                kept[old].fill(true);
            }
            kept
        });
        let mut shared: Vec<_> = sides.iter().map(|side| vec![true; side.len()]).collect();
        for one in 0..sides.len() {
            for other in one + 1..sides.len() {
                let mut here = vec![false; sides[one].len()];
                let mut there = vec![false; sides[other].len()];
                for (old, new) in equal(&diff(&sides[one], &sides[other])) {
                    here[old].fill(true);
                    there[new].fill(true);
                }
                and(&mut shared[one], &here);
                and(&mut shared[other], &there);
            }
        }
        Self {
            kept: kept.collect(),
            edits,
            shared,
        }
    }

    fn pieces(&self, n: usize, base: &[&str], side: &[&str]) -> Vec<Piece> {
        let mut words = Words::default();
        for edit in &self.edits[n] {
            let (old, new) = (edit.old_range(), edit.new_range());
            if matches!(edit, DiffOp::Equal { .. }) {
                new.for_each(|word| words.push(Mark::None, side[word]));
                continue;
            }
            for word in old {
                if self.kept.iter().any(|kept| kept[word]) {
                    words.push(Mark::Removed, base[word]);
                }
            }
            for word in new {
                let mark = if self.shared[n][word] {
                    Mark::None
                } else {
                    Mark::Added
                };
                words.push(mark, side[word]);
            }
        }
        words.pieces(side)
    }
}

fn diff(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    capture_diff_slices(Algorithm::Myers, old, new)
}

/// The ranges that both have.
fn equal(
    edits: &[DiffOp],
) -> impl Iterator<Item = (std::ops::Range<usize>, std::ops::Range<usize>)> + '_ {
    edits
        .iter()
        .filter(|edit| matches!(edit, DiffOp::Equal { .. }))
        .map(|edit| (edit.old_range(), edit.new_range()))
}

fn and(all: &mut [bool], one: &[bool]) {
    for (all, one) in all.iter_mut().zip(one) {
        *all &= one;
    }
}

/// Words under their marks.
#[derive(Default)]
struct Words<'a>(Vec<(Mark, &'a str)>);

impl<'a> Words<'a> {
    fn push(&mut self, mark: Mark, word: &'a str) {
        self.0.push((mark, word));
    }

    /// Neighbours under one mark as one piece; the side as it is where nothing of it is in common.
    fn pieces(mut self, side: &[&str]) -> Vec<Piece> {
        let says_something = |word: &str| word.chars().any(char::is_alphanumeric);
        let is_common = |&(mark, word): &(Mark, &str)| mark == Mark::None && says_something(word);
        if !self.0.iter().any(is_common) {
            return vec![Piece::plain(side.concat())];
        }
        self.join_over_spaces();
        let mut pieces: Vec<Piece> = Vec::new();
        for (mark, word) in self.0 {
            match pieces.last_mut() {
                Some(last) if last.mark == mark => last.text.push_str(word),
                _ => pieces.push(Piece {
                    mark,
                    text: word.to_owned(),
                }),
            }
        }
        pieces
    }

    /// Two new words with a space between them are one new piece.
    fn join_over_spaces(&mut self) {
        for n in 1..self.0.len().saturating_sub(1) {
            let is_space = self.0[n].1.chars().all(char::is_whitespace);
            let between = |at: usize| self.0[at].0 == Mark::Added;
            if self.0[n].0 == Mark::None && is_space && between(n - 1) && between(n + 1) {
                self.0[n].0 = Mark::Added;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sides with `+` and `-` around what is marked.
    fn told(base: Option<&str>, sides: &[&str]) -> Vec<String> {
        let tell = |pieces: Vec<Piece>| -> String {
            pieces
                .into_iter()
                .map(|piece| match piece.mark {
                    Mark::Added => format!("+{}+", piece.text),
                    Mark::Removed => format!("-{}-", piece.text),
                    Mark::None | Mark::LeftOut => piece.text,
                })
                .collect()
        };
        marked(base, sides).into_iter().map(tell).collect()
    }

    #[test]
    fn only_what_the_sides_disagree_about_is_marked() {
        assert_eq!(
            told(Some("Bay Springs"), &["Bay St. Louis", "Bay Saint Louis"]),
            ["Bay +St.+ Louis", "Bay +Saint+ Louis"]
        );
        assert_eq!(
            told(None, &["Bay St. Louis", "Bay Saint Louis"]),
            ["Bay +St.+ Louis", "Bay +Saint+ Louis"]
        );
    }

    #[test]
    fn what_one_side_took_out_and_another_left_is_shown_where_it_is_gone() {
        assert_eq!(
            told(
                Some("open daily from nine"),
                &["open from nine", "open daily from ten"]
            ),
            ["open -daily -from nine", "open daily from -nine-+ten+"]
        );
    }

    #[test]
    fn sides_with_nothing_in_common_are_left_as_they_are() {
        assert_eq!(told(Some("0"), &["1", "2"]), ["1", "2"]);
        assert_eq!(told(Some("one two"), &["", "one three"])[0], "");
        assert_eq!(told(None, &["a", ""]), ["a", ""]);
    }

    #[test]
    fn new_words_that_follow_each_other_are_one_piece() {
        assert_eq!(
            told(None, &["the old red barn", "the new blue barn"]),
            ["the +old red+ barn", "the +new blue+ barn"]
        );
    }

    #[test]
    fn a_third_side_makes_a_word_that_two_share_differ() {
        assert_eq!(
            told(Some("a x"), &["a y", "a y", "a z"]),
            ["a +y+", "a +y+", "a +z+"]
        );
        assert_eq!(
            told(Some("a x"), &["a y", "a y", "a x"]),
            ["a -x-+y+", "a -x-+y+", "a x"]
        );
    }

    #[test]
    fn chinese_is_compared_letter_by_letter() {
        assert_eq!(told(None, &["東京都", "東西都"]), ["東+京+都", "東+西+都"]);
    }

    #[test]
    fn a_marked_side_without_its_removed_words_is_the_side() {
        let base = "The runway is closed at night, and on Sundays.";
        let sides = [
            "The runway is closed at night.",
            "The old runway is closed by day, and on Sundays.",
            "Runway closed; see notes",
        ];
        for (side, pieces) in sides.iter().zip(marked(Some(base), &sides)) {
            let kept = pieces
                .iter()
                .filter(|piece| piece.mark != Mark::Removed)
                .map(|piece| piece.text.as_str());
            assert_eq!(kept.collect::<String>(), *side);
        }
    }

    #[test]
    fn what_is_too_long_is_not_compared() {
        let long = "word ".repeat(WORDS_COMPARED);
        let pieces = marked(None, &[&long, "word"]);
        assert_eq!(pieces[0], [Piece::plain(long.clone())]);
    }
}
