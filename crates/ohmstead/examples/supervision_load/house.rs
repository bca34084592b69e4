//! The program that is measured, and what an administrator does in its page.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use model::secret::Secret;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::generator::Caller;

const PASSWORD: &str = "correct horse battery staple";
const SITE: &str = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n";

/// A server that somebody is signed in to. It ends with this.
pub struct House {
    child: Child,
    base: String,
    cookie: String,
    http: reqwest::Client,
    _home: TempDir,
}

impl House {
    pub async fn start(binary: &str, cluster: Option<&Cluster>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = cluster.map_or_else(String::new, |cluster| format!("store = \"{}\"\n", cluster.url()));
        let file = home.path().join("ohmstead.toml");
        let data = home.path().join("data");
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndata = {data:?}\n{store}[supervision]\nenabled = true\n{SITE}"
        );
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let base = lines.find(|line| line.contains("listens on")).unwrap();
        let base = base.rsplit(' ').next().unwrap().to_owned();
        let link = lines.find(|line| line.contains("#setup=")).unwrap();
        let ticket = link.split("#setup=").nth(1).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = json!({"ticket": ticket, "password": PASSWORD});
        let done = http
            .post(format!("{base}/api/v1/setup"))
            .json(&body)
            .send()
            .await
            .unwrap();
        let cookie = done.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self {
            child,
            base,
            cookie,
            http,
            _home: home,
        }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.http.request(method, format!("{}/api/v1{path}", self.base));
        let request = request
            .header("cookie", &self.cookie)
            .header("origin", &self.base);
        let reply = request.json(&body).send().await.unwrap();
        assert!(
            reply.status().is_success(),
            "{path}: {}",
            reply.text().await.unwrap()
        );
        reply.json().await.unwrap_or(Value::Null)
    }

    /// Operators, signed in.
    pub async fn callers(&self, codes: &[&str]) -> Vec<Arc<Caller>> {
        let address: SocketAddr = self.base.trim_start_matches("http://").parse().unwrap();
        let mut callers = Vec::new();
        for code in codes {
            let made = self
                .call(
                    Method::POST,
                    "/oversight/operators",
                    json!({"id": code, "name": code}),
                )
                .await;
            let secret = Secret::new(made["secret"].as_str().unwrap());
            callers.push(Arc::new(Caller::log_in(address, code, secret).await));
        }
        callers
    }

    /// How many milliseconds pages of the authority's own list of the ports of an operator take, from the first to the
    /// last.
    pub async fn pages(&self, operator: &str, ports: usize) -> Vec<f64> {
        let mut waits = Vec::new();
        for index in [1, 2, ports / 400, ports / 200, ports / 100] {
            let path = format!("/oversight/operators/{operator}/ports?page={index}&size=100");
            let begun = Instant::now();
            self.call(Method::GET, &path, Value::Null).await;
            waits.push(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        waits
    }

    pub fn rss_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0
    }

    /// Seconds of processor that the program has used.
    pub fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = [11, 12].iter().map(|at| fields[*at].parse::<f64>().unwrap());
        ticks.sum::<f64>() / 100.0
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
