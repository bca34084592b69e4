//! The way to a device over a WebSocket.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use async_trait::async_trait;
use dialects::{Failure, Incoming, Outgoing, Reply, Request};
use links::websocket::Client;
use links::{Limits, Way};
use tokio::task::JoinHandle;

use crate::driver::Misfit;
use crate::transport::{Transport, failure};

/// One connection, dialled when the dialect wants it.
pub(crate) struct WebSocket {
    url: String,
    limits: Limits,
    way: Way,
    stage: Stage,
    work: Option<JoinHandle<()>>,
}

enum Stage {
    Away,
    Dialling(Pin<Box<dyn Future<Output = Result<Client, links::Failure>> + Send>>),
    Open(Box<Client>),
}

impl WebSocket {
    pub fn new(url: &str, limits: Limits, way: Way) -> Self {
        Self {
            url: url.to_owned(),
            limits,
            way,
            stage: Stage::Away,
            work: None,
        }
    }

    /// What the connection says next.
    async fn heard(stage: &mut Stage) -> Incoming {
        let ended = match stage {
            Stage::Away => std::future::pending().await,
            Stage::Dialling(dialling) => match dialling.await {
                Ok(client) => {
                    *stage = Stage::Open(Box::new(client));
                    return Incoming::Opened;
                }
                Err(ended) => ended,
            },
            Stage::Open(client) => match client.next().await {
                Ok(Some(message)) => return Incoming::Message(message),
                Ok(None) => links::Failure::Closed,
                Err(ended) => ended,
            },
        };
        *stage = Stage::Away;
        Incoming::Closed(failure(ended))
    }
}

#[async_trait]
impl Transport for WebSocket {
    async fn exchange(&mut self, _: Request) -> Result<Reply, Failure> {
        Err(Failure::Other(
            "a request with an answer cannot travel over a WebSocket".to_owned(),
        ))
    }

    async fn push(&mut self, outgoing: Outgoing) -> Result<(), Failure> {
        match outgoing {
            Outgoing::Open => {
                let (url, limits, way) = (self.url.clone(), self.limits, self.way.clone());
                self.stage = Stage::Dialling(Box::pin(async move { Client::open(&url, limits, &way).await }));
            }
            Outgoing::Close => self.stage = Stage::Away,
            Outgoing::Text(text) => {
                let Stage::Open(client) = &mut self.stage else {
                    return Err(Failure::Closed);
                };
                if let Err(ended) = client.send(text).await {
                    self.stage = Stage::Away;
                    return Err(failure(ended));
                }
            }
            Outgoing::Work(work) => self.work = Some(tokio::task::spawn_blocking(work.0)),
            Outgoing::Bytes(_) | Outgoing::Publish { .. } | Outgoing::Beside(_) => {
                return Err(Failure::Other(
                    "a message for a broker cannot travel over a WebSocket".to_owned(),
                ));
            }
        }
        Ok(())
    }

    async fn incoming(&mut self) -> Incoming {
        let Self { stage, work, .. } = self;
        let working = async {
            match work {
                Some(handle) => {
                    // Work that panicked is done as well; what it was for is missing then.
                    let _ = handle.await;
                    *work = None;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = working => Incoming::Done,
            heard = Self::heard(stage) => heard,
        }
    }
}

/// The one line of a file that holds a secret.
pub(crate) fn secret(file: &Path) -> Result<String, Misfit> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Misfit(format!(
            "cannot read {}: {error}; check that the file is there and may be read",
            file.display()
        ))
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
