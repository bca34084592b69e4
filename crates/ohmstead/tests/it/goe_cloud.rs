//! A hub that reaches a charger through another hub's cloud API over TLS, with certificates of an authority of its own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use links::authority::Authority;
use serde_json::{Value, json};

use super::process::{Demo, Process, http};

/// The binary with a config file, and somebody who has signed in.
struct Hub {
    process: Process,
    base: String,
    cookie: String,
    http: reqwest::Client,
}

impl Hub {
    async fn start(dir: &Path, config: &str) -> Self {
        let file = dir.join("site.toml");
        std::fs::write(&file, config).unwrap();
        let data = dir.join("hub");
        let args = [
            "serve",
            "--config",
            file.to_str().unwrap(),
            "--data",
            data.to_str().unwrap(),
        ];
        let mut process = Process::start(&args);
        let line = process.line_with("listens on").await;
        let base = line.rsplit(' ').next().unwrap().to_owned();
        let line = process.line_with("#setup=").await;
        let ticket = line.split("#setup=").nth(1).unwrap();
        let http = http();
        let done = http
            .post(format!("{base}/api/v1/setup"))
            .json(&json!({"ticket": ticket, "password": "correct horse battery staple"}))
            .send()
            .await
            .unwrap();
        assert_eq!(done.status(), 204);
        let cookie = done.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self {
            process,
            base,
            cookie,
            http,
        }
    }

    /// What a device says of its link, once it has found out.
    async fn link(&self, id: &str) -> Value {
        for _ in 0..240 {
            let site = self
                .http
                .get(format!("{}/api/v1/sites/home", self.base))
                .header("cookie", &self.cookie);
            let site: Value = site.send().await.unwrap().json().await.unwrap();
            let devices = site["devices"].as_array().unwrap();
            let device = devices.iter().find(|device| device["id"] == id).unwrap();
            if device["link"]["state"] != "connecting" {
                return device["link"].clone();
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("{id} is neither online nor offline");
    }

    async fn ask(&self, intent: Value) {
        let asked = self
            .http
            .post(format!("{}/api/v1/sites/home/intents", self.base))
            .header("cookie", &self.cookie)
            .json(&intent);
        let answer = asked.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

/// Clients ask the real clock whether a certificate is valid.
#[allow(clippy::disallowed_methods)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// The certificate of an authority that has signed nothing here.
fn stranger(dir: &Path) -> PathBuf {
    let dir = dir.join("stranger");
    std::fs::create_dir(&dir).unwrap();
    let authority = Authority::open_or_make(&dir, &[], now()).unwrap();
    authority.certificate_file().to_owned()
}

#[tokio::test]
async fn a_charger_is_reached_through_the_cloud_api_of_another_hub_whose_authority_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(&dir.path().join("demo")).await;
    let url = demo.json["tls"]["url"].as_str().unwrap();
    let port = url.rsplit(':').next().unwrap();
    let ours = demo.json["tls"]["ca_file"].as_str().unwrap();
    let strange = stranger(dir.path());
    let charger = &demo.json["goe"]["chargers"][0];
    let (good, bad) = (dir.path().join("token"), dir.path().join("wrong-token"));
    std::fs::write(&good, charger["token"].as_str().unwrap()).unwrap();
    std::fs::write(&bad, "somebody-elses").unwrap();

    let mut config = String::from(
        "listen = \"127.0.0.1:0\"\n[[site]]\nid = \"home\"\ntime_zone = \"UTC\"\n\
         [[site.circuit]]\nid = \"house\"\nlimit_a = 63\n",
    );
    for (id, token, authority) in [
        ("known", &good, Some(Path::new(ours))),
        ("strange", &good, Some(strange.as_path())),
        ("public", &good, None),
        ("locked", &bad, Some(Path::new(ours))),
    ] {
        writeln!(
            config,
            "[[site.device]]\nid = \"{id}\"\nkind = \"charging_station\"\ndriver = \"goe\"\n\
             url = \"https://localhost:{port}\"\ntoken_file = \"{}\"",
            token.display()
        )
        .unwrap();
        if let Some(authority) = authority {
            writeln!(config, "ca_file = \"{}\"", authority.display()).unwrap();
        }
    }
    let hub = Hub::start(dir.path(), &config).await;

    let link = hub.link("known").await;
    assert_eq!(link["state"], "online", "{link:#}");
    for (id, expected) in [
        ("strange", &["certificate", "ca_file"][..]),
        ("public", &["certificate", "UnknownIssuer", "ca_file"]),
        ("locked", &["401", "token_file"]),
    ] {
        let link = hub.link(id).await;
        let problem = link["problem"].as_str().unwrap_or_default();
        assert!(
            expected.iter().all(|word| problem.contains(word)),
            "{id}: {link:#}"
        );
    }

    hub.ask(json!({"kind": "mode", "evse": "known", "mode": "off"}))
        .await;
    let token = charger["token"].as_str().unwrap();
    let is_off = async || {
        let asked = demo
            .http
            .get(format!("{}/api/status?filter=frc", demo.base))
            .bearer_auth(token);
        let status: Value = asked.send().await.unwrap().json().await.unwrap();
        status["frc"] == 1
    };
    let mut tries = 0;
    while !is_off().await {
        assert!(
            tries < 240,
            "what is asked of the one hub never reaches the other"
        );
        tries += 1;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(hub.process.terminate().await, Some(0));
    assert_eq!(demo.process.terminate().await, Some(0));
}
