//! A connection of a logger, in whichever way it speaks.

use model::time::{Monotonic, Now};

use super::at;
use super::uplink::{Heard, Question, Uplink};
use crate::ReplyError;

#[derive(Debug)]
pub(super) enum Connection {
    /// As long as nothing is known. The heartbeat that it begins with is no line, and is not taken for one.
    Frames(Box<Uplink>),
    Lines(Box<at::Session>),
}

impl Connection {
    /// What vendors' clouds are let in on.
    pub fn frames(&mut self) -> Option<&mut Uplink> {
        match self {
            Self::Frames(uplink) => Some(uplink),
            Self::Lines(_) => None,
        }
    }

    pub fn handle_bytes(&mut self, bytes: &[u8], now: Now) -> Result<(), ReplyError> {
        match self {
            Self::Frames(uplink) => uplink.handle_bytes(bytes, now),
            Self::Lines(session) => session.handle_bytes(bytes, now),
        }
    }

    pub fn handle_timeout(&mut self, now: Now) -> Result<(), ReplyError> {
        match self {
            Self::Frames(uplink) => uplink.handle_timeout(now),
            Self::Lines(session) => {
                session.handle_timeout(now);
                Ok(())
            }
        }
    }

    pub fn is_free(&self, now: Now) -> bool {
        match self {
            Self::Frames(uplink) => uplink.is_free(now),
            Self::Lines(session) => session.is_free(now),
        }
    }

    pub fn free_at(&self) -> Monotonic {
        match self {
            Self::Frames(uplink) => uplink.free_at(),
            Self::Lines(session) => session.free_at(),
        }
    }

    pub fn is_asking(&self) -> bool {
        match self {
            Self::Frames(uplink) => uplink.is_asking(),
            Self::Lines(session) => session.is_asking(),
        }
    }

    /// Whether the vendor's cloud has a question.
    pub fn has_foreign(&self) -> bool {
        match self {
            Self::Frames(uplink) => uplink.has_foreign(),
            Self::Lines(_) => false,
        }
    }

    pub fn ask(&mut self, question: Question<'_>, now: Now) {
        match self {
            Self::Frames(uplink) => uplink.ask(question, now),
            Self::Lines(session) => session.ask(question, now),
        }
    }

    pub fn poll_bytes(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Frames(uplink) => uplink.poll_bytes(),
            Self::Lines(session) => session.poll_bytes(),
        }
    }

    pub fn poll_heard(&mut self) -> Option<Heard> {
        match self {
            Self::Frames(uplink) => uplink.poll_heard(),
            Self::Lines(session) => session.poll_heard(),
        }
    }

    pub fn poll_timeout(&self) -> Monotonic {
        match self {
            Self::Frames(uplink) => uplink.poll_timeout(),
            Self::Lines(session) => session.poll_timeout(),
        }
    }
}
