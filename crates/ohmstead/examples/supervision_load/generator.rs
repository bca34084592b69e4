//! Calls over connections that stay open, as an operator's uploaders keep them.
//!
//! It costs little, because it shares the machine with what it measures: bodies are made ahead and get their time when they
//! are sent, and a connection signs when its clock shows another second, which is as often as what is signed changes.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dialects::supervision::sign;
use jiff::tz::{Offset, TimeZone};
use model::oversight::Digest;
use model::secret::Secret;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::bodies::Body;

const TOKEN: &str = "GET /platform/management/operatorAPIToken";

/// Who calls.
pub struct Caller {
    pub address: SocketAddr,
    pub operator: String,
    pub secret: Secret,
    pub token: Option<String>,
}

impl Caller {
    pub async fn log_in(address: SocketAddr, operator: &str, secret: Secret) -> Self {
        let caller = |token| Self {
            address,
            operator: operator.to_owned(),
            secret: secret.clone(),
            token,
        };
        let mut connection = Connection::open(&Arc::new(caller(None)), TOKEN).await;
        let answer = connection.call(b"").await;
        let said: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        caller(Some(said["data"].as_str().unwrap().to_owned()))
    }

    fn head(&self, at: &str, line: &str) -> Vec<u8> {
        let text = sign::string_to_sign(at, &self.operator, self.token.as_deref());
        let signature = sign::signature(Digest::Sha256, &self.secret, &text);
        let token = self.token.as_ref();
        let token = token.map_or_else(String::new, |token| format!("Token: {token}\r\n"));
        format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nDatetime: {at}\r\nOperatorId: {}\r\n{token}Signature: {signature}\r\n\
             Content-Type: application/json\r\nContent-Length: ",
            self.address, self.operator
        )
        .into_bytes()
    }
}

/// Seconds since 1970.
fn wall() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs().try_into().unwrap()
}

/// What the operator's clock shows.
fn clock(seconds: i64) -> String {
    let zone = TimeZone::fixed(Offset::constant(8));
    let at = jiff::Timestamp::from_second(seconds).unwrap().to_zoned(zone);
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A connection and the signed head of this second.
pub struct Connection {
    caller: Arc<Caller>,
    line: String,
    stream: TcpStream,
    second: i64,
    head: Vec<u8>,
    out: Vec<u8>,
    heard: Vec<u8>,
}

impl Connection {
    /// For calls like `POST /platform/management/cell`.
    pub async fn open(caller: &Arc<Caller>, line: &str) -> Self {
        let stream = TcpStream::connect(caller.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            caller: Arc::clone(caller),
            line: line.to_owned(),
            stream,
            second: 0,
            head: Vec::new(),
            out: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// Sends a body and gives back the whole answer, head and all.
    pub async fn call(&mut self, body: &[u8]) -> &str {
        let second = wall();
        if second != self.second {
            self.head = self.caller.head(&clock(second), &self.line);
            self.second = second;
        }
        self.out.clear();
        self.out.extend_from_slice(&self.head);
        write!(self.out, "{}\r\n\r\n", body.len()).unwrap();
        self.out.extend_from_slice(body);
        self.stream.write_all(&self.out).await.unwrap();
        self.heard.clear();
        loop {
            let read = self.stream.read_buf(&mut self.heard).await.unwrap();
            assert!(
                read > 0,
                "the server closed a connection after {:?}",
                String::from_utf8_lossy(&self.heard)
            );
            if is_whole(&self.heard) {
                return std::str::from_utf8(&self.heard).unwrap();
            }
        }
    }
}

fn is_whole(heard: &[u8]) -> bool {
    let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = std::str::from_utf8(&heard[..end]).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().unwrap())
    });
    heard.len() >= end + 4 + length.expect("an answer with a length")
}

fn is_done(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200")
        && answer.contains("\"status\":200")
        && !answer.contains("\"rejected\"")
}

/// How calls went.
#[derive(Default)]
pub struct Outcome {
    pub calls: usize,
    pub took: Duration,
    /// From when a call was due until it was answered, in microseconds.
    waits: Vec<u32>,
}

impl Outcome {
    pub fn per_s(&self) -> f64 {
        self.calls as f64 / self.took.as_secs_f64()
    }

    /// Of a hundred calls so many were answered within so many milliseconds.
    pub fn within_ms(&mut self, of_hundred: usize) -> f64 {
        self.waits.sort_unstable();
        f64::from(self.waits[(self.waits.len() * of_hundred / 100).min(self.waits.len() - 1)]) / 1_000.0
    }
}

/// Calls of every caller with what `body` gives for each number, each caller over so many connections; says how long they
/// took.
pub async fn all<F>(
    callers: &[Arc<Caller>],
    line: &str,
    connections: usize,
    count: usize,
    body: F,
) -> Duration
where
    F: Fn(&str, usize) -> String + Copy + Send + 'static,
{
    let begun = Instant::now();
    let mut tasks = Vec::new();
    let each = callers
        .iter()
        .flat_map(|caller| (0..connections).map(move |first| (caller, first)));
    for (caller, first) in each {
        let (caller, line) = (Arc::clone(caller), line.to_owned());
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(&caller, &line).await;
            for number in (first..count).step_by(connections) {
                let answer = connection.call(body(&caller.operator, number).as_bytes()).await;
                assert!(is_done(answer), "{line}: {answer}");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    begun.elapsed()
}

/// What is said over one connection.
pub struct Reporter {
    pub caller: Arc<Caller>,
    pub bodies: Vec<Body>,
}

/// Reports for a while, as fast as answers come or so many calls per second.
pub async fn report(
    line: &str,
    reporters: &mut Vec<Reporter>,
    lasts: Duration,
    per_s: Option<f64>,
) -> Outcome {
    let connections = reporters.len();
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for (index, reporter) in reporters.drain(..).enumerate() {
        let pace = per_s.map(|per_s| Pace {
            first: begun + Duration::from_secs_f64(index as f64 / per_s),
            each: Duration::from_secs_f64(connections as f64 / per_s),
        });
        let connection = Connection::open(&reporter.caller, line).await;
        tasks.push(tokio::spawn(reporter.run(connection, begun + lasts, pace)));
    }
    let mut outcome = Outcome::default();
    for task in tasks {
        let (reporter, mut waits) = task.await.unwrap();
        reporters.push(reporter);
        outcome.waits.append(&mut waits);
    }
    outcome.calls = outcome.waits.len();
    outcome.took = begun.elapsed();
    outcome
}

/// Every body once.
pub async fn once(line: &str, reporters: Vec<Reporter>) {
    let time = clock(wall());
    let mut tasks = Vec::new();
    for mut reporter in reporters {
        let mut connection = Connection::open(&reporter.caller, line).await;
        let time = time.clone();
        tasks.push(tokio::spawn(async move {
            for body in &mut reporter.bodies {
                body.set(&time);
                let answer = connection.call(&body.bytes).await;
                assert!(is_done(answer), "{answer}");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// How many milliseconds one call takes over a connection that stands.
pub async fn ask(caller: &Arc<Caller>, line: &str) -> f64 {
    let mut connection = Connection::open(caller, line).await;
    let begun = Instant::now();
    let answer = connection.call(b"").await;
    assert!(is_done(answer), "{answer}");
    begun.elapsed().as_secs_f64() * 1_000.0
}

/// When calls are due.
struct Pace {
    first: Instant,
    each: Duration,
}

impl Reporter {
    async fn run(
        mut self,
        mut connection: Connection,
        until: Instant,
        pace: Option<Pace>,
    ) -> (Self, Vec<u32>) {
        let mut waits = Vec::new();
        let mut shown = 0;
        'all: loop {
            // No port is reported twice with one time.
            shown = wall().max(shown + 1);
            let time = clock(shown);
            for body in &mut self.bodies {
                let due = match &pace {
                    Some(pace) => {
                        let due = pace.first + pace.each * u32::try_from(waits.len()).unwrap();
                        tokio::time::sleep_until(due).await;
                        due
                    }
                    None => Instant::now(),
                };
                if due >= until {
                    break 'all;
                }
                body.set(&time);
                let answer = connection.call(&body.bytes).await;
                assert!(is_done(answer), "{answer}");
                waits.push(u32::try_from(due.elapsed().as_micros()).unwrap());
            }
        }
        (self, waits)
    }
}
