//! What administrators decided about a name of a dialect.

use std::collections::BTreeSet;

use model::dialect::Dialect;
use model::noun::Noun;
use serde::{Deserialize, Serialize};
use store::{Store, Typed};

use super::{Doors, Thing};
use crate::audit::By;
use crate::denied::{Denied, GateError};
use crate::gate::Gate;

/// Whether the door of a thing is open, and which of its guarded keys may be written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Switches {
    /// `None`: as the settings say.
    pub enabled: Option<bool>,
    /// Keys that nobody writes without a grant.
    pub granted: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// `<dialect>:<name>`.
    id: String,
    #[serde(flatten)]
    switches: Switches,
}

impl Noun for Kept {
    const KIND: &'static str = "door";

    fn id(&self) -> &str {
        &self.id
    }
}

pub(super) async fn load(store: &dyn Store, doors: &mut Doors) -> Result<(), GateError> {
    for Kept { id, switches } in store.list::<Kept>().await? {
        let Some((dialect, name)) = id.split_once(':') else {
            continue;
        };
        if let Some(door) = doors.by_dialect.get_mut(dialect) {
            door.switches.insert(name.to_owned(), switches);
        }
    }
    Ok(())
}

impl Gate {
    /// What was decided about a thing; of most nothing was.
    #[must_use]
    pub fn switches(&self, dialect: &Dialect, thing: &Thing) -> Switches {
        let held = self.held();
        let decided = held.doors.of(dialect).and_then(|door| {
            let name = door.credentials.name_of(thing)?;
            door.switches.get(name).cloned()
        });
        decided.unwrap_or_default()
    }

    /// Keeps what was decided about a thing, and notes what is different from now on.
    ///
    /// # Errors
    /// When the thing has no name in force, or the store fails.
    pub async fn put_switches(
        &self,
        by: &By<'_>,
        dialect: &Dialect,
        thing: &Thing,
        switches: Switches,
    ) -> Result<(), Denied> {
        let _changing = self.changing.lock().await;
        let access = self.access_of(dialect, thing);
        let access = access.ok_or_else(|| Denied::unknown(thing.kind(), &thing.id()))?;
        let before = self.switches(dialect, thing);
        if before == switches {
            return Ok(());
        }
        let difference = difference(dialect, &before, &switches);
        let action = format!("{dialect} door of {}: {difference}", thing.id());
        self.audited(by, &action, async {
            let kept = Kept {
                id: format!("{}:{}", dialect.name, access.name),
                switches,
            };
            self.store.put(&kept).await?;
            let mut held = self.held();
            let door = held.doors.of_mut(dialect);
            door.switches.insert(access.name, kept.switches);
            Ok(())
        })
        .await
    }
}

/// In words, for the audit log.
fn difference(dialect: &Dialect, before: &Switches, after: &Switches) -> String {
    let mut words = Vec::new();
    if before.enabled != after.enabled {
        let now = match after.enabled {
            None => "as configured",
            Some(true) => "on",
            Some(false) => "off",
        };
        words.push(format!("{} {now}", dialect.switched));
    }
    for (word, from, to) in [("granted", after, before), ("withdrawn", before, after)] {
        let keys: Vec<&str> = from.granted.difference(&to.granted).map(String::as_str).collect();
        if !keys.is_empty() {
            words.push(format!("{word} {}", keys.join(" ")));
        }
    }
    words.join(", ")
}
