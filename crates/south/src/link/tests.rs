use std::sync::Arc;
use std::time::Duration;

use bus::in_process::InProcess;
use bus::{Bus, Received, Topic};
use dialects::Failure;
use model::message::{Message, Report};
use model::setpoint::Setpoint;
use tokio::sync::watch;

use super::{Link, Post};
use crate::epoch::Epoch;
use crate::fake::{NONSENSE, Outcome, PausedClock, Trace, device, driver, order, site};
use crate::health::Health;

/// Runs a link for `seconds` whose exchanges end as `outcomes` say, with orders at `(ms, epoch, byte)`, and
/// compares what passed between client and device, and what was reported.
async fn check(
    outcomes: &[Outcome],
    orders: &[(u64, u64, u8)],
    seconds: u64,
    expected: &[&str],
    expected_reports: &[&str],
) {
    let (clock, bus, trace, reported) = (
        PausedClock::new(),
        InProcess::new(),
        Trace::default(),
        Trace::default(),
    );
    let (site, device) = (site("home", Vec::new()).id, device("grid").id);
    let post = Arc::new(Post {
        site: site.clone(),
        device: device.clone(),
        bus: bus.clone(),
        clock: clock.clone(),
        epoch: Arc::new(Epoch::default()),
        health: Arc::new(watch::channel(Health::new(site.clone(), device.clone())).0),
    });
    let mut reports = bus.subscribe(Topic::Reports(site.clone())).await;
    let setpoints = bus
        .subscribe(Topic::Setpoints(site.clone(), device.clone()))
        .await;
    let link = Link::new(post, driver(clock, &trace, outcomes), setpoints);

    let mut running = tokio::task::JoinSet::new();
    running.spawn(link.run());
    let written = reported.clone();
    running.spawn(async move {
        while let Some(Received::Message(Message::Reported(said))) = reports.next().await {
            let Report::Link(state) = said.report else {
                panic!("not said by the fake")
            };
            written.note(said.at, &format!("{state:?}"));
        }
    });
    let orders = orders.to_vec();
    running.spawn(async move {
        let start = tokio::time::Instant::now();
        for (at, epoch, byte) in orders {
            tokio::time::sleep_until(start + Duration::from_millis(at)).await;
            let setpoint = Setpoint {
                device: device.clone(),
                epoch,
                action: order(byte),
            };
            bus.publish(Message::Setpoint {
                site: site.clone(),
                setpoint,
            })
            .await;
        }
    });
    tokio::time::sleep(Duration::from_millis(seconds * 1_000 - 1)).await;
    assert_eq!(trace.lines(), expected);
    assert_eq!(reported.lines(), expected_reports);
}

fn after(ms: u64, byte: u8) -> Outcome {
    Some((ms, Ok(byte)))
}

#[tokio::test(start_paused = true)]
async fn polls_when_due_and_dates_reports_by_the_answer() {
    let expected = ["0 asked 0", "40 answer 1", "1000 asked 0", "1030 answer 2"];
    check(
        &[after(40, 1), after(30, 2)],
        &[],
        2,
        &expected,
        &["40 Online", "1030 Online"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_setpoint_goes_out_at_once() {
    let expected = [
        "0 asked 0",
        "40 answer 1",
        "300 told 16",
        "300 asked 16",
        "340 answer 1",
    ];
    check(
        &[after(40, 1)],
        &[(300, 1, 16)],
        1,
        &expected,
        &["40 Online", "340 Online"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_setpoint_is_taken_while_the_device_is_slow_to_answer() {
    let expected = [
        "0 asked 0",
        "300 told 16",
        "400 told 10",
        "900 answer 1",
        "900 asked 10",
        "910 answer 2",
        "910 asked 16",
        "920 answer 2",
    ];
    let reports = ["900 Online", "910 Online", "920 Online"];
    check(
        &[after(900, 1), after(10, 2)],
        &[(300, 1, 16), (400, 1, 10)],
        1,
        &expected,
        &reports,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn setpoints_of_an_engine_that_was_replaced_are_dropped() {
    let expected = [
        "0 asked 0",
        "0 answer 1",
        "100 told 16",
        "100 asked 16",
        "100 answer 1",
        "300 told 10",
        "300 asked 10",
        "300 answer 1",
    ];
    let orders = [(100, 7, 16), (200, 6, 32), (300, 8, 10), (400, 7, 32)];
    check(
        &[after(0, 1)],
        &orders,
        1,
        &expected,
        &["0 Online", "100 Online", "300 Online"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn failures_and_nonsense_reach_the_client_and_nobody_stops() {
    let outcomes = [
        Some((0, Err(Failure::Refused))),
        Some((2_000, Err(Failure::TimedOut { after_ms: 2_000 }))),
        after(0, NONSENSE),
        after(0, 1),
    ];
    let expected = [
        "0 asked 0",
        "0 connection refused",
        "1000 asked 0",
        "3000 no answer within 2000 ms",
        "3000 asked 0",
        "3000 answer 238",
        "4000 asked 0",
        "4000 answer 1",
    ];
    let reports = [
        r#"0 Offline { problem: "connection refused" }"#,
        r#"3000 Offline { problem: "no answer within 2000 ms" }"#,
        r#"3000 Offline { problem: "nonsense" }"#,
        "4000 Online",
    ];
    check(&outcomes, &[], 5, &expected, &reports).await;
}
