//! What this dialect calls our sites and devices: numbers, assigned once and never given away again.
//!
//! | name | of | what |
//! |---|---|---|
//! | `plant:1` | a site | the number of its plant |
//! | `pn:G0000000000001` | a site | the number of what stands for its data logger |
//! | `addr,<pn>:1` | a device | its address behind that logger |
//! | `sn:1` | a device | what its serial number ends with |
//!
//! Of a charging station with several EVSEs the first is the station itself, and each further one is numbered like a
//! device. What is behind a data logger has the number of that logger and the address on its line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::State;
use crate::plant_sheets::Sheets;
use dialects::eybond::{Behind, Definition};
use dialects::shinemonitor::DIALECT;
use dialects::shinemonitor::params::{DeviceName, Params};
use dialects::shinemonitor::scene::DeviceType;
use gate::{Gate, GateError, Thing};
use model::device::{Device, DeviceKind, Evse, LinkSettings};
use model::gateway::Gateway;
use model::id::{DeviceId, EvseId, SiteId};
use model::settings::Settings;
use model::site::Site;

const PN: &str = "pn:";

/// The names of all that the settings know.
#[derive(Default)]
pub struct Names {
    pub plants: BTreeMap<SiteId, PlantName>,
    pub devices: BTreeMap<DeviceId, DeviceName>,
    /// Of a charging station, the EVSEs after the first, which is the station itself.
    pub evses: BTreeMap<EvseId, DeviceName>,
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

/// Of a charging station the EVSEs that are devices of their own: the first is the station itself.
pub fn further_evses(device: &Device) -> impl Iterator<Item = &Evse> {
    device.evses().iter().skip(1)
}

/// What is shown as a device.
enum Part<'s> {
    Device(&'s Device),
    Evse(&'s Evse),
}

impl Part<'_> {
    fn thing(&self) -> Thing {
        match self {
            Self::Device(device) => Thing::Device(device.id.clone()),
            Self::Evse(evse) => Thing::Evse(evse.id.clone()),
        }
    }
}

impl Names {
    /// Assigns what has none yet, in the order of the settings, and at once: a large house has thousands of devices.
    pub async fn settle(state: &State, sheets: &Arc<Sheets>) -> Result<Self, GateError> {
        let (gate, sites) = (state.gate.as_ref(), &state.settings.sites);
        let thing = |site: &Site| Thing::Site(site.id.clone());
        let plants = sites.iter().map(|site| ("plant".to_owned(), thing(site)));
        let pids = gate.numbers(&DIALECT, &plants.collect::<Vec<_>>()).await?;
        let pns = sites.iter().zip(&pids);
        let pns = pns.map(|(site, pid)| pn_of(gate, &state.settings, site, *pid));
        let pns: Vec<String> = pns.collect();
        let named = sites.iter().zip(&pns);
        let named = named.map(|(site, pn)| (format!("{PN}{pn}"), thing(site)));
        gate.assign_all(&DIALECT, named.collect()).await?;
        // What came to be named later has the later numbers.
        let of_sites = || sites.iter().zip(&pns);
        let devices = of_sites().flat_map(|(site, pn)| {
            let devices = site.devices.iter();
            devices.map(move |device| (site, pn, Part::Device(device)))
        });
        let evses = of_sites().flat_map(|(site, pn)| {
            let further = site.devices.iter().flat_map(further_evses);
            further.map(move |evse| (site, pn, Part::Evse(evse)))
        });
        let parts: Vec<(&Site, &String, Part<'_>)> = devices.chain(evses).collect();
        let wanted = parts.iter().flat_map(|(_, pn, part)| {
            let thing = part.thing();
            [(format!("addr,{pn}"), thing.clone()), ("sn".to_owned(), thing)]
        });
        let numbers = gate.numbers(&DIALECT, &wanted.collect::<Vec<_>>()).await?;
        let mut names = Self::default();
        for ((site, pn, part), numbers) in parts.iter().zip(numbers.chunks_exact(2)) {
            let [devaddr, sn] = *numbers else { continue };
            let sn = format!("99{sn:011}");
            let name = |devcode| DeviceName {
                pn: (*pn).clone(),
                devcode,
                devaddr: devaddr.into(),
                sn: sn.clone(),
            };
            match part {
                Part::Device(device) => {
                    let behind = behind_logger(&state.settings, device, &sn);
                    let name = behind.unwrap_or_else(|| name(type_of(&device.kind).number()));
                    names.note_logger(&name.pn, &site.id);
                    names.devices.insert(device.id.clone(), name);
                }
                Part::Evse(evse) => {
                    names
                        .evses
                        .insert(evse.id.clone(), name(DeviceType::Charger.number()));
                }
            }
        }
        for ((site, pn), pid) in sites.iter().zip(pns).zip(pids) {
            let pid = pid.into();
            names.by_pid.insert(pid, site.id.clone());
            names.note_logger(&pn, &site.id);
            names.plants.insert(site.id.clone(), PlantName { pid, pn });
        }
        // A plant has existed since it was first shown.
        let ids = sites.iter().map(|site| site.id.clone());
        sheets
            .begin(&state.store, ids.collect(), state.clock.now().wall)
            .await?;
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
fn pn_of(gate: &Gate, settings: &Settings, site: &Site, pid: u32) -> String {
    let mut plants = settings.shinemonitor.plants.iter();
    if let Some(plant) = plants.find(|plant| plant.site == site.id) {
        return plant.pn.clone();
    }
    let known = gate.names_of(&DIALECT, &Thing::Site(site.id.clone()));
    let known = known.iter().find_map(|name| name.strip_prefix(PN));
    known.map_or_else(|| format!("G{pid:013}"), str::to_owned)
}

pub const fn type_of(kind: &DeviceKind) -> DeviceType {
    match kind {
        DeviceKind::Meter { role } => DeviceType::Meter(*role),
        DeviceKind::Inverter { .. } => DeviceType::Inverter,
        DeviceKind::Battery { .. } => DeviceType::Battery,
        DeviceKind::ChargingStation { .. } => DeviceType::Charger,
    }
}
