//! What a go-e charger has beyond requests and answers: WebSockets on its own port, and a broker that it tells
//! its keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dialects::goe::topics::{self, Topic};
use dialects::{Reply, Request};
use links::mqtt::{self, Broker, NoBroker, Publish, Publisher, Qos};
use links::outbound_guard::SystemResolver;
use links::websocket::Socket;
use links::{Limits, ServerLimits};
use model::time::Millis;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Port, lock};
use crate::settings::GoeChargerSettings;

const SOCKETS_AT: &str = "/ws";
/// How often a charger looks whether there is something to tell.
const TELLS_EVERY: Duration = Duration::from_secs(1);

/// Answers HTTP and WebSockets until the shutdown.
pub(super) async fn serve(port: Port, listener: TcpListener, shutdown: CancellationToken) {
    let for_sockets = port.clone();
    let handler = move |request| {
        let port = port.clone();
        async move {
            match port.answer(Request::Http(request)).await? {
                Reply::Http(response) => Some(response),
                Reply::Modbus { .. } => None,
            }
        }
    };
    let attend = move |socket| attend(for_sockets.clone(), socket);
    links::websocket::serve(
        listener,
        ServerLimits::default(),
        shutdown,
        SOCKETS_AT,
        handler,
        attend,
    )
    .await;
}

/// Serves one client of the WebSocket. The world is never held while something is sent.
async fn attend(port: Port, mut socket: Socket) {
    let opened = lock(&port.world).open_socket(&port.device);
    let Some((mut session, mut said)) = opened else {
        return;
    };
    let mut ticks = tokio::time::interval(TELLS_EVERY);
    loop {
        port.delay().await;
        for text in said {
            if socket.send(text).await.is_err() {
                return;
            }
        }
        let message = tokio::select! {
            message = socket.next() => match message {
                Ok(Some(message)) => Some(message),
                Ok(None) | Err(_) => return,
            },
            _ = ticks.tick() => None,
        };
        let now = port.clock.now();
        let answer = lock(&port.world).socket(&port.device, &mut session, message.as_deref(), now);
        match answer {
            Some(answer) => said = answer,
            None => return,
        }
    }
}

impl Port {
    async fn delay(&self) {
        let delay = lock(&self.world).delay(&self.device);
        if delay > Millis::ZERO {
            tokio::time::sleep(delay.to_std()).await;
        }
    }
}

/// Where a charger publishes, and as whom.
pub(super) struct Mqtt {
    broker: Broker,
    prefix: String,
    client: String,
}

impl Mqtt {
    /// `None`: it does not.
    pub fn new(settings: &GoeChargerSettings) -> Result<Option<Self>, NoBroker> {
        let Some(mqtt) = &settings.mqtt else {
            return Ok(None);
        };
        Ok(Some(Self {
            broker: mqtt.broker.parse()?,
            prefix: mqtt.prefix(&settings.serial),
            client: format!("go-eCharger_{}", settings.serial),
        }))
    }
}

/// Publishes what has changed, and takes what is written, until the shutdown.
pub(super) async fn publish(port: Port, mqtt: Mqtt, shutdown: CancellationToken) {
    let settings = mqtt::Settings {
        broker: mqtt.broker,
        client: mqtt.client,
        credentials: None,
        will: None,
        subscriptions: vec![(topics::set(&mqtt.prefix, "+"), Qos::AtMostOnce)],
        limits: Limits::default(),
    };
    let way = match mqtt::Way::new(None, Arc::new(SystemResolver)) {
        Ok(way) => way,
        Err(error) => {
            tracing::error!("charger {} publishes nothing: {error}", port.device);
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
                        tell(&port, &mqtt.prefix, &publisher, &mut told);
                    }
                    Some(mqtt::Event::Down(failure)) => {
                        is_up = false;
                        tracing::warn!("charger {} reaches no broker: {failure}", port.device);
                    }
                    Some(mqtt::Event::Message(message)) => take(&port, &mqtt.prefix, &publisher, &message),
                    None => break,
                },
                _ = ticks.tick() => if is_up {
                    tell(&port, &mqtt.prefix, &publisher, &mut told);
                },
            }
        }
    };
    tokio::join!(running, telling);
}

/// What the queue does not take is told the next time.
fn tell(port: &Port, prefix: &str, publisher: &Publisher, told: &mut BTreeMap<&'static str, String>) {
    let exported = lock(&port.world).exported(&port.device);
    for (key, json) in exported {
        if told.get(key) == Some(&json) {
            continue;
        }
        let publish = Publish {
            topic: topics::key(prefix, key),
            payload: json.clone().into_bytes(),
            qos: Qos::AtMostOnce,
            retain: true,
        };
        if publisher.publish(publish).is_ok() {
            told.insert(key, json);
        }
    }
}

fn take(port: &Port, prefix: &str, publisher: &Publisher, message: &mqtt::Message) {
    let Some(Topic::Set(key)) = topics::parse(prefix, &message.topic) else {
        return;
    };
    let payload = String::from_utf8_lossy(&message.payload);
    let now = port.clock.now();
    let result = lock(&port.world).take(&port.device, key, &payload, now);
    let Some(result) = result else { return };
    let publish = Publish {
        topic: topics::result(prefix, key),
        payload: result.into_bytes(),
        qos: Qos::AtMostOnce,
        retain: false,
    };
    if publisher.publish(publish).is_err() {
        tracing::warn!("the result of a write to {key} is lost: the broker is too slow");
    }
}
