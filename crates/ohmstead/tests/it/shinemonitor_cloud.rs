//! A hub that reads its devices from another hub, which is a ShineMonitor cloud to it. Between both stands something that
//! can fail.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::process::{Demo, Process, http, run};

const PATIENCE: usize = 480;
const DAY: i64 = 86_400_000;

/// What the way to the cloud does to the next answers of an action.
#[derive(Clone)]
struct Fault {
    action: &'static str,
    times: usize,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    /// This in place of the body.
    Body(&'static str),
    /// The answer ends in its middle.
    Cut,
    /// It comes after so many milliseconds.
    Late(u64),
}

/// Passes requests on to the cloud and lets some fail. One connection is one request, as our client has it.
struct Proxy {
    address: SocketAddr,
    faults: Arc<Mutex<Vec<Fault>>>,
    asked: Arc<Mutex<Vec<String>>>,
    _running: tokio::task::JoinSet<()>,
}

impl Proxy {
    async fn start(cloud: Arc<Mutex<SocketAddr>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (faults, asked) = (
            Arc::<Mutex<Vec<Fault>>>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let mut running = tokio::task::JoinSet::new();
        let (of_faults, of_asked) = (Arc::clone(&faults), Arc::clone(&asked));
        running.spawn(async move {
            let mut passing = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let cloud = *cloud.lock().unwrap();
                let (faults, asked) = (Arc::clone(&of_faults), Arc::clone(&of_asked));
                passing.spawn(async move {
                    // Whoever goes away in between is part of what is tried.
                    let _ = pass(client, cloud, &faults, &asked).await;
                });
            }
        });
        Self {
            address,
            faults,
            asked,
            _running: running,
        }
    }

    fn fail(&self, action: &'static str, times: usize, how: How) {
        self.faults.lock().unwrap().push(Fault { action, times, how });
    }

    fn is_through(&self) -> bool {
        self.faults.lock().unwrap().iter().all(|fault| fault.times == 0)
    }

    fn count(&self, action: &str) -> usize {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|asked| *asked == action)
            .count()
    }
}

async fn pass(
    mut client: TcpStream,
    cloud: SocketAddr,
    faults: &Mutex<Vec<Fault>>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = client.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        request.extend(&buffer[..count]);
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let action = text.split("&action=").nth(1).unwrap_or_default();
    let action = action.split(['&', ' ']).next().unwrap_or_default().to_owned();
    asked.lock().unwrap().push(action.clone());
    let how = {
        let mut faults = faults.lock().unwrap();
        let fault = faults
            .iter_mut()
            .find(|fault| fault.action == action && fault.times > 0);
        fault.map(|fault| {
            fault.times -= 1;
            fault.how
        })
    };
    if let Some(How::Body(body)) = how {
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        return client.write_all(answer.as_bytes()).await;
    }
    let mut upstream = TcpStream::connect(cloud).await?;
    upstream.write_all(&request).await?;
    if let Some(How::Late(ms)) = how {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    if let Some(How::Cut) = how {
        let count = upstream.read(&mut buffer).await?;
        return client.write_all(&buffer[..count / 2]).await;
    }
    tokio::io::copy_bidirectional(&mut client, &mut upstream).await?;
    Ok(())
}

/// The binary with a config file, and somebody who has signed in.
struct Hub {
    process: Process,
    base: String,
    cookie: String,
    http: reqwest::Client,
}

impl Hub {
    async fn start(dir: &Path, name: &str, config: &str) -> Self {
        let file = dir.join(format!("{name}.toml"));
        std::fs::write(&file, config).unwrap();
        let data = dir.join(name);
        let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
        let mut process = Process::start(&["serve", "--config", file, "--data", data]);
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

    async fn get(&self, path: &str) -> Value {
        let asked = self
            .http
            .get(format!("{}/api/v1{path}", self.base))
            .header("cookie", &self.cookie);
        let answer = asked.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    async fn device(&self, id: &str) -> Value {
        let site = self.get("/sites/home").await;
        let devices = site["devices"].as_array().unwrap();
        devices.iter().find(|device| device["id"] == id).unwrap().clone()
    }

    async fn until(&self, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..PATIENCE {
            last = self.device(id).await;
            if holds(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("{what}: {id} is still {last:#}");
    }

    async fn is_read(&self, id: &str) -> Value {
        self.until(id, "online with a reading", |device| {
            device["link"]["state"] == "online" && device["last_seen_ms"].is_i64()
        })
        .await
    }

    /// A reading that is newer than one seen before.
    async fn goes_on(&self, id: &str, before: &Value) -> Value {
        self.until(id, "a newer reading", |device| {
            device["last_seen_ms"].as_i64() > before["last_seen_ms"].as_i64()
        })
        .await
    }
}

fn gateway(url: &str, password: &Path, more: &str) -> String {
    format!(
        "driver = \"shinemonitor\"\nurl = \"{url}\"\nuser = \"vplant\"\npassword_file = \"{}\"\n{more}\n",
        password.display()
    )
}

fn config(gateways: &[(&str, String)], devices: &[(&str, &str, &str, &str)]) -> String {
    let mut text = "listen = \"127.0.0.1:0\"\n".to_owned();
    for (id, gateway) in gateways {
        write!(text, "[[gateway]]\nid = \"{id}\"\n{gateway}").unwrap();
    }
    text += "[[site]]\nid = \"home\"\ntime_zone = \"UTC\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 63\n";
    for (id, kind, gateway, unit) in devices {
        write!(
            text,
            "[[site.device]]\nid = \"{id}\"\nkind = {kind}\npoll_s = 2\ndriver = \"gateway\"\ngateway = \"{gateway}\"\nunit = \"{unit}\"\n"
        )
        .unwrap();
    }
    text
}

/// What the account has, as `ohmstead discover` prints it: units by their type.
async fn units(file: &Path) -> Vec<String> {
    let (is_good, text) = run(&[
        "discover",
        "--config",
        file.to_str().unwrap(),
        "--gateway",
        "cloud",
    ])
    .await;
    assert!(is_good, "{text}");
    assert!(text.contains("# plant 1 "), "{text}");
    let units = text.lines().filter_map(|line| line.strip_prefix("unit = \""));
    units.map(|unit| unit.trim_end_matches('"').to_owned()).collect()
}

fn of_type<'u>(units: &'u [String], devcode: &str) -> &'u str {
    let found = units.iter().find(|unit| unit.split(',').nth(1) == Some(devcode));
    found.unwrap_or_else(|| panic!("no {devcode} in {units:?}"))
}

fn address(base: &str) -> SocketAddr {
    base.trim_start_matches("http://").parse().unwrap()
}

#[tokio::test]
async fn devices_are_read_from_another_hub_over_faults_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("demo");
    let demo = Demo::start(&data).await;
    // The days before the first start are made up in the background.
    let inverter = |site: &Value| {
        let mut devices = site["devices"].as_array().unwrap().iter();
        devices
            .find(|device| device["kind"] == "inverter")
            .unwrap()
            .clone()
    };
    let is_seen = |site: &Value| inverter(site)["last_seen_ms"].is_i64();
    let site = demo.until("/api/v1/sites/home", "no sun", is_seen).await;
    let zone = site["time_zone"].as_str().unwrap();
    let pv = inverter(&site);
    let (id, now) = (pv["id"].as_str().unwrap(), pv["last_seen_ms"].as_i64().unwrap());
    let past = format!(
        "/api/v1/sites/home/history?series=device:{id}.power&from_ms={}&to_ms={}&step_s=3600",
        now - 2 * DAY,
        now - DAY
    );
    demo.until(&past, "no day before", |history| {
        !history["series"][0]["rows"].as_array().unwrap().is_empty()
    })
    .await;
    let cloud = Arc::new(Mutex::new(address(&demo.base)));
    let proxy = Proxy::start(Arc::clone(&cloud)).await;
    let (good, bad) = (dir.path().join("password"), dir.path().join("wrong-password"));
    std::fs::write(&good, "vplant\n").unwrap();
    std::fs::write(&bad, "somebody-elses\n").unwrap();
    let url = format!("http://{}/public/", proxy.address);
    let account = gateway(&url, &good, &format!("time_zone = \"{zone}\"\npast_days = 3"));
    let direct = gateway(&format!("{}/public/", demo.base), &bad, "");

    let file = dir.path().join("empty.toml");
    std::fs::write(&file, config(&[("cloud", account.clone())], &[])).unwrap();
    let units = units(&file).await;
    let (pv, battery, meter) = (
        of_type(&units, "512"),
        of_type(&units, "2304"),
        of_type(&units, "1024"),
    );
    let text = config(
        &[("cloud", account), ("locked", direct)],
        &[
            ("roof", "\"inverter\"", "cloud", pv),
            (
                "store",
                "\"battery\"\nmax_charge_w = 5000\nmax_discharge_w = 5000",
                "cloud",
                battery,
            ),
            ("grid", "\"meter\"\nrole = \"grid\"", "cloud", meter),
            ("nobody", "\"inverter\"", "locked", pv),
        ],
    );
    // At the beginning much goes wrong, as it does with the real one.
    proxy.fail(
        "authSource",
        1,
        How::Body("<html><body>502 Bad Gateway</body></html>"),
    );
    proxy.fail(
        "queryCollectorInfo",
        1,
        How::Body(r#"{"err":4,"desc":"ERR_SIGN"}"#),
    );
    proxy.fail("queryPlantDeviceStatus", 1, How::Cut);
    proxy.fail(
        "queryDeviceLastData",
        1,
        How::Body(r#"{"err":10,"desc":"ERR_NO_AUTH"}"#),
    );
    let hub = Hub::start(dir.path(), "hub", &text).await;

    // What is read is what the other hub knows.
    hub.is_read("roof").await;
    hub.is_read("store").await;
    hub.is_read("grid").await;
    let mut tries = 0;
    while !proxy.is_through() {
        assert!(tries < PATIENCE, "{:?}", proxy.asked.lock().unwrap());
        tries += 1;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    // One login failed, one was good, and its session ended.
    assert!(
        proxy.count("authSource") >= 3,
        "{:?}",
        proxy.asked.lock().unwrap()
    );
    let roof = hub.is_read("roof").await;
    let theirs = inverter(&demo.get("/api/v1/sites/home").await);
    let counter = |device: &Value| device["measured"]["energy_out_wh"].as_i64().unwrap();
    let ahead = counter(&theirs) - counter(&roof);
    assert!((0..5_000).contains(&ahead), "{roof:#} {theirs:#}");

    // A wrong password stops the account and says so; it was sent once.
    let locked = hub.device("nobody").await;
    let problem = locked["link"]["problem"].as_str().unwrap_or_default();
    assert!(
        problem.contains("check user and the password in password_file"),
        "{locked:#}"
    );

    // In between: a session that ended, nothing there, a slow answer, and a signature that is refused.
    proxy.fail(
        "queryDeviceLastData",
        1,
        How::Body(r#"{"err":10,"desc":"ERR_NO_AUTH"}"#),
    );
    proxy.fail(
        "queryDeviceLastData",
        2,
        How::Body(r#"{"err":12,"desc":"ERR_NO_RECORD"}"#),
    );
    proxy.fail("queryDeviceLastData", 1, How::Late(3_000));
    proxy.fail("queryDeviceLastData", 1, How::Cut);
    let mut seen = roof;
    while !proxy.is_through() {
        seen = hub.goes_on("roof", &seen).await;
    }

    // The days before, which the other hub has made up, are in our history.
    let yesterday = |now: &Value| {
        let now = now["last_seen_ms"].as_i64().unwrap();
        format!("from_ms={}&to_ms={}&step_s=3600", now - 3 * DAY, now - DAY)
    };
    let series = |history: &Value| history["series"][0]["rows"].as_array().unwrap().len();
    let path = format!(
        "/sites/home/history?series=device:roof.power&{}",
        yesterday(&seen)
    );
    let mut tries = 0;
    while series(&hub.get(&path).await) == 0 {
        assert!(tries < PATIENCE, "no day before");
        tries += 1;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }

    // Sessions outlive a restart of the cloud; what it was doing does not matter.
    let seen = hub.device("roof").await;
    assert_eq!(demo.process.terminate().await, Some(0));
    let demo = Demo::start(&data).await;
    *cloud.lock().unwrap() = address(&demo.base);
    hub.goes_on("roof", &seen).await;
    hub.is_read("roof").await;

    assert_eq!(hub.process.terminate().await, Some(0));
    assert_eq!(demo.process.terminate().await, Some(0));
}
