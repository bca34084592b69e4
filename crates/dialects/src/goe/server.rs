//! What a virtual go-e charger answers: bodies, status codes and headers of both forms.
//!
//! Pure: the caller has read the token, chosen the charger and checked who asks. A status goes like this:
//!
//! ```
//! use dialects::goe::map::{About, sheet};
//! use dialects::goe::query::StatusQuery;
//! use dialects::goe::server::{LinkFacts, Refusal, Secrets, StatusForm, refuse, status_reply};
//! # fn view() -> model::view::EvseView { unimplemented!() }
//! # fn serve(view: &model::view::EvseView, about: &About<'_>, facts: &LinkFacts, query: &str) -> http::Response<Vec<u8>> {
//! let query = StatusQuery::parse(query);
//! // 1. token of `query.token` or of the header wrong, or serial unknown: refuse(Refusal::Unauthorized)
//! // 2. cloud form only: is the link good enough for what the caller accepts?
//! if let Err(refusal) = facts.admit_status(query.age) {
//!     return refuse(refusal);
//! }
//! // 3. the sheet may be kept as long as view and document stay the same
//! let sheet = sheet(None, view, None, about);
//! let form = StatusForm::Cloud { last_modified: model::time::Timestamp(0) };
//! status_reply(&sheet, query.filter.as_deref(), Secrets::WhenNamed, form)
//! # }
//! ```
//!
//! A set: [`SetQuery::parse`](super::query::SetQuery::parse), then for each write in order
//! [`plan`](super::map::plan); what is wanted goes to the gate, refusals of the gate become
//! [`failed_text`](super::error::failed_text); all [`Outcome`]s together make the [`set_reply`].

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use model::time::{Millis, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::keys;

/// Whether a caller may see secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// Local form without a token: left out, also when named.
    Never,
    /// The caller showed the charger's token: sent when named in the filter.
    WhenNamed,
}

/// Everything one charger shows, ready to be answered from any number of times.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    values: Map<String, Value>,
    /// Names of the keys that were laid over the document.
    ours: Box<[String]>,
    /// The unfiltered body.
    full: Bytes,
}

impl Sheet {
    /// A document with `overlay` laid over it. Keys of [`keys::NEVER_NULL`] that have no value get a neutral
    /// one.
    #[must_use]
    pub fn new(mut document: Map<String, Value>, overlay: Map<String, Value>) -> Self {
        let ours = overlay.keys().cloned().collect();
        document.extend(overlay);
        for key in keys::NEVER_NULL {
            if document.get(key).is_none_or(Value::is_null) {
                document.insert(key.to_owned(), neutral(key));
            }
        }
        let full = bytes_of(document.iter().filter(|(key, _)| !keys::is_secret(key))).into();
        Self {
            values: document,
            ours,
            full,
        }
    }

    /// One value, secrets included.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// The body without a filter.
    #[must_use]
    pub fn full(&self) -> &Bytes {
        &self.full
    }

    /// Whether a value is ours, whatever the charger says.
    #[must_use]
    pub fn is_ours(&self, key: &str) -> bool {
        self.ours.iter().any(|name| name == key)
    }

    /// Every value that is no secret.
    pub fn open_values(&self) -> impl Iterator<Item = (&str, &Value)> {
        let all = self.values.iter().map(|(key, value)| (key.as_str(), value));
        all.filter(|(key, _)| !keys::is_secret(key))
    }

    /// The body for a filter: named keys in the order asked. Of those the charger does not have, the cloud says
    /// nothing and a charger in the LAN says null, as long as there is such a key at all.
    #[must_use]
    pub fn body(&self, filter: Option<&[String]>, secrets: Secrets, form: StatusForm) -> Vec<u8> {
        const NULL: &Value = &Value::Null;
        let Some(names) = filter else {
            return self.full.to_vec();
        };
        let shown = |name: &&String| secrets == Secrets::WhenNamed || !keys::is_secret(name);
        let is_null = |name: &String| form == StatusForm::Local && keys::find(name).is_some();
        bytes_of(
            names
                .iter()
                .filter(shown)
                .filter_map(|name| match self.values.get(name) {
                    Some(value) => Some((name, value)),
                    None => is_null(name).then_some((name, NULL)),
                }),
        )
    }
}

/// The value of a key that clients convert unasked, while there is none.
fn neutral(key: &str) -> Value {
    match key {
        "amp" | "ama" | "mca" => json!(6),
        "fmt" => json!(300_000),
        "cco" => json!(16.2),
        "pha" => json!([false, false, false, true, true, true]),
        "tma" => json!([0, 0]),
        "nrg" => json!([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        _ => json!(0),
    }
}

struct Pairs<I>(std::cell::Cell<Option<I>>);

impl<'a, I: Iterator<Item = (&'a String, &'a Value)>> Serialize for Pairs<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.take().into_iter().flatten())
    }
}

fn bytes_of<'a>(pairs: impl Iterator<Item = (&'a String, &'a Value)>) -> Vec<u8> {
    serde_json::to_vec(&Pairs(std::cell::Cell::new(Some(pairs)))).unwrap_or_default()
}

/// What the link to the charger behind a virtual one is like; decides 403 and 404 of the cloud form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    /// `cae`.
    pub api_enabled: bool,
    /// Age of the last data, `None` when there never were any.
    pub data_age: Option<Millis>,
    /// How long the link has been lost, `None` while it is up.
    pub lost_for: Option<Millis>,
    /// Setting `goe.offline_after`.
    pub offline_after: Millis,
}

/// For how long after the loss of the link a set is still taken.
const SET_GRACE: Millis = Millis::from_seconds(30);

impl LinkFacts {
    /// # Errors
    /// 403 when the interface is off, the charger was never connected or its link has been lost for too
    /// long; 404 when its data are older than `age`.
    pub fn admit_status(&self, age: Millis) -> Result<(), Refusal> {
        self.admit()?;
        match self.data_age {
            Some(old) if old > age => Err(Refusal::Outdated { age: old }),
            Some(_) => Ok(()),
            None => Err(Refusal::Offline),
        }
    }

    /// # Errors
    /// 403 as for a status; 404 when the charger was not connected during the last 30 seconds.
    pub fn admit_set(&self) -> Result<(), Refusal> {
        self.admit()?;
        match self.lost_for {
            Some(lost) if lost > SET_GRACE => Err(Refusal::Outdated { age: lost }),
            Some(_) | None => Ok(()),
        }
    }

    fn admit(&self) -> Result<(), Refusal> {
        if !self.api_enabled {
            return Err(Refusal::Disabled);
        }
        let lost = self.lost_for.is_some_and(|lost| lost > self.offline_after);
        if lost || self.data_age.is_none() {
            Err(Refusal::Offline)
        } else {
            Ok(())
        }
    }
}

/// Why nothing is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Token wrong or missing, or serial unknown: one answer for all, so that nobody learns which serials exist.
    Unauthorized,
    /// `cae` is false.
    Disabled,
    /// Never connected, or lost for too long.
    Offline,
    Outdated {
        age: Millis,
    },
    /// Local form: the charger would not answer. 404 means to a client there that the interface is switched off.
    Silent {
        age: Millis,
    },
    /// A write that a page of another site sent through its visitor's browser.
    Foreign,
    /// Cloud form: it takes GET only.
    Method,
}

/// The answer to a refused request of the cloud form; of the local form too where a charger has none.
#[must_use]
pub fn refuse(refusal: Refusal) -> Response<Vec<u8>> {
    let (status, body) = match refusal {
        Refusal::Unauthorized => (
            StatusCode::UNAUTHORIZED,
            json!({"success": false, "reason": "Token is missing or wrong"}),
        ),
        Refusal::Disabled => (
            StatusCode::FORBIDDEN,
            json!({"success": false, "reason": "Cloud API is disabled"}),
        ),
        Refusal::Offline => (
            StatusCode::FORBIDDEN,
            json!({"success": false, "reason": "Charger is offline"}),
        ),
        Refusal::Outdated { age } => (StatusCode::NOT_FOUND, outdated(age)),
        Refusal::Silent { age } => (StatusCode::SERVICE_UNAVAILABLE, outdated(age)),
        Refusal::Foreign => (
            StatusCode::FORBIDDEN,
            json!({"success": false, "reason": "Writes from pages of other sites are refused"}),
        ),
        Refusal::Method => (
            StatusCode::METHOD_NOT_ALLOWED,
            json!({"success": false, "reason": METHOD_NOT_ALLOWED}),
        ),
    };
    reply(status, body.to_string().into_bytes())
}

fn outdated(age: Millis) -> Value {
    json!({"success": false, "reason": "Data is outdated", "age": age.0 as f64 / 1_000.0})
}

/// Which interface a status is answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusForm {
    /// `last_modified`: when the charger was last heard from.
    Cloud {
        last_modified: Timestamp,
    },
    Local,
}

/// 200 with the keys of `filter`, or all.
#[must_use]
pub fn status_reply(
    sheet: &Sheet,
    filter: Option<&[String]>,
    secrets: Secrets,
    form: StatusForm,
) -> Response<Vec<u8>> {
    let mut response = reply(StatusCode::OK, sheet.body(filter, secrets, form));
    if let StatusForm::Cloud { last_modified } = form
        && let Ok(value) = HeaderValue::from_str(&http_date(last_modified))
    {
        response.headers_mut().insert(header::LAST_MODIFIED, value);
    }
    response
}

/// An IMF-fixdate of RFC 9110, as `last-modified` wants it.
#[must_use]
pub fn http_date(at: Timestamp) -> String {
    at.to_jiff().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// What became of one written key.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub key: String,
    /// The value as JSON, for the echo.
    pub value: Value,
    /// The text under the key, when it was refused.
    pub refusal: Option<String>,
}

/// Which interface a set is answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetForm {
    /// `accepted` is 202 as documented, or 200 for clients that insist on it (setting `set_status`).
    Cloud {
        accepted: StatusCode,
    },
    Local,
}

/// The answer to a set.
///
/// Cloud: the per-key results and the cloud's own lists in one object,
/// `{"amp":true,"succeeded":[{"amp":16}],"failed":[]}`; 422 when nothing was accepted. An empty name stands
/// in `failed` only. Local: the per-key results alone; 500 when anything was refused.
#[must_use]
pub fn set_reply(outcomes: &[Outcome], form: SetForm) -> Response<Vec<u8>> {
    let mut body = Map::new();
    for outcome in outcomes
        .iter()
        .filter(|outcome| !outcome.key.is_empty() || form == SetForm::Local)
    {
        let result = outcome
            .refusal
            .as_ref()
            .map_or(Value::Bool(true), |text| Value::String(text.clone()));
        body.insert(outcome.key.clone(), result);
    }
    let listed = |wanted: bool| -> Value {
        outcomes
            .iter()
            .filter(|outcome| outcome.refusal.is_none() == wanted)
            .map(|outcome| Value::Object(Map::from_iter([(outcome.key.clone(), outcome.value.clone())])))
            .collect()
    };
    let status = match form {
        SetForm::Cloud { accepted } => {
            body.insert("succeeded".to_owned(), listed(true));
            body.insert("failed".to_owned(), listed(false));
            let any = outcomes.iter().any(|outcome| outcome.refusal.is_none());
            if any {
                accepted
            } else {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        }
        SetForm::Local if outcomes.iter().all(|outcome| outcome.refusal.is_none()) => StatusCode::OK,
        SetForm::Local => StatusCode::INTERNAL_SERVER_ERROR,
    };
    reply(status, Value::Object(body).to_string().into_bytes())
}

/// 404 of the local form: no such path, or the interface is switched off.
#[must_use]
pub fn not_found(path: &str) -> Response<Vec<u8>> {
    text(StatusCode::NOT_FOUND, &format!("Not found: {path}"))
}

const METHOD_NOT_ALLOWED: &str = "Request method for this URI is not handled by server";

/// 405 of the local form: it takes GET only.
#[must_use]
pub fn method_not_allowed() -> Response<Vec<u8>> {
    text(StatusCode::METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED)
}

/// A JSON answer with the headers of every answer.
fn reply(status: StatusCode, body: Vec<u8>) -> Response<Vec<u8>> {
    with_headers(status, body, "application/json")
}

pub(super) fn text(status: StatusCode, body: &str) -> Response<Vec<u8>> {
    with_headers(status, body.as_bytes().to_vec(), "text/plain")
}

pub(super) fn json_reply(status: StatusCode, body: &Map<String, Value>) -> Response<Vec<u8>> {
    reply(status, bytes_of(body.iter()))
}

fn with_headers(status: StatusCode, body: Vec<u8>, kind: &'static str) -> Response<Vec<u8>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
