//! Which entry comes next.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value as Json;

use super::actions::Actions;
use crate::failure::Failure;

/// Entries that are asked for at a time.
const A_PAGE: usize = 50;

/// The open entries that a review has not come to yet, in the order of the list; then those that opened meanwhile.
#[derive(Debug, Default)]
pub(super) struct Queue {
    filters: Vec<String>,
    waiting: VecDeque<String>,
    /// Entries that were handed out and are not decided: they do not come again by themselves.
    met: BTreeSet<String>,
    /// The last entry of the last page.
    after: Option<String>,
    is_at_end: bool,
    /// Whether this walk through the list found an entry that was not met before.
    found: bool,
}

impl Queue {
    /// The open entries that fit, as `conflicts list` takes filters.
    pub(super) fn new(filters: Vec<String>) -> Self {
        Self {
            filters,
            ..Self::default()
        }
    }

    /// How many entries are open now.
    pub(super) async fn count(&self, actions: &Actions) -> Result<u64, Failure> {
        let answer = actions.ask(&self.words(&["--count"])).await??;
        let count = answer.first().and_then(|answer| answer["count"].as_u64());
        Ok(count.unwrap_or_default())
    }

    /// The next entry; `None` when a walk through the whole list met nothing new.
    pub(super) async fn next(&mut self, actions: &Actions) -> Result<Option<String>, Failure> {
        loop {
            if let Some(id) = self.waiting.pop_front() {
                return Ok(Some(id));
            }
            if self.is_at_end {
                if !self.found {
                    return Ok(None);
                }
                (self.after, self.is_at_end, self.found) = (None, false, false);
            }
            self.read_page(actions).await?;
        }
    }

    /// This one comes next.
    pub(super) fn put_back(&mut self, id: String) {
        self.waiting.retain(|waiting| *waiting != id);
        self.met.insert(id.clone());
        self.waiting.push_front(id);
    }

    /// This one is decided: should it open again, it comes again.
    pub(super) fn forget(&mut self, id: &str) {
        self.met.remove(id);
    }

    async fn read_page(&mut self, actions: &Actions) -> Result<(), Failure> {
        let limit = format!("--limit={A_PAGE}");
        let after = self.after.as_ref().map(|after| format!("--after={after}"));
        let mut more = vec![limit.as_str()];
        more.extend(after.as_deref());
        let entries = match actions.ask(&self.words(&more)).await? {
            Ok(entries) => entries,
            // The entry it goes on after was withdrawn.
            Err(refusal) if self.after.is_some() && refusal.is_about_change() => {
                self.after = None;
                return Ok(());
            }
            Err(refusal) => return Err(refusal.into()),
        };
        self.is_at_end = entries.len() < A_PAGE;
        for id in entries.iter().filter_map(|entry| entry["id"].as_str()) {
            self.after = Some(id.to_owned());
            if self.met.insert(id.to_owned()) {
                self.found = true;
                self.waiting.push_back(id.to_owned());
            }
        }
        Ok(())
    }

    fn words<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut words = vec!["list", "--status=open"];
        words.extend(self.filters.iter().map(String::as_str));
        words.extend(more);
        words
    }
}

/// An entry as far as a review needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) is_open: bool,
    pub(super) candidates: usize,
    /// How many writes take part: what a decision on it is made for.
    pub(super) members: u64,
}

impl Entry {
    /// Of the JSON of `conflicts show`.
    pub(super) fn read(entry: &Json) -> Self {
        Self {
            id: entry["id"].as_str().unwrap_or_default().to_owned(),
            is_open: entry["status"] == "open",
            candidates: entry["candidates"].as_array().map_or(0, Vec::len),
            members: entry["members_total"].as_u64().unwrap_or_default(),
        }
    }
}
