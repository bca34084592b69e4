//! What the WebSocket server does with its peers, and that HTTP goes on beside it.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use links::websocket::{Socket, serve};
use links::{Limits, ServerLimits};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::DropGuard;

use crate::peer::{HUNG, everything_said, limits, server};

/// Says how long each message was; answers HTTP with the path.
async fn device() -> (SocketAddr, DropGuard) {
    let limits = ServerLimits {
        connections: 3,
        max_body: 2_000,
        ..ServerLimits::default()
    };
    server(move |listener, shutdown| {
        let handler = |request: Request<Vec<u8>>| async move {
            Some(Response::new(request.uri().path().as_bytes().to_vec()))
        };
        serve(listener, limits, shutdown, "/ws", handler, echo)
    })
    .await
}

async fn echo(mut socket: Socket) {
    while let Ok(Some(message)) = socket.next().await {
        if socket.send(message.len().to_string()).await.is_err() {
            return;
        }
    }
}

async fn dial(address: SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream)
        .await
        .unwrap();
    socket
}

async fn heard(socket: &mut WebSocketStream<TcpStream>) -> Option<String> {
    let message = timeout(HUNG, socket.next()).await.expect("an answer")?;
    Some(message.ok()?.into_text().ok()?.as_str().to_owned())
}

#[tokio::test]
async fn messages_go_both_ways_and_http_beside_them() {
    let (address, _guard) = device().await;
    let mut socket = dial(address).await;
    for message in [
        Message::text("x".repeat(1_500)),
        Message::binary(vec![0; 7]),
        Message::text(""),
    ] {
        let length = message.len().to_string();
        socket.send(message).await.unwrap();
        assert_eq!(heard(&mut socket).await, Some(length));
    }
    socket.send(Message::Ping(vec![1].into())).await.unwrap();
    let pong = timeout(HUNG, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(pong, Message::Pong(vec![1].into()));

    let patient = Limits {
        timeout: HUNG,
        ..limits()
    };
    let request = Request::get(format!("http://{address}/other"))
        .body(Vec::new())
        .unwrap();
    let answer = links::http::Client::new(patient)
        .unwrap()
        .send(request)
        .await
        .unwrap();
    assert_eq!(answer.body(), b"/other");

    socket.close(None).await.unwrap();
    assert_eq!(heard(&mut socket).await, Some(String::new()), "a goodbye");
    assert_eq!(heard(&mut socket).await, None);
}

#[tokio::test]
async fn only_a_right_request_opens_a_socket() {
    let (address, _guard) = device().await;
    // The key and its answer are those of RFC 6455, 1.3.
    let request = |path: &str, upgrade: &str, version: u8| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: {upgrade}\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n\r\n"
        )
    };
    // A message without a mask ends the connection, so that all of it can be read.
    let right = [request("/ws", "WebSocket", 13).as_bytes(), b"\x81\x01x"].concat();
    let said = everything_said(address, &right).await.unwrap();
    let said = String::from_utf8_lossy(&said);
    assert!(said.starts_with("HTTP/1.1 101 "), "{said}");
    assert!(
        said.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{said}"
    );

    for (path, upgrade, version) in [
        ("/other", "websocket", 13),
        ("/ws", "h2c", 13),
        ("/ws", "websocket", 8),
    ] {
        let closing = request(path, upgrade, version).replace("keep-alive, Upgrade", "close, Upgrade");
        let said = everything_said(address, closing.as_bytes()).await.unwrap();
        let said = String::from_utf8_lossy(&said);
        assert!(
            said.starts_with("HTTP/1.1 200 ") && said.ends_with(path),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_the_link() {
    let (address, _guard) = device().await;
    let mut socket = dial(address).await;
    let _ = socket.send(Message::text("x".repeat(2_001))).await;
    assert_eq!(heard(&mut socket).await, None);
    // Its place is free again.
    for _ in 0..4 {
        let mut next = dial(address).await;
        next.send(Message::text("ab")).await.unwrap();
        assert_eq!(heard(&mut next).await.as_deref(), Some("2"));
    }
}

#[tokio::test]
async fn a_shutdown_ends_open_sockets() {
    let (address, guard) = device().await;
    let mut socket = dial(address).await;
    socket.send(Message::text("ab")).await.unwrap();
    assert_eq!(heard(&mut socket).await.as_deref(), Some("2"));
    drop(guard);
    assert_eq!(heard(&mut socket).await, None);
}
