//! From the sources of vehicles to the store, and word of it to the engines.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::{Bus, Received, Topic};
use gate::Gate;
use model::id::VehicleId;
use model::message::Message;
use model::noun::Noun;
use model::time::{Clock, Millis, Timestamp};
use model::units::PerMille;
use model::vehicle::{SourceState, SourceStates, StateOfCharge, Vehicle, VehicleCharge};
use south::vehicle::{Source, Told, Way};
use store::{Store, StoreError, Typed};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What waits for the store; sources wait when it is full.
const WAITING: usize = 64;
/// The same value is written down again this often, so that it does not seem old.
const KEEP_EVERY: Millis = Millis(60_000);
/// A value that changes all the time is written down so often.
const AT_MOST_EVERY: Millis = Millis(5_000);
/// The list of vehicles is looked at so often even when nobody says that it has changed.
const LOOK_EVERY: Millis = Millis(60_000);

/// What the task needs.
pub struct Follower {
    pub store: Arc<dyn Store>,
    pub gate: Arc<Gate>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    /// Ids of vehicles that stand in the config file: their addresses are the administrator's own.
    pub of_file: Vec<String>,
    pub states: watch::Sender<SourceStates>,
}

impl Follower {
    /// Keeps what vehicles tell of themselves up to date until `stop`.
    pub async fn run(self, way: Way, stop: CancellationToken) {
        let mut nouns = self.bus.subscribe(Topic::Nouns).await;
        let (out, mut told) = mpsc::channel(WAITING);
        let (sources, followed) = watch::channel(self.sources().await.unwrap_or_default());
        let following = south::vehicle::run(followed, way, out, stop.clone());
        let keeping = async {
            let mut written = BTreeMap::new();
            // The latest of what came too soon after the one before.
            let mut late: BTreeMap<VehicleId, Told> = BTreeMap::new();
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    heard = told.recv() => match heard {
                        Some(heard) => {
                            late.remove(&heard.vehicle);
                            if !self.keep(&heard, &mut written).await {
                                late.insert(heard.vehicle.clone(), heard);
                            }
                        }
                        None => break,
                    },
                    () = tokio::time::sleep(AT_MOST_EVERY.to_std()), if !late.is_empty() => {
                        for (_, heard) in std::mem::take(&mut late) {
                            self.keep(&heard, &mut written).await;
                        }
                    }
                    Some(received) = nouns.next() => {
                        let is_other = matches!(
                            &received,
                            Received::Message(Message::NounsChanged { kind }) if kind != Vehicle::KIND
                        );
                        if !is_other {
                            self.look(&sources).await;
                        }
                    }
                    () = tokio::time::sleep(LOOK_EVERY.to_std()) => self.look(&sources).await,
                }
            }
            told.close();
        };
        tokio::join!(following, keeping);
    }

    async fn look(&self, sources: &watch::Sender<Vec<Source>>) {
        match self.sources().await {
            Ok(wanted) => {
                self.states.send_modify(|states| {
                    states.retain(|id, _| wanted.iter().any(|source| source.vehicle == *id));
                });
                sources.send_if_modified(|before| {
                    let is_new = *before != wanted;
                    *before = wanted;
                    is_new
                });
            }
            Err(error) => tracing::warn!(%error, "cannot look up where vehicles tell their state of charge"),
        }
    }

    async fn sources(&self) -> Result<Vec<Source>, StoreError> {
        let mut sources = Vec::new();
        for vehicle in self.store.list::<Vehicle>().await? {
            if !vehicle.soc_source.is_followed() {
                continue;
            }
            let secret = match self.gate.vehicle_secret(&vehicle.id).await {
                Ok(secret) => secret,
                Err(error) => {
                    tracing::error!(%error, "cannot open the secret of vehicle {}", vehicle.id);
                    None
                }
            };
            sources.push(Source {
                anywhere: self.of_file.iter().any(|id| id == vehicle.id()),
                secret,
                source: vehicle.soc_source,
                vehicle: vehicle.id,
            });
        }
        Ok(sources)
    }

    /// Says `false` when it came too soon after the last one and has to come again.
    async fn keep(&self, heard: &Told, written: &mut BTreeMap<VehicleId, Timestamp>) -> bool {
        let now = self.clock.now().wall;
        let Told {
            vehicle,
            soc,
            retained,
        } = heard;
        let is_news = self.note(vehicle, soc.as_ref().err(), now);
        let soc = match soc {
            Ok(soc) => *soc,
            Err(problem) => {
                if is_news {
                    tracing::warn!("vehicle {vehicle} does not tell its state of charge: {problem}");
                }
                return true;
            }
        };
        if is_news {
            tracing::info!("vehicle {vehicle} tells its state of charge");
        }
        let known = match self.store.get::<VehicleCharge>(vehicle.as_str()).await {
            Ok(known) => known.map(|charge| charge.known),
            Err(error) => {
                tracing::error!(%error, "cannot read what is known of vehicle {vehicle}");
                return true;
            }
        };
        if !is_news_of(known.as_ref(), soc, *retained, now) {
            return true;
        }
        let last = written.get(vehicle).copied();
        if last.is_some_and(|last| now >= last && now - last < AT_MOST_EVERY) {
            return false;
        }
        let charge = VehicleCharge {
            id: vehicle.clone(),
            known: StateOfCharge {
                soc,
                at: now,
                estimated: false,
            },
        };
        if let Err(error) = self.store.put(&charge).await {
            tracing::error!(%error, "cannot keep the state of charge of vehicle {vehicle}");
            return true;
        }
        written.insert(vehicle.clone(), now);
        let kind = VehicleCharge::KIND.to_owned();
        self.bus.publish(Message::NounsChanged { kind }).await;
        true
    }

    /// Notes how a source does; says whether that changed from well to ill or back.
    fn note(&self, vehicle: &VehicleId, problem: Option<&String>, now: Timestamp) -> bool {
        let mut is_news = false;
        self.states.send_modify(|states| {
            let is_first = !states.contains_key(vehicle);
            let state: &mut SourceState = states.entry(vehicle.clone()).or_default();
            is_news = is_first || state.problem.is_some() != problem.is_some();
            state.problem = problem.cloned();
            if problem.is_none() {
                state.heard = Some(now);
            }
        });
        is_news
    }
}

/// Every car that tells is a write to the disk; what says nothing new can wait.
fn is_news_of(known: Option<&StateOfCharge>, soc: PerMille, retained: bool, now: Timestamp) -> bool {
    let Some(known) = known else { return true };
    let is_same = known.soc == soc && !known.estimated;
    // What a broker has kept is no sign of life.
    !is_same || !retained && (now < known.at || now - known.at >= KEEP_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_new_is_not_written_all_the_time() {
        let known = |soc, at, estimated| {
            Some(StateOfCharge {
                soc: PerMille(soc),
                at: Timestamp(at),
                estimated,
            })
        };
        for (name, known, retained, now, expected) in [
            ("first", None, true, 0, true),
            ("same, soon", known(500, 0, false), false, 59_999, false),
            ("same, later", known(500, 0, false), false, 60_000, true),
            (
                "same, kept by the broker",
                known(500, 0, false),
                true,
                90_000,
                false,
            ),
            ("estimate confirmed", known(500, 0, true), false, 1, true),
            ("another", known(490, 0, false), true, 1, true),
            ("clock set back", known(500, 90_000, false), false, 10, true),
        ] {
            let found = is_news_of(known.as_ref(), PerMille(500), retained, Timestamp(now));
            assert_eq!(found, expected, "{name}");
        }
    }
}
