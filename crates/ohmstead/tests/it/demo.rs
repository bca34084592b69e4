//! The demo as its users meet it: over the wire, stopped, killed and started again.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::process::Demo;

fn device<'v>(site: &'v Value, id: &str) -> &'v Value {
    site["devices"]
        .as_array()
        .unwrap()
        .iter()
        .find(|d| d["id"] == id)
        .unwrap()
}

fn evse<'v>(site: &'v Value, id: &str) -> &'v Value {
    site["evses"]
        .as_array()
        .unwrap()
        .iter()
        .find(|d| d["id"] == id)
        .unwrap()
}

/// Every device answers over its own protocol.
async fn all_online(demo: &Demo) -> Value {
    demo.until("/api/v1/sites/home", "every device is online", |site| {
        let devices = site["devices"].as_array().unwrap();
        devices.len() == 5
            && devices
                .iter()
                .all(|d| d["link"]["state"] == "online" && d["is_fresh"] == true)
    })
    .await
}

#[tokio::test]
async fn every_door_shows_the_same_site_and_a_wish_reads_back_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    all_online(&demo).await;

    let (status, receipt) = demo
        .post(
            "/api/v1/sites/home/intents",
            json!({"kind": "current", "evse": "left", "current_ma": 9000}),
        )
        .await;
    assert_eq!((status, &receipt["wish"]["current_ma"]), (202, &json!(9000)));
    let site = demo.get("/api/v1/sites/home").await;
    assert_eq!(evse(&site, "left")["wish"]["current_ma"], 9000);
    let goe = demo
        .get("/api/status?token=myapitoken&filter=amp,sse,eto,car")
        .await;
    assert_eq!((&goe["amp"], &goe["sse"]), (&json!(9), &json!("000001")));

    let written = demo
        .http
        .get(format!("{}/api/set?token=myapitoken&amp=11", demo.base))
        .send()
        .await
        .unwrap();
    assert_eq!(written.status(), 202);
    let body: Value = written.json().await.unwrap();
    assert_eq!(
        body,
        json!({"amp": true, "succeeded": [{"amp": 11}], "failed": []})
    );
    let site = demo.get("/api/v1/sites/home").await;
    assert_eq!(evse(&site, "left")["wish"]["current_ma"], 11_000);

    let cfos = demo.get("/cnf?cmd=get_dev_info").await;
    assert_eq!(
        cfos["devices"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|d| d["is_evse"] == true)
            .count(),
        2
    );
    assert_eq!(cfos["params"]["max_total_current"], 35_000);

    // The broken chargers of the yard answer as the cloud would.
    for (serial, path, expected) in [
        ("000003", "age=99999999", 403),
        ("000004", "", 403),
        ("000005", "", 404),
        ("000005", "age=86400", 200),
    ] {
        let chargers = demo.json["goe"]["chargers"].as_array().unwrap();
        let token = chargers.iter().find(|c| c["serial"] == serial).unwrap()["token"]
            .as_str()
            .unwrap();
        let reply = demo
            .http
            .get(format!("{}/api/status?token={token}&{path}", demo.base))
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), expected, "{serial} {path}");
    }
    assert_eq!(demo.process.terminate().await, Some(0));
}

#[tokio::test]
async fn both_signatures_that_the_vendor_prints_succeed_as_live_calls() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    all_online(&demo).await;
    for _ in 0..2 {
        let login = demo
            .get(
                "/public/?sign=675bd5418fce7be5e30b920a16a46ce075c90a35&salt=1491967716993\
                 &action=auth&usr=vplant&company-key=0123456789ABCDEF",
            )
            .await;
        assert_eq!(login["desc"], "ERR_NONE", "{login}");
        assert_eq!(
            (&login["dat"]["uid"], &login["dat"]["role"]),
            (&json!(1), &json!(0))
        );
        let call = demo
            .get(
                "/public/?sign=f0c57c88bdd73a1867355068e9e3c49d735ae668&salt=1491967717697\
                 &token=88d22d819e31897eea2d9d5b9f7792cf4065ac5372aad3672f5e4e147cd25b5f\
                 &action=queryCollectorInfo&pn=G0916522248153",
            )
            .await;
        assert_eq!(
            call["dat"]["collector"][0]["pn"], demo.json["shinemonitor"]["pn"],
            "{call}"
        );
    }
    assert_eq!(demo.process.terminate().await, Some(0));
}

#[tokio::test]
async fn a_client_with_a_fixed_host_finds_its_charger_over_tls_however_it_writes() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    all_online(&demo).await;
    let url = demo.json["tls"]["url"].as_str().unwrap();
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(demo.json["ports"][1], port);
    let ca = std::fs::read(demo.json["tls"]["ca_file"].as_str().unwrap()).unwrap();
    let host = "000001.api.v3.go-e.io";
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
        .resolve(host, ([127, 0, 0, 1], port).into())
        .build()
        .unwrap();
    let reply = client
        .get(format!("https://{host}:{port}/api/status?filter=sse"))
        .bearer_auth("myapitoken")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.json::<Value>().await.unwrap(), json!({"sse": "000001"}));

    // The vendor's own example of a set, byte for byte, as no client library would send it.
    let plain: SocketAddr = demo.base.strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = tokio::net::TcpStream::connect(plain).await.unwrap();
    let request = format!(
        "GET /api/set?token=myapitoken&=3&fna=\"my go-eCharger\" HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
    assert!(
        answer.ends_with(r#"{"fna":true,"succeeded":[{"fna":"my go-eCharger"}],"failed":[{"":3}]}"#),
        "{answer}"
    );
    assert_eq!(demo.process.terminate().await, Some(0));
}

#[tokio::test]
async fn a_mode_changes_the_real_charger_over_its_own_protocol() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    all_online(&demo).await;
    // Off is what every car can do at every time of day; the virtual charger's own key shows it.
    demo.post(
        "/api/v1/sites/home/intents",
        json!({"kind": "mode", "evse": "left", "mode": "off"}),
    )
    .await;
    let site = demo
        .until("/api/v1/sites/home", "the charger is off", |site| {
            evse(site, "left")["power_w"] == 0 && evse(site, "left")["setpoint_ma"] == 0
        })
        .await;
    assert_eq!(evse(&site, "left")["wish"]["mode"], "off");
    demo.post(
        "/api/v1/sites/home/intents",
        json!({"kind": "mode", "evse": "left", "mode": "fast"}),
    )
    .await;
    let site = demo
        .until(
            "/api/v1/sites/home",
            "the charger may charge, or no car is there",
            |site| {
                let left = evse(site, "left");
                left["setpoint_ma"].as_i64().unwrap() >= 6_000 || left["is_plugged"] == false
            },
        )
        .await;
    assert_ne!(evse(&site, "left")["reason"]["code"], "switched_off");
    assert_eq!(demo.process.terminate().await, Some(0));
}

#[tokio::test]
async fn a_killed_demo_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    all_online(&demo).await;
    let token = demo.token().to_owned();
    let (status, _) = demo
        .post(
            "/api/v1/sites/home/intents",
            json!({"kind": "mode", "evse": "right", "mode": "min_solar"}),
        )
        .await;
    assert_eq!(status, 202);
    let before = demo.get("/api/v1/sites/home").await;
    demo.process.kill().await;

    let demo = Demo::start(dir.path()).await;
    assert_eq!(demo.token(), token, "tokens stay valid");
    let after = all_online(&demo).await;
    assert_eq!(
        evse(&after, "right")["wish"]["mode"],
        "min_solar",
        "an acknowledged wish survives"
    );
    assert!(after["epoch"].as_u64() > before["epoch"].as_u64());
    for id in ["grid", "pv", "battery", "wallbox-left", "wallbox-right"] {
        for counter in ["energy_in_wh", "energy_out_wh"] {
            let value = |site: &Value| device(site, id)["measured"][counter].as_i64();
            assert!(
                value(&after) >= value(&before),
                "{id} {counter}: {:?} after {:?}",
                value(&after),
                value(&before)
            );
        }
    }
    assert_eq!(demo.process.terminate().await, Some(0));
}

#[tokio::test]
async fn the_cars_tell_how_full_they_are_also_after_a_restart_on_another_port() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let demo = Demo::start(dir.path()).await;
        let list = demo
            .until("/api/v1/vehicles", "both cars have told", |list| {
                let items = list["items"].as_array().unwrap();
                items.len() == 2 && items.iter().all(|car| car["soc"]["soc_permille"].is_i64())
            })
            .await;
        let car = &list["items"][0];
        assert_eq!((&car["id"], &car["home"]), (&json!("blue-car"), &json!("left")));
        let address = car["soc_source"]["url"].as_str().unwrap();
        let told: Value = demo.http.get(address).send().await.unwrap().json().await.unwrap();
        assert!(told["battery"]["soc"].is_number(), "{told}");
        assert_eq!(demo.process.terminate().await, Some(0));
    }
}
