//! What the cars tell of themselves, as a maker's service would: over HTTP and by MQTT.
//!
//! `GET /vehicles/<id of the EVSE they belong to>` answers with the battery in percent, at home and away. With
//! a broker the same number is published, kept there, whenever it has changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use links::ServerLimits;
use links::mqtt::{self, Broker, Publish, Publisher, Qos};
use links::outbound_guard::SystemResolver;
use model::id::EvseId;
use model::units::PerMille;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::listen::lock;
use crate::world::World;

/// Cars say something new at most so often.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Answers for all cars of a world until the shutdown.
pub(crate) async fn serve(world: Arc<Mutex<World>>, listener: TcpListener, shutdown: CancellationToken) {
    let handler = move |request: http::Request<Vec<u8>>| {
        let answer = answer(&lock(&world), &request);
        async move { Some(answer) }
    };
    links::http::serve(listener, ServerLimits::default(), shutdown, handler).await;
}

fn answer(world: &World, request: &http::Request<Vec<u8>>) -> http::Response<Vec<u8>> {
    let path = request.uri().path().strip_prefix("/vehicles/");
    let truth = world.truth();
    let car = path.and_then(|id| truth.evses.iter().find(|(evse, _)| evse.as_str() == id));
    let (status, body) = match (request.method(), car) {
        (&http::Method::GET, Some((_, car))) => {
            let plugged = car.pilot.is_plugged();
            let body = json!({"battery": {"soc": percent(car.soc)}, "plugged": plugged});
            (http::StatusCode::OK, body)
        }
        (&http::Method::GET, None) => (http::StatusCode::NOT_FOUND, json!({"error": "no such vehicle"})),
        _ => (http::StatusCode::METHOD_NOT_ALLOWED, json!({"error": "only GET"})),
    };
    let mut response = http::Response::new(body.to_string().into_bytes());
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// In percent, with one decimal.
fn percent(soc: PerMille) -> serde_json::Number {
    // A number with one decimal reads back as itself.
    let text = format!("{}.{}", soc.0 / 10, soc.0 % 10);
    text.parse().unwrap_or_else(|_| 0.into())
}

/// The topic on which the car of an EVSE tells how full it is.
#[must_use]
pub fn topic(evse: &EvseId) -> String {
    format!("ohmstead-sim/{evse}/soc")
}

/// Publishes what has changed until the shutdown.
pub(crate) async fn publish(world: Arc<Mutex<World>>, broker: Broker, shutdown: CancellationToken) {
    let settings = mqtt::Settings {
        broker,
        client: format!("ohmstead-sim-{}", std::process::id()),
        credentials: None,
        will: None,
        subscriptions: Vec::new(),
        limits: links::Limits::default(),
    };
    let way = match mqtt::Way::new(None, Arc::new(SystemResolver)) {
        Ok(way) => way,
        Err(error) => {
            tracing::error!("the virtual cars publish nothing: {error}");
            return;
        }
    };
    let (publisher, mut events, running) = mqtt::client(settings, way, shutdown.clone());
    let telling = async {
        let mut told = BTreeMap::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = events.recv() => match event {
                    // The broker may have forgotten.
                    Some(mqtt::Event::Up) => told.clear(),
                    Some(mqtt::Event::Down(failure)) => tracing::warn!("the virtual cars reach no broker: {failure}"),
                    Some(mqtt::Event::Message(_)) => {}
                    None => break,
                },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            tell(&lock(&world), &publisher, &mut told);
        }
    };
    tokio::join!(running, telling);
}

fn tell(world: &World, publisher: &Publisher, told: &mut BTreeMap<EvseId, PerMille>) {
    for (evse, car) in world.truth().evses {
        if told.get(&evse) == Some(&car.soc) {
            continue;
        }
        let publish = Publish {
            topic: topic(&evse),
            payload: percent(car.soc).to_string().into_bytes(),
            qos: Qos::AtLeastOnce,
            retain: true,
        };
        if publisher.publish(publish).is_ok() {
            told.insert(evse, car.soc);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo;

    #[test]
    fn a_car_tells_its_battery_in_percent() {
        let world = World::new(demo::home(1)).unwrap();
        let ask = |method: &str, path: &str| {
            let request = http::Request::builder().method(method).uri(path);
            let answer = answer(&world, &request.body(Vec::new()).unwrap());
            let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
            (answer.status().as_u16(), body["battery"]["soc"].as_f64())
        };
        assert_eq!(ask("GET", "/vehicles/left"), (200, Some(48.0)));
        assert_eq!(ask("GET", "/vehicles/middle").0, 404);
        assert_eq!(ask("GET", "/").0, 404);
        assert_eq!(ask("POST", "/vehicles/left").0, 405);
        assert_eq!(percent(PerMille(7)).to_string(), "0.7");
        assert_eq!(percent(PerMille(1_000)).to_string(), "100.0");
    }
}
