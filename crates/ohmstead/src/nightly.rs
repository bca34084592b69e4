//! The nightly backup.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use model::settings::{BackupSettings, Settings};
use model::time::{Clock, Timestamp};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::chosen;

/// How often the clock is looked at: it may jump.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Backs up every night until `stop`. A night that fails is said in the log and followed by the next.
pub async fn run(
    data: PathBuf,
    settings: Arc<Settings>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let zone = settings.sites.first().map(|site| site.time_zone.as_str());
    let zone = zone
        .and_then(|name| TimeZone::get(name).ok())
        .unwrap_or(TimeZone::UTC);
    let directory = settings.backup.directory_of(&data);
    let mut backup = settings.backup.clone();
    let mut due = next(&zone, backup.at_minute, clock.now().wall);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let now = clock.now().wall;
        let wanted = in_force(store.as_ref(), &settings, &backup).await;
        if wanted.at_minute != backup.at_minute {
            due = next(&zone, wanted.at_minute, now);
        }
        backup = wanted;
        if now < due {
            // After the clock was set back the old time is too far away.
            due = due.min(next(&zone, backup.at_minute, now));
            continue;
        }
        due = next(&zone, backup.at_minute, now);
        let keep = backup.keep;
        if keep == 0 {
            continue;
        }
        let (data, directory) = (data.clone(), directory.clone());
        let made = tokio::task::spawn_blocking(move || {
            store::backup::back_up_nightly(&data, &directory, keep, env!("CARGO_PKG_VERSION"), now)
        });
        match made.await {
            Ok(Ok(file)) => tracing::info!("backed up to {}", file.display()),
            Ok(Err(error)) => tracing::error!("no backup this night: {error}"),
            Err(error) => tracing::error!("no backup this night: {error}"),
        }
    }
}

/// What the file says, else what was chosen meanwhile; what was before when the store does not say.
async fn in_force(store: &dyn Store, settings: &Settings, before: &BackupSettings) -> BackupSettings {
    let mut wanted = settings.clone();
    match chosen::stored(store).await {
        Ok(chosen) => {
            chosen.over(&mut wanted);
            wanted.backup
        }
        Err(error) => {
            tracing::warn!(%error, "cannot look up when backups are made");
            before.clone()
        }
    }
}

/// The first time after `now` at which local clocks show the minute; where that is left out, what comes next.
fn next(zone: &TimeZone, minute: u16, now: Timestamp) -> Timestamp {
    let mut day = zone.to_datetime(now.to_jiff()).date();
    for _ in 0..3 {
        let hour = i8::try_from(minute / 60).unwrap_or(0);
        let time = jiff::civil::time(hour, i8::try_from(minute % 60).unwrap_or(0), 0, 0);
        if let Ok(at) = zone.to_zoned(day.to_datetime(time)) {
            let at = Timestamp(at.timestamp().as_millisecond());
            if at > now {
                return at;
            }
        }
        let Ok(tomorrow) = day.tomorrow() else { break };
        day = tomorrow;
    }
    Timestamp(i64::MAX)
}

#[cfg(test)]
mod tests {
    use store::Typed;

    use super::*;

    #[test]
    fn the_next_night_by_the_local_clock() {
        let zone = TimeZone::get("Europe/Vienna").unwrap();
        let at = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        for (minute, now, expected) in [
            (180, "2026-11-27T02:00+01:00", "2026-11-27T03:00+01:00"),
            (180, "2026-11-27T03:00+01:00", "2026-11-28T03:00+01:00"),
            // 02:30 is left out in March and comes twice in October; the first one counts.
            (150, "2026-03-29T00:00+01:00", "2026-03-29T03:30+02:00"),
            (150, "2026-10-25T00:00+02:00", "2026-10-25T02:30+02:00"),
            (150, "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
            (0, "2026-12-31T12:00+01:00", "2027-01-01T00:00+01:00"),
        ] {
            assert_eq!(next(&zone, minute, at(now)), at(expected), "{minute} {now}");
        }
    }

    #[tokio::test]
    async fn what_was_chosen_counts_unless_the_file_says_it() {
        let file = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n";
        let store = store::Sqlite::in_memory().unwrap();
        let chosen = model::settings::Chosen {
            backup: Some(model::settings::Nightly {
                keep: 2,
                at_minute: 60,
            }),
            ..model::settings::Chosen::default()
        };
        store.put(&chosen).await.unwrap();
        for (more, expected) in [("", (2, 60)), ("[backup]\nkeep = 9\n", (9, 180))] {
            let config =
                crate::config::parse(&format!("{more}{file}")).unwrap_or_else(|wrong| panic!("{wrong:?}"));
            let found = in_force(store.as_ref(), &config.settings, &config.settings.backup).await;
            assert_eq!((found.keep, found.at_minute), expected, "{more}");
        }
    }
}
