//! A customer cancels an order that is paid for.

/// The outcome of a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// Nothing was decided for the order yet: it is refunded now, and its `order-completed`, whenever it comes, finds
    /// it decided.
    Refunded,
    /// The order was fulfilled or refunded before, which stands.
    TooLate,
}

/// Decides a cancel, given whether the order has an allocation: whichever comes first, stands.
#[must_use]
pub fn cancel(is_decided: bool) -> Cancel {
    if is_decided { Cancel::TooLate } else { Cancel::Refunded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decided_stands() {
        assert_eq!(cancel(false), Cancel::Refunded);
        assert_eq!(cancel(true), Cancel::TooLate);
    }
}
