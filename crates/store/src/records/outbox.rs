//! What is owed to the outside, in the order in which it was put there.

use async_trait::async_trait;
use model::id::{ParcelId, UserId};
use model::outbox::{Parcel, ParcelState};
use model::time::Timestamp;

use super::to_json;
use crate::database::Database;
use crate::sql::{Failure, Sql, params};
use crate::{Done, Outbox, StoreError};

/// The state as a word and a time.
fn state(parcel: &Parcel) -> (&'static str, Timestamp) {
    match parcel.state {
        ParcelState::Waiting { next_attempt } => ("waiting", next_attempt),
        ParcelState::Dead { since } => ("dead", since),
        ParcelState::Delivered { at } => ("delivered", at),
    }
}

/// Stores a parcel, or what has become of it.
pub fn put(sql: &dyn Sql, parcel: &Parcel) -> Result<(), Failure> {
    let (state, at) = state(parcel);
    sql.write(
        "INSERT INTO parcel (id, target, state, at, body) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET target = excluded.target, state = excluded.state,
         at = excluded.at, body = excluded.body",
        params![parcel.id.as_str(), &parcel.target, state, at, &to_json(parcel)?],
    )
}

#[async_trait]
impl<G: Send + Sync> Outbox for Database<G> {
    async fn put_parcel(&self, parcel: &Parcel) -> Done {
        let parcel = parcel.clone();
        let put = move |sql: &dyn Sql| put(sql, &parcel);
        self.writer.call("store a parcel", put).await
    }

    async fn update_parcel(&self, parcel: &Parcel) -> Result<bool, StoreError> {
        let parcel = parcel.clone();
        let update = move |sql: &dyn Sql| {
            let (state, at) = state(&parcel);
            let changed = sql.execute(
                "UPDATE parcel SET target = ?2, state = ?3, at = ?4, body = ?5 WHERE id = ?1",
                params![parcel.id.as_str(), &parcel.target, state, at, &to_json(&parcel)?],
            )?;
            Ok(changed > 0)
        };
        self.writer.call("store what became of a parcel", update).await
    }

    async fn parcel(&self, id: &ParcelId) -> Result<Option<Parcel>, StoreError> {
        let id = id.clone();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT body FROM parcel WHERE id = ?1";
            sql.first(select, params![id.as_str()], |row| row.json(0))
        };
        self.reader.call("read a parcel", read).await
    }

    async fn due_parcels(&self, now: Timestamp, limit: u32) -> Result<Vec<Parcel>, StoreError> {
        let read = move |sql: &dyn Sql| {
            let select = "SELECT body FROM parcel WHERE number IN
                (SELECT min(number) FROM parcel WHERE state = 'waiting' GROUP BY target)
                AND at <= ?1 ORDER BY number LIMIT ?2";
            sql.all(select, params![now, limit], |row| row.json(0))
        };
        self.reader.call("read the due parcels", read).await
    }

    async fn parcels(
        &self,
        only: Option<&str>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, Parcel)>, StoreError> {
        let state = only.map(str::to_owned);
        let read = move |sql: &dyn Sql| {
            let mut only = super::Only::default();
            only.add("state = ?", state.as_ref());
            only.add("number < ?", before);
            let select = format!(
                "SELECT body, number FROM parcel {} ORDER BY number DESC LIMIT {}",
                only.text(),
                only.place(limit)
            );
            sql.all(&select, &only.parameters, |row| Ok((row.int(1)?, row.json(0)?)))
        };
        self.reader.call("read the parcels", read).await
    }

    async fn delete_parcel(&self, id: &ParcelId) -> Result<bool, StoreError> {
        let id = id.clone();
        let delete = move |sql: &dyn Sql| {
            let deleted = sql.execute("DELETE FROM parcel WHERE id = ?1", params![id.as_str()])?;
            Ok(deleted > 0)
        };
        self.writer.call("delete a parcel", delete).await
    }

    async fn forget_parcels(&self, author: &UserId) -> Result<u64, StoreError> {
        let author = author.clone();
        let delete = move |sql: &dyn Sql| {
            let all: Vec<Parcel> =
                sql.all("SELECT body FROM parcel ORDER BY number", &[], |row| row.json(0))?;
            let mut count = 0;
            for parcel in all
                .iter()
                .filter(|parcel| parcel.author.as_ref() == Some(&author))
            {
                sql.write("DELETE FROM parcel WHERE id = ?1", params![parcel.id.as_str()])?;
                count += 1;
            }
            Ok(count)
        };
        self.writer.call("forget the parcels of a user", delete).await
    }

    async fn forget_delivered(&self, before: Timestamp) -> Result<u64, StoreError> {
        let delete = move |sql: &dyn Sql| {
            let delete = "DELETE FROM parcel WHERE state = 'delivered' AND at < ?1";
            sql.execute(delete, params![before])
        };
        self.writer.call("forget delivered parcels", delete).await
    }
}
