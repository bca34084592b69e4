//! The key table, as data (`data/keys.tsv`).
//!
//! Answers what a key is; does not know any value.

const TABLE: &str = include_str!("data/keys.tsv");

/// Keys that an unfiltered status leaves out, and that are sent only when named by a caller who showed the
/// charger's token.
pub const SECRETS: [&str; 11] = [
    "cak", "wak", "facwak", "mcu", "mck", "ocppck", "gmk", "dll", "data", "imsi", "mopi",
];

/// Keys that clients convert without asking, so that an answer never holds null for them.
pub const NEVER_NULL: [&str; 12] = [
    "amp", "ama", "mca", "ust", "eto", "fmt", "rssi", "cco", "wh", "pha", "tma", "nrg",
];

/// Keys that change who reaches the charger, or what runs on it: not written through the API without a grant.
pub const GUARDED: [&str; 8] = ["wifis", "wak", "pass", "mcu", "ocppu", "oct", "rst", "cwe"];

/// The key that switches our cloud form for this charger; the charger's own cloud is left alone.
pub const ENABLED: &str = "cae";

/// The key that makes a new token, whatever is written to it. Token and key are ours, never the charger's.
pub const TOKEN: &str = "cak";

/// Keys that a charger refuses from its API although its table calls them writable (API-v2, field).
pub const NOT_FROM_API: [&str; 1] = ["ct"];

/// Who may read and write a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    ReadWrite,
    Write,
    /// Seen in the field, not in the vendor's tables.
    Undocumented,
}

impl Access {
    #[must_use]
    pub const fn is_writable(self) -> bool {
        matches!(self, Self::ReadWrite | Self::Write)
    }
}

/// What JSON value a key takes when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Integer,
    Number,
    Text,
    Array,
    Object,
    Any,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: &'static str,
    pub access: Access,
    pub kind: Kind,
    pub nullable: bool,
    /// Of the number, or of the length of the text in characters.
    pub range: Option<(i64, i64)>,
    pub unit: &'static str,
    /// `Config`, `Status`, `Constant`, `Other`, `Undocumented`.
    pub category: &'static str,
    pub description: &'static str,
    values: &'static str,
}

impl Key {
    /// What single values mean, where the table says: the value as text, and its meaning.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let is_text = self.kind == Kind::Text;
        let pairs = self.values.split('|').filter_map(|pair| pair.split_once('='));
        pairs.filter(move |(value, _)| is_text || *value == "null" || value.parse::<i64>().is_ok())
    }

    /// Whether a charger takes writes to it at all.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.access.is_writable() && !NOT_FROM_API.contains(&self.name)
    }
}

/// The row of a key, if anybody has ever seen it.
#[must_use]
pub fn find(name: &str) -> Option<Key> {
    let table = TABLE.as_bytes();
    let (mut low, mut high) = (0, table.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = table[low..middle]
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(low, |at| low + at + 1);
        let end = table[middle..high]
            .iter()
            .position(|b| *b == b'\n')
            .map_or(high, |at| middle + at);
        let line = TABLE.get(start..end)?;
        match line.split('\t').next().unwrap_or(line).cmp(name) {
            std::cmp::Ordering::Equal => return parse(line),
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

/// Every key, by name.
pub fn all() -> impl Iterator<Item = Key> {
    TABLE.lines().filter_map(parse)
}

/// Whether a key is written only where it was granted.
#[must_use]
pub fn is_guarded(name: &str) -> bool {
    GUARDED.contains(&name)
}

/// Whether a key is a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

fn parse(line: &'static str) -> Option<Key> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = line.split('\t');
    let mut next = || fields.next();
    let name = next()?;
    let access = match next()? {
        "R" => Access::Read,
        "RW" => Access::ReadWrite,
        "W" => Access::Write,
        _ => Access::Undocumented,
    };
    let kind = next()?;
    let range = next()?
        .split_once("..")
        .and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    Some(Key {
        name,
        access,
        kind: kind_of(kind),
        nullable: kind.ends_with('?'),
        range,
        unit: next()?,
        category: next()?,
        description: next()?,
        values: next().unwrap_or_default(),
    })
}

fn kind_of(text: &str) -> Kind {
    match text.trim_end_matches('?') {
        "bool" => Kind::Bool,
        "u8" | "i8" | "u16" | "i32" | "u32" | "i64" | "u64" => Kind::Integer,
        "f32" | "f64" => Kind::Number,
        "string" | "bool<string" => Kind::Text,
        "array" => Kind::Array,
        "object" => Kind::Object,
        _ => Kind::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_own_name_and_others_are_not() {
        let keys: Vec<Key> = all().collect();
        assert_eq!(keys.len(), 547);
        for key in &keys {
            assert_eq!(find(key.name), Some(*key));
        }
        for unknown in [
            "", "#", "# key", "aaa", "zzzz", "am", "ampp", "AMP", "a\tb", "\n", "ü",
        ] {
            assert_eq!(find(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn lists_name_keys_of_the_table() {
        for name in NEVER_NULL
            .iter()
            .chain(&SECRETS)
            .chain(&GUARDED)
            .chain(&NOT_FROM_API)
        {
            assert!(find(name).is_some(), "{name}");
        }
        let amp = find("amp").unwrap();
        assert_eq!(
            (amp.access, amp.kind, amp.range),
            (Access::ReadWrite, Kind::Integer, Some((6, 32)))
        );
        assert_eq!(find("alw").unwrap().access, Access::Read);
        assert!(find("trx").unwrap().nullable);
        let values = |name: &str| find(name).unwrap().values().collect::<Vec<_>>();
        assert_eq!(values("frc"), [("0", "Neutral"), ("1", "Off"), ("2", "On")]);
        assert_eq!(values("trx")[0], ("null", "none"));
        assert_eq!(values("typ")[1], ("go-eCharger_V4", "Gemini"));
        // What is no single value of the key is none.
        assert_eq!(
            (values("trx").len(), values("pha").len(), values("sch_week").len()),
            (2, 0, 0)
        );
        assert!(find("amp").unwrap().is_writable() && !find("alw").unwrap().is_writable());
        assert!(!find("ct").unwrap().is_writable());
    }
}
