//! Definitions against registers in memory, with stepped time, losses and garbage.

use std::collections::BTreeMap;

use model::device::LinkState;
use model::message::Report;
use model::phases::PerPhase;
use model::reading::{Measured, Quality};
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliHertz, MilliVolts, WattHours, Watts};
use proptest::prelude::*;

use super::{Client, Definition, Exception, ModbusSettings, Registers, answer};
use crate::{Client as _, Event, Failure, Reply, Request};

/// Registers at some addresses, in both tables.
#[derive(Clone, Debug, Default)]
struct Device(BTreeMap<u16, u16>);

impl Device {
    fn with(values: &[(u16, &[u16])]) -> Self {
        let mut registers = BTreeMap::new();
        for (address, words) in values {
            for (register, word) in (*address..).zip(words.iter()) {
                registers.insert(register, *word);
            }
        }
        Self(registers)
    }

    /// Floats, high word first.
    fn floats(values: &[(u16, f32)]) -> Self {
        let mut registers = BTreeMap::new();
        for (address, value) in values {
            let [a, b, c, d] = value.to_be_bytes();
            registers.insert(*address, u16::from_be_bytes([a, b]));
            registers.insert(address + 1, u16::from_be_bytes([c, d]));
        }
        Self(registers)
    }

    /// Everything between the values reads as zero.
    fn without_holes(mut self) -> Self {
        let last = self.0.keys().next_back().copied().unwrap_or(0);
        for register in 0..=last {
            self.0.entry(register).or_insert(0);
        }
        self
    }
}

impl Registers for Device {
    fn read_holding(&self, address: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let registers = (address..).take(usize::from(count));
        registers
            .map(|register| self.0.get(&register).copied().ok_or(Exception::IllegalAddress))
            .collect()
    }
    fn write_holding(&mut self, _address: u16, _values: &[u16]) -> Result<(), Exception> {
        Err(Exception::IllegalFunction)
    }
}

fn at(ms: i64) -> Now {
    Now {
        wall: Timestamp(ms),
        monotonic: Monotonic(ms),
    }
}

fn client(definition: Definition) -> Client {
    let (name, poll) = ("garage".to_owned(), Millis(1_000));
    Client::new(ModbusSettings {
        name,
        unit: 7,
        definition,
        poll,
    })
}

/// One round at `now_ms`: what the client reports and the first error. `way` is the reply to each request.
fn round(
    client: &mut Client,
    now_ms: i64,
    mut way: impl FnMut(Vec<u8>) -> Option<Vec<u8>>,
) -> (Vec<Report>, Option<String>) {
    let mut error = None;
    client.handle_timeout(at(now_ms));
    while let Some(Request::Modbus { unit, pdu }) = client.poll_request() {
        assert_eq!(unit, 7);
        match way(pdu) {
            Some(pdu) => {
                let result = client.handle_reply(Reply::Modbus { pdu }, at(now_ms));
                error = error.or(result.err().map(|error| error.to_string()));
            }
            None => client.handle_failure(&Failure::TimedOut { after_ms: 2_000 }, at(now_ms)),
        }
    }
    (
        std::iter::from_fn(|| client.poll_event())
            .filter_map(Event::into_report)
            .collect(),
        error,
    )
}

/// What a definition makes of a device in one round.
fn read(definition: Definition, device: &Device) -> Result<Measured, String> {
    let mut device = device.clone();
    let (reports, error) = round(&mut client(definition), 0, |pdu| Some(answer(&pdu, &mut device)));
    match (reports.into_iter().next_back(), error) {
        (Some(Report::Measured(measured)), None) => Ok(measured),
        (report, error) => Err(error.unwrap_or_else(|| format!("{report:?}"))),
    }
}

fn built_in(name: &str) -> Definition {
    Definition::built_in(name).unwrap()
}

fn amps(l1: i64, l2: i64, l3: i64) -> Option<PerPhase<MilliAmps>> {
    Some(PerPhase::new(MilliAmps(l1), MilliAmps(l2), MilliAmps(l3)))
}

fn watts(l1: i64, l2: i64, l3: i64) -> Option<PerPhase<Watts>> {
    Some(PerPhase::new(Watts(l1), Watts(l2), Watts(l3)))
}

fn sdm630() -> Device {
    Device::floats(&[
        (0, 230.5),
        (2, 231.0),
        (4, 229.0),
        (6, 10.0),
        (8, 5.0),
        (10, 0.5),
        (12, 2_300.4),
        (14, -1_150.0),
        (16, 0.0),
        (0x34, 1_150.4),
        (0x46, 50.02),
        (0x48, 1_234.5),
        (0x4A, 0.25),
    ])
    .without_holes()
}

fn sdm630_reading() -> Measured {
    Measured {
        power: Some(Watts(1_150)),
        phase_power: watts(2_300, -1_150, 0),
        current: amps(10_000, -5_000, 500),
        voltage: Some(PerPhase::new(
            MilliVolts(230_500),
            MilliVolts(231_000),
            MilliVolts(229_000),
        )),
        frequency: Some(MilliHertz(50_020)),
        energy_in: Some(WattHours(1_234_500)),
        energy_out: Some(WattHours(250)),
        ..Measured::default()
    }
}

#[test]
fn an_eastron_reads_floats() {
    assert_eq!(read(built_in("eastron-sdm630"), &sdm630()), Ok(sdm630_reading()));
    let expected = Measured {
        power: Some(Watts(-460)),
        phase_power: watts(-460, 0, 0),
        current: amps(-2_000, 0, 0),
        voltage: Some(PerPhase::new(MilliVolts(230_000), MilliVolts(0), MilliVolts(0))),
        frequency: Some(MilliHertz(50_000)),
        energy_in: Some(WattHours(0)),
        energy_out: Some(WattHours(77_000)),
        soc: None,
        quality: Quality::Derived,
    };
    let device = Device::floats(&[
        (0, 230.0),
        (6, 2.0),
        (12, -460.0),
        (0x46, 50.0),
        (0x48, 0.0),
        (0x4A, 77.0),
    ]);
    assert_eq!(
        read(built_in("eastron-sdm120"), &device.without_holes()),
        Ok(expected)
    );
}

#[test]
fn a_carlo_gavazzi_reads_low_words_first_and_knows_no_holes() {
    let mut device = Device::with(&[
        (0x00, &[2_305, 0, 2_310, 0, 2_290, 0]),
        (0x0C, &[10_000, 0, 5_000, 0, 500, 0]),
        (0x12, &[23_004, 0, 0xD314, 0xFFFF, 4, 0]),
        (0x28, &[11_504, 0]),
        (0x33, &[500]),
        (0x34, &[1, 2]),
        (0x4E, &[5, 0]),
    ]);
    let expected = Measured {
        power: Some(Watts(1_150)),
        phase_power: watts(2_300, -1_150, 0),
        current: amps(10_000, -5_000, 500),
        voltage: Some(PerPhase::new(
            MilliVolts(230_500),
            MilliVolts(231_000),
            MilliVolts(229_000),
        )),
        frequency: Some(MilliHertz(50_000)),
        energy_in: Some(WattHours(13_107_300)),
        energy_out: Some(WattHours(500)),
        ..Measured::default()
    };
    for name in ["carlo-gavazzi-em340", "carlo-gavazzi-em24-ethernet"] {
        assert_eq!(read(built_in(name), &device), Ok(expected.clone()), "{name}");
    }
    // One current out of range: none is reported, and the rest stays.
    device.0.extend([(0x0E, 0xFFFF), (0x0F, 0x7FFF)]);
    let without = Measured {
        current: None,
        ..expected
    };
    assert_eq!(read(built_in("carlo-gavazzi-em340"), &device), Ok(without));
}

#[test]
fn an_abb_reads_hundredths_and_marks() {
    let device = Device::with(&[
        (0x5000, &[0, 0, 0, 123, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF]),
        (0x5B00, &[0, 2_301, 0, 2_302, 0, 2_303, 0, 0, 0, 0, 0, 0]),
        (0x5B0C, &[0, 1_600, 0, 800, 0, 0, 0, 0]),
        (0x5B14, &[0xFFFF, 0xFF9C, 0, 50, 0xFFFF, 0xFF6A, 0, 0]),
        (0x5B2C, &[4_998]),
    ]);
    let device = device.without_holes();
    let measured = read(built_in("abb-b23-b24"), &device).unwrap();
    assert_eq!(measured.power, Some(Watts(-1)));
    assert_eq!(measured.current, amps(16_000, -8_000, 0));
    assert_eq!(measured.frequency, Some(MilliHertz(49_980)));
    assert_eq!(
        (measured.energy_in, measured.energy_out),
        (Some(WattHours(1_230)), None)
    );
}

#[test]
fn a_cfos_meter_has_no_phase_powers() {
    let device = Device::with(&[(8_058, &[0, 0, 1, 0, 0, 4_140, 0, 60, 0, 61, 0, 59])]);
    let expected = Measured {
        power: Some(Watts(4_140)),
        current: amps(6_000, 6_100, 5_900),
        energy_in: Some(WattHours(65_536)),
        ..Measured::default()
    };
    assert_eq!(read(built_in("cfos-power-brain-meter"), &device), Ok(expected));
}

fn custom(role: &str, registers: &str) -> Definition {
    Definition::parse(&format!(
        "name = \"x\"\nmaker = \"y\"\nrole = \"{role}\"\n{registers}"
    ))
    .unwrap()
}

#[test]
fn formulas_and_directions_give_our_signs() {
    let check = |role: &str, registers: &str, words: &[u16], expected: Measured| {
        let device = Device::with(&[(0, words)]);
        assert_eq!(
            read(custom(role, registers), &device),
            Ok(expected),
            "{role}\n{registers}"
        );
    };
    let power = |watts: i64| Measured {
        power: Some(Watts(watts)),
        ..Measured::default()
    };
    let derived = |watts: i64| Measured {
        quality: Quality::Derived,
        ..power(watts)
    };
    let one = "[registers]\npower = { address = 0, type = \"i16\", unit = \"kW\", scale = 0.1";
    check("meter", &format!("{one} }}"), &[25], power(2_500));
    check(
        "meter",
        &format!("{one}, positive = \"out\" }}"),
        &[25],
        power(-2_500),
    );
    check(
        "inverter",
        &format!("{one}, positive = \"out\" }}"),
        &[25],
        power(-2_500),
    );
    let two = "[registers]\na = { address = 0, type = \"i16\", unit = \"W\" }\n\
               b = { address = 1, type = \"i16\", unit = \"mA\", absent = 0x8000 }\n[derived]\n";
    check(
        "meter",
        &format!("{two}power = \"a - b * 230\""),
        &[1_000, 2_000],
        derived(540),
    );
    // A formula that divides by zero, or needs what is absent, has no value; the power is still there.
    let both = format!("{two}power = \"a\"\nfrequency = \"1 / b\"");
    check("meter", &both, &[7, 0], derived(7));
    check("meter", &both, &[7, 0x8000], derived(7));

    let currents = |extra: &str| {
        let line = |name: &str, address: u16| {
            format!("{name} = {{ address = {address}, type = \"i16\", unit = \"A\"{extra} }}\n")
        };
        let total = "[registers]\npower = { address = 3, type = \"i16\", unit = \"W\" }\n";
        total.to_owned() + &line("current_l1", 0) + &line("current_l2", 1) + &line("current_l3", 2)
    };
    let words = [1, 0xFFFE, 3, 0xFF00];
    let with = |current| Measured {
        current,
        ..power(-256)
    };
    check("meter", &currents(""), &words, with(amps(1_000, 2_000, 3_000)));
    check(
        "meter",
        &currents(", positive = \"in\""),
        &words,
        with(amps(1_000, -2_000, 3_000)),
    );
    check(
        "meter",
        &currents(", positive = \"out\""),
        &words,
        with(amps(-1_000, 2_000, -3_000)),
    );
    check(
        "inverter",
        &currents(""),
        &words,
        with(amps(-1_000, -2_000, -3_000)),
    );
}

#[test]
fn nonsense_is_an_error_and_no_reading() {
    let check = |registers: &str, words: &[u16], expected: &str| {
        let error = read(custom("meter", registers), &Device::with(&[(0, words)])).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    let power =
        |kind: &str| format!("[registers]\npower = {{ address = 0, type = \"{kind}\", unit = \"W\" }}\n");
    check(
        &power("f32"),
        &[0x7F80, 0],
        "`power` is Some([7F80, 0000]); expected a number",
    );
    check(
        &power("f32"),
        &[0x7FC0, 0],
        "no power; expected the power of a meter",
    );
    check(&power("u64"), &[0xFFFF; 4], "expected a number");
    check(
        &power("i32"),
        &[0x7FFF, 0xFFFF],
        "power is 2147483647 W; expected a magnitude up to 13000000",
    );
    check(&power("i32"), &[0], "exception 2 (illegal data address)");
}

#[test]
fn a_meter_is_read_in_few_requests_and_named_once() {
    let mut client = client(built_in("eastron-sdm630"));
    let mut device = sdm630();
    let mut requests = 0;
    let mut count = |pdu: Vec<u8>| {
        requests += 1;
        Some(answer(&pdu, &mut device))
    };
    let (first, _) = round(&mut client, 0, &mut count);
    let identity = Report::Identity {
        text: "Eastron SDM630-Modbus".to_owned(),
    };
    let measured = Report::Measured(sdm630_reading());
    assert_eq!(
        first,
        [Report::Link(LinkState::Online), identity, measured.clone()]
    );
    assert_eq!(round(&mut client, 500, &mut count).0, []);
    assert_eq!(round(&mut client, 1_000, &mut count).0, [measured]);
    assert_eq!(requests, 4);
}

#[test]
fn a_silent_meter_goes_offline_and_comes_back() {
    let mut client = client(built_in("eastron-sdm630"));
    let mut device = sdm630();
    round(&mut client, 0, |pdu| Some(answer(&pdu, &mut device)));
    let mut reports = Vec::new();
    let mut now = 1_000;
    for _ in 0..3 {
        reports.extend(round(&mut client, now, |_| None).0);
        now = client.poll_timeout().0;
    }
    let problem = "cannot read register 0 of meter \"garage\": no answer within 2 s; \
                   check unit id 7 and the RS-485 wiring";
    assert_eq!(
        reports,
        [Report::Link(LinkState::Offline {
            problem: problem.to_owned()
        })]
    );
    let (reports, _) = round(&mut client, now, |pdu| Some(answer(&pdu, &mut device)));
    assert_eq!(
        reports,
        [
            Report::Link(LinkState::Online),
            Report::Measured(sdm630_reading())
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bytes that are no answer give no reading, whatever they are; what follows is read again.
    #[test]
    fn garbage_gives_no_reading(garbage in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..260), 1..5)) {
        let mut client = client(built_in("eastron-sdm630"));
        let mut device = sdm630();
        let mut now = 0;
        for bytes in garbage {
            let (reports, _) = round(&mut client, now, |_| Some(bytes.clone()));
            prop_assert!(!reports.iter().any(|report| matches!(report, Report::Measured(_))));
            now = client.poll_timeout().0;
        }
        let (reports, _) = round(&mut client, now, |pdu| Some(answer(&pdu, &mut device)));
        prop_assert_eq!(reports.last(), Some(&Report::Measured(sdm630_reading())));
    }

    #[test]
    fn any_registers_give_a_plausible_reading_or_none(words in prop::collection::vec(any::<u16>(), 0x4C)) {
        let device = Device::with(&[(0, &words)]);
        if let Ok(measured) = read(built_in("eastron-sdm630"), &device) {
            prop_assert!(super::plausible::check(&measured).is_ok());
        }
    }

    #[test]
    fn any_text_is_a_definition_or_an_error(text in "\\PC{0,200}") {
        let _ = Definition::parse(&text);
    }
}
