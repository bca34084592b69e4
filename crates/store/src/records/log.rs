//! Who did what, and what somebody should look at.

use async_trait::async_trait;
use model::alarm::{Acknowledged, Alarm};
use model::id::{DeviceId, SiteId, UserId};
use model::time::Timestamp;

use super::to_word;
use crate::database::Database;
use crate::sql::{Failure, Param, Row, Sql, params};
use crate::{Alarms, Audit, AuditEntry, AuditFilter, Done, FORGOTTEN, StoreError};

#[async_trait]
impl<G: Send + Sync> Audit for Database<G> {
    async fn record(&self, entry: &AuditEntry) -> Done {
        let entry = entry.clone();
        let put = move |sql: &dyn Sql| {
            let AuditEntry {
                at,
                principal,
                door,
                action,
                outcome,
            } = &entry;
            sql.write(
                "INSERT INTO audit (at, principal, door, action, outcome) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![*at, principal, door, action, outcome],
            )
        };
        self.writer.call("write the audit log", put).await
    }

    async fn recent(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let entries = self.audit(&AuditFilter::default(), None, limit).await?;
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    }

    async fn anonymise_audit(&self, user: &UserId) -> Result<u64, StoreError> {
        let user = user.clone();
        let forget = move |sql: &dyn Sql| {
            // Ids have no character that means something in a pattern but `_`, which finds too much at worst.
            let named = format!("%{user}%");
            let select = "SELECT id, principal, action FROM audit
                 WHERE principal = ?1 OR action LIKE ?2 ORDER BY id";
            let found = sql.all(select, params![user.as_str(), &named], |row| {
                Ok((row.int(0)?, row.text(1)?.to_owned(), row.text(2)?.to_owned()))
            })?;
            let mut count = 0;
            for (id, principal, action) in found {
                let principal_now = without(&principal, user.as_str());
                let action_now = without(&action, user.as_str());
                if principal_now == principal && action_now == action {
                    continue;
                }
                sql.write(
                    "UPDATE audit SET principal = ?2, action = ?3 WHERE id = ?1",
                    params![id, &principal_now, &action_now],
                )?;
                count += 1;
            }
            Ok(count)
        };
        self.writer.call("make the audit log anonymous", forget).await
    }

    async fn forget_audit(&self, before: Timestamp) -> Result<u64, StoreError> {
        let delete = move |sql: &dyn Sql| sql.execute("DELETE FROM audit WHERE at < ?1", params![before]);
        self.writer.call("shorten the audit log", delete).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        before_id: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, AuditEntry)>, StoreError> {
        let filter = filter.clone();
        let read = move |sql: &dyn Sql| {
            let AuditFilter {
                principal,
                door,
                from,
                to,
            } = &filter;
            let mut only = super::Only::default();
            only.add("principal = ?", principal.as_ref());
            only.add("door = ?", door.as_ref());
            only.add("at >= ?", *from);
            only.add("at < ?", *to);
            only.add("id < ?", before_id);
            let select = format!(
                "SELECT at, principal, door, action, outcome, id FROM audit {} ORDER BY id DESC LIMIT {}",
                only.text(),
                only.place(limit)
            );
            sql.all(&select, &only.parameters, |row| Ok((row.int(5)?, entry(row)?)))
        };
        self.reader.call("read the audit log", read).await
    }
}

/// A text with another word wherever an id is a word of its own.
fn without(text: &str, id: &str) -> String {
    let is_of_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some(at) = rest.find(id) {
        let (before, from) = rest.split_at(at);
        let after = &from[id.len()..];
        let is_word = !out.ends_with(is_of_id) || !before.is_empty();
        let is_word = is_word && !before.ends_with(is_of_id) && !after.starts_with(is_of_id);
        out.push_str(before);
        out.push_str(if is_word { FORGOTTEN } else { id });
        rest = after;
    }
    out + rest
}

fn entry(row: &Row) -> Result<AuditEntry, Failure> {
    Ok(AuditEntry {
        at: row.time(0)?,
        principal: row.text(1)?.to_owned(),
        door: row.text(2)?.to_owned(),
        action: row.text(3)?.to_owned(),
        outcome: row.text(4)?.to_owned(),
    })
}

#[async_trait]
impl<G: Send + Sync> Alarms for Database<G> {
    async fn put_alarm(&self, alarm: &Alarm) -> Done {
        let alarm = alarm.clone();
        let put = move |sql: &dyn Sql| {
            let (by, at) = match &alarm.acknowledged {
                Some(Acknowledged { by, at }) => (Some(by.as_str()), Some(*at)),
                None => (None, None),
            };
            sql.write(
                "INSERT INTO alarm
                 (site, device, code, severity, text, raised, cleared, acknowledged_by, acknowledged_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (site, device, code, raised) DO UPDATE
                 SET severity = excluded.severity, text = excluded.text, cleared = excluded.cleared,
                 acknowledged_by = coalesce(excluded.acknowledged_by, alarm.acknowledged_by),
                 acknowledged_at = coalesce(excluded.acknowledged_at, alarm.acknowledged_at)",
                params![
                    alarm.site.as_str(),
                    alarm.device.as_ref().map_or("", DeviceId::as_str),
                    &to_word(&alarm.code)?,
                    &to_word(&alarm.severity)?,
                    &alarm.text,
                    alarm.raised,
                    alarm.cleared,
                    by,
                    at
                ],
            )
        };
        self.writer.call("store an alarm", put).await
    }

    async fn alarms(&self, site: &SiteId, limit: u32) -> Result<Vec<Alarm>, StoreError> {
        let site = site.clone();
        let read = move |sql: &dyn Sql| {
            let newest = "WHERE site = ?1 ORDER BY raised DESC, id DESC LIMIT ?2";
            alarms(sql, newest, params![site.as_str(), limit])
        };
        self.reader.call("read the alarms", read).await
    }

    async fn alarms_since(&self, site: &SiteId, cleared: Timestamp) -> Result<Vec<Alarm>, StoreError> {
        let site = site.clone();
        let read = move |sql: &dyn Sql| {
            let since = "WHERE site = ?1 AND (cleared IS NULL OR cleared >= ?2) ORDER BY raised, id";
            alarms(sql, since, params![site.as_str(), cleared])
        };
        self.reader.call("read the latest alarms", read).await
    }

    async fn alarm_history(
        &self,
        site: &SiteId,
        only_open: bool,
        before: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<(i64, Alarm)>, StoreError> {
        let site = site.clone();
        let (raised, number) = before.unwrap_or((Timestamp(i64::MAX), i64::MAX));
        let read = move |sql: &dyn Sql| {
            let open = if only_open { "cleared IS NULL AND" } else { "" };
            let select = format!(
                "SELECT {COLUMNS}, id FROM alarm
                 WHERE {open} site = ?1 AND (raised < ?2 OR (raised = ?2 AND id < ?3))
                 ORDER BY raised DESC, id DESC LIMIT ?4"
            );
            let parameters = params![site.as_str(), raised, number, limit];
            sql.all(&select, parameters, |row| Ok((row.int(9)?, alarm(row)?)))
        };
        self.reader.call("read the alarms", read).await
    }
}

const COLUMNS: &str = "site, device, code, severity, text, raised, cleared, acknowledged_by, acknowledged_at";

fn alarms(sql: &dyn Sql, which: &str, parameters: &[Param<'_>]) -> Result<Vec<Alarm>, Failure> {
    sql.all(&format!("SELECT {COLUMNS} FROM alarm {which}"), parameters, alarm)
}

fn alarm(row: &Row) -> Result<Alarm, Failure> {
    let is_of_site = row.text(1)?.is_empty();
    let acknowledged = match row.opt_time(8)? {
        Some(at) => Some(Acknowledged { by: row.id(7)?, at }),
        None => None,
    };
    Ok(Alarm {
        site: row.id(0)?,
        device: if is_of_site { None } else { Some(row.id(1)?) },
        code: row.word(2)?,
        severity: row.word(3)?,
        text: row.text(4)?.to_owned(),
        raised: row.time(5)?,
        cleared: row.opt_time(6)?,
        acknowledged,
    })
}
