//! The binary form of a frame: MessagePack, read into JSON.
//!
//! Only read: a charger takes JSON always. `rmp-serde` knows the formats; here stands what becomes of them. What JSON
//! has no word for is null (NaN, infinite) or refused (keys that are no text, extension types).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A status has four levels; deeper input is no frame.
const DEEPEST: usize = 16;

/// The value that `bytes` hold, all of them.
pub(super) fn read(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    let mut reader = rmp_serde::Deserializer::new(&mut rest);
    reader.set_max_depth(DEEPEST);
    let Json(value) = Json::deserialize(&mut reader).ok()?;
    rest.is_empty().then_some(value)
}

/// As `serde_json` would read it, except for bytes.
struct Json(Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read).map(Self)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what JSON has a word for")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    /// Null where it is no number.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    /// What some encoders make of a text.
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Value, E> {
        let text = std::str::from_utf8(bytes).map_err(E::custom)?;
        Ok(text.into())
    }

    /// A length is only believed as the entries come.
    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Json(value)) = entries.next_element()? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, Json(value))) = entries.next_entry::<String, _>()? {
            map.insert(key, value);
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_format_of_the_specification_is_read() {
        for (bytes, expected) in [
            (
                &b"\x82\xa3amp\x10\xa3alw\xc3"[..],
                Some(json!({"amp": 16, "alw": true})),
            ),
            (
                b"\xde\x00\x01\xa1a\xdc\x00\x02\x01\xff",
                Some(json!({"a": [1, -1]})),
            ),
            (
                b"\xdf\x00\x00\x00\x01\xa1a\xdd\x00\x00\x00\x01\xc0",
                Some(json!({"a": [null]})),
            ),
            (b"\xcc\xff", Some(json!(255))),
            (b"\xcd\x01\x00", Some(json!(256))),
            (b"\xce\x00\x01\x00\x00", Some(json!(65_536))),
            (
                b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00",
                Some(json!(4_294_967_296_u64)),
            ),
            (b"\xd0\x80", Some(json!(-128))),
            (b"\xd1\xff\x00", Some(json!(-256))),
            (b"\xd2\xff\xff\x00\x00", Some(json!(-65_536))),
            (
                b"\xd3\xff\xff\xff\xff\x00\x00\x00\x00",
                Some(json!(-4_294_967_296_i64)),
            ),
            (b"\xca\x3f\xc0\x00\x00", Some(json!(1.5))),
            (b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", Some(json!(1.5))),
            (b"\xca\x7f\xc0\x00\x00", Some(json!(null))),
            (b"\xd9\x02hi", Some(json!("hi"))),
            (b"\xda\x00\x02hi", Some(json!("hi"))),
            (b"\xdb\x00\x00\x00\x02hi", Some(json!("hi"))),
            (b"\xc4\x02hi", Some(json!("hi"))),
            (b"\x92\xc2\xe0", Some(json!([false, -32]))),
            (b"", None),
            (b"\x01\x01", None),
            (b"\x81\x01\x01", None),
            (b"\xa2h", None),
            (b"\xa1\xff", None),
            (b"\xc1", None),
            (b"\xd4\x01\x00", None),
            (b"\xdb\xff\xff\xff\xffx", None),
            (b"\xdd\xff\xff\xff\xff\x01", None),
        ] {
            assert_eq!(read(bytes), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| [vec![0x91; depth], vec![0x01]].concat();
        assert!(read(&nested(DEEPEST - 1)).is_some());
        assert!(read(&nested(DEEPEST)).is_none());
        assert!(read(&nested(1_000_000)).is_none());
    }
}
