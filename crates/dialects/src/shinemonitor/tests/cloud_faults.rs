//! A cloud that fails in every way it is known to, published captures, and answers without sense.

use model::device::LinkState;
use model::phases::PerPhase;
use model::time::{Millis, Timestamp};
use model::units::{MilliAmps, MilliHertz, MilliVolts, PerMille, WattHours, Watts};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::cloud::{Answered, BATTERY, Cloud, Fault, METER, PV, Pair, settings};
use crate::Failure;

fn pair(fault: impl FnMut(&str, usize) -> Answered + 'static) -> Pair {
    let mut cloud = Cloud::new();
    cloud.fault = Box::new(fault) as Fault;
    Pair::new(cloud, settings(&[PV, METER]))
}

fn said(body: &str) -> Answered {
    Some(Ok(body.as_bytes().to_vec()))
}

type Odd = fn() -> Answered;

#[test]
fn single_faults_are_got_over_without_a_word() {
    let faults: [(&str, Odd); 9] = [
        ("session", || said(r#"{"err":10,"desc":"ERR_NO_AUTH"}"#)),
        ("signature", || said(r#"{"err":4,"desc":"ERR_SIGN"}"#)),
        ("trouble", || said(r#"{"err":3,"desc":"ERR_SYSTEM_EXCEPTION"}"#)),
        ("page", || said("<html><body>502 Bad Gateway</body></html>")),
        ("cut", || {
            said(r#"{"err":0,"desc":"ERR_NONE","dat":[{"title":"id","va"#)
        }),
        ("nothing", || said("")),
        ("wrong", || said(r#"{"err":0,"dat":{"a":[1,2,{"b":null}]}}"#)),
        ("silence", || Some(Err(Failure::TimedOut { after_ms: 20_000 }))),
        ("end", || Some(Err(Failure::Closed))),
    ];
    for (name, fault) in faults {
        for at in [
            "authSource",
            "queryCollectorInfo",
            "queryPlantDeviceStatus",
            "queryDeviceLastData",
        ] {
            if at == "authSource" && name == "session" {
                continue;
            }
            let mut pair = pair(move |action, count| (action == at && count == 1).then(fault).flatten());
            pair.run_for(120_000);
            for unit in [PV, METER] {
                assert_eq!(pair.links(unit), [&LinkState::Online], "{name} at {at}");
                assert_eq!(pair.readings(unit).len(), 1, "{name} at {at}");
            }
        }
    }
}

#[test]
fn a_cloud_that_is_away_is_asked_less_and_less_often() {
    let mut pair = pair(|_, _| Some(Err(Failure::Refused)));
    pair.run_for(7_200_000);
    let times: Vec<i64> = pair.cloud.asked.iter().map(|asked| asked.0).collect();
    let gaps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps[0] >= 5_000, "{gaps:?}");
    assert!(*gaps.last().unwrap() >= 480_000, "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= 601_000), "{gaps:?}");
    assert!(times.len() < 30, "{}", times.len());
    for unit in [PV, METER] {
        let problem = pair.problem(unit);
        assert!(
            problem
                .contains("cannot read https://web.shinemonitor.com/public/: connection refused; check url"),
            "{problem}"
        );
        assert_eq!(pair.links(unit).len(), 1);
    }
    pair.cloud.fault = Box::new(|_, _| None);
    let now = pair.now;
    for id in ["pv", "meter"] {
        pair.device_tells(id, now);
    }
    pair.run_for(700_000);
    for unit in [PV, METER] {
        assert_eq!(pair.links(unit).last(), Some(&&LinkState::Online));
    }
}

#[test]
fn after_an_outage_the_same_record_is_good_again() {
    let mut pair = pair(|_, _| None);
    pair.run_for(30_000);
    pair.cloud.fault = Box::new(|_, _| Some(Err(Failure::Closed)));
    pair.run_for(330_000);
    assert!(
        pair.problem(PV).contains("connection closed"),
        "{}",
        pair.problem(PV)
    );
    pair.cloud.fault = Box::new(|_, _| None);
    pair.run_for(120_000);
    assert_eq!(pair.links(PV).last(), Some(&&LinkState::Online));
    assert_eq!(pair.readings(PV).len(), 1);
}

#[test]
fn a_signature_that_is_refused_for_good_is_no_endless_loop() {
    let mut pair = pair(|action, _| (action != "authSource").then(|| said(r#"{"err":4}"#)).flatten());
    pair.run_for(3_600_000);
    assert!(pair.cloud.asked.len() < 120, "{}", pair.cloud.asked.len());
    assert!(pair.problem(PV).contains("error 4"), "{}", pair.problem(PV));
    // Nor is a session that never lasts.
    let mut pair = self::pair(|action, _| (action != "authSource").then(|| said(r#"{"err":10}"#)).flatten());
    pair.run_for(3_600_000);
    assert!(pair.cloud.asked.len() < 120, "{}", pair.cloud.asked.len());
    assert!(pair.problem(PV).contains("error 10"), "{}", pair.problem(PV));
}

#[test]
fn one_device_that_is_answered_with_nonsense_does_not_stop_the_others() {
    let mut pair = pair(|action, count| {
        let is_odd = action == "queryDeviceLastData" && count % 2 == 1;
        is_odd.then(|| said(r#"{"err":0,"dat":7}"#)).flatten()
    });
    pair.run_for(600_000);
    assert!(!pair.readings(PV).is_empty() || !pair.readings(METER).is_empty());
    assert!(!pair.complaints.is_empty());
}

#[test]
fn nothing_there_is_no_failure() {
    for code in [12, 264] {
        let mut pair = pair(move |action, _| {
            let is_data = matches!(action, "queryDeviceLastData" | "querySPDeviceLastData");
            is_data.then(|| Ok(format!("{{\"err\":{code}}}").into_bytes()))
        });
        pair.run_for(900_000);
        assert!(
            pair.problem(PV).contains("has no record of device"),
            "{}",
            pair.problem(PV)
        );
        assert_eq!(pair.complaints, [""; 0]);
        // Each of the two ways is tried, at the pace of the logger.
        let count = pair.cloud.count("queryDeviceLastData") + pair.cloud.count("querySPDeviceLastData");
        assert!((8..=14).contains(&count), "{code}: {count}");
    }
}

#[test]
fn nothing_now_and_then_is_overlooked() {
    let mut pair = pair(|action, count| {
        // Once each.
        let is_odd = action == "queryDeviceLastData" && matches!(count, 3 | 6);
        is_odd.then(|| said(r#"{"err":12}"#)).flatten()
    });
    for _ in 0..4 {
        pair.run_for(300_000);
        let now = pair.now;
        for id in ["pv", "meter"] {
            pair.device_tells(id, now);
        }
    }
    assert!(pair.readings(METER).len() > 1, "{:?}", pair.events);
    for unit in [PV, METER] {
        let links = pair.links(unit);
        assert!(
            links.iter().all(|state| **state == LinkState::Online),
            "{links:?}"
        );
    }
}

/// Answers `dat` to every question for a record.
fn shown(dat: Value, unit: &str) -> Pair {
    let body = json!({"err": 0, "desc": "ERR_NONE", "dat": dat}).to_string();
    let mut cloud = Cloud::new();
    cloud.fault = Box::new(move |action, _| {
        let is_data = matches!(action, "queryDeviceLastData" | "querySPDeviceLastData");
        is_data.then(|| Ok(body.as_bytes().to_vec()))
    });
    let mut settings = settings(&[unit]);
    settings.places[0].1 = Millis(300_000);
    let mut pair = Pair::new(cloud, settings);
    pair.run_for(60_000);
    pair
}

/// The vendor's page of `queryDeviceLastData`, its time moved into the time of the test.
#[test]
fn the_printed_record_of_an_inverter_is_read() {
    let pair = shown(
        json!([
            {"title": "id", "val": "cac824e415f211e7bde91c6f6593e938"},
            {"title": "Timestamp", "val": "2026-06-15 11:57:59"},
            {"title": "PV1 voltage", "unit": "V", "val": "608.4"},
        ]),
        PV,
    );
    // A voltage alone says nothing of what it produces.
    assert!(pair.problem(PV).contains("fields.toml"), "{}", pair.problem(PV));
    assert!(pair.problem(PV).contains("PV1 voltage"), "{}", pair.problem(PV));

    let pair = shown(
        json!([
            {"title": "id", "val": "cac824e415f211e7bde91c6f6593e938"},
            {"title": "Timestamp", "val": "2026-06-15 11:57:59"},
            {"title": "PV1 voltage", "unit": "V", "val": "608.4"},
            {"title": "PV1 current", "unit": "A", "val": "2.5"},
            {"title": "Grid R voltage", "unit": "V", "val": "231.2"},
            {"title": "Grid frequency", "unit": "Hz", "val": "49.99"},
            {"title": "Energy total", "unit": "kWh", "val": "1234.5"},
            {"title": "Mode", "val": "Line Mode"},
        ]),
        PV,
    );
    let [(at, measured)] = pair.readings(PV)[..] else {
        panic!("{:?}", pair.events)
    };
    assert_eq!(at, Timestamp(pair.cloud.world.now.0).min(at));
    assert_eq!(measured.power, Some(Watts(-1_521)));
    assert_eq!(measured.energy_out, Some(WattHours(1_234_500)));
    assert_eq!(
        measured.voltage,
        Some(PerPhase::new(MilliVolts(231_200), MilliVolts(0), MilliVolts(0)))
    );
    assert_eq!(measured.frequency, Some(MilliHertz(49_990)));
}

/// Titles and units as captures of storage inverters show them.
#[test]
fn records_of_storage_inverters_are_read() {
    let record = json!([
        {"title": "id", "val": "1"},
        {"title": "Timestamp", "val": "2026-06-15 11:57:59"},
        {"title": "Grid Voltage", "unit": "V", "val": "230.1"},
        {"title": "PV1 Charging Power", "unit": "W", "val": "729"},
        {"title": "PV2 Charging power", "unit": "W", "val": "71"},
        {"title": "Battery Voltage", "unit": "V", "val": "27.5"},
        {"title": "Battery Capacity", "unit": "%", "val": "98"},
        {"title": "Battery Charging Current", "unit": "A", "val": "0"},
        {"title": "Battery Discharge Current", "unit": "A", "val": "4"},
        {"title": "AC Output Voltage", "unit": "V", "val": "230.2"},
        {"title": "AC Output Active Power", "unit": "kW", "val": "0.766"},
        {"title": "Device Status2", "val": ""},
    ]);
    let pair = shown(record.clone(), BATTERY);
    let [(_, battery)] = pair.readings(BATTERY)[..] else {
        panic!("{:?}", pair.events)
    };
    assert_eq!(
        (battery.power, battery.soc),
        (Some(Watts(-110)), Some(PerMille(980)))
    );
    let load = "G0916522248153,2304,3,9900000000003/load";
    let pair = shown(record.clone(), load);
    assert_eq!(pair.readings(load)[0].1.power, Some(Watts(766)));
    let pair = shown(record, PV);
    assert_eq!(pair.readings(PV)[0].1.power, Some(Watts(-800)));

    // The reference's shape of storage apps.
    let groups = json!({"gts": "2026-06-15 11:45:35", "pars": {
        "gd_": [{"id": "gd_eybond_read_15", "par": "Grid Voltage", "val": "230.7", "unit": "V"}],
        "sy_": [],
        "pv_": [{"id": "pv_output_power", "par": "PV Power", "val": "0", "unit": "W"}],
        "bt_": [],
        "bc_": [],
    }});
    let storage = "G0916522248153,2376,3,9900000000003/pv";
    let pair = shown(groups, storage);
    let [(_, pv)] = pair.readings(storage)[..] else {
        panic!("{:?}", pair.events)
    };
    assert_eq!(pv.power, Some(Watts(0)));
    assert_eq!(pv.voltage.unwrap().l1, MilliVolts(230_700));
}

#[test]
fn what_cannot_be_is_not_believed() {
    let record = |title: &str, unit: &str, val: &str| {
        json!([
            {"title": "id", "val": "1"},
            {"title": "Timestamp", "val": "2026-06-15 11:57:59"},
            {"title": title, "unit": unit, "val": val},
        ])
    };
    for (title, unit, val) in [
        ("Output power", "MW", "9000"),
        ("Energy total", "kWh", "-5"),
        ("Grid frequency", "Hz", "5000"),
        ("Grid R voltage", "kV", "230"),
    ] {
        let pair = shown(record(title, unit, val), PV);
        assert_eq!(pair.readings(PV), [], "{title}");
        assert!(!pair.complaints.is_empty(), "{title}");
    }
    // No number, no unit that is known: nothing is known of it.
    for (unit, val) in [
        ("W", "1e3"),
        ("W", "--"),
        ("W", "12,5"),
        ("furlong", "1"),
        ("W", "99999999999999999999"),
    ] {
        let pair = shown(record("Output power", unit, val), PV);
        assert!(pair.problem(PV).contains("fields.toml"), "{val} {unit}");
    }
    // No battery.
    let pair = shown(record("SOC", "%", "-1"), BATTERY);
    assert!(
        pair.readings(BATTERY)
            .iter()
            .all(|reading| reading.1.soc.is_none())
    );
    let pair = shown(record("Grid R current", "A", "4.5"), METER);
    assert_eq!(pair.readings(METER)[0].1.current.unwrap().l1, MilliAmps(4_500));
}

/// A device whose records are as `record` makes them, by how often it was asked.
fn telling(record: impl Fn(usize) -> Value + 'static) -> Pair {
    pair(move |action, count| {
        let is_data = action == "queryDeviceLastData";
        is_data.then(|| Ok(json!({"err": 0, "dat": record(count)}).to_string().into_bytes()))
    })
}

fn record(id: &str, at: &str, power: &str) -> Value {
    json!([
        {"title": "id", "val": id},
        {"title": "Timestamp", "val": at},
        {"title": "Output power", "unit": "W", "val": power},
    ])
}

#[test]
fn a_record_is_news_by_its_time_and_not_by_its_id_alone() {
    // Ids that never change, and times that do.
    let minute = |n: usize| format!("2026-06-15 {:02}:{:02}:59", 11 + (57 + n) / 60, (57 + n) % 60);
    let mut same_id = telling(move |count| record("1", &minute(count * 5 / 2), &count.to_string()));
    same_id.run_for(900_000);
    assert!(same_id.readings(PV).len() >= 3, "{:?}", same_id.events);
    // Ids that always do, of one and the same record.
    let mut same_time = telling(|count| record(&count.to_string(), "2026-06-15 11:57:59", "5"));
    same_time.run_for(900_000);
    assert_eq!(same_time.readings(PV).len(), 1);
    // The same row told with the time of asking: its device has long been silent.
    let mut told_again = telling(move |count| record("1", &minute(count * 5 / 2), "5"));
    told_again.run_for(3_000_000);
    assert_eq!(told_again.readings(PV).len(), 1);
    assert!(told_again.problem(PV).contains("the latest that the cloud has"));
}

#[test]
fn a_record_that_cannot_be_leaves_no_link_that_seems_to_be_good() {
    for (at, power) in [("2026-06-15 12:02:59", "9000000000"), ("yesterday", "5")] {
        let mut pair = telling(move |count| {
            if count <= 2 {
                record("1", "2026-06-15 11:57:59", "5")
            } else {
                record("2", at, power)
            }
        });
        pair.run_for(400_000);
        assert_eq!(pair.readings(PV).len(), 1);
        assert!(pair.problem(PV).contains("; expected"), "{}", pair.problem(PV));
    }
}

#[test]
fn two_nodes_that_send_us_to_each_other_are_left_alone_for_longer_and_longer() {
    let mut pair = pair(|action, _| (action != "authSource").then(|| said(r#"{"err":261}"#)).flatten());
    pair.run_for(3_600_000);
    assert!(pair.cloud.asked.len() < 120, "{}", pair.cloud.asked.len());
    assert!(pair.problem(PV).contains("error 261"), "{}", pair.problem(PV));
    // It may be over one day.
    pair.cloud.fault = Box::new(|_, _| None);
    let now = pair.now;
    for id in ["pv", "meter"] {
        pair.device_tells(id, now);
    }
    pair.run_for(700_000);
    assert_eq!(pair.links(PV).last(), Some(&&LinkState::Online));
}

#[test]
fn a_logger_that_does_not_say_how_often_it_tells_is_asked_every_minute_at_most() {
    let mut cloud = Cloud::new();
    cloud.fault = Box::new(|action, _| {
        let about = r#"{"err":0,"dat":{"collector":[{"pn":"G0916522248153","timezone":3600,"status":0}]}}"#;
        match action {
            "queryCollectorInfo" => said(about),
            "queryDeviceLastData" => said(r#"{"err":12}"#),
            "querySPDeviceLastData" => said(r#"{"err":12}"#),
            _ => None,
        }
    });
    let mut settings = settings(&[PV]);
    settings.places[0].1 = Millis(1_000);
    let mut pair = Pair::new(cloud, settings);
    pair.run_for(3_600_000);
    let count = pair.cloud.count("queryDeviceLastData") + pair.cloud.count("querySPDeviceLastData");
    // In both ways each time.
    assert!((100..=124).contains(&count), "{count}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,24}".prop_map(Value::from),
        "-?[0-9]{1,25}(\\.[0-9]{0,12})?".prop_map(Value::from),
        Just(Value::from("2026-06-15 11:57:59")),
        Just(Value::from("9999-12-31 23:59:59")),
        Just(Value::from("0000-00-00 00:00:00")),
    ];
    let names = prop_oneof![
        Just("title".to_owned()),
        Just("val".to_owned()),
        Just("unit".to_owned()),
        Just("row".to_owned()),
        Just("field".to_owned()),
        Just("pars".to_owned()),
        Just("gts".to_owned()),
        Just("id".to_owned()),
        Just("par".to_owned()),
        Just("collector".to_owned()),
        Just("device".to_owned()),
        Just("pn".to_owned()),
        Just("datFetch".to_owned()),
        Just("timezone".to_owned()),
        Just("pid".to_owned()),
        Just("token".to_owned()),
        Just("secret".to_owned()),
        Just("expire".to_owned()),
        "[a-z]{0,6}",
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Answers that are right but for one place, or cut, or nothing of the kind.
fn spoil(right: Vec<u8>, how: u8, at: usize, other: &Value) -> Vec<u8> {
    match how % 4 {
        0 => other.to_string().into_bytes(),
        1 => json!({"err": 0, "dat": other}).to_string().into_bytes(),
        2 => right.get(..at % (right.len() + 1)).unwrap_or_default().to_vec(),
        _ => {
            let mut spoilt = right;
            let end = spoilt.len().max(1);
            if let Some(byte) = spoilt.get_mut(at % end) {
                *byte = b"0\"{}[],:-9e"[at % 11];
            }
            spoilt
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_makes_the_client_fail(
        how in any::<u8>(),
        at in any::<u16>(),
        from in 0_usize..8,
        other in any_json(),
    ) {
        let mut settings = settings(&[PV, METER, BATTERY, "E5000099990001,2341,1,92932004102443/pv"]);
        settings.past_days = 3;
        let mut pair = Pair::new(Cloud::new(), settings);
        // From a certain question on, every answer is spoilt; at the end it is a good cloud again.
        let right: Vec<Vec<u8>> = [
            r#"{"err":0,"dat":{"secret":"ab","expire":604800,"token":"cd","role":0,"uid":1,"usr":"vplant"}}"#,
            r#"{"err":0,"dat":{"collector":[{"pn":"G0916522248153","datFetch":1,"timezone":3600,"status":0,"pid":1}]}}"#,
            r#"{"err":0,"dat":[{"title":"id","val":"1"},{"title":"Timestamp","val":"2026-06-15 11:57:59"},{"title":"Output power","unit":"W","val":"1"}]}"#,
            r#"{"err":0,"dat":{"title":[{"title":"id"},{"title":"Timestamp"},{"title":"Output power","unit":"W"}],"row":[{"field":["1","2026-06-15 11:00:00","5"]}]}}"#,
        ].map(|text| text.as_bytes().to_vec()).into();
        let mut asked = 0;
        pair.cloud.fault = Box::new(move |_, count| {
            asked += 1;
            (asked > from).then(|| {
                let right = right[(asked + count) % right.len()].clone();
                Ok(spoil(right, how, usize::from(at) + asked, &other))
            })
        });
        pair.run_for(3_600_000);
        prop_assert!(pair.cloud.asked.len() < 4_000);
    }
}
