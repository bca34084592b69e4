//! Signing in and out.

use crate::world::{Answer, PASSWORD, TOKEN, World, bearer, request};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn post(world: &World, path: &str, body: &str) -> Answer {
    world.ask(request("POST", path, &[JSON], body)).await
}

fn cookie_of(answer: &Answer) -> String {
    answer
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_password_opens_a_session_and_signing_out_ends_it() {
    let world = World::new().await;
    world.state.gate.create_admin("admin", PASSWORD).await.unwrap();
    let nobody = world.open("/api/v1/session").await;
    assert_eq!(nobody.text, r#"{"signed_in":false,"setup_needed":false}"#);

    let body = format!(r#"{{"user":"admin","password":"{PASSWORD}"}}"#);
    let answer = post(&world, "/api/v1/session", &body).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    let set = answer.header("set-cookie").unwrap();
    for part in [
        "; HttpOnly",
        "; SameSite=Strict",
        "; Path=/",
        "; Max-Age=34560000",
    ] {
        assert!(set.contains(part), "{set}");
    }
    let cookie = format!("theme=dark; {}", cookie_of(&answer));
    let as_admin = |path: &str| request("GET", path, &[("cookie", &cookie)], "");
    let session = world.ask(as_admin("/api/v1/session")).await;
    assert_eq!(
        session.text,
        r#"{"signed_in":true,"user":"admin","role":"admin"}"#
    );
    assert_eq!(world.ask(as_admin("/api/v1/sites")).await.status, 200);

    let out = world
        .ask(request("DELETE", "/api/v1/session", &[("cookie", &cookie)], ""))
        .await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(world.ask(as_admin("/api/v1/sites")).await.status, 401);
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_name_look_the_same() {
    let world = World::new().await;
    world.state.gate.create_admin("admin", PASSWORD).await.unwrap();
    let wrong = post(
        &world,
        "/api/v1/session",
        r#"{"user":"admin","password":"wrong"}"#,
    )
    .await;
    let nobody = post(
        &world,
        "/api/v1/session",
        r#"{"user":"nobody","password":"wrong"}"#,
    )
    .await;
    assert_eq!(wrong.error(), (401, "wrong_credentials".into()));
    assert_eq!(wrong.text, nobody.text);
    assert!(wrong.header("set-cookie").is_none());
    assert_eq!(
        post(&world, "/api/v1/session", r#"{"user":"admin"}"#)
            .await
            .error(),
        (422, "invalid".into())
    );
}

#[tokio::test]
async fn tickets_work_once() {
    let world = World::new().await;
    assert_eq!(world.open("/api/v1/session").await.json()["setup_needed"], true);
    let ticket = world.state.gate.setup_ticket().unwrap();
    let short = post(
        &world,
        "/api/v1/setup",
        &format!(r#"{{"ticket":"{ticket}","password":"short"}}"#),
    )
    .await;
    assert_eq!(short.error(), (422, "out_of_range".into()));
    let wrong = post(
        &world,
        "/api/v1/setup",
        &format!(r#"{{"ticket":"x","password":"{PASSWORD}"}}"#),
    )
    .await;
    assert_eq!(wrong.error(), (401, "wrong_credentials".into()));
    let body = format!(r#"{{"ticket":"{ticket}","password":"{PASSWORD}"}}"#);
    let done = post(&world, "/api/v1/setup", &body).await;
    assert_eq!(done.status, 204, "{}", done.text);
    assert!(cookie_of(&done).starts_with("ohmstead_session="));
    assert_eq!(
        post(&world, "/api/v1/setup", &body).await.error(),
        (409, "set_up_already".into())
    );

    let ticket = world.state.gate.sign_in_ticket("admin").unwrap();
    let body = format!(r#"{{"ticket":"{ticket}"}}"#);
    assert_eq!(post(&world, "/api/v1/session/ticket", &body).await.status, 204);
    assert_eq!(
        post(&world, "/api/v1/session/ticket", &body).await.error(),
        (401, "wrong_credentials".into())
    );
}

#[tokio::test]
async fn a_cookie_that_was_given_over_tls_never_travels_without() {
    let world = World::new().await;
    world.state.gate.create_admin("admin", PASSWORD).await.unwrap();
    let body = format!(r#"{{"user":"admin","password":"{PASSWORD}"}}"#);
    // A proxy before us may speak TLS; then the page stands at an https address.
    for (origin, expected) in [("http://127.0.0.1:8080", false), ("https://127.0.0.1:8080", true)] {
        let headers = [JSON, ("origin", origin)];
        let inside = world
            .ask(request("POST", "/api/v1/session", &headers, &body))
            .await;
        assert_eq!(inside.status, 204, "{}", inside.text);
        let outside = world
            .ask(request("DELETE", "/api/v1/session", &headers, ""))
            .await;
        for answer in [inside, outside] {
            let set = answer.header("set-cookie").unwrap();
            assert_eq!(set.contains("; Secure"), expected, "{origin}: {set}");
        }
    }
}

#[tokio::test]
async fn who_is_nobody_yet_sends_little() {
    let world = World::new().await;
    let body = format!(r#"{{"user":"admin","password":"{}"}}"#, "x".repeat(16 * 1024));
    let answer = post(&world, "/api/v1/session", &body).await;
    assert_eq!(answer.error(), (413, "too_large".into()));
}

#[tokio::test]
async fn a_foreign_page_cannot_sign_anybody_in() {
    let world = World::new().await;
    let headers = [JSON, ("origin", "http://evil.example")];
    for path in ["/api/v1/session", "/api/v1/session/ticket", "/api/v1/setup"] {
        let answer = world.ask(request("POST", path, &headers, "{}")).await;
        assert_eq!(answer.error(), (403, "foreign_origin".into()), "{path}");
    }
}

#[tokio::test]
async fn a_bearer_token_is_a_session_without_a_cookie() {
    let world = World::new().await;
    let owner = bearer(TOKEN);
    let answer = world
        .ask(request(
            "GET",
            "/api/v1/session",
            &[("authorization", &owner)],
            "",
        ))
        .await;
    assert_eq!(
        answer.text,
        r#"{"signed_in":true,"user":"token:owner","role":"admin"}"#
    );
    let mixed = [
        ("authorization", "Bearer wrong"),
        ("cookie", "ohmstead_session=x"),
    ];
    let answer = world.ask(request("GET", "/api/v1/session", &mixed, "")).await;
    assert_eq!(answer.json()["signed_in"], false);
}
