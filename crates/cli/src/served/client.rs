//! The side that found the folder busy: it sends its arguments, and passes on what comes back.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use console::Term;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::error::ServedError;
use super::limits::{FRAMES_WAITING, GREETING_TIMEOUT, PART_BYTES_MAX, REQUEST_BYTES_MAX};
use super::place;
use super::wire::{FromClient, FromHost, Hello, Request, TOO_LARGE, send};
use crate::caller::Caller;
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// Has the process that holds the folder carry out the arguments, and gives their exit code.
///
/// `busy` is what opening the folder said.
pub(crate) async fn ask(
    caller: &Arc<dyn Caller>,
    dir: &Path,
    arguments: &[OsString],
    busy: driftless::Error,
) -> Result<u8, Failure> {
    let request = Request {
        output_columns: columns(caller.width()),
        error_columns: columns(error_width(&**caller)),
        colors: caller.colors(),
        // One that is gone has no files either.
        arguments: arguments.to_vec(),
    };
    let bytes = request.encoded_len();
    if bytes > REQUEST_BYTES_MAX {
        let most = REQUEST_BYTES_MAX;
        return Err(ServedError::TooLong { bytes, most }.into());
    }
    let (stream, hello) = greet(dir, busy).await?;
    if !hello.is_ours() {
        let different = ServedError::OtherVersion {
            pid: hello.pid,
            theirs: hello.program,
            ours: env!("CARGO_PKG_VERSION").to_owned(),
        };
        return Err(different.into());
    }
    let (from, to) = stream.into_split();
    let (frames, outbox) = channel(FRAMES_WAITING);
    // What the process writes nobody waits for: it ends with the connection.
    tokio::spawn(write_all(to, outbox));
    let (arrived, inbox) = channel(FRAMES_WAITING);
    tokio::spawn(read_all(from, arrived));
    let relay = Relay {
        caller: caller.clone(),
        dir: dir.to_owned(),
        pid: hello.pid,
        frames,
        interrupt: None,
    };
    relay.run(request, inbox).await
}

/// The process that carries out commands on a folder, if there is one.
pub(crate) async fn who_serves(dir: &Path) -> Option<u32> {
    let stream = place::connect(dir).await.ok()?;
    let hello = hello_of(stream, dir).await.ok()?;
    Some(hello.1.pid)
}

/// Connects, and makes sure that it is the process that holds the folder who answers.
async fn greet(dir: &Path, busy: driftless::Error) -> Result<(UnixStream, Hello), ServedError> {
    let path = place::path_in(dir);
    let stream = match place::connect(dir).await {
        Ok(stream) => stream,
        Err(error) if is_nobody(&error) => {
            return Err(ServedError::NobodyListens {
                busy: Box::new(busy),
                path,
            });
        }
        Err(error) => {
            let reason = error.to_string();
            return Err(ServedError::Foreign { path, reason });
        }
    };
    match hello_of(stream, dir).await {
        Ok(greeted) => Ok(greeted),
        // It may have ended while this connection waited for its turn.
        Err(_) if is_gone(dir).await => Err(ServedError::Gone {
            dir: dir.to_owned(),
        }),
        Err(reason) => Err(ServedError::Foreign { path, reason }),
    }
}

/// Whether nobody listens any more where somebody did.
async fn is_gone(dir: &Path) -> bool {
    place::connect(dir)
        .await
        .is_err_and(|error| is_nobody(&error))
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// What the other side says of itself, or what is wrong with it.
async fn hello_of(mut stream: UnixStream, dir: &Path) -> Result<(UnixStream, Hello), String> {
    if !place::is_own(&stream).map_err(|error| error.to_string())? {
        return Err("it is another user's".into());
    }
    let hello = timeout(GREETING_TIMEOUT, Hello::read(&mut stream))
        .await
        .map_err(|_| "it does not greet".to_owned())?
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => error.to_string(),
            _ => format!("it hung up ({error})"),
        })?;
    let folder = place::identity(dir).map_err(|error| error.to_string())?;
    if hello.is_ours() && hello.folder != folder {
        return Err("it belongs to another folder".into());
    }
    Ok((stream, hello))
}

fn columns(width: Option<usize>) -> u16 {
    width.map_or(0, |width| u16::try_from(width.max(1)).unwrap_or(u16::MAX))
}

/// Columns of the terminal that shows standard error.
fn error_width(caller: &dyn Caller) -> Option<usize> {
    let (_rows, columns) = Term::stderr().size();
    caller
        .standard_error()
        .is_terminal()
        .then_some(usize::from(columns))
}

async fn write_all(mut to: OwnedWriteHalf, mut outbox: Receiver<FromClient>) {
    while let Some(frame) = outbox.recv().await {
        if send(&mut to, &frame.encode()).await.is_err() {
            return; // reading tells
        }
    }
    let _ = to.shutdown().await;
}

async fn read_all(mut from: OwnedReadHalf, arrived: Sender<io::Result<FromHost>>) {
    loop {
        let frame = FromHost::read(&mut from).await.transpose();
        let Some(frame) = frame else { return };
        let failed = frame.is_err();
        if arrived.send(frame).await.is_err() || failed {
            return;
        }
    }
}

/// Passes on what comes back.
struct Relay {
    caller: Arc<dyn Caller>,
    dir: PathBuf,
    pid: u32,
    frames: Sender<FromClient>,
    /// There when the command answers the wish to end itself.
    interrupt: Option<Interrupt>,
}

impl Relay {
    async fn run(
        mut self,
        request: Request,
        mut inbox: Receiver<io::Result<FromHost>>,
    ) -> Result<u8, Failure> {
        self.tell(FromClient::Request(request)).await;
        let mut output = self.caller.standard_output();
        loop {
            let frame = tokio::select! {
                frame = inbox.recv() => frame,
                () = asked_to_end(self.interrupt.as_ref()) => {
                    // Once: the second wish ends this process.
                    self.interrupt = None;
                    self.tell(FromClient::Interrupt).await;
                    continue;
                }
            };
            match frame {
                Some(Ok(FromHost::Output(bytes))) => output
                    .write_all(&bytes)
                    .and_then(|()| output.flush())
                    .map_err(Failure::output)?,
                Some(Ok(FromHost::ErrorOutput(bytes))) => {
                    let text = String::from_utf8_lossy(&bytes);
                    self.caller.standard_error().print(&text);
                }
                Some(Ok(FromHost::Listens)) => self.interrupt = Some(self.caller.interrupt()?),
                Some(Ok(FromHost::ReadFile(most, path))) => {
                    tokio::spawn(pass_file(
                        self.caller.clone(),
                        path.into(),
                        most,
                        self.frames.clone(),
                    ));
                }
                Some(Ok(FromHost::Exit(code))) => return Ok(code),
                Some(Ok(FromHost::TooMany)) => {
                    return Err(ServedError::TooMany { pid: self.pid }.into());
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    let path = place::path_in(&self.dir);
                    let reason = error.to_string();
                    return Err(ServedError::Foreign { path, reason }.into());
                }
                None | Some(Err(_)) => return Err(ServedError::Gone { dir: self.dir }.into()),
            }
        }
    }

    async fn tell(&self, frame: FromClient) {
        // Whether the other side is gone, reading tells.
        let _ = self.frames.send(frame).await;
    }
}

/// Returns when somebody asks this process to end, if the command is to know.
async fn asked_to_end(interrupt: Option<&Interrupt>) {
    match interrupt {
        Some(interrupt) => interrupt.wait().await,
        None => std::future::pending().await,
    }
}

/// Reads a file and sends it.
async fn pass_file(caller: Arc<dyn Caller>, path: PathBuf, most: u64, to: Sender<FromClient>) {
    let last = match caller.read_file(&path, most).await {
        Ok(content) => {
            for part in content.chunks(PART_BYTES_MAX) {
                if to.send(FromClient::FilePart(part.to_vec())).await.is_err() {
                    return;
                }
            }
            FromClient::FileEnd
        }
        Err(error) => {
            let number = match error.kind() {
                io::ErrorKind::FileTooLarge => TOO_LARGE,
                _ => error.raw_os_error().unwrap_or(0),
            };
            FromClient::FileFailed(number, error.to_string())
        }
    };
    let _ = to.send(last).await;
}
