//! Secrets, and what dialects call our things.

use async_trait::async_trait;
use model::time::Timestamp;

use crate::database::Database;
use crate::sql::{Failure, Row, Sql, params};
use crate::{Aliases, Done, Secrets, StoreError, StoredSecret, alias_taken};

fn secret(row: &Row, first: usize) -> Result<StoredSecret, Failure> {
    Ok(StoredSecret {
        owner: row.text(first)?.to_owned(),
        bytes: row.bytes(first + 1)?.to_vec(),
        expires: row.opt_time(first + 2)?,
    })
}

#[async_trait]
impl<G: Send + Sync> Secrets for Database<G> {
    async fn put_secret(&self, kind: &str, name: &str, secret: &StoredSecret) -> Done {
        let (kind, name, secret) = (kind.to_owned(), name.to_owned(), secret.clone());
        let put = move |sql: &dyn Sql| {
            let StoredSecret {
                owner,
                bytes,
                expires,
            } = &secret;
            sql.write(
                "INSERT INTO secret (kind, name, owner, bytes, expires) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (kind, name) DO UPDATE
                 SET owner = excluded.owner, bytes = excluded.bytes, expires = excluded.expires",
                params![&kind, &name, owner, bytes, *expires],
            )
        };
        self.writer.call("store a secret", put).await
    }

    async fn secret(&self, kind: &str, name: &str) -> Result<Option<StoredSecret>, StoreError> {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        let read = move |sql: &dyn Sql| {
            let select = "SELECT owner, bytes, expires FROM secret WHERE kind = ?1 AND name = ?2";
            sql.first(select, params![&kind, &name], |row| secret(row, 0))
        };
        self.reader.call("read a secret", read).await
    }

    async fn secrets(&self, kind: &str) -> Result<Vec<(String, StoredSecret)>, StoreError> {
        let kind = kind.to_owned();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT name, owner, bytes, expires FROM secret WHERE kind = ?1 ORDER BY name";
            sql.all(select, params![&kind], |row| {
                Ok((row.text(0)?.to_owned(), secret(row, 1)?))
            })
        };
        self.reader.call("read the secrets", read).await
    }

    async fn delete_secret(&self, kind: &str, name: &str) -> Done {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        let delete = move |sql: &dyn Sql| {
            sql.write(
                "DELETE FROM secret WHERE kind = ?1 AND name = ?2",
                params![&kind, &name],
            )
        };
        self.writer.call("delete a secret", delete).await
    }

    async fn expire_secrets(&self, kind: &str, now: Timestamp) -> Done {
        let kind = kind.to_owned();
        let delete = move |sql: &dyn Sql| {
            sql.write(
                "DELETE FROM secret WHERE kind = ?1 AND expires < ?2",
                params![&kind, now],
            )
        };
        self.writer.call("delete expired secrets", delete).await
    }
}

#[async_trait]
impl<G: Send + Sync> Aliases for Database<G> {
    async fn put_alias(&self, dialect: &str, name: &str, means: &str) -> Done {
        self.put_aliases(dialect, &[(name.to_owned(), means.to_owned())])
            .await
    }

    async fn put_aliases(&self, dialect: &str, aliases: &[(String, String)]) -> Done {
        let (dialect, aliases) = (dialect.to_owned(), aliases.to_vec());
        let put = move |sql: &dyn Sql| {
            let mut new = Vec::new();
            for (name, means) in &aliases {
                match held_alias(sql, &dialect, name)? {
                    Some(held) if held == *means => {}
                    Some(held) => return Err(alias_taken(&dialect, name, &held).into()),
                    None => new.push((name, means)),
                }
            }
            new.iter().try_for_each(|(name, means)| {
                sql.write(
                    "INSERT INTO alias (dialect, name, means) VALUES (?1, ?2, ?3)",
                    params![&dialect, *name, *means],
                )
            })
        };
        self.writer.call("assign aliases", put).await
    }

    async fn alias(&self, dialect: &str, name: &str) -> Result<Option<String>, StoreError> {
        let (dialect, name) = (dialect.to_owned(), name.to_owned());
        let read = move |sql: &dyn Sql| held_alias(sql, &dialect, &name);
        self.reader.call("read an alias", read).await
    }

    async fn aliases(&self) -> Result<Vec<(String, String, String)>, StoreError> {
        let read = move |sql: &dyn Sql| {
            let select = "SELECT dialect, name, means FROM alias ORDER BY dialect, name";
            sql.all(select, params![], |row| {
                let text = |column| row.text(column).map(str::to_owned);
                Ok((text(0)?, text(1)?, text(2)?))
            })
        };
        self.reader.call("read the aliases", read).await
    }
}

fn held_alias(sql: &dyn Sql, dialect: &str, name: &str) -> Result<Option<String>, Failure> {
    let select = "SELECT means FROM alias WHERE dialect = ?1 AND name = ?2";
    sql.first(select, params![dialect, name], |row| Ok(row.text(0)?.to_owned()))
}
