//! A message of the charger's WebSocket, from either side.
#![no_main]

use dialects::goe::ws::{FromCharger, ToCharger};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    if let Ok(frame) = FromCharger::decode(message) {
        assert!(FromCharger::decode(frame.encode().as_bytes()).is_ok());
    }
    if let Ok(frame) = ToCharger::decode(message) {
        // Not compared as a whole: the last digit of a long number is not kept.
        let again = ToCharger::decode(frame.encode().as_bytes());
        assert!(again.is_ok_and(|again| std::mem::discriminant(&again) == std::mem::discriminant(&frame)));
    }
});
