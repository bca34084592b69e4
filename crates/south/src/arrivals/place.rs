//! How a connection gets into a seat: a channel for one connection, which is all that there ever is. One of tokio's
//! would have room for 32.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::transport::Transport;

type Connection = Box<dyn Transport>;

#[derive(Default)]
struct Place {
    connection: Mutex<Option<Connection>>,
    filled: Notify,
}

impl Place {
    /// Nothing under the lock calls out, so it stays whole.
    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end at which connections go in.
#[derive(Clone)]
pub(super) struct In(Weak<Place>);

/// The end at which a link takes them out.
pub(super) struct Out(Arc<Place>);

pub(super) fn place() -> (In, Out) {
    let place = Arc::<Place>::default();
    (In(Arc::downgrade(&place)), Out(place))
}

impl In {
    /// Whether no link takes them out any more.
    pub fn is_closed(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// Puts a connection in. `false`: nobody would take it out.
    pub fn fill(&self, connection: Connection) -> bool {
        let Some(place) = self.0.upgrade() else {
            return false;
        };
        let before = place.connection().replace(connection);
        drop(before);
        place.filled.notify_one();
        true
    }
}

impl Out {
    /// The next connection, whenever it comes. May be dropped at any time.
    pub async fn take(&mut self) -> Connection {
        loop {
            let connection = self.0.connection().take();
            if let Some(connection) = connection {
                return connection;
            }
            self.0.filled.notified().await;
        }
    }
}
