//! Wire protocols, both sides, sans-IO.
//!
//! Wire words live in these folders and nowhere else. A dialect's client and server are plain structs
//! around one set of wire types; whoever owns the socket drives them in the same way, whatever the dialect:
//! send what [`Client::poll_request`] gives, feed what arrives, sleep until [`Client::poll_timeout`].

mod attempts;
pub mod cfos;
pub mod clouds;
pub mod eybond;
pub mod goe;
mod line;
pub mod modbus;
pub mod query;
pub mod shinemonitor;
pub mod sunspec;
pub mod supervision;

pub use line::Line;

use model::gateway::{GatewayFacts, Unit};
use model::message::Report;
use model::setpoint::Action;
use model::time::{Monotonic, Now, Timestamp};

/// What a dialect wants carried to its peer.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "one request is under way per link; a box would only add an allocation"
)]
pub enum Request {
    Http(http::Request<Vec<u8>>),
    /// A Modbus request without its transport frame.
    Modbus {
        unit: u8,
        pdu: Vec<u8>,
    },
}

/// What leaves without an answer of its own, over transports that push.
#[derive(Debug)]
pub enum Outgoing {
    /// Open the connection: [`Incoming::Opened`] or [`Incoming::Closed`] tells.
    Open,
    Close,
    /// Bytes of a bare connection.
    Bytes(Vec<u8>),
    /// A message of a WebSocket.
    Text(String),
    /// A message to a broker.
    Publish {
        topic: String,
        payload: Vec<u8>,
    },
    /// Arithmetic that takes long, to be done where nobody waits for it: [`Incoming::Done`] tells.
    Work(Work),
    /// For the connection that goes along with this one, where there is such a thing.
    Beside(Beside),
}

/// What happens to a second connection that goes along with the first: somebody who is let in on what a device says.
/// It is there when it can be, and made again by itself as long as the first one lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// It is there; never sent.
    Opened,
    Bytes(Vec<u8>),
    /// It has ended, or is to end.
    Closed,
}

/// Something to be called once, aside.
pub struct Work(pub Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work(…)")
    }
}

/// What comes without having been asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    Opened,
    /// A message of a WebSocket, text or binary; of a bare connection, what has come of it.
    Message(Vec<u8>),
    /// A message of a broker. Retained: it had been kept, nobody knows how long.
    Published {
        topic: String,
        payload: Vec<u8>,
        retained: bool,
    },
    Done,
    Beside(Beside),
    /// The connection ended or could not be made.
    Closed(Failure),
}

/// What the peer answered.
#[derive(Clone, Debug)]
pub enum Reply {
    Http(http::Response<Vec<u8>>),
    Modbus { pdu: Vec<u8> },
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("connection refused")]
    Refused,
    #[error("no answer within {after_ms} ms")]
    TimedOut { after_ms: i64 },
    #[error("connection closed before the answer was complete")]
    Closed,
    #[error("{0}")]
    Other(String),
}

/// An answer that makes no sense. Says what was asked, what came and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{asked}: {came}; expected {expected}")]
pub struct ReplyError {
    pub asked: String,
    pub came: String,
    pub expected: String,
}

/// The first words on a connection that a device made to us: who is it? Like [`Client`] without sockets: send
/// what [`Greeter::poll_bytes`] gives, feed what arrives, sleep until [`Greeter::poll_timeout`]. Once it is known who it
/// is, what arrives is kept for its client; as long as there is none the greeter may go on to say what keeps it there.
pub trait Greeter: Send {
    /// Something has come.
    fn handle_bytes(&mut self, bytes: &[u8], now: Now) -> Greeting;
    /// Somebody who has said who it is, and for whom nobody is there yet, has said more: `unread` is all that its
    /// client will hear first. What it need not hear may go, so that somebody can wait for days.
    ///
    /// # Errors
    /// When it makes no sense, or comes of somebody else.
    fn handle_waiting(&mut self, unread: &mut Vec<u8>) -> Result<(), ReplyError> {
        let _ = unread;
        Ok(())
    }
    /// Time has come: some devices say nothing until they are asked in the right way.
    fn handle_timeout(&mut self, now: Now) -> Greeting;
    /// What is to be sent; fetched until there is nothing more.
    fn poll_bytes(&mut self) -> Option<Vec<u8>>;
    /// When [`Greeter::handle_timeout`] is due.
    fn poll_timeout(&self) -> Monotonic;
}

/// What is known of whoever connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// Nothing yet.
    More,
    /// Its name, and what came behind that already.
    Is { name: String, rest: Vec<u8> },
    /// Nobody who belongs here.
    Nonsense(ReplyError),
}

/// What a client has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A device behind the link says something.
    Report { unit: Unit, report: Report },
    /// The same, of an earlier time: a cloud or a logger has kept it.
    Dated {
        unit: Unit,
        at: Timestamp,
        report: Report,
    },
    /// A device is there, whether or not anybody has named it to us.
    Found { unit: Unit, identity: String },
    /// What carries the link says something of itself.
    Gateway(GatewayFacts),
}

impl Event {
    /// What a device says of itself, whichever it is.
    #[must_use]
    pub fn into_report(self) -> Option<Report> {
        match self {
            Self::Report { report, .. } | Self::Dated { report, .. } => Some(report),
            Self::Found { .. } | Self::Gateway(_) => None,
        }
    }
}

/// Of a link with a single device.
impl From<Report> for Event {
    fn from(report: Report) -> Self {
        Self::Report {
            unit: Unit::only(),
            report,
        }
    }
}

/// The client half of a dialect: polls what is behind one link and brings it setpoints. Mostly that is one
/// device ([`Unit::only`]); behind a gateway or an account there may be several.
///
/// At most one request is under way: after [`Client::poll_request`] gave one, the owner of the socket calls
/// [`Client::handle_reply`] or [`Client::handle_failure`] before it polls again.
pub trait Client: Send {
    /// Time has come: queue what is due.
    fn handle_timeout(&mut self, now: Now);
    /// Queue a setpoint for a device, in front of any polling. A newer one replaces an older one that has not left.
    fn handle_action(&mut self, unit: &Unit, action: &Action, now: Now);
    /// # Errors
    /// When the answer makes no sense; the client has already drawn its conclusions (link state, back-off).
    fn handle_reply(&mut self, reply: Reply, now: Now) -> Result<(), ReplyError>;
    fn handle_failure(&mut self, failure: &Failure, now: Now);
    fn poll_request(&mut self) -> Option<Request>;
    /// What is to be pushed; fetched until there is nothing more.
    fn poll_outgoing(&mut self) -> Option<Outgoing> {
        None
    }
    /// # Errors
    /// As [`Client::handle_reply`].
    fn handle_incoming(&mut self, incoming: Incoming, now: Now) -> Result<(), ReplyError> {
        let _ = (incoming, now);
        Ok(())
    }
    fn poll_event(&mut self) -> Option<Event>;
    /// When [`Client::handle_timeout`] is due.
    fn poll_timeout(&self) -> Monotonic;
}
