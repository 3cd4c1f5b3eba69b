//! How long a soak runs, what it is called, and where its line goes.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use driftless_testkit::mutations::Class;
use rustix::time::{ClockId, clock_gettime};

use crate::USAGE;

/// How often it says how far it is.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// What was asked for.
#[derive(Clone)]
pub(crate) struct Options {
    time: Option<Duration>,
    cases: Option<u64>,
    /// What the seeds begin at.
    pub(crate) seed: u64,
    /// The only class of altered inputs that is tried, if not all are.
    pub(crate) class: Option<Class>,
    /// What the ledger is to name.
    pub(crate) commit: String,
    /// The file that lines and failures are added to.
    ledger: Option<PathBuf>,
}

impl Options {
    pub(crate) fn of(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            time: None,
            cases: None,
            seed: 1,
            class: None,
            commit: "(not given)".to_owned(),
            ledger: None,
        };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else {
                return Err(format!("`{}` needs a value\n{USAGE}", pair[0]));
            };
            let number = || {
                let parsed = value.parse::<u64>();
                parsed.map_err(|_| format!("`{name} {value}`: that is no number\n{USAGE}"))
            };
            match name.as_str() {
                "--minutes" => options.time = Some(Duration::from_secs(number()? * 60)),
                "--cases" => options.cases = Some(number()?),
                "--seed" => options.seed = number()?,
                "--class" => {
                    let class = Class::named(value);
                    let unknown = || format!("`{value}` is no class of inputs\n{USAGE}");
                    options.class = Some(class.ok_or_else(unknown)?);
                }
                "--commit" => options.commit.clone_from(value),
                "--ledger" => options.ledger = Some(PathBuf::from(value)),
                _ => return Err(format!("`{name}` is unknown\n{USAGE}")),
            }
        }
        if options.time.is_none() && options.cases.is_none() {
            options.time = Some(Duration::from_secs(60));
        }
        Ok(options)
    }

    /// The same with so many hundredths of the time, or of the cases.
    pub(crate) fn share(&self, hundredths: u32) -> Self {
        Self {
            time: self.time.map(|time| time * hundredths / 100),
            cases: self.cases.map(|n| (n * u64::from(hundredths) / 100).max(1)),
            ..self.clone()
        }
    }

    /// Prints a line for the ledger, and adds it to the file that was named for it.
    pub(crate) fn ledger(&self, line: &str) {
        println!("{line}");
        let Some(path) = &self.ledger else {
            return;
        };
        let file = OpenOptions::new().create(true).append(true).open(path);
        if let Err(error) = file.and_then(|mut file| writeln!(file, "{line}")) {
            eprintln!("{}: {error}", path.display());
        }
    }

    /// Calls `case` with one seed after the other until the time or the cases are over; how many there were.
    pub(crate) fn each<E>(
        &self,
        what: &str,
        mut case: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<u64, E> {
        let begun = Instant::now();
        let mut told = begun;
        let mut cases = 0_u64;
        loop {
            let is_late = self.time.is_some_and(|time| begun.elapsed() >= time);
            if is_late || self.cases.is_some_and(|most| cases >= most) {
                return Ok(cases);
            }
            case(self.seed.wrapping_add(cases))?;
            cases += 1;
            if told.elapsed() >= BETWEEN_LINES {
                told = Instant::now();
                eprintln!("{cases} {what}, {} s of CPU", cpu_seconds());
            }
        }
    }
}

/// CPU time this process has had.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Seconds of it.
pub(crate) fn cpu_seconds() -> u64 {
    cpu_time().as_secs()
}

pub(crate) fn cpu_text() -> String {
    let seconds = cpu_seconds();
    format!(
        "{} h {:02} min {:02} s",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}
