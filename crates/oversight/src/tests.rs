//! What tests here are made of: an authority over a store, with a clock that is moved.

mod figures;
mod rules;
mod shaky;
mod splits;
mod stories;
mod trouble;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::oversight::{
    Address, Callback, ChargeRecord, Code, Decimal, Entity, EntityKind, Operator, OperatorCode, PortState,
    Sample, Value,
};
use model::settings::SupervisionSettings;
use model::time::{Clock, Monotonic, Now, Timestamp};
use store::oversight::RecordFilter;
use store::{Outbox, Sqlite};

use crate::{Authority, PortFilter, Rules, Terms, Told};
use shaky::Shaky;

/// 2026-07-01 12:00 in Shanghai. Times of stories are seconds after it.
pub(crate) const NOON: i64 = 1_782_878_400;

pub(crate) fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

fn operator() -> OperatorCode {
    OperatorCode::new("op").unwrap()
}

/// Of a port in equipment `e`, at a second.
pub(crate) fn sample(port: &str, at_s: i64, state: PortState) -> Sample {
    Sample {
        port: code(port),
        equipment: code("e"),
        at: Timestamp::from_seconds(at_s),
        state,
        error: None,
        door: None,
        voltage: None,
        current: None,
        power: None,
        energy: None,
        temperature: None,
        soc: None,
        duration_s: None,
        charge: None,
        smoke: None,
        more: BTreeMap::new(),
    }
}

/// `idle`, or more: `charging energy=3 error=1009`.
fn sample_of(text: &str, port: &str, at: i64) -> Sample {
    let mut words = text.split(' ');
    let state = match words.next().unwrap() {
        "idle" => PortState::Idle,
        "charging" => PortState::Charging,
        "fault" => PortState::Fault,
        other => panic!("{other}"),
    };
    let mut sample = sample(port, NOON + at, state);
    for (name, value) in words.map(|word| word.split_once('=').unwrap()) {
        let number = || Some(value.parse::<Decimal>().unwrap());
        match name {
            "energy" => sample.energy = number(),
            "temperature" => sample.temperature = number(),
            "current" => sample.current = number(),
            "error" => sample.error = Some(value.parse().unwrap()),
            other => panic!("{other}"),
        }
    }
    sample
}

fn told<T>(what: T) -> Told<T> {
    Told {
        what,
        findings: Vec::new(),
        body: "{}".to_owned(),
    }
}

fn entity(kind: EntityKind, id: &str, parent: Option<&str>) -> Entity {
    let mut fields = BTreeMap::new();
    fields.insert("name".to_owned(), Value::Text(format!("name of {id}")));
    fields.insert("rated_power".to_owned(), Value::Number(Decimal::whole(7)));
    Entity {
        kind,
        id: code(id),
        parent: parent.map(code),
        fields,
        unknown: BTreeMap::new(),
        told: Timestamp(0),
    }
}

fn record(charge: &str, port: &str, start: i64, energy: i64) -> ChargeRecord {
    ChargeRecord {
        charge: code(charge),
        port: code(port),
        start: Timestamp::from_seconds(NOON + start),
        end: Timestamp::from_seconds(NOON + start + 3_600),
        energy: Decimal::whole(energy),
        energy_cost: Decimal::whole(1),
        service_cost: Decimal(500_000),
        start_kind: 1,
        stop_reason: 0,
        average_power: None,
        person: None,
        unknown: BTreeMap::new(),
    }
}

struct Stepped(AtomicI64);

impl Clock for Stepped {
    fn now(&self) -> Now {
        let at = self.0.load(Ordering::SeqCst);
        Now {
            wall: Timestamp(at),
            monotonic: Monotonic(at),
        }
    }
}

/// An authority with one operator that wants to hear everything and has a station `s` with equipment `e`.
pub(crate) struct World {
    store: Arc<Sqlite>,
    shaky: Arc<Shaky>,
    clock: Arc<Stepped>,
    authority: Arc<Authority>,
}

impl World {
    async fn new(ports: &[&str]) -> Self {
        let store = Sqlite::in_memory().unwrap();
        let shaky = Arc::new(Shaky::new(store.clone()));
        let clock = Arc::new(Stepped(AtomicI64::new(NOON * 1_000)));
        let authority = open(&store, &shaky, &clock).await;
        let mut operator = Operator::new(operator(), "Operator");
        for callback in [Callback::ReportFailed, Callback::Risk] {
            let address = Address {
                url: "https://operator.example".to_owned(),
                since: Timestamp(0),
            };
            operator.addresses.insert(callback, address);
        }
        authority.put_operator(operator).await.unwrap();
        let world = Self {
            store,
            shaky,
            clock,
            authority,
        };
        world.register(EntityKind::Station, "s", None).await.unwrap();
        world
            .register(EntityKind::Equipment, "e", Some("s"))
            .await
            .unwrap();
        for port in ports {
            world.register(EntityKind::Port, port, Some("e")).await.unwrap();
        }
        world
    }

    /// The process dies and another one begins.
    async fn restart(&mut self) {
        self.authority = open(&self.store, &self.shaky, &self.clock).await;
    }

    fn set_time(&self, at: i64) {
        self.clock.0.store((NOON + at) * 1_000, Ordering::SeqCst);
    }

    async fn register(
        &self,
        kind: EntityKind,
        id: &str,
        parent: Option<&str>,
    ) -> Result<crate::Registered, crate::Refused> {
        self.authority
            .register(&operator(), told(entity(kind, id, parent)))
            .await
    }

    /// The outcome of each, as a text.
    async fn report(&self, samples: Vec<Sample>) -> Vec<String> {
        let list = samples.into_iter().map(told).collect();
        let outcomes = self.authority.report(&operator(), list, "/report").await.unwrap();
        outcomes.into_iter().map(said).collect()
    }

    /// Everything that is known, in words.
    async fn books(&self) -> String {
        let mut text = String::new();
        let (from, to) = (Timestamp(0), Timestamp(i64::MAX));
        let ports = self.authority.ports(&operator(), &PortFilter::default(), 1, 100);
        for port in ports.list {
            let at = |at: Timestamp| at.as_seconds() - NOON;
            let newest = port
                .sample
                .map(|sample| format!("{:?} at {}", sample.state, at(sample.at)));
            let stale = if port.is_stale { " stale" } else { "" };
            let samples = self
                .shaky
                .inner
                .samples(&operator(), &port.port, from, to, 1_000)
                .await
                .unwrap();
            let newest = newest.unwrap_or_else(|| "nothing".to_owned());
            writeln!(
                text,
                "{} {}{stale}: {newest}, {} kept",
                port.port,
                port.look.name(),
                samples.len()
            )
            .unwrap();
        }
        let overview = self.authority.overview_of(&operator()).unwrap();
        let quality = &overview.quality;
        let mut counts: Vec<(String, u64)> = [
            ("kept", quality.kept),
            ("failed", quality.failed),
            ("repaired", quality.repaired),
            ("lost", quality.lost),
            ("late", quality.late),
            ("records", quality.records),
            ("warnings", quality.warnings),
        ]
        .map(|(name, count)| (name.to_owned(), count))
        .into();
        counts.extend(
            quality
                .findings
                .iter()
                .map(|(kind, count)| (format!("{kind:?}"), *count)),
        );
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        let counts: Vec<_> = counts.map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(text, "counted: {}", counts.join(", ")).unwrap();
        for (_, failed) in self.shaky.inner.failures(None, None, None, 100).await.unwrap() {
            let port = failed.port.unwrap();
            writeln!(
                text,
                "failed {port}: {:?} {}, {} {}",
                failed.state, failed.count, failed.status, failed.message
            )
            .unwrap();
        }
        let mut warnings = self.shaky.inner.warnings(None, false, None, 100).await.unwrap();
        warnings.reverse();
        for (_, warning) in warnings {
            let seconds = |at: Timestamp| (at.as_seconds() - NOON).to_string();
            let cleared = warning.cleared.map_or_else(|| "open".to_owned(), seconds);
            let raised = seconds(warning.raised);
            writeln!(
                text,
                "{} {}: {:?} {raised} to {cleared}",
                warning.port, warning.rule, warning.level
            )
            .unwrap();
        }
        for stored in self
            .shaky
            .inner
            .records(&RecordFilter::default(), 0, 100)
            .await
            .unwrap()
        {
            let orphan = if stored.is_orphan { "orphan" } else { "of" };
            writeln!(
                text,
                "record {} {orphan} {}",
                stored.record.charge, stored.record.port
            )
            .unwrap();
        }
        writeln!(text, "energy {} cost {}", overview.energy, overview.energy_cost).unwrap();
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for parcel in self.parcels().await {
            // Without its lane.
            let (kind, _) = parcel.target.rsplit_once(' ').unwrap();
            *kinds.entry(kind.to_owned()).or_default() += 1;
        }
        writeln!(text, "owed: {kinds:?}").unwrap();
        text
    }

    async fn parcels(&self) -> Vec<model::outbox::Parcel> {
        let all = self.store.parcels(None, None, 1_000).await.unwrap();
        all.into_iter().map(|(_, parcel)| parcel).collect()
    }
}

async fn open(store: &Arc<Sqlite>, shaky: &Arc<Shaky>, clock: &Arc<Stepped>) -> Arc<Authority> {
    let terms = Terms::from(&SupervisionSettings::default());
    let rules = Rules::built_in();
    Authority::open(store.clone(), shaky.clone(), terms, rules, clock.clone())
        .await
        .unwrap()
}

fn said(outcome: Result<(), crate::Refused>) -> String {
    match outcome {
        Ok(()) => "ok".to_owned(),
        Err(refused) => refused.to_string(),
    }
}
