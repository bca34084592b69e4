//! The query string, as both HTTP interfaces read it.
//!
//! Pairs keep their order, names may repeat or be empty (`&=3`, the vendor's own broken example), broken
//! percent signs stand for themselves, and bytes that are no UTF-8 become replacement characters.

use model::time::Millis;

/// How old the data of a status may be when the caller does not say.
pub const DEFAULT_AGE: Millis = Millis::from_seconds(30);

/// The pairs of a query without its `?`, percent-decoded. A name without `=` has an empty value.
#[must_use]
pub fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Percent-decoding; `+` is a space, as form encoders of many clients write it.
#[must_use]
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                _ => out.push(first),
            },
            (b'+', _) => out.push(b' '),
            _ => out.push(first),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encoding of everything but letters, digits and `-._~`.
#[must_use]
pub fn encode(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// What `GET /api/status` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusQuery {
    /// The last `token` of the query; a header is the caller's to read.
    pub token: Option<String>,
    /// The largest age the caller accepts; cloud form only.
    pub age: Millis,
    /// Keys in the order asked, each once. `None`: every key.
    pub filter: Option<Vec<String>>,
}

impl StatusQuery {
    /// Reads a query without its `?`. What makes no sense counts as not said.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut this = Self {
            token: None,
            age: DEFAULT_AGE,
            filter: None,
        };
        for (name, value) in pairs(query) {
            match name.as_str() {
                "token" => this.token = Some(value),
                "age" => this.age = age(&value).unwrap_or(DEFAULT_AGE),
                "filter" => this.filter = filter(&value),
                _ => {}
            }
        }
        this
    }
}

/// Seconds, whole or not.
fn age(text: &str) -> Option<Millis> {
    let seconds: f64 = text.trim().parse().ok()?;
    seconds
        .is_finite()
        .then(|| Millis(super::wire::rounded(seconds * 1_000.0).max(0)))
}

/// A comma list, or the JSON array of strings that firmware before 051.4 wanted. An empty list filters nothing.
fn filter(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> = serde_json::from_str(text)
        .unwrap_or_else(|_| text.split(',').map(|name| name.trim().to_owned()).collect());
    let mut seen = std::collections::BTreeSet::new();
    let names: Vec<String> = names
        .into_iter()
        .filter(|name| !name.is_empty() && seen.insert(name.clone()))
        .collect();
    (!names.is_empty()).then_some(names)
}

/// One `key=text` of a set, not typed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub key: String,
    pub text: String,
}

/// What `GET /api/set` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetQuery {
    pub token: Option<String>,
    /// In the order of the request, duplicates and empty names included.
    pub writes: Vec<Write>,
}

impl SetQuery {
    /// Reads a query without its `?`.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut this = Self::default();
        for (key, text) in pairs(query) {
            if key == "token" {
                this.token = Some(text);
            } else {
                this.writes.push(Write { key, text });
            }
        }
        this
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: &[(&str, &str)]) {
        let expected: Vec<(String, String)> = expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(pairs(query), expected, "{query}");
    }

    #[test]
    fn pairs_keep_order_duplicates_and_empty_names() {
        check("", &[]);
        check("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]);
        check(
            "token=t&=3&fna=%22my%20go-eCharger%22",
            &[("token", "t"), ("", "3"), ("fna", "\"my go-eCharger\"")],
        );
        check("fna=\"my+go-e\"", &[("fna", "\"my go-e\"")]);
        check(
            "clp=%5B6,10%5D&ids={\"pGrid\":-5}",
            &[("clp", "[6,10]"), ("ids", "{\"pGrid\":-5}")],
        );
        check("alw&&=", &[("alw", ""), ("", "")]);
        check(
            "a=%&b=%4&c=%zz&d=%41=",
            &[("a", "%"), ("b", "%4"), ("c", "%zz"), ("d", "A=")],
        );
        check("a=%ff", &[("a", "\u{fffd}")]);
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        for text in ["", "abc", "\"a b+c\"", "{\"pGrid\":-500.5}", "grün%"] {
            assert_eq!(decode(&encode(text)), text);
            assert!(encode(text).is_ascii());
        }
    }

    #[test]
    fn a_status_query_reads_token_age_and_filter() {
        let query = |text: &str| StatusQuery::parse(text);
        assert_eq!(query("").age, Millis(30_000));
        assert_eq!(query("").filter, None);
        assert_eq!(query("token=abc").token.as_deref(), Some("abc"));
        for (age, expected) in [
            ("5", 5_000),
            ("0.5", 500),
            ("-3", 0),
            ("x", 30_000),
            ("NaN", 30_000),
            ("1e300", i64::MAX),
        ] {
            assert_eq!(query(&format!("age={age}")).age, Millis(expected), "{age}");
        }
        for (filter, expected) in [
            ("amp,acu,amp", Some(vec!["amp", "acu"])),
            ("%5B%22amp%22,%22car%22%5D", Some(vec!["amp", "car"])),
            ("", None),
            (",,", None),
            ("amp%2Ccar", Some(vec!["amp", "car"])),
        ] {
            let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(query(&format!("filter={filter}")).filter, expected, "{filter}");
        }
    }
}
