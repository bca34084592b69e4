//! How fast lists of samples are read: `cargo run --release -p dialects --example supervision_lists`.
//!
//! One thread reads bodies of twelve samples as operators send them, after their signatures were checked, and prints
//! samples per second.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement looks at the clock and prints what it found"
)]

use std::time::{Duration, Instant};

use dialects::supervision::definition::built_in;
use dialects::supervision::request::{self, Asked, Context, Endpoint, Headers};
use dialects::supervision::{sign, time};
use jiff::tz::TimeZone;
use model::oversight::{Digest, Operator, OperatorCode};
use model::secret::Secret;
use model::time::{Millis, Timestamp};

const IN_A_LIST: u32 = 12;
const NOW: Timestamp = Timestamp(1_646_027_104_000);

fn body(operator: &str, first: u32) -> String {
    let sample = |n: u32| {
        let port = first + n;
        format!(
            concat!(
                r#"{{"cellId":"port-{port:06}","equipmentId":"cabinet-{cabinet:05}","operatorId":"{operator}","#,
                r#""updateDatetime":"2022-02-28 13:{minute:02}:{second:02}","cellStatus":3,"doorStatus":10,"errorCode":0,"#,
                r#""voltage":22{n}.5,"current":1.2{n},"power":0.27{n},"consumption":{n}.25,"temperature":31.5,"#,
                r#""soc":81.5,"chargeDuration":{duration},"startChargeSeq":"{operator}20220228133000{seq:04}"}}"#
            ),
            port = port,
            cabinet = port / 10,
            operator = operator,
            minute = n % 45,
            second = port % 60,
            n = n % 10,
            duration = 60 * n,
            seq = port % 10_000,
        )
    };
    let samples: Vec<_> = (0..IN_A_LIST).map(sample).collect();
    format!("[{}]", samples.join(","))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let definition = built_in();
    let zone = TimeZone::get("Asia/Shanghai")?;
    let operator = Operator::new(OperatorCode::new("MA005DBW1")?, "Leap Charging");
    let secret = Secret::new("ohmstead-test-secret");
    let bodies: Vec<_> = (0..1_000)
        .map(|n| body(operator.id.as_str(), n * IN_A_LIST))
        .collect();
    let bytes: usize = bodies.iter().map(String::len).sum();
    let datetime = time::text(NOW, &zone);
    let text = sign::string_to_sign(&datetime, operator.id.as_str(), Some("token"));
    let mut headers = http::HeaderMap::new();
    headers.insert("datetime", datetime.parse()?);
    headers.insert("operatorid", operator.id.as_str().parse()?);
    headers.insert("token", "token".parse()?);
    headers.insert(
        "signature",
        sign::signature(Digest::Sha256, &secret, &text).parse()?,
    );
    let context = Context {
        definition,
        operator: &operator,
        zone: &zone,
        now: NOW,
        person_key: &secret,
    };
    let (start, mut kept) = (Instant::now(), 0_u64);
    while start.elapsed() < Duration::from_secs(5) {
        for body in &bodies {
            let sent = Headers::read(definition, Endpoint::ReportList, &headers, "")?;
            sent.check_clock(definition, NOW, &zone, Millis(300_000))?;
            if !sent.are_signed_by(definition, Digest::Sha256, &secret) {
                return Err("a signature does not hold".into());
            }
            let asked = request::read(Endpoint::ReportList, "", body.as_bytes(), &context)?;
            let Asked::ReportList(entries) = asked else {
                return Err("a list is no list".into());
            };
            kept += entries.iter().filter(|entry| entry.is_ok()).count() as u64;
        }
    }
    let per_second = kept * 1_000 / u64::try_from(start.elapsed().as_millis())?.max(1);
    println!(
        "{per_second} samples/s on one core, in lists of {IN_A_LIST} of {} bytes",
        bytes / bodies.len()
    );
    Ok(())
}
