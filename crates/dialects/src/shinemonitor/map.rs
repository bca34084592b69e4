//! Between the model and this dialect's things: fields, controls, alarms.

use model::alarm::{Alarm, AlarmCode, Severity};
use model::control::{Choice, Order, Range};
use model::device::ChargeMode;
use model::id::DeviceId;
use model::intent::Wanted;
use model::phases::Phases;
use model::reading::{PilotState, Quantity};
use model::units::{MilliAmps, WattHours};

use super::error::{Code, Refusal};
use super::number;
use super::scene::{Charger, Control, Device, DeviceType, Item};
use super::sign;
use super::titles::{self, Lang};
use super::want::Deed;

/// A quantity of the model as a column of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub key: &'static str,
    pub unit: &'static str,
    pub quantity: Quantity,
    /// The unit of the quantity is the last of so many decimals.
    decimals: u32,
    /// Shown with the other sign: what a device gives is positive here.
    is_reversed: bool,
}

impl Column {
    const fn new(key: &'static str, unit: &'static str, quantity: Quantity, decimals: u32) -> Self {
        Self {
            key,
            unit,
            quantity,
            decimals,
            is_reversed: false,
        }
    }

    const fn reversed(self) -> Self {
        Self {
            is_reversed: true,
            ..self
        }
    }

    /// As the list of fields shows it.
    #[must_use]
    pub fn text(&self, value: i64) -> String {
        let value = if self.is_reversed {
            value.saturating_neg()
        } else {
            value
        };
        number::plain(value, self.decimals)
    }

    #[must_use]
    pub fn title(&self, lang: Lang) -> &'static str {
        titles::title(self.key, lang).unwrap_or(self.key)
    }
}

const VOLTAGES: [Column; 3] = [
    Column::new("grid_voltage_l1", "V", Quantity::VoltageL1, 3),
    Column::new("grid_voltage_l2", "V", Quantity::VoltageL2, 3),
    Column::new("grid_voltage_l3", "V", Quantity::VoltageL3, 3),
];
const CURRENTS: [Column; 3] = [
    Column::new("grid_current_l1", "A", Quantity::CurrentL1, 3),
    Column::new("grid_current_l2", "A", Quantity::CurrentL2, 3),
    Column::new("grid_current_l3", "A", Quantity::CurrentL3, 3),
];
const POWERS: [Column; 3] = [
    Column::new("grid_power_l1", "W", Quantity::PowerL1, 0),
    Column::new("grid_power_l2", "W", Quantity::PowerL2, 0),
    Column::new("grid_power_l3", "W", Quantity::PowerL3, 0),
];
const FREQUENCY: Column = Column::new("grid_frequency", "Hz", Quantity::Frequency, 3);

const PRODUCING: [Column; 12] = [
    Column::new("output_power", "W", Quantity::Power, 0).reversed(),
    Column::new("energy_total", "kWh", Quantity::EnergyOut, 3),
    VOLTAGES[0],
    VOLTAGES[1],
    VOLTAGES[2],
    CURRENTS[0].reversed(),
    CURRENTS[1].reversed(),
    CURRENTS[2].reversed(),
    POWERS[0].reversed(),
    POWERS[1].reversed(),
    POWERS[2].reversed(),
    FREQUENCY,
];
const METERING: [Column; 13] = [
    Column::new("power", "W", Quantity::Power, 0),
    Column::new("energy_import", "kWh", Quantity::EnergyIn, 3),
    Column::new("energy_export", "kWh", Quantity::EnergyOut, 3),
    VOLTAGES[0],
    VOLTAGES[1],
    VOLTAGES[2],
    CURRENTS[0],
    CURRENTS[1],
    CURRENTS[2],
    POWERS[0],
    POWERS[1],
    POWERS[2],
    FREQUENCY,
];
const STORING: [Column; 4] = [
    Column::new("soc", "%", Quantity::Soc, 1),
    Column::new("battery_power", "W", Quantity::Power, 0),
    Column::new("charged_total", "kWh", Quantity::EnergyIn, 3),
    Column::new("discharged_total", "kWh", Quantity::EnergyOut, 3),
];
const CHARGING: [Column; 8] = [
    Column::new("charge_power", "W", Quantity::Power, 0),
    Column::new("energy_total", "kWh", Quantity::EnergyIn, 3),
    VOLTAGES[0],
    VOLTAGES[1],
    VOLTAGES[2],
    Column::new("charge_current_l1", "A", Quantity::CurrentL1, 3),
    Column::new("charge_current_l2", "A", Quantity::CurrentL2, 3),
    Column::new("charge_current_l3", "A", Quantity::CurrentL3, 3),
];

/// What a device of this type can show, in the order of its lists.
#[must_use]
pub const fn columns(kind: DeviceType) -> &'static [Column] {
    match kind {
        DeviceType::Battery => &STORING,
        DeviceType::Charger => &CHARGING,
        DeviceType::Inverter => &PRODUCING,
        DeviceType::Meter(_) if kind.produces() => &PRODUCING,
        DeviceType::Meter(_) => &METERING,
    }
}

/// The column of a key, whatever its capitals.
#[must_use]
pub fn column(kind: DeviceType, key: &str) -> Option<&'static Column> {
    columns(kind)
        .iter()
        .find(|column| column.key.eq_ignore_ascii_case(key))
}

/// A field as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub key: String,
    pub title: String,
    pub unit: String,
    pub val: String,
}

impl Shown {
    fn new(key: &str, unit: &str, val: String, lang: Lang) -> Self {
        Self {
            key: key.to_owned(),
            title: titles::title(key, lang).unwrap_or(key).to_owned(),
            unit: unit.to_owned(),
            val,
        }
    }
}

/// Every field of a device: what the model knows, the energy of today where it produces, then what only its
/// definition reads.
#[must_use]
pub fn fields(device: &Device, today: Option<WattHours>, lang: Lang) -> Vec<Shown> {
    let values: Vec<(Quantity, i64)> = device.measured.values().collect();
    let value = |quantity| {
        values
            .iter()
            .find(|found| found.0 == quantity)
            .map(|found| found.1)
    };
    let mut shown = Vec::new();
    for column in columns(device.kind) {
        if let Some(value) = value(column.quantity) {
            shown.push(Shown::new(column.key, column.unit, column.text(value), lang));
        }
        if column.key == "output_power"
            && let Some(today) = today
        {
            shown.push(Shown::new("energy_today", "kWh", number::plain(today.0, 3), lang));
        }
    }
    if let Some(charger) = &device.charger {
        if let Some(energy) = charger.session_energy {
            shown.push(Shown::new(
                "session_energy",
                "kWh",
                number::plain(energy.0, 3),
                lang,
            ));
        }
        shown.push(Shown::new(
            "mode",
            "",
            mode_label(charger.wish.mode, lang).to_owned(),
            lang,
        ));
        shown.push(Shown::new(
            "pilot",
            "",
            pilot_letter(charger.pilot).to_owned(),
            lang,
        ));
    }
    for field in device.fields.iter().flat_map(|fields| fields.iter()) {
        if shown.iter().any(|known| known.key == field.key) {
            continue;
        }
        shown.push(Shown {
            key: field.key.clone(),
            title: titles::title(&field.key, lang).unwrap_or(&field.title).to_owned(),
            unit: field.unit.clone(),
            val: field.val.clone(),
        });
    }
    shown
}

const fn pilot_letter(pilot: PilotState) -> &'static str {
    match pilot {
        PilotState::A => "A",
        PilotState::B => "B",
        PilotState::C => "C",
        PilotState::D => "D",
        PilotState::E => "E",
        PilotState::F => "F",
    }
}

const fn mode_key(mode: ChargeMode) -> &'static str {
    match mode {
        ChargeMode::Off => "0",
        ChargeMode::Solar => "1",
        ChargeMode::MinSolar => "2",
        ChargeMode::Fast => "3",
    }
}

fn mode_label(mode: ChargeMode, lang: Lang) -> &'static str {
    let key = match mode {
        ChargeMode::Off => "mode_off",
        ChargeMode::Solar => "mode_solar",
        ChargeMode::MinSolar => "mode_min_solar",
        ChargeMode::Fast => "mode_fast",
    };
    titles::title(key, lang).unwrap_or(key)
}

/// What can be set at a device: of a charging station mode, current and phases, of others what their
/// definition says.
#[must_use]
pub fn controls(device: &Device, lang: Lang) -> Vec<Control> {
    match &device.charger {
        Some(charger) => charger_controls(charger, lang),
        None => {
            let controls = device.controls.list.iter();
            controls.map(|control| shown_control(control, lang)).collect()
        }
    }
}

fn shown_control(control: &model::control::Control, lang: Lang) -> Control {
    let (items, hint) = match &control.range {
        Range::Choices { choices } => {
            let item = |choice: &Choice| Item {
                key: choice.key.clone(),
                label: choice.label.clone(),
            };
            (choices.iter().map(item).collect(), String::new())
        }
        Range::Number {
            least,
            most,
            decimals,
            ..
        } => {
            let (least, most) = (number::plain(*least, *decimals), number::plain(*most, *decimals));
            (Vec::new(), format!("{least}~{most}"))
        }
    };
    let title = titles::title(&control.id, lang).unwrap_or(&control.title);
    Control {
        id: control.id.clone(),
        title: title.to_owned(),
        unit: control.unit.clone(),
        hint,
        items,
        value: control.value.clone(),
    }
}

fn charger_controls(charger: &Charger, lang: Lang) -> Vec<Control> {
    let title = |key: &'static str| titles::title(key, lang).unwrap_or(key).to_owned();
    let wish = &charger.wish;
    let (min, max) = (charger.min.amps_rounded_down(), charger.max.amps_rounded_down());
    let mut controls = vec![
        Control {
            id: "mode".to_owned(),
            title: title("mode"),
            unit: String::new(),
            hint: String::new(),
            items: ChargeMode::ALL
                .iter()
                .map(|mode| Item {
                    key: mode_key(*mode).to_owned(),
                    label: mode_label(*mode, lang).to_owned(),
                })
                .collect(),
            value: Some(mode_key(wish.mode).to_owned()),
        },
        Control {
            id: "current".to_owned(),
            title: title("charge_current"),
            unit: "A".to_owned(),
            hint: format!("{min}~{max}"),
            items: Vec::new(),
            value: Some(number::plain(wish.current.0, 3)),
        },
    ];
    if charger.switches_phases {
        let item = |key: &str, label: &'static str| Item {
            key: key.to_owned(),
            label: title(label),
        };
        controls.push(Control {
            id: "phases".to_owned(),
            title: title("phases"),
            unit: String::new(),
            hint: String::new(),
            items: vec![
                item("0", "phases_auto"),
                item("1", "phases_one"),
                item("3", "phases_three"),
            ],
            value: Some(
                match wish.phases {
                    None => "0",
                    Some(Phases::One) => "1",
                    Some(Phases::Three) => "3",
                }
                .to_owned(),
            ),
        });
    }
    controls
}

/// What a control write asks for. Clients write the key of an item or its label, in English or as they were shown it.
pub fn deed(device: &Device, id: &str, value: &str, lang: Lang) -> Result<Deed, Refusal> {
    let wanted = match &device.charger {
        Some(charger) => wish(charger, id, value, lang)?,
        None => {
            let control = device.controls.get(id).ok_or(Code::Unsupported)?;
            let value = control.check(value).map_err(|_| Refusal::format("val"))?;
            Wanted::Order {
                device: device.id.clone(),
                order: Order::Set {
                    control: id.to_owned(),
                    value,
                },
            }
        }
    };
    Ok(Deed::Wanted {
        site: device.site.clone(),
        wanted,
    })
}

fn wish(charger: &Charger, id: &str, value: &str, lang: Lang) -> Result<Wanted, Refusal> {
    let controls = charger_controls(charger, lang);
    let english = charger_controls(charger, Lang::En);
    let control = controls.iter().find(|control| control.id == id);
    let control = control.ok_or(Code::Unsupported)?;
    let key = if control.items.is_empty() {
        value
    } else {
        let english = english.iter().filter(|control| control.id == id);
        let mut items = control
            .items
            .iter()
            .chain(english.flat_map(|control| &control.items));
        let fits = |item: &&Item| item.key == value || item.label.eq_ignore_ascii_case(value);
        &items.find(fits).ok_or_else(|| Refusal::format("val"))?.key
    };
    let evse = charger.evse.clone();
    Ok(match id {
        "mode" => {
            let mode = ChargeMode::ALL.into_iter().find(|mode| mode_key(*mode) == key);
            Wanted::Mode {
                evse,
                mode: mode.ok_or_else(|| Refusal::format("val"))?,
            }
        }
        "phases" => Wanted::Phases {
            evse,
            phases: match key {
                "1" => Some(Phases::One),
                "3" => Some(Phases::Three),
                _ => None,
            },
        },
        _ => {
            let current = number::read_decimal(key, 3).map(MilliAmps);
            let fits = |current: &MilliAmps| (charger.min..=charger.max).contains(current);
            Wanted::Current {
                evse,
                current: current.filter(fits).ok_or_else(|| Refusal::format("val"))?,
            }
        }
    })
}

/// 0 warning, 1 error, 3 offline.
#[must_use]
pub const fn level(alarm: &Alarm) -> i64 {
    match (alarm.code, alarm.severity) {
        (AlarmCode::DeviceOffline | AlarmCode::MeterSilent, _) => 3,
        (_, Severity::Warning) => 0,
        (_, Severity::Error) => 1,
    }
}

/// 32 hexadecimal digits that are the same whenever these are.
#[must_use]
pub fn row_id(parts: &[&str]) -> String {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    let mut text = sign::hex_text(&sign::digest(&parts));
    text.truncate(32);
    text
}

#[must_use]
pub fn alarm_id(alarm: &Alarm) -> String {
    let device = alarm.device.as_ref().map_or("", DeviceId::as_str);
    row_id(&[
        alarm.site.as_str(),
        "/",
        device,
        "/",
        alarm.code.name(),
        "/",
        &alarm.raised.0.to_string(),
    ])
}
