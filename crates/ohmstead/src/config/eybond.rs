//! `[loggers]`: data loggers that dial us, and what is behind one.

use std::net::SocketAddr;

use dialects::eybond::{Behind, Definition, Part, definition, parameters};
use model::device::LinkSettings;
use model::gateway::{Gateway, GatewayLink, PassOn};
use model::id::GatewayId;
use model::settings::LoggerSettings;
use model::time::Millis;

use super::Read;
use super::section::{Section, nearest, one_of};

const EXPECTED_VENDOR: &str = "a host and a port, for example \"ess.eybond.com:502\"";

pub fn read(root: &Section<'_, '_>, gateways: &[Gateway]) -> Read<LoggerSettings> {
    let settings = root.table("loggers").map(read_section).unwrap_or_default();
    let mut links = gateways.iter().map(|gateway| &gateway.link);
    if settings.listen.is_empty() && links.any(|link| matches!(link, GatewayLink::Logger { .. })) {
        let text = "data loggers dial us, and there is no port for them: expected `listen` in [loggers]";
        root.problem("gateway", text.to_owned());
    }
    let is_passed_on = |gateway: &&Gateway| {
        matches!(
            gateway.link,
            GatewayLink::Logger {
                pass_on: PassOn::Reads,
                ..
            }
        )
    };
    let passed_on = gateways.iter().find(is_passed_on);
    if let (None, Some(gateway)) = (&settings.vendor, passed_on) {
        let text = format!(
            "gateway \"{}\" is to be passed on, and nothing says where to: expected `vendor` in [loggers], {EXPECTED_VENDOR}",
            gateway.id
        );
        root.problem("gateway", text);
    }
    Read::of(settings)
}

fn read_section(section: Section<'_, '_>) -> LoggerSettings {
    let default = LoggerSettings::default();
    let mut listen: Vec<SocketAddr> = Vec::new();
    for text in section.texts("listen") {
        match text.parse() {
            Ok(address) => listen.push(address),
            Err(_) => section.problem(
                "listen",
                format!("\"{text}\" in listen is no address, expected one such as \"0.0.0.0:502\""),
            ),
        }
    }
    let heartbeat = section
        .scaled("heartbeat_s", 0, 10..=600, "seconds, 10 to 600")
        .map_or(default.heartbeat, Millis::from_seconds);
    let vendor = section.parsed("vendor", EXPECTED_VENDOR, |text| {
        let (host, port) = text.rsplit_once(':')?;
        let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/@?#".contains(c));
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        (is_host && is_port).then(|| text.to_owned())
    });
    section.finish();
    LoggerSettings {
        listen,
        heartbeat,
        vendor,
    }
}

/// A logger, as it says who it is.
pub fn read_logger(section: &Section<'_, '_>) -> Option<GatewayLink> {
    let words = one_of(&PassOn::ALL.map(PassOn::word));
    let pass_on = section.parsed("pass_on", &words, |text| {
        PassOn::ALL.into_iter().find(|pass_on| pass_on.word() == text)
    });
    // Left out, it is open which one it is.
    let pn = if section.has("pn") {
        Some(number(section)?)
    } else {
        None
    };
    Some(GatewayLink::Logger {
        pn,
        pass_on: pass_on.unwrap_or_default(),
    })
}

fn number(section: &Section<'_, '_>) -> Option<String> {
    let expected = "8 to 30 letters and digits as they stand on the logger, for example \"E5000099990001\"";
    let pn = section.required_text("pn", expected)?;
    if parameters::number(pn.as_bytes()) == Some(&pn) {
        return Some(pn);
    }
    section.problem("pn", format!("pn is \"{pn}\", expected {expected}"));
    None
}

/// How a device behind a logger is reached.
pub fn read_behind(section: &Section<'_, '_>, gateway: &GatewayId) -> Option<LinkSettings> {
    let expected = "the address of the inverter on the serial line, 0 to 255";
    if !section.has("unit") {
        section.missing("unit", expected);
    }
    let unit = section.scaled("unit", 0, 0..=255, expected);
    let known = definition::names();
    let name = section.required_text("definition", &known.join(", "));
    let definition = name.and_then(|name| {
        let definition = Definition::built_in(&name);
        if definition.is_none() {
            let hint = nearest(&name, &known).map_or_else(
                || format!("; known are {}", known.join(", ")),
                |known| format!("; did you mean `{known}`?"),
            );
            let text = format!("there is no definition `{name}` of an inverter behind a logger{hint}");
            section.problem("definition", text);
        }
        definition.map(|definition| (name, definition))
    });
    let words = Part::ALL.map(Part::name).join(", ");
    let part = section.parsed("part", &words, Part::from_name);
    let (name, definition) = definition?;
    let part = part.unwrap_or_else(|| usual_part(section));
    check_part(section, part);
    if !definition.parts().any(|known| known == part) {
        let known: Vec<_> = definition.parts().map(Part::name).collect();
        let text = format!(
            "`{name}` has no part `{}`, expected {}",
            part.name(),
            known.join(", ")
        );
        section.problem("part", text);
    }
    let address = u8::try_from(unit?).ok()?;
    Some(LinkSettings::Via {
        gateway: gateway.clone(),
        unit: Behind { address, part }.unit(),
        definition: Some(name),
    })
}

/// What of an inverter a device is when nobody says it.
fn usual_part(section: &Section<'_, '_>) -> Part {
    let words = (section.text("kind"), section.text("role"));
    match (words.0.as_deref(), words.1.as_deref()) {
        (Some("battery"), _) | (Some("meter"), Some("storage")) => Part::Battery,
        (Some("meter"), Some("consumption")) => Part::Load,
        (Some("meter"), Some("production")) => Part::Pv,
        (Some("meter"), _) => Part::Grid,
        _ => Part::All,
    }
}

/// A battery that reads the inverter's output would be believed.
fn check_part(section: &Section<'_, '_>, part: Part) {
    let expected = match section.text("kind").as_deref() {
        Some("battery") if part != Part::Battery => "battery",
        Some("inverter") if !matches!(part, Part::All | Part::Pv) => "all, pv",
        Some("charging_station") => {
            let text = "a charging station cannot be behind a data logger, expected a meter, an inverter or a battery";
            section.problem("kind", text);
            return;
        }
        _ => return,
    };
    let kind = section.text("kind").unwrap_or_default();
    let text = format!(
        "part is \"{}\" of a device of kind {kind}, expected {expected}",
        part.name()
    );
    section.problem("part", text);
}

#[cfg(test)]
mod tests {
    use model::gateway::Unit;

    use super::*;
    use crate::config::{list, parse};

    const LOGGERS: &str = "[loggers]\nlisten = [\"127.0.0.1:502\"]\n";
    const GATEWAY: &str = "[[gateway]]\nid = \"roof\"\ndriver = \"logger\"\npn = \"E5000099990001\"\n";
    const SITE: &str = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n";
    const DEVICE: &str = "[[site.device]]\nid = \"roof-pv\"\nkind = \"inverter\"\ndriver = \"gateway\"\n\
                          gateway = \"roof\"\n";

    #[test]
    fn inverters_behind_a_logger_are_read() {
        let text = format!("{LOGGERS}{GATEWAY}{SITE}{DEVICE}unit = 5\ndefinition = \"smg\"\npart = \"pv\"\n");
        let settings = parse(&text)
            .unwrap_or_else(|problems| panic!("{}", list(&problems)))
            .settings;
        assert_eq!(settings.loggers.listen, ["127.0.0.1:502".parse().unwrap()]);
        assert_eq!(settings.loggers.heartbeat, Millis(60_000));
        let pn = "E5000099990001".to_owned();
        let logger = |pass_on| GatewayLink::Logger {
            pn: Some(pn.clone()),
            pass_on,
        };
        assert_eq!(settings.gateways[0].link, logger(PassOn::Nothing));
        let device = &settings.sites[0].devices[0];
        let link = LinkSettings::Via {
            gateway: "roof".parse().unwrap(),
            unit: Unit::named("5/pv"),
            definition: Some("smg".to_owned()),
        };
        assert_eq!((&device.link, device.period), (&link, Millis(30_000)));
        let text = format!("{LOGGERS}vendor = \"ess.eybond.com:502\"\n{GATEWAY}pass_on = \"reads\"\n{SITE}");
        let passed_on = parse(&text)
            .unwrap_or_else(|problems| panic!("{}", list(&problems)))
            .settings;
        assert_eq!(passed_on.loggers.vendor.as_deref(), Some("ess.eybond.com:502"));
        assert_eq!(passed_on.gateways[0].link, logger(PassOn::Reads));
        let text = format!("{LOGGERS}[[gateway]]\nid = \"roof\"\ndriver = \"logger\"\n{SITE}");
        let open = parse(&text)
            .unwrap_or_else(|problems| panic!("{}", list(&problems)))
            .settings;
        let link = GatewayLink::Logger {
            pn: None,
            pass_on: PassOn::Nothing,
        };
        assert_eq!(open.gateways[0].link, link);
        let bare = parse(SITE)
            .unwrap_or_else(|problems| panic!("{}", list(&problems)))
            .settings;
        assert_eq!(bare.loggers, LoggerSettings::default());
    }

    #[test]
    fn what_cannot_be_is_named() {
        let device = |rest: &str| format!("{LOGGERS}{GATEWAY}{SITE}{DEVICE}{rest}\n");
        for (text, expected) in [
            (format!("{GATEWAY}{SITE}"), "expected `listen` in [loggers]"),
            (
                format!("[loggers]\nlisten = [\"502\"]\n{SITE}"),
                "\"502\" in listen is no address",
            ),
            (
                format!("[loggers]\nheartbeat_s = 5\n{SITE}"),
                "seconds, 10 to 600",
            ),
            (
                format!("{LOGGERS}[[gateway]]\nid = \"roof\"\ndriver = \"logger\"\npn = \"E-1\"\n{SITE}"),
                "pn is \"E-1\", expected 8 to 30 letters and digits",
            ),
            (
                format!("{LOGGERS}{GATEWAY}{}{SITE}", GATEWAY.replace("roof", "barn")),
                "gateway \"barn\" is data logger E5000099990001, and so is another one",
            ),
            (
                format!("{LOGGERS}{GATEWAY}pass_on = \"reads\"\n{SITE}"),
                "gateway \"roof\" is to be passed on, and nothing says where to",
            ),
            (
                format!("{LOGGERS}{GATEWAY}pass_on = \"all\"\n{SITE}"),
                "expected nothing or reads",
            ),
            (
                format!("[loggers]\nvendor = \"https://ess.eybond.com:502\"\n{SITE}"),
                "expected a host and a port",
            ),
            (device("unit = 5"), "definition"),
            (
                device("definition = \"smg\""),
                "the address of the inverter on the serial line",
            ),
            (device("unit = 5\ndefinition = \"smgg\""), "did you mean `smg`?"),
            (
                device("unit = 5\ndefinition = \"smg\"\npart = \"roof\""),
                "all, pv, battery, load, grid",
            ),
            (
                device("unit = 5\ndefinition = \"pi30\"\npart = \"grid\""),
                "`pi30` has no part `grid`, expected all, pv, battery, load",
            ),
        ] {
            let problems = list(&parse(&text).unwrap_err());
            assert!(problems.contains(expected), "{problems}");
        }
    }
}
