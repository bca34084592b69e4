//! Why an EVSE gets what it gets.
//!
//! A reason is a code with typed parameters. The page's catalogue is keyed by the code and fills the
//! parameters in; [`Cause::text`] is the same in plain English for logs and clients without a catalogue.

use serde::{Deserialize, Serialize};

use crate::device::ForeignPolicy;
use crate::id::{CircuitId, DeviceId, EvseId};
use crate::limit::LimitSource;
use crate::message::ForeignWhat;
use crate::money::{Currency, PerKwh};
use crate::phases::{Phase, Phases};
use crate::time::{Millis, Timestamp};
use crate::units::{MilliAmps, PerMille, WattHours, Watts};

/// The cause behind a setpoint, with what is needed to explain it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", content = "params", rename_all = "snake_case")]
pub enum Cause {
    /// No car is plugged in.
    NoVehicle,
    /// The mode is Off, or forced off.
    SwitchedOff,
    /// The EVSE is disabled in the settings.
    Disabled,
    /// The car is plugged in and does not ask for current.
    VehicleNotAsking,
    /// The car has stopped by itself.
    VehicleComplete,
    /// Charging at what was asked for.
    AsAsked { current: MilliAmps },
    /// Charging below what was asked for.
    Limited {
        by: LimitSource,
        current: MilliAmps,
        asked: MilliAmps,
    },
    /// Paused: a phase (or the power limit, when no phase is named) of a circuit has no room for the minimum.
    CircuitFull {
        circuit: CircuitId,
        phase: Option<Phase>,
        limit: MilliAmps,
        /// Everything that is not ours to control.
        base: MilliAmps,
        needed: MilliAmps,
        free: MilliAmps,
        /// Those that hold the rest.
        holders: Vec<EvseId>,
        /// Whose turn ends first, where they take turns.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<Turn>,
    },
    /// Paused: the phases of a circuit would lie too far apart.
    Unbalanced {
        circuit: CircuitId,
        phase: Option<Phase>,
        /// How far phases may lie apart.
        limit: MilliAmps,
        needed: MilliAmps,
        free: MilliAmps,
        /// Those that load the phase.
        holders: Vec<EvseId>,
    },
    /// Paused: the sun does not leave the minimum over.
    NoSurplus { available: Watts, needed: Watts },
    /// There is room now; it must last before the car starts.
    WaitingForStableRoom { until: Timestamp },
    /// Paused a moment ago; starts again after the minimum pause.
    MinimumPause { until: Timestamp },
    /// The sun went away; the minimum is held until the stop time.
    HoldingMinimum { until: Timestamp },
    /// It has started too often within the last hour; the car and its contactor get a rest.
    StartsUsedUp { most: u8, until: Timestamp },
    /// The car was full and has not used enough since; where nobody knows how full it is, it has been topped
    /// up often enough.
    RestingFull {
        soc: Option<PerMille>,
        /// It is charged again below this.
        below: Option<PerMille>,
    },
    /// The car does not ask for what it is offered; the offer is interrupted to wake it.
    WakingVehicle { until: Timestamp },
    /// A limit was exceeded a moment ago: nothing starts below it yet.
    AfterOverload {
        circuit: CircuitId,
        phase: Option<Phase>,
        until: Timestamp,
    },
    /// The contactor changes between one and three phases while nothing flows.
    SwitchingPhases { to: Phases, until: Timestamp },
    /// Charging on one phase because there is no room for three.
    OnePhaseOnly {
        circuit: CircuitId,
        phase: Option<Phase>,
        current: MilliAmps,
    },
    /// Paused: the quarter of an hour would come to more than it may.
    PeakReached {
        target: Watts,
        /// For cars, until it ends.
        available: Watts,
        ends: Timestamp,
    },
    /// Paused: the grid operator has dimmed what can be dimmed (section 14a EnWG).
    Dimmed {
        available: Watts,
        until: Option<Timestamp>,
    },
    /// A meter is silent: a safe current until it answers.
    MeterSilent {
        meter: DeviceId,
        age: Millis,
        fallback: MilliAmps,
    },
    /// The charging station does not answer; it is counted at the worst it may draw.
    StationSilent { counted: MilliAmps },
    /// The last setpoint has not been followed.
    NotFollowing { told: MilliAmps, drawn: MilliAmps },
    /// Just started: nothing rises before the EVSE has said what it does.
    StartingUp,
    /// Somebody else must go down first.
    WaitingForOthers { holders: Vec<EvseId> },
    /// A car is there and nobody who may charge has shown it, or the transaction was stopped.
    AwaitingAuthorisation,
    /// Whoever charges has had all of their budget.
    BudgetUsedUp { budget: WattHours, used: WattHours },
    /// The car is as full as its owner wants it.
    ChargeLimitReached { limit: PerMille, soc: PerMille },
    /// As much was charged as was asked for.
    EnergyLimitReached { limit: WattHours, charged: WattHours },
    /// Paused: the sun does not leave the minimum over, and grid energy costs more than it may.
    PriceTooHigh {
        price: PerKwh,
        limit: PerKwh,
        currency: Currency,
    },
    /// Somebody else changed what the charging station was told: its app, another manager.
    ChangedElsewhere {
        what: ForeignWhat,
        policy: ForeignPolicy,
    },
}

/// Who makes room next, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    pub holder: EvseId,
    pub ends: Timestamp,
}

/// A cause with its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    #[serde(flatten)]
    pub cause: Cause,
    /// Since when this code holds.
    pub since: Timestamp,
}

impl Cause {
    /// The key of the page's catalogue.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoVehicle => "no_vehicle",
            Self::SwitchedOff => "switched_off",
            Self::Disabled => "disabled",
            Self::VehicleNotAsking => "vehicle_not_asking",
            Self::VehicleComplete => "vehicle_complete",
            Self::AsAsked { .. } => "as_asked",
            Self::Limited { .. } => "limited",
            Self::CircuitFull { .. } => "circuit_full",
            Self::Unbalanced { .. } => "unbalanced",
            Self::NoSurplus { .. } => "no_surplus",
            Self::WaitingForStableRoom { .. } => "waiting_for_stable_room",
            Self::MinimumPause { .. } => "minimum_pause",
            Self::HoldingMinimum { .. } => "holding_minimum",
            Self::StartsUsedUp { .. } => "starts_used_up",
            Self::RestingFull { .. } => "resting_full",
            Self::WakingVehicle { .. } => "waking_vehicle",
            Self::AfterOverload { .. } => "after_overload",
            Self::SwitchingPhases { .. } => "switching_phases",
            Self::OnePhaseOnly { .. } => "one_phase_only",
            Self::PeakReached { .. } => "peak_reached",
            Self::Dimmed { .. } => "dimmed",
            Self::MeterSilent { .. } => "meter_silent",
            Self::StationSilent { .. } => "station_silent",
            Self::NotFollowing { .. } => "not_following",
            Self::StartingUp => "starting_up",
            Self::WaitingForOthers { .. } => "waiting_for_others",
            Self::AwaitingAuthorisation => "awaiting_authorisation",
            Self::BudgetUsedUp { .. } => "budget_used_up",
            Self::ChargeLimitReached { .. } => "charge_limit_reached",
            Self::EnergyLimitReached { .. } => "energy_limit_reached",
            Self::PriceTooHigh { .. } => "price_too_high",
            Self::ChangedElsewhere { .. } => "changed_elsewhere",
        }
    }

    /// Every code there is; the page's catalogue is compared with it.
    pub const CODES: [&'static str; 32] = [
        "no_vehicle",
        "switched_off",
        "disabled",
        "vehicle_not_asking",
        "vehicle_complete",
        "as_asked",
        "limited",
        "circuit_full",
        "unbalanced",
        "no_surplus",
        "waiting_for_stable_room",
        "minimum_pause",
        "holding_minimum",
        "starts_used_up",
        "resting_full",
        "waking_vehicle",
        "after_overload",
        "switching_phases",
        "one_phase_only",
        "peak_reached",
        "dimmed",
        "meter_silent",
        "station_silent",
        "not_following",
        "starting_up",
        "waiting_for_others",
        "awaiting_authorisation",
        "budget_used_up",
        "charge_limit_reached",
        "energy_limit_reached",
        "price_too_high",
        "changed_elsewhere",
    ];

    /// One plain English sentence, without the name of the EVSE.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::NoVehicle => "No car is plugged in.".to_owned(),
            Self::SwitchedOff => "Switched off.".to_owned(),
            Self::Disabled => "Disabled in the settings.".to_owned(),
            Self::VehicleNotAsking => "The car is plugged in and does not ask for current.".to_owned(),
            Self::VehicleComplete => {
                "The car has stopped by itself; it is full or has its own schedule.".to_owned()
            }
            Self::AsAsked { current } => format!("Charging with {}, as asked.", current.to_amps_text()),
            Self::Limited { by, current, asked } if current.0 == 0 => {
                format!("Paused, {} asked for: {}.", asked.to_amps_text(), limited_by(by))
            }
            Self::Limited { by, current, asked } => format!(
                "Charging with {} of {}: {}.",
                current.to_amps_text(),
                asked.to_amps_text(),
                limited_by(by)
            ),
            Self::CircuitFull {
                circuit,
                phase,
                limit,
                base,
                needed,
                free,
                holders,
                turn,
            } => format!(
                "Paused: {}{} is full; limit {}, other loads {}{}; {} needed, {} free{}.",
                circuit,
                phase.map(|p| format!(" {}", p.name())).unwrap_or_default(),
                limit.to_amps_text(),
                base.to_amps_text(),
                list(holders),
                needed.to_amps_text(),
                free.to_amps_text(),
                turn.as_ref()
                    .map(|turn| format!("; the turn of {} ends at {}", turn.holder, turn.ends))
                    .unwrap_or_default(),
            ),
            Self::Unbalanced {
                circuit,
                phase,
                limit,
                needed,
                free,
                holders,
            } => format!(
                "Paused: phases of {circuit} may lie apart by {}{}; {} needed{}, {} free.",
                limit.to_amps_text(),
                list(holders),
                needed.to_amps_text(),
                phase.map(|p| format!(" on {}", p.name())).unwrap_or_default(),
                free.to_amps_text(),
            ),
            Self::NoSurplus { available, needed } => {
                format!("Paused: the sun leaves {available} over, {needed} needed.")
            }
            Self::WaitingForStableRoom { until } => format!("There is room; starts at {until} if it lasts."),
            Self::MinimumPause { until } => format!("Paused a moment ago; may start again at {until}."),
            Self::HoldingMinimum { until } => {
                format!("The sun went away; holds the minimum until {until}, then pauses.")
            }
            Self::StartsUsedUp { most, until } => {
                format!("Has started {most} times within an hour; may start again at {until}.")
            }
            Self::RestingFull {
                soc: Some(soc),
                below: Some(below),
            } => format!(
                "The car was full and is at {} %; it is charged again below {} %.",
                soc.0 / 10,
                below.0 / 10
            ),
            Self::RestingFull { .. } => {
                "The car was full and has been topped up; it is charged again once it was unplugged."
                    .to_owned()
            }
            Self::WakingVehicle { until } => {
                format!(
                    "The car does not ask for current; the offer is interrupted until {until} to wake it."
                )
            }
            Self::AfterOverload {
                circuit,
                phase,
                until,
            } => format!(
                "Paused: {circuit}{} was above its limit; nothing starts there before {until}.",
                phase.map(|p| format!(" {}", p.name())).unwrap_or_default(),
            ),
            Self::SwitchingPhases { to, until } => {
                let to = match to {
                    Phases::One => "one phase",
                    Phases::Three => "three phases",
                };
                format!("Paused: changes to {to} until {until}.")
            }
            Self::OnePhaseOnly {
                circuit,
                phase,
                current,
            } => format!(
                "Charging with {} on one phase: {circuit}{} has no room for three.",
                current.to_amps_text(),
                phase.map(|p| format!(" {}", p.name())).unwrap_or_default(),
            ),
            Self::PeakReached {
                target,
                available,
                ends,
            } => format!(
                "Paused: the quarter-hour may come to {target} on average; {available} are left for cars until it ends at {ends}."
            ),
            Self::Dimmed { available, until } => format!(
                "Paused: the grid operator has dimmed the site; {available} are left{}.",
                until.map(|until| format!(" until {until}")).unwrap_or_default()
            ),
            Self::MeterSilent { meter, age, fallback } => format!(
                "Meter {meter} has been silent for {} s; {} until it answers.",
                age.as_seconds(),
                if fallback.0 == 0 {
                    "paused".to_owned()
                } else {
                    format!("at most {}", fallback.to_amps_text())
                }
            ),
            Self::StationSilent { counted } => format!(
                "The charging station does not answer; {} are kept free for it.",
                counted.to_amps_text()
            ),
            Self::NotFollowing { told, drawn } => format!(
                "Told {}, draws {}; waiting for it to follow.",
                told.to_amps_text(),
                drawn.to_amps_text()
            ),
            Self::StartingUp => {
                "Just started; waits for the charging station to say what it does.".to_owned()
            }
            Self::WaitingForOthers { holders } => {
                format!("Waits until the others have gone down{}.", list(holders))
            }
            Self::AwaitingAuthorisation => "Waits for a card, a PIN or the app before it charges.".to_owned(),
            Self::BudgetUsedUp { budget, used } => {
                format!("The budget of {budget} is used up; {used} were charged.")
            }
            Self::ChargeLimitReached { limit, soc } => {
                format!("The car is at {} %, its limit is {} %.", soc.0 / 10, limit.0 / 10)
            }
            Self::EnergyLimitReached { limit, charged } => {
                format!("{charged} were charged, {limit} were asked for.")
            }
            Self::PriceTooHigh {
                price,
                limit,
                currency,
            } => format!(
                "Paused: waits for sun, or for grid energy at {} {currency}; it costs {}.",
                limit.to_text(),
                price.to_text()
            ),
            Self::ChangedElsewhere { what, policy } => {
                let done = match what {
                    ForeignWhat::Current(current) => format!("set {}", current.to_amps_text()),
                    ForeignWhat::Paused => "paused it".to_owned(),
                    ForeignWhat::Started => "started it".to_owned(),
                    ForeignWhat::Phases(Phases::One) => "chose one phase".to_owned(),
                    ForeignWhat::Phases(Phases::Three) => "chose three phases".to_owned(),
                };
                let then = match policy {
                    ForeignPolicy::Yield => "that stands until the car leaves",
                    ForeignPolicy::Reassert => "it is told again",
                    ForeignPolicy::Ask => "that stands until somebody decides",
                };
                format!("Somebody else {done} at the charging station; {then}.")
            }
        }
    }
}

fn limited_by(by: &LimitSource) -> String {
    match by {
        LimitSource::Hardware => "that is the most the charging station can do".to_owned(),
        LimitSource::Wish => "that is what was asked for".to_owned(),
        LimitSource::Temporary => "that is what was asked for, for some minutes".to_owned(),
        LimitSource::Vehicle => "the car takes no more".to_owned(),
        LimitSource::Circuit { circuit, phase } => format!(
            "{circuit}{} has no more room",
            phase.map(|p| format!(" {}", p.name())).unwrap_or_default()
        ),
        LimitSource::Skew { circuit, phase } => format!(
            "{} {circuit} may not lie further from the other phases",
            phase.map_or("a phase of", |p| p.name())
        ),
        LimitSource::Surplus => "the sun leaves no more over".to_owned(),
        LimitSource::Peak { ends } => {
            format!("the quarter-hour that ends at {ends} may not come to more")
        }
        LimitSource::GridOperator { until } => format!(
            "the grid operator has dimmed the site{}",
            until.map(|until| format!(" until {until}")).unwrap_or_default()
        ),
        LimitSource::FailSafe => "a safe value while something is silent".to_owned(),
        LimitSource::Overload { circuit, phase } => format!(
            "{circuit}{} was above its limit a moment ago",
            phase.map(|p| format!(" {}", p.name())).unwrap_or_default()
        ),
        LimitSource::Ramp => "on its way up".to_owned(),
        LimitSource::Rule {
            set,
            rule: Some(rule),
        } => format!("rule {rule} of rule set {set} allows no more"),
        LimitSource::Rule { set, rule: None } => format!("no rule of rule set {set} holds"),
    }
}

fn list(holders: &[EvseId]) -> String {
    if holders.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = holders.iter().map(EvseId::as_str).collect();
    format!(", held by {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_flat_json_with_code_and_params() {
        let reason = Reason {
            cause: Cause::NoSurplus {
                available: Watts(900),
                needed: Watts(1_380),
            },
            since: Timestamp(1),
        };
        let json = serde_json::to_value(&reason).unwrap();
        assert_eq!(json["code"], "no_surplus");
        assert_eq!(json["params"]["needed"], 1_380);
        assert_eq!(serde_json::from_value::<Reason>(json).unwrap(), reason);
    }

    #[test]
    fn a_full_circuit_names_limit_holders_and_shortage() {
        let cause = Cause::CircuitFull {
            circuit: CircuitId::new("garage").unwrap(),
            phase: Some(Phase::L2),
            limit: MilliAmps(25_000),
            base: MilliAmps(9_400),
            needed: MilliAmps(6_000),
            free: MilliAmps(0),
            holders: vec![EvseId::new("left").unwrap()],
            turn: None,
        };
        assert_eq!(
            cause.text(),
            "Paused: garage L2 is full; limit 25.0 A, other loads 9.4 A, held by left; 6.0 A needed, 0.0 A free."
        );
    }
}
