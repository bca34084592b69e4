//! `ohmstead demo`: a simulated site over real protocols on loopback, served by the same code as a real one.
//!
//! Here is what is started in which order. What the demo is filled with, and what it says about itself, has a file for
//! each thing that a visitor may look at.

mod cfos;
mod goe;
mod native;
mod people;
mod riverside;
mod roof;
mod shinemonitor;
mod supervision;
mod tariffs;
mod tell;
mod tls;
mod vehicles;
mod yard;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use links::authority::Authority;
use model::message::Report;
use model::settings::{
    BackupSettings, ControlSettings, Given, OutboundSettings, PersonalData, Settings, TlsSettings,
};
use model::site::Site;
use model::time::Timestamp;
use sim::demo;
use sim::world::World;
use store::Series;
use tokio_util::sync::CancellationToken;

use super::backfill::{self, Past};
use super::sim::open_world;
use crate::assemble::{House, Running};
use crate::{chosen, listen};

pub async fn run(address: SocketAddr, data: PathBuf, seed: u64) -> anyhow::Result<()> {
    if !address.ip().is_loopback() {
        bail!(
            "the demo has known passwords and listens on loopback only, not on {address}; use 127.0.0.1 or [::1]"
        );
    }
    let house = House::open(&data, None).await?;
    let listener = listen::bind(address).await?;
    let local = listener.local_addr().context("cannot tell the own address")?;

    let state = data.join("world.json");
    let started = house.clock.now();
    let is_new = !state.exists();
    let mut world = open_world(demo::home(seed), Some(&state))?;
    if is_new {
        let site = Arc::new(demo::home_site(world.settings(), &BTreeMap::new()));
        backfill::wake(&mut world, &site, ControlSettings::default(), started.wall);
        // Time begins anew with the real clock.
        world = World::restore(demo::home(seed), &world.save())?;
    }
    let counters = counters(&world);
    let world = Arc::new(Mutex::new(world));
    let devices = sim::listen::listen(world, house.clock.clone(), Some(state))
        .await
        .context("cannot open the ports of the virtual devices")?;
    let for_loggers = listen::bind(SocketAddr::new(local.ip(), 0)).await?;
    let loggers_at = for_loggers.local_addr().context("cannot tell the own address")?;
    let roof = roof::open(&data, seed, loggers_at, house.clock.clone()).await?;
    let secure = tls::bind(local).await?;
    let secure_at = secure.local_addr().context("cannot tell the own address")?;
    let home = demo::home_site(&demo::home(seed), devices.addresses());
    let mut settings = settings(local, secure_at, vec![home, demo::yard_site(), roof.site.clone()])?;
    settings.loggers.listen = vec![loggers_at];
    settings.gateways.clone_from(&roof.gateways);
    chosen::settle(house.store.as_ref(), &mut settings).await?;
    let settings = Arc::new(settings);
    if !Authority::is_in(&data) {
        listen::issue(&data, &listen::own_names(Some(&settings)), listen::now())?;
    }
    tariffs::fill(house.store.as_ref(), &settings.sites[0]).await?;
    vehicles::fill(house.store.as_ref(), devices.cars()).await?;
    yard::break_it(&house, &settings.sites[1]).await?;
    let token = native::open(&house.gate, &data).await?;
    goe::open(&house.gate).await?;
    let plants = [&settings.sites[0].id, &roof.site.id];
    shinemonitor::open(&house.gate, &plants, started.wall).await?;

    people::settle_in(&house.gate).await?;
    let past = past(&house, &settings, seed, counters, started.wall).await?;
    let (store, readiness, clock) = (house.store.clone(), house.readiness.clone(), house.clock.clone());
    let tls = (secure, listen::certificate(&settings, &data)?);
    let stopped = listen::stop_signal()?;
    let running = Running::start(house, settings.clone(), listener, Some(tls), vec![for_loggers]).await?;
    let stop = CancellationToken::new();
    if let Some(platform) = &running.platform {
        let riverside = supervision::open(platform, &*store, &running.gate, started.wall).await?;
        let reporting = supervision::go_on(platform.clone(), riverside, clock, stop.clone());
        tokio::spawn(reporting);
    }
    let making = past.map(|past| {
        let stop = stop.clone();
        readiness.set_waiting_for(vec!["the past 30 days".to_owned()]);
        readiness.set_backfill_progress(0);
        let progress = readiness.clone();
        let epoch = running.epochs.get(&past.site.id).copied().unwrap_or_default();
        tokio::spawn(async move {
            let made = past
                .make(store, epoch, stop, move |permille| {
                    progress.set_backfill_progress(permille)
                })
                .await;
            if let Err(error) = made {
                tracing::error!(error = format!("{error:#}"), "cannot make the past of the demo");
            }
            readiness.set_backfill_progress(1_000);
            readiness.set_waiting_for(Vec::new());
        })
    });

    let (gate, base) = (&running.gate, format!("http://{local}"));
    let told = [
        native::tell(gate, &base, &token, &settings.sites[0].id)?,
        goe::tell(gate, &base)?,
        shinemonitor::tell(&base),
        supervision::tell(&base),
        tls::tell(&data, secure_at),
        cfos::tell(&base),
    ];
    tell::tell(&data, &base, [local, secure_at], told)?;
    stopped.await;
    // A simulation is a thread of its own, which no abort ends.
    stop.cancel();
    if let Some(making) = making {
        making.abort();
    }
    let ended = running.stop().await;
    devices.shutdown().await;
    roof.devices.shutdown().await;
    ended
}

fn settings(listen: SocketAddr, secure: SocketAddr, sites: Vec<Site>) -> anyhow::Result<Settings> {
    Ok(Settings {
        listen,
        tls: TlsSettings {
            listen: Some(secure),
            ..TlsSettings::default()
        },
        host_names: Vec::new(),
        control: ControlSettings::default(),
        goe: goe::settings()?,
        shinemonitor: shinemonitor::settings(&sites[0].id),
        supervision: supervision::settings(),
        // The demo's directory is made anew at will.
        personal_data: PersonalData::default(),
        backup: BackupSettings {
            keep: 0,
            ..BackupSettings::default()
        },
        tariffs: Vec::new(),
        vehicles: Vec::new(),
        price_providers: Vec::new(),
        history: None,
        // The cars tell how full they are from here.
        outbound: OutboundSettings {
            allow: vec!["127.0.0.1".to_owned()],
        },
        mail: None,
        given: Given::default(),
        gateways: Vec::new(),
        loggers: model::settings::LoggerSettings::default(),
        sites,
    })
}

/// Counters of the live devices before they have done anything, by series.
fn counters(world: &World) -> BTreeMap<Series, i64> {
    let mut counters = BTreeMap::new();
    for (device, report) in world.reports() {
        if let Report::Measured(measured) = report {
            for (quantity, value) in measured.values().filter(|(quantity, _)| quantity.is_counter()) {
                counters.insert(
                    Series {
                        subject: format!("device:{device}"),
                        quantity,
                    },
                    value,
                );
            }
        }
    }
    counters
}

async fn past(
    house: &House,
    settings: &Settings,
    seed: u64,
    counters: BTreeMap<Series, i64>,
    until: Timestamp,
) -> anyhow::Result<Option<Past>> {
    let site = Arc::new(settings.sites[0].clone());
    if Past::is_there(&house.store, &site, until).await? {
        return Ok(None);
    }
    let world = World::new(demo::home(seed)).context("the demo's own settings are wrong")?;
    Ok(Some(Past {
        world,
        site,
        control: settings.control,
        until,
        counters,
        people: people::in_the_past(house.store.as_ref(), &settings.sites[0]).await?,
    }))
}
