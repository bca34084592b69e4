//! What a broker sends: packets one after the other, complete and not.
#![no_main]

use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 10_000;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some(length)) = links::mqtt::packet_length(rest, LIMIT) {
        assert!(length > 0 && length <= rest.len() && length <= LIMIT + 5);
        // The same bytes, not yet all of them.
        assert!(matches!(
            links::mqtt::packet_length(&rest[..length - 1], LIMIT),
            Ok(None)
        ));
        rest = &rest[length..];
    }
});
