//! What is wrong with rule sets as they are built, formulas apart: those are checked by whoever has `expr`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Action, Condition, Name, Rule, RuleOwner, RuleSet};
use crate::device::ChargeMode;
use crate::id::{EvseId, RuleSetId};
use crate::site::Site;
use crate::time::Millis;

const RULES: usize = 200;
const OWNERS: usize = 200;
const NAME: usize = 80;
const MINUTES: u16 = 1_440;
/// A week: longer is a slip of the pen.
const LONGEST: Millis = Millis(7 * 86_400_000);

/// A formula of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 0.
    pub rule: usize,
    /// The member that holds it.
    pub part: &'static str,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub set: RuleSetId,
    /// From 0; `None`: the set itself.
    pub rule: Option<usize>,
    /// The member it is about.
    pub part: &'static str,
    /// In a formula, in characters from 1.
    pub column: Option<usize>,
    pub found: String,
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule set `{}`, ", self.set)?;
        if let Some(rule) = self.rule {
            write!(f, "rule {}, ", rule + 1)?;
        }
        f.write_str(self.part)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": found {}, expected {}", self.found, self.expected)
    }
}

/// Whether a text can be a part of a name.
#[must_use]
pub fn is_word(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Everything that is wrong with a set beside the others of its site; formulas are not read.
#[must_use]
pub fn problems(set: &RuleSet, others: &[RuleSet], site: &Site) -> Vec<Problem> {
    let mut check = Check {
        set,
        found: Vec::new(),
    };
    check.heads(site);
    let mut ids = BTreeMap::new();
    for (index, rule) in set.rules.iter().enumerate().take(RULES) {
        if let Some(id) = &rule.id {
            if !is_word(id) {
                check.add(Some(index), "id", quoted(id), "1 to 40 letters, digits and `_`");
            }
            if ids.insert(id.as_str(), index).is_some() {
                check.add(Some(index), "id", quoted(id), "an id that no other rule has");
            }
        }
    }
    for (index, rule) in set.rules.iter().enumerate().take(RULES) {
        check.rule(index, rule, &ids, others, site);
    }
    if let Some(index) = uses_itself(set, others) {
        check.add(
            Some(index),
            "then",
            "a set that comes back to this one".to_owned(),
            "no loop",
        );
    }
    check.found
}

/// The names that formulas of a site may use.
#[derive(Clone, Debug)]
pub struct Names<'a> {
    site: &'a Site,
    variables: BTreeSet<Name>,
}

impl<'a> Names<'a> {
    /// Variables and parameters are those that any of the sets sets.
    #[must_use]
    pub fn new<'s>(site: &'a Site, sets: impl IntoIterator<Item = &'s RuleSet>) -> Self {
        Self {
            site,
            variables: sets.into_iter().flat_map(RuleSet::variables).collect(),
        }
    }

    /// Whether a name is true or false; `None`: it never has a value here.
    #[must_use]
    pub fn is_flag(&self, text: &str) -> Option<bool> {
        let name = Name::parse(text)?;
        let is_evse = |id: &EvseId| self.site.evses().any(|(_, evse)| evse.id == *id);
        let is_known = match &name {
            Name::Device(id, _) | Name::Input(id, _) => self.site.device(id).is_some(),
            Name::Evse(id, _) => is_evse(id),
            Name::EvseVariable(id, variable) => {
                is_evse(id) && self.variables.contains(&Name::OwnVariable(variable.clone()))
            }
            Name::Parameter(_) | Name::Variable(_) | Name::OwnVariable(_) => self.variables.contains(&name),
            Name::Own(_) | Name::Site(_) | Name::Time(_) | Name::Run(_) => true,
        };
        is_known.then(|| name.is_flag())
    }
}

/// What is wrong with the formulas of a set. `read` compiles one that has to be true or false, or a number,
/// and says the column, what is there and what was expected.
#[must_use]
pub fn formula_problems(
    set: &RuleSet,
    read: impl Fn(&str, bool) -> Result<(), (usize, String, String)>,
) -> Vec<Problem> {
    let wrong = set.formulas().filter_map(|(place, formula, is_flag)| {
        let (column, found, expected) = read(&formula.0, is_flag).err()?;
        Some(Problem {
            set: set.id.clone(),
            rule: Some(place.rule),
            part: place.part,
            column: Some(column),
            found,
            expected,
        })
    });
    wrong.collect()
}

struct Check<'a> {
    set: &'a RuleSet,
    found: Vec<Problem>,
}

fn quoted(text: &str) -> String {
    format!("`{}`", text.chars().take(NAME).collect::<String>())
}

impl Check<'_> {
    fn add(&mut self, rule: Option<usize>, part: &'static str, found: String, expected: impl Into<String>) {
        self.found.push(Problem {
            set: self.set.id.clone(),
            rule,
            part,
            column: None,
            found,
            expected: expected.into(),
        });
    }

    fn heads(&mut self, site: &Site) {
        let set = self.set;
        if !(1..=NAME).contains(&set.name.chars().count()) {
            self.add(None, "name", quoted(&set.name), format!("1 to {NAME} characters"));
        }
        if set.site != site.id {
            self.add(None, "site", quoted(set.site.as_str()), format!("`{}`", site.id));
        }
        if set.rules.len() > RULES {
            let found = format!("{} rules", set.rules.len());
            self.add(None, "rules", found, format!("at most {RULES}"));
        }
        if set.owners.len() > OWNERS {
            let found = format!("{} owners", set.owners.len());
            self.add(None, "owners", found, format!("at most {OWNERS}"));
        }
        let mut seen = BTreeSet::new();
        for owner in set.owners.iter().take(OWNERS) {
            let unknown = match owner {
                RuleOwner::Evse { evse } => {
                    (!site.evses().any(|(_, known)| known.id == *evse)).then(|| evse.as_str())
                }
                RuleOwner::Circuit { circuit } => site.circuit(circuit).is_none().then(|| circuit.as_str()),
                RuleOwner::Battery { device, .. } => {
                    let is_battery = site.device(device).is_some_and(|device| {
                        matches!(device.kind, crate::device::DeviceKind::Battery { .. })
                    });
                    (!is_battery).then(|| device.as_str())
                }
                // Those are of no site.
                RuleOwner::User { .. } | RuleOwner::Card { .. } | RuleOwner::Site => None,
            };
            if let Some(id) = unknown {
                self.add(
                    None,
                    "owners",
                    quoted(id),
                    "an EVSE, circuit or battery of the site",
                );
            }
            if !seen.insert(owner) {
                self.add(None, "owners", "an owner twice".to_owned(), "each once");
            }
        }
        let batteries = set.owners.iter().filter(|owner| owner.is_battery()).count();
        if batteries != 0 && batteries != set.owners.len() {
            let found = "batteries beside others".to_owned();
            self.add(
                None,
                "owners",
                found,
                "batteries alone: their results are W, those of others mA",
            );
        }
    }

    fn rule(
        &mut self,
        index: usize,
        rule: &Rule,
        ids: &BTreeMap<&str, usize>,
        others: &[RuleSet],
        site: &Site,
    ) {
        let at = Some(index);
        for day in &rule.weekdays {
            if !(1..=7).contains(day) {
                self.add(at, "weekdays", day.to_string(), "1 (Monday) to 7 (Sunday)");
            }
        }
        if let (Some(from), Some(until)) = (rule.from, rule.until)
            && until < from
        {
            self.add(
                at,
                "until",
                until.to_string(),
                format!("a day that is not before {from}"),
            );
        }
        self.span(at, "after_ms", rule.after);
        self.span(at, "hold_ms", rule.hold);
        self.condition(at, &rule.when, site);
        match &rule.then {
            Action::And | Action::Or if index + 1 == self.set.rules.len() => {
                let found = "no rule after it".to_owned();
                self.add(at, "then", found, "a rule that it is linked with");
            }
            Action::Let { variable, .. } => self.word(at, variable),
            Action::Trigger { variable, lasts, .. } => {
                self.word(at, variable);
                self.span(at, "lasts_ms", *lasts);
            }
            Action::Parameter { name, .. } => self.word(at, name),
            Action::GoTo { rule } => match ids.get(rule.as_str()) {
                None => self.add(at, "then", quoted(rule), "the id of a rule of this set"),
                Some(target) if *target <= index => {
                    self.add(at, "then", quoted(rule), "a rule further down: rules are no loop");
                }
                Some(_) => {}
            },
            Action::Use { set } if *set != self.set.id => {
                let known = others.iter().find(|other| other.id == *set);
                if known.is_none_or(|other| other.site != self.set.site) {
                    self.add(at, "then", quoted(set.as_str()), "a rule set of this site");
                }
            }
            Action::Surplus { factor }
            | Action::Solar { factor }
            | Action::Import { factor }
            | Action::Export { factor }
                if !(0..=10_000).contains(&factor.0) =>
            {
                self.add(at, "factor_permille", factor.0.to_string(), "0 to 10000 ‰");
            }
            Action::Mode {
                mode: ChargeMode::Off,
            } => self.add(at, "mode", "off".to_owned(), "another mode; setting 0 stops"),
            Action::Set { .. }
            | Action::Surplus { .. }
            | Action::Solar { .. }
            | Action::Import { .. }
            | Action::Export { .. }
            | Action::Minimum { .. }
            | Action::And
            | Action::Or
            | Action::Undercut
            | Action::Use { .. }
            | Action::Mode { .. }
            | Action::Phases { .. }
            | Action::Class { .. } => {}
        }
    }

    fn condition(&mut self, at: Option<usize>, condition: &Condition, site: &Site) {
        match condition {
            Condition::Time {
                from_minute,
                to_minute,
            } => {
                for (part, minute) in [("from_minute", *from_minute), ("to_minute", *to_minute)] {
                    if minute >= MINUTES {
                        self.add(at, part, minute.to_string(), "0 to 1439");
                    }
                }
            }
            Condition::Input { device, input } => {
                if site.device(device).is_none() {
                    self.add(at, "device", quoted(device.as_str()), "a device of the site");
                }
                if *input == 0 {
                    self.add(at, "input", "0".to_owned(), "a number from 1");
                }
            }
            Condition::Soc { at_least } if !(0..=1_000).contains(&at_least.0) => {
                self.add(at, "at_least_permille", at_least.0.to_string(), "0 to 1000 ‰");
            }
            Condition::Energy { at_least } | Condition::BudgetLeft { at_least } if at_least.0 < 0 => {
                self.add(at, "at_least_wh", at_least.0.to_string(), "0 Wh or more");
            }
            Condition::Cleanest { within, lasts } => {
                self.span(at, "within_ms", *within);
                self.span(at, "lasts_ms", *lasts);
            }
            Condition::Always
            | Condition::Between { .. }
            | Condition::Surplus { .. }
            | Condition::Import { .. }
            | Condition::Export { .. }
            | Condition::Solar { .. }
            | Condition::Price { .. }
            | Condition::PriceLevel { .. }
            | Condition::Soc { .. }
            | Condition::Energy { .. }
            | Condition::BudgetLeft { .. }
            | Condition::Charging { .. }
            | Condition::Formula { .. } => {}
        }
    }

    fn word(&mut self, at: Option<usize>, word: &str) {
        if !is_word(word) {
            self.add(at, "then", quoted(word), "1 to 40 letters, digits and `_`");
        }
    }

    fn span(&mut self, at: Option<usize>, part: &'static str, span: Millis) {
        if !(0..=LONGEST.0).contains(&span.0) {
            self.add(at, part, span.0.to_string(), format!("0 to {}", LONGEST.0));
        }
    }
}

/// The rule by which a set is used by itself in the end.
fn uses_itself(set: &RuleSet, others: &[RuleSet]) -> Option<usize> {
    let used = |set: &RuleSet| -> Vec<(usize, RuleSetId)> {
        let rules = set.rules.iter().enumerate();
        rules
            .filter_map(|(index, rule)| {
                let Action::Use { set } = &rule.then else {
                    return None;
                };
                Some((index, set.clone()))
            })
            .collect()
    };
    for (index, first) in used(set) {
        let (mut open, mut seen) = (vec![first], BTreeSet::new());
        while let Some(id) = open.pop() {
            if id == set.id {
                return Some(index);
            }
            if seen.insert(id.clone())
                && let Some(other) = others.iter().find(|other| other.id == id)
            {
                open.extend(used(other).into_iter().map(|(_, id)| id));
            }
        }
    }
    None
}
