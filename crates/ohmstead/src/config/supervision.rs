//! `[supervision]`: how operators report to us.

use std::path::PathBuf;

use model::money::Currency;
use model::settings::SupervisionSettings;
use model::time::Millis;

use super::Read;
use super::section::Section;

const DAY_S: i64 = 86_400;

pub fn read(root: &Section<'_, '_>) -> Read<SupervisionSettings> {
    let section = root.table("supervision");
    Read::of(section.map(read_section).unwrap_or_default())
}

fn read_section(section: Section<'_, '_>) -> SupervisionSettings {
    let default = SupervisionSettings::default();
    let seconds = |key, range: std::ops::RangeInclusive<i64>, default: Millis| {
        let expected = format!("seconds, {} to {}", range.start(), range.end());
        let seconds = section.scaled(key, 0, range, &expected);
        seconds.map_or(default, Millis::from_seconds)
    };
    let days = |key, default: Millis| {
        let days = section.scaled(key, 0, 1..=36_500, "days, 1 to 36500");
        days.map_or(default, |days| Millis::from_seconds(days * DAY_S))
    };
    let settings = SupervisionSettings {
        enabled: section.boolean("enabled", default.enabled),
        plain_http: section.boolean("plain_http", default.plain_http),
        time_zone: section
            .parsed("time_zone", "an IANA name such as \"Asia/Shanghai\"", |text| {
                model::time::is_time_zone(text).then(|| text.to_owned())
            })
            .unwrap_or(default.time_zone),
        currency: section
            .parsed("currency", "an ISO 4217 code such as \"CNY\"", |text| {
                text.parse::<Currency>().ok().map(|_| text.to_owned())
            })
            .unwrap_or(default.currency),
        most_skew: seconds("most_skew_s", 1..=3_600, default.most_skew),
        token_idle: seconds("token_idle_s", 60..=31 * DAY_S, default.token_idle),
        token_longest: seconds("token_longest_s", 60..=366 * DAY_S, default.token_longest),
        stale_after: seconds("stale_after_s", 60..=DAY_S, default.stale_after),
        offline_after: seconds("offline_after_s", 60..=7 * DAY_S, default.offline_after),
        oldest_sample: seconds("oldest_sample_s", 60..=31 * DAY_S, default.oldest_sample),
        most_ahead: seconds("most_ahead_s", 1..=3_600, default.most_ahead),
        escalate_after: seconds("escalate_after_s", 60..=7 * DAY_S, default.escalate_after),
        keep_samples: days("keep_samples_days", default.keep_samples),
        keep_persons: days("keep_persons_days", default.keep_persons),
        rules: section.text("rules").map(PathBuf::from),
    };
    for (shorter, longer, is_wrong) in [
        (
            "token_idle_s",
            "token_longest_s",
            settings.token_idle > settings.token_longest,
        ),
        (
            "stale_after_s",
            "offline_after_s",
            settings.stale_after > settings.offline_after,
        ),
    ] {
        if is_wrong {
            section.problem(
                shorter,
                format!("{shorter} is more than {longer}, expected at most as much"),
            );
        }
    }
    section.finish();
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{list, parse};

    const SITE: &str = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n";

    #[test]
    fn what_is_not_said_has_its_default() {
        let read = |text: &str| {
            let config = parse(&format!("{text}\n{SITE}"));
            let config = config.unwrap_or_else(|problems| panic!("{}", list(&problems)));
            config.settings.supervision
        };
        assert_eq!(read(""), SupervisionSettings::default());
        assert_eq!(read("[supervision]"), SupervisionSettings::default());
        let said = read(
            "[supervision]\nenabled = true\ntime_zone = \"Europe/Berlin\"\ncurrency = \"EUR\"\nmost_skew_s = 60\n\
             keep_samples_days = 30\nrules = \"risks.toml\"",
        );
        let expected = SupervisionSettings {
            enabled: true,
            time_zone: "Europe/Berlin".to_owned(),
            currency: "EUR".to_owned(),
            most_skew: Millis(60_000),
            keep_samples: Millis(30 * 86_400_000),
            rules: Some("risks.toml".into()),
            ..SupervisionSettings::default()
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn what_cannot_be_is_named_with_its_line() {
        let text = "[supervision]\nenabled = \"yes\"\ntime_zone = \"Peking\"\ncurrency = \"yuan\"\nmost_skew_s = 0\n\
                    token_idle_s = 604801\nstale_after_s = 1801\nkeep_samples_days = 0\nhash = \"sha1\"\n";
        let problems = list(&parse(&format!("{text}{SITE}")).unwrap_err());
        for expected in [
            "2, column 11: enabled in [supervision]",
            "3, column 13: time_zone in [supervision] is \"Peking\", expected an IANA name",
            "4, column 12: currency in [supervision] is \"yuan\", expected an ISO 4217 code",
            "5, column 15: most_skew_s in [supervision] is 0, expected seconds, 1 to 3600",
            "6, column 16: token_idle_s is more than token_longest_s",
            "7, column 17: stale_after_s is more than offline_after_s",
            "8, column 21: keep_samples_days in [supervision] is 0, expected days",
            "9, column 1: [supervision] has no key `hash`",
        ] {
            assert!(problems.contains(expected), "{expected}\n{problems}");
        }
    }
}
