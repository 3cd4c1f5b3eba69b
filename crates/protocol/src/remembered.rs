//! Signatures that were made or found right before, for simulations: many devices in one process verify the same
//! ones.
//!
//! Compiled with the feature `remember-signatures` only, and asleep until a thread asks for it. A signature that is
//! right stays right, so what is remembered is what would be found again; what is wrong is looked at each time.
//! [`crate::verify`] and [`DeviceKey`](crate::DeviceKey) are the only callers.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::marker::PhantomData;

use crate::identity::Signature;
use crate::ids::DeviceId;

/// So many are remembered at once; then all are forgotten.
const MOST: usize = 1 << 16;

thread_local! {
    static RIGHT: RefCell<Option<BTreeSet<[u8; 32]>>> = const { RefCell::new(None) };
}

/// A thread that remembers, for as long as this lives.
#[derive(Debug)]
pub struct Remembering {
    /// It is of one thread.
    _here: PhantomData<*const ()>,
}

/// From now on this thread verifies a signature that it has made, or found right once, no second time, until what is
/// given back is dropped.
///
/// For simulations: nothing else verifies the same signature often enough to gain by it.
#[must_use = "all is forgotten once this is dropped"]
pub fn remember_signatures() -> Remembering {
    RIGHT.with_borrow_mut(|right| *right = Some(BTreeSet::new()));
    Remembering { _here: PhantomData }
}

impl Drop for Remembering {
    fn drop(&mut self) {
        RIGHT.with_borrow_mut(|right| *right = None);
    }
}

/// Takes note of a signature that was just made: it is right.
pub(crate) fn signed(device: &DeviceId, message: &[u8], signature: &Signature) {
    RIGHT.with_borrow_mut(|right| {
        if let Some(right) = right {
            if right.len() == MOST {
                right.clear();
            }
            right.insert(key_of(device, message, signature));
        }
    });
}

/// The answer of `verify`, or of an earlier call with all the same.
pub(crate) fn or_else(
    device: &DeviceId,
    message: &[u8],
    signature: &Signature,
    verify: impl FnOnce() -> bool,
) -> bool {
    let is_known = RIGHT.with_borrow(|right| {
        let right = right.as_ref();
        right.is_some_and(|right| right.contains(&key_of(device, message, signature)))
    });
    if is_known {
        return true;
    }
    let is_right = verify();
    if is_right {
        signed(device, message, signature);
    }
    is_right
}

fn key_of(device: &DeviceId, message: &[u8], signature: &Signature) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    hash.update(device.as_bytes()).update(signature.as_bytes());
    *hash.update(message).finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{DeviceKey, Domain, verify};

    #[test]
    fn what_is_remembered_is_one_signature_by_one_device_for_one_use() {
        let [key, other] = [[1; 32], [2; 32]].map(|seed| DeviceKey::from_seed(&seed));
        let (id, signature) = (key.device_id(), key.sign(Domain::Ack, b"bytes"));
        let spoilt = Signature::from_bytes({
            let mut bytes = *signature.as_bytes();
            bytes[40] ^= 1;
            bytes
        });
        let remembering = remember_signatures();
        let count = || RIGHT.with_borrow(|right| right.as_ref().map(BTreeSet::len));
        for _ in 0..2 {
            assert!(verify(&id, Domain::Ack, b"bytes", &signature));
            assert!(!verify(&id, Domain::Ack, b"other", &signature));
            assert!(!verify(&id, Domain::Envelope, b"bytes", &signature));
            assert!(!verify(&id, Domain::Ack, b"bytes", &spoilt));
            assert!(!verify(
                &other.device_id(),
                Domain::Ack,
                b"bytes",
                &signature
            ));
        }
        assert_eq!(count(), Some(1));
        let by_other = other.sign(Domain::Ack, b"bytes");
        assert_eq!(count(), Some(2), "what is made is known");
        assert!(verify(&other.device_id(), Domain::Ack, b"bytes", &by_other));
        assert_eq!(count(), Some(2));
        drop(remembering);
        assert!(RIGHT.with_borrow(Option::is_none));
        assert!(
            or_else(&id, b"", &spoilt, || true),
            "asleep, it asks each time"
        );
    }
}
