//! The secure channel: Noise XX, with the device keys bound to it.
//!
//! Three handshake messages: initiator, responder, initiator. The second and third carry, encrypted, the sender's
//! device key and its signature over the handshake so far and its static key, so a peer that has another device's
//! static key, or replays another handshake's payload, is refused. Versions and workspaces are negotiated inside.
//!
//! Randomness is passed in; deadlines are the caller's. No bytes from a peer make anything here panic.

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash as NoiseHash, Random};
use snow::{Builder, HandshakeState, TransportState};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::codec::{self, wire};
use crate::identity::{self, DeviceKey, Domain, Signature};
use crate::ids::DeviceId;
use crate::limits;

const PATTERN: &str = "Noise_XX_25519_ChaChaPoly_BLAKE2s";
const PROLOGUE: &[u8] = b"driftless/1";
const TAG: usize = 16;
/// Bytes of a handshake message: two keys, two tags and a binding, with room to spare.
const HANDSHAKE_MESSAGE: usize = 512;

/// A source of unpredictable bytes; in tests, of predictable ones.
pub trait Randomness: Send {
    /// Fills all of `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// A channel whose messages nobody else can read, change, repeat or reorder.
pub trait SecureChannel: Send {
    /// Seals at most [`limits::MESSAGE`] bytes.
    fn seal(&mut self, plain: &[u8]) -> Result<Vec<u8>, NoiseError>;

    /// Opens the next message of the other side. After an error the channel is of no more use.
    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, NoiseError>;
}

/// Why a handshake or channel stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// A message has more bytes than one may have.
    #[error("a message of {length} bytes is too long")]
    TooLong {
        /// The size in bytes.
        length: usize,
    },
    /// A call at the wrong time: it is the other side's turn, the handshake is over or not over yet.
    #[error("a call that does not belong at this point")]
    WrongTurn,
    /// The bytes are not a message of this handshake or channel: damaged, repeated, or of another prologue.
    #[error("bytes that are no message of this channel")]
    BadMessage,
    /// The device key is not bound to the static key by a good signature.
    #[error("the device key is not bound to this handshake")]
    BadBinding,
    /// Something failed before; nothing more is done.
    #[error("the channel has failed before")]
    Failed,
}

/// Who is at the other end of a finished handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The other side's device.
    pub device: DeviceId,
    /// The hash of the whole handshake, equal on both sides and on no other connection.
    pub handshake_hash: [u8; 32],
}

/// A handshake under way.
///
/// The initiator calls `write`, `read`, `write`; the responder `read`, `write`, `read`; then both `finish`.
pub struct Handshake {
    state: HandshakeState,
    key: DeviceKey,
    initiator: bool,
    /// How many messages have been written and read.
    step: u8,
    peer: Option<DeviceId>,
    failed: bool,
}

impl Handshake {
    /// The side that opened the connection.
    pub fn initiator(key: &DeviceKey, randomness: &mut dyn Randomness) -> Self {
        Self::start(key, randomness, true)
    }

    /// The side that was called.
    pub fn responder(key: &DeviceKey, randomness: &mut dyn Randomness) -> Self {
        Self::start(key, randomness, false)
    }

    /// The next message to send.
    pub fn write(&mut self) -> Result<Vec<u8>, NoiseError> {
        self.check_turn(true)?;
        let payload = if self.carries_binding() {
            codec::encode(&self.binding())
        } else {
            Vec::new()
        };
        let mut message = vec![0; HANDSHAKE_MESSAGE];
        let length = self
            .state
            .write_message(&payload, &mut message)
            .map_err(|_| self.fail(NoiseError::BadMessage))?;
        message.truncate(length);
        self.step += 1;
        Ok(message)
    }

    /// Takes the other side's next message.
    pub fn read(&mut self, message: &[u8]) -> Result<(), NoiseError> {
        self.check_turn(false)?;
        if message.len() > HANDSHAKE_MESSAGE {
            return Err(self.fail(NoiseError::TooLong {
                length: message.len(),
            }));
        }
        let before = self.hash();
        let mut payload = vec![0; HANDSHAKE_MESSAGE];
        let length = self
            .state
            .read_message(message, &mut payload)
            .map_err(|_| self.fail(NoiseError::BadMessage))?;
        payload.truncate(length);
        if self.carries_binding() {
            let device = self
                .check_binding(&before, &payload)
                .ok_or_else(|| self.fail(NoiseError::BadBinding))?;
            self.peer = Some(device);
        } else if !payload.is_empty() {
            return Err(self.fail(NoiseError::BadMessage));
        }
        self.step += 1;
        Ok(())
    }

    /// Whether all three messages have passed.
    pub fn is_done(&self) -> bool {
        self.step == 3 && !self.failed
    }

    /// The channel, and who is at the other end.
    pub fn finish(self) -> Result<(Channel, PeerIdentity), NoiseError> {
        let (true, Some(device)) = (self.is_done(), self.peer) else {
            return Err(if self.failed {
                NoiseError::Failed
            } else {
                NoiseError::WrongTurn
            });
        };
        let handshake_hash = self.hash();
        let state = self
            .state
            .into_transport_mode()
            .map_err(|_| NoiseError::WrongTurn)?;
        Ok((
            Channel {
                state,
                failed: false,
            },
            PeerIdentity {
                device,
                handshake_hash,
            },
        ))
    }

    fn start(key: &DeviceKey, randomness: &mut dyn Randomness, initiator: bool) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        randomness.fill(seed.as_mut());
        let secret = key.noise_secret();
        let params = PATTERN
            .parse()
            .expect("the pattern is a constant that snow knows");
        let builder = Builder::with_resolver(params, Box::new(Resolver { seed }))
            .prologue(PROLOGUE)
            .and_then(|builder| builder.local_private_key(secret.as_slice()));
        let state = builder
            .and_then(|builder| {
                if initiator {
                    builder.build_initiator()
                } else {
                    builder.build_responder()
                }
            })
            .expect("prologue and key are set once and all primitives are compiled in");
        Self {
            state,
            key: key.clone(),
            initiator,
            step: 0,
            peer: None,
            failed: false,
        }
    }

    fn check_turn(&self, write: bool) -> Result<(), NoiseError> {
        if self.failed {
            return Err(NoiseError::Failed);
        }
        let my_turn = self.initiator == self.step.is_multiple_of(2);
        if self.step < 3 && my_turn == write {
            Ok(())
        } else {
            Err(NoiseError::WrongTurn)
        }
    }

    fn carries_binding(&self) -> bool {
        self.step > 0
    }

    fn fail(&mut self, error: NoiseError) -> NoiseError {
        self.failed = true;
        error
    }

    fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.state.get_handshake_hash());
        hash
    }

    fn binding(&self) -> Binding {
        let signed = binding_bytes(
            self.initiator,
            &self.hash(),
            &static_public(&self.key.noise_secret()),
        );
        Binding {
            version: BINDING_VERSION,
            device: self.key.device_id(),
            signature: self.key.sign(Domain::Handshake, &signed),
        }
    }

    fn check_binding(&self, before: &[u8; 32], payload: &[u8]) -> Option<DeviceId> {
        let binding: Binding =
            codec::decode_version(payload, HANDSHAKE_MESSAGE, BINDING_VERSION).ok()?;
        let key: &[u8; 32] = self.state.get_remote_static()?.try_into().ok()?;
        let signed = binding_bytes(!self.initiator, before, key);
        identity::verify(
            &binding.device,
            Domain::Handshake,
            &signed,
            &binding.signature,
        )
        .then_some(binding.device)
    }
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handshake")
            .field("initiator", &self.initiator)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

const BINDING_VERSION: u8 = 1;

/// The payload that binds a device key to the handshake.
struct Binding {
    version: u8,
    device: DeviceId,
    signature: Signature,
}

wire!(Binding {
    version,
    device,
    signature
});

/// What the binding signs: the sender's side, the handshake hash before its message, its static key.
fn binding_bytes(initiator: bool, before: &[u8; 32], static_key: &[u8; 32]) -> Vec<u8> {
    [&[u8::from(initiator)], before.as_slice(), static_key].concat()
}

fn static_public(secret: &[u8; 32]) -> [u8; 32] {
    let mut public = [0; 32];
    let mut dh = DefaultResolver
        .resolve_dh(&DHChoice::Curve25519)
        .expect("snow is built with Curve25519");
    dh.set(secret);
    public.copy_from_slice(dh.pubkey());
    public
}

/// A finished channel over Noise.
pub struct Channel {
    state: TransportState,
    failed: bool,
}

impl SecureChannel for Channel {
    fn seal(&mut self, plain: &[u8]) -> Result<Vec<u8>, NoiseError> {
        if self.failed {
            return Err(NoiseError::Failed);
        }
        if plain.len() > limits::MESSAGE {
            return Err(NoiseError::TooLong {
                length: plain.len(),
            });
        }
        let mut sealed = vec![0; plain.len() + TAG];
        let length = self
            .state
            .write_message(plain, &mut sealed)
            .map_err(|_| self.fail())?;
        sealed.truncate(length);
        Ok(sealed)
    }

    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, NoiseError> {
        if self.failed {
            return Err(NoiseError::Failed);
        }
        if sealed.len() > limits::NOISE_MESSAGE {
            self.failed = true;
            return Err(NoiseError::TooLong {
                length: sealed.len(),
            });
        }
        let mut plain = vec![0; sealed.len()];
        let length = self
            .state
            .read_message(sealed, &mut plain)
            .map_err(|_| self.fail())?;
        plain.truncate(length);
        Ok(plain)
    }
}

impl Channel {
    /// Seals at most [`limits::MESSAGE`] bytes.
    pub fn seal(&mut self, plain: &[u8]) -> Result<Vec<u8>, NoiseError> {
        SecureChannel::seal(self, plain)
    }

    /// Opens the next message of the other side. After an error the channel is of no more use.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, NoiseError> {
        SecureChannel::open(self, sealed)
    }

    fn fail(&mut self) -> NoiseError {
        self.failed = true;
        NoiseError::BadMessage
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel")
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// snow's own primitives, with randomness that was passed in.
struct Resolver {
    seed: Zeroizing<[u8; 32]>,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        let mut hasher = blake3::Hasher::new_derive_key("driftless/1 2026 handshake randomness");
        hasher.update(self.seed.as_slice());
        Some(Box::new(Expander {
            reader: hasher.finalize_xof(),
        }))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn NoiseHash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// A stream of bytes expanded from 32 random ones.
struct Expander {
    reader: blake3::OutputReader,
}

impl Random for Expander {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), snow::Error> {
        self.reader.fill(bytes);
        Ok(())
    }
}
