//! What energy costs at home.

use model::money::{Currency, Micros, PerKwh};
use model::site::Site;
use model::tariff::{Band, Contract, Direction, Prices, Tariff};
use model::units::PerMille;
use store::{Store, Typed};

/// What energy costs, unless somebody has changed it.
pub async fn fill(store: &dyn Store, site: &Site) -> anyhow::Result<()> {
    let contract = |name: &str, from: &str, until: Option<&str>, prices: Prices| {
        anyhow::Ok(Contract {
            name: name.to_owned(),
            from: from.parse()?,
            until: until.map(str::parse).transpose()?,
            currency: Currency::EUR,
            vat: PerMille(200),
            monthly_fee: Micros(3_500_000),
            prices,
        })
    };
    let night = Band {
        weekdays: Vec::new(),
        months: Vec::new(),
        from_minute: 22 * 60,
        to_minute: 6 * 60,
        price: PerKwh(168_000),
    };
    let by_time = Prices::TimeOfUse {
        bands: vec![night],
        otherwise: PerKwh(241_000),
    };
    let flat = |price| Prices::Fixed { price: PerKwh(price) };
    let mut fed_in = contract("Green power", "2025-01-01", None, flat(78_000))?;
    (fed_in.vat, fed_in.monthly_fee) = (PerMille(0), Micros(0));
    let tariff = |id: &str, name: &str, direction, contracts| {
        anyhow::Ok(Tariff {
            id: id.parse()?,
            name: name.to_owned(),
            direction,
            site: Some(site.id.clone()),
            contracts,
        })
    };
    if store.list::<Tariff>().await?.is_empty() {
        let contracts = vec![
            contract("Flat 2025", "2025-01-01", Some("2025-12-31"), flat(228_000))?,
            contract("Day and night 2026", "2026-01-01", None, by_time)?,
        ];
        let household = tariff("household", "Household", Direction::Import, contracts)?;
        store.put(&household).await?;
        let feed_in = tariff("feed-in", "Feed-in", Direction::Export, vec![fed_in])?;
        store.put(&feed_in).await?;
    }
    Ok(())
}
