//! The binary form of a frame: MessagePack, read into JSON.
//!
//! Only read: a charger takes JSON always. Source: the MessagePack specification, section "Formats". What JSON has
//! no word for is null (NaN, infinite) or refused (keys that are no text, extension types).

use serde_json::{Map, Number, Value};

/// A status has four levels; deeper input is no frame.
const DEEPEST: usize = 16;

/// The value that `bytes` hold, all of them.
pub(super) fn read(bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(DEEPEST)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        let [kind] = self.array()?;
        Some(match kind {
            0x00..=0x7f => Value::from(kind),
            0x80..=0x8f => self.map(usize::from(kind & 0x0f), depth)?,
            0x90..=0x9f => self.list(usize::from(kind & 0x0f), depth)?,
            0xa0..=0xbf => self.text(usize::from(kind & 0x1f))?,
            0xc0 => Value::Null,
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            0xca => number(f32::from_be_bytes(self.array()?).into()),
            0xcb => number(f64::from_be_bytes(self.array()?)),
            0xcc => u8::from_be_bytes(self.array()?).into(),
            0xcd => u16::from_be_bytes(self.array()?).into(),
            0xce => u32::from_be_bytes(self.array()?).into(),
            0xcf => u64::from_be_bytes(self.array()?).into(),
            0xd0 => i8::from_be_bytes(self.array()?).into(),
            0xd1 => i16::from_be_bytes(self.array()?).into(),
            0xd2 => i32::from_be_bytes(self.array()?).into(),
            0xd3 => i64::from_be_bytes(self.array()?).into(),
            0xd9..=0xdb => {
                let length = self.length(kind - 0xd9)?;
                self.text(length)?
            }
            // Bytes are what some encoders make of a text.
            0xc4..=0xc6 => {
                let length = self.length(kind - 0xc4)?;
                self.text(length)?
            }
            0xdc | 0xdd => {
                let length = self.length(kind - 0xdc + 1)?;
                self.list(length, depth)?
            }
            0xde | 0xdf => {
                let length = self.length(kind - 0xde + 1)?;
                self.map(length, depth)?
            }
            0xe0..=0xff => Value::from(i8::from_be_bytes([kind])),
            // Never used, and extensions.
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return None,
        })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }

    /// Of 1, 2 or 4 bytes.
    fn length(&mut self, power: u8) -> Option<usize> {
        match power {
            0 => Some(u8::from_be_bytes(self.array()?).into()),
            1 => Some(u16::from_be_bytes(self.array()?).into()),
            _ => usize::try_from(u32::from_be_bytes(self.array()?)).ok(),
        }
    }

    fn text(&mut self, length: usize) -> Option<Value> {
        String::from_utf8(self.take(length)?.to_vec())
            .ok()
            .map(Value::String)
    }

    /// The length is only believed as the entries come: each has a byte at least.
    fn list(&mut self, length: usize, depth: usize) -> Option<Value> {
        let mut list = Vec::new();
        for _ in 0..length {
            list.push(self.value(depth)?);
        }
        Some(Value::Array(list))
    }

    fn map(&mut self, length: usize, depth: usize) -> Option<Value> {
        let mut map = Map::new();
        for _ in 0..length {
            let Value::String(key) = self.value(1)? else {
                return None;
            };
            map.insert(key, self.value(depth)?);
        }
        Some(Value::Object(map))
    }
}

fn number(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
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
