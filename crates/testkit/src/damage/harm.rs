//! The ways in which a file of the journal or a value of the store is not what it was.

use driftless_store::{Files as _, MemoryKv};

use super::folder::Folder;
use crate::histories::Dice;

/// How a harm is told that brought in another device's file.
pub(super) const OF_ANOTHER: &str = "of another device";

/// What is harmed, and what stale and foreign files are taken from.
pub(super) struct Harmed<'a> {
    pub(super) folder: &'a Folder,
    pub(super) older: &'a [Folder],
    pub(super) other: Option<&'a Folder>,
}

impl Harmed<'_> {
    /// Does harm once, somewhere, and says what.
    pub(super) fn once(&self, dice: &mut Dice) -> String {
        match dice.below(4) {
            0 => self.store(dice),
            _ => self.journal(dice),
        }
    }

    fn journal(&self, dice: &mut Dice) -> String {
        let files = &self.folder.device.files;
        let mut names = files.list().unwrap_or_default();
        names.retain(|name| !name.ends_with(".damaged"));
        if names.is_empty() {
            return "nothing is left to harm".into();
        }
        let name = &names[dice.below(names.len())];
        let mut bytes = files.content(name).unwrap_or_default();
        let length = bytes.len();
        let told = match dice.below(12) {
            _ if bytes.is_empty() => return format!("{name} is empty already"),
            0..4 => {
                let bit = dice.below(length * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                format!("{name}: bit {} of byte {}", bit % 8, bit / 8)
            }
            4 | 5 => {
                let from = dice.below(length);
                let to = (from + 1 + dice.below(600)).min(length);
                bytes[from..to].fill(0);
                format!("{name}: zeros from {from} to {to}")
            }
            6 | 7 => {
                let to = dice.below(length);
                bytes.truncate(to);
                format!("{name}: cut at {to} of {length}")
            }
            8 => {
                files.lose_file(name);
                return format!("{name} is removed");
            }
            9 => {
                let more = 1 + dice.below(60);
                bytes.extend((0..more).map(|_| dice.roll().to_be_bytes()[0]));
                format!("{name}: {more} bytes more")
            }
            10 if !self.older.is_empty() => {
                let old = &self.older[dice.below(self.older.len())];
                bytes = old.device.files.content(name).unwrap_or(bytes);
                format!("{name} as it once was, {} bytes of {length}", bytes.len())
            }
            _ => {
                let other = self
                    .other
                    .and_then(|other| other.device.files.content(name));
                bytes = other.unwrap_or(bytes);
                format!("{name} {OF_ANOTHER}, {} bytes", bytes.len())
            }
        };
        files.set_content(name, &bytes);
        told
    }

    fn store(&self, dice: &mut Dice) -> String {
        let kv = &self.folder.device.kv;
        let keys = kv.stored_keys();
        if keys.is_empty() {
            return "the store is empty".into();
        }
        let key = &keys[dice.below(keys.len())];
        match dice.below(8) {
            0..4 => {
                let bit = dice.below(200);
                kv.flip_bit(key, bit);
                format!("store: bit {bit} of {key:?}")
            }
            4 | 5 => {
                kv.lose_key(key);
                format!("store: {key:?} is gone")
            }
            6 if !self.older.is_empty() => {
                let old = &self.older[dice.below(self.older.len())];
                kv.become_like(&old.device.kv);
                "the store as it once was".into()
            }
            _ => {
                kv.become_like(&MemoryKv::new());
                "the store is gone".into()
            }
        }
    }
}
