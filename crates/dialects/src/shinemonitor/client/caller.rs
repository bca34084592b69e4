//! Signing in, and one signed call after the other. What keeps a session alive happens in here; whoever asks sees
//! answers only.

use http::StatusCode;
use model::secret::Secret;
use model::time::{Millis, Monotonic, Now};
use serde_json::Value;

use super::record::{int, text};
use crate::query;
use crate::shinemonitor::rc4::PasswordHash;
use crate::shinemonitor::sign;

/// A session is renewed so long before its end; a short one in its last quarter.
const AHEAD: Millis = Millis(600_000);
/// No session is taken to live longer.
const LONGEST: i64 = 365 * 86_400;
/// Nor less: a session that is over before it is used would be begun again and again.
const SHORTEST: i64 = 10;
/// The portal and the servers of the apps have a second node each, and an account lives on one of both.
const NODES: [(&str, &str); 2] = [("://web.", "://web1."), ("://android.", "://android1.")];

/// By which call an account signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    Source,
    Plain,
    Email,
}

/// Who asks where.
#[derive(Clone, Debug)]
pub struct AccountSettings {
    /// `https://web.shinemonitor.com/public/`; without a path, `/public/` is meant.
    pub url: String,
    pub user: String,
    pub password: PasswordHash,
    pub company_key: String,
    pub sign_in: SignIn,
    /// As whom to ask, the first one first.
    pub apps: Vec<String>,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// Of the session only: the call is still to be made.
    Again,
    Dat(Value),
    /// Nothing is there.
    Empty,
    /// The cloud refuses this call, and would again.
    Refused {
        code: i64,
        text: String,
    },
    /// No sense, or a refusal of the moment. What came, and what to check.
    Failed {
        came: String,
        hint: &'static str,
    },
    /// Asking again would be refused again, until somebody has changed something.
    Stopped(String),
}

#[derive(Debug)]
struct Session {
    token: Secret,
    secret: Secret,
    renew_at: Monotonic,
    ends_at: Monotonic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    Login,
    Renewal,
    Call,
}

pub(super) struct Caller {
    account: AccountSettings,
    nodes: Vec<String>,
    /// Which node the account lives on, as far as we know.
    node: usize,
    nodes_tried: usize,
    app: usize,
    session: Option<Session>,
    going: Option<(Going, Monotonic)>,
    /// In a row.
    bad_signatures: u32,
    ended: u32,
}

impl Caller {
    pub fn new(account: AccountSettings) -> Self {
        Self {
            nodes: nodes(&account.url),
            account,
            node: 0,
            nodes_tried: 1,
            app: 0,
            session: None,
            going: None,
            bad_signatures: 0,
            ended: 0,
        }
    }

    /// Where it asks.
    pub fn url(&self) -> &str {
        self.nodes.get(self.node).map_or("", String::as_str)
    }

    /// How many apps there are to ask as.
    pub fn apps(&self) -> usize {
        self.account.apps.len()
    }

    /// Asks as the next app from now on.
    pub fn next_app(&mut self) {
        self.app = (self.app + 1) % self.apps().max(1);
    }

    /// What leaves next for a call (`queryPlants&page=0`): the call, or what must go ahead of it.
    ///
    /// # Errors
    /// When the address is none.
    pub fn request(&mut self, call: &str, now: Now) -> Result<http::Request<Vec<u8>>, String> {
        let ended = |session: &Session| now.monotonic >= session.ends_at;
        if self.session.as_ref().is_some_and(ended) {
            self.session = None;
        }
        // Readable, of 13 digits, and never short where a clock was not set.
        let salt = now.wall.0.max(1_000_000_000_000).to_string();
        let (going, query) = match &self.session {
            None => (Going::Login, self.login(&salt)),
            Some(session) if now.monotonic >= session.renew_at => {
                let tail = format!("&action=updateToken{}", self.suffix());
                (Going::Renewal, signed(session, &salt, &tail))
            }
            Some(session) => {
                let tail = format!("&action={call}{}", self.suffix());
                (Going::Call, signed(session, &salt, &tail))
            }
        };
        let request = http::Request::get(format!("{}?{query}", self.url()))
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new());
        match request {
            Ok(request) if request.uri().host().is_some() => {
                self.going = Some((going, now.monotonic));
                Ok(request)
            }
            Ok(_) | Err(_) => Err(format!(
                "`{}` is no address; expected one like https://web.shinemonitor.com/public/",
                self.url()
            )),
        }
    }

    /// A name may have a space, which apps write as `+` and sign so.
    fn login(&self, salt: &str) -> String {
        let (action, suffix) = match self.account.sign_in {
            SignIn::Source => ("authSource", self.of_app()),
            SignIn::Plain => ("auth", String::new()),
            SignIn::Email => ("authEmail", self.of_app()),
        };
        let user = query::encode(&self.account.user).replace("%20", "+");
        let key = query::encode(&self.account.company_key);
        let tail = format!("&action={action}&usr={user}&company-key={key}{suffix}");
        let password = self.account.password.expose();
        let sign = sign::digest(&[salt.as_bytes(), password.as_bytes(), tail.as_bytes()]);
        format!("sign={}&salt={salt}{tail}", sign::hex_text(&sign))
    }

    fn of_app(&self) -> String {
        let app = self.account.apps.get(self.app).map_or("", String::as_str);
        format!(
            "&source=1&_app_client_=android&_app_id_={}&_app_version_={}",
            query::encode(app),
            env!("CARGO_PKG_VERSION")
        )
    }

    fn suffix(&self) -> String {
        format!("&i18n=en_US&lang=en_US{}", self.of_app())
    }

    /// What came for the request that left last.
    pub fn answer(&mut self, reply: &http::Response<Vec<u8>>) -> Answer {
        let Some((going, asked_at)) = self.going.take() else {
            return Answer::Again;
        };
        let envelope = match Envelope::read(reply) {
            Ok(envelope) => envelope,
            Err(came) => {
                return Answer::Failed {
                    came,
                    hint: "check that the address is that of a ShineMonitor API",
                };
            }
        };
        match going {
            Going::Login => self.signed_in(envelope, asked_at),
            Going::Renewal if envelope.code == 0 => self.signed_in(envelope, asked_at),
            Going::Renewal => {
                self.session = None;
                Answer::Again
            }
            Going::Call => self.called(envelope),
        }
    }

    /// There was no answer.
    pub fn unanswered(&mut self) {
        self.going = None;
    }

    fn signed_in(&mut self, envelope: Envelope, asked_at: Monotonic) -> Answer {
        match envelope.code {
            0 => {}
            4 if self.bad_signatures == 0 => {
                self.bad_signatures += 1;
                return Answer::Again;
            }
            261 => {
                let again = self.other_node();
                return again.unwrap_or_else(|| Answer::Stopped(self.diagnosis(261)));
            }
            7 | 15 | 16 | 25 => return Answer::Stopped(self.diagnosis(envelope.code)),
            _ => return envelope.failed(),
        }
        let (token, secret) = (text(&envelope.dat["token"]), text(&envelope.dat["secret"]));
        let is_word = |word: &str| {
            (1..=256).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let lasts = int(&envelope.dat["expire"]).filter(|seconds| *seconds > 0);
        let (true, true, Some(lasts)) = (is_word(&token), is_word(&secret), lasts) else {
            self.session = None;
            return Answer::Failed {
                came: "a login without `token`, `secret` or `expire`".to_owned(),
                hint: "check that the address is that of a ShineMonitor API",
            };
        };
        let lasts = Millis::from_seconds(lasts.clamp(SHORTEST, LONGEST));
        let ahead = Millis(AHEAD.0.min(lasts.0 / 4));
        let ends_at = asked_at + lasts;
        self.session = Some(Session {
            token: Secret::new(token),
            secret: Secret::new(secret),
            renew_at: ends_at - ahead,
            ends_at,
        });
        Answer::Again
    }

    /// The account may live on the other node, which is remembered. `None`: that was tried as well.
    fn other_node(&mut self) -> Option<Answer> {
        self.session = None;
        if self.nodes_tried >= self.nodes.len() {
            return None;
        }
        self.nodes_tried += 1;
        self.node = (self.node + 1) % self.nodes.len();
        Some(Answer::Again)
    }

    fn called(&mut self, envelope: Envelope) -> Answer {
        match envelope.code {
            4 => {
                self.bad_signatures += 1;
                match self.bad_signatures {
                    1 => return Answer::Again,
                    2 => {
                        self.session = None;
                        return Answer::Again;
                    }
                    _ => {
                        self.bad_signatures = 0;
                        return envelope.failed();
                    }
                }
            }
            10 => {
                self.session = None;
                self.ended += 1;
                if self.ended == 1 {
                    return Answer::Again;
                }
                self.ended = 0;
                return envelope.failed();
            }
            // It let us in. Both may, and send us to each other.
            261 => {
                return self.other_node().unwrap_or_else(|| {
                    self.nodes_tried = 1;
                    envelope.failed()
                });
            }
            15 | 16 | 25 => {
                self.session = None;
                return Answer::Stopped(self.diagnosis(envelope.code));
            }
            // Timed out, failed inside, too many.
            1..=3 | 5 | 13 => return envelope.failed(),
            _ => {}
        }
        self.bad_signatures = 0;
        self.ended = 0;
        self.nodes_tried = 1;
        match envelope.code {
            0 => Answer::Dat(envelope.dat),
            12 | 264 => Answer::Empty,
            code => Answer::Refused {
                code,
                text: envelope.words(),
            },
        }
    }

    /// What is wrong, in words of somebody who can put it right.
    fn diagnosis(&self, code: i64) -> String {
        let user = &self.account.user;
        let what = match code {
            15 => "the cloud does not know the company key; take that of the brand whose app the account was made in as company_key".to_owned(),
            16 => format!("the cloud refuses user \"{user}\" with this password; check user and the password in password_file"),
            25 => format!("the cloud has frozen the account of \"{user}\"; ask the vendor"),
            261 => format!("the cloud does not know user \"{user}\", on none of its nodes; check user and url"),
            _ => "the cloud misses something at login; check user and company_key".to_owned(),
        };
        format!("{what}, then start again (error {code})")
    }
}

/// Base addresses, the configured one first.
fn nodes(url: &str) -> Vec<String> {
    let url = url.trim();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let base = url.trim_end_matches('/');
    let base = if rest.trim_end_matches('/').contains('/') {
        format!("{base}/")
    } else {
        format!("{base}/public/")
    };
    let other = NODES.iter().find_map(|(one, two)| {
        let moved = |from: &str, to: &str| base.contains(from).then(|| base.replacen(from, to, 1));
        moved(one, two).or_else(|| moved(two, one))
    });
    std::iter::once(base).chain(other).collect()
}

fn signed(session: &Session, salt: &str, tail: &str) -> String {
    let (secret, token) = (session.secret.expose(), session.token.expose());
    let parts = [salt, secret, token, tail].map(str::as_bytes);
    let sign = sign::hex_text(&sign::digest(&parts));
    format!("sign={sign}&salt={salt}&token={token}{tail}")
}

/// The envelope of an answer.
struct Envelope {
    code: i64,
    desc: String,
    dat: Value,
}

impl Envelope {
    /// Some answers come as those of JSONP, `null({…})`.
    fn read(reply: &http::Response<Vec<u8>>) -> Result<Self, String> {
        if reply.status() != StatusCode::OK {
            return Err(format!("HTTP {}", reply.status().as_u16()));
        }
        let body = reply.body().trim_ascii();
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        if body.first() == Some(&b'<') {
            return Err("a web page in place of JSON".to_owned());
        }
        let inner = body.iter().position(|byte| *byte == b'(');
        let called = inner.filter(|_| body.first() != Some(&b'{') && body.last() == Some(&b')'));
        let json = called
            .and_then(|at| body.get(at + 1..body.len() - 1))
            .unwrap_or(body);
        let mut value: Value = serde_json::from_slice(json)
            .map_err(|_| format!("{} bytes that are no JSON", reply.body().len()))?;
        let Some(code) = int(&value["err"]) else {
            return Err("JSON without `err`".to_owned());
        };
        Ok(Self {
            code,
            desc: text(&value["desc"])
                .chars()
                .filter(|c| !c.is_control())
                .take(120)
                .collect(),
            dat: value.get_mut("dat").map(Value::take).unwrap_or_default(),
        })
    }

    fn words(&self) -> String {
        format!("error {} {}", self.code, self.desc).trim_end().to_owned()
    }

    fn failed(&self) -> Answer {
        Answer::Failed {
            came: self.words(),
            hint: "the cloud has trouble or refuses for now; it is asked again, less and less often",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_path_and_maybe_another_node() {
        for (url, expected) in [
            (
                "https://web.shinemonitor.com/public/",
                &[
                    "https://web.shinemonitor.com/public/",
                    "https://web1.shinemonitor.com/public/",
                ][..],
            ),
            (
                "https://android1.shinemonitor.com",
                &[
                    "https://android1.shinemonitor.com/public/",
                    "https://android.shinemonitor.com/public/",
                ],
            ),
            (
                "https://api.dessmonitor.com/remote",
                &["https://api.dessmonitor.com/remote/"],
            ),
            ("http://127.0.0.1:8080/", &["http://127.0.0.1:8080/public/"]),
        ] {
            assert_eq!(nodes(url), expected, "{url}");
        }
    }

    #[test]
    fn answers_are_read_in_the_shapes_that_come() {
        let read = |status: u16, body: &str| {
            let reply = http::Response::builder()
                .status(status)
                .body(body.as_bytes().to_vec());
            Envelope::read(&reply.unwrap()).map(|envelope| (envelope.code, envelope.desc, envelope.dat))
        };
        let ok = |code, desc: &str, dat| Ok((code, desc.to_owned(), dat));
        let one = serde_json::json!({"a": 1});
        for body in [
            r#"{"err":0,"desc":"ERR_NONE","dat":{"a":1}}"#,
            r#" null({"err":0,"desc":"ERR_NONE","dat":{"a":1}})"#,
            "\u{feff}jQuery1_2({\"err\":\"0\",\"desc\":\"ERR_NONE\",\"dat\":{\"a\":1}})\n",
        ] {
            assert_eq!(read(200, body), ok(0, "ERR_NONE", one.clone()), "{body}");
        }
        assert_eq!(read(200, r#"{"err":12}"#), ok(12, "", Value::Null));
        for (status, body, expected) in [
            (502, "", "HTTP 502"),
            (200, "<html>", "a web page in place of JSON"),
            (200, "", "0 bytes that are no JSON"),
            (200, r#"{"err":0,"dat":{"a""#, "19 bytes that are no JSON"),
            (200, "[]", "JSON without `err`"),
            (200, r#"{"err":1e99}"#, "JSON without `err`"),
            (200, r#"{"err":{}}"#, "JSON without `err`"),
            (200, "null(", "5 bytes that are no JSON"),
        ] {
            assert_eq!(read(status, body), Err(expected.to_owned()), "{body}");
        }
    }
}
