//! Members: listed, found by name, removed; and what a removed device had not sent, adopted.

use driftless_protocol::{
    Adopt, Code, DeviceId, EnvelopeName, RecordBody, Remove, Role, limits as wire,
};

use crate::core::Verdict;
use crate::error::EngineError;
use crate::membership::State;
use crate::quarantine::{EnvelopeId, ItemPage, QuarantineItem};
use crate::replica::Replica;
use crate::space::Space;
use crate::types::{DeviceName, MemberState, MemberView, Void};

/// What adopting did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// The items that are applied now, on this device and, with the next syncs, on every other.
    pub applied: Vec<EnvelopeId>,
    /// Those that are adopted and still not applied, each with what is wrong with it.
    pub refused: Vec<QuarantineItem>,
}

impl Replica {
    /// Every device that was ever let in, in the order in which that happened.
    pub fn member_list(&self) -> Vec<MemberView> {
        let standing = self.core.log.standing();
        let members = standing.members.iter();
        members
            .map(|(member, state)| MemberView {
                device: member.device,
                name: member.name.clone(),
                role: member.role,
                granted: *state == State::Active,
                state: match state {
                    State::Active => MemberState::Active,
                    State::Pending => MemberState::Pending,
                    State::Removed => MemberState::Removed,
                },
                removed_by: (standing.removals_of(&member.device))
                    .filter(|_| *state == State::Removed)
                    .map(|removal| removal.by)
                    .next(),
                lines: self.core.feeds.lines_of(member.device.prefix()),
            })
            .collect()
    }

    /// The member a person names: by its name, or by the beginning of its key in hex. Removed ones are found last.
    pub fn find_member(&self, name: &str) -> Result<DeviceId, EngineError> {
        let members = self.member_list();
        let hex = name.to_ascii_lowercase();
        let named = |m: &&MemberView| m.name == name;
        let keyed = |m: &&MemberView| !hex.is_empty() && m.device.to_string().starts_with(&hex);
        let present = |m: &&MemberView| m.state != MemberState::Removed;
        let looks: [Vec<_>; 4] = [
            members.iter().filter(present).filter(named).collect(),
            members.iter().filter(present).filter(keyed).collect(),
            members.iter().filter(named).collect(),
            members.iter().filter(keyed).collect(),
        ];
        match looks
            .iter()
            .find(|found| !found.is_empty())
            .map(Vec::as_slice)
        {
            None => Err(EngineError::NotFound {
                what: "member",
                name: name.to_owned(),
            }),
            Some([member]) => Ok(member.device),
            Some(found) => Err(EngineError::Ambiguous {
                what: "member",
                name: name.to_owned(),
                count: found.len(),
            }),
        }
    }

    /// Removes a device from the workspace: what is held of it now counts for ever, what comes of it later does not.
    ///
    /// Only the owner and admins may, and neither an owner nor oneself is removed: [`EngineError::NotAllowed`]. Open
    /// sessions with it end as soon as that is durable.
    pub fn remove_member(&mut self, device: &DeviceId) -> Result<MemberView, EngineError> {
        const ACTION: &str = "removing a member";
        self.check_manages(
            ACTION,
            "only the owner and admins of the workspace remove members",
        )?;
        let not_allowed = |reason| {
            Err(EngineError::NotAllowed {
                action: ACTION,
                reason,
            })
        };
        let Some((member, _)) = self.core.log.member(device) else {
            return Err(EngineError::NotFound {
                what: "member",
                name: device.to_string(),
            });
        };
        if member.device == self.device() {
            return not_allowed("a device does not remove itself; another owner or admin can");
        }
        if member.role == Role::Owner {
            return not_allowed("the owner of the workspace stays");
        }
        if self.core.log.is_removed(device) {
            return not_allowed("it was removed before");
        }
        self.merge_membership()?;
        let parents = self.record_parents();
        if self.core.log.at(&parents).active(device).is_none() {
            return not_allowed("its admission does not stand, so there is nothing to take away");
        }
        let remove = Remove {
            device: *device,
            cut: self.core.feeds.cut_of(device, wire::CUT_FEEDS),
        };
        let record = self.sign_record(parents, RecordBody::Remove(remove))?;
        self.stage_record(record)?;
        self.member_view(device)
    }

    /// How one device stands.
    pub fn member_view(&self, device: &DeviceId) -> Result<MemberView, EngineError> {
        let mut members = self.member_list().into_iter();
        let found = members.find(|view| view.device == *device);
        found.ok_or_else(|| EngineError::NotFound {
            what: "member",
            name: device.to_string(),
        })
    }

    /// Adopts quarantined items: they count on every device, though their device was removed or its admission does not
    /// stand. Durable when this returns; what is staged is committed before.
    ///
    /// Only the owner and admins may: [`EngineError::NotAllowed`]. What is refused for another reason cannot be
    /// adopted: [`EngineError::NotAdoptable`].
    pub fn adopt(&mut self, ids: &[EnvelopeId]) -> Result<Adopted, EngineError> {
        const REASON: &str = "only the owner and admins of the workspace adopt changes";
        self.check_manages("adopting a change", REASON)?;
        self.commit_group()?;
        let void = self.void()?;
        let mut names = Vec::new();
        for id in ids {
            if !void.contains(id) {
                let item = self.quarantine_item(*id)?; // not found, where it counts or is not here
                if !self.is_adoptable(*id)? {
                    return Err(EngineError::NotAdoptable {
                        id: *id,
                        code: item.code,
                    });
                }
            }
            let place = self.core.envelope_place(&id.feed, id.n)?;
            names.extend(place.map(|place| EnvelopeName {
                feed: id.feed,
                n: id.n,
                hash: place.hash,
            }));
        }
        names.sort_unstable();
        names.dedup();
        for envelopes in names.chunks(wire::ADOPTED) {
            self.merge_membership()?;
            let adopt = Adopt {
                envelopes: envelopes.to_vec(),
            };
            let record = self.sign_record(self.record_parents(), RecordBody::Adopt(adopt))?;
            self.stage_record(record)?;
        }
        self.commit_group()?;
        let mut adopted = Adopted::default();
        for name in names {
            let id = EnvelopeId {
                feed: name.feed,
                n: name.n,
            };
            if self.core.is_quarantined(&id.feed, id.n)? {
                adopted.refused.push(self.quarantine_item(id)?);
            } else {
                adopted.applied.push(id);
            }
        }
        Ok(adopted)
    }

    /// Adopts every open item of the quarantine that can be adopted; see [`Replica::adopt`].
    pub fn adopt_all(&mut self) -> Result<Adopted, EngineError> {
        let mut ids = Vec::new();
        for item in self.quarantine(&ItemPage::default())? {
            if self.is_adoptable(item.id)? {
                ids.push(item.id);
            }
        }
        self.adopt(&ids)
    }

    /// The envelopes that are applied for the sake of what rests on them, and do not count: they can be adopted too.
    pub fn void(&self) -> Result<Vec<EnvelopeId>, EngineError> {
        self.void_for(Void::NotCurrent)
    }

    /// The envelopes that issue something again which another run of their device has issued again as well: that one
    /// counts, and these do not.
    pub fn duplicates(&self) -> Result<Vec<EnvelopeId>, EngineError> {
        self.void_for(Void::Duplicate)
    }

    fn void_for(&self, wanted: Void) -> Result<Vec<EnvelopeId>, EngineError> {
        let void = self.core.void_envelopes()?.into_iter();
        let void = void.filter(|(_, why)| *why == wanted);
        Ok(void.map(|(id, _)| id).collect())
    }

    fn is_adoptable(&self, id: EnvelopeId) -> Result<bool, EngineError> {
        let key = self.core.keys.numbered(Space::Quarantine, &id.feed, id.n);
        let bytes = self.core.base.get(&key)?;
        let verdict = bytes.map(|bytes| Verdict::decode(&bytes)).transpose()?;
        Ok(verdict.is_some_and(|verdict| verdict.may_be_wanted))
    }

    /// Whether this device may write records about others.
    fn check_manages(&self, action: &'static str, reason: &'static str) -> Result<(), EngineError> {
        self.check_usable()?;
        if self.core.log.has_unknown() {
            return Err(EngineError::peer(Code::MembershipTooNew, ""));
        }
        match self.core.log.standing().active(&self.device()) {
            None => Err(EngineError::NotAllowed {
                action,
                reason: self.why_not_in(),
            }),
            Some(member) if member.role < Role::Admin => {
                Err(EngineError::NotAllowed { action, reason })
            }
            Some(_) => Ok(()),
        }
    }

    /// Why this device is no member, where it is none.
    pub(crate) fn why_not_in(&self) -> &'static str {
        if self.core.log.is_removed(&self.device()) {
            "this device was removed from the workspace"
        } else {
            "this device's admission does not stand: its invite was used more often than it allows, or who let it in \
             was removed"
        }
    }

    /// The members who have told this device that it was removed, as long as no other session with them went well.
    pub fn told_removed(&self) -> Vec<DeviceName> {
        let members = self.core.log.standing().members.iter();
        let told = members.filter(|(member, _)| {
            self.peers
                .get(&member.device)
                .is_some_and(|p| p.told_removed)
        });
        told.map(|(member, _)| DeviceName {
            device: member.device,
            name: member.name.clone(),
        })
        .collect()
    }
}
