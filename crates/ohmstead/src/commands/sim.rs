//! `ohmstead sim --config FILE`: virtual devices alone, on real ports.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use sim::world::{World, WorldSettings};

use super::print;
use crate::clock::RealClock;
use crate::listen;

pub async fn run(file: &Path, state: Option<PathBuf>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let settings: WorldSettings =
        toml::from_str(&text).with_context(|| format!("{} is wrong", file.display()))?;
    let world = open_world(settings, state.as_deref())?;
    let clock = Arc::new(RealClock::start());
    let stopped = listen::stop_signal()?;
    let listening = sim::listen::listen(Arc::new(Mutex::new(world)), clock, state)
        .await
        .context("cannot open the ports of the virtual devices")?;
    print("device                   address");
    for (device, address) in listening.addresses() {
        print(&format!("{device:<24} {address}"));
        if let Some(modbus) = listening.modbus().get(device) {
            print(&format!("{:<24} {modbus}", "  its registers"));
        }
    }
    print(&format!(
        "{:<24} http://{}/vehicles/<EVSE>",
        "cars",
        listening.cars()
    ));
    stopped.await;
    listening.shutdown().await;
    Ok(())
}

/// A world as it was left, or a new one.
pub fn open_world(settings: WorldSettings, state: Option<&Path>) -> anyhow::Result<World> {
    match state.filter(|path| path.exists()) {
        Some(path) => {
            let saved =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            World::restore(settings, &saved)
                .with_context(|| format!("{} does not fit; move it away to start anew", path.display()))
        }
        None => World::new(settings).context("the virtual devices do not fit together"),
    }
}
