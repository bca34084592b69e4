//! Who gets a seat: the rules, without sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use model::time::Now;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::place::{In, Out, place};

/// Strangers that are remembered; when there are more, the one that came first is sent away.
pub const MOST_STRANGERS: usize = 256;

/// One connection, told apart from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Visitor(u64);

/// Somebody who is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    pub name: String,
    pub from: SocketAddr,
    pub since: Now,
}

/// What lets a connection into a seat.
pub(super) struct Pass {
    pub seat: In,
    /// Cancelled when it has to go.
    pub ends: CancellationToken,
}

struct Standing {
    visitor: Visitor,
    from: SocketAddr,
    since: Now,
    /// Dropped, it sends the visitor away.
    pass: oneshot::Sender<Pass>,
}

/// Who has a seat.
#[derive(Debug)]
struct Living {
    visitor: Visitor,
    from: SocketAddr,
    since: Now,
    ends: CancellationToken,
}

struct Opening {
    seat: In,
    living: Option<Living>,
    waiting: Option<Standing>,
}

impl Opening {
    fn is_wanted(&self) -> bool {
        !self.seat.is_closed()
    }

    /// Gives the seat to whoever stands there, if it is free.
    fn fill(&mut self) {
        if self.living.is_some() || !self.is_wanted() {
            return;
        }
        let Some(standing) = self.waiting.take() else {
            return;
        };
        let ends = CancellationToken::new();
        let pass = Pass {
            seat: self.seat.clone(),
            ends: ends.clone(),
        };
        if standing.pass.send(pass).is_ok() {
            self.living = Some(Living {
                visitor: standing.visitor,
                from: standing.from,
                since: standing.since,
                ends,
            });
        }
    }
}

/// Seats and who is here.
#[derive(Default)]
pub(super) struct Directory {
    openings: BTreeMap<String, Opening>,
    strangers: BTreeMap<String, Standing>,
    visitors: u64,
}

impl Directory {
    /// A seat under a name. Whoever stood there as a stranger gets it.
    pub fn open(&mut self, name: &str) -> Out {
        let (seat, out) = place();
        let stranger = self.strangers.remove(name);
        let opening = self.openings.entry(name.to_owned());
        let opening = opening
            .and_modify(|opening| opening.seat = seat.clone())
            .or_insert(Opening {
                seat,
                living: None,
                waiting: None,
            });
        if stranger.is_some() {
            opening.waiting = stranger;
        }
        opening.fill();
        out
    }

    /// Somebody has said who it is. What comes out in the end is its pass, or nothing when it has to go.
    pub fn announce(
        &mut self,
        name: &str,
        from: SocketAddr,
        since: Now,
    ) -> (Visitor, oneshot::Receiver<Pass>) {
        self.visitors += 1;
        let visitor = Visitor(self.visitors);
        let (pass, passed) = oneshot::channel();
        let standing = Standing {
            visitor,
            from,
            since,
            pass,
        };
        self.openings
            .retain(|_, opening| opening.is_wanted() || opening.living.is_some());
        match self.openings.get_mut(name).filter(|opening| opening.is_wanted()) {
            Some(opening) => {
                if opening.living.is_some() {
                    tracing::warn!(name, %from, "a second connection says it is this device; it waits");
                }
                opening.waiting = Some(standing);
                opening.fill();
            }
            None => {
                tracing::info!(name, %from, "a device has connected that stands in no site; it is left alone");
                self.strangers.insert(name.to_owned(), standing);
                if self.strangers.len() > MOST_STRANGERS {
                    let first = self.strangers.iter().min_by_key(|(_, stranger)| stranger.visitor);
                    if let Some(first) = first.map(|(name, _)| name.clone()) {
                        self.strangers.remove(&first);
                    }
                }
            }
        }
        (visitor, passed)
    }

    /// A connection has ended.
    pub fn leave(&mut self, name: &str, visitor: Visitor) {
        if self.strangers.get(name).is_some_and(|own| own.visitor == visitor) {
            self.strangers.remove(name);
        }
        if let Some(opening) = self.openings.get_mut(name) {
            if opening.waiting.as_ref().is_some_and(|own| own.visitor == visitor) {
                opening.waiting = None;
            }
            if opening.living.as_ref().is_some_and(|own| own.visitor == visitor) {
                opening.living = None;
                opening.fill();
            }
        }
    }

    pub fn take_over(&mut self, name: &str) -> bool {
        let opening = self
            .openings
            .get(name)
            .filter(|opening| opening.waiting.is_some());
        let Some(living) = opening.and_then(|opening| opening.living.as_ref()) else {
            return false;
        };
        living.ends.cancel();
        true
    }

    pub fn strangers(&self) -> Vec<Stranger> {
        let all = self.strangers.iter();
        all.map(|(name, standing)| standing.shown(name)).collect()
    }

    pub fn seated(&self) -> Vec<Stranger> {
        let all = self.openings.iter();
        let living = all.filter_map(|(name, opening)| Some((name, opening.living.as_ref()?)));
        living
            .map(|(name, living)| Stranger {
                name: name.clone(),
                from: living.from,
                since: living.since,
            })
            .collect()
    }

    pub fn waiting(&self) -> Vec<Stranger> {
        let all = self.openings.iter();
        all.filter_map(|(name, opening)| Some(opening.waiting.as_ref()?.shown(name)))
            .collect()
    }
}

impl Standing {
    fn shown(&self, name: &str) -> Stranger {
        Stranger {
            name: name.to_owned(),
            from: self.from,
            since: self.since,
        }
    }
}
