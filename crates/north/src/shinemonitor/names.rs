//! What this dialect calls our sites and devices: numbers, assigned once and never given away again.
//!
//! | name | of | what |
//! |---|---|---|
//! | `plant:1` | a site | the number of its plant |
//! | `pn:G0000000000001` | a site | the number of what stands for its data logger |
//! | `addr,<pn>:1` | a device | its address behind that logger |
//! | `sn:1` | a device | what its serial number ends with |
//!
//! What is behind a data logger has the number of that logger and the address on its line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::State;
use crate::plant_sheets::Sheets;
use dialects::eybond::{Behind, Definition};
use dialects::shinemonitor::DIALECT;
use dialects::shinemonitor::params::{DeviceName, Params};
use dialects::shinemonitor::scene::DeviceType;
use gate::{Gate, GateError, Thing};
use model::device::{Device, DeviceKind, LinkSettings};
use model::gateway::Gateway;
use model::id::{DeviceId, SiteId};
use model::plant::PlantSheet;
use model::settings::Settings;
use model::site::Site;

const PN: &str = "pn:";

/// The names of all that the settings know.
#[derive(Default)]
pub struct Names {
    pub plants: BTreeMap<SiteId, PlantName>,
    pub devices: BTreeMap<DeviceId, DeviceName>,
    /// Of every plant.
    pub pids: Arc<BTreeSet<i64>>,
    by_pid: BTreeMap<i64, SiteId>,
    /// Devices behind one logger may belong to several sites.
    by_pn: BTreeMap<String, BTreeSet<SiteId>>,
}

pub struct PlantName {
    pub pid: i64,
    pub pn: String,
}

impl Names {
    /// Assigns what has none yet, in the order of the settings.
    pub async fn settle(state: &State, sheets: &Arc<Sheets>) -> Result<Self, GateError> {
        let gate = state.gate.as_ref();
        let mut names = Self::default();
        for site in &state.settings.sites {
            let thing = Thing::Site(site.id.clone());
            let pid = gate.number(&DIALECT, "plant", &thing).await?;
            let pn = pn_of(gate, &state.settings, site, pid).await?;
            for device in &site.devices {
                let thing = Thing::Device(device.id.clone());
                let devaddr = gate.number(&DIALECT, &format!("addr,{pn}"), &thing).await?;
                let sn = gate.number(&DIALECT, "sn", &thing).await?;
                let sn = format!("99{sn:011}");
                let name = behind_logger(&state.settings, device, &sn).unwrap_or_else(|| DeviceName {
                    pn: pn.clone(),
                    devcode: type_of(&device.kind).number(),
                    devaddr: devaddr.into(),
                    sn,
                });
                names.note_logger(&name.pn, &site.id);
                names.devices.insert(device.id.clone(), name);
            }
            let pid = pid.into();
            names.by_pid.insert(pid, site.id.clone());
            names.note_logger(&pn, &site.id);
            names.plants.insert(site.id.clone(), PlantName { pid, pn });
            begin_sheet(state, sheets, &site.id).await?;
        }
        names.pids = Arc::new(names.by_pid.keys().copied().collect());
        Ok(names)
    }

    fn note_logger(&mut self, pn: &str, site: &SiteId) {
        self.by_pn.entry(pn.to_owned()).or_default().insert(site.clone());
    }

    /// The site of a plant.
    pub fn site(&self, pid: i64) -> Option<&SiteId> {
        self.by_pid.get(&pid)
    }

    /// The sites of the plant and of the logger that a request names. `None`: it may be about any of them.
    pub fn sites_of(&self, params: Params<'_>) -> Option<BTreeSet<&SiteId>> {
        let (plant, logger) = (params.opt("plantid"), params.opt("pn"));
        if plant.is_none() && logger.is_none() {
            return None;
        }
        let mut sites = BTreeSet::new();
        if let Some(plant) = plant {
            sites.extend(self.site(plant.trim().parse().ok()?));
        }
        if let Some(logger) = logger {
            sites.extend(self.by_pn.get(logger.as_ref())?);
        }
        Some(sites)
    }
}

/// The logger that a device is behind.
pub fn logger_of<'s>(settings: &'s Settings, device: &Device) -> Option<(&'s Gateway, &'s str)> {
    let (id, _) = device.link.via()?;
    let gateway = settings.gateways.iter().find(|gateway| gateway.id == *id)?;
    Some((gateway, gateway.logger_number()?))
}

/// What is behind a logger is called by its protocol and its address there. Parts of one inverter differ by their
/// serial numbers alone.
fn behind_logger(settings: &Settings, device: &Device, sn: &str) -> Option<DeviceName> {
    let (_, pn) = logger_of(settings, device)?;
    let LinkSettings::Via {
        unit,
        definition: Some(definition),
        ..
    } = &device.link
    else {
        return None;
    };
    Some(DeviceName {
        pn: pn.to_owned(),
        devcode: Definition::built_in(definition)?.devcode.into(),
        devaddr: Behind::read(unit)?.address.into(),
        sn: sn.to_owned(),
    })
}

/// What the settings say, else what it was called before, else a number of ours.
async fn pn_of(gate: &Gate, settings: &Settings, site: &Site, pid: u32) -> Result<String, GateError> {
    let thing = Thing::Site(site.id.clone());
    let mut plants = settings.shinemonitor.plants.iter();
    let pn = match plants.find(|plant| plant.site == site.id) {
        Some(plant) => plant.pn.clone(),
        None => {
            let known = gate.names_of(&DIALECT, &thing);
            let known = known.iter().find_map(|name| name.strip_prefix(PN));
            known.map_or_else(|| format!("G{pid:013}"), str::to_owned)
        }
    };
    gate.assign(&DIALECT, &format!("{PN}{pn}"), &thing).await?;
    Ok(pn)
}

/// A plant has existed since it was first shown.
async fn begin_sheet(state: &State, sheets: &Arc<Sheets>, site: &SiteId) -> Result<(), GateError> {
    if !sheets.all(state.store.as_ref()).await?.contains_key(site) {
        let sheet = PlantSheet::new(site.clone(), state.clock.now().wall);
        sheets.put(&state.store, sheet).await?;
    }
    Ok(())
}

pub const fn type_of(kind: &DeviceKind) -> DeviceType {
    match kind {
        DeviceKind::Meter { role } => DeviceType::Meter(*role),
        DeviceKind::Inverter { .. } => DeviceType::Inverter,
        DeviceKind::Battery { .. } => DeviceType::Battery,
        DeviceKind::ChargingStation { .. } => DeviceType::Charger,
    }
}
