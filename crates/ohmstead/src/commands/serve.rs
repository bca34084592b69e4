//! `ohmstead serve --config FILE`: a real site.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use super::print;
use crate::assemble::{House, Running};
use crate::{config, from_file, listen};

pub async fn run(file: &Path, data: Option<PathBuf>, address: Option<SocketAddr>) -> anyhow::Result<()> {
    let config = config::load(file)?;
    let mut settings = config.settings;
    settings.listen = address.unwrap_or(settings.listen);
    let data = data
        .or(config.data)
        .context("no data directory: set `data` in the file, or give --data DIR")?;

    let house = House::open(&data, config.store.as_ref()).await?;
    for charger in &settings.goe.chargers {
        let token = config
            .goe_tokens
            .iter()
            .find(|(serial, _)| *serial == charger.serial);
        house
            .gate
            .set_goe_charger(
                &charger.evse,
                &charger.serial,
                token.map(|(_, token)| token.as_str()),
            )
            .await?;
    }
    from_file::settle(house.store.as_ref(), &settings).await?;
    let has_admin = house.gate.has_admin();
    if !has_admin && !settings.listen.ip().is_loopback() {
        bail!(
            "there is no administrator yet, so {} would be open to everybody: start once with --listen 127.0.0.1:{}, \
             open the set-up link that it prints, then start again",
            settings.listen,
            settings.listen.port()
        );
    }
    let listener = listen::bind(settings.listen).await?;
    let local = listener.local_addr().context("cannot tell the own address")?;
    let running = Running::start(house, Arc::new(settings), listener).await?;
    print(&format!("Ohmstead listens on http://{local}"));
    if !has_admin {
        let ticket = running.gate.setup_ticket()?;
        print(&format!(
            "No administrator yet. Set one up here, once: http://{local}/#setup={ticket}"
        ));
    }
    listen::stop_signal().await?;
    running.stop().await
}
