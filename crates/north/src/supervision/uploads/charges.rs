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

#[cfg(test)]
mod tests {
    use model::id::{EvseId, PlatformId, SessionId};
    use model::oversight::{Digest, OperatorCode, StationSheet};
    use model::phases::PerPhase;
    use model::session::{Ahead, Authorisation, AuthorisationKind, Origin, Stop, StopReason, Transaction};
    use model::units::{WattHours, Watts};
    use store::{Sessions, Sqlite};

    use super::*;

    const HOUR: Millis = Millis(3_600_000);
    const BEGIN: Timestamp = Timestamp(1_763_769_600_000);

    fn platform() -> ReportTo {
        ReportTo {
            id: PlatformId::new("city").unwrap(),
            name: "City".to_owned(),
            url: "https://platform.example".to_owned(),
            operator: OperatorCode::new("MA005DBW1").unwrap(),
            digest: Digest::Sha256,
            enabled: true,
            local: false,
            interval: Millis(300_000),
            time_zone: "Asia/Shanghai".to_owned(),
            currency: "CNY".parse().unwrap(),
            callback: None,
            field_names: BTreeMap::new(),
            mapping: None,
            sites: vec![ReportedSite {
                site: SiteId::new("home").unwrap(),
                station: None,
                equipment: BTreeMap::new(),
                ports: BTreeMap::new(),
                sheet: StationSheet {
                    owner: "MA005DBW1".to_owned(),
                    address: "Ring road 1".to_owned(),
                    phone: None,
                    station_type: 6,
                    place: None,
                    standard: "GB/T 18487.1".to_owned(),
                    energy_fee: "1".to_owned(),
                    service_fee: "0".to_owned(),
                    fire_extinguisher: 1,
                    smoke_detector: 3,
                },
            }],
            since: BEGIN,
        }
    }

    /// Plugged in and out after so many hours; `None`: the car is still there.
    async fn put(store: &Sqlite, id: &str, plugged_h: i64, unplugged_h: Option<i64>, revision: u64) {
        let at = |hours: i64| BEGIN + Millis(hours * HOUR.0);
        let end = at(unplugged_h.unwrap_or(plugged_h + 1));
        let session = Session {
            id: SessionId::new(id).unwrap(),
            site: SiteId::new("home").unwrap(),
            evse: EvseId::new("left").unwrap(),
            plugged: at(plugged_h),
            unplugged: unplugged_h.map(at),
            vehicle: None,
            transactions: vec![Transaction {
                number: 1,
                authorisation: Authorisation {
                    kind: AuthorisationKind::App,
                    user: None,
                    card: None,
                },
                started: at(plugged_h),
                stopped: Some(Stop {
                    at: end,
                    reason: StopReason::Asked,
                }),
                meter_start: None,
                meter_stop: None,
                energy: WattHours(1_000),
                per_phase: PerPhase::default(),
                one_phase: WattHours(0),
                three_phase: WattHours(1_000),
                origin: Origin::default(),
                charging: HOUR,
                peak: Watts(11_000),
                cost: None,
                other_costs: Vec::new(),
                unpriced: WattHours(1_000),
                ahead: Ahead::default(),
                estimated: false,
            }],
            charger_energy: None,
            soc: None,
            revision,
        };
        store.put_session(1, &session).await.unwrap();
    }

    #[tokio::test]
    async fn a_charge_is_queued_once_when_its_car_has_left() {
        let store = Sqlite::in_memory().unwrap();
        let mut note = Note::default();
        put(&store, "before", -48, Some(-24), 1).await;
        put(&store, "over", -20, Some(1), 1).await;
        put(&store, "stays", 0, None, 1).await;
        // After so many hours, what is stored then, and how many charges are found.
        for (hours, stored, expected) in [
            (2, None, 1),
            (3, None, 0),
            (4, Some(("short", 2, Some(4), 1)), 1),
            // One that its engine stored two days late.
            (50, Some(("late", 1, Some(2), 1)), 1),
            // Days later the car that stood there all the time goes.
            (200, Some(("stays", 0, Some(199), 2)), 1),
            (201, None, 0),
            (400, Some(("next", 399, Some(400), 1)), 1),
            (401, None, 0),
        ] {
            if let Some((id, plugged, unplugged, revision)) = stored {
                put(&store, id, plugged, unplugged, revision).await;
            }
            let now = BEGIN + Millis(hours * HOUR.0);
            // As after a restart: what was noted is read back.
            note = Note::read(Some(&serde_json::to_string(&note).unwrap()));
            let (uploads, after) = look(&*store, &platform(), &note, now).await.unwrap();
            assert_eq!(uploads.len(), expected, "after {hours} h: {uploads:?}");
            note = after;
        }
        // What is long over is not looked at any more.
        let mark = note.sites.values().next().unwrap();
        assert_eq!(mark.from, BEGIN + Millis(401 * HOUR.0) - LATE);
        assert_eq!(mark.told, BTreeSet::from(["next".to_owned()]));
    }
}
