//! Power: now, and over a day in slots of five minutes.

use std::collections::BTreeMap;

use jiff::civil::Date;
use model::reading::Quantity;
use model::time::Timestamp;
use model::units::Watts;
use serde_json::{Value, json};

use super::super::error::{Code, Refusal};
use super::super::number;
use super::super::params::Params;
use super::super::scene::{Device, Plant, Scene};
use super::super::time;
use super::super::want::{Fetched, Series, Want};
use super::super::wire::Dat;
use super::energy::{first_today, today};

/// What a plant produces; `None` where nothing has ever been heard.
pub fn now(plant: &Plant, scene: &Scene<'_>) -> Option<Watts> {
    let devices = scene.generating(plant.pid);
    let is_known = devices.iter().any(|device| device.measured.power.is_some());
    let fresh = devices.iter().filter(|device| device.is_fresh);
    is_known.then(|| fresh.filter_map(|device| device.power()).sum())
}

pub fn current(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let plant = scene.plant(params.int("plantid")?)?;
    let power = now(plant, scene).ok_or(Code::NoRecord)?;
    Ok(Some(json!({ "outputPower": number::kw(power) })))
}

pub fn plants_current(_: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    if scene.plants.is_empty() {
        return Err(Code::NoPlant.into());
    }
    let powers: Vec<Watts> = scene
        .plants
        .iter()
        .filter_map(|plant| now(plant, scene))
        .collect();
    if powers.is_empty() {
        return Err(Code::NoRecord.into());
    }
    let sum: Watts = powers.into_iter().sum();
    Ok(Some(json!({ "outputPower": number::kw(sum) })))
}

/// The last values of every slot of a local day.
pub fn curve(plant: &Plant, of: Vec<Series>, day: Date) -> Want {
    Want::Curve {
        of,
        from: time::midnight(day, &plant.zone),
        to: time::midnight(time::next_day(day), &plant.zone),
        step: time::SLOT,
    }
}

fn day_of_plant(plant: &Plant, scene: &Scene<'_>, day: Date) -> Want {
    let devices = scene.generating(plant.pid);
    curve(
        plant,
        devices
            .iter()
            .map(|device| device.series(Quantity::Power))
            .collect(),
        day,
    )
}

/// Production by slot.
fn produced(curves: Vec<Vec<(Timestamp, i64)>>) -> BTreeMap<Timestamp, Watts> {
    let mut sums = BTreeMap::new();
    for (at, power) in curves.into_iter().flatten() {
        *sums.entry(at).or_insert(Watts::ZERO) += -Watts(power);
    }
    sums
}

fn point(power: Watts, ts: String) -> Value {
    json!({"val": number::kw(power), "ts": ts})
}

/// All slots of the day, those without data and those to come as well.
fn filled(plant: &Plant, day: Date, powers: &BTreeMap<Timestamp, Watts>) -> Vec<Value> {
    let slots = time::slots(day, &plant.zone);
    let power = |at: Timestamp| powers.get(&at).copied().unwrap_or_default().at_least_zero();
    slots
        .map(|at| point(power(at), time::text(at, &plant.zone)))
        .collect()
}

pub fn wants_plant_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let plant = scene.plant(params.int("plantid")?)?;
    let day = params.day("date", today(scene, plant))?;
    Ok(vec![day_of_plant(plant, scene, day)])
}

pub fn of_plant_day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let plant = scene.plant(params.int("plantid")?)?;
    let day = params.day("date", today(scene, plant))?;
    let powers = produced(got.curve()?);
    if powers.is_empty() {
        return Err(Code::NoRecord.into());
    }
    Ok(Some(json!({
        "outputPower": filled(plant, day, &powers),
        "activePowerSwitch": true,
    })))
}

pub fn wants_plants_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let day = params.day("date", first_today(scene)?)?;
    Ok(scene
        .plants
        .iter()
        .map(|plant| day_of_plant(plant, scene, day))
        .collect())
}

/// Each plant's own day, slot upon slot since its midnight; the clock is that of the first.
pub fn of_plants_day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let first = scene.plants.first().ok_or(Code::NoPlant)?;
    let day = params.day("date", today(scene, first))?;
    let mut sums: BTreeMap<Timestamp, Watts> = BTreeMap::new();
    for plant in scene.plants {
        let ahead = time::midnight(day, &plant.zone).0 - time::midnight(day, &first.zone).0;
        for (at, power) in produced(got.curve()?) {
            *sums.entry(Timestamp(at.0 - ahead)).or_default() += power;
        }
    }
    if sums.is_empty() {
        return Err(Code::NoRecord.into());
    }
    Ok(Some(json!({ "outputPower": filled(first, day, &sums) })))
}

fn device<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<(&'s Device, &'s Plant), Refusal> {
    let device = scene.device(&params.device()?)?;
    Ok((device, scene.plant_of(device.pid)?))
}

pub fn device_current(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let (device, plant) = device(params, scene)?;
    let from_today = |at: &Timestamp| time::day_of(*at, &plant.zone) == today(scene, plant);
    let at = device.last_seen.filter(from_today).ok_or(Code::NoRecord)?;
    let power = device.power().ok_or(Code::NoRecord)?;
    Ok(Some(point(power, time::text(at, &plant.zone))))
}

pub fn wants_device_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let (device, plant) = device(params, scene)?;
    params.text("date")?;
    let day = params.day("date", today(scene, plant))?;
    Ok(vec![curve(plant, vec![device.series(Quantity::Power)], day)])
}

/// By slot, as this dialect counts.
fn powers(device: &Device, got: &mut Fetched) -> Result<BTreeMap<Timestamp, Watts>, Refusal> {
    let curves = got.curve()?;
    if curves.iter().all(Vec::is_empty) {
        return Err(Code::NoRecord.into());
    }
    let as_shown = |power: i64| {
        if device.kind.produces() {
            (-Watts(power)).at_least_zero()
        } else {
            Watts(power)
        }
    };
    let points = curves.into_iter().flatten();
    Ok(points.map(|(at, power)| (at, as_shown(power))).collect())
}

/// With its gaps.
pub fn of_device_day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (device, plant) = device(params, scene)?;
    let powers = powers(device, got)?;
    let points: Vec<Value> = powers
        .into_iter()
        .map(|(at, power)| point(power, time::text(at, &plant.zone)))
        .collect();
    Ok(Some(json!({ "outputPower": points })))
}

pub fn of_device_24_hours(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (device, plant) = device(params, scene)?;
    let day = params.day("date", today(scene, plant))?;
    let powers = powers(device, got)?;
    let points: Vec<Value> = time::slots(day, &plant.zone)
        .map(|at| {
            point(
                powers.get(&at).copied().unwrap_or_default(),
                time::text(at, &plant.zone),
            )
        })
        .collect();
    Ok(Some(json!({ "outputPower": points })))
}
