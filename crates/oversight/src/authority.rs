//! Whom doors and pages talk to.

use std::sync::Arc;

use model::id::UserId;
use model::oversight::{
    AddressChange, Callback, ChargeRecord, Code, Entity, EntityKind, Operator, OperatorCode, Sample,
    StoredRecord, Warning,
};
use model::time::{Clock, Timestamp};
use store::oversight::RecordFilter;
use store::{Nouns, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    DailyRow, Fired, Noted, OperatorOverview, Overview, Page, PortFilter, PortNow, Refused, Registered,
    Rules, StationOnMap, Terms, Told,
};

/// The books of all operators. What its methods say is durable when they return.
pub struct Authority {
    parcels: Arc<Notify>,
}

#[allow(unused_variables, clippy::unused_async, clippy::todo)]
impl Authority {
    /// Reads what is known. Both are the same store.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn open(
        nouns: Arc<dyn Nouns>,
        store: Arc<dyn store::Oversight>,
        terms: impl Into<Terms>,
        rules: Rules,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StoreError> {
        todo!()
    }

    /// Works off what was reported until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        todo!()
    }

    /// Works off what was reported so far, once; [`Self::run`] does it all the time.
    ///
    /// # Errors
    /// When the store fails; nothing is lost, the next time goes on.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Notified when there is something to bring to an operator.
    #[must_use]
    pub fn wake(&self) -> Arc<Notify> {
        self.parcels.clone()
    }

    /// In order of their codes.
    #[must_use]
    pub fn operators(&self) -> Vec<Arc<Operator>> {
        todo!()
    }

    #[must_use]
    pub fn operator(&self, code: &OperatorCode) -> Option<Arc<Operator>> {
        todo!()
    }

    /// Adds an operator, or changes how it is treated. Its addresses stay as they are: they have
    /// [`Self::set_address`].
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_operator(&self, operator: Operator) -> Result<(), Refused> {
        todo!()
    }

    /// Takes an operator away with all that it has registered. What it has reported stays as long as samples and
    /// records do.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn remove_operator(&self, code: &OperatorCode) -> Result<(), Refused> {
        todo!()
    }

    /// Sets or takes away an address, and says whether it was another one.
    ///
    /// # Errors
    /// When there is no such operator, or the store fails.
    pub async fn set_address(&self, code: &OperatorCode, change: AddressChange) -> Result<bool, Refused> {
        todo!()
    }

    /// # Errors
    /// When its parent is not there, its id is taken, or the store fails.
    pub async fn register(&self, code: &OperatorCode, told: Told<Entity>) -> Result<Registered, Refused> {
        todo!()
    }

    /// Changes the fields that were sent; the others stay.
    ///
    /// # Errors
    /// When it is not there, nor a new parent, or the store fails.
    pub async fn modify(&self, code: &OperatorCode, told: Told<Entity>) -> Result<(), Refused> {
        todo!()
    }

    /// # Errors
    /// When something stands in it, it is not there (if the operator wants that told), or the store fails.
    pub async fn remove(&self, code: &OperatorCode, kind: EntityKind, id: &Code) -> Result<(), Refused> {
        todo!()
    }

    /// A page of what an operator has registered.
    ///
    /// # Errors
    /// When there is no such operator, or the store fails.
    pub async fn page(
        &self,
        code: &OperatorCode,
        kind: EntityKind,
        index: u64,
        size: u32,
    ) -> Result<Page<Entity>, Refused> {
        todo!()
    }

    /// Takes samples and says of each what became of it. What failed in a way that its operator can repair is kept
    /// as a failure. `path` is where they were sent.
    ///
    /// # Errors
    /// When there are too many, there is no such operator, or the store fails: then it may all be sent again.
    pub async fn report(
        &self,
        code: &OperatorCode,
        told: Vec<Told<Sample>>,
        path: &str,
    ) -> Result<Vec<Result<(), Refused>>, Refused> {
        todo!()
    }

    /// Takes a sample in place of one that failed.
    ///
    /// # Errors
    /// When none failed under that id, it was given up, it fails again, or the store fails.
    pub async fn report_again(
        &self,
        code: &OperatorCode,
        failed: &Code,
        told: Told<Sample>,
    ) -> Result<(), Refused> {
        todo!()
    }

    /// Takes records of charges and says of each what became of it.
    ///
    /// # Errors
    /// When there are too many, there is no such operator, or the store fails.
    pub async fn records(
        &self,
        code: &OperatorCode,
        told: Vec<Told<ChargeRecord>>,
    ) -> Result<Vec<Result<(), Refused>>, Refused> {
        todo!()
    }

    /// # Errors
    /// When the store fails.
    pub async fn record_page(
        &self,
        filter: RecordFilter,
        index: u64,
        size: u32,
    ) -> Result<Page<StoredRecord>, Refused> {
        todo!()
    }

    #[must_use]
    pub fn overview(&self) -> Overview {
        todo!()
    }

    #[must_use]
    pub fn overview_of(&self, code: &OperatorCode) -> Option<OperatorOverview> {
        todo!()
    }

    /// Of one operator or all.
    #[must_use]
    pub fn stations(&self, code: Option<&OperatorCode>) -> Vec<StationOnMap> {
        todo!()
    }

    /// A page of the ports of an operator; empty when there is none.
    #[must_use]
    pub fn ports(&self, code: &OperatorCode, filter: &PortFilter, index: u64, size: u32) -> Page<PortNow> {
        todo!()
    }

    /// What was odd lately, the newest first; a restart forgets it.
    #[must_use]
    pub fn findings(&self, code: &OperatorCode) -> Vec<Noted> {
        todo!()
    }

    /// Notes that somebody has seen a warning: it is neither repeated nor raised any more.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn acknowledge(&self, warning: &Code, by: UserId) -> Result<Warning, Refused> {
        todo!()
    }

    /// What the rules of today would have raised at a port.
    ///
    /// # Errors
    /// When there is no such port, or the store fails.
    pub async fn replay(
        &self,
        code: &OperatorCode,
        port: &Code,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Fired>, Refused> {
        todo!()
    }

    /// A day of the authority's calendar (`2026-07-01`), a row for each operator.
    ///
    /// # Errors
    /// When that is no day, or the store fails.
    pub async fn daily_report(&self, day: &str) -> Result<Vec<DailyRow>, Refused> {
        todo!()
    }

    /// Counts a call to an operator that was or was not answered.
    pub fn called(&self, code: &OperatorCode, callback: Callback, answered: bool) {
        todo!()
    }
}
