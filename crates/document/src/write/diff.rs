//! The edits that make one text of another: as few characters as is reasonable.
//!
//! Myers' algorithm (1986), by characters where what differs is short, by words where it is long: its cost grows
//! with the length times the difference.

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// One place where two texts differ.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// Where in the old text, in code points.
    pub(super) at: usize,
    /// How many code points go.
    pub(super) delete: usize,
    /// What stands in their place.
    pub(super) insert: String,
}

/// Characters of both texts, where they differ, up to which they are compared one by one.
const BY_CHARACTER: usize = 4_000;

/// The edits, in the order of the old text.
pub(super) fn edits(old: &[char], new: &[char]) -> Vec<Edit> {
    let shorter = old.len().min(new.len());
    let same = |at: &usize| old[*at] == new[*at];
    let start = (0..shorter).take_while(same).count();
    let same_from_end = |back: &usize| old[old.len() - 1 - back] == new[new.len() - 1 - back];
    let end = (0..shorter - start).take_while(same_from_end).count();
    let (old, new) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    if old.len() + new.len() <= BY_CHARACTER {
        let (old, new) = (single(old), single(new));
        return between(start, &old, &new);
    }
    between(start, &words(old), &words(new))
}

fn between(start: usize, old: &[&[char]], new: &[&[char]]) -> Vec<Edit> {
    let mut places = vec![start];
    for part in old {
        places.push(places[places.len() - 1] + part.len());
    }
    let changed = capture_diff_slices(Algorithm::Myers, old, new).into_iter();
    changed
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| {
            let (old, inserted) = (op.old_range(), &new[op.new_range()]);
            Edit {
                at: places[old.start],
                delete: places[old.end] - places[old.start],
                insert: inserted.iter().flat_map(|part| part.iter()).collect(),
            }
        })
        .collect()
}

fn single(text: &[char]) -> Vec<&[char]> {
    text.chunks(1).collect()
}

/// Words and what stands between them.
fn words(text: &[char]) -> Vec<&[char]> {
    text.chunk_by(|a, b| a.is_alphanumeric() && b.is_alphanumeric())
        .collect()
}
