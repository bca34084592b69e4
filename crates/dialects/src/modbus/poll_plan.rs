//! Registers to few requests.

use super::pdu::{Request, Table};

/// Registers next to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub table: Table,
    pub address: u16,
    pub count: u16,
}

impl Span {
    /// The address behind the last one.
    fn end(self) -> u32 {
        u32::from(self.address) + u32::from(self.count)
    }

    #[must_use]
    pub const fn request(self) -> Request {
        Request::Read {
            table: self.table,
            address: self.address,
            count: self.count,
        }
    }

    /// Where `inner` begins inside, when all of it is.
    #[must_use]
    pub fn offset_of(self, inner: Self) -> Option<usize> {
        let inside = self.table == inner.table && inner.address >= self.address && inner.end() <= self.end();
        inside.then(|| usize::from(inner.address - self.address))
    }
}

/// The fewest requests in order of address that cover all `spans`, where each has at most `max_count`
/// registers and reads at most `max_gap` unneeded ones in a row. A span is never split: the words of one
/// value are of one moment.
#[must_use]
pub fn plan(spans: &[Span], max_gap: u16, max_count: u16) -> Vec<Span> {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let mut requests: Vec<Span> = Vec::new();
    for span in sorted {
        let joined = requests
            .last()
            .and_then(|last| join(*last, span, max_gap, max_count));
        match (joined, requests.last_mut()) {
            (Some(joined), Some(last)) => *last = joined,
            _ => requests.push(span),
        }
    }
    requests
}

fn join(first: Span, second: Span, max_gap: u16, max_count: u16) -> Option<Span> {
    let end = first.end().max(second.end());
    let count = u16::try_from(end - u32::from(first.address)).ok()?;
    let near = u32::from(second.address) <= first.end() + u32::from(max_gap);
    (first.table == second.table && near && count <= max_count).then_some(Span { count, ..first })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(address: u16, count: u16) -> Span {
        Span {
            table: Table::Holding,
            address,
            count,
        }
    }

    fn check(spans: &[(u16, u16)], max_gap: u16, max_count: u16, expected: &[(u16, u16)]) {
        let make = |list: &[(u16, u16)]| list.iter().map(|(a, c)| span(*a, *c)).collect::<Vec<_>>();
        assert_eq!(
            plan(&make(spans), max_gap, max_count),
            make(expected),
            "{spans:?}"
        );
    }

    #[test]
    fn neighbours_are_read_together() {
        check(&[], 0, 125, &[]);
        check(&[(4, 2), (0, 2), (2, 2)], 0, 125, &[(0, 6)]);
        check(&[(0, 2), (12, 2)], 10, 125, &[(0, 14)]);
        check(&[(0, 2), (12, 2)], 9, 125, &[(0, 2), (12, 2)]);
        check(&[(0, 2), (2, 2), (4, 2)], 0, 4, &[(0, 4), (4, 2)]);
        check(&[(0, 4), (1, 1)], 0, 125, &[(0, 4)]);
        check(&[(0, 2), (0, 2)], 0, 125, &[(0, 2)]);
        check(&[(65_532, 4), (65_534, 2)], 0, 125, &[(65_532, 4)]);
    }

    #[test]
    fn tables_are_read_apart() {
        let input = Span {
            table: Table::Input,
            ..span(2, 2)
        };
        assert_eq!(plan(&[input, span(0, 2)], 100, 125), [span(0, 2), input]);
    }

    proptest! {
        #[test]
        fn every_span_is_whole_in_one_request(
            spans in prop::collection::vec((0..2_000u16, 1..=4u16), 0..60),
            max_gap in 0..50u16,
            max_count in 4..=125u16,
        ) {
            let spans: Vec<_> = spans.into_iter().map(|(address, count)| span(address, count)).collect();
            let requests = plan(&spans, max_gap, max_count);
            for request in &requests {
                prop_assert!(request.count <= max_count);
            }
            for span in &spans {
                prop_assert!(requests.iter().any(|request| request.offset_of(*span).is_some()));
            }
            prop_assert!(requests.len() <= spans.len());
        }
    }
}
