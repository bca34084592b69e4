//! A device of the cloud, and how far reading it has come.

use model::device::LinkState;
use model::gateway::Unit;
use model::message::Report;
use model::time::{Millis, Monotonic, Timestamp};

use super::record::Record;
use super::{Part, Place};
use crate::Event;
use crate::query;
use crate::shinemonitor::params::DeviceName;

/// How the latest record is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As a list of titles, which every device has.
    Titles,
    /// In groups, as the apps of storage show it.
    Groups,
}

impl Way {
    pub const fn other(self) -> Self {
        match self {
            Self::Titles => Self::Groups,
            Self::Groups => Self::Titles,
        }
    }
}

pub(super) struct Station {
    pub name: DeviceName,
    /// The parts that are wanted, each a device of ours.
    pub places: Vec<(Unit, Part)>,
    /// Its place among the loggers.
    pub logger: usize,
    pub period: Millis,
    pub due: Monotonic,
    pub way: Way,
    pub ways_tried: u32,
    pub apps_tried: usize,
    /// The record that was taken last, and when it was measured.
    pub last: Option<String>,
    pub last_at: Option<Timestamp>,
    /// It was news, and had values.
    pub is_good: bool,
    /// Why there is nothing to ask.
    pub absence: Option<&'static str>,
    pub shown: Option<LinkState>,
    pub is_introduced: bool,
    /// In a row.
    pub failures: u32,
    /// Days back from today, of which the next is to be fetched.
    pub next_day: u8,
    pub day_failures: u32,
}

impl Station {
    pub fn new(place: &Place, period: Millis, logger: usize, way: Way) -> Self {
        Self {
            name: place.name.clone(),
            places: vec![(place.unit(), place.part)],
            logger,
            period,
            due: Monotonic(i64::MIN),
            way,
            ways_tried: 0,
            apps_tried: 0,
            last: None,
            last_at: None,
            is_good: false,
            absence: None,
            shown: None,
            is_introduced: false,
            failures: 0,
            next_day: 0,
            day_failures: 0,
        }
    }

    /// Another part of the same device; it is asked for both as often as one of them wants.
    pub fn add(&mut self, place: &Place, period: Millis) {
        self.places.push((place.unit(), place.part));
        self.period = self.period.min(period);
    }

    pub fn parameters(&self) -> String {
        let DeviceName {
            pn,
            devcode,
            devaddr,
            sn,
        } = &self.name;
        format!(
            "&pn={}&devcode={devcode}&devaddr={devaddr}&sn={}",
            query::encode(pn),
            query::encode(sn)
        )
    }

    pub fn identity(&self, record: &Record) -> String {
        let model = record.fields.iter().find(|field| field.id == "sy_model");
        let model = model.map(|field| field.val.as_str());
        let model = model.filter(|model| !matches!(*model, "" | "-"));
        let what = model.map_or_else(
            || format!("device type {}", self.name.devcode),
            |model| format!("{model} (device type {})", self.name.devcode),
        );
        format!("{what}, serial number {}, logger {}", self.name.sn, self.name.pn)
    }

    /// What is to be said of its state, if that is news.
    pub fn show(&mut self, state: LinkState) -> Vec<Event> {
        if self.shown.as_ref() == Some(&state) {
            return Vec::new();
        }
        let event = |(unit, _): &(Unit, Part)| Event::Report {
            unit: unit.clone(),
            report: Report::Link(state.clone()),
        };
        let events = self.places.iter().map(event).collect();
        self.shown = Some(state);
        events
    }

    pub fn day_done(&mut self) {
        self.next_day = self.next_day.saturating_add(1);
        self.day_failures = 0;
    }
}
