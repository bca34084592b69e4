use gate::Thing;
use model::settings::{BackupSettings, MailTls, PersonalData};

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
    let pv = &site.devices[2].kind;
    let expected =
        r#"{"kind":"inverter","rated_power":9800,"panels":[{"peak":9400,"tilt_deg":30,"azimuth_deg":190}]}"#;
    assert_eq!(serde_json::to_string(pv).unwrap(), expected);
}

#[test]
fn panels_are_of_an_inverter_and_say_where_they_look() {
    let with = |panels: &str| {
        let inverter = "kind = \"inverter\"\ndriver = \"none\"";
        parse(&format!(
            "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n[[site.device]]\nid = \"pv\"\n\
             {inverter}\n{panels}"
        ))
    };
    let table = |keys: &str| format!("[[site.device.panels]]\n{keys}\n");
    let east = "peak_w = 4000\ntilt_deg = 25\nazimuth_deg = 90";
    let west = "peak_w = 3600\ntilt_deg = 25\nazimuth_deg = 270";
    let both = with(&(table(east) + &table(west))).unwrap_or_else(|problems| panic!("{}", list(&problems)));
    let kind = serde_json::to_value(&both.settings.sites[0].devices[0].kind).unwrap();
    assert_eq!(kind["panels"][1]["peak"], 3_600);
    assert_eq!(kind["panels"][1]["azimuth_deg"], 270);
    let bare = with("").unwrap_or_else(|problems| panic!("{}", list(&problems)));
    let bare = serde_json::to_string(&bare.settings.sites[0].devices[0].kind).unwrap();
    assert_eq!(bare, r#"{"kind":"inverter","rated_power":null}"#);
    for (keys, expected) in [
        (
            "tilt_deg = 25\nazimuth_deg = 90",
            "[[panels]] of device \"pv\" has no peak_w, expected watts above 0",
        ),
        (
            "peak_w = 4000\ntilt_deg = 91\nazimuth_deg = 90",
            "tilt_deg in [[panels]] of device \"pv\" is 91, expected degrees, 0 (flat) to 90 (upright)",
        ),
        (
            "peak_w = 4000\ntilt_deg = 25\nazimuth_deg = -90",
            "azimuth_deg in [[panels]] of device \"pv\" is -90, expected degrees clockwise from north, 0 to 360; 180 \
             is south",
        ),
        (
            "peak_w = 4000\ntilt_deg = 25\nazimut_deg = 90",
            "[[panels]] of device \"pv\" has no key `azimut_deg`; did you mean `azimuth_deg`?",
        ),
    ] {
        let problems = list(&with(&table(keys)).unwrap_err());
        assert!(problems.contains(expected), "{keys}: {problems}");
    }
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

#[test]
fn the_token_of_a_charger_is_never_shown() {
    let text = EXAMPLE.replacen(
        "serial = \"050001\"",
        "serial = \"050001\"\ntoken = \"s3cret-token\"",
        1,
    );
    let config = parse(&text).unwrap_or_else(|problems| panic!("{}", list(&problems)));
    let left = Thing::Evse("left".parse().unwrap());
    let of = Holder::Access(Access::new(dialects::goe::DIALECT, "050001", left));
    let found = config.secrets.iter().find(|secret| secret.of == of);
    assert!(matches!(&found.unwrap().secret, Some(Place::Here(token)) if token.expose() == "s3cret-token"));
    assert!(!format!("{config:?}").contains("s3cret"));
}

/// Every key of the example that is commented out must be known, too.
#[test]
fn the_commented_lines_of_the_example_are_true_defaults() {
    let commented = |line: &&str| {
        let rest = line.strip_prefix("# ").unwrap_or("");
        let key = rest.split(" = ").next().unwrap_or("");
        let is_table = rest.starts_with('[') && rest.ends_with(']');
        is_table || rest.contains(" = ") && !key.contains(' ') && key != "token"
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
    assert_eq!(with.settings.mail, without.settings.mail);
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
fn tariffs_and_vehicles_of_the_example_say_what_they_say() {
    let settings = parse(EXAMPLE)
        .unwrap_or_else(|problems| panic!("{}", list(&problems)))
        .settings;
    let ids: Vec<&str> = settings.tariffs.iter().map(|tariff| tariff.id.as_str()).collect();
    assert_eq!(ids, ["home", "market", "feed-in"]);
    let contracts = &settings.tariffs[0].contracts;
    assert_eq!((contracts[0].vat.0, contracts[0].monthly_fee.0), (200, 3_500_000));
    let model::tariff::Prices::TimeOfUse { bands, otherwise } = &contracts[1].prices else {
        panic!("{:?}", contracts[1].prices)
    };
    assert_eq!(
        (bands[0].from_minute, bands[0].to_minute, bands[0].price.0),
        (1_320, 360, 189_000)
    );
    assert_eq!(
        (bands[0].weekdays.len(), bands[0].months.len(), otherwise.0),
        (5, 6, 262_000)
    );
    assert_eq!(settings.price_providers[0].format.unit_micros, 1_000);
    let car = &settings.vehicles[0];
    assert_eq!(car.capacity.map(|c| c.0), Some(58_000));
    assert_eq!(
        (car.min.0, car.efficiency.0, car.home.as_ref().map(|e| e.as_str())),
        (6_000, 900, Some("left"))
    );
    assert_eq!(settings.backup, BackupSettings::default());
}

#[test]
fn mistakes_in_tariffs_and_vehicles_are_found_together() {
    let text = r#"
[backup]
at = "25:00"
[[site]]
id = "home"
[[site.circuit]]
id = "house"
limit_a = 35
[[tariff]]
id = "day"
site = "home"
[[tariff.contract]]
name = "A"
from = "2026-01-01"
price = 0.25
[[tariff]]
id = "night"
site = "home"
[[tariff.contract]]
name = "B"
from = "2026-05-01"
price = 0.2
factor = 2
[[tariff]]
id = "third"
[[tariff.contract]]
name = "C"
from = "2026-02-30"
price = 0.1234567
[[tariff.contract.band]]
from = "9"
to = "10:00"
weekdays = [0]
[[tariff]]
id = "fourth"
[[tariff.contract]]
name = "D"
from = "2026-01-01"
price = 0.2
provider = "exchnge"
[[price_provider]]
id = "exchange"
unit = "EUR"
[[vehicle]]
id = "car"
home = "lft"
soc = "satellite"
min_a = 5
"#;
    let found: Vec<String> = parse(text)
        .unwrap_err()
        .iter()
        .map(|p| format!("{}: {}", p.line, p.text))
        .collect();
    for expected in [
        "3: at in [backup] is \"25:00\", expected a local time, for example \"03:00\"",
        "17: tariffs `day` and `night` overlap: both are the default of site `home` for energy taken on 2026-05-01; end one before the other starts",
        "23: factor makes sense with a price provider only",
        "28: from in contract \"C\" is \"2026-02-30\", expected a local day, for example \"2026-01-01\"",
        "29: price in contract \"C\" is 0.1234567, expected a price per kWh with at most six decimals, for example 0.25",
        "31: from in [[band]] is \"9\", expected a local time, for example \"22:00\"",
        "33: weekdays in [[band]] is 0, expected a list of 1 (Monday) to 7 (Sunday)",
        "35: contract \"D\" of tariff `fourth` names price provider `exchnge`, which does not exist; the config file names none",
        "43: unit in price provider \"exchange\" is \"EUR\", expected EUR/MWh, EUR/kWh or ct/kWh, or the same in another currency",
        "45: vehicle `car` has a minimum of 5000 mA, expected 6000 to 80000 mA",
        "46: vehicle `car` is at home at EVSE `lft`, which no device has",
        "47: soc in vehicle \"car\" is \"satellite\", expected manual, pushed, http, mqtt or charger",
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

#[test]
fn mistakes_about_the_outside_are_named() {
    let text = r#"[outbound]
allow = ["192.168.1.0/33", "hooks.example.org"]
[mail]
host = "mail.example.org"
tls = "none"
user = "hub"
password_file = "/etc/ohmstead/mail"
from = "nobody"
[[site]]
id = "home"
[[site.circuit]]
id = "house"
limit_a = 35
"#;
    let problems = parse(text).unwrap_err();
    let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for expected in ["192.168.1.0/33", "travel in clear", "expected a mailbox"] {
        assert!(
            found.iter().any(|text| text.contains(expected)),
            "{expected}: {found:?}"
        );
    }
    let fine = text
        .replace("/33", "/24")
        .replace("\"none\"", "\"tls\"")
        .replace("nobody", "hub@example.org");
    let config = parse(&fine).unwrap_or_else(|problems| panic!("{}", list(&problems)));
    let mail = config.settings.mail.unwrap();
    assert_eq!((mail.port, mail.tls), (465, MailTls::Tls));
}

#[test]
fn where_a_car_tells_how_full_it_is() {
    let config = parse(EXAMPLE).unwrap_or_else(|problems| panic!("{}", list(&problems)));
    let sources: Vec<_> = config.settings.vehicles.iter().map(|v| &v.soc_source).collect();
    use model::vehicle::SocSource;
    assert!(matches!(sources[0], SocSource::Manual));
    assert!(
        matches!(sources[1], SocSource::Http { every_s: 300, header: Some(header), .. } if header == "Authorization")
    );
    assert!(matches!(sources[2], SocSource::Mqtt { broker, .. } if broker == "mqtts://broker.example.org"));
    let red = Holder::Vehicle("red-car".parse().unwrap());
    let found = config.secrets.iter().find(|secret| secret.of == red);
    assert!(
        matches!(&found.unwrap().secret, Some(Place::File(file)) if file.to_str() == Some("/etc/ohmstead/red-car"))
    );
    assert_eq!(
        config.settings.history, None,
        "a copy of the example leaves it to the page"
    );

    let site = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n[[vehicle]]\nid = \"car\"\n";
    for (keys, expected) in [
        ("soc = \"http\"", "soc_url"),
        (
            "soc = \"http\"\nsoc_url = \"http://car\"\nsoc_every_s = 5",
            "15 to 86400 seconds",
        ),
        (
            "soc = \"http\"\nsoc_url = \"http://car\"\nsoc_topic = \"a\"",
            "soc_topic is for soc = \"mqtt\", but soc is \"http\"",
        ),
        (
            "soc_url = \"http://car\"",
            "soc_url is for soc = \"http\", but soc is \"manual\"",
        ),
        (
            "soc = \"mqtt\"\nsoc_broker = \"broker\"\nsoc_topic = \"a\"",
            "no address of a broker",
        ),
        ("soc = \"mqtt\"\nsoc_broker = \"mqtt://b\"", "soc_topic"),
        ("soc = \"charger\"\nsoc_secret_file = \"/x\"", "neither is there"),
        ("soc = \"satellite\"", "manual, pushed, http, mqtt or charger"),
    ] {
        let problems = parse(&format!("{site}{keys}\n")).unwrap_err();
        assert!(list(&problems).contains(expected), "{keys}: {}", list(&problems));
    }
    assert!(parse(&format!("{site}soc = \"charger\"\n")).is_ok());
}

#[test]
fn what_stands_in_the_file_is_known() {
    let settings = |more: &str, site: &str| {
        let text = format!(
            "{more}\n[[site]]\nid = \"home\"\n{site}\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n"
        );
        let config = parse(&text).unwrap_or_else(|problems| panic!("{}", list(&problems)));
        config.settings.given
    };
    assert_eq!(settings("", ""), Given::default());
    let given = settings(
        "[backup]\n[outbound]\n[goe]\noffline_after_h = 1",
        "name = \"Home\"",
    );
    let expected = ["backup", "outbound", "sites.home.name"].map(str::to_owned);
    assert_eq!(given, Given::from_iter(expected));
    assert!(settings("[goe]\nlocal_open = []", "").says("goe.local_open"));
    let inverter = |panels: &str| {
        let device =
            "[[site.device]]\nid = \"pv\"\nkind = \"inverter\"\ncircuit = \"house\"\ndriver = \"none\"\n";
        let site = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n";
        let config = parse(&format!("{site}{device}{panels}"))
            .unwrap_or_else(|problems| panic!("{}", list(&problems)));
        config.settings.given
    };
    let panels = "[[site.device.panels]]\npeak_w = 9400\ntilt_deg = 30\nazimuth_deg = 190\n";
    assert!(inverter(panels).says("sites.home.devices.pv.panels"));
    assert_eq!(inverter(""), Given::default());
    let device = "[[site.device]]\nid = \"box\"\nkind = \"charging_station\"\ncircuit = \"house\"\ndriver = \"none\"\n";
    let evses = ["left", "right"].map(|id| format!("[[site.device.evse]]\nid = \"{id}\"\nmax_a = 16\n"));
    let text = format!(
        "data = \"d\"\n[[goe.charger]]\nevse = \"left\"\nserial = \"000001\"\nenabled = true\n\
         [[goe.charger]]\nevse = \"right\"\nserial = \"000002\"\n\
         [[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n{device}{}",
        evses.concat()
    );
    let config = parse(&text).unwrap_or_else(|problems| panic!("{}", list(&problems)));
    let switched = ["goe.charger.left.enabled".to_owned()];
    assert_eq!(config.settings.given, Given::from_iter(switched));
}

#[test]
fn personal_data_is_kept_for_ever_unless_days_are_given() {
    let base = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n[personal_data]\n";
    for (more, session_days, audit_days) in [
        ("", None, None),
        ("session_days = 30", Some(30), None),
        ("session_days = 1\naudit_days = 36500", Some(1), Some(36_500)),
    ] {
        let settings = parse(&format!("{base}{more}")).unwrap().settings;
        let expected = PersonalData {
            session_days,
            audit_days,
        };
        assert_eq!(settings.personal_data, expected, "{more}");
    }
    let problems = parse(&format!("{base}session_days = 0\naudit_day = 1")).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn a_charger_is_reached_in_one_of_five_ways() {
    use model::device::{ForeignPolicy, GoeLink, GoeWay, LinkSettings};
    use model::setpoint::ChargeCurrent;
    use model::units::MilliAmps;

    let base = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n[[site.device]]\n\
                id = \"left\"\nkind = \"charging_station\"\ndriver = \"goe\"\n";
    let read = |keys: &str| parse(&format!("{base}{}\n", keys.replace("; ", "\n")));
    let url = |url: &str| GoeWay::Http { url: url.to_owned() };
    for (keys, expected) in [
        (
            "url = \"http://192.168.1.50/\"",
            url("http://192.168.1.50").into(),
        ),
        (
            "url = \"https://000001.api.v3.go-e.io\"; token_file = \"/t\"; ca_file = \"/c\"",
            GoeWay::Cloud {
                url: "https://000001.api.v3.go-e.io".to_owned(),
                token_file: "/t".into(),
                ca_file: Some("/c".into()),
            }
            .into(),
        ),
        (
            "websocket = \"ws://192.168.1.50/ws\"; password_file = \"/p\"; foreign = \"yield\"",
            GoeLink {
                way: GoeWay::WebSocket {
                    url: "ws://192.168.1.50/ws".to_owned(),
                    password_file: Some("/p".into()),
                },
                foreign: ForeignPolicy::Yield,
                fall_back: None,
            },
        ),
        (
            "mqtt = \"mqtt://broker\"; prefix = \"/go-eCharger/000001/\"; user = \"u\"; password_file = \"/p\"",
            GoeWay::Mqtt {
                broker: "mqtt://broker".to_owned(),
                prefix: "/go-eCharger/000001/".to_owned(),
                user: Some("u".to_owned()),
                password_file: Some("/p".into()),
            }
            .into(),
        ),
        (
            "modbus = \"192.168.1.50:502\"; fall_back_a = 8; foreign = \"ask\"",
            GoeLink {
                way: GoeWay::Modbus {
                    address: "192.168.1.50:502".to_owned(),
                    unit: 1,
                },
                foreign: ForeignPolicy::Ask,
                fall_back: Some(ChargeCurrent::at_most(MilliAmps(8_000))),
            },
        ),
    ] {
        let config = read(keys).unwrap_or_else(|problems| panic!("{keys}: {}", list(&problems)));
        let device = &config.settings.sites[0].devices[0];
        assert_eq!(device.link, LinkSettings::Goe(expected), "{keys}");
    }
    for (keys, expected) in [
        ("", "has no url"),
        (
            "url = \"192.168.1.50\"",
            "expected the charger's address, for example \"http://192.168.1.50\"",
        ),
        (
            "url = \"http://me:word@192.168.1.50\"",
            "expected the charger's address, for example",
        ),
        ("url = \"https://000001.api.v3.go-e.io\"", "has no token_file"),
        (
            "url = \"http://192.168.1.50\"; token_file = \"/t\"",
            "by an https address",
        ),
        (
            "url = \"http://a\"; modbus = \"a:502\"",
            "but url and modbus are there",
        ),
        ("websocket = \"http://a/ws\"", "expected an address like \"ws://"),
        ("mqtt = \"mqtt://a\"", "has no prefix"),
        (
            "mqtt = \"mqtt://a\"; prefix = \"go-eCharger/000001\"",
            "a topic that ends in /",
        ),
        (
            "mqtt = \"mqtt://a\"; prefix = \"a/\"; password_file = \"/p\"",
            "has no user",
        ),
        ("modbus = \"192.168.1.50\"", "expected a host and a port"),
        (
            "modbus = \"a:502\"; password_file = \"/p\"",
            "by mqtt or websocket",
        ),
        (
            "url = \"http://a\"; foreign = \"fight\"",
            "expected reassert, yield or ask",
        ),
        (
            "url = \"http://a\"; fall_back_a = 3",
            "0 (no charging) or 6 to 32",
        ),
    ] {
        let problems = list(&read(keys).unwrap_err());
        assert!(problems.contains(expected), "{keys}: {problems}");
    }
}

#[test]
fn devices_behind_a_gateway_name_it_and_what_they_are_called_there() {
    use model::device::LinkSettings;
    use model::gateway::{Gateway, GatewayLink, Unit};

    let file = |gateway: &str, devices: &[&str]| {
        let mut text = format!(
            "[[gateway]]\nid = \"line\"\n{gateway}\n[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n"
        );
        for (n, device) in devices.iter().enumerate() {
            text.push_str(&format!(
                "[[site.device]]\nid = \"d{n}\"\nkind = \"meter\"\ndriver = \"gateway\"\n{device}\n"
            ));
        }
        text
    };
    let good = "driver = \"modbus\"\naddress = \"192.168.1.24:502\"";
    let text = file(
        good,
        &[
            "gateway = \"line\"\nunit = 3",
            "gateway = \"line\"\nunit = 4\ndefinition = \"eastron-sdm630\"",
        ],
    );
    let settings = parse(&text)
        .unwrap_or_else(|problems| panic!("{}", list(&problems)))
        .settings;
    let line = Gateway {
        id: "line".parse().unwrap(),
        name: "line".to_owned(),
        link: GatewayLink::Modbus {
            address: "192.168.1.24:502".to_owned(),
        },
    };
    assert_eq!(settings.gateways, [line]);
    let via = |unit: &str, definition: Option<&str>| LinkSettings::Via {
        gateway: "line".parse().unwrap(),
        unit: Unit::named(unit),
        definition: definition.map(str::to_owned),
    };
    let found: Vec<_> = settings.sites[0]
        .devices
        .iter()
        .map(|device| &device.link)
        .collect();
    assert_eq!(found, [&via("3", None), &via("4", Some("eastron-sdm630"))]);

    for (gateway, devices, expected) in [
        (
            good,
            ["gateway = \"lime\"\nunit = 3", "gateway = \"line\"\nunit = 4"],
            "there is no gateway `lime`; did you mean `line`?",
        ),
        (
            good,
            ["gateway = \"line\"\nunit = 3", "gateway = \"line\"\nunit = 3"],
            "device \"d1\" is unit 3 of gateway `line`, and so is another one",
        ),
        (
            good,
            ["gateway = \"line\"", "gateway = \"line\"\nunit = 4"],
            "has no unit, expected the address of the device on the line, 0 to 255",
        ),
        (
            good,
            ["unit = 3", "gateway = \"line\"\nunit = 4"],
            "has no gateway, expected the id of a [[gateway]]",
        ),
        (
            "driver = \"modem\"\naddress = \"192.168.1.24:502\"",
            ["gateway = \"line\"\nunit = 3", "gateway = \"line\"\nunit = 4"],
            "a gateway has no driver `modem`, expected modbus",
        ),
        (
            "driver = \"modbus\"",
            ["gateway = \"line\"\nunit = 3", "gateway = \"line\"\nunit = 4"],
            "gateway \"line\" has no address, expected a host and a port",
        ),
    ] {
        let problems = list(&parse(&file(gateway, &devices)).unwrap_err());
        assert!(problems.contains(expected), "{expected}\n{problems}");
    }
}
