//! Data loggers, which this dialect calls collectors.

use serde_json::{Value, json};

use super::super::error::{Code, Refusal};
use super::super::params::Params;
use super::super::scene::{Gateway, Scene};
use super::super::time;
use super::super::want::{Deed, Want};
use super::super::wire::Dat;
use super::paged;

fn value(gateway: &Gateway, scene: &Scene<'_>) -> Result<Value, Refusal> {
    let plant = scene.plant_of(gateway.pid)?;
    let mut value = json!({
        "pn": gateway.pn,
        "alias": gateway.alias,
        "datFetch": gateway.period.as_seconds().max(1),
        "timezone": time::standard_offset(scene.now, &plant.zone),
        "load": scene.devices_behind(&gateway.pn).count(),
        "status": gateway.status(),
        "uid": plant.owner,
        "pid": gateway.pid,
    });
    if let Some(kind) = gateway.kind {
        value["type"] = kind.into();
    }
    if let Some(firmware) = &gateway.firmware {
        value["fireware"] = firmware.as_str().into();
    }
    Ok(value)
}

pub fn list(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let status = params.opt_int("status")?;
    let plant = params
        .opt_int("plantid")?
        .map(|pid| scene.plant(pid))
        .transpose()?;
    let part = params.opt("pn").unwrap_or_default();
    let found = of_plant(scene, plant.map(|plant| plant.pid));
    let found = found
        .into_iter()
        .filter(|gateway| status.is_none_or(|status| gateway.status() == status))
        .filter(|gateway| gateway.pn.contains(part.as_ref()))
        .map(|gateway| value(gateway, scene))
        .collect::<Result<Vec<Value>, Refusal>>()?;
    paged(params, "collector", 1, &found, Code::NoCollector, Value::clone)
}

/// Those of a plant, or of all.
fn of_plant<'s>(scene: &Scene<'s>, pid: Option<i64>) -> Vec<&'s Gateway> {
    match pid {
        Some(pid) => scene.gateways_of(pid).collect(),
        None => scene.loggers().collect(),
    }
}

/// The first wrong number ends it.
fn named<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<Vec<&'s Gateway>, Refusal> {
    let numbers = params.list("pn")?;
    numbers.iter().map(|pn| scene.gateway(pn)).collect()
}

pub fn info(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let found = named(params, scene)?.into_iter();
    let found = found
        .map(|gateway| value(gateway, scene))
        .collect::<Result<Vec<Value>, Refusal>>()?;
    Ok(Some(json!({ "collector": found })))
}

pub fn status(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let found = named(params, scene)?.into_iter();
    let found: Vec<Value> = found
        .map(|gateway| json!({"pn": gateway.pn, "status": gateway.status()}))
        .collect();
    Ok(Some(json!({ "collector": found })))
}

pub fn count(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let status = params.opt_int("status")?;
    let fits = |gateway: &&Gateway| status.is_none_or(|status| gateway.status() == status);
    let count = scene.loggers().filter(fits).count();
    Ok(Some(json!({ "count": count })))
}

/// The array has a name of its own here.
pub fn devices(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let gateway = scene.gateway(&params.text("pn")?)?;
    let devices: Vec<Value> = scene
        .devices_behind(&gateway.pn)
        .map(|device| {
            json!({
                "devcode": device.name.devcode,
                "devaddr": device.name.devaddr,
                "sn": device.name.sn,
                "alias": device.alias,
            })
        })
        .collect();
    if devices.is_empty() {
        return Err(Code::NoDevice.into());
    }
    Ok(Some(json!({"pn": gateway.pn, "dev": devices})))
}

/// The one-time code comes as `code`, or as the name that the apps let people type.
pub fn wants_add(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let plant = scene.plant(params.int("plantid")?)?;
    let pn = params.text("pn")?.into_owned();
    if !scene.caller.may_edit {
        return Err(Code::NoPermission.into());
    }
    if scene.gateways_of(plant.pid).any(|gateway| gateway.pn == pn) {
        return Err(Code::CollectorExists.into());
    }
    let code = params.opt("code").or_else(|| params.opt("alias"));
    Ok(vec![Want::Do(Deed::AddLogger {
        pid: plant.pid,
        pn,
        code: code.ok_or(Code::BadPn)?.into_owned(),
    })])
}

pub fn list_es(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let pid = params.opt_int("pid")?;
    let kind = params.opt_int("devtype")?;
    let has_kind = |gateway: &&Gateway| {
        kind.is_none_or(|kind| {
            scene
                .devices_behind(&gateway.pn)
                .any(|device| device.kind.number() == kind)
        })
    };
    let found = of_plant(scene, pid).into_iter();
    let found: Vec<&Gateway> = found.filter(has_kind).collect();
    paged(params, "collector", 50, &found, Code::NoCollector, |gateway| {
        let plant = scene.plants.iter().find(|plant| plant.pid == gateway.pid);
        json!({
            "pn": gateway.pn,
            "alias": gateway.alias,
            "status": gateway.status(),
            "pid": gateway.pid,
            "pname": plant.map_or("", |plant| plant.name.as_str()),
        })
    })
}
