//! The messages of a session.
//!
//! A message is a tag byte and its fields. Messages travel in batches (see `batch.rs`), so that small ones share a
//! frame. Nothing here says when a message may be sent: that is the session's business.

use thiserror::Error;

use crate::ack::Ack;
use crate::chunk::Chunk;
use crate::codec::{self, Budget, Decode, DecodeError, Encode, wire};
use crate::cursor::CursorMark;
use crate::envelope::SignedHeader;
use crate::error::Code;
use crate::ids::{FeedId, WorkspaceId, first_bytes};
use crate::limits;
use crate::membership::{Record, RecordError};

/// One message of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// The first message of both sides.
    Hello(Hello),
    /// A newcomer's records, from genesis to its own admission.
    Proof {
        /// The records, parents first.
        records: Vec<Record>,
    },
    /// A device's wish to join.
    Join {
        /// A Join record.
        record: Box<Record>,
    },
    /// The whole membership log, for a device that has just been admitted.
    Welcome {
        /// The records, parents first.
        records: Vec<Record>,
        /// Whether these are the last.
        last: bool,
    },
    /// Which membership records the sender has.
    MembershipHave {
        /// The first eight bytes of each record's hash, sorted.
        prefixes: Vec<[u8; 8]>,
    },
    /// Membership records the other side lacks.
    Membership {
        /// The records, parents first.
        records: Vec<Record>,
        /// Whether these are the last.
        last: bool,
    },
    /// How far the sender has its feeds.
    Cursor {
        /// Whether only what changed since the last common cursor is listed.
        since_common: bool,
        /// The feeds.
        entries: Vec<CursorMark>,
        /// Whether these are the last.
        last: bool,
    },
    /// How far the sender has feeds that the other side asked about and it had not listed.
    Position {
        /// The feeds.
        entries: Vec<CursorMark>,
    },
    /// One envelope.
    Envelope {
        /// Its feed.
        feed: FeedId,
        /// Its number.
        n: u64,
        /// Its wire form.
        bytes: Vec<u8>,
    },
    /// A piece of an envelope that does not fit one message.
    Chunk(Chunk),
    /// The sender has sent all it has for now.
    Done,
    /// What the sender now has durably, and what it refused.
    Ack(Ack),
    /// Something went wrong.
    Error {
        /// What.
        code: Code,
        /// A sentence for a log, at most 256 bytes; may be empty.
        detail: String,
        /// After how many seconds trying again makes sense; 0 when the sender does not say.
        retry_after_s: u32,
    },
    /// The sender closes the session on purpose.
    Bye,
    /// The sender takes so many more bytes of envelopes than it said before.
    Credit {
        /// Bytes of wire forms.
        bytes: u32,
    },
    /// How much the sender is about to send: for progress only.
    Ahead {
        /// Envelopes.
        envelopes: u64,
        /// Records in them; one that comes twice counts twice.
        records: u64,
    },
    /// The sender wants the signed header of an envelope: the two hold different ones with one number.
    AskHeader {
        /// The feed.
        feed: FeedId,
        /// The envelope's number.
        n: u64,
    },
    /// The signed header that was asked for last.
    Header {
        /// The header.
        header: Box<SignedHeader>,
    },
}

/// Bits of [`Hello::features`].
pub mod features {
    /// The sender stays when both have everything, and passes on what comes up.
    pub const LIVE: u32 = 1;
    /// The sender takes no envelopes in this session.
    pub const NO_PULL: u32 = 2;
}

/// What each side says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The oldest protocol version the sender speaks.
    pub protocol_min: u8,
    /// The newest protocol version the sender speaks.
    pub protocol_max: u8,
    /// See [`workspace_tag`].
    pub workspace: [u8; 16],
    /// Features as bits, see [`features`]; unknown ones are ignored. The first 16 keep a `Hello` within 70 bytes.
    pub features: u32,
    /// The digest of the sender's cursor.
    pub cursor_digest: [u8; 16],
    /// The digest of the sender's membership heads.
    pub membership_digest: [u8; 16],
    /// The last cursor the sender remembers having had in common, by the start of its digest.
    pub common: Option<[u8; 8]>,
    /// The largest envelope the sender takes, in bytes.
    pub max_envelope: u32,
    /// The sender's role, by its number; 0 when it has none yet.
    pub role: u8,
}

wire!(Hello {
    protocol_min,
    protocol_max,
    workspace,
    features,
    cursor_digest,
    membership_digest,
    common,
    max_envelope,
    role,
});

/// What names a workspace in a `Hello`: nobody who does not know the id learns it.
///
/// The first 16 bytes of BLAKE3 of the id, keyed with the handshake hash.
pub fn workspace_tag(workspace: &WorkspaceId, handshake_hash: &[u8; 32]) -> [u8; 16] {
    first_bytes(blake3::keyed_hash(handshake_hash, workspace.as_bytes()).as_bytes())
}

/// Why bytes are not messages, or messages cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The bytes do not decode.
    #[error("the frame does not decode: {0}")]
    Bytes(#[from] DecodeError),
    /// A message of a newer release.
    #[error("a message with the unknown tag {tag}")]
    UnknownMessage {
        /// The tag.
        tag: u8,
    },
    /// A membership record inside is not one.
    #[error("a membership record in a message is not valid: {0}")]
    Record(#[from] RecordError),
    /// Runs or numbers that do not start at 1 or end before they start.
    #[error("a run or number that cannot be")]
    Numbers,
    /// A batch without messages.
    #[error("a batch without messages")]
    EmptyBatch,
    /// Too many messages in one batch.
    #[error("{count} messages in one batch")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// The batch does not fit a frame.
    #[error("a batch of {length} bytes is too large")]
    TooLarge {
        /// The size in bytes, unpacked.
        length: usize,
    },
    /// A compressed batch does not unpack within the limit.
    #[error("a compressed batch does not unpack within its limit")]
    Unpack,
}

mod tag {
    pub(super) const HELLO: u8 = 1;
    pub(super) const PROOF: u8 = 2;
    pub(super) const JOIN: u8 = 3;
    pub(super) const WELCOME: u8 = 4;
    pub(super) const MEMBERSHIP_HAVE: u8 = 5;
    pub(super) const MEMBERSHIP: u8 = 6;
    pub(super) const CURSOR: u8 = 7;
    pub(super) const POSITION: u8 = 8;
    pub(super) const ENVELOPE: u8 = 9;
    pub(super) const CHUNK: u8 = 10;
    pub(super) const DONE: u8 = 11;
    pub(super) const ACK: u8 = 12;
    pub(super) const ERROR: u8 = 13;
    pub(super) const BYE: u8 = 14;
    pub(super) const CREDIT: u8 = 15;
    pub(super) const AHEAD: u8 = 16;
    pub(super) const ASK_HEADER: u8 = 17;
    pub(super) const HEADER: u8 = 18;
}

struct JoinForm {
    record: Vec<u8>,
}

wire!(JoinForm {
    record: bytes(limits::RECORD)
});

struct ProofForm {
    records: Vec<Vec<u8>>,
}

wire!(ProofForm {
    records: blobs(limits::RECORDS)
});

struct RecordsForm {
    last: bool,
    records: Vec<Vec<u8>>,
}

wire!(RecordsForm {
    last,
    records: blobs(limits::RECORDS)
});

struct HaveForm {
    prefixes: Vec<[u8; 8]>,
}

wire!(HaveForm {
    prefixes: list(limits::MEMBERSHIP_PREFIXES)
});

struct CursorForm {
    since_common: bool,
    last: bool,
    entries: Vec<CursorMark>,
}

wire!(CursorForm {
    since_common,
    last,
    entries: list(limits::CURSOR_ENTRIES)
});

struct PositionForm {
    entries: Vec<CursorMark>,
}

wire!(PositionForm {
    entries: list(limits::CURSOR_ENTRIES)
});

struct EnvelopeForm {
    feed: FeedId,
    n: u64,
    bytes: Vec<u8>,
}

wire!(EnvelopeForm {
    feed,
    n,
    bytes: bytes(limits::MESSAGE)
});

struct ErrorForm {
    code: Code,
    detail: String,
    retry_after_s: u32,
}

wire!(ErrorForm {
    code,
    detail: text(limits::ERROR_DETAIL),
    retry_after_s
});

struct CreditForm {
    bytes: u32,
}

wire!(CreditForm { bytes });

struct AheadForm {
    envelopes: u64,
    records: u64,
}

wire!(AheadForm { envelopes, records });

struct AskHeaderForm {
    feed: FeedId,
    n: u64,
}

wire!(AskHeaderForm { feed, n });

impl Message {
    // tidy: table
    /// The message's bytes, tag first.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(hello) => put(tag::HELLO, hello),
            Self::Proof { records } => put(
                tag::PROOF,
                &ProofForm {
                    records: record_bytes(records),
                },
            ),
            Self::Join { record } => put(
                tag::JOIN,
                &JoinForm {
                    record: record.encode(),
                },
            ),
            Self::Welcome { records, last } => put_records(tag::WELCOME, records, *last),
            Self::MembershipHave { prefixes } => put(
                tag::MEMBERSHIP_HAVE,
                &HaveForm {
                    prefixes: prefixes.clone(),
                },
            ),
            Self::Membership { records, last } => put_records(tag::MEMBERSHIP, records, *last),
            Self::Cursor {
                since_common,
                entries,
                last,
            } => put(
                tag::CURSOR,
                &CursorForm {
                    since_common: *since_common,
                    last: *last,
                    entries: entries.clone(),
                },
            ),
            Self::Position { entries } => put(
                tag::POSITION,
                &PositionForm {
                    entries: entries.clone(),
                },
            ),
            Self::Envelope { feed, n, bytes } => put(
                tag::ENVELOPE,
                &EnvelopeForm {
                    feed: *feed,
                    n: *n,
                    bytes: bytes.clone(),
                },
            ),
            Self::Chunk(chunk) => put(tag::CHUNK, chunk),
            Self::Done => vec![tag::DONE],
            Self::Ack(ack) => put(tag::ACK, ack),
            Self::Error {
                code,
                detail,
                retry_after_s,
            } => put(
                tag::ERROR,
                &ErrorForm {
                    code: *code,
                    detail: detail.clone(),
                    retry_after_s: *retry_after_s,
                },
            ),
            Self::Bye => vec![tag::BYE],
            Self::Credit { bytes } => put(tag::CREDIT, &CreditForm { bytes: *bytes }),
            Self::Ahead { envelopes, records } => put(
                tag::AHEAD,
                &AheadForm {
                    envelopes: *envelopes,
                    records: *records,
                },
            ),
            Self::AskHeader { feed, n } => {
                put(tag::ASK_HEADER, &AskHeaderForm { feed: *feed, n: *n })
            }
            Self::Header { header } => put(tag::HEADER, &**header),
        }
    }

    // tidy: table
    /// The message at the start of the bytes, and what follows; the caller checks the canonical form.
    pub(crate) fn decode_prefix(bytes: &[u8]) -> Result<(Self, &[u8]), MessageError> {
        let (&tag, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        let (message, rest) = match tag {
            tag::HELLO => take(rest, |hello| Ok(Self::Hello(hello)))?,
            tag::PROOF => take(rest, |form: ProofForm| {
                Ok(Self::Proof {
                    records: read_records(&form.records)?,
                })
            })?,
            tag::JOIN => take(rest, |form: JoinForm| {
                Ok(Self::Join {
                    record: Box::new(Record::decode(&form.record)?),
                })
            })?,
            tag::WELCOME => take(rest, |form: RecordsForm| {
                Ok(Self::Welcome {
                    records: read_records(&form.records)?,
                    last: form.last,
                })
            })?,
            tag::MEMBERSHIP_HAVE => take(rest, |form: HaveForm| {
                Ok(Self::MembershipHave {
                    prefixes: form.prefixes,
                })
            })?,
            tag::MEMBERSHIP => take(rest, |form: RecordsForm| {
                Ok(Self::Membership {
                    records: read_records(&form.records)?,
                    last: form.last,
                })
            })?,
            tag::CURSOR => take(rest, |form: CursorForm| Ok(form.into()))?,
            tag::POSITION => take(rest, |form: PositionForm| {
                Ok(Self::Position {
                    entries: form.entries,
                })
            })?,
            tag::ENVELOPE => take(rest, |form: EnvelopeForm| {
                Ok(Self::Envelope {
                    feed: form.feed,
                    n: form.n,
                    bytes: form.bytes,
                })
            })?,
            tag::CHUNK => take(rest, |chunk| Ok(Self::Chunk(chunk)))?,
            tag::DONE => (Self::Done, rest),
            tag::ACK => take(rest, |ack| Ok(Self::Ack(ack)))?,
            tag::ERROR => take(rest, |form: ErrorForm| {
                Ok(Self::Error {
                    code: form.code,
                    detail: form.detail,
                    retry_after_s: form.retry_after_s,
                })
            })?,
            tag::BYE => (Self::Bye, rest),
            tag::CREDIT => take(rest, |form: CreditForm| {
                Ok(Self::Credit { bytes: form.bytes })
            })?,
            tag::AHEAD => take(rest, |form: AheadForm| {
                Ok(Self::Ahead {
                    envelopes: form.envelopes,
                    records: form.records,
                })
            })?,
            tag::ASK_HEADER => take(rest, |form: AskHeaderForm| {
                Ok(Self::AskHeader {
                    feed: form.feed,
                    n: form.n,
                })
            })?,
            tag::HEADER => take(rest, |header| {
                Ok(Self::Header {
                    header: Box::new(header),
                })
            })?,
            tag => return Err(MessageError::UnknownMessage { tag }),
        };
        message.check()?;
        Ok((message, rest))
    }

    /// Checks what holds of every message, sent or received.
    pub(crate) fn check(&self) -> Result<(), MessageError> {
        let within = |part, count: usize, limit: usize| {
            if count <= limit {
                Ok(())
            } else {
                Err(MessageError::from(DecodeError::OverLimit { part }))
            }
        };
        let consistent = |holds| {
            if holds {
                Ok(())
            } else {
                Err(MessageError::Numbers)
            }
        };
        match self {
            Self::Hello(hello) => consistent(hello.protocol_min <= hello.protocol_max),
            Self::Proof { records }
            | Self::Welcome { records, .. }
            | Self::Membership { records, .. } => within("records", records.len(), limits::RECORDS),
            Self::MembershipHave { prefixes } => {
                within("prefixes", prefixes.len(), limits::MEMBERSHIP_PREFIXES)?;
                consistent(prefixes.is_sorted_by(|a, b| a < b))
            }
            Self::Cursor { entries, .. } | Self::Position { entries } => {
                within("entries", entries.len(), limits::CURSOR_ENTRIES)?;
                let runs = entries
                    .iter()
                    .map(|mark| mark.held.runs())
                    .max()
                    .unwrap_or(0);
                within("runs", runs, limits::CURSOR_RUNS)?;
                consistent(entries.iter().all(CursorMark::is_consistent))
            }
            Self::Envelope { n, .. } | Self::AskHeader { n, .. } => consistent(*n >= 1),
            Self::Header { header } => consistent(header.check().is_ok()),
            Self::Chunk(chunk) => {
                within("data", chunk.data.len(), limits::CHUNK_SENT)?;
                consistent(chunk.n >= 1)
            }
            Self::Ack(ack) => {
                within("held", ack.held.len(), limits::ACK_HELD)?;
                within("refused", ack.refused.len(), limits::ACK_REFUSED)?;
                consistent(ack.is_consistent())
            }
            Self::Error { detail, .. } => within("detail", detail.len(), limits::ERROR_DETAIL),
            Self::Credit { bytes } => consistent(*bytes > 0),
            Self::Join { .. } | Self::Done | Self::Bye | Self::Ahead { .. } => Ok(()),
        }
    }

    /// An error message; a detail that is too long is cut.
    pub fn error(code: Code, detail: &str) -> Self {
        let mut detail = detail.to_owned();
        while detail.len() > limits::ERROR_DETAIL {
            detail.pop();
        }
        Self::Error {
            code,
            detail,
            retry_after_s: 0,
        }
    }
}

impl From<CursorForm> for Message {
    fn from(form: CursorForm) -> Self {
        let CursorForm {
            since_common,
            last,
            entries,
        } = form;
        Self::Cursor {
            since_common,
            entries,
            last,
        }
    }
}

fn put<T: Encode>(tag: u8, form: &T) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(codec::encode(form));
    bytes
}

fn take<T: Decode<Budget>>(
    bytes: &[u8],
    read: impl FnOnce(T) -> Result<Message, MessageError>,
) -> Result<(Message, &[u8]), MessageError> {
    let (form, rest) = codec::decode_prefix::<T>(bytes, limits::MESSAGE)?;
    Ok((read(form)?, rest))
}

fn put_records(tag: u8, records: &[Record], last: bool) -> Vec<u8> {
    let records = record_bytes(records);
    put(tag, &RecordsForm { last, records })
}

fn record_bytes(records: &[Record]) -> Vec<Vec<u8>> {
    records.iter().map(Record::encode).collect()
}

fn read_records(records: &[Vec<u8>]) -> Result<Vec<Record>, RecordError> {
    records.iter().map(|bytes| Record::decode(bytes)).collect()
}
