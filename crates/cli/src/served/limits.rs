//! Every limit of the socket, with its unit and its reason.

use std::time::Duration;

/// Bytes of the name of a socket: the systems take 104 to 108, with a zero at the end.
pub(super) const SOCKET_PATH_BYTES_MAX: usize = 100;

/// Commands that are carried out at a time, `watch` among them: each has a thread of its own.
pub(super) const COMMANDS: usize = 64;

/// Bytes of a request: as many as a command line has on the systems we know.
pub(super) const REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Arguments of a request: more than anybody types, each takes 24 bytes beside its own.
pub(super) const ARGUMENTS_MAX: usize = 64 * 1024;

/// Bytes of one frame of output, or of a file: a few pages of text.
pub(super) const PART_BYTES_MAX: usize = 64 * 1024;

/// Frames of output that a client has not taken yet; then its command waits, and progress is left out.
pub(super) const FRAMES_WAITING: usize = 32;

/// Bytes of a file that a client passes on, which the serving process holds in memory: what commands ask for at most.
pub(super) const FILE_BYTES_MAX: u64 = crate::commands::IMPORT_FILE_BYTES_MAX;

/// Time in which either side must have said who it is, and a client what it wants.
pub(super) const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// Time in which commands that were asked to end, for the serving process ends, should have.
pub(super) const END_WITHIN: Duration = Duration::from_secs(2);

/// Time in which a command that was dropped must have said so; a client that takes no more is cut off.
pub(super) const CUT_OFF_AFTER: Duration = Duration::from_millis(500);

/// Time after which accepting is tried again when the system refused, as it does when it has no more handles.
pub(super) const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
