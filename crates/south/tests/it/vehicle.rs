//! Cars that tell how full they are: over HTTP, and by a real broker.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use links::mqtt::{self, Publish, Qos};
use links::outbound_guard::{Guard, SystemResolver};
use model::id::VehicleId;
use model::secret::Secret;
use model::units::PerMille;
use model::vehicle::SocSource;
use south::vehicle::{Source, Told, Way, run};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::mosquitto::Mosquitto;

fn car() -> VehicleId {
    VehicleId::new("blue-car").unwrap()
}

fn over_http(url: &str) -> Source {
    Source {
        vehicle: car(),
        source: SocSource::Http {
            url: url.to_owned(),
            path: "battery.soc".to_owned(),
            every_s: 0,
            header: Some("X-Api-Key".to_owned()),
        },
        secret: None,
        anywhere: true,
    }
}

struct Following {
    sources: watch::Sender<Vec<Source>>,
    told: mpsc::Receiver<Told>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Following {
    fn start(sources: Vec<Source>) -> Self {
        let (sources, followed) = watch::channel(sources);
        let (out, told) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let way = Way {
            guard: Arc::new(Guard::default()),
            resolver: Arc::new(SystemResolver),
        };
        let running = tokio::spawn(run(followed, way, out, stop.clone()));
        Self {
            sources,
            told,
            stop,
            running,
        }
    }

    async fn next(&mut self) -> Told {
        self.told.recv().await.unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

#[tokio::test]
async fn a_car_tells_over_http_with_its_secret_also_after_failures() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/car?x=1", listener.local_addr().unwrap());
    let (asked, keys) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let shutdown = CancellationToken::new();
    let (count, seen) = (asked.clone(), keys.clone());
    let handler = move |request: http::Request<Vec<u8>>| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let key = request.headers().get("x-api-key").cloned();
        seen.lock()
            .unwrap()
            .push(key.map(|key| key.to_str().unwrap().to_owned()));
        async move {
            let (status, body) = match number {
                0 => (503, "secret of the peer"),
                1 => (200, r#"{"battery":{"soc":140}}"#),
                _ => (200, r#"{"battery":{"soc":71.5}}"#),
            };
            let mut answer = http::Response::new(body.as_bytes().to_vec());
            *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
            Some(answer)
        }
    };
    let limits = links::ServerLimits::default();
    let server = tokio::spawn(links::http::serve(listener, limits, shutdown.clone(), handler));

    let source = Source {
        secret: Some(Secret::new("k3y")),
        ..over_http(&url)
    };
    let mut following = Following::start(vec![source]);
    for expected in [
        Err("the answer has status 503, expected 200".to_owned()),
        Err("it says 140 %, expected 0 to 100".to_owned()),
        Ok(PerMille(715)),
        Ok(PerMille(715)),
    ] {
        let told = following.next().await;
        assert_eq!((told.vehicle, told.soc, told.retained), (car(), expected, false));
    }
    // One that is taken away is not asked any more.
    following.sources.send_replace(Vec::new());
    following.end().await;
    shutdown.cancel();
    server.await.unwrap();
    let keys = keys.lock().unwrap();
    assert!(keys.iter().all(|key| key.as_deref() == Some("k3y")), "{keys:?}");
}

#[tokio::test]
async fn an_address_that_somebody_gave_passes_the_guard() {
    for source in [
        over_http("http://127.0.0.1:8000/car").source,
        SocSource::Mqtt {
            broker: "mqtt://127.0.0.1:9".to_owned(),
            topic: "car/soc".to_owned(),
            path: String::new(),
            user: None,
        },
    ] {
        let mut following = Following::start(vec![Source {
            vehicle: car(),
            source,
            secret: None,
            anywhere: false,
        }]);
        let told = following.next().await;
        let problem = told.soc.unwrap_err();
        assert!(problem.contains("loopback"), "{problem}");
        following.end().await;
    }
}

#[tokio::test]
async fn a_car_tells_by_mqtt_and_what_was_kept_is_marked() {
    let broker = Mosquitto::start();
    let settings = mqtt::Settings {
        broker: broker.url().parse().unwrap(),
        client: "car".to_owned(),
        credentials: None,
        will: None,
        subscriptions: Vec::new(),
        limits: links::Limits::default(),
    };
    let way = mqtt::Way::new(None, Arc::new(SystemResolver)).unwrap();
    let stop = CancellationToken::new();
    let (publisher, mut events, running) = mqtt::client(settings, way, stop.clone());
    let running = tokio::spawn(running);
    assert_eq!(events.recv().await, Some(mqtt::Event::Up));
    let say = |payload: &str, retain| {
        let publish = Publish {
            topic: "cars/blue".to_owned(),
            payload: payload.into(),
            qos: Qos::AtLeastOnce,
            retain,
        };
        publisher.publish(publish).unwrap();
    };
    // Somebody else hears it: then the broker has it.
    let mut witness = Following::start(vec![by_mqtt(&broker, "witness")]);
    say(r#"{"soc":"40"}"#, true);
    let heard = witness.next().await;
    assert_eq!(
        (heard.soc, heard.vehicle.as_str()),
        (Ok(PerMille(400)), "witness")
    );

    let mut following = Following::start(vec![by_mqtt(&broker, "blue-car")]);
    let kept = following.next().await;
    assert_eq!((kept.soc, kept.retained), (Ok(PerMille(400)), true));
    say(r#"{"soc":41.25}"#, false);
    let fresh = following.next().await;
    assert_eq!((fresh.soc, fresh.retained), (Ok(PerMille(413)), false));
    say("<html>", false);
    assert_eq!(following.next().await.soc, Err("it is no JSON".to_owned()));
    witness.end().await;
    following.end().await;
    stop.cancel();
    running.await.unwrap();
}

fn by_mqtt(broker: &Mosquitto, vehicle: &str) -> Source {
    Source {
        vehicle: VehicleId::new(vehicle).unwrap(),
        source: SocSource::Mqtt {
            broker: broker.url(),
            topic: "cars/blue".to_owned(),
            path: "soc".to_owned(),
            user: None,
        },
        secret: None,
        anywhere: true,
    }
}
