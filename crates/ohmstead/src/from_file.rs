//! Tariffs, vehicles and secrets of the config file, put where engines, the page and the gate look for them.

use anyhow::{Context, bail};
use gate::Gate;
use model::noun::Noun;
use model::secret::Secret;
use model::settings::Settings;
use model::tariff::{Named, Tariff, problems};
use model::vehicle::Vehicle;
use store::{Store, Typed};

use crate::config::{FileSecret, Holder, Place};

/// Under this kind the store remembers, by kind, which ids came from the file at the last start.
const KIND: &str = "from_file";

/// Puts what the file holds into the store, and takes out what it held at the last start and holds no more.
///
/// # Errors
/// When an id is taken by something made in the page, or when tariffs of the file and of the store overlap.
pub async fn settle(store: &dyn Store, settings: &Settings) -> anyhow::Result<()> {
    let before = remembered(store, Tariff::KIND).await?;
    let mut tariffs: Vec<Tariff> = store.list().await.context("cannot read the tariffs")?;
    tariffs.retain(|tariff| !before.iter().any(|id| id == tariff.id()));
    tariffs.extend(settings.tariffs.iter().cloned());
    let named = Named {
        sites: settings.sites.iter().map(|site| site.id.clone()).collect(),
        providers: settings.price_providers.iter().map(|p| p.id.clone()).collect(),
    };
    let mut wrong = Vec::new();
    for problem in problems(&tariffs, &named) {
        if settings.tariffs.iter().any(|tariff| tariff.id == problem.tariff) {
            wrong.push(problem.text);
        } else {
            tracing::warn!("{}; change it in the page", problem.text);
        }
    }
    if !wrong.is_empty() {
        bail!(
            "tariffs of the config file do not go with those made in the page:\n  {}",
            wrong.join("\n  ")
        );
    }
    settle_kind(store, &settings.tariffs, &before).await?;
    let before = remembered(store, Vehicle::KIND).await?;
    settle_kind(store, &settings.vehicles, &before).await
}

/// Seals the secrets of the file, and of files that it names. Who has none there has none, but for those who need
/// one to be let in: the gate makes it.
///
/// # Errors
/// When a file cannot be read or holds no secret.
pub async fn seal(gate: &Gate, secrets: &[FileSecret]) -> anyhow::Result<()> {
    for FileSecret { of, secret } in secrets {
        let text = match secret {
            Some(place) => Some(text_of(place, of)?),
            None => None,
        };
        match of {
            Holder::Access(access) => gate.settle_credential(access, text.as_ref()).await?,
            Holder::Vehicle(id) => {
                gate.set_vehicle_secret(id, text.as_ref().map(Secret::expose))
                    .await?
            }
        }
    }
    Ok(())
}

fn text_of(place: &Place, of: &Holder) -> anyhow::Result<Secret> {
    let file = match place {
        Place::Here(secret) => return Ok(secret.clone()),
        Place::File(file) => file,
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the secret of {of} in {}", file.display()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if !Gate::can_be_sealed(secret) {
        bail!(
            "{} holds no secret of {of}, expected one line of at most 4096 bytes",
            file.display()
        );
    }
    Ok(Secret::new(secret))
}

async fn remembered(store: &dyn Store, kind: &str) -> anyhow::Result<Vec<String>> {
    match store.noun(KIND, kind).await? {
        Some(body) => Ok(serde_json::from_str(&body)?),
        None => Ok(Vec::new()),
    }
}

async fn settle_kind<N: Noun>(store: &dyn Store, of_file: &[N], before: &[String]) -> anyhow::Result<()> {
    let ids: Vec<&str> = of_file.iter().map(Noun::id).collect();
    for id in &ids {
        if !before.iter().any(|old| old == id) && store.noun(N::KIND, id).await?.is_some() {
            bail!(
                "{} `{id}` of the config file was made in the page before; delete it there or give it another id",
                N::KIND
            );
        }
    }
    // Remembered first: a crash in between leaves nothing that nobody owns.
    let all: Vec<&str> = ids
        .iter()
        .copied()
        .chain(before.iter().map(String::as_str))
        .collect();
    store
        .put_noun(KIND, N::KIND, &serde_json::to_string(&all)?)
        .await?;
    for noun in of_file {
        store.put(noun).await?;
    }
    for old in before.iter().filter(|old| !ids.contains(&old.as_str())) {
        store.delete::<N>(old).await?;
    }
    store
        .put_noun(KIND, N::KIND, &serde_json::to_string(&ids)?)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use store::Sqlite;

    use super::*;
    use crate::config;

    const SITE: &str = "[[site]]\nid = \"home\"\n[[site.circuit]]\nid = \"house\"\nlimit_a = 35\n";

    fn settings(ids: &[&str]) -> Settings {
        let mut text = SITE.to_owned();
        for id in ids {
            text += &format!(
                "[[tariff]]\nid = \"{id}\"\nsite = \"home\"\n[[tariff.contract]]\nname = \"C\"\nfrom = \"2026-01-01\"\nprice = 0.2\n[[vehicle]]\nid = \"{id}\"\n"
            );
        }
        config::parse(&text)
            .unwrap_or_else(|problems| panic!("{problems:?}"))
            .settings
    }

    async fn ids(store: &dyn Store) -> (Vec<String>, Vec<String>) {
        let tariffs: Vec<Tariff> = store.list().await.unwrap();
        let vehicles: Vec<Vehicle> = store.list().await.unwrap();
        (
            tariffs.iter().map(|t| t.id.to_string()).collect(),
            vehicles.iter().map(|v| v.id.to_string()).collect(),
        )
    }

    #[tokio::test]
    async fn the_store_follows_the_file_and_keeps_what_the_page_made() {
        let store = Sqlite::in_memory().unwrap();
        let mut own = settings(&["own"]).tariffs.remove(0);
        own.site = None;
        store.put(&own).await.unwrap();
        for (of_file, expected) in [
            (&["a"][..], &["a", "own"][..]),
            (&["b"], &["b", "own"]),
            (&[], &["own"]),
        ] {
            settle(store.as_ref(), &settings(of_file)).await.unwrap();
            let (tariffs, vehicles) = ids(store.as_ref()).await;
            assert_eq!(tariffs, expected);
            assert_eq!(vehicles, of_file);
        }
        let taken = settle(store.as_ref(), &settings(&["own"]))
            .await
            .unwrap_err()
            .to_string();
        assert!(taken.contains("tariff `own`"), "{taken}");
    }

    #[tokio::test]
    async fn tariffs_of_file_and_page_that_overlap_are_named() {
        let store = Sqlite::in_memory().unwrap();
        store.put(&settings(&["page"]).tariffs[0]).await.unwrap();
        let refused = settle(store.as_ref(), &settings(&["file"]))
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("tariffs `page` and `file` overlap"), "{refused}");
        assert_eq!(ids(store.as_ref()).await.0, ["page"]);
    }
}
