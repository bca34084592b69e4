//! The core without a world: wishes, restarts, reports and records.

mod desk;
mod past;
mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::alarm::{Alarm, AlarmCode, Severity};
use model::device::{
    AuthorisationMode, ChargeMode, Device, DeviceKind, Evse, Force, ForeignPolicy, GoeLink, LinkSettings,
    LinkState, MeterRole, Wish,
};
use model::document::Document;
use model::id::{CircuitId, DeviceId, EvseId, SiteId, VehicleId};
use model::intent::{Intent, Rejection, Wanted};
use model::message::{ForeignWhat, ForeignWrite, Report, Reported};
use model::phases::{PerPhase, PhaseRotation, PhaseSet, Phases};
use model::reading::{EvseStatus, Measured, PilotState, Pushed};
use model::reason::Cause;
use model::setpoint::{Action, ChargeCurrent};
use model::settings::ControlSettings;
use model::site::{Circuit, Keeper, Site};
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts, PerMille, WattHours, Watts};
use model::vehicle::{SocSource, StateOfCharge, Vehicle};
use model::view::ForeignView;

use crate::{Change, Core, Directory, Record, Restored};

fn evse_id() -> EvseId {
    EvseId::new("left").unwrap()
}

fn device(id: &str, kind: DeviceKind) -> Device {
    Device {
        id: DeviceId::new(id).unwrap(),
        name: id.to_owned(),
        kind,
        circuit: CircuitId::new("house").unwrap(),
        enabled: true,
        period: Millis(1_000),
        link: LinkSettings::Goe(GoeLink::http("http://127.0.0.1")),
    }
}

fn site() -> Arc<Site> {
    let evse = Evse {
        id: evse_id(),
        name: "Left".to_owned(),
        terminals: PhaseSet::ALL,
        rotation: PhaseRotation::R231,
        min: MilliAmps(6_000),
        max: MilliAmps(16_000),
        step: MilliAmps(1_000),
        phase_switching: false,
        class: 1,
        weight: 1,
        fallback: ChargeCurrent::at_most(MilliAmps(6_000)),
        default_mode: ChargeMode::Fast,
        authorisation: AuthorisationMode::None,
    };
    Arc::new(Site {
        id: SiteId::new("home").unwrap(),
        name: "Home".to_owned(),
        keeper: Keeper::Ours,
        time_zone: "UTC".to_owned(),
        position: None,
        nominal_voltage: MilliVolts(230_000),
        circuits: vec![Circuit {
            id: CircuitId::new("house").unwrap(),
            name: "House".to_owned(),
            parent: None,
            limit: PerPhase::all(MilliAmps(35_000)),
            power_limit: None,
            reserve: MilliAmps(0),
            credit: MilliAmps(0),
            meter: Some(DeviceId::new("grid").unwrap()),
        }],
        devices: vec![
            device(
                "grid",
                DeviceKind::Meter {
                    role: MeterRole::Grid,
                },
            ),
            device("station", DeviceKind::ChargingStation { evses: vec![evse] }),
        ],
    })
}

fn now(ms: i64) -> Now {
    Now {
        wall: Timestamp(1_000_000_000_000 + ms),
        monotonic: Monotonic(ms),
    }
}

fn core(restored: Restored) -> Core {
    Core::new(
        site(),
        ControlSettings::default(),
        3,
        restored,
        Millis(1_000),
        now(0),
    )
}

fn report(core: &mut Core, device: &str, report: Report, at: i64) {
    let device = DeviceId::new(device).unwrap();
    core.handle_report(&Reported {
        site: SiteId::new("home").unwrap(),
        device,
        at: now(at),
        report,
    });
}

fn grid(core: &mut Core, milliamps: i64, at: i64) {
    let measured = Measured {
        power: Some(Watts(milliamps * 3 * 230 / 1_000)),
        current: Some(PerPhase::all(MilliAmps(milliamps))),
        energy_in: Some(WattHours(1_000)),
        ..Measured::default()
    };
    report(core, "grid", Report::Measured(measured), at);
}

fn car(core: &mut Core, pilot: PilotState, obeyed: ChargeCurrent, drawn: i64, at: i64) {
    let status = EvseStatus {
        pilot,
        obeyed: Some(obeyed),
        terminals: if drawn > 0 { PhaseSet::ALL } else { PhaseSet::NONE },
        current: Some(PerPhase::all(MilliAmps(drawn))),
        ..EvseStatus::default()
    };
    report(
        core,
        "station",
        Report::Evse {
            evse: evse_id(),
            status,
        },
        at,
    );
}

fn weigh(core: &Core, wanted: Wanted) -> Result<Change, Rejection> {
    let intent = Intent {
        site: SiteId::new("home").unwrap(),
        by: "test".to_owned(),
        door: "test".to_owned(),
        wanted,
    };
    core.weigh(&intent, now(0).wall)
}

/// Runs a quiet site second by second; gives the setpoints that left.
fn run(
    core: &mut Core,
    from_s: i64,
    to_s: i64,
    mut each: impl FnMut(&mut Core, i64),
) -> Vec<(i64, ChargeCurrent)> {
    let mut told = Vec::new();
    for second in from_s..to_s {
        each(core, second * 1_000);
        core.handle_timeout(now(second * 1_000));
        while let Some(setpoint) = core.poll_setpoint() {
            assert_eq!(setpoint.epoch, 3);
            if let Action::Charge { current, .. } = setpoint.action {
                told.push((second, current));
            }
        }
    }
    told
}

#[test]
fn wishes_are_checked_before_they_are_stored() {
    let core = core(Restored::default());
    let current = |ma| Wanted::Current {
        evse: evse_id(),
        current: MilliAmps(ma),
    };
    let unknown = || EvseId::new("nobody").unwrap();
    let cases = [
        (current(6_000), Ok(())),
        (current(16_000), Ok(())),
        (current(5_999), Err("current is 6.0 A, expected 6.0 A to 16.0 A")),
        (
            current(16_001),
            Err("current is 16.0 A, expected 6.0 A to 16.0 A"),
        ),
        (
            Wanted::Mode {
                evse: unknown(),
                mode: ChargeMode::Off,
            },
            Err("there is no EVSE `nobody`"),
        ),
        (
            Wanted::Phases {
                evse: evse_id(),
                phases: Some(Phases::One),
            },
            Err("phase switching is not supported by this device"),
        ),
        (
            Wanted::Phases {
                evse: evse_id(),
                phases: None,
            },
            Ok(()),
        ),
    ];
    for (wanted, expected) in cases {
        let weighed = weigh(&core, wanted.clone())
            .map(|_| ())
            .map_err(|rejection| rejection.to_string());
        assert_eq!(weighed, expected.map_err(str::to_owned), "{wanted:?}");
    }
}

/// Files a write to the station and says with which ticket it left.
fn write(core: &mut Core, value: &str, at: i64) -> u64 {
    let change = weigh(core, vendor("fna", value)).unwrap();
    let ticket = core.apply(change, now(at)).unwrap();
    let sent = std::iter::from_fn(|| core.poll_setpoint()).find_map(|setpoint| match setpoint.action {
        Action::VendorWrite { ticket, .. } => Some(ticket),
        Action::Charge { .. } | Action::TakeBack { .. } | Action::BatteryPower { .. } => None,
    });
    assert_eq!(sent, Some(ticket));
    ticket
}

fn vendor(key: &str, value: &str) -> Wanted {
    Wanted::VendorWrite {
        evse: evse_id(),
        dialect: "goe".to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn word(core: &mut Core, device: &str, ticket: u64, answer: Result<(), &str>, at: i64) {
    let answer = answer.map_err(str::to_owned);
    report(core, device, Report::VendorAnswer { ticket, answer }, at);
}

/// What reads back of a key that the model does not know.
fn reads(core: &Core, key: &str, at: i64) -> Option<String> {
    core.view(now(at)).evses[0].keys.get("goe")?.get(key).cloned()
}

#[test]
fn a_key_of_the_device_needs_the_device_to_answer() {
    let mut core = core(Restored::default());
    let refused = weigh(&core, vendor("fna", "\"garage\""));
    assert!(matches!(refused, Err(Rejection::Offline { .. })));
    report(&mut core, "station", Report::Link(LinkState::Online), 0);
    let ticket = write(&mut core, "\"garage\"", 0);
    assert_eq!(core.poll_verdict(), None);
    assert_eq!(reads(&core, "fna", 0), None);
    // Only whoever was asked is heard, and only once.
    word(&mut core, "grid", ticket, Ok(()), 100);
    assert_eq!(core.poll_verdict(), None);
    word(&mut core, "station", ticket, Ok(()), 200);
    word(&mut core, "station", ticket, Err("no"), 200);
    let verdict = core.poll_verdict().unwrap();
    assert_eq!((verdict.ticket, verdict.answer), (ticket, Ok(())));
    assert_eq!(core.poll_verdict(), None);
    assert_eq!(reads(&core, "fna", 200).as_deref(), Some("\"garage\""));
}

#[test]
fn the_word_of_the_device_is_the_answer() {
    let mut core = core(Restored::default());
    report(&mut core, "station", Report::Link(LinkState::Online), 0);
    let ticket = write(&mut core, "\"go\"", 0);
    word(&mut core, "station", ticket, Err("fna: too short"), 100);
    let said = Rejection::Device {
        said: "fna: too short".to_owned(),
    };
    assert_eq!(core.poll_verdict().unwrap().answer, Err(said));
    assert_eq!(reads(&core, "fna", 100), None);
}

#[test]
fn a_device_that_says_nothing_has_not_said_yes() {
    let mut core = core(Restored::default());
    report(&mut core, "station", Report::Link(LinkState::Online), 0);
    let first = write(&mut core, "1", 0);
    core.handle_timeout(now(2_999));
    assert_eq!(core.poll_verdict(), None);
    assert!(core.poll_timeout() <= Monotonic(3_000));
    core.handle_timeout(now(3_000));
    let verdict = core.poll_verdict().unwrap();
    assert_eq!(verdict.ticket, first);
    assert!(
        matches!(verdict.answer, Err(Rejection::Busy { .. })),
        "{verdict:?}"
    );
    word(&mut core, "station", first, Ok(()), 3_100);
    assert_eq!((core.poll_verdict(), reads(&core, "fna", 3_100)), (None, None));

    write(&mut core, "2", 4_000);
    let gone = LinkState::Offline {
        problem: "gone".to_owned(),
    };
    report(&mut core, "station", Report::Link(gone), 5_000);
    core.handle_timeout(now(7_000));
    let verdict = core.poll_verdict().unwrap();
    assert!(
        matches!(verdict.answer, Err(Rejection::Offline { .. })),
        "{verdict:?}"
    );
}

#[test]
fn only_so_many_writes_wait() {
    let mut core = core(Restored::default());
    report(&mut core, "station", Report::Link(LinkState::Online), 0);
    let tickets: Vec<u64> = (0..64)
        .map(|value| write(&mut core, &value.to_string(), 0))
        .collect();
    assert!(tickets.is_sorted());
    assert!(matches!(
        weigh(&core, vendor("fna", "1")),
        Err(Rejection::Busy { .. })
    ));
    word(&mut core, "station", tickets[0], Ok(()), 0);
    assert!(weigh(&core, vendor("fna", "1")).is_ok());
}

#[test]
fn a_confirmed_value_is_shown_until_a_document_shows_it() {
    let shows = |core: &mut Core, json: &str, at: i64| {
        let document = Document {
            dialect: "goe".to_owned(),
            at: now(at),
            json: json.into(),
        };
        report(core, "station", Report::Document(document), at);
    };
    let mut core = core(Restored::default());
    report(&mut core, "station", Report::Link(LinkState::Online), 0);
    let ticket = write(&mut core, "\"garage\"", 0);
    word(&mut core, "station", ticket, Ok(()), 0);
    shows(&mut core, r#"{"fna":"old"}"#, 500);
    shows(&mut core, "no document", 500);
    assert!(reads(&core, "fna", 500).is_some());
    shows(&mut core, r#"{"fna":"garage"}"#, 1_000);
    assert_eq!(reads(&core, "fna", 1_000), None);
    // One that is never shown is not for ever.
    let ticket = write(&mut core, "\"cellar\"", 2_000);
    word(&mut core, "station", ticket, Ok(()), 2_000);
    core.handle_timeout(now(61_999));
    assert!(reads(&core, "fna", 61_999).is_some());
    core.handle_timeout(now(62_000));
    assert_eq!(reads(&core, "fna", 62_000), None);
}

#[test]
fn keys_that_the_station_does_not_speak_are_kept() {
    let mut other = site().as_ref().clone();
    other.devices[1].link = LinkSettings::None;
    let other = Arc::new(other);
    let made = |restored| {
        let settings = ControlSettings::default();
        Core::new(other.clone(), settings, 3, restored, Millis(1_000), now(0))
    };
    let mut before = made(Restored::default());
    let mut kept = None;
    for (key, value) in [("fna", "\"a\""), ("cid", "\"#00FF00\""), ("fna", "\"b\"")] {
        let change = weigh(&before, vendor(key, value)).unwrap();
        let Change::Keep(keys) = &change else {
            panic!("{change:?}");
        };
        kept = Some(keys.clone());
        assert_eq!(before.apply(change, now(0)), None);
        assert_eq!(reads(&before, key, 0).as_deref(), Some(value));
    }
    assert!(before.poll_setpoint().is_none());
    let after = made(Restored {
        keys: kept.into_iter().collect(),
        ..Restored::default()
    });
    assert_eq!(reads(&after, "fna", 0).as_deref(), Some("\"b\""));
    assert_eq!(reads(&after, "cid", 0).as_deref(), Some("\"#00FF00\""));
    let huge = format!("\"{}\"", "x".repeat(70_000));
    assert!(matches!(
        weigh(&after, vendor("fna", &huge)),
        Err(Rejection::OutOfRange { .. })
    ));
}

#[test]
fn a_ceiling_that_goes_by_itself_is_not_stored_and_ends() {
    let mut core = core(Restored::default());
    let cap = |current| Wanted::TemporaryCurrent {
        evse: evse_id(),
        current,
    };
    for (current, fits) in [(6_000, true), (16_000, true), (5_900, false), (16_100, false)] {
        assert_eq!(
            weigh(&core, cap(Some(MilliAmps(current)))).is_ok(),
            fits,
            "{current}"
        );
    }
    let change = weigh(&core, cap(Some(MilliAmps(8_000)))).unwrap();
    core.apply(change, now(1_000));
    let shown = |core: &Core, at| core.view(now(at)).evses[0].cap;
    let ends = Timestamp(1_000_000_000_000 + 601_000);
    assert_eq!(shown(&core, 600_999), Some((MilliAmps(8_000), ends)));
    assert_eq!(shown(&core, 601_000), None);
    let told = run(&mut core, 1, 60, |core, at| {
        grid(core, 0, at);
        car(core, PilotState::C, ChargeCurrent::PAUSED, 0, at);
    });
    let most = told.iter().map(|(_, current)| current.or_zero()).max();
    assert_eq!(most, Some(MilliAmps(8_000)));
    let change = weigh(&core, cap(None)).unwrap();
    core.apply(change, now(70_000));
    assert_eq!(shown(&core, 70_000), None);
    assert!(!std::iter::from_fn(|| core.poll_record()).any(|record| matches!(record, Record::Wish { .. })));
}

#[test]
fn a_car_that_has_had_what_was_asked_for_gets_no_more() {
    let mut core = core(Restored::default());
    let limit = |limit| Wanted::EnergyLimit {
        evse: evse_id(),
        limit,
    };
    assert!(weigh(&core, limit(Some(WattHours(-1)))).is_err());
    let change = weigh(&core, limit(Some(WattHours(5_000)))).unwrap();
    core.apply(change, now(0));
    let charged = |core: &mut Core, pilot, energy, at| {
        let status = EvseStatus {
            pilot,
            session_energy: Some(WattHours(energy)),
            ..EvseStatus::default()
        };
        let evse = evse_id();
        report(core, "station", Report::Evse { evse, status }, at);
        core.handle_timeout(now(at));
        core.view(now(at)).evses[0].reason.cause.clone()
    };
    let before = charged(&mut core, PilotState::C, 4_999, 1_000);
    assert!(!matches!(before, Cause::EnergyLimitReached { .. }), "{before:?}");
    assert_eq!(
        charged(&mut core, PilotState::C, 5_000, 3_000),
        Cause::EnergyLimitReached {
            limit: WattHours(5_000),
            charged: WattHours(5_000),
        }
    );
    assert_eq!(charged(&mut core, PilotState::A, 5_000, 5_000), Cause::NoVehicle);
    let next = charged(&mut core, PilotState::B, 0, 7_000);
    assert!(!matches!(next, Cause::EnergyLimitReached { .. }), "{next:?}");
}

#[test]
fn cards_that_may_charge_are_listed_and_begin_a_transaction_by_their_place() {
    let ann: model::id::UserId = "ann".parse().unwrap();
    let user = |role| model::user::User::new(ann.clone(), "Ann", role);
    let card = |id: &str, kind, enabled| {
        let card = model::user::Card {
            id: id.parse().unwrap(),
            user: ann.clone(),
            kind,
            name: id.to_uppercase(),
            enabled,
            valid_until: None,
            budget: None,
            phases: None,
            tariff: None,
            vehicle: None,
            rules: Vec::new(),
        };
        (card.id.clone(), card)
    };
    use model::session::{Authorisation, AuthorisationKind};
    use model::user::{CardKind, Role};
    let directory = |role| Directory {
        users: [(ann.clone(), user(role))].into(),
        cards: [
            card("d", CardKind::Rfid, true),
            card("a", CardKind::Rfid, true),
            card("b", CardKind::Pin, true),
            card("c", CardKind::Rfid, false),
        ]
        .into(),
        ..Directory::default()
    };
    let mut core = core(Restored {
        directory: directory(Role::User),
        ..Restored::default()
    });
    car(&mut core, PilotState::B, ChargeCurrent::PAUSED, 0, 0);
    let view = core.view(now(0)).evses.remove(0);
    let names: Vec<&str> = view.cards.iter().map(|slot| slot.name.as_str()).collect();
    assert_eq!(names, ["A", "D"]);
    let slot = &view.cards[1];
    let authorisation = Authorisation {
        kind: AuthorisationKind::Rfid,
        user: Some(slot.user.clone()),
        card: Some(slot.card.clone()),
    };
    let evse = evse_id();
    let change = weigh(&core, Wanted::Authorise { evse, authorisation }).unwrap();
    core.apply(change, now(1_000));
    let session = core.view(now(1_000)).evses.remove(0).session.unwrap();
    assert_eq!(session.card.as_ref(), Some(&slot.card));
    core.set_directory(directory(Role::Viewer), now(2_000));
    assert!(core.view(now(2_000)).evses[0].cards.is_empty());
}

#[test]
fn pushed_readings_count_only_where_the_site_has_no_meter_of_its_own() {
    let mut core = core(Restored {
        wishes: vec![(
            evse_id(),
            Wish {
                mode: ChargeMode::Solar,
                ..Wish::default_of(&site().devices[1].evses()[0])
            },
        )],
        ..Restored::default()
    });
    let push = |core: &mut Core, grid: i64, battery: Option<i64>, at: i64| {
        let readings = Pushed {
            grid: Watts(grid),
            pv: None,
            battery: battery.map(Watts),
        };
        let evse = evse_id();
        let change = weigh(core, Wanted::PushedReadings { evse, readings }).unwrap();
        core.apply(change, now(at));
    };
    let seen = |core: &mut Core, at: i64| {
        car(core, PilotState::C, ChargeCurrent::PAUSED, 0, at);
        core.handle_timeout(now(at));
        let pushed = core.view(now(at)).evses.remove(0).pushed;
        pushed.map(|pushed| pushed.is_used)
    };
    push(&mut core, -2_300, None, 0);
    grid(&mut core, 0, 0);
    assert_eq!(seen(&mut core, 0), Some(false), "its own meter is fresh");
    // That falls silent; what is pushed says what the sun leaves over.
    let mut at = 20_000;
    push(&mut core, -2_300, None, at);
    assert_eq!(seen(&mut core, at), Some(true));
    at = 31_000;
    assert_eq!(seen(&mut core, at), None, "too old to be anything");
    assert!(
        core.poll_record()
            .is_none_or(|record| !matches!(record, Record::Wish { .. }))
    );
    let evse = EvseId::new("nobody").unwrap();
    let readings = Pushed {
        grid: Watts(0),
        pv: None,
        battery: None,
    };
    assert!(weigh(&core, Wanted::PushedReadings { evse, readings }).is_err());
    let readings = Pushed {
        grid: Watts(i64::MIN),
        ..readings
    };
    let evse = evse_id();
    assert!(weigh(&core, Wanted::PushedReadings { evse, readings }).is_err());
}

/// A site without any meter, where the sun is known by pushes alone.
#[test]
fn what_a_battery_gives_is_no_sun() {
    // Rounded down to whole milliamperes.
    for (battery, surplus) in [(None, 2_300), (Some(-1_000), 1_299), (Some(1_000), 2_300)] {
        let mut bare = site().as_ref().clone();
        bare.circuits[0].meter = None;
        bare.devices.remove(0);
        let DeviceKind::ChargingStation { evses } = &mut bare.devices[0].kind else {
            unreachable!()
        };
        evses[0].default_mode = ChargeMode::Solar;
        let settings = ControlSettings::default();
        let mut core = Core::new(
            Arc::new(bare),
            settings,
            3,
            Restored::default(),
            Millis(1_000),
            now(0),
        );
        for at in 0..5 {
            let readings = Pushed {
                grid: Watts(-2_300),
                pv: Some(Watts(-5_000)),
                battery: battery.map(Watts),
            };
            let evse = evse_id();
            let change = weigh(&core, Wanted::PushedReadings { evse, readings }).unwrap();
            core.apply(change, now(at * 1_000));
            car(&mut core, PilotState::C, ChargeCurrent::PAUSED, 0, at * 1_000);
            core.handle_timeout(now(at * 1_000));
        }
        let cause = core.view(now(4_000)).evses[0].reason.cause.clone();
        let Cause::NoSurplus { available, .. } = cause else {
            panic!("{cause:?}");
        };
        assert_eq!(available, Watts(surplus), "{battery:?}");
    }
}

#[test]
fn what_somebody_else_changed_is_shown_with_what_is_done_about_it() {
    let write = |what| ForeignWrite {
        what,
        since: Timestamp(7),
    };
    let current = ForeignWhat::Current(MilliAmps(8_000));
    for policy in [ForeignPolicy::Yield, ForeignPolicy::Reassert, ForeignPolicy::Ask] {
        let mut shared = site().as_ref().clone();
        shared.devices[1].link = LinkSettings::Goe(GoeLink {
            foreign: policy,
            ..GoeLink::http("http://127.0.0.1")
        });
        let settings = ControlSettings::default();
        let mut core = Core::new(
            Arc::new(shared),
            settings,
            3,
            Restored::default(),
            Millis(1_000),
            now(0),
        );
        let mut at = 0;
        let mut after = |core: &mut Core, pilot, change: Option<Option<ForeignWhat>>| {
            if let Some(what) = change {
                let write = what.map(write);
                report(core, "station", Report::Foreign { write }, at);
            }
            for _ in 0..40 {
                at += 1_000;
                grid(core, 0, at);
                car(core, pilot, ChargeCurrent::PAUSED, 0, at);
                core.handle_timeout(now(at));
            }
            let evse = core.view(now(at)).evses.remove(0);
            (evse.foreign, evse.reason.cause)
        };
        let (foreign, cause) = after(&mut core, PilotState::C, Some(Some(current)));
        assert_eq!(
            foreign,
            Some(ForeignView {
                write: write(current),
                policy,
            })
        );
        let what = current;
        assert_eq!(cause, Cause::ChangedElsewhere { what, policy });
        // Without a car nothing is decided by it.
        assert_eq!(after(&mut core, PilotState::A, None).1, Cause::NoVehicle);
        let (foreign, cause) = after(&mut core, PilotState::C, Some(None));
        assert_eq!(foreign, None);
        assert!(!matches!(cause, Cause::ChangedElsewhere { .. }), "{cause:?}");
    }
}

#[test]
fn wishes_of_before_are_still_read() {
    let old = r#"{"mode":"solar","force":"neutral","current":9000,"phases":null}"#;
    let wish: Wish = serde_json::from_str(old).unwrap();
    assert_eq!((wish.energy_limit, wish.price_limit), (None, None));
    assert_eq!(wish.current, MilliAmps(9_000));
}

#[test]
fn a_mode_takes_a_forced_state_back() {
    let mut core = core(Restored::default());
    let change = weigh(
        &core,
        Wanted::Force {
            evse: evse_id(),
            force: Force::Off,
        },
    )
    .unwrap();
    core.apply(change, now(0));
    assert_eq!(core.wishes()[&evse_id()].effective_mode(), ChargeMode::Off);
    let change = weigh(
        &core,
        Wanted::Mode {
            evse: evse_id(),
            mode: ChargeMode::Solar,
        },
    )
    .unwrap();
    core.apply(change, now(0));
    assert_eq!(core.wishes()[&evse_id()].force, Force::Neutral);
}

#[test]
fn a_forced_state_ends_with_the_car_and_that_is_recorded() {
    let mut core = core(Restored::default());
    car(&mut core, PilotState::B, ChargeCurrent::PAUSED, 0, 0);
    let change = weigh(
        &core,
        Wanted::Force {
            evse: evse_id(),
            force: Force::On,
        },
    )
    .unwrap();
    core.apply(change, now(0));
    car(&mut core, PilotState::A, ChargeCurrent::PAUSED, 0, 1_000);
    assert_eq!(core.wishes()[&evse_id()].force, Force::Neutral);
    let recorded = std::iter::from_fn(|| core.poll_record()).any(|record| {
        matches!(
            record,
            Record::Wish {
                wish: Wish {
                    force: Force::Neutral,
                    ..
                },
                ..
            }
        )
    });
    assert!(recorded);
}

#[test]
fn a_car_starts_rises_and_falls_at_once_when_the_house_takes_the_current() {
    let mut core = core(Restored::default());
    let mut obeyed = ChargeCurrent::PAUSED;
    let mut told = Vec::new();
    for second in 0..60 {
        let house = if second < 50 { 5_000 } else { 32_000 };
        told.extend(run(&mut core, second, second + 1, |core, at| {
            let drawn = obeyed.or_zero().0;
            car(core, PilotState::C, obeyed, drawn, at);
            grid(core, house + drawn, at);
        }));
        obeyed = told.last().map_or(obeyed, |(_, current)| *current);
    }
    let rising: Vec<_> = told
        .iter()
        .take_while(|(second, _)| *second < 50)
        .map(|(_, current)| *current)
        .collect();
    assert!(rising.is_sorted(), "{told:?}");
    assert_eq!(rising.last().map(|c| c.or_zero().0), Some(16_000), "{told:?}");
    let (second, current) = told.iter().find(|(second, _)| *second >= 50).unwrap();
    assert_eq!(
        (*second, *current),
        (50, ChargeCurrent::PAUSED),
        "in the same cycle"
    );
    let view = core.view(now(60_000));
    assert!(
        matches!(view.evses[0].reason.cause, Cause::CircuitFull { .. }),
        "{:?}",
        view.evses[0].reason
    );
}

#[test]
fn after_a_restart_nothing_is_raised_before_the_station_has_spoken() {
    let sixteen = ChargeCurrent::at_most(MilliAmps(16_000));
    let mut core = core(Restored {
        setpoints: vec![(evse_id(), sixteen)],
        ..Restored::default()
    });
    let told = run(&mut core, 0, 20, |core, at| grid(core, 20_000, at));
    assert!(told.iter().all(|(_, current)| *current <= sixteen), "{told:?}");
    let view = core.view(now(20_000));
    assert!(
        matches!(
            view.evses[0].reason.cause,
            Cause::StationSilent { .. } | Cause::StartingUp
        ),
        "{:?}",
        view.evses[0].reason
    );
}

#[test]
fn what_was_stored_comes_back() {
    let wish = Wish {
        mode: ChargeMode::Solar,
        force: Force::Neutral,
        current: MilliAmps(9_000),
        phases: None,
        energy_limit: None,
        price_limit: None,
    };
    let seen = store::DeviceSeen {
        at: Timestamp(7),
        identity: Some("a meter".to_owned()),
    };
    let core = core(Restored {
        wishes: vec![(evse_id(), wish), (EvseId::new("gone").unwrap(), wish)],
        devices: vec![(DeviceId::new("grid").unwrap(), seen)],
        ..Restored::default()
    });
    let view = core.view(now(0));
    assert_eq!(view.evses[0].wish, wish);
    assert_eq!(view.devices[0].identity.as_deref(), Some("a meter"));
    assert_eq!(view.devices[0].last_seen, Some(Timestamp(7)));
    assert_eq!(view.epoch, 3);
}

#[test]
fn currents_of_terminals_appear_on_the_phases_they_are_wired_to() {
    let mut core = core(Restored::default());
    let status = EvseStatus {
        pilot: PilotState::C,
        terminals: PhaseSet::L1,
        current: Some(PerPhase::new(MilliAmps(10_000), MilliAmps(0), MilliAmps(0))),
        ..EvseStatus::default()
    };
    report(
        &mut core,
        "station",
        Report::Evse {
            evse: evse_id(),
            status,
        },
        0,
    );
    let view = core.view(now(0));
    assert_eq!(
        view.evses[0].current,
        PerPhase::new(MilliAmps(0), MilliAmps(10_000), MilliAmps(0))
    );
}

#[test]
fn a_lost_link_is_one_alarm_and_the_balance_becomes_unknown() {
    let mut core = core(Restored::default());
    grid(&mut core, 5_000, 0);
    assert!(core.view(now(1_000)).flow.house.is_some());
    let offline = || {
        Report::Link(LinkState::Offline {
            problem: "cannot read: refused".to_owned(),
        })
    };
    report(&mut core, "grid", offline(), 10_000);
    report(&mut core, "grid", offline(), 11_000);
    let view = core.view(now(20_000));
    assert_eq!(view.alarms.len(), 1, "{:?}", view.alarms);
    assert_eq!((view.flow.grid, view.flow.house), (None, None));
    report(&mut core, "grid", Report::Link(LinkState::Online), 21_000);
    assert!(core.view(now(21_000)).alarms.is_empty());
}

#[test]
fn documents_are_recorded_once_a_minute() {
    let mut core = core(Restored::default());
    for second in 0..130 {
        let document = Document {
            dialect: "goe".to_owned(),
            at: now(second * 1_000),
            json: "{}".into(),
        };
        report(&mut core, "station", Report::Document(document), second * 1_000);
    }
    let kept = std::iter::from_fn(|| core.poll_record())
        .filter(|r| matches!(r, Record::Document { .. }))
        .count();
    assert_eq!(kept, 3);
}

#[test]
fn a_station_that_comes_back_is_told_again() {
    let mut core = core(Restored::default());
    let offline = Report::Link(LinkState::Offline {
        problem: "gone".to_owned(),
    });
    report(&mut core, "station", Report::Link(LinkState::Online), 0);
    run(&mut core, 0, 5, |core, at| {
        grid(core, 1_000, at);
        car(core, PilotState::A, ChargeCurrent::PAUSED, 0, at);
    });
    report(&mut core, "station", offline, 5_000);
    report(&mut core, "station", Report::Link(LinkState::Online), 6_000);
    let told = run(&mut core, 6, 8, |core, at| {
        grid(core, 1_000, at);
        car(core, PilotState::A, ChargeCurrent::PAUSED, 0, at);
    });
    assert_eq!(told.len(), 1, "{told:?}");
}

fn alarm(device: Option<&str>, code: AlarmCode, raised: i64, cleared: Option<i64>) -> Alarm {
    Alarm {
        site: SiteId::new("home").unwrap(),
        device: device.map(|id| DeviceId::new(id).unwrap()),
        code,
        severity: Severity::Warning,
        text: "as it was".to_owned(),
        raised: now(raised).wall,
        cleared: cleared.map(|at| now(at).wall),
        acknowledged: None,
    }
}

fn alarms_written(core: &mut Core) -> Vec<(AlarmCode, i64, bool)> {
    let records = std::iter::from_fn(|| core.poll_record());
    let alarms = records.filter_map(|record| {
        let Record::Alarm(alarm) = record else {
            return None;
        };
        let raised = (alarm.raised - now(0).wall).0;
        Some((alarm.code, raised, alarm.cleared.is_some()))
    });
    alarms.collect()
}

#[test]
fn open_alarms_go_on_after_a_restart_and_end_when_the_trouble_is_over() {
    use AlarmCode::{DeviceOffline, MeterSilent, StoreFailing};
    let mut core = core(Restored {
        alarms: vec![
            alarm(Some("station"), DeviceOffline, -900, None),
            alarm(Some("sold"), DeviceOffline, -800, None),
            alarm(Some("station"), MeterSilent, -700, None),
            alarm(None, StoreFailing, -600, None),
            alarm(Some("grid"), DeviceOffline, -500, Some(-100)),
        ],
        ..Restored::default()
    });
    // What nobody judges any more is over.
    assert_eq!(
        alarms_written(&mut core),
        [
            (StoreFailing, -600, true),
            (DeviceOffline, -800, true),
            (MeterSilent, -700, true)
        ]
    );
    let offline = || LinkState::Offline {
        problem: "no answer".to_owned(),
    };
    report(&mut core, "station", Report::Link(LinkState::Connecting), 10);
    report(&mut core, "station", Report::Link(offline()), 20);
    assert_eq!(alarms_written(&mut core), []);
    assert_eq!(core.view(now(20)).alarms[0].raised, now(-900).wall);
    report(&mut core, "station", Report::Link(LinkState::Online), 30);
    assert_eq!(alarms_written(&mut core), [(DeviceOffline, -900, true)]);
    // It was over before the restart and comes back within a minute.
    report(&mut core, "grid", Report::Link(offline()), 40);
    assert_eq!(alarms_written(&mut core), [(DeviceOffline, -500, false)]);
}

/// Whoever has nothing left gets no current, not even until the next reading.
#[test]
fn a_used_up_budget_stops_at_its_last_watt_hour_and_again_at_once() {
    use model::id::UserId;
    use model::session::machine::Input;
    use model::session::{Authorisation, AuthorisationKind, StopReason};
    use model::user::{Budget, BudgetPeriod, Role, User};

    let ann = UserId::new("ann").unwrap();
    let mut user = User::new(ann.clone(), "Resident 1", Role::User);
    user.budget = Some(Budget {
        energy: WattHours(20),
        per: BudgetPeriod::Session,
    });
    let directory = Directory {
        users: [(ann.clone(), user)].into(),
        ..Directory::default()
    };
    let mut core = core(Restored {
        directory,
        ..Restored::default()
    });
    let counter = |core: &mut Core, energy: i64, at: i64| {
        let measured = Measured {
            energy_in: Some(WattHours(energy)),
            ..Measured::default()
        };
        report(core, "station", Report::Measured(measured), at);
    };
    counter(&mut core, 1_000, 0);
    car(&mut core, PilotState::C, ChargeCurrent::PAUSED, 0, 0);
    let shown = || Authorisation {
        kind: AuthorisationKind::App,
        user: Some(ann.clone()),
        card: None,
    };
    core.session_input(&evse_id(), Input::Authorised(shown()), now(1_000));
    counter(&mut core, 1_019, 2_000);
    assert_eq!(core.sessions.barred(&evse_id()), None);
    counter(&mut core, 1_020, 3_000);
    let used_up = Some(Cause::BudgetUsedUp {
        budget: WattHours(20),
        used: WattHours(20),
    });
    assert_eq!(core.sessions.barred(&evse_id()), used_up);
    core.session_input(&evse_id(), Input::Authorised(shown()), now(4_000));
    assert_eq!(core.sessions.barred(&evse_id()), used_up);
    let session = core.sessions.session(&evse_id()).unwrap();
    let stops: Vec<_> = session
        .transactions
        .iter()
        .map(|t| t.stopped.unwrap().reason)
        .collect();
    assert_eq!(stops, [StopReason::BudgetUsedUp; 2]);
}

/// Two sessions of one EVSE that were both left open: the first was over when the second one began.
#[test]
fn sessions_of_one_evse_do_not_overlap() {
    let session = |id: &str, plugged: i64| model::session::Session {
        id: id.parse().unwrap(),
        site: SiteId::new("home").unwrap(),
        evse: evse_id(),
        plugged: now(plugged).wall,
        unplugged: None,
        vehicle: None,
        transactions: Vec::new(),
        charger_energy: None,
        soc: None,
        revision: 1,
    };
    let mut core = core(Restored {
        sessions: vec![session("first", -9_000), session("second", -5_000)],
        ..Restored::default()
    });
    let Some(Record::Books(books)) = core.poll_record() else {
        panic!("nothing is closed")
    };
    assert_eq!(books.sessions[0].unplugged, Some(now(-5_000).wall));
    assert_eq!(core.sessions.session(&evse_id()).unwrap().id.as_str(), "second");
}

/// Costs fall back to the contract's own price; somebody is told which tariff, and since when.
#[test]
fn missing_prices_are_one_alarm_until_they_are_back() {
    use model::money::PerKwh;
    use model::tariff::PriceBook;

    let mut core = core(Restored::default());
    let tariff = serde_json::from_value(serde_json::json!({
        "id": "spot", "name": "Spot", "direction": "import", "site": "home",
        "contracts": [{"name": "only", "from": "2000-01-01", "until": null, "currency": "EUR", "vat": 0,
            "monthly_fee": 0, "prices": {"kind": "dynamic", "provider": "market", "factor": 1000,
            "surcharge": 0, "fallback": 300_000}}]
    }));
    let mut book = PriceBook::of_zone("UTC", vec![tariff.unwrap()]);
    let until = |minutes: i64| {
        let (from, to) = (now(0).wall - Millis(3_600_000), now(minutes * 60_000).wall);
        vec![(from, to, PerKwh(200_000))]
    };
    book.set_prices("market", until(10));
    core.set_prices(Arc::new(book.clone()));
    let mut changes = Vec::new();
    for second in 0..3_600 {
        if second == 2_400 {
            book.set_prices("market", until(600));
            core.set_prices(Arc::new(book.clone()));
        }
        core.handle_timeout(now(second * 1_000));
        let is_ours = |code: AlarmCode| code == AlarmCode::PricesStale;
        for (_, raised, is_over) in alarms_written(&mut core)
            .into_iter()
            .filter(|(code, ..)| is_ours(*code))
        {
            let view = core.view(now(second * 1_000));
            let open = view.alarms.into_iter().find(|alarm| is_ours(alarm.code));
            let text = open.map(|alarm| alarm.text).unwrap_or_default();
            changes.push((second / 60, raised / 60_000, is_over, text));
        }
    }
    let since = now(600_000).wall;
    let text = format!(
        "tariff \"Spot\": provider market has no price of any time since {since}; the contract's fallback price counts"
    );
    assert_eq!(changes, [(15, 15, false, text), (40, 15, true, String::new()),]);
}

#[test]
fn an_acknowledged_alarm_is_shown_as_such() {
    let mut core = core(Restored {
        alarms: vec![alarm(Some("station"), AlarmCode::DeviceOffline, -900, None)],
        ..Restored::default()
    });
    let acknowledge = |device: &str, raised: i64| Wanted::AcknowledgeAlarm {
        device: Some(DeviceId::new(device).unwrap()),
        code: AlarmCode::DeviceOffline,
        raised: now(raised).wall,
    };
    for (device, raised) in [("station", -899), ("grid", -900)] {
        let refused = weigh(&core, acknowledge(device, raised));
        assert!(matches!(refused, Err(Rejection::Unknown { .. })), "{refused:?}");
    }
    let change = weigh(&core, acknowledge("station", -900)).unwrap();
    assert_eq!(core.view(now(0)).alarms[0].acknowledged, None);
    core.apply(change, now(0));
    let seen = core.view(now(0)).alarms[0].acknowledged.clone().unwrap();
    assert_eq!((seen.by.as_str(), seen.at), ("test", now(0).wall));
}

const CAR: &str = "blue-car";

fn told(permille: i64, at: i64, estimated: bool) -> StateOfCharge {
    StateOfCharge {
        soc: PerMille(permille),
        at: now(at).wall,
        estimated,
    }
}

/// A car of 10 kWh that is at home at `left`, of which 400 permille were told at 0.
fn directory(soc_source: SocSource) -> Directory {
    let id = VehicleId::new(CAR).unwrap();
    let car = Vehicle {
        id: id.clone(),
        name: "Blue car".to_owned(),
        capacity: Some(WattHours(10_000)),
        phases: Phases::Three,
        min: MilliAmps(6_000),
        max: None,
        efficiency: PerMille(900),
        charge_limit: Some(PerMille(800)),
        default_mode: None,
        owner: None,
        home: Some(evse_id()),
        soc_source,
    };
    Directory {
        vehicles: BTreeMap::from([(id.clone(), car)]),
        soc: BTreeMap::from([(id, told(400, 0, false))]),
        ..Directory::default()
    }
}

/// The lifetime counter of the station, and what it says of the battery of the car.
fn counter(core: &mut Core, energy: i64, soc: Option<i64>, at: i64) {
    let measured = Measured {
        power: Some(Watts(0)),
        energy_in: Some(WattHours(energy)),
        soc: soc.map(PerMille),
        ..Measured::default()
    };
    report(core, "station", Report::Measured(measured), at);
}

fn plugged(restored: Restored, soc_source: SocSource) -> Core {
    let mut core = core(Restored {
        directory: directory(soc_source),
        ..restored
    });
    counter(&mut core, 50_000, None, 5);
    car(&mut core, PilotState::C, ChargeCurrent::PAUSED, 0, 10);
    core
}

fn shown(core: &Core, at: i64) -> Option<StateOfCharge> {
    core.view(now(at)).evses[0].session.as_ref()?.soc
}

/// What is written of the car, and after which known value only.
fn charges(core: &mut Core) -> Vec<(StateOfCharge, Option<StateOfCharge>)> {
    let records = std::iter::from_fn(|| core.poll_record());
    let charges = records.filter_map(|record| match record {
        Record::Charge { charge, since } => Some((charge.known, since)),
        Record::Samples(_)
        | Record::Past(_)
        | Record::Setpoints(_)
        | Record::Wish { .. }
        | Record::Alarm(_)
        | Record::Keys(_)
        | Record::Device { .. }
        | Record::Document { .. }
        | Record::Books(_)
        | Record::Audit(_) => None,
    });
    charges.collect()
}

#[test]
fn a_car_fills_up_between_two_times_it_tells_and_stops_at_its_limit() {
    let mut core = plugged(Restored::default(), SocSource::Manual);
    assert_eq!(shown(&core, 10), Some(told(400, 0, false)));
    counter(&mut core, 51_000, None, 20);
    // 1 kWh of which 90 % arrive, in 10 kWh.
    assert_eq!(shown(&core, 20), Some(told(490, 0, true)));
    core.handle_timeout(now(30));
    assert!(!matches!(cause(&core, 30), Cause::ChargeLimitReached { .. }));

    // Told again: what was charged before does not count twice.
    let mut again = directory(SocSource::Manual);
    again
        .soc
        .insert(VehicleId::new(CAR).unwrap(), told(600, 40, false));
    core.set_directory(again, now(41));
    assert_eq!(shown(&core, 41), Some(told(600, 40, false)));
    for (energy, at) in [(52_000, 44), (53_000, 47), (53_300, 50)] {
        counter(&mut core, energy, None, at);
    }
    assert_eq!(shown(&core, 50), Some(told(807, 40, true)));
    core.handle_timeout(now(2_000));
    assert_eq!(
        cause(&core, 2_000),
        Cause::ChargeLimitReached {
            limit: PerMille(800),
            soc: PerMille(807)
        }
    );
    // It leaves with what it took.
    assert_eq!(charges(&mut core), []);
    car(&mut core, PilotState::A, ChargeCurrent::PAUSED, 0, 2_010);
    assert_eq!(
        charges(&mut core),
        [(told(807, 40, true), Some(told(600, 40, false)))]
    );
    assert_eq!(
        core.directory().soc[&VehicleId::new(CAR).unwrap()],
        told(807, 40, true)
    );
}

fn cause(core: &Core, at: i64) -> Cause {
    core.view(now(at)).evses[0].reason.cause.clone()
}

#[test]
fn a_restart_does_not_forget_what_was_charged_since_the_car_told() {
    let mut before = plugged(Restored::default(), SocSource::Manual);
    let mut again = directory(SocSource::Manual);
    again
        .soc
        .insert(VehicleId::new(CAR).unwrap(), told(600, 40, false));
    before.set_directory(again.clone(), now(41));
    counter(&mut before, 51_000, None, 50);
    assert_eq!(shown(&before, 50), Some(told(690, 40, true)));
    before.settle(now(60));
    let session = std::iter::from_fn(|| before.poll_record())
        .filter_map(|record| {
            let Record::Books(books) = record else { return None };
            books.sessions.into_iter().next_back()
        })
        .last();
    let mut after = core(Restored {
        sessions: session.into_iter().collect(),
        directory: again,
        ..Restored::default()
    });
    counter(&mut after, 51_000, None, 70);
    car(&mut after, PilotState::C, ChargeCurrent::PAUSED, 0, 80);
    assert_eq!(shown(&after, 80), Some(told(690, 40, true)));
}

#[test]
fn what_a_station_says_of_the_battery_counts_for_the_car_that_is_there() {
    let mut other = plugged(Restored::default(), SocSource::Manual);
    counter(&mut other, 50_000, Some(450), 20);
    assert_eq!(shown(&other, 20), Some(told(400, 0, false)), "told by hand");

    let mut core = plugged(Restored::default(), SocSource::Charger);
    counter(&mut core, 50_000, Some(450), 20);
    assert_eq!(shown(&core, 20), Some(told(450, 20, false)));
    assert_eq!(charges(&mut core), [(told(450, 20, false), None)]);
    // The same again is written down once a minute.
    counter(&mut core, 50_000, Some(450), 60_019);
    assert_eq!(charges(&mut core), []);
    counter(&mut core, 50_000, Some(450), 60_020);
    assert_eq!(charges(&mut core), [(told(450, 60_020, false), None)]);
    // The store is behind; the station is not forgotten.
    core.set_directory(directory(SocSource::Charger), now(60_030));
    assert_eq!(shown(&core, 60_030), Some(told(450, 60_020, false)));
}

#[test]
fn a_car_that_is_there_and_does_not_tell_is_an_alarm() {
    let every_minute = SocSource::Http {
        url: "http://car".to_owned(),
        path: String::new(),
        every_s: 60,
        header: None,
    };
    let limit = every_minute.stale_after().unwrap().0;
    let mut core = plugged(Restored::default(), every_minute.clone());
    let silent = |core: &mut Core, at: i64| {
        core.handle_timeout(now(at));
        let alarms = core.view(now(at)).alarms;
        alarms.iter().any(|alarm| alarm.code == AlarmCode::SocStale)
    };
    assert!(!silent(&mut core, limit + 10));
    assert!(silent(&mut core, limit + 2_000));
    let mut again = directory(every_minute);
    again
        .soc
        .insert(VehicleId::new(CAR).unwrap(), told(410, limit + 2_500, false));
    core.set_directory(again, now(limit + 2_600));
    assert!(!silent(&mut core, limit + 4_000));
}

#[test]
fn somebody_else_is_one_alarm_and_a_new_wish_takes_back() {
    let mut core = core(Restored::default());
    car(
        &mut core,
        PilotState::C,
        ChargeCurrent::at_most(MilliAmps(16_000)),
        16_000,
        0,
    );
    let foreign = |amps: i64| Report::Foreign {
        write: Some(ForeignWrite {
            what: ForeignWhat::Current(MilliAmps(amps * 1_000)),
            since: now(0).wall,
        }),
    };
    let text = |core: &Core| {
        let open = core.view(now(2_000)).alarms;
        let alarm = open
            .into_iter()
            .find(|alarm| alarm.code == AlarmCode::ForeignWriter);
        alarm.map(|alarm| alarm.text)
    };
    for theirs in [8, 10] {
        report(&mut core, "station", foreign(theirs), 1_000);
        assert_eq!(
            text(&core),
            Some(format!(
                "somebody else set station to {theirs}.0 A; it is told again what it shall do"
            ))
        );
    }
    let taken_back = |core: &mut Core| {
        std::iter::from_fn(|| core.poll_setpoint())
            .filter(|setpoint| matches!(&setpoint.action, Action::TakeBack { evse } if *evse == evse_id()))
            .count()
    };
    let wish = |core: &mut Core| {
        let wanted = Wanted::Current {
            evse: evse_id(),
            current: MilliAmps(12_000),
        };
        let change = weigh(core, wanted).unwrap();
        core.apply(change, now(2_000));
    };
    assert_eq!(taken_back(&mut core), 0);
    wish(&mut core);
    assert_eq!(taken_back(&mut core), 1);
    report(&mut core, "station", Report::Foreign { write: None }, 3_000);
    assert_eq!(text(&core), None);
    wish(&mut core);
    assert_eq!(taken_back(&mut core), 0);
}
