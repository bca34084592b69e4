//! Operators' stations, what they report, and what becomes of it.
//!
//! What was accepted is durable and waits in the journal; whoever works it off [`settles`](Oversight::settle) a
//! round of it in one transaction: what became of the samples, what is owed because of them, and how far the
//! journal is done. After a crash the rest of the journal comes again, so nothing is lost and nothing twice.
//! Later [`condense`](Oversight::condense) moves what is done from the journal into pages sorted by port.

pub(crate) mod page;
pub(crate) mod rows;

mod names;
mod parts;

use std::sync::Arc;

use async_trait::async_trait;
use model::outbox::Parcel;
use model::oversight::{
    ChargeRecord, Code, Entity, EntityKey, EntityKind, Failed, FailedState, OperatorCode, Quality, Sample,
    StoredRecord, Warning,
};
use model::time::Timestamp;

use crate::{Done, StoreError};

#[async_trait]
pub trait Oversight: Send + Sync {
    /// Stores an entity or what it says now; its number stays. Records of a port are no orphans from then on.
    async fn put_entity(&self, operator: &OperatorCode, entity: &Entity) -> Result<EntityKey, StoreError>;
    /// Deletes entities of one operator, all or none. Those that are not there are no error.
    async fn delete_entities(&self, operator: &OperatorCode, which: &[(EntityKind, Code)]) -> Done;
    async fn entity(
        &self,
        operator: &OperatorCode,
        kind: EntityKind,
        id: &Code,
    ) -> Result<Option<Entity>, StoreError>;
    /// By their numbers, in that order; what was deleted is missing.
    async fn entities(&self, numbers: &[i64]) -> Result<Vec<(i64, Entity)>, StoreError>;
    /// All there are, in order of their numbers; a page begins after a number.
    async fn entity_keys(&self, after: i64, limit: u32) -> Result<Vec<EntityKey>, StoreError>;

    /// Journals samples as they were accepted, all or none, and gives the number of the entry.
    async fn accept(&self, entry: &Accepted) -> Result<i64, StoreError>;
    /// Entries of the journal after a number, in order; the number that is done stands in [`Oversight::done`]. Numbers
    /// may have gaps. One that is damaged is left out, so that it does not keep back those behind it.
    async fn accepted(&self, after: i64, limit: u32) -> Result<Vec<(i64, Accepted)>, StoreError>;
    /// Up to which entry the journal is done; 0 at first.
    async fn done(&self) -> Result<i64, StoreError>;
    /// Stores what became of a round of the journal, all or none.
    async fn settle(&self, round: &Round) -> Done;
    /// Moves done entries of one operator from the journal into pages, if its oldest are older than a time or it has
    /// too many. Says how many samples were moved; 0: there is nothing to do.
    async fn condense(&self, before: Timestamp) -> Result<u64, StoreError>;
    /// Samples of a port in a span, in order of their own time, wherever they stand now; of two with the same
    /// time both, the one that came last behind.
    async fn samples(
        &self,
        operator: &OperatorCode,
        port: &Code,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<Sample>, StoreError>;
    /// Deletes samples, journal and pages, from before a time; whole pages at once.
    async fn forget_samples(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// Stores the newest sample of ports, so that a restart knows them; by the numbers of the ports. A thousand at a
    /// time: who writes meanwhile does not wait for all.
    async fn put_latest(&self, latest: &[(i64, Arc<Sample>)]) -> Done;
    /// In order of the numbers; a page begins after one.
    async fn latest_samples(&self, after: i64, limit: u32) -> Result<Vec<(i64, Sample)>, StoreError>;

    /// Stores records of charges that are not there yet, each with whether it is an orphan; all or none.
    async fn put_records(
        &self,
        operator: &OperatorCode,
        records: &[(ChargeRecord, bool)],
        received: Timestamp,
    ) -> Result<Vec<RecordOutcome>, StoreError>;
    /// A page, the first received first.
    async fn records(
        &self,
        filter: &RecordFilter,
        skip: u64,
        limit: u32,
    ) -> Result<Vec<StoredRecord>, StoreError>;
    /// No record adds more than a million kWh or units of money.
    async fn record_totals(&self, filter: &RecordFilter) -> Result<RecordTotals, StoreError>;
    /// Takes what could name a person out of records that ended before a time, whatever nobody understood included,
    /// and says how many they were.
    async fn forget_persons(&self, before: Timestamp) -> Result<u64, StoreError>;

    async fn failed(&self, id: &Code) -> Result<Option<Failed>, StoreError>;
    /// The newest first; a page begins before a number.
    async fn failures(
        &self,
        operator: Option<&OperatorCode>,
        state: Option<FailedState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, Failed)>, StoreError>;

    /// Stores a warning or what has become of it.
    async fn put_warning(&self, warning: &Warning) -> Done;
    async fn warning(&self, id: &Code) -> Result<Option<Warning>, StoreError>;
    /// Those not cleared, the oldest first: what a restart has to know.
    async fn open_warnings(&self) -> Result<Vec<Warning>, StoreError>;
    /// The newest first; a page begins before a number.
    async fn warnings(
        &self,
        operator: Option<&OperatorCode>,
        only_open: bool,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, Warning)>, StoreError>;

    /// Of every operator that has one for that day.
    async fn quality(&self, day: &str) -> Result<Vec<(OperatorCode, Quality)>, StoreError>;
    /// Of one operator from a day to a day, both included.
    async fn quality_of(
        &self,
        operator: &OperatorCode,
        from: &str,
        to: &str,
    ) -> Result<Vec<(String, Quality)>, StoreError>;
}

/// Samples that one call brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub operator: OperatorCode,
    pub at: Timestamp,
    pub samples: Vec<Sample>,
    /// Repairs what failed before under that id.
    pub repairs: Option<Code>,
}

/// What became of a part of the journal.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// The journal is done up to here; `None`: it has nothing to do with the journal.
    pub done: Option<i64>,
    /// Samples that failed, and what became of earlier ones.
    pub failed: Vec<Failed>,
    pub warnings: Vec<Warning>,
    /// Owed to operators.
    pub parcels: Vec<Parcel>,
    /// Of whole days so far, in place of what stands there.
    pub quality: Vec<(OperatorCode, String, Quality)>,
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    Stored,
    /// It was there already.
    Same,
    /// Another one has its code.
    Taken,
}

/// Which records; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFilter {
    pub operator: Option<OperatorCode>,
    pub port: Option<Code>,
    /// Started at that time or later.
    pub from: Option<Timestamp>,
    /// Started before that time.
    pub to: Option<Timestamp>,
    pub only_orphans: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordTotals {
    pub count: u64,
    /// Millionths of a kWh.
    pub energy: i64,
    /// Millionths of the authority's currency.
    pub energy_cost: i64,
    pub service_cost: i64,
}
