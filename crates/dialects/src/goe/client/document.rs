//! Everything a charger ever said, newest values, as the text that leaves.
//!
//! A parsed status takes six to eight times its text. So text is kept: the document, and beside it what changed
//! since. The two become one when a document leaves, every few seconds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Changes that wait; more are made one.
const MOST_WAITING: usize = 8;

/// A document and what is not in it yet.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// One JSON object; `None` before anything was said.
    json: Option<Arc<str>>,
    /// Others, with what has changed since, the newest last.
    changed: Vec<Box<str>>,
}

impl Text {
    /// Keys with their newest values.
    pub(super) fn take(&mut self, object: &Map<String, Value>) {
        if object.is_empty() {
            return;
        }
        if self.changed.len() == MOST_WAITING {
            self.changed = vec![merge("{}", &self.changed).into()];
        }
        self.changed
            .extend(serde_json::to_string(object).map(String::into_boxed_str));
    }

    /// The newest value of a key.
    pub(super) fn get(&self, key: &str) -> Option<Value> {
        let newest_first = self.changed.iter().rev().map(|text| &**text);
        newest_first.chain(self.json.as_deref()).find_map(|json| {
            let (_, value) = members(json).into_iter().find(|(name, _)| name == key)?;
            serde_json::from_str(value.get()).ok()
        })
    }

    /// The whole of it. A key stays where it stood first.
    pub(super) fn merged(&mut self) -> Arc<str> {
        let changed = std::mem::take(&mut self.changed);
        let json: Arc<str> = match &self.json {
            Some(json) if changed.is_empty() => return Arc::clone(json),
            Some(json) => merge(json, &changed).into(),
            None => merge("{}", &changed).into(),
        };
        self.json = Some(Arc::clone(&json));
        json
    }
}

/// One object of several, the newest values in the place of the oldest ones. What has not changed is copied as it
/// stands, keys and all, in one piece between two changes.
fn merge(older: &str, newer: &[Box<str>]) -> String {
    let said: Vec<Members<'_>> = newer.iter().map(|text| members(text)).collect();
    let mut new: Vec<(&str, &RawValue)> = Vec::new();
    let mut place = BTreeMap::new();
    let mut marks = 0;
    for (key, value) in said.iter().flatten() {
        let at = *place.entry(&**key).or_insert(new.len());
        match new.get_mut(at) {
            Some((_, older)) => *older = *value,
            None => new.push((&**key, *value)),
        }
        marks |= mark(key);
    }
    let mut is_placed = vec![false; new.len()];
    let mut out = String::with_capacity(older.len() + newer.iter().map(|text| text.len()).sum::<usize>());
    let mut copied = 0;
    let old = members(older);
    for (key, value) in &old {
        // Most have not changed, and few of those are looked for.
        let changed = Some(&**key).filter(|key| marks & mark(key) != 0);
        let Some(at) = changed.and_then(|key| place.get(key).copied()) else {
            continue;
        };
        let start = value.get().as_ptr().addr() - older.as_ptr().addr();
        out.push_str(&older[copied..start]);
        out.push_str(new[at].1.get());
        copied = start + value.get().len();
        is_placed[at] = true;
    }
    // All but the last brace.
    out.push_str(&older[copied..older.len() - 1]);
    let mut is_first = old.is_empty();
    for (at, (key, value)) in new.iter().enumerate() {
        if is_placed[at] {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(',');
        }
        out.push_str(&Value::from(*key).to_string());
        out.push(':');
        out.push_str(value.get());
    }
    out.push('}');
    out
}

/// One bit of 64: keys with different ones are different.
fn mark(key: &str) -> u64 {
    let sum = key
        .bytes()
        .fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    1 << (sum & 63)
}

/// The members of an object, values as they are written; none if it is no object, which no text of ours is.
fn members(json: &str) -> Members<'_> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let read = Read {
        room: json.len() / SHORT_MEMBER,
    };
    reader.deserialize_map(read).unwrap_or_default()
}

type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// Bytes of a member: most documents have fewer members than this says.
const SHORT_MEMBER: usize = 24;

struct Read {
    room: usize,
}

impl<'de> Visitor<'de> for Read {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(self.room);
        while let Some(Key(key)) = map.next_key()? {
            members.push((key, map.next_value()?));
        }
        Ok(members)
    }
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

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
        text.take(&object(
            json!({"car": 1, "fna": "a \"b\" \\", "nrg": [1.5, null]}),
        ));
        assert_eq!(
            &*text.merged(),
            r#"{"car":1,"fna":"a \"b\" \\","nrg":[1.5,null]}"#
        );
        text.take(&object(json!({"zz": {"x": [1]}, "car": 2})));
        text.take(&object(json!({"car": 3})));
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
                text.take(&part);
                let merged: Value = serde_json::from_str(&text.merged()).unwrap();
                prop_assert_eq!(merged, Value::Object(map.clone()));
            }
        }
    }
}
