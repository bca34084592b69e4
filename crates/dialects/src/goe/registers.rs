//! The Modbus registers of a charger, as data (`data/modbus.tsv`): a status to registers and back, writes to keys.
//!
//! A charger knows functions 3, 4 and 16. Holding and input registers overlap at 332 to 337 and nowhere else, so
//! that either function reads either kind there. Between two registers it holds zeros. Values of several words
//! come high word first unless the owner changed that (`msr`, `msb`). Source: reference 8.

use serde_json::{Map, Number, Value, json};

use super::keys::{self, Kind as KeyKind};
use super::value::{self, Reading};
use super::wire::{decimal, rounded};
use crate::modbus::Exception;

const TABLE: &str = include_str!("data/modbus.tsv");

/// Of these a value is in `nrg`, the rest of which is zero.
const NRG_LENGTH: usize = 16;
/// Steps of the button (`clp`).
const CLP_LENGTH: usize = 5;

/// Written: 0 blocks, 1 allows. Acts on `frc`.
pub const ALLOW: u16 = 200;
/// A, not kept over a restart as far as the vendor says (but see API-v2#310).
pub const AMPERE_VOLATILE: u16 = 299;
/// A, kept in flash.
pub const AMPERE_EEPROM: u16 = 300;
/// `psm`.
pub const PHASE_SWITCH_MODE: u16 = 332;
/// `frc`.
pub const FORCE_STATE: u16 = 337;

/// What changes from second to second: ranges for one request each.
pub const LIVE: [(Space, u16, u16); 4] = [
    (Space::Input, 100, 22),
    (Space::Input, 128, 32),
    (Space::Input, 200, 6),
    (Space::Holding, 332, 6),
];
/// What its owner set, and who it is.
pub const SETTINGS: [(Space, u16, u16); 3] = [
    (Space::Holding, 200, 19),
    (Space::Holding, 299, 2),
    (Space::Input, 304, 11),
];

/// Which kind of register, as function 3 or 4 asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Space {
    Holding,
    Input,
}

impl Space {
    const fn other(self) -> Self {
        match self {
            Self::Holding => Self::Input,
            Self::Input => Self::Holding,
        }
    }
}

/// In which order words and bytes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub high_word_first: bool,
    pub low_byte_first: bool,
}

impl Default for Order {
    /// As chargers are delivered.
    fn default() -> Self {
        Self {
            high_word_first: true,
            low_byte_first: false,
        }
    }
}

impl Order {
    /// As `msr` and `msb` of a status say.
    #[must_use]
    pub fn of(document: &Map<String, Value>) -> Self {
        let flag = |key: &str| document.get(key).and_then(Value::as_bool);
        let usual = Self::default();
        Self {
            high_word_first: flag("msr").unwrap_or(usual.high_word_first),
            low_byte_first: flag("msb").unwrap_or(usual.low_byte_first),
        }
    }

    /// From the wire's order to high first, or back.
    fn arrange(self, kind: Kind, words: &mut [u16]) {
        if !self.high_word_first && matches!(kind, Kind::U32 | Kind::F64) {
            words.reverse();
        }
        if self.low_byte_first {
            for word in words {
                *word = word.swap_bytes();
            }
        }
    }
}

/// What a read brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub space: Space,
    pub address: u16,
    pub values: Vec<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    U16,
    U32,
    F64,
    /// Two characters a register.
    Text,
    /// Two bytes a register, as hexadecimal digits in the status.
    Bytes,
    /// One number of an address a register.
    Octets,
    /// Flags, the first in the lowest bit.
    Bits,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
struct Row {
    space: Space,
    address: u16,
    words: u16,
    kind: Kind,
    factor: f64,
    is_writable: bool,
    /// Where the value stands; empty when a status does not have it.
    pointer: &'static str,
    is_opposite: bool,
}

impl Row {
    fn parse(line: &'static str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let space = match next()? {
            "holding" => Space::Holding,
            "input" => Space::Input,
            _ => return None,
        };
        let (address, words) = (next()?.parse().ok()?, next()?.parse().ok()?);
        next()?;
        let kind = match next()? {
            "u16" => Kind::U16,
            "u32" => Kind::U32,
            "f64" => Kind::F64,
            "text" => Kind::Text,
            "bytes" => Kind::Bytes,
            "octets" => Kind::Octets,
            "bits" => Kind::Bits,
            _ => return None,
        };
        let factor = next()?.parse().ok()?;
        let is_writable = next()? == "RW";
        let key = next()?;
        Some(Self {
            space,
            address,
            words,
            kind,
            factor,
            is_writable,
            pointer: key.strip_prefix('!').unwrap_or(key),
            is_opposite: key.starts_with('!'),
        })
    }

    /// The key, and the way from its value to ours.
    fn path(&self) -> Option<(&'static str, &'static str)> {
        let inside = self.pointer.strip_prefix('/')?;
        let end = inside.find('/').unwrap_or(inside.len());
        Some(inside.split_at(end))
    }

    fn in_status<'a>(&self, document: &'a Map<String, Value>) -> &'a Value {
        const NULL: &Value = &Value::Null;
        self.path()
            .and_then(|(key, rest)| document.get(key)?.pointer(rest))
            .unwrap_or(NULL)
    }

    /// High word and high byte first.
    fn encode(&self, value: &Value) -> Vec<u16> {
        let number = || match value {
            Value::Bool(flag) => f64::from(u8::from(*flag != self.is_opposite)),
            Value::Number(number) => number.as_f64().unwrap_or(0.0) * self.factor,
            // No limit.
            Value::Null if self.is_nullable() && self.kind == Kind::F64 => f64::INFINITY,
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => 0.0,
        };
        let text = value.as_str().unwrap_or_default();
        let words = usize::from(self.words);
        match self.kind {
            Kind::U16 => {
                let whole = rounded(number()).clamp(0, i64::from(u16::MAX));
                vec![u16::try_from(whole).unwrap_or(0)]
            }
            Kind::U32 => {
                let whole = rounded(number()).clamp(0, i64::from(u32::MAX));
                words_of(&u32::try_from(whole).unwrap_or(0).to_be_bytes(), words)
            }
            Kind::F64 => words_of(&number().to_be_bytes(), words),
            Kind::Text => words_of(text.as_bytes(), words),
            Kind::Bytes => {
                let pairs = text.as_bytes().as_chunks::<2>().0.iter();
                let bytes: Vec<u8> = pairs
                    .map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                    .collect();
                words_of(&bytes, words)
            }
            Kind::Octets => {
                let mut octets = text.split('.').map(|octet| octet.parse::<u8>().unwrap_or(0));
                (0..words).map(|_| octets.next().unwrap_or(0).into()).collect()
            }
            Kind::Bits => {
                let flags = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let set = flags
                    .iter()
                    .take(16)
                    .enumerate()
                    .filter(|(_, flag)| **flag == Value::Bool(true));
                vec![set.map(|(bit, _)| 1 << bit).sum()]
            }
        }
    }

    /// The value that words hold, high word and high byte first; `None` when they hold none.
    fn decode(&self, words: &[u16]) -> Option<Value> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        Some(match self.kind {
            Kind::U16 => self.number(u32::from(*words.first()?)),
            Kind::U32 => self.number(u32::from_be_bytes(*bytes.first_chunk()?)),
            Kind::F64 => {
                let number = f64::from_be_bytes(*bytes.first_chunk()?);
                if number == f64::INFINITY && self.is_nullable() {
                    Value::Null
                } else {
                    Value::Number(Number::from_f64(number)?)
                }
            }
            Kind::Text => {
                let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
                String::from_utf8_lossy(&bytes[..end]).trim_end().into()
            }
            Kind::Bytes => {
                let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
                if end == 0 {
                    return Some(Value::Null);
                }
                super::ws::hash::hex(&bytes[..end]).to_uppercase().into()
            }
            Kind::Octets => {
                let octets: Vec<String> = words.iter().map(u16::to_string).collect();
                octets.join(".").into()
            }
            Kind::Bits => {
                let flags = *words.first()?;
                (0..6).map(|bit| flags & 1 << bit != 0).collect::<Vec<_>>().into()
            }
        })
    }

    fn number(&self, raw: u32) -> Value {
        if self.key_kind() == Some(KeyKind::Bool) {
            return Value::Bool((raw != 0) != self.is_opposite);
        }
        // The steps of all registers are tenths and hundreds, or fit into a thousandth well enough.
        decimal(rounded(f64::from(raw) / self.factor * 1_000.0))
    }

    fn key_kind(&self) -> Option<KeyKind> {
        let (key, _) = self.path().filter(|(_, rest)| rest.is_empty())?;
        keys::find(key).map(|row| row.kind)
    }

    fn is_nullable(&self) -> bool {
        self.path()
            .filter(|(_, rest)| rest.is_empty())
            .and_then(|(key, _)| keys::find(key))
            .is_some_and(|row| row.nullable)
    }
}

fn rows(space: Space) -> impl Iterator<Item = Row> {
    TABLE
        .lines()
        .filter_map(Row::parse)
        .filter(move |row| row.space == space)
}

/// As many words as a register has; what is missing is zero.
fn words_of(bytes: &[u8], words: usize) -> Vec<u16> {
    let byte = |index: usize| bytes.get(index).copied().unwrap_or(0);
    (0..words)
        .map(|word| u16::from_be_bytes([byte(2 * word), byte(2 * word + 1)]))
        .collect()
}

/// What `count` registers from `address` on hold for a charger with this status.
///
/// # Errors
/// When none of them exists.
pub fn read(
    document: &Map<String, Value>,
    space: Space,
    address: u16,
    count: u16,
    order: Order,
) -> Result<Vec<u16>, Exception> {
    let mut values = vec![0; usize::from(count)];
    let mut found = false;
    // Where both kinds exist, the one asked for is written last.
    for row in rows(space.other()).chain(rows(space)) {
        let covered = usize::from(address)..usize::from(address) + usize::from(count);
        let own = usize::from(row.address)..usize::from(row.address) + usize::from(row.words);
        if own.end <= covered.start || covered.end <= own.start {
            continue;
        }
        found = true;
        let mut words = row.encode(row.in_status(document));
        order.arrange(row.kind, &mut words);
        for (at, word) in own.zip(words) {
            if let Some(slot) = at.checked_sub(covered.start).and_then(|at| values.get_mut(at)) {
                *slot = word;
            }
        }
    }
    if found {
        Ok(values)
    } else {
        Err(Exception::IllegalAddress)
    }
}

/// The keys and values that a write to registers means, in the order of the registers.
///
/// # Errors
/// When one of them does not exist, is only read or is not written whole; when a value is none for its key.
pub fn write(
    document: &Map<String, Value>,
    address: u16,
    values: &[u16],
    order: Order,
) -> Result<Vec<(String, Value)>, Exception> {
    let mut writes: Vec<(String, Value)> = Vec::new();
    let (mut at, mut rest) = (address, values);
    while !rest.is_empty() {
        let row = rows(Space::Holding)
            .find(|row| row.address == at && row.is_writable)
            .ok_or(Exception::IllegalAddress)?;
        let (words, after) = rest
            .split_at_checked(usize::from(row.words))
            .ok_or(Exception::IllegalAddress)?;
        (at, rest) = (at.saturating_add(row.words), after);
        let mut words = words.to_vec();
        order.arrange(row.kind, &mut words);
        let before = |key: &str| {
            let written = writes.iter().rev().find(|(written, _)| written == key);
            written.map(|(_, value)| value).or_else(|| document.get(key))
        };
        let (key, value) = written(&row, &words, before)?;
        if value::check(&key, &value.to_string(), Reading::Strict)
            .refusal
            .is_some()
        {
            return Err(Exception::IllegalValue);
        }
        writes.push((key, value));
    }
    Ok(writes)
}

fn written<'a>(
    row: &Row,
    words: &[u16],
    before: impl Fn(&str) -> Option<&'a Value>,
) -> Result<(String, Value), Exception> {
    let raw = words.first().copied().unwrap_or(0);
    let (key, rest) = row.path().ok_or(Exception::IllegalAddress)?;
    if row.address == ALLOW {
        return match raw {
            0 => Ok(("frc".to_owned(), json!(1))),
            1 => Ok(("frc".to_owned(), json!(0))),
            _ => Err(Exception::IllegalValue),
        };
    }
    if row.key_kind() == Some(KeyKind::Bool) && raw > 1 {
        return Err(Exception::IllegalValue);
    }
    let value = row.decode(words).ok_or(Exception::IllegalValue)?;
    if value.as_f64().is_some_and(|number| number < 0.0) {
        return Err(Exception::IllegalValue);
    }
    let Some(index) = rest
        .strip_prefix('/')
        .and_then(|index| index.parse::<usize>().ok())
    else {
        return Ok((key.to_owned(), value));
    };
    // A step of the button; 0 is not used.
    if !matches!(raw, 0 | 6..=32) {
        return Err(Exception::IllegalValue);
    }
    let mut list = before(key).and_then(Value::as_array).cloned().unwrap_or_default();
    list.resize(list.len().max(CLP_LENGTH), json!(0));
    if let Some(slot) = list.get_mut(index) {
        *slot = value;
    }
    Ok((key.to_owned(), list.into()))
}

/// The keys that registers tell, as a status has them. Cards are not: their names are in no register.
///
/// The total power is in hundredths of a watt by the vendor's text and in tenths by what clients read: what comes
/// closer to volts times amperes counts.
#[must_use]
pub fn decode_status(blocks: &[Block], order: Order) -> Map<String, Value> {
    let mut status = Map::new();
    for row in rows(Space::Input).chain(rows(Space::Holding)) {
        let Some((key, rest)) = row.path() else { continue };
        let Some(mut words) = find(blocks, &row) else {
            continue;
        };
        order.arrange(row.kind, &mut words);
        let Some(value) = row.decode(&words) else { continue };
        let is_zero = words.iter().all(|word| *word == 0);
        match (key, rest.strip_prefix('/')) {
            ("cards" | "ccw", _) => {}
            // Nobody, or somebody without a card.
            ("trx", _) if is_zero => {}
            ("cbl", _) if is_zero => {
                status.insert(key.to_owned(), Value::Null);
            }
            (_, None) => {
                status.insert(key.to_owned(), value);
            }
            (_, Some(index)) => {
                let length = if key == "nrg" { NRG_LENGTH } else { CLP_LENGTH };
                let list = status
                    .entry(key)
                    .or_insert_with(|| Value::Array(vec![json!(0); length]));
                if let Some(slot) = index.parse::<usize>().ok().and_then(|index| list.get_mut(index)) {
                    *slot = value;
                }
            }
        }
    }
    scale_total(&mut status);
    status
}

/// The words of a register, when a block of its kind has them all; of the other kind only where the two do not
/// overlap.
fn find(blocks: &[Block], row: &Row) -> Option<Vec<u16>> {
    let overlaps = rows(row.space.other())
        .any(|other| row.address < other.address + other.words && other.address < row.address + row.words);
    blocks
        .iter()
        .filter(|block| block.space == row.space || !overlaps)
        .find_map(|block| {
            let start = usize::from(row.address.checked_sub(block.address)?);
            let words = block.values.get(start..start + usize::from(row.words))?;
            Some(words.to_vec())
        })
}

fn scale_total(status: &mut Map<String, Value>) {
    let Some(Value::Array(nrg)) = status.get_mut("nrg") else {
        return;
    };
    let number = |index: usize| nrg.get(index).and_then(Value::as_f64).unwrap_or(0.0);
    let seen: f64 = (0..3).map(|phase| number(phase) * number(4 + phase)).sum();
    let (hundredths, tenths) = (number(11), number(11) * 10.0);
    if (tenths - seen).abs() < (hundredths - seen).abs()
        && let Some(total) = nrg.get_mut(11)
    {
        *total = decimal(rounded(tenths * 1_000.0));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::goe::Variant;

    fn charging() -> Map<String, Value> {
        let mut status = Variant::V4.document();
        for (key, value) in [
            ("sse", json!("000001")),
            ("fwv", json!("59.4")),
            ("car", json!(2)),
            ("cbl", json!(32)),
            ("alw", json!(true)),
            ("amp", json!(16)),
            ("frc", json!(2)),
            ("psm", json!(2)),
            ("dwo", json!(null)),
            ("trx", json!(3)),
            ("eto", json!(6_733_293)),
            ("wh", json!(277.7)),
            ("lri", json!("04AABBCC")),
            ("pha", json!([true, true, true, true, true, true])),
            (
                "nrg",
                json!([
                    236.2, 235.3, 235.3, 3.4, 12.34, 12.3, 12.3, 2914.7, 2894.2, 2894.2, 0, 8703.1, 99, 98,
                    97, 0
                ]),
            ),
        ] {
            status.insert(key.to_owned(), value);
        }
        status
    }

    fn check(space: Space, address: u16, expected: &[u16]) {
        let count = u16::try_from(expected.len()).unwrap();
        let read = read(&charging(), space, address, count, Order::default());
        assert_eq!(read.as_deref(), Ok(expected), "{space:?} {address}");
    }

    #[test]
    fn every_row_of_the_table_is_read() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        let rows: Vec<Row> = rows(Space::Holding).chain(rows(Space::Input)).collect();
        assert_eq!((lines, rows.len()), (63, 63));
        let mut unknown = Vec::new();
        for row in rows {
            assert_eq!(row.encode(&Value::Null).len(), usize::from(row.words), "{row:?}");
            match row.path() {
                Some((key, _)) => assert!(keys::find(key).is_some(), "{row:?}"),
                None => unknown.push(row.address),
            }
        }
        // Two of a tariff mode that is gone, and the address of the network interface.
        assert_eq!(unknown, [208, 209, 301]);
    }

    #[test]
    fn a_status_stands_in_the_registers() {
        use Space::{Holding, Input};
        check(Input, 100, &[2, 32, 0, 0, 0, 0x3539, 0x2e34, 0]);
        check(Input, 108, &[0, 236, 0, 235, 0, 235, 0, 123, 0, 123, 0, 123]);
        // 870,310 hundredths of a watt; 67,333 tenths of a kWh; 99,972 times ten watt-seconds.
        check(Input, 120, &[13, 18_342]);
        check(Input, 128, &[1, 1_797]);
        check(Input, 132, &[1, 34_436]);
        check(Input, 146, &[0, 29, 0, 29, 0, 29, 0, 99]);
        check(Input, 200, &[1, 0, 0, 3, 0, 0b11_1111]);
        check(Input, 304, &[0x3030, 0x3030, 0x3031, 0, 0, 0]);
        check(Input, 315, &[192, 0, 2, 123, 255, 255, 255, 0, 192, 0, 2, 1]);
        check(Input, 327, &[0x04aa, 0xbbcc, 0, 0, 0]);
        check(Holding, 299, &[16, 16]);
        check(Holding, 212, &[6, 10, 12, 14, 16]);
        check(Holding, 217, &[0]);
        // Plus infinity is no limit; the same addresses are cards for function 4.
        check(Holding, 332, &[2, 0x7ff0, 0, 0, 0, 2]);
        check(Input, 332, &[0, 0, 0, 0, 0, 0]);
        // Elsewhere either function will do.
        check(Holding, 100, &[2]);
        check(Input, 299, &[16]);
        let nothing = |address| read(&charging(), Input, address, 3, Order::default());
        assert_eq!(nothing(0), Err(Exception::IllegalAddress));
        assert_eq!(nothing(65_533), Err(Exception::IllegalAddress));
    }

    #[test]
    fn words_and_bytes_can_be_swapped() {
        let swapped = Order {
            high_word_first: false,
            low_byte_first: true,
        };
        let read = |address, count| read(&charging(), Space::Input, address, count, swapped).unwrap();
        assert_eq!(read(108, 2), [236 << 8, 0]);
        assert_eq!(read(100, 1), [2 << 8]);
        let mut document = charging();
        document.insert("msr".to_owned(), json!(false));
        document.insert("msb".to_owned(), json!(true));
        assert_eq!(Order::of(&document), swapped);
        assert_eq!(Order::of(&Map::new()), Order::default());
        assert_eq!(Order::of(&Variant::V4.document()), Order::default());
    }

    #[test]
    fn registers_tell_the_status() {
        for order in [
            Order::default(),
            Order {
                high_word_first: false,
                low_byte_first: true,
            },
        ] {
            let source = charging();
            let blocks: Vec<Block> = LIVE
                .into_iter()
                .chain(SETTINGS)
                .map(|(space, address, count)| Block {
                    space,
                    address,
                    values: read(&source, space, address, count, order).unwrap(),
                })
                .collect();
            let status = decode_status(&blocks, order);
            for key in [
                "sse", "fwv", "car", "err", "cbl", "alw", "amp", "frc", "psm", "dwo", "trx", "pha", "ama",
                "ust", "acs", "clp", "cwe", "nmo", "lse", "adi",
            ] {
                assert_eq!(status.get(key), source.get(key), "{key}");
            }
            // 0.1 kWh and 10 Ws are the steps of the counters.
            assert_eq!(status["eto"], json!(6_733_300));
            assert_eq!(status["wh"], json!(277.7));
            assert_eq!(
                status["nrg"],
                json!([
                    236, 235, 235, 3, 12.3, 12.3, 12.3, 2900, 2900, 2900, 0, 8703.1, 99, 98, 97, 0
                ])
            );
        }
    }

    #[test]
    fn the_scale_of_the_total_is_seen() {
        let total = |raw: [u16; 2], amps: u16| {
            let mut values = vec![0; 22];
            (values[9], values[15]) = (230, amps);
            values[20..22].copy_from_slice(&raw);
            let block = Block {
                space: Space::Input,
                address: 100,
                values,
            };
            decode_status(&[block], Order::default())["nrg"][11].clone()
        };
        assert_eq!(total([5, 32_320], 160), json!(3_600));
        assert_eq!(total([0, 36_000], 160), json!(3_600));
        assert_eq!(total([0, 0], 0), json!(0));
    }

    #[test]
    fn a_block_that_lacks_words_tells_nothing() {
        let block = |space, address, values: &[u16]| Block {
            space,
            address,
            values: values.to_vec(),
        };
        let status = |block| decode_status(&[block], Order::default());
        assert!(status(block(Space::Holding, 333, &[0x7ff0, 0, 0])).is_empty());
        // What function 4 reads at 337 is no forced state.
        assert!(status(block(Space::Input, 337, &[2])).is_empty());
        assert_eq!(status(block(Space::Holding, 337, &[2]))["frc"], json!(2));
        assert_eq!(status(block(Space::Input, 299, &[7]))["amp"], json!(7));
        assert_eq!(status(block(Space::Input, 101, &[0]))["cbl"], json!(null));
        assert_eq!(
            status(block(Space::Input, 327, &[0, 0, 0, 0, 0]))["lri"],
            json!(null)
        );
    }

    #[test]
    fn writes_become_keys() {
        use Exception::{IllegalAddress, IllegalValue};
        let document = charging();
        let check = |address, values: &[u16], expected: Result<Value, Exception>| {
            let written = write(&document, address, values, Order::default());
            let written = written.map(|writes| Value::Object(writes.into_iter().collect()));
            assert_eq!(written, expected, "{address} {values:?}");
        };
        check(AMPERE_VOLATILE, &[10], Ok(json!({"amp": 10})));
        check(AMPERE_EEPROM, &[32], Ok(json!({"amp": 32})));
        check(AMPERE_EEPROM, &[33], Err(IllegalValue));
        check(AMPERE_VOLATILE, &[5], Err(IllegalValue));
        check(ALLOW, &[0], Ok(json!({"frc": 1})));
        check(ALLOW, &[1], Ok(json!({"frc": 0})));
        check(ALLOW, &[2], Err(IllegalValue));
        check(FORCE_STATE, &[2], Ok(json!({"frc": 2})));
        check(FORCE_STATE, &[3], Err(IllegalValue));
        check(PHASE_SWITCH_MODE, &[1], Ok(json!({"psm": 1})));
        check(
            PHASE_SWITCH_MODE,
            &[2, 0x40c3, 0x8800, 0, 0, 1],
            Ok(json!({"psm": 2, "dwo": 10_000.0, "frc": 1})),
        );
        check(333, &[0x7ff0, 0, 0, 0], Ok(json!({"dwo": null})));
        check(333, &[0x7ff8, 0, 0, 0], Err(IllegalValue));
        check(333, &[0xc0c3, 0x8800, 0, 0], Err(IllegalValue));
        check(333, &[0, 0], Err(IllegalAddress));
        check(217, &[1, 1], Ok(json!({"cwe": false, "nmo": true})));
        check(217, &[2], Err(IllegalValue));
        check(213, &[9], Ok(json!({"clp": [6, 9, 12, 14, 16]})));
        check(212, &[7, 0], Ok(json!({"clp": [7, 0, 12, 14, 16]})));
        check(212, &[5], Err(IllegalValue));
        check(100, &[1], Err(IllegalAddress));
        check(202, &[1], Err(IllegalAddress));
        check(208, &[1], Err(IllegalAddress));
        check(65_535, &[1, 1], Err(IllegalAddress));
    }

    proptest! {
        #[test]
        fn nothing_panics(
            space in prop_oneof![Just(Space::Holding), Just(Space::Input)],
            address in 90..400u16,
            values in prop::collection::vec(any::<u16>(), 1..60),
            high_word_first in any::<bool>(),
            low_byte_first in any::<bool>(),
        ) {
            let order = Order { high_word_first, low_byte_first };
            let _ = write(&charging(), address, &values, order);
            let _ = decode_status(&[Block { space, address, values: values.clone() }], order);
            let count = u16::try_from(values.len()).unwrap();
            if let Ok(read) = read(&charging(), space, address, count, order) {
                prop_assert_eq!(read.len(), values.len());
            }
        }
    }
}
