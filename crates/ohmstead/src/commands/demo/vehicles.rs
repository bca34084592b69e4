//! Whose cars they are that come and go.

use std::net::SocketAddr;

use model::phases::Phases;
use model::units::{MilliAmps, PerMille, WattHours};
use model::vehicle::{SocSource, Vehicle};
use store::{Store, Typed};

/// Which cars there are, unless somebody has changed them. They tell how full they are themselves, each time
/// from another port.
pub async fn fill(store: &dyn Store, cars: SocketAddr) -> anyhow::Result<()> {
    let place = |evse: &str| format!("/vehicles/{evse}");
    let source = |evse: &str| SocSource::Http {
        url: format!("http://{cars}{}", place(evse)),
        path: "battery.soc".to_owned(),
        every_s: 60,
        header: None,
    };
    let known = store.list::<Vehicle>().await?;
    for (id, name, capacity, home) in [
        ("blue-car", "Blue car", 77_000, "left"),
        ("red-car", "Red car", 64_000, "right"),
    ] {
        if known.is_empty() {
            let vehicle = Vehicle {
                id: id.parse()?,
                name: name.to_owned(),
                capacity: Some(WattHours(capacity)),
                phases: Phases::Three,
                min: MilliAmps::from_amps(6),
                max: None,
                efficiency: PerMille(900),
                charge_limit: None,
                default_mode: None,
                owner: None,
                home: Some(home.parse()?),
                soc_source: source(home),
            };
            store.put(&vehicle).await?;
        }
        for vehicle in &known {
            let SocSource::Http { url, .. } = &vehicle.soc_source else {
                continue;
            };
            if url.starts_with("http://127.0.0.1:") && url.ends_with(&place(home)) {
                let moved = Vehicle {
                    soc_source: source(home),
                    ..vehicle.clone()
                };
                store.put(&moved).await?;
            }
        }
    }
    Ok(())
}
