//! Freezes the image into a snapshot, so that everything in one cycle sees the same values.

use std::collections::BTreeMap;

use control::snapshot::{
    BatteryState, Circuit, CircuitKind, CircuitMeter, Evse, Peak, Sharing, Snapshot, Sun,
};
use jiff::tz::TimeZone;
use model::device::{Device, DeviceKind, Wish};
use model::grid::PeakBudget;
use model::id::{CircuitId, EvseId};
use model::phases::{PerPhase, Phase, PhaseSet};
use model::reading::EvseStatus;
use model::settings::ControlSettings;
use model::site::Site;
use model::time::{Millis, Now};
use model::units::{MilliAmps, MilliVolts, PerMille, Watts};

use crate::image::Image;

/// Less is what a charger itself and its measuring take.
const CARRYING: MilliAmps = MilliAmps(500);
/// Over which peaks are averaged.
const QUARTER: Millis = Millis(900_000);

/// Builds the snapshot of a cycle. Circuits and EVSEs stand in the order of the site.
pub fn freeze(
    site: &Site,
    settings: ControlSettings,
    image: &Image,
    wishes: &BTreeMap<EvseId, Wish>,
    now: Now,
) -> Snapshot {
    let calendar = calendar(site, now);
    let index: BTreeMap<&CircuitId, usize> = site
        .circuits
        .iter()
        .enumerate()
        .map(|(i, c)| (&c.id, i))
        .collect();
    Snapshot {
        settings,
        voltage: voltage(site, image, now),
        circuits: site
            .circuits
            .iter()
            .map(|circuit| freeze_circuit(site, circuit, &index, image, now))
            .collect(),
        evses: site
            .evses()
            .map(|(station, evse)| freeze_evse(station, evse, &index, image, wishes, now))
            .collect(),
        sun: sun(site, image, now),
        sharing: Sharing::default(),
        hour_of_week: calendar.hour_of_week,
        peak: site.grid.peak.map(|budget| peak(budget, calendar.month, now)),
        dimming: None,
        feed_in: None,
    }
}

/// What local clocks say.
struct Calendar {
    hour_of_week: Option<u8>,
    /// Months since year 0.
    month: i64,
}

fn calendar(site: &Site, now: Now) -> Calendar {
    let zone = TimeZone::get(&site.time_zone).unwrap_or(TimeZone::UTC);
    let local = now.wall.to_jiff().to_zoned(zone);
    let day = i16::from(local.weekday().to_monday_zero_offset());
    Calendar {
        hour_of_week: u8::try_from(day * 24 + i16::from(local.hour())).ok(),
        month: i64::from(local.year()) * 12 + i64::from(local.month()),
    }
}

fn peak(budget: PeakBudget, month: i64, now: Now) -> Peak {
    let passed = Millis(now.wall.0.rem_euclid(QUARTER.0));
    Peak {
        target: budget.target,
        follow: budget.follow,
        quarter: now.wall.0.div_euclid(QUARTER.0),
        month,
        passed,
        ends: now.wall - passed + QUARTER,
    }
}

fn freeze_circuit(
    site: &Site,
    circuit: &model::site::Circuit,
    index: &BTreeMap<&CircuitId, usize>,
    image: &Image,
    now: Now,
) -> Circuit {
    let meter = circuit
        .meter
        .as_ref()
        .and_then(|id| site.device(id))
        .map(|device| {
            let reading = image.devices.get(&device.id).and_then(|d| d.measured.as_ref());
            let current = reading.and_then(|r| r.value.current);
            CircuitMeter {
                device: device.id.clone(),
                current,
                age: reading.map_or(Millis(i64::MAX), |r| r.age(now.monotonic)),
                period: device.period,
            }
        });
    Circuit {
        id: circuit.id.clone(),
        parent: circuit
            .parent
            .as_ref()
            .and_then(|parent| index.get(parent).copied()),
        kind: CircuitKind::Wiring,
        limit: circuit.limit,
        rule: None,
        power_limit: circuit.power_limit,
        total_limit: None,
        skew_limit: None,
        share: PerMille(1_000),
        class: None,
        reserve: circuit.reserve,
        credit: circuit.credit,
        meter,
    }
}

fn freeze_evse(
    station: &Device,
    evse: &model::device::Evse,
    index: &BTreeMap<&CircuitId, usize>,
    image: &Image,
    wishes: &BTreeMap<EvseId, Wish>,
    now: Now,
) -> Evse {
    let known = image.evses.get(&evse.id);
    let reading = known.and_then(|e| e.status.as_ref());
    let status = reading.map_or_else(EvseStatus::default, |r| r.value);
    let drawn = drawn(station, evse, image, &status);
    // What carries current counts, not what the contactor connects: many cars use one phase of three.
    let carrying = Phase::ALL.into_iter().filter(|phase| drawn[*phase] >= CARRYING);
    let phases_in_use = carrying.fold(PhaseSet::NONE, PhaseSet::with);
    Evse {
        id: evse.id.clone(),
        circuit: index.get(&station.circuit).copied().unwrap_or(0),
        groups: Vec::new(),
        phases: evse.rotation.set_to_grid(evse.terminals),
        phase_switching: evse.phase_switching,
        one_phase: evse.rotation.grid_phases()[0],
        min: evse.min,
        max: status.max_current.map_or(evse.max, |max| max.min(evse.max)),
        step: evse.step,
        class: evse.class,
        weight: evse.weight,
        fallback: evse.fallback,
        watchdog: status.watchdog,
        enabled: station.enabled,
        wish: wishes
            .get(&evse.id)
            .copied()
            .unwrap_or_else(|| Wish::default_of(evse)),
        cap: None,
        rule: None,
        rule_mode: None,
        price: None,
        barred: None,
        status_age: reading.map(|r| r.age(now.monotonic)),
        pilot: status.pilot,
        complete: status.complete,
        obeyed: status.obeyed,
        phases_in_use,
        drawn,
        plugged_since: known.and_then(|e| e.plugged_since),
        soc: None,
        habits: evse.habits,
        dimmable: evse.dimmable,
        before_battery: evse.before_battery,
    }
}

/// What an EVSE draws, by grid phase. The only EVSE of a station draws what the station measures, which
/// arrives first.
fn drawn(
    station: &Device,
    evse: &model::device::Evse,
    image: &Image,
    status: &EvseStatus,
) -> PerPhase<MilliAmps> {
    let of_station = || {
        let only = station.evses().len() == 1;
        image
            .devices
            .get(&station.id)
            .filter(|_| only)?
            .measured
            .as_ref()?
            .value
            .current
    };
    let terminals = of_station().or(status.current).unwrap_or_default();
    evse.rotation.to_grid(terminals).map(MilliAmps::at_least_zero)
}

/// By grid phase, as the cycle and the view see it.
pub fn drawn_by_grid_phase(
    station: &Device,
    evse: &model::device::Evse,
    image: &Image,
) -> PerPhase<MilliAmps> {
    let status = image
        .evses
        .get(&evse.id)
        .and_then(|e| e.status.as_ref())
        .map_or_else(EvseStatus::default, |r| r.value);
    drawn(station, evse, image, &status)
}

fn voltage(site: &Site, image: &Image, now: Now) -> MilliVolts {
    let measured = site.circuits.first().and_then(|root| {
        let meter = site.device(root.meter.as_ref()?)?;
        image.fresh(&meter.id, meter.period, now.monotonic)?.voltage
    });
    match measured {
        // Outside of this a meter is wrong, or a phase is dead and says nothing about power.
        Some(v) if v.into_array().iter().all(|v| (180_000..280_000).contains(&v.0)) => v.total() / 3,
        Some(_) | None => site.nominal_voltage,
    }
}

fn sun(site: &Site, image: &Image, now: Now) -> Sun {
    let fresh = |device: &Device| image.fresh(&device.id, device.period, now.monotonic);
    let grid = site
        .circuits
        .first()
        .and_then(|root| site.device(root.meter.as_ref()?))
        .and_then(|meter| fresh(meter)?.power);
    Sun {
        grid,
        pv: pv(site, image, now),
        battery: battery(site, fresh),
        house: site.grid.house,
    }
}

/// The sum of all inverters; `None` when there is none, or one of them is silent.
fn pv(site: &Site, image: &Image, now: Now) -> Option<Watts> {
    let mut sum = None;
    for device in site
        .devices
        .iter()
        .filter(|d| d.enabled && matches!(d.kind, DeviceKind::Inverter { .. }))
    {
        let power = image.fresh(&device.id, device.period, now.monotonic)?.power?;
        sum = Some(sum.unwrap_or(Watts::ZERO) + power);
    }
    sum
}

fn battery<'a>(
    site: &'a Site,
    fresh: impl Fn(&'a Device) -> Option<&'a model::reading::Measured>,
) -> Option<BatteryState> {
    let mut state: Option<BatteryState> = None;
    for device in site.devices.iter().filter(|d| d.enabled) {
        let DeviceKind::Battery {
            max_charge,
            max_discharge,
            ..
        } = &device.kind
        else {
            continue;
        };
        let measured = fresh(device)?;
        let power = measured.power?;
        let before = state.map_or((Watts::ZERO, Watts::ZERO, None), |s| {
            (s.power, s.max_charge, s.soc)
        });
        let given = state.map_or(Watts::ZERO, |s| s.max_discharge);
        let order = site.grid.battery;
        state = Some(BatteryState {
            power: before.0 + power,
            max_charge: before.1 + *max_charge,
            // Of several batteries the emptiest decides.
            soc: match (before.2, measured.soc) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            priority_below: order.first_below,
            buffer_from: order.helps_from,
            start_from: order.starts_from,
            max_discharge: given + *max_discharge,
        });
    }
    state
}
