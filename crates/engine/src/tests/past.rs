//! What was measured before we listened: a part of the history, never of what is so now.

use bus::Bus;
use model::reading::Quantity;
use store::{History, Series, Sqlite, Step};

use super::desk::Running;
use super::*;

const MINUTE: i64 = 60_000;

#[tokio::test]
async fn rows_of_the_past_land_in_the_history_and_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let home = Running::start(
        site().as_ref().clone(),
        Sqlite::in_memory().unwrap(),
        directory.path(),
    )
    .await;
    let at = |minutes: i64| now(minutes * MINUTE).wall;
    let measured = Measured {
        power: Some(Watts(11)),
        ..Measured::default()
    };
    home.report(Report::Measured(measured.clone())).await;
    let samples = [-3, -1, -2]
        .map(|minute| (at(minute), Quantity::Power, -1_000 * minute))
        .into_iter()
        .chain([
            (at(-2), Quantity::EnergyIn, 7),
            // A device whose clock is ahead.
            (at(5), Quantity::Power, 5),
        ])
        .collect();
    home.report(Report::Past { samples }).await;
    home.report(Report::Link(LinkState::Online)).await;
    home.until_online().await;

    let series = |quantity| Series {
        subject: "device:station".to_owned(),
        quantity,
    };
    let rows = async |quantity| {
        let rows = home
            .store
            .query(&series(quantity), at(-60), at(60), Step::Raw)
            .await
            .unwrap();
        rows.iter()
            .filter(|row| row.at < now(0).wall)
            .map(|row| ((row.at - now(0).wall).0 / MINUTE, row.last))
            .collect::<Vec<_>>()
    };
    let power = loop {
        let found = rows(Quantity::Power).await;
        if !found.is_empty() {
            break found;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(power, [(-3, 3_000), (-2, 2_000), (-1, 1_000)]);
    assert_eq!(rows(Quantity::EnergyIn).await, [(-2, 7)]);
    let power = series(Quantity::Power);
    let later = home.store.query(&power, at(1), at(60), Step::Raw).await;
    assert!(later.unwrap().is_empty());

    let view = home.bus.latest_view(&SiteId::new("home").unwrap()).await.unwrap();
    let station = view.devices.iter().find(|device| device.id.as_str() == "station");
    let station = station.unwrap();
    assert_eq!(station.measured, measured);
    assert_eq!(station.last_seen, Some(now(0).wall));
    home.end().await;
}

#[test]
fn rows_of_a_device_that_the_site_does_not_have_are_dropped() {
    let mut core = core(Restored::default());
    let samples = vec![(now(-1).wall, Quantity::Power, 1)];
    for (device, expected) in [("nobody", 0), ("station", 1)] {
        report(
            &mut core,
            device,
            Report::Past {
                samples: samples.clone(),
            },
            0,
        );
        let kept = std::iter::from_fn(|| core.poll_record())
            .filter(|record| matches!(record, Record::Past(_)))
            .count();
        assert_eq!(kept, expected, "{device}");
    }
}

/// What a cloud or a logger has kept for a while is of the time at which it was measured.
#[test]
fn a_reading_of_an_earlier_time_goes_into_the_history_at_that_time() {
    let mut core = core(Restored::default());
    run(&mut core, 0, 61, |_, _| {});
    while core.poll_record().is_some() {}
    let power = |watts| {
        Report::Measured(Measured {
            power: Some(Watts(watts)),
            ..Measured::default()
        })
    };
    for (device, at, expected) in [
        ("station", 60_000, 0),
        // Of the interval before, and only just on its way.
        ("station", 59_000, 0),
        ("station", 20_000, 1),
        ("nobody", 20_000, 0),
    ] {
        report(&mut core, device, power(-7), at);
        let past: Vec<_> = std::iter::from_fn(|| core.poll_record())
            .filter_map(|record| {
                if let Record::Past(columns) = record {
                    Some(columns)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(past.len(), expected, "{device} {at}");
        if let [columns] = &past[..] {
            assert_eq!(columns[0].1, [(now(20_000).wall, -7)]);
        }
    }
    let station = DeviceId::new("station").unwrap();
    let seen = core.image.devices[&station].measured.as_ref().unwrap();
    assert_eq!(seen.at, now(20_000));
}
