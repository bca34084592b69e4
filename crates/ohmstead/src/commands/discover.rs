//! `ohmstead discover`: which chargers announce themselves in the local network.

use std::time::Duration;

use super::print;

pub async fn run(seconds: u64) -> anyhow::Result<()> {
    let found = south::discover::chargers(Duration::from_secs(seconds)).await?;
    if found.is_empty() {
        print(&format!(
            "no charger announced itself within {seconds} s; it must be in the same network segment, and multicast must pass"
        ));
        return Ok(());
    }
    for charger in &found {
        let what = if charger.is_controller {
            "controller"
        } else {
            charger.device_type.as_str()
        };
        print(&format!(
            "{what}  serial {}  \"{}\"",
            charger.serial, charger.name
        ));
        print(&format!("  url = \"{}\"", charger.url));
    }
    Ok(())
}
