//! Prices of dynamic tariffs.

use async_trait::async_trait;
use model::money::PerKwh;
use model::time::Timestamp;

use crate::database::Database;
use crate::sql::{Sql, params};
use crate::{Done, Prices, StoreError};

#[async_trait]
impl<G: Send + Sync> Prices for Database<G> {
    async fn put_prices(&self, provider: &str, prices: &[(Timestamp, Timestamp, PerKwh)]) -> Done {
        let (provider, prices) = (provider.to_owned(), prices.to_vec());
        let put = move |sql: &dyn Sql| {
            prices.iter().try_for_each(|(start, end, price)| {
                sql.write(
                    "DELETE FROM price WHERE provider = ?1 AND starts < ?2 AND ends > ?3",
                    params![&provider, *end, *start],
                )?;
                sql.write(
                    "INSERT INTO price (provider, starts, ends, per_kwh) VALUES (?1, ?2, ?3, ?4)",
                    params![&provider, *start, *end, price.0],
                )
            })
        };
        self.writer.call("store prices", put).await
    }

    async fn prices(
        &self,
        provider: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, Timestamp, PerKwh)>, StoreError> {
        let provider = provider.to_owned();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT starts, ends, per_kwh FROM price
                WHERE provider = ?1 AND starts < ?2 AND ends > ?3 ORDER BY starts";
            sql.all(select, params![&provider, to, from], |row| {
                Ok((row.time(0)?, row.time(1)?, PerKwh(row.int(2)?)))
            })
        };
        self.reader.call("read prices", read).await
    }
}
