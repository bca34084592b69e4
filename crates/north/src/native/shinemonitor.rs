//! Accounts of ShineMonitor clients, and codes to make some with. Administrators only.

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use dialects::shinemonitor::DIALECT;
use dialects::shinemonitor::rc4::PasswordHash;
use gate::{Account, Action, By, Principal, Subject, Thing};
use model::id::SiteId;
use model::secret::Secret;
use model::time::Millis;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::sites::readable;
use super::users::DOOR;
use super::wire::shinemonitor::{
    ShinemonitorAccount, ShinemonitorAccountBody, ShinemonitorAccountList, ShinemonitorCode,
    ShinemonitorCodeBody,
};
use crate::State;

/// All of these.
pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(change, delete))
        .routes(routes!(create_code))
}

/// How long a code is good for.
const CODE_LASTS: Millis = Millis(7 * 24 * 3_600_000);

/// Lists accounts, without their passwords. Administrators only.
#[utoipa::path(get, path = "/shinemonitor/accounts", operation_id = "list_shinemonitor_accounts", tag = "shinemonitor", responses(
    (status = 200, body = ShinemonitorAccountList),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Json<ShinemonitorAccountList>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let accounts = state.gate.accounts(&DIALECT);
    let items = accounts.iter().map(Into::into).collect();
    Ok(Json(ShinemonitorAccountList { items }))
}

/// Makes an account. Administrators only.
#[utoipa::path(post, path = "/shinemonitor/accounts", operation_id = "create_shinemonitor_account", tag = "shinemonitor",
    request_body = ShinemonitorAccountBody, responses(
    (status = 201, body = ShinemonitorAccount),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The name or the e-mail address is taken."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn create(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    JsonBody(mut body): JsonBody<ShinemonitorAccountBody>,
) -> Result<(StatusCode, Json<ShinemonitorAccount>), ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let password = body.password.take();
    let password = password.ok_or_else(|| ApiError::invalid("password", "absent", "a password"))?;
    let wanted = body.over(Account::new(""))?;
    check_sites(&state, &wanted)?;
    let by = By::new(&caller, DOOR);
    let password = hashed(&password)?;
    let made = state.gate.create_account(&by, &DIALECT, wanted, &password);
    let number = made.await?;
    Ok((StatusCode::CREATED, Json(shown(&state, number)?)))
}

/// Puts what is said of an account in place of what was known. Who is disabled is out at once. Administrators only.
#[utoipa::path(put, path = "/shinemonitor/accounts/{number}", operation_id = "change_shinemonitor_account", tag = "shinemonitor",
    params(("number" = String, Path)), request_body = ShinemonitorAccountBody, responses(
    (status = 200, body = ShinemonitorAccount),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The name or the e-mail address is taken."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn change(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(number): Path<String>,
    JsonBody(mut body): JsonBody<ShinemonitorAccountBody>,
) -> Result<Json<ShinemonitorAccount>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let password = body.password.take();
    let password = password.as_deref().map(hashed).transpose()?;
    let known = known(&state, &number)?;
    let number = known.number;
    let wanted = body.over(known)?;
    check_sites(&state, &wanted)?;
    let (gate, by) = (&state.gate, By::new(&caller, DOOR));
    gate.change_account(&by, &DIALECT, wanted).await?;
    if let Some(password) = password {
        gate.set_account_password(&by, &DIALECT, number, &password, None)
            .await?;
    }
    Ok(Json(shown(&state, number)?))
}

/// Deletes an account with its password and its sessions. Administrators only.
#[utoipa::path(delete, path = "/shinemonitor/accounts/{number}", operation_id = "delete_shinemonitor_account", tag = "shinemonitor",
    params(("number" = String, Path)), responses(
    (status = 204, description = "Deleted."),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn delete(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(number): Path<String>,
) -> Result<StatusCode, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let known = known(&state, &number)?;
    let by = By::new(&caller, DOOR);
    state.gate.delete_account(&by, &DIALECT, known.number).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a one-time code for the number of a data logger: who has both makes an account of their own, where
/// registration is switched on. An earlier code of the number is void. Administrators only.
#[utoipa::path(post, path = "/shinemonitor/codes", operation_id = "create_shinemonitor_code", tag = "shinemonitor",
    request_body = ShinemonitorCodeBody, responses(
    (status = 201, body = ShinemonitorCode),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn create_code(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    JsonBody(body): JsonBody<ShinemonitorCodeBody>,
) -> Result<(StatusCode, Json<ShinemonitorCode>), ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let thing = Thing::Site(readable(&state, &caller, &body.site)?);
    let by = By::new(&caller, DOOR);
    let expires = state.clock.now().wall + CODE_LASTS;
    let code = state
        .gate
        .make_code(&by, &DIALECT, &body.pn, &thing, CODE_LASTS)
        .await?;
    let code = ShinemonitorCode {
        code: code.expose().to_owned(),
        expires_ms: expires.0,
    };
    Ok((StatusCode::CREATED, Json(code)))
}

fn known(state: &State, number: &str) -> Result<Account, ApiError> {
    let account = number
        .parse()
        .ok()
        .and_then(|number| state.gate.account(&DIALECT, number));
    account.ok_or_else(|| ApiError::unknown("account", number))
}

fn shown(state: &State, number: u32) -> Result<ShinemonitorAccount, ApiError> {
    known(state, &number.to_string()).map(|account| ShinemonitorAccount::from(&account))
}

/// What clients sign with, in place of the password.
fn hashed(password: &str) -> Result<Secret, ApiError> {
    if (1..=128).contains(&password.len()) {
        return Ok(Secret::new(PasswordHash::of_password(password).expose()));
    }
    let given = format!("{} bytes long", password.len());
    Err(ApiError::invalid("password", given, "1 to 128 bytes"))
}

fn check_sites(state: &State, account: &Account) -> Result<(), ApiError> {
    let is_known = |site: &SiteId| state.settings.sites.iter().any(|known| known.id == *site);
    match account.sites.keys().find(|site| !is_known(site)) {
        Some(site) => Err(ApiError::unknown("site", site.as_str())),
        None => Ok(()),
    }
}
