//! What is asked: the printed example, and whatever else comes.

use std::collections::BTreeMap;

use model::oversight::{Callback, Code, Decimal, EntityKind, FindingKind, Operator, PortState, Value};
use model::time::Timestamp;
use serde_json::{Value as Json, json};

use super::super::definition::{Definition, Form, built_in};
use super::super::error::Refusal;
use super::super::request::{Asked, Endpoint, Refused, Slice};
use super::super::server::{self, Page};
use super::super::{map, read as reader};
use super::{SEED, operator, read, read_by, refused, shanghai};

const PORT: Endpoint = Endpoint::Register(EntityKind::Port);

fn sample() -> Json {
    json!({
        "cellId": "95", "equipmentId": "37", "operatorId": "99",
        "updateDatetime": "2022-02-28 13:40:00", "cellStatus": 3,
        "voltage": 220.5, "current": 1.25, "power": 0.275, "consumption": 0.5,
        "temperature": -3.5, "soc": 81.5, "chargeDuration": 600, "startChargeSeq": "99202202281330000001",
        "errorCode": 0, "doorStatus": 10, "smokeAlarm": 2, "batteryInfo": 2, "batteryId": "B7"
    })
}

fn record() -> Json {
    json!({
        "startChargeSeq": "99202202281330000001", "cellId": "95", "operatorId": "99",
        "startDatetime": "2022-02-28 13:30:00", "endDateTime": "2022-02-28 13:44:00",
        "totalPower": 0.5, "totalElecMoney": 0.31, "totalServiceMoney": 0.2,
        "startType": 1, "stopReason": 9, "averagePower": 250.5, "phoneNum": "13800000000", "userId": "u1"
    })
}

/// All that is told in a body, with an example of it.
fn forms() -> [(Endpoint, &'static Form, Json); 5] {
    let definition = built_in();
    let station = json!({
        "stationId": "S1", "operatorId": "99", "equipmentOwnerId": "99", "stationName": "Gate 1",
        "address": "1 River Road", "stationType": 4, "stationStatus": 50, "stationLng": 120.15, "stationLat": 30.28,
    });
    let equipment = json!({
        "equipmentId": "37", "stationId": "S1", "operatorId": "99", "equipmentName": "Cabinet",
        "equipmentType": 1, "equipmentCategory": 2,
    });
    [
        (
            Endpoint::Register(EntityKind::Station),
            &definition.station,
            station,
        ),
        (
            Endpoint::Register(EntityKind::Equipment),
            &definition.equipment,
            equipment,
        ),
        (PORT, &definition.port, serde_json::from_str(SEED).unwrap()),
        (Endpoint::Report, &definition.sample, sample()),
        (Endpoint::Record, &definition.record, record()),
    ]
}

/// The same object with a member changed.
fn changed(mut object: Json, name: &str, value: Json) -> String {
    object[name] = value;
    object.to_string()
}

fn without(mut object: Json, name: &str) -> String {
    object.as_object_mut().unwrap().remove(name);
    object.to_string()
}

fn kinds(findings: &[model::oversight::Finding]) -> Vec<(FindingKind, &str, &str, &str)> {
    let all = findings.iter();
    all.map(|f| (f.kind, f.field.as_str(), f.value.as_str(), f.expected.as_str()))
        .collect()
}

#[test]
fn the_printed_example_is_kept_as_it_is() {
    let Ok(Asked::Register(told)) = read(&operator("99"), PORT, "", SEED) else {
        panic!("not kept");
    };
    let entity = &told.what;
    assert_eq!((entity.kind, entity.id.as_str()), (EntityKind::Port, "95"));
    assert_eq!(entity.parent.as_ref().map(Code::as_str), Some("37"));
    assert_eq!(entity.number("fire_extinguisher"), Some(Decimal::whole(97)));
    assert_eq!(entity.number("rated_voltage_max"), Some(Decimal::whole(29)));
    assert_eq!(entity.text("energy_fee"), Some("文山壮族苗族自治州"));
    assert_eq!((entity.fields.len(), entity.unknown.len()), (10, 0));
    assert_eq!(
        kinds(&told.findings),
        [
            (FindingKind::OutOfTable, "fire_extinguisher", "97", "1, 2, 3"),
            (FindingKind::OutOfTable, "smoke_detector", "46", "1, 2, 3"),
        ]
    );
    assert_eq!(told.body, SEED);
    // What is told of it again is what was sent.
    let back = map::entity_json(built_in(), &operator("99").id, entity, true);
    assert_eq!(
        serde_json::from_str::<Json>(&back).unwrap(),
        serde_json::from_str::<Json>(SEED).unwrap()
    );
}

#[test]
fn the_printed_example_is_refused_when_told_to_be_strict() {
    let strict = Operator {
        strict: true,
        ..operator("99")
    };
    let refusal = read(&strict, PORT, "", SEED).unwrap_err();
    assert_eq!(
        (refusal.status, refusal.message.as_str()),
        (400, "fireControl: 97: expected one of 1, 2, 3")
    );
    assert_eq!(refusal.more, ["smokeSensation: 46: expected one of 1, 2, 3"]);
}

#[test]
fn every_member_that_is_needed_is_missed() {
    for (endpoint, form, whole) in forms() {
        assert!(read(&operator("99"), endpoint, "", &whole.to_string()).is_ok());
        for field in &form.fields {
            let name = field.name.as_str();
            let bodies = [
                without(whole.clone(), name),
                changed(whole.clone(), name, Json::Null),
            ];
            for body in bodies {
                let found = refused(&operator("99"), endpoint, "", &body);
                if field.required {
                    assert_eq!(found, (400, format!("{name}: is required")));
                } else {
                    assert_eq!(found.0, 200, "{name}: {}", found.1);
                }
            }
            let body = changed(whole.clone(), name, json!(""));
            let (status, message) = refused(&operator("99"), endpoint, "", &body);
            if field.required {
                let expected = if field.is == "operator" { 403 } else { 400 };
                assert_eq!(status, expected, "{name}: {message}");
                assert!(message.starts_with(&format!("{name}: ")), "{message}");
            }
        }
    }
}

#[test]
fn mistyped_members_are_refused_by_name() {
    for (endpoint, form, whole) in forms() {
        for field in &form.fields {
            let long = "x".repeat(field.most + 1);
            let is_text = !matches!(
                field.kind,
                super::super::definition::Kind::Integer
                    | super::super::definition::Kind::Number
                    | super::super::definition::Kind::Code
            );
            let wrong = if is_text {
                vec![
                    json!(95),
                    json!(true),
                    json!({}),
                    json!(["95"]),
                    json!(long),
                    json!("a\u{0}b"),
                ]
            } else {
                vec![
                    json!("x"),
                    json!(""),
                    json!(" 5"),
                    json!("5 "),
                    json!("5,0"),
                    json!(true),
                    json!({}),
                    json!([5]),
                ]
            };
            for value in wrong {
                let body = changed(whole.clone(), &field.name, value.clone());
                let (status, message) = refused(&operator("99"), endpoint, "", &body);
                let is_foreign = field.is == "operator" && value.is_string();
                assert_eq!(
                    status,
                    if is_foreign { 403 } else { 400 },
                    "{}: {value}: {message}",
                    field.name
                );
                assert!(message.starts_with(&format!("{}: ", field.name)), "{message}");
            }
        }
    }
    for (name, value) in [
        ("cellStatus", json!(2.5)),
        ("chargeDuration", json!("1.5")),
        ("updateDatetime", json!("2022-02-28")),
        ("updateDatetime", json!("28.02.2022 13:40:00")),
        ("cellId", json!("")),
        ("cellId", json!("a b")),
        ("cellId", json!("充电口")),
        ("voltage", json!(1e300)),
    ] {
        let (status, message) = refused(
            &operator("99"),
            Endpoint::Report,
            "",
            &changed(sample(), name, value),
        );
        assert!(status == 400 && message.starts_with(name), "{name}: {message}");
    }
}

fn told(object: &Json) -> super::super::request::Told<model::oversight::Sample> {
    match read(&operator("99"), Endpoint::Report, "", &object.to_string()) {
        Ok(Asked::Report(told)) => told,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sample_says_what_it_says() {
    let told = told(&sample());
    let sample = &told.what;
    let decimal = |text: &str| Some(text.parse::<Decimal>().unwrap());
    assert_eq!((sample.port.as_str(), sample.equipment.as_str()), ("95", "37"));
    assert_eq!(sample.at, Timestamp::from_seconds(1_646_026_800));
    assert_eq!(
        (sample.state, sample.error, sample.door),
        (PortState::Charging, None, Some(10))
    );
    assert_eq!(
        (sample.voltage, sample.current),
        (decimal("220.5"), decimal("1.25"))
    );
    assert_eq!((sample.power, sample.energy), (decimal("0.275"), decimal("0.5")));
    assert_eq!(
        (sample.temperature, sample.soc),
        (decimal("-3.5"), decimal("81.5"))
    );
    assert_eq!((sample.duration_s, sample.smoke), (Some(600), Some(2)));
    let more = [("battery", "2"), ("battery_id", "\"B7\"")];
    let more = more.map(|(name, json)| (name.to_owned(), json.to_owned()));
    assert_eq!(sample.more, BTreeMap::from(more));
    assert_eq!(kinds(&told.findings), []);
}

#[test]
fn odd_samples_are_kept_with_what_is_odd() {
    let mut object = sample();
    for (name, value) in [
        ("updateDatetime", json!("2022-02-28 9:38:00")),
        ("cellStatus", json!("7")),
        ("voltage", json!("220.50")),
        ("power", json!(0.27512)),
        ("temperature", json!(21.123_456_789)),
        ("soc", json!(101)),
        ("doorStatus", json!(11)),
        ("errorCode", json!(2_999)),
        ("humidity", json!({"rh": [1, 2]})),
        ("note", json!(null)),
    ] {
        object[name] = value;
    }
    let told = told(&object);
    assert_eq!(told.what.state, PortState::Other(7));
    assert_eq!((told.what.error, told.what.door), (Some(2_999), Some(11)));
    assert_eq!(told.what.temperature, Some(Decimal(21_123_457)));
    assert_eq!(
        told.what.more.get("humidity").map(String::as_str),
        Some("{\"rh\":[1,2]}")
    );
    assert!(!told.what.more.contains_key("note"));
    assert_eq!(
        kinds(&told.findings),
        [
            (
                FindingKind::OddTime,
                "at",
                "2022-02-28 9:38:00",
                "yyyy-MM-dd HH:mm:ss"
            ),
            (FindingKind::NumberAsText, "state", "7", "an integer"),
            (FindingKind::OutOfTable, "state", "7", "1, 2, 3, 4, 5, 255"),
            (FindingKind::NumberAsText, "voltage", "220.50", "a number"),
            (FindingKind::TooPrecise, "power", "0.27512", "3 decimal places"),
            (
                FindingKind::TooPrecise,
                "temperature",
                "21.123456789",
                "1 decimal places"
            ),
            (FindingKind::Implausible, "soc", "101", "0 to 100"),
            (FindingKind::OutOfTable, "door", "11", "10, 50"),
        ]
    );
}

#[test]
fn a_port_off_the_network_is_a_fault() {
    let off = serde_json::from_str::<Json>(&changed(sample(), "cellStatus", json!(0))).unwrap();
    let found = told(&off);
    assert_eq!(
        (found.what.state, found.what.error),
        (PortState::Fault, Some(1_017))
    );
    assert_eq!(found.findings.len(), 1);
    let strict = Operator {
        strict: true,
        ..operator("99")
    };
    let refusal = read(&strict, Endpoint::Report, "", &off.to_string()).unwrap_err();
    assert_eq!(
        refusal.message,
        "cellStatus: 0: expected one of 1, 2, 3, 4, 5, 255"
    );
}

#[test]
fn other_names_are_understood() {
    let mut object = sample();
    let members = object.as_object_mut().unwrap();
    for (from, to) in [
        ("current", "electricityCurrent"),
        ("cellId", "cellID"),
        ("equipmentId", "equipmentID"),
        ("operatorId", "operatorID"),
        ("temperature", "wendu"),
        ("power", "gonglv"),
    ] {
        let value = members.remove(from).unwrap();
        members.insert(to.to_owned(), value);
    }
    let own = Operator {
        // By our name, and by that of the platform.
        field_names: [("wendu", "temperature"), ("gonglv", "power"), ("x", "nothing")]
            .map(|(sent, means)| (sent.to_owned(), means.to_owned()))
            .into(),
        ..operator("99")
    };
    let Ok(Asked::Report(told)) = read(&own, Endpoint::Report, "", &object.to_string()) else {
        panic!("refused");
    };
    let mut expected = super::reading::told(&sample()).what;
    assert_eq!(told.what, expected);
    // To everybody else these are members that are not known.
    let of_other = super::reading::told(&object).what;
    expected.temperature = None;
    expected.power = None;
    expected.more.insert("wendu".to_owned(), "-3.5".to_owned());
    expected.more.insert("gonglv".to_owned(), "0.275".to_owned());
    assert_eq!(of_other, expected);
    let twice = changed(sample(), "electricityCurrent", json!(1));
    assert_eq!(
        refused(&operator("99"), Endpoint::Report, "", &twice),
        (400, "electricityCurrent: is there twice".to_owned())
    );
}

#[test]
fn what_is_no_sensible_json_is_refused() {
    let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    let member = |json: &str| SEED.replacen("95\"", &format!("95\", \"x\": {json}"), 1);
    for (body, says) in [
        (String::new(), "no JSON"),
        ("null".to_owned(), "expected a JSON object"),
        ("[]".to_owned(), "expected a JSON object"),
        ("\"x\"".to_owned(), "expected a JSON object"),
        (SEED.replacen('}', "", 1), "no JSON"),
        (format!("{SEED}x"), "no JSON"),
        (SEED.replacen("\"cellType\"", "cellType", 1), "no JSON"),
        (
            SEED.replacen("\"95\"", "\"95\", \"cellId\": \"96\"", 1),
            "cellId: is there twice",
        ),
        (member("1, \"x\": 2"), "x: is there twice"),
        (member(&deep(33)), "x: nested deeper than 32"),
        (member(&deep(100_000)), "x: longer than"),
        (deep(100_000), "expected a JSON object"),
        (format!("{{\"x\":{}", "[".repeat(100_000)), "no JSON"),
        (member(&format!("\"{}\"", "x".repeat(5_000))), "x: longer than"),
        (SEED.replacen("29", "NaN", 1), "no JSON"),
        (
            SEED.replacen("29", "1e99", 1),
            "ratedVoltageUpperLimit: 1e99: expected a number",
        ),
        (SEED.replacen("29", "029", 1), "no JSON"),
        (SEED.replacen("\"95\"", "\"\\ud800\"", 1), "cellId: "),
    ] {
        let (status, message) = refused(&operator("99"), PORT, "", &body);
        assert!(status == 400 && message.contains(says), "{message} {says}");
        assert!(message.len() < 300, "{message}");
    }
    let many: Vec<_> = (0..65).map(|n| format!("\"x{n}\":1")).collect();
    let many = SEED.replacen('{', &format!("{{{},", many.join(",")), 1);
    assert!(
        refused(&operator("99"), PORT, "", &many)
            .1
            .contains("too many members")
    );
    assert_eq!(reader::body_text(b"{\"a\":\"\xff\"}").unwrap_err().status, 400);
    // As deep as is allowed is kept.
    assert_eq!(refused(&operator("99"), PORT, "", &member(&deep(32))).0, 200);
}

#[test]
fn what_excludes_each_other_is_refused() {
    let port = serde_json::from_str::<Json>(SEED).unwrap();
    for (endpoint, body, says) in [
        (
            PORT,
            changed(port.clone(), "ratedVoltageLowerLimit", json!(30)),
            "ratedVoltageUpperLimit: is less than ratedVoltageLowerLimit",
        ),
        (PORT, changed(port, "ratedPower", json!(-1)), "ratedPower: -1: expected at least 0"),
        (
            Endpoint::Record,
            changed(record(), "endDateTime", json!("2022-02-28 13:29:59")),
            "endDateTime: is less than startDatetime",
        ),
        (
            Endpoint::Record,
            changed(record(), "totalElecMoney", json!(-0.01)),
            "totalElecMoney: -0.01: expected at least 0",
        ),
        (
            Endpoint::Modify(EntityKind::Equipment),
            json!({"equipmentId": "37", "operatorId": "99", "productionDate": "2022-1-2", "operationDate": "2022-01-01"})
                .to_string(),
            "operationDate: is less than productionDate",
        ),
        (
            Endpoint::Modify(EntityKind::Station),
            json!({"stationId": "1", "operatorId": "99", "stationLng": 181}).to_string(),
            "stationLng: 181: expected -180 to 180",
        ),
    ] {
        assert_eq!(refused(&operator("99"), endpoint, "", &body), (400, says.to_owned()));
    }
}

#[test]
fn a_change_says_only_what_changes() {
    let body =
        json!({"cellId": "95", "operatorId": "99", "ratedPower": 7, "cellType": null, "equipmentId": null});
    let Ok(Asked::Modify(told)) = read(
        &operator("99"),
        Endpoint::Modify(EntityKind::Port),
        "",
        &body.to_string(),
    ) else {
        panic!("refused");
    };
    assert_eq!(told.what.parent, None);
    let power = ("rated_power".to_owned(), Value::Number(Decimal::whole(7)));
    assert_eq!(told.what.fields, BTreeMap::from([power]));
    for (body, says) in [
        (json!({"operatorId": "99"}), "cellId: is required"),
        (json!({"cellId": "95"}), "operatorId: is required"),
        (json!({"cellId": null, "operatorId": "99"}), "cellId: is required"),
    ] {
        let found = refused(
            &operator("99"),
            Endpoint::Modify(EntityKind::Port),
            "",
            &body.to_string(),
        );
        assert_eq!(found, (400, says.to_owned()));
    }
}

#[test]
fn who_charged_is_a_digest() {
    let person = |body: &str| match read(&operator("99"), Endpoint::Record, "", body) {
        Ok(Asked::Record(told)) => {
            assert!(told.body.is_empty() && !format!("{told:?}").contains("13800000000"));
            told.what
        }
        other => panic!("{other:?}"),
    };
    let one = person(&record().to_string());
    assert_eq!((one.start_kind, one.stop_reason), (1, 9));
    assert_eq!(one.average_power, Some(Decimal(250_500_000)));
    let again = person(&changed(record(), "totalPower", json!(1))).person;
    let other = person(&changed(record(), "phoneNum", json!("13800000001"))).person;
    assert!(one.person.is_some() && one.person == again && one.person != other);
    let nobody = person(&without(
        serde_json::from_str(&without(record(), "phoneNum")).unwrap(),
        "userId",
    ));
    assert_eq!(nobody.person, None);
    // Both ways of writing the end.
    let mut alias = record();
    let end = alias.as_object_mut().unwrap().remove("endDateTime").unwrap();
    alias["endDatetime"] = end;
    assert_eq!(person(&alias.to_string()), one);
    let back = map::record_json(built_in(), &operator("99").id, &one, true, &shanghai());
    assert!(
        !back.contains("phoneNum") && back.contains("\"endDateTime\":\"2022-02-28 13:44:00\""),
        "{back}"
    );
}

#[test]
fn entries_of_a_list_stand_for_themselves() {
    let foreign = serde_json::from_str::<Json>(&changed(sample(), "operatorId", json!("98"))).unwrap();
    let missing = serde_json::from_str::<Json>(&without(sample(), "updateDatetime")).unwrap();
    let list = json!([sample(), foreign, missing, 5, sample()]).to_string();
    let Ok(Asked::ReportList(entries)) = read(&operator("99"), Endpoint::ReportList, "", &list) else {
        panic!("refused");
    };
    assert_eq!(entries.len(), 5);
    let refused: Vec<_> = entries
        .iter()
        .filter_map(|entry| entry.as_ref().err().cloned())
        .collect();
    let row = |entry: &Refused| (entry.index, entry.port.clone(), entry.refusal.status);
    let port = Some("95".to_owned());
    assert_eq!(
        refused.iter().map(row).collect::<Vec<_>>(),
        [(1, port.clone(), 403), (2, port, 400), (3, None, 400)]
    );
    let kept = entries[4].as_ref().unwrap();
    assert_eq!(kept.body, sample().to_string());

    let answer = |of: usize| {
        let answer = server::list(built_in(), of, &refused, false);
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    let rejected = concat!(
        r#""rejected":[{"index":1,"cellId":"95","status":403,"message":"operatorId: is not the operator that calls"},"#,
        r#"{"index":2,"cellId":"95","status":400,"message":"updateDatetime: is required"},"#,
        r#"{"index":3,"cellId":null,"status":400,"message":"expected a JSON object"}]}"#
    );
    let head = r#"{"status":200,"message":"请求成功!","data":"提交成功!","#;
    assert_eq!(answer(5), (200, format!("{head}{rejected}")));
    let none = r#"{"status":403,"message":"operatorId: is not the operator that calls","data":"","#;
    assert_eq!(answer(3), (403, format!("{none}{rejected}")));
}

#[test]
fn lists_have_an_end() {
    let list = |entry: &Json, n: usize| Json::from(vec![entry.clone(); n]).to_string();
    for (endpoint, entry, most) in [
        (Endpoint::ReportList, sample(), 12),
        (Endpoint::RecordList, record(), 30),
    ] {
        let status = |body: &str| refused(&operator("99"), endpoint, "", body);
        assert_eq!(status(&list(&entry, most)).0, 200);
        assert_eq!(
            status(&list(&entry, most + 1)),
            (413, format!("a list holds at most {most}"))
        );
        assert_eq!(status(&list(&json!(1), 1_000)).0, 413);
        assert_eq!(status("[]").0, 400);
        assert_eq!(status(&entry.to_string()).0, 400);
        assert_eq!(status("[1,").0, 400);
        assert_eq!(status("[1]x").0, 400);
    }
    assert_eq!(
        refused(&operator("99"), Endpoint::Report, "", &list(&sample(), 1)).0,
        400
    );
}

#[test]
fn a_repair_names_its_failure() {
    let body = changed(sample(), "chargingMetaInfoId", json!("f-1"));
    let Ok(Asked::ReportAgain { failed, told }) = read(&operator("99"), Endpoint::ReportAgain, "", &body)
    else {
        panic!("refused");
    };
    assert_eq!((failed.as_str(), told.what.port.as_str()), ("f-1", "95"));
    for body in [
        sample().to_string(),
        changed(sample(), "chargingMetaInfoId", json!("")),
    ] {
        let found = refused(&operator("99"), Endpoint::ReportAgain, "", &body);
        assert_eq!(found, (400, "chargingMetaInfoId: is required".to_owned()));
    }
    // On a first report it is left empty.
    let empty = changed(sample(), "chargingMetaInfoId", json!(""));
    assert_eq!(refused(&operator("99"), Endpoint::Report, "", &empty).0, 200);
}

#[test]
fn what_stands_in_queries() {
    let remove = Endpoint::Remove(EntityKind::Port);
    let removed = Ok(Asked::Remove {
        kind: EntityKind::Port,
        id: Code::new("95").unwrap(),
    });
    let own = operator("99");
    assert_eq!(read(&own, remove, "cellId=95&operatorId=99", ""), removed);
    assert_eq!(
        read(&own, remove, "", r#"{"cellId":"95","operatorId":"99"}"#),
        removed
    );
    assert_eq!(
        read(
            &own,
            remove,
            "operatorId=99",
            r#"{"cellId":"95","operatorId":"99"}"#
        ),
        removed
    );
    for (query, body, status, says) in [
        ("operatorId=99", "", 400, "cellId: is required"),
        ("cellId=95", "", 400, "operatorId: is required"),
        ("cellId=95&operatorId=98", "", 403, "operatorId: "),
        (
            "cellId=95&cellId=96&operatorId=99",
            "",
            400,
            "cellId: is there twice",
        ),
        ("cellId=&operatorId=99", "", 400, "cellId: is required"),
        ("cellId=%E5%85%85&operatorId=99", "", 400, "cellId: expected"),
        (
            "operatorId=99",
            r#"{"cellId":95}"#,
            400,
            "cellId: 95: expected a text",
        ),
        (
            "operatorId=99",
            r#"{"cellId":"95","operatorId":"98"}"#,
            403,
            "operatorId: ",
        ),
        (
            "cellId=95&operatorId=99",
            r#"{"cellId":"96"}"#,
            400,
            "cellId: is another one",
        ),
        ("operatorId=99", "x", 400, "no JSON"),
    ] {
        let found = refused(&own, remove, query, body);
        assert!(found.0 == status && found.1.contains(says), "{query}: {found:?}");
    }

    let page = Endpoint::Page(EntityKind::Station);
    for (query, expected) in [
        ("operatorId=99&pageIndex=1&pageSize=3", Ok((1, 3))),
        ("operatorId=99&pageIndex=7&pageSize=1000", Ok((7, 100))),
        ("operatorId=99&pageIndex=0&pageSize=3", Err("pageIndex")),
        ("operatorId=99&pageIndex=1&pageSize=0", Err("pageSize")),
        ("operatorId=99&pageIndex=+1&pageSize=3", Err("pageIndex")),
        ("operatorId=99&pageIndex=%2B1&pageSize=3", Err("pageIndex")),
        ("operatorId=99&pageIndex=-1&pageSize=3", Err("pageIndex")),
        ("operatorId=99&pageIndex=1.5&pageSize=3", Err("pageIndex")),
        ("operatorId=99&pageIndex=99999999999&pageSize=3", Err("pageIndex")),
        ("operatorId=99&pageIndex=1", Err("pageSize")),
    ] {
        match (read(&own, page, query, ""), expected) {
            (Ok(Asked::Page { slice, .. }), Ok((index, size))) => assert_eq!(slice, Slice { index, size }),
            (Err(refusal), Err(name)) => assert!(refusal.message.starts_with(name), "{query}: {refusal}"),
            (found, _) => panic!("{query}: {found:?}"),
        }
    }
    let query = "operatorId=99&pageIndex=1&pageSize=3&cellId=95&startFrom=2022-02-28+00:00:00";
    let Ok(Asked::RecordPage { port, from, to, .. }) = read(&own, Endpoint::RecordPage, query, "") else {
        panic!("refused");
    };
    assert_eq!(port.as_ref().map(Code::as_str), Some("95"));
    assert_eq!((from, to), (Some(Timestamp::from_seconds(1_645_977_600)), None));
    let bad = format!("{query}&startTo=yesterday");
    assert!(
        refused(&own, Endpoint::RecordPage, &bad, "")
            .1
            .starts_with("startTo")
    );
}

#[test]
fn addresses_are_absolute_and_safe() {
    let set = Endpoint::SetAddress(Callback::Risk);
    let local = Operator {
        local: true,
        ..operator("99")
    };
    let strict = Operator {
        strict: true,
        ..operator("99")
    };
    let own = operator("99");
    for (who, sent, expected) in [
        (
            &own,
            "https://leap.example/risk?x=1",
            Some("https://leap.example/risk?x=1"),
        ),
        (&own, "leap.example/risk", Some("https://leap.example/risk")),
        (&strict, "leap.example/risk", None),
        (&own, "http://leap.example/", None),
        (
            &local,
            "http://10.0.0.7:8080/risk",
            Some("http://10.0.0.7:8080/risk"),
        ),
        (&local, "ftp://leap.example/", None),
        (&own, "https://user:pw@leap.example/", None),
        (&own, "https://leap.example/#x", None),
        (&own, "https:///risk", None),
        (&own, "https://", None),
        (&own, "", None),
        (&own, "https://leap.example/\n", None),
        (&own, "https://充电.example/", None),
        (&own, &format!("https://leap.example/{}", "x".repeat(1_024)), None),
    ] {
        let query = format!("operatorId=99&url={}", crate::query::encode(sent));
        let found = read(who, set, &query, "");
        match expected {
            Some(url) => {
                let expected = Asked::SetAddress {
                    callback: Callback::Risk,
                    url: url.to_owned(),
                };
                assert_eq!(found, Ok(expected));
            }
            None => assert_eq!(found.map_err(|refusal| refusal.status), Err(400), "{sent}"),
        }
    }
    assert_eq!(
        read(&own, Endpoint::ClearAddress(Callback::Risk), "operatorId=99", ""),
        Ok(Asked::ClearAddress {
            callback: Callback::Risk
        })
    );
    assert_eq!(
        refused(&own, Endpoint::ClearAddress(Callback::Risk), "operatorId=1", "").0,
        403
    );
}

#[test]
fn answers_are_those_of_the_page() {
    let definition = built_in();
    let text = |answer: server::Answer| (answer.status, String::from_utf8(answer.body).unwrap());
    assert_eq!(
        text(server::done(definition)),
        (
            200,
            r#"{"status":200,"message":"请求成功!","data":"提交成功!"}"#.to_owned()
        )
    );
    assert_eq!(
        text(server::token(definition, "t")),
        (
            200,
            r#"{"status":200,"message":"请求成功!","data":"t"}"#.to_owned()
        )
    );
    let mut refusal = Refusal::field("a\n\"b", "is required");
    refusal.more = vec!["c: is required".to_owned()];
    let body = r#"{"status":400,"message":"a\"b: is required","data":"c: is required"}"#.to_owned();
    assert_eq!(
        text(server::refused(definition, &refusal, false)),
        (400, body.clone())
    );
    assert_eq!(text(server::refused(definition, &refusal, true)), (200, body));
    let slow = server::refused(definition, &Refusal::slow_down(7), false);
    assert_eq!((slow.status, slow.retry_after_s), (429, Some(7)));
    let slice = Slice { index: 2, size: 3 };
    let page = Page {
        slice,
        total: 7,
        list: &[],
    };
    let page = text(server::entities(definition, &operator("99").id, page));
    let expected = concat!(
        r#"{"status":200,"message":"请求成功!","#,
        r#""data":{"pageIndex":2,"pageSize":3,"total":7,"pageCount":3,"list":[]}}"#
    );
    assert_eq!(page, (200, expected.to_owned()));
}

#[test]
fn a_platform_of_other_names_is_read_by_its_own() {
    let twin = Definition::parse(
        r#"
        [envelope]
        "#,
    );
    assert!(twin.is_err());
    let twin = Definition::parse(
        r#"
        [forms]
        sample = [{ is = "power", name = "activePower" }, { is = "port", name = "socketId", also = [] }]
        "#,
    )
    .unwrap();
    let mut object = sample();
    let members = object.as_object_mut().unwrap();
    for (from, to) in [("power", "activePower"), ("cellId", "socketId")] {
        let value = members.remove(from).unwrap();
        members.insert(to.to_owned(), value);
    }
    let Ok(Asked::Report(told)) = read_by(&twin, &operator("99"), Endpoint::Report, "", &object.to_string())
    else {
        panic!("refused");
    };
    assert_eq!(told.what, super::reading::told(&sample()).what);
    let back = map::sample_json(&twin, &operator("99").id, &told.what, None, &shanghai());
    assert!(
        back.contains("\"socketId\":\"95\"") && back.contains("\"activePower\":0.275"),
        "{back}"
    );
}
