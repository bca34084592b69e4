//! The charger behind a caller: latest view, latest document, and how old they are.

use std::sync::Arc;

use dialects::goe::DIALECT;
use dialects::goe::map::{About, sheet};
use dialects::goe::server::{LinkFacts, Sheet};
use gate::{Action, Principal, Subject, Switches, Thing};
use model::device::LinkState;
use model::document::Document;
use model::id::{EvseId, SiteId};
use model::settings::GoeCharger;
use model::time::{Millis, Timestamp};
use model::view::{DeviceView, EvseView, SiteView};

use crate::State;

/// What of the go-e door of a charger the settings say, and what was decided at run time.
pub struct Door {
    pub serial: String,
    /// Whether the cloud form answers, as the settings have it.
    pub configured: bool,
    /// Whether the config file says if the cloud form answers.
    pub is_fixed: bool,
    pub decided: Switches,
}

impl Door {
    /// `None`: the EVSE is no go-e charger to anybody.
    pub fn of(state: &State, evse: &EvseId) -> Option<Self> {
        let thing = Thing::Evse(evse.clone());
        let access = state.gate.access_of(&DIALECT, &thing)?;
        let mut chargers = state.settings.goe.chargers.iter();
        let settings = chargers.find(|charger| charger.evse == *evse);
        Some(Self {
            serial: access.name,
            configured: settings.is_none_or(|charger| charger.enabled),
            is_fixed: state.settings.given.says(&GoeCharger::enabled_place(evse)),
            decided: state.gate.switches(&DIALECT, &thing),
        })
    }

    /// Whether the cloud form answers (`cae`). What the config file says stands above what was decided.
    pub fn is_enabled(&self) -> bool {
        let decided = self.decided.enabled.filter(|_| !self.is_fixed);
        decided.unwrap_or(self.configured)
    }
}

/// An EVSE as a go-e charger, at one moment.
pub struct Charger {
    pub view: Arc<SiteView>,
    /// Where the EVSE and its station stand in the view.
    evse: usize,
    station: Option<usize>,
    pub document: Option<Document>,
    pub door: Door,
}

impl Charger {
    /// `None` when the EVSE is in no site any more, its site has not begun to run, or the gate forbids it.
    pub async fn find(state: &State, evse: &EvseId, principal: &Principal, action: &Action) -> Option<Self> {
        let door = Door::of(state, evse)?;
        let sites = &state.settings.sites;
        let site = sites
            .iter()
            .find(|site| site.evses().any(|(_, known)| known.id == *evse))?;
        if !gate::may(principal, action, &Subject::Evse(&site.id, evse)) {
            return None;
        }
        let view = state.bus.latest_view(&site.id).await?;
        let evse = view.evses.iter().position(|known| known.id == *evse)?;
        let station = view
            .devices
            .iter()
            .position(|device| device.id == view.evses[evse].station);
        let document = state
            .bus
            .latest_document(&site.id, &view.evses[evse].station)
            .await;
        Some(Self {
            view,
            evse,
            station,
            document,
            door,
        })
    }

    /// Whether the charger said something of its own; else all it shows is ours.
    pub fn has_document(&self) -> bool {
        let document = self.document.as_ref();
        document.is_some_and(|document| document.dialect == DIALECT.name)
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

    pub fn moment(&self) -> Moment<'_> {
        Moment {
            view: &self.view,
            evse: self.evse(),
            station: self.station(),
            document: self.document.as_ref(),
            serial: &self.door.serial,
            api_enabled: self.door.is_enabled(),
        }
    }

    pub fn last_data(&self) -> Option<Timestamp> {
        self.moment().last_data()
    }

    pub fn facts(&self, state: &State) -> LinkFacts {
        self.moment().facts(state)
    }
}

/// All that an answer is made from.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    pub view: &'a Arc<SiteView>,
    pub evse: &'a EvseView,
    pub station: Option<&'a DeviceView>,
    pub document: Option<&'a Document>,
    pub serial: &'a str,
    /// Whether the cloud form answers (`cae`).
    pub api_enabled: bool,
}

impl Moment<'_> {
    /// What the charger shows to somebody who showed its token, or to somebody else.
    pub fn sheet(&self, token: Option<&str>) -> Sheet {
        let about = About {
            serial: self.serial,
            token,
            api_enabled: self.api_enabled,
            at: self.view.at,
            time_zone: &self.view.time_zone,
            flow: self.view.flow,
        };
        sheet(self.document, self.evse, self.station, &about)
    }

    /// When the charger was last heard from, by the wall clock: that alone is kept over a restart.
    pub fn last_data(&self) -> Option<Timestamp> {
        let seen = self.station.and_then(|station| station.last_seen);
        let document = self.document.map(|document| document.at.wall);
        seen.max(document)
    }

    /// What decides between 200, 403 and 404.
    pub fn facts(&self, state: &State) -> LinkFacts {
        let now = state.clock.now().wall;
        let data_age = self.last_data().map(|at| (now - at).max(Millis::ZERO));
        let is_up = self
            .station
            .is_some_and(|station| station.link == LinkState::Online);
        LinkFacts {
            api_enabled: self.api_enabled,
            data_age,
            lost_for: data_age.filter(|_| !is_up),
            offline_after: state.settings.goe.offline_after,
        }
    }
}
