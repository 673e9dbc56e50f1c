//! Closed orders leave the store: handed to an operator a page at a time, and removed once they are safe elsewhere.

use contracts::names::STORE_STREAMS;
use kit::archive::Limits;
use kit::commit::{Commit, Outcome, commit_all};
use kit::redis::StorageError;
use kit::web::page::Page;

use crate::domain::order::Status;
use crate::storage::orders::{self, Loaded};
use crate::storage::{StoredOrder, lists};

/// Orders that may leave, and the cursor of the next page.
pub(crate) struct ArchivePage {
    pub(crate) orders: Vec<(String, StoredOrder)>,
    pub(crate) next_cursor: Option<String>,
}

/// A page of closed orders that have not changed for so many days, oldest first.
///
/// # Errors
/// When Redis is away, or an order is damaged.
pub(crate) async fn read_archive(older_than_days: u64, page: &Page) -> Result<ArchivePage, StorageError> {
    let limits = Limits::now(older_than_days, STORE_STREAMS).await?;
    let (ids, mut next_cursor) = lists::oldest_orders(None, page).await?;
    let names: Vec<_> = ids.iter().map(String::as_str).collect();
    let mut leaving = Vec::new();
    for (order_id, loaded) in names.iter().zip(orders::load(&names).await?) {
        let Some(Loaded { stored, order }) = loaded? else {
            continue;
        };
        if stored.created_at >= limits.changed_before {
            // Those behind it are younger still.
            next_cursor = None;
            break;
        }
        if may_leave(order.status, &stored, &limits).is_ok() {
            leaving.push(((*order_id).to_owned(), stored));
        }
    }
    Ok(ArchivePage {
        orders: leaving,
        next_cursor,
    })
}

/// Removes closed orders, and says of each whether it is gone, now or from before, or else why it stays: `open`,
/// `too_young`, `in_streams` or `changed`.
///
/// # Errors
/// When Redis is away, or an order is damaged.
pub(crate) async fn remove_archived(
    older_than_days: u64,
    order_ids: &[String],
) -> Result<Vec<Result<(), &'static str>>, StorageError> {
    let limits = Limits::now(older_than_days, STORE_STREAMS).await?;
    let names: Vec<_> = order_ids.iter().map(String::as_str).collect();
    let mut outcomes = vec![Ok(()); names.len()];
    let (mut leaving, mut commits) = (Vec::new(), Vec::new());
    for (position, loaded) in orders::load(&names).await?.into_iter().enumerate() {
        let Some(loaded) = loaded? else { continue };
        match may_leave(loaded.order.status, &loaded.stored, &limits) {
            Ok(()) => {
                let mut commit = Commit::new();
                orders::remove(&mut commit, names[position], &loaded);
                leaving.push(position);
                commits.push(commit);
            }
            Err(reason) => outcomes[position] = Err(reason),
        }
    }
    for (position, outcome) in leaving.into_iter().zip(commit_all(commits).await?) {
        if outcome? == Outcome::Changed {
            outcomes[position] = Err("changed");
        }
    }
    Ok(outcomes)
}

fn may_leave(status: Status, order: &StoredOrder, limits: &Limits) -> Result<(), &'static str> {
    if !status.is_end() {
        return Err("open");
    }
    limits.may_leave(&order.updated_at).map_err(|reason| reason.as_str())
}
