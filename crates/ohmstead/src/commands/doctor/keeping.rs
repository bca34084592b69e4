//! What has to last: room on the disk, backups, the certificate, and time that goes forward.

use std::path::Path;

use model::settings::{BackupSettings, TlsSettings};
use model::time::Timestamp;
use store::backup::{history_span, nightly, nightly_time};

use super::{DAY, Findings};

/// Less room than that is soon used up by whatever else writes to the disk.
const ROOM_LEAST: u64 = 500_000_000;
/// Less than that many days of history is worth a word.
const ROOM_DAYS: u64 = 60;
/// A night may be missed; two may not.
const BACKUP_OLDEST: i64 = 2 * DAY;
/// Readings a little ahead are clocks of devices that differ.
const AHEAD: i64 = 300_000;
const GIGABYTE: u64 = 1_000_000_000;

/// How much room there is, and for how long that is enough at the rate so far.
pub fn room(data: &Path, found: &mut Findings) {
    let free = match rustix::fs::statvfs(data) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => {
            found.wrong(format!(
                "cannot tell how much room {} has: {error}; check that its disk is there",
                data.display()
            ));
            return;
        }
    };
    let size = |name| std::fs::metadata(data.join(name)).map_or(0, |about| about.len());
    let history = size("history.db") + size("history.db-wal");
    let days = history_span(data).ok().flatten().map(|(oldest, newest)| {
        // A day at least: a start is no measure.
        let days = u64::try_from((newest.0 - oldest.0) / DAY).unwrap_or(0);
        (days > 0).then(|| free / (history / days).max(1))
    });
    judge_room(free, days.flatten(), found);
}

fn judge_room(free: u64, days: Option<u64>, found: &mut Findings) {
    let gigabytes = format!("{}.{} GB", free / GIGABYTE, free % GIGABYTE / (GIGABYTE / 10));
    let lasts = days.map_or(String::new(), |days| {
        format!(", {days} days of history as it grew so far")
    });
    if free < ROOM_LEAST {
        found.wrong(format!(
            "only {gigabytes} are free for data{lasts}; when the disk is full sessions and wishes are refused: \
             delete something, keep fewer backups ([backup] keep), or move the data to a larger disk"
        ));
    } else if days.is_some_and(|days| days < ROOM_DAYS) {
        found.note(format!(
            "{gigabytes} are free{lasts}; keep readings for fewer days ([history] raw_days) or find a larger disk"
        ));
    } else {
        found.good(format!("{gigabytes} are free{lasts}"));
    }
}

/// Whether the clock was set back behind what was measured already.
pub fn time_goes_on(data: &Path, now: Timestamp, found: &mut Findings) {
    if let Ok(Some((_, newest))) = history_span(data)
        && newest.0 > now.0 + AHEAD
    {
        found.wrong(format!(
            "the newest reading is of {newest}, and the clock shows {now}: readings are dropped until then; set the \
             clock, and switch on time synchronisation (timedatectl set-ntp true)"
        ));
    }
}

/// Whether the last nightly backup is young enough.
pub fn backups(data: &Path, settings: &BackupSettings, now: Timestamp, found: &mut Findings) {
    if settings.keep == 0 {
        found.note("[backup] keep is 0, so no backup is made by night; a broken disk loses everything then");
        return;
    }
    let place = settings.directory_of(data);
    let newest = nightly(&place).ok().and_then(|files| files.last().cloned());
    let Some(file) = newest else {
        found.note(format!(
            "there is no nightly backup in {} yet; the running server makes one every night",
            place.display()
        ));
        return;
    };
    match nightly_time(&file) {
        Some(at) if now.0 - at.0 > BACKUP_OLDEST => found.wrong(format!(
            "the newest backup, {}, is {} days old; look for `no backup this night` in the log of the server, which \
             has to run at night, and check that {} can be written",
            file.display(),
            (now.0 - at.0) / DAY,
            place.display()
        )),
        Some(_) => found.good(format!("the newest backup is {}", file.display())),
        None => found.note(format!("{} has a name that tells no time", file.display())),
    }
}

/// Whether browsers will go on to accept the certificate.
pub fn certificate(data: &Path, settings: &TlsSettings, now: Timestamp, found: &mut Findings) {
    if settings.listen.is_none() {
        return;
    }
    let own = data.join("tls.crt");
    let file = settings.certificate.as_deref().unwrap_or(&own);
    if !file.exists() && settings.certificate.is_none() {
        found.note("there is no certificate yet; the first start makes a self-signed one");
        return;
    }
    let end = match links::tls_server::ends(file) {
        Ok(end) => end,
        Err(error) => {
            found.wrong(format!("{error}; expected a PEM file with the certificate first"));
            return;
        }
    };
    let Ok(end) = end.parse::<jiff::Timestamp>() else {
        found.note(format!(
            "certificate {} ends at an odd time, {end}",
            file.display()
        ));
        return;
    };
    let left = (end.as_millisecond() - now.0).div_euclid(DAY);
    let what = format!("certificate {}", file.display());
    if left < 0 {
        found.wrong(format!(
            "{what} has expired on {end}, so browsers refuse it; put a new one there, or delete a self-signed one \
             with its key and start again"
        ));
    } else if left < 21 {
        found.wrong(format!(
            "{what} expires on {end}, in {left} days; renew it: the running server takes new files into use by itself"
        ));
    } else {
        found.good(format!("{what} is valid until {end}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_named_before_it_is_none() {
        for (free, days, expected) in [
            (
                400_000_000,
                Some(900),
                "  WRONG  only 0.4 GB are free for data, 900 days",
            ),
            (3_210_000_000, Some(59), "  note   3.2 GB are free, 59 days"),
            (3_210_000_000, Some(60), "  good   3.2 GB are free, 60 days"),
            (3_210_000_000, None, "  good   3.2 GB are free"),
        ] {
            let mut found = Findings::default();
            judge_room(free, days, &mut found);
            assert!(found.lines[0].starts_with(expected), "{found:?}");
        }
        let mut found = Findings::default();
        let data = tempfile::tempdir().unwrap();
        room(data.path(), &mut found);
        assert!(found.lines[0].contains("GB are free"), "{found:?}");
        room(Path::new("/nowhere"), &mut found);
        assert!(found.lines[1].contains("cannot tell"), "{found:?}");
    }

    #[test]
    fn old_backups_are_named() {
        let data = tempfile::tempdir().unwrap();
        let settings = BackupSettings::default();
        let now: jiff::Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let now = Timestamp(now.as_millisecond());
        let place = settings.directory_of(data.path());
        std::fs::create_dir(&place).unwrap();
        let mut said = Vec::new();
        for name in [None, Some("20261124T020000Z"), Some("20261126T020000Z")] {
            if let Some(name) = name {
                std::fs::write(place.join(format!("ohmstead-{name}.tar.gz")), "").unwrap();
            }
            let mut found = Findings::default();
            backups(data.path(), &settings, now, &mut found);
            said.extend(found.lines);
        }
        assert!(said[0].contains("note   there is no nightly backup"), "{said:?}");
        assert!(
            said[1].contains("WRONG") && said[1].contains("is 3 days old"),
            "{said:?}"
        );
        assert!(said[2].contains("good"), "{said:?}");
    }

    #[test]
    fn certificates_that_end_are_named() {
        let data = tempfile::tempdir().unwrap();
        let (file, key) = (data.path().join("tls.crt"), data.path().join("tls.key"));
        links::tls_server::self_signed(vec!["localhost".to_owned()], &file, &key).unwrap();
        let end: jiff::Timestamp = links::tls_server::ends(&file).unwrap().parse().unwrap();
        let settings = TlsSettings {
            listen: Some(([127, 0, 0, 1], 0).into()),
            ..TlsSettings::default()
        };
        for (days_before, expected) in [(30, "good"), (20, "WRONG"), (-1, "has expired")] {
            let mut found = Findings::default();
            let now = Timestamp(end.as_millisecond() - days_before * DAY);
            certificate(data.path(), &settings, now, &mut found);
            assert!(found.lines[0].contains(expected), "{days_before}: {found:?}");
        }
        std::fs::write(&file, "nothing").unwrap();
        let mut found = Findings::default();
        certificate(data.path(), &settings, Timestamp(0), &mut found);
        assert_eq!(found.wrong, 1, "{found:?}");
    }
}
