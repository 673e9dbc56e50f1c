//! Pages of order ids. Every list is a sorted set of ids with the same score, so that a page costs the same wherever it
//! is and however many orders there are.

use edge::page::Page;
use edge::read_only_script;
use edge::redis::{Failure, Script, as_text};

use super::{Corrupt, ORDERS, customer_index, ids, status_index};
use crate::domain::order::Status;

static SCAN_CUSTOMER: Script = read_only_script!("scan_customer.lua");

/// Orders of a customer that are looked at for one page of those in a state.
pub(in crate::edge) const SCANNED_MAX: usize = 1_000;

/// Which orders are listed.
pub(in crate::edge) struct Filter {
    pub(in crate::edge) status: Option<Status>,
    pub(in crate::edge) customer_id: Option<String>,
}

/// A page of order ids, newest first, and where the next one begins.
///
/// With both filters, [`SCANNED_MAX`] orders of the customer are looked at, so a page may hold fewer than it could.
pub(in crate::edge) async fn order_ids(
    filter: &Filter,
    page: &Page,
) -> Result<Result<(Vec<String>, Option<String>), Corrupt>, Failure> {
    let index = match (filter.status, &filter.customer_id) {
        (Some(status), Some(customer_id)) => return scan(status, customer_id, page).await,
        (Some(status), None) => status_index(status),
        (None, Some(customer_id)) => customer_index(customer_id),
        (None, None) => ORDERS.to_owned(),
    };
    Ok(Ok(page.cut(ids(&index, page, true).await?)))
}

async fn scan(
    status: Status,
    customer_id: &str,
    page: &Page,
) -> Result<Result<(Vec<String>, Option<String>), Corrupt>, Failure> {
    let after = page
        .after
        .as_ref()
        .map_or_else(|| "+".to_owned(), |id| format!("({id}"));
    let keys = vec![customer_index(customer_id), status_index(status)];
    let arguments = vec![after, page.limit.to_string(), SCANNED_MAX.to_string()];
    let replies = SCAN_CUSTOMER.run(keys, arguments).await?;
    let mut replies = replies.iter().map(as_text);
    let (word, next) = (replies.next().unwrap_or_default(), replies.next().unwrap_or_default());
    if word != "ok" {
        return Ok(Err(Corrupt(next)));
    }
    let next_cursor = (!next.is_empty()).then_some(next);
    Ok(Ok((replies.collect(), next_cursor)))
}

/// Order ids, oldest first.
pub(in crate::edge) async fn oldest_order_ids(status: Option<Status>, page: &Page) -> Result<Vec<String>, Failure> {
    let index = status.map_or_else(|| ORDERS.to_owned(), status_index);
    ids(&index, page, false).await
}
