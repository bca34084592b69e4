//! The core without a world: wishes, restarts, reports and records.

mod alarms;
mod cycle;
mod desk;
mod foreign;
mod keys;
mod orders;
mod past;
mod questions;
mod rules;
mod sessions;
mod soc;
mod wishes;
mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::alarm::{Alarm, AlarmCode, Severity};
use model::control::{Choice, Control, Controls, Order, Range};
use model::device::{
    AuthorisationMode, ChargeMode, Device, DeviceKind, Evse, Force, ForeignPolicy, GoeLink, LinkSettings,
    LinkState, MeterRole, Wish,
};
use model::document::Document;
use model::id::{CircuitId, DeviceId, EvseId, SiteId, VehicleId};
use model::intent::{Intent, Rejection, Wanted};
use model::message::{ForeignWhat, ForeignWrite, Notice, Report, Reported};
use model::phases::{PerPhase, PhaseRotation, PhaseSet, Phases};
use model::reading::{EvseStatus, Measured, PilotState, Pushed};
use model::reason::Cause;
use model::setpoint::{Action, ChargeCurrent};
use model::settings::ControlSettings;
use model::site::{Circuit, Keeper, Site};
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts, PerMille, WattHours, Watts};
use model::vehicle::{SocSource, StateOfCharge, Vehicle};
use model::view::ForeignView;

use crate::{Change, Core, Directory, Record, Restored};

fn evse_id() -> EvseId {
    EvseId::new("left").unwrap()
}

fn device(id: &str, kind: DeviceKind) -> Device {
    Device {
        id: DeviceId::new(id).unwrap(),
        name: id.to_owned(),
        kind,
        circuit: CircuitId::new("house").unwrap(),
        enabled: true,
        period: Millis(1_000),
        link: LinkSettings::Goe(GoeLink::http("http://127.0.0.1")),
    }
}

fn site() -> Arc<Site> {
    let evse = Evse {
        id: evse_id(),
        name: "Left".to_owned(),
        terminals: PhaseSet::ALL,
        rotation: PhaseRotation::R231,
        min: MilliAmps(6_000),
        max: MilliAmps(16_000),
        step: MilliAmps(1_000),
        phase_switching: false,
        class: 1,
        weight: 1,
        fallback: ChargeCurrent::at_most(MilliAmps(6_000)),
        default_mode: ChargeMode::Fast,
        authorisation: AuthorisationMode::None,
        habits: model::habits::Habits::default(),
        dimmable: true,
        before_battery: false,
    };
    Arc::new(Site {
        id: SiteId::new("home").unwrap(),
        name: "Home".to_owned(),
        keeper: Keeper::Ours,
        time_zone: "UTC".to_owned(),
        position: None,
        nominal_voltage: MilliVolts(230_000),
        grid: model::grid::GridRules::default(),
        circuits: vec![Circuit {
            id: CircuitId::new("house").unwrap(),
            name: "House".to_owned(),
            parent: None,
            limit: PerPhase::all(MilliAmps(35_000)),
            power_limit: None,
            reserve: MilliAmps(0),
            credit: MilliAmps(0),
            meter: Some(DeviceId::new("grid").unwrap()),
        }],
        devices: vec![
            device(
                "grid",
                DeviceKind::Meter {
                    role: MeterRole::Grid,
                },
            ),
            device("station", DeviceKind::ChargingStation { evses: vec![evse] }),
        ],
    })
}

fn now(ms: i64) -> Now {
    Now {
        wall: Timestamp(1_000_000_000_000 + ms),
        monotonic: Monotonic(ms),
    }
}

fn core(restored: Restored) -> Core {
    Core::new(
        site(),
        ControlSettings::default(),
        3,
        restored,
        Millis(1_000),
        now(0),
    )
}

fn report(core: &mut Core, device: &str, report: Report, at: i64) {
    let device = DeviceId::new(device).unwrap();
    core.handle_report(&Reported {
        site: SiteId::new("home").unwrap(),
        device,
        at: now(at),
        report,
    });
}

fn grid(core: &mut Core, milliamps: i64, at: i64) {
    let measured = Measured {
        power: Some(Watts(milliamps * 3 * 230 / 1_000)),
        current: Some(PerPhase::all(MilliAmps(milliamps))),
        energy_in: Some(WattHours(1_000)),
        ..Measured::default()
    };
    report(core, "grid", Report::Measured(measured), at);
}

fn car(core: &mut Core, pilot: PilotState, obeyed: ChargeCurrent, drawn: i64, at: i64) {
    let status = EvseStatus {
        pilot,
        obeyed: Some(obeyed),
        terminals: if drawn > 0 { PhaseSet::ALL } else { PhaseSet::NONE },
        current: Some(PerPhase::all(MilliAmps(drawn))),
        ..EvseStatus::default()
    };
    report(
        core,
        "station",
        Report::Evse {
            evse: evse_id(),
            status,
        },
        at,
    );
}

fn weigh(core: &Core, wanted: Wanted) -> Result<Change, Rejection> {
    let intent = Intent {
        site: SiteId::new("home").unwrap(),
        by: "test".to_owned(),
        door: "test".to_owned(),
        wanted,
    };
    core.weigh(&intent, now(0).wall)
}

/// Runs a quiet site second by second; gives the setpoints that left.
fn run(
    core: &mut Core,
    from_s: i64,
    to_s: i64,
    mut each: impl FnMut(&mut Core, i64),
) -> Vec<(i64, ChargeCurrent)> {
    let mut told = Vec::new();
    for second in from_s..to_s {
        each(core, second * 1_000);
        core.handle_timeout(now(second * 1_000));
        while let Some(setpoint) = core.poll_setpoint() {
            assert_eq!(setpoint.epoch, 3);
            if let Action::Charge { current, .. } = setpoint.action {
                told.push((second, current));
            }
        }
    }
    told
}

fn alarms_written(core: &mut Core) -> Vec<(AlarmCode, i64, bool)> {
    let records = std::iter::from_fn(|| core.poll_record());
    let alarms = records.filter_map(|record| {
        let Record::Alarm(alarm) = record else {
            return None;
        };
        let raised = (alarm.raised - now(0).wall).0;
        Some((alarm.code, raised, alarm.cleared.is_some()))
    });
    alarms.collect()
}

/// A key of the vendor that the model does not know.
fn vendor(key: &str, value: &str) -> Wanted {
    Wanted::VendorWrite {
        evse: evse_id(),
        dialect: "goe".to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    }
}
