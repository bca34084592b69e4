//! Keys that the model does not know: the device answers for its own, others are kept.

use super::*;

/// Files a write to the station and says with which ticket it left.
fn write(core: &mut Core, value: &str, at: i64) -> u64 {
    let change = weigh(core, vendor("fna", value)).unwrap();
    let ticket = core.apply(change, now(at)).unwrap();
    let sent = std::iter::from_fn(|| core.poll_setpoint()).find_map(|setpoint| match setpoint.action {
        Action::VendorWrite { ticket, .. } => Some(ticket),
        Action::Charge { .. }
        | Action::TakeBack { .. }
        | Action::BatteryPower { .. }
        | Action::Order { .. } => None,
    });
    assert_eq!(sent, Some(ticket));
    ticket
}

fn word(core: &mut Core, device: &str, ticket: u64, answer: Result<(), &str>, at: i64) {
    let answer = answer.map(|()| Vec::new()).map_err(str::to_owned);
    report(core, device, Report::VendorAnswer { ticket, answer }, at);
}

/// What reads back of a key that the model does not know.
fn reads(core: &Core, key: &str, at: i64) -> Option<String> {
    core.view(now(at)).evses[0].keys.get("goe")?.get(key).cloned()
}

#[test]
fn a_key_of_the_device_needs_the_device_to_answer() {
    let mut core = core(Restored::default());
    let refused = weigh(&core, vendor("fna", "\"garage\""));
    assert!(matches!(refused, Err(Rejection::Offline { .. })));
    report(&mut core, "station", Report::Link(LinkState::Online), 0);
    let ticket = write(&mut core, "\"garage\"", 0);
    assert_eq!(core.poll_verdict(), None);
    assert_eq!(reads(&core, "fna", 0), None);
    // Only whoever was asked is heard, and only once.
    word(&mut core, "grid", ticket, Ok(()), 100);
    assert_eq!(core.poll_verdict(), None);
    word(&mut core, "station", ticket, Ok(()), 200);
    word(&mut core, "station", ticket, Err("no"), 200);
    let verdict = core.poll_verdict().unwrap();
    assert_eq!((verdict.ticket, verdict.answer), (ticket, Ok(Vec::new())));
    assert_eq!(core.poll_verdict(), None);
    assert_eq!(reads(&core, "fna", 200).as_deref(), Some("\"garage\""));
}

#[test]
fn the_word_of_the_device_is_the_answer() {
    let mut core = core(Restored::default());
    report(&mut core, "station", Report::Link(LinkState::Online), 0);
    let ticket = write(&mut core, "\"go\"", 0);
    word(&mut core, "station", ticket, Err("fna: too short"), 100);
    let said = Rejection::Device {
        said: "fna: too short".to_owned(),
    };
    assert_eq!(core.poll_verdict().unwrap().answer, Err(said));
    assert_eq!(reads(&core, "fna", 100), None);
}

#[test]
fn a_device_that_says_nothing_has_not_said_yes() {
    let mut core = core(Restored::default());
    report(&mut core, "station", Report::Link(LinkState::Online), 0);
    let first = write(&mut core, "1", 0);
    core.handle_timeout(now(2_999));
    assert_eq!(core.poll_verdict(), None);
    assert!(core.poll_timeout() <= Monotonic(3_000));
    core.handle_timeout(now(3_000));
    let verdict = core.poll_verdict().unwrap();
    assert_eq!(verdict.ticket, first);
    assert!(
        matches!(verdict.answer, Err(Rejection::Busy { .. })),
        "{verdict:?}"
    );
    word(&mut core, "station", first, Ok(()), 3_100);
    assert_eq!((core.poll_verdict(), reads(&core, "fna", 3_100)), (None, None));

    write(&mut core, "2", 4_000);
    let gone = LinkState::Offline {
        problem: "gone".to_owned(),
    };
    report(&mut core, "station", Report::Link(gone), 5_000);
    core.handle_timeout(now(7_000));
    let verdict = core.poll_verdict().unwrap();
    assert!(
        matches!(verdict.answer, Err(Rejection::Offline { .. })),
        "{verdict:?}"
    );
}

#[test]
fn only_so_many_writes_wait() {
    let mut core = core(Restored::default());
    report(&mut core, "station", Report::Link(LinkState::Online), 0);
    let tickets: Vec<u64> = (0..64)
        .map(|value| write(&mut core, &value.to_string(), 0))
        .collect();
    assert!(tickets.is_sorted());
    assert!(matches!(
        weigh(&core, vendor("fna", "1")),
        Err(Rejection::Busy { .. })
    ));
    word(&mut core, "station", tickets[0], Ok(()), 0);
    assert!(weigh(&core, vendor("fna", "1")).is_ok());
}

#[test]
fn a_confirmed_value_is_shown_until_a_document_shows_it() {
    let shows = |core: &mut Core, json: &str, at: i64| {
        let document = Document {
            dialect: "goe".to_owned(),
            at: now(at),
            json: json.into(),
        };
        report(core, "station", Report::Document(document), at);
    };
    let mut core = core(Restored::default());
    report(&mut core, "station", Report::Link(LinkState::Online), 0);
    let ticket = write(&mut core, "\"garage\"", 0);
    word(&mut core, "station", ticket, Ok(()), 0);
    shows(&mut core, r#"{"fna":"old"}"#, 500);
    shows(&mut core, "no document", 500);
    assert!(reads(&core, "fna", 500).is_some());
    shows(&mut core, r#"{"fna":"garage"}"#, 1_000);
    assert_eq!(reads(&core, "fna", 1_000), None);
    // One that is never shown is not for ever.
    let ticket = write(&mut core, "\"cellar\"", 2_000);
    word(&mut core, "station", ticket, Ok(()), 2_000);
    core.handle_timeout(now(61_999));
    assert!(reads(&core, "fna", 61_999).is_some());
    core.handle_timeout(now(62_000));
    assert_eq!(reads(&core, "fna", 62_000), None);
}

#[test]
fn keys_that_the_station_does_not_speak_are_kept() {
    let mut other = site().as_ref().clone();
    other.devices[1].link = LinkSettings::None;
    let other = Arc::new(other);
    let made = |restored| {
        let settings = ControlSettings::default();
        Core::new(other.clone(), settings, 3, restored, Millis(1_000), now(0))
    };
    let mut before = made(Restored::default());
    let mut kept = None;
    for (key, value) in [("fna", "\"a\""), ("cid", "\"#00FF00\""), ("fna", "\"b\"")] {
        let change = weigh(&before, vendor(key, value)).unwrap();
        let Change::Keep(keys) = &change else {
            panic!("{change:?}");
        };
        kept = Some(keys.clone());
        assert_eq!(before.apply(change, now(0)), None);
        assert_eq!(reads(&before, key, 0).as_deref(), Some(value));
    }
    assert!(before.poll_setpoint().is_none());
    let after = made(Restored {
        keys: kept.into_iter().collect(),
        ..Restored::default()
    });
    assert_eq!(reads(&after, "fna", 0).as_deref(), Some("\"b\""));
    assert_eq!(reads(&after, "cid", 0).as_deref(), Some("\"#00FF00\""));
    let huge = format!("\"{}\"", "x".repeat(70_000));
    assert!(matches!(
        weigh(&after, vendor("fna", &huge)),
        Err(Rejection::OutOfRange { .. })
    ));
}
