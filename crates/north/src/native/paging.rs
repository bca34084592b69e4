//! Lists in pages: `limit` and `cursor` in, `next` out.

use serde::Deserialize;

use super::error::ApiError;

const DEFAULT: u32 = 50;
const MOST: u32 = 500;

#[derive(Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// 50 when absent, at most 500.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

pub fn limit_of(asked: Option<u32>) -> Result<u32, ApiError> {
    let limit = asked.unwrap_or(DEFAULT);
    if (1..=MOST).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::invalid("limit", limit, format!("1 to {MOST}")))
    }
}

pub fn unreadable_cursor() -> ApiError {
    ApiError::invalid("cursor", "unknown", "the `next` of the page before")
}

/// One page of a list that is ordered by key, and the cursor of the next.
pub fn page<T>(
    mut all: Vec<T>,
    query: &PageQuery,
    key: impl Fn(&T) -> &str,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let limit = usize::try_from(limit_of(query.limit)?).unwrap_or(usize::MAX);
    if let Some(cursor) = &query.cursor {
        all.retain(|item| key(item) > cursor.as_str());
    }
    let is_more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| is_more).map(|item| key(item).to_owned());
    Ok((all, next))
}

/// One page of what was fetched with one more than `limit`, and the cursor of the next.
pub fn cut<T>(mut found: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(cursor);
    (found, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_page_by_page() {
        for (limit, cursor, expected, next) in [
            (None, None, "abcde", None),
            (Some(2), None, "ab", Some("b")),
            (Some(2), Some("b"), "cd", Some("d")),
            (Some(2), Some("d"), "e", None),
            (Some(5), None, "abcde", None),
            (Some(1), Some("z"), "", None),
        ] {
            let query = PageQuery {
                limit,
                cursor: cursor.map(str::to_owned),
            };
            let all = vec!["a", "b", "c", "d", "e"];
            let (items, found) = page(all, &query, |item| item).unwrap();
            assert_eq!(
                (items.concat().as_str(), found.as_deref()),
                (expected, next),
                "{limit:?} {cursor:?}"
            );
        }
        assert!(limit_of(Some(0)).is_err() && limit_of(Some(501)).is_err());
    }
}
