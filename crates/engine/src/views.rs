//! What the others may see of a site: the balance, and one view each of circuits, devices and EVSEs.

use std::sync::Arc;

use model::device::{Device, DeviceKind, Evse, Wish};
use model::id::EvseId;
use model::reason::{Cause, Reason};
use model::setpoint::ChargeCurrent;
use model::time::Now;
use model::units::Watts;
use model::vendor::Keys;
use model::view::{CardSlot, CircuitView, DeviceView, EvseView, Flow, ForeignView, PushedView, SiteView};

use crate::core::Core;
use crate::cycle;

/// The house load is the median of so many cycles.
const HOUSE_CYCLES: usize = 7;

impl Core {
    pub(crate) fn evse_power(&self, station: &Device, evse: &Evse) -> Option<Watts> {
        let measured = self.image.devices.get(&station.id)?.measured.as_ref()?;
        if station.evses().len() == 1 && measured.value.power.is_some() {
            return measured.value.power;
        }
        let current = cycle::drawn_by_grid_phase(station, evse, &self.image).total();
        Some(current.power(self.site.nominal_voltage, 1))
    }

    /// Devices are read at different moments, so the rest of the balance jumps while a car ramps. The median
    /// of a few cycles does not.
    pub(crate) fn observe_house(&mut self, now: Now) {
        let Some(rest) = self.balance(now).house else {
            self.house.clear();
            return;
        };
        if self.house.len() == HOUSE_CYCLES {
            self.house.pop_front();
        }
        self.house.push_back(rest);
    }

    pub(crate) fn flow(&self, now: Now) -> Flow {
        let flow = self.balance(now);
        let mut recent: Vec<Watts> = self.house.iter().copied().collect();
        recent.sort_unstable();
        Flow {
            house: flow
                .house
                .map(|rest| recent.get(recent.len() / 2).copied().unwrap_or(rest)),
            ..flow
        }
    }

    /// The balance of the latest readings.
    fn balance(&self, now: Now) -> Flow {
        let fresh = |device: &Device| self.image.fresh(&device.id, device.period, now.monotonic)?.power;
        // `None` when one of them is silent, empty when there is none.
        let powers = |wanted: fn(&DeviceKind) -> bool| {
            let devices = self.site.devices.iter().filter(|d| d.enabled && wanted(&d.kind));
            devices.map(fresh).collect::<Option<Vec<Watts>>>()
        };
        let sum = |powers: &Option<Vec<Watts>>| {
            powers
                .as_ref()
                .map(|powers| powers.iter().copied().sum::<Watts>())
        };
        let shown = |powers: &Option<Vec<Watts>>| {
            sum(powers).filter(|_| powers.as_ref().is_some_and(|p| !p.is_empty()))
        };

        let root = self.site.circuits.first();
        let grid = root
            .and_then(|root| self.site.device(root.meter.as_ref()?))
            .and_then(fresh);
        let pv = powers(|kind| matches!(kind, DeviceKind::Inverter { .. }));
        let battery = powers(|kind| matches!(kind, DeviceKind::Battery { .. }));
        let evses = self
            .site
            .evses()
            .filter_map(|(station, evse)| self.evse_power(station, evse))
            .sum();
        let house = (|| Some(grid? - sum(&pv)? - sum(&battery)? - evses))();
        Flow {
            grid,
            pv: shown(&pv),
            battery: shown(&battery),
            evses,
            house,
        }
    }

    /// What the others may see, as of `now`.
    pub fn view(&self, now: Now) -> SiteView {
        let cards = self.sessions.directory.slots(&self.site, now.wall);
        SiteView {
            id: self.site.id.clone(),
            name: self.site.name.clone(),
            time_zone: self.site.time_zone.clone(),
            epoch: self.epoch,
            at: now,
            flow: self.flow(now),
            circuits: self.circuit_views(now),
            devices: self
                .site
                .devices
                .iter()
                .map(|device| self.device_view(device, now))
                .collect(),
            evses: self
                .site
                .evses()
                .enumerate()
                .map(|(index, (station, evse))| self.evse_view(index, station, evse, cards.clone(), now))
                .collect(),
            alarms: self.alarms.open(),
            overdraft: self.account.total(),
            rules: self.rules.decided(),
            cycle: self.cycle,
        }
    }

    fn circuit_views(&self, now: Now) -> Vec<CircuitView> {
        let view = |(index, circuit): (usize, &model::site::Circuit)| CircuitView {
            id: circuit.id.clone(),
            name: circuit.name.clone(),
            parent: circuit.parent.clone(),
            limit: circuit.limit,
            current: match &circuit.meter {
                Some(meter) => self.site.device(meter).and_then(|device| {
                    self.image
                        .fresh(&device.id, device.period, now.monotonic)?
                        .current
                }),
                None => Some(
                    self.site
                        .evses()
                        .filter(|(station, _)| self.is_under(&station.circuit, &circuit.id))
                        .map(|(station, evse)| cycle::drawn_by_grid_phase(station, evse, &self.image))
                        .fold(Default::default(), std::ops::Add::add),
                ),
            },
            headroom: self.decision.headroom.get(index).copied().flatten(),
        };
        self.site.circuits.iter().enumerate().map(view).collect()
    }

    fn is_under(&self, leaf: &model::id::CircuitId, node: &model::id::CircuitId) -> bool {
        let mut next = Some(leaf);
        // As many steps as there are circuits: a loop in the settings must not hang the view.
        for _ in 0..self.site.circuits.len() {
            match next {
                Some(id) if id == node => return true,
                Some(id) => next = self.site.circuit(id).and_then(|c| c.parent.as_ref()),
                None => return false,
            }
        }
        false
    }

    fn device_view(&self, device: &Device, now: Now) -> DeviceView {
        let image = self.image.devices.get(&device.id).cloned().unwrap_or_default();
        DeviceView {
            id: device.id.clone(),
            name: device.name.clone(),
            kind: device.kind.name().to_owned(),
            role: match &device.kind {
                DeviceKind::Meter { role } => Some(*role),
                DeviceKind::Inverter { .. }
                | DeviceKind::Battery { .. }
                | DeviceKind::ChargingStation { .. } => None,
            },
            circuit: device.circuit.clone(),
            enabled: device.enabled,
            link: image.link,
            last_seen: image.last_seen,
            is_fresh: self
                .image
                .fresh(&device.id, device.period, now.monotonic)
                .is_some(),
            measured: image.measured.map(|r| r.value).unwrap_or_default(),
            identity: image.identity,
            controls: image.controls,
        }
    }

    fn pushed_view(&self, evse: &EvseId, now: Now) -> Option<PushedView> {
        let (readings, at) = self.fresh_push(evse, now.monotonic)?;
        Some(PushedView {
            readings,
            at,
            is_used: self.leans_on.as_ref() == Some(evse),
        })
    }

    fn keys_of(&self, evse: &EvseId) -> Keys {
        let mut keys = self.keys.get(evse).cloned().unwrap_or_default();
        self.tickets.overlay(evse, &mut keys);
        keys
    }

    fn evse_view(
        &self,
        index: usize,
        station: &Device,
        evse: &Evse,
        cards: Arc<[CardSlot]>,
        now: Now,
    ) -> EvseView {
        let image = self.image.evses.get(&evse.id).cloned().unwrap_or_default();
        let verdict = self.decision.verdicts.get(index);
        let told = self.dispatch.told(&evse.id);
        EvseView {
            id: evse.id.clone(),
            name: evse.name.clone(),
            station: station.id.clone(),
            circuit: station.circuit.clone(),
            terminals: evse.terminals,
            rotation: evse.rotation,
            min: evse.min,
            max: evse.max,
            phase_switching: evse.phase_switching,
            wish: self
                .wishes
                .get(&evse.id)
                .copied()
                .unwrap_or_else(|| Wish::default_of(evse)),
            status: image.status.map(|r| r.value).unwrap_or_default(),
            current: cycle::drawn_by_grid_phase(station, evse, &self.image),
            power: self.evse_power(station, evse).unwrap_or_default(),
            setpoint: told.map_or(ChargeCurrent::PAUSED, |t| t.current),
            phases: told.and_then(|t| t.phases),
            granted: verdict.map_or(ChargeCurrent::PAUSED, |v| v.granted),
            reason: self.reasons.get(&evse.id).cloned().unwrap_or(Reason {
                cause: Cause::StartingUp,
                since: now.wall,
            }),
            plugged_since: image.plugged_since,
            authorisation: evse.authorisation,
            session: self.session_view(&evse.id),
            cards,
            cap: self
                .cap(&evse.id, now.monotonic)
                .map(|cap| (cap.current, cap.ends)),
            price_allows: self.price_allows.get(index).copied().flatten(),
            pushed: self.pushed_view(&evse.id, now),
            foreign: self.foreign.get(&evse.id).map(|write| ForeignView {
                write: *write,
                policy: station.link.foreign_policy(),
            }),
            keys: self.keys_of(&evse.id),
            dialect: station.link.dialect().map(str::to_owned),
        }
    }
}
