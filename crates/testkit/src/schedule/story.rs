//! A schedule as a story.

use std::fmt;

use super::{
    ACKNOWLEDGE, ANOTHER_TEXT, ANOTHER_VALUE, BOTH, COLLECTIONS, FIELDS, Fault, INSIDE_OBJECT,
    Jump, Manner, PLACES, Packing, Schedule, Step, StoreOfBackup, UNDO, Write, pick, pick_two,
};

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} devices", self.devices)?;
        let mut places = self.devices;
        for (n, step) in self.steps.iter().enumerate() {
            writeln!(formatter, "{n:>3}. {}", told(*step, places))?;
            if matches!(step, Step::CopyFolder { .. }) && places < PLACES {
                places += 1;
            }
        }
        Ok(())
    }
}

/// One step, where there are this many folders.
// tidy: table
#[allow(clippy::too_many_lines)]
pub(super) fn told(step: Step, places: usize) -> String {
    let at = |who: u8| format!("device {}", pick(who, places));
    let two = |from: u8, to: u8| {
        let (from, to) = pick_two(from, to, places);
        format!("device {from} dials device {to}")
    };
    match step {
        Step::Write { who, write, staged } => {
            let later = if staged { ", not yet durable" } else { "" };
            format!("{} {}{later}", at(who), told_write(write))
        }
        Step::Commit { who } => format!("{} commits what is staged", at(who)),
        Step::Sync { from, to } => format!("{} and they sync", two(from, to)),
        Step::Cut { from, to, frames } => {
            format!(
                "{} and the link is cut after {frames} frames",
                two(from, to)
            )
        }
        Step::Connect { from, to, manner } => {
            format!("{} and {}", two(from, to), told_manner(manner))
        }
        Step::Deliver {
            link,
            frames,
            order,
        } => format!("{frames} frames of connection {link} arrive (order {order:08b})"),
        Step::Disconnect { link } => format!("connection {link} is cut"),
        Step::Duplicate { link, side } => format!(
            "the next frame of connection {link} to its {} will arrive twice",
            told_side(side)
        ),
        Step::Replay { link, side, frame } => format!(
            "the {frame}th frame counted back arrives again, at the {} of connection {link}",
            told_side(side)
        ),
        Step::Reopen { who } => format!("{} is closed and opened", at(who)),
        Step::Crash { who } => format!("{} is killed and opened", at(who)),
        Step::PowerLoss { who, kept, coin } => format!(
            "{} loses power, {kept} unflushed batches of its store survive (coin {coin}), and is opened",
            at(who)
        ),
        Step::FailCommit { who, how, coin } => {
            let how = match how {
                Fault::Power(n) => format!("the power goes at operation {n}"),
                Fault::Sync => "its barrier fails".to_owned(),
                Fault::Store => "the store fails after its barrier".to_owned(),
            };
            format!("{} writes and {how} (coin {coin}), and is opened", at(who))
        }
        Step::LoseStore { who } => format!("{} loses its store and is opened", at(who)),
        Step::StaleStore { who, backup } => format!(
            "{} is killed and opened with the store of its backup {backup}",
            at(who)
        ),
        Step::Backup { who } => format!("{} is backed up", at(who)),
        Step::RestoreBackup { who, backup, store } => {
            let store = match store {
                StoreOfBackup::Own => "the store of that time",
                StoreOfBackup::None => "no store",
                StoreOfBackup::Newer => "the store it has now",
            };
            format!(
                "{} is put back to its backup {backup}, with {store}",
                at(who)
            )
        }
        Step::CopyFolder { who, with_store } => {
            let store = if with_store { "with" } else { "without" };
            let copy = if places < PLACES {
                format!("as device {places}")
            } else {
                "if there were room".to_owned()
            };
            format!(
                "{} is copied, {store} its store, and opened {copy}",
                at(who)
            )
        }
        Step::Pack { who, how } => {
            let how = match how {
                Packing::Close => "closes a segment of its journal".to_owned(),
                Packing::All => "packs its journal".to_owned(),
                Packing::Power(n) => {
                    format!("packs its journal, the power goes at operation {n}, and is opened")
                }
            };
            format!("{} {how}", at(who))
        }
        Step::Refuse {
            from,
            to,
            take_back,
        } => {
            let (from, to) = pick_two(from, to, places);
            let then = if take_back { ", and takes it back" } else { "" };
            format!("device {from} writes what device {to} says it refuses{then}")
        }
        Step::TakeBack { who, which } => {
            format!("{} takes back refused write {which}, if it may", at(who))
        }
        Step::Clock { who, jump } => {
            let jump = match jump {
                Jump::Seconds => "goes on 10 seconds",
                Jump::Hour => "goes on an hour",
                Jump::YearAhead => "jumps a year ahead",
                Jump::YearBack => "jumps a year back",
                Jump::HourBack => "jumps an hour back",
                Jump::Epoch => "is reset to 1970",
            };
            format!("the clock of {} {jump}", at(who))
        }
    }
}

fn told_manner(manner: Manner) -> &'static str {
    match manner {
        Manner::Live => "both stay connected",
        Manner::Once => "they connect until both have everything",
        Manner::LiveAndOnce => "would stay connected, which the other does not want",
        Manner::Mute => "stays connected, sending nothing",
        Manner::Deaf => "stays connected, taking nothing",
        Manner::MuteListener => "both stay connected, the other sending nothing",
    }
}

fn told_side(side: u8) -> &'static str {
    if side == 0 { "dialer" } else { "listener" }
}

fn told_write(write: Write) -> String {
    let field = |field: u8| FIELDS[pick(field, FIELDS.len())];
    match write {
        Write::Insert { collection } => {
            let name = COLLECTIONS[pick(collection, COLLECTIONS.len())];
            format!("makes a record in `{name}`")
        }
        Write::Import { many, value } => {
            let some = if many { "many" } else { "three" };
            format!("imports {some} records with f0 = {value}")
        }
        Write::Set {
            record,
            field: at,
            value,
        } => {
            let number = value % INSIDE_OBJECT;
            let value = if value & INSIDE_OBJECT == 0 {
                number.to_string()
            } else {
                format!("{{\"g\":{number}}}")
            };
            format!("sets {} of record {record} to {value}", field(at))
        }
        Write::Unset { record, field: at } => format!("unsets {} of record {record}", field(at)),
        Write::Delete { record } => format!("deletes record {record}"),
        Write::Restore { record } => format!("restores record {record}"),
        Write::Typed(typed) => typed.told(),
        Write::Decide { entry, choice } if choice >= ANOTHER_VALUE => match choice {
            BOTH => format!("lets both sides of conflict {entry} stand"),
            ACKNOWLEDGE => format!("acknowledges conflict {entry}"),
            UNDO => format!("undoes the decision of conflict {entry}"),
            ANOTHER_TEXT => format!("decides conflict {entry} for another text"),
            _ => format!("decides conflict {entry} for another value"),
        },
        Write::Decide { entry, choice } => {
            format!("decides conflict {entry} for candidate {choice}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_reads_as_a_story() {
        let schedule = Schedule {
            devices: 2,
            steps: vec![
                Step::Write {
                    who: 1,
                    write: Write::Set {
                        record: 0,
                        field: 1,
                        value: 6,
                    },
                    staged: true,
                },
                Step::CopyFolder {
                    who: 1,
                    with_store: false,
                },
                Step::Cut {
                    from: 2,
                    to: 0,
                    frames: 3,
                },
            ],
        };
        let story = "\
2 devices
  0. device 1 sets f1 of record 0 to {\"g\":2}, not yet durable
  1. device 1 is copied, without its store, and opened as device 2
  2. device 2 dials device 0 and the link is cut after 3 frames
";
        assert_eq!(schedule.to_string(), story);
    }
}
