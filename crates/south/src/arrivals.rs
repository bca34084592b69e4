//! Who dials us: devices that connect to a port of ours and say who they are.
//!
//! | file | what it does |
//! |---|---|
//! | `arrivals` | takes connections, has a [`Greeter`] find out who it is, and waits with it |
//! | `directory` | who gets a seat: rules without sockets |
//! | `seat` | where a link waits, a transport like any other |
//! | `place` | how a connection gets into a seat |
//! | `stream` | a connection that arrived |
//!
//! A link that waits for somebody has a [`Seat`] under a name. Whoever arrives under that name gets it, unless
//! somebody sits there: **the newest connection never silently takes over a living one**. It waits until the
//! older one ends or somebody who may lets it ([`Arrivals::take_over`]). Whoever arrives under a name that
//! nobody waits for is a stranger: remembered, shown, told nothing but what its greeter says to keep it company.
//!
//! Bounds: as many connections of a port as it is given, [`MOST_UNNAMED`] of one address that have not said who
//! they are, [`GREETING_WITHIN`] to say it, [`MOST_STRANGERS`] of whom the one that came first gives way, one
//! that waits under a name (a newer one takes its place), and [`MOST_UNREAD`] of what somebody says before it
//! has a seat and its greeter does not let go.

mod directory;
mod place;
mod seat;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dialects::{Greeter, Greeting};
use model::time::{Clock, Now};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use directory::{Directory, Pass, Visitor};
use stream::Stream;

pub use directory::{MOST_STRANGERS, Stranger};
pub use seat::Seat;

/// Connections of one address that have not said who they are.
pub const MOST_UNNAMED: usize = 64;
/// How long a device may take to say who it is.
pub const GREETING_WITHIN: Duration = Duration::from_secs(20);
/// Bytes of somebody who has no seat, as far as its client has to hear them. Who says more is sent away.
pub const MOST_UNREAD: usize = 4_096;

/// Makes a greeter for each connection.
pub type MakeGreeter = Arc<dyn Fn() -> Box<dyn Greeter> + Send + Sync>;

/// Everybody who dialled us in one dialect, whose names these are. Clones are the same.
#[derive(Clone)]
pub struct Arrivals {
    shared: Arc<Mutex<Directory>>,
    unnamed: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    changed: Arc<Notify>,
    clock: Arc<dyn Clock>,
}

impl Arrivals {
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::default(),
            unnamed: Arc::default(),
            changed: Arc::default(),
            clock,
        }
    }

    /// Where a link waits for `name`. There is one seat of a name: a newer one takes the place of an older one.
    #[must_use]
    pub fn seat(&self, name: &str) -> Seat {
        Seat::new(self.directory().open(name))
    }

    /// Takes connections at a port, at most `most` at a time, until `stop`.
    pub async fn listen(
        self,
        listener: TcpListener,
        most: usize,
        greeter: MakeGreeter,
        stop: CancellationToken,
    ) {
        let ends = stop.clone();
        let welcome = move |stream| {
            let (arrivals, greeter, stop) = (self.clone(), greeter(), ends.clone());
            async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = arrivals.welcome(stream, greeter) => {}
                }
            }
        };
        links::accept(listener, most, &stop, welcome).await;
    }

    /// Who is here without anybody waiting for it, in order of names.
    #[must_use]
    pub fn strangers(&self) -> Vec<Stranger> {
        self.directory().strangers()
    }

    /// Who has a seat, in order of names.
    #[must_use]
    pub fn seated(&self) -> Vec<Stranger> {
        self.directory().seated()
    }

    /// Who claims a name under which somebody is here, in order of names.
    #[must_use]
    pub fn waiting(&self) -> Vec<Stranger> {
        self.directory().waiting()
    }

    /// Somebody has come or gone since it was last asked; for a single listener.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Ends the connection that has the seat, so that the one that waits under the same name gets it. Says
    /// whether there is one.
    pub fn take_over(&self, name: &str) -> bool {
        self.directory().take_over(name)
    }

    /// The maps stay whole even if a holder of the lock panicked: nothing under it calls out.
    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From the first byte to the end of the connection. What is needed only until there is a seat has memory of its
    /// own, which is given back then.
    async fn welcome(self, stream: TcpStream, greeter: Box<dyn Greeter>) {
        let Some((_leaves, pass, stream)) = Box::pin(self.usher(stream, greeter)).await else {
            return;
        };
        let (arrived, gone) = stream.arrive(pass.ends);
        if pass.seat.fill(arrived) {
            gone.await;
        }
    }

    /// Until there is a seat.
    async fn usher(self, stream: TcpStream, mut greeter: Box<dyn Greeter>) -> Option<(Leaves, Pass, Stream)> {
        let from = stream.peer_addr().ok()?;
        let Some(unnamed) = Unnamed::count(&self.unnamed, from.ip()) else {
            tracing::warn!(%from, "too many connections of one address that do not say who they are");
            return None;
        };
        let mut stream = Stream::new(stream);
        let greeting = self.greet(&mut stream, greeter.as_mut());
        let greeted = tokio::time::timeout(GREETING_WITHIN, greeting).await;
        let Ok(Some(name)) = greeted else {
            tracing::debug!(%from, "somebody connected and did not say who it is");
            return None;
        };
        drop(unnamed);
        self.wait(name, from, stream, greeter).await
    }

    async fn greet(&self, stream: &mut Stream, greeter: &mut dyn Greeter) -> Option<String> {
        loop {
            while let Some(bytes) = greeter.poll_bytes() {
                stream.write(&bytes).await.ok()?;
            }
            let due = greeter.poll_timeout() - self.clock.now().monotonic;
            let greeting = tokio::select! {
                read = stream.read() => greeter.handle_bytes(&read.ok()?, self.clock.now()),
                () = tokio::time::sleep(due.to_std()) => greeter.handle_timeout(self.clock.now()),
            };
            match greeting {
                Greeting::More => {}
                Greeting::Is { name, rest } => {
                    stream.put_back(rest);
                    return Some(name);
                }
                Greeting::Nonsense(error) => {
                    tracing::debug!("a connection makes no sense: {error}");
                    return None;
                }
            }
        }
    }

    /// Until there is a seat for a name.
    async fn wait(
        self,
        name: String,
        from: SocketAddr,
        mut stream: Stream,
        mut greeter: Box<dyn Greeter>,
    ) -> Option<(Leaves, Pass, Stream)> {
        let now: Now = self.clock.now();
        let (visitor, mut pass) = self.directory().announce(&name, from, now);
        self.changed.notify_one();
        let leaves = Leaves {
            arrivals: self,
            name: name.into_boxed_str(),
            visitor,
        };
        let (clock, name) = (&leaves.arrivals.clock, &*leaves.name);
        let pass = loop {
            while let Some(bytes) = greeter.poll_bytes() {
                stream.write(&bytes).await.ok()?;
            }
            let due = greeter.poll_timeout() - clock.now().monotonic;
            tokio::select! {
                // Without a pass another one has come under the same name, or too many strangers.
                passed = &mut pass => break passed.ok()?,
                read = stream.read() => {
                    let unread = stream.put_behind(&read.ok()?);
                    if let Err(error) = greeter.handle_waiting(unread) {
                        tracing::debug!(name, %from, "a connection that waits makes no sense: {error}");
                        return None;
                    }
                    if unread.len() > MOST_UNREAD {
                        return None;
                    }
                }
                () = tokio::time::sleep(due.to_std()) => {
                    greeter.handle_timeout(clock.now());
                }
            }
        };
        tracing::info!(name, %from, "a device has connected");
        Some((leaves, pass, stream))
    }
}

/// Whatever ends it, a visit is over for the directory as well.
struct Leaves {
    arrivals: Arrivals,
    name: Box<str>,
    visitor: Visitor,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        self.arrivals.directory().leave(&self.name, self.visitor);
        self.arrivals.changed.notify_one();
    }
}

/// One of those that have not said who they are.
struct Unnamed {
    all: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Unnamed {
    fn count(all: &Arc<Mutex<BTreeMap<IpAddr, usize>>>, address: IpAddr) -> Option<Self> {
        let mut counts = all.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= MOST_UNNAMED {
            return None;
        }
        *count += 1;
        Some(Self {
            all: Arc::clone(all),
            address,
        })
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        let mut counts = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}
