//! The site whose chargers are broken on purpose.

use model::site::Site;
use model::time::{Millis, Now};
use store::DeviceSeen;

use super::goe;
use crate::assemble::House;

/// Makes what is broken on purpose: one charger whose link was lost two days ago, one that was switched
/// off, one that was last heard from two hours ago.
pub async fn break_it(house: &House, yard: &Site) -> anyhow::Result<()> {
    let now = house.clock.now();
    for (station, evse) in yard.evses() {
        let age = match evse.id.as_str() {
            "offline" => Millis(48 * 3_600_000),
            _ => Millis(2 * 3_600_000),
        };
        let at = Now {
            wall: now.wall - age,
            monotonic: now.monotonic - age,
        };
        let (document, identity) = goe::kept(evse.id.as_str(), at)?;
        let seen = DeviceSeen {
            at: at.wall,
            identity: Some(identity),
        };
        house.store.put_document(&yard.id, &station.id, &document).await?;
        house.store.put_device(&yard.id, &station.id, seen).await?;
    }
    Ok(())
}
