//! The way to a device that publishes to a broker.

use async_trait::async_trait;
use dialects::{Failure, Incoming, Outgoing, Reply, Request};
use links::mqtt::{self, Event, Publisher, Qos};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::transport::{Transport, failure};

/// One client of one broker, which connects again by itself.
pub(crate) struct Broker {
    settings: mqtt::Settings,
    way: mqtt::Way,
    running: Option<Running>,
}

struct Running {
    publisher: Publisher,
    events: mpsc::Receiver<Event>,
    _task: JoinSet<()>,
    _stop: DropGuard,
}

impl Broker {
    pub const fn new(settings: mqtt::Settings, way: mqtt::Way) -> Self {
        Self {
            settings,
            way,
            running: None,
        }
    }

    fn start(&mut self) {
        let stop = CancellationToken::new();
        let (publisher, events, running) =
            mqtt::client(self.settings.clone(), self.way.clone(), stop.clone());
        let mut task = JoinSet::new();
        task.spawn(running);
        self.running = Some(Running {
            publisher,
            events,
            _task: task,
            _stop: stop.drop_guard(),
        });
    }
}

#[async_trait]
impl Transport for Broker {
    async fn exchange(&mut self, _: Request) -> Result<Reply, Failure> {
        Err(Failure::Other(
            "a request with an answer cannot travel over MQTT".to_owned(),
        ))
    }

    async fn push(&mut self, outgoing: Outgoing) -> Result<(), Failure> {
        match outgoing {
            Outgoing::Open => self.start(),
            Outgoing::Close => self.running = None,
            Outgoing::Publish { topic, payload } => {
                let Some(running) = &self.running else {
                    return Err(Failure::Closed);
                };
                let publish = mqtt::Publish {
                    topic,
                    payload,
                    qos: Qos::AtLeastOnce,
                    retain: false,
                };
                running
                    .publisher
                    .publish(publish)
                    .map_err(|full| Failure::Other(full.to_string()))?;
            }
            Outgoing::Bytes(_) | Outgoing::Text(_) | Outgoing::Work(_) | Outgoing::Beside(_) => {
                return Err(Failure::Other("this cannot travel over MQTT".to_owned()));
            }
        }
        Ok(())
    }

    async fn incoming(&mut self) -> Incoming {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        match running.events.recv().await {
            Some(Event::Up) => Incoming::Opened,
            Some(Event::Message(message)) => Incoming::Published {
                topic: message.topic,
                payload: message.payload,
                retained: message.retained,
            },
            Some(Event::Down(ended)) => Incoming::Closed(failure(ended)),
            None => {
                self.running = None;
                Incoming::Closed(Failure::Closed)
            }
        }
    }
}
