//! The reason behind each setpoint, in words with numbers.

use std::collections::BTreeMap;

use model::id::EvseId;
use model::limit::LimitSource;
use model::phases::Phase;
use model::reason::Cause;
use model::time::{Millis, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts};

use crate::failsafe::Watch;
use crate::headroom::Rows;
use crate::lane::{Absent, Lane, MaxBy, Outcome, Part, Standing};
use crate::snapshot::{Circuit, Evse, Snapshot};
use crate::tree::{PER_CIRCUIT, POWER, Tree};

/// As many holders as a person reads.
const HOLDERS: usize = 8;

/// The largest holders of each row that was asked for, one more than is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holders {
    all: BTreeMap<usize, Vec<usize>>,
    descending: BTreeMap<usize, Vec<usize>>,
}

impl Holders {
    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.descending.clear();
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
    pub now: Now,
}

impl Picture<'_> {
    pub(crate) fn cause(&self, index: usize, holders: &mut Holders) -> Cause {
        let (evse, lane) = (&self.snapshot.evses[index], &self.lanes[index]);
        match lane.part {
            Part::Absent(Absent::Disabled) => Cause::Disabled,
            Part::Absent(Absent::NoVehicle) => Cause::NoVehicle,
            // Told to stop and still drawing is more than switched off.
            Part::Absent(_) if lane.standing == Standing::Defiant => self.kept(index),
            Part::Absent(Absent::SwitchedOff) => Cause::SwitchedOff,
            Part::Absent(Absent::Barred) => evse.barred.clone().unwrap_or(Cause::AwaitingAuthorisation),
            Part::Absent(Absent::PhaseChange) => Cause::WaitingForStableRoom {
                until: self.until(self.snapshot.settings.start_delay_grid.0),
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
            Outcome::NotNow => {
                let watch = self.watch.get(evse.circuit).copied().unwrap_or_default();
                match self
                    .snapshot
                    .circuits
                    .get(watch.blame)
                    .and_then(|circuit| circuit.meter.as_ref())
                {
                    Some(_) if watch.path > crate::failsafe::Trust::New => self.meter_silent(evse),
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
            return Cause::HoldingMinimum {
                until: self.until(left_ms),
            };
        }
        if !evse.pilot.asks() {
            return Cause::VehicleNotAsking;
        }
        if lane.told < lane.granted {
            return match lane.blocked {
                Some(row) if row == self.tree.sun_row() => self.limited(index, LimitSource::Surplus),
                Some(row) if !self.descending(row, index, holders).is_empty() => {
                    self.waits(index, row, holders)
                }
                Some(_) | None if lane.may_rise => self.limited(index, LimitSource::Ramp),
                Some(_) | None => self.limited(index, LimitSource::FailSafe),
            };
        }
        if lane.told + lane.step > lane.max {
            return match lane.max_by {
                MaxBy::Wish => Cause::AsAsked {
                    current: MilliAmps(lane.told),
                },
                MaxBy::FailSafe => self.meter_silent(evse),
                by @ (MaxBy::Hardware | MaxBy::Temporary | MaxBy::Vehicle | MaxBy::Offer | MaxBy::Rule) => {
                    self.limited(index, max_source(evse, by))
                }
            };
        }
        self.limited(index, self.scarcest(lane))
    }

    /// The row with the least left.
    fn scarcest(&self, lane: &Lane) -> LimitSource {
        let mut scarcest = (i64::MAX, self.tree.sun_row());
        lane.rows(self.tree, |row, k| {
            let left = self.room[row].div_euclid(k.max(1));
            if left < scarcest.0 {
                scarcest = (left, row);
            }
        });
        self.source(scarcest.1)
    }

    fn source(&self, row: usize) -> LimitSource {
        match self.circuit(row) {
            Some((circuit, phase)) => match &circuit.rule {
                Some(rule) if phase.is_some_and(|phase| rule.value < circuit.limit[phase]) => rule.by.clone(),
                Some(_) | None => LimitSource::Circuit {
                    circuit: circuit.id.clone(),
                    phase,
                },
            },
            None => LimitSource::Surplus,
        }
    }

    /// The circuit of a row, and the phase if it is not the power row.
    fn circuit(&self, row: usize) -> Option<(&Circuit, Option<Phase>)> {
        let circuit = self.snapshot.circuits.get(row / PER_CIRCUIT)?;
        let phase = match row % PER_CIRCUIT {
            POWER => None,
            offset => Phase::ALL.get(offset).copied(),
        };
        Some((circuit, phase))
    }

    fn full(&self, index: usize, row: usize, need: i64, free: i64, holders: &mut Holders) -> Cause {
        let Some((circuit, phase)) = self.circuit(row) else {
            return Cause::StartingUp;
        };
        Cause::CircuitFull {
            circuit: circuit.id.clone(),
            phase,
            limit: MilliAmps(self.rows.limit[row]),
            base: MilliAmps(self.rows.base[row]),
            needed: MilliAmps(need),
            free: MilliAmps(free.max(0)),
            holders: self.holders(row, index, holders),
        }
    }

    fn waits(&self, index: usize, row: usize, holders: &mut Holders) -> Cause {
        let holders = self.descending(row, index, holders);
        if holders.is_empty() {
            return Cause::WaitingForStableRoom { until: self.now.wall };
        }
        Cause::WaitingForOthers { holders }
    }

    /// Who has or may still draw current in a row.
    fn holders(&self, row: usize, index: usize, cache: &mut Holders) -> Vec<EvseId> {
        let largest = cache
            .all
            .entry(row)
            .or_insert_with(|| self.largest(row, |lane| lane.counted.max(lane.granted)));
        self.names(largest, index)
    }

    /// Who was told less than it may still draw.
    fn descending(&self, row: usize, index: usize, cache: &mut Holders) -> Vec<EvseId> {
        let largest = cache
            .descending
            .entry(row)
            .or_insert_with(|| self.largest(row, |lane| (lane.counted - lane.told).max(0)));
        self.names(largest, index)
    }

    fn largest(&self, row: usize, size: impl Fn(&Lane) -> i64) -> Vec<usize> {
        let offset = row % PER_CIRCUIT;
        let mut found: Vec<(i64, usize)> = self
            .tree
            .below(row / PER_CIRCUIT)
            .iter()
            .map(|member| (size(&self.lanes[*member]), *member))
            .filter(|(size, member)| {
                *size > 0 && (offset == POWER || self.lanes[*member].feet.bits() & (1 << offset) != 0)
            })
            .collect();
        let by_size = |a: &(i64, usize), b: &(i64, usize)| b.0.cmp(&a.0).then(a.1.cmp(&b.1));
        if found.len() > HOLDERS + 1 {
            found.select_nth_unstable_by(HOLDERS, by_size);
            found.truncate(HOLDERS + 1);
        }
        found.sort_unstable_by(by_size);
        found.into_iter().map(|(_, member)| member).collect()
    }

    fn names(&self, largest: &[usize], but: usize) -> Vec<EvseId> {
        let mut names: Vec<EvseId> = largest
            .iter()
            .filter(|member| **member != but)
            .take(HOLDERS)
            .map(|member| self.snapshot.evses[*member].id.clone())
            .collect();
        names.sort_unstable();
        names
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
        let watch = self.watch.get(evse.circuit).copied().unwrap_or_default();
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
    }
}
