//! `ohmstead doctor`: what is wrong with this installation, and what to do.

mod keeping;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use jiff::tz::TimeZone;
use model::device::LinkSettings;
use model::endpoint::Endpoint;
use model::id::DeviceId;
use model::settings::Settings;
use model::tariff::{Named, Tariff, problems};
use model::time::{Clock, Timestamp};
use store::backup::{inspect, read_nouns};

use super::print;
use crate::clock::RealClock;
use crate::config::{self, DatabaseUrl};

/// Nothing of ours is older; a clock that shows less has not been set.
const FIRST_DAY: i64 = 1_767_225_600_000;
const LAST_DAY: i64 = 4_102_444_800_000;
const DAY: i64 = 86_400_000;
/// Tariffs that end within it are mentioned.
const SOON: i64 = 30 * DAY;
#[cfg(feature = "postgres")]
const MEGABYTE: i64 = 1_000_000;
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What was looked at and how it is.
#[derive(Debug, Default)]
struct Findings {
    lines: Vec<String>,
    wrong: usize,
}

impl Findings {
    fn good(&mut self, text: impl Into<String>) {
        self.lines.push(format!("  good   {}", text.into()));
    }

    /// Worth knowing, and nothing wrong yet.
    fn note(&mut self, text: impl Into<String>) {
        self.lines.push(format!("  note   {}", text.into()));
    }

    fn wrong(&mut self, text: impl Into<String>) {
        self.wrong += 1;
        self.lines.push(format!("  WRONG  {}", text.into()));
    }
}

pub async fn run(file: Option<&Path>, data: Option<PathBuf>) -> anyhow::Result<()> {
    let mut found = Findings::default();
    let now = RealClock::start().now().wall;
    clock(now, &mut found);
    let config = match file.map(config::load) {
        Some(Ok(config)) => {
            found.good("the config file is right");
            Some(config)
        }
        Some(Err(error)) => {
            found.wrong(error.to_string());
            None
        }
        None => None,
    };
    let data = data.or_else(|| config.as_ref().and_then(|config| config.data.clone()));
    let in_files = config.as_ref().is_none_or(|config| config.store.is_none());
    let mut is_running = false;
    let mut tariffs = Vec::new();
    match &data {
        Some(data) if data.is_dir() => {
            is_running = directory(data, &mut found);
            if in_files {
                databases(data, &mut found);
                keeping::time_goes_on(data, now, &mut found);
                keeping::room(data, &mut found);
                // A database that cannot be read has been named already.
                tariffs = read_nouns::<Tariff>(data).unwrap_or_default();
            }
        }
        Some(data) => found.wrong(format!(
            "there is no data directory {}; check --data, or start once with `ohmstead serve`",
            data.display()
        )),
        None => found.note("no data directory was given with --data or --config, so none was looked at"),
    }
    if let Some(url) = config.as_ref().and_then(|config| config.store.as_ref()) {
        let (of_store, is_in_use) = server(url, &mut found);
        tariffs = of_store;
        is_running |= is_in_use;
    }
    if let Some(config) = &config {
        let of_file = &config.settings.tariffs;
        tariffs.retain(|tariff| !of_file.iter().any(|other| other.id == tariff.id));
        tariffs.extend(of_file.iter().cloned());
        contracts(&config.settings, &tariffs, now, &mut found);
        if let Some(data) = &data {
            if in_files {
                keeping::backups(data, &config.settings.backup, now, &mut found);
            }
            keeping::certificate(data, &config.settings.tls, now, &mut found);
        }
        if is_running {
            found.good("the server runs, so its ports were not tried");
        } else {
            ports(&config.settings, &mut found).await;
        }
        devices(&config.settings, &mut found).await;
    }
    for line in &found.lines {
        print(line);
    }
    if found.wrong > 0 {
        bail!("{} thing(s) to put right", found.wrong);
    }
    Ok(())
}

fn clock(now: Timestamp, found: &mut Findings) {
    if (FIRST_DAY..LAST_DAY).contains(&now.0) {
        found.good(format!("the clock shows {now}"));
    } else {
        found.wrong(format!(
            "the clock shows {now}; set it, and switch on time synchronisation (timedatectl set-ntp true)"
        ));
    }
}

/// Whether another process has it open.
fn directory(data: &Path, found: &mut Findings) -> bool {
    for (path, most, what) in [
        (data.to_owned(), 0o700, "the data directory"),
        (data.join("key"), 0o600, "the installation key"),
    ] {
        match std::fs::metadata(&path) {
            Ok(about) if about.mode() & 0o777 & !most != 0 => found.wrong(format!(
                "{what} {} is open to others (mode {:o}); run: chmod {most:o} {}",
                path.display(),
                about.mode() & 0o777,
                path.display()
            )),
            Ok(_) => found.good(format!("{what} is private")),
            Err(error) => found.wrong(format!(
                "{what} {} cannot be looked at: {error}; restore it from a backup, or check who owns it",
                path.display()
            )),
        }
    }
    let files = std::fs::read_dir(data).into_iter().flatten().flatten();
    for file in files.filter(|file| file.file_name().to_string_lossy().starts_with("set-aside-")) {
        found.wrong(format!(
            "{} holds records that the store refused, sessions perhaps: start the server, which offers them to it again; each line says why",
            file.path().display()
        ));
    }
    let lock = std::fs::File::open(data.join("lock"));
    lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
}

fn databases(data: &Path, found: &mut Findings) {
    for database in inspect(data) {
        let file = database.file;
        match database.schema {
            _ if !database.problems.is_empty() => found.wrong(format!(
                "{file} is damaged: {}; restore a backup into another directory",
                database.problems.join(", ")
            )),
            None => found.wrong(format!(
                "{file} is not there; check --data, or restore a backup into another directory"
            )),
            Some(schema) if schema > database.known => found.wrong(format!(
                "{file} was written by a newer version (schema {schema}, this program knows {}); update the program",
                database.known
            )),
            Some(schema) if schema < database.known => found.note(format!(
                "{file} is of schema {schema}; the next start brings it to {}",
                database.known
            )),
            Some(schema) => found.good(format!("{file} is whole, schema {schema}")),
        }
    }
}

/// Looks at the database that the config file names, and gives back the tariffs in it, and whether a process
/// has it open.
#[cfg(feature = "postgres")]
fn server(DatabaseUrl(url): &DatabaseUrl, found: &mut Findings) -> (Vec<Tariff>, bool) {
    use store::server::{Inspected, inspect, read_nouns};
    let seen = match inspect(url) {
        Ok(seen) => seen,
        Err(error) => {
            found.wrong(format!(
                "{error}; check that the server runs, `store` in the config file and pg_hba.conf"
            ));
            return (Vec::new(), false);
        }
    };
    let Inspected { place, known, .. } = &seen;
    found.good(format!(
        "{place} answers: PostgreSQL {}{}, {} MB of records, {} MB of history",
        seen.server,
        if seen.is_encrypted { " over TLS" } else { "" },
        seen.records_bytes / MEGABYTE,
        seen.history_bytes / MEGABYTE
    ));
    match seen.schema {
        None => found.note("nothing of ours is in the database yet; the first start makes it"),
        Some(schema) if schema > *known => found.wrong(format!(
            "the database was written by a newer version (schema {schema}, this program knows {known}); update the program"
        )),
        Some(schema) if schema < *known => found.note(format!(
            "the database is of schema {schema}; the next start brings it to {known}"
        )),
        Some(schema) => found.good(format!("the database is of schema {schema}")),
    }
    if !seen.missing_rights.is_empty() {
        found.wrong(format!(
            "the user of `store` lacks {}, so no start can make or change tables; make that user the owner of the database",
            seen.missing_rights.join(" and ")
        ));
    }
    if seen.is_in_use {
        found.good("another process has the database open");
    }
    found.note("back the database up with pg_dump; the file `key` of the data directory is not in it, so keep a copy");
    // A database that cannot be read has been named already.
    (read_nouns(url).unwrap_or_default(), seen.is_in_use)
}

#[cfg(not(feature = "postgres"))]
fn server(_: &DatabaseUrl, found: &mut Findings) -> (Vec<Tariff>, bool) {
    found.wrong("this program was built without PostgreSQL; remove `store` from the config file");
    (Vec::new(), false)
}

fn contracts(settings: &Settings, tariffs: &[Tariff], now: Timestamp, found: &mut Findings) {
    let named = Named {
        sites: settings.sites.iter().map(|site| site.id.clone()).collect(),
        providers: settings.price_providers.iter().map(|p| p.id.clone()).collect(),
    };
    let wrong = problems(tariffs, &named);
    if wrong.is_empty() && !tariffs.is_empty() {
        found.good("tariffs do not overlap");
    }
    for problem in wrong {
        found.wrong(problem.text);
    }
    let zone = |tariff: &Tariff| {
        let site = settings
            .sites
            .iter()
            .find(|site| tariff.site.as_ref() == Some(&site.id));
        let site = site.or(settings.sites.first());
        site.and_then(|site| TimeZone::get(&site.time_zone).ok())
            .unwrap_or(TimeZone::UTC)
    };
    for tariff in tariffs {
        let zone = zone(tariff);
        if tariff.contract_at(&zone, now).is_none() {
            found.note(format!(
                "tariff `{}` has no contract in force today, so nothing is priced by it",
                tariff.id
            ));
        } else if tariff.contract_at(&zone, Timestamp(now.0 + SOON)).is_none() {
            found.note(format!(
                "tariff `{}` ends within 30 days; enter the next contract",
                tariff.id
            ));
        }
    }
}

async fn ports(settings: &Settings, found: &mut Findings) {
    let of_loggers = settings.loggers.listen.iter();
    let of_loggers = of_loggers.map(|address| (*address, "`listen` in [loggers]"));
    for (address, setting) in std::iter::once((settings.listen, "`listen`")).chain(of_loggers) {
        let error = match tokio::net::TcpListener::bind(address).await {
            Ok(_) => {
                found.good(format!("{address} is free"));
                continue;
            }
            Err(error) => error,
        };
        let advice = if error.kind() == std::io::ErrorKind::PermissionDenied {
            "give the program the right to open it (AmbientCapabilities=CAP_NET_BIND_SERVICE)"
        } else {
            "stop the program that uses it"
        };
        found.wrong(format!(
            "cannot listen on {address}: {error}; {advice}, or change {setting}"
        ));
    }
}

/// The files that a link needs.
fn link_files(device: &DeviceId, link: &LinkSettings, found: &mut Findings) {
    files("device", device.as_str(), &link.files(), found);
}

fn files(what: &str, id: &str, files: &[&Path], found: &mut Findings) {
    for file in files {
        if let Err(error) = std::fs::read_to_string(file) {
            found.wrong(format!(
                "{what} `{id}` needs {}, which cannot be read: {error}",
                file.display()
            ));
        }
    }
}

async fn devices(settings: &Settings, found: &mut Findings) {
    for gateway in &settings.gateways {
        files("gateway", gateway.id.as_str(), &gateway.link.files(), found);
        if let Some(endpoint) = gateway.link.endpoint() {
            reach("gateway", gateway.id.as_str(), &endpoint, found).await;
        }
    }
    let devices = settings.sites.iter().flat_map(|site| &site.devices);
    for device in devices {
        let Some(endpoint) = device.link.endpoint() else {
            continue;
        };
        link_files(&device.id, &device.link, found);
        reach("device", device.id.as_str(), &endpoint, found).await;
    }
}

async fn reach(what: &str, id: &str, endpoint: &Endpoint, found: &mut Findings) {
    let address = endpoint.socket();
    let connected = tokio::time::timeout(ANSWER_WITHIN, tokio::net::TcpStream::connect(&address)).await;
    let cause = match connected {
        Ok(Ok(_)) => {
            found.good(format!("{what} `{id}` answers at {address}"));
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", ANSWER_WITHIN.as_secs()),
    };
    found.wrong(format!(
            "{what} `{id}` cannot be reached at {address}: {cause}; check that it is on, in this network and has this address"
        ));
}

#[cfg(test)]
mod tests {
    use model::device::{GoeLink, GoeWay};

    use super::*;

    const BASE: &str = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n";

    fn settings(more: &str) -> Settings {
        let text = format!("{BASE}{more}");
        config::parse(&text)
            .unwrap_or_else(|problems| panic!("{problems:?}"))
            .settings
    }

    #[test]
    fn a_clock_that_was_never_set_is_wrong() {
        for (now, wrong) in [(0, 1), (FIRST_DAY, 0), (LAST_DAY, 1)] {
            let mut found = Findings::default();
            clock(Timestamp(now), &mut found);
            assert_eq!(found.wrong, wrong, "{now}");
        }
    }

    #[test]
    fn contracts_that_end_soon_or_overlap_are_named() {
        let tariff = |id: &str, until: &str| {
            format!(
                "[[tariff]]\nid = \"{id}\"\n[[tariff.contract]]\nname = \"C\"\nfrom = \"2026-01-01\"\nuntil = \"{until}\"\nprice = 0.2\n"
            )
        };
        let text =
            tariff("ended", "2026-01-31") + &tariff("ending", "2026-03-10") + &tariff("long", "2027-01-01");
        let settings = settings(&text);
        let mut tariffs = settings.tariffs.clone();
        // 2026-03-01 00:00 UTC
        let now = Timestamp(1_772_323_200_000);
        let mut found = Findings::default();
        contracts(&settings, &tariffs, now, &mut found);
        assert_eq!(found.wrong, 0, "{found:?}");
        let text = found.lines.join("\n");
        for expected in ["`ended` has no contract in force", "`ending` ends within 30 days"] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(!text.contains("`long`"), "{text}");
        for tariff in &mut tariffs {
            tariff.site = Some("home".parse().unwrap());
        }
        contracts(&settings, &tariffs, now, &mut found);
        assert!(
            found.wrong > 0 && found.lines.join("\n").contains("overlap"),
            "{found:?}"
        );
    }

    #[test]
    fn a_directory_that_others_may_read_is_wrong() {
        use std::os::unix::fs::PermissionsExt;
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("key"), [0; 32]).unwrap();
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap()
        };
        open(&data.path().join("key"), 0o644);
        open(data.path(), 0o755);
        let mut found = Findings::default();
        directory(data.path(), &mut found);
        assert_eq!(found.wrong, 2, "{found:?}");
        assert!(found.lines[1].contains("chmod 600"), "{found:?}");
        open(&data.path().join("key"), 0o600);
        open(data.path(), 0o700);
        let mut found = Findings::default();
        directory(data.path(), &mut found);
        assert_eq!(found.wrong, 0, "{found:?}");
    }

    #[test]
    fn a_file_of_a_charger_that_is_not_there_is_wrong() {
        let mut found = Findings::default();
        let link = LinkSettings::Goe(GoeLink::from(GoeWay::Cloud {
            url: "https://000001.api.v3.go-e.io".to_owned(),
            token_file: "/nowhere/token".into(),
            ca_file: None,
        }));
        link_files(&"left".parse().unwrap(), &link, &mut found);
        assert_eq!(found.wrong, 1, "{found:?}");
        assert!(found.lines[0].contains("/nowhere/token"), "{found:?}");
    }

    #[tokio::test]
    async fn devices_and_ports_are_tried() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = listener.local_addr().unwrap();
        let device = |id: &str, address: &str| {
            format!(
                "[[site.device]]\nid = \"{id}\"\nkind = \"meter\"\ndriver = \"sunspec\"\naddress = \"{address}\"\n"
            )
        };
        let mut settings = settings(&(device("there", &taken.to_string()) + &device("gone", "127.0.0.1:1")));
        settings.listen = taken;
        settings.loggers.listen = vec!["127.0.0.1:0".parse().unwrap(), taken];
        let mut found = Findings::default();
        devices(&settings, &mut found).await;
        ports(&settings, &mut found).await;
        assert_eq!(found.wrong, 3, "{found:?}");
        assert!(
            found.lines[4].contains("change `listen` in [loggers]"),
            "{found:?}"
        );
        assert!(found.lines[0].contains("`there` answers"), "{found:?}");
        assert!(found.lines[1].contains("`gone` cannot be reached"), "{found:?}");
    }
}
