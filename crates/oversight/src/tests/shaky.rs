//! A store that fails when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use model::oversight::{
    ChargeRecord, Code, Entity, EntityKey, EntityKind, Failed, FailedState, OperatorCode, Quality, Sample,
    StoredRecord, Warning,
};
use model::time::Timestamp;
use store::oversight::{Accepted, Oversight, RecordFilter, RecordOutcome, RecordTotals, Round};
use store::{Done, StoreError};

pub(crate) struct Shaky {
    pub inner: Arc<dyn Oversight>,
    /// So many calls still succeed; negative: all.
    left: AtomicI64,
}

impl Shaky {
    pub fn new(inner: Arc<dyn Oversight>) -> Self {
        Self {
            inner,
            left: AtomicI64::new(-1),
        }
    }

    /// Fails after so many calls.
    pub fn fail_after(&self, calls: i64) {
        self.left.store(calls, Ordering::SeqCst);
    }

    pub fn recover(&self) {
        self.left.store(-1, Ordering::SeqCst);
    }

    fn check(&self) -> Done {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(StoreError::Full { operation: "write" });
        }
        if left > 0 {
            self.left.store(left - 1, Ordering::SeqCst);
        }
        Ok(())
    }
}

#[async_trait]
impl Oversight for Shaky {
    async fn put_entity(&self, operator: &OperatorCode, entity: &Entity) -> Result<EntityKey, StoreError> {
        self.check()?;
        self.inner.put_entity(operator, entity).await
    }
    async fn delete_entities(&self, operator: &OperatorCode, which: &[(EntityKind, Code)]) -> Done {
        self.check()?;
        self.inner.delete_entities(operator, which).await
    }
    async fn entity(
        &self,
        operator: &OperatorCode,
        kind: EntityKind,
        id: &Code,
    ) -> Result<Option<Entity>, StoreError> {
        self.check()?;
        self.inner.entity(operator, kind, id).await
    }
    async fn entities(&self, numbers: &[i64]) -> Result<Vec<(i64, Entity)>, StoreError> {
        self.check()?;
        self.inner.entities(numbers).await
    }
    async fn entity_keys(&self, after: i64, limit: u32) -> Result<Vec<EntityKey>, StoreError> {
        self.check()?;
        self.inner.entity_keys(after, limit).await
    }
    async fn accept(&self, entry: &Accepted) -> Result<i64, StoreError> {
        self.check()?;
        self.inner.accept(entry).await
    }
    async fn accepted(&self, after: i64, limit: u32) -> Result<Vec<(i64, Accepted)>, StoreError> {
        self.check()?;
        self.inner.accepted(after, limit).await
    }
    async fn done(&self) -> Result<i64, StoreError> {
        self.check()?;
        self.inner.done().await
    }
    async fn settle(&self, round: &Round) -> Done {
        self.check()?;
        self.inner.settle(round).await
    }
    async fn condense(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.check()?;
        self.inner.condense(before).await
    }
    async fn samples(
        &self,
        operator: &OperatorCode,
        port: &Code,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<Sample>, StoreError> {
        self.check()?;
        self.inner.samples(operator, port, from, to, limit).await
    }
    async fn forget_samples(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.check()?;
        self.inner.forget_samples(before).await
    }
    async fn put_latest(&self, latest: &[(i64, Arc<Sample>)]) -> Done {
        self.check()?;
        self.inner.put_latest(latest).await
    }
    async fn latest_samples(&self, after: i64, limit: u32) -> Result<Vec<(i64, Sample)>, StoreError> {
        self.check()?;
        self.inner.latest_samples(after, limit).await
    }
    async fn put_records(
        &self,
        operator: &OperatorCode,
        records: &[(ChargeRecord, bool)],
        received: Timestamp,
    ) -> Result<Vec<RecordOutcome>, StoreError> {
        self.check()?;
        self.inner.put_records(operator, records, received).await
    }
    async fn records(
        &self,
        filter: &RecordFilter,
        skip: u64,
        limit: u32,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        self.check()?;
        self.inner.records(filter, skip, limit).await
    }
    async fn record_totals(&self, filter: &RecordFilter) -> Result<RecordTotals, StoreError> {
        self.check()?;
        self.inner.record_totals(filter).await
    }
    async fn forget_persons(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.check()?;
        self.inner.forget_persons(before).await
    }
    async fn failed(&self, id: &Code) -> Result<Option<Failed>, StoreError> {
        self.check()?;
        self.inner.failed(id).await
    }
    async fn failures(
        &self,
        operator: Option<&OperatorCode>,
        state: Option<FailedState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, Failed)>, StoreError> {
        self.check()?;
        self.inner.failures(operator, state, before, limit).await
    }
    async fn put_warning(&self, warning: &Warning) -> Done {
        self.check()?;
        self.inner.put_warning(warning).await
    }
    async fn warning(&self, id: &Code) -> Result<Option<Warning>, StoreError> {
        self.check()?;
        self.inner.warning(id).await
    }
    async fn open_warnings(&self) -> Result<Vec<Warning>, StoreError> {
        self.check()?;
        self.inner.open_warnings().await
    }
    async fn warnings(
        &self,
        operator: Option<&OperatorCode>,
        only_open: bool,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, Warning)>, StoreError> {
        self.check()?;
        self.inner.warnings(operator, only_open, before, limit).await
    }
    async fn quality(&self, day: &str) -> Result<Vec<(OperatorCode, Quality)>, StoreError> {
        self.check()?;
        self.inner.quality(day).await
    }
    async fn quality_of(
        &self,
        operator: &OperatorCode,
        from: &str,
        to: &str,
    ) -> Result<Vec<(String, Quality)>, StoreError> {
        self.check()?;
        self.inner.quality_of(operator, from, to).await
    }
}
