//! Records that are not on disk yet. Pure: it says what to write next, and hears what became of it.
//!
//! A later copy takes the place of an earlier one, so a store that is away for days costs no more memory than
//! there are sessions and quarter-hours in that time. Whatever cannot be written now is tried again, after
//! longer and longer pauses; one kind of record does not wait for another.
//!
//! | refused | sessions, ledger, alarms, audit | readings | the rest |
//! |---|---|---|---|
//! | because the store is full or away | wait, up to [`MOST`] of them | the newest [`MOST_SAMPLES`] wait, and [`MOST_PAST`] reports of the past | the latest waits |
//! | for another reason, [`TRIES`] times | set aside, one by one | dropped and counted | the latest waits |

use std::collections::{BTreeMap, VecDeque};

use model::alarm::AlarmCode;
use model::id::{DeviceId, EvseId, SessionId, VehicleId};
use model::message::Report;
use model::time::{Millis, Monotonic, Timestamp};
use store::StoreError;

use crate::record::{Books, Record};
use crate::recorder::Columns;

/// A refusal that looks as if it would last is believed after so many.
pub const TRIES: u32 = 3;
/// Sessions and quarter-hours that wait, and alarms and entries of the audit log; beyond, the oldest are set
/// aside.
pub const MOST: usize = 10_000;
/// Readings that wait; beyond, the oldest are dropped.
pub const MOST_SAMPLES: usize = 100_000;
/// Reports of what was measured before we listened; beyond, the oldest are dropped. Small ones wait together, up to
/// [`Report::MOST_PAST`] values: what a logger tells of a week, record by record, is a handful.
pub const MOST_PAST: usize = 64;
const FIRST_PAUSE: Millis = Millis(1_000);
pub const LONGEST_PAUSE: Millis = Millis(60_000);

/// What a record is about; what comes first is written first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Books,
    /// Parts of books that were refused as a whole.
    Session(SessionId),
    Quarter(Timestamp),
    Alarm(Option<DeviceId>, AlarmCode, Timestamp),
    Wish(EvseId),
    Keys(EvseId),
    Setpoints,
    Memory,
    /// By the order in which they came.
    Audit(u64),
    Device(DeviceId),
    Document(DeviceId),
    Charge(VehicleId),
    Samples,
    /// By the order in which they came. Nothing comes after these.
    Past(u64),
}

#[derive(Clone, Debug)]
struct Waiting {
    record: Record,
    refused: u32,
    not_before: Monotonic,
}

/// A record that the store does not take, and why.
#[derive(Clone, Debug)]
pub struct Aside {
    pub record: Record,
    pub why: String,
}

/// Everything that waits to be written.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: BTreeMap<Subject, Waiting>,
    under_way: Option<(Subject, Waiting)>,
    /// Whether a later copy of what is under way has been written by another way.
    is_superseded: bool,
    aside: VecDeque<Aside>,
    /// Counts records that are told apart by their order alone.
    numbered: u64,
    dropped: u64,
    problem: Option<String>,
}

impl Backlog {
    /// Takes a record in; it is due at once, unless an earlier copy of it was just refused.
    pub fn push(&mut self, record: Record, now: Monotonic) {
        let subject = self.subject(&record);
        let new = Waiting {
            record,
            refused: 0,
            not_before: now,
        };
        self.hold(subject, new);
        self.shorten();
    }

    /// What is to be written now, if nothing is under way.
    pub fn next(&mut self, now: Monotonic) -> Option<Record> {
        if self.under_way.is_some() {
            return None;
        }
        let due = self.waiting.iter().find(|(_, held)| held.not_before <= now);
        let subject = due.map(|(subject, _)| subject.clone())?;
        let held = self.waiting.remove(&subject)?;
        let record = held.record.clone();
        self.under_way = Some((subject, held));
        self.is_superseded = false;
        Some(record)
    }

    /// When [`Self::next`] has something; `None`: nothing waits, or something is under way.
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        if self.under_way.is_some() {
            return None;
        }
        self.waiting.values().map(|held| held.not_before).min()
    }

    /// What became of that which [`Self::next`] gave.
    pub fn ended(&mut self, outcome: Result<(), StoreError>, now: Monotonic) {
        let Some((subject, mut held)) = self.under_way.take() else {
            return;
        };
        let Err(error) = outcome else {
            self.note_better();
            return;
        };
        self.problem = Some(error.to_string());
        if self.is_superseded {
            self.note_better();
            return;
        }
        held.refused = held.refused.saturating_add(1);
        held.not_before = now + pause(held.refused);
        if is_lasting(&error) && held.refused >= TRIES {
            self.give_up(subject, held, &error.to_string(), now);
        } else {
            self.hold_earlier(subject, held);
        }
        self.shorten();
    }

    /// Sessions and quarter-hours that wait or are under way.
    pub fn books(&self) -> Books {
        let mut books = Books::default();
        let under_way = self.under_way.iter().map(|(_, held)| &held.record);
        for record in under_way.chain(self.waiting.values().map(|held| &held.record)) {
            if let Record::Books(more) = record {
                books.merge(more.clone());
            }
        }
        books
    }

    /// The same record, or a later copy of it, has been written by another way.
    pub fn wrote(&mut self, written: &Record) {
        let under_way = self.under_way.iter_mut().map(|(_, held)| &mut held.record);
        let all = under_way.chain(self.waiting.values_mut().map(|held| &mut held.record));
        if let Record::Books(written) = written {
            for record in all {
                if let Record::Books(books) = record {
                    books.without(written);
                }
            }
            self.waiting
                .retain(|_, held| !matches!(&held.record, Record::Books(books) if books.is_empty()));
        } else {
            let subject = self.subject(written);
            self.waiting.remove(&subject);
            let under_way = self.under_way.as_ref().map(|(subject, _)| subject);
            self.is_superseded |= under_way == Some(&subject);
        }
        self.note_better();
    }

    /// It was tried by another way and refused.
    pub fn note_refused(&mut self, why: &str, now: Monotonic) {
        self.problem = Some(why.to_owned());
        if let Some(held) = self.waiting.get_mut(&Subject::Books) {
            held.refused = held.refused.saturating_add(1);
            held.not_before = now + pause(held.refused);
        }
    }

    /// What does not get written, in words; `None`: all is well.
    pub fn problem(&self) -> Option<String> {
        let problem = self.problem.clone()?;
        Some(match self.dropped {
            0 => problem,
            dropped => format!("{problem}; {dropped} readings were dropped"),
        })
    }

    /// What is to be set aside, the oldest first; it stays here until [`Self::set_aside`].
    pub fn asides(&self) -> impl ExactSizeIterator<Item = &Aside> {
        self.aside.iter()
    }

    /// The first of [`Self::asides`] are safe elsewhere.
    pub fn set_aside(&mut self, count: usize) {
        self.aside.drain(..count.min(self.aside.len()));
    }

    /// The end: whatever must not get lost and still waits is to be set aside.
    pub fn abandon(&mut self, why: &str) {
        let under_way = self.under_way.take().map(|(_, held)| held);
        let waiting = std::mem::take(&mut self.waiting).into_values();
        for held in under_way.into_iter().chain(waiting) {
            if must_be_kept(&held.record) {
                self.aside.push_back(Aside {
                    record: held.record,
                    why: why.to_owned(),
                });
            }
        }
    }

    fn subject(&mut self, record: &Record) -> Subject {
        match record {
            Record::Books(_) => Subject::Books,
            Record::Alarm(alarm) => Subject::Alarm(alarm.device.clone(), alarm.code, alarm.raised),
            Record::Wish { evse, .. } => Subject::Wish(evse.clone()),
            Record::Keys(kept) => Subject::Keys(kept.evse.clone()),
            Record::Setpoints(_) => Subject::Setpoints,
            Record::Memory(_) => Subject::Memory,
            Record::Audit(_) => {
                self.numbered += 1;
                Subject::Audit(self.numbered)
            }
            Record::Device { device, .. } => Subject::Device(device.clone()),
            Record::Document { device, .. } => Subject::Document(device.clone()),
            Record::Charge { charge, .. } => Subject::Charge(charge.id.clone()),
            Record::Samples(_) => Subject::Samples,
            Record::Past(columns) => {
                let waits = self.waiting.iter().next_back();
                let room = waits.and_then(|(subject, held)| {
                    let Record::Past(waiting) = &held.record else {
                        return None;
                    };
                    let fits = count(waiting) + count(columns) <= Report::MOST_PAST;
                    fits.then(|| subject.clone())
                });
                room.unwrap_or_else(|| {
                    self.numbered += 1;
                    Subject::Past(self.numbered)
                })
            }
        }
    }

    /// Keeps a record that is later than what waits.
    fn hold(&mut self, subject: Subject, later: Waiting) {
        match self.waiting.get_mut(&subject) {
            Some(held) => held.record.replace_by(later.record),
            None => {
                self.waiting.insert(subject, later);
            }
        }
    }

    /// Puts back a record that was refused: what came meanwhile is later.
    fn hold_earlier(&mut self, subject: Subject, mut earlier: Waiting) {
        if let Some(held) = self.waiting.remove(&subject) {
            earlier.record.replace_by(held.record);
        }
        if !matches!(&earlier.record, Record::Books(books) if books.is_empty()) {
            self.waiting.insert(subject, earlier);
        }
    }

    /// The store will not take it, however often it is asked.
    fn give_up(&mut self, subject: Subject, held: Waiting, why: &str, now: Monotonic) {
        match held.record {
            // One of many may be to blame; the others are written without it.
            Record::Books(books) if books.len() > 1 => {
                let apart = |record| Waiting {
                    record,
                    refused: TRIES - 1,
                    not_before: now,
                };
                for session in books.sessions {
                    let id = session.id.clone();
                    let one = Books {
                        sessions: vec![session],
                        ..Books::default()
                    };
                    self.hold_earlier(Subject::Session(id), apart(Record::Books(one)));
                }
                for entry in books.ledger {
                    let start = entry.start;
                    let one = Books {
                        ledger: vec![entry],
                        ..Books::default()
                    };
                    self.hold_earlier(Subject::Quarter(start), apart(Record::Books(one)));
                }
            }
            record @ (Record::Books(_) | Record::Alarm(_) | Record::Audit(_)) => {
                if must_be_kept(&record) {
                    self.aside.push_back(Aside {
                        record,
                        why: why.to_owned(),
                    });
                }
            }
            Record::Samples(samples) => self.drop_values(samples.len()),
            Record::Past(columns) => self.drop_values(count(&columns)),
            record @ (Record::Setpoints(_)
            | Record::Memory(_)
            | Record::Wish { .. }
            | Record::Keys(_)
            | Record::Device { .. }
            | Record::Document { .. }
            | Record::Charge { .. }) => self.hold_earlier(subject, Waiting { record, ..held }),
        }
    }

    fn drop_values(&mut self, count: usize) {
        self.dropped += u64::try_from(count).unwrap_or(u64::MAX);
    }

    fn note_better(&mut self) {
        if self.waiting.values().all(|held| held.refused == 0) {
            self.problem = None;
            self.dropped = 0;
        }
    }

    /// Keeps everything within its bound.
    fn shorten(&mut self) {
        let why = || format!("more than {MOST} records wait for the store");
        if let Some(Record::Books(books)) = self.waiting.get_mut(&Subject::Books).map(|held| &mut held.record)
        {
            let over = books.len().saturating_sub(MOST);
            if over > 0 {
                books.sessions.sort_by_key(|session| session.plugged);
                books.ledger.sort_by_key(|entry| entry.start);
                let sessions: Vec<_> = books
                    .sessions
                    .drain(..over.min(books.sessions.len() / 2))
                    .collect();
                let rest = (over - sessions.len()).min(books.ledger.len());
                let ledger = books.ledger.drain(..rest).collect();
                let boundary = false;
                self.aside.push_back(Aside {
                    record: Record::Books(Books {
                        sessions,
                        ledger,
                        boundary,
                    }),
                    why: why(),
                });
            }
        }
        let is_counted = |subject: &Subject| match subject {
            Subject::Session(_) | Subject::Quarter(_) | Subject::Alarm(..) | Subject::Audit(_) => true,
            // One each, or one for each thing that is configured.
            Subject::Books
            | Subject::Wish(_)
            | Subject::Keys(_)
            | Subject::Setpoints
            | Subject::Memory
            | Subject::Device(_)
            | Subject::Document(_)
            | Subject::Charge(_)
            | Subject::Samples
            // Of these there is a bound of their own.
            | Subject::Past(_) => false,
        };
        while self.waiting.keys().filter(|subject| is_counted(subject)).count() > MOST {
            let first = self.waiting.keys().find(|subject| is_counted(subject)).cloned();
            let Some(held) = first.and_then(|subject| self.waiting.remove(&subject)) else {
                break;
            };
            self.aside.push_back(Aside {
                record: held.record,
                why: why(),
            });
        }
        if let Some(Record::Samples(samples)) = self
            .waiting
            .get_mut(&Subject::Samples)
            .map(|held| &mut held.record)
        {
            let over = samples.len().saturating_sub(MOST_SAMPLES);
            samples.drain(..over);
            self.drop_values(over);
        }
        let is_past = |subject: &Subject| matches!(subject, Subject::Past(_));
        while self.waiting.keys().filter(|subject| is_past(subject)).count() > MOST_PAST {
            let first = self.waiting.keys().find(|subject| is_past(subject)).cloned();
            let oldest = first.and_then(|subject| self.waiting.remove(&subject));
            let Some(Record::Past(columns)) = oldest.map(|held| held.record) else {
                break;
            };
            self.drop_values(count(&columns));
        }
        // Where not even a file takes them, the oldest go: that is said with every one of them.
        while self.aside.len() > MOST {
            if let Some(lost) = self.aside.pop_front() {
                tracing::error!(record = ?lost.record, "a record could neither be stored nor set aside and is lost: {}", lost.why);
            }
        }
    }
}

impl Record {
    /// Takes over what a later record about the same thing says.
    fn replace_by(&mut self, later: Self) {
        match (&mut *self, later) {
            (Self::Books(own), Self::Books(later)) => own.merge(later),
            (Self::Samples(own), Self::Samples(later)) => own.extend(later),
            (Self::Past(own), Self::Past(later)) => {
                for (series, rows) in later {
                    match own.iter_mut().find(|(known, _)| *known == series) {
                        Some((_, held)) => {
                            held.extend(rows);
                            held.sort_by_key(|(at, _)| *at);
                        }
                        None => own.push((series, rows)),
                    }
                }
            }
            (Self::Setpoints(own), Self::Setpoints(later)) => {
                for (evse, told) in later {
                    own.retain(|(held, _)| *held != evse);
                    own.push((evse, told));
                }
            }
            // The store still knows what the earlier one was to replace.
            (
                Self::Charge { charge, since },
                Self::Charge {
                    charge: later,
                    since: later_since,
                },
            ) => {
                if later_since != Some(charge.known) {
                    *since = later_since;
                }
                *charge = later;
            }
            (own, later) => *own = later,
        }
    }
}

fn count(columns: &Columns) -> usize {
    columns.iter().map(|(_, rows)| rows.len()).sum()
}

/// Whether it is set aside rather than lost or said anew.
fn must_be_kept(record: &Record) -> bool {
    match record {
        Record::Books(books) => !books.is_empty(),
        Record::Alarm(_) | Record::Audit(_) => true,
        Record::Samples(_)
        | Record::Past(_)
        | Record::Setpoints(_)
        | Record::Memory(_)
        | Record::Wish { .. }
        | Record::Keys(_)
        | Record::Device { .. }
        | Record::Document { .. }
        | Record::Charge { .. } => false,
    }
}

/// Whether it would be the same the next time.
fn is_lasting(error: &StoreError) -> bool {
    match error {
        StoreError::Full { .. } | StoreError::Away { .. } | StoreError::InUse { .. } => false,
        StoreError::Fenced { .. } | StoreError::TooNew { .. } | StoreError::Other { .. } => true,
    }
}

/// Doubles from a second to a minute.
fn pause(refused: u32) -> Millis {
    let doubled = FIRST_PAUSE
        .0
        .saturating_mul(1 << refused.saturating_sub(1).min(16));
    Millis(doubled.min(LONGEST_PAUSE.0))
}

#[cfg(test)]
mod tests {
    use model::reading::Quantity;
    use store::{AuditEntry, Sample, Series};

    use super::*;

    const START: Monotonic = Monotonic(0);

    fn full() -> Result<(), StoreError> {
        Err(StoreError::Full { operation: "write" })
    }

    fn samples(count: usize, value: i64) -> Record {
        let sample = Sample {
            series: Series {
                subject: "device:grid".to_owned(),
                quantity: Quantity::Power,
            },
            at: Timestamp(0),
            value,
        };
        Record::Samples(vec![sample; count])
    }

    #[test]
    fn readings_are_bounded_and_those_that_are_dropped_are_counted() {
        let mut backlog = Backlog::default();
        backlog.push(samples(60_000, 1), START);
        assert!(backlog.next(START).is_some());
        backlog.push(samples(60_000, 2), START);
        backlog.ended(full(), START);
        let problem = backlog.problem().unwrap();
        assert!(
            problem.contains("full") && problem.contains("20000 readings were dropped"),
            "{problem}"
        );
        // The first pause is a second.
        assert_eq!(backlog.poll_timeout(), Some(Monotonic(1_000)));
        assert!(backlog.next(Monotonic(999)).is_none());
        let Some(Record::Samples(left)) = backlog.next(Monotonic(1_000)) else {
            panic!("nothing is due")
        };
        assert_eq!(
            (left.len(), left[0].value, left[99_999].value),
            (MOST_SAMPLES, 1, 2)
        );
        backlog.ended(Ok(()), Monotonic(1_000));
        assert_eq!((backlog.problem(), backlog.poll_timeout()), (None, None));
    }

    #[test]
    fn what_waits_has_a_bound_and_the_oldest_is_set_aside() {
        let mut backlog = Backlog::default();
        for number in 0..=MOST {
            let entry = AuditEntry {
                at: Timestamp(0),
                principal: String::new(),
                door: String::new(),
                action: number.to_string(),
                outcome: String::new(),
            };
            backlog.push(Record::Audit(entry), START);
        }
        let asides: Vec<_> = backlog.asides().cloned().collect();
        assert_eq!(asides.len(), 1);
        assert!(
            matches!(&asides[0].record, Record::Audit(entry) if entry.action == "0"),
            "{asides:?}"
        );
    }

    #[test]
    fn a_bound_number_of_reports_of_the_past_waits_the_newest_of_them() {
        let mut backlog = Backlog::default();
        let past = |power: i64| {
            let subject = "device:pv".to_owned();
            let series = Series {
                subject,
                quantity: Quantity::Power,
            };
            // So many that no other has a place beside them.
            let rows = (0..4_096).map(|n| (Timestamp(power * 10_000 + n), power));
            Record::Past(vec![(series, rows.collect())])
        };
        let most = i64::try_from(MOST_PAST).unwrap();
        for power in 0..most + 3 {
            backlog.push(past(power), START);
        }
        let mut written = Vec::new();
        while let Some(record) = backlog.next(START) {
            let Record::Past(columns) = record else {
                panic!("{record:?}");
            };
            written.push(columns[0].1[0].1);
            backlog.ended(Ok(()), START);
        }
        assert_eq!(written, (3..most + 3).collect::<Vec<_>>());
    }

    /// A logger that was away tells what it has kept record by record, while the store is full.
    #[test]
    fn a_week_that_comes_record_by_record_waits_whole() {
        let mut backlog = Backlog::default();
        let quantities = [Quantity::Power, Quantity::EnergyOut];
        let records = 7 * 288;
        for n in 0..records {
            let column = |quantity| {
                let subject = "device:pv".to_owned();
                (Series { subject, quantity }, vec![(Timestamp(n * 300_000), n)])
            };
            backlog.push(Record::Past(quantities.map(column).into()), START);
        }
        let mut rows = BTreeMap::<Series, Vec<i64>>::new();
        let mut written = 0;
        while let Some(record) = backlog.next(START) {
            let Record::Past(columns) = record else {
                panic!("{record:?}");
            };
            for (series, more) in columns {
                rows.entry(series)
                    .or_default()
                    .extend(more.iter().map(|row| row.1));
            }
            written += 1;
            backlog.ended(Ok(()), START);
        }
        assert_eq!((written, rows.len()), (1, 2));
        assert!(
            rows.into_values()
                .all(|rows| rows == (0..records).collect::<Vec<_>>())
        );
    }

    /// A later copy that was written by another way is not overwritten by the earlier one.
    #[test]
    fn an_earlier_copy_is_not_written_after_a_later_one() {
        let told = |amps| {
            let current = model::setpoint::ChargeCurrent::at_most(model::units::MilliAmps(amps));
            Record::Setpoints(vec![("left".parse().unwrap(), current)])
        };
        let mut backlog = Backlog::default();
        backlog.push(told(6_000), START);
        assert!(backlog.next(START).is_some());
        backlog.wrote(&told(9_000));
        backlog.ended(full(), START);
        assert_eq!((backlog.poll_timeout(), backlog.problem()), (None, None));
    }
}
