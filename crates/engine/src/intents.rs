//! The desk: accepts, refuses and applies wishes.
//!
//! Checking is separate from applying, so that the shell can store a change before it takes effect and
//! before it is answered.

use model::alarm::Alarm;
use model::control::Order;
use model::device::{Device, Force, LinkState, Wish};
use model::id::{DeviceId, EvseId, UserId};
use model::intent::{Intent, Rejection, Wanted};
use model::money::PerKwh;
use model::reading::Pushed;
use model::session::machine::Input;
use model::session::{Session, StopReason};
use model::setpoint::ChargeCurrent;
use model::time::Timestamp;
use model::units::{MilliAmps, WattHours, Watts};
use model::vendor::VendorKeys;

use crate::core::Core;
use crate::image::Image;
use crate::tickets::Write;

/// What an accepted intent changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// To be stored, then applied.
    Wish { evse: EvseId, wish: Wish },
    /// A ceiling that goes by itself, and with the process.
    Cap {
        evse: EvseId,
        current: Option<MilliAmps>,
    },
    /// Readings that count for seconds.
    Pushed { evse: EvseId, readings: Pushed },
    /// The session as [`Core::foresee`] sees it is to be stored, then the input applied.
    Session { evse: EvseId, input: Input },
    /// Goes to the device as it is; what that says is the answer.
    Forward { device: DeviceId, write: Write },
    /// The same of what only the device's definition knows.
    Order { device: DeviceId, order: Order },
    /// To be stored, then shown: nobody else understands it.
    Keep(VendorKeys),
    /// To be stored, then shown.
    Acknowledge(Alarm),
}

impl Core {
    /// Checks an intent against the site and the rules for each value.
    ///
    /// # Errors
    /// With what is wrong with it, in words for whoever asked.
    pub fn weigh(&self, intent: &Intent, now: Timestamp) -> Result<Change, Rejection> {
        match &intent.wanted {
            Wanted::Mode { evse, mode } => {
                let wish = self.wish_of(evse)?;
                Ok(change(
                    evse,
                    Wish {
                        mode: *mode,
                        force: Force::Neutral,
                        ..wish
                    },
                ))
            }
            Wanted::Force { evse, force } => {
                let wish = self.wish_of(evse)?;
                Ok(change(
                    evse,
                    Wish {
                        force: *force,
                        ..wish
                    },
                ))
            }
            Wanted::Current { evse, current } => {
                let wish = self.wish_of(evse)?;
                self.check_current(evse, *current)?;
                Ok(change(
                    evse,
                    Wish {
                        current: *current,
                        ..wish
                    },
                ))
            }
            Wanted::Phases { evse, phases } => {
                let wish = self.wish_of(evse)?;
                let (_, settings) = self.evse(evse)?;
                if phases.is_some() && !settings.phase_switching {
                    return Err(Rejection::NotSupported {
                        what: "phase switching".to_owned(),
                    });
                }
                Ok(change(
                    evse,
                    Wish {
                        phases: *phases,
                        ..wish
                    },
                ))
            }
            Wanted::EnergyLimit { evse, limit } => {
                let wish = self.wish_of(evse)?;
                check_energy(*limit)?;
                let energy_limit = *limit;
                Ok(change(evse, Wish { energy_limit, ..wish }))
            }
            Wanted::PriceLimit { evse, limit } => {
                let wish = self.wish_of(evse)?;
                check_price(*limit)?;
                let price_limit = *limit;
                Ok(change(evse, Wish { price_limit, ..wish }))
            }
            Wanted::TemporaryCurrent { evse, current } => {
                if let Some(current) = current {
                    self.check_current(evse, *current)?;
                }
                self.evse(evse)?;
                Ok(Change::Cap {
                    evse: evse.clone(),
                    current: *current,
                })
            }
            Wanted::PushedReadings { evse, readings } => {
                self.evse(evse)?;
                for power in [Some(readings.grid), readings.pv, readings.battery]
                    .into_iter()
                    .flatten()
                {
                    check_power(power)?;
                }
                Ok(Change::Pushed {
                    evse: evse.clone(),
                    readings: *readings,
                })
            }
            Wanted::Authorise { evse, authorisation } => {
                self.evse(evse)?;
                self.check_authorisation(authorisation, now)?;
                Ok(Change::Session {
                    evse: evse.clone(),
                    input: Input::Authorised(authorisation.clone()),
                })
            }
            Wanted::StopTransaction { evse } => {
                let (_, settings) = self.evse(evse)?;
                if self.sessions.session(evse).and_then(Session::running).is_none() {
                    return Err(Rejection::NotSupported {
                        what: format!("stopping where no transaction runs, as on {},", settings.name),
                    });
                }
                Ok(Change::Session {
                    evse: evse.clone(),
                    input: Input::Stop(StopReason::Asked),
                })
            }
            Wanted::VendorWrite {
                evse,
                dialect,
                key,
                value,
            } => self.weigh_write(Write {
                evse: evse.clone(),
                dialect: dialect.clone(),
                key: key.clone(),
                value: value.clone(),
            }),
            Wanted::Order { device, order } => self.weigh_order(device, order),
            Wanted::AcknowledgeAlarm { device, code, raised } => {
                let by = user_of(&intent.by)?;
                let seen = self
                    .alarms
                    .acknowledged(device.as_ref(), *code, *raised, by, now)?;
                Ok(Change::Acknowledge(seen))
            }
        }
    }

    fn check_current(&self, evse: &EvseId, current: MilliAmps) -> Result<(), Rejection> {
        let (_, settings) = self.evse(evse)?;
        let range = ChargeCurrent::MIN.max(settings.min)..=settings.max;
        if range.contains(&current) {
            return Ok(());
        }
        Err(Rejection::OutOfRange {
            what: "current".to_owned(),
            given: current.to_amps_text(),
            expected: format!(
                "{} to {}",
                range.start().to_amps_text(),
                range.end().to_amps_text()
            ),
        })
    }

    fn wish_of(&self, evse: &EvseId) -> Result<Wish, Rejection> {
        self.evse(evse)?;
        self.wishes()
            .get(evse)
            .copied()
            .ok_or_else(|| Rejection::Unknown {
                what: "EVSE".to_owned(),
                id: evse.to_string(),
            })
    }

    /// What a device offers to be set, within its limits, goes to it.
    fn weigh_order(&self, id: &DeviceId, order: &Order) -> Result<Change, Rejection> {
        let device = self.site.device(id).ok_or_else(|| Rejection::Unknown {
            what: "device".to_owned(),
            id: id.to_string(),
        })?;
        let controls = self.image().devices.get(id).map(|image| &image.controls);
        let order = match order {
            Order::Set { control, value } => {
                let known = controls.and_then(|controls| controls.get(control));
                let known = known.ok_or_else(|| Rejection::NotSupported {
                    what: format!("control `{}`", control.chars().take(64).collect::<String>()),
                })?;
                Order::Set {
                    control: control.clone(),
                    value: known.check(value)?,
                }
            }
            Order::Question { .. } if controls.is_some_and(|controls| controls.takes_questions) => {
                order.clone()
            }
            Order::Question { .. } => {
                return Err(Rejection::NotSupported {
                    what: "a question in its own language".to_owned(),
                });
            }
        };
        check_online(device, self.image())?;
        self.tickets.check_room()?;
        Ok(Change::Order {
            device: id.clone(),
            order,
        })
    }

    /// A charging station that speaks the language decides itself; for any other the value is kept.
    fn weigh_write(&self, write: Write) -> Result<Change, Rejection> {
        let (station, settings) = self.evse(&write.evse)?;
        if station.link.dialect() == Some(write.dialect.as_str()) {
            check_online(station, self.image())?;
            self.tickets.check_room()?;
            return Ok(Change::Forward {
                device: station.id.clone(),
                write,
            });
        }
        let mut kept = VendorKeys {
            keys: self.keys.get(&write.evse).cloned().unwrap_or_default(),
            evse: write.evse,
        };
        let place = kept.keys.entry(write.dialect).or_default();
        place.insert(write.key, write.value);
        if kept.size() > VendorKeys::MOST {
            return Err(Rejection::OutOfRange {
                what: format!("what is kept for {}", settings.name),
                given: format!("{} bytes", kept.size()),
                expected: format!("at most {}", VendorKeys::MOST),
            });
        }
        Ok(Change::Keep(kept))
    }
}

/// # Errors
/// When the device does not answer.
pub(crate) fn check_online(device: &Device, image: &Image) -> Result<(), Rejection> {
    let image = image.devices.get(&device.id);
    if image.is_some_and(|d| d.link == LinkState::Online) {
        return Ok(());
    }
    let last_seen = image
        .and_then(|d| d.last_seen)
        .map_or_else(|| "never since the start".to_owned(), |at| at.to_string());
    Err(Rejection::Offline {
        what: device.name.clone(),
        last_seen,
    })
}

/// More than any car holds.
const MOST_ENERGY: WattHours = WattHours(1_000_000_000);
/// Beyond any price of energy, either way.
const MOST_PRICE: PerKwh = PerKwh(1_000_000_000);

/// More than any grid connection that a charger is told of.
const MOST_POWER: Watts = Watts(10_000_000);

fn check_power(power: Watts) -> Result<(), Rejection> {
    if (-MOST_POWER..=MOST_POWER).contains(&power) {
        return Ok(());
    }
    Err(Rejection::OutOfRange {
        what: "power".to_owned(),
        given: power.to_string(),
        expected: format!("at most {MOST_POWER}, either way"),
    })
}

fn check_energy(limit: Option<WattHours>) -> Result<(), Rejection> {
    let fits = |limit: WattHours| (WattHours::ZERO..=MOST_ENERGY).contains(&limit);
    match limit {
        Some(limit) if !fits(limit) => Err(Rejection::OutOfRange {
            what: "energy limit".to_owned(),
            given: limit.to_string(),
            expected: format!("{} to {MOST_ENERGY}", WattHours::ZERO),
        }),
        Some(_) | None => Ok(()),
    }
}

fn check_price(limit: Option<PerKwh>) -> Result<(), Rejection> {
    match limit {
        Some(limit) if limit.0.unsigned_abs() > MOST_PRICE.0.unsigned_abs() => Err(Rejection::OutOfRange {
            what: "price limit".to_owned(),
            given: limit.to_text(),
            expected: format!("at most {}, either way", MOST_PRICE.to_text()),
        }),
        Some(_) | None => Ok(()),
    }
}

/// The name of a principal as an id: programs (`token:display`) have none of their own.
fn user_of(principal: &str) -> Result<UserId, Rejection> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let lower = principal.to_ascii_lowercase();
    let text: String = lower
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .take(63)
        .collect();
    UserId::new(&text).map_err(|_| Rejection::NotAllowed {
        why: "whoever acknowledges an alarm needs a name".to_owned(),
    })
}

fn change(evse: &EvseId, wish: Wish) -> Change {
    Change::Wish {
        evse: evse.clone(),
        wish: Wish {
            current: wish.current.max(MilliAmps::ZERO),
            ..wish
        },
    }
}
