//! Energies, charts, exports and retention over the native API.

use model::reading::Quantity;
use model::settings::Retention;
use model::time::{Millis, Timestamp};
use store::{History, Series};

use crate::world::{BEGIN, HOUR, TOKEN, VIEWER, World, bearer, request};

/// Midnight in Vienna, where the site is.
const MIDNIGHT: i64 = BEGIN.wall.0 - HOUR;

async fn import(world: &World, quantity: Quantity, readings: impl Iterator<Item = (i64, i64)>) {
    let series = Series {
        subject: "device:grid".to_owned(),
        quantity,
    };
    let rows: Vec<_> = readings.map(|(at, value)| (Timestamp(at), value)).collect();
    world.store.import(&series, &rows).await.unwrap();
}

#[tokio::test]
async fn energies_come_in_local_days_and_say_how_good_they_are() {
    let world = World::new().await;
    // 100 Wh an hour by the counter, 200 W out by the power.
    let quarters = |n: i64| MIDNIGHT + n * 900_000;
    import(
        &world,
        Quantity::EnergyIn,
        (0..=48 * 4).map(|n| (quarters(n), n * 25)),
    )
    .await;
    import(&world, Quantity::Power, (0..=48 * 4).map(|n| (quarters(n), -200))).await;
    let path = |series: &str, per: &str| {
        format!("/api/v1/sites/home/energy?series={series}&from=2025-11-22&to=2025-11-25&per={per}")
    };
    let answer = world
        .get(&path("device:grid.energy_in,device:grid.energy_out", "day"))
        .await
        .json();
    assert_eq!(answer["time_zone"], "Europe/Vienna");
    let (counted, estimated) = (&answer["items"][0], &answer["items"][1]);
    assert_eq!(counted["series"], "device:grid.energy_in");
    assert_eq!(
        (&counted["estimated"], &estimated["estimated"]),
        (&false.into(), &true.into())
    );
    let day = |n: i64, energy: i64, complete: bool| {
        serde_json::json!({"start_ms": MIDNIGHT + n * 24 * HOUR, "end_ms": MIDNIGHT + (n + 1) * 24 * HOUR,
            "energy_wh": energy, "complete": complete})
    };
    let days = |energy| serde_json::json!([day(0, energy, true), day(1, energy, true), day(2, 0, false)]);
    assert_eq!(counted["rows"], days(2_400));
    assert_eq!(estimated["rows"], days(4_800));
    let hours = world.get(&path("device:grid.energy_in", "hour")).await.json();
    assert_eq!(hours["items"][0]["rows"].as_array().unwrap().len(), 72);
    let year = world.get(&path("device:grid.energy_in", "year")).await.json();
    assert_eq!(year["items"][0]["rows"][0]["energy_wh"], 4_800);
}

#[tokio::test]
async fn energies_that_make_no_sense_are_refused() {
    let world = World::new().await;
    for (query, status, place) in [
        (
            "series=device:grid.energy_in&from=2025-11-22&to=2025-11-22&per=day",
            422,
            "to",
        ),
        (
            "series=device:grid.energy_in&from=22.11.2025&to=2025-11-23&per=day",
            422,
            "from",
        ),
        (
            "series=device:grid.energy_in&from=1825-11-22&to=2025-11-23&per=day",
            422,
            "from",
        ),
        (
            "series=device:grid.energy_in&from=2000-01-01&to=2025-11-23&per=hour",
            422,
            "to",
        ),
        (
            "series=device:grid.soc&from=2025-11-22&to=2025-11-23&per=day",
            422,
            "series",
        ),
        (
            "series=device:grid.energy_in&from=2025-11-22&to=2025-11-23&per=week",
            400,
            "query",
        ),
        (
            "series=device:grid.energy_in&from=2025-11-22&to=2025-11-23",
            400,
            "query",
        ),
    ] {
        let answer = world.get(&format!("/api/v1/sites/home/energy?{query}")).await;
        assert_eq!(answer.status.as_u16(), status, "{query}: {}", answer.text);
        assert_eq!(answer.json()["error"]["where"], place, "{query}");
    }
    assert_eq!(world.open("/api/v1/sites/home/energy").await.status.as_u16(), 401);
}

#[tokio::test]
async fn a_chart_gets_as_many_columns_as_it_draws() {
    let world = World::new().await;
    import(
        &world,
        Quantity::Power,
        (0..1_000).map(|n| (MIDNIGHT + n * 1_000, n % 50)),
    )
    .await;
    let path = |columns: u32| {
        format!(
            "/api/v1/sites/home/history?series=device:grid.power&from_ms={MIDNIGHT}&to_ms={}&columns={columns}",
            MIDNIGHT + 1_000_000
        )
    };
    let answer = world.get(&path(10)).await.json();
    assert_eq!((&answer["columns"], &answer["step_s"]), (&10.into(), &0.into()));
    let rows = answer["series"][0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 10);
    assert_eq!(rows[1], serde_json::json!([MIDNIGHT + 100_000, 0, 0, 49, 49]));
    for columns in [0, 4_001] {
        assert_eq!(
            world.get(&path(columns)).await.json()["error"]["where"],
            "columns"
        );
    }
}

#[tokio::test]
async fn an_export_holds_every_row_of_every_series() {
    let world = World::new().await;
    import(
        &world,
        Quantity::Power,
        (0..20_000).map(|n| (MIDNIGHT + n * 1_000 + 7, -n)),
    )
    .await;
    import(&world, Quantity::EnergyIn, [(MIDNIGHT, 5)].into_iter()).await;
    let path = |step: u32| {
        format!(
            "/api/v1/sites/home/history.csv?series=device:grid.power,device:grid.energy_in&from_ms=0&to_ms={}&step_s={step}",
            i64::MAX
        )
    };
    let answer = world.get(&path(0)).await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/csv; charset=utf-8; header=present")
    );
    let lines: Vec<&str> = answer.text.lines().collect();
    assert_eq!(lines.len(), 20_002);
    assert_eq!(lines[0], "time,subject,quantity,unit,mean,min,max,first,last");
    assert_eq!(
        lines[2],
        "2025-11-21T23:00:01.007Z,device:grid,power,W,-1,-1,-1,-1,-1"
    );
    assert_eq!(
        lines[20_001],
        "2025-11-21T23:00:00.000Z,device:grid,energy_in,Wh,5,5,5,5,5"
    );
    let minutes = world.get(&path(60)).await.text;
    assert_eq!(minutes.lines().count(), 1 + 334 + 1);
    assert_eq!(
        minutes.lines().nth(1),
        Some("2025-11-21T23:00:00.000Z,device:grid,power,W,-29,-59,0,0,-59")
    );
    let nothing = world
        .get("/api/v1/sites/home/history.csv?series=device:pv.power&from_ms=0&to_ms=1")
        .await;
    assert_eq!(nothing.text.lines().count(), 1);
}

#[tokio::test]
async fn retention_is_shown_and_set_by_who_may() {
    let world = World::new().await;
    import(
        &world,
        Quantity::Power,
        [(MIDNIGHT, 1), (MIDNIGHT + 9, 2)].into_iter(),
    )
    .await;
    let storage = world.get("/api/v1/storage").await.json();
    assert_eq!(
        storage["retention"],
        serde_json::json!({"raw_days": 90, "minute_days": 730, "source": "store"})
    );
    assert_eq!(
        (&storage["oldest_ms"], &storage["newest_ms"]),
        (&MIDNIGHT.into(), &(MIDNIGHT + 9).into())
    );
    assert!(storage["history_bytes"].as_u64().unwrap() > 0);
    assert_eq!(storage["series"], 1);
    let put = async |token: &str, body: &str| {
        let headers = [
            ("authorization", bearer(token)),
            ("content-type", "application/json".to_owned()),
        ];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        world
            .ask(request("PUT", "/api/v1/storage/retention", &headers, body))
            .await
    };
    for (token, body, status) in [
        (VIEWER, r#"{"raw_days":5,"minute_days":9}"#, 403),
        (TOKEN, r#"{"raw_days":5,"minute_days":4}"#, 422),
        (TOKEN, r#"{"raw_days":0,"minute_days":4}"#, 422),
        (TOKEN, r#"{"raw_days":5}"#, 422),
        (TOKEN, r#"{"raw_days":5,"minute_days":9}"#, 200),
    ] {
        let answer = put(token, body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text);
    }
    let storage = world.get("/api/v1/storage").await.json();
    assert_eq!(storage["retention"]["raw_days"], 5);
    let in_force = store::retention(&*world.store, None).await.unwrap();
    assert_eq!((in_force.raw_days, in_force.minute_days), (5, 9));
    // Charts of what was thinned show what is left.
    let later = BEGIN.wall + Millis(30 * 24 * HOUR);
    while world.store.thin(in_force, later).await.unwrap() {}
    let path = format!(
        "/api/v1/sites/home/history?series=device:grid.power&from_ms={MIDNIGHT}&to_ms={}&step_s=0",
        MIDNIGHT + HOUR
    );
    let rows = world.get(&path).await.json()["series"][0]["rows"].clone();
    assert_eq!(rows, serde_json::json!([[MIDNIGHT, 2, 1, 2, 2]]));
}

#[tokio::test]
async fn what_the_file_says_cannot_be_set() {
    let mut world = World::new().await;
    let mut settings = (*world.state.settings).clone();
    settings.history = Some(Retention {
        raw_days: 7,
        minute_days: 8,
    });
    world.use_settings(settings);
    let storage = world.get("/api/v1/storage").await.json();
    assert_eq!(
        storage["retention"],
        serde_json::json!({"raw_days": 7, "minute_days": 8, "source": "file"})
    );
    let headers = [
        ("authorization", bearer(TOKEN)),
        ("content-type", "application/json".to_owned()),
    ];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let body = r#"{"raw_days":5,"minute_days":9}"#;
    let answer = world
        .ask(request("PUT", "/api/v1/storage/retention", &headers, body))
        .await;
    assert_eq!(answer.error(), (409, "from_file".into()));
}
