//! Acknowledgements: what a device says it holds durably, signed so that others can pass it on.

use crate::codec::{self, wire};
use crate::error::Code;
use crate::identity::{self, DeviceKey, Domain, Signature};
use crate::ids::{DeviceId, FeedId, WorkspaceId};
use crate::limits;

/// Consecutive envelopes of one feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldRun {
    /// The feed.
    pub feed: FeedId,
    /// The first number, from 1.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

wire!(HeldRun { feed, first, last });

/// An envelope that is held but will not be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The feed.
    pub feed: FeedId,
    /// The number.
    pub n: u64,
    /// Why.
    pub code: Code,
}

wire!(Refusal { feed, n, code });

/// A signed acknowledgement: it can be passed on and still be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// What was added to what the signer holds durably.
    pub held: Vec<HeldRun>,
    /// What the signer holds as refused.
    pub refused: Vec<Refusal>,
    /// The signature over [`Ack::signed_bytes`], in the domain [`Domain::Ack`].
    pub signature: Signature,
}

wire!(Ack {
    held: list(limits::ACK_HELD),
    refused: list(limits::ACK_REFUSED),
    signature
});

struct AckContent {
    version: u8,
    workspace: WorkspaceId,
    held: Vec<HeldRun>,
    refused: Vec<Refusal>,
}

wire!(AckContent {
    version,
    workspace,
    held: list(limits::ACK_HELD),
    refused: list(limits::ACK_REFUSED)
});

impl Ack {
    /// Makes and signs an acknowledgement.
    pub fn sign(
        key: &DeviceKey,
        workspace: &WorkspaceId,
        held: Vec<HeldRun>,
        refused: Vec<Refusal>,
    ) -> Self {
        let mut ack = Self {
            held,
            refused,
            signature: Signature::from_bytes([0; 64]),
        };
        ack.signature = key.sign(Domain::Ack, &ack.signed_bytes(workspace));
        ack
    }

    /// Whether the device signed this acknowledgement for this workspace.
    #[must_use]
    pub fn verify(&self, device: &DeviceId, workspace: &WorkspaceId) -> bool {
        identity::verify(
            device,
            Domain::Ack,
            &self.signed_bytes(workspace),
            &self.signature,
        )
    }

    /// What is signed: a version byte, the workspace, what is held and what is refused.
    pub fn signed_bytes(&self, workspace: &WorkspaceId) -> Vec<u8> {
        codec::encode(&AckContent {
            version: 1,
            workspace: *workspace,
            held: self.held.clone(),
            refused: self.refused.clone(),
        })
    }

    /// Whether all numbers can be.
    pub(crate) fn is_consistent(&self) -> bool {
        let runs = self
            .held
            .iter()
            .all(|run| run.first >= 1 && run.first <= run.last);
        runs && self.refused.iter().all(|refusal| refusal.n >= 1)
    }
}
