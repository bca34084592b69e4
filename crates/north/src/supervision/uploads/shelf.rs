//! What is known of each platform while the process runs: how it does, and what wakes who reports to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::id::{DeviceId, PlatformId, SiteId};
use model::oversight::{Code, RiskLevel};
use model::time::Timestamp;
use tokio::sync::Notify;

/// How the reporting to one platform does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The last exchange was a good one.
    pub connected: bool,
    pub last_success: Option<Timestamp>,
    /// When something went wrong last, and what.
    pub last_error: Option<(Timestamp, String)>,
    /// What the platform will not have of what we registered.
    pub problems: Vec<String>,
}

/// A danger that a platform has told us of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Risk {
    pub site: SiteId,
    pub station: DeviceId,
    pub level: RiskLevel,
    pub text: String,
    pub heard: Timestamp,
}

/// All of it.
#[derive(Default)]
pub struct Shelf(Mutex<Held>);

#[derive(Default)]
struct Held {
    health: BTreeMap<PlatformId, Health>,
    risks: BTreeMap<(PlatformId, Code), Risk>,
    wake: BTreeMap<PlatformId, Arc<Notify>>,
}

impl Shelf {
    fn with<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        // Maps stay whole even if a holder of the lock panicked.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn health(&self, id: &PlatformId) -> Health {
        self.with(|held| held.health.get(id).cloned().unwrap_or_default())
    }

    pub fn note(&self, id: &PlatformId, change: impl FnOnce(&mut Health)) {
        self.with(|held| change(held.health.entry(id.clone()).or_default()));
    }

    /// What wakes the task that reports to a platform.
    pub fn wake(&self, id: &PlatformId) -> Arc<Notify> {
        self.with(|held| Arc::clone(held.wake.entry(id.clone()).or_default()))
    }

    pub fn heard_risk(&self, id: &PlatformId, port: Code, risk: Risk) {
        self.with(|held| held.risks.insert((id.clone(), port), risk));
    }

    /// Drops dangers that were heard of before a time, and gives back the stations that nobody warns of any more.
    pub fn calm(&self, before: Timestamp) -> Vec<(SiteId, DeviceId)> {
        self.with(|held| {
            let (over, last): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut held.risks)
                .into_iter()
                .partition(|(_, risk)| risk.heard < before);
            held.risks = last;
            let stations = over.into_values().map(|risk| (risk.site, risk.station));
            let mut stations: Vec<_> = stations.collect();
            stations.sort();
            stations.dedup();
            let still = |station: &(SiteId, DeviceId)| {
                held.risks
                    .values()
                    .any(|risk| (&risk.site, &risk.station) == (&station.0, &station.1))
            };
            stations.retain(|station| !still(station));
            stations
        })
    }

    /// Forgets platforms that are no more.
    pub fn keep(&self, known: impl Fn(&PlatformId) -> bool) {
        self.with(|held| {
            held.health.retain(|id, _| known(id));
            held.wake.retain(|id, _| known(id));
        });
    }
}
