//! The latest readings of a site, with their age.

use std::collections::{BTreeMap, BTreeSet};

use model::control::Controls;
use model::device::{Device, LinkState};
use model::id::{DeviceId, EvseId};
use model::message::{Report, Reported};
use model::reading::{EvseStatus, Measured, Reading};
use model::site::Site;
use model::time::{Millis, Monotonic, Now, Timestamp};

/// What is known of one device.
#[derive(Clone, Debug, Default)]
pub struct DeviceImage {
    pub link: LinkState,
    pub identity: Option<String>,
    pub last_seen: Option<Timestamp>,
    pub measured: Option<Reading<Measured>>,
    pub controls: Controls,
}

/// What is known of one EVSE.
#[derive(Clone, Debug, Default)]
pub struct EvseImage {
    pub status: Option<Reading<EvseStatus>>,
    /// When the car that is there now was plugged in.
    pub plugged_since: Option<Timestamp>,
}

/// The process image of a site.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Those that a circuit is measured by.
    meters: BTreeSet<DeviceId>,
    pub devices: BTreeMap<DeviceId, DeviceImage>,
    pub evses: BTreeMap<EvseId, EvseImage>,
}

/// What a report changed, as far as the cycle cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Nothing,
    /// Head-room may have become smaller, or a car came or went: the cycle should run now.
    Urgent,
    /// The car was unplugged.
    Unplugged,
}

/// A rise of a meter's current that is worth an early cycle. Smaller ones wait for the next tick.
const WAKE_MA: i64 = 500;

impl Image {
    /// An empty image with a place for everything the site has.
    pub fn of(site: &Site) -> Self {
        Self {
            meters: site.circuits.iter().filter_map(|c| c.meter.clone()).collect(),
            devices: site
                .devices
                .iter()
                .map(|d| {
                    (
                        d.id.clone(),
                        DeviceImage {
                            link: first_state(d),
                            ..DeviceImage::default()
                        },
                    )
                })
                .collect(),
            evses: site
                .evses()
                .map(|(_, e)| (e.id.clone(), EvseImage::default()))
                .collect(),
        }
    }

    /// Keeps a report. Reports of devices the site does not have are dropped.
    pub fn take(&mut self, reported: &Reported) -> Effect {
        let Some(device) = self.devices.get_mut(&reported.device) else {
            return Effect::Nothing;
        };
        match &reported.report {
            Report::Link(state) => {
                device.link = state.clone();
                Effect::Nothing
            }
            Report::Identity { text } => {
                device.identity = Some(text.clone());
                Effect::Nothing
            }
            Report::Controls(controls) => {
                device.controls = controls.clone();
                Effect::Nothing
            }
            Report::Document(_)
            | Report::VendorAnswer { .. }
            | Report::Foreign { .. }
            | Report::Past { .. }
            | Report::Notice { .. } => Effect::Nothing,
            Report::Measured(measured) => {
                device.last_seen = Some(reported.at.wall);
                let rose = self.meters.contains(&reported.device)
                    && rose(device.measured.as_ref().map(|r| &r.value), measured);
                device.measured = Some(Reading {
                    value: measured.clone(),
                    at: reported.at,
                    quality: measured.quality,
                });
                if rose { Effect::Urgent } else { Effect::Nothing }
            }
            Report::Evse { evse, status } => {
                device.last_seen = Some(reported.at.wall);
                self.take_status(evse, *status, reported.at)
            }
        }
    }

    fn take_status(&mut self, evse: &EvseId, status: EvseStatus, at: Now) -> Effect {
        let Some(image) = self.evses.get_mut(evse) else {
            return Effect::Nothing;
        };
        let before = image.status.as_ref().map(|r| r.value.pilot);
        image.status = Some(Reading {
            value: status,
            at,
            quality: model::reading::Quality::Measured,
        });
        match (before.is_some_and(|p| p.is_plugged()), status.pilot.is_plugged()) {
            (false, true) => {
                image.plugged_since = image.plugged_since.or(Some(at.wall));
                Effect::Urgent
            }
            (true, false) => {
                image.plugged_since = None;
                Effect::Unplugged
            }
            (_, false) => {
                image.plugged_since = None;
                Effect::Nothing
            }
            (true, true) if before != Some(status.pilot) => Effect::Urgent,
            (true, true) => Effect::Nothing,
        }
    }

    /// The measured values of a device, if they are young enough for control: three polls, at least 15 s.
    pub fn fresh(&self, device: &DeviceId, period: Millis, now: Monotonic) -> Option<&Measured> {
        let max_age = Millis((3 * period.0).max(15_000));
        self.devices.get(device)?.measured.as_ref()?.fresh(now, max_age)
    }
}

/// Links report before long; a device without one stays as it is.
fn first_state(device: &Device) -> LinkState {
    if device.link.is_linked() {
        LinkState::Connecting
    } else {
        LinkState::Offline {
            problem: "no link is configured".to_owned(),
        }
    }
}

fn rose(before: Option<&Measured>, now: &Measured) -> bool {
    match (before.and_then(|m| m.current), now.current) {
        (Some(before), Some(now)) => before
            .zip(now, |b, n| n.0.saturating_sub(b.0) >= WAKE_MA)
            .into_array()
            .contains(&true),
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use model::phases::PerPhase;
    use model::units::MilliAmps;

    use super::*;

    fn amps(l1: i64) -> Measured {
        Measured {
            current: Some(PerPhase::new(MilliAmps(l1), MilliAmps(0), MilliAmps(0))),
            ..Measured::default()
        }
    }

    #[test]
    fn only_a_real_rise_of_current_wakes_the_cycle() {
        for (before, after, expected) in [
            (1_000, 1_400, false),
            (1_000, 1_500, true),
            (20_000, 1_000, false),
        ] {
            assert_eq!(
                rose(Some(&amps(before)), &amps(after)),
                expected,
                "{before} -> {after}"
            );
        }
        assert!(rose(None, &amps(0)));
        assert!(!rose(Some(&amps(0)), &Measured::default()));
    }
}
