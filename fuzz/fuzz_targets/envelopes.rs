//! Any bytes are an envelope, of the journal or of the wire, or none.
//!
//! The first 32 bytes are the device that is said to have signed it, the next one says which form it has.

#![no_main]

use driftless_testkit::targets::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The hook of libFuzzer aborts where something panics; some panics are caught, and are no failure.
        let _ = std::panic::take_hook();
    },
    |bytes: &[u8]| {
        let target = Target::named("envelopes").expect("the target is listed");
        if let Err(why) = target.run(bytes) {
            eprintln!("{why}");
            std::process::abort();
        }
    }
);
