//! Raises, deduplicates, acknowledges and clears alarms.
//!
//! The same trouble of the same device is one alarm with one raise time: while it lasts, over a restart, and
//! when it comes back within a minute after it was over ([`RETURNS_WITHIN`]). Then the old alarm opens again;
//! an acknowledgement of it stays.

use std::collections::BTreeMap;

use model::alarm::{Acknowledged, Alarm, AlarmCode, Severity};
use model::id::{DeviceId, SiteId, UserId};
use model::intent::Rejection;
use model::time::{Millis, Timestamp};

/// Trouble that comes back so soon is the same trouble.
pub const RETURNS_WITHIN: Millis = Millis(60_000);

/// Open alarms of a site, one per device and code, and those that have just been cleared.
#[derive(Clone, Debug)]
pub struct Alarms {
    site: SiteId,
    latest: BTreeMap<(Option<DeviceId>, AlarmCode), Alarm>,
}

impl Alarms {
    /// Goes on with what the store knows: alarms that were open, and those cleared not long ago.
    pub fn restored(site: SiteId, stored: Vec<Alarm>) -> Self {
        let mut latest = BTreeMap::<_, Alarm>::new();
        for alarm in stored {
            let key = (alarm.device.clone(), alarm.code);
            let is_newer = |held: &Alarm| {
                (alarm.cleared.is_none(), alarm.raised) > (held.cleared.is_none(), held.raised)
            };
            if latest.get(&key).is_none_or(is_newer) {
                latest.insert(key, alarm);
            }
        }
        Self { site, latest }
    }

    /// Raises or clears, whichever `text` says (`None`: all is well). Gives the alarm back if that changed
    /// anything worth a record.
    pub fn set(
        &mut self,
        device: Option<&DeviceId>,
        code: AlarmCode,
        text: Option<String>,
        now: Timestamp,
    ) -> Option<Alarm> {
        let key = (device.cloned(), code);
        let held = self.latest.get(&key);
        let is_open = held.is_some_and(|alarm| alarm.cleared.is_none());
        let alarm = match (is_open, text, held) {
            (false, Some(text), Some(held)) if is_back(held, now) => Alarm {
                text,
                cleared: None,
                ..held.clone()
            },
            (false, Some(text), _) => Alarm {
                site: self.site.clone(),
                device: device.cloned(),
                code,
                severity: severity(code),
                text,
                raised: now,
                cleared: None,
                acknowledged: None,
            },
            // What it is about has changed: another tariff has no prices either.
            (true, Some(text), Some(held)) if tells_more(code) && held.text != text => {
                Alarm { text, ..held.clone() }
            }
            // A clock that was set back does not end an alarm before it began.
            (true, None, Some(held)) => Alarm {
                cleared: Some(now.max(held.raised)),
                ..held.clone()
            },
            (true, None, None) | (true, Some(_), _) | (false, None, _) => return None,
        };
        self.latest.insert(key, alarm.clone());
        Some(alarm)
    }

    /// The alarm as it will be once `by` has seen it. Nothing changes yet: it has to be stored first.
    ///
    /// # Errors
    /// When there is no such alarm, or it was cleared more than a minute ago.
    pub fn acknowledged(
        &self,
        device: Option<&DeviceId>,
        code: AlarmCode,
        raised: Timestamp,
        by: UserId,
        now: Timestamp,
    ) -> Result<Alarm, Rejection> {
        let held = self
            .latest
            .get(&(device.cloned(), code))
            .filter(|alarm| alarm.raised == raised);
        let held = held.ok_or_else(|| Rejection::Unknown {
            what: "open alarm".to_owned(),
            id: device.map_or_else(|| self.site.to_string(), ToString::to_string),
        })?;
        Ok(Alarm {
            // The first one who saw it is the one who has seen it.
            acknowledged: held.acknowledged.clone().or(Some(Acknowledged { by, at: now })),
            ..held.clone()
        })
    }

    /// Takes over an alarm that has been stored with its acknowledgement.
    pub fn note_acknowledged(&mut self, stored: &Alarm) {
        let key = (stored.device.clone(), stored.code);
        if let Some(held) = self
            .latest
            .get_mut(&key)
            .filter(|held| held.raised == stored.raised)
        {
            held.acknowledged.clone_from(&stored.acknowledged);
        }
    }

    /// Clears what nobody judges any more, so that it does not stay open for ever.
    pub fn retire(&mut self, is_judged: impl Fn(&Alarm) -> bool, now: Timestamp) -> Vec<Alarm> {
        let gone: Vec<_> = self
            .open()
            .into_iter()
            .filter(|alarm| !is_judged(alarm))
            .collect();
        let clear = |alarm: Alarm| self.set(alarm.device.as_ref(), alarm.code, None, now);
        gone.into_iter().filter_map(clear).collect()
    }

    pub fn is_open(&self, device: Option<&DeviceId>, code: AlarmCode) -> bool {
        let held = self.latest.get(&(device.cloned(), code));
        held.is_some_and(|alarm| alarm.cleared.is_none())
    }

    pub fn open(&self) -> Vec<Alarm> {
        let open = self.latest.values().filter(|alarm| alarm.cleared.is_none());
        open.cloned().collect()
    }
}

/// Whether an open alarm takes over what is said of it anew.
const fn tells_more(code: AlarmCode) -> bool {
    matches!(
        code,
        AlarmCode::PricesStale
            | AlarmCode::ForeignWriter
            | AlarmCode::LoggerClaimedTwice
            | AlarmCode::LoggerUnknown
            | AlarmCode::RiskSeen
            | AlarmCode::DeviceWarning
    )
}

fn is_back(alarm: &Alarm, now: Timestamp) -> bool {
    alarm
        .cleared
        .is_some_and(|at| now >= at && now - at < RETURNS_WITHIN)
}

fn severity(code: AlarmCode) -> Severity {
    match code {
        AlarmCode::DeviceOffline
        | AlarmCode::NotFollowing
        | AlarmCode::SocStale
        | AlarmCode::ForeignWriter
        | AlarmCode::PricesStale
        | AlarmCode::LoggerClaimedTwice
        | AlarmCode::LoggerUnknown
        | AlarmCode::DeviceWarning => Severity::Warning,
        AlarmCode::MeterSilent
        | AlarmCode::LimitExceeded
        | AlarmCode::StoreFailing
        | AlarmCode::RecordsSetAside
        | AlarmCode::RiskSeen => Severity::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: AlarmCode = AlarmCode::MeterSilent;

    fn none(stored: Vec<Alarm>) -> Alarms {
        Alarms::restored(SiteId::new("home").unwrap(), stored)
    }

    /// A text or none, when it is said, and what is recorded: raise and clear time.
    type Step = (&'static str, i64, Option<(i64, Option<i64>)>);

    fn check(alarms: &mut Alarms, steps: &[Step]) {
        for (text, at, expected) in steps {
            let text = (!text.is_empty()).then(|| (*text).to_owned());
            let got = alarms.set(None, CODE, text, Timestamp(*at));
            let got = got.map(|alarm| (alarm.raised.0, alarm.cleared.map(|at| at.0)));
            assert_eq!(got, *expected, "at {at}");
        }
    }

    #[test]
    fn the_same_trouble_is_one_alarm_until_it_is_over() {
        check(
            &mut none(Vec::new()),
            &[
                ("", 0, None),
                ("silent", 1, Some((1, None))),
                ("still silent", 2, None),
                ("", 3, Some((1, Some(3)))),
                ("", 4, None),
                ("within a minute", 60_002, Some((1, None))),
                ("", 60_003, Some((1, Some(60_003)))),
                ("a minute later", 120_003, Some((120_003, None))),
            ],
        );
    }

    #[test]
    fn a_restart_goes_on_with_the_same_alarm() {
        let mut before = none(Vec::new());
        let opened = before
            .set(None, CODE, Some("silent".to_owned()), Timestamp(10))
            .unwrap();
        check(
            &mut none(vec![opened.clone()]),
            &[
                ("silent", 500_000, None),
                ("", 500_001, Some((10, Some(500_001)))),
            ],
        );
        let closed = before.set(None, CODE, None, Timestamp(20)).unwrap();
        check(
            &mut none(vec![closed.clone()]),
            &[("", 30, None), ("again", 40, Some((10, None)))],
        );
        // Of two, the open one; it counts as it is whatever the order.
        let newer = Alarm {
            raised: Timestamp(15),
            cleared: None,
            ..closed.clone()
        };
        for stored in [vec![closed.clone(), newer.clone()], vec![newer, closed]] {
            check(&mut none(stored), &[("", 50, Some((15, Some(50))))]);
        }
    }

    #[test]
    fn an_alarm_ends_after_it_began_whatever_the_clock_does() {
        check(
            &mut none(Vec::new()),
            &[
                ("silent", 1_000, Some((1_000, None))),
                ("", 400, Some((1_000, Some(1_000)))),
            ],
        );
    }

    #[test]
    fn an_alarm_is_acknowledged_once_and_stays_so_when_it_comes_back() {
        let user = |id| UserId::new(id).unwrap();
        let mut alarms = none(Vec::new());
        alarms.set(None, CODE, Some("silent".to_owned()), Timestamp(10));
        for (raised, code) in [(11, CODE), (10, AlarmCode::StoreFailing)] {
            let got = alarms.acknowledged(None, code, Timestamp(raised), user("a"), Timestamp(20));
            assert!(matches!(got, Err(Rejection::Unknown { .. })), "{got:?}");
        }
        for (by, at) in [("a", 20), ("b", 30)] {
            let seen = alarms
                .acknowledged(None, CODE, Timestamp(10), user(by), Timestamp(at))
                .unwrap();
            alarms.note_acknowledged(&seen);
        }
        let seen = Some(Acknowledged {
            by: user("a"),
            at: Timestamp(20),
        });
        assert_eq!(alarms.open()[0].acknowledged, seen);
        alarms.set(None, CODE, None, Timestamp(40));
        assert!(alarms.open().is_empty());
        let back = alarms
            .set(None, CODE, Some("silent".to_owned()), Timestamp(50))
            .unwrap();
        assert_eq!(back.acknowledged, seen);
    }
}
