//! Nouns, sessions, the ledger, parcels, prices, alarms and the audit log.

use model::alarm::{Acknowledged, Alarm, AlarmCode, Severity};
use model::id::{CardId, DeviceId, ParcelId, SessionId, UserId, VehicleId};
use model::money::{Currency, Micros, PerKwh};
use model::outbox::{Content, Parcel, ParcelState};
use model::phases::PerPhase;
use model::session::{
    Ahead, Authorisation, AuthorisationKind, Cost, LedgerEntry, LedgerShare, Origin, Session, Stop,
    StopReason, Transaction,
};
use model::time::{Millis, Timestamp};
use model::units::{WattHours, Watts};
use model::user::{Role, User};

use super::{evse, site};
use crate::{AuditEntry, AuditFilter, SessionCursor, SessionFilter, SessionTotals, Store, StoreError, Typed};

pub async fn users_are_kept(store: &dyn Store) {
    let user = |id: &str, role| User::new(UserId::new(id).unwrap(), &format!("The {id}"), role);
    for user in [
        user("zoe", Role::Viewer),
        user("admin", Role::Admin),
        user("zoe", Role::Operator),
    ] {
        store.put(&user).await.unwrap();
    }
    assert_eq!(
        store.list::<User>().await.unwrap(),
        [user("admin", Role::Admin), user("zoe", Role::Operator)]
    );
    assert_eq!(
        store.get::<User>("zoe").await.unwrap(),
        Some(user("zoe", Role::Operator))
    );
    assert_eq!(store.get::<User>("nobody").await.unwrap(), None);
    assert!(store.delete::<User>("zoe").await.unwrap());
    assert!(!store.delete::<User>("zoe").await.unwrap());
    assert_eq!(store.list::<User>().await.unwrap().len(), 1);

    store.put_noun("card", "admin", "no card").await.unwrap();
    assert_eq!(store.noun("user", "x").await.unwrap(), None);
    let cards = [("admin".to_owned(), "no card".to_owned())];
    assert_eq!(store.nouns("card").await.unwrap(), cards);
    let error = store
        .get::<model::user::Card>("admin")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("card `admin`"), "{error}");
}

fn session(id: &str, plugged: i64, revision: u64) -> Session {
    Session {
        id: SessionId::new(id).unwrap(),
        site: site("sessions"),
        evse: evse("left"),
        plugged: Timestamp(plugged),
        unplugged: None,
        vehicle: None,
        transactions: Vec::new(),
        charger_energy: Some(WattHours(12)),
        soc: None,
        revision,
    }
}

fn transaction(
    number: u32,
    who: Option<(&str, &str)>,
    energy: i64,
    cost: Option<(i64, &str)>,
) -> Transaction {
    Transaction {
        number,
        authorisation: Authorisation {
            kind: AuthorisationKind::Rfid,
            user: who.map(|(user, _)| UserId::new(user).unwrap()),
            card: who.map(|(_, card)| CardId::new(card).unwrap()),
        },
        started: Timestamp(5),
        stopped: Some(Stop {
            at: Timestamp(6),
            reason: StopReason::Asked,
        }),
        meter_start: Some(WattHours(1)),
        meter_stop: None,
        energy: WattHours(energy),
        per_phase: PerPhase::default(),
        one_phase: WattHours(energy),
        three_phase: WattHours(0),
        origin: Origin {
            sun: WattHours(energy / 2),
            battery: WattHours(1),
            grid: WattHours(energy - energy / 2 - 1),
        },
        charging: Millis(1_000),
        peak: Watts(11_000),
        cost: cost.map(|(amount, currency)| Cost {
            amount: Micros(amount),
            currency: currency.parse().unwrap(),
        }),
        other_costs: Vec::new(),
        unpriced: WattHours(0),
        ahead: Ahead::default(),
        estimated: false,
    }
}

/// Four sessions, each plugged in 100 ms after the one before; `c` is still there.
fn some_sessions() -> [Session; 4] {
    let vehicle = Some(VehicleId::new("van").unwrap());
    let unplugged = Some(Timestamp(900));
    [
        Session {
            transactions: vec![
                transaction(1, Some(("ann", "tag")), 1_000, Some((310_000, "EUR"))),
                transaction(2, Some(("bob", "pin")), 50, Some((7, "CHF"))),
            ],
            vehicle: vehicle.clone(),
            unplugged,
            ..session("a", 100, 3)
        },
        Session {
            transactions: vec![transaction(1, Some(("ann", "pin")), 200, None)],
            evse: evse("right"),
            unplugged,
            ..session("b", 200, 1)
        },
        Session {
            transactions: vec![transaction(1, None, 70, Some((-5, "EUR")))],
            ..session("c", 300, 1)
        },
        Session {
            site: site("elsewhere"),
            vehicle,
            unplugged,
            ..session("d", 300, 1)
        },
    ]
}

pub async fn sessions_are_kept_by_revision_and_epoch(store: &dyn Store) {
    let home = site("sessions");
    let epoch = store.take_epoch(&home).await.unwrap();
    let first = session("one", 7, 5);
    let mut later = Session {
        unplugged: Some(Timestamp(9)),
        transactions: vec![transaction(1, None, 10, None)],
        ..session("one", 7, 6)
    };
    store.put_session(epoch, &first).await.unwrap();
    assert_eq!(
        store.open_sessions(&home).await.unwrap(),
        std::slice::from_ref(&first)
    );
    store.put_session(epoch, &later).await.unwrap();
    store.put_session(epoch, &first).await.unwrap();
    assert_eq!(store.session(&first.id).await.unwrap().as_ref(), Some(&later));
    assert!(store.open_sessions(&home).await.unwrap().is_empty());
    // The same revision again takes the place of the one before, and no transaction is there twice.
    later.transactions.push(transaction(2, None, 30, None));
    store.put_session(epoch, &later).await.unwrap();
    let totals = store.session_totals(&SessionFilter::default()).await.unwrap();
    assert_eq!((totals.count, totals.energy), (1, WattHours(40)));

    let newest = store.take_epoch(&home).await.unwrap();
    let refused = store.put_session(epoch, &session("two", 8, 1)).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    let refused = store.put_ledger(epoch, &quarter(0, 1)).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    assert_eq!(
        store.session(&SessionId::new("two").unwrap()).await.unwrap(),
        None
    );
    store.put_session(newest, &session("two", 8, 1)).await.unwrap();
}

pub async fn sessions_are_found_and_added_up(store: &dyn Store) {
    let all = some_sessions();
    for session in &all {
        let epoch = store.take_epoch(&session.site).await.unwrap();
        store.put_session(epoch, session).await.unwrap();
    }
    let any = SessionFilter {
        from: Some(Timestamp(100)),
        ..SessionFilter::default()
    };
    let user = |id: &str| Some(UserId::new(id).unwrap());
    let card = |id: &str| Some(CardId::new(id).unwrap());
    let of = |filter: SessionFilter| filter;
    for (filter, ids, energy, costs) in [
        (any.clone(), "d c b a", 1_320, "7 CHF 309995 EUR"),
        (
            of(SessionFilter {
                site: Some(site("sessions")),
                ..any.clone()
            }),
            "c b a",
            1_320,
            "7 CHF 309995 EUR",
        ),
        (
            of(SessionFilter {
                evse: Some(evse("right")),
                ..any.clone()
            }),
            "b",
            200,
            "",
        ),
        (
            of(SessionFilter {
                user: user("ann"),
                ..any.clone()
            }),
            "b a",
            1_200,
            "310000 EUR",
        ),
        (
            of(SessionFilter {
                user: user("bob"),
                ..any.clone()
            }),
            "a",
            50,
            "7 CHF",
        ),
        (
            of(SessionFilter {
                card: card("pin"),
                ..any.clone()
            }),
            "b a",
            250,
            "7 CHF",
        ),
        (
            of(SessionFilter {
                user: user("ann"),
                card: card("pin"),
                ..any.clone()
            }),
            "b",
            200,
            "",
        ),
        (
            of(SessionFilter {
                user: user("nobody"),
                ..any.clone()
            }),
            "",
            0,
            "",
        ),
        (
            of(SessionFilter {
                vehicle: VehicleId::new("van").ok(),
                ..any.clone()
            }),
            "d a",
            1_050,
            "7 CHF 310000 EUR",
        ),
        (
            of(SessionFilter {
                from: Some(Timestamp(200)),
                to: Some(Timestamp(300)),
                ..any.clone()
            }),
            "b",
            200,
            "",
        ),
        (
            of(SessionFilter {
                user: user("ann"),
                to: Some(Timestamp(200)),
                ..any.clone()
            }),
            "a",
            1_000,
            "310000 EUR",
        ),
    ] {
        let found = store.sessions(&filter, None, 100).await.unwrap();
        assert_eq!(names(&found), ids, "{filter:?}");
        let totals = store.session_totals(&filter).await.unwrap();
        assert_eq!(
            (totals.count, totals.energy.0),
            (found.len() as u64, energy),
            "{filter:?}"
        );
        assert_eq!(totals.origin.total(), totals.energy);
        let said: Vec<_> = totals
            .costs
            .iter()
            .map(|c| format!("{} {}", c.amount.0, c.currency))
            .collect();
        assert_eq!(said.join(" "), costs, "{filter:?}");
    }
    assert_eq!(store.sessions(&any, None, 1).await.unwrap(), all[3..]);
    let mut after = None;
    let mut pages = Vec::new();
    loop {
        let page = store.sessions(&any, after.as_ref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(SessionCursor {
            plugged: last.plugged,
            id: last.id.clone(),
        });
        pages.push(names(&page));
    }
    assert_eq!(pages, ["d c b", "a"]);
    let nothing = SessionFilter {
        to: Some(Timestamp(0)),
        ..SessionFilter::default()
    };
    assert_eq!(
        store.session_totals(&nothing).await.unwrap(),
        SessionTotals::default()
    );
}

fn names(sessions: &[Session]) -> String {
    let ids: Vec<&str> = sessions.iter().map(|session| session.id.as_str()).collect();
    ids.join(" ")
}

/// Runs after [`sessions_are_found_and_added_up`].
pub async fn sessions_forget_who_it_was(store: &dyn Store) {
    let ann = UserId::new("ann").unwrap();
    let of_ann = SessionFilter {
        user: Some(ann.clone()),
        ..SessionFilter::default()
    };
    let count = store
        .anonymise_sessions(&ann, Some(Timestamp(200)))
        .await
        .unwrap();
    assert_eq!(count, 1);
    assert_eq!(names(&store.sessions(&of_ann, None, 9).await.unwrap()), "b");
    assert_eq!(store.anonymise_sessions(&ann, None).await.unwrap(), 1);
    assert_eq!(store.anonymise_sessions(&ann, None).await.unwrap(), 0);
    assert!(store.sessions(&of_ann, None, 9).await.unwrap().is_empty());

    let mut expected = some_sessions()[0].clone();
    expected.transactions[0].authorisation.user = None;
    expected.transactions[0].authorisation.card = None;
    expected.vehicle = None;
    assert_eq!(
        store.session(&expected.id).await.unwrap().as_ref(),
        Some(&expected)
    );

    // Who has a session open may store it again without having heard of it.
    let epoch = store.take_epoch(&site("sessions")).await.unwrap();
    let mut late = some_sessions()[0].clone();
    late.revision += 1;
    late.transactions
        .push(transaction(3, Some(("bob", "pin")), 5, None));
    store.put_session(epoch, &late).await.unwrap();
    expected.revision = late.revision;
    expected.transactions.push(late.transactions[2].clone());
    assert_eq!(
        store.session(&expected.id).await.unwrap().as_ref(),
        Some(&expected)
    );
    assert!(store.sessions(&of_ann, None, 9).await.unwrap().is_empty());
    // What nobody was authorised for becomes somebody's.
    let mut claimed = some_sessions()[2].clone();
    claimed.revision += 1;
    claimed.transactions = vec![transaction(1, Some(("ann", "tag")), 70, None)];
    claimed.transactions[0].authorisation.kind = AuthorisationKind::App;
    store.put_session(epoch, &claimed).await.unwrap();
    assert_eq!(names(&store.sessions(&of_ann, None, 9).await.unwrap()), "c");

    // Only "a" and "d" have ended and name somebody.
    for count in [1, 1, 0] {
        let forgotten = store.forget_sessions(Timestamp(901), 1).await.unwrap();
        assert_eq!(forgotten, count);
    }
    assert_eq!(store.forget_sessions(Timestamp(900), 9).await.unwrap(), 0);
    for session in store.sessions(&SessionFilter::default(), None, 9).await.unwrap() {
        let named = session.vehicle.is_some()
            || session
                .transactions
                .iter()
                .any(|t| t.authorisation.user.is_some() || t.authorisation.card.is_some());
        assert_eq!(named, session.id == claimed.id, "{}", session.id);
    }
}

fn quarter(start: i64, house: i64) -> LedgerEntry {
    LedgerEntry {
        site: site("sessions"),
        start: Timestamp(start),
        shares: vec![LedgerShare {
            session: SessionId::new("a").unwrap(),
            transaction: 1,
            origin: Origin::default(),
            tariff: None,
            cost: Some(Cost {
                amount: Micros(-4),
                currency: Currency::EUR,
            }),
        }],
        imported: WattHours(1),
        exported: WattHours(2),
        produced: WattHours(3),
        battery_in: WattHours(4),
        battery_out: WattHours(5),
        house: WattHours(house),
    }
}

pub async fn the_ledger_keeps_its_quarters(store: &dyn Store) {
    let home = site("sessions");
    let epoch = store.take_epoch(&home).await.unwrap();
    for (start, house) in [(900, 1), (0, 2), (1_800, 3), (900, 4)] {
        store.put_ledger(epoch, &quarter(start, house)).await.unwrap();
    }
    let ledger = |from, to| store.ledger(&home, Timestamp(from), Timestamp(to));
    assert_eq!(ledger(0, 1_800).await.unwrap(), [quarter(0, 2), quarter(900, 4)]);
    assert_eq!(ledger(901, 1_801).await.unwrap(), [quarter(1_800, 3)]);
    assert!(
        store
            .ledger(&site("x"), Timestamp(0), Timestamp(9))
            .await
            .unwrap()
            .is_empty()
    );
}

/// Sessions and ledger are written together; what a page holds never becomes less.
pub async fn books_are_kept_whole(store: &dyn Store) {
    let home = site("books");
    let epoch = store.take_epoch(&home).await.unwrap();
    let session = |revision| Session {
        site: home.clone(),
        ..session("of-books", 7, revision)
    };
    let share = |transaction, energy| LedgerShare {
        session: SessionId::new("of-books").unwrap(),
        transaction,
        origin: Origin {
            grid: WattHours(energy),
            ..Origin::default()
        },
        tariff: None,
        cost: None,
    };
    let page = |house, shares: &[LedgerShare]| LedgerEntry {
        site: home.clone(),
        shares: shares.to_vec(),
        ..quarter(0, house)
    };
    let books = |revision, page| ([session(revision)], [page]);
    for (revision, page) in [
        (2, page(9, &[share(1, 50)])),
        // A copy that comes late, and one of a process that did not know of the page.
        (1, page(3, &[share(1, 20)])),
        (3, page(1, &[share(2, 10)])),
    ] {
        let (sessions, ledger) = books(revision, page);
        store.put_books(epoch, &home, &sessions, &ledger).await.unwrap();
    }
    let held = store.ledger(&home, Timestamp(0), Timestamp(1)).await.unwrap();
    let mut shares = held[0].shares.clone();
    shares.sort_by_key(|share| share.transaction);
    assert_eq!(
        (held[0].house, shares),
        (WattHours(9), vec![share(1, 50), share(2, 10)])
    );
    let id = SessionId::new("of-books").unwrap();
    assert_eq!(store.session(&id).await.unwrap().unwrap().revision, 3);
    // Nothing of what is refused stays.
    store.take_epoch(&home).await.unwrap();
    let (sessions, ledger) = books(4, page(99, &[]));
    let refused = store.put_books(epoch, &home, &sessions, &ledger).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    assert_eq!(store.session(&id).await.unwrap().unwrap().revision, 3);
    let held = store.ledger(&home, Timestamp(0), Timestamp(1)).await.unwrap();
    assert_eq!(held[0].house, WattHours(9));
}

fn parcel(id: &str, target: &str, state: ParcelState) -> Parcel {
    Parcel {
        id: ParcelId::new(id).unwrap(),
        target: target.to_owned(),
        content: Content::Webhook {
            url: "http://192.0.2.1/".to_owned(),
            body: "{}".to_owned(),
        },
        author: None,
        created: Timestamp(0),
        attempts: 0,
        state,
        last_error: None,
    }
}

pub async fn parcels_leave_in_order(store: &dyn Store) {
    let waiting = |at| ParcelState::Waiting {
        next_attempt: Timestamp(at),
    };
    let dead = ParcelState::Dead { since: Timestamp(3) };
    for (id, target, state) in [
        ("z1", "x", waiting(10)),
        ("a2", "x", waiting(0)),
        ("y1", "y", waiting(5)),
        ("y2", "y", waiting(0)),
        ("d1", "z", dead),
        ("d2", "z", waiting(7)),
    ] {
        store.put_parcel(&parcel(id, target, state)).await.unwrap();
    }
    let due = async |now: i64, limit: u32| {
        let parcels = store.due_parcels(Timestamp(now), limit).await.unwrap();
        parcels
            .iter()
            .map(|parcel| parcel.id.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (now, limit, ids) in [
        (4, 9, ""),
        (5, 9, "y1"),
        (7, 9, "y1 d2"),
        (10, 9, "z1 y1 d2"),
        (10, 2, "z1 y1"),
    ] {
        assert_eq!(due(now, limit).await, ids, "at {now}");
    }
    let delivered = |at| ParcelState::Delivered { at: Timestamp(at) };
    let brought = Parcel {
        attempts: 2,
        ..parcel("z1", "x", delivered(11))
    };
    assert!(store.update_parcel(&brought).await.unwrap());
    // What somebody has deleted does not come back with the news of it.
    let gone = parcel("z9", "q", waiting(1));
    store.put_parcel(&gone).await.unwrap();
    assert!(store.delete_parcel(&gone.id).await.unwrap());
    assert!(!store.update_parcel(&gone).await.unwrap());
    assert_eq!(store.parcel(&gone.id).await.unwrap(), None);
    store.put_parcel(&parcel("d1", "z", waiting(12))).await.unwrap();
    assert_eq!(
        due(11, 9).await,
        "a2 y1",
        "what is sent again is before its younger ones"
    );
    assert_eq!(due(12, 9).await, "a2 y1 d1");
    assert_eq!(store.parcel(&brought.id).await.unwrap(), Some(brought.clone()));
    let page = async |only, before, limit| {
        let parcels = store.parcels(only, before, limit).await.unwrap();
        let ids: Vec<_> = parcels.iter().map(|(_, parcel)| parcel.id.to_string()).collect();
        (ids.join(" "), parcels.last().map(|(number, _)| *number))
    };
    assert_eq!(page(Some("delivered"), None, 9).await.0, "z1");
    let (newest, last) = page(None, None, 2).await;
    assert_eq!(newest, "d2 d1");
    let (older, last) = page(None, last, 3).await;
    assert_eq!(older, "y2 y1 a2");
    assert_eq!(page(None, last, 3).await.0, "z1");
    assert_eq!(page(Some("waiting"), last, 3).await.0, "");
    assert_eq!(page(Some("dead"), None, 9).await.0, "");
    assert_eq!(store.forget_delivered(Timestamp(11)).await.unwrap(), 0);
    assert_eq!(store.forget_delivered(Timestamp(12)).await.unwrap(), 1);
    assert_eq!(store.parcel(&brought.id).await.unwrap(), None);
    let zoe = UserId::new("zoe").unwrap();
    let of_zoe = Parcel {
        author: Some(zoe.clone()),
        ..parcel("of-zoe", "z", waiting(1))
    };
    store.put_parcel(&of_zoe).await.unwrap();
    assert_eq!(store.forget_parcels(&zoe).await.unwrap(), 1);
    assert_eq!(store.parcel(&of_zoe.id).await.unwrap(), None);
    assert_eq!(store.forget_parcels(&zoe).await.unwrap(), 0);
    let deleted = ParcelId::new("d1").unwrap();
    assert!(store.delete_parcel(&deleted).await.unwrap());
    assert!(!store.delete_parcel(&deleted).await.unwrap());
    assert_eq!(store.parcel(&deleted).await.unwrap(), None);
}

pub async fn prices_take_the_place_of_others(store: &dyn Store) {
    let price = |from: i64, to: i64, price: i64| (Timestamp(from), Timestamp(to), PerKwh(price));
    let put =
        async |prices: &[(Timestamp, Timestamp, PerKwh)]| store.put_prices("spot", prices).await.unwrap();
    put(&[price(0, 60, 1), price(60, 120, -2), price(120, 180, 3)]).await;
    put(&[price(60, 90, 4), price(90, 120, 5)]).await;
    put(&[]).await;
    store.put_prices("other", &[price(0, 500, 9)]).await.unwrap();
    let prices = |from, to| store.prices("spot", Timestamp(from), Timestamp(to));
    let all = [
        price(0, 60, 1),
        price(60, 90, 4),
        price(90, 120, 5),
        price(120, 180, 3),
    ];
    assert_eq!(prices(0, 1_000).await.unwrap(), all);
    assert_eq!(prices(59, 90).await.unwrap(), all[..2]);
    assert_eq!(prices(89, 91).await.unwrap(), all[1..3]);
    assert!(prices(180, 200).await.unwrap().is_empty());
}

pub async fn the_audit_log_keeps_its_order(store: &dyn Store) {
    let entry = |at: i64, principal: &str, door: &str, action: &str| AuditEntry {
        at: Timestamp(at),
        principal: principal.to_owned(),
        door: door.to_owned(),
        action: action.to_owned(),
        outcome: "done".to_owned(),
    };
    let entries = [
        entry(1, "admin", "native", "one"),
        entry(2, "zoe", "native", "two"),
        entry(2, "admin", "goe", "three"),
    ];
    for entry in &entries {
        store.record(entry).await.unwrap();
    }
    let [one, two, three] = entries;
    assert_eq!(store.recent(2).await.unwrap(), [three.clone(), two.clone()]);

    let any = AuditFilter::default();
    let admin = AuditFilter {
        principal: Some("admin".to_owned()),
        ..any.clone()
    };
    let native = AuditFilter {
        door: Some("native".to_owned()),
        ..any.clone()
    };
    let early = AuditFilter {
        to: Some(Timestamp(2)),
        ..any.clone()
    };
    let late = AuditFilter {
        from: Some(Timestamp(2)),
        ..native.clone()
    };
    for (filter, expected) in [
        (&any, vec![&three, &two, &one]),
        (&admin, vec![&three, &one]),
        (&native, vec![&two, &one]),
        (&early, vec![&one]),
        (&late, vec![&two]),
    ] {
        let found = store.audit(filter, None, 9).await.unwrap();
        assert_eq!(
            found.iter().map(|(_, entry)| entry).collect::<Vec<_>>(),
            expected,
            "{filter:?}"
        );
    }
    let first = store.audit(&admin, None, 1).await.unwrap();
    let second = store.audit(&admin, Some(first[0].0), 5).await.unwrap();
    assert_eq!(second.iter().map(|(_, entry)| entry).collect::<Vec<_>>(), [&one]);

    let zoe = UserId::new("zoe").unwrap();
    for action in [
        "change user zoe",
        "change user zoe2",
        "zoe-2, zoe: a card of zoe",
        "xzoezoe zoe",
    ] {
        store.record(&entry(3, "admin", "native", action)).await.unwrap();
    }
    assert_eq!(store.anonymise_audit(&zoe).await.unwrap(), 4);
    assert_eq!(store.anonymise_audit(&zoe).await.unwrap(), 0);
    let words: Vec<String> = store
        .recent(6)
        .await
        .unwrap()
        .into_iter()
        .rev()
        .map(|entry| format!("{} {}", entry.principal, entry.action))
        .collect();
    assert_eq!(
        words,
        [
            "- two",
            "admin three",
            "admin change user -",
            "admin change user zoe2",
            "admin zoe-2, -: a card of -",
            "admin xzoezoe -",
        ]
    );
    assert_eq!(store.forget_audit(Timestamp(2)).await.unwrap(), 1);
    assert_eq!(store.recent(9).await.unwrap().len(), 6);
}

pub async fn an_alarm_is_raised_and_cleared_once(store: &dyn Store) {
    let home = site("alarms");
    let seen = || {
        Some(Acknowledged {
            by: UserId::new("zoe").unwrap(),
            at: Timestamp(4),
        })
    };
    let alarm = |device: Option<&str>, raised, cleared: Option<i64>, acknowledged| Alarm {
        site: home.clone(),
        device: device.map(|id| DeviceId::new(id).unwrap()),
        code: AlarmCode::DeviceOffline,
        severity: Severity::Warning,
        text: "does not answer".to_owned(),
        raised: Timestamp(raised),
        cleared: cleared.map(Timestamp),
        acknowledged,
    };
    for alarm in [
        alarm(Some("meter"), 1, None, None),
        alarm(None, 2, None, None),
        alarm(None, 2, Some(8), None),
        alarm(Some("meter"), 1, None, seen()),
        // Whoever clears it need not know that somebody has seen it.
        alarm(Some("meter"), 1, Some(9), None),
        alarm(Some("meter"), 3, None, None),
    ] {
        store.put_alarm(&alarm).await.unwrap();
    }
    let newest_first = [
        alarm(Some("meter"), 3, None, None),
        alarm(None, 2, Some(8), None),
        alarm(Some("meter"), 1, Some(9), seen()),
    ];
    assert_eq!(store.alarms(&home, 10).await.unwrap(), newest_first);
    assert_eq!(store.alarms(&home, 1).await.unwrap(), newest_first[..1]);
    let open = store.alarm_history(&home, true, None, 9).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].1, newest_first[0]);
    let before = Some((Timestamp(3), open[0].0));
    assert!(
        store
            .alarm_history(&home, true, before, 9)
            .await
            .unwrap()
            .is_empty()
    );
    for (since, expected) in [(8, 3), (9, 2), (10, 1)] {
        let found = store.alarms_since(&home, Timestamp(since)).await.unwrap();
        assert_eq!(found.len(), expected, "cleared since {since}");
        assert_eq!(found.last(), Some(&newest_first[0]));
    }
    let mut paged = Vec::new();
    let mut before = None;
    while let Some((number, alarm)) = store.alarm_history(&home, false, before, 1).await.unwrap().pop() {
        before = Some((alarm.raised, number));
        paged.push(alarm);
    }
    assert_eq!(paged, newest_first);
}
