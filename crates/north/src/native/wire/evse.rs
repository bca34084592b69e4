//! EVSEs: what was asked for, what they were told, what the car does and why.

use model::device::LinkState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::PerPhase;
use super::charge::{AuthorisationMode, SessionNow};

/// The EVSEs of a site, in the order of its configuration.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EvseList {
    pub items: Vec<EvseView>,
}

/// The unit that charges one car.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvseView {
    pub id: String,
    pub name: String,
    /// The charging station it is part of.
    pub station: String,
    pub circuit: String,
    /// How many phases are wired: 1 to 3.
    pub phases: i64,
    pub min_ma: i64,
    pub max_ma: i64,
    /// Whether one phase can be chosen instead of three.
    pub phase_switching: bool,
    pub wish: Wish,
    pub pilot: PilotState,
    pub is_plugged: bool,
    /// Whether a plugged car draws current.
    pub is_charging: bool,
    /// The car has stopped by itself.
    pub complete: bool,
    /// Draw by grid phase.
    pub current_ma: PerPhase,
    pub power_w: i64,
    /// Since the car was plugged in.
    #[schema(required = true)]
    pub session_energy_wh: Option<i64>,
    /// What it was told last; 0 is paused.
    pub setpoint_ma: i64,
    #[schema(required = true)]
    pub setpoint_phases: Option<Phases>,
    /// What the latest cycle would give it; above the setpoint while a rise waits. 0 is paused.
    pub granted_ma: i64,
    pub reason: ReasonView,
    #[schema(required = true)]
    pub plugged_since_ms: Option<i64>,
    /// Whether its charging station answers.
    pub online: bool,
    /// Whether a car gets current before somebody has shown that they may charge.
    pub authorisation: AuthorisationMode,
    /// The session of the car that is plugged in.
    #[schema(required = true)]
    pub session: Option<SessionNow>,
    /// The most the EVSE offers for some minutes.
    #[schema(required = true)]
    pub temporary: Option<TemporaryCurrent>,
    /// Whether grid energy is cheap enough for a car that waits for the sun; null where nobody set a limit, the
    /// mode does not ask, or no price is known.
    #[schema(required = true)]
    pub price_allows: Option<bool>,
    /// What was pushed at it in the last seconds.
    #[schema(required = true)]
    pub pushed: Option<PushedReadings>,
    /// What somebody else changed at its charging station.
    #[schema(required = true)]
    pub foreign: Option<ForeignWrite>,
}

impl EvseView {
    /// The view of an EVSE and of the charging station it belongs to.
    #[must_use]
    pub fn of(evse: &model::view::EvseView, station: Option<&model::view::DeviceView>) -> Self {
        let status = &evse.status;
        Self {
            id: evse.id.to_string(),
            name: evse.name.clone(),
            station: evse.station.to_string(),
            circuit: evse.circuit.to_string(),
            phases: evse.terminals.count(),
            min_ma: evse.min.0,
            max_ma: evse.max.0,
            phase_switching: evse.phase_switching,
            wish: evse.wish.into(),
            pilot: status.pilot.into(),
            is_plugged: status.pilot.is_plugged(),
            is_charging: status.pilot.asks() && evse.power.0 > 0,
            complete: status.complete,
            current_ma: PerPhase::of(evse.current, |current| current.0),
            power_w: evse.power.0,
            session_energy_wh: status.session_energy.map(|energy| energy.0),
            setpoint_ma: evse.setpoint.or_zero().0,
            setpoint_phases: evse.phases.map(Into::into),
            granted_ma: evse.granted.or_zero().0,
            reason: (&evse.reason).into(),
            plugged_since_ms: evse.plugged_since.map(|at| at.0),
            online: station.is_some_and(|station| station.enabled && station.link == LinkState::Online),
            authorisation: evse.authorisation.into(),
            session: evse.session.as_ref().map(Into::into),
            temporary: evse.cap.map(|(current, until)| TemporaryCurrent {
                current_ma: current.0,
                until_ms: until.0,
            }),
            price_allows: evse.price_allows,
            pushed: evse.pushed.map(Into::into),
            foreign: evse.foreign.map(Into::into),
        }
    }
}

/// Every EVSE of a view, in its order.
#[must_use]
pub fn of_site(view: &model::view::SiteView) -> Vec<EvseView> {
    view.evses
        .iter()
        .map(|evse| EvseView::of(evse, station_of(view, evse)))
        .collect()
}

/// The charging station of an EVSE.
#[must_use]
pub fn station_of<'a>(
    view: &'a model::view::SiteView,
    evse: &model::view::EvseView,
) -> Option<&'a model::view::DeviceView> {
    view.devices.iter().find(|device| device.id == evse.station)
}

/// What somebody wants of an EVSE; limits stand above all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Wish {
    pub mode: ChargeMode,
    pub force: Force,
    /// The most the EVSE shall offer.
    pub current_ma: i64,
    /// Null: whatever fits.
    #[schema(required = true)]
    pub phases: Option<Phases>,
    /// The car gets no more once so much was charged since it was plugged in.
    #[schema(required = true)]
    pub energy_limit_wh: Option<i64>,
    /// What waits for the sun also takes grid energy while that costs at most so much.
    #[schema(required = true)]
    pub price_limit_micros_per_kwh: Option<i64>,
}

/// What somebody else changed at a charging station: its app, another manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForeignWrite {
    pub what: ForeignWhat,
    pub since_ms: i64,
    pub policy: ForeignPolicy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ForeignWhat {
    Current { current_ma: i64 },
    Paused,
    Started,
    Phases { phases: Phases },
}

mirror!(
    /// What is done about it. What is above our limits is always taken back.
    ForeignPolicy = model::device::ForeignPolicy {
        /// It stands until the car leaves.
        Yield,
        /// Ours is told again.
        Reassert,
        /// It stands until somebody has decided.
        Ask,
    }
);

impl From<model::view::ForeignView> for ForeignWrite {
    fn from(foreign: model::view::ForeignView) -> Self {
        use model::message::ForeignWhat as Theirs;
        Self {
            what: match foreign.write.what {
                Theirs::Current(current) => ForeignWhat::Current {
                    current_ma: current.0,
                },
                Theirs::Paused => ForeignWhat::Paused,
                Theirs::Started => ForeignWhat::Started,
                Theirs::Phases(phases) => ForeignWhat::Phases {
                    phases: phases.into(),
                },
            },
            since_ms: foreign.write.since.0,
            policy: foreign.policy.into(),
        }
    }
}

/// Readings that somebody pushes at an EVSE: they count for ten seconds. Positive flows into the thing named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PushedReadings {
    pub grid_w: i64,
    #[schema(required = true)]
    pub pv_w: Option<i64>,
    #[schema(required = true)]
    pub battery_w: Option<i64>,
    pub at_ms: i64,
    /// Whether they count: the site has no fresh meter of its own at its grid connection.
    pub is_used: bool,
}

impl From<model::view::PushedView> for PushedReadings {
    fn from(pushed: model::view::PushedView) -> Self {
        let readings = pushed.readings;
        Self {
            grid_w: readings.grid.0,
            pv_w: readings.pv.map(|power| power.0),
            battery_w: readings.battery.map(|power| power.0),
            at_ms: pushed.at.wall.0,
            is_used: pushed.is_used,
        }
    }
}

/// A ceiling that goes by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TemporaryCurrent {
    pub current_ma: i64,
    pub until_ms: i64,
}

impl From<model::device::Wish> for Wish {
    fn from(wish: model::device::Wish) -> Self {
        Self {
            mode: wish.mode.into(),
            force: wish.force.into(),
            current_ma: wish.current.0,
            phases: wish.phases.map(Into::into),
            energy_limit_wh: wish.energy_limit.map(|limit| limit.0),
            price_limit_micros_per_kwh: wish.price_limit.map(|limit| limit.0),
        }
    }
}

mirror!(
    /// What drives a charge.
    ChargeMode = model::device::ChargeMode {
        Off,
        /// Only what the sun leaves over.
        Solar,
        /// The minimum always, more when the sun leaves it over.
        MinSolar,
        /// As much as wish and limits allow.
        Fast,
    }
);
mirror!(
    /// A switch above the mode; falls back to neutral on unplugging.
    Force = model::device::Force { Neutral, Off, On }
);
mirror!(
    /// How many phases a charge uses.
    Phases = model::phases::Phases { One, Three }
);

/// State of the control pilot, IEC 61851-1: A no car, B plugged in, C asks for current, D asks for current
/// and ventilation, E short circuit or no power, F out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum PilotState {
    A,
    B,
    C,
    D,
    E,
    F,
}

impl From<model::reading::PilotState> for PilotState {
    fn from(pilot: model::reading::PilotState) -> Self {
        use model::reading::PilotState as Theirs;
        match pilot {
            Theirs::A => Self::A,
            Theirs::B => Self::B,
            Theirs::C => Self::C,
            Theirs::D => Self::D,
            Theirs::E => Self::E,
            Theirs::F => Self::F,
        }
    }
}

/// Why an EVSE gets what it gets: a code for the page's catalogue, what fills it in, and the same in plain
/// English.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReasonView {
    #[schema(schema_with = reason_code)]
    pub code: String,
    /// Currents in mA, powers in W, times in ms since 1970, ages in ms.
    #[schema(value_type = Object)]
    pub params: serde_json::Map<String, serde_json::Value>,
    pub text: String,
    /// Since when this code holds.
    pub since_ms: i64,
}

fn reason_code() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(model::reason::Cause::CODES))
        .build()
}

impl From<&model::reason::Reason> for ReasonView {
    fn from(reason: &model::reason::Reason) -> Self {
        let params = match serde_json::to_value(&reason.cause).map(|mut cause| cause["params"].take()) {
            Ok(serde_json::Value::Object(params)) => params,
            Ok(_) | Err(_) => serde_json::Map::new(),
        };
        Self {
            code: reason.cause.code().to_owned(),
            params,
            text: reason.cause.text(),
            since_ms: reason.since.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::reason::{Cause, Reason};
    use model::time::Timestamp;
    use model::units::Watts;

    #[test]
    fn a_reason_has_params_even_when_its_cause_has_none() {
        for (cause, params) in [
            (Cause::NoVehicle, "{}"),
            (
                Cause::NoSurplus {
                    available: Watts(900),
                    needed: Watts(1_380),
                },
                r#"{"available":900,"needed":1380}"#,
            ),
        ] {
            let view = ReasonView::from(&Reason {
                cause,
                since: Timestamp(7),
            });
            assert_eq!(serde_json::to_string(&view.params).unwrap(), params);
            assert_eq!(view.since_ms, 7);
        }
    }
}
