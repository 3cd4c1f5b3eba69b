//! A real server that ten thousand strangers pester: memory stays flat, nothing waits, and members are served.

use std::collections::VecDeque;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{Serving, World};

/// Connections of strangers.
const CONNECTIONS: usize = 10_000;
/// Those that come before memory is measured: the allocator has its pages then.
const BEFORE: usize = 1_500;
/// Connections held open on our side; the server keeps fewer strangers than that.
const OPEN: usize = 400;
/// After so many a member edits and syncs.
const BETWEEN_SYNCS: usize = 2_000;
/// What memory may grow by, in KiB, at any moment of all of them.
const GROWTH_KIB: u64 = 16 * 1024;
/// In this time a connection is accepted by the operating system, however many wait.
const ACCEPTED_IN: Duration = Duration::from_secs(5);
/// In this time a member has synced.
const SERVED_IN: Duration = Duration::from_secs(20);

const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn ten_thousand_strangers_leave_memory_flat_and_members_served() {
    let world = World::new();
    let laptop = world.init("laptop");
    let mut serving = laptop.serve_and_invite();
    let phone = world.join("phone", serving.link());
    let address: SocketAddr = serving.url.strip_prefix("ws://").unwrap().parse().unwrap();
    let mut open = VecDeque::new();
    let mut slowest = Duration::ZERO;
    let mut before = 0;
    for n in 0..CONNECTIONS {
        if n == BEFORE {
            before = memory_kib(&mut serving, "VmRSS:");
        }
        if let Some(stranger) = stranger(address, n) {
            open.push_back(stranger);
        }
        if open.len() > OPEN {
            open.pop_front();
        }
        // Those that write slowly write one byte more.
        if let Some(slow) = open.iter_mut().rev().nth(50) {
            let _ = slow.write(b"x");
        }
        if n % BETWEEN_SYNCS == BETWEEN_SYNCS - 1 {
            phone.insert("notes", &[&format!("n={n}")]);
            let begun = Instant::now();
            phone.run(["sync"]).succeeded();
            slowest = slowest.max(begun.elapsed());
        }
    }
    let most = memory_kib(&mut serving, "VmHWM:");
    assert!(slowest < SERVED_IN, "a member waited {slowest:?}");
    assert!(
        most < before + GROWTH_KIB,
        "{before} KiB before, {most} KiB at the most with {CONNECTIONS} strangers"
    );
    println!("{before} KiB before, {most} KiB at the most; the slowest sync took {slowest:?}");
    drop(open);
    phone.run(["sync"]).succeeded();
    assert_eq!(phone.digest(), laptop.digest());
    let outcome = serving.stop();
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
}

/// A connection that makes no sense, in one of ten ways; some stay open.
fn stranger(address: SocketAddr, n: usize) -> Option<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, ACCEPTED_IN).expect("it is accepted");
    stream.set_write_timeout(Some(ACCEPTED_IN)).unwrap();
    let endless = vec![b'a'; 70_000];
    let junk: Vec<u8> = (0..4_096_usize)
        .map(|i| (i * 31 + n).to_le_bytes()[0])
        .collect();
    // A final binary frame, masked, with a length of 8 bytes.
    let claim = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[1, 2, 3, 4]].concat();
    let said: Vec<&[u8]> = match n % 10 {
        0 => vec![],
        1 => vec![b"GET / HTTP/1.1\r\nHost:"],
        2 => vec![b"G"],
        3 => vec![b"GET / HTTP/1.1\r\nX-Long: ", &endless],
        4 => vec![
            b"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
            &junk,
        ],
        5 => vec![&junk],
        _ => vec![UPGRADE],
    };
    let mut done = said.iter().try_for_each(|part| stream.write_all(part));
    let frames = match n % 10 {
        7 => claim(u64::MAX >> 1),
        8 => [claim(65_000), vec![0; 10]].concat(),
        // The first message of a handshake, of no sense; the answer is not read.
        9 => [&[0x82, 0xb0, 0, 0, 0, 0][..], &[n.to_le_bytes()[0]; 48]].concat(),
        _ => vec![],
    };
    done = done.and_then(|()| stream.write_all(&frames));
    // The server may have hung up before the last byte.
    done.is_ok().then_some(stream)
}

/// Memory of the server in KiB: what is in use now, or ever was at the most.
fn memory_kib(serving: &mut Serving, which: &str) -> u64 {
    let status = format!("/proc/{}/status", serving.process().id());
    let status = fs::read_to_string(status).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|n| n.parse().ok())
        .expect("a number of KiB")
}
