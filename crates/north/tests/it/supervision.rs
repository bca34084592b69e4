//! The door of operators: who is believed, what is answered, and what operators are told.

mod bodies;
mod lanes;
mod past;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::ConnectInfo;
use axum::extract::connect_info::MockConnectInfo;
use dialects::supervision::DIALECT;
use dialects::supervision::sign::{signature, string_to_sign};
use gate::{By, Principal, Thing};
use http::{HeaderValue, Request};
use jiff::tz::TimeZone;
use links::ServerLimits;
use links::outbound_guard::{Guard, SystemResolver};
use model::oversight::{Digest, Operator, OperatorCode};
use model::secret::Secret;
use model::settings::SupervisionSettings;
use model::time::{Clock, Millis};
use north::outbox::{Sender, Ways};
use north::{Platform, Transport};
use oversight::{Authority, Rules};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::world::{Answer, World, request};

pub const OPERATOR: &str = "MA005DBW1";
pub const OTHER: &str = "MA006DBW2";
const KEY: &str = "secret-key-of-the-operator-0123456789";
const OTHER_KEY: &str = "secret-key-of-the-other-one-0123456789";
const DONE: &str = r#"{"status":200,"message":"请求成功!","data":"提交成功!"}"#;

/// The world as an authority with two operators.
pub struct City {
    pub world: World,
    pub platform: Arc<Platform>,
}

impl City {
    pub async fn new() -> Self {
        Self::with(SupervisionSettings {
            enabled: true,
            ..SupervisionSettings::default()
        })
        .await
    }

    pub async fn with(set: SupervisionSettings) -> Self {
        let mut world = World::new().await;
        let mut settings = (*world.state.settings).clone();
        settings.supervision = set;
        let rules = Rules::built_in();
        let (store, clock) = (world.store.clone(), world.clock.clone());
        let authority = Authority::open(store.clone(), store, &settings.supervision, rules, clock);
        let authority = authority.await.unwrap();
        // Tests listen on this machine.
        let allowed = Arc::new(Guard::new(&["127.0.0.0/8"]).unwrap());
        let platform = Platform::open(
            authority,
            world.state.gate.clone(),
            world.clock.clone(),
            &settings.supervision,
            (allowed, Arc::new(SystemResolver)),
        );
        let platform = platform.await.unwrap();
        let console = Principal::console();
        let by = By::new(&console, "test");
        for (id, key) in [(OPERATOR, KEY), (OTHER, OTHER_KEY)] {
            let operator = Operator::new(code(id), &format!("Operator {id}"));
            platform
                .admit(&by, operator, Some(&Secret::new(key)))
                .await
                .unwrap();
        }
        world.state = world.state.clone().with_platform(platform.clone());
        world.use_settings(settings);
        Self { world, platform }
    }

    pub async fn change(&self, change: impl FnOnce(&mut Operator)) {
        let authority = self.platform.authority();
        let mut operator = (*authority.operator(&code(OPERATOR)).unwrap()).clone();
        change(&mut operator);
        authority.put_operator(operator).await.unwrap();
    }

    /// The time on the authority's clocks, so many seconds from now.
    pub fn at(&self, seconds: i64) -> String {
        let at = self.world.clock.now().wall + Millis::from_seconds(seconds);
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let at = at.to_jiff().to_zoned(zone);
        at.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    async fn ask(&self, call: &Call) -> Answer {
        self.world.ask(call.request()).await
    }

    pub async fn log_in(&self, operator: &str, key: &str) -> Answer {
        let mut call = Call::new(self, "GET", "/platform/management/operatorAPIToken", "");
        call.operator = operator.to_owned();
        call.key = key.to_owned();
        call.token = None;
        self.ask(&call).await
    }

    pub async fn token(&self) -> String {
        let answer = self.log_in(OPERATOR, KEY).await;
        let json = answer.json();
        assert_eq!(json["status"], 200, "{json}");
        json["data"].as_str().unwrap().to_owned()
    }

    /// A call of the operator with a token that it has just got.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut call = Call::new(self, method, path, body);
        call.token = Some(self.token().await);
        self.ask(&call).await
    }

    /// A station, a cabinet 37 and a port 95.
    pub async fn with_a_port(self) -> Self {
        for (path, body) in [
            ("/platform/management/station", station()),
            ("/platform/management/equipment", equipment()),
            ("/platform/management/cell", cell()),
        ] {
            let answer = self.call("POST", path, &body.to_string()).await;
            assert_eq!((answer.status.as_u16(), &*answer.text), (200, DONE), "{path}");
        }
        self
    }
}

/// A call as it is signed.
struct Call {
    method: String,
    path: String,
    body: String,
    datetime: String,
    operator: String,
    token: Option<String>,
    key: String,
    digest: Digest,
}

impl Call {
    fn new(city: &City, method: &str, path: &str, body: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.to_owned(),
            datetime: city.at(0),
            operator: OPERATOR.to_owned(),
            token: Some("none".to_owned()),
            key: KEY.to_owned(),
            digest: Digest::Sha256,
        }
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let text = string_to_sign(&self.datetime, &self.operator, self.token.as_deref());
        let mut headers = vec![
            ("datetime", self.datetime.clone()),
            ("operatorid", self.operator.clone()),
            (
                "signature",
                signature(self.digest, &Secret::new(&*self.key), &text),
            ),
            ("content-type", "application/json".to_owned()),
        ];
        headers.extend(self.token.clone().map(|token| ("token", token)));
        headers
    }

    fn request(&self) -> Request<axum::body::Body> {
        let headers = self.headers();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        request(&self.method, &self.path, &headers, &self.body)
    }
}

pub fn code(text: &str) -> OperatorCode {
    text.parse().unwrap()
}

fn station() -> Value {
    json!({
        "stationId": "s1", "operatorId": OPERATOR, "equipmentOwnerId": OPERATOR, "stationName": "Gate 1",
        "address": "1 River Road", "stationType": 4, "stationStatus": 50, "stationLng": 120.15, "stationLat": 30.28,
    })
}

fn equipment() -> Value {
    json!({
        "equipmentId": "37", "stationId": "s1", "operatorId": OPERATOR, "equipmentName": "Cabinet",
        "equipmentType": 1, "equipmentCategory": 2,
    })
}

/// As the page prints it, with the operator's id in it.
fn cell() -> Value {
    json!({
        "cellId": "95", "equipmentId": "37", "operatorId": OPERATOR, "cellType": 5,
        "cellStandard": "nisi exercitation qui ullamco", "ratedVoltageUpperLimit": 29, "ratedVoltageLowerLimit": 19,
        "ratedCurrent": 55, "ratedPower": 81, "electricityFee": "文山壮族苗族自治州",
        "serviceFee": "ad in esse deserunt elit", "fireControl": 97, "smokeSensation": 46,
    })
}

pub fn sample(city: &City, port: &str, seconds: i64) -> Value {
    json!({
        "cellId": port, "equipmentId": "37", "operatorId": OPERATOR, "updateDatetime": city.at(seconds),
        "cellStatus": 1, "doorStatus": 10, "errorCode": 0, "voltage": 220.5, "current": 0, "temperature": 27,
    })
}

fn status_of(answer: &Answer) -> i64 {
    answer.json()["status"].as_i64().unwrap_or_default()
}

#[tokio::test]
async fn the_printed_example_is_taken_word_for_word() {
    let city = City::new().await.with_a_port().await;
    let path = "/platform/management/cell";
    let again = city.call("POST", path, &cell().to_string()).await;
    assert_eq!((again.status.as_u16(), &*again.text), (200, DONE));
    let mut other = cell();
    other["ratedPower"] = json!(82);
    let taken = city.call("POST", path, &other.to_string()).await;
    assert_eq!(
        (taken.status.as_u16(), status_of(&taken)),
        (409, 409),
        "{}",
        taken.text
    );
    assert!(taken.json()["data"].is_string(), "{}", taken.text);

    let page = city
        .call(
            "GET",
            &format!("{path}?operatorId={OPERATOR}&pageIndex=1&pageSize=3"),
            "",
        )
        .await;
    let data = &page.json()["data"];
    assert_eq!(
        (&data["total"], &data["pageIndex"]),
        (&json!(1), &json!(1)),
        "{data}"
    );
    assert_eq!(data["list"][0]["electricityFee"], "文山壮族苗族自治州");
    assert_eq!(data["list"][0]["fireControl"], 97);

    city.change(|operator| operator.strict = true).await;
    other["cellId"] = json!("96");
    let strict = city.call("POST", path, &other.to_string()).await;
    let message = strict.json()["message"].as_str().unwrap().to_owned();
    assert_eq!(strict.status, 400);
    assert!(
        message.contains("fireControl") && message.contains("97"),
        "{message}"
    );

    let removed = format!("{path}?operatorId={OPERATOR}&cellId=95");
    for _ in 0..2 {
        assert_eq!(city.call("DELETE", &removed, "").await.text, DONE);
    }
    city.change(|operator| operator.delete_missing_fails = true).await;
    assert_eq!(city.call("DELETE", &removed, "").await.status, 404);
}

#[tokio::test]
async fn only_the_operator_itself_is_believed() {
    let city = City::new().await.with_a_port().await;
    let (token, others) = (city.token().await, city.log_in(OTHER, OTHER_KEY).await.json());
    let others = others["data"].as_str().unwrap().to_owned();
    let body = sample(&city, "95", 0).to_string();
    let good = || Call {
        token: Some(token.clone()),
        ..Call::new(&city, "POST", "/platform/report/chargingMetaInfo", &body)
    };
    type Change = Box<dyn Fn(&mut Call)>;
    let rows: Vec<(&str, Change, u16)> = vec![
        ("as it should be", Box::new(|_| {}), 200),
        (
            "another key",
            Box::new(|call| call.key = OTHER_KEY.to_owned()),
            401,
        ),
        ("another hash", Box::new(|call| call.digest = Digest::Sha1), 401),
        (
            "an unknown token",
            Box::new(|call| call.token = Some("x".repeat(43))),
            401,
        ),
        (
            "another's token",
            {
                let others = others.clone();
                Box::new(move |call| call.token = Some(others.clone()))
            },
            401,
        ),
        (
            "nobody",
            Box::new(|call| call.operator = "nobody".to_owned()),
            401,
        ),
        (
            "another's name",
            Box::new(|call| call.operator = OTHER.to_owned()),
            401,
        ),
        (
            "no time",
            Box::new(|call| call.datetime = "yesterday".to_owned()),
            400,
        ),
    ];
    for (what, change, expected) in rows {
        let mut call = good();
        change(&mut call);
        let answer = city.ask(&call).await;
        let got = (answer.status.as_u16(), status_of(&answer));
        assert_eq!(got, (expected, i64::from(expected)), "{what}: {}", answer.text);
    }
    for (seconds, expected) in [(300, 200), (301, 401), (-300, 200), (-301, 401)] {
        let mut call = good();
        call.datetime = city.at(seconds);
        assert_eq!(city.ask(&call).await.status, expected, "{seconds}");
    }
    // Hours are met without their zero, and signed that way.
    let mut call = good();
    call.datetime = city.at(0).replacen(" 0", " ", 1);
    assert_eq!(call.datetime.len(), 18, "{}", call.datetime);
    assert_eq!(city.ask(&call).await.status, 200);
}

#[tokio::test]
async fn headers_that_are_none_are_named() {
    let city = City::new().await;
    let token = city.token().await;
    let path = "/platform/report/chargingMetaInfo";
    let call = Call {
        token: Some(token),
        ..Call::new(&city, "POST", path, "{}")
    };
    let long = "x".repeat(5_000);
    for name in ["datetime", "operatorid", "token", "signature"] {
        for value in [None, Some(""), Some("  "), Some("运营商"), Some(&*long)] {
            let mut request = call.request();
            request.headers_mut().remove(name);
            if let Some(value) = value {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                request.headers_mut().insert(name, value);
            }
            let answer = city.world.ask(request).await;
            let message = answer.json()["message"].to_string();
            assert_eq!(answer.status, 400, "{name} {value:?}: {message}");
            assert!(
                message.to_ascii_lowercase().contains(name),
                "{name} {value:?}: {message}"
            );
        }
        let mut request = call.request();
        let twice = request.headers().get(name).unwrap().clone();
        request.headers_mut().append(name, twice);
        assert_eq!(city.world.ask(request).await.status, 400, "{name} twice");
    }
}

#[tokio::test]
async fn a_call_of_ours_that_comes_back_opens_nothing_and_is_noted() {
    let city = City::new().await.with_a_port().await;
    let set = format!(
        "/platform/management/callbackUrl/reportFailure?operatorId={OPERATOR}&url=https://hooks.example/failed"
    );
    assert_eq!(city.call("PUT", &set, "").await.text, DONE);
    let reflected = city.platform.callback_token(&code(OPERATOR)).unwrap().unwrap();
    let body = sample(&city, "95", 0).to_string();
    let mut call = Call::new(&city, "POST", "/platform/report/chargingMetaInfo", &body);
    call.token = Some(reflected.expose().to_owned());
    assert_eq!(city.ask(&call).await.status, 401);
    let audit = city.world.get("/api/v1/audit").await.json();
    let line = &audit["items"][0];
    assert_eq!(
        line["action"], "call with the token that only we show",
        "{audit:#}"
    );
    assert_eq!(line["outcome"], "refused");
    assert_eq!(line["door"], DIALECT.name);
}

#[tokio::test]
async fn suspended_rotated_and_odd_partners() {
    let city = City::new().await.with_a_port().await;
    let token = city.token().await;
    let body = sample(&city, "95", 0).to_string();
    let call = |key: &str| Call {
        token: Some(token.clone()),
        key: key.to_owned(),
        ..Call::new(&city, "POST", "/platform/report/chargingMetaInfo", &body)
    };
    city.change(|operator| operator.suspended = true).await;
    assert_eq!(city.ask(&call(KEY)).await.status, 403);
    assert_eq!(city.log_in(OPERATOR, KEY).await.status, 403);
    // Who does not know the key does not learn it.
    assert_eq!(city.ask(&call(OTHER_KEY)).await.status, 401);
    assert_eq!(city.log_in(OPERATOR, OTHER_KEY).await.status, 401);
    city.change(|operator| {
        operator.suspended = false;
        operator.always_200 = true;
    })
    .await;
    let answer = city.ask(&call(OTHER_KEY)).await;
    assert_eq!(
        (answer.status.as_u16(), status_of(&answer)),
        (200, 401),
        "{}",
        answer.text
    );

    let console = Principal::console();
    let by = By::new(&console, "test");
    let rotated = city
        .platform
        .rotate(&by, &code(OPERATOR), Millis(3_600_000))
        .await
        .unwrap();
    for key in [KEY, rotated.expose()] {
        assert_eq!(status_of(&city.ask(&call(key)).await), 200, "{key}");
        assert_eq!(status_of(&city.log_in(OPERATOR, key).await), 200, "{key}");
    }
    city.world.step(3_600_000);
    let mut late = call(KEY);
    late.datetime = city.at(0);
    assert_eq!(status_of(&city.ask(&late).await), 401);
    late.key = rotated.expose().to_owned();
    assert_eq!(status_of(&city.ask(&late).await), 200);

    city.change(|operator| operator.digest = Digest::Sha1).await;
    assert_eq!(status_of(&city.ask(&late).await), 401);
    late.digest = Digest::Sha1;
    assert_eq!(status_of(&city.ask(&late).await), 200);
}

#[tokio::test]
async fn methods_and_paths() {
    let city = City::new().await.with_a_port().await;
    for (method, path, status, allow) in [
        (
            "OPTIONS",
            "/platform/management/cell",
            204,
            Some("GET, POST, PUT, DELETE, OPTIONS"),
        ),
        (
            "PATCH",
            "/platform/management/cell",
            405,
            Some("GET, POST, PUT, DELETE, OPTIONS"),
        ),
        (
            "GET",
            "/platform/report/chargingMetaInfo",
            405,
            Some("POST, OPTIONS"),
        ),
        (
            "HEAD",
            "/platform/management/operatorAPIToken",
            405,
            Some("GET, OPTIONS"),
        ),
        ("POST", "/platform/management/cell/", 404, None),
        ("POST", "/platform/management/cells", 404, None),
        ("GET", "/platform", 404, None),
        ("GET", "/platform/", 404, None),
        ("GET", "/platform/%ff", 404, None),
    ] {
        let answer = city.call(method, path, "").await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        // A HEAD has no body to look at.
        if status >= 400 && method != "HEAD" {
            assert_eq!(status_of(&answer), i64::from(status), "{method} {path}");
        }
    }
    let page = format!("/platform/management/cell?operatorId={OPERATOR}&pageIndex=1&pageSize=3");
    assert_eq!(city.call("HEAD", &page, "").await.status, 200);
    // No name of ours is needed: who signs knows whom they talk to.
    let mut foreign = Call::new(&city, "GET", &page, "").request();
    foreign
        .headers_mut()
        .insert("host", HeaderValue::from_static("supervision.city.example"));
    assert_eq!(city.world.ask(foreign).await.status, 401);

    let nobody = World::new().await;
    let answer = nobody.open("/platform/management/operatorAPIToken").await;
    assert_eq!((answer.status.as_u16(), status_of(&answer)), (404, 404));
}

#[tokio::test]
async fn from_other_machines_over_tls_only() {
    for (plain_http, tls, peer, expected) in [
        (false, false, "127.0.0.1:5000", 200),
        (false, false, "[::ffff:127.0.0.1]:5000", 200),
        (false, false, "192.168.1.7:5000", 403),
        (false, true, "192.168.1.7:5000", 200),
        (true, false, "192.168.1.7:5000", 200),
    ] {
        let mut city = City::with(SupervisionSettings {
            enabled: true,
            plain_http,
            ..SupervisionSettings::default()
        })
        .await;
        let peer: SocketAddr = peer.parse().unwrap();
        city.world.app = north::router(city.world.state.clone()).layer(MockConnectInfo(peer));
        let mut call = Call::new(&city, "GET", "/platform/management/operatorAPIToken", "");
        call.token = None;
        let mut request = call.request();
        request.extensions_mut().insert(ConnectInfo(peer));
        if tls {
            request.extensions_mut().insert(Transport::Tls);
        }
        let answer = city.world.ask(request).await;
        assert_eq!(
            answer.status, expected,
            "{plain_http} {tls} {peer}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn each_entry_of_a_list_stands_for_itself() {
    let city = City::new().await.with_a_port().await;
    let path = "/platform/report/chargingMetaInfoList";
    let list = |entries: &[Value]| Value::from(entries.to_vec()).to_string();
    let good = |seconds: i64| sample(&city, "95", -seconds);
    let whole: Vec<Value> = (0..12).map(good).collect();
    assert_eq!(city.call("POST", path, &list(&whole)).await.text, DONE);

    let many: Vec<Value> = (0..13).map(good).collect();
    let answer = city.call("POST", path, &list(&many)).await;
    assert_eq!(
        (answer.status.as_u16(), status_of(&answer)),
        (413, 413),
        "{}",
        answer.text
    );

    let mut foreign = good(21);
    foreign["operatorId"] = json!(OTHER);
    let mut mistyped = good(22);
    mistyped["cellId"] = json!(95);
    let mixed = [
        good(20),
        foreign,
        sample(&city, "unknown", -20),
        mistyped,
        json!(7),
        good(23),
    ];
    let answer = city.call("POST", path, &list(&mixed)).await;
    let json = answer.json();
    assert_eq!(
        (answer.status.as_u16(), &json["data"]),
        (200, &json!("提交成功!")),
        "{json:#}"
    );
    let rejected = json["rejected"].as_array().unwrap();
    let shown: Vec<_> = rejected
        .iter()
        .map(|entry| {
            (
                entry["index"].as_u64().unwrap(),
                entry["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(shown, [(1, 403), (2, 404), (3, 400), (4, 400)], "{json:#}");
    assert_eq!(rejected[1]["cellId"], "unknown");
    assert!(
        rejected[1]["message"].as_str().unwrap().contains("cellId"),
        "{json:#}"
    );

    let bad = [sample(&city, "unknown", -30), json!({})];
    let answer = city.call("POST", path, &list(&bad)).await;
    assert_eq!(
        (answer.status.as_u16(), status_of(&answer)),
        (404, 404),
        "{}",
        answer.text
    );
    assert_eq!(answer.json()["rejected"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn addresses_that_may_not_be_dialled_are_refused() {
    let city = City::new().await;
    let set = async |url: &str| {
        let url: String = url.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/platform/management/callbackUrl/notifyCellRisk?operatorId={OPERATOR}&url={url}");
        city.call("PUT", &path, "").await.status.as_u16()
    };
    for (url, far, local) in [
        ("https://hooks.example/risk?key=1", 200, 200),
        ("hooks.example/risk", 200, 200),
        ("http://hooks.example/risk", 400, 200),
        ("https://192.168.1.7/risk", 400, 200),
        ("https://[fd00::7]/risk", 400, 200),
        // What the administrator lets be dialled is for operators that are marked local.
        ("https://127.0.0.1:8443/risk", 400, 200),
        ("https://169.254.169.254/risk", 400, 400),
        ("https://169.254.1.1/risk", 400, 400),
        ("https://224.0.0.1/risk", 400, 400),
        ("https://0.0.0.0/risk", 400, 400),
        ("https://user:pass@hooks.example/risk", 400, 400),
        ("https://hooks.example:22/risk", 400, 400),
        ("ftp://hooks.example/risk", 400, 400),
        ("https://", 400, 400),
        ("", 400, 400),
    ] {
        city.change(|operator| operator.local = false).await;
        assert_eq!(set(url).await, far, "{url}");
        city.change(|operator| operator.local = true).await;
        assert_eq!(set(url).await, local, "{url} of a local one");
    }
    let shown = city
        .world
        .get(&format!("/api/v1/oversight/operators/{OPERATOR}/addresses"))
        .await
        .json();
    let last = &shown["changes"][0];
    assert_eq!(last["callback"], "risk");
    assert_eq!(last["new"], shown["addresses"][0]["url"]);
    assert_eq!(
        (&last["from"], &last["by"]),
        (&json!("127.0.0.1"), &json!(OPERATOR))
    );
    assert!(shown["changes"].as_array().unwrap().len() > 3, "{shown:#}");
}

/// An operator's own server: what it heard, and the status it answers with.
struct Listener {
    base: String,
    heard: Arc<Mutex<Vec<Request<Vec<u8>>>>>,
    answer: Arc<Mutex<(u16, String)>>,
    _stop: DropGuard,
}

impl Listener {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let heard: Arc<Mutex<Vec<Request<Vec<u8>>>>> = Arc::default();
        let answer = Arc::new(Mutex::new((200, String::new())));
        let (notes, says) = (heard.clone(), answer.clone());
        let handler = move |request: Request<Vec<u8>>| {
            notes.lock().unwrap().push(request);
            let (status, body) = says.lock().unwrap().clone();
            let answer = http::Response::builder().status(status).body(body.into_bytes());
            async move { answer.ok() }
        };
        tokio::spawn(links::http::serve(
            listener,
            ServerLimits::default(),
            stop.clone(),
            handler,
        ));
        Self {
            base,
            heard,
            answer,
            _stop: stop.drop_guard(),
        }
    }

    fn says(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn take(&self) -> Vec<Request<Vec<u8>>> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

impl City {
    async fn sender(&self) -> Sender {
        let guard = Arc::new(Guard::default());
        let ways = Ways {
            http: links::http::Client::guarded(north::outbox::LIMITS, guard, Arc::new(SystemResolver))
                .unwrap(),
            mailer: tokio::sync::watch::channel(None).1,
            key: self.world.state.gate.signing_key().await.unwrap(),
            operators: Some(self.platform.clone()),
        };
        Sender::new(self.world.store.clone(), self.world.clock.clone(), ways)
    }

    /// Works off what was reported and sends what is due.
    async fn tell(&self, sender: &mut Sender) {
        self.platform.authority().catch_up().await.unwrap();
        sender.look().await.unwrap();
        sender.settle().await;
    }

    async fn set_address(&self, callback: &str, url: &str) {
        let path = format!("/platform/management/callbackUrl/{callback}?operatorId={OPERATOR}&url={url}");
        assert_eq!(self.call("PUT", &path, "").await.text, DONE);
    }

    async fn quality(&self) -> Value {
        let overview = self.world.get("/api/v1/oversight/overview").await.json();
        overview["operators"][0]["quality"].clone()
    }
}

/// Whether a call is from us: signed over three lines with the operator's key and the token that only we show.
fn is_ours(city: &City, request: &Request<Vec<u8>>) -> bool {
    let text = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    let token = city.platform.callback_token(&code(OPERATOR)).unwrap().unwrap();
    let signed = string_to_sign(&text("datetime"), OPERATOR, Some(token.expose()));
    text("operatorid") == OPERATOR
        && text("token") == token.expose()
        && text("signature") == signature(Digest::Sha256, &Secret::new(KEY), &signed)
}

#[tokio::test]
async fn a_failed_report_is_told_and_repaired() {
    let city = City::new().await.with_a_port().await;
    city.change(|operator| operator.local = true).await;
    let listener = Listener::start().await;
    city.set_address("reportFailure", &format!("{}/failed?site=1", listener.base))
        .await;
    let mut sender = city.sender().await;
    let path = "/platform/report/chargingMetaInfo";
    let answer = city.call("POST", path, &sample(&city, "96", 0).to_string()).await;
    assert_eq!(
        (answer.status.as_u16(), status_of(&answer)),
        (404, 404),
        "{}",
        answer.text
    );

    // A 200 that says otherwise in its envelope is none.
    listener.says(200, r#"{"status":500,"message":"busy","data":""}"#);
    city.tell(&mut sender).await;
    let heard = listener.take();
    assert_eq!(heard.len(), 1);
    assert!(is_ours(&city, &heard[0]));
    assert_eq!(heard[0].uri().to_string(), "/failed?site=1");
    let told: Value = serde_json::from_slice(heard[0].body()).unwrap();
    let id = told["data"]["requestId"].as_str().unwrap().to_owned();
    assert_eq!(told["status"], 404, "{told:#}");
    assert_eq!(told["data"]["requestAPI"], path);
    assert_eq!(told["data"]["requestFailureCount"], 1);
    assert_eq!(told["data"]["requestBody"]["cellId"], "96");
    assert_eq!(told["data"]["requestBody"]["chargingMetaInfoId"], id);
    assert_eq!(city.quality().await["not_told"], 1);

    // Not again at once, but after some seconds.
    city.tell(&mut sender).await;
    assert_eq!(listener.take().len(), 0);
    listener.says(302, "");
    city.world.step(7_000);
    city.tell(&mut sender).await;
    assert_eq!(listener.take().len(), 1);
    listener.says(204, "");
    city.world.step(40_000);
    city.tell(&mut sender).await;
    assert_eq!(listener.take().len(), 1);
    let quality = city.quality().await;
    assert_eq!(
        (&quality["told"], &quality["not_told"]),
        (&json!(1), &json!(2)),
        "{quality}"
    );

    let mut port = cell();
    port["cellId"] = json!("96");
    assert_eq!(
        city.call("POST", "/platform/management/cell", &port.to_string())
            .await
            .text,
        DONE
    );
    let mut repaired = sample(&city, "96", 0);
    repaired["chargingMetaInfoId"] = json!(id);
    let again = "/platform/report/failed/chargingMetaInfo";
    for _ in 0..2 {
        assert_eq!(city.call("POST", again, &repaired.to_string()).await.text, DONE);
    }
    city.tell(&mut sender).await;
    let failures = city.world.get("/api/v1/oversight/failures").await.json();
    assert_eq!(failures["items"][0]["state"], "repaired", "{failures:#}");
    repaired["chargingMetaInfoId"] = json!("nothing");
    assert_eq!(city.call("POST", again, &repaired.to_string()).await.status, 404);
}

#[tokio::test]
async fn a_danger_is_told_and_an_address_that_went_wrong_is_not_dialled() {
    let city = City::new().await.with_a_port().await;
    city.change(|operator| operator.local = true).await;
    let listener = Listener::start().await;
    city.set_address("notifyCellRisk", &format!("{}/risk", listener.base))
        .await;
    let mut sender = city.sender().await;
    let mut burning = sample(&city, "95", 0);
    burning["errorCode"] = json!(2008);
    let path = "/platform/report/chargingMetaInfo";
    // One that is no longer local must not be dialled here, whatever it registered before.
    city.change(|operator| operator.local = false).await;
    assert_eq!(city.call("POST", path, &burning.to_string()).await.text, DONE);
    city.tell(&mut sender).await;
    assert_eq!(listener.take().len(), 0);
    city.change(|operator| operator.local = true).await;
    city.world.step(2_000);
    city.tell(&mut sender).await;
    let heard = listener.take();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(is_ours(&city, &heard[0]));
    let told: Value = serde_json::from_slice(heard[0].body()).unwrap();
    assert_eq!(
        (&told["operatorId"], &told["cellId"]),
        (&json!(OPERATOR), &json!("95"))
    );
    assert_eq!(told["riskLevel"], "高风险", "{told}");
    let warnings = city
        .world
        .get("/api/v1/oversight/warnings?open=true")
        .await
        .json();
    let id = warnings["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/oversight/warnings/{id}/acknowledgement");
    let seen = city.world.post(&path, "{}").await;
    assert_eq!(seen.json()["acknowledged_by"], "token-owner", "{}", seen.text);
}

#[tokio::test]
async fn an_operator_is_asked_for_a_sample_of_the_past() {
    let city = City::new().await.with_a_port().await;
    city.change(|operator| operator.local = true).await;
    let at = city.world.clock.now().wall.0 - 600_000;
    let path = format!("/api/v1/oversight/operators/{OPERATOR}/ports/95/past-sample");
    let body = json!({ "at_ms": at }).to_string();
    assert_eq!(city.world.post(&path, &body).await.status, 409);
    let listener = Listener::start().await;
    city.set_address("getChargingMetaInfo", &format!("{}/past", listener.base))
        .await;
    listener.says(200, r#"{"status":404,"message":"none","data":""}"#);
    let none = city.world.post(&path, &body).await.json();
    assert!(none["why"].as_str().unwrap().contains("no sample"), "{none}");

    let kept = json!({"status": 200, "message": "", "data": sample(&city, "95", -600)});
    listener.says(200, &kept.to_string());
    let got = city.world.post(&path, &body).await.json();
    assert_eq!(got["sample"]["at_ms"], at, "{got}");
    assert_eq!(got["sample"]["voltage_mv"], 220_500);
    let heard = listener.take();
    assert!(heard.iter().all(|request| is_ours(&city, request)));
    let asked = heard[0].uri().to_string();
    assert!(
        asked.starts_with("/past?") && asked.contains("cellId=95"),
        "{asked}"
    );
    city.platform.authority().catch_up().await.unwrap();
    let span = format!("from_ms={}&to_ms={}", at - 1, at + 1);
    let samples = format!("/api/v1/oversight/operators/{OPERATOR}/ports/95/samples?{span}");
    let samples = city.world.get(&samples).await.json();
    assert_eq!(samples["items"][0]["at_ms"], at, "{samples}");

    let wrong = json!({"status": 200, "message": "", "data": sample(&city, "94", -600)});
    listener.says(200, &wrong.to_string());
    let got = city.world.post(&path, &body).await.json();
    assert!(got["why"].as_str().unwrap().contains("94"), "{got}");
}

#[tokio::test]
async fn keys_and_tokens_of_operators_are_things_of_the_gate() {
    let city = City::new().await;
    let gate = &city.world.state.gate;
    let account = gate.account_named(&DIALECT, OPERATOR).unwrap();
    let thing = Thing::Account(account.number);
    let key = gate.credential(&DIALECT, &thing).unwrap().unwrap();
    assert_eq!(key.expose(), KEY);
    // No account of that kind administers or looks at anything here.
    assert_eq!((account.role, account.sites.len()), (None, 0));
}
