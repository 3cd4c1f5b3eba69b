//! The bytes on the socket.
//!
//! The serving process speaks first: a [`Hello`]. Then frames go both ways, each a byte that says what it is, four
//! bytes that say how long it is, and its content. A client sends one request, then at most what it is asked for
//! and the wish to end. All numbers are big-endian. `docs/format.md` has the tables.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::limits::{ARGUMENTS_MAX, PART_BYTES_MAX, REQUEST_BYTES_MAX};

/// What every socket of ours says first.
const MAGIC: [u8; 8] = *b"DRFTSOCK";
/// The version of these bytes; the magic, this, and the process id stay where they are.
const VERSION: u16 = 2;

/// A file that has more bytes than are wanted.
pub(super) const TOO_LARGE: i32 = -1;

/// Who listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    /// Of these bytes.
    pub(super) version: u16,
    /// The process.
    pub(super) pid: u32,
    /// The folder it holds: its device and inode numbers.
    pub(super) folder: (u64, u64),
    /// Its version of driftless.
    pub(super) program: String,
}

impl Hello {
    /// That of this process for a folder.
    pub(super) fn of(folder: (u64, u64)) -> Self {
        Self {
            version: VERSION,
            pid: std::process::id(),
            folder,
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Whether it speaks as this process does.
    pub(super) fn is_ours(&self) -> bool {
        self.version == VERSION && self.program == env!("CARGO_PKG_VERSION")
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(self.pid.to_be_bytes());
        bytes.extend(self.folder.0.to_be_bytes());
        bytes.extend(self.folder.1.to_be_bytes());
        let program = &self.program.as_bytes()[..self.program.len().min(usize::from(u8::MAX))];
        bytes.extend(u8::try_from(program.len()));
        bytes.extend(program);
        bytes
    }

    /// Reads one; that of a later version as far as it stays the same.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut magic = [0; MAGIC.len()];
        from.read_exact(&mut magic).await?;
        if magic != MAGIC {
            return Err(malformed("it does not greet as driftless does"));
        }
        let (version, pid) = (from.read_u16().await?, from.read_u32().await?);
        if version != VERSION {
            let (folder, program) = ((0, 0), "of another version".to_owned());
            return Ok(Self {
                version,
                pid,
                folder,
                program,
            });
        }
        let folder = (from.read_u64().await?, from.read_u64().await?);
        let mut program = vec![0; usize::from(from.read_u8().await?)];
        from.read_exact(&mut program).await?;
        let program =
            String::from_utf8(program).map_err(|_| malformed("its version is no text"))?;
        Ok(Self {
            version,
            pid,
            folder,
            program,
        })
    }
}

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Columns of the terminal that shows standard output; 0 where it is none.
    pub(super) output_columns: u16,
    /// The same of standard error.
    pub(super) error_columns: u16,
    /// Whether standard output is shown in colours.
    pub(super) colors: bool,
    /// The arguments as they were typed, the program's name first.
    pub(super) arguments: Vec<OsString>,
}

/// A frame that a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FromClient {
    /// The first one.
    Request(Request),
    /// Somebody asked the client to end.
    Interrupt,
    /// A part of the file that was asked for.
    FilePart(Vec<u8>),
    /// That was all of it.
    FileEnd,
    /// It cannot be read: the number the system gives the error, [`TOO_LARGE`], or 0; and the error's text.
    FileFailed(i32, String),
}

/// A frame that the serving process sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FromHost {
    /// For standard output.
    Output(Vec<u8>),
    /// For standard error.
    ErrorOutput(Vec<u8>),
    /// From now on the client passes the wish to end on instead of obeying it.
    Listens,
    /// The content of this file is wanted, if it has at most so many bytes.
    ReadFile(u64, OsString),
    /// The command has ended, with this exit code; the last frame.
    Exit(u8),
    /// It carries out too many commands; the only frame.
    TooMany,
}

impl FromClient {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => frame(1, &request.encode()),
            Self::Interrupt => frame(2, &[]),
            Self::FilePart(bytes) => frame(3, bytes),
            Self::FileEnd => frame(4, &[]),
            Self::FileFailed(number, text) => {
                frame(5, &[&number.to_be_bytes(), text.as_bytes()].concat())
            }
        }
    }

    /// The next frame; `None` at the end.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let Some((kind, content)) = read_frame(from, REQUEST_BYTES_MAX).await? else {
            return Ok(None);
        };
        Ok(Some(match kind {
            1 => Self::Request(Request::decode(&content)?),
            2 if content.is_empty() => Self::Interrupt,
            3 if content.len() <= PART_BYTES_MAX => Self::FilePart(content),
            4 if content.is_empty() => Self::FileEnd,
            5 => {
                let (number, text) = content
                    .split_first_chunk()
                    .ok_or_else(|| malformed("an error without its number"))?;
                let text = String::from_utf8_lossy(text).into_owned();
                Self::FileFailed(i32::from_be_bytes(*number), text)
            }
            _ => return Err(malformed("a frame of a kind that is not known")),
        }))
    }
}

impl FromHost {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Output(bytes) => frame(1, bytes),
            Self::ErrorOutput(bytes) => frame(2, bytes),
            Self::Listens => frame(3, &[]),
            Self::ReadFile(most, path) => {
                frame(4, &[&most.to_be_bytes(), path.as_bytes()].concat())
            }
            Self::Exit(code) => frame(5, &[*code]),
            Self::TooMany => frame(6, &[]),
        }
    }

    /// The next frame; `None` at the end.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        // A path it asks for is one of the client's arguments.
        let Some((kind, content)) = read_frame(from, REQUEST_BYTES_MAX).await? else {
            return Ok(None);
        };
        Ok(Some(match (kind, &content[..]) {
            (1, _) => Self::Output(content),
            (2, _) => Self::ErrorOutput(content),
            (3, []) => Self::Listens,
            (4, [_, _, _, _, _, _, _, _, ..]) => {
                let mut rest = &content[..];
                let most = u64::from_be_bytes(take(&mut rest)?);
                Self::ReadFile(most, OsStr::from_bytes(rest).to_owned())
            }
            (5, &[code]) => Self::Exit(code),
            (6, []) => Self::TooMany,
            _ => return Err(malformed("a frame of a kind that is not known")),
        }))
    }
}

impl Request {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.output_columns.to_be_bytes().to_vec();
        bytes.extend(self.error_columns.to_be_bytes());
        bytes.push(u8::from(self.colors));
        for argument in &self.arguments {
            let argument = argument.as_bytes();
            // What is too long for a length is far too long for a request, which is checked before it is sent.
            let length = u32::try_from(argument.len()).unwrap_or(u32::MAX);
            bytes.extend(length.to_be_bytes());
            bytes.extend(argument);
        }
        bytes
    }

    /// Bytes of the request, before it is made.
    pub(super) fn encoded_len(&self) -> usize {
        let arguments = self.arguments.iter().map(|argument| 4 + argument.len());
        5 + arguments.sum::<usize>()
    }

    fn decode(content: &[u8]) -> io::Result<Self> {
        let mut rest = content;
        let output_columns = u16::from_be_bytes(take(&mut rest)?);
        let error_columns = u16::from_be_bytes(take(&mut rest)?);
        let colors = match take(&mut rest)? {
            [0] => false,
            [1] => true,
            _ => return Err(malformed("colours that are neither wanted nor not")),
        };
        let mut arguments = Vec::new();
        while !rest.is_empty() {
            if arguments.len() == ARGUMENTS_MAX {
                return Err(malformed("too many arguments"));
            }
            arguments.push(take_text(&mut rest)?);
        }
        if arguments.is_empty() {
            return Err(malformed("no arguments, not even the program's name"));
        }
        Ok(Self {
            output_columns,
            error_columns,
            colors,
            arguments,
        })
    }
}

/// Sends what [`FromClient::encode`], [`FromHost::encode`] or [`Hello::encode`] gave.
pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX); // over every limit, so it is refused
    let mut bytes = Vec::with_capacity(5 + content.len());
    bytes.push(kind);
    bytes.extend(length.to_be_bytes());
    bytes.extend(content);
    bytes
}

async fn read_frame(
    from: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> io::Result<Option<(u8, Vec<u8>)>> {
    let kind = match from.read_u8().await {
        Ok(kind) => kind,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = usize::try_from(from.read_u32().await?)
        .ok()
        .filter(|length| *length <= most)
        .ok_or_else(|| malformed("a frame that is too long"))?;
    let mut content = Vec::new();
    // What is allocated grows with what comes, not with what is announced.
    let read = from.take(length as u64).read_to_end(&mut content).await?;
    if read < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((kind, content)))
}

fn take<const N: usize>(rest: &mut &[u8]) -> io::Result<[u8; N]> {
    let (taken, behind) = rest
        .split_first_chunk()
        .ok_or_else(|| malformed("a number that is cut off"))?;
    *rest = behind;
    Ok(*taken)
}

fn take_text(rest: &mut &[u8]) -> io::Result<OsString> {
    let length = u32::from_be_bytes(take(rest)?);
    let (text, behind) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or_else(|| malformed("an argument that is cut off"))?;
    *rest = behind;
    Ok(OsStr::from_bytes(text).to_owned())
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn request() -> FromClient {
        FromClient::Request(Request {
            output_columns: 80,
            error_columns: 0,
            colors: true,
            arguments: vec![
                "driftless".into(),
                OsString::from_vec(vec![0xff, 0]),
                "".into(),
            ],
        })
    }

    #[tokio::test]
    async fn what_is_sent_is_what_is_read() {
        let frames = [
            request(),
            FromClient::Interrupt,
            FromClient::FilePart(vec![0; 3]),
            FromClient::FileEnd,
            FromClient::FileFailed(2, "no such file".into()),
        ];
        let bytes: Vec<u8> = frames.iter().flat_map(FromClient::encode).collect();
        let mut from = &bytes[..];
        for frame in frames {
            assert_eq!(
                FromClient::read(&mut from).await.expect("it is whole"),
                Some(frame)
            );
        }
        assert_eq!(FromClient::read(&mut from).await.expect("the end"), None);

        let frames = [
            FromHost::Output(b"a\n".to_vec()),
            FromHost::ErrorOutput(Vec::new()),
            FromHost::Listens,
            FromHost::ReadFile(258, "rows.csv".into()),
            FromHost::Exit(7),
            FromHost::TooMany,
        ];
        let bytes: Vec<u8> = frames.iter().flat_map(FromHost::encode).collect();
        let mut from = &bytes[..];
        for frame in frames {
            assert_eq!(
                FromHost::read(&mut from).await.expect("it is whole"),
                Some(frame)
            );
        }
        let hello = Hello::of((1, 2));
        let read = Hello::read(&mut &hello.encode()[..]).await;
        assert_eq!(read.expect("it is whole"), hello);
    }

    #[tokio::test]
    async fn the_bytes_stay_what_they_are() {
        let FromClient::Request(request) = request() else {
            unreachable!("it is one");
        };
        assert_eq!(
            FromClient::Request(request.clone()).encode(),
            b"\x01\0\0\0\x1c\0\x50\0\0\x01\0\0\0\x09driftless\0\0\0\x02\xff\0\0\0\0\0"
        );
        assert_eq!(request.encoded_len(), 0x1c);
        let hello = Hello {
            version: 2,
            pid: 258,
            folder: (3, 4),
            program: "0.1".into(),
        };
        assert_eq!(
            hello.encode(),
            b"DRFTSOCK\0\x02\0\0\x01\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\x030.1"
        );
    }

    #[tokio::test]
    async fn every_cut_and_every_lie_is_an_error() {
        let whole = request().encode();
        for end in 1..whole.len() {
            let read = FromClient::read(&mut &whole[..end]).await;
            assert!(read.is_err(), "cut at {end}");
        }
        for lie in [
            &b"\x07\0\0\0\0"[..],
            b"\x01\xff\xff\xff\xff",
            b"\x02\0\0\0\x01x",
            b"\x05\0\0\0\x03abc",
            b"\x01\0\0\0\x09\0\0\0\0\0\0\0\0\x01",
            b"\x01\0\0\0\x09\0\0\0\0\x02\0\0\0\0",
            b"\x01\0\0\0\x05\0\0\0\0\0",
        ] {
            assert!(FromClient::read(&mut &lie[..]).await.is_err(), "{lie:?}");
            assert!(FromHost::read(&mut &lie[..3]).await.is_err(), "{lie:?}");
        }
        assert!(Hello::read(&mut &b"HTTP/1.1 400"[..]).await.is_err());
        let later = Hello::read(&mut &b"DRFTSOCK\0\x03\0\0\0\x09and more"[..]).await;
        let later = later.expect("what stays is read");
        assert_eq!((later.version, later.pid, later.is_ours()), (3, 9, false));
    }
}
