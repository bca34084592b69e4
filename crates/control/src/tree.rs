//! The circuit tree as rows of one table: each row is an upper bound over the EVSEs below it.
//!
//! Four rows for a circuit (L1, L2, L3 and power, all in mA) and one row at the end for the sun. The
//! allocation knows rows and coefficients only.

use model::phases::PhaseSet;

use crate::snapshot::Snapshot;

/// Rows of one circuit.
pub(crate) const PER_CIRCUIT: usize = 4;
/// Offset of the power row: the sum of the three phases.
pub(crate) const POWER: usize = 3;

#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// EVSEs in an order in which every circuit holds one range.
    members: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    parent: Option<usize>,
    has_power: bool,
    /// Every circuit up to the root names a parent before itself.
    is_sound: bool,
    start: usize,
    count: usize,
    /// The next free place while members are placed.
    free: usize,
}

impl Tree {
    pub(crate) fn build(&mut self, snapshot: &Snapshot) {
        let circuits = snapshot.circuits.iter();
        self.lay_out(
            circuits.map(|circuit| (circuit.parent, circuit.power_limit.is_some())),
            snapshot.evses.iter().map(|evse| evse.circuit),
        );
    }

    /// From the parent of each circuit, whether it has a power limit, and the circuit of each EVSE.
    pub(crate) fn lay_out(
        &mut self,
        circuits: impl Iterator<Item = (Option<usize>, bool)>,
        leaves: impl Iterator<Item = usize> + Clone,
    ) {
        self.nodes.clear();
        for (index, (named, has_power)) in circuits.enumerate() {
            let parent = named.filter(|parent| *parent < index);
            let is_sound = parent == named && parent.is_none_or(|p| self.nodes[p].is_sound);
            self.nodes.push(Node {
                parent,
                has_power,
                is_sound,
                ..Node::default()
            });
        }
        self.place_members(leaves);
    }

    /// Counts upwards, then gives each circuit a range: its own EVSEs first, then its children one by one.
    fn place_members(&mut self, leaves: impl Iterator<Item = usize> + Clone) {
        let nodes = &mut self.nodes;
        for leaf in leaves.clone() {
            if let Some(node) = nodes.get_mut(leaf) {
                node.free += 1;
                node.count += 1;
            }
        }
        for index in (0..nodes.len()).rev() {
            if let Some(parent) = nodes[index].parent {
                nodes[parent].count += nodes[index].count;
            }
        }
        // Until here `free` counts the own EVSEs; the children's ranges follow them.
        let mut roots = 0;
        for index in 0..nodes.len() {
            let count = nodes[index].count;
            let place = match nodes[index].parent {
                Some(parent) => &mut nodes[parent].free,
                None => &mut roots,
            };
            let start = *place;
            *place += count;
            nodes[index].start = start;
            nodes[index].free += start;
        }
        for node in nodes.iter_mut() {
            node.free = node.start;
        }
        self.members.clear();
        self.members.resize(roots, 0);
        for (index, leaf) in leaves.enumerate() {
            if let Some(node) = nodes.get_mut(leaf) {
                self.members[node.free] = index;
                node.free += 1;
            }
        }
    }

    pub(crate) fn row_count(&self) -> usize {
        self.nodes.len() * PER_CIRCUIT + 1
    }

    /// The row of the sun, the last one.
    pub(crate) fn sun_row(&self) -> usize {
        self.nodes.len() * PER_CIRCUIT
    }

    pub(crate) fn parent(&self, circuit: usize) -> Option<usize> {
        self.nodes.get(circuit)?.parent
    }

    pub(crate) fn is_sound(&self, circuit: usize) -> bool {
        self.nodes.get(circuit).is_some_and(|node| node.is_sound)
    }

    /// EVSEs at a circuit and everywhere below it.
    pub(crate) fn below(&self, circuit: usize) -> &[usize] {
        self.nodes
            .get(circuit)
            .map_or(&[], |node| &self.members[node.start..node.start + node.count])
    }

    /// Calls `f` with every row of the path to the root and how often a current on `feet` counts there,
    /// until it says no. Returns whether it never did.
    pub(crate) fn all_rows(
        &self,
        leaf: usize,
        feet: PhaseSet,
        mut f: impl FnMut(usize, i64) -> bool,
    ) -> bool {
        let (bits, count) = (feet.bits(), feet.count());
        let mut next = Some(leaf);
        while let Some(circuit) = next {
            let Some(node) = self.nodes.get(circuit) else {
                return true;
            };
            let row = circuit * PER_CIRCUIT;
            for phase in 0..3 {
                if bits & (1 << phase) != 0 && !f(row + phase, 1) {
                    return false;
                }
            }
            if node.has_power && !f(row + POWER, count) {
                return false;
            }
            next = node.parent;
        }
        true
    }

    /// Calls `f` with every row of the path to the root.
    pub(crate) fn rows(&self, leaf: usize, feet: PhaseSet, mut f: impl FnMut(usize, i64)) {
        self.all_rows(leaf, feet, |row, k| {
            f(row, k);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_circuit_holds_the_evses_below_it_whatever_the_order() {
        let mut tree = Tree::default();
        let parents = [None, Some(0), Some(0), Some(1), None, Some(9)];
        let leaves = [3, 2, 0, 1, 3, 4, 77, 5];
        tree.lay_out(
            parents.into_iter().map(|parent| (parent, false)),
            leaves.into_iter(),
        );
        let below = |circuit: usize| {
            let mut members = tree.below(circuit).to_vec();
            members.sort_unstable();
            members
        };
        assert_eq!(below(0), [0, 1, 2, 3, 4]);
        assert_eq!(below(1), [0, 3, 4]);
        assert_eq!(below(2), [1]);
        assert_eq!(below(3), [0, 4]);
        assert_eq!(below(4), [5]);
        assert_eq!(below(5), [7]);
        assert!(below(77).is_empty());
        // A parent that comes later or does not exist is no parent, and the circuit is not used.
        assert_eq!(
            (tree.is_sound(5), tree.is_sound(3), tree.is_sound(77)),
            (false, true, false)
        );
    }
}
