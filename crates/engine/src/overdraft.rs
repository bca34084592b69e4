//! How long and how far limits were exceeded, and who did it.
//!
//! An excess is *caused* when the cars grew and the other loads did not, measured against the moment of the
//! last increase of ours; otherwise house load or sun did it and we *reacted*. The first must stay zero.

use control::snapshot::Snapshot;
use model::phases::PerPhase;
use model::time::{Millis, Monotonic};
use model::units::MilliAmps;
use model::view::Overdraft;

/// Meters and stations are read at different moments; less than this is noise.
const TOLERANCE_MA: i64 = 500;
/// An increase is answered for this long.
const RESPONSIBLE: Millis = Millis(10_000);

/// Accounts for one site.
#[derive(Clone, Debug, Default)]
pub struct Account {
    total: Overdraft,
    last: Option<Monotonic>,
    /// Per circuit: when we last raised something below it, and the other loads at that moment.
    raised: Vec<Option<(Monotonic, PerPhase<MilliAmps>)>>,
}

impl Account {
    pub fn total(&self) -> Overdraft {
        self.total
    }

    /// Adds what happened since the last call.
    pub fn observe(&mut self, snapshot: &Snapshot, now: Monotonic) {
        let elapsed = self.last.map_or(0, |last| (now - last).0.clamp(0, 5_000));
        self.last = Some(now);
        self.raised.resize(snapshot.circuits.len(), None);
        for (index, circuit) in snapshot.circuits.iter().enumerate() {
            let Some(current) = circuit.meter.as_ref().and_then(|meter| meter.current) else {
                continue;
            };
            let excess = current
                .zip(circuit.limit, |now, limit| (now.0 - limit.0).max(0))
                .into_array();
            let worst = excess.into_iter().max().unwrap_or(0);
            if worst == 0 || elapsed == 0 {
                continue;
            }
            let base = base(snapshot, index, current);
            let caused = self.raised[index].is_some_and(|(at, then)| {
                now - at <= RESPONSIBLE
                    && base
                        .zip(then, |now, then| now.0 - then.0)
                        .into_array()
                        .into_iter()
                        .zip(excess)
                        .any(|(grown, over)| over > 0 && grown < over - TOLERANCE_MA)
            });
            let charge = worst.saturating_mul(elapsed) / 1_000;
            if caused {
                self.total.caused_ms += elapsed;
                self.total.caused_ma_s += charge;
            } else {
                self.total.reacted_ms += elapsed;
                self.total.reacted_ma_s += charge;
            }
        }
    }

    /// An EVSE on this circuit was told to rise: every circuit above it answers for it.
    pub fn raised(&mut self, snapshot: &Snapshot, circuit: usize, now: Monotonic) {
        self.raised.resize(snapshot.circuits.len(), None);
        let mut next = Some(circuit);
        while let Some(index) = next {
            let Some(node) = snapshot.circuits.get(index) else {
                return;
            };
            if let Some(current) = node.meter.as_ref().and_then(|meter| meter.current) {
                self.raised[index] = Some((now, base(snapshot, index, current)));
            }
            next = node.parent.filter(|parent| *parent < index);
        }
    }
}

/// What flows through a circuit beside its EVSEs.
fn base(snapshot: &Snapshot, circuit: usize, current: PerPhase<MilliAmps>) -> PerPhase<MilliAmps> {
    snapshot
        .evses
        .iter()
        .filter(|evse| is_under(snapshot, evse.circuit, circuit))
        .fold(current, |sum, evse| sum - evse.drawn)
}

fn is_under(snapshot: &Snapshot, leaf: usize, node: usize) -> bool {
    let mut next = Some(leaf);
    while let Some(index) = next {
        if index == node {
            return true;
        }
        next = snapshot
            .circuits
            .get(index)
            .and_then(|c| c.parent)
            .filter(|parent| *parent < index);
    }
    false
}
