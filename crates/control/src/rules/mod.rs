//! Rules of EVSEs, users, cards, circuits and batteries, evaluated once a cycle.
//!
//! [`Book::new`] compiles the sets of a site once; [`Book::run`] works them through on a frozen set of
//! [`Facts`]. Like `step` it is pure and never fails: what cannot be computed makes its rule not hold, and the
//! run says why. After the first cycles it takes no memory.

mod apply;
mod facts;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use expr::functions::PRICES;
use expr::{Program, Type};
use model::device::ChargeMode;
use model::id::{CircuitId, DeviceId, EvseId, RuleSetId};
use model::limit::Limited;
use model::phases::Phases;
use model::reading::Quantity;
use model::rule::{
    Action, Condition, EvseName, Flow, Name, Names, Problem, RuleOwner, RuleRun, RuleSet, RunName, SiteName,
    TimeName, formula_problems,
};
use model::site::Site;

pub use facts::{Amount, EvseFacts, Facts, OwnFacts, Slot};
pub use run::RuleMemory;

/// Everything that is wrong with a set beside the others of its site, with columns.
#[must_use]
pub fn problems(set: &RuleSet, others: &[RuleSet], site: &Site) -> Vec<Problem> {
    let mut found = model::rule::problems(set, others, site);
    let names = Names::new(site, others.iter().chain([set]));
    found.extend(formula_problems(set, |text, is_flag| {
        read(text, is_flag, &names)
            .map(|_| ())
            .map_err(|error| (error.column, error.found, error.expected))
    }));
    found
}

fn read(text: &str, is_flag: bool, names: &Names<'_>) -> Result<Program, expr::CheckError> {
    let kind = |is_flag| if is_flag { Type::Bool } else { Type::Number };
    let kind_of = |name: &str| names.is_flag(name).map(kind);
    Program::checked(text, &PRICES, &kind_of, kind(is_flag))
}

/// The rule sets of a site, ready to run.
#[derive(Clone, Debug, Default)]
pub struct Book {
    sets: Vec<Set>,
    /// Sets of each EVSE, and those of users and cards.
    of_evse: Vec<Vec<usize>>,
    of_people: Vec<usize>,
    /// What the names in all formulas mean.
    slots: BTreeMap<String, Place>,
    readings: Vec<(DeviceId, Quantity)>,
    inputs: Vec<(DeviceId, u16)>,
    others: Vec<RuleOwner>,
    evses: Vec<EvseId>,
    root: Option<CircuitId>,
    parameters: Vec<String>,
    variables: Vec<String>,
    own_variables: Vec<String>,
}

#[derive(Clone, Debug)]
struct Set {
    id: RuleSetId,
    owners: Vec<RuleOwner>,
    lines: Vec<Line>,
    has_solar: bool,
}

#[derive(Clone, Debug)]
struct Line {
    rule: model::rule::Rule,
    /// Of the condition, as far as it has formulas.
    when: [Option<Program>; 2],
    /// Of the action.
    then: Option<Program>,
    /// Where it goes: a line, or a set.
    target: Option<usize>,
    /// What it sets: a variable or a parameter.
    variable: Option<usize>,
    /// Of an input that it looks at.
    input: Option<usize>,
}

/// Where the value of a name is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Reading(usize),
    Input(usize),
    Evse(usize, EvseName),
    Own(EvseName),
    Site(SiteName),
    Time(TimeName),
    Run(RunName),
    Parameter(usize),
    Variable(usize),
    OwnVariable(usize),
    EvseVariable(usize, usize),
}

/// What the rules of one cycle come to. Buffers are used again from cycle to cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// In the order of the site.
    pub evses: Vec<EvseRules>,
    pub circuits: Vec<(CircuitId, Limited)>,
    pub batteries: Vec<BatteryRules>,
    /// What each set decided at each place.
    pub runs: Vec<RuleRun>,
}

/// What rules make of an EVSE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvseRules {
    /// The lowest result; `None`: no rule takes part.
    pub limit: Option<Limited>,
    /// The least that any of them says.
    pub mode: Option<ChargeMode>,
    pub phases: Option<Phases>,
    pub class: Option<u8>,
}

/// What rules let a battery do, in W; `None`: they do not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatteryRules {
    pub device: DeviceId,
    pub charge: Option<i64>,
    pub discharge: Option<i64>,
}

impl Book {
    /// Sets that are wrong are left out; the problems say why.
    #[must_use]
    pub fn new(sets: &[RuleSet], site: &Site) -> (Self, Vec<Problem>) {
        let mut wrong = Vec::new();
        let mut sound: Vec<&RuleSet> = Vec::new();
        for (index, set) in sets.iter().enumerate() {
            let mut others = sets.to_vec();
            others.remove(index);
            let found = problems(set, &others, site);
            if found.is_empty() {
                sound.push(set);
            }
            wrong.extend(found);
        }
        let names = Names::new(site, sets);
        let mut book = Self {
            root: site.circuits.first().map(|circuit| circuit.id.clone()),
            evses: site.evses().map(|(_, evse)| evse.id.clone()).collect(),
            ..Self::default()
        };
        let index: BTreeMap<&RuleSetId, usize> = sound
            .iter()
            .enumerate()
            .map(|(index, set)| (&set.id, index))
            .collect();
        for set in &sound {
            let set = book.compile(set, &index, &names);
            book.sets.push(set);
        }
        book.of_evse.resize(book.evses.len(), Vec::new());
        for (top, set) in book.sets.iter().enumerate() {
            for owner in &set.owners {
                if let RuleOwner::Evse { evse } = owner
                    && let Some(index) = book.evses.iter().position(|held| held == evse)
                {
                    book.of_evse[index].push(top);
                } else if matches!(owner, RuleOwner::User { .. } | RuleOwner::Card { .. })
                    && book.of_people.last() != Some(&top)
                {
                    book.of_people.push(top);
                }
            }
        }
        (book, wrong)
    }

    fn compile(&mut self, set: &RuleSet, index: &BTreeMap<&RuleSetId, usize>, names: &Names<'_>) -> Set {
        let owners = if set.enabled {
            set.owners.clone()
        } else {
            Vec::new()
        };
        for owner in &owners {
            let is_other = matches!(
                owner,
                RuleOwner::Circuit { .. } | RuleOwner::Site | RuleOwner::Battery { .. }
            );
            if is_other && !self.others.contains(owner) {
                self.others.push(owner.clone());
            }
        }
        let mut programs: BTreeMap<(usize, &str), Program> = BTreeMap::new();
        for (place, formula, is_flag) in set.formulas() {
            if let Ok(program) = read(&formula.0, is_flag, names) {
                for name in program.names() {
                    self.bind(name);
                }
                programs.insert((place.rule, place.part), program);
            }
        }
        let lines = set.rules.iter().enumerate().map(|(at, rule)| {
            let mut take = |part| programs.remove(&(at, part));
            let first = ["from", "formula", "at_least"].into_iter().find_map(&mut take);
            let target = if let Action::GoTo { rule } = &rule.then {
                set.rules.iter().position(|line| line.id.as_ref() == Some(rule))
            } else if let Action::Use { set } = &rule.then {
                index.get(set).copied()
            } else {
                None
            };
            let variable = if let Action::Let { variable, own, .. } | Action::Trigger { variable, own, .. } =
                &rule.then
            {
                let list = if *own {
                    &mut self.own_variables
                } else {
                    &mut self.variables
                };
                Some(place_of(list, variable))
            } else if let Action::Parameter { name, .. } = &rule.then {
                Some(place_of(&mut self.parameters, name))
            } else {
                None
            };
            let input = if let Condition::Input { device, input } = &rule.when {
                Some(place_of(&mut self.inputs, &(device.clone(), *input)))
            } else {
                None
            };
            Line {
                when: [first, take("to")],
                then: take("value"),
                target,
                variable,
                input,
                rule: rule.clone(),
            }
        });
        Set {
            id: set.id.clone(),
            has_solar: set.rules.iter().any(|rule| rule.solar && rule.enabled),
            lines: lines.collect(),
            owners,
        }
    }

    fn bind(&mut self, text: &str) {
        let Some(name) = Name::parse(text) else { return };
        let evse = |id: &EvseId| self.evses.iter().position(|evse| evse == id);
        let place = match &name {
            Name::Device(id, quantity) => {
                Place::Reading(place_of(&mut self.readings, &(id.clone(), *quantity)))
            }
            Name::Input(id, input) => Place::Input(place_of(&mut self.inputs, &(id.clone(), *input))),
            Name::Evse(id, what) => match evse(id) {
                Some(index) => Place::Evse(index, *what),
                None => return,
            },
            Name::EvseVariable(id, variable) => match evse(id) {
                Some(index) => Place::EvseVariable(index, place_of(&mut self.own_variables, variable)),
                None => return,
            },
            Name::Own(what) => Place::Own(*what),
            Name::Site(what) => Place::Site(*what),
            Name::Time(what) => Place::Time(*what),
            Name::Run(what) => Place::Run(*what),
            Name::Parameter(name) => Place::Parameter(place_of(&mut self.parameters, name)),
            Name::Variable(name) => Place::Variable(place_of(&mut self.variables, name)),
            Name::OwnVariable(name) => Place::OwnVariable(place_of(&mut self.own_variables, name)),
        };
        self.slots.insert(text.to_owned(), place);
    }

    /// Nothing would come of a run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sets.iter().all(|set| set.owners.is_empty())
    }

    /// The readings that formulas use.
    #[must_use]
    pub fn readings(&self) -> &[(DeviceId, Quantity)] {
        &self.readings
    }

    /// The contacts that rules look at.
    #[must_use]
    pub fn inputs(&self) -> &[(DeviceId, u16)] {
        &self.inputs
    }

    /// The circuits and batteries that have rules.
    #[must_use]
    pub fn others(&self) -> &[RuleOwner] {
        &self.others
    }
}

fn place_of<T: PartialEq + Clone>(list: &mut Vec<T>, item: &T) -> usize {
    if let Some(index) = list.iter().position(|held| held == item) {
        return index;
    }
    list.push(item.clone());
    list.len() - 1
}

impl BatteryRules {
    fn of(device: &DeviceId) -> Self {
        Self {
            device: device.clone(),
            charge: None,
            discharge: None,
        }
    }

    fn flow(&mut self, flow: Flow) -> &mut Option<i64> {
        match flow {
            Flow::Charge => &mut self.charge,
            Flow::Discharge => &mut self.discharge,
        }
    }
}
