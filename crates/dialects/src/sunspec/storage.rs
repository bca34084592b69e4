//! Telling a battery what to do through model 124.
//!
//! The model has two rates in percent, each a limit that one bit of `StorCtl_Mod` switches on: `InWRte` for
//! charging, `OutWRte` for discharging. A negative rate turns a limit into a demand: at most -20 %
//! discharging is at least 20 % charging. An exact power is therefore a window of one point: charging with
//! 20 % is `InWRte` 20, `OutWRte` -20, both bits set. Percentages are of `WChaMax` for both directions,
//! because the model has no maximum of its own for discharging.
//!
//! Source: SunSpec model 124; the reading of negative rates is that of widely sold hybrid inverters'
//! Modbus manuals.

use std::collections::VecDeque;

use model::time::{Millis, Monotonic, Now};
use model::units::Watts;

use super::block::Block;
use super::image::Image;
use crate::modbus::decimal::Decimal;
use crate::modbus::pdu::Request;

const LIMIT_CHARGE: i64 = 1;
const LIMIT_DISCHARGE: i64 = 2;
const LIMIT_BOTH: u16 = 3;
const FULL_PERCENT: i128 = 100;
/// After this long without a refresh the battery goes back to its own logic, if it can do that.
const REVERT_AFTER_S: u16 = 60;
const REFRESH_EVERY: Millis = Millis::from_seconds(20);

/// The powers that a battery may take. Positive charges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub at_least: Option<Watts>,
    pub at_most: Option<Watts>,
}

impl Window {
    /// What model 124 of a served image allows now. Without a limit switched on, everything.
    #[must_use]
    pub fn of(image: &Image) -> Self {
        let Some(block) = image.block(124) else {
            return Self::default();
        };
        let mode = block.raw("StorCtl_Mod").unwrap_or(0);
        let full = image
            .get(124, "WChaMax")
            .and_then(Decimal::watts)
            .unwrap_or_default();
        let rate = |name: &str, bit: i64| {
            let percent = image.get(124, name).filter(|_| mode & bit != 0)?;
            // Percent in millionths, so that no digit of a rate is lost before the division.
            let share = percent.in_steps_of(-6)?;
            let watts = i128::from(share) * i128::from(full.0) / (FULL_PERCENT * 1_000_000);
            i64::try_from(watts).ok().map(Watts)
        };
        Self {
            at_least: rate("OutWRte", LIMIT_DISCHARGE).map(|power| -power),
            at_most: rate("InWRte", LIMIT_CHARGE),
        }
    }

    /// The power nearest to `wish` inside the window. Where the limits contradict each other, charging is
    /// limited first.
    #[must_use]
    pub fn clamp(self, wish: Watts) -> Watts {
        let raised = self.at_least.map_or(wish, |least| wish.max(least));
        self.at_most.map_or(raised, |most| raised.min(most))
    }
}

/// What the last read of model 124 says about how it wants to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Control {
    address: u16,
    full: Watts,
    rate_exponent: i8,
    can_revert: bool,
    /// Nothing limits it.
    is_free: bool,
}

/// The setpoint of a battery on its way.
#[derive(Debug)]
pub(super) struct Order {
    max_charge: Watts,
    max_discharge: Watts,
    /// Outer `None`: nobody has told us anything, or it was handed back. Inner: what was asked for.
    wanted: Option<Option<Watts>>,
    control: Option<Control>,
    writes: VecDeque<Request>,
    written_at: Monotonic,
}

impl Order {
    pub(super) fn new(max_charge: Watts, max_discharge: Watts) -> Self {
        Self {
            max_charge,
            max_discharge,
            wanted: None,
            control: None,
            writes: VecDeque::new(),
            written_at: Monotonic(i64::MIN),
        }
    }

    /// A newer order replaces what of an older one has not left. The same again changes nothing:
    /// [`Order::observe`] sees to it that it stands.
    pub(super) fn want(&mut self, power: Option<Watts>) {
        let power = power.map(|power| power.min(self.max_charge).max(-self.max_discharge));
        let is_free = self.wanted.is_none() && self.control.is_some_and(|control| control.is_free);
        if self.wanted == Some(power) || (power.is_none() && is_free) {
            return;
        }
        self.wanted = Some(power);
        self.plan();
    }

    /// The address or scale of model 124 may have changed.
    pub(super) fn forget_control(&mut self) {
        self.control = None;
        self.writes.clear();
    }

    pub(super) fn next_write(&self) -> Option<Request> {
        self.writes.front().cloned()
    }

    /// The front of the queue was carried out.
    pub(super) fn wrote(&mut self, now: Now) {
        self.writes.pop_front();
        self.written_at = now.monotonic;
        if let Some(control) = &mut self.control {
            control.is_free = false;
        }
    }

    /// The front of the queue was not carried out: all of it is planned again after the next read.
    pub(super) fn drop_writes(&mut self) {
        self.writes.clear();
    }

    /// There is no model 124 that could be told anything.
    pub(super) fn give_up(&mut self) -> bool {
        self.writes.clear();
        self.wanted.take().is_some()
    }

    /// Compares what the device says with what was asked for, and repeats what is not so. `false` when the
    /// device cannot be told what was asked for.
    pub(super) fn observe(&mut self, address: u16, block: &Block<'_>, now: Now) -> bool {
        let exponent = block.scale("InOutWRte_SF").ok().flatten();
        let commandable = block.raw("InWRte").zip(block.raw("OutWRte")).zip(exponent);
        let mode = block.raw("StorCtl_Mod").unwrap_or(0) & (LIMIT_CHARGE | LIMIT_DISCHARGE);
        let full = block.value("WChaMax").ok().flatten().and_then(Decimal::watts);
        self.control = commandable.map(|(_, rate_exponent)| Control {
            address,
            full: full.filter(|full| full.0 > 0).unwrap_or(self.max_charge),
            rate_exponent,
            can_revert: block.raw("InOutWRte_RvrtTms").is_some(),
            is_free: mode == 0,
        });
        let Some(wanted) = self.wanted else { return true };
        let Some(control) = self.control else {
            return !self.give_up();
        };
        if !self.writes.is_empty() {
            return true;
        }
        match wanted {
            None if mode == 0 => self.wanted = None,
            None => self.plan(),
            Some(power) => {
                let rate = i64::from(control.rate(power));
                let stands = mode == i64::from(LIMIT_BOTH)
                    && block.raw("InWRte") == Some(rate)
                    && block.raw("OutWRte") == Some(-rate);
                let fades = control.can_revert && now.monotonic - self.written_at >= REFRESH_EVERY;
                if !stands || fades {
                    self.plan();
                }
            }
        }
        true
    }

    /// Rates before the bits that make them count, so that no old rate acts in between.
    fn plan(&mut self) {
        self.writes.clear();
        let (Some(control), Some(wanted)) = (self.control, self.wanted) else {
            return;
        };
        let write = |offset: u16, values: Vec<u16>| Request::WriteRegisters {
            address: control.address.saturating_add(offset),
            values,
        };
        match wanted {
            None => self.writes.push_back(write(OFFSET_MODE, vec![0])),
            Some(power) => {
                let rate = control.rate(power);
                self.writes.push_back(write(
                    OFFSET_RATES,
                    vec![(-rate).cast_unsigned(), rate.cast_unsigned()],
                ));
                if control.can_revert {
                    self.writes.push_back(write(OFFSET_REVERT, vec![REVERT_AFTER_S]));
                }
                self.writes.push_back(write(OFFSET_MODE, vec![LIMIT_BOTH]));
            }
        }
    }
}

/// `StorCtl_Mod`.
const OFFSET_MODE: u16 = 5;
/// `OutWRte` and `InWRte`, side by side.
const OFFSET_RATES: u16 = 12;
/// `InOutWRte_RvrtTms`.
const OFFSET_REVERT: u16 = 15;

impl Control {
    /// The rate register for a charging power, rounded towards zero, within 100 % and 16 bits.
    fn rate(self, power: Watts) -> i16 {
        let full = i128::from(self.full.0.max(1));
        let watts = i128::from(power.0).clamp(-full, full);
        let shift = 10_i128.pow(u32::from(self.rate_exponent.unsigned_abs()));
        let percent = watts * FULL_PERCENT;
        let raw = if self.rate_exponent < 0 {
            percent * shift / full
        } else {
            percent / (full * shift)
        };
        let largest = i128::from(i16::MAX);
        i16::try_from(raw.clamp(-largest, largest)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::Registers;
    use crate::sunspec::image::ModelInstance;

    fn rate(full: i64, exponent: i8, power: i64) -> i16 {
        Control {
            address: 0,
            full: Watts(full),
            rate_exponent: exponent,
            can_revert: false,
            is_free: true,
        }
        .rate(Watts(power))
    }

    #[test]
    fn rates_round_towards_zero_and_stay_within_100_percent() {
        for (full, exponent, power, expected) in [
            (10_000, -2, 2_000, 2_000),
            (10_000, -2, -2_000, -2_000),
            (10_000, 0, 2_099, 20),
            (10_000, 0, -2_099, -20),
            (10_000, -2, 25_000, 10_000),
            (10_000, -3, 10_000, 32_767),
            (10_000, 1, 10_000, 10),
            (0, 0, 10, 100),
            (i64::MAX, -10, i64::MIN, -32_767),
        ] {
            assert_eq!(
                rate(full, exponent, power),
                expected,
                "{power} W of {full} W at 10^{exponent}"
            );
        }
    }

    fn battery() -> Image {
        let mut image = Image::new(&[ModelInstance::new(124)]).unwrap();
        for (point, value) in [
            ("WChaMax", 5_000),
            ("StorCtl_Mod", 0),
            ("InWRte", 100),
            ("OutWRte", 100),
        ] {
            image.set(124, point, value).unwrap();
        }
        image
    }

    #[test]
    fn a_window_is_what_the_bits_switch_on() {
        let check = |mode: i64, charge: i64, discharge: i64, expected: [Option<i64>; 2]| {
            let mut image = battery();
            image.set(124, "StorCtl_Mod", mode).unwrap();
            image.set(124, "InWRte", charge).unwrap();
            image.set(124, "OutWRte", discharge).unwrap();
            let window = Window::of(&image);
            assert_eq!(
                [window.at_least, window.at_most],
                expected.map(|limit| limit.map(Watts))
            );
        };
        check(0, 20, 20, [None, None]);
        check(1, 20, 40, [None, Some(1_000)]);
        check(2, 20, 40, [Some(-2_000), None]);
        check(3, 20, -20, [Some(1_000), Some(1_000)]);
        check(3, -20, 20, [Some(-1_000), Some(-1_000)]);
        check(3, 0, 0, [Some(0), Some(0)]);
        assert_eq!(
            Window {
                at_least: Some(Watts(5)),
                at_most: Some(Watts(3))
            }
            .clamp(Watts(9)),
            Watts(3)
        );
    }

    /// Lets the order see the image and carries out what it writes. Returns how many writes that took.
    fn cycle(order: &mut Order, image: &mut Image, at_ms: i64) -> usize {
        let now = Now {
            monotonic: Monotonic(at_ms),
            ..Now::default()
        };
        assert!(order.observe(40_002, &image.block(124).unwrap(), now));
        let mut count = 0;
        while let Some(Request::WriteRegisters { address, values }) = order.next_write() {
            image.write_holding(address, &values).unwrap();
            order.wrote(now);
            count += 1;
        }
        count
    }

    #[test]
    fn an_order_is_written_once_repeated_when_lost_and_handed_back() {
        let mut image = battery();
        let mut order = Order::new(Watts(4_000), Watts(3_000));
        assert_eq!(
            cycle(&mut order, &mut image, 0),
            0,
            "nobody has asked for anything"
        );
        for (asked, expected) in [(1_500, 1_500), (9_000, 4_000), (-9_000, -3_000), (0, 0)] {
            order.want(Some(Watts(asked)));
            assert_eq!(cycle(&mut order, &mut image, 0), 2);
            let exact = Some(Watts(expected));
            assert_eq!(
                Window::of(&image),
                Window {
                    at_least: exact,
                    at_most: exact
                }
            );
        }
        assert_eq!(cycle(&mut order, &mut image, 100_000), 0, "it stands");
        image.set(124, "StorCtl_Mod", 0).unwrap();
        assert_eq!(
            cycle(&mut order, &mut image, 100_000),
            2,
            "the device has forgotten"
        );
        order.want(None);
        assert_eq!(cycle(&mut order, &mut image, 100_000), 1);
        assert_eq!(Window::of(&image), Window::default());
        assert_eq!(cycle(&mut order, &mut image, 100_000), 0);
        order.want(None);
        assert_eq!(order.next_write(), None, "it is free already");
        image.set(124, "StorCtl_Mod", 1).unwrap();
        assert_eq!(
            cycle(&mut order, &mut image, 100_000),
            0,
            "somebody else's order is left alone"
        );
    }

    #[test]
    fn a_battery_that_can_revert_is_refreshed() {
        let mut image = battery();
        image.set(124, "InOutWRte_RvrtTms", 0).unwrap();
        let mut order = Order::new(Watts(4_000), Watts(3_000));
        order.want(Some(Watts(1_000)));
        assert_eq!(cycle(&mut order, &mut image, 0), 3);
        assert_eq!(image.get(124, "InOutWRte_RvrtTms"), Some(Decimal::new(60, 0)));
        assert_eq!(cycle(&mut order, &mut image, 19_999), 0);
        assert_eq!(cycle(&mut order, &mut image, 20_000), 3);
    }

    #[test]
    fn a_battery_without_rates_refuses_once() {
        let mut image = battery();
        image.clear(124, "InWRte").unwrap();
        let mut order = Order::new(Watts(4_000), Watts(3_000));
        order.want(Some(Watts(1_000)));
        let now = Now::default();
        assert!(!order.observe(40_002, &image.block(124).unwrap(), now));
        assert!(order.observe(40_002, &image.block(124).unwrap(), now));
        assert_eq!(order.next_write(), None);
    }
}
