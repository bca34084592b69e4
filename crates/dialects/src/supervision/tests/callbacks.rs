//! What the platform asks of an operator, both sides of it, and that none of it proves anything at the platform.

use std::collections::BTreeMap;

use model::oversight::{
    Callback, Code, Digest, Failed, FailedState, Operator, PortState, RiskLevel, Sample, Warning,
};
use model::outbox::Notice;
use model::secret::Secret;
use model::time::{Millis, Timestamp};

use super::super::callback::{self, Called, Heard, Platform};
use super::super::definition::built_in;
use super::super::error::Refusal;
use super::super::request::{Context, Endpoint, Headers};
use super::super::server;
use super::{NOW, operator, secret, shanghai};

fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

fn failed(body: &str) -> Notice {
    Notice::Failed(Box::new(Failed {
        id: code("f-1"),
        operator: operator("99").id,
        port: Some(code("95")),
        body: body.to_owned(),
        path: "/platform/report/chargingMetaInfoList?x=1".to_owned(),
        first: NOW,
        last: NOW,
        count: 2,
        state: FailedState::Open,
        status: 404,
        message: "cellId: unknown port".to_owned(),
    }))
}

fn risk() -> Notice {
    Notice::Risk(Box::new(Warning {
        id: code("w-1"),
        operator: operator("99").id,
        port: code("95"),
        rule: "hot".to_owned(),
        level: RiskLevel::High,
        reason: "temperature 93 °C".to_owned(),
        raised: NOW,
        told: None,
        cleared: None,
        acknowledged: None,
        escalated: false,
        samples: Vec::new(),
    }))
}

const BODY: &str = concat!(
    r#"{"cellId":"95","equipmentId":"37","operatorId":"99","chargingMetaInfoId":null,"#,
    r#""updateDatetime":"2022-02-28 13:40:00","cellStatus":3,"power":0.2750,"x":{"y":1}}"#
);

fn sent(notice: &Notice) -> http::Request<Vec<u8>> {
    let operator = operator("99");
    let called = Called {
        definition: built_in(),
        operator: &operator,
        secret: &secret(),
        token: &Secret::new("callback-token"),
        zone: &shanghai(),
        now: NOW,
    };
    callback::notice(&called, "https://leap.example/hear?k=v", notice).unwrap()
}

fn heard_by(
    operator: &Operator,
    callback: Callback,
    request: &http::Request<Vec<u8>>,
    token: Option<&str>,
) -> Result<Heard, Refusal> {
    let token = token.map(Secret::new);
    let platform = Platform {
        digest: Digest::Sha256,
        secret: &secret(),
        token: token.as_ref(),
        most_skew: Millis(300_000),
    };
    let context = Context {
        definition: built_in(),
        operator,
        zone: &shanghai(),
        now: NOW,
        person_key: &secret(),
    };
    let query = request.uri().query().unwrap_or_default();
    callback::hear(callback, request.headers(), query, request.body(), platform, &context)
}

fn heard(callback: Callback, request: &http::Request<Vec<u8>>) -> Result<Heard, Refusal> {
    heard_by(&operator("99"), callback, request, Some("callback-token"))
}

#[test]
fn a_failure_is_told_in_the_shape_of_the_example() {
    let request = sent(&failed(BODY));
    assert_eq!((request.method(), request.uri().to_string().as_str()), (&http::Method::POST, "https://leap.example/hear?k=v"));
    let expected = concat!(
        r#"{"status":404,"message":"cellId: unknown port","data":{"requestAPI":"/platform/report/chargingMetaInfoList","#,
        r#""requestParam":{"x":"1"},"requestBody":{"cellId":"95","equipmentId":"37","operatorId":"99","#,
        r#""updateDatetime":"2022-02-28 13:40:00","cellStatus":3,"power":0.2750,"x":{"y":1},"chargingMetaInfoId":"f-1"},"#,
        r#""requestId":"f-1","requestFailureCount":2}}"#
    );
    assert_eq!(String::from_utf8_lossy(request.body()), expected);
    let Ok(Heard::Failed {
        failed,
        count,
        status,
        sample,
        ..
    }) = heard(Callback::ReportFailed, &request)
    else {
        panic!("not heard");
    };
    assert_eq!((failed, count, status), (code("f-1"), 2, 404));
    assert_eq!(sample.unwrap().port, code("95"));

    // What was no object is told all the same.
    let request = sent(&super::callbacks::failed("[1"));
    let text = String::from_utf8_lossy(request.body()).into_owned();
    assert!(text.contains(r#""requestBody":{"chargingMetaInfoId":"f-1"}"#), "{text}");
    assert!(matches!(heard(Callback::ReportFailed, &request), Ok(Heard::Failed { sample: None, .. })));
}

#[test]
fn a_flat_notice_is_understood() {
    let mut request = sent(&failed(BODY));
    let flat = format!(
        r#"{{"status":"401","message":"权限错误","requestAPI":"/x","requestParam":{{}},"requestBody":{BODY},"requestId":"f-2","requestFailureCount":1}}"#
    );
    *request.body_mut() = flat.into_bytes();
    let found = heard(Callback::ReportFailed, &request);
    assert!(matches!(found, Ok(Heard::Failed { status: 401, count: 1, .. })), "{found:?}");
    for bad in ["", "[]", "{}", r#"{"status":1,"message":"x","requestBody":{},"requestId":7,"requestFailureCount":1}"#] {
        *request.body_mut() = bad.as_bytes().to_vec();
        assert_eq!(heard(Callback::ReportFailed, &request).unwrap_err().status, 400, "{bad}");
    }
}

#[test]
fn a_danger_is_told_in_the_words_of_the_page() {
    let mut request = sent(&risk());
    let expected = concat!(
        r#"{"operatorId":"99","cellId":"95","riskLevel":"高风险","riskReason":"temperature 93 °C","#,
        r#""platformDatetime":"2022-02-28 13:45:04"}"#
    );
    assert_eq!(String::from_utf8_lossy(request.body()), expected);
    let found = Ok(Heard::Risk {
        port: code("95"),
        level: RiskLevel::High,
        reason: "temperature 93 °C".to_owned(),
        at: NOW,
    });
    assert_eq!(heard(Callback::Risk, &request), found);
    *request.body_mut() = expected.replace("高风险", "high").into_bytes();
    assert_eq!(heard(Callback::Risk, &request), found);
    *request.body_mut() = expected.replace("高风险", "severe").into_bytes();
    assert_eq!(heard(Callback::Risk, &request).unwrap_err().status, 400);
    *request.body_mut() = expected.replace("\"99\"", "\"98\"").into_bytes();
    assert_eq!(heard(Callback::Risk, &request).unwrap_err().status, 403);
}

#[test]
fn only_the_platform_is_believed() {
    let request = sent(&risk());
    let status = |operator: &Operator, token: Option<&str>| {
        heard_by(operator, Callback::Risk, &request, token).map_err(|refusal| refusal.status)
    };
    assert!(status(&operator("99"), None).is_ok());
    assert_eq!(status(&operator("99"), Some("another")), Err(401));
    assert_eq!(status(&operator("98"), None), Err(403));
    let mut forged = sent(&risk());
    forged.headers_mut().insert("Signature", "AAAA".parse().unwrap());
    assert_eq!(heard(Callback::Risk, &forged).unwrap_err().status, 401);
    forged.headers_mut().remove("Token");
    assert_eq!(heard(Callback::Risk, &forged).unwrap_err().status, 400);
}

#[test]
fn a_call_that_is_sent_back_has_three_lines_and_a_token_of_nobody() {
    let request = sent(&risk());
    let definition = built_in();
    let back = Headers::read(definition, Endpoint::Report, request.headers(), "").unwrap();
    assert_eq!(back.token.as_deref(), Some("callback-token"));
    // Taken for a log-in, its signature does not hold: that of two lines is never sent.
    let login = Headers::read(definition, Endpoint::Token, request.headers(), "").unwrap();
    assert!(!login.are_signed_by(definition, Digest::Sha256, &secret()));
}

#[test]
fn a_past_sample_is_asked_for_and_told() {
    let operator = operator("99");
    let called = Called {
        definition: built_in(),
        operator: &operator,
        secret: &secret(),
        token: &Secret::new("callback-token"),
        zone: &shanghai(),
        now: NOW,
    };
    let at = Timestamp::from_seconds(1_646_026_800);
    let url = |url: &str| callback::past_sample(&called, url, &code("95"), at).map(|request| request.uri().to_string());
    let asked = "operatorId=99&cellId=95&updateDatetime=2022-02-28%2013%3A40%3A00";
    assert_eq!(url("https://leap.example/past").unwrap(), format!("https://leap.example/past?{asked}"));
    assert_eq!(url("https://leap.example/p?a=b").unwrap(), format!("https://leap.example/p?a=b&{asked}"));
    assert!(url("no address").is_err());
    let request = callback::past_sample(&called, "https://leap.example/past", &code("95"), at).unwrap();
    assert_eq!(
        heard(Callback::PastSample, &request),
        Ok(Heard::PastSample { port: code("95"), at })
    );

    let context = Context {
        definition: built_in(),
        operator: &operator,
        zone: &shanghai(),
        now: NOW,
        person_key: &secret(),
    };
    let sample = Sample {
        port: code("95"),
        equipment: code("37"),
        at,
        state: PortState::Idle,
        error: None,
        door: None,
        voltage: None,
        current: None,
        power: None,
        energy: None,
        temperature: None,
        soc: None,
        duration_s: None,
        charge: None,
        smoke: None,
        more: BTreeMap::new(),
    };
    let told = |answer: server::Answer| {
        let response = http::Response::builder().status(answer.status).body(answer.body).unwrap();
        callback::told(&response, &context)
    };
    let found = told(callback::past_answer(&context, Some(&sample))).unwrap().unwrap();
    assert_eq!((found.what, found.findings.len()), (sample, 0));
    assert_eq!(told(callback::past_answer(&context, None)), Ok(None));
    let missing = Refusal::new(404, "none");
    assert_eq!(told(server::refused(built_in(), &missing, true)), Ok(None));
    assert_eq!(told(server::refused(built_in(), &Refusal::ours("x"), false)).unwrap_err().status, 502);
    assert_eq!(told(server::done(built_in())).unwrap_err().status, 400);
}

#[test]
fn taken_is_what_both_say() {
    for (status, body, expected) in [
        (200, "", Ok(())),
        (204, "", Ok(())),
        (200, "thanks", Ok(())),
        (200, r#"{"ok":true}"#, Ok(())),
        (200, r#"{"status":200,"message":"m","data":""}"#, Ok(())),
        (200, r#"{"status":"200","message":"m","data":""}"#, Ok(())),
        (200, r#"{"status":500,"message":"m","data":""}"#, Err("status 500: m")),
        (302, "", Err("HTTP 302")),
        (404, r#"{"status":200,"message":"m","data":""}"#, Err("HTTP 404")),
    ] {
        let response = http::Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap();
        let expected = expected.map_err(str::to_owned);
        assert_eq!(callback::taken(built_in(), &response), expected, "{status} {body}");
    }
}
