//! `[site.grid]`: what holds for the grid connection as a whole.

use model::grid::{BatteryOrder, GridRules, PeakBudget};
use model::units::{PerMille, Watts};

use super::section::Section;

pub fn read(site: &Section<'_, '_>) -> GridRules {
    let Some(section) = site.table("grid") else {
        return GridRules::default();
    };
    let watts = |key, range| section.scaled(key, 0, range, "watts").map(Watts);
    let percent = |key| {
        section
            .scaled(key, 1, 0..=1_000, "percent, 0 to 100")
            .map(PerMille)
    };
    let target = watts("peak_w", 1..=10_000_000);
    let follow = section.boolean("peak_follow", false);
    if follow && target.is_none() {
        section.missing("peak_w", "what a quarter of an hour may come to in any case");
    }
    let default = BatteryOrder::default();
    let rules = GridRules {
        peak: target.map(|target| PeakBudget { target, follow }),
        house: watts("house_w", 0..=1_000_000),
        battery: BatteryOrder {
            first_below: percent("battery_first_percent").unwrap_or(default.first_below),
            helps_from: percent("battery_helps_percent"),
            starts_from: percent("battery_starts_percent"),
        },
    };
    section.finish();
    rules
}
