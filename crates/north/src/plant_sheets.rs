//! What people say about plants, held in memory: every request asks for it. Written through, and by nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::id::SiteId;
use model::plant::PlantSheet;
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

    /// In place of what was said before. It is carried out whether or not whoever asked still waits: what the store
    /// has taken is known here as well.
    pub async fn put(self: &Arc<Self>, store: &Arc<dyn Store>, sheet: PlantSheet) -> Result<(), StoreError> {
        let (sheets, store) = (Arc::clone(self), Arc::clone(store));
        let writing = tokio::spawn(async move {
            let mut held = sheets.0.lock().await;
            store.put(&sheet).await?;
            if let Some(all) = held.as_mut() {
                Arc::make_mut(all).insert(sheet.site.clone(), sheet);
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
