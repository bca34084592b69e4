//! A go-e charger that obeys, one that has been replaced by something else, and one that is gone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use dialects::goe::{Charger, ChargerInputs, Variant};
use http::{Request, Response};
use links::ServerLimits;
use model::device::{Device, DeviceKind, GoeLink, LinkSettings};
use model::message::Report;
use model::phases::PerPhase;
use model::reading::EvseStatus;
use model::setpoint::ChargeCurrent;
use model::time::{Clock, Millis};
use model::units::{MilliAmps, MilliVolts, WattHours};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::site::{Home, RealClock, charge, device, evse, listener};

/// What stands at the charger's address.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Well,
    /// A web page, as a router shows while the charger restarts.
    Html,
    /// JSON of something else.
    Foreign,
    /// A document that does not end.
    Endless,
}

/// A virtual charger with a car that wants to charge.
struct Peer {
    mood: Mutex<Mood>,
    charger: Mutex<Charger>,
    /// Path and query of each request that was not a poll.
    asked: Mutex<Vec<String>>,
    clock: Arc<RealClock>,
}

impl Peer {
    fn new() -> Arc<Self> {
        let (clock, mut charger) = (RealClock::start(), Charger::new(Variant::V4, "000123"));
        charger.set_inputs(ChargerInputs {
            plugged: true,
            asks: true,
            voltages: PerPhase::all(MilliVolts(230_000)),
            drawn: PerPhase::all(MilliAmps(7_000)),
            eto: WattHours(1_000_000),
            rbt: Millis(3_600_000),
            time: clock.now(),
            ..ChargerInputs::default()
        });
        let (mood, charger) = (Mutex::new(Mood::Well), Mutex::new(charger));
        Arc::new(Self {
            mood,
            charger,
            asked: Mutex::default(),
            clock,
        })
    }

    /// Answers until the guard is dropped.
    fn listen(self: &Arc<Self>, listener: TcpListener) -> DropGuard {
        let (shutdown, peer) = (CancellationToken::new(), Arc::clone(self));
        let handler = move |request| {
            let peer = Arc::clone(&peer);
            async move { Some(peer.answer(&request)) }
        };
        tokio::spawn(links::http::serve(
            listener,
            ServerLimits::default(),
            shutdown.clone(),
            handler,
        ));
        shutdown.drop_guard()
    }

    fn answer(&self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        if request.uri().path() != "/api/status" {
            self.asked.lock().unwrap().push(request.uri().to_string());
        }
        match *self.mood.lock().unwrap() {
            Mood::Well => self.charger.lock().unwrap().handle(request, self.clock.now()),
            Mood::Html => Response::new(b"<!DOCTYPE html><title>Router</title>".to_vec()),
            Mood::Foreign => Response::new(br#"{"temperature": 21}"#.to_vec()),
            Mood::Endless => Response::new(vec![b' '; 1_000_000]),
        }
    }

    fn set_mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

fn station(address: SocketAddr) -> Device {
    let url = format!("http://{address}");
    device(
        DeviceKind::ChargingStation { evses: vec![evse()] },
        LinkSettings::Goe(GoeLink::http(url)),
    )
}

fn evse_status(report: &Report) -> Option<EvseStatus> {
    if let Report::Evse { status, .. } = report {
        Some(*status)
    } else {
        None
    }
}

async fn wait_until_obeyed(home: &mut Home, amps: i64) {
    let wanted = Some(ChargeCurrent::at_most(MilliAmps(amps * 1_000)));
    home.wait_for(|report| evse_status(report).filter(|status| status.obeyed == wanted))
        .await;
}

#[tokio::test]
async fn a_charger_is_read_and_obeys_setpoints_of_the_newest_engine() {
    let (listener, address) = listener().await;
    let peer = Peer::new();
    let _guard = peer.listen(listener);
    let mut home = Home::start(station(address)).await;

    home.wait_until_online().await;
    let pilot = home
        .wait_for(|report| evse_status(report).map(|status| status.pilot))
        .await;
    assert!(pilot.is_plugged());
    home.wait_for(|report| {
        let Report::Document(document) = report else {
            return None;
        };
        document.json.contains("000123").then_some(())
    })
    .await;

    home.order(2, charge(10)).await;
    wait_until_obeyed(&mut home, 10).await;
    home.order(1, charge(16)).await;
    home.order(2, charge(8)).await;
    wait_until_obeyed(&mut home, 8).await;
    home.order(2, charge(0)).await;
    wait_until_obeyed(&mut home, 0).await;

    let sent = peer.asked.lock().unwrap().join(" ");
    assert!(
        sent.contains("amp=10") && sent.contains("amp=8") && !sent.contains("amp=16"),
        "{sent}"
    );
    home.stop().await;
}

/// Puts something else in the charger's place until the link says what is wrong, and the charger back.
async fn check(mood: Mood, expected: &str) {
    let (listener, address) = listener().await;
    let peer = Peer::new();
    let _guard = peer.listen(listener);
    let mut home = Home::start(station(address)).await;
    home.wait_until_online().await;

    peer.set_mood(mood);
    let problem = home.wait_until_offline().await;
    assert!(problem.contains(expected), "{mood:?}: {problem}");

    peer.set_mood(Mood::Well);
    home.wait_until_online().await;
    home.stop().await;
}

#[tokio::test]
async fn whatever_stands_in_its_place_is_told_and_the_charger_is_found_again() {
    tokio::join!(
        check(Mood::Html, "an HTML page"),
        check(Mood::Foreign, "without `car`"),
        check(Mood::Endless, "longer than 262144 bytes"),
    );
}

#[tokio::test]
async fn a_charger_that_refuses_is_asked_until_it_comes_back_and_then_obeys() {
    let (closed, address) = listener().await;
    drop(closed);
    let mut home = Home::start(station(address)).await;
    let problem = home.wait_until_offline().await;
    assert!(problem.contains("connection refused"), "{problem}");
    home.order(1, charge(12)).await;

    let peer = Peer::new();
    let _guard = peer.listen(TcpListener::bind(address).await.unwrap());
    home.wait_until_online().await;
    wait_until_obeyed(&mut home, 12).await;
    home.stop().await;
}

#[tokio::test]
async fn an_address_that_is_none_is_told() {
    for url in ["", "192.168.1.50", "http://", "nonsense"] {
        let link = LinkSettings::Goe(GoeLink::http(url));
        let mut home = Home::start(device(DeviceKind::ChargingStation { evses: vec![evse()] }, link)).await;
        let problem = home.wait_until_offline().await;
        assert!(problem.contains("no address"), "{url}: {problem}");
    }
}
