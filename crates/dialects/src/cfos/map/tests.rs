use model::device::{
    AuthorisationMode, Device as Configured, DeviceKind, Evse as ConfiguredEvse, GoeLink, LinkSettings, Wish,
};
use model::endpoint::Endpoint;
use model::id::{CircuitId, DeviceId, EvseId, SiteId};
use model::phases::{PhaseRotation, PhaseSet};
use model::reading::{EvseStatus, Measured};
use model::reason::Reason;
use model::setpoint::ChargeCurrent;
use model::site::{Circuit, Keeper};
use model::time::{Millis, Now};
use model::units::{PerMille, WattHours, Watts};
use model::vendor::Keys;
use model::view::{CircuitView, CycleView, Flow, Overdraft};
use serde_json::Value;

use super::*;

const NOW: Timestamp = Timestamp(1_700_000_100_000);

fn device_id(id: &str) -> DeviceId {
    DeviceId::new(id).unwrap()
}

fn circuit(id: &str, parent: Option<&str>, amps: i64) -> Circuit {
    Circuit {
        id: CircuitId::new(id).unwrap(),
        name: id.to_owned(),
        parent: parent.map(|parent| CircuitId::new(parent).unwrap()),
        limit: PerPhase::all(MilliAmps::from_amps(amps)),
        power_limit: None,
        reserve: MilliAmps(1_000),
        credit: MilliAmps::ZERO,
        meter: None,
    }
}

fn device(id: &str, kind: DeviceKind, circuit: &str, link: LinkSettings) -> Configured {
    Configured {
        id: device_id(id),
        name: format!("the {id}"),
        kind,
        circuit: CircuitId::new(circuit).unwrap(),
        enabled: true,
        period: Millis(1_000),
        link,
    }
}

fn site() -> Site {
    let evse = ConfiguredEvse {
        id: EvseId::new("left").unwrap(),
        name: "Left".to_owned(),
        terminals: PhaseSet::ALL,
        rotation: PhaseRotation::R231,
        min: MilliAmps(6_000),
        max: MilliAmps(16_000),
        step: MilliAmps(1_000),
        phase_switching: true,
        class: 0,
        weight: 1,
        fallback: ChargeCurrent::PAUSED,
        default_mode: ChargeMode::Fast,
        authorisation: AuthorisationMode::None,
        habits: model::habits::Habits::default(),
        dimmable: true,
        before_battery: false,
    };
    let modbus = || LinkSettings::Sunspec {
        address: "127.0.0.1:1502".to_owned(),
        unit: 1,
    };
    Site {
        id: SiteId::new("home").unwrap(),
        name: "Home".to_owned(),
        keeper: Keeper::Ours,
        time_zone: "Europe/Vienna".to_owned(),
        position: None,
        nominal_voltage: MilliVolts(230_000),
        grid: model::grid::GridRules::default(),
        circuits: vec![circuit("house", None, 35), circuit("garage", Some("house"), 25)],
        devices: vec![
            device(
                "grid",
                DeviceKind::Meter {
                    role: MeterRole::Grid,
                },
                "house",
                modbus(),
            ),
            device(
                "left-station",
                DeviceKind::ChargingStation { evses: vec![evse] },
                "garage",
                LinkSettings::Goe(GoeLink::http("http://me:secret@192.168.1.50/x?token=abc")),
            ),
            device(
                "pv",
                DeviceKind::Inverter {
                    rated_power: None,
                    panels: Vec::new(),
                },
                "house",
                modbus(),
            ),
            device(
                "battery",
                DeviceKind::Battery {
                    capacity: None,
                    max_charge: Watts(3_000),
                    max_discharge: Watts(3_000),
                },
                "house",
                modbus(),
            ),
        ],
    }
}

fn view(site: &Site) -> SiteView {
    let measured = |id: &str| match id {
        "pv" => Measured {
            power: Some(Watts(-3_000)),
            current: Some(PerPhase::all(MilliAmps(-4_350))),
            voltage: Some(PerPhase::all(MilliVolts(230_600))),
            energy_in: Some(WattHours(5)),
            energy_out: Some(WattHours(90_000)),
            ..Measured::default()
        },
        "battery" => Measured {
            power: Some(Watts(500)),
            soc: Some(PerMille(615)),
            ..Measured::default()
        },
        _ => Measured {
            energy_in: Some(WattHours(7_120_572)),
            ..Measured::default()
        },
    };
    let devices = site.devices.iter().map(|device| DeviceView {
        id: device.id.clone(),
        name: device.name.clone(),
        kind: device.kind.name().to_owned(),
        role: if let DeviceKind::Meter { role } = device.kind {
            Some(role)
        } else {
            None
        },
        circuit: device.circuit.clone(),
        enabled: true,
        link: LinkState::Online,
        last_seen: Some(NOW),
        is_fresh: true,
        measured: measured(device.id.as_str()),
        identity: Some("maker,model".to_owned()),
        controls: Default::default(),
    });
    let (station, evse) = site.evses().next().unwrap();
    let evse = EvseView {
        id: evse.id.clone(),
        name: evse.name.clone(),
        station: station.id.clone(),
        circuit: station.circuit.clone(),
        terminals: evse.terminals,
        rotation: evse.rotation,
        min: evse.min,
        max: evse.max,
        phase_switching: true,
        wish: Wish::default_of(evse),
        status: EvseStatus {
            pilot: PilotState::C,
            terminals: PhaseSet::L1,
            ..EvseStatus::default()
        },
        current: PerPhase::new(MilliAmps::ZERO, MilliAmps(10_000), MilliAmps::ZERO),
        power: Watts(2_300),
        setpoint: ChargeCurrent::at_most(MilliAmps(10_000)),
        phases: None,
        granted: ChargeCurrent::at_most(MilliAmps(10_000)),
        reason: Reason {
            cause: Cause::StartingUp,
            since: Timestamp(1_700_000_000_000),
        },
        plugged_since: None,
        authorisation: AuthorisationMode::None,
        session: None,
        cards: [].into(),
        cap: None,
        price_allows: None,
        pushed: None,
        foreign: None,
        keys: Keys::new(),
        dialect: None,
    };
    SiteView {
        id: site.id.clone(),
        name: site.name.clone(),
        time_zone: site.time_zone.clone(),
        epoch: 1,
        at: Now {
            wall: NOW,
            ..Now::default()
        },
        flow: Flow {
            evses: Watts(2_300),
            ..Flow::default()
        },
        circuits: vec![CircuitView {
            id: CircuitId::new("house").unwrap(),
            name: "house".to_owned(),
            parent: None,
            limit: PerPhase::all(MilliAmps(35_000)),
            current: Some(PerPhase::new(
                MilliAmps(36_500),
                MilliAmps(10_000),
                MilliAmps::ZERO,
            )),
            headroom: Some(PerPhase::new(
                MilliAmps(-1_500),
                MilliAmps(20_000),
                MilliAmps(30_000),
            )),
        }],
        devices: devices.collect(),
        evses: vec![evse],
        alarms: Vec::new(),
        overdraft: Overdraft::default(),
        rules: [].into(),
        cycle: CycleView::default(),
    }
}

fn answer(view: &SiteView) -> Value {
    serde_json::to_value(dev_info(&site(), view, &ControlSettings::default(), NOW)).unwrap()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[test]
fn every_member_of_the_vendors_page_and_of_known_clients_is_there_with_its_type() {
    let answer = answer(&view(&site()));
    let golden = include_str!("../../../testdata/cfos/get_dev_info_keys.txt");
    let mut part = &Value::Null;
    let mut count = 0;
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[') {
            part = match section.trim_end_matches(']').trim_start_matches("clients ") {
                "params" => &answer["params"],
                "vsn" => &answer["params"]["vsn"],
                "evse" => &answer["devices"][0],
                "socket" => &answer["devices"][0]["evse"],
                "meter" => &answer["devices"][1],
                other => panic!("{other}"),
            };
            continue;
        }
        let (key, kind) = line.split_once(' ').unwrap();
        assert_eq!(part.get(key).map(type_of), Some(kind), "{line}");
        count += 1;
    }
    assert_eq!(count, 91);
}

#[test]
fn ids_follow_the_configuration_evses_first() {
    let answer = answer(&view(&site()));
    let ids: Vec<&str> = answer["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["dev_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["E1", "M1", "M2", "M3"]);
    let roles: Vec<_> = (1..4)
        .map(|at| answer["devices"][at]["role"].as_i64().unwrap())
        .collect();
    assert_eq!(roles, [3, 2, 5]);
}

#[test]
fn production_is_positive_and_voltages_are_rounded() {
    let answer = answer(&view(&site()));
    let pv = &answer["devices"][2];
    assert_eq!(pv["power_w"], 3_000);
    assert_eq!(pv["power"], 3_000);
    assert_eq!(pv["current_l2"], 4_350);
    assert_eq!(pv["voltage_l3"], 231);
    assert_eq!(
        (pv["import"].as_i64(), pv["export"].as_i64()),
        (Some(90_000), Some(5))
    );
    assert_eq!(answer["devices"][3]["soc"], 61);
}

#[test]
fn params_say_limits_and_what_is_left() {
    let params = &answer(&view(&site()))["params"];
    assert_eq!(params["max_total_current"], 35_000);
    assert_eq!(params["max_total_evse_current"], 25_000);
    assert_eq!(params["max_overdraft_cur"], 1_500);
    assert_eq!(params["avail_evse_power"], 2_300 + 4_600 + 6_900);
    assert_eq!(params["time"], 1_700_000_100);
    assert_eq!(params["max_total_power"], 24_150);
}

#[test]
fn an_address_shows_host_and_port_only() {
    for (url, expected) in [
        ("http://me:secret@192.168.1.50/x?token=abc", "192.168.1.50"),
        ("http://192.168.1.50:8080", "192.168.1.50:8080"),
        ("10.0.0.1:502", "10.0.0.1:502"),
        ("me:secret@10.0.0.1:502", "10.0.0.1:502"),
    ] {
        assert_eq!(Endpoint::of(url).to_string(), expected, "{url}");
    }
    assert!(!answer(&view(&site())).to_string().contains("secret"));
}

#[test]
fn the_state_follows_pilot_setpoint_and_link() {
    let charging = ChargeCurrent::at_most(MilliAmps(10_000));
    for (pilot, setpoint, is_online, power, expected) in [
        (PilotState::A, ChargeCurrent::PAUSED, true, 0, 1),
        (PilotState::B, charging, true, 0, 2),
        (PilotState::C, ChargeCurrent::PAUSED, true, 0, 2),
        (PilotState::C, ChargeCurrent::PAUSED, true, 900, 3),
        (PilotState::C, charging, true, 0, 3),
        (PilotState::D, charging, true, 900, 4),
        (PilotState::E, charging, true, 0, 5),
        (PilotState::C, charging, false, 900, 6),
    ] {
        let mut view = view(&site());
        view.evses[0].status.pilot = pilot;
        view.evses[0].setpoint = setpoint;
        view.evses[0].power = Watts(power);
        if !is_online {
            view.devices[1].link = LinkState::Offline {
                problem: "GET http://secret failed".to_owned(),
            };
        }
        let evse = &answer(&view)["devices"][0];
        assert_eq!(
            evse["state"], expected,
            "{pilot:?} {setpoint:?} {is_online} {power}"
        );
        assert_eq!(evse["com_err"], !is_online);
        assert_eq!(
            evse["last_error"],
            if is_online {
                ""
            } else {
                "not connected: 192.168.1.50"
            }
        );
    }
}

#[test]
fn a_pause_is_told_with_its_length_and_an_override_with_its_current() {
    let mut view = view(&site());
    view.evses[0].setpoint = ChargeCurrent::PAUSED;
    view.evses[0].reason.cause = Cause::NoSurplus {
        available: Watts(0),
        needed: Watts(1_380),
    };
    view.evses[0].wish.current = MilliAmps(9_000);
    let evse = &answer(&view)["devices"][0];
    assert_eq!(
        (evse["paused"].as_bool(), evse["pause_time"].as_i64()),
        (Some(true), Some(100))
    );
    assert_eq!(evse["pause_reason"], 2);
    assert_eq!(evse["ov_cur"], 9_000);

    view.evses[0].wish.current = view.evses[0].max;
    view.evses[0].wish.force = Force::Off;
    let evse = &answer(&view)["devices"][0];
    assert_eq!(
        (evse["paused"].as_bool(), evse["pause_time"].as_i64()),
        (Some(false), Some(300))
    );
    assert_eq!(evse["overrides"], 1);
    assert!(evse.get("ov_cur").is_none());
    // Terminal L1 is wired to grid phase L2.
    assert_eq!(
        (evse["used_phases"].as_u64(), evse["phases"].as_u64()),
        (Some(7), Some(2))
    );
}
