//! What somebody asks for: what is accepted, what is kept, and when it ends.

use super::*;

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
