//! What charger and client say to each other, from and to the bytes of a WebSocket message.
//!
//! A message is JSON, or a zero byte (which some builds leave out) and MessagePack. Read liberally: unknown types
//! and members pass, flags may be numbers, ids may be numbers or texts. Written as JSON text, which both sides
//! take always. Source: reference 6.1 and 6.3, and section 6 of what its clients do.

use serde_json::{Map, Value, json};

use super::hash::{HashKind, PasswordKey};
use super::msgpack;

/// The longest message that is looked at. A full status comes in parts of a few kB.
pub const MOST_BYTES: usize = 1_000_000;
/// What a client hangs to the id of a secured message.
const SECURED_MARK: &str = "sm";

/// Why a message is no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a message of {length} bytes, expected at most {MOST_BYTES}")]
    TooLong { length: usize },
    #[error("a message that is neither JSON nor MessagePack")]
    Unreadable,
    #[error("a message without a type")]
    NoType,
    #[error("`{kind}` without `{member}`")]
    Missing {
        kind: &'static str,
        member: &'static str,
    },
}

/// What a charger says of itself, before anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    pub serial: String,
    pub hostname: String,
    pub friendly_name: String,
    pub manufacturer: String,
    pub devicetype: String,
    pub devicesubtype: String,
    /// Firmware.
    pub version: String,
    pub protocol: i64,
    /// Writes must be signed.
    pub secured: bool,
}

/// The charger wants the password proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthRequired {
    pub token1: String,
    pub token2: String,
    /// `None`: it does not say.
    pub hash: Option<HashKind>,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// As the request had it, but always as text; with `sm` at the end when it was secured.
    pub request_id: String,
    pub success: bool,
    /// The key as it is now.
    pub status: Map<String, Value>,
    /// Why not.
    pub message: Option<String>,
}

/// What a charger says.
#[derive(Clone, Debug, PartialEq)]
pub enum FromCharger {
    Hello(Hello),
    AuthRequired(AuthRequired),
    AuthSuccess,
    AuthError {
        message: String,
    },
    /// Probably: no password is set.
    AuthImpossible,
    /// Some of all keys; more follow while `partial`.
    FullStatus {
        partial: bool,
        status: Map<String, Value>,
    },
    /// Keys that have changed.
    DeltaStatus {
        status: Map<String, Value>,
    },
    Response(Response),
    /// A type that says nothing to us.
    Other {
        kind: String,
    },
}

/// A client's answer to [`AuthRequired`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    pub token3: String,
    pub hash: String,
}

/// A write.
#[derive(Clone, Debug, PartialEq)]
pub struct SetValue {
    /// A number is kept as its digits.
    pub request_id: String,
    pub key: String,
    pub value: Value,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq)]
pub enum ToCharger {
    Auth(Auth),
    SetValue(SetValue),
    /// Another message, as text, with its signature.
    Secured {
        data: String,
        request_id: String,
        hmac: String,
    },
    Other {
        kind: String,
    },
}

impl FromCharger {
    /// # Errors
    /// When the message is no frame.
    pub fn decode(message: &[u8]) -> Result<Self, FrameError> {
        let mut object = Object::read(message)?;
        let kind = object.text("type").ok_or(FrameError::NoType)?;
        Ok(match kind.as_str() {
            "hello" => Self::Hello(object.hello()),
            "authRequired" => Self::AuthRequired(AuthRequired {
                token1: object.needed("authRequired", "token1")?,
                token2: object.needed("authRequired", "token2")?,
                hash: object.text("hash").and_then(|name| HashKind::from_name(&name)),
            }),
            "authSuccess" => Self::AuthSuccess,
            "authError" => Self::AuthError {
                message: object.text("message").unwrap_or_default(),
            },
            "authImpossible" => Self::AuthImpossible,
            "fullStatus" => Self::FullStatus {
                partial: object.flag("partial"),
                status: object.map("status"),
            },
            "deltaStatus" => Self::DeltaStatus {
                status: object.map("status"),
            },
            "response" => Self::Response(Response {
                request_id: object.needed("response", "requestId")?,
                success: object.flag("success"),
                status: object.map("status"),
                message: object.text("message"),
            }),
            _ => Self::Other { kind },
        })
    }

    /// As JSON text.
    #[must_use]
    pub fn encode(&self) -> String {
        match self {
            Self::Hello(hello) => json!({
                "type": "hello",
                "serial": hello.serial,
                "hostname": hello.hostname,
                "friendly_name": hello.friendly_name,
                "manufacturer": hello.manufacturer,
                "devicetype": hello.devicetype,
                "devicesubtype": hello.devicesubtype,
                "version": hello.version,
                "protocol": hello.protocol,
                "secured": hello.secured,
            }),
            Self::AuthRequired(wanted) => {
                let mut frame = json!({
                    "type": "authRequired",
                    "token1": wanted.token1,
                    "token2": wanted.token2,
                });
                if let Some(hash) = wanted.hash {
                    frame["hash"] = hash.name().into();
                }
                frame
            }
            Self::AuthSuccess => json!({"type": "authSuccess"}),
            Self::AuthError { message } => json!({"type": "authError", "message": message}),
            Self::AuthImpossible => json!({"type": "authImpossible"}),
            Self::FullStatus { partial, status } => {
                json!({"type": "fullStatus", "partial": partial, "status": status})
            }
            Self::DeltaStatus { status } => json!({"type": "deltaStatus", "status": status}),
            Self::Response(response) => {
                let mut frame = json!({
                    "type": "response",
                    "requestId": response.request_id,
                    "success": response.success,
                });
                if let Some(message) = &response.message {
                    frame["message"] = message.as_str().into();
                } else {
                    frame["status"] = response.status.clone().into();
                }
                frame
            }
            Self::Other { kind } => json!({"type": kind}),
        }
        .to_string()
    }
}

impl ToCharger {
    /// # Errors
    /// When the message is no frame.
    pub fn decode(message: &[u8]) -> Result<Self, FrameError> {
        let mut object = Object::read(message)?;
        let kind = object.text("type").ok_or(FrameError::NoType)?;
        Ok(match kind.as_str() {
            "auth" => Self::Auth(Auth {
                token3: object.needed("auth", "token3")?,
                hash: object.needed("auth", "hash")?,
            }),
            "setValue" => Self::SetValue(SetValue {
                request_id: object.text("requestId").unwrap_or_default(),
                key: object.needed("setValue", "key")?,
                value: object.take("value").ok_or(FrameError::Missing {
                    kind: "setValue",
                    member: "value",
                })?,
            }),
            "securedMsg" => Self::Secured {
                data: object.needed("securedMsg", "data")?,
                request_id: object.text("requestId").unwrap_or_default(),
                hmac: object.needed("securedMsg", "hmac")?,
            },
            _ => Self::Other { kind },
        })
    }

    /// As JSON text.
    #[must_use]
    pub fn encode(&self) -> String {
        match self {
            Self::Auth(auth) => json!({"type": "auth", "token3": auth.token3, "hash": auth.hash}),
            Self::SetValue(set) => json!({
                "type": "setValue",
                "requestId": id(&set.request_id),
                "key": set.key,
                "value": set.value,
            }),
            Self::Secured {
                data,
                request_id,
                hmac,
            } => json!({"type": "securedMsg", "data": data, "requestId": request_id, "hmac": hmac}),
            Self::Other { kind } => json!({"type": kind}),
        }
        .to_string()
    }

    /// A write, signed for a charger that wants it so.
    #[must_use]
    pub fn secured(set: SetValue, key: &PasswordKey) -> Self {
        let request_id = format!("{}{SECURED_MARK}", set.request_id);
        let data = Self::SetValue(set).encode();
        let hmac = key.sign(&data);
        Self::Secured {
            data,
            request_id,
            hmac,
        }
    }
}

impl Response {
    /// The id of the write that this answers, secured or not.
    #[must_use]
    pub fn answers(&self) -> &str {
        self.request_id
            .strip_suffix(SECURED_MARK)
            .unwrap_or(&self.request_id)
    }
}

/// Clients number their requests; a charger takes both.
fn id(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}

/// The members of a frame.
struct Object(Map<String, Value>);

impl Object {
    fn read(message: &[u8]) -> Result<Self, FrameError> {
        let length = message.len();
        if length > MOST_BYTES {
            return Err(FrameError::TooLong { length });
        }
        let packed = match message {
            [0, packed @ ..] => Some(packed),
            // A map of MessagePack; no JSON begins with such a byte.
            [0x80..=0x8f | 0xde | 0xdf, ..] => Some(message),
            _ => None,
        };
        let value = match packed {
            Some(packed) => msgpack::read(packed),
            None => serde_json::from_slice(message).ok(),
        };
        match value {
            Some(Value::Object(object)) => Ok(Self(object)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_))
            | None => Err(FrameError::Unreadable),
        }
    }

    fn take(&mut self, member: &str) -> Option<Value> {
        self.0.get_mut(member).map(Value::take)
    }

    /// A text, or a number as its digits.
    fn text(&mut self, member: &str) -> Option<String> {
        match self.take(member)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn needed(&mut self, kind: &'static str, member: &'static str) -> Result<String, FrameError> {
        self.text(member).ok_or(FrameError::Missing { kind, member })
    }

    fn flag(&mut self, member: &str) -> bool {
        match self.take(member) {
            Some(Value::Bool(flag)) => flag,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_)) | None => false,
        }
    }

    fn map(&mut self, member: &str) -> Map<String, Value> {
        match self.take(member) {
            Some(Value::Object(map)) => map,
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_))
            | None => Map::new(),
        }
    }

    fn hello(&mut self) -> Hello {
        let protocol = self.take("protocol").and_then(|protocol| protocol.as_i64());
        let mut text = |member| self.text(member).unwrap_or_default();
        Hello {
            serial: text("serial"),
            hostname: text("hostname"),
            friendly_name: text("friendly_name"),
            manufacturer: text("manufacturer"),
            devicetype: text("devicetype"),
            devicesubtype: text("devicesubtype"),
            version: text("version"),
            protocol: protocol.unwrap_or(0),
            secured: self.flag("secured"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn from_charger(frame: &str, expected: FromCharger) {
        assert_eq!(
            FromCharger::decode(frame.as_bytes()),
            Ok(expected.clone()),
            "{frame}"
        );
        let again = expected.encode();
        assert_eq!(FromCharger::decode(again.as_bytes()), Ok(expected), "{again}");
    }

    #[test]
    fn what_a_charger_says_is_read_and_written() {
        from_charger(
            r#"{"type":"hello","serial":"000001","hostname":"go-eCharger_000001","friendly_name":"garage",
               "manufacturer":"go-e","devicetype":"go-eCharger_V4","version":"59.4","protocol":2,"secured":1}"#,
            FromCharger::Hello(Hello {
                serial: "000001".to_owned(),
                hostname: "go-eCharger_000001".to_owned(),
                friendly_name: "garage".to_owned(),
                manufacturer: "go-e".to_owned(),
                devicetype: "go-eCharger_V4".to_owned(),
                devicesubtype: String::new(),
                version: "59.4".to_owned(),
                protocol: 2,
                secured: true,
            }),
        );
        for (hash, expected) in [
            (r#","hash":"bcrypt""#, Some(HashKind::Bcrypt)),
            (r#","hash":"pbkdf2""#, Some(HashKind::Pbkdf2)),
            ("", None),
        ] {
            from_charger(
                &format!(r#"{{"type":"authRequired","token1":"aa","token2":"bb"{hash}}}"#),
                FromCharger::AuthRequired(AuthRequired {
                    token1: "aa".to_owned(),
                    token2: "bb".to_owned(),
                    hash: expected,
                }),
            );
        }
        from_charger(r#"{"type":"authSuccess"}"#, FromCharger::AuthSuccess);
        from_charger(r#"{"type":"authImpossible"}"#, FromCharger::AuthImpossible);
        from_charger(
            r#"{"type":"authError","message":"Wrong password"}"#,
            FromCharger::AuthError {
                message: "Wrong password".to_owned(),
            },
        );
        from_charger(
            r#"{"type":"fullStatus","partial":true,"status":{"amp":16,"nrg":[1.5]}}"#,
            FromCharger::FullStatus {
                partial: true,
                status: map(json!({"amp": 16, "nrg": [1.5]})),
            },
        );
        from_charger(
            r#"{"type":"deltaStatus","status":{"rbt":1}}"#,
            FromCharger::DeltaStatus {
                status: map(json!({"rbt": 1})),
            },
        );
        from_charger(
            r#"{"type":"response","requestId":"7sm","success":true,"status":{"amp":10}}"#,
            FromCharger::Response(Response {
                request_id: "7sm".to_owned(),
                success: true,
                status: map(json!({"amp": 10})),
                message: None,
            }),
        );
        from_charger(
            r#"{"type":"response","requestId":7,"success":false,"message":"no"}"#,
            FromCharger::Response(Response {
                request_id: "7".to_owned(),
                success: false,
                status: Map::new(),
                message: Some("no".to_owned()),
            }),
        );
        from_charger(
            r#"{"type":"clearInverters"}"#,
            FromCharger::Other {
                kind: "clearInverters".to_owned(),
            },
        );
    }

    #[test]
    fn messagepack_is_read_with_and_without_its_mark() {
        let packed = b"\x82\xa4type\xabdeltaStatus\xa6status\x81\xa3amp\x06";
        let expected = FromCharger::DeltaStatus {
            status: map(json!({"amp": 6})),
        };
        assert_eq!(FromCharger::decode(packed), Ok(expected.clone()));
        assert_eq!(FromCharger::decode(&[b"\0", &packed[..]].concat()), Ok(expected));
    }

    #[test]
    fn what_a_client_says_is_read_and_written() {
        for (frame, expected) in [
            (
                r#"{"type":"auth","token3":"cc","hash":"dd","requestId":1}"#,
                ToCharger::Auth(Auth {
                    token3: "cc".to_owned(),
                    hash: "dd".to_owned(),
                }),
            ),
            (
                r#"{"type": "setValue", "requestId": 7, "key": "trx", "value": null}"#,
                ToCharger::SetValue(SetValue {
                    request_id: "7".to_owned(),
                    key: "trx".to_owned(),
                    value: Value::Null,
                }),
            ),
            (
                r#"{"type":"pairInverter"}"#,
                ToCharger::Other {
                    kind: "pairInverter".to_owned(),
                },
            ),
        ] {
            assert_eq!(
                ToCharger::decode(frame.as_bytes()),
                Ok(expected.clone()),
                "{frame}"
            );
            let again = expected.encode();
            assert_eq!(ToCharger::decode(again.as_bytes()), Ok(expected), "{again}");
        }
    }

    #[test]
    fn a_secured_write_is_signed_over_its_text() {
        let key = PasswordKey::new(HashKind::Bcrypt, "correct horse", "000001");
        let set = SetValue {
            request_id: "12".to_owned(),
            key: "amp".to_owned(),
            value: json!(10),
        };
        let frame = ToCharger::secured(set.clone(), &key).encode();
        let Ok(ToCharger::Secured {
            data,
            request_id,
            hmac,
        }) = ToCharger::decode(frame.as_bytes())
        else {
            panic!("{frame}")
        };
        assert_eq!(request_id, "12sm");
        assert!(key.has_signed(&data, &hmac));
        assert_eq!(ToCharger::decode(data.as_bytes()), Ok(ToCharger::SetValue(set)));
        // The number stays one.
        assert!(data.contains("\"requestId\":12,"), "{data}");
        let response = |request_id: &str| Response {
            request_id: request_id.to_owned(),
            success: true,
            status: Map::new(),
            message: None,
        };
        assert_eq!(
            (response("12sm").answers(), response("12").answers()),
            ("12", "12")
        );
    }

    #[test]
    fn what_is_no_frame_is_named() {
        for (message, expected) in [
            (&b""[..], "a message that is neither JSON nor MessagePack"),
            (b"[]", "a message that is neither JSON nor MessagePack"),
            (b"\0", "a message that is neither JSON nor MessagePack"),
            (b"\xff\xfe", "a message that is neither JSON nor MessagePack"),
            (b"{}", "a message without a type"),
            (b"{\"type\":null}", "a message without a type"),
            (
                b"{\"type\":\"authRequired\",\"token1\":\"a\"}",
                "`authRequired` without `token2`",
            ),
            (b"{\"type\":\"response\"}", "`response` without `requestId`"),
        ] {
            assert_eq!(FromCharger::decode(message).unwrap_err().to_string(), expected);
        }
        for (message, expected) in [
            (
                &b"{\"type\":\"auth\",\"hash\":\"a\"}"[..],
                "`auth` without `token3`",
            ),
            (b"{\"type\":\"setValue\",\"value\":1}", "`setValue` without `key`"),
            (
                b"{\"type\":\"setValue\",\"key\":\"amp\"}",
                "`setValue` without `value`",
            ),
            (
                b"{\"type\":\"securedMsg\",\"data\":\"\"}",
                "`securedMsg` without `hmac`",
            ),
        ] {
            assert_eq!(ToCharger::decode(message).unwrap_err().to_string(), expected);
        }
        let long = vec![b' '; MOST_BYTES + 1];
        assert_eq!(
            FromCharger::decode(&long),
            Err(FrameError::TooLong { length: 1_000_001 })
        );
    }

    proptest! {
        #[test]
        fn decoders_never_panic(message in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = FromCharger::decode(&message);
            let _ = ToCharger::decode(&message);
        }
    }
}
