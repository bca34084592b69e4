//! Two plants of an account: a home with everything but a logger, and a barn with storage behind one.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::alarm::{Acknowledged, Alarm, AlarmCode, Severity};
use model::control::{Choice, Control, Controls, Order, Range};
use model::device::{ChargeMode, Force, MeterRole, Wish};
use model::id::{DeviceId, EvseId, SiteId, UserId};
use model::intent::Wanted;
use model::money::PerKwh;
use model::phases::PerPhase;
use model::reading::{Measured, PilotState, Quantity};
use model::site::Position;
use model::time::{Millis, Timestamp};
use model::units::{MilliAmps, MilliHertz, MilliVolts, PerMille, WattHours, Watts};
use model::view::Flow;

use super::super::params::DeviceName;
use super::super::scene::{
    Account, AccountTexts, Charger, Device, DeviceType, Field, Gateway, LastLogin, Plant, Raw, Role, Scene,
    Sheet,
};
use super::super::time;
use super::super::want::{Deed, Done, Got, Per, Series, Session, Subject, Want};
use super::{SECRET, TOKEN};

pub const HOME_PN: &str = "G0916522248153";
pub const BARN_PN: &str = "E5000099990001";
pub const PV: &str = "&pn=G0916522248153&devcode=512&devaddr=1&sn=9900000000001";
pub const METER: &str = "&pn=G0916522248153&devcode=1024&devaddr=2&sn=9900000000002";
pub const BATTERY: &str = "&pn=G0916522248153&devcode=2304&devaddr=3&sn=9900000000003";
pub const CHARGER: &str = "&pn=G0916522248153&devcode=2048&devaddr=4&sn=9900000000004";
pub const STORAGE: &str = "&pn=E5000099990001&devcode=2341&devaddr=1&sn=92932004102443";

/// What a scene borrows.
pub struct World {
    pub now: Timestamp,
    pub caller: Account,
    pub others: Vec<Account>,
    pub plants: Vec<Plant>,
    pub gateways: Vec<Gateway>,
    pub devices: Vec<Device>,
    pub all_plants: BTreeSet<i64>,
}

impl World {
    pub fn scene(&self) -> Scene<'_> {
        Scene {
            now: self.now,
            caller: &self.caller,
            others: &self.others,
            plants: &self.plants,
            gateways: &self.gateways,
            devices: &self.devices,
            all_plants: &self.all_plants,
        }
    }

    pub fn device(&mut self, id: &str) -> &mut Device {
        self.devices
            .iter_mut()
            .find(|device| device.id.as_str() == id)
            .unwrap()
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn site(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
}

fn device_id(id: &str) -> DeviceId {
    DeviceId::new(id).unwrap()
}

pub fn account(uid: i64, usr: &str, role: Role) -> Account {
    Account {
        uid,
        usr: usr.to_owned(),
        role,
        is_enabled: true,
        created: at("2026-01-02T03:04:05Z"),
        last_login: Some(LastLogin {
            at: at("2026-06-15T09:00:00Z"),
            from: "192.0.2.7".to_owned(),
        }),
        may_control: role != Role::Browser,
        may_edit: role != Role::Browser,
        texts: AccountTexts {
            email: format!("{usr}@example.org"),
            ..AccountTexts::default()
        },
    }
}

fn device(name: &str, site_id: &str, id: &str, pid: i64, kind: DeviceType) -> Device {
    Device {
        name: DeviceName::read(name).unwrap(),
        site: site(site_id),
        id: device_id(id),
        evse: None,
        pid,
        alias: id.to_uppercase(),
        kind,
        is_online: true,
        is_fresh: true,
        last_seen: Some(at("2026-06-15T09:59:58Z")),
        alarm: None,
        measured: Measured::default(),
        fields: None,
        rated: None,
        identity: None,
        charger: None,
        controls: Controls::default(),
        raw: None,
    }
}

fn field(key: &str, title: &str, unit: &str, val: &str) -> Field {
    Field {
        key: key.to_owned(),
        title: title.to_owned(),
        unit: unit.to_owned(),
        val: val.to_owned(),
    }
}

fn plant(pid: i64, id: &str, name: &str) -> Plant {
    Plant {
        pid,
        pn: if pid == 1 { HOME_PN } else { BARN_PN }.to_owned(),
        site: site(id),
        name: name.to_owned(),
        owner: 1,
        owner_name: "vplant".to_owned(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        position: Some(Position {
            latitude_udeg: 52_520_008,
            longitude_udeg: -1_404_954,
        }),
        nominal_voltage: MilliVolts(230_000),
        created: at("2025-12-31T23:30:00Z"),
        sheet: Sheet::default(),
        flow: Flow::default(),
        has_open_alarm: false,
    }
}

pub fn world() -> World {
    let mut home = plant(1, "home", "Home");
    home.sheet.offset = WattHours(500_500);
    home.sheet.prices.unit = PerKwh(310_000);
    home.sheet.prices.sold = PerKwh(82_000);
    home.sheet.currency.symbol = "€".to_owned();
    home.sheet.currency.code = "EUR".to_owned();
    home.sheet.address.city = "Musterstadt".to_owned();
    home.has_open_alarm = true;
    home.flow = Flow {
        grid: Some(Watts(-1_200)),
        pv: Some(Watts(-4_321)),
        battery: Some(Watts(1_500)),
        evses: Watts(0),
        house: Some(Watts(1_621)),
    };
    let mut barn = plant(2, "barn", "Barn 谷仓");
    barn.flow = Flow {
        battery: Some(Watts(-300)),
        house: Some(Watts(300)),
        ..Flow::default()
    };

    let mut pv = device(
        "G0916522248153,512,1,9900000000001",
        "home",
        "pv",
        1,
        DeviceType::Inverter,
    );
    pv.rated = Some(Watts(10_000));
    pv.identity = Some("Example Solar X10".to_owned());
    pv.alarm = Some(Severity::Warning);
    pv.measured = Measured {
        power: Some(Watts(-4_321)),
        energy_out: Some(WattHours(12_345_678)),
        voltage: Some(PerPhase::new(
            MilliVolts(230_700),
            MilliVolts(231_000),
            MilliVolts(229_950),
        )),
        current: Some(PerPhase::new(
            MilliAmps(-6_250),
            MilliAmps(-6_200),
            MilliAmps(-6_300),
        )),
        frequency: Some(MilliHertz(49_980)),
        ..Measured::default()
    };
    pv.fields = Some(Arc::new([
        field("pv1_voltage", "DC 1", "V", "608.4"),
        field("grid_frequency", "again", "Hz", "1"),
        field("vendor_word", "Vendor word", "", "run"),
    ]));

    let grid = DeviceType::Meter(MeterRole::Grid);
    let mut meter = device("G0916522248153,1024,2,9900000000002", "home", "meter", 1, grid);
    meter.measured = Measured {
        power: Some(Watts(-1_200)),
        energy_in: Some(WattHours(7_000_000)),
        energy_out: Some(WattHours(8_000_500)),
        voltage: Some(PerPhase::new(
            MilliVolts(230_100),
            MilliVolts(230_200),
            MilliVolts(230_300),
        )),
        frequency: Some(MilliHertz(50_020)),
        ..Measured::default()
    };

    let mut battery = device(
        "G0916522248153,2304,3,9900000000003",
        "home",
        "battery",
        1,
        DeviceType::Battery,
    );
    battery.rated = Some(Watts(5_000));
    battery.measured = Measured {
        power: Some(Watts(1_500)),
        soc: Some(PerMille(555)),
        energy_in: Some(WattHours(2_000_000)),
        energy_out: Some(WattHours(1_800_000)),
        ..Measured::default()
    };

    let mut charger = device(
        "G0916522248153,2048,4,9900000000004",
        "home",
        "charger",
        1,
        DeviceType::Charger,
    );
    charger.measured = Measured {
        power: Some(Watts(0)),
        energy_in: Some(WattHours(900_000)),
        ..Measured::default()
    };
    charger.charger = Some(Charger {
        evse: EvseId::new("charger").unwrap(),
        min: MilliAmps(6_000),
        max: MilliAmps(16_000),
        switches_phases: true,
        wish: Wish {
            mode: ChargeMode::Solar,
            force: Force::Neutral,
            current: MilliAmps(16_000),
            phases: None,
            energy_limit: None,
            price_limit: None,
        },
        pilot: PilotState::B,
        session_energy: Some(WattHours(1_250)),
    });

    let mut storage = device(
        "E5000099990001,2341,1,92932004102443",
        "barn",
        "storage",
        2,
        DeviceType::Battery,
    );
    storage.rated = Some(Watts(3_000));
    storage.measured.soc = Some(PerMille(900));
    storage.fields = Some(Arc::new([
        field("battery_voltage", "Battery voltage", "V", "52.1"),
        field("battery_current", "Battery current", "A", "-5.8"),
        field("pv1_voltage", "PV1 voltage", "V", "310.5"),
    ]));
    let choice = |key: &str, label: &str| Choice {
        key: key.to_owned(),
        label: label.to_owned(),
    };
    let output_source = Control {
        id: "bse_output_source".to_owned(),
        title: "Output source".to_owned(),
        unit: String::new(),
        range: Range::Choices {
            choices: vec![choice("0", "Utility"), choice("1", "Solar")],
        },
        value: None,
    };
    let bulk = Control {
        id: "bat_bulk".to_owned(),
        title: "Bulk voltage".to_owned(),
        unit: "V".to_owned(),
        range: Range::Number {
            least: 480,
            most: 580,
            step: 1,
            decimals: 1,
        },
        value: Some("56.4".to_owned()),
    };
    storage.controls = Controls {
        list: Arc::new([output_source, bulk]),
        takes_questions: true,
    };
    storage.raw = Some(Raw {
        at: at("2026-06-15T09:59:58Z"),
        bytes: vec![0x17, 0xC4, 0x16, 0xC5],
    });

    World {
        now: at("2026-06-15T10:00:00Z"),
        caller: account(1, "vplant", Role::Owner),
        others: vec![account(7, "solar home", Role::Browser)],
        plants: vec![home, barn],
        gateways: vec![
            Gateway {
                pn: HOME_PN.to_owned(),
                pid: 1,
                alias: "Home".to_owned(),
                period: Millis(1_000),
                is_online: true,
                kind: None,
                firmware: None,
            },
            Gateway {
                pn: BARN_PN.to_owned(),
                pid: 2,
                alias: "Barn logger".to_owned(),
                period: Millis(30_000),
                is_online: true,
                kind: Some(8),
                firmware: Some("1.2.3".to_owned()),
            },
        ],
        devices: vec![pv, meter, battery, charger, storage],
        all_plants: BTreeSet::from([1, 2, 3]),
    }
}

pub fn alarms() -> Vec<Alarm> {
    let alarm = |site_id: &str, device: Option<&str>, code, severity, raised: &str| Alarm {
        site: site(site_id),
        device: device.map(device_id),
        code,
        severity,
        text: "what the engine says".to_owned(),
        raised: at(raised),
        cleared: None,
        acknowledged: None,
    };
    let mut over = alarm(
        "home",
        Some("meter"),
        AlarmCode::MeterSilent,
        Severity::Error,
        "2026-06-10T08:00:00Z",
    );
    over.cleared = Some(at("2026-06-10T08:05:00Z"));
    let mut seen = alarm(
        "home",
        None,
        AlarmCode::StoreFailing,
        Severity::Error,
        "2026-06-12T08:00:00Z",
    );
    seen.acknowledged = Some(Acknowledged {
        by: UserId::new("anna").unwrap(),
        at: at("2026-06-12T09:00:00Z"),
    });
    vec![
        alarm(
            "home",
            Some("pv"),
            AlarmCode::NotFollowing,
            Severity::Warning,
            "2026-06-14T08:00:00Z",
        ),
        seen,
        over,
    ]
}

/// Values of a history that is easy to reckon with: what has a counter gives 10 kWh and 100 Wh for the number of
/// its day, month or year; its curves have three slots in the morning.
pub fn fetch(want: &Want, world: &World) -> Got {
    let has_history = |series: &Series| match &series.subject {
        Subject::Device(id) => id.as_str() != "storage",
        Subject::Evse(_) => false,
        Subject::House => true,
    };
    match want {
        Want::Energy {
            of,
            zone,
            from,
            to,
            per,
        } => {
            let today = time::day_of(world.now, zone);
            let count = i64::try_from(of.iter().filter(|series| has_history(series)).count()).unwrap();
            let mut rows = Vec::new();
            let mut start = *from;
            while start < *to {
                let (number, next) = match per {
                    Per::Day => (i64::from(start.day()), time::next_day(start)),
                    Per::Month => (i64::from(start.month()), time::next_month(start)),
                    Per::Year => (i64::from(start.year()), time::next_year(start)),
                };
                let energy = WattHours(count * (10_000 + number * 100));
                rows.push((count > 0 && start <= today).then_some(energy));
                start = next;
            }
            Got::Energy(rows)
        }
        Want::Newest(of) => {
            let value = |series: &Series| has_history(series).then_some(4_000_000);
            Got::Newest(of.iter().map(value).collect())
        }
        Want::Years { of, to, .. } => {
            let count = i64::try_from(of.iter().filter(|series| has_history(series)).count()).unwrap();
            let years = [to.year() - 1, to.year()].into_iter().filter(|_| count > 0);
            let energy = |year: i16| WattHours(count * (1_000_000 + i64::from(year)));
            Got::Years(years.map(|year| (year, energy(year))).collect())
        }
        Want::Curve { of, from, to, step } => {
            let curve = |series: &Series| {
                let kept = [
                    (Quantity::Power, -2_000, -100),
                    (Quantity::EnergyOut, 5_000_000, 150),
                    (Quantity::EnergyIn, 5_000_000, 150),
                    (Quantity::Soc, 500, 5),
                    (Quantity::Frequency, 50_000, -10),
                ];
                let Some((_, first, rise)) = kept.into_iter().find(|kept| kept.0 == series.quantity) else {
                    return Vec::new();
                };
                let is_house = series.subject == Subject::House;
                let (first, rise) = if is_house { (600, 10) } else { (first, rise) };
                let morning = from.0 + 10 * 3_600_000;
                (0..3)
                    .map(|nth| (Timestamp(morning + nth * step.0), first + rise * nth))
                    .filter(|(at, _)| has_history(series) && *at < *to && *at < world.now)
                    .collect()
            };
            Got::Curve(of.iter().map(curve).collect())
        }
        Want::Alarms { sites } => {
            let mut alarms = alarms();
            alarms.retain(|alarm| sites.contains(&alarm.site));
            Got::Alarms(alarms)
        }
        Want::Do(deed) => Got::Done(Ok(match deed {
            Deed::Renew => Done::Session(Box::new(session(world))),
            Deed::Wanted {
                wanted: Wanted::Order { order, .. },
                ..
            } => Done::Answered(Some(match order {
                Order::Question { .. } => b"(230.7\r".to_vec(),
                Order::Set { .. } => vec![0x01, 0x10, 0xAB],
            })),
            Deed::Wanted { .. } => Done::Answered(None),
            Deed::EditPlant { .. }
            | Deed::ChangePassword { .. }
            | Deed::AddBrowser { .. }
            | Deed::AddLogger { .. } => Done::Plain,
        })),
    }
}

pub fn session(world: &World) -> Session {
    Session {
        token: TOKEN.to_owned(),
        secret: SECRET.to_owned(),
        lasts: Millis::from_seconds(604_800),
        account: world.caller.clone(),
    }
}
