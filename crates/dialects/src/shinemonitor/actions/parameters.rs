//! Parameters by name: curves of a day, and energies by day, month and year.
//!
//! Names are written in any capitals. What belongs to the plant rather than the device (the load of the house,
//! the grid) is taken from the device's plant.

use std::collections::{BTreeMap, BTreeSet};

use model::reading::Quantity;
use model::time::Timestamp;
use model::units::WattHours;
use serde_json::{Value, json};

use super::super::error::{Code, Refusal};
use super::super::number;
use super::super::params::{DeviceName, Params};
use super::super::scene::{Device, DeviceType, Plant, Scene};
use super::super::time;
use super::super::want::{Fetched, Series, Want};
use super::super::wire::Dat;
use super::energy::{self, Buckets, first_today, today};
use super::power::curve;

/// How the values of a series become those of a parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// kW; of what produces with the other sign.
    Power,
    Produced,
    /// %.
    Share,
    /// kWh since it was built.
    Total,
    /// kWh since midnight.
    Today,
}

struct Parameter {
    of: Vec<Series>,
    shape: Shape,
}

/// Energies that have a name: what one device or the plant around it counts.
fn counted(name: &str) -> Option<(Counted, Shape)> {
    let (name, shape) = match name.split_once("_TODAY") {
        Some((front, back)) => (format!("{front}{back}"), Shape::Today),
        None => {
            let (front, back) = name.split_once("_TOTAL")?;
            (format!("{front}{back}"), Shape::Total)
        }
    };
    let counted = match name.as_str() {
        "ENERGY" => Counted::Own,
        "BATTERY_ENERGY_CHARGE" => Counted::Charged,
        "BATTERY_ENERGY_DISCHARGE" => Counted::Discharged,
        "LOAD_ENERGY" => Counted::Load,
        "ENERGY_TO_GRID" => Counted::ToGrid,
        "ENERGY_FROM_GRID" => Counted::FromGrid,
        _ => return None,
    };
    Some((counted, shape))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// What the device itself gives, or takes where it only takes.
    Own,
    Charged,
    Discharged,
    Load,
    ToGrid,
    FromGrid,
}

impl Counted {
    fn of_plant(self, plant: &Plant, scene: &Scene<'_>) -> Vec<Series> {
        let batteries = |quantity| {
            scene
                .batteries(plant.pid)
                .map(|device| device.series(quantity))
                .collect()
        };
        let grid = |quantity| scene.grid_meter(plant.pid).map(|device| device.series(quantity));
        match self {
            Self::Own => energy::produced(scene, plant),
            Self::Charged => batteries(Quantity::EnergyIn),
            Self::Discharged => batteries(Quantity::EnergyOut),
            Self::Load => vec![plant.house(Quantity::EnergyIn)],
            Self::ToGrid => grid(Quantity::EnergyOut).into_iter().collect(),
            Self::FromGrid => grid(Quantity::EnergyIn).into_iter().collect(),
        }
    }
}

impl Parameter {
    /// `None`: there is no parameter of this name, or not for such a device.
    fn find(name: &str, device: &Device, plant: &Plant, scene: &Scene<'_>) -> Option<Self> {
        let own = |quantity, shape| Self {
            of: vec![device.series(quantity)],
            shape,
        };
        let own_power = if device.kind.produces() {
            Shape::Produced
        } else {
            Shape::Power
        };
        let is_battery = device.kind == DeviceType::Battery;
        let is_meter = matches!(device.kind, DeviceType::Meter(_));
        let name = name.to_ascii_uppercase();
        Some(match name.as_str() {
            "OUTPUT_POWER" => own(Quantity::Power, own_power),
            "ACTIVE_POWER" if is_meter => own(Quantity::Power, own_power),
            "ACTIVE_ENERGY" if is_meter => own(device.kind.counter(), Shape::Total),
            "BATTERY_ACTIVE_POWER" if is_battery => own(Quantity::Power, Shape::Power),
            "BT_BATTERY_CAPACITY" | "SOC" if is_battery => own(Quantity::Soc, Shape::Share),
            "PV_OUTPUT_POWER" if is_battery => Self {
                of: scene
                    .generating(plant.pid)
                    .iter()
                    .map(|device| device.series(Quantity::Power))
                    .collect(),
                shape: Shape::Produced,
            },
            "GRID_ACTIVE_POWER" if is_battery => Self {
                of: scene
                    .grid_meter(plant.pid)
                    .map(|device| device.series(Quantity::Power))
                    .into_iter()
                    .collect(),
                shape: Shape::Power,
            },
            "LOAD_ACTIVE_POWER" if is_battery => Self {
                of: vec![plant.house(Quantity::Power)],
                shape: Shape::Power,
            },
            name => {
                let (counted, shape) = counted(name)?;
                match counted {
                    Counted::Own => own(device.kind.counter(), shape),
                    Counted::Charged if is_battery => own(Quantity::EnergyIn, shape),
                    Counted::Discharged if is_battery => own(Quantity::EnergyOut, shape),
                    // The load of the house has no counter that could be shown through the day.
                    Counted::ToGrid | Counted::FromGrid if is_battery => Self {
                        of: counted.of_plant(plant, scene),
                        shape,
                    },
                    Counted::Charged
                    | Counted::Discharged
                    | Counted::Load
                    | Counted::ToGrid
                    | Counted::FromGrid => return None,
                }
            }
        })
    }

    fn text(&self, value: i64) -> String {
        match self.shape {
            Shape::Share => number::decimal(i128::from(value) * 1_000, 4),
            Shape::Produced => number::decimal(i128::from(value.saturating_neg().max(0)) * 10, 4),
            Shape::Power | Shape::Total | Shape::Today => number::decimal(i128::from(value) * 10, 4),
        }
    }

    /// Sums over its series by slot; counters of today begin with the first reading of the day.
    fn points(&self, curves: Vec<Vec<(Timestamp, i64)>>) -> BTreeMap<Timestamp, i64> {
        let mut sums: BTreeMap<Timestamp, i64> = BTreeMap::new();
        for curve in curves {
            let first = match self.shape {
                Shape::Today => curve.first().map_or(0, |first| first.1),
                Shape::Power | Shape::Produced | Shape::Share | Shape::Total => 0,
            };
            for (at, value) in curve {
                let sum = sums.entry(at).or_default();
                *sum = sum.saturating_add(value.saturating_sub(first));
            }
        }
        sums
    }
}

struct Asked<'s> {
    plant: &'s Plant,
    parameter: Parameter,
}

fn asked<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<Asked<'s>, Refusal> {
    let device = scene.device(&params.device()?)?;
    let plant = scene.plant_of(device.pid)?;
    let name = params.text("parameter")?;
    let parameter = Parameter::find(&name, device, plant, scene);
    let parameter = parameter.ok_or_else(|| Refusal::format("parameter"))?;
    Ok(Asked { plant, parameter })
}

pub fn wants_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let Asked { plant, parameter } = asked(params, scene)?;
    let day = params.day("date", today(scene, plant))?;
    Ok(vec![curve(plant, parameter.of, day)])
}

pub fn wants_sp_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    scene.device(&params.device()?)?;
    params.text("parameter")?;
    params.text("date")?;
    wants_day(params, scene)
}

fn day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Vec<Value>, Refusal> {
    let Asked { plant, parameter } = asked(params, scene)?;
    let points = parameter.points(got.curve()?);
    if points.is_empty() {
        return Err(Code::NoRecord.into());
    }
    let point = |(at, value)| json!({"val": parameter.text(value), "ts": time::text(at, &plant.zone)});
    Ok(points.into_iter().map(point).collect())
}

pub fn of_day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    Ok(Some(json!({ "parameter": day(params, scene, got)? })))
}

pub fn of_sp_day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    Ok(Some(json!({ "detail": day(params, scene, got)? })))
}

/// An energy is what its counter rose in the month, a power or share its highest value.
pub fn wants_month(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let Asked { plant, parameter } = asked(params, scene)?;
    let start = params.month("date", today(scene, plant))?;
    Ok(vec![match parameter.shape {
        Shape::Total | Shape::Today => energy::of_whole(plant, parameter.of, energy::Whole::Month, start),
        Shape::Power | Shape::Produced | Shape::Share => Want::Curve {
            of: parameter.of,
            from: time::midnight(start, &plant.zone),
            to: time::midnight(time::next_month(start), &plant.zone),
            step: time::SLOT,
        },
    }])
}

pub fn of_month(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let Asked { parameter, .. } = asked(params, scene)?;
    let value = match parameter.shape {
        Shape::Total | Shape::Today => energy::single(got)?.map(|energy| energy.0),
        Shape::Power | Shape::Share => parameter.points(got.curve()?).into_values().max(),
        Shape::Produced => parameter.points(got.curve()?).into_values().min(),
    };
    let value = value.ok_or(Code::NoRecord)?;
    let name = params.text("parameter")?.to_ascii_uppercase();
    Ok(Some(
        json!({ "info": [{"par": name, "val": parameter.text(value)}] }),
    ))
}

/// Names a client may ask a device for.
pub fn keys(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    const NAMES: [&str; 19] = [
        "OUTPUT_POWER",
        "ENERGY_TODAY",
        "ENERGY_TOTAL",
        "ACTIVE_POWER",
        "ACTIVE_ENERGY",
        "PV_OUTPUT_POWER",
        "LOAD_ACTIVE_POWER",
        "GRID_ACTIVE_POWER",
        "BATTERY_ACTIVE_POWER",
        "BT_BATTERY_CAPACITY",
        "SOC",
        "BATTERY_ENERGY_TODAY_CHARGE",
        "BATTERY_ENERGY_TODAY_DISCHARGE",
        "BATTERY_ENERGY_TOTAL_CHARGE",
        "BATTERY_ENERGY_TOTAL_DISCHARGE",
        "ENERGY_TODAY_TO_GRID",
        "ENERGY_TODAY_FROM_GRID",
        "ENERGY_TOTAL_TO_GRID",
        "ENERGY_TOTAL_FROM_GRID",
    ];
    let device = scene.device(&params.device()?)?;
    let plant = scene.plant_of(device.pid)?;
    let has = |name: &&str| Parameter::find(name, device, plant, scene).is_some();
    let names: Vec<&str> = NAMES.into_iter().filter(has).collect();
    Ok(Some(json!({ "keys": names })))
}

/// Energies of the plants with storage; of the plant of a device where one is named.
struct OfPlants<'s> {
    plants: Vec<&'s Plant>,
    counted: Counted,
}

fn of_plants<'s>(params: Params<'_>, scene: &Scene<'s>, wanted: Shape) -> Result<OfPlants<'s>, Refusal> {
    let name = params.text("parameter")?.to_ascii_uppercase();
    let found = counted(&name).filter(|found| found.1 == wanted && found.0 != Counted::Own);
    let (counted, _) = found.ok_or_else(|| Refusal::format("parameter"))?;
    let device: Option<DeviceName> = match params.opt("pn").or_else(|| params.opt("device")) {
        Some(_) => Some(params.device()?),
        None => None,
    };
    let pid = device
        .map(|name| scene.device(&name))
        .transpose()?
        .map(|device| device.pid);
    let plants: Vec<&Plant> = scene
        .plants
        .iter()
        .filter(|plant| pid.is_none_or(|pid| plant.pid == pid))
        .filter(|plant| scene.batteries(plant.pid).next().is_some())
        .collect();
    if plants.is_empty() {
        return Err(Code::NoDevice.into());
    }
    Ok(OfPlants { plants, counted })
}

pub fn wants_sp_per_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let OfPlants { plants, counted } = of_plants(params, scene, Shape::Today)?;
    let start = params.month("date", first_today(scene)?)?;
    let want = |plant: &&Plant| Buckets::PerDay.want(plant, counted.of_plant(plant, scene), start);
    Ok(plants.iter().map(want).collect())
}

/// Days without their time.
fn options(starts: &[jiff::civil::Date], energies: &[Option<WattHours>]) -> Dat {
    let option = |(nth, start): (usize, &jiff::civil::Date)| {
        let energy = energies.get(nth).copied().flatten().unwrap_or_default();
        json!({"val": number::kwh(energy), "gts": start.to_string()})
    };
    let options: Vec<Value> = starts.iter().enumerate().map(option).collect();
    Some(json!({ "option": options }))
}

pub fn of_sp_per_day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let OfPlants { plants, .. } = of_plants(params, scene, Shape::Today)?;
    let start = params.month("date", first_today(scene)?)?;
    let sums = energy::summed(plants.len(), got)?;
    Ok(options(&Buckets::PerDay.starts(start), &sums))
}

pub fn wants_sp_per_year(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let OfPlants { plants, counted } = of_plants(params, scene, Shape::Total)?;
    let want = |plant: &&Plant| energy::years(plant, scene, counted.of_plant(plant, scene));
    Ok(plants.iter().map(want).collect())
}

pub fn of_sp_per_year(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let OfPlants { plants, .. } = of_plants(params, scene, Shape::Total)?;
    let years = energy::summed_years(plants.len(), got)?;
    let option =
        |(year, energy): (i16, WattHours)| json!({"val": number::kwh(energy), "gts": format!("{year:04}")});
    let options: Vec<Value> = years.into_iter().map(option).collect();
    if options.is_empty() {
        return Err(Code::NoDevice.into());
    }
    Ok(Some(json!({ "option": options })))
}

/// Over all devices of one protocol. Of the plant's own energies each plant counts once.
fn of_protocol(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<(i64, Vec<Series>)>, Refusal> {
    let name = params.text("parameter")?;
    let devcode = params.int("devcode")?;
    let devices = scene
        .devices
        .iter()
        .filter(|device| device.name.devcode == devcode);
    let mut seen = BTreeSet::new();
    let mut by_plant = Vec::new();
    for device in devices {
        let plant = scene.plant_of(device.pid)?;
        let upper = name.to_ascii_uppercase();
        let found = counted(&upper).filter(|found| found.1 == Shape::Today);
        let (counted, _) = found.ok_or_else(|| Refusal::format("parameter"))?;
        let of = match counted {
            Counted::Own => vec![device.series(device.kind.counter())],
            Counted::Charged => vec![device.series(Quantity::EnergyIn)],
            Counted::Discharged => vec![device.series(Quantity::EnergyOut)],
            Counted::Load | Counted::ToGrid | Counted::FromGrid => counted.of_plant(plant, scene),
        };
        let of: Vec<Series> = of
            .into_iter()
            .filter(|series| seen.insert(series.clone()))
            .collect();
        if !of.is_empty() {
            by_plant.push((plant.pid, of));
        }
    }
    if by_plant.is_empty() {
        return Err(Code::NoDevice.into());
    }
    Ok(by_plant)
}

/// `yyyy-mm`; the vendor's own sample sends a whole day.
fn month_or_day(params: Params<'_>, scene: &Scene<'_>) -> Result<jiff::civil::Date, Refusal> {
    let today = first_today(scene)?;
    let month = params.month("date", today);
    month.or_else(|_| Ok(params.day("date", today)?.first_of_month()))
}

pub fn wants_protocol_per_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let start = month_or_day(params, scene)?;
    let want = |(pid, of)| Ok(Buckets::PerDay.want(scene.plant_of(pid)?, of, start));
    of_protocol(params, scene)?.into_iter().map(want).collect()
}

pub fn of_protocol_per_day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let start = month_or_day(params, scene)?;
    let wants = of_protocol(params, scene)?.len();
    let sums = energy::summed(wants, got)?;
    Ok(options(&Buckets::PerDay.starts(start), &sums))
}
