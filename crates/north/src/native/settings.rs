//! Settings of the installation: what the config file says, and what was chosen here.

use axum::extract::State as Shared;
use axum::{Extension, Json};
use gate::{Action, Gate, Principal, Subject};
use links::mail::is_mailbox;
use links::outbound_guard::Guard;
use model::settings::{
    Chosen, ChosenSite, MailSettings as Mail, Nightly, OutboundSettings as Outbound, Retention, Settings,
};
use store::Typed;

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::nouns::stored;
use super::wire::settings::{
    BackupSettings, GoeSettings, HistorySettings, MailChange, MailSettings, OutboundSettings, SettingsChange,
    SettingsView, SiteSettings,
};
use crate::{State, networks};

/// Entries of a list of networks.
const MOST: usize = 256;

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
    let password = mail(&state.settings, &wanted, &before, &mut after)?;
    lists(&state.settings, &wanted, &mut after)?;
    sites(&state.settings, &wanted, &mut after)?;
    if let Some(retention) = &retention {
        stored(&state, &caller, retention).await?;
    }
    match password {
        Password::Stays => {}
        Password::Forgotten => keep_password(&state, None).await?,
        Password::New(text) => keep_password(&state, Some(&text)).await?,
    }
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
    if settings.given.backup {
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

/// What becomes of the password of the relay.
enum Password {
    Stays,
    Forgotten,
    New(String),
}

fn mail(
    settings: &Settings,
    wanted: &SettingsChange,
    before: &Chosen,
    after: &mut Chosen,
) -> Result<Password, ApiError> {
    let Some(wanted) = &wanted.mail else {
        return Ok(Password::Stays);
    };
    if settings.given.mail {
        return Err(from_file("mail"));
    }
    let Some(wanted) = wanted else {
        after.mail = None;
        return Ok(Password::Forgotten);
    };
    let mail = read_mail(wanted)?;
    // A password never goes to a relay it was not given for.
    let is_same = before.mail.as_ref().is_some_and(|before| {
        (&before.host, before.port, before.tls, &before.user) == (&mail.host, mail.port, mail.tls, &mail.user)
    });
    let password = match (&wanted.password, &mail.user) {
        (Some(text), Some(_)) => Password::New(text.clone()),
        (Some(_), None) => {
            return Err(ApiError::invalid(
                "mail.password",
                "…",
                "a user that it belongs to",
            ));
        }
        (None, Some(_)) if is_same => Password::Stays,
        (None, Some(_)) => {
            return Err(ApiError::invalid(
                "mail.password",
                "nothing",
                "the password of the user",
            ));
        }
        (None, None) => Password::Forgotten,
    };
    after.mail = Some(mail);
    Ok(password)
}

fn read_mail(wanted: &MailChange) -> Result<Mail, ApiError> {
    let tls = wanted.tls.into();
    let mail = Mail {
        host: wanted.host.trim().to_owned(),
        port: wanted
            .port
            .unwrap_or_else(|| model::settings::MailTls::usual_port(tls)),
        tls,
        user: wanted.user.clone(),
        password_file: None,
        from: wanted.from.clone(),
    };
    let is_host = (1..=253).contains(&mail.host.len())
        && mail
            .host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
    if !is_host {
        return Err(ApiError::invalid(
            "mail.host",
            &mail.host,
            "the name of a mail relay",
        ));
    }
    if mail.port == 0 {
        return Err(ApiError::invalid("mail.port", 0, "1 to 65535"));
    }
    if mail
        .user
        .as_deref()
        .is_some_and(|user| !Gate::can_be_sealed(user))
    {
        return Err(ApiError::invalid("mail.user", "…", "one line, or null"));
    }
    if wanted
        .password
        .as_deref()
        .is_some_and(|text| !Gate::can_be_sealed(text))
    {
        return Err(ApiError::invalid("mail.password", "…", "one line"));
    }
    if !is_mailbox(&mail.from) {
        return Err(ApiError::invalid(
            "mail.from",
            &mail.from,
            "a mailbox, for example Ohmstead <hub@example.org>",
        ));
    }
    if mail.shows_password() {
        return Err(ApiError::invalid(
            "mail.tls",
            "none",
            "starttls or tls: the password would travel in clear",
        ));
    }
    Ok(mail)
}

fn lists(settings: &Settings, wanted: &SettingsChange, after: &mut Chosen) -> Result<(), ApiError> {
    if let Some(outbound) = &wanted.outbound {
        if settings.given.outbound {
            return Err(from_file("outbound"));
        }
        few("outbound.allow", &outbound.allow)?;
        if let Err(error) = Guard::new(&outbound.allow) {
            let expected = "networks (192.168.1.0/24) and host names";
            return Err(ApiError::invalid("outbound.allow", error.entry, expected));
        }
        after.outbound = Some(Outbound {
            allow: outbound.allow.clone(),
        });
    }
    if let Some(goe) = &wanted.goe {
        if settings.given.local_open {
            return Err(from_file("goe.local_open"));
        }
        few("goe.local_open", &goe.local_open)?;
        if let Some(wrong) = goe.local_open.iter().find(|text| !networks::is_network(text)) {
            let expected = "networks such as 192.168.1.0/24";
            return Err(ApiError::invalid("goe.local_open", wrong, expected));
        }
        after.local_open = Some(goe.local_open.clone());
    }
    Ok(())
}

fn few(place: &str, entries: &[String]) -> Result<(), ApiError> {
    if entries.len() > MOST {
        let expected = format!("at most {MOST} entries");
        return Err(ApiError::invalid(
            place,
            format!("{} entries", entries.len()),
            expected,
        ));
    }
    Ok(())
}

fn sites(settings: &Settings, wanted: &SettingsChange, after: &mut Chosen) -> Result<(), ApiError> {
    for (id, wanted) in &wanted.sites {
        let site = settings.sites.iter().find(|site| site.id.as_str() == id);
        let site = site.ok_or_else(|| ApiError::unknown("site", id))?;
        let chosen: &mut ChosenSite = after.sites.entry(site.id.clone()).or_default();
        if let Some(name) = &wanted.name {
            let place = format!("sites.{id}.name");
            if settings.given.names.contains(&site.id) {
                return Err(from_file(&place));
            }
            if !(1..=80).contains(&name.trim().chars().count()) || name.chars().any(char::is_control) {
                return Err(ApiError::invalid(&place, name, "1 to 80 characters"));
            }
            chosen.name = Some(name.trim().to_owned());
        }
        if let Some(zone) = &wanted.time_zone {
            let place = format!("sites.{id}.time_zone");
            if settings.given.time_zones.contains(&site.id) {
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
    }
    Ok(())
}

async fn keep_password(state: &State, password: Option<&str>) -> Result<(), ApiError> {
    state.gate.set_mail_password(password).await.map_err(|error| {
        tracing::error!(%error, "cannot keep the password of the mail relay");
        ApiError::new(
            http::StatusCode::SERVICE_UNAVAILABLE,
            "store",
            "the password cannot be kept; see the log",
        )
    })
}

/// As it will be after a restart; what is not so yet is named.
async fn view(state: &State, chosen: &Chosen) -> Result<SettingsView, ApiError> {
    let running = &*state.settings;
    let given = &running.given;
    let mut settings = running.clone();
    if !given.mail {
        settings.mail = None;
    }
    chosen.over(&mut settings);
    let retention = store::retention(&*state.store, settings.history).await?;
    let mut after_restart = Vec::new();
    if settings.goe.local_open != running.goe.local_open {
        after_restart.push("goe.local_open".to_owned());
    }
    for (site, before) in settings.sites.iter().zip(&running.sites) {
        let mut note = |is_new: bool, what| {
            if is_new {
                after_restart.push(format!("sites.{}.{what}", site.id));
            }
        };
        note(site.name != before.name, "name");
        note(site.time_zone != before.time_zone, "time_zone");
    }
    let mail = match settings.mail {
        Some(mail) => Some(MailSettings {
            has_password: mail.user.is_some()
                && (mail.password_file.is_some() || state.gate.has_mail_password().await?),
            host: mail.host,
            port: mail.port,
            tls: mail.tls.into(),
            user: mail.user,
            from: mail.from,
            from_file: given.mail,
        }),
        None => None,
    };
    let sites = settings.sites.iter().map(|site| SiteSettings {
        id: site.id.to_string(),
        name: site.name.clone(),
        name_from_file: given.names.contains(&site.id),
        time_zone: site.time_zone.clone(),
        time_zone_from_file: given.time_zones.contains(&site.id),
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
            from_file: given.backup,
        },
        mail,
        sites: sites.collect(),
        outbound: OutboundSettings {
            allow: settings.outbound.allow,
            from_file: given.outbound,
        },
        goe: GoeSettings {
            local_open: settings.goe.local_open,
            from_file: given.local_open,
        },
        after_restart,
    })
}
