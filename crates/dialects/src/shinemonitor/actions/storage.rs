//! Storage as its apps show it: the battery, and what flows in the plant around it.

use model::reading::Quantity;
use model::units::Watts;
use serde_json::{Value, json};

use super::super::error::{Code, Refusal};
use super::super::number;
use super::super::params::Params;
use super::super::scene::{Device, DeviceType, Plant, Scene};
use super::super::time;
use super::super::titles::{self, Lang};
use super::super::want::{Fetched, Want};
use super::super::wire::Dat;
use super::energy::{self, Whole, today};

/// Those a client wants to see: storage, unless it names another type.
fn found<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<Vec<&'s Device>, Refusal> {
    let pid = params.opt_int("pid")?;
    let kind = params.opt_int("devtype")?.unwrap_or(DeviceType::Battery.number());
    let status = params.opt_int("status")?;
    let pn = params.opt("pn");
    let search = params.opt("search").unwrap_or_default().to_lowercase();
    let has = |device: &&Device| {
        [&device.alias, &device.name.sn, &device.name.pn]
            .iter()
            .any(|text| text.to_lowercase().contains(&search))
    };
    let found: Vec<&Device> = scene
        .devices
        .iter()
        .filter(|device| pid.is_none_or(|pid| device.pid == pid))
        .filter(|device| device.kind.number() == kind)
        .filter(|device| status.is_none_or(|status| device.status() == status))
        .filter(|device| pn.as_ref().is_none_or(|pn| device.name.pn == *pn))
        .filter(has)
        .collect();
    if found.is_empty() {
        return Err(Code::NoDevice.into());
    }
    Ok(found)
}

pub fn wants_list(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let mut wants = Vec::new();
    for device in params.page(50).of(&found(params, scene)?) {
        let plant = scene.plant_of(device.pid)?;
        let of = vec![device.series(device.kind.counter())];
        wants.push(energy::of_whole(plant, of, Whole::Day, today(scene, plant)));
        wants.extend(energy::wants_totals(&[device]));
    }
    Ok(wants)
}

pub fn list(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let found = found(params, scene)?;
    let page = params.page(50);
    let mut shown = Vec::new();
    for device in page.of(&found) {
        let plant = scene.plant_of(device.pid)?;
        let today = energy::single(got)?.unwrap_or_default();
        let total = energy::totals(&[device], got)?.unwrap_or_default();
        shown.push(json!({
            "pn": device.name.pn,
            "devcode": device.name.devcode,
            "devaddr": device.name.devaddr,
            "sn": device.name.sn,
            "devalias": device.alias,
            "devName": device.alias,
            "status": device.status(),
            "brand": 0,
            "uid": plant.owner,
            "usr": plant.owner_name,
            "pid": device.pid,
            "devicePicture": "",
            "outpower": number::kw(device.power().unwrap_or_default()),
            "energyToday": number::kwh(today),
            "energyTotal": number::kwh(total),
        }));
    }
    Ok(Some(json!({
        "total": found.len(),
        "page": page.page,
        "pagesize": page.size,
        "device": shown,
    })))
}

/// A device that has been heard, and its plant.
fn heard<'s>(params: Params<'_>, scene: &Scene<'s>) -> Result<(&'s Device, &'s Plant, String), Refusal> {
    let device = scene.device(&params.device()?)?;
    let plant = scene.plant_of(device.pid)?;
    let at = device.last_seen.ok_or(Code::NoRecord)?;
    Ok((device, plant, time::text(at, &plant.zone)))
}

/// The flows of a plant: production, load and import are positive, and so is a battery that charges.
struct Flows {
    pv: Watts,
    grid: Watts,
    battery: Watts,
    load: Watts,
}

impl Flows {
    fn of(plant: &Plant) -> Self {
        let flow = &plant.flow;
        Self {
            pv: (-flow.pv.unwrap_or_default()).at_least_zero(),
            grid: flow.grid.unwrap_or_default(),
            battery: flow.battery.unwrap_or_default(),
            load: flow.house.unwrap_or_default() + flow.evses,
        }
    }
}

/// A field that its definition reads, or zero.
fn read(device: &Device, key: &str) -> String {
    let fields = device.fields.iter().flat_map(|fields| fields.iter());
    let found = fields
        .filter(|field| field.key == key)
        .map(|field| field.val.clone())
        .next();
    found.unwrap_or_else(|| "0".to_owned())
}

/// Strict clients read whole numbers of these widths, and stop at what is larger.
fn whole(value: i64, most: i64) -> String {
    value.clamp(-most, most).to_string()
}

fn percent(part: Watts, of: Option<Watts>) -> String {
    let share = part.0.saturating_mul(100).checked_div(of.unwrap_or_default().0);
    share.unwrap_or(0).clamp(0, 100).to_string()
}

fn grouped(rows: Vec<(&'static str, String, &'static str)>, lang: Lang) -> Vec<Value> {
    let row = |(id, val, unit): (&'static str, String, &'static str)| {
        let mut row = json!({"id": id, "par": titles::title(id, lang).unwrap_or(id), "val": val});
        if !unit.is_empty() {
            row["unit"] = unit.into();
        }
        row
    };
    rows.into_iter().map(row).collect()
}

/// One client stops when one of these is missing: what is not known is zero.
pub fn last_data(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let (device, plant, gts) = heard(params, scene)?;
    let lang = params.lang();
    let flows = Flows::of(plant);
    let zero = || "0".to_owned();
    let unknown = || "-".to_owned();
    let meter = scene.grid_meter(plant.pid);
    let of_meter = |quantity, decimals| {
        let values = meter.into_iter().flat_map(|meter| meter.measured.values());
        let value = values
            .filter(|value| value.0 == quantity)
            .map(|value| value.1)
            .next();
        value.map_or_else(zero, |value| number::plain(value, decimals))
    };
    let voltage = || of_meter(Quantity::VoltageL1, 3);
    let frequency = || of_meter(Quantity::Frequency, 3);
    let nominal = || number::plain(plant.nominal_voltage.0, 3);
    let rated = || whole(device.rated.unwrap_or_default().0, i64::from(i32::MAX));
    let load = || whole(flows.load.0, i64::from(i32::MAX));
    let soc = device.measured.soc.map_or(0, |soc| soc.0 / 10);
    let current: String = read(device, "battery_current");
    let (charging, discharging) = match current.strip_prefix('-') {
        Some(out) => (zero(), out.to_owned()),
        None => (current, zero()),
    };
    let gd = vec![
        ("gd_grid_rating_voltage", nominal(), "V"),
        ("gd_grid_rating_current", zero(), "A"),
        ("gd_battery_rating_voltage", zero(), "V"),
        ("gd_bse_input_voltage_read", nominal(), "V"),
        ("gd_ac_output_rating_current", zero(), "A"),
        ("gd_bse_output_frequency_read", zero(), "Hz"),
        ("gd_ac_output_rating_apparent_power", rated(), "VA"),
        ("gd_ac_output_rating_active_power", rated(), "W"),
    ];
    let sy = vec![
        ("sy_model", device.identity.clone().unwrap_or_else(unknown), ""),
        ("sy_main_cpu1_firmware_version", unknown(), ""),
        ("sy_main_cpu2_firmware_version", unknown(), ""),
    ];
    let pv = vec![
        ("pv_input_current", zero(), "A"),
        ("pv_output_power", flows.pv.0.to_string(), "W"),
    ];
    let bt = vec![
        ("bt_grid_voltage", voltage(), "V"),
        ("bt_grid_frequency", frequency(), "Hz"),
        ("bt_voltage_1", read(device, "pv1_voltage"), "V"),
        ("bt_input_power", whole(flows.pv.0, i64::from(i16::MAX)), "W"),
        ("bt_battery_voltage", read(device, "battery_voltage"), "V"),
        ("bt_battery_capacity", soc.clamp(0, 100).to_string(), "%"),
        ("bt_battery_charging_current", charging, "A"),
        ("bt_battery_discharge_current", discharging, "A"),
        ("bt_ac_output_voltage", voltage(), "V"),
        ("bt_grid_AC_frequency", frequency(), "Hz"),
        ("bt_ac_output_apparent_power", load(), "VA"),
        ("bt_load_active_power_sole", load(), "W"),
        ("bt_output_load_percent", percent(flows.load, device.rated), "%"),
    ];
    let bc = vec![("bc_load_active_power", flows.load.0.to_string(), "W")];
    Ok(Some(json!({
        "gts": gts,
        "pars": {
            "gd_": grouped(gd, lang),
            "sy_": grouped(sy, lang),
            "pv_": grouped(pv, lang),
            "bt_": grouped(bt, lang),
            "bc_": grouped(bc, lang),
        },
    })))
}

fn soc_text(device: &Device) -> Option<String> {
    let soc = device.measured.soc?;
    Some(number::decimal(i128::from(soc.0) * 1_000, 4))
}

pub fn wants_pars(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let (device, plant, _) = heard(params, scene)?;
    let of = vec![device.series(device.kind.counter())];
    let mut wants = vec![energy::of_whole(plant, of, Whole::Day, today(scene, plant))];
    wants.extend(energy::wants_totals(&[device]));
    Ok(wants)
}

pub fn pars(params: Params<'_>, scene: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    let (device, plant, _) = heard(params, scene)?;
    let lang = params.lang();
    let flows = Flows::of(plant);
    let mut rows = vec![
        ("pv_output_power", number::kw(flows.pv), "kW"),
        ("grid_active_power", number::kw(flows.grid), "kW"),
        ("load_active_power", number::kw(flows.load), "kW"),
        ("battery_active_power", number::kw(flows.battery), "kW"),
    ];
    rows.extend(soc_text(device).map(|soc| ("bt_battery_capacity", soc, "%")));
    let today = energy::single(got)?.unwrap_or_default();
    let total = energy::totals(&[device], got)?.unwrap_or_default();
    rows.push(("energy_today", number::kwh(today), "kWh"));
    rows.push(("energy_total", number::kwh(total), "kWh"));
    let row = |(par, val, unit): (&'static str, String, &'static str)| json!({"par": par, "name": titles::title(par, lang).unwrap_or(par), "val": val, "unit": unit});
    let rows: Vec<Value> = rows.into_iter().map(row).collect();
    Ok(Some(json!({ "parameter": rows })))
}

/// 1 into the bus, −1 out of it.
pub fn energy_flow(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let (device, plant, date) = heard(params, scene)?;
    let flows = Flows::of(plant);
    let flow = |par: &str, power: Watts, into_bus: i64| json!({"par": par, "val": number::kw(power), "unit": "kW", "status": into_bus});
    let mut battery = Vec::new();
    if let Some(soc) = soc_text(device) {
        let status = -flows.battery.0.signum();
        battery.push(json!({"par": "bt_battery_capacity", "val": soc, "unit": "%", "status": status}));
    }
    battery.push(flow(
        "battery_active_power",
        flows.battery,
        -flows.battery.0.signum(),
    ));
    Ok(Some(json!({
        "brand": 0,
        "status": device.status(),
        "date": date,
        "bt_status": battery,
        "pv_status": [flow("pv_output_power", flows.pv, flows.pv.0.signum())],
        "gd_status": [flow("grid_active_power", flows.grid, flows.grid.0.signum())],
        "bc_status": [flow("load_active_power", flows.load, -flows.load.0.signum())],
        "ol_status": [],
        "we_status": [],
        "mi_status": [],
        "mt_status": [],
        "wp_status": [],
    })))
}
