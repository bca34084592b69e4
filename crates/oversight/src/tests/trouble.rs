//! A store that fails: nothing that was acknowledged is lost, nothing is counted twice, nothing stops.

use super::*;

/// What goes on while the store fails after so many calls; whoever is refused asks again when it has recovered.
async fn run(fails_after: Option<i64>) -> String {
    let mut world = World::new(&["p1", "p2"]).await;
    if let Some(calls) = fails_after {
        world.shaky.fail_after(calls);
    }
    for (at, texts) in [
        (0, [("p1", "charging error=1009"), ("p2", "idle")].as_slice()),
        (300, &[("p1", "charging energy=3")]),
        (301, &[("p3", "idle")]),
        (600, &[("p1", "charging energy=2"), ("p2", "charging")]),
    ] {
        world.set_time(at);
        let samples = || {
            texts
                .iter()
                .map(|(port, text)| told(sample_of(text, port, at)))
                .collect()
        };
        if world.authority.report(&operator(), samples(), "/").await.is_err() {
            world.shaky.recover();
            world.authority.report(&operator(), samples(), "/").await.unwrap();
        }
        let is_behind = world.authority.catch_up().await.is_err();
        let looked = world.authority.look().await;
        if is_behind || looked.is_err() {
            // A second attempt fails as well, and a process may die over it.
            assert!(world.authority.catch_up().await.is_err() || world.authority.look().await.is_err());
            world.shaky.recover();
            if at == 300 {
                world.restart().await;
            }
            world.authority.catch_up().await.unwrap();
            world.authority.look().await.unwrap();
        }
    }
    world.shaky.recover();
    world.books().await
}

#[tokio::test]
async fn whenever_the_store_fails_the_books_are_the_same() {
    let expected = run(None).await;
    assert!(
        expected.contains("kept 5, failed 1, warnings 1, EnergyBackwards 1"),
        "{expected}"
    );
    for calls in 0..40 {
        let books = run(Some(calls)).await;
        assert_eq!(books, expected, "fails after {calls} calls");
    }
}

#[tokio::test]
async fn the_task_goes_on_and_says_what_is_wrong() {
    let world = World::new(&["p1"]).await;
    world.report(vec![sample_of("idle", "p1", 0)]).await;
    world.shaky.fail_after(0);
    let stop = tokio_util::sync::CancellationToken::new();
    let task = tokio::spawn(world.authority.clone().run(stop.clone()));
    while world.authority.overview().problem.is_none() {
        tokio::task::yield_now().await;
    }
    let problem = world.authority.overview().problem.unwrap();
    assert!(problem.contains("the disk is full"), "{problem}");
    world.shaky.recover();
    while world.authority.overview().problem.is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(world.books().await.contains("kept 1"));
    stop.cancel();
    task.await.unwrap();
    // What the end stores is the image: nothing is left to be done again.
    assert_eq!(world.shaky.inner.latest_samples(0, 9).await.unwrap().len(), 1);
}
