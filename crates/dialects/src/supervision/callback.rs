//! What the platform asks of an operator, at the addresses that the operator gave: both sides of it.
//!
//! Calls are signed like those of operators, with a token that the platform hands out to nobody for calling it: a
//! call that is sent back to the platform proves nothing there.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use model::oversight::{Callback, Code, Digest, Failed, Operator, RiskLevel, Sample, Warning};
use model::outbox::Notice;
use model::secret::Secret;
use model::time::{Millis, Timestamp};

use super::definition::{Definition, Form};
use super::error::Refusal;
use super::map::{Writer, sample_json};
use super::read::{self, json_text};
use super::request::{self, Context, Headers, Told};
use super::server::Answer;
use super::{server, sign, time};
use crate::query;

/// Who is called, and by what it knows that it is us.
#[derive(Clone, Copy)]
pub struct Called<'a> {
    pub definition: &'a Definition,
    pub operator: &'a Operator,
    pub secret: &'a Secret,
    /// The operator's own for these calls, and for no others.
    pub token: &'a Secret,
    pub zone: &'a TimeZone,
    pub now: Timestamp,
}

/// Why there is nothing to send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{url}`: {why}")]
pub struct CallError {
    pub url: String,
    pub why: String,
}

/// Tells an operator something, at its address for it.
///
/// # Errors
/// When the address is none that can be called.
pub fn notice(called: &Called<'_>, url: &str, notice: &Notice) -> Result<http::Request<Vec<u8>>, CallError> {
    let body = match notice {
        Notice::Failed(failed) => failed_json(called.definition, failed),
        Notice::Risk(warning) => risk_json(called, warning),
    };
    call(called, http::Method::POST, url, body.into_bytes())
}

/// Asks an operator for one sample of the past.
///
/// # Errors
/// When the address is none that can be called.
pub fn past_sample(
    called: &Called<'_>,
    url: &str,
    port: &Code,
    at: Timestamp,
) -> Result<http::Request<Vec<u8>>, CallError> {
    let names = &called.definition.query;
    let at = time::text(at, called.zone);
    let pairs = [
        (&names.operator.name, called.operator.id.as_str()),
        (&names.port.name, port.as_str()),
        (&names.at.name, at.as_str()),
    ];
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", query::encode(value)))
        .collect();
    let joint = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{joint}{}", pairs.join("&"));
    call(called, http::Method::GET, &url, Vec::new())
}

fn call(
    called: &Called<'_>,
    method: http::Method,
    url: &str,
    body: Vec<u8>,
) -> Result<http::Request<Vec<u8>>, CallError> {
    let headers = sign::headers(
        called.definition,
        (called.operator.digest, called.secret),
        &time::text(called.now, called.zone),
        called.operator.id.as_str(),
        Some(called.token.expose()),
    );
    request_of(method, url, &headers, body).map_err(|error| CallError {
        url: url.to_owned(),
        why: error.to_string(),
    })
}

pub(super) fn request_of(
    method: http::Method,
    url: &str,
    headers: &[(String, String)],
    body: Vec<u8>,
) -> Result<http::Request<Vec<u8>>, http::Error> {
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if !body.is_empty() {
        request = request.header(http::header::CONTENT_TYPE, "application/json");
    }
    request.body(body)
}

/// Members whose names have a `.` stand in an object of the first part.
fn nested(form: &Form, value: impl Fn(&str) -> Option<String>) -> String {
    let mut top = Writer::new();
    let mut inner = Vec::<(&str, Writer)>::new();
    for field in &form.fields {
        let Some(json) = value(&field.is) else { continue };
        match field.name.split_once('.') {
            None => top.raw(&field.name, &json),
            Some((group, name)) => {
                if let Some((_, writer)) = inner.iter_mut().find(|(other, _)| *other == group) {
                    writer.raw(name, &json);
                } else {
                    let mut writer = Writer::new();
                    writer.raw(name, &json);
                    inner.push((group, writer));
                }
            }
        }
    }
    for (group, writer) in inner {
        top.raw(group, &writer.done());
    }
    top.done()
}

fn failed_json(definition: &Definition, failed: &Failed) -> String {
    let path = failed.path.split('?').next().unwrap_or_default();
    nested(&definition.failed, |is| {
        Some(match is {
            "status" => failed.status.to_string(),
            "message" => json_text(&failed.message),
            "path" => json_text(path),
            "query" => query_json(&failed.path),
            "body" => numbered(definition, failed),
            "failed" => json_text(failed.id.as_str()),
            "count" => failed.count.to_string(),
            _ => return None,
        })
    })
}

fn query_json(path: &str) -> String {
    let mut object = Writer::new();
    let pairs = path.split_once('?').map(|(_, pairs)| query::pairs(pairs));
    for (name, value) in pairs.unwrap_or_default() {
        object.text(&name, &value);
    }
    object.done()
}

/// The body that failed, with the number that a repair needs.
fn numbered(definition: &Definition, failed: &Failed) -> String {
    let form = &definition.sample;
    let own = form.fields.iter().position(|field| field.is == "failed");
    let mut object = Writer::new();
    let mut members = Vec::new();
    // What was no object has no members to keep.
    if read::members(&failed.body, |name, raw| members.push((name, raw))).is_err() {
        members.clear();
    }
    for (name, raw) in members {
        if form.place(&name, 0) != own || own.is_none() {
            object.raw(&name, raw);
        }
    }
    object.text(form.name("failed"), failed.id.as_str());
    object.done()
}

fn risk_json(called: &Called<'_>, warning: &Warning) -> String {
    nested(&called.definition.risk, |is| {
        Some(json_text(&match is {
            "operator" => Cow::Borrowed(called.operator.id.as_str()),
            "port" => Cow::Borrowed(warning.port.as_str()),
            "level" => Cow::Borrowed(called.definition.level_name(warning.level)),
            "reason" => Cow::Borrowed(warning.reason.as_str()),
            "at" => Cow::Owned(time::text(warning.raised, called.zone)),
            _ => return None,
        }))
    })
}

/// Status, message and data of an envelope; `None`: the body is none.
pub(super) struct Envelope<'a> {
    pub status: u16,
    pub message: Cow<'a, str>,
    pub data: &'a str,
    pub rejected: Option<&'a str>,
}

pub(super) fn envelope<'a>(definition: &Definition, body: &'a [u8]) -> Option<Envelope<'a>> {
    let form = &definition.envelope;
    let mut found = Envelope {
        status: 0,
        message: Cow::Borrowed(""),
        data: "null",
        rejected: None,
    };
    let mut status = None;
    let text = std::str::from_utf8(body).ok()?;
    read::members(text, |name, raw| {
        if name == form.name("status") {
            let number = read::text_of(raw).unwrap_or(Cow::Borrowed(raw));
            status = number.parse().ok();
        } else if name == form.name("message") {
            found.message = read::text_of(raw).unwrap_or_default();
        } else if name == form.name("data") {
            found.data = raw;
        } else if name == form.name("rejected") {
            found.rejected = Some(raw);
        }
    })
    .ok()?;
    found.status = status?;
    Some(found)
}

/// Whether an operator has taken what it was told: any 2xx, and if there is an envelope, one that says so.
///
/// # Errors
/// What it said instead.
pub fn taken(definition: &Definition, response: &http::Response<Vec<u8>>) -> Result<(), String> {
    if !response.status().is_success() {
        return Err(format!("HTTP {}", response.status().as_u16()));
    }
    match envelope(definition, response.body()) {
        Some(said) if said.status != 200 => Err(format!("status {}: {}", said.status, said.message)),
        _ => Ok(()),
    }
}

/// The sample that an operator was asked for; `None`: it has none.
///
/// # Errors
/// When the answer is none, or the sample makes no sense.
pub fn told(response: &http::Response<Vec<u8>>, context: &Context<'_>) -> Result<Option<Told<Sample>>, Refusal> {
    let http = response.status();
    let said = envelope(context.definition, response.body());
    let status = match &said {
        Some(said) if http.is_success() => said.status,
        _ => http.as_u16(),
    };
    match (status, said) {
        (404, _) => Ok(None),
        (200, Some(said)) if said.data == "null" => Ok(None),
        (200, Some(said)) => request::sample(said.data, context).map(|(_, told)| Some(told)),
        (status, _) => Err(Refusal::new(502, format!("the operator answered {status}"))),
    }
}

/// What an operator hears from its platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A sample could not be used.
    Failed {
        /// What a repair names.
        failed: Code,
        /// How often it has failed.
        count: u8,
        status: i64,
        message: String,
        /// The sample, if it can be read.
        sample: Option<Box<Sample>>,
        /// As it came.
        body: String,
    },
    /// There is a danger at one of its ports.
    Risk {
        port: Code,
        level: RiskLevel,
        reason: String,
        at: Timestamp,
    },
    /// Wants to know how a port was.
    PastSample { port: Code, at: Timestamp },
}

/// By what an operator knows its platform.
#[derive(Clone, Copy)]
pub struct Platform<'a> {
    pub digest: Digest,
    pub secret: &'a Secret,
    /// The token of its calls; `None`: the operator has not been told it.
    pub token: Option<&'a Secret>,
    pub most_skew: Millis,
}

/// Reads what a platform says at one of the addresses that it was given, once it is proved that it is the platform.
///
/// # Errors
/// 401 when it is not, 403 for another operator's call, 400 for what makes no sense.
pub fn hear(
    callback: Callback,
    headers: &http::HeaderMap,
    raw_query: &str,
    body: &[u8],
    platform: Platform<'_>,
    context: &Context<'_>,
) -> Result<Heard, Refusal> {
    let definition = context.definition;
    let headers = Headers::read(definition, request::Endpoint::Report, headers, "")?;
    headers.check_clock(definition, context.now, context.zone, platform.most_skew)?;
    if headers.operator != context.operator.id {
        return Err(Refusal::forbidden("this is another operator"));
    }
    let is_token = platform.token.is_none_or(|token| {
        let sent = headers.token.as_deref().unwrap_or_default();
        sign::is_same(token.expose(), sent)
    });
    if !is_token || !headers.are_signed_by(definition, platform.digest, platform.secret) {
        return Err(Refusal::permission(definition, "wrong signature or token"));
    }
    match callback {
        Callback::ReportFailed => heard_failed(read::body_text(body)?, context),
        Callback::Risk => heard_risk(read::body_text(body)?, context),
        Callback::PastSample => asked_past(raw_query, context),
    }
}

/// The members of a notice by our names, wherever they stand: some platforms send flat what others nest.
struct Members<'j> {
    form: &'j Form,
    all: Vec<(String, &'j str)>,
}

impl<'j> Members<'j> {
    fn read(form: &'j Form, json: &'j str) -> Result<Self, Refusal> {
        let mut all = Vec::new();
        read::members(json, |name, raw| all.push((name.into_owned(), raw)))?;
        let groups: Vec<_> = form.fields.iter().filter_map(|field| field.name.split_once('.')).collect();
        let mut inner = Vec::new();
        for (group, raw) in &all {
            if groups.iter().any(|(other, _)| other == group) && raw.starts_with('{') {
                read::members(raw, |name, raw| inner.push((format!("{group}.{name}"), raw)))?;
            }
        }
        all.extend(inner);
        Ok(Self { form, all })
    }

    fn raw(&self, is: &str) -> Result<&'j str, Refusal> {
        let name = self.form.name(is);
        let flat = name.rsplit('.').next().unwrap_or(name);
        let find = |name: &str| self.all.iter().find(|(other, _)| other == name).map(|(_, raw)| *raw);
        find(name)
            .or_else(|| find(flat))
            .ok_or_else(|| Refusal::field(name, "is required"))
    }

    fn text(&self, is: &str) -> Result<String, Refusal> {
        let text = read::text_of(self.raw(is)?);
        text.map(Cow::into_owned)
            .ok_or_else(|| Refusal::field(self.form.name(is), "expected a text"))
    }

    fn number(&self, is: &str) -> Result<i64, Refusal> {
        let raw = self.raw(is)?;
        let text = read::text_of(raw).unwrap_or(Cow::Borrowed(raw));
        text.parse()
            .map_err(|_| Refusal::field(self.form.name(is), "expected an integer"))
    }

    fn code(&self, is: &str) -> Result<Code, Refusal> {
        let text = self.text(is)?;
        Code::new(&text).map_err(|error| Refusal::field(self.form.name(is), &error.to_string()))
    }
}

fn heard_failed(json: &str, context: &Context<'_>) -> Result<Heard, Refusal> {
    let members = Members::read(&context.definition.failed, json)?;
    let body = members.raw("body")?;
    let count = u8::try_from(members.number("count")?);
    Ok(Heard::Failed {
        failed: members.code("failed")?,
        count: count.map_err(|_| Refusal::field(context.definition.failed.name("count"), "expected 1 to 3"))?,
        status: members.number("status")?,
        message: members.text("message")?,
        sample: request::sample(body, context).ok().map(|(_, told)| Box::new(told.what)),
        body: body.to_owned(),
    })
}

fn heard_risk(json: &str, context: &Context<'_>) -> Result<Heard, Refusal> {
    let form = &context.definition.risk;
    let members = Members::read(form, json)?;
    if members.text("operator")? != context.operator.id.as_str() {
        return Err(Refusal::forbidden("this is another operator"));
    }
    let level = members.text("level")?;
    let level = context.definition.level(&level);
    let at = time::read(&members.text("at")?, context.zone);
    Ok(Heard::Risk {
        port: members.code("port")?,
        level: level.ok_or_else(|| Refusal::field(form.name("level"), "is no level of danger"))?,
        reason: members.text("reason")?,
        at: at
            .map(|(at, _)| at)
            .ok_or_else(|| Refusal::field(form.name("at"), "expected yyyy-MM-dd HH:mm:ss"))?,
    })
}

fn asked_past(raw_query: &str, context: &Context<'_>) -> Result<Heard, Refusal> {
    let names = &context.definition.query;
    let pairs = query::pairs(raw_query);
    let get = |name: &str| {
        let found = pairs.iter().find(|(other, _)| other == name);
        found
            .map(|(_, value)| value.as_str())
            .ok_or_else(|| Refusal::field(name, "is required"))
    };
    if get(&names.operator.name)? != context.operator.id.as_str() {
        return Err(Refusal::forbidden("this is another operator"));
    }
    let port = Code::new(get(&names.port.name)?);
    let at = time::read(get(&names.at.name)?, context.zone);
    Ok(Heard::PastSample {
        port: port.map_err(|error| Refusal::field(&names.port.name, &error.to_string()))?,
        at: at
            .map(|(at, _)| at)
            .ok_or_else(|| Refusal::field(&names.at.name, "expected yyyy-MM-dd HH:mm:ss"))?,
    })
}

/// How far a sample may be from the moment that a platform asks for.
pub const NEAREST: Millis = Millis(60_000);

/// The operator's answer: the sample of that very moment or the newest within a minute before it.
#[must_use]
pub fn past_answer(context: &Context<'_>, sample: Option<&Sample>) -> Answer {
    let definition = context.definition;
    match sample {
        Some(sample) => {
            let json = sample_json(definition, &context.operator.id, sample, None, context.zone);
            server::success(definition, &json)
        }
        None => server::refused(definition, &Refusal::new(404, "no sample of that time"), false),
    }
}
