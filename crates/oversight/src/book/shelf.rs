//! Things of one kind of one operator, found by their ids and counted through in the order of their places.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use model::oversight::Code;

/// Where a thing stands as long as it is there.
pub(crate) type Place = u32;

pub(crate) struct Slot<T> {
    /// In the store.
    pub number: i64,
    pub id: Code,
    pub what: T,
}

/// An id is kept once, beside its thing; the table has only places.
pub(crate) struct Shelf<T> {
    slots: Vec<Option<Slot<T>>>,
    /// Places that are empty, to be taken again.
    free: BTreeSet<Place>,
    places: HashTable<Place>,
    hasher: RandomState,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: BTreeSet::new(),
            places: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<T> Shelf<T> {
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// No thing stands at this place or beyond.
    pub fn places(&self) -> usize {
        self.slots.len()
    }

    pub fn find(&self, id: &Code) -> Option<Place> {
        let hash = self.hasher.hash_one(id.as_str());
        let is_it = |place: &Place| self.get(*place).is_some_and(|slot| slot.id == *id);
        self.places.find(hash, is_it).copied()
    }

    pub fn get(&self, place: Place) -> Option<&Slot<T>> {
        self.slots.get(place as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, place: Place) -> Option<&mut Slot<T>> {
        self.slots.get_mut(place as usize)?.as_mut()
    }

    /// Puts something where nothing of that id is. `None`: there are too many.
    pub fn insert(&mut self, slot: Slot<T>) -> Option<Place> {
        let hash = self.hasher.hash_one(slot.id.as_str());
        let place = match self.free.pop_first() {
            Some(place) => place,
            None => {
                let place = Place::try_from(self.slots.len()).ok()?;
                self.slots.push(None);
                place
            }
        };
        *self.slots.get_mut(place as usize)? = Some(slot);
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.places.insert_unique(hash, place, |place| {
            let slot = slots.get(*place as usize).and_then(Option::as_ref);
            slot.map_or(0, |slot| hasher.hash_one(slot.id.as_str()))
        });
        Some(place)
    }

    pub fn remove(&mut self, id: &Code) -> Option<(Place, Slot<T>)> {
        let place = self.find(id)?;
        let hash = self.hasher.hash_one(id.as_str());
        if let Ok(entry) = self.places.find_entry(hash, |held| *held == place) {
            entry.remove();
        }
        self.free.insert(place);
        let slot = self.slots.get_mut(place as usize)?.take()?;
        Some((place, slot))
    }

    /// All there are, in order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Place, &Slot<T>)> {
        (0..)
            .zip(&self.slots)
            .filter_map(|(place, slot)| Some((place, slot.as_ref()?)))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Place, &mut Slot<T>)> {
        (0..)
            .zip(&mut self.slots)
            .filter_map(|(place, slot)| Some((place, slot.as_mut()?)))
    }

    /// The numbers of one page.
    pub fn page(&self, skip: usize, size: usize) -> Vec<i64> {
        if self.free.is_empty() {
            let slots = self.slots.get(skip..).unwrap_or_default();
            return slots
                .iter()
                .take(size)
                .flatten()
                .map(|slot| slot.number)
                .collect();
        }
        self.iter()
            .skip(skip)
            .take(size)
            .map(|(_, slot)| slot.number)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::code;

    #[test]
    fn things_are_found_counted_and_their_places_taken_again() {
        let mut shelf = Shelf::default();
        for number in 0..1_000 {
            let slot = Slot {
                number,
                id: code(&format!("p{number}")),
                what: (),
            };
            assert!(shelf.insert(slot).is_some());
        }
        assert_eq!(shelf.page(998, 5), [998, 999]);
        for number in (0..1_000).step_by(2) {
            assert!(shelf.remove(&code(&format!("p{number}"))).is_some());
        }
        assert!(shelf.remove(&code("p0")).is_none());
        assert_eq!(shelf.len(), 500);
        assert_eq!(shelf.page(1, 2), [3, 5]);
        let slot = Slot {
            number: 1_000,
            id: code("new"),
            what: (),
        };
        assert_eq!(shelf.insert(slot), Some(0));
        assert_eq!(shelf.find(&code("new")), Some(0));
        for number in 0..1_000 {
            let found = shelf.find(&code(&format!("p{number}"))).is_some();
            assert_eq!(found, number % 2 == 1, "{number}");
        }
    }
}
