//! Where the socket is: in the folder, for this user only, replaced as a whole, removed by whoever made it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::limits::SOCKET_PATH_BYTES_MAX;

/// The name of the socket in its folder.
const NAME: &str = "driftless.sock";
/// Its name until it is ready.
const NAME_NEW: &str = "driftless.sock.new";

/// The socket of a folder, as a person finds it.
pub(super) fn path_in(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// What tells a folder from every other on this machine.
pub(super) fn identity(dir: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(dir)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Whether the process at the other end is one of this user's.
pub(super) fn is_own(stream: &UnixStream) -> io::Result<bool> {
    Ok(stream.peer_cred()?.uid() == rustix::process::geteuid().as_raw())
}

/// Connects to the socket of a folder.
pub(super) async fn connect(dir: &Path) -> io::Result<UnixStream> {
    let short = Short::of(dir, NAME)?;
    UnixStream::connect(&short.path).await
}

/// A socket that is there as long as this is.
pub(super) struct Place {
    path: PathBuf,
    /// Another process may have put its own there meanwhile; that one stays.
    identity: (u64, u64),
}

impl Place {
    /// Listens in a folder that this process holds: whatever is there is stale.
    pub(super) fn listen(dir: &Path) -> io::Result<(Self, UnixListener)> {
        let new = dir.join(NAME_NEW);
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let short = Short::of(dir, NAME_NEW)?;
        let listener = UnixListener::bind(&short.path)?;
        let made = fs::set_permissions(&new, Permissions::from_mode(0o600))
            .and_then(|()| fs::symlink_metadata(&new))
            .and_then(|metadata| {
                let path = path_in(dir);
                fs::rename(&new, &path)?;
                let identity = (metadata.dev(), metadata.ino());
                Ok(Self { path, identity })
            });
        match made {
            Ok(place) => Ok((place, listener)),
            Err(error) => {
                // It is of no use, and in nobody's way.
                let _ = fs::remove_file(&new);
                Err(error)
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            // What stays is stale, and replaced by the next process that listens.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A path that is short enough for a socket's address.
struct Short {
    path: PathBuf,
    /// What the path leads through.
    _dir: Option<File>,
}

impl Short {
    fn of(dir: &Path, name: &str) -> io::Result<Self> {
        let path = dir.join(name);
        if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return Ok(Self { path, _dir: None });
        }
        let dir = File::open(dir)?;
        let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string());
        if !path.exists() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the folder's path is too long for a socket",
            ));
        }
        Ok(Self {
            path: path.join(name),
            _dir: Some(dir),
        })
    }
}
