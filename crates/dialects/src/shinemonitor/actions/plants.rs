//! Plants.

use std::cmp::Reverse;

use model::money::PerKwh;
use model::plant::PlantSheet;
use model::site::Position;
use model::units::{WattHours, Watts};
use serde_json::{Map, Value, json};

use super::super::error::{Code, Refusal};
use super::super::number;
use super::super::params::Params;
use super::super::scene::{Plant, Prices, Role, Scene, Sheet};
use super::super::time;
use super::super::want::{Deed, Want};
use super::super::wire::Dat;
use super::paged;

/// A plant as most actions show it. Strict clients want every member.
pub fn value(plant: &Plant, scene: &Scene<'_>) -> Value {
    let sheet = &plant.sheet;
    json!({
        "pid": plant.pid,
        "uid": plant.owner,
        "name": plant.name,
        "status": plant.status(scene),
        "energyOffset": number::float(sheet.offset.0, 3),
        "address": address(plant, scene),
        "profit": profit(sheet),
        "nominalPower": number::kw(plant.nominal(scene)),
        "energyYearEstimate": number::kwh(sheet.year_estimate),
        "designCompany": sheet.design_company,
        "picBig": sheet.picture,
        "picSmall": sheet.thumbnail,
        "install": install(plant),
        "gts": time::text(plant.created, &plant.zone),
        "flag": true,
    })
}

pub fn install(plant: &Plant) -> String {
    time::text(plant.sheet.installed.unwrap_or(plant.created), &plant.zone)
}

pub fn address(plant: &Plant, scene: &Scene<'_>) -> Value {
    let address = &plant.sheet.address;
    let degrees = |pick: fn(Position) -> i64| number::decimal(plant.position.map_or(0, pick).into(), 6);
    json!({
        "country": address.country,
        "province": address.province,
        "city": address.city,
        "county": address.county,
        "town": address.town,
        "village": address.village,
        "address": address.street,
        "lon": degrees(|position| position.longitude_udeg),
        "lat": degrees(|position| position.latitude_udeg),
        "timezone": time::standard_offset(scene.now, &plant.zone),
    })
}

pub fn profit(sheet: &Sheet) -> Value {
    let factor = |grams: i64| number::decimal(grams.into(), 3);
    let price = |price: PerKwh| number::float(price.0, 6);
    let prices = &sheet.prices;
    json!({
        "unitProfit": prices.unit.to_text(),
        "currency": sheet.currency.symbol,
        "currencyCountry": sheet.currency.code,
        "coal": factor(sheet.coal),
        "co2": factor(sheet.co2),
        "so2": factor(sheet.so2),
        "soldProfit": price(prices.sold),
        "selfProfit": price(prices.own_use),
        "purchProfit": price(prices.bought),
        "consProfit": price(prices.consumed),
        "feedProfit": price(prices.fed_in),
    })
}

pub fn list(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let status = params.opt_int("status")?;
    let part = params.opt("plantName").unwrap_or_default().to_lowercase();
    let mut plants: Vec<&Plant> = scene
        .plants
        .iter()
        .filter(|plant| status.is_none_or(|status| plant.status(scene) == status))
        .filter(|plant| plant.name.to_lowercase().contains(&part))
        .collect();
    let installed = |plant: &&Plant| plant.sheet.installed.unwrap_or(plant.created);
    match params.opt("orderBy").as_deref() {
        None | Some("ascPlantName") => plants.sort_by_key(|plant| plant.name.clone()),
        Some("descPlantName") => plants.sort_by_key(|plant| Reverse(plant.name.clone())),
        Some("ascInstall") => plants.sort_by_key(installed),
        Some("descInstall") => plants.sort_by_key(|plant| Reverse(installed(plant))),
        Some("ascStatus") => plants.sort_by_key(|plant| plant.status(scene)),
        Some("descStatus") => plants.sort_by_key(|plant| Reverse(plant.status(scene))),
        Some(_) => return Err(Refusal::format("orderBy")),
    }
    paged(params, "plant", 1, &plants, Code::NoPlant, |plant| {
        value(plant, scene)
    })
}

pub fn info(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let plant = scene.plant(params.int("plantid")?)?;
    Ok(Some(value(plant, scene)))
}

pub fn count(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let status = params.opt_int("status")?;
    let fits = |plant: &&Plant| status.is_none_or(|status| plant.status(scene) == status);
    match scene.plants.iter().filter(fits).count() {
        0 => Err(Code::NoPlant.into()),
        count => Ok(Some(json!({ "count": count }))),
    }
}

/// A strict client keeps the three numbers in a byte; live they are all zero.
pub fn short_list(_: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    if scene.plants.is_empty() {
        return Err(Code::NoPlant.into());
    }
    let info = scene.plants.iter().map(|plant| {
        json!({
            "uid": plant.owner,
            "usr": plant.owner_name,
            "pid": plant.pid,
            "pname": plant.name,
            "status": plant.status(scene),
        })
    });
    let info: Vec<Value> = info.collect();
    Ok(Some(json!({"total": 0, "page": 0, "pagesize": 0, "info": info})))
}

pub fn device_status(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let (plant, mut dat) = tree(params, scene, true)?;
    let mut whole = Map::new();
    whole.insert("status".to_owned(), plant.status(scene).into());
    whole.append(&mut dat);
    Ok(Some(whole.into()))
}

pub fn device_view(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let (_, dat) = tree(params, scene, false)?;
    Ok(Some(dat.into()))
}

/// The gateways of a plant with their devices.
fn tree<'s>(
    params: Params<'_>,
    scene: &Scene<'s>,
    shows_freshness: bool,
) -> Result<(&'s Plant, Map<String, Value>), Refusal> {
    let plant = scene.plant(params.int("plantid")?)?;
    let pn = params.opt("pn");
    if let Some(pn) = &pn {
        let gateway = scene.gateway(pn)?;
        if gateway.pid != plant.pid {
            return Err(Code::NoCollector.into());
        }
    }
    let gateways = scene
        .gateways_of(plant.pid)
        .filter(|gateway| pn.as_ref().is_none_or(|pn| gateway.pn == *pn));
    let collectors: Vec<Value> = gateways
        .map(|gateway| {
            let devices: Vec<Value> = scene
                .devices_behind(&gateway.pn)
                .map(|device| {
                    let mut value = json!({
                        "devcode": device.name.devcode,
                        "devaddr": device.name.devaddr,
                        "sn": device.name.sn,
                        "alias": device.alias,
                        "status": device.status(),
                    });
                    if shows_freshness {
                        value["comStatus"] = i64::from(device.is_fresh).into();
                    }
                    value
                })
                .collect();
            json!({
                "pn": gateway.pn,
                "alias": gateway.alias,
                "status": gateway.status(),
                "device": devices,
            })
        })
        .collect();
    let mut dat = Map::new();
    dat.insert("collector".to_owned(), collectors.into());
    Ok((plant, dat))
}

/// Only what is passed is changed.
pub fn wants_edit(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let plant = scene.plant(params.int("plantid")?)?;
    if !scene.caller.may_edit {
        return Err(Code::NoPermission.into());
    }
    let text = |target: &mut String, name: &str| {
        // An empty text takes the old one away.
        if params.raw(name).is_some() {
            *target = params.opt(name).unwrap_or_default().into_owned();
        }
    };
    let decimal = |name: &str, decimals: u32| -> Result<Option<i64>, Refusal> {
        let read = |text: std::borrow::Cow<'_, str>| {
            number::read_decimal(&text, decimals).ok_or_else(|| Refusal::format(name))
        };
        params.opt(name).map(read).transpose()
    };
    let mut name: Option<String> = None;
    if params.raw("name").is_some() {
        text(name.get_or_insert_default(), "name");
    }

    let mut sheet = plant.sheet.clone();
    let address = &mut sheet.address;
    for (target, name) in [
        (&mut address.country, "address.country"),
        (&mut address.province, "address.province"),
        (&mut address.city, "address.city"),
        (&mut address.county, "address.county"),
        (&mut address.town, "address.town"),
        (&mut address.village, "address.village"),
        (&mut address.street, "address.address"),
        (&mut sheet.currency.symbol, "profit.currency"),
        (&mut sheet.currency.code, "profit.currencyCountry"),
        (&mut sheet.design_company, "designCompany"),
        (&mut sheet.picture, "picBig"),
        (&mut sheet.thumbnail, "picSmall"),
    ] {
        text(target, name);
    }
    for (target, name) in [
        (&mut sheet.coal, "profit.coal"),
        (&mut sheet.co2, "profit.co2"),
        (&mut sheet.so2, "profit.so2"),
    ] {
        *target = decimal(name, 3)?.unwrap_or(*target);
    }
    let Prices {
        unit,
        sold,
        own_use,
        bought,
        consumed,
        fed_in,
    } = &mut sheet.prices;
    for (target, name) in [
        (unit, "profit.unitProfit"),
        (sold, "profit.soldProfit"),
        (own_use, "profit.selfProfit"),
        (bought, "profit.purchProfit"),
        (consumed, "profit.consProfit"),
        (fed_in, "profit.feedProfit"),
    ] {
        *target = decimal(name, 6)?.map_or(*target, PerKwh);
    }
    sheet.nominal = decimal("nominalPower", 3)?.map(Watts).or(sheet.nominal);
    if let Some(energy) = decimal("energyYearEstimate", 3)? {
        sheet.year_estimate = WattHours(energy);
    }
    if let Some(text) = params.opt("install") {
        let at = time::read_moment(&text, &plant.zone).ok_or_else(|| Refusal::format("install"))?;
        sheet.installed = Some(at);
    }
    // Zones have names here and follow their own rules: it can be repeated, not changed.
    let offset = params.opt_int("address.timezone")?;
    if offset.is_some_and(|offset| offset != time::standard_offset(scene.now, &plant.zone)) {
        return Err(Refusal::format("address.timezone"));
    }
    let edited = PlantSheet {
        site: plant.site.clone(),
        created: plant.created,
        name,
        position: position(params, plant)?,
        sheet,
    };
    for problem in edited.problems() {
        let passed = EDITED.iter().find(|(place, _)| *place == problem.place);
        if let Some((_, name)) = passed.filter(|(_, name)| params.raw(name).is_some()) {
            return Err(Refusal::format(name));
        }
    }
    let PlantSheet {
        name,
        position,
        sheet,
        ..
    } = edited;
    Ok(vec![Want::Do(Deed::EditPlant {
        pid: plant.pid,
        name,
        position,
        sheet: Box::new(sheet),
    })])
}

/// Plants are the sites of the installation, which its owner describes in a file. So whoever asks rightly is told that this
/// cannot be done here, and everybody else what is wrong.
pub fn add(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let name = params.text("name")?;
    if name.trim().is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Refusal::format("name"));
    }
    let offset = params.int("address.timezone")?;
    if offset.unsigned_abs() > FARTHEST_ZONE {
        return Err(Refusal::format("address.timezone"));
    }
    let may = scene.caller.may_edit && scene.caller.role == Role::Owner;
    Err(if may {
        Code::Unsupported
    } else {
        Code::NoPermission
    }
    .into())
}

/// Of a plant, in characters.
const LONGEST_NAME: usize = 64;
/// Seconds ahead of UTC, or behind it.
const FARTHEST_ZONE: u64 = 64_800;

/// What the parts of a sheet are called in the model and by those who edit them here.
const EDITED: [(&str, &str); 27] = [
    ("name", "name"),
    ("position.latitude_udeg", "address.lat"),
    ("position.longitude_udeg", "address.lon"),
    ("address.country", "address.country"),
    ("address.province", "address.province"),
    ("address.city", "address.city"),
    ("address.county", "address.county"),
    ("address.town", "address.town"),
    ("address.village", "address.village"),
    ("address.street", "address.address"),
    ("installed_ms", "install"),
    ("nominal_w", "nominalPower"),
    ("year_estimate_wh", "energyYearEstimate"),
    ("coal_g_per_kwh", "profit.coal"),
    ("co2_g_per_kwh", "profit.co2"),
    ("so2_g_per_kwh", "profit.so2"),
    ("prices.unit_micros", "profit.unitProfit"),
    ("prices.sold_micros", "profit.soldProfit"),
    ("prices.own_use_micros", "profit.selfProfit"),
    ("prices.bought_micros", "profit.purchProfit"),
    ("prices.consumed_micros", "profit.consProfit"),
    ("prices.fed_in_micros", "profit.feedProfit"),
    ("currency.symbol", "profit.currency"),
    ("currency.code", "profit.currencyCountry"),
    ("design_company", "designCompany"),
    ("picture", "picBig"),
    ("thumbnail", "picSmall"),
];

/// `None`: it stays where it is.
fn position(params: Params<'_>, plant: &Plant) -> Result<Option<Position>, Refusal> {
    let degrees = |name: &str| -> Result<Option<i64>, Refusal> {
        let read = |text: std::borrow::Cow<'_, str>| {
            number::read_decimal(&text, 6).ok_or_else(|| Refusal::format(name))
        };
        params.opt(name).map(read).transpose()
    };
    let latitude = degrees("address.lat")?;
    let longitude = degrees("address.lon")?;
    if latitude.is_none() && longitude.is_none() {
        return Ok(None);
    }
    let old = plant.position;
    let missing = |name: &'static str| move || Refusal::format(name);
    Ok(Some(Position {
        latitude_udeg: latitude
            .or(old.map(|old| old.latitude_udeg))
            .ok_or_else(missing("address.lat"))?,
        longitude_udeg: longitude
            .or(old.map(|old| old.longitude_udeg))
            .ok_or_else(missing("address.lon"))?,
    }))
}
