//! Stories of two drivers, or of one and a peer that misbehaves; time runs ahead whenever nobody has anything to do.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use driftless_protocol::DeviceKey;
use tokio::time::{Instant, sleep, timeout};

use super::{Driven, End, Stop, drive};
use crate::actor::Wake;
use crate::net::Identity;
use crate::net::address::Address;
use crate::net::handshake::{self, Secured};
use crate::net::party::{Party, Step, StepFuture};
use crate::options::SystemRandomness;

/// Bytes that the network between the two holds.
const PIPE_BYTES: usize = 16 * 1024;

/// Both ends of a channel.
async fn secured() -> (Secured, Secured) {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let identity = |seed| Identity {
        key: Arc::new(DeviceKey::from_seed(&[seed; 32])),
        randomness: Arc::new(|| Box::new(SystemRandomness)),
    };
    let address = Address::parse("ws://far:1").expect("an address");
    let (dialler, listener) = (identity(1), identity(2));
    let (near, far) = tokio::join!(
        handshake::dial(Box::new(near), &address, &dialler),
        handshake::accept(Box::new(far), &listener),
    );
    (near.expect("it dials"), far.expect("it accepts"))
}

fn never() -> Stop {
    Box::pin(pending())
}

/// A session that sends as much as it may.
struct Flood;

impl Party for Flood {
    type Done = ();

    fn step(&mut self, _: Vec<Vec<u8>>, room: usize) -> StepFuture<()> {
        Box::pin(ready(Ok(Step {
            frames: vec![vec![7; 10_000]; room],
            more: true,
            end: None,
        })))
    }
}

/// A session that counts what it gets, and sends a frame for each time it was woken.
#[derive(Clone, Default)]
struct Quiet {
    heard: Arc<AtomicUsize>,
    wake: Arc<Wake>,
    to_send: Arc<Mutex<Vec<Vec<u8>>>>,
    steps: Arc<AtomicUsize>,
}

impl Quiet {
    fn says(&self, frame: &[u8]) {
        let mut frames = self.to_send.lock().expect("nobody panicked");
        frames.push(frame.to_vec());
        self.wake.wake();
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::Acquire)
    }
}

impl Party for Quiet {
    type Done = ();

    fn step(&mut self, frames: Vec<Vec<u8>>, _: usize) -> StepFuture<()> {
        self.heard.fetch_add(frames.len(), Ordering::AcqRel);
        self.steps.fetch_add(1, Ordering::AcqRel);
        let frames = std::mem::take(&mut *self.to_send.lock().expect("nobody panicked"));
        Box::pin(ready(Ok(Step {
            frames,
            more: false,
            end: None,
        })))
    }

    fn poll_wake(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.wake.poll(context)
    }
}

async fn driven<P: Party>(secured: Secured, mut party: P, end: End) -> Driven<P::Done> {
    drive(secured, &mut party, end, never(), || {}).await
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_peer_that_shows_life_but_takes_nothing_is_dropped() {
    let (near, mut far) = secured().await;
    let begun = Instant::now();
    let driving = driven(near, Flood, End::Dialer);
    // It pings all the while, and does not read a byte.
    let pinging = async {
        loop {
            std::future::poll_fn(|context| far.socket.poll_ready(context)).await;
            far.socket.start_heartbeat();
            std::future::poll_fn(|context| far.socket.poll_flush(context)).await;
            sleep(Duration::from_secs(10)).await;
        }
    };
    let driven = tokio::select! {
        driven = driving => driven,
        () = pinging => unreachable!("it goes on for ever"),
    };
    let error = driven.result.expect_err("nothing was taken");
    assert_eq!(error.code(), "timeout");
    let took = begun.elapsed().as_secs();
    assert!((60..65).contains(&took), "{took} s");
    let bytes = driven.bytes.sent;
    assert!(bytes < 2 * PIPE_BYTES as u64, "{bytes} bytes");
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn whoever_connects_and_only_shows_signs_of_life_is_dropped() {
    let (mut near, far) = secured().await;
    let begun = Instant::now();
    let pinging = async {
        loop {
            near.socket.start_heartbeat();
            std::future::poll_fn(|context| near.socket.poll_flush(context)).await;
            sleep(Duration::from_secs(1)).await;
        }
    };
    let driven = tokio::select! {
        driven = driven(far, Quiet::default(), End::Listener) => driven,
        () = pinging => unreachable!("it goes on for ever"),
    };
    let error = driven.result.expect_err("nothing was said");
    assert_eq!(error.code(), "timeout");
    let took = begun.elapsed().as_secs();
    assert!((20..23).contains(&took), "{took} s");
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn two_that_have_nothing_to_say_stay_and_hear_of_each_other() {
    let (near, far) = secured().await;
    let (a, b) = (Quiet::default(), Quiet::default());
    let before = (near.socket.bytes(), far.socket.bytes());
    a.says(b"first");
    let near = tokio::spawn(driven(near, a.clone(), End::Dialer));
    let far = tokio::spawn(driven(far, b.clone(), End::Listener));
    let hours = Duration::from_secs(3 * 3_600);
    sleep(hours).await;
    assert!(!near.is_finished() && !far.is_finished());
    assert_eq!((a.heard(), b.heard()), (0, 1));
    let steps = a.steps.load(Ordering::Acquire);
    assert!(steps <= 2, "the session is not asked without a reason");
    // A message after hours is heard at once.
    a.says(b"hello");
    sleep(Duration::from_millis(1)).await;
    assert_eq!(b.heard(), 2);
    // One of them is gone without a word: the other has counted little, and hears of it.
    near.abort();
    let ended = timeout(Duration::from_secs(70), far).await;
    let ended = ended.expect("in time").expect("it did not panic");
    assert_eq!(
        ended.result.expect_err("it was left").code(),
        "connection_lost"
    );
    let said = ended.bytes.total() - before.1.total();
    let pings = hours.as_secs() / 25;
    assert!((pings * 4..pings * 20).contains(&said), "{said} bytes");
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn the_first_word_goes_at_once_and_those_that_follow_together() {
    let (near, far) = secured().await;
    let (a, b) = (Quiet::default(), Quiet::default());
    let near = tokio::spawn(driven(near, a.clone(), End::Dialer));
    let far = tokio::spawn(driven(far, b.clone(), End::Listener));
    sleep(Duration::from_secs(5)).await;
    let steps = || a.steps.load(Ordering::Acquire);
    let before = steps();
    a.says(b"first");
    sleep(Duration::from_millis(1)).await;
    assert_eq!((b.heard(), steps()), (1, before + 1));
    for _ in 0..10 {
        a.says(b"later");
        sleep(Duration::from_millis(2)).await;
        assert_eq!(b.heard(), 1);
    }
    sleep(Duration::from_millis(10)).await;
    assert_eq!((b.heard(), steps()), (11, before + 2));
    near.abort();
    far.abort();
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_side_that_is_told_to_stop_does_not_wait_for_a_peer_that_takes_nothing() {
    let (near, far) = secured().await;
    let begun = Instant::now();
    let stop: Stop = Box::pin(sleep(Duration::from_secs(3)));
    let driven = drive(near, &mut Flood, End::Dialer, stop, || {}).await;
    let error = driven.result.expect_err("it was stopped");
    assert_eq!(error.code(), "shutting_down");
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(3_000 + 3_100), "{took:?}");
    drop(far);
}
