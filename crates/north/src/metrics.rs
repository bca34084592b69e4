//! `/metrics` in the OpenMetrics text format.
//!
//! Requests are counted as they pass; everything about sites is read from the latest views when somebody
//! asks, so that nothing is kept twice. Units are base units, as the format wants: watts, amperes, seconds;
//! energy stays in watt-hours.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Extension;
use axum::extract::{MatchedPath, Request, State as Shared};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gate::{Action, Principal, Subject};
use model::device::LinkState;
use model::phases::PerPhase;
use model::units::MilliAmps;
use model::view::{DeviceView, EvseView, LinkCounts, SiteView};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::State;
use crate::door::Door;
use crate::native::auth::allow;
use crate::native::error::ApiError;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counts that live as long as the process.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    of_doors: Family<DoorLabels, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = Family::<RequestLabels, Counter>::default();
        let of_doors = Family::<DoorLabels, Counter>::default();
        let mut registry = Registry::with_prefix("ohmstead");
        registry.register("http_requests", "HTTP requests answered", requests.clone());
        registry.register(
            "door_requests",
            "HTTP requests answered in a dialect",
            of_doors.clone(),
        );
        Self {
            registry,
            requests,
            of_doors,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    /// The pattern, not the path: paths may hold tokens.
    route: String,
    /// `2xx`, `4xx`, …
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DoorLabels {
    /// [`Door::name`]
    door: &'static str,
    status: String,
}

/// Counts and traces a request, by its route and without its query.
pub async fn observe(Shared(state): Shared<State>, request: Request, next: Next) -> Response {
    let method = request.method().as_str().to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("page", MatchedPath::as_str)
        .to_owned();
    let door = Door::of(request.uri().path()).map(|door| door.name);
    let begin = state.clock.now().monotonic;
    let response = next.run(request).await;
    let status = response.status();
    let duration_ms = (state.clock.now().monotonic - begin).0;
    tracing::debug!(http.method = %method, http.route = %route, http.status = status.as_u16(), duration_ms, "answered");
    let method = if KNOWN_METHODS.contains(&method.as_str()) {
        method
    } else {
        "other".to_owned()
    };
    state.metrics.answered(door, method, route, status.as_u16()).inc();
    response
}

fn class_of(status: u16) -> String {
    format!("{}xx", status / 100)
}

impl Metrics {
    /// The counts of requests of one kind; for who answers them without [`observe`] as well.
    pub(crate) fn answered(
        &self,
        door: Option<&'static str>,
        method: impl Into<String>,
        route: impl Into<String>,
        status: u16,
    ) -> Answered {
        let status = class_of(status);
        let of_door = door.map(|door| DoorLabels {
            door,
            status: status.clone(),
        });
        let labels = RequestLabels {
            method: method.into(),
            route: route.into(),
            status,
        };
        Answered {
            all: self.requests.get_or_create(&labels).clone(),
            of_door: of_door.map(|labels| self.of_doors.get_or_create(&labels).clone()),
        }
    }
}

/// What counts requests of one kind.
pub(crate) struct Answered {
    all: Counter,
    of_door: Option<Counter>,
}

impl Answered {
    pub fn inc(&self) {
        self.all.inc();
        if let Some(of_door) = &self.of_door {
            of_door.inc();
        }
    }
}

/// Others are counted together, so that nobody can make up labels without end.
const KNOWN_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Shows everything.
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Response, ApiError> {
    allow(&caller, &Action::Read, &Subject::Installation)?;
    let views = state.bus.latest_views().await;
    let mut text = String::new();
    let done = encode_registry(&mut text, &state.metrics.registry)
        .and_then(|()| encode_registry(&mut text, &of_sites(&views)))
        .and_then(|()| encode_registry(&mut text, &of_links(&(state.links)())))
        .and_then(|()| encode_eof(&mut text));
    if let Err(error) = done {
        tracing::error!(%error, "cannot write metrics");
        text.clear();
        let _ = text.write_str("# EOF\n");
    }
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Site {
    site: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Device {
    site: String,
    device: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DevicePhase {
    site: String,
    device: String,
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Evse {
    site: String,
    evse: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EvsePhase {
    site: String,
    evse: String,
    phase: &'static str,
}

/// Whose doing an overload was: `command` or `load`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    site: String,
    cause: &'static str,
}

type Real<L> = Family<L, Gauge<f64, AtomicU64>>;
type Whole<L> = Family<L, Gauge>;
type Total<L> = Family<L, Counter>;
type RealTotal<L> = Family<L, Counter<f64, AtomicU64>>;

#[derive(Default)]
struct OfSites {
    up: Whole<Device>,
    last_seen: Real<Device>,
    power: Whole<Device>,
    current: Real<DevicePhase>,
    energy_in: Total<Device>,
    energy_out: Total<Device>,
    soc: Real<Device>,
    evse_power: Whole<Evse>,
    evse_current: Real<EvsePhase>,
    setpoint: Real<Evse>,
    granted: Real<Evse>,
    cycles: Total<Site>,
    cycle_seconds: Real<Site>,
    alarms: Whole<Site>,
    overdraft_seconds: RealTotal<Cause>,
    overdraft_ampere_seconds: RealTotal<Cause>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Driver {
    driver: &'static str,
}

/// How a device answers: `connecting`, `online` or `offline`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answers {
    driver: &'static str,
    state: &'static str,
}

fn of_links(counts: &BTreeMap<&'static str, LinkCounts>) -> Registry {
    let (links, restarts) = (Whole::<Answers>::default(), Total::<Driver>::default());
    for (driver, counts) in counts {
        let states = [
            ("connecting", counts.connecting),
            ("online", counts.online),
            ("offline", counts.offline),
        ];
        for (state, count) in states {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            links.get_or_create(&Answers { driver, state }).set(count);
        }
        restarts.get_or_create(&Driver { driver }).inc_by(counts.restarts);
    }
    let mut registry = Registry::with_prefix("ohmstead");
    registry.register("links", "Devices with a link, by how it does", links);
    registry.register(
        "link_restarts",
        "Links that ended by themselves and were started again",
        restarts,
    );
    registry
}

fn of_sites(views: &[Arc<SiteView>]) -> Registry {
    let all = OfSites::default();
    for view in views {
        let site = Site {
            site: view.id.to_string(),
        };
        all.cycles.get_or_create(&site).inc_by(view.cycle.count);
        all.cycle_seconds
            .get_or_create(&site)
            .set(as_real(view.cycle.last_us) / 1e6);
        all.alarms
            .get_or_create(&site)
            .set(i64::try_from(view.alarms.len()).unwrap_or(i64::MAX));
        view.devices
            .iter()
            .for_each(|device| all.device(&site.site, device));
        view.evses.iter().for_each(|evse| all.evse(&site.site, evse));
        let over = &view.overdraft;
        for (cause, ms, ma_s) in [
            ("command", over.caused_ms, over.caused_ma_s),
            ("load", over.reacted_ms, over.reacted_ma_s),
        ] {
            let labels = Cause {
                site: site.site.clone(),
                cause,
            };
            all.overdraft_seconds
                .get_or_create(&labels)
                .inc_by(thousandths(ms.max(0)));
            all.overdraft_ampere_seconds
                .get_or_create(&labels)
                .inc_by(thousandths(ma_s.max(0)));
        }
    }
    all.into_registry()
}

impl OfSites {
    fn device(&self, site: &str, device: &DeviceView) {
        let labels = Device {
            site: site.to_owned(),
            device: device.id.to_string(),
        };
        self.up
            .get_or_create(&labels)
            .set(i64::from(device.link == LinkState::Online));
        if let Some(at) = device.last_seen {
            self.last_seen.get_or_create(&labels).set(thousandths(at.0));
        }
        let measured = &device.measured;
        if let Some(power) = measured.power.filter(|_| device.is_fresh) {
            self.power.get_or_create(&labels).set(power.0);
        }
        if let Some(current) = measured.current.filter(|_| device.is_fresh) {
            for (phase, current) in by_phase(current) {
                let labels = DevicePhase {
                    site: site.to_owned(),
                    device: device.id.to_string(),
                    phase,
                };
                self.current.get_or_create(&labels).set(thousandths(current.0));
            }
        }
        if let Some(energy) = measured.energy_in {
            self.energy_in
                .get_or_create(&labels)
                .inc_by(u64::try_from(energy.0).unwrap_or(0));
        }
        if let Some(energy) = measured.energy_out {
            self.energy_out
                .get_or_create(&labels)
                .inc_by(u64::try_from(energy.0).unwrap_or(0));
        }
        if let Some(soc) = measured.soc.filter(|_| device.is_fresh) {
            self.soc.get_or_create(&labels).set(thousandths(soc.0));
        }
    }

    fn evse(&self, site: &str, evse: &EvseView) {
        let labels = Evse {
            site: site.to_owned(),
            evse: evse.id.to_string(),
        };
        self.evse_power.get_or_create(&labels).set(evse.power.0);
        self.setpoint
            .get_or_create(&labels)
            .set(thousandths(evse.setpoint.or_zero().0));
        self.granted
            .get_or_create(&labels)
            .set(thousandths(evse.granted.or_zero().0));
        for (phase, current) in by_phase(evse.current) {
            let labels = EvsePhase {
                site: site.to_owned(),
                evse: evse.id.to_string(),
                phase,
            };
            self.evse_current
                .get_or_create(&labels)
                .set(thousandths(current.0));
        }
    }

    fn into_registry(self) -> Registry {
        let mut registry = Registry::with_prefix("ohmstead");
        let to = &mut registry;
        to.register("device_up", "Whether the device answers", self.up);
        to.register(
            "device_last_seen_timestamp_seconds",
            "When the device last answered",
            self.last_seen,
        );
        to.register(
            "device_power_watts",
            "Active power, positive into the device",
            self.power,
        );
        to.register(
            "device_current_amperes",
            "Current, signed like its phase's power",
            self.current,
        );
        to.register(
            "device_energy_in_watt_hours",
            "Energy into the device",
            self.energy_in,
        );
        to.register(
            "device_energy_out_watt_hours",
            "Energy out of the device",
            self.energy_out,
        );
        to.register("device_soc_ratio", "State of charge", self.soc);
        to.register("evse_power_watts", "Draw of the EVSE", self.evse_power);
        to.register(
            "evse_current_amperes",
            "Draw of the EVSE by grid phase",
            self.evse_current,
        );
        to.register(
            "evse_setpoint_amperes",
            "What the EVSE was told, 0 when paused",
            self.setpoint,
        );
        to.register(
            "evse_granted_amperes",
            "What the latest cycle would give",
            self.granted,
        );
        to.register("control_cycles", "Control cycles run", self.cycles);
        to.register(
            "control_cycle_seconds",
            "Duration of the latest control cycle",
            self.cycle_seconds,
        );
        to.register("alarms", "Open alarms", self.alarms);
        to.register("overdraft_seconds", "Time above a limit", self.overdraft_seconds);
        to.register(
            "overdraft_ampere_seconds",
            "Overload above a limit",
            self.overdraft_ampere_seconds,
        );
        registry
    }
}

fn by_phase(values: PerPhase<MilliAmps>) -> [(&'static str, MilliAmps); 3] {
    [("l1", values.l1), ("l2", values.l2), ("l3", values.l3)]
}

/// Exact up to 2⁵³.
#[allow(clippy::cast_precision_loss, reason = "the format knows floating point only")]
fn thousandths(value: i64) -> f64 {
    value as f64 / 1e3
}

#[allow(clippy::cast_precision_loss, reason = "the format knows floating point only")]
fn as_real(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_counted_by_driver_and_state() {
        let counts = LinkCounts {
            connecting: 1,
            online: 2,
            offline: 0,
            restarts: 3,
        };
        let mut text = String::new();
        encode_registry(&mut text, &of_links(&[("modbus", counts)].into())).unwrap();
        for line in [
            r#"ohmstead_links{driver="modbus",state="connecting"} 1"#,
            r#"ohmstead_links{driver="modbus",state="online"} 2"#,
            r#"ohmstead_links{driver="modbus",state="offline"} 0"#,
            r#"ohmstead_link_restarts_total{driver="modbus"} 3"#,
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }
}
