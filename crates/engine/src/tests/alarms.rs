//! Alarms begin, go on over a restart, are acknowledged and end.

use super::*;

#[test]
fn a_lost_link_is_one_alarm_and_the_balance_becomes_unknown() {
    let mut core = core(Restored::default());
    grid(&mut core, 5_000, 0);
    assert!(core.view(now(1_000)).flow.house.is_some());
    let offline = || {
        Report::Link(LinkState::Offline {
            problem: "cannot read: refused".to_owned(),
        })
    };
    report(&mut core, "grid", offline(), 10_000);
    report(&mut core, "grid", offline(), 11_000);
    let view = core.view(now(20_000));
    assert_eq!(view.alarms.len(), 1, "{:?}", view.alarms);
    assert_eq!((view.flow.grid, view.flow.house), (None, None));
    report(&mut core, "grid", Report::Link(LinkState::Online), 21_000);
    assert!(core.view(now(21_000)).alarms.is_empty());
}

fn alarm(device: Option<&str>, code: AlarmCode, raised: i64, cleared: Option<i64>) -> Alarm {
    Alarm {
        site: SiteId::new("home").unwrap(),
        device: device.map(|id| DeviceId::new(id).unwrap()),
        code,
        severity: Severity::Warning,
        text: "as it was".to_owned(),
        raised: now(raised).wall,
        cleared: cleared.map(|at| now(at).wall),
        acknowledged: None,
    }
}

#[test]
fn open_alarms_go_on_after_a_restart_and_end_when_the_trouble_is_over() {
    use AlarmCode::{DeviceOffline, MeterSilent, StoreFailing};
    let mut core = core(Restored {
        alarms: vec![
            alarm(Some("station"), DeviceOffline, -900, None),
            alarm(Some("sold"), DeviceOffline, -800, None),
            alarm(Some("station"), MeterSilent, -700, None),
            alarm(None, StoreFailing, -600, None),
            alarm(Some("grid"), DeviceOffline, -500, Some(-100)),
        ],
        ..Restored::default()
    });
    // What nobody judges any more is over.
    assert_eq!(
        alarms_written(&mut core),
        [
            (StoreFailing, -600, true),
            (DeviceOffline, -800, true),
            (MeterSilent, -700, true)
        ]
    );
    let offline = || LinkState::Offline {
        problem: "no answer".to_owned(),
    };
    report(&mut core, "station", Report::Link(LinkState::Connecting), 10);
    report(&mut core, "station", Report::Link(offline()), 20);
    assert_eq!(alarms_written(&mut core), []);
    assert_eq!(core.view(now(20)).alarms[0].raised, now(-900).wall);
    report(&mut core, "station", Report::Link(LinkState::Online), 30);
    assert_eq!(alarms_written(&mut core), [(DeviceOffline, -900, true)]);
    // It was over before the restart and comes back within a minute.
    report(&mut core, "grid", Report::Link(offline()), 40);
    assert_eq!(alarms_written(&mut core), [(DeviceOffline, -500, false)]);
}

/// Costs fall back to the contract's own price; somebody is told which tariff, and since when.
#[test]
fn missing_prices_are_one_alarm_until_they_are_back() {
    use model::money::PerKwh;
    use model::tariff::PriceBook;

    let mut core = core(Restored::default());
    let tariff = serde_json::from_value(serde_json::json!({
        "id": "spot", "name": "Spot", "direction": "import", "site": "home",
        "contracts": [{"name": "only", "from": "2000-01-01", "until": null, "currency": "EUR", "vat": 0,
            "monthly_fee": 0, "prices": {"kind": "dynamic", "provider": "market", "factor": 1000,
            "surcharge": 0, "fallback": 300_000}}]
    }));
    let mut book = PriceBook::of_zone("UTC", vec![tariff.unwrap()]);
    let until = |minutes: i64| {
        let (from, to) = (now(0).wall - Millis(3_600_000), now(minutes * 60_000).wall);
        vec![(from, to, PerKwh(200_000))]
    };
    book.set_prices("market", until(10));
    core.set_prices(Arc::new(book.clone()));
    let mut changes = Vec::new();
    for second in 0..3_600 {
        if second == 2_400 {
            book.set_prices("market", until(600));
            core.set_prices(Arc::new(book.clone()));
        }
        core.handle_timeout(now(second * 1_000));
        let is_ours = |code: AlarmCode| code == AlarmCode::PricesStale;
        for (_, raised, is_over) in alarms_written(&mut core)
            .into_iter()
            .filter(|(code, ..)| is_ours(*code))
        {
            let view = core.view(now(second * 1_000));
            let open = view.alarms.into_iter().find(|alarm| is_ours(alarm.code));
            let text = open.map(|alarm| alarm.text).unwrap_or_default();
            changes.push((second / 60, raised / 60_000, is_over, text));
        }
    }
    let since = now(600_000).wall;
    let text = format!(
        "tariff \"Spot\": provider market has no price of any time since {since}; the contract's fallback price counts"
    );
    assert_eq!(changes, [(15, 15, false, text), (40, 15, true, String::new()),]);
}

#[test]
fn an_acknowledged_alarm_is_shown_as_such() {
    let mut core = core(Restored {
        alarms: vec![alarm(Some("station"), AlarmCode::DeviceOffline, -900, None)],
        ..Restored::default()
    });
    let acknowledge = |device: &str, raised: i64| Wanted::AcknowledgeAlarm {
        device: Some(DeviceId::new(device).unwrap()),
        code: AlarmCode::DeviceOffline,
        raised: now(raised).wall,
    };
    for (device, raised) in [("station", -899), ("grid", -900)] {
        let refused = weigh(&core, acknowledge(device, raised));
        assert!(matches!(refused, Err(Rejection::Unknown { .. })), "{refused:?}");
    }
    let change = weigh(&core, acknowledge("station", -900)).unwrap();
    assert_eq!(core.view(now(0)).alarms[0].acknowledged, None);
    core.apply(change, now(0));
    let seen = core.view(now(0)).alarms[0].acknowledged.clone().unwrap();
    assert_eq!((seen.by.as_str(), seen.at), ("test", now(0).wall));
}

#[test]
fn what_a_link_notices_is_an_alarm_until_it_is_over() {
    let mut core = core(Restored::default());
    let claimed = (Notice::LoggerClaimedTwice, AlarmCode::LoggerClaimedTwice);
    let unknown = (Notice::LoggerUnknown, AlarmCode::LoggerUnknown);
    let risk = (Notice::RiskSeen, AlarmCode::RiskSeen);
    let warns = (Notice::DeviceWarning, AlarmCode::DeviceWarning);
    let rows = [
        (warns, Some("station")),
        (claimed, Some("station")),
        (unknown, None),
        (risk, Some("station")),
    ];
    for ((notice, code), device) in rows {
        for text in [Some("one"), Some("two"), None] {
            let text = text.map(str::to_owned);
            let said = Report::Notice {
                notice,
                text: text.clone(),
            };
            report(&mut core, "station", said, 1_000);
            let open = core
                .view(now(1_000))
                .alarms
                .into_iter()
                .find(|alarm| alarm.code == code);
            let about = open.as_ref().and_then(|alarm| alarm.device.clone());
            assert_eq!(open.map(|alarm| alarm.text), text, "{notice:?}");
            if text.is_some() {
                assert_eq!(about, device.map(|id| id.parse().unwrap()));
            }
        }
    }
}
