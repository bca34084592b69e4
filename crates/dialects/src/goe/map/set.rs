//! A written key as an intent.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::device::{ChargeMode, Force, Wish};
use model::id::EvseId;
use model::intent::Wanted;
use model::money::PerKwh;
use model::phases::Phases;
use model::reading::Pushed;
use model::session::{Authorisation, AuthorisationKind};
use model::units::{MilliAmps, WattHours, Watts};
use model::view::{CardSlot, EvseView};
use serde_json::Value;

use crate::goe::DIALECT;
use crate::goe::keys;
use crate::goe::query::Write;
use crate::goe::value::{self, Checked, Reading};
use crate::goe::wire::rounded;

/// `awp` counts cents, or the hundredth part of whatever the tariff counts.
pub(super) const MICROS_PER_CENT: f64 = 10_000.0;
/// What a new charger shows.
pub(super) const DEFAULT_PRICE_LIMIT: PerKwh = PerKwh(30_000);

/// The EVSE a set is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub evse: EvseId,
    pub max: MilliAmps,
    pub phase_switching: bool,
    /// The mode now: a mode that is already there is not chosen again, because choosing one ends a forced state.
    pub mode: ChargeMode,
    pub price_limit: Option<PerKwh>,
    /// What `trx` and `acs` show now.
    pub trx: Option<i64>,
    pub acs: i64,
    pub cards: Arc<[CardSlot]>,
    /// Whether its charging station is a go-e charger, which knows itself what it takes.
    pub is_own: bool,
    /// Which of [`keys::GUARDED`] may be written here.
    pub granted: BTreeSet<String>,
}

impl From<&EvseView> for Target {
    fn from(view: &EvseView) -> Self {
        Self {
            evse: view.id.clone(),
            max: view.max,
            phase_switching: view.phase_switching,
            mode: view.wish.mode,
            price_limit: view.wish.price_limit,
            trx: super::north::trx(view),
            acs: super::north::acs(view),
            cards: view.cards.clone(),
            is_own: view.dialect.as_deref() == Some(DIALECT.name),
            granted: BTreeSet::new(),
        }
    }
}

impl Target {
    /// Takes over what is wished from now on, for the next write of the same request.
    pub fn note(&mut self, wish: &Wish) {
        self.mode = wish.mode;
        self.price_limit = wish.price_limit;
    }
}

/// What a write means: an intent for the gate, or the text of its refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The value as JSON, for the echo.
    pub value: Value,
    /// `None`: accepted, and so already.
    pub wanted: Result<Option<Wanted>, String>,
}

/// Reads one write. `reading` is lenient in the cloud form, strict in the local form.
#[must_use]
pub fn plan(write: &Write, target: &Target, reading: Reading) -> Plan {
    let Write { key, text } = write;
    let Checked { value, refusal } = value::check(key, text, reading);
    let wanted = match refusal {
        Some(refusal) => Err(refusal),
        // Token and switch are the door's business; the charger's own ones are nobody's.
        None if key == keys::TOKEN || key == keys::ENABLED => Err(value::not_from_api(key, text)),
        None if keys::is_guarded(key) && !target.granted.contains(key) => Err(value::not_granted(key, text)),
        None => wanted(key, text, &value, target),
    };
    Plan { value, wanted }
}

/// A key of the right type and range.
fn wanted(key: &str, text: &str, value: &Value, target: &Target) -> Result<Option<Wanted>, String> {
    let evse = target.evse.clone();
    let wanted = match (key, value.as_i64(), value.as_bool()) {
        ("amp", Some(amps), _) => {
            let max = target.max.amps_rounded_down();
            if amps > max {
                return Err(value::out_of_range(key, text, 6, max));
            }
            Wanted::Current {
                evse,
                current: MilliAmps::from_amps(amps),
            }
        }
        ("frc", Some(0), _) => Wanted::Force {
            evse,
            force: Force::Neutral,
        },
        ("frc", Some(1), _) => Wanted::Force {
            evse,
            force: Force::Off,
        },
        ("frc", Some(2), _) => Wanted::Force {
            evse,
            force: Force::On,
        },
        ("psm", Some(0), _) => Wanted::Phases { evse, phases: None },
        ("psm", Some(_), _) if !target.phase_switching => return Err(value::not_from_api(key, text)),
        ("psm", Some(1), _) => Wanted::Phases {
            evse,
            phases: Some(Phases::One),
        },
        ("psm", Some(2), _) => Wanted::Phases {
            evse,
            phases: Some(Phases::Three),
        },
        ("ids", _, _) => return pushed(key, text, value, target),
        ("trx", slot, _) => return authorised(key, text, slot, target),
        ("acs", Some(mode), _) if mode == target.acs => return Ok(None),
        // Who must show a card is the owner's to say, in the settings.
        ("acs", _, _) => return Err(value::not_from_api(key, text)),
        ("lmo", Some(mode @ (3 | 4)), _) => return Ok(solar_or_not(mode == 4, target)),
        ("fup", _, Some(surplus)) => return Ok(solar_or_not(surplus, target)),
        ("tcl", _, _) => {
            let max = target.max.amps_rounded_down();
            let current = value.as_i64();
            if let Some(amps) = current.filter(|amps| *amps > max) {
                return Err(value::out_of_range(key, &amps.to_string(), 6, max));
            }
            Wanted::TemporaryCurrent {
                evse,
                current: current.map(MilliAmps::from_amps),
            }
        }
        ("dwo", _, _) => Wanted::EnergyLimit {
            evse,
            limit: value.as_f64().map(|energy| WattHours(rounded(energy))),
        },
        ("awp", _, _) => Wanted::PriceLimit {
            evse,
            limit: value
                .as_f64()
                .map(|cents| PerKwh(rounded(cents * MICROS_PER_CENT))),
        },
        ("awe", _, Some(false)) => Wanted::PriceLimit { evse, limit: None },
        ("awe", _, Some(true)) if target.price_limit.is_some() => return Ok(None),
        ("awe", _, Some(true)) => Wanted::PriceLimit {
            evse,
            limit: Some(DEFAULT_PRICE_LIMIT),
        },
        // The cards that are shown are ours; what the EVSE can do is in the settings.
        ("cards", _, _) if !target.is_own || !target.cards.is_empty() => {
            return Err(value::not_from_api(key, text));
        }
        (_, _, _) if is_card(key) && (!target.is_own || !target.cards.is_empty()) => {
            return Err(value::not_from_api(key, text));
        }
        ("ama" | "mca" | "var", _, _) if !target.is_own => return Err(value::not_from_api(key, text)),
        // Nobody would use them, and secrets are not kept for nothing.
        _ if !target.is_own && (keys::is_guarded(key) || keys::is_secret(key)) => {
            return Err(value::not_from_api(key, text));
        }
        // Daily trip needs a plan, which the model has no wish for.
        ("lmo", _, _) => return Err(value::not_from_api(key, text)),
        _ => Wanted::VendorWrite {
            evse,
            dialect: DIALECT.name.to_owned(),
            key: key.to_owned(),
            value: value.to_string(),
        },
    };
    Ok(Some(wanted))
}

/// `{"pGrid":W,"pPv":W,"pAkku":W}`: import, production and discharging are positive. Null says nothing.
fn pushed(key: &str, text: &str, value: &Value, target: &Target) -> Result<Option<Wanted>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let wrong = |what: &str| value::wrong_type(key, what, text);
    let part = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64().map(|watts| Watts(rounded(watts)))),
        Some(Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            Err(wrong("object of numbers"))
        }
    };
    let grid = part("pGrid")?.ok_or_else(|| wrong("object with pGrid"))?;
    let readings = Pushed {
        grid,
        pv: part("pPv")?.map(|power| -power),
        battery: part("pAkku")?.map(|power| -power),
    };
    Ok(Some(Wanted::PushedReadings {
        evse: target.evse.clone(),
        readings,
    }))
}

/// `c0n`, `c3i`, `c9e`: one card each.
fn is_card(key: &str) -> bool {
    matches!(key.as_bytes(), [b'c', b'0'..=b'9', b'n' | b'i' | b'e'])
}

/// Null ends the transaction, 0 begins one without a card, `n` with the n-th card that is shown. What is there
/// already stays: asking twice for one and the same is no second tap.
fn authorised(key: &str, text: &str, slot: Option<i64>, target: &Target) -> Result<Option<Wanted>, String> {
    if slot == target.trx {
        return Ok(None);
    }
    let evse = target.evse.clone();
    let Some(slot) = slot else {
        return Ok(Some(Wanted::StopTransaction { evse }));
    };
    let authorisation = if slot == 0 {
        Authorisation {
            kind: AuthorisationKind::App,
            user: None,
            card: None,
        }
    } else {
        let card = usize::try_from(slot - 1).ok().and_then(|at| target.cards.get(at));
        let Some(CardSlot { card, user, .. }) = card else {
            let most = i64::try_from(target.cards.len()).unwrap_or(i64::MAX);
            return Err(value::out_of_range(key, text, 0, most));
        };
        Authorisation {
            kind: AuthorisationKind::Rfid,
            user: Some(user.clone()),
            card: Some(card.clone()),
        }
    };
    Ok(Some(Wanted::Authorise { evse, authorisation }))
}

/// Eco with surplus is Solar (or Min+Solar, which reads the same), everything else is Fast or Off.
fn solar_or_not(solar: bool, target: &Target) -> Option<Wanted> {
    let is_solar = match target.mode {
        ChargeMode::Solar | ChargeMode::MinSolar => true,
        ChargeMode::Off | ChargeMode::Fast => false,
    };
    let mode = if solar {
        ChargeMode::Solar
    } else {
        ChargeMode::Fast
    };
    (solar != is_solar).then(|| Wanted::Mode {
        evse: target.evse.clone(),
        mode,
    })
}
