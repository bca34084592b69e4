//! What go-e clients may do.

use model::settings::{Chosen, GoeSettings, Settings};

use super::{from_file, lists};
use crate::native::error::ApiError;
use crate::native::wire::settings::{GoeSettings as View, SettingsChange};
use crate::networks;

const LOCAL_OPEN: &str = GoeSettings::LOCAL_OPEN;

pub fn change(settings: &Settings, wanted: &SettingsChange, after: &mut Chosen) -> Result<(), ApiError> {
    let Some(wanted) = &wanted.goe else {
        return Ok(());
    };
    if settings.given.says(LOCAL_OPEN) {
        return Err(from_file(LOCAL_OPEN));
    }
    lists::few(LOCAL_OPEN, &wanted.local_open)?;
    if let Some(wrong) = wanted.local_open.iter().find(|text| !networks::is_network(text)) {
        let expected = "networks such as 192.168.1.0/24";
        return Err(ApiError::invalid(LOCAL_OPEN, wrong, expected));
    }
    after.goe.local_open = Some(wanted.local_open.clone());
    Ok(())
}

pub fn view(settings: &Settings) -> View {
    View {
        local_open: settings.goe.local_open.clone(),
        from_file: settings.given.says(LOCAL_OPEN),
    }
}

/// What is not so yet.
pub fn after_restart(settings: &Settings, running: &Settings) -> Option<String> {
    (settings.goe.local_open != running.goe.local_open).then(|| LOCAL_OPEN.to_owned())
}
