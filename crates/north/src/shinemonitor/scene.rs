//! What a caller may see of the running house.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dialects::eybond;
use dialects::shinemonitor::DIALECT;
use dialects::shinemonitor::error::Refusal;
use dialects::shinemonitor::params::{DeviceName, Params};
use dialects::shinemonitor::scene::{Account, Charger, Device, Field, Gateway, Plant, Raw, Scene};
use gate::{Account as Kept, Action, DoorCaller, Subject};
use model::alarm::Severity;
use model::device::{Device as Configured, DeviceKind, Evse, LinkState};
use model::document::Document;
use model::gateway::{LoggerState, LoggerStates};
use model::id::{DeviceId, SiteId};
use model::plant::PlantSheet;
use model::reading::Measured;
use model::settings::Settings;
use model::site::Site;
use model::time::{Millis, Now, Timestamp};
use model::units::Watts;
use model::view::{DeviceView, EvseView, SiteView};
use serde_json::Value;
use store::calendar::{self, TimeZone};

use super::names::{Names, PlantName, further_evses, logger_of, type_of};
use super::{Shell, accounts, failed};

/// A site whose last view is older is not running.
const RUNNING: Millis = Millis(60_000);

/// All that a [`Scene`] shows.
pub struct Stage {
    now: Timestamp,
    caller: Account,
    others: Vec<Account>,
    plants: Vec<Plant>,
    gateways: Vec<Gateway>,
    devices: Vec<Device>,
    all_plants: Arc<BTreeSet<i64>>,
    /// What it was made from.
    views: BTreeMap<SiteId, Arc<SiteView>>,
}

impl Stage {
    /// The view that a device was found in.
    pub fn view_of(&self, name: &DeviceName) -> Option<&Arc<SiteView>> {
        let device = self.devices.iter().find(|device| device.name == *name)?;
        self.views.get(&device.site)
    }

    pub fn scene(&self) -> Scene<'_> {
        Scene {
            now: self.now,
            caller: &self.caller,
            others: &self.others,
            plants: &self.plants,
            gateways: &self.gateways,
            devices: &self.devices,
            all_plants: &self.all_plants,
        }
    }
}

impl Shell {
    /// Sites and devices in the order of the settings. Of many sites only those that a request names: a scene of
    /// all of them is the dearest part of an answer.
    pub(super) async fn stage(&self, caller: &DoorCaller, params: Params<'_>) -> Result<Stage, Refusal> {
        let (state, names) = (&self.state, self.names().await?);
        let now = state.clock.now();
        let own = self.account(caller)?;
        let all = state.gate.accounts(&DIALECT);
        let others = all
            .iter()
            .rev()
            .filter(|other| accounts::is_shown_to(&own, other));
        let mut stage = Stage {
            now: now.wall,
            caller: accounts::account(&own),
            others: others.map(accounts::account).collect(),
            plants: Vec::new(),
            gateways: Vec::new(),
            devices: Vec::new(),
            all_plants: Arc::clone(&names.pids),
            views: BTreeMap::new(),
        };
        let sheets = self.sheets.all(state.store.as_ref()).await;
        let sheets = sheets.map_err(|error| failed("cannot read the sheets of plants", &error))?;
        let named = names.sites_of(params);
        let loggers = (state.loggers.states)();
        for site in &state.settings.sites {
            let is_named = named.as_ref().is_none_or(|named| named.contains(&site.id));
            if !is_named || !gate::may(&caller.principal, &Action::Read, &Subject::Site(&site.id)) {
                continue;
            }
            let sheet = sheets.get(&site.id).cloned();
            let view = state.bus.latest_view(&site.id).await;
            if let Some(view) = &view {
                stage.views.insert(site.id.clone(), Arc::clone(view));
            }
            let mut documents = BTreeMap::new();
            for device in &site.devices {
                if logger_of(&state.settings, device).is_some()
                    && let Some(document) = state.bus.latest_document(&site.id, &device.id).await
                {
                    documents.insert(device.id.clone(), document);
                }
            }
            let seen = Seen {
                site,
                sheet: sheet.unwrap_or_else(|| PlantSheet::new(site.id.clone(), now.wall)),
                view,
                documents,
                now,
            };
            stage
                .gateways
                .extend(seen.loggers(&state.settings, &loggers, names));
            seen.enter(&mut stage, names, &all);
        }
        Ok(stage)
    }
}

/// What is known of a site.
struct Seen<'a> {
    site: &'a Site,
    sheet: PlantSheet,
    view: Option<Arc<SiteView>>,
    /// What devices behind loggers said last, field by field.
    documents: BTreeMap<DeviceId, Document>,
    now: Now,
}

impl Seen<'_> {
    /// The loggers that carry devices of the site, in the order of those.
    fn loggers(&self, settings: &Settings, states: &LoggerStates, names: &Names) -> Vec<Gateway> {
        let Some(plant) = names.plants.get(&self.site.id) else {
            return Vec::new();
        };
        let mut found: Vec<Gateway> = Vec::new();
        for device in &self.site.devices {
            let Some((gateway, pn)) = logger_of(settings, device) else {
                continue;
            };
            if let Some(known) = found.iter_mut().find(|known| known.pn == pn) {
                known.period = known.period.min(device.period);
                continue;
            }
            let state = states.get(pn).filter(|state| state.accepted.is_some());
            found.push(Gateway {
                pn: pn.to_owned(),
                pid: plant.pid,
                alias: gateway.name.clone(),
                period: device.period,
                is_online: state.is_some_and(LoggerState::is_online),
                kind: None,
                firmware: state.and_then(|state| state.facts.firmware.clone()),
            });
        }
        found
    }

    fn enter(self, stage: &mut Stage, names: &Names, accounts: &[Kept]) {
        let Some(name) = names.plants.get(&self.site.id) else {
            return;
        };
        let devices = self.site.devices.iter();
        for device in devices {
            let Some(shown) = self.device(device, names, name.pid) else {
                continue;
            };
            let further = further_evses(device);
            let further = further.filter_map(|evse| self.further_evse(evse, &shown, names));
            let further: Vec<Device> = further.collect();
            stage.devices.push(shown);
            stage.devices.extend(further);
        }
        stage.gateways.push(Gateway {
            pn: name.pn.clone(),
            pid: name.pid,
            alias: self.site.name.clone(),
            period: self.period(),
            is_online: self.is_running(),
            kind: None,
            firmware: Some(env!("CARGO_PKG_VERSION").to_owned()),
        });
        stage.plants.push(self.plant(name, accounts));
    }

    fn is_running(&self) -> bool {
        let age = |view: &Arc<SiteView>| self.now.monotonic - view.at.monotonic;
        self.view.as_ref().is_some_and(|view| age(view) <= RUNNING)
    }

    /// How often the site reads its devices: as often as that which is read most often.
    fn period(&self) -> Millis {
        let devices = self.site.devices.iter().filter(|device| device.enabled);
        devices.map(|device| device.period).min().unwrap_or(RUNNING)
    }

    fn plant(self, name: &PlantName, accounts: &[Kept]) -> Plant {
        let owner = accounts::owner_of(accounts, &self.site.id);
        let is_running = self.is_running();
        let Self {
            site, sheet, view, ..
        } = self;
        let view = view.as_ref();
        Plant {
            pid: name.pid,
            pn: name.pn.clone(),
            site: site.id.clone(),
            name: sheet.name.unwrap_or_else(|| site.name.clone()),
            owner: owner.map_or(0, |owner| owner.number.into()),
            owner_name: owner.map(|owner| owner.name.clone()).unwrap_or_default(),
            zone: calendar::zone(&site.time_zone).unwrap_or(TimeZone::UTC),
            position: sheet.position.or(site.position),
            nominal_voltage: site.nominal_voltage,
            created: sheet.created,
            sheet: sheet.sheet,
            flow: view
                .filter(|_| is_running)
                .map(|view| view.flow)
                .unwrap_or_default(),
            has_open_alarm: view.is_some_and(|view| !view.alarms.is_empty()),
        }
    }

    fn device(&self, device: &Configured, names: &Names, pid: i64) -> Option<Device> {
        let view = self.view.as_ref();
        let shown = view.and_then(|view| view.devices.iter().find(|shown| shown.id == device.id));
        let is_up = |shown: &DeviceView| shown.link == LinkState::Online && shown.last_seen.is_some();
        let is_running = self.is_running();
        let said = self.documents.get(&device.id).and_then(Said::read);
        let (fields, raw) = said.map(|said| (said.fields, said.raw)).unzip();
        Some(Device {
            name: names.devices.get(&device.id)?.clone(),
            site: self.site.id.clone(),
            id: device.id.clone(),
            evse: None,
            pid,
            alias: device.name.clone(),
            kind: type_of(&device.kind),
            is_online: is_running && shown.is_some_and(is_up),
            is_fresh: is_running && shown.is_some_and(|shown| shown.is_fresh),
            last_seen: shown.and_then(|shown| shown.last_seen),
            alarm: self.alarm(device),
            measured: shown.map(|shown| shown.measured.clone()).unwrap_or_default(),
            fields,
            rated: rated(&device.kind),
            identity: shown.and_then(|shown| shown.identity.clone()),
            charger: device.evses().first().and_then(|evse| self.charger(evse)),
            controls: shown.map(|shown| shown.controls.clone()).unwrap_or_default(),
            raw,
        })
    }

    /// The worst of what is wrong with a device.
    fn alarm(&self, device: &Configured) -> Option<Severity> {
        let alarms = self.view.iter().flat_map(|view| &view.alarms);
        let own = alarms.filter(|alarm| alarm.device.as_ref() == Some(&device.id));
        own.map(|alarm| alarm.severity).max()
    }

    /// A charging station charges one car here, that of its first EVSE; each further one is a device beside it, with
    /// what is known of it alone.
    fn further_evse(&self, evse: &Evse, station: &Device, names: &Names) -> Option<Device> {
        let shown = self.evse(evse);
        let measured = shown.map(|shown| Measured {
            power: Some(shown.power),
            current: Some(shown.current),
            ..Measured::default()
        });
        Some(Device {
            name: names.evses.get(&evse.id)?.clone(),
            evse: Some(evse.id.clone()),
            alias: format!("{}, {}", station.alias, evse.name),
            measured: measured.unwrap_or_default(),
            charger: self.charger(evse),
            ..station.clone()
        })
    }

    fn evse(&self, evse: &Evse) -> Option<&EvseView> {
        let view = self.view.as_ref()?;
        view.evses.iter().find(|shown| shown.id == evse.id)
    }

    fn charger(&self, evse: &Evse) -> Option<Charger> {
        let shown = self.evse(evse)?;
        Some(Charger {
            evse: evse.id.clone(),
            min: shown.min,
            max: shown.max,
            switches_phases: shown.phase_switching,
            wish: shown.wish,
            pilot: shown.status.pilot,
            session_energy: shown.status.session_energy,
        })
    }
}

/// What a device behind a logger said.
struct Said {
    fields: Arc<[Field]>,
    raw: Raw,
}

impl Said {
    /// `None` of another dialect.
    fn read(document: &Document) -> Option<Self> {
        if document.dialect != eybond::DIALECT {
            return None;
        }
        let json: Value = serde_json::from_str(&document.json).ok()?;
        let field = |field: &Value| {
            let text = |name: &str| field.get(name)?.as_str().map(str::to_owned);
            Some(Field {
                key: text("key")?,
                title: text("title")?,
                unit: text("unit")?,
                val: text("value")?,
            })
        };
        let fields = json.get("fields")?.as_array()?.iter();
        let hex = json.get("raw")?.as_str()?.as_bytes();
        let digit = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let bytes = hex.chunks_exact(2).filter_map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        });
        Some(Self {
            fields: fields.filter_map(field).collect(),
            raw: Raw {
                at: document.at.wall,
                bytes: bytes.collect(),
            },
        })
    }
}

fn rated(kind: &DeviceKind) -> Option<Watts> {
    match kind {
        DeviceKind::Inverter { rated_power, .. } => *rated_power,
        DeviceKind::Battery { max_discharge, .. } => Some(*max_discharge),
        DeviceKind::Meter { .. } | DeviceKind::ChargingStation { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_behind_a_logger_said_is_read_field_by_field() {
        let document = |dialect: &str, json: &str| Document {
            dialect: dialect.to_owned(),
            at: Now::default(),
            json: json.into(),
        };
        let json = r#"{"devcode":2341,"raw":"00FFa","fields":[
            {"key":"pv_power","title":"PV power","value":"2100","unit":"W"},{"key":"cut"}]}"#;
        let said = Said::read(&document("eybond", json)).unwrap();
        let field = Field {
            key: "pv_power".to_owned(),
            title: "PV power".to_owned(),
            unit: "W".to_owned(),
            val: "2100".to_owned(),
        };
        assert_eq!(said.fields[..], [field]);
        assert_eq!(said.raw.bytes, [0, 0xFF]);
        assert!(Said::read(&document("goe", json)).is_none());
        assert!(Said::read(&document("eybond", "{}")).is_none());
    }
}
