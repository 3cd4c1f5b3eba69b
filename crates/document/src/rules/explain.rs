//! Which rule matches, and why, in words: the same walk that decides, written down.

use super::matching::{Condition, Misfit, Subject};
use super::{Range, Rule, Rules, ValueType};
use crate::policy::Policy;

/// What rules make of an entry, or of one that may come to be.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesWalk {
    /// Each rule that was looked at, in order; the last one matches, if one does.
    pub steps: Vec<RuleStep>,
    /// The rule that matches, counted from 0; none where the first that may match depends on the edits, or none does.
    pub rule: Option<usize>,
    /// The policy that follows, if it is certain: `review` where no rule can match.
    pub policy: Option<Policy>,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleStep {
    /// The rule, counted from 0.
    pub rule: usize,
    /// The name it was given.
    pub name: Option<String>,
    /// Whether it matches.
    pub fit: Fit,
    /// Why, in words.
    pub words: String,
}

/// Whether a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fit {
    /// It does, and decides.
    Matches,
    /// It does not.
    No,
    /// That depends on how the edits come about.
    Depends,
}

impl Fit {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matches => "matches",
            Self::No => "no",
            Self::Depends => "depends",
        }
    }
}

impl Rules {
    /// Which rule matches and why: the walk of [`Rules::decide`], with a reason at each step.
    pub fn explain(&self, subject: &Subject) -> RulesWalk {
        let mut steps = Vec::new();
        let mut certain = true;
        for (n, rule) in self.rules.iter().enumerate() {
            let (fit, words) = match rule.fit(subject) {
                Ok(()) => (Fit::Matches, matched(rule)),
                Err(Misfit::No(condition)) => (Fit::No, rule.differs(condition, subject)),
                Err(Misfit::Depends(condition)) => (Fit::Depends, rule.depends(condition)),
            };
            certain &= fit != Fit::Depends;
            steps.push(RuleStep {
                rule: n,
                name: rule.name.clone(),
                fit,
                words,
            });
            if fit == Fit::Matches {
                return RulesWalk {
                    steps,
                    rule: certain.then_some(n),
                    policy: certain.then(|| rule.policy.clone()),
                };
            }
        }
        RulesWalk {
            steps,
            rule: None,
            policy: certain.then_some(Policy::Review),
        }
    }
}

impl Rules {
    /// What rule `n` matches and what it does, in words, counted from 0.
    pub fn in_words(&self, n: usize) -> Option<String> {
        let rule = self.rules.get(n)?;
        let asked = [
            (Condition::Collection, !rule.collections.is_empty()),
            (Condition::Path, !rule.paths.is_empty()),
            (Condition::Type, !rule.types.is_empty()),
            (Condition::Kind, !rule.kinds.is_empty()),
            (Condition::Edits, !rule.edits.is_open()),
            (Condition::Candidates, !rule.candidates.is_open()),
            (Condition::Devices, !rule.devices.is_open()),
            (Condition::SomeRole, !rule.some_roles.is_empty()),
            (Condition::EveryRole, !rule.every_role.is_empty()),
            (Condition::OwnerWrote, rule.owner_wrote.is_some()),
        ];
        let wants = asked.into_iter().filter(|(_, asked)| *asked);
        let wants: Vec<_> = wants.map(|(condition, _)| rule.wants(condition)).collect();
        let what = if wants.is_empty() {
            "everything it can decide".to_owned()
        } else {
            wants.join(", ")
        };
        Some(format!("{what}: shows {}", rule.policy.in_words()))
    }
}

fn matched(rule: &Rule) -> String {
    format!("matches: shows {}", rule.policy.in_words())
}

fn any_of<T>(wanted: &[T], text: impl Fn(&T) -> &str) -> String {
    let texts: Vec<_> = wanted
        .iter()
        .map(|one| format!("`{}`", text(one)))
        .collect();
    texts.join(" or ")
}

fn range(range: Range) -> String {
    match (range.min, range.max) {
        (Some(min), Some(max)) if min == max => format!("exactly {min}"),
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any number of".into(),
    }
}

impl Rule {
    /// What a condition asks for.
    fn wants(&self, condition: Condition) -> String {
        let text = String::as_str;
        match condition {
            Condition::Kind => format!("kind {}", any_of(&self.kinds, |kind| kind.as_str())),
            Condition::Policy => format!("what `{}` can decide", self.policy.as_str()),
            Condition::Collection => {
                format!("collection {}", any_of(&self.collections, |p| p.text()))
            }
            Condition::Path => format!("field {}", any_of(&self.paths, |p| p.text())),
            Condition::Type => format!("type {}", any_of(&self.types, |t| t.as_str())),
            Condition::Edits => format!("{} edits", range(self.edits)),
            Condition::Candidates => format!("{} candidates", range(self.candidates)),
            Condition::Devices => format!("{} devices", range(self.devices)),
            Condition::SomeRole => {
                format!("some author with role {}", any_of(&self.some_roles, text))
            }
            Condition::EveryRole => {
                format!("every author with role {}", any_of(&self.every_role, text))
            }
            Condition::OwnerWrote => match self.owner_wrote {
                Some(true) => "an edit of the owner".into(),
                _ => "no edit of the owner".into(),
            },
        }
    }

    fn differs(&self, condition: Condition, subject: &Subject) -> String {
        let history = subject.history.clone().unwrap_or_default();
        let found = match condition {
            Condition::Kind => format!("this is `{}`", subject.kind.as_str()),
            Condition::Policy => format!(
                "it says nothing of conflicts of kind `{}`",
                subject.kind.as_str()
            ),
            Condition::Collection => format!("this is in `{}`", subject.collection),
            Condition::Path => match &subject.field {
                Some(field) => format!("this is `{field}`"),
                None => "this is the whole record".into(),
            },
            Condition::Type => match subject.types.as_deref() {
                None | Some([]) => "there is no value".into(),
                Some(types) => format!("this is {}", any_of(types, |t: &ValueType| t.as_str())),
            },
            Condition::Edits => format!("there are {}", history.edits),
            Condition::Candidates => format!("there are {}", history.candidates.len()),
            Condition::Devices => format!("there are {}", history.devices),
            Condition::SomeRole | Condition::EveryRole => {
                let mut roles: Vec<_> = history
                    .candidates
                    .iter()
                    .flat_map(|writer| writer.roles.iter().map(String::as_str))
                    .collect();
                roles.sort_unstable();
                roles.dedup();
                if roles.is_empty() {
                    "the list of members knows none of the authors".into()
                } else {
                    format!("the list of members says {}", roles.join(", "))
                }
            }
            Condition::OwnerWrote if self.owner_wrote == Some(true) => {
                "the owner wrote none of these".into()
            }
            Condition::OwnerWrote => "the owner wrote one of these".into(),
        };
        format!(
            "does not match: it wants {}, and {found}",
            self.wants(condition)
        )
    }

    fn depends(&self, condition: Condition) -> String {
        format!(
            "would show {}, if the edits are as it wants: {}",
            self.policy.in_words(),
            self.wants(condition)
        )
    }
}
