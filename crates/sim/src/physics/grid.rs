//! Voltage and frequency at the house connection.

use model::phases::{PerPhase, Phase};
use model::time::Timestamp;
use model::units::{MilliAmps, MilliHertz, MilliVolts};

use crate::draw::Noise;
use crate::number::{as_f64, rounded};

/// A public low-voltage grid: about 230 V that sags under load and rises under generation, about 50 Hz.
#[derive(Clone, Debug)]
pub struct Grid {
    slow: PerPhase<Noise>,
    quick: PerPhase<Noise>,
    frequency: [Noise; 2],
}

/// The line from the transformer to the house, per phase.
const LINE_MILLIOHM: i64 = 180;

impl Grid {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let noise = |name: &str, period_ms| {
            PerPhase::from_array(
                Phase::ALL.map(|phase| Noise::new(seed, &format!("grid {name} {}", phase.name()), period_ms)),
            )
        };
        Self {
            slow: noise("slow", 40 * 60_000),
            quick: noise("quick", 20_000),
            frequency: [
                Noise::new(seed, "grid hertz slow", 300_000),
                Noise::new(seed, "grid hertz quick", 7_000),
            ],
        }
    }

    /// The voltages while this current flows into the house.
    pub fn voltage(&mut self, at: Timestamp, current: PerPhase<MilliAmps>) -> PerPhase<MilliVolts> {
        let mut voltage = PerPhase::all(MilliVolts(230_000));
        for phase in Phase::ALL {
            let wander = 2_500.0 * self.slow[phase].at(at) + 500.0 * self.quick[phase].at(at);
            voltage[phase] += MilliVolts(rounded(wander) - current[phase].0 * LINE_MILLIOHM / 1_000);
        }
        // A grid code keeps every real supply within these ends.
        voltage.map(|volts| MilliVolts(volts.0.clamp(207_000, 253_000)))
    }

    pub fn frequency(&mut self, at: Timestamp) -> MilliHertz {
        let [slow, quick] = &mut self.frequency;
        MilliHertz(50_000 + rounded(as_f64(30) * slow.at(at) + as_f64(8) * quick.at(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_pulls_its_own_phase_down_and_generation_lifts_it() {
        let mut grid = Grid::new(1);
        let at = Timestamp(0);
        let idle = grid.voltage(at, PerPhase::default());
        let loaded = grid.voltage(
            at,
            PerPhase::new(MilliAmps(20_000), MilliAmps(0), MilliAmps(-10_000)),
        );
        assert_eq!(
            (idle - loaded).map(|volts| volts.0),
            PerPhase::new(3_600, 0, -1_800)
        );
    }

    #[test]
    fn a_day_of_grid_stays_within_what_is_normal() {
        let mut grid = Grid::new(2);
        for minute in 0..1_440 {
            let at = Timestamp(minute * 60_000);
            for volts in grid.voltage(at, PerPhase::default()).into_array() {
                assert!((226_500..233_500).contains(&volts.0), "{volts}");
            }
            assert!((49_950..50_050).contains(&grid.frequency(at).0));
        }
    }
}
