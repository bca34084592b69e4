//! Who calls, by its headers.

use http::{HeaderMap, HeaderName, HeaderValue};
use model::oversight::Digest;
use model::secret::Secret;
use model::time::{Millis, Timestamp};

use super::super::definition::built_in;
use super::super::request::{Endpoint, Headers};
use super::{NOW, SECRET, shanghai};

const CALL: [(&str, &[u8]); 4] = [
    ("Datetime", b"2022-02-28 13:45:04"),
    ("OperatorId", b"thisisanoperatorid"),
    ("Token", b"thisisantoken"),
    ("Signature", b"/w75wYF+St1LoZ1XQoVgx8F4XwE0DW05bapInSHkjTc="),
];

fn map(headers: &[(&str, &[u8])]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    map
}

/// What is wrong with a call, or whether its signature holds.
fn judged(endpoint: Endpoint, headers: &HeaderMap, query: &str, now: Timestamp) -> Result<bool, (u16, String)> {
    let definition = built_in();
    let judge = || {
        let read = Headers::read(definition, endpoint, headers, query)?;
        read.check_clock(definition, now, &shanghai(), Millis(300_000))?;
        Ok(read.are_signed_by(definition, Digest::Sha256, &Secret::new(SECRET)))
    };
    judge().map_err(|refusal: super::Refusal| (refusal.status, refusal.message))
}

fn call(headers: &[(&str, &[u8])]) -> Result<bool, (u16, String)> {
    judged(Endpoint::Report, &map(headers), "", NOW)
}

fn with(name: &str, value: &[u8]) -> Result<bool, (u16, String)> {
    let headers = CALL.map(|(other, kept)| (other, if other == name { value } else { kept }));
    call(&headers)
}

#[test]
fn the_printed_call_is_believed() {
    assert_eq!(call(&CALL), Ok(true));
    let lower = CALL.map(|(name, value)| (name.to_lowercase(), value));
    let lower: Vec<_> = lower.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(call(&lower), Ok(true));
    assert_eq!(with("Token", b"anothertoken"), Ok(false));
    assert_eq!(with("OperatorId", b"another"), Ok(false));
    assert_eq!(with("Signature", b"rwZbXs6A6nDXqADUk9t9dhAmBADRxgla59Ppu49dz+A="), Ok(false));
}

#[test]
fn headers_that_are_none_are_refused() {
    let long = "x".repeat(257);
    for (name, _) in CALL {
        let without: Vec<_> = CALL.into_iter().filter(|(other, _)| *other != name).collect();
        let twice: Vec<_> = CALL.into_iter().chain([(name, &b"x"[..])]).collect();
        for (headers, says) in [(without, "required"), (twice, "twice")] {
            let (status, message) = call(&headers).unwrap_err();
            assert!(status == 400 && message.contains(name) && message.contains(says), "{message}");
        }
        for value in [&b""[..], b" ", "平台分发的 token".as_bytes(), b"\xff\xfe", b"a\tb", long.as_bytes()] {
            let (status, message) = with(name, value).unwrap_err();
            assert!(status == 400 && message.contains(name), "{name}: {message}");
        }
    }
    for (name, value) in [
        ("OperatorId", "two words"),
        ("Datetime", "2022-02-28T13:45:04Z"),
        ("Datetime", "1646027104"),
    ] {
        let (status, message) = with(name, value.as_bytes()).unwrap_err();
        assert!(status == 400 && message.contains(name), "{name}: {message}");
    }
}

#[test]
fn clocks_may_be_five_minutes_off() {
    for (off_s, is_fine) in [(0, true), (300, true), (-300, true), (301, false), (-301, false), (86_400, false)] {
        let now = NOW + Millis::from_seconds(off_s);
        let found = judged(Endpoint::Report, &map(&CALL), "", now);
        if is_fine {
            assert_eq!(found, Ok(true), "{off_s}");
        } else {
            let (status, message) = found.unwrap_err();
            assert!(status == 401 && message.starts_with("权限错误"), "{off_s}: {message}");
        }
    }
    // Half a second is no second.
    assert_eq!(judged(Endpoint::Report, &map(&CALL), "", NOW + Millis(300_999)), Ok(true));
}

#[test]
fn hours_without_a_zero_are_verified_as_they_were_sent() {
    let text = super::super::sign::string_to_sign("2022-02-28 9:05:04", "thisisanoperatorid", Some("thisisantoken"));
    let signature = super::super::sign::signature(Digest::Sha256, &Secret::new(SECRET), &text);
    let headers = [
        ("Datetime", &b"2022-02-28 9:05:04"[..]),
        CALL[1],
        CALL[2],
        ("Signature", signature.as_bytes()),
    ];
    let now = NOW - Millis::from_seconds(4 * 3_600 + 40 * 60);
    assert_eq!(judged(Endpoint::Report, &map(&headers), "", now), Ok(true));
}

#[test]
fn a_log_in_has_two_lines_and_may_stand_in_the_query() {
    const SIGNATURE: &str = "rhfwcmgcAqsjjsq1Xxvm78E8QYkggLw4VygrMJLaCHY=";
    let headers = [CALL[0], CALL[1], ("Signature", SIGNATURE.as_bytes())];
    let login = |headers: &[(&str, &[u8])], query: &str| judged(Endpoint::Token, &map(headers), query, NOW);
    assert_eq!(login(&headers, ""), Ok(true));
    // A token is no part of it, whoever sends one.
    assert_eq!(login(&[headers[0], headers[1], headers[2], CALL[2]], ""), Ok(true));
    let query = format!(
        "Datetime=2022-02-28%2013:45:04&OperatorId=thisisanoperatorid&Signature={}",
        crate::query::encode(SIGNATURE)
    );
    assert_eq!(login(&[], &query), Ok(true));
    assert_eq!(login(&[], &query.to_lowercase().replace(&SIGNATURE.to_lowercase(), "x")).ok(), Some(false));
    assert_eq!(login(&headers[..2], &query), Ok(true));
    assert_eq!(login(&[], "Datetime=2022-02-28+13:45:04").unwrap_err().0, 400);
    assert_eq!(login(&[], &format!("{query}&operatorid=x")).unwrap_err().0, 400);
    // Of any other call the query says nothing.
    assert_eq!(judged(Endpoint::Report, &map(&[]), &query, NOW).unwrap_err().0, 400);
}
