//! Why an exchange with a peer brought no answer.

use std::error::Error;
use std::io;

use crate::outbound_guard::Denied;

/// Why there is no answer. A message of the peer that says "no" is an answer and not a failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("connection refused")]
    Refused,
    /// Neither a connection nor an answer within the time allowed.
    #[error("no answer within {after_ms} ms")]
    TimedOut { after_ms: i64 },
    #[error("connection closed before the answer was complete")]
    Closed,
    /// The answer was longer than allowed; the rest was not read.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge { limit: usize },
    /// The outbound guard forbids it; nobody was dialled.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// Anything else, in words: a name that does not resolve, no route, bytes that are no answer.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    pub(crate) fn timed_out(after: std::time::Duration) -> Self {
        Self::TimedOut {
            after_ms: i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        known_kind(error.kind()).unwrap_or_else(|| Self::Other(innermost(&error).to_string()))
    }
}

/// The failures that an error of the operating system stands for, whoever passed it on.
pub(crate) fn known_kind(kind: io::ErrorKind) -> Option<Failure> {
    if kind == io::ErrorKind::ConnectionRefused {
        return Some(Failure::Refused);
    }
    let closed = [
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::NotConnected,
    ];
    closed.contains(&kind).then_some(Failure::Closed)
}

/// The cause that says most: libraries wrap it into "error sending request" and the like.
pub(crate) fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner
}
