//! Typed series per subject and quantity, kept in compressed blocks with rollups.

mod block;
mod hot;
mod open;
mod recorder;

use async_trait::async_trait;
use model::reading::Quantity;
use model::time::Timestamp;

use crate::StoreError;
pub(crate) use recorder::Recorder;

/// One series: a device, an EVSE or a site (for its house load), and a quantity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// `device:<id>`, `evse:<id>` or `site:<id>`.
    pub subject: String,
    pub quantity: Quantity,
}

/// One reading on its way in. Values are integers in the unit of the quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub series: Series,
    pub at: Timestamp,
    pub value: i64,
}

/// How a query condenses. Buckets are aligned to UTC; a bucket belongs to a query when it starts within it,
/// and then holds all of its readings, so that its values do not depend on what else was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Every stored reading.
    Raw,
    /// One row per so many seconds.
    Seconds(u32),
}

/// One answer row: for `Step::Raw` all four values are the reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub at: Timestamp,
    pub mean: i64,
    pub min: i64,
    pub max: i64,
    pub last: i64,
}

#[async_trait]
pub trait History: Send + Sync {
    /// Takes readings; they are queryable at once and on disk within 5 s. Those not newer than the newest of
    /// their series, before 1970 or after the year 4000 are dropped and counted.
    async fn append(&self, samples: Vec<Sample>) -> Result<(), StoreError>;
    /// Writes finished past readings of one series, in order of time; for data made or imported. Where there
    /// is a reading at the same millisecond already, that one stays: importing twice changes nothing.
    async fn import(&self, series: &Series, rows: &[(Timestamp, i64)]) -> Result<(), StoreError>;
    /// Rows with `from <= at < to`, in order of time.
    async fn query(
        &self,
        series: &Series,
        from: Timestamp,
        to: Timestamp,
        step: Step,
    ) -> Result<Vec<Row>, StoreError>;
    /// Every series there is, in order.
    async fn series(&self) -> Result<Vec<Series>, StoreError>;
    /// Oldest and newest reading of all series, `None` when empty.
    async fn span(&self) -> Result<Option<(Timestamp, Timestamp)>, StoreError>;
    /// Writes what is still in memory. Called at the end.
    async fn flush(&self) -> Result<(), StoreError>;
}
