//! The vendor's cloud beside a data logger.
//!
//! It is dialled when the logger has come, again and again with growing pauses, and left when the logger goes. All of
//! that happens in a task of its own: whatever the cloud does, or does not, the logger never waits for it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dialects::{Beside, Failure, Incoming, Outgoing, Reply, Request};
use links::Backoff;
use model::endpoint::Endpoint;
use model::time::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::arrivals::Seat;
use crate::transport::Transport;

/// Frames on their way. A cloud that does not take more loses the newest ones.
const MOST_UNSENT: usize = 32;
/// What it says and nobody has looked at yet; then it waits.
const MOST_UNHEARD: usize = 8;
const CHUNK: usize = 2_048;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// A connection that lasted for so long was a good one.
const RECOVERED: Duration = Duration::from_secs(300);

/// A seat of a logger, and beside it the cloud of its vendor.
pub(crate) struct WithVendor {
    seat: Seat,
    vendor: Arc<Vendor>,
    running: Option<Running>,
}

/// What is dialled for which logger.
struct Vendor {
    pn: String,
    at: Endpoint,
    way: links::Way,
    clock: Arc<dyn Clock>,
}

struct Running {
    to: mpsc::Sender<Beside>,
    from: mpsc::Receiver<Beside>,
    _task: JoinSet<()>,
}

impl WithVendor {
    pub fn new(seat: Seat, pn: &str, at: Endpoint, way: links::Way, clock: Arc<dyn Clock>) -> Self {
        Self {
            seat,
            vendor: Arc::new(Vendor {
                pn: pn.to_owned(),
                at,
                way,
                clock,
            }),
            running: None,
        }
    }

    fn start(&mut self) {
        let (to, heard) = mpsc::channel(MOST_UNSENT);
        let (says, from) = mpsc::channel(MOST_UNHEARD);
        let mut task = JoinSet::new();
        task.spawn(Arc::clone(&self.vendor).keep(heard, says));
        self.running = Some(Running {
            to,
            from,
            _task: task,
        });
    }

    fn tell(&self, beside: Beside) {
        let Some(running) = &self.running else { return };
        if running.to.try_send(beside).is_err() {
            tracing::debug!(
                pn = self.vendor.pn,
                "the vendor's cloud takes nothing more; a frame is lost to it"
            );
        }
    }
}

impl Vendor {
    /// Keeps the connection until the other ends are dropped.
    async fn keep(self: Arc<Self>, mut heard: mpsc::Receiver<Beside>, says: mpsc::Sender<Beside>) {
        let mut backoff = Backoff::new(&self.pn, RECOVERED);
        let mut is_told = false;
        loop {
            let began = self.clock.now().monotonic;
            let port = self.at.port.unwrap_or(self.at.usual_port);
            match links::connect(&self.at.host, port, &self.way, CONNECT_WITHIN).await {
                Ok(stream) => {
                    is_told = false;
                    tracing::info!(pn = self.pn, vendor = %self.at, "the data logger is passed on to its vendor's cloud");
                    // What was for the connection before is for nobody.
                    while heard.try_recv().is_ok() {}
                    if says.send(Beside::Opened).await.is_err() {
                        return;
                    }
                    converse(stream, &mut heard, &says).await;
                    if says.send(Beside::Closed).await.is_err() {
                        return;
                    }
                }
                Err(failure) if !is_told => {
                    is_told = true;
                    tracing::warn!(
                        pn = self.pn,
                        vendor = %self.at,
                        "cannot reach the vendor's cloud; the data logger is read all the same: {failure}"
                    );
                }
                Err(_) => {}
            }
            let ran = self.clock.now().monotonic - began;
            tokio::time::sleep(backoff.pause(ran.to_std())).await;
        }
    }
}

/// Until either side ends it.
async fn converse(mut stream: TcpStream, heard: &mut mpsc::Receiver<Beside>, says: &mpsc::Sender<Beside>) {
    let (mut read, mut write) = stream.split();
    let mut chunk = vec![0; CHUNK];
    loop {
        tokio::select! {
            count = read.read(&mut chunk) => {
                let Ok(count @ 1..) = count else { return };
                let bytes = chunk.get(..count).unwrap_or_default().to_vec();
                if says.send(Beside::Bytes(bytes)).await.is_err() {
                    return;
                }
            }
            beside = heard.recv() => match beside {
                Some(Beside::Bytes(bytes)) => {
                    let written = tokio::time::timeout(WRITE_WITHIN, write.write_all(&bytes)).await;
                    if !matches!(written, Ok(Ok(()))) {
                        return;
                    }
                }
                Some(Beside::Opened) => {}
                Some(Beside::Closed) | None => return,
            },
        }
    }
}

#[async_trait]
impl Transport for WithVendor {
    async fn exchange(&mut self, request: Request) -> Result<Reply, Failure> {
        self.seat.exchange(request).await
    }

    async fn push(&mut self, outgoing: Outgoing) -> Result<(), Failure> {
        if let Outgoing::Beside(beside) = outgoing {
            self.tell(beside);
            return Ok(());
        }
        let ends = matches!(outgoing, Outgoing::Close);
        let pushed = self.seat.push(outgoing).await;
        if ends || pushed.is_err() {
            self.running = None;
        }
        pushed
    }

    async fn incoming(&mut self) -> Incoming {
        let beside = async {
            match &mut self.running {
                Some(running) => running.from.recv().await,
                None => std::future::pending().await,
            }
        };
        let incoming = tokio::select! {
            incoming = self.seat.incoming() => incoming,
            Some(beside) = beside => return Incoming::Beside(beside),
        };
        match incoming {
            Incoming::Opened => self.start(),
            Incoming::Closed(_) => self.running = None,
            Incoming::Message(_) | Incoming::Published { .. } | Incoming::Done | Incoming::Beside(_) => {}
        }
        incoming
    }
}
