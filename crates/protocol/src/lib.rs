//! The wire of Driftless: everything that is sent between devices or signed by one, without sockets, clocks or
//! threads.
//!
//! * ids and keys: [`DeviceKey`], [`DeviceId`], [`WorkspaceId`], [`FeedId`],
//!   [`struct@Hash`]
//! * what is signed: [`Envelope`] (a feed's entries), [`Record`] (the membership log), [`Ack`]
//! * what is sent: [`Message`] in batches ([`encode_batch`], [`decode_batch`]), long envelopes in chunks
//!   ([`Chunker`], [`Assembler`]), cursors ([`Cursor`], [`CursorMark`])
//! * the channel: [`Handshake`], then [`SecureChannel`]
//! * what is handed over by a person: [`InviteLink`]
//! * what can go wrong: [`Code`] and [`Class`]
//!
//! Invariants: every decoder takes any bytes without a panic, allocates in proportion to what it was given and never
//! to what the bytes claim, and accepts only the one canonical form of a value. Decoding verifies no signature;
//! what does is called `verify`.

mod ack;
mod batch;
mod chunk;
mod codec;
mod cursor;
mod envelope;
mod error;
mod identity;
mod ids;
pub mod limits;
mod link;
mod membership;
mod message;
mod noise;
#[cfg(feature = "remember-signatures")]
mod remembered;

pub use ack::{Ack, HeldRun, Refusal};
pub use batch::{Batcher, decode_batch, encode_batch};
pub use chunk::{Assembled, Assembler, Chunk, ChunkError, Chunker};
pub use codec::DecodeError;
pub use cursor::{Cursor, CursorEntry, CursorMark, RunSet};
pub use envelope::{
    Agreed, BODY_VERSION, Body, BodyForm, ChangeHash, Envelope, EnvelopeError, Group,
    HEADER_FORMAT, Header, HeaderDraft, Item, ItemPayload, Keep, Kind, Meta, PartialBody,
    PartialGroup, PartialItem, Payload, Predecessor, SignedHeader, UnknownBody, WireContext,
    check_commitment, commitment,
};
pub use error::{Class, Code};
pub use identity::{DeviceKey, Domain, Signature, verify};
pub use ids::{DeviceId, FeedId, Hash, IdError, WorkspaceId};
pub use link::{InviteLink, LinkError};
pub use membership::{
    Accuse, Admit, Adopt, EnvelopeName, Genesis, Invite, Join, RECORD_VERSION, Record, RecordBody,
    RecordError, Remove, Role, SetRules, membership_digest, workspace_id_of,
};
pub use message::{Hello, Message, MessageError, features, workspace_tag};
pub use noise::{Channel, Handshake, NoiseError, PeerIdentity, Randomness, SecureChannel};
#[cfg(feature = "remember-signatures")]
pub use remembered::{Remembering, remember_signatures};
