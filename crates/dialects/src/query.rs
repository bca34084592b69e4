//! Query strings, as lenient as the clients of several dialects need it.
//!
//! Pairs keep their order, names may repeat or be empty (`&=3`, a vendor's own broken example), broken
//! percent signs stand for themselves, and bytes that are no UTF-8 become replacement characters.

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
    String::from_utf8_lossy(&decode_bytes(text, b' ')).into_owned()
}

/// Percent-decoding to bytes; `plus` is what a `+` stands for.
#[must_use]
pub fn decode_bytes(text: &str, plus: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
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
            (b'+', _) => out.push(plus),
            _ => out.push(first),
        }
    }
    out
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
}
