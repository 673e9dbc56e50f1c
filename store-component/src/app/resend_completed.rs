//! An operator has the warehouse told again of paid orders, after Redis lost events that it had acknowledged.

use kit::clock;
use kit::commit::{Commit, Outcome, commit_all};
use kit::redis::StorageError;
use kit::web::page::Page;

use super::change_orders::{cancel_requested, order_completed};
use crate::domain::order::{Cancel, Status};
use crate::storage::{lists, orders};

/// The orders of one page.
pub(crate) struct Resent {
    pub(crate) scanned: usize,
    pub(crate) resent: usize,
    pub(crate) next_cursor: Option<String>,
}

/// Tells the warehouse of the orders on a page that have been `completed` for this long, and of their customers' wishes to
/// cancel. It keeps what it has decided before.
///
/// # Errors
/// When Redis is away or full, or an order is damaged.
pub(crate) async fn resend_completed(older_than_s: u64, page: &Page) -> Result<Resent, StorageError> {
    let (ids, next_cursor) = lists::oldest_orders(Some(Status::Completed), page).await?;
    let (now, changed_before) = (clock::now(), clock::ago(older_than_s));
    let names: Vec<_> = ids.iter().map(String::as_str).collect();
    let mut commits = Vec::new();
    for (order_id, loaded) in names.iter().copied().zip(orders::load(&names).await?) {
        let Some(loaded) = loaded? else { continue };
        if loaded.order.status != Status::Completed || loaded.stored.updated_at >= changed_before {
            continue;
        }
        let mut commit = Commit::new();
        orders::expect_unchanged(&mut commit, order_id, &loaded.stored);
        commit.append(&clock::new_id(), &now, &order_completed(order_id, &loaded));
        if loaded.order.cancel == Some(Cancel::Requested) {
            commit.append(&clock::new_id(), &now, &cancel_requested(order_id, &loaded.order));
        }
        commits.push(commit);
    }
    let mut resent = 0;
    for outcome in commit_all(commits).await? {
        // One that has changed no longer waits.
        resent += usize::from(outcome? == Outcome::Committed);
    }
    Ok(Resent {
        scanned: ids.len(),
        resent,
        next_cursor,
    })
}
