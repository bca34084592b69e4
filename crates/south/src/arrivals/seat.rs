//! Where a link waits for somebody to connect.

use async_trait::async_trait;
use dialects::{Failure, Incoming, Outgoing, Reply, Request};

use super::place::Out;
use crate::transport::Transport;

/// A transport whose other end comes and goes. A client hears [`Incoming::Opened`] when somebody has come and
/// [`Incoming::Closed`] when it has gone; until then there is nothing that it could open.
pub struct Seat {
    comes: Out,
    here: Option<Box<dyn Transport>>,
}

impl Seat {
    pub(super) const fn new(comes: Out) -> Self {
        Self { comes, here: None }
    }
}

#[async_trait]
impl Transport for Seat {
    async fn exchange(&mut self, request: Request) -> Result<Reply, Failure> {
        let Some(here) = &mut self.here else {
            return Err(Failure::Closed);
        };
        let answer = here.exchange(request).await;
        if matches!(answer, Err(Failure::Closed)) {
            self.here = None;
        }
        answer
    }

    async fn push(&mut self, outgoing: Outgoing) -> Result<(), Failure> {
        match outgoing {
            // It comes by itself.
            Outgoing::Open => Ok(()),
            Outgoing::Close => {
                self.here = None;
                Ok(())
            }
            outgoing @ (Outgoing::Bytes(_)
            | Outgoing::Text(_)
            | Outgoing::Publish { .. }
            | Outgoing::Work(_)
            | Outgoing::Beside(_)) => {
                let Some(here) = &mut self.here else {
                    return Err(Failure::Closed);
                };
                let pushed = here.push(outgoing).await;
                if pushed.is_err() {
                    self.here = None;
                }
                pushed
            }
        }
    }

    async fn incoming(&mut self) -> Incoming {
        let Some(here) = &mut self.here else {
            self.here = Some(self.comes.take().await);
            return Incoming::Opened;
        };
        let incoming = here.incoming().await;
        if matches!(incoming, Incoming::Closed(_)) {
            self.here = None;
        }
        incoming
    }
}
