//! Sites, what somebody changed about them, and what the control cycle remembers.

use async_trait::async_trait;
use model::device::Wish;
use model::document::Document;
use model::id::{DeviceId, EvseId, SiteId};
use model::setpoint::ChargeCurrent;
use model::units::MilliAmps;

use super::{fence, newest_epoch, set_epoch, to_json};
use crate::database::Database;
use crate::sql::{Sql, damaged, params};
use crate::{Control, DeviceSeen, Done, Sites, StoreError, StoredDocument};

#[async_trait]
impl<G: Send + Sync> Sites for Database<G> {
    async fn take_epoch(&self, site: &SiteId) -> Result<u64, StoreError> {
        let site = site.clone();
        let take = move |sql: &dyn Sql| {
            let epoch = newest_epoch(sql, &site)? + 1;
            set_epoch(sql, &site, epoch)?;
            Ok(epoch)
        };
        self.writer.call("take over a site", take).await
    }

    async fn put_wish(&self, site: &SiteId, epoch: u64, evse: &EvseId, wish: Wish) -> Done {
        let (site, evse) = (site.clone(), evse.clone());
        let put = move |sql: &dyn Sql| {
            fence(sql, "store a wish", &site, epoch)?;
            let upsert = "INSERT INTO wish (site, evse, body) VALUES (?1, ?2, ?3)
                ON CONFLICT (site, evse) DO UPDATE SET body = excluded.body";
            sql.write(upsert, params![site.as_str(), evse.as_str(), &to_json(&wish)?])
        };
        self.writer.call("store a wish", put).await
    }

    async fn wishes(&self, site: &SiteId) -> Result<Vec<(EvseId, Wish)>, StoreError> {
        let site = site.clone();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT evse, body FROM wish WHERE site = ?1 ORDER BY evse";
            sql.all(select, params![site.as_str()], |row| {
                Ok((row.id(0)?, row.json(1)?))
            })
        };
        self.reader.call("read the wishes", read).await
    }

    async fn put_device(&self, site: &SiteId, device: &DeviceId, seen: DeviceSeen) -> Done {
        let (site, device) = (site.clone(), device.clone());
        let put = move |sql: &dyn Sql| {
            let DeviceSeen { at, identity } = &seen;
            sql.write(
                "INSERT INTO device (site, device, seen_at, identity) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (site, device) DO UPDATE SET seen_at = excluded.seen_at, identity = excluded.identity",
                params![site.as_str(), device.as_str(), *at, identity.as_ref()],
            )
        };
        self.writer.call("store a device", put).await
    }

    async fn devices(&self, site: &SiteId) -> Result<Vec<(DeviceId, DeviceSeen)>, StoreError> {
        let site = site.clone();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT device, seen_at, identity FROM device WHERE site = ?1 ORDER BY device";
            sql.all(select, params![site.as_str()], |row| {
                let seen = DeviceSeen {
                    at: row.time(1)?,
                    identity: row.opt_text(2)?.map(str::to_owned),
                };
                Ok((row.id(0)?, seen))
            })
        };
        self.reader.call("read the devices", read).await
    }

    async fn put_document(&self, site: &SiteId, device: &DeviceId, document: &Document) -> Done {
        let (site, device, stored) = (site.clone(), device.clone(), StoredDocument::of(document));
        let put = move |sql: &dyn Sql| {
            let StoredDocument { dialect, at, json } = &stored;
            sql.write(
                "INSERT INTO document (site, device, dialect, at, json) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (site, device) DO UPDATE
                 SET dialect = excluded.dialect, at = excluded.at, json = excluded.json",
                params![site.as_str(), device.as_str(), dialect, *at, json],
            )
        };
        self.writer.call("store a vendor document", put).await
    }

    async fn documents(&self, site: &SiteId) -> Result<Vec<(DeviceId, StoredDocument)>, StoreError> {
        let site = site.clone();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT device, dialect, at, json FROM document WHERE site = ?1 ORDER BY device";
            sql.all(select, params![site.as_str()], |row| {
                let stored = StoredDocument {
                    dialect: row.text(1)?.to_owned(),
                    at: row.time(2)?,
                    json: row.text(3)?.to_owned(),
                };
                Ok((row.id(0)?, stored))
            })
        };
        self.reader.call("read the vendor documents", read).await
    }
}

#[async_trait]
impl<G: Send + Sync> Control for Database<G> {
    async fn put_setpoints(&self, site: &SiteId, epoch: u64, told: &[(EvseId, ChargeCurrent)]) -> Done {
        let (site, told) = (site.clone(), told.to_vec());
        let put = move |sql: &dyn Sql| {
            fence(sql, "store setpoints", &site, epoch)?;
            let upsert = "INSERT INTO setpoint (site, evse, current_ma) VALUES (?1, ?2, ?3)
                ON CONFLICT (site, evse) DO UPDATE SET current_ma = excluded.current_ma";
            told.iter().try_for_each(|(evse, current)| {
                let current_ma = current.current().map(|current| current.0);
                sql.write(upsert, params![site.as_str(), evse.as_str(), current_ma])
            })
        };
        self.writer.call("store setpoints", put).await
    }

    async fn setpoints(&self, site: &SiteId) -> Result<Vec<(EvseId, ChargeCurrent)>, StoreError> {
        let site = site.clone();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT evse, current_ma FROM setpoint WHERE site = ?1 ORDER BY evse";
            sql.all(select, params![site.as_str()], |row| {
                let current = row.opt_int(1)?.map(MilliAmps);
                Ok((
                    row.id(0)?,
                    current.map_or(ChargeCurrent::PAUSED, ChargeCurrent::at_most),
                ))
            })
        };
        self.reader.call("read the setpoints", read).await
    }

    async fn put_memory(&self, site: &SiteId, epoch: u64, version: u32, bytes: &[u8]) -> Done {
        let (site, bytes) = (site.clone(), bytes.to_vec());
        let operation = "store the memory of the control cycle";
        let put = move |sql: &dyn Sql| {
            fence(sql, operation, &site, epoch)?;
            let upsert = "INSERT INTO control_memory (site, version, bytes) VALUES (?1, ?2, ?3)
                ON CONFLICT (site) DO UPDATE SET version = excluded.version, bytes = excluded.bytes";
            sql.write(upsert, params![site.as_str(), version, &bytes])
        };
        self.writer.call(operation, put).await
    }

    async fn memory(&self, site: &SiteId) -> Result<Option<(u32, Vec<u8>)>, StoreError> {
        let site = site.clone();
        let read = move |sql: &dyn Sql| {
            let select = "SELECT version, bytes FROM control_memory WHERE site = ?1";
            sql.first(select, params![site.as_str()], |row| {
                let version = u32::try_from(row.int(0)?).map_err(damaged)?;
                Ok((version, row.bytes(1)?.to_vec()))
            })
        };
        self.reader
            .call("read the memory of the control cycle", read)
            .await
    }
}
