//! The workshop whose inverters are behind a data logger. It has no made-up past.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use model::gateway::Gateway;
use model::settings::ControlSettings;
use model::site::Site;
use model::time::Clock;
use sim::demo;
use sim::listen::Listening;
use sim::world::World;

use super::super::backfill;
use super::super::sim::open_world;

pub struct Roof {
    pub site: Site,
    pub gateways: Vec<Gateway>,
    pub devices: Listening,
}

/// Opens its virtual devices; the logger dials `server` from then on.
pub async fn open(data: &Path, seed: u64, server: SocketAddr, clock: Arc<dyn Clock>) -> anyhow::Result<Roof> {
    let settings = demo::roof(seed, server);
    let gateways = demo::gateways(&settings);
    let state = data.join("roof.json");
    let is_new = !state.exists();
    let mut world = open_world(settings.clone(), Some(&state))?;
    if is_new {
        let site = Arc::new(demo::roof_site(&settings, &BTreeMap::new()));
        backfill::wake(&mut world, &site, ControlSettings::default(), clock.now().wall);
        world = World::restore(settings.clone(), &world.save())?;
    }
    let devices = sim::listen::listen(Arc::new(Mutex::new(world)), clock, Some(state))
        .await
        .context("cannot open the ports of the virtual devices")?;
    Ok(Roof {
        site: demo::roof_site(&settings, devices.addresses()),
        gateways,
        devices,
    })
}
