//! MQTT 3.1.1, the client: subscribe, publish, last will, QoS 0 and 1, in clear or over TLS.
//!
//! [`run`] holds one connection to one broker and makes it again, after pauses that grow and differ, whenever
//! it ends. Every connection starts a clean session and subscribes anew, so that retained messages come again.
//!
//! Bounds: a packet is at most [`Limits::max_body`] long. Messages wait in a queue of [`HEARD`]; while it is
//! full nothing more is read, and the broker decides what it keeps. What is to be published waits in a queue
//! of [`PENDING`]; while it is full, also because the broker is away, [`Publisher::publish`] refuses.
//! Of QoS 1 at most [`IN_FLIGHT`] are without an acknowledgement; after a new connection they are sent again.
//!
//! With a [`Guard`](crate::outbound_guard::Guard) the connection goes only to addresses that it lets pass, checked
//! when it is made.
//!
//! It is our own because the libraries at hand cannot do two of these things (looked at in November 2026; worth
//! another look when that changes):
//! - `rumqttc` 0.25 forgets what was not acknowledged, and what waits in its queue, whenever the broker has no session
//!   of ours, which is after every clean start and after every restart of a broker (bytebeamio/rumqtt#923, open); it
//!   resolves and dials by itself, so no guard can look, and brings a second, older verifier of certificates. Sessions
//!   that the broker keeps are no way out: retained messages do not come again with them, and they stay for ever
//!   under the name of each process that ended.
//! - `rumqttc-v4-next` 0.34, its fork, and `mqtt-protocol-core` 0.7 let us dial, and forget the same. The second would
//!   then do what `packet` does here, with fifty crates behind it.

mod packet;

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::dial::{Stream, dial};
use crate::failure::Failure;
use crate::limits::Limits;
use packet::Packet;

pub use crate::dial::Way;

/// Messages that wait for whoever listens.
pub const HEARD: usize = 64;
/// Messages that wait to be sent.
pub const PENDING: usize = 256;
/// Messages of QoS 1 that wait for their acknowledgement.
pub const IN_FLIGHT: usize = 32;

const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// A connection that lived so long had recovered; its end counts as the first one.
const RECOVERED: Duration = Duration::from_secs(60);

/// How often a message may arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    #[default]
    AtMostOnce,
    AtLeastOnce,
}

impl Qos {
    const fn bits(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
        }
    }
}

/// Who we are to a broker.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// A message that we send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: Qos,
    /// The broker keeps it for those who subscribe later.
    pub retain: bool,
}

/// A message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: Qos,
    /// It was kept by the broker: nobody knows how old it is.
    pub retained: bool,
}

/// Where a broker is: `mqtt://host`, `mqtts://host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    pub tls: bool,
}

/// Why a text names no broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is no address of a broker, expected mqtt://host or mqtts://host, with :port if it is not 1883 or 8883"
)]
pub struct NoBroker {
    pub given: String,
}

impl std::str::FromStr for Broker {
    type Err = NoBroker;

    fn from_str(text: &str) -> Result<Self, NoBroker> {
        let wrong = || NoBroker {
            given: text.chars().take(80).collect(),
        };
        let (tls, rest) = match text.split_once("://") {
            Some(("mqtt", rest)) => (false, rest),
            Some(("mqtts", rest)) => (true, rest),
            Some(_) | None => return Err(wrong()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let usual = if tls { 8_883 } else { 1_883 };
        let (host, port) = match rest.rsplit_once(':') {
            // The colon of a bare IPv6 address in brackets.
            Some((_, after)) if after.ends_with(']') => (rest, usual),
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (rest, usual),
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let fits = (1..=253).contains(&host.len())
            && port != 0
            && (host.parse::<IpAddr>().is_ok()
                || host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')));
        let host = host.to_owned();
        fits.then_some(Self { host, port, tls }).ok_or_else(wrong)
    }
}

/// Whether a client may publish to it: no wildcard, not empty, no control character (4.7).
#[must_use]
pub fn is_topic(text: &str) -> bool {
    (1..=1_024).contains(&text.len()) && text.chars().all(|c| !c.is_control() && c != '#' && c != '+')
}

/// How long the packet at the head of `bytes` is, as a client reads what its broker sends; `None` while it is not
/// complete.
///
/// # Errors
/// Why it is no packet, or longer than `limit`.
pub fn packet_length(bytes: &[u8], limit: usize) -> Result<Option<usize>, Failure> {
    let packet = packet::decode(bytes, limit);
    let packet = packet.map_err(|error| Failure::Other(format!("the broker sent {error}")))?;
    Ok(packet.map(|(_, length)| length))
}

/// What one client wants of one broker.
#[derive(Clone, Debug)]
pub struct Settings {
    pub broker: Broker,
    /// Unique at the broker: of two with one id the older is thrown out.
    pub client: String,
    pub credentials: Option<Credentials>,
    /// What the broker says for us when we are gone without a word.
    pub will: Option<Publish>,
    /// Topic filters, with the most that is wanted.
    pub subscriptions: Vec<(String, Qos)>,
    pub limits: Limits,
}

/// What happens at a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The broker has accepted us and all subscriptions.
    Up,
    Message(Message),
    /// The connection ended or could not be made. It is tried again.
    Down(Failure),
}

/// The end at which messages go in.
#[derive(Clone, Debug)]
pub struct Publisher(mpsc::Sender<Publish>);

/// The queue is full: the broker is away, or slower than what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{PENDING} messages wait for the broker already")]
pub struct Full;

impl Publisher {
    /// Queues a message. It is sent when the broker is there.
    ///
    /// # Errors
    /// When the queue is full or the connection has been given up.
    pub fn publish(&self, publish: Publish) -> Result<(), Full> {
        self.0.try_send(publish).map_err(|_| Full)
    }
}

/// A client: what it hears, the end at which messages go in, and what has to run.
pub fn client(
    settings: Settings,
    way: Way,
    stop: CancellationToken,
) -> (Publisher, mpsc::Receiver<Event>, impl Future<Output = ()> + Send) {
    let (send, requests) = mpsc::channel(PENDING);
    let (events, heard) = mpsc::channel(HEARD);
    let running = run(settings, way, requests, events, stop);
    (Publisher(send), heard, running)
}

/// Connects, and connects again, until `stop` or nobody listens any more.
async fn run(
    settings: Settings,
    way: Way,
    mut requests: mpsc::Receiver<Publish>,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::new(&settings.client, RECOVERED);
    let mut unacknowledged = VecDeque::new();
    loop {
        let started = Instant::now();
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            opened = timeout(settings.limits.timeout, Connection::open(&settings, &way)) => match opened {
                Ok(Ok(connection)) => {
                    connection.serve(&settings, &mut requests, &events, &mut unacknowledged, &stop).await
                }
                Ok(Err(failure)) => End::Failed(failure),
                Err(_) => End::Failed(Failure::timed_out(settings.limits.timeout)),
            },
        };
        let End::Failed(failure) = ended else { return };
        if events.send(Event::Down(failure)).await.is_err() {
            return;
        }
        let pause = backoff.pause(started.elapsed());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

enum End {
    /// Somebody wants it to end.
    Wanted,
    Failed(Failure),
}

/// A message of QoS 1 on its way, by its number.
type InFlight = VecDeque<(u16, Publish)>;

struct Connection {
    reader: Reader,
    write: WriteHalf<Stream>,
    patience: Duration,
}

/// Bytes to packets; nothing is lost when a read is given up.
struct Reader {
    read: ReadHalf<Stream>,
    bytes: Vec<u8>,
    limit: usize,
}

impl Reader {
    async fn next(&mut self) -> Result<Packet, Failure> {
        loop {
            let decoded = packet::decode(&self.bytes, self.limit);
            let decoded = decoded.map_err(|error| Failure::Other(format!("the broker sent {error}")))?;
            if let Some((packet, used)) = decoded {
                self.bytes.drain(..used);
                return Ok(packet);
            }
            if self.read.read_buf(&mut self.bytes).await? == 0 {
                return Err(Failure::Closed);
            }
        }
    }
}

impl Connection {
    /// Dials, says who we are and subscribes.
    async fn open(settings: &Settings, way: &Way) -> Result<Self, Failure> {
        let Broker { host, port, tls } = &settings.broker;
        let stream = dial(host, *port, *tls, way, settings.limits.connect_timeout).await?;
        let (read, write) = tokio::io::split(stream);
        let mut connection = Self {
            reader: Reader {
                read,
                bytes: Vec::new(),
                limit: settings.limits.max_body,
            },
            write,
            patience: settings.limits.timeout,
        };
        let keep_alive_s = u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX);
        let hello = packet::connect(
            &settings.client,
            keep_alive_s,
            settings.credentials.as_ref(),
            settings.will.as_ref(),
        );
        connection.send(&hello).await?;
        match connection.reader.next().await? {
            Packet::ConnAck { code: 0 } => {}
            Packet::ConnAck { code } => return Err(Failure::Other(refusal(code))),
            Packet::Publish { .. } | Packet::PubAck { .. } | Packet::SubAck { .. } | Packet::Pong => {
                return Err(Failure::Other(
                    "the broker spoke before it said welcome".to_owned(),
                ));
            }
        }
        if !settings.subscriptions.is_empty() {
            let wanted = packet::subscribe(1, &settings.subscriptions);
            connection.send(&wanted).await?;
        }
        Ok(connection)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = async {
            self.write.write_all(bytes).await?;
            self.write.flush().await
        };
        match timeout(self.patience, sent).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(Failure::timed_out(self.patience)),
        }
    }

    async fn serve(
        mut self,
        settings: &Settings,
        requests: &mut mpsc::Receiver<Publish>,
        events: &mpsc::Sender<Event>,
        in_flight: &mut InFlight,
        stop: &CancellationToken,
    ) -> End {
        let served = self.exchange(settings, requests, events, in_flight, stop).await;
        match served {
            Ok(()) => {
                // A last word, so that the will is not said. Nothing waits for it to arrive.
                let _ = self.send(&packet::DISCONNECT).await;
                let _ = timeout(self.patience, self.write.shutdown()).await;
                End::Wanted
            }
            Err(failure) => End::Failed(failure),
        }
    }

    async fn exchange(
        &mut self,
        settings: &Settings,
        requests: &mut mpsc::Receiver<Publish>,
        events: &mpsc::Sender<Event>,
        in_flight: &mut InFlight,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let mut is_up = settings.subscriptions.is_empty();
        if is_up && events.send(Event::Up).await.is_err() {
            return Ok(());
        }
        for (id, publish) in in_flight.iter() {
            let bytes = packet::publish(publish, Some(*id), true);
            self.send(&bytes).await?;
        }
        let mut numbers = Numbers(in_flight.back().map_or(1, |(id, _)| *id));
        let mut ping_at = Instant::now() + KEEP_ALIVE;
        let mut is_waiting = false;
        let mut can_send = true;
        loop {
            // In no order, so that neither side waits for ever while the other one has much to say.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                heard = self.reader.next() => {
                    is_waiting = false;
                    match heard? {
                        Packet::Publish { message, id } => {
                            let handed = tokio::select! {
                                () = stop.cancelled() => return Ok(()),
                                handed = events.send(Event::Message(message)) => handed,
                            };
                            if handed.is_err() {
                                return Ok(());
                            }
                            if let Some(id) = id {
                                self.send(&packet::acknowledge(id)).await?;
                            }
                        }
                        Packet::PubAck { id } => in_flight.retain(|(sent, _)| *sent != id),
                        Packet::SubAck { granted, .. } => {
                            refused(&settings.subscriptions, &granted)?;
                            if !is_up && events.send(Event::Up).await.is_err() {
                                return Ok(());
                            }
                            is_up = true;
                        }
                        Packet::Pong => {}
                        Packet::ConnAck { .. } => {
                            return Err(Failure::Other("the broker said welcome twice".to_owned()));
                        }
                    }
                }
                wanted = requests.recv(), if is_up && can_send && in_flight.len() < IN_FLIGHT => {
                    let Some(publish) = wanted else {
                        can_send = false;
                        continue;
                    };
                    let id = (publish.qos == Qos::AtLeastOnce).then(|| numbers.next(in_flight));
                    let bytes = packet::publish(&publish, id, false);
                    if let Some(id) = id {
                        in_flight.push_back((id, publish));
                    }
                    self.send(&bytes).await?;
                }
                () = sleep_until(ping_at) => {
                    if is_waiting {
                        return Err(Failure::timed_out(KEEP_ALIVE));
                    }
                    is_waiting = true;
                    ping_at = Instant::now() + KEEP_ALIVE;
                    self.send(&packet::PING).await?;
                }
            }
        }
    }
}

/// Numbers of messages that are not in use. 1 is that of the subscription.
struct Numbers(u16);

impl Numbers {
    fn next(&mut self, in_flight: &InFlight) -> u16 {
        loop {
            self.0 = if self.0 == u16::MAX { 2 } else { self.0 + 1 };
            if !in_flight.iter().any(|(id, _)| *id == self.0) {
                return self.0;
            }
        }
    }
}

/// A broker may grant less than was asked for, or nothing (3.9.3).
fn refused(wanted: &[(String, Qos)], granted: &[u8]) -> Result<(), Failure> {
    let answers = granted.iter().map(Some).chain(std::iter::repeat(None));
    let not_granted = wanted
        .iter()
        .zip(answers)
        .find(|(_, answer)| answer.is_none_or(|code| *code > 1));
    match not_granted {
        Some(((filter, _), _)) => Err(Failure::Other(format!(
            "the broker does not let us subscribe to `{filter}`"
        ))),
        None => Ok(()),
    }
}

/// Return codes of 3.2.2.3.
fn refusal(code: u8) -> String {
    let why = match code {
        1 => "it does not speak MQTT 3.1.1",
        2 => "it does not like the client id",
        3 => "it is not available",
        4 => "user or password is wrong",
        5 => "we are not authorised; check user and password",
        _ => return format!("the broker refuses the connection with code {code}"),
    };
    format!("the broker refuses the connection: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_and_what_are_none() {
        for (text, expected) in [
            ("mqtt://127.0.0.1", Some(("127.0.0.1", 1_883, false))),
            ("mqtt://broker.lan:1884/", Some(("broker.lan", 1_884, false))),
            ("mqtts://broker.example", Some(("broker.example", 8_883, true))),
            ("mqtt://[::1]", Some(("::1", 1_883, false))),
            ("mqtts://[::1]:99", Some(("::1", 99, true))),
            ("broker.lan", None),
            ("http://broker.lan", None),
            ("mqtt://", None),
            ("mqtt://broker:0", None),
            ("mqtt://broker:port", None),
            ("mqtt://user:secret@broker", None),
            ("mqtt://broker/topic", None),
        ] {
            let broker = text.parse::<Broker>();
            let found = broker.as_ref().ok().map(|b| (b.host.as_str(), b.port, b.tls));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn numbers_in_use_are_passed_over() {
        let publish = Publish {
            topic: "t".to_owned(),
            payload: Vec::new(),
            qos: Qos::AtLeastOnce,
            retain: false,
        };
        let in_flight = InFlight::from([(u16::MAX, publish.clone()), (2, publish)]);
        assert_eq!(Numbers(u16::MAX - 1).next(&in_flight), 3);
    }
}
