//! What every history must do beyond keeping readings: energies, charts, latest values, thinning.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::reading::Quantity;
use model::settings::Retention;
use model::time::{Millis, Timestamp};

use crate::calendar::{self, Per};
use crate::{EnergyBook, Row, Sample, Series, Step, Store, columns};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Runs every check; panics on the first that fails. Thins what others left, so it comes last.
pub async fn check(store: &dyn Store) {
    the_latest_of_every_series_is_known(store).await;
    series_are_imported_together(store).await;
    energies_follow_the_local_calendar(store).await;
    energies_of_days_follow_imports_and_the_zone(store).await;
    power_stands_in_for_a_counter(store).await;
    columns_keep_peaks(store).await;
    thinning_keeps_quarters_and_days(store).await;
}

async fn the_latest_of_every_series_is_known(store: &dyn Store) {
    let (one, two) = (series("latest", Quantity::Power), series("latest", Quantity::Soc));
    append(store, &one, &[(1_000, 5), (2_000, 6)]).await;
    import(store, &two, &[(1_000, 7), (9_000, 8)]).await;
    import(store, &one, &[(500, 1)]).await;
    assert_eq!(store.newest(&one).await.unwrap(), Some((Timestamp(2_000), 6)));
    let latest: Vec<_> = store
        .latest()
        .await
        .unwrap()
        .into_iter()
        .filter(|latest| latest.series.subject == one.subject)
        .map(|latest| (latest.series, latest.at.0, latest.value))
        .collect();
    assert_eq!(latest, [(one, 2_000, 6), (two, 9_000, 8)]);
    let nothing = series("nothing", Quantity::Power);
    assert_eq!(store.newest(&nothing).await.unwrap(), None);
}

/// Values in steps, at times with jitter, some of them there already.
async fn series_are_imported_together(store: &dyn Store) {
    let quantities = [
        Quantity::VoltageL1,
        Quantity::Power,
        Quantity::EnergyIn,
        Quantity::Soc,
    ];
    let at = |n: i64| Timestamp(1_700_000_000_000 + n * 1_000 + n * 7_919 % 23);
    let value = |quantity: Quantity, n: i64| {
        if quantity == Quantity::VoltageL1 {
            230_000 + n * 31 % 40 * 100
        } else if quantity == Quantity::EnergyIn {
            20_000_000 + n / 3
        } else if quantity == Quantity::Soc {
            500
        } else {
            n * n % 9_001 - 4_000
        }
    };
    let column = |quantity: Quantity, from: i64, to: i64| {
        let rows = (from..to).map(|n| (at(n), value(quantity, n)));
        (series("together", quantity), rows.collect::<Vec<_>>())
    };
    import(store, &series("together", Quantity::Power), &[(at(500).0, 77)]).await;
    for (from, to) in [(3_000, 9_000), (0, 4_000)] {
        let columns = quantities.map(|quantity| column(quantity, from, to));
        store.import_all(columns.to_vec()).await.unwrap();
    }
    store.import_all(Vec::new()).await.unwrap();
    for quantity in quantities {
        let (series, mut expected) = column(quantity, 0, 9_000);
        if quantity == Quantity::Power {
            expected[500].1 = 77;
        }
        let rows = store.query(&series, at(0), at(9_000), Step::Raw).await.unwrap();
        let found: Vec<_> = rows.iter().map(|row| (row.at, row.mean)).collect();
        assert_eq!(found, expected, "{quantity:?}");
        let hours = store
            .query(&series, at(0), at(9_000), Step::Seconds(3_600))
            .await
            .unwrap();
        assert_eq!(
            hours.last().map(|row| row.last),
            expected.last().map(|(_, value)| *value)
        );
    }
}

/// A counter that counts one watt-hour a minute: a day's energy is its length in minutes.
async fn energies_follow_the_local_calendar(store: &dyn Store) {
    for (name, from, to, expected) in [
        ("Europe/Vienna", "2026-03-28", "2026-03-31", [1_440, 1_380, 1_440]),
        ("Europe/Vienna", "2026-10-24", "2026-10-27", [1_440, 1_500, 1_440]),
        (
            "Australia/Lord_Howe",
            "2026-04-04",
            "2026-04-07",
            [1_440, 1_470, 1_440],
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-03",
            "2026-10-06",
            [1_440, 1_410, 1_440],
        ),
        (
            "Asia/Kathmandu",
            "2026-06-01",
            "2026-06-04",
            [1_440, 1_440, 1_440],
        ),
        // Until 1972 Liberia was 44 minutes and 30 seconds behind: no quarter-hour ends at its midnight.
        (
            "Africa/Monrovia",
            "1971-01-01",
            "1971-01-04",
            [1_440, 1_440, 1_440],
        ),
    ] {
        let counter = series(&format!("{name}-{from}"), Quantity::EnergyIn);
        let (zone, from, to) = (zone(name), date(from), date(to));
        let start = calendar::midnight(&zone, from).0 - DAY_MS;
        let readings: Vec<_> = (0..5 * 288)
            .map(|n| (start + n * 300_000, 1_000 + n * 5))
            .collect();
        let (sealed, open) = readings.split_at(1_000);
        import(store, &counter, sealed).await;
        append(store, &counter, open).await;
        let book = EnergyBook::default();
        // The second time from memory.
        for _ in 0..2 {
            let days = energies(store, &book, &counter, &zone, (from, to), Per::Day).await;
            assert_eq!(days, expected.map(|energy| (energy, true)), "{name}");
        }
        let hours = energies(store, &book, &counter, &zone, (from, to), Per::Hour).await;
        assert_eq!(
            hours.iter().map(|(energy, _)| energy).sum::<i64>(),
            expected.iter().sum::<i64>()
        );
        assert!(
            hours.iter().all(|hour| [(60, true), (30, true)].contains(hour)),
            "{name}"
        );
        let all = [(expected.iter().sum(), true)];
        assert_eq!(
            energies(store, &book, &counter, &zone, (from, to), Per::Year).await,
            all
        );
    }
}

async fn energies_of_days_follow_imports_and_the_zone(store: &dyn Store) {
    let counter = series("book", Quantity::EnergyOut);
    let book = EnergyBook::default();
    let (vienna, utc) = (zone("Europe/Vienna"), zone("UTC"));
    let start = date("2026-02-01");
    let start_ms = calendar::midnight(&vienna, start).0;
    // Counts 100 Wh an hour, but nothing is known of the second day.
    let at = |hour: i64| (start_ms + hour * HOUR_MS, hour * 100);
    let hours: Vec<_> = (0..24).chain(48..80).map(at).collect();
    import(store, &counter, &hours).await;
    let span = (start, date("2026-02-05"));
    let found = energies(store, &book, &counter, &vienna, span, Per::Day).await;
    // The first day ends within the gap.
    assert_eq!(
        found,
        [(2_400, false), (2_400, false), (2_400, true), (700, false)]
    );
    let found = energies(store, &book, &counter, &utc, span, Per::Day).await;
    assert_eq!(found[0], (2_400, false));
    // A reset during the second day comes to light later.
    import(store, &counter, &[at(30), (start_ms + 36 * HOUR_MS, 50)]).await;
    let found = energies(store, &book, &counter, &vienna, span, Per::Day).await;
    assert_eq!(found[1].0, 600 + 50 + 4_750);
    let months = energies(store, &book, &counter, &vienna, span, Per::Month).await;
    assert_eq!(months, [(found.iter().map(|(energy, _)| energy).sum(), false)]);
    append(store, &counter, &[at(96)]).await;
    let found = energies(store, &book, &counter, &vienna, span, Per::Day).await;
    assert_eq!(found[3], (2_400, false));
}

async fn power_stands_in_for_a_counter(store: &dyn Store) {
    let power = series("uncounted", Quantity::Power);
    let (utc, day) = (zone("UTC"), date("2026-01-05"));
    let start_ms = calendar::midnight(&utc, day).0;
    // Draws 1,200 W for half a day, gives back 600 W for a quarter of a day, then is silent.
    let watts = |minute: i64| if minute < 720 { 1_200 } else { -600 };
    let readings: Vec<_> = (0..=1_080)
        .map(|minute| (start_ms + minute * 60_000, watts(minute)))
        .collect();
    import(store, &power, &readings).await;
    let book = EnergyBook::default();
    for (quantity, expected) in [
        (Quantity::EnergyIn, 14_400),
        (Quantity::EnergyOut, 3_600),
        (Quantity::Power, 10_800),
    ] {
        let asked = series("uncounted", quantity);
        let found = book
            .energies(store, &asked, &utc, day, day.tomorrow().unwrap(), Per::Day)
            .await
            .unwrap();
        assert!(found.is_estimated);
        let energy = found.rows[0].energy;
        assert!(
            (energy.watt_hours - expected).abs() <= 15,
            "{quantity:?}: {energy:?}"
        );
        assert!(!energy.is_complete);
    }
}

async fn columns_keep_peaks(store: &dyn Store) {
    let power = series("columns", Quantity::Power);
    let start_ms = 1_600_000_000_000_i64;
    let value = |n: i64| if n == 12_345 { 9_999 } else { n % 100 };
    let readings: Vec<_> = (0..20_000).map(|n| (start_ms + n * 1_000, value(n))).collect();
    import(store, &power, &readings[..15_000]).await;
    append(store, &power, &readings[15_000..]).await;
    for (span_ms, count) in [(20_000_000, 200), (20_000_000, 7), (40_000_000, 999)] {
        let (from, to) = (Timestamp(start_ms), Timestamp(start_ms + span_ms));
        let found = columns(store, &power, from, to, count).await.unwrap();
        assert!(found.len() <= usize::try_from(count).unwrap());
        let peaks: Vec<_> = found.iter().filter(|column| column.max == 9_999).collect();
        assert_eq!(peaks.len(), 1, "{span_ms}/{count}");
        assert!(peaks[0].at.0 <= start_ms + 12_345_000);
        assert_eq!((found[0].first, found[found.len() - 1].last), (0, 99));
    }
}

async fn thinning_keeps_quarters_and_days(store: &dyn Store) {
    let (slow, fast) = (
        series("thin", Quantity::Power),
        series("thin", Quantity::EnergyIn),
    );
    let end = 1_780_000_000_000 / DAY_MS * DAY_MS;
    let start = end - 40 * DAY_MS;
    let slow_readings: Vec<_> = (0..40 * 96)
        .map(|n| (start + n * 900_000 + 1_234, n * 7 % 1_000))
        .collect();
    let fast_readings: Vec<_> = (0..40 * 1_440)
        .map(|n| (start + n * 60_000 + n % 700, n * 20))
        .chain((0..20_000).map(|n| (end - DAY_MS / 2 + n * 1_000 + 777, 1_200_000 + n)))
        .collect::<std::collections::BTreeMap<_, _>>()
        .into_iter()
        .collect();
    import(store, &slow, &slow_readings).await;
    import(store, &fast, &fast_readings).await;

    let wide = [900, 3_600, 86_400];
    let mut before = Vec::new();
    for one in [&slow, &fast] {
        for width in wide {
            before.push(rows(store, one, start, end, Step::Seconds(width)).await);
        }
    }
    let minutes = rows(store, &fast, start, end, Step::Seconds(60)).await;
    let days = energies_of_month(store, &fast).await;

    let retention = Retention {
        raw_days: 10,
        minute_days: 20,
    };
    let mut thinned = 0;
    // A clock that is stepped by thirty hours.
    for step in 0..=8 {
        let now = Timestamp(end) - Millis(10 * DAY_MS) + Millis(step * DAY_MS * 5 / 4);
        while store.thin(retention, now).await.unwrap() {
            thinned += 1;
        }
        let mut after = Vec::new();
        for one in [&slow, &fast] {
            for width in wide {
                after.push(rows(store, one, start, end, Step::Seconds(width)).await);
            }
        }
        assert!(after == before, "step {step}");
    }
    let size = store.size().await.unwrap();
    assert!(size.history > 100_000 && size.records > 0, "{size:?}");
    assert!(thinned > 10, "{thinned} bites");
    assert_eq!(energies_of_month(store, &fast).await, days);

    let raw = rows(store, &fast, start, end, Step::Raw).await;
    let kept_from = end - 10 * DAY_MS;
    let (thin, full): (Vec<&Row>, Vec<&Row>) = raw.iter().partition(|row| row.at.0 < kept_from - DAY_MS);
    let expected = fast_readings.iter().filter(|(at, _)| *at >= kept_from - DAY_MS);
    assert!(
        full.len() >= expected.count() - 1_440,
        "the last ten days are whole"
    );
    assert!(
        thin.iter().all(|row| row.at.0 % 60_000 == 0),
        "before, rollups are left"
    );
    assert!(
        thin.iter()
            .filter(|row| row.at.0 < end - 21 * DAY_MS)
            .all(|row| row.at.0 % 900_000 == 0)
    );
    // Where there are minutes, they are what they were.
    let found = rows(store, &fast, end - 19 * DAY_MS, end, Step::Seconds(60)).await;
    let expected: Vec<_> = minutes
        .into_iter()
        .filter(|row| row.at.0 >= end - 19 * DAY_MS)
        .collect();
    let differ = found
        .iter()
        .zip(&expected)
        .find(|(found, expected)| found != expected);
    assert_eq!((found.len(), differ), (expected.len(), None));

    // What was thinned is not imported again.
    import(store, &fast, &fast_readings).await;
    let again = rows(store, &fast, start, end, Step::Seconds(900)).await;
    assert!(again == before[3], "imported again");
}

async fn energies_of_month(store: &dyn Store, counter: &Series) -> Vec<(i64, bool)> {
    let span = (date("2026-04-20"), date("2026-05-25"));
    energies(
        store,
        &EnergyBook::default(),
        counter,
        &zone("Europe/Vienna"),
        span,
        Per::Day,
    )
    .await
}

async fn energies(
    store: &dyn Store,
    book: &EnergyBook,
    series: &Series,
    zone: &TimeZone,
    (from, to): (Date, Date),
    per: Per,
) -> Vec<(i64, bool)> {
    let found = book.energies(store, series, zone, from, to, per).await.unwrap();
    assert!(
        found
            .rows
            .windows(2)
            .all(|pair| pair[0].period.end == pair[1].period.start)
    );
    found
        .rows
        .iter()
        .map(|row| (row.energy.watt_hours, row.energy.is_complete))
        .collect()
}

fn series(subject: &str, quantity: Quantity) -> Series {
    Series {
        subject: format!("device:{subject}"),
        quantity,
    }
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

async fn append(store: &dyn Store, series: &Series, readings: &[(i64, i64)]) {
    let samples = readings.iter().map(|(at, value)| Sample {
        series: series.clone(),
        at: Timestamp(*at),
        value: *value,
    });
    store.append(samples.collect()).await.unwrap();
}

async fn import(store: &dyn Store, series: &Series, readings: &[(i64, i64)]) {
    let readings: Vec<_> = readings
        .iter()
        .map(|(at, value)| (Timestamp(*at), *value))
        .collect();
    store.import(series, &readings).await.unwrap();
}

async fn rows(store: &dyn Store, series: &Series, from: i64, to: i64, step: Step) -> Vec<Row> {
    store
        .query(series, Timestamp(from), Timestamp(to), step)
        .await
        .unwrap()
}
