//! Setpoints reach the charger, and what it shows is what is reported.

use model::phases::{PhaseSet, Phases};
use model::reading::PilotState;
use model::setpoint::ChargeCurrent;
use model::time::Millis;
use model::units::{MilliAmps, MilliVolts, Watts};
use proptest::prelude::*;
use serde_json::json;

use super::pair::Pair;
use crate::goe::Variant;

fn amps(amps: i64) -> Option<ChargeCurrent> {
    Some(ChargeCurrent::at_most(MilliAmps::from_amps(amps)))
}

#[test]
fn a_setpoint_is_obeyed_and_reads_back() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(3_000);
    for (told, sets) in [
        (10, vec!["amp=10"]),
        (0, vec!["frc=1"]),
        (6, vec!["amp=6&frc=2"]),
        (32, vec!["amp=32"]),
    ] {
        pair.requests.clear();
        pair.charge(told, None);
        pair.run(4_000);
        assert_eq!(pair.sets(), sets, "{told}");
        assert_eq!(pair.status().obeyed, amps(told), "{told}");
        assert_eq!(pair.drawn(), MilliAmps::from_amps(told));
    }
    let status = pair.status();
    assert_eq!(
        (status.pilot, status.complete, status.terminals),
        (PilotState::C, false, PhaseSet::ALL)
    );
    assert_eq!(status.max_current, Some(MilliAmps(32_000)));
    let measured = pair.measured();
    assert_eq!(measured.power, Some(Watts(22_128)));
    assert_eq!(
        measured.voltage.map(|voltage| voltage.l3),
        Some(MilliVolts(230_500))
    );
    assert!(measured.energy_in.unwrap().0 > 527_952);
    assert!(pair.errors.is_empty(), "{:?}", pair.errors);
}

#[test]
fn a_setpoint_leaves_before_any_poll_and_only_the_newest() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(3_000);
    pair.latency_ms = 1_500;
    pair.run(2_000);
    pair.charge(20, None);
    pair.charge(12, None);
    pair.charge(8, None);
    let asked = pair.requests.len();
    pair.run(4_000);
    assert_eq!(pair.sets(), ["amp=8"]);
    assert!(
        pair.requests[asked + 1].contains("/api/set"),
        "right after the poll that was under way"
    );
}

#[test]
fn the_same_setpoint_is_written_once() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(2_000);
    for _ in 0..60 {
        pair.charge(11, None);
        pair.run(1_000);
    }
    assert_eq!(pair.sets(), ["amp=11"]);
}

#[test]
fn a_slow_charger_is_told_again_and_reported_as_it_is() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(3_000);
    pair.charger.set_reaction(Millis(8_000));
    pair.charge(7, None);
    pair.run(5_000);
    assert_eq!(pair.status().obeyed, amps(16), "it has not done anything yet");
    pair.run(6_000);
    assert_eq!(pair.status().obeyed, amps(7));
    let told = pair.sets().len();
    assert!((2..=4).contains(&told), "{:?}", pair.sets());
    pair.run(20_000);
    assert_eq!(pair.sets().len(), told);
}

#[test]
fn a_charger_that_ignores_a_setpoint_is_reported_as_it_is() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(3_000);
    pair.charger.set_reaction(Millis(1_000_000_000));
    pair.charge(0, None);
    pair.run(60_000);
    assert_eq!(pair.sets().len(), 6);
    assert_eq!(
        (pair.status().obeyed, pair.drawn()),
        (amps(16), MilliAmps(16_000))
    );
    assert_eq!(pair.links().len(), 1, "it answers, so it is online");
}

#[test]
fn a_pause_outlasts_a_change_of_cars() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(2_000);
    pair.charge(0, None);
    pair.run(4_000);
    assert_eq!(pair.status().pilot, PilotState::B);
    assert!(
        !pair.status().complete,
        "a car that is kept from charging is not full"
    );
    pair.plugged = false;
    pair.run(4_000);
    assert_eq!(pair.status().pilot, PilotState::A);
    assert_eq!(
        pair.charger.key("frc"),
        Some(&json!(1)),
        "told again after it had fallen back"
    );
    pair.plugged = true;
    pair.run(5_000);
    assert_eq!(
        (pair.status().pilot, pair.status().obeyed, pair.drawn()),
        (PilotState::B, amps(0), MilliAmps(0))
    );
}

#[test]
fn a_full_car_stays_full_while_it_is_paused() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(3_000);
    pair.complete = true;
    pair.run(3_000);
    assert_eq!(
        (pair.status().pilot, pair.status().complete),
        (PilotState::B, true)
    );
    pair.charge(0, None);
    pair.run(5_000);
    assert_eq!(
        (pair.status().pilot, pair.status().complete),
        (PilotState::B, true)
    );
    pair.complete = false;
    pair.charge(6, None);
    pair.run(5_000);
    assert_eq!(
        (pair.status().pilot, pair.status().complete),
        (PilotState::C, false)
    );
}

#[test]
fn one_phase_means_one_terminal_after_a_pause() {
    let mut pair = Pair::new(Variant::V3);
    pair.run(3_000);
    pair.charge(10, Some(Phases::One));
    pair.run(5_000);
    assert_eq!(
        pair.sets(),
        ["psm=1&amp=10", "frc=2"],
        "in neutral a pause may be the charger's own"
    );
    assert_eq!(
        (pair.status().pilot, pair.drawn()),
        (PilotState::B, MilliAmps(0)),
        "the contactor is open"
    );
    assert!(!pair.status().complete);
    pair.run(10_000);
    let status = pair.status();
    assert_eq!((status.pilot, status.terminals), (PilotState::C, PhaseSet::L1));
    assert_eq!(
        status.current.unwrap().into_array().map(|current| current.0),
        [10_000, 0, 0]
    );
    assert_eq!(status.max_current, Some(MilliAmps(16_000)));
}

#[test]
fn an_eleven_kilowatt_charger_reads_back_what_it_can_do() {
    let mut pair = Pair::new(Variant::V3);
    pair.run(2_000);
    pair.charge(32, None);
    pair.run(4_000);
    assert_eq!(pair.sets(), ["amp=32"]);
    assert_eq!(
        (pair.status().obeyed, pair.drawn()),
        (amps(16), MilliAmps(16_000))
    );
}

#[test]
fn vendor_writes_arrive_and_read_back_and_refusals_are_told() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(3_000);
    pair.write("fna", "\"left & right\"");
    pair.run(4_000);
    assert_eq!(pair.sets(), ["fna=%22left%20%26%20right%22"]);
    assert!(
        pair.documents()
            .last()
            .unwrap()
            .json
            .contains("\"fna\":\"left & right\"")
    );
    pair.write("alw", "true");
    pair.run(1_000);
    assert_eq!(pair.errors.len(), 1);
    assert_eq!(
        pair.errors[0].to_string(),
        "set `alw`: HTTP 500 alw: tried to set api key without setter (true); expected true under every key"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn whatever_is_lost_the_last_setpoint_arrives(
        lost in proptest::collection::vec(any::<bool>(), 20),
        told in proptest::collection::vec((0_i64..33, 0_i64..4_000), 1..8),
        latency_ms in 0_i64..1_500,
    ) {
        let mut pair = Pair::new(Variant::V4);
        pair.latency_ms = latency_ms;
        pair.lose = Box::new(move |n| usize::try_from(n).is_ok_and(|n| lost.get(n).copied().unwrap_or(false)));
        for (amps, wait) in &told {
            pair.charge(*amps, None);
            pair.run(*wait);
        }
        // 20 lost exchanges with waits of up to 12.5 s, and then a few seconds.
        pair.run(320_000);
        let last = told.last().map_or(0, |(amps, _)| *amps);
        prop_assert_eq!(pair.status().obeyed, amps(last));
        prop_assert_eq!(pair.links().pop(), Some(model::device::LinkState::Online));
    }
}
