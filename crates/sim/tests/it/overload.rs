//! Who exceeded a limit, by what really happened in the world.
//!
//! Whatever the other loads of a circuit grew by within the last 10 s is theirs: to that part of an excess
//! we *react*. What remains was *caused* by cars that were told too much, or told it too early.

use std::collections::{BTreeMap, VecDeque};

use model::id::{CircuitId, EvseId};
use model::phases::PerPhase;
use model::setpoint::{Action, Setpoint};
use model::site::Site;
use model::time::{Millis, Monotonic, Now};
use model::units::MilliAmps;
use sim::truth::Truth;

/// Voltage moves a car's current by less than this.
const TOLERANCE_MA: i64 = 300;
/// As long as we promise to need.
const WINDOW: Millis = Millis(10_000);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub caused_ms: i64,
    pub caused_ma_s: i64,
    pub reacted_ms: i64,
    pub reacted_ma_s: i64,
    /// The longest single excess.
    pub longest_ms: i64,
    /// What the world looked like when something was caused; for whoever looks for the defect.
    pub stories: Vec<String>,
}

pub struct Watch {
    told: BTreeMap<EvseId, VecDeque<(i64, i64)>>,
    others: BTreeMap<CircuitId, VecDeque<(Monotonic, PerPhase<i64>)>>,
    running: BTreeMap<CircuitId, i64>,
    pub total: BTreeMap<CircuitId, Total>,
    /// The fuses' limits, or lower ones to test the watch itself.
    pub limits: BTreeMap<CircuitId, PerPhase<MilliAmps>>,
}

impl Watch {
    pub fn of(site: &Site) -> Self {
        Self {
            told: BTreeMap::new(),
            others: BTreeMap::new(),
            running: BTreeMap::new(),
            total: site
                .circuits
                .iter()
                .map(|c| (c.id.clone(), Total::default()))
                .collect(),
            limits: site.circuits.iter().map(|c| (c.id.clone(), c.limit)).collect(),
        }
    }

    /// Keeps the last setpoints for the stories.
    pub fn told(&mut self, setpoint: &Setpoint, now: Now) {
        if let Action::Charge { evse, current, .. } = &setpoint.action {
            let told = self.told.entry(evse.clone()).or_default();
            told.push_back((now.monotonic.0, current.or_zero().0));
            if told.len() > 6 {
                told.pop_front();
            }
        }
    }

    pub fn observe(&mut self, site: &Site, truth: &Truth, now: Now, elapsed: Millis) {
        for circuit in &site.circuits {
            let Some(flow) = truth.circuits.get(&circuit.id) else {
                continue;
            };
            let others = others(site, truth, &circuit.id, flow.current);
            let past = self.others.entry(circuit.id.clone()).or_default();
            past.push_back((now.monotonic, others));
            while past.front().is_some_and(|(at, _)| now.monotonic - *at > WINDOW) {
                past.pop_front();
            }
            let least = past
                .iter()
                .fold(others, |least, (_, others)| least.zip(*others, i64::min));
            let excess = flow
                .current
                .zip(self.limits[&circuit.id], |now, limit| (now.0 - limit.0).max(0));
            let ours = excess.zip(others.zip(least, |now, least| now - least), |excess, grown| {
                excess - grown
            });
            let worst = excess.into_array().into_iter().max().unwrap_or(0);
            let running = self.running.entry(circuit.id.clone()).or_default();
            if worst == 0 {
                *running = 0;
                continue;
            }
            *running += elapsed.0;
            let total = self.total.entry(circuit.id.clone()).or_default();
            total.longest_ms = total.longest_ms.max(*running);
            let charge = worst * elapsed.0 / 1_000;
            if ours.into_array().into_iter().any(|ours| ours > TOLERANCE_MA) {
                total.caused_ms += elapsed.0;
                total.caused_ma_s += charge;
                if total.stories.len() < 5 {
                    let cars: Vec<String> = truth
                        .evses
                        .iter()
                        .map(|(id, evse)| {
                            let told = self.told.get(id);
                            format!(
                                "{id} draws {:?} offered {} told {told:?}",
                                evse.flow.current.map(|c| c.0),
                                evse.offered
                            )
                        })
                        .collect();
                    total.stories.push(format!(
                        "at {} excess {excess:?}: {}",
                        now.monotonic.0,
                        cars.join("; ")
                    ));
                }
            } else {
                total.reacted_ms += elapsed.0;
                total.reacted_ma_s += charge;
            }
        }
    }

    pub fn print(&self, title: &str) {
        for (circuit, total) in &self.total {
            println!(
                "{title}: {circuit}: caused {} ms, {} mA·s; reacted {} ms, {} mA·s; longest {} ms",
                total.caused_ms, total.caused_ma_s, total.reacted_ms, total.reacted_ma_s, total.longest_ms,
            );
        }
    }

    /// The promise: nothing caused, and what was reacted to ends within the bound.
    pub fn assert_promise(&self) {
        for (circuit, total) in &self.total {
            assert_eq!(total.caused_ms, 0, "{circuit}: {total:#?}");
            assert!(total.longest_ms <= WINDOW.0, "{circuit}: {total:?}");
        }
    }
}

/// What flows through a circuit beside its EVSEs.
fn others(site: &Site, truth: &Truth, circuit: &CircuitId, current: PerPhase<MilliAmps>) -> PerPhase<i64> {
    let cars = site
        .evses()
        .filter(|(station, _)| is_under(site, &station.circuit, circuit))
        .filter_map(|(_, evse)| truth.evses.get(&evse.id))
        .fold(PerPhase::all(0), |sum, evse| sum + evse.flow.current.map(|c| c.0));
    current.map(|c| c.0) - cars
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
