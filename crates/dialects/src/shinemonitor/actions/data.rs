//! Data of devices: the latest record, and the records of a day.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::time::Timestamp;
use serde_json::{Map, Value, json};

use super::super::error::{Code, Refusal};
use super::super::map::{self, Column, Shown};
use super::super::params::Params;
use super::super::scene::{Device, Plant, Raw, Scene};
use super::super::time;
use super::super::want::{Fetched, Want};
use super::super::wire::Dat;
use super::energy::{Whole, of_whole, single, today};
use super::paged;
use super::power::curve;

fn device<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<(&'s Device, &'s Plant), Refusal> {
    let device = scene.device(&params.device()?)?;
    Ok((device, scene.plant_of(device.pid)?))
}

/// What today's energy is made of, for devices that produce.
fn wants_today(device: &Device, plant: &Plant, scene: &Scene<'_>) -> Vec<Want> {
    if !device.kind.produces() {
        return Vec::new();
    }
    let of = vec![device.series(device.kind.counter())];
    vec![of_whole(plant, of, Whole::Day, today(scene, plant))]
}

pub fn wants_last(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let (device, plant) = device(params, scene)?;
    Ok(wants_today(device, plant, scene))
}

/// The latest fields and when they were read.
fn last(device: &Device, params: Params<'_>, got: &mut Fetched) -> Result<(Vec<Shown>, Timestamp), Refusal> {
    let at = device.last_seen.ok_or(Code::NoRecord)?;
    let today = if device.kind.produces() {
        single(got)?
    } else {
        None
    };
    let fields = map::fields(device, today, params.lang());
    if fields.is_empty() {
        return Err(Code::NoRecord.into());
    }
    Ok((fields, at))
}

fn row_id(device: &Device, at: Timestamp) -> String {
    map::row_id(&[&device.name.to_string(), "@", &at.0.to_string()])
}

fn titled(title: &str, unit: &str, val: &str) -> Value {
    if unit.is_empty() {
        json!({"title": title, "val": val})
    } else {
        json!({"title": title, "unit": unit, "val": val})
    }
}

/// The first two titles are English in every language: clients look for them.
const FIRST: [&str; 2] = ["id", "Timestamp"];

pub fn of_last(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (device, plant) = device(params, scene)?;
    let (fields, at) = last(device, params, got)?;
    let first = [row_id(device, at), time::text(at, &plant.zone)];
    let first = FIRST
        .iter()
        .zip(&first)
        .map(|(title, val)| titled(title, "", val));
    let rest = fields
        .iter()
        .map(|field| titled(&field.title, &field.unit, &field.val));
    Ok(Some(first.chain(rest).collect::<Vec<Value>>().into()))
}

pub fn wants_real(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    params.text("date")?;
    wants_last(params, scene)
}

/// The latest values by their keys, if they are of that day.
pub fn of_real(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (device, plant) = device(params, scene)?;
    let day = params.day("date", today(scene, plant))?;
    let (fields, at) = last(device, params, got)?;
    if time::day_of(at, &plant.zone) != day {
        return Err(Code::NoRecord.into());
    }
    let ts = time::text(at, &plant.zone);
    let entry = |field: Shown| (field.key, json!({"val": field.val, "ts": ts}));
    Ok(Some(fields.into_iter().map(entry).collect::<Map<_, _>>().into()))
}

pub fn wants_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let (device, plant) = device(params, scene)?;
    let day = params.day("date", today(scene, plant))?;
    let of = map::columns(device.kind).iter();
    let of = of.map(|column| device.series(column.quantity)).collect();
    Ok(vec![curve(plant, of, day)])
}

/// The records of a day: columns that have a value, and rows in order of time.
struct Table {
    titles: Vec<Value>,
    rows: Vec<Value>,
}

impl Table {
    fn new(params: Params<'_>, device: &Device, plant: &Plant, got: &mut Fetched) -> Result<Self, Refusal> {
        let curves = got.curve()?;
        let columns: Vec<(&Column, BTreeMap<Timestamp, i64>)> = map::columns(device.kind)
            .iter()
            .zip(curves)
            .filter(|(_, curve)| !curve.is_empty())
            .map(|(column, curve)| (column, curve.into_iter().collect()))
            .collect();
        let mut times: Vec<Timestamp> = columns
            .iter()
            .flat_map(|column| column.1.keys().copied())
            .collect();
        times.sort_unstable();
        times.dedup();
        if times.is_empty() {
            return Err(Code::NoRecord.into());
        }
        let lang = params.lang();
        let first = FIRST.iter().map(|title| json!({"title": title, "isDisplay": 1}));
        let rest = columns
            .iter()
            .map(|(column, _)| json!({"title": column.title(lang), "unit": column.unit, "isDisplay": 1}));
        let row = |at: &Timestamp| {
            let mut field = vec![row_id(device, *at), time::text(*at, &plant.zone)];
            let value = |(column, curve): &(&Column, BTreeMap<Timestamp, i64>)| {
                curve.get(at).map(|value| column.text(*value)).unwrap_or_default()
            };
            field.extend(columns.iter().map(value));
            json!({"realtime": true, "field": field})
        };
        Ok(Self {
            titles: first.chain(rest).collect(),
            rows: times.iter().map(row).collect(),
        })
    }
}

pub fn of_day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (device, plant) = device(params, scene)?;
    let table = Table::new(params, device, plant, got)?;
    Ok(Some(json!({"title": table.titles, "row": table.rows})))
}

/// The newest first, unlike the whole day.
pub fn of_day_page(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (device, plant) = device(params, scene)?;
    let mut table = Table::new(params, device, plant, got)?;
    table.rows.reverse();
    let mut dat = paged(params, "row", 1, &table.rows, Code::NoRecord, Value::clone)?;
    if let Some(dat) = &mut dat {
        dat["title"] = table.titles.into();
    }
    Ok(dat)
}

fn raw_value(device: &Device, plant: &Plant, raw: &Raw) -> Value {
    json!({
        "id": row_id(device, raw.at),
        "dat": STANDARD.encode(&raw.bytes),
        "valid": 0,
        "gts": time::text(raw.at, &plant.zone),
    })
}

pub fn raw(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let (device, plant) = device(params, scene)?;
    let raw = device.raw.as_ref().ok_or(Code::NoRecord)?;
    Ok(Some(raw_value(device, plant, raw)))
}

/// Only the latest image is kept.
pub fn raw_of_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let (device, plant) = device(params, scene)?;
    params.text("date")?;
    let day = params.day("date", today(scene, plant))?;
    let is_of_day = |raw: &&Raw| time::day_of(raw.at, &plant.zone) == day;
    let raw = device.raw.as_ref().filter(is_of_day).ok_or(Code::NoRecord)?;
    Ok(Some(json!({ "row": [raw_value(device, plant, raw)] })))
}
