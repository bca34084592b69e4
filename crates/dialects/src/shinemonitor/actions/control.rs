//! Controls: what can be set at a device, and setting it.

use model::control::Order;
use model::intent::Wanted;
use serde_json::{Value, json};

use super::super::error::{Code, Refusal};
use super::super::map;
use super::super::params::Params;
use super::super::scene::{Control, Device, Scene};
use super::super::want::{Deed, Done, Fetched, Want};
use super::super::wire::Dat;
use crate::eybond::is_question;

fn shown(control: &Control, shows_value: bool) -> Value {
    let mut value = json!({"id": control.id, "name": control.title});
    for (name, text) in [("unit", &control.unit), ("hint", &control.hint)] {
        if !text.is_empty() {
            value[name] = text.as_str().into();
        }
    }
    if !control.items.is_empty() {
        let item = |item: &super::super::scene::Item| json!({"key": item.key, "val": item.label});
        value["item"] = control.items.iter().map(item).collect();
    }
    if shows_value {
        value["val"] = control.value.as_deref().unwrap_or(UNREAD).into();
    }
    value
}

/// In place of a value that has not been read yet.
const UNREAD: &str = "--";

fn fields(params: Params<'_>, scene: &Scene<'_>, shows_value: bool) -> Result<Vec<Value>, Refusal> {
    let device = scene.device(&params.device()?)?;
    let controls = map::controls(device, params.lang());
    if controls.is_empty() {
        return Err(Code::NoRecord.into());
    }
    Ok(controls
        .iter()
        .map(|control| shown(control, shows_value))
        .collect())
}

pub fn list(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    Ok(Some(json!({ "field": fields(params, scene, false)? })))
}

pub fn list_with_values(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    Ok(Some(
        json!({"field": fields(params, scene, true)?, "two_tier": false}),
    ))
}

/// A charging station is spoken to through its wish, others through their logger.
fn check_link(device: &Device, scene: &Scene<'_>) -> Result<(), Refusal> {
    if device.charger.is_some() {
        return Ok(());
    }
    if !scene.gateway(&device.name.pn)?.is_online {
        return Err(Code::CollectorOffline.into());
    }
    if device.is_online {
        Ok(())
    } else {
        Err(Code::DeviceOffline.into())
    }
}

pub fn value(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let device = scene.device(&params.device()?)?;
    let id = params.text("id")?;
    let controls = map::controls(device, params.lang());
    let control = controls.iter().find(|control| control.id == id);
    let control = control.ok_or(Code::Unsupported)?;
    check_link(device, scene)?;
    Ok(Some(json!({
        "id": control.id,
        "name": control.title,
        "val": control.value.as_deref().unwrap_or(UNREAD),
    })))
}

pub fn wants_set(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let device = scene.device(&params.device()?)?;
    let (id, value) = (params.text("id")?, params.text("val")?);
    may_control(scene)?;
    let deed = map::deed(device, &id, &value, params.lang())?;
    check_link(device, scene)?;
    Ok(vec![Want::Do(deed)])
}

fn may_control(scene: &Scene<'_>) -> Result<(), Refusal> {
    if scene.caller.may_control {
        Ok(())
    } else {
        Err(Code::NoPermission.into())
    }
}

/// What the device answered, as hexadecimal digits in pairs.
fn answered(got: &mut Fetched) -> Result<Value, Refusal> {
    let bytes = match got.done()? {
        Done::Answered(bytes) => bytes,
        Done::Plain | Done::Session(_) => None,
    };
    let Some(bytes) = bytes else {
        return Ok(Value::Null);
    };
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(pairs.join(" ").into())
}

pub fn set(_: Params<'_>, _: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    Ok(Some(json!({"dat": answered(got)?, "status": 0})))
}

pub fn wants_command(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let device = scene.device(&params.device()?)?;
    let text = params.text("cmd")?.into_owned();
    may_control(scene)?;
    if !device.controls.takes_questions || !is_question(&text) {
        return Err(Code::Unsupported.into());
    }
    check_link(device, scene)?;
    Ok(vec![Want::Do(Deed::Wanted {
        site: device.site.clone(),
        wanted: Wanted::Order {
            device: device.id.clone(),
            order: Order::Question { text },
        },
    })])
}

pub fn command(_: Params<'_>, _: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    Ok(Some(json!({ "dat": answered(got)? })))
}
