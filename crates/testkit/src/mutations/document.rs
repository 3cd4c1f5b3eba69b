//! A saved document in its parts: taken apart, its columns inflated, altered, and put together with right lengths and
//! a right checksum.

use super::bytes;
use super::chunk::{self, DEFLATED, HEADER, Reader, columns, deflated, inflated, leb, prefixed};
use crate::histories::Dice;

const DOCUMENT: u8 = 0;
/// Specifications there are, of changes and of operations, and some that there are not.
const SPECIFICATIONS: [u64; 24] = [
    1, 2, 3, 17, 19, 21, 33, 35, 52, 53, 64, 66, 67, 86, 87, 128, 129, 131, 148, 165, 0, 24, 135,
    4_000,
];
/// Bytes of a column that is small only as long as it is deflated.
const BOMB_BYTES: usize = 8 << 20;

type Columns = Vec<(u64, Vec<u8>)>;

/// The parts of a saved document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    actors: Vec<Vec<u8>>,
    heads: Vec<u8>,
    /// Of changes, and of operations; a specification says whether its column is deflated when it is put together.
    columns: [Columns; 2],
    rest: Vec<u8>,
}

impl Document {
    pub(super) fn of(chunk: &[u8]) -> Option<Self> {
        let mut reader = Reader(chunk.get(HEADER..)?);
        reader.number()?;
        let mut actors = Vec::new();
        for _ in 0..reader.number()? {
            actors.push(reader.prefixed()?);
        }
        let heads = reader.number()?.checked_mul(32)?;
        let heads = reader.take(heads)?.to_vec();
        let lengths = [columns(&mut reader)?, columns(&mut reader)?];
        let mut take = |lengths: Vec<(u64, u64)>| {
            let columns = lengths.into_iter().map(|(column, length)| {
                let data = reader.take(length)?;
                let is_deflated = column & DEFLATED != 0;
                let data = if is_deflated {
                    inflated(data)?
                } else {
                    data.to_vec()
                };
                Some((column, data))
            });
            columns.collect::<Option<Columns>>()
        };
        let [changes, operations] = lengths;
        Some(Self {
            actors,
            heads,
            columns: [take(changes)?, take(operations)?],
            rest: reader.0.to_vec(),
        })
    }

    pub(super) fn to_chunk(&self) -> Vec<u8> {
        let mut body = leb(self.actors.len() as u64);
        for actor in &self.actors {
            prefixed(&mut body, actor);
        }
        body.extend(leb((self.heads.len() / 32) as u64));
        body.extend(&self.heads);
        let stored = self.columns.each_ref().map(|columns| {
            let stored = columns
                .iter()
                .map(|(column, data)| match column & DEFLATED {
                    0 => (*column, data.clone()),
                    _ => (*column, deflated(data)),
                });
            stored.collect::<Columns>()
        });
        for columns in &stored {
            body.extend(leb(columns.len() as u64));
            for (column, data) in columns {
                body.extend(leb(*column));
                body.extend(leb(data.len() as u64));
            }
        }
        body.extend(stored.iter().flatten().flat_map(|(_, data)| data));
        body.extend(&self.rest);
        chunk::chunk(DOCUMENT, &body)
    }

    /// Alters one part; `other` is where foreign ones come from.
    pub(super) fn alter(&mut self, dice: &mut Dice, other: &Self) {
        match dice.below(20) {
            0 => self.actors.clone_from(&other.actors),
            1 => drop(self.actors.pop()),
            2 => bytes::alter(dice, &mut self.rest, &other.rest),
            _ => {
                let which = dice.below(2);
                let columns = &mut self.columns[which];
                alter_columns(dice, columns, &other.columns[which]);
            }
        }
    }
}

fn alter_columns(dice: &mut Dice, columns: &mut Columns, other: &Columns) {
    if columns.is_empty() {
        columns.clone_from(other);
        return;
    }
    let count = columns.len();
    let at = dice.below(count);
    match dice.below(400) {
        0 => columns[at] = (columns[at].0 | DEFLATED, vec![0; BOMB_BYTES]),
        1..20 => columns[at].0 = SPECIFICATIONS[dice.below(SPECIFICATIONS.len())],
        20..40 => columns[at].0 ^= DEFLATED,
        40..60 => drop(columns.remove(at)),
        60..80 => columns.insert(at, columns[at].clone()),
        80..100 => {
            let data = columns[dice.below(count)].1.clone();
            columns[at].1 = data;
        }
        100..160 => {
            let same = other.iter().find(|(column, _)| *column == columns[at].0);
            if let Some((_, data)) = same {
                columns[at].1.clone_from(data);
            }
        }
        160..240 => {
            // All its rows are one run.
            let run = bytes::number(dice);
            let data = &mut columns[at].1;
            data.truncate(1 + dice.below(3));
            data.splice(..1.min(data.len()), run.iter().copied());
        }
        _ => {
            let foreign = other.get(at).map_or(&[][..], |(_, data)| data);
            bytes::alter(dice, &mut columns[at].1, foreign);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histories::{Manner, Plan};
    use crate::replicas::Replicas;

    #[test]
    fn a_document_that_is_taken_apart_and_put_together_is_what_it_was() {
        let manner = Manner {
            steps: 200,
            ..Manner::default()
        };
        let saved = Replicas::of(&Plan::random(1, &manner)).records[0].save();
        let document = Document::of(&saved).expect("a saved document");
        assert!(
            document
                .columns
                .iter()
                .flatten()
                .any(|(column, _)| column & DEFLATED != 0)
        );
        let again = Document::of(&document.to_chunk()).expect("a document");
        assert_eq!(again, document);
    }
}
