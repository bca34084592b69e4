//! How long a ShineMonitor client waits for the days of a month of a plant, of very many plants with a long past:
//! `shine_plants [PLANTS] [DAYS]`. Every plant is asked once, by the account that sees all of them, without sockets.
//! Prints one line of JSON.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a figure that cannot be taken ends the run"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::Request;
use bus::InProcess;
use dialects::shinemonitor::DIALECT;
use dialects::shinemonitor::rc4::PasswordHash;
use dialects::shinemonitor::sign::{digest, hex_text};
use gate::{Account, By, DoorSession, Gate, InstallationKey, Principal, Thing};
use model::device::{Device, DeviceKind, LinkSettings};
use model::id::{CircuitId, DeviceId, SiteId};
use model::phases::PerPhase;
use model::reading::Quantity;
use model::secret::Secret;
use model::settings::{ControlSettings, Given, OutboundSettings, Settings, TlsSettings};
use model::site::{Circuit, Keeper, Site};
use model::time::{Clock, Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts};
use model::user::Role;
use north::{Readiness, State};
use serde_json::{Value, json};
use store::{History, Series, Sqlite};
use tower_service::Service;

/// The last moment of November 2026 in UTC.
const NOW: i64 = 1_796_083_199_000;
const QUARTER: i64 = 900_000;
const TOKEN: &str = "a-token-of-a-session-that-no-login-has-made";
const SECRET: &str = "a-secret-of-a-session-that-no-login-made";

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Now {
        Now {
            wall: Timestamp(NOW),
            monotonic: Monotonic(0),
        }
    }
}

#[tokio::main]
async fn main() {
    let number = |at: usize, default: usize| {
        let given = std::env::args().nth(at);
        given.and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (plants, days) = (number(1, 1_000), number(2, 62));
    let folder = std::env::temp_dir().join(format!("ohmstead-shine-plants-{}", std::process::id()));
    let figures = measure(&folder, plants, days).await;
    std::fs::remove_dir_all(&folder).unwrap();
    println!("{figures}");
}

async fn measure(folder: &std::path::Path, plants: usize, days: usize) -> Value {
    let store = Sqlite::open(folder).unwrap();
    let rows = i64::try_from(days).unwrap() * 96;
    for plant in 0..plants {
        let counter = Series {
            subject: format!("device:pv-{plant}"),
            quantity: Quantity::EnergyOut,
        };
        let reading = |row: i64| (Timestamp(NOW - (rows - row) * QUARTER), 250 * row);
        let past: Vec<(Timestamp, i64)> = (0..rows).map(reading).collect();
        store.import(&counter, &past).await.unwrap();
    }
    let mut app = open(&store, plants).await;
    // The first request names all plants and devices, once.
    let begun = Instant::now();
    ask(&mut app, "&action=queryPlantCount").await;
    let named = begun.elapsed();
    let mut took = Vec::with_capacity(plants);
    for plant in 1..=plants {
        let begun = Instant::now();
        let tail = format!("&action=queryPlantEnergyMonthPerDay&plantid={plant}&date=2026-11");
        let answer = ask(&mut app, &tail).await;
        took.push(begun.elapsed());
        let days = answer["dat"]["perday"].as_array().unwrap();
        assert_eq!(days.len(), 30, "{answer}");
        assert_eq!(days[14]["val"], "24.0000", "{answer}");
    }
    took.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let at = |permille: usize| ms(took[(took.len() * permille / 1_000).min(took.len() - 1)]);
    json!({ "plants": plants, "days": days, "median_ms": at(500), "p99_ms": at(990), "named_ms": ms(named) })
}

/// The answering side over a gate in which one account sees everything.
async fn open(store: &Arc<Sqlite>, plants: usize) -> axum::Router {
    let clock = Arc::new(Standing);
    let key = InstallationKey::from_bytes([7; 32]);
    let gate = Gate::open(store.clone(), key, clock.clone()).await.unwrap();
    let wanted = Account {
        role: Some(Role::Operator),
        ..Account::new("vendor")
    };
    let (console, password) = (
        Principal::console(),
        Secret::new(PasswordHash::of_password("x").expose()),
    );
    let by = By::new(&console, "console");
    let account = gate
        .create_account(&by, &DIALECT, wanted, &password)
        .await
        .unwrap();
    let session = DoorSession {
        token: Secret::new(TOKEN),
        secret: Secret::new(SECRET),
        expires: Timestamp(NOW) + Millis(86_400_000),
    };
    let thing = Thing::Account(account);
    gate.adopt_door_session(&DIALECT, &thing, &session).await.unwrap();
    let settings = Arc::new(settings(plants));
    let readiness = Arc::new(Readiness::default());
    let state = State::new(InProcess::new(), store.clone(), gate, clock, settings, readiness);
    north::router(state)
}

async fn ask(app: &mut axum::Router, tail: &str) -> Value {
    let salt = "12345678";
    let sign = hex_text(&digest(&[salt, SECRET, TOKEN, tail].map(str::as_bytes)));
    let request = Request::get(format!("/public/?sign={sign}&salt={salt}&token={TOKEN}{tail}"))
        .header("host", "127.0.0.1")
        .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000))))
        .body(Body::empty())
        .unwrap();
    let answer = app.call(request).await.unwrap();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["err"], 0, "{tail}: {answer}");
    answer
}

fn settings(plants: usize) -> Settings {
    let site = |plant: usize| Site {
        id: SiteId::new(&format!("site-{plant}")).unwrap(),
        name: format!("Plant {plant}"),
        keeper: Keeper::Ours,
        time_zone: "UTC".to_owned(),
        position: None,
        nominal_voltage: MilliVolts(230_000),
        grid: model::grid::GridRules::default(),
        circuits: vec![Circuit {
            id: CircuitId::new("house").unwrap(),
            name: "House".to_owned(),
            parent: None,
            limit: PerPhase::all(MilliAmps(35_000)),
            power_limit: None,
            reserve: MilliAmps(0),
            credit: MilliAmps(0),
            meter: None,
        }],
        devices: vec![Device {
            id: DeviceId::new(&format!("pv-{plant}")).unwrap(),
            name: "Roof".to_owned(),
            kind: DeviceKind::Inverter {
                rated_power: None,
                panels: Vec::new(),
            },
            circuit: CircuitId::new("house").unwrap(),
            enabled: true,
            period: Millis(1_000),
            link: LinkSettings::None,
        }],
    };
    Settings {
        tls: TlsSettings::default(),
        listen: SocketAddr::from(([127, 0, 0, 1], 8_080)),
        host_names: Vec::new(),
        control: ControlSettings::default(),
        goe: model::settings::GoeSettings::default(),
        shinemonitor: model::settings::ShinemonitorSettings::default(),
        supervision: model::settings::SupervisionSettings::default(),
        backup: model::settings::BackupSettings::default(),
        personal_data: model::settings::PersonalData::default(),
        tariffs: Vec::new(),
        vehicles: Vec::new(),
        price_providers: Vec::new(),
        gateways: Vec::new(),
        history: None,
        loggers: model::settings::LoggerSettings::default(),
        outbound: OutboundSettings { allow: Vec::new() },
        mail: None,
        given: Given::default(),
        sites: (0..plants).map(site).collect(),
    }
}
