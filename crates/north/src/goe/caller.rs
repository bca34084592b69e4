//! Who calls a go-e door, and which charger they mean.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};
use dialects::goe::DIALECT;
use gate::address::goe_serial_of_host;
use gate::{Access, Grant, Principal, Thing};
use model::id::EvseId;

use crate::State;
use crate::address::host_of;
use crate::networks;

/// Somebody who may use one charger.
#[derive(Clone)]
pub struct Caller {
    pub evse: EvseId,
    pub principal: Principal,
    /// The charger's token, as the caller showed it; `None` in the open form.
    pub token: Option<String>,
}

impl Caller {
    /// The cloud form: the host names the charger or does not; where it does, the token must be that
    /// charger's and no other is looked for.
    pub async fn of_cloud(
        state: &State,
        uri: &Uri,
        headers: &HeaderMap,
        in_query: Option<&str>,
        from: IpAddr,
    ) -> Option<Self> {
        let token = in_query.or_else(|| in_header(headers)).unwrap_or_default();
        let serial = goe_serial_of_host(host_of(uri, headers));
        Self::of_token(state, serial.as_deref(), token, from).await
    }

    /// The local form with the token in the path.
    pub async fn of_local(state: &State, serial: &str, token: &str, from: IpAddr) -> Option<Self> {
        Self::of_token(state, Some(serial), token, from).await
    }

    async fn of_token(state: &State, serial: Option<&str>, token: &str, from: IpAddr) -> Option<Self> {
        let serial = serial.map(six_digits);
        let found = state.gate.by_token(&DIALECT, serial.as_deref(), token, from);
        let (access, principal) = found.await?;
        Some(Self {
            evse: evse_of(access)?,
            principal,
            token: Some(token.to_owned()),
        })
    }

    /// The local form without a token, from a network the owner listed.
    pub fn of_open(state: &State, serial: &str, from: IpAddr) -> Option<Self> {
        if !networks::any_holds(&state.settings.goe.local_open, from) {
            return None;
        }
        let serial = six_digits(serial);
        let evse = evse_of(state.gate.access(&DIALECT, &serial)?)?;
        let principal = Principal {
            name: format!("goe-open:{serial}"),
            user: None,
            grant: Grant::Evse(evse.clone()),
        };
        Some(Self {
            evse,
            principal,
            token: None,
        })
    }
}

/// Serial numbers are of EVSEs only.
fn evse_of(access: Access) -> Option<EvseId> {
    match access.thing {
        Thing::Evse(evse) => Some(evse),
        Thing::Device(_) | Thing::Site(_) | Thing::Account(_) => None,
    }
}

/// Clients write serial numbers with and without leading zeros.
pub(super) fn six_digits(serial: &str) -> String {
    format!("{serial:0>6}")
}

/// The token of an `Authorization` header. The scheme does not matter: one client sends the raw token as
/// `Basic`.
pub(super) fn in_header(headers: &HeaderMap) -> Option<&str> {
    let (_, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .trim()
        .split_once(' ')?;
    Some(token.trim())
}
