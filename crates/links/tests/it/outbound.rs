//! The guarded client: what it dials, and what peers can do to it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use links::http::{Client, Delivery};
use links::outbound_guard::{Denied, Guard, Kind, Resolver, Resolving, SystemResolver};
use links::{Failure, Way};

use crate::peer::{PATIENCE, Then, limits, nobody, peer};

/// A table of names; each answer is given once, the last one for ever.
#[derive(Debug, Default)]
struct Names(Mutex<BTreeMap<&'static str, Vec<Vec<IpAddr>>>>);

impl Names {
    fn of(name: &'static str, answers: &[&[&str]]) -> Arc<Self> {
        let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let answers = answers.iter().rev().map(parse).collect();
        Arc::new(Self(Mutex::new([(name, answers)].into())))
    }
}

impl Resolver for Names {
    fn resolve(&self, host: &str) -> Resolving {
        let mut names = self.0.lock().unwrap();
        let found = names.get_mut(host).map(|answers| {
            if answers.len() > 1 {
                answers.pop().unwrap()
            } else {
                answers[0].clone()
            }
        });
        Box::pin(async move { found.ok_or_else(|| std::io::Error::other("no such name")) })
    }
}

async fn deliver(allow: &[&str], names: Arc<dyn Resolver>, url: &str) -> Result<Delivery, Failure> {
    let guard = Arc::new(Guard::new(allow).unwrap());
    let client = Client::guarded(limits(), guard, names).unwrap();
    let request = Request::post(url).body(b"{}".to_vec()).unwrap();
    client.deliver(request).await
}

fn denied(host: &str, kind: Kind) -> Failure {
    Failure::Denied(Denied::Address {
        host: host.to_owned(),
        kind,
    })
}

const FINE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

fn at(name: &str, address: SocketAddr) -> String {
    format!("http://{name}:{}/hook", address.port())
}

#[tokio::test]
async fn a_bare_connection_passes_the_guard_as_well() {
    let address = peer(FINE, Then::Hang).await;
    let names = Names::of("cloud.example", &[&["127.0.0.1"]]);
    let way = Way::new(None, names).unwrap();
    for (allow, host, expected) in [
        (&[][..], "127.0.0.1", Some(denied("127.0.0.1", Kind::Loopback))),
        (
            &[],
            "cloud.example",
            Some(denied("cloud.example", Kind::Loopback)),
        ),
        (&["cloud.example"], "cloud.example", None),
        (&["127.0.0.1"], "127.0.0.1", None),
    ] {
        let way = way.guarded(Arc::new(Guard::new(allow).unwrap()));
        let connected = links::connect(host, address.port(), &way, PATIENCE).await;
        assert_eq!(connected.err(), expected, "{host} {allow:?}");
    }
}

#[tokio::test]
async fn loopback_is_dialled_only_when_it_is_allowed() {
    let address = peer(FINE, Then::Hang).await;
    for (allow, host, expected) in [
        (&[][..], "127.0.0.1", Err(denied("127.0.0.1", Kind::Loopback))),
        (&[], "hook.example", Err(denied("hook.example", Kind::Loopback))),
        (
            &[],
            "[::ffff:127.0.0.1]",
            Err(denied("[::ffff:7f00:1]", Kind::Loopback)),
        ),
        (
            &["10.0.0.0/8"],
            "hook.example",
            Err(denied("hook.example", Kind::Loopback)),
        ),
        (
            &["other.example"],
            "hook.example",
            Err(denied("hook.example", Kind::Loopback)),
        ),
        (&["127.0.0.0/8"], "127.0.0.1", Ok(204)),
        (&["127.0.0.0/8"], "hook.example", Ok(204)),
        (&["hook.example"], "hook.example", Ok(204)),
    ] {
        let names = Names::of("hook.example", &[&["127.0.0.1"]]);
        let got = deliver(allow, names, &at(host, address)).await;
        assert_eq!(got.map(|d| d.status.as_u16()), expected, "{allow:?} {host}");
    }
}

/// The address is checked when the connection is made, whatever the name said before.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_checked_again() {
    let address = peer(FINE, Then::Hang).await;
    let names = Names::of("hook.example", &[&["93.184.216.34"], &["127.0.0.1"]]);
    let first = names.resolve("hook.example").await.unwrap();
    assert_eq!(first, ["93.184.216.34".parse::<IpAddr>().unwrap()]);
    let got = deliver(&[], names, &at("hook.example", address)).await;
    assert_eq!(got, Err(denied("hook.example", Kind::Loopback)));
}

/// Of several addresses only those are dialled that may be.
#[tokio::test]
async fn forbidden_addresses_are_left_out() {
    let address = peer(FINE, Then::Hang).await;
    let names = Names::of("hook.example", &[&["169.254.169.254", "10.0.0.1", "127.0.0.1"]]);
    let got = deliver(&["127.0.0.0/8"], names, &at("hook.example", address)).await;
    assert_eq!(got.map(|d| d.status.as_u16()), Ok(204));
}

#[tokio::test]
async fn what_peers_can_do() {
    let check = async |name: &str, bytes: &'static [u8], then, expected: Result<u16, Failure>| {
        let address = peer(bytes, then).await;
        let got = deliver(
            &["127.0.0.1"],
            Arc::new(SystemResolver),
            &format!("http://{address}/"),
        )
        .await;
        assert_eq!(got.map(|d| d.status.as_u16()), expected, "{name}");
    };
    let timed_out = Failure::TimedOut {
        after_ms: i64::try_from(PATIENCE.as_millis()).unwrap(),
    };
    let redirect = b"HTTP/1.1 307 Over There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    check("a redirect is not followed", redirect, Then::Hang, Ok(307)).await;
    check(
        "an endless body is not read",
        b"HTTP/1.1 200 OK\r\n\r\nabc",
        Then::Repeat,
        Ok(200),
    )
    .await;
    check(
        "an endless head",
        b"HTTP/1.1 200 OK\r\nX: ",
        Then::Hang,
        Err(timed_out.clone()),
    )
    .await;
    check("silence", b"", Then::Hang, Err(timed_out)).await;
    check("hanging up", b"", Then::Close, Err(Failure::Closed)).await;
    let got = deliver(
        &["127.0.0.1"],
        Arc::new(SystemResolver),
        &at("127.0.0.1", nobody().await),
    )
    .await;
    assert_eq!(got, Err(Failure::Refused));
}

#[tokio::test]
async fn a_peer_may_say_when_to_come_again() {
    let address = peer(
        b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
        Then::Hang,
    )
    .await;
    let got = deliver(
        &["127.0.0.1"],
        Arc::new(SystemResolver),
        &at("127.0.0.1", address),
    )
    .await;
    assert_eq!(got.map(|d| d.retry_after), Ok(Some(Duration::from_secs(120))));
}

#[tokio::test]
async fn too_much_is_not_sent() {
    let guard = Arc::new(Guard::new(&["127.0.0.1"]).unwrap());
    let client = Client::guarded(limits(), guard, Arc::new(SystemResolver)).unwrap();
    let address = peer(FINE, Then::Hang).await;
    let request = Request::post(format!("http://{address}/"))
        .body(vec![b' '; 300_000])
        .unwrap();
    assert!(matches!(client.deliver(request).await, Err(Failure::Other(text)) if text.contains("at most")));
}
