//! The handshake and the channel, and everybody who tampers with them.

use driftless_protocol::{
    Channel, DeviceKey, Domain, Handshake, NoiseError, PeerIdentity, SecureChannel, limits,
};
use proptest::prelude::*;
use snow::Builder;

use crate::common::{Fixed, key, mutations};

fn pair(seed: u64) -> (Handshake, Handshake) {
    let initiator = Handshake::initiator(&key(1), &mut Fixed(seed));
    (
        initiator,
        Handshake::responder(&key(2), &mut Fixed(seed + 1)),
    )
}

fn connect() -> ((Channel, PeerIdentity), (Channel, PeerIdentity)) {
    let (mut a, mut b) = pair(1);
    b.read(&a.write().unwrap()).unwrap();
    a.read(&b.write().unwrap()).unwrap();
    b.read(&a.write().unwrap()).unwrap();
    assert!(a.is_done() && b.is_done());
    (a.finish().unwrap(), b.finish().unwrap())
}

#[test]
fn handshakes_and_channels_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<Handshake>();
    moves::<Channel>();
    moves::<Box<dyn SecureChannel>>();
}

#[test]
fn two_devices_learn_who_the_other_is() {
    let ((mut a, a_sees), (mut b, b_sees)) = connect();
    assert_eq!(a_sees.device, key(2).device_id());
    assert_eq!(b_sees.device, key(1).device_id());
    assert_eq!(a_sees.handshake_hash, b_sees.handshake_hash);
    for plain in [&b"hello"[..], b"", &vec![7; limits::MESSAGE]] {
        assert_eq!(b.open(&a.seal(plain).unwrap()).unwrap(), plain);
        assert_eq!(a.open(&b.seal(plain).unwrap()).unwrap(), plain);
    }
    assert_eq!(a.seal(b"x").unwrap().len(), 17);
}

#[test]
fn the_handshake_is_386_bytes_and_names_no_device_in_the_clear() {
    let (mut a, mut b) = pair(1);
    let one = a.write().unwrap();
    b.read(&one).unwrap();
    let two = b.write().unwrap();
    a.read(&two).unwrap();
    let three = a.write().unwrap();
    assert_eq!([one.len(), two.len(), three.len()], [32, 193, 161]);
    for message in [&two, &three] {
        for device in [key(1).device_id(), key(2).device_id()] {
            assert!(
                !message
                    .windows(8)
                    .any(|window| window == &device.as_bytes()[..8])
            );
        }
    }
}

#[test]
fn the_same_randomness_gives_the_same_bytes_and_other_randomness_others() {
    assert_eq!(pair(5).0.write(), pair(5).0.write());
    assert_ne!(pair(5).0.write(), pair(6).0.write());
}

#[test]
fn every_changed_byte_of_the_handshake_is_refused() {
    let (mut a, mut b) = pair(1);
    let one = a.write().unwrap();
    b.read(&one).unwrap();
    let two = b.write().unwrap();
    for changed in mutations(&two) {
        let (mut again, _) = pair(1);
        again.write().unwrap();
        assert_eq!(again.read(&changed), Err(NoiseError::BadMessage));
        assert_eq!(
            again.read(&two),
            Err(NoiseError::Failed),
            "there is no second try"
        );
        assert_eq!(again.write(), Err(NoiseError::Failed));
        assert!(matches!(again.finish(), Err(NoiseError::Failed)));
    }
    a.read(&two).unwrap();
    let three = a.write().unwrap();
    for changed in mutations(&three) {
        let (_, mut again) = pair(1);
        again.read(&one).unwrap();
        again.write().unwrap();
        assert_eq!(again.read(&changed), Err(NoiseError::BadMessage));
    }
    // The first message is not protected by itself; what follows is.
    for changed in mutations(&one) {
        let (mut a, mut b) = pair(1);
        a.write().unwrap();
        if b.read(&changed).is_ok() {
            assert_eq!(a.read(&b.write().unwrap()), Err(NoiseError::BadMessage));
        }
    }
}

#[test]
fn a_first_message_with_a_payload_is_refused() {
    let (mut a, mut b) = pair(1);
    let long = [a.write().unwrap(), vec![1]].concat();
    assert_eq!(b.read(&long), Err(NoiseError::BadMessage));
}

/// A peer that speaks Noise by itself and can put into its handshake whatever it likes.
fn foreign(
    prologue: &[u8],
    payload: impl Fn(&[u8], &[u8; 32]) -> Vec<u8>,
) -> Result<(), NoiseError> {
    let params = "Noise_XX_25519_ChaChaPoly_BLAKE2s".parse().unwrap();
    let resolver = snow_resolver();
    let builder = Builder::with_resolver(params, resolver);
    let secret = [42; 32];
    let public = x25519_public(&secret);
    let mut foreign = builder
        .prologue(prologue)
        .unwrap()
        .local_private_key(&secret)
        .unwrap()
        .build_initiator()
        .unwrap();
    let mut honest = Handshake::responder(&key(2), &mut Fixed(2));
    let mut buffer = vec![0; 1024];
    let length = foreign.write_message(&[], &mut buffer).unwrap();
    honest.read(&buffer[..length])?;
    let two = honest.write()?;
    if foreign.read_message(&two, &mut buffer).is_err() {
        return Err(NoiseError::BadMessage);
    }
    let payload = payload(foreign.get_handshake_hash(), &public);
    let length = foreign.write_message(&payload, &mut buffer).unwrap();
    honest.read(&buffer[..length])
}

fn snow_resolver() -> snow::resolvers::BoxedCryptoResolver {
    struct Resolver;
    struct Counting(u8);
    impl snow::types::Random for Counting {
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), snow::Error> {
            bytes.fill_with(|| {
                self.0 = self.0.wrapping_add(91);
                self.0
            });
            Ok(())
        }
    }
    impl snow::resolvers::CryptoResolver for Resolver {
        fn resolve_rng(&self) -> Option<Box<dyn snow::types::Random>> {
            Some(Box::new(Counting(1)))
        }
        fn resolve_dh(&self, choice: &snow::params::DHChoice) -> Option<Box<dyn snow::types::Dh>> {
            snow::resolvers::DefaultResolver.resolve_dh(choice)
        }
        fn resolve_hash(
            &self,
            choice: &snow::params::HashChoice,
        ) -> Option<Box<dyn snow::types::Hash>> {
            snow::resolvers::DefaultResolver.resolve_hash(choice)
        }
        fn resolve_cipher(
            &self,
            choice: &snow::params::CipherChoice,
        ) -> Option<Box<dyn snow::types::Cipher>> {
            snow::resolvers::DefaultResolver.resolve_cipher(choice)
        }
    }
    Box::new(Resolver)
}

fn x25519_public(secret: &[u8; 32]) -> [u8; 32] {
    use snow::resolvers::CryptoResolver as _;
    let mut dh = snow::resolvers::DefaultResolver
        .resolve_dh(&snow::params::DHChoice::Curve25519)
        .unwrap();
    dh.set(secret);
    dh.pubkey().try_into().unwrap()
}

fn binding(version: u8, key: &DeviceKey, side: u8, hash: &[u8], public: &[u8]) -> Vec<u8> {
    let signature = key.sign(Domain::Handshake, &[&[side], hash, public].concat());
    [
        &[version],
        key.device_id().as_bytes().as_slice(),
        signature.as_bytes(),
    ]
    .concat()
}

#[test]
fn a_foreign_peer_that_does_all_as_agreed_is_taken() {
    let right = |hash: &[u8], public: &[u8; 32]| binding(1, &key(3), 1, hash, public);
    assert_eq!(foreign(b"driftless/1", right), Ok(()));
}

#[test]
fn another_prologue_is_refused() {
    let right = |hash: &[u8], public: &[u8; 32]| binding(1, &key(3), 1, hash, public);
    assert_eq!(foreign(b"driftless/2", right), Err(NoiseError::BadMessage));
}

#[test]
fn a_binding_that_is_not_exactly_right_is_refused() {
    type Payload = fn(&[u8], &[u8; 32]) -> Vec<u8>;
    let wrong: [(&str, Payload); 8] = [
        ("no binding", |_, _| Vec::new()),
        ("a newer version", |hash, public| {
            binding(2, &key(3), 1, hash, public)
        }),
        ("the other side's", |hash, public| {
            binding(1, &key(3), 0, hash, public)
        }),
        ("another handshake's", |_, public| {
            binding(1, &key(3), 1, &[1; 32], public)
        }),
        ("another static key", |hash, _| {
            binding(1, &key(3), 1, hash, &[1; 32])
        }),
        ("one byte more", |hash, public| {
            [binding(1, &key(3), 1, hash, public), vec![0]].concat()
        }),
        ("another device's name", |hash, public| {
            let mut bytes = binding(1, &key(3), 1, hash, public);
            bytes[1..33].copy_from_slice(key(4).device_id().as_bytes());
            bytes
        }),
        ("a weak key", |_, _| {
            [&[1], [0; 32].as_slice(), &[0; 64]].concat()
        }),
    ];
    for (what, payload) in wrong {
        assert_eq!(
            foreign(b"driftless/1", payload),
            Err(NoiseError::BadBinding),
            "{what}"
        );
    }
}

#[test]
fn calls_out_of_turn_are_errors() {
    let (mut a, mut b) = pair(1);
    assert_eq!(a.read(&[0; 32]), Err(NoiseError::WrongTurn));
    assert_eq!(b.write(), Err(NoiseError::WrongTurn));
    b.read(&a.write().unwrap()).unwrap();
    assert_eq!(a.write(), Err(NoiseError::WrongTurn));
    assert!(!a.is_done());
    assert!(matches!(a.finish(), Err(NoiseError::WrongTurn)));
}

#[test]
fn a_message_is_opened_once_and_in_order() {
    let ((mut a, _), (mut b, _)) = connect();
    let first = a.seal(b"first").unwrap();
    assert_eq!(b.open(&first).unwrap(), b"first");
    assert_eq!(b.open(&first), Err(NoiseError::BadMessage), "a replay");
    assert_eq!(
        b.open(&a.seal(b"next").unwrap()),
        Err(NoiseError::Failed),
        "and the channel is dead"
    );

    let ((mut a, _), (mut b, _)) = connect();
    a.seal(b"lost").unwrap();
    assert_eq!(
        b.open(&a.seal(b"second").unwrap()),
        Err(NoiseError::BadMessage)
    );

    let ((mut a, _), _) = connect();
    let own = a.seal(b"reflected").unwrap();
    assert_eq!(a.open(&own), Err(NoiseError::BadMessage));
}

#[test]
fn every_changed_byte_of_a_message_is_refused() {
    let ((mut a, _), _) = connect();
    let sealed = a.seal(b"a message").unwrap();
    for changed in mutations(&sealed) {
        let (_, (mut b, _)) = connect();
        assert_eq!(b.open(&changed), Err(NoiseError::BadMessage));
    }
}

#[test]
fn sizes_are_bounded_both_ways() {
    let ((a, _), (b, _)) = connect();
    let (mut a, mut b): (Box<dyn SecureChannel>, Box<dyn SecureChannel>) =
        (Box::new(a), Box::new(b));
    assert_eq!(
        a.seal(&vec![0; limits::MESSAGE + 1]),
        Err(NoiseError::TooLong { length: 65_520 })
    );
    assert_eq!(
        b.open(&vec![0; 65_536]),
        Err(NoiseError::TooLong { length: 65_536 })
    );
    assert_eq!(
        a.seal(&vec![0; limits::MESSAGE]).unwrap().len(),
        limits::NOISE_MESSAGE
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let (mut a, mut b) = pair(1);
        let _ = b.read(&bytes);
        a.write().unwrap();
        let _ = a.read(&bytes);
        let ((mut a, _), _) = connect();
        prop_assert!(a.open(&bytes).is_err());
    }
}
