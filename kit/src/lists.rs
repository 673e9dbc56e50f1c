//! Pages of lists in Redis. A list is a sorted set of ids with the same score, so that a page costs the same wherever it
//! is and however many members there are.

use crate::redis::{StorageError, as_text, command};
use crate::web::page::Page;

/// The order in which ids are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// By id; ULIDs are then oldest first.
    Ascending,
    /// Backwards; ULIDs are then newest first.
    Descending,
}

/// The ids on a page, and the cursor of the next one.
///
/// # Errors
/// When Redis is away, or the key holds something else.
pub async fn page_of_ids(
    key: &str,
    page: &Page,
    direction: Direction,
) -> Result<(Vec<String>, Option<String>), StorageError> {
    let after = page.after.as_ref().map(|id| format!("({id}"));
    // One more than the page holds tells whether there is another page.
    let count = (page.limit + 1).to_string();
    let (from, to) = match direction {
        Direction::Ascending => (after.unwrap_or_else(|| "-".to_owned()), "+"),
        Direction::Descending => (after.unwrap_or_else(|| "+".to_owned()), "-"),
    };
    let mut arguments = vec![key, &from, to, "BYLEX"];
    if direction == Direction::Descending {
        arguments.push("REV");
    }
    arguments.extend(["LIMIT", "0", &count]);
    let ids = command("ZRANGE", arguments).await?;
    Ok(page.cut(ids.iter().map(as_text).collect()))
}
