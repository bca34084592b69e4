//! Readings reduced to the columns of a chart, so that no peak is lost and no more is sent than can be drawn.

use model::time::{Millis, Timestamp};

use crate::StoreError;
use crate::history::{History, Row, Series, Step};

/// Raw readings are fetched in spans of this length, to be reduced before the next.
const SPAN: Millis = Millis(6 * 3_600_000);
const QUARTER_MS: i64 = 900_000;
const DAY_MS: i64 = 86_400_000;

/// What falls into one column: of a line drawn through all readings, exactly what can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The start of the column.
    pub at: Timestamp,
    pub first: i64,
    pub min: i64,
    pub max: i64,
    pub last: i64,
}

/// `from..to` in so many columns of equal width; those without readings are left out. Columns of a quarter-hour
/// and more are made of rollups, and a rollup belongs to the column that it starts in.
pub async fn columns(
    history: &dyn History,
    series: &Series,
    from: Timestamp,
    to: Timestamp,
    count: u32,
) -> Result<Vec<Column>, StoreError> {
    let mut reducer = Reducer::new(from, to, count);
    let step = match reducer.width_ms() {
        width if width >= 8 * DAY_MS => Step::Seconds(86_400),
        width if width >= QUARTER_MS => Step::Seconds(900),
        _ => Step::Raw,
    };
    if step != Step::Raw {
        let rows = history.query(series, from, to, step).await?;
        rows.iter().for_each(|row| reducer.take(row));
        return Ok(reducer.columns);
    }
    let Some((oldest, newest)) = history.span().await? else {
        return Ok(Vec::new());
    };
    let (mut at, end) = (from.max(oldest - Millis(QUARTER_MS)), to.min(newest + Millis(1)));
    while at < end {
        let next = end.min(at + SPAN);
        let rows = history.query(series, at, next, Step::Raw).await?;
        rows.iter().for_each(|row| reducer.take(row));
        at = next;
    }
    Ok(reducer.columns)
}

struct Reducer {
    from_ms: i64,
    span_ms: i64,
    count: i64,
    /// Of the last column, and where the next begins.
    index: i64,
    next_ms: i64,
    columns: Vec<Column>,
}

impl Reducer {
    fn new(from: Timestamp, to: Timestamp, count: u32) -> Self {
        Self {
            from_ms: from.0,
            span_ms: (to - from).0.max(1),
            count: i64::from(count).max(1),
            index: -1,
            next_ms: i64::MIN,
            columns: Vec::new(),
        }
    }

    const fn width_ms(&self) -> i64 {
        self.span_ms / self.count
    }

    /// Takes rows in order of time.
    fn take(&mut self, row: &Row) {
        if let Some(column) = self.columns.last_mut().filter(|_| row.at.0 < self.next_ms) {
            column.min = column.min.min(row.min);
            column.max = column.max.max(row.max);
            column.last = row.last;
            return;
        }
        let past = i128::from(row.at.0.saturating_sub(self.from_ms).clamp(0, self.span_ms - 1));
        let index = past * i128::from(self.count) / i128::from(self.span_ms);
        self.index = i64::try_from(index).unwrap_or(self.count - 1);
        self.next_ms = if self.index + 1 < self.count {
            self.start(self.index + 1).0
        } else {
            i64::MAX
        };
        self.columns.push(Column {
            at: self.start(self.index),
            first: row.first,
            min: row.min,
            max: row.max,
            last: row.last,
        });
    }

    /// The first millisecond that falls into a column.
    fn start(&self, index: i64) -> Timestamp {
        let past = (i128::from(index) * i128::from(self.span_ms)).div_euclid(i128::from(self.count));
        let is_whole = past * i128::from(self.count) == i128::from(index) * i128::from(self.span_ms);
        let past = i64::try_from(past).unwrap_or(self.span_ms) + i64::from(!is_whole);
        Timestamp(self.from_ms.saturating_add(past))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condense::raw;

    #[test]
    fn a_column_keeps_its_ends_and_its_peaks() {
        let mut reducer = Reducer::new(Timestamp(1_000), Timestamp(2_000), 3);
        for (at, value) in [
            (1_000, 5),
            (1_100, -9),
            (1_200, 7),
            (1_333, 6),
            (1_334, 1),
            (1_999, 2),
        ] {
            reducer.take(&raw(at, value));
        }
        let columns: Vec<_> = reducer
            .columns
            .iter()
            .map(|column| (column.at.0, column.first, column.min, column.max, column.last))
            .collect();
        assert_eq!(
            columns,
            [(1_000, 5, -9, 7, 6), (1_334, 1, 1, 1, 1), (1_667, 2, 2, 2, 2)]
        );
    }

    #[test]
    fn columns_start_where_their_first_reading_could_be() {
        for (span, count) in [(10, 3), (86_400_000, 1_000), (7, 7), (5, 10), (1, 1)] {
            let reducer = Reducer::new(Timestamp(0), Timestamp(span), count);
            for at in 0..span.min(100) {
                let index = at * i64::from(count) / span;
                let start = reducer.start(index).0;
                assert!(
                    start <= at && start * i64::from(count) / span == index,
                    "{span}/{count} {at}"
                );
            }
        }
    }
}
