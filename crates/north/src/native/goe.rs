//! An EVSE as a go-e charger: who reaches it how, and all its keys.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use dialects::goe::query::Write;
use dialects::goe::value::Reading;
use dialects::goe::{DIALECT, keys};
use gate::{Action, By, Denied, Principal, Subject, Switches, Thing};
use model::id::{EvseId, SiteId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::note;
use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::sites::readable_view;
use super::users::DOOR;
use super::wire::{GoeDoorChange, GoeKey, GoeKeyList, GoeSource, GoeValues, GoeView, GoeWrite};
use crate::State;
use crate::goe::{Charger, ChargerDoor as Door, Writer, write_all};

/// All of these, for who is signed in.
pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(show, change))
        .routes(routes!(renew_token))
        .routes(routes!(keys))
        .routes(routes!(values))
        .routes(routes!(write))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct GoeQuery {
    /// False leaves the token out, and no note is made that somebody saw it.
    token: Option<bool>,
}

/// Says how an EVSE appears to go-e clients: serial number, token, and who may do what. Administrators only.
#[utoipa::path(get, path = "/sites/{site}/evses/{evse}/goe", operation_id = "show_evse_goe", tag = "goe",
    params(("site" = String, Path), ("evse" = String, Path), GoeQuery), responses(
    (status = 200, body = GoeView),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, evse)): Path<(String, String)>,
    Query(query): Query<GoeQuery>,
) -> Result<Json<GoeView>, ApiError> {
    let evse = administered(&state, &caller, &site, &evse).await?;
    Ok(Json(
        view(&state, &caller, &evse, query.token.unwrap_or(true)).await?,
    ))
}

/// Decides whether the cloud form answers for an EVSE, and which guarded keys may be written. Administrators only.
#[utoipa::path(put, path = "/sites/{site}/evses/{evse}/goe", operation_id = "change_evse_goe", tag = "goe",
    params(("site" = String, Path), ("evse" = String, Path)), request_body = GoeDoorChange, responses(
    (status = 200, body = GoeView, description = "Without the token."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The config file says whether the cloud form answers."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn change(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, evse)): Path<(String, String)>,
    JsonBody(wanted): JsonBody<GoeDoorChange>,
) -> Result<Json<GoeView>, ApiError> {
    let evse = administered(&state, &caller, &site, &evse).await?;
    if let Some(key) = wanted.granted.iter().find(|key| !keys::is_guarded(key)) {
        let shown: String = key.chars().take(80).collect();
        return Err(ApiError::invalid("granted", shown, keys::GUARDED.join(", ")));
    }
    {
        let _changing = state.changing.lock().await;
        let door = door_of(&state, &evse)?;
        let enabled = wanted.enabled.unwrap_or(door.configured);
        if door.is_fixed && enabled != door.configured {
            return Err(ApiError::from_file("setting", "enabled"));
        }
        let decided = Switches {
            enabled: wanted.enabled,
            granted: wanted.granted,
        };
        let by = By::new(&caller, DOOR);
        let thing = Thing::Evse(evse.clone());
        let put = state.gate.put_switches(&by, &DIALECT, &thing, decided);
        put.await?;
    }
    Ok(Json(view(&state, &caller, &evse, false).await?))
}

/// Makes a new token; the old one is worth nothing from then on. Administrators only.
#[utoipa::path(post, path = "/sites/{site}/evses/{evse}/goe/token", operation_id = "renew_evse_goe_token", tag = "goe",
    params(("site" = String, Path), ("evse" = String, Path)), responses(
    (status = 200, body = GoeView, description = "With the new token."),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn renew_token(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, evse)): Path<(String, String)>,
) -> Result<Json<GoeView>, ApiError> {
    let evse = administered(&state, &caller, &site, &evse).await?;
    door_of(&state, &evse)?;
    let by = By::new(&caller, DOOR);
    let thing = Thing::Evse(evse.clone());
    state.gate.renew_credential(&by, &DIALECT, &thing).await?;
    Ok(Json(view(&state, &caller, &evse, true).await?))
}

/// Lists all keys of go-e chargers with what they mean, and the values of this one. Secrets have none. An
/// `If-None-Match` with the tag of an answer is answered with 304 as long as nothing has changed.
#[utoipa::path(get, path = "/sites/{site}/evses/{evse}/goe/keys", operation_id = "list_evse_goe_keys", tag = "goe",
    params(("site" = String, Path), ("evse" = String, Path)), responses(
    (status = 200, body = GoeKeyList),
    (status = 304, description = "As it was."),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn keys(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, evse)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (site, charger) = readable_charger(&state, &caller, &site, &evse).await?;
    let subject = Subject::Evse(&site, &charger.evse().id);
    let may_steer = gate::may(&caller, &Action::Steer, &subject);
    let may_guard = gate::may(&caller, &Action::Administer, &subject);
    let sheet = charger.moment().sheet(None);
    let has_document = charger.has_document();
    let door = &charger.door;
    let items = keys::all().map(|key| {
        let grant_needed = keys::is_guarded(key.name);
        let value = sheet.get(key.name);
        let secret = keys::is_secret(key.name);
        // The token is ours, and in no sheet that is made for nobody in particular.
        let source = (value.is_some() || key.name == keys::TOKEN).then(|| {
            let is_its = has_document && key.name != keys::TOKEN && !sheet.is_ours(key.name);
            if is_its {
                GoeSource::Charger
            } else {
                GoeSource::Ours
            }
        });
        GoeKey {
            value: value.filter(|_| !secret).map(|value| masked(key.name, value)),
            secret,
            grant_needed,
            writable: may_steer
                && key.is_writable()
                && match key.name {
                    keys::TOKEN => may_guard,
                    keys::ENABLED => may_guard && !door.is_fixed,
                    name => !grant_needed || may_guard && door.decided.granted.contains(name),
                },
            source,
            ..GoeKey::of(&key)
        }
    });
    let list = GoeKeyList {
        items: items.collect(),
        at_ms: charger.last_data().map(|at| at.0),
    };
    tagged(&headers, &list)
}

/// The values alone, for who looks again and again. Tags as with the keys.
#[utoipa::path(get, path = "/sites/{site}/evses/{evse}/goe/values", operation_id = "list_evse_goe_values", tag = "goe",
    params(("site" = String, Path), ("evse" = String, Path)), responses(
    (status = 200, body = GoeValues),
    (status = 304, description = "As they were."),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn values(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, evse)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (_, charger) = readable_charger(&state, &caller, &site, &evse).await?;
    let sheet = charger.moment().sheet(None);
    let values = sheet.open_values();
    let values = GoeValues {
        values: values
            .map(|(key, value)| (key.to_owned(), masked(key, value)))
            .collect(),
        at_ms: charger.last_data().map(|at| at.0),
    };
    tagged(&headers, &values)
}

/// Writes one key, by the rules of the go-e doors. What guards a charger is for administrators only.
#[utoipa::path(put, path = "/sites/{site}/evses/{evse}/goe/keys/{key}", operation_id = "write_evse_goe_key", tag = "goe",
    params(("site" = String, Path), ("evse" = String, Path), ("key" = String, Path)), request_body = GoeWrite, responses(
    (status = 204, description = "Taken."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer, description = "Refused; the message is the one that go-e clients get."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn write(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, evse, key)): Path<(String, String, String)>,
    JsonBody(wanted): JsonBody<GoeWrite>,
) -> Result<StatusCode, ApiError> {
    let (site, charger) = readable_charger(&state, &caller, &site, &evse).await?;
    let subject = Subject::Evse(&site, &charger.evse().id);
    allow(&caller, &Action::Steer, &subject)?;
    if keys::find(&key).is_none() {
        return Err(ApiError::unknown("go-e key", &key));
    }
    let may_guard = gate::may(&caller, &Action::Administer, &subject);
    let needs_guard = keys::is_guarded(&key) || key == keys::TOKEN || key == keys::ENABLED;
    if needs_guard && !may_guard {
        return Err(ApiError::not_allowed("this key is for administrators"));
    }
    let writer = Writer {
        principal: &caller,
        door: DOOR,
        may_guard,
    };
    let text = wanted.value.to_string();
    let writes = [Write { key, text }];
    let outcomes = write_all(&state, &charger, &writer, &writes, Reading::Strict).await;
    match outcomes.into_iter().find_map(|outcome| outcome.refusal) {
        None => Ok(StatusCode::NO_CONTENT),
        Some(text) => Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", text)),
    }
}

/// An EVSE that the caller administers.
async fn administered(state: &State, caller: &Principal, site: &str, evse: &str) -> Result<EvseId, ApiError> {
    let view = readable_view(state, caller, site).await?;
    let found = view.evses.iter().find(|known| known.id.as_str() == evse);
    let found = found.ok_or_else(|| ApiError::unknown("evse", evse))?;
    if !gate::may(caller, &Action::Administer, &Subject::Evse(&view.id, &found.id)) {
        return Err(ApiError::not_allowed("the go-e door is for administrators"));
    }
    Ok(found.id.clone())
}

/// The charger as go-e clients see it, for somebody who may read its site.
async fn readable_charger(
    state: &State,
    caller: &Principal,
    site: &str,
    evse: &str,
) -> Result<(SiteId, Charger), ApiError> {
    let view = readable_view(state, caller, site).await?;
    let found = view.evses.iter().find(|known| known.id.as_str() == evse);
    let found = found.ok_or_else(|| ApiError::unknown("evse", evse))?;
    let charger = Charger::find(state, &found.id, caller, &Action::Read).await;
    let charger = charger.ok_or_else(|| no_charger(evse))?;
    Ok((view.id.clone(), charger))
}

fn no_charger(evse: &str) -> ApiError {
    ApiError::unknown("go-e serial number of evse", evse)
}

fn door_of(state: &State, evse: &EvseId) -> Result<Door, ApiError> {
    Door::of(state, evse).ok_or_else(|| no_charger(evse.as_str()))
}

async fn view(
    state: &State,
    caller: &Principal,
    evse: &EvseId,
    with_token: bool,
) -> Result<GoeView, ApiError> {
    let door = door_of(state, evse)?;
    let token = match with_token {
        true => {
            let thing = Thing::Evse(evse.clone());
            let token = state.gate.credential(&DIALECT, &thing);
            let token = token.map_err(Denied::Unavailable)?;
            note(
                state,
                caller,
                &format!("see the go-e token of evse {evse}"),
                "done",
            )
            .await;
            token.map(|token| token.expose().to_owned())
        }
        false => None,
    };
    let enabled = door.is_enabled();
    let serial = door.serial;
    let open = (!state.settings.goe.local_open.is_empty()).then(|| format!("/goe/{serial}"));
    let mut local_paths = vec![format!("/goe/{serial}/{{token}}")];
    local_paths.extend(open);
    Ok(GoeView {
        cloud_host: format!("{serial}.api.v3.go-e.io"),
        local_paths,
        serial,
        token,
        enabled,
        enabled_from_file: door.is_fixed,
        granted: door.decided.granted,
        guarded: keys::GUARDED.iter().map(|key| (*key).to_owned()).collect(),
    })
}

/// A value without the passwords of networks in it.
fn masked(key: &str, value: &Value) -> Value {
    let mut value = value.clone();
    if let ("wifis", Value::Array(networks)) = (key, &mut value) {
        for network in networks {
            if let Some(password) = network.get_mut("key").filter(|password| password.is_string()) {
                *password = Value::from("***");
            }
        }
    }
    value
}

/// An answer with a tag of its content, or 304 when the caller has it already.
fn tagged(headers: &HeaderMap, answer: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(answer).map_err(|error| {
        tracing::error!(%error, "cannot write an answer");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong inside; it is in the log",
        )
    })?;
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let asked = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let is_known = asked.is_some_and(|asked| {
        asked
            .split(',')
            .any(|one| one.trim().trim_start_matches("W/") == tag)
    });
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}
