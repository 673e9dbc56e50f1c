//! Pages of order and product ids.

use kit::lists::{Direction, page_of_ids};
use kit::redis::{Reply, StorageError, as_text, command};
use kit::web::page::Page;

use super::{ORDERS, PRODUCTS, customer_index, status_index};
use crate::domain::order::Status;

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
    let customers = customer_index(customer_id);
    let count = (SCANNED_MAX + 1).to_string();
    let range = [&*customers, &after, "-", "BYLEX", "REV", "LIMIT", "0", &count];
    let ids: Vec<_> = command("ZRANGE", range).await?.iter().map(as_text).collect();
    if ids.is_empty() {
        return Ok((ids, None));
    }
    let scores = std::iter::once(status_index(status)).chain(ids.iter().cloned());
    let scores = command("ZMSCORE", scores).await?;
    let (mut found, mut scanned) = (Vec::new(), None);
    for (index, (id, score)) in ids.into_iter().zip(scores).enumerate() {
        if index == SCANNED_MAX || found.len() == page.limit {
            return Ok((found, scanned));
        }
        scanned = Some(id.clone());
        if score != Reply::Nil {
            found.push(id);
        }
    }
    Ok((found, None))
}
