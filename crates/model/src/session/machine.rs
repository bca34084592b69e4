//! What happens at one EVSE between plug-in and plug-out.
//!
//! Inputs are IEC 61851 pilot states, authorisations and measurements; outputs are [`Effect`]s. The machine
//! does no IO: whoever drives it stores the session after each effect and hands it to
//! [`Machine::restored`] after a restart.
//!
//! | state | pilot A | B, C, D | E, F | authorisation | stop |
//! |---|---|---|---|---|---|
//! | nothing heard yet, no open session | free | opens a session, with what the charger says was taken already | - | kept | - |
//! | nothing heard yet, open session | closed as lost | goes on; another car if the charger's counter fell | - | as plugged | as plugged |
//! | free | - | opens a session | - | kept for 60 s | - |
//! | plugged, waiting | closed | - | - | starts a transaction | - |
//! | plugged, running | stopped, closed | - | - | the same card stops, another replaces | stops |
//!
//! A fault (E, F) says nothing about the car, so it ends nothing. After a silence of more than a minute the
//! EVSE counts as not heard yet: who was there then may have gone, and somebody else may have come.

use super::meter::{Meter, PATIENCE};
use super::{
    Ahead, Authorisation, AuthorisationKind, Cost, Origin, Sample, Session, SocMark, Stop, StopReason,
    Transaction,
};
use crate::id::{EvseId, SessionId, SiteId, TariffId, VehicleId};
use crate::money::Micros;
use crate::phases::PerPhase;
use crate::reading::PilotState;
use crate::time::{Millis, Monotonic, Now};
use crate::units::{WattHours, Watts};

/// A presentation without a waiting car is kept for so long.
pub const PRESENTATION: Millis = Millis(60_000);
/// Nobody takes more than this before we look; a charger that says so shows an old session.
const MOST_BEFORE_US: WattHours = WattHours(200_000);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The EVSE told its pilot state, and its own counter since plug-in.
    Heard {
        pilot: PilotState,
        charger: Option<WattHours>,
    },
    Measured(Sample),
    /// Somebody who may charge here showed it.
    Authorised(Authorisation),
    Stop(StopReason),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Opened,
    /// The car is there and nobody has been authorised.
    AuthorisationWanted,
    /// No car is there; the authorisation waits for one.
    Kept,
    Started(u32),
    Stopped(u32, StopReason),
    /// Energy was added to the running transaction.
    Gained(Gain),
    Closed(Session),
}

/// Energy that a transaction took, with where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gain {
    pub session: SessionId,
    pub transaction: u32,
    pub origin: Origin,
    pub tariff: Option<TariffId>,
    pub cost: Option<Cost>,
}

/// An EVSE as far as sessions care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub site: SiteId,
    pub evse: EvseId,
    pub epoch: u64,
    /// Whether somebody must be authorised before a car gets current.
    pub asks: bool,
    pub wired: PerPhase<bool>,
}

/// The sessions of one EVSE, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    place: Place,
    state: State,
    meter: Meter,
    heard: Option<Monotonic>,
    presented: Option<(Authorisation, Monotonic)>,
    /// Sessions opened since the start; part of their ids.
    opened: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Since the start, or for too long.
    Unheard(Option<Session>),
    Free,
    Plugged(Session),
}

impl Machine {
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self {
            place,
            state: State::Unheard(None),
            meter: Meter::default(),
            heard: None,
            presented: None,
            opened: 0,
        }
    }

    /// Goes on with a session that was open when an earlier process ended.
    #[must_use]
    pub fn restored(place: Place, open: Session) -> Self {
        let last = open.transactions.last();
        let counter = last.and_then(|last| last.meter_stop);
        let ahead = last.map_or_else(Ahead::default, |last| last.ahead);
        let meter = Meter::restored(counter, open.charger_energy, ahead);
        Self {
            state: State::Unheard(Some(open)),
            meter,
            ..Self::new(place)
        }
    }

    /// The session that is open.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match &self.state {
            State::Unheard(open) => open.as_ref(),
            State::Free => None,
            State::Plugged(session) => Some(session),
        }
    }

    fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.state {
            State::Unheard(open) => open.as_mut(),
            State::Free => None,
            State::Plugged(session) => Some(session),
        }
    }

    /// Says which car it is.
    pub fn identify(&mut self, vehicle: Option<VehicleId>) {
        if let Some(session) = self.session_mut()
            && session.vehicle != vehicle
        {
            session.vehicle = vehicle;
            session.revision += 1;
        }
    }

    /// Says how full the car is, and what it had taken by then.
    pub fn mark_soc(&mut self, mark: Option<SocMark>) {
        if let Some(session) = self.session_mut()
            && session.soc != mark
        {
            session.soc = mark;
            session.revision += 1;
        }
    }

    /// An authorisation that waits for a car.
    #[must_use]
    pub fn presented(&self, now: Monotonic) -> Option<&Authorisation> {
        self.presented
            .as_ref()
            .filter(|(_, at)| now - *at <= PRESENTATION)
            .map(|(authorisation, _)| authorisation)
    }

    /// Takes an input; the effects are in the order in which they happened.
    pub fn on(&mut self, input: Input, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Heard { pilot, charger } => self.heard(pilot, charger, now, &mut effects),
            Input::Measured(sample) => {
                self.notice_silence(now.monotonic);
                self.meter.take(sample, now.monotonic);
                if matches!(self.state, State::Plugged(_)) {
                    self.collect(now.monotonic, &mut effects);
                }
            }
            Input::Authorised(authorisation) => self.authorised(authorisation, now, &mut effects),
            Input::Stop(reason) => self.stop(reason, now, &mut effects),
        }
        effects
    }

    fn notice_silence(&mut self, now: Monotonic) {
        if self.heard.is_some_and(|at| now - at <= PATIENCE) {
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Free) {
            State::Plugged(session) => State::Unheard(Some(session)),
            State::Free => State::Unheard(None),
            unheard @ State::Unheard(_) => unheard,
        };
    }

    fn heard(&mut self, pilot: PilotState, charger: Option<WattHours>, now: Now, effects: &mut Vec<Effect>) {
        let is_plugged = match pilot {
            PilotState::A => false,
            PilotState::B | PilotState::C | PilotState::D => true,
            PilotState::E | PilotState::F => return,
        };
        self.notice_silence(now.monotonic);
        self.heard = Some(now.monotonic);
        // Nothing counts below zero; such a value is none.
        let charger = charger.filter(|charger| charger.0 >= 0);
        let before = self.meter.charger();
        if let Some(charger) = charger {
            self.meter.take_charger(charger, now.monotonic);
        }
        match (std::mem::replace(&mut self.state, State::Free), is_plugged) {
            (State::Unheard(None) | State::Free, false) => {}
            (State::Free, true) => self.open(WattHours::ZERO, now, effects),
            (State::Unheard(None), true) => {
                let already = charger.filter(|charger| (0..=MOST_BEFORE_US.0).contains(&charger.0));
                self.open(already.unwrap_or_default(), now, effects);
            }
            (State::Unheard(Some(session)), false) => {
                self.state = State::Plugged(session);
                self.close(StopReason::Lost, now, effects);
            }
            (State::Unheard(Some(session)), true) => {
                self.state = State::Plugged(session);
                match (before, charger) {
                    (Some(before), Some(charger)) if charger < before => {
                        self.swap(charger, now, effects);
                    }
                    (_, _) => self.collect(now.monotonic, effects),
                }
            }
            (State::Plugged(session), true) => {
                self.state = State::Plugged(session);
                self.collect(now.monotonic, effects);
            }
            (State::Plugged(session), false) => {
                self.state = State::Plugged(session);
                self.close(StopReason::Unplugged, now, effects);
            }
        }
        let charger = self.meter.charger();
        if let Some(session) = self.session_mut()
            && charger.is_some()
            && session.charger_energy != charger
        {
            session.charger_energy = charger;
            session.revision += 1;
        }
    }

    /// Another car is there, which has taken `charger` since it came.
    fn swap(&mut self, charger: WattHours, now: Now, effects: &mut Vec<Effect>) {
        let due = self.meter.counter_due(now.monotonic);
        let taken = due.map_or(charger.0, |due| charger.0.min(due));
        self.meter.leave(taken);
        self.close(StopReason::Lost, now, effects);
        self.open(WattHours(taken), now, effects);
    }

    fn open(&mut self, already: WattHours, now: Now, effects: &mut Vec<Effect>) {
        let id = format!(
            "{}-{}-{}-{}-{}",
            short(self.place.site.as_str()),
            short(self.place.evse.as_str()),
            now.wall.0,
            self.place.epoch,
            self.opened
        );
        // Its parts are ids and numbers, so the whole is an id.
        let Ok(id) = SessionId::new(&id) else { return };
        self.opened += 1;
        self.meter.begin(already);
        self.state = State::Plugged(Session {
            id,
            site: self.place.site.clone(),
            evse: self.place.evse.clone(),
            plugged: now.wall,
            unplugged: None,
            vehicle: None,
            transactions: Vec::new(),
            charger_energy: self.meter.charger(),
            soc: None,
            revision: 1,
        });
        effects.push(Effect::Opened);
        let presented = self.presented(now.monotonic).cloned();
        self.presented = None;
        let authorisation = presented.or_else(|| {
            (!self.place.asks).then_some(Authorisation {
                kind: AuthorisationKind::PlugAndGo,
                user: None,
                card: None,
            })
        });
        match authorisation {
            Some(authorisation) => {
                self.start(authorisation, now, effects);
                self.collect(now.monotonic, effects);
            }
            None => effects.push(Effect::AuthorisationWanted),
        }
    }

    fn close(&mut self, reason: StopReason, now: Now, effects: &mut Vec<Effect>) {
        self.stop(reason, now, effects);
        let State::Plugged(mut session) = std::mem::replace(&mut self.state, State::Free) else {
            return;
        };
        let ends = session
            .transactions
            .iter()
            .filter_map(|t| t.stopped)
            .map(|stop| stop.at);
        let earliest = ends.fold(session.plugged, Ord::max);
        session.unplugged = Some(now.wall.max(earliest));
        session.revision += 1;
        effects.push(Effect::Closed(session));
    }

    fn authorised(&mut self, authorisation: Authorisation, now: Now, effects: &mut Vec<Effect>) {
        let Some(session) = self.session_mut() else {
            self.presented = Some((authorisation, now.monotonic));
            effects.push(Effect::Kept);
            return;
        };
        let Some(running) = session.transactions.last_mut().filter(|t| t.stopped.is_none()) else {
            self.meter.begin(WattHours::ZERO);
            self.start(authorisation, now, effects);
            return;
        };
        if running.authorisation.is_same(&authorisation) {
            // A second tap stops; asking again in an app changes nothing.
            if authorisation.is_tap() {
                self.stop(StopReason::Asked, now, effects);
            }
        } else if running.authorisation.kind == AuthorisationKind::PlugAndGo
            && running.energy == WattHours::ZERO
        {
            running.authorisation = authorisation;
            let number = running.number;
            session.revision += 1;
            effects.push(Effect::Started(number));
        } else {
            self.stop(StopReason::Replaced, now, effects);
            self.meter.begin(WattHours::ZERO);
            self.start(authorisation, now, effects);
        }
    }

    fn start(&mut self, authorisation: Authorisation, now: Now, effects: &mut Vec<Effect>) {
        let meter_start = self.meter.base();
        let Some(session) = self.session_mut() else { return };
        let before = session.transactions.last();
        let earliest = before
            .and_then(|t| t.stopped)
            .map_or(session.plugged, |stop| stop.at);
        let number = before.map_or(1, |t| t.number + 1);
        session.transactions.push(Transaction {
            number,
            authorisation,
            started: now.wall.max(earliest),
            stopped: None,
            meter_start,
            meter_stop: meter_start,
            energy: WattHours::ZERO,
            per_phase: PerPhase::all(WattHours::ZERO),
            one_phase: WattHours::ZERO,
            three_phase: WattHours::ZERO,
            origin: Origin::default(),
            charging: Millis::ZERO,
            peak: Watts::ZERO,
            cost: None,
            other_costs: Vec::new(),
            unpriced: WattHours::ZERO,
            ahead: Ahead::default(),
            estimated: false,
        });
        session.revision += 1;
        effects.push(Effect::Started(number));
    }

    fn stop(&mut self, reason: StopReason, now: Now, effects: &mut Vec<Effect>) {
        self.collect(now.monotonic, effects);
        let Some(session) = self.session_mut() else { return };
        let Some(running) = session.transactions.last_mut().filter(|t| t.stopped.is_none()) else {
            return;
        };
        running.stopped = Some(Stop {
            at: now.wall.max(running.started),
            reason,
        });
        effects.push(Effect::Stopped(running.number, reason));
        session.revision += 1;
    }

    /// Adds what the meter has to the running transaction.
    fn collect(&mut self, now: Monotonic, effects: &mut Vec<Effect>) {
        let (State::Plugged(session) | State::Unheard(Some(session))) = &mut self.state else {
            return;
        };
        let Some(running) = session.transactions.last_mut().filter(|t| t.stopped.is_none()) else {
            return;
        };
        let portion = self.meter.collect(self.place.wired, now);
        let counter = self.meter.counter();
        let ahead = self.meter.ahead();
        let is_new = running.meter_stop != counter || running.ahead != ahead;
        if portion == super::meter::Portion::default() && !is_new {
            return;
        }
        session.revision += 1;
        running.ahead = ahead;
        running.meter_start = running.meter_start.or(self.meter.base());
        running.meter_stop = counter.or(running.meter_stop);
        running.charging = running.charging + portion.charging;
        running.peak = running.peak.max(portion.peak);
        if portion.energy == WattHours::ZERO {
            return;
        }
        running.energy += portion.energy;
        running.estimated |= portion.estimated;
        running.per_phase = running.per_phase + portion.per_phase;
        running.one_phase += portion.one_phase;
        running.three_phase += portion.three_phase;
        let origin = Origin {
            sun: portion.sun,
            battery: portion.battery,
            grid: portion.grid,
        };
        running.origin = running.origin + origin;
        let price = self.meter.price().cloned();
        let cost = price.as_ref().map(|price| Cost {
            amount: Micros(self.meter.cost(price, portion.energy)),
            currency: price.currency,
        });
        running.price(portion.energy, cost);
        effects.push(Effect::Gained(Gain {
            session: session.id.clone(),
            transaction: running.number,
            origin,
            tariff: price.map(|price| price.tariff),
            cost,
        }));
    }
}

/// As much of a name as leaves room for the rest of an id.
fn short(text: &str) -> &str {
    text.get(..14).unwrap_or(text)
}
