//! A store that forgets at the end of the process, for tests of those who use one. It keeps the same
//! contract as the others, durability aside.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use model::alarm::Alarm;
use model::device::Wish;
use model::document::Document;
use model::id::{DeviceId, EvseId, SiteId, UserId};
use model::setpoint::ChargeCurrent;
use model::time::Timestamp;
use model::user::User;

use crate::condense::{self, Bucket, Condenser};
use crate::{
    Alarms, Aliases, Audit, AuditEntry, Control, DeviceSeen, History, Row, Sample, Secrets, Series, Sites,
    Step, StoreError, StoredDocument, StoredSecret, Users, alias_taken,
};

/// Everything in maps.
#[derive(Default)]
pub struct Memory {
    tables: Mutex<Tables>,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Tables {
    epochs: BTreeMap<SiteId, u64>,
    wishes: BTreeMap<(SiteId, EvseId), Wish>,
    devices: BTreeMap<(SiteId, DeviceId), DeviceSeen>,
    documents: BTreeMap<(SiteId, DeviceId), StoredDocument>,
    setpoints: BTreeMap<(SiteId, EvseId), ChargeCurrent>,
    memories: BTreeMap<SiteId, (u32, Vec<u8>)>,
    users: BTreeMap<UserId, User>,
    secrets: BTreeMap<(String, String), StoredSecret>,
    aliases: BTreeMap<(String, String), String>,
    audit: Vec<AuditEntry>,
    alarms: Vec<Alarm>,
    readings: BTreeMap<Series, BTreeMap<i64, i64>>,
}

impl Memory {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// How many readings came too late to be kept.
    #[must_use]
    pub fn readings_dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tables, for a write under an epoch that is not overtaken.
    fn fenced(
        &self,
        operation: &'static str,
        site: &SiteId,
        epoch: u64,
    ) -> Result<MutexGuard<'_, Tables>, StoreError> {
        let mut tables = self.tables();
        let newest = tables.epochs.entry(site.clone()).or_default();
        if epoch < *newest {
            return Err(StoreError::Fenced {
                operation,
                site: site.clone(),
                given: epoch,
                newest: *newest,
            });
        }
        *newest = epoch;
        Ok(tables)
    }
}

/// The rows of one site out of a map by site and something else.
fn of_site<I: Clone + Ord, T: Clone>(rows: &BTreeMap<(SiteId, I), T>, site: &SiteId) -> Vec<(I, T)> {
    rows.iter()
        .filter(|((of, _), _)| of == site)
        .map(|((_, id), row)| (id.clone(), row.clone()))
        .collect()
}

#[async_trait]
impl Sites for Memory {
    async fn take_epoch(&self, site: &SiteId) -> Result<u64, StoreError> {
        let mut tables = self.tables();
        let epoch = tables.epochs.entry(site.clone()).or_default();
        *epoch += 1;
        Ok(*epoch)
    }

    async fn put_wish(&self, site: &SiteId, epoch: u64, evse: &EvseId, wish: Wish) -> Result<(), StoreError> {
        self.fenced("store a wish", site, epoch)?
            .wishes
            .insert((site.clone(), evse.clone()), wish);
        Ok(())
    }

    async fn wishes(&self, site: &SiteId) -> Result<Vec<(EvseId, Wish)>, StoreError> {
        Ok(of_site(&self.tables().wishes, site))
    }

    async fn put_device(&self, site: &SiteId, device: &DeviceId, seen: DeviceSeen) -> Result<(), StoreError> {
        self.tables().devices.insert((site.clone(), device.clone()), seen);
        Ok(())
    }

    async fn devices(&self, site: &SiteId) -> Result<Vec<(DeviceId, DeviceSeen)>, StoreError> {
        Ok(of_site(&self.tables().devices, site))
    }

    async fn put_document(
        &self,
        site: &SiteId,
        device: &DeviceId,
        document: &Document,
    ) -> Result<(), StoreError> {
        self.tables()
            .documents
            .insert((site.clone(), device.clone()), StoredDocument::of(document));
        Ok(())
    }

    async fn documents(&self, site: &SiteId) -> Result<Vec<(DeviceId, StoredDocument)>, StoreError> {
        Ok(of_site(&self.tables().documents, site))
    }
}

#[async_trait]
impl Control for Memory {
    async fn put_setpoints(
        &self,
        site: &SiteId,
        epoch: u64,
        told: &[(EvseId, ChargeCurrent)],
    ) -> Result<(), StoreError> {
        let mut tables = self.fenced("store setpoints", site, epoch)?;
        tables.setpoints.extend(
            told.iter()
                .map(|(evse, current)| ((site.clone(), evse.clone()), *current)),
        );
        Ok(())
    }

    async fn setpoints(&self, site: &SiteId) -> Result<Vec<(EvseId, ChargeCurrent)>, StoreError> {
        Ok(of_site(&self.tables().setpoints, site))
    }

    async fn put_memory(
        &self,
        site: &SiteId,
        epoch: u64,
        version: u32,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let mut tables = self.fenced("store the memory of the control cycle", site, epoch)?;
        tables.memories.insert(site.clone(), (version, bytes.to_vec()));
        Ok(())
    }

    async fn memory(&self, site: &SiteId) -> Result<Option<(u32, Vec<u8>)>, StoreError> {
        Ok(self.tables().memories.get(site).cloned())
    }
}

#[async_trait]
impl Users for Memory {
    async fn put_user(&self, user: &User) -> Result<(), StoreError> {
        self.tables().users.insert(user.id.clone(), user.clone());
        Ok(())
    }

    async fn users(&self) -> Result<Vec<User>, StoreError> {
        Ok(self.tables().users.values().cloned().collect())
    }

    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        Ok(self.tables().users.get(id).cloned())
    }
}

#[async_trait]
impl Secrets for Memory {
    async fn put_secret(&self, kind: &str, name: &str, secret: &StoredSecret) -> Result<(), StoreError> {
        self.tables()
            .secrets
            .insert((kind.to_owned(), name.to_owned()), secret.clone());
        Ok(())
    }

    async fn secret(&self, kind: &str, name: &str) -> Result<Option<StoredSecret>, StoreError> {
        Ok(self
            .tables()
            .secrets
            .get(&(kind.to_owned(), name.to_owned()))
            .cloned())
    }

    async fn secrets(&self, kind: &str) -> Result<Vec<(String, StoredSecret)>, StoreError> {
        let tables = self.tables();
        let of_kind = tables.secrets.iter().filter(|((of, _), _)| of == kind);
        Ok(of_kind
            .map(|((_, name), secret)| (name.clone(), secret.clone()))
            .collect())
    }

    async fn delete_secret(&self, kind: &str, name: &str) -> Result<(), StoreError> {
        self.tables().secrets.remove(&(kind.to_owned(), name.to_owned()));
        Ok(())
    }

    async fn expire_secrets(&self, kind: &str, now: Timestamp) -> Result<(), StoreError> {
        let stays = |of: &str, expires: Option<Timestamp>| of != kind || expires.is_none_or(|at| at >= now);
        self.tables()
            .secrets
            .retain(|(of, _), secret| stays(of, secret.expires));
        Ok(())
    }
}

#[async_trait]
impl Aliases for Memory {
    async fn put_alias(&self, dialect: &str, name: &str, means: &str) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let key = (dialect.to_owned(), name.to_owned());
        let held = tables.aliases.entry(key).or_insert_with(|| means.to_owned());
        if held == means {
            Ok(())
        } else {
            Err(alias_taken(dialect, name, held))
        }
    }

    async fn alias(&self, dialect: &str, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self
            .tables()
            .aliases
            .get(&(dialect.to_owned(), name.to_owned()))
            .cloned())
    }

    async fn aliases(&self, dialect: &str) -> Result<Vec<(String, String)>, StoreError> {
        let tables = self.tables();
        let of_dialect = tables.aliases.iter().filter(|((of, _), _)| of == dialect);
        Ok(of_dialect
            .map(|((_, name), means)| (name.clone(), means.clone()))
            .collect())
    }
}

#[async_trait]
impl Audit for Memory {
    async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.tables().audit.push(entry.clone());
        Ok(())
    }

    async fn recent(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.tables().audit.iter().rev().take(limit).cloned().collect())
    }
}

#[async_trait]
impl Alarms for Memory {
    async fn put_alarm(&self, alarm: &Alarm) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let same = |held: &&mut Alarm| {
            held.site == alarm.site
                && held.device == alarm.device
                && held.code == alarm.code
                && held.raised == alarm.raised
        };
        match tables.alarms.iter_mut().find(same) {
            Some(held) => *held = alarm.clone(),
            None => tables.alarms.push(alarm.clone()),
        }
        Ok(())
    }

    async fn alarms(&self, site: &SiteId, limit: u32) -> Result<Vec<Alarm>, StoreError> {
        let mut alarms: Vec<Alarm> = self
            .tables()
            .alarms
            .iter()
            .rev()
            .filter(|a| a.site == *site)
            .cloned()
            .collect();
        alarms.sort_by_key(|alarm| std::cmp::Reverse(alarm.raised));
        alarms.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(alarms)
    }
}

#[async_trait]
impl History for Memory {
    async fn append(&self, samples: Vec<Sample>) -> Result<(), StoreError> {
        let mut tables = self.tables();
        for sample in samples {
            let readings = tables.readings.entry(sample.series).or_default();
            let newest = readings.last_key_value().map(|(at, _)| *at);
            if condense::is_storable(sample.at.0) && newest.is_none_or(|newest| sample.at.0 > newest) {
                readings.insert(sample.at.0, sample.value);
            } else {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        tables.readings.retain(|_, readings| !readings.is_empty());
        Ok(())
    }

    async fn import(&self, series: &Series, rows: &[(Timestamp, i64)]) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let storable: Vec<_> = rows
            .iter()
            .filter(|(at, _)| condense::is_storable(at.0))
            .collect();
        if storable.is_empty() {
            return Ok(());
        }
        let readings = tables.readings.entry(series.clone()).or_default();
        for (at, value) in storable {
            readings.entry(at.0).or_insert(*value);
        }
        Ok(())
    }

    async fn query(
        &self,
        series: &Series,
        from: Timestamp,
        to: Timestamp,
        step: Step,
    ) -> Result<Vec<Row>, StoreError> {
        let tables = self.tables();
        let Some(readings) = tables.readings.get(series) else {
            return Ok(Vec::new());
        };
        match step {
            Step::Raw if from < to => Ok(readings
                .range(from.0..to.0)
                .map(|(at, v)| condense::raw(*at, *v))
                .collect()),
            Step::Raw => Ok(Vec::new()),
            Step::Seconds(width_s) => {
                let (first_ms, end_ms) = condense::whole_buckets(from.0, to.0, width_s.into());
                let mut condenser = Condenser::new(width_s.into());
                if first_ms < end_ms {
                    readings
                        .range(first_ms..end_ms)
                        .for_each(|(at, value)| condenser.reading(*at, *value));
                }
                Ok(condenser.finish().iter().map(Bucket::row).collect())
            }
        }
    }

    async fn series(&self) -> Result<Vec<Series>, StoreError> {
        Ok(self.tables().readings.keys().cloned().collect())
    }

    async fn span(&self) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let tables = self.tables();
        let oldest = tables
            .readings
            .values()
            .filter_map(|readings| readings.first_key_value())
            .map(|(at, _)| *at)
            .min();
        let newest = tables
            .readings
            .values()
            .filter_map(|readings| readings.last_key_value())
            .map(|(at, _)| *at)
            .max();
        Ok(oldest
            .zip(newest)
            .map(|(oldest, newest)| (Timestamp(oldest), Timestamp(newest))))
    }

    async fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        contract::check(&*Memory::new()).await;
    }
}
