//! When to try again, and when to give up. Pure: the same parcel and time give the same answer.

use model::outbox::{Content, Notice, Parcel, ParcelState};
use model::oversight::OperatorCode;
use model::time::{Millis, Timestamp};
use sha2::{Digest, Sha256};

const FIRST: Millis = Millis(30_000);
const LONGEST: Millis = Millis(3_600_000);
/// With the pauses above this is a little more than a day.
const MOST_ATTEMPTS: u32 = 32;
/// What is older has become useless; it is given up after its next attempt.
const OLDEST: Millis = Millis(3 * 24 * 3_600_000);

/// Operators wait for what they are told: a failed report, and a danger; hourly after that.
const TOLD_AGAIN: [Millis; 4] = [Millis(5_000), Millis(30_000), Millis(120_000), Millis(600_000)];
const WARNED_AGAIN: [Millis; 6] = [
    Millis(1_000),
    Millis(5_000),
    Millis(15_000),
    Millis(30_000),
    Millis(120_000),
    Millis(600_000),
];
const OLDEST_NOTICE: Millis = Millis(24 * 3_600_000);

/// Why an attempt brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub why: String,
    /// It would be the same the next time.
    pub for_good: bool,
    /// When the other side wants to be asked again.
    pub retry_after: Option<Millis>,
}

/// The parcel as it is stored before an attempt leaves: counted, and to be tried again later should this
/// process end before it knows what became of it.
#[must_use]
pub fn begun(parcel: &Parcel, now: Timestamp) -> Parcel {
    let attempts = parcel.attempts.saturating_add(1);
    Parcel {
        attempts,
        state: ParcelState::Waiting {
            next_attempt: now + pause(parcel, attempts),
        },
        ..parcel.clone()
    }
}

/// The parcel after an attempt that had [`begun`].
#[must_use]
pub fn ended(parcel: &Parcel, result: Result<(), Failed>, now: Timestamp) -> Parcel {
    let mut target = None;
    let (state, last_error) = match result {
        Ok(()) => (ParcelState::Delivered { at: now }, None),
        Err(failed) => {
            let is_over =
                failed.for_good || parcel.attempts >= MOST_ATTEMPTS || now - parcel.created >= oldest(parcel);
            let wanted = failed.retry_after.unwrap_or(Millis::ZERO).min(LONGEST);
            let state = if is_over {
                ParcelState::Dead { since: now }
            } else {
                target = aside(parcel);
                ParcelState::Waiting {
                    next_attempt: now + pause(parcel, parcel.attempts).max(wanted),
                }
            };
            (state, Some(failed.why))
        }
    };
    let target = target.unwrap_or_else(|| parcel.target.clone());
    Parcel {
        target,
        state,
        last_error,
        ..parcel.clone()
    }
}

/// Where what an operator does not take goes when it is tried hourly only: it no longer holds back what is behind it.
fn aside(parcel: &Parcel) -> Option<String> {
    let (operator, pauses) = table(&parcel.content)?;
    let kind = if matches!(&parcel.content, Content::PastSample { .. }) {
        "past"
    } else if is_urgent(parcel) {
        "risk"
    } else {
        "failed"
    };
    let is_hourly = usize::try_from(parcel.attempts).unwrap_or(usize::MAX) > pauses.len();
    is_hourly.then(|| format!("operator {operator} {kind} late"))
}

/// Whom something is for that is tried again by a table of its own.
const fn table(content: &Content) -> Option<(&OperatorCode, &'static [Millis])> {
    match content {
        Content::Notice {
            operator,
            notice: Notice::Risk(_),
        } => Some((operator, &WARNED_AGAIN)),
        Content::Notice {
            operator,
            notice: Notice::Failed(_),
        }
        | Content::PastSample { operator, .. } => Some((operator, &TOLD_AGAIN)),
        Content::Webhook { .. } | Content::Email { .. } => None,
    }
}

/// The parcel as somebody sends it again.
#[must_use]
pub fn again(parcel: &Parcel, now: Timestamp) -> Parcel {
    Parcel {
        attempts: 0,
        state: ParcelState::Waiting { next_attempt: now },
        ..parcel.clone()
    }
}

/// Whether others wait for it: somebody may be in danger.
#[must_use]
pub const fn is_urgent(parcel: &Parcel) -> bool {
    matches!(
        &parcel.content,
        Content::Notice {
            notice: Notice::Risk(_),
            ..
        }
    )
}

const fn oldest(parcel: &Parcel) -> Millis {
    match &parcel.content {
        Content::Notice { .. } | Content::PastSample { .. } => OLDEST_NOTICE,
        Content::Webhook { .. } | Content::Email { .. } => OLDEST,
    }
}

/// How much it is spread hangs on the parcel and the attempt, so that parcels that failed together do not come back
/// together.
fn pause(parcel: &Parcel, attempts: u32) -> Millis {
    let digest = Sha256::digest(format!("{}#{attempts}", parcel.id));
    let spread = i64::from(u16::from_be_bytes([digest[0], digest[1]]));
    match table(&parcel.content) {
        Some((_, pauses)) => by_table(pauses, attempts, spread),
        None => doubled(attempts, spread),
    }
}

/// A fifth more or less.
fn by_table(pauses: &[Millis], attempts: u32, spread: i64) -> Millis {
    let which = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = pauses.get(which).copied().unwrap_or(LONGEST);
    Millis(pause.0 * 4 / 5 + pause.0 * 2 * spread / (5 * 65_536))
}

/// Doubles up to an hour, shortened by up to a half.
fn doubled(attempts: u32, spread: i64) -> Millis {
    let doubled = FIRST.0.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let longest = doubled.min(LONGEST.0);
    Millis(longest - longest * spread / (2 * 65_536))
}

#[cfg(test)]
mod tests {
    use model::id::ParcelId;
    use model::oversight::{RiskLevel, Warning};

    use super::*;

    fn parcel() -> Parcel {
        Parcel {
            id: ParcelId::new("alarm-1").unwrap(),
            target: "x".to_owned(),
            content: Content::Webhook {
                url: "https://x.example".to_owned(),
                body: "{}".to_owned(),
            },
            author: None,
            created: Timestamp(0),
            attempts: 0,
            state: ParcelState::Waiting {
                next_attempt: Timestamp(0),
            },
            last_error: None,
        }
    }

    fn failed(for_good: bool, retry_after: Option<Millis>) -> Failed {
        Failed {
            why: "no".to_owned(),
            for_good,
            retry_after,
        }
    }

    fn waits(parcel: &Parcel) -> Option<i64> {
        match parcel.state {
            ParcelState::Waiting { next_attempt } => Some(next_attempt.0),
            ParcelState::Dead { .. } | ParcelState::Delivered { .. } => None,
        }
    }

    #[test]
    fn pauses_grow_to_an_hour_and_end_after_a_day() {
        let mut parcel = parcel();
        let mut now = Timestamp(0);
        for attempt in 1..=MOST_ATTEMPTS {
            parcel = begun(&parcel, now);
            let planned = waits(&parcel).unwrap();
            parcel = ended(&parcel, Err(failed(false, None)), now);
            assert_eq!(parcel.attempts, attempt);
            if attempt == MOST_ATTEMPTS {
                break;
            }
            // A crash in between waits as long as a failure.
            assert_eq!(waits(&parcel), Some(planned));
            let longest = (30_000_i64 << (attempt - 1).min(16)).min(3_600_000);
            let pause = planned - now.0;
            assert!(
                (longest / 2..=longest).contains(&pause),
                "{attempt}: {pause} of {longest}"
            );
            now = Timestamp(planned);
        }
        assert_eq!(parcel.state, ParcelState::Dead { since: now });
        assert!((12..36).contains(&(now.0 / 3_600_000)), "{} h", now.0 / 3_600_000);
        let again = again(&parcel, now);
        assert_eq!((again.attempts, waits(&again)), (0, Some(now.0)));
    }

    fn notice(is_risk: bool) -> Parcel {
        let operator: OperatorCode = "MA005DBW1".parse().unwrap();
        let notice = if is_risk {
            Notice::Risk(Box::new(Warning {
                id: "w-1".parse().unwrap(),
                operator: operator.clone(),
                port: "95".parse().unwrap(),
                rule: "smoke".to_owned(),
                level: RiskLevel::High,
                reason: "smoke".to_owned(),
                raised: Timestamp(0),
                told: None,
                cleared: None,
                acknowledged: None,
                escalated: false,
                samples: Vec::new(),
            }))
        } else {
            Notice::Failed(Box::new(model::oversight::Failed {
                id: "f-1".parse().unwrap(),
                operator: operator.clone(),
                port: None,
                body: "{}".to_owned(),
                path: String::new(),
                first: Timestamp(0),
                last: Timestamp(0),
                count: 1,
                state: model::oversight::FailedState::Open,
                status: 404,
                message: String::new(),
            }))
        };
        Parcel {
            content: Content::Notice { operator, notice },
            ..parcel()
        }
    }

    #[test]
    fn operators_are_told_again_by_a_table_of_their_own() {
        for (is_risk, seconds) in [
            (false, &[5, 30, 120, 600, 3_600, 3_600][..]),
            (true, &[1, 5, 15, 30, 120, 600, 3_600, 3_600]),
        ] {
            let mut parcel = notice(is_risk);
            assert_eq!(is_urgent(&parcel), is_risk);
            let mut now = Timestamp(0);
            for (attempt, seconds) in seconds.iter().enumerate() {
                parcel = begun(&parcel, now);
                parcel = ended(&parcel, Err(failed(false, None)), now);
                let pause = waits(&parcel).unwrap() - now.0;
                assert!(
                    (seconds * 800..=seconds * 1_200).contains(&pause),
                    "{attempt}: {pause}"
                );
                now = Timestamp(waits(&parcel).unwrap());
                // What is tried hourly no longer holds back the others.
                let is_aside = parcel.target.ends_with(" late");
                assert_eq!(is_aside, *seconds == 3_600, "{attempt}: {}", parcel.target);
            }
            // A day after it was made there is an end.
            let mut attempts = 0;
            while let Some(next) = waits(&parcel) {
                now = Timestamp(next);
                parcel = begun(&parcel, now);
                parcel = ended(&parcel, Err(failed(false, None)), now);
                attempts += 1;
            }
            assert!((24..=26).contains(&(now.0 / 3_600_000)), "{now:?}");
            assert!(attempts < MOST_ATTEMPTS, "{attempts}");
        }
    }

    #[test]
    fn what_becomes_of_an_attempt() {
        let first = begun(&parcel(), Timestamp(0));
        let late = Timestamp(OLDEST.0);
        for (name, result, now, waiting, dead) in [
            ("delivered", Ok(()), Timestamp(9), false, false),
            (
                "refused for good",
                Err(failed(true, None)),
                Timestamp(9),
                false,
                true,
            ),
            ("not now", Err(failed(false, None)), Timestamp(9), true, false),
            ("too old", Err(failed(false, None)), late, false, true),
            ("old and delivered", Ok(()), late, false, false),
        ] {
            let after = ended(&first, result, now);
            assert_eq!(waits(&after).is_some(), waiting, "{name}");
            assert_eq!(matches!(after.state, ParcelState::Dead { .. }), dead, "{name}");
        }
        let asked = ended(&first, Err(failed(false, Some(Millis(600_000)))), Timestamp(0));
        assert_eq!(waits(&asked), Some(600_000));
        let absurd = ended(&first, Err(failed(false, Some(Millis(i64::MAX)))), Timestamp(0));
        assert_eq!(waits(&absurd), Some(3_600_000));
    }
}
