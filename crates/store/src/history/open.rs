//! Readings in memory that are not sealed yet, and what must happen to them next.
//!
//! Pure bookkeeping: [`Open::plan`] says what one transaction has to write, [`Open::done`] takes note that
//! it was written. Between the two, readings may be added.

use std::collections::{BTreeMap, BTreeSet};

use super::block::{DAY_S, Reading};
use super::hot::Entry;
use crate::condense::is_storable;
use crate::history::Series;

/// A series is sealed at about so many readings; those of each subject at their own number, so that not all are
/// sealed at once.
const SEAL_AT: usize = 1_500;
const STAGGER: usize = 16;
const STAGGERED: u32 = 64;
/// Once so many readings are sealed, other subjects wait for the next time, unless so many are due that it would take
/// very often: sealing must not keep others waiting, and must not fall behind either.
const SEALED_AT_ONCE: usize = 15_000;
const SEALED_SHARE: usize = 8;
/// A series whose open readings reach back over so many hot rows is written again, so that those rows can go. One that
/// is read every second is sealed before.
const HOT_ROWS: i64 = 768;
/// Readings that are written again at once; other series wait for the next time, and their rows as well.
const AGAIN_AT_ONCE: usize = 15_000;

/// The open readings of every series, by the number of the series.
#[derive(Default)]
pub struct Open {
    numbers: BTreeMap<Series, i64>,
    series: BTreeMap<i64, OpenSeries>,
    /// The newest row of the hot table.
    hot_row: i64,
    oldest_ms: Option<i64>,
    unwritten: usize,
    total: usize,
}

#[derive(Default)]
struct OpenSeries {
    is_known: bool,
    /// By how much it is sealed later than others; the same for all series of a subject.
    offset: u32,
    newest: Option<Reading>,
    /// Before this there are no readings at full resolution any more.
    thinned_ms: i64,
    readings: Vec<Reading>,
    /// How many of them are in the hot table, from this row on.
    written: usize,
    hot_row: Option<i64>,
}

/// What one transaction writes.
#[derive(Default)]
pub struct Plan {
    pub new_series: Vec<(i64, Series)>,
    pub seals: Vec<(i64, Vec<Reading>)>,
    pub hot_row: i64,
    pub entries: Vec<Entry>,
    /// Hot rows before this one hold nothing that is still open.
    pub hot_from: i64,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.new_series.is_empty() && self.entries.is_empty()
    }
}

impl Open {
    /// A series as the database knows it, with the time of its oldest sealed reading and the newest.
    pub fn restore_series(
        &mut self,
        number: i64,
        series: Series,
        ends: Option<(i64, Reading)>,
        thinned_ms: i64,
    ) {
        let offset = offset(&series.subject);
        self.numbers.insert(series, number);
        self.series.insert(
            number,
            OpenSeries {
                is_known: true,
                offset,
                newest: ends.map(|(_, newest)| newest),
                thinned_ms,
                ..OpenSeries::default()
            },
        );
        self.note_oldest(ends.map(|(oldest_ms, _)| oldest_ms));
    }

    /// Reads one hot row back; they come in order.
    pub fn restore_hot(&mut self, row: i64, entries: Vec<Entry>) {
        self.hot_row = row;
        for entry in entries {
            let Some(series) = self.series.get_mut(&entry.series) else {
                continue;
            };
            if entry.is_restart {
                self.total -= series.readings.len();
                series.readings.clear();
                series.hot_row = None;
            }
            if let (Some((first_ms, _)), Some(last)) = (entry.readings.first(), entry.readings.last()) {
                let first_ms = *first_ms;
                series.note_newest(*last);
                series.hot_row.get_or_insert(row);
                self.total += entry.readings.len();
                series.readings.extend(entry.readings);
                series.written = series.readings.len();
                self.note_oldest(Some(first_ms));
            } else {
                series.written = series.readings.len();
            }
        }
    }

    /// The number of a series, given to it now if it has none.
    pub fn number(&mut self, series: &Series) -> i64 {
        if let Some(number) = self.numbers.get(series) {
            return *number;
        }
        let number = self.series.last_key_value().map_or(1, |(number, _)| number + 1);
        self.numbers.insert(series.clone(), number);
        let new = OpenSeries {
            offset: offset(&series.subject),
            ..OpenSeries::default()
        };
        self.series.insert(number, new);
        number
    }

    pub fn known_number(&self, series: &Series) -> Option<i64> {
        self.numbers.get(series).copied()
    }

    /// Takes a reading, unless it is not newer than the newest of its series or cannot be stored.
    pub fn add(&mut self, series: &Series, at_ms: i64, value: i64) -> bool {
        if !is_storable(at_ms) {
            return false;
        }
        let number = self.number(series);
        let Some(open) = self.series.get_mut(&number) else {
            return false;
        };
        if open.newest.is_some_and(|(newest_ms, _)| at_ms <= newest_ms) {
            return false;
        }
        open.newest = Some((at_ms, value));
        open.readings.push((at_ms, value));
        self.unwritten += 1;
        self.total += 1;
        self.note_oldest(Some(at_ms));
        true
    }

    /// Takes note that past readings of a series were written to blocks.
    pub fn imported(&mut self, number: i64, first_ms: i64, last: Reading) {
        if let Some(series) = self.series.get_mut(&number) {
            series.is_known = true;
            series.note_newest(last);
        }
        self.note_oldest(Some(first_ms));
    }

    /// Takes note that a series has no readings at full resolution before a time any more.
    pub fn thinned(&mut self, number: i64, until_ms: i64) {
        if let Some(series) = self.series.get_mut(&number) {
            series.thinned_ms = until_ms;
        }
    }

    /// Before this nothing can be imported into a series.
    pub fn thinned_until(&self, number: i64) -> i64 {
        self.series.get(&number).map_or(0, |series| series.thinned_ms)
    }

    /// Series after one that the database knows, in order of their numbers.
    pub fn known_after(&self, number: i64, count: usize) -> Vec<i64> {
        self.series
            .range(number + 1..)
            .filter(|(_, series)| series.is_known)
            .map(|(number, _)| *number)
            .take(count)
            .collect()
    }

    pub fn newest(&self, series: &Series) -> Option<Reading> {
        self.series.get(self.numbers.get(series)?)?.newest
    }

    /// The newest reading of every series, in order.
    pub fn latest(&self) -> Vec<(Series, Reading)> {
        self.numbers
            .iter()
            .filter_map(|(series, number)| Some((series.clone(), self.series.get(number)?.newest?)))
            .collect()
    }

    /// The open readings of a series in a span.
    pub fn readings(&self, number: i64, from_ms: i64, to_ms: i64) -> Vec<Reading> {
        let Some(series) = self.series.get(&number) else {
            return Vec::new();
        };
        let from = series.readings.partition_point(|(at, _)| *at < from_ms);
        let to = series.readings.partition_point(|(at, _)| *at < to_ms);
        series.readings.get(from..to).unwrap_or_default().to_vec()
    }

    /// Every series that has readings or had some, in order.
    pub fn series(&self) -> Vec<Series> {
        let has_readings = |number: &i64| {
            self.series
                .get(number)
                .is_some_and(|series| series.newest.is_some())
        };
        self.numbers
            .iter()
            .filter(|(_, number)| has_readings(number))
            .map(|(series, _)| series.clone())
            .collect()
    }

    pub fn span_ms(&self) -> Option<(i64, i64)> {
        let newest = |series: &OpenSeries| series.newest.map(|(at, _)| at);
        self.oldest_ms.zip(self.series.values().filter_map(newest).max())
    }

    /// Readings that the database does not have.
    pub fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// Readings in memory.
    pub fn total(&self) -> usize {
        self.total
    }

    /// What has to be written now; `seal` is a series to be sealed whatever it holds.
    pub fn plan(&self, seal: Option<i64>) -> Plan {
        let mut plan = Plan {
            hot_row: self.hot_row + 1,
            hot_from: self.hot_row + 1,
            ..Plan::default()
        };
        let is_new = |(_, number): &(&Series, &i64)| {
            self.series
                .get(number)
                .is_some_and(|series| !series.is_known && series.newest.is_some())
        };
        let new = self.numbers.iter().filter(is_new);
        plan.new_series = new.map(|(series, number)| (*number, series.clone())).collect();
        let (due, mut again) = (self.due(), 0);
        for (number, series) in &self.series {
            if series.readings.is_empty() {
                continue;
            }
            if seal == Some(*number) || due.contains(number) {
                plan.seals.push((*number, series.readings.clone()));
                plan.entries.push(Entry {
                    series: *number,
                    is_restart: true,
                    readings: Vec::new(),
                });
                continue;
            }
            let is_long_ago =
                again < AGAIN_AT_ONCE && series.hot_row.is_some_and(|row| row + HOT_ROWS <= self.hot_row);
            again += if is_long_ago { series.readings.len() } else { 0 };
            let from = if is_long_ago { 0 } else { series.written };
            if from < series.readings.len() {
                let readings = series.readings.get(from..).unwrap_or_default().to_vec();
                plan.entries.push(Entry {
                    series: *number,
                    is_restart: is_long_ago,
                    readings,
                });
            }
            if let (Some(row), false) = (series.hot_row, is_long_ago) {
                plan.hot_from = plan.hot_from.min(row);
            }
        }
        plan
    }

    /// The series that are to be sealed now, with those of the same subject that have the same times: sealed
    /// together they share them.
    fn due(&self) -> BTreeSet<i64> {
        let open: Vec<(&str, i64, &OpenSeries)> = self
            .numbers
            .iter()
            .filter_map(|(series, number)| Some((series.subject.as_str(), *number, self.series.get(number)?)))
            .filter(|(_, _, open)| !open.readings.is_empty())
            .collect();
        let waiting = open.iter().filter(|(_, _, series)| series.is_due());
        let waiting: usize = waiting.map(|(_, _, series)| series.readings.len()).sum();
        let most = SEALED_AT_ONCE.max(waiting / SEALED_SHARE);
        let (mut due, mut sealed) = (BTreeSet::new(), 0);
        for of_subject in open.chunk_by(|a, b| a.0 == b.0) {
            let all = of_subject.iter().map(|(_, number, series)| (*number, *series));
            let leading: Vec<&OpenSeries> = all
                .clone()
                .filter(|(_, series)| series.is_due())
                .map(|(_, series)| series)
                .collect();
            let is_with = |series: &OpenSeries| leading.iter().any(|leading| leading.has_times_of(series));
            for (number, series) in all.filter(|(_, series)| is_with(series)) {
                due.insert(number);
                sealed += series.readings.len();
            }
            if sealed >= most {
                break;
            }
        }
        due
    }

    /// Takes note that a plan was written.
    pub fn done(&mut self, plan: &Plan) {
        self.hot_row = plan.hot_row;
        for (number, _) in &plan.new_series {
            if let Some(series) = self.series.get_mut(number) {
                series.is_known = true;
            }
        }
        for entry in &plan.entries {
            let Some(series) = self.series.get_mut(&entry.series) else {
                continue;
            };
            if entry.is_restart {
                series.hot_row = None;
                self.unwritten += series.written;
                series.written = 0;
            }
            if !entry.readings.is_empty() {
                series.hot_row.get_or_insert(plan.hot_row);
                series.written += entry.readings.len();
                self.unwritten -= entry.readings.len();
            }
        }
        for (number, sealed) in &plan.seals {
            let Some(series) = self.series.get_mut(number) else {
                continue;
            };
            series.readings.drain(..sealed.len());
            // What a burst needed is given back.
            series.readings.shrink_to(2 * SEAL_AT);
            self.total -= sealed.len();
            self.unwritten -= sealed.len();
        }
    }

    fn note_oldest(&mut self, at_ms: Option<i64>) {
        self.oldest_ms = match (self.oldest_ms, at_ms) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
    }
}

impl OpenSeries {
    fn is_due(&self) -> bool {
        let enough = SEAL_AT + STAGGER * usize::try_from(self.offset).unwrap_or(0);
        let longest_ms = (DAY_S + i64::from(self.offset) * 60) * 1_000;
        let ends = self.readings.first().zip(self.readings.last());
        let span_ms = ends.map_or(0, |((first, _), (last, _))| last - first);
        self.readings.len() >= enough || span_ms >= longest_ms
    }

    fn has_times_of(&self, other: &Self) -> bool {
        let pairs = || self.readings.iter().zip(&other.readings);
        self.readings.len() == other.readings.len() && pairs().all(|(a, b)| a.0 == b.0)
    }

    fn note_newest(&mut self, reading: Reading) {
        if self.newest.is_none_or(|(newest_ms, _)| reading.0 >= newest_ms) {
            self.newest = Some(reading);
        }
    }
}

/// Where a subject stands among others.
fn offset(subject: &str) -> u32 {
    let mixed = subject.bytes().fold(7_u32, |mixed, byte| {
        mixed.wrapping_mul(31).wrapping_add(byte.into())
    });
    mixed % STAGGERED
}

#[cfg(test)]
mod tests {
    use model::reading::Quantity;

    use super::*;

    fn series(subject: &str) -> Series {
        Series {
            subject: subject.to_owned(),
            quantity: Quantity::Power,
        }
    }

    /// Writes a plan into a hot table and takes note of it.
    fn write(open: &mut Open, table: &mut BTreeMap<i64, Vec<Entry>>, sealed: &mut usize) {
        let plan = open.plan(None);
        if plan.is_empty() {
            return;
        }
        *sealed += plan
            .seals
            .iter()
            .map(|(_, readings)| readings.len())
            .sum::<usize>();
        table.insert(plan.hot_row, plan.entries.clone());
        table.retain(|row, _| *row >= plan.hot_from);
        open.done(&plan);
    }

    #[test]
    fn hot_rows_restore_what_is_open_and_stay_few() {
        let (mut open, mut table, mut sealed) = (Open::default(), BTreeMap::new(), 0);
        let names = ["device:fast", "device:slow", "device:once"];
        let mut added = 0;
        for second in 0..40_000 {
            added += usize::from(open.add(&series(names[0]), second * 1_000, second));
            if second % 30 == 0 {
                added += usize::from(open.add(&series(names[1]), second * 1_000, second));
            }
            if second == 7 {
                added += usize::from(open.add(&series(names[2]), second * 1_000, second));
            }
            if second % 5 == 4 {
                write(&mut open, &mut table, &mut sealed);
                assert_eq!(open.unwritten(), 0);
            }
        }
        assert_eq!(sealed + open.total(), added);
        assert!(table.len() <= 776, "{} hot rows", table.len());

        let mut restored = Open::default();
        for name in names {
            restored.restore_series(open.known_number(&series(name)).unwrap(), series(name), None, 0);
        }
        for (row, entries) in table {
            restored.restore_hot(row, entries);
        }
        for name in names {
            let number = open.known_number(&series(name)).unwrap();
            assert_eq!(
                restored.readings(number, 0, i64::MAX),
                open.readings(number, 0, i64::MAX),
                "{name}"
            );
        }
        assert_eq!(restored.total(), open.total());
        assert!(restored.plan(None).is_empty());
    }

    #[test]
    fn of_many_that_are_due_a_few_are_sealed_at_a_time() {
        let quantities = [Quantity::Power, Quantity::VoltageL1, Quantity::EnergyIn];
        let (subjects, readings) = (40, 2_600);
        let mut open = Open::default();
        for second in 0..readings {
            for subject in 0..subjects {
                for quantity in quantities {
                    let subject = format!("device:{subject}");
                    open.add(&Series { subject, quantity }, second * 1_000, second);
                }
            }
        }
        let all = open.total();
        let mut rounds = Vec::new();
        while open.total() > 0 {
            let plan = open.plan(None);
            let sealed = plan
                .seals
                .iter()
                .map(|(_, readings)| readings.len())
                .sum::<usize>();
            // A subject is never parted.
            assert_eq!(plan.seals.len() % quantities.len(), 0);
            open.done(&plan);
            rounds.push(sealed);
        }
        assert_eq!(rounds.iter().sum::<usize>(), all);
        // An eighth of all that are due, then the least there is, each up to the end of a subject.
        assert_eq!(
            (rounds[0], rounds[rounds.len() - 2]),
            (39_000, 15_600),
            "{rounds:?}"
        );
        assert!(rounds.is_sorted_by(|a, b| a >= b), "{rounds:?}");
    }

    #[test]
    fn of_many_that_are_slow_a_few_are_written_again_at_a_time() {
        let (mut open, mut table, mut sealed) = (Open::default(), BTreeMap::new(), 0);
        let (mut most, mut least) = (0, usize::MAX);
        for minute in 0..2_000 {
            // Of 60 slow ones, and one that makes hot rows.
            for subject in 0..60 {
                open.add(&series(&format!("device:{subject}")), minute * 60_000, minute);
            }
            for second in 0..2 {
                open.add(&series("site:home"), minute * 60_000 + second * 20_000, second);
                write(&mut open, &mut table, &mut sealed);
            }
            let written = table.last_key_value().map_or(&[][..], |(_, entries)| entries);
            let again = written
                .iter()
                .filter(|entry| entry.is_restart && !entry.readings.is_empty());
            let again = again.map(|entry| entry.readings.len()).sum::<usize>();
            most = most.max(again);
            least = least.min(if again > 0 { again } else { least });
            assert!(table.len() <= 800, "{} hot rows", table.len());
        }
        assert!(most > least && most < AGAIN_AT_ONCE + 1_440, "{least} to {most}");
    }

    #[test]
    fn readings_added_while_a_plan_is_written_stay() {
        let mut open = Open::default();
        let one = series("device:one");
        for second in 0..3_000 {
            open.add(&one, second * 1_000, second);
        }
        let plan = open.plan(None);
        assert_eq!(plan.seals.len(), 1);
        open.add(&one, 3_000_000, 3_000);
        open.done(&plan);
        assert_eq!((open.total(), open.unwritten()), (1, 1));
        let plan = open.plan(None);
        assert_eq!(
            plan.entries,
            [Entry {
                series: 1,
                is_restart: false,
                readings: vec![(3_000_000, 3_000)]
            }]
        );
    }
}
