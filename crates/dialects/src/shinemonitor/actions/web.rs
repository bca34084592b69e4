//! What the portal asks: plants with their figures, chosen figures, lists and curves of fields.

use std::borrow::Cow;

use model::time::Millis;
use model::units::WattHours;
use serde_json::{Map, Value, json};

use super::super::error::{Code, Refusal};
use super::super::map::{self, Shown};
use super::super::number;
use super::super::params::Params;
use super::super::scene::{Device, Plant, Scene};
use super::super::time;
use super::super::want::{Fetched, Want};
use super::super::wire::Dat;
use super::energy::{self, Whole, produced, today};
use super::{plants, power};

const WHOLES: [Whole; 3] = [Whole::Day, Whole::Month, Whole::Year];

fn this(whole: Whole, plant: &Plant, scene: &Scene<'_>) -> Want {
    let today = today(scene, plant);
    let start = match whole {
        Whole::Day => today,
        Whole::Month => today.first_of_month(),
        Whole::Year => today.first_of_year(),
    };
    energy::of_whole(plant, produced(scene, plant), whole, start)
}

pub fn wants_plants(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let mut wants = Vec::new();
    for plant in params.page(50).of(scene.plants) {
        wants.extend(WHOLES.map(|whole| this(whole, plant, scene)));
        wants.extend(energy::wants_totals(&scene.generating(plant.pid)));
    }
    Ok(wants)
}

pub fn list(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    if scene.plants.is_empty() {
        return Err(Code::NoPlant.into());
    }
    let page = params.page(50);
    let mut shown = Vec::new();
    for plant in page.of(scene.plants) {
        let [day, month, year] = [energy::single(got)?, energy::single(got)?, energy::single(got)?];
        let total = energy::plant_total(plant, scene, got)?;
        let text = |energy: Option<WattHours>| number::kwh(energy.unwrap_or_default());
        let output = power::now(plant, scene).unwrap_or_default();
        let nominal = plant.nominal(scene);
        let year_wh = year.unwrap_or_default().0;
        let mut value = json!({
            "pid": plant.pid,
            "name": plant.name,
            "status": plant.status(scene),
            "outputPower": number::kw(output),
            "energy": text(day),
            "energyMonth": text(month),
            "energyYear": text(year),
            "energyTotal": text(total),
            "powerEfficiency": number::ratio(i128::from(output.0) * 100, nominal.0.into()),
            "cfValue": number::ratio(year_wh.into(), nominal.0.into()),
            "nominalPower": number::kw(nominal),
        });
        let seen = scene
            .devices_of(plant.pid)
            .filter_map(|device| device.last_seen)
            .max();
        if let Some(seen) = seen {
            value["lts"] = time::text(seen, &plant.zone).into();
        }
        value["install"] = plants::install(plant).into();
        value["gts"] = time::text(plant.created, &plant.zone).into();
        value["address"] = plants::address(plant, scene);
        value["profit"] = plants::profit(&plant.sheet);
        shown.push(value);
    }
    Ok(Some(json!({
        "total": scene.plants.len(),
        "page": page.page,
        "pagesize": page.size,
        "plant": shown,
    })))
}

/// Figures of a plant that have a name.
#[derive(Clone, Copy)]
enum Figure {
    Energy(Whole),
    Total,
    Proceeds,
    /// Grams of something saved per kWh.
    Saved(fn(&super::super::scene::Sheet) -> i64),
    Soc,
    Power,
    /// There is no sensor.
    None,
}

impl Figure {
    fn find(key: &str) -> Option<Self> {
        Some(match key.to_ascii_uppercase().as_str() {
            "ENERGY_TODAY" => Self::Energy(Whole::Day),
            "ENERGY_MONTH" => Self::Energy(Whole::Month),
            "ENERGY_YEAR" => Self::Energy(Whole::Year),
            "ENERGY_TOTAL" => Self::Total,
            "ENERGY_PROCEEDS" => Self::Proceeds,
            "ENERGY_CO2" => Self::Saved(|sheet| sheet.co2),
            "ENERGY_COAL" => Self::Saved(|sheet| sheet.coal),
            "ENERGY_SO2" => Self::Saved(|sheet| sheet.so2),
            "BATTERY_SOC" => Self::Soc,
            "CURRENT_POWER" => Self::Power,
            "CURRENT_TEMP" | "CURRENT_RADIANT" => Self::None,
            _ => return None,
        })
    }

    fn wants(self, plant: &Plant, scene: &Scene<'_>) -> Vec<Want> {
        match self {
            Self::Energy(whole) => vec![this(whole, plant, scene)],
            Self::Total | Self::Proceeds | Self::Saved(_) => {
                energy::wants_totals(&scene.generating(plant.pid))
            }
            Self::Soc | Self::Power | Self::None => Vec::new(),
        }
    }

    fn value(self, plant: &Plant, scene: &Scene<'_>, got: &mut Fetched) -> Result<Value, Refusal> {
        let mut total = || energy::plant_total(plant, scene, got).map(Option::unwrap_or_default);
        Ok(match self {
            Self::Total => number::kwh(total()?).into(),
            Self::Proceeds => {
                let micros = plant.sheet.prices.unit.of(total()?).0;
                number::decimal((micros / 100).into(), 4).into()
            }
            Self::Saved(factor) => {
                let grams = i128::from(total()?.0) * i128::from(factor(&plant.sheet)) / 1_000;
                number::decimal(grams * 10, 4).into()
            }
            Self::Energy(_) => number::kwh(energy::single(got)?.unwrap_or_default()).into(),
            Self::Soc => soc(plant, scene),
            Self::Power => number::kw(power::now(plant, scene).unwrap_or_default()).into(),
            Self::None => "0.0000".into(),
        })
    }
}

/// The mean of the batteries; a number below zero says that there is none.
fn soc(plant: &Plant, scene: &Scene<'_>) -> Value {
    let all: Vec<i64> = scene
        .batteries(plant.pid)
        .filter_map(|device| device.measured.soc.map(|soc| soc.0))
        .collect();
    let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
    match all.iter().sum::<i64>().checked_div(count) {
        Some(mean) => number::plain(mean, 1).into(),
        None => (-1).into(),
    }
}

type Figures = Vec<(String, Figure)>;

fn figures<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<(&'s Plant, Figures), Refusal> {
    let plant = scene.plant(params.int("plantid")?)?;
    let find = |key: String| match Figure::find(&key) {
        Some(figure) => Ok((key, figure)),
        None => Err(Refusal::format("par")),
    };
    let keys = params.list("par")?;
    Ok((plant, keys.into_iter().map(find).collect::<Result<_, _>>()?))
}

pub fn wants_current(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let (plant, figures) = figures(params, scene)?;
    let wants = figures.iter().flat_map(|(_, figure)| figure.wants(plant, scene));
    Ok(wants.collect())
}

/// In the order that was asked for: one client reads it by position.
pub fn current(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (plant, figures) = figures(params, scene)?;
    let mut values = Vec::new();
    for (key, figure) in figures {
        values.push(json!({"key": key, "val": figure.value(plant, scene, got)?}));
    }
    Ok(Some(values.into()))
}

fn of_type<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<(&'s Plant, Vec<&'s Device>), Refusal> {
    let plant = scene.plant(params.int("plantid")?)?;
    let kind = params.int("devtype")?;
    let devices = scene.devices_of(plant.pid);
    Ok((
        plant,
        devices.filter(|device| device.kind.number() == kind).collect(),
    ))
}

fn wanted_fields(params: Params<'_>) -> Result<Vec<String>, Refusal> {
    match params.opt("parameter") {
        Some(_) => params.list("parameter"),
        None => Ok(Vec::new()),
    }
}

pub fn wants_designated(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let (plant, devices) = of_type(params, scene)?;
    let keys = wanted_fields(params)?;
    let mut wants = Vec::new();
    for device in devices {
        for key in &keys {
            wants.extend(match key.as_str() {
                "energy_today" => {
                    let of = vec![device.series(device.kind.counter())];
                    vec![energy::of_whole(plant, of, Whole::Day, today(scene, plant))]
                }
                "energy_total" => energy::wants_totals(&[device]),
                _ => Vec::new(),
            });
        }
    }
    Ok(wants)
}

pub fn designated(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (plant, devices) = of_type(params, scene)?;
    if devices.is_empty() {
        return Err(Code::NoDevice.into());
    }
    let keys = wanted_fields(params)?;
    let mut shown = Vec::new();
    for device in devices {
        let mut value = json!({
            "devcode": device.name.devcode,
            "sn": device.name.sn,
            "devaddr": device.name.devaddr,
            "status": device.status(),
            "cpn": device.name.pn,
            "vendor": device.identity.as_deref().unwrap_or_default(),
            "ratePower": number::kw(device.rated.unwrap_or_default()),
            "devtype": device.kind.number().to_string(),
        });
        for key in &keys {
            let found = match key.as_str() {
                "energy_today" => energy::single(got)?.map(number::kwh),
                "energy_total" => energy::totals(&[device], got)?.map(number::kwh),
                "output_power" => device.power().map(number::kw),
                _ => map::fields(device, None, params.lang())
                    .into_iter()
                    .find(|field| field.key == *key)
                    .map(|field| field.val),
            };
            if let Some(found) = found {
                value[key.as_str()] = found.into();
            }
        }
        let seen = device.last_seen.map(|seen| time::text(seen, &plant.zone));
        value["lts"] = seen.unwrap_or_default().into();
        value["alias"] = device.alias.as_str().into();
        shown.push(value);
    }
    Ok(Some(json!({ "device": shown })))
}

/// Fields that a device has, whatever their value is.
fn field_list(device: &Device, params: Params<'_>) -> Vec<Shown> {
    let today = device.kind.produces().then_some(WattHours::ZERO);
    map::fields(device, today, params.lang())
}

fn chart_fields<'d>(devices: impl Iterator<Item = &'d Device>, params: Params<'_>) -> Vec<Value> {
    let mut shown: Vec<Shown> = Vec::new();
    for field in devices.flat_map(|device| field_list(device, params)) {
        if !shown.iter().any(|known| known.key == field.key) {
            shown.push(field);
        }
    }
    let value = |(field, order): (Shown, usize)| json!({"optional": field.key, "name": field.title, "uint": field.unit, "order": order});
    shown.into_iter().zip(1..).map(value).collect()
}

pub fn fields_of_type(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let (_, devices) = of_type(params, scene)?;
    Ok(Some(chart_fields(devices.into_iter(), params).into()))
}

pub fn fields_of_protocol(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let (_, devices) = of_type(params, scene)?;
    let devcode = params.int("devcode")?;
    params.text("type")?;
    let devices = devices
        .into_iter()
        .filter(|device| device.name.devcode == devcode);
    Ok(Some(chart_fields(devices, params).into()))
}

pub fn fields_es(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let device = scene.device(&params.device()?)?;
    let plant = scene.plant_of(device.pid)?;
    let mut fields = chart_fields(std::iter::once(device), params);
    for field in &mut fields {
        field["devcode"] = device.name.devcode.into();
        field["uid"] = plant.owner.into();
        field["visable"] = true.into();
    }
    Ok(Some(fields.into()))
}

pub fn fields(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let device = scene.device(&params.device()?)?;
    let value = |(field, at): (Shown, usize)| json!({"id": field.key, "name": field.title, "pos": format!("0,0,{at}"), "flag": true});
    let fields: Vec<Value> = field_list(device, params)
        .into_iter()
        .zip(0..)
        .map(value)
        .collect();
    Ok(Some(fields.into()))
}

pub fn view_fields(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let device = scene.device(&params.device()?)?;
    let value = |(field, at): (Shown, usize)| {
        let mut value = Map::new();
        value.insert("title".to_owned(), field.title.into());
        if !field.unit.is_empty() {
            value.insert("unit".to_owned(), field.unit.into());
        }
        value.insert("position".to_owned(), at.into());
        Value::from(value)
    };
    let fields: Vec<Value> = field_list(device, params)
        .into_iter()
        .zip(0..)
        .map(value)
        .collect();
    Ok(Some(json!({ "title": fields })))
}

const MINUTES: std::ops::RangeInclusive<i64> = 1..=1_440;
const MOST_POINTS: i64 = 10_000;
const LONGEST: Millis = Millis(31 * 86_400_000);

pub fn wants_detail(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let device = scene.device(&params.device()?)?;
    let plant = scene.plant_of(device.pid)?;
    let field = params.text("field")?;
    let minutes = params.int("precision")?;
    if !MINUTES.contains(&minutes) {
        return Err(Refusal::format("precision"));
    }
    for name in ["sdate", "edate"] {
        params.text(name)?;
    }
    let span = params
        .span(&plant.zone)?
        .ok_or_else(|| Refusal::format("sdate"))?;
    if span.end.0 - span.start.0 > LONGEST.0 {
        return Err(Refusal::format("edate"));
    }
    if (span.end.0 - span.start.0) / (minutes * 60_000) > MOST_POINTS {
        return Err(Code::TooMany.into());
    }
    let Some(column) = map::column(device.kind, &field) else {
        // Its latest value is known, and no others are kept.
        let is_known = field_list(device, params).iter().any(|known| known.key == field);
        return Err(if is_known {
            Code::NoRecord.into()
        } else {
            Refusal::format("field")
        });
    };
    Ok(vec![Want::Curve {
        of: vec![device.series(column.quantity)],
        from: span.start,
        to: span.end,
        step: Millis::from_seconds(minutes * 60),
    }])
}

pub fn detail(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let device = scene.device(&params.device()?)?;
    let plant = scene.plant_of(device.pid)?;
    let field: Cow<'_, str> = params.text("field")?;
    let column = map::column(device.kind, &field).ok_or_else(|| Refusal::format("field"))?;
    let point = |(at, value)| json!({"key": time::text(at, &plant.zone), "val": column.text(value)});
    let points: Vec<Value> = got.curve()?.into_iter().flatten().map(point).collect();
    if points.is_empty() {
        return Err(Code::NoRecord.into());
    }
    Ok(Some(points.into()))
}
