//! Where each kWh came from, per quarter-hour.
//!
//! The rule: at every moment house and cars are fed by the same mix. Of what is produced, what leaves the
//! site and what goes into the battery is taken off first; the rest is sun. Of what the battery gives, what
//! leaves the site beyond the sun is taken off; the rest is battery. Of what is imported, what the battery
//! takes beyond the sun is taken off; the rest is grid. Where nothing measures the grid, and for energy of
//! which nobody knows when it flowed (after a restart), all is grid. So the parts always add up, and nobody
//! is told of sun that was not there.

use std::collections::VecDeque;

use model::id::SiteId;
use model::session::machine::Gain;
use model::session::{Cost, LedgerEntry, LedgerShare, Mix};
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{PerMille, WattHours, Watts};
use model::view::Flow;

const QUARTER: i64 = 900_000;
/// A power holds no longer than this without a new reading.
const PATIENCE: Millis = Millis(60_000);
/// Quarter-hours that can be gone back to when the clock is put back.
const KEPT: usize = 8;
const MILLIJOULES_PER_WH: i64 = 3_600_000;

/// The open quarter-hour of a site.
#[derive(Clone, Debug)]
pub struct Ledger {
    site: SiteId,
    open: Option<LedgerEntry>,
    closed: VecDeque<LedgerEntry>,
    last: Option<(Monotonic, [i64; 6])>,
    /// Millijoules of each flow that are no whole watt-hour yet; they count when they are one.
    rest: [i64; 6],
    changed: bool,
}

impl Ledger {
    /// `stored` are the latest quarter-hours of an earlier process, in order of time.
    pub fn new(site: SiteId, stored: Vec<LedgerEntry>) -> Self {
        Self {
            site,
            open: None,
            closed: stored.into(),
            last: None,
            rest: [0; 6],
            changed: false,
        }
    }

    /// Turns the page when a quarter-hour is over; gives back the one that is complete.
    pub fn turn(&mut self, now: Timestamp) -> Option<LedgerEntry> {
        let start = Timestamp(now.0.div_euclid(QUARTER).saturating_mul(QUARTER));
        if self.open.as_ref().is_some_and(|page| page.start == start) {
            return None;
        }
        let known = self.closed.iter().position(|page| page.start == start);
        let next = known.and_then(|index| self.closed.remove(index));
        let done = self
            .open
            .replace(next.unwrap_or_else(|| blank(self.site.clone(), start)));
        if let Some(page) = done.clone() {
            while self.closed.len() >= KEPT {
                self.closed.pop_front();
            }
            self.closed.push_back(page);
        }
        done
    }

    /// The open quarter-hour, if it has changed since it was last asked for.
    pub fn draft(&mut self) -> Option<LedgerEntry> {
        std::mem::take(&mut self.changed)
            .then(|| self.open.clone())
            .flatten()
    }

    /// Takes the flows that hold from now on.
    pub fn observe(&mut self, flow: &Flow, now: Now) {
        let into = |power: Option<Watts>| power.map_or(0, |power| power.0.max(0));
        let out = |power: Option<Watts>| power.map_or(0, |power| power.0.saturating_neg().max(0));
        let flows = [
            into(flow.grid),
            out(flow.grid),
            out(flow.pv),
            into(flow.battery),
            out(flow.battery),
            into(flow.house),
        ];
        let before = self.last.replace((now.monotonic, flows));
        let (Some(page), Some((at, before))) = (&mut self.open, before) else {
            return;
        };
        let span = (now.monotonic - at).0.clamp(0, PATIENCE.0);
        for (index, power) in before.into_iter().enumerate() {
            self.rest[index] = self.rest[index].saturating_add(power.saturating_mul(span));
            let whole = self.rest[index] / MILLIJOULES_PER_WH;
            self.rest[index] %= MILLIJOULES_PER_WH;
            *side(page, index) += WattHours(whole);
            self.changed |= whole > 0;
        }
    }

    /// Enters what a transaction took.
    pub fn add(&mut self, gain: &Gain, now: Timestamp) -> Option<LedgerEntry> {
        let done = self.turn(now);
        if let Some(page) = &mut self.open {
            enter(page, gain);
            self.changed = true;
        }
        done
    }
}

fn blank(site: SiteId, start: Timestamp) -> LedgerEntry {
    LedgerEntry {
        site,
        start,
        shares: Vec::new(),
        imported: WattHours::ZERO,
        exported: WattHours::ZERO,
        produced: WattHours::ZERO,
        battery_in: WattHours::ZERO,
        battery_out: WattHours::ZERO,
        house: WattHours::ZERO,
    }
}

fn side(page: &mut LedgerEntry, index: usize) -> &mut WattHours {
    match index {
        0 => &mut page.imported,
        1 => &mut page.exported,
        2 => &mut page.produced,
        3 => &mut page.battery_in,
        4 => &mut page.battery_out,
        _ => &mut page.house,
    }
}

/// A tariff that changes within the quarter-hour gets a share of its own.
fn enter(page: &mut LedgerEntry, gain: &Gain) {
    let new = LedgerShare {
        session: gain.session.clone(),
        transaction: gain.transaction,
        origin: gain.origin,
        tariff: gain.tariff.clone(),
        cost: gain.cost,
    };
    match page.shares.iter_mut().find(|share| share.is_of(&new)) {
        Some(share) => {
            share.origin = share.origin + gain.origin;
            share.cost = share.cost.zip(gain.cost).map(|(before, more)| Cost {
                amount: before.amount + more.amount,
                ..before
            });
        }
        None => page.shares.push(new),
    }
}

/// What feeds house and cars at this moment.
pub fn mix(flow: &Flow) -> Mix {
    let Some(grid) = flow.grid else {
        return Mix::default();
    };
    let sun = flow.pv.map_or(0, |pv| pv.0.saturating_neg().max(0));
    let battery = flow.battery.map_or(0, |battery| battery.0);
    let (stored, given) = (battery.max(0), battery.saturating_neg().max(0));
    let (imported, exported) = (grid.0.max(0), grid.0.saturating_neg().max(0));
    let from_sun = i128::from((sun.saturating_sub(exported).saturating_sub(stored)).max(0));
    let from_battery = i128::from((given - exported.saturating_sub(sun).max(0)).max(0));
    let from_grid = i128::from((imported - stored.saturating_sub(sun).max(0)).max(0));
    let total = from_sun + from_battery + from_grid;
    if total == 0 {
        // Nothing is imported, so what flows is made here by something that is not measured.
        return Mix {
            sun: PerMille(if imported == 0 { 1_000 } else { 0 }),
            battery: PerMille(0),
        };
    }
    let share = |part: i128| PerMille(i64::try_from((part * 1_000 + total / 2) / total).unwrap_or(0));
    Mix {
        sun: share(from_sun),
        battery: share(from_battery),
    }
}

#[cfg(test)]
mod tests {
    use model::id::{SessionId, TariffId};
    use model::money::{Currency, Micros};
    use model::session::Origin;
    use model::time::Monotonic;

    use super::*;

    fn flow(grid: i64, pv: i64, battery: i64) -> Flow {
        Flow {
            grid: Some(Watts(grid)),
            pv: Some(Watts(pv)),
            battery: Some(Watts(battery)),
            evses: Watts(0),
            house: Some(Watts(500)),
        }
    }

    #[test]
    fn house_and_cars_are_fed_by_the_same_mix() {
        for (name, grid, pv, battery, expected) in [
            ("night", 4_000, 0, 0, (0, 0)),
            ("sun alone, the rest is fed in", -1_000, -5_000, 0, (1_000, 0)),
            ("half and half", 2_000, -2_000, 0, (500, 0)),
            ("the battery fills before", 2_000, -4_000, 3_000, (333, 0)),
            (
                "the battery fills from the grid as well",
                4_000,
                -1_000,
                3_000,
                (0, 0),
            ),
            ("the battery helps", 1_000, -1_000, -2_000, (250, 500)),
            ("the battery is fed in", -1_000, 0, -3_000, (0, 1_000)),
            ("nothing flows that is measured", 0, 0, 0, (1_000, 0)),
        ] {
            let mix = mix(&flow(grid, pv, battery));
            assert_eq!((mix.sun.0, mix.battery.0), expected, "{name}");
        }
        assert_eq!(mix(&Flow::default()), Mix::default());
    }

    fn gain(transaction: u32, sun: i64, grid: i64) -> Gain {
        Gain {
            session: SessionId::new("s").unwrap(),
            transaction,
            origin: Origin {
                sun: WattHours(sun),
                battery: WattHours(0),
                grid: WattHours(grid),
            },
            tariff: Some(TariffId::new("t").unwrap()),
            cost: Some(Cost {
                amount: Micros(sun + grid),
                currency: Currency::EUR,
            }),
        }
    }

    /// Half a watt-hour in a quarter-hour makes five in ten of them.
    #[test]
    fn small_flows_are_not_lost_where_a_page_ends() {
        let mut ledger = Ledger::new(SiteId::new("home").unwrap(), Vec::new());
        let mut imported = 0;
        for second in 0..=9_910 {
            imported += ledger.turn(now(second).wall).map_or(0, |page| page.imported.0);
            let flow = Flow {
                grid: Some(Watts(2)),
                ..Flow::default()
            };
            ledger.observe(&flow, now(second));
        }
        assert_eq!(imported, 5);
    }

    fn now(seconds: i64) -> Now {
        Now {
            wall: Timestamp(QUARTER * 1_000 + seconds * 1_000),
            monotonic: Monotonic(seconds * 1_000),
        }
    }

    #[test]
    fn a_page_holds_a_quarter_hour_and_can_be_gone_back_to() {
        let mut ledger = Ledger::new(SiteId::new("home").unwrap(), Vec::new());
        assert_eq!(ledger.turn(now(0).wall), None);
        for second in 0..=900 {
            ledger.observe(&flow(3_600, -7_200, 0), now(second));
        }
        ledger.add(&gain(1, 10, 5), now(100).wall);
        ledger.add(&gain(1, 1, 2), now(899).wall);
        ledger.add(&gain(2, 0, 1), now(899).wall);
        let first = ledger.turn(now(900).wall).unwrap();
        assert_eq!(
            (first.imported, first.produced, first.house),
            (WattHours(900), WattHours(1_800), WattHours(125))
        );
        let shares: Vec<_> = first
            .shares
            .iter()
            .map(|share| {
                (
                    share.transaction,
                    share.origin.total().0,
                    share.cost.map(|cost| cost.amount.0),
                )
            })
            .collect();
        assert_eq!(shares, [(1, 18, Some(18)), (2, 1, Some(1))]);
        // The clock is put back by a minute.
        ledger.add(&gain(2, 0, 1), now(899).wall);
        let again = ledger.turn(now(901).wall).unwrap();
        assert_eq!(
            (again.start, again.shares[1].origin.grid),
            (first.start, WattHours(2))
        );
    }
}
