//! Operators: the list, single ones, their keys and addresses.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Path, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, By, Principal, Subject};
use model::oversight::{AddressChange, Callback, Operator, OperatorCode};
use model::secret::Secret;
use model::time::Millis;
use model::user::UserOversight;

use super::{own, platform, readable, visible};
use crate::State;
use crate::native::audit::note;
use crate::native::auth::allow;
use crate::native::body::JsonBody;
use crate::native::error::{ApiError, ErrorAnswer};
use crate::native::users::DOOR;
use crate::native::wire::supervision::{
    AddressBody, CallbackToken, NewOperator, NewOperatorSecret, OperatorAddresses, OperatorBody,
    OperatorCallback, OperatorList, OperatorView, RotationBody,
};

/// The longest time that two keys of an operator hold.
const LONGEST_OVERLAP_S: i64 = 30 * 86_400;

/// Lists operators: all for the authority, an operator's own people see theirs.
#[utoipa::path(get, path = "/oversight/operators", operation_id = "list_operators", tag = "oversight", responses(
    (status = 200, body = OperatorList),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer, description = "Nobody is watched over here."),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Json<OperatorList>, ApiError> {
    let operators = visible(&state, &caller)?;
    let items = operators.iter().map(|operator| view(&state, operator));
    Ok(Json(OperatorList {
        items: items.collect::<Result<_, _>>()?,
    }))
}

/// Makes an operator and its key, which is told this once. Administrators only.
#[utoipa::path(post, path = "/oversight/operators", operation_id = "create_operator", tag = "oversight",
    request_body = OperatorBody, responses(
    (status = 201, body = NewOperator),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer, description = "Nobody is watched over here."),
    (status = 409, body = ErrorAnswer, description = "The id is taken."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn create(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    JsonBody(mut body): JsonBody<OperatorBody>,
) -> Result<(StatusCode, Json<NewOperator>), ApiError> {
    allow(&caller, &Action::Administer, &Subject::Oversight)?;
    let platform = platform(&state)?;
    let id = body.id.as_deref();
    let id = id.ok_or_else(|| ApiError::invalid("id", "absent", "the id of the new operator"))?;
    let code = OperatorCode::new(id).map_err(|error| {
        let expected = "1 to 64 visible ASCII characters without spaces";
        ApiError::invalid("id", format!("`{}`", error.text), expected)
    })?;
    let key = body.secret.take().map(|key| checked(&key)).transpose()?;
    let mut operator = body.over(Operator::new(code, ""))?;
    operator.registered = state.clock.now().wall;
    let code = operator.id.clone();
    let _changing = state.changing.lock().await;
    let by = By::new(&caller, DOOR);
    let key = platform.admit(&by, operator, key.as_ref()).await?;
    note(&state, &caller, &format!("create operator {code}"), "done").await;
    let operator = readable(&state, &caller, code.as_str())?;
    let made = NewOperator {
        operator: view(&state, &operator)?,
        secret: key.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Shows one operator.
#[utoipa::path(get, path = "/oversight/operators/{operator}", operation_id = "show_operator", tag = "oversight",
    params(("operator" = String, Path)), responses(
    (status = 200, body = OperatorView),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(operator): Path<String>,
) -> Result<Json<OperatorView>, ApiError> {
    let operator = readable(&state, &caller, &operator)?;
    Ok(Json(view(&state, &operator)?))
}

/// Puts what is said of an operator in place of what was known. Administrators only.
#[utoipa::path(put, path = "/oversight/operators/{operator}", operation_id = "change_operator", tag = "oversight",
    params(("operator" = String, Path)), request_body = OperatorBody, responses(
    (status = 200, body = OperatorView),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn change(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(operator): Path<String>,
    JsonBody(body): JsonBody<OperatorBody>,
) -> Result<Json<OperatorView>, ApiError> {
    let known = readable(&state, &caller, &operator)?;
    allow(&caller, &Action::Administer, &Subject::Oversight)?;
    if body.secret.is_some() {
        let expected = "nothing here; a new key is made by its own call";
        return Err(ApiError::invalid("secret", "there", expected));
    }
    let _changing = state.changing.lock().await;
    let wanted = body.over((*known).clone())?;
    let difference = difference(&known, &wanted);
    platform(&state)?.authority().put_operator(wanted).await?;
    note(
        &state,
        &caller,
        &format!("change operator {}{difference}", known.id),
        "done",
    )
    .await;
    let operator = readable(&state, &caller, &operator)?;
    Ok(Json(view(&state, &operator)?))
}

/// Takes an operator away with its key and all that it has registered; samples and records stay as long as they would.
/// Administrators only.
#[utoipa::path(delete, path = "/oversight/operators/{operator}", operation_id = "delete_operator", tag = "oversight",
    params(("operator" = String, Path)), responses(
    (status = 204, description = "Deleted."),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "Users belong to it."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn delete(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(operator): Path<String>,
) -> Result<StatusCode, ApiError> {
    let operator = readable(&state, &caller, &operator)?;
    allow(&caller, &Action::Administer, &Subject::Oversight)?;
    let _changing = state.changing.lock().await;
    // Whoever gets the id next is another.
    let belongs = UserOversight::Operator(operator.id.clone());
    let users = state.gate.users();
    let users = users
        .iter()
        .filter(|user| user.oversight.as_ref() == Some(&belongs));
    let users: Vec<String> = users.map(|user| format!("user {}", user.id)).collect();
    if !users.is_empty() {
        return Err(ApiError::in_use("operator", operator.id.as_str(), &users));
    }
    let by = By::new(&caller, DOOR);
    platform(&state)?.dismiss(&by, &operator.id).await?;
    note(
        &state,
        &caller,
        &format!("delete operator {}", operator.id),
        "done",
    )
    .await;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes another key, which is told this once. The one before holds for the overlap too. Administrators only.
#[utoipa::path(post, path = "/oversight/operators/{operator}/secret", operation_id = "rotate_operator_secret",
    tag = "oversight", params(("operator" = String, Path)), request_body = RotationBody, responses(
    (status = 201, body = NewOperatorSecret),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn rotate(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(operator): Path<String>,
    JsonBody(body): JsonBody<RotationBody>,
) -> Result<(StatusCode, Json<NewOperatorSecret>), ApiError> {
    let operator = readable(&state, &caller, &operator)?;
    allow(&caller, &Action::Administer, &Subject::Oversight)?;
    if !(0..=LONGEST_OVERLAP_S).contains(&body.overlap_s) {
        let expected = format!("0 to {LONGEST_OVERLAP_S}");
        return Err(ApiError::invalid("overlap_s", body.overlap_s, expected));
    }
    let by = By::new(&caller, DOOR);
    let overlap = Millis::from_seconds(body.overlap_s);
    let platform = platform(&state)?;
    let key = platform.rotate(&by, &operator.id, overlap).await?;
    let made = NewOperatorSecret {
        secret: key.expose().to_owned(),
        earlier_key_until_ms: platform.earlier_key_until(&operator.id).map(|until| until.0),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Shows the token by which an operator knows our calls, to administrators and its own people.
#[utoipa::path(get, path = "/oversight/operators/{operator}/callback-token", operation_id = "show_callback_token",
    tag = "oversight", params(("operator" = String, Path)), responses(
    (status = 200, body = CallbackToken),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn callback_token(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(operator): Path<String>,
) -> Result<Json<CallbackToken>, ApiError> {
    let operator = own(&state, &caller, &operator)?;
    let token = platform(&state)?.callback_token(&operator.id)?;
    note(
        &state,
        &caller,
        &format!("see the callback token of {}", operator.id),
        "done",
    )
    .await;
    Ok(Json(CallbackToken {
        token: token.map(|token| token.expose().to_owned()),
    }))
}

/// Makes another callback token; the one before is shown to the operator no more.
#[utoipa::path(post, path = "/oversight/operators/{operator}/callback-token", operation_id = "renew_callback_token",
    tag = "oversight", params(("operator" = String, Path)), responses(
    (status = 201, body = CallbackToken),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn renew_callback_token(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(operator): Path<String>,
) -> Result<(StatusCode, Json<CallbackToken>), ApiError> {
    let operator = own(&state, &caller, &operator)?;
    let by = By::new(&caller, DOOR);
    let token = platform(&state)?.renew_callback_token(&by, &operator.id).await?;
    let made = CallbackToken {
        token: Some(token.expose().to_owned()),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Shows where an operator wants to be called, and how that changed.
#[utoipa::path(get, path = "/oversight/operators/{operator}/addresses", operation_id = "show_operator_addresses",
    tag = "oversight", params(("operator" = String, Path)), responses(
    (status = 200, body = OperatorAddresses),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
))]
pub async fn addresses(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(operator): Path<String>,
) -> Result<Json<OperatorAddresses>, ApiError> {
    let operator = readable(&state, &caller, &operator)?;
    Ok(Json((&*operator).into()))
}

/// Sets an address, as an administrator or as the operator's own people.
#[utoipa::path(put, path = "/oversight/operators/{operator}/addresses/{callback}", operation_id = "set_operator_address",
    tag = "oversight", params(("operator" = String, Path), ("callback" = OperatorCallback, Path)),
    request_body = AddressBody, responses(
    (status = 200, body = OperatorAddresses),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer, description = "The address may not be dialled."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn set_address(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((operator, callback)): Path<(String, String)>,
    JsonBody(body): JsonBody<AddressBody>,
) -> Result<Json<OperatorAddresses>, ApiError> {
    let operator = own(&state, &caller, &operator)?;
    let callback = named(&callback)?;
    platform(&state)?.may_dial(&operator, &body.url).map_err(|what| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", what)
            .at("url", "an address that may be dialled")
    })?;
    moved(&state, &caller, peer, &operator, (callback, Some(body.url))).await
}

/// Takes an address away, as an administrator or as the operator's own people.
#[utoipa::path(delete, path = "/oversight/operators/{operator}/addresses/{callback}",
    operation_id = "clear_operator_address", tag = "oversight",
    params(("operator" = String, Path), ("callback" = OperatorCallback, Path)), responses(
    (status = 200, body = OperatorAddresses),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn clear_address(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((operator, callback)): Path<(String, String)>,
) -> Result<Json<OperatorAddresses>, ApiError> {
    let operator = own(&state, &caller, &operator)?;
    let callback = named(&callback)?;
    moved(&state, &caller, peer, &operator, (callback, None)).await
}

async fn moved(
    state: &State,
    caller: &Principal,
    peer: SocketAddr,
    operator: &Operator,
    (callback, new): (Callback, Option<String>),
) -> Result<Json<OperatorAddresses>, ApiError> {
    let change = AddressChange {
        callback,
        old: None,
        new,
        at: state.clock.now().wall,
        from: Some(peer.ip().to_canonical()),
        by: caller.name.clone(),
    };
    let platform = platform(state)?;
    platform
        .change_address(&caller.name, DOOR, operator, change)
        .await?;
    let operator = readable(state, caller, operator.id.as_str())?;
    Ok(Json((&*operator).into()))
}

fn named(callback: &str) -> Result<Callback, ApiError> {
    [Callback::ReportFailed, Callback::PastSample, Callback::Risk]
        .into_iter()
        .find(|known| name(*known) == callback)
        .ok_or_else(|| ApiError::unknown("callback", callback))
}

/// As it stands in a path.
const fn name(callback: Callback) -> &'static str {
    match callback {
        Callback::ReportFailed => "report_failed",
        Callback::PastSample => "past_sample",
        Callback::Risk => "risk",
    }
}

fn view(state: &State, operator: &Operator) -> Result<OperatorView, ApiError> {
    let platform = platform(state)?;
    let earlier = platform.earlier_key_until(&operator.id);
    Ok(OperatorView::of(
        operator,
        earlier,
        platform.last_login(&operator.id),
    ))
}

fn checked(key: &str) -> Result<Secret, ApiError> {
    let fits = (8..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(Secret::new(key));
    }
    let given = format!("{} bytes long", key.len());
    Err(ApiError::invalid(
        "secret",
        given,
        "8 to 128 visible ASCII characters",
    ))
}

/// What of it anybody would ask about later, in words.
fn difference(before: &Operator, after: &Operator) -> String {
    let mut words = String::new();
    for (name, before, after) in [
        ("suspended", before.suspended, after.suspended),
        ("local", before.local, after.local),
        ("strict", before.strict, after.strict),
    ] {
        if before != after {
            words += if after { ", " } else { ", not " };
            words += name;
        }
    }
    words
}
