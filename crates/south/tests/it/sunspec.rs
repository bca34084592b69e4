//! A meter and a battery over Modbus TCP, and what may stand in their place.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use dialects::modbus::answer;
use dialects::sunspec::{Image, ModelInstance};
use links::ServerLimits;
use model::device::{Device, DeviceKind, LinkSettings, MeterRole};
use model::message::Report;
use model::setpoint::Action;
use model::units::{PerMille, Watts};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::site::{Home, device, listener};

const UNIT: u8 = 3;

type Shared = Arc<Mutex<Image>>;

fn meter_image() -> Shared {
    let mut image = Image::new(&[ModelInstance::new(1), ModelInstance::new(203)]).unwrap();
    image.set_text(1, "Mn", "Acme").unwrap();
    image.set(203, "W", Watts(-1_500)).unwrap();
    Arc::new(Mutex::new(image))
}

/// Answers requests to its unit and no other, until the guard is dropped.
fn listen(listener: TcpListener, image: &Shared) -> DropGuard {
    let (shutdown, image) = (CancellationToken::new(), Arc::clone(image));
    let handler = move |unit, pdu: Vec<u8>| {
        let answer = (unit == UNIT).then(|| answer(&pdu, &mut *image.lock().unwrap()));
        std::future::ready(answer)
    };
    tokio::spawn(links::modbus_tcp::serve(
        listener,
        ServerLimits::default(),
        shutdown.clone(),
        handler,
    ));
    shutdown.drop_guard()
}

fn over(address: SocketAddr, unit: u8, kind: DeviceKind) -> Device {
    device(
        kind,
        LinkSettings::Sunspec {
            address: address.to_string(),
            unit,
        },
    )
}

fn meter(address: SocketAddr, unit: u8) -> Device {
    over(
        address,
        unit,
        DeviceKind::Meter {
            role: MeterRole::Grid,
        },
    )
}

async fn wait_for_power(home: &mut Home, power: i64) {
    home.wait_for(|report| {
        let Report::Measured(measured) = report else {
            return None;
        };
        (measured.power == Some(Watts(power))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_meter_is_read_and_found_again_after_it_was_gone() {
    let (first, address) = listener().await;
    let image = meter_image();
    let guard = listen(first, &image);
    let mut home = Home::start(meter(address, UNIT)).await;
    wait_for_power(&mut home, -1_500).await;
    image.lock().unwrap().set(203, "W", Watts(2_300)).unwrap();
    wait_for_power(&mut home, 2_300).await;

    drop(guard);
    let problem = home.wait_until_offline().await;
    assert!(problem.contains("meter \"It\""), "{problem}");

    let _guard = listen(TcpListener::bind(address).await.unwrap(), &image);
    home.wait_until_online().await;
    wait_for_power(&mut home, 2_300).await;
    home.stop().await;
}

#[tokio::test]
async fn a_battery_takes_orders() {
    let models = [1, 124, 802].map(ModelInstance::new);
    let mut image = Image::new(&models).unwrap();
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
    let (image, (listener, address)) = (Arc::new(Mutex::new(image)), listener().await);
    let _guard = listen(listener, &image);
    let kind = DeviceKind::Battery {
        capacity: None,
        max_charge: Watts(5_000),
        max_discharge: Watts(5_000),
    };
    let mut home = Home::start(over(address, UNIT, kind)).await;
    wait_for_power(&mut home, 800).await;

    home.order(
        1,
        Action::BatteryPower {
            power: Some(Watts(-2_500)),
        },
    )
    .await;
    let mut written = Vec::new();
    for _ in 0..50 {
        wait_for_power(&mut home, 800).await;
        written.extend(
            image
                .lock()
                .unwrap()
                .take_writes()
                .into_iter()
                .map(|write| write.point),
        );
        if written.iter().any(|point| point == "OutWRte") {
            break;
        }
    }
    assert!(written.iter().any(|point| point == "OutWRte"), "{written:?}");
    home.stop().await;
}

#[tokio::test]
async fn nobody_at_the_unit_is_silence() {
    let (listener, address) = listener().await;
    let _guard = listen(listener, &meter_image());
    let mut home = Home::start(meter(address, UNIT + 1)).await;
    let problem = home.wait_until_offline().await;
    assert!(
        problem.contains("no answer within 2 s; check unit id 4"),
        "{problem}"
    );
    home.stop().await;
}

#[tokio::test]
async fn something_that_is_no_meter_is_told() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
        }
    });
    let mut home = Home::start(meter(address, UNIT)).await;
    let problem = home.wait_until_offline().await;
    assert!(problem.contains("no Modbus TCP: protocol id 18477"), "{problem}");
    home.stop().await;
}

#[tokio::test]
async fn a_device_with_an_unknown_definition_is_told() {
    let link = LinkSettings::Modbus {
        address: "127.0.0.1:1".to_owned(),
        unit: 1,
        definition: "acme".to_owned(),
    };
    let mut home = Home::start(device(
        DeviceKind::Meter {
            role: MeterRole::Display,
        },
        link,
    ))
    .await;
    assert_eq!(
        home.wait_until_offline().await,
        "there is no definition `acme`; check `definition` of this device"
    );
    home.stop().await;
}
