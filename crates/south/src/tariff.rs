//! Prices of dynamic contracts: fetched from where the config file says, as JSON.
//!
//! One task per provider: it fetches every so often, and sooner after a failure. What it reads goes to whoever
//! holds the other end of the queue; nothing is stored here. A day of quarter-hours is some ten kilobytes.

use std::sync::Arc;
use std::time::Duration;

use links::http::Client;
use links::outbound_guard::{Guard, SystemResolver};
use links::{Backoff, Failure, Limits};
use model::money::PerKwh;
use model::settings::{PriceFormat, PriceProvider, PriceSource, SlotEnd, TimeFormat};
use model::tariff::PriceSlot;
use model::time::{Clock, Millis, Timestamp};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::pick::{member, number};

/// Bytes of a document; a year of quarter-hours fits.
const LONGEST: usize = 4 * 1024 * 1024;
/// Entries that are looked at.
const MOST: usize = 40_000;
/// Prices from two days back (yesterday, wherever the site is) to the day after tomorrow.
const BACK: Millis = Millis(2 * 86_400_000);
const AHEAD: Millis = Millis(4 * 86_400_000);
/// A price beyond is a slip of the pen in any currency.
const DEAREST: i64 = 1_000_000_000_000;
const DAY: Millis = Millis(86_400_000);

/// Prices of one provider, ordered by their start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub provider: String,
    pub slots: Vec<PriceSlot>,
}

/// Why there are no prices.
#[derive(Debug, thiserror::Error)]
pub enum NoPrices {
    #[error("{0}")]
    Link(#[from] Failure),
    #[error("the answer has status {0}, expected 200")]
    Status(u16),
    #[error("cannot read the file: {0}")]
    File(#[from] std::io::Error),
    #[error("the document is longer than {LONGEST} bytes")]
    TooLong,
    #[error("the document is no JSON: {0}")]
    NoJson(#[from] serde_json::Error),
    #[error("there is no list at `{0}` in the document")]
    NoList(String),
    #[error("none of {count} entries has a start and a price that can be read; the first: {first}")]
    NothingFits { count: usize, first: String },
}

/// Fetches from all providers until `stop`. When nobody takes what was fetched, the tasks wait.
pub async fn run(
    providers: Vec<PriceProvider>,
    clock: Arc<dyn Clock>,
    out: mpsc::Sender<Fetched>,
    stop: CancellationToken,
) {
    let mut tasks = JoinSet::new();
    for provider in providers {
        tasks.spawn(follow(provider, clock.clone(), out.clone(), stop.clone()));
    }
    while tasks.join_next().await.is_some() {}
}

async fn follow(
    provider: PriceProvider,
    clock: Arc<dyn Clock>,
    out: mpsc::Sender<Fetched>,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::new(&provider.id, Duration::MAX);
    let mut last: Vec<PriceSlot> = Vec::new();
    let mut is_stale = false;
    loop {
        let fetched = tokio::select! {
            () = stop.cancelled() => return,
            fetched = fetch(&provider) => fetched,
        };
        let now = clock.now().wall;
        let wait = match fetched.and_then(|bytes| read(&provider.format, &bytes)) {
            Ok(mut slots) => {
                backoff = Backoff::new(&provider.id, Duration::MAX);
                slots.retain(|(start, end, _)| *end > now - BACK && *start < now + AHEAD);
                let fetched = Fetched {
                    provider: provider.id.clone(),
                    slots: slots.clone(),
                };
                last = slots;
                if out.send(fetched).await.is_err() {
                    return;
                }
                provider.every.to_std()
            }
            Err(error) => {
                tracing::warn!("cannot get prices from provider {}: {error}", provider.id);
                // Ten seconds to ten minutes: prices of today are known since yesterday.
                let pause = backoff.pause(Duration::ZERO).saturating_mul(10);
                pause.min(provider.every.to_std())
            }
        };
        let is_covered = last.iter().any(|(start, end, _)| *start <= now && now < *end);
        if !is_covered && !is_stale {
            tracing::error!(
                "provider {} has no price for now; contracts use their own price until it has",
                provider.id
            );
        } else if is_covered && is_stale {
            tracing::info!("provider {} has prices again", provider.id);
        }
        is_stale = !is_covered;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// The document as it is.
async fn fetch(provider: &PriceProvider) -> Result<Vec<u8>, NoPrices> {
    match &provider.source {
        PriceSource::File { path } => {
            let about = tokio::fs::metadata(path).await?;
            if usize::try_from(about.len()).map_or(true, |bytes| bytes > LONGEST) {
                return Err(NoPrices::TooLong);
            }
            Ok(tokio::fs::read(path).await?)
        }
        PriceSource::Http { url } => {
            let limits = Limits {
                connect_timeout: Duration::from_secs(10),
                timeout: Duration::from_secs(30),
                max_body: LONGEST,
            };
            // The address is the administrator's own, so it may be anywhere.
            let anywhere = Guard::new(&["0.0.0.0/0", "::/0"]).unwrap_or_default();
            let client = Client::guarded(limits, Arc::new(anywhere), Arc::new(SystemResolver))?;
            let request = http::Request::get(url)
                .header(http::header::ACCEPT, "application/json")
                .body(Vec::new())
                .map_err(|error| Failure::Other(error.to_string()))?;
            let answer = client.send(request).await?;
            match answer.status().as_u16() {
                200 => Ok(answer.into_body()),
                status => Err(NoPrices::Status(status)),
            }
        }
    }
}

/// Reads a document. Entries that cannot be read are passed over, unless all are such; of two with one start
/// the later one counts.
fn read(format: &PriceFormat, bytes: &[u8]) -> Result<Vec<PriceSlot>, NoPrices> {
    let document: Value = serde_json::from_slice(bytes)?;
    let list = member(&document, &format.list).and_then(Value::as_array);
    let list = list.ok_or_else(|| NoPrices::NoList(format.list.clone()))?;
    let mut slots = std::collections::BTreeMap::new();
    let mut first = None;
    for entry in list.iter().take(MOST) {
        match slot(format, entry) {
            Some((start, end, price)) => {
                slots.insert(start, (start, end, price));
            }
            None => {
                let shown = || entry.to_string().chars().take(200).collect::<String>();
                first.get_or_insert_with(shown);
            }
        }
    }
    match first {
        Some(first) if slots.is_empty() => Err(NoPrices::NothingFits {
            count: list.len(),
            first,
        }),
        Some(first) => {
            tracing::debug!("passed over entries that cannot be read, the first: {first}");
            Ok(slots.into_values().collect())
        }
        None => Ok(slots.into_values().collect()),
    }
}

fn slot(format: &PriceFormat, entry: &Value) -> Option<PriceSlot> {
    let start = time(format.time, member(entry, &format.start)?)?;
    let end = match &format.end {
        SlotEnd::Member(path) => time(format.time, member(entry, path)?)?,
        SlotEnd::After(length) => start + *length,
    };
    let price = number(member(entry, &format.price)?)?;
    #[allow(clippy::cast_precision_loss, reason = "units are small powers of ten")]
    let micros = (price * format.unit_micros as f64).round();
    let is_sane = micros.is_finite() && micros.abs() <= 1e12 && end > start && end - start <= DAY;
    #[allow(clippy::cast_possible_truncation, reason = "its range was just looked at")]
    let price = PerKwh((micros as i64).clamp(-DEAREST, DEAREST));
    is_sane.then_some((start, end, price))
}

fn time(format: TimeFormat, value: &Value) -> Option<Timestamp> {
    let whole = |value: &Value| value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    match format {
        TimeFormat::EpochMillis => whole(value).map(Timestamp),
        TimeFormat::EpochSeconds => Some(Timestamp(whole(value)?.checked_mul(1_000)?)),
        TimeFormat::Iso8601 => {
            let at: jiff::Timestamp = value.as_str()?.trim().parse().ok()?;
            Some(Timestamp(at.as_millisecond()))
        }
    }
    .filter(|at| (0..=253_402_300_800_000).contains(&at.0))
}

#[cfg(test)]
mod tests {
    use model::time::{Monotonic, Now};

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn format() -> PriceFormat {
        PriceFormat {
            list: "data".to_owned(),
            start: "start_timestamp".to_owned(),
            end: SlotEnd::Member("end_timestamp".to_owned()),
            price: "marketprice".to_owned(),
            unit_micros: 1_000,
            time: TimeFormat::EpochMillis,
        }
    }

    fn iso() -> PriceFormat {
        PriceFormat {
            list: "result.prices".to_owned(),
            start: "from".to_owned(),
            end: SlotEnd::After(Millis(900_000)),
            price: "price.value".to_owned(),
            unit_micros: 10_000,
            time: TimeFormat::Iso8601,
        }
    }

    fn check(format: &PriceFormat, text: &str, expected: &[(i64, i64, i64)]) {
        let found: Vec<(i64, i64, i64)> = read(format, text.as_bytes())
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .into_iter()
            .map(|(start, end, price)| (start.0, end.0, price.0))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn hours_and_quarters_in_several_forms() {
        let entry = |start: i64, price: &str| {
            format!(
                r#"{{"start_timestamp":{start},"end_timestamp":{},"marketprice":{price},"unit":"Eur/MWh"}}"#,
                start + HOUR
            )
        };
        let of = |entries: &[String]| format!(r#"{{"object":"list","data":[{}]}}"#, entries.join(","));
        // Negative prices are legal, gaps stay gaps, order does not matter, the later of two counts.
        check(
            &format(),
            &of(&[
                entry(3 * HOUR, "-12.345"),
                entry(0, "94.09"),
                entry(HOUR, "0"),
                entry(HOUR, "\"1.5\""),
            ]),
            &[
                (0, HOUR, 94_090),
                (HOUR, 2 * HOUR, 1_500),
                (3 * HOUR, 4 * HOUR, -12_345),
            ],
        );
        // What cannot be read is passed over.
        check(
            &format(),
            &of(&[
                entry(0, "\"NaN\""),
                entry(HOUR, "null"),
                entry(2 * HOUR, "1e300"),
                "7".to_owned(),
                entry(-HOUR, "1"),
                entry(4 * HOUR, "5"),
            ]),
            &[(4 * HOUR, 5 * HOUR, 5_000)],
        );
        check(&format(), r#"{"data":[]}"#, &[]);
        // The hour that comes twice in October, and the one that is left out in March.
        let quarter = |from: &str, price: &str| format!(r#"{{"from":"{from}","price":{{"value":{price}}}}}"#);
        let of = |entries: &[String]| format!(r#"{{"result":{{"prices":[{}]}}}}"#, entries.join(","));
        let (first, second) = (1_792_886_400_000, 1_792_890_000_000);
        check(
            &iso(),
            &of(&[
                quarter("2026-10-25T02:00:00+02:00", "20.5"),
                quarter("2026-10-25T02:00:00+01:00", "21"),
            ]),
            &[
                (first, first + 900_000, 205_000),
                (second, second + 900_000, 210_000),
            ],
        );
        let spring = 1_774_746_000_000;
        check(
            &iso(),
            &of(&[
                quarter("2026-03-29T03:00:00+02:00", "1"),
                quarter("2026-03-29T00:45:00Z", "2"),
            ]),
            &[
                (spring - 900_000, spring, 20_000),
                (spring, spring + 900_000, 10_000),
            ],
        );
        let seconds = PriceFormat {
            list: String::new(),
            time: TimeFormat::EpochSeconds,
            ..iso()
        };
        check(
            &seconds,
            r#"[{"from":900,"price":{"value":1}}]"#,
            &[(900_000, 1_800_000, 10_000)],
        );
    }

    #[test]
    fn a_document_that_holds_no_prices_says_why() {
        for (text, expected) in [
            ("<html>", "no JSON"),
            (r#"{"data":[{"marketprice":NaN}]}"#, "no JSON"),
            (r#"{"prices":[]}"#, "no list at `data`"),
            (r#"{"data":{}}"#, "no list at `data`"),
            (r#"{"data":[{"start_timestamp":"soon"}]}"#, "none of 1 entries"),
        ] {
            let error = read(&format(), text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        // A time without an offset may mean two instants.
        let local = r#"{"result":{"prices":[{"from":"2026-10-25T02:00:00","price":{"value":1}}]}}"#;
        assert!(read(&iso(), local.as_bytes()).is_err());
    }

    struct Standing(Now);

    impl Clock for Standing {
        fn now(&self) -> Now {
            self.0
        }
    }

    fn provider(source: PriceSource) -> PriceProvider {
        PriceProvider {
            id: "market".to_owned(),
            source,
            format: format(),
            every: Millis(50),
        }
    }

    async fn first_of(source: PriceSource) -> Fetched {
        let now = Now {
            wall: Timestamp(20_000 * 24 * HOUR),
            monotonic: Monotonic(0),
        };
        let (out, mut fetched) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let clock: Arc<dyn Clock> = Arc::new(Standing(now));
        let running = tokio::spawn(run(vec![provider(source)], clock, out, stop.clone()));
        let first = fetched.recv().await.unwrap();
        stop.cancel();
        drop(fetched);
        running.await.unwrap();
        first
    }

    /// One price too old, one of yesterday, one of now, one too far ahead.
    fn document() -> String {
        let entries = [-72, -20, 0, 97].map(|hours| {
            let start = 20_000 * 24 * HOUR + hours * HOUR;
            format!(
                r#"{{"start_timestamp":{start},"end_timestamp":{},"marketprice":100}}"#,
                start + HOUR
            )
        });
        format!(r#"{{"data":[{}]}}"#, entries.join(","))
    }

    fn hours(fetched: &Fetched) -> Vec<i64> {
        fetched
            .slots
            .iter()
            .map(|(start, _, _)| start.0 / HOUR - 20_000 * 24)
            .collect()
    }

    #[tokio::test]
    async fn prices_come_over_http_also_after_failures() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/prices", listener.local_addr().unwrap());
        let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let shutdown = CancellationToken::new();
        let count = asked.clone();
        let handler = move |_| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move {
                let (status, body) = match number {
                    0 => (503, "busy".to_owned()),
                    1 => (200, "garbage".to_owned()),
                    _ => (200, document()),
                };
                let mut answer = http::Response::new(body.into_bytes());
                *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
                Some(answer)
            }
        };
        let server = tokio::spawn(links::http::serve(
            listener,
            links::ServerLimits::default(),
            shutdown.clone(),
            handler,
        ));
        let fetched = first_of(PriceSource::Http { url }).await;
        shutdown.cancel();
        server.await.unwrap();
        assert_eq!(hours(&fetched), [-20, 0]);
        assert!(asked.load(std::sync::atomic::Ordering::Relaxed) >= 3);
    }

    #[tokio::test]
    async fn prices_come_from_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("prices.json");
        std::fs::write(&path, document()).unwrap();
        let path = path.display().to_string();
        let fetched = first_of(PriceSource::File { path }).await;
        assert_eq!(
            (fetched.provider.as_str(), hours(&fetched)),
            ("market", vec![-20, 0])
        );
    }
}
