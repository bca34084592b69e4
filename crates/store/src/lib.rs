//! What survives a restart.
//!
//! One trait per noun, one behaviour behind them whatever the backend. A call that returns `Ok` is durable:
//! configuration and records are synced to disk before the answer, throughput comes from group commit.
//! Readings are the one exception: they are written every few seconds, so a crash costs at most the last 5 s.
//!
//! Every write of an engine carries its epoch; an older one than the site's newest is refused with
//! [`StoreError::Fenced`].

pub mod backup;
pub mod calendar;
mod columns;
mod condense;
#[cfg(test)]
mod contract;
mod database;
mod energies;
pub mod energy;
pub mod history;
mod keeper;
mod nouns;
pub mod oversight;
#[cfg(feature = "postgres")]
mod postgres;
mod records;
mod retention;
mod sessions;
mod sql;
mod sqlite;
pub mod uploads;
mod worker;

use async_trait::async_trait;
use model::alarm::Alarm;
use model::device::Wish;
use model::document::Document;
use model::id::{DeviceId, EvseId, ParcelId, SiteId, UserId};
use model::money::PerKwh;
use model::outbox::Parcel;
use model::setpoint::ChargeCurrent;
use model::time::Timestamp;

pub use columns::{Column, columns};
pub use energies::{Energies, EnergyBook, EnergyRow};
pub use history::{Bucket, History, Latest, Row, Sample, Series, Size, Step};
pub use nouns::{Nouns, Typed};
pub use oversight::Oversight;
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, inspect as server};
pub use retention::retention;
pub use sessions::{SessionCursor, SessionFilter, SessionTotals, Sessions};
pub use sqlite::Sqlite;
pub use uploads::Uploads;

/// The outcome of a write: durable, or an error.
pub type Done = Result<(), StoreError>;

/// Why a call did not do what was asked. Nothing was written then, except that of a write that failed because
/// the server was [`Away`](StoreError::Away) nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {operation}: the disk is full; free some space, charging goes on meanwhile")]
    Full { operation: &'static str },
    #[error("cannot {operation}: epoch {given} of site {site} was overtaken by {newest}")]
    Fenced {
        operation: &'static str,
        site: SiteId,
        given: u64,
        newest: u64,
    },
    #[error("{place} is in use by another process; stop it or choose another with {choose}")]
    InUse { place: String, choose: &'static str },
    #[error("cannot {operation}: the database server is away: {cause}; it is tried again with every call")]
    Away { operation: &'static str, cause: String },
    #[error(
        "{file} was written by a newer version (schema {found}, this program knows {known}); update the program or restore a backup"
    )]
    TooNew { file: String, found: i64, known: i64 },
    #[error("cannot {operation}: {cause}")]
    Other { operation: &'static str, cause: String },
}

/// Sites and what somebody changed about them at run time.
#[async_trait]
pub trait Sites: Send + Sync {
    /// A new epoch for the engine of a site: one more than ever before.
    async fn take_epoch(&self, site: &SiteId) -> Result<u64, StoreError>;
    async fn put_wish(&self, site: &SiteId, epoch: u64, evse: &EvseId, wish: Wish) -> Result<(), StoreError>;
    async fn wishes(&self, site: &SiteId) -> Result<Vec<(EvseId, Wish)>, StoreError>;
    /// Devices as last seen: identity text and time; kept so that a device that is off is still known.
    async fn put_device(&self, site: &SiteId, device: &DeviceId, seen: DeviceSeen) -> Result<(), StoreError>;
    async fn devices(&self, site: &SiteId) -> Result<Vec<(DeviceId, DeviceSeen)>, StoreError>;
    /// The last vendor document of a device, with its wall time.
    async fn put_document(
        &self,
        site: &SiteId,
        device: &DeviceId,
        document: &Document,
    ) -> Result<(), StoreError>;
    async fn documents(&self, site: &SiteId) -> Result<Vec<(DeviceId, StoredDocument)>, StoreError>;
}

/// When a device was heard from and what it said it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSeen {
    pub at: Timestamp,
    pub identity: Option<String>,
}

/// A vendor document as it was stored; its monotonic time died with its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    pub dialect: String,
    pub at: Timestamp,
    pub json: String,
}

/// What the control cycle must remember: the last setpoints and its opaque memory.
#[async_trait]
pub trait Control: Send + Sync {
    async fn put_setpoints(
        &self,
        site: &SiteId,
        epoch: u64,
        told: &[(EvseId, ChargeCurrent)],
    ) -> Result<(), StoreError>;
    async fn setpoints(&self, site: &SiteId) -> Result<Vec<(EvseId, ChargeCurrent)>, StoreError>;
    /// Opaque to the store; `version` is the writer's own.
    async fn put_memory(
        &self,
        site: &SiteId,
        epoch: u64,
        version: u32,
        bytes: &[u8],
    ) -> Result<(), StoreError>;
    async fn memory(&self, site: &SiteId) -> Result<Option<(u32, Vec<u8>)>, StoreError>;
}

/// Secrets by kind (`password`, `token`, `session`, the name of a dialect) and name. What the bytes mean is the gate's business.
#[async_trait]
pub trait Secrets: Send + Sync {
    async fn put_secret(&self, kind: &str, name: &str, secret: &StoredSecret) -> Result<(), StoreError>;
    async fn secret(&self, kind: &str, name: &str) -> Result<Option<StoredSecret>, StoreError>;
    /// All of a kind, ordered by name.
    async fn secrets(&self, kind: &str) -> Result<Vec<(String, StoredSecret)>, StoreError>;
    async fn delete_secret(&self, kind: &str, name: &str) -> Result<(), StoreError>;
    /// Deletes those of a kind that expired before `now`.
    async fn expire_secrets(&self, kind: &str, now: Timestamp) -> Result<(), StoreError>;
}

#[derive(Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// Whose it is.
    pub owner: String,
    pub bytes: Vec<u8>,
    pub expires: Option<Timestamp>,
}

impl std::fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredSecret")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// What each dialect calls our things. Assigned once, never reused.
#[async_trait]
pub trait Aliases: Send + Sync {
    /// # Errors
    /// When the name already means something else in that dialect.
    async fn put_alias(&self, dialect: &str, name: &str, means: &str) -> Result<(), StoreError>;
    /// Several at once: names and what they mean, all of them or none.
    ///
    /// # Errors
    /// As [`Aliases::put_alias`].
    async fn put_aliases(&self, dialect: &str, aliases: &[(String, String)]) -> Result<(), StoreError>;
    async fn alias(&self, dialect: &str, name: &str) -> Result<Option<String>, StoreError>;
    /// Dialect, name and what it means, of all dialects, ordered by both.
    async fn aliases(&self) -> Result<Vec<(String, String, String)>, StoreError>;
}

/// Who did what, kept in order.
#[async_trait]
pub trait Audit: Send + Sync {
    async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError>;
    /// The newest first.
    async fn recent(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError>;
    /// Writes [`FORGOTTEN`] for a user wherever an entry has the id, as who did something or to whom, and says
    /// how many entries that were.
    async fn anonymise_audit(&self, user: &UserId) -> Result<u64, StoreError>;
    /// Deletes entries from before a time, and says how many they were.
    async fn forget_audit(&self, before: Timestamp) -> Result<u64, StoreError>;
    /// The newest first, with their ids; a page begins before the last id of the one before.
    async fn audit(
        &self,
        filter: &AuditFilter,
        before_id: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, AuditEntry)>, StoreError>;
}

/// Which entries; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub principal: Option<String>,
    pub door: Option<String>,
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub to: Option<Timestamp>,
}

/// What stands in the audit log for a user whose records were made anonymous.
pub const FORGOTTEN: &str = "-";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: Timestamp,
    pub principal: String,
    /// `native`, `goe`, …
    pub door: String,
    pub action: String,
    pub outcome: String,
}

#[async_trait]
pub trait Alarms: Send + Sync {
    /// Stores a raised, acknowledged or cleared alarm; the same site, device, code and raise time is the same
    /// alarm. An acknowledgement stays whatever a later copy knows of it.
    async fn put_alarm(&self, alarm: &Alarm) -> Result<(), StoreError>;
    /// The newest first, cleared ones included.
    async fn alarms(&self, site: &SiteId, limit: u32) -> Result<Vec<Alarm>, StoreError>;
    /// Those not cleared, and those cleared at or after a time; the oldest first.
    async fn alarms_since(&self, site: &SiteId, cleared: Timestamp) -> Result<Vec<Alarm>, StoreError>;
    /// One page of the history, or of what is open, the newest first, with their numbers; a page begins before
    /// the raise time and number of the last one of the page before.
    async fn alarm_history(
        &self,
        site: &SiteId,
        only_open: bool,
        before: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<(i64, Alarm)>, StoreError>;
}

/// What is owed to the outside, until it is delivered.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Stores a parcel, or what has become of it. Parcels of a target keep the order in which they came first.
    async fn put_parcel(&self, parcel: &Parcel) -> Done;
    /// Stores what has become of a parcel, unless it was deleted meanwhile: deleted it stays. Says whether it is
    /// still there.
    async fn update_parcel(&self, parcel: &Parcel) -> Result<bool, StoreError>;
    async fn parcel(&self, id: &ParcelId) -> Result<Option<Parcel>, StoreError>;
    /// The oldest waiting parcel of every target, if its time has come. It holds back younger ones; what was
    /// given up does not.
    async fn due_parcels(&self, now: Timestamp, limit: u32) -> Result<Vec<Parcel>, StoreError>;
    /// One page, the newest first, with their numbers; `only` is `waiting`, `dead` or `delivered`. A page begins
    /// before the number of the last one of the page before.
    async fn parcels(
        &self,
        only: Option<&str>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, Parcel)>, StoreError>;
    /// Whether it was there.
    async fn delete_parcel(&self, id: &ParcelId) -> Result<bool, StoreError>;
    /// Deletes everything that is owed on behalf of a user or was, and says how many parcels that were.
    async fn forget_parcels(&self, author: &UserId) -> Result<u64, StoreError>;
    /// Deletes what was delivered before a time, and says how many parcels that were.
    async fn forget_delivered(&self, before: Timestamp) -> Result<u64, StoreError>;
}

/// Prices of dynamic tariffs by provider: start, end and price of each span.
#[async_trait]
pub trait Prices: Send + Sync {
    /// A new price takes the place of every one it overlaps.
    async fn put_prices(&self, provider: &str, prices: &[(Timestamp, Timestamp, PerKwh)]) -> Done;
    /// Every price that is in force at some time in `from..to`, in order of time.
    async fn prices(
        &self,
        provider: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, Timestamp, PerKwh)>, StoreError>;
}

/// Everything at once, for those who wire.
pub trait Store:
    Sites
    + Control
    + Nouns
    + Sessions
    + Outbox
    + Prices
    + Secrets
    + Aliases
    + Audit
    + Alarms
    + Oversight
    + Uploads
    + History
{
}
impl<
    T: Sites
        + Control
        + Nouns
        + Sessions
        + Outbox
        + Prices
        + Secrets
        + Aliases
        + Audit
        + Alarms
        + Oversight
        + Uploads
        + History,
> Store for T
{
}

impl StoredDocument {
    /// What is kept of a document.
    fn of(document: &Document) -> Self {
        Self {
            dialect: document.dialect.clone(),
            at: document.at.wall,
            json: document.json.as_ref().to_owned(),
        }
    }
}

fn alias_taken(dialect: &str, name: &str, held: &str) -> StoreError {
    StoreError::Other {
        operation: "assign an alias",
        cause: format!("`{name}` names {held} in dialect {dialect} already, and names are never reused"),
    }
}
