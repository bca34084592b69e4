//! The working data of one EVSE within one cycle.

use model::phases::{PhaseSet, Phases};
use model::time::{Millis, Monotonic};

use crate::habits::Rest;
use crate::recent::Draw;
use crate::tree::Tree;

/// Part of an EVSE's current that only the sun may feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SunShare {
    #[default]
    None,
    Whole,
    AboveMinimum,
}

/// What decides the most an EVSE may get, circuits and sun apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MaxBy {
    #[default]
    Wish,
    Hardware,
    /// A ceiling that goes by itself.
    Temporary,
    Vehicle,
    /// The car does not ask: the minimum stands as an offer.
    Offer,
    FailSafe,
    /// A limit above it was exceeded a moment ago.
    Overload,
    /// A rule of the EVSE, of whoever charges there or of their card.
    Rule,
}

/// Why an EVSE is not part of the allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Absent {
    #[default]
    Disabled,
    NoVehicle,
    SwitchedOff,
    /// Nobody who may charge is there, or they have had enough.
    Barred,
    /// The most it may get is below its minimum.
    BelowMinimum,
    /// The number of phases changes while nothing flows.
    PhaseChange {
        left_ms: i64,
    },
    /// The car was full.
    Resting,
    /// The offer is interrupted so that the car wakes up.
    Waking {
        left_ms: i64,
    },
}

/// The part an EVSE plays in this cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// Gets nothing.
    Absent(Absent),
    /// Keeps at most what it was told: nobody knows what it does.
    Keep,
    /// The car has stopped by itself: the minimum, when nobody else wants it.
    #[default]
    Complete,
    /// Was told a current before.
    Running,
    /// Wants to start.
    Waiting,
}

/// What became of an EVSE in the allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Outcome {
    #[default]
    Untouched,
    /// Has its minimum.
    Admitted,
    /// Has its minimum although the sun does not carry it, for `left_ms` more.
    Held {
        left_ms: i64,
    },
    /// A row has no room for `need` per phase; `free` is what it has.
    Refused {
        row: usize,
        need: i64,
        free: i64,
    },
    /// The sun leaves `free` over in sum, `need` is wanted.
    NoSun {
        need: i64,
        free: i64,
    },
    /// There is room, which must last `left_ms` more.
    Delayed {
        left_ms: i64,
    },
    MinimumPause {
        left_ms: i64,
    },
    /// It has started too often; the first of those starts has passed in `left_ms`.
    StartsUsedUp {
        left_ms: i64,
    },
    /// The sun has enough for one phase only.
    Switches,
    /// Nothing may start now: a meter is too old, or has just begun to speak.
    NotNow,
}

/// What is known of an EVSE's doings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    #[default]
    Known,
    /// No status has been read since the start.
    Unheard,
    /// Has not answered for too long.
    Silent,
    /// Has had its time and does not follow.
    Defiant,
}

/// State during filling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Level {
    /// Not part of the class that is being filled.
    #[default]
    Dry,
    /// At its minimum, below the water.
    Waiting,
    Rising,
    Frozen,
}

/// What it draws by grid phase, and drew in the last seconds, mA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drawn {
    pub latest: [i64; 3],
    pub low: [i64; 3],
    /// What it may have risen to since its last status.
    pub risen: [i64; 3],
    /// When the first status was taken after the draw last fell.
    pub fell_at: Monotonic,
    /// When the status was taken that acknowledged the last decrease.
    pub settled_at: Monotonic,
    /// Nobody knows whether it is still so.
    pub is_guessed: bool,
}

impl Default for Drawn {
    fn default() -> Self {
        Self::steady([0; 3])
    }
}

impl Drawn {
    /// What a meter may lag behind the EVSE's own measurement.
    const METER_LAG: Millis = Millis(1_000);

    pub(crate) const fn steady(drawn: [i64; 3]) -> Self {
        let long_ago = Monotonic(i64::MIN);
        Self {
            latest: drawn,
            low: drawn,
            risen: [0; 3],
            fell_at: long_ago,
            settled_at: long_ago,
            is_guessed: false,
        }
    }

    /// The most that a meter read at `read_at` may hold of it, as far as its statuses say.
    pub(crate) fn by_status(&self, draw: &Draw, read_at: Monotonic) -> [i64; 3] {
        let since = read_at - Self::METER_LAG;
        if self.fell_at <= since {
            self.latest
        } else {
            draw.highest_since(since)
        }
    }

    /// The same with what it may have risen to since, but once it has come down not above `counted`.
    pub(crate) fn at_most(&self, by_status: [i64; 3], read_at: Monotonic, counted: i64) -> [i64; 3] {
        let is_past = self.settled_at + Self::METER_LAG < read_at || self.settled_at == Monotonic(i64::MIN);
        let most = if is_past { counted } else { i64::MAX };
        std::array::from_fn(|phase| by_status[phase].max(self.risen[phase].min(most)))
    }
}

/// Currents in mA per phase.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lane {
    pub part: Part,
    /// Its number among the EVSEs.
    pub evse: usize,
    /// Grid phases that its current counts on.
    pub feet: PhaseSet,
    /// Grid phases that one-phase charging would use, where that can be chosen now.
    pub single: Option<PhaseSet>,
    /// What the EVSE is to be told about phases; `None` where it has no choice.
    pub phases: Option<Phases>,
    pub min: i64,
    pub max: i64,
    pub max_by: MaxBy,
    pub step: i64,
    pub weight: i64,
    /// 0 is served first; those of the groups it is in come before its own.
    pub class: u32,
    /// It waits, and somebody of its class has had its time.
    pub takes_turn: bool,
    pub sun: SunShare,
    /// The battery gets its share of the sun first.
    pub is_late: bool,
    /// The most it may draw at this moment, whatever it is told from now on: K of the commit stage.
    pub counted: i64,
    pub standing: Standing,
    /// `counted` will not follow a command.
    pub is_fixed: bool,
    /// What it draws above the last acknowledged command.
    pub over: i64,
    pub drawn: Drawn,
    /// Nothing on its path forbids an increase.
    pub may_rise: bool,
    /// What it was told before.
    pub before: i64,
    pub granted: i64,
    pub told: i64,
    pub outcome: Outcome,
    /// The row that kept the last rise small, and whether somebody else is on the way down there.
    pub blocked: Option<usize>,
    pub level: Level,
    /// The number of phases may change by itself, and has stayed for long enough to do so now.
    pub is_elastic: bool,
    pub may_switch: bool,
    /// So many starts within an hour.
    pub starts: u8,
    /// The row that was exceeded a moment ago, and for how long it holds back, ms.
    pub held: Option<(usize, i64)>,
    /// Why a full car gets nothing.
    pub rest: Option<Rest>,
}

impl Lane {
    /// The highest value of `{0} ∪ {min + n·step}` that is not above `current`.
    pub(crate) fn on_grid(&self, current: i64) -> i64 {
        if current < self.min {
            0
        } else {
            current - (current - self.min) % self.step
        }
    }

    /// The most that a reading of about now may hold of it.
    pub(crate) fn most(&self, draw: &Draw, read_at: Monotonic) -> [i64; 3] {
        let status = self.drawn.by_status(draw, read_at);
        self.drawn.at_most(status, read_at, self.counted)
    }

    /// The rows of the sun that it counts in.
    pub(crate) fn sun_rows(&self, tree: &Tree) -> impl Iterator<Item = usize> + use<> {
        let (first, count) = (tree.sun_row(), 1 + usize::from(self.is_late));
        let count = if self.sun == SunShare::None { 0 } else { count };
        first..first + count
    }

    /// What the sun leaves it at most.
    pub(crate) fn sun_room(&self, tree: &Tree, room: &[i64]) -> i64 {
        let rows = self.sun_rows(tree).map(|row| room[row]);
        rows.min().unwrap_or(0)
    }

    /// The part of `current` that only the sun may feed, in sum over the phases.
    pub(crate) fn of_sun(&self, current: i64) -> i64 {
        let per_phase = match self.sun {
            SunShare::None => 0,
            SunShare::Whole => current,
            SunShare::AboveMinimum => (current - self.min).max(0),
        };
        per_phase * self.feet.count()
    }

    /// Every row that a current above the minimum counts in, the sun's included.
    pub(crate) fn all_rows(&self, tree: &Tree, mut f: impl FnMut(usize, i64) -> bool) -> bool {
        tree.all_rows(self.evse, self.feet, &mut f)
            && self.sun_rows(tree).all(|row| f(row, self.feet.count()))
    }

    pub(crate) fn rows(&self, tree: &Tree, mut f: impl FnMut(usize, i64)) {
        self.all_rows(tree, |row, k| {
            f(row, k);
            true
        });
    }

    /// How much it could rise before a row of `room` is empty; negative when one is overdrawn.
    pub(crate) fn slack(&self, tree: &Tree, room: &[i64]) -> i64 {
        let mut slack = i64::MAX;
        self.rows(tree, |row, k| slack = slack.min(room[row].div_euclid(k.max(1))));
        slack
    }
}
