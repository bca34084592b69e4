//! A request to a go-e door, with all that comes before an answer: where it comes from, who asks for which
//! charger, and whether that one can answer.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use axum::http::Uri;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use dialects::goe::query::{SetQuery, StatusQuery, Write};
use dialects::goe::server::{LinkFacts, Outcome, Refusal, Secrets, refuse};
use dialects::goe::value::Reading;
use gate::Action;
use model::time::Millis;

use super::caller::Caller;
use super::charger::Charger;
use super::sheets::Ready;
use super::writes::{Writer, write_all};
use super::{DOOR, Goe, sent};
use crate::address::may_write;

/// The local form has no word for the age of data; a charger in the LAN either answers or does not.
const LOCAL_AGE: Millis = Millis(30_000);

/// What is asked: a status or a set.
pub trait Question: Send + Sync + Sized {
    const ACTION: Action;
    /// A page of another site must not ask this.
    const WRITES: bool;

    fn parse(query: &str) -> Self;
    fn token(&self) -> Option<&str>;
    /// Whether the cloud form answers it.
    fn admit(&self, facts: &LinkFacts) -> Result<(), Refusal>;
}

impl Question for StatusQuery {
    const ACTION: Action = Action::Read;
    const WRITES: bool = false;

    fn parse(query: &str) -> Self {
        Self::parse(query)
    }

    fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn admit(&self, facts: &LinkFacts) -> Result<(), Refusal> {
        facts.admit_status(self.age)
    }
}

impl Question for SetQuery {
    const ACTION: Action = Action::Steer;
    const WRITES: bool = true;

    fn parse(query: &str) -> Self {
        Self::parse(query)
    }

    fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn admit(&self, facts: &LinkFacts) -> Result<(), Refusal> {
        facts.admit_set()
    }
}

/// Which of the forms is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Cloud,
    /// As a charger in the LAN answers, in either of its APIs.
    Local,
}

/// Somebody who may asks a charger that can answer.
pub struct Asked<Q> {
    pub form: Form,
    pub charger: Charger,
    pub query: Q,
    pub goe: Goe,
    caller: Caller,
}

impl<Q: Question> FromRequestParts<Goe> for Asked<Q> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, goe: &Goe) -> Result<Self, Response> {
        if Q::WRITES && !may_write(&parts.uri, &parts.headers) {
            return Err(sent(refuse(Refusal::Foreign)));
        }
        let query = Q::parse(query_of(&parts.uri));
        let (form, caller) = caller(parts, goe, query.token()).await?;
        let caller = caller.ok_or_else(|| sent(refuse(Refusal::Unauthorized)))?;
        let charger = match form {
            Form::Cloud => admitted(goe, &caller, &query).await,
            Form::Local => reachable(goe, &caller, &Q::ACTION).await,
        };
        Ok(Self {
            form,
            charger: charger.map_err(|refusal| sent(refuse(refusal)))?,
            query,
            goe: goe.clone(),
            caller,
        })
    }
}

/// A path of the local form names a charger; without a token it is open to the networks of the settings.
async fn caller(
    parts: &mut Parts,
    goe: &Goe,
    in_query: Option<&str>,
) -> Result<(Form, Option<Caller>), Response> {
    let peer = ConnectInfo::<SocketAddr>::from_request_parts(parts, goe).await;
    let from = peer.map_err(IntoResponse::into_response)?.0.ip();
    let path = RawPathParams::from_request_parts(parts, goe).await;
    let path = path.map_err(IntoResponse::into_response)?;
    let named = |wanted| {
        path.iter()
            .find_map(|(name, value)| (name == wanted).then_some(value))
    };
    let state = &goe.state;
    Ok(match (named("serial"), named("token")) {
        (None, _) => {
            let caller = Caller::of_cloud(state, &parts.uri, &parts.headers, in_query, from);
            (Form::Cloud, caller.await)
        }
        (Some(serial), Some(token)) => (Form::Local, Caller::of_local(state, serial, token, from).await),
        (Some(serial), None) => (Form::Local, Caller::of_open(state, serial, from)),
    })
}

/// A charger whose link is good enough for the question.
async fn admitted<Q: Question>(goe: &Goe, caller: &Caller, query: &Q) -> Result<Charger, Refusal> {
    let charger = Charger::find(&goe.state, &caller.evse, &caller.principal, &Q::ACTION).await;
    let charger = charger.ok_or(Refusal::Offline)?;
    query.admit(&charger.facts(&goe.state))?;
    Ok(charger)
}

/// A charger that would answer in the LAN.
async fn reachable(goe: &Goe, caller: &Caller, action: &Action) -> Result<Charger, Refusal> {
    let charger = Charger::find(&goe.state, &caller.evse, &caller.principal, action).await;
    let charger = charger.ok_or(Refusal::Silent { age: LOCAL_AGE })?;
    match charger.facts(&goe.state).data_age {
        Some(age) if age <= LOCAL_AGE => Ok(charger),
        Some(age) => Err(Refusal::Silent { age }),
        None => Err(Refusal::Silent { age: LOCAL_AGE }),
    }
}

impl<Q> Asked<Q> {
    /// What the charger shows to the caller now.
    pub fn sheet(&self) -> std::sync::Arc<Ready> {
        self.goe
            .sheets
            .of(&self.charger.moment(), self.caller.token.as_deref())
    }

    pub fn secrets(&self) -> Secrets {
        if self.caller.token.is_some() {
            Secrets::WhenNamed
        } else {
            Secrets::Never
        }
    }

    /// The same charger after a write, as the local form finds it.
    pub async fn looked_again(self) -> Result<Self, Refusal> {
        let charger = reachable(&self.goe, &self.caller, &Action::Read).await?;
        Ok(Self { charger, ..self })
    }

    /// Writes. Who has not shown the charger's token is not trusted with what guards it.
    pub async fn write(&self, writes: &[Write], reading: Reading) -> Vec<Outcome> {
        let writer = Writer {
            principal: &self.caller.principal,
            door: DOOR.name,
            may_guard: self.caller.token.is_some(),
        };
        write_all(&self.goe.state, &self.charger, &writer, writes, reading).await
    }
}

/// What a request asks beside its path.
pub fn query_of(uri: &Uri) -> &str {
    uri.query().unwrap_or_default()
}
