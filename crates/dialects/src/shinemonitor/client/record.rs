//! Answers of the cloud as they are read: liberally, and nothing in them is trusted.

use model::time::Millis;
use serde_json::Value;

/// A value of a device. What does not come is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    pub id: String,
    pub title: String,
    pub unit: String,
    pub val: String,
}

/// What a device measured at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The same as long as it is the same record.
    pub id: String,
    /// By the clocks of the cloud.
    pub at: String,
    pub fields: Vec<Field>,
}

/// Characters of a warning that are told.
const LONGEST_WARNING: usize = 200;
/// More rows than there are minutes in a day are none of a day.
const MOST_ROWS: usize = 1_500;
/// No known device has as many.
const MOST_FIELDS: usize = 512;

/// The text of a text or a number.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// A whole number, which some answers have as a text.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a cloud has in warnings of a device that nobody has handled: the newest in words, and how many others there
/// are. That a device is offline is known by other means.
pub(super) fn warnings(dat: &Value) -> Option<String> {
    const OFFLINE: i64 = 3;
    let is_open = |warning: &&Value| {
        warning["handle"].as_bool() != Some(true) && int(&warning["level"]) != Some(OFFLINE)
    };
    let open: Vec<&Value> = list(&dat["warning"]).iter().filter(is_open).collect();
    let newest = open.iter().max_by_key(|warning| text(&warning["gts"]))?;
    let part = |name: &str| -> String { text(&newest[name]).chars().take(LONGEST_WARNING).collect() };
    let said = match (part("desc"), part("code")) {
        (desc, code) if desc.is_empty() => format!("warning {code}"),
        (desc, code) if code.is_empty() || code == desc => desc,
        (desc, code) => format!("{desc} ({code})"),
    };
    let since = part("gts");
    let others = match open.len() - 1 {
        0 => String::new(),
        others => format!(", and {others} more"),
    };
    Some(format!("its cloud shows: {said}, since {since}{others}"))
}

/// The elements of a list; of anything else none.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The latest record as a list of titles. The first two are its row and its time, whatever they are called.
pub(super) fn of_titles(dat: &Value) -> Result<Record, String> {
    let expected = "a list of titles and values";
    let rows = dat.as_array().ok_or(expected)?;
    let fields: Vec<Field> = rows
        .iter()
        .take(MOST_FIELDS)
        .map(|row| Field {
            id: String::new(),
            title: text(&row["title"]),
            unit: text(&row["unit"]),
            val: text(&row["val"]),
        })
        .collect();
    record(fields).ok_or_else(|| expected.to_owned())
}

/// The latest record as storage apps show it: in groups, each value with an id. It has no row id.
pub(super) fn of_groups(dat: &Value) -> Result<Record, String> {
    let groups = dat["pars"].as_object().ok_or("groups of values under `pars`")?;
    let rows = groups.values().flat_map(list);
    let fields: Vec<Field> = rows
        .take(MOST_FIELDS)
        .map(|row| Field {
            id: text(&row["id"]),
            title: text(&row["par"]),
            unit: text(&row["unit"]),
            val: text(&row["val"]),
        })
        .collect();
    let at = text(&dat["gts"]);
    if at.is_empty() {
        return Err("the time of the record under `gts`".to_owned());
    }
    Ok(Record {
        id: at.clone(),
        at,
        fields,
    })
}

/// The records of a day: columns, and a list of values for each row.
pub(super) fn of_day(dat: &Value) -> Result<Vec<Record>, String> {
    let expected = "a table of titles and rows";
    let titles = dat["title"].as_array().ok_or(expected)?;
    let titles: Vec<(String, String)> = titles
        .iter()
        .take(MOST_FIELDS)
        .map(|title| (text(&title["title"]), text(&title["unit"])))
        .collect();
    let rows = dat["row"].as_array().ok_or(expected)?;
    let read = |row: &Value| {
        let values = list(&row["field"]).iter();
        let fields = titles.iter().zip(values).map(|((title, unit), val)| Field {
            id: String::new(),
            title: title.clone(),
            unit: unit.clone(),
            val: text(val),
        });
        record(fields.collect())
    };
    Ok(rows.iter().take(MOST_ROWS).filter_map(read).collect())
}

fn record(mut fields: Vec<Field>) -> Option<Record> {
    if fields.len() < 2 {
        return None;
    }
    let rest = fields.split_off(2);
    let mut first = fields.into_iter().map(|field| field.val);
    let (id, at) = (first.next()?, first.next()?);
    (!at.is_empty()).then_some(Record { id, at, fields: rest })
}

/// What is known of a logger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// How often it tells the cloud.
    pub period: Option<Millis>,
    /// Seconds ahead of UTC.
    pub offset: Option<i32>,
    pub plant: Option<i64>,
}

/// A day, with the offsets of all zones in it.
const LONGEST_OFFSET: i64 = 93_599;

pub(super) fn of_logger(dat: &Value, pn: &str) -> Result<About, String> {
    let loggers = list(&dat["collector"]);
    let own = loggers.iter().find(|logger| text(&logger["pn"]) == pn);
    let own = own.ok_or_else(|| format!("the logger {pn} under `collector`"))?;
    let seconds = int(&own["datFetch"]).filter(|seconds| (1..=86_400).contains(seconds));
    let offset = int(&own["timezone"]).filter(|offset| offset.abs() <= LONGEST_OFFSET);
    Ok(About {
        period: seconds.map(Millis::from_seconds),
        offset: offset.and_then(|offset| i32::try_from(offset).ok()),
        plant: int(&own["pid"]),
    })
}

/// Why a device has nothing to say, as a plant shows its loggers and devices.
pub(super) fn absence(dat: &Value, pn: &str, is_it: &dyn Fn(i64, i64, &str) -> bool) -> Option<&'static str> {
    const OFFLINE: i64 = 1;
    let loggers = list(&dat["collector"]);
    let logger = loggers.iter().find(|logger| text(&logger["pn"]) == pn)?;
    if int(&logger["status"]) == Some(OFFLINE) {
        return Some("its logger is offline");
    }
    let mut devices = list(&logger["device"]).iter();
    let device = devices.find(|device| {
        let (code, address) = (int(&device["devcode"]), int(&device["devaddr"]));
        is_it(
            code.unwrap_or_default(),
            address.unwrap_or_default(),
            &text(&device["sn"]),
        )
    })?;
    if int(&device["status"]) == Some(OFFLINE) {
        return Some("its logger does not reach it");
    }
    (int(&device["comStatus"]) == Some(0)).then_some("nothing fresh comes from its logger")
}
