//! What operators ask of the platform: headers, who signed them, and the body in our own nouns.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use model::oversight::{
    Callback, ChargeRecord, Code, Digest, Entity, EntityKind, Finding, Operator, OperatorCode, Sample,
};
use model::secret::Secret;
use model::time::{Millis, Timestamp};

use super::definition::Definition;
pub use super::definition::Endpoint;
use super::error::{Refusal, clean};
use super::map::{EntitySink, RecordSink, SampleSink};
use super::read::{self, Whole};
use super::{sign, time};
use crate::query;

/// By what a call is read.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub definition: &'a Definition,
    /// Who calls, and is believed to.
    pub operator: &'a Operator,
    /// Whose clocks times are written by.
    pub zone: &'a TimeZone,
    pub now: Timestamp,
    /// What makes a name of nobody out of whatever names a person.
    pub person_key: &'a Secret,
}

/// Something told, what is odd about it, and the words it was told in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<T> {
    pub what: T,
    pub findings: Vec<Finding>,
    /// As JSON; empty where it could name persons.
    pub body: String,
}

/// An entry of a list that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// From 0.
    pub index: usize,
    /// Which port it is of, if it says so.
    pub port: Option<String>,
    pub refusal: Refusal,
}

/// The entries of a list, each for itself.
pub type List<T> = Vec<Result<Told<T>, Refused>>;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Token,
    Register(Told<Entity>),
    /// Only what is there changes.
    Modify(Told<Entity>),
    Remove {
        kind: EntityKind,
        id: Code,
    },
    Page {
        kind: EntityKind,
        slice: Slice,
    },
    Report(Told<Sample>),
    ReportList(List<Sample>),
    ReportAgain {
        failed: Code,
        told: Told<Sample>,
    },
    Record(Told<ChargeRecord>),
    RecordList(List<ChargeRecord>),
    RecordPage {
        slice: Slice,
        port: Option<Code>,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    },
    SetAddress {
        callback: Callback,
        url: String,
    },
    ClearAddress {
        callback: Callback,
    },
}

/// Which part of all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// From 1.
    pub index: u64,
    pub size: u32,
}

/// Who calls, as the headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    /// As it was sent: it is signed that way.
    pub datetime: Cow<'a, str>,
    pub operator: OperatorCode,
    /// Of a log-in there is none.
    pub token: Option<Cow<'a, str>>,
    pub signature: Cow<'a, str>,
}

const LONGEST_HEADER: usize = 256;

impl<'a> Headers<'a> {
    /// Reads the headers of a call. A log-in may have them in its query.
    ///
    /// # Errors
    /// 400 for one that is missing, empty, there twice, too long, or holds anything but visible ASCII.
    pub fn read(
        definition: &Definition,
        endpoint: Endpoint,
        headers: &'a http::HeaderMap,
        raw_query: &str,
    ) -> Result<Self, Refusal> {
        let is_login = endpoint == Endpoint::Token;
        let in_query = if is_login { query::pairs(raw_query) } else { Vec::new() };
        let get = |name: &str| header(headers, &in_query, name);
        let names = &definition.headers;
        let datetime = get(&names.datetime.name)?;
        let operator = get(&names.operator.name)?;
        let token = if is_login { None } else { Some(get(&names.token.name)?) };
        let signature = get(&names.signature.name)?;
        let operator = OperatorCode::new(&operator).map_err(|_| {
            Refusal::field(
                &names.operator.name,
                "expected 1 to 64 visible ASCII characters without spaces",
            )
        })?;
        Ok(Self {
            datetime,
            operator,
            token,
            signature,
        })
    }

    /// # Errors
    /// 400 for a time that is none, 401 for one that is further from ours than is allowed.
    pub fn check_clock(
        &self,
        definition: &Definition,
        now: Timestamp,
        zone: &TimeZone,
        most_skew: Millis,
    ) -> Result<(), Refusal> {
        let name = &definition.headers.datetime.name;
        let Some((at, _)) = time::read(&self.datetime, zone) else {
            return Err(Refusal::field(
                name,
                &format!("{}: expected yyyy-MM-dd HH:mm:ss", clean(&self.datetime)),
            ));
        };
        // Both in whole seconds, as clocks are written here.
        let ahead_s = at.as_seconds() - now.as_seconds();
        if ahead_s.abs() <= most_skew.as_seconds() {
            return Ok(());
        }
        let (by, which) = (ahead_s.unsigned_abs(), if ahead_s > 0 { "ahead of" } else { "behind" });
        Err(Refusal::permission(
            definition,
            &format!("{name} is {by} s {which} the platform's clock"),
        ))
    }

    /// Whether the holder of a secret has signed them.
    #[must_use]
    pub fn are_signed_by(&self, definition: &Definition, digest: Digest, secret: &Secret) -> bool {
        let text = sign::lines(
            &definition.headers,
            &self.datetime,
            self.operator.as_str(),
            self.token.as_deref(),
        );
        sign::holds(digest, secret, &text, &self.signature)
    }
}

fn header<'a>(
    headers: &'a http::HeaderMap,
    in_query: &[(String, String)],
    name: &str,
) -> Result<Cow<'a, str>, Refusal> {
    let mut all = headers.get_all(name).iter();
    let value = match (all.next(), all.next()) {
        (Some(_), Some(_)) => return Err(Refusal::field(name, "is there twice")),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| Refusal::field(name, "holds more than visible ASCII"))?;
            Cow::Borrowed(text)
        }
        (None, _) => {
            let mut all = in_query.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
            match (all.next(), all.next()) {
                (Some(_), Some(_)) => return Err(Refusal::field(name, "is there twice")),
                (Some((_, value)), None) => Cow::Owned(value.clone()),
                (None, _) => return Err(Refusal::field(name, "this header is required")),
            }
        }
    };
    if value.trim().is_empty() {
        return Err(Refusal::field(name, "is empty"));
    }
    if value.len() > LONGEST_HEADER || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Refusal::field(
            name,
            &format!("expected at most {LONGEST_HEADER} visible ASCII characters"),
        ));
    }
    Ok(value)
}

/// Reads what is asked, once it is known who asks.
///
/// # Errors
/// 400 naming the first field that is wrong, 403 for another operator's name, 413 for a list that is too long.
pub fn read(endpoint: Endpoint, raw_query: &str, body: &[u8], context: &Context<'_>) -> Result<Asked, Refusal> {
    let definition = context.definition;
    match endpoint {
        Endpoint::Token => Ok(Asked::Token),
        Endpoint::Register(kind) => entity(kind, Whole::Yes, body, context).map(Asked::Register),
        Endpoint::Modify(kind) => entity(kind, Whole::No, body, context).map(Asked::Modify),
        Endpoint::Remove(kind) => {
            let params = Params::read(raw_query, body, context)?;
            let name = &definition.query.id(kind).name;
            let id = params.needed(name)?;
            let id = code(name, id)?;
            Ok(Asked::Remove { kind, id })
        }
        Endpoint::Page(kind) => {
            let slice = Params::read(raw_query, &[], context)?.slice(definition)?;
            Ok(Asked::Page { kind, slice })
        }
        Endpoint::Report => Ok(Asked::Report(sample(read::body_text(body)?, context)?.1)),
        Endpoint::ReportAgain => {
            let (failed, told) = sample(read::body_text(body)?, context)?;
            let name = definition.sample.name("failed");
            let failed = failed.ok_or_else(|| Refusal::field(name, "is required"))?;
            Ok(Asked::ReportAgain { failed, told })
        }
        Endpoint::ReportList => {
            let most = definition.limits.samples.value;
            list(body, most, context, |json| Ok(sample(json, context)?.1)).map(Asked::ReportList)
        }
        Endpoint::Record => record(read::body_text(body)?, context).map(Asked::Record),
        Endpoint::RecordList => {
            let most = definition.limits.records.value;
            list(body, most, context, |json| record(json, context)).map(Asked::RecordList)
        }
        Endpoint::RecordPage => {
            let params = Params::read(raw_query, &[], context)?;
            let names = &definition.query;
            let at = |name: &str| {
                let text = params.get(name)?.filter(|text| !text.is_empty());
                let read = text.map(|text| {
                    let at = time::read(text, context.zone).map(|(at, _)| at);
                    at.ok_or_else(|| Refusal::field(name, "expected yyyy-MM-dd HH:mm:ss"))
                });
                read.transpose()
            };
            let port = params.get(&names.port.name)?.filter(|text| !text.is_empty());
            Ok(Asked::RecordPage {
                slice: params.slice(definition)?,
                port: port.map(|port| code(&names.port.name, port)).transpose()?,
                from: at(&names.from.name)?,
                to: at(&names.to.name)?,
            })
        }
        Endpoint::SetAddress(callback) => {
            let params = Params::read(raw_query, body, context)?;
            let name = &definition.query.url.name;
            let url = address(name, params.needed(name)?, context.operator)?;
            Ok(Asked::SetAddress { callback, url })
        }
        Endpoint::ClearAddress(callback) => {
            Params::read(raw_query, body, context)?;
            Ok(Asked::ClearAddress { callback })
        }
    }
}

fn entity(kind: EntityKind, whole: Whole, body: &[u8], context: &Context<'_>) -> Result<Told<Entity>, Refusal> {
    let json = read::body_text(body)?;
    let form = context.definition.entity(kind);
    let mut sink = EntitySink::new(kind);
    let findings = read::object(json, form, whole, context, &mut sink)?;
    Ok(Told {
        what: sink.done(form, context.now)?,
        findings,
        body: json.to_owned(),
    })
}

pub(super) fn sample(json: &str, context: &Context<'_>) -> Result<(Option<Code>, Told<Sample>), Refusal> {
    let form = &context.definition.sample;
    let mut sink = SampleSink::new(context.definition, context.operator.strict);
    let findings = read::object(json, form, Whole::Yes, context, &mut sink)?;
    let failed = sink.failed.take();
    let told = Told {
        what: sink.done()?,
        findings,
        body: json.to_owned(),
    };
    Ok((failed, told))
}

fn record(json: &str, context: &Context<'_>) -> Result<Told<ChargeRecord>, Refusal> {
    let form = &context.definition.record;
    let mut sink = RecordSink::new(form);
    let findings = read::object(json, form, Whole::Yes, context, &mut sink)?;
    Ok(Told {
        what: sink.done(context.person_key)?,
        findings,
        body: String::new(),
    })
}

fn list<T>(
    body: &[u8],
    most: u32,
    context: &Context<'_>,
    read_one: impl Fn(&str) -> Result<Told<T>, Refusal>,
) -> Result<List<T>, Refusal> {
    let entries = read::entries(read::body_text(body)?, most)?;
    let one = |(index, json): (usize, &str)| {
        read_one(json).map_err(|refusal| Refused {
            index,
            port: port_of(json, context),
            refusal,
        })
    };
    Ok(entries.into_iter().enumerate().map(one).collect())
}

/// Which port an entry is of that could not be read.
fn port_of(json: &str, context: &Context<'_>) -> Option<String> {
    let form = &context.definition.sample;
    let port = form.fields.iter().position(|field| field.is == "port")?;
    let mut found = None;
    let read = read::members(json, |name, raw| {
        if form.place(&name, 0) == Some(port) {
            found = read::text_of(raw).map(|text| clean(&text));
        }
    });
    read.ok().and(found)
}

fn code(name: &str, text: &str) -> Result<Code, Refusal> {
    Code::new(text).map_err(|_| Refusal::field(name, "expected 1 to 64 visible ASCII characters without spaces"))
}

/// What stands in the query, or with the same names in the body.
struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// # Errors
    /// When the operator is not named, or is not the one that calls.
    fn read(raw_query: &str, body: &[u8], context: &Context<'_>) -> Result<Self, Refusal> {
        let mut params = Self {
            pairs: query::pairs(raw_query),
        };
        let in_query = params.pairs.len();
        if !body.trim_ascii().is_empty() {
            let mut wrong = None;
            let operator = &context.definition.query.operator.name;
            read::members(read::body_text(body)?, |name, raw| {
                let known = params.pairs.iter().take(in_query).find(|(other, _)| *other == name);
                match (read::text_of(raw), known) {
                    (Some(text), None) => params.pairs.push((name.into_owned(), text.into_owned())),
                    (Some(text), Some((_, known))) if text != *known => {
                        wrong.get_or_insert_with(|| {
                            if name == *operator {
                                Refusal::forbidden(&format!("{name}: is not the operator that calls"))
                            } else {
                                Refusal::field(&name, "is another one in the query")
                            }
                        });
                    }
                    (None, _) if raw != "null" => {
                        let refusal = || Refusal::field(&name, &format!("{}: expected a text", clean(raw)));
                        wrong.get_or_insert_with(refusal);
                    }
                    _ => {}
                }
            })?;
            if let Some(wrong) = wrong {
                return Err(wrong);
            }
        }
        let name = &context.definition.query.operator.name;
        if params.needed(name)? != context.operator.id.as_str() {
            return Err(Refusal::forbidden(&format!("{name}: is not the operator that calls")));
        }
        Ok(params)
    }

    fn get(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut all = self.pairs.iter().filter(|(other, _)| other == name);
        match (all.next(), all.next()) {
            (Some(_), Some(_)) => Err(Refusal::field(name, "is there twice")),
            (first, _) => Ok(first.map(|(_, value)| value.as_str())),
        }
    }

    fn needed(&self, name: &str) -> Result<&str, Refusal> {
        let value = self.get(name)?.filter(|value| !value.is_empty());
        value.ok_or_else(|| Refusal::field(name, "is required"))
    }

    fn slice(&self, definition: &Definition) -> Result<Slice, Refusal> {
        let number = |name: &str| {
            let text = self.needed(name)?;
            let number = text.parse::<u32>().ok().filter(|number| *number > 0 && !text.starts_with('+'));
            number.ok_or_else(|| Refusal::field(name, &format!("{}: expected an integer from 1", clean(text))))
        };
        let names = &definition.query;
        Ok(Slice {
            index: number(&names.index.name)?.into(),
            size: number(&names.size.name)?.min(definition.limits.page.value),
        })
    }
}

const LONGEST_ADDRESS: usize = 1_024;

/// An address as it is kept. Where it leads is judged when it is called.
fn address(name: &str, sent: &str, operator: &Operator) -> Result<String, Refusal> {
    let wrong = |what: &str| Refusal::field(name, &format!("{}: {what}", clean(sent)));
    if sent.len() > LONGEST_ADDRESS || !sent.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("expected an address of at most 1024 visible ASCII characters"));
    }
    let whole = if sent.contains("://") {
        Cow::Borrowed(sent)
    } else if operator.strict {
        return Err(wrong("expected an absolute address with its scheme"));
    } else {
        Cow::Owned(format!("https://{sent}"))
    };
    let uri: http::Uri = whole.parse().map_err(|_| wrong("is no address"))?;
    let host = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    if host.contains('@') {
        return Err(wrong("an address holds no credentials"));
    }
    if uri.host().unwrap_or_default().is_empty() || whole.contains('#') {
        return Err(wrong("is no address"));
    }
    match uri.scheme_str() {
        Some("https") => Ok(whole.into_owned()),
        Some("http") if operator.local => Ok(whole.into_owned()),
        Some("http") => Err(wrong("expected https; http is for operators that are marked local")),
        _ => Err(wrong("expected https")),
    }
}
