//! Rules: when somebody may charge and with how much, in the words of whoever runs the site.
//!
//! A [`RuleSet`] is a small program. It is worked through from the top; a rule that holds does what its
//! [`Action`] says, and the value that stands at the end is the result: mA per phase for an EVSE or a
//! circuit, W for a battery. An EVSE begins at 0, so that no rule that holds means a pause; circuits and
//! batteries begin at the most they can do. A negative result takes no part: the set decides nothing.
//!
//! An EVSE is held to its own sets, to those of whoever charges there and to those of their card: the lowest
//! result counts, and is named. Rules only ever lower; limits of circuits and the wish stand above them.
//!
//! Rules marked as `solar` run first, by themselves. When none of them takes part or gives a result, the
//! others decide alone; when they gave one, it stands unless one of the others holds, which see it as
//! `run.found`.
//!
//! Amounts are formulas of `expr` over the names of [`Name`], in the integer units of the model: mA, W, Wh,
//! ‰, millionths per kWh. A plain number is a formula too. What cannot be computed at the moment makes its
//! rule not hold.
//!
//! Knows no evaluation: that is `control::rules`.

mod check;
mod name;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::device::ChargeMode;
use crate::id::{CardId, CircuitId, DeviceId, EvseId, RuleSetId, SiteId, UserId};
use crate::money::PerKwh;
use crate::noun::noun;
use crate::phases::Phases;
use crate::time::Millis;
use crate::units::{PerMille, WattHours};

pub use check::{Names, Place, Problem, formula_problems, is_word, problems};
pub use name::{EvseName, Name, RunName, SiteName, TimeName};

/// Text of an expression; the limits of `expr` are its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Formula(pub String);

impl From<&str> for Formula {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Rules that decide together, under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSet {
    pub id: RuleSetId,
    pub site: SiteId,
    pub name: String,
    /// Whose they are; nobody: only other sets use them.
    #[serde(default)]
    pub owners: Vec<RuleOwner>,
    #[serde(default = "yes")]
    pub enabled: bool,
    pub rules: Vec<Rule>,
}

/// Whose charging a set decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RuleOwner {
    Evse {
        evse: EvseId,
    },
    /// Wherever they charge.
    User {
        user: UserId,
    },
    /// Wherever it is shown.
    Card {
        card: CardId,
    },
    /// All that is behind it together, per phase.
    Circuit {
        circuit: CircuitId,
    },
    /// The house connection.
    Site,
    Battery {
        device: DeviceId,
        flow: Flow,
        /// While it may flow this way, nothing flows the other way.
        #[serde(default)]
        first: bool,
    },
}

/// Which way of a battery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    Charge,
    Discharge,
}

/// One line of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// By which others go to it; unique in its set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// 1 Monday to 7 Sunday; empty: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<u8>,
    /// First and last day of the site's calendar, both included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    pub when: Condition,
    /// It holds when the condition does not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not: bool,
    /// So long the condition must have held before it counts.
    #[serde(default, skip_serializing_if = "is_zero", rename = "after_ms")]
    pub after: Millis,
    /// So long it goes on counting when it no longer holds. Meanwhile a result below the minimum of the
    /// EVSE is raised to it.
    #[serde(default, skip_serializing_if = "is_zero", rename = "hold_ms")]
    pub hold: Millis,
    /// It runs first, and reckons amounts of power over all phases of the car.
    #[serde(default, skip_serializing_if = "is_false")]
    pub solar: bool,
    pub then: Action,
    /// Nothing below it runs when it holds.
    #[serde(default, skip_serializing_if = "is_false")]
    pub finish: bool,
}

/// When a rule holds. Amounts of power are mA per phase for EVSEs and circuits, W for batteries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Condition {
    Always,
    /// Minutes since local midnight; not after `from_minute` means past midnight.
    Time {
        from_minute: u16,
        to_minute: u16,
    },
    /// The same by formulas.
    Between {
        from: Formula,
        to: Formula,
    },
    /// What is left over of the sun.
    Surplus {
        at_least: Formula,
    },
    Import {
        at_least: Formula,
    },
    Export {
        at_least: Formula,
    },
    /// What the sun gives.
    Solar {
        at_least: Formula,
    },
    Price {
        #[serde(rename = "at_most_micros_per_kwh")]
        at_most: PerKwh,
    },
    PriceLevel {
        at_most: PriceLevel,
    },
    /// Of the car, of the battery, or of all batteries of the site.
    Soc {
        #[serde(rename = "at_least_permille")]
        at_least: PerMille,
    },
    /// Charged since the car was plugged in.
    Energy {
        #[serde(rename = "at_least_wh")]
        at_least: WattHours,
    },
    /// What is left of the budget of whoever charges.
    BudgetLeft {
        #[serde(rename = "at_least_wh")]
        at_least: WattHours,
    },
    /// So many cars draw current at the site.
    Charging {
        at_least: u32,
    },
    /// A contact of a device is closed.
    Input {
        device: DeviceId,
        input: u16,
    },
    /// The cleanest time of so long within a delay after the car came. From its start on it holds until the
    /// car leaves, and once the delay is over in any case.
    Cleanest {
        #[serde(rename = "within_ms")]
        within: Millis,
        #[serde(rename = "lasts_ms")]
        lasts: Millis,
    },
    /// True or false.
    Formula {
        formula: Formula,
    },
}

/// A price beside the mean of three days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceLevel {
    /// Below 60 %.
    VeryCheap,
    /// Below 90 %.
    Cheap,
    Normal,
    /// Above 115 %.
    Dear,
    /// Above 140 %.
    VeryDear,
}

impl PriceLevel {
    /// Of a price by the mean; `None` where the mean says nothing.
    #[must_use]
    pub fn of(price: PerKwh, mean: PerKwh) -> Option<Self> {
        if mean.0 <= 0 {
            return None;
        }
        let (price, mean) = (i128::from(price.0) * 100, i128::from(mean.0));
        Some(match () {
            () if price < mean * 60 => Self::VeryCheap,
            () if price < mean * 90 => Self::Cheap,
            () if price <= mean * 115 => Self::Normal,
            () if price <= mean * 140 => Self::Dear,
            () => Self::VeryDear,
        })
    }

    /// 1 very cheap to 5 very dear, as formulas see it.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::VeryCheap => 1,
            Self::Cheap => 2,
            Self::Normal => 3,
            Self::Dear => 4,
            Self::VeryDear => 5,
        }
    }
}

/// What a rule does when it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// The value: 0 stops, `own.max` lifts, a negative one takes no part.
    Set { value: Formula },
    /// What is left over of the sun, what the sun gives, what comes from the grid or goes into it, times a
    /// factor.
    Surplus {
        #[serde(rename = "factor_permille")]
        factor: PerMille,
    },
    Solar {
        #[serde(rename = "factor_permille")]
        factor: PerMille,
    },
    Import {
        #[serde(rename = "factor_permille")]
        factor: PerMille,
    },
    Export {
        #[serde(rename = "factor_permille")]
        factor: PerMille,
    },
    /// A value that takes part is not below this.
    Minimum { value: Formula },
    /// The next rule holds only if this one does too.
    And,
    /// The next rule holds if this one does.
    Or,
    /// A variable, of the site or of the EVSE.
    Let {
        variable: String,
        #[serde(default, skip_serializing_if = "is_false")]
        own: bool,
        value: Formula,
    },
    /// A variable is 1 for so long. `again`: the time starts anew while the rule holds.
    Trigger {
        variable: String,
        #[serde(default, skip_serializing_if = "is_false")]
        own: bool,
        #[serde(rename = "lasts_ms")]
        lasts: Millis,
        #[serde(default, skip_serializing_if = "is_false")]
        again: bool,
    },
    /// A value below the minimum of the EVSE is raised to it, as while a rule is held.
    Undercut,
    /// A value that rules further down read as `param.<name>`.
    Parameter { name: String, value: Formula },
    /// Goes on with a rule further down.
    GoTo { rule: String },
    /// Goes on with the rules of another set instead.
    Use { set: RuleSetId },
    /// How the EVSE charges, unless somebody has switched it off or on.
    Mode { mode: ChargeMode },
    /// On how many phases.
    Phases { phases: Phases },
    /// Served with this class; 0 first.
    Class { class: u8 },
}

/// What a rule set decides at one place just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRun {
    pub set: RuleSetId,
    pub owner: RuleOwner,
    /// Where it runs, for sets of EVSEs, users and cards.
    pub evse: Option<EvseId>,
    /// mA per phase or W; `None`: it takes no part.
    pub value: Option<i64>,
    /// Whether the solar rules gave it.
    pub is_solar: bool,
    /// Whether it is what counts there.
    pub is_lowest: bool,
    pub lines: Vec<RuleLine>,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleLine {
    /// Where it stands, from 0; the set differs where another one is used.
    pub set: RuleSetId,
    pub rule: u16,
    /// By its own condition.
    pub held: bool,
    /// With the rules that it is linked with.
    pub counts: bool,
    /// The value after it.
    pub value: Option<i64>,
    /// Why it could not be computed.
    pub fault: Option<String>,
}

noun!(RuleSet, "rule_set");

impl RuleOwner {
    /// What a result is worth: an EVSE or a circuit gets mA, a battery W.
    #[must_use]
    pub const fn is_battery(&self) -> bool {
        matches!(self, Self::Battery { .. })
    }
}

impl RuleSet {
    /// Every formula with its place, and whether it has to be true or false.
    pub fn formulas(&self) -> impl Iterator<Item = (Place, &Formula, bool)> {
        self.rules.iter().enumerate().flat_map(|(rule, line)| {
            let condition = match &line.when {
                Condition::Between { from, to } => [Some(("from", from, false)), Some(("to", to, false))],
                Condition::Surplus { at_least }
                | Condition::Import { at_least }
                | Condition::Export { at_least }
                | Condition::Solar { at_least } => [Some(("at_least", at_least, false)), None],
                Condition::Formula { formula } => [Some(("formula", formula, true)), None],
                Condition::Always
                | Condition::Time { .. }
                | Condition::Price { .. }
                | Condition::PriceLevel { .. }
                | Condition::Soc { .. }
                | Condition::Energy { .. }
                | Condition::BudgetLeft { .. }
                | Condition::Charging { .. }
                | Condition::Input { .. }
                | Condition::Cleanest { .. } => [None, None],
            };
            let action = match &line.then {
                Action::Set { value }
                | Action::Minimum { value }
                | Action::Let { value, .. }
                | Action::Parameter { value, .. } => Some(("value", value, false)),
                Action::Surplus { .. }
                | Action::Solar { .. }
                | Action::Import { .. }
                | Action::Export { .. }
                | Action::And
                | Action::Or
                | Action::Trigger { .. }
                | Action::Undercut
                | Action::GoTo { .. }
                | Action::Use { .. }
                | Action::Mode { .. }
                | Action::Phases { .. }
                | Action::Class { .. } => None,
            };
            let all = condition.into_iter().chain([action]).flatten();
            all.map(move |(part, formula, is_flag)| (Place { rule, part }, formula, is_flag))
        })
    }

    /// The variables that it sets, by their names in formulas.
    pub fn variables(&self) -> impl Iterator<Item = Name> {
        self.rules.iter().filter_map(|rule| match &rule.then {
            Action::Let { variable, own, .. } | Action::Trigger { variable, own, .. } => {
                Some(Name::variable(variable, *own))
            }
            Action::Parameter { name, .. } => Some(Name::Parameter(name.clone())),
            Action::Set { .. }
            | Action::Minimum { .. }
            | Action::Surplus { .. }
            | Action::Solar { .. }
            | Action::Import { .. }
            | Action::Export { .. }
            | Action::And
            | Action::Or
            | Action::Undercut
            | Action::GoTo { .. }
            | Action::Use { .. }
            | Action::Mode { .. }
            | Action::Phases { .. }
            | Action::Class { .. } => None,
        })
    }
}

impl Rule {
    /// One that is always there; the usual start of the others.
    #[must_use]
    pub fn new(when: Condition, then: Action) -> Self {
        Self {
            id: None,
            enabled: true,
            weekdays: Vec::new(),
            from: None,
            until: None,
            when,
            not: false,
            after: Millis(0),
            hold: Millis(0),
            solar: false,
            then,
            finish: false,
        }
    }
}

const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(value: &Millis) -> bool {
    value.0 == 0
}

#[cfg(test)]
mod tests;
