//! `serve` with records and readings in PostgreSQL, from the first start to one after a crash.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::process::{self, Process, run};
use super::serve::{config, devices};

const PASSWORD: &str = "correct horse battery staple";

/// A server and who is signed in to it.
struct House {
    process: Process,
    base: String,
    cookie: String,
    http: reqwest::Client,
}

impl House {
    /// Starts the program, and sets it up if nobody has yet.
    async fn start(args: &[&str], is_first: bool) -> Self {
        let mut process = Process::start(args);
        let line = process.line_with("listens on").await;
        let base = line.rsplit(' ').next().unwrap().to_owned();
        let http = process::http();
        let (path, body) = if is_first {
            let link = process.line_with("#setup=").await;
            let ticket = link.split("#setup=").nth(1).unwrap();
            ("setup", json!({"ticket": ticket, "password": PASSWORD}))
        } else {
            ("session", json!({"user": "admin", "password": PASSWORD}))
        };
        let url = format!("{base}/api/v1/{path}");
        let signed_in = http.post(url).json(&body).send().await.unwrap();
        assert_eq!(signed_in.status(), StatusCode::NO_CONTENT, "{path}");
        let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self {
            process,
            base,
            cookie,
            http,
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.base);
        let request = self.http.request(method, url).header("cookie", &self.cookie);
        let request = request.header("origin", &self.base).json(&body);
        let reply = request.send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body:#}");
        body
    }

    /// Raw readings of the grid meter up to a time.
    async fn readings(&self, to_ms: u64) -> Vec<Value> {
        let path = format!("/sites/home/history?series=device:grid.power&from_ms=0&to_ms={to_ms}&step_s=0");
        let answer = self.get(&path).await;
        answer["series"][0]["rows"].as_array().unwrap().clone()
    }
}

#[allow(clippy::disallowed_methods, reason = "the server's clock is the system's")]
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn everything_is_there_again_after_a_crash_and_nobody_else_writes() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let (sim, addresses) = devices(dir.path()).await;
    let file = dir.path().join("site.toml");
    let store = format!("store = \"{}\"\n", cluster.url());
    std::fs::write(&file, store + &config(&addresses)).unwrap();
    let (data, other) = (dir.path().join("data"), dir.path().join("other"));
    let args = ["serve", "--config", text(&file), "--data", text(&data)];
    let house = House::start(&args, true).await;

    let zoe = json!({"id": "zoe", "name": "Zoë", "role": "user"});
    let (status, made) = house.ask(Method::POST, "/users", zoe).await;
    assert_eq!(status, 201, "{made:#}");
    let mut found = Vec::new();
    for _ in 0..240 {
        found = house.readings(now_ms()).await;
        if found.len() >= 20 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert!(found.len() >= 20, "{found:?}");
    let heard_at = now_ms();

    // Another process with the same database, and the commands that would need it for themselves.
    let serve = ["serve", "--config", text(&file), "--data", text(&other)];
    let (ok, said) = run(&serve).await;
    assert!(!ok && said.contains("database postgres on 127.0.0.1:"), "{said}");
    let in_use = "is in use by another process; stop it or choose another with `store`";
    assert!(said.contains(in_use), "{said}");
    let list = ["user", "list", "--config", text(&file), "--data", text(&data)];
    let (ok, said) = run(&list).await;
    assert!(
        !ok && said.contains("while the program runs, stop it first"),
        "{said}"
    );
    let doctor = ["doctor", "--config", text(&file), "--data", text(&data)];
    let (_, said) = run(&doctor).await;
    assert!(said.contains("good   database postgres on 127.0.0.1:"), "{said}");
    assert!(said.contains("another process has the database open"), "{said}");
    assert!(!data.join("records.db").exists() && data.join("key").exists());

    // At most the last 5 s may be lost.
    while now_ms() < heard_at + 5_500 {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    house.process.kill().await;

    let (ok, said) = run(&list).await;
    assert!(ok && said.contains("zoe  user  no-password"), "{said}");
    let (ok, said) = run(&["user", "list", "--data", text(&data)]).await;
    assert!(!ok && said.contains("say in which with --config"), "{said}");
    assert!(!data.join("records.db").exists());

    let house = House::start(&args, false).await;
    assert_eq!(house.get("/users/zoe").await["name"], "Zoë");
    let last = found.last().unwrap()[0].as_u64().unwrap();
    assert_eq!(house.readings(last + 1).await, found);
    let storage = house.get("/storage").await;
    assert!(storage["history_bytes"].as_u64().unwrap() > 0, "{storage:#}");
    let (status, refused) = house.ask(Method::POST, "/backup", Value::Null).await;
    assert_eq!(status, 409, "{refused:#}");
    assert!(refused.to_string().contains("pg_dump"), "{refused:#}");
    assert_eq!(house.process.terminate().await, Some(0));
    assert_eq!(sim.terminate().await, Some(0));
}
