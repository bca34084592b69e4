//! The load: the grid meters of virtual sites, each asked once a second, each answer with its own delay.

use model::id::{DeviceId, EvseId};
use model::reading::{Measured, Quantity};
use model::setpoint::{Action, ChargeCurrent};
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::MilliAmps;
use sim::{Poller, World, demo};
use store::{Sample, Series};

pub const DEVICES: usize = 50;
pub const SERIES: usize = 12;
pub const DAY_S: usize = 86_400;
pub const DAY: Millis = Millis(86_400_000);
/// 2026-03-01, midnight in UTC.
pub const START: Timestamp = Timestamp(1_772_323_200_000);

/// All that a three-phase meter says but what it gave back.
const QUANTITIES: [Quantity; SERIES] = [
    Quantity::Power,
    Quantity::PowerL1,
    Quantity::PowerL2,
    Quantity::PowerL3,
    Quantity::CurrentL1,
    Quantity::CurrentL2,
    Quantity::CurrentL3,
    Quantity::VoltageL1,
    Quantity::VoltageL2,
    Quantity::VoltageL3,
    Quantity::Frequency,
    Quantity::EnergyIn,
];

/// The grid meter of a site with sun, a battery, a house and two cars that charge when they are there.
pub struct Device {
    pub series: Vec<Series>,
    poller: Poller,
}

/// Readings of each series in turn.
pub type Columns = Vec<Vec<(Timestamp, i64)>>;

impl Device {
    pub fn all() -> Vec<Self> {
        (0..DEVICES).map(Self::new).collect()
    }

    pub fn new(number: usize) -> Self {
        let mut world = World::new(demo::home(number as u64)).unwrap();
        let now = Now {
            wall: START,
            monotonic: Monotonic(0),
        };
        world.step_coarse(now);
        for evse in ["left", "right"] {
            let action = Action::Charge {
                evse: EvseId::new(evse).unwrap(),
                current: ChargeCurrent::at_most(MilliAmps::from_amps(16)),
                phases: None,
            };
            world.act(&DeviceId::new(&format!("wallbox-{evse}")).unwrap(), &action, now);
        }
        Self {
            series: QUANTITIES.map(|quantity| series(number, quantity)).to_vec(),
            poller: Poller::new(world, DeviceId::new("grid").unwrap(), START),
        }
    }

    /// The next answers of the meter.
    pub fn poll(&mut self, seconds: usize) -> Columns {
        let mut columns: Columns = (0..SERIES).map(|_| Vec::with_capacity(seconds)).collect();
        for _ in 0..seconds {
            let (at, measured) = self.poller.ask();
            for (column, value) in columns.iter_mut().zip(values(&measured)) {
                column.push((at, value));
            }
        }
        columns
    }

    /// The next answer, as the recorder gets it.
    pub fn samples(&mut self) -> impl Iterator<Item = Sample> {
        let (at, measured) = self.poller.ask();
        let samples = self.series.iter().cloned().zip(values(&measured));
        samples.map(move |(series, value)| Sample { series, at, value })
    }
}

fn values(measured: &Measured) -> [i64; SERIES] {
    let mut all = [0; Quantity::ALL.len()];
    for (quantity, value) in measured.values() {
        all[quantity as usize] = value;
    }
    QUANTITIES.map(|quantity| all[quantity as usize])
}

pub fn series(device: usize, quantity: Quantity) -> Series {
    Series {
        subject: format!("device:d{device}"),
        quantity,
    }
}
