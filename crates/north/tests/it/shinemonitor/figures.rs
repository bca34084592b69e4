//! Energies, alarms and the latest data.

use super::*;

#[tokio::test]
async fn energies_and_curves_come_out_of_the_history() {
    let world = house().await;
    let quarters = |n: i64| Timestamp(MIDNIGHT + n * 900_000);
    let import = async |quantity, value: fn(i64) -> i64| {
        let series = Series {
            subject: "device:pv".to_owned(),
            quantity,
        };
        let rows: Vec<_> = (0..=48 * 4).map(|n| (quarters(n), value(n))).collect();
        world.store.import(&series, &rows).await.unwrap();
    };
    // 100 Wh an hour by the counter.
    import(Quantity::EnergyOut, |n| 1_000 + n * 25).await;
    import(Quantity::Power, |_| -100).await;
    for (tail, pointer, expected) in [
        (
            "&action=queryPlantEnergyDay&plantid=1&date=2025-11-22",
            "/dat/energy",
            json!("2.4000"),
        ),
        (
            "&action=queryPlantEnergyDay&plantid=1&date=2025-11-20",
            "/err",
            json!(12),
        ),
        (
            "&action=queryPlantEnergyDay&plantid=1&date=2025-11-29",
            "/err",
            json!(12),
        ),
        (
            "&action=queryPlantEnergyMonth&plantid=1&date=2025-11",
            "/dat/energy",
            json!("4.8000"),
        ),
        (
            "&action=queryPlantEnergyMonthPerDay&plantid=1&date=2025-11",
            "/dat/perday/21/val",
            json!("2.4000"),
        ),
        (
            "&action=queryPlantEnergyMonthPerDay&plantid=1&date=2025-11",
            "/dat/perday/20/val",
            json!("0.0000"),
        ),
        (
            "&action=queryPlantEnergyTotalPerYear&plantid=1",
            "/dat/peryear",
            json!([{"val": "2.4000", "ts": "2025-01-01 00:00:00"}]),
        ),
        (
            "&action=queryPlantActiveOuputPowerOneDay&plantid=1&date=2025-11-22",
            "/dat/outputPower/3/val",
            json!("0.1000"),
        ),
    ] {
        let answer = ask(&world, tail).await;
        assert_eq!(answer.pointer(pointer), Some(&expected), "{tail}: {answer}");
    }
    let day = format!("&action=queryDeviceDataOneDay&date=2025-11-22{PV}");
    let day = ask(&world, &day).await;
    assert_eq!(day["dat"]["row"].as_array().unwrap().len(), 96, "{day}");
    let later = format!("&action=queryDeviceDataOneDay&date=2025-12-22{PV}");
    assert_eq!(err(&ask(&world, &later).await), 12);
}

#[tokio::test]
async fn alarms_are_warnings() {
    let world = house().await;
    let alarm = Alarm {
        site: site_id("home"),
        device: Some(device_id("pv")),
        code: AlarmCode::DeviceOffline,
        severity: Severity::Error,
        text: "connection refused".to_owned(),
        raised: BEGIN.wall,
        cleared: None,
        acknowledged: None,
    };
    world.store.put_alarm(&alarm).await.unwrap();
    let warnings = ask(
        &world,
        "&action=queryPlantWarning&plantid=1&i18n=en_US&pagesize=10",
    )
    .await;
    assert_eq!(warnings["dat"]["total"], 1, "{warnings}");
    let warning = &warnings["dat"]["warning"][0];
    assert_eq!(
        (
            &warning["sn"],
            &warning["level"],
            &warning["handle"],
            &warning["gts"]
        ),
        (
            &json!("9900000000002"),
            &json!(3),
            &json!(false),
            &json!("2025-11-22 01:00:00")
        )
    );
}

#[tokio::test]
async fn the_latest_data_are_answered_at_once_as_the_router_answers_them() {
    let world = house().await;
    account(&world, "yard", "yard", [(site_id("yard"), Role::Viewer)]).await;
    let stranger = sign_in(&world, "yard", "yard").await;
    // The port asks in front of the router that `world.app` is.
    let front = Front::new(world.state.clone());
    let tail = format!("&action=queryDeviceLastData&i18n=en_US{PV}");
    let path = signed(&printed(), &tail);
    let gzip = [("accept-encoding", "gzip")];
    let bare = |path: &str| request("GET", path, &[], "");
    assert!(front.at_once(&bare(&path)).is_none(), "nobody has asked before");
    let first = world.open(&path).await;
    for (path, headers) in [
        (path.clone(), &[][..]),
        (format!("{path}&callback=f"), &[][..]),
        (path.replace("/public/", "/public"), &gzip[..]),
    ] {
        let ask = || request("GET", &path, headers, "");
        let at_once = front.at_once(&ask()).unwrap();
        let (head, body) = at_once.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let routed = world.app.clone().oneshot(ask()).await.unwrap();
        let (expected, routed) = routed.into_parts();
        assert_eq!(head.headers, expected.headers, "{path}");
        assert_eq!(body, routed.collect().await.unwrap().to_bytes(), "{path}");
    }
    assert_eq!(world.open(&path).await.text, first.text);
    for (method, path) in [
        ("GET", signed(&stranger, &tail)),
        ("GET", path.replace(SALT, "1491967717698")),
        ("GET", path.replace(TOKEN, SECRET)),
        ("GET", signed(&printed(), &tail.replace("en_US", "de"))),
        ("HEAD", path.clone()),
        ("POST", path.clone()),
        ("GET", signed(&printed(), "&action=queryPlants")),
        ("GET", "/public/".to_owned()),
    ] {
        let asked = request(method, &path, &[], "");
        assert!(front.at_once(&asked).is_none(), "{method} {path}");
    }
    world.change("home", |_| {}).await;
    assert!(front.at_once(&bare(&path)).is_none(), "there is a newer view");
    world.open(&path).await;
    assert!(front.at_once(&bare(&path)).is_some());
    world.step(5_001);
    assert!(front.at_once(&bare(&path)).is_none(), "too old");
}
