//! Lists, a page at a time.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use contracts::json::explain;
use contracts::limits::check_range;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub use crate::web::json::LIMIT_MAX;
use crate::web::json::RANGES;
use crate::web::problem::{FieldError, INVALID_QUERY, Problem};

/// Items on a page when the client names no number.
const LIMIT_DEFAULT: usize = 50;

/// The query parameters of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items on the page at the most; 50 without it.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
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

/// The query of a request.
///
/// # Errors
/// 422 when a parameter is unknown or of another kind.
pub fn read<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|rejection| {
        let text = rejection.body_text();
        let text = text
            .strip_prefix("Failed to deserialize query string: ")
            .unwrap_or(&text);
        let is_path = |path: &str| !path.contains([' ', '`']);
        let (path, error) = text
            .split_once(": ")
            .filter(|(path, _)| is_path(path))
            .unwrap_or(("", text));
        let (field, reason) = explain(path, error, &RANGES);
        INVALID_QUERY.at(vec![FieldError::new(field, reason)])
    })
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
        let query = read(query)?;
        Self::new(query.limit, query.cursor, check_cursor)
    }

    /// The same from the two parameters.
    ///
    /// # Errors
    /// 422 naming the parameter that is not legal.
    pub fn new(
        limit: Option<usize>,
        cursor: Option<String>,
        check_cursor: fn(&str) -> Result<(), String>,
    ) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        let mut errors = Vec::new();
        let check = check_range(limit as u64, 1, LIMIT_MAX as u64);
        FieldError::collect(&mut errors, "limit", check);
        if let Some(cursor) = &cursor {
            FieldError::collect(&mut errors, "cursor", check_cursor(cursor));
        }
        if errors.is_empty() {
            Ok(Self { limit, after: cursor })
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

impl Page {
    /// Cuts ids, of which one more than the page holds was read, to the page and its `next_cursor`.
    #[must_use]
    pub fn cut(&self, ids: Vec<String>) -> (Vec<String>, Option<String>) {
        self.cut_by(ids, Clone::clone)
    }

    /// The same for items that know their cursor.
    pub fn cut_by<T>(&self, mut items: Vec<T>, cursor: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let next_cursor = items.last().filter(|_| more).map(cursor);
        (items, next_cursor)
    }
}

/// A page as it is answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct Items<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<String>,
}
