//! Everything a charger ever said, newest values, as the text that leaves.
//!
//! A parsed status takes six to eight times its text. So the text is kept, beside it what changed since, and
//! the two become one when a document leaves, every few seconds.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A document and what is not in it yet.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// One JSON object; empty before anything was said.
    json: Option<Arc<str>>,
    changed: Map<String, Value>,
}

impl Text {
    /// Keys with their newest values.
    pub(super) fn take(&mut self, object: Map<String, Value>) {
        if self.changed.is_empty() {
            self.changed = object;
        } else {
            self.changed.extend(object);
        }
    }

    /// The newest value of a key.
    pub(super) fn get(&self, key: &str) -> Option<Value> {
        if let Some(value) = self.changed.get(key) {
            return Some(value.clone());
        }
        let members = serde_json::from_str::<Members<'_>>(self.json.as_deref()?).ok()?;
        let (_, value) = members.0.into_iter().find(|(name, _)| name == key)?;
        serde_json::from_str(value.get()).ok()
    }

    /// The whole of it. A key stays where it stood first.
    pub(super) fn merged(&mut self) -> Arc<str> {
        let changed = std::mem::take(&mut self.changed);
        let text = match &self.json {
            Some(json) if changed.is_empty() => return Arc::clone(json),
            Some(json) => merge(json, changed),
            None => Value::Object(changed).to_string(),
        };
        let json: Arc<str> = text.into();
        self.json = Some(Arc::clone(&json));
        json
    }
}

fn merge(json: &str, mut changed: Map<String, Value>) -> String {
    let old = serde_json::from_str::<Members<'_>>(json).unwrap_or_default();
    let mut out = Object(Vec::with_capacity(json.len() + 256));
    for (key, value) in old.0 {
        out.key(&key);
        // What is left in the end is new.
        match changed.swap_remove(&*key) {
            Some(new) => out.write(&new),
            None => out.0.extend_from_slice(value.get().as_bytes()),
        }
    }
    for (key, value) in &changed {
        out.key(key);
        out.write(value);
    }
    out.end()
}

/// The text of an object, member by member.
struct Object(Vec<u8>);

impl Object {
    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.write(key);
        self.0.push(b':');
    }

    fn write<T: Serialize + ?Sized>(&mut self, value: &T) {
        // Memory takes everything, and what was read can be written.
        let _ = serde_json::to_writer(&mut self.0, value);
    }

    fn end(mut self) -> String {
        self.0
            .extend_from_slice(if self.0.is_empty() { b"{}" } else { b"}" });
        String::from_utf8(self.0).unwrap_or_default()
    }
}

/// The members of an object, values as they are written.
#[derive(Default)]
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn keys_stay_where_they_stood_and_new_ones_come_last() {
        let mut text = Text::default();
        text.take(object(json!({"car": 1, "fna": "a \"b\" \\", "nrg": [1.5, null]})));
        assert_eq!(
            &*text.merged(),
            r#"{"car":1,"fna":"a \"b\" \\","nrg":[1.5,null]}"#
        );
        text.take(object(json!({"zz": {"x": [1]}, "car": 2})));
        text.take(object(json!({"car": 3})));
        let merged = text.merged();
        assert_eq!(
            &*merged,
            r#"{"car":3,"fna":"a \"b\" \\","nrg":[1.5,null],"zz":{"x":[1]}}"#
        );
        assert!(
            Arc::ptr_eq(&merged, &text.merged()),
            "nothing new, nothing written"
        );
        assert_eq!(&*Text::default().merged(), "{}");
    }

    proptest! {
        #[test]
        fn merging_text_is_merging_maps(
            parts in proptest::collection::vec(proptest::collection::btree_map("[a-c\"\\\\ä]{0,3}", -9_i64..9, 0..5), 0..6),
        ) {
            let (mut text, mut map) = (Text::default(), Map::new());
            for part in parts {
                let part: Map<String, Value> = part.into_iter().map(|(key, value)| (key, value.into())).collect();
                map.extend(part.clone());
                text.take(part);
                let merged: Value = serde_json::from_str(&text.merged()).unwrap();
                prop_assert_eq!(merged, Value::Object(map.clone()));
            }
        }
    }
}
