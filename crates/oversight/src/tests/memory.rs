//! A store in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use model::outbox::Parcel;
use model::oversight::*;
use model::time::Timestamp;
use store::oversight::{Accepted, Oversight, RecordFilter, RecordOutcome, RecordTotals, Round};
use store::{Nouns, StoreError};

type Done = Result<(), StoreError>;

#[derive(Default)]
pub(crate) struct Memory(Mutex<Held>);

#[derive(Default)]
struct Held {
    nouns: BTreeMap<(String, String), String>,
    number: i64,
    entities: BTreeMap<i64, (OperatorCode, Entity)>,
    journal: BTreeMap<i64, Accepted>,
    pages: Vec<(i64, OperatorCode, Sample)>,
    done: i64,
    latest: BTreeMap<i64, Sample>,
    records: Vec<StoredRecord>,
    failed: Vec<Failed>,
    warnings: Vec<Warning>,
    parcels: Vec<Parcel>,
    quality: BTreeMap<(OperatorCode, String), Quality>,
}

impl Memory {
    pub fn parcels(&self) -> Vec<Parcel> {
        self.0.lock().unwrap().parcels.clone()
    }
}

#[async_trait]
impl Nouns for Memory {
    async fn put_noun(&self, kind: &str, id: &str, body: &str) -> Done {
        let key = (kind.to_owned(), id.to_owned());
        self.0.lock().unwrap().nouns.insert(key, body.to_owned());
        Ok(())
    }
    async fn noun(&self, kind: &str, id: &str) -> Result<Option<String>, StoreError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .nouns
            .get(&(kind.to_owned(), id.to_owned()))
            .cloned())
    }
    async fn nouns(&self, kind: &str) -> Result<Vec<(String, String)>, StoreError> {
        let held = self.0.lock().unwrap();
        Ok(held
            .nouns
            .iter()
            .filter(|((k, _), _)| k == kind)
            .map(|((_, id), body)| (id.clone(), body.clone()))
            .collect())
    }
    async fn delete_noun(&self, kind: &str, id: &str) -> Result<bool, StoreError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .nouns
            .remove(&(kind.to_owned(), id.to_owned()))
            .is_some())
    }
}

fn put<T>(list: &mut Vec<T>, item: T, is_same: impl Fn(&T) -> bool) {
    match list.iter_mut().find(|held| is_same(held)) {
        Some(held) => *held = item,
        None => list.push(item),
    }
}

#[async_trait]
impl Oversight for Memory {
    async fn put_entity(&self, operator: &OperatorCode, entity: &Entity) -> Result<EntityKey, StoreError> {
        let mut held = self.0.lock().unwrap();
        let known = held
            .entities
            .iter()
            .find(|(_, (o, e))| o == operator && e.kind == entity.kind && e.id == entity.id)
            .map(|(n, _)| *n);
        let number = known.unwrap_or(held.number + 1);
        held.number = held.number.max(number);
        held.entities.insert(number, (operator.clone(), entity.clone()));
        Ok(EntityKey {
            number,
            operator: operator.clone(),
            kind: entity.kind,
            id: entity.id.clone(),
            parent: entity.parent.clone(),
        })
    }
    async fn delete_entities(&self, operator: &OperatorCode, which: &[(EntityKind, Code)]) -> Done {
        let mut held = self.0.lock().unwrap();
        held.entities
            .retain(|_, (o, e)| o != operator || !which.iter().any(|(k, id)| *k == e.kind && *id == e.id));
        Ok(())
    }
    async fn entity(
        &self,
        operator: &OperatorCode,
        kind: EntityKind,
        id: &Code,
    ) -> Result<Option<Entity>, StoreError> {
        let held = self.0.lock().unwrap();
        Ok(held
            .entities
            .values()
            .find(|(o, e)| o == operator && e.kind == kind && e.id == *id)
            .map(|(_, e)| e.clone()))
    }
    async fn entities(&self, numbers: &[i64]) -> Result<Vec<(i64, Entity)>, StoreError> {
        let held = self.0.lock().unwrap();
        Ok(numbers
            .iter()
            .filter_map(|n| held.entities.get(n).map(|(_, e)| (*n, e.clone())))
            .collect())
    }
    async fn entity_keys(&self, after: i64, limit: u32) -> Result<Vec<EntityKey>, StoreError> {
        let held = self.0.lock().unwrap();
        let key = |(n, (o, e)): (&i64, &(OperatorCode, Entity))| EntityKey {
            number: *n,
            operator: o.clone(),
            kind: e.kind,
            id: e.id.clone(),
            parent: e.parent.clone(),
        };
        Ok(held
            .entities
            .iter()
            .filter(|(n, _)| **n > after)
            .take(limit as usize)
            .map(key)
            .collect())
    }
    async fn accept(&self, entry: &Accepted) -> Result<i64, StoreError> {
        let mut held = self.0.lock().unwrap();
        held.number += 1;
        let number = held.number;
        held.journal.insert(number, entry.clone());
        Ok(number)
    }
    async fn accepted(&self, after: i64, limit: u32) -> Result<Vec<(i64, Accepted)>, StoreError> {
        let held = self.0.lock().unwrap();
        Ok(held
            .journal
            .iter()
            .filter(|(n, _)| **n > after)
            .take(limit as usize)
            .map(|(n, e)| (*n, e.clone()))
            .collect())
    }
    async fn done(&self) -> Result<i64, StoreError> {
        Ok(self.0.lock().unwrap().done)
    }
    async fn settle(&self, round: &Round) -> Done {
        let mut held = self.0.lock().unwrap();
        if let Some(done) = round.done {
            held.done = done;
        }
        for failed in round.failed.clone() {
            let id = failed.id.clone();
            put(&mut held.failed, failed, |held| held.id == id);
        }
        for warning in round.warnings.clone() {
            let id = warning.id.clone();
            put(&mut held.warnings, warning, |held| held.id == id);
        }
        for parcel in round.parcels.clone() {
            let id = parcel.id.clone();
            put(&mut held.parcels, parcel, |held| held.id == id);
        }
        for (operator, day, quality) in round.quality.clone() {
            held.quality.insert((operator, day), quality);
        }
        Ok(())
    }
    async fn condense(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut held = self.0.lock().unwrap();
        let done = held.done;
        let moved: Vec<_> = held
            .journal
            .iter()
            .filter(|(n, e)| **n <= done && e.at < before)
            .map(|(n, e)| (*n, e.clone()))
            .collect();
        let mut count = 0;
        for (number, entry) in moved {
            held.journal.remove(&number);
            for sample in entry.samples {
                count += 1;
                held.pages.push((number, entry.operator.clone(), sample));
            }
        }
        Ok(count)
    }
    async fn samples(
        &self,
        operator: &OperatorCode,
        port: &Code,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<Sample>, StoreError> {
        let held = self.0.lock().unwrap();
        let mut all = held.pages.clone();
        for (number, entry) in &held.journal {
            all.extend(
                entry
                    .samples
                    .iter()
                    .map(|sample| (*number, entry.operator.clone(), sample.clone())),
            );
        }
        all.retain(|(_, o, s)| o == operator && s.port == *port && s.at >= from && s.at < to);
        all.sort_by_key(|(number, _, sample)| (sample.at, *number));
        Ok(all
            .into_iter()
            .take(limit as usize)
            .map(|(_, _, sample)| sample)
            .collect())
    }
    async fn forget_samples(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
    async fn put_latest(&self, latest: &[(i64, Arc<Sample>)]) -> Done {
        let mut held = self.0.lock().unwrap();
        for (number, sample) in latest {
            held.latest.insert(*number, sample.as_ref().clone());
        }
        Ok(())
    }
    async fn latest_samples(&self, after: i64, limit: u32) -> Result<Vec<(i64, Sample)>, StoreError> {
        let held = self.0.lock().unwrap();
        Ok(held
            .latest
            .iter()
            .filter(|(n, _)| **n > after)
            .take(limit as usize)
            .map(|(n, s)| (*n, s.clone()))
            .collect())
    }
    async fn put_records(
        &self,
        operator: &OperatorCode,
        records: &[(ChargeRecord, bool)],
        received: Timestamp,
    ) -> Result<Vec<RecordOutcome>, StoreError> {
        let mut held = self.0.lock().unwrap();
        let mut outcomes = Vec::new();
        for (record, is_orphan) in records {
            let known = held
                .records
                .iter()
                .find(|held| held.operator == *operator && held.record.charge == record.charge);
            outcomes.push(match known {
                Some(known) if known.record == *record => RecordOutcome::Same,
                Some(_) => RecordOutcome::Taken,
                None => {
                    held.number += 1;
                    let stored = StoredRecord {
                        number: held.number,
                        operator: operator.clone(),
                        record: record.clone(),
                        received,
                        is_orphan: *is_orphan,
                    };
                    held.records.push(stored);
                    RecordOutcome::Stored
                }
            });
        }
        Ok(outcomes)
    }
    async fn records(
        &self,
        filter: &RecordFilter,
        skip: u64,
        limit: u32,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let held = self.0.lock().unwrap();
        Ok(held
            .records
            .iter()
            .filter(|r| fits(filter, r))
            .skip(usize::try_from(skip).unwrap())
            .take(limit as usize)
            .cloned()
            .collect())
    }
    async fn record_totals(&self, filter: &RecordFilter) -> Result<RecordTotals, StoreError> {
        let held = self.0.lock().unwrap();
        let mut totals = RecordTotals::default();
        for stored in held.records.iter().filter(|r| fits(filter, r)) {
            totals.count += 1;
            totals.energy += stored.record.energy.0;
            totals.energy_cost += stored.record.energy_cost.0;
            totals.service_cost += stored.record.service_cost.0;
        }
        Ok(totals)
    }
    async fn adopt_records(&self, operator: &OperatorCode, port: &Code) -> Result<u64, StoreError> {
        let mut held = self.0.lock().unwrap();
        let mut count = 0;
        for stored in held
            .records
            .iter_mut()
            .filter(|r| r.operator == *operator && r.record.port == *port && r.is_orphan)
        {
            stored.is_orphan = false;
            count += 1;
        }
        Ok(count)
    }
    async fn forget_persons(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
    async fn failed(&self, id: &Code) -> Result<Option<Failed>, StoreError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .failed
            .iter()
            .find(|failed| failed.id == *id)
            .cloned())
    }
    async fn failures(
        &self,
        operator: Option<&OperatorCode>,
        state: Option<FailedState>,
        _: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, Failed)>, StoreError> {
        let held = self.0.lock().unwrap();
        Ok(held
            .failed
            .iter()
            .filter(|f| operator.is_none_or(|o| *o == f.operator) && state.is_none_or(|s| s == f.state))
            .rev()
            .take(limit as usize)
            .map(|f| (0, f.clone()))
            .collect())
    }
    async fn put_warning(&self, warning: &Warning) -> Done {
        let id = warning.id.clone();
        put(&mut self.0.lock().unwrap().warnings, warning.clone(), |held| {
            held.id == id
        });
        Ok(())
    }
    async fn warning(&self, id: &Code) -> Result<Option<Warning>, StoreError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .warnings
            .iter()
            .find(|warning| warning.id == *id)
            .cloned())
    }
    async fn open_warnings(&self) -> Result<Vec<Warning>, StoreError> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .warnings
            .iter()
            .filter(|warning| warning.cleared.is_none())
            .cloned()
            .collect())
    }
    async fn warnings(
        &self,
        operator: Option<&OperatorCode>,
        only_open: bool,
        _: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, Warning)>, StoreError> {
        let held = self.0.lock().unwrap();
        Ok(held
            .warnings
            .iter()
            .filter(|w| operator.is_none_or(|o| *o == w.operator) && !(only_open && w.cleared.is_some()))
            .rev()
            .take(limit as usize)
            .map(|w| (0, w.clone()))
            .collect())
    }
    async fn quality(&self, day: &str) -> Result<Vec<(OperatorCode, Quality)>, StoreError> {
        let held = self.0.lock().unwrap();
        Ok(held
            .quality
            .iter()
            .filter(|((_, d), _)| d == day)
            .map(|((o, _), q)| (o.clone(), q.clone()))
            .collect())
    }
    async fn quality_of(
        &self,
        operator: &OperatorCode,
        from: &str,
        to: &str,
    ) -> Result<Vec<(String, Quality)>, StoreError> {
        let held = self.0.lock().unwrap();
        Ok(held
            .quality
            .iter()
            .filter(|((o, d), _)| o == operator && from <= d.as_str() && d.as_str() <= to)
            .map(|((_, d), q)| (d.clone(), q.clone()))
            .collect())
    }
}

fn fits(filter: &RecordFilter, stored: &StoredRecord) -> bool {
    filter.operator.as_ref().is_none_or(|o| *o == stored.operator)
        && filter.port.as_ref().is_none_or(|p| *p == stored.record.port)
        && filter.from.is_none_or(|from| stored.record.start >= from)
        && filter.to.is_none_or(|to| stored.record.start < to)
        && (!filter.only_orphans || stored.is_orphan)
}
