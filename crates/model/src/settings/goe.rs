//! How we appear to go-e clients.

use serde::{Deserialize, Serialize};

use super::Given;
use crate::id::EvseId;
use crate::time::Millis;

/// The go-e cloud form of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoeSettings {
    /// A charger whose link has been lost for longer is refused with 403.
    pub offline_after: Millis,
    #[serde(default)]
    pub set_status: SetStatus,
    /// Networks (`192.168.1.0/24`) from which the local form answers without a token.
    pub local_open: Vec<String>,
    pub chargers: Vec<GoeCharger>,
}

impl Default for GoeSettings {
    fn default() -> Self {
        Self {
            offline_after: Millis(24 * 3_600_000),
            set_status: SetStatus::default(),
            local_open: Vec::new(),
            chargers: Vec::new(),
        }
    }
}

/// What of it was chosen at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChosenGoe {
    pub local_open: Option<Vec<String>>,
}

impl GoeSettings {
    /// Where the open networks stand among the settings.
    pub const LOCAL_OPEN: &'static str = "goe.local_open";
}

impl ChosenGoe {
    /// Puts what was chosen where the file says nothing.
    pub fn over(&self, settings: &mut GoeSettings, given: &Given) {
        let networks = self.local_open.as_ref();
        if let Some(networks) = networks.filter(|_| !given.says(GoeSettings::LOCAL_OPEN)) {
            settings.local_open.clone_from(networks);
        }
    }
}

/// What the cloud form answers to a write that was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetStatus {
    /// 202, as documented.
    #[default]
    Accepted,
    /// 200, for clients that take everything else for a failure.
    Ok,
}

/// How one EVSE appears to go-e clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoeCharger {
    pub evse: EvseId,
    /// Six digits, leading zeros kept.
    pub serial: String,
    /// Whether the cloud API is switched on (`cae`).
    pub enabled: bool,
}

impl GoeCharger {
    /// Where it stands among the settings whether the cloud form answers for an EVSE.
    #[must_use]
    pub fn enabled_place(evse: &EvseId) -> String {
        format!("goe.charger.{evse}.enabled")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Chosen;

    #[test]
    fn what_was_chosen_is_stored_as_ever() {
        let stored = r#"{"backup":null,"mail":null,"outbound":null,"local_open":["::1"],"sites":{}}"#;
        let chosen: Chosen = serde_json::from_str(stored).unwrap();
        assert_eq!(chosen.goe.local_open.as_deref(), Some(&["::1".to_owned()][..]));
        assert_eq!(serde_json::to_string(&chosen).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Chosen>("{}").unwrap(), Chosen::default());
    }
}
