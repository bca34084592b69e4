//! Rules over recorded samples.

use std::collections::BTreeMap;

use model::oversight::{Decimal, OperatorCode, PortState, RiskLevel, Sample};
use model::time::{Millis, Timestamp};

use super::rules::{Rules, View};
use super::watch::{Moment, Watch};
use crate::quality::REPORT_EVERY;

/// How finely rules that need the time are asked in a gap.
const STEP: Millis = Millis(60_000);
/// A gap is looked into that far.
const FARTHEST: Millis = Millis(24 * 3_600_000);

/// What a rule would have raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    pub rule: String,
    pub level: RiskLevel,
    pub reason: String,
    /// By the time of the samples: that which fired it, and that which no longer did.
    pub raised: Timestamp,
    pub cleared: Option<Timestamp>,
    /// The samples that fired it, the oldest first.
    pub samples: Vec<Sample>,
}

/// `samples` are in order of their time; of those with the same time the last one counts.
pub(crate) fn replay(
    operator: &OperatorCode,
    samples: &[Sample],
    rated: (Option<Decimal>, Option<Decimal>),
    rules: &Rules,
    until: Timestamp,
) -> Vec<Fired> {
    let mut run = Run {
        operator,
        rules,
        rated,
        watch: Watch::default(),
        fired: BTreeMap::new(),
        charging: None,
    };
    let newest_of_time = samples.iter().zip(samples.iter().skip(1).map(Some).chain([None]));
    let newest_of_time = newest_of_time.filter(|(sample, next)| next.is_none_or(|next| next.at != sample.at));
    let mut before: Option<&Sample> = None;
    for (sample, _) in newest_of_time {
        if let Some(before) = before {
            run.gap(before, sample.at);
        }
        run.sample(sample);
        before = Some(sample);
    }
    if let Some(last) = before {
        run.gap(last, until);
    }
    let mut fired: Vec<_> = run.fired.into_values().collect();
    fired.sort_by_key(|fired| fired.raised);
    fired
}

struct Run<'a> {
    operator: &'a OperatorCode,
    rules: &'a Rules,
    rated: (Option<Decimal>, Option<Decimal>),
    watch: Watch,
    fired: BTreeMap<String, Fired>,
    charging: Option<Timestamp>,
}

impl Run<'_> {
    fn sample(&mut self, sample: &Sample) {
        self.charging = (sample.state == PortState::Charging).then(|| self.charging.unwrap_or(sample.at));
        self.ask(sample, sample.at, Millis::ZERO);
    }

    fn gap(&mut self, sample: &Sample, until: Timestamp) {
        let mut age = REPORT_EVERY;
        while sample.at + age < until && age <= FARTHEST {
            self.ask(sample, sample.at + age, age);
            age = age + STEP;
        }
    }

    fn ask(&mut self, sample: &Sample, now: Timestamp, age: Millis) {
        let told = sample
            .duration_s
            .map(|seconds| Millis::from_seconds(seconds.clamp(0, i64::from(i32::MAX))));
        let seen = self.charging.map(|since| sample.at - since);
        let view = View {
            sample,
            rated_power: self.rated.0,
            rated_current: self.rated.1,
            charging: told.or(seen).unwrap_or(Millis::ZERO),
            age,
        };
        let moment = Moment {
            operator: self.operator,
            now,
            at: now,
            stem: &|| now.0.to_string(),
            tells: false,
        };
        let changed = if age == Millis::ZERO {
            self.watch.look(0, &view, self.rules, &moment)
        } else {
            self.watch.look_at_silent(0, &view, self.rules, &moment)
        };
        for warning in changed {
            let fired = self.fired.entry(warning.id.to_string()).or_insert_with(|| Fired {
                rule: warning.rule,
                level: warning.level,
                reason: warning.reason,
                raised: warning.raised,
                cleared: None,
                samples: warning.samples,
            });
            fired.cleared = warning.cleared;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::sample;

    /// Samples by their second; what the built-in rules say of them.
    fn check(
        name: &str,
        samples: &[(i64, &dyn Fn(&mut Sample))],
        until: i64,
        expected: &[(&str, i64, Option<i64>)],
    ) {
        let samples: Vec<_> = samples
            .iter()
            .map(|(at, change)| {
                let mut sample = sample("p", *at, PortState::Charging);
                change(&mut sample);
                sample
            })
            .collect();
        let rated = (Some(Decimal::whole(7)), Some(Decimal::whole(32)));
        let operator = OperatorCode::new("op").unwrap();
        let fired = replay(
            &operator,
            &samples,
            rated,
            &Rules::built_in(),
            Timestamp::from_seconds(until),
        );
        let found: Vec<_> = fired
            .iter()
            .map(|fired| {
                (
                    fired.rule.as_str(),
                    fired.raised.as_seconds(),
                    fired.cleared.map(Timestamp::as_seconds),
                )
            })
            .collect();
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn the_rules_of_the_program_on_recorded_samples() {
        let plain = |_: &mut Sample| {};
        let error = |code: i64| move |sample: &mut Sample| sample.error = Some(code);
        let heat =
            |degrees: i64| move |sample: &mut Sample| sample.temperature = Some(Decimal::whole(degrees));
        check("nothing", &[(0, &plain), (300, &plain)], 600, &[]);
        check(
            "a fault lasts",
            &[(0, &error(1009)), (300, &error(1009)), (600, &plain)],
            900,
            &[("leakage", 0, Some(600))],
        );
        check("no fault is none", &[(0, &error(0)), (9, &error(1002))], 10, &[]);
        check(
            "a fault nobody knows",
            &[(0, &error(7))],
            10,
            &[("unknown-fault", 0, None)],
        );
        check("another fault", &[(0, &error(2019))], 10, &[("fault", 0, None)]);
        check(
            "warm for a while, then hot",
            &[
                (0, &heat(70)),
                (299, &heat(71)),
                (300, &heat(72)),
                (400, &heat(90)),
                (500, &plain),
            ],
            600,
            &[("warm", 300, Some(400)), ("hot", 400, Some(500))],
        );
        check(
            "warm once",
            &[(0, &heat(70)), (200, &heat(60)), (400, &heat(70))],
            600,
            &[],
        );
        let power = |sample: &mut Sample| sample.power = Some(Decimal(7_700_001));
        check("more than rated", &[(0, &power)], 10, &[("over-power", 0, None)]);
        let door = |sample: &mut Sample| sample.door = Some(50);
        check("open door", &[(0, &door)], 10, &[("door-open", 0, None)]);
        let idle = |sample: &mut Sample| {
            sample.door = Some(50);
            sample.state = PortState::Idle;
        };
        check("an open door of an idle port", &[(0, &idle)], 10, &[]);
        let smoke = |sample: &mut Sample| sample.smoke = Some(1);
        check(
            "smoke",
            &[(0, &smoke), (60, &error(2008))],
            70,
            &[("smoke", 0, None)],
        );
        check(
            "silent",
            &[(0, &plain), (4_000, &plain)],
            4_100,
            &[("offline", 1_860, Some(4_000))],
        );
        let long = |sample: &mut Sample| sample.duration_s = Some(43_201);
        check(
            "charging too long, as told",
            &[(0, &long)],
            10,
            &[("overtime", 0, None)],
        );
        let hours: Vec<(i64, &dyn Fn(&mut Sample))> = (0..=80)
            .map(|n| (n * 600, &plain as &dyn Fn(&mut Sample)))
            .collect();
        check(
            "charging too long, as seen",
            &hours,
            48_010,
            &[("overtime", 43_800, None)],
        );
        check(
            "what came last counts",
            &[(0, &error(1009)), (0, &plain), (60, &plain), (60, &error(1010))],
            70,
            &[("short-circuit", 60, None)],
        );
    }

    #[test]
    fn a_warning_says_with_what_it_fired() {
        let mut first = sample("p", 0, PortState::Charging);
        first.temperature = Some(Decimal(70_500_000));
        let mut second = first.clone();
        second.at = Timestamp::from_seconds(300);
        let operator = OperatorCode::new("op").unwrap();
        let samples = [first, second];
        let fired = replay(
            &operator,
            &samples,
            (None, None),
            &Rules::built_in(),
            Timestamp(0),
        );
        assert_eq!(fired[0].reason, "70.5 °C for five minutes, expected below 65 °C");
        assert_eq!(fired[0].samples, samples);
    }
}
