//! Warnings: the alarms of a site.

use jiff::tz::TimeZone;
use model::alarm::Alarm;
use serde_json::{Value, json};

use super::super::error::{Code, Refusal};
use super::super::map;
use super::super::params::{Params, Span};
use super::super::scene::{Device, Plant, Scene};
use super::super::time;
use super::super::titles;
use super::super::want::{Fetched, Want};
use super::super::wire::Dat;
use super::paged;

/// What a caller wants to see of the alarms.
struct Filter {
    level: Option<i64>,
    handled: Option<bool>,
    span: Option<Span>,
}

impl Filter {
    fn read(params: Params<'_>, zone: &TimeZone) -> Result<Self, Refusal> {
        let level = params.opt_int("level")?;
        if level.is_some_and(|level| !(0..=3).contains(&level)) {
            return Err(Refusal::format("level"));
        }
        Ok(Self {
            level,
            handled: params.opt_bool("handle")?,
            span: params.span(zone)?,
        })
    }

    fn lets(&self, alarm: &Alarm) -> bool {
        self.level.is_none_or(|level| map::level(alarm) == level)
            && self.handled.is_none_or(|handled| is_handled(alarm) == handled)
            && self
                .span
                .is_none_or(|span| (span.start..span.end).contains(&alarm.raised))
    }
}

fn is_handled(alarm: &Alarm) -> bool {
    alarm.cleared.is_some() || alarm.acknowledged.is_some()
}

/// Of whom there are alarms to see.
struct Whose<'s> {
    plants: Vec<&'s Plant>,
    device: Option<&'s Device>,
}

impl<'s> Whose<'s> {
    fn want(&self) -> Want {
        Want::Alarms {
            sites: self.plants.iter().map(|plant| plant.site.clone()).collect(),
        }
    }

    fn plant(&self, alarm: &Alarm) -> Option<&'s Plant> {
        self.plants.iter().copied().find(|plant| plant.site == alarm.site)
    }

    fn has(&self, alarm: &Alarm) -> bool {
        self.plant(alarm).is_some()
            && self
                .device
                .is_none_or(|device| alarm.device.as_ref() == Some(&device.id))
    }

    /// What is left of the alarms, each with its plant and device.
    fn found<'a>(
        &self,
        scene: &Scene<'s>,
        alarms: &'a [Alarm],
        lets: impl Fn(&Alarm, &Plant, Option<&Device>) -> bool,
    ) -> Vec<(&'a Alarm, &'s Plant, Option<&'s Device>)> {
        let mut found = Vec::new();
        for alarm in alarms.iter().filter(|alarm| self.has(alarm)) {
            let Some(plant) = self.plant(alarm) else {
                continue;
            };
            let of_alarm = |device: &&Device| Some(&device.id) == alarm.device.as_ref();
            let device = scene.devices_of(plant.pid).find(of_alarm);
            if lets(alarm, plant, device) {
                found.push((alarm, plant, device));
            }
        }
        found
    }
}

/// Alarms of no device are those of the plant's own gateway.
fn pn_of<'s>(plant: &'s Plant, device: Option<&'s Device>) -> &'s str {
    device.map_or(&plant.pn, |device| &device.name.pn)
}

fn value((alarm, plant, device): &(&Alarm, &Plant, Option<&Device>), params: Params<'_>) -> Value {
    let title = titles::alarm(alarm.code, params.lang());
    json!({
        "id": map::alarm_id(alarm),
        "uid": plant.owner,
        "pid": plant.pid,
        "pn": pn_of(plant, *device),
        "devcode": device.map_or(0, |device| device.name.devcode),
        "devaddr": device.map_or(0, |device| device.name.devaddr),
        "sn": device.map_or("", |device| device.name.sn.as_str()),
        "level": map::level(alarm),
        "code": alarm.code.name(),
        "desc": title,
        "handle": is_handled(alarm),
        "gts": time::text(alarm.raised, &plant.zone),
        "title": title,
        "status": i64::from(alarm.cleared.is_none()),
    })
}

fn of_plant<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<(Whose<'s>, Filter), Refusal> {
    let plant = scene.plant(params.int("plantid")?)?;
    let whose = Whose {
        plants: vec![plant],
        device: None,
    };
    Ok((whose, Filter::read(params, &plant.zone)?))
}

fn of_device<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<(Whose<'s>, Filter), Refusal> {
    let device = scene.device(&params.device()?)?;
    let plant = scene.plant_of(device.pid)?;
    let whose = Whose {
        plants: vec![plant],
        device: Some(device),
    };
    Ok((whose, Filter::read(params, &plant.zone)?))
}

/// All plants of the account, or one of them.
fn of_account<'s>(
    params: Params<'_>,
    scene: &Scene<'s>,
    zone: impl FnOnce(Option<&Plant>) -> TimeZone,
) -> Result<(Whose<'s>, Filter), Refusal> {
    let plants: Vec<&Plant> = match params.opt_int("plantid")? {
        Some(pid) => vec![scene.plant(pid)?],
        None => scene.plants.iter().collect(),
    };
    let zone = zone(plants.first().copied());
    let whose = Whose { plants, device: None };
    Ok((whose, Filter::read(params, &zone)?))
}

/// These dates are in UTC, unlike all others.
fn of_all<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<(Whose<'s>, Filter), Refusal> {
    let plants = of_account(params, scene, |_| TimeZone::UTC)?;
    if scene.plants.is_empty() {
        return Err(Code::NoPlant.into());
    }
    Ok(plants)
}

fn of_web<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<(Whose<'s>, Filter), Refusal> {
    of_account(params, scene, |plant| {
        plant.map_or(TimeZone::UTC, |plant| plant.zone.clone())
    })
}

pub fn wants_plant(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    Ok(vec![of_plant(params, scene)?.0.want()])
}

pub fn wants_device(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    Ok(vec![of_device(params, scene)?.0.want()])
}

pub fn wants_all(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    Ok(vec![of_all(params, scene)?.0.want()])
}

pub fn wants_web(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    Ok(vec![of_web(params, scene)?.0.want()])
}

fn page(
    params: Params<'_>,
    default_size: usize,
    found: &[(&Alarm, &Plant, Option<&Device>)],
) -> Result<Dat, Refusal> {
    paged(params, "warning", default_size, found, Code::NoWarning, |found| {
        value(found, params)
    })
}

pub fn plant(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (whose, filter) = of_plant(params, scene)?;
    let alarms = got.alarms()?;
    let found = whose.found(scene, &alarms, |alarm, _, _| filter.lets(alarm));
    page(params, 1, &found)
}

pub fn device(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (whose, filter) = of_device(params, scene)?;
    let alarms = got.alarms()?;
    let found = whose.found(scene, &alarms, |alarm, _, _| filter.lets(alarm));
    page(params, 1, &found)
}

pub fn all(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (whose, filter) = of_all(params, scene)?;
    let kind = params.opt_int("devtype")?;
    let search = params.opt("search").unwrap_or_default().to_lowercase();
    let part = |name| params.opt(name).unwrap_or_default().to_lowercase();
    let places = ["province", "city", "county", "town"].map(part);
    let pname = part("pname");
    let is_in = |text: &str, part: &str| text.to_lowercase().contains(part);
    let alarms = got.alarms()?;
    let found = whose.found(scene, &alarms, |alarm, plant, device| {
        let address = &plant.sheet.address;
        let there = [&address.province, &address.city, &address.county, &address.town];
        let sn = device.map_or("", |device| device.name.sn.as_str());
        let alias = device.map_or("", |device| device.alias.as_str());
        filter.lets(alarm)
            && kind.is_none_or(|kind| device.is_some_and(|device| device.kind.number() == kind))
            && is_in(&plant.name, &pname)
            && there.iter().zip(&places).all(|(there, part)| is_in(there, part))
            && (is_in(sn, &search) || is_in(alias, &search) || is_in(&plant.name, &search))
    });
    page(params, 1, &found)
}

pub fn web(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (whose, filter) = of_web(params, scene)?;
    let pn = params.opt("pn");
    let alarms = got.alarms()?;
    let found = whose.found(scene, &alarms, |alarm, _, device| {
        let is_behind = |pn: &str| device.is_some_and(|device| device.name.pn == pn);
        filter.lets(alarm) && pn.as_deref().is_none_or(is_behind)
    });
    page(params, 50, &found)
}

fn count(whose: &Whose<'_>, filter: &Filter, scene: &Scene<'_>, alarms: &[Alarm]) -> Dat {
    let found = whose.found(scene, alarms, |alarm, _, _| filter.lets(alarm));
    Some(json!({ "count": found.len() }))
}

pub fn plant_count(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (whose, filter) = of_plant(params, scene)?;
    Ok(count(&whose, &filter, scene, &got.alarms()?))
}

pub fn device_count(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (whose, filter) = of_device(params, scene)?;
    Ok(count(&whose, &filter, scene, &got.alarms()?))
}
