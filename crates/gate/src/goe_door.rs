//! What administrators decided about the go-e door of a charger.

use std::collections::{BTreeMap, BTreeSet};

use model::id::EvseId;
use model::noun::Noun;
use serde::{Deserialize, Serialize};
use store::{Store, Typed};

use crate::aliases::DIALECT;
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
    /// A name in a dialect: `goe:000001`.
    id: String,
    #[serde(flatten)]
    door: GoeDoor,
}

impl Noun for Kept {
    const KIND: &'static str = "door";

    fn id(&self) -> &str {
        &self.id
    }
}

/// By serial number.
pub(crate) async fn load(store: &dyn Store) -> Result<BTreeMap<String, GoeDoor>, GateError> {
    let kept = store.list::<Kept>().await?;
    let doors = kept.into_iter().filter_map(|kept| {
        let (dialect, serial) = kept.id.split_once(':')?;
        (dialect == DIALECT).then(|| (serial.to_owned(), kept.door))
    });
    Ok(doors.collect())
}

impl Gate {
    /// What was decided about a charger; of most nothing was.
    #[must_use]
    pub fn goe_door(&self, evse: &EvseId) -> GoeDoor {
        let held = self.held();
        let serial = held.goe.serial_of(evse);
        serial
            .and_then(|serial| held.goe_doors.get(serial).cloned())
            .unwrap_or_default()
    }

    /// Keeps what was decided about a charger, and notes what is different from now on.
    ///
    /// # Errors
    /// When there is no such charger, or the store fails.
    pub async fn put_goe_door(&self, by: &By<'_>, evse: &EvseId, door: GoeDoor) -> Result<(), Denied> {
        let Some(serial) = self.held().goe.serial_of(evse).map(str::to_owned) else {
            return Err(Denied::unknown("charger", evse.as_str()));
        };
        let _changing = self.changing.lock().await;
        let before = self.goe_door(evse);
        if before == door {
            return Ok(());
        }
        let action = format!("go-e door of {evse}: {}", difference(&before, &door));
        self.audited(by, &action, async {
            let kept = Kept {
                id: format!("{DIALECT}:{serial}"),
                door,
            };
            self.store.put(&kept).await?;
            self.held().goe_doors.insert(serial, kept.door);
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
