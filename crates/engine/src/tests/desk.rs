//! The desk over a bus and a store: who waits for a device holds nobody up, and what is kept survives.

use bus::{Bus, InProcess, Received, Topic};
use model::message::{Answer, Message};
use model::time::Clock;
use store::{Audit, Sites, Sqlite};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::run::Engine;

/// Stands still: nothing here waits for time to pass.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Now {
        now(0)
    }
}

/// A site whose engine runs.
pub(super) struct Running {
    pub bus: Arc<InProcess>,
    pub store: Arc<Sqlite>,
    stop: CancellationToken,
    engine: JoinHandle<()>,
}

impl Running {
    pub async fn start(site: Site, store: Arc<Sqlite>, aside: &std::path::Path) -> Self {
        let bus = InProcess::new();
        let engine = Engine {
            site: Arc::new(site),
            settings: ControlSettings::default(),
            bus: bus.clone(),
            store: store.clone(),
            clock: Arc::new(Standing),
            aside: aside.to_owned(),
        };
        let stop = CancellationToken::new();
        let opened = engine.open().await.unwrap();
        let engine = tokio::spawn(opened.run(stop.clone()));
        Self {
            bus,
            store,
            stop,
            engine,
        }
    }

    fn ask(&self, wanted: Wanted) -> JoinHandle<Answer> {
        let bus = self.bus.clone();
        let intent = Intent {
            site: SiteId::new("home").unwrap(),
            by: "somebody".to_owned(),
            door: "goe".to_owned(),
            wanted,
        };
        tokio::spawn(async move { bus.ask(intent).await })
    }

    pub async fn report(&self, report: Report) {
        let reported = Reported {
            site: SiteId::new("home").unwrap(),
            device: DeviceId::new("station").unwrap(),
            at: now(0),
            report,
        };
        self.bus.publish(Message::Reported(reported)).await;
    }

    async fn reads(&self, key: &str) -> Option<String> {
        let site = SiteId::new("home").unwrap();
        let view = self.bus.latest_view(&site).await.unwrap();
        view.evses[0].keys.get("goe")?.get(key).cloned()
    }

    /// Until the engine has heard that the station answers, and so whatever was reported before that.
    pub async fn until_online(&self) {
        let site = SiteId::new("home").unwrap();
        loop {
            let (evse, mode) = (evse_id(), ChargeMode::Fast);
            self.ask(Wanted::Mode { evse, mode }).await.unwrap().unwrap();
            let view = self.bus.latest_view(&site).await.unwrap();
            if view.devices.iter().any(|device| device.link == LinkState::Online) {
                return;
            }
        }
    }

    pub async fn end(self) -> Arc<Sqlite> {
        self.stop.cancel();
        self.engine.await.unwrap();
        self.store
    }
}

#[tokio::test]
async fn who_waits_for_a_device_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::in_memory().unwrap();
    let home = Running::start(site().as_ref().clone(), store, directory.path()).await;
    let station = DeviceId::new("station").unwrap();
    let topic = Topic::setpoints_of(&SiteId::new("home").unwrap(), &station);
    let mut setpoints = home.bus.subscribe(topic).await;
    home.report(Report::Link(LinkState::Online)).await;
    let mut tickets = Vec::new();
    let waiting = [
        home.ask(vendor("fna", "\"garage\"")),
        home.ask(vendor("cid", "\"red\"")),
    ];
    while tickets.len() < 2 {
        if let Some(Received::Message(Message::Setpoint { setpoint, .. })) = setpoints.next().await
            && let Action::VendorWrite { ticket, key, .. } = setpoint.action
        {
            tickets.push((key, ticket));
        }
    }
    tickets.sort();
    // The desk is free meanwhile.
    let wanted = Wanted::Current {
        evse: evse_id(),
        current: MilliAmps(9_000),
    };
    assert!(home.ask(wanted).await.unwrap().is_ok());
    let [fna, cid] = waiting;
    assert!(!fna.is_finished() && !cid.is_finished());
    let [(_, of_cid), (_, of_fna)] = tickets[..] else {
        panic!("{tickets:?}");
    };
    home.report(Report::VendorAnswer {
        ticket: of_cid,
        answer: Err("cid: no colour".to_owned()),
    })
    .await;
    let said = "cid: no colour".to_owned();
    assert_eq!(cid.await.unwrap(), Err(Rejection::Device { said }));
    home.report(Report::VendorAnswer {
        ticket: of_fna,
        answer: Ok(Vec::new()),
    })
    .await;
    assert!(fna.await.unwrap().is_ok());
    assert_eq!(home.reads("fna").await.as_deref(), Some("\"garage\""));
    let store = home.end().await;
    let outcomes: Vec<(String, String)> = store
        .recent(10)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| (entry.action, entry.outcome))
        .collect();
    for expected in [
        ("key fna of left", "accepted"),
        ("key cid of left", "the device refuses: cid: no colour"),
    ] {
        let found = outcomes
            .iter()
            .any(|(action, outcome)| (action.as_str(), outcome.as_str()) == expected);
        assert!(found, "{expected:?} in {outcomes:?}");
    }
}

#[tokio::test]
async fn what_only_we_keep_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut other = site().as_ref().clone();
    other.devices[1].link = LinkSettings::None;
    let store = Sqlite::in_memory().unwrap();
    let before = Running::start(other.clone(), store, directory.path()).await;
    assert!(before.ask(vendor("fna", "\"garage\"")).await.unwrap().is_ok());
    assert_eq!(before.reads("fna").await.as_deref(), Some("\"garage\""));
    let store = before.end().await;
    let after = Running::start(other, store, directory.path()).await;
    let readings = Pushed {
        grid: Watts(0),
        pv: None,
        battery: None,
    };
    let evse = evse_id();
    assert!(
        after
            .ask(Wanted::PushedReadings { evse, readings })
            .await
            .unwrap()
            .is_ok()
    );
    assert_eq!(after.reads("fna").await.as_deref(), Some("\"garage\""));
    let store = after.end().await;
    let audited = store.recent(10).await.unwrap();
    assert!(
        audited.iter().all(|entry| !entry.action.contains("pushed")),
        "{audited:?}"
    );
}

#[tokio::test]
async fn what_a_device_said_before_a_restart_is_on_the_bus_and_not_recorded_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::in_memory().unwrap();
    let (home, station) = (SiteId::new("home").unwrap(), DeviceId::new("station").unwrap());
    let said = |second: i64| Document {
        dialect: "goe".to_owned(),
        at: now(second * 1_000),
        json: format!(r#"{{"rbt":{second}}}"#).into(),
    };
    store.put_document(&home, &station, &said(-3_600)).await.unwrap();
    let running = Running::start(site().as_ref().clone(), store, directory.path()).await;
    let latest = running.bus.latest_document(&home, &station).await.unwrap();
    assert_eq!(latest.at.wall, said(-3_600).at.wall);
    assert_eq!(latest.json, said(-3_600).json);
    // Documents are recorded once a minute: had the engine taken the old one for news, this would not be.
    running.report(Report::Document(said(1))).await;
    running.report(Report::Link(LinkState::Online)).await;
    running.until_online().await;
    let store = running.end().await;
    let kept = store.documents(&home).await.unwrap();
    assert_eq!(kept[0].1.json, said(1).json.as_ref());
}
