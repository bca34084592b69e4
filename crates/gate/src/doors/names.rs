//! Names: assigned once, never reused.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use model::dialect::Dialect;

use super::{Access, Thing};
use crate::denied::GateError;
use crate::gate::Gate;

const LONGEST: usize = 128;

/// Every name that was ever assigned.
#[derive(Default)]
pub(super) struct Names {
    things: BTreeMap<String, Thing>,
    of_thing: BTreeMap<Thing, BTreeSet<String>>,
}

impl Names {
    pub(super) fn put(&mut self, name: &str, thing: Thing) {
        let names = self.of_thing.entry(thing.clone()).or_default();
        names.insert(name.to_owned());
        self.things.insert(name.to_owned(), thing);
    }

    fn of(&self, thing: &Thing) -> impl Iterator<Item = &str> {
        let names = self.of_thing.get(thing).into_iter().flatten();
        names.map(String::as_str)
    }

    /// The number that a thing has in a series.
    fn number_of(&self, series: &str, thing: &Thing) -> Option<u32> {
        self.of(thing).find_map(|name| number_in(series, name))
    }

    /// The number after the last that was given away.
    pub(super) fn next_number(&self, series: &str) -> u32 {
        let from = Bound::Included(series);
        let names = self.things.range::<str, _>((from, Bound::Unbounded));
        let names = names.take_while(|(name, _)| name.starts_with(series));
        let numbers = names.filter_map(|(name, _)| number_in(series, name));
        numbers.max().unwrap_or(0).saturating_add(1)
    }
}

fn number_in(series: &str, name: &str) -> Option<u32> {
    name.strip_prefix(series)?.strip_prefix(':')?.parse().ok()
}

impl Gate {
    /// Makes a name mean a thing in a dialect, now and ever after. A thing may have several names.
    ///
    /// # Errors
    /// When it means something else already, when it is no name, or when the store fails.
    pub async fn assign(&self, dialect: &Dialect, name: &str, thing: &Thing) -> Result<(), GateError> {
        let name = (name.to_owned(), thing.clone());
        self.assign_all(dialect, vec![name]).await
    }

    /// The same with many names at once.
    ///
    /// # Errors
    /// As [`Gate::assign`]; then none of them means anything new.
    pub async fn assign_all(&self, dialect: &Dialect, names: Vec<(String, Thing)>) -> Result<(), GateError> {
        names.iter().try_for_each(|(name, _)| check(name))?;
        let _changing = self.changing.lock().await;
        self.keep_names(dialect, names).await
    }

    /// The number of a thing in a dialect that numbers its things: the one it has, else the next that was never
    /// given away. It is kept as the name `<series>:<number>`.
    ///
    /// # Errors
    /// When the series is no name, or the store fails.
    pub async fn number(&self, dialect: &Dialect, series: &str, thing: &Thing) -> Result<u32, GateError> {
        let wanted = [(series.to_owned(), thing.clone())];
        let numbers = self.numbers(dialect, &wanted).await?;
        // One for each.
        Ok(numbers.first().copied().unwrap_or_default())
    }

    /// The numbers of many things, each in its series. What is new is written at once.
    ///
    /// # Errors
    /// As [`Gate::number`]; then none is given away.
    pub async fn numbers(
        &self,
        dialect: &Dialect,
        wanted: &[(String, Thing)],
    ) -> Result<Vec<u32>, GateError> {
        wanted.iter().try_for_each(|(series, _)| check(series))?;
        let _changing = self.changing.lock().await;
        let mut numbers = Vec::with_capacity(wanted.len());
        let mut new: BTreeMap<(&str, &Thing), u32> = BTreeMap::new();
        {
            let mut held = self.held();
            let names = &held.doors.of_mut(dialect).names;
            let mut next: BTreeMap<&str, u32> = BTreeMap::new();
            for (series, thing) in wanted {
                let known = names.number_of(series, thing);
                let number = known.or_else(|| new.get(&(series, thing)).copied());
                numbers.push(number.unwrap_or_else(|| {
                    let next = next.entry(series).or_insert_with(|| names.next_number(series));
                    let number = *next;
                    *next = next.saturating_add(1);
                    new.insert((series, thing), number);
                    number
                }));
            }
        }
        let new = new.into_iter();
        let new = new.map(|((series, thing), number)| (numbered(series, number), thing.clone()));
        self.keep_names(dialect, new.collect()).await?;
        Ok(numbers)
    }

    /// What a name means, whether or not it is in force.
    #[must_use]
    pub fn named(&self, dialect: &Dialect, name: &str) -> Option<Thing> {
        let held = self.held();
        held.doors.of(dialect)?.names.things.get(name).cloned()
    }

    /// All names that a thing ever had, ordered.
    #[must_use]
    pub fn names_of(&self, dialect: &Dialect, thing: &Thing) -> Vec<String> {
        let held = self.held();
        let door = held.doors.of(dialect);
        let names = door.into_iter().flat_map(|door| door.names.of(thing));
        names.map(str::to_owned).collect()
    }

    /// The thing behind a name that is in force: one that has been settled since the start.
    #[must_use]
    pub fn access(&self, dialect: &Dialect, name: &str) -> Option<Access> {
        let held = self.held();
        let thing = held.doors.of(dialect)?.credentials.thing_of(name)?;
        Some(Access::new(*dialect, name, thing.clone()))
    }

    /// A thing under the name that it was settled with since the start.
    #[must_use]
    pub fn access_of(&self, dialect: &Dialect, thing: &Thing) -> Option<Access> {
        let held = self.held();
        let name = held.doors.of(dialect)?.credentials.name_of(thing)?;
        Some(Access::new(*dialect, name, thing.clone()))
    }

    /// All that is in force, ordered by name.
    #[must_use]
    pub fn accesses(&self, dialect: &Dialect) -> Vec<Access> {
        let held = self.held();
        let door = held.doors.of(dialect);
        let in_force = door.into_iter().flat_map(|door| door.credentials.in_force());
        in_force
            .map(|(name, thing)| Access::new(*dialect, name, thing.clone()))
            .collect()
    }

    /// To be called while something is changed.
    pub(super) async fn keep_name(
        &self,
        dialect: &Dialect,
        name: &str,
        thing: &Thing,
    ) -> Result<(), GateError> {
        let name = (name.to_owned(), thing.clone());
        self.keep_names(dialect, vec![name]).await
    }

    /// As [`Gate::keep_name`], all of them or none.
    async fn keep_names(&self, dialect: &Dialect, names: Vec<(String, Thing)>) -> Result<(), GateError> {
        let is_new = |(name, thing): &(String, Thing)| self.named(dialect, name).as_ref() != Some(thing);
        let new: Vec<(String, Thing)> = names.into_iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        let aliases = new.iter().map(|(name, thing)| (name.clone(), thing.to_string()));
        let aliases: Vec<(String, String)> = aliases.collect();
        self.store.put_aliases(dialect.name, &aliases).await?;
        let mut held = self.held();
        let names = &mut held.doors.of_mut(dialect).names;
        for (name, thing) in new {
            names.put(&name, thing);
        }
        Ok(())
    }
}

pub(super) fn numbered(series: &str, number: u32) -> String {
    format!("{series}:{number}")
}

pub(super) fn check(name: &str) -> Result<(), GateError> {
    let fits = (1..=LONGEST).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(());
    }
    Err(GateError::Invalid {
        what: "name of a thing",
        given: name.chars().take(80).collect(),
        expected: "1 to 128 printable characters without spaces",
    })
}
