//! The past of the demo: the previous 30 days, made by the simulated site and the real control under
//! stepped time, so that the charts have something to show.
//!
//! The live site does not wait for it. Counters are therefore moved so that the past ends where the live
//! devices began, and no counter runs backwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use engine::{Core, Record, Restored};
use model::device::{ChargeMode, Wish};
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
        let begin = Timestamp(self.until.0.div_euclid(60_000) * 60_000) - Millis(DAYS * 86_400_000);
        let steps = (DAYS * 86_400_000 - 60_000) / STEP.0;
        let now = |step: i64| Now {
            wall: begin + Millis(step * STEP.0),
            monotonic: Monotonic(step * STEP.0),
        };
        let wishes = self
            .site
            .evses()
            .map(|(_, evse)| (evse.id.clone(), usual_wish(evse)))
            .collect();
        let restored = Restored {
            wishes,
            ..Restored::default()
        };
        let mut core = Core::new(self.site.clone(), self.control, 0, restored, RECORD_EVERY, now(0));
        let mut rows = Rows::new();
        for step in 0..steps {
            let now = now(step);
            self.world.step_coarse(now);
            for (device, report) in self.world.reports() {
                core.handle_report(&Reported {
                    site: self.site.id.clone(),
                    device,
                    at: now,
                    report,
                });
            }
            core.handle_timeout(now);
            while let Some(setpoint) = core.poll_setpoint() {
                self.world.act(&setpoint.device, &setpoint.action, now);
            }
            while let Some(record) = core.poll_record() {
                if let Record::Samples(samples) = record {
                    for sample in samples {
                        rows.entry(sample.series)
                            .or_default()
                            .push((sample.at, sample.value));
                    }
                }
            }
            if step % 864 == 0 {
                progress(u16::try_from(step * 950 / steps).unwrap_or(0));
            }
        }
        rows
    }
}

/// What the people of the demo usually chose: sun for one car, whatever is quick for the other.
fn usual_wish(evse: &model::device::Evse) -> Wish {
    let mode = match evse.default_mode {
        ChargeMode::Off => ChargeMode::Solar,
        mode @ (ChargeMode::Solar | ChargeMode::MinSolar | ChargeMode::Fast) => mode,
    };
    Wish {
        mode,
        ..Wish::default_of(evse)
    }
}

fn house_load(site: &Site) -> Series {
    Series {
        subject: format!("site:{}", site.id),
        quantity: Quantity::Power,
    }
}
