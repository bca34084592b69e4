//! `ohmstead discover`: which chargers announce themselves in the local network, and what is behind a gateway.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use model::device::Device;
use south::discover::{Behind, Nameable};

use super::print;
use crate::clock::RealClock;
use crate::config;

pub async fn run(seconds: u64) -> anyhow::Result<()> {
    let found = south::discover::chargers(Duration::from_secs(seconds)).await?;
    if found.is_empty() {
        print(&format!(
            "no charger announced itself within {seconds} s; it must be in the same network segment, and multicast must pass"
        ));
        return Ok(());
    }
    for charger in &found {
        let what = if charger.is_controller {
            "controller"
        } else {
            charger.device_type.as_str()
        };
        print(&format!(
            "{what}  serial {}  \"{}\"",
            charger.serial, charger.name
        ));
        print(&format!("  url = \"{}\"", charger.url));
    }
    Ok(())
}

/// What is behind a gateway of the config file.
pub async fn behind(file: &Path, id: &str) -> anyhow::Result<()> {
    let settings = config::load(file)?.settings;
    let gateways = &settings.gateways;
    let gateway = gateways.iter().find(|gateway| gateway.id.as_str() == id);
    let gateway = gateway.ok_or_else(|| {
        let known: Vec<&str> = gateways.iter().map(|gateway| gateway.id.as_str()).collect();
        anyhow!(
            "there is no gateway `{id}` in {}; known are: {}",
            file.display(),
            known.join(", ")
        )
    })?;
    let found = south::behind(gateway, &RealClock::start())
        .await
        .map_err(|why| anyhow!(why))?;
    let devices: Vec<&Device> = settings.sites.iter().flat_map(|site| &site.devices).collect();
    for line in listing(&found, id, &devices) {
        print(&line);
    }
    Ok(())
}

/// What is for people is a comment, so that all of it can be pasted.
fn listing(found: &Behind, gateway: &str, configured: &[&Device]) -> Vec<String> {
    let mut lines: Vec<String> = found.notes.iter().map(|note| format!("# {note}")).collect();
    if found.devices.is_empty() {
        lines.push("# no device".to_owned());
    }
    let mut taken: BTreeSet<String> = configured.iter().map(|device| device.id.to_string()).collect();
    for device in &found.devices {
        lines.push(String::new());
        let unit = &device.unit;
        if is_configured(unit, gateway, configured) {
            lines.push(format!("# {unit} \"{}\" is in the file already", device.name));
        } else if device.kinds.is_empty() {
            lines.push(format!(
                "# {unit} \"{}\" is nothing that can be read this way",
                device.name
            ));
        } else {
            for (kind, role) in &device.kinds {
                lines.extend(entry(device, gateway, kind, *role, &mut taken));
            }
        }
    }
    lines
}

/// Behind this gateway, whichever part of it.
fn is_configured(unit: &str, gateway: &str, configured: &[&Device]) -> bool {
    let mut named = configured.iter().filter_map(|device| device.link.via());
    named.any(|(of, own)| of.as_str() == gateway && own.as_str().split('/').next() == Some(unit))
}

fn entry(
    device: &Nameable,
    gateway: &str,
    kind: &str,
    role: Option<&str>,
    taken: &mut BTreeSet<String>,
) -> Vec<String> {
    let base = match device.kinds.len() {
        1 => id_of(&device.name),
        _ => id_of(&format!("{}-{}", device.name, role.unwrap_or(kind))),
    };
    let mut id = base.clone();
    let mut number = 2;
    while !taken.insert(id.clone()) {
        id = format!("{base}-{number}");
        number += 1;
    }
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut lines = vec![
        "[[site.device]]".to_owned(),
        format!("id = \"{id}\""),
        format!("name = {}", quoted(&device.name)),
        format!("kind = \"{kind}\""),
    ];
    lines.extend(role.map(|role| format!("role = \"{role}\"")));
    if kind == "battery" {
        lines.push("max_charge_w = 0         # what it can take".to_owned());
        lines.push("max_discharge_w = 0      # what it can give".to_owned());
    }
    lines.push("driver = \"gateway\"".to_owned());
    lines.push(format!("gateway = \"{gateway}\""));
    lines.push(format!("unit = {}", quoted(&device.unit)));
    lines.push(String::new());
    lines
}

/// A name as an id: letters and digits of it, or a word that always is one.
fn id_of(name: &str) -> String {
    let words: Vec<String> = name
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let id: String = words.join("-").chars().take(40).collect();
    if id.is_empty() { "device".to_owned() } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed goes back in.
    #[test]
    fn what_is_found_can_be_pasted() {
        let device = |unit: &str, name: &str, kinds: &[(&'static str, Option<&'static str>)]| Nameable {
            unit: unit.to_owned(),
            name: name.to_owned(),
            kinds: kinds.to_vec(),
        };
        let inverter = [("inverter", None)];
        let storage = [
            ("inverter", None),
            ("battery", None),
            ("meter", Some("consumption")),
        ];
        let found = Behind {
            notes: vec![
                "plant 1 \"Home\"".to_owned(),
                "  logger W0011223344556".to_owned(),
            ],
            devices: vec![
                device("W0011223344556,512,1,1", "Roof \"east\"", &inverter),
                device("W0011223344556,512,2,2", "太阳能", &inverter),
                device("W0011223344556,2376,3,3", "Shed", &storage),
                device("W0011223344556,2048,4,4", "Car", &[]),
                device("W0011223344556,512,5,5", "Old", &inverter),
            ],
        };
        let file = |devices: &str| {
            format!(
                "[[gateway]]\nid = \"cloud\"\ndriver = \"shinemonitor\"\nurl = \"https://web.shinemonitor.com\"\n\
                 user = \"left\"\npassword_file = \"/p\"\n[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\n\
                 limit_a = 35\n{devices}"
            )
        };
        let old = "[[site.device]]\nid = \"shed-inverter\"\nkind = \"inverter\"\ndriver = \"gateway\"\n\
                   gateway = \"cloud\"\nunit = \"W0011223344556,512,5,5\"\n";
        let configured = config::parse(&file(old)).unwrap().settings;
        let configured: Vec<&Device> = configured.sites[0].devices.iter().collect();
        let lines = listing(&found, "cloud", &configured);
        assert!(
            lines
                .iter()
                .any(|line| line.contains("\"Old\" is in the file already")),
            "{lines:#?}"
        );
        assert!(
            lines.iter().any(|line| line.contains("\"Car\" is nothing")),
            "{lines:#?}"
        );
        let settings = config::parse(&file(&(old.to_owned() + &lines.join("\n"))))
            .unwrap()
            .settings;
        let ids: Vec<_> = settings.sites[0]
            .devices
            .iter()
            .map(|device| device.id.as_str())
            .collect();
        let expected = [
            "shed-inverter",
            "roof-east",
            "device",
            "shed-inverter-2",
            "shed-battery",
            "shed-consumption",
        ];
        assert_eq!(ids, expected);
    }
}
