//! The panels of an inverter, and what a cloudless sky lets them bring.
//!
//! A string gives its peak power at 1,000 W/m² (the standard test conditions of IEC 60904-3), and in proportion
//! to what arrives on its plane, for which [`crate::sun`] names its sources. On the way to the grid the usual shares
//! are lost: [`LOSSES`] and [`INVERTER_EFFICIENCY`], the middle of what planners reckon with. Knows nothing of
//! clouds, shade, snow and the temperature of the day, so a clear cold day may bring some percent more.

use serde::{Deserialize, Serialize};

use crate::site::Position;
use crate::sun::{self, Plane};
use crate::time::Timestamp;
use crate::units::Watts;

/// What is left after dirt, heat and wiring.
pub const LOSSES: f64 = 0.92;
/// From the panels' direct current to the grid.
pub const INVERTER_EFFICIENCY: f64 = 0.97;

/// Panels that look the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panels {
    /// What they give at 1,000 W/m².
    pub peak: Watts,
    #[serde(flatten)]
    pub plane: Plane,
}

impl Panels {
    /// Strings of one inverter; no known one has as many.
    pub const MOST: usize = 32;
    pub const PEAK: std::ops::RangeInclusive<i64> = 1..=10_000_000;
    pub const TILT: std::ops::RangeInclusive<i64> = 0..=90;
    pub const AZIMUTH: std::ops::RangeInclusive<i64> = 0..=360;

    /// The member that does not fit, what it is and what would fit.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, i64, &'static str)> {
        let Plane {
            tilt_deg,
            azimuth_deg,
        } = self.plane;
        let members = [
            ("peak_w", self.peak.0, Self::PEAK, "watts above 0"),
            (
                "tilt_deg",
                tilt_deg,
                Self::TILT,
                "degrees, 0 (flat) to 90 (upright)",
            ),
            (
                "azimuth_deg",
                azimuth_deg,
                Self::AZIMUTH,
                "degrees clockwise from north, 0 to 360; 180 is south",
            ),
        ];
        let mut wrong = members
            .into_iter()
            .filter(|(_, given, range, _)| !range.contains(given));
        wrong
            .next()
            .map(|(member, given, _, expected)| (member, given, expected))
    }
}

/// What all strings together give at most.
#[must_use]
pub fn peak(strings: &[Panels]) -> Watts {
    strings.iter().map(|panels| panels.peak).sum()
}

/// What strings would bring at a moment under a cloudless sky, zero or positive, rounded down: never more than
/// their inverter is rated for.
#[must_use]
pub fn clear_sky(strings: &[Panels], rated: Option<Watts>, place: Position, at: Timestamp) -> Watts {
    let brought = strings.iter().map(|panels| {
        let irradiance = sun::irradiance(place, at, panels.plane).total_mw_m2();
        to_grid(irradiance, panels.peak)
    });
    let brought: Watts = brought.sum();
    rated.map_or(brought, |rated| brought.min(rated))
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "irradiance and peak power stay far below 2^53; `as` saturates besides"
)]
fn to_grid(irradiance_mw_m2: i64, peak: Watts) -> Watts {
    let panels = irradiance_mw_m2 as f64 / 1_000_000.0 * peak.0 as f64;
    Watts(libm::floor(panels * LOSSES * INVERTER_EFFICIENCY) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIENNA: Position = Position {
        latitude_udeg: 48_208_200,
        longitude_udeg: 16_373_800,
    };

    fn facing(azimuth_deg: i64, peak: i64) -> Panels {
        Panels {
            peak: Watts(peak),
            plane: Plane {
                tilt_deg: 30,
                azimuth_deg,
            },
        }
    }

    /// Wh of a UTC day by the minute.
    fn day(strings: &[Panels], rated: Option<Watts>, date: &str) -> i64 {
        let midnight: jiff::Timestamp = format!("{date}T00:00:00Z").parse().unwrap();
        let at = |minute: i64| Timestamp(midnight.as_millisecond() + minute * 60_000);
        let powers = (0..1_440).map(|minute| clear_sky(strings, rated, VIENNA, at(minute)).0);
        powers.sum::<i64>() / 60
    }

    #[test]
    fn a_clear_day_brings_what_planners_reckon_with() {
        // Per kWp facing south: 6 to 8 kWh in June, 1.7 to 3 kWh in December.
        for (date, from, to) in [("2026-06-21", 6_000, 8_000), ("2026-12-21", 1_700, 3_000)] {
            let brought = day(&[facing(180, 1_000)], None, date);
            assert!((from..to).contains(&brought), "{date}: {brought} Wh");
        }
    }

    #[test]
    fn strings_add_up_and_the_inverter_gives_no_more_than_it_can() {
        let (east, west) = (facing(90, 4_000), facing(270, 4_000));
        let apart = day(&[east], None, "2026-06-21") + day(&[west], None, "2026-06-21");
        let together = day(&[east, west], None, "2026-06-21");
        assert!((apart - together).abs() <= 2, "{apart} {together}");
        assert!(day(&[east, west], Some(Watts(3_000)), "2026-06-21") < together);
        let noon: jiff::Timestamp = "2026-06-21T10:55:00Z".parse().unwrap();
        let at = Timestamp(noon.as_millisecond());
        assert_eq!(
            clear_sky(&[east, west], Some(Watts(3_000)), VIENNA, at),
            Watts(3_000)
        );
        assert_eq!(peak(&[east, west]), Watts(8_000));
    }

    #[test]
    fn nothing_comes_at_night_and_from_no_panels() {
        let midnight: jiff::Timestamp = "2026-06-21T23:00:00Z".parse().unwrap();
        let at = Timestamp(midnight.as_millisecond());
        assert_eq!(clear_sky(&[facing(180, 9_000)], None, VIENNA, at), Watts::ZERO);
        assert_eq!(day(&[], None, "2026-06-21"), 0);
    }

    #[test]
    fn panels_are_kept_flat() {
        let kept = serde_json::to_string(&facing(90, 4_000)).unwrap();
        assert_eq!(kept, r#"{"peak":4000,"tilt_deg":30,"azimuth_deg":90}"#);
        assert_eq!(serde_json::from_str::<Panels>(&kept).unwrap(), facing(90, 4_000));
    }
}
