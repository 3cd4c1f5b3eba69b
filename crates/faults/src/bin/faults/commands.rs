//! What can be asked for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use driftless::StoreEngine;
use driftless_faults::{
    FailingTally, Fault, Opened, Program, Seam, Tally, failing, kill, mending, parse_engine,
    parse_fault, power, run as work, spoil,
};

use crate::interpose::Interposed;

const USAGE: &str = "\
usage: faults power --engine sled|redb [--images N] [--seed S] [--commit ID]
       faults kill --engine sled|redb [--kills N] [--seed S] [--commit ID]
       faults failing --engine sled|redb [--every N] [--seed S] [--commit ID]
       faults spoil --engine sled|redb [--cases N] [--seed S] [--commit ID]
       faults mending --engine sled|redb [--images N] [--seed S] [--commit ID]";

/// Images of one recording.
const OF_ONE: u64 = 5_000;

/// One recording in so many has long values.
const HEAVY: u64 = 4;

/// Images of one repair.
const OF_ONE_REPAIR: u64 = 100;
/// Images of repairs that one process makes.
const OF_ONE_PROCESS: u64 = 1_000;

/// Steps of a recorded process.
const STEPS: u64 = 60;
/// The same where values are long.
const HEAVY_STEPS: u64 = 40;
/// Steps of a process in which something fails.
const FAILING_STEPS: u64 = 30;

/// Names and values; a flag without a value is `true`.
struct Arguments(BTreeMap<String, String>);

impl Arguments {
    fn of(words: &[String]) -> Result<Self, String> {
        let mut found = BTreeMap::new();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--");
            let name = name.ok_or_else(|| format!("`{word}` is unknown\n{USAGE}"))?;
            let value = words.next_if(|next| !next.starts_with("--"));
            let value = value.cloned().unwrap_or_else(|| "true".to_owned());
            found.insert(name.to_owned(), value);
        }
        Ok(Self(found))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    fn number(&self, name: &str, otherwise: u64) -> Result<u64, String> {
        let Some(text) = self.text(name) else {
            return Ok(otherwise);
        };
        let number = text.parse();
        number.map_err(|_| format!("`--{name} {text}`: that is no number\n{USAGE}"))
    }

    fn path(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.text(name).map(PathBuf::from);
        path.ok_or_else(|| format!("`--{name}` is needed\n{USAGE}"))
    }

    fn engine(&self) -> Result<StoreEngine, String> {
        let name = self.text("engine");
        parse_engine(name.ok_or_else(|| format!("`--engine` is needed\n{USAGE}"))?)
    }

    fn fault(&self) -> Result<Fault, String> {
        match self.text("fault") {
            None => Ok(Fault::None),
            Some(text) => parse_fault(text).ok_or_else(|| format!("`{text}` is no fault")),
        }
    }

    fn commit(&self) -> &str {
        self.text("commit").unwrap_or("(not given)")
    }
}

pub(crate) fn run() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((what, rest)) => Arguments::of(rest).and_then(|arguments| match what.as_str() {
            "power" => power_soak(&arguments),
            "kill" => kill_soak(&arguments),
            "failing" => failing_soak(&arguments),
            "spoil" => spoil_soak(&arguments),
            "mending" => mending_soak(&arguments),
            "interrupted" => interrupted(&arguments),
            "work" => do_work(&arguments),
            "images" => images(&arguments),
            _ => Err(USAGE.to_owned()),
        }),
        None => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The recorded process.
fn do_work(arguments: &Arguments) -> Result<(), String> {
    let (dir, log) = (arguments.path("dir")?, arguments.path("log")?);
    let program = Program {
        engine: arguments.engine()?,
        seed: arguments.number("seed", 1)?,
        steps: arguments.number("steps", 1)?,
        heavy: arguments.flag("heavy"),
        together: arguments.flag("together"),
        verifies: arguments.flag("verify"),
    };
    let fault = arguments.fault()?;
    if let Some(boot_id) = arguments.text("boot") {
        Interposed.reboot(Path::new(boot_id));
    }
    let first = arguments.number("first", 0)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    Interposed.record(&dir, Some(&log), fault);
    let done = runtime.block_on(work(&dir, program, first, &Interposed));
    let counted = Interposed.stop().1;
    let counts = format!("{} {}\n", counted.operations, counted.syncs);
    fs::write(log.with_extension("counted"), counts).map_err(|error| error.to_string())?;
    done.map_err(|error| format!("{}: {error}", error.code()))
}

/// One recording and its images, in a process of its own.
fn images(arguments: &Arguments) -> Result<(), String> {
    let heavy = arguments.flag("heavy");
    let program = Program {
        engine: arguments.engine()?,
        seed: arguments.number("seed", 1)?,
        steps: if heavy { HEAVY_STEPS } else { STEPS },
        heavy,
        together: !arguments.flag("alone"),
        verifies: false,
    };
    let images = usize::try_from(arguments.number("images", 200)?).unwrap_or(usize::MAX);
    let tally = power(program, images, arguments.fault()?, &Interposed)?;
    let of = |opened| tally.opened.get(&opened).copied().unwrap_or(0);
    println!(
        "{} {} {} {} {} {} {} {} {} {}",
        tally.images,
        tally.again,
        tally.killed,
        tally.equal,
        tally.operations,
        tally.acknowledged,
        of(Opened::Believed),
        of(Opened::Rebuilt),
        of(Opened::Mended),
        of(Opened::Nothing)
    );
    Ok(())
}

/// Reads what [`images`] printed.
fn parse_tally(text: &str) -> Option<Tally> {
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let [
        images,
        again,
        killed,
        equal,
        operations,
        acknowledged,
        opened @ ..,
    ] = &numbers[..]
    else {
        return None;
    };
    let kinds = [
        Opened::Believed,
        Opened::Rebuilt,
        Opened::Mended,
        Opened::Nothing,
    ];
    Some(Tally {
        images: *images,
        again: *again,
        killed: *killed,
        equal: *equal,
        operations: *operations,
        acknowledged: *acknowledged,
        opened: kinds.into_iter().zip(opened.iter().copied()).collect(),
    })
}

fn power_soak(arguments: &Arguments) -> Result<(), String> {
    let engine = arguments.engine()?;
    let wanted = arguments.number("images", 1_000)?;
    let seed = arguments.number("seed", 1)?;
    let begun = Instant::now();
    let mut tally = Tally::default();
    let mut recordings = 0;
    while tally.images < wanted {
        let missing = (wanted - tally.images).min(OF_ONE);
        let heavy = recordings % HEAVY == HEAVY - 1;
        let of_one = seed.wrapping_add(recordings);
        let found = start_images(engine, of_one, missing, heavy)
            .map_err(|why| format!("recording of seed {of_one}, heavy: {heavy}: {why}"))?;
        tally.add(&found);
        recordings += 1;
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!(
            "{} images, {recordings} recordings, {seconds:.0} s",
            tally.images
        );
    }
    let seconds = begun.elapsed().as_secs_f64();
    let opened = |opened| tally.opened.get(&opened).copied().unwrap_or(0);
    println!(
        "| `soak power --engine {engine} --images {wanted} --seed {seed}` | {} | {} | {seconds:.0} s | \
         {recordings} recordings, {} operations, {} acknowledged commits; {} images of killed processes, {} of a loss while \
         opening after a loss; opened as they were {}, rebuilt {}, mended by `rebuild` {}, no workspace yet {}; \
         {:.0} images a second; no failure |",
        arguments.commit(),
        tally.images,
        tally.operations,
        tally.acknowledged,
        tally.killed,
        tally.again,
        opened(Opened::Believed),
        opened(Opened::Rebuilt),
        opened(Opened::Mended),
        opened(Opened::Nothing),
        rate(tally.images, seconds),
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for a person")]
fn rate(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds.max(0.001)
}

fn start_images(engine: StoreEngine, seed: u64, images: u64, heavy: bool) -> Result<Tally, String> {
    let more: &[&str] = if heavy { &["--heavy"] } else { &[] };
    let said = start("images", engine, seed, images, more)?;
    parse_tally(&said).ok_or_else(|| format!("it said `{said}`"))
}

/// A process of its own, since an engine may leak, hang or abort; what it said.
fn start(
    what: &str,
    engine: StoreEngine,
    seed: u64,
    images: u64,
    more: &[&str],
) -> Result<String, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(this);
    command.args([what, "--engine", engine.name()]);
    command.args(["--seed", &seed.to_string(), "--images", &images.to_string()]);
    command.args(more);
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}\n{why}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn kill_soak(arguments: &Arguments) -> Result<(), String> {
    let engine = arguments.engine()?;
    let wanted = arguments.number("kills", 100)?;
    let seed = arguments.number("seed", 1)?;
    let begun = Instant::now();
    let tally = kill(engine, seed, wanted)?;
    println!(
        "| `soak kill --engine {engine} --kills {wanted} --seed {seed}` | {} | {} | {} s | {} of them at an operation, {} before \
         they wrote; {} folders, {} acknowledged commits; no failure |",
        arguments.commit(),
        tally.kills,
        begun.elapsed().as_secs(),
        tally.at_operations,
        tally.opening,
        tally.folders,
        tally.acknowledged,
    );
    Ok(())
}

fn failing_soak(arguments: &Arguments) -> Result<(), String> {
    let engine = arguments.engine()?;
    let every = arguments.number("every", 1)?.max(1);
    let seed = arguments.number("seed", 1)?;
    let begun = Instant::now();
    let program = Program {
        engine,
        seed,
        steps: FAILING_STEPS,
        heavy: false,
        together: true,
        verifies: false,
    };
    let FailingTally {
        runs,
        noticed,
        of_journal_syncs,
        images,
        acknowledged,
        errors,
    } = failing(program, every)?;
    for (error, count) in errors {
        eprintln!("{count} times: {error}");
    }
    println!(
        "| `soak failing --engine {engine} --every {every} --seed {seed}` | {} | {runs} | {} s | {noticed} noticed by the program, \
         {of_journal_syncs} failed syncs of the journal; {images} power-loss images after a failed sync; {acknowledged} \
         acknowledged commits; no failure |",
        arguments.commit(),
        begun.elapsed().as_secs(),
    );
    Ok(())
}

fn spoil_soak(arguments: &Arguments) -> Result<(), String> {
    let engine = arguments.engine()?;
    let wanted = arguments.number("cases", 1_000)?;
    let seed = arguments.number("seed", 1)?;
    let begun = Instant::now();
    let tally = spoil(engine, seed, wanted)?;
    for (outcome, count) in &tally.outcomes {
        eprintln!("{count} times {outcome}");
    }
    let ending = |with: &str| {
        let found = tally
            .outcomes
            .iter()
            .filter(|(what, _)| what.ends_with(with));
        found.map(|(_, count)| count).sum::<u64>()
    };
    println!(
        "| `soak spoil --engine {engine} --cases {wanted} --seed {seed}` | {} | {} | {} s | opened as they were {}, rebuilt {}, told \
         that acknowledged writes are gone {}, told and whole once the file was back {}; no failure |",
        arguments.commit(),
        tally.cases,
        begun.elapsed().as_secs(),
        ending("opened"),
        ending("rebuilt"),
        ending("are gone"),
        ending("is back"),
    );
    Ok(())
}

/// Repairs and their images, in a process of its own.
fn interrupted(arguments: &Arguments) -> Result<(), String> {
    let seed = arguments.number("seed", 1)?;
    let images = arguments.number("images", 100)?;
    let tally = mending(
        arguments.engine()?,
        seed,
        images,
        OF_ONE_REPAIR,
        arguments.fault()?,
        &Interposed,
    )?;
    println!(
        "{} {} {} {} {} {} {}",
        tally.repairs,
        tally.images,
        tally.killed,
        tally.opened,
        tally.operations,
        tally.missing,
        tally.beyond
    );
    Ok(())
}

fn mending_soak(arguments: &Arguments) -> Result<(), String> {
    let engine = arguments.engine()?;
    let wanted = arguments.number("images", 1_000)?;
    let seed = arguments.number("seed", 1)?;
    let begun = Instant::now();
    let mut sums = [0; 7];
    let mut processes = 0;
    while sums[1] < wanted {
        let of_one = seed.wrapping_add(processes);
        let images = (wanted - sums[1]).min(OF_ONE_PROCESS);
        let said = start("interrupted", engine, of_one, images, &[])
            .map_err(|why| format!("repairs of seed {of_one}: {why}"))?;
        let numbers: Vec<u64> = said
            .split_whitespace()
            .map_while(|n| n.parse().ok())
            .collect();
        if numbers.len() != sums.len() {
            return Err(format!("it said `{said}`"));
        }
        for (sum, number) in sums.iter_mut().zip(numbers) {
            *sum += number;
        }
        processes += 1;
        eprintln!(
            "{} images, {} repairs, {} s",
            sums[1],
            sums[0],
            begun.elapsed().as_secs()
        );
    }
    let [repairs, images, killed, opened, operations, missing, beyond] = sums;
    println!(
        "| `soak mending --engine {engine} --images {wanted} --seed {seed}` | {} | {images} | {} s | {repairs} repairs, {operations} \
         operations; {killed} images of killed processes; {opened} opened before they were repaired again; {missing} envelopes were \
         gone, {beyond} folders beyond repair and told; no failure |",
        arguments.commit(),
        begun.elapsed().as_secs(),
    );
    Ok(())
}
