//! The outer header of an envelope: frozen from 0.1 on, readable by every later release.

use crate::codec::{self, wire};
use crate::envelope::EnvelopeError;
use crate::identity::{self, DeviceKey, Domain, Signature};
use crate::ids::{DeviceId, FeedId, Hash, WorkspaceId};
use crate::limits;

/// The only header format there is.
pub const HEADER_FORMAT: u8 = 1;

/// Where the device's feed before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Predecessor {
    /// The feed, of the same device.
    pub feed: FeedId,
    /// The number of its last envelope that counts.
    pub n: u64,
    /// The hash of that envelope's header.
    pub hash: Hash,
}

wire!(Predecessor { feed, n, hash });

/// What is signed of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    format: u8,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The feed, one of the signing device's.
    pub feed: FeedId,
    /// The envelope's number in its feed, from 1.
    pub n: u64,
    /// The hash of header n - 1; zero when n is 1.
    pub prev: Hash,
    /// The feed that this one goes on from; only when n is 1.
    pub predecessor: Option<Predecessor>,
    /// The heads of the membership log that the device knew: sorted, 1 to 16.
    pub membership: Vec<Hash>,
    /// The hash of the body.
    pub body: Hash,
}

wire!(Header {
    format,
    workspace,
    feed,
    n,
    prev,
    predecessor,
    membership: list(limits::MEMBERSHIP_HEADS),
    body
});

/// What the caller knows of a header before the body is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderDraft {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The feed, one of the signing device's.
    pub feed: FeedId,
    /// The envelope's number in its feed, from 1.
    pub n: u64,
    /// The hash of header n - 1; zero when n is 1.
    pub prev: Hash,
    /// The feed that this one goes on from; only when n is 1.
    pub predecessor: Option<Predecessor>,
    /// The heads of the membership log that the device knows: sorted, 1 to 16.
    pub membership: Vec<Hash>,
}

impl HeaderDraft {
    /// The header of a body with this hash.
    pub(super) fn finish(self, body: Hash) -> Header {
        Header {
            format: HEADER_FORMAT,
            workspace: self.workspace,
            feed: self.feed,
            n: self.n,
            prev: self.prev,
            predecessor: self.predecessor,
            membership: self.membership,
            body,
        }
    }
}

impl Header {
    /// The header's hash: BLAKE3 of its bytes, without the signature.
    pub fn hash(&self) -> Hash {
        Hash::of(&codec::encode(self))
    }

    /// Whether this header comes right after the header with number `n` and hash `hash` of the same feed.
    pub fn follows(&self, n: u64, hash: &Hash) -> bool {
        n.checked_add(1) == Some(self.n) && self.prev == *hash
    }

    /// Checks what holds of every header on its own.
    pub(crate) fn check(&self) -> Result<(), EnvelopeError> {
        let before = self.predecessor.map(|before| before.feed);
        if self.feed.is_branch() || before.is_some_and(|feed| feed.is_branch()) {
            return Err(EnvelopeError::Branch);
        }
        if self.n == 0 {
            return Err(EnvelopeError::Number);
        }
        if (self.n == 1) != (self.prev == Hash::ZERO) {
            return Err(EnvelopeError::Previous);
        }
        if let Some(before) = &self.predecessor {
            let same_device = before.feed.device_prefix() == self.feed.device_prefix();
            if self.n != 1 || before.n == 0 || before.feed == self.feed || !same_device {
                return Err(EnvelopeError::Predecessor);
            }
        }
        let count = self.membership.len();
        if count == 0
            || count > limits::MEMBERSHIP_HEADS
            || !self.membership.is_sorted_by(|a, b| a < b)
        {
            return Err(EnvelopeError::Membership);
        }
        Ok(())
    }
}

/// A header and the device's signature over its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeader {
    /// The header.
    pub header: Header,
    /// The signature, in the domain [`Domain::Envelope`].
    pub signature: Signature,
}

wire!(SignedHeader { header, signature });

impl SignedHeader {
    /// Checks what holds of every header on its own.
    pub(crate) fn check(&self) -> Result<(), EnvelopeError> {
        self.header.check()
    }

    pub(super) fn sign(header: Header, key: &DeviceKey) -> Self {
        let signature = key.sign(Domain::Envelope, &codec::encode(&header));
        Self { header, signature }
    }

    /// Checks that the feed is the device's and the signature its own.
    pub fn verify(&self, device: &DeviceId) -> Result<(), EnvelopeError> {
        if !self.header.feed.belongs_to(device) {
            return Err(EnvelopeError::OtherDevice);
        }
        if identity::verify(
            device,
            Domain::Envelope,
            &codec::encode(&self.header),
            &self.signature,
        ) {
            Ok(())
        } else {
            Err(EnvelopeError::Signature)
        }
    }
}
