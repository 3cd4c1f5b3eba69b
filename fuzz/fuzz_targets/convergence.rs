//! Whatever happens to a few devices, they agree afterwards: the bytes are a schedule, `driftless_testkit::world`
//! carries it out and says what must hold.
//!
//! A failure is told as a story before the process aborts, so a kept input needs nothing else to be read.

#![no_main]

use driftless_testkit::schedule::Schedule;
use driftless_testkit::world::run_caught;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The hook of libFuzzer aborts where something panics, before anybody could say in which schedule.
        let _ = std::panic::take_hook();
    },
    |bytes: &[u8]| {
        let schedule = Schedule::decode(bytes);
        if let Err(failure) = run_caught(&schedule, None) {
            eprintln!("{schedule}\n{failure}");
            std::process::abort();
        }
    }
);
