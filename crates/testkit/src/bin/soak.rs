//! Long runs of the convergence harness, without a fuzzer.
//!
//! * `soak convergence [--minutes N | --cases N] [--seed S] [--commit ID]` carries out random schedules, the seeds
//!   counted up from `S`, and prints one line for the ledger in docs/reliability.md. The first failure ends it: its
//!   schedule is made small, told, and kept as a file of the temporary folder.
//! * `soak replay FILE...` carries out kept inputs and tells each; one that fails is made small likewise.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use driftless_testkit::schedule::Schedule;
use driftless_testkit::shrink::shrink;
use driftless_testkit::world::{Failure, run_caught};
use rustix::time::{ClockId, clock_gettime};

const USAGE: &str = "\
usage: soak convergence [--minutes N | --cases N] [--seed S] [--commit ID]
       soak replay FILE...";

/// How often it says how far it is.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == "convergence" => Soak::of(rest).and_then(|s| s.run()),
        Some((first, rest)) if first == "replay" && !rest.is_empty() => replay(rest),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

struct Soak {
    minutes: Option<u64>,
    cases: Option<u64>,
    seed: u64,
    commit: String,
}

impl Soak {
    fn of(arguments: &[String]) -> Result<Self, String> {
        let mut soak = Self {
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
                "--minutes" => soak.minutes = Some(number()?),
                "--cases" => soak.cases = Some(number()?),
                "--seed" => soak.seed = number()?,
                "--commit" => soak.commit.clone_from(value),
                _ => return Err(format!("`{name}` is unknown\n{USAGE}")),
            }
        }
        if soak.minutes.is_none() && soak.cases.is_none() {
            soak.minutes = Some(1);
        }
        Ok(soak)
    }

    fn run(&self) -> Result<(), String> {
        let begun = Instant::now();
        let mut told = begun;
        let (mut cases, mut changes, mut frames) = (0_u64, 0_u64, 0_u64);
        let time = self
            .minutes
            .map(|minutes| Duration::from_secs(minutes * 60));
        loop {
            let is_late = time.is_some_and(|time| begun.elapsed() >= time);
            if is_late || self.cases.is_some_and(|most| cases >= most) {
                break;
            }
            let seed = self.seed.wrapping_add(cases);
            let schedule = Schedule::random(seed);
            match run_caught(&schedule, None) {
                Ok(outcome) => {
                    changes += outcome.changes as u64;
                    frames += outcome.frames;
                }
                Err(failure) => {
                    let name = format!("convergence-{seed}");
                    return Err(report(&name, &schedule, &failure));
                }
            }
            cases += 1;
            if told.elapsed() >= BETWEEN_LINES {
                told = Instant::now();
                eprintln!("{cases} schedules, {} s of CPU", cpu_seconds());
            }
        }
        println!(
            "| `soak convergence --seed {} --cases {cases}` | {} | {cases} | {} | {changes} changes, {frames} frames; no failure |",
            self.seed,
            self.commit,
            cpu_text()
        );
        Ok(())
    }
}

/// Makes a failing schedule small, keeps it and tells it.
fn report(name: &str, schedule: &Schedule, failure: &Failure) -> String {
    eprintln!("{name}: {failure}\nmaking it smaller ...");
    let small = shrink(schedule, &mut |smaller| run_caught(smaller, None).is_err());
    let last = run_caught(&small, None).err();
    let last = last.unwrap_or_else(|| failure.clone());
    let path = std::env::temp_dir().join(name);
    let kept = match std::fs::write(&path, small.encode()) {
        Ok(()) => format!("kept as {}", path.display()),
        Err(error) => format!("not kept as {}: {error}", path.display()),
    };
    format!("{small}\n{last}\n\n{kept}")
}

fn replay(files: &[String]) -> Result<(), String> {
    let mut failed = 0;
    for file in files {
        let bytes = std::fs::read(Path::new(file)).map_err(|error| format!("{file}: {error}"))?;
        let schedule = Schedule::decode(&bytes);
        println!("{file}: {schedule}");
        match run_caught(&schedule, None) {
            Ok(outcome) => println!("{outcome:?}\n"),
            Err(failure) => {
                failed += 1;
                let name = Path::new(file).file_name().unwrap_or_default();
                let name = format!("{}-small", name.to_string_lossy());
                println!("FAILED {}\n", report(&name, &schedule, &failure));
            }
        }
    }
    if failed > 0 {
        return Err(format!("{failed} of {} failed", files.len()));
    }
    Ok(())
}

/// Seconds of CPU this process has had.
fn cpu_seconds() -> i64 {
    clock_gettime(ClockId::ProcessCPUTime).tv_sec
}

fn cpu_text() -> String {
    let seconds = cpu_seconds();
    format!(
        "{} h {:02} min {:02} s",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}
