//! A call of an operator: its headers, its query and its body, whatever it asks for. The first byte says what that is,
//! the first line is the headers, the second the query, the rest the body.
#![no_main]

use std::collections::BTreeMap;

use dialects::supervision::callback::{self, Platform};
use dialects::supervision::definition::built_in;
use dialects::supervision::map;
use dialects::supervision::request::{self, Asked, Context, Endpoint, Headers};
use dialects::supervision::server;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use model::oversight::{Callback, Digest, Operator, OperatorCode};
use model::secret::Secret;
use model::time::{Millis, Timestamp};

const NOW: Timestamp = Timestamp(1_646_027_104_000);

fn headers(line: &[u8]) -> HeaderMap {
    let names = ["datetime", "operatorid", "token", "signature"];
    let mut map = HeaderMap::new();
    for (name, value) in names.into_iter().zip(line.split(|byte| *byte == b'|')) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            map.append(HeaderName::from_static(name), value);
        }
    }
    map
}

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    let mut lines = rest.splitn(3, |byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let query = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let body = lines.next().unwrap_or_default();
    let definition = built_in();
    let endpoint = Endpoint::ALL[usize::from(which & 0x7f) % Endpoint::ALL.len()];
    let secret = Secret::new("ohmstead-test-secret");
    let zone = TimeZone::fixed(jiff::tz::offset(8));
    let headers = headers(line);
    if let Ok(read) = Headers::read(definition, endpoint, &headers, &query) {
        let _ = read.check_clock(definition, NOW, &zone, Millis(300_000));
        let _ = read.are_signed_by(definition, Digest::Sha256, &secret);
    }
    let operator = Operator {
        strict: which & 0x80 != 0,
        field_names: BTreeMap::from([
            ("p".to_owned(), "power".to_owned()),
            ("q".to_owned(), "cellId".to_owned()),
        ]),
        ..Operator::new(OperatorCode::new("99").expect("a code"), "fuzz")
    };
    let context = Context {
        definition,
        operator: &operator,
        zone: &zone,
        now: NOW,
        person_key: &secret,
    };
    let answer = match request::read(endpoint, &query, body, &context) {
        Ok(asked) => {
            again(&asked, &context);
            match asked {
                Asked::ReportList(entries) => {
                    refusals(entries.len(), entries.into_iter().filter_map(Result::err))
                }
                Asked::RecordList(entries) => {
                    refusals(entries.len(), entries.into_iter().filter_map(Result::err))
                }
                _ => server::done(definition),
            }
        }
        Err(refusal) => server::refused(definition, &refusal, false),
    };
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok());
    // What an operator hears is read as well.
    let platform = Platform {
        digest: Digest::Sha256,
        secret: &secret,
        token: None,
        most_skew: Millis(300_000),
    };
    for callback in [Callback::ReportFailed, Callback::PastSample, Callback::Risk] {
        let _ = callback::hear(callback, &headers, &query, body, platform, &context);
    }
    let response = http::Response::new(body.to_vec());
    let _ = callback::taken(definition, &response);
    let _ = callback::told(&response, &context);
});

fn refusals(of: usize, refused: impl Iterator<Item = request::Refused>) -> server::Answer {
    server::list(built_in(), of, &refused.collect::<Vec<_>>(), false)
}

/// What was kept is told again in words that are kept, and says the same.
fn again(asked: &Asked, context: &Context<'_>) {
    let (definition, operator) = (context.definition, &context.operator.id);
    match asked {
        Asked::Register(told) => {
            let json = map::entity_json(definition, operator, &told.what, true);
            let endpoint = Endpoint::Register(told.what.kind);
            match request::read(endpoint, "", json.as_bytes(), context) {
                Ok(Asked::Register(again)) => assert!(again.what.says_the_same(&told.what), "{json}"),
                other => panic!("{json}: {other:?}"),
            }
        }
        Asked::Report(told) => {
            let json = map::sample_json(definition, operator, &told.what, None, context.zone);
            match request::read(Endpoint::Report, "", json.as_bytes(), context) {
                Ok(Asked::Report(again)) => {
                    assert_eq!(
                        (&again.what.port, again.what.at),
                        (&told.what.port, told.what.at),
                        "{json}"
                    );
                }
                other => panic!("{json}: {other:?}"),
            }
        }
        _ => {}
    }
}
