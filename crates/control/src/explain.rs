//! The reason behind each setpoint, in words with numbers.

mod held;

use model::id::EvseId;
use model::limit::{LimitSource, Limited};
use model::phases::Phase;
use model::reason::{Cause, Turn};
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts, Watts};

use crate::Decision;
use crate::failsafe::{self, Watch};
use crate::headroom::{self, Rows};
use crate::lane::{Absent, Lane, MaxBy, Outcome, Part, Standing};
use crate::memory::EvseMemory;
use crate::snapshot::{Circuit, Evse, Snapshot};
use crate::tree::{PER_CIRCUIT, POWER, SiteRow, Tree};
use crate::why::{Binding, Unlock, Why, next_try};

/// As many holders as a person reads.
const HOLDERS: usize = 8;

/// What is found once per row, and buffers that are kept from cycle to cycle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holders {
    all: Lists,
    descending: Lists,
    found: Vec<(i64, usize)>,
    /// Who of a class ends its turn first in a row.
    turns: Vec<FirstTurn>,
    /// The row that keeps the EVSE asked for last where it is.
    row: Option<usize>,
    /// The row of each binding limit.
    bindings: Asked,
    /// Lists of holders of the last cycle, to be filled again.
    spare: Vec<Vec<EvseId>>,
}

/// Row, class, and who of it ends its turn first there, with its start.
type FirstTurn = (usize, u32, Option<(usize, Monotonic)>);

/// Which rows were asked for, in the order in which they were.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// The place of each row, from 1; 0: not asked for.
    places: Vec<u32>,
    rows: Vec<usize>,
}

impl Asked {
    fn clear(&mut self) {
        for row in self.rows.drain(..) {
            self.places[row] = 0;
        }
    }

    fn place(&self, row: usize) -> Option<usize> {
        let place = self.places.get(row).filter(|place| **place > 0)?;
        Some(*place as usize - 1)
    }

    fn add(&mut self, row: usize) {
        self.rows.push(row);
        if self.places.len() <= row {
            self.places.resize(row + 1, 0);
        }
        self.places[row] = u32::try_from(self.rows.len()).unwrap_or(0);
    }
}

/// The largest holders of each row that was asked for, one more than is shown.
#[derive(Clone, Debug, Default)]
struct Lists {
    asked: Asked,
    /// Start and end of the members of each.
    spans: Vec<(usize, usize)>,
    members: Vec<usize>,
}

impl Lists {
    fn clear(&mut self) {
        self.asked.clear();
        self.spans.clear();
        self.members.clear();
    }

    fn get(&self, row: usize) -> Option<&[usize]> {
        let (start, end) = self.spans.get(self.asked.place(row)?)?;
        self.members.get(*start..*end)
    }
}

impl Holders {
    /// Begins a cycle; what the last one used is used again.
    pub(crate) fn begin(&mut self, decision: &mut Decision) {
        self.all.clear();
        self.descending.clear();
        self.turns.clear();
        self.bindings.clear();
        for verdict in decision.verdicts.drain(..) {
            if let Cause::CircuitFull { holders, .. }
            | Cause::Unbalanced { holders, .. }
            | Cause::WaitingForOthers { holders } = verdict.cause
            {
                self.spare.push(holders);
            }
        }
        let lists = decision.bindings.drain(..).map(|binding| binding.holders);
        self.spare.extend(lists);
    }
}

/// What all causes of a cycle are made from.
pub(crate) struct Picture<'a> {
    pub snapshot: &'a Snapshot,
    pub tree: &'a Tree,
    pub rows: &'a Rows,
    pub room: &'a [i64],
    pub lanes: &'a [Lane],
    pub watch: &'a [Watch],
    pub voltage: MilliVolts,
    pub memories: &'a [EvseMemory],
    /// How long a turn is.
    pub quantum: Millis,
    /// The average that the quarter may come to.
    pub peak: Option<Watts>,
    pub now: Now,
}

impl Picture<'_> {
    pub(crate) fn cause(&self, index: usize, holders: &mut Holders) -> Cause {
        holders.row = None;
        let (evse, lane) = (&self.snapshot.evses[index], &self.lanes[index]);
        match lane.part {
            Part::Absent(Absent::Disabled) => Cause::Disabled,
            Part::Absent(Absent::NoVehicle) => Cause::NoVehicle,
            // Told to stop and still drawing is more than switched off.
            Part::Absent(_) if lane.standing == Standing::Defiant => self.kept(index),
            Part::Absent(Absent::SwitchedOff) => Cause::SwitchedOff,
            Part::Absent(Absent::Barred) => evse.barred.clone().unwrap_or(Cause::AwaitingAuthorisation),
            Part::Absent(Absent::PhaseChange { left_ms }) => self.switches(index, left_ms),
            Part::Absent(Absent::Waking { left_ms }) => Cause::WakingVehicle {
                until: self.until(left_ms),
            },
            Part::Absent(Absent::Resting) => Cause::RestingFull {
                soc: lane.rest.and_then(|rest| rest.soc),
                below: lane.rest.and_then(|rest| rest.below),
            },
            Part::Absent(Absent::BelowMinimum) if lane.max_by == MaxBy::FailSafe => self.meter_silent(evse),
            Part::Absent(Absent::BelowMinimum) => self.limited(index, max_source(evse, lane.max_by)),
            Part::Keep => self.kept(index),
            Part::Complete => Cause::VehicleComplete,
            Part::Running | Part::Waiting if lane.told == 0 => self.paused(index, holders),
            Part::Running | Part::Waiting => self.charging(index, holders),
        }
    }

    fn kept(&self, index: usize) -> Cause {
        let (evse, lane) = (&self.snapshot.evses[index], &self.lanes[index]);
        match lane.standing {
            Standing::Silent => Cause::StationSilent {
                counted: MilliAmps(lane.counted),
            },
            Standing::Defiant => {
                let drawn = evse.drawn.into_array().into_iter().max().unwrap_or_default();
                Cause::NotFollowing {
                    told: MilliAmps(lane.told),
                    drawn,
                }
            }
            Standing::Unheard | Standing::Known => Cause::StartingUp,
        }
    }

    fn paused(&self, index: usize, holders: &mut Holders) -> Cause {
        let (evse, lane) = (&self.snapshot.evses[index], &self.lanes[index]);
        match lane.outcome {
            Outcome::Refused { row, need, free } => self.full(index, row, need, free, holders),
            Outcome::NoSun { need, free } => {
                holders.row = Some(self.tree.sun_row());
                if let Some((price, limit, currency)) = evse.price_limit() {
                    return Cause::PriceTooHigh {
                        price,
                        limit,
                        currency,
                    };
                }
                let watts = |current: i64| MilliAmps(current.max(0)).power(self.voltage, 1);
                Cause::NoSurplus {
                    available: watts(free),
                    needed: watts(need),
                }
            }
            Outcome::Delayed { left_ms } => Cause::WaitingForStableRoom {
                until: self.until(left_ms),
            },
            Outcome::MinimumPause { left_ms } => Cause::MinimumPause {
                until: self.until(left_ms),
            },
            Outcome::StartsUsedUp { left_ms } => Cause::StartsUsedUp {
                most: lane.starts.min(model::habits::Habits::MOST_STARTS),
                until: self.until(left_ms),
            },
            Outcome::Switches => self.switches(index, self.snapshot.settings.phases_pause.0),
            Outcome::NotNow => {
                if let Some(cause) = lane
                    .held
                    .and_then(|(row, left_ms)| self.after_overload(row, left_ms))
                {
                    return cause;
                }
                let watch = failsafe::of(evse, self.watch);
                match self
                    .snapshot
                    .circuits
                    .get(watch.blame)
                    .and_then(|circuit| circuit.meter.as_ref())
                {
                    Some(_) if watch.path > failsafe::Trust::New => self.meter_silent(evse),
                    Some(_) | None => Cause::StartingUp,
                }
            }
            Outcome::Admitted | Outcome::Held { .. } | Outcome::Untouched => match lane.blocked {
                Some(row) => self.waits(index, row, holders),
                None => Cause::WaitingForStableRoom { until: self.now.wall },
            },
        }
    }

    fn charging(&self, index: usize, holders: &mut Holders) -> Cause {
        let (evse, lane) = (&self.snapshot.evses[index], &self.lanes[index]);
        if let Outcome::Held { left_ms } = lane.outcome {
            holders.row = Some(self.tree.sun_row());
            return Cause::HoldingMinimum {
                until: self.until(left_ms),
            };
        }
        if !evse.pilot.asks() {
            return Cause::VehicleNotAsking;
        }
        if lane.told < lane.granted {
            return match lane.blocked {
                Some(row) if self.tree.is_sun(row) || self.tree.of_site(row).is_some() => {
                    self.limited_by(index, row, holders)
                }
                Some(row) if !self.descending(row, index, holders).is_empty() => {
                    self.waits(index, row, holders)
                }
                Some(_) | None if lane.may_rise => self.limited(index, LimitSource::Ramp),
                Some(_) | None => self.limited(index, LimitSource::FailSafe),
            };
        }
        if lane.told + lane.step > lane.max {
            if let Some(cause) = self.one_phase_only(index) {
                return cause;
            }
            return match lane.max_by {
                MaxBy::Overload => {
                    let row = lane.held.map_or(self.tree.sun_row(), |(row, _)| row);
                    self.limited(index, self.overload(row))
                }
                MaxBy::Wish => Cause::AsAsked {
                    current: MilliAmps(lane.told),
                },
                MaxBy::FailSafe => self.meter_silent(evse),
                by @ (MaxBy::Hardware | MaxBy::Temporary | MaxBy::Vehicle | MaxBy::Offer | MaxBy::Rule) => {
                    self.limited(index, max_source(evse, by))
                }
            };
        }
        self.limited_by(index, self.scarcest(lane), holders)
    }

    /// The row with the least left.
    fn scarcest(&self, lane: &Lane) -> usize {
        let mut scarcest = (i64::MAX, self.tree.sun_row());
        lane.rows(self.tree, |row, k| {
            let left = self.room[row].div_euclid(k.max(1));
            if left < scarcest.0 {
                scarcest = (left, row);
            }
        });
        scarcest.1
    }

    fn source(&self, row: usize) -> LimitSource {
        match self.tree.of_site(row) {
            Some(SiteRow::Peak) => {
                return LimitSource::Peak {
                    ends: self.quarter_ends(),
                };
            }
            Some(SiteRow::Dimming) => {
                let until = self.snapshot.dimming.and_then(|dimming| dimming.until);
                return LimitSource::GridOperator { until };
            }
            None => {}
        }
        let Some((circuit, phase, is_balance)) = self.circuit(row) else {
            return LimitSource::Surplus;
        };
        let lower = |rule: &&Limited| {
            phase.is_some_and(|phase| rule.value.0 < headroom::part(circuit, circuit.limit[phase].0))
        };
        let id = circuit.id.clone();
        match circuit.rule.as_ref().filter(lower) {
            _ if is_balance => LimitSource::Skew { circuit: id, phase },
            Some(rule) => rule.by.clone(),
            None => LimitSource::Circuit { circuit: id, phase },
        }
    }

    /// The circuit of a row, the phase if it is not the row of the sum, and whether it is about balance.
    fn circuit(&self, row: usize) -> Option<(&Circuit, Option<Phase>, bool)> {
        let (circuit, is_balance, offset) = self.tree.circuit_of(row)?;
        let circuit = self.snapshot.circuits.get(circuit)?;
        let phase = match offset {
            POWER => None,
            offset => Phase::ALL.get(offset).copied(),
        };
        Some((circuit, phase, is_balance))
    }

    fn limited_by(&self, index: usize, row: usize, holders: &mut Holders) -> Cause {
        holders.row = Some(row);
        self.limited(index, self.source(row))
    }

    fn full(&self, index: usize, row: usize, need: i64, free: i64, holders: &mut Holders) -> Cause {
        if let Some(of) = self.tree.of_site(row) {
            holders.row = Some(row);
            return self.held_by_site(of, row);
        }
        let Some((circuit, phase, is_balance)) = self.circuit(row) else {
            return Cause::StartingUp;
        };
        holders.row = Some(row);
        let circuit = circuit.id.clone();
        let limit = MilliAmps(self.rows.limit[row]);
        let (needed, free) = (MilliAmps(need), MilliAmps(free.max(0)));
        if is_balance {
            return Cause::Unbalanced {
                circuit,
                phase,
                limit,
                needed,
                free,
                holders: self.holders(row, Some(index), holders),
            };
        }
        Cause::CircuitFull {
            circuit,
            phase,
            limit,
            base: MilliAmps(self.rows.base[row]),
            needed,
            free,
            holders: self.holders(row, Some(index), holders),
            turn: self.turn(index, row, holders),
        }
    }

    /// Whose turn ends first among those of its class that run in a row.
    fn turn(&self, index: usize, row: usize, cache: &mut Holders) -> Option<Turn> {
        let class = self.lanes[index].class;
        let kept = cache
            .turns
            .iter()
            .find(|(of, in_class, _)| *of == row && *in_class == class);
        let first = kept.map_or_else(
            || {
                let runs = |member: &&usize| {
                    let lane = &self.lanes[**member];
                    lane.class == class && lane.part == Part::Running && self.tree.counts(row, lane.feet)
                };
                let started = |member: &usize| Some((*member, self.memories.get(*member)?.started_at?));
                self.tree
                    .below(row / PER_CIRCUIT)
                    .iter()
                    .filter(runs)
                    .filter_map(started)
                    .min_by_key(|(member, at)| (*at, *member))
            },
            |(_, _, first)| *first,
        );
        if kept.is_none() {
            cache.turns.push((row, class, first));
        }
        let (holder, started) = first?;
        let left = started + self.quantum - self.now.monotonic;
        Some(Turn {
            holder: self.snapshot.evses[holder].id.clone(),
            ends: self.until(left.0.max(0)),
        })
    }

    fn waits(&self, index: usize, row: usize, cache: &mut Holders) -> Cause {
        let holders = self.descending(row, index, cache);
        if holders.is_empty() {
            return Cause::WaitingForStableRoom { until: self.now.wall };
        }
        cache.row = Some(row);
        Cause::WaitingForOthers { holders }
    }

    /// Who has or may still draw current in a row.
    fn holders(&self, row: usize, but: Option<usize>, cache: &mut Holders) -> Vec<EvseId> {
        if cache.all.get(row).is_none() {
            self.largest(
                row,
                |lane| lane.counted.max(lane.granted),
                &mut cache.all,
                &mut cache.found,
            );
        }
        self.names(cache.all.get(row).unwrap_or(&[]), but, &mut cache.spare)
    }

    /// Who was told less than it may still draw.
    fn descending(&self, row: usize, index: usize, cache: &mut Holders) -> Vec<EvseId> {
        if cache.descending.get(row).is_none() {
            let size = |lane: &Lane| (lane.counted - lane.told).max(0);
            self.largest(row, size, &mut cache.descending, &mut cache.found);
        }
        self.names(
            cache.descending.get(row).unwrap_or(&[]),
            Some(index),
            &mut cache.spare,
        )
    }

    fn largest(
        &self,
        row: usize,
        size: impl Fn(&Lane) -> i64,
        lists: &mut Lists,
        found: &mut Vec<(i64, usize)>,
    ) {
        found.clear();
        let members = self.tree.below(row / PER_CIRCUIT).iter();
        found.extend(
            members
                .filter(|member| self.tree.counts(row, self.lanes[**member].feet))
                .map(|member| (size(&self.lanes[*member]), *member))
                .filter(|(size, _)| *size > 0),
        );
        let by_size = |a: &(i64, usize), b: &(i64, usize)| b.0.cmp(&a.0).then(a.1.cmp(&b.1));
        if found.len() > HOLDERS + 1 {
            found.select_nth_unstable_by(HOLDERS, by_size);
            found.truncate(HOLDERS + 1);
        }
        found.sort_unstable_by(by_size);
        let start = lists.members.len();
        lists.members.extend(found.iter().map(|(_, member)| *member));
        lists.spans.push((start, lists.members.len()));
        lists.asked.add(row);
    }

    fn names(&self, largest: &[usize], but: Option<usize>, spare: &mut Vec<Vec<EvseId>>) -> Vec<EvseId> {
        let others = largest
            .iter()
            .filter(|member| Some(**member) != but)
            .take(HOLDERS)
            .map(|member| self.snapshot.evses[*member].id.clone());
        let mut names = spare.pop().unwrap_or_default();
        names.clear();
        names.extend(others);
        names.sort_unstable();
        names
    }

    /// What is asked, given and missing, what holds it there, and when or by what that may change.
    pub(crate) fn why(
        &self,
        index: usize,
        cause: &Cause,
        holders: &mut Holders,
        bindings: &mut Vec<Binding>,
    ) -> Why {
        let (evse, lane) = (&self.snapshot.evses[index], &self.lanes[index]);
        let binding = holders.row.map(|row| self.binding(row, holders, bindings));
        let (asked, given) = (evse.wish.current, MilliAmps(lane.told));
        let short = if let Outcome::Refused { need, free, .. } | Outcome::NoSun { need, free } = lane.outcome
        {
            Some(need - free.max(0)).filter(|_| lane.told == 0)
        } else {
            None
        };
        let wanted = (lane.max - lane.told).max(0);
        let missing = short.unwrap_or(if binding.is_some() { wanted } else { 0 });
        Why {
            binding,
            asked,
            given,
            missing: MilliAmps(missing),
            next_try: next_try(cause),
            unlock: Unlock::of(cause),
        }
    }

    /// Its place among the binding limits, where each row stands once.
    fn binding(&self, row: usize, holders: &mut Holders, bindings: &mut Vec<Binding>) -> usize {
        if let Some(place) = holders.bindings.place(row) {
            return place;
        }
        let names = self.holders(row, None, holders);
        holders.bindings.add(row);
        bindings.push(Binding {
            constraint: self.source(row),
            limit: MilliAmps(self.rows.limit[row]),
            base: MilliAmps(self.rows.base[row]),
            free: MilliAmps(self.room[row]),
            holders: names,
        });
        bindings.len() - 1
    }

    fn limited(&self, index: usize, by: LimitSource) -> Cause {
        let (evse, lane) = (&self.snapshot.evses[index], &self.lanes[index]);
        Cause::Limited {
            by,
            current: MilliAmps(lane.told),
            asked: evse.wish.current,
        }
    }

    fn meter_silent(&self, evse: &Evse) -> Cause {
        let watch = failsafe::of(evse, self.watch);
        match self
            .snapshot
            .circuits
            .get(watch.blame)
            .and_then(|circuit| circuit.meter.as_ref())
        {
            Some(meter) => Cause::MeterSilent {
                meter: meter.device.clone(),
                age: watch.age,
                fallback: evse.fallback.or_zero(),
            },
            None => Cause::StartingUp,
        }
    }

    fn until(&self, left_ms: i64) -> Timestamp {
        self.now.wall + Millis(left_ms)
    }
}

fn max_source(evse: &Evse, by: MaxBy) -> LimitSource {
    match by {
        MaxBy::Rule => evse
            .rule
            .as_ref()
            .map_or(LimitSource::Wish, |rule| rule.by.clone()),
        MaxBy::Wish | MaxBy::Offer => LimitSource::Wish,
        MaxBy::Hardware => LimitSource::Hardware,
        MaxBy::Temporary => LimitSource::Temporary,
        MaxBy::Vehicle => LimitSource::Vehicle,
        MaxBy::FailSafe => LimitSource::FailSafe,
        MaxBy::Overload => LimitSource::Ramp,
    }
}
