//! The setpoint that the charger shall show, and what has to be written for it.

use model::phases::Phases;
use model::setpoint::ChargeCurrent;
use model::time::{Millis, Monotonic};

use model::device::ForeignPolicy;
use model::message::ForeignWhat;

use super::MOST_REPEATS;
use super::foreign::{Ceded, Shown};
use crate::goe::wire::{Car, Frc, Status};

/// How long a charger may take to show what was written. Its logic runs once a second.
const SETTLE: Millis = Millis(3_000);
/// Between two more tries after [`MOST_REPEATS`].
const SLOW: Millis = Millis(60_000);
/// The most a charger takes.
const MOST_AMPS: i64 = 32;

const FRC_OFF: i64 = 1;
const FRC_ON: i64 = 2;

/// A value that was written, until it must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written {
    value: i64,
    until: Monotonic,
}

impl Written {
    fn holds(written: Option<Self>, now: Monotonic) -> Option<i64> {
        written
            .filter(|written| now < written.until)
            .map(|written| written.value)
    }
}

/// What was asked for last.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Whole amperes, `None` when paused.
    amps: Option<i64>,
    psm: Option<i64>,
    amp_written: Option<Written>,
    frc_written: Option<Written>,
    psm_written: Option<Written>,
    repeats: u32,
    /// What the charger had when it last showed the setpoint; whatever differs from it is somebody else's.
    settled: Option<Shown>,
    /// What of the setpoint is left to somebody else.
    ceded: Ceded,
}

/// What a status says of the setpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noticed {
    Nothing,
    /// The charger has what it was told, all of it.
    AsTold,
    /// Somebody else wrote.
    Foreign(ForeignWhat),
}

impl Target {
    pub(super) fn new(current: ChargeCurrent, phases: Option<Phases>) -> Self {
        Self {
            amps: current
                .current()
                .map(|current| current.amps_rounded_down().min(MOST_AMPS)),
            psm: phases.map(|phases| match phases {
                Phases::One => 1,
                Phases::Three => 2,
            }),
            amp_written: None,
            frc_written: None,
            psm_written: None,
            repeats: 0,
            settled: None,
            ceded: Ceded::default(),
        }
    }

    /// A newer setpoint; what is still on its way to the charger is remembered.
    pub(super) fn replace(&mut self, next: Self) {
        if (self.amps, self.psm) != (next.amps, next.psm) {
            (self.amps, self.psm, self.repeats) = (next.amps, next.psm, 0);
            self.settled = None;
        }
    }

    /// The keys that have to be written now, with their values.
    pub(super) fn writes(&self, status: &Status, now: Monotonic) -> Vec<(&'static str, i64)> {
        let [psm, amp, frc] = self.differing(status, now);
        [("psm", psm), ("amp", amp), ("frc", frc)]
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }

    /// The same as a query, if there is anything to write.
    pub(super) fn due(&self, status: &Status, now: Monotonic) -> Option<String> {
        let pairs: Vec<String> = self
            .writes(status, now)
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("&"))
    }

    /// What [`Self::writes`] says left.
    pub(super) fn sent(&mut self, status: &Status, now: Monotonic) {
        let [psm, amp, frc] = self.differing(status, now);
        let until = now + if self.repeats < MOST_REPEATS { SETTLE } else { SLOW };
        self.repeats = self.repeats.saturating_add(1);
        for (slot, value) in [
            (&mut self.psm_written, psm),
            (&mut self.amp_written, amp),
            (&mut self.frc_written, frc),
        ] {
            *slot = value.map(|value| Written { value, until }).or(*slot);
        }
    }

    /// The charger said something new. Once it shows the setpoint, the next difference is a new one, and
    /// somebody else's.
    pub(super) fn compare(&mut self, status: &Status, policy: ForeignPolicy) -> Noticed {
        let shown = Shown::of(status);
        // While we want no more than what was left to somebody, their word and ours look the same.
        let is_telling = self.ceded == Ceded::default()
            || (self.ceded.amps(self.amps), self.ceded.phases(self.psm)) != (self.amps, self.psm);
        if is_telling && self.is_shown(&Ceded::default(), status) {
            self.ceded = Ceded::default();
            self.settle(shown);
            return Noticed::AsTold;
        }
        if self.is_shown(&self.ceded, status) {
            self.settle(shown);
            return Noticed::Nothing;
        }
        let Some(what) = self.settled.and_then(|settled| settled.changed_to(&shown)) else {
            return Noticed::Nothing;
        };
        // A forced state ends with the car, whoever set it.
        if status.car == Some(Car::Idle) && status.frc == Some(Frc::Neutral) {
            return Noticed::Nothing;
        }
        self.settled = None;
        self.ceded = match policy {
            ForeignPolicy::Reassert => Ceded::default(),
            ForeignPolicy::Yield | ForeignPolicy::Ask => self.ceded.with(what, self.amps, self.psm),
        };
        if self.is_shown(&self.ceded, status) {
            self.settle(shown);
        }
        Noticed::Foreign(what)
    }

    fn settle(&mut self, shown: Shown) {
        (self.amp_written, self.frc_written, self.psm_written) = (None, None, None);
        self.repeats = 0;
        self.settled = Some(shown);
    }

    /// After a break of the link nothing is known to be on its way, and what differs may be older than the break.
    pub(super) fn forget(&mut self) {
        (self.amp_written, self.frc_written, self.psm_written) = (None, None, None);
        self.repeats = 0;
        self.settled = None;
    }

    /// Nothing is left to others any more.
    pub(super) fn take_back(&mut self) {
        self.ceded = Ceded::default();
        self.forget();
    }

    fn is_shown(&self, ceded: &Ceded, status: &Status) -> bool {
        let [psm, amp, frc] = self.wanted(ceded, status.psm, status.amp, status.frc, status.alw);
        psm.is_none() && amp.is_none() && frc.is_none()
    }

    fn differing(&self, status: &Status, now: Monotonic) -> [Option<i64>; 3] {
        let frc = match Written::holds(self.frc_written, now) {
            Some(FRC_OFF) => Some(Frc::Off),
            Some(_) => Some(Frc::On),
            None => status.frc,
        };
        self.wanted(
            &self.ceded,
            Written::holds(self.psm_written, now).or(status.psm),
            Written::holds(self.amp_written, now).or(status.amp),
            frc,
            status.alw,
        )
    }

    /// `psm`, `amp` and `frc` that differ from what the charger is believed to have.
    fn wanted(
        &self,
        ceded: &Ceded,
        psm: Option<i64>,
        amp: Option<i64>,
        frc: Option<Frc>,
        alw: Option<bool>,
    ) -> [Option<i64>; 3] {
        let wished = ceded.phases(self.psm);
        let Some(amps) = ceded.amps(self.amps) else {
            // Only a forced stop lasts: in neutral the charger's own logic may start at any time.
            return [
                wished.filter(|_| psm != wished),
                None,
                (frc != Some(Frc::Off)).then_some(FRC_OFF),
            ];
        };
        let runs = match frc {
            Some(Frc::On) => true,
            Some(Frc::Neutral) => alw == Some(true),
            Some(Frc::Off) | None => false,
        };
        [
            wished.filter(|_| psm != wished),
            (amp != Some(amps)).then_some(amps),
            (!runs).then_some(FRC_ON),
        ]
    }
}

#[cfg(test)]
mod tests {
    use model::units::MilliAmps;

    use super::*;

    fn status(amp: i64, frc: Frc, alw: bool, psm: i64) -> Status {
        Status {
            amp: Some(amp),
            frc: Some(frc),
            alw: Some(alw),
            psm: Some(psm),
            ..Status::default()
        }
    }

    fn target(milliamps: i64, phases: Option<Phases>) -> Target {
        Target::new(ChargeCurrent::at_most(MilliAmps(milliamps)), phases)
    }

    #[test]
    fn only_what_differs_is_written() {
        let check = |target: Target, status: Status, expected: Option<&str>| {
            assert_eq!(
                target.due(&status, Monotonic(0)).as_deref(),
                expected,
                "{target:?} {status:?}"
            );
        };
        check(target(16_000, None), status(16, Frc::On, true, 0), None);
        check(target(16_000, None), status(16, Frc::Neutral, true, 0), None);
        check(
            target(16_000, None),
            status(16, Frc::Neutral, false, 0),
            Some("frc=2"),
        );
        check(
            target(16_000, None),
            status(16, Frc::Off, false, 0),
            Some("frc=2"),
        );
        check(
            target(16_900, None),
            status(10, Frc::Off, false, 0),
            Some("amp=16&frc=2"),
        );
        check(target(10_000, None), status(16, Frc::On, true, 0), Some("amp=10"));
        check(target(80_000, None), status(32, Frc::On, true, 0), None);
        check(target(0, None), status(16, Frc::On, true, 0), Some("frc=1"));
        check(target(0, None), status(16, Frc::Neutral, false, 0), Some("frc=1"));
        check(target(0, None), status(16, Frc::Off, true, 0), None);
        check(
            target(6_000, Some(Phases::One)),
            status(6, Frc::On, true, 2),
            Some("psm=1"),
        );
        check(
            target(6_000, Some(Phases::Three)),
            status(6, Frc::On, true, 2),
            None,
        );
        check(target(16_000, None), Status::default(), Some("amp=16&frc=2"));
    }

    #[test]
    fn a_write_on_its_way_counts_as_done_for_three_seconds() {
        let old = status(16, Frc::On, true, 0);
        let mut this = target(10_000, None);
        this.sent(&old, Monotonic(0));
        assert_eq!(this.due(&old, Monotonic(2_999)), None);
        assert_eq!(this.due(&old, Monotonic(3_000)).as_deref(), Some("amp=10"));
        // Back to 16 while the charger still shows the 16 of before: the 10 on its way must be overtaken.
        this.replace(target(16_000, None));
        assert_eq!(this.due(&old, Monotonic(1_000)).as_deref(), Some("amp=16"));
    }

    #[test]
    fn a_charger_that_ignores_everything_is_asked_less_and_less() {
        let deaf = status(16, Frc::On, true, 0);
        let mut this = target(0, None);
        let mut sent = Vec::new();
        for second in 0..150 {
            let now = Monotonic(second * 1_000);
            if this.due(&deaf, now).is_some() {
                this.sent(&deaf, now);
                sent.push(second);
            }
        }
        assert_eq!(sent, [0, 3, 6, 9, 12, 15, 75, 135]);
    }
}
