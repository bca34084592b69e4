//! Over loopback sockets. Time is the system's, and nothing here is measured by it.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, InProcess, Received, Topic};
use dialects::{Client, Event, Failure, Greeter, Greeting, Incoming, Outgoing, Reply, ReplyError, Request};
use model::device::LinkState;
use model::gateway::Unit;
use model::id::SiteId;
use model::message::{Message, Report};
use model::reading::Measured;
use model::setpoint::{Action, Setpoint};
use model::time::{Monotonic, Now};
use model::units::Watts;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::directory::{Directory, MOST_STRANGERS};
use super::{Arrivals, MOST_UNREAD, Seat};
use crate::driver::Driver;
use crate::epoch::Epoch;
use crate::fake::PausedClock;
use crate::link::{Link, Place, Post};
use crate::transport::Transport;

/// Asks `?` and takes a line for the name; a line that begins with `!` makes no sense.
#[derive(Default)]
struct Asks {
    asked: bool,
    heard: Vec<u8>,
}

impl Greeter for Asks {
    fn handle_bytes(&mut self, bytes: &[u8], _: Now) -> Greeting {
        self.heard.extend_from_slice(bytes);
        let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') else {
            return Greeting::More;
        };
        let rest = self.heard.split_off(end + 1);
        let name = String::from_utf8_lossy(&self.heard).trim().to_owned();
        if name.starts_with('!') {
            return Greeting::Nonsense(ReplyError {
                asked: "?".to_owned(),
                came: name,
                expected: "a name".to_owned(),
            });
        }
        Greeting::Is { name, rest }
    }

    fn handle_timeout(&mut self, _: Now) -> Greeting {
        Greeting::More
    }

    fn poll_bytes(&mut self) -> Option<Vec<u8>> {
        (!std::mem::replace(&mut self.asked, true)).then(|| b"?".to_vec())
    }

    fn poll_timeout(&self) -> Monotonic {
        Monotonic(i64::MAX)
    }
}

/// A port that takes connections, and the devices that dial it.
struct House {
    arrivals: Arrivals,
    address: std::net::SocketAddr,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl House {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let arrivals = Arrivals::new(PausedClock::new());
        let stop = CancellationToken::new();
        let greeter = Arc::new(|| Box::new(Asks::default()) as Box<dyn Greeter>);
        let running = tokio::spawn(arrivals.clone().listen(listener, 100, greeter, stop.clone()));
        Self {
            arrivals,
            address,
            stop,
            running,
        }
    }

    /// A device that is asked who it is and says it, with more behind it.
    async fn dial(&self, hello: &str) -> TcpStream {
        let mut device = TcpStream::connect(self.address).await.unwrap();
        let mut asked = [0; 1];
        device.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"?");
        device.write_all(hello.as_bytes()).await.unwrap();
        device
    }

    async fn until(&self, is_so: impl Fn(&Arrivals) -> bool) {
        while !is_so(&self.arrivals) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn strangers(&self) -> Vec<String> {
        let strangers = self.arrivals.strangers().into_iter();
        strangers.map(|stranger| stranger.name).collect()
    }

    async fn close(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

async fn hears(seat: &mut Seat, text: &str) {
    let mut heard = Vec::new();
    while heard.len() < text.len() {
        let Incoming::Message(bytes) = seat.incoming().await else {
            panic!("no message after {heard:?}");
        };
        heard.extend(bytes);
    }
    assert_eq!(String::from_utf8(heard).unwrap(), text);
}

async fn says(seat: &mut Seat, text: &str, device: &mut TcpStream) {
    let bytes = text.as_bytes().to_vec();
    seat.push(Outgoing::Bytes(bytes)).await.unwrap();
    let mut heard = vec![0; text.len()];
    device.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, text.as_bytes());
}

/// The device finds out that nobody wants it.
async fn is_sent_away(mut device: TcpStream) {
    let mut rest = Vec::new();
    let _ = device.read_to_end(&mut rest).await;
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn who_arrives_gets_the_seat_under_its_name_and_nothing_it_said_is_lost() {
    let house = House::open().await;
    let mut left = house.arrivals.seat("left");
    let mut right = house.arrivals.seat("right");
    assert_eq!(left.push(Outgoing::Open).await, Ok(()));
    assert_eq!(
        left.push(Outgoing::Bytes(vec![1])).await,
        Err(Failure::Closed),
        "nobody is there yet"
    );
    let mut second = house.dial("right\n").await;
    let mut first = house.dial("left\nmore").await;
    assert_eq!(left.incoming().await, Incoming::Opened);
    assert_eq!(right.incoming().await, Incoming::Opened);
    hears(&mut left, "more").await;
    first.write_all(b" and more").await.unwrap();
    hears(&mut left, " and more").await;
    says(&mut left, "to the left", &mut first).await;
    says(&mut right, "to the right", &mut second).await;

    drop(first);
    assert_eq!(left.incoming().await, Incoming::Closed(Failure::Closed));
    let mut again = house.dial("left\n").await;
    assert_eq!(left.incoming().await, Incoming::Opened);
    says(&mut left, "again", &mut again).await;
    // A link that lets go of it ends the connection.
    left.push(Outgoing::Close).await.unwrap();
    is_sent_away(again).await;
    house.close().await;
}

#[tokio::test]
async fn the_newest_connection_waits_while_the_older_one_lives() {
    let house = House::open().await;
    let mut seat = house.arrivals.seat("left");
    let mut older = house.dial("left\n").await;
    assert_eq!(seat.incoming().await, Incoming::Opened);
    assert!(!house.arrivals.take_over("left"), "nobody waits");
    let newer = house.dial("left\nI am new").await;
    house.until(|arrivals| arrivals.waiting().len() == 1).await;
    older.write_all(b"I live").await.unwrap();
    hears(&mut seat, "I live").await;
    // A third takes the place of the second in the queue, not the seat.
    let third = house.dial("left\nI am third").await;
    is_sent_away(newer).await;
    says(&mut seat, "still you", &mut older).await;

    drop(older);
    assert_eq!(seat.incoming().await, Incoming::Closed(Failure::Closed));
    assert_eq!(seat.incoming().await, Incoming::Opened);
    hears(&mut seat, "I am third").await;

    let fourth = house.dial("left\n").await;
    house.until(|arrivals| arrivals.waiting().len() == 1).await;
    assert!(house.arrivals.take_over("left"));
    assert!(matches!(
        seat.incoming().await,
        Incoming::Closed(Failure::Other(_))
    ));
    is_sent_away(third).await;
    assert_eq!(seat.incoming().await, Incoming::Opened);
    let mut fourth = fourth;
    says(&mut seat, "you now", &mut fourth).await;
    house.close().await;
}

#[tokio::test]
async fn strangers_are_remembered_and_left_alone_until_somebody_wants_them() {
    let house = House::open().await;
    let mut stranger = house.dial("new\nhello").await;
    let gone = house.dial("gone\n").await;
    house.until(|arrivals| arrivals.strangers().len() == 2).await;
    assert_eq!(house.strangers(), ["gone", "new"]);
    drop(gone);
    house.until(|arrivals| arrivals.strangers().len() == 1).await;
    stranger.write_all(b", again").await.unwrap();

    let mut seat = house.arrivals.seat("new");
    assert_eq!(seat.incoming().await, Incoming::Opened);
    hears(&mut seat, "hello, again").await;
    assert!(house.strangers().is_empty());

    let nonsense = house.dial("!\n").await;
    is_sent_away(nonsense).await;
    let mut chatty = house.dial("chatty\n").await;
    house.until(|arrivals| arrivals.strangers().len() == 1).await;
    let _ = chatty.write_all(&vec![b'x'; MOST_UNREAD + 1]).await;
    house.until(|arrivals| arrivals.strangers().is_empty()).await;
    house.close().await;
}

#[tokio::test]
async fn a_link_that_is_started_again_waits_for_the_next_connection() {
    let house = House::open().await;
    let mut seat = house.arrivals.seat("left");
    let device = house.dial("left\n").await;
    assert_eq!(seat.incoming().await, Incoming::Opened);
    drop(seat);
    is_sent_away(device).await;
    // Nobody waits now.
    let _device = house.dial("left\n").await;
    house.until(|arrivals| arrivals.strangers().len() == 1).await;
    let mut seat = house.arrivals.seat("left");
    assert_eq!(seat.incoming().await, Incoming::Opened);
    house.close().await;
}

/// Asks a logger for its two inverters as soon as it has come.
#[derive(Default)]
struct Logger {
    out: Vec<Outgoing>,
    events: Vec<Event>,
}

impl Logger {
    fn say(&mut self, unit: &str, report: Report) {
        let unit = Unit::named(unit);
        self.events.insert(0, Event::Report { unit, report });
    }
}

impl Client for Logger {
    fn handle_timeout(&mut self, _: Now) {}

    fn handle_action(&mut self, unit: &Unit, action: &Action, _: Now) {
        let Action::BatteryPower { power: Some(power) } = action else {
            panic!("no such test: {action:?}")
        };
        let order = format!("{unit} {}\n", power.0);
        self.out.push(Outgoing::Bytes(order.into_bytes()));
    }

    fn handle_reply(&mut self, _: Reply, _: Now) -> Result<(), ReplyError> {
        Ok(())
    }

    fn handle_failure(&mut self, _: &Failure, _: Now) {}

    fn poll_request(&mut self) -> Option<Request> {
        None
    }

    fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.out.pop()
    }

    fn handle_incoming(&mut self, incoming: Incoming, _: Now) -> Result<(), ReplyError> {
        match incoming {
            Incoming::Opened => self.out.push(Outgoing::Bytes(b"both\n".to_vec())),
            Incoming::Message(bytes) => {
                for (unit, power) in ["1", "2"].into_iter().zip(bytes) {
                    self.say(unit, Report::Link(LinkState::Online));
                    let power = Some(Watts(-i64::from(power)));
                    self.say(
                        unit,
                        Report::Measured(Measured {
                            power,
                            ..Measured::default()
                        }),
                    );
                }
            }
            Incoming::Closed(failure) => {
                let problem = failure.to_string();
                self.say("1", Report::Link(LinkState::Offline { problem }));
            }
            Incoming::Published { .. } | Incoming::Done | Incoming::Beside(_) => {}
        }
        Ok(())
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    fn poll_timeout(&self) -> Monotonic {
        Monotonic(i64::MAX)
    }
}

#[tokio::test]
async fn a_link_hears_several_devices_through_a_logger_that_dialled_us() {
    let house = House::open().await;
    let (bus, clock) = (InProcess::new(), PausedClock::new());
    let home: SiteId = "home".parse().unwrap();
    let place = |unit: &str, device: &str| Place {
        unit: Unit::named(unit),
        site: home.clone(),
        device: device.parse().unwrap(),
        driver: "none",
        epoch: Epoch::default(),
    };
    let post = Arc::new(Post::new(
        vec![place("1", "east"), place("2", "west")],
        bus.clone(),
        clock,
    ));
    let mut reports = bus.subscribe(Topic::Reports(home.clone())).await;
    let setpoints = bus.subscribe(post.topic()).await;
    let driver = Driver {
        client: Box::new(Logger::default()),
        transport: Box::new(house.arrivals.seat("L1")),
    };
    let mut running = tokio::task::JoinSet::new();
    running.spawn(Link::new(post, driver, setpoints).run());
    let mut next = async || match reports.next().await {
        Some(Received::Message(Message::Reported(said))) => (said.device.to_string(), said.report),
        other => panic!("{other:?}"),
    };

    let mut logger = house.dial("L1\n").await;
    for _ in 0..2 {
        let mut asked = [0; 5];
        logger.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"both\n");
        logger.write_all(&[7, 9]).await.unwrap();
        for (device, watts) in [("east", -7), ("west", -9)] {
            assert_eq!(next().await, (device.to_owned(), Report::Link(LinkState::Online)));
            let power = Some(Watts(watts));
            let measured = Measured {
                power,
                ..Measured::default()
            };
            assert_eq!(next().await, (device.to_owned(), Report::Measured(measured)));
        }
        let setpoint = Setpoint {
            device: "west".parse().unwrap(),
            epoch: 1,
            action: Action::BatteryPower {
                power: Some(Watts(500)),
            },
        };
        bus.publish(Message::Setpoint {
            site: home.clone(),
            setpoint,
        })
        .await;
        let mut told = [0; 6];
        logger.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"2 500\n");
        drop(logger);
        let (device, report) = next().await;
        assert_eq!(device, "east");
        assert!(
            matches!(report, Report::Link(LinkState::Offline { .. })),
            "{report:?}"
        );
        // It comes back by itself.
        logger = house.dial("L1\n").await;
    }
    running.shutdown().await;
    house.close().await;
}

#[test]
fn a_bound_number_of_strangers_is_remembered_the_newest_of_them() {
    let mut directory = Directory::default();
    let (from, now) = ("127.0.0.1:1".parse().unwrap(), PausedClock::standing());
    let mut passes = Vec::new();
    for n in 0..MOST_STRANGERS + 2 {
        passes.push(directory.announce(&format!("{n:03}"), from, now));
    }
    let names: Vec<String> = directory
        .strangers()
        .into_iter()
        .map(|stranger| stranger.name)
        .collect();
    assert_eq!(names.len(), MOST_STRANGERS);
    assert_eq!(names.first().map(String::as_str), Some("002"));
    let sent_away = passes
        .iter_mut()
        .map(|(_, pass)| {
            pass.try_recv()
                .is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Closed)
        })
        .filter(|is_sent_away| *is_sent_away);
    assert_eq!(sent_away.count(), 2);
}
