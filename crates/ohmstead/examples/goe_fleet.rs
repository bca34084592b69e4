//! What ten thousand go-e chargers cost: `goe_fleet chargers` and `goe_fleet links`, each with a count.
//!
//! `chargers`: each is updated once a second through the decoder of its WebSocket, the bus and the engine of its
//! site, without sockets. `links`: each has an idle WebSocket and says something every ten seconds after it has told
//! what it is; the other end is a process of its own (`goe_fleet serve`). Prints one line of JSON.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a figure that cannot be taken ends the run"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, InProcess, Received, Subscription, Topic};
use dialects::goe::client::websocket::{Client, WebSocketSettings};
use dialects::goe::ws::{FromCharger, Hello};
use dialects::goe::{Common, Variant};
use dialects::{Client as _, Incoming};
use engine::{Core, Restored};
use model::device::{AuthorisationMode, ChargeMode, Device, DeviceKind, Evse, GoeWay, LinkSettings};
use model::id::{CircuitId, DeviceId, EvseId, SiteId};
use model::message::{Message, Reported};
use model::phases::{PerPhase, PhaseRotation, PhaseSet};
use model::setpoint::ChargeCurrent;
use model::settings::ControlSettings;
use model::site::{Circuit, Keeper, Site};
use model::time::{Clock, Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

const A_SITE: usize = 100;
const MEASURED_S: i64 = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = arguments
        .get(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(10_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match arguments.first().map(String::as_str) {
        Some("chargers") => runtime.block_on(chargers(count)),
        Some("links") => runtime.block_on(links(count)),
        Some("serve") => runtime.block_on(serve(count)),
        _ => println!("goe_fleet chargers|links [COUNT]"),
    }
}

fn at(ms: i64) -> Now {
    Now {
        wall: Timestamp(1_800_000_000_000 + ms),
        monotonic: Monotonic(ms),
    }
}

/// Kilobytes of this process, and the seconds of processor it has used.
fn cost() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = [11, 12]
        .iter()
        .map(|at| fields[*at].parse::<f64>().unwrap())
        .sum();
    (kilobytes, ticks / 100.0)
}

fn evse(id: &str) -> Evse {
    Evse {
        id: EvseId::new(id).unwrap(),
        name: id.to_owned(),
        terminals: PhaseSet::ALL,
        rotation: PhaseRotation::default(),
        min: MilliAmps(6_000),
        max: MilliAmps(16_000),
        step: MilliAmps(1_000),
        phase_switching: true,
        class: 1,
        weight: 1,
        fallback: ChargeCurrent::at_most(MilliAmps(6_000)),
        default_mode: ChargeMode::Fast,
        authorisation: AuthorisationMode::None,
        habits: model::habits::Habits::default(),
        dimmable: true,
        before_battery: false,
    }
}

fn site(id: &str, stations: usize, url: &str) -> Site {
    let device = |number: usize| {
        let id = format!("{id}-{number}");
        let way = GoeWay::WebSocket {
            url: url.to_owned(),
            password_file: None,
        };
        Device {
            id: DeviceId::new(&id).unwrap(),
            name: id.clone(),
            kind: DeviceKind::ChargingStation {
                evses: vec![evse(&id)],
            },
            circuit: CircuitId::new("house").unwrap(),
            enabled: true,
            period: Millis(1_000),
            link: LinkSettings::Goe(way.into()),
        }
    };
    Site {
        id: SiteId::new(id).unwrap(),
        name: id.to_owned(),
        keeper: Keeper::Ours,
        time_zone: "UTC".to_owned(),
        position: None,
        nominal_voltage: MilliVolts(230_000),
        grid: model::grid::GridRules::default(),
        circuits: vec![Circuit {
            id: CircuitId::new("house").unwrap(),
            name: "House".to_owned(),
            parent: None,
            limit: PerPhase::all(MilliAmps(6_000_000)),
            power_limit: None,
            reserve: MilliAmps(0),
            credit: MilliAmps(0),
            meter: None,
        }],
        devices: (0..stations).map(device).collect(),
    }
}

/// Everything there is of a charger, as it says it first.
fn whole() -> Map<String, Value> {
    let mut document = Variant::V4.document();
    for (key, value) in delta(0) {
        document.insert(key, value);
    }
    document
}

/// What changes in a second of charging.
fn delta(second: i64) -> Map<String, Value> {
    let wave = (second % 7) as f64 / 10.0;
    let changes = json!({
        "car": 2, "frc": 2, "alw": true, "rbt": second * 1_000, "rssi": -60 - second % 5, "fhz": 49.98 + wave / 100.0,
        "utc": format!("2027-01-15T08:{:02}:{:02}.123", second / 60 % 60, second % 60),
        "loc": format!("2027-01-15T09:{:02}:{:02}.123 +01:00", second / 60 % 60, second % 60),
        "wh": 1_000.5 + second as f64 * 3.07, "eto": 527_952 + second * 3,
        "nrg": [230.1 + wave, 230.2, 231.0, 0, 16.0, 15.9 + wave, 16.0, 3_680.0, 3_679.5 + wave, 3_690.0, 0,
            11_049.5 + wave, 99.9, 99.9, 99.9, 0],
    });
    changes.as_object().unwrap().clone()
}

fn hello() -> String {
    FromCharger::Hello(Hello {
        serial: "000001".to_owned(),
        ..Hello::default()
    })
    .encode()
}

fn full_status() -> String {
    FromCharger::FullStatus {
        partial: false,
        status: whole(),
    }
    .encode()
}

fn changed(second: i64) -> String {
    FromCharger::DeltaStatus {
        status: delta(second),
    }
    .encode()
}

/// One site: its engine, what it hears, and its clients.
struct Fleet {
    site: SiteId,
    core: Core,
    reports: Box<dyn Subscription>,
    clients: Vec<(DeviceId, Client)>,
}

impl Fleet {
    /// Feeds every client and brings what they report to the engine.
    async fn feed(&mut self, bus: &dyn Bus, incoming: &Incoming, now: Now) {
        for (device, client) in &mut self.clients {
            client.handle_incoming(incoming.clone(), now).unwrap();
            let mut published = 0;
            while let Some(dialects::Event::Report { report, .. }) = client.poll_event() {
                published += 1;
                let reported = Reported {
                    site: self.site.clone(),
                    device: device.clone(),
                    at: now,
                    report,
                };
                bus.publish(Message::Reported(reported)).await;
            }
            while client.poll_outgoing().is_some() {}
            for _ in 0..published {
                let Some(Received::Message(Message::Reported(reported))) = self.reports.next().await else {
                    panic!("a report is lost");
                };
                self.core.handle_report(&reported);
            }
        }
        self.core.handle_timeout(now);
        while self.core.poll_record().is_some() {}
        while self.core.poll_setpoint().is_some() {}
    }
}

async fn chargers(count: usize) {
    let (before, _) = cost();
    let bus = InProcess::new();
    let mut fleets = Vec::new();
    for number in 0..count.div_ceil(A_SITE) {
        let site = site(
            &format!("s{number}"),
            A_SITE.min(count - number * A_SITE),
            "ws://127.0.0.1/ws",
        );
        let clients = site.devices.iter().map(|device| {
            let common = Common::new(device.evses()[0].id.clone(), device.period);
            (
                device.id.clone(),
                Client::new(common, WebSocketSettings::default()),
            )
        });
        fleets.push(Fleet {
            site: site.id.clone(),
            clients: clients.collect(),
            reports: bus.subscribe(Topic::Reports(site.id.clone())).await,
            core: Core::new(
                Arc::new(site),
                ControlSettings::default(),
                1,
                Restored::default(),
                Millis(1_000),
                at(0),
            ),
        });
    }
    let first = [hello(), full_status()];
    for fleet in &mut fleets {
        for (_, client) in &mut fleet.clients {
            client.handle_timeout(at(0));
        }
        fleet.feed(&*bus, &Incoming::Opened, at(0)).await;
        for frame in &first {
            fleet
                .feed(&*bus, &Incoming::Message(frame.clone().into_bytes()), at(0))
                .await;
        }
    }
    // The first seconds fill what is filled once.
    let mut used = 0.0;
    let mut wall = Duration::ZERO;
    for second in 1..=10 + MEASURED_S {
        let started = tokio::time::Instant::now();
        let (_, cpu) = cost();
        let frame = Incoming::Message(changed(second).into_bytes());
        for fleet in &mut fleets {
            fleet.feed(&*bus, &frame, at(second * 1_000)).await;
        }
        if second > 10 {
            used += cost().1 - cpu;
            wall += started.elapsed();
        }
    }
    let document_kb = serde_json::to_string(&whole()).unwrap().len() as f64 / 1_024.0;
    let each_kb = (cost().0 - before) / count as f64;
    let figure = json!({
        "chargers": count,
        "cores": round(used / MEASURED_S as f64),
        "kb_each": round(each_kb - document_kb),
        "document_kb": round(document_kb),
        "behind": wall > Duration::from_secs(MEASURED_S.unsigned_abs()),
    });
    println!("{figure}");
}

fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

struct RealClock(tokio::time::Instant);

impl Clock for RealClock {
    fn now(&self) -> Now {
        at(i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

/// The other end, in a process of its own that ends with its pipe.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn links(count: usize) {
    let program = std::env::current_exe().unwrap();
    let server = Command::new(program)
        .args(["serve", &count.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Server(server);
    let mut address = String::new();
    BufReader::new(server.0.stdout.as_mut().unwrap())
        .read_line(&mut address)
        .unwrap();
    let site = site("s", count, &format!("ws://{}/ws", address.trim()));
    let bus: Arc<dyn Bus> = InProcess::new();
    let clock = Arc::new(RealClock(tokio::time::Instant::now()));
    let (before, _) = cost();
    let links =
        south::Supervisor::start(&[site], &[], Arc::clone(&bus), clock, CancellationToken::new()).await;
    let online = || {
        let health = links.health();
        health
            .iter()
            .flat_map(|health| &health.devices)
            .filter(|device| device.link == model::device::LinkState::Online)
            .count()
    };
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if online() == count {
            break;
        }
    }
    // What was needed to begin is given back, and each has said something since.
    tokio::time::sleep(Duration::from_secs(25)).await;
    let document_kb = serde_json::to_string(&whole()).unwrap().len() as f64 / 1_024.0;
    let figure = json!({
        "links": count,
        "online": online(),
        "kb_each": round((cost().0 - before) / count as f64 - document_kb),
        "document_kb": round(document_kb),
    });
    println!("{figure}");
    links.stop().await;
}

async fn serve(count: usize) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let limits = links::ServerLimits {
        connections: count + 10,
        ..links::ServerLimits::default()
    };
    let handler = |_: axum::http::Request<Vec<u8>>| async { None };
    let socket = |mut socket: links::websocket::Socket| async move {
        let mut frames = vec![hello(), full_status()];
        for second in 1.. {
            for frame in frames.drain(..) {
                if socket.send(frame).await.is_err() {
                    return;
                }
            }
            // As often as a charger at first, then hardly ever.
            let pause_s = if second <= 12 { 1 } else { 10 };
            tokio::time::sleep(Duration::from_secs(pause_s)).await;
            frames.push(changed(second * 10));
        }
    };
    links::websocket::serve(listener, limits, CancellationToken::new(), "/ws", handler, socket).await;
}
