//! History over the native API.

use model::reading::Quantity;
use model::time::{Millis, Timestamp};
use store::{History, Series};

use crate::world::{BEGIN, HOUR, World};

const FROM: i64 = BEGIN.wall.0;

async fn world_with(seconds: i64) -> World {
    let world = World::new().await;
    let rows: Vec<(Timestamp, i64)> = (0..seconds)
        .map(|second| (BEGIN.wall + Millis(second * 1_000), second))
        .collect();
    let series = Series {
        subject: "device:grid".to_owned(),
        quantity: Quantity::Power,
    };
    world.store.import(&series, &rows).await.unwrap();
    world
}

#[tokio::test]
async fn rows_come_condensed_or_raw_in_the_order_asked() {
    let world = world_with(180).await;
    let path = |step: &str| {
        format!(
            "/api/v1/sites/home/history?series=site:home.power,device:grid.power&from_ms={FROM}&to_ms={}{step}",
            FROM + 120_000
        )
    };
    let answer = world.get(&path("&step_s=60")).await.json();
    assert_eq!(answer["step_s"], 60);
    assert_eq!(answer["series"][0]["subject"], "site:home");
    assert_eq!(answer["series"][0]["rows"], serde_json::json!([]));
    assert_eq!(answer["series"][1]["unit"], "W");
    let rows = &answer["series"][1]["rows"];
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(rows[0], serde_json::json!([FROM, 30, 0, 59, 59]));
    assert_eq!(answer, world.get(&path("")).await.json());

    let raw = world.get(&path("&step_s=0")).await.json();
    let rows = raw["series"][1]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 120);
    assert_eq!(rows[7], serde_json::json!([FROM + 7_000, 7, 7, 7, 7]));
}

#[tokio::test]
async fn too_much_is_refused_with_a_step_that_fits() {
    let world = world_with(20_001).await;
    for (from, to, step, expected) in [
        (FROM, FROM + 20_001_000, 0, "at least 10"),
        (FROM - 1_000 * HOUR, FROM + 20_001_000, 0, "at least 300"),
        (FROM, FROM + 30 * 24 * HOUR, 60, "at least 300"),
        (FROM, FROM + 30 * 24 * HOUR, 1, "at least 300"),
        (0, i64::MAX, 1, "a shorter time"),
    ] {
        let path = format!(
            "/api/v1/sites/home/history?series=device:grid.power&from_ms={from}&to_ms={to}&step_s={step}"
        );
        let answer = world.get(&path).await;
        assert_eq!(answer.error(), (422, "out_of_range".into()), "{path}");
        let json = answer.json();
        assert_eq!(json["error"]["where"], "step_s");
        assert!(
            json["error"]["expected"].as_str().unwrap().starts_with(expected),
            "{path}: {json}"
        );
    }
    let fits = format!(
        "/api/v1/sites/home/history?series=device:grid.power&from_ms={FROM}&to_ms={}&step_s=0",
        FROM + 20_000_000
    );
    assert_eq!(
        world.get(&fits).await.json()["series"][0]["rows"]
            .as_array()
            .unwrap()
            .len(),
        20_000
    );
}

#[tokio::test]
async fn wrong_queries_are_named() {
    let world = World::new().await;
    let many = vec!["device:grid.power"; 21].join(",");
    for (query, status, code) in [
        (
            "series=device:grid.power&from_ms=0&to_ms=1000".to_owned(),
            200,
            "",
        ),
        (
            "series=device:grid.colour&from_ms=0&to_ms=1000".to_owned(),
            422,
            "out_of_range",
        ),
        (
            "series=device:grid&from_ms=0&to_ms=1000".to_owned(),
            422,
            "out_of_range",
        ),
        (
            "series=planet:earth.power&from_ms=0&to_ms=1000".to_owned(),
            422,
            "out_of_range",
        ),
        (
            "series=grid.power&from_ms=0&to_ms=1000".to_owned(),
            422,
            "out_of_range",
        ),
        ("series=&from_ms=0&to_ms=1000".to_owned(), 422, "out_of_range"),
        (format!("series={many}&from_ms=0&to_ms=1000"), 422, "out_of_range"),
        (
            "series=device:grid.power&from_ms=1000&to_ms=1000".to_owned(),
            422,
            "out_of_range",
        ),
        (
            "series=device:nothing.power&from_ms=0&to_ms=1000".to_owned(),
            404,
            "unknown",
        ),
        (
            "series=device:lost.power&from_ms=0&to_ms=1000".to_owned(),
            404,
            "unknown",
        ),
        (
            "series=site:yard.power&from_ms=0&to_ms=1000".to_owned(),
            404,
            "unknown",
        ),
        ("series=device:grid.power&from_ms=0".to_owned(), 400, "unreadable"),
        (
            "series=device:grid.power&from_ms=x&to_ms=1000".to_owned(),
            400,
            "unreadable",
        ),
        (
            "series=device:grid.power&from_ms=0&to_ms=1000&step_s=-1".to_owned(),
            400,
            "unreadable",
        ),
        (
            "series=device:grid.power&from_ms=0&to_ms=1000&stepp_s=1".to_owned(),
            400,
            "unreadable",
        ),
    ] {
        let answer = world.get(&format!("/api/v1/sites/home/history?{query}")).await;
        assert_eq!(answer.error(), (status, code.into()), "{query}");
    }
}
