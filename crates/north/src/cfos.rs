//! The cFos door: `/cnf`, and `/site/<id>/cnf` for sites other than the first.
//!
//! `get_dev_info` is open: known clients send no credentials with it. The host is checked, and what is said
//! holds no secrets.

use axum::Router;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dialects::cfos::map::dev_info;
use dialects::cfos::server::{Command, command};
use dialects::cfos::{NAME, error};

use crate::State;
use crate::door::Door;

pub(crate) const DOOR: Door = Door {
    name: NAME,
    roots: &["cnf", "site"],
    paths: &[],
    answers_to: |_, _| false,
    refuses: |_, _| None,
    routes: |_| {
        Router::new()
            .route("/cnf", get(first_site).post(first_site))
            .route("/site/{site}/cnf", get(one_site).post(one_site))
    },
    begins: None,
    at_once: None,
    native: None,
};

/// Who asks without a site knows one only.
async fn first_site(Shared(state): Shared<State>, RawQuery(query): RawQuery) -> Response {
    let site = state.settings.sites.first();
    let site = site.map(|site| site.id.as_str()).unwrap_or_default();
    answer(&state, site, &query.unwrap_or_default()).await
}

/// A site by its id.
async fn one_site(
    Shared(state): Shared<State>,
    Path(site): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    answer(&state, &site, &query.unwrap_or_default()).await
}

async fn answer(state: &State, site: &str, query: &str) -> Response {
    match command(query) {
        Command::GetDevInfo => get_dev_info(state, site).await,
        Command::Unknown => json(error::body(error::UNKNOWN_COMMAND)),
    }
}

async fn get_dev_info(state: &State, site: &str) -> Response {
    let Some(site) = state
        .settings
        .sites
        .iter()
        .find(|known| known.id.as_str() == site)
    else {
        return json(error::body(error::UNKNOWN_SITE));
    };
    match state.bus.latest_view(&site.id).await {
        Some(view) => {
            let info = dev_info(site, &view, &state.settings.control, state.clock.now().wall);
            json(serde_json::to_vec(&info).unwrap_or_default())
        }
        None => json(error::body(error::STARTING)),
    }
}

fn json(body: Vec<u8>) -> Response {
    (
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        body,
    )
        .into_response()
}
