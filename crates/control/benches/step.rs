//! One cycle of a site with 2 to 10,000 EVSEs in one tree, all charging and short of current.

use std::hint::black_box;

use control::snapshot::{Circuit, CircuitKind, CircuitMeter, Evse, Sharing, Snapshot, Sun};
use control::{Decision, Memory, allocate_again, step};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use model::device::{ChargeMode, Force, Wish};
use model::habits::Habits;
use model::id::{CircuitId, DeviceId, EvseId};
use model::phases::{PerPhase, Phase, PhaseSet};
use model::reading::PilotState;
use model::setpoint::ChargeCurrent;
use model::settings::ControlSettings;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts, PerMille, Watts};

/// EVSEs behind one fuse; ten such behind one distribution board.
const PER_ROW: usize = 20;

fn circuit(id: &str, parent: Option<usize>, amps: i64, has_meter: bool) -> Circuit {
    Circuit {
        id: CircuitId::new(id).expect("a valid id"),
        parent,
        kind: CircuitKind::Wiring,
        limit: PerPhase::all(MilliAmps::from_amps(amps)),
        rule: None,
        power_limit: has_meter.then(|| Watts(amps * 690)),
        total_limit: None,
        skew_limit: None,
        share: PerMille(1_000),
        class: None,
        reserve: MilliAmps(500),
        credit: MilliAmps::ZERO,
        meter: has_meter.then(|| CircuitMeter {
            device: DeviceId::new(&format!("meter-{id}")).expect("a valid id"),
            current: Some(PerPhase::all(MilliAmps(5_000))),
            age: Millis(300),
            period: Millis(1_000),
        }),
    }
}

fn depot(count: usize) -> Snapshot {
    let number = |n: usize| i64::try_from(n).expect("small");
    let mut circuits = vec![circuit("root", None, 5 + 9 * number(count), true)];
    let mut evses = Vec::new();
    let mut row = 0;
    for index in 0..count {
        if index % (PER_ROW * 10) == 0 {
            circuits.push(circuit(&format!("board-{index}"), Some(0), 2_000, true));
        }
        if index % PER_ROW == 0 {
            let board = circuits.iter().rposition(|circuit| circuit.parent == Some(0));
            circuits.push(circuit(&format!("row-{index}"), board, 220, false));
            row = circuits.len() - 1;
        }
        evses.push(evse(index, row));
    }
    Snapshot {
        settings: ControlSettings::default(),
        voltage: MilliVolts(230_000),
        circuits,
        evses,
        sun: Sun {
            grid: Some(Watts(-5_000)),
            pv: Some(Watts(-20_000)),
            battery: None,
            house: None,
        },
        sharing: Sharing::default(),
        hour_of_week: None,
        peak: None,
        dimming: None,
        feed_in: None,
    }
}

fn evse(index: usize, circuit: usize) -> Evse {
    let mode = [
        ChargeMode::Fast,
        ChargeMode::Solar,
        ChargeMode::MinSolar,
        ChargeMode::Fast,
    ][index % 4];
    let feet = [PhaseSet::ALL, PhaseSet::L1, PhaseSet::L2][index % 3];
    Evse {
        id: EvseId::new(&format!("evse-{index}")).expect("a valid id"),
        circuit,
        groups: Vec::new(),
        phases: feet,
        phase_switching: index.is_multiple_of(5),
        one_phase: Phase::ALL[index % 3],
        min: MilliAmps(6_000),
        max: MilliAmps([16_000, 32_000][index % 2]),
        step: MilliAmps(1_000),
        class: [0, 1, 1][index % 3],
        weight: [1, 2, 3][index % 3],
        fallback: ChargeCurrent::PAUSED,
        watchdog: None,
        enabled: true,
        cap: None,
        rule: None,
        rule_mode: None,
        price: None,
        barred: None,
        wish: Wish {
            mode,
            force: Force::Neutral,
            current: MilliAmps(32_000),
            phases: None,
            energy_limit: None,
            price_limit: None,
        },
        status_age: Some(Millis(200)),
        pilot: PilotState::C,
        complete: false,
        obeyed: Some(ChargeCurrent::PAUSED),
        phases_in_use: PhaseSet::NONE,
        drawn: PerPhase::default(),
        plugged_since: Some(Timestamp(i64::try_from(index * 7_919 % 1_000).expect("small"))),
        soc: None,
        habits: Habits::default(),
        dimmable: true,
        before_battery: false,
    }
}

/// Every EVSE does what it was told.
fn follow(snapshot: &mut Snapshot, decision: &Decision) {
    let mut sum = PerPhase::all(MilliAmps(5_000));
    for (evse, verdict) in snapshot.evses.iter_mut().zip(&decision.verdicts) {
        let current = verdict.told.or_zero();
        evse.obeyed = Some(verdict.told);
        evse.drawn = PerPhase::default();
        for phase in evse.phases.iter() {
            evse.drawn[phase] = current;
            sum[phase] += current;
        }
        evse.phases_in_use = if verdict.told.is_paused() {
            PhaseSet::NONE
        } else {
            evse.phases
        };
    }
    if let Some(meter) = &mut snapshot.circuits[0].meter {
        meter.current = Some(sum);
    }
}

fn steps(criterion: &mut Criterion) {
    rows(criterion, "step", |snapshot, memory, now, decision| {
        step(snapshot, memory, now, decision);
    });
    rows(criterion, "allocate", |snapshot, memory, now, _| {
        allocate_again(snapshot, memory, now);
    });
}

fn rows(
    criterion: &mut Criterion,
    name: &str,
    measured: impl Fn(&Snapshot, &mut Memory, Now, &mut Decision),
) {
    let mut group = criterion.benchmark_group(name);
    for count in [2, 100, 1_000, 10_000] {
        let mut snapshot = depot(count);
        let (mut memory, mut decision) = (Memory::default(), Decision::default());
        let mut now = Now {
            wall: Timestamp(0),
            monotonic: Monotonic(0),
        };
        for _ in 0..120 {
            step(&snapshot, &mut memory, now, &mut decision);
            follow(&mut snapshot, &decision);
            now = now.after(Millis(1_000));
        }
        group.throughput(Throughput::Elements(u64::try_from(count).expect("small")));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                now = now.after(Millis(1_000));
                measured(black_box(&snapshot), &mut memory, now, &mut decision);
                black_box(&decision);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
