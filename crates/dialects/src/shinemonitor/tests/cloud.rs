//! Our client against our own server half in memory: signatures, sessions, records, the past.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use model::device::LinkState;
use model::message::Report;
use model::reading::{Measured, Quantity};
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, PerMille, WattHours, Watts};

use super::super::actions::login_dat;
use super::super::client::{AccountSettings, Client, CloudSettings, Finder, Place, SignIn, Table};
use super::super::error::{Code, Refusal};
use super::super::params::Params;
use super::super::rc4::PasswordHash;
use super::super::request::{self, Request as Asked};
use super::super::sign;
use super::super::want::{Deed, Done, Got, Session, Want};
use super::super::wire::{self, Dat};
use super::fixtures::{World, fetch, world};
use crate::{Client as _, Event, Failure, Reply, Request};

pub const PV: &str = "G0916522248153,512,1,9900000000001/pv";
pub const METER: &str = "G0916522248153,1024,2,9900000000002/grid";
pub const BATTERY: &str = "G0916522248153,2304,3,9900000000003/battery";
pub const STORAGE: &str = "E5000099990001,2341,1,92932004102443/battery";
const KEY: &str = "bnrl_frRFjEz8Mkn";

/// What goes wrong; by what is asked, and how often it was.
pub type Fault = Box<dyn FnMut(&str, usize) -> Answered>;
/// What comes in place of the right thing, if anything.
pub type Answered = Option<Result<Vec<u8>, Failure>>;

/// A cloud on the server half: its things, its accounts, its sessions.
pub struct Cloud {
    pub world: World,
    pub password: &'static str,
    pub key: &'static str,
    pub expire: Millis,
    /// Token, secret, end.
    pub sessions: Vec<(String, String, i64)>,
    made: usize,
    /// What was asked, when, below which address.
    pub asked: Vec<(i64, String, String)>,
    /// What is answered in place of the right thing, by what was asked.
    pub fault: Fault,
}

impl Cloud {
    pub fn new() -> Self {
        Self {
            world: world(),
            password: "vplant",
            key: KEY,
            expire: Millis::from_seconds(604_800),
            sessions: Vec::new(),
            made: 0,
            asked: Vec::new(),
            fault: Box::new(|_, _| None),
        }
    }

    fn session(&mut self, now: i64) -> Session {
        self.made += 1;
        let of = |what: &str| {
            sign::hex_text(&sign::digest(&[
                what.as_bytes(),
                self.made.to_string().as_bytes(),
            ]))
        };
        let (token, secret) = (of("token"), of("secret"));
        self.sessions
            .push((token.clone(), secret.clone(), now + self.expire.0));
        Session {
            token,
            secret,
            lasts: self.expire,
            account: self.world.caller.clone(),
        }
    }

    fn answer(&mut self, query: &str, now: i64) -> Result<Dat, Refusal> {
        match request::read(query).request? {
            Asked::Login(login) => {
                login.check_company_key(&[self.key.to_owned()])?;
                let is_known = login.names.contains(&self.world.caller.usr);
                let password = PasswordHash::of_password(self.password);
                if !is_known || !login.is_proved_by(password.expose()) {
                    return Err(Code::WrongPassword.into());
                }
                Ok(Some(login_dat(&self.session(now))))
            }
            Asked::Business(call) => {
                let session = self.sessions.iter().find(|session| session.0 == call.token());
                let session = session.filter(|session| now < session.2);
                call.check(&session.ok_or(Code::NotAuthenticated)?.1)?;
                let wants = call.row.wants(call.params(), &self.world.scene())?;
                let mut got = Vec::new();
                for want in &wants {
                    let is_renewal = *want == Want::Do(Deed::Renew);
                    got.push(if is_renewal {
                        Got::Done(Ok(Done::Session(Box::new(self.session(now)))))
                    } else {
                        fetch(want, &self.world)
                    });
                }
                call.row.answer(call.params(), &self.world.scene(), got)
            }
            other @ (Asked::Open(_) | Asked::Registration(_)) => panic!("{other:?}"),
        }
    }

    /// What leaves for a request.
    pub fn serve(&mut self, request: &http::Request<Vec<u8>>, now: i64) -> Result<Vec<u8>, Failure> {
        let uri = request.uri();
        let query = uri.query().unwrap();
        let action = sign::split(query).unwrap().tail.into_owned();
        let action = Params::new(&action).text("action").unwrap().into_owned();
        let base = format!("{}{}", uri.host().unwrap(), uri.path());
        self.asked.push((now, action.clone(), base));
        let count = self.count(&action);
        self.world.now = self.world.now.max(Timestamp(now));
        let right = wire::envelope(&self.answer(query, now));
        (self.fault)(&action, count).unwrap_or(Ok(right))
    }

    pub fn count(&self, action: &str) -> usize {
        self.asked.iter().filter(|asked| asked.1 == action).count()
    }
}

pub fn settings(places: &[&str]) -> CloudSettings {
    CloudSettings {
        account: AccountSettings {
            url: "https://web.shinemonitor.com/public/".to_owned(),
            user: "vplant".to_owned(),
            password: PasswordHash::of_password("vplant"),
            company_key: KEY.to_owned(),
            sign_in: SignIn::Source,
            apps: vec!["wifiapp.volfw.watchpower".to_owned(), "other.app".to_owned()],
        },
        zone: Some(TimeZone::get("Europe/Berlin").unwrap()),
        past_days: 0,
        table: Table::built_in().unwrap(),
        places: places
            .iter()
            .map(|place| (Place::read(place).unwrap(), Millis(300_000)))
            .collect(),
    }
}

/// Both halves, and the time between them.
pub struct Pair {
    pub cloud: Cloud,
    pub client: Client,
    pub now: i64,
    latency: i64,
    pub events: Vec<Event>,
    pub complaints: Vec<String>,
}

impl Pair {
    pub fn new(cloud: Cloud, settings: CloudSettings) -> Self {
        Self {
            now: cloud.world.now.0,
            cloud,
            client: Client::new(settings),
            latency: 200,
            events: Vec::new(),
            complaints: Vec::new(),
        }
    }

    fn time(&self) -> Now {
        Now {
            wall: Timestamp(self.now),
            monotonic: Monotonic(self.now),
        }
    }

    pub fn run_for(&mut self, ms: i64) {
        let end = self.now + ms;
        while self.now < end {
            self.client.handle_timeout(self.time());
            match self.client.poll_request() {
                Some(Request::Http(request)) => {
                    let answer = self.cloud.serve(&request, self.now);
                    self.now += self.latency;
                    match answer {
                        Ok(body) => {
                            let reply = Reply::Http(http::Response::new(body));
                            if let Err(error) = self.client.handle_reply(reply, self.time()) {
                                self.complaints.push(error.to_string());
                            }
                        }
                        Err(failure) => self.client.handle_failure(&failure, self.time()),
                    }
                }
                Some(Request::Modbus { .. }) => panic!("no such test"),
                None => self.now = self.client.poll_timeout().0.max(self.now + 1).min(end),
            }
            self.events
                .extend(std::iter::from_fn(|| self.client.poll_event()));
        }
    }

    pub fn links<'a>(&'a self, unit: &str) -> Vec<&'a LinkState> {
        let state = |event: &'a Event| {
            if let Event::Report {
                unit: of,
                report: Report::Link(state),
            } = event
                && of.as_str() == unit
            {
                Some(state)
            } else {
                None
            }
        };
        self.events.iter().filter_map(state).collect()
    }

    pub fn problem(&self, unit: &str) -> &str {
        match self.links(unit).last() {
            Some(LinkState::Offline { problem }) => problem,
            other => panic!("{unit}: {other:?}"),
        }
    }

    pub fn readings<'a>(&'a self, unit: &str) -> Vec<(Timestamp, &'a Measured)> {
        let reading = |event: &'a Event| {
            if let Event::Dated {
                unit: of,
                at,
                report: Report::Measured(measured),
            } = event
                && of.as_str() == unit
            {
                Some((*at, measured))
            } else {
                None
            }
        };
        self.events.iter().filter_map(reading).collect()
    }

    fn past(&self, unit: &str) -> Vec<(Timestamp, Quantity, i64)> {
        let mut found = Vec::new();
        for event in &self.events {
            if let Event::Report {
                unit: of,
                report: Report::Past { samples },
            } = event
                && of.as_str() == unit
            {
                found.extend(samples.iter().copied());
            }
        }
        found
    }

    /// Each device tells its cloud something every so often.
    pub fn device_tells(&mut self, id: &str, at: i64) {
        self.cloud.world.device(id).last_seen = Some(Timestamp(at));
    }
}

#[test]
fn devices_are_read_with_the_time_at_which_they_measured() {
    let mut pair = Pair::new(Cloud::new(), settings(&[PV, METER, BATTERY, STORAGE]));
    let taken = Timestamp(pair.now - 2_000);
    pair.run_for(60_000);
    assert_eq!(pair.complaints, [""; 0]);
    let of = |unit: &str| pair.readings(unit);
    let [(at, pv)] = of(PV)[..] else {
        panic!("{:?}", pair.events)
    };
    assert_eq!(at, taken);
    assert_eq!(pv.power, Some(Watts(-4_321)));
    assert_eq!(pv.energy_out, Some(WattHours(12_345_678)));
    assert_eq!(pv.current.unwrap().l1, MilliAmps(-6_250));
    assert_eq!(pv, &world().device("pv").measured);
    let [(_, meter)] = of(METER)[..] else {
        panic!("{:?}", pair.events)
    };
    assert_eq!(meter, &world().device("meter").measured);
    let [(_, battery)] = of(BATTERY)[..] else {
        panic!("{:?}", pair.events)
    };
    assert_eq!(battery.soc, Some(PerMille(555)));
    assert_eq!(battery.power, Some(Watts(1_500)));
    assert_eq!(battery.energy_in, Some(WattHours(2_000_000)));
    // Of storage apps, with currents apart: 52.1 V and 5.8 A out of it.
    let [(_, storage)] = of(STORAGE)[..] else {
        panic!("{:?}", pair.events)
    };
    assert_eq!(storage.power, Some(Watts(-302)));
    assert_eq!(storage.soc, Some(PerMille(900)));
    assert_eq!(pair.cloud.count("querySPDeviceLastData"), 1);
    for unit in [PV, METER, BATTERY, STORAGE] {
        assert_eq!(pair.links(unit), [&LinkState::Online]);
    }
    let identity = pair.events.iter().find_map(|event| {
        if let Event::Report {
            report: Report::Identity { text },
            ..
        } = event
        {
            Some(text.as_str())
        } else {
            None
        }
    });
    assert_eq!(
        identity,
        Some("device type 512, serial number 9900000000001, logger G0916522248153")
    );
}

#[test]
fn a_cloud_is_asked_politely() {
    let mut pair = Pair::new(Cloud::new(), settings(&[PV, METER, STORAGE]));
    pair.run_for(3_600_000);
    let times: Vec<i64> = pair.cloud.asked.iter().map(|asked| asked.0).collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.min().unwrap() >= 1_200, "{times:?}");
    // Once, and then every five minutes.
    assert_eq!(pair.cloud.count("queryDeviceLastData"), 24);
    assert_eq!(pair.cloud.count("querySPDeviceLastData"), 12);
    assert_eq!(pair.cloud.count("authSource"), 1);
    assert_eq!(pair.cloud.count("queryCollectorInfo"), 2);
}

#[test]
fn a_slow_logger_is_not_asked_more_often_than_it_tells() {
    let mut cloud = Cloud::new();
    cloud.world.gateways[0].period = Millis(900_000);
    let mut pair = Pair::new(cloud, settings(&[PV]));
    pair.run_for(3_600_000);
    assert_eq!(pair.cloud.count("queryDeviceLastData"), 4);
}

#[test]
fn the_same_record_is_no_news_until_it_is_too_old() {
    let mut pair = Pair::new(Cloud::new(), settings(&[PV]));
    let began = pair.now;
    pair.run_for(800_000);
    assert_eq!(pair.readings(PV).len(), 1);
    assert_eq!(pair.links(PV), [&LinkState::Online]);
    pair.device_tells("pv", began + 700_000);
    pair.run_for(300_000);
    let readings = pair.readings(PV);
    assert_eq!(readings.len(), 2);
    assert_eq!(readings[1].0, Timestamp(began + 700_000));
    pair.run_for(1_200_000);
    assert!(
        pair.problem(PV).contains("the latest that the cloud has"),
        "{}",
        pair.problem(PV)
    );
    // The first that comes after it is good again.
    let now = pair.now;
    pair.device_tells("pv", now);
    pair.run_for(300_000);
    assert_eq!(pair.links(PV).last(), Some(&&LinkState::Online));
}

#[test]
fn a_record_that_is_old_already_is_of_the_past() {
    let mut pair = Pair::new(Cloud::new(), settings(&[PV]));
    let old = pair.now - 3_600_000;
    pair.device_tells("pv", old);
    pair.run_for(10_000);
    assert_eq!(pair.readings(PV), []);
    assert!(pair.past(PV).contains(&(Timestamp(old), Quantity::Power, -4_321)));
    assert!(
        pair.problem(PV).contains("2026-06-15 11:00:00"),
        "{}",
        pair.problem(PV)
    );
}

#[test]
fn what_is_offline_is_no_failure() {
    let mut cloud = Cloud::new();
    cloud.world.device("pv").is_online = false;
    let mut pair = Pair::new(cloud, settings(&[PV, METER]));
    pair.run_for(60_000);
    let problem = pair.problem(PV);
    assert!(problem.contains("its logger does not reach it"), "{problem}");
    assert_eq!(pair.links(METER), [&LinkState::Online]);
    assert_eq!(pair.cloud.count("queryDeviceLastData"), 1);
    pair.cloud.world.device("pv").is_online = true;
    pair.run_for(300_000);
    assert_eq!(pair.links(PV).last(), Some(&&LinkState::Online));
    pair.cloud.world.gateways[0].is_online = false;
    pair.run_for(300_000);
    assert!(pair.problem(METER).contains("its logger is offline"));
    pair.cloud.world.gateways[0].is_online = true;
    pair.cloud.world.device("meter").is_fresh = false;
    pair.run_for(300_000);
    assert!(
        pair.problem(METER).contains("nothing fresh comes"),
        "{}",
        pair.problem(METER)
    );
    assert_eq!(pair.complaints, [""; 0]);
}

#[test]
fn a_session_is_renewed_ahead_of_its_end_and_never_used_behind_it() {
    let mut cloud = Cloud::new();
    cloud.expire = Millis::from_seconds(1_200);
    let mut pair = Pair::new(cloud, settings(&[PV]));
    pair.run_for(3_600_000);
    // Ten minutes ahead would be half of it: a quarter it is.
    assert_eq!(pair.cloud.count("authSource"), 1);
    assert!((3..=4).contains(&pair.cloud.count("updateToken")));
    // Renewal is refused: sign in again.
    pair.cloud.fault = Box::new(|action, _| (action == "updateToken").then(|| Ok(br#"{"err":8}"#.to_vec())));
    let renewals = pair.cloud.count("updateToken");
    pair.run_for(1_200_000);
    let refused = pair.cloud.count("updateToken") - renewals;
    assert!(refused > 0);
    assert_eq!(pair.cloud.count("authSource"), 1 + refused);
    // Nobody has asked for long, or a machine slept: the session is over.
    pair.now += 7_200_000;
    pair.run_for(10_000);
    assert_eq!(pair.cloud.count("authSource"), 2 + refused);
    assert_eq!(pair.complaints, [""; 0]);
}

#[test]
fn a_session_that_the_cloud_has_forgotten_is_made_anew_once() {
    let mut pair = Pair::new(Cloud::new(), settings(&[PV]));
    pair.run_for(60_000);
    pair.cloud.sessions.clear();
    pair.run_for(300_000);
    assert_eq!(pair.cloud.count("authSource"), 2);
    assert_eq!(pair.links(PV), [&LinkState::Online]);
    assert_eq!(pair.complaints, [""; 0]);
}

#[test]
fn what_somebody_must_change_stops_everything() {
    let check = |change: &dyn Fn(&mut Cloud), expected: &str| {
        let mut cloud = Cloud::new();
        change(&mut cloud);
        let mut pair = Pair::new(cloud, settings(&[PV, STORAGE]));
        pair.run_for(3_600_000);
        for unit in [PV, STORAGE] {
            assert!(pair.problem(unit).contains(expected), "{}", pair.problem(unit));
            assert!(!pair.problem(unit).contains("bd19f193"), "{}", pair.problem(unit));
        }
        pair
    };
    let pair = check(
        &|cloud| cloud.password = "other",
        "check user and the password in password_file",
    );
    assert_eq!(pair.cloud.asked.len(), 1);
    let pair = check(&|cloud| cloud.key = "OTHER", "does not know the company key");
    assert_eq!(pair.cloud.asked.len(), 1);
    let answer =
        |code: u16| -> Fault { Box::new(move |_, _| Some(Ok(format!("{{\"err\":{code}}}").into_bytes()))) };
    let pair = check(
        &|cloud| cloud.fault = answer(25),
        "has frozen the account of \"vplant\"",
    );
    assert_eq!(pair.cloud.asked.len(), 1);
    // The account may live on the other node.
    let pair = check(
        &|cloud| cloud.fault = answer(261),
        "on none of its nodes; check user and url",
    );
    let hosts: Vec<&str> = pair.cloud.asked.iter().map(|asked| asked.2.as_str()).collect();
    assert_eq!(
        hosts,
        ["web.shinemonitor.com/public/", "web1.shinemonitor.com/public/"]
    );
}

#[test]
fn the_node_of_an_account_is_found_and_remembered() {
    let mut cloud = Cloud::new();
    cloud.expire = Millis::from_seconds(600);
    let seen = std::cell::Cell::new(0);
    cloud.fault = Box::new(move |action, _| {
        seen.set(seen.get() + 1);
        (action == "authSource" && seen.get() == 1).then(|| Ok(br#"{"err":261}"#.to_vec()))
    });
    let mut pair = Pair::new(cloud, settings(&[PV]));
    pair.run_for(3_600_000);
    let on_first = |asked: &&(i64, String, String)| asked.2.starts_with("web.");
    assert_eq!(pair.cloud.asked.iter().filter(on_first).count(), 1);
    // Also at the next logins.
    assert!(pair.cloud.count("authSource") > 2);
    assert_eq!(pair.links(PV)[0], &LinkState::Online);
}

#[test]
fn a_user_signs_in_by_the_call_of_the_account() {
    for (sign_in, name, action) in [
        (SignIn::Plain, "vplant", "auth"),
        (SignIn::Email, "a@example.org", "authEmail"),
        (SignIn::Source, "solar home", "authSource"),
        (SignIn::Source, "太阳能&=+ %", "authSource"),
        (SignIn::Plain, "it's, a: test; 'x'", "auth"),
    ] {
        let mut cloud = Cloud::new();
        cloud.world.caller.usr = name.to_owned();
        let mut settings = settings(&[PV]);
        settings.account.sign_in = sign_in;
        settings.account.user = name.to_owned();
        let mut pair = Pair::new(cloud, settings);
        pair.run_for(60_000);
        assert_eq!(pair.cloud.count(action), 1, "{name}");
        assert_eq!(pair.links(PV), [&LinkState::Online], "{name}");
    }
}

#[test]
fn the_days_before_are_fetched_once_the_newest_first() {
    let mut settings = settings(&[PV]);
    settings.past_days = 7;
    let mut pair = Pair::new(Cloud::new(), settings);
    pair.run_for(20_000);
    let some = pair.past(PV).len();
    assert!(some > 0);
    pair.run_for(3_600_000);
    assert_eq!(pair.cloud.count("queryDeviceDataOneDay"), 7);
    let times = pair
        .cloud
        .asked
        .iter()
        .filter(|asked| asked.1 == "queryDeviceDataOneDay");
    let times: Vec<i64> = times.map(|asked| asked.0).collect();
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] >= 5_000),
        "{times:?}"
    );
    let past = pair.past(PV);
    let of = |wanted: Quantity| past.iter().filter(move |sample| sample.1 == wanted);
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let days: Vec<String> = of(Quantity::Power)
        .map(|sample| super::super::time::text(sample.0, &zone))
        .collect();
    // The history of the fixture has three slots from ten o'clock on.
    assert_eq!(days.len(), 21);
    assert_eq!(days[0], "2026-06-15 10:00:00");
    assert_eq!(days[3], "2026-06-14 10:00:00");
    assert_eq!(days[20], "2026-06-09 10:10:00");
    assert_eq!(of(Quantity::Power).next().unwrap().2, -2_000);
    assert_eq!(of(Quantity::EnergyOut).next().unwrap().2, 5_000_000);
    assert_eq!(pair.complaints, [""; 0]);
}

/// Seconds ahead of UTC without summer time is what a logger says; this cloud has summer time.
#[test]
fn clocks_that_are_ahead_are_said_and_do_no_harm() {
    let mut settings = settings(&[PV]);
    settings.zone = None;
    let mut pair = Pair::new(Cloud::new(), settings);
    let began = pair.now;
    pair.run_for(30_000);
    let [(at, _)] = pair.readings(PV)[..] else {
        panic!("{:?}", pair.events)
    };
    assert!((began..pair.now).contains(&at.0));
    assert!(
        pair.complaints[0].contains("check time_zone of the gateway"),
        "{:?}",
        pair.complaints
    );

    // Without summer time nothing is amiss.
    let mut winter = Cloud::new();
    winter.world.now = Timestamp(1_796_000_000_000);
    winter.world.device("pv").last_seen = Some(Timestamp(1_795_999_990_000));
    let mut settings = super::cloud::settings(&[PV]);
    settings.zone = None;
    let mut pair = Pair::new(winter, settings);
    pair.run_for(30_000);
    assert_eq!(pair.complaints, [""; 0]);
    assert_eq!(pair.readings(PV)[0].0, Timestamp(1_795_999_990_000));
}

/// A device of a cloud whose records show the clocks of `shown`, whatever it says of its loggers.
fn by_clocks(shown: &'static str, offset: Option<i64>) -> Pair {
    let mut cloud = Cloud::new();
    for plant in &mut cloud.world.plants {
        plant.zone = TimeZone::get(shown).unwrap();
    }
    cloud.fault = Box::new(move |action, _| {
        (action == "queryCollectorInfo").then(|| {
            let logger = serde_json::json!({
                "pn": "G0916522248153", "datFetch": 300, "timezone": offset, "status": 0, "pid": 1,
            });
            Ok(serde_json::json!({"err": 0, "dat": {"collector": [logger]}})
                .to_string()
                .into_bytes())
        })
    });
    let mut settings = settings(&[PV]);
    (settings.zone, settings.past_days) = (None, 2);
    Pair::new(cloud, settings)
}

#[test]
fn whose_clocks_a_cloud_shows_is_learnt_where_it_is_not_as_it_says() {
    for (shown, offset) in [
        ("UTC", Some(28_800)),
        ("UTC", Some(-10_800)),
        ("Asia/Kolkata", None),
        ("Europe/Berlin", Some(3_600)),
        ("Asia/Shanghai", Some(28_800)),
    ] {
        let mut pair = by_clocks(shown, offset);
        let mut told = Vec::new();
        for _ in 0..6 {
            told.push(Timestamp(pair.now));
            pair.run_for(300_000);
            let now = pair.now;
            pair.device_tells("pv", now);
        }
        let readings = pair.readings(PV);
        let (at, _) = readings.last().unwrap();
        assert_eq!(at, told.last().unwrap(), "{shown} {offset:?}: {readings:?}");
        assert_eq!(
            pair.links(PV).last(),
            Some(&&LinkState::Online),
            "{shown} {offset:?}"
        );
        // Nothing of the past was kept under a wrong time.
        let zone = TimeZone::get(shown).unwrap();
        let past = pair.past(PV);
        let of_power = past.iter().filter(|sample| sample.1 == Quantity::Power);
        let hours: Vec<String> = of_power
            .map(|sample| super::super::time::text(sample.0, &zone)[11..].to_owned())
            .collect();
        assert!(!hours.is_empty(), "{shown} {offset:?}");
        assert!(
            hours.iter().all(|hour| hour.starts_with("10:")),
            "{shown} {offset:?}: {hours:?}"
        );
    }
}

#[test]
fn a_logger_that_catches_up_teaches_nothing_of_clocks() {
    let mut pair = by_clocks("Europe/Berlin", Some(7_200));
    for behind in [60, 50, 45, 40, 35, 30, 25, 20] {
        let at = pair.now - behind * 60_000;
        pair.device_tells("pv", at);
        pair.run_for(300_000);
    }
    assert_eq!(pair.readings(PV), []);
    for _ in 0..2 {
        let now = pair.now;
        pair.device_tells("pv", now);
        pair.run_for(300_000);
        assert_eq!(pair.readings(PV).last().unwrap().0, Timestamp(now));
    }
    assert_eq!(pair.complaints, [""; 0]);
}

#[test]
fn a_record_of_unknown_age_is_no_reading() {
    let mut pair = by_clocks("Europe/Berlin", None);
    pair.run_for(60_000);
    assert_eq!(pair.readings(PV), []);
    assert!(
        pair.problem(PV).contains("nobody knows how old"),
        "{}",
        pair.problem(PV)
    );
}

#[test]
fn the_hour_that_comes_twice_is_told_apart() {
    // 25 October 2026: at 01:00 UTC the clocks of Berlin go back from three to two.
    let second = 1_792_890_000_000;
    let mut cloud = Cloud::new();
    cloud.world.now = Timestamp(second - 1_500_000);
    cloud.world.device("pv").last_seen = Some(Timestamp(second - 1_800_000));
    let mut pair = Pair::new(cloud, settings(&[PV]));
    let mut expected = vec![Timestamp(second - 1_800_000)];
    pair.cloud.world.device("pv").last_seen = expected.first().copied();
    pair.run_for(300_000);
    for _ in 0..11 {
        let now = pair.now;
        pair.device_tells("pv", now);
        expected.push(Timestamp(now));
        pair.run_for(300_000);
    }
    let found: Vec<Timestamp> = pair.readings(PV).iter().map(|reading| reading.0).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_a_cloud_has_kept_during_an_outage_is_fetched() {
    let mut settings = settings(&[PV]);
    settings.past_days = 2;
    let mut pair = Pair::new(Cloud::new(), settings);
    pair.run_for(600_000);
    assert_eq!(pair.cloud.count("queryDeviceDataOneDay"), 2);
    let before = pair.past(PV).len();
    // A night, and half of the day after it.
    pair.cloud.fault = Box::new(|_, _| Some(Err(Failure::Closed)));
    pair.run_for(86_400_000);
    pair.cloud.fault = Box::new(|_, _| None);
    let now = pair.now;
    pair.device_tells("pv", now);
    let days = pair.cloud.count("queryDeviceDataOneDay");
    pair.run_for(900_000);
    assert_eq!(pair.cloud.count("queryDeviceDataOneDay") - days, 2);
    // Of today alone: what was there before has been told.
    let past = pair.past(PV);
    let more = past.get(before..).unwrap();
    assert!(!more.is_empty());
    assert!(
        more.iter().all(|sample| sample.0.0 > now - 86_400_000),
        "{more:?}"
    );
    // Without an outage nothing is fetched once more.
    let now = pair.now;
    pair.device_tells("pv", now);
    pair.run_for(600_000);
    let days = pair.cloud.count("queryDeviceDataOneDay");
    for _ in 0..3 {
        let now = pair.now;
        pair.device_tells("pv", now);
        pair.run_for(300_000);
    }
    assert_eq!(pair.cloud.count("queryDeviceDataOneDay"), days);
}

#[test]
fn a_device_that_another_app_has_added_is_asked_for_as_that() {
    let mut cloud = Cloud::new();
    cloud.fault = Box::new(|action, count| {
        let is_first = action == "queryDeviceLastData" && count == 1;
        is_first.then(|| Ok(br#"{"err":258,"desc":"ERR_NOT_FOUND_DEVICE"}"#.to_vec()))
    });
    let mut pair = Pair::new(cloud, settings(&[PV]));
    pair.run_for(30_000);
    assert_eq!(pair.links(PV), [&LinkState::Online]);
    assert_eq!(pair.cloud.count("queryDeviceLastData"), 2);

    let wrong = "G0916522248153,512,9,9900000000001/pv";
    let mut pair = Pair::new(Cloud::new(), settings(&[wrong, PV]));
    pair.run_for(300_000);
    assert!(
        pair.problem(wrong).contains("`ohmstead discover`"),
        "{}",
        pair.problem(wrong)
    );
    assert_eq!(pair.links(PV), [&LinkState::Online]);
}

#[test]
fn two_parts_of_one_device_are_one_call() {
    let parts = ["battery", "pv", "load", "grid"].map(|part| STORAGE.replace("battery", part));
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let mut pair = Pair::new(Cloud::new(), settings(&parts));
    pair.run_for(200_000);
    assert_eq!(pair.cloud.count("querySPDeviceLastData"), 1);
    let load = pair.readings(&STORAGE.replace("battery", "load"));
    assert_eq!(load[0].1.power, Some(Watts(300)));
    let pv = pair.readings(&STORAGE.replace("battery", "pv"));
    assert_eq!(pv[0].1.power, Some(Watts(0)));
}

#[test]
fn what_an_account_has_is_found() {
    let mut cloud = Cloud::new();
    let mut finder = Finder::new(settings(&[]).account);
    let mut now = cloud.world.now.0;
    let found = loop {
        let time = Now {
            wall: Timestamp(now),
            monotonic: Monotonic(now),
        };
        let Some(request) = finder.request(time).unwrap() else {
            break finder;
        };
        let body = cloud.serve(&request, now).unwrap();
        finder.take(&http::Response::new(body)).unwrap();
        now += 1_000;
    };
    let plants: Vec<_> = found
        .plants
        .iter()
        .map(|plant| (plant.number, plant.name.as_str()))
        .collect();
    assert_eq!(plants, [(2, "Barn 谷仓"), (1, "Home")]);
    let loggers: BTreeMap<_, _> = found
        .loggers
        .iter()
        .map(|logger| {
            (
                logger.pn.as_str(),
                (logger.plant, logger.is_online, logger.period_s),
            )
        })
        .collect();
    assert_eq!(loggers["E5000099990001"], (Some(2), true, Some(30)));
    let devices: Vec<_> = found
        .devices
        .iter()
        .map(|device| device.name.to_string())
        .collect();
    assert_eq!(devices.len(), 5);
    assert!(devices.contains(&"E5000099990001,2341,1,92932004102443".to_owned()));

    let mut stopped = Finder::new(AccountSettings {
        password: PasswordHash::of_password("wrong"),
        ..settings(&[]).account
    });
    let request = stopped.request(Now::default()).unwrap().unwrap();
    let body = cloud.serve(&request, now).unwrap();
    let problem = stopped.take(&http::Response::new(body)).unwrap_err();
    assert!(problem.contains("password_file"), "{problem}");
}

#[test]
fn secrets_are_not_shown() {
    let settings = settings(&[PV]);
    let shown = format!("{settings:?}");
    assert!(!shown.contains("bd19f193"), "{shown}");
}

impl Pair {
    fn notices(&self, unit: &str) -> Vec<Option<String>> {
        let notice = |event: &Event| {
            if let Event::Report {
                unit: of,
                report: Report::Notice { notice, text },
            } = event
                && of.as_str() == unit
            {
                assert_eq!(*notice, model::message::Notice::DeviceWarning);
                Some(text.clone())
            } else {
                None
            }
        };
        self.events.iter().filter_map(notice).collect()
    }
}

#[test]
fn warnings_of_a_cloud_are_told_until_somebody_has_handled_them() {
    let mut cloud = Cloud::new();
    cloud.fault = Box::new(|action, count| {
        let warning = |desc: &str, level: i64, handle: bool, gts: &str| serde_json::json!({"id": "x", "pn": "G0916522248153", "level": level, "code": "F12", "desc": desc, "handle": handle, "gts": gts});
        let two = [
            warning("Battery low", 0, false, "2026-06-15 08:00:00"),
            warning("Fan locked", 2, false, "2026-06-15 09:30:00"),
            warning("Offline", 3, false, "2026-06-15 09:40:00"),
            warning("Bus over", 1, true, "2026-06-15 09:50:00"),
        ];
        let body = match (action, count) {
            ("queryDeviceWarning", 1 | 2) => {
                serde_json::json!({"err": 0, "desc": "ERR_NONE", "dat": {"total": 4, "page": 0, "pagesize": 50, "warning": two}})
            }
            ("queryDeviceWarning", 3) => serde_json::json!({"err": 8, "desc": "ERR_FORBIDDEN"}),
            ("queryDeviceWarning", _) => {
                serde_json::json!({"err": 264, "desc": "ERR_NOT_FOUND_DEVICE_WARNING"})
            }
            _ => return None,
        };
        Some(Ok(body.to_string().into_bytes()))
    });
    let start = cloud.world.now.0;
    let mut pair = Pair::new(cloud, settings(&[STORAGE]));
    pair.run_for(700_000);
    let told = "its cloud shows: Fan locked (F12), since 2026-06-15 09:30:00, and 1 more".to_owned();
    assert_eq!(
        pair.notices(STORAGE),
        [Some(told.clone())],
        "what stays is told once"
    );
    pair.run_for(2_000_000);
    assert_eq!(pair.notices(STORAGE), [Some(told), None]);
    let asked = pair
        .cloud
        .asked
        .iter()
        .filter(|asked| asked.1 == "queryDeviceWarning");
    let asked: Vec<i64> = asked.map(|asked| asked.0 - start).collect();
    assert!(
        asked.windows(2).all(|two| two[1] - two[0] >= 300_000),
        "{asked:?}"
    );
    assert!(
        asked[3] - asked[2] >= 600_000,
        "whoever refuses is asked less often: {asked:?}"
    );
}

#[test]
fn what_our_own_server_shows_as_an_alarm_is_one_for_who_reads_it() {
    let mut pair = Pair::new(Cloud::new(), settings(&[PV, METER]));
    pair.run_for(30_000);
    let told = "its cloud shows: Setpoint not followed (not_following), since 2026-06-14 10:00:00";
    assert_eq!(pair.notices(PV), [Some(told.to_owned())]);
    assert!(pair.notices(METER).is_empty(), "what is over is handled");
    assert!(pair.complaints.is_empty(), "{:?}", pair.complaints);
}
