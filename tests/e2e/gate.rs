//! A gate in front of a device that serves: it lets so many bytes out and then holds the rest back.
//!
//! Whoever syncs through it is in the middle of a sync for as long as the gate is there, whatever the speed of
//! the machine.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::support::DEADLINE;

/// A gate; what it holds is let go when it is dropped, with the connection.
pub struct Gate {
    pub url: String,
    full: Receiver<()>,
    _closing: Sender<()>,
}

impl Gate {
    /// A gate in front of `url` that lets `bytes` bytes of each connection out.
    pub fn new(url: &str, bytes: usize) -> Self {
        let target: SocketAddr = url.strip_prefix("ws://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (closing, closed) = channel();
        let (fill, full) = channel();
        std::thread::spawn(move || {
            // One connection: whoever is let through has no reason for a second.
            let outer = listener.accept().unwrap().0;
            let inner = TcpStream::connect(target).unwrap();
            let inward = (outer.try_clone().unwrap(), inner.try_clone().unwrap());
            std::thread::spawn(move || copy(inward.0, inward.1, usize::MAX));
            // A side that hangs up is part of the test.
            let _ = copy(&inner, &outer, bytes);
            let _ = fill.send(());
            hold(&closed);
            for socket in [outer, inner] {
                let _ = socket.shutdown(Shutdown::Both);
            }
        });
        Self {
            url: format!("ws://{address}"),
            full,
            _closing: closing,
        }
    }
}

impl Gate {
    /// Waits until it has let out all that it lets out.
    pub fn wait_until_full(&self) {
        let waited = self.full.recv_timeout(DEADLINE);
        waited.expect("so many bytes come out");
    }
}

/// Copies until the end, or until so many bytes have passed.
fn copy(mut from: impl Read, mut to: impl Write, mut bytes: usize) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while bytes > 0 {
        let most = buffer.len().min(bytes);
        let read = from.read(&mut buffer[..most])?;
        if read == 0 {
            break;
        }
        to.write_all(&buffer[..read])?;
        bytes -= read;
    }
    Ok(())
}

/// Returns when the gate is dropped: its end of the channel goes with it.
fn hold(closed: &Receiver<()>) {
    let _ = closed.recv();
}
