//! Every limit as a row of one table: an upper bound over a set of EVSEs.
//!
//! A node is a circuit of the wiring, a group, or the balance of a circuit's phases. It has four rows: L1,
//! L2, L3 and the sum of the three, all in mA; two rows at the end are the sun's. The site as a whole may have
//! limits of its own, each a node of which only the sum counts. Each EVSE has a path: the nodes it counts in. The allocation knows paths, rows and coefficients only, so a set of EVSEs that no
//! wire joins is nothing special.

use model::phases::PhaseSet;

use crate::snapshot::{Circuit, CircuitKind, Snapshot};

/// Rows of one node.
pub(crate) const PER_CIRCUIT: usize = 4;
/// Offset of the row over the sum of the three phases.
pub(crate) const POWER: usize = 3;

/// What a node limits.
const PHASES: u8 = 0b0111;
const SUM: u8 = 0b1000;
/// Only EVSEs that do not load all phases alike count.
const BALANCE: u8 = 0b1_0000;

/// What the tree needs to know of a circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub parent: Option<usize>,
    pub has_power: bool,
    pub has_skew: bool,
    pub is_group: bool,
}

impl From<&Circuit> for Shape {
    fn from(circuit: &Circuit) -> Self {
        Self {
            parent: circuit.parent,
            has_power: circuit.power_limit.is_some() || circuit.total_limit.is_some(),
            has_skew: circuit.skew_limit.is_some(),
            is_group: circuit.kind == CircuitKind::Group,
        }
    }
}

/// A limit of the site as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SiteRow {
    /// The average of a quarter of an hour.
    Peak,
    /// An order of the grid operator, for those that can be dimmed.
    Dimming,
}

/// Which limits of the site there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extras {
    peak: bool,
    dimming: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    /// What it was built from; it is built again only when that has changed.
    shapes: Vec<Shape>,
    /// Circuit and groups of each EVSE, one after the other.
    leaves: Vec<usize>,
    /// Where the leaves of each EVSE end.
    leaves_end: Vec<usize>,
    /// Circuits with groups among them, then one node per circuit whose phases are to be in balance.
    nodes: Vec<Node>,
    /// Nodes of each EVSE, one after the other.
    path: Vec<u32>,
    /// Where the path of each EVSE begins; one more at the end.
    path_start: Vec<u32>,
    /// EVSEs of each node, one after the other.
    members: Vec<usize>,
    member_start: Vec<usize>,
    /// Circuits whose phases are to be in balance.
    balances: Vec<usize>,
    extras: Extras,
    /// EVSEs that can be dimmed, while there is an order.
    dimmable: Vec<bool>,
    peak: Option<usize>,
    dimming: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    parent: Option<usize>,
    limits: u8,
    /// Every node up to the root names a parent before itself.
    is_sound: bool,
    /// The node of its balance.
    balance: Option<usize>,
}

impl Tree {
    pub(crate) fn build(&mut self, snapshot: &Snapshot) {
        let shapes = snapshot.circuits.iter().map(Shape::from);
        if self.is_built_from(shapes.clone(), snapshot) {
            return;
        }
        self.extras = extras(snapshot);
        self.dimmable.clear();
        self.dimmable
            .extend(snapshot.evses.iter().map(|evse| evse.dimmable));
        self.lay_out(
            shapes,
            snapshot
                .evses
                .iter()
                .map(|evse| (evse.circuit, evse.groups.as_slice())),
        );
    }

    fn is_built_from(&self, shapes: impl Iterator<Item = Shape>, snapshot: &Snapshot) -> bool {
        let mut start = 0;
        self.shapes.iter().copied().eq(shapes)
            && self.extras == extras(snapshot)
            && self
                .dimmable
                .iter()
                .copied()
                .eq(snapshot.evses.iter().map(|evse| evse.dimmable))
            && self.leaves_end.len() == snapshot.evses.len()
            && snapshot.evses.iter().zip(&self.leaves_end).all(|(evse, end)| {
                let kept = self.leaves.get(start..*end);
                start = *end;
                kept.and_then(<[usize]>::split_first)
                    .is_some_and(|(circuit, groups)| *circuit == evse.circuit && *groups == *evse.groups)
            })
    }

    /// From the circuits, and the circuit and groups of each EVSE.
    pub(crate) fn lay_out<'a>(
        &mut self,
        shapes: impl Iterator<Item = Shape>,
        evses: impl Iterator<Item = (usize, &'a [usize])>,
    ) {
        self.shapes.clear();
        self.shapes.extend(shapes);
        self.place_nodes();
        self.leaves.clear();
        self.leaves_end.clear();
        for (circuit, groups) in evses {
            self.leaves.push(circuit);
            self.leaves.extend_from_slice(groups);
            self.leaves_end.push(self.leaves.len());
        }
        self.place_paths();
        self.place_members();
    }

    fn place_nodes(&mut self) {
        self.nodes.clear();
        self.balances.clear();
        for (index, shape) in self.shapes.iter().enumerate() {
            let is_kin = |parent: &usize| {
                self.shapes
                    .get(*parent)
                    .is_some_and(|p| p.is_group == shape.is_group)
            };
            // A group stands beside the wiring, not in it.
            let named = shape.parent.filter(|parent| !shape.is_group || is_kin(parent));
            let parent = named.filter(|parent| *parent < index && is_kin(parent));
            self.nodes.push(Node {
                parent,
                limits: PHASES | if shape.has_power { SUM } else { 0 },
                is_sound: parent == named && parent.is_none_or(|p| self.nodes[p].is_sound),
                balance: None,
            });
        }
        for (index, _) in self.shapes.iter().enumerate().filter(|(_, shape)| shape.has_skew) {
            self.nodes[index].balance = Some(self.nodes.len());
            self.balances.push(index);
            self.nodes.push(Node {
                limits: PHASES | BALANCE,
                is_sound: true,
                ..Node::default()
            });
        }
        let mut of_site = |is_there: bool| {
            is_there.then(|| {
                self.nodes.push(Node {
                    limits: SUM,
                    is_sound: true,
                    ..Node::default()
                });
                self.nodes.len() - 1
            })
        };
        self.peak = of_site(self.extras.peak);
        self.dimming = of_site(self.extras.dimming);
    }

    fn place_paths(&mut self) {
        self.path.clear();
        self.path_start.clear();
        let mut start = 0;
        for end in &self.leaves_end {
            let from = self.path.len();
            self.path_start.push(narrow(from));
            for leaf in &self.leaves[start..*end] {
                let mut next = (*leaf < self.shapes.len()).then_some(*leaf);
                while let Some(index) = next {
                    // Whoever is in a group and in one inside it counts once.
                    if self.path[from..].contains(&narrow(index)) {
                        break;
                    }
                    let node = self.nodes[index];
                    self.path.push(narrow(index));
                    if let Some(balance) = node.balance {
                        self.path.push(narrow(balance));
                    }
                    next = node.parent;
                }
            }
            start = *end;
            let can_be_dimmed = self.dimmable.get(self.path_start.len() - 1) == Some(&true);
            let dimming = self.dimming.filter(|_| can_be_dimmed);
            self.path.extend(self.peak.into_iter().chain(dimming).map(narrow));
        }
        self.path_start.push(narrow(self.path.len()));
    }

    fn place_members(&mut self) {
        self.member_start.clear();
        self.member_start.resize(self.nodes.len() + 1, 0);
        for node in &self.path {
            self.member_start[*node as usize + 1] += 1;
        }
        for index in 1..self.member_start.len() {
            self.member_start[index] += self.member_start[index - 1];
        }
        self.members.clear();
        self.members.resize(self.path.len(), 0);
        // While members are placed, the next free place of each node stands where its end will.
        for node in (0..self.nodes.len()).rev() {
            self.member_start[node + 1] = self.member_start[node];
        }
        for evse in 0..self.leaves_end.len() {
            for place in self.span(evse) {
                let free = &mut self.member_start[self.path[place] as usize + 1];
                self.members[*free] = evse;
                *free += 1;
            }
        }
    }

    fn span(&self, evse: usize) -> std::ops::Range<usize> {
        let at = |index: usize| self.path_start.get(index).map_or(0, |start| *start as usize);
        at(evse)..at(evse + 1).max(at(evse))
    }

    pub(crate) fn row_count(&self) -> usize {
        self.nodes.len() * PER_CIRCUIT + 2
    }

    /// The row of all that the sun feeds.
    pub(crate) fn sun_row(&self) -> usize {
        self.nodes.len() * PER_CIRCUIT
    }

    /// The row of what the sun feeds after the battery.
    pub(crate) fn late_sun_row(&self) -> usize {
        self.sun_row() + 1
    }

    pub(crate) fn is_sun(&self, row: usize) -> bool {
        row >= self.sun_row()
    }

    pub(crate) fn site_row(&self, of: SiteRow) -> Option<usize> {
        let node = match of {
            SiteRow::Peak => self.peak,
            SiteRow::Dimming => self.dimming,
        };
        node.map(|node| node * PER_CIRCUIT + POWER)
    }

    /// The limit of the site that a row is about.
    pub(crate) fn of_site(&self, row: usize) -> Option<SiteRow> {
        let rows = [SiteRow::Peak, SiteRow::Dimming];
        rows.into_iter().find(|of| self.site_row(*of) == Some(row))
    }

    pub(crate) fn parent(&self, circuit: usize) -> Option<usize> {
        self.nodes.get(circuit)?.parent
    }

    pub(crate) fn is_sound(&self, circuit: usize) -> bool {
        circuit < self.shapes.len() && self.nodes[circuit].is_sound
    }

    /// Circuits whose phases are to be in balance, with the node of the balance.
    pub(crate) fn balances(&self) -> impl Iterator<Item = (usize, usize)> + Clone {
        let first = self.shapes.len();
        let circuits = self.balances.iter().copied().enumerate();
        circuits.map(move |(number, circuit)| (circuit, first + number))
    }

    /// The circuit of a row, whether it is the row of its balance, and the offset; `None` for the sun.
    pub(crate) fn circuit_of(&self, row: usize) -> Option<(usize, bool, usize)> {
        let (node, offset) = (row / PER_CIRCUIT, row % PER_CIRCUIT);
        if node < self.shapes.len() {
            return Some((node, false, offset));
        }
        let circuit = self.balances.get(node - self.shapes.len())?;
        Some((*circuit, true, offset))
    }

    /// EVSEs of a node: at a circuit and everywhere below it.
    pub(crate) fn below(&self, node: usize) -> &[usize] {
        match (self.member_start.get(node), self.member_start.get(node + 1)) {
            (Some(start), Some(end)) => &self.members[*start..*end],
            (_, _) => &[],
        }
    }

    /// Whether a current on `feet` counts in a row of whose node the EVSE is a member.
    pub(crate) fn counts(&self, row: usize, feet: PhaseSet) -> bool {
        self.nodes
            .get(row / PER_CIRCUIT)
            .is_some_and(|node| bits(node.limits, feet) & (1 << (row % PER_CIRCUIT)) != 0)
    }

    /// Calls `f` with every row of an EVSE's path and how often a current on `feet` counts there, until it
    /// says no. Returns whether it never did.
    pub(crate) fn all_rows(
        &self,
        evse: usize,
        feet: PhaseSet,
        mut f: impl FnMut(usize, i64) -> bool,
    ) -> bool {
        let count = feet.count();
        for node in &self.path[self.span(evse)] {
            let node = *node as usize;
            let row = node * PER_CIRCUIT;
            let mut bits = bits(self.nodes[node].limits, feet);
            while bits != 0 {
                let offset = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if !f(row + offset, if offset == POWER { count } else { 1 }) {
                    return false;
                }
            }
        }
        true
    }

    /// Calls `f` with every row of an EVSE's path.
    pub(crate) fn rows(&self, evse: usize, feet: PhaseSet, mut f: impl FnMut(usize, i64)) {
        self.all_rows(evse, feet, |row, k| {
            f(row, k);
            true
        });
    }
}

const fn extras(snapshot: &Snapshot) -> Extras {
    Extras {
        peak: snapshot.peak.is_some(),
        dimming: snapshot.dimming.is_some(),
    }
}

/// The rows of a node that a current on `feet` counts in.
const fn bits(limits: u8, feet: PhaseSet) -> u8 {
    if limits & BALANCE != 0 && feet.bits() == PHASES {
        return 0;
    }
    (feet.bits() | if feet.is_empty() { 0 } else { SUM }) & limits & (PHASES | SUM)
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(parent: Option<usize>) -> Shape {
        Shape {
            parent,
            ..Shape::default()
        }
    }

    fn below(tree: &Tree, node: usize) -> Vec<usize> {
        let mut members = tree.below(node).to_vec();
        members.sort_unstable();
        members
    }

    #[test]
    fn every_circuit_holds_the_evses_below_it_whatever_the_order() {
        let mut tree = Tree::default();
        let parents = [None, Some(0), Some(0), Some(1), None, Some(9)];
        let leaves = [3, 2, 0, 1, 3, 4, 77, 5];
        tree.lay_out(
            parents.into_iter().map(shape),
            leaves.into_iter().map(|leaf| (leaf, &[][..])),
        );
        assert_eq!(below(&tree, 0), [0, 1, 2, 3, 4]);
        assert_eq!(below(&tree, 1), [0, 3, 4]);
        assert_eq!(below(&tree, 2), [1]);
        assert_eq!(below(&tree, 3), [0, 4]);
        assert_eq!(below(&tree, 4), [5]);
        assert_eq!(below(&tree, 5), [7]);
        assert!(below(&tree, 77).is_empty());
        // A parent that comes later or does not exist is no parent, and the circuit is not used.
        assert_eq!(
            (tree.is_sound(5), tree.is_sound(3), tree.is_sound(77)),
            (false, true, false)
        );
    }

    #[test]
    fn groups_stand_beside_the_wiring_and_count_once() {
        let group = |parent| Shape {
            is_group: true,
            ..shape(parent)
        };
        let mut tree = Tree::default();
        // House, garage; tenant, tenant's guests, and a group that names a circuit as its parent.
        let shapes = [
            shape(None),
            shape(Some(0)),
            group(None),
            group(Some(2)),
            group(Some(0)),
        ];
        let leaves: [(usize, &[usize]); 4] = [(1, &[3, 2]), (1, &[2]), (0, &[4]), (1, &[99])];
        tree.lay_out(shapes.into_iter(), leaves.into_iter());
        assert_eq!(below(&tree, 0), [0, 1, 2, 3]);
        assert_eq!(below(&tree, 2), [0, 1]);
        assert_eq!(below(&tree, 3), [0]);
        assert_eq!((below(&tree, 4), tree.parent(4)), (vec![2], None));
        let mut rows = Vec::new();
        tree.rows(0, PhaseSet::L2, |row, k| rows.push((row, k)));
        assert_eq!(rows, [(5, 1), (1, 1), (13, 1), (9, 1)]);
    }

    #[test]
    fn balance_is_asked_only_of_those_who_load_phases_differently() {
        let mut tree = Tree::default();
        let house = Shape {
            has_power: true,
            has_skew: true,
            ..Shape::default()
        };
        tree.lay_out([house].into_iter(), [(0, &[][..])].into_iter());
        let rows = |feet| {
            let mut rows = Vec::new();
            tree.rows(0, feet, |row, k| rows.push((row, k)));
            rows
        };
        assert_eq!(rows(PhaseSet::ALL), [(0, 1), (1, 1), (2, 1), (3, 3)]);
        assert_eq!(rows(PhaseSet::L2), [(1, 1), (3, 1), (5, 1)]);
        assert_eq!(tree.circuit_of(5), Some((0, true, 1)));
        assert_eq!(tree.circuit_of(tree.sun_row()), None);
        assert_eq!(
            (tree.counts(5, PhaseSet::ALL), tree.counts(5, PhaseSet::L2)),
            (false, true)
        );
    }
}
