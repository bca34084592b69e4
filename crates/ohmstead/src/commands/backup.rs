//! `ohmstead backup` and `ohmstead restore`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use model::time::Clock;
use store::backup::{back_up, restore as unpack};

use super::print;
use crate::clock::RealClock;
use crate::config;

pub async fn run(
    file: Option<&Path>,
    data: Option<PathBuf>,
    to: PathBuf,
    with_key: bool,
) -> anyhow::Result<()> {
    let config = file.map(config::load).transpose()?;
    if config.as_ref().is_some_and(|config| config.store.is_some()) {
        bail!(
            "the config file keeps records and history in PostgreSQL, which this command does not back up; use pg_dump \
             (and pg_restore or psql to restore), and keep the file `key` of the data directory beside it"
        );
    }
    let data = data
        .or(config.and_then(|config| config.data))
        .context("no data directory: give --data DIR, or --config FILE with `data` in it")?;
    if data.join("key").exists() && !data.join("records.db").exists() {
        bail!(
            "there are no records in {}; when they are kept in PostgreSQL, back that up with pg_dump, and keep the file \
             `key` beside it",
            data.display()
        );
    }
    let now = RealClock::start().now().wall;
    let shown = to.display().to_string();
    let made =
        tokio::task::spawn_blocking(move || back_up(&data, &to, with_key, env!("CARGO_PKG_VERSION"), now));
    let manifest = made.await.context("the backup ended early")??;
    let bytes: u64 = manifest.parts.iter().map(|part| part.bytes).sum();
    print(&format!(
        "{shown} holds {} parts of {bytes} bytes",
        manifest.parts.len()
    ));
    if !with_key {
        print(
            "The key that opens sealed secrets is not in it: keep a copy of the file `key` elsewhere, or use --with-key.",
        );
    }
    Ok(())
}

pub async fn restore(file: PathBuf, data: PathBuf) -> anyhow::Result<()> {
    let into = data.clone();
    let unpacked = tokio::task::spawn_blocking(move || unpack(&file, &into));
    let manifest = unpacked.await.context("restoring ended early")??;
    print(&format!(
        "{} holds what version {} backed up at {}",
        data.display(),
        manifest.program,
        model::time::Timestamp(manifest.made_ms)
    ));
    if !manifest.has_key() {
        print(&format!(
            "There was no key in the backup: put yours at {} (mode 0600) before you start. Without it tokens of chargers \
             and other sealed secrets have to be made anew.",
            data.join("key").display()
        ));
    }
    Ok(())
}
