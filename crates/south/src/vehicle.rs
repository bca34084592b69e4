//! How full cars are, from where each of them tells it: fetched over HTTP or heard by MQTT.
//!
//! One task per car. A fetch that fails is tried again sooner than the next one is due, after pauses that grow
//! and differ; a broker that goes away is dialled again by [`links::mqtt`]. What is told goes to whoever holds
//! the other end of the queue; nothing is stored here. Ten cars asked once a minute are some ten kilobytes a
//! minute.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use links::http::Client;
use links::mqtt;
use links::outbound_guard::{Guard, Resolver};
use links::{Backoff, Failure, Limits};
use model::id::VehicleId;
use model::secret::Secret;
use model::units::PerMille;
use model::vehicle::SocSource;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::pick::{member, number};

const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(10),
    timeout: Duration::from_secs(30),
    max_body: 256 * 1_024,
};

/// Where one car tells how full it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub vehicle: VehicleId,
    pub source: SocSource,
    /// The value of the header, or the password of the user at the broker.
    pub secret: Option<Secret>,
    /// Its address is the administrator's own, so it may be anywhere.
    pub anywhere: bool,
}

/// What came of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub vehicle: VehicleId,
    /// How full it is, or why nobody knows.
    pub soc: Result<PerMille, String>,
    /// The broker had kept it: nobody knows how old it is.
    pub retained: bool,
}

/// By which way sources are reached.
#[derive(Clone, Debug)]
pub struct Way {
    pub guard: Arc<Guard>,
    pub resolver: Arc<dyn Resolver>,
}

/// Why there is no state of charge. Never holds what the peer said: it is not for the eyes of whoever gave
/// the address.
#[derive(Debug, thiserror::Error)]
enum NoSoc {
    #[error("{0}")]
    Link(#[from] Failure),
    #[error("the answer has status {0}, expected 200")]
    Status(u16),
    #[error("it is no JSON")]
    NoJson,
    #[error("there is no number at `{0}` in it")]
    NoNumber(String),
    #[error("it says {0} %, expected 0 to 100")]
    Implausible(f64),
    #[error("the header cannot be sent: {0}")]
    Header(String),
}

/// Follows the sources until `stop`, and the list of them as it changes. When nobody takes what is told, the
/// tasks wait.
pub async fn run(
    mut sources: watch::Receiver<Vec<Source>>,
    way: Way,
    out: mpsc::Sender<Told>,
    stop: CancellationToken,
) {
    let mut followed: BTreeMap<VehicleId, (Source, CancellationToken)> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let wanted = sources.borrow_and_update().clone();
        followed.retain(|_, (source, ending)| {
            let stays = wanted.contains(source);
            if !stays {
                ending.cancel();
            }
            stays
        });
        for source in wanted {
            if followed.contains_key(&source.vehicle) {
                continue;
            }
            let ending = stop.child_token();
            followed.insert(source.vehicle.clone(), (source.clone(), ending.clone()));
            tasks.spawn(follow(source, way.clone(), out.clone(), ending));
        }
        // Tasks that have ended are taken out on the way.
        tokio::select! {
            () = stop.cancelled() => break,
            changed = sources.changed() => if changed.is_err() { break },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
    for (_, ending) in followed.values() {
        ending.cancel();
    }
    while tasks.join_next().await.is_some() {}
}

async fn follow(source: Source, way: Way, out: mpsc::Sender<Told>, stop: CancellationToken) {
    match source.source.clone() {
        SocSource::Http {
            url,
            path,
            every_s,
            header,
        } => {
            let place = Place { url, path, header };
            let every = Duration::from_secs(every_s.into());
            fetch_again_and_again(&source, &place, every, &way, &out, &stop).await;
        }
        SocSource::Mqtt {
            broker,
            topic,
            path,
            user,
        } => listen(&source, &broker, topic, &path, user, way, &out, &stop).await,
        SocSource::Manual | SocSource::Pushed | SocSource::Charger => {}
    }
}

struct Place {
    url: String,
    path: String,
    header: Option<String>,
}

async fn fetch_again_and_again(
    source: &Source,
    place: &Place,
    every: Duration,
    way: &Way,
    out: &mpsc::Sender<Told>,
    stop: &CancellationToken,
) {
    let mut backoff = Backoff::new(source.vehicle.as_str(), Duration::MAX);
    loop {
        let soc = tokio::select! {
            () = stop.cancelled() => return,
            soc = fetch(source, place, way) => soc,
        };
        let wait = match &soc {
            Ok(_) => {
                backoff = Backoff::new(source.vehicle.as_str(), Duration::MAX);
                every
            }
            // Ten seconds to ten minutes, and never longer than it takes when all is well.
            Err(_) => backoff.pause(Duration::ZERO).saturating_mul(10).min(every),
        };
        if !tell(source, soc, false, out, stop).await {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn fetch(source: &Source, place: &Place, way: &Way) -> Result<PerMille, NoSoc> {
    let client = Client::guarded(LIMITS, guard(source, way), Arc::clone(&way.resolver))?;
    let mut request = http::Request::get(&place.url).header(http::header::ACCEPT, "application/json");
    if let (Some(name), Some(secret)) = (&place.header, &source.secret) {
        let mut value = http::HeaderValue::from_str(secret.expose())
            .map_err(|_| NoSoc::Header("the secret has characters that a header cannot have".to_owned()))?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let request = request
        .body(Vec::new())
        .map_err(|error| NoSoc::Header(error.to_string()))?;
    let answer = client.send(request).await?;
    match answer.status().as_u16() {
        200 => read(answer.body(), &place.path),
        status => Err(NoSoc::Status(status)),
    }
}

/// The guard for addresses that somebody gave; the administrator's own go everywhere.
fn guard(source: &Source, way: &Way) -> Arc<Guard> {
    if source.anywhere {
        Arc::new(Guard::new(&["0.0.0.0/0", "::/0"]).unwrap_or_default())
    } else {
        Arc::clone(&way.guard)
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "the parts of one source, named by its own variant"
)]
async fn listen(
    source: &Source,
    broker: &str,
    topic: String,
    path: &str,
    user: Option<String>,
    way: Way,
    out: &mpsc::Sender<Told>,
    stop: &CancellationToken,
) {
    let opened = broker
        .parse::<mqtt::Broker>()
        .map_err(|error| error.to_string())
        .and_then(|broker| {
            let way = mqtt::Way::new(Some(guard(source, &way)), Arc::clone(&way.resolver));
            Ok((broker, way.map_err(|failure| failure.to_string())?))
        });
    let (broker, mqtt_way) = match opened {
        Ok(opened) => opened,
        Err(problem) => {
            tell_problem(source, problem, out, stop).await;
            return;
        }
    };
    let credentials = user.map(|user| mqtt::Credentials {
        user,
        password: source
            .secret
            .as_ref()
            .map_or_else(String::new, |secret| secret.expose().to_owned()),
    });
    let settings = mqtt::Settings {
        broker,
        client: client_id(&source.vehicle),
        credentials,
        will: None,
        subscriptions: vec![(topic, mqtt::Qos::AtLeastOnce)],
        limits: LIMITS,
    };
    let (_publisher, mut events, running) = mqtt::client(settings, mqtt_way, stop.child_token());
    let hearing = async {
        while let Some(event) = events.recv().await {
            let goes_on = match event {
                mqtt::Event::Up => true,
                mqtt::Event::Message(message) => {
                    let soc = read(&message.payload, path);
                    tell(source, soc, message.retained, out, stop).await
                }
                mqtt::Event::Down(failure) => tell(source, Err(failure.into()), false, out, stop).await,
            };
            if !goes_on {
                break;
            }
        }
        events.close();
    };
    tokio::join!(running, hearing);
}

/// Of two clients with one id a broker throws one out, so every process has its own.
fn client_id(vehicle: &VehicleId) -> String {
    format!("ohmstead-{}-{vehicle}", std::process::id())
}

async fn tell(
    source: &Source,
    soc: Result<PerMille, NoSoc>,
    retained: bool,
    out: &mpsc::Sender<Told>,
    stop: &CancellationToken,
) -> bool {
    let told = Told {
        vehicle: source.vehicle.clone(),
        soc: soc.map_err(|error| error.to_string()),
        retained,
    };
    send(told, out, stop).await
}

async fn tell_problem(
    source: &Source,
    problem: String,
    out: &mpsc::Sender<Told>,
    stop: &CancellationToken,
) -> bool {
    let told = Told {
        vehicle: source.vehicle.clone(),
        soc: Err(problem),
        retained: false,
    };
    send(told, out, stop).await
}

/// Says whether anybody still listens.
async fn send(told: Told, out: &mpsc::Sender<Told>, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        sent = out.send(told) => sent.is_ok(),
    }
}

/// Percent, in JSON at a path; a bare number is JSON too.
fn read(bytes: &[u8], path: &str) -> Result<PerMille, NoSoc> {
    let document: Value = serde_json::from_slice(bytes).map_err(|_| NoSoc::NoJson)?;
    let percent = member(&document, path).and_then(number);
    let percent = percent.ok_or_else(|| NoSoc::NoNumber(path.to_owned()))?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(NoSoc::Implausible(percent));
    }
    #[allow(clippy::cast_possible_truncation, reason = "its range was just looked at")]
    let permille = (percent * 10.0).round() as i64;
    Ok(PerMille(permille))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_read_and_nonsense_is_said() {
        for (text, path, expected) in [
            ("71.54", "", Ok(715)),
            ("\"40\"", "", Ok(400)),
            (r#"{"battery":{"soc":100}}"#, "battery.soc", Ok(1_000)),
            (r#"{"cars":[{"soc":0}]}"#, "cars.0.soc", Ok(0)),
            (
                r#"{"battery":{"soc":100.1}}"#,
                "battery.soc",
                Err("100.1 %, expected 0 to 100"),
            ),
            ("-1", "", Err("-1 %")),
            (
                r#"{"battery":{}}"#,
                "battery.soc",
                Err("no number at `battery.soc`"),
            ),
            ("<html>", "", Err("no JSON")),
            ("", "", Err("no JSON")),
        ] {
            match (read(text.as_bytes(), path), expected) {
                (Ok(soc), Ok(expected)) => assert_eq!(soc.0, expected, "{text}"),
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{text}: {error}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
