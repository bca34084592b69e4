//! One value out of a JSON document. Prices and states of charge are found by the same kind of path.

use serde_json::Value;

/// Follows members separated by dots, a number stands for a place in a list; the empty path is the value
/// itself.
pub(crate) fn member<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let mut names = path.split('.').filter(|name| !name.is_empty());
    names.try_fold(value, |value, name| match value.as_array() {
        Some(items) => items.get(name.parse::<usize>().ok()?),
        None => value.get(name),
    })
}

/// A number, also one in quotes.
pub(crate) fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_places_and_numbers_in_quotes() {
        let document: Value =
            serde_json::from_str(r#"{"cars":[{"soc":"71.5"},{"soc":40}],"soc":null,"x":{"1":{"soc":7}}}"#)
                .unwrap();
        for (path, expected) in [
            ("cars.0.soc", Some(71.5)),
            ("cars.1.soc", Some(40.0)),
            ("x.1.soc", Some(7.0)),
            ("cars.2.soc", None),
            ("cars.soc", None),
            ("soc", None),
            ("", None),
        ] {
            assert_eq!(member(&document, path).and_then(number), expected, "{path}");
        }
        assert_eq!(member(&Value::from(12), "").and_then(number), Some(12.0));
        assert_eq!(number(&Value::from("NaN")), None);
    }
}
