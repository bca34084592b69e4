//! An account of a ShineMonitor cloud that we read: the keys of a gateway with `driver = "shinemonitor"`, and what a
//! device behind it is called.

use std::path::PathBuf;

use dialects::shinemonitor::client::{Part, Place};
use dialects::shinemonitor::params::DeviceName;
use model::gateway::Unit;
use model::shinemonitor::{ShinemonitorAccount, ShinemonitorLogin};

use crate::config::section::Section;

/// `None`: it was said what is wrong.
pub fn read(section: &Section<'_, '_>) -> Option<ShinemonitorAccount> {
    let expected = "the address of the cloud, for example \"https://web.shinemonitor.com/public/\"";
    if !section.has("url") {
        section.missing("url", expected);
    }
    let url = section.parsed("url", expected, |text| {
        let rest = ["https://", "http://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))?;
        let is_place = !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', ' ', '@']);
        is_place.then(|| text.to_owned())
    });
    let user = section.required_text("user", "the user of the account");
    let password_file = section.required_text("password_file", "a file with the password of the user");
    let company_key = section.parsed("company_key", "letters, digits, - and _", is_key);
    let login = section.parsed("login", "source, plain or email", |text| match text {
        "source" => Some(ShinemonitorLogin::Source),
        "plain" => Some(ShinemonitorLogin::Plain),
        "email" => Some(ShinemonitorLogin::Email),
        _ => None,
    });
    let apps = section.texts("app_ids");
    if section.has("app_ids") && apps.is_empty() {
        section.problem("app_ids", "app_ids is empty, expected at least one id of an app");
    }
    let time_zone = section.parsed("time_zone", "an IANA name such as \"Europe/Vienna\"", |text| {
        model::time::is_time_zone(text).then(|| text.to_owned())
    });
    let past_days = section
        .scaled("past_days", 0, 0..=31, "days, 0 to 31")
        .and_then(|days| u8::try_from(days).ok());
    let ca_file = section.text("ca_file").map(PathBuf::from);
    Some(ShinemonitorAccount {
        url: url?,
        user: user?,
        password_file: password_file?.into(),
        company_key: company_key.unwrap_or_else(|| ShinemonitorAccount::COMPANY_KEY.to_owned()),
        login: login.unwrap_or_default(),
        apps: if apps.is_empty() {
            ShinemonitorAccount::APPS.map(str::to_owned).into()
        } else {
            apps
        },
        time_zone,
        past_days: past_days.unwrap_or(ShinemonitorAccount::PAST_DAYS),
        ca_file,
    })
}

fn is_key(text: &str) -> Option<String> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    ((1..=64).contains(&text.len()) && text.bytes().all(is_letter)).then(|| text.to_owned())
}

/// What a device is called in the account, and which part of it is meant: that which its kind says, unless `part` does.
pub fn unit(section: &Section<'_, '_>) -> Option<Unit> {
    let expected = "logger, type, address and serial number, as \"W0011223344556,2376,1,92932004102443\"";
    if !section.has("unit") {
        section.missing("unit", expected);
    }
    let name = section.parsed("unit", expected, DeviceName::read);
    let said = section.parsed("part", "pv, battery, grid or load", Part::from_name);
    let part = match section.text("kind").as_deref() {
        Some("inverter") => Part::Pv,
        Some("battery") => Part::Battery,
        Some("charging_station") => {
            section.problem(
                "kind",
                "a charging station cannot be reached over a ShineMonitor account",
            );
            return None;
        }
        _ => match section.text("role").as_deref() {
            Some("production") => Part::Pv,
            Some("storage") => Part::Battery,
            Some("consumption") => Part::Load,
            _ => Part::Grid,
        },
    };
    let place = Place {
        name: name?,
        part: said.unwrap_or(part),
    };
    Some(place.unit())
}

#[cfg(test)]
mod tests {
    use model::gateway::GatewayLink;
    use model::time::Millis;

    use crate::config;

    fn file(gateway: &str, devices: &[&str]) -> String {
        let mut text = format!(
            "[[gateway]]\nid = \"cloud\"\n{gateway}\n[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n"
        );
        for (n, device) in devices.iter().enumerate() {
            text += &format!(
                "[[site.device]]\nid = \"d{n}\"\ndriver = \"gateway\"\ngateway = \"cloud\"\n{device}\n"
            );
        }
        text
    }

    const GOOD: &str = "driver = \"shinemonitor\"\nurl = \"https://web.shinemonitor.com/public/\"\nuser = \"left\"\n\
        password_file = \"/etc/password\"";

    #[test]
    fn an_account_is_a_gateway_and_its_devices_are_behind_it() {
        let unit = "unit = \"W0011223344556,2376,1,92932004102443\"";
        let devices = [
            format!("kind = \"inverter\"\n{unit}"),
            format!("kind = \"battery\"\nmax_charge_w = 3000\nmax_discharge_w = 3000\npoll_s = 60\n{unit}"),
            format!("kind = \"meter\"\nrole = \"consumption\"\n{unit}"),
            format!("kind = \"meter\"\nrole = \"grid\"\n{unit}"),
        ];
        let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
        let settings = config::parse(&file(GOOD, &devices)).unwrap().settings;
        let GatewayLink::Shinemonitor(account) = &settings.gateways[0].link else {
            panic!("{:?}", settings.gateways)
        };
        assert_eq!(account.company_key, "bnrl_frRFjEz8Mkn");
        assert_eq!((account.apps.len(), account.past_days), (5, 7));
        let found: Vec<_> = settings.sites[0]
            .devices
            .iter()
            .map(|device| (device.link.via().unwrap().1.as_str(), device.period))
            .collect();
        let named = |part: &str| format!("W0011223344556,2376,1,92932004102443/{part}");
        let (pv, battery, load, grid) = (named("pv"), named("battery"), named("load"), named("grid"));
        let expected = [
            (pv.as_str(), Millis(300_000)),
            (battery.as_str(), Millis(60_000)),
            (load.as_str(), Millis(300_000)),
            (grid.as_str(), Millis(300_000)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_wrong_with_an_account_is_said() {
        let device = "kind = \"inverter\"\nunit = \"W0011223344556,2376,1,92932004102443\"";
        let with = |more: &str| format!("{GOOD}\n{more}");
        for (gateway, device, expected) in [
            (
                "driver = \"shinemonitor\"".to_owned(),
                device,
                "has no url, expected the address of the cloud",
            ),
            (
                GOOD.replace("https", "ftp"),
                device,
                "expected the address of the cloud",
            ),
            (GOOD.replace("user = \"left\"", ""), device, "has no user"),
            (
                GOOD.replace("password_file", "password"),
                device,
                "has no key `password`; known are app_ids",
            ),
            (with("login = \"sms\""), device, "expected source, plain or email"),
            (with("time_zone = \"Mars/Olympus\""), device, "an IANA name"),
            (with("past_days = 99"), device, "expected days, 0 to 31"),
            (
                with("company_key = \"a b\""),
                device,
                "expected letters, digits, - and _",
            ),
            (with("app_ids = []"), device, "at least one id of an app"),
            (
                GOOD.to_owned(),
                "kind = \"inverter\"",
                "has no unit, expected logger, type, address",
            ),
            (
                GOOD.to_owned(),
                "kind = \"inverter\"\nunit = \"W0011223344556,2376\"",
                "expected logger, type, address",
            ),
            (
                GOOD.to_owned(),
                "kind = \"inverter\"\nunit = \"W0011223344556,2376,1,9\"\npart = \"roof\"",
                "expected pv, battery, grid or load",
            ),
            (
                GOOD.to_owned(),
                "kind = \"charging_station\"\nunit = \"W0011223344556,2376,1,9\"",
                "a charging station cannot be reached over",
            ),
        ] {
            let problems = config::parse(&file(&gateway, &[device])).unwrap_err();
            let texts = format!("{problems:?}");
            assert!(
                texts.contains(&expected.replace('"', "\\\"")) || texts.contains(expected),
                "{expected}\n{texts}"
            );
        }
    }
}
