//! Factors of simultaneity by number of devices. UNVERIFIED: before they are relied on, compare them with
//! annex 1 of the decision BK6-22-300 of the Bundesnetzagentur (27 November 2023, "Integration von
//! steuerbaren Verbrauchseinrichtungen"). The formula and the last factor are confirmed by published
//! position papers on it, those in between are not. Heat pumps above 11 kW keep a share of their power
//! instead, which is not in this table.

use model::units::PerMille;

/// Whether somebody has compared the table with its source. Page and log say so.
pub const VERIFIED: bool = false;

/// For 2 to 8 devices.
const FACTORS: [PerMille; 7] = [
    PerMille(800),
    PerMille(750),
    PerMille(700),
    PerMille(650),
    PerMille(600),
    PerMille(550),
    PerMille(500),
];
/// For 9 and more.
const MANY: PerMille = PerMille(450);

/// The factor for `n` devices; it counts from the second one on.
#[must_use]
pub fn simultaneity(n: usize) -> PerMille {
    let place = n.max(2) - 2;
    FACTORS.get(place).copied().unwrap_or(MANY)
}
