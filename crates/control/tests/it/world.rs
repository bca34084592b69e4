//! A small site with time: what was told arrives late, cars take their time, readings are old.
//!
//! It knows nothing of how control works. What may be in use is reckoned here again, from the commands that
//! were sent and what the boxes and cars truly do.

use control::snapshot::{
    BatteryState, Circuit, CircuitKind, CircuitMeter, Dimming, Evse, Peak, Sharing, Snapshot, Sun,
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

pub const VOLT: i64 = 230;

pub struct Node {
    pub id: CircuitId,
    pub parent: Option<usize>,
    pub limit: [i64; 3],
    pub power_limit: Option<i64>,
    pub is_group: bool,
    pub total_limit: Option<i64>,
    pub skew_limit: Option<i64>,
    /// Per mille.
    pub share: i64,
    pub class: Option<u8>,
    pub reserve: i64,
    pub credit: i64,
    /// True load beside our EVSEs at this circuit itself, mA; may be negative.
    pub load: [i64; 3],
    pub has_meter: bool,
    /// Set: the meter says nothing new.
    pub silent_since: Option<i64>,
    pub never_heard: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plug {
    None,
    /// Plugged in, does not ask until offered.
    Idle,
    Asks,
    Complete,
}

pub struct Box {
    pub id: EvseId,
    pub circuit: usize,
    pub groups: Vec<usize>,
    pub phases: PhaseSet,
    pub car_phases: PhaseSet,
    pub phase_switching: bool,
    pub min: i64,
    pub max: i64,
    pub step: i64,
    pub class: u8,
    pub weight: u16,
    pub fallback: ChargeCurrent,
    pub watchdog: Option<ChargeCurrent>,
    pub enabled: bool,
    pub wish: Wish,
    pub barred: Option<Cause>,
    pub cap: Option<i64>,
    /// mA of rule 2 of rule set `night`.
    pub rule: Option<i64>,
    pub rule_mode: Option<ChargeMode>,
    /// Millionths per kWh.
    pub price: Option<i64>,
    pub plug: Plug,
    pub plugged_since: i64,
    pub habits: Habits,
    pub dimmable: bool,
    pub before_battery: bool,
    /// Per mille.
    pub soc: Option<i64>,
    /// It asks only after what it was offered went away for a moment.
    pub sleeps: bool,
    /// How often its contactor changed while current flowed, and changed at all.
    pub changed_under_load: usize,
    pub changed: usize,
    /// What the car takes at most.
    pub car_max: i64,
    pub silent_since: Option<i64>,
    pub never_heard: bool,
    pub ignores: bool,
    /// The setpoint the box obeys now.
    pub setpoint: i64,
    pub drawn: [i64; 3],
    /// When, what, whether on one phase: on the way to the box.
    pub in_flight: Vec<(i64, i64, Option<Phases>)>,
    pub one_phase: bool,
    /// Setpoints and when they came into force.
    obeyed: Vec<(i64, i64)>,
    past: Vec<([i64; 3], i64)>,
}

pub struct World {
    pub now: i64,
    pub wall_shift: i64,
    pub settings: ControlSettings,
    pub sharing: Sharing,
    pub nodes: Vec<Node>,
    pub boxes: Vec<Box>,
    /// W, positive when the sun shines.
    pub sun: Option<i64>,
    pub battery: Option<BatteryState>,
    /// Target of a quarter in W, and whether the month's highest is followed.
    pub peak: Option<(i64, bool)>,
    /// The order of the grid operator: in W, or what is kept in any case.
    pub dimming: Option<Option<i64>>,
    pub feed_in: Option<i64>,
    pub hour_of_week: Option<u8>,
    /// W that the house is taken to use where nothing measures at the grid connection.
    pub house: Option<i64>,
    pub has_grid_reading: bool,
    pub command_delay: i64,
    pub car_delay: i64,
    pub meter_lag: i64,
    pub status_lag: i64,
    pub memory: Memory,
    pub decision: Decision,
    pub snapshot: Snapshot,
    /// True sums per circuit and phase, one entry per tick.
    past: Vec<Vec<[i64; 3]>>,
}

pub const TICK: i64 = 1_000;

impl World {
    pub fn new() -> Self {
        let settings = ControlSettings::default();
        Self {
            now: 1_000_000,
            wall_shift: 1_700_000_000_000,
            settings,
            sharing: Sharing::default(),
            nodes: Vec::new(),
            boxes: Vec::new(),
            sun: None,
            battery: None,
            peak: None,
            dimming: None,
            feed_in: None,
            hour_of_week: None,
            house: None,
            has_grid_reading: true,
            command_delay: 500,
            car_delay: 1_000,
            meter_lag: 0,
            status_lag: 0,
            memory: Memory::default(),
            decision: Decision::default(),
            snapshot: Snapshot {
                settings,
                voltage: MilliVolts(VOLT * 1_000),
                circuits: Vec::new(),
                evses: Vec::new(),
                sun: Sun::default(),
                sharing: Sharing::default(),
                hour_of_week: None,
                peak: None,
                dimming: None,
                feed_in: None,
            },
            past: Vec::new(),
        }
    }

    pub fn node(&mut self, id: &str, parent: Option<usize>, limit: i64, has_meter: bool) -> usize {
        self.nodes.push(Node {
            id: CircuitId::new(id).unwrap(),
            parent,
            limit: [limit; 3],
            power_limit: None,
            is_group: false,
            total_limit: None,
            skew_limit: None,
            share: 1_000,
            class: None,
            reserve: 0,
            credit: 0,
            load: [0; 3],
            has_meter,
            silent_since: None,
            never_heard: false,
        });
        self.nodes.len() - 1
    }

    pub fn add(&mut self, id: &str, circuit: usize, max: i64, mode: ChargeMode) -> usize {
        self.boxes.push(Box {
            id: EvseId::new(id).unwrap(),
            circuit,
            groups: Vec::new(),
            phases: PhaseSet::ALL,
            car_phases: PhaseSet::ALL,
            phase_switching: false,
            min: 6_000,
            max,
            step: 1_000,
            class: 0,
            weight: 1,
            fallback: ChargeCurrent::at_most(MilliAmps(6_000)),
            watchdog: None,
            enabled: true,
            wish: Wish {
                mode,
                force: Force::Neutral,
                current: MilliAmps(max),
                phases: None,
                energy_limit: None,
                price_limit: None,
            },
            barred: None,
            cap: None,
            rule: None,
            rule_mode: None,
            price: None,
            plug: Plug::Asks,
            plugged_since: self.boxes.len() as i64,
            habits: Habits::default(),
            dimmable: true,
            before_battery: false,
            soc: None,
            sleeps: false,
            changed_under_load: 0,
            changed: 0,
            car_max: 100_000,
            silent_since: None,
            never_heard: false,
            ignores: false,
            setpoint: 0,
            drawn: [0; 3],
            in_flight: Vec::new(),
            one_phase: false,
            obeyed: Vec::new(),
            past: Vec::new(),
        });
        self.boxes.len() - 1
    }

    /// Everything that flows at a circuit now, in truth.
    pub fn truth(&self, circuit: usize) -> [i64; 3] {
        let mut sum = [0; 3];
        for (index, node) in self.nodes.iter().enumerate() {
            if self.is_below(index, circuit) {
                add(&mut sum, node.load);
            }
        }
        for evse in &self.boxes {
            if self.counts_in(evse, circuit) {
                add(&mut sum, evse.drawn);
            }
        }
        if circuit == 0 {
            add(&mut sum, [-self.sun.unwrap_or(0) * 1_000 / VOLT / 3; 3]);
            add(
                &mut sum,
                [self.battery.map_or(0, |battery| battery.power.0) * 1_000 / VOLT / 3; 3],
            );
        }
        sum
    }

    /// Whether what an EVSE draws flows through a circuit, or counts in a group.
    pub fn counts_in(&self, evse: &Box, node: usize) -> bool {
        let mut leaves = evse.groups.iter().chain([&evse.circuit]);
        leaves.any(|leaf| self.is_below(*leaf, node))
    }

    pub fn is_below(&self, circuit: usize, ancestor: usize) -> bool {
        let mut next = Some(circuit);
        while let Some(index) = next {
            if index == ancestor {
                return true;
            }
            next = self.nodes[index].parent;
        }
        false
    }

    /// One cycle, and a second of physics after it.
    pub fn tick(&mut self) {
        self.cycle();
        self.pass(TICK);
    }

    pub fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.tick();
        }
    }

    /// Freezes a snapshot, decides, sends.
    pub fn cycle(&mut self) {
        self.past
            .push((0..self.nodes.len()).map(|circuit| self.truth(circuit)).collect());
        for evse in &mut self.boxes {
            evse.past.push((evse.drawn, evse.setpoint));
        }
        self.freeze();
        let now = Now {
            wall: Timestamp(self.now + self.wall_shift),
            monotonic: Monotonic(self.now),
        };
        step(&self.snapshot, &mut self.memory, now, &mut self.decision);
        if self.settings.observe {
            return;
        }
        for (evse, verdict) in self.boxes.iter_mut().zip(&self.decision.verdicts) {
            evse.in_flight.push((
                self.now + self.command_delay,
                verdict.told.or_zero().0,
                // Nothing said: they stay as they are.
                verdict.phases.or(evse.one_phase.then_some(Phases::One)),
            ));
        }
    }

    fn freeze(&mut self) {
        self.snapshot.settings = self.settings;
        self.snapshot.sharing = self.sharing;
        let read = |lag: i64, since: Option<i64>| {
            let at = (self.now - lag * TICK).min(since.unwrap_or(i64::MAX));
            let back = ((self.now - at) / TICK).clamp(0, self.past.len() as i64 - 1);
            (self.past.len() - 1 - back as usize, Millis(back * TICK))
        };
        self.snapshot.circuits = (0..self.nodes.len())
            .map(|index| {
                let node = &self.nodes[index];
                let (at, age) = read(self.meter_lag, node.silent_since);
                Circuit {
                    id: node.id.clone(),
                    parent: node.parent,
                    kind: if node.is_group {
                        CircuitKind::Group
                    } else {
                        CircuitKind::Wiring
                    },
                    limit: PerPhase::from_array(node.limit.map(MilliAmps)),
                    rule: None,
                    power_limit: node.power_limit.map(Watts),
                    total_limit: node.total_limit.map(MilliAmps),
                    skew_limit: node.skew_limit.map(MilliAmps),
                    share: PerMille(node.share),
                    class: node.class,
                    reserve: MilliAmps(node.reserve),
                    credit: MilliAmps(node.credit),
                    meter: node.has_meter.then(|| CircuitMeter {
                        device: DeviceId::new(&format!("meter-{}", node.id)).unwrap(),
                        current: (!node.never_heard)
                            .then(|| PerPhase::from_array(self.past[at][index].map(MilliAmps))),
                        age,
                        period: Millis(TICK),
                    }),
                }
            })
            .collect();
        self.snapshot.evses = (0..self.boxes.len())
            .map(|index| {
                let evse = &self.boxes[index];
                let (at, age) = read(self.status_lag, evse.silent_since);
                let at = at.saturating_sub(self.past.len() - evse.past.len());
                let (drawn, setpoint) = evse.past[at];
                let in_use = (0..3)
                    .filter(|p| drawn[*p] > 500)
                    .fold(0_u8, |bits, phase| bits | (1 << phase));
                Evse {
                    id: evse.id.clone(),
                    circuit: evse.circuit,
                    groups: evse.groups.clone(),
                    phases: evse.phases,
                    phase_switching: evse.phase_switching,
                    one_phase: evse.phases.iter().next().unwrap_or(Phase::L1),
                    min: MilliAmps(evse.min),
                    max: MilliAmps(evse.max),
                    step: MilliAmps(evse.step),
                    class: evse.class,
                    weight: evse.weight,
                    fallback: evse.fallback,
                    watchdog: evse.watchdog,
                    enabled: evse.enabled,
                    wish: evse.wish,
                    barred: evse.barred.clone(),
                    cap: evse.cap.map(MilliAmps),
                    rule: evse.rule.map(|current| Limited {
                        value: MilliAmps(current),
                        by: LimitSource::Rule {
                            set: "night".parse().unwrap(),
                            rule: Some(2),
                        },
                    }),
                    rule_mode: evse.rule_mode,
                    price: evse.price.map(|price| (PerKwh(price), Currency::EUR)),
                    status_age: (!evse.never_heard).then_some(age),
                    pilot: if evse.never_heard {
                        PilotState::A
                    } else {
                        evse.pilot()
                    },
                    complete: evse.plug == Plug::Complete,
                    obeyed: (!evse.never_heard).then_some(ChargeCurrent::at_most(MilliAmps(setpoint))),
                    phases_in_use: PhaseSet::from_bits(in_use),
                    drawn: PerPhase::from_array(drawn.map(MilliAmps)),
                    plugged_since: (evse.plug != Plug::None).then_some(Timestamp(evse.plugged_since)),
                    soc: evse.soc.map(PerMille),
                    habits: evse.habits,
                    dimmable: evse.dimmable,
                    before_battery: evse.before_battery,
                }
            })
            .collect();
        let grid = self.past[self.past.len() - 1][0].iter().sum::<i64>() * VOLT / 1_000;
        self.snapshot.sun = Sun {
            grid: (self.has_grid_reading && self.nodes[0].silent_since.is_none()).then_some(Watts(grid)),
            pv: self.sun.map(|watts| Watts(-watts)),
            battery: self.battery,
            house: self.house.map(Watts),
        };
        self.snapshot.hour_of_week = self.hour_of_week;
        self.snapshot.feed_in = self.feed_in.map(Watts);
        // The first quarter begins with the story.
        let passed = self.now - 1_000_000;
        self.snapshot.peak = self.peak.map(|(target, follow)| Peak {
            target: Watts(target),
            follow,
            quarter: passed / 900_000,
            month: 0,
            passed: Millis(passed % 900_000),
            ends: Timestamp(self.now + self.wall_shift + 900_000 - passed % 900_000),
        });
        self.snapshot.dimming = self.dimming.map(|limit| Dimming {
            limit: limit.map(Watts),
            since: Timestamp(0),
            until: None,
        });
    }

    /// Time passes: commands arrive, cars follow.
    pub fn pass(&mut self, span: i64) {
        self.now += span;
        for evse in &mut self.boxes {
            let (now, car_delay) = (self.now, self.car_delay);
            evse.pass(now, car_delay);
        }
    }

    /// A new process that knows only what the last one told.
    pub fn restart(&mut self) {
        let told = self.boxes.iter().zip(&self.decision.verdicts);
        self.memory = Memory::restored(told.map(|(evse, verdict)| (evse.id.clone(), verdict.told)));
    }

    pub fn told(&self, evse: usize) -> i64 {
        self.decision.verdicts[evse].told.or_zero().0
    }

    pub fn set_battery(&mut self, power: i64, soc: i64, priority_below: i64) {
        self.battery = Some(BatteryState {
            power: Watts(power),
            soc: Some(PerMille(soc)),
            max_charge: Watts(3_000),
            priority_below: PerMille(priority_below),
            buffer_from: None,
            start_from: None,
            max_discharge: Watts(3_000),
        });
    }
}

impl Box {
    /// A car that is plugged in feels what the box offers, not what it once offered to another.
    pub fn replug(&mut self, plug: Plug, now: i64) {
        if self.plug == plug {
            return;
        }
        self.plug = plug;
        self.sleeps = false;
        self.plugged_since = now;
        self.obeyed = vec![(now, self.setpoint)];
    }

    /// Somebody else sets it.
    pub fn set(&mut self, now: i64, current: i64) {
        self.setpoint = current;
        self.obeyed.push((now, current));
    }

    fn pilot(&self) -> PilotState {
        match self.plug {
            Plug::None => PilotState::A,
            Plug::Idle | Plug::Complete => PilotState::B,
            Plug::Asks => PilotState::C,
        }
    }

    fn pass(&mut self, now: i64, car_delay: i64) {
        while let Some((at, current, phases)) = self.in_flight.first().copied().filter(|(at, ..)| *at <= now)
        {
            self.in_flight.remove(0);
            if self.ignores || self.silent_since.is_some() {
                continue;
            }
            if self.sleeps && current == 0 && self.setpoint > 0 && self.plug == Plug::Idle {
                self.sleeps = false;
                self.plug = Plug::Asks;
            }
            if current != self.setpoint {
                self.setpoint = current;
                self.obeyed.push((at, current));
            }
            let one_phase = phases == Some(Phases::One);
            if one_phase != self.one_phase {
                self.changed += 1;
                self.changed_under_load += usize::from(self.drawn != [0; 3]);
            }
            self.one_phase = one_phase;
        }
        let felt = self
            .obeyed
            .iter()
            .rev()
            .find(|(at, _)| now - at >= car_delay)
            .map(|(_, current)| *current);
        let felt = felt.unwrap_or(if self.obeyed.is_empty() { self.setpoint } else { 0 });
        // Who begins to draw begins with what is offered now.
        let felt = if self.drawn == [0; 3] {
            felt.min(self.setpoint)
        } else {
            felt
        };
        let current = if self.plug == Plug::Asks {
            felt.min(self.car_max)
        } else {
            0
        };
        let current = if current < 6_000 && self.car_max >= 6_000 {
            0
        } else {
            current
        };
        let bits = if self.one_phase {
            1 << self.phases.bits().trailing_zeros()
        } else {
            self.car_phases.bits()
        };
        self.drawn = std::array::from_fn(|phase| if bits & (1 << phase) != 0 { current } else { 0 });
    }

    /// The most that may flow in a phase whatever happens to the commands on the way. A car that left,
    /// stopped or took less while its box was silent cannot be told from a load that went off.
    pub fn worst(&self, phase: usize) -> i64 {
        let is_less = self.plug != Plug::Asks || self.car_max < self.setpoint;
        if self.silent_since.is_some() && is_less {
            return self.drawn[phase];
        }
        // Without a car nothing flows, whatever a box goes on offering against its orders.
        if self.ignores && self.plug == Plug::None {
            return self.drawn[phase];
        }
        let single = 1 << self.phases.bits().trailing_zeros();
        let is_single = self.one_phase && self.drawn.iter().filter(|current| **current > 0).count() < 2;
        let flying = self
            .in_flight
            .iter()
            .map(|(_, current, phases)| (*current, *phases == Some(Phases::One)))
            .chain([(self.setpoint, is_single)])
            .filter(|(_, is_single)| {
                (if *is_single {
                    single
                } else {
                    self.car_phases.bits()
                }) & (1 << phase)
                    != 0
            })
            .map(|(current, _)| current)
            .max();
        flying.unwrap_or(0).max(self.drawn[phase])
    }
}

fn add(sum: &mut [i64; 3], other: [i64; 3]) {
    for (sum, value) in sum.iter_mut().zip(other) {
        *sum += value;
    }
}
