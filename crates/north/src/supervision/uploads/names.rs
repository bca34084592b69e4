//! Our sites as one platform knows them.

use dialects::supervision::definition::Definition;
use dialects::supervision::site::{self, Profile};
use jiff::tz::TimeZone;
use model::device::Evse;
use model::id::{DeviceId, EvseId};
use model::oversight::{
    ChargeRecord, Code, Datum, Decimal, Entity, EntityKind, OperatorCode, ReportTo, ReportedSite, Sample,
    Value,
};
use model::session::Session;
use model::site::Site;
use model::time::Timestamp;
use model::view::SiteView;

/// The names on the wire of a platform.
///
/// # Errors
/// With what is wrong with its mapping.
pub fn definition(platform: &ReportTo) -> Result<Definition, String> {
    let text = match &platform.mapping {
        Some(_) if !platform.field_names.is_empty() => {
            return Err("has both a mapping and names of fields; put the names into the mapping".to_owned());
        }
        Some(text) => text.clone(),
        None => renamed(platform)?,
    };
    Definition::parse(&text).map_err(|error| format!("has a mapping that cannot be used: {error}"))
}

/// A mapping that gives fields other names.
fn renamed(platform: &ReportTo) -> Result<String, String> {
    let documented = dialects::supervision::definition::built_in();
    let forms = [
        ("station", &documented.station),
        ("equipment", &documented.equipment),
        ("port", &documented.port),
        ("sample", &documented.sample),
        ("record", &documented.record),
    ];
    let mut text = String::new();
    for (old, new) in &platform.field_names {
        let is_name = (1..=64).contains(&new.len()) && new.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name {
            return Err(format!(
                "calls `{old}` `{new}`, expected 1 to 64 visible ASCII characters"
            ));
        }
        let before = text.len();
        for (form, fields) in forms {
            if let Some(field) = fields.fields.iter().find(|field| field.name == *old) {
                let name = serde_json::Value::from(new.as_str());
                text += &format!("[[forms.{form}]]\nis = \"{}\"\nname = {name}\n", field.is);
            }
        }
        if text.len() == before {
            return Err(format!("renames `{old}`, which is no field that is documented"));
        }
    }
    Ok(text)
}

/// The zone whose clocks a platform writes times by.
pub fn zone(platform: &ReportTo) -> TimeZone {
    TimeZone::get(&platform.time_zone).unwrap_or(TimeZone::UTC)
}

/// All that is registered of all its sites, parents first.
pub fn entities(platform: &ReportTo, sites: &[Site]) -> Vec<Entity> {
    let of_site = |reported: &ReportedSite| {
        let site = sites.iter().find(|site| site.id == reported.site);
        site.map(|site| entities_of(platform, reported, site))
    };
    platform.sites.iter().filter_map(of_site).flatten().collect()
}

fn entities_of(platform: &ReportTo, reported: &ReportedSite, site: &Site) -> Vec<Entity> {
    let sheet = &reported.sheet;
    let mut site = site.clone();
    if let Some(place) = sheet.place {
        site.position = (place.datum == Datum::Wgs84).then_some(place.position);
    }
    let profile = Profile {
        owner: sheet.owner.clone(),
        address: sheet.address.clone(),
        phone: sheet.phone.clone(),
        station_type: sheet.station_type,
        position: None,
        standard: sheet.standard.clone(),
        energy_fee: sheet.energy_fee.clone(),
        service_fee: sheet.service_fee.clone(),
        fire_extinguisher: sheet.fire_extinguisher,
        smoke_detector: sheet.smoke_detector,
        currency: platform.currency,
    };
    let mut all = site::entities(&site, &profile);
    for entity in &mut all {
        rename(reported, entity);
        // What is shifted already is not shifted once more.
        if let Some(place) = sheet.place.filter(|place| place.datum == Datum::Gcj02)
            && entity.kind != EntityKind::Port
        {
            let degrees = [
                ("longitude", place.position.longitude_udeg),
                ("latitude", place.position.latitude_udeg),
            ];
            let degrees = degrees.map(|(name, udeg)| (name.to_owned(), Value::Number(Decimal(udeg))));
            entity.fields.extend(degrees);
        }
    }
    all
}

fn rename(reported: &ReportedSite, entity: &mut Entity) {
    let station = |code: &Code| reported.station.clone().unwrap_or_else(|| code.clone());
    let equipment = |code: &Code| given(reported.equipment.get(code.as_str()), code);
    match entity.kind {
        EntityKind::Station => entity.id = station(&entity.id),
        EntityKind::Equipment => {
            entity.id = equipment(&entity.id);
            entity.parent = entity.parent.as_ref().map(station);
        }
        EntityKind::Port => {
            entity.id = given(reported.ports.get(entity.id.as_str()), &entity.id);
            entity.parent = entity.parent.as_ref().map(equipment);
        }
    }
}

fn given(named: Option<&Code>, own: &Code) -> Code {
    named.unwrap_or(own).clone()
}

/// How every port of a site is now.
pub fn samples(platform: &ReportTo, reported: &ReportedSite, view: &SiteView) -> Vec<Sample> {
    let mut all = site::samples(view, &platform.operator, &zone(platform));
    for sample in &mut all {
        sample.port = given(reported.ports.get(sample.port.as_str()), &sample.port);
        sample.equipment = given(
            reported.equipment.get(sample.equipment.as_str()),
            &sample.equipment,
        );
    }
    all
}

/// What is told of a session that has ended.
pub fn records(platform: &ReportTo, reported: &ReportedSite, session: &Session) -> Vec<ChargeRecord> {
    let mut all = site::records(session, &platform.operator, &zone(platform), platform.currency);
    for record in &mut all {
        record.port = given(reported.ports.get(record.port.as_str()), &record.port);
    }
    all
}

/// Which charging point a platform means by a code.
pub fn evse<'a>(platform: &'a ReportTo, sites: &'a [Site], port: &Code) -> Option<Meant<'a>> {
    platform.sites.iter().find_map(|reported| {
        let site = sites.iter().find(|site| site.id == reported.site)?;
        let mut evses = site.evses();
        let is_meant = |evse: &Evse| match reported.ports.get(evse.id.as_str()) {
            Some(code) => code == port,
            None => evse.id.as_str() == port.as_str(),
        };
        let (device, evse) = evses.find(|(_, evse)| is_meant(evse))?;
        let equipment = reported.equipment.get(device.id.as_str());
        Some(Meant {
            site,
            station: &device.id,
            evse: &evse.id,
            equipment: equipment
                .cloned()
                .or_else(|| Code::new(device.id.as_str()).ok())?,
        })
    })
}

/// A charging point of ours.
pub struct Meant<'a> {
    pub site: &'a Site,
    pub station: &'a DeviceId,
    pub evse: &'a EvseId,
    /// What the platform calls the charging station.
    pub equipment: Code,
}

/// As the platform has us in its books, for reading what we tell as it would.
pub fn as_operator(platform: &ReportTo) -> model::oversight::Operator {
    let code: &OperatorCode = &platform.operator;
    let mut operator = model::oversight::Operator::new(code.clone(), &platform.name);
    operator.digest = platform.digest;
    operator.local = platform.local;
    operator.registered = Timestamp(0);
    operator
}
