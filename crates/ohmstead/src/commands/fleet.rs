//! `ohmstead sim fleet`: operators of charging stations that report to an authority's platform.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use model::oversight::OperatorCode;
use model::secret::Secret;
use model::time::{Clock as _, Millis, Timestamp};
use serde::Deserialize;
use sim::fleet::run::{Pace, Running};
use sim::fleet::{FleetSettings, ReporterSettings};

use super::print;
use crate::args::Fleet;
use crate::clock::RealClock;
use crate::listen;

/// A platform takes nothing that is older than a day.
const PAST: Millis = Millis(23 * 3_600_000);
const TIME_ZONE: &str = "Asia/Shanghai";
const SAY_EVERY: Duration = Duration::from_secs(5);
/// Sentences on what was refused, at most.
const MOST_SAID: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operators {
    operator: Vec<Operator>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operator {
    id: OperatorCode,
    secret: String,
}

pub async fn run(args: Fleet) -> anyhow::Result<()> {
    let clock = Arc::new(RealClock::start());
    let now = clock.now().wall;
    let pace = Pace {
        from: if args.speed > 1 {
            Timestamp(now.0 - PAST.0)
        } else {
            now
        },
        begun: now,
        speed: args.speed,
    };
    let settings = operators(&args.operators)?
        .into_iter()
        .map(|(operator, secret)| ReporterSettings {
            fleet: FleetSettings {
                operator,
                stations: args.stations,
                ports: args.ports,
                seed: args.seed,
                time_zone: TIME_ZONE.to_owned(),
                mishaps: args.mishaps,
            },
            secret: Secret::new(secret),
            url: args.url.trim_end_matches('/').to_owned(),
            hears_at: None,
            mischief: args.faults,
        });
    let stop = listen::stop_signal()?;
    let running = Running::start(settings.collect(), pace, clock.clone()).await?;
    print("operator           at the stations      calls   samples  records  failed  warned  waiting");
    tokio::pin!(stop);
    let mut tick = tokio::time::interval(SAY_EVERY);
    let mut said = BTreeSet::new();
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tick.tick() => tell(&running, pace.at(clock.now().wall), &mut said),
        }
    }
    running.stop().await;
    Ok(())
}

fn tell(running: &Running, at: Timestamp, said: &mut BTreeSet<String>) {
    for progress in running.progress() {
        print(&format!(
            "{:<18} {at} {:>8} {:>9} {:>8} {:>7} {:>7} {:>8}",
            progress.operator.as_str(),
            progress.counts.calls,
            progress.samples,
            progress.records,
            progress.failures,
            progress.warnings,
            progress.waiting
        ));
        for refused in progress.refused {
            if said.len() < MOST_SAID && said.insert(refused.clone()) {
                print(&format!("refused: {refused}"));
            }
        }
    }
}

fn operators(file: &Path) -> anyhow::Result<Vec<(OperatorCode, String)>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let operators = if text.trim_start().starts_with('{') {
        of_demo(&text).with_context(|| format!("{} is of no demo that has operators", file.display()))?
    } else {
        let read: Operators =
            toml::from_str(&text).with_context(|| format!("{} is wrong", file.display()))?;
        let of = read.operator.into_iter();
        of.map(|operator| (operator.id, operator.secret)).collect()
    };
    if operators.is_empty() {
        bail!("{} has no [[operator]]", file.display());
    }
    Ok(operators)
}

/// What the demo says of its two operators, whatever else it says.
fn of_demo(text: &str) -> Option<Vec<(OperatorCode, String)>> {
    let told: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut parts = told.as_object()?.values();
    let part = parts.find(|part| part.get("operator_id").is_some())?;
    let word = |name: &str| part.get(name)?.as_str();
    let one = |which: &str| {
        let id = word(&format!("{which}operator_id"))?.parse().ok()?;
        Some((id, word(&format!("{which}secret_key"))?.to_owned()))
    };
    Some(["", "other_"].into_iter().filter_map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_of_a_file_and_of_a_demo() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("operators");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            operators(&file).map(|found| {
                let found = found.into_iter();
                found
                    .map(|(id, secret)| format!("{id} {secret}"))
                    .collect::<Vec<_>>()
            })
        };
        let toml = "[[operator]]\nid = \"MA005DBW1\"\nsecret = \"s\"\n";
        assert_eq!(read(toml).unwrap(), ["MA005DBW1 s"]);
        let demo = r#"{"base_url": "x", "platform": {"operator_id": "a", "secret_key": "b",
            "other_operator_id": "c", "other_secret_key": "d"}}"#;
        assert_eq!(read(demo).unwrap(), ["a b", "c d"]);
        for text in [
            "",
            "{}",
            "[[operator]]\nid = \"a b\"\nsecret = \"s\"",
            "operator = []",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
