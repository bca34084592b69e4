//! A go-e charger on real ports by every way that it has, with the physics of a world behind it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use dialects::goe::ws::{Auth, FromCharger, HashKind, PasswordKey, SetValue, ToCharger};
use futures_util::{SinkExt, StreamExt};
use links::Limits;
use links::mqtt::{self, Event, Publish, Qos};
use links::outbound_guard::SystemResolver;
use model::id::DeviceId;
use model::time::{Clock, Millis, Monotonic, Now, Timestamp};
use serde_json::{Map, Value, json};
use sim::listen::{Listening, listen};
use sim::settings::{DeviceKind, GoeChargerSettings, GoeGeneration, GoeMqttSettings};
use sim::{Fault, World, demo};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::mosquitto::Mosquitto;

/// After this long a test counts as hung.
const HUNG: Duration = Duration::from_secs(20);
const PASSWORD: &str = "correct horse";

/// Two seconds pass whenever somebody looks.
struct Hasty(AtomicI64);

impl Clock for Hasty {
    fn now(&self) -> Now {
        let ms = self.0.fetch_add(2_000, Ordering::Relaxed);
        Now {
            wall: Timestamp(1_782_000_000_000 + ms),
            monotonic: Monotonic(ms),
        }
    }
}

struct Home {
    world: Arc<Mutex<World>>,
    listening: Listening,
}

impl Home {
    /// The home of the demo, its left charger changed.
    async fn with(change: impl Fn(&mut GoeChargerSettings)) -> Self {
        let mut settings = demo::home(1);
        for device in &mut settings.devices {
            if let DeviceKind::GoeCharger(charger) = &mut device.kind
                && device.id == left()
            {
                change(charger);
            }
        }
        let world = Arc::new(Mutex::new(World::new(settings).unwrap()));
        let clock = Arc::new(Hasty(AtomicI64::new(0)));
        let listening = listen(Arc::clone(&world), clock, None).await.unwrap();
        Self { world, listening }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn address(&self) -> SocketAddr {
        self.listening.addresses()[&left()]
    }
}

fn left() -> DeviceId {
    DeviceId::new("wallbox-left").unwrap()
}

fn patient() -> Limits {
    Limits {
        timeout: HUNG,
        ..Limits::default()
    }
}

async fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    let request = http::Request::get(format!("http://{address}{path}"));
    let client = links::http::Client::new(patient()).unwrap();
    let answer = client.send(request.body(Vec::new()).unwrap()).await.unwrap();
    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status().as_u16(), body)
}

/// A client of the WebSocket.
struct Client {
    socket: WebSocketStream<TcpStream>,
    known: Map<String, Value>,
}

impl Client {
    async fn dial(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}/ws");
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Self {
            socket,
            known: Map::new(),
        }
    }

    /// The next frame; `None` when the link is cut.
    async fn next(&mut self) -> Option<FromCharger> {
        let message = timeout(HUNG, self.socket.next()).await.expect("a frame");
        let text = message?.ok()?.into_text().ok().filter(|text| !text.is_empty())?;
        let frame = FromCharger::decode(text.as_bytes()).unwrap();
        if let FromCharger::FullStatus { status, .. } | FromCharger::DeltaStatus { status } = &frame {
            self.known.extend(status.clone());
        }
        Some(frame)
    }

    async fn say(&mut self, message: ToCharger) {
        self.socket.send(Message::text(message.encode())).await.unwrap();
    }

    /// Dials, proves the password and reads the whole status.
    async fn let_in(address: SocketAddr, kind: HashKind) -> (Self, PasswordKey) {
        let mut client = Self::dial(address).await;
        let Some(FromCharger::Hello(hello)) = client.next().await else {
            panic!("hello")
        };
        let Some(FromCharger::AuthRequired(wanted)) = client.next().await else {
            panic!("authRequired")
        };
        assert_eq!(wanted.hash, Some(kind));
        let key = PasswordKey::new(kind, PASSWORD, &hello.serial);
        let hash = key.answer(&wanted.token1, &wanted.token2, "cc");
        let token3 = "cc".to_owned();
        client.say(ToCharger::Auth(Auth { token3, hash })).await;
        assert_eq!(client.next().await, Some(FromCharger::AuthSuccess));
        while let Some(FromCharger::FullStatus { partial: true, .. }) = client.next().await {}
        (client, key)
    }

    async fn until(&mut self, key: &str, value: Value) {
        for _ in 0..100 {
            if self.known.get(key) == Some(&value) {
                return;
            }
            self.next().await.expect("a link");
        }
        panic!("{key} is {:?}, never {value}", self.known.get(key));
    }
}

fn amp(value: i64) -> SetValue {
    SetValue {
        request_id: "1".to_owned(),
        key: "amp".to_owned(),
        value: json!(value),
    }
}

#[tokio::test]
async fn a_socket_shows_what_the_charger_does() {
    for (generation, kind, keys) in [
        (GoeGeneration::V4, HashKind::Pbkdf2, 264),
        (GoeGeneration::Core, HashKind::Bcrypt, 301),
    ] {
        let home = Home::with(|charger| {
            charger.generation = generation;
            charger.password = Some(PASSWORD.to_owned());
        })
        .await;
        let (mut client, key) = Client::let_in(home.address(), kind).await;
        assert_eq!(client.known.len(), keys);
        assert_eq!(client.known["sse"], "000001");

        client.say(ToCharger::secured(amp(9), &key)).await;
        let response = loop {
            if let Some(FromCharger::Response(response)) = client.next().await {
                break response;
            }
        };
        assert!(response.success && response.answers() == "1", "{response:?}");
        client.until("amp", json!(9)).await;
        assert_eq!(
            get(home.address(), "/api/status?filter=amp").await,
            (200, json!({"amp": 9}))
        );
        // What was written elsewhere is seen here.
        assert_eq!(get(home.address(), "/api/set?amp=11").await.0, 200);
        client.until("amp", json!(11)).await;

        home.world().set_fault(&left(), Some(Fault::IgnoreSetpoints));
        client.say(ToCharger::secured(amp(6), &key)).await;
        let response = loop {
            if let Some(FromCharger::Response(response)) = client.next().await {
                break response;
            }
        };
        assert!(response.success, "{response:?}");
        let before = client.known["rbt"].clone();
        while client.known["rbt"] == before {
            client.next().await.expect("a link");
        }
        assert_eq!(client.known["amp"], 11);

        home.world().set_fault(&left(), Some(Fault::CarError));
        client.until("car", json!(5)).await;
        let lasts = Millis::from_seconds(1_000);
        home.world().set_fault(&left(), Some(Fault::Reboot { lasts }));
        while client.next().await.is_some() {}
        assert!(
            Client::dial(home.address()).await.next().await.is_none(),
            "nobody is there"
        );
        home.listening.shutdown().await;
    }
}

#[tokio::test]
async fn a_socket_has_tokens_of_its_own_and_may_be_shut() {
    let home = Home::with(|charger| charger.password = Some(PASSWORD.to_owned())).await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let mut client = Client::dial(home.address()).await;
        client.next().await;
        let Some(FromCharger::AuthRequired(wanted)) = client.next().await else {
            panic!("authRequired")
        };
        tokens.extend([wanted.token1, wanted.token2]);
    }
    assert!(tokens.iter().all(|token| token.len() == 32), "{tokens:?}");
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 6);

    let locked = Home::with(|_| {}).await;
    let mut client = Client::dial(locked.address()).await;
    client.next().await;
    assert_eq!(client.next().await, Some(FromCharger::AuthImpossible));
}

#[tokio::test]
async fn registers_have_a_port_where_one_is_set_up() {
    let home = Home::with(|charger| charger.modbus_listen = Some(([127, 0, 0, 1], 0).into())).await;
    assert_eq!(home.listening.modbus().len(), 1);
    let address = home.listening.modbus()[&left()].to_string();
    let mut client = links::modbus_tcp::Client::new(address, patient());
    // AMPERE_EEPROM is 12 A.
    let written = client.exchange(1, &[16, 1, 44, 0, 1, 2, 0, 12]).await.unwrap();
    assert_eq!(written, [16, 1, 44, 0, 1]);
    let shown = async {
        while get(home.address(), "/api/status?filter=amp,men").await
            != (200, json!({"amp": 12, "men": true}))
        {}
    };
    timeout(HUNG, shown).await.unwrap();
    assert_eq!(
        client.exchange(1, &[3, 1, 44, 0, 1]).await.unwrap(),
        [3, 2, 0, 12]
    );

    home.world()
        .set_fault(&left(), Some(Fault::Hang { after: Millis::ZERO }));
    let mut impatient = links::modbus_tcp::Client::new(
        home.listening.modbus()[&left()].to_string(),
        Limits {
            timeout: Duration::from_millis(200),
            ..Limits::default()
        },
    );
    assert!(impatient.exchange(1, &[3, 1, 44, 0, 1]).await.is_err());
}

#[tokio::test]
async fn a_broker_hears_every_key_and_results() {
    let broker = Mosquitto::start();
    for prefix in ["go-eCharger/000001/", "/go-eCharger/000001/"] {
        let stop = CancellationToken::new();
        let settings = mqtt::Settings {
            broker: broker.url().parse().unwrap(),
            client: "hears".to_owned(),
            credentials: None,
            will: None,
            subscriptions: vec![(format!("{prefix}#"), Qos::AtMostOnce)],
            limits: Limits::default(),
        };
        let way = mqtt::Way::new(None, Arc::new(SystemResolver)).unwrap();
        let (publisher, mut events, running) = mqtt::client(settings, way, stop.clone());
        let running = tokio::spawn(running);
        assert_eq!(timeout(HUNG, events.recv()).await.unwrap(), Some(Event::Up));
        let home = Home::with(|charger| {
            charger.mqtt = Some(GoeMqttSettings {
                broker: broker.url(),
                prefix: prefix.starts_with('/').then(|| prefix.to_owned()),
            });
        })
        .await;
        let mut known = Map::new();
        let mut hear = async |known: &mut Map<String, Value>, wanted: &str, value: &str| {
            for _ in 0..10_000 {
                let event = timeout(HUNG, events.recv()).await.expect("a message").unwrap();
                let Event::Message(message) = event else { continue };
                let topic = message.topic.strip_prefix(prefix).unwrap().to_owned();
                let payload = String::from_utf8(message.payload).unwrap();
                let is_wanted = topic == wanted && payload == value;
                known.insert(topic, payload.into());
                if is_wanted {
                    return;
                }
            }
            panic!("{wanted} never was {value}: {known:?}");
        };
        // Told last.
        hear(&mut known, "pco", "\"\"").await;
        let say = |key: &str, payload: &str| {
            publisher
                .publish(Publish {
                    topic: format!("{prefix}{key}/set"),
                    payload: payload.into(),
                    qos: Qos::AtLeastOnce,
                    retain: false,
                })
                .unwrap();
        };
        say("amp", "99");
        hear(&mut known, "amp/result", "Value 99 exceeds range 6 to 32 99").await;
        say("amp", "14");
        hear(&mut known, "amp/result", "success").await;
        hear(&mut known, "amp", "14").await;
        for key in ["car", "nrg", "var", "fwv", "sse", "wh"] {
            assert_eq!(known.contains_key(key), key != "sse", "{key}");
        }
        say("mcr", "true");
        hear(&mut known, "mcr/result", "success").await;
        stop.cancel();
        running.await.unwrap();
        home.listening.shutdown().await;
    }
}

#[tokio::test]
async fn firmware_and_faults_show_over_http() {
    let home = Home::with(|charger| charger.firmware = Some("60.5-rc2".to_owned())).await;
    let address = home.address();
    let fwv = async || get(address, "/api/status?filter=fwv,nosuch").await;
    assert_eq!(fwv().await, (200, json!({"fwv": "60.5-rc2", "nosuch": null})));
    home.world().set_fault(&left(), Some(Fault::PartialStatus));
    assert_eq!(fwv().await, (400, json!({"fwv": "60.5-rc2"})));
    home.world().set_fault(&left(), Some(Fault::FirmwareSuffix));
    assert_eq!(fwv().await.1["fwv"], "60.5-rc2 BETA");
    home.world().set_fault(&left(), Some(Fault::MissingKeys));
    let (_, whole) = get(address, "/api/status").await;
    assert!(whole.get("var").is_none() && whole.get("amp").is_some());
    home.world().set_fault(&left(), None);
    assert_eq!(get(address, "/api/status").await.1["var"], 22);
}

/// A world that was saved by a program that knew HTTP alone.
#[test]
fn an_older_world_goes_on() {
    let saved = include_str!("../../testdata/world-before-sockets.json");
    let before: Value = serde_json::from_str(saved).unwrap();
    let after: Value = serde_json::from_str(&World::restore(demo::home(1), saved).unwrap().save()).unwrap();
    let counted = |world: &Value| world["devices"]["wallbox-left"]["evse"].clone();
    assert!(counted(&before).is_object());
    assert_eq!(counted(&after), counted(&before));
}
