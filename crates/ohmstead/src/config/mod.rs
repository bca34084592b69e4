//! From a TOML file to typed settings.
//!
//! A file is checked as a whole: every problem is reported with its line, what was found and what was
//! expected, and nothing starts before all of them are mended.

mod control;
mod eybond;
mod gateway;
mod goe;
mod grid;
mod keeping;
mod link;
mod outward;
mod problems;
mod section;
mod shinemonitor;
mod site;
mod supervision;
mod tariff;
mod tls;
mod vehicle;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gate::Access;
use model::id::VehicleId;
use model::secret::Secret;
use model::settings::{Given, Settings};
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
    /// To be sealed.
    pub secrets: Vec<FileSecret>,
}

/// What one part of the file says; whoever reads one answers in this shape.
#[derive(Debug, Default)]
pub struct Read<T> {
    pub settings: T,
    pub secrets: Vec<FileSecret>,
    /// Places of [`Given`].
    pub given: Vec<String>,
}

impl<T> Read<T> {
    fn of(settings: T) -> Self {
        Self {
            settings,
            secrets: Vec::new(),
            given: Vec::new(),
        }
    }

    fn given_if(mut self, is_given: bool, place: impl Into<String>) -> Self {
        if is_given {
            self.given.push(place.into());
        }
        self
    }
}

/// Somebody who may have a secret in the file, or in one that it names.
#[derive(Debug)]
pub struct FileSecret {
    pub of: Holder,
    pub secret: Option<Place>,
}

/// Whose secret it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Whoever asks for an EVSE by the name that a dialect has for it.
    Access(Access),
    /// The source of its state of charge.
    Vehicle(VehicleId),
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Access(access) => write!(f, "{} `{}`", access.dialect, access.name),
            Self::Vehicle(id) => write!(f, "vehicle `{id}`"),
        }
    }
}

#[derive(Debug)]
pub enum Place {
    Here(Secret),
    /// The first line of a file.
    File(PathBuf),
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
    let host_names = root.texts("host_names");
    let mut told = Told::default();
    let tls = told.take(tls::read(root));
    let control = told.take(control::read(root));
    let history = told.take(keeping::history(root));
    let personal_data = told.take(keeping::personal_data(root));
    let backup = told.take(keeping::backup(root));
    let outbound = told.take(outward::outbound(root));
    let mail = told.take(outward::mail(root));
    let gateways = gateway::read_all(root);
    let sites = told.take(site::read_all(root, &gateways));
    gateway::check(root, &sites, &gateways);
    let loggers = told.take(eybond::read(root, &gateways));
    let goe = told.take(goe::read(root, &sites));
    let shinemonitor = told.take(shinemonitor::read(root, &sites));
    let supervision = told.take(supervision::read(root));
    let price_providers = tariff::read_providers(root);
    let tariffs = tariff::read_all(root, &sites, &price_providers);
    let vehicles = told.take(vehicle::read_all(root, &sites));
    // Every key has been asked for by now.
    root.finish_ref();
    Some(Config {
        settings: Settings {
            listen,
            tls,
            host_names,
            control,
            goe,
            shinemonitor,
            supervision,
            backup,
            tariffs,
            vehicles,
            price_providers,
            gateways,
            loggers,
            history,
            personal_data,
            outbound,
            mail,
            given: Given::from_iter(told.given),
            sites,
        },
        data,
        store,
        secrets: told.secrets,
    })
}

/// What all parts say beside their settings.
#[derive(Default)]
struct Told {
    secrets: Vec<FileSecret>,
    given: Vec<String>,
}

impl Told {
    fn take<T>(&mut self, read: Read<T>) -> T {
        self.secrets.extend(read.secrets);
        self.given.extend(read.given);
        read.settings
    }
}

#[cfg(test)]
mod tests;
