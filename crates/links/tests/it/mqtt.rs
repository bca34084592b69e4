//! The MQTT client against a real broker, and against peers that are none.

use std::sync::Arc;
use std::time::Duration;

use links::mqtt::{self, Credentials, Event, Message, Publish, Publisher, Qos, Settings, Way};
use links::outbound_guard::{Guard, Resolver, Resolving, SystemResolver};
use links::{Failure, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::mosquitto::Mosquitto;

struct Client {
    publisher: Publisher,
    events: mpsc::Receiver<Event>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

fn settings(url: &str, client: &str, filters: &[&str]) -> Settings {
    Settings {
        broker: url.parse().unwrap(),
        client: client.to_owned(),
        credentials: None,
        will: None,
        subscriptions: filters
            .iter()
            .map(|filter| ((*filter).to_owned(), Qos::AtLeastOnce))
            .collect(),
        limits: Limits {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            ..Limits::default()
        },
    }
}

fn anywhere() -> Way {
    Way::new(None, Arc::new(SystemResolver)).unwrap()
}

impl Client {
    fn start(settings: Settings, way: Way) -> Self {
        let stop = CancellationToken::new();
        let (publisher, events, running) = mqtt::client(settings, way, stop.clone());
        Self {
            publisher,
            events,
            stop,
            running: tokio::spawn(running),
        }
    }

    async fn next(&mut self) -> Event {
        self.events.recv().await.unwrap()
    }

    async fn up(settings: Settings, way: Way) -> Self {
        let mut client = Self::start(settings, way);
        assert_eq!(client.next().await, Event::Up);
        client
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

fn publish(topic: &str, payload: &str, qos: Qos, retain: bool) -> Publish {
    Publish {
        topic: topic.to_owned(),
        payload: payload.into(),
        qos,
        retain,
    }
}

fn message(topic: &str, payload: &str, qos: Qos, retained: bool) -> Event {
    Event::Message(Message {
        topic: topic.to_owned(),
        payload: payload.into(),
        qos,
        retained,
    })
}

#[tokio::test]
async fn what_is_published_is_heard_with_its_quality_and_whether_it_was_kept() {
    let broker = Mosquitto::start();
    let mut hears = Client::up(settings(&broker.url(), "a", &["car/+/soc"]), anywhere()).await;
    let says = Client::up(settings(&broker.url(), "b", &[]), anywhere()).await;
    for (qos, payload) in [(Qos::AtMostOnce, "40"), (Qos::AtLeastOnce, "41")] {
        says.publisher
            .publish(publish("car/blue/soc", payload, qos, true))
            .unwrap();
        assert_eq!(hears.next().await, message("car/blue/soc", payload, qos, false));
    }
    // Long enough for two digits of length, and for several reads.
    let long = "7".repeat(100_000);
    says.publisher
        .publish(publish("car/red/soc", &long, Qos::AtLeastOnce, false))
        .unwrap();
    assert_eq!(
        hears.next().await,
        message("car/red/soc", &long, Qos::AtLeastOnce, false)
    );

    let mut late = Client::up(settings(&broker.url(), "c", &["car/blue/soc"]), anywhere()).await;
    assert_eq!(
        late.next().await,
        message("car/blue/soc", "41", Qos::AtLeastOnce, true)
    );
    for client in [hears, says, late] {
        client.end().await;
    }
}

#[tokio::test]
async fn a_broker_that_went_away_is_found_again_and_nothing_of_qos_1_is_lost() {
    let mut broker = Mosquitto::start();
    let mut hears = Client::up(settings(&broker.url(), "a", &["t"]), anywhere()).await;
    broker.kill();
    assert!(matches!(hears.next().await, Event::Down(_)));
    // Waits for the broker.
    let says = Client::start(settings(&broker.url(), "b", &[]), anywhere());
    assert!(broker.run());
    loop {
        match hears.next().await {
            Event::Up => break,
            Event::Down(_) => {}
            Event::Message(message) => panic!("{message:?}"),
        }
    }
    says.publisher
        .publish(publish("t", "1", Qos::AtLeastOnce, false))
        .unwrap();
    assert_eq!(hears.next().await, message("t", "1", Qos::AtLeastOnce, false));
    hears.end().await;
    says.end().await;
}

#[tokio::test]
async fn the_last_will_is_said_only_for_whoever_went_without_a_word() {
    let broker = Mosquitto::start();
    let mut hears = Client::up(settings(&broker.url(), "a", &["state/#"]), anywhere()).await;
    let with_will = |client: &str| Settings {
        will: Some(publish(
            &format!("state/{client}"),
            "gone",
            Qos::AtLeastOnce,
            true,
        )),
        ..settings(&broker.url(), client, &[])
    };
    let polite = Client::up(with_will("polite"), anywhere()).await;
    polite.end().await;
    let rude = Client::up(with_will("rude"), anywhere()).await;
    rude.running.abort();
    drop(rude.publisher);
    assert_eq!(
        hears.next().await,
        message("state/rude", "gone", Qos::AtLeastOnce, false)
    );
    hears.end().await;
}

#[tokio::test]
async fn a_password_opens_the_door_and_a_wrong_one_is_said() {
    let broker = Mosquitto::with(|home| {
        let file = home.join("users");
        let made = std::process::Command::new("mosquitto_passwd")
            .args(["-b", "-c"])
            .arg(&file)
            .args(["hub", "right"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        format!("allow_anonymous false\npassword_file {}\n", file.display())
    });
    let with = |password: &str| Settings {
        credentials: Some(Credentials {
            user: "hub".to_owned(),
            password: password.to_owned(),
        }),
        ..settings(&broker.url(), "a", &[])
    };
    Client::up(with("right"), anywhere()).await.end().await;
    let mut refused = Client::start(with("wrong"), anywhere());
    let Event::Down(failure) = refused.next().await else {
        panic!("let in with a wrong password");
    };
    assert!(failure.to_string().contains("not authorised"), "{failure}");
    refused.end().await;
}

#[tokio::test]
async fn over_tls_the_certificate_must_be_good_for_the_name() {
    let certificate = std::sync::Mutex::new(String::new());
    let broker = Mosquitto::with(|home| {
        let [cert, key] = ["crt", "key"].map(|ending| home.join(format!("broker.{ending}")));
        links::tls_server::self_signed(vec!["localhost".to_owned()], &cert, &key).unwrap();
        *certificate.lock().unwrap() = std::fs::read_to_string(&cert).unwrap();
        format!(
            "allow_anonymous true\ncertfile {}\nkeyfile {}\n",
            cert.display(),
            key.display()
        )
    });
    let authority = certificate.into_inner().unwrap();
    let trusting = || Way::trusting(None, Arc::new(SystemResolver), &authority).unwrap();
    let by_name = format!("mqtts://localhost:{}", broker.port);
    let by_address = format!("mqtts://127.0.0.1:{}", broker.port);

    let mut trusted = Client::up(settings(&by_name, "a", &["t"]), trusting()).await;
    trusted
        .publisher
        .publish(publish("t", "1", Qos::AtMostOnce, false))
        .unwrap();
    assert_eq!(trusted.next().await, message("t", "1", Qos::AtMostOnce, false));
    trusted.end().await;
    for (url, way) in [(&by_name, anywhere()), (&by_address, trusting())] {
        let mut client = Client::start(settings(url, "b", &[]), way);
        let event = client.next().await;
        assert!(
            matches!(&event, Event::Down(Failure::Other(text)) if text.contains("certificate")),
            "{url}: {event:?}"
        );
        client.end().await;
    }
    assert!(Way::trusting(None, Arc::new(SystemResolver), "no PEM").is_err());
}

/// Whoever is asked for, it is this machine.
#[derive(Debug)]
struct Home;

impl Resolver for Home {
    fn resolve(&self, _: &str) -> Resolving {
        Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) })
    }
}

#[tokio::test]
async fn the_guard_looks_at_what_is_dialled() {
    let broker = Mosquitto::start();
    let by_name = format!("mqtt://broker.example:{}", broker.port);
    for (url, allow, expected) in [
        (&by_name, &[][..], false),
        (&by_name, &["broker.example"], true),
        (&broker.url(), &[], false),
        (&broker.url(), &["127.0.0.0/8"], true),
    ] {
        let guard = Arc::new(Guard::new(allow).unwrap());
        let way = Way::new(Some(guard), Arc::new(Home)).unwrap();
        let mut client = Client::start(settings(url, "a", &[]), way);
        let event = client.next().await;
        let is_denied = matches!(event, Event::Down(Failure::Denied(_)));
        assert_eq!(
            (event == Event::Up, is_denied),
            (expected, !expected),
            "{url} {allow:?}: {event:?}"
        );
        client.end().await;
    }
}

#[tokio::test]
async fn peers_that_are_no_brokers_are_left() {
    for (answer, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "the broker sent"),
        (&[0x20, 2, 0, 2], "does not like the client id"),
        (&[0x30, 0xff, 0xff, 0xff, 0x7f], "expected at most"),
        (&[0xd0, 0], "before it said welcome"),
        (
            &[0x20, 2, 0, 0, 0x90, 3, 0, 1, 0x80],
            "does not let us subscribe to `t`",
        ),
        (&[0x20, 2, 0], "closed"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("mqtt://{}", listener.local_addr().unwrap());
        let peer = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).await;
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            // Until the client has gone.
            while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
        });
        let mut client = Client::start(settings(&url, "a", &["t"]), anywhere());
        let event = client.next().await;
        let Event::Down(failure) = event else {
            panic!("{answer:02x?}: {event:?}");
        };
        assert!(failure.to_string().contains(expected), "{answer:02x?}: {failure}");
        client.end().await;
        peer.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_acknowledged_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let client = Client::start(settings(&url, "a", &[]), anywhere());
    client
        .publisher
        .publish(publish("t", "1", Qos::AtLeastOnce, false))
        .unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 15];
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(&[0x20, 2, 0, 0]).await.unwrap();
        let mut sent = [0; 8];
        stream.read_exact(&mut sent).await.unwrap();
        seen.push(sent);
    }
    // The same message, the second time marked as such.
    assert_eq!(seen[0], [0x32, 6, 0, 1, b't', 0, 2, b'1']);
    assert_eq!(seen[1], [0x3a, 6, 0, 1, b't', 0, 2, b'1']);
    client.end().await;
}

#[tokio::test]
async fn a_full_queue_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    // Nobody answers: nothing is sent.
    let client = Client::start(settings(&url, "a", &[]), anywhere());
    for _ in 0..mqtt::PENDING {
        client
            .publisher
            .publish(publish("t", "1", Qos::AtMostOnce, false))
            .unwrap();
    }
    let more = client
        .publisher
        .publish(publish("t", "1", Qos::AtMostOnce, false));
    assert_eq!(more, Err(mqtt::Full));
    client.end().await;
}
