//! `ohmstead config check FILE`

use std::path::Path;

use super::print;
use crate::{config, oversight};

pub fn run(file: &Path) -> anyhow::Result<()> {
    let config = config::load(file)?;
    // Also while nobody is watched over: it will be read then.
    oversight::rules(config.settings.risk_rules())?;
    let sites = config.settings.sites.len();
    let devices: usize = config.settings.sites.iter().map(|site| site.devices.len()).sum();
    print(&format!(
        "{} is right: {sites} site(s), {devices} device(s)",
        file.display()
    ));
    Ok(())
}
