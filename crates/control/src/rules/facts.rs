//! What rules may look at in one cycle, frozen: plain integers in the units of the model.

use model::id::{CardId, UserId};
use model::phases::{PerPhase, PhaseSet};
use model::rule::{EvseName, SiteName, TimeName};
use model::units::{MilliAmps, MilliVolts, Watts};

/// Values by name; flags are 0 or 1.
pub type OwnFacts = [Option<i64>; EvseName::ALL.len()];

/// One cycle's input. Buffers are used again from cycle to cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub site: [Option<i64>; SiteName::ALL.len()],
    pub time: [Option<i64>; TimeName::ALL.len()],
    /// Unix time of local midnight, s: of today and tomorrow.
    pub midnights: [i64; 2],
    pub surplus: Amount,
    pub import: Amount,
    pub export: Amount,
    pub solar: Amount,
    pub voltage: MilliVolts,
    /// In the order of the site.
    pub evses: Vec<EvseFacts>,
    /// In the order of [`super::Book::others`].
    pub others: Vec<OwnFacts>,
    /// In the order of [`super::Book::readings`].
    pub readings: Vec<Option<i64>>,
    /// In the order of [`super::Book::inputs`].
    pub inputs: Vec<Option<bool>>,
    /// What energy costs from now on, in order of time.
    pub prices: Vec<Slot>,
    /// How clean it will be, in order of time; higher is cleaner.
    pub clean: Vec<Slot>,
}

/// One EVSE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvseFacts {
    pub own: OwnFacts,
    /// Grid phases that its car is taken to use.
    pub phases: PhaseSet,
    /// Who charges there, and with which card.
    pub user: Option<UserId>,
    pub card: Option<CardId>,
}

/// A power, not negative. Members are `None` when nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub power: Option<Watts>,
    pub current: Option<PerPhase<MilliAmps>>,
}

/// A value for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Unix time, s.
    pub start: i64,
    /// Not included.
    pub end: i64,
    pub value: i64,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            site: [None; SiteName::ALL.len()],
            time: [None; TimeName::ALL.len()],
            midnights: [0, 0],
            surplus: Amount::default(),
            import: Amount::default(),
            export: Amount::default(),
            solar: Amount::default(),
            voltage: MilliVolts(230_000),
            evses: Vec::new(),
            others: Vec::new(),
            readings: Vec::new(),
            inputs: Vec::new(),
            prices: Vec::new(),
            clean: Vec::new(),
        }
    }
}

impl Default for EvseFacts {
    fn default() -> Self {
        Self {
            own: [None; EvseName::ALL.len()],
            phases: PhaseSet::ALL,
            user: None,
            card: None,
        }
    }
}

impl Facts {
    pub(super) fn now(&self) -> Option<i64> {
        self.time[TimeName::Timestamp as usize]
    }

    /// The lowest or highest price from now until a second of the day, and when it begins, in seconds of its
    /// day.
    pub(super) fn price(&self, until: f64, highest: bool) -> Option<(i64, i64)> {
        let now = self.now()?;
        #[allow(clippy::cast_possible_truncation, reason = "clamped to a day")]
        let second = until.clamp(0.0, 86_400.0) as i64;
        let [today, tomorrow] = self.midnights;
        let end = if today + second > now {
            today + second
        } else {
            tomorrow + second
        };
        let slots = self.prices.iter();
        let within = slots.filter(|slot| slot.end > now && slot.start < end);
        let best = within.min_by_key(|slot| (if highest { -slot.value } else { slot.value }, slot.start))?;
        let start = best.start.max(now);
        let midnight = if start >= tomorrow { tomorrow } else { today };
        Some((best.value, start - midnight))
    }

    /// When the cleanest time of so many seconds begins that ends by `end`; `None` when nobody knows.
    pub(super) fn cleanest(&self, from: i64, end: i64, lasts: i64) -> Option<i64> {
        let starts = self.clean.iter().map(|slot| slot.start.max(from));
        let possible = starts.filter(|start| start + lasts <= end);
        let score = |start: i64| {
            let parts = self.clean.iter().map(|slot| {
                let shared = slot.end.min(start + lasts) - slot.start.max(start);
                i128::from(slot.value) * i128::from(shared.max(0))
            });
            parts.sum::<i128>()
        };
        possible.max_by_key(|start| (score(*start), -start))
    }
}
