//! `[shinemonitor]`: how we appear to ShineMonitor clients. How we read a cloud of that kind: [`account`].

pub mod account;

use model::id::SiteId;
use model::settings::{ShinemonitorPlant, ShinemonitorSettings};
use model::site::Site;
use model::time::Millis;

use super::Read;
use super::section::{Section, nearest};
use super::site::required_id;

pub fn read(root: &Section<'_, '_>, sites: &[Site]) -> Read<ShinemonitorSettings> {
    let section = root.table("shinemonitor");
    Read::of(
        section
            .map(|section| read_section(section, sites))
            .unwrap_or_default(),
    )
}

fn read_section(section: Section<'_, '_>, sites: &[Site]) -> ShinemonitorSettings {
    let default = ShinemonitorSettings::default();
    let given = section.texts("company_keys");
    let company_keys = if section.has("company_keys") {
        given
    } else {
        default.company_keys
    };
    for key in company_keys.iter().filter(|key| !is_key(key)) {
        section.problem(
            "company_keys",
            format!("\"{key}\" in company_keys is no key, expected 1 to 64 letters, digits, - and _"),
        );
    }
    let expire = section
        .scaled("expire_s", 0, 60..=31_536_000, "seconds, 60 to 31536000")
        .map_or(default.expire, Millis::from_seconds);
    let registration = section.boolean("registration", default.registration);
    let mut plants: Vec<ShinemonitorPlant> = Vec::new();
    for plant in section.tables("plant") {
        plants.extend(read_plant(&plant, sites, &plants));
        plant.finish();
    }
    section.finish();
    ShinemonitorSettings {
        company_keys,
        expire,
        registration,
        plants,
    }
}

fn read_plant(
    section: &Section<'_, '_>,
    sites: &[Site],
    before: &[ShinemonitorPlant],
) -> Option<ShinemonitorPlant> {
    let expected = "8 to 30 letters and digits, for example \"G0916522248153\"";
    let site: Option<SiteId> = required_id(section, "site", "the id of a site");
    let pn = section.required_text("pn", expected);
    let (site, pn) = (site?, pn?);
    let known: Vec<&str> = sites.iter().map(|site| site.id.as_str()).collect();
    if !known.contains(&site.as_str()) {
        let hint = nearest(site.as_str(), &known)
            .map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
        section.problem("site", format!("there is no site `{site}`{hint}"));
    }
    if !is_number(&pn) {
        section.problem("pn", format!("pn is \"{pn}\", expected {expected}"));
    }
    if before.iter().any(|other| other.site == site) {
        section.problem("site", format!("site `{site}` is there twice"));
    }
    if before.iter().any(|other| other.pn == pn) {
        section.problem("pn", format!("pn \"{pn}\" is there twice"));
    }
    Some(ShinemonitorPlant { site, pn })
}

fn is_key(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

fn is_number(text: &str) -> bool {
    (8..=30).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{list, parse};

    const SITE: &str = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n";

    #[test]
    fn what_is_not_said_has_its_default() {
        let read = |text: &str| {
            let config = parse(&format!("{text}\n{SITE}"));
            let config = config.unwrap_or_else(|problems| panic!("{}", list(&problems)));
            config.settings.shinemonitor
        };
        assert_eq!(read(""), ShinemonitorSettings::default());
        assert_eq!(read("[shinemonitor]"), ShinemonitorSettings::default());
        let said = read(
            "[shinemonitor]\ncompany_keys = []\nexpire_s = 60\nregistration = true\n\
             [[shinemonitor.plant]]\nsite = \"home\"\npn = \"G0916522248153\"",
        );
        let plant = ShinemonitorPlant {
            site: "home".parse().unwrap(),
            pn: "G0916522248153".to_owned(),
        };
        let expected = ShinemonitorSettings {
            company_keys: Vec::new(),
            expire: Millis(60_000),
            registration: true,
            plants: vec![plant],
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let plants = |plants: &[(&str, &str)]| {
            let mut text = "[shinemonitor]\n".to_owned();
            for (site, pn) in plants {
                text += &format!("[[shinemonitor.plant]]\nsite = \"{site}\"\npn = \"{pn}\"\n");
            }
            text
        };
        for (text, expected) in [
            (
                "[shinemonitor]\ncompany_keys = [\"a b\"]\n".to_owned(),
                "\"a b\" in company_keys is no key",
            ),
            ("[shinemonitor]\nexpire_s = 59\n".to_owned(), "seconds, 60 to"),
            (plants(&[("hom", "G0916522248153")]), "did you mean `home`"),
            (plants(&[("home", "G-1")]), "pn is \"G-1\", expected 8 to 30"),
            (
                plants(&[("home", "G0916522248153"), ("home", "G0916522248154")]),
                "site `home` is there twice",
            ),
        ] {
            let problems = list(&parse(&format!("{text}{SITE}")).unwrap_err());
            assert!(problems.contains(expected), "{problems}");
        }
    }
}
