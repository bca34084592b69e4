//! Cards, budgets and sessions.

use super::*;

#[test]
fn cards_that_may_charge_are_listed_and_begin_a_transaction_by_their_place() {
    let ann: model::id::UserId = "ann".parse().unwrap();
    let user = |role| model::user::User::new(ann.clone(), "Ann", role);
    let card = |id: &str, kind, enabled| {
        let card = model::user::Card {
            id: id.parse().unwrap(),
            user: ann.clone(),
            kind,
            name: id.to_uppercase(),
            enabled,
            valid_until: None,
            budget: None,
            phases: None,
            tariff: None,
            vehicle: None,
            rules: Vec::new(),
        };
        (card.id.clone(), card)
    };
    use model::session::{Authorisation, AuthorisationKind};
    use model::user::{CardKind, Role};
    let directory = |role| Directory {
        users: [(ann.clone(), user(role))].into(),
        cards: [
            card("d", CardKind::Rfid, true),
            card("a", CardKind::Rfid, true),
            card("b", CardKind::Pin, true),
            card("c", CardKind::Rfid, false),
        ]
        .into(),
        ..Directory::default()
    };
    let mut core = core(Restored {
        directory: directory(Role::User),
        ..Restored::default()
    });
    car(&mut core, PilotState::B, ChargeCurrent::PAUSED, 0, 0);
    let view = core.view(now(0)).evses.remove(0);
    let names: Vec<&str> = view.cards.iter().map(|slot| slot.name.as_str()).collect();
    assert_eq!(names, ["A", "D"]);
    let slot = &view.cards[1];
    let authorisation = Authorisation {
        kind: AuthorisationKind::Rfid,
        user: Some(slot.user.clone()),
        card: Some(slot.card.clone()),
    };
    let evse = evse_id();
    let change = weigh(&core, Wanted::Authorise { evse, authorisation }).unwrap();
    core.apply(change, now(1_000));
    let session = core.view(now(1_000)).evses.remove(0).session.unwrap();
    assert_eq!(session.card.as_ref(), Some(&slot.card));
    core.set_directory(directory(Role::Viewer), now(2_000));
    assert!(core.view(now(2_000)).evses[0].cards.is_empty());
}

/// Whoever has nothing left gets no current, not even until the next reading.
#[test]
fn a_used_up_budget_stops_at_its_last_watt_hour_and_again_at_once() {
    use model::id::UserId;
    use model::session::machine::Input;
    use model::session::{Authorisation, AuthorisationKind, StopReason};
    use model::user::{Budget, BudgetPeriod, Role, User};

    let ann = UserId::new("ann").unwrap();
    let mut user = User::new(ann.clone(), "Resident 1", Role::User);
    user.budget = Some(Budget {
        energy: WattHours(20),
        per: BudgetPeriod::Session,
    });
    let directory = Directory {
        users: [(ann.clone(), user)].into(),
        ..Directory::default()
    };
    let mut core = core(Restored {
        directory,
        ..Restored::default()
    });
    let counter = |core: &mut Core, energy: i64, at: i64| {
        let measured = Measured {
            energy_in: Some(WattHours(energy)),
            ..Measured::default()
        };
        report(core, "station", Report::Measured(measured), at);
    };
    counter(&mut core, 1_000, 0);
    car(&mut core, PilotState::C, ChargeCurrent::PAUSED, 0, 0);
    let shown = || Authorisation {
        kind: AuthorisationKind::App,
        user: Some(ann.clone()),
        card: None,
    };
    core.session_input(&evse_id(), Input::Authorised(shown()), now(1_000));
    counter(&mut core, 1_019, 2_000);
    assert_eq!(core.sessions.barred(&evse_id()), None);
    counter(&mut core, 1_020, 3_000);
    let used_up = Some(Cause::BudgetUsedUp {
        budget: WattHours(20),
        used: WattHours(20),
    });
    assert_eq!(core.sessions.barred(&evse_id()), used_up);
    core.session_input(&evse_id(), Input::Authorised(shown()), now(4_000));
    assert_eq!(core.sessions.barred(&evse_id()), used_up);
    let session = core.sessions.session(&evse_id()).unwrap();
    let stops: Vec<_> = session
        .transactions
        .iter()
        .map(|t| t.stopped.unwrap().reason)
        .collect();
    assert_eq!(stops, [StopReason::BudgetUsedUp; 2]);
}

/// Two sessions of one EVSE that were both left open: the first was over when the second one began.
#[test]
fn sessions_of_one_evse_do_not_overlap() {
    let session = |id: &str, plugged: i64| model::session::Session {
        id: id.parse().unwrap(),
        site: SiteId::new("home").unwrap(),
        evse: evse_id(),
        plugged: now(plugged).wall,
        unplugged: None,
        vehicle: None,
        transactions: Vec::new(),
        charger_energy: None,
        soc: None,
        revision: 1,
    };
    let mut core = core(Restored {
        sessions: vec![session("first", -9_000), session("second", -5_000)],
        ..Restored::default()
    });
    let Some(Record::Books(books)) = core.poll_record() else {
        panic!("nothing is closed")
    };
    assert_eq!(books.sessions[0].unplugged, Some(now(-5_000).wall));
    assert_eq!(core.sessions.session(&evse_id()).unwrap().id.as_str(), "second");
}
