//! Three folders, each with a process that serves it and keeps in touch with those before it, or with none for a while.

use std::net::TcpListener;
use std::time::Instant;

use serde_json::Value as Json;

use crate::support::{DEADLINE, Device, Outcome, Serving, World, number};

pub const NAMES: [&str; 3] = ["laptop", "phone", "tablet"];

/// A device with its process.
pub struct Seat {
    pub device: Device,
    /// Where it listens whenever it is served: the others look for it there.
    address: String,
    /// The devices it connects to.
    peers: Vec<String>,
    serving: Option<Serving>,
    /// Steps until it is served again.
    pub away: usize,
}

impl Seat {
    pub fn is_served(&self) -> bool {
        self.serving.is_some()
    }

    pub fn start(&mut self) {
        let peers: Vec<_> = self.peers.iter().flat_map(|url| ["--peer", url]).collect();
        self.serving = Some(self.device.serve_on(&self.address, &peers));
        self.away = 0;
    }

    /// Asks the process to end, and waits for it.
    pub fn stop(&mut self, away: usize) -> Outcome {
        self.away = away;
        let serving = self.serving.take().expect("it is served");
        serving.stop()
    }

    /// Ends the process, whatever it does.
    pub fn kill(&mut self, away: usize) {
        self.away = away;
        self.serving.take().expect("it is served").kill();
    }

    /// Waits until then, or fails as soon as the process has ended by itself.
    pub fn watch_until(&mut self, until: Instant) {
        if let Some(serving) = &mut self.serving {
            serving.process().stderr_until(until);
        }
    }

    /// Whether all connections it makes are live and nothing it wrote is still to be acknowledged.
    fn is_at_rest(&self) -> bool {
        let status = self.device.json(["status"]);
        let connections = status["connections"].as_array().expect("a list");
        let live = |connection: &&Json| {
            connection["direction"] == "dialed" && connection["state"] == "live"
        };
        connections.iter().filter(live).count() == self.peers.len()
            && number(&status["pending"]) == 0
    }
}

/// All three: the second connects to the first, the third to both.
pub struct Fleet {
    pub seats: [Seat; 3],
    pub world: World,
}

impl Fleet {
    /// Three members of a workspace in which the first one has imported `rows`, all served.
    pub fn begin(rows: &str) -> Self {
        let world = World::new();
        let laptop = world.init(NAMES[0]);
        let file = world.file("first.csv", rows);
        laptop.json(["import", &file, "--collection", "people", "--key", "k"]);
        let serving = laptop.serve_on("127.0.0.1:0", &["--invite", "--uses", "2"]);
        let [phone, tablet] = [NAMES[1], NAMES[2]].map(|name| {
            let device = world.join(name, serving.link());
            device.json(["sync", &serving.url]);
            device
        });
        serving.stop();
        let mut urls = Vec::new();
        let seats = [laptop, phone, tablet].map(|device| {
            let address = free_address();
            let peers = urls.clone();
            urls.push(format!("ws://{address}"));
            let mut seat = Seat {
                device,
                address,
                peers,
                serving: None,
                away: 0,
            };
            seat.start();
            seat
        });
        Self { seats, world }
    }

    /// Starts those that are away, and waits until all have the same and know that they do.
    pub fn gather(&mut self) {
        for seat in &mut self.seats {
            if !seat.is_served() {
                seat.start();
            }
        }
        let begun = Instant::now();
        loop {
            let is_late = begun.elapsed() > DEADLINE;
            if self.seats.iter().all(Seat::is_at_rest) || is_late {
                let digests = self.digests();
                if digests.iter().all(|digest| *digest == digests[0]) {
                    break;
                }
                assert!(
                    !is_late,
                    "they do not come to rest: {digests:#?}, {:#?}",
                    self.seats
                        .each_ref()
                        .map(|seat| seat.device.json(["status"]))
                );
            }
        }
    }

    /// Each syncs with those before it once more; there must be nothing left to send.
    pub fn sync(&self) {
        for seat in &self.seats {
            for peer in &seat.peers {
                let report = seat.device.json(["sync", peer]);
                assert_eq!(report["records_sent"], 0, "{report}");
                assert_eq!(report["records_received"], 0, "{report}");
            }
        }
    }

    pub fn digests(&self) -> [Json; 3] {
        self.seats.each_ref().map(|seat| seat.device.digest())
    }
}

/// An address of which nobody else makes use: the system gives out ports from 32768 on by itself.
fn free_address() -> String {
    let first = 20_000 + std::process::id() % 10_000;
    (first..32_000)
        .map(|port| format!("127.0.0.1:{port}"))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a port is free")
}
