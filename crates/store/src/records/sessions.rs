//! Sessions, their transactions and the ledger.

use async_trait::async_trait;
use model::id::{SessionId, SiteId, UserId};
use model::money::{Currency, Micros};
use model::session::{Authorisation, Cost, LedgerEntry, Session, Transaction};
use model::time::{Millis, Timestamp};
use model::units::WattHours;

use super::{Only, fence, to_json};
use crate::database::Database;
use crate::sql::{Failure, Param, Sql, damaged, params};
use crate::{Done, SessionCursor, SessionFilter, SessionTotals, Sessions, StoreError};

#[async_trait]
impl<G: Send + Sync> Sessions for Database<G> {
    async fn put_session(&self, epoch: u64, session: &Session) -> Done {
        let session = session.clone();
        let put = move |sql: &dyn Sql| {
            fence(sql, "store a session", &session.site, epoch)?;
            keep(sql, &session)
        };
        self.writer.call("store a session", put).await
    }

    async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let id = id.clone();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT body FROM session WHERE id = ?1";
            sql.first(select, params![id.as_str()], |row| row.json(0))
        };
        self.reader.call("read a session", read).await
    }

    async fn sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let (filter, after) = (filter.clone(), after.cloned());
        let read = move |sql: &dyn Sql| {
            let mut only = sessions(&filter);
            if let Some(SessionCursor { plugged, id }) = &after {
                let (plugged, id) = (only.place(*plugged), only.place(id.as_str()));
                only.conditions
                    .push(format!("(session.plugged, session.id) < ({plugged}, {id})"));
            }
            let select = format!(
                "SELECT body FROM session {} ORDER BY plugged DESC, id DESC LIMIT {}",
                only.text(),
                only.place(limit)
            );
            sql.all(&select, &only.parameters, |row| row.json(0))
        };
        self.reader.call("read the sessions", read).await
    }

    async fn session_totals(&self, filter: &SessionFilter) -> Result<SessionTotals, StoreError> {
        let filter = filter.clone();
        let read = move |sql: &dyn Sql| totals(sql, &filter);
        self.reader.call("add up the sessions", read).await
    }

    async fn open_sessions(&self, site: &SiteId) -> Result<Vec<Session>, StoreError> {
        let site = site.clone();
        let read = move |sql: &dyn Sql| {
            let select =
                "SELECT body FROM session WHERE site = ?1 AND unplugged IS NULL ORDER BY plugged, id";
            sql.all(select, params![site.as_str()], |row| row.json(0))
        };
        self.reader.call("read the open sessions", read).await
    }

    async fn anonymise_sessions(&self, user: &UserId, before: Option<Timestamp>) -> Result<u64, StoreError> {
        let user = user.clone();
        let forget = move |sql: &dyn Sql| {
            let mut only = Only::default();
            only.add("user_id = ?", Some(user.as_str()));
            only.add("plugged < ?", before);
            let select = format!(
                "SELECT body FROM session WHERE id IN (SELECT session FROM billed {})",
                only.text()
            );
            let sessions: Vec<Session> = sql.all(&select, &only.parameters, |row| row.json(0))?;
            let mut count = 0;
            for mut session in sessions {
                forget_who(&mut session, |authorisation| {
                    authorisation.user.as_ref() == Some(&user)
                });
                upsert(sql, &session)?;
                count += 1;
            }
            Ok(count)
        };
        self.writer.call("make sessions anonymous", forget).await
    }

    async fn forget_sessions(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let forget = move |sql: &dyn Sql| {
            let select = "SELECT body FROM session WHERE plugged < ?1 AND unplugged < ?1
                 AND (vehicle IS NOT NULL OR id IN (SELECT session FROM billed
                 WHERE plugged < ?1 AND (user_id IS NOT NULL OR card IS NOT NULL)))
                 ORDER BY plugged, id LIMIT ?2";
            let sessions: Vec<Session> = sql.all(select, params![before, limit], |row| row.json(0))?;
            let mut count = 0;
            for mut session in sessions {
                forget_who(&mut session, |_| true);
                upsert(sql, &session)?;
                count += 1;
            }
            Ok(count)
        };
        self.writer.call("make old sessions anonymous", forget).await
    }

    async fn put_ledger(&self, epoch: u64, entry: &LedgerEntry) -> Done {
        let entry = entry.clone();
        let put = move |sql: &dyn Sql| {
            fence(sql, "write the ledger", &entry.site, epoch)?;
            enter(sql, &entry)
        };
        self.writer.call("write the ledger", put).await
    }

    async fn put_books(
        &self,
        epoch: u64,
        site: &SiteId,
        sessions: &[Session],
        ledger: &[LedgerEntry],
    ) -> Done {
        let (site, sessions, ledger) = (site.clone(), sessions.to_vec(), ledger.to_vec());
        let put = move |sql: &dyn Sql| {
            fence(sql, "store sessions and ledger", &site, epoch)?;
            sessions.iter().try_for_each(|session| keep(sql, session))?;
            ledger.iter().try_for_each(|entry| enter(sql, entry))
        };
        self.writer.call("store sessions and ledger", put).await
    }

    async fn ledger(
        &self,
        site: &SiteId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let site = site.clone();
        let read = move |sql: &dyn Sql| {
            let select =
                "SELECT body FROM ledger WHERE site = ?1 AND start >= ?2 AND start < ?3 ORDER BY start";
            sql.all(select, params![site.as_str(), from, to], |row| row.json(0))
        };
        self.reader.call("read the ledger", read).await
    }
}

/// Takes user and card out of the authorisations that are meant, and the vehicle, which tells as much.
fn forget_who(session: &mut Session, is_meant: impl Fn(&Authorisation) -> bool) {
    let authorisations = session.transactions.iter_mut().map(|t| &mut t.authorisation);
    for authorisation in authorisations.filter(|authorisation| is_meant(authorisation)) {
        authorisation.user = None;
        authorisation.card = None;
    }
    session.vehicle = None;
}

/// What may be kept of a later copy, if the stored one was made anonymous meanwhile: whoever has the session
/// open may not have heard of it. Only plug-and-go becomes somebody's later, and is of another kind then.
fn without_forgotten(sql: &dyn Sql, session: &Session) -> Result<Option<Session>, Failure> {
    let named = || {
        let is_named = |t: &&Transaction| t.authorisation.user.is_some();
        session.transactions.iter().filter(is_named)
    };
    if named().next().is_none() {
        return Ok(None);
    }
    let select = "SELECT number FROM billed WHERE session = ?1 AND user_id IS NULL ORDER BY number";
    let nobodys = sql.all(select, params![session.id.as_str()], |row| row.int(0))?;
    if !named().any(|t| nobodys.contains(&i64::from(t.number))) {
        return Ok(None);
    }
    let select = "SELECT body FROM session WHERE id = ?1";
    let stored: Option<Session> = sql.first(select, params![session.id.as_str()], |row| row.json(0))?;
    let stored = stored.map_or(Vec::new(), |stored| stored.transactions);
    let mut copy = session.clone();
    let mut is_changed = false;
    for transaction in &mut copy.transactions {
        let authorisation = &mut transaction.authorisation;
        let is_forgotten = stored.iter().any(|stored| {
            stored.number == transaction.number
                && stored.authorisation.user.is_none()
                && stored.authorisation.kind == authorisation.kind
        });
        if is_forgotten && authorisation.user.is_some() {
            authorisation.user = None;
            authorisation.card = None;
            is_changed = true;
        }
    }
    if is_changed {
        copy.vehicle = None;
    }
    Ok(is_changed.then_some(copy))
}

/// Stores a copy of a session without what was forgotten meanwhile.
fn keep(sql: &dyn Sql, session: &Session) -> Result<(), Failure> {
    match without_forgotten(sql, session)? {
        Some(session) => upsert(sql, &session),
        None => upsert(sql, session),
    }
}

/// Stores a session and its transactions, unless a later copy of it is there.
fn upsert(sql: &dyn Sql, session: &Session) -> Result<(), Failure> {
    let body = to_json(session)?;
    let id = session.id.as_str();
    let changed = sql.execute(
        "INSERT INTO session (id, site, evse, vehicle, plugged, unplugged, revision, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET site = excluded.site, evse = excluded.evse,
         vehicle = excluded.vehicle, plugged = excluded.plugged, unplugged = excluded.unplugged,
         revision = excluded.revision, body = excluded.body
         WHERE excluded.revision >= session.revision",
        params![
            id,
            session.site.as_str(),
            session.evse.as_str(),
            session.vehicle.as_ref().map(|vehicle| vehicle.as_str()),
            session.plugged,
            session.unplugged,
            i64::try_from(session.revision).map_err(damaged)?,
            &body
        ],
    )?;
    if changed == 0 {
        return Ok(());
    }
    sql.write("DELETE FROM billed WHERE session = ?1", params![id])?;
    for transaction in &session.transactions {
        let unpriced = transaction.unpriced();
        let priced = Billed {
            number: i64::from(transaction.number),
            energy: transaction.energy - unpriced,
            cost: transaction.cost,
        };
        bill(sql, session, transaction, &priced)?;
    }
    // Costs in further currencies, and energy without a price, stand in rows of their own: totals are sums of
    // columns. Transactions have the numbers from 1 up, these those from -1 down.
    let further = session.transactions.iter().flat_map(|transaction| {
        let unpriced = Some(transaction.unpriced()).filter(|energy| *energy > WattHours::ZERO);
        let costs = transaction
            .other_costs
            .iter()
            .map(|cost| (WattHours::ZERO, Some(*cost)));
        let all = unpriced.map(|energy| (energy, None)).into_iter().chain(costs);
        all.map(move |(energy, cost)| (transaction, energy, cost))
    });
    for ((transaction, energy, cost), number) in further.zip((i64::MIN..0).rev()) {
        bill(sql, session, transaction, &Billed { number, energy, cost })?;
    }
    Ok(())
}

/// A row of what is billed of a transaction; the one with its own number holds all that is not said here.
struct Billed {
    number: i64,
    energy: WattHours,
    cost: Option<Cost>,
}

fn bill(sql: &dyn Sql, session: &Session, transaction: &Transaction, row: &Billed) -> Result<(), Failure> {
    let authorisation = &transaction.authorisation;
    let main = |value: i64| if row.number > 0 { value } else { 0 };
    sql.write(
        "INSERT INTO billed (session, number, plugged, user_id, card, energy_wh, charging_ms,
         sun_wh, battery_wh, grid_wh, cost, currency)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            session.id.as_str(),
            row.number,
            session.plugged,
            authorisation.user.as_ref().map(|user| user.as_str()),
            authorisation.card.as_ref().map(|card| card.as_str()),
            row.energy.0,
            main(transaction.charging.0),
            main(transaction.origin.sun.0),
            main(transaction.origin.battery.0),
            main(transaction.origin.grid.0),
            row.cost.map(|cost| cost.amount.0),
            row.cost.as_ref().map(|cost| cost.currency.as_str())
        ],
    )
}

/// Stores a quarter-hour, with what another copy of it knows beyond this one.
fn enter(sql: &dyn Sql, entry: &LedgerEntry) -> Result<(), Failure> {
    let select = "SELECT body FROM ledger WHERE site = ?1 AND start = ?2";
    let held = sql.first(select, params![entry.site.as_str(), entry.start], |row| {
        row.json::<LedgerEntry>(0)
    })?;
    let whole = match held {
        Some(held) => entry.clone().at_least(&held),
        None => entry.clone(),
    };
    sql.write(
        "INSERT INTO ledger (site, start, body) VALUES (?1, ?2, ?3)
         ON CONFLICT (site, start) DO UPDATE SET body = excluded.body",
        params![entry.site.as_str(), entry.start, &to_json(&whole)?],
    )
}

/// The conditions on sessions, apart from those on their transactions.
fn of_session(filter: &SessionFilter) -> Only<'_> {
    let mut only = Only::default();
    only.add("session.site = ?", filter.site.as_ref().map(|id| id.as_str()));
    only.add("session.evse = ?", filter.evse.as_ref().map(|id| id.as_str()));
    let vehicle = filter.vehicle.as_ref().map(|id| id.as_str());
    only.add("session.vehicle = ?", vehicle);
    only.add("session.plugged >= ?", filter.from);
    only.add("session.plugged < ?", filter.to);
    only
}

/// The conditions on transactions.
fn of_billed<'a>(only: &mut Only<'a>, filter: &'a SessionFilter) {
    only.add("billed.user_id = ?", filter.user.as_ref().map(|id| id.as_str()));
    only.add("billed.card = ?", filter.card.as_ref().map(|id| id.as_str()));
}

/// Everything a session must fulfil; of user and card, one of its transactions must.
fn sessions(filter: &SessionFilter) -> Only<'_> {
    let mut only = of_session(filter);
    if filter.user.is_some() || filter.card.is_some() {
        let outer = std::mem::take(&mut only.conditions);
        of_billed(&mut only, filter);
        only.add("billed.plugged >= ?", filter.from);
        only.add("billed.plugged < ?", filter.to);
        let inner = format!(
            "session.id IN (SELECT billed.session FROM billed {})",
            only.text()
        );
        only.conditions = outer;
        only.conditions.push(inner);
    }
    only
}

fn totals(sql: &dyn Sql, filter: &SessionFilter) -> Result<SessionTotals, Failure> {
    let only = sessions(filter);
    let select = format!("SELECT count(*) FROM session {}", only.text());
    let count = sql.first(&select, &only.parameters, |row| row.int(0))?;

    let mut only = of_session(filter);
    of_billed(&mut only, filter);
    let sum = |column: &str| format!("CAST(coalesce(sum(billed.{column}), 0) AS BIGINT)");
    let sums = [
        "energy_wh",
        "charging_ms",
        "sun_wh",
        "battery_wh",
        "grid_wh",
        "cost",
    ]
    .map(sum);
    let select = format!(
        "SELECT billed.currency, {} FROM billed JOIN session ON session.id = billed.session {}
         GROUP BY billed.currency ORDER BY billed.currency",
        sums.join(", "),
        only.text()
    );
    let parameters: &[Param<'_>] = &only.parameters;
    let mut totals = SessionTotals {
        count: u64::try_from(count.unwrap_or(0)).map_err(damaged)?,
        ..SessionTotals::default()
    };
    sql.each(&select, parameters, &mut |row| {
        totals.energy += WattHours(row.int(1)?);
        totals.charging = Millis(totals.charging.0.saturating_add(row.int(2)?));
        totals.origin.sun += WattHours(row.int(3)?);
        totals.origin.battery += WattHours(row.int(4)?);
        totals.origin.grid += WattHours(row.int(5)?);
        if let Some(currency) = row.opt_text(0)? {
            let currency: Currency = currency.parse().map_err(damaged)?;
            let amount = Micros(row.int(6)?);
            totals.costs.push(Cost { amount, currency });
        } else {
            totals.unpriced = WattHours(row.int(1)?);
        }
        Ok(())
    })?;
    Ok(totals)
}
