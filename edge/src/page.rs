//! Lists, a page at a time.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::{Deserialize, Serialize};

use crate::problem::{FieldError, Problem};

/// Items on a page when the client names no number.
const LIMIT_DEFAULT: usize = 50;
/// Items on a page at the most.
pub const LIMIT_MAX: usize = 200;

/// The query parameters of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Which page is asked for.
#[derive(Debug)]
pub struct Page {
    /// Items on it at the most.
    pub limit: usize,
    /// The last item of the page before, if there is one.
    pub after: Option<String>,
}

impl Page {
    /// Reads the query parameters `limit` and `cursor`.
    ///
    /// # Errors
    /// 422 naming the parameter that is unknown or not legal.
    pub fn parse(
        query: Result<Query<PageQuery>, QueryRejection>,
        check_cursor: fn(&str) -> Result<(), String>,
    ) -> Result<Self, Problem> {
        let Query(query) = query.map_err(|rejection| {
            Problem::new(
                422,
                "invalid_query",
                "A query parameter is not allowed",
                rejection.body_text(),
            )
        })?;
        let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
        let mut errors = Vec::new();
        if !(1..=LIMIT_MAX).contains(&limit) {
            errors.push(FieldError::new(
                "limit",
                format!("must be 1 to {LIMIT_MAX}, is {limit}"),
            ));
        }
        if let Some(cursor) = &query.cursor {
            FieldError::collect(&mut errors, "cursor", check_cursor(cursor));
        }
        if errors.is_empty() {
            Ok(Self {
                limit,
                after: query.cursor,
            })
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

impl Page {
    /// Cuts ids, of which one more than the page holds was read, to the page and its `next_cursor`.
    #[must_use]
    pub fn cut(&self, mut ids: Vec<String>) -> (Vec<String>, Option<String>) {
        let more = ids.len() > self.limit;
        ids.truncate(self.limit);
        let next_cursor = ids.last().filter(|_| more).cloned();
        (ids, next_cursor)
    }
}

/// A page as it is answered.
#[derive(Debug, Serialize)]
pub struct Items<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<String>,
}
