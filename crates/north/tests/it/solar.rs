//! What the sun brings, and what people say about a plant, over the native API.

use std::sync::{Arc, Mutex};

use model::device::{DeviceKind, LinkSettings};
use model::gateway::{
    AcceptedLogger, Gateway, GatewayFacts, GatewayLink, LoggerState, LoggerStates, PassOn, Unit,
};
use model::id::{GatewayId, SiteId};
use model::panels::Panels;
use model::reading::Quantity;
use model::session::LedgerEntry;
use model::site::Position;
use model::sun::Plane;
use model::time::Timestamp;
use model::units::{WattHours, Watts};
use north::Loggers;
use serde_json::{Value, json};
use store::{Audit, History, Series, Sessions, Typed};

use crate::world::{BEGIN, HOUR, TOKEN, VIEWER, World, site_id};

const DAY: i64 = 24 * HOUR;
/// Midnight in Vienna, where the site is; an hour before the world begins, on Saturday 2025-11-22.
const MIDNIGHT: i64 = BEGIN.wall.0 - HOUR;
const QUARTER: i64 = 900_000;
/// The world goes on until noon.
const NOON: i64 = 11 * HOUR;

/// The inverter of Home brings 400 Wh an hour, all day, for so many days before today and until noon.
async fn produce(world: &World, days: i64) {
    let series = Series {
        subject: "device:pv".to_owned(),
        quantity: Quantity::EnergyOut,
    };
    let first = MIDNIGHT - days * DAY;
    let quarters = days * 96 + 48;
    let rows: Vec<_> = (0..=quarters)
        .map(|n| (Timestamp(first + n * QUARTER), 1_000_000 + n * 100))
        .collect();
    world.store.import(&series, &rows).await.unwrap();
}

/// 100 Wh a quarter-hour, a quarter of it fed in.
async fn book(world: &World, days: i64) {
    for n in 0..days * 96 + 48 {
        let entry = LedgerEntry {
            site: SiteId::new("home").unwrap(),
            start: Timestamp(MIDNIGHT - days * DAY + n * QUARTER),
            shares: Vec::new(),
            imported: WattHours::ZERO,
            exported: WattHours(25),
            produced: WattHours(100),
            battery_in: WattHours::ZERO,
            battery_out: WattHours::ZERO,
            house: WattHours(75),
        };
        world.store.put_ledger(1, &entry).await.unwrap();
    }
}

/// Home with 10 kW peak that look south, in Vienna.
fn with_panels(world: &mut World) {
    let mut settings = (*world.state.settings).clone();
    settings.sites[0].position = Some(Position {
        latitude_udeg: 48_208_200,
        longitude_udeg: 16_373_800,
    });
    let panels = Panels {
        peak: Watts(10_000),
        plane: Plane {
            tilt_deg: 30,
            azimuth_deg: 180,
        },
    };
    settings.sites[0].devices[1].kind = DeviceKind::Inverter {
        rated_power: Some(Watts(9_000)),
        panels: vec![panels],
    };
    world.use_settings(settings);
}

async fn tariff(world: &World, direction: &str, from: &str, price: i64) {
    let tariff = json!({
        "id": direction, "name": direction, "direction": direction, "site": "home",
        "contracts": [{
            "name": direction, "from": from, "currency": "EUR", "vat_permille": 0, "monthly_fee_micros": 0,
            "prices": {"kind": "fixed", "price_micros_per_kwh": price},
        }],
    });
    let path = format!("/api/v1/tariffs/{direction}");
    let put = world.put(&path, &tariff.to_string()).await;
    if put.status != 200 {
        let made = world.post("/api/v1/tariffs", &tariff.to_string()).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
}

async fn solar(world: &World) -> Value {
    let answer = world.get("/api/v1/sites/home/solar").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn production_is_added_up_and_what_it_was_worth() {
    let mut world = World::new().await;
    with_panels(&mut world);
    // 40 days before today: 19 of them in October, none in the year before.
    produce(&world, 40).await;
    book(&world, 40).await;
    tariff(&world, "import", "2025-01-01", 300_000).await;
    tariff(&world, "export", "2025-11-22", 80_000).await;
    world.step(NOON);
    let found = solar(&world).await;
    let period = |days_of_quarters: i64, total: i64, unpriced: i64, saved: i64, earned: i64| {
        let booked = days_of_quarters * 100;
        json!({
            "produced_wh": total, "wh_per_kwp": total / 10, "co2_g": total * 990 / 1_000,
            "booked_wh": booked, "fed_in_wh": booked / 4, "unpriced_wh": unpriced,
            "money": [{"currency": "EUR", "saved_micros": saved, "earned_micros": earned}],
        })
    };
    // 75 Wh a quarter-hour at 0.30, and today 25 Wh at 0.08.
    let saved = |quarters: i64| quarters * 22_500;
    let today = 48;
    let month = 21 * 96 + today;
    let all = 40 * 96 + today;
    assert_eq!(found["today"], period(today, 4_800, 0, saved(today), 96_000));
    let before = |quarters: i64| (quarters - today) * 25;
    assert_eq!(
        found["month"],
        period(month, month * 100, before(month), saved(month), 96_000)
    );
    // The hour that summer time gave back is of this year, too.
    assert_eq!(
        found["year"],
        period(all, all * 100, before(all), saved(all), 96_000)
    );
    let total = 1_000_000 + all * 100;
    assert_eq!(
        found["total"],
        period(all, total, before(all), saved(all), 96_000)
    );
    let device = json!([{
        "device": "pv", "name": "pv", "peak_w": 10_000, "rated_w": 9_000, "today_wh": 4_800,
        "month_wh": month * 100, "year_wh": all * 100, "total_wh": total, "estimated": false,
    }]);
    assert_eq!(found["devices"], device);

    // Days that are over are remembered, and no longer once a tariff says something else of them.
    assert_eq!(solar(&world).await, found);
    tariff(&world, "export", "2025-01-01", 40_000).await;
    let changed = solar(&world).await["total"].clone();
    assert_eq!(changed["money"][0]["earned_micros"].as_i64(), Some(all * 25 * 40));
    assert_eq!(changed["unpriced_wh"], 0);
    world.step(DAY);
    let next = solar(&world).await;
    assert_eq!(
        (&next["today"]["produced_wh"], &next["total"]["booked_wh"]),
        (&json!(0), &json!(all * 100))
    );

    // For some days what loggers tell late still counts.
    for (days, first) in [(1, 1_100), (3, 2_100)] {
        let (home, first_quarter) = (site_id("home"), Timestamp(MIDNIGHT));
        let found = world.store.ledger(&home, first_quarter, Timestamp(MIDNIGHT + 1));
        let mut late = found.await.unwrap().remove(0);
        late.produced = WattHours(first);
        world.store.put_ledger(1, &late).await.unwrap();
        let found = solar(&world).await["total"]["booked_wh"].as_i64();
        assert_eq!(found, Some(all * 100 + 1_000), "after {days} days");
        world.step(3 * DAY);
        solar(&world).await;
    }
}

#[tokio::test]
async fn a_clear_sky_is_laid_beside_what_came() {
    let mut world = World::new().await;
    produce(&world, 0).await;
    world.step(NOON);
    let found = solar(&world).await;
    assert_eq!(
        (&found["expected"], &found["peak_w"], &found["lacks"]),
        (&Value::Null, &Value::Null, &json!(["position", "panels"]))
    );
    assert_eq!(found["today"]["wh_per_kwp"], Value::Null);

    with_panels(&mut world);
    let found = solar(&world).await;
    assert_eq!((&found["lacks"], &found["peak_w"]), (&json!([]), &json!(10_000)));
    let expected = &found["expected"];
    assert_eq!(
        (&expected["devices"], &expected["from_ms"], &expected["step_ms"]),
        (&json!(["pv"]), &json!(MIDNIGHT), &json!(300_000))
    );
    let power: Vec<i64> = serde_json::from_value(expected["power_w"].clone()).unwrap();
    assert_eq!(power.len(), 288);
    // The sun rises after seven and is gone by half past four.
    assert!(power[..84].iter().all(|power| *power == 0), "{power:?}");
    assert!(power[198..].iter().all(|power| *power == 0), "{power:?}");
    let most = power.iter().max().unwrap();
    assert!((5_000..=9_000).contains(most), "{most}");
    let sum: i64 = power.iter().sum::<i64>() / 12;
    let day = expected["day_wh"].as_i64().unwrap();
    assert!((day - sum).abs() <= 1, "{day} {sum}");
    let so_far = expected["so_far_wh"].as_i64().unwrap();
    // Noon by the clock is a little after the middle of the day.
    assert!(
        (day * 45 / 100..day * 60 / 100).contains(&so_far),
        "{so_far} of {day}"
    );
    assert_eq!(expected["produced_wh"], 4_800);

    let mut settings = (*world.state.settings).clone();
    settings.sites[0].position = None;
    world.use_settings(settings);
    let found = solar(&world).await;
    assert_eq!(
        (&found["expected"], &found["lacks"]),
        (&Value::Null, &json!(["position"]))
    );
    // What the plant sheet says of the place counts as well.
    let mut sheet = world.get("/api/v1/sites/home/plant").await.json()["sheet"].clone();
    sheet["position"] = json!({"latitude_udeg": 48_208_200, "longitude_udeg": 16_373_800});
    sheet["co2_g_per_kwh"] = json!(250);
    sheet["offset_wh"] = json!(-1_000_000);
    let put = world.put("/api/v1/sites/home/plant", &sheet.to_string()).await;
    assert_eq!(put.status, 200, "{}", put.text);
    let found = solar(&world).await;
    assert_eq!((&found["expected"], &found["lacks"]), (expected, &json!([])));
    assert_eq!(
        (&found["total"]["produced_wh"], &found["total"]["co2_g"]),
        (&json!(4_800), &json!(1_200))
    );
}

#[tokio::test]
async fn a_site_without_sun_and_a_first_day_have_nothing_to_show() {
    let world = World::new().await;
    let nothing = json!({
        "produced_wh": 0, "wh_per_kwp": null, "co2_g": 0, "booked_wh": 0, "fed_in_wh": 0, "unpriced_wh": 0, "money": [],
    });
    let first = solar(&world).await;
    assert_eq!((&first["today"], &first["total"]), (&nothing, &nothing));
    assert_eq!(first["devices"][0]["estimated"], true);
    let yard = world.get("/api/v1/sites/yard/solar").await.json();
    assert_eq!(
        (&yard["devices"], &yard["peak_w"], &yard["year"]),
        (&json!([]), &Value::Null, &nothing)
    );
    assert_eq!(
        world.get("/api/v1/sites/nowhere/solar").await.error(),
        (404, "unknown".into())
    );
}

fn sheet() -> Value {
    json!({
        "name": "Sun 太", "position": {"latitude_udeg": 48_208_200, "longitude_udeg": -16_373_800},
        "address": {"country": "AT", "province": "", "city": "Wien", "county": "", "town": "", "village": "", "street": "Ring 1"},
        "installed_ms": 1_700_000_000_000_i64, "nominal_w": 9_800, "year_estimate_wh": 10_000_000, "offset_wh": -5,
        "coal_g_per_kwh": 400, "co2_g_per_kwh": 210, "so2_g_per_kwh": 0,
        "prices": {"unit_micros": 1, "sold_micros": 82_000, "own_use_micros": 300_000, "bought_micros": 4,
            "consumed_micros": 5, "fed_in_micros": -6},
        "currency": {"symbol": "€", "code": "EUR"}, "design_company": "Roofs", "picture": "", "thumbnail": "",
    })
}

#[tokio::test]
async fn the_sheet_of_a_plant_is_read_and_put() {
    let mut world = World::new().await;
    let path = "/api/v1/sites/home/plant";
    let bare = world.get(path).await.json();
    assert_eq!(
        (
            &bare["sheet"]["co2_g_per_kwh"],
            &bare["sheet"]["name"],
            &bare["site_position"]
        ),
        (&json!(990), &Value::Null, &Value::Null)
    );
    let put = world.put(path, &sheet().to_string()).await;
    assert_eq!((put.status.as_u16(), &put.json()["sheet"]), (200, &sheet()));
    with_panels(&mut world);
    let shown = world.call(VIEWER, "GET", path, "").await.json();
    assert_eq!(
        shown,
        json!({"sheet": sheet(), "site_position": {"latitude_udeg": 48_208_200, "longitude_udeg": 16_373_800}})
    );
    // What is not said any more is gone.
    let mut less = sheet();
    for key in ["name", "position", "nominal_w", "installed_ms"] {
        less.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(world.put(path, &less.to_string()).await.json()["sheet"], less);
    let noted = world.store.recent(2).await.unwrap();
    assert!(noted.iter().all(|entry| entry.action == "put plant-sheet home"));
    assert_eq!(
        world.get("/api/v1/sites/yard/plant").await.json()["sheet"]["design_company"],
        ""
    );
}

#[tokio::test]
async fn a_sheet_that_makes_no_sense_is_refused() {
    let world = World::new().await;
    let path = "/api/v1/sites/home/plant";
    for (pointer, value, place) in [
        ("/name", json!(" "), "name"),
        ("/name", json!("x".repeat(65)), "name"),
        ("/address/city", json!("two\nlines"), "address.city"),
        (
            "/position/latitude_udeg",
            json!(90_000_001),
            "position.latitude_udeg",
        ),
        (
            "/position/longitude_udeg",
            json!(-180_000_001),
            "position.longitude_udeg",
        ),
        ("/nominal_w", json!(-1), "nominal_w"),
        ("/co2_g_per_kwh", json!(-1), "co2_g_per_kwh"),
        ("/offset_wh", json!(i64::MAX), "offset_wh"),
        ("/installed_ms", json!(i64::MAX), "installed_ms"),
        ("/prices/sold_micros", json!(i64::MIN), "prices.sold_micros"),
        ("/currency/code", json!("euro"), "currency.code"),
    ] {
        let mut wrong = sheet();
        *wrong.pointer_mut(pointer).unwrap() = value;
        let answer = world.put(path, &wrong.to_string()).await;
        assert_eq!(answer.error(), (422, "out_of_range".into()), "{pointer}");
        assert_eq!(answer.json()["error"]["where"], place, "{pointer}");
    }
    let mut unknown = sheet();
    unknown["colour"] = json!("red");
    assert_eq!(
        world.put(path, &unknown.to_string()).await.error(),
        (422, "invalid".into())
    );
    let viewer = world.call(VIEWER, "PUT", path, &sheet().to_string()).await;
    assert_eq!(viewer.error(), (403, "not_allowed".into()));
    assert_eq!(
        world
            .put("/api/v1/sites/nowhere/plant", &sheet().to_string())
            .await
            .error(),
        (404, "unknown".into())
    );
    assert_eq!(world.get(path).await.json()["sheet"]["co2_g_per_kwh"], 990);
}

#[tokio::test]
async fn loggers_are_shown_where_their_devices_are_and_strangers_to_operators() {
    let mut world = World::new().await;
    assert_eq!(
        world.get("/api/v1/sites/home/loggers").await.json(),
        json!({"items": []})
    );
    let gateway = |id: &str| GatewayId::new(id).unwrap();
    let logger = |pn: &str, accepted: Option<&str>| LoggerState {
        pn: pn.to_owned(),
        accepted: accepted.map(gateway),
        from: Some("192.168.1.60:40000".parse().unwrap()),
        since: Some(Timestamp(1_000)),
        last_contact: Some(Timestamp(2_000)),
        facts: GatewayFacts {
            kind: Some("6".to_owned()),
            firmware: None,
            descriptor: None,
            signal_dbm: Some(-61),
        },
        waiting: None,
    };
    let away = LoggerState {
        from: None,
        since: None,
        last_contact: None,
        waiting: Some("192.168.1.61:9".parse().unwrap()),
        ..logger("W2", Some("shed"))
    };
    let all = [
        logger("W1", Some("roof")),
        away,
        logger("W3", None),
        logger("W4", Some("attic")),
    ];
    let all: LoggerStates = all.into_iter().map(|one| (one.pn.clone(), one)).collect();
    world.state = world.state.clone().with_loggers(Loggers {
        states: Arc::new(move || all.clone()),
        ..Loggers::default()
    });
    let mut settings = (*world.state.settings).clone();
    settings.gateways = ["roof", "shed", "attic"]
        .map(|id| Gateway {
            id: gateway(id),
            name: id.to_uppercase(),
            link: GatewayLink::Modbus {
                address: "127.0.0.1:1".to_owned(),
            },
        })
        .into();
    for (site, id) in [(0, "roof"), (1, "shed")] {
        settings.sites[site].devices[1].link = LinkSettings::Via {
            gateway: gateway(id),
            unit: Unit::named("1"),
            definition: None,
        };
    }
    world.use_settings(settings);
    let shown = async |token: &str, site: &str| {
        let answer = world
            .call(token, "GET", &format!("/api/v1/sites/{site}/loggers"), "")
            .await;
        answer.json()["items"].as_array().unwrap().clone()
    };
    let home = json!({
        "pn": "W1", "name": "ROOF", "accepted": true, "online": true, "from": "192.168.1.60:40000", "since_ms": 1_000,
        "last_contact_ms": 2_000, "signal_dbm": -61, "kind": "6", "firmware": null, "waiting": null, "devices": ["pv"],
    });
    let owner = shown(TOKEN, "home").await;
    assert_eq!((owner.len(), &owner[0]), (3, &home));
    assert_eq!(
        (&owner[1]["pn"], &owner[1]["accepted"], &owner[1]["devices"]),
        (&json!("W3"), &json!(false), &json!([]))
    );
    // No device is behind it anywhere.
    assert_eq!(
        (&owner[2]["name"], &owner[2]["accepted"], &owner[2]["devices"]),
        (&json!("ATTIC"), &json!(true), &json!([]))
    );
    assert_eq!(shown(VIEWER, "home").await, [home]);
    let yard = shown(VIEWER, "yard").await;
    assert_eq!(
        (
            yard.len(),
            &yard[0]["online"],
            &yard[0]["waiting"],
            &yard[0]["devices"]
        ),
        (1, &json!(false), &json!("192.168.1.61:9"), &json!(["barred"]))
    );
}

#[tokio::test]
async fn an_administrator_lets_a_second_data_logger_take_the_place_of_the_first() {
    let mut world = World::new().await;
    let logger = |pn: &str, accepted: Option<&str>| LoggerState {
        pn: pn.to_owned(),
        accepted: accepted.map(|id| GatewayId::new(id).unwrap()),
        from: Some("192.168.1.60:40000".parse().unwrap()),
        since: Some(Timestamp(1_000)),
        last_contact: None,
        facts: GatewayFacts::default(),
        waiting: None,
    };
    let all = [
        logger("W1", Some("roof")),
        logger("W2", Some("shed")),
        logger("W3", None),
    ];
    let all: LoggerStates = all.into_iter().map(|one| (one.pn.clone(), one)).collect();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asks = Arc::clone(&asked);
    world.state = world.state.clone().with_loggers(Loggers {
        states: Arc::new(move || all.clone()),
        take_over: Arc::new(move |pn: &str| {
            asks.lock().unwrap().push(pn.to_owned());
            pn == "W1"
        }),
        ..Loggers::default()
    });
    world.use_settings((*world.state.settings).clone());
    for (token, pn, expected) in [
        (TOKEN, "W1", (204, "")),
        (TOKEN, "W2", (409, "nobody_waits")),
        // A stranger has no place, and nobody takes it.
        (TOKEN, "W3", (404, "unknown")),
        (TOKEN, "W4", (404, "unknown")),
        (VIEWER, "W1", (403, "not_allowed")),
    ] {
        let path = format!("/api/v1/loggers/{pn}/takeover");
        let answer = world.call(token, "POST", &path, "").await;
        if expected.1.is_empty() {
            assert_eq!(answer.status, 204, "{pn}");
        } else {
            assert_eq!(answer.error(), (expected.0, expected.1.into()), "{pn}");
        }
    }
    assert_eq!(*asked.lock().unwrap(), ["W1", "W2"]);
    let audit = world.get("/api/v1/audit?limit=1").await.json();
    assert_eq!(audit["items"][0]["action"], "take over data logger W1");
}

/// A house where loggers can be accepted: `shed` of Home and `barn` of Yard are open, `roof` of Home is not, W1 and W2
/// are strangers and W9 is `roof`.
fn with_vacancies(world: &mut World) {
    let stranger = |pn: &str, accepted: Option<&str>| LoggerState {
        pn: pn.to_owned(),
        accepted: accepted.map(|id| GatewayId::new(id).unwrap()),
        from: Some("192.168.1.60:40000".parse().unwrap()),
        since: Some(Timestamp(1_000)),
        last_contact: None,
        facts: GatewayFacts::default(),
        waiting: None,
    };
    let all = [
        stranger("W0000001", None),
        stranger("W0000002", None),
        stranger("W0000009", Some("roof")),
    ];
    let all: LoggerStates = all.into_iter().map(|one| (one.pn.clone(), one)).collect();
    let all = Arc::new(Mutex::new(all));
    let shown = Arc::clone(&all);
    world.state = world.state.clone().with_loggers(Loggers {
        states: Arc::new(move || shown.lock().unwrap().clone()),
        accept: Arc::new(move |logger: AcceptedLogger| {
            let mut all = all.lock().unwrap();
            let state = all
                .entry(logger.pn.clone())
                .or_insert_with(|| stranger(&logger.pn, None));
            state.accepted = Some(logger.gateway);
        }),
        ..Loggers::default()
    });
    let mut settings = (*world.state.settings).clone();
    let gateway = |id: &str, pn: Option<&str>| Gateway {
        id: GatewayId::new(id).unwrap(),
        name: id.to_uppercase(),
        link: GatewayLink::Logger {
            pn: pn.map(str::to_owned),
            pass_on: PassOn::Nothing,
        },
    };
    settings.gateways = vec![
        gateway("roof", Some("W0000009")),
        gateway("shed", None),
        gateway("barn", None),
    ];
    settings.shinemonitor.registration = true;
    for (site, device, id) in [(0, 0, "roof"), (0, 1, "shed"), (1, 1, "barn")] {
        settings.sites[site].devices[device].link = LinkSettings::Via {
            gateway: GatewayId::new(id).unwrap(),
            unit: Unit::named("1/pv"),
            definition: Some("smg".to_owned()),
        };
    }
    world.use_settings(settings);
}

#[tokio::test]
async fn an_administrator_accepts_a_stranger_as_a_gateway_that_is_open() {
    let mut world = World::new().await;
    with_vacancies(&mut world);
    let home = "/api/v1/sites/home/loggers";
    let vacant = async |token: &str| world.call(token, "GET", home, "").await.json()["vacant"].clone();
    assert_eq!(vacant(TOKEN).await, json!([{"gateway": "shed", "name": "SHED"}]));
    assert_eq!(vacant(VIEWER).await, Value::Null);
    for (token, pn, body, expected) in [
        (VIEWER, "W0000001", r#"{"gateway": "shed"}"#, (403, "not_allowed")),
        (TOKEN, "W0000008", r#"{"gateway": "shed"}"#, (404, "unknown")),
        (TOKEN, "W0000001", r#"{"gateway": "attic"}"#, (404, "unknown")),
        (TOKEN, "W0000001", r#"{"gateway": "roof"}"#, (409, "in_use")),
        (TOKEN, "W0000009", r#"{"gateway": "shed"}"#, (409, "in_use")),
        (TOKEN, "W0000001", r#"{"gateway": "shed"}"#, (204, "")),
        (TOKEN, "W0000001", r#"{"gateway": "barn"}"#, (409, "in_use")),
        (TOKEN, "W0000002", r#"{"gateway": "shed"}"#, (409, "in_use")),
    ] {
        let answer = world
            .call(token, "POST", &format!("/api/v1/loggers/{pn}"), body)
            .await;
        if expected.1.is_empty() {
            assert_eq!(answer.status, 204, "{pn} {body}: {}", answer.text);
        } else {
            assert_eq!(answer.error(), (expected.0, expected.1.into()), "{pn} {body}");
        }
    }
    let kept = world.store.list::<AcceptedLogger>().await.unwrap();
    let shed = AcceptedLogger {
        gateway: GatewayId::new("shed").unwrap(),
        pn: "W0000001".to_owned(),
    };
    assert_eq!(kept, [shed]);
    assert_eq!(vacant(TOKEN).await, Value::Null);
    let shown = world.get(home).await.json();
    assert_eq!(shown["items"][0]["name"], "SHED");
    let audit = world.get("/api/v1/audit?limit=1").await.json();
    assert_eq!(audit["items"][0]["action"], "accept data logger W0000001 as shed");
}
