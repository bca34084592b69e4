//! An operator in the words of the dialect: the half of it that reports, and the mistakes of whoever signs badly.

use std::sync::Arc;

use dialects::Failure;
use dialects::supervision::callback::{self, Platform};
use dialects::supervision::client::{Account, Event, Outcome, Uploader, Work};
use dialects::supervision::definition::{Definition, built_in};
use dialects::supervision::request::Context;
use dialects::supervision::server::Answer;
use dialects::supervision::{server, sign, time};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use jiff::tz::TimeZone;
use model::oversight::{Callback, CodeError, Operator};
use model::secret::Secret;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::PerMille;

use super::reporter::{Answering, Called, Heard, Misheard, Reporter, ReporterSettings, Saying, Voice};
use super::{Fate, Warned};

/// Tokens of platforms live that long.
const TOKEN_LIFE: Millis = Millis(12 * 3_600_000);
/// A platform's clock may be off by so much.
const MOST_SKEW: Millis = Millis(300_000);
/// What a clock is off that is wrong.
const SKEW: Millis = Millis(-601_000);

struct Words {
    uploader: Uploader,
    definition: Arc<Definition>,
    operator: Operator,
    secret: Secret,
    zone: TimeZone,
    /// The operator keeps no names of persons.
    nobody: Secret,
}

impl Reporter {
    /// Its stations are idle at `start`.
    ///
    /// # Errors
    /// When what is there is too much to be numbered.
    pub fn new(settings: ReporterSettings, start: Timestamp) -> Result<Self, CodeError> {
        let words = Words::new(&settings);
        Self::with(settings, Box::new(words), start)
    }
}

impl Words {
    fn new(settings: &ReporterSettings) -> Self {
        let zone = TimeZone::get(&settings.fleet.time_zone).unwrap_or(TimeZone::UTC);
        let operator = Operator::new(settings.fleet.operator.clone(), settings.fleet.operator.as_str());
        let definition = Arc::new(built_in().clone());
        let account = Account {
            platform: settings.url.clone(),
            definition: Arc::clone(&definition),
            operator: operator.id.clone(),
            secret: settings.secret.clone(),
            digest: operator.digest,
            zone: zone.clone(),
            token_life: TOKEN_LIFE,
        };
        Self {
            uploader: Uploader::new(account),
            definition,
            operator,
            secret: settings.secret.clone(),
            zone,
            nobody: Secret::new("nobody"),
        }
    }

    fn context(&self, now: Timestamp) -> Context<'_> {
        Context {
            definition: &self.definition,
            operator: &self.operator,
            zone: &self.zone,
            now,
            person_key: &self.nobody,
        }
    }
}

impl Voice for Words {
    fn most(&self) -> (usize, usize) {
        self.uploader.most()
    }

    fn most_failures(&self) -> i64 {
        i64::from(self.definition.limits.failures.value)
    }

    fn say(&mut self, saying: &Saying) {
        let work = match saying.clone() {
            Saying::Address(callback, url) => Work::Address {
                callback,
                url: Some(url),
            },
            Saying::Register(entity) => Work::Put(entity),
            Saying::Samples(samples) => Work::Samples(samples),
            Saying::Again(failed, sample) => Work::Again { failed, sample },
            Saying::Records(records) => Work::Records(records),
        };
        let _ = self.uploader.give(work, false);
    }

    fn poll_request(&mut self, now: Now) -> Option<Request<Vec<u8>>> {
        self.uploader.poll_request(now)
    }

    fn poll_timeout(&self, now: Now) -> Option<Monotonic> {
        self.uploader.poll_timeout(now)
    }

    fn handle_answer(&mut self, answer: &Response<Vec<u8>>, now: Now, jitter: PerMille) {
        if let Err(error) = self.uploader.handle_reply(answer, now, jitter) {
            tracing::warn!("{}: {error}", self.operator.id);
        }
    }

    fn handle_failure(&mut self, now: Now, jitter: PerMille) {
        self.uploader.handle_failure(&Failure::Closed, now, jitter);
    }

    fn poll_heard(&mut self) -> Option<Heard> {
        let why = |outcome| match outcome {
            Outcome::Done => None,
            Outcome::Refused { status, message } => Some(format!("{status} {message}")),
        };
        Some(match self.uploader.poll_event()? {
            Event::LoggedIn => Heard::LoggedIn,
            Event::Did(outcomes) => Heard::Did(outcomes.into_iter().map(why).collect()),
            Event::Trouble(why) => Heard::Trouble(why),
        })
    }

    fn spoil(&self, request: &mut Request<Vec<u8>>, fate: Fate, now: Timestamp) {
        let forged = Secret::new("the key of somebody else");
        let (secret, at) = match fate {
            Fate::Skewed => (&self.secret, now + SKEW),
            Fate::Forged => (&forged, now),
            Fate::Plain | Fate::Doubled | Fate::Lost | Fate::Unanswered => return,
        };
        let names = &self.definition.headers;
        let at = time::text(at, &self.zone);
        let token = request.headers().get(names.token.name.as_str());
        let token = token.and_then(|token| token.to_str().ok());
        let text = sign::string_to_sign(&at, self.operator.id.as_str(), token);
        let signature = sign::signature(self.operator.digest, secret, &text);
        for (name, text) in [(&names.datetime.name, at), (&names.signature.name, signature)] {
            let value = HeaderValue::from_str(&text);
            if let (Some(header), Ok(value)) = (request.headers_mut().get_mut(name.as_str()), value) {
                *header = value;
            }
        }
    }

    fn read_call(
        &self,
        callback: Callback,
        request: &Request<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Called, Box<Misheard>> {
        let platform = Platform {
            digest: self.operator.digest,
            secret: &self.secret,
            token: None,
            most_skew: MOST_SKEW,
        };
        let query = request.uri().query().unwrap_or_default();
        let context = self.context(now);
        let heard = callback::hear(
            callback,
            request.headers(),
            query,
            request.body(),
            platform,
            &context,
        );
        let heard = heard.map_err(|refusal| {
            Box::new(Misheard {
                answer: response(server::refused(&self.definition, &refusal, false)),
                why: format!("{} {}", refusal.status, refusal.message),
            })
        })?;
        Ok(match heard {
            callback::Heard::Failed {
                failed,
                count,
                sample,
                ..
            } => Called::Failed {
                id: failed,
                count: i64::from(count),
                sample,
            },
            callback::Heard::Risk {
                port,
                level,
                reason,
                at,
            } => Called::Risk(Warned {
                port,
                level,
                reason,
                at,
            }),
            callback::Heard::PastSample { port, at } => Called::Past { port, at },
        })
    }

    fn answer(&self, answering: &Answering, now: Timestamp) -> Response<Vec<u8>> {
        response(match answering {
            Answering::Done => server::done(&self.definition),
            Answering::Past(sample) => callback::past_answer(&self.context(now), sample.as_deref()),
        })
    }
}

fn response(answer: Answer) -> Response<Vec<u8>> {
    let mut response = Response::new(answer.body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
