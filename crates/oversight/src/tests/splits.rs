//! However samples are split into calls, whenever they are worked off and whenever the process dies: the books are
//! the same.

use proptest::prelude::*;

use super::*;

/// Samples that come in the same minute, and how they come.
#[derive(Clone, Debug)]
struct Minute {
    samples: Vec<(u8, i64, u8, Option<u8>, u8)>,
    /// Calls end after these.
    ends: Vec<bool>,
    /// After these calls what came is worked off, or the process dies.
    works: Vec<bool>,
    dies: Vec<bool>,
}

fn minute() -> impl Strategy<Value = Minute> {
    let sample = (
        0..3_u8,
        prop::sample::select(vec![-700_i64, -120, -60, 0, 0, 0, 5, 400]),
        0..3_u8,
        prop::option::of(0..3_u8),
        0..4_u8,
    );
    let flags = || prop::collection::vec(any::<bool>(), 12);
    (prop::collection::vec(sample, 0..12), flags(), flags(), flags()).prop_map(
        |(samples, ends, works, dies)| Minute {
            samples,
            ends,
            works,
            dies,
        },
    )
}

fn sample_at(minute: i64, (port, offset, state, energy, odd): (u8, i64, u8, Option<u8>, u8)) -> Sample {
    // Nobody registers the third port.
    let port = ["p1", "p2", "p3"][usize::from(port)];
    let state = ["idle", "charging", "fault"][usize::from(state)];
    let energy = energy.map_or_else(String::new, |energy| format!(" energy={energy}"));
    let odd = ["", " error=1007", " temperature=70", " error=1008"][usize::from(odd)];
    sample_of(&format!("{state}{energy}{odd}"), port, minute * 60 + offset)
}

async fn run(minutes: &[Minute], is_split: bool) -> String {
    let mut world = World::new(&["p1", "p2"]).await;
    for (number, minute) in (0..).zip(minutes) {
        world.set_time(number * 60);
        let mut call = Vec::new();
        let last = minute.samples.len().saturating_sub(1);
        for (index, sample) in minute.samples.iter().enumerate() {
            call.push(sample_at(number, *sample));
            if index < last && !(is_split && minute.ends[index]) {
                continue;
            }
            world.report(std::mem::take(&mut call)).await;
            if is_split && minute.works[index] {
                world.authority.catch_up().await.unwrap();
            }
            if is_split && minute.dies[index] {
                world.restart().await;
            }
        }
        world.authority.catch_up().await.unwrap();
        world.authority.look().await.unwrap();
        if is_split && minute.dies[11] {
            world.restart().await;
        }
    }
    world.books().await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_split_and_any_restart_gives_the_same_books(minutes in prop::collection::vec(minute(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let whole = runtime.block_on(run(&minutes, false));
        let split = runtime.block_on(run(&minutes, true));
        prop_assert_eq!(whole, split);
    }
}
