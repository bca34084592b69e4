//! Which rules hold at which ports of one operator.

use std::collections::BTreeMap;

use model::oversight::{Code, OperatorCode, RiskLevel, Sample, Warning};
use model::time::{Millis, Timestamp};

use super::rules::{Rule, Rules, View};
use crate::book::shelf::Place;

/// An operator is told again of what lasts.
const TELL_AGAIN: Millis = Millis(30 * 60_000);

/// One entry for each port and rule that holds there; mostly there are few.
#[derive(Default)]
pub(crate) struct Watch {
    held: BTreeMap<(Place, u16), Held>,
}

/// A rule holds at a port.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// By the time of the samples, or the clock for rules that need that.
    pub since: Timestamp,
    /// With which it began.
    pub first: Sample,
    /// It has fired.
    pub open: Option<Warning>,
}

/// When and for whom rules are asked.
pub(crate) struct Moment<'a> {
    pub operator: &'a OperatorCode,
    /// When the sample came, or the clock.
    pub now: Timestamp,
    /// By which rules hold.
    pub at: Timestamp,
    /// What the ids of warnings begin with.
    pub stem: &'a dyn Fn() -> String,
    /// The operator wants to be told.
    pub tells: bool,
}

impl Watch {
    /// Asks all rules about a new sample, and gives the warnings that were raised or cleared.
    pub fn look(
        &mut self,
        place: Place,
        view: &View<'_>,
        rules: &Rules,
        moment: &Moment<'_>,
    ) -> Vec<Warning> {
        let mut changed = Vec::new();
        for (index, rule) in rules.all() {
            changed.extend(self.step((place, index), rule, view, moment));
        }
        changed
    }

    /// Asks the rules that need the time about a port that has been silent.
    pub fn look_at_silent(
        &mut self,
        place: Place,
        view: &View<'_>,
        rules: &Rules,
        moment: &Moment<'_>,
    ) -> Vec<Warning> {
        let mut changed = Vec::new();
        for (index, rule) in rules.all().filter(|(_, rule)| rule.is_timed) {
            changed.extend(self.step((place, index), rule, view, moment));
        }
        changed
    }

    fn step(
        &mut self,
        key: (Place, u16),
        rule: &Rule,
        view: &View<'_>,
        moment: &Moment<'_>,
    ) -> Option<Warning> {
        if !rule.holds(view) {
            let held = self.held.remove(&key)?;
            return held.open.map(|warning| Warning {
                cleared: Some(moment.now),
                ..warning
            });
        }
        let held = self.held.entry(key).or_insert_with(|| Held {
            since: moment.at,
            first: view.sample.clone(),
            open: None,
        });
        if held.open.is_some() || moment.at - held.since < rule.hold {
            return None;
        }
        let mut samples = vec![held.first.clone()];
        if held.first != *view.sample {
            samples.push(view.sample.clone());
        }
        let warning = Warning {
            id: Code::new(&format!("{}-{}", (moment.stem)(), rule.name)).ok()?,
            operator: moment.operator.clone(),
            port: view.sample.port.clone(),
            rule: rule.name.clone(),
            level: rule.level,
            reason: rule.reason(view),
            raised: moment.now,
            told: moment.tells.then_some(moment.now),
            cleared: None,
            acknowledged: None,
            escalated: false,
            samples,
        };
        held.open = Some(warning.clone());
        Some(warning)
    }

    /// Raises what nobody has acknowledged in time and tells again of what lasts. Gives those that changed.
    pub fn remind(&mut self, now: Timestamp, escalate_after: Millis, tells: bool) -> Vec<Warning> {
        let mut changed = Vec::new();
        for warning in self.held.values_mut().filter_map(|held| held.open.as_mut()) {
            if warning.acknowledged.is_some() {
                continue;
            }
            let rises = !warning.escalated
                && now - warning.raised >= escalate_after
                && warning.level < RiskLevel::High;
            if rises {
                warning.level = match warning.level {
                    RiskLevel::Low => RiskLevel::Medium,
                    RiskLevel::Medium | RiskLevel::High => RiskLevel::High,
                };
                warning.escalated = true;
            }
            let is_due = warning.told.is_none_or(|told| now - told >= TELL_AGAIN);
            let is_told = tells && (rises || is_due);
            if is_told {
                warning.told = Some(now);
            }
            if rises || is_told {
                changed.push(warning.clone());
            }
        }
        changed
    }

    /// Those that have fired.
    pub fn open(&self) -> impl Iterator<Item = &Warning> {
        self.held.values().filter_map(|held| held.open.as_ref())
    }

    /// The same, as levels by where they are.
    pub fn open_places(&self) -> impl Iterator<Item = (Place, RiskLevel)> {
        let open = self
            .held
            .iter()
            .filter_map(|((place, _), held)| Some((*place, held.open.as_ref()?)));
        open.map(|(place, warning)| (place, warning.level))
    }

    pub fn open_mut(&mut self, id: &Code) -> Option<&mut Warning> {
        let mut open = self.held.values_mut().filter_map(|held| held.open.as_mut());
        open.find(|warning| warning.id == *id)
    }

    /// The highest level at a port.
    pub fn risk(&self, place: Place) -> Option<RiskLevel> {
        let of_port = self.held.range((place, 0)..=(place, u16::MAX));
        of_port
            .filter_map(|(_, held)| held.open.as_ref())
            .map(|warning| warning.level)
            .max()
    }

    /// What holds and has not fired yet.
    pub fn pending(&self) -> impl Iterator<Item = (Place, u16, &Held)> {
        let pending = self.held.iter().filter(|(_, held)| held.open.is_none());
        pending.map(|((place, rule), held)| (*place, *rule, held))
    }

    pub fn put(&mut self, place: Place, rule: u16, held: Held) {
        self.held.insert((place, rule), held);
    }

    /// Makes these the ones that have fired, and no others.
    pub fn set_open(&mut self, open: Vec<(Place, u16, Warning)>) {
        self.held.retain(|_, held| held.open.is_none());
        for (place, rule, warning) in open {
            let Some(first) = warning.samples.first().cloned() else {
                continue;
            };
            let held = Held {
                since: first.at,
                first,
                open: Some(warning),
            };
            self.held.insert((place, rule), held);
        }
    }

    /// Forgets a port, and gives what had fired there as cleared.
    pub fn forget(&mut self, place: Place, now: Timestamp) -> Vec<Warning> {
        let keys: Vec<_> = self
            .held
            .range((place, 0)..=(place, u16::MAX))
            .map(|(key, _)| *key)
            .collect();
        let held = keys.iter().filter_map(|key| self.held.remove(key));
        held.filter_map(|held| held.open)
            .map(|warning| Warning {
                cleared: Some(now),
                ..warning
            })
            .collect()
    }
}
