//! Any bytes are a frame, an envelope, a membership record, or none; what decodes encodes back to the same.

#![no_main]

use driftless_protocol::{Envelope, Record, decode_batch, encode_batch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(messages) = decode_batch(bytes) {
        let again = encode_batch(&messages).expect("what was received can be sent");
        // Compression may differ; the messages may not.
        assert_eq!(decode_batch(&again), Ok(messages));
    }
    if let Ok(envelope) = Envelope::decode(bytes) {
        assert_eq!(envelope.encode(), bytes);
    }
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode(), bytes);
    }
});
