//! Charging sessions of a site: the list, one of them, all as CSV, and who may charge.
//!
//! A user sees the sessions they charged in, and of those their own transactions; operators see all.

pub mod authorisation;
pub mod csv;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::id::{CardId, EvseId, IdError, SessionId, SiteId, UserId, VehicleId};
use model::session as m;
use model::time::Timestamp;
use serde::Deserialize;
use store::{SessionCursor, SessionFilter};

use super::error::{ApiError, ErrorAnswer};
use super::sites::readable;
use super::wire::{Session, SessionList, SessionTotals};
use crate::State;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 500;

/// Whose sessions somebody sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sees {
    All,
    Own(UserId),
}

#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SessionQuery {
    /// Plugged in at that time or later.
    from_ms: Option<i64>,
    /// Plugged in before that time.
    to_ms: Option<i64>,
    evse: Option<String>,
    user: Option<String>,
    vehicle: Option<String>,
    card: Option<String>,
    /// At most 500.
    #[param(default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists sessions, the last plugged in first.
#[utoipa::path(get, path = "/sites/{site}/sessions", operation_id = "list_sessions", tag = "sessions",
    params(("site" = String, Path), SessionQuery), responses(
    (status = 200, body = SessionList),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    query: Result<Query<SessionQuery>, QueryRejection>,
) -> Result<Json<SessionList>, ApiError> {
    let site = readable(&state, &caller, &site)?;
    let sees = sees_sessions(&caller, &site)?;
    let query = parsed(query)?;
    let filter = query.filter(&site, &sees)?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::invalid("limit", limit, format!("1 to {MAX_LIMIT}")));
    }
    let after = query.cursor.as_deref().map(cursor_of).transpose()?;
    let mut found = state.store.sessions(&filter, after.as_ref(), limit + 1).await?;
    let is_more = found.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| is_more).map(cursor_text);
    let totals = match after {
        None => Some(SessionTotals::from(state.store.session_totals(&filter).await?)),
        Some(_) => None,
    };
    Ok(Json(SessionList {
        items: found
            .into_iter()
            .map(|session| Session::from(&sees.of(session)))
            .collect(),
        next,
        totals,
    }))
}

/// Shows one session.
#[utoipa::path(get, path = "/sites/{site}/sessions/{id}", operation_id = "show_session", tag = "sessions",
    params(("site" = String, Path), ("id" = String, Path)), responses(
    (status = 200, body = Session),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, id)): Path<(String, String)>,
) -> Result<Json<Session>, ApiError> {
    let site = readable(&state, &caller, &site)?;
    let sees = sees_sessions(&caller, &site)?;
    let unknown = || ApiError::unknown("session", &id);
    let known = SessionId::new(&id).map_err(|_| unknown())?;
    let found = state.store.session(&known).await?;
    let found = found
        .filter(|session| session.site == site)
        .map(|session| sees.of(session));
    match found {
        Some(session) if sees == Sees::All || !session.transactions.is_empty() => {
            Ok(Json(Session::from(&session)))
        }
        Some(_) | None => Err(unknown()),
    }
}

/// Whose sessions of a site a caller sees.
fn sees_sessions(caller: &Principal, site: &SiteId) -> Result<Sees, ApiError> {
    let may = |action| gate::may(caller, &action, &Subject::Site(site));
    match &caller.user {
        _ if may(Action::SeeAllSessions) => Ok(Sees::All),
        Some(user) if may(Action::SeeOwnSessions) => Ok(Sees::Own(user.clone())),
        Some(_) | None => Err(ApiError::not_allowed("your role does not show sessions")),
    }
}

impl Sees {
    /// A session without what others charged in it.
    fn of(&self, mut session: m::Session) -> m::Session {
        if let Self::Own(user) = self {
            session
                .transactions
                .retain(|transaction| transaction.authorisation.user.as_ref() == Some(user));
        }
        session
    }
}

fn parsed(query: Result<Query<SessionQuery>, QueryRejection>) -> Result<SessionQuery, ApiError> {
    let Query(query) = query.map_err(|rejection| {
        ApiError::unreadable(rejection.body_text()).at(
            "query",
            "from_ms, to_ms, evse, user, vehicle, card, limit and cursor",
        )
    })?;
    Ok(query)
}

impl SessionQuery {
    fn filter(&self, site: &SiteId, sees: &Sees) -> Result<SessionFilter, ApiError> {
        let mut filter = SessionFilter {
            site: Some(site.clone()),
            evse: id("evse", self.evse.as_deref(), EvseId::new)?,
            user: id("user", self.user.as_deref(), UserId::new)?,
            card: id("card", self.card.as_deref(), CardId::new)?,
            vehicle: id("vehicle", self.vehicle.as_deref(), VehicleId::new)?,
            from: self.from_ms.map(Timestamp),
            to: self.to_ms.map(Timestamp),
        };
        if let Sees::Own(own) = sees {
            if filter.user.as_ref().is_some_and(|user| user != own) {
                return Err(ApiError::not_allowed("your role shows your own sessions only"));
            }
            filter.user = Some(own.clone());
        }
        Ok(filter)
    }
}

fn id<T>(
    what: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, IdError>,
) -> Result<Option<T>, ApiError> {
    let parse = |text: &str| {
        parse(text).map_err(|_| {
            let shown: String = text.chars().take(80).collect();
            ApiError::invalid(what, shown, "an id")
        })
    };
    text.map(parse).transpose()
}

fn cursor_text(session: &m::Session) -> String {
    format!("{}.{}", session.plugged.0, session.id)
}

fn cursor_of(text: &str) -> Result<SessionCursor, ApiError> {
    let parts = text.split_once('.').and_then(|(plugged, id)| {
        Some(SessionCursor {
            plugged: Timestamp(plugged.parse().ok()?),
            id: SessionId::new(id).ok()?,
        })
    });
    parts.ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        ApiError::invalid("cursor", shown, "the `next` of a page")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else() {
        for (text, fits) in [("-5.a-1", true), ("17.", false), ("17", false), ("x.a", false)] {
            assert_eq!(cursor_of(text).is_ok(), fits, "{text}");
        }
    }
}
