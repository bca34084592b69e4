//! Which element of which site changed when.
//!
//! Pure: views and times come in, messages go out. Each update has a number, one more than the last; each
//! element of a site remembers the number of its last change, so what a client missed is found by comparing
//! numbers, without keeping old messages. Elements are compared as they are in the model; only changed ones
//! are turned into JSON, once for everybody.
//!
//! Cost: one comparison of all elements per site and second. For 100 EVSEs and 300 devices that is some
//! tens of microseconds; the ten minutes of resume cost 600 pairs of numbers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use model::id::{DeviceId, SiteId};
use model::time::{Millis, Monotonic};
use model::view::SiteView;

use crate::native::wire::{self, EvseView, Patch};

/// How long a client may have been away and still get only what changed.
pub const RESUME: Millis = Millis(600_000);
/// At most one message per site in this time; what comes earlier waits, the latest wins.
pub const PACE: Millis = Millis(1_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    View,
    Patch,
    Backfill,
}

impl Kind {
    /// The event type on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Patch => "patch",
            Self::Backfill => "backfill",
        }
    }
}

/// One message of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where a client that saw this message may go on.
    pub number: u64,
    pub kind: Kind,
    /// `None`: of interest to everybody.
    pub site: Option<SiteId>,
    pub data: Arc<str>,
}

#[derive(Debug, Default)]
pub struct Journal {
    number: u64,
    sites: BTreeMap<SiteId, SiteLog>,
    /// Numbers with the time of the first update that had at least that number, one per second.
    times: VecDeque<(u64, Monotonic)>,
    backfill: Option<u16>,
}

/// A site as it was sent last, with the number of the last change of each part.
#[derive(Debug)]
struct SiteLog {
    view: Arc<SiteView>,
    sent: Monotonic,
    /// Arrived too early after the last message.
    waiting: Option<Arc<SiteView>>,
    /// When elements came or went, which a patch cannot say.
    shape: u64,
    any: u64,
    flow: u64,
    alarms: u64,
    overdraft: u64,
    cycle: u64,
    circuits: Vec<u64>,
    devices: Vec<u64>,
    evses: Vec<u64>,
}

impl Journal {
    /// Takes a new view of a site. Nothing is sent yet when the last message is younger than [`PACE`];
    /// [`Journal::due`] says when [`Journal::flush`] will.
    pub fn offer(&mut self, view: Arc<SiteView>, now: Monotonic) -> Option<Message> {
        let number = self.number + 1;
        let id = view.id.clone();
        let message = match self.sites.get_mut(&id) {
            Some(log) if view.epoch < log.view.epoch => return None,
            Some(log) if now - log.sent < PACE => {
                log.waiting = Some(view);
                return None;
            }
            Some(log) => log.take(view, number, now),
            None => {
                let log = SiteLog::new(view, number, now);
                let message = log.whole(number);
                self.sites.insert(id, log);
                message
            }
        };
        self.count(now);
        Some(message)
    }

    /// When the next waiting view may be sent.
    #[must_use]
    pub fn due(&self) -> Option<Monotonic> {
        self.sites
            .values()
            .filter(|log| log.waiting.is_some())
            .map(|log| log.sent + PACE)
            .min()
    }

    /// What has waited long enough.
    pub fn flush(&mut self, now: Monotonic) -> Vec<Message> {
        let ready = |log: &mut SiteLog| (now - log.sent >= PACE).then(|| log.waiting.take()).flatten();
        let views: Vec<_> = self.sites.values_mut().filter_map(ready).collect();
        views
            .into_iter()
            .filter_map(|view| self.offer(view, now))
            .collect()
    }

    /// Notes how much past history is made; `None` when it is the same as before.
    pub fn note_backfill(&mut self, permille: u16, now: Monotonic) -> Option<Message> {
        if self.backfill == Some(permille) {
            return None;
        }
        self.backfill = Some(permille);
        self.count(now);
        Some(self.backfill_message(permille))
    }

    fn backfill_message(&self, progress_permille: u16) -> Message {
        let data = json(&wire::Backfill { progress_permille });
        Message {
            number: self.number,
            kind: Kind::Backfill,
            site: None,
            data,
        }
    }

    fn count(&mut self, now: Monotonic) {
        self.number += 1;
        while self.times.front().is_some_and(|(_, at)| now - *at > RESUME) {
            self.times.pop_front();
        }
        if self.times.back().is_none_or(|(_, at)| now - *at >= Millis(1_000)) {
            self.times.push_back((self.number, now));
        }
    }

    /// What a client gets first: everything that changed after `last`, or whole views when that is unknown
    /// or too long ago.
    ///
    /// Only the last message carries a number to go on from; a client that loses its connection between two
    /// of them starts at the same place again.
    pub fn open(&self, last: Option<u64>, now: Monotonic, wants: impl Fn(&SiteId) -> bool) -> Vec<Message> {
        let since = last.filter(|last| self.remembers(*last, now));
        let logs = self.sites.iter().filter(|(id, _)| wants(id)).map(|(_, log)| log);
        let before = since.unwrap_or(0);
        let mut messages: Vec<Message> = match since {
            Some(since) => logs.filter_map(|log| log.since(since, before)).collect(),
            None => logs.map(|log| log.whole(before)).collect(),
        };
        if let Some(permille) = self.backfill.filter(|permille| *permille < 1_000) {
            messages.push(self.backfill_message(permille));
        }
        if let Some(message) = messages.last_mut() {
            message.number = self.number;
        }
        messages
    }

    fn remembers(&self, number: u64, now: Monotonic) -> bool {
        let oldest = self.times.iter().find(|(_, at)| now - *at <= RESUME);
        number <= self.number && oldest.is_some_and(|(oldest, _)| number >= *oldest)
    }
}

impl SiteLog {
    fn new(view: Arc<SiteView>, number: u64, now: Monotonic) -> Self {
        Self {
            sent: now,
            waiting: None,
            shape: number,
            any: number,
            flow: number,
            alarms: number,
            overdraft: number,
            cycle: number,
            circuits: vec![number; view.circuits.len()],
            devices: vec![number; view.devices.len()],
            evses: vec![number; view.evses.len()],
            view,
        }
    }

    /// Replaces the view, notes what changed, and says it.
    fn take(&mut self, view: Arc<SiteView>, number: u64, now: Monotonic) -> Message {
        if !same_shape(&self.view, &view) {
            *self = Self::new(view, number, now);
            return self.whole(number);
        }
        let old = std::mem::replace(&mut self.view, view);
        let new = &self.view;
        self.sent = now;
        self.waiting = None;
        self.any = number;
        note(&mut self.flow, old.flow == new.flow, number);
        note(&mut self.alarms, old.alarms == new.alarms, number);
        note(&mut self.overdraft, old.overdraft == new.overdraft, number);
        note(&mut self.cycle, old.cycle == new.cycle, number);
        note_all(&mut self.circuits, &old.circuits, &new.circuits, number);
        note_all(&mut self.devices, &old.devices, &new.devices, number);
        note_all(&mut self.evses, &old.evses, &new.evses, number);
        self.note_stations(&old, number);
        self.patch(number - 1, number)
    }

    /// An EVSE shows whether its station answers, so it changes with the station's link.
    fn note_stations(&mut self, old: &SiteView, number: u64) {
        let pairs = old.devices.iter().zip(&self.view.devices);
        let moved: BTreeSet<&DeviceId> = pairs
            .filter(|(old, new)| (old.enabled, &old.link) != (new.enabled, &new.link))
            .map(|(_, new)| &new.id)
            .collect();
        for (changed, evse) in self.evses.iter_mut().zip(&self.view.evses) {
            note(changed, !moved.contains(&evse.station), number);
        }
    }

    fn since(&self, since: u64, number: u64) -> Option<Message> {
        match (self.shape > since, self.any > since) {
            (true, _) => Some(self.whole(number)),
            (false, true) => Some(self.patch(since, number)),
            (false, false) => None,
        }
    }

    fn whole(&self, number: u64) -> Message {
        let data = json(&wire::SiteView::from(self.view.as_ref()));
        Message {
            number,
            kind: Kind::View,
            site: Some(self.view.id.clone()),
            data,
        }
    }

    /// Everything that changed after `since`.
    fn patch(&self, since: u64, number: u64) -> Message {
        let view = &self.view;
        let patch = Patch {
            site: view.id.to_string(),
            at_ms: view.at.wall.0,
            epoch: view.epoch,
            flow: (self.flow > since).then(|| view.flow.into()),
            circuits: changed(&self.circuits, &view.circuits, since)
                .map(Into::into)
                .collect(),
            devices: changed(&self.devices, &view.devices, since)
                .map(Into::into)
                .collect(),
            evses: changed(&self.evses, &view.evses, since)
                .map(|evse| EvseView::of(evse, wire::station_of(view, evse)))
                .collect(),
            alarms: (self.alarms > since).then(|| view.alarms.iter().map(Into::into).collect()),
            overdraft: (self.overdraft > since).then(|| view.overdraft.into()),
            cycle: (self.cycle > since).then(|| view.cycle.into()),
        };
        Message {
            number,
            kind: Kind::Patch,
            site: Some(view.id.clone()),
            data: json(&patch),
        }
    }
}

/// Whether both views consist of the same elements in the same order.
fn same_shape(old: &SiteView, new: &SiteView) -> bool {
    old.name == new.name
        && old.time_zone == new.time_zone
        && old
            .circuits
            .iter()
            .map(|one| &one.id)
            .eq(new.circuits.iter().map(|one| &one.id))
        && old
            .devices
            .iter()
            .map(|one| &one.id)
            .eq(new.devices.iter().map(|one| &one.id))
        && old
            .evses
            .iter()
            .map(|one| &one.id)
            .eq(new.evses.iter().map(|one| &one.id))
}

fn note(changed: &mut u64, is_same: bool, number: u64) {
    if !is_same {
        *changed = number;
    }
}

fn note_all<T: PartialEq>(changed: &mut [u64], old: &[T], new: &[T], number: u64) {
    for (changed, (old, new)) in changed.iter_mut().zip(old.iter().zip(new)) {
        note(changed, old == new, number);
    }
}

fn changed<'a, T>(changed: &'a [u64], elements: &'a [T], since: u64) -> impl Iterator<Item = &'a T> {
    changed
        .iter()
        .zip(elements)
        .filter(move |(changed, _)| **changed > since)
        .map(|(_, element)| element)
}

/// Wire types have text keys and integers only, which always serialise.
fn json(value: &impl serde::Serialize) -> Arc<str> {
    serde_json::to_string(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use model::time::{Now, Timestamp};
    use model::units::Watts;
    use model::view::{CycleView, Flow, Overdraft};

    use super::*;

    fn view(site: &str, epoch: u64, grid: i64) -> Arc<SiteView> {
        Arc::new(SiteView {
            id: SiteId::new(site).unwrap(),
            name: site.to_owned(),
            time_zone: "UTC".to_owned(),
            epoch,
            at: Now {
                wall: Timestamp(grid),
                ..Now::default()
            },
            flow: Flow {
                grid: Some(Watts(grid)),
                ..Flow::default()
            },
            circuits: Vec::new(),
            devices: Vec::new(),
            evses: Vec::new(),
            alarms: Vec::new(),
            overdraft: Overdraft::default(),
            rules: [].into(),
            cycle: CycleView::default(),
        })
    }

    fn kind(message: Option<Message>) -> Option<Kind> {
        message.map(|message| message.kind)
    }

    #[test]
    fn a_site_says_something_once_a_second_and_the_latest_counts() {
        let mut journal = Journal::default();
        let at = Monotonic;
        assert_eq!(kind(journal.offer(view("a", 1, 1), at(0))), Some(Kind::View));
        assert_eq!(kind(journal.offer(view("a", 1, 2), at(400))), None);
        assert_eq!(kind(journal.offer(view("a", 1, 3), at(999))), None);
        assert_eq!(kind(journal.offer(view("b", 1, 1), at(999))), Some(Kind::View));
        assert_eq!(journal.due(), Some(at(1_000)));
        assert!(journal.flush(at(999)).is_empty());
        let sent = journal.flush(at(1_000));
        assert_eq!(sent.len(), 1);
        assert!(sent[0].data.contains(r#""grid_w":3"#), "{}", sent[0].data);
        assert_eq!(journal.due(), None);
        assert_eq!(kind(journal.offer(view("a", 1, 4), at(2_000))), Some(Kind::Patch));
    }

    #[test]
    fn an_engine_that_was_overtaken_is_not_heard() {
        let mut journal = Journal::default();
        journal.offer(view("a", 2, 1), Monotonic(0));
        assert_eq!(journal.offer(view("a", 1, 2), Monotonic(5_000)), None);
        assert_eq!(
            kind(journal.offer(view("a", 3, 2), Monotonic(5_000))),
            Some(Kind::Patch)
        );
    }

    #[test]
    fn only_the_last_of_several_first_messages_lets_a_client_go_on() {
        let mut journal = Journal::default();
        let now = Monotonic(0);
        journal.offer(view("a", 1, 1), now);
        journal.offer(view("b", 1, 1), now);
        journal.note_backfill(10, now);
        let first = journal.open(None, now, |_| true);
        let numbers: Vec<u64> = first.iter().map(|message| message.number).collect();
        assert_eq!(numbers, [0, 0, 3]);
        // A client that saw the first view only starts over.
        let again = journal.open(Some(0), now, |_| true);
        assert_eq!(
            again.iter().map(|message| message.kind).collect::<Vec<_>>(),
            [Kind::View, Kind::View, Kind::Backfill]
        );
        assert_eq!(journal.note_backfill(10, now), None);
    }

    #[test]
    fn what_is_kept_for_resuming_does_not_grow() {
        let mut journal = Journal::default();
        for second in 0..2_000 {
            journal.offer(view("a", 1, second), Monotonic(second * 1_000));
            journal.offer(view("b", 1, second), Monotonic(second * 1_000));
        }
        assert_eq!(journal.times.len(), 601);
        let now = Monotonic(1_999_000);
        for (last, expected) in [(4_000, 0), (3_999, 1), (2_800, 2), (4_001, 2), (2_700, 2)] {
            assert_eq!(journal.open(Some(last), now, |_| true).len(), expected, "{last}");
        }
        let kind_of = |last| journal.open(Some(last), now, |_| true)[0].kind;
        assert_eq!(
            (kind_of(2_800), kind_of(2_700), kind_of(4_001)),
            (Kind::Patch, Kind::View, Kind::View)
        );
    }
}
