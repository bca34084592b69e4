//! Lists of networks and names.

use links::outbound_guard::Guard;
use model::settings::{Chosen, OutboundSettings as Outbound, Settings};

use super::from_file;
use crate::native::error::ApiError;
use crate::native::wire::settings::SettingsChange;

/// Entries of a list.
const MOST: usize = 256;

/// What may be dialled.
pub fn outbound(settings: &Settings, wanted: &SettingsChange, after: &mut Chosen) -> Result<(), ApiError> {
    if let Some(outbound) = &wanted.outbound {
        if settings.given.says("outbound") {
            return Err(from_file("outbound"));
        }
        few("outbound.allow", &outbound.allow)?;
        if let Err(error) = Guard::new(&outbound.allow) {
            let expected = "networks (192.168.1.0/24) and host names";
            return Err(ApiError::invalid("outbound.allow", error.entry, expected));
        }
        after.outbound = Some(Outbound {
            allow: outbound.allow.clone(),
        });
    }
    Ok(())
}

/// No list is longer than somebody would write.
pub fn few(place: &str, entries: &[String]) -> Result<(), ApiError> {
    if entries.len() > MOST {
        let expected = format!("at most {MOST} entries");
        return Err(ApiError::invalid(
            place,
            format!("{} entries", entries.len()),
            expected,
        ));
    }
    Ok(())
}
