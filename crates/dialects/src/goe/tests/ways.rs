//! The simulated charger by its other ways in: WebSocket, MQTT, Modbus, the first HTTP API; and what it can do wrong.

use model::phases::PerPhase;
use model::time::Millis;
use model::units::{MilliAmps, MilliVolts, WattHours};
use serde_json::{Map, Value, json};

use super::{at, body, get};
use crate::goe::charger::{Effect, Password, Session};
use crate::goe::registers::{self, Order, Space};
use crate::goe::topics::EXPORTED;
use crate::goe::ws::{Auth, FromCharger, PasswordKey, Response, SetValue, ToCharger};
use crate::goe::{Charger, ChargerInputs, Quirk, Variant};
use crate::modbus::pdu;

fn inputs(ms: i64) -> ChargerInputs {
    ChargerInputs {
        plugged: true,
        asks: true,
        drawn: PerPhase::all(MilliAmps(10_000)),
        voltages: PerPhase::all(MilliVolts(230_000)),
        eto: WattHours(123_456),
        wh: WattHours(1_000),
        time: at(ms),
        rbt: Millis(ms),
        ..ChargerInputs::default()
    }
}

fn charging(variant: Variant) -> Charger {
    let mut charger = Charger::new(variant, "000001");
    charger.set_inputs(inputs(0));
    charger
}

/// A client that has been let in, with its key and all it was told.
fn let_in(charger: &mut Charger) -> (Session, PasswordKey, Map<String, Value>) {
    let kind = charger.variant().hash();
    let key = PasswordKey::new(kind, "correct horse", "000001");
    let password = Password {
        kind,
        key: key.clone(),
    };
    let mut session = Session::new(Some(password), "aa".to_owned(), "bb".to_owned());
    let [FromCharger::Hello(hello), FromCharger::AuthRequired(wanted)] = &session.greeting(charger)[..]
    else {
        panic!("a greeting");
    };
    assert_eq!((hello.serial.as_str(), hello.secured), ("000001", true));
    assert_eq!(wanted.hash, Some(kind));
    let hash = key.answer(&wanted.token1, &wanted.token2, "cc");
    let auth = ToCharger::Auth(Auth {
        token3: "cc".to_owned(),
        hash,
    });
    let frames = say(&mut session, charger, &auth, 0);
    assert_eq!(frames.first(), Some(&FromCharger::AuthSuccess));
    let mut told = Map::new();
    for (index, frame) in frames.iter().enumerate().skip(1) {
        let FromCharger::FullStatus { partial, status } = frame else {
            panic!("{frame:?}");
        };
        assert_eq!(*partial, index + 1 < frames.len());
        told.extend(status.clone());
    }
    assert!(frames.len() > 3, "several frames");
    (session, key, told)
}

fn say(session: &mut Session, charger: &mut Charger, message: &ToCharger, ms: i64) -> Vec<FromCharger> {
    let message = message.encode();
    session
        .handle(message.as_bytes(), charger, Effect::Real, at(ms))
        .unwrap()
}

fn set(key: &str, value: Value) -> SetValue {
    SetValue {
        request_id: "7".to_owned(),
        key: key.to_owned(),
        value,
    }
}

#[test]
fn a_socket_tells_everything_and_then_what_changes() {
    for variant in [Variant::V3, Variant::V4, Variant::Core] {
        let charger = &mut charging(variant);
        let (mut session, key, told) = let_in(charger);
        assert_eq!(&told, &*charger.keys());
        assert_eq!(session.changes(charger), None);

        let answer = say(
            &mut session,
            charger,
            &ToCharger::secured(set("amp", json!(10)), &key),
            100,
        );
        let expected = Response {
            request_id: "7sm".to_owned(),
            success: true,
            status: Map::from_iter([("amp".to_owned(), json!(10))]),
            message: None,
        };
        assert_eq!(answer, [FromCharger::Response(expected)]);
        assert_eq!(session.changes(charger), None, "until the logic runs");

        charger.set_inputs(inputs(1_000));
        let Some(FromCharger::DeltaStatus { status }) = session.changes(charger) else {
            panic!("changes");
        };
        assert_eq!(status["amp"], 10);
        assert_eq!(status["rbt"], 1_000);
        assert!(!status.contains_key("sse"));
        assert_eq!(session.changes(charger), None);
    }
}

#[test]
fn a_socket_is_shut_to_whoever_does_not_know_the_password() {
    let charger = &mut charging(Variant::V4);
    let (.., key, _) = let_in(charger);
    let password = Password {
        kind: charger.variant().hash(),
        key: key.clone(),
    };
    let mut session = Session::new(Some(password), "aa".to_owned(), "bb".to_owned());
    let secured = ToCharger::secured(set("amp", json!(10)), &key);
    assert!(say(&mut session, charger, &secured, 0).is_empty());
    assert_eq!(session.changes(charger), None);
    let auth = |hash: String| {
        ToCharger::Auth(Auth {
            token3: "cc".to_owned(),
            hash,
        })
    };
    let wrong = FromCharger::AuthError {
        message: "Wrong password".to_owned(),
    };
    // The answer to other tokens, as somebody who listened before would have it.
    for hash in [
        String::new(),
        key.answer("aa", "xx", "cc"),
        key.answer("xx", "bb", "cc"),
    ] {
        assert_eq!(say(&mut session, charger, &auth(hash), 0), [wrong.clone()]);
        assert_eq!(session.changes(charger), None);
    }
    let right = auth(key.answer("aa", "bb", "cc"));
    assert!(say(&mut session, charger, &right, 0).len() > 1);
    assert!(session.handle(b"nonsense", charger, Effect::Real, at(0)).is_err());

    let mut locked = Session::new(None, "aa".to_owned(), "bb".to_owned());
    assert_eq!(locked.greeting(charger)[1], FromCharger::AuthImpossible);
    assert_eq!(
        say(&mut locked, charger, &right, 0),
        [FromCharger::AuthImpossible]
    );
}

#[test]
fn a_socket_refuses_in_the_chargers_words() {
    let charger = &mut charging(Variant::V4);
    let (mut session, key, _) = let_in(charger);
    let other = PasswordKey::new(charger.variant().hash(), "wrong", "000001");
    let unsigned = ToCharger::SetValue(set("amp", json!(10)));
    for (message, id, expected) in [
        (
            ToCharger::secured(set("amp", json!(99)), &key),
            "7sm",
            "amp: failed: Value 99 exceeds range 6 to 32 (99)",
        ),
        (
            ToCharger::secured(set("alw", json!(true)), &key),
            "7sm",
            "alw: tried to set api key without setter (true)",
        ),
        (
            ToCharger::secured(set("amp", json!(10)), &other),
            "7sm",
            "the signature is wrong",
        ),
        (unsigned, "7", "this message must be secured"),
    ] {
        let answer = say(&mut session, charger, &message, 0);
        let expected = FromCharger::Response(Response {
            request_id: id.to_owned(),
            success: false,
            status: Map::new(),
            message: Some(expected.to_owned()),
        });
        assert_eq!(answer, [expected]);
    }
    charger.set_inputs(inputs(1_000));
    assert_eq!(charger.key("amp"), Some(&json!(16)), "nothing of it was done");
}

#[test]
fn success_can_be_without_effect() {
    let charger = &mut charging(Variant::Core);
    let (mut session, key, _) = let_in(charger);
    let message = ToCharger::secured(set("amp", json!(10)), &key).encode();
    let frames = session
        .handle(message.as_bytes(), charger, Effect::None, at(0))
        .unwrap();
    assert!(matches!(&frames[..], [FromCharger::Response(response)] if response.success));
    assert_eq!(charger.take("amp", "9", Effect::None, at(0)), "success");
    let write = pdu::Request::WriteRegisters {
        address: registers::AMPERE_EEPROM,
        values: vec![8],
    };
    assert_eq!(
        charger.handle_modbus(&write.encode(), Effect::None, at(0)),
        write.done().encode()
    );
    charger.set_inputs(inputs(1_000));
    assert_eq!(charger.key("amp"), Some(&json!(16)));
}

#[test]
fn mqtt_takes_a_value_and_says_what_became_of_it() {
    let charger = &mut charging(Variant::V3);
    for (key, payload, result) in [
        ("amp", "10", "success"),
        ("amp", "99", "Value 99 exceeds range 6 to 32 99"),
        // Only this box has so little.
        ("ama", "32", "Value 32 exceeds range 6 to 16 32"),
        ("fna", "garage", "invalid json InvalidInput: garage"),
        ("alw", "true", "tried to set api key without setter true"),
    ] {
        assert_eq!(charger.take(key, payload, Effect::Real, at(0)), result, "{key}");
    }
    charger.set_inputs(inputs(1_000));
    assert_eq!(charger.key("amp"), Some(&json!(10)));
    assert!(EXPORTED.iter().all(|key| charger.keys().contains_key(*key)));
}

#[test]
fn modbus_knows_three_functions() {
    let charger = &mut charging(Variant::Core);
    let ask = |charger: &mut Charger, request: &pdu::Request, ms: i64| {
        let answer = charger.handle_modbus(&request.encode(), Effect::Real, at(ms));
        pdu::Response::decode(&answer, request).unwrap()
    };
    let read = |table, address, count| pdu::Request::Read {
        table,
        address,
        count,
    };
    let write = |address, values: &[u16]| pdu::Request::WriteRegisters {
        address,
        values: values.to_vec(),
    };
    let values = |response| match response {
        pdu::Response::Registers { values, .. } => values,
        pdu::Response::Bits { .. } | pdu::Response::Written { .. } | pdu::Response::Refused { .. } => {
            Vec::new()
        }
    };
    let live = values(ask(charger, &read(pdu::Table::Input, 100, 22), 0));
    assert_eq!(live[0], 2, "charging");
    let block = registers::Block {
        space: Space::Input,
        address: 100,
        values: live,
    };
    assert_eq!(
        registers::decode_status(&[block], Order::default())["nrg"][11],
        6_900
    );

    let done = write(registers::FORCE_STATE, &[1]);
    assert_eq!(ask(charger, &done, 0), done.done());
    assert_eq!(charger.key("mstw"), Some(&json!(0)));
    charger.set_inputs(inputs(1_000));
    assert_eq!(
        values(ask(charger, &read(pdu::Table::Holding, 337, 1), 1_000)),
        [1]
    );
    assert_eq!(
        values(ask(charger, &read(pdu::Table::Input, 100, 1), 1_000)),
        [4],
        "stopped"
    );
    assert_eq!(charger.key("mstr"), Some(&json!(1_000)));

    for (request, expected) in [
        (write(registers::FORCE_STATE, &[3]), 3),
        (write(100, &[3]), 2),
        (read(pdu::Table::Holding, 0, 4), 2),
        (read(pdu::Table::Coils, 100, 1), 1),
        (
            pdu::Request::WriteRegister {
                address: registers::FORCE_STATE,
                value: 0,
            },
            1,
        ),
    ] {
        let answer = charger.handle_modbus(&request.encode(), Effect::Real, at(1_000));
        assert_eq!(answer, [request.function() | 0x80, expected], "{request:?}");
    }
}

#[test]
fn the_first_api_is_answered_where_it_is_on() {
    let charger = &mut charging(Variant::V4);
    assert_eq!(
        charger.handle(&get("/status"), at(0)).status(),
        404,
        "as delivered"
    );
    assert_eq!(charger.take("hla", "true", Effect::Real, at(0)), "success");
    charger.set_inputs(inputs(1_000));
    let shown = body(&charger.handle(&get("/status"), at(1_000)));
    assert_eq!(
        (&shown["car"], &shown["eto"], &shown["sse"]),
        (&json!("2"), &json!("1235"), &json!("000001"))
    );
    for payload in ["amp=12", "alw=0"] {
        let answer = charger.handle(&get(&format!("/mqtt?payload={payload}")), at(1_000));
        assert_eq!(answer.status(), 200);
    }
    charger.set_inputs(inputs(2_000));
    let shown = body(&charger.handle(&get("/status"), at(2_000)));
    assert_eq!(
        (&shown["amp"], &shown["alw"], &shown["car"]),
        (&json!("12"), &json!("0"), &json!("4"))
    );
    assert_eq!(
        charging(Variant::Core).handle(&get("/status"), at(0)).status(),
        404
    );
}

#[test]
fn a_core_has_no_button_and_no_lock() {
    let charger = &mut charging(Variant::Core);
    let shown = body(&charger.handle(&get("/api/status"), at(0)));
    for key in [
        "bac", "bar", "cbl", "cus", "ffb", "hla", "lbp", "lck", "sdp", "upo", "ust", "fwc", "ccrv",
    ] {
        assert_eq!(shown.get(key), None, "{key}");
    }
    for (key, value) in [
        ("typ", json!("go-eCharger_Phoenix")),
        ("styp", json!("core_cable")),
        ("fwv", json!("60.5")),
        ("c9n", json!("n/a")),
        ("car", json!(2)),
        ("acu", json!(16)),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    assert_eq!(shown["cards"].as_array().map(Vec::len), Some(10));
    // A card's id is written and not shown.
    assert_eq!(charger.take("c3i", "\"04AABB\"", Effect::Real, at(0)), "success");
    charger.set_inputs(inputs(1_000));
    assert_eq!(charger.key("c3i"), Some(&json!(true)));
}

#[test]
fn quirks_show_until_they_are_gone() {
    let check = |quirk, path: &str, status: u16, expected: Value| {
        let charger = &mut charging(Variant::V4);
        charger.set_quirk(Some(quirk));
        charger.set_inputs(inputs(1_000));
        let answer = charger.handle(&get(path), at(1_000));
        assert_eq!(
            (answer.status().as_u16(), body(&answer)),
            (status, expected),
            "{quirk:?} {path}"
        );
        charger.set_quirk(None);
        charger.set_inputs(inputs(2_000));
        let fine = body(&charger.handle(&get("/api/status?filter=car,err,fwv,var"), at(2_000)));
        assert_eq!(fine, json!({"car": 2, "err": 0, "fwv": "59.4", "var": 22}));
    };
    check(
        Quirk::PartialStatus,
        "/api/status?filter=amp,nosuch",
        400,
        json!({"amp": 16}),
    );
    check(
        Quirk::PartialStatus,
        "/api/status?filter=amp",
        200,
        json!({"amp": 16}),
    );
    check(
        Quirk::MissingKeys,
        "/api/status?filter=amp,var",
        200,
        json!({"amp": 16, "var": null}),
    );
    check(
        Quirk::FirmwareSuffix,
        "/api/status?filter=fwv",
        200,
        json!({"fwv": "59.4 BETA"}),
    );
    check(
        Quirk::CarError,
        "/api/status?filter=car,err,alw",
        200,
        json!({"car": 5, "err": 5, "alw": false}),
    );

    let charger = &mut charging(Variant::Core);
    charger.set_quirk(Some(Quirk::PartialStatus));
    let whole = charger.handle(&get("/api/status"), at(0));
    assert_eq!(whole.status(), 400);
    assert_eq!(body(&whole).as_object().map(Map::len), Some(charger.keys().len()));
}
