//! The rules that hold in the workspace: set by a membership record, the same on every device, and what they make of
//! rows and entries.
//!
//! A stored row is what Automerge reads; where a policy picks another side of an open entry, the row is given that when
//! it is read. So new rules, roles and functions count from the moment they are known, and nothing that is stored can
//! lag behind them. Only records with an entry that nobody settled cost anything.
//!
//! Rules that this build does not understand are kept and passed on like any membership record; everything is left to
//! people meanwhile.

mod explain;
mod picks;

use std::collections::BTreeMap;

use driftless_document::{
    ActorId, Authors, Customs, Entry, Policy, Rules, RulesError, RulesFault, RulesVersion, Shown,
    Verdict,
};
use driftless_protocol::{Code, DeviceId, RecordBody, Role, SetRules};

use crate::error::EngineError;
use crate::membership::{Member, MembershipLog};
use crate::replica::Replica;
use crate::types::DeviceName;

pub use explain::RulesExplanation;
pub(crate) use picks::PickedBy;

/// The rules that hold in a workspace.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesReport {
    /// What names them; none while nobody has set any.
    pub version: Option<RulesVersion>,
    /// The device that set them.
    pub set_by: Option<DeviceName>,
    /// The rules, as far as this build understands them: none are in force otherwise.
    pub rules: Rules,
    /// Why this build does not understand them.
    pub not_understood: Option<RulesError>,
    /// The names of custom policies that they ask for and that are not installed here.
    pub not_installed: Vec<String>,
}

/// The rules that hold in a workspace, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesSummary {
    /// What names them; none while nobody has set any.
    pub version: Option<RulesVersion>,
    /// How many there are.
    pub count: usize,
    /// Why this build does not understand them: then everything is left to people.
    pub not_understood: Option<RulesError>,
    /// The names of custom policies that they ask for and that are not installed here.
    pub not_installed: Vec<String>,
}

/// The rules as of the membership log, the functions that were installed, and who has which role.
#[derive(Clone, Debug, Default)]
pub(crate) struct InForce {
    set: Option<(RulesVersion, DeviceId)>,
    rules: Rules,
    not_understood: Option<RulesError>,
    customs: Customs,
    roles: BTreeMap<[u8; 8], Role>,
}

impl Authors for InForce {
    fn role(&self, actor: ActorId) -> Option<&str> {
        let role = self.roles.get(&actor.device_prefix());
        role.map(|role| role.as_str())
    }

    fn is_owner(&self, actor: ActorId) -> bool {
        self.roles.get(&actor.device_prefix()) == Some(&Role::Owner)
    }
}

impl InForce {
    pub(crate) fn of(log: &MembershipLog) -> Self {
        let mut rules = Self::default();
        rules.follow(log, &log.resolved());
        rules
    }

    /// Looks at the log again, after a record came; `resolved` is what the log says of its members.
    pub(crate) fn follow(&mut self, log: &MembershipLog, resolved: &[(Member, bool)]) {
        let granted = resolved.iter().filter(|(_, granted)| *granted);
        self.roles = granted
            .map(|(member, _)| (member.device.prefix(), member.role))
            .collect();
        let Some(record) = log.rules_record(resolved) else {
            return;
        };
        let RecordBody::SetRules(SetRules { rules }) = record.body() else {
            return;
        };
        let set = (RulesVersion::of(rules), record.author());
        if self.set == Some(set) {
            return;
        }
        self.set = Some(set);
        let read = Rules::from_canonical(rules);
        self.not_understood = read.as_ref().err().cloned();
        self.rules = read.unwrap_or_default();
    }

    /// The role of a device whose grant stands.
    pub(crate) fn role_of(&self, device: &DeviceId) -> Option<Role> {
        self.roles.get(&device.prefix()).copied()
    }

    /// The policy of an entry, the rule it comes from, and what follows.
    pub(crate) fn verdict(
        &self,
        collection: &str,
        entry: &Entry,
    ) -> (Option<usize>, &Policy, Verdict) {
        let (rule, policy) = self.rules.decide(collection, entry, self);
        let verdict = entry.verdict_with(policy, collection, self, &self.customs);
        (rule, policy, verdict)
    }

    /// What an entry shows on every device, whatever functions are installed on it.
    fn common_pick(&self, collection: &str, entry: &Entry) -> Option<Shown> {
        let (_, policy) = self.rules.decide(collection, entry, self);
        entry.verdict(policy, self).picked
    }

    /// The rules themselves.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether the function of a custom policy is installed here.
    pub(crate) fn has_custom(&self, name: &str) -> bool {
        self.customs.has(name)
    }

    fn not_installed(&self) -> Vec<String> {
        let asked = self.rules.customs().into_iter();
        asked
            .filter(|name| !self.customs.has(name))
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn summary(&self) -> RulesSummary {
        RulesSummary {
            version: self.set.map(|(version, _)| version),
            count: self.rules.len(),
            not_understood: self.not_understood.clone(),
            not_installed: self.not_installed(),
        }
    }

    /// Whether the rules in force are of a newer Driftless.
    pub(crate) fn is_newer(&self) -> bool {
        let fault = self.not_understood.as_ref().map(|error| &error.fault);
        matches!(fault, Some(RulesFault::Newer { .. }))
    }
}

impl Replica {
    /// The rules that hold here.
    pub fn rules(&self) -> RulesReport {
        let rules = &self.core.rules;
        RulesReport {
            version: rules.set.map(|(version, _)| version),
            set_by: rules.set.and_then(|(_, device)| {
                let (member, _) = self.core.log.member(&device)?;
                let name = member.name;
                Some(DeviceName { device, name })
            }),
            rules: rules.rules.clone(),
            not_understood: rules.not_understood.clone(),
            not_installed: rules.not_installed(),
        }
    }

    /// Sets the rules of the workspace, here and, with the next sync, everywhere; false where they hold already.
    ///
    /// Only the owner and admins may: [`EngineError::NotAllowed`].
    pub fn set_rules(&mut self, rules: &Rules) -> Result<bool, EngineError> {
        self.check_usable()?;
        if self.core.log.has_unknown() {
            return Err(EngineError::peer(Code::MembershipTooNew, ""));
        }
        let role = self.core.rules.role_of(&self.device());
        if role.is_none_or(|role| role < Role::Admin) {
            return Err(EngineError::NotAllowed {
                action: "setting rules",
                reason: "only the owner and admins of the workspace set them",
            });
        }
        if self.core.rules.set.map(|(version, _)| version) == Some(rules.version()) {
            return Ok(false);
        }
        self.merge_membership()?;
        let set = SetRules {
            rules: rules.canonical().as_bytes().to_vec(),
        };
        let record = self.sign_record(self.record_parents(), RecordBody::SetRules(set))?;
        self.stage_record(record)?;
        Ok(true)
    }

    /// Installs the policies that this program brings along, in place of those installed before.
    pub fn install_policies(&mut self, customs: Customs) {
        self.core.rules.customs = customs;
    }
}
