//! How full the car is.

use super::*;

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
        | Record::Memory(_)
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
