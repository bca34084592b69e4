//! What the door, our own API and the outbox work with: the books, and what the dialect needs beside them.

use std::sync::Arc;
use std::time::Duration;

use dialects::supervision::definition::built_in;
use dialects::supervision::error::Refusal;
use gate::{Denied, Gate, GateError};
use jiff::tz::TimeZone;
use links::outbound_guard::{Guard, Resolver};
use links::{Failure, Limits, http::Client};
use model::oversight::Operator;
use model::secret::Secret;
use model::settings::SupervisionSettings;
use model::time::{Clock, Timestamp};
use oversight::{Authority, Refused};

/// What an operator may cost us when it is called.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(3),
    timeout: Duration::from_secs(10),
    max_body: 64 * 1024,
};
/// Where operators may be that were marked local, beside what the administrator allows to all.
const LOCAL: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// An authority as operators and pages see it.
pub struct Platform {
    authority: Arc<Authority>,
    gate: Arc<Gate>,
    clock: Arc<dyn Clock>,
    settings: SupervisionSettings,
    zone: TimeZone,
    person_key: Secret,
    far: Way,
    near: Way,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Platform(..)")
    }
}

/// How operators are dialled.
pub(super) struct Way {
    pub guard: Arc<Guard>,
    pub http: Client,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    #[error(transparent)]
    Refused(Refused),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("the gate failed")]
    Gate(#[from] GateError),
    #[error("cannot set up calls to operators: {0}")]
    Http(#[from] Failure),
}

impl Platform {
    /// Opens what is in front of the books. `allowed` is what the administrator lets everybody have dialled; operators
    /// that are marked local may be there as well.
    ///
    /// # Errors
    /// When the store fails, or TLS cannot be set up.
    pub async fn open(
        authority: Arc<Authority>,
        gate: Arc<Gate>,
        clock: Arc<dyn Clock>,
        settings: &SupervisionSettings,
        (allowed, resolver): (Arc<Guard>, Arc<dyn Resolver>),
    ) -> Result<Arc<Self>, PlatformError> {
        let way = |guard: Guard| {
            let guard = Arc::new(guard);
            let http = Client::guarded(LIMITS, guard.clone(), resolver.clone())?;
            Ok::<_, Failure>(Way { guard, http })
        };
        Ok(Arc::new(Self {
            person_key: gate.person_key().await?,
            authority,
            gate,
            clock,
            settings: settings.clone(),
            // The reader of the settings has refused zones that are none.
            zone: TimeZone::get(&settings.time_zone).unwrap_or(TimeZone::UTC),
            far: way(Guard::default())?,
            // Every entry is a network.
            near: way(Guard::new(&LOCAL).unwrap_or_default().or(allowed))?,
        }))
    }

    #[must_use]
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    #[must_use]
    pub fn settings(&self) -> &SupervisionSettings {
        &self.settings
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    pub(super) fn person_key(&self) -> &Secret {
        &self.person_key
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    pub(super) fn way(&self, operator: &Operator) -> &Way {
        if operator.local { &self.near } else { &self.far }
    }

    /// Whether an address may be dialled, as far as it alone tells. Whither a name leads is seen when it is dialled,
    /// every time.
    ///
    /// # Errors
    /// With what is wrong with it, in words.
    pub fn may_dial(&self, operator: &Operator, url: &str) -> Result<(), String> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        if scheme.eq_ignore_ascii_case("http") && !operator.local {
            return Err("expected https; http is for operators that are marked local".to_owned());
        }
        let checked = self.way(operator).guard.check(url);
        checked.map_err(|denied| denied.to_string())
    }

    pub(super) fn check_address(&self, operator: &Operator, url: &str) -> Result<(), Refusal> {
        let name = &built_in().query.url.name;
        let checked = self.may_dial(operator, url);
        checked.map_err(|what| Refusal::field(name, &what))
    }
}
