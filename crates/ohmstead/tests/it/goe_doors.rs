//! The go-e doors over the wire, with what clients get wrong and what nobody should send.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::process::{Demo, Process};
use super::wire::{Answer, IP, request, talk};

const CLOUD: &str = "000001.api.v3.go-e.io";

struct Doors {
    plain: SocketAddr,
    tls: SocketAddr,
    config: Arc<rustls::ClientConfig>,
}

impl Doors {
    fn of(demo: &Demo) -> Self {
        let address = |url: &str| url.rsplit_once("//").unwrap().1.parse().unwrap();
        let ca = std::fs::read(demo.json["tls"]["ca_file"].as_str().unwrap()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            plain: address(&demo.base),
            tls: address(demo.json["tls"]["url"].as_str().unwrap()),
            config: Arc::new(config),
        }
    }

    async fn plain(&self, bytes: Vec<u8>) -> Answer {
        let address = self.plain;
        let heard = tokio::task::spawn_blocking(move || talk(TcpStream::connect(address).unwrap(), &bytes));
        Answer::of(&heard.await.unwrap())
    }

    async fn tls(&self, bytes: Vec<u8>) -> Answer {
        let (address, config) = (self.tls, Arc::clone(&self.config));
        let heard = tokio::task::spawn_blocking(move || {
            let name = ServerName::try_from(CLOUD).unwrap();
            let connection = rustls::ClientConnection::new(config, name).unwrap();
            talk(
                rustls::StreamOwned::new(connection, TcpStream::connect(address).unwrap()),
                &bytes,
            )
        });
        Answer::of(&heard.await.unwrap())
    }

    async fn get(&self, target: &str, host: &str, more: &str) -> Answer {
        self.plain(request(target.as_bytes(), host, more)).await
    }
}

async fn live(demo: &Demo) {
    demo.until("/api/v1/sites/home", "both chargers are online", |site| {
        let devices = site["devices"].as_array().unwrap();
        let stations = devices
            .iter()
            .filter(|device| device["kind"] == "charging_station");
        stations.clone().count() == 2
            && stations
                .into_iter()
                .all(|device| device["link"]["state"] == "online")
    })
    .await;
}

fn token(demo: &Demo, serial: &str) -> String {
    let chargers = demo.json["goe"]["chargers"].as_array().unwrap();
    let charger = chargers
        .iter()
        .find(|charger| charger["serial"] == serial)
        .unwrap();
    charger["token"].as_str().unwrap().to_owned()
}

/// Keys that clients convert without asking.
const NEVER_NULL: [&str; 12] = [
    "amp", "ama", "mca", "ust", "eto", "fmt", "rssi", "cco", "wh", "pha", "tma", "nrg",
];
const SECRETS: [&str; 11] = [
    "cak", "wak", "facwak", "mcu", "mck", "ocppck", "gmk", "dll", "data", "imsi", "mopi",
];

#[tokio::test]
async fn what_clients_get_wrong_is_answered_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    live(&demo).await;
    let doors = Doors::of(&demo);
    let right = token(&demo, "000001");

    // Every refusal is the same to the byte, whoever and whatever was meant.
    let refused = doors.get("/api/status?token=wrong", IP, "").await;
    assert_eq!(
        refused.body,
        r#"{"success":false,"reason":"Token is missing or wrong"}"#
    );
    let other = token(&demo, "000002");
    for (target, host, more) in [
        ("/api/status".to_owned(), IP, String::new()),
        ("/api/status?token=".to_owned(), IP, String::new()),
        (
            "/api/status".to_owned(),
            CLOUD,
            "Authorization: Bearer wrong\r\n".to_owned(),
        ),
        (
            "/api/status".to_owned(),
            CLOUD,
            "Authorization: Bearer\r\n".to_owned(),
        ),
        (
            "/api/status".to_owned(),
            CLOUD,
            "Authorization: Bearer \u{ff}\u{0080}\r\n".to_owned(),
        ),
        (format!("/api/status?token={other}"), CLOUD, String::new()),
        (format!("/api/set?amp=9&token={other}"), CLOUD, String::new()),
        (
            format!("/api/status?token={right}"),
            "999999.api.v3.go-e.io",
            String::new(),
        ),
        (
            format!("/api/status?token={right}"),
            "000004.api.v3.go-e.io",
            String::new(),
        ),
        (
            format!("/api/status?token={right}&token=wrong"),
            CLOUD,
            String::new(),
        ),
        ("/api/set?cak=1".to_owned(), CLOUD, String::new()),
        (
            "/api/set?cae=true".to_owned(),
            "000004.api.v3.go-e.io",
            String::new(),
        ),
        (format!("/goe/000001/{other}/api/status"), IP, String::new()),
        (format!("/goe/000001/{right}x/api/set?amp=9"), IP, String::new()),
        (format!("/goe/777777/{right}/api/status"), IP, String::new()),
        (
            format!("/api/status?token={}", "x".repeat(60_000)),
            IP,
            String::new(),
        ),
    ] {
        let answer = doors.get(&target, host, &more).await;
        let shown: String = target.chars().take(80).collect();
        assert_eq!(
            (&answer.head, &answer.body),
            (&refused.head, &refused.body),
            "{shown} {host} {more:?}"
        );
    }

    // Reads.
    let status = |rest: &str| format!("/api/status?token={right}{rest}");
    for (rest, expected) in [
        ("&filter=sse", json!({"sse": "000001"})),
        ("&filter=sse,nosuch,", json!({"sse": "000001"})),
        ("&filter=nosuch", json!({})),
        ("&filter=sse,sse&filter=fna", json!({"fna": "Left"})),
        ("&filter=%ff,sse,%00", json!({"sse": "000001"})),
        ("&filter=%5B%22sse%22%5D", json!({"sse": "000001"})),
        ("&filter=[\"sse\"]", json!({"sse": "000001"})),
        ("&filter= sse , fna ", json!({"sse": "000001", "fna": "Left"})),
        ("&filter=sse&age=1e300", json!({"sse": "000001"})),
        ("&filter=sse&age=NaN", json!({"sse": "000001"})),
        ("&filter=sse&age=soon", json!({"sse": "000001"})),
        ("&filter=sse&%zz=%&&=&a", json!({"sse": "000001"})),
        ("&filter=cak", json!({"cak": right})),
    ] {
        let answer = doors.get(&status(rest), IP, "").await;
        assert_eq!(answer.status, 200, "{rest}: {}", answer.body);
        if rest.contains("fna") {
            assert!(answer.json()["fna"].is_string(), "{rest}: {}", answer.body);
        } else {
            assert_eq!(answer.json(), expected, "{rest}");
        }
        assert!(
            answer.head.contains("\nlast-modified: "),
            "{rest}: {}",
            answer.head
        );
    }
    for rest in ["", "&filter=", "&filter=,,"] {
        let all = doors.get(&status(rest), IP, "").await.json();
        assert!(all.as_object().unwrap().len() >= 264 - SECRETS.len(), "{rest}");
        for key in NEVER_NULL {
            assert!(!all[key].is_null(), "{rest} {key}");
        }
        for key in SECRETS {
            assert!(all.get(key).is_none(), "{rest} {key}");
        }
    }
    let many: Vec<String> = (0..5_000).map(|n| format!("k{n}")).collect();
    let answer = doors
        .get(&status(&format!("&filter={},sse", many.join(","))), IP, "")
        .await;
    assert_eq!((answer.status, answer.json()), (200, json!({"sse": "000001"})));
    let same = doors
        .get(&status(&format!("&filter={}", "amp,sse,".repeat(2_500))), IP, "")
        .await;
    assert_eq!(same.json().as_object().unwrap().len(), 2);
    let open = doors
        .get("/goe/000001/api/status?filter=cak,wak,sse", IP, "")
        .await;
    assert_eq!(open.json(), json!({"sse": "000001"}));

    // Writes: the status, what is under the key, what succeeded and what failed.
    let range = "amp: failed: Value 5 exceeds range 6 to 32 (5)";
    for (query, status, expected) in [
        (
            "amp=16",
            202,
            json!({"amp": true, "succeeded": [{"amp": 16}], "failed": []}),
        ),
        (
            "amp=1.6e1",
            202,
            json!({"amp": true, "succeeded": [{"amp": 16}], "failed": []}),
        ),
        (
            "%61mp=%31%36",
            202,
            json!({"amp": true, "succeeded": [{"amp": 16}], "failed": []}),
        ),
        (
            "amp=9&amp=10",
            202,
            json!({"amp": true, "succeeded": [{"amp": 9}, {"amp": 10}], "failed": []}),
        ),
        (
            "amp=9&amp=5",
            202,
            json!({"amp": range, "succeeded": [{"amp": 9}], "failed": [{"amp": 5}]}),
        ),
        ("&=16", 422, json!({"succeeded": [], "failed": [{"": 16}]})),
        (
            "&=16&frc=0",
            202,
            json!({"frc": true, "succeeded": [{"frc": 0}], "failed": [{"": 16}]}),
        ),
        ("", 422, json!({"succeeded": [], "failed": []})),
        (
            "amp",
            422,
            json!({"amp": "amp: tried to set api key with invalid json InvalidInput ()", "succeeded": [], "failed": [{"amp": ""}]}),
        ),
        (
            "AMP=9",
            422,
            json!({"AMP": "AMP: unknown api key", "succeeded": [], "failed": [{"AMP": 9}]}),
        ),
        ("amp=99999999999999999999", 422, json!(null)),
        ("amp=-0", 422, json!(null)),
        ("amp=null", 422, json!(null)),
        ("amp=[16]", 422, json!(null)),
        ("amp={\"a\":1}", 422, json!(null)),
        ("amp=\"sixteen\"", 422, json!(null)),
        ("amp=NaN", 422, json!(null)),
        ("amp=True", 422, json!(null)),
        ("frc=3", 422, json!(null)),
        ("alw=true", 422, json!(null)),
        ("eto=0.0", 422, json!(null)),
        ("rst=true", 422, json!(null)),
        ("wifis=[]", 422, json!(null)),
        ("%ff=%ff", 422, json!(null)),
        ("%00=1", 422, json!(null)),
        ("fna=%ff%ff%ff%ff", 202, json!(null)),
    ] {
        let answer = doors
            .get(&format!("/api/set?token={right}&{query}"), CLOUD, "")
            .await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
        let body = answer.json();
        if !expected.is_null() {
            assert_eq!(body, expected, "{query}");
        }
        let lists = [&body["succeeded"], &body["failed"]].map(|list| list.as_array().unwrap().is_empty());
        assert_eq!(lists[0], status == 422, "{query}: {body}");
    }
    let deep = format!("/api/set?token={right}&ids={}", "[".repeat(20_000));
    assert_eq!(doors.get(&deep, CLOUD, "").await.status, 422);
    let mut crowd = format!("/api/set?token={right}");
    (0..2_000).for_each(|n| write!(crowd, "&nosuch{n}=1").unwrap());
    assert_eq!(
        doors.get(&crowd, CLOUD, "").await.json()["failed"]
            .as_array()
            .unwrap()
            .len(),
        2_000
    );
    for (key, text) in [
        ("amp=5", range),
        ("alw=true", "alw: tried to set api key without setter (true)"),
    ] {
        let answer = doors
            .get(&format!("/goe/000001/{right}/api/set?{key}"), IP, "")
            .await;
        let name = key.split('=').next().unwrap();
        assert_eq!(
            (answer.status, &answer.json()[name]),
            (500, &json!(text)),
            "{key}"
        );
    }

    // Chargers that are not there, padded and unpadded names, methods, hosts.
    for (serial, path, status) in [
        ("000003", "/api/status?age=1e9&", 403),
        ("000003", "/api/set?amp=9&", 403),
        ("000004", "/api/status?", 403),
        ("000004", "/api/set?cae=true&", 403),
        ("000005", "/api/status?", 404),
        ("000005", "/api/status?age=86400&", 200),
        ("000005", "/api/set?amp=9&", 404),
    ] {
        let target = format!("{path}token={}", token(&demo, serial));
        let short = serial.trim_start_matches('0');
        for host in [
            IP.to_owned(),
            format!("{serial}.api.v3.go-e.io"),
            format!("{short}.api.v3.go-e.com"),
        ] {
            let answer = doors.get(&target, &host, "").await;
            assert_eq!(answer.status, status, "{serial} {path} {host}: {}", answer.body);
            assert!(answer.json().is_object());
        }
    }
    for method in ["HEAD", "POST", "PUT", "DELETE", "PATCH", "BREW"] {
        let bytes = request(format!("/api/set?token={right}&amp=7").as_bytes(), CLOUD, "");
        let bytes = [method.as_bytes(), &bytes[3..]].concat();
        let answer = doors.plain(bytes).await;
        assert_eq!(answer.status, 405, "{method}");
        assert!(
            answer.head.contains("content-type: application/json"),
            "{method}: {}",
            answer.head
        );
    }
    let amp = doors.get(&status("&filter=amp"), IP, "").await.json()["amp"].clone();
    assert_ne!(amp, json!(7), "no other method writes");
    for (host, status) in [
        ("evil.example", 421),
        ("", 400),
        ("000001", 421),
        ("0000001.x", 421),
    ] {
        assert_eq!(
            doors
                .get(&format!("/api/status?token={right}"), host, "")
                .await
                .status,
            status,
            "{host}"
        );
    }
    assert_eq!(demo.process.terminate().await, Some(0));
}

fn padding(length: usize) -> Vec<u8> {
    format!("&x={}", "a".repeat(length)).into_bytes()
}

#[tokio::test]
async fn bytes_that_nobody_should_send_end_in_an_answer_on_both_ports() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    live(&demo).await;
    let doors = Doors::of(&demo);
    let target = |rest: &[u8]| [b"/api/status?token=myapitoken&filter=sse".as_slice(), rest].concat();
    for (what, target, status) in [
        ("raw bytes", target(b",\xff\xfe\x80,fna"), 200),
        ("quotes and blanks", target(b", \"x\" <>`"), 200),
        ("60 kB", target(&padding(60_000)), 200),
        ("100 kB", target(&padding(100_000)), 414),
        ("100 kB of nothing", target(&vec![b'&'; 100_000]), 414),
        ("60 kB of raw bytes", target(&vec![0xff; 20_000]), 200),
        (
            "raw bytes for a token",
            b"/api/status?token=\xff\xff".to_vec(),
            401,
        ),
        (
            "raw bytes for a serial",
            b"/goe/\xff/\xff/api/status".to_vec(),
            400,
        ),
    ] {
        for tls in [false, true] {
            let bytes = request(&target, CLOUD, "");
            let is_local = target.starts_with(b"/goe");
            let bytes = if is_local { request(&target, IP, "") } else { bytes };
            let answer = if tls {
                doors.tls(bytes).await
            } else {
                doors.plain(bytes).await
            };
            assert_eq!(answer.status, status, "{what}, TLS {tls}: {}", answer.body);
            if status != 414 {
                assert!(answer.json().is_object(), "{what}, TLS {tls}");
            }
        }
    }
    // Whatever came before, the next one is answered.
    for answer in [
        doors.plain(request(&target(b""), CLOUD, "")).await,
        doors.tls(request(&target(b""), CLOUD, "")).await,
    ] {
        assert_eq!((answer.status, answer.json()), (200, json!({"sse": "000001"})));
    }
    assert_eq!(demo.process.terminate().await, Some(0));
}

/// Wrong tokens wait or are refused; right ones from the same address are all answered meanwhile.
#[tokio::test]
async fn a_flood_of_wrong_tokens_hurts_no_right_one() {
    const WRONG: usize = 400;
    const RIGHT: usize = 200;
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    live(&demo).await;
    let doors = Arc::new(Doors::of(&demo));
    let mut flood = tokio::task::JoinSet::new();
    for n in 0..WRONG {
        let doors = Arc::clone(&doors);
        flood.spawn(async move {
            let (target, host) = match n % 3 {
                0 => (format!("/api/status?token=wrong{n}"), IP),
                1 => ("/api/status?token=wrong".to_owned(), CLOUD),
                _ => (format!("/goe/000001/wrong{n}/api/set?amp=7"), IP),
            };
            doors.get(&target, host, "").await
        });
    }
    let mut answered = 0;
    for n in 0..RIGHT {
        let target = match n % 4 {
            0 => "/api/status?token=myapitoken&filter=sse",
            1 => "/goe/000001/myapitoken/api/status?filter=sse",
            2 => "/api/set?token=myapitoken&frc=0",
            _ => "/api/status?token=myapitoken&filter=sse&filte%72=sse",
        };
        let answer = doors.get(target, IP, "").await;
        assert!(
            matches!(answer.status, 200 | 202),
            "{target}: {} {}",
            answer.status,
            answer.body
        );
        answered += 1;
    }
    assert_eq!(answered, RIGHT);
    let mut refused = Vec::new();
    while let Some(answer) = flood.join_next().await {
        refused.push(answer.unwrap());
    }
    assert_eq!(refused.len(), WRONG);
    for answer in &refused {
        assert_eq!((answer.status, &answer.body), (401, &refused[0].body));
        assert_eq!(answer.head, refused[0].head);
    }
    assert_eq!(demo.process.terminate().await, Some(0));
}

/// A charger that says what no charger should, and counts how often it was asked.
async fn charger(body: Arc<Mutex<String>>, asked: Arc<AtomicUsize>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (body, asked) = (body.lock().unwrap().clone(), Arc::clone(&asked));
            tokio::spawn(async move {
                let mut piece = [0; 4_096];
                let _ = stream.read(&mut piece).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(body.as_bytes()).await;
                asked.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    address
}

#[tokio::test]
async fn a_document_that_is_too_large_or_no_json_does_no_harm() {
    let (said, asked) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicUsize::new(0)));
    let plain = r#""car":1,"amp":16,"frc":0,"alw":true,"err":0,"eto":1234,"psm":2,"nrg":[230,230,230,0,0,0,0,0,0,0,0,0,0,0,0,0],"fna":"odd","typ":"go-eCharger_V4","sse":"123456""#;
    let large = format!("{{{plain},\"pad\":\"{}\"}}", "x".repeat(5_000_000));
    said.lock().unwrap().clone_from(&large);
    let address = charger(Arc::clone(&said), Arc::clone(&asked)).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("site.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\n[[site]]\nid = \"home\"\ntime_zone = \"UTC\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n\
         [[goe.charger]]\nevse = \"odd\"\nserial = \"050001\"\ntoken = \"a-token-of-the-file\"\n\
         [[site.device]]\nid = \"odd\"\nkind = \"charging_station\"\ndriver = \"goe\"\nurl = \"http://{address}\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let data = dir.path().join("data");
    let mut serve = Process::start(&[
        "serve",
        "--config",
        file.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
    ]);
    let line = serve.line_with("listens on").await;
    let address: SocketAddr = line.rsplit_once("//").unwrap().1.trim().parse().unwrap();
    let get = async |rest: &str| {
        let target = format!("/api/status?token=a-token-of-the-file{rest}");
        let bytes = request(target.as_bytes(), IP, "");
        let heard = tokio::task::spawn_blocking(move || talk(TcpStream::connect(address).unwrap(), &bytes));
        Answer::of(&heard.await.unwrap())
    };
    let until = async |what: &str, holds: &dyn Fn(&Answer) -> bool| {
        for _ in 0..240 {
            let answer = get("&filter=fna,tmp,fhz").await;
            if holds(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("{what} never came");
    };
    // Five megabytes are no status; the charger counts as one that never was there.
    let answer = until("a second question", &|_| asked.load(Ordering::Relaxed) > 1).await;
    assert_eq!(
        (answer.status, answer.body.len() < 1_000),
        (403, true),
        "{}",
        answer.body
    );
    // A number that is none becomes null, and what follows it is read.
    *said.lock().unwrap() = format!("{{{plain},\"tmp\":NaN,\"fhz\":-Infinity,\"last\":1}}");
    let answer = until("a status", &|answer| answer.status == 200).await;
    assert_eq!(answer.json(), json!({"fna": "odd", "tmp": null, "fhz": null}));
    // Once more too large: what was known stays, and is no larger.
    *said.lock().unwrap() = large;
    let before = asked.load(Ordering::Relaxed);
    until("a third question", &|_| {
        asked.load(Ordering::Relaxed) > before + 1
    })
    .await;
    let answer = get("&age=60").await;
    assert!(
        answer.body.len() < 100_000 && answer.json().is_object(),
        "{} bytes",
        answer.body.len()
    );
    assert_eq!(serve.terminate().await, Some(0));
}

/// Out of the file its token is worth nothing; back in it, it is the same token.
#[tokio::test]
async fn a_charger_taken_out_of_the_file_is_known_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (file, data) = (dir.path().join("site.toml"), dir.path().join("data"));
    let site = "listen = \"127.0.0.1:0\"\n[[site]]\nid = \"home\"\ntime_zone = \"UTC\"\n[[site.circuit]]\nid = \"house\"\n\
         limit_a = 35\n[[site.device]]\nid = \"odd\"\nkind = \"charging_station\"\ndriver = \"goe\"\nurl = \"http://127.0.0.1:9\"\n";
    let charger = "[[goe.charger]]\nevse = \"odd\"\nserial = \"050001\"\ntoken = \"a-token-of-the-file\"\n";
    // One that never answered is refused with 403, a token that is nobody's with 401.
    for (charger, expected) in [(charger, 403), ("", 401), (charger, 403)] {
        std::fs::write(&file, format!("{site}{charger}")).unwrap();
        let mut serve = Process::start(&[
            "serve",
            "--config",
            file.to_str().unwrap(),
            "--data",
            data.to_str().unwrap(),
        ]);
        let line = serve.line_with("listens on").await;
        let address: SocketAddr = line.rsplit_once("//").unwrap().1.trim().parse().unwrap();
        for target in [
            "/api/status?token=a-token-of-the-file",
            "/goe/050001/a-token-of-the-file/api/status",
        ] {
            let bytes = request(target.as_bytes(), IP, "");
            let heard =
                tokio::task::spawn_blocking(move || talk(TcpStream::connect(address).unwrap(), &bytes));
            let answer = Answer::of(&heard.await.unwrap());
            let expected = if expected == 403 && target.starts_with("/goe") {
                503
            } else {
                expected
            };
            assert_eq!(answer.status, expected, "{target} {charger}");
        }
        assert_eq!(serve.terminate().await, Some(0));
    }
}
