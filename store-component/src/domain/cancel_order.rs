//! Cancelling an order: the store decides before the payment, the warehouse after it.

use super::order::{Cancel, Cause, Contradiction, Order, Status, Steps};

/// The answer to the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The order is cancelled, and nothing was charged.
    Cancelled,
    /// The warehouse decides.
    Requested,
}

/// The reason that an order cancelled before its payment keeps.
const CUSTOMER_CANCELLED: &str = "customer_cancelled";

/// Cancels an order for a request with an id of its own; the same request again is answered the same.
///
/// # Errors
/// At a state in which there is nothing to cancel.
pub fn cancel(order: &mut Order, request_id: &str, reason: &str) -> Result<(Answer, Steps), Contradiction> {
    match (order.status, order.cancel) {
        (Status::Pending, _) => {
            let steps = order.step(Cause::Cancelled)?;
            order.reason = Some(CUSTOMER_CANCELLED.to_owned());
            order.cancel_reason = Some(reason.to_owned());
            order.cancelled_by = Some(request_id.to_owned());
            Ok((Answer::Cancelled, steps))
        }
        (Status::Cancelled, _) if order.cancelled_by.as_deref() == Some(request_id) => {
            Ok((Answer::Cancelled, Steps::new()))
        }
        (Status::Completed, None) => {
            let steps = order.step(Cause::CancelRequested)?;
            order.cancel = Some(Cancel::Requested);
            order.cancel_reason = Some(reason.to_owned());
            Ok((Answer::Requested, steps))
        }
        (Status::Completed, Some(_)) => Ok((Answer::Requested, Steps::new())),
        (status, _) => Err(Contradiction(format!(
            "the order is {status}; there is nothing to cancel"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::tests::order;

    fn causes(steps: &Steps) -> Vec<Cause> {
        steps.iter().map(|step| step.cause).collect()
    }

    #[test]
    fn every_state() {
        for status in Status::ALL {
            let mut order = order(status, &[(1, 100)]);
            let before = order.clone();
            match (status, cancel(&mut order, "r-1", "changed my mind")) {
                (Status::Pending, Ok((Answer::Cancelled, steps))) => {
                    assert_eq!(causes(&steps), [Cause::Cancelled]);
                    assert_eq!(order.status, Status::Cancelled);
                    assert_eq!(order.reason.as_deref(), Some("customer_cancelled"));
                }
                (Status::Completed, Ok((Answer::Requested, steps))) => {
                    assert_eq!(causes(&steps), [Cause::CancelRequested]);
                    assert_eq!(
                        (order.status, order.cancel),
                        (Status::Completed, Some(Cancel::Requested))
                    );
                }
                (Status::Pending | Status::Completed, other) => panic!("{status}: {other:?}"),
                (_, Err(_)) => assert_eq!(order, before),
                (_, Ok(answer)) => panic!("{status}: {answer:?}"),
            }
        }
    }

    #[test]
    fn the_second_request_changes_nothing() {
        let mut paid = order(Status::Completed, &[(1, 100)]);
        cancel(&mut paid, "r-1", "one").unwrap();
        let before = paid.clone();
        assert_eq!(cancel(&mut paid, "r-2", "two"), Ok((Answer::Requested, vec![])));
        assert_eq!(paid, before);

        let mut unpaid = order(Status::Pending, &[(1, 100)]);
        cancel(&mut unpaid, "r-1", "one").unwrap();
        let before = unpaid.clone();
        assert_eq!(cancel(&mut unpaid, "r-1", "one"), Ok((Answer::Cancelled, vec![])));
        assert!(cancel(&mut unpaid, "r-2", "one").is_err());
        assert_eq!(unpaid, before);
    }

    #[test]
    fn a_fulfilment_that_came_first_refuses_it() {
        let mut order = order(Status::Completed, &[(1, 100)]);
        cancel(&mut order, "r-1", "one").unwrap();
        order.fulfil().unwrap();
        assert_eq!((order.status, order.cancel), (Status::Fulfilled, Some(Cancel::Refused)));
        order.fulfil().unwrap();
        assert_eq!(order.cancel, Some(Cancel::Refused));
        assert!(cancel(&mut order, "r-2", "two").is_err());
    }

    #[test]
    fn an_order_that_nobody_cancels_has_no_answer_to_it() {
        let mut order = order(Status::Completed, &[(1, 100)]);
        order.fulfil().unwrap();
        assert_eq!(order.cancel, None);
    }
}
