//! A broker that a device dials, tells what it has, and is written to by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use links::Limits;
use links::mqtt::{self, Broker, Publish, Publisher, Qos};
use links::outbound_guard::SystemResolver;
use tokio_util::sync::CancellationToken;

use super::{Port, lock};
use crate::voice::Publication;

/// How often a device looks whether there is something to tell.
const TELLS_EVERY: Duration = Duration::from_secs(1);

/// Where a device publishes, and as whom.
pub(super) struct Settings {
    pub broker: Broker,
    pub client: String,
    pub subscriptions: Vec<String>,
}

/// Publishes what has changed, and takes what is written, until the shutdown.
pub(super) async fn publish(port: Port, settings: Settings, shutdown: CancellationToken) {
    let subscribed = settings.subscriptions.into_iter();
    let settings = mqtt::Settings {
        broker: settings.broker,
        client: settings.client,
        credentials: None,
        will: None,
        subscriptions: subscribed.map(|topic| (topic, Qos::AtMostOnce)).collect(),
        limits: Limits::default(),
    };
    let way = match mqtt::Way::new(None, Arc::new(SystemResolver)) {
        Ok(way) => way,
        Err(error) => {
            tracing::error!("device {} publishes nothing: {error}", port.device);
            return;
        }
    };
    let (publisher, mut events, running) = mqtt::client(settings, way, shutdown.clone());
    let telling = async {
        let mut told = BTreeMap::new();
        let mut is_up = false;
        let mut ticks = tokio::time::interval(TELLS_EVERY);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = events.recv() => match event {
                    Some(mqtt::Event::Up) => {
                        // The broker may have forgotten.
                        told.clear();
                        is_up = true;
                        tell(&port, &publisher, &mut told);
                    }
                    Some(mqtt::Event::Down(failure)) => {
                        is_up = false;
                        tracing::warn!("device {} reaches no broker: {failure}", port.device);
                    }
                    Some(mqtt::Event::Message(message)) => take(&port, &publisher, &message),
                    None => break,
                },
                _ = ticks.tick() => if is_up {
                    tell(&port, &publisher, &mut told);
                },
            }
        }
    };
    tokio::join!(running, telling);
}

/// What the queue does not take is told the next time.
fn tell(port: &Port, publisher: &Publisher, told: &mut BTreeMap<String, Vec<u8>>) {
    let publications = lock(&port.world).publications(&port.device);
    for publication in publications {
        if told.get(&publication.topic) == Some(&publication.payload) {
            continue;
        }
        let (topic, payload) = (publication.topic.clone(), publication.payload.clone());
        if publisher.publish(made(publication)).is_ok() {
            told.insert(topic, payload);
        }
    }
}

fn take(port: &Port, publisher: &Publisher, message: &mqtt::Message) {
    let now = port.clock.now();
    let result = lock(&port.world).take(&port.device, &message.topic, &message.payload, now);
    let Some(result) = result else { return };
    if publisher.publish(made(result)).is_err() {
        let topic = &message.topic;
        tracing::warn!("the result of a write to {topic} is lost: the broker is too slow");
    }
}

fn made(publication: Publication) -> Publish {
    Publish {
        topic: publication.topic,
        payload: publication.payload,
        qos: Qos::AtMostOnce,
        retain: publication.retain,
    }
}
