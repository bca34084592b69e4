//! Phases in balance: what they carry may lie apart by so much.
//!
//! That is no upper bound over a set of EVSEs, since more on one phase makes room on another. It is turned
//! into plain ones in rounds: each phase may carry the difference and what the least loaded phase carried in
//! the round before. A round counts only if its result is in balance; the first one always is, so there is
//! always one that counts.

use crate::lane::{Lane, MaxBy, Part};
use crate::memory::{EvseMemory, Timers};
use crate::tree::{PER_CIRCUIT, Tree};

const ROUNDS: usize = 8;

/// Buffers that are kept from cycle to cycle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds {
    before: State,
    best: State,
    /// How far phases may lie apart, by node.
    difference: Vec<i64>,
}

/// Everything a round changes.
#[derive(Clone, Debug, Default)]
struct State {
    lanes: Vec<Lane>,
    room: Vec<i64>,
    timers: Vec<Timers>,
}

impl State {
    fn save(&mut self, lanes: &[Lane], room: &[i64], memories: &[EvseMemory]) {
        self.lanes.clear();
        self.lanes.extend_from_slice(lanes);
        self.room.clear();
        self.room.extend_from_slice(room);
        self.timers.clear();
        self.timers.extend(memories.iter().map(EvseMemory::timers));
    }

    fn restore(&self, lanes: &mut [Lane], room: &mut [i64], memories: &mut [EvseMemory]) {
        lanes.copy_from_slice(&self.lanes);
        room.copy_from_slice(&self.room);
        for (memory, timers) in memories.iter_mut().zip(&self.timers) {
            memory.set_timers(*timers);
        }
    }
}

impl Rounds {
    /// Runs `share_out` until more room for balance changes nothing; at the start `room` holds the
    /// difference itself in the rows of balance.
    pub(crate) fn run(
        &mut self,
        tree: &Tree,
        lanes: &mut [Lane],
        memories: &mut [EvseMemory],
        room: &mut [i64],
        mut share_out: impl FnMut(&mut [Lane], &mut [EvseMemory], &mut [i64]),
    ) {
        let (before, best) = (&mut self.before, &mut self.best);
        before.save(lanes, room, memories);
        self.difference.clear();
        self.difference
            .extend(tree.balances().map(|(_, node)| room[node * PER_CIRCUIT]));
        for round in 1..=ROUNDS {
            share_out(lanes, memories, room);
            let mut rows = tree.balances().zip(&self.difference);
            let is_balanced = rows.all(|((_, node), difference)| {
                let (most, least) = loads(tree, lanes, node);
                most.into_iter().max() <= least.into_iter().min().map(|least| least + difference)
            });
            // The first one is in balance but for what does not follow.
            if round > 1 && !is_balanced {
                best.restore(lanes, room, memories);
                return;
            }
            let mut is_wider = false;
            for ((_, node), difference) in tree.balances().zip(&self.difference) {
                let (_, least) = loads(tree, lanes, node);
                let cap = difference + least.into_iter().min().unwrap_or(0);
                for row in node * PER_CIRCUIT..node * PER_CIRCUIT + 3 {
                    is_wider |= cap > before.room[row];
                    before.room[row] = cap;
                }
            }
            if !is_wider || round == ROUNDS {
                return;
            }
            best.save(lanes, room, memories);
            before.restore(lanes, room, memories);
        }
    }
}

/// What a node's EVSEs that load phases differently may carry at most, and what those carry that are sure
/// to use it.
fn loads(tree: &Tree, lanes: &[Lane], node: usize) -> ([i64; 3], [i64; 3]) {
    let (mut most, mut least) = ([0; 3], [0; 3]);
    for member in tree.below(node) {
        let lane = &lanes[*member];
        let is_sure = !lane.is_fixed
            && lane.max_by != MaxBy::Offer
            && matches!(lane.part, Part::Running | Part::Waiting);
        let upper = if lane.is_fixed {
            lane.counted
        } else {
            lane.granted + lane.over
        };
        for phase in 0..3 {
            if tree.counts(node * PER_CIRCUIT + phase, lane.feet) {
                most[phase] += upper;
                least[phase] += if is_sure { lane.granted } else { 0 };
            }
        }
    }
    (most, least)
}
