//! Charging for an order. The payment provider is simulated; it is asked once per handling of `order-placed`, with
//! the order's id as its idempotency key, so that a repeat never charges twice.

use super::order::{Contradiction, Order, Status, Steps};

/// The result of charging for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// It is paid or declined, now or from before.
    Settled,
    /// The payment provider did not answer: again after a while.
    Unreachable,
}

/// Charges for an order that waits for its payment; any other stays as it is.
///
/// # Errors
/// Never: nothing contradicts it.
pub fn charge_order(order: &mut Order) -> Result<(Charged, Steps), Contradiction> {
    if order.status != Status::Pending {
        return Ok((Charged::Settled, Steps::new()));
    }
    let steps = match charge(&order.token, order.payment_failures) {
        Charge::Approved => order.approve()?,
        Charge::Declined => order.decline()?,
        Charge::Unreachable => {
            order.payment_failures += 1;
            return Ok((Charged::Unreachable, Steps::new()));
        }
    };
    Ok((Charged::Settled, steps))
}

/// The payment provider's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charge {
    /// The money is there.
    Approved,
    /// The customer cannot pay.
    Declined,
    /// The provider did not answer: try again later.
    Unreachable,
}

const DECLINED_TOKEN: &str = "tok_decline";
const RETRY_TOKEN_START: &str = "tok_retry_";

/// Asks the simulated provider: `tok_decline` is declined, `tok_retry_<n>` gets through after n failures, and
/// everything else is approved.
#[must_use]
fn charge(token: &str, earlier_failures: u32) -> Charge {
    let failures = token
        .strip_prefix(RETRY_TOKEN_START)
        .and_then(|count| count.parse::<u32>().ok());
    match failures {
        _ if token == DECLINED_TOKEN => Charge::Declined,
        Some(failures) if earlier_failures < failures => Charge::Unreachable,
        _ => Charge::Approved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::tests::order;

    #[test]
    fn tokens() {
        for (token, earlier_failures, charged) in [
            ("", 0, Charge::Approved),
            ("tok_visa", 0, Charge::Approved),
            ("tok_decline", 0, Charge::Declined),
            ("tok_decline", 9, Charge::Declined),
            ("tok_retry_2", 0, Charge::Unreachable),
            ("tok_retry_2", 1, Charge::Unreachable),
            ("tok_retry_2", 2, Charge::Approved),
            ("tok_retry_0", 0, Charge::Approved),
            ("tok_retry_x", 0, Charge::Approved),
        ] {
            assert_eq!(
                charge(token, earlier_failures),
                charged,
                "{token} after {earlier_failures}"
            );
        }
    }

    #[test]
    fn an_order_is_charged_once() {
        for status in Status::ALL {
            let mut order = order(status, &[(1, 100)]);
            let (charged, steps) = charge_order(&mut order).unwrap();
            assert_eq!(charged, Charged::Settled);
            assert_eq!(steps.len(), usize::from(status == Status::Pending), "{status}");
        }
    }

    #[test]
    fn a_provider_that_does_not_answer_is_asked_again() {
        let mut order = order(Status::Pending, &[(1, 100)]);
        order.token = "tok_retry_2".to_owned();
        for failures in 1..=2 {
            assert_eq!(charge_order(&mut order), Ok((Charged::Unreachable, vec![])));
            assert_eq!(
                (order.status, order.rev, order.payment_failures),
                (Status::Pending, 1, failures)
            );
        }
        charge_order(&mut order).unwrap();
        assert_eq!(order.status, Status::Completed);
    }

    #[test]
    fn a_declined_payment_is_the_reason() {
        let mut order = order(Status::Pending, &[(1, 100)]);
        order.token = "tok_decline".to_owned();
        charge_order(&mut order).unwrap();
        assert_eq!(
            (order.status, order.reason.as_deref()),
            (Status::PaymentFailed, Some("payment_declined"))
        );
    }
}
