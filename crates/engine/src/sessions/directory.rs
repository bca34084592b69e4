//! Who may charge, and with which cars.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::id::{CardId, UserId, VehicleId};
use model::session::{Authorisation, AuthorisationKind};
use model::site::Site;
use model::time::Timestamp;
use model::user::{Card, CardKind, Role, User};
use model::vehicle::{StateOfCharge, Vehicle};
use model::view::CardSlot;

/// Who may charge, and with which cars.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    pub users: BTreeMap<UserId, User>,
    pub cards: BTreeMap<CardId, Card>,
    pub vehicles: BTreeMap<VehicleId, Vehicle>,
    /// As last known, not estimated.
    pub soc: BTreeMap<VehicleId, StateOfCharge>,
}

impl Directory {
    pub(super) fn user(&self, authorisation: &Authorisation) -> Option<&User> {
        self.users.get(authorisation.user.as_ref()?)
    }

    pub(super) fn card(&self, authorisation: &Authorisation) -> Option<&Card> {
        self.cards.get(authorisation.card.as_ref()?)
    }

    /// The first cards of those who may charge here.
    pub(crate) fn slots(&self, site: &Site, now: Timestamp) -> Arc<[CardSlot]> {
        let cards = self.cards.values().filter(|card| card.kind == CardKind::Rfid);
        let may = |card: &&Card| {
            let authorisation = Authorisation {
                kind: AuthorisationKind::Rfid,
                user: Some(card.user.clone()),
                card: Some(card.id.clone()),
            };
            self.refuses(&authorisation, site, now).is_none()
        };
        let slots = cards.filter(may).take(CardSlot::MOST).map(|card| CardSlot {
            card: card.id.clone(),
            user: card.user.clone(),
            name: card.name.clone(),
        });
        slots.collect()
    }

    /// Why somebody may not charge here.
    pub(super) fn refuses(
        &self,
        authorisation: &Authorisation,
        site: &Site,
        now: Timestamp,
    ) -> Option<String> {
        let no = |why: &str| Some(why.to_owned());
        if let Some(id) = &authorisation.card {
            match self.cards.get(id) {
                None => return no("the card is not known any more"),
                Some(card) if !card.enabled => return no("the card is disabled"),
                Some(card) if card.valid_until.is_some_and(|until| until <= now) => {
                    return no("the card has expired");
                }
                Some(card) if authorisation.user.as_ref() != Some(&card.user) => {
                    return no("the card belongs to another user");
                }
                Some(_) => {}
            }
        }
        if let Some(id) = &authorisation.user {
            match self.users.get(id) {
                None => return no("the user is not known any more"),
                Some(user) if !user.enabled => return no("the user is disabled"),
                Some(user) if user.role_on(&site.id).is_none_or(|role| role < Role::User) => {
                    return no("the user may not charge at this site");
                }
                Some(_) => {}
            }
        }
        None
    }
}
