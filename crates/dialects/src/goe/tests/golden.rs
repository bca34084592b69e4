//! Transcripts of real devices (`testdata/goe`) through both halves.

use model::phases::{PerPhase, PhaseSet};
use model::reading::PilotState;
use model::setpoint::ChargeCurrent;
use model::units::{MilliAmps, MilliVolts, WattHours, Watts};
use serde_json::{Map, Value, json};

use super::{at, body, get, testdata};
use crate::goe::map::south;
use crate::goe::server::{Outcome, Refusal, Secrets, SetForm, Sheet, StatusForm, refuse, set_reply};
use crate::goe::wire::{Status, object};
use crate::goe::{Charger, Variant};

fn samples() -> Vec<Map<String, Value>> {
    let all: Value = serde_json::from_str(&testdata("status-filtered-charging.json")).unwrap();
    all.as_array()
        .unwrap()
        .iter()
        .map(|sample| sample["status"].as_object().unwrap().clone())
        .collect()
}

fn read(document: &Map<String, Value>) -> Status {
    let (status, faults) = Status::read(document);
    assert_eq!(faults, []);
    status
}

#[test]
fn three_phase_charging_of_firmware_055_0() {
    let status = read(&samples()[0]);
    let measured = south::measured(&status).unwrap();
    assert_eq!(measured.power, Some(Watts(10_459)));
    assert_eq!(
        measured.current,
        Some(PerPhase::new(
            MilliAmps(15_314),
            MilliAmps(15_390),
            MilliAmps(15_466)
        ))
    );
    assert_eq!(
        measured.voltage,
        Some(PerPhase::new(
            MilliVolts(227_540),
            MilliVolts(225_990),
            MilliVolts(226_610)
        ))
    );
    assert_eq!(
        measured.phase_power,
        Some(PerPhase::new(Watts(3_485), Watts(3_471), Watts(3_503)))
    );
    assert_eq!(measured.energy_in, Some(WattHours(527_952)));
    let evse = south::evse_status(&status, false).unwrap();
    assert_eq!(evse.pilot, PilotState::C);
    assert_eq!(evse.obeyed, Some(ChargeCurrent::at_most(MilliAmps(16_000))));
    assert_eq!(evse.max_current, Some(MilliAmps(20_000)));
    assert_eq!(evse.session_energy, Some(WattHours(16_481)));
    assert_eq!(evse.terminals, PhaseSet::ALL);
}

#[test]
fn one_phase_charging_integer_nrg_and_a_core_that_waits() {
    let measured = |index: usize| south::measured(&read(&samples()[index])).unwrap();
    assert_eq!(
        measured(1).current,
        Some(PerPhase::new(MilliAmps(12_426), MilliAmps(0), MilliAmps(0)))
    );
    assert_eq!(measured(2).power, Some(Watts(11_730)));
    assert_eq!(measured(2).voltage.unwrap().l2, MilliVolts(236_000));
    let core = south::evse_status(&read(&samples()[3]), false).unwrap();
    assert_eq!(
        (core.pilot, core.obeyed),
        (PilotState::B, Some(ChargeCurrent::PAUSED))
    );
}

#[test]
fn an_idle_v4_and_an_idle_v3() {
    let document = object(testdata("status-v4-fw59.4-idle.json").as_bytes()).unwrap();
    let status = read(&document);
    let evse = south::evse_status(&status, false).unwrap();
    assert_eq!(
        (evse.pilot, evse.obeyed),
        (PilotState::A, Some(ChargeCurrent::PAUSED))
    );
    assert_eq!(evse.max_current, Some(MilliAmps(16_000)), "adapter and app");
    assert_eq!(
        south::identity(&document).unwrap(),
        "go-e go-eCharger_V4 22 kW, firmware 59.4, serial 000001"
    );
    let v3 = read(&object(testdata("status-v3-fw56.9-mqtt-subset.json").as_bytes()).unwrap());
    let evse = south::evse_status(&v3, false).unwrap();
    assert_eq!(
        evse.obeyed,
        Some(ChargeCurrent::at_most(MilliAmps(16_000))),
        "20 A asked of an 11 kW charger"
    );
    assert_eq!(evse.terminals, PhaseSet::ALL);
}

/// A document served again holds every key as the device sent it, secrets apart.
#[test]
fn a_document_served_again_is_the_document() {
    let mut document = object(testdata("status-v4-fw59.4-idle.json").as_bytes()).unwrap();
    let sheet = Sheet::new(document.clone(), Map::new());
    let served: Map<String, Value> =
        serde_json::from_slice(&sheet.body(None, Secrets::WhenNamed, StatusForm::Local)).unwrap();
    for secret in ["mcu", "dll", "data"] {
        assert!(
            document.remove(secret).is_some() && !served.contains_key(secret),
            "{secret}"
        );
    }
    assert_eq!(served, document);
}

/// Bodies and status codes as captured; the cloud's lists carry our per-key results beside them.
#[test]
fn captured_answers_are_given_word_for_word() {
    let rows: Value = serde_json::from_str(&testdata("cloud-bodies.json")).unwrap();
    let mut compared = 0;
    for row in rows.as_array().unwrap() {
        let call = row["call"].as_str().unwrap();
        if let Some(call) = call.strip_suffix(" on the charger itself") {
            let response = Charger::new(Variant::V4, "000001").handle(&get(&call.replace("GET ", "")), at(0));
            assert_eq!(json!(response.status().as_u16()), row["http"], "{call}");
            assert_eq!(body(&response), row["body"], "{call}");
            compared += 1;
        }
    }
    assert_eq!(compared, 4);

    let age = model::time::Millis(25_382_091);
    let outdated = refuse(Refusal::Outdated { age });
    assert_eq!(json!(outdated.status().as_u16()), rows[0]["http"]);
    let mut expected = rows[0]["body"].clone();
    expected["age"] = json!(25_382.091);
    assert_eq!(body(&outdated), expected);

    let outcome = Outcome {
        key: "alw".to_owned(),
        value: json!(true),
        refusal: None,
    };
    let accepted = body(&set_reply(
        &[outcome],
        SetForm::Cloud {
            accepted: http::StatusCode::ACCEPTED,
        },
    ));
    for list in ["succeeded", "failed"] {
        assert_eq!(accepted[list], rows[1]["body"][list]);
    }
}
