//! Answers ready made: what a charger shows changes once a second, however often it is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dialects::goe::map::{About, sheet};
use dialects::goe::server::Sheet;
use model::id::EvseId;
use model::view::SiteView;

use super::charger::Charger;

/// Kept answers, for each charger one for callers who know its token and one for those who do not.
#[derive(Default)]
pub struct Sheets {
    kept: Mutex<BTreeMap<(EvseId, bool), Kept>>,
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
    /// What the charger shows now to somebody who showed its token, or to somebody else.
    pub fn of(&self, charger: &Charger, token: Option<&str>) -> Arc<Sheet> {
        let key = (charger.evse().id.clone(), token.is_some());
        let api_enabled = charger.door.is_enabled();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.get(&key).filter(|kept| kept.is_of(charger, token)) {
            return Arc::clone(&kept.sheet);
        }
        let about = About {
            serial: &charger.door.settings.serial,
            token,
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
            token: token.map(str::to_owned),
            api_enabled,
            sheet: Arc::clone(&made),
        };
        kept.insert(key, entry);
        made
    }
}

impl Kept {
    fn is_of(&self, charger: &Charger, token: Option<&str>) -> bool {
        let same_document = match (&self.document, &charger.document) {
            (Some(kept), Some(now)) => Arc::ptr_eq(kept, &now.json),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_document
            && Arc::ptr_eq(&self.view, &charger.view)
            && self.token.as_deref() == token
            && self.api_enabled == charger.door.is_enabled()
    }
}
