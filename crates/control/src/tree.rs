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
    own: usize,
}

impl Tree {
    pub(crate) fn build(&mut self, snapshot: &Snapshot) {
        self.nodes.clear();
        for (index, circuit) in snapshot.circuits.iter().enumerate() {
            let parent = circuit.parent.filter(|parent| *parent < index);
            let is_sound = parent == circuit.parent && parent.is_none_or(|p| self.nodes[p].is_sound);
            let has_power = circuit.power_limit.is_some();
            self.nodes.push(Node {
                parent,
                has_power,
                is_sound,
                ..Node::default()
            });
        }
        self.place_members(snapshot);
    }

    /// Counts upwards, then gives each circuit a range: its own EVSEs first, then its children one by one.
    fn place_members(&mut self, snapshot: &Snapshot) {
        let nodes = &mut self.nodes;
        for evse in &snapshot.evses {
            if let Some(node) = nodes.get_mut(evse.circuit) {
                node.own += 1;
                node.count += 1;
            }
        }
        for index in (0..nodes.len()).rev() {
            if let Some(parent) = nodes[index].parent {
                nodes[parent].count += nodes[index].count;
            }
        }
        // `own` becomes the next free place among the circuit's children, then among its own EVSEs.
        let mut roots = 0;
        for index in 0..nodes.len() {
            let count = nodes[index].count;
            let start = match nodes[index].parent {
                Some(parent) => {
                    let place = nodes[parent].own;
                    nodes[parent].own += count;
                    place
                }
                None => {
                    roots += count;
                    roots - count
                }
            };
            nodes[index].start = start;
            nodes[index].own += start;
        }
        self.members.clear();
        self.members.resize(roots, 0);
        for node in nodes.iter_mut() {
            node.own = node.start;
        }
        for (index, evse) in snapshot.evses.iter().enumerate() {
            if let Some(node) = nodes.get_mut(evse.circuit) {
                self.members[node.own] = index;
                node.own += 1;
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
