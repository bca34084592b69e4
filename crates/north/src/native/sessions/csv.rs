//! Sessions as CSV, for spreadsheets and programs in any country.
//!
//! One row per transaction; RFC 4180: comma, CR LF, quotes where needed, a header. Times are RFC 3339 in UTC,
//! numbers have a point and no separators, energies are watt-hours, costs are in `currency`. A text that a
//! spreadsheet would take for a formula gets an apostrophe in front.
//!
//! Rows are fetched page by page while the answer is being sent, so a year costs no more memory than a day.
//! An answer that ends early because the store failed is cut off, not closed properly.

use std::fmt::Write;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use gate::Principal;
use model::session::{Session, Transaction};
use model::time::Timestamp;
use store::{SessionCursor, SessionFilter, StoreError};

use super::{Sees, SessionQuery, parsed, sees_sessions};
use crate::State;
use crate::native::error::{ApiError, ErrorAnswer};
use crate::native::sites::readable;
use crate::native::wire::{AuthorisationKind, StopReason};

/// Sessions that are fetched at once.
const PAGE: u32 = 200;

const HEADER: &str = "session,transaction,site,evse,plugged,unplugged,started,stopped,stop_reason,kind,user,card,vehicle,\
meter_start_wh,meter_stop_wh,energy_wh,l1_wh,l2_wh,l3_wh,one_phase_wh,three_phase_wh,sun_wh,battery_wh,grid_wh,\
charging_s,peak_w,cost,currency,estimated,other_costs,unpriced_wh\r\n";

/// Exports transactions as CSV, the last plugged in first. Filters are those of the list; `limit` and
/// `cursor` have no effect.
#[utoipa::path(get, path = "/sites/{site}/sessions.csv", operation_id = "export_sessions", tag = "sessions",
    params(("site" = String, Path), SessionQuery), responses(
    (status = 200, body = String, content_type = "text/csv", description = "One row per transaction, with a header."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn export(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    query: Result<Query<SessionQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let site = readable(&state, &caller, &site)?;
    let sees = sees_sessions(&caller, &site)?;
    let filter = parsed(query)?.filter(&site, &sees)?;
    let first = page(&state, &filter, None).await?;
    let export = Export {
        state,
        filter,
        sees,
        next: Some(first),
        begun: false,
    };
    let body = Body::from_stream(stream::try_unfold(export, Export::advance));
    let headers = [
        (
            header::CONTENT_TYPE,
            "text/csv; charset=utf-8; header=present".to_owned(),
        ),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"sessions-{site}.csv\""),
        ),
    ];
    Ok((headers, body).into_response())
}

/// An export on its way.
struct Export {
    state: State,
    filter: SessionFilter,
    sees: Sees,
    /// The page that is sent next.
    next: Option<Vec<Session>>,
    begun: bool,
}

impl Export {
    async fn advance(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        let Some(sessions) = self.next.take() else {
            return Ok(None);
        };
        let mut text = if self.begun {
            String::new()
        } else {
            HEADER.to_owned()
        };
        self.begun = true;
        let cursor = sessions.last().map(|last| SessionCursor {
            plugged: last.plugged,
            id: last.id.clone(),
        });
        let is_full = sessions.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
        for session in sessions {
            let session = self.sees.of(session);
            for transaction in &session.transactions {
                text.push_str(&row(&session, transaction));
            }
        }
        if is_full {
            self.next = Some(page(&self.state, &self.filter, cursor.as_ref()).await?);
        }
        Ok(Some((Bytes::from(text), self)))
    }
}

async fn page(
    state: &State,
    filter: &SessionFilter,
    after: Option<&SessionCursor>,
) -> Result<Vec<Session>, StoreError> {
    state.store.sessions(filter, after, PAGE).await
}

fn row(session: &Session, taken: &Transaction) -> String {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    let who = &taken.authorisation;
    let texts = [
        text(session.id.as_str()),
        taken.number.to_string(),
        text(session.site.as_str()),
        text(session.evse.as_str()),
        time(Some(session.plugged)),
        time(session.unplugged),
        time(Some(taken.started)),
        time(taken.stopped.map(|stop| stop.at)),
        taken
            .stopped
            .map(|stop| word(&StopReason::from(stop.reason)))
            .unwrap_or_default(),
        word(&AuthorisationKind::from(who.kind)),
        text(who.user.as_ref().map_or("", |user| user.as_str())),
        text(who.card.as_ref().map_or("", |card| card.as_str())),
        text(session.vehicle.as_ref().map_or("", |vehicle| vehicle.as_str())),
        number(taken.meter_start.map(|counter| counter.0)),
        number(taken.meter_stop.map(|counter| counter.0)),
    ];
    let [l1, l2, l3] = taken.per_phase.into_array();
    let numbers = [
        taken.energy.0,
        l1.0,
        l2.0,
        l3.0,
        taken.one_phase.0,
        taken.three_phase.0,
        taken.origin.sun.0,
        taken.origin.battery.0,
        taken.origin.grid.0,
        taken.charging.as_seconds(),
        taken.peak.0,
    ];
    let mut row = texts.join(",");
    for number in numbers {
        let _ = write!(row, ",{number}");
    }
    let cost = taken.cost.map(|cost| decimal(cost.amount.0)).unwrap_or_default();
    let currency = taken
        .cost
        .map(|cost| cost.currency.to_string())
        .unwrap_or_default();
    let others = taken.other_costs.iter();
    let others: Vec<_> = others
        .map(|cost| format!("{} {}", cost.currency, decimal(cost.amount.0)))
        .collect();
    let _ = write!(
        row,
        ",{cost},{currency},{},{},{}\r\n",
        taken.estimated,
        others.join("; "),
        taken.unpriced().0
    );
    row
}

/// Millionths as a decimal number.
fn decimal(micros: i64) -> String {
    let size = micros.unsigned_abs();
    let sign = if micros < 0 { "-" } else { "" };
    format!("{sign}{}.{:06}", size / 1_000_000, size % 1_000_000)
}

/// The word of the wire.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

/// A text that stays a text.
pub(crate) fn text(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = if is_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_and_never_formulas() {
        for (given, expected) in [
            ("left", "left"),
            ("a,b", "\"a,b\""),
            ("say \"a\"", "\"say \"\"a\"\"\""),
            ("=1+1", "'=1+1"),
            ("@cmd,x", "\"'@cmd,x\""),
            ("-2", "'-2"),
            ("\r\n", "\"'\r\n\""),
        ] {
            assert_eq!(text(given), expected, "{given:?}");
        }
    }

    #[test]
    fn money_has_a_point_and_six_digits() {
        for (micros, expected) in [(0, "0.000000"), (1_310_000, "1.310000"), (-5, "-0.000005")] {
            assert_eq!(decimal(micros), expected);
        }
    }
}
