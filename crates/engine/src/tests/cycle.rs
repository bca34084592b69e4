//! What is read, what leaves, and what a restart keeps.

use model::grid::DimmingOrder;

use super::*;

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

#[test]
fn an_order_of_the_grid_operator_is_followed_and_written_down() {
    let mut core = core(Restored::default());
    let order = DimmingOrder {
        limit: None,
        from: now(0).wall,
        until: Some(now(100_000).wall),
    };
    let mut log = Vec::new();
    for second in 0..130 {
        let at = second * 1_000;
        grid(&mut core, 2_000, at);
        let told = core.view(now(at)).evses.remove(0).setpoint;
        car(&mut core, PilotState::C, told, told.or_zero().0, at);
        if second == 40 {
            core.set_dimming(Some(order), now(at));
        }
        core.handle_timeout(now(at));
        while let Some(record) = core.poll_record() {
            if let Record::Audit(entry) = record {
                log.push((second, entry.action, entry.outcome));
            }
        }
        let told = core.view(now(at)).evses.remove(0).setpoint.or_zero().0;
        if (45..100).contains(&second) {
            assert_eq!(told, 6_000, "at {second} s");
        }
    }
    let seconds: Vec<_> = log.iter().map(|(second, ..)| *second).collect();
    assert_eq!(seconds, [40, 100], "{log:?}");
    assert!(log[0].1.starts_with("dimmed to what devices keep"), "{log:?}");
    assert!(
        log[0]
            .2
            .contains("1 devices, 4200 W from the grid allowed (factors not verified)"),
        "{log:?}"
    );
}

#[test]
fn what_was_learned_is_written_down_and_outlives_the_process() {
    let mut before = core(Restored::default());
    let mut kept = None;
    for second in 0..310 {
        grid(&mut before, 9_000, second * 1_000);
        before.handle_timeout(now(second * 1_000));
        while let Some(record) = before.poll_record() {
            if let Record::Memory(lasting) = record {
                kept = Some(lasting);
            }
        }
    }
    let kept = kept.expect("within five minutes");
    assert_ne!(*kept, control::Lasting::default());
    let text = serde_json::to_vec(&kept).unwrap();
    let after = core(Restored {
        lasting: serde_json::from_slice(&text).unwrap(),
        ..Restored::default()
    });
    assert_eq!(after.memory.lasting(), *kept);
}

#[test]
fn who_only_observes_tells_nobody_anything() {
    let settings = ControlSettings {
        observe: true,
        ..ControlSettings::default()
    };
    let mut core = Core::new(site(), settings, 3, Restored::default(), Millis(1_000), now(0));
    for second in 0..60 {
        let at = second * 1_000;
        grid(&mut core, 2_000, at);
        car(
            &mut core,
            PilotState::C,
            ChargeCurrent::at_most(MilliAmps(8_000)),
            8_000,
            at,
        );
        core.handle_timeout(now(at));
        assert_eq!(core.poll_setpoint(), None);
    }
    let seen = core.view(now(60_000)).evses.remove(0);
    assert_eq!(seen.granted, ChargeCurrent::at_most(MilliAmps(16_000)));
}
