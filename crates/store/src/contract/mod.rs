//! What every store must do, as checks over `dyn Store`: each backend runs them all on an empty store.

mod history;
mod oversight;
pub mod pages;
mod records;
mod uploads;

use std::sync::Arc;

use model::device::{ChargeMode, Force, Wish};
use model::document::Document;
use model::id::{DeviceId, EvseId, SiteId};
use model::phases::Phases;
use model::reading::Quantity;
use model::setpoint::ChargeCurrent;
use model::time::{Monotonic, Now, Timestamp};
use model::units::MilliAmps;

use crate::{DeviceSeen, Row, Sample, Series, Step, Store, StoreError, StoredSecret};

/// Runs every check; panics on the first that fails.
pub async fn check(store: &dyn Store) {
    epochs_grow_and_fence(store).await;
    wishes_and_setpoints_are_kept(store).await;
    devices_and_documents_are_kept(store).await;
    records::users_are_kept(store).await;
    records::sessions_are_kept_by_revision_and_epoch(store).await;
    records::sessions_are_found_and_added_up(store).await;
    records::sessions_forget_who_it_was(store).await;
    records::the_ledger_keeps_its_quarters(store).await;
    records::books_are_kept_whole(store).await;
    records::parcels_leave_in_order(store).await;
    records::prices_take_the_place_of_others(store).await;
    secrets_are_kept_and_expire(store).await;
    aliases_are_never_reused(store).await;
    records::the_audit_log_keeps_its_order(store).await;
    records::an_alarm_is_raised_and_cleared_once(store).await;
    oversight::check(store).await;
    uploads::check(store).await;
    history_is_empty_at_first(store).await;
    late_readings_are_dropped(store).await;
    readings_condense_to_aligned_buckets(store).await;
    imports_fill_gaps_and_change_nothing_twice(store).await;
    a_long_history_answers_like_its_readings(store).await;
    history::check(store).await;
}

async fn epochs_grow_and_fence(store: &dyn Store) {
    let home = site("fenced");
    let old = store.take_epoch(&home).await.unwrap();
    let new = store.take_epoch(&home).await.unwrap();
    assert_eq!(new, old + 1);
    let left = evse("left");
    let told = [(left.clone(), amps(10))];
    for (epoch, passes) in [(old, false), (new, true)] {
        let outcomes = [
            store.put_wish(&home, epoch, &left, wish(ChargeMode::Off)).await,
            store.put_setpoints(&home, epoch, &told).await,
            store.put_memory(&home, epoch, 1, b"x").await,
        ];
        for outcome in outcomes {
            match outcome {
                Ok(()) => assert!(passes, "epoch {epoch} was overtaken"),
                Err(StoreError::Fenced { given, newest, .. }) => {
                    assert!(!passes);
                    assert_eq!((given, newest), (old, new));
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    // A later epoch than this store ever gave out comes from an engine elsewhere; it fences as well.
    store.put_setpoints(&home, new + 5, &told).await.unwrap();
    assert!(matches!(
        store.put_memory(&home, new, 1, b"y").await,
        Err(StoreError::Fenced { .. })
    ));
    assert_eq!(store.take_epoch(&home).await.unwrap(), new + 6);
    assert_eq!(store.take_epoch(&site("other")).await.unwrap(), 1);
}

async fn wishes_and_setpoints_are_kept(store: &dyn Store) {
    let home = site("kept");
    assert!(store.wishes(&home).await.unwrap().is_empty());
    assert!(store.setpoints(&home).await.unwrap().is_empty());
    assert_eq!(store.memory(&home).await.unwrap(), None);
    let epoch = store.take_epoch(&home).await.unwrap();

    store
        .put_wish(&home, epoch, &evse("right"), wish(ChargeMode::Solar))
        .await
        .unwrap();
    store
        .put_wish(&home, epoch, &evse("left"), wish(ChargeMode::Off))
        .await
        .unwrap();
    store
        .put_wish(&home, epoch, &evse("left"), wish(ChargeMode::MinSolar))
        .await
        .unwrap();
    let wishes = [
        (evse("left"), wish(ChargeMode::MinSolar)),
        (evse("right"), wish(ChargeMode::Solar)),
    ];
    assert_eq!(store.wishes(&home).await.unwrap(), wishes);

    store
        .put_setpoints(
            &home,
            epoch,
            &[(evse("left"), amps(16)), (evse("right"), amps(8))],
        )
        .await
        .unwrap();
    store
        .put_setpoints(&home, epoch, &[(evse("left"), ChargeCurrent::PAUSED)])
        .await
        .unwrap();
    let setpoints = [(evse("left"), ChargeCurrent::PAUSED), (evse("right"), amps(8))];
    assert_eq!(store.setpoints(&home).await.unwrap(), setpoints);

    store.put_memory(&home, epoch, 7, &[0, 255, 1]).await.unwrap();
    store.put_memory(&home, epoch, 8, &[]).await.unwrap();
    assert_eq!(store.memory(&home).await.unwrap(), Some((8, Vec::new())));
}

async fn devices_and_documents_are_kept(store: &dyn Store) {
    let home = site("devices");
    let meter = DeviceId::new("meter").unwrap();
    for (at, identity) in [(1, None), (2, Some("maker model 3.1".to_owned()))] {
        store
            .put_device(
                &home,
                &meter,
                DeviceSeen {
                    at: Timestamp(at),
                    identity,
                },
            )
            .await
            .unwrap();
    }
    let seen = DeviceSeen {
        at: Timestamp(2),
        identity: Some("maker model 3.1".to_owned()),
    };
    assert_eq!(store.devices(&home).await.unwrap(), [(meter.clone(), seen)]);

    let at = Now {
        wall: Timestamp(5),
        monotonic: Monotonic(9),
    };
    let document = Document {
        dialect: "goe".to_owned(),
        at,
        json: Arc::from("{\"fna\":\"Gärage\"}"),
    };
    store.put_document(&home, &meter, &document).await.unwrap();
    let documents = store.documents(&home).await.unwrap();
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].0, meter);
    assert_eq!(
        (documents[0].1.at, documents[0].1.json.as_str()),
        (Timestamp(5), "{\"fna\":\"Gärage\"}")
    );
    assert!(store.documents(&site("elsewhere")).await.unwrap().is_empty());
}

async fn secrets_are_kept_and_expire(store: &dyn Store) {
    let secret = |owner: &str, expires: Option<i64>| StoredSecret {
        owner: owner.to_owned(),
        bytes: vec![1, 0, 200],
        expires: expires.map(Timestamp),
    };
    for (kind, name, secret) in [
        ("session", "b", secret("admin", Some(1_000))),
        ("session", "a", secret("admin", Some(999))),
        ("session", "c", secret("admin", None)),
        ("token", "a", secret("x", Some(1))),
        ("session", "c", secret("zoe", None)),
    ] {
        store.put_secret(kind, name, &secret).await.unwrap();
    }
    assert_eq!(
        store.secret("session", "a").await.unwrap(),
        Some(secret("admin", Some(999)))
    );
    store.expire_secrets("session", Timestamp(1_000)).await.unwrap();
    let left = [
        ("b".to_owned(), secret("admin", Some(1_000))),
        ("c".to_owned(), secret("zoe", None)),
    ];
    assert_eq!(store.secrets("session").await.unwrap(), left);
    store.delete_secret("session", "b").await.unwrap();
    store.delete_secret("session", "b").await.unwrap();
    assert_eq!(store.secret("session", "b").await.unwrap(), None);
    assert_eq!(store.secrets("token").await.unwrap().len(), 1);
}

async fn aliases_are_never_reused(store: &dyn Store) {
    store.put_alias("goe", "000002", "evse:right").await.unwrap();
    store.put_alias("goe", "000001", "evse:left").await.unwrap();
    store.put_alias("goe", "000001", "evse:left").await.unwrap();
    store.put_alias("cfos", "000001", "evse:other").await.unwrap();
    let refused = store.put_alias("goe", "000001", "evse:right").await.unwrap_err();
    assert!(refused.to_string().contains("evse:left"), "{refused}");
    let several = |second: &str| {
        let pair = |name: &str, means: &str| (name.to_owned(), means.to_owned());
        [pair("000003", "evse:third"), pair(second, "evse:right")]
    };
    store.put_aliases("goe", &several("000001")).await.unwrap_err();
    assert_eq!(store.alias("goe", "000003").await.unwrap(), None);
    store.put_aliases("ocpp", &several("000001")).await.unwrap();
    assert_eq!(
        store.alias("goe", "000001").await.unwrap(),
        Some("evse:left".to_owned())
    );
    assert_eq!(store.alias("goe", "1").await.unwrap(), None);
    let all = [
        ("cfos", "000001", "evse:other"),
        ("goe", "000001", "evse:left"),
        ("goe", "000002", "evse:right"),
        ("ocpp", "000001", "evse:right"),
        ("ocpp", "000003", "evse:third"),
    ];
    let all = all.map(|(dialect, name, means)| (dialect.to_owned(), name.to_owned(), means.to_owned()));
    assert_eq!(store.aliases().await.unwrap(), all);
}

async fn history_is_empty_at_first(store: &dyn Store) {
    assert_eq!(store.span().await.unwrap(), None);
    assert!(store.series().await.unwrap().is_empty());
    assert!(
        rows(store, &series("device:none"), 0, i64::MAX, Step::Raw)
            .await
            .is_empty()
    );
}

async fn late_readings_are_dropped(store: &dyn Store) {
    let late = series("device:late");
    append(
        store,
        &late,
        &[
            (2_000_000, 1),
            (1_999_999, 2),
            (2_000_000, 3),
            (2_000_001, 4),
            (-5, 5),
        ],
    )
    .await;
    append(store, &late, &[(1_000_000, 6), (3_000_000, -7)]).await;
    let kept = [(2_000_000, 1), (2_000_001, 4), (3_000_000, -7)];
    assert_eq!(raw(store, &late, 0, i64::MAX).await, kept);
    assert_eq!(raw(store, &late, 2_000_001, 3_000_000).await, [(2_000_001, 4)]);
    assert!(raw(store, &late, 3_000_000, 2_000_000).await.is_empty());
    store.flush().await.unwrap();
    assert_eq!(raw(store, &late, 0, i64::MAX).await, kept);
    assert_eq!(
        store.span().await.unwrap(),
        Some((Timestamp(2_000_000), Timestamp(3_000_000)))
    );
}

async fn readings_condense_to_aligned_buckets(store: &dyn Store) {
    let power = series("device:buckets");
    append(
        store,
        &power,
        &[
            (59_000, 10),
            (60_000, 20),
            (61_000, 40),
            (119_999, 30),
            (180_000, -1),
        ],
    )
    .await;
    let row = |at, mean, min, max, first, last| Row {
        at: Timestamp(at),
        mean,
        min,
        max,
        first,
        last,
    };
    let all = [
        row(0, 10, 10, 10, 10, 10),
        row(60_000, 30, 20, 40, 20, 30),
        row(180_000, -1, -1, -1, -1, -1),
    ];
    assert_eq!(rows(store, &power, 0, 200_000, Step::Seconds(60)).await, all);
    assert_eq!(
        rows(store, &power, 1, 180_000, Step::Seconds(60)).await,
        all[1..2]
    );
    assert_eq!(
        rows(store, &power, 60_000, 60_001, Step::Seconds(60)).await,
        all[1..2]
    );
    assert_eq!(
        rows(store, &power, 0, 1, Step::Seconds(900)).await,
        [row(0, 20, -1, 40, 10, -1)]
    );
}

async fn imports_fill_gaps_and_change_nothing_twice(store: &dyn Store) {
    let power = series("device:import");
    let day = 86_400_000;
    append(store, &power, &[(day + 500, 1), (day + 2_000, 2)]).await;
    let past = [
        (1_000, 10),
        (1_000, 97),
        (day, 11),
        (day + 500, 99),
        (day + 700, 12),
        (day + 2_500, 13),
    ];
    for _ in 0..2 {
        import(store, &power, &past).await;
        append(store, &power, &[(day + 2_100, 98)]).await;
    }
    let expected = [
        (1_000, 10),
        (day, 11),
        (day + 500, 1),
        (day + 700, 12),
        (day + 2_000, 2),
        (day + 2_500, 13),
    ];
    assert_eq!(raw(store, &power, 0, 2 * day).await, expected);
    append(store, &power, &[(day + 2_700, 14)]).await;
    let row = |at, mean, min, max, first, last| Row {
        at: Timestamp(at),
        mean,
        min,
        max,
        first,
        last,
    };
    let days = [row(0, 10, 10, 10, 10, 10), row(day, 9, 1, 14, 11, 14)];
    assert_eq!(rows(store, &power, 0, 2 * day, Step::Seconds(900)).await, days);
    assert_eq!(rows(store, &power, 0, 2 * day, Step::Seconds(86_400)).await, days);
    import(store, &series("device:nothing"), &[]).await;
    assert!(!store.series().await.unwrap().contains(&series("device:nothing")));
}

/// Two days with gaps, partly imported and partly appended with flushes in between, against the same
/// readings condensed by hand.
async fn a_long_history_answers_like_its_readings(store: &dyn Store) {
    let power = series("device:long");
    let start = 1_700_000_000_000;
    let mut state = 7_u64;
    let mut at = start;
    let readings: Vec<(i64, i64)> = (0..12_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let random = i64::try_from(state >> 40).unwrap();
            at += if random % 997 == 0 {
                3_600_000
            } else {
                1_000 + random % 20_000
            };
            (at, random % 5_000 - 2_500)
        })
        .collect();
    let (imported, appended) = readings.split_at(5_000);
    import(store, &power, &imported[3_000..]).await;
    import(store, &power, &imported[..4_000]).await;
    for part in appended.chunks(700) {
        append(store, &power, part).await;
        store.flush().await.unwrap();
    }
    assert_eq!(raw(store, &power, 0, i64::MAX).await, readings);
    for (width_s, from, to) in [
        (1_u32, start, start + 900_000),
        (60, start + 1, at),
        (900, start, at + 1),
        (3_600, readings[4_000].0, readings[9_000].0),
        (86_400, 0, at + 1),
        (172_800, 0, at + 1),
        (7 * 86_400, 0, at + 1),
    ] {
        let found = rows(store, &power, from, to, Step::Seconds(width_s)).await;
        assert_eq!(
            found,
            by_hand(&readings, from, to, i64::from(width_s) * 1_000),
            "buckets of {width_s} s"
        );
    }
}

fn by_hand(readings: &[(i64, i64)], from: i64, to: i64, width: i64) -> Vec<Row> {
    let mut buckets = std::collections::BTreeMap::<i64, Vec<i64>>::new();
    for (at, value) in readings {
        buckets.entry(at / width * width).or_default().push(*value);
    }
    let mean = |values: &[i64]| {
        let count = i64::try_from(values.len()).unwrap();
        (values.iter().sum::<i64>() + count / 2).div_euclid(count)
    };
    buckets
        .range(from..to)
        .map(|(at, values)| Row {
            at: Timestamp(*at),
            mean: mean(values),
            min: *values.iter().min().unwrap(),
            max: *values.iter().max().unwrap(),
            first: values[0],
            last: *values.last().unwrap(),
        })
        .collect()
}

fn site(id: &str) -> SiteId {
    SiteId::new(id).unwrap()
}

fn evse(id: &str) -> EvseId {
    EvseId::new(id).unwrap()
}

fn amps(amps: i64) -> ChargeCurrent {
    ChargeCurrent::at_most(MilliAmps::from_amps(amps))
}

fn wish(mode: ChargeMode) -> Wish {
    Wish {
        mode,
        force: Force::On,
        current: MilliAmps(13_000),
        phases: Some(Phases::One),
        energy_limit: None,
        price_limit: None,
    }
}

fn series(subject: &str) -> Series {
    Series {
        subject: subject.to_owned(),
        quantity: Quantity::Power,
    }
}

async fn append(store: &dyn Store, series: &Series, readings: &[(i64, i64)]) {
    let sample = |(at, value): &(i64, i64)| Sample {
        series: series.clone(),
        at: Timestamp(*at),
        value: *value,
    };
    store.append(readings.iter().map(sample).collect()).await.unwrap();
}

async fn import(store: &dyn Store, series: &Series, readings: &[(i64, i64)]) {
    let rows: Vec<_> = readings
        .iter()
        .map(|(at, value)| (Timestamp(*at), *value))
        .collect();
    store.import(series, &rows).await.unwrap();
}

async fn rows(store: &dyn Store, series: &Series, from: i64, to: i64, step: Step) -> Vec<Row> {
    store
        .query(series, Timestamp(from), Timestamp(to), step)
        .await
        .unwrap()
}

async fn raw(store: &dyn Store, series: &Series, from: i64, to: i64) -> Vec<(i64, i64)> {
    rows(store, series, from, to, Step::Raw)
        .await
        .iter()
        .map(|row| (row.at.0, row.last))
        .collect()
}
