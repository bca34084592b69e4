//! `ohmstead config check FILE`

use std::path::Path;

use super::print;
use crate::config;

pub fn run(file: &Path) -> anyhow::Result<()> {
    let config = config::load(file)?;
    let sites = config.settings.sites.len();
    let devices: usize = config.settings.sites.iter().map(|site| site.devices.len()).sum();
    print(&format!(
        "{} is right: {sites} site(s), {devices} device(s)",
        file.display()
    ));
    Ok(())
}
