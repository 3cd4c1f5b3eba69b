//! How long a soak runs, and what it is called.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::USAGE;

/// How often it says how far it is.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// What was asked for.
pub(crate) struct Options {
    minutes: Option<u64>,
    cases: Option<u64>,
    /// What the seeds begin at.
    pub(crate) seed: u64,
    /// What the ledger is to name.
    pub(crate) commit: String,
}

impl Options {
    pub(crate) fn of(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            minutes: None,
            cases: None,
            seed: 1,
            commit: "(not given)".to_owned(),
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
                "--minutes" => options.minutes = Some(number()?),
                "--cases" => options.cases = Some(number()?),
                "--seed" => options.seed = number()?,
                "--commit" => options.commit.clone_from(value),
                _ => return Err(format!("`{name}` is unknown\n{USAGE}")),
            }
        }
        if options.minutes.is_none() && options.cases.is_none() {
            options.minutes = Some(1);
        }
        Ok(options)
    }

    /// Calls `case` with one seed after the other until the time or the cases are over; how many there were.
    pub(crate) fn each<E>(
        &self,
        what: &str,
        mut case: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<u64, E> {
        let begun = Instant::now();
        let mut told = begun;
        let time = self
            .minutes
            .map(|minutes| Duration::from_secs(minutes * 60));
        let mut cases = 0_u64;
        loop {
            let is_late = time.is_some_and(|time| begun.elapsed() >= time);
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

/// Seconds of CPU this process has had.
pub(crate) fn cpu_seconds() -> i64 {
    clock_gettime(ClockId::ProcessCPUTime).tv_sec
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
