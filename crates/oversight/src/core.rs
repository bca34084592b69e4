//! What becomes of accepted samples, and of ports from which none come. Pure: the time is an argument.
//!
//! The outcome of a sample depends on what was accepted before it and on when it was accepted, not on when it is
//! worked off: after a crash the rest of the journal gives the same once more.

use model::id::ParcelId;
use model::outbox::{Content, Notice, Parcel, ParcelState};
use model::oversight::{Callback, Code, Failed, FailedState, FindingKind, Operator, Sample, Warning};
use model::time::{Millis, Timestamp};
use sha2::{Digest, Sha256};
use store::oversight::{Accepted, Round};

use crate::book::shelf::Place;
use crate::book::{Book, Placed};
use crate::overview::Look;
use crate::quality::{Calendar, REPORT_EVERY, finding, is_late, odd_sample};
use crate::risk::{Moment, Rules, View};
use crate::terms::Terms;

/// What everything is judged by.
pub(crate) struct Ground {
    pub terms: Terms,
    pub rules: Rules,
    pub calendar: Calendar,
}

/// Works off an entry of the journal; `repaired` is the failure that it repairs.
pub(crate) fn take(
    book: &mut Book,
    number: i64,
    entry: &Accepted,
    repaired: Option<Failed>,
    ground: &Ground,
    out: &mut Round,
) {
    let day = ground.calendar.day(entry.at);
    let operator = book.operator.clone();
    for (index, sample) in entry.samples.iter().enumerate() {
        // Its port was deleted meanwhile.
        let Some(place) = book.ports.find(&sample.port) else {
            continue;
        };
        let placed = book.place(place, sample, entry.at);
        let note = |book: &mut Book, kind, expected: &str| {
            let odd = finding(kind, "at", ground.calendar.clock(sample.at), expected);
            book.ledger.note(&day, entry.at, &sample.port, odd);
        };
        let before = match placed {
            Placed::Again => {
                note(book, FindingKind::Duplicate, "each sample once");
                continue;
            }
            Placed::Late => {
                count_kept(book, &day, sample, entry.at);
                note(
                    book,
                    FindingKind::OutOfOrder,
                    "samples in the order of their times",
                );
                continue;
            }
            Placed::Instead => {
                note(book, FindingKind::Contradictory, "one content for one time");
                None
            }
            Placed::Newest(before) => before,
        };
        count_kept(book, &day, sample, entry.at);
        let equipment = book
            .ports
            .get(place)
            .and_then(|slot| book.equipment_of(&slot.what))
            .cloned();
        if let Some(equipment) = equipment {
            for odd in odd_sample(sample, before.as_ref(), &equipment, entry.at) {
                book.ledger.note(&day, entry.at, &sample.port, odd);
            }
        }
        let is_offline = ground.rules.says_offline(sample);
        let look = if is_offline {
            Look::Offline
        } else {
            Look::of(sample.state)
        };
        book.set_look(place, look, false);
        let moment = Moment {
            operator: &operator.id,
            now: entry.at,
            at: sample.at,
            stem: &|| format!("{number}-{index}"),
            tells: wants(&operator, Callback::Risk),
        };
        let changed = ask(book, place, sample, Millis::ZERO, ground, &moment);
        give(book, &operator, changed, &day, entry.at, out);
    }
    if let Some(id) = &entry.repairs {
        book.repairing.remove(id);
        if let Some(failed) = repaired.filter(|failed| failed.state != FailedState::Repaired) {
            book.ledger.day(&day).repaired += 1;
            out.failed.push(Failed {
                state: FailedState::Repaired,
                last: entry.at,
                ..failed
            });
        }
    }
}

fn count_kept(book: &mut Book, day: &str, sample: &Sample, received: Timestamp) {
    let quality = book.ledger.day(day);
    quality.kept += 1;
    quality.late += u64::from(is_late(sample, received));
}

/// Looks for ports that should have said something, and for warnings that have to be told again.
pub(crate) fn look_for_gaps(book: &mut Book, now: Timestamp, ground: &Ground, out: &mut Round) {
    let day = ground.calendar.day(now);
    let operator = book.operator.clone();
    let terms = &ground.terms;
    let tells = wants(&operator, Callback::Risk);
    // Then it is not about single ports: the page says so of the operator.
    let is_silent = book.heard.is_none_or(|heard| now - heard >= terms.stale_after);
    let mut overdue = Vec::new();
    for (place, slot) in book.ports.iter_mut() {
        let port = &mut slot.what;
        let silence = now - port.seen;
        if silence < REPORT_EVERY {
            continue;
        }
        let due = u16::try_from(silence.0 / REPORT_EVERY.0).unwrap_or(u16::MAX);
        let new = due.saturating_sub(port.missed);
        let is_first = port.missed == 0;
        port.missed += new;
        overdue.push((place, slot.number, silence, new, is_first));
    }
    for (place, number, silence, new, is_first) in overdue {
        if new > 0 {
            note_missing(book, place, ground, now, (new, is_first));
        }
        let Some(slot) = book.ports.get(place) else {
            continue;
        };
        let (look, _) = book.look(&slot.what);
        match look {
            Look::Never | Look::Offline => {}
            Look::Idle
            | Look::Occupied
            | Look::Charging
            | Look::Reserved
            | Look::Complete
            | Look::Fault
            | Look::Other => {
                if silence >= terms.offline_after {
                    book.set_look(place, Look::Offline, false);
                } else {
                    book.set_look(place, look, silence >= terms.stale_after);
                }
            }
        }
        if is_silent {
            continue;
        }
        if let Some(sample) = book.newest(place) {
            let moment = Moment {
                operator: &operator.id,
                now,
                at: now,
                stem: &|| format!("t{}-{number}", now.0),
                tells,
            };
            let changed = ask(book, place, &sample, silence, ground, &moment);
            give(book, &operator, changed, &day, now, out);
        }
    }
    let reminded = book.watch.remind(now, terms.escalate_after, tells);
    for warning in reminded {
        put(&operator, warning, now, out);
    }
}

fn note_missing(
    book: &mut Book,
    place: Place,
    ground: &Ground,
    now: Timestamp,
    (new, is_first): (u16, bool),
) {
    let Some(slot) = book.ports.get(place) else { return };
    let (port, seen) = (slot.id.clone(), ground.calendar.clock(slot.what.seen));
    let day = ground.calendar.day(now);
    let mut counted = u64::from(new);
    if is_first {
        let odd = finding(
            FindingKind::Missing,
            "at",
            format!("nothing since {seen}"),
            "a report every 5 to 10 minutes",
        );
        book.ledger.note(&day, now, &port, odd);
        counted -= 1;
    }
    *book
        .ledger
        .day(&day)
        .findings
        .entry(FindingKind::Missing)
        .or_default() += counted;
}

/// Asks the rules; `age` is how long the port has been silent.
fn ask(
    book: &mut Book,
    place: Place,
    sample: &Sample,
    age: Millis,
    ground: &Ground,
    moment: &Moment<'_>,
) -> Vec<Warning> {
    let charging = book.charging_for(place, sample);
    let Some(slot) = book.ports.get(place) else {
        return Vec::new();
    };
    let view = View {
        sample,
        rated_power: slot.what.rated_power(),
        rated_current: slot.what.rated_current(),
        charging,
        age,
    };
    if age == Millis::ZERO {
        book.watch.look(place, &view, &ground.rules, moment)
    } else {
        book.watch.look_at_silent(place, &view, &ground.rules, moment)
    }
}

fn give(
    book: &mut Book,
    operator: &Operator,
    changed: Vec<Warning>,
    day: &str,
    now: Timestamp,
    out: &mut Round,
) {
    for warning in changed {
        book.ledger.day(day).warnings += u64::from(warning.cleared.is_none());
        put(operator, warning, now, out);
    }
}

fn put(operator: &Operator, warning: Warning, now: Timestamp, out: &mut Round) {
    if warning.cleared.is_none() && warning.told == Some(now) {
        let about = format!("risk {} {}", warning.id, now.0);
        let content = Content::Notice {
            operator: operator.id.clone(),
            notice: Notice::Risk(Box::new(warning.clone())),
        };
        out.parcels
            .extend(parcel(operator, ("risk", &warning.port), &about, content, now));
    }
    out.warnings.push(warning);
}

/// Whether an operator is told of something.
pub(crate) fn wants(operator: &Operator, callback: Callback) -> bool {
    !operator.suspended && operator.addresses.contains_key(&callback)
}

/// What is owed to an operator; the same thing has the same id. What is about one port leaves in order.
pub(crate) fn parcel(
    operator: &Operator,
    (kind, port): (&str, &Code),
    about: &str,
    content: Content,
    now: Timestamp,
) -> Option<Parcel> {
    Some(Parcel {
        id: ParcelId::new(&format!("told-{}", digest(&[operator.id.as_str(), about]))).ok()?,
        target: format!("operator {} {kind} {}", operator.id, lane(port)),
        content,
        author: None,
        created: now,
        attempts: 0,
        state: ParcelState::Waiting { next_attempt: now },
        last_error: None,
    })
}

/// So many calls to one operator about the same kind of thing are under way at once.
const LANES: u8 = 4;

fn lane(port: &Code) -> u8 {
    let hash = Sha256::digest(port.as_str());
    hash.first().map_or(0, |byte| byte % LANES)
}

/// 128 bits of a hash, in 32 digits.
pub(crate) fn digest(parts: &[&str]) -> String {
    use std::fmt::Write;
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .take(16)
        .fold(String::new(), |mut text, byte| {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
