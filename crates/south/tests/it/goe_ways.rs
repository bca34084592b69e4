//! Go-e chargers by every way over real sockets: WebSocket, a broker, Modbus TCP, the cloud.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dialects::goe::charger::{Effect, Password, Session};
use dialects::goe::topics::{self, EXPORTED, Topic};
use dialects::goe::ws::PasswordKey;
use dialects::goe::{Charger, ChargerInputs, Variant};
use links::ServerLimits;
use links::mqtt::{self, Event, Publish, Qos};
use links::outbound_guard::SystemResolver;
use links::websocket::Socket;
use model::device::{Device, DeviceKind, GoeLink, GoeWay, LinkSettings};
use model::message::Report;
use model::phases::PerPhase;
use model::setpoint::{Action, ChargeCurrent};
use model::time::{Clock, Millis};
use model::units::{MilliAmps, MilliVolts, WattHours};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::mosquitto::Mosquitto;
use crate::site::{Home, RealClock, charge, device, evse, listener};

const PASSWORD: &str = "correct horse";
const PREFIX: &str = "go-eCharger/000001/";

/// A virtual charger whose car charges as it may.
struct Peer {
    charger: Mutex<Charger>,
    clock: Arc<RealClock>,
}

impl Peer {
    fn new(variant: Variant) -> Arc<Self> {
        let charger = Mutex::new(Charger::new(variant, "000001"));
        let clock = RealClock::start();
        Arc::new(Self { charger, clock })
    }

    fn with<T>(&self, used: impl FnOnce(&mut Charger) -> T) -> T {
        let mut charger = self.charger.lock().unwrap();
        let amps = charger.outputs().amps;
        let time = self.clock.now();
        charger.set_inputs(ChargerInputs {
            plugged: true,
            asks: true,
            voltages: PerPhase::all(MilliVolts(230_000)),
            drawn: PerPhase::all(MilliAmps::from_amps(amps)),
            eto: WattHours(1_000_000),
            rbt: Millis(time.monotonic.0 + 60_000),
            time,
            ..ChargerInputs::default()
        });
        used(&mut charger)
    }

    fn http(&self, request: &http::Request<Vec<u8>>) -> http::Response<Vec<u8>> {
        self.with(|charger| charger.handle(request, self.clock.now()))
    }

    fn logic_runs(&self) {
        let request = http::Request::builder()
            .uri("/api/status?filter=car")
            .body(Vec::new())
            .unwrap();
        let _ = self.http(&request);
    }

    async fn on_socket(self: Arc<Self>, mut socket: Socket) {
        let kind = self.with(|charger| charger.variant().hash());
        let key = PasswordKey::new(kind, PASSWORD, "000001");
        let mut session = Session::new(Some(Password { kind, key }), "aa".to_owned(), "bb".to_owned());
        let mut frames = self.with(|charger| session.greeting(charger));
        let mut second = tokio::time::interval(Duration::from_millis(500));
        loop {
            for frame in frames.drain(..) {
                if socket.send(frame.encode()).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                message = socket.next() => {
                    let Ok(Some(message)) = message else { return };
                    frames = self
                        .with(|charger| session.handle(&message, charger, Effect::Real, self.clock.now()))
                        .unwrap();
                }
                _ = second.tick() => {
                    self.logic_runs();
                    frames.extend(self.with(|charger| session.changes(charger)));
                }
            }
        }
    }

    /// Publishes each key once and then what changes, and takes writes, until it is dropped.
    async fn at_broker(self: Arc<Self>, broker: String) {
        let settings = mqtt::Settings {
            broker: broker.parse().unwrap(),
            client: "charger".to_owned(),
            credentials: None,
            will: None,
            subscriptions: vec![(format!("{PREFIX}+/set"), Qos::AtLeastOnce)],
            limits: links::Limits::default(),
        };
        let way = mqtt::Way::new(None, Arc::new(SystemResolver)).unwrap();
        let (publisher, mut events, running) = mqtt::client(settings, way, CancellationToken::new());
        let publish = |topic: String, payload: Vec<u8>, retain| {
            let message = Publish {
                topic,
                payload,
                qos: Qos::AtMostOnce,
                retain,
            };
            publisher.publish(message).unwrap();
        };
        let mut said = std::collections::BTreeMap::new();
        let mut second = tokio::time::interval(Duration::from_millis(500));
        let talking = async {
            loop {
                tokio::select! {
                    event = events.recv() => match event {
                        Some(Event::Message(message)) => {
                            let Some(Topic::Set(key)) = topics::parse(PREFIX, &message.topic) else { continue };
                            let payload = String::from_utf8(message.payload.clone()).unwrap();
                            let now = self.clock.now();
                            let result = self.with(|charger| charger.take(key, &payload, Effect::Real, now));
                            publish(topics::result(PREFIX, key), result.into_bytes(), false);
                        }
                        Some(Event::Up | Event::Down(_)) => {}
                        None => return,
                    },
                    _ = second.tick() => {
                        self.logic_runs();
                        let keys = self.with(|charger| charger.keys().into_owned());
                        for key in EXPORTED {
                            let payload = keys[key].to_string();
                            if said.insert(key, payload.clone()) != Some(payload.clone()) {
                                publish(topics::key(PREFIX, key), payload.into_bytes(), true);
                            }
                        }
                    }
                }
            }
        };
        tokio::join!(running, talking);
    }
}

fn station(way: GoeWay) -> Device {
    device(
        DeviceKind::ChargingStation { evses: vec![evse()] },
        LinkSettings::Goe(GoeLink::from(way)),
    )
}

fn file(home: &TempDir, text: &str) -> PathBuf {
    let file = home.path().join("secret");
    std::fs::write(&file, text).unwrap();
    file
}

/// Reads it, commands it and writes a key of its own.
async fn check(way: GoeWay) {
    let mut home = Home::start(station(way)).await;
    home.wait_until_online().await;
    for amps in [10, 0, 8] {
        home.order(1, charge(amps)).await;
        let wanted = Some(ChargeCurrent::at_most(MilliAmps(amps * 1_000)));
        home.wait_for(|report| {
            if let Report::Evse { status, .. } = report {
                (status.obeyed == wanted).then_some(())
            } else {
                None
            }
        })
        .await;
    }
    for (ticket, value, expected) in [(1, "40", true), (2, "\"no\"", false)] {
        let write = Action::VendorWrite {
            ticket,
            key: "lbr".to_owned(),
            value: value.to_owned(),
        };
        home.order(1, write).await;
        let answer = home
            .wait_for(|report| {
                if let Report::VendorAnswer { ticket: of, answer } = report {
                    (*of == ticket).then(|| answer.clone())
                } else {
                    None
                }
            })
            .await;
        assert_eq!(answer.is_ok(), expected, "{answer:?}");
    }
    home.stop().await;
}

async fn socket_server(peer: Arc<Peer>) -> (SocketAddr, tokio_util::sync::DropGuard) {
    let (listener, address) = listener().await;
    let shutdown = CancellationToken::new();
    let web = Arc::clone(&peer);
    let handler = move |request| {
        let peer = Arc::clone(&web);
        async move { Some(peer.http(&request)) }
    };
    let socket = move |socket| Arc::clone(&peer).on_socket(socket);
    let serving = links::websocket::serve(
        listener,
        ServerLimits::default(),
        shutdown.clone(),
        "/ws",
        handler,
        socket,
    );
    tokio::spawn(serving);
    (address, shutdown.drop_guard())
}

#[tokio::test]
async fn by_websocket_with_either_hash() {
    let home = tempfile::tempdir().unwrap();
    let file = file(&home, "correct horse\n");
    for variant in [Variant::V4, Variant::Core] {
        let (address, _guard) = socket_server(Peer::new(variant)).await;
        check(GoeWay::WebSocket {
            url: format!("ws://{address}/ws"),
            password_file: Some(file.clone()),
        })
        .await;
    }
}

#[tokio::test]
async fn a_websocket_that_does_not_want_us_says_why() {
    let home = tempfile::tempdir().unwrap();
    let (address, _guard) = socket_server(Peer::new(Variant::V4)).await;
    for (path, password_file, expected) in [
        ("ws", Some(file(&home, "wrong")), "Wrong password"),
        ("ws", None, "put it in password_file"),
        ("api/status", None, "in place of a WebSocket"),
        ("ws", Some("/nowhere".into()), "cannot read /nowhere"),
    ] {
        let url = format!("ws://{address}/{path}");
        let mut home = Home::start(station(GoeWay::WebSocket { url, password_file })).await;
        let problem = home.wait_until_offline().await;
        assert!(problem.contains(expected), "{problem}");
        home.stop().await;
    }
}

#[tokio::test]
async fn by_a_broker() {
    let broker = Mosquitto::start();
    let mut charger = JoinSet::new();
    charger.spawn(Peer::new(Variant::V3).at_broker(broker.url()));
    check(GoeWay::Mqtt {
        broker: broker.url(),
        prefix: PREFIX.to_owned(),
        user: None,
        password_file: None,
    })
    .await;
}

#[tokio::test]
async fn by_modbus() {
    let (listener, address) = listener().await;
    let peer = Peer::new(Variant::V4);
    let shutdown = CancellationToken::new();
    let handler = move |_, pdu: Vec<u8>| {
        let peer = Arc::clone(&peer);
        async move {
            let now = peer.clock.now();
            Some(peer.with(|charger| charger.handle_modbus(&pdu, Effect::Real, now)))
        }
    };
    tokio::spawn(links::modbus_tcp::serve(
        listener,
        ServerLimits::default(),
        shutdown.clone(),
        handler,
    ));
    let _guard = shutdown.drop_guard();
    check(GoeWay::Modbus {
        address: address.to_string(),
        unit: 1,
    })
    .await;
}
