//! Configuration and records in tables.

use async_trait::async_trait;
use model::alarm::Alarm;
use model::device::Wish;
use model::document::Document;
use model::id::{DeviceId, EvseId, IdError, SiteId, UserId};
use model::setpoint::ChargeCurrent;
use model::time::Timestamp;
use model::units::MilliAmps;
use model::user::User;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sqlite::Sqlite;
use crate::sqlite::worker::Failure;
use crate::{
    Alarms, Aliases, Audit, AuditEntry, Control, DeviceSeen, Secrets, Sites, StoreError, StoredDocument,
    StoredSecret, Users, alias_taken,
};

type Done = Result<(), StoreError>;

/// Raises the newest epoch of a site to the one given, or refuses it.
fn fence(connection: &Connection, operation: &'static str, site: &SiteId, epoch: u64) -> Result<(), Failure> {
    let newest = newest_epoch(connection, site)?;
    if epoch < newest {
        return Err(StoreError::Fenced {
            operation,
            site: site.clone(),
            given: epoch,
            newest,
        }
        .into());
    }
    if epoch > newest {
        set_epoch(connection, site, epoch)
    } else {
        Ok(())
    }
}

fn newest_epoch(connection: &Connection, site: &SiteId) -> Result<u64, Failure> {
    let mut select = connection.prepare_cached("SELECT newest FROM epoch WHERE site = ?1")?;
    let newest: Option<i64> = select.query_row([site.as_str()], |row| row.get(0)).optional()?;
    u64::try_from(newest.unwrap_or(0)).map_err(damaged)
}

fn set_epoch(connection: &Connection, site: &SiteId, epoch: u64) -> Result<(), Failure> {
    let epoch = i64::try_from(epoch).map_err(damaged)?;
    execute(
        connection,
        "INSERT OR REPLACE INTO epoch (site, newest) VALUES (?1, ?2)",
        params![site.as_str(), epoch],
    )
}

fn execute(connection: &Connection, sql: &str, parameters: impl Params) -> Result<(), Failure> {
    connection.prepare_cached(sql)?.execute(parameters)?;
    Ok(())
}

/// Every row of a query, each made into something by `make`.
fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    make: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query(parameters)?;
    let mut made = Vec::new();
    while let Some(row) = rows.next()? {
        made.push(make(row)?);
    }
    Ok(made)
}

fn damaged(cause: impl std::fmt::Display) -> Failure {
    Failure::Damaged(format!("the database holds something odd: {cause}"))
}

fn id<T: std::str::FromStr<Err = IdError>>(row: &Row<'_>, column: usize) -> Result<T, Failure> {
    row.get_ref(column)?
        .as_str()
        .map_err(damaged)?
        .parse()
        .map_err(damaged)
}

/// A value of the model as the text it has in JSON; a plain word without its quotes.
fn to_text<T: Serialize>(value: &T) -> Result<String, Failure> {
    match serde_json::to_value(value).map_err(damaged)? {
        serde_json::Value::String(word) => Ok(word),
        other @ (serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_)) => Ok(other.to_string()),
    }
}

fn from_word<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, Failure> {
    serde_json::from_value(serde_json::Value::String(row.get(column)?)).map_err(damaged)
}

fn secret(row: &Row<'_>, first: usize) -> Result<StoredSecret, Failure> {
    let expires: Option<i64> = row.get(first + 2)?;
    Ok(StoredSecret {
        owner: row.get(first)?,
        bytes: row.get(first + 1)?,
        expires: expires.map(Timestamp),
    })
}

#[async_trait]
impl Sites for Sqlite {
    async fn take_epoch(&self, site: &SiteId) -> Result<u64, StoreError> {
        let site = site.clone();
        let take = move |connection: &Connection| {
            let epoch = newest_epoch(connection, &site)? + 1;
            set_epoch(connection, &site, epoch)?;
            Ok(epoch)
        };
        self.writer.call("take over a site", take).await
    }

    async fn put_wish(&self, site: &SiteId, epoch: u64, evse: &EvseId, wish: Wish) -> Done {
        let (site, evse) = (site.clone(), evse.clone());
        let put = move |connection: &Connection| {
            fence(connection, "store a wish", &site, epoch)?;
            let body = serde_json::to_string(&wish).map_err(damaged)?;
            let sql = "INSERT OR REPLACE INTO wish (site, evse, body) VALUES (?1, ?2, ?3)";
            execute(connection, sql, params![site.as_str(), evse.as_str(), body])
        };
        self.writer.call("store a wish", put).await
    }

    async fn wishes(&self, site: &SiteId) -> Result<Vec<(EvseId, Wish)>, StoreError> {
        let site = site.clone();
        let read = move |connection: &Connection| {
            let sql = "SELECT evse, body FROM wish WHERE site = ?1 ORDER BY evse";
            all(connection, sql, [site.as_str()], |row| {
                let body = row.get_ref(1)?.as_str().map_err(damaged)?;
                Ok((id(row, 0)?, serde_json::from_str(body).map_err(damaged)?))
            })
        };
        self.reader.call("read the wishes", read).await
    }

    async fn put_device(&self, site: &SiteId, device: &DeviceId, seen: DeviceSeen) -> Done {
        let (site, device) = (site.clone(), device.clone());
        let put = move |connection: &Connection| {
            let sql =
                "INSERT OR REPLACE INTO device (site, device, seen_at, identity) VALUES (?1, ?2, ?3, ?4)";
            execute(
                connection,
                sql,
                params![site.as_str(), device.as_str(), seen.at.0, seen.identity],
            )
        };
        self.writer.call("store a device", put).await
    }

    async fn devices(&self, site: &SiteId) -> Result<Vec<(DeviceId, DeviceSeen)>, StoreError> {
        let site = site.clone();
        let read = move |connection: &Connection| {
            let sql = "SELECT device, seen_at, identity FROM device WHERE site = ?1 ORDER BY device";
            all(connection, sql, [site.as_str()], |row| {
                Ok((
                    id(row, 0)?,
                    DeviceSeen {
                        at: Timestamp(row.get(1)?),
                        identity: row.get(2)?,
                    },
                ))
            })
        };
        self.reader.call("read the devices", read).await
    }

    async fn put_document(&self, site: &SiteId, device: &DeviceId, document: &Document) -> Done {
        let (site, device, stored) = (site.clone(), device.clone(), StoredDocument::of(document));
        let put = move |connection: &Connection| {
            let sql = "INSERT OR REPLACE INTO document (site, device, dialect, at, json) VALUES (?1, ?2, ?3, ?4, ?5)";
            let StoredDocument { dialect, at, json } = &stored;
            execute(
                connection,
                sql,
                params![site.as_str(), device.as_str(), dialect, at.0, json],
            )
        };
        self.writer.call("store a vendor document", put).await
    }

    async fn documents(&self, site: &SiteId) -> Result<Vec<(DeviceId, StoredDocument)>, StoreError> {
        let site = site.clone();
        let read = move |connection: &Connection| {
            let sql = "SELECT device, dialect, at, json FROM document WHERE site = ?1 ORDER BY device";
            all(connection, sql, [site.as_str()], |row| {
                let at = Timestamp(row.get(2)?);
                Ok((
                    id(row, 0)?,
                    StoredDocument {
                        dialect: row.get(1)?,
                        at,
                        json: row.get(3)?,
                    },
                ))
            })
        };
        self.reader.call("read the vendor documents", read).await
    }
}

#[async_trait]
impl Control for Sqlite {
    async fn put_setpoints(&self, site: &SiteId, epoch: u64, told: &[(EvseId, ChargeCurrent)]) -> Done {
        let (site, told) = (site.clone(), told.to_vec());
        let put = move |connection: &Connection| {
            fence(connection, "store setpoints", &site, epoch)?;
            let sql = "INSERT OR REPLACE INTO setpoint (site, evse, current_ma) VALUES (?1, ?2, ?3)";
            told.iter().try_for_each(|(evse, current)| {
                let current_ma = current.current().map(|current| current.0);
                execute(connection, sql, params![site.as_str(), evse.as_str(), current_ma])
            })
        };
        self.writer.call("store setpoints", put).await
    }

    async fn setpoints(&self, site: &SiteId) -> Result<Vec<(EvseId, ChargeCurrent)>, StoreError> {
        let site = site.clone();
        let read = move |connection: &Connection| {
            let sql = "SELECT evse, current_ma FROM setpoint WHERE site = ?1 ORDER BY evse";
            all(connection, sql, [site.as_str()], |row| {
                let current: Option<i64> = row.get(1)?;
                let current =
                    current.map_or(ChargeCurrent::PAUSED, |ma| ChargeCurrent::at_most(MilliAmps(ma)));
                Ok((id(row, 0)?, current))
            })
        };
        self.reader.call("read the setpoints", read).await
    }

    async fn put_memory(&self, site: &SiteId, epoch: u64, version: u32, bytes: &[u8]) -> Done {
        let (site, bytes) = (site.clone(), bytes.to_vec());
        let operation = "store the memory of the control cycle";
        let put = move |connection: &Connection| {
            fence(connection, operation, &site, epoch)?;
            let sql = "INSERT OR REPLACE INTO control_memory (site, version, bytes) VALUES (?1, ?2, ?3)";
            execute(connection, sql, params![site.as_str(), version, bytes])
        };
        self.writer.call(operation, put).await
    }

    async fn memory(&self, site: &SiteId) -> Result<Option<(u32, Vec<u8>)>, StoreError> {
        let site = site.clone();
        let read = move |connection: &Connection| {
            let sql = "SELECT version, bytes FROM control_memory WHERE site = ?1";
            let mut select = connection.prepare_cached(sql)?;
            Ok(select
                .query_row([site.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?)
        };
        self.reader
            .call("read the memory of the control cycle", read)
            .await
    }
}

fn user(row: &Row<'_>) -> Result<User, Failure> {
    let name: String = row.get(1)?;
    Ok(User::new(id(row, 0)?, &name, from_word(row, 2)?))
}

#[async_trait]
impl Users for Sqlite {
    async fn put_user(&self, user: &User) -> Done {
        let user = user.clone();
        let put = move |connection: &Connection| {
            let sql = "INSERT OR REPLACE INTO user (id, name, role) VALUES (?1, ?2, ?3)";
            execute(
                connection,
                sql,
                params![
                    user.id.as_str(),
                    user.name,
                    to_text(&user.role.unwrap_or(model::user::Role::Viewer))?
                ],
            )
        };
        self.writer.call("store a user", put).await
    }

    async fn users(&self) -> Result<Vec<User>, StoreError> {
        let read = |connection: &Connection| {
            all(
                connection,
                "SELECT id, name, role FROM user ORDER BY id",
                [],
                user,
            )
        };
        self.reader.call("read the users", read).await
    }

    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let id = id.clone();
        let read = move |connection: &Connection| {
            let sql = "SELECT id, name, role FROM user WHERE id = ?1";
            Ok(all(connection, sql, [id.as_str()], user)?.pop())
        };
        self.reader.call("read a user", read).await
    }
}

#[async_trait]
impl Secrets for Sqlite {
    async fn put_secret(&self, kind: &str, name: &str, secret: &StoredSecret) -> Done {
        let (kind, name, secret) = (kind.to_owned(), name.to_owned(), secret.clone());
        let put = move |connection: &Connection| {
            let sql = "INSERT OR REPLACE INTO secret (kind, name, owner, bytes, expires) VALUES (?1, ?2, ?3, ?4, ?5)";
            let expires = secret.expires.map(|at| at.0);
            execute(
                connection,
                sql,
                params![kind, name, secret.owner, secret.bytes, expires],
            )
        };
        self.writer.call("store a secret", put).await
    }

    async fn secret(&self, kind: &str, name: &str) -> Result<Option<StoredSecret>, StoreError> {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        let read = move |connection: &Connection| {
            let sql = "SELECT owner, bytes, expires FROM secret WHERE kind = ?1 AND name = ?2";
            Ok(all(connection, sql, params![kind, name], |row| secret(row, 0))?.pop())
        };
        self.reader.call("read a secret", read).await
    }

    async fn secrets(&self, kind: &str) -> Result<Vec<(String, StoredSecret)>, StoreError> {
        let kind = kind.to_owned();
        let read = move |connection: &Connection| {
            let sql = "SELECT name, owner, bytes, expires FROM secret WHERE kind = ?1 ORDER BY name";
            all(connection, sql, [&kind], |row| Ok((row.get(0)?, secret(row, 1)?)))
        };
        self.reader.call("read the secrets", read).await
    }

    async fn delete_secret(&self, kind: &str, name: &str) -> Done {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        let delete = move |connection: &Connection| {
            execute(
                connection,
                "DELETE FROM secret WHERE kind = ?1 AND name = ?2",
                params![kind, name],
            )
        };
        self.writer.call("delete a secret", delete).await
    }

    async fn expire_secrets(&self, kind: &str, now: Timestamp) -> Done {
        let kind = kind.to_owned();
        let delete = move |connection: &Connection| {
            execute(
                connection,
                "DELETE FROM secret WHERE kind = ?1 AND expires < ?2",
                params![kind, now.0],
            )
        };
        self.writer.call("delete expired secrets", delete).await
    }
}

#[async_trait]
impl Aliases for Sqlite {
    async fn put_alias(&self, dialect: &str, name: &str, means: &str) -> Done {
        let (dialect, name, means) = (dialect.to_owned(), name.to_owned(), means.to_owned());
        let put = move |connection: &Connection| match held_alias(connection, &dialect, &name)? {
            Some(held) if held == means => Ok(()),
            Some(held) => Err(alias_taken(&dialect, &name, &held).into()),
            None => {
                let sql = "INSERT INTO alias (dialect, name, means) VALUES (?1, ?2, ?3)";
                execute(connection, sql, params![dialect, name, means])
            }
        };
        self.writer.call("assign an alias", put).await
    }

    async fn alias(&self, dialect: &str, name: &str) -> Result<Option<String>, StoreError> {
        let (dialect, name) = (dialect.to_owned(), name.to_owned());
        let read = move |connection: &Connection| held_alias(connection, &dialect, &name);
        self.reader.call("read an alias", read).await
    }

    async fn aliases(&self, dialect: &str) -> Result<Vec<(String, String)>, StoreError> {
        let dialect = dialect.to_owned();
        let read = move |connection: &Connection| {
            let sql = "SELECT name, means FROM alias WHERE dialect = ?1 ORDER BY name";
            all(connection, sql, [&dialect], |row| Ok((row.get(0)?, row.get(1)?)))
        };
        self.reader.call("read the aliases", read).await
    }
}

fn held_alias(connection: &Connection, dialect: &str, name: &str) -> Result<Option<String>, Failure> {
    let mut select = connection.prepare_cached("SELECT means FROM alias WHERE dialect = ?1 AND name = ?2")?;
    Ok(select.query_row([dialect, name], |row| row.get(0)).optional()?)
}

#[async_trait]
impl Audit for Sqlite {
    async fn record(&self, entry: &AuditEntry) -> Done {
        let entry = entry.clone();
        let put = move |connection: &Connection| {
            let sql = "INSERT INTO audit (at, principal, door, action, outcome) VALUES (?1, ?2, ?3, ?4, ?5)";
            let AuditEntry {
                at,
                principal,
                door,
                action,
                outcome,
            } = &entry;
            execute(connection, sql, params![at.0, principal, door, action, outcome])
        };
        self.writer.call("write the audit log", put).await
    }

    async fn recent(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let read = move |connection: &Connection| {
            let sql = "SELECT at, principal, door, action, outcome FROM audit ORDER BY id DESC LIMIT ?1";
            all(connection, sql, [limit], |row| {
                Ok(AuditEntry {
                    at: Timestamp(row.get(0)?),
                    principal: row.get(1)?,
                    door: row.get(2)?,
                    action: row.get(3)?,
                    outcome: row.get(4)?,
                })
            })
        };
        self.reader.call("read the audit log", read).await
    }
}

#[async_trait]
impl Alarms for Sqlite {
    async fn put_alarm(&self, alarm: &Alarm) -> Done {
        let alarm = alarm.clone();
        let put = move |connection: &Connection| {
            let sql = "INSERT INTO alarm (site, device, code, severity, text, raised, cleared)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                ON CONFLICT (site, device, code, raised) DO UPDATE
                SET severity = excluded.severity, text = excluded.text, cleared = excluded.cleared";
            let device = alarm.device.as_ref().map_or("", DeviceId::as_str);
            let (code, severity) = (to_text(&alarm.code)?, to_text(&alarm.severity)?);
            let cleared = alarm.cleared.map(|at| at.0);
            let (site, text) = (alarm.site.as_str(), &alarm.text);
            execute(
                connection,
                sql,
                params![site, device, code, severity, text, alarm.raised.0, cleared],
            )
        };
        self.writer.call("store an alarm", put).await
    }

    async fn alarms(&self, site: &SiteId, limit: u32) -> Result<Vec<Alarm>, StoreError> {
        let site = site.clone();
        let read = move |connection: &Connection| {
            let sql = "SELECT device, code, severity, text, raised, cleared FROM alarm
                WHERE site = ?1 ORDER BY raised DESC, id DESC LIMIT ?2";
            all(connection, sql, params![site.as_str(), limit], |row| {
                let is_of_site = row.get_ref(0)?.as_str().map_err(damaged)?.is_empty();
                let cleared: Option<i64> = row.get(5)?;
                Ok(Alarm {
                    site: site.clone(),
                    device: if is_of_site { None } else { Some(id(row, 0)?) },
                    code: from_word(row, 1)?,
                    severity: from_word(row, 2)?,
                    text: row.get(3)?,
                    raised: Timestamp(row.get(4)?),
                    cleared: cleared.map(Timestamp),
                    acknowledged: None,
                })
            })
        };
        self.reader.call("read the alarms", read).await
    }
}
