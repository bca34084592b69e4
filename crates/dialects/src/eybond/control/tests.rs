use super::*;
use crate::eybond::definition::Definition;

const HEAD: &str = "name = \"I 1\"\nmaker = \"Acme\"\ndevcode = 1\n";
const MODBUS: &str = "protocol = \"modbus\"\n[values]\np = { title = \"P\", address = 1, type = \"i16\", unit = \"W\" }\n[part.all]\npower = \"p\"\n[controls]\n";
const PI30: &str = "protocol = \"pi30\"\n[values]\np = { title = \"P\", command = \"QPIGS\", field = 1, unit = \"W\" }\n[part.all]\npower = \"p\"\n[controls]\n";

/// The control stands in line 10.
#[track_caller]
fn check(head: &str, control: &str, expected: &[&str]) {
    let problems = match Definition::parse(&format!("{HEAD}{head}x = {{ title = \"X\", {control} }}")) {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    };
    assert_eq!(problems, expected, "{control}");
}

#[test]
fn mistakes_are_named_with_what_was_expected() {
    const RANGE: &str = "line 10: it is not said what `x` can be set to, expected `choices` by number, `choices_of` a \
                         command, or `min` and `max`";
    const TEXT: &str = "line 10: `x` is of a text protocol, expected `command`, `field` and a `write` with # for the \
                        digits";
    for (head, control, expected) in [
        (MODBUS, "address = 1, choices = { 0 = \"off\" }", &[][..]),
        (
            MODBUS,
            "address = 1, min = \"0\", max = \"6553.5\", decimals = 1",
            &[],
        ),
        (
            MODBUS,
            "address = 1, min = \"0\", max = \"6553.6\", decimals = 1",
            &["line 10: `x` cannot be written as 6553.6, expected room for it"],
        ),
        (MODBUS, "address = 1", &[RANGE]),
        (MODBUS, "address = 1, min = \"0\"", &[RANGE]),
        (MODBUS, "address = 1, min = \"5\", max = \"5\"", &[RANGE]),
        (MODBUS, "address = 1, min = \"-5\", max = \"5\"", &[RANGE]),
        (MODBUS, "address = 1, choices = { off = \"off\" }", &[RANGE]),
        (MODBUS, "address = 1, choices_of = \"QMUCHGCR\"", &[RANGE]),
        (
            MODBUS,
            "command = \"QPIRI\", field = 1, choices = { 0 = \"off\" }",
            &["line 10: `x` is of registers, expected `address`"],
        ),
        (
            MODBUS,
            "address = 1, decimals = 4, min = \"0\", max = \"1\"",
            &["line 10: `decimals` of `x` is 4, expected at most 3"],
        ),
        (
            PI30,
            "command = \"QPIRI\", field = 1, write = \"POP0#\", choices = { 0 = \"off\" }",
            &[],
        ),
        (
            PI30,
            "command = \"QPIRI\", field = 1, write = \"MUCHGC0##\", choices_of = \"QMUCHGCR\"",
            &[],
        ),
        (
            PI30,
            "command = \"QPIRI\", field = 1, write = \"POP0#\", choices = { 10 = \"off\" }",
            &["line 10: `x` cannot be written as 10, expected room for it"],
        ),
        (
            PI30,
            "command = \"QPIRI\", field = 1, write = \"POP00\", choices = { 0 = \"off\" }",
            &[TEXT],
        ),
        (
            PI30,
            "command = \"QPIRI\", field = 1, write = \"P(#\", choices = { 0 = \"off\" }",
            &[TEXT],
        ),
        (
            PI30,
            "command = \"QPIRI\", field = 1, write = \"P#0#\\r\", choices = { 0 = \"off\" }",
            &[TEXT],
        ),
        (
            PI30,
            "field = 1, write = \"POP0#\", choices = { 0 = \"off\" }",
            &[TEXT],
        ),
    ] {
        check(head, control, expected);
    }
}

/// Each way to write, as the makers' sheets have it.
#[test]
fn what_is_set_is_worded_as_the_makers_word_it() {
    for (name, control, value, expected) in [
        ("smg", "output_source_priority", "2", "01 10 01 2D 00 01 02 00 02"),
        (
            "smg",
            "max_charging_current",
            "12.5",
            "01 10 01 4C 00 01 02 00 7D",
        ),
        ("smg", "charge_stop_soc", "100", "01 10 01 5B 00 01 02 00 64"),
        ("pi30", "output_source_priority", "1", "POP01"),
        ("pi30", "charger_source_priority", "3", "PCP03"),
        ("pi30", "input_voltage_range", "1", "PGR01"),
        ("pi30", "max_ac_charging_current", "2", "MUCHGC002"),
        ("pi30", "max_charging_current", "60", "MCHGC060"),
        ("pi18", "output_source_priority", "1", "^S007POP1"),
        ("pi18", "charger_source_priority", "2", "^S009PCP0,2"),
        ("pi18", "solar_power_priority", "0", "^S007PSP0"),
        ("pi18", "max_ac_charging_current", "30", "^S014MUCHGC0,030"),
        ("pi18", "max_charging_current", "120", "^S013MCHGC0,120"),
    ] {
        let definition = Definition::built_in(name).unwrap();
        let setting = definition.setting(control).unwrap();
        let mut line = setting.wording(value).unwrap().line(1);
        let is_text = definition.text_protocol().is_some();
        line.truncate(line.len() - if is_text { 3 } else { 2 });
        let shown = if is_text {
            String::from_utf8(line).unwrap()
        } else {
            let bytes: Vec<String> = line.iter().map(|byte| format!("{byte:02X}")).collect();
            bytes.join(" ")
        };
        assert_eq!(shown, expected, "{name} {control}");
    }
    let pi30 = Definition::built_in("pi30").unwrap();
    let current = pi30.setting("max_ac_charging_current").unwrap();
    assert_eq!(current.wording("100"), None, "that would be machine 1");
    assert_eq!(current.wording("-2"), None);
}

#[test]
fn a_device_that_shows_what_could_not_be_set_is_not_offered_it() {
    let pi30 = Definition::built_in("pi30").unwrap();
    let text = |text: &str| Answer::Text(text.to_owned());
    let offered = |qpiri: &str, currents: &str| {
        let answers = pi30.setting_asks().iter().map(|ask| match ask {
            Ask::Command(_, command) if command == "QPIRI" => text(qpiri),
            Ask::Command(_, command) if command == "QMUCHGCR" => text(currents),
            Ask::Command(..) | Ask::Registers(_) => text(""),
        });
        let answers: Vec<Answer> = answers.collect();
        let settings = pi30.settings.iter();
        let controls = settings.filter_map(|setting| setting.control(pi30.setting_asks(), &answers));
        let controls = controls.map(|control| (control.id, control.value.unwrap()));
        controls.collect::<Vec<_>>()
    };
    let named = |ids: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(id, value): &(&str, &str)| ((*id).to_owned(), (*value).to_owned());
        ids.iter().map(owned).collect()
    };
    const HEAD: &str = "230.0 21.7 230.0 50.0 21.7 5000 5000 48.0 46.0 42.0 56.4 54.0 2";
    for (rest, currents, expected) in [
        (
            "02 060 0 2 1 9 01 0 0 54.0 0 1",
            "002 010 020",
            &[
                ("charger_source_priority", "1"),
                ("input_voltage_range", "0"),
                ("max_ac_charging_current", "2"),
                ("output_source_priority", "2"),
            ][..],
        ),
        // It charges with what it does not list, and puts first what this sheet does not know.
        (
            "30 060 1 7 3",
            "002 010 x",
            &[("charger_source_priority", "3"), ("input_voltage_range", "1")],
        ),
        // It lists nothing that this command can say.
        (
            "02 060 0 2 1",
            "100 120",
            &[
                ("charger_source_priority", "1"),
                ("input_voltage_range", "0"),
                ("output_source_priority", "2"),
            ],
        ),
        ("02", "", &[]),
    ] {
        assert_eq!(
            offered(&format!("{HEAD} {rest}"), currents),
            named(expected),
            "{rest}"
        );
    }
    assert_eq!(offered("", "002"), []);
}
