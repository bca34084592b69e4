//! `/public/`.

use std::sync::{Arc, Mutex};

use dialects::shinemonitor::DIALECT;
use dialects::shinemonitor::rc4::{self, PasswordHash};
use dialects::shinemonitor::sign::{digest, hex_text};
use gate::{Account, By, DoorSession, Principal, Thing};
use http_body_util::BodyExt;
use model::alarm::{Alarm, AlarmCode, Severity};
use model::device::{ChargeMode, DeviceKind, Evse, LinkSettings};
use model::gateway::{AcceptedLogger, Gateway, GatewayLink, PassOn, Unit};
use model::id::{GatewayId, SiteId};
use model::reading::{Measured, Quantity};
use model::secret::Secret;
use model::settings::{ShinemonitorPlant, ShinemonitorSettings};
use model::time::{Millis, Timestamp};
use model::units::{WattHours, Watts};
use model::user::Role;
use model::view::{EvseView, SiteView};
use north::{Front, Loggers};
use serde_json::{Value, json};
use store::{Alarms, Aliases, History, Series, Typed};
use tower::ServiceExt;

use crate::world::{
    Answer, BEGIN, HOUR, VIEWER, World, device_id, evse_id, offer_controls, request, site_id,
};

const KEY: &str = "0123456789ABCDEF";
const PN: &str = "G0916522248153";
const SALT: &str = "1491967717697";
const SECRET: &str = "ffa1655ee3726840822063a02ac5017795809b18";
const TOKEN: &str = "88d22d819e31897eea2d9d5b9f7792cf4065ac5372aad3672f5e4e147cd25b5f";
/// Midnight in Vienna, where the site is.
const MIDNIGHT: i64 = BEGIN.wall.0 - HOUR;
const STATION: &str = "&pn=G0916522248153&devcode=2048&devaddr=3&sn=9900000000003";
const PV: &str = "&pn=G0916522248153&devcode=512&devaddr=2&sn=9900000000002";

/// Home belongs to `vplant`, who has the printed session.
async fn house() -> World {
    let mut world = World::new().await;
    let mut settings = world.state.settings.as_ref().clone();
    settings.shinemonitor = ShinemonitorSettings {
        company_keys: vec![KEY.to_owned()],
        plants: vec![ShinemonitorPlant {
            site: site_id("home"),
            pn: PN.to_owned(),
        }],
        ..ShinemonitorSettings::default()
    };
    world.use_settings(settings);
    let number = account(&world, "vplant", "vplant", [(site_id("home"), Role::Operator)]).await;
    assert_eq!(number, 1);
    let printed = DoorSession {
        token: Secret::new(TOKEN),
        secret: Secret::new(SECRET),
        expires: BEGIN.wall + Millis(604_800_000),
    };
    let (gate, thing) = (&world.state.gate, Thing::Account(number));
    gate.adopt_door_session(&DIALECT, &thing, &printed).await.unwrap();
    world
}

async fn account<const N: usize>(
    world: &World,
    name: &str,
    password: &str,
    sites: [(SiteId, Role); N],
) -> u32 {
    let console = Principal::console();
    let by = By::new(&console, "console");
    let wanted = Account {
        sites: sites.into(),
        ..Account::new(name)
    };
    let password = Secret::new(PasswordHash::of_password(password).expose());
    let made = world.state.gate.create_account(&by, &DIALECT, wanted, &password);
    made.await.unwrap()
}

/// A token and its secret.
type Pair = (String, String);

fn printed() -> Pair {
    (TOKEN.to_owned(), SECRET.to_owned())
}

fn signed((token, secret): &Pair, tail: &str) -> String {
    let sign = hex_text(&digest(&[SALT, secret, token, tail].map(str::as_bytes)));
    format!("/public/?sign={sign}&salt={SALT}&token={token}{tail}")
}

fn login(name: &str, password: &str, key: &str) -> String {
    let password = PasswordHash::of_password(password);
    let tail = format!("&action=auth&usr={name}&company-key={key}");
    let sign = hex_text(&digest(&[SALT, password.expose(), &tail].map(str::as_bytes)));
    format!("/public/?sign={sign}&salt={SALT}{tail}")
}

/// As the holder of the printed session.
async fn ask(world: &World, tail: &str) -> Value {
    ask_as(world, &printed(), tail).await
}

async fn ask_as(world: &World, pair: &Pair, tail: &str) -> Value {
    let answer = world.open(&signed(pair, tail)).await;
    assert_eq!(answer.status, 200, "{tail}: {}", answer.text);
    answer.json()
}

async fn sign_in(world: &World, name: &str, password: &str) -> Pair {
    let answer = world.open(&login(name, password, KEY)).await.json();
    let text = |name: &str| answer["dat"][name].as_str().unwrap().to_owned();
    (text("token"), text("secret"))
}

fn err(answer: &Value) -> i64 {
    answer["err"].as_i64().unwrap()
}

#[tokio::test]
async fn both_printed_signatures_are_answered_under_any_name() {
    let world = house().await;
    let printed_login = "/public/?sign=675bd5418fce7be5e30b920a16a46ce075c90a35&salt=1491967716993\
                         &action=auth&usr=vplant&company-key=0123456789ABCDEF";
    let printed_call = "/public/?sign=f0c57c88bdd73a1867355068e9e3c49d735ae668&salt=1491967717697\
                        &token=88d22d819e31897eea2d9d5b9f7792cf4065ac5372aad3672f5e4e147cd25b5f\
                        &action=queryCollectorInfo&pn=G0916522248153";
    for host in ["127.0.0.1:8080", "android.shinemonitor.com"] {
        for _ in 0..2 {
            let answer = world
                .ask(request("GET", printed_login, &[("host", host)], ""))
                .await;
            let dat = &answer.json()["dat"];
            assert_eq!(answer.json()["desc"], "ERR_NONE");
            let length = |name: &str| dat[name].as_str().unwrap().len();
            assert_eq!((length("secret"), length("token")), (40, 64));
            assert_eq!(
                (&dat["expire"], &dat["role"], &dat["uid"], &dat["usr"]),
                (&json!(604_800), &json!(0), &json!(1), &json!("vplant"))
            );

            let answer = world
                .ask(request("GET", printed_call, &[("host", host)], ""))
                .await;
            assert_eq!(answer.json()["err"], 0);
            let collectors = &answer.json()["dat"]["collector"];
            assert_eq!(collectors.as_array().unwrap().len(), 1);
            assert_eq!(collectors[0]["pn"], PN);
            assert_eq!(
                (
                    &collectors[0]["load"],
                    &collectors[0]["status"],
                    &collectors[0]["pid"]
                ),
                (&json!(3), &json!(0), &json!(1))
            );
            for (name, value) in [
                ("content-type", "application/json;charset=utf-8"),
                ("access-control-allow-origin", "*"),
                ("cache-control", "no-cache"),
                ("x-eybond-action", "queryCollectorInfo"),
                ("x-content-type-options", "nosniff"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn plants_devices_and_their_latest_data_are_those_of_the_house() {
    let world = house().await;
    world
        .change("home", |view| {
            view.devices[1].measured = Measured {
                power: Some(Watts(-4_321)),
                energy_out: Some(WattHours(12_345_678)),
                ..Measured::default()
            };
        })
        .await;
    let plants = ask(&world, "&action=queryPlants&page=0&pagesize=10").await;
    assert_eq!(plants["dat"]["total"], 1);
    let plant = &plants["dat"]["plant"][0];
    assert_eq!(
        (&plant["pid"], &plant["uid"], &plant["name"], &plant["status"]),
        (&json!(1), &json!(1), &json!("HOME"), &json!(0))
    );

    let devices = ask(&world, "&action=queryDevices&plantid=1&pagesize=10").await;
    let shown: Vec<Value> = devices["dat"]["device"]
        .as_array()
        .unwrap()
        .iter()
        .map(|device| {
            json!([
                device["pn"],
                device["devcode"],
                device["devaddr"],
                device["sn"],
                device["alias"],
                device["status"]
            ])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!([PN, 1024, 1, "9900000000001", "grid", 0]),
            json!([PN, 512, 2, "9900000000002", "pv", 0]),
            json!([PN, 2048, 3, "9900000000003", "left-station", 0]),
        ]
    );

    let last = ask(&world, &format!("&action=queryDeviceLastData&i18n=en_US{PV}")).await;
    assert_eq!(err(&last), 0, "{last}");
    let rows: Vec<(&str, &str)> = last["dat"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["title"].as_str().unwrap(), row["val"].as_str().unwrap()))
        .collect();
    assert_eq!(rows[0].0, "id");
    assert_eq!(rows[1], ("Timestamp", "2025-11-22 01:00:00"));
    let values: Vec<&str> = rows.iter().map(|row| row.1).collect();
    assert!(
        values.contains(&"4321") && values.contains(&"12345.678"),
        "{rows:?}"
    );

    for (tail, expected) in [
        ("&action=queryPlantInfo&plantid=1", 0),
        ("&action=queryPlantInfo&plantid=2", 11),
        ("&action=queryPlantInfo&plantid=3", 260),
        (
            "&action=queryDeviceLastData&pn=G0916522248153&devcode=512&devaddr=1&sn=9900000000002",
            258,
        ),
        ("&action=queryCollectorInfo&pn=G0000000000002", 257),
        ("&action=queryAccountInfo", 0),
        ("&action=queryPlantWarning&plantid=1", 264),
    ] {
        assert_eq!(err(&ask(&world, tail).await), expected, "{tail}");
    }
}

#[tokio::test]
async fn a_house_that_has_not_begun_or_stands_still_is_offline() {
    let world = house().await;
    world.step(61_000);
    let status = ask(&world, "&action=queryPlantDeviceStatus&plantid=1").await;
    assert_eq!(status["dat"]["status"], 1, "{status}");
    assert_eq!(status["dat"]["collector"][0]["status"], 1);
    let devices = status["dat"]["collector"][0]["device"].as_array().unwrap();
    assert_eq!(devices.len(), 3);
    for device in devices {
        assert_eq!((&device["status"], &device["comStatus"]), (&json!(1), &json!(0)));
    }
}

#[tokio::test]
async fn names_stay_as_they_were_assigned() {
    let mut world = house().await;
    let before = ask(&world, "&action=queryPlantDeviceView&plantid=1").await;
    let mut settings = world.state.settings.as_ref().clone();
    settings.shinemonitor.plants.clear();
    settings.sites[0].devices.reverse();
    settings.sites.reverse();
    world.use_settings(settings);
    let after = ask(&world, "&action=queryPlantDeviceView&plantid=1").await;
    let sorted = |answer: &Value| {
        let devices = answer["dat"]["collector"][0]["device"].as_array().unwrap();
        let mut devices: Vec<String> = devices.iter().map(Value::to_string).collect();
        devices.sort();
        devices
    };
    assert_eq!(sorted(&before), sorted(&after));
    assert_eq!(after["dat"]["collector"][0]["pn"], PN);
}

#[tokio::test]
async fn refusals_come_in_the_order_of_the_original() {
    let world = house().await;
    let right = signed(&printed(), "&action=queryPlants");
    let short_salt = {
        let tail = "&action=queryPlants";
        let sign = hex_text(&digest(&["1234567", SECRET, TOKEN, tail].map(str::as_bytes)));
        format!("/public/?sign={sign}&salt=1234567&token={TOKEN}{tail}")
    };
    let other_token = "f".repeat(64);
    for (path, expected) in [
        ("/public/".to_owned(), 8),
        ("/public/?action=auth".to_owned(), 8),
        ("/public/?sign=1&salt=2&action=reboot".to_owned(), 8),
        ("/public/?callback=a(b)&action=reboot".to_owned(), 6),
        ("/public/?sign=1&salt=2&action=reg".to_owned(), 7),
        ("/public/?sign=1&action=auth&usr=vplant".to_owned(), 7),
        (login("vplant", "vplant", KEY).replace(SALT, "1234567"), 5),
        (login("vplant", "vplant", "FEDCBA9876543210"), 15),
        (login("vplant", "vplanT", KEY), 16),
        (login("nobody", "vplant", KEY), 16),
        (login("vplant", "vplant", KEY), 0),
        (right.replace(&format!("&token={TOKEN}"), ""), 10),
        (right.replace(TOKEN, &other_token), 10),
        (short_salt, 5),
        (right.replace("queryPlants", "queryPlantCount"), 4),
        (right.replace("&action", "&x=1&action"), 0),
        (right, 0),
    ] {
        let answer = world.open(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(err(&answer.json()), expected, "{path}: {}", answer.text);
    }
    let unknown = world.open(&login("nobody", "vplant", KEY)).await;
    let wrong = world.open(&login("vplant", "vplanT", KEY)).await;
    assert_eq!(unknown.text, wrong.text);
    assert_eq!(unknown.headers, wrong.headers);
}

#[tokio::test]
async fn who_is_disabled_hears_it_after_a_right_password_only() {
    let world = house().await;
    let pair = sign_in(&world, "vplant", "vplant").await;
    let gate = &world.state.gate;
    let off = Account {
        enabled: false,
        ..gate.account(&DIALECT, 1).unwrap()
    };
    let console = Principal::console();
    let by = By::new(&console, "console");
    gate.change_account(&by, &DIALECT, off).await.unwrap();
    assert_eq!(err(&ask_as(&world, &pair, "&action=queryPlants").await), 10);
    for (password, expected) in [("vplant", 25), ("wrong", 16)] {
        let answer = world.open(&login("vplant", password, KEY)).await.json();
        assert_eq!(err(&answer), expected, "{password}");
    }
}

#[tokio::test]
async fn a_control_is_an_intent_of_who_may() {
    let world = house().await;
    account(&world, "looks", "looks", [(site_id("home"), Role::Viewer)]).await;
    let viewer = sign_in(&world, "looks", "looks").await;
    let solar = format!("&action=ctrlDevice&i18n=en_US{STATION}&id=mode&val=1");
    let mode = async || world.view("home").await.evses[0].wish.mode;
    assert_eq!(err(&ask_as(&world, &viewer, &solar).await), 11);
    let head = request("HEAD", &signed(&printed(), &solar), &[], "");
    assert_eq!(world.ask(head).await.status, 200);
    assert_eq!(mode().await, ChargeMode::Fast);

    let answer = ask(&world, &solar).await;
    assert_eq!(answer["dat"], json!({"dat": null, "status": 0}), "{answer}");
    assert_eq!(mode().await, ChargeMode::Solar);
    let value = ask(&world, &format!("&action=queryDeviceCtrlValue{STATION}&id=mode")).await;
    assert_eq!(value["dat"]["val"], "1");
    for (id, val, expected) in [
        ("current", "10", 0),
        ("current", "99", 6),
        ("phases", "1", 9),
        ("fan", "1", 9),
    ] {
        let tail = format!("&action=ctrlDevice{STATION}&id={id}&val={val}");
        let answer = ask(&world, &tail).await;
        assert_eq!(err(&answer), expected, "{id} {val}: {answer}");
    }
    let pv = format!("&action=queryDeviceCtrlField{PV}");
    assert_eq!(err(&ask(&world, &pv).await), 12);
}

#[tokio::test]
async fn what_an_inverter_offers_is_set_with_its_own_words_as_the_answer() {
    let world = house().await;
    offer_controls(&world).await;
    account(&world, "looks", "looks", [(site_id("home"), Role::Viewer)]).await;
    let viewer = sign_in(&world, "looks", "looks").await;
    let fields = ask(&world, &format!("&action=queryDeviceCtrlField{PV}&i18n=de_DE")).await;
    let expected = json!([
        {"id": "output_source_priority", "name": "Vorrang der Versorgung",
         "item": [{"key": "0", "val": "Utility first"}, {"key": "2", "val": "SBU first"}]},
        {"id": "max_charging_current", "name": "Größter Ladestrom", "unit": "A", "hint": "10~120"},
    ]);
    assert_eq!(fields["dat"]["field"], expected);
    let set = |id: &str, val: &str| format!("&action=ctrlDevice{PV}&id={id}&val={val}");
    let priority = set("output_source_priority", "SBU%20first");
    assert_eq!(err(&ask_as(&world, &viewer, &priority).await), 11);
    let command = format!("&action=sendCmdToDevice{PV}&cmd=");
    assert_eq!(err(&ask_as(&world, &viewer, &format!("{command}QMOD")).await), 11);
    let value = format!("&action=queryDeviceCtrlValue{PV}&id=output_source_priority");
    assert_eq!(ask_as(&world, &viewer, &value).await["dat"]["val"], "0");

    let said = json!({"dat": "28 41 43 4B 39 20 0D", "status": 0});
    assert_eq!(ask(&world, &priority).await["dat"], said);
    assert_eq!(ask(&world, &value).await["dat"]["val"], "2");
    let current = ask(&world, &set("max_charging_current", "12.50")).await;
    assert_eq!(err(&current), 0, "{current}");
    let all = ask(&world, &format!("&action=webQueryDeviceCtrlField{PV}")).await;
    assert_eq!(all["dat"]["field"][1]["val"], "12.5");
    for (id, val, expected) in [
        (
            "output_source_priority",
            "1",
            (6, "ERR_FORMAT(can not found val)"),
        ),
        (
            "max_charging_current",
            "9.9",
            (6, "ERR_FORMAT(can not found val)"),
        ),
        (
            "max_charging_current",
            "10.2",
            (6, "ERR_FORMAT(can not found val)"),
        ),
        ("output_source_priority", "0", (1, "ERR_FAIL")),
        ("fan", "1", (9, "ERR_UNSUPPORTED")),
    ] {
        let answer = ask(&world, &set(id, val)).await;
        assert_eq!(
            (err(&answer), answer["desc"].as_str().unwrap()),
            expected,
            "{id} {val}"
        );
    }
    let answer = ask(&world, &format!("{command}QMOD")).await;
    assert_eq!(answer["dat"]["dat"], "28 42", "{answer}");
    assert_eq!(err(&ask(&world, &format!("{command}POP02")).await), 9);
}

#[tokio::test]
async fn each_evse_of_a_charging_station_is_seen_and_controlled() {
    let mut world = house().await;
    let mut settings = world.state.settings.as_ref().clone();
    let DeviceKind::ChargingStation { evses } = &mut settings.sites[0].devices[2].kind else {
        panic!("no charging station");
    };
    let second = Evse {
        id: evse_id("second"),
        name: "Second".to_owned(),
        ..evses[0].clone()
    };
    evses.push(second);
    world.use_settings(settings);
    let add = |view: &mut SiteView| {
        view.evses.push(EvseView {
            id: evse_id("second"),
            power: Watts(3_680),
            ..view.evses[0].clone()
        });
    };
    world.change("home", add).await;
    let found = ask(&world, &format!("&action=queryCollectorDevices&pn={PN}")).await;
    let all = found["dat"]["dev"].as_array().unwrap();
    let is_second = |device: &&Value| device["alias"].as_str().unwrap().ends_with(", Second");
    let device = all.iter().find(is_second).unwrap();
    assert_eq!(device["devcode"], 2_048);
    // What was there before has kept its numbers.
    assert!(
        all.iter()
            .any(|device| device["sn"] == "9900000000003" && device["devaddr"] == 3)
    );
    let second = format!(
        "&pn={PN}&devcode=2048&devaddr={}&sn={}",
        device["devaddr"],
        device["sn"].as_str().unwrap()
    );
    let last = format!("&action=queryDeviceLastData{second}&i18n=en_US");
    let last = world.open(&signed(&printed(), &last)).await.text;
    assert!(last.contains("\"3680\""), "{last}");
    let solar = ask(&world, &format!("&action=ctrlDevice{second}&id=mode&val=1")).await;
    assert_eq!(err(&solar), 0, "{solar}");
    let view = world.view("home").await;
    let mode = |id: &str| {
        view.evses
            .iter()
            .find(|evse| evse.id == evse_id(id))
            .unwrap()
            .wish
            .mode
    };
    assert_eq!(
        (mode("second"), view.evses[0].wish.mode),
        (ChargeMode::Solar, ChargeMode::Fast)
    );
}

#[tokio::test]
async fn energies_and_curves_come_out_of_the_history() {
    let world = house().await;
    let quarters = |n: i64| Timestamp(MIDNIGHT + n * 900_000);
    let import = async |quantity, value: fn(i64) -> i64| {
        let series = Series {
            subject: "device:pv".to_owned(),
            quantity,
        };
        let rows: Vec<_> = (0..=48 * 4).map(|n| (quarters(n), value(n))).collect();
        world.store.import(&series, &rows).await.unwrap();
    };
    // 100 Wh an hour by the counter.
    import(Quantity::EnergyOut, |n| 1_000 + n * 25).await;
    import(Quantity::Power, |_| -100).await;
    for (tail, pointer, expected) in [
        (
            "&action=queryPlantEnergyDay&plantid=1&date=2025-11-22",
            "/dat/energy",
            json!("2.4000"),
        ),
        (
            "&action=queryPlantEnergyDay&plantid=1&date=2025-11-20",
            "/err",
            json!(12),
        ),
        (
            "&action=queryPlantEnergyDay&plantid=1&date=2025-11-29",
            "/err",
            json!(12),
        ),
        (
            "&action=queryPlantEnergyMonth&plantid=1&date=2025-11",
            "/dat/energy",
            json!("4.8000"),
        ),
        (
            "&action=queryPlantEnergyMonthPerDay&plantid=1&date=2025-11",
            "/dat/perday/21/val",
            json!("2.4000"),
        ),
        (
            "&action=queryPlantEnergyMonthPerDay&plantid=1&date=2025-11",
            "/dat/perday/20/val",
            json!("0.0000"),
        ),
        (
            "&action=queryPlantEnergyTotalPerYear&plantid=1",
            "/dat/peryear",
            json!([{"val": "2.4000", "ts": "2025-01-01 00:00:00"}]),
        ),
        (
            "&action=queryPlantActiveOuputPowerOneDay&plantid=1&date=2025-11-22",
            "/dat/outputPower/3/val",
            json!("0.1000"),
        ),
    ] {
        let answer = ask(&world, tail).await;
        assert_eq!(answer.pointer(pointer), Some(&expected), "{tail}: {answer}");
    }
    let day = format!("&action=queryDeviceDataOneDay&date=2025-11-22{PV}");
    let day = ask(&world, &day).await;
    assert_eq!(day["dat"]["row"].as_array().unwrap().len(), 96, "{day}");
    let later = format!("&action=queryDeviceDataOneDay&date=2025-12-22{PV}");
    assert_eq!(err(&ask(&world, &later).await), 12);
}

#[tokio::test]
async fn alarms_are_warnings() {
    let world = house().await;
    let alarm = Alarm {
        site: site_id("home"),
        device: Some(device_id("pv")),
        code: AlarmCode::DeviceOffline,
        severity: Severity::Error,
        text: "connection refused".to_owned(),
        raised: BEGIN.wall,
        cleared: None,
        acknowledged: None,
    };
    world.store.put_alarm(&alarm).await.unwrap();
    let warnings = ask(
        &world,
        "&action=queryPlantWarning&plantid=1&i18n=en_US&pagesize=10",
    )
    .await;
    assert_eq!(warnings["dat"]["total"], 1, "{warnings}");
    let warning = &warnings["dat"]["warning"][0];
    assert_eq!(
        (
            &warning["sn"],
            &warning["level"],
            &warning["handle"],
            &warning["gts"]
        ),
        (
            &json!("9900000000002"),
            &json!(3),
            &json!(false),
            &json!("2025-11-22 01:00:00")
        )
    );
}

#[tokio::test]
async fn sessions_are_many_and_a_new_password_ends_those_of_others() {
    let world = house().await;
    let renewed = ask(&world, "&action=updateToken").await;
    let text = |name: &str| renewed["dat"][name].as_str().unwrap().to_owned();
    let renewed = (text("token"), text("secret"));
    let other = sign_in(&world, "vplant", "vplant").await;
    for pair in [&printed(), &renewed, &other] {
        assert_eq!(err(&ask_as(&world, pair, "&action=queryPlants").await), 0);
    }
    let mixed = (renewed.0.clone(), other.1.clone());
    assert_eq!(err(&ask_as(&world, &mixed, "&action=queryPlants").await), 4);

    let present = PasswordHash::of_password("vplant");
    let sent = rc4::encode(present.expose(), &PasswordHash::of_password("new one"));
    let wrong = rc4::encode("another key", &PasswordHash::of_password("new one"));
    for (newpwd, expected) in [(&*wrong, 16), ("plain", 17), (&*sent, 0)] {
        let tail = format!("&action=updatePassword&newpwd={newpwd}");
        assert_eq!(err(&ask_as(&world, &renewed, &tail).await), expected, "{newpwd}");
    }
    for (pair, expected) in [(&printed(), 10), (&other, 10), (&renewed, 0)] {
        assert_eq!(err(&ask_as(&world, pair, "&action=queryPlants").await), expected);
    }
    for (password, expected) in [("vplant", 16), ("new one", 0)] {
        let answer = world.open(&login("vplant", password, KEY)).await.json();
        assert_eq!(err(&answer), expected, "{password}");
    }
    world.step(604_800_001);
    assert_eq!(err(&ask_as(&world, &renewed, "&action=queryPlants").await), 10);
}

#[tokio::test]
async fn what_people_say_about_a_plant_is_kept() {
    let mut world = house().await;
    account(&world, "looks", "looks", [(site_id("home"), Role::Viewer)]).await;
    let viewer = sign_in(&world, "looks", "looks").await;
    let edit = "&action=editPlant&plantid=1&name=Sun%20%E5%A4%AA&profit.soldProfit=0.082\
                &address.lat=48.21&address.lon=16.37&address.city=Wien";
    assert_eq!(err(&ask_as(&world, &viewer, edit).await), 11);
    assert_eq!(err(&ask(&world, edit).await), 0);
    let again = "&action=editPlant&plantid=1&address.city=Graz";
    assert_eq!(err(&ask(&world, again).await), 0);
    let settings = world.state.settings.as_ref().clone();
    world.use_settings(settings);
    let plant = ask(&world, "&action=queryPlantInfo&plantid=1").await["dat"].clone();
    assert_eq!(
        (
            &plant["name"],
            &plant["address"]["city"],
            &plant["address"]["lat"]
        ),
        (&json!("Sun 太"), &json!("Graz"), &json!("48.210000"))
    );
    assert_eq!(plant["profit"]["soldProfit"].to_string(), "0.082");
    assert_eq!(plant["gts"], "2025-11-22 01:00:00");
    let audit = world.get("/api/v1/audit").await.text;
    assert!(audit.contains("put plant-sheet home"), "{audit}");

    // Our own API and this one speak of the same sheet, at once and both ways.
    let path = "/api/v1/sites/home/plant";
    let mut sheet = world.get(path).await.json()["sheet"].clone();
    assert_eq!(
        (
            &sheet["name"],
            &sheet["prices"]["sold_micros"],
            &sheet["address"]["city"]
        ),
        (&json!("Sun 太"), &json!(82_000), &json!("Graz"))
    );
    sheet["address"]["city"] = json!("Linz");
    assert_eq!(world.put(path, &sheet.to_string()).await.status, 200);
    let plant = ask(&world, "&action=queryPlantInfo&plantid=1").await["dat"].clone();
    assert_eq!(plant["address"]["city"], "Linz");
}

#[tokio::test]
async fn plants_and_devices_have_their_numbers_from_the_start_on() {
    let world = house().await;
    let gate = &world.state.gate;
    let home = Thing::Site(site_id("home"));
    assert_eq!(gate.names_of(&DIALECT, &home), Vec::<String>::new());
    north::begin(&world.state).await;
    assert_eq!(
        gate.names_of(&DIALECT, &home),
        ["plant:1", "pn:G0916522248153"].map(str::to_owned)
    );
    let known = world.store.aliases().await.unwrap();
    assert!(known.len() >= 5, "{known:?}");
    let plant = ask(&world, "&action=queryPlantInfo&plantid=1").await;
    assert_eq!(plant["dat"]["gts"], "2025-11-22 01:00:00");
    assert_eq!(
        err(&ask(&world, &format!("&action=queryDeviceLastData{PV}&i18n=en_US")).await),
        0
    );
    assert_eq!(world.store.aliases().await.unwrap(), known);
}

#[tokio::test]
async fn of_two_who_edit_a_plant_at_once_both_are_heard() {
    let world = house().await;
    // So that both find the names that have been settled, and read the sheet before either has written it.
    ask(&world, "&action=queryPlants").await;
    let edit = |what: &str| format!("&action=editPlant&plantid=1&{what}");
    let (street, coal) = (edit("address.address=Road%201"), edit("profit.coal=0.5"));
    let (street, coal) = tokio::join!(ask(&world, &street), ask(&world, &coal));
    assert_eq!((err(&street), err(&coal)), (0, 0));
    let sheet = world.get("/api/v1/sites/home/plant").await.json()["sheet"].clone();
    assert_eq!(
        (&sheet["address"]["street"], &sheet["coal_g_per_kwh"]),
        (&json!("Road 1"), &json!(500))
    );
}

#[tokio::test]
async fn an_owner_lets_others_look() {
    let world = house().await;
    let pwd = rc4::encode(SECRET, &PasswordHash::of_password("look"));
    let add = |name: &str, pids: &str| format!("&action=addPlantBrowser&usr={name}&pwd={pwd}&pid={pids}");
    assert_eq!(err(&ask(&world, &add("guest", "1")).await), 0);
    assert_eq!(err(&ask(&world, &add("guest", "1")).await), 24);
    assert_eq!(err(&ask(&world, &add("other", "2")).await), 11);
    let guest = sign_in(&world, "guest", "look").await;
    let info = ask_as(&world, &guest, "&action=queryAccountInfo").await;
    assert_eq!(
        (&info["dat"]["role"], &info["dat"]["usr"]),
        (&json!(3), &json!("guest"))
    );
    let plants = ask_as(&world, &guest, "&action=queryPlantsInfo").await;
    assert_eq!(plants["dat"]["info"].as_array().unwrap().len(), 1);
    assert_eq!(plants["dat"]["info"][0]["usr"], "vplant");
    let shown = ask(&world, "&action=queryAccountInfo&uid=2").await;
    assert_eq!(shown["dat"]["usr"], "guest");
    assert_eq!(
        err(&ask_as(&world, &guest, "&action=queryAccountInfo&uid=1").await),
        11
    );
}

#[tokio::test]
async fn a_number_and_its_code_make_an_account_where_that_is_wanted() {
    let mut world = house().await;
    let new = PasswordHash::of_password("123456");
    let number = "W0011223344556";
    let pwd = rc4::encode(PasswordHash::of_password(number).expose(), &new);
    let path = |name: &str, code: &str| {
        let tail = format!("&action=reg&usr={name}&pwd={pwd}&sn={number}&code={code}&company-key={KEY}");
        let sign = hex_text(&digest(&[SALT, pwd.as_str(), &tail].map(str::as_bytes)));
        format!("/public/?sign={sign}&salt={SALT}{tail}")
    };
    let answer = world.open(&path("new", "x")).await.json();
    assert_eq!(err(&answer), 8, "{answer}");

    let mut settings = world.state.settings.as_ref().clone();
    settings.shinemonitor.registration = true;
    world.use_settings(settings);
    let console = Principal::console();
    let by = By::new(&console, "console");
    let gate = world.state.gate.clone();
    let yard = Thing::Site(site_id("yard"));
    let code = gate.make_code(&by, &DIALECT, number, &yard, Millis(HOUR)).await;
    let code = code.unwrap().expose().to_owned();
    for (name, code, expected) in [
        ("new", "wrong", 259),
        ("vplant", code.as_str(), 24),
        ("new", code.as_str(), 0),
        ("newer", code.as_str(), 259),
    ] {
        let answer = world.open(&path(name, code)).await.json();
        assert_eq!(err(&answer), expected, "{name} {code}: {answer}");
    }
    let pair = sign_in(&world, "new", "123456").await;
    let plants = ask_as(&world, &pair, "&action=queryPlantsInfo").await;
    let expected = json!([{"uid": 2, "usr": "new", "pid": 2, "pname": "YARD", "status": 0}]);
    assert_eq!(plants["dat"]["info"], expected);
}

#[tokio::test]
async fn a_number_and_its_code_become_the_logger_of_a_plant_where_that_is_wanted() {
    let mut world = house().await;
    let number = "W0011223344556";
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let accepts = Arc::clone(&accepted);
    world.state = world.state.clone().with_loggers(Loggers {
        accept: Arc::new(move |logger: AcceptedLogger| accepts.lock().unwrap().push(logger)),
        ..Loggers::default()
    });
    let mut settings = world.state.settings.as_ref().clone();
    let shed: GatewayId = "shed".parse().unwrap();
    settings.gateways = vec![Gateway {
        id: shed.clone(),
        name: "Shed".to_owned(),
        link: GatewayLink::Logger {
            pn: None,
            pass_on: PassOn::Nothing,
        },
    }];
    settings.sites[0].devices[1].link = LinkSettings::Via {
        gateway: shed.clone(),
        unit: Unit::named("1/pv"),
        definition: Some("smg".to_owned()),
    };
    world.use_settings(settings.clone());
    let add = async |world: &World, pn: &str, code: &str| {
        err(&ask(
            world,
            &format!("&action=addCollectorToPlant&plantid=1&pn={pn}&code={code}"),
        )
        .await)
    };
    assert_eq!(add(&world, number, "x").await, 8);
    settings.shinemonitor.registration = true;
    world.use_settings(settings);

    let console = Principal::console();
    let by = By::new(&console, "console");
    let gate = world.state.gate.clone();
    let code_of = async |site: &str, pn: &str| {
        let thing = Thing::Site(site_id(site));
        let code = gate.make_code(&by, &DIALECT, pn, &thing, Millis(HOUR)).await;
        code.unwrap().expose().to_owned()
    };
    let yard = code_of("yard", "W0011223344557").await;
    let code = code_of("home", number).await;
    for (pn, code, expected) in [
        (number, "wrong", 259),
        ("W0011223344557", yard.as_str(), 259),
        ("short", code.as_str(), 259),
        (number, code.as_str(), 0),
        (number, code.as_str(), 259),
    ] {
        assert_eq!(add(&world, pn, code).await, expected, "{pn} {code}");
    }
    let logger = AcceptedLogger {
        gateway: shed,
        pn: number.to_owned(),
    };
    assert_eq!(*accepted.lock().unwrap(), std::slice::from_ref(&logger));
    assert_eq!(world.store.list::<AcceptedLogger>().await.unwrap(), [logger]);
}

#[tokio::test]
async fn the_latest_data_are_answered_at_once_as_the_router_answers_them() {
    let world = house().await;
    account(&world, "yard", "yard", [(site_id("yard"), Role::Viewer)]).await;
    let stranger = sign_in(&world, "yard", "yard").await;
    // The port asks in front of the router that `world.app` is.
    let front = Front::new(world.state.clone());
    let tail = format!("&action=queryDeviceLastData&i18n=en_US{PV}");
    let path = signed(&printed(), &tail);
    let gzip = [("accept-encoding", "gzip")];
    let bare = |path: &str| request("GET", path, &[], "");
    assert!(front.at_once(&bare(&path)).is_none(), "nobody has asked before");
    let first = world.open(&path).await;
    for (path, headers) in [
        (path.clone(), &[][..]),
        (format!("{path}&callback=f"), &[][..]),
        (path.replace("/public/", "/public"), &gzip[..]),
    ] {
        let ask = || request("GET", &path, headers, "");
        let at_once = front.at_once(&ask()).unwrap();
        let (head, body) = at_once.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let routed = world.app.clone().oneshot(ask()).await.unwrap();
        let (expected, routed) = routed.into_parts();
        assert_eq!(head.headers, expected.headers, "{path}");
        assert_eq!(body, routed.collect().await.unwrap().to_bytes(), "{path}");
    }
    assert_eq!(world.open(&path).await.text, first.text);
    for (method, path) in [
        ("GET", signed(&stranger, &tail)),
        ("GET", path.replace(SALT, "1491967717698")),
        ("GET", path.replace(TOKEN, SECRET)),
        ("GET", signed(&printed(), &tail.replace("en_US", "de"))),
        ("HEAD", path.clone()),
        ("POST", path.clone()),
        ("GET", signed(&printed(), "&action=queryPlants")),
        ("GET", "/public/".to_owned()),
    ] {
        let asked = request(method, &path, &[], "");
        assert!(front.at_once(&asked).is_none(), "{method} {path}");
    }
    world.change("home", |_| {}).await;
    assert!(front.at_once(&bare(&path)).is_none(), "there is a newer view");
    world.open(&path).await;
    assert!(front.at_once(&bare(&path)).is_some());
    world.step(5_001);
    assert!(front.at_once(&bare(&path)).is_none(), "too old");
}

#[tokio::test]
async fn it_may_be_asked_in_every_documented_way() {
    let world = house().await;
    let path = signed(&printed(), "&action=queryPlantCount");
    let query = path.strip_prefix("/public/?").unwrap();
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let plain = world.open(&path).await;
    assert_eq!(plain.json()["dat"]["count"], 1);
    for (method, path, headers, body) in [
        ("GET", format!("/public?{query}"), &[][..], ""),
        ("POST", path.clone(), &[][..], ""),
        ("POST", path.clone(), &form[..], "&action=reboot"),
        ("POST", "/public/".to_owned(), &form[..], query),
    ] {
        let answer: Answer = world.ask(request(method, &path, headers, body)).await;
        assert_eq!(answer.text, plain.text, "{method} {path}");
    }
    let jsonp = world
        .open(&format!("{path}&callback=jQuery_1&_=1491967717697"))
        .await;
    assert_eq!(jsonp.text, format!("jQuery_1({})", plain.text));
    assert_eq!(
        jsonp.header("content-type"),
        Some("application/javascript;charset=utf-8")
    );
    let head = world.ask(request("HEAD", &path, &[], "")).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));

    let put = world.ask(request("PUT", &path, &[], "")).await;
    assert_eq!(put.error(), (405, "no_such_method".to_owned()));
    assert!(put.header("allow").unwrap().contains("POST"));
    let asked = world.ask(request("OPTIONS", "/public/", &[], "")).await;
    assert_eq!(asked.status, 204);
    assert_eq!(asked.header("access-control-allow-origin"), Some("*"));
    let page = world.open("/public/index.html").await;
    assert_eq!(page.status, 404, "{}", page.text);
    let long = "x".repeat(17 * 1024);
    let long = world.ask(request("POST", "/public/", &form, &long)).await;
    assert_eq!(long.status, 413, "{}", long.text);
}

#[tokio::test]
async fn administrators_make_accounts_and_codes() {
    let world = house().await;
    let path = "/api/v1/shinemonitor/accounts";
    let body = |more: Value| {
        let mut body = json!({"name": "solar home", "kind": "owner", "sites": {"yard": "operator"}});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        body.to_string()
    };
    for (more, status) in [
        (json!({}), 422),
        (json!({"password": ""}), 422),
        (json!({"password": "one", "sites": {"nowhere": "operator"}}), 404),
        (json!({"password": "one", "sites": {"yard": "admin"}}), 422),
        (json!({"password": "one", "name": "vplant"}), 409),
        (json!({"password": "one", "kind": "admin"}), 422),
    ] {
        let answer = world.post(path, &body(more.clone())).await;
        assert_eq!(answer.status, status, "{more}: {}", answer.text);
    }
    let made = world.post(path, &body(json!({"password": "one"}))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let expected = json!({"number": 2, "name": "solar home", "kind": "owner", "sites": {"yard": "operator"},
        "enabled": true, "created_ms": BEGIN.wall.0});
    assert_eq!(made.json(), expected);
    let listed = world.get(path).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(listed["items"][0]["name"], "vplant");

    let one = format!("{path}/2");
    let pair = sign_in(&world, "solar%20home", "one").await;
    assert_eq!(err(&ask_as(&world, &pair, "&action=queryPlants").await), 0);
    let changed = body(json!({"kind": "browser", "sites": {"home": "viewer"}}));
    assert_eq!(world.put(&one, &changed).await.json()["kind"], "browser");
    let plants = ask_as(&world, &pair, "&action=queryPlantsInfo").await;
    assert_eq!(plants["dat"]["info"][0]["pid"], 1);
    assert_eq!(
        world.put(&one, &body(json!({"password": "two"}))).await.status,
        200
    );
    assert_eq!(err(&ask_as(&world, &pair, "&action=queryPlants").await), 10);
    sign_in(&world, "solar%20home", "two").await;
    assert_eq!(world.delete(&one).await.status, 204);
    assert_eq!(world.delete(&one).await.status, 404);
    let gone = world.open(&login("solar%20home", "two", KEY)).await.json();
    assert_eq!(err(&gone), 16);

    let codes = "/api/v1/shinemonitor/codes";
    let code = world
        .post(codes, r#"{"pn":"W0011223344556","site":"yard"}"#)
        .await;
    assert_eq!(code.status, 201, "{}", code.text);
    assert_eq!(code.json()["expires_ms"], BEGIN.wall.0 + 7 * 24 * HOUR);
    for (body, status) in [
        (r#"{"pn":"W 1","site":"yard"}"#, 422),
        (r#"{"pn":"W0011223344556","site":"x"}"#, 404),
    ] {
        assert_eq!(world.post(codes, body).await.status, status, "{body}");
    }
    for (method, path) in [
        ("GET", path),
        ("POST", path),
        ("PUT", one.as_str()),
        ("DELETE", one.as_str()),
        ("POST", codes),
    ] {
        let body = match path {
            _ if method == "GET" || method == "DELETE" => String::new(),
            _ if path == codes => r#"{"pn":"W0011223344556","site":"yard"}"#.to_owned(),
            _ => body(json!({"password": "one"})),
        };
        let answer = world.call(VIEWER, method, path, &body).await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
    }
}
