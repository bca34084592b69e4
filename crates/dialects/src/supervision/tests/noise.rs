//! Calls with bytes changed, taken out and put in: whatever comes is answered, and what is kept can be told again.

use std::fs;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};
use model::oversight::{Callback, Digest, Operator};
use model::time::Millis;
use proptest::prelude::*;

use super::super::callback::{self, Platform};
use super::super::definition::built_in;
use super::super::map;
use super::super::request::{self, Asked, Context, Endpoint, Headers};
use super::super::server;
use super::{NOW, operator, secret, shanghai};

/// As the fuzz target reads them: what is asked, a line of headers, a line of the query, the body.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/supervision");
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 15);
    names.iter().map(|name| fs::read(name).unwrap()).collect()
}

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

/// Says whether it was kept.
fn call(data: &[u8]) -> bool {
    let Some((&which, rest)) = data.split_first() else {
        return false;
    };
    let mut lines = rest.splitn(3, |byte| *byte == b'\n');
    let line = headers(lines.next().unwrap_or_default());
    let query = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let body = lines.next().unwrap_or_default();
    let definition = built_in();
    let endpoint = Endpoint::ALL[usize::from(which & 0x7f) % Endpoint::ALL.len()];
    if let Ok(read) = Headers::read(definition, endpoint, &line, &query) {
        let _ = read.check_clock(definition, NOW, &shanghai(), Millis(300_000));
        let _ = read.are_signed_by(definition, Digest::Sha256, &secret());
    }
    let operator = Operator {
        strict: which & 0x80 != 0,
        field_names: [("p".to_owned(), "power".to_owned())].into(),
        ..operator("99")
    };
    let context = Context {
        definition,
        operator: &operator,
        zone: &shanghai(),
        now: NOW,
        person_key: &secret(),
    };
    let asked = request::read(endpoint, &query, body, &context);
    let answer = match &asked {
        Ok(Asked::ReportList(entries)) => {
            let refused: Vec<_> = entries.iter().filter_map(|entry| entry.clone().err()).collect();
            server::list(definition, entries.len(), &refused, false)
        }
        Ok(_) => server::done(definition),
        Err(refusal) => server::refused(definition, refusal, false),
    };
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok());
    if let Ok(asked) = &asked {
        again(asked, &context);
    }
    for callback in [Callback::ReportFailed, Callback::PastSample, Callback::Risk] {
        let platform = Platform {
            digest: Digest::Sha256,
            secret: &secret(),
            token: None,
            most_skew: Millis(300_000),
        };
        let _ = callback::hear(callback, &line, &query, body, platform, &context);
    }
    let response = http::Response::new(body.to_vec());
    let _ = callback::taken(definition, &response);
    let _ = callback::told(&response, &context);
    asked.is_ok()
}

fn again(asked: &Asked, context: &Context<'_>) {
    let (definition, operator) = (context.definition, &context.operator.id);
    if let Asked::Register(told) = asked {
        let json = map::entity_json(definition, operator, &told.what, true);
        let endpoint = Endpoint::Register(told.what.kind);
        let again = request::read(endpoint, "", json.as_bytes(), context);
        assert!(
            matches!(&again, Ok(Asked::Register(again)) if again.what.says_the_same(&told.what)),
            "{json}: {again:?}"
        );
    }
    if let Asked::Report(told) = asked {
        let json = map::sample_json(definition, operator, &told.what, None, context.zone);
        let again = request::read(Endpoint::Report, "", json.as_bytes(), context);
        assert!(
            matches!(&again, Ok(Asked::Report(again)) if again.what.at == told.what.at),
            "{json}: {again:?}"
        );
    }
}

#[test]
fn every_seed_is_kept() {
    let all = seeds();
    let kept = all.iter().filter(|seed| call(seed)).count();
    // A notice and a danger are no calls of an operator.
    assert_eq!(kept, all.len() - 2);
}

proptest! {
    #[test]
    fn whatever_comes_is_answered(
        seed in prop::sample::select(seeds()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4, any::<u8>()), 0..6),
    ) {
        const MEMBERS: [&str; 6] = [r#""battery":{},"#, r#""p":1,"#, "\\ud800", "[[[[", "1e9", r#""x":null,"#];
        let mut data = seed;
        for (at, what, byte) in changes {
            let at = at.index(data.len());
            match what {
                0 => data[at] = byte,
                1 => data.insert(at, byte),
                2 if data.len() > 1 => {
                    data.remove(at);
                }
                _ => {
                    let member = MEMBERS[usize::from(byte) % MEMBERS.len()];
                    let after = data.iter().position(|byte| *byte == b'{').map_or(at, |brace| brace + 1);
                    data.splice(after..after, member.bytes());
                }
            }
        }
        call(&data);
    }
}
