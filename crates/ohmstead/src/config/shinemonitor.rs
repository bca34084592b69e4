//! `[shinemonitor]`: how we appear to ShineMonitor clients.

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
    let company_keys = section.texts("company_keys");
    for key in company_keys.iter().filter(|key| !is_word(key, 1..=64)) {
        section.problem(
            "company_keys",
            format!("\"{key}\" in company_keys is no key, expected 1 to 64 letters and digits"),
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
    if !is_word(&pn, 8..=30) {
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

fn is_word(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
