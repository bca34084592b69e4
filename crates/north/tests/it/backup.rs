//! Backups over the native API.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use model::user::Role;
use store::{Nouns, Sqlite};
use tower::ServiceExt;

use crate::world::{TOKEN, VIEWER, World};

const OPERATOR: &str = "a-bearer-token-of-an-operator";

#[tokio::test]
async fn an_administrator_takes_a_backup_that_can_be_restored() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let store = Sqlite::open(&data).unwrap();
    store.put_noun("kind", "one", "{}").await.unwrap();
    let world = World::new().await;
    world
        .state
        .gate
        .set_token("desk", Role::Operator, OPERATOR)
        .await
        .unwrap();
    let app = north::router(world.state.clone().with_data(&data));
    let post = |token: &str| {
        let request = Request::post("/api/v1/backup")
            .header("host", crate::world::HOST)
            .header("authorization", format!("Bearer {token}"))
            .extension(axum::extract::ConnectInfo(
                "127.0.0.1:50000".parse::<std::net::SocketAddr>().unwrap(),
            ))
            .body(Body::empty())
            .unwrap();
        app.clone().oneshot(request)
    };
    for token in [VIEWER, OPERATOR] {
        assert_eq!(post(token).await.unwrap().status(), 403);
    }
    for _ in 0..2 {
        let answer = post(TOKEN).await.unwrap();
        assert_eq!(answer.status(), 200);
        let name = answer.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(name.contains("filename=\"ohmstead-2025"), "{name}");
        let file = directory.path().join("backup.tar.gz");
        std::fs::write(&file, answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
        let copy = tempfile::tempdir().unwrap();
        store::backup::restore(&file, copy.path()).unwrap();
        let restored = Sqlite::open(copy.path()).unwrap();
        assert_eq!(restored.noun("kind", "one").await.unwrap().as_deref(), Some("{}"));
    }
    assert!(!data.join("download.tar.gz").exists());

    // Nightly ones are listed, the newest first; anything else in their directory is not.
    let backups = data.join("backups");
    std::fs::create_dir(&backups).unwrap();
    let names = [
        "ohmstead-20251121T030000Z.tar.gz",
        "ohmstead-20251122T030000Z.tar.gz",
    ];
    for name in names.iter().chain(&["notes.txt"]) {
        std::fs::write(backups.join(name), "12345").unwrap();
    }
    let request = crate::world::request(
        "GET",
        "/api/v1/storage",
        &[("authorization", &format!("Bearer {TOKEN}"))],
        "",
    );
    let mut request = request;
    request.extensions_mut().insert(axum::extract::ConnectInfo(
        "127.0.0.1:50000".parse::<std::net::SocketAddr>().unwrap(),
    ));
    let answer = app
        .oneshot(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    let storage: serde_json::Value = serde_json::from_slice(&answer.to_bytes()).unwrap();
    let listed: Vec<_> = storage["backups"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&listed[0]["name"], &listed[1]["name"]),
        (&names[1].into(), &names[0].into())
    );
    assert_eq!((listed.len(), &listed[0]["bytes"]), (2, &5.into()));
}

#[tokio::test]
async fn what_is_not_in_files_is_refused_by_name() {
    let world = World::new().await;
    let refused = world.post("/api/v1/backup", "").await;
    assert_eq!(refused.error(), (409, "not_supported".into()));
    assert!(refused.text.contains("pg_dump"), "{}", refused.text);
}
