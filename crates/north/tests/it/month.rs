//! A month of sessions, exported as CSV, read back by a library that knows nothing of us, and compared.

use std::collections::BTreeMap;

use model::id::{CardId, TariffId, UserId, VehicleId};
use model::money::{Currency, PerKwh};
use model::phases::PerPhase;
use model::reading::PilotState;
use model::session::machine::{Effect, Input, Machine, Place};
use model::session::{
    Authorisation, AuthorisationKind, Mix, Price, Sample, Session, StopReason, Transaction,
};
use model::time::{Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts, PerMille, WattHours, Watts};
use store::{Sessions, Sites};

use crate::world::{World, evse_id, site_id};

/// 2026-11-01 00:00 UTC.
const BEGIN_S: i64 = 1_793_491_200;
const DAYS: i64 = 30;
const EVSES: [&str; 4] = ["left", "right", "yard-1", "yard-2"];
/// One of them looks like a formula to a spreadsheet.
const USERS: [&str; 4] = ["anna", "bo_2", "guest", "zoe"];
const STEP_S: i64 = 300;

/// Every run makes the same month.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % u64::try_from(limit).unwrap()).unwrap()
    }
}

fn now(second: i64) -> Now {
    Now {
        wall: Timestamp::from_seconds(BEGIN_S + second),
        monotonic: Monotonic(second * 1_000),
    }
}

fn authorisation(random: &mut Random) -> Authorisation {
    let name = USERS[usize::try_from(random.below(4)).unwrap()];
    let (kind, has_card) = match random.below(3) {
        0 => (AuthorisationKind::Rfid, true),
        1 => (AuthorisationKind::Pin, true),
        _ => (AuthorisationKind::App, false),
    };
    Authorisation {
        kind,
        user: Some(UserId::new(name).unwrap()),
        card: has_card.then(|| CardId::new(&format!("card-{name}")).unwrap()),
    }
}

/// What is measured while a car charges; one EVSE has no meter, and no tariff is in force in the first week.
fn sample(evse: usize, second: i64, counter: i64, phases: i64, random: &mut Random) -> Sample {
    let current = MilliAmps(6_000 + random.below(10_000));
    let none = MilliAmps(0);
    let (l2, l3) = if phases == 3 {
        (current, current)
    } else {
        (none, none)
    };
    Sample {
        counter: (evse != 3).then_some(WattHours(counter)),
        current: Some(PerPhase::new(current, l2, l3)),
        voltage: MilliVolts(230_000),
        power: Some(Watts(230 * phases * current.0 / 1_000)),
        mix: Mix {
            sun: PerMille(random.below(700)),
            battery: PerMille(random.below(300)),
        },
        price: (second > 7 * 86_400).then(|| Price {
            tariff: TariffId::new("flat").unwrap(),
            per_kwh: PerKwh(100_000 + random.below(300_000)),
            currency: if evse == 1 {
                "CHF".parse().unwrap()
            } else {
                Currency::EUR
            },
        }),
    }
}

/// The sessions of one EVSE as its state machine makes them.
fn month(evse: usize, random: &mut Random) -> Vec<Session> {
    let mut machine = Machine::new(Place {
        site: site_id("home"),
        evse: evse_id(EVSES[evse]),
        epoch: 1,
        asks: evse != 2,
        wired: PerPhase::all(true),
    });
    let mut closed = Vec::new();
    let mut counter = 1_000_000;
    let mut step = |machine: &mut Machine, input, second| {
        for effect in machine.on(input, now(second)) {
            if let Effect::Closed(session) = effect {
                closed.push(session);
            }
        }
    };
    let heard = |pilot| Input::Heard { pilot, charger: None };
    step(&mut machine, heard(PilotState::A), 0);
    for day in 0..DAYS {
        let mut second = day * 86_400 + 6 * 3_600 + random.below(3_600);
        for _ in 0..=random.below(2) {
            second += 60 + random.below(3_600);
            step(&mut machine, heard(PilotState::B), second);
            if random.below(2) == 0 {
                machine.identify(Some(VehicleId::new("van").unwrap()));
            }
            let first = authorisation(random);
            step(&mut machine, Input::Authorised(first), second + 5);
            step(&mut machine, heard(PilotState::C), second + 10);
            let phases = 1 + 2 * random.below(2);
            for _ in 0..6 + random.below(40) {
                second += STEP_S;
                let sample = sample(evse, second, counter, phases, random);
                counter += sample.power.unwrap().0 * STEP_S / 3_600;
                step(&mut machine, Input::Measured(sample), second);
                step(&mut machine, heard(PilotState::C), second);
                if random.below(25) == 0 {
                    let other = authorisation(random);
                    step(&mut machine, Input::Authorised(other), second + 1);
                }
            }
            if random.below(3) == 0 {
                step(&mut machine, Input::Stop(StopReason::BudgetUsedUp), second + 20);
            }
            // The car of the last evening stays.
            if day < DAYS - 1 || evse != 0 {
                step(&mut machine, heard(PilotState::A), second + 30);
            }
        }
    }
    let open = machine.session().cloned();
    closed.into_iter().chain(open).collect()
}

/// What the documentation says of every column.
fn expected(session: &Session, taken: &Transaction) -> BTreeMap<&'static str, String> {
    let time = |at: Timestamp| at.0.to_string();
    let or_empty = |text: Option<String>| text.unwrap_or_default();
    let who = &taken.authorisation;
    let user = who.user.as_ref().map(|user| user.to_string());
    let [l1, l2, l3] = taken.per_phase.into_array();
    BTreeMap::from([
        ("session", session.id.to_string()),
        ("transaction", taken.number.to_string()),
        ("site", "home".to_owned()),
        ("evse", session.evse.to_string()),
        ("plugged", time(session.plugged)),
        ("unplugged", or_empty(session.unplugged.map(time))),
        ("started", time(taken.started)),
        ("stopped", or_empty(taken.stopped.map(|stop| time(stop.at)))),
        (
            "stop_reason",
            match taken.stopped.map(|stop| stop.reason) {
                None => "",
                Some(StopReason::Unplugged) => "unplugged",
                Some(StopReason::Asked) => "asked",
                Some(StopReason::BudgetUsedUp) => "budget_used_up",
                Some(StopReason::Withdrawn) => "withdrawn",
                Some(StopReason::Replaced) => "replaced",
                Some(StopReason::Lost) => "lost",
            }
            .to_owned(),
        ),
        (
            "kind",
            match who.kind {
                AuthorisationKind::Rfid => "rfid",
                AuthorisationKind::Pin => "pin",
                AuthorisationKind::App => "app",
                AuthorisationKind::PlugAndGo => "plug_and_go",
            }
            .to_owned(),
        ),
        ("user", or_empty(user)),
        ("card", or_empty(who.card.as_ref().map(|card| card.to_string()))),
        (
            "vehicle",
            or_empty(session.vehicle.as_ref().map(|v| v.to_string())),
        ),
        (
            "meter_start_wh",
            or_empty(taken.meter_start.map(|wh| wh.0.to_string())),
        ),
        (
            "meter_stop_wh",
            or_empty(taken.meter_stop.map(|wh| wh.0.to_string())),
        ),
        ("energy_wh", taken.energy.0.to_string()),
        ("l1_wh", l1.0.to_string()),
        ("l2_wh", l2.0.to_string()),
        ("l3_wh", l3.0.to_string()),
        ("one_phase_wh", taken.one_phase.0.to_string()),
        ("three_phase_wh", taken.three_phase.0.to_string()),
        ("sun_wh", taken.origin.sun.0.to_string()),
        ("battery_wh", taken.origin.battery.0.to_string()),
        ("grid_wh", taken.origin.grid.0.to_string()),
        ("charging_s", (taken.charging.0 / 1_000).to_string()),
        ("peak_w", taken.peak.0.to_string()),
        // In millionths, so that nothing is rounded on the way.
        ("cost", or_empty(taken.cost.map(|cost| cost.amount.0.to_string()))),
        (
            "currency",
            or_empty(taken.cost.map(|cost| cost.currency.to_string())),
        ),
        ("estimated", taken.estimated.to_string()),
        ("other_costs", String::new()),
        ("unpriced_wh", taken.unpriced().0.to_string()),
    ])
}

/// A cell as it stands in [`expected`]: times in milliseconds, money in millionths.
fn read(column: &str, cell: &str) -> String {
    match column {
        "plugged" | "unplugged" | "started" | "stopped" if !cell.is_empty() => {
            assert!(cell.ends_with('Z'), "{column} is {cell}");
            cell.parse::<jiff::Timestamp>()
                .unwrap()
                .as_millisecond()
                .to_string()
        }
        "cost" if !cell.is_empty() => {
            let (units, millionths) = cell.split_once('.').unwrap();
            assert_eq!(millionths.len(), 6, "{cell}");
            format!("{units}{millionths}").parse::<i64>().unwrap().to_string()
        }
        _ => cell.to_owned(),
    }
}

#[tokio::test]
async fn a_month_of_sessions_is_exported_and_read_back() {
    let world = World::new().await;
    // Names are free; ids are what stands in records.
    for (id, name) in USERS
        .into_iter()
        .zip(["Müller, Änne", "Bo \\\"2\\\"", "Gast; 'x'", "Zoë\u{2028}, 4"])
    {
        let body = format!(r#"{{"id":"{id}","name":"{name}","role":"user"}}"#);
        let made = world.post("/api/v1/users", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let epoch = world.store.take_epoch(&site_id("home")).await.unwrap();
    let mut random = Random(7);
    let mut sessions = Vec::new();
    for evse in 0..EVSES.len() {
        sessions.extend(month(evse, &mut random));
    }
    for session in &sessions {
        world.store.put_session(epoch, session).await.unwrap();
    }
    sessions.sort_by(|a, b| (b.plugged, b.id.as_str()).cmp(&(a.plugged, a.id.as_str())));
    let transactions: Vec<_> = sessions
        .iter()
        .flat_map(|session| session.transactions.iter().map(move |taken| (session, taken)))
        .collect();
    assert!(
        sessions.len() > 150 && transactions.len() > sessions.len(),
        "{}",
        sessions.len()
    );
    assert_eq!(sessions.iter().filter(|s| s.unplugged.is_none()).count(), 1);

    let answer = world.get("/api/v1/sites/home/sessions.csv").await;
    assert_eq!(answer.status, 200);
    let mut reader = csv::Reader::from_reader(answer.text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let mut sums = BTreeMap::<String, i64>::new();
    let mut rows = reader.records();
    for (session, taken) in transactions {
        let row = rows.next().unwrap().unwrap();
        let found: BTreeMap<&str, String> = header
            .iter()
            .zip(&row)
            .map(|(column, cell)| (column, read(column, cell)))
            .collect();
        assert_eq!(found, expected(session, taken));
        for (column, name) in [
            ("energy_wh", "energy".to_owned()),
            ("sun_wh", "sun".to_owned()),
            ("battery_wh", "battery".to_owned()),
            ("grid_wh", "grid".to_owned()),
            ("cost", format!("cost {}", found["currency"])),
        ] {
            if !found[column].is_empty() {
                *sums.entry(name).or_default() += found[column].parse::<i64>().unwrap();
            }
        }
    }
    assert!(rows.next().is_none(), "more rows than transactions");

    let totals = world.get("/api/v1/sites/home/sessions?limit=1").await.json()["totals"].clone();
    assert_eq!(totals["count"], sessions.len());
    assert_eq!(totals["energy_wh"], sums["energy"]);
    for part in ["sun", "battery", "grid"] {
        assert_eq!(totals["origin"][format!("{part}_wh")], sums[part], "{part}");
    }
    for cost in totals["costs"].as_array().unwrap() {
        let name = format!("cost {}", cost["currency"].as_str().unwrap());
        assert_eq!(cost["amount_micros"], sums[&name], "{name}");
    }
    assert!(
        sums["sun"] > 0 && sums["battery"] > 0 && sums["grid"] > 0,
        "{sums:?}"
    );
    assert!(sums["cost EUR"] > 0 && sums["cost CHF"] > 0, "{sums:?}");
    assert_eq!(sums["energy"], sums["sun"] + sums["battery"] + sums["grid"]);
}
