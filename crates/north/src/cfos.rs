//! The cFos door: `/cnf`, and `/site/<id>/cnf` for sites other than the first.
//!
//! `get_dev_info` is open: known clients send no credentials with it. The host is checked, and what is said
//! holds no secrets.

use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use dialects::cfos::error;
use dialects::cfos::map::dev_info;
use dialects::cfos::server::{Command, command};

use crate::State;

/// The default site.
pub async fn default_site(Shared(state): Shared<State>, RawQuery(query): RawQuery) -> Response {
    let site = state.default_site.as_ref().map(|site| site.as_str().to_owned());
    answer(
        &state,
        site.as_deref().unwrap_or_default(),
        &query.unwrap_or_default(),
    )
    .await
}

/// A site by its id.
pub async fn one_site(
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
