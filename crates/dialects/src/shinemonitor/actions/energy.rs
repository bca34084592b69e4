//! Energies: of a plant what its inverters produced, of a device what its counter rose.

use jiff::civil::Date;
use model::reading::Quantity;
use model::units::WattHours;
use serde_json::{Value, json};

use super::super::error::{Code, Refusal};
use super::super::number;
use super::super::params::Params;
use super::super::scene::{Device, Plant, Scene};
use super::super::time;
use super::super::want::{Fetched, Per, Series, Want};
use super::super::wire::Dat;

/// Which span `date` names.
#[derive(Clone, Copy)]
pub enum Whole {
    Day,
    Month,
    Year,
}

impl Whole {
    const fn per(self) -> Per {
        match self {
            Self::Day => Per::Day,
            Self::Month => Per::Month,
            Self::Year => Per::Year,
        }
    }

    pub fn read(self, params: Params<'_>, today: Date) -> Result<Date, Refusal> {
        match self {
            Self::Day => params.day("date", today),
            Self::Month => params.month("date", today),
            Self::Year => params.year("date", today),
        }
    }

    fn end(self, start: Date) -> Date {
        match self {
            Self::Day => time::next_day(start),
            Self::Month => time::next_month(start),
            Self::Year => time::next_year(start),
        }
    }
}

/// The counters of what produces in a plant.
pub fn produced(scene: &Scene<'_>, plant: &Plant) -> Vec<Series> {
    let devices = scene.generating(plant.pid);
    devices
        .iter()
        .map(|device| device.series(Quantity::EnergyOut))
        .collect()
}

pub fn today(scene: &Scene<'_>, plant: &Plant) -> Date {
    time::day_of(scene.now, &plant.zone)
}

pub fn energy(plant: &Plant, of: Vec<Series>, from: Date, to: Date, per: Per) -> Want {
    Want::Energy {
        of,
        zone: plant.zone.clone(),
        from,
        to,
        per,
    }
}

/// One whole day, month or year.
pub fn of_whole(plant: &Plant, of: Vec<Series>, whole: Whole, start: Date) -> Want {
    energy(plant, of, start, whole.end(start), whole.per())
}

/// The only period of an answer.
pub fn single(got: &mut Fetched) -> Result<Option<WattHours>, Refusal> {
    Ok(got.energy()?.first().copied().flatten())
}

fn energy_dat(energy: Option<WattHours>) -> Result<Dat, Refusal> {
    let energy = energy.ok_or(Code::NoRecord)?;
    Ok(Some(json!({ "energy": number::kwh(energy) })))
}

fn plant<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<&'s Plant, Refusal> {
    scene.plant(params.int("plantid")?)
}

fn device<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<(&'s Device, &'s Plant), Refusal> {
    let device = scene.device(&params.device()?)?;
    Ok((device, scene.plant_of(device.pid)?))
}

fn counter(device: &Device) -> Vec<Series> {
    vec![device.series(device.kind.counter())]
}

fn wants_of_plant(params: Params<'_>, scene: &Scene<'_>, whole: Whole) -> Result<Vec<Want>, Refusal> {
    let plant = plant(params, scene)?;
    let start = whole.read(params, today(scene, plant))?;
    Ok(vec![of_whole(plant, produced(scene, plant), whole, start)])
}

pub fn wants_plant_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    wants_of_plant(params, scene, Whole::Day)
}

pub fn wants_plant_month(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    wants_of_plant(params, scene, Whole::Month)
}

pub fn wants_plant_year(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    wants_of_plant(params, scene, Whole::Year)
}

fn wants_of_device(
    params: Params<'_>,
    scene: &Scene<'_>,
    whole: Whole,
    needs_date: bool,
) -> Result<Vec<Want>, Refusal> {
    let (device, plant) = device(params, scene)?;
    if needs_date {
        params.text("date")?;
    }
    let start = whole.read(params, today(scene, plant))?;
    Ok(vec![of_whole(plant, counter(device), whole, start)])
}

pub fn wants_device_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    wants_of_device(params, scene, Whole::Day, false)
}

pub fn wants_device_month(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    wants_of_device(params, scene, Whole::Month, true)
}

pub fn wants_device_year(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    wants_of_device(params, scene, Whole::Year, true)
}

pub fn whole(_: Params<'_>, _: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    energy_dat(single(got)?)
}

/// What is not in the latest readings is taken from the history.
pub fn wants_totals(devices: &[&Device]) -> Vec<Want> {
    let silent: Vec<Series> = silent(devices).flat_map(counter).collect();
    if silent.is_empty() {
        return Vec::new();
    }
    vec![Want::Newest(silent)]
}

fn silent<'d>(devices: &'d [&Device]) -> impl Iterator<Item = &'d Device> {
    devices.iter().copied().filter(|device| device.total().is_none())
}

/// The sum of lifetime counters; `None` where no device has one.
pub fn totals(devices: &[&Device], got: &mut Fetched) -> Result<Option<WattHours>, Refusal> {
    let mut all: Vec<WattHours> = devices.iter().filter_map(|device| device.total()).collect();
    if silent(devices).next().is_some() {
        all.extend(got.newest()?.into_iter().flatten().map(WattHours));
    }
    Ok((!all.is_empty()).then(|| all.into_iter().sum()))
}

/// With what was produced before the counters began.
pub fn plant_total(
    plant: &Plant,
    scene: &Scene<'_>,
    got: &mut Fetched,
) -> Result<Option<WattHours>, Refusal> {
    let total = totals(&scene.generating(plant.pid), got)?;
    Ok(total.map(|total| total + plant.sheet.offset))
}

pub fn wants_plant_total(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    Ok(wants_totals(&scene.generating(plant(params, scene)?.pid)))
}

pub fn of_plant_total(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    energy_dat(plant_total(plant(params, scene)?, scene, got)?)
}

pub fn wants_device_total(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    Ok(wants_totals(&[device(params, scene)?.0]))
}

pub fn of_device_total(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    energy_dat(totals(&[device(params, scene)?.0], got)?)
}

pub fn wants_plants_total(_: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let wants = |plant: &Plant| wants_totals(&scene.generating(plant.pid));
    Ok(scene.plants.iter().flat_map(wants).collect())
}

pub fn of_plants_total(_: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    if scene.plants.is_empty() {
        return Err(Code::NoPlant.into());
    }
    let mut sum = WattHours::ZERO;
    for plant in scene.plants {
        sum += plant_total(plant, scene, got)?.unwrap_or_default();
    }
    energy_dat(Some(sum))
}

/// The days of a month, or the months of a year.
#[derive(Clone, Copy)]
pub enum Buckets {
    PerDay,
    PerMonth,
}

impl Buckets {
    const fn whole(self) -> Whole {
        match self {
            Self::PerDay => Whole::Month,
            Self::PerMonth => Whole::Year,
        }
    }

    const fn per(self) -> Per {
        match self {
            Self::PerDay => Per::Day,
            Self::PerMonth => Per::Month,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::PerDay => "perday",
            Self::PerMonth => "permonth",
        }
    }

    pub fn want(self, plant: &Plant, of: Vec<Series>, start: Date) -> Want {
        energy(plant, of, start, self.whole().end(start), self.per())
    }

    pub fn starts(self, start: Date) -> Vec<Date> {
        let end = self.whole().end(start);
        let next = match self {
            Self::PerDay => time::next_day,
            Self::PerMonth => time::next_month,
        };
        starts(start, end, next)
    }
}

fn starts(start: Date, end: Date, next: fn(Date) -> Date) -> Vec<Date> {
    let mut all = vec![start];
    while let Some(day) = all.last().map(|last| next(*last)).filter(|day| *day < end) {
        all.push(day);
    }
    all
}

/// Every period, also those of which nothing is known.
pub fn points(starts: &[Date], energies: &[Option<WattHours>]) -> Vec<Value> {
    let point = |(nth, start): (usize, &Date)| {
        let energy = energies.get(nth).copied().flatten().unwrap_or_default();
        json!({"val": number::kwh(energy), "ts": time::day_text(*start)})
    };
    starts.iter().enumerate().map(point).collect()
}

/// The days that a client chose instead of a month.
fn custom_days(params: Params<'_>, today: Date) -> Result<Option<(Date, Date)>, Refusal> {
    let is_custom = params.opt_bool("customizePeriod")?.unwrap_or(false);
    if !is_custom || params.opt("date").is_some() {
        return Ok(None);
    }
    for name in ["startDate", "endDate"] {
        params.text(name)?;
    }
    let start = params.day("startDate", today)?;
    let end = time::next_day(params.day("endDate", today)?);
    let days = start.until(end).map_or(0, |span| span.get_days());
    if !(1..=366).contains(&days) {
        return Err(Refusal::format("endDate"));
    }
    Ok(Some((start, end)))
}

pub fn wants_plant_per_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let plant = plant(params, scene)?;
    let today = today(scene, plant);
    let of = produced(scene, plant);
    Ok(vec![match custom_days(params, today)? {
        Some((from, to)) => energy(plant, of, from, to, Per::Day),
        None => Buckets::PerDay.want(plant, of, params.month("date", today)?),
    }])
}

pub fn of_plant_per_day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let today = today(scene, plant(params, scene)?);
    let energies = got.energy()?;
    let custom = custom_days(params, today)?;
    let starts = match custom {
        Some((from, to)) => starts(from, to, time::next_day),
        None => Buckets::PerDay.starts(params.month("date", today)?),
    };
    let total: WattHours = energies.iter().flatten().copied().sum();
    let total = if custom.is_some() { total.0 } else { 0 };
    Ok(Some(json!({
        "perday": points(&starts, &energies),
        "energyTotal": number::float(total, 3),
    })))
}

pub fn wants_plant_per_month(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let plant = plant(params, scene)?;
    let start = params.year("date", today(scene, plant))?;
    Ok(vec![Buckets::PerMonth.want(plant, produced(scene, plant), start)])
}

pub fn of_plant_per_month(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let start = params.year("date", today(scene, plant(params, scene)?))?;
    let starts = Buckets::PerMonth.starts(start);
    Ok(Some(json!({ "permonth": points(&starts, &got.energy()?) })))
}

fn wants_device_series(params: Params<'_>, scene: &Scene<'_>, series: Buckets) -> Result<Vec<Want>, Refusal> {
    let (device, plant) = device(params, scene)?;
    let start = series.whole().read(params, today(scene, plant))?;
    Ok(vec![series.want(plant, counter(device), start)])
}

fn of_device_series(
    params: Params<'_>,
    scene: &Scene<'_>,
    got: &mut Fetched,
    series: Buckets,
) -> Result<Dat, Refusal> {
    let (_, plant) = device(params, scene)?;
    let start = series.whole().read(params, today(scene, plant))?;
    let energies = got.energy()?;
    if energies.iter().all(Option::is_none) {
        return Err(Code::NoRecord.into());
    }
    let mut dat = json!({});
    dat[series.name()] = points(&series.starts(start), &energies).into();
    Ok(Some(dat))
}

pub fn wants_device_per_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    wants_device_series(params, scene, Buckets::PerDay)
}

pub fn of_device_per_day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    of_device_series(params, scene, got, Buckets::PerDay)
}

pub fn wants_device_per_month(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    wants_device_series(params, scene, Buckets::PerMonth)
}

pub fn of_device_per_month(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    of_device_series(params, scene, got, Buckets::PerMonth)
}

/// Until this year, from the first in which there is something.
pub fn years(plant: &Plant, scene: &Scene<'_>, of: Vec<Series>) -> Want {
    Want::Years {
        of,
        zone: plant.zone.clone(),
        to: time::next_day(today(scene, plant)),
    }
}

pub fn year_text(year: i16) -> String {
    Date::new(year, 1, 1).map_or_else(|_| String::new(), time::day_text)
}

fn peryear(years: Vec<(i16, WattHours)>) -> Dat {
    let point = |(year, energy)| json!({"val": number::kwh(energy), "ts": year_text(year)});
    let points: Vec<Value> = years.into_iter().map(point).collect();
    Some(json!({ "peryear": points }))
}

pub fn wants_plant_per_year(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let plant = plant(params, scene)?;
    Ok(vec![years(plant, scene, produced(scene, plant))])
}

/// This year is always there.
pub fn of_plant_per_year(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let this = today(scene, plant(params, scene)?).year();
    let mut years = got.years()?;
    if years.is_empty() {
        years.push((this, WattHours::ZERO));
    }
    Ok(peryear(years))
}

pub fn wants_device_per_year(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let (device, plant) = device(params, scene)?;
    Ok(vec![years(plant, scene, counter(device))])
}

pub fn of_device_per_year(_: Params<'_>, _: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let years = got.years()?;
    if years.is_empty() {
        return Err(Code::NoRecord.into());
    }
    Ok(peryear(years))
}

/// Today, where the first of all plants is.
pub fn first_today(scene: &Scene<'_>) -> Result<Date, Refusal> {
    let first = scene.plants.first().ok_or(Code::NoPlant)?;
    Ok(today(scene, first))
}

fn wants_plants_series(params: Params<'_>, scene: &Scene<'_>, series: Buckets) -> Result<Vec<Want>, Refusal> {
    let start = series.whole().read(params, first_today(scene)?)?;
    let want = |plant: &Plant| series.want(plant, produced(scene, plant), start);
    Ok(scene.plants.iter().map(want).collect())
}

/// Sums by period over everything that was fetched.
pub fn summed(wants: usize, got: &mut Fetched) -> Result<Vec<Option<WattHours>>, Refusal> {
    let mut sums: Vec<Option<WattHours>> = Vec::new();
    for _ in 0..wants {
        let energies = got.energy()?;
        sums.resize(sums.len().max(energies.len()), None);
        for (sum, energy) in sums.iter_mut().zip(energies) {
            if let Some(energy) = energy {
                *sum = Some(sum.unwrap_or_default() + energy);
            }
        }
    }
    Ok(sums)
}

fn of_plants_series(
    params: Params<'_>,
    scene: &Scene<'_>,
    got: &mut Fetched,
    series: Buckets,
) -> Result<Dat, Refusal> {
    let start = series.whole().read(params, first_today(scene)?)?;
    let sums = summed(scene.plants.len(), got)?;
    let mut dat = json!({});
    dat[series.name()] = points(&series.starts(start), &sums).into();
    Ok(Some(dat))
}

pub fn wants_plants_per_day(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    wants_plants_series(params, scene, Buckets::PerDay)
}

pub fn of_plants_per_day(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    of_plants_series(params, scene, got, Buckets::PerDay)
}

pub fn wants_plants_per_month(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    wants_plants_series(params, scene, Buckets::PerMonth)
}

pub fn of_plants_per_month(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    of_plants_series(params, scene, got, Buckets::PerMonth)
}

pub fn wants_plants_per_year(_: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    first_today(scene)?;
    let want = |plant: &Plant| years(plant, scene, produced(scene, plant));
    Ok(scene.plants.iter().map(want).collect())
}

/// Sums by year, in order.
pub fn summed_years(wants: usize, got: &mut Fetched) -> Result<Vec<(i16, WattHours)>, Refusal> {
    let mut sums = std::collections::BTreeMap::new();
    for _ in 0..wants {
        for (year, energy) in got.years()? {
            *sums.entry(year).or_insert(WattHours::ZERO) += energy;
        }
    }
    Ok(sums.into_iter().collect())
}

pub fn of_plants_per_year(_: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let years = summed_years(scene.plants.len(), got)?;
    if years.is_empty() {
        return Err(Code::NoRecord.into());
    }
    Ok(peryear(years))
}
