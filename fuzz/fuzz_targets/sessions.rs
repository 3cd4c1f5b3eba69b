//! A frame of a member at any point of a session costs that session and nothing else.
//!
//! The first byte names the dialogue, the second says how many of its frames go before.

#![no_main]

use driftless_testkit::targets::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The hook of libFuzzer aborts where something panics; some panics are caught, and are no failure.
        let _ = std::panic::take_hook();
    },
    |bytes: &[u8]| {
        let target = Target::named("sessions").expect("the target is listed");
        if let Err(why) = target.run(bytes) {
            eprintln!("{why}");
            std::process::abort();
        }
    }
);
