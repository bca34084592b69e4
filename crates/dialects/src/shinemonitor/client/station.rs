//! A device of the cloud, and how far reading it has come.

use model::device::LinkState;
use model::gateway::Unit;
use model::message::{Notice, Report};
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

/// How far ahead of UTC the clocks of new records seem to be, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hint {
    pub offset: i32,
    /// How far ahead of us the first of them was. What a logger catches up with comes nearer record by record.
    pub ahead: Millis,
    /// So many in a row seem so.
    pub count: u32,
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
    pub last: Option<Record>,
    pub last_at: Option<Timestamp>,
    pub hint: Option<Hint>,
    /// It was news, and had values.
    pub is_good: bool,
    /// Why there is nothing to ask.
    pub absence: Option<&'static str>,
    pub shown: Option<LinkState>,
    pub is_introduced: bool,
    /// In a row.
    pub failures: u32,
    /// Days back from today, of which the next is to be fetched, up to [`Station::days`].
    pub next_day: u8,
    pub days: u8,
    /// Older rows of those days are there already.
    pub since: Option<Timestamp>,
    pub day_failures: u32,
    /// When its warnings are asked for, once it has shown anything.
    pub warnings_due: Monotonic,
    /// What was said of them last.
    pub warned: Option<String>,
}

impl Station {
    pub fn new(place: &Place, period: Millis, logger: usize, way: Way, past_days: u8) -> Self {
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
            hint: None,
            is_good: false,
            absence: None,
            shown: None,
            is_introduced: false,
            failures: 0,
            next_day: 0,
            days: past_days,
            since: None,
            day_failures: 0,
            warnings_due: Monotonic(i64::MIN),
            warned: None,
        }
    }

    /// Whoever has told nothing is not asked for warnings.
    pub fn warnings_due(&self) -> Monotonic {
        if self.last.is_some() && self.absence.is_none() {
            self.warnings_due
        } else {
            Monotonic(i64::MAX)
        }
    }

    /// What is to be said of its warnings, if that is news.
    pub fn warn(&mut self, text: Option<String>) -> Vec<Event> {
        if self.warned == text {
            return Vec::new();
        }
        self.warned.clone_from(&text);
        let event = |(unit, _): &(Unit, Part)| Event::Report {
            unit: unit.clone(),
            report: Report::Notice {
                notice: Notice::DeviceWarning,
                text: text.clone(),
            },
        };
        self.places.iter().map(event).collect()
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

    /// Whether a record is the one that was taken last: of the same time, or the same row told with another time.
    pub fn has_taken(&self, record: &Record) -> bool {
        let same_row = |last: &Record| last.id == record.id && last.fields == record.fields;
        let is_it = |last: &Record| last.at == record.at || (!record.id.is_empty() && same_row(last));
        self.last.as_ref().is_some_and(is_it)
    }

    /// Fetches the days from the record of `since` on once more.
    pub fn fill(&mut self, since: Timestamp, days: u8) {
        let was_filled = self.next_day >= self.days;
        self.days = if was_filled { days } else { self.days.max(days) };
        self.since = if was_filled {
            Some(since)
        } else {
            self.since.map(|old| old.min(since))
        };
        self.next_day = 0;
        self.day_failures = 0;
    }

    pub fn day_done(&mut self) {
        self.next_day = self.next_day.saturating_add(1);
        self.day_failures = 0;
    }
}
