//! Typed series per subject and quantity, kept in compressed blocks with rollups.

mod block;
mod clock;
pub(crate) mod column;
mod hot;
mod open;
mod page;
mod recorder;
mod rollup;
pub(crate) mod varint;

use async_trait::async_trait;
use model::reading::Quantity;
use model::settings::Retention;
use model::time::Timestamp;

use crate::StoreError;
pub use crate::condense::Bucket;
pub(crate) use recorder::Recorder;
pub(crate) use rollup::to_pages;

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

/// One answer row: for `Step::Raw` all values are the reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub at: Timestamp,
    pub mean: i64,
    pub min: i64,
    pub max: i64,
    pub first: i64,
    pub last: i64,
}

/// The newest reading of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest {
    pub series: Series,
    pub at: Timestamp,
    pub value: i64,
}

/// Bytes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub records: u64,
    pub history: u64,
}

#[async_trait]
pub trait History: Send + Sync {
    /// Takes readings; they are queryable at once and on disk within 5 s. Those not newer than the newest of
    /// their series, before 1970 or after the year 4000 are dropped.
    async fn append(&self, samples: Vec<Sample>) -> Result<(), StoreError>;
    /// Writes finished past readings of one series, in order of time; for data made or imported. Where there
    /// is a reading at the same millisecond already, that one stays: importing twice changes nothing. Readings
    /// from before the time at which the series was thinned are dropped.
    async fn import(&self, series: &Series, rows: &[(Timestamp, i64)]) -> Result<(), StoreError> {
        self.import_all(vec![(series.clone(), rows.to_vec())]).await
    }
    /// The same of several series, of all or of none. Series that were read together are best imported together:
    /// they share their times.
    async fn import_all(&self, columns: Vec<(Series, Vec<(Timestamp, i64)>)>) -> Result<(), StoreError>;
    /// Rows with `from <= at < to`, in order of time. Where readings were thinned, the minutes or quarter-hours
    /// that are left of them stand in, and buckets that are narrower hold what starts in them.
    async fn query(
        &self,
        series: &Series,
        from: Timestamp,
        to: Timestamp,
        step: Step,
    ) -> Result<Vec<Row>, StoreError>;
    /// The quarter-hours of UTC that overlap `from..to`, in order of time, with at least the last before them
    /// and the first after them.
    async fn quarters(
        &self,
        series: &Series,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Bucket>, StoreError>;
    /// The newest reading of a series, from memory.
    async fn newest(&self, series: &Series) -> Result<Option<(Timestamp, i64)>, StoreError>;
    /// The newest reading of every series, in order of the series, from memory.
    async fn latest(&self) -> Result<Vec<Latest>, StoreError>;
    /// Another number whenever something older than the newest reading of a series may have changed.
    fn revision(&self) -> u64;
    /// Thins a bite of what is older than it is to be kept, and answers whether there may be more to do. It can
    /// be stopped and started at any time.
    async fn thin(&self, retention: Retention, now: Timestamp) -> Result<bool, StoreError>;
    /// What the store takes of the disk.
    async fn size(&self) -> Result<Size, StoreError>;
    /// Every series there is, in order.
    async fn series(&self) -> Result<Vec<Series>, StoreError>;
    /// Oldest and newest reading of all series, `None` when empty.
    async fn span(&self) -> Result<Option<(Timestamp, Timestamp)>, StoreError>;
    /// Writes what is still in memory. Called at the end.
    async fn flush(&self) -> Result<(), StoreError>;
}
