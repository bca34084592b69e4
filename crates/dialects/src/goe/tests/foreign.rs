//! Somebody else writes to the charger, and what a charger says to a write of its own keys.

use model::device::ForeignPolicy;
use model::message::ForeignWhat;
use model::phases::Phases;
use model::setpoint::ChargeCurrent;
use model::time::Millis;
use model::units::MilliAmps;
use serde_json::json;

use super::pair::Pair;
use crate::goe::Variant;

fn amps(amps: i64) -> ChargeCurrent {
    ChargeCurrent::at_most(MilliAmps::from_amps(amps))
}

fn current(amps: i64) -> Option<ForeignWhat> {
    Some(ForeignWhat::Current(MilliAmps::from_amps(amps)))
}

/// A charger that has been told 16 A, and then by somebody else what `query` says.
fn told_and_overruled(policy: ForeignPolicy, query: &str) -> Pair {
    let mut pair = Pair::sharing(Variant::V4, policy, None);
    pair.run(2_000);
    pair.charge(16, Some(Phases::Three));
    pair.run(5_000);
    assert_eq!((pair.status().obeyed, pair.foreign()), (Some(amps(16)), vec![]));
    pair.requests.clear();
    pair.elsewhere(query);
    pair.run(8_000);
    pair
}

#[test]
fn what_somebody_else_wrote_is_noticed_and_told_again() {
    for (query, what) in [
        ("amp=8", current(8)),
        ("amp=20", current(20)),
        ("frc=1", Some(ForeignWhat::Paused)),
        ("psm=1", Some(ForeignWhat::Phases(Phases::One))),
        ("amp=8&frc=1", Some(ForeignWhat::Paused)),
    ] {
        let pair = told_and_overruled(ForeignPolicy::Reassert, query);
        assert_eq!(pair.foreign(), [what, None], "{query}");
        assert_eq!(pair.charger.key("amp"), Some(&json!(16)), "{query}");
        assert_eq!(pair.status().obeyed, Some(amps(16)), "{query}");
        assert_eq!(pair.sets().len(), 1, "{query}: {:?}", pair.sets());
    }
}

#[test]
fn less_than_ours_may_stand_and_more_never() {
    for policy in [ForeignPolicy::Yield, ForeignPolicy::Ask] {
        for (query, what, obeyed) in [
            ("amp=8", current(8), amps(8)),
            ("frc=1", Some(ForeignWhat::Paused), ChargeCurrent::PAUSED),
        ] {
            let pair = told_and_overruled(policy, query);
            assert_eq!(pair.foreign(), [what], "{query}");
            assert_eq!(pair.status().obeyed, Some(obeyed), "{query}");
            assert!(pair.sets().is_empty(), "{query}: {:?}", pair.sets());
        }
        let pair = told_and_overruled(policy, "amp=20");
        assert_eq!(pair.foreign(), [current(20), None]);
        assert_eq!(pair.status().obeyed, Some(amps(16)));
    }
}

#[test]
fn what_stands_goes_down_with_our_setpoint_and_not_up_with_it() {
    let mut pair = told_and_overruled(ForeignPolicy::Yield, "amp=10");
    for (told, obeyed) in [(32, 10), (8, 8), (0, 0), (16, 10)] {
        pair.charge(told, Some(Phases::Three));
        pair.run(6_000);
        assert_eq!(pair.status().obeyed, Some(amps(obeyed)), "{told}");
    }
    // Whoever set it raises it, first below and then above what is ours.
    for (theirs, obeyed) in [(12, 12), (20, 16)] {
        pair.elsewhere(&format!("amp={theirs}"));
        pair.run(6_000);
        assert_eq!(pair.status().obeyed, Some(amps(obeyed)), "{theirs}");
    }
    assert_eq!(pair.foreign(), [current(10), current(12), current(20), None]);
}

#[test]
fn what_stands_ends_with_the_car_and_when_it_is_taken_back() {
    let mut pair = told_and_overruled(ForeignPolicy::Yield, "amp=10");
    pair.elsewhere("amp=16");
    pair.run(4_000);
    assert_eq!(pair.foreign(), [current(10), None]);
    pair.elsewhere("frc=1");
    pair.run(4_000);
    pair.plugged = false;
    pair.run(6_000);
    pair.plugged = true;
    pair.run(8_000);
    assert_eq!(
        pair.foreign(),
        [current(10), None, Some(ForeignWhat::Paused), None]
    );
    assert_eq!(pair.status().obeyed, Some(amps(16)));
}

#[test]
fn a_car_that_leaves_a_reboot_and_our_own_writes_are_nobody_else() {
    let mut pair = Pair::sharing(Variant::V4, ForeignPolicy::Yield, None);
    pair.run(2_000);
    for round in 0..3 {
        for told in [10, 0, 16, 6, 0] {
            pair.charge(told, None);
            pair.run(1_300);
        }
        pair.run(4_000);
        pair.plugged = round == 1;
        pair.run(6_000);
    }
    pair.charger.set_reaction(Millis(4_000));
    pair.plugged = true;
    pair.charge(9, None);
    pair.run(15_000);
    pair.charger.set_reaction(Millis(300));
    pair.booted_ms = pair.now.monotonic.0;
    pair.elsewhere("amp=16");
    pair.run(10_000);
    assert_eq!(pair.foreign(), [], "{:?}", pair.requests);
    assert_eq!(pair.status().obeyed, Some(amps(9)));
}

#[test]
fn a_charger_says_itself_what_became_of_a_write() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(3_000);
    pair.write_and_wait(7, "fna", "\"left\"");
    pair.run(300);
    assert_eq!(pair.answers(), [], "a good word is not enough");
    pair.run(3_000);
    assert_eq!(pair.answers(), [(7, Ok(Vec::new()))]);
    pair.write_and_wait(8, "alw", "true");
    pair.run(500);
    let refused = Err("alw: tried to set api key without setter (true)".to_owned());
    assert_eq!(pair.answers().last(), Some(&(8, refused)));
    pair.lose = Box::new(|_| true);
    pair.write_and_wait(9, "fna", "\"right\"");
    pair.write_and_wait(10, "fna", "\"wrong\"");
    pair.run(40_000);
    let late: Vec<_> = pair.answers().split_off(2);
    assert_eq!(late.len(), 2);
    assert_eq!(late[0], (9, Err("fna: overtaken by a newer value".to_owned())));
    assert_eq!(late[1], (10, Err("no answer within 2000 ms".to_owned())));
}

/// Firmware 60.3 says that it has taken what it has not.
#[test]
fn a_charger_that_takes_without_doing_is_found_out() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(3_000);
    pair.charger.set_reaction(Millis(1_000_000));
    pair.write_and_wait(7, "lbr", "10");
    pair.run(4_000);
    let answer = Err("lbr: taken, but the charger goes on showing 150".to_owned());
    assert_eq!(pair.answers(), [(7, answer)]);
}

#[test]
fn the_current_to_fall_back_to_is_programmed_once() {
    let mut pair = Pair::sharing(Variant::V4, ForeignPolicy::default(), Some(amps(8)));
    pair.run(130_000);
    assert_eq!(pair.sets(), ["lof=8"]);
    assert_eq!(pair.charger.key("lof"), Some(&json!(8)));
    assert_eq!(pair.errors, []);
}

#[test]
fn a_charger_that_does_not_keep_its_fall_back_is_named_and_not_worn_out() {
    let mut pair = Pair::sharing(Variant::V4, ForeignPolicy::default(), Some(amps(8)));
    pair.charger.set_reaction(Millis(1_000_000_000));
    pair.run(300_000);
    assert_eq!(pair.sets(), ["lof=8"]);
    assert_eq!(
        pair.errors.first().map(ToString::to_string).as_deref(),
        Some("current to fall back to (`lof`): 0 A; expected 8 A, as it was told")
    );
}
