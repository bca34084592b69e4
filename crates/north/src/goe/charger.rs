//! The charger behind a caller: latest view, latest document, and how old they are.

use std::sync::Arc;

use dialects::goe::server::LinkFacts;
use gate::{Action, Subject};
use model::device::LinkState;
use model::document::Document;
use model::id::SiteId;
use model::settings::GoeCharger;
use model::time::{Monotonic, Now, Timestamp};
use model::view::{DeviceView, EvseView, SiteView};

use super::caller::Caller;
use crate::State;

/// An EVSE as a go-e charger, at one moment.
pub struct Charger {
    pub view: Arc<SiteView>,
    /// Where the EVSE and its station stand in the view.
    evse: usize,
    station: Option<usize>,
    pub document: Option<Document>,
    pub settings: GoeCharger,
}

impl Charger {
    /// `None` when the EVSE is in no site any more, its site has not begun to run, or the gate forbids it.
    pub async fn find(state: &State, caller: &Caller, action: &Action) -> Option<Self> {
        let settings = state
            .settings
            .goe
            .chargers
            .iter()
            .find(|charger| charger.evse == caller.evse)?
            .clone();
        let sites = &state.settings.sites;
        let site = sites
            .iter()
            .find(|site| site.evses().any(|(_, evse)| evse.id == caller.evse))?;
        if !gate::may(&caller.principal, action, &Subject::Evse(&site.id, &caller.evse)) {
            return None;
        }
        let view = state.bus.latest_view(&site.id).await?;
        let evse = view.evses.iter().position(|evse| evse.id == caller.evse)?;
        let station = view
            .devices
            .iter()
            .position(|device| device.id == view.evses[evse].station);
        let document = document(state, &view, evse).await;
        Some(Self {
            view,
            evse,
            station,
            document,
            settings,
        })
    }

    pub fn site(&self) -> &SiteId {
        &self.view.id
    }

    pub fn evse(&self) -> &EvseView {
        &self.view.evses[self.evse]
    }

    pub fn station(&self) -> Option<&DeviceView> {
        self.station.and_then(|at| self.view.devices.get(at))
    }

    /// When the charger was last heard from, by the wall clock: that alone is kept over a restart.
    pub fn last_data(&self) -> Option<Timestamp> {
        let seen = self.station().and_then(|station| station.last_seen);
        let document = self.document.as_ref().map(|document| document.at.wall);
        seen.max(document)
    }

    /// What decides between 200, 403 and 404.
    pub fn facts(&self, state: &State) -> LinkFacts {
        let now = state.clock.now().wall;
        let data_age = self
            .last_data()
            .map(|at| (now - at).max(model::time::Millis::ZERO));
        let is_up = self
            .station()
            .is_some_and(|station| station.link == LinkState::Online);
        LinkFacts {
            api_enabled: self.settings.enabled,
            data_age,
            lost_for: data_age.filter(|_| !is_up),
            offline_after: state.settings.goe.offline_after,
        }
    }
}

/// The document of the charger's link, or the one that was kept when there is no link.
async fn document(state: &State, view: &SiteView, evse: usize) -> Option<Document> {
    let station = &view.evses[evse].station;
    if let Some(document) = state.bus.latest_document(&view.id, station).await {
        return Some(document);
    }
    let kept = match state.store.documents(&view.id).await {
        Ok(kept) => kept,
        Err(error) => {
            tracing::error!(%error, site.id = %view.id, "cannot read kept documents");
            return None;
        }
    };
    let (_, kept) = kept.into_iter().find(|(device, _)| device == station)?;
    let at = Now {
        wall: kept.at,
        monotonic: Monotonic(0),
    };
    Some(Document {
        dialect: kept.dialect,
        at,
        json: kept.json.into(),
    })
}
