//! Settings of the installation: what the config file says, and what was chosen here.

mod goe;
mod lists;
mod mail;
mod panels;

use axum::extract::State as Shared;
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::settings::{Chosen, ChosenSite, Nightly, Retention, Settings};
use model::site::Site;
use store::Typed;

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::nouns::stored;
use super::wire::settings::{
    BackupSettings, HistorySettings, OutboundSettings, SettingsChange, SettingsView, SiteSettings,
};
use crate::State;

/// Shows the settings, without secrets. What the config file says is marked.
#[utoipa::path(get, path = "/settings", operation_id = "show_settings", tag = "settings", responses(
    (status = 200, body = SettingsView),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Json<SettingsView>, ApiError> {
    allow(&caller, &Action::SeeSettings, &Subject::Installation)?;
    let chosen = chosen(&state).await?;
    Ok(Json(view(&state, &chosen).await?))
}

/// Changes settings: all that is asked for, or nothing. What the config file says cannot be changed here.
#[utoipa::path(patch, path = "/settings", operation_id = "change_settings", tag = "settings",
    request_body = SettingsChange, responses(
    (status = 200, body = SettingsView, description = "`after_restart` names what takes effect later."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer, description = "There is no such site."),
    (status = 409, body = ErrorAnswer, description = "The config file says it."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn change(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    JsonBody(wanted): JsonBody<SettingsChange>,
) -> Result<Json<SettingsView>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let _changing = state.changing.lock().await;
    let before = chosen(&state).await?;
    let mut after = before.clone();
    // All is checked before anything is kept.
    let retention = history(&state.settings, &wanted)?;
    backup(&state.settings, &wanted, &mut after)?;
    let password = mail::change(&state.settings, &wanted, &before, &mut after)?;
    lists::outbound(&state.settings, &wanted, &mut after)?;
    goe::change(&state.settings, &wanted, &mut after)?;
    sites(&state.settings, &wanted, &mut after)?;
    if let Some(retention) = &retention {
        stored(&state, &caller, retention).await?;
    }
    password.keep(&state).await?;
    if after != before || wanted.mail.is_some() {
        stored(&state, &caller, &after).await?;
    }
    Ok(Json(view(&state, &after).await?))
}

async fn chosen(state: &State) -> Result<Chosen, ApiError> {
    Ok(state.store.get::<Chosen>(Chosen::ID).await?.unwrap_or_default())
}

fn from_file(what: &str) -> ApiError {
    ApiError::from_file("setting", what)
}

fn history(settings: &Settings, wanted: &SettingsChange) -> Result<Option<Retention>, ApiError> {
    let Some(wanted) = &wanted.history else {
        return Ok(None);
    };
    if settings.history.is_some() {
        return Err(from_file("history"));
    }
    let retention = Retention {
        raw_days: wanted.raw_days,
        minute_days: wanted.minute_days,
    };
    match retention.problem() {
        Some((key, given, expected)) => Err(ApiError::invalid(&format!("history.{key}"), given, expected)),
        None => Ok(Some(retention)),
    }
}

fn backup(settings: &Settings, wanted: &SettingsChange, after: &mut Chosen) -> Result<(), ApiError> {
    let Some(wanted) = &wanted.backup else {
        return Ok(());
    };
    if settings.given.says("backup") {
        return Err(from_file("backup"));
    }
    if wanted.keep > 1_000 {
        return Err(ApiError::invalid("backup.keep", wanted.keep, "0 to 1000"));
    }
    if wanted.at_minute >= 1_440 {
        return Err(ApiError::invalid(
            "backup.at_minute",
            wanted.at_minute,
            "0 to 1439",
        ));
    }
    after.backup = Some(Nightly {
        keep: wanted.keep,
        at_minute: wanted.at_minute,
    });
    Ok(())
}

fn sites(settings: &Settings, wanted: &SettingsChange, after: &mut Chosen) -> Result<(), ApiError> {
    for (id, wanted) in &wanted.sites {
        let site = settings.sites.iter().find(|site| site.id.as_str() == id);
        let site = site.ok_or_else(|| ApiError::unknown("site", id))?;
        let chosen: &mut ChosenSite = after.sites.entry(site.id.clone()).or_default();
        if let Some(name) = &wanted.name {
            let place = Site::name_place(&site.id);
            if settings.given.says(&place) {
                return Err(from_file(&place));
            }
            if !(1..=80).contains(&name.trim().chars().count()) || name.chars().any(char::is_control) {
                return Err(ApiError::invalid(&place, name, "1 to 80 characters"));
            }
            chosen.name = Some(name.trim().to_owned());
        }
        if let Some(zone) = &wanted.time_zone {
            let place = Site::time_zone_place(&site.id);
            if settings.given.says(&place) {
                return Err(from_file(&place));
            }
            if !model::time::is_time_zone(zone) {
                return Err(ApiError::invalid(
                    &place,
                    zone,
                    "an IANA name such as Europe/Vienna",
                ));
            }
            chosen.time_zone = Some(zone.clone());
        }
        panels::change(site, &settings.given, wanted, chosen)?;
    }
    Ok(())
}

/// As it will be after a restart; what is not so yet is named.
async fn view(state: &State, chosen: &Chosen) -> Result<SettingsView, ApiError> {
    let running = &*state.settings;
    let given = &running.given;
    let mut settings = running.clone();
    if !given.says("mail") {
        settings.mail = None;
    }
    chosen.over(&mut settings);
    let retention = store::retention(&*state.store, settings.history).await?;
    let mut after_restart = Vec::from_iter(goe::after_restart(&settings, running));
    for (site, before) in settings.sites.iter().zip(&running.sites) {
        let mut note = |is_new: bool, what| {
            if is_new {
                after_restart.push(format!("sites.{}.{what}", site.id));
            }
        };
        note(site.name != before.name, "name");
        note(site.time_zone != before.time_zone, "time_zone");
        after_restart.extend(panels::after_restart(site, before));
    }
    let mail = mail::view(state, settings.mail.as_ref()).await?;
    let goe = goe::view(&settings);
    let sites = settings.sites.iter().map(|site| SiteSettings {
        id: site.id.to_string(),
        name: site.name.clone(),
        name_from_file: given.says(&Site::name_place(&site.id)),
        time_zone: site.time_zone.clone(),
        time_zone_from_file: given.says(&Site::time_zone_place(&site.id)),
        inverters: panels::view(site, given),
    });
    Ok(SettingsView {
        history: HistorySettings {
            raw_days: retention.raw_days,
            minute_days: retention.minute_days,
            from_file: running.history.is_some(),
        },
        backup: BackupSettings {
            keep: settings.backup.keep,
            at_minute: settings.backup.at_minute,
            from_file: given.says("backup"),
        },
        mail,
        sites: sites.collect(),
        outbound: OutboundSettings {
            allow: settings.outbound.allow,
            from_file: given.says("outbound"),
        },
        goe,
        after_restart,
    })
}
