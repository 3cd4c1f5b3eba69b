//! A process on a terminal of its own: keys in, what a person sees out.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::support::{DEADLINE, Device};

/// A process on a terminal; it is killed when nobody holds it any more.
pub struct Terminal {
    child: Child,
    /// The other end of the terminal.
    keyboard: File,
    screen: Receiver<String>,
    /// All that was shown.
    shown: String,
    /// As much of it as was waited for.
    seen: usize,
    before: LocalModes,
}

impl Terminal {
    /// Starts a command on a terminal of so many columns.
    pub fn start<S: AsRef<OsStr>>(
        device: &Device,
        columns: u16,
        colors: bool,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it opens");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let slave = File::options()
            .read(true)
            .write(true)
            .open(OsStr::from_bytes(name.to_bytes()))
            .expect("its other end");
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).expect("it has a size");
        let before = modes(&master);
        let mut command = device.command(arguments);
        command.env("TERM", "xterm");
        if colors {
            command.env_remove("NO_COLOR");
        }
        let end = || slave.try_clone().expect("a handle");
        command.stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("the binary starts");
        drop(command); // and with it the last other end of ours
        drop(slave);
        let keyboard = File::from(master);
        let screen = read_all(keyboard.try_clone().expect("a handle"));
        Self {
            child,
            keyboard,
            screen,
            shown: String::new(),
            seen: 0,
            before,
        }
    }

    /// Waits until this is shown behind what was waited for before, and gives all that came until then.
    #[track_caller]
    pub fn sees(&mut self, part: &str) -> String {
        loop {
            let new = &self.shown[self.seen..];
            if let Some(at) = new.find(part) {
                let until = new[..at + part.len()].to_owned();
                self.seen += until.len();
                return until;
            }
            match self.screen.recv_timeout(DEADLINE) {
                Ok(text) => self.shown += &text,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended without `{part}`: {}", self.shown)
                }
                Err(RecvTimeoutError::Timeout) => panic!("no `{part}`: {}", self.shown),
            }
        }
    }

    /// Presses keys.
    #[track_caller]
    pub fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("it takes keys");
    }

    /// What Ctrl-C makes the terminal do to its process.
    pub fn interrupt(&self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process has an id"), Signal::INT).expect("it is running");
    }

    /// How the terminal treats what is typed.
    pub fn modes(&self) -> LocalModes {
        modes(&self.keyboard)
    }

    /// Waits until the process ends; then the terminal is as it was. Gives all that was shown.
    #[track_caller]
    pub fn ends(mut self) -> (ExitStatus, String) {
        loop {
            match self.screen.recv_timeout(DEADLINE) {
                Ok(text) => self.shown += &text,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {}", self.shown),
            }
        }
        let status = self.child.wait().expect("it has ended");
        assert_eq!(self.modes(), self.before, "the terminal is as it was");
        (status, std::mem::take(&mut self.shown))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has most likely ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn modes(terminal: impl std::os::fd::AsFd) -> LocalModes {
    tcgetattr(terminal).expect("it is a terminal").local_modes
}

/// Reads what is shown on a thread of its own; the end is that nobody holds the other end any more.
fn read_all(mut screen: File) -> Receiver<String> {
    let (send, shown) = channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        let mut rest = Vec::new();
        while let Ok(n) = screen.read(&mut bytes)
            && n > 0
        {
            rest.extend(&bytes[..n]);
            // A letter that is not whole yet waits for its end.
            let whole = match std::str::from_utf8(&rest) {
                Ok(text) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            let text = String::from_utf8_lossy(&rest[..whole]).into_owned();
            rest.drain(..whole);
            if send.send(text).is_err() {
                break;
            }
        }
    });
    shown
}
