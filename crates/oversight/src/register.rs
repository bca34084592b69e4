//! What operators have: registered, modified, removed, and shown in pages.
//!
//! Judged at once: whoever is told that a station is there may register what stands in it. Many things of an operator are
//! registered at a time, so that they share a commit; the same one twice, and whatever goes, waits for the others.

use model::oversight::{Code, Duplicates, Entity, EntityKind, FindingKind, OperatorCode};

use crate::authority::Desk;
use crate::{Authority, Page, Refused, Registered, Told};

/// Entries of a page.
const MOST_IN_PAGE: u32 = 1_000;

impl Authority {
    /// # Errors
    /// When its parent is not there, its id is taken, or the store fails.
    pub async fn register(&self, code: &OperatorCode, told: Told<Entity>) -> Result<Registered, Refused> {
        let desk = self.desk(code)?;
        let _order = desk.order.read().await;
        let _alone = desk.alone(told.what.kind, &told.what.id).await;
        let now = self.clock.now().wall;
        let entity = Entity {
            told: now,
            ..told.what
        };
        let known = self.known(&desk, code, entity.kind, &entity.id).await?;
        let registered = match known {
            Some(known) if known.says_the_same(&entity) => Registered::Same,
            Some(_) if desk.read().operator.duplicates == Duplicates::Refuse => {
                return Err(Refused::Taken {
                    what: entity.kind.into(),
                    id: entity.id.to_string(),
                });
            }
            Some(_) => {
                self.check_parent(&desk, &entity)?;
                self.store.put_entity(code, &entity).await?;
                desk.write().describe(&entity);
                Registered::Replaced
            }
            None => {
                self.check_parent(&desk, &entity)?;
                let key = self.store.put_entity(code, &entity).await?;
                let mut book = desk.write();
                if !book.add(key, now) {
                    tracing::error!(operator = %code, id = %entity.id, "no room for an entity; a restart finds it");
                }
                book.describe(&entity);
                Registered::New
            }
        };
        if !told.findings.is_empty() || registered == Registered::Same {
            let day = self.ground.calendar.day(now);
            let mut book = desk.write();
            for odd in told.findings {
                book.ledger.note(&day, now, &entity.id, odd);
            }
            if registered == Registered::Same {
                *book
                    .ledger
                    .day(&day)
                    .findings
                    .entry(FindingKind::Duplicate)
                    .or_default() += 1;
            }
        }
        Ok(registered)
    }

    /// Changes the fields that were sent; the others stay.
    ///
    /// # Errors
    /// When it is not there, nor a new parent, or the store fails.
    pub async fn modify(&self, code: &OperatorCode, told: Told<Entity>) -> Result<(), Refused> {
        let desk = self.desk(code)?;
        let _order = desk.order.write().await;
        let now = self.clock.now().wall;
        let given = told.what;
        let known = self.known(&desk, code, given.kind, &given.id).await?;
        let known = known.ok_or_else(|| Refused::unknown(given.kind, &given.id))?;
        let mut entity = known.clone();
        entity.fields.extend(given.fields);
        entity.unknown.extend(given.unknown);
        entity.parent = given.parent.or(entity.parent);
        if !entity.says_the_same(&known) {
            entity.told = now;
            self.check_parent(&desk, &entity)?;
            self.store.put_entity(code, &entity).await?;
            desk.write().describe(&entity);
        }
        if !told.findings.is_empty() {
            let day = self.ground.calendar.day(now);
            let mut book = desk.write();
            for odd in told.findings {
                book.ledger.note(&day, now, &entity.id, odd);
            }
        }
        Ok(())
    }

    /// # Errors
    /// When something stands in it, it is not there (if the operator wants that told), or the store fails.
    pub async fn remove(&self, code: &OperatorCode, kind: EntityKind, id: &Code) -> Result<(), Refused> {
        let desk = self.desk(code)?;
        let _order = desk.order.write().await;
        let mut which = {
            let book = desk.read();
            if !book.has(kind, id) {
                return if book.operator.delete_missing_fails {
                    Err(Refused::unknown(kind, id))
                } else {
                    Ok(())
                };
            }
            let below = book.below(kind, id);
            if !below.is_empty() && !book.operator.cascade {
                return Err(Refused::HasChildren {
                    what: kind.into(),
                    id: id.to_string(),
                    children: below.len() as u64,
                });
            }
            below
        };
        which.push((kind, id.clone()));
        self.delete(&desk, code, &which).await
    }

    /// Deletes entities, what stands in others first.
    pub(crate) async fn delete(
        &self,
        desk: &Desk,
        code: &OperatorCode,
        which: &[(EntityKind, Code)],
    ) -> Result<(), Refused> {
        self.store.delete_entities(code, which).await?;
        let now = self.clock.now().wall;
        let mut cleared = Vec::new();
        {
            let mut book = desk.write();
            for (kind, id) in which {
                if let Some(place) = book.remove(*kind, id) {
                    cleared.extend(book.watch.forget(place, now));
                }
            }
        }
        self.put_warnings(cleared).await?;
        Ok(())
    }

    /// A page of what an operator has registered.
    ///
    /// # Errors
    /// When there is no such operator, the page has no number, or the store fails.
    pub async fn page(
        &self,
        code: &OperatorCode,
        kind: EntityKind,
        index: u64,
        size: u32,
    ) -> Result<Page<Entity>, Refused> {
        let desk = self.desk(code)?;
        let (skip, size) = paging(index, size)?;
        let (total, numbers) = {
            let book = desk.read();
            let numbers = book.page(kind, usize::try_from(skip).unwrap_or(usize::MAX), size as usize);
            (book.count(kind) as u64, numbers)
        };
        let found = if numbers.is_empty() {
            Vec::new()
        } else {
            self.store.entities(&numbers).await?
        };
        Ok(Page {
            index,
            size,
            total,
            list: found.into_iter().map(|(_, entity)| entity).collect(),
        })
    }

    async fn known(
        &self,
        desk: &Desk,
        code: &OperatorCode,
        kind: EntityKind,
        id: &Code,
    ) -> Result<Option<Entity>, Refused> {
        if !desk.read().has(kind, id) {
            return Ok(None);
        }
        Ok(self.store.entity(code, kind, id).await?)
    }

    fn check_parent(&self, desk: &Desk, entity: &Entity) -> Result<(), Refused> {
        let Some(kind) = entity.kind.parent() else {
            return Ok(());
        };
        let Some(parent) = &entity.parent else {
            return Err(Refused::Missing { field: "parent" });
        };
        if desk.read().has(kind, parent) {
            Ok(())
        } else {
            Err(Refused::unknown(kind, parent))
        }
    }
}

/// How many to skip for a page, and how many it has.
pub(crate) fn paging(index: u64, size: u32) -> Result<(u64, u32), Refused> {
    let size = size.clamp(1, MOST_IN_PAGE);
    let before = index.checked_sub(1).ok_or_else(|| Refused::Unfit {
        field: "index".to_owned(),
        value: index.to_string(),
        expected: "a page from 1".to_owned(),
    })?;
    Ok((before.saturating_mul(u64::from(size)), size))
}
