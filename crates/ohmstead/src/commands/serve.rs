//! `ohmstead serve --config FILE`: a real site.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use super::print;
use crate::assemble::{House, Running};
use crate::{chosen, config, from_file, listen};

pub async fn run(file: &Path, data: Option<PathBuf>, address: Option<SocketAddr>) -> anyhow::Result<()> {
    let config = config::load(file)?;
    let mut settings = config.settings;
    settings.listen = address.unwrap_or(settings.listen);
    let data = data
        .or(config.data)
        .context("no data directory: set `data` in the file, or give --data DIR")?;

    let house = House::open(&data, config.store.as_ref()).await?;
    chosen::settle(house.store.as_ref(), &mut settings).await?;
    from_file::settle(house.store.as_ref(), &settings).await?;
    from_file::seal(&house.gate, &config.secrets).await?;
    let has_admin = house.gate.has_admin();
    let open = [Some(settings.listen), settings.tls.listen];
    let open = open
        .into_iter()
        .flatten()
        .find(|address| !address.ip().is_loopback());
    if !has_admin && let Some(open) = open {
        bail!(
            "there is no administrator yet, so {open} would be open to everybody: start once with --listen 127.0.0.1:{} \
             and without [tls], open the set-up link that it prints, then start again",
            settings.listen.port()
        );
    }
    let listener = listen::bind(settings.listen).await?;
    let local = listener.local_addr().context("cannot tell the own address")?;
    let tls = match settings.tls.listen {
        Some(address) => {
            let certificate = listen::certificate(&settings, &data)?;
            let listener = listen::bind(address).await?;
            // The page is told the port that was really taken.
            settings.tls.listen = Some(listener.local_addr().context("cannot tell the own address")?);
            Some((listener, certificate))
        }
        None => None,
    };
    let secure = settings.tls.listen;
    let certificate = tls.as_ref().map(|(_, certificate)| certificate.clone());
    if secure.is_none() && !local.ip().is_loopback() && !settings.tls.insecure_sign_in {
        tracing::warn!(
            "without [tls] nobody can sign in from another machine: set `listen` there, or `insecure_sign_in` \
             behind a TLS proxy"
        );
    }
    let mut for_loggers = Vec::new();
    for address in &settings.loggers.listen {
        for_loggers.push(listen::bind(*address).await?);
    }
    let (hangups, stopped) = (listen::hangups()?, listen::stop_signal()?);
    let settings = Arc::new(settings);
    let keeping_valid = tokio::spawn(listen::keep_valid(settings.clone(), data));
    let running = Running::start(house, settings, listener, tls, for_loggers).await?;
    print(&format!("Ohmstead listens on http://{local}"));
    if let Some(secure) = secure {
        print(&format!("and over TLS on https://{secure}"));
    }
    for port in &running.logger_ports {
        print(&format!("Data loggers connect to {port}"));
    }
    if !has_admin {
        let ticket = running.gate.setup_ticket()?;
        print(&format!(
            "No administrator yet. Set one up here, once: http://{local}/#setup={ticket}"
        ));
    }
    tokio::select! {
        () = stopped => {}
        () = listen::reload(hangups, file, certificate) => {}
    }
    keeping_valid.abort();
    running.stop().await
}
