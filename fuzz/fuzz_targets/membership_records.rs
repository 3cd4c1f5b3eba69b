//! Any bytes are a membership record, or none; what decodes encodes back to the same.

#![no_main]

use driftless_testkit::targets::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The hook of libFuzzer aborts where something panics; some panics are caught, and are no failure.
        let _ = std::panic::take_hook();
    },
    |bytes: &[u8]| {
        let target = Target::named("membership_records").expect("the target is listed");
        if let Err(why) = target.run(bytes) {
            eprintln!("{why}");
            std::process::abort();
        }
    }
);
