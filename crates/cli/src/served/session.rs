//! One client: its request, the command that carries it out, and what comes of it.
//!
//! The command has a thread of its own, on which its output may wait for the client; everything else here waits
//! for nobody but its own socket.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use clap::Parser;
use driftless::Database;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::error::ServedError;
use super::host::{Phase, reached};
use super::limits::{FILE_BYTES_MAX, FRAMES_WAITING, GREETING_TIMEOUT};
use super::place;
use super::remote::Remote;
use super::wire::{FromClient, FromHost, Hello, Request, TOO_LARGE, send};
use crate::args::{self, Arguments};
use crate::caller::{Caller, too_large};
use crate::commands;
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// The exit code of a process that panicked.
const PANICKED: u8 = 101;

/// What every client needs.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) database: Database,
    pub(super) hello: Hello,
    /// A permit for each command.
    pub(super) commands: Arc<Semaphore>,
    pub(super) phase: watch::Receiver<Phase>,
}

/// Serves one client to its end.
pub(super) async fn run(stream: UnixStream, shared: Shared) {
    match place::is_own(&stream) {
        Ok(true) => {}
        Ok(false) => return tracing::warn!("a process of another user asked for a command"),
        Err(error) => return tracing::debug!(%error, "a client is not known"),
    }
    let (mut from, mut to) = stream.into_split();
    let greeting = greet(&mut from, &mut to, &shared);
    let request = match timeout(GREETING_TIMEOUT, greeting).await {
        Ok(Ok(Some(request))) => request,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            return tracing::debug!(%error, "a client asked for nothing that makes sense");
        }
        Err(_) => return tracing::debug!("a client asked for nothing in time"),
    };
    let Ok(_permit) = shared.commands.clone().try_acquire_owned() else {
        // Whoever does not take even this will see the end of the connection.
        let _ = timeout(GREETING_TIMEOUT, send(&mut to, &FromHost::TooMany.encode())).await;
        return;
    };
    let (frames, outbox) = channel(FRAMES_WAITING);
    let client = Client {
        remote: Arc::new(Remote::new(frames.clone(), &request)),
        gone: Interrupt::of_another_process(),
    };
    let ends = async {
        tokio::join!(
            write_all(to, outbox, &client.gone),
            carry_out(request, &client, frames, shared)
        );
    };
    tokio::select! {
        () = ends => {}
        never = read_all(from, &client) => match never {},
    }
}

/// The two ends of a client that a session holds.
struct Client {
    remote: Arc<Remote>,
    /// Requested when nobody is there any more.
    gone: Interrupt,
}

/// Says who this is; `None` if that is all the client wanted to know.
async fn greet(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    shared: &Shared,
) -> io::Result<Option<Request>> {
    send(to, &shared.hello.encode()).await?;
    match FromClient::read(from).await? {
        Some(FromClient::Request(request)) => Ok(Some(request)),
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
        None => Ok(None),
    }
}

/// Writes every frame, the last one included; a client that is gone makes the command end.
async fn write_all(mut to: OwnedWriteHalf, mut outbox: Receiver<FromHost>, gone: &Interrupt) {
    while let Some(frame) = outbox.recv().await {
        if send(&mut to, &frame.encode()).await.is_err() {
            break;
        }
        if matches!(frame, FromHost::Exit(_)) {
            return;
        }
    }
    gone.request();
}

/// Takes what the client says beside its request; never returns.
async fn read_all(mut from: OwnedReadHalf, client: &Client) -> Infallible {
    let mut file = Ok(Vec::new());
    loop {
        let answered = match FromClient::read(&mut from).await {
            Ok(Some(FromClient::Interrupt)) => {
                client.remote.asks_to_end().request();
                true
            }
            Ok(Some(FromClient::FilePart(part))) => {
                add(&mut file, &part);
                true
            }
            Ok(Some(FromClient::FileEnd)) => {
                let content = std::mem::replace(&mut file, Ok(Vec::new()));
                client.remote.answer_file(content)
            }
            Ok(Some(FromClient::FileFailed(number, text))) => {
                let error = match number {
                    TOO_LARGE => io::Error::new(io::ErrorKind::FileTooLarge, text),
                    0 => io::Error::other(text),
                    number => io::Error::from_raw_os_error(number),
                };
                client.remote.answer_file(Err(error))
            }
            Ok(Some(FromClient::Request(_)) | None) | Err(_) => false,
        };
        if !answered {
            break;
        }
    }
    client.gone.request();
    std::future::pending().await
}

/// Adds a part to a file, as long as the file is one that is taken.
fn add(file: &mut io::Result<Vec<u8>>, part: &[u8]) {
    if let Ok(content) = file {
        if content.len() as u64 + part.len() as u64 > FILE_BYTES_MAX {
            *file = Err(too_large(FILE_BYTES_MAX));
        } else {
            content.extend(part);
        }
    }
}

/// Carries out the command on a thread of its own, and sends what came of it.
async fn carry_out(request: Request, client: &Client, frames: Sender<FromHost>, shared: Shared) {
    let mut phase = shared.phase.clone();
    let runtime = tokio::runtime::Handle::current();
    let (remote, gone) = (client.remote.clone(), client.gone.clone());
    let mut command = tokio::task::spawn_blocking(move || {
        let json = args::asks_for_json(&request.arguments);
        let caller: Arc<dyn Caller> = remote;
        let result = runtime.block_on(until_dropped(request, caller.clone(), &gone, shared));
        match result {
            Ok(()) => 0,
            Err(failure) => {
                failure.report(json, caller.standard_error());
                failure.exit_code()
            }
        }
    });
    let mut asked = false;
    let code = loop {
        tokio::select! {
            ended = &mut command => break ended.unwrap_or(PANICKED),
            () = reached(&mut phase, Phase::Asked), if !asked => {
                asked = true;
                client.remote.asks_to_end().request_by_holder();
            }
        }
    };
    // A client that is gone needs no exit code.
    let _ = frames.send(FromHost::Exit(code)).await;
}

/// The command, unless its client goes away or this process ends first. Dropping it leaves everything whole: what
/// it asked the database to do is done or not.
async fn until_dropped(
    request: Request,
    caller: Arc<dyn Caller>,
    gone: &Interrupt,
    mut shared: Shared,
) -> Result<(), Failure> {
    let arguments = Arguments::try_parse_from(request.arguments).map_err(Failure::Arguments)?;
    let over = reached(&mut shared.phase, Phase::Over);
    tokio::select! {
        result = commands::carry_out(arguments, caller, shared.database) => result,
        () = gone.wait() => Err(Failure::OutputClosed),
        () = over => Err(ServedError::Ending.into()),
    }
}
