//! `/public/`.

mod accounts;
mod control;
mod figures;
mod plants;

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
