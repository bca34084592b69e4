//! How well an operator reports: what is odd about its samples, and the counts of each day.

use std::collections::VecDeque;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::oversight::{
    ChargeRecord, Code, Decimal, Finding, FindingKind, OperatorCode, PortState, Quality, Sample,
};
use model::time::{Millis, Timestamp};
use store::oversight::RecordTotals;

use crate::overview::Noted;

/// A port without news reports at least that often.
pub(crate) const REPORT_EVERY: Millis = Millis(10 * 60_000);
/// A change is told at once; so long it may take.
const AT_ONCE: Millis = Millis(60_000);
/// What comes later than that is late.
const LATE: Millis = Millis(15 * 60_000);
/// A charge that lasts longer is none.
const LONGEST_CHARGE: Millis = Millis(24 * 3_600_000);
/// What one record adds to sums, in millionths.
const MOST_OF_RECORD: i64 = 1_000_000_000_000;
/// Findings that are shown of each operator.
const RECENT: usize = 200;
/// Days that may still be counted in.
const DAYS: usize = 3;

/// Days by the clocks of the authority.
pub(crate) struct Calendar {
    zone: TimeZone,
}

impl Calendar {
    /// Of an (IANA) name; UTC where there is no such zone.
    pub fn new(zone: &str) -> Self {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        Self { zone }
    }

    /// `2026-07-01`
    pub fn day(&self, at: Timestamp) -> String {
        at.to_jiff().to_zoned(self.zone.clone()).date().to_string()
    }

    /// A time as the clocks of the authority show it, and how far they are from UTC: `2026-07-01 08:00:00 +08:00`
    pub fn clock(&self, at: Timestamp) -> String {
        let zoned = at.to_jiff().to_zoned(self.zone.clone());
        zoned.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// From when to when a day is.
    pub fn span(&self, day: &str) -> Option<(Timestamp, Timestamp)> {
        let date: Date = day.parse().ok().filter(|date: &Date| date.to_string() == day)?;
        let start = |date: Date| {
            let zoned = date.to_zoned(self.zone.clone()).ok()?;
            Some(Timestamp(zoned.timestamp().as_millisecond()))
        };
        Some((start(date)?, start(date.tomorrow().ok()?)?))
    }
}

/// What is counted of an operator.
#[derive(Default)]
pub(crate) struct Ledger {
    /// In their order; the few that may still be counted in.
    days: Vec<Day>,
    /// The newest first.
    recent: VecDeque<Noted>,
    /// Charges that began on a day.
    charges: (String, RecordTotals),
}

struct Day {
    day: String,
    quality: Quality,
    /// The store has an older one.
    is_dirty: bool,
}

impl Ledger {
    /// What the store has of a day.
    pub fn load(&mut self, day: &str, quality: Quality) {
        let place = self.place(day);
        self.days[place].quality = quality;
    }

    /// To count in.
    pub fn day(&mut self, day: &str) -> &mut Quality {
        let place = self.place(day);
        self.days[place].is_dirty = true;
        &mut self.days[place].quality
    }

    /// Where a day stands; what is not there yet comes in place of the oldest that the store has.
    fn place(&mut self, day: &str) -> usize {
        let place = |days: &[Day]| days.binary_search_by(|held| held.day.as_str().cmp(day));
        let mut new = match place(&self.days) {
            Ok(held) => return held,
            Err(new) => new,
        };
        while self.days.len() >= DAYS && self.days.first().is_some_and(|first| !first.is_dirty) {
            self.days.remove(0);
            new = new.saturating_sub(1);
        }
        let day = Day {
            day: day.to_owned(),
            quality: Quality::default(),
            is_dirty: false,
        };
        self.days.insert(new, day);
        new
    }

    pub fn quality(&self, day: &str) -> Quality {
        self.held(day).unwrap_or_default()
    }

    /// `None`: nothing was counted, or it is too long ago.
    pub fn held(&self, day: &str) -> Option<Quality> {
        let held = self.days.iter().find(|held| held.day == day);
        held.map(|held| held.quality.clone())
    }

    /// Days to be stored, which counts as done.
    pub fn take_dirty(&mut self, operator: &OperatorCode, out: &mut Vec<(OperatorCode, String, Quality)>) {
        for held in &mut self.days {
            if std::mem::take(&mut held.is_dirty) {
                out.push((operator.clone(), held.day.clone(), held.quality.clone()));
            }
        }
    }

    /// Counts a finding and keeps it to be shown.
    pub fn note(&mut self, day: &str, at: Timestamp, about: &Code, finding: Finding) {
        *self.day(day).findings.entry(finding.kind).or_default() += 1;
        let about = about.clone();
        self.recent.push_front(Noted { at, about, finding });
        self.recent.truncate(RECENT);
    }

    pub fn recent(&self) -> Vec<Noted> {
        self.recent.iter().cloned().collect()
    }

    pub fn set_charges(&mut self, day: &str, totals: RecordTotals) {
        self.charges = (day.to_owned(), totals);
    }

    /// Adds a charge that began today.
    pub fn add_charge(&mut self, today: &str, record: &ChargeRecord) {
        if self.charges.0 != today {
            self.charges = (today.to_owned(), RecordTotals::default());
        }
        // As much as it adds to the sums of the store.
        let add = |sum: &mut i64, decimal: Decimal| {
            *sum = sum.saturating_add(decimal.0.clamp(-MOST_OF_RECORD, MOST_OF_RECORD));
        };
        let totals = &mut self.charges.1;
        totals.count += 1;
        add(&mut totals.energy, record.energy);
        add(&mut totals.energy_cost, record.energy_cost);
        add(&mut totals.service_cost, record.service_cost);
    }

    pub fn charges(&self, day: &str) -> RecordTotals {
        if self.charges.0 == day {
            self.charges.1
        } else {
            RecordTotals::default()
        }
    }
}

/// Whether a sample took too long to come.
pub(crate) fn is_late(sample: &Sample, received: Timestamp) -> bool {
    received - sample.at > LATE
}

pub(crate) fn finding(
    kind: FindingKind,
    field: &str,
    value: impl ToString,
    expected: impl Into<String>,
) -> Finding {
    Finding {
        kind,
        field: field.to_owned(),
        value: value.to_string(),
        expected: expected.into(),
    }
}

/// What is odd about the newest sample of a port, given the one before and the equipment it stands in.
pub(crate) fn odd_sample(
    sample: &Sample,
    before: Option<&Sample>,
    equipment: &Code,
    received: Timestamp,
) -> Vec<Finding> {
    use FindingKind::{EnergyBackwards, Implausible, Missing};
    let mut odd = Vec::new();
    let mut say = |kind, field: &str, value: String, expected: String| {
        odd.push(finding(kind, field, value, expected));
    };
    if sample.equipment != *equipment {
        let expected = format!("`{equipment}`, in which the port was registered");
        say(Implausible, "equipment", sample.equipment.to_string(), expected);
    }
    let flows = |value: Option<Decimal>, most: i64| value.filter(|value| value.0 > most);
    if sample.state == PortState::Idle {
        if let Some(current) = flows(sample.current, 100_000) {
            say(
                Implausible,
                "current",
                current.to_string(),
                "none at an idle port".to_owned(),
            );
        }
        if let Some(power) = flows(sample.power, 20_000) {
            say(
                Implausible,
                "power",
                power.to_string(),
                "none at an idle port".to_owned(),
            );
        }
    }
    for (field, value) in [
        ("voltage", sample.voltage),
        ("current", sample.current),
        ("power", sample.power),
        ("energy", sample.energy),
    ] {
        if let Some(value) = value.filter(|value| value.0 < 0) {
            say(Implausible, field, value.to_string(), "0 or more".to_owned());
        }
    }
    if let Some(before) = before {
        if let (true, Some(energy), Some(earlier)) =
            (is_same_charge(sample, before), sample.energy, before.energy)
            && energy < earlier
        {
            say(
                EnergyBackwards,
                "energy",
                energy.to_string(),
                format!("at least {earlier} kWh"),
            );
        }
        if sample.state != before.state && received - sample.at > AT_ONCE {
            let value = format!("a change told after {} s", (received - sample.at).as_seconds());
            say(Missing, "state", value, "a report at once".to_owned());
        }
    }
    odd
}

fn is_same_charge(sample: &Sample, before: &Sample) -> bool {
    match (&sample.charge, &before.charge) {
        (Some(charge), Some(earlier)) => charge == earlier,
        (None, None) => (sample.state, before.state) == (PortState::Charging, PortState::Charging),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// What is odd about a record.
pub(crate) fn odd_record(record: &ChargeRecord) -> Vec<Finding> {
    let mut odd = Vec::new();
    let mut say = |field: &str, value: String, expected: &str| {
        odd.push(finding(FindingKind::Implausible, field, value, expected));
    };
    if record.end - record.start > LONGEST_CHARGE {
        let hours = (record.end - record.start).0 / 3_600_000;
        say("end", format!("{hours} h after the start"), "at most 24 h");
    }
    if record.energy.0 == 0 && (record.energy_cost.0 > 0 || record.service_cost.0 > 0) {
        let cost = Decimal(record.energy_cost.0.saturating_add(record.service_cost.0));
        say(
            "energy",
            format!("0, with costs of {cost}"),
            "energy where there are costs",
        );
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{code, sample};

    #[test]
    fn days_are_those_of_the_authority() {
        let calendar = Calendar::new("Asia/Shanghai");
        let (from, to) = calendar.span("2026-07-01").unwrap();
        assert_eq!(
            (from.to_string(), to - from),
            ("2026-06-30T16:00:00Z".to_owned(), Millis(86_400_000))
        );
        for (at, day) in [
            (from, "2026-07-01"),
            (from - Millis(1), "2026-06-30"),
            (to, "2026-07-02"),
        ] {
            assert_eq!(calendar.day(at), day);
        }
        assert_eq!(calendar.span("yesterday"), None);
        assert_eq!(calendar.clock(from), "2026-07-01 00:00:00 +08:00");
        let nowhere = Calendar::new("Nowhere/At all");
        assert_eq!(nowhere.clock(from), "2026-06-30 16:00:00 +00:00");
    }

    #[test]
    fn what_is_odd_about_samples() {
        use FindingKind::{EnergyBackwards, Implausible, Missing};
        let check = |name: &str,
                     now: &dyn Fn(&mut Sample),
                     before: &dyn Fn(&mut Sample),
                     expected: &[(FindingKind, &str)]| {
            let mut earlier = sample("p", 1_000, PortState::Charging);
            before(&mut earlier);
            let mut newest = sample("p", 1_300, PortState::Charging);
            now(&mut newest);
            let received = Timestamp::from_seconds(1_302);
            let found = odd_sample(&newest, Some(&earlier), &code("e"), received);
            let found: Vec<_> = found
                .iter()
                .map(|finding| (finding.kind, finding.field.as_str()))
                .collect();
            assert_eq!(found, expected, "{name}");
        };
        let nothing = |_: &mut Sample| {};
        check("nothing", &nothing, &nothing, &[]);
        let energy = |kwh: i64| move |sample: &mut Sample| sample.energy = Some(Decimal::whole(kwh));
        check("energy grows", &energy(3), &energy(2), &[]);
        check(
            "energy shrinks",
            &energy(2),
            &energy(3),
            &[(EnergyBackwards, "energy")],
        );
        let charge = |kwh: i64, id: &'static str| {
            move |sample: &mut Sample| {
                sample.energy = Some(Decimal::whole(kwh));
                sample.charge = Some(code(id));
            }
        };
        check("another charge", &charge(0, "b"), &charge(3, "a"), &[]);
        check(
            "the same charge",
            &charge(0, "a"),
            &charge(3, "a"),
            &[(EnergyBackwards, "energy")],
        );
        let idle = |sample: &mut Sample| {
            sample.state = PortState::Idle;
            sample.current = Some(Decimal::whole(5));
            sample.power = Some(Decimal(10_000));
        };
        check("idle with current", &idle, &idle, &[(Implausible, "current")]);
        let moved = |sample: &mut Sample| sample.equipment = code("other");
        check("elsewhere", &moved, &nothing, &[(Implausible, "equipment")]);
        let negative = |sample: &mut Sample| sample.voltage = Some(Decimal(-1));
        check("below zero", &negative, &nothing, &[(Implausible, "voltage")]);
        let fault = |sample: &mut Sample| sample.state = PortState::Fault;
        check("a change at once", &fault, &nothing, &[]);
        let told_late = |sample: &mut Sample| {
            sample.state = PortState::Fault;
            sample.at = Timestamp::from_seconds(1_241);
        };
        check("a change told late", &told_late, &nothing, &[(Missing, "state")]);
    }

    #[test]
    fn counts_are_stored_once_and_old_days_forgotten() {
        let operator = OperatorCode::new("op").unwrap();
        let mut ledger = Ledger::default();
        let mut out = Vec::new();
        for day in ["2026-07-01", "2026-07-02", "2026-07-03", "2026-07-04"] {
            ledger.day(day).kept += 1;
            ledger.take_dirty(&operator, &mut out);
        }
        assert_eq!(out.len(), 4);
        out.clear();
        ledger.take_dirty(&operator, &mut out);
        assert!(out.is_empty());
        assert_eq!(
            (
                ledger.quality("2026-07-01").kept,
                ledger.quality("2026-07-02").kept
            ),
            (0, 1)
        );
    }
}
