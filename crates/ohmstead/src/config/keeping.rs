//! What is kept for how long: `[backup]`, `[history]`, `[personal_data]`

use model::settings::{BackupSettings, PersonalData, Retention};

use super::Read;
use super::section::{Section, minute};

pub fn backup(root: &Section<'_, '_>) -> Read<BackupSettings> {
    let settings = root.table("backup").map(read_backup).unwrap_or_default();
    Read::of(settings).given_if(root.has("backup"), "backup")
}

pub fn history(root: &Section<'_, '_>) -> Read<Option<Retention>> {
    Read::of(root.table("history").map(read_history))
}

pub fn personal_data(root: &Section<'_, '_>) -> Read<PersonalData> {
    Read::of(
        root.table("personal_data")
            .map(read_personal_data)
            .unwrap_or_default(),
    )
}

fn read_backup(section: Section<'_, '_>) -> BackupSettings {
    let default = BackupSettings::default();
    let keep = section
        .scaled("keep", 0, 0..=1_000, "0 (no nightly backup) to 1000")
        .and_then(|keep| u16::try_from(keep).ok());
    let settings = BackupSettings {
        keep: keep.unwrap_or(default.keep),
        at_minute: section
            .parsed("at", "a local time, for example \"03:00\"", minute)
            .filter(|minute| *minute < 1_440)
            .unwrap_or(default.at_minute),
        directory: section.text("directory"),
    };
    section.finish();
    settings
}

fn read_history(section: Section<'_, '_>) -> Retention {
    let default = Retention::default();
    let days = |key, default| {
        let range = i64::from(*Retention::DAYS.start())..=i64::from(*Retention::DAYS.end());
        let expected = format!("{} to {} days", range.start(), range.end());
        let days = section.scaled(key, 0, range, &expected);
        days.and_then(|days| u32::try_from(days).ok()).unwrap_or(default)
    };
    let raw_days = days("raw_days", default.raw_days);
    let minute_days = days("minute_days", default.minute_days.max(raw_days));
    let retention = Retention {
        raw_days,
        minute_days,
    };
    // A number that cannot be read at all has been said already.
    if let Some((key, given, expected)) = retention.problem() {
        section.problem(key, format!("{key} is {given}, expected {expected}"));
    }
    section.finish();
    retention
}

fn read_personal_data(section: Section<'_, '_>) -> PersonalData {
    let days = |key| {
        let most = i64::from(*Retention::DAYS.end());
        let expected = format!("1 to {most} days, or nothing for ever");
        let days = section.scaled(key, 0, 1..=most, &expected);
        days.and_then(|days| u32::try_from(days).ok())
    };
    let settings = PersonalData {
        session_days: days("session_days"),
        audit_days: days("audit_days"),
    };
    section.finish();
    settings
}
