//! From a TOML file to typed settings.
//!
//! A file is checked as a whole: every problem is reported with its line, what was found and what was
//! expected, and nothing starts before all of them are mended.

mod charger;
mod gateway;
mod problems;
mod section;
mod site;
mod tariff;
mod vehicle;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use links::mail::is_mailbox;
use links::outbound_guard::Guard;
use model::id::EvseId;
use model::settings::{
    BackupSettings, ControlSettings, Given, GoeCharger, GoeSettings, MailSettings, MailTls, OutboundSettings,
    PersonalData, Retention, SetStatus, Settings, TlsSettings,
};
use model::time::Millis;
use north::networks::is_network;
use toml::de::DeTable;

pub use problems::Problem;
use problems::Problems;
use section::Section;

/// What the file says.
#[derive(Debug)]
pub struct Config {
    pub settings: Settings,
    pub data: Option<PathBuf>,
    /// The database that holds records and readings; `None`: files in the data directory.
    pub store: Option<DatabaseUrl>,
    /// Tokens given in the file, by serial number.
    pub goe_tokens: Vec<(String, GoeToken)>,
    /// Files with the secrets of vehicles' sources.
    pub vehicle_secrets: Vec<(model::id::VehicleId, PathBuf)>,
}

/// Whoever knows it may use the charger; so it is never shown.
pub struct GoeToken(pub String);

impl std::fmt::Debug for GoeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GoeToken(..)")
    }
}

/// Where a database is, and often a password; so it is never shown.
pub struct DatabaseUrl(pub String);

impl DatabaseUrl {
    fn is_likely(&self) -> bool {
        ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| self.0.starts_with(scheme))
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} has {} problem{}:\n{}", .problems.len(), if .problems.len() == 1 { "" } else { "s" }, list(.problems))]
    Wrong { path: PathBuf, problems: Vec<Problem> },
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("  {problem}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Reads and checks a file.
///
/// # Errors
/// With all of its problems.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(&text).map_err(|problems| ConfigError::Wrong {
        path: path.to_owned(),
        problems,
    })
}

/// Checks the text of a file.
///
/// # Errors
/// With all of its problems, in the order of the file.
pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    let problems = Problems::of(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        problems.add(error.span().map_or(0, |span| span.start), error.message());
    }
    let config = read(&Section::new("the file", &document, &problems));
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        Some(_) | None => Err(problems.into_sorted()),
    }
}

fn read(root: &Section<'_, '_>) -> Option<Config> {
    let listen = root
        .parsed(
            "listen",
            "an address and a port, for example \"127.0.0.1:8080\"",
            |text| text.parse().ok(),
        )
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
    let data = root.text("data").map(PathBuf::from);
    let store = root.text("store").map(DatabaseUrl);
    if store.as_ref().is_some_and(|url| !url.is_likely()) {
        // The text is not repeated: it may hold a password.
        let expected = "postgres://user:password@host:port/name";
        root.problem(
            "store",
            format!("store is no address of a database, expected \"{expected}\""),
        );
    }
    let tls = root.table("tls").map_or_else(TlsSettings::default, read_tls);
    let host_names = root.texts("host_names");
    let control = root
        .table("control")
        .map_or_else(ControlSettings::default, read_control);
    let goe_section = root.table("goe");
    let local_open = goe_section.as_ref().is_some_and(|goe| goe.has("local_open"));
    let goe_enabled = goe_section.as_ref().map(chargers_switched).unwrap_or_default();
    let (goe, goe_tokens) = goe_section.map_or_else(Default::default, read_goe);
    let history = root.table("history").map(read_history);
    let personal_data = root
        .table("personal_data")
        .map_or_else(PersonalData::default, read_personal_data);
    let outbound = root
        .table("outbound")
        .map_or_else(Default::default, read_outbound);
    let mail = root.table("mail").and_then(read_mail);
    let gateways = gateway::read_all(root);
    let sites = site::read_all(root, &gateways);
    gateway::check(root, &sites);
    check_chargers(root, &goe, &sites);
    let backup = root
        .table("backup")
        .map_or_else(BackupSettings::default, read_backup);
    let price_providers = tariff::read_providers(root);
    let tariffs = tariff::read_all(root, &sites, &price_providers);
    let (vehicles, vehicle_secrets) = vehicle::read_all(root, &sites);
    // Every key has been asked for by now.
    root.finish_ref();
    Some(Config {
        settings: Settings {
            listen,
            tls,
            host_names,
            control,
            goe,
            backup,
            tariffs,
            vehicles,
            price_providers,
            gateways,
            history,
            personal_data,
            outbound,
            mail,
            given: Given {
                backup: root.has("backup"),
                mail: root.has("mail"),
                outbound: root.has("outbound"),
                local_open,
                names: site::those_with(root, "name"),
                time_zones: site::those_with(root, "time_zone"),
                goe_enabled,
            },
            sites,
        },
        data,
        store,
        goe_tokens,
        vehicle_secrets,
    })
}

fn read_tls(section: Section<'_, '_>) -> TlsSettings {
    let settings = TlsSettings {
        listen: section.parsed(
            "listen",
            "an address and a port, for example \"0.0.0.0:8443\"",
            |text| text.parse().ok(),
        ),
        certificate: section.text("certificate").map(PathBuf::from),
        key: section.text("key").map(PathBuf::from),
        insecure_sign_in: section.boolean("insecure_sign_in", false),
    };
    match (&settings.certificate, &settings.key) {
        (Some(_), None) => section.missing("key", "the PEM file of the certificate's key"),
        (None, Some(_)) => section.missing("certificate", "the PEM file of the key's certificate"),
        (Some(_), Some(_)) | (None, None) => {}
    }
    section.finish();
    settings
}

fn read_control(section: Section<'_, '_>) -> ControlSettings {
    let default = ControlSettings::default();
    let seconds = |key, range: std::ops::RangeInclusive<i64>, default: Millis| {
        let range_ms = range.start() * 1_000..=range.end() * 1_000;
        let expected = format!("{} to {} seconds", range.start(), range.end());
        section
            .scaled(key, 3, range_ms, &expected)
            .map_or(default, Millis)
    };
    let settings = ControlSettings {
        period: seconds("period_s", 1..=10, default.period),
        start_delay_solar: seconds("start_delay_solar_s", 0..=3_600, default.start_delay_solar),
        start_delay_grid: seconds("start_delay_grid_s", 0..=3_600, default.start_delay_grid),
        stop_delay: seconds("stop_delay_s", 0..=3_600, default.stop_delay),
        min_on: seconds("min_on_s", 0..=3_600, default.min_on),
        min_off: seconds("min_off_s", 0..=3_600, default.min_off),
        rise_window: seconds("rise_window_s", 5..=600, default.rise_window),
        ack_timeout: seconds("ack_timeout_s", 2..=120, default.ack_timeout),
        station_timeout: seconds("station_timeout_s", 5..=600, default.station_timeout),
    };
    section.finish();
    settings
}

fn read_backup(section: Section<'_, '_>) -> BackupSettings {
    let default = BackupSettings::default();
    let keep = section
        .scaled("keep", 0, 0..=1_000, "0 (no nightly backup) to 1000")
        .and_then(|keep| u16::try_from(keep).ok());
    let settings = BackupSettings {
        keep: keep.unwrap_or(default.keep),
        at_minute: section
            .parsed("at", "a local time, for example \"03:00\"", section::minute)
            .filter(|minute| *minute < 1_440)
            .unwrap_or(default.at_minute),
        directory: section.text("directory"),
    };
    section.finish();
    settings
}

fn read_history(section: Section<'_, '_>) -> Retention {
    let default = Retention::default();
    let days = |key, default| {
        let range = i64::from(*Retention::DAYS.start())..=i64::from(*Retention::DAYS.end());
        let expected = format!("{} to {} days", range.start(), range.end());
        let days = section.scaled(key, 0, range, &expected);
        days.and_then(|days| u32::try_from(days).ok()).unwrap_or(default)
    };
    let raw_days = days("raw_days", default.raw_days);
    let minute_days = days("minute_days", default.minute_days.max(raw_days));
    let retention = Retention {
        raw_days,
        minute_days,
    };
    // A number that cannot be read at all has been said already.
    if let Some((key, given, expected)) = retention.problem() {
        section.problem(key, format!("{key} is {given}, expected {expected}"));
    }
    section.finish();
    retention
}

fn read_personal_data(section: Section<'_, '_>) -> PersonalData {
    let days = |key| {
        let most = i64::from(*Retention::DAYS.end());
        let expected = format!("1 to {most} days, or nothing for ever");
        let days = section.scaled(key, 0, 1..=most, &expected);
        days.and_then(|days| u32::try_from(days).ok())
    };
    let settings = PersonalData {
        session_days: days("session_days"),
        audit_days: days("audit_days"),
    };
    section.finish();
    settings
}

/// EVSEs of which the file says whether their cloud form answers.
fn chargers_switched(goe: &Section<'_, '_>) -> BTreeSet<EvseId> {
    let chargers = goe.tables("charger").into_iter();
    let switched = chargers.filter(|charger| charger.has("enabled"));
    switched
        .filter_map(|charger| charger.text("evse")?.parse().ok())
        .collect()
}

fn read_goe(section: Section<'_, '_>) -> (GoeSettings, Vec<(String, GoeToken)>) {
    let default = GoeSettings::default();
    let offline_after = section
        .scaled("offline_after_h", 2, 1..=876_000, "hours, 0.01 to 8760")
        .map_or(default.offline_after, |hundredths| Millis(hundredths * 36_000));
    let set_status = match section.scaled("set_status", 0, 200..=202, "202, or 200") {
        Some(200) => SetStatus::Ok,
        Some(201) => {
            section.problem("set_status", "set_status is 201, expected 202, or 200".to_owned());
            SetStatus::Accepted
        }
        _ => SetStatus::Accepted,
    };
    let mut tokens = Vec::new();
    let mut chargers = Vec::new();
    for charger in section.tables("charger") {
        let serial = charger.required_text("serial", "six digits, leading zeros kept");
        let serial = serial.filter(|serial| {
            let fits = serial.len() == 6 && serial.bytes().all(|b| b.is_ascii_digit());
            if !fits {
                charger.problem(
                    "serial",
                    format!("serial is \"{serial}\", expected six digits in quotes"),
                );
            }
            fits
        });
        let evse = site::required_id(&charger, "evse", "the id of an EVSE");
        let token = charger.text("token");
        if let Some(token) = token.as_ref().filter(|token| token.len() < 8) {
            charger.problem(
                "token",
                format!("token has {} characters, expected at least 8", token.len()),
            );
        }
        let enabled = charger.boolean("enabled", true);
        if let (Some(serial), Some(evse)) = (serial, evse) {
            if let Some(token) = token {
                tokens.push((serial.clone(), GoeToken(token)));
            }
            chargers.push(GoeCharger {
                evse,
                serial,
                enabled,
            });
        }
        charger.finish();
    }
    let settings = GoeSettings {
        offline_after,
        set_status,
        local_open: section.texts("local_open"),
        chargers,
    };
    for network in &settings.local_open {
        if !is_network(network) {
            section.problem(
                "local_open",
                format!("\"{network}\" in local_open is no network, expected for example \"192.168.1.0/24\""),
            );
        }
    }
    section.finish();
    (settings, tokens)
}

fn read_outbound(section: Section<'_, '_>) -> OutboundSettings {
    let allow = section.texts("allow");
    for entry in &allow {
        if let Err(error) = Guard::new(&[entry]) {
            section.problem("allow", format!("{error} in allow"));
        }
    }
    section.finish();
    OutboundSettings { allow }
}

fn read_mail(section: Section<'_, '_>) -> Option<MailSettings> {
    let host = section.required_text("host", "the name of a mail relay");
    let tls = section
        .parsed("tls", "\"starttls\", \"tls\" or \"none\"", |text| match text {
            "starttls" => Some(MailTls::StartTls),
            "tls" => Some(MailTls::Tls),
            "none" => Some(MailTls::None),
            _ => None,
        })
        .unwrap_or(MailTls::StartTls);
    let port = section.scaled("port", 0, 1..=65_535, "a port, 1 to 65535");
    let port = port
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or(tls.usual_port());
    let user = section.text("user");
    let password_file = section.text("password_file").map(PathBuf::from);
    if user.is_some() != password_file.is_some() {
        section.problem("user", "user and password_file are given together or not at all");
    }
    let from = section.required_text("from", "a mailbox, for example \"Ohmstead <hub@example.org>\"");
    let from = from.filter(|from| {
        let fits = is_mailbox(from);
        if !fits {
            section.problem("from", format!("from is \"{from}\", expected a mailbox"));
        }
        fits
    });
    let mail = MailSettings {
        host: host.unwrap_or_default(),
        port,
        tls,
        user,
        password_file,
        from: from.unwrap_or_default(),
    };
    if mail.shows_password() {
        section.problem(
            "tls",
            "tls is \"none\", so the password would travel in clear; expected \"starttls\" or \"tls\"",
        );
    }
    section.finish();
    Some(mail)
}

fn check_chargers(root: &Section<'_, '_>, goe: &GoeSettings, sites: &[model::site::Site]) {
    let known: Vec<&str> = sites
        .iter()
        .flat_map(|s| s.evses())
        .map(|(_, e)| e.id.as_str())
        .collect();
    let mut serials = BTreeSet::new();
    for charger in &goe.chargers {
        if !known.contains(&charger.evse.as_str()) {
            let hint = section::nearest(charger.evse.as_str(), &known)
                .map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
            root.problem(
                "goe",
                format!(
                    "go-e charger {} names EVSE `{}`, which no device has{hint}",
                    charger.serial, charger.evse
                ),
            );
        }
        if !serials.insert(&charger.serial) {
            root.problem("goe", format!("go-e serial {} is given twice", charger.serial));
        }
    }
}

#[cfg(test)]
mod tests;
