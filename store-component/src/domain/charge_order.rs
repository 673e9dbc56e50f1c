//! Charging for an order. The payment provider is simulated; it is asked once per handling of `order-placed`, with
//! the order's id as its idempotency key, so that a repeat never charges twice.

/// What the payment provider answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
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
pub fn charge(token: &str, earlier_failures: u32) -> Charge {
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
}
