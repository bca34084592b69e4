//! Our client against our server in memory, with stepped time, losses and garbage.

use model::device::LinkState;
use model::gateway::Unit;
use model::message::Report;
use model::phases::PerPhase;
use model::reading::Measured;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliHertz, MilliVolts, PerMille, WattHours, Watts};
use proptest::prelude::*;

use super::{Client, Image, ModelInstance, Role, SunspecSettings, Window, map};
use crate::modbus::answer;
use crate::{Client as _, Event, Failure, Reply, Request};

/// What happens to one request on its way.
#[derive(Clone, Debug)]
enum Way {
    Answered,
    Lost,
    Replaced(Vec<u8>),
}

/// A client, the image it reads, and the time.
struct Pair {
    client: Client,
    image: Image,
    now_ms: i64,
    requests: usize,
    errors: Vec<String>,
    reports: Vec<Report>,
}

impl Pair {
    fn new(role: Role, image: Image) -> Self {
        let settings = SunspecSettings {
            name: "garage".to_owned(),
            unit: 3,
            role,
            poll: Millis(1_000),
        };
        let client = Client::new(settings);
        Self {
            client,
            image,
            now_ms: 0,
            requests: 0,
            errors: Vec::new(),
            reports: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now {
            wall: Timestamp(self.now_ms),
            monotonic: Monotonic(self.now_ms),
        }
    }

    /// Runs for a while; `way` decides what becomes of each request.
    fn run(&mut self, seconds: i64, mut way: impl FnMut(&[u8]) -> Way) {
        let end = self.now_ms + seconds * 1_000;
        loop {
            let due = self.client.poll_timeout().0.max(self.now_ms);
            if due >= end {
                self.now_ms = end;
                return;
            }
            self.now_ms = due;
            self.client.handle_timeout(self.now());
            self.exchange(&mut way);
        }
    }

    fn exchange(&mut self, way: &mut impl FnMut(&[u8]) -> Way) {
        while let Some(Request::Modbus { unit, pdu }) = self.client.poll_request() {
            assert_eq!(unit, 3);
            assert!(self.client.poll_request().is_none(), "one request at a time");
            self.requests += 1;
            assert!(self.requests < 100_000, "the client never stops asking");
            match way(&pdu) {
                Way::Answered => {
                    self.now_ms += 20;
                    let pdu = answer(&pdu, &mut self.image);
                    self.reply(pdu);
                }
                Way::Replaced(pdu) => {
                    self.now_ms += 20;
                    self.reply(pdu);
                }
                Way::Lost => {
                    self.now_ms += 2_000;
                    self.client
                        .handle_failure(&Failure::TimedOut { after_ms: 2_000 }, self.now());
                }
            }
            while let Some(Event::Report { report, .. }) = self.client.poll_event() {
                self.reports.push(report);
            }
        }
    }

    fn reply(&mut self, pdu: Vec<u8>) {
        if let Err(error) = self.client.handle_reply(Reply::Modbus { pdu }, self.now()) {
            self.errors.push(error.to_string());
        }
    }

    fn tell(&mut self, power: Option<i64>) {
        let now = self.now();
        self.client.handle_action(
            &Unit::only(),
            &Action::BatteryPower {
                power: power.map(Watts),
            },
            now,
        );
        self.exchange(&mut |_| Way::Answered);
    }

    fn measured(&self) -> Vec<&Measured> {
        let reports = self.reports.iter();
        reports
            .filter_map(|report| {
                if let Report::Measured(measured) = report {
                    return Some(measured);
                }
                None
            })
            .collect()
    }

    fn links(&self) -> Vec<&LinkState> {
        let reports = self.reports.iter();
        reports
            .filter_map(|report| {
                if let Report::Link(state) = report {
                    return Some(state);
                }
                None
            })
            .collect()
    }
}

fn all_answered(_: &[u8]) -> Way {
    Way::Answered
}

fn import() -> Measured {
    Measured {
        power: Some(Watts(1_380)),
        phase_power: Some(PerPhase::new(Watts(2_300), Watts(-1_150), Watts(230))),
        current: Some(PerPhase::new(
            MilliAmps(10_000),
            MilliAmps(-5_000),
            MilliAmps(1_000),
        )),
        voltage: Some(PerPhase::all(MilliVolts(230_000))),
        frequency: Some(MilliHertz(50_010)),
        energy_in: Some(WattHours(1_000_000)),
        energy_out: Some(WattHours(2_000_000)),
        ..Measured::default()
    }
}

fn identified(models: &[u16]) -> Vec<ModelInstance> {
    let mut instances = vec![ModelInstance::new(1)];
    instances.extend(models.iter().map(|id| ModelInstance::new(*id)));
    instances
}

fn meter_image() -> Image {
    let mut image = Image::new(&identified(&[203])).unwrap();
    image.set_text(1, "Mn", "Acme").unwrap();
    map::write_meter(&mut image, 203, &import()).unwrap();
    image
}

fn battery_image() -> Image {
    let mut image = Image::new(&identified(&[124, 802])).unwrap();
    for (point, value) in [
        ("WChaMax", 5_000),
        ("StorCtl_Mod", 0),
        ("InWRte", 100),
        ("OutWRte", 100),
    ] {
        image.set(124, point, value).unwrap();
    }
    let measured = Measured {
        power: Some(Watts(-400)),
        soc: Some(PerMille(560)),
        ..Measured::default()
    };
    map::write_battery(&mut image, &measured).unwrap();
    image
}

fn battery() -> Role {
    Role::Battery {
        max_charge: Watts(4_000),
        max_discharge: Watts(3_000),
    }
}

#[test]
fn a_meter_is_found_named_and_read_with_one_request_a_round() {
    let mut pair = Pair::new(Role::Meter, meter_image());
    pair.run(10, all_answered);
    assert_eq!(
        pair.reports[0],
        Report::Identity {
            text: "Acme".to_owned()
        }
    );
    assert_eq!(pair.reports[1], Report::Link(LinkState::Online));
    assert_eq!(pair.measured(), vec![&import(); 10]);
    // The mark, three headers, the identity, and then the rounds.
    assert_eq!(pair.requests, 5 + 10);
    assert_eq!(pair.errors, Vec::<String>::new());
}

#[test]
fn chains_are_found_at_all_three_bases_in_both_number_formats() {
    for base in [40_000, 50_000, 0] {
        for model in [203, 213] {
            let mut image = Image::at(base, &identified(&[160, model])).unwrap();
            map::write_meter(&mut image, model, &import()).unwrap();
            let mut pair = Pair::new(Role::Meter, image);
            pair.run(1, all_answered);
            assert_eq!(pair.measured(), [&import()], "model {model} at {base}");
        }
    }
}

#[test]
fn an_inverter_produces_negative_power() {
    let mut image = Image::new(&identified(&[103])).unwrap();
    image.set(103, "W", Watts(6_900)).unwrap();
    image.set(103, "AphA", MilliAmps(10_000)).unwrap();
    image.set(103, "AphB", MilliAmps(10_000)).unwrap();
    image.set(103, "AphC", MilliAmps(10_000)).unwrap();
    image.set(103, "WH", 77).unwrap();
    let mut pair = Pair::new(Role::Inverter, image);
    pair.run(1, all_answered);
    let expected = Measured {
        power: Some(Watts(-6_900)),
        current: Some(PerPhase::all(MilliAmps(-10_000))),
        energy_out: Some(WattHours(77)),
        ..Measured::default()
    };
    assert_eq!(pair.measured(), [&expected]);
}

#[test]
fn scale_factors_of_a_large_site_fit_by_being_coarser() {
    let scaled = ModelInstance::new(203).scale("W_SF", 1).scale("A_SF", -1);
    let mut image = Image::new(&[scaled]).unwrap();
    let measured = Measured {
        power: Some(Watts(123_450)),
        ..Measured::default()
    };
    map::write_meter(&mut image, 203, &measured).unwrap();
    let mut pair = Pair::new(Role::Meter, image);
    pair.run(1, all_answered);
    assert_eq!(pair.measured(), [&measured]);
}

#[test]
fn a_silent_meter_goes_offline_gives_no_readings_and_comes_back() {
    let mut pair = Pair::new(Role::Meter, meter_image());
    pair.run(3, all_answered);
    let before = pair.measured().len();
    pair.run(120, |_| Way::Lost);
    assert_eq!(pair.measured().len(), before);
    let problem = "cannot read register 40070 of meter \"garage\": no answer within 2 s; \
                   check unit id 3 and the RS-485 wiring";
    assert_eq!(
        pair.links()[1],
        &LinkState::Offline {
            problem: problem.to_owned()
        }
    );
    let requests = pair.requests;
    pair.run(300, |_| Way::Lost);
    assert!(
        pair.requests - requests <= 14,
        "{} requests in 300 s",
        pair.requests - requests
    );
    pair.run(33, all_answered);
    assert_eq!(pair.links().last(), Some(&&LinkState::Online));
    assert_eq!(pair.measured().last(), Some(&&import()));
}

#[test]
fn single_losses_do_not_make_a_meter_offline() {
    let mut pair = Pair::new(Role::Meter, meter_image());
    let mut count = 0;
    pair.run(60, |_| {
        count += 1;
        if count % 3 == 0 { Way::Lost } else { Way::Answered }
    });
    assert_eq!(pair.links(), [&LinkState::Online]);
    assert!(pair.measured().len() > 15);
}

#[test]
fn garbage_is_an_error_and_no_reading() {
    for (what, pdu, expected) in [
        ("exception", vec![0x83, 4], "exception 4 (server device failure)"),
        ("empty", vec![], "0 bytes"),
        ("short", vec![3, 4, 0, 0], "4 bytes"),
        ("other function", vec![6, 0, 0, 0, 0], "function 6"),
        (
            "zeros",
            [&[3, 110][..], &[0; 110]].concat(),
            "model 0 with 0 registers",
        ),
        (
            "ones",
            [&[3, 110][..], &[255; 110]].concat(),
            "model 65535 with 65535 registers",
        ),
    ] {
        let mut pair = Pair::new(Role::Meter, meter_image());
        pair.run(1, all_answered);
        pair.run(10, |_| Way::Replaced(pdu.clone()));
        assert_eq!(pair.measured().len(), 1, "{what}");
        assert!(matches!(pair.links()[1], LinkState::Offline { .. }), "{what}");
        let first = &pair.errors[0];
        assert!(
            first.starts_with("read register 40070 of meter \"garage\": "),
            "{first}"
        );
        assert!(first.contains(expected), "{what}: {first}");
    }
}

#[test]
fn absurd_values_are_no_readings() {
    let check = |point: &str, raw: i64, scale: (&str, i8)| {
        let mut image = Image::new(&[ModelInstance::new(203).scale(scale.0, scale.1)]).unwrap();
        map::write_meter(
            &mut image,
            203,
            &Measured {
                power: Some(Watts(0)),
                ..Measured::default()
            },
        )
        .unwrap();
        for phase in ["A", "B", "C"] {
            let digits = crate::modbus::Decimal::new(raw, scale.1);
            image.set(203, &format!("{point}{phase}"), digits).unwrap();
        }
        let mut pair = Pair::new(Role::Meter, image);
        pair.run(5, all_answered);
        assert_eq!(pair.measured().len(), 0, "{point} {raw}");
        assert!(!pair.errors.is_empty(), "{point} {raw}");
    };
    check("Aph", 7_000, ("A_SF", 0));
    check("PhVph", 13_000, ("V_SF", -1));
    check("PhVph", -2_300, ("V_SF", -1));
    check("Wph", 32_000, ("W_SF", 10));
}

#[test]
fn a_chain_that_moved_is_walked_again() {
    let mut pair = Pair::new(Role::Meter, meter_image());
    pair.run(2, all_answered);
    let mut moved = Image::new(&identified(&[124, 203])).unwrap();
    let other = Measured {
        power: Some(Watts(-77)),
        ..Measured::default()
    };
    map::write_meter(&mut moved, 203, &other).unwrap();
    pair.image = moved;
    pair.run(5, all_answered);
    assert_eq!(pair.errors.len(), 1, "{:?}", pair.errors);
    assert_eq!(pair.measured().last(), Some(&&other));
    assert_eq!(pair.links(), [&LinkState::Online]);
}

#[test]
fn a_device_of_another_kind_says_what_it_has() {
    let mut pair = Pair::new(Role::Inverter, meter_image());
    pair.run(30, all_answered);
    let LinkState::Offline { problem } = pair.links()[0] else {
        panic!("{:?}", pair.reports)
    };
    assert!(
        problem.contains("it has models 1, 203, and an inverter model (101"),
        "{problem}"
    );
}

#[test]
fn a_device_that_is_no_sunspec_says_so() {
    let mut pair = Pair::new(Role::Meter, Image::at(30_000, &identified(&[203])).unwrap());
    pair.run(30, all_answered);
    let LinkState::Offline { problem } = pair.links()[0] else {
        panic!("{:?}", pair.reports)
    };
    assert!(
        problem.contains("no mark `SunS` at 40000, 50000 or 0"),
        "{problem}"
    );
}

#[test]
fn a_battery_is_told_a_power_and_handed_back() {
    let mut pair = Pair::new(battery(), battery_image());
    pair.tell(Some(2_000));
    pair.run(3, all_answered);
    let exact = |watts| Window {
        at_least: Some(Watts(watts)),
        at_most: Some(Watts(watts)),
    };
    assert_eq!(Window::of(&pair.image), exact(2_000));
    let written: Vec<_> = pair
        .image
        .take_writes()
        .into_iter()
        .map(|write| write.point)
        .collect();
    assert_eq!(written, ["OutWRte", "InWRte", "StorCtl_Mod"]);
    let measured = pair.measured()[0];
    assert_eq!(
        (measured.power, measured.soc),
        (Some(Watts(-400)), Some(PerMille(560)))
    );

    pair.tell(Some(-10_000));
    assert_eq!(
        Window::of(&pair.image),
        exact(-3_000),
        "limited by the settings, and at once"
    );
    pair.run(3, all_answered);
    pair.image.take_writes();
    pair.run(100, all_answered);
    assert_eq!(pair.image.take_writes(), [], "what stands is not written again");

    pair.tell(None);
    assert_eq!(Window::of(&pair.image), Window::default());
    assert_eq!(pair.errors, Vec::<String>::new());
}

#[test]
fn a_battery_order_survives_losses_and_refusals() {
    for trouble in [
        Way::Lost,
        Way::Replaced(vec![0x90, 6]),
        Way::Replaced(vec![16, 0, 0, 0, 0]),
    ] {
        let mut pair = Pair::new(battery(), battery_image());
        pair.run(2, all_answered);
        pair.client.handle_action(
            &Unit::only(),
            &Action::BatteryPower {
                power: Some(Watts(1_000)),
            },
            pair.now(),
        );
        pair.run(5, |pdu| {
            if pdu[0] == 16 {
                trouble.clone()
            } else {
                Way::Answered
            }
        });
        assert_eq!(Window::of(&pair.image), Window::default());
        pair.run(3, all_answered);
        assert_eq!(Window::of(&pair.image).at_most, Some(Watts(1_000)), "{trouble:?}");
    }
}

#[test]
fn only_the_newest_order_is_written() {
    let mut pair = Pair::new(battery(), battery_image());
    pair.run(2, all_answered);
    for power in [100, 200, 300] {
        pair.client.handle_action(
            &Unit::only(),
            &Action::BatteryPower {
                power: Some(Watts(power)),
            },
            pair.now(),
        );
    }
    let mut writes = 0;
    pair.run(2, |pdu| {
        writes += usize::from(pdu[0] == 16);
        Way::Answered
    });
    assert_eq!(writes, 2);
    assert_eq!(Window::of(&pair.image).at_most, Some(Watts(300)));
}

#[test]
fn a_battery_that_only_measures_says_so_once() {
    let mut image = Image::new(&identified(&[802])).unwrap();
    map::write_battery(
        &mut image,
        &Measured {
            power: Some(Watts(1)),
            ..Measured::default()
        },
    )
    .unwrap();
    let mut pair = Pair::new(battery(), image);
    pair.tell(Some(2_000));
    pair.run(5, all_answered);
    assert_eq!(pair.errors.len(), 1, "{:?}", pair.errors);
    assert!(pair.errors[0].contains("expected model 124"), "{:?}", pair.errors);
    assert_eq!(pair.measured().len(), 5);
}

#[test]
fn writes_to_anything_else_are_refused() {
    let check = |address: u16, values: &[u16], expected: &[u8]| {
        let mut image = battery_image();
        let request = crate::modbus::pdu::Request::WriteRegisters {
            address,
            values: values.to_vec(),
        };
        let response = answer(&request.encode(), &mut image);
        assert_eq!(response[..2], *expected, "{address}");
    };
    let storage = 40_002 + 68;
    check(storage + 5, &[1], &[16, (storage >> 8).to_be_bytes()[1]]);
    check(storage + 8, &[1], &[0x90, 2]);
    check(storage + 18, &[0], &[0x90, 2]);
    check(storage, &[124, 24], &[0x90, 2]);
    check(storage + 7, &[1, 2], &[0x90, 2]);
    check(40_000, &[0], &[0x90, 2]);
    check(30_000, &[0], &[0x90, 2]);
    check(60_000, &[0], &[0x90, 2]);
}

#[test]
fn values_that_do_not_fit_are_refused_by_the_image() {
    let mut image = meter_image();
    for value in [32_768, -32_768, i64::MAX] {
        assert!(image.set(203, "W", value).is_err(), "{value}");
    }
    assert!(image.set(203, "W", -32_767).is_ok());
    assert!(image.set(203, "Mn", 1).is_err());
    assert!(image.set(103, "W", 1).is_err());
    assert!(image.set_in_block(203, 0, "DCW", 1).is_err());
    let mut sun = Image::new(&[ModelInstance::new(160).repeats(2)]).unwrap();
    assert!(sun.set_in_block(160, 1, "DCW", 1_500).is_ok());
    assert!(sun.set_in_block(160, 2, "DCW", 1_500).is_err());
    assert_eq!(sun.block(160).unwrap().raw("N"), Some(2));
    assert_eq!(sun.block(160).unwrap().registers[10 + 20 + 11], 1_500);
    assert!(Image::new(&[ModelInstance::new(9_999)]).is_err());
    assert!(Image::at(65_000, &identified(&[203, 203, 203, 203, 203])).is_err());
}

fn noise() -> impl Strategy<Value = Way> {
    prop_oneof![
        4 => Just(Way::Answered),
        1 => Just(Way::Lost),
        2 => prop::collection::vec(any::<u8>(), 0..260).prop_map(Way::Replaced),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in between, every reading that gets through is the true one.
    #[test]
    fn noise_never_becomes_a_reading(
        ways in prop::collection::vec(noise(), 1..60),
        flips in prop::collection::vec(any::<u8>(), 1..60),
    ) {
        let mut pair = Pair::new(Role::Meter, meter_image());
        let mut ways = ways.into_iter().zip(flips);
        // Long enough for the pauses behind each of them.
        pair.run(2_000, |pdu| match ways.next() {
            // Noise of the right length for what was asked.
            Some((Way::Replaced(_), flip)) if flip % 2 == 0 => {
                let bytes = pdu.get(4).copied().unwrap_or(0).wrapping_mul(2);
                Way::Replaced([&[3, bytes][..], &vec![flip; usize::from(bytes)]].concat())
            }
            Some((way, _)) => way,
            None => Way::Answered,
        });
        for measured in pair.measured() {
            prop_assert_eq!(measured, &import());
        }
        let links = pair.links();
        prop_assert_eq!(links.last(), Some(&&LinkState::Online));
    }

    /// Any order ends up as the exact power that was asked for, within limits and rounding.
    #[test]
    fn any_order_arrives(power in -20_000..20_000_i64, full in 1..60_000_i64) {
        let mut image = battery_image();
        image.set(124, "WChaMax", full).unwrap();
        let mut pair = Pair::new(battery(), image);
        pair.tell(Some(power));
        pair.run(3, all_answered);
        let asked = power.clamp(-3_000, 4_000).clamp(-full, full);
        let window = Window::of(&pair.image);
        prop_assert_eq!(window.at_least, window.at_most);
        let got = window.at_most.unwrap().0;
        prop_assert!(got.abs() <= asked.abs() && (asked - got).abs() <= full / 10_000 + 1, "{} for {}", got, asked);
    }
}
