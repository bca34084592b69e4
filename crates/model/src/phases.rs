//! Phases of a three-phase grid and how an EVSE's terminals are connected to them.

use std::ops::{Add, Index, IndexMut, Neg, Sub};

use serde::{Deserialize, Serialize};

/// One phase of the grid connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    L1,
    L2,
    L3,
}

impl Phase {
    pub const ALL: [Self; 3] = [Self::L1, Self::L2, Self::L3];

    /// 0, 1 or 2.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::L1 => 0,
            Self::L2 => 1,
            Self::L3 => 2,
        }
    }

    /// `L1`, `L2` or `L3`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
        }
    }
}

/// One value for each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PerPhase<T> {
    pub l1: T,
    pub l2: T,
    pub l3: T,
}

impl<T> PerPhase<T> {
    pub const fn new(l1: T, l2: T, l3: T) -> Self {
        Self { l1, l2, l3 }
    }

    /// The same function applied to each phase.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> PerPhase<U> {
        PerPhase {
            l1: f(self.l1),
            l2: f(self.l2),
            l3: f(self.l3),
        }
    }

    /// Combines two values phase by phase.
    pub fn zip<U, V>(self, other: PerPhase<U>, mut f: impl FnMut(T, U) -> V) -> PerPhase<V> {
        PerPhase {
            l1: f(self.l1, other.l1),
            l2: f(self.l2, other.l2),
            l3: f(self.l3, other.l3),
        }
    }

    /// L1, L2, L3.
    pub fn into_array(self) -> [T; 3] {
        [self.l1, self.l2, self.l3]
    }

    /// From L1, L2, L3.
    pub fn from_array([l1, l2, l3]: [T; 3]) -> Self {
        Self { l1, l2, l3 }
    }
}

impl<T: Copy> PerPhase<T> {
    pub const fn all(value: T) -> Self {
        Self {
            l1: value,
            l2: value,
            l3: value,
        }
    }
}

impl<T: Copy + Add<Output = T>> PerPhase<T> {
    /// The sum over the three phases.
    pub fn total(self) -> T {
        self.l1 + self.l2 + self.l3
    }
}

impl<T> Index<Phase> for PerPhase<T> {
    type Output = T;
    fn index(&self, phase: Phase) -> &T {
        match phase {
            Phase::L1 => &self.l1,
            Phase::L2 => &self.l2,
            Phase::L3 => &self.l3,
        }
    }
}

impl<T> IndexMut<Phase> for PerPhase<T> {
    fn index_mut(&mut self, phase: Phase) -> &mut T {
        match phase {
            Phase::L1 => &mut self.l1,
            Phase::L2 => &mut self.l2,
            Phase::L3 => &mut self.l3,
        }
    }
}

impl<T: Add<Output = T>> Add for PerPhase<T> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.zip(other, Add::add)
    }
}

impl<T: Sub<Output = T>> Sub for PerPhase<T> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.zip(other, Sub::sub)
    }
}

impl<T: Neg<Output = T>> Neg for PerPhase<T> {
    type Output = Self;
    fn neg(self) -> Self {
        self.map(Neg::neg)
    }
}

/// How many phases a charge uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phases {
    One,
    Three,
}

/// A set of grid phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhaseSet(u8);

impl PhaseSet {
    pub const NONE: Self = Self(0);
    pub const L1: Self = Self(1);
    pub const L2: Self = Self(2);
    pub const L3: Self = Self(4);
    pub const ALL: Self = Self(7);

    /// Bit 0 is L1, bit 1 L2, bit 2 L3; other bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }

    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    #[must_use]
    pub const fn only(phase: Phase) -> Self {
        Self(1 << phase.index())
    }

    #[must_use]
    pub const fn contains(self, phase: Phase) -> bool {
        self.0 & (1 << phase.index()) != 0
    }

    #[must_use]
    pub const fn with(self, phase: Phase) -> Self {
        Self(self.0 | (1 << phase.index()))
    }

    /// How many phases are in the set: 0 to 3.
    #[must_use]
    pub const fn count(self) -> i64 {
        self.0.count_ones() as i64
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Phase> {
        Phase::ALL.into_iter().filter(move |phase| self.contains(*phase))
    }
}

/// Which grid phase each terminal of an EVSE is connected to.
///
/// Installers rotate phases from box to box, so that one-phase cars do not all load L1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PhaseRotation {
    /// Terminals L1, L2, L3 on grid phases L1, L2, L3.
    #[default]
    #[serde(rename = "123")]
    R123,
    #[serde(rename = "231")]
    R231,
    #[serde(rename = "312")]
    R312,
    #[serde(rename = "132")]
    R132,
    #[serde(rename = "213")]
    R213,
    #[serde(rename = "321")]
    R321,
}

impl PhaseRotation {
    pub const ALL: [Self; 6] = [
        Self::R123,
        Self::R231,
        Self::R312,
        Self::R132,
        Self::R213,
        Self::R321,
    ];

    /// Grid phases behind terminals L1, L2 and L3.
    #[must_use]
    pub const fn grid_phases(self) -> [Phase; 3] {
        use Phase::{L1, L2, L3};
        match self {
            Self::R123 => [L1, L2, L3],
            Self::R231 => [L2, L3, L1],
            Self::R312 => [L3, L1, L2],
            Self::R132 => [L1, L3, L2],
            Self::R213 => [L2, L1, L3],
            Self::R321 => [L3, L2, L1],
        }
    }

    /// Values given per terminal, ordered by grid phase.
    pub fn to_grid<T: Copy>(self, terminals: PerPhase<T>) -> PerPhase<T> {
        let mut grid = terminals;
        for (terminal, phase) in Phase::ALL.into_iter().zip(self.grid_phases()) {
            grid[phase] = terminals[terminal];
        }
        grid
    }

    /// Values given per grid phase, ordered by terminal.
    pub fn to_terminals<T: Copy>(self, grid: PerPhase<T>) -> PerPhase<T> {
        let mut terminals = grid;
        for (terminal, phase) in Phase::ALL.into_iter().zip(self.grid_phases()) {
            terminals[terminal] = grid[phase];
        }
        terminals
    }

    /// A set of terminals as a set of grid phases.
    #[must_use]
    pub fn set_to_grid(self, terminals: PhaseSet) -> PhaseSet {
        terminals.iter().fold(PhaseSet::NONE, |set, terminal| {
            set.with(self.grid_phases()[terminal.index()])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_there_and_back_is_the_identity() {
        let values = PerPhase::new(10, 20, 30);
        for rotation in PhaseRotation::ALL {
            assert_eq!(
                rotation.to_terminals(rotation.to_grid(values)),
                values,
                "{rotation:?}"
            );
        }
        assert_eq!(
            PhaseRotation::R231.to_grid(PerPhase::new(16, 0, 0)),
            PerPhase::new(0, 16, 0)
        );
        assert_eq!(PhaseRotation::R312.set_to_grid(PhaseSet::L1), PhaseSet::L3);
    }

    #[test]
    fn a_phase_set_counts_and_lists_its_members() {
        let set = PhaseSet::L1.with(Phase::L3);
        assert_eq!(set.count(), 2);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Phase::L1, Phase::L3]);
        assert_eq!(PhaseSet::from_bits(255), PhaseSet::ALL);
    }
}
