//! Rule sets, and what they decided.
//!
//! A rule is sent as the model keeps it; the types here describe it and refuse members that it does not know.

use model::id::SiteId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::ToSchema;

use super::evse::{ChargeMode, Phases};
use super::id;
use crate::native::error::ApiError;

/// Ordered by id.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RuleSetList {
    pub items: Vec<RuleSet>,
}

/// Rules that decide together. They are worked through from the top; the value at the end counts: mA per phase
/// for an EVSE (from 0) or a circuit (from its most), W for a battery (from its most). Of all sets that an EVSE
/// is held to the lowest value counts; a negative one takes no part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    pub id: String,
    pub name: String,
    /// Whose they are; nobody: only other sets use them.
    #[serde(default)]
    #[schema(required = false)]
    pub owners: Vec<RuleOwner>,
    #[serde(default = "yes")]
    #[schema(required = false)]
    pub enabled: bool,
    /// At most 200.
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RuleOwner {
    Evse {
        evse: String,
    },
    /// Wherever they charge.
    User {
        user: String,
    },
    /// Wherever it is shown.
    Card {
        card: String,
    },
    /// All that is behind it together, per phase.
    Circuit {
        circuit: String,
    },
    /// The house connection.
    Site,
    /// Batteries stand alone: their results are W.
    Battery {
        device: String,
        flow: BatteryFlow,
        /// While it may flow this way, nothing flows the other way.
        #[serde(default)]
        #[schema(required = false)]
        first: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatteryFlow {
    Charge,
    Discharge,
}

/// One line of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// By which others go to it: letters, digits and `_`, unique in its set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default = "yes")]
    #[schema(required = false)]
    pub enabled: bool,
    /// 1 Monday to 7 Sunday; empty: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<u8>,
    /// First local day, `2026-01-01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last local day, included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    pub when: RuleCondition,
    /// It holds when the condition does not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not: bool,
    /// So long the condition must have held before it counts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after_ms: i64,
    /// So long it goes on counting when it no longer holds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hold_ms: i64,
    /// It runs first, by itself, and reckons power over all phases of the car.
    #[serde(default, skip_serializing_if = "is_false")]
    pub solar: bool,
    pub then: RuleAction,
    /// Nothing below it runs when it holds.
    #[serde(default, skip_serializing_if = "is_false")]
    pub finish: bool,
}

/// When a rule holds. Formulas are text; amounts of power are mA per phase for EVSEs and circuits, W for batteries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RuleCondition {
    Always,
    /// Minutes since local midnight; `to_minute` not after `from_minute` means past midnight.
    Time {
        from_minute: u16,
        to_minute: u16,
    },
    /// The same by formulas.
    Between {
        from: String,
        to: String,
    },
    /// What is left over of the sun.
    Surplus {
        at_least: String,
    },
    Import {
        at_least: String,
    },
    Export {
        at_least: String,
    },
    /// What the sun gives.
    Solar {
        at_least: String,
    },
    Price {
        at_most_micros_per_kwh: i64,
    },
    PriceLevel {
        at_most: RulePriceLevel,
    },
    /// Of the car, of the battery, or of all batteries of the site.
    Soc {
        at_least_permille: i64,
    },
    /// Charged since the car was plugged in.
    Energy {
        at_least_wh: i64,
    },
    /// What is left of the budget of whoever charges.
    BudgetLeft {
        at_least_wh: i64,
    },
    /// So many cars draw current at the site.
    Charging {
        at_least: u32,
    },
    /// A contact of a device, from 1, is closed.
    Input {
        device: String,
        input: u16,
    },
    /// The cleanest time of so long within a delay after the car came.
    Cleanest {
        within_ms: i64,
        lasts_ms: i64,
    },
    /// True or false.
    Formula {
        formula: String,
    },
}

/// A price beside the mean of three days: below 60 %, below 90 %, normal, above 115 %, above 140 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RulePriceLevel {
    VeryCheap,
    Cheap,
    Normal,
    Dear,
    VeryDear,
}

/// What a rule does when it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RuleAction {
    /// 0 stops, `own.max` lifts, a negative value takes no part.
    Set {
        value: String,
    },
    /// What is left over of the sun, times a factor.
    Surplus {
        factor_permille: i64,
    },
    Solar {
        factor_permille: i64,
    },
    Import {
        factor_permille: i64,
    },
    Export {
        factor_permille: i64,
    },
    /// A value that takes part is not below this.
    Minimum {
        value: String,
    },
    /// The next rule holds only if this one does too.
    And,
    /// The next rule holds if this one does.
    Or,
    /// A variable of the site, or of the EVSE (`own`).
    Let {
        variable: String,
        #[serde(default, skip_serializing_if = "is_false")]
        own: bool,
        value: String,
    },
    /// A variable is 1 for so long; `again`: the time starts anew while the rule holds.
    Trigger {
        variable: String,
        #[serde(default, skip_serializing_if = "is_false")]
        own: bool,
        lasts_ms: i64,
        #[serde(default, skip_serializing_if = "is_false")]
        again: bool,
    },
    /// A value below the minimum of the EVSE is raised to it.
    Undercut,
    /// A value that rules further down read as `param.<name>`.
    Parameter {
        name: String,
        value: String,
    },
    /// Goes on with a rule further down.
    GoTo {
        rule: String,
    },
    /// Goes on with the rules of another set instead.
    Use {
        set: String,
    },
    /// How the EVSE charges, unless somebody has switched it off or on.
    Mode {
        mode: ChargeMode,
    },
    Phases {
        phases: Phases,
    },
    /// Served with this class; 0 first.
    Class {
        class: u8,
    },
}

/// Everything that is wrong with a set; empty: it can be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleProblemList {
    pub items: Vec<RuleProblem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleProblem {
    /// From 0; null: the set itself.
    #[schema(required = true)]
    pub rule: Option<usize>,
    /// The member it is about.
    pub part: String,
    /// In a formula, in characters from 1.
    #[schema(required = true)]
    pub column: Option<usize>,
    pub found: String,
    pub expected: String,
}

/// What each set decided in the last cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleRunList {
    pub items: Vec<RuleRun>,
}

/// What a set decides at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleRun {
    pub set: String,
    pub owner: RuleOwner,
    /// Where it runs, for sets of EVSEs, users and cards.
    #[schema(required = true)]
    pub evse: Option<String>,
    /// mA per phase or W; null: it takes no part.
    #[schema(required = true)]
    pub value: Option<i64>,
    /// Whether the solar rules gave it.
    pub is_solar: bool,
    /// Whether it is what counts there.
    pub is_lowest: bool,
    pub lines: Vec<RuleLine>,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleLine {
    /// Differs from that of the run where another one is used.
    pub set: String,
    /// From 0.
    pub rule: u16,
    /// By its own condition.
    pub held: bool,
    /// With the rules that it is linked with.
    pub counts: bool,
    /// The value after it.
    #[schema(required = true)]
    pub value: Option<i64>,
    /// Why it could not be computed.
    #[schema(required = true)]
    pub fault: Option<String>,
}

impl RuleSet {
    /// # Errors
    /// When the store holds a set that this program does not know how to show.
    pub fn of(set: &model::rule::RuleSet) -> Result<Self, StoreError> {
        let shown = |error: serde_json::Error| StoreError::Other {
            operation: "show a rule set",
            cause: format!("`{}`: {error}", set.id),
        };
        Ok(Self {
            id: set.id.to_string(),
            name: set.name.clone(),
            owners: set.owners.iter().map(RuleOwner::of).collect(),
            enabled: set.enabled,
            rules: set
                .rules
                .iter()
                .map(same)
                .collect::<Result<_, _>>()
                .map_err(shown)?,
        })
    }

    /// What was sent, as far as it can be read; whether it makes sense is another question.
    pub fn read(&self, site: SiteId) -> Result<model::rule::RuleSet, ApiError> {
        let owners = self.owners.iter().enumerate();
        let rules = self.rules.iter().enumerate();
        Ok(model::rule::RuleSet {
            id: id("id", &self.id)?,
            site,
            name: self.name.clone(),
            owners: owners
                .map(|(index, owner)| read(&format!("owners[{index}]"), owner))
                .collect::<Result<_, _>>()?,
            enabled: self.enabled,
            rules: rules
                .map(|(index, rule)| read(&format!("rules[{index}]"), rule))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The model's type from the wire's or the other way round: their JSON is the same.
fn same<A: Serialize, B: DeserializeOwned>(value: &A) -> serde_json::Result<B> {
    serde_json::from_value(serde_json::to_value(value)?)
}

/// Ids and days are texts here; the refusal says where one is none.
fn read<A: Serialize, B: DeserializeOwned>(place: &str, value: &A) -> Result<B, ApiError> {
    same(value).map_err(|error| {
        let expected = "ids of 1 to 63 characters of a-z, 0-9, - and _, days such as 2026-01-31";
        ApiError::invalid(place, format!("wrong ({error})"), expected)
    })
}

impl RuleOwner {
    #[must_use]
    pub fn of(owner: &model::rule::RuleOwner) -> Self {
        use model::rule::{Flow, RuleOwner as Theirs};
        match owner {
            Theirs::Evse { evse } => Self::Evse {
                evse: evse.to_string(),
            },
            Theirs::User { user } => Self::User {
                user: user.to_string(),
            },
            Theirs::Card { card } => Self::Card {
                card: card.to_string(),
            },
            Theirs::Circuit { circuit } => Self::Circuit {
                circuit: circuit.to_string(),
            },
            Theirs::Site => Self::Site,
            Theirs::Battery { device, flow, first } => Self::Battery {
                device: device.to_string(),
                flow: match flow {
                    Flow::Charge => BatteryFlow::Charge,
                    Flow::Discharge => BatteryFlow::Discharge,
                },
                first: *first,
            },
        }
    }
}

impl RuleProblem {
    #[must_use]
    pub fn of(problem: model::rule::Problem) -> Self {
        Self {
            rule: problem.rule,
            part: problem.part.to_owned(),
            column: problem.column,
            found: problem.found,
            expected: problem.expected,
        }
    }
}

impl RuleRun {
    #[must_use]
    pub fn of(run: &model::rule::RuleRun) -> Self {
        Self {
            set: run.set.to_string(),
            owner: RuleOwner::of(&run.owner),
            evse: run.evse.as_ref().map(ToString::to_string),
            value: run.value,
            is_solar: run.is_solar,
            is_lowest: run.is_lowest,
            lines: run.lines.iter().map(RuleLine::of).collect(),
        }
    }
}

impl RuleLine {
    fn of(line: &model::rule::RuleLine) -> Self {
        Self {
            set: line.set.to_string(),
            rule: line.rule,
            held: line.held,
            counts: line.counts,
            value: line.value,
            fault: line.fault.clone(),
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
const fn is_zero(value: &i64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Every condition and every action, read into the model and shown again.
    #[test]
    fn each_kind_of_rule_says_on_the_wire_what_it_says_in_the_model() {
        let always = json!({"kind": "always"});
        let nothing = json!({"kind": "set", "value": "0"});
        let conditions = [
            always.clone(),
            json!({"kind": "time", "from_minute": 1320, "to_minute": 360}),
            json!({"kind": "between", "from": "0", "to": "60"}),
            json!({"kind": "surplus", "at_least": "6000"}),
            json!({"kind": "import", "at_least": "1"}),
            json!({"kind": "export", "at_least": "1"}),
            json!({"kind": "solar", "at_least": "1"}),
            json!({"kind": "price", "at_most_micros_per_kwh": 200_000}),
            json!({"kind": "price_level", "at_most": "very_cheap"}),
            json!({"kind": "soc", "at_least_permille": 800}),
            json!({"kind": "energy", "at_least_wh": 10_000}),
            json!({"kind": "budget_left", "at_least_wh": 1}),
            json!({"kind": "charging", "at_least": 2}),
            json!({"kind": "input", "device": "meter", "input": 1}),
            json!({"kind": "cleanest", "within_ms": 3_600_000, "lasts_ms": 600_000}),
            json!({"kind": "formula", "formula": "own.plugged"}),
        ];
        let actions = [
            nothing.clone(),
            json!({"kind": "surplus", "factor_permille": 1000}),
            json!({"kind": "solar", "factor_permille": 500}),
            json!({"kind": "import", "factor_permille": 500}),
            json!({"kind": "export", "factor_permille": 500}),
            json!({"kind": "minimum", "value": "6000"}),
            json!({"kind": "and"}),
            json!({"kind": "or"}),
            json!({"kind": "let", "variable": "a", "own": true, "value": "1"}),
            json!({"kind": "trigger", "variable": "a", "lasts_ms": 1000, "again": true}),
            json!({"kind": "undercut"}),
            json!({"kind": "parameter", "name": "a", "value": "1"}),
            json!({"kind": "go_to", "rule": "b"}),
            json!({"kind": "use", "set": "other"}),
            json!({"kind": "mode", "mode": "min_solar"}),
            json!({"kind": "phases", "phases": "one"}),
            json!({"kind": "class", "class": 2}),
        ];
        let mut rules: Vec<Value> = Vec::new();
        for when in &conditions {
            rules.push(json!({"enabled": true, "when": when, "then": nothing}));
        }
        for then in &actions {
            rules.push(json!({"enabled": true, "when": always, "then": then}));
        }
        rules.push(json!({
            "id": "b", "enabled": false, "weekdays": [1, 7], "from": "2026-01-01", "until": "2026-12-31", "when": always,
            "not": true, "after_ms": 1, "hold_ms": 2, "solar": true, "then": nothing, "finish": true,
        }));
        let sent = json!({
            "id": "all", "name": "All", "enabled": true, "rules": rules, "owners": [
                {"kind": "evse", "evse": "left"}, {"kind": "user", "user": "u"}, {"kind": "card", "card": "c"},
                {"kind": "circuit", "circuit": "c"}, {"kind": "site"},
                {"kind": "battery", "device": "b", "flow": "discharge", "first": true},
            ],
        });
        let wire: RuleSet = serde_json::from_value(sent.clone()).unwrap();
        let read = wire.read("home".parse().unwrap()).unwrap();
        assert_eq!(serde_json::to_value(RuleSet::of(&read).unwrap()).unwrap(), sent);
    }
}
