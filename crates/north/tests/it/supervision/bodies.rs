//! Bodies that are too long, come too slowly or come once more.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use model::oversight::FindingKind;

use super::*;

const PATH: &str = "/platform/report/chargingMetaInfo";

#[tokio::test]
async fn what_is_too_long_is_refused_in_the_words_of_the_page() {
    let city = City::new().await.with_a_port().await;
    for length in [256 * 1_024 + 1, 10 * 1_024 * 1_024] {
        let body = format!("\"{}\"", "x".repeat(length - 2));
        let answer = city.call("POST", PATH, &body).await;
        let said = (answer.status.as_u16(), status_of(&answer));
        assert_eq!(said, (413, 413), "{length}: {}", answer.text);
        // Without a length that is announced it is read as far as it may be.
        let mut call = Call::new(&city, "POST", PATH, "");
        call.token = Some(city.token().await);
        let mut request = call.request();
        let parts = stream::iter(body.into_bytes()).chunks(64 * 1_024);
        *request.body_mut() = Body::from_stream(parts.map(Bytes::from).map(Ok::<_, std::io::Error>));
        let answer = city.world.ask(request).await;
        let said = (answer.status.as_u16(), status_of(&answer));
        assert_eq!(said, (413, 413), "{length} in parts: {}", answer.text);
    }
}

#[tokio::test]
async fn who_sends_too_slowly_is_not_waited_for() {
    let city = City::new().await.with_a_port().await;
    let mut call = Call::new(&city, "POST", PATH, "");
    call.token = Some(city.token().await);
    let mut request = call.request();
    let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    *request.body_mut() = Body::from_stream(begun.chain(stream::pending()));
    let asked = tokio::time::timeout(Duration::from_secs(25), city.world.ask(request));
    let answer = asked.await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), status_of(&answer)),
        (400, 400),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn a_call_that_is_heard_again_is_answered_as_before_and_counts_once() {
    let city = City::new().await.with_a_port().await;
    let token = city.token().await;
    let mut call = Call::new(&city, "POST", PATH, &sample(&city, "95", -10).to_string());
    call.token = Some(token);
    for _ in 0..3 {
        let answer = city.ask(&call).await;
        assert_eq!((answer.status.as_u16(), &*answer.text), (200, DONE));
    }
    let authority = city.platform.authority();
    authority.catch_up().await.unwrap();
    let quality = authority.overview_of(&code(OPERATOR)).unwrap().quality;
    assert_eq!(quality.kept, 1, "{quality:?}");
    assert_eq!(
        quality.findings.get(&FindingKind::Duplicate),
        Some(&2),
        "{quality:?}"
    );
}
