//! Answers, in the envelope of this dialect.

use jiff::tz::TimeZone;
use model::oversight::{ChargeRecord, Entity, OperatorCode};

use super::definition::Definition;
use super::error::Refusal;
use super::map::{Writer, entity_json, record_json};
use super::read::json_text;
use super::request::{Refused, Slice};

/// What is sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
    /// Of the header `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
}

/// A part of all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<'a, T> {
    pub slice: Slice,
    pub total: u64,
    pub list: &'a [T],
}

fn envelope(definition: &Definition, status: u16, message: &str, data: &str, rejected: Option<&str>) -> Vec<u8> {
    let form = &definition.envelope;
    let mut object = Writer::new();
    object.number(form.name("status"), status.into());
    object.text(form.name("message"), message);
    object.raw(form.name("data"), data);
    if let Some(rejected) = rejected {
        object.raw(form.name("rejected"), rejected);
    }
    object.done().into_bytes()
}

pub(super) fn success(definition: &Definition, data: &str) -> Answer {
    Answer {
        status: 200,
        body: envelope(definition, 200, &definition.words.success.name, data, None),
        retry_after_s: None,
    }
}

/// It is done, or taken over.
#[must_use]
pub fn done(definition: &Definition) -> Answer {
    success(definition, &json_text(&definition.words.done.name))
}

#[must_use]
pub fn token(definition: &Definition, token: &str) -> Answer {
    success(definition, &json_text(token))
}

/// Of a list of which these were refused: done if anything was kept, else as the first of them.
#[must_use]
pub fn list(definition: &Definition, of: usize, refused: &[Refused], always_200: bool) -> Answer {
    let Some(first) = refused.first() else {
        return done(definition);
    };
    let is_kept = refused.len() < of;
    let (status, message, data) = if is_kept {
        (200, definition.words.success.name.as_str(), definition.words.done.name.as_str())
    } else {
        (first.refusal.status, first.refusal.message.as_str(), "")
    };
    let entries: Vec<_> = refused.iter().map(|entry| rejected(definition, entry)).collect();
    let entries = format!("[{}]", entries.join(","));
    Answer {
        status: if always_200 { 200 } else { status },
        body: envelope(definition, status, message, &json_text(data), Some(&entries)),
        retry_after_s: None,
    }
}

fn rejected(definition: &Definition, entry: &Refused) -> String {
    let form = &definition.rejected;
    let mut object = Writer::new();
    object.raw(form.name("index"), &entry.index.to_string());
    let port = entry.port.as_deref().map_or_else(|| "null".to_owned(), json_text);
    object.raw(form.name("port"), &port);
    object.number(form.name("status"), entry.refusal.status.into());
    object.text(form.name("message"), &entry.refusal.message);
    object.done()
}

/// `always_200`: for partners that read only the body.
#[must_use]
pub fn refused(definition: &Definition, refusal: &Refusal, always_200: bool) -> Answer {
    let data = json_text(&refusal.more.join("; "));
    Answer {
        status: if always_200 { 200 } else { refusal.status },
        body: envelope(definition, refusal.status, &refusal.message, &data, None),
        retry_after_s: refusal.retry_after_s,
    }
}

/// Stations, equipment or ports.
#[must_use]
pub fn entities(definition: &Definition, operator: &OperatorCode, page: Page<'_, Entity>) -> Answer {
    let list = page.list.iter();
    let list: Vec<_> = list
        .map(|entity| entity_json(definition, operator, entity, true))
        .collect();
    paged(definition, page.slice, page.total, &list)
}

/// Records, without whoever charged.
#[must_use]
pub fn records(
    definition: &Definition,
    operator: &OperatorCode,
    page: Page<'_, ChargeRecord>,
    zone: &TimeZone,
) -> Answer {
    let list = page.list.iter();
    let list: Vec<_> = list
        .map(|record| record_json(definition, operator, record, true, zone))
        .collect();
    paged(definition, page.slice, page.total, &list)
}

fn paged(definition: &Definition, slice: Slice, total: u64, list: &[String]) -> Answer {
    let form = &definition.page;
    let mut object = Writer::new();
    object.raw(form.name("index"), &slice.index.to_string());
    object.raw(form.name("size"), &slice.size.to_string());
    object.raw(form.name("total"), &total.to_string());
    let pages = total.div_ceil(slice.size.max(1).into());
    object.raw(form.name("pages"), &pages.to_string());
    object.raw(form.name("list"), &format!("[{}]", list.join(",")));
    success(definition, &object.done())
}
