//! What the Modbus TCP server does with its peers.

use std::net::SocketAddr;

use links::modbus_tcp::{Client, serve};
use links::{Failure, Limits, ServerLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::peer::{HUNG, PATIENCE, everything_said, limits, listener, server};

/// A device that says unit and PDU back, leaves function 99 without an answer and unit 66 panics.
async fn device(limits: ServerLimits) -> (SocketAddr, DropGuard) {
    server(move |listener, shutdown| serve(listener, limits, shutdown, echo)).await
}

async fn echo(unit: u8, pdu: Vec<u8>) -> Option<Vec<u8>> {
    assert_ne!(unit, 66);
    (pdu[0] != 99).then(|| [vec![unit], pdu].concat())
}

fn client(address: SocketAddr) -> Client {
    Client::new(
        address.to_string(),
        Limits {
            timeout: HUNG,
            ..limits()
        },
    )
}

#[tokio::test]
async fn answers_many_at_once() {
    let (address, _guard) = device(ServerLimits {
        connections: 4,
        ..ServerLimits::default()
    })
    .await;
    let tasks = (1..=40).map(|unit| {
        tokio::spawn(async move {
            let mut client = client(address);
            (
                client.exchange(unit, &[3]).await,
                client.exchange(unit, &[4, 5]).await,
            )
        })
    });
    for (unit, task) in (1..=40).zip(tasks.collect::<Vec<_>>()) {
        assert_eq!(task.await.unwrap(), (Ok(vec![unit, 3]), Ok(vec![unit, 4, 5])));
    }
}

#[tokio::test]
async fn requests_may_come_in_pieces_and_in_a_row() {
    let limits = ServerLimits {
        idle: PATIENCE / 3,
        ..ServerLimits::default()
    };
    let (address, _guard) = device(limits).await;
    let two = [0, 1, 0, 0, 0, 2, 5, 3, 0, 2, 0, 0, 0, 3, 5, 4, 4];
    let said = everything_said(address, &two).await;
    assert_eq!(
        said,
        Some(vec![0, 1, 0, 0, 0, 3, 5, 5, 3, 0, 2, 0, 0, 0, 4, 5, 5, 4, 4])
    );
}

#[tokio::test]
async fn peers_that_are_slow_or_talk_nonsense_are_let_go() {
    let limits = ServerLimits {
        idle: PATIENCE / 3,
        silence: PATIENCE / 3,
        ..ServerLimits::default()
    };
    let (address, _guard) = device(limits).await;
    for (name, bytes) in [
        ("nothing at all", &b""[..]),
        ("half a request", &[0, 1, 0, 0, 0, 2, 5]),
        ("a browser", b"GET / HTTP/1.1\r\nHost: meter\r\n\r\n"),
        ("an absurd length", &[0, 1, 0, 0, 255, 255, 5, 3]),
        ("a request left without an answer", &[0, 1, 0, 0, 0, 2, 5, 99]),
        ("a request that breaks the device", &[0, 1, 0, 0, 0, 2, 66, 3]),
    ] {
        assert_eq!(everything_said(address, bytes).await, Some(Vec::new()), "{name}");
    }
    assert_eq!(client(address).exchange(5, &[3]).await, Ok(vec![5, 3]));
}

#[tokio::test]
async fn silence_leaves_the_connection_open() {
    let limits = ServerLimits {
        silence: PATIENCE / 3,
        ..ServerLimits::default()
    };
    let (address, _guard) = device(limits).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(&[0, 1, 0, 0, 0, 2, 5, 99, 0, 2, 0, 0, 0, 2, 5, 3])
        .await
        .unwrap();
    let mut answer = [0; 9];
    timeout(HUNG, stream.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer, [0, 2, 0, 0, 0, 3, 5, 5, 3]);
}

#[tokio::test]
async fn a_shutdown_ends_also_connections_under_way() {
    let (listener, address) = listener().await;
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(serve(listener, ServerLimits::default(), shutdown.clone(), echo));
    let mut idle = client(address);
    assert!(idle.exchange(5, &[3]).await.is_ok());
    shutdown.cancel();
    timeout(HUNG, served).await.unwrap().unwrap();
    assert_eq!(idle.exchange(5, &[3]).await, Err(Failure::Refused));
}
