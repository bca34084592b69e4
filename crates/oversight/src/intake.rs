//! Reports: what can be judged at once is answered, the rest is durable and worked off soon.

use std::collections::BTreeMap;

use model::outbox::{Content, Notice, Parcel};
use model::oversight::{
    Callback, ChargeRecord, Code, Failed, FailedState, FindingKind, Operator, OperatorCode, Sample,
    StoredRecord,
};
use model::time::Timestamp;
use store::oversight::{Accepted, RecordFilter, RecordOutcome, Round};

use crate::authority::Desk;
use crate::core::{digest, parcel, wants};
use crate::quality::{finding, odd_record};
use crate::register::paging;
use crate::{Authority, MOST_RECORDS, MOST_SAMPLES, Page, Refused, Told, What};

/// Why a sample cannot be used.
struct Fault {
    /// What its operator is told.
    status: u16,
    message: String,
    /// How the call is answered; `None`: as if it were to be worked off, which the notice then is.
    refused: Option<Refused>,
}

/// Whether a sample of a port at a time could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usable {
    Now,
    /// Its port is not registered, or its time has not come.
    Later,
    /// It is too old.
    Never,
}

impl Authority {
    /// Takes samples and says of each what became of it. What failed in a way that its operator can repair is kept
    /// as a failure. `path` is where they were sent.
    ///
    /// # Errors
    /// When there are too many, there is no such operator, or the store fails: then it may all be sent again.
    pub async fn report(
        &self,
        code: &OperatorCode,
        told: Vec<Told<Sample>>,
        path: &str,
    ) -> Result<Vec<Result<(), Refused>>, Refused> {
        if told.len() > MOST_SAMPLES {
            return Err(Refused::TooMany {
                given: told.len(),
                most: MOST_SAMPLES,
            });
        }
        let desk = self.desk(code)?;
        let now = self.clock.now().wall;
        let faults: Vec<Option<Fault>> = told
            .iter()
            .map(|told| self.fault(&desk, &told.what, now))
            .collect();
        let mut good = Vec::with_capacity(told.len());
        let mut bad = Vec::new();
        let mut outcomes = Vec::with_capacity(told.len());
        for (index, (told, fault)) in told.into_iter().zip(faults).enumerate() {
            outcomes.push(Ok(()));
            match fault {
                None => good.push(told),
                Some(fault) => bad.push((index, told, fault)),
            }
        }
        if !good.is_empty() {
            self.accept(&desk, code, good, None, now).await?;
        }
        if !bad.is_empty() {
            self.fail_all(&desk, code, bad, path, now, &mut outcomes).await?;
        }
        Ok(outcomes)
    }

    /// Takes a sample in place of one that failed.
    ///
    /// # Errors
    /// When none failed under that id, it was given up, it fails again, or the store fails.
    pub async fn report_again(
        &self,
        code: &OperatorCode,
        failed: &Code,
        told: Told<Sample>,
    ) -> Result<(), Refused> {
        let desk = self.desk(code)?;
        let _order = desk.order.write().await;
        let now = self.clock.now().wall;
        let known = self
            .store
            .failed(failed)
            .await?
            .filter(|known| known.operator == *code);
        let known = known.ok_or_else(|| Refused::unknown(What::Sample, failed))?;
        if known.state == FailedState::Lost {
            return Err(Refused::GivenUp { id: failed.clone() });
        }
        if known.state == FailedState::Repaired || desk.read().repairing.contains(failed) {
            // What mends nothing any more is a sample like others: the same once more, or another one.
            return match self.fault(&desk, &told.what, now) {
                None => self.accept(&desk, code, vec![told], None, now).await,
                Some(fault) => fault.refused.map_or(Ok(()), Err),
            };
        }
        match self.fault(&desk, &told.what, now) {
            None => {
                desk.write().repairing.insert(failed.clone());
                let accepted = self
                    .accept(&desk, code, vec![told], Some(failed.clone()), now)
                    .await;
                if accepted.is_err() {
                    desk.write().repairing.remove(failed);
                }
                accepted
            }
            Some(fault) => {
                let path = known.path.clone();
                let again = next(code, failed.clone(), Some(&known), &told, &fault, &path, now);
                self.store_failed(&desk, vec![(again, told.what.at)], now).await?;
                fault.refused.map_or(Ok(()), Err)
            }
        }
    }

    /// Takes a sample that an operator was asked for. One that failed before, and may be lost, is repaired by it.
    ///
    /// # Errors
    /// When it cannot be used, there is no such operator, or the store fails.
    pub async fn answered(&self, code: &OperatorCode, told: Told<Sample>, path: &str) -> Result<(), Refused> {
        let desk = self.desk(code)?;
        let now = self.clock.now().wall;
        if self.fault(&desk, &told.what, now).is_none() {
            let _order = desk.order.write().await;
            let id = failure_id(code, &told.what)?;
            let known = self.store.failed(&id).await?;
            if known.is_some_and(|known| known.state != FailedState::Repaired)
                && desk.write().repairing.insert(id.clone())
            {
                let accepted = self.accept(&desk, code, vec![told], Some(id.clone()), now).await;
                if accepted.is_err() {
                    desk.write().repairing.remove(&id);
                }
                return accepted;
            }
        }
        let outcomes = self.report(code, vec![told], path).await?;
        outcomes.into_iter().next().unwrap_or(Ok(()))
    }

    /// Whether a sample of a port at a time could be used by now.
    #[must_use]
    pub fn usable(&self, code: &OperatorCode, port: &Code, at: Timestamp) -> Usable {
        let now = self.clock.now().wall;
        let terms = &self.ground.terms;
        let is_known = self
            .desk(code)
            .is_ok_and(|desk| desk.read().ports.find(port).is_some());
        if now - at > terms.oldest_sample {
            Usable::Never
        } else if !is_known || at - now > terms.most_ahead {
            Usable::Later
        } else {
            Usable::Now
        }
    }

    /// Whether a sample can be used.
    fn fault(&self, desk: &Desk, sample: &Sample, now: Timestamp) -> Option<Fault> {
        let terms = &self.ground.terms;
        if desk.read().ports.find(&sample.port).is_none() {
            return Some(Fault {
                status: 404,
                message: format!("unknown port `{}`", sample.port),
                refused: Some(Refused::unknown(What::Port, &sample.port)),
            });
        }
        let message = if now - sample.at > terms.oldest_sample {
            let hours = terms.oldest_sample.0 / 3_600_000;
            format!("the time of the sample is more than {hours} h ago")
        } else if sample.at - now > terms.most_ahead {
            let seconds = terms.most_ahead.as_seconds();
            format!("the time of the sample is more than {seconds} s ahead of ours")
        } else {
            return None;
        };
        Some(Fault {
            status: 400,
            message,
            refused: None,
        })
    }

    async fn accept(
        &self,
        desk: &Desk,
        code: &OperatorCode,
        told: Vec<Told<Sample>>,
        repairs: Option<Code>,
        at: Timestamp,
    ) -> Result<(), Refused> {
        let mut samples = Vec::with_capacity(told.len());
        let mut findings = Vec::new();
        for told in told {
            findings.extend(told.findings.into_iter().map(|odd| (told.what.port.clone(), odd)));
            samples.push(told.what);
        }
        let entry = Accepted {
            operator: code.clone(),
            at,
            samples,
            repairs,
        };
        self.store.accept(&entry).await?;
        if !findings.is_empty() {
            let day = self.ground.calendar.day(at);
            let mut book = desk.write();
            for (port, odd) in findings {
                book.ledger.note(&day, at, &port, odd);
            }
        }
        self.arrived.notify_one();
        Ok(())
    }

    async fn fail_all(
        &self,
        desk: &Desk,
        code: &OperatorCode,
        bad: Vec<(usize, Told<Sample>, Fault)>,
        path: &str,
        now: Timestamp,
        outcomes: &mut [Result<(), Refused>],
    ) -> Result<(), Refused> {
        let _order = desk.order.write().await;
        // The same sample may be there twice.
        let mut newest: BTreeMap<Code, Failed> = BTreeMap::new();
        let mut failed = Vec::new();
        for (index, told, fault) in bad {
            let id = failure_id(code, &told.what)?;
            let known = match newest.get(&id) {
                Some(known) => Some(known.clone()),
                None => self.store.failed(&id).await?,
            };
            let outcome = if known
                .as_ref()
                .is_some_and(|known| known.state == FailedState::Lost)
            {
                Err(Refused::GivenUp { id })
            } else {
                let next = next(code, id.clone(), known.as_ref(), &told, &fault, path, now);
                newest.insert(id, next.clone());
                failed.push((next, told.what.at));
                fault.refused.map_or(Ok(()), Err)
            };
            if let Some(place) = outcomes.get_mut(index) {
                *place = outcome;
            }
        }
        self.store_failed(desk, failed, now).await
    }

    /// Each with the time of the sample.
    async fn store_failed(
        &self,
        desk: &Desk,
        failed: Vec<(Failed, Timestamp)>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        if failed.is_empty() {
            return Ok(());
        }
        let day = self.ground.calendar.day(now);
        let count = failed.len() as u64;
        let lost = failed
            .iter()
            .filter(|(failed, _)| failed.state == FailedState::Lost)
            .count() as u64;
        let mut settler = self.settler.lock().await;
        let (operator, mut quality) = {
            let book = desk.read();
            (book.operator.clone(), book.ledger.quality(&day))
        };
        quality.failed += count;
        quality.lost += lost;
        let mut round = Round {
            quality: vec![(operator.id.clone(), day.clone(), quality)],
            ..Round::default()
        };
        for (failed, at) in failed {
            if let Some(port) = failed
                .port
                .as_ref()
                .filter(|_| wants(&operator, Callback::ReportFailed))
            {
                let about = format!("failed {} {}", failed.id, failed.count);
                let content = Content::Notice {
                    operator: operator.id.clone(),
                    notice: Notice::Failed(Box::new(failed.clone())),
                };
                round
                    .parcels
                    .extend(parcel(&operator, ("failed", port), &about, content, now));
            }
            round.parcels.extend(self.asked_for(&operator, &failed, at, now));
            round.failed.push(failed);
        }
        self.settle(&mut settler, &round).await?;
        let mut book = desk.write();
        let quality = book.ledger.day(&day);
        quality.failed += count;
        quality.lost += lost;
        Ok(())
    }

    /// A sample that is lost is asked for once, if it could be of use yet.
    fn asked_for(
        &self,
        operator: &Operator,
        failed: &Failed,
        at: Timestamp,
        now: Timestamp,
    ) -> Option<Parcel> {
        let is_asked = failed.state == FailedState::Lost
            && wants(operator, Callback::PastSample)
            && now - at <= self.ground.terms.oldest_sample;
        let port = failed.port.as_ref().filter(|_| is_asked)?;
        let content = Content::PastSample {
            operator: operator.id.clone(),
            port: port.clone(),
            at,
        };
        let about = format!("past {}", failed.id);
        parcel(operator, ("past", port), &about, content, now)
    }

    /// Takes records of charges and says of each what became of it.
    ///
    /// # Errors
    /// When there are too many, there is no such operator, or the store fails.
    pub async fn records(
        &self,
        code: &OperatorCode,
        told: Vec<Told<ChargeRecord>>,
    ) -> Result<Vec<Result<(), Refused>>, Refused> {
        if told.len() > MOST_RECORDS {
            return Err(Refused::TooMany {
                given: told.len(),
                most: MOST_RECORDS,
            });
        }
        let desk = self.desk(code)?;
        // A port that is registered meanwhile adopts its records after this.
        let _order = desk.order.write().await;
        let now = self.clock.now().wall;
        let mut outcomes: Vec<_> = told.iter().map(|told| check_record(&told.what)).collect();
        let good: Vec<_> = told
            .into_iter()
            .enumerate()
            .filter(|(index, _)| outcomes.get(*index).is_some_and(Result::is_ok))
            .collect();
        let rows: Vec<_> = {
            let book = desk.read();
            let row = |record: &ChargeRecord| (record.clone(), book.ports.find(&record.port).is_none());
            good.iter().map(|(_, told)| row(&told.what)).collect()
        };
        if rows.is_empty() {
            return Ok(outcomes);
        }
        let stored = self.store.put_records(code, &rows, now).await?;
        let day = self.ground.calendar.day(now);
        let mut book = desk.write();
        let ledger = &mut book.ledger;
        for (((index, told), (record, is_orphan)), stored) in good.into_iter().zip(rows).zip(stored) {
            match stored {
                RecordOutcome::Stored => {
                    ledger.day(&day).records += 1;
                    if self.ground.calendar.day(record.start) == day {
                        ledger.add_charge(&day, &record);
                    }
                    let orphan = finding(
                        FindingKind::Orphan,
                        "port",
                        &record.port,
                        "a port that is registered",
                    );
                    let orphan = is_orphan.then_some(orphan);
                    for odd in told.findings.into_iter().chain(odd_record(&record)).chain(orphan) {
                        ledger.note(&day, now, &record.charge, odd);
                    }
                }
                RecordOutcome::Same => {
                    let odd = finding(
                        FindingKind::Duplicate,
                        "charge",
                        &record.charge,
                        "each record once",
                    );
                    ledger.note(&day, now, &record.charge, odd);
                }
                RecordOutcome::Taken => {
                    let odd = finding(
                        FindingKind::Contradictory,
                        "charge",
                        &record.charge,
                        "one record for one charge",
                    );
                    ledger.note(&day, now, &record.charge, odd);
                    if let Some(place) = outcomes.get_mut(index) {
                        *place = Err(Refused::Taken {
                            what: What::Record,
                            id: record.charge.to_string(),
                        });
                    }
                }
            }
        }
        drop(book);
        self.arrived.notify_one();
        Ok(outcomes)
    }

    /// # Errors
    /// When the page has no number, or the store fails.
    pub async fn record_page(
        &self,
        filter: RecordFilter,
        index: u64,
        size: u32,
    ) -> Result<Page<StoredRecord>, Refused> {
        let (skip, size) = paging(index, size)?;
        let total = self.store.record_totals(&filter).await?.count;
        let list = self.store.records(&filter, skip, size).await?;
        Ok(Page {
            index,
            size,
            total,
            list,
        })
    }
}

fn check_record(record: &ChargeRecord) -> Result<(), Refused> {
    if record.end < record.start {
        return Err(Refused::Unfit {
            field: "end".to_owned(),
            value: record.end.to_string(),
            expected: format!("no earlier than the start, {}", record.start),
        });
    }
    Ok(())
}

/// The same sample has the same id, so that sending it again does not start anew.
fn failure_id(code: &OperatorCode, sample: &Sample) -> Result<Code, Refused> {
    let id = digest(&[code.as_str(), sample.port.as_str(), &sample.at.0.to_string()]);
    Code::new(&id).map_err(|error| Refused::Unfit {
        field: "failed".to_owned(),
        value: error.text,
        expected: "an id".to_owned(),
    })
}

/// What a failure becomes by failing once more.
fn next(
    code: &OperatorCode,
    id: Code,
    known: Option<&Failed>,
    told: &Told<Sample>,
    fault: &Fault,
    path: &str,
    now: Timestamp,
) -> Failed {
    let count = known.map_or(0, |known| known.count).saturating_add(1);
    Failed {
        id,
        operator: code.clone(),
        port: Some(told.what.port.clone()),
        body: told.body.clone(),
        path: path.to_owned(),
        first: known.map_or(now, |known| known.first),
        last: now,
        count,
        state: if count >= Failed::MOST {
            FailedState::Lost
        } else {
            FailedState::Open
        },
        status: fault.status,
        message: fault.message.clone(),
    }
}
