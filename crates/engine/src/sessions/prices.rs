//! What energy costs whoever charges, and an alarm when nobody can say.

use std::sync::Arc;

use model::alarm::AlarmCode;
use model::session::{Price, Session};
use model::site::Site;
use model::tariff::{PriceBook, Priced};
use model::time::{Millis, Monotonic, Now, Timestamp};

use super::Sessions;
use crate::core::Core;
use crate::record::Record;

/// Prices are looked at this often, and when there are new ones.
const JUDGE_PRICES_EVERY: Millis = Millis(60_000);
/// Prices that are missing no longer than this are no alarm: a provider is asked at the start, and now and then
/// publishes late.
const PRICES_MAY_LACK: Millis = Millis(300_000);

impl Sessions {
    pub(crate) fn prices(&self) -> Option<&Arc<PriceBook>> {
        self.prices.as_ref()
    }

    /// What grid energy costs whoever charges, or would charge.
    pub(crate) fn priced(&self, site: &Site, session: Option<&Session>, now: Timestamp) -> Option<Priced> {
        let running = session.and_then(Session::running);
        let user = running
            .and_then(|running| self.directory.user(&running.authorisation))
            .and_then(|user| user.tariff.as_ref());
        let card = running
            .and_then(|running| self.directory.card(&running.authorisation))
            .and_then(|card| card.tariff.as_ref());
        self.prices.as_ref()?.price_at(&site.id, user, card, now)
    }

    pub(super) fn price(&self, site: &Site, session: Option<&Session>, now: Timestamp) -> Option<Price> {
        session?.running()?;
        let priced = self.priced(site, session, now)?;
        Some(Price {
            tariff: priced.tariff,
            per_kwh: priced.price,
            currency: priced.currency,
        })
    }
}

impl Core {
    /// What energy costs from now on.
    pub fn set_prices(&mut self, prices: Arc<PriceBook>) {
        self.sessions.prices = Some(prices);
        self.sessions.prices_judged = None;
    }

    /// Raises an alarm when costs are not what the contract says, and clears it.
    pub(super) fn judge_prices(&mut self, now: Now) {
        let is_judged = |at: Monotonic| now.monotonic - at < JUDGE_PRICES_EVERY;
        let Some(prices) = &self.sessions.prices else {
            return;
        };
        if self.sessions.prices_judged.is_some_and(is_judged) {
            return;
        }
        self.sessions.prices_judged = Some(now.monotonic);
        let directory = &self.sessions.directory;
        let of_users = directory.users.values().filter_map(|user| user.tariff.as_ref());
        let of_cards = directory.cards.values().filter_map(|card| card.tariff.as_ref());
        let named = of_users.chain(of_cards).collect();
        let unpriced = prices.without_prices(&self.site.id, &named, now.wall);
        let since = if unpriced.is_empty() {
            None
        } else {
            Some(self.sessions.unpriced.unwrap_or(now.monotonic))
        };
        self.sessions.unpriced = since;
        let lacks = since.is_some_and(|at| now.monotonic - at >= PRICES_MAY_LACK);
        let texts = unpriced.iter().map(|one| {
            let since = one
                .since
                .map_or_else(|| "now".to_owned(), |at| format!("any time since {at}"));
            format!(
                "tariff \"{}\": provider {} has no price of {since}; the contract's fallback price counts",
                one.tariff, one.provider
            )
        });
        let text = lacks.then(|| texts.collect::<Vec<_>>().join("; "));
        let alarm = self.alarms.set(None, AlarmCode::PricesStale, text, now.wall);
        self.records.extend(alarm.map(Record::Alarm));
    }
}
