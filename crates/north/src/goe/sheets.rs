//! Answers ready made: what a charger shows changes once a second, however often it is asked.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderValue;
use bytes::Bytes;
use dialects::goe::query::StatusQuery;
use dialects::goe::server::{Secrets, Sheet, StatusForm, http_date};
use model::id::EvseId;
use model::time::{Millis, Timestamp};
use model::view::SiteView;

use super::charger::Moment;

/// Queries whose answers are kept, per charger: clients ask the same again and again.
const QUERIES: usize = 8;
/// A longer query is answered, and not kept.
const LONGEST_QUERY: usize = 1_024;

/// Kept answers, for each charger one for callers who know its token and one for those who do not.
#[derive(Default)]
pub struct Sheets {
    kept: Mutex<BTreeMap<(EvseId, bool), Kept>>,
}

/// An answer with what it was made from. Views and documents are never changed, only replaced, so the same
/// place in memory is the same content as long as it is held here.
struct Kept {
    view: Arc<SiteView>,
    document: Option<Arc<str>>,
    token: Option<String>,
    api_enabled: bool,
    ready: Arc<Ready>,
}

impl Sheets {
    /// What the charger shows now to somebody who showed its token, or to somebody else.
    pub fn of(&self, moment: &Moment<'_>, token: Option<&str>) -> Arc<Ready> {
        let key = (moment.evse.id.clone(), token.is_some());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.get(&key).filter(|kept| kept.is_of(moment, token)) {
            return Arc::clone(&kept.ready);
        }
        let ready = Arc::new(Ready {
            sheet: moment.sheet(token),
            answers: Mutex::default(),
        });
        let entry = Kept {
            view: Arc::clone(moment.view),
            document: moment.document.map(|document| Arc::clone(&document.json)),
            token: token.map(str::to_owned),
            api_enabled: moment.api_enabled,
            ready: Arc::clone(&ready),
        };
        kept.insert(key, entry);
        ready
    }
}

impl Kept {
    fn is_of(&self, moment: &Moment<'_>, token: Option<&str>) -> bool {
        let same_document = match (&self.document, moment.document) {
            (Some(kept), Some(now)) => Arc::ptr_eq(kept, &now.json),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_document
            && Arc::ptr_eq(&self.view, moment.view)
            && self.token.as_deref() == token
            && self.api_enabled == moment.api_enabled
    }
}

/// A sheet, and the answers of the cloud form that were made from it.
pub struct Ready {
    sheet: Sheet,
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Answers {
    of_queries: Vec<(Box<str>, Answer)>,
    /// Which one makes room for the next.
    oldest: usize,
    last_modified: Option<(Timestamp, HeaderValue)>,
}

/// What a query without its token is answered.
#[derive(Clone)]
pub struct Answer {
    /// The largest age the caller accepts.
    pub age: Millis,
    pub body: Bytes,
    pub length: HeaderValue,
}

impl Deref for Ready {
    type Target = Sheet;

    fn deref(&self) -> &Sheet {
        &self.sheet
    }
}

impl Ready {
    /// The answer to a query that names no token, for somebody who showed it.
    pub fn answer(&self, query: &str) -> Answer {
        let mut answers = self.answers();
        if let Some((_, answer)) = answers.of_queries.iter().find(|(known, _)| **known == *query) {
            return answer.clone();
        }
        let StatusQuery { age, filter, .. } = StatusQuery::parse(query);
        let form = StatusForm::Cloud {
            last_modified: Timestamp(0),
        };
        let body = match &filter {
            None => self.sheet.full().clone(),
            Some(names) => self.sheet.body(Some(names), Secrets::WhenNamed, form).into(),
        };
        let answer = Answer {
            age,
            length: body.len().into(),
            body,
        };
        if query.len() <= LONGEST_QUERY {
            answers.keep(query, answer.clone());
        }
        answer
    }

    /// When the charger was last heard from, as a header says it.
    pub fn last_modified(&self, at: Timestamp) -> Option<HeaderValue> {
        let mut answers = self.answers();
        if let Some((of, value)) = &answers.last_modified
            && *of == at
        {
            return Some(value.clone());
        }
        let value = HeaderValue::from_str(&http_date(at)).ok()?;
        answers.last_modified = Some((at, value.clone()));
        Some(value)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    fn keep(&mut self, query: &str, answer: Answer) {
        let entry = (query.into(), answer);
        match self.of_queries.get_mut(self.oldest) {
            Some(oldest) => *oldest = entry,
            None => self.of_queries.push(entry),
        }
        self.oldest = (self.oldest + 1) % QUERIES;
    }
}
