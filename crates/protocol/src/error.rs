//! One taxonomy of errors for wire, library and command line.
//!
//! A code is a stable text and a stable number; it knows its class, whether trying again can help, and what to do.
//! Texts and numbers are never given a new meaning.

use std::fmt;

use crate::codec::{Budget, Decode, Decoder, Encode, Encoder, FromBytesError, ToBytesError};

/// What kind of thing went wrong. The list is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The other side could not be reached, or went away.
    Network,
    /// Who the other side is could not be shown.
    Authentication,
    /// It may not do what it asked for.
    Authorization,
    /// What was given breaks a rule of the data.
    Validation,
    /// What was received is not what was signed, or does not fit what is known.
    Integrity,
    /// Two things exclude each other.
    Conflict,
    /// A limit is reached.
    Quota,
    /// The disk.
    Storage,
    /// The other side does not speak as agreed.
    Protocol,
    /// A key or a cipher.
    Crypto,
    /// Our fault.
    Bug,
}

impl Class {
    /// The stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
            Self::Validation => "validation",
            Self::Integrity => "integrity",
            Self::Conflict => "conflict",
            Self::Quota => "quota",
            Self::Storage => "storage",
            Self::Protocol => "protocol",
            Self::Crypto => "crypto",
            Self::Bug => "bug",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $class:ident, $retry:literal, $sentence:literal, $remedy:literal;)*) => {
        /// What went wrong, exactly; new codes are added, none changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
            /// A code of a newer release, by its number.
            Other(u16),
        }

        impl Code {
            /// Every code this release knows.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// The code of a number; one that is not known stays a number.
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// The stable text.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(_) => "other",
                }
            }

            /// What kind of thing went wrong.
            pub const fn class(self) -> Class {
                match self {
                    $(Self::$name => Class::$class,)*
                    Self::Other(_) => Class::Protocol,
                }
            }

            /// Whether the same attempt can succeed later without anybody doing something.
            pub const fn retry(self) -> bool {
                match self {
                    $(Self::$name => $retry,)*
                    Self::Other(_) => false,
                }
            }

            /// What happened, in one sentence that a person can be shown.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                    Self::Other(_) => "The other device reported an error that this release does not know.",
                }
            }

            /// What the person or the client does about it.
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$name => $remedy,)*
                    Self::Other(_) => "Update Driftless on this device.",
                }
            }
        }
    };
}

codes! {
    /// The device is not a member.
    UnknownDevice = 1, "unknown_device", Authentication, false,
        "This device is not a member of the workspace.",
        "Ask a member for an invitation and join with it.";
    /// No workspace in common.
    OtherWorkspace = 2, "other_workspace", Authorization, false,
        "The other device does not hold this workspace.",
        "Check the address: it leads to a device of another workspace.";
    /// The invite is not in the log.
    InviteUnknown = 3, "invite_unknown", Authorization, false,
        "The other device does not know this invitation.",
        "Ask the person who invited you to connect to that device first, or use their own address.";
    /// The invite was used as often as it may be.
    InviteUsedUp = 4, "invite_used_up", Authorization, false,
        "This invitation has been used as often as it allows.",
        "Ask for a new invitation.";
    /// The invite's time is over.
    InviteExpired = 5, "invite_expired", Authorization, false,
        "This invitation has expired.",
        "Ask for a new invitation.";
    /// The Join does not fit its invite.
    JoinInvalid = 6, "join_invalid", Authentication, false,
        "The request to join does not fit the invitation.",
        "Copy the whole invitation link again, or ask for a new one.";
    /// No protocol version both sides speak.
    NoCommonVersion = 7, "no_common_version", Protocol, false,
        "The two devices have no version of the protocol in common.",
        "Update Driftless on the older of the two devices.";
    /// A frame does not decode.
    BadFrame = 8, "bad_frame", Protocol, false,
        "The other device sent something that is no message.",
        "Update Driftless on both devices; if it stays, report it.";
    /// A frame is over its limit.
    FrameTooLarge = 9, "frame_too_large", Quota, false,
        "A message is larger than allowed.",
        "Update Driftless on both devices; if it stays, report it.";
    /// A message that does not belong here.
    UnexpectedMessage = 10, "unexpected_message", Protocol, false,
        "The other device sent a message that does not belong at this point.",
        "Update Driftless on both devices; if it stays, report it.";
    /// A signature does not verify.
    BadSignature = 11, "bad_signature", Integrity, false,
        "A signature does not fit what it signs.",
        "Nothing was taken over. If it stays, the other device's data is damaged: let it join again.";
    /// A header does not follow the one before.
    BrokenChain = 12, "broken_chain", Integrity, false,
        "A part of another device's history does not fit the part before it.",
        "Nothing was taken over. Sync with another member; if it stays, report it.";
    /// A device signed two different envelopes with one number.
    Equivocation = 13, "equivocation", Conflict, true,
        "A device has signed two different changes with one number, as a memory image that was resumed twice does.",
        "The next sync goes on without them, and their device writes its own again; let a copy join as a device of its own.";
    /// What a change builds on is not held.
    MissingPast = 14, "missing_past", Integrity, true,
        "A change builds on something that has not arrived yet.",
        "It is tried again when more has arrived; connect to the device it came from.";
    /// A change is not admissible.
    ChangeRefused = 15, "change_refused", Validation, false,
        "A change breaks the rules and is not applied.",
        "Look at the refused change on the device that made it and discard it there.";
    /// Something of a newer release.
    NeedsNewerVersion = 16, "needs_newer_version", Protocol, false,
        "Something here was made by a newer release.",
        "Update Driftless on this device; what is held is applied then.";
    /// Too much to do.
    Busy = 17, "busy", Quota, true,
        "The other device is busy.",
        "Nothing to do: it is tried again.";
    /// Going down on purpose.
    ShuttingDown = 18, "shutting_down", Network, true,
        "The other device is closing.",
        "Nothing to do: it is tried again.";
    /// The disk refused.
    StorageFailed = 19, "storage_failed", Storage, true,
        "A device could not write to its disk.",
        "Free some space and check the disk, then open the workspace again.";
    /// No answer in time.
    Timeout = 20, "timeout", Network, true,
        "The other device did not answer in time.",
        "Nothing to do: it is tried again. Check the network if it stays.";
    /// Our fault.
    Bug = 21, "bug", Bug, false,
        "Something went wrong that never should.",
        "Report it with the log; what is stored is safe.";
    /// The secure channel could not be made.
    HandshakeFailed = 22, "handshake_failed", Crypto, true,
        "No secure connection could be made.",
        "Check that the address leads to a Driftless device; it is tried again.";
    /// The other side may not do this.
    NotAllowed = 23, "not_allowed", Authorization, false,
        "The role of this device does not allow it.",
        "Ask an owner or admin of the workspace.";
    /// The membership log has a record type that is not known.
    MembershipTooNew = 24, "membership_too_new", Protocol, false,
        "The workspace has membership records of a newer release.",
        "Update Driftless on this device; until then it admits no new members.";
    /// The other side takes less than there is to send, for too long.
    TooSlow = 25, "too_slow", Quota, true,
        "The other device takes less than there is to send.",
        "Try again later; it goes on where it ended.";
    /// The device was a member and was removed.
    DeviceRemoved = 26, "device_removed", Authorization, false,
        "This device was removed from the workspace.",
        "What it holds stays readable here. Ask an owner or admin to adopt what it had not sent, or for a new invitation.";
    /// A change past the cut of its device's removal.
    PastRemoval = 27, "past_removal", Authorization, false,
        "A change was not known to whoever removed its device.",
        "An owner or admin looks at it and adopts it, if it is to count.";
    /// The invite's author was removed.
    InviteClosed = 28, "invite_closed", Authorization, false,
        "This invitation was made by a device that was removed since.",
        "Ask another member for a new invitation.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(number) => write!(f, "other({number})"),
            known => f.write_str(known.as_str()),
        }
    }
}

impl Encode for Code {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), ToBytesError> {
        self.number().encode(encoder)
    }
}

impl Decode<Budget> for Code {
    fn decode<D: Decoder<Context = Budget>>(decoder: &mut D) -> Result<Self, FromBytesError> {
        u16::decode(decoder).map(Self::from_number)
    }
}
