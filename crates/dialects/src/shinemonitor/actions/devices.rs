//! Devices: lists and states.

use serde_json::{Value, json};

use super::super::error::{Code, Refusal};
use super::super::params::{DeviceName, Params};
use super::super::scene::{Device, Scene};
use super::super::time;
use super::super::wire::Dat;
use super::paged;

fn value(device: &Device, scene: &Scene<'_>) -> Result<Value, Refusal> {
    let plant = scene.plant_of(device.pid)?;
    Ok(json!({
        "pn": device.name.pn,
        "devcode": device.name.devcode,
        "devaddr": device.name.devaddr,
        "sn": device.name.sn,
        "alias": device.alias,
        "timezone": time::standard_offset(scene.now, &plant.zone),
        "status": device.status(),
        "uid": plant.owner,
        "pid": device.pid,
    }))
}

/// By plant, state and type; an unknown plant is refused.
fn filtered<'s>(
    params: Params<'_>,
    scene: &Scene<'s>,
) -> Result<impl Iterator<Item = &'s Device> + use<'s>, Refusal> {
    let plant = params
        .opt_int("plantid")?
        .map(|pid| scene.plant(pid))
        .transpose()?;
    let pid = plant.map(|plant| plant.pid);
    let status = params.opt_int("status")?;
    let kind = params.opt_int("devtype")?;
    let devices = scene
        .devices
        .iter()
        .filter(move |device| pid.is_none_or(|pid| device.pid == pid));
    Ok(devices
        .filter(move |device| status.is_none_or(|status| device.status() == status))
        .filter(move |device| kind.is_none_or(|kind| device.kind.number() == kind)))
}

pub fn list(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let pn = params.opt("pn");
    let part = params.opt("alias").unwrap_or_default().to_lowercase();
    let found = filtered(params, scene)?
        .filter(|device| pn.as_ref().is_none_or(|pn| device.name.pn == *pn))
        .filter(|device| device.alias.to_lowercase().contains(&part))
        .map(|device| value(device, scene))
        .collect::<Result<Vec<Value>, Refusal>>()?;
    paged(params, "device", 1, &found, Code::NoDevice, Value::clone)
}

pub fn count(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    Ok(Some(json!({ "count": filtered(params, scene)?.count() })))
}

/// An unknown logger is told apart from an unknown device behind a known one; the first wrong one ends it.
fn named<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<Vec<&'s Device>, Refusal> {
    let names = params.devices()?;
    let find = |name: &DeviceName| {
        scene.gateway(&name.pn)?;
        scene.device(name)
    };
    names.iter().map(find).collect()
}

pub fn info(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let found = named(params, scene)?
        .into_iter()
        .map(|device| value(device, scene))
        .collect::<Result<Vec<Value>, Refusal>>()?;
    Ok(Some(json!({ "device": found })))
}

pub fn status(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let found: Vec<Value> = named(params, scene)?
        .into_iter()
        .map(|device| {
            json!({
                "pn": device.name.pn,
                "devcode": device.name.devcode,
                "devaddr": device.name.devaddr,
                "sn": device.name.sn,
                "status": device.status(),
            })
        })
        .collect();
    Ok(Some(json!({ "device": found })))
}
