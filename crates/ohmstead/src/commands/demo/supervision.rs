//! An authority with two operators: one whose ports are alive, and one that has just begun.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dialects::supervision::DIALECT;
use gate::{By, Principal};
use model::oversight::{
    ChargeRecord, Code, Decimal, Entity, EntityKind, Operator, OperatorCode, Sample, Value,
};
use model::secret::Secret;
use model::settings::SupervisionSettings;
use model::time::{Clock, Millis, Timestamp};
use model::user::{User, UserOversight};
use north::Platform;
use oversight::{Told, Usable};
use serde_json::json;
use store::Store;
use store::oversight::{Accepted, RecordFilter};
use tokio_util::sync::CancellationToken;

use super::riverside::{CABINETS, News, Riverside, port_id};
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
/// So long a new demo's operator has reported already.
const PAST_MINUTES: i64 = 60;
/// After a restart, records of charges that began so long ago are known.
const RECALLS: Millis = Millis(24 * 3_600_000);
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub fn settings() -> SupervisionSettings {
    SupervisionSettings {
        enabled: true,
        ..SupervisionSettings::default()
    }
}

/// Operators; in a new demo stations and ports as well, and what they reported in the last hour. Gives what is reported
/// from now on ([`go_on`]). What somebody changed stays.
pub async fn open(
    platform: &Platform,
    store: &dyn Store,
    gate: &gate::Gate,
    now: Timestamp,
) -> anyhow::Result<Riverside> {
    let console = Principal::console();
    let by = By::new(&console, "demo");
    let since = now - Millis(PAST_MINUTES * 60_000);
    let code: OperatorCode = OPERATOR.0.parse()?;
    let known = platform.authority().overview_of(&code);
    let is_new = known.is_none_or(|known| known.tally.ports == 0);
    for (id, name, key) in [OPERATOR, OTHER] {
        let code: OperatorCode = id.parse()?;
        if platform.authority().operator(&code).is_some() {
            continue;
        }
        let operator = Operator {
            // The visitor's own listeners are on this machine.
            local: true,
            registered: since,
            ..Operator::new(code, name)
        };
        platform.admit(&by, operator, Some(&Secret::new(key))).await?;
    }
    let mut riverside = Riverside::new(OPERATOR.0)?;
    if is_new {
        register(platform, &code, since).await?;
        report_past(platform, store, &mut riverside, now).await?;
    } else {
        let filter = RecordFilter {
            operator: Some(code.clone()),
            from: Some(now - RECALLS),
            ..RecordFilter::default()
        };
        let known = platform.authority().record_page(filter, 1, 1_000).await?.list;
        let known = known.into_iter().map(|stored| stored.record.charge).collect();
        riverside.recall(&known, now)?;
    }
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
    Ok(riverside)
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

/// The hour before the demo was made, journalled as if it had been reported then: as news it would be late.
async fn report_past(
    platform: &Platform,
    store: &dyn Store,
    riverside: &mut Riverside,
    now: Timestamp,
) -> anyhow::Result<()> {
    let code: OperatorCode = OPERATOR.0.parse()?;
    let mut charges = Vec::new();
    for minute in (1..=PAST_MINUTES).rev() {
        let at = now - Millis(minute * 60_000);
        let News { samples, records } = riverside.news(at)?;
        for samples in samples.chunks(oversight::MOST_SAMPLES) {
            let entry = Accepted {
                operator: code.clone(),
                at: at + Millis(1_000),
                samples: samples.to_vec(),
                repairs: None,
            };
            store.accept(&entry).await?;
        }
        charges.extend(records);
    }
    record(platform, &code, &charges).await
}

/// The operator goes on reporting until `stop`: what its ports do now, and the charges that have ended.
pub async fn go_on(
    platform: Arc<Platform>,
    mut riverside: Riverside,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = report(&platform, &mut riverside, clock.now().wall).await {
            tracing::debug!(%error, "the demo's operator cannot report");
        }
    }
}

/// What is new of ports that nobody has taken away, unless a visitor keeps the operator out.
async fn report(platform: &Platform, riverside: &mut Riverside, now: Timestamp) -> anyhow::Result<()> {
    let code: OperatorCode = OPERATOR.0.parse()?;
    let authority = platform.authority();
    let operator = authority.operator(&code);
    if operator.is_none_or(|operator| operator.suspended) {
        return Ok(());
    }
    let News { samples, records } = riverside.news(now)?;
    let usable = |sample: &Sample| authority.usable(&code, &sample.port, sample.at) == Usable::Now;
    let samples: Vec<_> = samples.into_iter().filter(usable).map(said).collect();
    for some in samples.chunks(oversight::MOST_SAMPLES) {
        let outcomes = authority.report(&code, some.to_vec(), "demo").await?;
        outcomes.into_iter().collect::<Result<Vec<()>, _>>()?;
    }
    record(platform, &code, &records).await
}

async fn record(platform: &Platform, code: &OperatorCode, records: &[ChargeRecord]) -> anyhow::Result<()> {
    for some in records.chunks(oversight::MOST_RECORDS) {
        let some = some.iter().cloned().map(said).collect();
        let outcomes = platform.authority().records(code, some).await?;
        outcomes.into_iter().collect::<Result<Vec<()>, _>>()?;
    }
    Ok(())
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
