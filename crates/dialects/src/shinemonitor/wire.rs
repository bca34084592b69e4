//! The envelope around every answer.

use serde_json::Value;

use super::error::Refusal;

/// What an action answers; `None` where there is nothing to say but that it was done.
pub type Dat = Option<Value>;

pub const JSON: &str = "application/json;charset=utf-8";
pub const SCRIPT: &str = "application/javascript;charset=utf-8";

/// The function that the answer is passed to, when JSONP asks for one; its name is safe to repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Callback<'q>(Option<&'q str>);

impl<'q> Callback<'q> {
    /// # Errors
    /// The name is none of a function.
    pub fn new(name: Option<&'q str>) -> Result<Self, Refusal> {
        let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
        let goes_on = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
        let is_name =
            |name: &&str| name.len() <= 64 && name.starts_with(begins) && name.chars().skip(1).all(goes_on);
        match name {
            Some(text) if !is_name(&text) => Err(Refusal::format("callback")),
            name => Ok(Self(name)),
        }
    }
}

/// The body of an answer, as it is kept for those who ask for the same again.
#[must_use]
pub fn envelope(result: &Result<Dat, Refusal>) -> Vec<u8> {
    let (number, text, dat) = match result {
        Ok(dat) => (0, "ERR_NONE".to_owned(), dat.as_ref()),
        Err(refusal) => (refusal.code.number(), refusal.text(), None),
    };
    let mut body = format!("{{\"err\":{number},\"desc\":{}", Value::String(text)).into_bytes();
    if let Some(dat) = dat {
        body.extend(b",\"dat\":");
        // Keys are strings and writing to memory does not fail.
        let _ = serde_json::to_writer(&mut body, dat);
    }
    body.push(b'}');
    body
}

/// The body as it leaves, and its content type.
#[must_use]
pub fn addressed(envelope: Vec<u8>, callback: Callback<'_>) -> (Vec<u8>, &'static str) {
    let Some(name) = callback.0 else {
        return (envelope, JSON);
    };
    let mut body = Vec::with_capacity(name.len() + envelope.len() + 2);
    body.extend(name.as_bytes());
    body.push(b'(');
    body.extend(envelope);
    body.push(b')');
    (body, SCRIPT)
}

#[cfg(test)]
mod tests {
    use super::super::error::Code;
    use super::*;

    #[test]
    fn the_envelope_has_dat_only_where_there_is_some() {
        let check = |result: Result<Dat, Refusal>, expected: &str| {
            assert_eq!(String::from_utf8(envelope(&result)).unwrap(), expected);
        };
        check(Ok(None), r#"{"err":0,"desc":"ERR_NONE"}"#);
        check(
            Ok(Some(serde_json::json!([{"title": "id"}]))),
            r#"{"err":0,"desc":"ERR_NONE","dat":[{"title":"id"}]}"#,
        );
        check(Err(Code::NoRecord.into()), r#"{"err":12,"desc":"ERR_NO_RECORD"}"#);
        check(
            Err(Refusal::unknown_action("\"")),
            r#"{"err":8,"desc":"ERR_FORBIDDEN(can not found action: \")"}"#,
        );
    }

    #[test]
    fn jsonp_repeats_only_names_of_functions() {
        for good in ["f", "jQuery17_123", "$", "a.b.c", "_x$9", &"a".repeat(64)] {
            let callback = Callback::new(Some(good)).unwrap();
            let (body, content_type) = addressed(b"{}".to_vec(), callback);
            assert_eq!(String::from_utf8(body).unwrap(), format!("{good}({{}})"));
            assert_eq!(content_type, SCRIPT);
        }
        for bad in [
            "",
            "1a",
            "a-b",
            "a(b)",
            "a b",
            "ä",
            "a%20b",
            ".a",
            &"a".repeat(65),
        ] {
            let refusal = Callback::new(Some(bad)).unwrap_err();
            assert_eq!(refusal.text(), "ERR_FORMAT(can not found callback)");
        }
        let none = Callback::new(None).unwrap();
        assert_eq!(addressed(b"{}".to_vec(), none), (b"{}".to_vec(), JSON));
    }
}
