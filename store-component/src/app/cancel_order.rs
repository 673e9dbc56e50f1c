//! A customer cancels an order.

use kit::clock;
use kit::redis::{StorageError, unexpected_reply};

use super::change_orders::{Change, ChangeError, change_orders};
use crate::domain::cancel_order::{Answer, cancel};
use crate::domain::order::Order;

/// Cancels an order, or asks the warehouse to, for this reason.
///
/// # Errors
/// Why it is not cancelled; the outer error when Redis is away or full.
pub(crate) async fn cancel_order(order_id: &str, reason: String) -> Result<Result<Answer, ChangeError>, StorageError> {
    let change = Change {
        order_id: order_id.to_owned(),
        event_id: clock::new_id(),
        cause: reason,
    };
    let decide = |order: &mut Order, change: &Change<String>, _: &str| cancel(order, &change.event_id, &change.cause);
    change_orders(&[change], decide)
        .await?
        .pop()
        .ok_or_else(unexpected_reply)
}
