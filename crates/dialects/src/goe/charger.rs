//! A go-e charger as its wire sees it: the key map, the logic that runs once a second, and every way in: both local
//! HTTP APIs, WebSocket, MQTT and Modbus.
//!
//! The simulator puts physics around it: it tells what the car does ([`Charger::set_inputs`]), obeys what the
//! charger allows ([`Charger::outputs`]) and hands over what comes in on its ports ([`Charger::handle`],
//! [`Charger::handle_modbus`], [`Charger::take`], and a [`Session`] for each WebSocket). Not here: the car, the meter's counters, and the charger's own tariff, surplus and schedule logic, which we
//! never leave in charge. The whole state can be saved and restored with serde.

mod logic;
mod modbus;
mod socket;

use std::borrow::Cow;
use std::collections::VecDeque;

use http::{Method, Request, Response, StatusCode};
use model::phases::{PerPhase, Phases};
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts, WattHours};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::socket::{Effect, Password, Session};
use super::query::{SetQuery, StatusQuery, Write};
use super::server::{self, Sheet};
use super::topics;
use super::v1;
use super::value::{self, Reading};
use super::ws::HashKind;

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
    /// CORE with a fixed cable and 22 kW, firmware 60.5.
    Core,
}

impl Variant {
    /// The complete status of a fresh charger.
    #[must_use]
    pub fn document(self) -> Map<String, Value> {
        let text = match self {
            Self::V3 => include_str!("data/v3.json"),
            Self::V4 => include_str!("data/v4.json"),
            Self::Core => include_str!("data/core.json"),
        };
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The most it can offer.
    #[must_use]
    pub const fn max_amps(self) -> i64 {
        match self {
            Self::V3 => 16,
            Self::V4 | Self::Core => 32,
        }
    }

    /// How it keeps the password of its WebSocket.
    #[must_use]
    pub const fn hash(self) -> HashKind {
        match self {
            Self::V3 | Self::V4 => HashKind::Pbkdf2,
            Self::Core => HashKind::Bcrypt,
        }
    }
}

/// What some firmware or hardware does wrong, or differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// A status without a filter, or with a key the charger does not have, is answered with 400 and what there is
    /// (CORE and PRO from 60.3, API-v2#312).
    PartialStatus,
    /// [`Quirk::MISSING`] are not there.
    MissingKeys,
    /// The firmware's version has words behind it.
    FirmwareSuffix,
    /// `car` is 5 with `err` 5 (CORE).
    CarError,
}

impl Quirk {
    /// Keys that chargers in the field were seen without, and clients stumbled over.
    pub const MISSING: [&str; 6] = ["var", "cards", "cae", "fwc", "ccrv", "trx"];
}

/// The error that a CORE showed with car state 5.
const CAR_ERROR: i64 = 5;

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
    #[serde(skip)]
    quirk: Option<Quirk>,
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
            quirk: None,
        }
    }

    #[must_use]
    pub const fn variant(&self) -> Variant {
        self.variant
    }

    /// Makes it differ from now on; not kept over a restart.
    pub const fn set_quirk(&mut self, quirk: Option<Quirk>) {
        self.quirk = quirk;
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
    pub const fn quirk(&self) -> Option<Quirk> {
        self.quirk
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
            "/status" | "/mqtt" if self.keys.get("hla") == Some(&Value::Bool(true)) => {
                self.first_api(path, query, now)
            }
            _ => server::text(StatusCode::NOT_FOUND, "This URI does not exist"),
        }
    }

    /// A write shows at the next run of the logic, like any other; the answer is the status of this moment.
    fn first_api(&mut self, path: &str, query: &str, now: Now) -> Response<Vec<u8>> {
        let sheet = |charger: &Self| Sheet::new(charger.keys().into_owned(), Map::new());
        if path == "/mqtt"
            && let Some(Write { key, text }) = v1::write(query, &sheet(self))
        {
            let _ = self.write(key, &text, now);
        }
        v1::status_reply(&sheet(self))
    }

    /// Keys that this charger does not have are null, as firmware 59.4 answers (`cae`).
    fn status(&self, query: &str) -> Response<Vec<u8>> {
        let keys = self.keys();
        let is_partial = self.quirk == Some(Quirk::PartialStatus);
        match StatusQuery::parse(query).filter {
            None if is_partial => server::json_reply(StatusCode::BAD_REQUEST, &keys),
            None => server::json_reply(StatusCode::OK, &keys),
            Some(names) if is_partial => {
                let asked = names.len();
                let there: Map<String, Value> = names
                    .into_iter()
                    .filter_map(|name| keys.get(&name).cloned().map(|value| (name, value)))
                    .collect();
                let status = if there.len() == asked {
                    StatusCode::OK
                } else {
                    StatusCode::BAD_REQUEST
                };
                server::json_reply(status, &there)
            }
            Some(names) => {
                let chosen = names.into_iter().map(|name| {
                    let value = keys.get(&name).cloned().unwrap_or_default();
                    (name, value)
                });
                server::json_reply(StatusCode::OK, &chosen.collect())
            }
        }
    }

    fn set(&mut self, query: &str, now: Now) -> Response<Vec<u8>> {
        let SetQuery { token, mut writes } = SetQuery::parse(query);
        // A charger in the LAN knows no token; to it the name is a key like any other.
        writes.extend(token.map(|text| Write {
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

    /// A write that came as a value.
    ///
    /// # Errors
    /// The refusal, as HTTP says it.
    fn write_value(&mut self, key: &str, value: &Value, effect: Effect, now: Now) -> Result<(), String> {
        let pending = self.pending.len();
        if pending >= MOST_PENDING {
            return Err("couldn't take api lock in 3s, please try again later".to_owned());
        }
        let outcome = self.write(key.to_owned(), &value.to_string(), now);
        if effect == Effect::None {
            self.pending.truncate(pending);
        }
        outcome.refusal.map_or(Ok(()), Err)
    }

    /// Takes what was published for a key, and says what is published as the result.
    pub fn take(&mut self, key: &str, payload: &str, effect: Effect, now: Now) -> String {
        self.advance(now);
        let taken = topics::read_set(key, payload).and_then(|value| {
            self.write_value(key, &value, effect, now)
                .map_err(|refusal| topics::result_text(key, payload, &refusal))
        });
        taken.map_or_else(|text| text, |()| topics::SUCCESS.to_owned())
    }

    /// The whole status as it is shown.
    #[must_use]
    pub fn keys(&self) -> Cow<'_, Map<String, Value>> {
        let mut keys = Cow::Borrowed(&self.keys);
        match self.quirk {
            Some(Quirk::MissingKeys) => keys
                .to_mut()
                .retain(|key, _| !Quirk::MISSING.contains(&key.as_str())),
            Some(Quirk::FirmwareSuffix) => {
                if let Some(Value::String(version)) = keys.to_mut().get_mut("fwv") {
                    version.push_str(" BETA");
                }
            }
            Some(Quirk::CarError) => {
                keys.to_mut().insert("err".to_owned(), CAR_ERROR.into());
            }
            Some(Quirk::PartialStatus) | None => {}
        }
        keys
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
