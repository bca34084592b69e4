//! The authority of this process, if it is one.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use gate::Gate;
use links::outbound_guard::{Guard, SystemResolver};
use model::settings::Settings;
use model::time::Clock;
use north::Platform;
use oversight::{Authority, Rules};
use store::Store;

/// The rules that warn.
///
/// # Errors
/// When the file that is named cannot be read, with the place of each mistake in it.
pub fn rules(path: Option<&Path>) -> anyhow::Result<Rules> {
    let Some(path) = path else {
        return Ok(Rules::built_in());
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the rules that warn, {}", path.display()))?;
    Rules::parse(&text).map_err(|error| {
        let problems = error.problems.iter();
        let lines: Vec<_> = problems.map(|problem| format!("  {problem}")).collect();
        anyhow::anyhow!(
            "the rules that warn make no sense, {}:\n{}",
            path.display(),
            lines.join("\n")
        )
    })
}

/// Opens the books and what is in front of them. `None`: nobody is watched over.
///
/// # Errors
/// When the store cannot say what is known, or the rules make no sense.
pub async fn open(
    (store, gate, clock): (&Arc<dyn Store>, &Arc<Gate>, &Arc<dyn Clock>),
    settings: &Settings,
    allowed: Arc<Guard>,
) -> anyhow::Result<Option<Arc<Platform>>> {
    let rules_at = settings.risk_rules();
    let Some(settings) = settings.oversight() else {
        return Ok(None);
    };
    let rules = rules(rules_at)?;
    let authority = Authority::open(store.clone(), store.clone(), settings, rules, clock.clone())
        .await
        .context("cannot read what operators have reported")?;
    let ways = (allowed, Arc::new(SystemResolver) as _);
    let platform = Platform::open(authority, gate.clone(), clock.clone(), settings, ways).await;
    Ok(Some(platform.context("cannot open the door of operators")?))
}
