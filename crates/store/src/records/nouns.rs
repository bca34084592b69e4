//! Nouns as documents.

use async_trait::async_trait;

use crate::database::Database;
use crate::sql::{Sql, params};
use crate::{Done, Nouns, StoreError};

#[async_trait]
impl<G: Send + Sync> Nouns for Database<G> {
    async fn put_noun(&self, kind: &str, id: &str, body: &str) -> Done {
        let (kind, id, body) = (kind.to_owned(), id.to_owned(), body.to_owned());
        let put = move |sql: &dyn Sql| {
            sql.write(
                "INSERT INTO noun (kind, id, body) VALUES (?1, ?2, ?3)
                 ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                params![&kind, &id, &body],
            )
        };
        self.writer.call("store a document", put).await
    }

    async fn noun(&self, kind: &str, id: &str) -> Result<Option<String>, StoreError> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        let read = move |sql: &dyn Sql| {
            let select = "SELECT body FROM noun WHERE kind = ?1 AND id = ?2";
            sql.first(select, params![&kind, &id], |row| Ok(row.text(0)?.to_owned()))
        };
        self.reader.call("read a document", read).await
    }

    async fn nouns(&self, kind: &str) -> Result<Vec<(String, String)>, StoreError> {
        let kind = kind.to_owned();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT id, body FROM noun WHERE kind = ?1 ORDER BY id";
            sql.all(select, params![&kind], |row| {
                Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))
            })
        };
        self.reader.call("read the documents", read).await
    }

    async fn delete_noun(&self, kind: &str, id: &str) -> Result<bool, StoreError> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        let delete = move |sql: &dyn Sql| {
            let delete = "DELETE FROM noun WHERE kind = ?1 AND id = ?2";
            Ok(sql.execute(delete, params![&kind, &id])? > 0)
        };
        self.writer.call("delete a document", delete).await
    }
}
