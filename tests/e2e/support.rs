//! Devices as processes: run a command and look at what it said, or start one and wait for its lines.
//!
//! Nothing here sleeps: a test waits for a line or for the end of a process, and a deadline turns a wait that
//! never ends into a failure with everything the process said.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;

/// Longer than anything here takes on a slow machine; what waits longer hangs.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A folder for one test, gone at its end.
pub struct World {
    folder: TempDir,
}

impl World {
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("driftless-e2e-").expect("a temporary folder");
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Leaves the folder there, to be looked at after a failure.
    pub fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// Writes a file and gives its path as text.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("the file is written");
        path.to_str().expect("the path is text").to_owned()
    }

    /// A device that is not there yet.
    pub fn device(&self, name: &str) -> Device {
        Device {
            dir: self.path(name),
            name: name.to_owned(),
        }
    }

    /// A new device with a new workspace.
    pub fn init(&self, name: &str) -> Device {
        let device = self.device(name);
        device.json(["init", "--name", name]);
        device
    }

    /// A new device that joins with the link.
    pub fn join(&self, name: &str, link: &str) -> Device {
        let device = self.device(name);
        device.json(["join", link, "--name", name]);
        device
    }
}

/// One device's folder.
pub struct Device {
    pub dir: PathBuf,
    pub name: String,
}

impl Device {
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = driftless(arguments);
        command.arg("--dir").arg(&self.dir);
        command
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        Running::start(self.command(arguments)).wait()
    }

    /// Runs a command that must succeed, and gives its JSON lines.
    pub fn lines<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Vec<Json> {
        let mut command = self.command(arguments);
        command.arg("--json");
        Running::start(command).wait().succeeded().lines()
    }

    /// Runs a command that must succeed, and gives its one JSON object.
    pub fn json<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Json {
        let mut lines = self.lines(arguments);
        assert_eq!(lines.len(), 1, "one object is printed: {lines:?}");
        lines.remove(0)
    }

    /// Runs a command that must fail with this exit code, and gives its JSON error.
    pub fn fails<S: AsRef<OsStr>>(
        &self,
        exit_code: i32,
        arguments: impl IntoIterator<Item = S>,
    ) -> Json {
        let mut command = self.command(arguments);
        command.arg("--json");
        Running::start(command).wait().failed(exit_code)
    }

    /// Starts a command and goes on.
    pub fn start<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Running {
        Running::start(self.command(arguments))
    }

    /// Serves on a free port until the end of the test, or until it is stopped.
    pub fn serve(&self) -> Serving {
        self.serve_on("127.0.0.1:0", &[])
    }

    /// Serves on a free port and prints an invitation.
    pub fn serve_and_invite(&self) -> Serving {
        self.serve_on("127.0.0.1:0", &["--invite"])
    }

    /// Serves on this address.
    #[track_caller]
    pub fn serve_on(&self, address: &str, more: &[&str]) -> Serving {
        let arguments = ["serve", "--listen", address];
        let mut process = self.start(arguments.iter().chain(more));
        let first = process.stdout_line();
        let url = first
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("the first line says where it listens: {first}"))
            .to_owned();
        let link = more.contains(&"--invite").then(|| process.stdout_line());
        Serving { process, url, link }
    }

    pub fn digest(&self) -> Json {
        self.json(["digest"])
    }

    pub fn insert(&self, collection: &str, fields: &[&str]) -> String {
        let arguments = ["insert", collection]
            .into_iter()
            .chain(fields.iter().copied());
        text(&self.json(arguments)["id"])
    }

    /// The fields of a record.
    pub fn fields(&self, collection: &str, record: &str) -> Json {
        self.json(["get", collection, record])["fields"].take()
    }

    pub fn conflicts(&self, more: &[&str]) -> Vec<Json> {
        self.lines(["conflicts", "list"].iter().chain(more))
    }

    /// The conflict log as `conflicts export` writes it.
    pub fn export(&self) -> String {
        self.run(["conflicts", "export"]).succeeded().stdout
    }

    /// Copies its folder, which nobody has open.
    pub fn copy_to(&self, to: &Path) {
        copy_folder(&self.dir, to);
    }

    /// The folder of the store that is in use.
    pub fn store(&self) -> PathBuf {
        let current = std::fs::read_to_string(self.dir.join("CURRENT")).expect("CURRENT is there");
        let name = current.split_whitespace().next().expect("it names a store");
        self.dir.join(name)
    }
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("the folder is made");
    for entry in std::fs::read_dir(from).expect("it is a folder") {
        let entry = entry.expect("it is read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it has a kind").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("the file is copied");
        }
    }
}

/// The binary, with nothing of the environment that could change what it prints.
pub fn driftless<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
    command.args(arguments);
    for variable in ["DRIFTLESS_DIR", "DRIFTLESS_LOG", "COLUMNS"] {
        command.env_remove(variable);
    }
    command.env("NO_COLOR", "1");
    command
}

/// Runs the binary without a folder.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Outcome {
    Running::start(driftless(arguments)).wait()
}

/// What a process said and how it ended.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.status.success(), "the command succeeds: {self:#?}");
        self
    }

    /// The JSON error of a command that ended with this exit code.
    #[track_caller]
    pub fn failed(self, exit_code: i32) -> Json {
        assert_eq!(self.status.code(), Some(exit_code), "{self:#?}");
        assert_eq!(
            self.stdout, "",
            "a failed command prints no answer: {self:#?}"
        );
        self.error()
    }

    /// The JSON error on the last line of standard error.
    #[track_caller]
    pub fn error(&self) -> Json {
        assert!(!self.stderr.contains("panicked"), "no panic: {self:#?}");
        let last = self.stderr.lines().last().unwrap_or_default();
        let error: Json = serde_json::from_str(last)
            .unwrap_or_else(|_| panic!("standard error ends with a JSON error: {self:#?}"));
        let error = error["error"].clone();
        for field in ["code", "message", "remedy"] {
            let said = error[field].as_str().unwrap_or_default();
            assert!(
                !said.is_empty(),
                "{field} is a text that is not empty: {self:#?}"
            );
        }
        assert!(error["retry"].is_boolean(), "{self:#?}");
        error
    }

    /// Standard output, a JSON value a line.
    #[track_caller]
    pub fn lines(&self) -> Vec<Json> {
        self.stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("a line is JSON ({error}): {line}"))
            })
            .collect()
    }
}

/// A process that was started; it is killed when nobody holds it any more.
pub struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Running {
    pub fn start(command: Command) -> Self {
        Self::start_with_stdout(command, Stdio::piped())
    }

    /// Starts it with a standard output that nobody reads, as behind a `head` that has enough.
    pub fn start_unread(command: Command) -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Self::start_with_stdout(command, writer.into())
    }

    fn start_with_stdout(mut command: Command, stdout: Stdio) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = match child.stdout.take() {
            Some(pipe) => Lines::of(pipe),
            None => Lines::none(),
        };
        let stderr = Lines::of(child.stderr.take().expect("it is piped"));
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// The next line of standard output.
    #[track_caller]
    pub fn stdout_line(&mut self) -> String {
        match self.stdout.next() {
            Some(line) => line,
            None => panic!(
                "standard output ended; standard error: {}",
                self.stderr.rest()
            ),
        }
    }

    /// Waits for a line of standard error that has this in it.
    #[track_caller]
    pub fn stderr_line_with(&mut self, part: &str) -> String {
        while let Some(line) = self.stderr.next() {
            if line.contains(part) {
                return line;
            }
        }
        panic!(
            "no line has `{part}`; standard error: {}",
            self.stderr.rest()
        );
    }

    /// Reads what standard error says until then; the process must not end meanwhile.
    #[track_caller]
    pub fn stderr_until(&mut self, until: Instant) {
        assert!(
            self.stderr.read_until(until),
            "it ended by itself; standard error: {}",
            self.stderr.rest()
        );
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it at once, whatever it does.
    pub fn kill(mut self) {
        self.child.kill().expect("it is running");
        self.child.wait().expect("it has ended");
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process has an id"), signal).expect("it is running");
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        let stdout = self.stdout.rest();
        let stderr = self.stderr.rest();
        let status = self.child.wait().expect("it has ended");
        Outcome {
            status,
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has most likely ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A device that serves.
pub struct Serving {
    process: Running,
    pub url: String,
    link: Option<String>,
}

impl Serving {
    #[track_caller]
    pub fn link(&self) -> &str {
        self.link
            .as_deref()
            .expect("it was asked for an invitation")
    }

    pub fn process(&mut self) -> &mut Running {
        &mut self.process
    }

    /// Asks it to end, and waits until it has, within the time it promises.
    #[track_caller]
    pub fn stop(self) -> Outcome {
        self.process.interrupt();
        self.stop_asked()
    }

    /// Waits until it has ended, after it was asked in another way.
    #[track_caller]
    pub fn stop_asked(self) -> Outcome {
        let asked = Instant::now();
        let outcome = self.process.wait().succeeded();
        assert!(
            asked.elapsed() < Duration::from_secs(5),
            "it closes within 5 s"
        );
        outcome
    }

    pub fn kill(self) {
        self.process.kill();
    }
}

/// The lines of a pipe, read by a thread of their own so that the writer never waits.
struct Lines {
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (send, lines) = channel();
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe
                .read_until(b'\n', &mut line)
                .is_ok_and(|bytes| bytes > 0)
            {
                let text = String::from_utf8_lossy(&line)
                    .trim_end_matches('\n')
                    .to_owned();
                if send.send(text).is_err() {
                    break;
                }
                line.clear();
            }
        });
        Self {
            lines,
            said: Vec::new(),
        }
    }

    /// Of a pipe that is not ours to read.
    fn none() -> Self {
        let (_, lines) = channel();
        Self {
            lines,
            said: Vec::new(),
        }
    }

    #[track_caller]
    fn next(&mut self) -> Option<String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => {
                self.said.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("nothing was said for {DEADLINE:?} after {:#?}", self.said)
            }
        }
    }

    /// Whether the pipe is still open then.
    fn read_until(&mut self, until: Instant) -> bool {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => return true,
            }
        }
    }

    /// All lines, those that were looked at already included.
    fn rest(&mut self) -> String {
        while self.next().is_some() {}
        text_of(self.said.iter().cloned())
    }
}

/// A JSON text without its quotes.
#[track_caller]
pub fn text(value: &Json) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text is expected, not {value}"))
        .to_owned()
}

/// The lines as one text.
pub fn text_of(lines: impl Iterator<Item = String>) -> String {
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// A JSON number that is a count.
#[track_caller]
pub fn number(value: &Json) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("a count is expected, not {value}"))
}

/// What a sync cost after its handshake, in bytes.
pub fn bytes_after_handshake(sync: &Json) -> u64 {
    number(&sync["bytes_sent"]) + number(&sync["bytes_received"]) - number(&sync["handshake_bytes"])
}

/// The files below a folder, largest first.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is read") {
            let path = entry.expect("the entry is read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    files.sort_by_key(|path| std::cmp::Reverse(size(path)));
    files
}
