//! The promises of each stage, against brute force and against their definition.

use model::id::EvseId;
use model::phases::PhaseSet;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use crate::tree::Shape;

/// Circuits and groups with little room, and the EVSEs in them, in the order of service.
#[derive(Clone, Debug)]
struct Site {
    shapes: Vec<Shape>,
    /// The circuit of each EVSE, and the groups it names.
    leaves: Vec<(usize, Vec<usize>)>,
    room: Vec<i64>,
    lanes: Vec<Lane>,
}

impl Site {
    fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        tree.lay_out(
            self.shapes.iter().copied(),
            self.leaves
                .iter()
                .map(|(leaf, groups)| (*leaf, groups.as_slice())),
        );
        tree
    }

    /// How much a current of one EVSE takes from each row, reckoned without the tree.
    fn weight_in(&self, lane: &Lane, row: usize) -> i64 {
        if row >= self.room.len() - 2 {
            let is_in = lane.sun != SunShare::None && (lane.is_late || row == self.room.len() - 2);
            return if is_in { lane.feet.count() } else { 0 };
        }
        let (leaf, groups) = &self.leaves[lane.evse];
        let is_inside = |leaf: usize| {
            let mut next = Some(leaf);
            while let Some(circuit) = next {
                if circuit == row / 4 {
                    return true;
                }
                next = self.shapes[circuit].parent;
            }
            false
        };
        if row / 4 >= self.shapes.len() || !groups.iter().chain([leaf]).any(|leaf| is_inside(*leaf)) {
            return 0;
        }
        match (row % 4, self.shapes[row / 4].has_power) {
            (3, true) => lane.feet.count(),
            (3, false) => 0,
            (_, _) => i64::from(lane.feet.bits() & (1 << (row % 4)) != 0),
        }
    }

    /// Load of a row, the minimum of Min+Solar EVSEs beside the sun.
    fn load(&self, row: usize, current: impl Fn(usize) -> i64) -> i64 {
        let is_sun = row >= self.room.len() - 2;
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
    sites_with(most, step, Just(false))
}

fn sites_with(
    most: usize,
    step: impl Strategy<Value = i64> + Clone + 'static,
    skew: impl Strategy<Value = bool> + Clone + 'static,
) -> impl Strategy<Value = Site> {
    (1_usize..5, 0_usize..4).prop_flat_map(move |(circuits, groups)| {
        let count = circuits + groups;
        let node = move |index: usize, skew: BoxedStrategy<bool>| {
            let first = if index < circuits { 0 } else { circuits };
            let parent = prop::option::weighted(0.7, first..index.max(first + 1));
            (parent, any::<bool>(), skew).prop_map(move |(parent, has_power, has_skew)| Shape {
                parent: parent.filter(|parent| *parent < index),
                has_power,
                has_skew,
                is_group: index >= circuits,
            })
        };
        let shapes = (0..count)
            .map(|index| node(index, skew.clone().boxed()))
            .collect::<Vec<_>>();
        let lane = (
            lane(step.clone()),
            0..circuits,
            prop::collection::vec(circuits..=count, 0..3),
        );
        let lanes = prop::collection::vec(lane, 1..=most);
        let room = prop::collection::vec(0_i64..60_000, 2 * count * 4 + 2);
        (shapes, room, lanes).prop_map(move |(shapes, mut room, members)| {
            let balances = shapes.iter().filter(|shape| shape.has_skew).count();
            room.truncate((count + balances) * 4 + 2);
            for power in room.iter_mut().skip(3).step_by(4) {
                *power *= 3;
            }
            for node in count..count + balances {
                let difference = room[node * 4] / 3;
                room[node * 4..node * 4 + 3].fill(difference);
            }
            let mut site = Site {
                shapes,
                leaves: Vec::new(),
                room,
                lanes: Vec::new(),
            };
            for (index, (lane, circuit, groups)) in members.into_iter().enumerate() {
                site.lanes.push(Lane { evse: index, ..lane });
                let groups = groups.into_iter().filter(|group| *group < count);
                site.leaves.push((circuit, groups.collect()));
            }
            site
        })
    })
}

fn lane(step: impl Strategy<Value = i64>) -> impl Strategy<Value = Lane> {
    let sun = prop_oneof![
        Just(SunShare::None),
        Just(SunShare::Whole),
        Just(SunShare::AboveMinimum)
    ];
    let feet = prop_oneof![Just(7_u8), 1_u8..8];
    let sun = (sun, any::<bool>());
    (feet, 6_000_i64..9_000, 0_i64..26_000, step, 1_i64..4, sun).prop_map(
        |(feet, min, above, step, weight, (sun, is_late))| Lane {
            is_late,
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
}

/// With the holding of minima switched off.
fn settings() -> ControlSettings {
    ControlSettings {
        stop_delay: model::time::Millis(0),
        min_on: model::time::Millis(0),
        ..ControlSettings::default()
    }
}

fn memories(count: usize) -> Vec<EvseMemory> {
    (0..count)
        .map(|index| {
            let id = EvseId::new(&format!("e{index}")).unwrap();
            EvseMemory::new(id, None, PhaseSet::ALL, true)
        })
        .collect()
}

/// The water level of the definition in exact fractions, raised again and again to the next row that is
/// full: what an exact solver would give to those that were admitted.
fn exact(site: &Site, lanes: &[Lane], class: &[usize]) -> Vec<Fraction> {
    let whole = |value: i64| Fraction::new(i128::from(value), 1);
    let mut shares: Vec<Option<Fraction>> = lanes
        .iter()
        .enumerate()
        .map(|(index, lane)| (!class.contains(&index)).then(|| whole(lane.granted)))
        .collect();
    let at = |level: Fraction, index: usize, shares: &[Option<Fraction>]| {
        shares[index].unwrap_or_else(|| {
            let lane = &lanes[index];
            (level * whole(lane.weight))
                .max(whole(lane.min))
                .min(whole(lane.max))
        })
    };
    let left = |row: usize, level: Fraction, shares: &[Option<Fraction>]| {
        let minimum = |lane: &Lane| {
            let is_sun = row >= site.room.len() - 2;
            if is_sun && lane.sun == SunShare::AboveMinimum {
                lane.min
            } else {
                0
            }
        };
        lanes.iter().fold(whole(site.room[row].max(0)), |left, lane| {
            let above = (at(level, lane.evse, shares) - whole(minimum(lane))).max(whole(0));
            left - above * whole(site.weight_in(lane, row))
        })
    };
    loop {
        let open: Vec<usize> = (0..lanes.len())
            .filter(|index| shares[*index].is_none())
            .collect();
        if open.is_empty() {
            return shares.into_iter().flatten().collect();
        }
        // Between two of these levels every row's load is a straight line.
        let mut bends: Vec<Fraction> = open
            .iter()
            .flat_map(|index| {
                let lane = &lanes[*index];
                [lane.min, lane.max].map(|bend| Fraction::new(i128::from(bend), i128::from(lane.weight)))
            })
            .chain([whole(0)])
            .collect();
        bends.sort();
        let fits = |level: Fraction| (0..site.room.len()).all(|row| left(row, level, &shares) >= whole(0));
        let mut level = bends
            .iter()
            .rev()
            .copied()
            .find(|level| fits(*level))
            .unwrap_or(whole(0));
        let next = bends.iter().copied().find(|bend| *bend > level);
        if let Some(next) = next {
            let to = |row: usize| {
                let (here, there) = (left(row, level, &shares), left(row, next, &shares));
                (there < whole(0)).then(|| level + here * (next - level) / (here - there))
            };
            level = (0..site.room.len()).filter_map(to).min().unwrap_or(next);
        }
        let full: Vec<usize> = (0..site.room.len())
            .filter(|row| left(*row, level, &shares) == whole(0))
            .collect();
        let mut is_stuck = true;
        let fixed: Vec<(usize, Fraction)> = open
            .iter()
            .map(|index| (*index, at(level, *index, &shares)))
            .filter(|(index, share)| {
                let lane = &lanes[*index];
                *share == whole(lane.max) || full.iter().any(|row| site.weight_in(lane, *row) > 0)
            })
            .collect();
        for (index, share) in fixed {
            shares[index] = Some(share);
            is_stuck = false;
        }
        assert!(!is_stuck, "{lanes:?} in {site:?}");
    }
}

/// A fraction in lowest terms with a positive denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fraction {
    over: i128,
    under: i128,
}

impl Fraction {
    fn new(over: i128, under: i128) -> Self {
        let (mut a, mut b) = (over.abs(), under.abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let common = a.max(1) * under.signum();
        Self {
            over: over / common,
            under: under / common,
        }
    }

    fn whole_milliamps(self) -> i64 {
        i64::try_from(self.over.div_euclid(self.under)).unwrap()
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.over * other.under).cmp(&(other.over * self.under))
    }
}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl std::ops::Add for Fraction {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(
            self.over * other.under + other.over * self.under,
            self.under * other.under,
        )
    }
}

impl std::ops::Sub for Fraction {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(
            self.over * other.under - other.over * self.under,
            self.under * other.under,
        )
    }
}

impl std::ops::Mul for Fraction {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self::new(self.over * other.over, self.under * other.under)
    }
}

impl std::ops::Div for Fraction {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        Self::new(self.over * other.under, self.under * other.over)
    }
}

/// Runs stage 1.
fn admitted(site: &Site) -> (Vec<Lane>, Vec<i64>) {
    let settings = settings();
    let mut memories = memories(site.lanes.len());
    let (mut lanes, mut room) = (site.lanes.clone(), site.room.clone());
    let order: Vec<usize> = (0..lanes.len()).collect();
    let rules = rules(&settings);
    admit::admit(&site.tree(), &mut lanes, &mut memories, &order, rules, &mut room);
    (lanes, room)
}

fn rules(settings: &ControlSettings) -> Rules<'_> {
    Rules {
        settings,
        policy: Policy::MinimumFirst,
        phases_margin: 0,
        battery_aside: 0,
        now: Monotonic(0),
    }
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
    #![proptest_config(cases(10_000))]

    #[test]
    fn admission_is_the_lexicographically_greatest(site in sites(8, Just(1_000))) {
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

    #[test]
    fn shares_are_those_of_exact_fractions(
        site in sites(8, prop_oneof![Just(1_i64), Just(100), Just(1_000), Just(2_500)])
    ) {
        let (mut lanes, mut room) = admitted(&site);
        let class: Vec<usize> = (0..lanes.len()).filter(|index| may_get_more(&lanes[*index])).collect();
        let exact = exact(&site, &lanes, &class);
        fill::fill(&site.tree(), &mut lanes, &class, &mut room, &mut fill::Buffers::default());
        for index in class {
            let (lane, exact) = (&lanes[index], exact[index].whole_milliamps());
            prop_assert!(
                exact - lane.step - 2 < lane.granted && lane.granted <= exact + 2,
                "{} of {}: exact {exact}, in {site:?}", index, lane.granted
            );
        }
    }

    #[test]
    fn phases_stay_in_balance(
        site in sites_with(8, prop_oneof![Just(1_000_i64), Just(100)], any::<bool>()),
        is_strict in any::<bool>(),
    ) {
        let (settings, tree) = (settings(), site.tree());
        let rules = Rules {
            policy: if is_strict { Policy::Strict } else { Policy::MinimumFirst },
            ..rules(&settings)
        };
        let order: Vec<usize> = (0..site.lanes.len()).collect();
        let (mut lanes, mut room, mut memories) = (site.lanes.clone(), site.room.clone(), memories(order.len()));
        allocate(&tree, &mut lanes, &mut memories, &order, rules, &mut room, &mut Buffers::default());
        for (number, (circuit, _)) in tree.balances().enumerate() {
            let difference = site.room[(site.shapes.len() + number) * 4];
            let mut loads = [0; 3];
            for lane in lanes.iter().filter(|lane| lane.feet != PhaseSet::ALL) {
                for (phase, load) in loads.iter_mut().enumerate() {
                    *load += site.weight_in(lane, circuit * 4 + phase) * lane.granted;
                }
            }
            let (most, least) = (loads.into_iter().max().unwrap(), loads.into_iter().min().unwrap());
            prop_assert!(most - least <= difference, "{loads:?} apart by more than {difference}");
        }
        prop_assert!((0..site.shapes.len() * 4).all(|row| site.load(row, |index| lanes[index].granted) <= site.room[row].max(0)));
        for lane in &lanes {
            prop_assert!(lane.granted == 0 || lane.granted <= lane.max && lane.granted == lane.on_grid(lane.granted));
        }
    }
}
