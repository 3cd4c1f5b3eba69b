//! How long a soak runs, what it is called, and where its line goes.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use driftless_testkit::mutations::Class;
use rustix::time::{ClockId, clock_gettime};

use crate::USAGE;

/// How often it says how far it is.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// How many cases can be carried out at once.
const MOST_THREADS: usize = 256;

/// What was asked for.
#[derive(Clone)]
pub(crate) struct Options {
    time: Option<Duration>,
    cases: Option<u64>,
    threads: usize,
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
            threads: 1,
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
                "--threads" => match usize::try_from(number()?) {
                    Ok(threads @ 1..=MOST_THREADS) => options.threads = threads,
                    _ => return Err(format!("`--threads` is from 1 to {MOST_THREADS}\n{USAGE}")),
                },
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
        let mut progress = Progress::begin(what);
        loop {
            if self.is_late(progress.begun) || self.cases.is_some_and(|most| progress.cases >= most)
            {
                return Ok(progress.cases);
            }
            case(self.seed.wrapping_add(progress.cases))?;
            progress.one_more();
        }
    }

    /// The same on as many threads as were asked for; what a case gives is taken here, in no certain order. A failure
    /// ends all, once the cases that were begun are through.
    pub(crate) fn each_at_once<T: Send, E: Send>(
        &self,
        what: &str,
        case: impl Fn(u64) -> Result<T, E> + Sync,
        mut take: impl FnMut(T),
    ) -> Result<u64, E> {
        let mut progress = Progress::begin(what);
        let (begun, next) = (progress.begun, AtomicU64::new(0));
        let has_failed = AtomicBool::new(false);
        let (give, given) = mpsc::channel();
        let work = |give: mpsc::Sender<_>| {
            while !has_failed.load(Ordering::Relaxed) && !self.is_late(begun) {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if self.cases.is_some_and(|most| n >= most) {
                    break;
                }
                let done = case(self.seed.wrapping_add(n));
                if done.is_err() {
                    has_failed.store(true, Ordering::Relaxed);
                }
                if give.send(done).is_err() {
                    break;
                }
            }
        };
        thread::scope(|scope| {
            for give in vec![give; self.threads] {
                scope.spawn(|| work(give));
            }
            let mut failed = None;
            for done in given {
                match done {
                    Ok(done) => {
                        take(done);
                        progress.one_more();
                    }
                    Err(why) => failed = failed.or(Some(why)),
                }
            }
            failed.map_or(Ok(progress.cases), Err)
        })
    }

    fn is_late(&self, begun: Instant) -> bool {
        self.time.is_some_and(|time| begun.elapsed() >= time)
    }
}

/// How far a run is, told now and then.
struct Progress<'a> {
    what: &'a str,
    begun: Instant,
    told: Instant,
    cases: u64,
}

impl<'a> Progress<'a> {
    fn begin(what: &'a str) -> Self {
        let begun = Instant::now();
        Self {
            what,
            begun,
            told: begun,
            cases: 0,
        }
    }

    fn one_more(&mut self) {
        self.cases += 1;
        if self.told.elapsed() >= BETWEEN_LINES {
            self.told = Instant::now();
            let (cases, what) = (self.cases, self.what);
            eprintln!("{cases} {what}, {} s of CPU", cpu_seconds());
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
