//! What people say about plants, held in memory: every request asks for it. Written through, and by nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use model::id::SiteId;
use model::plant::PlantSheet;
use model::time::Timestamp;
use store::{Store, StoreError, Typed};
use tokio::sync::Mutex;

/// Read from the store when it is asked for first.
#[derive(Default)]
pub struct Sheets(Mutex<Option<Arc<BTreeMap<SiteId, PlantSheet>>>>);

impl Sheets {
    /// All there are, by site.
    pub async fn all(&self, store: &dyn Store) -> Result<Arc<BTreeMap<SiteId, PlantSheet>>, StoreError> {
        let mut held = self.0.lock().await;
        if let Some(all) = held.as_ref() {
            return Ok(Arc::clone(all));
        }
        let sheets = store.list::<PlantSheet>().await?;
        let by_site = sheets.into_iter().map(|sheet| (sheet.site.clone(), sheet));
        let all: Arc<BTreeMap<SiteId, PlantSheet>> = Arc::new(by_site.collect());
        *held = Some(Arc::clone(&all));
        Ok(all)
    }

    /// Begins those that are not there yet, all at once.
    pub async fn begin(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        sites: Vec<SiteId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.all(store.as_ref()).await?;
        self.write(store, move |known| {
            let new = sites.into_iter().filter(|site| !known.contains_key(site));
            new.map(|site| PlantSheet::new(site, now)).collect()
        })
        .await
    }

    /// In place of what was said before.
    pub async fn put(self: &Arc<Self>, store: &Arc<dyn Store>, sheet: PlantSheet) -> Result<(), StoreError> {
        self.write(store, move |_| vec![sheet]).await
    }

    /// Writes what is to be written beside what is known. It is carried out whether or not whoever asked still waits:
    /// what the store has taken is known here as well.
    async fn write(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        sheets: impl FnOnce(&BTreeMap<SiteId, PlantSheet>) -> Vec<PlantSheet> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (own, store) = (Arc::clone(self), Arc::clone(store));
        let writing = tokio::spawn(async move {
            let mut held = own.0.lock().await;
            let known = held.clone().unwrap_or_default();
            let sheets = sheets(&known);
            drop(known);
            let mut writes = Vec::with_capacity(sheets.len());
            for sheet in &sheets {
                writes.push(store.put(sheet));
            }
            try_join_all(writes).await?;
            if let Some(all) = held.as_mut() {
                let by_site = sheets.into_iter().map(|sheet| (sheet.site.clone(), sheet));
                Arc::make_mut(all).extend(by_site);
            }
            Ok(())
        });
        writing.await.unwrap_or_else(|error| {
            Err(StoreError::Other {
                operation: "keep the sheet of a plant",
                cause: error.to_string(),
            })
        })
    }
}
