//! A query of the go-e API: read, checked against the key table, and answered by a simulated charger.
#![no_main]

use dialects::goe::query::{SetQuery, StatusQuery};
use dialects::goe::value::{Reading, check};
use dialects::goe::{Variant, server::Sheet, topics, v1};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| {
    let status = StatusQuery::parse(query);
    assert!(status.filter.is_none_or(|names| !names.is_empty()));
    for write in SetQuery::parse(query).writes {
        for reading in [Reading::Strict, Reading::Lenient] {
            let checked = check(&write.key, &write.text, reading);
            assert!(
                checked
                    .refusal
                    .is_none_or(|text| text.len() < write.key.len() + 800)
            );
        }
        let _ = topics::read_set(&write.key, &write.text);
    }
    if query.starts_with("payload=") {
        let sheet = Sheet::new(Variant::V4.document(), serde_json::Map::new());
        let _ = v1::write(query, &sheet);
    }
});
