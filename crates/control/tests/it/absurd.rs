//! Input that cannot be: `step` neither panics nor says anything dangerous.

use control::snapshot::{
    BatteryState, Circuit, CircuitKind, CircuitMeter, Dimming, Evse, Peak, Policy, Sharing, Snapshot, Sun,
};
use control::{Decision, Memory, step};
use model::device::{ChargeMode, Force, Wish};
use model::habits::Habits;
use model::id::{CircuitId, DeviceId, EvseId};
use model::limit::{LimitSource, Limited};
use model::money::{Currency, PerKwh};
use model::phases::{PerPhase, Phase, PhaseSet, Phases};
use model::reading::PilotState;
use model::reason::Cause;
use model::setpoint::ChargeCurrent;
use model::settings::ControlSettings;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts, PerMille, Watts};
use proptest::prelude::*;

use crate::safety::cases;

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0_i64..40_000,
        1 => -40_000_i64..0,
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(-1), any::<i64>()],
    ]
}

fn amps() -> impl Strategy<Value = MilliAmps> {
    number().prop_map(MilliAmps)
}

fn per_phase() -> impl Strategy<Value = PerPhase<MilliAmps>> {
    (amps(), amps(), amps()).prop_map(|(l1, l2, l3)| PerPhase::new(l1, l2, l3))
}

fn current() -> impl Strategy<Value = ChargeCurrent> {
    amps().prop_map(ChargeCurrent::at_most)
}

fn phases() -> impl Strategy<Value = Option<Phases>> {
    prop_oneof![Just(None), Just(Some(Phases::One)), Just(Some(Phases::Three))]
}

fn millis() -> impl Strategy<Value = Millis> {
    number().prop_map(Millis)
}

fn circuit() -> impl Strategy<Value = Circuit> {
    let meter =
        (prop::option::of(per_phase()), millis(), millis()).prop_map(|(current, age, period)| CircuitMeter {
            device: DeviceId::new("meter").unwrap(),
            current,
            age,
            period,
        });
    (
        0_u8..4,
        prop::option::of(prop_oneof![5 => 0_usize..4, 1 => Just(usize::MAX)]),
        per_phase(),
        prop::option::of(number().prop_map(Watts)),
        amps(),
        amps(),
        prop::option::of(meter),
        set(),
    )
        .prop_map(
            |(id, parent, limit, power_limit, reserve, credit, meter, set)| Circuit {
                // Ids repeat at times.
                id: CircuitId::new(&format!("c{id}")).unwrap(),
                parent,
                kind: if set.0 {
                    CircuitKind::Group
                } else {
                    CircuitKind::Wiring
                },
                limit,
                rule: None,
                power_limit,
                total_limit: set.1,
                skew_limit: set.2,
                share: PerMille(set.3),
                class: set.4,
                reserve,
                credit,
                meter,
            },
        )
}

/// What makes a set of a circuit: whether it is a group, sum, difference of phases, share, class.
fn set() -> impl Strategy<Value = (bool, Option<MilliAmps>, Option<MilliAmps>, i64, Option<u8>)> {
    (
        any::<bool>(),
        prop::option::of(amps()),
        prop::option::of(amps()),
        prop_oneof![3 => Just(1_000), 1 => number()],
        prop::option::of(0_u8..3),
    )
}

fn wish() -> impl Strategy<Value = Wish> {
    let mode = prop::sample::select(ChargeMode::ALL.to_vec());
    let force = prop::sample::select(vec![Force::Neutral, Force::Off, Force::On]);
    let price_limit = prop::option::of(number().prop_map(PerKwh));
    (mode, force, amps(), phases(), price_limit).prop_map(|(mode, force, current, phases, price_limit)| {
        Wish {
            mode,
            force,
            current,
            phases,
            energy_limit: None,
            price_limit,
        }
    })
}

fn evse() -> impl Strategy<Value = Evse> {
    let place = (
        0_u8..8,
        prop_oneof![5 => 0_usize..4, 1 => Just(usize::MAX)],
        0_u8..8,
        any::<bool>(),
        prop::collection::vec(prop_oneof![9 => 0_usize..4, 1 => Just(usize::MAX)], 0..3),
    );
    let size = (
        amps(),
        amps(),
        amps(),
        0_u8..3,
        any::<u16>(),
        current(),
        prop::option::of(current()),
    );
    let pilot = prop::sample::select(vec![
        PilotState::A,
        PilotState::B,
        PilotState::C,
        PilotState::D,
        PilotState::E,
        PilotState::F,
    ]);
    let state = (
        prop::option::of(millis()),
        pilot,
        any::<bool>(),
        prop::option::of(current()),
        0_u8..8,
        any::<bool>(),
        habits(),
    );
    let rest = (
        any::<bool>(),
        wish(),
        per_phase(),
        prop::option::of(number().prop_map(Timestamp)),
        prop::option::of(amps()),
        prop::option::of(number().prop_map(PerKwh)),
    );
    (place, size, state, rest).prop_map(|(place, size, state, rest)| Evse {
        id: EvseId::new(&format!("e{}", place.0)).unwrap(),
        circuit: place.1,
        groups: place.4,
        phases: PhaseSet::from_bits(place.2),
        phase_switching: place.3,
        one_phase: Phase::ALL[usize::from(place.2 % 3)],
        min: size.0,
        max: size.1,
        step: size.2,
        class: size.3,
        weight: size.4,
        fallback: size.5,
        watchdog: size.6,
        status_age: state.0,
        pilot: state.1,
        complete: state.2,
        obeyed: state.3,
        phases_in_use: PhaseSet::from_bits(state.4),
        enabled: rest.0,
        wish: rest.1,
        barred: state.5.then_some(Cause::AwaitingAuthorisation),
        cap: rest.4,
        rule: rest.4.map(|value| Limited {
            value,
            by: LimitSource::Wish,
        }),
        rule_mode: rest.0.then_some(ChargeMode::Solar),
        price: rest.5.map(|price| (price, Currency::EUR)),
        drawn: rest.2,
        plugged_since: rest.3,
        soc: rest.5.map(|value| PerMille(value.0)),
        habits: state.6,
        dimmable: state.2,
        before_battery: rest.0,
    })
}

fn habits() -> impl Strategy<Value = Habits> {
    let odd = (
        any::<u8>(),
        number(),
        prop::option::of(any::<u8>()),
        prop::option::of(millis()),
        any::<u8>(),
    );
    let odd = odd.prop_map(
        |(starts_per_hour, refill, top_ups, wake_after, phase_changes)| Habits {
            starts_per_hour,
            refill_after: PerMille(refill),
            top_ups,
            wake_after,
            phase_changes,
        },
    );
    prop_oneof![Just(Habits::default()), odd]
}

fn settings() -> impl Strategy<Value = ControlSettings> {
    let odd = (any::<bool>(), prop::array::uniform14(millis()));
    prop_oneof![
        Just(ControlSettings::default()),
        odd.prop_map(|(observe, m)| ControlSettings {
            observe,
            period: m[0],
            start_delay_solar: m[1],
            start_delay_grid: m[2],
            stop_delay: m[3],
            min_on: m[4],
            min_off: m[5],
            rise_window: m[6],
            ack_timeout: m[7],
            station_timeout: m[8],
            overload_hold: m[9],
            narrow_delay: m[10],
            widen_delay: m[11],
            phases_hold: m[12],
            phases_pause: m[13],
        }),
    ]
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let battery =
        (number(), prop::option::of(number()), number(), number()).prop_map(|(p, soc, max, below)| {
            BatteryState {
                power: Watts(p),
                soc: soc.map(PerMille),
                max_charge: Watts(max),
                priority_below: PerMille(below),
                buffer_from: soc.map(PerMille),
                start_from: Some(PerMille(max)),
                max_discharge: Watts(p),
            }
        });
    let sun = (
        prop::option::of(number()),
        prop::option::of(number()),
        prop::option::of(battery),
    )
        .prop_map(|(grid, pv, battery)| Sun {
            grid: grid.map(Watts),
            pv: pv.map(Watts),
            battery,
            house: pv.map(Watts),
        });
    let voltage = prop_oneof![Just(230_000_i64), number()];
    let sharing = (any::<bool>(), millis()).prop_map(|(is_strict, quantum)| Sharing {
        policy: if is_strict {
            Policy::Strict
        } else {
            Policy::MinimumFirst
        },
        quantum,
    });
    let circuits = prop::collection::vec(circuit(), 0..5);
    let evses = prop::collection::vec(evse(), 0..7);
    (settings(), voltage, circuits, evses, sun, sharing, grid()).prop_map(
        |(settings, voltage, circuits, evses, sun, sharing, grid)| Snapshot {
            settings,
            voltage: MilliVolts(voltage),
            circuits,
            evses,
            sun,
            sharing,
            hour_of_week: grid.0,
            peak: grid.1,
            dimming: grid.2,
            feed_in: grid.3,
        },
    )
}

/// Hour of the week, peak, order of the grid operator, limit of what is fed in.
type Grid = (Option<u8>, Option<Peak>, Option<Dimming>, Option<Watts>);

fn grid() -> impl Strategy<Value = Grid> {
    let peak = (number(), any::<bool>(), number(), number(), millis()).prop_map(
        |(target, follow, quarter, month, passed)| Peak {
            target: Watts(target),
            follow,
            quarter,
            month,
            passed,
            ends: Timestamp(quarter),
        },
    );
    let dimming = (prop::option::of(number()), number()).prop_map(|(limit, since)| Dimming {
        limit: limit.map(Watts),
        since: Timestamp(since),
        until: limit.map(Timestamp),
    });
    (
        prop::option::of(any::<u8>()),
        prop::option::of(peak),
        prop::option::of(dimming),
        prop::option::of(number().prop_map(Watts)),
    )
}

fn run(snapshots: &[(Snapshot, i64)]) -> Vec<Decision> {
    let mut memory = Memory::default();
    let mut decision = Decision::default();
    let mut now = Now::default();
    snapshots
        .iter()
        .map(|(snapshot, span)| {
            now = now.after(Millis(*span));
            step(snapshot, &mut memory, now, &mut decision);
            decision.clone()
        })
        .collect()
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn odd_input_gives_a_safe_decision_and_the_same_one_twice(
        snapshots in prop::collection::vec((snapshot(), prop_oneof![Just(1_000_i64), number()]), 1..6)
    ) {
        let decisions = run(&snapshots);
        prop_assert_eq!(&decisions, &run(&snapshots));
        for ((snapshot, _), decision) in snapshots.iter().zip(&decisions) {
            prop_assert_eq!(decision.verdicts.len(), snapshot.evses.len());
            prop_assert_eq!(decision.headroom.len(), snapshot.circuits.len());
            for (evse, verdict) in snapshot.evses.iter().zip(&decision.verdicts) {
                let Some(told) = verdict.told.current() else { continue };
                prop_assert!(told <= evse.max && told <= evse.wish.current && told >= evse.min);
                prop_assert!(evse.circuit < snapshot.circuits.len());
                prop_assert!(evse.enabled && evse.wish.effective_mode() != ChargeMode::Off);
                prop_assert!(!verdict.cause.text().is_empty());
            }
        }
    }
}

#[test]
fn an_empty_site_and_a_clock_that_runs_backwards_are_no_trouble() {
    let snapshot = Snapshot {
        settings: ControlSettings::default(),
        voltage: MilliVolts(0),
        circuits: Vec::new(),
        evses: Vec::new(),
        sun: Sun::default(),
        sharing: Sharing::default(),
        hour_of_week: None,
        peak: None,
        dimming: None,
        feed_in: None,
    };
    let (mut memory, mut decision) = (Memory::default(), Decision::default());
    for monotonic in [5_000, 4_000, i64::MAX, i64::MIN] {
        let now = Now {
            wall: Timestamp(0),
            monotonic: Monotonic(monotonic),
        };
        step(&snapshot, &mut memory, now, &mut decision);
        assert_eq!(decision, Decision::default());
    }
}
