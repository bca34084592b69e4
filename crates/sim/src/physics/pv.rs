//! A roof full of panels under passing clouds, and its inverter.

use model::panels::{INVERTER_EFFICIENCY, LOSSES, Panels};
use model::site::Position;
use model::sun::{self, Plane};
use model::time::Timestamp;
use model::units::{PerMille, Watts};
use serde::{Deserialize, Serialize};

use crate::draw::Noise;
use crate::number::{as_f64, rounded};

/// A photovoltaic system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PvSettings {
    /// What the panels give at 1,000 W/m².
    pub peak: Watts,
    /// What the inverter gives at most.
    pub rated: Watts,
    pub tilt_deg: i64,
    /// Clockwise from north; 180 is south.
    pub azimuth_deg: i64,
    /// The same clouds all the time: 0 is a clear sky, 1000 overcast. Absent: weather that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloudiness: Option<PerMille>,
}

/// Weather and roof. Has no state: the same moment gives the same power.
#[derive(Clone, Debug)]
pub struct Pv {
    place: Position,
    settings: PvSettings,
    /// How cloudy the day is.
    weather: Noise,
    /// Banks, clouds, wisps.
    passing: [Noise; 3],
}

impl PvSettings {
    /// Its panels, as the model knows them.
    #[must_use]
    pub const fn panels(&self) -> Panels {
        Panels {
            peak: self.peak,
            plane: Plane {
                tilt_deg: self.tilt_deg,
                azimuth_deg: self.azimuth_deg,
            },
        }
    }
}

impl Pv {
    #[must_use]
    pub fn new(seed: u64, place: Position, settings: PvSettings) -> Self {
        let noise = |name: &str, period_s: i64| Noise::new(seed, &format!("sky {name}"), period_s * 1_000);
        Self {
            place,
            settings,
            weather: noise("weather", 14 * 3_600),
            passing: [
                noise("banks", 27 * 60),
                noise("clouds", 4 * 60),
                noise("wisps", 35),
            ],
        }
    }

    /// What leaves the inverter, zero or positive.
    pub fn production(&mut self, at: Timestamp) -> Watts {
        let clear = sun::irradiance(self.place, at, self.settings.panels().plane);
        if clear.total_mw_m2() == 0 {
            return Watts::ZERO;
        }
        let cover = self.cover(at);
        let beam = as_f64(clear.beam_mw_m2) * (1.0 - 0.95 * cover);
        let diffuse = as_f64(clear.diffuse_mw_m2) * (1.0 + 0.6 * cover * (1.0 - cover));
        let panels = (beam + diffuse) / 1_000_000.0 * as_f64(self.settings.peak.0) * LOSSES;
        Watts(rounded(panels * INVERTER_EFFICIENCY).clamp(0, self.settings.rated.0.max(0)))
    }

    /// What the panels deliver in direct current for that much power or energy at the grid.
    #[must_use]
    pub fn before_inverter(at_grid: i64) -> i64 {
        rounded(as_f64(at_grid) / INVERTER_EFFICIENCY)
    }

    /// How much of the sun's disc is hidden: 0 to 1.
    fn cover(&mut self, at: Timestamp) -> f64 {
        let cloudiness = match self.settings.cloudiness {
            Some(fixed) => as_f64(fixed.0.clamp(0, 1_000)) / 1_000.0,
            None => 0.5 + 0.5 * self.weather.at(at),
        };
        let [banks, clouds, wisps] = &mut self.passing;
        let passing = 0.55 * banks.at(at) + 0.3 * clouds.at(at) + 0.15 * wisps.at(at);
        // At the ends of the scale no bank is thick or thin enough to matter.
        (0.5 + 2.0 * (passing + 2.5 * cloudiness - 1.25)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIENNA: Position = Position {
        latitude_udeg: 48_208_200,
        longitude_udeg: 16_373_800,
    };

    fn roof(cloudiness: Option<i64>) -> Pv {
        let settings = PvSettings {
            peak: Watts(9_800),
            rated: Watts(10_000),
            tilt_deg: 30,
            azimuth_deg: 180,
            cloudiness: cloudiness.map(PerMille),
        };
        Pv::new(5, VIENNA, settings)
    }

    /// Wh of one UTC day, by the minute.
    fn day(pv: &mut Pv, date: &str) -> i64 {
        let midnight = format!("{date}T00:00:00Z")
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_millisecond();
        (0..1_440)
            .map(|minute| pv.production(Timestamp(midnight + minute * 60_000)).0)
            .sum::<i64>()
            / 60
    }

    #[test]
    fn a_roof_yields_by_season_and_sky() {
        for (date, cloudiness, from, to) in [
            ("2026-06-21", Some(0), 58_000, 78_000),
            ("2026-06-21", Some(1_000), 5_000, 16_000),
            ("2026-12-21", Some(0), 15_000, 30_000),
            ("2026-12-21", Some(1_000), 1_000, 5_000),
        ] {
            let yielded = day(&mut roof(cloudiness), date);
            assert!(
                (from..to).contains(&yielded),
                "{date} {cloudiness:?}: {yielded} Wh"
            );
        }
    }

    #[test]
    fn changing_weather_makes_good_days_and_bad_ones() {
        let mut pv = roof(None);
        let days: Vec<i64> = (1..=30)
            .map(|date| day(&mut pv, &format!("2026-06-{date:02}")))
            .collect();
        assert!(
            days.iter().max() > Some(&50_000) && days.iter().min() < Some(&30_000),
            "{days:?}"
        );
    }

    #[test]
    fn clouds_pass_smoothly() {
        let mut pv = roof(Some(500));
        let noon = "2026-06-21T10:00:00Z"
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_millisecond();
        let hour: Vec<i64> = (0..3_600)
            .map(|second| pv.production(Timestamp(noon + second * 1_000)).0)
            .collect();
        let quickest = hour.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max();
        assert!(quickest < Some(500), "{quickest:?} W/s");
        assert!(hour.iter().max().unwrap() - hour.iter().min().unwrap() > 2_000);
    }
}
