//! Names of things on the wire: fixed-size byte strings, each with a type of its own.
//!
//! All of them are plain values without invariants, compare as their bytes do, and show as lower hex.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::codec::{Budget, Decode, Decoder, Encode, Encoder, FromBytesError, ToBytesError};

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text has the wrong number of hex digits.
    #[error("an id of {expected} hex digits was expected, not {found} characters")]
    Length {
        /// How many digits this id has.
        expected: usize,
        /// How many bytes the text has.
        found: usize,
    },
    /// A character is not a hex digit.
    #[error("the character at {position} is not a hex digit")]
    Digit {
        /// The byte position of the character.
        position: usize,
    },
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// The id's length in bytes.
            pub const LENGTH: usize = $length;

            /// Makes the id of its bytes.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes, borrowed.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// The bytes, copied.
            pub const fn to_bytes(self) -> [u8; $length] {
                self.0
            }
        }

        impl From<[u8; $length]> for $name {
            fn from(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                write_hex(f, &self.0)?;
                f.write_str(")")
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self)
            }
        }

        impl Encode for $name {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
                self.0.encode(encoder)
            }
        }

        impl Decode<Budget> for $name {
            fn decode<D: Decoder<Context = Budget>>(decoder: &mut D) -> Result<Self, FromBytesError> {
                Decode::decode(decoder).map(Self)
            }
        }
    };
}

id! {
    /// A workspace: the first 16 bytes of the hash of its genesis record.
    WorkspaceId, 16
}
id! {
    /// A device: its Ed25519 public key (32 bytes).
    ///
    /// Not every value is a key that can sign: whoever verifies with one finds out.
    DeviceId, 32
}
id! {
    /// A feed: 8 bytes that name the device's key, then 8 random bytes per process start.
    ///
    /// The same 16 bytes serve as the actor of the changes that the process makes.
    FeedId, 16
}
id! {
    /// A BLAKE3 hash (32 bytes).
    Hash, 32
}

impl Hash {
    /// The hash that stands for "nothing before this": 32 zero bytes.
    pub const ZERO: Self = Self([0; 32]);

    /// The BLAKE3 hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The first eight bytes, which cursors send instead of the whole.
    pub fn prefix(&self) -> [u8; 8] {
        first_bytes(&self.0)
    }
}

impl WorkspaceId {
    /// The id of the workspace that starts with the genesis record of this hash.
    pub fn of_genesis(genesis: &Hash) -> Self {
        Self(first_bytes(&genesis.0))
    }
}

impl DeviceId {
    /// The first eight bytes of the key's hash, with which all of the device's feeds start.
    pub fn prefix(&self) -> [u8; 8] {
        first_bytes(blake3::hash(&self.0).as_bytes())
    }
}

/// Tells branches from feeds.
const BRANCH_BIT: u8 = 0x80;

impl FeedId {
    /// Names a new feed of a device; `random` must be fresh for each process start. Its first bit is not used.
    pub fn new(device: &DeviceId, random: [u8; 8]) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&device.prefix());
        bytes[8..].copy_from_slice(&random);
        bytes[8] &= !BRANCH_BIT;
        Self(bytes)
    }

    /// Names a branch: what follows from a header whose device has signed another one with its feed and number.
    ///
    /// No feed has such a name, so nobody can begin one that is taken for a branch.
    #[must_use]
    pub fn branch(&self, header: &Hash) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("driftless/1 2026 branch of a feed");
        hasher.update(&self.0);
        hasher.update(header.as_bytes());
        let mut bytes = self.0;
        hasher.finalize_xof().fill(&mut bytes[8..]);
        bytes[8] |= BRANCH_BIT;
        Self(bytes)
    }

    /// Whether it names a branch of a feed: no envelope is signed for one.
    pub fn is_branch(&self) -> bool {
        self.0[8] & BRANCH_BIT != 0
    }

    /// The eight bytes that name the device.
    pub fn device_prefix(&self) -> [u8; 8] {
        first_bytes(&self.0)
    }

    /// Whether the feed is one of this device's.
    pub fn belongs_to(&self, device: &DeviceId) -> bool {
        self.device_prefix() == device.prefix()
    }
}

/// The first `N` of at least `N` bytes.
pub(crate) fn first_bytes<const N: usize, const M: usize>(bytes: &[u8; M]) -> [u8; N] {
    const { assert!(N <= M, "a prefix is not longer than the whole") };
    let mut first = [0; N];
    first.copy_from_slice(&bytes[..N]);
    first
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], IdError> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(IdError::Length {
            expected: 2 * N,
            found: digits.len(),
        });
    }
    let mut bytes = [0; N];
    for (position, digit) in digits.iter().enumerate() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return Err(IdError::Digit { position }),
        };
        bytes[position / 2] = bytes[position / 2] << 4 | value;
    }
    Ok(bytes)
}
