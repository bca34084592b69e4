//! What people set and ask.

use model::control::{Control, Controls, Order, Range};
use model::setpoint::Action;

use crate::eybond::frame::function;

use super::*;

impl Pair {
    fn order(&mut self, unit: &str, ticket: u64, order: Order) {
        let action = Action::Order { ticket, order };
        let now = self.now();
        self.client.handle_action(&Unit::named(unit), &action, now);
        self.settle();
    }

    fn set(&mut self, unit: &str, ticket: u64, control: &str, value: &str) {
        let order = Order::Set {
            control: control.to_owned(),
            value: value.to_owned(),
        };
        self.order(unit, ticket, order);
    }

    fn question(&mut self, unit: &str, ticket: u64, text: &str) {
        let text = text.to_owned();
        self.order(unit, ticket, Order::Question { text });
    }

    fn answers(&self, unit: &str) -> Vec<(u64, Result<Vec<u8>, String>)> {
        let answer = |report: &Report| {
            if let Report::VendorAnswer { ticket, answer } = report {
                Some((*ticket, answer.clone()))
            } else {
                None
            }
        };
        self.reports(unit).iter().filter_map(answer).collect()
    }

    fn controls(&self, unit: &str) -> Vec<Controls> {
        let controls = |report: &Report| {
            if let Report::Controls(controls) = report {
                Some(controls.clone())
            } else {
                None
            }
        };
        self.reports(unit).iter().filter_map(controls).collect()
    }

    fn value(&self, unit: &str, id: &str) -> Option<String> {
        self.controls(unit).last()?.get(id)?.value.clone()
    }
}

/// One that has read everything.
fn read() -> Pair {
    let mut pair = Pair::new();
    pair.hear(Incoming::Opened);
    pair.run_until(60_000);
    pair
}

#[test]
fn nothing_else_is_asked_before_each_device_has_given_a_reading() {
    let mut pair = Pair::new();
    pair.hear(Incoming::Opened);
    while ["1/pv", "2/battery"].iter().any(|unit| pair.readings(unit) == 0) {
        assert!(pair.now < 60_000, "no reading");
        pair.run_until(pair.now + 10);
    }
    let asked = pair.sent.iter().filter(|(_, what)| *what == function::FORWARD);
    let rounds = ["smg", "pi30"].map(|make| Definition::built_in(make).unwrap().asks().len());
    assert_eq!(asked.count(), rounds.iter().sum::<usize>());
}

#[test]
fn how_things_are_set_is_read_after_the_first_round_and_every_five_minutes() {
    let mut pair = read();
    for unit in ["1/pv", "1/battery", "2/battery"] {
        let controls = pair.controls(unit);
        assert_eq!(controls.len(), 1, "{unit}");
        assert!(controls[0].takes_questions);
    }
    let values = |pair: &Pair, unit: &str| -> Vec<(String, String)> {
        let controls = pair.controls(unit);
        let list = controls.last().unwrap().list.iter();
        list.map(|control| (control.id.clone(), control.value.clone().unwrap()))
            .collect()
    };
    let expected = [
        ("buzzer_mode", "3"),
        ("charger_source_priority", "3"),
        ("discharge_resume_soc_with_mains", "30"),
        ("discharge_stop_soc_with_mains", "20"),
        ("discharge_stop_soc_without_mains", "10"),
        ("input_voltage_range", "0"),
        ("max_ac_charging_current", "30"),
        ("max_charging_current", "60"),
        ("output_source_priority", "2"),
    ];
    let owned = |(id, value): (&str, &str)| (id.to_owned(), value.to_owned());
    assert_eq!(
        values(&pair, "1/pv"),
        expected.map(owned),
        "347 is not there: it reads as zero"
    );
    let expected = [
        ("charger_source_priority", "2"),
        ("input_voltage_range", "0"),
        ("max_ac_charging_current", "30"),
        ("output_source_priority", "0"),
    ];
    assert_eq!(values(&pair, "2/battery"), expected.map(owned));
    let controls = pair.controls("2/battery");
    let Some(Control {
        range: Range::Choices { choices },
        ..
    }) = controls[0].get("max_ac_charging_current")
    else {
        panic!("{controls:?}")
    };
    let keys: Vec<&str> = choices.iter().map(|choice| choice.key.as_str()).collect();
    assert_eq!(
        keys,
        ["2", "10", "20", "30"],
        "what has room for 100 is another command"
    );
    // Somebody turns a knob.
    pair.line.set.insert(301, 1);
    pair.run_until(240_000);
    assert_eq!(pair.controls("1/pv").len(), 1);
    pair.run_until(400_000);
    assert_eq!(pair.controls("1/pv").len(), 2);
    assert_eq!(pair.value("1/pv", "output_source_priority").as_deref(), Some("1"));
    let rounds = pair.readings("1/pv");
    assert!(rounds >= 36, "readings do not wait for it: {rounds}");
}

#[test]
fn what_is_set_is_written_once_read_back_and_answered_with_the_words_of_the_device() {
    let mut pair = read();
    pair.set("1/battery", 7, "max_charging_current", "12.5");
    pair.set("2/battery", 8, "max_ac_charging_current", "20");
    pair.run_until(70_000);
    let written = rtu::encode(1, &[16, 1, 0x4C, 0, 1, 2, 0, 125]);
    let muchgc = text::Protocol::Pi30.command("MUCHGC020");
    assert_eq!(pair.line.written, [written, muchgc]);
    let echo = rtu::encode(1, &[16, 1, 0x4C, 0, 1]);
    assert_eq!(pair.answers("1/battery"), [(7, Ok(echo))]);
    assert_eq!(pair.answers("2/battery"), [(8, Ok(b"(ACK\x39\x20\r".to_vec()))]);
    for unit in ["1/pv", "1/battery"] {
        assert_eq!(
            pair.value(unit, "max_charging_current").as_deref(),
            Some("12.5"),
            "{unit}"
        );
    }
    assert_eq!(
        pair.value("2/battery", "max_ac_charging_current").as_deref(),
        Some("20")
    );
    assert!(
        pair.answers("1/pv").is_empty(),
        "whoever was not asked has nothing to say"
    );
    assert_eq!(
        (pair.links("1/pv"), pair.links("2/battery")),
        (vec![true], vec![true])
    );
}

#[test]
fn an_order_waits_for_no_round() {
    let mut pair = read();
    // The second of three questions of a round is on its way.
    pair.run_until(60_500);
    let before = pair.now;
    pair.set("1/pv", 1, "output_source_priority", "0");
    pair.run_until(before + 3_500);
    assert!(
        matches!(pair.answers("1/pv")[..], [(1, Ok(_))]),
        "{:?}",
        pair.answers("1/pv")
    );
}

#[track_caller]
fn refused(pair: &mut Pair, unit: &str, control: &str, value: &str, why: &str) {
    let before = pair.answers(unit).len();
    pair.set(unit, 3, control, value);
    pair.run_until(pair.now + 15_000);
    let answers = pair.answers(unit);
    assert_eq!(answers[before..], [(3, Err(why.to_owned()))], "{control} {value}");
}

#[test]
fn whatever_goes_wrong_is_answered_in_words() {
    let mut pair = read();
    for (unit, control, value, why) in [
        (
            "1/pv",
            "discharge_stop_soc_with_mains",
            "95",
            "it does not allow that value together with its others",
        ),
        ("1/pv", "buzzer_mode", "0", "not while it works as it does now"),
        ("2/battery", "charger_source_priority", "1", "it says no to PCP01"),
        ("1/pv", "no_such", "1", "it has no control `no_such`"),
        (
            "1/pv",
            "max_charging_current",
            "9999",
            "max_charging_current cannot be 9999",
        ),
        (
            "2/battery",
            "max_ac_charging_current",
            "100",
            "max_ac_charging_current cannot be 100",
        ),
    ] {
        refused(&mut pair, unit, control, value, why);
    }
    let count = pair.line.written.len();
    assert_eq!(count, 3, "what cannot be said is not written");
    pair.line.forgets = true;
    refused(
        &mut pair,
        "1/pv",
        "output_source_priority",
        "1",
        "output_source_priority: it took 1 and shows 2",
    );
    pair.line.forgets = false;
    pair.line.silent = vec![1];
    refused(&mut pair, "1/pv", "output_source_priority", "1", "no answer");
    // What nobody waits for is done as well.
    pair.line.silent = Vec::new();
    pair.set("1/pv", 0, "output_source_priority", "3");
    pair.run_until(pair.now + 15_000);
    assert_eq!(pair.line.set[&301], 3);
    assert!(pair.answers("1/pv").iter().all(|(ticket, _)| *ticket == 3));
}

#[test]
fn orders_end_with_the_connection_and_do_not_pile_up() {
    let mut pair = Pair::new();
    pair.set("1/pv", 1, "output_source_priority", "1");
    let away = "data logger E5000099990001 is not connected";
    assert_eq!(pair.answers("1/pv"), [(1, Err(away.to_owned()))]);
    let mut pair = read();
    for ticket in 1..=17 {
        pair.set("1/pv", ticket, "output_source_priority", "1");
    }
    let many = "16 orders wait for the data logger";
    assert_eq!(pair.answers("1/pv"), [(17, Err(many.to_owned()))]);
    pair.hear(Incoming::Closed(Failure::Closed));
    let ended: Vec<u64> = pair
        .answers("1/pv")
        .into_iter()
        .map(|(ticket, _)| ticket)
        .collect();
    assert_eq!(ended.len(), 17);
    let last = pair.answers("1/pv").pop().unwrap();
    assert_eq!(last, (16, Err("its data logger has hung up".to_owned())));
    pair.hear(Incoming::Opened);
    let written = pair.line.written.len();
    pair.run_until(pair.now + 60_000);
    assert_eq!(pair.line.written.len(), written, "nothing of it comes later");
}

#[test]
fn questions_are_passed_on_and_orders_among_them_are_not() {
    let mut pair = read();
    pair.question("2/battery", 1, "QMOD");
    pair.question("2/battery", 2, "POP02");
    let registers = rtu::encode(1, &[3, 0, 223, 0, 1]);
    let hex: String = registers.iter().map(|byte| format!("{byte:02X}")).collect();
    pair.question("1/pv", 3, &hex);
    let writes = rtu::encode(1, &[16, 1, 0x2D, 0, 1, 2, 0, 0]);
    let hex: String = writes.iter().map(|byte| format!("{byte:02X} ")).collect();
    pair.question("1/pv", 4, &hex);
    pair.run_until(70_000);
    let only = "only what it is asked in its own language and changes nothing is passed on";
    let mode = text::Protocol::Pi30.answer("B");
    assert_eq!(
        pair.answers("2/battery"),
        [(2, Err(only.to_owned())), (1, Ok(mode))]
    );
    let [high, low] = 2_100_u16.to_be_bytes();
    let power = rtu::encode(1, &[3, 2, high, low]);
    assert_eq!(pair.answers("1/pv"), [(4, Err(only.to_owned())), (3, Ok(power))]);
    assert!(pair.line.written.is_empty());
}
