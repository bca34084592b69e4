//! From the price providers to the store, and word of it to the engines.

use std::sync::Arc;

use bus::Bus;
use model::message::Message;
use model::settings::PriceProvider;
use model::tariff::PRICES;
use model::time::Clock;
use store::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Documents that wait for the store; providers wait when it is full.
const WAITING: usize = 8;

/// Keeps the prices of all providers up to date until `stop`.
pub async fn run(
    providers: Vec<PriceProvider>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    stop: CancellationToken,
) {
    let (out, mut fetched) = mpsc::channel(WAITING);
    let fetching = south::tariff::run(providers, clock, out, stop);
    let keeping = async {
        while let Some(prices) = fetched.recv().await {
            if let Err(error) = store.put_prices(&prices.provider, &prices.slots).await {
                tracing::error!(%error, "cannot keep the prices of provider {}", prices.provider);
                continue;
            }
            let kind = PRICES.to_owned();
            bus.publish(Message::NounsChanged { kind }).await;
        }
    };
    tokio::join!(fetching, keeping);
}
