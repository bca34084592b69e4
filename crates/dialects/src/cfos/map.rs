//! A site as a charging manager with its devices.
//!
//! EVSEs become `E1`, `E2`, … and meters, inverters and batteries `M1`, `M2`, …, each in the order of the
//! configuration, so that ids stay the same as long as devices are only added at the end.
//!
//! Signs: a grid meter and a battery count as ours do; production is positive here and negative with us.

use model::device::{ChargeMode, Force, LinkState, MeterRole};
use model::phases::PerPhase;
use model::reading::PilotState;
use model::reason::Cause;
use model::settings::ControlSettings;
use model::site::Site;
use model::time::Timestamp;
use model::units::{MilliAmps, MilliVolts};
use model::view::{DeviceView, EvseView, SiteView};

use super::wire::{Common, DevInfo, Device, Evse, Meter, Params, Role, Socket, State, Vsn};

/// The firmware whose names and shapes are spoken. Clients switch to the newer names from 1.20 on.
pub const VERSION: &str = "2.0.1";
const VERSION_NUMBER: i64 = 2 << 24 | 10_001;
const VENDOR: i64 = 52_997;
/// Seconds since the last error of a device that has had none.
const NEVER: i64 = 1 << 30;
const PHASES: i64 = 3;

/// The answer to `get_dev_info` for callers without credentials: no user names, no secrets, of an address
/// only host and port.
#[must_use]
pub fn dev_info(site: &Site, view: &SiteView, control: &ControlSettings, now: Timestamp) -> DevInfo {
    let evses = view.evses.iter().zip(1..).map(|(one, number)| {
        Device::Evse(Box::new(evse(&Context { site, view, now }, control, one, number)))
    });
    let first = i64::try_from(view.evses.len()).unwrap_or(0);
    let meters = view
        .devices
        .iter()
        .filter_map(|device| role(device).map(|role| (device, role)))
        .zip(1..)
        .map(|((device, role), number)| {
            Device::Meter(Box::new(meter(
                &Context { site, view, now },
                device,
                role,
                number,
                first + number,
            )))
        });
    DevInfo {
        params: params(site, view, control, now),
        devices: evses.chain(meters).collect(),
    }
}

struct Context<'a> {
    site: &'a Site,
    view: &'a SiteView,
    now: Timestamp,
}

fn params(site: &Site, view: &SiteView, control: &ControlSettings, now: Timestamp) -> Params {
    let volts = site.nominal_voltage;
    let all_phases = |current: i64| MilliAmps(current).power(volts, PHASES).0;
    let limit = site.circuits.first().map_or(0, |root| lowest(root.limit));
    let reserve = site.circuits.first().map_or(0, |root| root.reserve.0);
    let evse_limit = evse_line(site);
    let overdraft = view.circuits.first().map_or(0, |root| {
        root.current.map_or(0, |current| {
            highest(current.zip(root.limit, |drawn, limit| drawn - limit)).max(0)
        })
    });
    let consumed = view.flow.evses.0;
    let available = consumed + headroom_power(view, volts);
    Params {
        title: site.name.clone(),
        desc: String::new(),
        max_total_current: limit,
        reserve_current: reserve,
        overdraft_cur: overdraft,
        max_overdraft_cur: overdraft,
        max_total_evse_current: evse_limit,
        cons_evse_power: consumed,
        avail_evse_power: available,
        lb_enabled: true,
        disable_policy: 0,
        cycle_time: control.period.0,
        max_evses: i64::try_from(view.evses.len()).unwrap_or(i64::MAX),
        shareware_mode: false,
        version: VERSION.to_owned(),
        time: now.as_seconds(),
        vsn: Vsn {
            vendorid: VENDOR,
            version: VERSION_NUMBER,
            productid: 1,
            serialno: format!("OHM-{}", site.id),
        },
        ocpp_gateway_license_cnt: 0,
        ocpp_gateway_licenses_used: 0,
        max_total_power: all_phases(limit),
        max_total_evse_power: all_phases(if evse_limit == 0 { limit } else { evse_limit }),
        power_reserve: all_phases(reserve),
        consumed_evse_power: consumed,
        remaining_evse_power: available,
    }
}

/// The limit of the line that feeds all EVSEs and nothing above it; 0 when they hang on several, or on the
/// house connection itself.
fn evse_line(site: &Site) -> i64 {
    let mut circuits = site
        .devices
        .iter()
        .filter(|device| !device.evses().is_empty())
        .map(|device| &device.circuit);
    let Some(first) = circuits.next() else { return 0 };
    let line = site.circuit(first).filter(|circuit| circuit.parent.is_some());
    line.filter(|_| circuits.all(|other| other == first))
        .map_or(0, |circuit| lowest(circuit.limit))
}

/// What is left for EVSEs at the house connection; nothing while its meter is silent.
fn headroom_power(view: &SiteView, volts: MilliVolts) -> i64 {
    let room = view.circuits.first().and_then(|root| root.headroom);
    room.map_or(0, |room| {
        room.map(|current| current.at_least_zero().power(volts, 1))
            .total()
            .0
    })
}

fn common(context: &Context<'_>, device: Option<&DeviceView>, kind: Kind<'_>) -> Common {
    let link = device.map(|device| &device.link);
    let offline = matches!(link, Some(LinkState::Offline { .. }));
    let address = device
        .and_then(|device| context.site.device(&device.id))
        .and_then(|device| device.link.endpoint())
        .map(|endpoint| endpoint.to_string())
        .unwrap_or_default();
    Common {
        dev_type: kind.dev_type.to_owned(),
        device_enabled: i64::from(device.is_some_and(|device| device.enabled)),
        name: kind.name.to_owned(),
        id: kind.id,
        dev_id: kind.dev_id,
        number: kind.number,
        desc: device.map(|device| device.name.clone()).unwrap_or_default(),
        com_err: offline,
        com_err_secs: if offline { 0 } else { NEVER },
        com_errors: i64::from(offline),
        last_error: if offline {
            format!("not connected: {address}")
        } else {
            String::new()
        },
        address,
        is_evse: kind.is_evse,
        used_phases: kind.used_phases,
        model: device
            .and_then(|device| device.identity.clone())
            .unwrap_or_default(),
    }
}

/// What [`common`] cannot know of a device.
struct Kind<'a> {
    dev_type: &'static str,
    name: &'a str,
    id: i64,
    dev_id: String,
    number: i64,
    is_evse: bool,
    used_phases: u8,
}

fn evse(context: &Context<'_>, control: &ControlSettings, evse: &EvseView, number: i64) -> Evse {
    let station = context
        .view
        .devices
        .iter()
        .find(|device| device.id == evse.station);
    let settings = context
        .site
        .evses()
        .find(|(_, known)| known.id == evse.id)
        .map(|(_, known)| known);
    let is_online = station.is_some_and(|station| station.link == LinkState::Online);
    let state = state(evse, is_online);
    let allowed = evse.wish.effective_mode() != ChargeMode::Off;
    let paused = evse.status.pilot.is_plugged() && allowed && evse.setpoint.is_paused();
    let min_pause = control.min_off.as_seconds();
    let elapsed = (context.now - evse.reason.since).as_seconds().max(0);
    let kind = Kind {
        // A client for coworking spaces takes no other type for an EVSE.
        dev_type: "evse_powerbrain",
        name: &evse.name,
        id: number,
        dev_id: format!("E{number}"),
        number,
        is_evse: true,
        used_phases: evse.rotation.set_to_grid(evse.terminals).bits(),
    };
    let [current_l1, current_l2, current_l3] = evse.current.into_array().map(|current| current.0);
    Evse {
        common: common(context, station, kind),
        label: String::new(),
        min_charging_cur: evse.min.0,
        max_charging_cur: evse.max.0,
        prio: priority(context.site, settings.map_or(0, |settings| settings.class)),
        charging_enabled: allowed,
        cur_charging_power: evse.power.0,
        power_w: evse.power.0,
        current_l1,
        current_l2,
        current_l3,
        last_set_charging_cur: evse.setpoint.or_zero().0,
        total_energy: lifetime_energy(context.site, station),
        ta_en: evse.status.session_energy.map_or(0, |energy| energy.0),
        phases: if state.is_charging() {
            evse.rotation.set_to_grid(evse.status.terminals).bits()
        } else {
            0
        },
        state,
        paused,
        pause_reason: if paused {
            pause_reason(&evse.reason.cause)
        } else {
            0
        },
        pause_time: if paused { elapsed } else { min_pause },
        pause_min_time: min_pause,
        overrides: i64::from(evse.wish.force == Force::Off),
        ov_cur: (evse.wish.current < evse.max).then_some(evse.wish.current.0),
        evse: socket(evse, state, allowed),
    }
}

fn state(evse: &EvseView, is_online: bool) -> State {
    if !is_online {
        return State::Offline;
    }
    let draws = !evse.setpoint.is_paused() || evse.power.0 > 0;
    match evse.status.pilot {
        PilotState::A => State::Waiting,
        PilotState::C if draws => State::Charging,
        PilotState::D if draws => State::ChargingWithVentilation,
        PilotState::B | PilotState::C | PilotState::D => State::VehiclePresent,
        PilotState::E | PilotState::F => State::Error,
    }
}

fn socket(evse: &EvseView, state: State, allowed: bool) -> Socket {
    let cp_state = match state {
        State::Waiting => "Standby",
        State::VehiclePresent => "Vehicle detected",
        State::Charging | State::ChargingWithVentilation => "Charging",
        State::Error | State::Offline => "Error",
    };
    Socket {
        cp_state: cp_state.to_owned(),
        pp_state: if evse.status.pilot.is_plugged() {
            "cable"
        } else {
            "no cable"
        }
        .to_owned(),
        charging: state.is_charging(),
        current: evse.setpoint.or_zero().0,
        enabled: allowed,
    }
}

/// 1 for the class that is served last, more for each class before it.
fn priority(site: &Site, class: u8) -> i64 {
    let last = site.evses().map(|(_, evse)| evse.class).max().unwrap_or(class);
    i64::from(last.saturating_sub(class)) + 1
}

/// Counter of the station when it has one EVSE; one counter of several says nothing about each.
fn lifetime_energy(site: &Site, station: Option<&DeviceView>) -> i64 {
    let single = station.filter(|station| {
        site.device(&station.id)
            .is_some_and(|known| known.evses().len() == 1)
    });
    single
        .and_then(|station| station.measured.energy_in)
        .map_or(0, |energy| energy.0)
}

/// 1 current limit, 2 charging rules.
fn pause_reason(cause: &Cause) -> i64 {
    match cause {
        Cause::NoSurplus { .. }
        | Cause::PriceTooHigh { .. }
        | Cause::WaitingForStableRoom { .. }
        | Cause::MinimumPause { .. }
        | Cause::StartsUsedUp { .. }
        | Cause::RestingFull { .. }
        | Cause::WakingVehicle { .. }
        | Cause::SwitchingPhases { .. } => 2,
        Cause::NoVehicle
        | Cause::SwitchedOff
        | Cause::Disabled
        | Cause::VehicleNotAsking
        | Cause::VehicleComplete
        | Cause::AsAsked { .. }
        | Cause::Limited { .. }
        | Cause::CircuitFull { .. }
        | Cause::Unbalanced { .. }
        | Cause::HoldingMinimum { .. }
        | Cause::AfterOverload { .. }
        | Cause::OnePhaseOnly { .. }
        | Cause::PeakReached { .. }
        | Cause::Dimmed { .. }
        | Cause::MeterSilent { .. }
        | Cause::StationSilent { .. }
        | Cause::NotFollowing { .. }
        | Cause::StartingUp
        | Cause::WaitingForOthers { .. }
        | Cause::AwaitingAuthorisation
        | Cause::BudgetUsedUp { .. }
        | Cause::EnergyLimitReached { .. }
        | Cause::ChangedElsewhere { .. }
        | Cause::ChargeLimitReached { .. } => 1,
    }
}

/// The role of a device that counts as a meter here.
fn role(device: &DeviceView) -> Option<Role> {
    match (device.kind.as_str(), device.role) {
        ("charging_station", _) => None,
        ("inverter", _) => Some(Role::Production),
        ("battery", _) => Some(Role::Storage),
        (_, Some(MeterRole::Grid)) => Some(Role::Grid),
        (_, Some(MeterRole::Production)) => Some(Role::Production),
        (_, Some(MeterRole::Consumption)) => Some(Role::Consumption),
        (_, Some(MeterRole::Storage)) => Some(Role::Storage),
        (_, Some(MeterRole::Display) | None) => Some(Role::Display),
    }
}

fn meter(context: &Context<'_>, device: &DeviceView, role: Role, number: i64, id: i64) -> Meter {
    let measured = &device.measured;
    let sign = if role == Role::Production { -1 } else { 1 };
    let (gained, given) = match role {
        Role::Production => (measured.energy_out, measured.energy_in),
        Role::Display | Role::Consumption | Role::Grid | Role::Storage => {
            (measured.energy_in, measured.energy_out)
        }
    };
    let power = measured.power.map_or(0, |power| power.0 * sign);
    let [current_l1, current_l2, current_l3] = measured.current.map_or([0; 3], |current| {
        current.into_array().map(|current| current.0 * sign)
    });
    let [voltage_l1, voltage_l2, voltage_l3] = measured.voltage.map_or([0; 3], |voltage| {
        voltage.into_array().map(|voltage| (voltage.0 + 500) / 1_000)
    });
    let kind = Kind {
        dev_type: "meter_powerbrain",
        name: &device.name,
        id,
        dev_id: format!("M{number}"),
        number,
        is_evse: false,
        used_phases: 0,
    };
    Meter {
        common: common(context, Some(device), kind),
        is_va: false,
        invert: false,
        import: gained.map_or(0, |energy| energy.0),
        export: given.map_or(0, |energy| energy.0),
        power_w: power,
        power,
        current_l1,
        current_l2,
        current_l3,
        voltage_l1,
        voltage_l2,
        voltage_l3,
        role,
        soc: measured.soc.map(|soc| soc.0 / 10),
    }
}

fn lowest(values: PerPhase<MilliAmps>) -> i64 {
    values.into_array().into_iter().min().unwrap_or_default().0
}

fn highest(values: PerPhase<MilliAmps>) -> i64 {
    values.into_array().into_iter().max().unwrap_or_default().0
}

#[cfg(test)]
mod tests;
