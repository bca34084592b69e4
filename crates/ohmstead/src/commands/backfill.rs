//! The past of the demo: the previous 30 days, made by the simulated site and the real control under
//! stepped time, so that the charts have something to show.
//!
//! The live site does not wait for it. Counters are therefore moved so that the past ends where the live
//! devices began, and no counter runs backwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use engine::{Change, Core, Directory, Record, Restored};
use model::id::{EvseId, SessionId};
use model::message::Reported;
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

const DAYS: i64 = 30;
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
}

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
        progress: impl Fn(u16) + Send + 'static,
    ) -> anyhow::Result<()> {
        let counters = self.counters.clone();
        let house = house_load(&self.site);
        let site = self.site.clone();
        let (mut made, progress) = tokio::task::spawn_blocking(move || (self.simulate(&progress), progress))
            .await
            .context("the simulation of the past ended early")?;
        made.end(&site, &counters);
        let mut rows = made.rows;
        let last = rows.remove(&house);
        write_sessions(&store, epoch, made.sessions, made.ledger).await?;
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

    fn simulate(mut self, progress: &impl Fn(u16)) -> Made {
        let minute = Timestamp(self.until.0.div_euclid(60_000) * 60_000);
        let begin = minute - Millis(DAYS * 86_400_000);
        let steps = (DAYS * 86_400_000 - 60_000) / STEP.0;
        let mut made = Made::default();
        live_through(
            &mut self.world,
            &self.site,
            self.control,
            Some(self.people),
            begin,
            steps,
            |step, record| match record {
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
                Record::Setpoints(_)
                | Record::Wish { .. }
                | Record::Alarm(_)
                | Record::Audit(_)
                | Record::Device { .. }
                | Record::Document { .. } => {}
            },
        );
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
        |_, _| {},
    );
}

/// Runs a world under control in steps of [`STEP`]; hands out what would be recorded.
fn live_through(
    world: &mut World,
    site: &Arc<Site>,
    control: ControlSettings,
    people: Option<People>,
    begin: Timestamp,
    steps: i64,
    mut take: impl FnMut(i64, Record),
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
    for step in 0..steps {
        let now = now(step);
        world.step_coarse(now);
        for (device, report) in world.reports() {
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
            take(step, record);
        }
    }
}

fn house_load(site: &Site) -> Series {
    Series {
        subject: format!("site:{}", site.id),
        quantity: Quantity::Power,
    }
}
