//! What hangs on the inverters of a site.

use model::device::DeviceKind;
use model::id::DeviceId;
use model::panels::Panels;
use model::settings::{ChosenSite, Given};
use model::site::Site;
use model::sun::Plane;
use model::units::Watts;

use crate::native::error::ApiError;
use crate::native::wire::settings::{InverterSettings, PanelSettings, SiteChange};

impl From<Panels> for PanelSettings {
    fn from(panels: Panels) -> Self {
        Self {
            peak_w: panels.peak.0,
            tilt_deg: panels.plane.tilt_deg,
            azimuth_deg: panels.plane.azimuth_deg,
        }
    }
}

impl From<PanelSettings> for Panels {
    fn from(panels: PanelSettings) -> Self {
        let PanelSettings {
            peak_w,
            tilt_deg,
            azimuth_deg,
        } = panels;
        Self {
            peak: Watts(peak_w),
            plane: Plane {
                tilt_deg,
                azimuth_deg,
            },
        }
    }
}

/// Checks what is wanted of the inverters of a site, and chooses it.
pub fn change(
    site: &Site,
    given: &Given,
    wanted: &SiteChange,
    chosen: &mut ChosenSite,
) -> Result<(), ApiError> {
    for (id, wanted) in &wanted.panels {
        let inverter = inverters(site).find(|(inverter, ..)| inverter.as_str() == id);
        let (inverter, ..) = inverter.ok_or_else(|| ApiError::unknown("inverter", id))?;
        let place = Site::panels_place(&site.id, inverter);
        if given.says(&place) {
            return Err(super::from_file(&place));
        }
        if wanted.len() > Panels::MOST {
            let expected = format!("at most {}", Panels::MOST);
            return Err(ApiError::invalid(&place, wanted.len(), expected));
        }
        let panels: Vec<Panels> = wanted.iter().map(|panels| (*panels).into()).collect();
        let wrong = panels.iter().enumerate();
        let wrong = wrong
            .filter_map(|(at, panels)| Some((at, panels.problem()?)))
            .next();
        if let Some((at, (member, given, expected))) = wrong {
            return Err(ApiError::invalid(
                &format!("{place}.{at}.{member}"),
                given,
                expected,
            ));
        }
        chosen.panels.insert(inverter.clone(), panels);
    }
    Ok(())
}

/// How those of a site are, and what stands in the file.
pub fn view(site: &Site, given: &Given) -> Vec<InverterSettings> {
    let shown = inverters(site).map(|(id, name, panels)| InverterSettings {
        id: id.to_string(),
        name: name.to_owned(),
        panels: panels.iter().map(|panels| (*panels).into()).collect(),
        panels_from_file: given.says(&Site::panels_place(&site.id, id)),
    });
    shown.collect()
}

/// The places of those that are other than what runs.
pub fn after_restart(site: &Site, running: &Site) -> Vec<String> {
    let both = inverters(site).zip(inverters(running));
    let new = both.filter(|((.., after), (.., before))| after != before);
    new.map(|((id, ..), _)| Site::panels_place(&site.id, id))
        .collect()
}

fn inverters(site: &Site) -> impl Iterator<Item = (&DeviceId, &str, &[Panels])> {
    site.devices.iter().filter_map(|device| match &device.kind {
        DeviceKind::Inverter { panels, .. } => Some((&device.id, device.name.as_str(), panels.as_slice())),
        DeviceKind::Meter { .. } | DeviceKind::Battery { .. } | DeviceKind::ChargingStation { .. } => None,
    })
}
