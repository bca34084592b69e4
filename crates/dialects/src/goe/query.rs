//! What the queries of both HTTP interfaces ask for.

use model::time::Millis;

use crate::query::pairs;

/// How old the data of a status may be when the caller does not say.
pub const DEFAULT_AGE: Millis = Millis::from_seconds(30);

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
