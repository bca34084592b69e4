//! Sessions and the ledger: what is billed, and where its energy came from.

use async_trait::async_trait;
use model::id::{CardId, EvseId, SessionId, SiteId, UserId, VehicleId};
use model::session::{Cost, LedgerEntry, Origin, Session};
use model::time::{Millis, Timestamp};
use model::units::WattHours;

use crate::{Done, StoreError};

#[async_trait]
pub trait Sessions: Send + Sync {
    /// Stores a session, or a later copy of one. A copy of a lower revision than the stored one is ignored.
    async fn put_session(&self, epoch: u64, session: &Session) -> Done;
    async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError>;
    /// The last plugged in first; a page begins after the cursor of the one before.
    async fn sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError>;
    /// Sums over all sessions of a filter. Of a user or a card, only its own transactions are added up.
    async fn session_totals(&self, filter: &SessionFilter) -> Result<SessionTotals, StoreError>;
    /// Those whose car is still there, the first plugged in first.
    async fn open_sessions(&self, site: &SiteId) -> Result<Vec<Session>, StoreError>;
    /// Takes a user and its cards out of the authorisations of its sessions, and the vehicles out of these, of
    /// those plugged in before a time if one is given, and says how many sessions that were. Later copies of
    /// them are stored without the user too.
    async fn anonymise_sessions(&self, user: &UserId, before: Option<Timestamp>) -> Result<u64, StoreError>;
    /// The same of everybody, in sessions that ended before a time: at most so many in one call, which says how
    /// many they were.
    async fn forget_sessions(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
    /// Stores a quarter-hour of the ledger, or another copy of it. What it holds never becomes less: of two
    /// copies each share and each flow counts that is further on.
    async fn put_ledger(&self, epoch: u64, entry: &LedgerEntry) -> Done;
    /// Stores sessions and quarter-hours of one site as the two calls above do, all of them or none: after a
    /// crash the ledger says what the sessions say.
    async fn put_books(
        &self,
        epoch: u64,
        site: &SiteId,
        sessions: &[Session],
        ledger: &[LedgerEntry],
    ) -> Done;
    /// Those that start in a span, in order of time.
    async fn ledger(
        &self,
        site: &SiteId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<LedgerEntry>, StoreError>;
}

/// Which sessions; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    pub site: Option<SiteId>,
    pub evse: Option<EvseId>,
    /// Authorised at least one of its transactions.
    pub user: Option<UserId>,
    pub card: Option<CardId>,
    pub vehicle: Option<VehicleId>,
    /// Plugged in at that time or later.
    pub from: Option<Timestamp>,
    /// Plugged in before that time.
    pub to: Option<Timestamp>,
}

/// Where a page of sessions ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCursor {
    pub plugged: Timestamp,
    pub id: SessionId,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionTotals {
    pub count: u64,
    pub energy: WattHours,
    /// Time with current flowing.
    pub charging: Millis,
    pub origin: Origin,
    /// One per currency, in order.
    pub costs: Vec<Cost>,
    /// Energy for which there was no price.
    pub unpriced: WattHours,
}
