//! Pages of order and product ids.

use kit::lists::{Direction, page_of_ids};
use kit::read_only_script;
use kit::redis::{Script, StorageError, as_text, unexpected_reply};
use kit::web::page::Page;

use super::{ORDERS, PRODUCTS, customer_index, status_index};
use crate::domain::order::Status;

static SCAN_CUSTOMER: Script = read_only_script!("scan_customer.lua");

/// Orders of a customer that are looked at for one page of those of a status.
const SCANNED_MAX: usize = 1_000;

/// A page of ids and the cursor of the next one.
type Ids = Result<(Vec<String>, Option<String>), StorageError>;

/// Order ids, newest first. With both filters, [`SCANNED_MAX`] orders of the customer are looked at, so a page may hold
/// fewer than it could.
pub(crate) async fn orders(status: Option<Status>, customer_id: Option<&str>, page: &Page) -> Ids {
    let index = match (status, customer_id) {
        (Some(status), Some(customer_id)) => return scan(status, customer_id, page).await,
        (Some(status), None) => status_index(status),
        (None, Some(customer_id)) => customer_index(customer_id),
        (None, None) => ORDERS.to_owned(),
    };
    page_of_ids(&index, page, Direction::Descending).await
}

/// Order ids, oldest first.
pub(crate) async fn oldest_orders(status: Option<Status>, page: &Page) -> Ids {
    let index = status.map_or_else(|| ORDERS.to_owned(), status_index);
    page_of_ids(&index, page, Direction::Ascending).await
}

/// Product ids, in their order.
pub(crate) async fn products(page: &Page) -> Ids {
    page_of_ids(PRODUCTS, page, Direction::Ascending).await
}

async fn scan(status: Status, customer_id: &str, page: &Page) -> Ids {
    let after = page
        .after
        .as_ref()
        .map_or_else(|| "+".to_owned(), |id| format!("({id}"));
    let keys = vec![customer_index(customer_id), status_index(status)];
    let arguments = vec![after, page.limit.to_string(), SCANNED_MAX.to_string()];
    let replies = SCAN_CUSTOMER.run(keys, arguments).await?;
    let mut replies = replies.iter().map(as_text);
    let next = replies.next().ok_or_else(unexpected_reply)?;
    Ok((replies.collect(), (!next.is_empty()).then_some(next)))
}
