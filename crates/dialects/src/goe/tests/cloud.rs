//! The vendor's cloud as a client sees it.

use model::device::LinkState;
use model::gateway::Unit;
use model::id::EvseId;
use model::message::Report;
use model::setpoint::{Action, ChargeCurrent};
use model::time::{Millis, Monotonic};
use model::units::MilliAmps;

use super::at;
use crate::goe::{Client, Common};
use crate::{Client as _, Event, Reply, Request};

const CHARGING: &str =
    r#"{"car":2,"amp":16,"frc":2,"alw":true,"nrg":[230,230,230,0,16,16,16,3680,3680,3680,0,11040]}"#;
const IDLE: &str = r#"{"car":1,"amp":16,"frc":2,"alw":true,"nrg":[230,230,230,0,0,0,0,0,0,0,0,0]}"#;
const OUTDATED: &str = r#"{"success":false,"reason":"Data is outdated","age":25382.09100008011}"#;

/// Asks for `seconds`, answered by status and body; gives the requests with their times, and the reports.
fn run(
    client: &mut Client,
    from_s: i64,
    until_s: i64,
    mut answer: impl FnMut(&http::Request<Vec<u8>>) -> (u16, &'static str),
) -> (Vec<(i64, String)>, Vec<Report>) {
    let (mut asked, mut reports) = (Vec::new(), Vec::new());
    for ms in (from_s * 1_000..until_s * 1_000).step_by(100) {
        if client.poll_timeout() <= Monotonic(ms) {
            client.handle_timeout(at(ms));
        }
        if let Some(Request::Http(request)) = client.poll_request() {
            asked.push((ms / 1_000, request.uri().path_and_query().unwrap().to_string()));
            assert_eq!(request.headers()["authorization"], "Bearer myapitoken");
            assert!(request.headers()["authorization"].is_sensitive());
            let (status, body) = answer(&request);
            let reply = http::Response::builder()
                .status(status)
                .body(body.into())
                .unwrap();
            let _ = client.handle_reply(Reply::Http(reply), at(ms));
        }
        while let Some(Event::Report { report, .. }) = client.poll_event() {
            reports.push(report);
        }
    }
    (asked, reports)
}

fn client() -> Client {
    let common = Common::new(EvseId::new("left").unwrap(), Millis(30_000));
    Client::of_cloud(common, "https://000001.api.v3.go-e.io", "myapitoken".to_owned())
}

fn links(reports: &[Report]) -> Vec<&LinkState> {
    let mut links = Vec::new();
    for report in reports {
        if let Report::Link(state) = report {
            links.push(state);
        }
    }
    links
}

#[test]
fn the_cloud_is_asked_seldom_and_more_often_while_a_car_charges() {
    for (body, times) in [
        (IDLE, vec![0, 30, 60, 90]),
        (CHARGING, (0..100).step_by(5).collect()),
    ] {
        let (asked, reports) = run(&mut client(), 0, 100, |_| (200, body));
        let seconds: Vec<i64> = asked.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, times);
        assert!(asked.iter().all(|(_, path)| path == "/api/status"));
        assert_eq!(links(&reports), [&LinkState::Online]);
    }
}

#[test]
fn nothing_fresh_is_no_break_at_once() {
    let mut client = client();
    let (_, reports) = run(&mut client, 0, 5, |_| (200, IDLE));
    assert_eq!(links(&reports), [&LinkState::Online]);
    let (_, reports) = run(&mut client, 5, 85, |_| (404, OUTDATED));
    assert!(links(&reports).is_empty(), "twice");
    let (_, reports) = run(&mut client, 85, 95, |_| (404, OUTDATED));
    let [LinkState::Offline { problem }] = links(&reports)[..] else {
        panic!("{reports:?}")
    };
    assert!(problem.contains("has heard nothing"), "{problem}");
    let (_, reports) = run(&mut client, 95, 200, |_| (200, IDLE));
    assert_eq!(links(&reports), [&LinkState::Online]);
}

#[test]
fn a_wrong_token_and_a_charger_that_is_not_there_are_told_apart() {
    for (status, expected) in [
        (401, "the token is wrong"),
        (403, "its cloud API is off"),
        (502, "HTTP 502"),
    ] {
        let (_, reports) = run(&mut client(), 0, 15, |_| (status, "{}"));
        let [LinkState::Offline { problem }, ..] = links(&reports)[..] else {
            panic!("{reports:?}")
        };
        assert!(problem.contains(expected), "{problem}");
        assert!(!problem.contains("myapitoken"), "{problem}");
    }
    assert!(!format!("{:?}", client()).contains("myapitoken"));
}

#[test]
fn setpoints_and_writes_go_by_the_cloud_whatever_it_answers() {
    for (status, body) in [
        (202, r#"{"succeeded":[{"amp":10}],"failed":[]}"#),
        (200, r#"{"amp":true}"#),
    ] {
        let mut client = client();
        run(&mut client, 0, 5, |_| (200, CHARGING));
        let action = Action::Charge {
            evse: EvseId::new("left").unwrap(),
            current: ChargeCurrent::at_most(MilliAmps(10_000)),
            phases: None,
        };
        client.handle_action(&Unit::only(), &action, at(5_000));
        let mut told = false;
        let (asked, _) = run(&mut client, 5, 30, |request| {
            if request.uri().path() == "/api/set" {
                told = true;
                return (status, body);
            }
            (
                200,
                if told {
                    r#"{"car":2,"amp":10,"frc":2,"alw":true,"nrg":[]}"#
                } else {
                    CHARGING
                },
            )
        });
        let sets: Vec<_> = asked
            .iter()
            .filter(|(_, path)| path.starts_with("/api/set"))
            .collect();
        assert_eq!(sets, [&(5, "/api/set?amp=10".to_owned())]);
        let write = Action::VendorWrite {
            ticket: 4,
            key: "fna".to_owned(),
            value: "\"x\"".to_owned(),
        };
        client.handle_action(&Unit::only(), &write, at(30_000));
        let (_, reports) = run(&mut client, 30, 35, |request| match request.uri().path() {
            "/api/set" => (422, r#"{"succeeded":[],"failed":[{"fna":"x"}]}"#),
            _ => (200, IDLE),
        });
        let refused = Report::VendorAnswer {
            ticket: 4,
            answer: Err("fna: not taken (\"x\")".to_owned()),
        };
        assert!(reports.contains(&refused), "{reports:?}");
    }
}
