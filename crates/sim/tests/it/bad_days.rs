//! Devices that misbehave, seen from the whole loop.

use model::device::{ChargeMode, LinkState};
use model::id::{DeviceId, EvseId};
use model::intent::{Rejection, Wanted};
use model::reason::Cause;
use model::time::Millis;
use model::units::MilliAmps;
use sim::fault::Fault;

use crate::closed_loop::{ClosedLoop, SUMMER, Wire};

fn id(text: &str) -> DeviceId {
    DeviceId::new(text).expect("an id")
}

/// A home where both cars are in and charge with what they may.
fn charging(wire: Wire) -> ClosedLoop {
    let mut home = ClosedLoop::home(3, wire, SUMMER, |_, _| {});
    home.set_modes(ChargeMode::Fast);
    home.run_until(12 * 3_600, "both cars charge", |home| {
        home.drawn_ma("left") >= 6_000 && home.drawn_ma("right") >= 6_000
    });
    home.run(120);
    home
}

fn link(home: &ClosedLoop, device: &str) -> LinkState {
    home.view()
        .devices
        .into_iter()
        .find(|d| d.id.as_str() == device)
        .expect("known device")
        .link
}

#[test]
fn a_silent_meter_only_ever_lowers_and_ends_at_the_fallback() {
    let mut home = charging(Wire::Codecs);
    home.world.set_fault(&id("grid"), Some(Fault::Silence));
    let before: Vec<i64> = ["left", "right"]
        .map(|evse| home.evse(evse).setpoint.or_zero().0)
        .to_vec();
    for _ in 0..240 {
        home.tick();
        for (evse, before) in ["left", "right"].into_iter().zip(&before) {
            assert!(
                home.evse(evse).setpoint.or_zero().0 <= *before,
                "{evse} rose while the meter is silent"
            );
        }
    }
    for evse in ["left", "right"] {
        assert!(
            home.drawn_ma(evse) <= 6_500,
            "{evse} draws {} mA",
            home.drawn_ma(evse)
        );
        assert!(
            matches!(home.cause(evse), Cause::MeterSilent { .. }),
            "{:?}",
            home.cause(evse)
        );
    }
    assert!(matches!(link(&home, "grid"), LinkState::Offline { .. }));

    home.world.set_fault(&id("grid"), None);
    home.run(300);
    assert!(
        home.drawn_ma("left") + home.drawn_ma("right") > 14_000,
        "the cars did not recover"
    );
    home.watch.assert_promise();
}

#[test]
fn a_meter_that_sends_garbage_counts_as_silent() {
    let mut home = charging(Wire::Codecs);
    let index = home.trace.len();
    let before = home
        .evse("left")
        .setpoint
        .or_zero()
        .0
        .max(home.evse("right").setpoint.or_zero().0);
    home.world.set_fault(&id("grid"), Some(Fault::Garbage));
    home.run(240);
    assert!(
        home.highest_told_since(index) <= before,
        "garbage raised a current"
    );
    assert!(
        matches!(home.cause("left"), Cause::MeterSilent { .. }),
        "{:?}",
        home.cause("left")
    );
}

#[test]
fn a_charger_that_answers_html_is_offline_with_words_and_counted_at_its_worst() {
    let mut home = charging(Wire::Codecs);
    home.world.set_fault(&id("wallbox-left"), Some(Fault::Html));
    home.run(60);
    let LinkState::Offline { problem } = link(&home, "wallbox-left") else {
        panic!("still online")
    };
    assert!(
        problem.contains("left") && problem.contains("http://"),
        "{problem}"
    );
    assert!(
        matches!(home.cause("left"), Cause::StationSilent { .. }),
        "{:?}",
        home.cause("left")
    );
    home.watch.assert_promise();
    home.world.set_fault(&id("wallbox-left"), None);
    home.run_until(60, "the link is back", |home| {
        link(home, "wallbox-left") == LinkState::Online
    });
}

#[test]
fn a_silent_charger_leaves_the_other_what_is_safe() {
    let mut home = charging(Wire::Codecs);
    home.world.set_fault(&id("wallbox-right"), Some(Fault::Silence));
    home.run(300);
    assert!(
        matches!(home.cause("right"), Cause::StationSilent { .. }),
        "{:?}",
        home.cause("right")
    );
    home.watch.assert_promise();
}

#[test]
fn a_charger_that_ignores_its_setpoint_is_found_out() {
    let mut home = charging(Wire::Codecs);
    home.world
        .set_fault(&id("wallbox-left"), Some(Fault::IgnoreSetpoints));
    home.ask(Wanted::Mode {
        evse: EvseId::new("left").expect("an id"),
        mode: ChargeMode::Off,
    })
    .expect("accepted");
    home.run(60);
    assert!(
        matches!(home.cause("left"), Cause::NotFollowing { .. }),
        "{:?}",
        home.cause("left")
    );
    assert!(
        home.view()
            .alarms
            .iter()
            .any(|alarm| alarm.text.contains("does not follow"))
    );
    home.world.set_fault(&id("wallbox-left"), None);
    home.run_until(90, "it follows again", |home| home.drawn_ma("left") == 0);
}

#[test]
fn a_restart_never_raises_a_current_by_itself() {
    let mut home = charging(Wire::Codecs);
    let before = home.evse("left").setpoint.or_zero().0 + home.evse("right").setpoint.or_zero().0;
    let index = home.trace.len();
    home.restart();
    home.run(5);
    let told = home.evse("left").setpoint.or_zero().0 + home.evse("right").setpoint.or_zero().0;
    assert!(
        told <= before,
        "{told} after {before}: {:?}",
        &home.trace[index..]
    );
    home.run(300);
    assert!(
        home.drawn_ma("left") >= 6_000 && home.drawn_ma("right") >= 6_000,
        "charging goes on"
    );
    home.watch.assert_promise();
}

#[test]
fn a_wall_clock_that_jumps_an_hour_changes_no_current() {
    let mut home = charging(Wire::Codecs);
    let before = home.evse("left").setpoint;
    for jump in [3_600_000, -7_200_000] {
        home.now.wall = home.now.wall + Millis(jump);
        home.run(30);
        let after = home.evse("left").setpoint;
        assert!(
            (after.or_zero().0 - before.or_zero().0).abs() <= 4_000,
            "{before} became {after}"
        );
        assert!(!matches!(
            home.cause("left"),
            Cause::MeterSilent { .. } | Cause::StationSilent { .. }
        ));
    }
    home.watch.assert_promise();
}

#[test]
fn a_wish_reads_back_at_once_and_the_car_follows() {
    let mut home = charging(Wire::Codecs);
    let left = EvseId::new("left").expect("an id");
    home.ask(Wanted::Current {
        evse: left.clone(),
        current: MilliAmps(8_000),
    })
    .expect("accepted");
    assert_eq!(home.wish("left").current, MilliAmps(8_000));
    let took = home.run_until(15, "the car follows", |home| home.drawn_ma("left") <= 8_200);
    assert!(took <= 10, "{took} s");
    let refused = home.ask(Wanted::Current {
        evse: left,
        current: MilliAmps(5_000),
    });
    assert!(
        matches!(refused, Err(Rejection::OutOfRange { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_reboot_of_a_charger_is_survived() {
    let mut home = charging(Wire::Codecs);
    home.world.set_fault(
        &id("wallbox-left"),
        Some(Fault::Reboot {
            lasts: Millis(20_000),
        }),
    );
    home.run(240);
    assert!(
        home.drawn_ma("left") >= 6_000,
        "charges again after its reboot: {:?}",
        home.cause("left")
    );
    home.watch.assert_promise();
}
