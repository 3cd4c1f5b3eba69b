//! [`WorkspaceRules`]: which policy a contested field gets, the same on every device.

use driftless_document::{FieldType, Fit, Policy, RecordId, Rules, RulesError, Status};
use driftless_engine::{Replica, RulesExplanation, RulesReport, RulesSummary};
use serde_json::{Value as Json, json};

use crate::actor::Actor;
use crate::conflicts::shown_to_json;
use crate::error::Error;

/// The rules of the workspace: they pick what a field shows that was edited apart, where nobody has decided.
///
/// ```
/// use driftless::{Database, Error, Options, Rules};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let folder = tempfile::tempdir().expect("there is a temporary folder");
/// let database = Database::create(folder.path().join("laptop"), Options::named("laptop")).await?;
/// let rules = Rules::read("version = 1\n[[rule]]\npath = \"count\"\npolicy = \"max\"")?;
/// database.rules().set(rules).await?;
/// assert_eq!(database.rules().current().await?.rules.len(), 1);
/// # database.close().await
/// # }
/// ```
#[derive(Clone)]
pub struct WorkspaceRules {
    actor: Actor,
}

impl WorkspaceRules {
    pub(crate) fn new(actor: Actor) -> Self {
        Self { actor }
    }

    /// The rules that hold.
    pub async fn current(&self) -> Result<RulesReport, Error> {
        self.actor.read(|replica| Ok(replica.rules())).await
    }

    /// Sets the rules, here and, with the next sync, everywhere; false where they hold already.
    ///
    /// Only the owner and admins may: an error of kind `Refused` otherwise.
    pub async fn set(&self, rules: Rules) -> Result<bool, Error> {
        let set = move |replica: &mut Replica| replica.set_rules(&rules);
        self.actor.write(set).await
    }

    /// Which rule decides about a field, named by its path, or about the whole record, named `$deleted`, and why.
    pub async fn explain(
        &self,
        collection: &str,
        record: RecordId,
        field: &str,
    ) -> Result<RulesExplanation, Error> {
        let (collection, field) = (collection.to_owned(), field.to_owned());
        let explain = move |replica: &Replica| replica.explain_rules(&collection, record, &field);
        self.actor.read(explain).await
    }
}

impl std::fmt::Debug for WorkspaceRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkspaceRules").finish_non_exhaustive()
    }
}

/// Rules in force, as JSON.
pub fn rules_report_to_json(report: &RulesReport) -> Json {
    json!({
        "version": report.version.map(|version| version.to_string()),
        "set_by": report.set_by.as_ref().map(|by| json!({
            "device": by.device.to_string(),
            "device_name": by.name,
        })),
        "rules": rules_to_json(&report.rules),
        "not_understood": report.not_understood.as_ref().map(RulesError::to_string),
        "not_installed": report.not_installed,
    })
}

/// Rules in force in short, as JSON.
pub fn rules_summary_to_json(summary: &RulesSummary) -> Json {
    json!({
        "version": summary.version.map(|version| version.to_string()),
        "count": summary.count,
        "not_understood": summary.not_understood.as_ref().map(RulesError::to_string),
        "not_installed": summary.not_installed,
    })
}

/// A document of rules in its one form, as JSON.
pub fn rules_to_json(rules: &Rules) -> Json {
    serde_json::from_str(rules.canonical()).unwrap_or(Json::Null)
}

/// Why a rule decides, as JSON.
pub fn rules_explanation_to_json(told: &RulesExplanation) -> Json {
    let steps = told.walk.steps.iter().map(|step| {
        json!({
            "rule": step.rule,
            "name": step.name,
            "fit": step.fit.as_str(),
            "words": step.words,
        })
    });
    json!({
        "collection": told.key.collection,
        "record": told.key.record.to_string(),
        "path": told.path,
        "conflict": told.entry.map(|id| id.to_string()),
        "status": told.status.map(Status::as_str),
        "by_type": told.by_type.map(FieldType::as_str),
        "steps": steps.collect::<Vec<_>>(),
        "rule": told.walk.rule,
        "policy": told.walk.policy.as_ref().map(Policy::as_str),
        "picked": told.picked.as_ref().map(shown_to_json),
        "provisional": told.provisional,
        "words": rules_explanation_in_words(told),
    })
}

/// What follows from an explanation, as sentences.
pub fn rules_explanation_in_words(told: &RulesExplanation) -> String {
    if let Some(kind) = told.by_type {
        return format!(
            "A {} merges by itself: rules say nothing of it.",
            kind.as_str()
        );
    }
    let what = match told.entry {
        Some(_) => "It was edited apart, and nobody has decided yet. It shows",
        None => "If it is edited apart, it will show",
    };
    let asked = told.walk.steps.iter();
    let depends = asked.filter(|step| step.fit == Fit::Depends).count();
    match (&told.walk.policy, told.walk.rule) {
        (Some(policy), Some(_)) if told.provisional => format!(
            "{what} {}; it is not installed here, so the choice is left to a person.",
            policy.in_words()
        ),
        (Some(policy), Some(rule)) => {
            let fallen = told.entry.is_some() && told.picked.is_none() && *policy != Policy::Review;
            let fallen = if fallen {
                ". That does not tell these sides apart, so the choice is left to a person"
            } else {
                ""
            };
            format!("{what} {}, by rule {rule}{fallen}.", policy.in_words())
        }
        (Some(policy), None) => format!("{what} {}: no rule matches.", policy.in_words()),
        (None, _) => {
            let rules = if depends == 1 { "rule" } else { "rules" };
            format!("What it will show depends on the edits: {depends} {rules} may match.")
        }
    }
}
