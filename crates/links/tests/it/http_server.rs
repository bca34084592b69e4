//! What the HTTP server does with its peers.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use links::http::{Client, serve};
use links::{Failure, Limits, ServerLimits};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::peer::{HUNG, PATIENCE, everything_said, limits, listener, server};

/// A device that says how much it was sent, and leaves `/silent` without an answer.
async fn device(limits: ServerLimits) -> (SocketAddr, DropGuard) {
    server(move |listener, shutdown| serve(listener, limits, shutdown, echo)).await
}

async fn echo(request: Request<Vec<u8>>) -> Option<Response<Vec<u8>>> {
    let text = format!("{} {} {}", request.method(), request.uri(), request.body().len());
    (request.uri().path() != "/silent").then(|| Response::new(text.into_bytes()))
}

async fn ask(address: SocketAddr, path: &str, body: usize) -> Result<(u16, String), Failure> {
    let request = Request::post(format!("http://{address}{path}"))
        .body(vec![b'x'; body])
        .unwrap();
    let answer = Client::new(Limits {
        timeout: HUNG,
        ..limits()
    })
    .unwrap()
    .send(request)
    .await?;
    Ok((
        answer.status().as_u16(),
        String::from_utf8(answer.into_body()).unwrap(),
    ))
}

fn short() -> ServerLimits {
    ServerLimits {
        idle: PATIENCE / 3,
        silence: PATIENCE / 3,
        ..ServerLimits::default()
    }
}

#[tokio::test]
async fn answers_many_at_once() {
    let (address, _guard) = device(ServerLimits {
        connections: 4,
        ..ServerLimits::default()
    })
    .await;
    let asked = (0..40).map(|n| tokio::spawn(async move { ask(address, &format!("/{n}?a=%20b"), n).await }));
    for (n, task) in asked.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), Ok((200, format!("POST /{n}?a=%20b {n}"))));
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let (address, _guard) = device(ServerLimits {
        max_body: 1_000,
        ..ServerLimits::default()
    })
    .await;
    assert_eq!(
        ask(address, "/", 1_000).await,
        Ok((200, "POST / 1000".to_owned()))
    );
    assert_eq!(ask(address, "/", 1_001).await, Ok((413, String::new())));
    let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n".to_vec();
    let said = everything_said(address, &[chunked, vec![b'x'; 0x5000]].concat())
        .await
        .unwrap();
    assert!(said.starts_with(b"HTTP/1.1 413 "), "{said:?}");
}

#[tokio::test]
async fn peers_that_are_slow_or_talk_nonsense_are_let_go() {
    let (address, _guard) = device(short()).await;
    for (name, bytes, start) in [
        ("nothing at all", &b""[..], ""),
        ("half a head", b"GET / HT", ""),
        (
            "half a body",
            b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
            "",
        ),
        (
            "garbage",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            "HTTP/1.1 400 ",
        ),
        (
            "a request left without an answer",
            b"GET /silent HTTP/1.1\r\n\r\n",
            "",
        ),
        ("an idle connection", b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 "),
    ] {
        let said = everything_said(address, bytes).await;
        let said = said.unwrap_or_else(|| panic!("{name}: still open"));
        assert!(
            said.starts_with(start.as_bytes()) && said.is_empty() == start.is_empty(),
            "{name}: {said:?}"
        );
    }
}

#[tokio::test]
async fn a_peer_that_gives_up_on_a_silent_device_frees_its_place() {
    let (address, _guard) = device(ServerLimits {
        connections: 1,
        ..ServerLimits::default()
    })
    .await;
    for half_closed in [false, true] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /silent HTTP/1.1\r\n\r\n").await.unwrap();
        if half_closed {
            stream.shutdown().await.unwrap();
        } else {
            drop(stream);
        }
        assert_eq!(
            timeout(HUNG, ask(address, "/", 0)).await,
            Ok(Ok((200, "POST / 0".to_owned())))
        );
    }
}

#[tokio::test]
async fn no_more_connections_than_allowed_are_served_at_once() {
    let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gates = (Arc::clone(&entered), Arc::clone(&leave));
    let (address, _guard) = server(move |listener, shutdown| {
        serve(
            listener,
            ServerLimits {
                connections: 2,
                ..ServerLimits::default()
            },
            shutdown,
            move |_| {
                let (entered, leave) = gates.clone();
                async move {
                    entered.add_permits(1);
                    leave.acquire().await.unwrap().forget();
                    Some(Response::new(Vec::new()))
                }
            },
        )
    })
    .await;
    let asked = (0..3)
        .map(|_| tokio::spawn(ask(address, "/", 0)))
        .collect::<Vec<_>>();
    timeout(HUNG, entered.acquire_many(2))
        .await
        .unwrap()
        .unwrap()
        .forget();
    assert!(
        timeout(PATIENCE / 3, entered.acquire()).await.is_err(),
        "a third one came in"
    );
    leave.add_permits(3);
    for task in asked {
        assert!(task.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_shutdown_ends_also_connections_under_way() {
    let (listener, address) = listener().await;
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(serve(listener, ServerLimits::default(), shutdown.clone(), echo));
    let asked = tokio::spawn(ask(address, "/silent", 0));
    assert!(ask(address, "/", 0).await.is_ok());
    shutdown.cancel();
    timeout(HUNG, served).await.unwrap().unwrap();
    assert_eq!(asked.await.unwrap(), Err(Failure::Closed));
    assert_eq!(ask(address, "/", 0).await, Err(Failure::Refused));
}

#[tokio::test]
async fn a_handler_that_panics_takes_only_its_connection_down() {
    let (address, _guard) = server(|listener, shutdown| {
        serve(
            listener,
            ServerLimits::default(),
            shutdown,
            |request| async move {
                assert_ne!(request.uri().path(), "/panic");
                Some(Response::new(Vec::new()))
            },
        )
    })
    .await;
    assert_eq!(ask(address, "/panic", 0).await, Err(Failure::Closed));
    assert_eq!(ask(address, "/", 0).await, Ok((200, String::new())));
}
