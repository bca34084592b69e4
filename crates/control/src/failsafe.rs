//! How far a meter may be trusted, by the age of its last word.
//!
//! | age | behaviour |
//! |---|---|
//! | up to 2 periods | normal |
//! | up to `t2` = max(60 s, 6 periods) | the highest load of the last minute stands, nothing rises |
//! | above | every EVSE below goes to its fall-back current |
//!
//! Beyond `t1` = max(15 s, 3 periods) the silence is reported. A meter never heard from is silent once
//! [`GRACE`] has passed since the start; until then everything holds. EVSEs beside the meter's circuit are
//! not touched.

use model::time::{Millis, Monotonic};

use crate::memory::Memory;
use crate::snapshot::{CircuitMeter, Evse, Snapshot};
use crate::tree::Tree;

/// How long a meter may take to answer for the first time: the reaction bound of the site.
const GRACE: Millis = Millis(10_000);
/// Loads must have been seen this long before anything rises by them.
const ACQUAINTANCE: Millis = Millis(5_000);

/// Ordered by how much it restricts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trust {
    #[default]
    Normal,
    /// Just heard for the first time: nothing rises yet.
    New,
    /// A little old: nothing rises.
    Hold,
    /// Never heard from.
    Never,
    /// Not heard from any more.
    Lost,
}

impl Trust {
    pub(crate) const fn is_silent(self) -> bool {
        matches!(self, Self::Never | Self::Lost)
    }

    pub(crate) const fn may_rise(self) -> bool {
        matches!(self, Self::Normal | Self::Never)
    }
}

/// How far a circuit's readings may be trusted, and whose meter is to blame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    pub own: Trust,
    /// The worst of the path to the root.
    pub path: Trust,
    /// The circuit whose meter makes it the worst.
    pub blame: usize,
    /// Of the meter to blame.
    pub age: Millis,
}

/// The age of a meter's last word; for one never heard from, the time since the start.
pub(crate) fn age(meter: &CircuitMeter, started: Option<Monotonic>, now: Monotonic) -> Millis {
    match meter.current {
        Some(_) => Millis(meter.age.0.max(0)),
        None => started.map_or(Millis(0), |started| now - started),
    }
}

/// Whether the silence is worth an alarm.
pub(crate) fn is_reported(meter: &CircuitMeter, age: Millis) -> bool {
    match meter.current {
        Some(_) => age.0 > (3 * period(meter)).max(15_000),
        None => age > GRACE,
    }
}

fn period(meter: &CircuitMeter) -> i64 {
    meter.period.0.clamp(0, 86_400_000)
}

fn trust(meter: &CircuitMeter, age: Millis, since: Option<Monotonic>, now: Monotonic) -> Trust {
    if meter.current.is_none() {
        return if age > GRACE { Trust::Never } else { Trust::New };
    }
    if age.0 > (6 * period(meter)).max(60_000) {
        Trust::Lost
    } else if age.0 > 2 * period(meter) {
        Trust::Hold
    } else if since.is_none_or(|since| now - since < ACQUAINTANCE) {
        Trust::New
    } else {
        Trust::Normal
    }
}

/// The worst of an EVSE's circuit and of the groups it is in.
pub(crate) fn of(evse: &Evse, watch: &[Watch]) -> Watch {
    let at = |circuit: usize| watch.get(circuit).copied().unwrap_or_default();
    evse.groups.iter().fold(at(evse.circuit), |worst, group| {
        let other = at(*group);
        if other.path > worst.path { other } else { worst }
    })
}

/// Judges every circuit, parents first.
pub(crate) fn watch(snapshot: &Snapshot, tree: &Tree, memory: &Memory, now: Monotonic, out: &mut Vec<Watch>) {
    out.clear();
    for (index, circuit) in snapshot.circuits.iter().enumerate() {
        let mut own = Watch {
            blame: index,
            ..Watch::default()
        };
        if let Some(meter) = &circuit.meter {
            own.age = age(meter, memory.started, now);
            own.own = trust(meter, own.age, memory.circuits[index].base.since(), now);
            own.path = own.own;
        }
        if let Some(parent) = tree
            .parent(index)
            .and_then(|parent| out.get(parent).copied())
            .filter(|p| p.path >= own.path)
        {
            own = Watch {
                own: own.own,
                ..parent
            };
        }
        out.push(own);
    }
}
