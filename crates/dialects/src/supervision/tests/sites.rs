//! Our own sites as an operator reports them.

use jiff::tz::TimeZone;
use model::device::{
    AuthorisationMode, ChargeMode, Device, DeviceKind, Evse, LinkSettings, LinkState, MeterRole, Wish,
};
use model::id::{CircuitId, DeviceId, EvseId, SessionId, SiteId};
use model::money::{Currency, Micros};
use model::oversight::{Decimal, EntityKind, PortState, Sample};
use model::phases::{PerPhase, PhaseRotation, PhaseSet};
use model::reading::{EvseStatus, Measured, PilotState};
use model::reason::{Cause, Reason};
use model::session::{
    Ahead, Authorisation, AuthorisationKind, Cost, Origin, Session, Stop, StopReason, Transaction,
};
use model::setpoint::ChargeCurrent;
use model::site::{Keeper, Position, Site};
use model::time::{Millis, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts, WattHours, Watts};
use model::vendor::Keys;
use model::view::{
    CycleView, DeviceView, EvseView, Flow, Overdraft, RunningTransaction, SessionView, SiteView,
    TransactionState,
};

use super::super::definition::built_in;
use super::super::map;
use super::super::request::{Asked, Endpoint};
use super::super::site::{self, Profile, gcj02};
use super::{NOW, operator, read, shanghai};

fn evse() -> Evse {
    Evse {
        id: EvseId::new("left").unwrap(),
        name: "Left".to_owned(),
        terminals: PhaseSet::ALL,
        rotation: PhaseRotation::default(),
        min: MilliAmps(6_000),
        max: MilliAmps(16_000),
        step: MilliAmps(1_000),
        phase_switching: true,
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

fn device(id: &str, kind: DeviceKind) -> Device {
    Device {
        id: DeviceId::new(id).unwrap(),
        name: format!("the {id}"),
        kind,
        circuit: CircuitId::new("house").unwrap(),
        enabled: true,
        period: Millis(1_000),
        link: LinkSettings::Sunspec {
            address: "127.0.0.1:1502".to_owned(),
            unit: 1,
        },
    }
}

fn home() -> Site {
    Site {
        id: SiteId::new("home").unwrap(),
        name: "Home".to_owned(),
        keeper: Keeper::Ours,
        time_zone: "Asia/Shanghai".to_owned(),
        position: Some(Position {
            latitude_udeg: 39_904_000,
            longitude_udeg: 116_407_000,
        }),
        nominal_voltage: MilliVolts(220_000),
        grid: model::grid::GridRules::default(),
        circuits: Vec::new(),
        devices: vec![
            device(
                "grid",
                DeviceKind::Meter {
                    role: MeterRole::Grid,
                },
            ),
            device("station", DeviceKind::ChargingStation { evses: vec![evse()] }),
        ],
    }
}

fn profile() -> Profile {
    Profile {
        owner: "MA005DBW1".to_owned(),
        address: "No. 1".to_owned(),
        phone: None,
        station_type: 4,
        position: None,
        standard: "GB/T 20234.2".to_owned(),
        energy_fee: "0.6 yuan/kWh".to_owned(),
        service_fee: "none".to_owned(),
        fire_extinguisher: 1,
        smoke_detector: 2,
        currency: "CNY".parse().unwrap(),
    }
}

#[test]
fn a_site_is_what_a_strict_platform_takes() {
    let strict = model::oversight::Operator {
        strict: true,
        ..operator("99")
    };
    let entities = site::entities(&home(), &profile());
    let kinds: Vec<_> = entities
        .iter()
        .map(|entity| (entity.kind, entity.id.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            (EntityKind::Station, "home"),
            (EntityKind::Equipment, "station"),
            (EntityKind::Port, "left"),
        ]
    );
    for entity in &entities {
        let json = map::entity_json(built_in(), &strict.id, entity, false);
        let Ok(Asked::Register(told)) = read(&strict, Endpoint::Register(entity.kind), "", &json) else {
            panic!("{json}");
        };
        assert_eq!(told.findings, []);
        assert!(told.what.says_the_same(entity), "{json}");
    }
    assert_eq!(entities[2].number("rated_power"), Some(Decimal(10_600_000)));
    // Where nobody says where it is, the platform says what is missing.
    let nowhere = Site {
        position: None,
        ..home()
    };
    let json = map::entity_json(
        built_in(),
        &strict.id,
        &site::entities(&nowhere, &profile())[0],
        false,
    );
    let refusal = read(&strict, Endpoint::Register(EntityKind::Station), "", &json).unwrap_err();
    assert_eq!(refusal.message, "stationLng: is required");
}

fn view(status: EvseStatus, current: i64, link: LinkState) -> SiteView {
    let site = home();
    let (station, evse) = site.evses().next().unwrap();
    let is_fresh = link == LinkState::Online;
    let device = DeviceView {
        id: station.id.clone(),
        name: station.name.clone(),
        kind: station.kind.name().to_owned(),
        role: None,
        circuit: station.circuit.clone(),
        enabled: true,
        link,
        last_seen: Some(NOW),
        is_fresh,
        measured: Measured {
            voltage: Some(PerPhase::all(MilliVolts(221_340))),
            ..Measured::default()
        },
        identity: None,
        controls: Default::default(),
    };
    let evse = EvseView {
        id: evse.id.clone(),
        name: evse.name.clone(),
        station: station.id.clone(),
        circuit: station.circuit.clone(),
        terminals: evse.terminals,
        rotation: evse.rotation,
        min: evse.min,
        max: evse.max,
        phase_switching: true,
        wish: Wish::default_of(evse),
        status,
        current: PerPhase::new(MilliAmps(0), MilliAmps(current), MilliAmps(0)),
        power: Watts(2_213),
        setpoint: ChargeCurrent::PAUSED,
        phases: None,
        granted: ChargeCurrent::PAUSED,
        reason: Reason {
            cause: Cause::StartingUp,
            since: NOW,
        },
        plugged_since: None,
        authorisation: AuthorisationMode::None,
        session: None,
        cards: [].into(),
        cap: None,
        price_allows: None,
        pushed: None,
        foreign: None,
        keys: Keys::new(),
        dialect: None,
    };
    SiteView {
        id: site.id.clone(),
        name: site.name.clone(),
        time_zone: site.time_zone.clone(),
        epoch: 1,
        at: Now {
            wall: NOW + Millis(999),
            ..Now::default()
        },
        flow: Flow::default(),
        circuits: Vec::new(),
        devices: vec![device],
        evses: vec![evse],
        alarms: Vec::new(),
        overdraft: Overdraft::default(),
        rules: [].into(),
        cycle: CycleView::default(),
    }
}

fn samples(view: &SiteView) -> Vec<Sample> {
    site::samples(view, &operator("MA005DBW1").id, &shanghai())
}

#[test]
fn a_sample_names_the_charge_that_its_record_will_have() {
    let ended = session(Some(Stop {
        at: NOW + Millis::from_seconds(7_500),
        reason: StopReason::Asked,
    }));
    let mut view = view(EvseStatus::default(), 10_000, LinkState::Online);
    let mut shown = SessionView {
        id: ended.id.clone(),
        since: ended.plugged,
        vehicle: None,
        soc: None,
        user: None,
        card: None,
        kind: None,
        state: TransactionState::Running,
        running: Some(RunningTransaction {
            number: ended.transactions[0].number,
            started: ended.transactions[0].started,
        }),
        energy: WattHours(1),
        origin: Origin::default(),
        cost: None,
        other_costs: Vec::new(),
        unpriced: WattHours(0),
        estimated: false,
    };
    view.evses[0].session = Some(shown.clone());
    let own = operator("MA005DBW1").id;
    let records = site::records(&ended, &own, &shanghai(), "CNY".parse().unwrap());
    let told = samples(&view).remove(0);
    assert_eq!(told.charge.as_ref(), Some(&records[0].charge));
    let json = map::sample_json(built_in(), &own, &told, None, &shanghai());
    assert!(
        json.contains(&format!("\"startChargeSeq\":\"{}\"", records[0].charge)),
        "{json}"
    );
    // Between two transactions there is none.
    shown.running = None;
    view.evses[0].session = Some(shown);
    assert_eq!(samples(&view)[0].charge, None);
}

#[test]
fn a_port_is_what_its_pilot_says() {
    let check = |pilot: PilotState, complete: bool, current: i64, expected: (PortState, Option<i64>)| {
        let status = EvseStatus {
            pilot,
            complete,
            ..EvseStatus::default()
        };
        let samples = samples(&view(status, current, LinkState::Online));
        assert_eq!(samples.len(), 1);
        let sample = &samples[0];
        assert_eq!((sample.state, sample.error), expected, "{pilot:?}");
        assert_eq!((sample.at, sample.voltage), (NOW, Some(Decimal(221_340_000))));
        assert_eq!(sample.current, Some(Decimal(current * 1_000)));
        let json = map::sample_json(built_in(), &operator("99").id, sample, None, &shanghai());
        let Ok(Asked::Report(told)) = read(&operator("99"), Endpoint::Report, "", &json) else {
            panic!("{json}");
        };
        assert_eq!(told.findings, []);
    };
    check(PilotState::A, false, 0, (PortState::Idle, None));
    check(PilotState::B, false, 0, (PortState::Occupied, None));
    check(PilotState::C, false, 0, (PortState::Occupied, None));
    check(PilotState::C, false, 10_000, (PortState::Charging, None));
    check(PilotState::B, true, 0, (PortState::Complete, None));
    check(PilotState::F, false, 0, (PortState::Fault, Some(1_004)));
    let silent = LinkState::Offline {
        problem: "no answer".to_owned(),
    };
    let samples = samples(&view(EvseStatus::default(), 10_000, silent));
    assert_eq!(
        (samples[0].state, samples[0].error),
        (PortState::Fault, Some(1_017))
    );
    assert_eq!((samples[0].current, samples[0].voltage), (None, None));
}

#[test]
fn what_changes_is_told_at_once_and_the_rest_by_the_clock() {
    let every = Millis::from_seconds(300);
    let sample = |pilot, after_s: i64| {
        let status = EvseStatus {
            pilot,
            ..EvseStatus::default()
        };
        let mut sample = samples(&view(status, 0, LinkState::Online)).remove(0);
        sample.at = NOW + Millis::from_seconds(after_s);
        sample
    };
    let told = sample(PilotState::A, 0);
    for (pilot, after_s, expected) in [
        (PilotState::A, 1, false),
        (PilotState::A, 299, false),
        (PilotState::A, 300, true),
        (PilotState::B, 1, true),
        (PilotState::F, 1, true),
    ] {
        let found = site::is_due(Some(&told), &sample(pilot, after_s), every);
        assert_eq!(found, expected, "{pilot:?} {after_s}");
    }
    assert!(site::is_due(None, &told, every));
}

fn session(stopped: Option<Stop>) -> Session {
    let cost = |amount: i64, currency: &str| Cost {
        amount: Micros(amount),
        currency: currency.parse().unwrap(),
    };
    Session {
        id: SessionId::new("s-1").unwrap(),
        site: SiteId::new("home").unwrap(),
        evse: EvseId::new("left").unwrap(),
        plugged: NOW,
        unplugged: None,
        vehicle: None,
        transactions: vec![Transaction {
            number: 1,
            authorisation: Authorisation {
                kind: AuthorisationKind::Rfid,
                user: None,
                card: None,
            },
            started: NOW,
            stopped,
            meter_start: None,
            meter_stop: None,
            energy: WattHours(12_345),
            per_phase: PerPhase::default(),
            one_phase: WattHours(0),
            three_phase: WattHours(0),
            origin: Origin::default(),
            charging: Millis::from_seconds(7_200),
            peak: Watts(7_000),
            cost: Some(cost(1_000_000, "EUR")),
            other_costs: vec![cost(7_407_000, "CNY")],
            unpriced: WattHours(0),
            ahead: Ahead::default(),
            estimated: false,
        }],
        charger_energy: None,
        soc: None,
        revision: 1,
    }
}

#[test]
fn a_transaction_that_has_ended_is_a_record() {
    let own = operator("MA005DBW1");
    let zone: TimeZone = shanghai();
    let records = |stopped| {
        let cny = "CNY".parse::<Currency>().unwrap();
        site::records(&session(stopped), &own.id, &zone, cny)
    };
    assert_eq!(records(None), []);
    let stop = Stop {
        at: NOW + Millis::from_seconds(7_500),
        reason: StopReason::Asked,
    };
    let all = records(Some(stop));
    assert_eq!(all, records(Some(stop)));
    let record = &all[0];
    assert!(
        record.charge.as_str().starts_with("MA005DBW120220228134504"),
        "{}",
        record.charge
    );
    assert_eq!(record.charge.as_str().len(), 27);
    assert_eq!((record.start_kind, record.stop_reason), (2, 1));
    assert_eq!(
        (record.energy, record.energy_cost),
        (Decimal(12_345_000), Decimal(7_407_000))
    );
    assert_eq!(record.average_power, Some(Decimal::whole(6_172)));
    let json = map::record_json(built_in(), &own.id, record, false, &zone);
    let Ok(Asked::Record(told)) = read(&own, Endpoint::Record, "", &json) else {
        panic!("{json}");
    };
    assert_eq!((told.findings.len(), told.what.energy), (0, Decimal(12_350_000)));
    // However the clocks went, it does not end before it began.
    let early = Stop {
        at: Timestamp(0),
        ..stop
    };
    assert_eq!(records(Some(early))[0].end, NOW);
}

#[test]
fn places_in_china_are_shifted() {
    let place = |latitude_udeg, longitude_udeg| Position {
        latitude_udeg,
        longitude_udeg,
    };
    // Beijing is shifted by about 150 m to the north and 530 m to the east.
    let shifted = gcj02(place(39_904_000, 116_407_000));
    let (north, east) = (
        shifted.latitude_udeg - 39_904_000,
        shifted.longitude_udeg - 116_407_000,
    );
    assert!(
        (1_300..1_500).contains(&north) && (6_100..6_400).contains(&east),
        "{north} {east}"
    );
    let vienna = place(48_208_000, 16_373_000);
    assert_eq!(gcj02(vienna), vienna);
}
