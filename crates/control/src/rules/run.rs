//! One cycle of all rule sets.

use std::collections::BTreeMap;

use expr::{Program, Value, Values};
use model::device::ChargeMode;
use model::id::EvseId;
use model::limit::{LimitSource, Limited};
use model::phases::{PhaseSet, Phases};
use model::rule::{
    Action, Condition, EvseName, PriceLevel, Rule, RuleLine, RuleOwner, RuleRun, RunName, SiteName, TimeName,
};
use model::time::Monotonic;
use model::units::{MilliAmps, PerMille};

use super::{Amount, BatteryRules, Book, EvseRules, Facts, Line, Outcome, OwnFacts, Place};

/// More than any current or power of a site; keeps sums exact.
const MOST: f64 = 1.0e9;
const DAY: i64 = 1_440;

/// What one cycle leaves for the next. A restart begins anew.
#[derive(Clone, Debug, Default)]
pub struct RuleMemory {
    variables: Vec<Option<f64>>,
    /// By place: the EVSEs, then the others.
    own: Vec<Vec<Option<f64>>>,
    /// By place, by the set that runs there, by the set whose lines they are.
    lines: BTreeMap<(usize, usize, usize), Vec<LineMemory>>,
    parameters: Vec<Option<f64>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct LineMemory {
    /// Since when its condition holds.
    since: Option<Monotonic>,
    /// Until when it counts without it.
    held_until: Option<Monotonic>,
    counted: bool,
    /// A variable that is 1 until then.
    trigger: Option<(Monotonic, Variable)>,
    /// The cleanest time has begun for the car that came then.
    latched: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
enum Variable {
    Site(usize),
    Own(usize, usize),
}

impl Book {
    /// Works all sets through, each where its owners charge.
    pub fn run(&self, facts: &Facts, memory: &mut RuleMemory, now: Monotonic, out: &mut Outcome) {
        memory.begin(self, now);
        out.evses.clear();
        out.evses.resize_with(self.evses.len(), EvseRules::default);
        out.circuits.clear();
        out.batteries.clear();
        let mut count = 0;
        for (index, (evse, facts_of)) in self.evses.iter().zip(&facts.evses).enumerate() {
            let is_owner = |rank: u8, owner: &RuleOwner| match owner {
                RuleOwner::Evse { evse: of } => rank == 0 && of == evse,
                RuleOwner::User { user } => rank == 1 && facts_of.user.as_ref() == Some(user),
                RuleOwner::Card { card } => rank == 2 && facts_of.card.as_ref() == Some(card),
                RuleOwner::Circuit { .. } | RuleOwner::Site | RuleOwner::Battery { .. } => false,
            };
            let mut lowest = None;
            for rank in 0..3 {
                let tops = if rank == 0 {
                    &self.of_evse[index]
                } else {
                    &self.of_people
                };
                for top in tops.iter().copied() {
                    let owners = &self.sets[top].owners;
                    let Some(owner) = owners.iter().find(|owner| is_owner(rank, owner)) else {
                        continue;
                    };
                    let mut run = Run::new(self, facts, memory, now, index, top, owner);
                    run.all(next(&mut out.runs, count, run.head(Some(evse))));
                    run.into_evse(&mut out.evses[index], &mut lowest, count);
                    count += 1;
                }
            }
            if let Some(lowest) = lowest {
                out.runs[lowest].is_lowest = true;
            }
        }
        for (index, owner) in self.others.iter().enumerate() {
            let mut lowest: Option<(i64, usize)> = None;
            for (top, set) in self.sets.iter().enumerate() {
                if !set.owners.contains(owner) || index >= facts.others.len() {
                    continue;
                }
                let mut run = Run::new(self, facts, memory, now, self.evses.len() + index, top, owner);
                run.all(next(&mut out.runs, count, run.head(None)));
                if let Some(value) = run.result()
                    && lowest.is_none_or(|(least, _)| value < least)
                {
                    lowest = Some((value, count));
                    run.into_other(out);
                }
                count += 1;
            }
            if let Some((_, lowest)) = lowest {
                out.runs[lowest].is_lowest = true;
            }
        }
        out.runs.truncate(count);
        self.prefer(out);
    }

    /// A direction of a battery that comes first shuts the other one while it is open.
    fn prefer(&self, out: &mut Outcome) {
        for owner in &self.others {
            let RuleOwner::Battery {
                device,
                flow,
                first: true,
            } = owner
            else {
                continue;
            };
            let Some(battery) = out.batteries.iter_mut().find(|battery| battery.device == *device) else {
                continue;
            };
            if battery.flow(*flow).is_some_and(|value| value > 0) {
                *battery.flow(opposite(*flow)) = Some(0);
            }
        }
    }

    /// A memory for this book: variables are kept by name, timers begin anew.
    #[must_use]
    pub fn adopt(&self, before: &Self, memory: &RuleMemory) -> RuleMemory {
        let carry = |names: &[String], old: &[String], values: &[Option<f64>]| -> Vec<Option<f64>> {
            let value = |name: &String| {
                let index = old.iter().position(|held| held == name)?;
                values.get(index).copied().flatten()
            };
            names.iter().map(value).collect()
        };
        let own = self.evses.iter().map(|evse| {
            let index = before.evses.iter().position(|held| held == evse);
            let values = index.and_then(|index| memory.own.get(index));
            carry(
                &self.own_variables,
                &before.own_variables,
                values.map_or(&[], Vec::as_slice),
            )
        });
        RuleMemory {
            variables: carry(&self.variables, &before.variables, &memory.variables),
            own: own.collect(),
            ..RuleMemory::default()
        }
    }
}

const fn opposite(flow: model::rule::Flow) -> model::rule::Flow {
    match flow {
        model::rule::Flow::Charge => model::rule::Flow::Discharge,
        model::rule::Flow::Discharge => model::rule::Flow::Charge,
    }
}

/// The place for the next run, with the buffers of the last cycle.
fn next(runs: &mut Vec<RuleRun>, count: usize, head: RuleRun) -> &mut RuleRun {
    if let Some(run) = runs.get_mut(count) {
        let mut lines = std::mem::take(&mut run.lines);
        lines.clear();
        *run = RuleRun { lines, ..head };
    } else {
        runs.push(head);
    }
    &mut runs[count]
}

impl RuleMemory {
    fn begin(&mut self, book: &Book, now: Monotonic) {
        self.variables.resize(book.variables.len(), None);
        self.own
            .resize_with(book.evses.len() + book.others.len(), Vec::new);
        for own in &mut self.own {
            own.resize(book.own_variables.len(), None);
        }
        let mut lines = std::mem::take(&mut self.lines);
        for line in lines.values_mut().flatten() {
            if let Some((until, variable)) = line.trigger
                && until <= now
            {
                line.trigger = None;
                self.set(variable, 0.0);
            }
        }
        self.lines = lines;
    }

    fn set(&mut self, variable: Variable, to: f64) {
        let value = match variable {
            Variable::Site(index) => self.variables.get_mut(index),
            Variable::Own(place, index) => self.own.get_mut(place).and_then(|own| own.get_mut(index)),
        };
        if let Some(value) = value {
            *value = Some(to);
        }
    }
}

/// One set at one place.
struct Run<'a> {
    book: &'a Book,
    facts: &'a Facts,
    memory: &'a mut RuleMemory,
    now: Monotonic,
    place: usize,
    top: usize,
    owner: &'a RuleOwner,
    own: &'a OwnFacts,
    phases: PhaseSet,
    value: f64,
    minimum: Option<f64>,
    undercut: bool,
    found: Option<f64>,
    is_solar: bool,
    /// The rule that gave the value last.
    by: Option<(usize, usize)>,
    mode: Option<ChargeMode>,
    wanted: Option<Phases>,
    class: Option<u8>,
}

/// How a line links its result with the next.
#[derive(Clone, Copy)]
enum Link {
    And(bool),
    Or(bool),
}

/// Why a condition says nothing.
enum Miss {
    /// Nobody knows a value; that is usual.
    Unknown,
    Fault(String),
}

impl<'a> Run<'a> {
    fn new(
        book: &'a Book,
        facts: &'a Facts,
        memory: &'a mut RuleMemory,
        now: Monotonic,
        place: usize,
        top: usize,
        owner: &'a RuleOwner,
    ) -> Self {
        memory.parameters.clear();
        memory.parameters.resize(book.parameters.len(), None);
        let evse = facts.evses.get(place).filter(|_| place < book.evses.len());
        let other = place.checked_sub(book.evses.len());
        let own = match (evse, other) {
            (Some(evse), _) => &evse.own,
            (None, other) => other
                .and_then(|index| facts.others.get(index))
                .unwrap_or(&NOTHING),
        };
        Self {
            phases: evse.map_or(PhaseSet::ALL, |evse| evse.phases),
            book,
            facts,
            memory,
            now,
            place,
            top,
            owner,
            own,
            value: 0.0,
            minimum: None,
            undercut: false,
            found: None,
            is_solar: false,
            by: None,
            mode: None,
            wanted: None,
            class: None,
        }
    }

    fn head(&self, evse: Option<&EvseId>) -> RuleRun {
        RuleRun {
            set: self.book.sets[self.top].id.clone(),
            owner: self.owner.clone(),
            evse: evse.cloned(),
            value: None,
            is_solar: false,
            is_lowest: false,
            lines: Vec::new(),
        }
    }

    const fn is_evse(&self) -> bool {
        matches!(
            self.owner,
            RuleOwner::Evse { .. } | RuleOwner::User { .. } | RuleOwner::Card { .. }
        )
    }

    /// An EVSE begins with nothing, the others with all they can do.
    fn start(&self) -> f64 {
        if self.is_evse() {
            0.0
        } else {
            self.own[EvseName::Max as usize].map_or(MOST, float)
        }
    }

    fn all(&mut self, out: &mut RuleRun) {
        if self.book.sets[self.top].has_solar {
            self.value = self.start();
            self.pass(true, out);
            if self.value >= 0.0 {
                self.found = Some(self.value);
            }
        }
        let (before, by) = (self.found, self.by);
        self.value = self.start();
        self.by = None;
        self.pass(false, out);
        if let Some(found) = before
            && self.by.is_none()
        {
            (self.value, self.by, self.is_solar) = (found, by, true);
        }
        self.finish();
        out.value = self.result();
        out.is_solar = self.is_solar;
    }

    /// Least values.
    fn finish(&mut self) {
        if self.value < 0.0 {
            return;
        }
        if let Some(minimum) = self.minimum {
            self.value = self.value.max(minimum);
        }
        if self.undercut
            && self.is_evse()
            && let Some(least) = self.own[EvseName::Min as usize]
        {
            self.value = self.value.max(float(least));
        }
    }

    /// Rounded down; `None`: it takes no part.
    fn result(&self) -> Option<i64> {
        // What is whole but for the rounding of divisions stays whole.
        #[allow(clippy::cast_possible_truncation, reason = "clamped")]
        (self.value >= 0.0).then(|| (self.value.min(MOST) + 1.0e-6) as i64)
    }

    fn pass(&mut self, solar: bool, out: &mut RuleRun) {
        let book = self.book;
        let (mut set, mut at, mut link, mut uses) = (self.top, 0, None, 0);
        let mut lines = self.take_lines(set);
        while let Some(line) = book.sets[set].lines.get(at) {
            let index = at;
            at += 1;
            if !line.rule.enabled || line.rule.solar != solar {
                continue;
            }
            let mut told = RuleLine {
                set: book.sets[set].id.clone(),
                rule: u16::try_from(index).unwrap_or(u16::MAX),
                held: false,
                counts: false,
                value: None,
                fault: None,
            };
            told.held = self.holds(line, &mut lines[index], &mut told.fault);
            let counts = match link.take() {
                Some(Link::And(before)) => before && told.held,
                Some(Link::Or(before)) => before || told.held,
                None => told.held,
            };
            told.counts = counts;
            let mut goes_to = None;
            let is_link = matches!(line.rule.then, Action::And | Action::Or);
            if is_link {
                let is_and = line.rule.then == Action::And;
                link = Some(if is_and {
                    Link::And(counts)
                } else {
                    Link::Or(counts)
                });
            } else if counts {
                match self.act(line, &line.rule.then, &mut lines[index]) {
                    Ok(true) => self.by = Some((set, index)),
                    Ok(false) => {}
                    Err(Miss::Fault(fault)) => told.fault = Some(fault),
                    Err(Miss::Unknown) => told.fault = Some("a value is not known now".to_owned()),
                }
                let is_other = matches!(line.rule.then, Action::Use { .. });
                goes_to = line.target.map(|target| (is_other, target));
            }
            lines[index].counted = counts;
            told.value = self.result();
            out.lines.push(told);
            match goes_to {
                Some((false, target)) => at = target,
                // The check refuses loops; no book makes this endless.
                Some((true, target)) if uses < book.sets.len() => {
                    uses += 1;
                    self.put_lines(set, lines);
                    (set, at) = (target, 0);
                    lines = self.take_lines(set);
                }
                _ if counts && line.rule.finish && !is_link => break,
                _ => {}
            }
        }
        self.put_lines(set, lines);
    }

    fn take_lines(&mut self, set: usize) -> Vec<LineMemory> {
        let count = self.book.sets[set].lines.len();
        let kept = self.memory.lines.entry((self.place, self.top, set)).or_default();
        let mut lines = std::mem::take(kept);
        lines.resize(count, LineMemory::default());
        lines
    }

    fn put_lines(&mut self, set: usize, lines: Vec<LineMemory>) {
        self.memory.lines.insert((self.place, self.top, set), lines);
    }

    /// Whether a rule holds by its own condition, with its delays.
    fn holds(&mut self, line: &Line, memory: &mut LineMemory, fault: &mut Option<String>) -> bool {
        let rule = &line.rule;
        if !self.is_day(rule) {
            (memory.since, memory.held_until) = (None, None);
            return false;
        }
        let is_so = match self.condition(line, memory) {
            Ok(is_so) => is_so != rule.not,
            Err(Miss::Unknown) => false,
            Err(Miss::Fault(text)) => {
                *fault = Some(text);
                false
            }
        };
        if is_so {
            let since = *memory.since.get_or_insert(self.now);
            let counts = self.now - since >= rule.after;
            if counts {
                memory.held_until = (rule.hold.0 > 0).then(|| self.now + rule.hold);
            }
            return counts;
        }
        memory.since = None;
        let is_held = memory.held_until.is_some_and(|until| self.now < until);
        if is_held {
            self.undercut = true;
        } else {
            memory.held_until = None;
        }
        is_held
    }

    /// Whether a rule is for this day. A time past midnight belongs to the day on which it starts.
    fn is_day(&self, rule: &Rule) -> bool {
        if rule.weekdays.is_empty() && rule.from.is_none() && rule.until.is_none() {
            return true;
        }
        let time = |name: TimeName| self.facts.time[name as usize];
        let (Some(weekday), Some(year), Some(month), Some(day), Some(minute)) = (
            time(TimeName::Weekday),
            time(TimeName::Year),
            time(TimeName::Month),
            time(TimeName::Day),
            time(TimeName::MinuteOfDay),
        ) else {
            return false;
        };
        let is_of_yesterday = if let Condition::Time {
            from_minute,
            to_minute,
        } = rule.when
        {
            to_minute <= from_minute && minute < i64::from(to_minute)
        } else {
            false
        };
        let weekday = if is_of_yesterday {
            (weekday + 5) % 7 + 1
        } else {
            weekday
        };
        let is_weekday =
            rule.weekdays.is_empty() || rule.weekdays.iter().any(|named| i64::from(*named) == weekday);
        let today = (year, month, day);
        macro_rules! ymd {
            ($date:expr) => {{
                let date = $date;
                (
                    i64::from(date.year()),
                    i64::from(date.month()),
                    i64::from(date.day()),
                )
            }};
        }
        let is_after = rule.from.is_none_or(|from| {
            if is_of_yesterday {
                ymd!(from) < today
            } else {
                ymd!(from) <= today
            }
        });
        let is_before = rule.until.is_none_or(|until| {
            let until = if is_of_yesterday {
                until.tomorrow().unwrap_or(until)
            } else {
                until
            };
            today <= ymd!(until)
        });
        is_weekday && is_after && is_before
    }

    fn condition(&self, line: &Line, memory: &mut LineMemory) -> Result<bool, Miss> {
        let own = |name: EvseName| self.own[name as usize].ok_or(Miss::Unknown);
        let site = |name: SiteName| self.facts.site[name as usize].ok_or(Miss::Unknown);
        let [first, second] = &line.when;
        match &line.rule.when {
            Condition::Always => Ok(true),
            Condition::Time {
                from_minute,
                to_minute,
            } => self.is_between(i64::from(*from_minute), i64::from(*to_minute)),
            Condition::Between { .. } => {
                #[allow(clippy::cast_possible_truncation, reason = "clamped to a day")]
                let minute = |program| -> Result<i64, Miss> {
                    Ok(self.number(program)?.clamp(0.0, 1_440.0) as i64 % DAY)
                };
                self.is_between(minute(first)?, minute(second)?)
            }
            Condition::Surplus { .. } => self.at_least(line, self.facts.surplus, first),
            Condition::Import { .. } => self.at_least(line, self.facts.import, first),
            Condition::Export { .. } => self.at_least(line, self.facts.export, first),
            Condition::Solar { .. } => self.at_least(line, self.facts.solar, first),
            Condition::Price { at_most } => Ok(site(SiteName::Price)? <= at_most.0),
            Condition::PriceLevel { at_most } => {
                Ok(site(SiteName::PriceLevel)? <= i64::from(PriceLevel::number(*at_most)))
            }
            Condition::Soc { at_least } => {
                let soc = own(EvseName::Soc).or_else(|_| match self.owner {
                    RuleOwner::Circuit { .. } | RuleOwner::Site => site(SiteName::BatterySoc),
                    RuleOwner::Evse { .. }
                    | RuleOwner::User { .. }
                    | RuleOwner::Card { .. }
                    | RuleOwner::Battery { .. } => Err(Miss::Unknown),
                })?;
                Ok(soc >= at_least.0)
            }
            Condition::Energy { at_least } => Ok(own(EvseName::SessionEnergy)? >= at_least.0),
            Condition::BudgetLeft { at_least } => Ok(own(EvseName::BudgetLeft)? >= at_least.0),
            Condition::Charging { at_least } => Ok(site(SiteName::Charging)? >= i64::from(*at_least)),
            Condition::Input { .. } => {
                let input = line.input.and_then(|index| self.facts.inputs.get(index));
                input.copied().flatten().ok_or(Miss::Unknown)
            }
            Condition::Cleanest { within, lasts } => {
                let (came, now) = (own(EvseName::PluggedAt)?, self.facts.now().ok_or(Miss::Unknown)?);
                if memory.latched == Some(came) {
                    return Ok(true);
                }
                let (end, lasts) = (
                    came + within.as_seconds() + lasts.as_seconds(),
                    lasts.as_seconds(),
                );
                let start = self.facts.cleanest(now, end, lasts);
                let begins = start.map_or(now >= end - lasts, |start| start <= now);
                memory.latched = begins.then_some(came);
                Ok(begins)
            }
            Condition::Formula { .. } => match first.as_ref().map(|program| program.eval(self)) {
                Some(Ok(Value::Bool(is_so))) => Ok(is_so),
                Some(Err(error)) => Err(Miss::Fault(error.to_string())),
                Some(Ok(Value::Number(_))) | None => Err(Miss::Unknown),
            },
        }
    }

    fn is_between(&self, from: i64, to: i64) -> Result<bool, Miss> {
        let minute = self.facts.time[TimeName::MinuteOfDay as usize].ok_or(Miss::Unknown)?;
        Ok(if from < to {
            (from..to).contains(&minute)
        } else {
            minute >= from || minute < to
        })
    }

    fn at_least(&self, line: &Line, amount: Amount, wanted: &Option<Program>) -> Result<bool, Miss> {
        Ok(self.amount(line, amount)? >= self.number(wanted)?)
    }

    /// W of a battery; else mA per phase: over all phases of the car for a solar rule, on the worst of them
    /// for the others.
    fn amount(&self, line: &Line, amount: Amount) -> Result<f64, Miss> {
        if self.owner.is_battery() {
            return amount.power.map(|power| float(power.0)).ok_or(Miss::Unknown);
        }
        let by_phase = amount.current.filter(|_| !line.rule.solar);
        if let Some(current) = by_phase {
            let phases = self.phases.iter().map(|phase| current[phase].0);
            return phases.min().map(float).ok_or(Miss::Unknown);
        }
        let power = amount.power.ok_or(Miss::Unknown)?;
        let phases = self.phases.count().max(1);
        Ok(float(power.0) * 1.0e6 / float(self.facts.voltage.0.max(1)) / float(phases))
    }

    fn number(&self, program: &Option<Program>) -> Result<f64, Miss> {
        let program = program.as_ref().ok_or(Miss::Unknown)?;
        program
            .number(self)
            .map_err(|error| Miss::Fault(error.to_string()))
    }

    /// Whether it gave the value.
    fn act(&mut self, line: &Line, action: &Action, memory: &mut LineMemory) -> Result<bool, Miss> {
        let share = |amount: f64, factor: &PerMille| amount * float(factor.0) / 1_000.0;
        let value = match action {
            Action::Set { .. } => self.number(&line.then)?,
            Action::Surplus { factor } => share(self.amount(line, self.facts.surplus)?, factor),
            Action::Solar { factor } => share(self.amount(line, self.facts.solar)?, factor),
            Action::Import { factor } => share(self.amount(line, self.facts.import)?, factor),
            Action::Export { factor } => share(self.amount(line, self.facts.export)?, factor),
            Action::Minimum { .. } => {
                self.minimum = Some(self.number(&line.then)?);
                return Ok(false);
            }
            Action::Let { own, .. } => {
                let value = self.number(&line.then)?;
                if let Some(variable) = self.variable(line, *own) {
                    self.memory.set(variable, value);
                }
                return Ok(false);
            }
            Action::Trigger {
                own, lasts, again, ..
            } => {
                if let Some(variable) = self.variable(line, *own)
                    && (*again || !memory.counted)
                {
                    self.memory.set(variable, 1.0);
                    memory.trigger = Some((self.now + *lasts, variable));
                }
                return Ok(false);
            }
            Action::Parameter { .. } => {
                let value = self.number(&line.then)?;
                let place = line
                    .variable
                    .and_then(|index| self.memory.parameters.get_mut(index));
                if let Some(place) = place {
                    *place = Some(value);
                }
                return Ok(false);
            }
            Action::Undercut => {
                self.undercut = true;
                return Ok(false);
            }
            Action::Mode { mode } => {
                self.mode = Some(*mode);
                return Ok(false);
            }
            Action::Phases { phases } => {
                self.wanted = Some(*phases);
                return Ok(false);
            }
            Action::Class { class } => {
                self.class = Some(*class);
                return Ok(false);
            }
            Action::And | Action::Or | Action::GoTo { .. } | Action::Use { .. } => return Ok(false),
        };
        self.value = value.clamp(-MOST, MOST);
        Ok(true)
    }

    fn variable(&self, line: &Line, own: bool) -> Option<Variable> {
        let index = line.variable?;
        Some(if own {
            Variable::Own(self.place, index)
        } else {
            Variable::Site(index)
        })
    }

    fn limited(&self, value: i64) -> Limited {
        let (set, rule) = match self.by {
            Some((set, rule)) => (set, u16::try_from(rule + 1).ok()),
            None => (self.top, None),
        };
        Limited {
            value: MilliAmps(value),
            by: LimitSource::Rule {
                set: self.book.sets[set].id.clone(),
                rule,
            },
        }
    }

    fn into_evse(self, out: &mut EvseRules, lowest: &mut Option<usize>, index: usize) {
        if let Some(value) = self.result()
            && out.limit.as_ref().is_none_or(|limit| value < limit.value.0)
        {
            out.limit = Some(self.limited(value));
            *lowest = Some(index);
        }
        out.mode = [out.mode, self.mode].into_iter().flatten().min();
        out.phases = match (out.phases, self.wanted) {
            (Some(Phases::One), _) | (_, Some(Phases::One)) => Some(Phases::One),
            (held, wanted) => wanted.or(held),
        };
        out.class = self.class.or(out.class);
    }

    fn into_other(self, out: &mut Outcome) {
        let Some(value) = self.result() else { return };
        let circuit = match self.owner {
            RuleOwner::Circuit { circuit } => Some(circuit),
            RuleOwner::Site => self.book.root.as_ref(),
            RuleOwner::Battery { device, flow, .. } => {
                let held = out.batteries.iter().position(|battery| battery.device == *device);
                let index = held.unwrap_or_else(|| {
                    out.batteries.push(BatteryRules::of(device));
                    out.batteries.len() - 1
                });
                let limit = out.batteries[index].flow(*flow);
                *limit = Some(limit.map_or(value, |held| held.min(value)));
                None
            }
            RuleOwner::Evse { .. } | RuleOwner::User { .. } | RuleOwner::Card { .. } => None,
        };
        let Some(circuit) = circuit else { return };
        let limit = self.limited(value);
        match out.circuits.iter_mut().find(|(held, _)| held == circuit) {
            Some((_, held)) => *held = held.clone().lower(limit),
            None => out.circuits.push((circuit.clone(), limit)),
        }
    }
}

const NOTHING: OwnFacts = [None; EvseName::ALL.len()];

#[allow(clippy::cast_precision_loss, reason = "formulas compute in f64")]
const fn float(value: i64) -> f64 {
    value as f64
}

impl Values for Run<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        let own = |facts: &OwnFacts, name: EvseName| typed(facts[name as usize]?, name.is_flag());
        match *self.book.slots.get(name)? {
            Place::Reading(index) => typed(self.facts.readings.get(index).copied().flatten()?, false),
            Place::Input(index) => self.facts.inputs.get(index).copied().flatten().map(Value::Bool),
            Place::Evse(index, name) => own(&self.facts.evses.get(index)?.own, name),
            Place::Own(name) => own(self.own, name),
            Place::Site(name) => typed(self.facts.site[name as usize]?, name.is_flag()),
            Place::Time(name) => typed(self.facts.time[name as usize]?, name.is_flag()),
            Place::Run(RunName::Value) => Some(Value::Number(self.value)),
            Place::Run(RunName::Minimum) => self.minimum.map(Value::Number),
            Place::Run(RunName::Undercut) => Some(Value::Bool(self.undercut)),
            Place::Run(RunName::Found) => self.found.map(Value::Number),
            Place::Parameter(index) => number(self.memory.parameters.get(index)),
            Place::Variable(index) => number(self.memory.variables.get(index)),
            Place::OwnVariable(index) => number(self.memory.own.get(self.place)?.get(index)),
            Place::EvseVariable(evse, index) => number(self.memory.own.get(evse)?.get(index)),
        }
    }

    fn call(&self, function: &str, arguments: &[f64]) -> Option<f64> {
        let until = *arguments.first()?;
        let price = |highest| self.facts.price(until, highest);
        let (value, start) = match function {
            "min_price" | "min_price_second" => price(false)?,
            "max_price" | "max_price_second" => price(true)?,
            _ => return None,
        };
        Some(float(if function.ends_with("second") {
            start
        } else {
            value
        }))
    }
}

fn typed(value: i64, is_flag: bool) -> Option<Value> {
    Some(if is_flag {
        Value::Bool(value != 0)
    } else {
        Value::Number(float(value))
    })
}

fn number(value: Option<&Option<f64>>) -> Option<Value> {
    value.copied().flatten().map(Value::Number)
}
