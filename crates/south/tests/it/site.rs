//! A site of one device, its bus, and what arrives there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bus::in_process::InProcess;
use bus::{Bus, Received, Subscription, Topic};
use model::device::{AuthorisationMode, ChargeMode, Device, DeviceKind, Evse, LinkSettings, LinkState};
use model::id::{CircuitId, DeviceId, EvseId, SiteId};
use model::message::{Message, Report};
use model::phases::{PhaseRotation, PhaseSet};
use model::setpoint::{Action, ChargeCurrent, Setpoint};
use model::site::{Keeper, Site};
use model::time::{Clock, Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts};
use south::Supervisor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// After this long a test counts as hung.
pub const HUNG: Duration = Duration::from_secs(30);

pub struct RealClock(tokio::time::Instant);

impl RealClock {
    pub fn start() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

impl Clock for RealClock {
    fn now(&self) -> Now {
        let elapsed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Now {
            wall: Timestamp::from_seconds(1_700_000_000),
            monotonic: Monotonic(0),
        }
        .after(Millis(elapsed))
    }
}

/// One device with its link running.
pub struct Home {
    bus: Arc<InProcess>,
    reports: Box<dyn Subscription>,
    supervisor: Supervisor,
    site: SiteId,
    device: DeviceId,
}

impl Home {
    pub async fn start(device: Device) -> Self {
        let (bus, site) = (InProcess::new(), site(device));
        let reports = bus.subscribe(Topic::Reports(site.id.clone())).await;
        let sites = std::slice::from_ref(&site);
        let supervisor = Supervisor::start(
            sites,
            &[],
            bus.clone(),
            RealClock::start(),
            CancellationToken::new(),
        )
        .await;
        Self {
            bus,
            reports,
            supervisor,
            device: site.devices[0].id.clone(),
            site: site.id,
        }
    }

    /// The first report from now on that `wanted` takes.
    pub async fn wait_for<T>(&mut self, wanted: impl Fn(&Report) -> Option<T>) -> T {
        let found = async {
            loop {
                match self.reports.next().await {
                    Some(Received::Message(Message::Reported(reported))) => {
                        if let Some(found) = wanted(&reported.report) {
                            return found;
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::time::timeout(HUNG, found)
            .await
            .expect("the report never came")
    }

    pub async fn wait_until_online(&mut self) {
        self.wait_for(|report| (*report == Report::Link(LinkState::Online)).then_some(()))
            .await;
    }

    /// What is said to be wrong.
    pub async fn wait_until_offline(&mut self) -> String {
        self.wait_for(|report| {
            let Report::Link(LinkState::Offline { problem }) = report else {
                return None;
            };
            Some(problem.clone())
        })
        .await
    }

    pub async fn order(&self, epoch: u64, action: Action) {
        let setpoint = Setpoint {
            device: self.device.clone(),
            epoch,
            action,
        };
        self.bus
            .publish(Message::Setpoint {
                site: self.site.clone(),
                setpoint,
            })
            .await;
    }

    pub async fn stop(self) {
        self.supervisor.stop().await;
        assert_eq!(Arc::strong_count(&self.bus), 1, "something still runs");
    }
}

pub async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub fn site(device: Device) -> Site {
    Site {
        id: SiteId::new("home").unwrap(),
        name: "Home".to_owned(),
        keeper: Keeper::Ours,
        time_zone: "Europe/Vienna".to_owned(),
        position: None,
        nominal_voltage: MilliVolts(230_000),
        grid: model::grid::GridRules::default(),
        circuits: Vec::new(),
        devices: vec![device],
    }
}

pub fn device(kind: DeviceKind, link: LinkSettings) -> Device {
    Device {
        id: DeviceId::new("it").unwrap(),
        name: "It".to_owned(),
        kind,
        circuit: CircuitId::new("house").unwrap(),
        enabled: true,
        period: Millis(100),
        link,
    }
}

pub fn evse() -> Evse {
    Evse {
        id: EvseId::new("left").unwrap(),
        name: "Left".to_owned(),
        terminals: PhaseSet::ALL,
        rotation: PhaseRotation::default(),
        min: MilliAmps(6_000),
        max: MilliAmps(16_000),
        step: MilliAmps(1_000),
        phase_switching: true,
        class: 1,
        weight: 1,
        fallback: ChargeCurrent::at_most(MilliAmps(6_000)),
        default_mode: ChargeMode::Fast,
        authorisation: AuthorisationMode::None,
        habits: model::habits::Habits::default(),
        dimmable: true,
        before_battery: false,
    }
}

pub fn charge(amps: i64) -> Action {
    Action::Charge {
        evse: evse().id,
        current: ChargeCurrent::at_most(MilliAmps(amps * 1_000)),
        phases: None,
    }
}
