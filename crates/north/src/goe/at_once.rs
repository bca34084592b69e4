//! The status of a live charger as most clients ask for it, answered in front of the router.
//!
//! Dashboards ask for `/api/status` far more often than for all else together. Whatever is not plainly such a
//! request of somebody who may, with an answer of 200, is left to the router: there alone stands what is refused
//! and why. An answer from here is the same as the router's, byte for byte; a test compares them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::Response;
use dialects::goe::DIALECT;
use dialects::query::decode;
use futures_util::FutureExt;
use gate::Thing;
use gate::address::{goe_serial_of_host, host_allowed};
use model::id::{DeviceId, EvseId, SiteId};
use model::settings::GoeCharger;

use super::caller::{in_header, six_digits};
use super::charger::Moment;
use super::sheets::Sheets;
use super::{DOOR, STATUS};
use crate::State;
use crate::door::{self, Head};
use crate::metrics::Answered;

/// Answers at once, or not at all.
pub struct AtOnce {
    state: State,
    chargers: BTreeMap<EvseId, Known>,
    sheets: Sheets,
    answered: OnceLock<Answered>,
}

/// Where a charger is looked for.
struct Known {
    settings: GoeCharger,
    /// Whether the config file says if the cloud form answers.
    is_fixed: bool,
    site: SiteId,
    station: DeviceId,
    /// Where the EVSE and its station stand in views as a rule.
    evse_at: usize,
    station_at: usize,
}

impl AtOnce {
    pub fn boxed(state: &State) -> Box<dyn door::AtOnce> {
        Box::new(Self::new(state.clone()))
    }

    fn new(state: State) -> Self {
        let settings = &state.settings;
        let mut chargers = BTreeMap::new();
        for charger in &settings.goe.chargers {
            for site in &settings.sites {
                let all = site.evses().enumerate();
                for (evse_at, (station, _)) in all.filter(|(_, (_, evse))| evse.id == charger.evse) {
                    let station_at = site.devices.iter().position(|device| device.id == station.id);
                    let known = Known {
                        settings: charger.clone(),
                        is_fixed: settings.given.says(&GoeCharger::enabled_place(&charger.evse)),
                        site: site.id.clone(),
                        station: station.id.clone(),
                        evse_at,
                        station_at: station_at.unwrap_or_default(),
                    };
                    chargers.entry(charger.evse.clone()).or_insert(known);
                }
            }
        }
        Self {
            state,
            chargers,
            sheets: Sheets::default(),
            answered: OnceLock::new(),
        }
    }
}

impl door::AtOnce for AtOnce {
    fn answer(&self, request: &Head<'_>) -> Option<Response> {
        let Head { method, uri, headers } = *request;
        if method != Method::GET || uri.path() != STATUS || uri.authority().is_some() || has_body(headers) {
            return None;
        }
        let host = only_host(headers)?;
        let serial = goe_serial_of_host(host).map(|serial| six_digits(&serial));
        if serial.is_none() && !host_allowed(host, &self.state.settings.host_names) {
            return None;
        }
        let (in_query, query) = split_token(uri.query().unwrap_or_default())?;
        let token = match &in_query {
            Some(token) => token,
            None => in_header(headers)?,
        };
        let (thing, decided) = self.state.gate.at_once(&DIALECT, serial.as_deref(), token)?;
        let Thing::Evse(evse) = thing else { return None };
        let known = self.chargers.get(&evse)?;
        let reply = self.status(known, &evse, decided, token, &query)?;
        self.count();
        Some(reply)
    }
}

impl AtOnce {
    fn status(
        &self,
        known: &Known,
        evse: &EvseId,
        decided: Option<bool>,
        token: &str,
        query: &str,
    ) -> Option<Response> {
        let bus = &self.state.bus;
        // In this process a bus has them at hand; one that would have to ask is asked by the router.
        let view = bus.latest_view(&known.site).now_or_never()??;
        let document = bus
            .latest_document(&known.site, &known.station)
            .now_or_never()??;
        let at = view.evses.get(known.evse_at).filter(|view| view.id == *evse);
        let at = at.or_else(|| view.evses.iter().find(|view| view.id == *evse))?;
        let devices = &view.devices;
        let station = devices
            .get(known.station_at)
            .filter(|device| device.id == at.station);
        let station = station.or_else(|| devices.iter().find(|device| device.id == at.station));
        if at.station != known.station {
            return None;
        }
        let moment = Moment {
            view: &view,
            evse: at,
            station,
            document: Some(&document),
            serial: &known.settings.serial,
            api_enabled: decided
                .filter(|_| !known.is_fixed)
                .unwrap_or(known.settings.enabled),
        };
        let ready = self.sheets.of(&moment, Some(token));
        let answer = ready.answer(query);
        moment.facts(&self.state).admit_status(answer.age).ok()?;
        let last_modified = ready.last_modified(moment.last_data()?)?;
        let mut reply = Response::new(Body::from(answer.body));
        let headers = reply.headers_mut();
        headers.reserve(6);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, answer.length);
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::LAST_MODIFIED, last_modified);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        Some(reply)
    }

    /// As the router counts.
    fn count(&self) {
        tracing::debug!(
            http.method = "GET",
            http.route = STATUS,
            http.status = 200,
            duration_ms = 0,
            "answered"
        );
        let answered = self
            .answered
            .get_or_init(|| self.state.metrics.answered(Some(DOOR.name), "GET", STATUS, 200));
        answered.inc();
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING)
}

/// The one host that a request names.
fn only_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// The token of a query, and what else it says. `None` where a name is not written plainly.
fn split_token(query: &str) -> Option<(Option<String>, Cow<'_, str>)> {
    let name_of = |pair: &str| pair.split_once('=').map_or(pair.len(), |(name, _)| name.len());
    let pairs = || query.split('&').filter(|pair| !pair.is_empty());
    if pairs().any(|pair| pair[..name_of(pair)].contains(['%', '+'])) {
        return None;
    }
    let is_token = |pair: &str| &pair[..name_of(pair)] == "token";
    let Some(last) = pairs().rfind(|pair| is_token(pair)) else {
        return Some((None, Cow::Borrowed(query)));
    };
    let token = decode(last.get(name_of(last) + 1..).unwrap_or_default());
    let rest: Vec<&str> = pairs().filter(|pair| !is_token(pair)).collect();
    Some((Some(token), Cow::Owned(rest.join("&"))))
}
