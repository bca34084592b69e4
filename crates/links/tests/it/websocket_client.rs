//! What the WebSocket client does with its peers, good and bad.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use links::outbound_guard::{Guard, SystemResolver};
use links::websocket::{Client, Socket, serve};
use links::{Failure, Limits, ServerLimits, Way};
use tokio::time::timeout;
use tokio_util::sync::DropGuard;

use crate::peer::{HUNG, limits, server};

/// Says of each message how long it was, and to `long` more than anybody asked for; `bye` ends it.
async fn device() -> (SocketAddr, DropGuard) {
    server(move |listener, shutdown| {
        let handler = |_: Request<Vec<u8>>| async move { Some(Response::new(b"a page".to_vec())) };
        serve(listener, ServerLimits::default(), shutdown, "/ws", handler, echo)
    })
    .await
}

async fn echo(mut socket: Socket) {
    while let Ok(Some(message)) = socket.next().await {
        let answer = match message.as_slice() {
            b"bye" => return,
            b"long" => "x".repeat(5_000),
            other => other.len().to_string(),
        };
        if socket.send(answer).await.is_err() {
            return;
        }
    }
}

fn anywhere() -> Way {
    Way::new(None, Arc::new(SystemResolver)).unwrap()
}

fn patient() -> Limits {
    Limits {
        connect_timeout: HUNG,
        timeout: HUNG,
        max_body: 4_000,
    }
}

async fn heard(client: &mut Client) -> Result<Option<Vec<u8>>, Failure> {
    timeout(HUNG, client.next()).await.expect("an answer")
}

#[tokio::test]
async fn messages_go_both_ways_and_long_ones_are_refused() {
    let (address, _guard) = device().await;
    let mut client = Client::open(&format!("ws://{address}/ws"), patient(), &anywhere())
        .await
        .unwrap();
    for message in ["", "hello", &"x".repeat(3_000)] {
        client.send(message.to_owned()).await.unwrap();
        assert_eq!(
            heard(&mut client).await,
            Ok(Some(message.len().to_string().into_bytes()))
        );
    }
    client.send("long".to_owned()).await.unwrap();
    assert!(matches!(heard(&mut client).await, Err(Failure::Other(_))));
}

#[tokio::test]
async fn a_peer_that_goes_is_noticed() {
    let (address, _guard) = device().await;
    let mut client = Client::open(&format!("ws://{address}/ws"), patient(), &anywhere())
        .await
        .unwrap();
    client.send("bye".to_owned()).await.unwrap();
    assert!(!matches!(heard(&mut client).await, Ok(Some(_))));
}

#[tokio::test]
async fn who_speaks_no_websocket_is_told_apart() {
    let (address, _guard) = device().await;
    for (url, expected) in [
        (format!("ws://{address}/page"), "HTTP 200 in place of a WebSocket"),
        ("http://127.0.0.1/ws".to_owned(), "is no address"),
        ("ws://".to_owned(), "is no address"),
        ("nonsense".to_owned(), "is no address"),
    ] {
        let problem = Client::open(&url, patient(), &anywhere()).await.unwrap_err();
        assert!(problem.to_string().contains(expected), "{url}: {problem}");
    }
    drop(_guard);
    let gone = Client::open("ws://127.0.0.1:1/ws", limits(), &anywhere()).await;
    assert_eq!(gone.err(), Some(Failure::Refused));
}

/// With a guard nobody is dialled whom it does not let pass.
#[tokio::test]
async fn the_guard_stands_in_front() {
    let (address, _guard) = device().await;
    let way = |allow: &[&str]| {
        let guard = Arc::new(Guard::new(allow).unwrap());
        Way::new(Some(guard), Arc::new(SystemResolver)).unwrap()
    };
    let url = format!("ws://{address}/ws");
    let denied = Client::open(&url, patient(), &way(&[])).await;
    assert!(matches!(denied, Err(Failure::Denied(_))), "{denied:?}");
    assert!(
        Client::open(&url, patient(), &way(&["127.0.0.0/8"]))
            .await
            .is_ok()
    );
}
