//! Where the sun stands and what a cloudless sky sends onto a tilted plane.
//!
//! For forecasts and simulated inverters: good to a few hundredths of a degree between 1950 and 2050 and to
//! some percent of irradiance. Knows nothing of clouds, horizon, refraction or temperature. Computes in
//! `f64` with + - * /, `sqrt` and `libm` only, so that every machine gets the same integers.
//!
//! Source: the low-precision solar coordinates of the Astronomical Almanac (section C); air mass after
//! Kasten and Young (1989); direct beam after Meinel and Meinel (1976).

use serde::{Deserialize, Serialize};

use crate::site::Position;
use crate::time::Timestamp;

/// Where the sun stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direction {
    /// Above the horizon in thousandths of a degree; negative at night.
    pub elevation_mdeg: i64,
    /// Clockwise from north in thousandths of a degree: 0 to 359,999.
    pub azimuth_mdeg: i64,
}

/// How a surface is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plane {
    /// 0 lies flat, 90 stands upright.
    pub tilt_deg: i64,
    /// Where it looks, clockwise from north: 90 is east, 180 south.
    pub azimuth_deg: i64,
}

/// What arrives on a plane under a cloudless sky, in mW/m², rounded down, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Irradiance {
    /// Straight from the sun; what a cloud takes away.
    pub beam_mw_m2: i64,
    /// From the sky and the ground.
    pub diffuse_mw_m2: i64,
}

impl Irradiance {
    /// Both parts together, in mW/m².
    #[must_use]
    pub const fn total_mw_m2(self) -> i64 {
        self.beam_mw_m2 + self.diffuse_mw_m2
    }
}

/// Where the sun stands at a moment, seen from a place.
#[must_use]
pub fn direction(place: Position, at: Timestamp) -> Direction {
    let sun = Sun::new(place, at);
    Direction {
        elevation_mdeg: rounded_down(degrees(libm::asin(sun.up)) * 1_000.0),
        azimuth_mdeg: rounded_down(degrees(libm::atan2(sun.east, sun.north)) * 1_000.0).rem_euclid(360_000),
    }
}

/// What arrives on a plane at a moment under a cloudless sky.
#[must_use]
pub fn irradiance(place: Position, at: Timestamp, plane: Plane) -> Irradiance {
    let sun = Sun::new(place, at);
    if sun.up <= 0.0 {
        return Irradiance::default();
    }
    let elevation_deg = degrees(libm::asin(sun.up));
    let air_mass = 1.0 / (sun.up + 0.505_72 * libm::pow(elevation_deg + 6.079_95, -1.636_4));
    let normal = SOLAR_CONSTANT_W_M2 * libm::pow(0.7, libm::pow(air_mass, 0.678));
    let sky = DIFFUSE_SHARE * normal;

    let (tilt_sin, tilt_cos) = sin_cos_deg(plane.tilt_deg);
    let (azimuth_sin, azimuth_cos) = sin_cos_deg(plane.azimuth_deg);
    let onto = sun.up * tilt_cos + tilt_sin * (sun.north * azimuth_cos + sun.east * azimuth_sin);
    let beam = if onto > 0.0 { normal * onto } else { 0.0 };
    let ground = ALBEDO * (normal * sun.up + sky) * (1.0 - tilt_cos) / 2.0;
    let diffuse = sky * (1.0 + tilt_cos) / 2.0 + ground;
    Irradiance {
        beam_mw_m2: rounded_down(beam * 1_000.0),
        diffuse_mw_m2: rounded_down(diffuse * 1_000.0),
    }
}

const SOLAR_CONSTANT_W_M2: f64 = 1_353.0;
/// What a clear sky scatters, as a share of the direct beam.
const DIFFUSE_SHARE: f64 = 0.1;
/// What meadows and roofs throw back.
const ALBEDO: f64 = 0.2;
/// 2000-01-01 12:00 UTC in milliseconds since 1970.
const J2000_MS: i64 = 946_728_000_000;
const MS_PER_DAY: f64 = 86_400_000.0;

/// The unit vector towards the sun in the frame of the place.
struct Sun {
    up: f64,
    north: f64,
    east: f64,
}

impl Sun {
    fn new(place: Position, at: Timestamp) -> Self {
        // Far outside any use the angles lose meaning; clamping keeps every product finite.
        let ms = at.0.clamp(-4_000_000_000_000, 8_000_000_000_000) - J2000_MS;
        let days = as_f64(ms) / MS_PER_DAY;
        let anomaly = radians(357.529 + 0.985_600_28 * days);
        let longitude = radians(
            280.459 + 0.985_647_36 * days + 1.915 * libm::sin(anomaly) + 0.020 * libm::sin(2.0 * anomaly),
        );
        let obliquity = radians(23.439 - 0.000_000_36 * days);
        let right_ascension = libm::atan2(libm::cos(obliquity) * libm::sin(longitude), libm::cos(longitude));
        let declination_sin = libm::sin(obliquity) * libm::sin(longitude);
        let declination_cos = libm::sqrt(1.0 - declination_sin * declination_sin);

        let sidereal = radians(15.0 * (18.697_374_558 + 24.065_709_824_419_08 * days));
        let hour_angle = sidereal + radians(as_f64(place.longitude_udeg) / 1e6) - right_ascension;
        let latitude = radians(as_f64(place.latitude_udeg) / 1e6);
        let (sin_lat, cos_lat) = (libm::sin(latitude), libm::cos(latitude));
        let hour_cos = libm::cos(hour_angle);
        Self {
            up: (sin_lat * declination_sin + cos_lat * declination_cos * hour_cos).clamp(-1.0, 1.0),
            north: cos_lat * declination_sin - sin_lat * declination_cos * hour_cos,
            east: -declination_cos * libm::sin(hour_angle),
        }
    }
}

fn radians(degrees: f64) -> f64 {
    degrees * (core::f64::consts::PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians * (180.0 / core::f64::consts::PI)
}

fn sin_cos_deg(angle_deg: i64) -> (f64, f64) {
    let angle = radians(as_f64(angle_deg.rem_euclid(360)));
    (libm::sin(angle), libm::cos(angle))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "times and angles here stay far below 2^53"
)]
fn as_f64(value: i64) -> f64 {
    value as f64
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "finite and small; `as` saturates besides"
)]
fn rounded_down(value: f64) -> i64 {
    libm::floor(value) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIENNA: Position = Position {
        latitude_udeg: 48_208_200,
        longitude_udeg: 16_373_800,
    };
    const SOUTH_30: Plane = Plane {
        tilt_deg: 30,
        azimuth_deg: 180,
    };

    fn utc(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn day_of(text: &str) -> impl Iterator<Item = Timestamp> {
        let midnight = utc(&format!("{text}T00:00:00Z"));
        (0..1_440).map(move |minute| Timestamp(midnight.0 + minute * 60_000))
    }

    #[test]
    fn the_sun_stands_where_published_tables_put_it() {
        // The worked example of the solar position algorithm report NREL/TP-560-34302: zenith 50.112° with
        // refraction, azimuth 194.340°.
        let golden = Position {
            latitude_udeg: 39_742_476,
            longitude_udeg: -105_178_600,
        };
        let sun = direction(golden, utc("2003-10-17T19:30:30Z"));
        assert!((sun.elevation_mdeg - 39_872).abs() < 40, "{sun:?}");
        assert!((sun.azimuth_mdeg - 194_340).abs() < 40, "{sun:?}");
    }

    #[test]
    fn noon_elevation_at_solstice_and_equinox_follows_latitude() {
        // Day, 90° - 48.208° + declination in mdeg.
        for (day, expected) in [
            ("2026-06-21", 65_230),
            ("2026-12-21", 18_355),
            ("2026-03-20", 41_790),
        ] {
            let noon = day_of(day)
                .map(|at| direction(VIENNA, at))
                .max_by_key(|sun| sun.elevation_mdeg);
            let noon = noon.unwrap();
            assert!((noon.elevation_mdeg - expected).abs() < 150, "{day}: {noon:?}");
            assert!((noon.azimuth_mdeg - 180_000).abs() < 500, "{day}: {noon:?}");
        }
    }

    #[test]
    fn the_day_is_as_long_as_the_season_says() {
        // Hours with the sun's centre above a flat horizon, in minutes: about 16 h in June, 8 h 20 in December.
        for (day, from, to) in [
            ("2026-06-21", 940, 975),
            ("2026-12-21", 485, 510),
            ("2026-03-20", 715, 735),
        ] {
            let minutes = day_of(day)
                .filter(|at| direction(VIENNA, *at).elevation_mdeg > 0)
                .count();
            assert!((from..to).contains(&minutes), "{day}: {minutes} min");
        }
    }

    #[test]
    fn a_roof_gets_what_roofs_get() {
        let energy = |day: &str, plane: Plane| -> i64 {
            // mW/m² over a minute each, to Wh/m².
            day_of(day)
                .map(|at| irradiance(VIENNA, at, plane).total_mw_m2())
                .sum::<i64>()
                / 60_000
        };
        assert!(
            (7_000..9_500).contains(&energy("2026-06-21", SOUTH_30)),
            "{}",
            energy("2026-06-21", SOUTH_30)
        );
        assert!(
            (2_000..3_600).contains(&energy("2026-12-21", SOUTH_30)),
            "{}",
            energy("2026-12-21", SOUTH_30)
        );
        let north = Plane {
            azimuth_deg: 0,
            ..SOUTH_30
        };
        assert!(energy("2026-12-21", north) < energy("2026-12-21", SOUTH_30) / 3);

        let peak = day_of("2026-06-21")
            .map(|at| irradiance(VIENNA, at, SOUTH_30).total_mw_m2())
            .max();
        assert!((900_000..1_100_000).contains(&peak.unwrap()), "{peak:?}");
        let night = irradiance(VIENNA, utc("2026-06-21T23:00:00Z"), SOUTH_30);
        assert_eq!(night, Irradiance::default());
    }

    #[test]
    fn a_morning_plane_beats_an_evening_plane_in_the_morning() {
        let (east, west) = (
            Plane {
                azimuth_deg: 90,
                ..SOUTH_30
            },
            Plane {
                azimuth_deg: 270,
                ..SOUTH_30
            },
        );
        let morning = utc("2026-06-21T06:00:00Z");
        let (in_the_east, in_the_west) = (
            irradiance(VIENNA, morning, east),
            irradiance(VIENNA, morning, west),
        );
        assert!(
            in_the_east.beam_mw_m2 > 2 * in_the_west.beam_mw_m2,
            "{in_the_east:?} {in_the_west:?}"
        );
    }

    #[test]
    fn absurd_times_and_places_give_numbers() {
        for at in [i64::MIN, 0, i64::MAX] {
            let place = Position {
                latitude_udeg: 90_000_000,
                longitude_udeg: -720_000_000,
            };
            let sun = direction(place, Timestamp(at));
            assert!((-90_000..=90_000).contains(&sun.elevation_mdeg));
            assert!(irradiance(place, Timestamp(at), SOUTH_30).total_mw_m2() >= 0);
        }
    }
}
