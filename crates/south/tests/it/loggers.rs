//! A data logger that dials us, with a storage inverter behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, InProcess, Received, Subscription, Topic};
use dialects::eybond::frame::{Cut, Frame, cut, function};
use dialects::eybond::{Logger, SerialLine, parameters::Parameter, rtu};
use dialects::modbus::{Exception, Registers, answer};
use links::outbound_guard::Guard;
use model::device::{Device, DeviceKind, LinkSettings, LinkState};
use model::gateway::{AcceptedLogger, Gateway, GatewayLink, LoggerState, PassOn, Unit};
use model::message::{Message, Notice, Report};
use model::settings::LoggerSettings;
use model::units::Watts;
use south::{Loggers, Supervisor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::site::{HUNG, RealClock, device, listener, site};

const OURS: &str = "E5000099990001";
const FOREIGN: &str = "W0011223344556";
const IDLE: &str = "W0011223344557";
const WHOLE: &str = "W00112233445570001";

/// An inverter at address 5.
struct Inverter {
    pv: u16,
}

impl Registers for Inverter {
    fn read_holding(&self, address: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let value = |address| match address {
            223 => self.pv,
            217 => 800,
            _ => 0,
        };
        Ok((address..address + count).map(value).collect())
    }

    fn write_holding(&mut self, _: u16, _: &[u16]) -> Result<(), Exception> {
        panic!("nothing is written to an inverter")
    }
}

impl SerialLine for Inverter {
    fn exchange(&mut self, _: u8, bytes: &[u8]) -> Option<Vec<u8>> {
        let (unit, pdu) = rtu::decode_exactly(bytes)?;
        (unit == 5).then(|| rtu::encode(unit, &answer(pdu, self)))
    }
}

/// Dials, says its number, and answers until the connection ends or the task does.
fn dial(address: SocketAddr, pn: &str, pv: u16) -> tokio::task::JoinHandle<usize> {
    let mut logger = logger(pn);
    let greeting = logger.greet();
    dial_as(logger, greeting, address, pv)
}

fn logger(pn: &str) -> Logger {
    Logger::new(pn, 0x0925).with(Parameter::FIRMWARE, "8.50.12.3")
}

fn dial_as(
    mut logger: Logger,
    greeting: Vec<u8>,
    address: SocketAddr,
    pv: u16,
) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&greeting).await.unwrap();
        let (mut inverter, mut forwarded) = (Inverter { pv }, 0);
        let mut chunk = [0; 1_024];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            forwarded += usize::from(chunk[7] == 4);
            for bytes in logger.handle_bytes(&chunk[..count], &mut inverter).unwrap() {
                if stream.write_all(&bytes).await.is_err() {
                    return forwarded;
                }
            }
        }
        forwarded
    })
}

fn part(id: &str, part: &str) -> Device {
    let link = LinkSettings::Via {
        gateway: "roof".parse().unwrap(),
        unit: Unit::named(&format!("5/{part}")),
        definition: Some("smg".to_owned()),
    };
    Device {
        id: id.parse().unwrap(),
        ..device(
            DeviceKind::Inverter {
                rated_power: None,
                panels: Vec::new(),
            },
            link,
        )
    }
}

async fn next_of(reports: &mut Box<dyn Subscription>, id: &str) -> Report {
    loop {
        let next = tokio::time::timeout(HUNG, reports.next()).await.unwrap();
        match next {
            Some(Received::Message(Message::Reported(said))) if said.device.as_str() == id => {
                return said.report;
            }
            Some(Received::Message(Message::Reported(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn power_of(reports: &mut Box<dyn Subscription>, id: &str) -> Option<Watts> {
    loop {
        if let Report::Measured(measured) = next_of(reports, id).await {
            return measured.power;
        }
    }
}

#[tokio::test]
async fn a_logger_is_polled_by_its_number_and_another_one_is_left_alone() {
    let (listener, address) = listener().await;
    let (bus, clock, stop) = (InProcess::new(), RealClock::start(), CancellationToken::new());
    let mut home = site(part("roof-pv", "pv"));
    home.devices.push(part("roof-battery", "battery"));
    let mut reports = bus.subscribe(Topic::Reports(home.id.clone())).await;
    let mut notices = bus.subscribe(Topic::Reports(home.id.clone())).await;
    let loggers = Loggers::new(&LoggerSettings::default(), Arc::default(), clock.clone());
    let listening = tokio::spawn(loggers.clone().listen(listener, stop.clone()));
    let roof = Gateway {
        id: "roof".parse().unwrap(),
        name: "Roof".to_owned(),
        link: GatewayLink::Logger {
            pn: Some(OURS.to_owned()),
            pass_on: PassOn::Nothing,
        },
    };
    let bare = Gateway {
        id: "bare".parse().unwrap(),
        name: "Nothing is behind it".to_owned(),
        link: GatewayLink::Logger {
            // Its heartbeats have no room for all of it.
            pn: Some(WHOLE.to_owned()),
            pass_on: PassOn::Nothing,
        },
    };
    let links = Supervisor::start_with_loggers(
        std::slice::from_ref(&home),
        &[roof.clone(), bare.clone()],
        loggers.clone(),
        bus.clone(),
        clock,
        CancellationToken::new(),
    )
    .await;
    let gateways = links.gateways();
    let telling = loggers
        .clone()
        .tell(gateways.clone(), None, bus.clone(), stop.clone());
    let telling = tokio::spawn(telling);
    let until = async |is_so: &dyn Fn(Option<&LoggerState>) -> bool, pn: &str| {
        let found = async {
            while !is_so(loggers.states(&gateways).get(pn)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(HUNG, found).await.unwrap();
    };
    until(&|state| state.is_some_and(|state| !state.is_online()), OURS).await;

    let stranger = dial(address, FOREIGN, 1);
    until(
        &|state| state.is_some_and(|state| state.accepted.is_none()),
        FOREIGN,
    )
    .await;
    let idle = dial(address, IDLE, 1);
    until(
        &|state| state.is_some_and(|state| state.accepted.as_ref() == Some(&bare.id) && state.is_online()),
        WHOLE,
    )
    .await;
    let first = dial(address, OURS, 2_100);
    assert_eq!(
        next_of(&mut reports, "roof-pv").await,
        Report::Link(LinkState::Online)
    );
    assert_eq!(power_of(&mut reports, "roof-pv").await, Some(Watts(-2_100)));
    assert_eq!(power_of(&mut reports, "roof-battery").await, Some(Watts(800)));
    let says = |state: Option<&LoggerState>| state.is_some_and(|state| state.facts.firmware.is_some());
    until(&says, OURS).await;
    let ours = loggers.states(&gateways)[OURS].clone();
    assert_eq!(ours.accepted, Some(roof.id));
    assert!(ours.is_online() && ours.last_contact.is_some() && ours.waiting.is_none());

    // A second one that claims the number waits, until somebody decides.
    let second = dial(address, OURS, 900);
    until(&|state| state.is_some_and(|state| state.waiting.is_some()), OURS).await;
    assert_eq!(power_of(&mut reports, "roof-pv").await, Some(Watts(-2_100)));
    let (mut unknown, mut claimed) = (false, false);
    while !(unknown && claimed) {
        if let Report::Notice {
            notice,
            text: Some(text),
        } = next_of(&mut notices, "roof-battery").await
        {
            match notice {
                Notice::LoggerUnknown => unknown |= text.contains(FOREIGN) && !text.contains("more"),
                Notice::LoggerClaimedTwice => claimed |= text.contains(OURS),
                other @ (Notice::RiskSeen | Notice::DeviceWarning) => panic!("{other:?}"),
            }
        }
    }
    assert!(loggers.take_over(OURS));
    assert!(first.await.unwrap() > 0);
    while power_of(&mut reports, "roof-pv").await != Some(Watts(-900)) {}

    links.stop().await;
    stop.cancel();
    listening.await.unwrap();
    telling.await.unwrap();
    assert!(second.await.unwrap() > 0);
    assert_eq!(
        stranger.await.unwrap() + idle.await.unwrap(),
        0,
        "nothing is forwarded through a stranger"
    );
}

/// The next frame of a connection, as function, transaction and payload.
async fn frame(stream: &mut TcpStream, heard: &mut Vec<u8>) -> (u8, u16, Vec<u8>) {
    loop {
        if let Cut::Frame(frame, used) = cut(heard) {
            let said = (frame.function, frame.transaction, frame.payload.to_vec());
            heard.drain(..used);
            return said;
        }
        let mut chunk = [0; 1_024];
        let count = tokio::time::timeout(HUNG, stream.read(&mut chunk))
            .await
            .unwrap()
            .unwrap();
        assert!(count > 0, "the cloud is left");
        heard.extend_from_slice(&chunk[..count]);
    }
}

#[tokio::test]
async fn the_cloud_of_the_vendor_is_called_as_the_logger_and_its_loss_disturbs_nobody() {
    let (cloud, cloud_at) = listener().await;
    let (listener, address) = listener().await;
    let (bus, clock, stop) = (InProcess::new(), RealClock::start(), CancellationToken::new());
    let home = site(part("roof-pv", "pv"));
    let mut reports = bus.subscribe(Topic::Reports(home.id.clone())).await;
    let settings = LoggerSettings {
        vendor: Some(cloud_at.to_string()),
        ..LoggerSettings::default()
    };
    let guard = Arc::new(Guard::new(&["127.0.0.1"]).unwrap());
    let loggers = Loggers::new(&settings, guard, clock.clone());
    let listening = tokio::spawn(loggers.clone().listen(listener, stop.clone()));
    let roof = Gateway {
        id: "roof".parse().unwrap(),
        name: "Roof".to_owned(),
        link: GatewayLink::Logger {
            pn: Some(OURS.to_owned()),
            pass_on: PassOn::Reads,
        },
    };
    let (sites, gateways) = (std::slice::from_ref(&home), std::slice::from_ref(&roof));
    let links = Supervisor::start_with_loggers(
        sites,
        gateways,
        loggers,
        bus.clone(),
        clock,
        CancellationToken::new(),
    )
    .await;
    let logger = dial(address, OURS, 2_100);
    let (mut calls, _) = tokio::time::timeout(HUNG, cloud.accept()).await.unwrap().unwrap();
    let mut heard = Vec::new();
    let (said, _, number) = frame(&mut calls, &mut heard).await;
    assert_eq!((said, number.as_slice()), (function::HEARTBEAT, OURS.as_bytes()));
    let asks = |transaction, function, payload: &[u8]| {
        Frame {
            transaction,
            devcode: 1,
            address: 0xFF,
            function,
            payload,
        }
        .encode()
    };
    let registers = rtu::encode(5, &[3, 0, 223, 0, 1]);
    let mut all = asks(0x3D0A, function::FORWARD, &registers);
    all.extend(asks(0x3D0B, function::SET, b"\x15ess.eybond.com"));
    calls.write_all(&all).await.unwrap();
    let answers = [
        frame(&mut calls, &mut heard).await,
        frame(&mut calls, &mut heard).await,
    ];
    let power = rtu::encode(5, &[3, 2, 0x08, 0x34]);
    assert!(
        answers.contains(&(function::FORWARD, 0x3D0A, power)),
        "{answers:02x?}"
    );
    assert!(
        answers.contains(&(function::SET, 0x3D0B, vec![1, 0x15])),
        "{answers:02x?}"
    );

    // It hangs up, and is called again; we go on reading.
    drop(calls);
    assert_eq!(power_of(&mut reports, "roof-pv").await, Some(Watts(-2_100)));
    let (mut calls, _) = tokio::time::timeout(HUNG, cloud.accept()).await.unwrap().unwrap();
    heard.clear();
    assert_eq!(frame(&mut calls, &mut heard).await.0, function::HEARTBEAT);
    // The logger goes, and so do we as it.
    logger.abort();
    let mut rest = Vec::new();
    tokio::time::timeout(HUNG, calls.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();

    links.stop().await;
    stop.cancel();
    listening.await.unwrap();
}

#[tokio::test]
async fn a_logger_that_speaks_in_lines_is_read_as_well() {
    let (listener, address) = listener().await;
    let (bus, clock, stop) = (InProcess::new(), RealClock::start(), CancellationToken::new());
    let home = site(part("roof-pv", "pv"));
    let mut reports = bus.subscribe(Topic::Reports(home.id.clone())).await;
    let loggers = Loggers::new(&LoggerSettings::default(), Arc::default(), clock.clone());
    let listening = tokio::spawn(loggers.clone().listen(listener, stop.clone()));
    let roof = Gateway {
        id: "roof".parse().unwrap(),
        name: "Roof".to_owned(),
        link: GatewayLink::Logger {
            pn: Some(OURS.to_owned()),
            pass_on: PassOn::Nothing,
        },
    };
    let (sites, gateways) = (std::slice::from_ref(&home), std::slice::from_ref(&roof));
    let links = Supervisor::start_with_loggers(
        sites,
        gateways,
        loggers.clone(),
        bus.clone(),
        clock,
        CancellationToken::new(),
    )
    .await;
    let logger = dial_as(
        logger(OURS).in_lines(),
        b"AT+ATVER:1.2\r\n".to_vec(),
        address,
        2_100,
    );
    assert_eq!(power_of(&mut reports, "roof-pv").await, Some(Watts(-2_100)));
    let states = loggers.states(&links.gateways());
    assert_eq!(states[OURS].facts.firmware.as_deref(), Some("8.50.12.3"));

    links.stop().await;
    stop.cancel();
    listening.await.unwrap();
    logger.await.unwrap();
}

#[tokio::test]
async fn a_stranger_is_read_once_it_is_accepted() {
    let (listener, address) = listener().await;
    let (bus, clock, stop) = (InProcess::new(), RealClock::start(), CancellationToken::new());
    let home = site(part("roof-pv", "pv"));
    let mut reports = bus.subscribe(Topic::Reports(home.id.clone())).await;
    let loggers = Loggers::new(&LoggerSettings::default(), Arc::default(), clock.clone());
    let listening = tokio::spawn(loggers.clone().listen(listener, stop.clone()));
    let roof = Gateway {
        id: "roof".parse().unwrap(),
        name: "Roof".to_owned(),
        link: GatewayLink::Logger {
            pn: None,
            pass_on: PassOn::Nothing,
        },
    };
    let (sites, gateways) = (std::slice::from_ref(&home), std::slice::from_ref(&roof));
    let links = Supervisor::start_with_loggers(
        sites,
        gateways,
        loggers.clone(),
        bus.clone(),
        clock,
        CancellationToken::new(),
    )
    .await;
    let Report::Link(LinkState::Offline { problem }) = next_of(&mut reports, "roof-pv").await else {
        panic!("it cannot be there")
    };
    assert!(problem.contains("which data logger `roof` is"), "{problem}");
    // As many heartbeats as it says in five hours.
    let mut own = logger(OURS);
    let greeting = own.greet().repeat(300);
    let logger = dial_as(own, greeting, address, 2_100);
    let states = || loggers.states(&links.gateways());
    while !states().contains_key(OURS) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(states()[OURS].accepted, None);
    loggers.accept(AcceptedLogger {
        gateway: roof.id.clone(),
        pn: OURS.to_owned(),
    });
    assert_eq!(power_of(&mut reports, "roof-pv").await, Some(Watts(-2_100)));
    let ours = states()[OURS].clone();
    assert_eq!((ours.accepted.as_ref(), ours.is_online()), (Some(&roof.id), true));

    links.stop().await;
    stop.cancel();
    listening.await.unwrap();
    logger.await.unwrap();
}
