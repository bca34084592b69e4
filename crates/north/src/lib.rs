//! Whom we answer.
//!
//! Every door to the outside is a file here: our own API ([`native`]), the dialects of other makers
//! ([`goe`], [`cfos`]), the page ([`assets`]). None of them touches a device or decides anything: what is
//! asked for becomes an intent on the bus, what is shown comes from the latest view, who may is asked of the
//! gate. The binary owns the port and serves [`router`].

pub mod events;
pub mod limits;
pub mod native;
pub mod readiness;

use std::sync::Arc;

use bus::Bus;
use model::settings::Settings;
use model::time::Clock;
use store::Store;

pub use readiness::Readiness;

/// What the handlers work with.
#[derive(Clone)]
pub struct State {
    pub bus: Arc<dyn Bus>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub settings: Arc<Settings>,
    pub readiness: Arc<Readiness>,
    pub hub: Arc<events::Hub>,
}
