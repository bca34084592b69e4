//! Writes and orders in a device's own language that wait for its word, and what it has confirmed and not yet shown.

use std::collections::{BTreeMap, VecDeque};

use model::id::{DeviceId, EvseId};
use model::intent::Rejection;
use model::time::{Millis, Monotonic};
use model::vendor::Keys;

/// Writes that may wait at the same time. Further ones are refused as busy.
const MOST: usize = 64;
/// A device that says nothing for so long has not said yes.
const PATIENCE: Millis = Millis(3_000);
/// The same of one behind a slow serial line, where another question may be under way, and what was written is read
/// back.
const LINE_PATIENCE: Millis = Millis(12_000);
/// What was confirmed is shown for so long, unless a document shows it earlier: two whole documents come in it.
const SHOWN_FOR: Millis = Millis(60_000);

/// What is on its way.
#[derive(Clone, Debug)]
struct Waiting {
    device: DeviceId,
    asked: Asked,
    until: Monotonic,
}

/// What a device has the last word on.
#[derive(Clone, Debug)]
pub enum Asked {
    Write(Write),
    /// The device shows by itself what became of it.
    Order,
}

/// What was written where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub evse: EvseId,
    pub dialect: String,
    pub key: String,
    /// JSON text.
    pub value: String,
}

#[derive(Clone, Debug)]
struct Confirmed {
    write: Write,
    until: Monotonic,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub ticket: u64,
    /// With what the device said, byte for byte, where that is more than yes.
    pub answer: Result<Vec<u8>, Rejection>,
}

/// All writes of a site that are not over.
#[derive(Clone, Debug)]
pub struct Tickets {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    confirmed: Vec<Confirmed>,
    verdicts: VecDeque<Verdict>,
}

impl Tickets {
    /// Tickets of different epochs are different: a late answer to an engine that is gone is nobody's.
    pub fn of_epoch(epoch: u64) -> Self {
        Self {
            next: (epoch << 32) | 1,
            waiting: BTreeMap::new(),
            confirmed: Vec::new(),
            verdicts: VecDeque::new(),
        }
    }

    /// # Errors
    /// When too many wait already.
    pub fn check_room(&self) -> Result<(), Rejection> {
        if self.waiting.len() < MOST {
            return Ok(());
        }
        Err(Rejection::Busy {
            why: format!("{MOST} writes wait for their devices"),
        })
    }

    pub fn open(&mut self, device: DeviceId, asked: Asked, now: Monotonic) -> u64 {
        let ticket = self.next;
        self.next += 1;
        let until = now
            + match asked {
                Asked::Write(_) => PATIENCE,
                Asked::Order => LINE_PATIENCE,
            };
        self.waiting.insert(ticket, Waiting { device, asked, until });
        ticket
    }

    /// Takes the word of a device. Only whoever was asked is heard.
    pub fn answer(&mut self, device: &DeviceId, ticket: u64, said: &Result<Vec<u8>, String>, now: Monotonic) {
        if self
            .waiting
            .get(&ticket)
            .is_none_or(|waiting| waiting.device != *device)
        {
            return;
        }
        let Some(Waiting { asked, .. }) = self.waiting.remove(&ticket) else {
            return;
        };
        let answer = said.clone().map_err(|said| Rejection::Device { said });
        if let (true, Asked::Write(write)) = (answer.is_ok(), asked) {
            let same = |held: &Confirmed| (&held.write.evse, &held.write.key) == (&write.evse, &write.key);
            self.confirmed.retain(|held| !same(held));
            self.confirmed.push(Confirmed {
                write,
                until: now + SHOWN_FOR,
            });
        }
        self.verdicts.push_back(Verdict { ticket, answer });
    }

    /// Gives up what has waited too long; `refuse` says why it got no answer. What was shown long enough is
    /// shown no more.
    pub fn expire(&mut self, now: Monotonic, refuse: impl Fn(&DeviceId) -> Rejection) {
        let late = self.waiting.extract_if(.., |_, waiting| waiting.until <= now);
        self.verdicts.extend(late.map(|(ticket, waiting)| Verdict {
            ticket,
            answer: Err(refuse(&waiting.device)),
        }));
        self.confirmed.retain(|held| held.until > now);
    }

    /// When [`Self::expire`] has somebody to answer.
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    pub fn poll_verdict(&mut self) -> Option<Verdict> {
        self.verdicts.pop_front()
    }

    /// Forgets what a document of the device shows as it was written.
    pub fn shown(&mut self, dialect: &str, json: &str, is_its: impl Fn(&EvseId) -> bool) {
        let concerns = |held: &Confirmed| held.write.dialect == dialect && is_its(&held.write.evse);
        if !self.confirmed.iter().any(concerns) {
            return;
        }
        let Ok(document) = serde_json::from_str::<serde_json::Map<_, _>>(json) else {
            return;
        };
        self.confirmed.retain(|held| {
            let written = serde_json::from_str::<serde_json::Value>(&held.write.value).ok();
            !concerns(held) || document.get(&held.write.key) != written.as_ref()
        });
    }

    /// Lays over `keys` what an EVSE's device has confirmed and not yet shown.
    pub fn overlay(&self, evse: &EvseId, keys: &mut Keys) {
        for Confirmed { write, .. } in self.confirmed.iter().filter(|held| held.write.evse == *evse) {
            let place = keys.entry(write.dialect.clone()).or_default();
            place.insert(write.key.clone(), write.value.clone());
        }
    }
}
