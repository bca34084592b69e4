//! A virtual charger: what an EVSE of the model looks like to a go-e client, and what a set means.

use http::StatusCode;
use model::device::{AuthorisationMode, ChargeMode, Force, ForeignPolicy, LinkState, Wish};
use model::document::Document;
use model::id::{CircuitId, DeviceId, EvseId};
use model::intent::Wanted;
use model::message::{ForeignWhat, ForeignWrite};
use model::money::{Currency, PerKwh};
use model::phases::{PerPhase, PhaseRotation, PhaseSet, Phases};
use model::reading::{EvseStatus, Measured, PilotState, Pushed};
use model::reason::{Cause, Reason};
use model::session::{Authorisation, AuthorisationKind, Origin};
use model::setpoint::ChargeCurrent;
use model::time::{Millis, Timestamp};
use model::units::{MilliAmps, MilliVolts, WattHours, Watts};
use model::vendor::Keys;
use model::view::{
    CardSlot, DeviceView, EvseView, Flow, ForeignView, PushedView, SessionView, TransactionState,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{at, body, testdata};
use crate::goe::keys;
use crate::goe::map::{self, About, Target, plan};
use crate::goe::query::{SetQuery, StatusQuery, Write};
use crate::goe::server::{
    LinkFacts, Outcome, Refusal, Secrets, SetForm, Sheet, StatusForm, http_date, refuse, set_reply,
    status_reply,
};
use crate::goe::value::Reading;

fn view() -> EvseView {
    EvseView {
        id: EvseId::new("left").unwrap(),
        name: "Left".to_owned(),
        station: DeviceId::new("station").unwrap(),
        circuit: CircuitId::new("garage").unwrap(),
        terminals: PhaseSet::ALL,
        rotation: PhaseRotation::R231,
        min: MilliAmps(6_000),
        max: MilliAmps(16_000),
        phase_switching: true,
        wish: Wish {
            mode: ChargeMode::Fast,
            force: Force::Neutral,
            current: MilliAmps(13_000),
            phases: None,
            energy_limit: None,
            price_limit: None,
        },
        status: EvseStatus {
            pilot: PilotState::C,
            terminals: PhaseSet::ALL,
            session_energy: Some(WattHours(1_234)),
            ..EvseStatus::default()
        },
        current: PerPhase::new(MilliAmps(9_500), MilliAmps(9_000), MilliAmps(0)),
        power: Watts(4_255),
        setpoint: ChargeCurrent::at_most(MilliAmps(9_600)),
        phases: None,
        granted: ChargeCurrent::at_most(MilliAmps(9_600)),
        reason: Reason {
            cause: Cause::AsAsked {
                current: MilliAmps(9_600),
            },
            since: Timestamp(0),
        },
        plugged_since: None,
        authorisation: AuthorisationMode::None,
        session: None,
        cards: [].into(),
        cap: None,
        price_allows: None,
        pushed: None,
        foreign: None,
        keys: Keys::new(),
        dialect: None,
    }
}

fn device() -> DeviceView {
    DeviceView {
        id: DeviceId::new("station").unwrap(),
        name: "Station".to_owned(),
        kind: "charging_station".to_owned(),
        role: None,
        circuit: CircuitId::new("garage").unwrap(),
        enabled: true,
        link: LinkState::Online,
        last_seen: None,
        is_fresh: true,
        measured: Measured {
            voltage: Some(PerPhase::all(MilliVolts(230_000))),
            energy_in: Some(WattHours(77_000)),
            ..Measured::default()
        },
        identity: None,
        controls: Default::default(),
    }
}

fn about() -> About<'static> {
    About {
        serial: "000007",
        token: Some("ourtoken"),
        api_enabled: true,
        at: at(60_000),
        time_zone: "Europe/Vienna",
        flow: Flow {
            grid: Some(Watts(-1_200)),
            pv: Some(Watts(-5_000)),
            battery: None,
            ..Flow::default()
        },
    }
}

const CLOUD: StatusForm = StatusForm::Cloud {
    last_modified: Timestamp(0),
};

fn shown(view: &EvseView, document: Option<&Document>, filter: &str) -> Value {
    let sheet = map::sheet(document, view, Some(&device()), &about());
    let filter = StatusQuery::parse(&format!("filter={filter}")).filter;
    serde_json::from_slice(&sheet.body(filter.as_deref(), Secrets::WhenNamed, CLOUD)).unwrap()
}

fn real(json: &str) -> Document {
    Document {
        dialect: "goe".to_owned(),
        at: at(0),
        json: json.into(),
    }
}

#[test]
fn keys_that_the_model_does_not_know_read_back_as_they_were_written() {
    let written = [
        ("fna", "\"Garage\""),
        ("cid", "\"#00FF00\""),
        ("amp", "6"),
        ("odd", "{"),
    ];
    let of_goe = written.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut view = view();
    view.keys.insert("goe".to_owned(), of_goe.into());
    view.keys
        .insert("other".to_owned(), [("loc".to_owned(), "1".to_owned())].into());
    for document in [None, Some(real(r#"{"fna":"old","amp":20,"cak":"its own"}"#))] {
        let shown = shown(&view, document.as_ref(), "fna,cid,amp,odd,cak");
        let expected = json!({"fna": "Garage", "cid": "#00FF00", "amp": 13, "cak": "ourtoken"});
        assert_eq!(shown, expected);
    }
}

#[test]
fn limits_read_back_and_what_they_do_is_in_model_status() {
    let mut view = view();
    view.wish.mode = ChargeMode::Solar;
    let filter = "awe,awp,dwo,tcl,modelStatus";
    let none = json!({"awe": false, "awp": 3, "dwo": null, "tcl": null, "modelStatus": 15});
    assert_eq!(shown(&view, Some(&real(r#"{"dwo":1}"#)), filter), none);
    view.wish.energy_limit = Some(WattHours(5_000));
    view.wish.price_limit = Some(PerKwh(125_000));
    view.cap = Some((MilliAmps(10_000), Timestamp(1)));
    view.price_allows = Some(true);
    let all = json!({"awe": true, "awp": 12.5, "dwo": 5000, "tcl": 10, "modelStatus": 7});
    assert_eq!(shown(&view, None, filter), all);
    let (price, limit, currency) = (PerKwh(130_000), PerKwh(125_000), Currency::EUR);
    view.price_allows = Some(false);
    view.setpoint = ChargeCurrent::PAUSED;
    view.reason.cause = Cause::PriceTooHigh {
        price,
        limit,
        currency,
    };
    assert_eq!(shown(&view, None, "modelStatus"), json!({"modelStatus": 17}));
    let (limit, charged) = (WattHours(5_000), WattHours(5_001));
    view.reason.cause = Cause::EnergyLimitReached { limit, charged };
    assert_eq!(shown(&view, None, "modelStatus"), json!({"modelStatus": 6}));
}

/// What an EVSE on a meter's bus, or with no link at all, may look like in the course of its days.
fn days_of_another_make() -> Vec<(&'static str, EvseView)> {
    let fresh = EvseView {
        status: EvseStatus::default(),
        power: Watts(0),
        current: PerPhase::default(),
        setpoint: ChargeCurrent::PAUSED,
        ..view()
    };
    let with = |pilot| EvseView {
        status: EvseStatus {
            pilot,
            ..view().status
        },
        ..view()
    };
    let session = SessionView {
        id: "s".parse().unwrap(),
        since: Timestamp(0),
        vehicle: None,
        soc: None,
        user: None,
        card: Some("b".parse().unwrap()),
        kind: Some(AuthorisationKind::Rfid),
        state: TransactionState::Running,
        running: None,
        energy: WattHours(0),
        origin: Origin::default(),
        cost: None,
        other_costs: Vec::new(),
        unpriced: WattHours(0),
        estimated: false,
    };
    vec![
        ("nothing heard yet", fresh),
        ("no car", with(PilotState::A)),
        ("plugged", with(PilotState::B)),
        ("charging", with(PilotState::C)),
        ("fault", with(PilotState::F)),
        (
            "one phase, with a card",
            EvseView {
                terminals: PhaseSet::L1,
                phases: Some(Phases::One),
                plugged_since: Some(Timestamp(0)),
                authorisation: AuthorisationMode::Card,
                cards: cards(),
                session: Some(session),
                ..with(PilotState::C)
            },
        ),
        (
            "limits",
            EvseView {
                wish: Wish {
                    energy_limit: Some(WattHours(1)),
                    price_limit: Some(PerKwh(123_456)),
                    ..view().wish
                },
                cap: Some((MilliAmps(6_000), Timestamp(0))),
                ..view()
            },
        ),
    ]
}

fn cards() -> std::sync::Arc<[CardSlot]> {
    let slot = |card: &str, name: &str| CardSlot {
        card: card.parse().unwrap(),
        user: "anna".parse().unwrap(),
        name: name.to_owned(),
    };
    [slot("a", "White"), slot("b", "Blue")].into()
}

#[test]
fn another_make_has_every_key_of_a_v4_with_its_type() {
    let sample: Map<String, Value> = serde_json::from_str(&testdata("status-v4-fw59.4-idle.json")).unwrap();
    assert_eq!(sample.len(), 264);
    let mut key_sets = std::collections::BTreeSet::new();
    for (day, view) in days_of_another_make() {
        for device in [Some(device()), None] {
            let sheet = map::sheet(None, &view, device.as_ref(), &about());
            let shown: Map<String, Value> =
                serde_json::from_slice(&sheet.body(None, Secrets::WhenNamed, CLOUD)).unwrap();
            for (key, value) in sample.iter().filter(|(key, _)| !keys::is_secret(key)) {
                let given = shown
                    .get(key)
                    .unwrap_or_else(|| panic!("{day}: {key} is missing"));
                let same = std::mem::discriminant(value) == std::mem::discriminant(given);
                assert!(
                    same || value.is_null() || given.is_null(),
                    "{day}: {key}: {given}"
                );
            }
            for key in keys::NEVER_NULL {
                assert!(!shown[key].is_null(), "{day}: {key}");
            }
            let numbers = shown["nrg"].as_array().unwrap();
            assert_eq!(numbers.len(), 16, "{day}");
            assert!(numbers.iter().all(Value::is_number), "{day}: {numbers:?}");
            let list = |value: &Value| value.as_array().unwrap().len();
            assert_eq!((list(&shown["pha"]), list(&shown["cards"])), (6, 10), "{day}");
            for at in 0..10 {
                let [name, energy, card] = ["n", "e", "i"].map(|part| &shown[&format!("c{at}{part}")]);
                assert_eq!(
                    shown["cards"][at],
                    json!({"name": name, "energy": energy, "cardId": card})
                );
            }
            key_sets.insert(shown.keys().cloned().collect::<Vec<_>>());
        }
    }
    assert_eq!(
        key_sets.len(),
        1,
        "a client that misses a key once drops it for good"
    );
    let shown = shown(&view(), None, "");
    for key in [
        "eto",
        "car",
        "amp",
        "frc",
        "psm",
        "err",
        "var",
        "acu",
        "modelStatus",
    ] {
        assert!(shown[key].is_i64(), "{key} is {}", shown[key]);
    }
    assert_eq!(shown["nrg"].as_array().unwrap().len(), 16);
}

#[test]
fn the_model_fills_the_keys_in() {
    let keys = "sse,fna,var,car,amp,acu,alw,frc,psm,lmo,fup,wh,eto,ama,mca,cae,modelStatus,pha,rbt,utc";
    let expected = json!({
        "sse": "000007", "fna": "Left", "var": 11, "car": 2, "amp": 13, "acu": 9, "alw": true, "frc": 0, "psm": 0,
        "lmo": 3, "fup": false, "wh": 1234, "eto": 77000, "ama": 16, "mca": 6, "cae": true, "modelStatus": 15,
        "pha": [true, true, true, true, true, true], "rbt": 60000, "utc": "2025-06-15T15:07:40.000",
    });
    assert_eq!(shown(&view(), None, keys), expected);
    // Rotation 231: terminal L1 hangs on grid L2.
    let nrg = json!([
        230, 230, 230, 0, 9, 0, 9.5, 2070, 0, 2185, 0, 4255, 100, 0, 100, 0
    ]);
    assert_eq!(shown(&view(), None, "nrg"), json!({"nrg": nrg}));
}

#[test]
fn wishes_states_and_reasons_have_their_numbers() {
    let check = |change: fn(&mut EvseView), filter: &str, expected: Value| {
        let mut view = view();
        change(&mut view);
        assert_eq!(shown(&view, None, filter), expected);
    };
    check(|v| v.wish.force = Force::Off, "frc", json!({"frc": 1}));
    check(
        |v| v.wish.force = Force::On,
        "frc,modelStatus",
        json!({"frc": 2, "modelStatus": 3}),
    );
    check(|v| v.wish.phases = Some(Phases::One), "psm", json!({"psm": 1}));
    check(|v| v.wish.phases = Some(Phases::Three), "psm", json!({"psm": 2}));
    check(
        |v| v.wish.mode = ChargeMode::Solar,
        "lmo,fup",
        json!({"lmo": 4, "fup": true}),
    );
    check(
        |v| v.wish.mode = ChargeMode::MinSolar,
        "lmo,fup",
        json!({"lmo": 4, "fup": true}),
    );
    check(
        |v| v.setpoint = ChargeCurrent::PAUSED,
        "alw,acu",
        json!({"alw": false, "acu": null}),
    );
    check(
        |v| v.status.pilot = PilotState::A,
        "car,pnp",
        json!({"car": 1, "pnp": 0}),
    );
    check(|v| v.status.pilot = PilotState::B, "car", json!({"car": 3}));
    let complete = |v: &mut EvseView| (v.status.pilot, v.status.complete) = (PilotState::B, true);
    check(complete, "car", json!({"car": 4}));
    check(
        |v| v.status.pilot = PilotState::F,
        "car,err",
        json!({"car": 5, "err": 15}),
    );
    let full = |v: &mut EvseView| v.reason.cause = Cause::WaitingForOthers { holders: vec![] };
    check(full, "modelStatus", json!({"modelStatus": 27}));
    check(
        |v| v.reason.cause = Cause::SwitchedOff,
        "modelStatus",
        json!({"modelStatus": 4}),
    );
}

#[test]
fn a_real_document_stands_below_the_keys_that_are_ours() {
    let document = real(
        r#"{"sse":"123456","amp":32,"frc":2,"car":4,"nrg":[1],"zz9":"new","cak":"theirs","cbl":null,"wh":null}"#,
    );
    let expected = json!({"sse": "000007", "amp": 13, "frc": 0, "car": 4, "nrg": [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "zz9": "new", "cbl": null, "wh": 0});
    assert_eq!(
        shown(&view(), Some(&document), "sse,amp,frc,car,nrg,zz9,cbl,wh,nosuch"),
        expected
    );
    assert_eq!(shown(&view(), Some(&document), "cak"), json!({"cak": "ourtoken"}));
    let broken = real("no json");
    assert_eq!(
        shown(&view(), Some(&broken), "typ"),
        json!({"typ": "go-eCharger_V4"}),
        "a broken one counts as none"
    );
}

#[test]
fn secrets_are_shown_only_by_name_and_token() {
    let secrets: Map<String, Value> = keys::SECRETS
        .iter()
        .map(|key| ((*key).to_owned(), json!("secret")))
        .collect();
    let sheet = Sheet::new(secrets, Map::new());
    let named: Vec<String> = keys::SECRETS.iter().map(|key| (*key).to_owned()).collect();
    let count = |filter: Option<&[String]>, secrets| {
        let body: Map<String, Value> =
            serde_json::from_slice(&sheet.body(filter, secrets, StatusForm::Local)).unwrap();
        body.keys().filter(|key| keys::is_secret(key)).count()
    };
    assert_eq!(count(None, Secrets::WhenNamed), 0);
    assert_eq!(count(Some(&named), Secrets::Never), 0);
    assert_eq!(count(Some(&named), Secrets::WhenNamed), 11);
}

#[test]
fn a_status_has_its_headers() {
    let sheet = Sheet::new(Map::new(), Map::from_iter([("amp".to_owned(), json!(16))]));
    let filter = ["amp".to_owned()];
    let form = StatusForm::Cloud {
        last_modified: Timestamp(784_111_777_000),
    };
    let reply = status_reply(&sheet, Some(&filter), Secrets::WhenNamed, form);
    assert_eq!(
        (reply.status(), reply.body().as_slice()),
        (StatusCode::OK, br#"{"amp":16}"#.as_slice())
    );
    let headers = reply.headers();
    assert_eq!(headers["last-modified"], "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["content-length"], "10");
    assert_eq!(headers["access-control-allow-origin"], "*");
    let local = status_reply(&sheet, Some(&filter), Secrets::Never, StatusForm::Local);
    assert!(!local.headers().contains_key("last-modified"));
    assert_eq!(http_date(Timestamp(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
}

#[test]
fn the_state_of_the_link_decides_between_403_and_404() {
    let day = Millis(86_400_000);
    let up = LinkFacts {
        api_enabled: true,
        data_age: Some(Millis(1_000)),
        lost_for: None,
        offline_after: day,
    };
    let lost = |ms: i64| LinkFacts {
        data_age: Some(Millis(ms)),
        lost_for: Some(Millis(ms)),
        ..up
    };
    let never = LinkFacts {
        data_age: None,
        lost_for: Some(Millis(5)),
        ..up
    };
    let default = Millis(30_000);
    let outdated = |ms: i64| Err(Refusal::Outdated { age: Millis(ms) });
    for (facts, age, status, set) in [
        (up, default, Ok(()), Ok(())),
        (lost(29_900), default, Ok(()), Ok(())),
        (lost(31_000), default, outdated(31_000), outdated(31_000)),
        (lost(31_000), Millis(60_000), Ok(()), outdated(31_000)),
        (lost(day.0 - 60_000), day, Ok(()), outdated(day.0 - 60_000)),
        (
            lost(day.0 + 60_000),
            Millis(i64::MAX),
            Err(Refusal::Offline),
            Err(Refusal::Offline),
        ),
        (never, day, Err(Refusal::Offline), Err(Refusal::Offline)),
        (
            LinkFacts {
                api_enabled: false,
                ..up
            },
            default,
            Err(Refusal::Disabled),
            Err(Refusal::Disabled),
        ),
        (
            LinkFacts {
                data_age: Some(Millis(40_000)),
                ..up
            },
            default,
            outdated(40_000),
            Ok(()),
        ),
    ] {
        assert_eq!(facts.admit_status(age), status, "{facts:?}");
        assert_eq!(facts.admit_set(), set, "{facts:?}");
    }
    for (refusal, status) in [
        (Refusal::Unauthorized, 401),
        (Refusal::Disabled, 403),
        (Refusal::Offline, 403),
        (Refusal::Outdated { age: day }, 404),
    ] {
        let reply = refuse(refusal);
        assert_eq!(reply.status().as_u16(), status);
        let body = body(&reply);
        assert_eq!(body["success"], false);
        assert!(
            body.as_object()
                .unwrap()
                .keys()
                .all(|key| keys::find(key).is_none()),
            "no api key in a refusal: {body}"
        );
    }
}

/// Every write of a query, with the gate saying yes.
fn set(query: &str, form: SetForm) -> (u16, Value) {
    let reading = if form == SetForm::Local {
        Reading::Strict
    } else {
        Reading::Lenient
    };
    let target = Target {
        max: MilliAmps(32_000),
        ..Target::from(&view())
    };
    let outcomes: Vec<Outcome> = SetQuery::parse(query)
        .writes
        .into_iter()
        .map(|write| {
            let plan = plan(&write, &target, reading);
            Outcome {
                key: write.key,
                value: plan.value,
                refusal: plan.wanted.err(),
            }
        })
        .collect();
    let reply = set_reply(&outcomes, form);
    (reply.status().as_u16(), body(&reply))
}

#[test]
fn sets_of_the_cloud_form() {
    let cloud = SetForm::Cloud {
        accepted: StatusCode::ACCEPTED,
    };
    let check = |query: &str, status: u16, expected: Value| {
        assert_eq!(
            set(&format!("token=t&{query}"), cloud),
            (status, expected),
            "{query}"
        );
    };
    check(
        "amp=16",
        202,
        json!({"amp": true, "succeeded": [{"amp": 16}], "failed": []}),
    );
    let fna = "my go-eCharger";
    check(
        "&=3&fna=\"my go-eCharger\"",
        202,
        json!({"fna": true, "succeeded": [{"fna": fna}], "failed": [{"": 3}]}),
    );
    check(
        "fna=garage",
        202,
        json!({"fna": true, "succeeded": [{"fna": "garage"}], "failed": []}),
    );
    check("", 422, json!({"succeeded": [], "failed": []}));
    check("&=16", 422, json!({"succeeded": [], "failed": [{"": 16}]}));
    check(
        "nosuch=1",
        422,
        json!({"nosuch": "nosuch: unknown api key", "succeeded": [], "failed": [{"nosuch": 1}]}),
    );
    let alw = "alw: tried to set api key without setter (true)";
    check(
        "alw=true",
        422,
        json!({"alw": alw, "succeeded": [], "failed": [{"alw": true}]}),
    );
    check(
        "alw=true&frc=1",
        202,
        json!({"alw": alw, "frc": true, "succeeded": [{"frc": 1}], "failed": [{"alw": true}]}),
    );
    let range = "amp: failed: Value 5 exceeds range 6 to 32 (5)";
    check(
        "amp=5",
        422,
        json!({"amp": range, "succeeded": [], "failed": [{"amp": 5}]}),
    );
    let typed = "amp: failed: value must be integer (\"sixteen\")";
    check(
        "amp=\"sixteen\"",
        422,
        json!({"amp": typed, "succeeded": [], "failed": [{"amp": "sixteen"}]}),
    );
    check(
        "amp=6&amp=7",
        202,
        json!({"amp": true, "succeeded": [{"amp": 6}, {"amp": 7}], "failed": []}),
    );
    check(
        "trx=null",
        202,
        json!({"trx": true, "succeeded": [{"trx": null}], "failed": []}),
    );
    for key in [
        "rst=true",
        "cwe=false",
        "cak=1",
        "cae=true",
        "oct=\"60.5\"",
        "wak=\"x\"",
        "wifis=[]",
        "pass=\"x\"",
    ] {
        assert_eq!(set(key, cloud).0, 422, "{key}");
    }
    assert_eq!(
        set(
            "amp=16",
            SetForm::Cloud {
                accepted: StatusCode::OK
            }
        )
        .0,
        200
    );
}

#[test]
fn sets_of_the_local_form() {
    let check = |query: &str, status: u16, expected: Value| {
        assert_eq!(set(query, SetForm::Local), (status, expected), "{query}");
    };
    check("amp=16", 200, json!({"amp": true}));
    check(
        "frc=2&amp=10&psm=1",
        200,
        json!({"frc": true, "amp": true, "psm": true}),
    );
    check(
        "amp=5",
        500,
        json!({"amp": "amp: failed: Value 5 exceeds range 6 to 32 (5)"}),
    );
    let json_error = "fna: tried to set api key with invalid json InvalidInput (garage)";
    check("fna=garage", 500, json!({"fna": json_error}));
    check(
        "acs=0&ct=renaultZoe",
        500,
        json!({
            "acs": true,
            "ct": "ct: tried to set api key which is not allowed from api (renaultZoe)",
        }),
    );
}

#[test]
fn writes_become_wishes() {
    let evse = || EvseId::new("left").unwrap();
    let mode = |mode| Ok(Some(Wanted::Mode { evse: evse(), mode }));
    let check = |mode: ChargeMode, key: &str, text: &str, expected: Result<Option<Wanted>, String>| {
        let target = Target {
            mode,
            granted: ["rst".to_owned()].into(),
            is_own: true,
            ..Target::from(&view())
        };
        let write = Write {
            key: key.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(
            plan(&write, &target, Reading::Lenient).wanted,
            expected,
            "{mode:?} {key}={text}"
        );
    };
    use ChargeMode::{Fast, MinSolar, Off, Solar};
    check(
        Fast,
        "amp",
        "10",
        Ok(Some(Wanted::Current {
            evse: evse(),
            current: MilliAmps(10_000),
        })),
    );
    check(
        Fast,
        "amp",
        "20",
        Err("amp: failed: Value 20 exceeds range 6 to 16 (20)".to_owned()),
    );
    check(
        Fast,
        "frc",
        "0",
        Ok(Some(Wanted::Force {
            evse: evse(),
            force: Force::Neutral,
        })),
    );
    check(
        Fast,
        "frc",
        "1",
        Ok(Some(Wanted::Force {
            evse: evse(),
            force: Force::Off,
        })),
    );
    check(
        Fast,
        "frc",
        "2",
        Ok(Some(Wanted::Force {
            evse: evse(),
            force: Force::On,
        })),
    );
    check(
        Fast,
        "psm",
        "0",
        Ok(Some(Wanted::Phases {
            evse: evse(),
            phases: None,
        })),
    );
    check(
        Fast,
        "psm",
        "1",
        Ok(Some(Wanted::Phases {
            evse: evse(),
            phases: Some(Phases::One),
        })),
    );
    check(
        Fast,
        "psm",
        "2",
        Ok(Some(Wanted::Phases {
            evse: evse(),
            phases: Some(Phases::Three),
        })),
    );
    check(Fast, "lmo", "4", mode(Solar));
    check(Fast, "lmo", "3", Ok(None));
    check(Off, "lmo", "3", Ok(None));
    check(MinSolar, "lmo", "4", Ok(None));
    check(Solar, "lmo", "3", mode(Fast));
    check(Off, "fup", "true", mode(Solar));
    check(Off, "fup", "false", Ok(None));
    check(MinSolar, "fup", "false", mode(Fast));
    check(
        Fast,
        "lmo",
        "5",
        Err("lmo: tried to set api key which is not allowed from api (5)".to_owned()),
    );
    let energy = |limit: Option<i64>| {
        let limit = limit.map(WattHours);
        Ok(Some(Wanted::EnergyLimit { evse: evse(), limit }))
    };
    check(Fast, "dwo", "5000", energy(Some(5_000)));
    check(Fast, "dwo", "5000.4", energy(Some(5_000)));
    check(Fast, "dwo", "null", energy(None));
    let price = |limit: Option<i64>| {
        let limit = limit.map(PerKwh);
        Ok(Some(Wanted::PriceLimit { evse: evse(), limit }))
    };
    check(Solar, "awp", "12.5", price(Some(125_000)));
    check(Solar, "awp", "-3", price(Some(-30_000)));
    check(Solar, "awe", "false", price(None));
    check(Solar, "awe", "true", price(Some(30_000)));
    let cap = |amps: Option<i64>| {
        let current = amps.map(MilliAmps::from_amps);
        Ok(Some(Wanted::TemporaryCurrent {
            evse: evse(),
            current,
        }))
    };
    check(Fast, "tcl", "10", cap(Some(10)));
    check(Fast, "tcl", "null", cap(None));
    let too_much = "tcl: failed: Value 17 exceeds range 6 to 16 (17)";
    check(Fast, "tcl", "17", Err(too_much.to_owned()));
    let vendor = Wanted::VendorWrite {
        evse: EvseId::new("left").unwrap(),
        dialect: "goe".to_owned(),
        key: "cid".to_owned(),
        value: "\"#00FF00\"".to_owned(),
    };
    check(Fast, "cid", "\"#00FF00\"", Ok(Some(vendor)));
    let restart = Wanted::VendorWrite {
        evse: EvseId::new("left").unwrap(),
        dialect: "goe".to_owned(),
        key: "rst".to_owned(),
        value: "true".to_owned(),
    };
    check(Fast, "rst", "true", Ok(Some(restart)));
    check(
        Fast,
        "cwe",
        "false",
        Err("cwe: tried to set api key which is not allowed from api without a grant (false)".to_owned()),
    );
}

#[test]
fn a_transaction_is_begun_and_ended_by_trx() {
    let session = |card: Option<&str>| {
        let mut days = days_of_another_make();
        let (_, view) = days.remove(5);
        let mut session = view.session.unwrap();
        session.card = card.map(|card| card.parse().unwrap());
        session
    };
    let idle = EvseView {
        cards: cards(),
        ..view()
    };
    let running = |card| EvseView {
        session: Some(session(card)),
        ..idle.clone()
    };
    let check = |view: &EvseView, text: &str, expected: Result<Option<Wanted>, &str>| {
        let write = Write {
            key: "trx".to_owned(),
            text: text.to_owned(),
        };
        let planned = plan(&write, &Target::from(view), Reading::Strict);
        assert_eq!(planned.wanted, expected.map_err(str::to_owned), "{text}");
    };
    let authorise = |kind, card: Option<&str>| {
        let authorisation = Authorisation {
            kind,
            user: card.map(|_| "anna".parse().unwrap()),
            card: card.map(|card| card.parse().unwrap()),
        };
        let evse = idle.id.clone();
        Ok(Some(Wanted::Authorise { evse, authorisation }))
    };
    let stop = Ok(Some(Wanted::StopTransaction {
        evse: idle.id.clone(),
    }));
    check(&idle, "null", Ok(None));
    check(&idle, "0", authorise(AuthorisationKind::App, None));
    check(&idle, "2", authorise(AuthorisationKind::Rfid, Some("b")));
    check(&idle, "3", Err("trx: failed: Value 3 exceeds range 0 to 2 (3)"));
    check(
        &idle,
        "11",
        Err("trx: failed: Value 11 exceeds range 0 to 10 (11)"),
    );
    check(&running(None), "null", stop.clone());
    check(&running(None), "0", Ok(None));
    check(&running(None), "1", authorise(AuthorisationKind::Rfid, Some("a")));
    // A second tap of the same card would end it.
    check(&running(Some("b")), "2", Ok(None));
    check(&running(Some("b")), "null", stop);
    for (view, expected) in [
        (&idle, json!(null)),
        (&running(None), json!(0)),
        (&running(Some("b")), json!(2)),
    ] {
        let document = real(r#"{"trx":7,"acs":2}"#);
        assert_eq!(shown(view, Some(&document), "trx"), json!({ "trx": expected }));
    }
}

#[test]
fn pushed_readings_change_their_signs_and_read_back() {
    let readings = |grid, pv: Option<i64>, battery: Option<i64>| Pushed {
        grid: Watts(grid),
        pv: pv.map(Watts),
        battery: battery.map(Watts),
    };
    let check = |text: &str, expected: Result<Option<Pushed>, &str>| {
        let write = Write {
            key: "ids".to_owned(),
            text: text.to_owned(),
        };
        let planned = plan(&write, &Target::from(&view()), Reading::Strict).wanted;
        let evse = || view().id;
        let expected = expected.map(|readings| {
            readings.map(|readings| Wanted::PushedReadings {
                evse: evse(),
                readings,
            })
        });
        assert_eq!(planned, expected.map_err(str::to_owned), "{text}");
    };
    let all = r#"{"pGrid": -500.4, "pPv": 3000, "pAkku": -2000}"#;
    check(all, Ok(Some(readings(-500, Some(-3_000), Some(2_000)))));
    check(r#"{"pGrid":7,"pPv":null}"#, Ok(Some(readings(7, None, None))));
    check("null", Ok(None));
    check(
        r#"{"pPv":7}"#,
        Err(r#"ids: failed: value must be object with pGrid ({"pPv":7})"#),
    );
    check(
        r#"{"pGrid":"7"}"#,
        Err(r#"ids: failed: value must be object of numbers ({"pGrid":"7"})"#),
    );
    let mut view = view();
    let document = real(r#"{"pgrid":1,"ppv":2,"pakku":3}"#);
    let filter = "pgrid,ppv,pakku";
    assert_eq!(
        shown(&view, Some(&document), filter),
        json!({"pgrid": 1, "ppv": 2, "pakku": 3})
    );
    view.pushed = Some(PushedView {
        readings: readings(-500, Some(-3_000), None),
        at: at(0),
        is_used: false,
    });
    for document in [None, Some(&document)] {
        let pushed = json!({"pgrid": -500, "ppv": 3000, "pakku": null});
        assert_eq!(shown(&view, document, filter), pushed);
    }
}

#[test]
fn who_must_show_a_card_and_what_an_evse_can_do_is_in_the_settings() {
    let own = EvseView {
        dialect: Some("goe".to_owned()),
        ..view()
    };
    let with_cards = EvseView {
        cards: cards(),
        ..own.clone()
    };
    let check = |view: &EvseView, key: &str, text: &str, fits: bool| {
        let write = Write {
            key: key.to_owned(),
            text: text.to_owned(),
        };
        let planned = plan(&write, &Target::from(view), Reading::Strict);
        assert_eq!(planned.wanted.is_ok(), fits, "{key}={text}: {planned:?}");
    };
    check(&own, "acs", "0", true);
    check(&own, "acs", "1", false);
    for (key, text) in [("ama", "16"), ("mca", "8"), ("c0n", "\"Blue\"")] {
        check(&own, key, text, true);
        check(&view(), key, text, false);
    }
    check(&own, "ocppck", "\"secret\"", true);
    check(&view(), "ocppck", "\"secret\"", false);
    check(&with_cards, "ama", "16", true);
    check(&with_cards, "c0n", "\"Blue\"", false);
}

#[test]
fn what_somebody_else_stopped_is_not_allowed_while_that_stands() {
    let mut view = view();
    for (what, policy, allowed, number) in [
        (ForeignWhat::Paused, ForeignPolicy::Yield, false, 4),
        (ForeignWhat::Paused, ForeignPolicy::Ask, false, 4),
        (ForeignWhat::Paused, ForeignPolicy::Reassert, true, 4),
        (
            ForeignWhat::Current(MilliAmps(6_000)),
            ForeignPolicy::Yield,
            true,
            15,
        ),
        (ForeignWhat::Started, ForeignPolicy::Reassert, true, 3),
    ] {
        let since = Timestamp(0);
        let write = ForeignWrite { what, since };
        view.foreign = Some(ForeignView { write, policy });
        view.reason.cause = Cause::ChangedElsewhere { what, policy };
        let acu = if allowed { json!(9) } else { json!(null) };
        assert_eq!(
            shown(&view, None, "alw,acu,modelStatus"),
            json!({"alw": allowed, "acu": acu, "modelStatus": number}),
            "{what:?} {policy:?}"
        );
    }
}

#[test]
fn what_clients_read_by_place_has_its_places_whatever_the_document_says() {
    let document = real(r#"{"nrg":[1,null,"x",2.5],"pha":[true],"tma":[3],"c0n":"Own","c0e":5,"c0i":true}"#);
    let shown = shown(&view(), Some(&document), "");
    let zeros = [0; 12];
    let expected: Vec<Value> = [json!(1), json!(0), json!(0), json!(2.5)]
        .into_iter()
        .chain(zeros.map(Value::from))
        .collect();
    assert_eq!(shown["nrg"], Value::Array(expected));
    assert_eq!(shown["pha"], json!([true, false, false, false, false, false]));
    assert_eq!(shown["tma"], json!([0, 0]));
    assert_eq!(
        shown["cards"][0],
        json!({"name": "Own", "energy": 5, "cardId": true})
    );
}

#[test]
fn a_charger_without_a_clock_has_that_of_the_site() {
    let shown = shown(&view(), None, "lto,tof,tds,loc,pgrid,ppv,pakku,map,fhz");
    let loc = shown["loc"].as_str().unwrap();
    assert!(loc.ends_with(" +02:00"), "{loc}");
    assert_eq!(
        (&shown["lto"], &shown["tof"], &shown["tds"]),
        (&json!(7_200_000), &json!(60), &json!(1))
    );
    assert_eq!(
        (&shown["pgrid"], &shown["ppv"], &shown["pakku"]),
        (&json!(-1_200), &json!(5_000), &json!(null))
    );
    assert_eq!(shown["map"], json!([2, 3, 1]));
}

proptest! {
    #[test]
    fn queries_never_panic(query in ".{0,80}") {
        let status = StatusQuery::parse(&query);
        let sheet = map::sheet(None, &view(), None, &about());
        let _ = status_reply(&sheet, status.filter.as_deref(), Secrets::Never, StatusForm::Local);
        let _ = set(&query, SetForm::Local);
        let _ = set(&query, SetForm::Cloud { accepted: StatusCode::ACCEPTED });
    }

    #[test]
    fn any_document_can_be_served(json in "[\\[\\]{}\":,a-z0-9. -]{0,60}") {
        let _ = shown(&view(), Some(&real(&json)), "");
    }
}
