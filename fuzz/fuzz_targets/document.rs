//! A status as a charger sends it: read by key, shown again by either API.
#![no_main]

use dialects::goe::server::{Secrets, Sheet, StatusForm};
use dialects::goe::{v1, wire};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(object) = wire::object(body) else { return };
    let _ = wire::Status::read(&object);
    let sheet = Sheet::new(object, serde_json::Map::new());
    let shown = sheet.body(None, Secrets::Never, StatusForm::Local);
    assert!(serde_json::from_slice::<serde_json::Value>(&shown).is_ok());
    let _ = v1::status(&sheet);
});
