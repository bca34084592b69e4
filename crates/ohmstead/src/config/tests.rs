use super::*;

const EXAMPLE: &str = include_str!("../../../../ohmstead.example.toml");

#[test]
fn the_example_file_parses_and_says_what_it_says() {
    let config = parse(EXAMPLE).unwrap_or_else(|problems| panic!("{}", list(&problems)));
    let site = &config.settings.sites[0];
    assert_eq!(site.devices.len(), 5);
    assert_eq!(site.circuits[0].limit.l2.0, 35_000);
    assert_eq!(site.position.map(|p| p.latitude_udeg), Some(48_208_200));
    let (station, evse) = site.evses().next().unwrap();
    assert_eq!(
        (station.circuit.as_str(), evse.max.0, evse.phase_switching),
        ("garage", 32_000, true)
    );
    assert_eq!(config.settings.goe.chargers[0].serial, "050001");
}

#[test]
fn the_address_of_a_database_is_never_shown() {
    let config = |store: &str| parse(&EXAMPLE.replacen("data =", &format!("store = \"{store}\"\ndata ="), 1));
    let good =
        config("postgres://me:s3cret@127.0.0.1/db").unwrap_or_else(|problems| panic!("{}", list(&problems)));
    assert!(good.store.is_some());
    assert!(!format!("{good:?}").contains("s3cret"));
    let problems = list(&config("me:s3cret@127.0.0.1/db").unwrap_err());
    assert!(problems.contains("expected \"postgres://user"), "{problems}");
    assert!(!problems.contains("s3cret"), "{problems}");
}

/// Every key of the example that is commented out must be known, too.
#[test]
fn the_commented_lines_of_the_example_are_true_defaults() {
    let commented = |line: &&str| {
        let rest = line.strip_prefix("# ").unwrap_or("");
        let key = rest.split(" = ").next().unwrap_or("");
        rest.contains(" = ") && !key.contains(' ') && key != "token"
    };
    let switched_on: Vec<String> = EXAMPLE
        .lines()
        .map(|line| {
            if commented(&line) {
                line.trim_start_matches("# ").to_owned()
            } else {
                line.to_owned()
            }
        })
        .collect();
    // The power limit and the circuit of a meter have no default that could be compared.
    let with = parse(&switched_on.join("\n")).unwrap_or_else(|problems| panic!("{}", list(&problems)));
    let without = parse(EXAMPLE).unwrap_or_else(|problems| panic!("{}", list(&problems)));
    assert_eq!(with.settings.control, without.settings.control);
    assert_eq!(with.settings.goe, without.settings.goe);
    assert_eq!(with.settings.sites[0].devices, without.settings.sites[0].devices);
}

#[test]
fn ten_mistakes_give_ten_problems_with_line_and_hint() {
    let text = r#"listen = "8080"
host_nams = ["x"]
[goe]
offline_after_h = "long"
[[goe.charger]]
evse = "lefft"
serial = "12"
[[site]]
id = "Home"
time_zone = "Europe/Wien"
[[site.circuit]]
id = "house"
limit_a = 0
meter = "grit"
[[site.device]]
id = "grid"
kind = "metre"
driver = "sunspec"
address = "192.168.1.20"
[[site.device]]
id = "left"
kind = "charging_station"
driver = "goe"
url = "192.168.1.50"
circuit = "hose"
"#;
    let problems = parse(text).unwrap_err();
    let found: Vec<String> = problems
        .iter()
        .map(|p| format!("{}: {}", p.line, p.text))
        .collect();
    for expected in [
        "1: listen in the file is \"8080\", expected an address and a port, for example \"127.0.0.1:8080\"",
        "2: the file has no key `host_nams`; did you mean `host_names`?",
        "4: offline_after_h in [goe] is \"long\", expected hours, 0.01 to 8760",
        "7: serial is \"12\", expected six digits in quotes",
        "9: id in [[site]] is \"Home\", expected an id of a-z, 0-9, - and _",
        "10: time_zone in [[site]] is \"Europe/Wien\", expected an IANA name such as \"Europe/Vienna\"",
        "13: limit_a in circuit \"house\" is 0, expected amperes above 0, one number or three",
        "17: there is no kind `metre`, expected meter, inverter, battery, charging_station; did you mean `meter`?",
        "19: address in device \"grid\" is \"192.168.1.20\", expected a host and a port, for example \"192.168.1.20:502\"",
        "24: url in device \"left\" is \"192.168.1.50\", expected the charger's address, for example \"http://192.168.1.50\"",
        "25: there is no circuit `hose` in this site; did you mean `house`?",
    ] {
        assert!(
            found.iter().any(|f| f == expected),
            "missing: {expected}\nfound:\n{}",
            found.join("\n")
        );
    }
}

#[test]
fn references_between_tables_are_checked() {
    let base = r#"
[[site]]
id = "home"
[[site.circuit]]
id = "house"
limit_a = 35
meter = "METER"
[[site.device]]
id = "grid"
kind = "meter"
driver = "none"
[[site.device]]
id = "left"
kind = "charging_station"
driver = "none"
[[goe.charger]]
evse = "EVSE"
serial = "000001"
"#;
    let check = |meter: &str, evse: &str, expected: Option<&str>| {
        let result = parse(&base.replace("METER", meter).replace("EVSE", evse));
        match expected {
            None => assert!(result.is_ok(), "{meter} {evse}: {:?}", result.err()),
            Some(part) => {
                let problems = list(&result.err().unwrap_or_default());
                assert!(problems.contains(part), "{meter} {evse}: {problems}");
            }
        }
    };
    check("grid", "left", None);
    check(
        "grit",
        "left",
        Some("names meter `grit`, which is no device; did you mean `grid`?"),
    );
    check(
        "left",
        "left",
        Some("names `left` as its meter, which is a charging_station"),
    );
    check(
        "grid",
        "lft",
        Some("names EVSE `lft`, which no device has; did you mean `left`?"),
    );
}

#[test]
fn broken_toml_says_where() {
    let problems = parse("listen = \n[[site]\n").unwrap_err();
    assert!(problems.iter().any(|p| p.line == 1), "{problems:?}");
    assert!(problems.iter().any(|p| p.line == 2), "{problems:?}");
}
