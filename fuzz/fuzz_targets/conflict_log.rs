//! The conflict log equals what brute force makes of the same changes, in whatever order they come: the bytes are a
//! history, `driftless_testkit::differential` carries it out and holds the two against each other.
//!
//! A failure is told as a story before the process aborts, so a kept input needs nothing else to be read.

#![no_main]

use driftless_testkit::differential::check_caught;
use driftless_testkit::histories::Plan;
use driftless_testkit::story;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The hook of libFuzzer aborts where something panics, before anybody could say in which history.
        let _ = std::panic::take_hook();
    },
    |bytes: &[u8]| {
        let plan = Plan::decode(bytes);
        if let Err(why) = check_caught(&plan) {
            eprintln!("{}\n{why}", story::tell(&plan));
            std::process::abort();
        }
    }
);
