//! Bad days: what a person reads when a charger does not answer as it should.

use model::device::LinkState;
use model::id::EvseId;
use model::message::Report;
use model::time::{Millis, Monotonic};
use serde_json::{Value, json};

use super::pair::Pair;
use super::{at, testdata};
use crate::goe::{Client, GoeClientSettings, Variant};
use crate::{Client as _, Event, Failure, Reply, Request};

fn client(url: &str) -> Client {
    Client::new(GoeClientSettings {
        evse: EvseId::new("left").unwrap(),
        url: url.to_owned(),
        poll: Millis(1_000),
        full_every: Millis(60_000),
    })
}

fn response(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply::Http(
        http::Response::builder()
            .status(status)
            .body(body.into())
            .unwrap(),
    )
}

/// Answers every request in the same way for some seconds; gives the reports and their times.
fn run(
    client: &mut Client,
    from_ms: i64,
    until_ms: i64,
    answer: &mut dyn FnMut(&mut Client, i64),
) -> Vec<(i64, Report)> {
    let mut reports = Vec::new();
    for ms in (from_ms..until_ms).step_by(100) {
        if client.poll_timeout() <= Monotonic(ms) {
            client.handle_timeout(at(ms));
        }
        if client.poll_request().is_some() {
            answer(client, ms);
        }
        while let Some(Event::Report { report, .. }) = client.poll_event() {
            reports.push((ms, report));
        }
    }
    reports
}

fn links(reports: &[(i64, Report)]) -> Vec<(i64, LinkState)> {
    let link = |report: &Report| {
        if let Report::Link(state) = report {
            Some(state.clone())
        } else {
            None
        }
    };
    reports
        .iter()
        .filter_map(|(ms, report)| Some((*ms, link(report)?)))
        .collect()
}

fn check_problem(mut answer: impl FnMut(&mut Client, i64), expected: &str) {
    let mut client = client("http://192.0.2.7");
    let reports = run(&mut client, 0, 9_000, &mut answer);
    let links = links(&reports);
    assert_eq!(links.len(), 1, "{links:?}");
    let (ms, LinkState::Offline { problem }) = &links[0] else {
        panic!("{links:?}")
    };
    assert_eq!(
        problem,
        &format!("cannot read http://192.0.2.7/api/status of charger \"left\": {expected}")
    );
    assert!(
        (3_000..4_500).contains(ms),
        "the third failure, after 1 s and 2 s of back-off: {ms}"
    );
    assert_eq!(reports.len(), 1);
}

#[test]
fn problems_say_what_happened_and_what_to_check() {
    let address = "check that the address is the charger's and its firmware 51.4 or newer";
    let says = |reply: fn() -> Reply| {
        move |client: &mut Client, ms| {
            client.handle_reply(reply(), at(ms)).unwrap_err();
        }
    };
    check_problem(
        says(|| response(200, "<html>Router</html>")),
        &format!("an HTML page; {address}"),
    );
    check_problem(
        says(|| response(404, "Not found: /api/status")),
        "HTTP 404, its local API is not enabled; enable the local HTTP API v2 in the charger's app",
    );
    check_problem(
        says(|| response(200, vec![b'['; 10_000_000])),
        &format!("a body of 10000000 bytes; {address}"),
    );
    check_problem(says(|| response(500, "busy")), &format!("HTTP 500; {address}"));
    check_problem(
        says(|| response(200, "{}")),
        &format!("a JSON object without `car` and `nrg`; {address}"),
    );
    let failure = |failure: Failure| move |client: &mut Client, ms| client.handle_failure(&failure, at(ms));
    check_problem(
        failure(Failure::Refused),
        "connection refused; check the address and that the charger's local HTTP API is enabled",
    );
    check_problem(
        failure(Failure::TimedOut { after_ms: 0 }),
        "no answer within 0 ms; check that the charger has power and is in the network",
    );
}

#[test]
fn an_address_that_is_none_is_said_at_once() {
    for url in ["", "charger", "http://", "http://a b", "not a url"] {
        let mut client = client(url);
        client.handle_timeout(at(0));
        assert!(client.poll_request().is_none(), "{url}");
        let said = client.poll_event().and_then(Event::into_report);
        let Some(Report::Link(LinkState::Offline { problem })) = said else {
            panic!("{url}")
        };
        assert!(problem.contains("is no address"), "{problem}");
    }
}

#[test]
fn a_base_address_may_end_as_people_type_it() {
    for url in [
        "http://192.0.2.7",
        "http://192.0.2.7/",
        " http://192.0.2.7/api/",
        "http://192.0.2.7/api",
    ] {
        let mut client = client(url);
        client.handle_timeout(at(0));
        let Some(Request::Http(request)) = client.poll_request() else {
            panic!("{url}")
        };
        assert_eq!(request.uri(), "http://192.0.2.7/api/status");
    }
}

#[test]
fn one_failure_is_not_seen_and_recovery_is_at_once() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(5_000);
    pair.lose = Box::new(|n| n == 6);
    pair.run(20_000);
    assert_eq!(pair.links(), [LinkState::Online]);
    pair.lose = Box::new(|_| true);
    pair.run(60_000);
    assert_eq!(pair.links().len(), 2);
    pair.lose = Box::new(|_| false);
    let asked = pair.requests.len();
    pair.run(16_000);
    assert_eq!(pair.links().last(), Some(&LinkState::Online));
    assert_eq!(pair.links().len(), 3);
    assert!(
        pair.requests[asked..].contains(&"http://192.0.2.7/api/status".to_owned()),
        "a full refresh"
    );
}

#[test]
fn a_setpoint_of_a_broken_link_is_told_as_soon_as_it_is_back() {
    for break_ms in [60_000, 75_000, 90_000, 105_000, 120_000] {
        let mut pair = Pair::new(Variant::V4);
        pair.run(3_000);
        pair.lose = Box::new(|_| true);
        pair.charge(0, None);
        pair.run(break_ms);
        pair.lose = Box::new(|_| false);
        let mut online = 0;
        while pair.links().last() != Some(&LinkState::Online) {
            pair.run(100);
            online += 100;
            assert!(online < 15_000, "back within the longest wait");
        }
        pair.run(1_500);
        assert_eq!(pair.charger.key("frc"), Some(&json!(1)), "after {break_ms} ms");
    }
}

#[test]
fn a_charger_that_hangs_on_the_whole_status_is_still_polled() {
    let mut client = client("http://192.0.2.7");
    let mut full = 0;
    let reports = {
        let mut reports = Vec::new();
        for ms in (0..30_000).step_by(100) {
            if client.poll_timeout() <= Monotonic(ms) {
                client.handle_timeout(at(ms));
            }
            if let Some(Request::Http(request)) = client.poll_request() {
                if request.uri().query().is_none() {
                    full += 1;
                    client.handle_failure(&Failure::TimedOut { after_ms: 5_000 }, at(ms));
                } else {
                    client
                        .handle_reply(response(200, r#"{"car":1,"amp":16,"frc":0,"alw":true}"#), at(ms))
                        .unwrap();
                }
            }
            while let Some(Event::Report { report, .. }) = client.poll_event() {
                reports.push((ms, report));
            }
        }
        reports
    };
    assert_eq!(
        links(&reports)
            .iter()
            .map(|(_, state)| state.clone())
            .collect::<Vec<_>>(),
        [LinkState::Online]
    );
    assert!((2..=4).contains(&full), "{full}");
}

#[test]
fn http_400_with_an_object_is_a_status() {
    let mut client = client("http://192.0.2.7");
    let body = testdata("status-filtered-charging.json");
    let samples: Value = serde_json::from_str(&body).unwrap();
    let core = samples[3]["status"].to_string();
    let reports = run(&mut client, 0, 2_000, &mut |client, ms| {
        client.handle_reply(response(400, core.clone()), at(ms)).unwrap();
    });
    assert_eq!(links(&reports)[0].1, LinkState::Online);
}

#[test]
fn odd_values_cost_their_key_and_unknown_keys_reach_the_document() {
    let mut client = client("http://192.0.2.7");
    client.handle_timeout(at(0));
    client.poll_request().unwrap();
    let body = r#"{"car":2,"amp":"sixteen","frc":2,"alw":true,"zz9":{"new":[1]},"nrg":[NaN,230,230,0,16,1e999,16],"wh":1e400}"#;
    let error = client.handle_reply(response(200, body), at(50)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "key `amp` of /api/status: \"sixteen\"; expected a number"
    );
    let reports: Vec<Report> = std::iter::from_fn(|| client.poll_event())
        .filter_map(Event::into_report)
        .collect();
    assert!(reports.contains(&Report::Link(LinkState::Online)), "{reports:?}");
    let document = reports.iter().find_map(|report| {
        if let Report::Document(d) = report {
            Some(d)
        } else {
            None
        }
    });
    let document: Value = serde_json::from_str(&document.unwrap().json).unwrap();
    assert_eq!(document["zz9"], json!({"new": [1]}));
    let status = reports.iter().find_map(|report| {
        if let Report::Evse { status, .. } = report {
            Some(status)
        } else {
            None
        }
    });
    assert_eq!(status.unwrap().obeyed, None, "without `amp` nothing can be said");
    assert_eq!(status.unwrap().session_energy, None);
}

#[test]
fn what_was_said_before_is_not_reported_again() {
    let mut client = client("http://192.0.2.7");
    let mut said = 0;
    let reports = run(&mut client, 0, 3_000, &mut |client, ms| {
        said += 1;
        let whole = r#"{"car":2,"var":11,"frc":2,"alw":true,"amp":16,"nrg":[230,230,230,0,9,9,9,2070,2070,2070,0,6210]}"#;
        let partial = r#"{"car":2,"frc":2}"#;
        client
            .handle_reply(response(200, if said == 1 { whole } else { partial }), at(ms))
            .unwrap();
    });
    let statuses: Vec<_> = reports
        .iter()
        .filter_map(|(_, report)| {
            if let Report::Evse { status, .. } = report {
                Some(status)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(statuses[0].current.map(|current| current.l1.0), Some(9_000));
    assert_eq!((statuses[1].current, statuses[1].obeyed), (None, None));
    assert_eq!(
        statuses[1].max_current, statuses[0].max_current,
        "a setting may be older"
    );
    assert_eq!(
        reports
            .iter()
            .filter(|(_, report)| matches!(report, Report::Measured(_)))
            .count(),
        1
    );
}

#[test]
fn documents_come_every_five_seconds_and_whole_ones_once_a_minute() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(130_000);
    let whole = pair
        .requests
        .iter()
        .filter(|uri| !uri.contains("filter="))
        .count();
    assert_eq!(whole, 3);
    let documents = pair.documents();
    assert!((24..=32).contains(&documents.len()), "{}", documents.len());
    assert!(
        documents
            .windows(2)
            .all(|pair| pair[1].at.monotonic - pair[0].at.monotonic >= Millis(1_000))
    );
    let last: Value = serde_json::from_str(&documents.last().unwrap().json).unwrap();
    assert_eq!(last.as_object().unwrap().len(), 264);
    let identity = pair.reports.iter().find_map(|r| {
        if let Report::Identity { text } = r {
            Some(text.as_str())
        } else {
            None
        }
    });
    assert_eq!(
        identity,
        Some("go-e go-eCharger_V4 22 kW, firmware 59.4, serial 000001")
    );
}

#[test]
fn a_reboot_is_followed_by_a_whole_status() {
    let mut pair = Pair::new(Variant::V4);
    pair.run(5_000);
    let asked = pair.requests.len();
    pair.booted_ms = 5_000;
    pair.run(4_000);
    assert!(pair.requests[asked..].contains(&"http://192.0.2.7/api/status".to_owned()));
}
