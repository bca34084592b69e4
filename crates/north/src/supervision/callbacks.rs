//! What operators are told, and what they are asked.
//!
//! Every call goes to the address that the operator has by then, through the guard that fits it, and is signed with the
//! operator's own key beside the token that only we show. An address that is in doubt is not dialled.

use std::fmt;

use dialects::supervision::DIALECT;
use dialects::supervision::callback::{self, CallError, Called};
use dialects::supervision::definition::built_in;
use dialects::supervision::request::Context;
use http::{HeaderValue, Request, Response, header};
use links::Failure;
use model::outbox::Notice;
use model::oversight::{Callback, Code, Operator, OperatorCode, Sample};
use model::secret::Secret;
use model::time::Timestamp;
use oversight::{Refused, Told, Usable};

use super::{Platform, PlatformError};
use crate::outbox::plan::Failed;

/// Where what an operator answered to us counts as sent.
const ANSWERED: &str = "past sample";

/// Why there is no sample of the past.
#[derive(Debug)]
pub enum NoSample {
    /// The operator has no address for that.
    NoAddress,
    /// It did not answer as it should.
    NotTold(String),
    /// It has none of that time.
    None,
    /// What it sent is not taken.
    Refused(Refused),
}

impl NoSample {
    /// Whether asking again is of no use as things are.
    #[must_use]
    pub const fn is_settings(&self) -> bool {
        matches!(self, Self::NoAddress)
    }
}

impl fmt::Display for NoSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("the operator has no address at which it could be asked"),
            Self::NotTold(why) => f.write_str(why),
            Self::None => f.write_str("the operator has no sample of that time"),
            Self::Refused(refused) => write!(f, "the operator's answer is not taken: {refused}"),
        }
    }
}

impl Platform {
    /// Tells an operator something.
    pub(crate) async fn tell(&self, code: &OperatorCode, notice: &Notice) -> Result<(), Failed> {
        let for_good = |why: String| Failed {
            why,
            for_good: true,
            retry_after: None,
        };
        let operator = self.authority().operator(code);
        let operator = operator.ok_or_else(|| for_good(format!("there is no operator {code} any more")))?;
        let callback = match notice {
            Notice::Failed(_) => Callback::ReportFailed,
            Notice::Risk(_) => Callback::Risk,
        };
        let url = operator.addresses.get(&callback).map(|address| &address.url);
        let url = url.ok_or_else(|| for_good(format!("{code} has no address for that any more")))?;
        let answer = self
            .call(&operator, url, |called| callback::notice(called, url, notice))
            .await;
        let taken = answer.and_then(|answer| {
            let taken = callback::taken(built_in(), &answer);
            taken.map_err(|what| format!("answered {what}{}", hint(&answer)))
        });
        self.authority().called(code, callback, taken.is_ok());
        taken.map_err(|why| Failed {
            why,
            for_good: false,
            retry_after: None,
        })
    }

    /// Asks an operator for a sample that was lost, as soon as it could be used.
    pub(crate) async fn ask_for_lost(
        &self,
        code: &OperatorCode,
        port: &Code,
        at: Timestamp,
    ) -> Result<(), Failed> {
        let failed = |why: String, for_good| Failed {
            why,
            for_good,
            retry_after: None,
        };
        let operator = self.authority().operator(code);
        let operator =
            operator.ok_or_else(|| failed(format!("there is no operator {code} any more"), true))?;
        match self.authority().usable(code, port, at) {
            Usable::Now => {}
            Usable::Later => {
                let why = "the operator is asked once its port is registered and the time has come";
                return Err(failed(why.to_owned(), false));
            }
            Usable::Never => return Err(failed("it is too old by now".to_owned(), true)),
        }
        match self.past_sample(&operator, port, at).await {
            Ok(_) => Ok(()),
            Err(why) => {
                let for_good = !matches!(why, NoSample::NotTold(_));
                Err(failed(why.to_string(), for_good))
            }
        }
    }

    /// Asks an operator for a sample of the past, and takes what it answers as if it had been reported.
    ///
    /// # Errors
    /// With why there is none.
    pub async fn past_sample(
        &self,
        operator: &Operator,
        port: &Code,
        at: Timestamp,
    ) -> Result<Sample, NoSample> {
        let address = operator.addresses.get(&Callback::PastSample);
        let url = &address.ok_or(NoSample::NoAddress)?.url;
        let answer = self
            .call(operator, url, |called| {
                callback::past_sample(called, url, port, at)
            })
            .await;
        let context = Context {
            definition: built_in(),
            operator,
            zone: self.zone(),
            now: self.now(),
            person_key: self.person_key(),
        };
        let said = answer.and_then(|answer| {
            let said = callback::told(&answer, &context);
            said.map_err(|refusal| refusal.message)
        });
        self.authority()
            .called(&operator.id, Callback::PastSample, said.is_ok());
        let said = said.map_err(NoSample::NotTold)?.ok_or(NoSample::None)?;
        let sample = said.what.clone();
        if sample.port != *port {
            return Err(NoSample::NotTold(format!(
                "it answered with a sample of {}",
                sample.port
            )));
        }
        let told = Told {
            what: said.what,
            findings: said.findings,
            body: said.body,
        };
        let taken = self.authority().answered(&operator.id, told, ANSWERED).await;
        taken.map_err(NoSample::Refused)?;
        Ok(sample)
    }

    /// Makes a call and gives the answer, whatever its status; a text says why there is none.
    async fn call(
        &self,
        operator: &Operator,
        url: &str,
        write: impl FnOnce(&Called<'_>) -> Result<Request<Vec<u8>>, CallError>,
    ) -> Result<Response<Vec<u8>>, String> {
        self.may_dial(operator, url)?;
        let (secret, token) = self.secrets(&operator.id).await.map_err(|error| {
            tracing::error!(%error, operator.id = %operator.id, "cannot sign a call to an operator");
            "the key of the operator cannot be read; see the log".to_owned()
        })?;
        let called = Called {
            definition: built_in(),
            operator,
            secret: &secret,
            token: &token,
            zone: self.zone(),
            now: self.now(),
        };
        // The address itself may hold what is not for logs.
        let request = write(&called).map_err(|error| format!("this cannot be dialled: {}", error.why));
        let mut request = request?;
        let agent = HeaderValue::from_static(concat!("Ohmstead/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(header::USER_AGENT, agent);
        let answer = self.way(operator).http.send(request).await;
        answer.map_err(|failure| {
            if let Failure::TooLarge { limit } = failure {
                return format!("answered with more than {limit} bytes");
            }
            failure.to_string()
        })
    }

    async fn secrets(&self, code: &OperatorCode) -> Result<(Secret, Secret), PlatformError> {
        let thing = self.thing(code)?;
        let key = self.gate().credential(&DIALECT, &thing)?;
        let key = key.ok_or_else(|| gate::Denied::Unknown {
            what: "key of operator",
            id: code.to_string(),
        })?;
        let token = self.gate().settle_outward_token(&DIALECT, &thing).await?;
        Ok((key, token))
    }
}

fn hint(answer: &Response<Vec<u8>>) -> &'static str {
    if answer.status().is_redirection() {
        "; redirects are not followed, give the address it leads to"
    } else {
        ""
    }
}
