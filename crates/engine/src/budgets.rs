//! How much somebody may still charge.
//!
//! A budget counts what the store knows of the span, without the session that is open, and what that session
//! has taken in the span so far. A span is one of the calendar of the site; energy of a session counts by
//! when it flowed as far as the open session is concerned, and by when the car was plugged in for all others.

use model::id::{CardId, EvseId, SessionId, UserId};
use model::session::Session;
use model::time::{Millis, Monotonic, Timestamp};
use model::units::WattHours;
use model::user::{Budget, BudgetPeriod};

/// What was spent is asked for this often: somebody may charge at two EVSEs.
pub const EVERY: Millis = Millis(60_000);

/// A store that does not answer is asked again after this.
pub const AGAIN: Millis = Millis(5_000);

/// Whose budget it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    User(UserId),
    Card(CardId),
}

/// What the store is asked for the running transaction of an EVSE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetAsk {
    pub evse: EvseId,
    pub session: SessionId,
    pub plugged: Timestamp,
    pub owner: Owner,
    /// Where the span begins.
    pub from: Timestamp,
}

/// What the store says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// In other sessions of the span.
    pub elsewhere: WattHours,
    /// In this session, before the span began.
    pub before: WattHours,
}

/// A budget that the running transaction of an EVSE is held to.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub owner: Owner,
    pub budget: Budget,
    pub from: Option<Timestamp>,
    pub spent: Option<Spent>,
    /// When the store was last asked.
    pub asked: Option<Monotonic>,
}

impl Owner {
    /// What a session has taken for this owner.
    pub fn energy_in(&self, session: &Session) -> WattHours {
        let own = session.transactions.iter().filter(|t| match self {
            Self::User(user) => t.authorisation.user.as_ref() == Some(user),
            Self::Card(card) => t.authorisation.card.as_ref() == Some(card),
        });
        own.map(|t| t.energy).sum()
    }
}

impl Held {
    /// What was used in the span; `None` until the store has said.
    pub fn used(&self, session: &Session) -> Option<WattHours> {
        let own = self.owner.energy_in(session);
        match self.budget.per {
            BudgetPeriod::Session => Some(own),
            BudgetPeriod::Day
            | BudgetPeriod::Week
            | BudgetPeriod::Month
            | BudgetPeriod::Year
            | BudgetPeriod::Total { .. } => {
                let spent = self.spent?;
                Some((spent.elsewhere + own - spent.before).at_least_zero())
            }
        }
    }
}

/// Where the span of a budget begins; `None` for one that counts each session by itself.
pub fn span_start(period: BudgetPeriod, time_zone: &str, now: Timestamp) -> Option<Timestamp> {
    let zone = jiff::tz::TimeZone::get(time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let today = now.to_jiff().to_zoned(zone.clone()).date();
    let first = match period {
        BudgetPeriod::Session => return None,
        BudgetPeriod::Total { since } => return Some(since),
        BudgetPeriod::Day => Some(today),
        BudgetPeriod::Week => {
            let since_monday = i64::from(today.weekday().to_monday_zero_offset());
            today.checked_sub(jiff::Span::new().days(since_monday)).ok()
        }
        BudgetPeriod::Month => Some(today.first_of_month()),
        BudgetPeriod::Year => Some(today.first_of_year()),
    };
    let start = first.and_then(|day| day.to_zoned(zone).ok());
    Some(start.map_or(now, |start| Timestamp(start.timestamp().as_millisecond())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_those_of_the_calendar_at_the_site() {
        let at = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let since = at("2026-01-17T10:00:00Z");
        for (period, now, expected) in [
            (BudgetPeriod::Day, "2026-03-29T21:59:00Z", "2026-03-28T23:00:00Z"),
            (BudgetPeriod::Day, "2026-03-29T22:00:00Z", "2026-03-29T22:00:00Z"),
            (BudgetPeriod::Week, "2026-03-29T12:00:00Z", "2026-03-22T23:00:00Z"),
            (
                BudgetPeriod::Month,
                "2026-07-31T22:30:00Z",
                "2026-07-31T22:00:00Z",
            ),
            (BudgetPeriod::Year, "2026-12-31T23:30:00Z", "2026-12-31T23:00:00Z"),
            (
                BudgetPeriod::Total { since },
                "2026-07-31T22:30:00Z",
                "2026-01-17T10:00:00Z",
            ),
        ] {
            assert_eq!(
                span_start(period, "Europe/Vienna", at(now)),
                Some(at(expected)),
                "{period:?} {now}"
            );
        }
        assert_eq!(span_start(BudgetPeriod::Session, "Europe/Vienna", since), None);
    }
}
