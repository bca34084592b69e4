//! How devices are spoken to: the server half of a dialect in front of one body, or of several behind one box.
//!
//! A voice has no physics and a [body](crate::body) has no wire, so the same inverter can have registers of its own or
//! stand behind a data logger. What a voice needs from outside it names as [`Way`]s; `listen` opens them, whatever
//! the dialect is. Adding a dialect is a file here, and its line where devices are made (`crate::device`).

pub mod eybond;
pub mod goe;
pub mod sunspec;

use std::fmt::Debug;
use std::net::SocketAddr;

use dialects::{Reply, Request};
use model::setpoint::Action;
use model::time::Now;
use serde_json::{Map, Value};

use crate::body::{Placed, Surroundings};
use crate::fault::Fault;

/// A way between a voice and those it speaks to. Which side dials is part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Answers HTTP here, and takes [links](Link) by WebSocket at this path.
    Http {
        listen: SocketAddr,
        sockets_at: &'static str,
    },
    /// Answers Modbus TCP here.
    Modbus { listen: SocketAddr },
    /// Dials a server, whose bytes are a [link](Link), and dials again when it hangs up.
    Dial { server: SocketAddr },
    /// Dials a broker, tells it what it has, and takes what is written to these topics.
    Broker {
        url: String,
        client: String,
        subscriptions: Vec<String>,
    },
}

/// A connection that lasts, and on which both sides speak when they like. Numbered by the voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link(pub(crate) i64);

/// A message to a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    pub topic: String,
    pub payload: Vec<u8>,
    /// Whether the broker keeps it.
    pub retain: bool,
}

/// Bodies are always those that the voice was made for, in the same order.
pub(crate) trait Voice: Debug + Send {
    /// Its ways; the first one on which it listens is the address of the device.
    fn ways(&self) -> Vec<Way>;

    /// At the beginning of a step: tells its bodies what it wants of them.
    fn lead(&mut self, bodies: &mut [Placed], around: Surroundings) {
        let _ = (bodies, around);
    }

    /// At the end of a step: looks what they did.
    fn follow(&mut self, bodies: &mut [Placed], around: Surroundings) {
        let _ = (bodies, around);
    }

    /// Does what a setpoint to one of its bodies says, as if it had come over the wire. Sent to the wrong device, it
    /// does nothing.
    fn act(&mut self, bodies: &mut [Placed], index: usize, action: &Action, now: Now) {
        let _ = (bodies, index, action, now);
    }

    /// `None` when it does not answer such a request. A deaf one acknowledges a write and forgets it.
    fn answer(&mut self, bodies: &mut [Placed], request: &Request, is_deaf: bool, now: Now) -> Option<Reply>;

    /// A link comes up; what it says first.
    fn open(&mut self, bodies: &mut [Placed]) -> Option<(Link, Vec<Vec<u8>>)> {
        let _ = bodies;
        None
    }

    /// What it says on a link: to a message, or by itself. `None` when it hangs up.
    fn hear(
        &mut self,
        bodies: &mut [Placed],
        link: Link,
        message: Option<&[u8]>,
        is_deaf: bool,
        now: Now,
    ) -> Option<Vec<Vec<u8>>> {
        let _ = (bodies, link, message, is_deaf, now);
        None
    }

    /// A link is gone.
    fn close(&mut self, link: Link) {
        let _ = link;
    }

    /// What its broker is to know.
    fn publications(&mut self, bodies: &mut [Placed]) -> Vec<Publication> {
        let _ = bodies;
        Vec::new()
    }

    /// What it publishes as the result of a message that it has subscribed to, if anything.
    fn take(
        &mut self,
        bodies: &mut [Placed],
        topic: &str,
        payload: &[u8],
        is_deaf: bool,
        now: Now,
    ) -> Option<Publication> {
        let _ = (bodies, topic, payload, is_deaf, now);
        None
    }

    /// Begins to misbehave, or behaves again.
    fn suffer(&mut self, bodies: &mut [Placed], fault: Option<Fault>) {
        let _ = (bodies, fault);
    }

    /// What outlives a restart, by names that no body uses.
    fn state(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Takes over what was saved, once its bodies have. Names of a body may stand among it.
    ///
    /// # Errors
    /// When it cannot be read.
    fn restore(&mut self, bodies: &mut [Placed], saved: Map<String, Value>) -> Result<(), serde_json::Error> {
        let _ = (bodies, saved);
        Ok(())
    }
}
