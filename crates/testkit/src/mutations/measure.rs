//! What one input costs: CPU of its thread, and memory held at one time.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// CPU that one input may take, in milliseconds. Without optimisation everything takes several times as long, and
/// a limit that is missed by a hair says nothing there.
pub const CPU_MS: u64 = if cfg!(debug_assertions) { 1_000 } else { 100 };
/// Bytes that one input may hold allocated at one time.
pub const MEMORY_BYTES: u64 = 64 * 1024 * 1024;
/// An input that took too long is measured so often, and the least counts: a page fault is not its fault.
const TRIALS: usize = 3;

/// What an input took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// CPU time of the thread, in microseconds.
    pub cpu_us: u64,
    /// The most bytes that were allocated at one time.
    pub bytes: u64,
}

impl Cost {
    /// The greater of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            cpu_us: self.cpu_us.max(other.cpu_us),
            bytes: self.bytes.max(other.bytes),
        }
    }
}

/// Runs `f` within the limits, or says which it broke: a panic, time, memory, or what `f` itself says is wrong.
pub fn guarded<T>(mut f: impl FnMut() -> Result<T, String>) -> Result<(T, Cost), String> {
    let (mut value, mut cost) = once(&mut f)?;
    for _ in 1..TRIALS {
        if cost.cpu_us <= CPU_MS * 1_000 {
            break;
        }
        let (again, cheaper) = once(&mut f)?;
        value = again;
        cost.cpu_us = cost.cpu_us.min(cheaper.cpu_us);
    }
    if cost.cpu_us > CPU_MS * 1_000 {
        return Err(format!("{} ms of CPU", cost.cpu_us / 1_000));
    }
    if cost.bytes > MEMORY_BYTES {
        return Err(format!("{} bytes at one time", cost.bytes));
    }
    Ok((value, cost))
}

fn once<T>(f: &mut impl FnMut() -> Result<T, String>) -> Result<(T, Cost), String> {
    let mut done = None;
    let begun = clock_gettime(ClockId::ThreadCPUTime);
    let allocated = allocation_counter::measure(|| {
        done = Some(catch_unwind(AssertUnwindSafe(&mut *f)));
    });
    let cpu_us = microseconds(clock_gettime(ClockId::ThreadCPUTime)) - microseconds(begun);
    let cost = Cost {
        cpu_us,
        bytes: allocated.bytes_max,
    };
    match done.expect("the closure ran") {
        Ok(Ok(value)) => Ok((value, cost)),
        Ok(Err(wrong)) => Err(wrong),
        Err(panic) => Err(format!("a panic: {}", text_of(&*panic))),
    }
}

fn microseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1_000_000 + nanoseconds / 1_000
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("of no text")
}
