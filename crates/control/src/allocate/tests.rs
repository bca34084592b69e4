//! The promises of each stage, against brute force and against their definition.

use model::id::EvseId;
use model::phases::PhaseSet;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use crate::tree::Shape;

/// A tree with little room and the EVSEs in it, in the order of service.
#[derive(Clone, Debug)]
struct Site {
    parents: Vec<(Option<usize>, bool)>,
    /// The circuit of each EVSE.
    leaves: Vec<usize>,
    room: Vec<i64>,
    lanes: Vec<Lane>,
}

impl Site {
    fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        tree.lay_out(
            self.parents.iter().map(|(parent, has_power)| Shape {
                parent: *parent,
                has_power: *has_power,
                ..Shape::default()
            }),
            self.leaves.iter().map(|leaf| (*leaf, &[][..])),
        );
        tree
    }

    /// How much a current of one EVSE takes from each row, reckoned without the tree.
    fn weight_in(&self, lane: &Lane, row: usize) -> i64 {
        if row == self.parents.len() * 4 {
            return if lane.sun == SunShare::None {
                0
            } else {
                lane.feet.count()
            };
        }
        let mut next = Some(self.leaves[lane.evse]);
        while let Some(circuit) = next {
            if circuit == row / 4 {
                let bit = lane.feet.bits() & (1 << (row % 4)) != 0;
                return match (row % 4, self.parents[circuit].1) {
                    (3, true) => lane.feet.count(),
                    (3, false) => 0,
                    (_, _) => i64::from(bit),
                };
            }
            next = self.parents[circuit].0;
        }
        0
    }

    /// Load of a row, the minimum of Min+Solar EVSEs beside the sun.
    fn load(&self, row: usize, current: impl Fn(usize) -> i64) -> i64 {
        let is_sun = row == self.parents.len() * 4;
        let lanes = self.lanes.iter().enumerate();
        lanes
            .map(|(index, lane)| {
                let free = if is_sun && lane.sun == SunShare::AboveMinimum {
                    lane.min
                } else {
                    0
                };
                self.weight_in(lane, row) * (current(index) - free).max(0)
            })
            .sum()
    }

    fn fits(&self, current: impl Fn(usize) -> i64 + Copy) -> bool {
        (0..self.room.len()).all(|row| self.load(row, current) <= self.room[row].max(0))
    }
}

fn sites(most: usize, step: impl Strategy<Value = i64> + Clone + 'static) -> impl Strategy<Value = Site> {
    (1_usize..5).prop_flat_map(move |circuits| {
        let parents = (0..circuits)
            .map(|index| (prop::option::weighted(0.9, 0..index.max(1)), any::<bool>()))
            .collect::<Vec<_>>()
            .prop_map(|named| {
                named
                    .into_iter()
                    .enumerate()
                    .map(|(index, (parent, has_power))| (parent.filter(|p| *p < index), has_power))
                    .collect::<Vec<_>>()
            });
        let room = prop::collection::vec(0_i64..60_000, circuits * 4 + 1);
        let lanes = prop::collection::vec(lane(circuits, step.clone()), 1..=most);
        (parents, room, lanes).prop_map(|(parents, mut room, lanes)| {
            let (leaves, mut lanes): (Vec<usize>, Vec<Lane>) = lanes.into_iter().unzip();
            for (index, lane) in lanes.iter_mut().enumerate() {
                lane.evse = index;
            }
            for power in room.iter_mut().skip(3).step_by(4) {
                *power *= 3;
            }
            Site {
                parents,
                leaves,
                room,
                lanes,
            }
        })
    })
}

fn lane(circuits: usize, step: impl Strategy<Value = i64>) -> impl Strategy<Value = (usize, Lane)> {
    let sun = prop_oneof![
        Just(SunShare::None),
        Just(SunShare::Whole),
        Just(SunShare::AboveMinimum)
    ];
    let feet = prop_oneof![Just(7_u8), 1_u8..8];
    (
        0..circuits,
        feet,
        6_000_i64..9_000,
        0_i64..26_000,
        step,
        1_i64..4,
        sun,
    )
        .prop_map(|(leaf, feet, min, above, step, weight, sun)| {
            (
                leaf,
                Lane {
                    part: Part::Running,
                    feet: PhaseSet::from_bits(feet),
                    min,
                    max: min + above,
                    step,
                    weight,
                    sun,
                    before: min,
                    ..Lane::default()
                },
            )
        })
}

/// Runs stage 1 with the holding of minima switched off.
fn admitted(site: &Site) -> (Vec<Lane>, Vec<i64>) {
    let settings = ControlSettings {
        stop_delay: model::time::Millis(0),
        min_on: model::time::Millis(0),
        ..ControlSettings::default()
    };
    let mut memories: Vec<EvseMemory> = (0..site.lanes.len())
        .map(|index| {
            EvseMemory::new(
                EvseId::new(&format!("e{index}")).unwrap(),
                None,
                PhaseSet::ALL,
                true,
            )
        })
        .collect();
    let (mut lanes, mut room) = (site.lanes.clone(), site.room.clone());
    let order: Vec<usize> = (0..lanes.len()).collect();
    let rules = Rules {
        settings: &settings,
        policy: Policy::MinimumFirst,
        now: Monotonic(0),
    };
    admit::admit(&site.tree(), &mut lanes, &mut memories, &order, rules, &mut room);
    (lanes, room)
}

fn cases(default: u32) -> Config {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    Config {
        failure_persistence: None,
        ..Config::with_cases(cases.unwrap_or(default))
    }
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn admission_is_the_lexicographically_greatest(site in sites(6, Just(1_000))) {
        let (lanes, _) = admitted(&site);
        let given: Vec<bool> = lanes.iter().map(|lane| lane.granted > 0).collect();
        // Earlier bits weigh more, so the greatest number is the lexicographically greatest vector.
        let count = lanes.len();
        let best = (0..1_u32 << count)
            .rev()
            .find(|set| {
                let is_in = |index: usize| set & (1 << (count - 1 - index)) != 0;
                site.fits(|index| if is_in(index) { site.lanes[index].min } else { 0 })
            })
            .unwrap();
        let best: Vec<bool> = (0..count).map(|index| best & (1 << (count - 1 - index)) != 0).collect();
        prop_assert_eq!(given, best);
    }

    #[test]
    fn shares_are_max_min_fair_by_weight(site in sites(5, Just(1))) {
        let (mut lanes, mut room) = admitted(&site);
        let class: Vec<usize> = (0..lanes.len()).filter(|index| may_get_more(&lanes[*index])).collect();
        fill::fill(&site.tree(), &mut lanes, &class, &mut room, &mut fill::Buffers::default());
        prop_assert!(site.fits(|index| lanes[index].granted));
        for index in &class {
            let lane = &lanes[*index];
            prop_assert!((lane.min..=lane.max).contains(&lane.granted));
            if lane.granted == lane.max {
                continue;
            }
            // Somewhere on its path a row is full in which nobody has a higher level.
            let has_bottleneck = (0..site.room.len()).any(|row| {
                let k = site.weight_in(lane, row);
                k > 0 && room[row] < 40 && class.iter().all(|other| {
                    let rival = &lanes[*other];
                    site.weight_in(rival, row) == 0
                        || rival.granted <= rival.min + 2
                        || rival.granted * lane.weight <= (lane.granted + 4) * rival.weight
                })
            });
            prop_assert!(has_bottleneck, "{} of {:?} in {:?}, left {:?}", index, lanes, site, room);
        }
    }

    #[test]
    fn nobody_can_be_raised_by_a_step(site in sites(6, prop_oneof![Just(1_000_i64), Just(500), Just(2_500)])) {
        let (mut lanes, mut room) = admitted(&site);
        let class: Vec<usize> = (0..lanes.len()).filter(|index| may_get_more(&lanes[*index])).collect();
        fill::fill(&site.tree(), &mut lanes, &class, &mut room, &mut fill::Buffers::default());
        hand_back::hand_back(&site.tree(), &mut lanes, &class, &mut room);
        prop_assert!(site.fits(|index| lanes[index].granted));
        for (row, left) in room.iter().enumerate() {
            prop_assert_eq!(*left, site.room[row] - site.load(row, |index| lanes[index].granted));
        }
        for index in class {
            let lane = &lanes[index];
            prop_assert_eq!((lane.granted - lane.min) % lane.step, 0);
            let raised = |other: usize| lanes[other].granted + if other == index { lane.step } else { 0 };
            prop_assert!(lane.granted + lane.step > lane.max || !site.fits(raised), "{index} of {lanes:?}");
        }
    }
}
