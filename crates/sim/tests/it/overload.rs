//! Who exceeded a limit, by what really happened in the world.
//!
//! An excess is *caused* by a command of ours if an increase was told within the last 10 s that, with the
//! other loads of that very moment, could not fit; every other excess is house load or sun, to which we
//! *reacted*.

use std::collections::BTreeMap;

use model::id::{CircuitId, EvseId};
use model::phases::PerPhase;
use model::setpoint::{Action, Setpoint};
use model::site::Site;
use model::time::{Millis, Monotonic, Now};
use model::units::MilliAmps;
use sim::truth::Truth;

/// Currents of a car and its setpoint differ by less than this.
const TOLERANCE_MA: i64 = 500;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub caused_ms: i64,
    pub caused_ma_s: i64,
    pub reacted_ms: i64,
    pub reacted_ma_s: i64,
    /// The longest single excess.
    pub longest_ms: i64,
}

pub struct Watch {
    told: BTreeMap<EvseId, i64>,
    /// Per circuit: when an increase left that could not fit.
    broken: BTreeMap<CircuitId, Monotonic>,
    running: BTreeMap<CircuitId, i64>,
    pub total: BTreeMap<CircuitId, Total>,
    /// Bounds that hold for less than the fuse's own limit, for the test of the watch itself.
    pub limits: BTreeMap<CircuitId, PerPhase<MilliAmps>>,
}

impl Watch {
    pub fn of(site: &Site) -> Self {
        Self {
            told: BTreeMap::new(),
            broken: BTreeMap::new(),
            running: BTreeMap::new(),
            total: site.circuits.iter().map(|c| (c.id.clone(), Total::default())).collect(),
            limits: site.circuits.iter().map(|c| (c.id.clone(), c.limit)).collect(),
        }
    }

    /// A setpoint leaves: does it fit beside what everything else takes right now?
    pub fn told(&mut self, site: &Site, setpoint: &Setpoint, truth: &Truth, now: Now) {
        let Action::Charge { evse, current, .. } = &setpoint.action else { return };
        let before = self.told.insert(evse.clone(), current.or_zero().0).unwrap_or(0);
        if current.or_zero().0 <= before {
            return;
        }
        for circuit in &site.circuits {
            let Some(sum) = self.worst(site, truth, circuit) else { continue };
            let over = sum.zip(circuit.limit, |sum, limit| sum > limit.0 + TOLERANCE_MA);
            if over.into_array().contains(&true) {
                self.broken.insert(circuit.id.clone(), now.monotonic);
            }
        }
    }

    /// Other loads plus what every EVSE below was told or draws, whichever is more, on the phases it uses.
    fn worst(&self, site: &Site, truth: &Truth, circuit: &model::site::Circuit) -> Option<PerPhase<i64>> {
        let flow = truth.circuits.get(&circuit.id)?;
        let mut sum = flow.current.map(|c| c.0);
        for (station, evse) in site.evses() {
            if !is_under(site, &station.circuit, &circuit.id) {
                continue;
            }
            let truth = truth.evses.get(&evse.id)?;
            let told = self.told.get(&evse.id).copied().unwrap_or(0);
            let drawn = truth.flow.current.map(|c| c.0);
            // A car that does not draw on a phase now does not count there.
            sum = sum.zip(drawn, |sum, drawn| if drawn > TOLERANCE_MA { sum - drawn + drawn.max(told) } else { sum });
        }
        Some(sum)
    }

    pub fn observe(&mut self, site: &Site, truth: &Truth, now: Now, elapsed: Millis) {
        for circuit in &site.circuits {
            let Some(flow) = truth.circuits.get(&circuit.id) else { continue };
            let limit = self.limits[&circuit.id];
            let excess = flow.current.zip(limit, |now, limit| now.0 - limit.0).into_array();
            let worst = excess.into_iter().max().unwrap_or(0);
            let running = self.running.entry(circuit.id.clone()).or_default();
            if worst <= 0 {
                *running = 0;
                continue;
            }
            *running += elapsed.0;
            let total = self.total.entry(circuit.id.clone()).or_default();
            total.longest_ms = total.longest_ms.max(*running);
            let charge = worst * elapsed.0 / 1_000;
            let ours = self.broken.get(&circuit.id).is_some_and(|at| now.monotonic - *at <= Millis(10_000));
            if ours {
                total.caused_ms += elapsed.0;
                total.caused_ma_s += charge;
            } else {
                total.reacted_ms += elapsed.0;
                total.reacted_ma_s += charge;
            }
        }
    }

    pub fn print(&self, title: &str) {
        for (circuit, total) in &self.total {
            println!(
                "{title}: {circuit}: caused {:.1} s, {:.1} A·s; reacted {:.1} s, {:.1} A·s; longest {:.1} s",
                total.caused_ms as f64 / 1e3,
                total.caused_ma_s as f64 / 1e3,
                total.reacted_ms as f64 / 1e3,
                total.reacted_ma_s as f64 / 1e3,
                total.longest_ms as f64 / 1e3,
            );
        }
    }

    /// The promise: nothing caused, and what was reacted to ends within the bound.
    pub fn assert_promise(&self) {
        for (circuit, total) in &self.total {
            assert_eq!(total.caused_ms, 0, "{circuit}: {total:?}");
            assert!(total.longest_ms <= 10_000, "{circuit}: {total:?}");
        }
    }
}

fn is_under(site: &Site, leaf: &CircuitId, node: &CircuitId) -> bool {
    let mut next = Some(leaf);
    while let Some(id) = next {
        if id == node {
            return true;
        }
        next = site.circuit(id).and_then(|circuit| circuit.parent.as_ref());
    }
    false
}
