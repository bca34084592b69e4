//! The simulated charger on its own: what its port answers and when a write shows.

use model::phases::{PerPhase, Phases};
use model::time::Millis;
use model::units::{MilliAmps, MilliVolts, WattHours};
use serde_json::{Value, json};

use super::{at, body, get, testdata};
use crate::goe::{Charger, ChargerInputs, Variant};

fn inputs(ms: i64, plugged: bool) -> ChargerInputs {
    ChargerInputs {
        plugged,
        asks: plugged,
        voltages: PerPhase::all(MilliVolts(230_000)),
        eto: WattHours(1_000),
        time: at(ms),
        rbt: Millis(ms),
        ..ChargerInputs::default()
    }
}

fn check(charger: &mut Charger, ms: i64, path: &str, status: u16, expected: &str) {
    let response = charger.handle(&get(path), at(ms));
    assert_eq!(response.status().as_u16(), status, "{path}");
    assert_eq!(String::from_utf8_lossy(response.body()), expected, "{path}");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
}

fn fresh(variant: Variant) -> Charger {
    let mut charger = Charger::new(variant, "000001");
    charger.set_inputs(inputs(0, true));
    charger
}

#[test]
fn sets_answer_in_the_chargers_words() {
    let charger = &mut fresh(Variant::V4);
    let json = "tried to set api key with invalid json InvalidInput";
    for (query, status, expected) in [
        ("amp=16", 200, json!({"amp": true})),
        (
            "amp=16&frc=2&psm=1",
            200,
            json!({"amp": true, "frc": true, "psm": true}),
        ),
        (
            "amp=5",
            500,
            json!({"amp": "amp: failed: Value 5 exceeds range 6 to 32 (5)"}),
        ),
        (
            "frc=1&amp=99",
            500,
            json!({"frc": true, "amp": "amp: failed: Value 99 exceeds range 6 to 32 (99)"}),
        ),
        ("fna=garage", 500, json!({"fna": format!("fna: {json} (garage)")})),
        ("fna=%22garage%22", 200, json!({"fna": true})),
        (
            "mce=true&mcu=mqtt://x",
            500,
            json!({"mce": true, "mcu": format!("mcu: {json} (mqtt://x)")}),
        ),
        ("ids={%22pGrid%22:-500}", 200, json!({"ids": true})),
        ("trx=null", 200, json!({"trx": true})),
        ("token=abc", 500, json!({"token": "token: unknown api key"})),
        ("", 200, json!({})),
    ] {
        check(
            charger,
            10,
            &format!("/api/set?{query}"),
            status,
            &expected.to_string(),
        );
    }
    let long = format!("/api/set?fna=%22{}%22", "x".repeat(600));
    check(
        charger,
        10,
        &long,
        500,
        "httpd_query_key_value() failed with ESP_ERR_HTTPD_RESULT_TRUNC",
    );
    let many = vec!["lbr=1"; 70].join("&");
    check(
        charger,
        10,
        &format!("/api/set?{many}"),
        500,
        "couldn't take api lock in 3s, please try again later",
    );
    check(
        &mut fresh(Variant::V3),
        10,
        "/api/set?ama=32",
        500,
        &json!({"ama": "ama: failed: Value 32 exceeds range 6 to 16 (32)"}).to_string(),
    );
}

#[test]
fn other_paths_methods_and_a_switched_off_interface() {
    let charger = &mut fresh(Variant::V4);
    check(charger, 0, "/api/nothing", 404, "This URI does not exist");
    let post = http::Request::post("/api/status").body(Vec::new()).unwrap();
    let response = charger.handle(&post, at(0));
    assert_eq!(response.status(), 405);
    assert_eq!(
        response.body(),
        b"Request method for this URI is not handled by server"
    );
    charger.set_key("hai", json!(false));
    check(charger, 0, "/api/status", 404, "Not found: /api/status");
    check(charger, 0, "/api/set?amp=6", 404, "Not found: /api/set");
}

#[test]
fn a_filter_gives_null_for_keys_the_charger_does_not_have() {
    check(
        &mut fresh(Variant::V4),
        0,
        "/api/status?filter=car,cae,amp,sse",
        200,
        r#"{"car":2,"cae":null,"amp":16,"sse":"000001"}"#,
    );
}

#[test]
fn a_write_shows_when_the_logic_has_run() {
    let charger = &mut fresh(Variant::V4);
    check(charger, 300, "/api/set?amp=10", 200, r#"{"amp":true}"#);
    check(
        charger,
        900,
        "/api/status?filter=amp,acu",
        200,
        r#"{"amp":16,"acu":16}"#,
    );
    assert_eq!(charger.outputs().amps, 16);
    check(
        charger,
        1_000,
        "/api/status?filter=amp,acu",
        200,
        r#"{"amp":10,"acu":10}"#,
    );
    assert_eq!(charger.outputs().amps, 10);
}

#[test]
fn reasons_and_states_follow_the_switches() {
    let charger = &mut fresh(Variant::V4);
    let mut ms = 0;
    for (write, car, alw, acu, reason) in [
        ("frc=0", 2, true, json!(16), 15),
        ("frc=1", 4, false, Value::Null, 4),
        ("frc=2", 2, true, json!(16), 3),
        ("acs=1", 3, false, Value::Null, 2),
        ("trx=0", 2, true, json!(16), 3),
        ("tcl=8", 2, true, json!(8), 3),
        ("dwo=0", 3, false, Value::Null, 6),
        ("dwo=null", 2, true, json!(8), 3),
        ("psm=1", 4, false, Value::Null, 23),
    ] {
        assert_eq!(
            charger
                .handle(&get(&format!("/api/set?{write}")), at(ms))
                .status(),
            200
        );
        ms += 1_000;
        charger.set_inputs(inputs(ms, true));
        let status = body(&charger.handle(&get("/api/status?filter=car,alw,acu,modelStatus"), at(ms)));
        assert_eq!(
            status,
            json!({"car": car, "alw": alw, "acu": acu, "modelStatus": reason}),
            "{write}"
        );
    }
    charger.set_inputs(inputs(ms + 10_000, true));
    assert_eq!(charger.outputs().phases, Phases::One);
    assert!(charger.outputs().allowed, "the pause of the phase switch is over");
    charger.set_inputs(inputs(ms + 11_000, false));
    assert!(!charger.outputs().allowed);
    let status = body(&charger.handle(&get("/api/status?filter=car,frc,trx,cbl,pha"), at(ms + 11_000)));
    let pha = json!([false, false, false, true, true, true]);
    assert_eq!(
        status,
        json!({"car": 1, "frc": 0, "trx": null, "cbl": null, "pha": pha})
    );
}

#[test]
fn pushed_meter_data_go_stale() {
    let charger = &mut fresh(Variant::V4);
    check(
        charger,
        0,
        "/api/set?ids=%7B%22pGrid%22:-500,%22pPv%22:900.5%7D",
        200,
        r#"{"ids":true}"#,
    );
    charger.set_inputs(inputs(1_000, true));
    check(
        charger,
        1_000,
        "/api/status?filter=pgrid,ppv,pakku,inva",
        200,
        r#"{"pgrid":-500,"ppv":900.5,"pakku":null,"inva":1000}"#,
    );
    charger.set_inputs(inputs(12_000, true));
    check(
        charger,
        12_000,
        "/api/status?filter=pgrid,ppv",
        200,
        r#"{"pgrid":null,"ppv":null}"#,
    );
}

#[test]
fn electrical_values_are_whole_where_they_are_whole() {
    let charger = &mut fresh(Variant::V4);
    let drawn = PerPhase::new(MilliAmps(15_314), MilliAmps(16_000), MilliAmps(0));
    charger.set_inputs(ChargerInputs {
        drawn,
        ..inputs(1_000, true)
    });
    let nrg = json!([
        230, 230, 230, 0, 15.314, 16, 0, 3522.22, 3680, 0, 0, 7202.22, 100, 100, 0, 0
    ]);
    check(
        charger,
        1_000,
        "/api/status?filter=nrg",
        200,
        &json!({"nrg": nrg}).to_string(),
    );
    let clock = r#"{"rbt":1000,"tab":1750000000000,"utc":"2025-06-15T15:06:41.000","loc":"2025-06-15T15:06:41.000 +00:00"}"#;
    check(charger, 1_000, "/api/status?filter=rbt,tab,utc,loc", 200, clock);
}

#[test]
fn a_saved_charger_goes_on_in_another_process() {
    let charger = &mut fresh(Variant::V3);
    charger.set_inputs(inputs(500_000, true));
    check(charger, 500_100, "/api/set?amp=9", 200, r#"{"amp":true}"#);
    let saved = serde_json::to_string(charger).unwrap();
    let mut restored: Charger = serde_json::from_str(&saved).unwrap();
    assert_eq!(restored, *charger);
    restored.set_inputs(inputs(20, true));
    assert_eq!(
        restored.outputs().amps,
        9,
        "monotonic time began anew, the write is not lost"
    );
}

/// Same keys and same JSON types as real devices sent.
#[test]
fn documents_have_the_keys_and_types_of_real_devices() {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    for (variant, sample, keys) in [
        (Variant::V4, "status-v4-fw59.4-idle.json", 264),
        (Variant::V3, "status-v3-fw56.9-mqtt-subset.json", 268),
    ] {
        let charger = &mut fresh(variant);
        charger.set_inputs(ChargerInputs {
            plugged: false,
            asks: false,
            ..inputs(5_000, false)
        });
        let served = body(&charger.handle(&get("/api/status"), at(5_000)));
        assert_eq!(served.as_object().unwrap().len(), keys);
        let sample: Value = serde_json::from_str(&testdata(sample)).unwrap();
        for (key, expected) in sample.as_object().unwrap() {
            let given = &served[key];
            let either_null = given.is_null() || expected.is_null();
            assert!(served.get(key).is_some(), "{key}");
            assert!(
                either_null || kind(given) == kind(expected),
                "{key}: {given} {expected}"
            );
        }
    }
}
