//! One call: who it is, what is asked, what comes of it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use dialects::supervision::DIALECT;
use dialects::supervision::definition::{Definition, built_in};
use dialects::supervision::error::Refusal;
use dialects::supervision::request::{
    self, Asked, Context, Headers, List, Refused as Entry, Slice, Told as Said,
};
use dialects::supervision::server::{self, Answer, Page};
use gate::{Claim, Denied, Life, Passing};
use model::oversight::{AddressChange, Callback, ChargeRecord, Code, Operator, Sample};
use model::secret::Secret;
use model::time::Timestamp;
use oversight::{Refused, Told};
use store::oversight::RecordFilter;

use super::words::refusal;
use super::{Call, Platform, failed, whole};

impl Platform {
    pub(super) async fn answer(&self, call: &Call<'_>, body: Body) -> Answer {
        let definition = built_in();
        let query = call.head.uri.query().unwrap_or_default();
        let headers = match Headers::read(definition, call.endpoint, &call.head.headers, query) {
            Ok(headers) => headers,
            Err(refusal) => return server::refused(definition, &refusal, false),
        };
        let operator = self.authority().operator(&headers.operator);
        let always_200 = operator.as_ref().is_some_and(|operator| operator.always_200);
        let answered = self.believed(call, &headers, operator, body).await;
        answered.unwrap_or_else(|refusal| server::refused(definition, &refusal, always_200))
    }

    /// Finds out whether it is the operator that calls, and only then goes on.
    async fn believed(
        &self,
        call: &Call<'_>,
        headers: &Headers<'_>,
        operator: Option<Arc<Operator>>,
        body: Body,
    ) -> Result<Answer, Refusal> {
        let definition = built_in();
        let now = self.now();
        headers.check_clock(definition, now, self.zone(), self.settings().most_skew)?;
        let digest = operator
            .as_ref()
            .map(|operator| operator.digest)
            .unwrap_or_default();
        let holds = |secret: &Secret| headers.are_signed_by(definition, digest, secret);
        let life = Life {
            idle: self.settings().token_idle,
            longest: self.settings().token_longest,
        };
        let name = headers.operator.as_str();
        let Some(token) = headers.token.as_deref() else {
            let claim = [Claim::Name(name)];
            let caller = self.gate().prove(&DIALECT, &claim, call.from, &holds).await;
            let caller = caller.map_err(refused_by_gate)?;
            admitted(operator)?;
            let pass = self.gate().open_pass(&caller, life).await;
            let pass = pass.map_err(refused_by_gate)?;
            return Ok(server::token(definition, pass.expose()));
        };
        let passing = Passing {
            dialect: &DIALECT,
            name,
            token,
            source: call.from,
        };
        let passed = self.gate().by_pass(passing, life.idle, holds).await;
        passed.map_err(refused_by_gate)?;
        let operator = admitted(operator)?;
        let body = whole(body).await?;
        let context = Context {
            definition,
            operator: &operator,
            zone: self.zone(),
            now,
            person_key: self.person_key(),
        };
        let query = call.head.uri.query().unwrap_or_default();
        let asked = request::read(call.endpoint, query, &body, &context)?;
        self.decided(asked, &operator, call).await
    }

    async fn decided(
        &self,
        asked: Asked,
        operator: &Arc<Operator>,
        call: &Call<'_>,
    ) -> Result<Answer, Refusal> {
        let (definition, authority, code) = (built_in(), self.authority(), &operator.id);
        let refused = |refused: Refused| refusal(definition, refused);
        match asked {
            // Answered before there was a body to read.
            Asked::Token => return Err(Refusal::new(400, "a token is asked for without one")),
            Asked::Register(told) => authority
                .register(code, of(told))
                .await
                .map(drop)
                .map_err(refused)?,
            Asked::Modify(told) => authority.modify(code, of(told)).await.map_err(refused)?,
            Asked::Remove { kind, id } => authority.remove(code, kind, &id).await.map_err(refused)?,
            Asked::Page { kind, slice } => {
                let page = authority.page(code, kind, slice.index, slice.size).await;
                let page = page.map_err(refused)?;
                let shown = Page {
                    slice,
                    total: page.total,
                    list: &page.list,
                };
                return Ok(server::entities(definition, code, shown));
            }
            Asked::Report(told) => {
                let path = call.head.uri.path();
                let outcome = authority.report(code, vec![of(told)], path).await;
                first(outcome.map_err(refused)?).map_err(refused)?;
            }
            Asked::ReportList(list) => return self.samples(list, operator, call).await,
            Asked::ReportAgain { failed, told } => {
                let outcome = authority.report_again(code, &failed, of(told)).await;
                outcome.map_err(refused)?;
            }
            Asked::Record(told) => {
                let outcome = authority.records(code, vec![of(told)]).await;
                first(outcome.map_err(refused)?).map_err(refused)?;
            }
            Asked::RecordList(list) => return self.records(list, operator).await,
            Asked::RecordPage {
                slice,
                port,
                from,
                to,
            } => {
                return self.record_page(operator, slice, port, from, to).await;
            }
            Asked::SetAddress { callback, url } => {
                self.check_address(operator, &url)?;
                self.move_address(operator, callback, Some(url), call.from)
                    .await?;
            }
            Asked::ClearAddress { callback } => {
                self.move_address(operator, callback, None, call.from).await?;
            }
        }
        Ok(server::done(definition))
    }

    /// Every entry succeeds or fails alone.
    async fn samples(
        &self,
        list: List<Sample>,
        operator: &Operator,
        call: &Call<'_>,
    ) -> Result<Answer, Refusal> {
        let definition = built_in();
        let mut sorted = Sorted::of(list, |sample| sample.port.as_str());
        if !sorted.good.is_empty() {
            let path = call.head.uri.path();
            let good = std::mem::take(&mut sorted.good);
            let outcomes = self.authority().report(&operator.id, good, path).await;
            let outcomes = outcomes.map_err(|refused| refusal(definition, refused))?;
            sorted.add(definition, outcomes);
        }
        Ok(sorted.answer(definition, operator))
    }

    async fn records(&self, list: List<ChargeRecord>, operator: &Operator) -> Result<Answer, Refusal> {
        let definition = built_in();
        let mut sorted = Sorted::of(list, |record| record.port.as_str());
        if !sorted.good.is_empty() {
            let good = std::mem::take(&mut sorted.good);
            let outcomes = self.authority().records(&operator.id, good).await;
            let outcomes = outcomes.map_err(|refused| refusal(definition, refused))?;
            sorted.add(definition, outcomes);
        }
        Ok(sorted.answer(definition, operator))
    }

    async fn record_page(
        &self,
        operator: &Operator,
        slice: Slice,
        port: Option<Code>,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Answer, Refusal> {
        let definition = built_in();
        let filter = RecordFilter {
            operator: Some(operator.id.clone()),
            port,
            from,
            to,
            only_orphans: false,
        };
        let page = self
            .authority()
            .record_page(filter, slice.index, slice.size)
            .await;
        let page = page.map_err(|refused| refusal(definition, refused))?;
        let list: Vec<_> = page.list.into_iter().map(|stored| stored.record).collect();
        let shown = Page {
            slice,
            total: page.total,
            list: &list,
        };
        Ok(server::records(definition, &operator.id, shown, self.zone()))
    }

    /// Sets or takes away an address, as the operator itself.
    async fn move_address(
        &self,
        operator: &Operator,
        callback: Callback,
        url: Option<String>,
        from: IpAddr,
    ) -> Result<(), Refusal> {
        let change = AddressChange {
            callback,
            old: None,
            new: url,
            at: self.now(),
            from: Some(from),
            by: operator.id.to_string(),
        };
        let by = self.principal_name(&operator.id);
        let moved = self.set_address(&by, DIALECT.name, operator, change).await;
        moved.map(drop)
    }
}

/// The same whether or not there is such an operator.
fn refused_by_gate(denied: Denied) -> Refusal {
    let definition = built_in();
    match denied {
        Denied::Wrong => Refusal::permission(definition, "the signature is not that of the operator"),
        Denied::Ended => Refusal::permission(definition, "the token is unknown or over; ask for another"),
        Denied::Disabled => Refusal::forbidden("the operator is suspended"),
        Denied::TooMany { retry_after_s } => Refusal::slow_down(retry_after_s),
        Denied::Unavailable(error) => failed("the gate cannot say who calls", &error),
        Denied::Unfit { .. }
        | Denied::Unknown { .. }
        | Denied::Taken { .. }
        | Denied::LastAdmin
        | Denied::SetUpAlready => Refusal::permission(definition, "not believed"),
    }
}

/// Whom the authority knows and does not keep out; said to who has proved to be it.
fn admitted(operator: Option<Arc<Operator>>) -> Result<Arc<Operator>, Refusal> {
    operator
        .filter(|operator| !operator.suspended)
        .ok_or_else(|| Refusal::forbidden("the operator is suspended"))
}

fn of<T>(said: Said<T>) -> Told<T> {
    let Said { what, findings, body } = said;
    Told { what, findings, body }
}

/// Of one entry there is one outcome.
fn first(outcomes: Vec<Result<(), Refused>>) -> Result<(), Refused> {
    outcomes.into_iter().next().unwrap_or(Ok(()))
}

/// A list, the entries that could be read apart from those that are refused.
struct Sorted<T> {
    of: usize,
    good: Vec<Told<T>>,
    /// Where each of the good stands in the list, and of which port it is.
    places: Vec<(usize, String)>,
    refused: Vec<Entry>,
}

impl<T> Sorted<T> {
    fn of(list: List<T>, port: impl Fn(&T) -> &str) -> Self {
        let mut sorted = Self {
            of: list.len(),
            good: Vec::with_capacity(list.len()),
            places: Vec::with_capacity(list.len()),
            refused: Vec::new(),
        };
        for (index, entry) in list.into_iter().enumerate() {
            match entry {
                Ok(said) => {
                    sorted.places.push((index, port(&said.what).to_owned()));
                    sorted.good.push(of(said));
                }
                Err(entry) => sorted.refused.push(entry),
            }
        }
        sorted
    }

    fn add(&mut self, definition: &Definition, outcomes: Vec<Result<(), Refused>>) {
        for ((index, port), outcome) in self.places.drain(..).zip(outcomes) {
            if let Err(refused) = outcome {
                self.refused.push(Entry {
                    index,
                    port: Some(port),
                    refusal: refusal(definition, refused),
                });
            }
        }
        self.refused.sort_by_key(|entry| entry.index);
    }

    fn answer(&self, definition: &Definition, operator: &Operator) -> Answer {
        server::list(definition, self.of, &self.refused, operator.always_200)
    }
}
