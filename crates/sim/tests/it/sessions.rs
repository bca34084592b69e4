//! Sessions against what really flowed: energy, origin, cost, restarts, cards.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::Directory;
use model::device::{AuthorisationMode, ChargeMode, DeviceKind};
use model::id::{CardId, EvseId, SiteId, TariffId, UserId};
use model::intent::{Rejection, Wanted};
use model::money::{Currency, Micros, PerKwh};
use model::reason::Cause;
use model::session::{Authorisation, AuthorisationKind, Origin, Session, StopReason};
use model::tariff::{Contract, Direction, PriceBook, Prices, Tariff};
use model::units::{PerMille, WattHours};
use model::user::{Budget, BudgetPeriod, Card, CardKind, Role, User};
use model::view::TransactionState;

use crate::closed_loop::{ClosedLoop, SUMMER, Wire};

/// 0.25 and a fifth of VAT on top.
fn prices() -> Arc<PriceBook> {
    let contract = Contract {
        name: "Basic".to_owned(),
        from: "2020-01-01".parse().unwrap(),
        until: None,
        currency: Currency::EUR,
        vat: PerMille(200),
        monthly_fee: Micros(0),
        prices: Prices::Fixed {
            price: PerKwh(250_000),
        },
    };
    let tariff = Tariff {
        id: TariffId::new("basic").unwrap(),
        name: "Basic".to_owned(),
        direction: Direction::Import,
        site: Some(SiteId::new("home").unwrap()),
        contracts: vec![contract],
    };
    Arc::new(PriceBook::of_zone("Europe/Berlin", vec![tariff]))
}

/// What flowed into each EVSE, integrated every second, in watt-seconds.
fn run(home: &mut ClosedLoop, seconds: i64, flowed: &mut BTreeMap<EvseId, i64>) {
    for _ in 0..seconds {
        home.tick();
        for (evse, truth) in home.world.truth().evses {
            *flowed.entry(evse).or_default() += truth.flow.power.total().0;
        }
    }
}

fn sessions_of<'a>(home: &'a ClosedLoop, evse: &EvseId) -> Vec<&'a Session> {
    let mut found: Vec<&Session> = home.sessions.values().filter(|s| s.evse == *evse).collect();
    found.sort_by_key(|session| session.plugged);
    found
}

/// Energy is what flowed, parts add up, no two sessions of an EVSE overlap, the ledger says the same.
fn assert_true(home: &ClosedLoop, flowed: &BTreeMap<EvseId, i64>) {
    for (evse, watt_seconds) in flowed {
        let sessions = sessions_of(home, evse);
        let energy: i64 = sessions.iter().map(|session| session.energy().0).sum();
        let really = watt_seconds / 3_600;
        let resolution = 4 + 4 * i64::try_from(sessions.len()).unwrap();
        assert!(
            (energy - really).abs() <= resolution,
            "{evse}: {energy} Wh billed, {really} Wh flowed in {} sessions",
            sessions.len()
        );
        for pair in sessions.windows(2) {
            assert!(
                pair[0].unplugged.is_some_and(|end| end <= pair[1].plugged),
                "{pair:#?}"
            );
        }
    }
    let mut by_ledger: BTreeMap<_, Origin> = BTreeMap::new();
    for share in home.ledger.values().flat_map(|entry| &entry.shares) {
        let sum = by_ledger
            .entry((share.session.clone(), share.transaction))
            .or_default();
        *sum = *sum + share.origin;
    }
    for session in home.sessions.values() {
        assert!(
            session
                .transactions
                .iter()
                .rev()
                .skip(1)
                .all(|t| t.stopped.is_some())
        );
        for taken in &session.transactions {
            assert_eq!(taken.origin.total(), taken.energy, "{taken:#?}");
            assert_eq!(taken.per_phase.total(), taken.energy, "{taken:#?}");
            assert_eq!(taken.one_phase + taken.three_phase, taken.energy, "{taken:#?}");
            let ledger = by_ledger.get(&(session.id.clone(), taken.number)).copied();
            assert_eq!(ledger.unwrap_or_default(), taken.origin, "{}", session.id);
            if taken.energy > WattHours::ZERO {
                assert_eq!(taken.cost.unwrap().amount, Micros(taken.energy.0 * 300));
            }
        }
    }
}

fn day(wire: Wire, restarts: &[i64]) -> ClosedLoop {
    let mut home = ClosedLoop::home(3, wire, SUMMER, |_, _| {});
    home.core().set_prices(prices());
    // Cars that are plugged in already took something before we looked.
    home.run(2);
    let before: BTreeMap<EvseId, i64> = home
        .view()
        .evses
        .iter()
        .map(|evse| {
            (
                evse.id.clone(),
                evse.status.session_energy.map_or(0, |energy| energy.0 * 3_600),
            )
        })
        .collect();
    let mut flowed = before;
    let mut at = 2;
    for restart in restarts.iter().chain([&86_400]) {
        run(&mut home, restart - at, &mut flowed);
        at = *restart;
        if at < 86_400 {
            home.restart();
            home.core().set_prices(prices());
        }
    }
    home.settle();
    assert_true(&home, &flowed);
    home
}

#[test]
fn a_day_of_sessions_is_what_really_flowed() {
    let (direct, codecs) = (day(Wire::Direct, &[]), day(Wire::Codecs, &[]));
    for home in [&direct, &codecs] {
        let taken: Vec<_> = home
            .sessions
            .values()
            .flat_map(|session| &session.transactions)
            .collect();
        let energy: WattHours = taken.iter().map(|t| t.energy).sum();
        assert!(energy.0 > 5_000, "{energy}");
        assert!(taken.iter().all(|t| !t.estimated));
        assert!(taken.iter().any(|t| t.origin.sun.0 > 1_000), "{taken:#?}");
        assert!((92..=98).contains(&home.ledger.len()), "{}", home.ledger.len());
    }
    assert_eq!(direct.sessions.len(), codecs.sessions.len());
}

#[test]
fn restarts_in_the_middle_lose_nothing_and_double_nothing() {
    let whole = day(Wire::Direct, &[]);
    let broken = day(Wire::Direct, &[3_000, 25_000, 25_090, 44_444, 70_001, 86_000]);
    assert_eq!(whole.sessions.len(), broken.sessions.len());
    let reasons = broken.sessions.values().flat_map(|session| &session.transactions);
    assert!(
        reasons
            .filter_map(|t| t.stopped)
            .all(|stop| stop.reason == StopReason::Unplugged)
    );
}

fn resident(budget: Option<Budget>) -> Directory {
    let user = User {
        display: true,
        budget,
        ..User::new(UserId::new("resident").unwrap(), "Resident 1", Role::User)
    };
    let card = Card {
        id: CardId::new("white").unwrap(),
        user: user.id.clone(),
        kind: CardKind::Rfid,
        name: "White card".to_owned(),
        enabled: true,
        valid_until: None,
        budget: None,
        phases: None,
        tariff: None,
        vehicle: None,
        rules: Vec::new(),
    };
    Directory {
        users: BTreeMap::from([(user.id.clone(), user)]),
        cards: BTreeMap::from([(card.id.clone(), card)]),
        ..Directory::default()
    }
}

fn tap(home: &mut ClosedLoop, card: &str) -> Result<(), Rejection> {
    home.ask(Wanted::Authorise {
        evse: EvseId::new("left").unwrap(),
        authorisation: Authorisation {
            kind: AuthorisationKind::Rfid,
            user: Some(UserId::new("resident").unwrap()),
            card: Some(CardId::new(card).unwrap()),
        },
    })
}

/// EVSE `left` asks for a card, and its car wants to charge.
fn with_card(budget: Option<Budget>) -> ClosedLoop {
    let mut home = ClosedLoop::home(3, Wire::Direct, SUMMER, |_, site| {
        for device in &mut site.devices {
            if let DeviceKind::ChargingStation { evses } = &mut device.kind {
                for evse in evses {
                    evse.authorisation = AuthorisationMode::Card;
                }
            }
        }
    });
    let now = home.now;
    home.core().set_directory(resident(budget), now);
    home.set_modes(ChargeMode::Fast);
    home.run_until(86_400, "a car that waits for a card", |home| {
        home.cause("left") == Cause::AwaitingAuthorisation
            && home.world.truth().evses[&EvseId::new("left").unwrap()].wants
    });
    home.run(60);
    home
}

fn state(home: &ClosedLoop) -> TransactionState {
    home.evse("left").session.unwrap().state
}

#[test]
fn a_card_gives_current_and_takes_it_away() {
    let mut home = with_card(None);
    assert_eq!(
        (home.drawn_ma("left"), state(&home)),
        (0, TransactionState::Waiting)
    );
    assert!(matches!(
        tap(&mut home, "blue"),
        Err(Rejection::NotAllowed { .. })
    ));
    tap(&mut home, "white").unwrap();
    home.run_until(60, "current", |home| home.drawn_ma("left") >= 6_000);
    home.run(600);
    let view = home.evse("left").session.unwrap();
    assert_eq!(
        (view.user.as_deref(), view.state),
        (Some("Resident 1"), TransactionState::Running)
    );
    assert!(view.energy.0 > 500);
    home.restart();
    let now = home.now;
    home.core().set_directory(resident(None), now);
    home.run(60);
    assert_eq!(state(&home), TransactionState::Running);
    tap(&mut home, "white").unwrap();
    home.run_until(15, "no current", |home| home.drawn_ma("left") == 0);
    assert_eq!(state(&home), TransactionState::Stopped(StopReason::Asked));
    assert_eq!(home.cause("left"), Cause::AwaitingAuthorisation);
}

#[test]
fn a_budget_stops_the_charge_and_says_so() {
    let budget = Budget {
        energy: WattHours(800),
        per: BudgetPeriod::Session,
    };
    let mut home = with_card(Some(budget));
    tap(&mut home, "white").unwrap();
    home.run(120);
    home.restart();
    home.run_until(3_600, "the end of the budget", |home| {
        matches!(home.cause("left"), Cause::BudgetUsedUp { .. })
    });
    home.run(15);
    assert_eq!(home.drawn_ma("left"), 0);
    assert_eq!(state(&home), TransactionState::Stopped(StopReason::BudgetUsedUp));
    let energy = home.evse("left").session.unwrap().energy.0;
    assert!((800..=815).contains(&energy), "{energy}");
    // Who is taken off the list is stopped as well, and cannot start again.
    let now = home.now;
    home.core().set_directory(Directory::default(), now);
    assert!(matches!(
        tap(&mut home, "white"),
        Err(Rejection::NotAllowed { .. })
    ));
}
