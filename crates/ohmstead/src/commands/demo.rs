//! `ohmstead demo`: a simulated site over real protocols on loopback, served by the same code as a real one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use dialects::goe::{DIALECT, Variant};
use engine::Directory;
use gate::{Access, By, Gate, Principal, Thing};
use links::authority::Authority;
use model::document::Document;
use model::id::DeviceId;
use model::money::{Currency, Micros, PerKwh};
use model::phases::Phases;
use model::secret::Secret;
use model::settings::{
    BackupSettings, ControlSettings, Given, GoeCharger, GoeSettings, OutboundSettings, PersonalData,
    Settings, TlsSettings,
};
use model::site::Site;
use model::tariff::{Band, Contract, Direction, PriceBook, Prices, Tariff};
use model::time::Millis;
use model::units::{MilliAmps, PerMille, WattHours};
use model::user::{Card, CardKind, Role, User};
use model::vehicle::{SocSource, Vehicle};
use serde_json::{Value, json};
use sim::demo;
use sim::world::World;
use store::{DeviceSeen, Series, Store, Typed};
use tokio::net::TcpListener;

use super::backfill::{self, Past, People};
use super::print;
use super::sim::open_world;
use crate::assemble::{House, Running};
use crate::{chosen, listen};

/// The demo's accounts are known; that is why it never listens beyond loopback.
const ADMIN: &str = "admin";
const ADMIN_PASSWORD: &str = "ohmstead-demo";

/// How the chargers appear to go-e clients.
const CHARGERS: [Charger; 5] = [
    Charger {
        evse: "left",
        serial: "000001",
        token: Some("myapitoken"),
        state: "live",
    },
    Charger {
        evse: "right",
        serial: "000002",
        token: None,
        state: "live",
    },
    Charger {
        evse: "offline",
        serial: "000003",
        token: None,
        state: "offline",
    },
    Charger {
        evse: "disabled",
        serial: "000004",
        token: None,
        state: "disabled",
    },
    Charger {
        evse: "silent",
        serial: "000005",
        token: None,
        state: "silent",
    },
];

/// Where TLS is when nobody else is there.
const SECURE_PORT: u16 = 8443;

struct Charger {
    evse: &'static str,
    serial: &'static str,
    token: Option<&'static str>,
    state: &'static str,
}

pub async fn run(address: SocketAddr, data: PathBuf, seed: u64) -> anyhow::Result<()> {
    if !address.ip().is_loopback() {
        bail!(
            "the demo has known passwords and listens on loopback only, not on {address}; use 127.0.0.1 or [::1]"
        );
    }
    let house = House::open(&data, None).await?;
    let listener = listen::bind(address).await?;
    let local = listener.local_addr().context("cannot tell the own address")?;

    let state = data.join("world.json");
    let started = house.clock.now();
    let is_new = !state.exists();
    let mut world = open_world(demo::home(seed), Some(&state))?;
    if is_new {
        let site = Arc::new(demo::home_site(world.settings(), &BTreeMap::new()));
        backfill::wake(&mut world, &site, ControlSettings::default(), started.wall);
        // Time begins anew with the real clock.
        world = World::restore(demo::home(seed), &world.save())?;
    }
    let counters = counters(&world);
    let world = Arc::new(Mutex::new(world));
    let devices = sim::listen::listen(world, house.clock.clone(), Some(state))
        .await
        .context("cannot open the ports of the virtual devices")?;
    let secure = bind_secure(local).await?;
    let secure_at = secure.local_addr().context("cannot tell the own address")?;
    let mut settings = settings(local, secure_at, seed, devices.addresses())?;
    chosen::settle(house.store.as_ref(), &mut settings).await?;
    let settings = Arc::new(settings);
    if !Authority::is_in(&data) {
        listen::issue(&data, &listen::own_names(Some(&settings)), listen::now())?;
    }
    fill_tariffs(house.store.as_ref(), &settings.sites[0]).await?;
    fill_vehicles(house.store.as_ref(), devices.cars()).await?;
    break_the_yard(&house, &settings.sites[1]).await?;
    let token = open_doors(&house.gate, &data).await?;

    settle_in(&house).await?;
    let past = past(&house, &settings, seed, counters, started.wall).await?;
    let (store, readiness) = (house.store.clone(), house.readiness.clone());
    let tls = (secure, listen::certificate(&settings, &data)?);
    let running = Running::start(house, settings.clone(), listener, Some(tls)).await?;
    let making = past.map(|past| {
        readiness.set_waiting_for(vec!["the past 30 days".to_owned()]);
        readiness.set_backfill_progress(0);
        let progress = readiness.clone();
        let epoch = running.epochs.get(&past.site.id).copied().unwrap_or_default();
        tokio::spawn(async move {
            let made = past
                .make(store, epoch, move |permille| {
                    progress.set_backfill_progress(permille)
                })
                .await;
            if let Err(error) = made {
                tracing::error!(error = format!("{error:#}"), "cannot make the past of the demo");
            }
            readiness.set_backfill_progress(1_000);
            readiness.set_waiting_for(Vec::new());
        })
    });

    let ticket = running.gate.sign_in_ticket(ADMIN)?;
    tell(&data, local, &token, &ticket, &settings, &running.gate).await?;
    listen::stop_signal().await?;
    if let Some(making) = making {
        making.abort();
    }
    let ended = running.stop().await;
    devices.shutdown().await;
    ended
}

/// The port for TLS: 8443 where that is free, else any.
async fn bind_secure(beside: SocketAddr) -> anyhow::Result<TcpListener> {
    let usual = SocketAddr::new(beside.ip(), SECURE_PORT);
    // Who asks for any port has other instances running.
    match TcpListener::bind(usual).await {
        Ok(listener) => Ok(listener),
        Err(_) => listen::bind(SocketAddr::new(beside.ip(), 0)).await,
    }
}

fn settings(
    listen: SocketAddr,
    secure: SocketAddr,
    seed: u64,
    addresses: &BTreeMap<DeviceId, SocketAddr>,
) -> anyhow::Result<Settings> {
    let chargers = CHARGERS
        .iter()
        .map(|charger| {
            Ok(GoeCharger {
                evse: charger.evse.parse()?,
                serial: charger.serial.to_owned(),
                enabled: charger.state != "disabled",
            })
        })
        .collect::<Result<_, model::id::IdError>>()?;
    Ok(Settings {
        listen,
        tls: TlsSettings {
            listen: Some(secure),
            ..TlsSettings::default()
        },
        host_names: Vec::new(),
        control: ControlSettings::default(),
        goe: GoeSettings {
            local_open: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            chargers,
            ..GoeSettings::default()
        },
        // The demo's directory is made anew at will.
        personal_data: PersonalData::default(),
        backup: BackupSettings {
            keep: 0,
            ..BackupSettings::default()
        },
        tariffs: Vec::new(),
        vehicles: Vec::new(),
        price_providers: Vec::new(),
        history: None,
        // The cars tell how full they are from here.
        outbound: OutboundSettings {
            allow: vec!["127.0.0.1".to_owned()],
        },
        mail: None,
        given: Given::default(),
        sites: vec![demo::home_site(&demo::home(seed), addresses), demo::yard_site()],
    })
}

/// What energy costs, unless somebody has changed it.
async fn fill_tariffs(store: &dyn Store, site: &Site) -> anyhow::Result<()> {
    let contract = |name: &str, from: &str, until: Option<&str>, prices: Prices| {
        anyhow::Ok(Contract {
            name: name.to_owned(),
            from: from.parse()?,
            until: until.map(str::parse).transpose()?,
            currency: Currency::EUR,
            vat: PerMille(200),
            monthly_fee: Micros(3_500_000),
            prices,
        })
    };
    let night = Band {
        weekdays: Vec::new(),
        months: Vec::new(),
        from_minute: 22 * 60,
        to_minute: 6 * 60,
        price: PerKwh(168_000),
    };
    let by_time = Prices::TimeOfUse {
        bands: vec![night],
        otherwise: PerKwh(241_000),
    };
    let flat = |price| Prices::Fixed { price: PerKwh(price) };
    let mut fed_in = contract("Green power", "2025-01-01", None, flat(78_000))?;
    (fed_in.vat, fed_in.monthly_fee) = (PerMille(0), Micros(0));
    let tariff = |id: &str, name: &str, direction, contracts| {
        anyhow::Ok(Tariff {
            id: id.parse()?,
            name: name.to_owned(),
            direction,
            site: Some(site.id.clone()),
            contracts,
        })
    };
    if store.list::<Tariff>().await?.is_empty() {
        let contracts = vec![
            contract("Flat 2025", "2025-01-01", Some("2025-12-31"), flat(228_000))?,
            contract("Day and night 2026", "2026-01-01", None, by_time)?,
        ];
        let household = tariff("household", "Household", Direction::Import, contracts)?;
        store.put(&household).await?;
        let feed_in = tariff("feed-in", "Feed-in", Direction::Export, vec![fed_in])?;
        store.put(&feed_in).await?;
    }
    Ok(())
}

/// Which cars there are, unless somebody has changed them. They tell how full they are themselves, each time
/// from another port.
async fn fill_vehicles(store: &dyn Store, cars: SocketAddr) -> anyhow::Result<()> {
    let place = |evse: &str| format!("/vehicles/{evse}");
    let source = |evse: &str| SocSource::Http {
        url: format!("http://{cars}{}", place(evse)),
        path: "battery.soc".to_owned(),
        every_s: 60,
        header: None,
    };
    let known = store.list::<Vehicle>().await?;
    for (id, name, capacity, home) in [
        ("blue-car", "Blue car", 77_000, "left"),
        ("red-car", "Red car", 64_000, "right"),
    ] {
        if known.is_empty() {
            let vehicle = Vehicle {
                id: id.parse()?,
                name: name.to_owned(),
                capacity: Some(WattHours(capacity)),
                phases: Phases::Three,
                min: MilliAmps::from_amps(6),
                max: None,
                efficiency: PerMille(900),
                charge_limit: None,
                default_mode: None,
                owner: None,
                home: Some(home.parse()?),
                soc_source: source(home),
            };
            store.put(&vehicle).await?;
        }
        for vehicle in &known {
            let SocSource::Http { url, .. } = &vehicle.soc_source else {
                continue;
            };
            if url.starts_with("http://127.0.0.1:") && url.ends_with(&place(home)) {
                let moved = Vehicle {
                    soc_source: source(home),
                    ..vehicle.clone()
                };
                store.put(&moved).await?;
            }
        }
    }
    Ok(())
}

/// Makes what is broken on purpose: one charger whose link was lost two days ago, one that was switched
/// off, one that was last heard from two hours ago.
async fn break_the_yard(house: &House, yard: &Site) -> anyhow::Result<()> {
    let now = house.clock.now();
    for (station, evse) in yard.evses() {
        let age = match evse.id.as_str() {
            "offline" => Millis(48 * 3_600_000),
            _ => Millis(2 * 3_600_000),
        };
        let serial = CHARGERS
            .iter()
            .find(|c| c.evse == evse.id.as_str())
            .map_or("", |c| c.serial);
        let at = now.wall - age;
        let mut document = Variant::V4.document();
        document.insert("sse".to_owned(), json!(serial));
        let document = Document {
            dialect: dialects::goe::DIALECT.name.to_owned(),
            at: model::time::Now {
                wall: at,
                monotonic: now.monotonic - age,
            },
            json: serde_json::to_string(&document)?.into(),
        };
        let seen = DeviceSeen {
            at,
            identity: Some(format!("go-e go-eCharger_V4 22 kW, serial {serial}")),
        };
        house.store.put_document(&yard.id, &station.id, &document).await?;
        house.store.put_device(&yard.id, &station.id, seen).await?;
    }
    Ok(())
}

/// Those who charge at the demo, each with a card. What somebody changed stays.
async fn settle_in(house: &House) -> anyhow::Result<()> {
    let gate = &house.gate;
    let console = Principal::console();
    let by = By::new(&console, "demo");
    for (user, name, card, number) in [
        ("resident-1", "Resident 1", "white-card", "04A1B2C3"),
        ("resident-2", "Resident 2", "blue-card", "04D4E5F6"),
        ("guest", "Guest", "guest-card", "0411223344"),
    ] {
        let user = User {
            display: true,
            ..User::new(user.parse()?, name, Role::User)
        };
        if gate.user(&user.id).is_none() {
            gate.create_user(&by, user.clone()).await?;
        }
        if gate.card(&user.id, card).is_some() {
            continue;
        }
        let card = Card {
            id: card.parse()?,
            user: user.id.clone(),
            kind: CardKind::Rfid,
            name: format!("Card of {name}"),
            enabled: true,
            valid_until: None,
            budget: None,
            phases: None,
            tariff: None,
            vehicle: None,
            rules: Vec::new(),
        };
        gate.create_card(&by, card, number).await?;
    }
    Ok(())
}

/// Cards are used at `right`; `left` is plug and go.
async fn people(store: &dyn Store, site: &Site) -> anyhow::Result<People> {
    let users: Vec<User> = store.list().await?;
    let cards: Vec<Card> = store.list().await?;
    let vehicles: Vec<Vehicle> = store.list().await?;
    Ok(People {
        evse: "right".parse()?,
        directory: Directory {
            users: users.into_iter().map(|user| (user.id.clone(), user)).collect(),
            cards: cards.into_iter().map(|card| (card.id.clone(), card)).collect(),
            vehicles: vehicles.into_iter().map(|car| (car.id.clone(), car)).collect(),
            soc: BTreeMap::new(),
        },
        looks_after: ADMIN.parse()?,
        prices: Arc::new(PriceBook::of_zone(&site.time_zone, store.list().await?)),
    })
}

/// Known accounts and tokens. Returns the token of the native API, which stays the same over restarts.
async fn open_doors(gate: &Gate, data: &Path) -> anyhow::Result<String> {
    gate.create_admin(ADMIN, ADMIN_PASSWORD).await?;
    for charger in &CHARGERS {
        let access = Access::new(DIALECT, charger.serial, Thing::Evse(charger.evse.parse()?));
        let token = charger.token.map(Secret::new);
        gate.settle_credential(&access, token.as_ref()).await?;
    }
    let before = std::fs::read_to_string(data.join("demo.json")).ok();
    let before = before.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    match before.as_ref().and_then(|json| json["native"]["token"].as_str()) {
        Some(token) => {
            gate.set_token("demo", Role::Admin, token).await?;
            Ok(token.to_owned())
        }
        None => Ok(gate.renew_token("demo", Role::Admin).await?),
    }
}

/// Counters of the live devices before they have done anything, by series.
fn counters(world: &World) -> BTreeMap<Series, i64> {
    let mut counters = BTreeMap::new();
    for (device, report) in world.reports() {
        if let model::message::Report::Measured(measured) = report {
            for (quantity, value) in measured.values().filter(|(quantity, _)| quantity.is_counter()) {
                counters.insert(
                    Series {
                        subject: format!("device:{device}"),
                        quantity,
                    },
                    value,
                );
            }
        }
    }
    counters
}

async fn past(
    house: &House,
    settings: &Settings,
    seed: u64,
    counters: BTreeMap<Series, i64>,
    until: model::time::Timestamp,
) -> anyhow::Result<Option<Past>> {
    let site = Arc::new(settings.sites[0].clone());
    if Past::is_there(&house.store, &site, until).await? {
        return Ok(None);
    }
    let world = World::new(demo::home(seed)).context("the demo's own settings are wrong")?;
    Ok(Some(Past {
        world,
        site,
        control: settings.control,
        until,
        counters,
        people: people(house.store.as_ref(), &settings.sites[0]).await?,
    }))
}

/// Prints where to look, and writes the same to `demo.json`.
async fn tell(
    data: &Path,
    local: SocketAddr,
    token: &str,
    ticket: &str,
    settings: &Settings,
    gate: &Gate,
) -> anyhow::Result<()> {
    let base = format!("http://{local}");
    let secure = settings.tls.listen.unwrap_or(local);
    let ca = data.join("ca.pem").display().to_string();
    let mut chargers = Vec::new();
    for charger in &CHARGERS {
        let token = gate.credential(&DIALECT, &Thing::Evse(charger.evse.parse()?))?;
        let token = token.as_ref().map_or("", Secret::expose);
        let mut entry = json!({"serial": charger.serial, "token": token, "state": charger.state});
        if charger.state == "live" {
            entry["local_url"] = json!(format!("{base}/goe/{}", charger.serial));
        }
        chargers.push(entry);
    }
    let document = json!({
        "base_url": base,
        "ports": [local.port(), secure.port()],
        "private_paths": ["/api/v1/sites", "/metrics"],
        "tls": {"url": format!("https://{secure}"), "ca_file": ca},
        "native": {
            "admin_user": ADMIN, "admin_password": ADMIN_PASSWORD, "token": token, "site_id": settings.sites[0].id.as_str(),
        },
        "goe": {"chargers": chargers, "local_v1": true},
    });
    write_private(&data.join("demo.json"), &serde_json::to_string_pretty(&document)?)?;

    let goe_token = |serial: &str| {
        chargers
            .iter()
            .find(|c| c["serial"] == serial)
            .and_then(|c| c["token"].as_str())
            .unwrap_or("")
            .to_owned()
    };
    let rows = [
        ("page", format!("{base}/")),
        ("sign in, once", format!("{base}/#ticket={ticket}")),
        ("user", format!("{ADMIN}, password {ADMIN_PASSWORD}")),
        ("native API", format!("{base}/api/v1/sites")),
        ("", format!("Authorization: Bearer {token}")),
        ("description", format!("{base}/api/v1/openapi.json")),
        (
            "go-e cloud",
            format!("{base}/api/status?token={}", goe_token("000001")),
        ),
        ("", format!("{base}/api/status?token={}", goe_token("000002"))),
        ("go-e local", format!("{base}/goe/000001/api/status")),
        ("over TLS", format!("https://{secure}, trust {ca}")),
        ("cFos", format!("{base}/cnf?cmd=get_dev_info")),
        ("metrics", format!("{base}/metrics")),
        ("all of it", data.join("demo.json").display().to_string()),
    ];
    print("\nOhmstead demo: a simulated home over real protocols on loopback. Ctrl-C ends it.\n");
    for (what, value) in rows {
        print(&format!("  {what:<14} {value}"));
    }
    print("");
    Ok(())
}

/// Writes a file that only its owner may read, all or nothing.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let draft = path.with_extension("json.new");
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&draft, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}
