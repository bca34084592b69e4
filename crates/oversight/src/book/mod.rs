//! The image of one operator: what it has, and what its ports said last.
//!
//! A city has 1.7 million ports, so what is kept of each is small: its id, where it stands, its newest sample
//! ([`packed`]) and a few numbers; a test measures it. What an entity says of itself stays in the
//! store but for what pages and rules need all the time.

pub(crate) mod packed;
pub(crate) mod shelf;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::oversight::{Code, Decimal, Entity, EntityKey, EntityKind, Operator, Sample};
use model::time::{Millis, Timestamp};

use crate::overview::{Look, Tally};
use crate::quality::Ledger;
use crate::risk::Watch;
use shelf::{Place, Shelf, Slot};

pub(crate) struct Station {
    pub name: Box<str>,
    /// Longitude and latitude.
    pub location: Option<(Decimal, Decimal)>,
}

/// Equipment.
pub(crate) struct Cabinet {
    pub station: Place,
}

pub(crate) struct Port {
    /// Packed; empty: there is none.
    newest: Box<[u8]>,
    /// When that came; of a port that has said nothing, since when it could have.
    pub seen: Timestamp,
    /// Since when it charges, by its own time.
    charging: Timestamp,
    rated_power: Rated,
    rated_current: Rated,
    pub equipment: Place,
    /// Reports that were due since then and did not come.
    pub missed: u16,
    look: Look,
    is_stale: bool,
}

/// An optional number in half the room.
#[derive(Clone, Copy)]
struct Rated(i64);

impl Rated {
    const NONE: Self = Self(i64::MIN);

    fn of(number: Option<Decimal>) -> Self {
        number.map_or(Self::NONE, |number| Self(number.0))
    }

    fn get(self) -> Option<Decimal> {
        (self.0 != i64::MIN).then_some(Decimal(self.0))
    }
}

impl Port {
    /// kW
    pub fn rated_power(&self) -> Option<Decimal> {
        self.rated_power.get()
    }

    /// A
    pub fn rated_current(&self) -> Option<Decimal> {
        self.rated_current.get()
    }

    /// Whether there is a sample of it.
    pub fn has_spoken(&self) -> bool {
        !self.newest.is_empty()
    }
}

/// All of one operator.
pub(crate) struct Book {
    pub operator: Arc<Operator>,
    pub stations: Shelf<Station>,
    pub equipment: Shelf<Cabinet>,
    pub ports: Shelf<Port>,
    pub watch: Watch,
    pub ledger: Ledger,
    /// Ports with a newer sample than the store knows as their newest.
    pub dirty: BTreeSet<Place>,
    /// Failures that something in the journal repairs.
    pub repairing: BTreeSet<Code>,
    /// When anything was taken last.
    pub heard: Option<Timestamp>,
    looks: BTreeMap<Look, u64>,
    stale: u64,
    /// Where samples are packed.
    packed: Vec<u8>,
}

/// What a sample was to its port.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, and none is kept"
)]
pub(crate) enum Placed {
    /// The newest so far; what was before.
    Newest(Option<Sample>),
    /// The newest once more.
    Again,
    /// Of the time of the newest, and it says something else; it counts now.
    Instead,
    /// Older than the newest.
    Late,
}

impl Book {
    pub fn new(operator: Arc<Operator>) -> Self {
        Self {
            operator,
            stations: Shelf::default(),
            equipment: Shelf::default(),
            ports: Shelf::default(),
            watch: Watch::default(),
            ledger: Ledger::default(),
            dirty: BTreeSet::new(),
            repairing: BTreeSet::new(),
            heard: None,
            looks: BTreeMap::new(),
            stale: 0,
            packed: Vec::new(),
        }
    }

    pub fn has(&self, kind: EntityKind, id: &Code) -> bool {
        match kind {
            EntityKind::Station => self.stations.find(id).is_some(),
            EntityKind::Equipment => self.equipment.find(id).is_some(),
            EntityKind::Port => self.ports.find(id).is_some(),
        }
    }

    pub fn count(&self, kind: EntityKind) -> usize {
        match kind {
            EntityKind::Station => self.stations.len(),
            EntityKind::Equipment => self.equipment.len(),
            EntityKind::Port => self.ports.len(),
        }
    }

    pub fn page(&self, kind: EntityKind, skip: usize, size: usize) -> Vec<i64> {
        match kind {
            EntityKind::Station => self.stations.page(skip, size),
            EntityKind::Equipment => self.equipment.page(skip, size),
            EntityKind::Port => self.ports.page(skip, size),
        }
    }

    /// Takes in what the store has stored; what stands in nothing that is known is left out, and said.
    pub fn add(&mut self, key: EntityKey, now: Timestamp) -> bool {
        let EntityKey { number, id, .. } = key;
        match key.kind {
            EntityKind::Station => {
                let what = Station {
                    name: Box::default(),
                    location: None,
                };
                self.stations.insert(Slot { number, id, what }).is_some()
            }
            EntityKind::Equipment => {
                let Some(station) = key.parent.and_then(|id| self.stations.find(&id)) else {
                    return false;
                };
                let what = Cabinet { station };
                self.equipment.insert(Slot { number, id, what }).is_some()
            }
            EntityKind::Port => {
                let Some(equipment) = key.parent.and_then(|id| self.equipment.find(&id)) else {
                    return false;
                };
                let what = Port {
                    newest: Box::default(),
                    seen: now,
                    charging: Timestamp(0),
                    rated_power: Rated::NONE,
                    rated_current: Rated::NONE,
                    equipment,
                    missed: 0,
                    look: Look::Never,
                    is_stale: false,
                };
                *self.looks.entry(Look::Never).or_default() += 1;
                self.ports.insert(Slot { number, id, what }).is_some()
            }
        }
    }

    /// Takes in what an entity that is there says of itself.
    pub fn describe(&mut self, entity: &Entity) {
        match entity.kind {
            EntityKind::Station => {
                let place = self.stations.find(&entity.id);
                if let Some(slot) = place.and_then(|place| self.stations.get_mut(place)) {
                    slot.what.name = entity.text("name").unwrap_or_default().into();
                    let location = entity.number("longitude").zip(entity.number("latitude"));
                    slot.what.location = location;
                }
            }
            EntityKind::Equipment => {
                let station = entity.parent.as_ref().and_then(|id| self.stations.find(id));
                let place = self.equipment.find(&entity.id);
                let slot = place.and_then(|place| self.equipment.get_mut(place));
                if let (Some(slot), Some(station)) = (slot, station) {
                    slot.what.station = station;
                }
            }
            EntityKind::Port => {
                let equipment = entity.parent.as_ref().and_then(|id| self.equipment.find(id));
                let place = self.ports.find(&entity.id);
                let sample = place.and_then(|place| self.newest(place));
                let slot = place.and_then(|place| self.ports.get_mut(place));
                if let (Some(slot), Some(equipment)) = (slot, equipment) {
                    slot.what.rated_power = Rated::of(entity.number("rated_power"));
                    slot.what.rated_current = Rated::of(entity.number("rated_current"));
                    slot.what.equipment = equipment;
                    if !slot.what.has_spoken() {
                        slot.what.seen = entity.told;
                    }
                }
                // What is packed leaves out where the port stands.
                if let (Some(place), Some(sample)) = (place, sample) {
                    self.put_newest(place, &sample);
                }
            }
        }
    }

    /// What stands in an entity, the lowest first, so that it can be deleted in this order.
    pub fn below(&self, kind: EntityKind, id: &Code) -> Vec<(EntityKind, Code)> {
        let cabinets: BTreeSet<Place> = match kind {
            EntityKind::Station => {
                let station = self.stations.find(id);
                let stands = |cabinet: &Cabinet| Some(cabinet.station) == station;
                let all = self.equipment.iter();
                all.filter(|(_, slot)| stands(&slot.what))
                    .map(|(place, _)| place)
                    .collect()
            }
            EntityKind::Equipment => self.equipment.find(id).into_iter().collect(),
            EntityKind::Port => return Vec::new(),
        };
        let ports = self.ports.iter();
        let ports = ports.filter(|(_, slot)| cabinets.contains(&slot.what.equipment));
        let mut below: Vec<_> = ports
            .map(|(_, slot)| (EntityKind::Port, slot.id.clone()))
            .collect();
        if kind == EntityKind::Station {
            let slots = cabinets.iter().filter_map(|place| self.equipment.get(*place));
            below.extend(slots.map(|slot| (EntityKind::Equipment, slot.id.clone())));
        }
        below
    }

    /// Forgets an entity; of a port says where it stood.
    pub fn remove(&mut self, kind: EntityKind, id: &Code) -> Option<Place> {
        match kind {
            EntityKind::Station => {
                self.stations.remove(id);
                None
            }
            EntityKind::Equipment => {
                self.equipment.remove(id);
                None
            }
            EntityKind::Port => {
                let (place, slot) = self.ports.remove(id)?;
                self.dirty.remove(&place);
                self.stale -= u64::from(slot.what.is_stale);
                if let Some(count) = self.looks.get_mut(&slot.what.look) {
                    *count -= 1;
                }
                Some(place)
            }
        }
    }

    /// The id of the equipment that a port stands in.
    pub fn equipment_of(&self, port: &Port) -> Option<&Code> {
        self.equipment.get(port.equipment).map(|slot| &slot.id)
    }

    /// The newest sample of a port.
    pub fn newest(&self, place: Place) -> Option<Sample> {
        let slot = self.ports.get(place)?;
        packed::unpack(&slot.what.newest, &slot.id, self.equipment_of(&slot.what)?)
    }

    /// Sets it, whatever was there.
    pub fn put_newest(&mut self, place: Place, sample: &Sample) {
        let Some(slot) = self.ports.get_mut(place) else {
            return;
        };
        let Some(equipment) = self.equipment.get(slot.what.equipment) else {
            return;
        };
        packed::pack(sample, &equipment.id, &mut self.packed);
        slot.what.newest = Box::from(self.packed.as_slice());
    }

    /// Puts a sample where it belongs.
    pub fn place(&mut self, place: Place, sample: &Sample, received: Timestamp) -> Placed {
        let Some(slot) = self.ports.get(place) else {
            return Placed::Late;
        };
        let Some(equipment) = self.equipment.get(slot.what.equipment).map(|slot| &slot.id) else {
            return Placed::Late;
        };
        let newest = packed::time_of(&slot.what.newest);
        if newest.is_some_and(|newest| newest > sample.at) {
            return Placed::Late;
        }
        packed::pack(sample, equipment, &mut self.packed);
        if *slot.what.newest == *self.packed {
            return Placed::Again;
        }
        let before = packed::unpack(&slot.what.newest, &slot.id, equipment);
        let is_same_time = newest == Some(sample.at);
        let Some(slot) = self.ports.get_mut(place) else {
            return Placed::Late;
        };
        let port = &mut slot.what;
        let charges = |sample: &Sample| sample.state == model::oversight::PortState::Charging;
        if charges(sample) && !before.as_ref().is_some_and(charges) {
            port.charging = sample.at;
        }
        port.newest = Box::from(self.packed.as_slice());
        port.seen = received;
        port.missed = 0;
        self.dirty.insert(place);
        self.heard = self.heard.max(Some(received));
        if is_same_time {
            Placed::Instead
        } else {
            Placed::Newest(before)
        }
    }

    /// How long a port has been charging by a sample of it: as it says itself, else as we have seen it.
    pub fn charging_for(&self, place: Place, sample: &Sample) -> Millis {
        if let Some(seconds) = sample.duration_s {
            return Millis::from_seconds(seconds.clamp(0, i64::from(i32::MAX)));
        }
        let since = self.ports.get(place).map(|slot| slot.what.charging);
        since
            .filter(|since| since.0 != 0)
            .map_or(Millis::ZERO, |since| sample.at - since)
    }

    /// The newest sample as the store knew it, and when it may have come.
    pub fn restore(&mut self, place: Place, sample: &Sample, seen: Timestamp) {
        self.put_newest(place, sample);
        if let Some(slot) = self.ports.get_mut(place) {
            slot.what.seen = seen;
            slot.what.charging = sample.at;
        }
    }

    pub fn look(&self, port: &Port) -> (Look, bool) {
        (port.look, port.is_stale)
    }

    pub fn set_look(&mut self, place: Place, look: Look, is_stale: bool) {
        let Some(slot) = self.ports.get_mut(place) else {
            return;
        };
        let port = &mut slot.what;
        if port.look != look {
            if let Some(count) = self.looks.get_mut(&port.look) {
                *count -= 1;
            }
            *self.looks.entry(look).or_default() += 1;
            port.look = look;
        }
        self.stale = self.stale + u64::from(is_stale) - u64::from(port.is_stale);
        port.is_stale = is_stale;
    }

    pub fn tally(&self) -> Tally {
        let looks = self.looks.iter().filter(|(_, count)| **count > 0);
        Tally {
            stations: self.stations.len() as u64,
            equipment: self.equipment.len() as u64,
            ports: self.ports.len() as u64,
            looks: looks.map(|(look, count)| (*look, *count)).collect(),
            stale: self.stale,
        }
    }
}
