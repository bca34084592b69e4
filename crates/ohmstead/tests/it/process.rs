//! The binary as a process of its own, on free loopback ports and a temporary directory.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Long enough for a busy machine; never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client for the loopback ports of a test. `reqwest` is built without a TLS of its own choice, so one has
/// to be given, also where none is used.
pub fn http() -> reqwest::Client {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .build()
        .expect("a client")
}

pub struct Process {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ohmstead"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        Self { child, stdout }
    }

    /// The next line that contains a text.
    pub async fn line_with(&mut self, text: &str) -> String {
        let wait = async {
            while let Some(line) = self.stdout.next_line().await.expect("standard output is text") {
                if line.contains(text) {
                    return line;
                }
            }
            panic!("the process ended without a line with {text:?}");
        };
        timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("no line with {text:?}"))
    }

    pub fn signal(&self, signal: &str) {
        let id = self.child.id().expect("still running").to_string();
        std::process::Command::new("kill")
            .args([signal, &id])
            .status()
            .expect("kill runs");
    }

    /// SIGTERM, then the exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        self.signal("-TERM");
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("ends in time")
            .expect("can be waited for")
            .code()
    }

    /// SIGKILL: no chance to tidy up.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("can be killed");
    }
}

/// Runs to the end; says whether it succeeded, and everything it printed.
pub async fn run(args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ohmstead"))
        .args(args)
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output)
        .await
        .expect("ends in time")
        .expect("the binary starts");
    let text = [output.stdout, output.stderr]
        .map(|bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    (output.status.success(), text)
}

/// A demo that answers, with what its `demo.json` says.
pub struct Demo {
    pub process: Process,
    pub base: String,
    pub json: Value,
    pub http: reqwest::Client,
}

impl Demo {
    pub async fn start(data: &Path) -> Self {
        let data = data.to_str().expect("a text path");
        let mut process = Process::start(&["demo", "--listen", "127.0.0.1:0", "--data", data]);
        process.line_with("demo.json").await;
        let json = std::fs::read_to_string(format!("{data}/demo.json")).expect("demo.json is there");
        let json: Value = serde_json::from_str(&json).expect("demo.json is JSON");
        let base = json["base_url"].as_str().expect("a base address").to_owned();
        Self {
            process,
            base,
            json,
            http: http(),
        }
    }

    pub fn token(&self) -> &str {
        self.json["native"]["token"].as_str().expect("a token")
    }

    pub async fn get(&self, path: &str) -> Value {
        let reply = self
            .http
            .get(format!("{}{path}", self.base))
            .bearer_auth(self.token())
            .send()
            .await;
        let reply = reply.expect("an answer");
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        reply.json().await.expect("JSON")
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let reply = self
            .http
            .post(format!("{}{path}", self.base))
            .bearer_auth(self.token())
            .json(&body)
            .send()
            .await;
        let reply = reply.expect("an answer");
        (reply.status().as_u16(), reply.json().await.unwrap_or(Value::Null))
    }

    /// Asks again and again until the answer is as wanted.
    pub async fn until(&self, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..240 {
            last = self.get(path).await;
            if holds(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("{what}: still {last:#}");
    }
}
