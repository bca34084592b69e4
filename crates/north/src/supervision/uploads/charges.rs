//! Which charges have ended and were not yet put into the queue.
//!
//! What was put there is noted in the transaction that puts it, so that every charge gets there once, whatever
//! ends when. Sessions of some days are looked at again each time: their engine may store one late.

use std::collections::{BTreeMap, BTreeSet};

use model::id::SiteId;
use model::oversight::{ReportTo, ReportedSite, Upload};
use model::session::Session;
use model::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};
use store::{SessionCursor, SessionFilter, Store, StoreError};

use super::names;

const DAY: Millis = Millis(24 * 3_600_000);
/// A session that is stored so late is still found.
const LATE: Millis = Millis(3 * DAY.0);
/// A car may have stood there for so long when the reporting begins.
const LONGEST: Millis = Millis(14 * DAY.0);
const PAGE: u32 = 200;

/// How far the sessions of each site were worked off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    sites: BTreeMap<SiteId, Mark>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// Nothing that was plugged in before is looked at.
    from: Timestamp,
    /// Sessions from then on that are in the queue or were.
    told: BTreeSet<String>,
}

impl Note {
    pub fn read(text: Option<&str>) -> Self {
        // What cannot be read is begun anew: the platform takes a record twice.
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }
}

/// What is to be queued now, and what is noted with it.
///
/// # Errors
/// When the store fails.
pub async fn look(
    store: &dyn Store,
    platform: &ReportTo,
    note: &Note,
    now: Timestamp,
) -> Result<(Vec<Upload>, Note), StoreError> {
    let mut uploads = Vec::new();
    let mut after = Note::default();
    for reported in &platform.sites {
        let mark = note.sites.get(&reported.site);
        let begin = Mark {
            from: platform.since - LONGEST,
            told: BTreeSet::new(),
        };
        let mark = mark.unwrap_or(&begin);
        let sessions = since(store, &reported.site, mark.from).await?;
        let (new, mark) = ended(platform, reported, &sessions, mark, now);
        uploads.extend(new);
        after.sites.insert(reported.site.clone(), mark);
    }
    Ok((uploads, after))
}

async fn since(store: &dyn Store, site: &SiteId, from: Timestamp) -> Result<Vec<Session>, StoreError> {
    let filter = SessionFilter {
        site: Some(site.clone()),
        from: Some(from),
        ..SessionFilter::default()
    };
    let mut all: Vec<Session> = Vec::new();
    loop {
        let after = all.last().map(|session| SessionCursor {
            plugged: session.plugged,
            id: session.id.clone(),
        });
        let page = store.sessions(&filter, after.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

fn ended(
    platform: &ReportTo,
    reported: &ReportedSite,
    sessions: &[Session],
    mark: &Mark,
    now: Timestamp,
) -> (Vec<Upload>, Mark) {
    let mut uploads = Vec::new();
    let open = sessions.iter().filter(|session| session.unplugged.is_none());
    let oldest_open = open.map(|session| session.plugged).min();
    let from = oldest_open.unwrap_or(now).min(now - LATE).max(mark.from);
    let mut told = BTreeSet::new();
    for session in sessions.iter().filter(|session| session.unplugged.is_some()) {
        if session.plugged >= from {
            told.insert(session.id.to_string());
        }
        if mark.told.contains(session.id.as_str()) {
            continue;
        }
        let records = names::records(platform, reported, session);
        let records = records.into_iter().filter(|record| record.end >= platform.since);
        uploads.extend(records.map(|record| Upload::Record { record }));
    }
    uploads.sort_by_key(Upload::at);
    (uploads, Mark { from, told })
}
