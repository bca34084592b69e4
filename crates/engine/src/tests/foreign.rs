//! Somebody else writes to the station.

use super::*;

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
