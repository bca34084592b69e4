//! What the HTTP client makes of its peers.

use std::net::SocketAddr;

use http::Request;
use links::http::Client;
use links::{Failure, Limits};

use crate::peer::{HUNG, PATIENCE, Then, limits, nobody, peer};

/// Status and body, or why not.
async fn ask(address: SocketAddr) -> Result<(u16, String), Failure> {
    let request = Request::get(format!("http://{address}/api/status?filter=amp"))
        .body(Vec::new())
        .unwrap();
    let answer = Client::new(limits()).unwrap().send(request).await?;
    Ok((
        answer.status().as_u16(),
        String::from_utf8(answer.into_body()).unwrap(),
    ))
}

async fn check(name: &str, bytes: &'static [u8], then: Then, expected: Result<(u16, &str), Failure>) {
    let got = ask(peer(bytes, then).await).await;
    assert_eq!(
        got,
        expected.map(|(status, body)| (status, body.to_owned())),
        "{name}"
    );
}

fn timed_out() -> Failure {
    Failure::TimedOut {
        after_ms: i64::try_from(PATIENCE.as_millis()).unwrap(),
    }
}

#[tokio::test]
async fn whole_answers_are_passed_on_whatever_they_say() {
    check(
        "plain",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        Then::Hang,
        Ok((200, "{}")),
    )
    .await;
    check(
        "until close",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
        Then::Close,
        Ok((200, "{}")),
    )
    .await;
    check(
        "HTTP/1.0",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        Then::Close,
        Ok((200, "{}")),
    )
    .await;
    check(
        "an error page",
        b"HTTP/1.1 404 No\r\nContent-Length: 6\r\n\r\n<html>",
        Then::Hang,
        Ok((404, "<html>")),
    )
    .await;
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n";
    check("chunked", chunked, Then::Hang, Ok((200, "{}"))).await;
    let redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    check("a redirect is not followed", redirect, Then::Hang, Ok((302, ""))).await;
}

#[tokio::test]
async fn incomplete_answers_are_failures() {
    check("nothing", b"", Then::Close, Err(Failure::Closed)).await;
    check(
        "half a head",
        b"HTTP/1.1 200 OK\r\nConte",
        Then::Close,
        Err(Failure::Closed),
    )
    .await;
    check(
        "half a body",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        Then::Close,
        Err(Failure::Closed),
    )
    .await;
    check("silence", b"", Then::Hang, Err(timed_out())).await;
    check(
        "silence within the head",
        b"HTTP/1.1 200 OK\r\n",
        Then::Hang,
        Err(timed_out()),
    )
    .await;
    check(
        "silence within the body",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        Then::Hang,
        Err(timed_out()),
    )
    .await;
}

#[tokio::test]
async fn answers_beyond_the_limit_are_cut() {
    let too_large = || Err(Failure::TooLarge { limit: 1_000 });
    check(
        "announced",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
        Then::Hang,
        too_large(),
    )
    .await;
    let absurd = b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n";
    check("announced beyond all bounds", absurd, Then::Hang, too_large()).await;
    check(
        "endless",
        b"HTTP/1.1 200 OK\r\n\r\nabc",
        Then::Repeat,
        too_large(),
    )
    .await;
}

#[tokio::test]
async fn what_is_no_http_is_told_in_words() {
    for garbage in [
        &b"\x00\x01\x00\x00\x00\x03\x01\x83\x02"[..],
        b"HTTP/1.1 OK 200\r\n\r\n",
        b"<html></html>\r\n\r\n",
    ] {
        let got = ask(peer(garbage, Then::Close).await).await;
        assert!(
            matches!(&got, Err(Failure::Other(text)) if !text.contains("127.0.0.1")),
            "{got:?}"
        );
    }
    // How long it takes until there is too much of it is not what is asked here.
    let limits = Limits {
        timeout: HUNG,
        ..limits()
    };
    let endless = peer(b"HTTP/1.1 200 OK\r\nX: ", Then::Repeat).await;
    let request = Request::get(format!("http://{endless}/"))
        .body(Vec::new())
        .unwrap();
    let got = Client::new(limits).unwrap().send(request).await;
    assert!(
        matches!(&got, Err(Failure::Other(_))),
        "a head without end: {got:?}"
    );
}

#[tokio::test]
async fn nobody_there_is_refused() {
    assert_eq!(ask(nobody().await).await, Err(Failure::Refused));
}

#[tokio::test]
async fn an_address_that_is_none_is_told_in_words() {
    for url in ["/api/status", "ftp://127.0.0.1/", "http://no such host/"] {
        let Ok(request) = Request::get(url).body(Vec::new()) else {
            continue;
        };
        let got = Client::new(limits()).unwrap().send(request).await;
        assert!(matches!(&got, Err(Failure::Other(_))), "{url}: {got:?}");
    }
}
