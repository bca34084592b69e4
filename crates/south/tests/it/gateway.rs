//! A meter and a battery on one serial line, behind a converter that takes one connection.

use std::sync::{Arc, Mutex};

use bus::{Bus, InProcess, Received, Topic};
use dialects::modbus::answer;
use dialects::sunspec::{Image, ModelInstance};
use links::ServerLimits;
use model::device::{Device, DeviceKind, LinkSettings, LinkState, MeterRole};
use model::gateway::{Gateway, GatewayLink, Unit};
use model::message::{Message, Report};
use model::setpoint::{Action, Setpoint};
use model::site::Site;
use model::units::{PerMille, Watts};
use south::Supervisor;
use tokio_util::sync::CancellationToken;

use crate::site::{HUNG, RealClock, device, listener, site};

const METER: u8 = 3;
const BATTERY: u8 = 4;

fn meter() -> Image {
    let mut image = Image::new(&[ModelInstance::new(1), ModelInstance::new(203)]).unwrap();
    image.set(203, "W", Watts(-1_500)).unwrap();
    image
}

fn battery() -> Image {
    let mut image = Image::new(&[1, 124, 802].map(ModelInstance::new)).unwrap();
    for (point, value) in [
        ("WChaMax", 5_000),
        ("StorCtl_Mod", 0),
        ("InWRte", 100),
        ("OutWRte", 100),
    ] {
        image.set(124, point, value).unwrap();
    }
    image.set(802, "ChaSt", 4).unwrap();
    image.set(802, "W", Watts(800)).unwrap();
    image.set(802, "SoC", PerMille(430)).unwrap();
    image
}

fn behind(id: &str, unit: u8, kind: DeviceKind) -> Device {
    let link = LinkSettings::Via {
        gateway: "line".parse().unwrap(),
        unit: Unit::named(&unit.to_string()),
        definition: None,
    };
    Device {
        id: id.parse().unwrap(),
        ..device(kind, link)
    }
}

fn home() -> Site {
    let battery = DeviceKind::Battery {
        capacity: None,
        max_charge: Watts(5_000),
        max_discharge: Watts(5_000),
    };
    let grid = DeviceKind::Meter {
        role: MeterRole::Grid,
    };
    let mut home = site(behind("grid", METER, grid));
    home.devices.push(behind("battery", BATTERY, battery));
    home
}

#[tokio::test]
async fn two_devices_share_one_connection_and_each_has_its_own_orders() {
    let (listener, address) = listener().await;
    let images = Arc::new(Mutex::new([meter(), battery()]));
    let stop = CancellationToken::new();
    let served = Arc::clone(&images);
    let limits = ServerLimits {
        connections: 1,
        ..ServerLimits::default()
    };
    tokio::spawn(links::modbus_tcp::serve(
        listener,
        limits,
        stop.clone(),
        move |unit, pdu: Vec<u8>| {
            let mut images = served.lock().unwrap();
            let image = match unit {
                METER => Some(&mut images[0]),
                BATTERY => Some(&mut images[1]),
                _ => None,
            };
            std::future::ready(image.map(|image| answer(&pdu, image)))
        },
    ));
    let (bus, home) = (InProcess::new(), home());
    let mut reports = bus.subscribe(Topic::Reports(home.id.clone())).await;
    let gateway = Gateway {
        id: "line".parse().unwrap(),
        name: "Line".to_owned(),
        link: GatewayLink::Modbus {
            address: address.to_string(),
        },
    };
    let links = Supervisor::start(
        std::slice::from_ref(&home),
        &[gateway],
        bus.clone(),
        RealClock::start(),
        CancellationToken::new(),
    )
    .await;
    let mut power_of = async |id: &str| loop {
        let next = tokio::time::timeout(HUNG, reports.next()).await.unwrap();
        let Some(Received::Message(Message::Reported(said))) = next else {
            panic!("{next:?}")
        };
        if let Report::Measured(measured) = said.report
            && said.device.as_str() == id
        {
            break measured.power;
        }
    };
    assert_eq!(power_of("grid").await, Some(Watts(-1_500)));
    assert_eq!(power_of("battery").await, Some(Watts(800)));
    assert_eq!(power_of("grid").await, Some(Watts(-1_500)));

    let power = Some(Watts(-2_500));
    let setpoint = Setpoint {
        device: "battery".parse().unwrap(),
        epoch: 1,
        action: Action::BatteryPower { power },
    };
    let site = home.id.clone();
    bus.publish(Message::Setpoint { site, setpoint }).await;
    let is_told = || {
        let writes = images.lock().unwrap()[1].take_writes();
        writes.into_iter().any(|write| write.point == "OutWRte")
    };
    while !is_told() {
        power_of("battery").await;
    }

    let health = links.health();
    assert_eq!(health.len(), 1, "one link for both");
    for device in &health[0].devices {
        assert_eq!(device.link, LinkState::Online, "{}", device.device);
    }
    assert!(images.lock().unwrap()[0].take_writes().is_empty());
    links.stop().await;
    stop.cancel();
}
