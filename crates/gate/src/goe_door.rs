//! What administrators decided about the go-e door of a charger.

use std::collections::{BTreeMap, BTreeSet};

use model::id::EvseId;
use model::noun::Noun;
use serde::{Deserialize, Serialize};
use store::{Store, Typed};

use crate::audit::By;
use crate::denied::{Denied, GateError};
use crate::gate::Gate;

/// Whether the cloud form answers for a charger, and which of its guarded keys may be written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GoeDoor {
    /// `None`: as the settings say.
    pub enabled: Option<bool>,
    /// Keys that nobody writes without a grant.
    pub granted: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    evse: EvseId,
    #[serde(flatten)]
    door: GoeDoor,
}

impl Noun for Kept {
    const KIND: &'static str = "goe_door";

    fn id(&self) -> &str {
        self.evse.as_str()
    }
}

pub(crate) async fn load(store: &dyn Store) -> Result<BTreeMap<EvseId, GoeDoor>, GateError> {
    let kept = store.list::<Kept>().await?;
    Ok(kept.into_iter().map(|kept| (kept.evse, kept.door)).collect())
}

impl Gate {
    /// What was decided about a charger; of most nothing was.
    #[must_use]
    pub fn goe_door(&self, evse: &EvseId) -> GoeDoor {
        self.held().goe_doors.get(evse).cloned().unwrap_or_default()
    }

    /// Keeps what was decided about a charger, and notes what is different from now on.
    ///
    /// # Errors
    /// When there is no such charger, or the store fails.
    pub async fn put_goe_door(&self, by: &By<'_>, evse: &EvseId, door: GoeDoor) -> Result<(), Denied> {
        if !self.goe_chargers().iter().any(|charger| charger.evse == *evse) {
            return Err(Denied::unknown("charger", evse.as_str()));
        }
        let _changing = self.changing.lock().await;
        let before = self.goe_door(evse);
        if before == door {
            return Ok(());
        }
        let action = format!("go-e door of {evse}: {}", difference(&before, &door));
        self.audited(by, &action, async {
            let kept = Kept {
                evse: evse.clone(),
                door: door.clone(),
            };
            self.store.put(&kept).await?;
            self.held().goe_doors.insert(evse.clone(), door);
            Ok(())
        })
        .await
    }
}

/// In words, for the audit log.
fn difference(before: &GoeDoor, after: &GoeDoor) -> String {
    let mut words = Vec::new();
    if before.enabled != after.enabled {
        words.push(match after.enabled {
            None => "cloud form as configured".to_owned(),
            Some(true) => "cloud form on".to_owned(),
            Some(false) => "cloud form off".to_owned(),
        });
    }
    for (word, from, to) in [("granted", after, before), ("withdrawn", before, after)] {
        let keys: Vec<&str> = from.granted.difference(&to.granted).map(String::as_str).collect();
        if !keys.is_empty() {
            words.push(format!("{word} {}", keys.join(" ")));
        }
    }
    words.join(", ")
}
