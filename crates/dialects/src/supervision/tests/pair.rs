//! Both halves against each other, without sockets: a platform of a few lines, and an operator that reports.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use model::oversight::{
    Callback, ChargeRecord, Code, Decimal, Digest, Entity, EntityKind, Operator, PortState, Sample, Value,
};
use model::secret::Secret;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::PerMille;

use super::super::client::{Account, Event, Outcome, Uploader, Work, in_step};
use super::super::definition::{Definition, built_in};
use super::super::error::Refusal;
use super::super::request::{self, Asked, Context, Endpoint, Headers, Refused};
use super::super::server::{self, Answer};
use super::{NOW, operator, secret, shanghai};
use crate::Failure;

const MIDDLE: PerMille = PerMille(500);

/// What a platform knows, and how it misbehaves.
struct Platform {
    operator: Operator,
    token: String,
    logins: usize,
    entities: BTreeMap<(EntityKind, Code), Entity>,
    samples: Vec<Sample>,
    again: Vec<Code>,
    records: Vec<ChargeRecord>,
    addresses: BTreeMap<Callback, String>,
    /// Answers that are given instead of the right ones.
    faults: VecDeque<Answer>,
    asked: Vec<Endpoint>,
}

impl Platform {
    fn new() -> Self {
        Self {
            operator: operator("MA005DBW1"),
            token: "token-0".to_owned(),
            logins: 0,
            entities: BTreeMap::new(),
            samples: Vec::new(),
            again: Vec::new(),
            records: Vec::new(),
            addresses: BTreeMap::new(),
            faults: VecDeque::new(),
            asked: Vec::new(),
        }
    }

    fn answer(&mut self, request: &http::Request<Vec<u8>>, now: Now) -> http::Response<Vec<u8>> {
        let definition = built_in();
        let answer = self
            .judge(definition, request, now)
            .unwrap_or_else(|refusal| server::refused(definition, &refusal, false));
        let mut response = http::Response::builder().status(answer.status);
        if let Some(after) = answer.retry_after_s {
            response = response.header("retry-after", after.to_string());
        }
        response.body(answer.body).unwrap()
    }

    fn judge(
        &mut self,
        definition: &Definition,
        request: &http::Request<Vec<u8>>,
        now: Now,
    ) -> Result<Answer, Refusal> {
        let path = request.uri().path();
        let endpoint = definition.endpoint(request.method(), path)?;
        self.asked.push(endpoint);
        if let Some(fault) = self.faults.pop_front() {
            return Ok(fault);
        }
        let query = request.uri().query().unwrap_or_default();
        let headers = Headers::read(definition, endpoint, request.headers(), query)?;
        headers.check_clock(definition, now.wall, &shanghai(), Millis(300_000))?;
        let is_token = headers.token.as_deref().is_none_or(|token| token == self.token);
        if !is_token || !headers.are_signed_by(definition, Digest::Sha256, &secret()) {
            return Err(Refusal::permission(definition, "wrong signature or token"));
        }
        let operator = self.operator.clone();
        let context = Context {
            definition,
            operator: &operator,
            zone: &shanghai(),
            now: now.wall,
            person_key: &secret(),
        };
        let asked = request::read(endpoint, query, request.body(), &context)?;
        self.take(definition, asked)
    }

    fn take(&mut self, definition: &Definition, asked: Asked) -> Result<Answer, Refusal> {
        let done = Ok(server::done(definition));
        match asked {
            Asked::Token => {
                self.logins += 1;
                self.token = format!("token-{}", self.logins);
                return Ok(server::token(definition, &self.token));
            }
            Asked::Register(told) => {
                let key = (told.what.kind, told.what.id.clone());
                let known = self.entities.get(&key);
                if known.is_some_and(|known| !known.says_the_same(&told.what)) {
                    return Err(Refusal::new(409, "is there with other content"));
                }
                let is_missing = |parent: &Code| {
                    let kind = told.what.kind.parent().unwrap();
                    !self.entities.contains_key(&(kind, parent.clone()))
                };
                if told.what.parent.as_ref().is_some_and(is_missing) {
                    return Err(Refusal::new(404, "the parent is not known"));
                }
                self.entities.insert(key, told.what);
            }
            Asked::Modify(told) => {
                let known = self.entities.get_mut(&(told.what.kind, told.what.id.clone()));
                let known = known.ok_or_else(|| Refusal::new(404, "is not known"))?;
                known.fields.extend(told.what.fields);
            }
            Asked::Remove { kind, id } => {
                let gone = self.entities.remove(&(kind, id));
                gone.ok_or_else(|| Refusal::new(404, "is not known"))?;
            }
            Asked::ReportList(entries) => {
                let of = entries.len();
                let mut refused = Vec::new();
                for (index, entry) in entries.into_iter().enumerate() {
                    let told = entry.unwrap();
                    let port = told.what.port.clone();
                    if self.entities.contains_key(&(EntityKind::Port, port.clone())) {
                        self.samples.push(told.what);
                    } else {
                        refused.push(Refused {
                            index,
                            port: Some(port.to_string()),
                            refusal: Refusal::new(404, "cellId: unknown port"),
                        });
                    }
                }
                return Ok(server::list(definition, of, &refused, false));
            }
            Asked::ReportAgain { failed, told } => {
                self.again.push(failed);
                self.samples.push(told.what);
            }
            Asked::RecordList(entries) => {
                self.records.extend(entries.into_iter().map(|entry| entry.unwrap().what));
            }
            Asked::SetAddress { callback, url } => {
                self.addresses.insert(callback, url);
            }
            Asked::ClearAddress { callback } => {
                self.addresses.remove(&callback);
            }
            other => panic!("{other:?}"),
        }
        done
    }
}

/// An operator and a platform with time that is stepped.
struct Pair {
    platform: Platform,
    uploader: Uploader,
    now: Now,
}

impl Pair {
    fn new() -> Self {
        let account = Account {
            platform: "https://platform.example/".to_owned(),
            definition: Arc::new(built_in().clone()),
            operator: operator("MA005DBW1").id,
            secret: secret(),
            digest: Digest::Sha256,
            zone: shanghai(),
            token_life: Millis(43_200_000),
        };
        Self {
            platform: Platform::new(),
            uploader: Uploader::new(account),
            now: Now {
                wall: NOW,
                monotonic: Monotonic(0),
            },
        }
    }

    fn give(&mut self, work: Work, is_known: bool) {
        assert!(self.uploader.give(work, is_known).is_ok());
    }

    /// Lets both talk until nothing is due by itself, and gives what happened and how long that took.
    fn run(&mut self) -> (Vec<Event>, Millis) {
        let start = self.now;
        let mut events = Vec::new();
        for _ in 0..1_000 {
            while let Some(request) = self.uploader.poll_request(self.now) {
                let response = self.platform.answer(&request, self.now);
                let _ = self.uploader.handle_reply(&response, self.now, MIDDLE);
            }
            events.extend(std::iter::from_fn(|| self.uploader.poll_event()));
            let Some(at) = self.uploader.poll_timeout(self.now) else { break };
            self.now = self.now.after((at - self.now.monotonic).max(Millis(1)));
        }
        (events, self.now.monotonic - start.monotonic)
    }

    fn did(&mut self, work: Work, is_known: bool) -> Vec<Outcome> {
        self.give(work, is_known);
        let (events, _) = self.run();
        let done = events.into_iter().filter_map(|event| match event {
            Event::Did(outcomes) => Some(outcomes),
            Event::LoggedIn | Event::Trouble(_) => None,
        });
        done.last().unwrap()
    }
}

fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

fn entity(kind: EntityKind, id: &str, parent: Option<&str>) -> Entity {
    let number = |number| Value::Number(Decimal::whole(number));
    let text = |text: &str| Value::Text(text.to_owned());
    let fields: &[(&str, Value)] = match kind {
        EntityKind::Station => &[
            ("owner", text("91310000")),
            ("name", text("Hof")),
            ("address", text("No. 1")),
            ("type", number(4)),
            ("status", number(50)),
            ("longitude", number(116)),
            ("latitude", number(39)),
        ],
        EntityKind::Equipment => &[("type", number(1)), ("category", number(1))],
        EntityKind::Port => &[
            ("type", number(3)),
            ("standard", text("GB/T 20234.2")),
            ("rated_voltage_max", number(230)),
            ("rated_voltage_min", number(220)),
            ("rated_current", number(32)),
            ("rated_power", number(22)),
            ("energy_fee", text("0.6 yuan")),
            ("service_fee", text("0.4 yuan")),
            ("fire_extinguisher", number(1)),
            ("smoke_detector", number(2)),
        ],
    };
    Entity {
        kind,
        id: code(id),
        parent: parent.map(code),
        fields: fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        unknown: BTreeMap::new(),
        told: NOW,
    }
}

fn sample(port: &str, at: Timestamp) -> Sample {
    Sample {
        port: code(port),
        equipment: code("e1"),
        at,
        state: PortState::Charging,
        error: None,
        door: None,
        voltage: Some(Decimal(229_950_000)),
        current: Some(Decimal(16_004_000)),
        power: Some(Decimal(3_680_400)),
        energy: Some(Decimal(1_234_567)),
        temperature: Some(Decimal(-50_000)),
        soc: None,
        duration_s: Some(600),
        charge: None,
        smoke: None,
        more: BTreeMap::new(),
    }
}

fn record(n: u32) -> ChargeRecord {
    ChargeRecord {
        charge: code(&format!("MA005DBW1202202281330{n:06}")),
        port: code("p1"),
        start: NOW - Millis(600_000),
        end: NOW,
        energy: Decimal(1_230_000),
        energy_cost: Decimal(740_000),
        service_cost: Decimal(0),
        start_kind: 2,
        stop_reason: 4,
        average_power: Some(Decimal::whole(3_680)),
        person: Some("never told".to_owned()),
        unknown: BTreeMap::new(),
    }
}

fn site() -> Vec<Entity> {
    vec![
        entity(EntityKind::Station, "s1", None),
        entity(EntityKind::Equipment, "e1", Some("s1")),
        entity(EntityKind::Port, "p1", Some("e1")),
        entity(EntityKind::Port, "p2", Some("e1")),
    ]
}

fn registered() -> Pair {
    let mut pair = Pair::new();
    for (work, is_known) in in_step(&[], &site()) {
        assert_eq!(pair.did(work, is_known), [Outcome::Done]);
    }
    pair
}

#[test]
fn a_site_is_registered_kept_in_step_and_taken_away() {
    let mut pair = registered();
    assert_eq!(pair.platform.logins, 1);
    let known: Vec<_> = pair.platform.entities.values().cloned().collect();
    assert!(site().iter().all(|entity| known.iter().any(|other| other.says_the_same(entity))));
    assert_eq!(in_step(&site(), &site()), []);

    // A port moves to new equipment and changes, another goes.
    let mut wanted = site();
    wanted[3].fields.insert("rated_power".to_owned(), Value::Number(Decimal::whole(11)));
    wanted.remove(2);
    let steps = in_step(&site(), &wanted);
    assert_eq!(steps.len(), 2);
    for (work, is_known) in steps {
        assert_eq!(pair.did(work, is_known), [Outcome::Done]);
    }
    let port = &pair.platform.entities[&(EntityKind::Port, code("p2"))];
    assert_eq!(port.number("rated_power"), Some(Decimal::whole(11)));
    assert_eq!(pair.platform.entities.len(), 3);

    // From the inside out, and what is gone already is gone.
    for (work, is_known) in in_step(&site(), &[]) {
        assert_eq!(pair.did(work, is_known), [Outcome::Done]);
    }
    assert!(pair.platform.entities.is_empty());
}

#[test]
fn what_one_side_forgot_is_told_the_other_way_round() {
    let mut pair = registered();
    let mut changed = site().remove(2);
    changed.fields.insert("rated_power".to_owned(), Value::Number(Decimal::whole(7)));
    // It is there, although nobody remembers having told it.
    assert_eq!(pair.did(Work::Put(changed.clone()), false), [Outcome::Done]);
    // It is not there, although it was told.
    pair.platform.entities.remove(&(EntityKind::Port, code("p1")));
    assert_eq!(pair.did(Work::Put(changed), true), [Outcome::Done]);
    let asked = &pair.platform.asked;
    let (register, modify) = (Endpoint::Register(EntityKind::Port), Endpoint::Modify(EntityKind::Port));
    assert_eq!(asked[asked.len() - 4..], [register, modify, modify, register]);
    // Without its parent it can be neither.
    pair.platform.entities.clear();
    let refused = pair.did(Work::Put(site().remove(2)), true);
    assert!(matches!(refused[..], [Outcome::Refused { status: 404, .. }]), "{refused:?}");
}

#[test]
fn samples_and_records_arrive_as_they_are_rounded() {
    let mut pair = registered();
    assert_eq!(pair.uploader.most(), (12, 30));
    let at = |n: i64| NOW - Millis::from_seconds(n);
    let samples: Vec<_> = (0..12).map(|n| sample(if n == 5 { "p9" } else { "p1" }, at(n))).collect();
    let outcomes = pair.did(Work::Samples(samples), true);
    let refused: Vec<_> = (0..12).filter(|n| outcomes[*n] != Outcome::Done).collect();
    assert_eq!(refused, [5]);
    assert_eq!(
        outcomes[5],
        Outcome::Refused {
            status: 404,
            message: "cellId: unknown port".to_owned()
        }
    );
    let first = &pair.platform.samples[0];
    let expected = Sample {
        voltage: Some(Decimal(230_000_000)),
        current: Some(Decimal(16_000_000)),
        power: Some(Decimal(3_680_000)),
        energy: Some(Decimal(1_230_000)),
        temperature: Some(Decimal(-100_000)),
        ..sample("p1", at(0))
    };
    assert_eq!((pair.platform.samples.len(), first), (11, &expected));

    let outcomes = pair.did(Work::Samples(vec![sample("p9", at(0))]), true);
    assert!(matches!(outcomes[..], [Outcome::Refused { status: 404, .. }]));

    let records: Vec<_> = (0..30).map(record).collect();
    assert_eq!(pair.did(Work::Records(records.clone()), true), vec![Outcome::Done; 30]);
    let told = records.into_iter().map(|record| ChargeRecord { person: None, ..record });
    assert_eq!(pair.platform.records, told.collect::<Vec<_>>());

    let again = Work::Again {
        failed: code("f-1"),
        sample: sample("p1", at(0)),
    };
    assert_eq!(pair.did(again, true), [Outcome::Done]);
    assert_eq!(pair.platform.again, [code("f-1")]);
}

#[test]
fn addresses_are_set_and_taken_away() {
    let mut pair = Pair::new();
    let url = "https://leap.example/risk?a=b&c=d".to_owned();
    let set = |url: Option<&String>| Work::Address {
        callback: Callback::Risk,
        url: url.cloned(),
    };
    assert_eq!(pair.did(set(Some(&url)), true), [Outcome::Done]);
    assert_eq!(pair.platform.addresses, BTreeMap::from([(Callback::Risk, url)]));
    assert_eq!(pair.did(set(None), true), [Outcome::Done]);
    assert!(pair.platform.addresses.is_empty());
}

#[test]
fn a_token_that_is_no_longer_good_is_replaced_once_at_once() {
    let mut pair = registered();
    pair.platform.token = "another".to_owned();
    pair.give(Work::Samples(vec![sample("p1", NOW)]), true);
    let (events, took) = pair.run();
    let expected = "401: 权限错误: wrong signature or token".to_owned();
    assert_eq!(
        events,
        [Event::Trouble(expected), Event::LoggedIn, Event::Did(vec![Outcome::Done])]
    );
    assert_eq!((took, pair.platform.logins), (Millis(0), 2));
}

#[test]
fn who_is_never_believed_waits_longer_each_time() {
    let mut pair = registered();
    let no = || server::refused(built_in(), &Refusal::permission(built_in(), "no"), false);
    let yes = |n: usize| server::token(built_in(), &format!("t{n}"));
    // Believed at the log-in and never after.
    for n in 0..5 {
        pair.platform.faults.extend([no(), yes(n)]);
    }
    pair.platform.token = "t4".to_owned();
    pair.give(Work::Samples(vec![sample("p1", NOW)]), true);
    let (_, took) = pair.run();
    assert_eq!(took, Millis::from_seconds(1 + 5 + 30 + 300));
    assert_eq!(pair.platform.samples.len(), 1);
}

#[test]
fn log_ins_that_fail_wait_with_jitter() {
    for (jitter, share) in [(0, 800), (500, 1_000), (1_000, 1_200), (-7, 800), (5_000, 1_200)] {
        let mut pair = Pair::new();
        pair.give(Work::Samples(vec![sample("p1", NOW)]), true);
        for step_s in [1, 5, 30, 300, 300] {
            assert!(pair.uploader.poll_request(pair.now).is_some());
            let failure = Failure::Refused;
            pair.uploader.handle_failure(&failure, pair.now, PerMille(jitter));
            let due = pair.uploader.poll_timeout(pair.now).unwrap();
            assert_eq!(due - pair.now.monotonic, Millis(step_s * share));
            let before = pair.now.after(Millis(step_s * share - 1));
            assert!(pair.uploader.poll_request(before).is_none());
            pair.now = pair.now.after(Millis(step_s * share));
        }
        assert_eq!(pair.uploader.poll_event(), Some(Event::Trouble("connection refused".to_owned())));
    }
}

#[test]
fn trouble_is_waited_for_and_nothing_is_lost() {
    let mut pair = registered();
    let html = Answer {
        status: 502,
        body: b"<html>".to_vec(),
        retry_after_s: None,
    };
    let odd = Answer {
        status: 200,
        body: b"ok".to_vec(),
        retry_after_s: None,
    };
    let busy = server::refused(built_in(), &Refusal::slow_down(60), false);
    let in_body = server::refused(built_in(), &Refusal::ours("busy"), true);
    pair.platform.faults.extend([html, odd, busy, in_body]);
    pair.give(Work::Samples(vec![sample("p1", NOW)]), true);
    let (events, took) = pair.run();
    let said: Vec<_> = events.iter().map(|event| format!("{event:?}")).collect();
    assert_eq!(
        said,
        [
            r#"Trouble("502: HTTP 502")"#,
            r#"Trouble("the answer has no envelope")"#,
            r#"Trouble("429: too many calls: try again in 60 s")"#,
            r#"Trouble("500: busy")"#,
            "Did([Done])",
        ]
    );
    assert_eq!(took, Millis::from_seconds(1 + 5 + 60 + 300));
    assert_eq!(pair.platform.samples.len(), 1);
}

#[test]
fn a_token_is_renewed_before_it_ends() {
    let mut pair = registered();
    let life = Millis(43_200_000);
    pair.now = pair.now.after(Millis(life.0 / 1_000 * 800 - 1));
    assert_eq!(pair.did(Work::Records(vec![record(1)]), true), [Outcome::Done]);
    assert_eq!(pair.platform.logins, 1);
    pair.now = pair.now.after(Millis(1));
    // As long as a new one cannot be had the old one serves.
    let busy = server::refused(built_in(), &Refusal::ours("busy"), false);
    pair.platform.faults.push_back(busy);
    assert_eq!(pair.did(Work::Records(vec![record(2)]), true), [Outcome::Done]);
    assert_eq!(pair.platform.logins, 1);
    pair.now = pair.now.after(Millis::from_seconds(2));
    assert_eq!(pair.did(Work::Records(vec![record(3)]), true), [Outcome::Done]);
    assert_eq!(pair.platform.logins, 2);
}

#[test]
fn one_piece_of_work_at_a_time() {
    let mut pair = Pair::new();
    assert!(pair.uploader.is_idle() && pair.uploader.poll_request(pair.now).is_none());
    assert_eq!(pair.uploader.poll_timeout(pair.now), None);
    pair.give(Work::Records(vec![record(1)]), true);
    let second = Work::Records(vec![record(2)]);
    assert_eq!(pair.uploader.give(second.clone(), true), Err(second));
    pair.run();
    assert!(pair.uploader.is_idle());
    // Nothing is nothing to do.
    assert_eq!(pair.did(Work::Samples(Vec::new()), true), []);
    // What cannot be sent at all is refused, not tried for ever.
    let account = Account {
        platform: "no address".to_owned(),
        definition: Arc::new(built_in().clone()),
        operator: operator("99").id,
        secret: Secret::new("s"),
        digest: Digest::Sha1,
        zone: shanghai(),
        token_life: Millis(1_000),
    };
    let mut uploader = Uploader::new(account);
    assert!(uploader.give(Work::Records(vec![record(1)]), true).is_ok());
    assert!(uploader.poll_request(pair.now).is_none());
    assert!(matches!(uploader.poll_event(), Some(Event::Did(all)) if all.len() == 1));
}
