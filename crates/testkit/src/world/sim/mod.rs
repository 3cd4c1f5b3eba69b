//! The simulated world: devices whose network, disks, processes and clocks fail as a seed says, one after the other
//! on one thread.
//!
//! A run is a queue of events in the order of a time of its own. First everything may break ([`Odds`] says what and
//! how often); then all faults end, and the devices, left to themselves, must agree within bounded time and traffic and
//! then keep silent; then the [`World`] underneath is checked as after a schedule. Each concern draws from dice of its
//! own, so the same seed gives the same run, to the last byte of every frame: [`SimOutcome::trace`] says so.
//!
//! What a device does in a run is what the driver of the `driftless` crate does: it keeps connections to some others,
//! dials again after a wait with full jitter, commits what frames bring, and sends what its sessions want sent. What
//! befalls a device between two of these effects is drawn too.
//!
//! Must hold, besides what [`super::run`] says: the checks of [`super::checks`], at random moments.

mod calm;
mod claims;
mod damage;
mod hosts;
mod leaver;
mod mischief;
mod net;
mod odds;
mod smaller;
mod twice;
mod villain;
mod villainy;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use driftless_document::ChangeHash;

use super::judge::TakenApart;
use super::{Outcome, World, Wrong};
use crate::device::START_MS;
use crate::histories::Dice;
use hosts::{Host, Keeper};
use leaver::Leaver;
use net::{Tape, Wire};
pub use odds::{Mischief, Odds};
pub use smaller::make_smaller;
use villain::Villain;

/// Lines of the story of a run that are told when it fails.
const LINES: usize = 60;
/// Milliseconds between two ticks.
const TICK_MS: i64 = 1_000;

/// Something broken on purpose, by the simulation and not by what it tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimCanary {
    /// A frame is lost, and the connection goes on as if it had arrived.
    DroppedDelivery,
    /// The conflict log is read in the order in which its changes arrived.
    UnstableOrder,
    /// Disks say that they have synced what they have not: what is acknowledged is not durable.
    AcknowledgedEarly,
    /// What the forger signs in the name of another is taken: it has the other's key.
    AnySignature,
    /// A connection that failed is not dialled again.
    ForgottenTimer,
    /// A device says of a record that somebody has it who has not.
    SyncedTooEarly,
    /// A frame to a stranger carries what members say.
    TalkedToStranger,
}

impl SimCanary {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::DroppedDelivery,
        Self::UnstableOrder,
        Self::AcknowledgedEarly,
        Self::AnySignature,
        Self::ForgottenTimer,
        Self::SyncedTooEarly,
        Self::TalkedToStranger,
    ];
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimOutcome {
    /// What the world came to; its trace is that of the whole run.
    pub world: Outcome,
    /// Events that were carried out.
    pub events: u64,
    /// Milliseconds of the devices' time, all of them together.
    pub device_ms: u64,
    /// How often what befell somebody.
    pub befell: BTreeMap<String, u64>,
}

/// What was not as it must be in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimFailure {
    /// Of which run.
    pub seed: u64,
    /// What could happen in it.
    pub odds: Odds,
    /// When, in milliseconds since it began.
    pub at_ms: i64,
    /// What.
    pub what: String,
    /// What happened last.
    pub story: Vec<String>,
}

impl fmt::Display for SimFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.story {
            writeln!(formatter, "  {line}")?;
        }
        writeln!(formatter, "seed {}: {}", self.seed, self.odds)?;
        write!(formatter, "at {} ms: {}", self.at_ms, self.what)
    }
}

/// Something that happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The next frame of a connection arrives at a side.
    Arrive { wire: u64, side: usize },
    /// A side learns that a connection is gone.
    Notice { wire: u64, side: usize },
    /// A kept connection is dialled.
    Dial { keeper: usize },
    /// What is staged at a device is committed.
    Commit { host: usize },
    /// A person does something at a device.
    Act { host: usize },
    /// What may befall somebody is drawn.
    Tick,
}

/// The dice of each concern.
struct DiceOf {
    net: Dice,
    hosts: Dice,
    people: Dice,
    faults: Dice,
    villain: Dice,
}

impl DiceOf {
    fn of(seed: u64) -> Self {
        let dice = |concern: &str| {
            let mut hash = blake3::Hasher::new();
            hash.update(&seed.to_le_bytes()).update(concern.as_bytes());
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&hash.finalize().as_bytes()[..8]);
            Dice(u64::from_le_bytes(bytes))
        };
        Self {
            net: dice("net"),
            hosts: dice("hosts"),
            people: dice("people"),
            faults: dice("faults"),
            villain: dice("villain"),
        }
    }
}

/// One run.
struct Simulation {
    world: World,
    odds: Odds,
    dice: DiceOf,
    canary: Option<SimCanary>,
    /// Milliseconds since the run began.
    now: i64,
    queue: BTreeMap<(i64, u64), Event>,
    events: u64,
    hosts: Vec<Host>,
    keepers: Vec<Keeper>,
    wires: BTreeMap<u64, Wire>,
    next_wire: u64,
    /// Until when frames from one to another do not arrive.
    blocked: BTreeMap<(usize, usize), i64>,
    tapes: VecDeque<Tape>,
    villain: Option<Villain>,
    leaver: Option<Leaver>,
    /// Devices that were let in on the way.
    newcomers: u8,
    /// Whether there may be envelopes that nobody here applies.
    strange: bool,
    /// What each device, by its seed, ever had durably on some folder.
    ever: BTreeMap<[u8; 32], BTreeSet<ChangeHash>>,
    /// What was read of their journals.
    taken_apart: TakenApart,
    /// The changes that the devices made.
    made: BTreeSet<ChangeHash>,
    calm: bool,
    /// When the last frame arrived and the last session began.
    last_frame: i64,
    last_session: i64,
    befell: BTreeMap<String, u64>,
    story: Option<VecDeque<String>>,
}

/// Carries out the run of a seed.
pub fn simulate(seed: u64) -> Result<SimOutcome, Box<SimFailure>> {
    simulate_with(seed, None)
}

/// The same, where some things happen often, whatever the seed says of them.
pub fn simulate_where(seed: u64, often: &[Mischief]) -> Result<SimOutcome, Box<SimFailure>> {
    let odds = Odds::draw(&mut DiceOf::of(seed).hosts);
    let odds = often
        .iter()
        .fold(odds, |odds, mischief| odds.with(*mischief));
    once(seed, &odds, None, false).or_else(|_| once(seed, &odds, None, true))
}

/// The same, with something broken on purpose; a panic of what is tested is a failure like any other. A run that
/// fails is carried out again to tell its story.
pub fn simulate_with(seed: u64, canary: Option<SimCanary>) -> Result<SimOutcome, Box<SimFailure>> {
    let odds = Odds::draw(&mut DiceOf::of(seed).hosts);
    // What is broken can only be found where it is done.
    let odds = match canary {
        Some(SimCanary::AnySignature) => odds.with(Mischief::Forger),
        Some(SimCanary::TalkedToStranger) => odds.with(Mischief::Stranger),
        _ => odds,
    };
    once(seed, &odds, canary, false).or_else(|_| once(seed, &odds, canary, true))
}

/// One run: a function of its seed and odds.
fn once(
    seed: u64,
    odds: &Odds,
    canary: Option<SimCanary>,
    tell: bool,
) -> Result<SimOutcome, Box<SimFailure>> {
    let failed = |at_ms, what: String, story: Vec<String>| {
        Box::new(SimFailure {
            seed,
            odds: odds.clone(),
            at_ms,
            what,
            story,
        })
    };
    let _signatures = driftless_protocol::remember_signatures();
    let _records = driftless_document::remember_records();
    let mut simulation = None;
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let simulation = simulation.insert(Simulation::new(seed, odds.clone(), canary, tell)?);
        simulation.run()
    }));
    let what = match caught {
        Ok(Ok(outcome)) => return Ok(outcome),
        Ok(Err(Wrong(what))) => what,
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
            format!("a panic: {}", said.unwrap_or("of another kind"))
        }
    };
    let (at, story) = simulation.map_or((0, None), |s| (s.now, s.story));
    Err(failed(at, what, story.into_iter().flatten().collect()))
}

impl Simulation {
    fn new(seed: u64, odds: Odds, canary: Option<SimCanary>, tell: bool) -> Result<Self, Wrong> {
        let mut world = World::new(odds.devices, None)?;
        let leaver = if odds.of(Mischief::Leaver) > 0 {
            Some(Leaver::join(&mut world)?)
        } else {
            None
        };
        let villain = if odds.has_villain() {
            Some(Villain::join(&mut world)?)
        } else {
            None
        };
        let hosts = world.places.iter().map(|_| Host::default()).collect();
        let mut simulation = Self {
            world,
            dice: DiceOf::of(seed),
            canary,
            now: 0,
            queue: BTreeMap::new(),
            events: 0,
            hosts,
            keepers: Vec::new(),
            wires: BTreeMap::new(),
            next_wire: 0,
            blocked: BTreeMap::new(),
            tapes: VecDeque::new(),
            villain,
            leaver,
            newcomers: 0,
            strange: false,
            ever: BTreeMap::new(),
            taken_apart: TakenApart::new(),
            made: BTreeSet::new(),
            calm: false,
            last_frame: 0,
            last_session: 0,
            befell: BTreeMap::new(),
            story: tell.then(VecDeque::new),
            odds,
        };
        simulation.begin()?;
        Ok(simulation)
    }

    /// Devices hang together: each but the first keeps a connection to one before it.
    fn begin(&mut self) -> Result<(), Wrong> {
        for n in 0..self.hosts.len() {
            self.note_durable(n)?;
            if self.canary == Some(SimCanary::AcknowledgedEarly) {
                self.world.places[n].device.ills.lie(true);
            }
            let first = self.soon(self.odds.between_acts);
            self.at(first, Event::Act { host: n });
        }
        let devices = self.odds.devices;
        for from in 1..devices {
            let to = self.dice.hosts.below(from);
            self.keep(from, to);
        }
        for _ in 0..self.odds.extra_links {
            let from = self.dice.hosts.below(devices);
            let to = (from + 1 + self.dice.hosts.below(devices - 1)) % devices;
            self.keep(from, to);
        }
        self.at(TICK_MS, Event::Tick);
        Ok(())
    }

    fn run(&mut self) -> Result<SimOutcome, Wrong> {
        let end = TICK_MS * i64::try_from(self.odds.ticks).unwrap_or(0);
        self.run_until(end)?;
        self.settle_down()?;
        let outcome = self.check_all()?;
        let places = u64::try_from(self.hosts.len()).unwrap_or(0);
        Ok(SimOutcome {
            world: outcome,
            events: self.events,
            device_ms: places * u64::try_from(self.now).unwrap_or(0),
            befell: std::mem::take(&mut self.befell),
        })
    }

    fn run_until(&mut self, end: i64) -> Result<(), Wrong> {
        while let Some(entry) = self.queue.first_entry() {
            let at = entry.key().0;
            if at > end {
                break;
            }
            let event = entry.remove();
            self.now = at;
            self.events += 1;
            self.world.trace.update(&at.to_le_bytes());
            self.handle(event)?;
            self.check_timers()?;
        }
        self.now = end;
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), Wrong> {
        match event {
            Event::Arrive { wire, side } => self.arrive_at(wire, side),
            Event::Notice { wire, side } => self.notice(wire, side),
            Event::Dial { keeper } => self.dial(keeper),
            Event::Commit { host } => self.commit_late(host),
            Event::Act { host } => self.act(host),
            Event::Tick => self.tick(),
        }
    }

    /// Puts an event into the queue, behind those of the same time.
    fn at(&mut self, at: i64, event: Event) -> (i64, u64) {
        self.next_wire += 1;
        let key = (at.max(self.now), self.next_wire);
        self.queue.insert(key, event);
        key
    }

    /// Some time from now, at most so many milliseconds.
    fn soon(&mut self, most: usize) -> i64 {
        let wait = 1 + self.dice.hosts.below(most.max(1));
        self.now + i64::try_from(wait).unwrap_or(0)
    }

    /// Sets the clock of a device to what it shows now.
    fn set_clock(&self, n: usize) {
        let shows = START_MS + self.now + self.hosts[n].skew;
        self.world.places[n].device.clock.set(shows.max(0));
    }

    /// Tells what happens, when somebody listens.
    fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(story) = &mut self.story {
            if story.len() == LINES {
                story.pop_front();
            }
            story.push_back(format!("{now:>7} ms: {}", line()));
        }
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.befell.entry(what.into()).or_default() += 1;
    }
}
