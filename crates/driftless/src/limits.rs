//! Every limit of this crate, with its unit and its reason.

use std::time::Duration;

/// Jobs that wait for the thread that owns the replica: more writers wait outside, so memory stays bounded.
pub(crate) const JOBS_QUEUED: usize = 1_024;

/// Entries of the conflict log that one job reads: others have their turn meanwhile.
pub(crate) const CONFLICTS_A_READ: usize = 256;

/// Members of an entry of the conflict log that stand in one object: an entry of thousands stays readable.
pub(crate) const MEMBERS_A_PAGE: usize = 100;

/// Jobs that share one fdatasync: enough to spread its cost, few enough that the first does not wait long.
pub(crate) const JOBS_PER_GROUP: usize = 256;

/// Calls that wait for another device from which on those that gave up are looked for: below, they take next to nothing.
pub(crate) const WAITING_SWEPT: usize = 64;

/// Time after a write at which the store is asked to write what it holds: a crash then replays little.
pub(crate) const STORE_FLUSH_AFTER: Duration = Duration::from_secs(3);

/// Times its data that a store's files may have before it is rewritten: a rewrite of that much is seldom due.
pub(crate) const STORE_GROWTH: u64 = 4;

/// Percent of what a fresh store would take that one may have when it is closed by a process that made it grow by a quarter
/// or more: copying it is little beside what that process has written.
pub(crate) const STORE_PERCENT_AT_CLOSE: u128 = 110;

/// Bytes of the journal's newest segment from which it is packed when the database is closed: a part of a second.
pub(crate) const CLOSE_PACK_BYTES: u32 = 2 * 1024 * 1024;

/// Bytes of a store below which nobody cares how much of it is in use; sled takes some of its own.
pub(crate) const STORE_FLOOR_BYTES: u64 = 8 * 1024 * 1024;

/// Bytes of data up to which a rewrite that is due is finished before closing: a second or two.
pub(crate) const CLOSE_REWRITE_BYTES: u64 = 32 * 1024 * 1024;

/// Time for which a rewrite keeps jobs waiting at most: below what a person notices.
pub(crate) const REWRITE_SHARE_MAX: Duration = Duration::from_millis(50);

/// Time without a job after which a store that is being rewritten is copied a little further: whoever asks one thing
/// after another is not made to wait between them.
pub(crate) const REWRITE_PAUSE: Duration = Duration::from_millis(1);

/// Time in which a connection must be made.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time in which a connection must have become a secure channel, HTTP upgrade included.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time after the handshake in which a device that connected must have said something: its replica may be at work, but one
/// that only shows signs of life takes a place for nothing.
pub(crate) const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// Time without a sign of life of the other side after which a session is given up: two heartbeats and some.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Time without a message of its own after which a side says that it is there: below what routers and
/// proxies forget a connection after, which is 30 seconds at the least.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(25);

/// Time after a live session was woken in which further edits wait to be sent together; the first goes at once.
pub(crate) const LIVE_WINDOW: Duration = Duration::from_millis(25);

/// Longest wait after the first failure to connect; it doubles with each one.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// Longest wait between two attempts to connect, and the wait after a refusal that only a person can lift.
pub(crate) const BACKOFF_LONGEST: Duration = Duration::from_secs(5 * 60);

/// Longest wait that another device can ask for.
pub(crate) const RETRY_AFTER_LONGEST: Duration = Duration::from_secs(60 * 60);

/// Shortest interval between two syncs of a connection: a shorter one is a live connection.
pub(crate) const INTERVAL_SHORTEST: Duration = Duration::from_secs(1);

/// Time between two looks at the status by whoever watches it: a look reads the conflict log.
pub(crate) const STATUS_WINDOW: Duration = Duration::from_millis(100);

/// Time between two looks at whether a session is silent.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Time to wait for the other side to close a socket that has nothing more to carry.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Time a session that is told to stop has to send what it holds; then it closes all the same.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// Time a database that is suspended or resumed waits for its servers and sessions.
pub(crate) const SUSPEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Devices that are synced with at the same time when there is little time: a few share the network well.
pub(crate) const BUDGET_PEERS: usize = 8;

/// Time that catching up with all devices is given at most: more than anybody waits, and within what clocks can add.
pub(crate) const BUDGET_LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Time a running session has to end when its server stops; what is left then is cut off.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(4);

/// Connections that have not shown who they are: the oldest goes when another comes, so that a flood
/// of them cannot keep members out.
pub(crate) const STRANGERS: usize = 256;

/// Connections of all kinds: each may hold about a megabyte of messages.
pub(crate) const CONNECTIONS: usize = 512;

/// Bytes read from a socket at once: several small messages, or an eighth of the largest.
pub(crate) const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Bytes a socket may hold that the network has not taken: eight of the largest messages.
pub(crate) const WRITE_BUFFER_BYTES_MAX: usize = 512 * 1024;

/// Messages received but not handled by the replica: the next ones are read while one is being handled.
pub(crate) const INBOUND_MESSAGES: usize = 4;

/// Messages taken from the replica but not by the network.
pub(crate) const OUTBOUND_MESSAGES: usize = 4;

/// Time after which accepting connections is tried again when the operating system refused, as it does when it
/// has no more handles.
pub(crate) const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Rows of one block of an import: what the engine takes as one envelope.
pub(crate) const IMPORT_ROWS: usize = driftless_engine::limits::IMPORT_BLOCK_RECORDS;

/// Bytes of one block of an import, for the same reason.
pub(crate) const IMPORT_BYTES: usize = driftless_engine::limits::IMPORT_BLOCK_BYTES;

/// Uses of an invitation unless it says otherwise: one person.
pub(crate) const INVITE_USES: u32 = 1;

/// Time for which an invitation is valid unless it says otherwise: a week.
pub(crate) const INVITE_VALID_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
