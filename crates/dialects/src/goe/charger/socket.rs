//! One client at the charger's WebSocket: who it is, what it has been shown, what it wants.
//!
//! Nothing is told before the password is proved. Then comes the whole status in several frames, and from then on what
//! has changed, each time [`Session::changes`] is asked. A write must be signed; what was checked is acknowledged at
//! once and takes effect when the charger's logic runs next.

use model::time::Now;
use serde_json::{Map, Value};

use super::Charger;
use crate::goe::ws::{
    Auth, AuthRequired, FrameError, FromCharger, HashKind, Hello, PasswordKey, Response, SetValue, ToCharger,
};

/// Keys in one frame of the whole status.
const KEYS_A_FRAME: usize = 60;
const PROTOCOL: i64 = 2;

/// How a charger keeps its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    pub kind: HashKind,
    pub key: PasswordKey,
}

/// Whether a write does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Real,
    /// Acknowledged and forgotten, as firmware 60.3 did with some keys (API-v2#306).
    None,
}

/// One link.
#[derive(Clone, Debug)]
pub struct Session {
    password: Option<Password>,
    token1: String,
    token2: String,
    /// What the client knows; `None` before it has proved the password.
    shown: Option<Map<String, Value>>,
}

impl Session {
    /// Without a password nobody gets in.
    #[must_use]
    pub const fn new(password: Option<Password>, token1: String, token2: String) -> Self {
        Self {
            password,
            token1,
            token2,
            shown: None,
        }
    }

    /// What the charger says first.
    #[must_use]
    pub fn greeting(&self, charger: &Charger) -> Vec<FromCharger> {
        let keys = charger.keys();
        let text = |key: &str| {
            let value = keys.get(key).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let serial = text("sse");
        let hello = FromCharger::Hello(Hello {
            hostname: format!("go-eCharger_{serial}"),
            serial,
            friendly_name: text("fna"),
            manufacturer: text("oem"),
            devicetype: text("typ"),
            devicesubtype: text("styp"),
            version: text("fwv"),
            protocol: PROTOCOL,
            secured: true,
        });
        let next = match &self.password {
            Some(password) => FromCharger::AuthRequired(AuthRequired {
                token1: self.token1.clone(),
                token2: self.token2.clone(),
                hash: Some(password.kind),
            }),
            None => FromCharger::AuthImpossible,
        };
        vec![hello, next]
    }

    /// What the charger answers to a message.
    ///
    /// # Errors
    /// When the message is no frame; a charger says nothing to it.
    pub fn handle(
        &mut self,
        message: &[u8],
        charger: &mut Charger,
        effect: Effect,
        now: Now,
    ) -> Result<Vec<FromCharger>, FrameError> {
        Ok(match ToCharger::decode(message)? {
            ToCharger::Auth(auth) => self.authenticate(&auth, charger),
            // Whoever has not proved the password is told nothing, whatever is asked.
            ToCharger::SetValue(_) | ToCharger::Secured { .. } if self.shown.is_none() => Vec::new(),
            ToCharger::SetValue(set) => vec![refused(set.request_id, "this message must be secured")],
            ToCharger::Secured {
                data,
                request_id,
                hmac,
            } => {
                let signed = self
                    .password
                    .as_ref()
                    .is_some_and(|password| password.key.has_signed(&data, &hmac));
                match ToCharger::decode(data.as_bytes())? {
                    _ if !signed => vec![refused(request_id, "the signature is wrong")],
                    ToCharger::SetValue(set) => vec![write(charger, request_id, set, effect, now)],
                    ToCharger::Auth(_) | ToCharger::Secured { .. } | ToCharger::Other { .. } => Vec::new(),
                }
            }
            ToCharger::Other { .. } => Vec::new(),
        })
    }

    fn authenticate(&mut self, auth: &Auth, charger: &Charger) -> Vec<FromCharger> {
        let Some(password) = &self.password else {
            return vec![FromCharger::AuthImpossible];
        };
        let expected = password.key.answer(&self.token1, &self.token2, &auth.token3);
        if auth.hash != expected {
            return vec![FromCharger::AuthError {
                message: "Wrong password".to_owned(),
            }];
        }
        let keys = charger.keys().into_owned();
        let mut frames = vec![FromCharger::AuthSuccess];
        let mut left = keys.iter();
        while left.len() > 0 {
            let status = left
                .by_ref()
                .take(KEYS_A_FRAME)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            let partial = left.len() > 0;
            frames.push(FromCharger::FullStatus { partial, status });
        }
        self.shown = Some(keys);
        frames
    }

    /// The keys that have changed since the client was told last. Nothing before it has proved the password, and
    /// nothing when all is as it was.
    pub fn changes(&mut self, charger: &Charger) -> Option<FromCharger> {
        let shown = self.shown.as_mut()?;
        let keys = charger.keys();
        let changed = keys.iter().filter(|(key, value)| shown.get(*key) != Some(value));
        let status: Map<String, Value> = changed.map(|(key, value)| (key.clone(), value.clone())).collect();
        for (key, value) in &status {
            shown.insert(key.clone(), value.clone());
        }
        (!status.is_empty()).then_some(FromCharger::DeltaStatus { status })
    }
}

fn write(charger: &mut Charger, request_id: String, set: SetValue, effect: Effect, now: Now) -> FromCharger {
    match charger.write_value(&set.key, &set.value, effect, now) {
        Ok(()) => FromCharger::Response(Response {
            request_id,
            success: true,
            status: Map::from_iter([(set.key, set.value)]),
            message: None,
        }),
        Err(refusal) => refused(request_id, &refusal),
    }
}

fn refused(request_id: String, message: &str) -> FromCharger {
    FromCharger::Response(Response {
        request_id,
        success: false,
        status: Map::new(),
        message: Some(message.to_owned()),
    })
}
