//! What is to be written down.

use control::Lasting;
use model::alarm::Alarm;
use model::device::Wish;
use model::document::Document;
use model::id::{DeviceId, EvseId};
use model::session::{LedgerEntry, Session};
use model::setpoint::ChargeCurrent;
use model::vehicle::{StateOfCharge, VehicleCharge};
use model::vendor::VendorKeys;
use store::{AuditEntry, DeviceSeen, Sample};

use crate::recorder::Columns;

/// What is to be written down. Control does not wait for it.
#[derive(Clone, Debug)]
pub enum Record {
    Samples(Vec<Sample>),
    /// What was measured before we listened.
    Past(Columns),
    Setpoints(Vec<(EvseId, ChargeCurrent)>),
    /// What control has learned.
    Memory(Box<Lasting>),
    Wish {
        evse: EvseId,
        wish: Wish,
    },
    Alarm(Alarm),
    Keys(VendorKeys),
    Device {
        device: DeviceId,
        seen: DeviceSeen,
    },
    Document {
        device: DeviceId,
        document: Document,
    },
    Books(Books),
    Audit(AuditEntry),
    /// How full a car is. `since`: only while that is what the store knows, so that an estimate never takes
    /// the place of something newer.
    Charge {
        charge: VehicleCharge,
        since: Option<StateOfCharge>,
    },
}

/// Sessions and quarter-hours that say the same: they are written together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// As they are now, each once.
    pub sessions: Vec<Session>,
    /// In no order, each once.
    pub ledger: Vec<LedgerEntry>,
    /// Somebody came, began, ended or left: durable before anybody is told of it.
    pub boundary: bool,
}

impl Books {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.ledger.is_empty()
    }

    /// How many sessions and quarter-hours there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len() + self.ledger.len()
    }

    /// Takes over what a later copy says.
    pub fn merge(&mut self, later: Self) {
        self.boundary |= later.boundary;
        for session in later.sessions {
            match self.sessions.iter_mut().find(|held| held.id == session.id) {
                Some(held) => *held = session,
                None => self.sessions.push(session),
            }
        }
        for entry in later.ledger {
            match self.ledger.iter_mut().find(|held| held.start == entry.start) {
                Some(held) => *held = entry,
                None => self.ledger.push(entry),
            }
        }
    }

    /// Leaves out what later books hold as well.
    pub fn without(&mut self, later: &Self) {
        self.sessions.retain(|own| {
            let mut sessions = later.sessions.iter();
            !sessions.any(|held| held.id == own.id && held.revision >= own.revision)
        });
        self.ledger
            .retain(|own| later.ledger.iter().all(|held| held.start != own.start));
    }
}
