//! What an authority sees of its operators, and what an operator sees of itself: `/oversight/…`.
//!
//! Who may is asked of the gate for each operator. To somebody who may not look at an operator there is none.

mod books;
mod operators;
mod report;
mod troubles;

use std::sync::Arc;

use axum::http::StatusCode;
use gate::{Action, Principal, Subject};
use model::oversight::{Operator, OperatorCode};
use oversight::Refused;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::allow;
use super::error::ApiError;
use crate::State;
use crate::supervision::{Platform, PlatformError};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(operators::list, operators::create))
        .routes(routes!(operators::show, operators::change, operators::delete))
        .routes(routes!(operators::rotate))
        .routes(routes!(
            operators::callback_token,
            operators::renew_callback_token
        ))
        .routes(routes!(operators::addresses))
        .routes(routes!(operators::set_address, operators::clear_address))
        .routes(routes!(books::overview))
        .routes(routes!(books::stations))
        .routes(routes!(books::ports))
        .routes(routes!(books::samples))
        .routes(routes!(books::entities))
        .routes(routes!(books::quality))
        .routes(routes!(books::findings))
        .routes(routes!(books::records))
        .routes(routes!(troubles::failures))
        .routes(routes!(troubles::warnings))
        .routes(routes!(troubles::acknowledge))
        .routes(routes!(troubles::replay))
        .routes(routes!(troubles::past_sample))
        .routes(routes!(report::show))
        .routes(routes!(report::export))
}

/// The authority that this installation is.
fn platform(state: &State) -> Result<&Arc<Platform>, ApiError> {
    state.platform().ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "not_enabled",
            "this installation watches over no operators; an administrator enables it in the config file",
        )
    })
}

/// An operator that the caller may look at.
fn readable(state: &State, caller: &Principal, id: &str) -> Result<Arc<Operator>, ApiError> {
    let platform = platform(state)?;
    let code = OperatorCode::new(id).ok();
    let code = code.filter(|code| gate::may(caller, &Action::Read, &Subject::Operator(code)));
    let operator = code.and_then(|code| platform.authority().operator(&code));
    operator.ok_or_else(|| ApiError::unknown("operator", id))
}

/// The same for who changes something of it.
fn own(state: &State, caller: &Principal, id: &str) -> Result<Arc<Operator>, ApiError> {
    let operator = readable(state, caller, id)?;
    allow(caller, &Action::Administer, &Subject::Operator(&operator.id))?;
    Ok(operator)
}

/// Which operators a list is of: the one that was asked for, else all that the caller may see. `None`: of all.
fn whose(state: &State, caller: &Principal, asked: Option<&str>) -> Result<Option<OperatorCode>, ApiError> {
    platform(state)?;
    if let Some(asked) = asked {
        return Ok(Some(readable(state, caller, asked)?.id.clone()));
    }
    if gate::may(caller, &Action::Read, &Subject::Oversight) {
        return Ok(None);
    }
    let own = visible(state, caller)?.into_iter().next();
    let own = own.ok_or_else(|| ApiError::not_allowed("your role does not allow this"))?;
    Ok(Some(own.id.clone()))
}

/// All operators that the caller may look at.
fn visible(state: &State, caller: &Principal) -> Result<Vec<Arc<Operator>>, ApiError> {
    let mut operators = platform(state)?.authority().operators();
    operators.retain(|operator| gate::may(caller, &Action::Read, &Subject::Operator(&operator.id)));
    Ok(operators)
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::Unknown { what, id } => Self::unknown(what.name(), &id),
            Refused::Taken { .. } | Refused::HasChildren { .. } | Refused::GivenUp { .. } => {
                Self::new(StatusCode::CONFLICT, "in_use", message)
            }
            Refused::Foreign { .. } => Self::not_allowed(&message),
            Refused::Missing { field } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message).at(field, "a value")
            }
            Refused::TooMany { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message),
            Refused::Unfit { field, expected, .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "out_of_range", message).at(field, expected)
            }
            Refused::Store(error) => error.into(),
        }
    }
}

impl From<PlatformError> for ApiError {
    fn from(error: PlatformError) -> Self {
        match error {
            PlatformError::Refused(refused) => refused.into(),
            PlatformError::Denied(denied) => denied.into(),
            PlatformError::Gate(error) => gate::Denied::Unavailable(error).into(),
            PlatformError::Http(error) => {
                tracing::error!(%error, "cannot call an operator");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "store",
                    "calls cannot be made; see the log",
                )
            }
        }
    }
}
