//! A customer cancels an order.

use kit::clock;
use kit::redis::unexpected_reply;

use super::change_orders::{Change, ChangeError, change_orders};
use crate::domain::cancel_order::{Answer, cancel};
use crate::domain::order::Order;

/// Cancels an order, or asks the warehouse to, for this reason.
///
/// # Errors
/// Why it is not cancelled.
pub(crate) async fn cancel_order(order_id: &str, reason: String) -> Result<Answer, ChangeError> {
    let change = Change {
        order_id: order_id.to_owned(),
        event_id: clock::new_id(),
        cause: reason,
    };
    let decide = |order: &mut Order, change: &Change<String>, _: &str| cancel(order, &change.event_id, &change.cause);
    let mut outcomes = change_orders(&[change], decide).await.map_err(ChangeError::Storage)?;
    outcomes
        .pop()
        .unwrap_or_else(|| Err(ChangeError::Storage(unexpected_reply())))
}
