//! `driftless serve`: other devices sync with this one, and this one keeps in touch with its peers, until it is
//! interrupted, or its own database cannot go on.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use driftless::{Connection, Database, Server};
use serde_json::json;
use tokio::task::JoinSet;

use crate::args::Serve;
use crate::commands::invite;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;

/// Time for which the folder is made small before it is closed.
const TIDY_WITHIN: Duration = Duration::from_secs(1);

/// Time in which everything is closed, or left to the next opening to mend.
const CLOSE_WITHIN: Duration = Duration::from_millis(4_800);

pub(crate) async fn run(context: &mut Context, arguments: Serve) -> Result<(), Failure> {
    context.close_soon(TIDY_WITHIN);
    let interrupt = context.interrupt()?;
    let database = context.open_unless(&interrupt).await?;
    let commands = context.carry_out_for_others(&database);
    let started = start(&database, &mut context.output, arguments).await;
    let mut ended = Ok(());
    if started.is_ok() {
        tokio::select! {
            () = interrupt.wait() => context.say("closing"),
            // As when the disk is full: nobody can be served any more, and whoever started it must know.
            reason = database.ended() => ended = Err(Failure::from(reason)),
        }
    }
    let closing = async {
        let commands_end = async {
            if let Some(commands) = commands {
                commands.stop().await;
            }
        };
        let result = match started {
            Ok(serving) => {
                tokio::join!(serving.stop(), commands_end);
                ended
            }
            Err(failure) => {
                commands_end.await;
                Err(failure)
            }
        };
        context.close_after(database, result).await
    };
    tokio::time::timeout(CLOSE_WITHIN, closing)
        .await
        .unwrap_or_else(|_| {
            Err(Failure::Interrupted {
                done: "closing took too long and was left; what was acknowledged is durable".into(),
                remedy: "Nothing to do: the next command mends the rest.",
            })
        })
}

/// What runs until the interrupt.
struct Serving {
    server: Server,
    peers: Vec<Connection>,
}

impl Serving {
    /// Ends everything at the same time: each may take as long as all.
    async fn stop(self) {
        let mut stopping: JoinSet<()> = self.peers.into_iter().map(Connection::stop).collect();
        self.server.stop().await;
        while stopping.join_next().await.is_some() {}
    }
}

/// Listens, and prints where, with the link if one is wanted; nothing is printed if either fails.
async fn start(
    database: &Database,
    output: &mut Output,
    arguments: Serve,
) -> Result<Serving, Failure> {
    let server = database.sync().serve(&arguments.listen).await?;
    let link = if arguments.invite {
        let address = match arguments.address {
            Some(address) => address,
            None => reachable(server.local_addr())?,
        };
        Some(invite::make(database, &arguments.terms, address).await?)
    } else {
        None
    };
    let mut peers = Vec::new();
    for peer in &arguments.peers {
        peers.push(database.sync().connect(peer).await?);
    }
    let url = server.url();
    output.answer(&json!({ "listening": url }), &format!("listening on {url}"))?;
    if let Some(link) = link {
        invite::print(output, &link)?;
    }
    output.flush()?;
    Ok(Serving { server, peers })
}

/// Where another device reaches this one: an address that stands for "all of mine" is no destination.
fn reachable(listening: SocketAddr) -> Result<String, Failure> {
    let ip = if listening.ip().is_unspecified() {
        own_address(listening.ip()).ok_or_else(|| Failure::Usage {
            message: format!("{listening} is no address that another device can connect to"),
            remedy: "Say where it reaches this device, such as --address ws://192.168.1.20:7717."
                .into(),
        })?
    } else {
        listening.ip()
    };
    Ok(format!("ws://{}", SocketAddr::new(ip, listening.port())))
}

/// The address of the interface that leads out of here. Connecting a datagram socket sends nothing.
fn own_address(unspecified: IpAddr) -> Option<IpAddr> {
    // Addresses kept for documentation: they are routed like any other, and nobody answers there.
    let outside = match unspecified {
        IpAddr::V4(_) => "192.0.2.1:9",
        IpAddr::V6(_) => "[2001:db8::1]:9",
    };
    let socket = UdpSocket::bind(SocketAddr::new(unspecified, 0)).ok()?;
    socket.connect(outside).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_unspecified()).then_some(own)
}
