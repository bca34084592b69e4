//! Our own API, below `/api/v1`.
//!
//! A handler parses, asks one other room, and renders; who may is asked of the gate. The document
//! `openapi.json` in the crate's root is generated from the types in [`wire`] and the handlers; a test
//! compares it byte for byte, and `UPDATE_OPENAPI=1 cargo test -p north openapi` writes it anew.

pub mod alarms;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod body;
pub mod cards;
pub mod controls;
pub mod devices;
pub mod energy;
pub mod error;
pub mod events;
pub mod evses;
pub mod goe;
pub mod history;
pub mod intents;
pub mod loggers;
mod nouns;
pub mod outbox;
pub mod paging;
pub mod plant;
pub mod reporting;
pub mod rules;
pub mod session;
pub mod sessions;
pub mod settings;
pub mod shinemonitor;
pub mod sites;
pub mod solar;
pub mod storage;
pub mod supervision;
pub mod tariffs;
pub mod tokens;
pub mod users;
pub mod vehicles;
pub mod wire;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::door::DOORS;
use crate::{State, address, limits};
use error::ApiError;

/// Where the API lives.
pub const BASE: &str = "/api/v1";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Ohmstead native API", description = "Sites, devices and EVSEs: read and steer. Units are in the names; positive flows into the thing named; times are milliseconds since 1970."),
    components(schemas(wire::Patch, wire::Backfill, wire::Period, wire::AlarmState)),
    servers((url = "/api/v1"))
)]
struct Document;

/// Routes that need somebody who is signed in.
fn closed() -> OpenApiRouter<State> {
    let of_doors = DOORS.iter().filter_map(|door| door.native);
    of_doors.fold(ours(), |routes, native| routes.merge(native()))
}

/// Those that are of no door.
fn ours() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(sites::list))
        .routes(routes!(sites::show))
        .routes(routes!(devices::list))
        .routes(routes!(devices::show))
        .routes(routes!(controls::list))
        .routes(routes!(controls::set))
        .routes(routes!(evses::list))
        .routes(routes!(evses::show))
        .routes(routes!(evses::help))
        .routes(routes!(intents::create))
        .routes(routes!(history::show))
        .routes(routes!(history::export))
        .routes(routes!(energy::show))
        .routes(routes!(solar::show))
        .routes(routes!(loggers::list))
        .routes(routes!(loggers::accept))
        .routes(routes!(loggers::take_over))
        .routes(routes!(plant::show, plant::put))
        .routes(routes!(settings::show, settings::change))
        .routes(routes!(storage::show))
        .routes(routes!(storage::put))
        .routes(routes!(alarms::list))
        .routes(routes!(tariffs::list, tariffs::create))
        .routes(routes!(tariffs::show, tariffs::replace, tariffs::delete))
        .routes(routes!(tariffs::prices))
        .routes(routes!(rules::list, rules::create))
        .routes(routes!(rules::show, rules::replace, rules::delete))
        .routes(routes!(rules::check))
        .routes(routes!(rules::decided))
        .routes(routes!(vehicles::list, vehicles::create))
        .routes(routes!(vehicles::show, vehicles::replace, vehicles::delete))
        .routes(routes!(vehicles::put_soc))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::csv::export))
        .routes(routes!(sessions::show))
        .routes(routes!(
            sessions::authorisation::authorise,
            sessions::authorisation::stop
        ))
        .routes(routes!(alarms::acknowledge))
        .routes(routes!(outbox::list))
        .routes(routes!(outbox::retry))
        .routes(routes!(outbox::delete))
        .routes(routes!(outbox::signing_key))
        .routes(routes!(outbox::test))
        .routes(routes!(backup::create))
        .routes(routes!(events::stream))
        .routes(routes!(session::list, session::end_all))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change, users::delete))
        .routes(routes!(users::set_password))
        .routes(routes!(cards::create))
        .routes(routes!(cards::change, cards::delete))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(audit::list))
}

/// Routes for everybody: to become somebody who is signed in.
fn open() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(session::show, session::sign_in, session::sign_out))
        .routes(routes!(session::sign_in_by_ticket))
        .routes(routes!(session::set_up))
}

/// The document; its paths are below [`BASE`].
#[must_use]
pub fn document() -> OpenApi {
    let mut document = <Document as utoipa::OpenApi>::openapi();
    document.merge(open().into_openapi());
    document.merge(closed().into_openapi());
    document
}

/// Everything below [`BASE`].
pub fn router(state: &State) -> Router<State> {
    let (open, _) = open().split_for_parts();
    let open = open.route_layer(DefaultBodyLimit::max(limits::MAX_OPEN_BODY));
    let (closed, _) = closed().split_for_parts();
    let closed = closed.route_layer(from_fn_with_state(state.clone(), auth::require));
    let document = document();
    let routes = open
        .merge(closed)
        .route("/openapi.json", get(async move || Json(document.clone())))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn(address::check_origin));
    Router::new().nest(BASE, routes)
}

pub(crate) async fn no_such_route() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "no_such_route",
        "there is nothing at this path",
    )
}

pub(crate) async fn no_such_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "no_such_method",
        "this path does not know the method",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_openapi_file_is_the_generated_document() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let made = document().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            made == kept,
            "openapi.json differs from the code; run: UPDATE_OPENAPI=1 cargo test -p north openapi"
        );
    }
}
