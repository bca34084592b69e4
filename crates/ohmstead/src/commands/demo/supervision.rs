//! An authority with two operators: one whose ports are alive, and one that has just begun.

use std::collections::BTreeMap;

use dialects::supervision::DIALECT;
use gate::{By, Principal};
use model::oversight::{
    ChargeRecord, Code, Decimal, Entity, EntityKind, Operator, OperatorCode, PortState, Sample, Value,
};
use model::secret::Secret;
use model::settings::SupervisionSettings;
use model::time::{Millis, Timestamp};
use model::user::{User, UserOversight};
use north::Platform;
use oversight::Told;
use serde_json::json;

use super::tell::Told as Shown;

const OPERATOR: (&str, &str, &str) = (
    "MA005DBW1",
    "Riverside Charging",
    "ohmstead-demo-operator-key-0001",
);
const OTHER: (&str, &str, &str) = (
    "MA006DBW2",
    "Hillside Charging",
    "ohmstead-demo-operator-key-0002",
);
const STATION: &str = "riverside-1";
/// Of the printed example.
const EQUIPMENT: &str = "37";
/// Somebody of the first operator, who sees that one alone.
const PERSON: (&str, &str, &str) = ("riverside", "Riverside Charging", "riverside-demo");

/// Stations with their place, millionths of a degree of longitude and latitude.
const STATIONS: [(&str, &str, i64, i64); 3] = [
    (STATION, "Riverside, gate 1", 120_153_600, 30_287_400),
    ("riverside-2", "Riverside, market hall", 120_161_200, 30_279_800),
    ("riverside-3", "Riverside, north court", 120_147_900, 30_295_100),
];
/// Equipment, the station it stands in, and how many ports it has.
const CABINETS: [(&str, &str, u32); 3] = [
    (EQUIPMENT, STATION, 4),
    ("38", "riverside-2", 6),
    ("39", "riverside-3", 6),
];
const EVERY: Millis = Millis(300_000);

pub fn settings() -> SupervisionSettings {
    SupervisionSettings {
        enabled: true,
        ..SupervisionSettings::default()
    }
}

/// Operators, stations, ports and what they reported in the last hour. What somebody changed of an operator stays.
pub async fn open(platform: &Platform, gate: &gate::Gate, now: Timestamp) -> anyhow::Result<()> {
    let console = Principal::console();
    let by = By::new(&console, "demo");
    for (id, name, key) in [OPERATOR, OTHER] {
        let code: OperatorCode = id.parse()?;
        if platform.authority().operator(&code).is_some() {
            continue;
        }
        let operator = Operator {
            // The visitor's own listeners are on this machine.
            local: true,
            registered: now,
            ..Operator::new(code, name)
        };
        platform.admit(&by, operator, Some(&Secret::new(key))).await?;
    }
    let code: OperatorCode = OPERATOR.0.parse()?;
    register(platform, &code, now).await?;
    report(platform, &code, now).await?;
    let (id, name, password) = PERSON;
    let user = User {
        role: None,
        oversight: Some(UserOversight::Operator(code)),
        ..User::new(id.parse()?, name, model::user::Role::Viewer)
    };
    if gate.user(&user.id).is_none() {
        let id = user.id.clone();
        gate.create_user(&by, user).await?;
        let change = gate::PasswordChange {
            password,
            current: None,
            cookie: None,
            source: std::net::Ipv4Addr::LOCALHOST.into(),
        };
        gate.set_password(&by, &id, change).await?;
    }
    Ok(())
}

async fn register(platform: &Platform, code: &OperatorCode, now: Timestamp) -> anyhow::Result<()> {
    for (id, name, longitude, latitude) in STATIONS {
        let fields = [
            ("name", text(name)),
            ("owner", text(OPERATOR.0)),
            ("address", text("1 River Road")),
            ("type", number(4)),
            ("status", number(50)),
            ("longitude", Value::Number(Decimal(longitude))),
            ("latitude", Value::Number(Decimal(latitude))),
        ];
        put(
            platform,
            code,
            entity(EntityKind::Station, id, None, &fields, now)?,
        )
        .await?;
    }
    for (id, station, ports) in CABINETS {
        let fields = [("name", text(id)), ("type", number(1)), ("category", number(2))];
        put(
            platform,
            code,
            entity(EntityKind::Equipment, id, Some(station), &fields, now)?,
        )
        .await?;
        for port in 1..=ports {
            let fields = [
                ("type", number(1)),
                ("standard", text("GB/T 42236.1")),
                ("rated_voltage_max", number(240)),
                ("rated_voltage_min", number(200)),
                ("rated_current", number(10)),
                ("rated_power", number(2)),
                ("energy_fee", text("0.60 yuan per kWh")),
                ("service_fee", text("0.40 yuan per kWh")),
                ("fire_extinguisher", number(1)),
                ("smoke_detector", number(1)),
            ];
            let id_of_port = port_id(id, port);
            put(
                platform,
                code,
                entity(EntityKind::Port, &id_of_port, Some(id), &fields, now)?,
            )
            .await?;
        }
    }
    Ok(())
}

fn port_id(equipment: &str, port: u32) -> String {
    format!("{equipment}-{port}")
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn number(number: i64) -> Value {
    Value::Number(Decimal::whole(number))
}

fn entity(
    kind: EntityKind,
    id: &str,
    parent: Option<&str>,
    fields: &[(&str, Value)],
    now: Timestamp,
) -> anyhow::Result<Entity> {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    Ok(Entity {
        kind,
        id: Code::new(id)?,
        parent: parent.map(Code::new).transpose()?,
        fields: fields.collect(),
        unknown: BTreeMap::new(),
        told: now,
    })
}

/// What is there already with other content was changed by a visitor.
async fn put(platform: &Platform, code: &OperatorCode, entity: Entity) -> anyhow::Result<()> {
    match platform.authority().register(code, said(entity)).await {
        Ok(_) | Err(oversight::Refused::Taken { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn said<T>(what: T) -> Told<T> {
    Told {
        what,
        findings: Vec::new(),
        body: String::new(),
    }
}

/// The last hour of every port: most are idle, some charge, one is too warm, one is broken.
async fn report(platform: &Platform, code: &OperatorCode, now: Timestamp) -> anyhow::Result<()> {
    let now = Timestamp(now.0 - now.0.rem_euclid(1_000));
    let mut samples = Vec::new();
    for step in (0..12).rev() {
        let at = now - Millis(EVERY.0 * step);
        let mut nth = 0;
        for (equipment, _, ports) in CABINETS {
            for port in 1..=ports {
                nth += 1;
                samples.push(said(sample(nth, (equipment, port), at, 12 - step)?));
            }
        }
    }
    for list in samples.chunks(oversight::MOST_SAMPLES) {
        let outcomes = platform.authority().report(code, list.to_vec(), "demo").await?;
        for error in outcomes.into_iter().filter_map(Result::err) {
            tracing::debug!(%error, "a sample of the demo is of a port that somebody has taken away");
        }
    }
    let mut records = Vec::new();
    for (nth, (equipment, _, _)) in (1_u8..).zip(CABINETS) {
        let hours = Millis(3_600_000 * i64::from(nth));
        records.push(said(record(nth, equipment, now - hours)?));
    }
    let outcomes = platform.authority().records(code, records).await?;
    for error in outcomes.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "a record of the demo is there already");
    }
    Ok(())
}

fn sample(nth: u32, (equipment, port): (&str, u32), at: Timestamp, step: i64) -> anyhow::Result<Sample> {
    let charges = nth.is_multiple_of(3);
    let is_warm = nth == 6;
    let state = match nth {
        11 => PortState::Fault,
        _ if charges => PortState::Charging,
        _ if nth.is_multiple_of(5) => PortState::Complete,
        _ => PortState::Idle,
    };
    let while_charging = |millionths: i64| Some(Decimal(if charges { millionths } else { 0 }));
    Ok(Sample {
        port: Code::new(&port_id(equipment, port))?,
        equipment: Code::new(equipment)?,
        at,
        state,
        error: (state == PortState::Fault).then_some(2_018),
        door: Some(10),
        voltage: Some(Decimal(220_500_000)),
        current: while_charging(1_800_000),
        power: while_charging(400_000),
        energy: while_charging(30_000 * step),
        temperature: Some(Decimal(if is_warm { 61_500_000 } else { 27_000_000 })),
        soc: None,
        duration_s: charges.then_some(300 * step),
        charge: None,
        smoke: Some(2),
        more: BTreeMap::new(),
    })
}

fn record(nth: u8, equipment: &str, end: Timestamp) -> anyhow::Result<ChargeRecord> {
    let start = end - Millis(7_200_000);
    Ok(ChargeRecord {
        charge: Code::new(&format!("{}{}{nth:04}", OPERATOR.0, end.as_seconds()))?,
        port: Code::new(&port_id(equipment, 1))?,
        start,
        end,
        energy: Decimal(800_000),
        energy_cost: Decimal(480_000),
        service_cost: Decimal(320_000),
        start_kind: 1,
        stop_reason: 9,
        average_power: Some(Decimal::whole(400)),
        person: None,
        unknown: BTreeMap::new(),
    })
}

pub fn tell(base: &str) -> Shown {
    let json = json!({
        "operator_id": OPERATOR.0,
        "secret_key": OPERATOR.2,
        "hmac": "sha256",
        "station_id": STATION,
        "equipment_id": EQUIPMENT,
        "other_operator_id": OTHER.0,
        "other_secret_key": OTHER.2,
    });
    Shown {
        json: Some((DIALECT.name, json)),
        rows: vec![
            (
                "operators",
                format!(
                    "{base}/platform/, operator {}, secretKey {}",
                    OPERATOR.0, OPERATOR.2
                ),
            ),
            (
                "",
                format!("and as one of its people: {}, password {}", PERSON.0, PERSON.2),
            ),
        ],
    }
}
