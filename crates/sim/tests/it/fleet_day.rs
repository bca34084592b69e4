//! A day of two operators and their authority, both halves of the dialect: they report with mistakes, are told what
//! failed and what is dangerous, and in the end both sides' books say the same, to the last record. The authority's books
//! are kept in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dialects::supervision::callback::{self, Called};
use dialects::supervision::definition::{Definition, built_in};
use dialects::supervision::error::Refusal;
use dialects::supervision::request::{self, Asked, Context, Headers, List};
use dialects::supervision::server::{self, Answer};
use http::{Request, Response, StatusCode};
use jiff::tz::TimeZone;
use model::outbox::{Content, Notice};
use model::oversight::{
    AddressChange, Callback, ChargeRecord, Code, Entity, EntityKind, FailedState, FindingKind, Operator,
    OperatorCode, Sample,
};
use model::secret::Secret;
use model::settings::SupervisionSettings;
use model::time::{Clock, Millis, Monotonic, Now, Timestamp};
use oversight::{Authority, Refused, Rules, Told};
use sim::fleet::{Call, Fate, FleetSettings, Mischief, Reporter, ReporterSettings};
use store::oversight::RecordFilter;
use store::{Outbox, Oversight, Sqlite};

/// 2026-11-23 06:00 in Hangzhou.
const MORNING: Timestamp = Timestamp(1_795_384_800_000);
const DAY: i64 = 24 * 3_600_000;
const CODES: [&str; 2] = ["MA005DBW1", "MA27XG3C0"];

struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Now {
        let ms = self.0.load(Ordering::Relaxed);
        Now {
            wall: Timestamp(MORNING.0 + ms),
            monotonic: Monotonic(ms),
        }
    }
}

/// The server half of the dialect in front of an authority's books.
struct Platform {
    authority: Arc<Authority>,
    store: Arc<Sqlite>,
    clock: Arc<Moved>,
    zone: TimeZone,
    secrets: BTreeMap<OperatorCode, Secret>,
    tokens: BTreeMap<String, OperatorCode>,
    person_key: Secret,
    /// Calls that were not believed.
    denied: usize,
}

impl Platform {
    async fn open(clock: &Arc<Moved>) -> Self {
        let store = Sqlite::in_memory().unwrap();
        let settings = SupervisionSettings::default();
        let rules = Rules::built_in();
        let authority = Authority::open(store.clone(), store.clone(), &settings, rules, clock.clone());
        let authority = authority.await.unwrap();
        let mut secrets = BTreeMap::new();
        for code in CODES {
            let mut operator = Operator::new(OperatorCode::new(code).unwrap(), code);
            operator.local = true;
            secrets.insert(operator.id.clone(), Secret::new(format!("secret of {code}")));
            authority.put_operator(operator).await.unwrap();
        }
        Self {
            authority,
            store,
            clock: clock.clone(),
            zone: TimeZone::get(&settings.time_zone).unwrap(),
            secrets,
            tokens: BTreeMap::new(),
            person_key: Secret::new("person"),
            denied: 0,
        }
    }

    async fn answer(&mut self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let answered = self.answered(request).await;
        let answer = answered.unwrap_or_else(|refusal| {
            self.denied += usize::from(refusal.status == 401);
            server::refused(built_in(), &refusal, false)
        });
        let mut response = Response::new(answer.body);
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
        response
    }

    async fn answered(&mut self, request: &Request<Vec<u8>>) -> Result<Answer, Refusal> {
        let definition = built_in();
        let now = self.clock.now().wall;
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let endpoint = definition.endpoint(request.method(), path)?;
        let headers = Headers::read(definition, endpoint, request.headers(), query)?;
        headers.check_clock(definition, now, &self.zone, Millis(300_000))?;
        let denied = || Refusal::permission(definition, "who are you");
        let operator = self.authority.operator(&headers.operator).ok_or_else(denied)?;
        let secret = &self.secrets[&operator.id];
        if !headers.are_signed_by(definition, operator.digest, secret) {
            return Err(denied());
        }
        let Some(token) = headers.token.as_deref() else {
            let token = format!("token-{}", self.tokens.len());
            self.tokens.insert(token.clone(), operator.id.clone());
            return Ok(server::token(definition, &token));
        };
        if self.tokens.get(token) != Some(&operator.id) {
            return Err(denied());
        }
        let context = self.context(&operator, now);
        let asked = request::read(endpoint, query, request.body(), &context)?;
        self.decided(definition, asked, &operator, path, now).await
    }

    fn context<'a>(&'a self, operator: &'a Operator, now: Timestamp) -> Context<'a> {
        Context {
            definition: built_in(),
            operator,
            zone: &self.zone,
            now,
            person_key: &self.person_key,
        }
    }

    async fn decided(
        &self,
        definition: &Definition,
        asked: Asked,
        operator: &Operator,
        path: &str,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let (authority, code) = (&self.authority, &operator.id);
        match asked {
            Asked::Register(told) => authority
                .register(code, of(told))
                .await
                .map(drop)
                .map_err(refusal)?,
            Asked::ReportList(list) => return self.samples(definition, list, code, path).await,
            Asked::RecordList(list) => return self.records(definition, list, code).await,
            Asked::ReportAgain { failed, told } => {
                let outcome = authority.report_again(code, &failed, of(told)).await;
                outcome.map_err(refusal)?;
            }
            Asked::SetAddress { callback, url } => {
                let change = AddressChange {
                    callback,
                    old: None,
                    new: Some(url),
                    at: now,
                    from: None,
                    by: code.to_string(),
                };
                authority.set_address(code, change).await.map_err(refusal)?;
            }
            other @ (Asked::Token
            | Asked::Modify(_)
            | Asked::Remove { .. }
            | Asked::Page { .. }
            | Asked::Report(_)
            | Asked::Record(_)
            | Asked::RecordPage { .. }
            | Asked::ClearAddress { .. }) => panic!("nobody asks {other:?}"),
        }
        Ok(server::done(definition))
    }

    async fn samples(
        &self,
        definition: &Definition,
        list: List<Sample>,
        code: &OperatorCode,
        path: &str,
    ) -> Result<Answer, Refusal> {
        let told: Vec<_> = list.into_iter().map(|entry| of(entry.unwrap())).collect();
        let ports: Vec<Code> = told.iter().map(|told| told.what.port.clone()).collect();
        let outcomes = self.authority.report(code, told, path).await.map_err(refusal)?;
        Ok(answered(definition, &ports, outcomes))
    }

    async fn records(
        &self,
        definition: &Definition,
        list: List<ChargeRecord>,
        code: &OperatorCode,
    ) -> Result<Answer, Refusal> {
        let told: Vec<_> = list.into_iter().map(|entry| of(entry.unwrap())).collect();
        let ports: Vec<Code> = told.iter().map(|told| told.what.port.clone()).collect();
        let outcomes = self.authority.records(code, told).await.map_err(refusal)?;
        Ok(answered(definition, &ports, outcomes))
    }

    /// Brings what is owed; says whether anything still is.
    async fn tell(&mut self, reporters: &mut [Reporter]) -> bool {
        self.authority.catch_up().await.unwrap();
        let now = self.clock.now().wall;
        let mut is_owed = false;
        let mut waiting = self.store.parcels(None, None, 100_000).await.unwrap();
        waiting.reverse();
        for (_, parcel) in waiting {
            let (operator, notice) = match &parcel.content {
                Content::Notice { operator, notice } => (operator, notice),
                // Of ports that nobody ever registers.
                Content::PastSample { port, .. } if port.as_str().starts_with('x') => continue,
                other @ (Content::PastSample { .. } | Content::Webhook { .. } | Content::Email { .. }) => {
                    panic!("{other:?}")
                }
            };
            let operator = self.authority.operator(operator).unwrap();
            let callback = match notice {
                Notice::Failed(_) => Callback::ReportFailed,
                Notice::Risk(_) => Callback::Risk,
            };
            let url = &operator.addresses[&callback].url;
            let request = callback::notice(&self.called(&operator, now), url, notice).unwrap();
            let answer = call(reporters, &operator.id, &request, now);
            let is_taken = answer.is_some_and(|answer| callback::taken(built_in(), &answer).is_ok());
            self.authority.called(&operator.id, callback, is_taken);
            if is_taken {
                self.store.delete_parcel(&parcel.id).await.unwrap();
            } else {
                is_owed = true;
            }
        }
        is_owed
    }

    fn called<'a>(&'a self, operator: &'a Operator, now: Timestamp) -> Called<'a> {
        Called {
            definition: built_in(),
            operator,
            secret: &self.secrets[&operator.id],
            token: &self.person_key,
            zone: &self.zone,
            now,
        }
    }

    /// Asks an operator how a port was, and compares with what it said of itself.
    async fn ask_for_one(&self, reporters: &mut [Reporter]) {
        let now = self.clock.now().wall;
        for code in self.secrets.keys() {
            let operator = self.authority.operator(code).unwrap();
            let port = match self
                .authority
                .page(code, EntityKind::Port, 1, 1)
                .await
                .unwrap()
                .list
                .first()
            {
                Some(port) => port.id.clone(),
                None => continue,
            };
            let kept = self
                .store
                .samples(code, &port, Timestamp(now.0 - DAY), now, 10_000)
                .await
                .unwrap();
            let Some(last) = kept.last() else { continue };
            let Some(address) = operator.addresses.get(&Callback::PastSample) else {
                continue;
            };
            let called = self.called(&operator, now);
            let request = callback::past_sample(&called, &address.url, &port, last.at).unwrap();
            let answer = call(reporters, code, &request, now);
            let told =
                answer.and_then(|answer| callback::told(&answer, &self.context(&operator, now)).unwrap());
            // What it was not told that it arrived, it does not know yet.
            if let Some(told) = told.filter(|told| told.what.at == last.at) {
                assert_eq!(told.what, *last);
            }
        }
    }
}

fn of<T>(told: request::Told<T>) -> Told<T> {
    assert!(told.findings.is_empty(), "{:?}", told.findings);
    Told {
        what: told.what,
        findings: told.findings,
        body: told.body,
    }
}

fn refusal(refused: Refused) -> Refusal {
    let status = match &refused {
        Refused::Unknown { .. } => 404,
        Refused::Taken { .. } | Refused::HasChildren { .. } => 409,
        Refused::GivenUp { .. } => 410,
        Refused::TooMany { .. } => 413,
        Refused::Foreign { .. } => 403,
        Refused::Store(error) => panic!("{error}"),
        Refused::Missing { .. } | Refused::Unfit { .. } => 400,
    };
    Refusal::new(status, refused.to_string())
}

fn answered(definition: &Definition, ports: &[Code], outcomes: Vec<Result<(), Refused>>) -> Answer {
    let all = outcomes.len();
    let refused: Vec<request::Refused> = outcomes
        .into_iter()
        .enumerate()
        .filter_map(|(index, outcome)| {
            Some(request::Refused {
                index,
                port: Some(ports[index].to_string()),
                refusal: refusal(outcome.err()?),
            })
        })
        .collect();
    server::list(definition, all, &refused, false)
}

fn call(
    reporters: &mut [Reporter],
    operator: &OperatorCode,
    request: &Request<Vec<u8>>,
    now: Timestamp,
) -> Option<Response<Vec<u8>>> {
    let mut found = reporters.iter_mut();
    let reporter = found
        .find(|reporter| reporter.settings().fleet.operator == *operator)
        .unwrap();
    let callback = reporter.is_called(request.uri().path()).unwrap();
    reporter.handle_call(callback, request, now)
}

fn reporters(seed: u64) -> Vec<Reporter> {
    let reporter = |code: &str| {
        let settings = ReporterSettings {
            fleet: FleetSettings {
                operator: OperatorCode::new(code).unwrap(),
                stations: 3,
                ports: 12,
                seed,
                time_zone: "Asia/Shanghai".to_owned(),
                mishaps: 150_000,
            },
            secret: Secret::new(format!("secret of {code}")),
            url: "http://platform".to_owned(),
            hears_at: Some("http://operator".to_owned()),
            mischief: Mischief::all(25),
        };
        Reporter::new(settings, MORNING).unwrap()
    };
    CODES.map(reporter).into()
}

/// Everything that an operator wants to say by now.
async fn report(platform: &mut Platform, reporter: &mut Reporter) {
    let now = platform.clock.now();
    while let Some(Call { request, fate }) = reporter.poll_call(now) {
        if fate == Fate::Lost {
            reporter.handle_failure(now);
            continue;
        }
        let answer = platform.answer(&request).await;
        if fate == Fate::Doubled {
            platform.answer(&request).await;
        }
        if fate == Fate::Unanswered {
            reporter.handle_failure(now);
        } else {
            reporter.handle_answer(&answer, now);
        }
    }
}

async fn day(seed: u64) {
    println!("seed {seed}");
    let clock = Arc::new(Moved(AtomicI64::new(0)));
    let mut platform = Platform::open(&clock).await;
    let mut reporters = reporters(seed);
    for at in (0..DAY).step_by(5_000) {
        clock.0.store(at, Ordering::Relaxed);
        for reporter in &mut reporters {
            reporter.advance(clock.now().wall);
            report(&mut platform, reporter).await;
        }
        platform.authority.catch_up().await.unwrap();
        if at % 30_000 == 0 {
            platform.tell(&mut reporters).await;
        }
        if at % 3_600_000 == 0 {
            platform.ask_for_one(&mut reporters).await;
        }
    }
    // The stations stand still until everything is said.
    let mut is_owed = true;
    for minute in 0..600 {
        clock.0.store(DAY + minute * 60_000, Ordering::Relaxed);
        for reporter in &mut reporters {
            reporter.let_go();
            report(&mut platform, reporter).await;
        }
        is_owed = platform.tell(&mut reporters).await;
        if !is_owed && reporters.iter().all(|reporter| reporter.waiting() == 0) {
            break;
        }
    }
    assert!(!is_owed, "something is owed to the end");
    for reporter in &reporters {
        agree(&platform, reporter).await;
    }
    let mut doubled = 0;
    for reporter in &reporters {
        let code = &reporter.settings().fleet.operator;
        let days = platform
            .store
            .quality_of(code, "2026-11-23", "2026-11-24")
            .await
            .unwrap();
        let odd = days
            .iter()
            .filter_map(|(_, quality)| quality.findings.get(&FindingKind::Duplicate));
        doubled += odd.sum::<u64>();
    }
    assert!(
        platform.denied > 20 && doubled > 20,
        "{} calls were not believed, {doubled} samples came twice",
        platform.denied
    );
}

async fn agree(platform: &Platform, reporter: &Reporter) {
    let (store, books, code) = (
        &platform.store,
        reporter.books(),
        &reporter.settings().fleet.operator,
    );
    assert_eq!(reporter.waiting(), 0);
    assert_eq!(reporter.refused(), [""; 0]);
    assert_eq!(u64::try_from(books.samples().count()).unwrap(), books.count());
    let (from, to) = (MORNING, MORNING + Millis(2 * DAY));

    let mut registered = 0;
    for kind in EntityKind::ALL {
        let page = platform.authority.page(code, kind, 1, 100).await.unwrap();
        let own: Vec<&Entity> = reporter
            .entities()
            .iter()
            .filter(|entity| entity.kind == kind)
            .collect();
        assert_eq!(page.total, u64::try_from(own.len()).unwrap());
        for (kept, own) in page.list.iter().zip(own) {
            assert!(kept.says_the_same(own), "{kept:?} {own:?}");
            registered += 1;
        }
    }
    assert_eq!(registered, reporter.entities().len());

    let mut own = BTreeMap::<&Code, Vec<&Sample>>::new();
    for sample in books.samples() {
        own.entry(&sample.port).or_default().push(sample);
    }
    let ports = reporter
        .entities()
        .iter()
        .filter(|entity| entity.kind == EntityKind::Port);
    let mut samples = 0;
    for port in ports {
        let mut kept = store.samples(code, &port.id, from, to, 100_000).await.unwrap();
        // Of one time the last counts; the others say the same.
        kept.dedup();
        let own = own.remove(&port.id).unwrap_or_default();
        assert!(kept.iter().eq(own.iter().copied()), "{code} {}", port.id);
        samples += kept.len();
    }
    assert!(own.is_empty(), "{own:?}");

    let filter = RecordFilter {
        operator: Some(code.clone()),
        ..RecordFilter::default()
    };
    let kept = store.records(&filter, 0, 100_000).await.unwrap();
    assert!(kept.iter().all(|kept| !kept.is_orphan));
    let kept: BTreeMap<Code, ChargeRecord> = kept
        .into_iter()
        .map(|kept| (kept.record.charge.clone(), kept.record))
        .collect();
    assert_eq!(&kept, books.records());

    let failures = store.failures(Some(code), None, None, 100_000).await.unwrap();
    assert_eq!(failures.len(), books.failures.len());
    let mut states = BTreeSet::new();
    for (_, failed) in failures {
        let known = books.failures[&failed.id];
        assert_eq!(
            known.is_repaired,
            failed.state == FailedState::Repaired,
            "{failed:?}"
        );
        assert_eq!(known.count, i64::from(failed.count), "{failed:?}");
        states.insert(format!("{:?}", failed.state));
    }
    assert_eq!(
        states.into_iter().collect::<Vec<_>>(),
        ["Lost", "Open", "Repaired"]
    );

    let warnings = store.warnings(Some(code), false, None, 100_000).await.unwrap();
    for (_, warning) in &warnings {
        let heard = books
            .warnings
            .iter()
            .any(|heard| heard.port == warning.port && heard.at == warning.raised);
        assert!(heard, "{warning:?}");
    }
    println!(
        "{code}: {} calls, {samples} samples, {} records, {} failures, {} warnings, {} of {} past samples",
        reporter.counts().calls,
        kept.len(),
        books.failures.len(),
        warnings.len(),
        books.answered,
        books.asked,
    );
    assert!(samples > 3_000 && kept.len() > 20 && warnings.len() > 2 && books.answered > 10);
}

#[tokio::test]
async fn both_sides_agree_after_a_day_full_of_mistakes() {
    for seed in [1, 2] {
        day(seed).await;
    }
}
