//! What survives a restart.
//!
//! One trait per noun, one behaviour behind them whatever the backend. A call that returns `Ok` is durable:
//! configuration and records are synced to disk before the answer, throughput comes from group commit.
//! Readings are the one exception: they are written every few seconds, so a crash costs at most the last 5 s.
//!
//! Every write of an engine carries its epoch; an older one than the site's newest is refused with
//! [`StoreError::Fenced`].

mod condense;
#[cfg(test)]
mod contract;
pub mod history;
mod memory;
mod sqlite;

use async_trait::async_trait;
use model::alarm::Alarm;
use model::device::Wish;
use model::document::Document;
use model::id::{DeviceId, EvseId, SiteId, UserId};
use model::setpoint::ChargeCurrent;
use model::time::Timestamp;
use model::user::User;

pub use history::{History, Row, Sample, Series, Step};
pub use memory::Memory;
pub use sqlite::Sqlite;

/// Why a call did not do what was asked. Nothing was written then.
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
    #[error("data directory {directory} is in use by another process; stop it or choose another with --data")]
    InUse { directory: String },
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

/// Users, and secrets under a kind and a name. What the bytes mean is the gate's business.
#[async_trait]
pub trait Users: Send + Sync {
    async fn put_user(&self, user: &User) -> Result<(), StoreError>;
    async fn users(&self) -> Result<Vec<User>, StoreError>;
    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError>;
}

/// Secrets by kind (`password`, `token`, `session`, `goe`) and name.
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
    async fn alias(&self, dialect: &str, name: &str) -> Result<Option<String>, StoreError>;
    async fn aliases(&self, dialect: &str) -> Result<Vec<(String, String)>, StoreError>;
}

/// Who did what, kept in order.
#[async_trait]
pub trait Audit: Send + Sync {
    async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError>;
    /// The newest first.
    async fn recent(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError>;
}

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
    /// Stores a raised or cleared alarm; the same site, device and raise time is the same alarm.
    async fn put_alarm(&self, alarm: &Alarm) -> Result<(), StoreError>;
    /// The newest first, cleared ones included.
    async fn alarms(&self, site: &SiteId, limit: u32) -> Result<Vec<Alarm>, StoreError>;
}

/// Everything at once, for those who wire.
pub trait Store: Sites + Control + Users + Secrets + Aliases + Audit + Alarms + History {}
impl<T: Sites + Control + Users + Secrets + Aliases + Audit + Alarms + History> Store for T {}

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
