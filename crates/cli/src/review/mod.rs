//! `driftless conflicts review`: the open entries one after the other, each decided with a key.
//!
//! It decides nothing by itself: each key is a command of `conflicts`, carried out on the database that is open
//! here, or in the process that holds the folder ([`actions`]). So a review reads the same on a folder that is
//! served, and an entry that changed since it was shown is refused as it is to every command.
//!
//! Invariants: the terminal is as it was when the review ends, however it ends; nothing is decided that was not
//! shown as it stands.

mod actions;
mod keys;
mod queue;

use actions::{Actions, Outcome, Refusal};
use keys::Keys;
use queue::{Entry, Queue};

use crate::conflict_args::Review;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Output, count};
use crate::sides::{COLUMNS_OF_NO_TERMINAL, paragraph};

/// Candidates that have a key of their own; those behind them are chosen by number.
const CANDIDATES_WITH_KEYS: usize = 10;
/// What Ctrl-D is to a terminal that passes on keys.
const END_OF_INPUT: char = '\u{4}';

/// What the keys do.
const HELP: &str = "\
  0-9  keep this candidate           k  keep a candidate by its number
  b    let both stand                e  edit: type another value, as JSON
  a    acknowledge: it may stay as it is shown, with a note
  l    later: leave it open          u  undo the last decision of this review
  f    show it in full               s  show it again
  q    quit                          ?  this";

pub(crate) async fn run(context: &mut Context, arguments: Review) -> Result<(), Failure> {
    if context.output.json() {
        return Err(Failure::Usage {
            message: "a review talks with a person, and --json is for programs".into(),
            remedy: "Use `driftless conflicts list --status open --json` and `driftless conflicts resolve`."
                .into(),
        });
    }
    // Whoever carries out commands for others has no terminal for them.
    Keys::check(!context.is_served())?;
    let interrupt = context.interrupt()?;
    let actions = Actions::begin(context, interrupt.clone()).await?;
    let result = match Keys::open() {
        Err(failure) => Err(failure),
        Ok(keys) => {
            let mut reviewer = Reviewer {
                actions: &actions,
                keys: &keys,
                output: &mut context.output,
                queue: Queue::new(arguments.filters.words()),
                decided: Vec::new(),
                later: 0,
                total: 0,
            };
            tokio::select! {
                result = reviewer.run() => result,
                () = interrupt.wait() => reviewer.interrupted(),
            }
        }
    };
    let closed = actions.close(context).await;
    // What went wrong first is what is told.
    result.and(closed)
}

/// One review.
struct Reviewer<'a> {
    actions: &'a Actions,
    keys: &'a Keys,
    output: &'a mut Output,
    queue: Queue,
    /// Entries that this review has decided, the last one last.
    decided: Vec<String>,
    /// How many were left for later.
    later: usize,
    /// How many were open at first.
    total: u64,
}

/// What follows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another key for the same entry.
    Key,
    /// The entry once more, as it is now.
    Again,
    /// The next entry.
    Entry,
    /// The end.
    End,
}

impl Reviewer<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        self.total = self.queue.count(self.actions).await?;
        while let Some(id) = self.queue.next(self.actions).await? {
            if self.entry(&id).await? == Next::End {
                break;
            }
        }
        let open = self.queue.count(self.actions).await?;
        self.output.line(&format!(
            "{} decided, {} left for later, {} still open",
            count(self.decided.len() as u64, "conflict"),
            self.later,
            open,
        ))
    }

    fn interrupted(&mut self) -> Result<(), Failure> {
        self.output.line("")?;
        Err(Failure::Interrupted {
            done: format!(
                "{} decided, which stays",
                match self.decided.len() {
                    1 => "1 conflict was".to_owned(),
                    n => format!("{} were", count(n as u64, "conflict")),
                }
            ),
            remedy: "Start the review again: it goes on with what is open.",
        })
    }

    /// Shows an entry and asks about it until it is decided or left.
    async fn entry(&mut self, id: &str) -> Result<Next, Failure> {
        let mut is_first = true;
        loop {
            let entry = match self.actions.ask(&["show", id]).await? {
                Ok(answer) => Entry::read(&answer.into_iter().next().unwrap_or_default()),
                Err(refusal) if refusal.is_about_change() => {
                    self.tell(&refusal.message)?;
                    return Ok(Next::Entry);
                }
                Err(refusal) => return Err(refusal.into()),
            };
            // Somebody decided it before it was shown.
            if is_first && !entry.is_open {
                return Ok(Next::Entry);
            }
            is_first = false;
            self.show(&entry, &[]).await?;
            match self.ask(&entry).await? {
                Next::Again | Next::Key => {}
                next => return Ok(next),
            }
        }
    }

    async fn show(&mut self, entry: &Entry, more: &[&str]) -> Result<(), Failure> {
        let words = [&["show", &entry.id], more].concat();
        let n = self.decided.len() + self.later + 1;
        let total = self.total.max(n as u64);
        match self.actions.say(&words).await? {
            Outcome::Done(said) => {
                self.output.line("")?;
                self.output.line(&format!("{n} of {total}"))?;
                self.output.line(said.trim_end())?;
                self.output.line("")
            }
            Outcome::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// Asks for keys until one of them leads on.
    async fn ask(&mut self, entry: &Entry) -> Result<Next, Failure> {
        loop {
            self.output.prompt(&self.prompt(entry))?;
            let Some(key) = self.keys.key().await.map_err(Failure::System)? else {
                return Ok(Next::End);
            };
            let echo = if key.is_control() { ' ' } else { key };
            self.output.line(&echo.to_string())?;
            match self.obey(entry, key).await? {
                Next::Key => {}
                next => return Ok(next),
            }
        }
    }

    fn prompt(&self, entry: &Entry) -> String {
        let undo = if self.decided.is_empty() {
            ""
        } else {
            ", u undo"
        };
        if !entry.is_open {
            return "it is decided: u undo that, l go on, q quit, ? help: ".to_owned();
        }
        let last = entry.candidates.saturating_sub(1);
        let keys = last.min(CANDIDATES_WITH_KEYS - 1);
        let by_number = if last > keys { ", k" } else { "" };
        format!(
            "keep 0-{keys}{by_number}, b both, e edit, a acknowledge, l later{undo}, q quit, ? help: "
        )
    }

    async fn obey(&mut self, entry: &Entry, key: char) -> Result<Next, Failure> {
        match key {
            'q' | END_OF_INPUT => Ok(Next::End),
            'l' | ' ' => {
                self.later += usize::from(entry.is_open);
                Ok(Next::Entry)
            }
            's' => Ok(Next::Again),
            'f' => {
                self.show(entry, &["--full"]).await?;
                Ok(Next::Key)
            }
            'u' => self.undo(entry).await,
            '?' => {
                self.output.line(HELP)?;
                Ok(Next::Key)
            }
            '0'..='9' | 'k' | 'b' | 'e' | 'a' if entry.is_open => self.decide(entry, key).await,
            '\n' | '\r' => Ok(Next::Key),
            _ => {
                self.output.line("no key of ours; ? says which are")?;
                Ok(Next::Key)
            }
        }
    }

    /// Reads what the key leaves open, and decides.
    async fn decide(&mut self, entry: &Entry, key: char) -> Result<Next, Failure> {
        let (command, argument) = match key {
            'b' => ("resolve", Some("--both".to_owned())),
            'a' => {
                let note = self.line("why it may stay, or nothing: ").await?;
                ("acknowledge", note.map(|note| format!("--note={note}")))
            }
            'e' => {
                let value = self
                    .line("the value, as JSON (a text in quotes), or nothing to go back: ")
                    .await?;
                let value = value.filter(|value| !value.trim().is_empty());
                ("resolve", value.map(|value| format!("--value={value}")))
            }
            'k' => {
                let number = self.line("the candidate's number, or nothing: ").await?;
                let number = number.filter(|number| !number.trim().is_empty());
                let keep = number.map(|number| format!("--keep={}", number.trim()));
                ("resolve", keep)
            }
            digit => ("resolve", Some(format!("--keep={digit}"))),
        };
        let Some(argument) = argument else {
            return Ok(Next::Key);
        };
        let seen = format!("--seen={}", entry.members);
        let words = [command, entry.id.as_str(), argument.as_str(), seen.as_str()];
        match self.actions.ask(&words).await? {
            Ok(_) => {
                self.output.line(match (command, key) {
                    ("acknowledge", _) => "acknowledged",
                    (_, 'b') => "both stand",
                    _ => "decided",
                })?;
                self.queue.forget(&entry.id);
                self.decided.push(entry.id.clone());
                Ok(Next::Entry)
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Opens the last entry again that this review decided, or the one that is shown decided, and goes there.
    async fn undo(&mut self, entry: &Entry) -> Result<Next, Failure> {
        let id = if entry.is_open {
            self.decided.last()
        } else {
            Some(&entry.id)
        };
        let Some(id) = id.cloned() else {
            self.tell("this review has decided nothing")?;
            return Ok(Next::Key);
        };
        match self.actions.ask(&["undo", &id]).await? {
            Ok(_) => {
                self.output.line("undone: it is open again")?;
                self.decided.retain(|decided| *decided != id);
                if id == entry.id {
                    return Ok(Next::Again);
                }
                self.queue.put_back(entry.id.clone());
                self.queue.put_back(id);
                Ok(Next::Entry)
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Says why nothing was done; what no key can help ends the review.
    fn refused(&mut self, refusal: Refusal) -> Result<Next, Failure> {
        let (is_about_change, is_about_the_key) =
            (refusal.is_about_change(), refusal.is_about_the_key());
        if !(is_about_change || is_about_the_key) {
            return Err(refusal.into());
        }
        self.tell(&refusal.message)?;
        if is_about_change {
            self.tell("nothing was decided; this is how it stands now:")?;
            return Ok(Next::Again);
        }
        self.tell(&refusal.remedy)?;
        Ok(Next::Key)
    }

    /// A sentence, in lines that fit the terminal.
    fn tell(&mut self, sentence: &str) -> Result<(), Failure> {
        let columns = self.output.width().unwrap_or(COLUMNS_OF_NO_TERMINAL);
        let lines = paragraph(sentence, columns);
        lines.iter().try_for_each(|line| self.output.line(line))
    }

    /// Asks for a line; `None` where the terminal is gone, which the next key tells.
    async fn line(&mut self, question: &str) -> Result<Option<String>, Failure> {
        self.keys.line(|| self.output.prompt(question)).await
    }
}
