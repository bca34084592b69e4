//! A raw query of the ShineMonitor API: read, checked against secrets, and asked of an account that has nothing.
#![no_main]

use std::collections::BTreeSet;

use dialects::shinemonitor::request::{self, Request};
use dialects::shinemonitor::scene::{Account, AccountTexts, Role, Scene};
use dialects::shinemonitor::{sign, wire};
use libfuzzer_sys::fuzz_target;
use model::time::Timestamp;

const SECRET: &str = "ffa1655ee3726840822063a02ac5017795809b18";

fuzz_target!(|query: &str| {
    let read = request::read(query);
    let result = match read.request {
        Ok(Request::Login(login)) => {
            assert!((1..=2).contains(&login.names.len()));
            let _ = login.is_proved_by(SECRET);
            Ok(None)
        }
        Ok(Request::Registration(new)) => new.check(&[]).map(|()| None),
        Ok(Request::Open(open)) => open.answer(),
        Ok(Request::Business(call)) => {
            assert!(!call.token().is_empty());
            let _ = call.check(SECRET);
            let caller = Account {
                uid: 1,
                usr: "fuzz".to_owned(),
                role: Role::Vendor,
                is_enabled: true,
                created: Timestamp(0),
                last_login: None,
                may_control: true,
                may_edit: true,
                texts: AccountTexts::default(),
            };
            let scene = Scene {
                now: Timestamp(1_781_517_600_000),
                caller: &caller,
                others: &[],
                plants: &[],
                gateways: &[],
                devices: &[],
                all_plants: &BTreeSet::from([1]),
            };
            let wants = call.row.wants(call.params(), &scene);
            wants.and_then(|_| call.row.answer(call.params(), &scene, Vec::new()))
        }
        Err(refusal) => Err(refusal),
    };
    let (body, content_type) = wire::addressed(wire::envelope(&result), read.callback);
    if content_type == wire::JSON {
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
    }
    // What a client signs and sends as it is fits, whatever it is.
    if let Some(split) = sign::split(query) {
        let own = sign::hex_text(&sign::digest(&[b"12345678", SECRET.as_bytes(), split.tail.as_bytes()]));
        assert!(sign::fits(&own, "12345678", &[SECRET], &split.tail));
    }
});
