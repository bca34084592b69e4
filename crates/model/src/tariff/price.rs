//! What a contract says at an instant: with VAT, by the local clock.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::{Band, Contract, PriceSlot, Prices, Tariff};
use crate::money::{Micros, PerKwh, nearest};
use crate::session::Cost;
use crate::time::Timestamp;
use crate::units::PerMille;

/// A price with VAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub price: PerKwh,
    /// Whether the provider of a dynamic contract had no price.
    pub from_fallback: bool,
}

impl Tariff {
    /// The contract in force on a local day: the one that started last, unless it has ended.
    #[must_use]
    pub fn contract_on(&self, day: Date) -> Option<&Contract> {
        self.contracts
            .iter()
            .filter(|contract| contract.from <= day)
            .max_by_key(|contract| contract.from)
            .filter(|contract| contract.until.is_none_or(|until| day <= until))
    }

    /// The contract in force at an instant.
    #[must_use]
    pub fn contract_at(&self, zone: &TimeZone, at: Timestamp) -> Option<&Contract> {
        self.contract_on(zone.to_datetime(at.to_jiff()).date())
    }

    /// The monthly fees of a span with VAT, one sum per currency. Each fee is spread evenly over its local
    /// month, so that the shares of spans that follow each other add up to the whole.
    #[must_use]
    pub fn fees(&self, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Cost> {
        let mut costs: Vec<Cost> = Vec::new();
        let mut month = zone.to_datetime(from.to_jiff()).date().first_of_month();
        while let Some(start) = midnight(zone, month).filter(|start| *start < to) {
            let Ok(next) = month.checked_add(jiff::Span::new().months(1)) else {
                break;
            };
            let Some(end) = midnight(zone, next) else { break };
            for contract in &self.contracts {
                let (first, last) = self.in_force(contract, zone);
                let (a, b) = (from.max(start).max(first), to.min(end).min(last));
                if contract.monthly_fee.0 == 0 || a >= b {
                    continue;
                }
                let fee = i128::from(contract.monthly_fee.0) * vat_factor(contract.vat);
                let length = i128::from((end - start).0) * 1_000;
                let until = |at: Timestamp| nearest(fee * i128::from((at - start).0), length);
                let amount = Micros(until(b).saturating_sub(until(a)));
                match costs.iter_mut().find(|cost| cost.currency == contract.currency) {
                    Some(cost) => cost.amount += amount,
                    None => costs.push(Cost {
                        amount,
                        currency: contract.currency,
                    }),
                }
            }
            month = next;
        }
        costs
    }

    /// The first instant of a contract and the first one after it.
    pub(super) fn in_force(&self, contract: &Contract, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let next = self.contracts.iter().map(|other| other.from);
        let next = next.filter(|from| *from > contract.from).min();
        let after = contract.until.and_then(|until| until.tomorrow().ok());
        let end = next.into_iter().chain(after).min();
        (
            midnight(zone, contract.from).unwrap_or(Timestamp(i64::MIN)),
            end.and_then(|day| midnight(zone, day))
                .unwrap_or(Timestamp(i64::MAX)),
        )
    }
}

impl Contract {
    /// What one kWh costs with VAT at an instant. `slots` are the prices of the contract's provider, ordered
    /// by their start; other kinds need none.
    pub(super) fn price_at(&self, zone: &TimeZone, slots: &[PriceSlot], at: Timestamp) -> Found {
        match &self.prices {
            Prices::Fixed { price } => self.found(*price, false),
            Prices::TimeOfUse { bands, otherwise } => {
                let local = zone.to_datetime(at.to_jiff());
                let band = bands.iter().find(|band| band.covers(local));
                self.found(band.map_or(*otherwise, |band| band.price), false)
            }
            Prices::Dynamic {
                factor,
                surcharge,
                fallback,
                ..
            } => match slot_at(slots, at) {
                None => self.found(*fallback, true),
                Some(price) => {
                    let net = i128::from(price.0) * i128::from(factor.0) + i128::from(surcharge.0) * 1_000;
                    Found {
                        price: PerKwh(nearest(net.saturating_mul(vat_factor(self.vat)), 1_000_000)),
                        from_fallback: false,
                    }
                }
            },
        }
    }

    fn found(&self, net: PerKwh, from_fallback: bool) -> Found {
        Found {
            price: PerKwh(nearest(i128::from(net.0) * vat_factor(self.vat), 1_000)),
            from_fallback,
        }
    }
}

fn vat_factor(vat: PerMille) -> i128 {
    1_000 + i128::from(vat.0)
}

impl Band {
    /// Whether a local time lies in the band.
    pub(super) fn covers(&self, local: DateTime) -> bool {
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0);
        let on = |day: Date| {
            let weekday = day.weekday().to_monday_one_offset().unsigned_abs();
            let month = day.month().unsigned_abs();
            (self.weekdays.is_empty() || self.weekdays.contains(&weekday))
                && (self.months.is_empty() || self.months.contains(&month))
        };
        let today = local.date();
        if self.from_minute < self.to_minute {
            return (self.from_minute..self.to_minute).contains(&minute) && on(today);
        }
        (minute >= self.from_minute && on(today))
            || (minute < self.to_minute && today.yesterday().is_ok_and(on))
    }
}

/// No slot is longer than a day, so an older one cannot reach here.
pub(super) const LONGEST_SLOT_MS: i64 = 86_400_000;

/// The price of the slot that started last and is still running.
fn slot_at(slots: &[PriceSlot], at: Timestamp) -> Option<PerKwh> {
    let started = slots.partition_point(|(start, _, _)| *start <= at);
    slots[..started]
        .iter()
        .rev()
        .take_while(|(start, _, _)| (at - *start).0 < LONGEST_SLOT_MS)
        .find(|(_, end, _)| at < *end)
        .map(|(_, _, price)| *price)
}

/// The first instant of a local day; where midnight is left out by a change of the clock, what comes next.
pub(super) fn midnight(zone: &TimeZone, day: Date) -> Option<Timestamp> {
    let start = zone
        .to_zoned(day.to_datetime(jiff::civil::Time::midnight()))
        .ok()?;
    Some(Timestamp(start.timestamp().as_millisecond()))
}
