//! The past of the demo: the previous 30 days, made by the simulated site and the real control under
//! stepped time, so that the charts have something to show.
//!
//! The live site does not wait for it. Counters are therefore moved so that the past ends where the live
//! devices began, and no counter runs backwards.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::Context;
use engine::{Change, Core, Directory, Record, Restored};
use model::alarm::{Acknowledged, Alarm, AlarmCode, Severity};
use model::device::LinkState;
use model::id::{DeviceId, EvseId, SessionId, UserId};
use model::message::{Report, Reported};
use model::outbox::{Content, Parcel, ParcelState};
use model::reading::Quantity;
use model::session::machine::Input;
use model::session::{Authorisation, AuthorisationKind, LedgerEntry, Session};
use model::settings::ControlSettings;
use model::site::Site;
use model::tariff::PriceBook;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::WattHours;
use model::user::{Card, CardKind};
use sim::world::World;
use store::{Series, Store, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const DAYS: i64 = 30;
const DAY: Millis = Millis(86_400_000);
const HOUR: Millis = Millis(3_600_000);
const STEP: Millis = Millis(10_000);
const RECORD_EVERY: Millis = Millis(60_000);

type Rows = BTreeMap<Series, Vec<(Timestamp, i64)>>;

/// Records that are written at once; the store syncs them together.
const AT_ONCE: usize = 64;

/// What the past leaves behind.
#[derive(Default)]
struct Made {
    rows: Rows,
    sessions: BTreeMap<SessionId, Session>,
    ledger: BTreeMap<Timestamp, LedgerEntry>,
    /// As they ended, by when they began.
    alarms: BTreeMap<(Timestamp, Option<DeviceId>, AlarmCode), Alarm>,
}

/// Devices that did not answer for a while, so that there are alarms to look back at: which, how long before
/// the end, and for how long. All of it is before the days that a new world lives through.
const SILENCES: [(&str, Millis, Millis); 3] = [
    ("grid", Millis(18 * DAY.0 + 5 * HOUR.0), Millis(6 * 60_000)),
    ("battery", Millis(9 * DAY.0 + 2 * HOUR.0), Millis(25 * 60_000)),
    (
        "wallbox-right",
        Millis(3 * DAY.0 + 7 * HOUR.0),
        Millis(4 * 60_000),
    ),
];

/// How soon somebody looked at an alarm, if anybody did.
const SEEN_AFTER: Millis = Millis(90_000);

/// What the past is made of.
pub struct Past {
    /// A world of its own; the live one goes on undisturbed.
    pub world: World,
    pub site: Arc<Site>,
    pub control: ControlSettings,
    /// Where the live site began; the past ends a minute before.
    pub until: Timestamp,
    /// Counters of the live site at its start, by series.
    pub counters: BTreeMap<Series, i64>,
    pub people: People,
}

impl Past {
    /// Whether the history of the site reaches back already. The house load is written last.
    pub async fn is_there(store: &Arc<dyn Store>, site: &Site, until: Timestamp) -> anyhow::Result<bool> {
        let house = house_load(site);
        let from = until - Millis(DAYS * 86_400_000);
        let rows = store
            .query(
                &house,
                from,
                from + Millis(2 * 86_400_000),
                store::Step::Seconds(3_600),
            )
            .await
            .context("cannot look into the history")?;
        Ok(!rows.is_empty())
    }

    /// Makes the past and writes it; `progress` is told thousandths. Sessions are written with the epoch of
    /// the live engine, which the store asks for.
    ///
    /// # Errors
    /// When the store refuses it.
    pub async fn make(
        self,
        store: Arc<dyn Store>,
        epoch: u64,
        stop: CancellationToken,
        progress: impl Fn(u16) + Send + 'static,
    ) -> anyhow::Result<()> {
        let counters = self.counters.clone();
        let house = house_load(&self.site);
        let site = self.site.clone();
        let simulation = {
            let stop = stop.clone();
            tokio::task::spawn_blocking(move || (self.simulate(&stop, &progress), progress))
        };
        let (mut made, progress) = simulation
            .await
            .context("the simulation of the past ended early")?;
        if stop.is_cancelled() {
            return Ok(());
        }
        made.end(&site, &counters);
        let mut rows = made.rows;
        let last = rows.remove(&house);
        write_sessions(&store, epoch, made.sessions, made.ledger).await?;
        let grave = made
            .alarms
            .values()
            .find(|alarm| alarm.severity == Severity::Error);
        if let Some(alarm) = grave {
            store
                .put_parcel(&given_up(&site, alarm)?)
                .await
                .context("cannot write the messages of the past")?;
        }
        for alarm in made.alarms.into_values() {
            store
                .put_alarm(&alarm)
                .await
                .context("cannot write the alarms of the past")?;
        }
        for (series, mut rows) in rows {
            if let (true, Some(live), Some((_, end))) = (
                series.quantity.is_counter(),
                counters.get(&series),
                rows.last().copied(),
            ) {
                for (_, value) in &mut rows {
                    *value += live - end;
                }
            }
            store
                .import(&series, &rows)
                .await
                .with_context(|| format!("cannot write the past of {}", series.subject))?;
        }
        if let Some(rows) = last {
            store
                .import(&house, &rows)
                .await
                .context("cannot write the past of the house")?;
        }
        progress(1_000);
        Ok(())
    }

    /// Half of it where it was stopped.
    fn simulate(mut self, stop: &CancellationToken, progress: &impl Fn(u16)) -> Made {
        let minute = Timestamp(self.until.0.div_euclid(60_000) * 60_000);
        let begin = minute - Millis(DAYS * 86_400_000);
        let steps = (DAYS * 86_400_000 - 60_000) / STEP.0;
        let mut made = Made::default();
        let looks_after = self.people.looks_after.clone();
        live_through(
            &mut self.world,
            &self.site,
            self.control,
            Some(self.people),
            begin,
            steps,
            |step, record| {
                match record {
                    Record::Samples(samples) => {
                        for sample in samples {
                            made.rows
                                .entry(sample.series)
                                .or_default()
                                .push((sample.at, sample.value));
                        }
                        progress(u16::try_from(step * 950 / steps).unwrap_or(0));
                    }
                    Record::Books(books) => {
                        made.sessions.extend(
                            books
                                .sessions
                                .into_iter()
                                .map(|session| (session.id.clone(), session)),
                        );
                        made.ledger
                            .extend(books.ledger.into_iter().map(|entry| (entry.start, entry)));
                    }
                    Record::Alarm(alarm) => {
                        made.alarms
                            .insert((alarm.raised, alarm.device.clone(), alarm.code), alarm);
                    }
                    Record::Past(_)
                    | Record::Setpoints(_)
                    | Record::Memory(_)
                    | Record::Wish { .. }
                    | Record::Keys(_)
                    | Record::Charge { .. }
                    | Record::Audit(_)
                    | Record::Device { .. }
                    | Record::Document { .. } => {}
                }
                if stop.is_cancelled() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        );
        // What is still open is the live site's to say; the newest have not been looked at yet.
        made.alarms.retain(|_, alarm| alarm.cleared.is_some());
        let seen = made.alarms.len().saturating_sub(1);
        for alarm in made.alarms.values_mut().take(seen) {
            alarm.acknowledged = Some(Acknowledged {
                by: looks_after.clone(),
                at: alarm.raised + SEEN_AFTER,
            });
        }
        made
    }
}

impl Made {
    /// Fits the end of the past to the beginning of the present: counters go on, and the cars that are
    /// still there are the live site's to account for.
    fn end(&mut self, site: &Site, counters: &BTreeMap<Series, i64>) {
        let mut moved = BTreeMap::new();
        for (station, evse) in site.evses() {
            let series = Series {
                subject: format!("device:{}", station.id),
                quantity: Quantity::EnergyIn,
            };
            let end = self.rows.get(&series).and_then(|rows| rows.last());
            if let (Some(live), Some((_, end))) = (counters.get(&series), end) {
                moved.insert(evse.id.clone(), WattHours(live - end));
            }
        }
        self.sessions.retain(|_, session| session.unplugged.is_some());
        for session in self.sessions.values_mut() {
            let by = moved.get(&session.evse).copied().unwrap_or_default();
            for taken in &mut session.transactions {
                taken.meter_start = taken.meter_start.map(|counter| counter + by);
                taken.meter_stop = taken.meter_stop.map(|counter| counter + by);
            }
        }
        for entry in self.ledger.values_mut() {
            entry
                .shares
                .retain(|share| self.sessions.contains_key(&share.session));
        }
    }
}

/// A message about an alarm that never got through: the demo has no mail relay.
fn given_up(site: &Site, alarm: &Alarm) -> anyhow::Result<Parcel> {
    let to = "resident-1@example.org";
    Ok(Parcel {
        id: "past-1".parse()?,
        target: format!("email {to}"),
        content: Content::Email {
            to: to.to_owned(),
            subject: format!("{}: {}", site.name, alarm.text),
            body: alarm.text.clone(),
        },
        author: None,
        created: alarm.raised,
        attempts: 32,
        state: ParcelState::Dead {
            since: alarm.raised + DAY,
        },
        last_error: Some("no mail relay is configured".to_owned()),
    })
}

async fn write_sessions(
    store: &Arc<dyn Store>,
    epoch: u64,
    sessions: BTreeMap<SessionId, Session>,
    ledger: BTreeMap<Timestamp, LedgerEntry>,
) -> anyhow::Result<()> {
    let mut writing: JoinSet<Result<(), StoreError>> = JoinSet::new();
    for session in sessions.into_values() {
        let store = store.clone();
        writing.spawn(async move { store.put_session(epoch, &session).await });
        finish(&mut writing, AT_ONCE).await?;
    }
    for entry in ledger.into_values() {
        let store = store.clone();
        writing.spawn(async move { store.put_ledger(epoch, &entry).await });
        finish(&mut writing, AT_ONCE).await?;
    }
    finish(&mut writing, 0).await
}

/// Waits until no more than so many are being written.
async fn finish(writing: &mut JoinSet<Result<(), StoreError>>, at_most: usize) -> anyhow::Result<()> {
    while writing.len() > at_most {
        if let Some(written) = writing.join_next().await {
            written
                .context("writing the past ended early")?
                .context("cannot write the sessions of the past")?;
        }
    }
    Ok(())
}

/// Who charged in the past, in turn, at an EVSE where cards are used; and what energy cost them.
pub struct People {
    pub evse: EvseId,
    pub directory: Directory,
    /// Who looks at alarms.
    pub looks_after: UserId,
    pub prices: Arc<PriceBook>,
}

impl People {
    /// Shows the card of the next one as soon as a car was plugged in.
    fn come(&self, core: &mut Core, count: &mut usize, now: Now) {
        let view = core.view(now);
        let session = view
            .evses
            .iter()
            .find(|evse| evse.id == self.evse)
            .and_then(|evse| evse.session.as_ref());
        let is_nobody = session
            .is_some_and(|s| s.kind == Some(AuthorisationKind::PlugAndGo) && s.energy == WattHours::ZERO);
        let cards: Vec<&Card> = self.directory.cards.values().collect();
        let Some(card) = cards.get(*count % cards.len().max(1)).filter(|_| is_nobody) else {
            return;
        };
        *count += 1;
        let input = Input::Authorised(Authorisation {
            kind: match card.kind {
                CardKind::Rfid => AuthorisationKind::Rfid,
                CardKind::Pin => AuthorisationKind::Pin,
            },
            user: Some(card.user.clone()),
            card: Some(card.id.clone()),
        });
        let evse = self.evse.clone();
        core.apply(Change::Session { evse, input }, now);
    }
}

/// Lets a new world live through the last two days, so that it begins as full, as charged and as plugged in
/// as its made-up past will end.
pub fn wake(world: &mut World, site: &Arc<Site>, control: ControlSettings, until: Timestamp) {
    let span = Millis(2 * 86_400_000);
    live_through(
        world,
        site,
        control,
        None,
        until - span,
        span.0 / STEP.0,
        |_, _| ControlFlow::Continue(()),
    );
}

/// Runs a world under control in steps of [`STEP`]; hands out what would be recorded, until that breaks it off.
fn live_through(
    world: &mut World,
    site: &Arc<Site>,
    control: ControlSettings,
    people: Option<People>,
    begin: Timestamp,
    steps: i64,
    mut take: impl FnMut(i64, Record) -> ControlFlow<()>,
) {
    let now = |step: i64| Now {
        wall: begin + Millis(step * STEP.0),
        monotonic: Monotonic(step * STEP.0),
    };
    let mut core = Core::new(
        site.clone(),
        control,
        0,
        Restored::default(),
        RECORD_EVERY,
        now(0),
    );
    if let Some(people) = &people {
        core.set_directory(people.directory.clone(), now(0));
        core.set_prices(people.prices.clone());
    }
    let mut came = 0;
    let left = |step: i64| Millis((steps - step) * STEP.0);
    for step in 0..steps {
        let now = now(step);
        world.step_coarse(now);
        let mut reports = links_changed(site, left(step - 1), left(step));
        reports.extend(
            world
                .reports()
                .into_iter()
                .filter(|(device, _)| !is_silent(device, left(step))),
        );
        for (device, report) in reports {
            core.handle_report(&Reported {
                site: site.id.clone(),
                device,
                at: now,
                report,
            });
        }
        if let Some(people) = &people {
            people.come(&mut core, &mut came, now);
        }
        core.handle_timeout(now);
        while let Some(setpoint) = core.poll_setpoint() {
            world.act(&setpoint.device, &setpoint.action, now);
        }
        while let Some(record) = core.poll_record() {
            if take(step, record).is_break() {
                return;
            }
        }
    }
}

/// Whether a device does not answer while so much of the past is left.
fn is_silent(device: &DeviceId, left: Millis) -> bool {
    SILENCES
        .iter()
        .any(|(silent, from, span)| device.as_str() == *silent && left <= *from && left.0 > from.0 - span.0)
}

/// The links that were lost or found again in between.
fn links_changed(site: &Site, left_before: Millis, left: Millis) -> Vec<(DeviceId, Report)> {
    let changed = |device: &DeviceId| {
        let state = match (is_silent(device, left_before), is_silent(device, left)) {
            (false, true) => LinkState::Offline {
                problem: "no answer within 2 s; check the network and its cable".to_owned(),
            },
            (true, false) => LinkState::Online,
            (true, true) | (false, false) => return None,
        };
        Some((device.clone(), Report::Link(state)))
    };
    site.devices
        .iter()
        .filter_map(|device| changed(&device.id))
        .collect()
}

fn house_load(site: &Site) -> Series {
    Series {
        subject: format!("site:{}", site.id),
        quantity: Quantity::Power,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sim::demo;

    use super::*;

    #[test]
    fn every_silence_is_of_a_device_begins_and_ends_once_and_before_the_present() {
        let site = demo::home_site(&demo::home(1), &BTreeMap::new());
        let steps = DAYS * DAY.0 / STEP.0;
        let left = |step: i64| Millis((steps - step) * STEP.0);
        let changes: Vec<(i64, String, bool)> = (0..=steps)
            .flat_map(|step| {
                links_changed(&site, left(step - 1), left(step))
                    .into_iter()
                    .map(move |(device, report)| {
                        let is_found = report == Report::Link(LinkState::Online);
                        (left(step).0, device.to_string(), is_found)
                    })
            })
            .collect();
        let expected: Vec<(i64, String, bool)> = SILENCES
            .iter()
            .flat_map(|(device, from, span)| {
                [
                    (from.0, (*device).to_owned(), false),
                    (from.0 - span.0, (*device).to_owned(), true),
                ]
            })
            .collect();
        assert_eq!(changes, expected);
        assert!(changes.iter().all(|(left, _, _)| *left > 2 * DAY.0));
    }
}
