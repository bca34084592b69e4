//! Our sites report themselves: to a platform on loopback that is the dialect's own server half, with faults.

mod week;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::{Bus, Received, Topic};
use dialects::supervision::callback::{self, Called};
use dialects::supervision::definition::{Endpoint, built_in};
use dialects::supervision::error::Refusal;
use dialects::supervision::request::{self, Asked, Context, Headers, Refused};
use dialects::supervision::server;
use http::StatusCode;
use jiff::tz::TimeZone;
use links::ServerLimits;
use model::id::{PlatformId, SessionId};
use model::message::{Message, Notice as LinkNotice, Report};
use model::outbox::Notice;
use model::oversight::{
    Callback, Code, Digest, Entity, EntityKind, Failed, FailedState, Operator, OperatorCode, PortState,
    RiskLevel, Sample, Warning,
};
use model::phases::PerPhase;
use model::reading::{PilotState, Quantity};
use model::secret::Secret;
use model::session::{
    Ahead, Authorisation, AuthorisationKind, Origin, Session, Stop, StopReason, Transaction,
};
use model::time::{Clock, Millis, Timestamp};
use model::units::{WattHours, Watts};
use serde_json::{Value, json};
use store::{History, Series, Sessions, Uploads};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::world::{BEGIN, SteppedClock, VIEWER, World, evse_id, request, site_id};

const KEY: &str = "a-key-to-sign-with";
const CALLBACK_TOKEN: &str = "a-token-for-callbacks";
const OPERATOR: &str = "MA005DBW1";

/// What goes wrong with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It is answered so, and nothing is done.
    Status(u16),
    /// All tokens are forgotten first.
    Forgotten,
    /// It is done, and nobody hears of it.
    Lost,
    /// The first entry of the next list is refused.
    FirstRefused,
}

/// What a platform has in its books.
#[derive(Default)]
struct Books {
    token: Option<String>,
    logins: usize,
    entities: BTreeMap<(EntityKind, String), Entity>,
    samples: Vec<Sample>,
    repaired: Vec<(String, Sample)>,
    records: BTreeMap<String, usize>,
    /// When they began, as they came.
    starts: Vec<Timestamp>,
    addresses: BTreeMap<Callback, String>,
    faults: VecDeque<Fault>,
    /// Nobody answers.
    away: bool,
}

/// The platform.
struct Platform {
    base: String,
    books: Arc<Mutex<Books>>,
    _stop: DropGuard,
}

fn operator() -> Operator {
    let mut operator = Operator::new(OperatorCode::new(OPERATOR).unwrap(), "Ours");
    operator.local = true;
    operator
}

fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

impl Platform {
    async fn start(clock: Arc<SteppedClock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let books: Arc<Mutex<Books>> = Arc::default();
        let own = books.clone();
        let handler = move |request: http::Request<Vec<u8>>| {
            let answer = answer(&mut own.lock().unwrap(), &request, clock.now().wall);
            async move { answer }
        };
        let limits = ServerLimits {
            silence: Duration::from_millis(200),
            ..ServerLimits::default()
        };
        tokio::spawn(links::http::serve(listener, limits, stop.clone(), handler));
        Self {
            base,
            books,
            _stop: stop.drop_guard(),
        }
    }

    fn fail(&self, faults: &[Fault]) {
        self.books.lock().unwrap().faults.extend(faults);
    }

    fn look<T>(&self, look: impl Fn(&Books) -> T) -> T {
        look(&self.books.lock().unwrap())
    }
}

fn answer(
    books: &mut Books,
    request: &http::Request<Vec<u8>>,
    now: Timestamp,
) -> Option<http::Response<Vec<u8>>> {
    if books.away {
        return None;
    }
    let fault = books.faults.front().copied();
    let is_list = request.uri().path().ends_with("List");
    let fault = fault.filter(|fault| *fault != Fault::FirstRefused || is_list);
    if fault.is_some() {
        books.faults.pop_front();
    }
    if fault == Some(Fault::Forgotten) {
        books.token = None;
    }
    let answer = match fault {
        Some(Fault::Status(status)) => server::refused(built_in(), &Refusal::new(status, "not now"), false),
        Some(Fault::Forgotten | Fault::Lost | Fault::FirstRefused) | None => {
            let done = done(books, request, now, fault == Some(Fault::FirstRefused));
            done.unwrap_or_else(|refusal| server::refused(built_in(), &refusal, false))
        }
    };
    if fault == Some(Fault::Lost) {
        return None;
    }
    let response = http::Response::builder().status(answer.status).body(answer.body);
    Some(response.unwrap())
}

fn done(
    books: &mut Books,
    request: &http::Request<Vec<u8>>,
    now: Timestamp,
    refuses_first: bool,
) -> Result<server::Answer, Refusal> {
    let definition = built_in();
    let (operator, zone) = (operator(), zone());
    let endpoint = definition.endpoint(request.method(), request.uri().path())?;
    let query = request.uri().query().unwrap_or_default();
    let headers = Headers::read(definition, endpoint, request.headers(), query)?;
    headers.check_clock(definition, now, &zone, Millis(300_000))?;
    let is_signed = headers.are_signed_by(definition, Digest::Sha256, &Secret::new(KEY));
    let is_in = endpoint == Endpoint::Token
        || books.token.is_some() && headers.token.as_deref() == books.token.as_deref();
    if !is_signed || !is_in || headers.operator != operator.id {
        return Err(Refusal::permission(definition, "wrong signature or token"));
    }
    let context = Context {
        definition,
        operator: &operator,
        zone: &zone,
        now,
        person_key: &Secret::new("x"),
    };
    let first = || Refused {
        index: 0,
        port: None,
        refusal: Refusal::new(400, "the first is never liked"),
    };
    match request::read(endpoint, query, request.body(), &context)? {
        Asked::Token => {
            books.logins += 1;
            let token = format!("token-{}", books.logins);
            books.token = Some(token.clone());
            return Ok(server::token(definition, &token));
        }
        Asked::Register(told) => {
            let entity = told.what;
            let parent = entity.kind.parent().zip(entity.parent.as_ref());
            if let Some((kind, id)) = parent
                && !books.entities.contains_key(&(kind, id.to_string()))
            {
                return Err(Refusal::new(404, "no such parent"));
            }
            let key = (entity.kind, entity.id.to_string());
            if books
                .entities
                .get(&key)
                .is_some_and(|known| !known.says_the_same(&entity))
            {
                return Err(Refusal::new(409, "it is there and is another one"));
            }
            books.entities.insert(key, entity);
        }
        Asked::Modify(told) => {
            let key = (told.what.kind, told.what.id.to_string());
            if !books.entities.contains_key(&key) {
                return Err(Refusal::new(404, "no such thing"));
            }
            books.entities.insert(key, told.what);
        }
        Asked::Remove { kind, id } => {
            books.entities.remove(&(kind, id.to_string()));
        }
        Asked::ReportList(list) => {
            let mut refused = Vec::new();
            for (index, entry) in list.iter().enumerate() {
                let told = entry.as_ref().map_err(|refused| refused.refusal.clone())?;
                let port = (EntityKind::Port, told.what.port.to_string());
                if index == 0 && refuses_first {
                    refused.push(first());
                } else if books.entities.contains_key(&port) {
                    books.samples.push(told.what.clone());
                } else {
                    refused.push(Refused {
                        index,
                        port: None,
                        refusal: Refusal::new(404, "unknown port"),
                    });
                }
            }
            return Ok(server::list(definition, list.len(), &refused, false));
        }
        Asked::ReportAgain { failed, told } => books.repaired.push((failed.to_string(), told.what)),
        Asked::RecordList(list) => {
            let mut refused = Vec::new();
            for (index, entry) in list.iter().enumerate() {
                let told = entry.as_ref().map_err(|refused| refused.refusal.clone())?;
                if index == 0 && refuses_first {
                    refused.push(first());
                } else {
                    *books.records.entry(told.what.charge.to_string()).or_default() += 1;
                    books.starts.push(told.what.start);
                }
            }
            return Ok(server::list(definition, list.len(), &refused, false));
        }
        Asked::SetAddress { callback, url } => {
            books.addresses.insert(callback, url);
        }
        Asked::ClearAddress { callback } => {
            books.addresses.remove(&callback);
        }
        other @ (Asked::Page { .. } | Asked::Report(_) | Asked::Record(_) | Asked::RecordPage { .. }) => {
            panic!("nobody asks this: {other:?}")
        }
    }
    Ok(server::done(definition))
}

fn body(platform: &Platform) -> Value {
    json!({
        "id": "city", "name": "City", "url": platform.base, "operator": OPERATOR, "key": KEY,
        "digest": "sha256", "enabled": true, "local": true, "interval_s": 300,
        "time_zone": "Asia/Shanghai", "currency": "CNY",
        "sites": [{
            "site": "home", "station": "ST1", "equipment": {"left-station": "EQ1"}, "ports": {"left": "P1"},
            "owner": "MA005DBW1", "address": "Ring road 1", "station_type": 6,
            "place": {"latitude_udeg": 39_904_200, "longitude_udeg": 116_407_400, "datum": "gcj02"},
            "standard": "GB/T 18487.1", "energy_fee": "1 CNY/kWh", "service_fee": "none",
            "fire_extinguisher": 1, "smoke_detector": 3,
        }],
    })
}

/// A running uploader.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(world: &World) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(north::Reporting::new(world.state.clone()).run(stop.clone()));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// Waits until something is so; the clock of the world goes on meanwhile.
async fn until(world: &World, what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..2_000 {
        if is_so().await {
            return;
        }
        world.step(500);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let state = world.get("/api/v1/reporting/city").await.text;
    panic!("this never was so: {what}\n{state}");
}

fn platform_id() -> PlatformId {
    PlatformId::new("city").unwrap()
}

async fn is_all_told(world: &World) -> bool {
    let backlog = world.store.backlog(&platform_id()).await.unwrap();
    backlog.samples + backlog.records + backlog.repairs == 0
}

fn session(id: &str, plugged: Timestamp, transactions: u32) -> Session {
    let of = |number: u32| Transaction {
        number,
        authorisation: Authorisation {
            kind: AuthorisationKind::Rfid,
            user: None,
            card: None,
        },
        started: plugged + Millis(i64::from(number) * 60_000),
        stopped: Some(Stop {
            at: plugged + Millis(i64::from(number) * 60_000 + 30_000),
            reason: StopReason::Asked,
        }),
        meter_start: None,
        meter_stop: None,
        energy: WattHours(1_230),
        per_phase: PerPhase::default(),
        one_phase: WattHours(0),
        three_phase: WattHours(1_230),
        origin: Origin::default(),
        charging: Millis(30_000),
        peak: Watts(11_000),
        cost: None,
        other_costs: Vec::new(),
        unpriced: WattHours(1_230),
        ahead: Ahead::default(),
        estimated: false,
    };
    Session {
        id: SessionId::new(id).unwrap(),
        site: site_id("home"),
        evse: evse_id("left"),
        plugged,
        unplugged: Some(plugged + Millis(600_000)),
        vehicle: None,
        transactions: (1..=transactions).map(of).collect(),
        charger_energy: None,
        soc: None,
        revision: 1,
    }
}

async fn put(world: &World, session: Session) {
    let epoch = 1;
    world.store.put_session(epoch, &session).await.unwrap();
}

async fn made(world: &World, body: &Value) {
    let answer = world.post("/api/v1/reporting", &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
}

#[tokio::test]
async fn a_site_is_registered_and_told_of_and_kept_in_step() {
    let world = World::new().await;
    let platform = Platform::start(world.clock.clone()).await;
    made(&world, &body(&platform)).await;
    put(&world, session("early", BEGIN.wall - Millis(86_400_000), 1)).await;
    put(&world, session("s1", BEGIN.wall, 2)).await;
    let running = Running::start(&world);
    until(&world, "all is told", async || {
        platform.look(|books| !books.samples.is_empty() && books.records.len() == 2)
            && is_all_told(&world).await
    })
    .await;
    let ids = |books: &Books| {
        let ids = books.entities.keys();
        ids.map(|(kind, id)| format!("{} {id}", kind.name()))
            .collect::<Vec<_>>()
    };
    assert_eq!(platform.look(ids), ["station ST1", "equipment EQ1", "port P1"]);
    // A place that is right on the platform's maps is told as it is.
    let station = platform.look(|books| books.entities[&(EntityKind::Station, "ST1".to_owned())].clone());
    assert_eq!(station.number("longitude").unwrap().0, 116_407_400);
    let sample = platform.look(|books| books.samples[0].clone());
    assert_eq!((sample.port.as_str(), sample.equipment.as_str()), ("P1", "EQ1"));

    // A change of state is told at once, another view is not.
    world
        .change("home", |view| view.evses[0].status.pilot = PilotState::F)
        .await;
    world.step(2_000);
    world.change("home", |_| {}).await;
    until(&world, "the fault is told", async || {
        platform.look(|books| {
            books
                .samples
                .last()
                .is_some_and(|last| last.state == PortState::Fault)
        })
    })
    .await;
    let too_soon = |books: &Books| {
        let mut pairs = books.samples.windows(2);
        pairs
            .find(|pair| pair[0].state == pair[1].state && pair[1].at - pair[0].at < Millis(300_000))
            .map(<[Sample]>::to_vec)
    };
    assert_eq!(platform.look(too_soon), None);

    // Another sheet changes what is there, another code takes the old port away.
    let mut changed = body(&platform);
    changed["sites"][0]["address"] = json!("Ring road 2");
    changed["sites"][0]["ports"] = json!({"left": "P2"});
    changed.as_object_mut().unwrap().remove("key");
    let answer = world.put("/api/v1/reporting/city", &changed.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let expected = ["station ST1", "equipment EQ1", "port P2"];
    until(&world, "the change is told", async || {
        platform.look(ids) == expected
    })
    .await;
    let station = platform.look(|books| books.entities[&(EntityKind::Station, "ST1".to_owned())].clone());
    assert_eq!(station.text("address"), Some("Ring road 2"));

    let shown = world.get("/api/v1/reporting/city").await;
    assert!(!shown.text.contains(KEY), "{}", shown.text);
    let state = &shown.json()["state"];
    assert_eq!(
        (&state["connected"], &state["stuck_records"]),
        (&json!(true), &json!(0)),
        "{state}"
    );
    running.stop().await;
    // Each once, also though the uploader began anew in between.
    let told: Vec<usize> = platform.look(|books| books.records.values().copied().collect());
    assert_eq!(told, [1, 1]);
}

#[tokio::test]
async fn nothing_is_lost_and_no_record_told_twice_whatever_fails() {
    let world = World::new().await;
    let platform = Platform::start(world.clock.clone()).await;
    made(&world, &body(&platform)).await;
    for n in 0..40 {
        put(
            &world,
            session(&format!("s{n}"), BEGIN.wall + Millis(n * 1_000), 1),
        )
        .await;
    }
    platform.fail(&[
        Fault::Status(503),
        Fault::Status(401),
        Fault::Lost,
        Fault::Forgotten,
        Fault::Status(429),
        Fault::Lost,
        Fault::FirstRefused,
    ]);
    let running = Running::start(&world);
    until(&world, "some records are told", async || {
        platform.look(|books| !books.records.is_empty())
    })
    .await;
    platform.fail(&[Fault::Lost, Fault::Forgotten]);
    running.stop().await;
    let running = Running::start(&world);
    until(&world, "the rest is told after a restart", async || {
        platform.look(|books| books.faults.is_empty()) && is_all_told(&world).await
    })
    .await;
    let (records, logins) = platform.look(|books| (books.records.clone(), books.logins));
    let shown = world.get("/api/v1/reporting/city").await.json();
    let stuck = shown["state"]["stuck_records"].as_u64().unwrap();
    // What was refused stays, and waits for somebody.
    assert_eq!(records.len() as u64 + stuck, 40);
    assert!(logins >= 2, "{logins}");
    assert_eq!(stuck, 1, "{shown}");
    let problem = shown["state"]["stuck"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("never liked"), "{problem}");
    let answer = world.post("/api/v1/reporting/city/retry", "{}").await;
    assert_eq!(answer.json(), json!({"records": 1}));
    until(&world, "it is told now", async || {
        platform.look(|books| books.records.len() == 40)
    })
    .await;

    // A platform that has lost its books is told all once more.
    platform.books.lock().unwrap().entities.clear();
    let before = platform.look(|books| books.samples.len());
    world
        .change("home", |view| view.evses[0].status.pilot = PilotState::E)
        .await;
    until(&world, "all is there again", async || {
        platform.look(|books| books.entities.len() == 3 && books.samples.len() > before)
    })
    .await;
    running.stop().await;
    let doubles: BTreeSet<_> = platform.look(|books| books.records.values().copied().collect());
    // A list whose answer was lost came once more; nothing else did.
    assert!(doubles.iter().all(|times| *times <= 2), "{doubles:?}");
}

fn called<'a>(
    operator: &'a Operator,
    zone: &'a TimeZone,
    token: &'a Secret,
    key: &'a Secret,
    now: Timestamp,
) -> Called<'a> {
    Called {
        definition: built_in(),
        operator,
        secret: key,
        token,
        zone,
        now,
    }
}

async fn hear(world: &World, call: http::Request<Vec<u8>>) -> (u16, Value) {
    let headers: Vec<(String, String)> = call
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .chain([("host".to_owned(), "somewhere.example".to_owned())])
        .collect();
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let path = call.uri().path_and_query().unwrap().as_str().to_owned();
    let text = String::from_utf8(call.body().clone()).unwrap();
    let answer = world
        .ask(request(call.method().as_str(), &path, &headers, &text))
        .await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn a_platform_is_heard_when_it_proves_who_it_is() {
    let world = World::new().await;
    let platform = Platform::start(world.clock.clone()).await;
    let mut wanted = body(&platform);
    wanted["callback"] = json!("http://127.0.0.1:8080");
    wanted["callback_token"] = json!(CALLBACK_TOKEN);
    made(&world, &wanted).await;
    let running = Running::start(&world);
    until(&world, "it knows where to call", async || {
        platform.look(|books| books.addresses.len() == 3)
    })
    .await;
    let addresses = platform.look(|books| books.addresses.clone());
    let url = |callback| addresses[&callback].clone();
    assert_eq!(url(Callback::Risk), "http://127.0.0.1:8080/reporting/city/risk");
    let (operator, zone, key, token) = (operator(), zone(), Secret::new(KEY), Secret::new(CALLBACK_TOKEN));
    let now = world.clock.now().wall;
    let who = called(&operator, &zone, &token, &key, now);

    let warning = Notice::Risk(Box::new(Warning {
        id: Code::new("w1").unwrap(),
        operator: operator.id.clone(),
        port: Code::new("P1").unwrap(),
        rule: "heat".to_owned(),
        level: RiskLevel::High,
        reason: "91 °C".to_owned(),
        raised: now,
        told: None,
        cleared: None,
        acknowledged: None,
        escalated: false,
        samples: Vec::new(),
    }));
    let mut reports = world.bus.subscribe(Topic::Reports(site_id("home"))).await;
    let (other_key, other_token) = (Secret::new("another"), Secret::new("token-1"));
    for (key, token) in [(&other_key, &token), (&key, &other_token)] {
        let wrong = called(&operator, &zone, token, key, now);
        let call = callback::notice(&wrong, &url(Callback::Risk), &warning).unwrap();
        assert_eq!(hear(&world, call).await.0, 401);
    }
    let late = called(&operator, &zone, &token, &key, now - Millis(301_000));
    let call = callback::notice(&late, &url(Callback::Risk), &warning).unwrap();
    assert_eq!(hear(&world, call).await.0, 401);
    let call = callback::notice(&who, &url(Callback::Risk), &warning).unwrap();
    assert_eq!(hear(&world, call).await.0, 200);
    let Some(Received::Message(Message::Reported(said))) = reports.next().await else {
        panic!("the engine is told");
    };
    assert_eq!(said.device.as_str(), "left-station");
    let Report::Notice { notice, text } = said.report else {
        panic!("{said:?}");
    };
    assert_eq!(notice, LinkNotice::RiskSeen);
    assert!(
        text.unwrap().contains("City sees a high risk"),
        "it is told who says so"
    );

    // A sample that could not be used is told once more, as often as the notice comes.
    let sample = json!({
        "cellId": "P1", "equipmentId": "EQ1", "operatorId": OPERATOR,
        "updateDatetime": "2025-11-22 08:00:00", "cellStatus": 1,
    });
    let failed = |count| {
        Notice::Failed(Box::new(Failed {
            id: Code::new("f-7").unwrap(),
            operator: operator.id.clone(),
            port: Code::new("P1").ok(),
            body: sample.to_string(),
            path: "/platform/report/chargingMetaInfo".to_owned(),
            first: now,
            last: now,
            count,
            state: FailedState::Open,
            status: 404,
            message: "unknown port".to_owned(),
        }))
    };
    let call = callback::notice(&who, &url(Callback::ReportFailed), &failed(1)).unwrap();
    assert_eq!(hear(&world, call).await.0, 200);
    until(&world, "it is mended", async || {
        platform.look(|books| books.repaired.len() == 1)
    })
    .await;
    let (id, sample) = platform.look(|books| books.repaired[0].clone());
    assert_eq!((id.as_str(), sample.port.as_str()), ("f-7", "P1"));
    // The third time it is lost, and nothing is sent.
    let who = called(&operator, &zone, &token, &key, world.clock.now().wall);
    let call = callback::notice(&who, &url(Callback::ReportFailed), &failed(3)).unwrap();
    assert_eq!(hear(&world, call).await.0, 200);
    assert_eq!(world.store.backlog(&platform_id()).await.unwrap().repairs, 0);

    let series = |quantity| Series {
        subject: "evse:left".to_owned(),
        quantity,
    };
    for (quantity, value) in [
        (Quantity::Pilot, 2),
        (Quantity::Power, 3_600),
        (Quantity::CurrentL1, 15_700),
    ] {
        world
            .store
            .import(&series(quantity), &[(BEGIN.wall, value)])
            .await
            .unwrap();
    }
    for (after_s, expected) in [(0, 200), (59, 200), (61, 404), (-1, 404)] {
        let at = BEGIN.wall + Millis(after_s * 1_000);
        let port = Code::new("P1").unwrap();
        let call = callback::past_sample(&who, &url(Callback::PastSample), &port, at).unwrap();
        let (status, answer) = hear(&world, call).await;
        assert_eq!(status, expected, "{after_s} s: {answer}");
        if status == 200 {
            let data = &answer["data"];
            assert_eq!(
                (&data["cellStatus"], &data["cellId"]),
                (&json!(3), &json!("P1")),
                "{answer}"
            );
            assert_eq!(
                (&data["power"], &data["current"]),
                (&json!(3.6), &json!(15.7)),
                "{answer}"
            );
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_and_a_dry_run_sends_nothing() {
    let world = World::new().await;
    let platform = Platform::start(world.clock.clone()).await;
    put(&world, session("s1", BEGIN.wall - Millis(3_600_000), 1)).await;
    let path = "/api/v1/reporting";
    type Change = fn(&mut Value);
    let rows: [(Change, &str); 8] = [
        (|body| body["interval_s"] = json!(30), "interval"),
        (|body| body["key"] = json!(""), "no key"),
        (|body| body["local"] = json!(false), "plain http"),
        (
            |body| body["sites"][0]["site"] = json!("nowhere"),
            "does not exist",
        ),
        (|body| body["sites"][0]["place"] = json!(null), "where site"),
        (
            |body| body["field_names"] = json!({"cellID2": "x"}),
            "no field that is documented",
        ),
        (|body| body["mapping"] = json!("this is no TOML"), "mapping"),
        (|body| body["operator"] = json!("two words"), "visible ASCII"),
    ];
    for (change, expected) in rows {
        let mut wrong = body(&platform);
        change(&mut wrong);
        let answer = world.post(path, &wrong.to_string()).await;
        assert_eq!(answer.status.as_u16(), 422, "{expected}: {}", answer.text);
        assert!(answer.text.contains(expected), "{expected}: {}", answer.text);
    }
    for (method, path) in [
        ("GET", "/api/v1/reporting"),
        ("POST", "/api/v1/reporting-preview"),
    ] {
        let answer = world
            .call(VIEWER, method, path, &body(&platform).to_string())
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
    }

    let mut other = body(&platform);
    other["field_names"] = json!({"cellStatus": "portState"});
    other["sites"][0]["fire_extinguisher"] = json!(97);
    let shown = world
        .post("/api/v1/reporting-preview", &other.to_string())
        .await
        .json();
    assert_eq!(shown["entities"].as_array().unwrap().len(), 3, "{shown}");
    let sample: Value = serde_json::from_str(shown["samples"][0].as_str().unwrap()).unwrap();
    assert!(
        sample["portState"].is_number() && sample["cellStatus"].is_null(),
        "{sample}"
    );
    let record: Value = serde_json::from_str(shown["records"][0].as_str().unwrap()).unwrap();
    assert_eq!(record["totalPower"], json!(1.23), "{record}");
    let problems = shown["problems"].to_string();
    assert!(problems.contains("97"), "{problems}");
    assert_eq!(platform.look(|books| books.logins), 0);

    made(&world, &body(&platform)).await;
    let again = world.post(path, &body(&platform).to_string()).await;
    assert_eq!(again.error(), (409, "exists".to_owned()));
    // A key never goes to a platform it was not given for.
    let mut moved = body(&platform);
    moved.as_object_mut().unwrap().remove("key");
    moved["url"] = json!("http://127.0.0.1:9");
    let answer = world.put("/api/v1/reporting/city", &moved.to_string()).await;
    assert!(answer.text.contains("no key"), "{}", answer.text);
    assert_eq!(
        world.delete("/api/v1/reporting/city").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        world.get("/api/v1/reporting/city").await.status,
        StatusCode::NOT_FOUND
    );
    let (status, _) = hear(
        &world,
        http::Request::post("/reporting/city/risk")
            .body(Vec::new())
            .unwrap(),
    )
    .await;
    assert_eq!(status, 404);
}
