//! The past of the demo: the previous 30 days, made by the simulated site and the real control under
//! stepped time, so that the charts have something to show.
//!
//! The live site does not wait for it. Counters are therefore moved so that the past ends where the live
//! devices began, and no counter runs backwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use engine::{Core, Record, Restored};
use model::message::Reported;
use model::reading::Quantity;
use model::settings::ControlSettings;
use model::site::Site;
use model::time::{Millis, Monotonic, Now, Timestamp};
use sim::world::World;
use store::{Series, Store};

const DAYS: i64 = 30;
const STEP: Millis = Millis(10_000);
const RECORD_EVERY: Millis = Millis(60_000);

type Rows = BTreeMap<Series, Vec<(Timestamp, i64)>>;

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

    /// Makes the past and writes it; `progress` is told thousandths.
    ///
    /// # Errors
    /// When the store refuses it.
    pub async fn make(
        self,
        store: Arc<dyn Store>,
        progress: impl Fn(u16) + Send + 'static,
    ) -> anyhow::Result<()> {
        let counters = self.counters.clone();
        let house = house_load(&self.site);
        let (mut rows, progress) = tokio::task::spawn_blocking(move || (self.simulate(&progress), progress))
            .await
            .context("the simulation of the past ended early")?;
        let last = rows.remove(&house);
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

    fn simulate(mut self, progress: &impl Fn(u16)) -> Rows {
        let minute = Timestamp(self.until.0.div_euclid(60_000) * 60_000);
        let begin = minute - Millis(DAYS * 86_400_000);
        let steps = (DAYS * 86_400_000 - 60_000) / STEP.0;
        let mut rows = Rows::new();
        live_through(
            &mut self.world,
            &self.site,
            self.control,
            begin,
            steps,
            |step, record| {
                if let Record::Samples(samples) = record {
                    for sample in samples {
                        rows.entry(sample.series)
                            .or_default()
                            .push((sample.at, sample.value));
                    }
                    progress(u16::try_from(step * 950 / steps).unwrap_or(0));
                }
            },
        );
        rows
    }
}

/// Lets a new world live through the last two days, so that it begins as full, as charged and as plugged in
/// as its made-up past will end.
pub fn wake(world: &mut World, site: &Arc<Site>, control: ControlSettings, until: Timestamp) {
    let span = Millis(2 * 86_400_000);
    live_through(world, site, control, until - span, span.0 / STEP.0, |_, _| {});
}

/// Runs a world under control in steps of [`STEP`]; hands out what would be recorded.
fn live_through(
    world: &mut World,
    site: &Arc<Site>,
    control: ControlSettings,
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
