//! A device's key, and signatures that say what they are for.
//!
//! Every signature is over a fixed text that names its use, a zero byte, and the bytes: a signature made for one
//! use is worth nothing for another. Verification is strict (no weak keys, no second encodings).

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::codec::wire;
use crate::ids::DeviceId;

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Domain {
    /// The header of an envelope.
    Envelope,
    /// A membership record, by its author.
    Membership,
    /// An acknowledgement.
    Ack,
    /// The tie between a device key and the static key of a handshake.
    Handshake,
    /// A Join, by the one-time key of the invite.
    JoinInvite,
}

impl Domain {
    /// The text that is signed before the bytes; it ends with a zero byte, so none is the start of another.
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Envelope => b"driftless/1 envelope\0",
            Self::Membership => b"driftless/1 membership\0",
            Self::Ack => b"driftless/1 ack\0",
            Self::Handshake => b"driftless/1 handshake\0",
            Self::JoinInvite => b"driftless/1 join invite\0",
        }
    }

    fn message(self, bytes: &[u8]) -> Vec<u8> {
        [self.prefix(), bytes].concat()
    }
}

/// An Ed25519 signature (64 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature {
    bytes: [u8; 64],
}

wire!(Signature { bytes });

impl Signature {
    /// The signature of these bytes, not checked.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self { bytes }
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.bytes
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        self.bytes
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A device's secret key; the memory is wiped when it is dropped, and `Debug` shows only the public half.
#[derive(Clone)]
pub struct DeviceKey {
    signing: SigningKey,
}

impl DeviceKey {
    /// The key that a 32-byte seed stands for; every seed is one.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self {
            signing: SigningKey::from_bytes(seed),
        }
    }

    /// The seed, to be kept in a key store or an invitation link.
    pub fn seed(&self) -> &[u8; 32] {
        self.signing.as_bytes()
    }

    /// The public half.
    pub fn device_id(&self) -> DeviceId {
        DeviceId(self.signing.verifying_key().to_bytes())
    }

    /// Signs bytes for one use.
    pub fn sign(&self, domain: Domain, bytes: &[u8]) -> Signature {
        let message = domain.message(bytes);
        let signature = Signature {
            bytes: self.signing.sign(&message).to_bytes(),
        };
        #[cfg(feature = "remember-signatures")]
        crate::remembered::signed(&self.device_id(), &message, &signature);
        signature
    }

    /// The X25519 secret of handshakes: derived, so that a device has one secret to keep.
    pub(crate) fn noise_secret(&self) -> Zeroizing<[u8; 32]> {
        let context = "driftless/1 2026 noise static key from device seed";
        Zeroizing::new(blake3::derive_key(context, self.seed()))
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey(public {})", self.device_id())
    }
}

/// Whether the device signed these bytes for this use.
///
/// False too when the id is no key, or a weak one.
#[must_use = "a signature that is not looked at protects nothing"]
pub fn verify(device: &DeviceId, domain: Domain, bytes: &[u8], signature: &Signature) -> bool {
    let message = domain.message(bytes);
    #[cfg(feature = "remember-signatures")]
    let is_right = crate::remembered::or_else(device, &message, signature, || {
        verify_now(device, &message, signature)
    });
    #[cfg(not(feature = "remember-signatures"))]
    let is_right = verify_now(device, &message, signature);
    is_right
}

fn verify_now(device: &DeviceId, message: &[u8], signature: &Signature) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(device.as_bytes()) else {
        return false;
    };
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    key.verify_strict(message, &signature).is_ok()
}
