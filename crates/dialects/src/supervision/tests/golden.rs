//! Calls as they are sent, and the bytes that answer them.

use std::fs;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};
use model::oversight::Digest;
use model::time::Millis;

use super::super::definition::built_in;
use super::super::error::Refusal;
use super::super::request::{self, Asked, Context, Endpoint, Headers};
use super::super::server::{self, Answer, Page};
use super::{NOW, operator, secret, shanghai};

struct Transcript {
    method: http::Method,
    target: String,
    headers: HeaderMap,
    body: String,
    status: u16,
    answer: String,
}

fn transcript(text: &str) -> Transcript {
    let sent: Vec<_> = text.lines().filter_map(|line| line.strip_prefix('>')).map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let told: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("< ")).collect();
    let (method, target) = sent[0].split_once(' ').unwrap();
    let end = sent.iter().position(|line| line.is_empty()).unwrap();
    let mut headers = HeaderMap::new();
    for line in &sent[1..end] {
        let (name, value) = line.split_once(": ").unwrap();
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    Transcript {
        method: method.parse().unwrap(),
        target: target.to_owned(),
        headers,
        body: sent[end + 1..].join("\n"),
        status: told[0].parse().unwrap(),
        answer: told[1].to_owned(),
    }
}

/// A platform that knows nothing and believes one token.
fn answer(call: &Transcript) -> Result<Answer, Refusal> {
    let definition = built_in();
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    let endpoint = Endpoint::of(&call.method, path)?;
    let headers = Headers::read(definition, endpoint, &call.headers, query)?;
    headers.check_clock(definition, NOW, &shanghai(), Millis(300_000))?;
    let is_token = headers.token.as_deref().is_none_or(|token| token == "thisisantoken");
    if !is_token || !headers.are_signed_by(definition, Digest::Sha256, &secret()) {
        return Err(Refusal::permission(definition, "wrong signature or token"));
    }
    let operator = operator(headers.operator.as_str());
    let context = Context {
        definition,
        operator: &operator,
        zone: &shanghai(),
        now: NOW,
        person_key: &secret(),
    };
    Ok(match request::read(endpoint, query, call.body.as_bytes(), &context)? {
        Asked::Token => server::token(definition, "thisisantoken"),
        Asked::Page { slice, .. } => {
            let page = Page {
                slice,
                total: 0,
                list: &[],
            };
            server::entities(definition, &operator.id, page)
        }
        Asked::ReportList(entries) => {
            let of = entries.len();
            let refused: Vec<_> = entries.into_iter().filter_map(Result::err).collect();
            server::list(definition, of, &refused, false)
        }
        _ => server::done(definition),
    })
}

#[test]
fn calls_are_answered_as_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/supervision/transcripts");
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 22);
    for name in names {
        let call = transcript(&fs::read_to_string(&name).unwrap());
        let found = answer(&call).unwrap_or_else(|refusal| server::refused(built_in(), &refusal, false));
        let body = String::from_utf8(found.body).unwrap();
        assert_eq!((body, found.status), (call.answer, call.status), "{}", name.display());
    }
}
