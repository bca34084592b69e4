//! What every bus must do, as checks over `dyn Bus`: each backend runs them all.
//!
//! The bus under test should answer asks within a fraction of a second, so that the checks of a silent desk
//! are quick.

use std::sync::Arc;

use model::device::LinkState;
use model::document::Document;
use model::id::{DeviceId, SiteId};
use model::intent::{Intent, Receipt, Rejection, Wanted};
use model::message::{Message, Report, Reported};
use model::question::{Finding, Question};
use model::setpoint::{Action, Setpoint};
use model::time::{Monotonic, Now, Timestamp};
use model::view::{CycleView, Flow, Overdraft, SiteView};

use crate::{Asked, Bus, Received, Subscription, Topic};

/// Runs every check; panics on the first that fails.
pub async fn check(bus: &Arc<dyn Bus>) {
    topics_are_kept_apart(bus).await;
    the_latest_is_kept(bus).await;
    a_slow_subscriber_loses_the_oldest(bus).await;
    an_ask_has_one_answer(bus).await;
    a_newer_desk_replaces_an_older_one(bus).await;
    nobody_at_the_desk_is_busy(bus).await;
}

async fn topics_are_kept_apart(bus: &Arc<dyn Bus>) {
    let mut of_a = bus.subscribe(Topic::Reports(site("a"))).await;
    let mut of_b = bus.subscribe(Topic::Reports(site("b"))).await;
    let mut of_device = bus
        .subscribe(Topic::setpoints_of(&site("a"), &device("left")))
        .await;
    let two = [(site("a"), device("left")), (site("b"), device("left"))];
    let mut of_two = bus.subscribe(Topic::Setpoints(two.into())).await;
    let mut views = bus.subscribe(Topic::Views).await;
    let mut nouns = bus.subscribe(Topic::Nouns).await;

    bus.publish(identity("a", "meter", "one")).await;
    bus.publish(Message::NounsChanged {
        kind: "tariff".to_owned(),
    })
    .await;
    bus.publish(identity("b", "meter", "two")).await;
    bus.publish(setpoint("a", "right", 1)).await;
    bus.publish(setpoint("b", "left", 2)).await;
    bus.publish(setpoint("a", "left", 3)).await;
    bus.publish(view("a", 4)).await;
    bus.publish(view("b", 5)).await;

    assert_eq!(next(&mut *of_a).await, "a/meter one");
    assert_eq!(next(&mut *of_b).await, "b/meter two");
    assert_eq!(next(&mut *of_device).await, "a/left epoch 3");
    assert_eq!(next(&mut *of_two).await, "b/left epoch 2");
    assert_eq!(next(&mut *of_two).await, "a/left epoch 3");
    assert_eq!(next(&mut *views).await, "view a 4");
    assert_eq!(next(&mut *views).await, "view b 5");
    assert_eq!(next(&mut *nouns).await, "nouns tariff");
}

async fn the_latest_is_kept(bus: &Arc<dyn Bus>) {
    assert!(bus.latest_view(&site("nowhere")).await.is_none());
    assert!(
        bus.latest_document(&site("a"), &device("nothing"))
            .await
            .is_none()
    );
    bus.publish(view("z", 1)).await;
    bus.publish(view("y", 1)).await;
    bus.publish(view("z", 2)).await;
    assert_eq!(
        bus.latest_view(&site("z")).await.map(|view| view.cycle.count),
        Some(2)
    );
    let ids: Vec<String> = bus
        .latest_views()
        .await
        .iter()
        .map(|view| view.id.to_string())
        .collect();
    assert!(ids.is_sorted() && ids.contains(&"y".to_owned()), "{ids:?}");

    for json in ["{\"car\":1}", "{\"car\":2}"] {
        let document = Document {
            dialect: "goe".to_owned(),
            at: now(),
            json: Arc::from(json),
        };
        bus.publish(report("a", "left", Report::Document(document))).await;
    }
    bus.publish(report("a", "left", Report::Link(LinkState::Online)))
        .await;
    let document = bus.latest_document(&site("a"), &device("left")).await;
    assert_eq!(
        document.map(|document| document.json.to_string()),
        Some("{\"car\":2}".to_owned())
    );
}

async fn a_slow_subscriber_loses_the_oldest(bus: &Arc<dyn Bus>) {
    let sent = 5_000;
    let mut slow = bus.subscribe(Topic::Reports(site("busy"))).await;
    for n in 0..sent {
        bus.publish(identity("busy", "meter", &n.to_string())).await;
    }
    let missed = match slow.next().await {
        Some(Received::Missed(count)) => count,
        Some(Received::Message(_)) | None => panic!("a full queue was not reported"),
    };
    assert!(missed > 0 && missed < sent);
    for n in missed..sent {
        assert_eq!(next(&mut *slow).await, format!("busy/meter {n}"));
    }
}

async fn an_ask_has_one_answer(bus: &Arc<dyn Bus>) {
    let mut desk = bus.open_desk(&site("desk")).await;
    let asked = tokio::spawn({
        let bus = Arc::clone(bus);
        async move { bus.ask(intent("desk")).await }
    });
    let Some(Asked::Intent(taken, reply)) = desk.next().await else {
        panic!("no intent");
    };
    assert_eq!(taken, intent("desk"));
    let receipt = Receipt {
        at: Timestamp(7),
        epoch: 3,
        wish: None,
        said: Vec::new(),
    };
    reply.0.send(Ok(receipt.clone())).unwrap();
    assert_eq!(asked.await.unwrap(), Ok(receipt));

    let question = Question::WhatHelps {
        evse: "left".parse().unwrap(),
    };
    let asked = tokio::spawn({
        let (bus, question) = (Arc::clone(bus), question.clone());
        async move { bus.inquire(&site("desk"), question).await }
    });
    let Some(Asked::Question(taken, reply)) = desk.next().await else {
        panic!("no question");
    };
    assert_eq!(taken, question);
    let found = Ok(Finding::WhatHelps(Vec::new()));
    reply.0.send(found.clone()).unwrap();
    assert_eq!(asked.await.unwrap(), found);
}

async fn a_newer_desk_replaces_an_older_one(bus: &Arc<dyn Bus>) {
    let mut older = bus.open_desk(&site("moved")).await;
    let mut newer = bus.open_desk(&site("moved")).await;
    let asked = tokio::spawn({
        let bus = Arc::clone(bus);
        async move { bus.ask(intent("moved")).await }
    });
    let Some(Asked::Intent(_, reply)) = newer.next().await else {
        panic!("no intent");
    };
    let refusal = Rejection::NotSupported {
        what: "`x`".to_owned(),
    };
    reply.0.send(Err(refusal.clone())).unwrap();
    assert_eq!(asked.await.unwrap(), Err(refusal));
    assert!(older.next().await.is_none(), "the older desk goes on");
}

async fn nobody_at_the_desk_is_busy(bus: &Arc<dyn Bus>) {
    assert!(matches!(
        bus.ask(intent("nowhere")).await,
        Err(Rejection::Unknown { .. })
    ));

    bus.publish(view("viewed", 1)).await;
    assert!(is_busy(bus, "viewed").await, "a known site without a desk");

    drop(bus.open_desk(&site("left")).await);
    assert!(is_busy(bus, "left").await, "a desk that was left");

    let _silent = bus.open_desk(&site("silent")).await;
    assert!(is_busy(bus, "silent").await, "a desk that does not answer");

    let mut dropping = bus.open_desk(&site("dropping")).await;
    let asked = tokio::spawn({
        let bus = Arc::clone(bus);
        async move { bus.ask(intent("dropping")).await }
    });
    drop(dropping.next().await);
    assert!(
        matches!(asked.await.unwrap(), Err(Rejection::Busy { .. })),
        "an ask that was dropped"
    );
}

async fn is_busy(bus: &Arc<dyn Bus>, site: &str) -> bool {
    matches!(bus.ask(intent(site)).await, Err(Rejection::Busy { .. }))
}

/// The next message as one line.
async fn next(subscription: &mut dyn Subscription) -> String {
    match subscription.next().await {
        Some(Received::Message(Message::Reported(reported))) => {
            let (site, device) = (&reported.site, &reported.device);
            if let Report::Identity { text } = &reported.report {
                format!("{site}/{device} {text}")
            } else {
                format!("{site}/{device} {:?}", reported.report)
            }
        }
        Some(Received::Message(Message::Setpoint { site, setpoint })) => {
            format!("{site}/{} epoch {}", setpoint.device, setpoint.epoch)
        }
        Some(Received::Message(Message::NounsChanged { kind })) => format!("nouns {kind}"),
        Some(Received::Message(Message::View(view))) => format!("view {} {}", view.id, view.cycle.count),
        Some(Received::Missed(count)) => format!("missed {count}"),
        None => "end".to_owned(),
    }
}

fn site(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
}

fn device(id: &str) -> DeviceId {
    DeviceId::new(id).unwrap()
}

fn now() -> Now {
    Now {
        wall: Timestamp(1_000),
        monotonic: Monotonic(1_000),
    }
}

fn report(of: &str, by: &str, report: Report) -> Message {
    Message::Reported(Reported {
        site: site(of),
        device: device(by),
        at: now(),
        report,
    })
}

fn identity(of: &str, by: &str, text: &str) -> Message {
    report(
        of,
        by,
        Report::Identity {
            text: text.to_owned(),
        },
    )
}

fn setpoint(of: &str, to: &str, epoch: u64) -> Message {
    let setpoint = Setpoint {
        device: device(to),
        epoch,
        action: Action::BatteryPower { power: None },
    };
    Message::Setpoint {
        site: site(of),
        setpoint,
    }
}

fn view(of: &str, count: u64) -> Message {
    Message::View(Arc::new(SiteView {
        id: site(of),
        name: of.to_owned(),
        time_zone: "Europe/Vienna".to_owned(),
        epoch: 1,
        at: now(),
        flow: Flow::default(),
        circuits: Vec::new(),
        devices: Vec::new(),
        evses: Vec::new(),
        alarms: Vec::new(),
        overdraft: Overdraft::default(),
        rules: [].into(),
        cycle: CycleView { count, last_us: 0 },
    }))
}

fn intent(at: &str) -> Intent {
    let wanted = Wanted::VendorWrite {
        evse: model::id::EvseId::new("left").unwrap(),
        dialect: "goe".to_owned(),
        key: "x".to_owned(),
        value: "1".to_owned(),
    };
    Intent {
        site: site(at),
        by: "admin".to_owned(),
        door: "native".to_owned(),
        wanted,
    }
}
