use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::in_process::InProcess;
use bus::{Bus, Received, Subscription, Topic};
use dialects::Failure;
use model::device::{Device, LinkSettings, LinkState};
use model::gateway::{Gateway, GatewayLink, Unit};
use model::message::{Message, Report};
use model::setpoint::Setpoint;
use model::site::{Keeper, Site};
use model::time::Clock;
use model::view::LinkCounts;
use tokio_util::sync::CancellationToken;

use super::{Means, Supervisor};
use crate::driver::{Driver, Misfit, Target};
use crate::fake::{Outcome, PANIC, PausedClock, Trace, device, driver, order, site};

/// Starts links whose drivers come from `make_driver`, which is told how many were made before.
async fn start(
    sites: &[Site],
    bus: &Arc<InProcess>,
    make_driver: impl Fn(&Device, u64, Arc<dyn Clock>) -> Result<Driver, Misfit> + Send + Sync + 'static,
) -> Supervisor {
    let (made, clock) = (AtomicU64::new(0), PausedClock::new());
    let for_drivers = clock.clone();
    let make = move |target: &Target| {
        let device = match target {
            Target::Device(device) => device,
            Target::Gateway(_, devices) => &devices[0],
        };
        make_driver(device, made.fetch_add(1, Ordering::Relaxed), for_drivers.clone())
    };
    let means = Means {
        bus: bus.clone(),
        clock,
        make_driver: Arc::new(make),
    };
    Supervisor::start_with(sites, &[line()], means, CancellationToken::new()).await
}

/// Device, state and number of restarts of each link.
fn states(supervisor: &Supervisor) -> Vec<(String, LinkState, u64)> {
    supervisor
        .health()
        .into_iter()
        .flat_map(|h| {
            let devices = h.devices.into_iter();
            devices.map(move |device| (device.device.to_string(), device.link, h.restarts))
        })
        .collect()
}

fn line() -> Gateway {
    Gateway {
        id: "line".parse().unwrap(),
        name: "Line".to_owned(),
        link: GatewayLink::Modbus {
            address: "127.0.0.1:1".to_owned(),
        },
    }
}

fn on_line(id: &str, unit: &str) -> Device {
    Device {
        link: LinkSettings::Via {
            gateway: line().id,
            unit: Unit::named(unit),
            definition: None,
        },
        ..device(id)
    }
}

#[tokio::test(start_paused = true)]
async fn devices_behind_one_gateway_share_a_link_also_of_several_sites() {
    let disabled = Device {
        enabled: false,
        ..on_line("off", "5")
    };
    let home = site("home", vec![on_line("grid", "4"), device("pv"), disabled]);
    let roof = site("roof", vec![on_line("sun", "3")]);
    let bus = InProcess::new();
    let mut reports = bus.subscribe(Topic::Reports(home.id.clone())).await;
    let supervisor = start(&[home, roof], &bus, |device, _, clock| {
        if device.link.via().is_some() {
            return Err(Misfit("no such line".to_owned()));
        }
        Ok(driver(clock, &Trace::default(), &[ANSWERS]))
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let health = supervisor.health();
    assert_eq!(health.len(), 2);
    let states: BTreeMap<_, _> = states(&supervisor)
        .into_iter()
        .map(|(device, link, _)| (device, link))
        .collect();
    let expected = [
        ("grid", offline("no such line")),
        ("pv", LinkState::Online),
        ("sun", offline("no such line")),
    ];
    let expected = expected.map(|(id, state)| (id.to_owned(), state));
    assert_eq!(states, BTreeMap::from(expected));
    assert_eq!(
        next_report(&mut reports).await,
        ("grid".to_owned(), Report::Link(offline("no such line")))
    );
    supervisor.stop().await;
}

fn offline(problem: &str) -> LinkState {
    LinkState::Offline {
        problem: problem.to_owned(),
    }
}

const ANSWERS: Outcome = Some((10, Ok(1)));

/// The next report, with its device.
async fn next_report(reports: &mut Box<dyn Subscription>) -> (String, Report) {
    match reports.next().await {
        Some(Received::Message(Message::Reported(reported))) => {
            (reported.device.to_string(), reported.report)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn only_enabled_devices_of_our_own_sites_are_dialled() {
    let disabled = Device {
        enabled: false,
        ..device("disabled")
    };
    let known = Device {
        link: LinkSettings::None,
        ..device("known")
    };
    let home = site("home", vec![device("grid"), disabled, known, device("left")]);
    let foreign = Site {
        keeper: Keeper::Reported,
        ..site("foreign", vec![device("theirs")])
    };
    let supervisor = start(&[home, foreign], &InProcess::new(), |_, _, clock| {
        Ok(driver(clock, &Trace::default(), &[ANSWERS]))
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let online = |id: &str| (id.to_owned(), LinkState::Online, 0);
    assert_eq!(states(&supervisor), [online("grid"), online("left")]);
    assert_eq!(
        supervisor.health()[0].last_answer.map(|at| at.monotonic.0),
        Some(10)
    );
    supervisor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_off_or_silent_holds_up_nobody() {
    let home = site("home", vec![device("off"), device("silent"), device("grid")]);
    let bus = InProcess::new();
    let supervisor = start(&[home], &bus, |device, _, clock| {
        let outcome: Outcome = match device.id.as_str() {
            "off" => Some((0, Err(Failure::Refused))),
            "silent" => None,
            _ => ANSWERS,
        };
        Ok(driver(clock, &Trace::default(), &[outcome]))
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let expected = [
        ("off".to_owned(), offline("connection refused"), 0),
        ("silent".to_owned(), LinkState::Connecting, 0),
        ("grid".to_owned(), LinkState::Online, 0),
    ];
    assert_eq!(states(&supervisor), expected);
    let counts = LinkCounts {
        connecting: 1,
        online: 1,
        offline: 1,
        restarts: 0,
    };
    assert_eq!(supervisor.counts()(), BTreeMap::from([("sunspec", counts)]));
    tokio::time::timeout(Duration::from_millis(10), supervisor.stop())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_link_that_panics_is_started_again_and_the_others_do_not_notice() {
    let home = site("home", vec![device("broken"), device("grid")]);
    let (bus, trace) = (InProcess::new(), Trace::default());
    let in_links = trace.clone();
    let supervisor = start(&[home], &bus, move |device, made, clock| {
        let breaks = device.id.as_str() == "broken" && made < 4;
        let outcome = if breaks { Some((10, Ok(PANIC))) } else { ANSWERS };
        let quiet = Trace::default();
        Ok(driver(
            clock,
            if device.id.as_str() == "grid" {
                &in_links
            } else {
                &quiet
            },
            &[outcome],
        ))
    })
    .await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let problem = "its link failed and is being started again; the log says why";
    assert_eq!(states(&supervisor)[0], ("broken".to_owned(), offline(problem), 1));
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert_eq!(
        states(&supervisor)[0],
        ("broken".to_owned(), LinkState::Online, 3)
    );
    assert_eq!(states(&supervisor)[1], ("grid".to_owned(), LinkState::Online, 0));
    let counts = LinkCounts {
        online: 2,
        restarts: 3,
        ..LinkCounts::default()
    };
    assert_eq!(supervisor.counts()(), BTreeMap::from([("sunspec", counts)]));
    assert_eq!(
        trace
            .lines()
            .iter()
            .filter(|line| line.ends_with("asked 0"))
            .count(),
        20
    );
    supervisor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_old_epoch_stays_old_after_a_restart() {
    let home = site("home", vec![device("left")]);
    let (bus, trace) = (InProcess::new(), Trace::default());
    let in_links = trace.clone();
    let supervisor = start(std::slice::from_ref(&home), &bus, move |_, made, clock| {
        let last = if made == 0 { Some((0, Ok(PANIC))) } else { ANSWERS };
        Ok(driver(clock, &in_links, &[ANSWERS, last]))
    })
    .await;
    for (wait_ms, epoch, byte) in [(100, 2, 16), (5_000, 1, 32), (0, 2, 10)] {
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let setpoint = Setpoint {
            device: home.devices[0].id.clone(),
            epoch,
            action: order(byte),
        };
        bus.publish(Message::Setpoint {
            site: home.id.clone(),
            setpoint,
        })
        .await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(supervisor.health()[0].restarts, 1);
    let told: Vec<_> = trace
        .lines()
        .into_iter()
        .filter(|line| line.contains("told"))
        .collect();
    assert_eq!(told, ["100 told 16", "5100 told 10"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_cannot_be_talked_to_says_so_again_and_again() {
    let bus = InProcess::new();
    let home = site("home", vec![device("odd")]);
    let supervisor = start(std::slice::from_ref(&home), &bus, |_, _, _| {
        Err(Misfit("no such definition".to_owned()))
    })
    .await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let mut reports = bus.subscribe(Topic::Reports(home.id)).await;
    let said = tokio::time::timeout(Duration::from_secs(61), next_report(&mut reports)).await;
    assert_eq!(
        said.unwrap(),
        ("odd".to_owned(), Report::Link(offline("no such definition")))
    );
    assert_eq!(
        states(&supervisor),
        [("odd".to_owned(), offline("no such definition"), 0)]
    );
    supervisor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn cancelling_the_token_ends_the_links() {
    let shutdown = CancellationToken::new();
    let home = site("home", vec![device("silent")]);
    let clock = PausedClock::new();
    let for_driver = clock.clone();
    let make = move |_: &Target| Ok(driver(for_driver.clone(), &Trace::default(), &[None]));
    let means = Means {
        bus: InProcess::new(),
        clock,
        make_driver: Arc::new(make),
    };
    let mut supervisor = Supervisor::start_with(&[home], &[], means, shutdown.clone()).await;
    shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_millis(10), supervisor.links.join_next()).await;
    assert!(matches!(ended, Ok(Some(Ok(())))), "{ended:?}");
}
