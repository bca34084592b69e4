//! What platforms say to us: a sample could not be used, how was a port, there is a danger.
//!
//! Whoever says so signs with the key that we sign with there, and shows the token that the platform gave us for its
//! calls. Neither host nor origin is looked at: nothing is let in by what a browser adds on its own.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State as Shared};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use dialects::supervision::callback::{self, Heard, NEAREST, Platform};
use dialects::supervision::definition::built_in;
use dialects::supervision::error::Refusal;
use dialects::supervision::request::Context;
use dialects::supervision::server::{self, Answer};
use model::id::PlatformId;
use model::oversight::{Callback, Code, Decimal, Failed, PortState, ReportTo, RiskLevel, Sample, Upload};
use model::reading::Quantity;
use model::secret::Secret;
use model::time::{Millis, Timestamp};
use store::{Series, Step, StoreError, Typed};

use super::names::{self, Meant};
use super::shelf::{Risk, Shelf};
use super::{CALLBACKS, MOST_SAMPLES, last_part, mending, say_risk};
use crate::State;
use crate::door::{Door, first_segment};
use crate::limits::MAX_OPEN_BODY;

pub(super) const ROOT: &str = "reporting";
const MOST_SKEW: Millis = Millis(300_000);

pub(crate) const DOOR: Door = Door {
    name: ROOT,
    roots: &[ROOT],
    paths: &[],
    answers_to: |_, path| first_segment(path) == ROOT,
    refuses: |status, _| {
        let text = status.canonical_reason().unwrap_or("refused");
        Some(sent(server::refused(
            built_in(),
            &Refusal::new(status.as_u16(), text),
            false,
        )))
    },
    routes: |_| Router::new().route("/reporting/{platform}/{what}", any(answer)),
    begins: None,
    at_once: None,
    native: Some(crate::native::reporting::routes),
};

async fn answer(
    Shared(state): Shared<State>,
    Path((platform, what)): Path<(String, String)>,
    request: Request,
) -> Response {
    let answered = heard(&state, &platform, &what, request).await;
    sent(answered.unwrap_or_else(|refusal| server::refused(built_in(), &refusal, false)))
}

fn sent(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn broken(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%error, "the call of a platform could not be answered");
    Refusal::ours("try again later")
}

async fn heard(state: &State, id: &str, what: &str, request: Request) -> Result<Answer, Refusal> {
    let nothing = || Refusal::new(404, "nothing is here");
    let callback = CALLBACKS
        .into_iter()
        .find(|callback| last_part(*callback) == what);
    let callback = callback.ok_or_else(nothing)?;
    let method = match callback {
        Callback::PastSample => Method::GET,
        Callback::ReportFailed | Callback::Risk => Method::POST,
    };
    let (parts, body) = request.into_parts();
    if parts.method != method {
        return Err(Refusal::new(405, "this path does not have this method"));
    }
    let platform = state
        .store
        .get::<ReportTo>(id)
        .await
        .map_err(|error| broken(&error))?;
    let platform = platform.filter(|platform| platform.enabled).ok_or_else(nothing)?;
    let definition = names::definition(&platform).map_err(|error| broken(&error))?;
    let key = state
        .gate
        .platform_key(&platform.id)
        .await
        .map_err(|error| broken(&error))?;
    let key = key.ok_or_else(nothing)?;
    let token = state
        .gate
        .platform_token(&platform.id)
        .await
        .map_err(|error| broken(&error))?;
    let body = to_bytes(body, MAX_OPEN_BODY).await;
    let body = body.map_err(|_| Refusal::new(413, "the body is too long"))?;
    let operator = names::as_operator(&platform);
    let zone = names::zone(&platform);
    // Nobody is named in what a platform says to us.
    let nobody = Secret::new("");
    let context = Context {
        definition: &definition,
        operator: &operator,
        zone: &zone,
        now: state.clock.now().wall,
        person_key: &nobody,
    };
    let who = Platform {
        digest: platform.digest,
        secret: &key,
        token: token.as_ref(),
        most_skew: MOST_SKEW,
    };
    let query = parts.uri.query().unwrap_or_default();
    let heard = callback::hear(callback, &parts.headers, query, &body, who, &context)?;
    match heard {
        Heard::Failed {
            failed,
            count,
            status,
            message,
            sample,
            ..
        } => {
            let text = format!("a sample could not be used: {status}: {message}");
            note(state, &platform.id, text);
            if let Some(sample) = sample.filter(|_| count < Failed::MOST) {
                mend(state, &platform.id, failed, *sample)
                    .await
                    .map_err(|error| broken(&error))?;
            }
        }
        Heard::Risk {
            port,
            level,
            reason,
            at,
        } => risk(state, &platform, port, level, &reason, at).await,
        Heard::PastSample { port, at } => {
            let sample = past(state, &platform, &port, at)
                .await
                .map_err(|error| broken(&error))?;
            return Ok(callback::past_answer(&context, sample.as_ref()));
        }
    }
    Ok(server::done(&definition))
}

fn note(state: &State, id: &PlatformId, text: String) {
    let shelf: std::sync::Arc<Shelf> = state.memory.of();
    let now = state.clock.now().wall;
    shelf.note(id, |health| health.last_error = Some((now, text)));
}

/// Puts a repair into the queue, unless one waits there.
async fn mend(state: &State, id: &PlatformId, failed: Code, sample: Sample) -> Result<(), StoreError> {
    if mending(state, id).await?.contains(failed.as_str()) {
        return Ok(());
    }
    let again = Upload::Again { failed, sample };
    state
        .store
        .queue_uploads(id, &[again], None, MOST_SAMPLES)
        .await?;
    state.memory.of::<Shelf>().wake(id).notify_one();
    Ok(())
}

/// A warning becomes an alarm of the charging station.
async fn risk(state: &State, platform: &ReportTo, port: Code, level: RiskLevel, reason: &str, at: Timestamp) {
    let level_text = match level {
        RiskLevel::Low => "low",
        RiskLevel::Medium => "medium",
        RiskLevel::High => "high",
    };
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(400).collect();
    let text = format!("{} sees a {level_text} risk since {at}: {reason}", platform.name);
    let Some(meant) = names::evse(platform, &state.settings.sites, &port) else {
        note(
            state,
            &platform.id,
            format!("a risk at port `{port}`, which is none of ours: {reason}"),
        );
        return;
    };
    let (site, station) = (meant.site.id.clone(), meant.station.clone());
    let risk = Risk {
        site: site.clone(),
        station: station.clone(),
        level,
        text: text.clone(),
        heard: state.clock.now().wall,
    };
    state.memory.of::<Shelf>().heard_risk(&platform.id, port, risk);
    say_risk(state, site, station, Some(text)).await;
}

/// How a port was at a moment, from the history.
async fn past(
    state: &State,
    platform: &ReportTo,
    port: &Code,
    at: Timestamp,
) -> Result<Option<Sample>, StoreError> {
    let Some(meant) = names::evse(platform, &state.settings.sites, port) else {
        return Ok(None);
    };
    let of_evse = format!("evse:{}", meant.evse);
    let of_station = format!("device:{}", meant.station);
    let Some(pilot) = value(state, &of_evse, Quantity::Pilot, at).await? else {
        return Ok(None);
    };
    let mut current = None;
    for quantity in [Quantity::CurrentL1, Quantity::CurrentL2, Quantity::CurrentL3] {
        current = current.max(either(state, &of_evse, &of_station, quantity, at).await?);
    }
    let power = either(state, &of_evse, &of_station, Quantity::Power, at).await?;
    let voltage = either(state, &of_evse, &of_station, Quantity::VoltageL1, at).await?;
    let thousandth = |value: i64| Decimal(value.saturating_mul(1_000));
    Ok(Some(sample_of(
        &meant, port, at, pilot, current, power, voltage, thousandth,
    )))
}

#[allow(clippy::too_many_arguments, reason = "each is one value of one moment")]
fn sample_of(
    meant: &Meant<'_>,
    port: &Code,
    at: Timestamp,
    pilot: i64,
    current: Option<i64>,
    power: Option<i64>,
    voltage: Option<i64>,
    thousandth: impl Fn(i64) -> Decimal,
) -> Sample {
    let draws = current.is_some_and(|current| current > 0) || power.is_some_and(|power| power > 0);
    let state = match pilot {
        0 => PortState::Idle,
        1 => PortState::Occupied,
        2 | 3 if draws => PortState::Charging,
        2 | 3 => PortState::Occupied,
        _ => PortState::Fault,
    };
    Sample {
        port: port.clone(),
        equipment: meant.equipment.clone(),
        at,
        state,
        error: None,
        door: None,
        voltage: voltage.map(&thousandth),
        current: current.map(&thousandth),
        power: power.map(&thousandth),
        energy: None,
        temperature: None,
        soc: None,
        duration_s: None,
        charge: None,
        smoke: None,
        more: std::collections::BTreeMap::new(),
    }
}

async fn either(
    state: &State,
    first: &str,
    second: &str,
    quantity: Quantity,
    at: Timestamp,
) -> Result<Option<i64>, StoreError> {
    match value(state, first, quantity, at).await? {
        Some(value) => Ok(Some(value)),
        None => value(state, second, quantity, at).await,
    }
}

/// The newest reading not later than a second, and not much older.
async fn value(
    state: &State,
    subject: &str,
    quantity: Quantity,
    at: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let series = Series {
        subject: subject.to_owned(),
        quantity,
    };
    let until = Timestamp::from_seconds(at.as_seconds() + 1);
    let rows = state
        .store
        .query(&series, until - NEAREST, until, Step::Raw)
        .await?;
    Ok(rows.last().map(|row| row.last))
}
