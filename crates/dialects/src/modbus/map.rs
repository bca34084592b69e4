//! Registers of a definition become model values here.

use std::collections::BTreeMap;

use expr::Value;
use model::phases::PerPhase;
use model::reading::{Measured, Quality, Quantity};
use model::units::Watts;

use super::decimal::Decimal;
use super::definition::{CURRENTS, Definition, DeviceRole, POWERS, VOLTAGES};
use super::plausible::{self, Implausible, signed_currents};

/// What one round of answers says, one element of `read` for each of [`Definition::requests`].
///
/// A value that the device marks as absent is not reported, nor is a formula that needs it or that divides
/// by zero.
///
/// # Errors
/// When registers are no number, a value cannot be, or nothing says the power.
pub(super) fn measured(definition: &Definition, read: &[Vec<u16>]) -> Result<Measured, Implausible> {
    let values = Values::read(definition, read)?;
    let phase_power = values.three(POWERS, definition, Decimal::watts)?;
    let total = values.one(Quantity::Power, Decimal::watts)?;
    let power = total.or(phase_power.map(PerPhase::total));
    let power = power.ok_or_else(|| Implausible {
        came: "no power".to_owned(),
        expected: format!("the power of a {}", definition.role.name()),
    })?;
    let current = values.three(CURRENTS, definition, Decimal::milli_amps)?;
    let current = current.map(|current| {
        let signed = definition
            .registers
            .iter()
            .any(|r| r.quantity == Some(CURRENTS.l1) && r.signed);
        if signed && phase_power.is_none() {
            return current;
        }
        // A meter that does not say which phase exports is taken to import on all, the careful guess.
        let otherwise = match definition.role {
            DeviceRole::Meter => Watts::ZERO,
            DeviceRole::Inverter | DeviceRole::Battery => power,
        };
        signed_currents(current, phase_power, otherwise)
    });
    let measured = Measured {
        power: Some(power),
        phase_power,
        current,
        voltage: values.three(VOLTAGES, definition, Decimal::milli_volts)?,
        frequency: values.one(Quantity::Frequency, Decimal::milli_hertz)?,
        energy_in: values.one(Quantity::EnergyIn, Decimal::watt_hours)?,
        energy_out: values.one(Quantity::EnergyOut, Decimal::watt_hours)?,
        soc: values.one(Quantity::Soc, Decimal::per_mille)?,
        quality: if total.is_some() && !values.is_derived(Quantity::Power) {
            Quality::Measured
        } else {
            Quality::Derived
        },
    };
    plausible::check(&measured)?;
    Ok(measured)
}

/// Values in units without prefix.
struct Values<'a> {
    definition: &'a Definition,
    by_quantity: BTreeMap<Quantity, Decimal>,
}

impl<'a> Values<'a> {
    fn read(definition: &'a Definition, read: &[Vec<u16>]) -> Result<Self, Implausible> {
        let mut by_name = BTreeMap::new();
        let mut by_quantity = BTreeMap::new();
        for register in &definition.registers {
            let answer = definition
                .requests()
                .iter()
                .zip(read)
                .find_map(|(request, answer)| {
                    let start = request.offset_of(register.span)?;
                    answer.get(start..start + usize::from(register.span.count))
                });
            let value = register
                .layout
                .read(answer.unwrap_or_default())
                .map_err(|_| Implausible {
                    came: format!("`{}` is {answer:04X?}", register.name),
                    expected: "a number".to_owned(),
                })?;
            let Some(value) = value else { continue };
            let value = if register.negate { value.negated() } else { value };
            by_name.insert(register.name.as_str(), value.to_f64());
            if let Some(quantity) = register.quantity {
                by_quantity.insert(quantity, value);
            }
        }
        let lookup = |name: &str| by_name.get(name).copied().map(Value::Number);
        for (quantity, formula) in &definition.derived {
            if let Some(value) = formula.number(&lookup).ok().and_then(Decimal::from_f64) {
                by_quantity.insert(*quantity, value);
            }
        }
        Ok(Self {
            definition,
            by_quantity,
        })
    }

    fn is_derived(&self, quantity: Quantity) -> bool {
        self.definition
            .derived
            .iter()
            .any(|(derived, _)| *derived == quantity)
    }

    fn one<T>(
        &self,
        quantity: Quantity,
        convert: impl Fn(Decimal) -> Option<T>,
    ) -> Result<Option<T>, Implausible> {
        let Some(value) = self.by_quantity.get(&quantity) else {
            return Ok(None);
        };
        convert(*value).map(Some).ok_or_else(|| Implausible {
            came: format!("{} is {}e{}", quantity.name(), value.digits, value.exponent),
            expected: "a number that fits its unit".to_owned(),
        })
    }

    /// All three phases or none. Of a single-phase device, nothing on L2 and L3.
    fn three<T: Default>(
        &self,
        quantities: PerPhase<Quantity>,
        definition: &Definition,
        convert: impl Fn(Decimal) -> Option<T>,
    ) -> Result<Option<PerPhase<T>>, Implausible> {
        let Some(l1) = self.one(quantities.l1, &convert)? else {
            return Ok(None);
        };
        if definition.single_phase {
            return Ok(Some(PerPhase::new(l1, T::default(), T::default())));
        }
        let (l2, l3) = (
            self.one(quantities.l2, &convert)?,
            self.one(quantities.l3, &convert)?,
        );
        Ok(l2.zip(l3).map(|(l2, l3)| PerPhase::new(l1, l2, l3)))
    }
}
