//! What operators register and report, and what becomes of it.

mod charges;
mod entities;
mod findings;
mod journal;
mod pages;

use std::sync::Arc;

use async_trait::async_trait;
use model::oversight::{
    ChargeRecord, Code, Entity, EntityKey, EntityKind, Failed, FailedState, OperatorCode, Quality, Sample,
    StoredRecord, Warning,
};
use model::time::Timestamp;

use super::outbox;
use crate::database::Database;
use crate::oversight::{Accepted, RecordFilter, RecordOutcome, RecordTotals, Round};
use crate::sql::{Failure, Param, Row, Sql, damaged};
use crate::{Done, Oversight, StoreError};

pub use journal::Intake;

#[async_trait]
impl<G: Send + Sync> Oversight for Database<G> {
    async fn put_entity(&self, operator: &OperatorCode, entity: &Entity) -> Result<EntityKey, StoreError> {
        let (operator, entity) = (operator.clone(), entity.clone());
        let put = move |sql: &dyn Sql| entities::put(sql, &operator, &entity);
        self.writer.call("store what an operator has", put).await
    }

    async fn delete_entities(&self, operator: &OperatorCode, which: &[(EntityKind, Code)]) -> Done {
        let (operator, which) = (operator.clone(), which.to_vec());
        let delete = move |sql: &dyn Sql| {
            let mut all = which.iter();
            all.try_for_each(|(kind, id)| entities::delete(sql, &operator, *kind, id))
        };
        self.writer.call("delete what an operator had", delete).await
    }

    async fn entity(
        &self,
        operator: &OperatorCode,
        kind: EntityKind,
        id: &Code,
    ) -> Result<Option<Entity>, StoreError> {
        let (operator, id) = (operator.clone(), id.clone());
        let read = move |sql: &dyn Sql| entities::find(sql, &operator, kind, &id);
        self.reader.call("read what an operator has", read).await
    }

    async fn entities(&self, numbers: &[i64]) -> Result<Vec<(i64, Entity)>, StoreError> {
        let numbers = numbers.to_vec();
        let read = move |sql: &dyn Sql| entities::numbered(sql, &numbers);
        self.reader.call("read what operators have", read).await
    }

    async fn entity_keys(&self, after: i64, limit: u32) -> Result<Vec<EntityKey>, StoreError> {
        let read = move |sql: &dyn Sql| entities::keys(sql, after, limit);
        self.reader.call("read what operators have", read).await
    }

    async fn accept(&self, entry: &Accepted) -> Result<i64, StoreError> {
        let row = journal::Entry::of(entry)?;
        let intake = Arc::clone(&self.intake);
        let put = move |sql: &dyn Sql| row.put(sql, &intake);
        let number = self.writer.call("journal samples", put).await?;
        self.intake.came(&entry.operator, entry.samples.len());
        Ok(number)
    }

    async fn accepted(&self, after: i64, limit: u32) -> Result<Vec<(i64, Accepted)>, StoreError> {
        let read = move |sql: &dyn Sql| journal::after(sql, after, limit);
        self.reader.call("read the journal of samples", read).await
    }

    async fn done(&self) -> Result<i64, StoreError> {
        self.reader
            .call("read how far the journal is done", journal::done)
            .await
    }

    async fn settle(&self, round: &Round) -> Done {
        let round = round.clone();
        let put = move |sql: &dyn Sql| {
            if let Some(done) = round.done {
                journal::set_done(sql, done)?;
            }
            round
                .failed
                .iter()
                .try_for_each(|failed| findings::put_failed(sql, failed))?;
            round
                .warnings
                .iter()
                .try_for_each(|warning| findings::put_warning(sql, warning))?;
            round
                .parcels
                .iter()
                .try_for_each(|parcel| outbox::put(sql, parcel))?;
            let mut quality = round.quality.iter();
            quality
                .try_for_each(|(operator, day, quality)| findings::put_quality(sql, operator, day, quality))
        };
        self.writer.call("store what became of samples", put).await
    }

    async fn condense(&self, before: Timestamp) -> Result<u64, StoreError> {
        pages::condense(self, before).await
    }

    async fn samples(
        &self,
        operator: &OperatorCode,
        port: &Code,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<Sample>, StoreError> {
        let wanted = pages::Wanted {
            operator: operator.clone(),
            port: port.clone(),
            from,
            to,
        };
        pages::samples(self, wanted, limit).await
    }

    async fn forget_samples(&self, before: Timestamp) -> Result<u64, StoreError> {
        pages::forget(self, before).await
    }

    async fn put_latest(&self, latest: &[(i64, Arc<Sample>)]) -> Done {
        for slice in latest.chunks(pages::LATEST_TOGETHER) {
            let rows = pages::latest_rows(slice);
            let put = move |sql: &dyn Sql| pages::put_latest(sql, &rows);
            self.writer.call("store the newest samples", put).await?;
        }
        Ok(())
    }

    async fn latest_samples(&self, after: i64, limit: u32) -> Result<Vec<(i64, Sample)>, StoreError> {
        let read = move |sql: &dyn Sql| pages::latest(sql, after, limit);
        self.reader.call("read the newest samples", read).await
    }

    async fn put_records(
        &self,
        operator: &OperatorCode,
        records: &[(ChargeRecord, bool)],
        received: Timestamp,
    ) -> Result<Vec<RecordOutcome>, StoreError> {
        let (operator, records) = (operator.clone(), records.to_vec());
        let put = move |sql: &dyn Sql| charges::put(sql, &operator, &records, received);
        self.writer.call("store records of charges", put).await
    }

    async fn records(
        &self,
        filter: &RecordFilter,
        skip: u64,
        limit: u32,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let filter = filter.clone();
        let read = move |sql: &dyn Sql| charges::page(sql, &filter, skip, limit);
        self.reader.call("read records of charges", read).await
    }

    async fn record_totals(&self, filter: &RecordFilter) -> Result<RecordTotals, StoreError> {
        let filter = filter.clone();
        let read = move |sql: &dyn Sql| charges::totals(sql, &filter);
        self.reader.call("add up records of charges", read).await
    }

    async fn forget_persons(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut count = 0;
        loop {
            let forget = move |sql: &dyn Sql| charges::forget_persons(sql, before);
            let forgotten = self.writer.call("make records anonymous", forget).await?;
            count += forgotten;
            if forgotten < u64::from(charges::TOGETHER) {
                return Ok(count);
            }
        }
    }

    async fn failed(&self, id: &Code) -> Result<Option<Failed>, StoreError> {
        let id = id.clone();
        let read = move |sql: &dyn Sql| findings::failed(sql, &id);
        self.reader.call("read a failed sample", read).await
    }

    async fn failures(
        &self,
        operator: Option<&OperatorCode>,
        state: Option<FailedState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, Failed)>, StoreError> {
        let operator = operator.cloned();
        let read = move |sql: &dyn Sql| findings::failures(sql, operator.as_ref(), state, before, limit);
        self.reader.call("read failed samples", read).await
    }

    async fn put_warning(&self, warning: &Warning) -> Done {
        let warning = warning.clone();
        let put = move |sql: &dyn Sql| findings::put_warning(sql, &warning);
        self.writer.call("store a warning", put).await
    }

    async fn warning(&self, id: &Code) -> Result<Option<Warning>, StoreError> {
        let id = id.clone();
        let read = move |sql: &dyn Sql| findings::warning(sql, &id);
        self.reader.call("read a warning", read).await
    }

    async fn open_warnings(&self) -> Result<Vec<Warning>, StoreError> {
        self.reader
            .call("read the open warnings", findings::open_warnings)
            .await
    }

    async fn warnings(
        &self,
        operator: Option<&OperatorCode>,
        only_open: bool,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, Warning)>, StoreError> {
        let operator = operator.cloned();
        let read = move |sql: &dyn Sql| findings::warnings(sql, operator.as_ref(), only_open, before, limit);
        self.reader.call("read the warnings", read).await
    }

    async fn quality(&self, day: &str) -> Result<Vec<(OperatorCode, Quality)>, StoreError> {
        let day = day.to_owned();
        let read = move |sql: &dyn Sql| findings::quality(sql, &day);
        self.reader.call("read how operators reported", read).await
    }

    async fn quality_of(
        &self,
        operator: &OperatorCode,
        from: &str,
        to: &str,
    ) -> Result<Vec<(String, Quality)>, StoreError> {
        let (operator, from, to) = (operator.clone(), from.to_owned(), to.to_owned());
        let read = move |sql: &dyn Sql| findings::quality_of(sql, &operator, &from, &to);
        self.reader.call("read how an operator reported", read).await
    }
}

fn code(row: &Row, column: usize) -> Result<Code, Failure> {
    Code::new(row.text(column)?).map_err(damaged)
}

fn operator(row: &Row, column: usize) -> Result<OperatorCode, Failure> {
    OperatorCode::new(row.text(column)?).map_err(damaged)
}

fn count(row: &Row, column: usize) -> Result<u64, Failure> {
    u64::try_from(row.int(column)?).map_err(damaged)
}

/// Places for so many parameters from the first on: `?1, ?2, …`.
fn places(count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|place| format!("?{place}")).collect();
    places.join(", ")
}

/// Values in slices of always the same length, so that one statement serves all; the last is filled up with its last one.
fn filled<'a, T>(values: &'a [T], length: usize, param: impl Fn(&'a T) -> Param<'a>) -> Vec<Vec<Param<'a>>> {
    let slices = values.chunks(length);
    let filled = slices.map(|slice| {
        let mut parameters: Vec<Param<'a>> = slice.iter().map(&param).collect();
        if let Some(last) = parameters.last().copied() {
            parameters.resize(length, last);
        }
        parameters
    });
    filled.collect()
}
