//! Our half against the logger's, in memory, with time stepped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::device::LinkState;
use model::gateway::{PassOn, Unit};
use model::message::Report;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{PerMille, Watts};
use proptest::prelude::*;

use super::*;
use crate::modbus::{Exception, Registers, answer};
use crate::{Beside, Client as _, Event, Failure, Incoming, Outgoing};

mod orders;

const PN: &str = "E5000099990001";
const QPIGS: &str = "230.1 50.0 230.0 49.9 0460 0412 010 380 52.80 010 085 0035 01.2 310.5 52.80 00000 00010110 00 00 00372 010";

/// A storage inverter with registers at 1, and one with texts at 2.
struct Line {
    power: i16,
    asked: Vec<u8>,
    /// Who does not answer.
    silent: Vec<u8>,
    /// Registers that can be set, and how they are.
    set: BTreeMap<u16, u16>,
    /// What the one with texts shows of its settings: field of QPIRI, and its value.
    texts: BTreeMap<usize, String>,
    /// It takes what it is told, and forgets it.
    forgets: bool,
    /// What was written, as it stood on the line.
    written: Vec<Vec<u8>>,
}

impl Registers for Line {
    fn read_holding(&self, address: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let value = |address: u16| match address {
            223 => self.power.cast_unsigned(),
            217 => 300,
            229 => 64,
            186 => u16::from_be_bytes(*b"S1"),
            address => self.set.get(&address).copied().unwrap_or_default(),
        };
        Ok((address..address + count).map(value).collect())
    }

    fn write_holding(&mut self, address: u16, values: &[u16]) -> Result<(), Exception> {
        let known = self.set.get_mut(&address).ok_or(Exception::IllegalFunction)?;
        match values {
            [value] if address == 341 && *value > 90 => Err(Exception::IllegalValue),
            [_] if address == 303 => Err(Exception::Unknown(7)),
            [_] if self.forgets => Ok(()),
            [value] => {
                *known = *value;
                Ok(())
            }
            _ => panic!("one at a time"),
        }
    }
}

impl SerialLine for Line {
    fn exchange(&mut self, address: u8, bytes: &[u8]) -> Option<Vec<u8>> {
        if address == frame::LOGGER {
            let (unit, pdu) = rtu::decode_exactly(bytes)?;
            self.asked.push(unit);
            if pdu[0] != 3 {
                self.written.push(bytes.to_vec());
            }
            let is_here = unit == 1 && !self.silent.contains(&unit);
            return is_here.then(|| rtu::encode(unit, &answer(pdu, self)));
        }
        self.asked.push(address);
        if address != 2 || self.silent.contains(&2) {
            return None;
        }
        let protocol = text::Protocol::Pi30;
        let values = match protocol.read_command(bytes)? {
            "QID" => "92931701100510",
            "QMOD" => "B",
            "QPIGS" => QPIGS,
            "QPIRI" => &self.qpiri(),
            "QMUCHGCR" => "002 010 020 030 100",
            "QMCHGCR" => "NAK",
            order if !order.starts_with('Q') => {
                self.written.push(bytes.to_vec());
                let (field, value) = match order {
                    "POP00" | "POP01" | "POP02" => (16, &order[4..]),
                    "MUCHGC020" => (13, "20"),
                    _ => return Some(protocol.verdict(false)),
                };
                if !self.forgets {
                    self.texts.insert(field, value.to_owned());
                }
                return Some(protocol.verdict(true));
            }
            _ => "NAK",
        };
        Some(protocol.answer(values))
    }
}

impl Line {
    fn new() -> Self {
        let set = [
            (301, 2),
            (302, 0),
            (303, 3),
            (331, 3),
            (332, 600),
            (333, 300),
            (341, 20),
            (342, 30),
            (344, 10),
        ];
        let texts = [(13, "30"), (14, "60"), (15, "0"), (16, "0"), (17, "2")];
        Self {
            power: 2_100,
            asked: Vec::new(),
            silent: Vec::new(),
            set: set.into(),
            texts: texts.map(|(field, text)| (field, text.to_owned())).into(),
            forgets: false,
            written: Vec::new(),
        }
    }

    fn qpiri(&self) -> String {
        let field = |at: usize| self.texts.get(&at).map_or("1.0", String::as_str);
        let fields: Vec<&str> = (0..24).map(field).collect();
        fields.join(" ")
    }
}

/// Both halves, and what lies between them.
struct Pair {
    client: Client,
    logger: Logger,
    line: Line,
    now: i64,
    /// Frames of the logger are cut into pieces of so many bytes.
    pieces: usize,
    /// Every so many frames of the logger one is lost.
    loses: usize,
    said: usize,
    sent: Vec<(i64, u8)>,
    /// Protocol number, address and function of what was sent.
    headers: BTreeSet<(u16, u8, u8)>,
    reports: BTreeMap<String, Vec<Report>>,
    facts: model::gateway::GatewayFacts,
    closed: bool,
    cloud_heard: Vec<(i64, Vec<u8>)>,
}

fn device(unit: &str, definition: &Arc<Definition>) -> DeviceSettings {
    DeviceSettings {
        behind: Behind::read(&Unit::named(unit)).unwrap(),
        name: format!("inverter {unit}"),
        definition: definition.clone(),
        poll: Millis(10_000),
    }
}

impl Pair {
    fn new() -> Self {
        Self::passing_on(PassOn::Nothing)
    }

    fn passing_on(pass_on: PassOn) -> Self {
        let smg = Arc::new(Definition::built_in("smg").unwrap());
        let pi30 = Arc::new(Definition::built_in("pi30").unwrap());
        let settings = LoggerSettings {
            pn: PN.to_owned(),
            heartbeat: Millis(60_000),
            pass_on,
            devices: vec![
                device("1/pv", &smg),
                device("1/battery", &smg),
                device("2/battery", &pi30),
            ],
        };
        let logger = Logger::new(PN, 0x0925)
            .with(parameters::Parameter::FIRMWARE, "8.50.12.3")
            .with(parameters::Parameter::DIAGNOSTICS, "-61");
        Self {
            client: Client::new(settings),
            logger,
            line: Line::new(),
            now: 0,
            pieces: usize::MAX,
            loses: usize::MAX,
            said: 0,
            sent: Vec::new(),
            headers: BTreeSet::new(),
            reports: BTreeMap::new(),
            facts: model::gateway::GatewayFacts::default(),
            closed: false,
            cloud_heard: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now {
            wall: Timestamp(1_782_000_000_000 + self.now),
            monotonic: Monotonic(self.now),
        }
    }

    fn hear(&mut self, incoming: Incoming) {
        let now = self.now();
        let _ = self.client.handle_incoming(incoming, now);
        self.settle();
    }

    /// Brings over what is to be sent, and what comes of it.
    fn settle(&mut self) {
        let mut answers = Vec::new();
        while let Some(outgoing) = self.client.poll_outgoing() {
            match outgoing {
                Outgoing::Bytes(bytes) => {
                    self.sent.push((self.now, bytes[7]));
                    let code = u16::from_be_bytes([bytes[2], bytes[3]]);
                    self.headers.insert((code, bytes[6], bytes[7]));
                    answers.extend(self.logger.handle_bytes(&bytes, &mut self.line).unwrap());
                }
                Outgoing::Close => self.closed = true,
                Outgoing::Beside(Beside::Bytes(bytes)) => self.cloud_heard.push((self.now, bytes)),
                other @ (Outgoing::Open
                | Outgoing::Text(_)
                | Outgoing::Publish { .. }
                | Outgoing::Work(_)
                | Outgoing::Beside(Beside::Opened | Beside::Closed)) => panic!("{other:?}"),
            }
        }
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Report { unit, report } => {
                    self.reports.entry(unit.to_string()).or_default().push(report);
                }
                Event::Gateway(facts) => self.facts = facts,
                Event::Found { .. } | Event::Dated { .. } => panic!("{event:?}"),
            }
        }
        for answer in answers {
            self.said += 1;
            if self.said.is_multiple_of(self.loses) {
                continue;
            }
            for piece in answer.chunks(self.pieces.min(answer.len())) {
                self.hear(Incoming::Message(piece.to_vec()));
            }
        }
    }

    fn run_until(&mut self, end: i64) {
        while self.now < end {
            self.now = self.client.poll_timeout().0.max(self.now).min(end);
            let now = self.now();
            let due = self.client.poll_timeout();
            self.client.handle_timeout(now);
            self.settle();
            assert!(
                self.client.poll_timeout() > due || self.now >= end || due.0 < self.now,
                "time stands still at {}",
                self.now
            );
        }
    }

    fn reports(&self, unit: &str) -> &[Report] {
        self.reports.get(unit).map_or(&[], Vec::as_slice)
    }

    fn links(&self, unit: &str) -> Vec<bool> {
        let mut links = Vec::new();
        for report in self.reports(unit) {
            if let Report::Link(state) = report {
                links.push(*state == LinkState::Online);
            }
        }
        links
    }

    fn readings(&self, unit: &str) -> usize {
        let readings = self.reports(unit).iter();
        readings
            .filter(|report| matches!(report, Report::Measured(_)))
            .count()
    }
}

#[test]
fn all_that_is_behind_a_logger_is_read_by_its_parts() {
    let mut pair = Pair::new();
    pair.hear(Incoming::Opened);
    pair.run_until(60_000);
    let last = |unit: &str| {
        let mut newest = pair.reports(unit).iter().rev();
        let Some(Report::Measured(measured)) = newest.find(|report| matches!(report, Report::Measured(_)))
        else {
            panic!("{unit}: {:?}", pair.reports(unit))
        };
        measured.clone()
    };
    assert_eq!(last("1/pv").power, Some(Watts(-2_100)));
    assert_eq!(last("1/battery").power, Some(Watts(300)));
    assert_eq!(last("1/battery").soc, Some(PerMille(640)));
    assert_eq!(last("2/battery").power, Some(Watts(528)));
    for unit in ["1/pv", "1/battery", "2/battery"] {
        assert_eq!(pair.links(unit), [true], "{unit}");
        assert!(
            (4..=6).contains(&pair.readings(unit)),
            "{unit}: {}",
            pair.readings(unit)
        );
    }
    let identity = Report::Identity {
        text: "SMG/Anenji/Anern class SMG, protocol 11, S1".to_owned(),
    };
    assert!(pair.reports("1/pv").contains(&identity));
    assert_eq!(pair.facts.firmware.as_deref(), Some("8.50.12.3"));
    assert_eq!(pair.facts.descriptor.as_deref(), Some("0925"));
    assert_eq!(pair.facts.signal_dbm, Some(-61));
    let mut newest = pair.reports("2/battery").iter().rev();
    let Some(Report::Document(document)) = newest.find(|report| matches!(report, Report::Document(_))) else {
        panic!("{:?}", pair.reports("2/battery"))
    };
    let json: serde_json::Value = serde_json::from_str(&document.json).unwrap();
    let field = json["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["key"] == "pv_power");
    assert_eq!(field.unwrap()["value"], "372");
    assert_eq!(json["devcode"], 2_376);
}

/// As local integrations speak to them, whatever ShineMonitor calls the protocol.
#[test]
fn frames_say_which_protocol_they_carry_as_loggers_know_it() {
    let mut pair = Pair::new();
    pair.hear(Incoming::Opened);
    pair.run_until(30_000);
    let sent: Vec<_> = pair.headers.into_iter().collect();
    assert_eq!(sent, [(1, 0xFF, 1), (1, 0xFF, 2), (1, 0xFF, 4), (0x0994, 2, 4)]);
}

#[test]
fn requests_leave_one_at_a_time_and_not_too_fast() {
    let mut pair = Pair::new();
    pair.line.silent = vec![2];
    pair.hear(Incoming::Opened);
    // A heartbeat waits for the answer that is due.
    pair.run_until(125_000);
    let asked: Vec<_> = pair.sent.iter().filter(|(_, function)| *function != 1).collect();
    for two in asked.windows(2) {
        assert!(two[1].0 - two[0].0 >= 850, "{two:?}");
    }
    let beats = pair.sent.iter().filter(|(_, function)| *function == 1);
    assert_eq!(beats.count(), 3, "at once and every minute");
    assert_eq!(pair.links("1/pv"), [true]);
    assert_eq!(pair.links("2/battery"), [false]);
    assert!(pair.readings("1/pv") >= 8, "{}", pair.readings("1/pv"));
    assert!(
        pair.sent.iter().all(|(_, function)| [1, 2, 4].contains(function)),
        "nothing is set"
    );
}

#[test]
fn frames_in_pieces_and_lost_ones_cost_time_alone() {
    for (pieces, loses) in [(1, usize::MAX), (3, 7), (7, 5)] {
        let mut pair = Pair::new();
        (pair.pieces, pair.loses) = (pieces, loses);
        pair.hear(Incoming::Opened);
        pair.run_until(600_000);
        for unit in ["1/pv", "2/battery"] {
            assert!(
                pair.readings(unit) > 10,
                "{pieces} {loses} {unit}: {}",
                pair.readings(unit)
            );
        }
        assert!(!pair.closed);
    }
}

#[test]
fn a_logger_that_stays_away_leaves_its_devices_offline_until_it_comes_back() {
    let mut pair = Pair::new();
    pair.run_until(60_001);
    let Some(Report::Link(LinkState::Offline { problem })) = pair.reports("1/pv").first() else {
        panic!("{:?}", pair.reports("1/pv"))
    };
    assert!(problem.contains(PN), "{problem}");
    pair.hear(Incoming::Opened);
    pair.run_until(90_000);
    assert_eq!(pair.links("1/pv"), [false, true]);
    // It dials again within a minute.
    pair.hear(Incoming::Closed(Failure::Closed));
    pair.logger.reconnect();
    pair.run_until(140_000);
    pair.hear(Incoming::Opened);
    pair.run_until(200_000);
    assert_eq!(pair.links("1/pv"), [false, true]);
    pair.hear(Incoming::Closed(Failure::Closed));
    pair.run_until(300_000);
    assert_eq!(pair.links("1/pv"), [false, true, false]);
}

#[test]
fn what_a_logger_has_told_of_itself_is_forgotten_when_another_one_comes() {
    let mut pair = Pair::new();
    pair.hear(Incoming::Opened);
    pair.run_until(20_000);
    assert_eq!(pair.facts.signal_dbm, Some(-61));
    pair.hear(Incoming::Closed(Failure::Closed));
    assert_eq!(pair.facts.signal_dbm, Some(-61), "nobody else is here");
    pair.logger = Logger::new(PN, 0x0942);
    pair.hear(Incoming::Opened);
    assert_eq!(pair.facts, model::gateway::GatewayFacts::default());
    pair.run_until(40_000);
    assert_eq!(pair.facts.descriptor.as_deref(), Some("0942"));
    assert_eq!((&pair.facts.firmware, pair.facts.signal_dbm), (&None, None));
}

#[test]
fn a_dead_connection_and_one_that_lies_are_ended() {
    let mut pair = Pair::new();
    pair.loses = 1;
    pair.hear(Incoming::Opened);
    pair.run_until(119_000);
    assert!(!pair.closed);
    pair.run_until(125_000);
    assert!(pair.closed);

    for bytes in [
        &b"\x00\x01\x00\x01\xFF\xFF\x01\x01"[..],
        &frame::Frame {
            transaction: 0x8000,
            devcode: 1,
            address: frame::LOGGER,
            function: 1,
            payload: b"W0000000000002",
        }
        .encode(),
    ] {
        let mut pair = Pair::new();
        pair.hear(Incoming::Opened);
        pair.hear(Incoming::Message(bytes.to_vec()));
        assert!(pair.closed, "{bytes:02x?}");
    }
}

#[test]
fn a_logger_whose_heartbeat_cuts_its_number_is_still_itself() {
    for (pn, closes) in [("E50000999900011234", false), ("E50000999900021234", true)] {
        let mut client = Client::new(LoggerSettings {
            pn: pn.to_owned(),
            heartbeat: Millis(60_000),
            pass_on: PassOn::Nothing,
            devices: Vec::new(),
        });
        let now = Now {
            wall: Timestamp(0),
            monotonic: Monotonic(0),
        };
        client.handle_incoming(Incoming::Opened, now).unwrap();
        let says = Incoming::Message(Logger::new(PN, 0x0925).greet());
        client.handle_incoming(says, now).unwrap();
        let closed = matches!(client.poll_outgoing(), Some(Outgoing::Close));
        assert_eq!(closed, closes, "{pn}");
    }
}

/// What the vendor's cloud asks, as function, payload, and where on the line.
fn cloud_asks(transaction: u16, function: u8, address: u8, payload: &[u8]) -> Incoming {
    let frame = frame::Frame {
        transaction,
        devcode: 1,
        address,
        function,
        payload,
    };
    Incoming::Beside(Beside::Bytes(frame.encode()))
}

#[test]
fn the_cloud_of_the_vendor_asks_between_our_questions_and_hears_its_own_answers() {
    let mut pair = Pair::passing_on(PassOn::Reads);
    pair.hear(Incoming::Opened);
    pair.run_until(20_000);
    pair.hear(Incoming::Beside(Beside::Opened));
    let registers = rtu::encode(1, &[3, 0, 223, 0, 1]);
    // Numbers that ours have had, many at once, and all in the middle of our own rounds.
    for transaction in 1..=6 {
        let asks = match transaction {
            1 => cloud_asks(1, 1, 0xFF, &[26, 6, 1, 12, 0, 0, 0, 35]),
            2 => cloud_asks(2, 2, 0xFF, &[5, 48]),
            3 => cloud_asks(3, 4, 0xFF, &registers),
            4 => cloud_asks(4, 4, 2, &text::Protocol::Pi30.command("QMOD")),
            5 => cloud_asks(5, 4, 2, &text::Protocol::Pi30.command("QID")),
            _ => cloud_asks(6, 4, 0xFF, &registers),
        };
        pair.hear(asks);
    }
    let (asked_before, readings_before) = (pair.sent.len(), pair.readings("1/pv"));
    pair.run_until(80_000);
    let heard: Vec<_> = pair
        .cloud_heard
        .iter()
        .map(|(_, bytes)| {
            let frame::Cut::Frame(frame, _) = frame::cut(bytes) else {
                panic!("{bytes:02x?}")
            };
            (frame.transaction, frame.function, frame.payload.to_vec())
        })
        .collect();
    let number = b"E5000099990001".to_vec();
    let power = rtu::encode(1, &[3, 2, 0x08, 0x34]);
    let texts = |values: &str| text::Protocol::Pi30.answer(values);
    // Who calls, then the answers.
    assert_eq!((heard[0].1, &heard[0].2), (1, &number));
    assert_eq!(
        heard[1..],
        [
            (1, 1, number),
            (2, 2, b"\x00\x058.50.12.3".to_vec()),
            (2, 2, b"\x00\x30-61".to_vec()),
            (3, 4, power.clone()),
            (4, 4, texts("B")),
            (5, 4, texts("92931701100510")),
            (6, 4, power),
        ]
    );
    let asked = |(_, function): &&(i64, u8)| *function != 1;
    let asked: Vec<_> = pair.sent[asked_before..].iter().filter(asked).collect();
    for two in asked.windows(2) {
        assert!(two[1].0 - two[0].0 >= 850, "{two:?}");
    }
    let beats = pair.sent.iter().filter(|(_, function)| *function == 1);
    assert_eq!(beats.count(), 2, "the cloud sets no clock");
    assert!(
        pair.readings("1/pv") >= readings_before + 5,
        "{}",
        pair.readings("1/pv")
    );
    assert_eq!(pair.links("1/pv"), [true]);
}

#[test]
fn a_cloud_that_is_busy_lost_or_hostile_costs_us_every_other_turn_at_most() {
    let mut pair = Pair::passing_on(PassOn::Reads);
    pair.hear(Incoming::Opened);
    pair.run_until(20_000);
    let before = pair.readings("1/pv");
    for second in 20..200 {
        if second % 40 == 20 {
            pair.hear(Incoming::Beside(Beside::Closed));
            pair.hear(Incoming::Beside(Beside::Opened));
        }
        // Nobody is at that address: each question takes all the time that there is.
        pair.hear(cloud_asks(second, 4, 77, &text::Protocol::Pi30.command("QPIGS")));
        let write = cloud_asks(second, 4, 0xFF, &rtu::encode(1, &[6, 1, 0x2C, 0, 1]));
        let now = pair.now();
        let refused = pair.client.handle_incoming(write, now).unwrap_err();
        assert!(refused.to_string().contains("function 4"), "{refused}");
        pair.run_until(i64::from(second + 1) * 1_000);
    }
    assert!(pair.readings("1/pv") >= before + 3, "{}", pair.readings("1/pv"));
    assert_eq!(pair.links("1/pv"), [true]);
    assert!(!pair.closed);
    let heard = pair.cloud_heard.iter().filter(|(_, bytes)| bytes[7] == 4);
    assert!(heard.count() > 100, "what writes is refused at once");

    // Whoever speaks no frames is sent away, and the logger does not notice.
    let nonsense = Incoming::Beside(Beside::Bytes(b"HTTP/1.1 400 Bad Request\r\n".to_vec()));
    let now = pair.now();
    assert!(pair.client.handle_incoming(nonsense, now).is_err());
    let first = pair.client.poll_outgoing();
    assert!(
        matches!(first, Some(Outgoing::Beside(Beside::Closed))),
        "{first:?}"
    );
    pair.run_until(260_000);
    assert!(pair.readings("1/pv") >= before + 7, "{}", pair.readings("1/pv"));
}

proptest! {
    #[test]
    fn whatever_a_logger_says_nothing_breaks(
        messages in prop::collection::vec((0..5_000_i64, prop::collection::vec(any::<u8>(), 0..60)), 0..30),
    ) {
        let mut pair = Pair::new();
        pair.hear(Incoming::Opened);
        for (wait, bytes) in messages {
            let end = pair.now + wait;
            pair.run_until(end);
            pair.hear(Incoming::Message(bytes));
        }
    }

    /// What fits the question in its frame and means nothing.
    #[test]
    fn whatever_an_inverter_says_nothing_breaks(answers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..20)) {
        struct Babbles(Vec<Vec<u8>>, usize);
        impl SerialLine for Babbles {
            fn exchange(&mut self, _: u8, _: &[u8]) -> Option<Vec<u8>> {
                self.1 += 1;
                self.0.get(self.1 % self.0.len()).cloned()
            }
        }
        let mut pair = Pair::new();
        let mut babbles = Babbles(answers, 0);
        pair.hear(Incoming::Opened);
        for _ in 0..40 {
            pair.now = pair.client.poll_timeout().0.max(pair.now);
            let now = pair.now();
            pair.client.handle_timeout(now);
            while let Some(Outgoing::Bytes(bytes)) = pair.client.poll_outgoing() {
                for frame in pair.logger.handle_bytes(&bytes, &mut babbles).unwrap() {
                    let _ = pair.client.handle_incoming(Incoming::Message(frame), now);
                }
            }
        }
    }
}
