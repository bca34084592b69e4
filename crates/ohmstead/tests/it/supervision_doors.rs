//! The door of operators over the wire, with what clients get wrong and what nobody should send.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use dialects::supervision::sign::{signature, string_to_sign};
use jiff::tz::TimeZone;
use model::oversight::Digest;
use model::secret::Secret;
use serde_json::{Value, json};

use super::process::Demo;
use super::wire::{Answer, IP, talk};

const SAMPLES: &str = "/platform/report/chargingMetaInfoList";
const ONE: &str = "/platform/report/chargingMetaInfo";

/// An operator of the demo, and where it calls.
struct Door {
    address: SocketAddr,
    operator: String,
    key: String,
    token: String,
}

#[allow(clippy::disallowed_methods, reason = "the server's clock is the system's")]
fn now(seconds: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

async fn send(address: SocketAddr, bytes: Vec<u8>) -> Answer {
    let heard = tokio::task::spawn_blocking(move || talk(TcpStream::connect(address).unwrap(), &bytes));
    Answer::of(&heard.await.unwrap())
}

impl Door {
    async fn of(demo: &Demo) -> Self {
        let text = |name: &str| demo.json["supervision"][name].as_str().unwrap().to_owned();
        let mut door = Self {
            address: demo.base.strip_prefix("http://").unwrap().parse().unwrap(),
            operator: text("operator_id"),
            key: text("secret_key"),
            token: String::new(),
        };
        let mut lines = door.lines(&now(0), None);
        lines.retain(|(name, _)| *name != "Token");
        let answer = door
            .ask("GET", "/platform/management/operatorAPIToken", &lines, b"")
            .await;
        let json = answer.json();
        assert_eq!(json["status"], 200, "{json}");
        door.token = json["data"].as_str().unwrap().to_owned();
        door
    }

    fn lines(&self, datetime: &str, token: Option<&str>) -> Vec<(&'static str, Vec<u8>)> {
        let text = string_to_sign(datetime, &self.operator, token);
        let sign = signature(Digest::Sha256, &Secret::new(&*self.key), &text);
        let token = token.unwrap_or_default();
        [
            ("Datetime", datetime),
            ("OperatorId", &self.operator),
            ("Token", token),
            ("Signature", &sign),
        ]
        .map(|(name, value)| (name, value.as_bytes().to_vec()))
        .into()
    }

    fn signed(&self) -> Vec<(&'static str, Vec<u8>)> {
        self.lines(&now(0), Some(&self.token))
    }

    fn head(method: &str, path: &str, lines: &[(&str, Vec<u8>)], length: usize) -> Vec<u8> {
        let mut bytes = format!(
            "{method} {path} HTTP/1.1\r\nHost: {IP}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n"
        )
        .into_bytes();
        for (name, value) in lines {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    async fn ask(&self, method: &str, path: &str, lines: &[(&str, Vec<u8>)], body: &[u8]) -> Answer {
        let mut bytes = Self::head(method, path, lines, body.len());
        bytes.extend_from_slice(body);
        send(self.address, bytes).await
    }

    async fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.ask("POST", path, &self.signed(), body).await
    }

    fn sample(&self, seconds: i64) -> Value {
        json!({
            "cellId": "37-1", "equipmentId": "37", "operatorId": self.operator, "updateDatetime": now(seconds),
            "cellStatus": 1,
        })
    }
}

/// Status of HTTP and of the envelope, which is one whatever was sent.
fn statuses(answer: &Answer) -> (u16, i64) {
    let json = answer.json();
    assert!(json["message"].is_string() && json["data"].is_string(), "{json}");
    (answer.status, json["status"].as_i64().unwrap())
}

#[tokio::test]
async fn bodies_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    let door = Door::of(&demo).await;
    let good = door.sample(-1).to_string();
    assert_eq!(statuses(&door.post(ONE, good.as_bytes()).await), (200, 200));

    let deep = "[".repeat(100_000);
    let wide = format!("[{}]", vec![good.as_str(); 13].join(","));
    for (what, body, expected) in [
        ("nothing", &b""[..], 400),
        ("no JSON", b"cellId=95", 400),
        ("half of it", &good.as_bytes()[..good.len() / 2], 400),
        ("something behind it", &[good.as_bytes(), b"x"].concat(), 400),
        ("no UTF-8", b"{\"cellId\":\"\xff\xfe\"}", 400),
        ("null", b"null", 400),
        ("a list", wide.as_bytes(), 400),
        ("a list in a list", deep.as_bytes(), 400),
        ("nul bytes", &[0; 64], 400),
    ] {
        let answer = door.post(ONE, body).await;
        assert_eq!(
            statuses(&answer),
            (expected, i64::from(expected)),
            "{what}: {}",
            answer.body
        );
    }
    for (what, body, expected) in [
        ("thirteen", wide.as_bytes(), 413),
        ("one", good.as_bytes(), 400),
        ("none", b"[]", 400),
        ("a list in a list", deep.as_bytes(), 400),
    ] {
        let answer = door.post(SAMPLES, body).await;
        assert_eq!(
            statuses(&answer),
            (expected, i64::from(expected)),
            "{what}: {}",
            answer.body
        );
    }

    // Every field, wrong in every way that its own text does not allow.
    let long = "x".repeat(100_000);
    for field in [
        "cellId",
        "equipmentId",
        "operatorId",
        "updateDatetime",
        "cellStatus",
    ] {
        let odd = [
            json!(""),
            Value::Null,
            json!(true),
            json!({}),
            json!([1]),
            json!(1.5),
            json!(long),
        ];
        for value in std::iter::once(None).chain(odd.iter().map(Some)) {
            let mut sample = door.sample(-2);
            match value {
                Some(value) => sample[field] = value.clone(),
                None => drop(sample.as_object_mut().unwrap().remove(field)),
            }
            let answer = door.post(ONE, sample.to_string().as_bytes()).await;
            let shown = value.map(Value::to_string).unwrap_or_default();
            let expected = match (field, value) {
                // Whatever text it is, it is not that of whoever calls.
                ("operatorId", Some(Value::String(_))) => [400, 403],
                _ => [400, 400],
            };
            assert!(
                expected.contains(&answer.status),
                "{field} {shown:.20}: {}",
                answer.body
            );
            assert!(
                answer.json()["message"].as_str().unwrap().contains(field),
                "{field}: {}",
                answer.body
            );
        }
    }
    assert_eq!(demo.process.terminate().await, Some(0));
}

#[tokio::test]
async fn headers_clocks_and_replays() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    let door = Door::of(&demo).await;
    let body = door.sample(-1).to_string().into_bytes();
    // The wall moves while this runs, so not to the second.
    for (seconds, expected) in [(290, 200), (-290, 200), (310, 401), (-310, 401)] {
        let lines = door.lines(&now(seconds), Some(&door.token));
        let answer = door.ask("POST", ONE, &lines, &body).await;
        assert_eq!(
            statuses(&answer),
            (expected, i64::from(expected)),
            "{seconds}: {}",
            answer.body
        );
    }
    let long = "x".repeat(8_000);
    for name in ["Datetime", "OperatorId", "Token", "Signature"] {
        for value in ["", "运营商", "\u{e9}", "\t", &long] {
            let mut lines = door.signed();
            for line in lines.iter_mut().filter(|line| line.0 == name) {
                line.1 = value.as_bytes().to_vec();
            }
            let answer = door.ask("POST", ONE, &lines, &body).await;
            assert_eq!(
                statuses(&answer),
                (400, 400),
                "{name} {value:.9}: {}",
                answer.body
            );
        }
    }
    // What was signed is said again: the same is done once, something else is not hidden by it.
    let lines = door.signed();
    for _ in 0..3 {
        assert_eq!(statuses(&door.ask("POST", ONE, &lines, &body).await), (200, 200));
    }
    let other = demo.json["supervision"]["other_operator_id"].as_str().unwrap();
    let mut foreign = door.sample(-1);
    foreign["operatorId"] = json!(other);
    let answer = door.post(ONE, foreign.to_string().as_bytes()).await;
    assert_eq!(statuses(&answer), (403, 403));
    let path = format!("/platform/management/cell?operatorId={other}&pageIndex=1&pageSize=3");
    assert_eq!(
        statuses(&door.ask("GET", &path, &door.signed(), b"").await),
        (403, 403)
    );
    assert_eq!(demo.process.terminate().await, Some(0));
}

#[tokio::test]
async fn large_and_slow_bodies() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    let door = Door::of(&demo).await;
    for size in [300_000, 10_000_000] {
        let answer = door.post(SAMPLES, &vec![b' '; size]).await;
        assert_eq!(statuses(&answer), (413, 413), "{size}: {}", answer.body);
    }
    // Without a length, in pieces.
    let piece = [&b"10000\r\n"[..], &[b' '; 65_536], b"\r\n"].concat();
    let mut bytes = format!(
        "POST {SAMPLES} HTTP/1.1\r\nHost: {IP}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    )
    .into_bytes();
    for (name, value) in door.signed() {
        bytes.extend_from_slice(&[name.as_bytes(), b": ", &value, b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&piece.repeat(5));
    bytes.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(statuses(&send(door.address, bytes).await), (413, 413));

    // In drops, but whole.
    let body = door.sample(-1).to_string().into_bytes();
    let head = Door::head("POST", ONE, &door.signed(), body.len());
    let (address, drops) = (door.address, body.clone());
    let heard = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&head).unwrap();
        for drop in drops.chunks(20) {
            stream.write_all(drop).unwrap();
            stream.flush().unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
        talk(stream, b"")
    });
    assert_eq!(statuses(&Answer::of(&heard.await.unwrap())), (200, 200));

    // Never whole: whoever goes away in the middle has reported nothing, and nobody else is kept waiting.
    let head = Door::head("POST", ONE, &door.signed(), body.len());
    let half = body[..body.len() / 2].to_vec();
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&[head, half].concat()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        talk(stream, b"")
    })
    .await
    .unwrap();
    assert_eq!(statuses(&door.post(ONE, &body).await), (200, 200));
    assert_eq!(demo.process.terminate().await, Some(0));
}

#[tokio::test]
async fn the_printed_example_is_taken_by_the_demo() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    let door = Door::of(&demo).await;
    let said = &demo.json["supervision"];
    let body = json!({
        "cellId": "95", "equipmentId": said["equipment_id"], "operatorId": said["operator_id"], "cellType": 5,
        "cellStandard": "nisi exercitation qui ullamco", "ratedVoltageUpperLimit": 29, "ratedVoltageLowerLimit": 19,
        "ratedCurrent": 55, "ratedPower": 81, "electricityFee": "文山壮族苗族自治州",
        "serviceFee": "ad in esse deserunt elit", "fireControl": 97, "smokeSensation": 46,
    });
    for _ in 0..2 {
        let answer = door
            .post("/platform/management/cell", body.to_string().as_bytes())
            .await;
        assert_eq!(
            answer.body,
            r#"{"status":200,"message":"请求成功!","data":"提交成功!"}"#
        );
    }
    let overview = demo.get("/api/v1/oversight/overview").await;
    assert_eq!(overview["operators"].as_array().unwrap().len(), 2, "{overview:#}");
    assert_eq!(overview["operators"][0]["tally"]["ports"], 17, "{overview:#}");
    assert_eq!(demo.process.terminate().await, Some(0));
}
