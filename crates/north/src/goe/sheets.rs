//! Answers ready made: what a charger shows changes once a second, however often it is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dialects::goe::map::{About, sheet};
use dialects::goe::server::Sheet;
use model::id::EvseId;
use model::view::SiteView;

use super::caller::Caller;
use super::charger::Charger;

/// One kept answer for each charger: at most as many as there are EVSEs.
#[derive(Default)]
pub struct Sheets {
    kept: Mutex<BTreeMap<EvseId, Kept>>,
}

/// An answer with what it was made from. Views and documents are never changed, only replaced, so the same
/// place in memory is the same content as long as it is held here.
struct Kept {
    view: Arc<SiteView>,
    document: Option<Arc<str>>,
    token: Option<String>,
    api_enabled: bool,
    sheet: Arc<Sheet>,
}

impl Sheets {
    /// What the charger shows now.
    pub fn of(&self, charger: &Charger, caller: &Caller) -> Arc<Sheet> {
        let api_enabled = charger.door.is_enabled();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.get(&caller.evse).filter(|kept| kept.is_of(charger, caller)) {
            return Arc::clone(&kept.sheet);
        }
        let about = About {
            serial: &charger.door.settings.serial,
            token: caller.token.as_deref(),
            api_enabled,
            at: charger.view.at,
            time_zone: &charger.view.time_zone,
            flow: charger.view.flow,
        };
        let made = sheet(
            charger.document.as_ref(),
            charger.evse(),
            charger.station(),
            &about,
        );
        let made = Arc::new(made);
        let entry = Kept {
            view: Arc::clone(&charger.view),
            document: charger
                .document
                .as_ref()
                .map(|document| Arc::clone(&document.json)),
            token: caller.token.clone(),
            api_enabled,
            sheet: Arc::clone(&made),
        };
        kept.insert(caller.evse.clone(), entry);
        made
    }
}

impl Kept {
    fn is_of(&self, charger: &Charger, caller: &Caller) -> bool {
        let same_document = match (&self.document, &charger.document) {
            (Some(kept), Some(now)) => Arc::ptr_eq(kept, &now.json),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_document
            && Arc::ptr_eq(&self.view, &charger.view)
            && self.token == caller.token
            && self.api_enabled == charger.door.is_enabled()
    }
}
