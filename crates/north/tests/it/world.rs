//! Two small sites, somebody who answers intents, and short ways to ask.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use bus::in_process::InProcess;
use bus::{Asked, Bus};
use dialects::goe::DIALECT;
use gate::{Access, Gate, InstallationKey, Thing};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use model::control::{Choice, Control, Controls, Order, Range};
use model::device::{
    AuthorisationMode, ChargeMode, Device, DeviceKind, Evse, Force, LinkSettings, LinkState, MeterRole, Wish,
};
use model::document::Document;
use model::id::{CircuitId, DeviceId, EvseId, SiteId};
use model::intent::{Intent, Receipt, Rejection, Wanted};
use model::message::{Answer as IntentAnswer, Message, Report, Reported};
use model::phases::{PerPhase, PhaseRotation, PhaseSet};
use model::question::{Change, Finding, Help, Question};
use model::reading::{EvseStatus, Measured, PilotState};
use model::reason::{Cause, Reason};
use model::secret::Secret;
use model::setpoint::ChargeCurrent;
use model::settings::{
    ControlSettings, Given, GoeCharger, GoeSettings, OutboundSettings, Settings, TlsSettings,
};
use model::site::{Circuit, Keeper, Site};
use model::time::{Clock, Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts, WattHours, Watts};
use model::user::Role;
use model::vendor::Keys;
use model::view::{CircuitView, CycleView, DeviceView, EvseView, Flow, Overdraft, SiteView};
use north::{Readiness, State};
use serde_json::Value;
use store::Sqlite;
use tower::ServiceExt;

pub const BEGIN: Now = Now {
    wall: Timestamp(1_763_769_600_000),
    monotonic: Monotonic(1_000_000),
};
pub const TOKEN: &str = "a-bearer-token-of-the-owner";
pub const VIEWER: &str = "a-bearer-token-of-a-viewer";
pub const PASSWORD: &str = "correct horse battery";
pub const HOST: &str = "127.0.0.1:8080";
pub const HOUR: i64 = 3_600_000;

/// A clock that stands until somebody moves it.
pub struct SteppedClock(Mutex<Now>);

impl SteppedClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(BEGIN)))
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}

pub struct World {
    pub app: Router,
    pub state: State,
    pub bus: Arc<InProcess>,
    pub store: Arc<Sqlite>,
    pub clock: Arc<SteppedClock>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and error code, for tables.
    pub fn error(&self) -> (u16, String) {
        let json = self.json();
        (
            self.status.as_u16(),
            json["error"]["code"].as_str().unwrap_or_default().to_owned(),
        )
    }
}

impl World {
    /// Home runs, Yard has a view of devices that do not answer.
    pub async fn new() -> Self {
        let world = Self::before_the_first_cycle().await;
        for site in &world.state.settings.sites {
            world.show(view_of(site)).await;
        }
        world.answer_intents().await;
        world
    }

    pub async fn before_the_first_cycle() -> Self {
        Self::on(Sqlite::in_memory().unwrap(), SteppedClock::new()).await
    }

    /// As a process that has just started on a store. Nothing has been shown yet.
    pub async fn on(store: Arc<Sqlite>, clock: Arc<SteppedClock>) -> Self {
        let bus = InProcess::new();
        let key = InstallationKey::from_bytes([7; 32]);
        let gate = Gate::open(store.clone(), key, clock.clone()).await.unwrap();
        gate.set_token("owner", Role::Admin, TOKEN).await.unwrap();
        gate.set_token("viewer", Role::Viewer, VIEWER).await.unwrap();
        for (evse, serial, token) in CHARGERS {
            let access = Access::new(DIALECT, serial, charger(evse));
            gate.settle_credential(&access, Some(&Secret::new(token)))
                .await
                .unwrap();
        }
        show_kept_documents(&bus).await;
        let readiness = Arc::new(Readiness::default());
        let settings = Arc::new(settings());
        let state = State::new(
            bus.clone(),
            store.clone(),
            gate,
            clock.clone(),
            settings,
            readiness,
        );
        let app = north::router(state.clone())
            .layer(MockConnectInfo("127.0.0.1:50000".parse::<SocketAddr>().unwrap()));
        Self {
            app,
            state,
            bus,
            store,
            clock,
        }
    }

    /// Starts the doors again with other settings.
    pub fn use_settings(&mut self, settings: Settings) {
        self.state.settings = settings.into();
        self.app = north::router(self.state.clone())
            .layer(MockConnectInfo("127.0.0.1:50000".parse::<SocketAddr>().unwrap()));
    }

    pub fn step(&self, ms: i64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.after(Millis(ms));
    }

    pub async fn show(&self, view: SiteView) {
        self.bus.publish(Message::View(Arc::new(view))).await;
    }

    pub async fn view(&self, site: &str) -> SiteView {
        self.bus
            .latest_view(&site_id(site))
            .await
            .unwrap()
            .as_ref()
            .clone()
    }

    pub async fn change(&self, site: &str, change: impl FnOnce(&mut SiteView)) {
        let mut view = self.view(site).await;
        view.at = self.clock.now();
        change(&mut view);
        self.show(view).await;
    }

    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    /// GET as the owner.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(request("GET", path, &[("authorization", &bearer(TOKEN))], ""))
            .await
    }

    /// GET as nobody.
    pub async fn open(&self, path: &str) -> Answer {
        self.ask(request("GET", path, &[], "")).await
    }

    /// JSON as whoever holds the token.
    pub async fn call(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        let headers = [
            ("authorization", &*bearer(token)),
            ("content-type", "application/json"),
        ];
        self.ask(request(method, path, &headers, body)).await
    }

    /// PUT of JSON as the owner.
    pub async fn put(&self, path: &str, body: &str) -> Answer {
        self.call(TOKEN, "PUT", path, body).await
    }

    /// DELETE as the owner.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(TOKEN, "DELETE", path, "").await
    }

    /// POST of JSON as the owner.
    pub async fn post(&self, path: &str, body: &str) -> Answer {
        let headers = [
            ("authorization", bearer(TOKEN)),
            ("content-type", "application/json".to_owned()),
        ];
        self.ask(request(
            "POST",
            path,
            &headers.each_ref().map(|(name, value)| (*name, value.as_str())),
            body,
        ))
        .await
    }

    /// Answers intents of Home as an engine would, with the wish in the view before the answer is out.
    async fn answer_intents(&self) {
        let mut desk = self.bus.open_desk(&site_id("home")).await;
        let bus = self.bus.clone();
        tokio::spawn(async move {
            while let Some(asked) = desk.next().await {
                match asked {
                    Asked::Intent(intent, reply) => {
                        let _ = reply.0.send(answer(&bus, intent).await);
                    }
                    Asked::Question(Question::WhatHelps { evse }, reply) => {
                        let _ = reply.0.send(helps(&evse));
                    }
                }
            }
        });
    }
}

/// What helps Left; nobody else is known.
fn helps(evse: &EvseId) -> Result<Finding, Rejection> {
    if evse.as_str() != "left" {
        return Err(Rejection::Unknown {
            what: "evse".into(),
            id: evse.to_string(),
        });
    }
    let granted = ChargeCurrent::at_most(MilliAmps(6_000));
    let changes = [
        Change::MoreRoom {
            at: model::limit::LimitSource::Circuit {
                circuit: CircuitId::new("house").unwrap(),
                phase: Some(model::phases::Phase::L2),
            },
            by: MilliAmps(3_000),
        },
        Change::Without { holder: evse.clone() },
    ];
    let helps = changes.into_iter().map(|change| Help { change, granted });
    Ok(Finding::WhatHelps(helps.collect()))
}

async fn answer(bus: &InProcess, intent: Intent) -> IntentAnswer {
    let mut view = bus.latest_view(&intent.site).await.unwrap().as_ref().clone();
    let evse = match &intent.wanted {
        Wanted::Mode { evse, .. }
        | Wanted::Force { evse, .. }
        | Wanted::Current { evse, .. }
        | Wanted::Phases { evse, .. }
        | Wanted::EnergyLimit { evse, .. }
        | Wanted::PriceLimit { evse, .. }
        | Wanted::TemporaryCurrent { evse, .. }
        | Wanted::PushedReadings { evse, .. }
        | Wanted::Authorise { evse, .. }
        | Wanted::StopTransaction { evse } => evse.clone(),
        Wanted::Order { device, order } => {
            let said = obey(&mut view, device, order)?;
            bus.publish(Message::View(Arc::new(view))).await;
            return Ok(Receipt {
                at: BEGIN.wall,
                epoch: 1,
                wish: None,
                said,
            });
        }
        Wanted::VendorWrite { .. } | Wanted::AcknowledgeAlarm { .. } => {
            return Ok(Receipt {
                at: BEGIN.wall,
                epoch: 1,
                wish: None,
                said: Vec::new(),
            });
        }
    };
    let unknown = Rejection::Unknown {
        what: "evse".into(),
        id: evse.to_string(),
    };
    let view_of_evse = view
        .evses
        .iter_mut()
        .find(|known| known.id == evse)
        .ok_or(unknown)?;
    let wish = &mut view_of_evse.wish;
    match intent.wanted {
        Wanted::Mode { mode, .. } => (wish.mode, wish.force) = (mode, Force::Neutral),
        Wanted::Force { force, .. } => wish.force = force,
        Wanted::Current { current, .. } if current.0 < 6_000 || current > view_of_evse.max => {
            return Err(Rejection::OutOfRange {
                what: "current_ma".into(),
                given: current.0.to_string(),
                expected: "6000 to 16000".into(),
            });
        }
        Wanted::Current { current, .. } => wish.current = current,
        Wanted::Phases { .. } => {
            return Err(Rejection::NotSupported {
                what: "phase switching".into(),
            });
        }
        Wanted::EnergyLimit { limit, .. } => wish.energy_limit = limit,
        Wanted::PriceLimit { limit, .. } => wish.price_limit = limit,
        Wanted::TemporaryCurrent { .. }
        | Wanted::PushedReadings { .. }
        | Wanted::Authorise { .. }
        | Wanted::StopTransaction { .. }
        | Wanted::VendorWrite { .. }
        | Wanted::Order { .. }
        | Wanted::AcknowledgeAlarm { .. } => {}
    }
    let receipt = Receipt {
        at: BEGIN.wall,
        epoch: 1,
        wish: Some(*wish),
        said: Vec::new(),
    };
    bus.publish(Message::View(Arc::new(view))).await;
    Ok(receipt)
}

/// As a device does that offers controls, and says no to what it shows as "never".
fn obey(view: &mut SiteView, device: &DeviceId, order: &Order) -> Result<Vec<u8>, Rejection> {
    let Order::Set { control, value } = order else {
        return Ok(b"(B".to_vec());
    };
    let device = view.devices.iter_mut().find(|known| known.id == *device).unwrap();
    let mut list = device.controls.list.to_vec();
    let known = list.iter_mut().find(|known| known.id == *control).unwrap();
    if value == "0" {
        return Err(Rejection::Device {
            said: "it says no to POP00".to_owned(),
        });
    }
    known.value = Some(value.clone());
    device.controls.list = list.into();
    Ok(b"(ACK9 \r".to_vec())
}

/// Lets the device at the roof offer something.
pub async fn offer_controls(world: &World) {
    let choice = |key: &str, label: &str| Choice {
        key: key.to_owned(),
        label: label.to_owned(),
    };
    let control = |id: &str, unit: &str, value: &str, range| Control {
        id: id.to_owned(),
        title: id.to_owned(),
        unit: unit.to_owned(),
        range,
        value: Some(value.to_owned()),
    };
    let choices = vec![choice("0", "Utility first"), choice("2", "SBU first")];
    let number = Range::Number {
        least: 100,
        most: 1_200,
        step: 5,
        decimals: 1,
    };
    let list = vec![
        control("output_source_priority", "", "0", Range::Choices { choices }),
        control("max_charging_current", "A", "60", number),
    ];
    let controls = Controls {
        list: list.into(),
        takes_questions: true,
    };
    world
        .change("home", move |view| view.devices[1].controls = controls.clone())
        .await;
}

pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A request to [`HOST`], unless the headers name another.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        builder = builder.header("host", HOST);
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    if !body.is_empty() {
        builder = builder.header("content-length", body.len());
    }
    builder.body(Body::from(body.to_owned())).unwrap()
}

pub const CHARGERS: [(&str, &str, &str); 4] = [
    ("left", "000001", "myapitoken"),
    ("lost", "000003", "token-of-the-lost-one"),
    ("barred", "000004", "token-of-the-barred-one"),
    ("quiet", "000005", "token-of-the-quiet-one"),
];

/// How long ago each charger of Yard said something.
const SILENCE: [(&str, i64); 3] = [("lost", 25 * HOUR), ("barred", 0), ("quiet", 2 * HOUR)];

/// As the engine of Yard does when it starts.
async fn show_kept_documents(bus: &InProcess) {
    for (evse, ago) in SILENCE {
        let at = Now {
            wall: BEGIN.wall - Millis(ago),
            monotonic: Monotonic(0),
        };
        let reported = Reported {
            site: site_id("yard"),
            device: device_id(evse),
            at,
            report: Report::Document(document(at)),
        };
        bus.publish(Message::Reported(reported)).await;
    }
}

pub fn document(at: Now) -> Document {
    let json = r#"{"car":2,"amp":16,"eto":1234567,"fna":"go-e","typ":"go-eCharger","var":11,"fwv":"59.4","alw":true,
        "nrg":[230,231,232,1,10,0,0,2300,0,0,0,2300,100,0,0,0],"cak":"the real one","ocppck":"secret"}"#;
    Document {
        dialect: "goe".into(),
        at,
        json: json.into(),
    }
}

pub fn site_id(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
}

pub fn device_id(id: &str) -> DeviceId {
    DeviceId::new(id).unwrap()
}

/// An EVSE, as the gate knows it.
pub fn charger(id: &str) -> Thing {
    Thing::Evse(evse_id(id))
}

pub fn evse_id(id: &str) -> EvseId {
    EvseId::new(id).unwrap()
}

fn settings() -> Settings {
    let chargers = CHARGERS.map(|(evse, serial, _)| GoeCharger {
        evse: evse_id(evse),
        serial: serial.into(),
        enabled: evse != "barred",
    });
    let station = |id: &str, evse: &str| {
        device(
            id,
            DeviceKind::ChargingStation {
                evses: vec![evse_settings(evse)],
            },
        )
    };
    let home = vec![
        device(
            "grid",
            DeviceKind::Meter {
                role: MeterRole::Grid,
            },
        ),
        device(
            "pv",
            DeviceKind::Inverter {
                rated_power: None,
                panels: Vec::new(),
            },
        ),
        station("left-station", "left"),
    ];
    let yard = ["lost", "barred", "quiet"].map(|id| station(id, id));
    Settings {
        tls: TlsSettings::default(),
        listen: HOST.parse().unwrap(),
        host_names: vec!["ohmstead.example".into()],
        control: ControlSettings::default(),
        goe: GoeSettings {
            local_open: vec!["127.0.0.0/8".into()],
            chargers: chargers.into(),
            ..GoeSettings::default()
        },
        shinemonitor: model::settings::ShinemonitorSettings::default(),
        supervision: model::settings::SupervisionSettings::default(),
        backup: model::settings::BackupSettings::default(),
        personal_data: model::settings::PersonalData::default(),
        tariffs: Vec::new(),
        vehicles: Vec::new(),
        price_providers: Vec::new(),
        gateways: Vec::new(),
        loggers: model::settings::LoggerSettings::default(),
        history: None,
        outbound: OutboundSettings {
            allow: vec!["127.0.0.0/8".into()],
        },
        mail: None,
        given: Given::default(),
        sites: vec![site("home", home), site("yard", yard.into())],
    }
}

fn site(id: &str, devices: Vec<Device>) -> Site {
    Site {
        id: site_id(id),
        name: id.to_uppercase(),
        keeper: Keeper::Ours,
        time_zone: "Europe/Vienna".into(),
        position: None,
        nominal_voltage: MilliVolts(230_000),
        grid: model::grid::GridRules::default(),
        circuits: vec![Circuit {
            id: CircuitId::new("house").unwrap(),
            name: "House".into(),
            parent: None,
            limit: PerPhase::all(MilliAmps(35_000)),
            power_limit: None,
            reserve: MilliAmps::ZERO,
            credit: MilliAmps::ZERO,
            meter: None,
        }],
        devices,
    }
}

fn device(id: &str, kind: DeviceKind) -> Device {
    Device {
        id: device_id(id),
        name: id.into(),
        kind,
        circuit: CircuitId::new("house").unwrap(),
        enabled: true,
        period: Millis(1_000),
        link: LinkSettings::None,
    }
}

fn evse_settings(id: &str) -> Evse {
    Evse {
        id: evse_id(id),
        name: id.into(),
        terminals: PhaseSet::ALL,
        rotation: PhaseRotation::R123,
        min: MilliAmps(6_000),
        max: MilliAmps(16_000),
        step: MilliAmps(1_000),
        phase_switching: false,
        class: 0,
        weight: 1,
        fallback: ChargeCurrent::PAUSED,
        default_mode: ChargeMode::Fast,
        authorisation: AuthorisationMode::None,
        habits: model::habits::Habits::default(),
        dimmable: true,
        before_battery: false,
    }
}

/// Home as if it had run for a while; of Yard nothing is heard, except that the barred charger is fine.
fn view_of(site: &Site) -> SiteView {
    let silence = |id: &str| {
        SILENCE
            .iter()
            .find(|(known, _)| *known == id)
            .map_or(0, |(_, ago)| *ago)
    };
    let devices = site.devices.iter().map(|device| {
        let ago = silence(device.id.as_str());
        DeviceView {
            id: device.id.clone(),
            name: device.name.clone(),
            kind: device.kind.name().into(),
            role: if let DeviceKind::Meter { role } = device.kind {
                Some(role)
            } else {
                None
            },
            circuit: device.circuit.clone(),
            enabled: true,
            link: if ago == 0 {
                LinkState::Online
            } else {
                LinkState::Offline {
                    problem: "connection refused".into(),
                }
            },
            last_seen: Some(BEGIN.wall - Millis(ago)),
            is_fresh: ago == 0,
            measured: Measured {
                power: Some(Watts(2_300)),
                current: Some(PerPhase::new(MilliAmps(10_000), MilliAmps::ZERO, MilliAmps::ZERO)),
                energy_in: Some(WattHours(1_234_567)),
                ..Measured::default()
            },
            identity: Some("maker,model".into()),
            controls: Default::default(),
        }
    });
    let evses = site.evses().map(|(station, evse)| EvseView {
        id: evse.id.clone(),
        name: evse.name.clone(),
        station: station.id.clone(),
        circuit: station.circuit.clone(),
        terminals: evse.terminals,
        rotation: evse.rotation,
        min: evse.min,
        max: evse.max,
        phase_switching: evse.phase_switching,
        wish: Wish::default_of(evse),
        status: EvseStatus {
            pilot: PilotState::C,
            terminals: PhaseSet::L1,
            ..EvseStatus::default()
        },
        current: PerPhase::new(MilliAmps(10_000), MilliAmps::ZERO, MilliAmps::ZERO),
        power: Watts(2_300),
        setpoint: ChargeCurrent::at_most(MilliAmps(10_000)),
        phases: None,
        granted: ChargeCurrent::at_most(MilliAmps(10_000)),
        reason: Reason {
            cause: Cause::NoSurplus {
                available: Watts(900),
                needed: Watts(1_380),
            },
            since: BEGIN.wall,
        },
        plugged_since: Some(BEGIN.wall),
        authorisation: AuthorisationMode::None,
        session: None,
        cards: [].into(),
        cap: None,
        price_allows: None,
        pushed: None,
        foreign: None,
        keys: Keys::new(),
        dialect: Some("goe".to_owned()),
    });
    SiteView {
        id: site.id.clone(),
        name: site.name.clone(),
        time_zone: site.time_zone.clone(),
        epoch: 1,
        at: BEGIN,
        flow: Flow {
            grid: Some(Watts(2_800)),
            evses: Watts(2_300),
            house: Some(Watts(500)),
            ..Flow::default()
        },
        circuits: vec![CircuitView {
            id: CircuitId::new("house").unwrap(),
            name: "House".into(),
            parent: None,
            limit: PerPhase::all(MilliAmps(35_000)),
            current: Some(PerPhase::all(MilliAmps(4_000))),
            headroom: Some(PerPhase::all(MilliAmps(31_000))),
        }],
        devices: devices.collect(),
        evses: evses.collect(),
        alarms: Vec::new(),
        rules: [].into(),
        overdraft: Overdraft {
            reacted_ms: 1_500,
            reacted_ma_s: 3_000,
            ..Overdraft::default()
        },
        cycle: CycleView {
            count: 7,
            last_us: 250,
        },
    }
}
