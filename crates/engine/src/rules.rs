//! Rules of a site: the sets of the store, compiled, and the facts that they look at.

use std::sync::Arc;

use control::rules::{Amount, Book, EvseFacts, Facts, Outcome, OwnFacts, RuleMemory, Slot};
use control::snapshot::Snapshot;
use jiff::tz::TimeZone;
use model::device::{ChargeMode, Device, DeviceKind, Force, LinkState};
use model::money::PerKwh;
use model::phases::{PerPhase, PhaseSet, Phases};
use model::reading::{Measured, PilotState};
use model::rule::{EvseName, Flow, PriceLevel, Problem, RuleOwner, RuleRun, RuleSet, SiteName, TimeName};
use model::session::Session;
use model::tariff::{Direction, PriceBook, Span};
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, WattHours, Watts};

use crate::core::Core;

/// A charging station that has not answered for so long is silent for long.
const SILENT_LONG: Millis = Millis(12_000);
/// Levels of prices are by the mean of so long before and after.
const HALF_MEAN: Millis = Millis(36 * 3_600_000);
/// As far as prices are looked ahead, and how often.
const AHEAD: Millis = Millis(48 * 3_600_000);
const PRICES_EVERY: Millis = Millis(900_000);

/// The rules of a site and what they remember.
#[derive(Default)]
pub(crate) struct Rules {
    sets: Vec<RuleSet>,
    book: Book,
    memory: RuleMemory,
    facts: Facts,
    outcome: Outcome,
    zone: Option<TimeZone>,
    last: Option<Monotonic>,
    prices: Prices,
}

/// What is kept of prices between two looks at the book.
#[derive(Default)]
struct Prices {
    book: Option<Arc<PriceBook>>,
    seen: Option<Monotonic>,
    mean: Option<PerKwh>,
}

impl Rules {
    /// What each set decided in the last cycle.
    pub(crate) fn decided(&self) -> Arc<[RuleRun]> {
        self.outcome.runs.as_slice().into()
    }
}

impl Core {
    /// The sets of the site as they are now. Those that are wrong are not used.
    pub fn set_rules(&mut self, sets: Vec<RuleSet>, now: Now) -> Vec<Problem> {
        if self.rules.sets == sets {
            return Vec::new();
        }
        let (book, wrong) = Book::new(&sets, &self.site);
        let rules = &mut self.rules;
        rules.memory = book.adopt(&rules.book, &rules.memory);
        rules.book = book;
        rules.sets = sets;
        self.due = now.monotonic;
        wrong
    }

    /// Lays what the rules come to over the snapshot.
    pub(crate) fn rule(&mut self, snapshot: &mut Snapshot, now: Now) {
        let mut rules = std::mem::take(&mut self.rules);
        if rules.book.is_empty() {
            rules.outcome = Outcome::default();
        } else {
            self.gather(&mut rules, snapshot, now);
            let Rules {
                book,
                facts,
                memory,
                outcome,
                ..
            } = &mut rules;
            book.run(facts, memory, now.monotonic, outcome);
            outcome.apply(snapshot);
        }
        rules.last = Some(now.monotonic);
        self.rules = rules;
    }

    fn gather(&self, rules: &mut Rules, snapshot: &Snapshot, now: Now) {
        let zone = rules
            .zone
            .get_or_insert_with(|| TimeZone::get(&self.site.time_zone).unwrap_or(TimeZone::UTC));
        let facts = &mut rules.facts;
        tell_time(facts, zone, now.wall);
        facts.voltage = snapshot.voltage;
        self.tell_power(facts, snapshot, now);
        self.tell_prices(facts, &mut rules.prices, now);
        let mut site = |name: SiteName, value| facts.site[name as usize] = value;
        let elapsed = rules.last.map_or(Millis(0), |last| now.monotonic - last);
        site(SiteName::Elapsed, Some(elapsed.0));
        let count = |is: &dyn Fn(&control::snapshot::Evse) -> bool| {
            i64::try_from(snapshot.evses.iter().filter(|evse| is(evse)).count()).ok()
        };
        site(SiteName::Charging, count(&|evse| !evse.phases_in_use.is_empty()));
        site(SiteName::Plugged, count(&|evse| evse.pilot.is_plugged()));
        facts.evses.resize_with(snapshot.evses.len(), EvseFacts::default);
        let surplus = facts.surplus.power;
        for (index, (station, _)) in self.site.evses().enumerate() {
            let (Some(evse), Some(place)) = (snapshot.evses.get(index), facts.evses.get_mut(index)) else {
                continue;
            };
            self.tell_evse(place, station, evse, now);
            let phases = place.phases.count().max(1);
            place.own[EvseName::Surplus as usize] =
                surplus.map(|power| power.0 * 1_000_000 / snapshot.voltage.0.max(1) / phases);
        }
        facts.others.clear();
        facts.others.extend(
            rules
                .book
                .others()
                .iter()
                .map(|owner| self.other(owner, snapshot, now)),
        );
        facts.readings.clear();
        facts
            .readings
            .extend(rules.book.readings().iter().map(|(device, quantity)| {
                let measured = self.measured(self.site.device(device)?, now)?;
                let mut values = measured.values();
                values.find(|(held, _)| held == quantity).map(|(_, value)| value)
            }));
        // No device says anything of contacts yet.
        facts.inputs.clear();
        facts.inputs.resize(rules.book.inputs().len(), None);
    }

    fn measured(&self, device: &Device, now: Now) -> Option<&Measured> {
        self.image.fresh(&device.id, device.period, now.monotonic)
    }

    fn tell_power(&self, facts: &mut Facts, snapshot: &Snapshot, now: Now) {
        let sun = &snapshot.sun;
        let evses = self.flow(now).evses;
        let positive = |power: Watts| power.at_least_zero();
        let battery = sun.battery.map_or(Watts::ZERO, |battery| battery.power);
        // A battery that comes first may take what it can before anything is left over.
        let first = sun.battery.map_or(Watts::ZERO, |battery| {
            let is_first = battery.soc.is_none_or(|soc| soc < battery.priority_below);
            if is_first { battery.max_charge } else { Watts::ZERO }
        });
        let import = sun.grid.map(positive);
        let export = sun.grid.map(|grid| positive(-grid));
        let solar = sun.pv.map(|pv| positive(-pv));
        let surplus = sun.grid.map(|grid| positive(evses + battery - first - grid));
        let consumed = sun
            .grid
            .map(|grid| positive(grid - sun.pv.unwrap_or(Watts::ZERO) - battery));
        // By phase only where the meter at the grid connection says it, and no battery takes part.
        let root = snapshot.circuits.first();
        let is_fresh = sun.grid.is_some();
        let grid = root
            .and_then(|root| root.meter.as_ref()?.current)
            .filter(|_| is_fresh);
        let drawn = snapshot.evses.iter().map(|evse| evse.drawn);
        let drawn: PerPhase<MilliAmps> = drawn.fold(PerPhase::default(), std::ops::Add::add);
        let clip = |current: PerPhase<MilliAmps>| current.map(MilliAmps::at_least_zero);
        facts.import = Amount {
            power: import,
            current: grid.map(clip),
        };
        facts.export = Amount {
            power: export,
            current: grid.map(|grid| clip(grid.map(|current| -current))),
        };
        facts.surplus = Amount {
            power: surplus,
            current: grid
                .filter(|_| sun.battery.is_none())
                .map(|grid| clip(drawn.zip(grid, |drawn, grid| drawn - grid))),
        };
        facts.solar = Amount {
            power: solar,
            current: None,
        };
        let mut site = |name: SiteName, value: Option<i64>| facts.site[name as usize] = value;
        site(SiteName::Import, import.map(|power| power.0));
        site(SiteName::Export, export.map(|power| power.0));
        site(SiteName::Solar, solar.map(|power| power.0));
        site(SiteName::Surplus, surplus.map(|power| power.0));
        site(SiteName::Consumed, consumed.map(|power| power.0));
        site(SiteName::Evses, Some(positive(evses).0));
        site(SiteName::BatteryPower, sun.battery.map(|battery| battery.power.0));
        site(
            SiteName::BatterySoc,
            sun.battery.and_then(|battery| battery.soc).map(|soc| soc.0),
        );
        let capacity = self.site.devices.iter().filter_map(|device| match &device.kind {
            DeviceKind::Battery { capacity, .. } => *capacity,
            DeviceKind::Meter { .. } | DeviceKind::Inverter { .. } | DeviceKind::ChargingStation { .. } => {
                None
            }
        });
        let capacity: WattHours = capacity.sum();
        site(SiteName::BatteryCapacity, (capacity.0 > 0).then_some(capacity.0));
        let least = |currents: PerPhase<MilliAmps>| currents.into_array().into_iter().map(|c| c.0).min();
        site(SiteName::Limit, root.and_then(|root| least(root.limit)));
        // Of the last cycle: this one decides by it.
        let room = self.decision.headroom.first().copied().flatten();
        site(
            SiteName::Room,
            room.and_then(|room| least(room.zip(drawn, |room, drawn| room + drawn))),
        );
    }

    fn tell_prices(&self, facts: &mut Facts, kept: &mut Prices, now: Now) {
        let book = self.sessions.prices();
        let is_same = match (&kept.book, book) {
            (Some(kept), Some(book)) => Arc::ptr_eq(kept, book),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let is_young = kept.seen.is_some_and(|seen| now.monotonic - seen < PRICES_EVERY);
        if !is_same || !is_young {
            kept.book = book.cloned();
            kept.seen = Some(now.monotonic);
            let spans = |from, to| {
                book.map(|book| book.site_spans(&self.site.id, Direction::Import, from, to))
                    .unwrap_or_default()
            };
            kept.mean = mean(&spans(now.wall - HALF_MEAN, now.wall + HALF_MEAN));
            facts.prices.clear();
            facts
                .prices
                .extend(spans(now.wall, now.wall + AHEAD).iter().filter_map(|span| {
                    Some(Slot {
                        start: span.start.as_seconds(),
                        end: span.end.as_seconds(),
                        value: span.priced.as_ref()?.price.0,
                    })
                }));
        }
        let price = self
            .sessions
            .priced(&self.site, None, now.wall)
            .map(|priced| priced.price);
        let level = price
            .zip(kept.mean)
            .and_then(|(price, mean)| PriceLevel::of(price, mean));
        facts.site[SiteName::Price as usize] = price.map(|price| price.0);
        facts.site[SiteName::PriceLevel as usize] = level.map(|level| i64::from(level.number()));
    }

    fn tell_evse(&self, place: &mut EvseFacts, station: &Device, evse: &control::snapshot::Evse, now: Now) {
        let session = self.sessions.session(&evse.id);
        let running = session.and_then(Session::running);
        place.user = running.and_then(|running| running.authorisation.user.clone());
        place.card = running.and_then(|running| running.authorisation.card.clone());
        place.phases = if !evse.phases_in_use.is_empty() {
            evse.phases_in_use
        } else if evse.wish.phases == Some(Phases::One) && evse.phase_switching {
            PhaseSet::only(evse.one_phase)
        } else {
            evse.phases
        };
        let count = place.phases.count();
        place.own = [None; EvseName::ALL.len()];
        let mut own = |name: EvseName, value: Option<i64>| place.own[name as usize] = value;
        let flag = |is: bool| Some(i64::from(is));
        let since = |at: Timestamp| (now.wall - at).as_seconds();
        let [l1, l2, l3] = evse.drawn.into_array().map(|current| current.0);
        own(EvseName::CurrentL1, Some(l1));
        own(EvseName::CurrentL2, Some(l2));
        own(EvseName::CurrentL3, Some(l3));
        own(EvseName::Current, Some(l1.max(l2).max(l3)));
        let of_site = self.site.evses().find(|(_, held)| held.id == evse.id);
        let power = of_site.and_then(|(station, evse)| self.evse_power(station, evse));
        own(EvseName::Power, power.map(|power| power.0));
        let told = self.dispatch.told(&evse.id);
        own(EvseName::Offered, told.map(|told| told.current.or_zero().0));
        own(EvseName::Min, Some(evse.min.0));
        own(EvseName::Max, Some(evse.max.0));
        own(
            EvseName::Pilot,
            Some(match evse.pilot {
                PilotState::A => 0,
                PilotState::B => 1,
                PilotState::C => 2,
                PilotState::D => 3,
                PilotState::E => 4,
                PilotState::F => 5,
            }),
        );
        own(EvseName::Plugged, flag(evse.pilot.is_plugged()));
        own(EvseName::Charging, flag(!evse.phases_in_use.is_empty()));
        let link = self.image.devices.get(&station.id).map(|image| &image.link);
        own(EvseName::Silent, flag(link != Some(&LinkState::Online)));
        let patience = SILENT_LONG.max(Millis(3 * station.period.0));
        own(
            EvseName::SilentLong,
            flag(evse.status_age.is_none_or(|age| age > patience)),
        );
        own(EvseName::PhasesInUse, Some(evse.phases_in_use.count()));
        own(EvseName::Phases, Some(count));
        let waits = matches!(
            evse.wish.effective_mode(),
            ChargeMode::Solar | ChargeMode::MinSolar
        );
        own(
            EvseName::WantsSurplus,
            flag(waits && evse.wish.force == Force::Neutral),
        );
        own(EvseName::PluggedAt, evse.plugged_since.map(Timestamp::as_seconds));
        own(EvseName::SessionTime, evse.plugged_since.map(since));
        if station.evses().len() == 1
            && let Some(measured) = self.measured(station, now)
        {
            own(EvseName::EnergyIn, measured.energy_in.map(|energy| energy.0));
            own(EvseName::EnergyOut, measured.energy_out.map(|energy| energy.0));
        }
        if let Some(session) = session {
            own(EvseName::SessionEnergy, Some(session.energy().0));
            own(EvseName::Soc, self.sessions.soc(session).map(|state| state.soc.0));
            let first = session.transactions.first();
            own(
                EvseName::EnergyAtPlug,
                first.and_then(|first| first.meter_start).map(|energy| energy.0),
            );
        }
        if let Some(running) = running {
            own(EvseName::TransactionEnergy, Some(running.energy.0));
            own(EvseName::TransactionTime, Some(since(running.started)));
            own(EvseName::ChargingTime, Some(running.charging.as_seconds()));
        }
        if let Some((budget, used)) = self.sessions.budget(&evse.id) {
            own(EvseName::Budget, Some(budget.0));
            own(EvseName::BudgetUsed, Some(used.0));
            own(EvseName::BudgetLeft, Some((budget - used).at_least_zero().0));
        }
    }

    /// A circuit or a battery.
    fn other(&self, owner: &RuleOwner, snapshot: &Snapshot, now: Now) -> OwnFacts {
        let mut facts: OwnFacts = [None; EvseName::ALL.len()];
        let mut own = |name: EvseName, value: Option<i64>| facts[name as usize] = value;
        let circuit = match owner {
            RuleOwner::Circuit { circuit } => snapshot.circuits.iter().find(|held| held.id == *circuit),
            RuleOwner::Site => snapshot.circuits.first(),
            RuleOwner::Battery { device, flow, .. } => {
                let Some(device) = self.site.device(device) else {
                    return facts;
                };
                if let DeviceKind::Battery {
                    max_charge,
                    max_discharge,
                    ..
                } = &device.kind
                {
                    let most = match flow {
                        Flow::Charge => max_charge,
                        Flow::Discharge => max_discharge,
                    };
                    own(EvseName::Max, Some(most.0));
                }
                if let Some(measured) = self.measured(device, now) {
                    own(EvseName::Power, measured.power.map(|power| power.0));
                    own(EvseName::Soc, measured.soc.map(|soc| soc.0));
                    own(EvseName::EnergyIn, measured.energy_in.map(|energy| energy.0));
                    own(EvseName::EnergyOut, measured.energy_out.map(|energy| energy.0));
                }
                None
            }
            RuleOwner::Evse { .. } | RuleOwner::User { .. } | RuleOwner::Card { .. } => None,
        };
        let Some(circuit) = circuit else { return facts };
        own(
            EvseName::Max,
            circuit.limit.into_array().iter().map(|limit| limit.0).min(),
        );
        if let Some(current) = circuit.meter.as_ref().and_then(|meter| meter.current) {
            let [l1, l2, l3] = current.into_array().map(|current| current.0);
            own(EvseName::CurrentL1, Some(l1));
            own(EvseName::CurrentL2, Some(l2));
            own(EvseName::CurrentL3, Some(l3));
            own(EvseName::Current, Some(l1.max(l2).max(l3)));
        }
        facts
    }
}

fn tell_time(facts: &mut Facts, zone: &TimeZone, now: Timestamp) {
    let instant = now.to_jiff();
    let local = instant.to_zoned(zone.clone());
    let (hour, minute, second) = (
        i64::from(local.hour()),
        i64::from(local.minute()),
        i64::from(local.second()),
    );
    let mut set = |name: TimeName, value: i64| facts.time[name as usize] = Some(value);
    set(TimeName::Year, i64::from(local.year()));
    set(TimeName::Month, i64::from(local.month()));
    set(TimeName::Day, i64::from(local.day()));
    set(
        TimeName::Weekday,
        i64::from(local.weekday().to_monday_one_offset()),
    );
    set(TimeName::DayOfYear, i64::from(local.day_of_year()));
    set(TimeName::Hour, hour);
    set(TimeName::Minute, minute);
    set(TimeName::Second, second);
    set(TimeName::SecondOfDay, (hour * 60 + minute) * 60 + second);
    set(TimeName::MinuteOfDay, hour * 60 + minute);
    set(
        TimeName::Summer,
        i64::from(zone.to_offset_info(instant).dst().is_dst()),
    );
    set(TimeName::Timestamp, now.as_seconds());
    let midnight = |day: jiff::civil::Date| {
        let start = day.to_zoned(zone.clone()).ok();
        start.map_or(now.as_seconds(), |start| start.timestamp().as_second())
    };
    let today = local.date();
    facts.midnights = [
        midnight(today),
        today.tomorrow().map_or(now.as_seconds(), midnight),
    ];
}

/// By how long each price counts.
fn mean(spans: &[Span]) -> Option<PerKwh> {
    let priced = spans.iter().filter_map(|span| {
        let price = span.priced.as_ref()?.price;
        Some((i128::from(price.0), i128::from((span.end - span.start).0)))
    });
    let (sum, time) = priced.fold((0, 0), |(sum, time), (price, span)| {
        (sum + price * span, time + span)
    });
    (time > 0).then(|| i64::try_from(sum / time).ok().map(PerKwh))?
}
