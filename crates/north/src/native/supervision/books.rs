//! What operators have and what they reported.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::{Extension, Json};
use gate::Principal;
use jiff::civil::Date;
use model::oversight::Code;
use model::time::Timestamp;
use oversight::PortFilter;
use serde::Deserialize;
use store::oversight::RecordFilter;

use super::{platform, readable, whose};
use crate::State;
use crate::native::error::{ApiError, ErrorAnswer};
use crate::native::wire::supervision::{
    EntityKindName, EntityPage, FindingList, OversightOverview, PortLook, PortPage, QualityDay, QualityDays,
    RecordPage, SampleList, StationMap,
};

const DEFAULT_SIZE: u32 = 50;
const MOST: u32 = 500;
/// Samples in one answer.
const MOST_SAMPLES: u32 = 2_000;
/// In which operators tell where stations are.
const DATUM: &str = "GCJ-02";

/// Shows all operators that the caller may see at one glance.
#[utoipa::path(get, path = "/oversight/overview", operation_id = "show_oversight", tag = "oversight", responses(
    (status = 200, body = OversightOverview),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer, description = "Nobody is watched over here."),
))]
pub async fn overview(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Json<OversightOverview>, ApiError> {
    let whose = whose(&state, &caller, None)?;
    let platform = platform(&state)?;
    let overview = platform.authority().overview();
    let operators = overview.operators.iter().filter(|of| {
        let code = &of.operator.id;
        whose.as_ref().is_none_or(|whose| whose == code)
    });
    let settings = platform.settings();
    Ok(Json(OversightOverview {
        day: overview.day.clone(),
        time_zone: settings.time_zone.clone(),
        currency: settings.currency.clone(),
        operators: operators.map(Into::into).collect(),
        // What is wrong with the store is nobody's business but the authority's.
        problem: overview.problem.clone().filter(|_| whose.is_none()),
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OfOperator {
    /// Of this operator; of all that the caller may see when absent.
    operator: Option<String>,
}

/// Lists stations for a map.
#[utoipa::path(get, path = "/oversight/stations", operation_id = "list_stations", tag = "oversight", params(OfOperator),
    responses(
    (status = 200, body = StationMap),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
))]
pub async fn stations(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    query: Result<Query<OfOperator>, QueryRejection>,
) -> Result<Json<StationMap>, ApiError> {
    let query = read(query)?;
    let whose = whose(&state, &caller, query.operator.as_deref())?;
    let stations = platform(&state)?.authority().stations(whose.as_ref());
    Ok(Json(StationMap {
        datum: DATUM.to_owned(),
        items: stations.iter().map(Into::into).collect(),
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PortQuery {
    /// Only those that look like this.
    #[param(inline)]
    look: Option<PortLook>,
    /// Only those of this station.
    station: Option<String>,
    /// Only those with this in their id.
    text: Option<String>,
    /// Only those with an open warning.
    #[serde(default)]
    warned: bool,
    /// From 1, which it is when absent.
    page: Option<u64>,
    /// 50 when absent, at most 500.
    size: Option<u32>,
}

/// Lists ports of an operator as they are now.
#[utoipa::path(get, path = "/oversight/operators/{operator}/ports", operation_id = "list_ports", tag = "oversight",
    params(("operator" = String, Path), PortQuery), responses(
    (status = 200, body = PortPage),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
))]
pub async fn ports(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(operator): Path<String>,
    query: Result<Query<PortQuery>, QueryRejection>,
) -> Result<Json<PortPage>, ApiError> {
    let operator = readable(&state, &caller, &operator)?;
    let query = read(query)?;
    let (index, size) = slice(query.page, query.size)?;
    let filter = PortFilter {
        look: query.look.map(Into::into),
        station: query.station.as_deref().map(station).transpose()?,
        text: query.text.filter(|text| !text.is_empty()),
        only_warned: query.warned,
    };
    let page = platform(&state)?
        .authority()
        .ports(&operator.id, &filter, index, size);
    Ok(Json(PortPage {
        page: page.index,
        size: page.size,
        total: page.total,
        items: page.list.iter().map(Into::into).collect(),
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SpanQuery {
    /// By the clock of the hardware.
    from_ms: i64,
    to_ms: i64,
}

impl SpanQuery {
    pub(super) const fn span(&self) -> (Timestamp, Timestamp) {
        (Timestamp(self.from_ms), Timestamp(self.to_ms))
    }
}

/// Lists samples of a port by their own time, at most 2000.
#[utoipa::path(get, path = "/oversight/operators/{operator}/ports/{port}/samples", operation_id = "list_samples",
    tag = "oversight", params(("operator" = String, Path), ("port" = String, Path), SpanQuery), responses(
    (status = 200, body = SampleList),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn samples(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((operator, port)): Path<(String, String)>,
    query: Result<Query<SpanQuery>, QueryRejection>,
) -> Result<Json<SampleList>, ApiError> {
    let operator = readable(&state, &caller, &operator)?;
    let (from, to) = read(query)?.span();
    let port = Code::new(&port).map_err(|_| ApiError::unknown("port", &port))?;
    let mut samples = state
        .store
        .samples(&operator.id, &port, from, to, MOST_SAMPLES + 1)
        .await?;
    let most = usize::try_from(MOST_SAMPLES).unwrap_or(usize::MAX);
    let more = samples.len() > most;
    samples.truncate(most);
    Ok(Json(SampleList {
        items: samples.iter().map(Into::into).collect(),
        more,
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EntityQuery {
    #[param(inline)]
    kind: EntityKindName,
    /// From 1, which it is when absent.
    page: Option<u64>,
    /// 50 when absent, at most 500.
    size: Option<u32>,
}

/// Lists what an operator has registered, as it described it.
#[utoipa::path(get, path = "/oversight/operators/{operator}/entities", operation_id = "list_entities", tag = "oversight",
    params(("operator" = String, Path), EntityQuery), responses(
    (status = 200, body = EntityPage),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn entities(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(operator): Path<String>,
    query: Result<Query<EntityQuery>, QueryRejection>,
) -> Result<Json<EntityPage>, ApiError> {
    let operator = readable(&state, &caller, &operator)?;
    let query = read(query)?;
    let (index, size) = slice(query.page, query.size)?;
    let authority = platform(&state)?.authority();
    let page = authority
        .page(&operator.id, query.kind.into(), index, size)
        .await?;
    Ok(Json(EntityPage {
        page: page.index,
        size: page.size,
        total: page.total,
        items: page.list.iter().map(Into::into).collect(),
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DaysQuery {
    /// A day of the authority's calendar, `2026-07-01`; both are included.
    from: String,
    to: String,
}

/// Lists how well an operator reported, day by day.
#[utoipa::path(get, path = "/oversight/operators/{operator}/quality", operation_id = "list_quality", tag = "oversight",
    params(("operator" = String, Path), DaysQuery), responses(
    (status = 200, body = QualityDays),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn quality(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(operator): Path<String>,
    query: Result<Query<DaysQuery>, QueryRejection>,
) -> Result<Json<QualityDays>, ApiError> {
    let operator = readable(&state, &caller, &operator)?;
    let query = read(query)?;
    let (from, to) = (day("from", &query.from)?, day("to", &query.to)?);
    let mut days = state.store.quality_of(&operator.id, &from, &to).await?;
    // What is counted of today is not in the store yet.
    let overview = platform(&state)?.authority().overview();
    let today = overview.operators.iter().find(|of| of.operator.id == operator.id);
    if let Some(today) = today.filter(|_| (&from..=&to).contains(&&overview.day)) {
        days.retain(|(day, _)| *day != overview.day);
        days.push((overview.day.clone(), today.quality.clone()));
    }
    let items = days.iter().map(|(day, quality)| QualityDay {
        day: day.clone(),
        quality: quality.into(),
    });
    Ok(Json(QualityDays {
        items: items.collect(),
    }))
}

/// Lists what was odd lately about what an operator said; a restart forgets it.
#[utoipa::path(get, path = "/oversight/operators/{operator}/findings", operation_id = "list_findings", tag = "oversight",
    params(("operator" = String, Path)), responses(
    (status = 200, body = FindingList),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
))]
pub async fn findings(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(operator): Path<String>,
) -> Result<Json<FindingList>, ApiError> {
    let operator = readable(&state, &caller, &operator)?;
    let findings = platform(&state)?.authority().findings(&operator.id);
    Ok(Json(FindingList {
        items: findings.iter().map(Into::into).collect(),
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordQuery {
    /// Of this operator; of all that the caller may see when absent.
    operator: Option<String>,
    port: Option<String>,
    /// Started at that time or later.
    from_ms: Option<i64>,
    /// Started before that time.
    to_ms: Option<i64>,
    /// Only those of ports that nobody has registered.
    #[serde(default)]
    orphans: bool,
    /// From 1, which it is when absent.
    page: Option<u64>,
    /// 50 when absent, at most 500.
    size: Option<u32>,
}

/// Lists records of charges, the first received first.
#[utoipa::path(get, path = "/oversight/records", operation_id = "list_records", tag = "oversight", params(RecordQuery),
    responses(
    (status = 200, body = RecordPage),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn records(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    query: Result<Query<RecordQuery>, QueryRejection>,
) -> Result<Json<RecordPage>, ApiError> {
    let query = read(query)?;
    let (index, size) = slice(query.page, query.size)?;
    let port = query.port.as_deref();
    let port = port.map(|port| Code::new(port).map_err(|_| ApiError::unknown("port", port)));
    let filter = RecordFilter {
        operator: whose(&state, &caller, query.operator.as_deref())?,
        port: port.transpose()?,
        from: query.from_ms.map(Timestamp),
        to: query.to_ms.map(Timestamp),
        only_orphans: query.orphans,
    };
    let page = platform(&state)?
        .authority()
        .record_page(filter, index, size)
        .await?;
    Ok(Json(RecordPage {
        page: page.index,
        size: page.size,
        total: page.total,
        items: page.list.iter().map(Into::into).collect(),
    }))
}

pub(super) fn read<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, ApiError> {
    let read = query.map(|Query(query)| query);
    read.map_err(|rejection| ApiError::unreadable(rejection.body_text()))
}

fn slice(page: Option<u64>, size: Option<u32>) -> Result<(u64, u32), ApiError> {
    let (index, size) = (page.unwrap_or(1), size.unwrap_or(DEFAULT_SIZE));
    if index == 0 {
        return Err(ApiError::invalid("page", index, "1 or more"));
    }
    if !(1..=MOST).contains(&size) {
        return Err(ApiError::invalid("size", size, format!("1 to {MOST}")));
    }
    Ok((index, size))
}

/// A day as the store has it.
pub(super) fn day(place: &str, text: &str) -> Result<String, ApiError> {
    let day = text.parse::<Date>().ok().filter(|day| day.to_string() == text);
    let day = day.ok_or_else(|| ApiError::invalid(place, format!("`{text}`"), "a day such as 2026-07-01"))?;
    Ok(day.to_string())
}

fn station(text: &str) -> Result<Code, ApiError> {
    Code::new(text).map_err(|_| ApiError::unknown("station", text))
}
