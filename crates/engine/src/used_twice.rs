//! Devices that have signed different changes with the same numbers: which they are, and what of it still waits.
//!
//! It is what every device sees of an image of a machine that ran twice; what the device itself sees of it, and of copies
//! and backups, is in `elsewhere`. Who calls it: status.

use std::collections::BTreeMap;
use std::fmt;

use driftless_protocol::{Code, DeviceId};

use crate::error::EngineError;
use crate::quarantine::ItemState;
use crate::replica::Replica;

/// A device that has signed different changes with the same numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsedTwice {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// Whether it is this one.
    pub own: bool,
    /// Its envelopes that are held, do not count, and were not written again yet.
    pub waiting: u64,
}

impl UsedTwice {
    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        if self.own {
            "Let one of the two runs of this machine join as a device of its own: `driftless invite`, and `driftless join` in a new folder. Where one of them is gone, `driftless quarantine reissue` writes again what it had written."
        } else {
            "Nothing is lost: it writes them again when it syncs. On its machine, let one of the two runs join as a device of its own: `driftless invite`, and `driftless join` in a new folder. Where one of them is gone, `driftless quarantine reissue` there writes again what it had written."
        }
    }
}

impl fmt::Display for UsedTwice {
    /// A sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} has signed different changes with the same numbers, so an image of its machine ran twice or was set back: ",
            self.name
        )?;
        match self.waiting {
            0 => f.write_str("all of it was written again"),
            1 => f.write_str("1 envelope of it does not count until it is written again"),
            waiting => write!(
                f,
                "{waiting} envelopes of it do not count until they are written again"
            ),
        }
    }
}

impl Replica {
    /// The devices that have signed different changes with the same numbers, in the order in which they were let in.
    pub fn used_twice(&self) -> Result<Vec<UsedTwice>, EngineError> {
        let mut found = Vec::new();
        for (member, _) in self.core.log.resolved() {
            if self.core.feeds.has_branches(member.device.prefix()) {
                found.push(UsedTwice {
                    own: member.device == self.device(),
                    device: member.device,
                    name: member.name,
                    waiting: 0,
                });
            }
        }
        if found.is_empty() {
            return Ok(found);
        }
        let mut waiting = BTreeMap::<[u8; 8], u64>::new();
        for id in self.quarantined_after(None)? {
            let is_split = |(code, _)| code == Code::Equivocation;
            if self.verdict(id)?.is_some_and(is_split) && self.state_of(id)? == ItemState::Open {
                *waiting.entry(id.feed.device_prefix()).or_default() += 1;
            }
        }
        for device in &mut found {
            device.waiting = waiting.get(&device.device.prefix()).copied().unwrap_or(0);
        }
        Ok(found)
    }
}
