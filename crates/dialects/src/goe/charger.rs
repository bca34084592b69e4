//! A go-e charger as its wire sees it: the key map, the logic that runs once a second, the local HTTP API v2.
//!
//! The simulator puts physics around it: it tells what the car does ([`Charger::set_inputs`]), obeys what the
//! charger allows ([`Charger::outputs`]) and hands over what comes in on the port ([`Charger::handle`]). Not
//! here: the car, the meter's counters, and the charger's own tariff, surplus and schedule logic, which we
//! never leave in charge. The whole state can be saved and restored with serde.

mod logic;

use std::collections::VecDeque;

use http::{Method, Request, Response, StatusCode};
use model::phases::{PerPhase, Phases};
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts, WattHours};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::query::{SetQuery, StatusQuery};
use super::server;
use super::value::{self, Reading};

/// How often the charger's logic runs; a written value shows its effect at the next run.
const LOGIC_PERIOD: Millis = Millis(1_000);
/// The longest value that the charger's HTTP server takes (API-v2#303 names the error, not the size).
const MOST_VALUE_BYTES: usize = 512;
/// Writes that wait for the logic. More than this at once are refused as a busy charger does.
const MOST_PENDING: usize = 64;

/// Which charger it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// HOME+ with 11 kW, firmware 56.9.
    V3,
    /// Gemini with 22 kW, firmware 59.4.
    V4,
}

impl Variant {
    /// The complete status of a fresh charger.
    #[must_use]
    pub fn document(self) -> Map<String, Value> {
        let text = match self {
            Self::V3 => include_str!("data/v3.json"),
            Self::V4 => include_str!("data/v4.json"),
        };
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The most it can offer.
    #[must_use]
    pub const fn max_amps(self) -> i64 {
        match self {
            Self::V3 => 16,
            Self::V4 => 32,
        }
    }
}

/// What physics tells the charger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargerInputs {
    pub plugged: bool,
    /// The car would take current now.
    pub asks: bool,
    /// The car has stopped by itself.
    pub complete: bool,
    /// Per terminal.
    pub drawn: PerPhase<MilliAmps>,
    pub voltages: PerPhase<MilliVolts>,
    /// Lifetime counter.
    pub eto: WattHours,
    /// Since plug-in.
    pub wh: WattHours,
    pub time: Now,
    /// Since boot.
    pub rbt: Millis,
    /// Local time is UTC plus this.
    pub utc_offset: Millis,
}

/// What the charger lets the car do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargerOutputs {
    pub allowed: bool,
    /// Whole amperes on the pilot, 0 when not allowed.
    pub amps: i64,
    pub phases: Phases,
}

/// A value that was written and waits for the logic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pending {
    key: String,
    value: Value,
    due: Monotonic,
}

/// One simulated charger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Charger {
    variant: Variant,
    keys: Map<String, Value>,
    pending: VecDeque<Pending>,
    inputs: ChargerInputs,
    phases: Phases,
    /// When the logic ran last; `None` before the first run.
    ran: Option<Monotonic>,
    switching_until: Option<Monotonic>,
    /// When meter data were last pushed (`ids`).
    pushed: Option<Monotonic>,
    reaction: Millis,
}

impl Charger {
    /// A fresh charger with a six-digit serial number.
    #[must_use]
    pub fn new(variant: Variant, serial: &str) -> Self {
        let mut keys = variant.document();
        keys.insert("sse".to_owned(), Value::from(serial));
        keys.insert("fna".to_owned(), Value::from(format!("go-eCharger_{serial}")));
        keys.insert("mtp".to_owned(), Value::from(format!("go-eCharger/{serial}/")));
        Self {
            variant,
            keys,
            pending: VecDeque::new(),
            inputs: ChargerInputs::default(),
            phases: Phases::Three,
            ran: None,
            switching_until: None,
            pushed: None,
            reaction: Millis::ZERO,
        }
    }

    /// Delays the effect of every write by this much, on top of the second the logic takes.
    pub fn set_reaction(&mut self, reaction: Millis) {
        self.reaction = reaction;
    }

    /// Overwrites a key as a menu, an app or a defect would do (`hai`, `err`, `lmo`, …).
    pub fn set_key(&mut self, key: &str, value: Value) {
        self.keys.insert(key.to_owned(), value);
    }

    #[must_use]
    pub fn key(&self, key: &str) -> Option<&Value> {
        self.keys.get(key)
    }

    /// What the car and the grid do now; the logic runs when its second is over.
    pub fn set_inputs(&mut self, inputs: ChargerInputs) {
        self.inputs = inputs;
        self.advance(inputs.time);
    }

    /// What the charger lets the car do since the last run of its logic.
    #[must_use]
    pub fn outputs(&self) -> ChargerOutputs {
        let amps = self
            .keys
            .get("acu")
            .and_then(Value::as_i64)
            .filter(|_| self.inputs.plugged);
        ChargerOutputs {
            allowed: amps.is_some(),
            amps: amps.unwrap_or(0),
            phases: self.phases,
        }
    }

    /// Answers one HTTP request as the charger's own server does.
    #[must_use]
    pub fn handle(&mut self, request: &Request<Vec<u8>>, now: Now) -> Response<Vec<u8>> {
        self.advance(now);
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or("");
        match path {
            "/api/status" | "/api/set" if self.keys.get("hai") != Some(&Value::Bool(true)) => {
                server::not_found(path)
            }
            "/api/status" | "/api/set" if request.method() != Method::GET => server::method_not_allowed(),
            "/api/status" => self.status(query),
            "/api/set" => self.set(query, now),
            _ => server::text(StatusCode::NOT_FOUND, "This URI does not exist"),
        }
    }

    /// Keys that this charger does not have are null, as firmware 59.4 answers (`cae`).
    fn status(&self, query: &str) -> Response<Vec<u8>> {
        match StatusQuery::parse(query).filter {
            None => server::json_reply(StatusCode::OK, &self.keys),
            Some(names) => {
                let chosen = names.into_iter().map(|name| {
                    let value = self.keys.get(&name).cloned().unwrap_or_default();
                    (name, value)
                });
                server::json_reply(StatusCode::OK, &chosen.collect())
            }
        }
    }

    fn set(&mut self, query: &str, now: Now) -> Response<Vec<u8>> {
        let SetQuery { token, mut writes } = SetQuery::parse(query);
        // A charger in the LAN knows no token; to it the name is a key like any other.
        writes.extend(token.map(|text| super::query::Write {
            key: "token".to_owned(),
            text,
        }));
        if writes.iter().any(|write| write.text.len() > MOST_VALUE_BYTES) {
            return server::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "httpd_query_key_value() failed with ESP_ERR_HTTPD_RESULT_TRUNC",
            );
        }
        if self.pending.len() + writes.len() > MOST_PENDING {
            return server::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "couldn't take api lock in 3s, please try again later",
            );
        }
        let outcomes: Vec<server::Outcome> = writes
            .into_iter()
            .map(|write| self.write(write.key, &write.text, now))
            .collect();
        server::set_reply(&outcomes, server::SetForm::Local)
    }

    fn write(&mut self, key: String, text: &str, now: Now) -> server::Outcome {
        let value::Checked { value, refusal } = value::check(&key, text, Reading::Strict);
        let most = self.variant.max_amps();
        let refusal = refusal.or_else(|| {
            (key == "ama" && value.as_i64().is_some_and(|amps| amps > most))
                .then(|| value::out_of_range(&key, text, 6, most))
        });
        if refusal.is_none() {
            let due = now.monotonic + self.reaction;
            self.pending.push_back(Pending {
                key: key.clone(),
                value: value.clone(),
                due,
            });
        }
        server::Outcome { key, value, refusal }
    }

    /// Runs the logic when its second is over. A clock that went back is a restart of the process.
    fn advance(&mut self, now: Now) {
        let due = self
            .ran
            .is_none_or(|ran| now.monotonic < ran || now.monotonic - ran >= LOGIC_PERIOD);
        if due {
            if self.ran.is_some_and(|ran| now.monotonic < ran) {
                self.forget_times(now.monotonic);
            }
            self.ran = Some(now.monotonic);
            self.run(now);
        }
    }

    fn forget_times(&mut self, now: Monotonic) {
        for pending in &mut self.pending {
            pending.due = now + self.reaction;
        }
        self.switching_until = None;
        self.pushed = None;
    }
}

/// The keys that tell the time.
#[must_use]
pub(super) fn clock_keys(now: Now, rbt_ms: i64, utc_offset_ms: i64) -> [(&'static str, Value); 5] {
    let minutes = utc_offset_ms / 60_000;
    let sign = if minutes < 0 { '-' } else { '+' };
    let local = date_text(now.wall + Millis(utc_offset_ms));
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    [
        ("rbt", rbt_ms.into()),
        ("tab", now.wall.0.saturating_sub(rbt_ms).max(0).into()),
        ("lto", utc_offset_ms.into()),
        ("utc", date_text(now.wall).into()),
        ("loc", format!("{local} {sign}{hours:02}:{rest:02}").into()),
    ]
}

/// `2025-07-17T22:00:46.776`.
fn date_text(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}
