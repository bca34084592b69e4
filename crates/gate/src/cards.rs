//! RFID cards and PINs.
//!
//! The number of a card is its secret. It is kept sealed, since a client of another dialect may have to be
//! told it again, and compared by a digest under the installation key: a four-digit PIN under a plain hash
//! would be found in a moment. Every known card is compared with what was given, so that the time it takes
//! tells nothing.

use std::collections::BTreeMap;

use model::id::{CardId, SiteId, UserId};
use model::secret::Secret;
use model::user::{Card, CardKind, Role, User};
use store::{Store, StoredSecret, Typed};
use subtle::ConstantTimeEq;

use crate::audit::By;
use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::secrets::{InstallationKey, TokenDigest, random};
use crate::slow_down::Source;
use crate::users::check_texts;

const KIND: &str = "card";
/// Cards of one installation.
const MOST: usize = 10_000;
/// Account names of the slow-down.
const ANY_NUMBER: &str = "card number";
const SHORT_NUMBER: &str = "short number";
/// Shorter numbers can be tried through.
const SHORT: usize = 8;

/// A card without its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCard {
    pub card: Card,
    /// The last four digits of an RFID number; a PIN shows nothing.
    pub hint: Option<String>,
}

#[derive(Clone)]
pub(crate) struct HeldCard {
    known: KnownCard,
    digest: TokenDigest,
}

impl HeldCard {
    fn new(key: &InstallationKey, card: Card, number: &str) -> Self {
        let hint = match card.kind {
            CardKind::Rfid => number.get(number.len().saturating_sub(4)..).map(str::to_owned),
            CardKind::Pin => None,
        };
        Self {
            known: KnownCard { card, hint },
            digest: key.keyed_digest(KIND, &[number]),
        }
    }
}

pub(crate) async fn load(
    store: &dyn Store,
    key: &InstallationKey,
) -> Result<BTreeMap<CardId, HeldCard>, GateError> {
    let mut cards = BTreeMap::new();
    for card in store.list::<Card>().await? {
        let name = card.id.to_string();
        let Some(secret) = store.secret(KIND, &name).await? else {
            tracing::warn!(
                card.id = name,
                "a card has lost its number; give it one, or delete it"
            );
            continue;
        };
        let number = key.unseal(KIND, &name, &secret.bytes)?;
        let held = HeldCard::new(key, card, &String::from_utf8_lossy(&number));
        cards.insert(held.known.card.id.clone(), held);
    }
    // A number without a card is what a crash between the two left behind.
    for (name, _) in store.secrets(KIND).await? {
        if !cards.contains_key(name.as_str()) {
            store.delete_secret(KIND, &name).await?;
        }
    }
    Ok(cards)
}

impl Gate {
    /// Cards of a user, ordered by id.
    #[must_use]
    pub fn cards_of(&self, user: &UserId) -> Vec<KnownCard> {
        let held = self.held();
        let own = held.cards.values().filter(|card| card.known.card.user == *user);
        own.map(|card| card.known.clone()).collect()
    }

    /// One card of a user.
    #[must_use]
    pub fn card(&self, user: &UserId, id: &str) -> Option<KnownCard> {
        let held = self.held();
        let card = held.cards.get(id).filter(|card| card.known.card.user == *user);
        card.map(|card| card.known.clone())
    }

    /// An id for a new card.
    ///
    /// # Errors
    /// When the operating system has no random numbers.
    pub fn card_id(&self) -> Result<CardId, GateError> {
        let hex: String = random::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        CardId::new(&hex).map_err(|error| GateError::Encode(error.to_string()))
    }

    /// Gives a user one more card.
    ///
    /// # Errors
    /// [`Denied::Unknown`] user, [`Denied::Taken`] number or id, [`Denied::Unfit`] number or texts.
    pub async fn create_card(&self, by: &By<'_>, card: Card, number: &str) -> Result<KnownCard, Denied> {
        let action = format!("create card {} of user {}", card.id, card.user);
        self.audited(by, &action, async {
            check(&card)?;
            let number = fit_number(card.kind, number)?;
            let _changing = self.changing.lock().await;
            {
                let held = self.held();
                if !held.users.contains_key(&card.user) {
                    return Err(Denied::unknown("user", card.user.as_str()));
                }
                if held.cards.contains_key(&card.id) {
                    return Err(Denied::Taken { what: "the id" });
                }
                if held.cards.len() >= MOST {
                    return Err(Denied::Unfit {
                        what: "one more card",
                        expected: "at most 10000; delete some first",
                    });
                }
            }
            let made = self.number_card(card, &number).await?;
            self.keep_card(made).await
        })
        .await
    }

    /// Puts what is said of a card in place of what was known, and gives it another number if there is one.
    ///
    /// # Errors
    /// As [`Gate::create_card`]; [`Denied::Unknown`] card.
    pub async fn change_card(
        &self,
        by: &By<'_>,
        card: Card,
        number: Option<&str>,
    ) -> Result<KnownCard, Denied> {
        let action = format!("change card {} of user {}", card.id, card.user);
        self.audited(by, &action, async {
            check(&card)?;
            let _changing = self.changing.lock().await;
            let known = {
                let held = self.held();
                let known = held.cards.get(&card.id);
                known.filter(|known| known.known.card.user == card.user).cloned()
            };
            let mut known = known.ok_or_else(|| Denied::unknown("card", card.id.as_str()))?;
            let is_other_kind = known.known.card.kind != card.kind;
            let number = match number {
                Some(number) => Some(fit_number(card.kind, number)?),
                None if is_other_kind => {
                    return Err(Denied::Unfit {
                        what: "number",
                        expected: "the number, when the kind is another",
                    });
                }
                None => None,
            };
            let changed = match number {
                Some(number) => self.number_card(card, &number).await?,
                None => {
                    known.known.card = card;
                    known
                }
            };
            self.keep_card(changed).await
        })
        .await
    }

    /// # Errors
    /// [`Denied::Unknown`] card of that user.
    pub async fn delete_card(&self, by: &By<'_>, user: &UserId, id: &str) -> Result<(), Denied> {
        let known = self
            .card(user, id)
            .ok_or_else(|| Denied::unknown("card", id))?
            .card
            .id;
        self.audited(by, &format!("delete card {known} of user {user}"), async {
            let _changing = self.changing.lock().await;
            Ok(self.forget_card(&known).await?)
        })
        .await
    }

    /// The number of a card in clear. Callers show it to administrators only.
    ///
    /// # Errors
    /// When the store fails, or the number was sealed with another installation key.
    pub async fn card_number(&self, id: &CardId) -> Result<Option<Secret>, GateError> {
        let Some(secret) = self.store.secret(KIND, id.as_str()).await? else {
            return Ok(None);
        };
        let number = self.key.unseal(KIND, id.as_str(), &secret.bytes)?;
        Ok(Some(Secret::new(String::from_utf8_lossy(&number).into_owned())))
    }

    /// Who charges at a site with this number, and by which card; `None`, sooner or later, when nobody may.
    ///
    /// A right number is answered at once. Wrong ones are slowed down by where they come from, an address or
    /// a charging place, and short ones by the site as well. While eight wrong short numbers wait for their
    /// answer, those who had failed before are refused without a look, since a quick refusal would tell as
    /// much as a slow one.
    pub async fn card_by_number(
        &self,
        site: &SiteId,
        number: &str,
        source: impl Into<Source>,
    ) -> Option<(User, Card)> {
        let (source, place) = (source.into(), Source::from(site));
        let number = normal(number);
        let is_short = number.len() < SHORT;
        if is_short && self.is_crowded(source, place) {
            return None;
        }
        let found = self.find_card(site, &number);
        if found.is_none() {
            if is_short {
                tokio::join!(
                    self.wait_out(source, ANY_NUMBER),
                    self.wait_out(place, SHORT_NUMBER)
                );
            } else {
                self.wait_out(source, ANY_NUMBER).await;
            }
        }
        found
    }

    fn find_card(&self, site: &SiteId, number: &str) -> Option<(User, Card)> {
        let given = self.key.keyed_digest(KIND, &[number]);
        let held = self.held();
        let mut found = None;
        for card in held.cards.values() {
            if bool::from(card.digest.ct_eq(&given)) {
                found = Some(&card.known.card);
            }
        }
        let now = self.clock.now().wall;
        let card = found.filter(|card| card.enabled && card.valid_until.is_none_or(|end| now < end))?;
        let user = held.users.get(&card.user).filter(|user| user.enabled)?;
        let may_charge = user.role_on(site).is_some_and(|role| role >= Role::User);
        may_charge.then(|| (user.clone(), card.clone()))
    }

    fn is_crowded(&self, source: Source, place: Source) -> bool {
        let now = self.clock.now().monotonic;
        let slow_down = self.slow_down();
        (slow_down.is_full(source) || slow_down.is_full(place))
            && slow_down.has_failed(source, ANY_NUMBER, now)
    }

    /// Seals and stores a number that no other card has.
    async fn number_card(&self, card: Card, number: &str) -> Result<HeldCard, Denied> {
        let made = HeldCard::new(&self.key, card, number);
        let card = &made.known.card;
        let is_taken = self
            .held()
            .cards
            .iter()
            .any(|(id, other)| *id != card.id && bool::from(other.digest.ct_eq(&made.digest)));
        if is_taken {
            return Err(Denied::Taken { what: "the number" });
        }
        let name = card.id.as_str();
        let secret = StoredSecret {
            owner: card.user.to_string(),
            bytes: self.key.seal(KIND, name, number.as_bytes())?,
            expires: None,
        };
        self.store.put_secret(KIND, name, &secret).await?;
        Ok(made)
    }

    async fn keep_card(&self, card: HeldCard) -> Result<KnownCard, Denied> {
        self.store.put(&card.known.card).await?;
        let known = card.known.clone();
        self.held().cards.insert(known.card.id.clone(), card);
        Ok(known)
    }

    pub(crate) async fn forget_card(&self, id: &CardId) -> Result<(), GateError> {
        self.held().cards.remove(id);
        self.store.delete::<Card>(id.as_str()).await?;
        Ok(self.store.delete_secret(KIND, id.as_str()).await?)
    }
}

fn check(card: &Card) -> Result<(), Denied> {
    check_texts(&card.name, &card.rules)?;
    if card.budget.is_some_and(|budget| budget.energy.0 < 0) {
        return Err(Denied::Unfit {
            what: "budget",
            expected: "0 Wh or more",
        });
    }
    Ok(())
}

/// A number as it is compared: readers differ in case and in what they put between the digits.
fn normal(number: &str) -> String {
    let digits = number
        .chars()
        .filter(|c| !(c.is_whitespace() || matches!(c, ':' | '-' | '.')));
    digits.take(64).collect::<String>().to_ascii_uppercase()
}

fn fit_number(kind: CardKind, number: &str) -> Result<String, Denied> {
    let number = normal(number);
    let (fits, expected) = match kind {
        CardKind::Rfid => (
            (6..=40).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "6 to 40 hexadecimal digits",
        ),
        CardKind::Pin => (
            (4..=12).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()),
            "4 to 12 digits",
        ),
    };
    match fits {
        true => Ok(number),
        false => Err(Denied::Unfit {
            what: "number",
            expected,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_without_what_readers_add() {
        for (kind, given, expected) in [
            (CardKind::Rfid, "04:a2:3b:11", Some("04A23B11")),
            (CardKind::Rfid, " 04-A2 3b.11 ", Some("04A23B11")),
            (CardKind::Rfid, "0012345678", Some("0012345678")),
            (CardKind::Rfid, "04a23", None),
            (CardKind::Rfid, "04a23bzz", None),
            (CardKind::Rfid, &"0".repeat(41), None),
            (CardKind::Pin, "0815", Some("0815")),
            (CardKind::Pin, "081", None),
            (CardKind::Pin, "08ab", None),
            (CardKind::Pin, "1234567890123", None),
        ] {
            assert_eq!(
                fit_number(kind, given).ok().as_deref(),
                expected,
                "{kind:?} {given}"
            );
        }
    }
}
