//! A day of two operators and their platform, both halves of the dialect: they report with mistakes, are told what
//! failed and what is dangerous, and in the end both sides' books say the same, to the last record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dialects::supervision::callback::{self, Called};
use dialects::supervision::definition::{Definition, built_in};
use dialects::supervision::error::Refusal;
use dialects::supervision::request::{self, Asked, Context, Headers, Told};
use dialects::supervision::server::{self, Answer};
use http::{Request, Response, StatusCode};
use jiff::tz::TimeZone;
use model::outbox::Notice;
use model::oversight::{
    AddressChange, Callback, ChargeRecord, Code, Entity, EntityKind, Failed, FailedState, Operator,
    OperatorCode, RiskLevel, Sample, Warning,
};
use model::secret::Secret;
use model::time::{Clock, Millis, Monotonic, Now, Timestamp};
use sim::fleet::{Call, Fate, FleetSettings, Mischief, Reporter, ReporterSettings, Warned};

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

/// The server half of the dialect in front of books that are kept in the plainest way.
struct Platform {
    clock: Arc<Moved>,
    zone: TimeZone,
    operators: BTreeMap<OperatorCode, Books>,
    person_key: Secret,
    /// Calls that were not believed.
    denied: usize,
    /// Samples that were there already.
    doubled: usize,
    failures: u32,
    owed: Vec<(OperatorCode, Notice)>,
}

struct Books {
    operator: Operator,
    secret: Secret,
    tokens: BTreeSet<String>,
    entities: BTreeMap<(EntityKind, Code), Entity>,
    samples: BTreeMap<(Code, Timestamp), Sample>,
    records: BTreeMap<Code, ChargeRecord>,
    failures: BTreeMap<Code, Failed>,
    warnings: Vec<Warning>,
}

impl Books {
    fn new(code: &str) -> (OperatorCode, Self) {
        let mut operator = Operator::new(OperatorCode::new(code).unwrap(), code);
        operator.local = true;
        let books = Self {
            secret: Secret::new(format!("secret of {code}")),
            operator,
            tokens: BTreeSet::new(),
            entities: BTreeMap::new(),
            samples: BTreeMap::new(),
            records: BTreeMap::new(),
            failures: BTreeMap::new(),
            warnings: Vec::new(),
        };
        (books.operator.id.clone(), books)
    }

    fn has(&self, port: &Code) -> bool {
        self.entities.contains_key(&(EntityKind::Port, port.clone()))
    }
}

impl Platform {
    fn new(clock: &Arc<Moved>) -> Self {
        Self {
            clock: clock.clone(),
            zone: TimeZone::get("Asia/Shanghai").unwrap(),
            operators: CODES.map(Books::new).into(),
            person_key: Secret::new("person"),
            denied: 0,
            doubled: 0,
            failures: 0,
            owed: Vec::new(),
        }
    }

    fn answer(&mut self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let answer = self.answered(request).unwrap_or_else(|refusal| {
            self.denied += usize::from(refusal.status == 401);
            server::refused(built_in(), &refusal, false)
        });
        let mut response = Response::new(answer.body);
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
        response
    }

    fn answered(&mut self, request: &Request<Vec<u8>>) -> Result<Answer, Refusal> {
        let definition = built_in();
        let now = self.clock.now().wall;
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let endpoint = definition.endpoint(request.method(), path)?;
        let headers = Headers::read(definition, endpoint, request.headers(), query)?;
        headers.check_clock(definition, now, &self.zone, Millis(300_000))?;
        let denied = || Refusal::permission(definition, "who are you");
        let books = self.operators.get_mut(&headers.operator).ok_or_else(denied)?;
        if !headers.are_signed_by(definition, books.operator.digest, &books.secret) {
            return Err(denied());
        }
        let Some(token) = headers.token.as_deref() else {
            let token = format!("token-{}", books.tokens.len());
            books.tokens.insert(token.clone());
            return Ok(server::token(definition, &token));
        };
        if !books.tokens.contains(token) {
            return Err(denied());
        }
        let context = Context {
            definition,
            operator: &books.operator,
            zone: &self.zone,
            now,
            person_key: &self.person_key,
        };
        let asked = request::read(endpoint, query, request.body(), &context)?;
        self.decided(definition, asked, &headers.operator, now)
    }

    fn decided(
        &mut self,
        definition: &Definition,
        asked: Asked,
        code: &OperatorCode,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        match asked {
            Asked::Register(told) => {
                let books = self.operators.get_mut(code).unwrap();
                let entity = exact(told).what;
                if let (Some(kind), Some(parent)) = (entity.kind.parent(), &entity.parent) {
                    assert!(books.entities.contains_key(&(kind, parent.clone())), "{entity:?}");
                }
                books.entities.insert((entity.kind, entity.id.clone()), entity);
            }
            Asked::ReportList(list) => {
                let told = list.into_iter().map(|entry| exact(entry.unwrap()));
                let outcomes = told.map(|told| {
                    let port = told.what.port.to_string();
                    (port, self.sample(code, told, None, now))
                });
                return Ok(answered(definition, outcomes.collect()));
            }
            Asked::ReportAgain { failed, told } => self.sample(code, exact(told), Some(&failed), now)?,
            Asked::RecordList(list) => {
                let books = self.operators.get_mut(code).unwrap();
                let told = list.into_iter().map(|entry| exact(entry.unwrap()).what);
                let outcomes = told.map(|record| {
                    assert!(books.has(&record.port), "{record:?}");
                    let port = record.port.to_string();
                    let known = books
                        .records
                        .entry(record.charge.clone())
                        .or_insert_with(|| record.clone());
                    let outcome = if *known == record {
                        Ok(())
                    } else {
                        Err(Refusal::new(409, "another one"))
                    };
                    (port, outcome)
                });
                return Ok(answered(definition, outcomes.collect()));
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
                self.operators.get_mut(code).unwrap().operator.set_address(change);
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

    /// Takes a sample of a known port; another one fails, at most three times.
    fn sample(
        &mut self,
        code: &OperatorCode,
        told: Told<Sample>,
        repairs: Option<&Code>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let books = self.operators.get_mut(code).unwrap();
        let sample = told.what;
        if books.has(&sample.port) {
            if let Some(failed) = repairs.and_then(|id| books.failures.get_mut(id)) {
                failed.state = FailedState::Repaired;
            }
            if sample.error == Some(2008) {
                let warning = warning(code, &sample, books.warnings.len(), now);
                self.owed
                    .push((code.clone(), Notice::Risk(Box::new(warning.clone()))));
                books.warnings.push(warning);
            }
            let key = (sample.port.clone(), sample.at);
            if let Some(known) = books.samples.insert(key, sample.clone()) {
                assert_eq!(known, sample);
                self.doubled += 1;
            }
            return Ok(());
        }
        let refusal = Refusal::new(404, "unknown port");
        let id = match repairs {
            Some(id) => id.clone(),
            None => {
                self.failures += 1;
                Code::new(&format!("failed-{}", self.failures)).unwrap()
            }
        };
        let failed = books.failures.entry(id.clone()).or_insert_with(|| Failed {
            id,
            operator: code.clone(),
            port: Some(sample.port.clone()),
            body: told.body,
            path: "/platform/report/chargingMetaInfoList".to_owned(),
            first: now,
            last: now,
            count: 0,
            state: FailedState::Open,
            status: refusal.status,
            message: refusal.message.clone(),
        });
        if failed.state != FailedState::Open {
            return Err(Refusal::new(410, "given up"));
        }
        failed.count += 1;
        if failed.count == Failed::MOST {
            failed.state = FailedState::Lost;
        }
        self.owed
            .push((code.clone(), Notice::Failed(Box::new(failed.clone()))));
        Err(refusal)
    }

    /// Brings what is owed; what is not taken stays owed.
    fn tell(&mut self, reporters: &mut [Reporter]) {
        let now = self.clock.now().wall;
        for (code, notice) in std::mem::take(&mut self.owed) {
            let callback = match &notice {
                Notice::Failed(_) => Callback::ReportFailed,
                Notice::Risk(_) => Callback::Risk,
            };
            let called = self.called(&code, now);
            let url = &called.operator.addresses[&callback].url;
            let request = callback::notice(&called, url, &notice).unwrap();
            let answer = call(reporters, &code, &request, now);
            if answer.is_none_or(|answer| callback::taken(built_in(), &answer).is_err()) {
                self.owed.push((code, notice));
            }
        }
    }

    fn called<'a>(&'a self, code: &OperatorCode, now: Timestamp) -> Called<'a> {
        let books = &self.operators[code];
        Called {
            definition: built_in(),
            operator: &books.operator,
            secret: &books.secret,
            token: &self.person_key,
            zone: &self.zone,
            now,
        }
    }

    /// Asks operators how a port was, and compares with what they reported.
    fn ask(&self, reporters: &mut [Reporter]) {
        let now = self.clock.now().wall;
        for (code, books) in &self.operators {
            let (Some(last), Some(address)) = (
                books.samples.values().max_by_key(|sample| sample.at),
                books.operator.addresses.get(&Callback::PastSample),
            ) else {
                continue;
            };
            let called = self.called(code, now);
            let request = callback::past_sample(&called, &address.url, &last.port, last.at).unwrap();
            let context = Context {
                definition: built_in(),
                operator: &books.operator,
                zone: &self.zone,
                now,
                person_key: &self.person_key,
            };
            if let Some(answer) = call(reporters, code, &request, now)
                && let Some(told) = callback::told(&answer, &context).unwrap()
                && told.what.at == last.at
            {
                // What it was not told that it arrived, it does not know yet.
                assert_eq!(told.what, *last);
            }
        }
    }
}

/// What operators of this kind say has nothing odd about it.
fn exact<T>(told: Told<T>) -> Told<T> {
    assert!(told.findings.is_empty(), "{:?}", told.findings);
    told
}

fn warning(code: &OperatorCode, sample: &Sample, number: usize, now: Timestamp) -> Warning {
    Warning {
        id: Code::new(&format!("warning-{number}")).unwrap(),
        operator: code.clone(),
        port: sample.port.clone(),
        rule: "smoke".to_owned(),
        level: RiskLevel::High,
        reason: format!("smoke at {}", sample.port),
        raised: Timestamp::from_seconds(now.as_seconds()),
        told: None,
        cleared: None,
        acknowledged: None,
        escalated: false,
        samples: vec![sample.clone()],
    }
}

fn answered(definition: &Definition, outcomes: Vec<(String, Result<(), Refusal>)>) -> Answer {
    let all = outcomes.len();
    let refused: Vec<request::Refused> = outcomes
        .into_iter()
        .enumerate()
        .filter_map(|(index, (port, outcome))| {
            Some(request::Refused {
                index,
                port: Some(port),
                refusal: outcome.err()?,
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
fn report(platform: &mut Platform, reporter: &mut Reporter) {
    let now = platform.clock.now();
    while let Some(Call { request, fate }) = reporter.poll_call(now) {
        if fate == Fate::Lost {
            reporter.handle_failure(now);
            continue;
        }
        let answer = platform.answer(&request);
        if fate == Fate::Doubled {
            platform.answer(&request);
        }
        if fate == Fate::Unanswered {
            reporter.handle_failure(now);
        } else {
            reporter.handle_answer(&answer, now);
        }
    }
}

fn day(seed: u64) {
    println!("seed {seed}");
    let clock = Arc::new(Moved(AtomicI64::new(0)));
    let mut platform = Platform::new(&clock);
    let mut reporters = reporters(seed);
    for at in (0..DAY).step_by(5_000) {
        clock.0.store(at, Ordering::Relaxed);
        for reporter in &mut reporters {
            reporter.advance(clock.now().wall);
            report(&mut platform, reporter);
        }
        platform.tell(&mut reporters);
        if at % 3_600_000 == 0 {
            platform.ask(&mut reporters);
        }
    }
    // The stations stand still until everything is said.
    let is_done = (0..600).any(|minute| {
        clock.0.store(DAY + minute * 60_000, Ordering::Relaxed);
        for reporter in &mut reporters {
            reporter.let_go();
            report(&mut platform, reporter);
        }
        platform.tell(&mut reporters);
        platform.owed.is_empty() && reporters.iter().all(|reporter| reporter.waiting() == 0)
    });
    assert!(is_done, "something is owed to the end");
    for reporter in &reporters {
        agree(&platform.operators[&reporter.settings().fleet.operator], reporter);
    }
    let (denied, doubled) = (platform.denied, platform.doubled);
    assert!(
        denied > 20 && doubled > 20,
        "{denied} calls were not believed, {doubled} samples came twice"
    );
}

fn agree(books: &Books, reporter: &Reporter) {
    let own = reporter.books();
    assert_eq!(reporter.refused(), [""; 0]);

    assert_eq!(books.entities.len(), reporter.entities().len());
    for entity in reporter.entities() {
        let kept = &books.entities[&(entity.kind, entity.id.clone())];
        assert!(kept.says_the_same(entity), "{kept:?} {entity:?}");
    }

    let mut mine: Vec<&Sample> = own.samples().collect();
    mine.sort_by_key(|sample| (&sample.port, sample.at));
    assert!(books.samples.values().eq(mine), "samples differ");
    assert_eq!(own.count(), u64::try_from(books.samples.len()).unwrap());
    assert_eq!(&books.records, own.records());

    let mut states = BTreeSet::new();
    assert_eq!(books.failures.len(), own.failures.len());
    for (id, failed) in &books.failures {
        let known = own.failures[id];
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

    assert!(own.warnings.len() <= books.warnings.len());
    for warning in &books.warnings {
        let is_it = |heard: &Warned| heard.port == warning.port && heard.at == warning.raised;
        assert!(own.warnings.iter().any(is_it), "{warning:?}");
    }
    println!(
        "{}: {} calls, {} samples, {} records, {} failures, {} warnings, {} of {} past samples",
        books.operator.id,
        reporter.counts().calls,
        books.samples.len(),
        books.records.len(),
        books.failures.len(),
        books.warnings.len(),
        own.answered,
        own.asked,
    );
    assert!(books.samples.len() > 3_000 && books.records.len() > 20 && own.answered > 10);
}

#[test]
fn both_sides_agree_after_a_day_full_of_mistakes() {
    for seed in [1, 2] {
        day(seed);
    }
}
