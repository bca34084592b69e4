//! Raises, deduplicates and clears alarms.

use std::collections::BTreeMap;

use model::alarm::{Alarm, AlarmCode, Severity};
use model::id::{DeviceId, SiteId};
use model::time::Timestamp;

/// Open alarms of a site; one per device and code.
#[derive(Clone, Debug)]
pub struct Alarms {
    site: SiteId,
    open: BTreeMap<(Option<DeviceId>, AlarmCode), Alarm>,
}

impl Alarms {
    pub fn of(site: SiteId) -> Self {
        Self {
            site,
            open: BTreeMap::new(),
        }
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
        match (self.open.contains_key(&key), text) {
            (false, Some(text)) => {
                let alarm = Alarm {
                    site: self.site.clone(),
                    device: device.cloned(),
                    code,
                    severity: severity(code),
                    text,
                    raised: now,
                    cleared: None,
                    acknowledged: None,
                };
                self.open.insert(key, alarm.clone());
                Some(alarm)
            }
            (true, None) => self.open.remove(&key).map(|alarm| Alarm {
                cleared: Some(now),
                ..alarm
            }),
            (true, Some(_)) | (false, None) => None,
        }
    }

    pub fn open(&self) -> Vec<Alarm> {
        self.open.values().cloned().collect()
    }
}

fn severity(code: AlarmCode) -> Severity {
    match code {
        AlarmCode::DeviceOffline | AlarmCode::NotFollowing => Severity::Warning,
        AlarmCode::MeterSilent | AlarmCode::LimitExceeded | AlarmCode::StoreFailing => Severity::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_one_alarm_until_it_is_over() {
        let mut alarms = Alarms::of(SiteId::new("home").unwrap());
        let mut set = |text: Option<&str>, at| {
            alarms
                .set(
                    None,
                    AlarmCode::MeterSilent,
                    text.map(str::to_owned),
                    Timestamp(at),
                )
                .map(|a| a.cleared)
        };
        assert_eq!(set(None, 0), None);
        assert_eq!(set(Some("silent"), 1), Some(None));
        assert_eq!(set(Some("still silent"), 2), None);
        assert_eq!(set(None, 3), Some(Some(Timestamp(3))));
        assert_eq!(set(Some("again"), 4), Some(None));
    }
}
