//! Who the authors of an entry are, as far as that is verified.

use crate::ids::ActorId;

/// The roles there are, the one with most rights first: what a rule may name.
pub const ROLES: [&str; 5] = ["owner", "admin", "editor", "viewer", "relay"];

/// What the membership log says of authors.
///
/// Whoever implements it looks at the membership log alone: what a change claims of its author is no answer.
pub trait Authors {
    /// The author's role, one of [`ROLES`]; none where the log knows no such device.
    fn role(&self, actor: ActorId) -> Option<&str>;
    /// Whether the author is the owner.
    fn is_owner(&self, actor: ActorId) -> bool;
}

/// Nobody is known: for policies that ask for no author.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAuthors;

impl Authors for NoAuthors {
    fn role(&self, _: ActorId) -> Option<&str> {
        None
    }

    fn is_owner(&self, _: ActorId) -> bool {
        false
    }
}
