//! What the Modbus TCP client makes of its peers.

use std::net::SocketAddr;

use links::Failure;
use links::modbus_tcp::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::peer::{PATIENCE, Then, limits, listener, nobody, peer};

async fn check(name: &str, bytes: &'static [u8], then: Then, expected: Result<&[u8], Failure>) {
    let address = peer(bytes, then).await;
    let got = Client::new(address.to_string(), limits())
        .exchange(1, &[3, 0, 0, 0, 1])
        .await;
    assert_eq!(got, expected.map(<[u8]>::to_vec), "{name}");
}

fn timed_out() -> Failure {
    Failure::TimedOut {
        after_ms: i64::try_from(PATIENCE.as_millis()).unwrap(),
    }
}

fn other(text: &str) -> Failure {
    Failure::Other(text.to_owned())
}

#[tokio::test]
async fn an_answer_is_the_one_with_our_transaction() {
    check(
        "the answer",
        &[0, 1, 0, 0, 0, 3, 1, 3, 9],
        Then::Hang,
        Ok(&[3, 9]),
    )
    .await;
    check(
        "an exception",
        &[0, 1, 0, 0, 0, 3, 1, 0x83, 2],
        Then::Close,
        Ok(&[0x83, 2]),
    )
    .await;
    let late = [0, 0, 0, 0, 0, 3, 1, 3, 7, 0, 1, 0, 0, 0, 3, 1, 3, 9];
    check(
        "after a late one",
        Box::leak(Box::new(late)),
        Then::Hang,
        Ok(&[3, 9]),
    )
    .await;
}

#[tokio::test]
async fn anything_else_is_a_failure() {
    check("closed", &[], Then::Close, Err(Failure::Closed)).await;
    check(
        "closed within",
        &[0, 1, 0, 0, 0, 3, 1, 3],
        Then::Close,
        Err(Failure::Closed),
    )
    .await;
    check("silent", &[], Then::Hang, Err(timed_out())).await;
    check(
        "silent within",
        &[0, 1, 0, 0, 0, 3, 1, 3],
        Then::Hang,
        Err(timed_out()),
    )
    .await;
    check(
        "late ones without end",
        &[0, 0, 0, 0, 0, 3, 1, 3, 7],
        Then::Repeat,
        Err(timed_out()),
    )
    .await;
    let web = other("no Modbus TCP: protocol id 21584 instead of 0");
    check(
        "a web server",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        Then::Repeat,
        Err(web),
    )
    .await;
    let absurd = other("no Modbus TCP: a frame of 65535 bytes instead of 2 to 254");
    check(
        "an absurd length",
        &[0, 1, 0, 0, 255, 255, 1, 3],
        Then::Repeat,
        Err(absurd),
    )
    .await;
    let unit = other("the answer comes from unit 9 instead of 1; check the unit id");
    check(
        "another unit",
        &[0, 1, 0, 0, 0, 3, 9, 3, 7],
        Then::Hang,
        Err(unit),
    )
    .await;
}

#[tokio::test]
async fn nobody_there_is_refused_and_a_pdu_of_no_length_is_not_sent() {
    let mut client = Client::new(nobody().await.to_string(), limits());
    assert_eq!(client.exchange(1, &[3]).await, Err(Failure::Refused));
    let mut client = Client::new(peer(&[], Then::Hang).await.to_string(), limits());
    assert_eq!(
        client.exchange(1, &[]).await,
        Err(other("a Modbus PDU has 1 to 253 bytes, not 0"))
    );
}

/// A device that does per request, over all connections, what the letters say: `a`nswer, stay `s`ilent, answer
/// the request `b`efore this one and then this one, or `c`lose. Says in the
/// answer how many connections it has seen.
async fn moody(moods: &'static str) -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let mut moods = moods.chars();
        for connections in 1.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            while let Some(transaction) = next_transaction(&mut stream).await {
                let answer = |transaction: u8| [0, transaction, 0, 0, 0, 3, 1, 3, connections];
                let bytes = match moods.next() {
                    Some('a') => answer(transaction).to_vec(),
                    Some('b') => [answer(transaction - 1), answer(transaction)].concat(),
                    Some('s') => Vec::new(),
                    _ => break,
                };
                stream.write_all(&bytes).await.unwrap();
            }
        }
    });
    address
}

async fn next_transaction(stream: &mut TcpStream) -> Option<u8> {
    let mut request = [0; 8];
    stream.read_exact(&mut request).await.ok()?;
    Some(request[1])
}

async fn check_moods(moods: &'static str, expected: &[Result<u8, Failure>]) {
    let mut client = Client::new(moody(moods).await.to_string(), limits());
    for (n, want) in expected.iter().enumerate() {
        let got = client.exchange(1, &[3]).await.map(|pdu| pdu[1]);
        assert_eq!(got, *want, "{moods}, request {n}");
    }
}

#[tokio::test]
async fn a_connection_is_kept_while_it_is_good() {
    check_moods("aaa", &[Ok(1), Ok(1), Ok(1)]).await;
    check_moods("asba", &[Ok(1), Err(timed_out()), Ok(1), Ok(1)]).await;
    check_moods("ssa", &[Err(timed_out()), Err(timed_out()), Ok(2)]).await;
    check_moods("aca", &[Ok(1), Ok(2)]).await;
    check_moods("ca", &[Err(Failure::Closed), Ok(2)]).await;
    check_moods("acca", &[Ok(1), Err(Failure::Closed), Ok(3)]).await;
}

#[tokio::test]
async fn a_dropped_request_takes_its_connection_along() {
    let mut client = Client::new(moody("asa").await.to_string(), limits());
    assert!(client.exchange(1, &[3]).await.is_ok());
    assert!(
        tokio::time::timeout(PATIENCE / 3, client.exchange(1, &[3]))
            .await
            .is_err()
    );
    assert_eq!(client.exchange(1, &[3]).await, Ok(vec![3, 2]));
}
