//! Letting devices in.

use driftless_protocol::{
    Admit, Code, DeviceId, DeviceKey, Invite, InviteLink, Record as MemberRecord, RecordBody, Role,
};

use crate::clock::Millis;
use crate::error::EngineError;
use crate::limits;
use crate::replica::Replica;

impl Replica {
    /// Offers `uses` devices to join as editors: [`Replica::invite_as`].
    pub fn invite(
        &mut self,
        address: &str,
        uses: u32,
        valid_for_ms: Millis,
    ) -> Result<InviteLink, EngineError> {
        self.invite_as(Role::Editor, address, uses, valid_for_ms)
    }

    /// Offers `uses` devices to join with a role, up to this device's own, for `valid_for_ms`; the link carries the
    /// one-time secret.
    ///
    /// Any member that has the record of it can let them in; the secret itself is not kept.
    pub fn invite_as(
        &mut self,
        role: Role,
        address: &str,
        uses: u32,
        valid_for_ms: Millis,
    ) -> Result<InviteLink, EngineError> {
        self.check_usable()?;
        self.check_inviting(role)?;
        if self.core.log.has_unknown() {
            return Err(EngineError::peer(Code::MembershipTooNew, ""));
        }
        let mut secret = [0; 32];
        self.randomness.fill(&mut secret);
        let one_time = DeviceKey::from_seed(&secret);
        let invite = Invite {
            key: one_time.device_id(),
            role,
            expires_ms: self.now() + valid_for_ms.clamp(0, limits::INVITE_VALID_MS),
            uses,
        };
        let record = self.sign_record(self.record_parents(), RecordBody::Invite(invite))?;
        let link = InviteLink::new(
            self.workspace(),
            record.hash(),
            &one_time,
            self.device(),
            address,
        )
        .map_err(|error| EngineError::peer(Code::JoinInvalid, error.to_string()))?;
        self.stage_record(record)?;
        Ok(link)
    }

    /// Whether this device may let others in with this role; one whose own grant does not stand hears so elsewhere.
    fn check_inviting(&self, role: Role) -> Result<(), EngineError> {
        let own = self.core.rules.role_of(&self.device());
        let reason = match role {
            Role::Owner => "a workspace has one owner",
            Role::Relay => "this version has no relays",
            _ if own.is_some_and(|own| own < Role::Editor) => {
                "only the owner, admins and editors invite devices"
            }
            _ if own.is_some_and(|own| own < role) => {
                "nobody lets a device in with more rights than their own"
            }
            _ => return Ok(()),
        };
        let action = match role {
            Role::Owner => "inviting a device as owner",
            Role::Relay => "inviting a device as relay",
            Role::Viewer => "inviting a device as viewer",
            Role::Editor => "inviting a device as editor",
            Role::Admin => "inviting a device as admin",
            _ => "inviting a device with this role",
        };
        Err(EngineError::NotAllowed { action, reason })
    }

    /// The heads a new record names: as many as it may.
    pub(crate) fn record_parents(&self) -> Vec<driftless_protocol::Hash> {
        let most = driftless_protocol::limits::MEMBERSHIP_HEADS - 1;
        self.core.log.parents_for(&self.device(), most)
    }

    /// Judges a wish to join, and admits it where it fits an open invite.
    pub(crate) fn admit_join(
        &mut self,
        peer: &DeviceId,
        join: MemberRecord,
        now: Millis,
    ) -> Result<(), (Code, String)> {
        let RecordBody::Join(wish) = join.body() else {
            return Err((Code::JoinInvalid, "that record is no Join".into()));
        };
        if join.author() != *peer {
            return Err((Code::JoinInvalid, "the Join is of another device".into()));
        }
        if self
            .core
            .log
            .member(peer)
            .is_some_and(|(_, granted)| granted)
        {
            return Ok(()); // asked again after the answer was lost
        }
        if self.core.log.has_unknown() {
            return Err((Code::MembershipTooNew, String::new()));
        }
        limits::check_device_name(&wish.name)
            .map_err(|error| (Code::JoinInvalid, error.to_string()))?;
        self.core
            .log
            .check_invite(&wish.invite, peer, now)
            .map_err(|code| (code, String::new()))?;
        let failed = |error: EngineError| match error {
            EngineError::Peer { code, detail } => (code, detail),
            other => (Code::StorageFailed, other.to_string()),
        };
        let joined = join.hash();
        self.stage_record(join).map_err(failed)?;
        let mut parents = self.record_parents();
        if !parents.contains(&joined) {
            parents.push(joined);
        }
        let admit = self
            .sign_record(parents, RecordBody::Admit(Admit { join: joined }))
            .map_err(failed)?;
        self.stage_record(admit).map_err(failed)
    }
}
