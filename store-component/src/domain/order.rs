//! An order's states, and what moves it from one to another.

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Placed, not paid yet.
    Pending,
    /// Paid; the warehouse decides.
    Completed,
    /// The payment was declined. An end.
    PaymentFailed,
    /// The stock was taken. An end.
    Fulfilled,
    /// It could not be fulfilled, and the money went back. An end.
    Refunded,
}

/// What happens to an order after it was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The payment went through.
    PaymentApproved,
    /// The payment was declined.
    PaymentDeclined,
    /// `order-fulfilled` arrived.
    Fulfilled,
    /// `refund-order` arrived.
    Refund,
}

/// What a cause does to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The order moves to another state.
    Move(Status),
    /// The cause has had its effect before: nothing changes.
    Nothing,
    /// The cause contradicts what is known.
    Contradiction,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Completed,
        Self::PaymentFailed,
        Self::Fulfilled,
        Self::Refunded,
    ];

    /// The word in Redis and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::PaymentFailed => "payment_failed",
            Self::Fulfilled => "fulfilled",
            Self::Refunded => "refunded",
        }
    }

    /// The transition table.
    #[must_use]
    pub fn on(self, cause: Cause) -> Effect {
        match (self, cause) {
            (Self::Pending, Cause::PaymentApproved) => Effect::Move(Self::Completed),
            (Self::Pending, Cause::PaymentDeclined) => Effect::Move(Self::PaymentFailed),
            (_, Cause::PaymentApproved | Cause::PaymentDeclined) => Effect::Nothing,

            (Self::Completed, Cause::Fulfilled) => Effect::Move(Self::Fulfilled),
            (Self::Fulfilled, Cause::Fulfilled) => Effect::Nothing,
            (Self::Pending | Self::PaymentFailed | Self::Refunded, Cause::Fulfilled) => Effect::Contradiction,

            (Self::Completed, Cause::Refund) => Effect::Move(Self::Refunded),
            (Self::Refunded, Cause::Refund) => Effect::Nothing,
            (Self::Pending | Self::PaymentFailed | Self::Fulfilled, Cause::Refund) => Effect::Contradiction,
        }
    }
}

impl Cause {
    /// The word in the order's history.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PaymentApproved => "payment_approved",
            Self::PaymentDeclined => "payment_declined",
            Self::Fulfilled => "fulfilled",
            Self::Refund => "refund",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table() {
        use Effect::{Contradiction, Move, Nothing};
        let table = [
            // at                    approved                declined                     fulfilled                refund
            (
                Status::Pending,
                [
                    Move(Status::Completed),
                    Move(Status::PaymentFailed),
                    Contradiction,
                    Contradiction,
                ],
            ),
            (
                Status::Completed,
                [Nothing, Nothing, Move(Status::Fulfilled), Move(Status::Refunded)],
            ),
            (Status::PaymentFailed, [Nothing, Nothing, Contradiction, Contradiction]),
            (Status::Fulfilled, [Nothing, Nothing, Nothing, Contradiction]),
            (Status::Refunded, [Nothing, Nothing, Contradiction, Nothing]),
        ];
        let causes = [
            Cause::PaymentApproved,
            Cause::PaymentDeclined,
            Cause::Fulfilled,
            Cause::Refund,
        ];
        assert_eq!(table.map(|(status, _)| status), Status::ALL);
        for (status, effects) in table {
            assert_eq!(causes.map(|cause| status.on(cause)), effects, "{status:?}");
        }
    }

    #[test]
    fn nothing_leads_back() {
        for status in Status::ALL {
            for cause in [Cause::PaymentApproved, Cause::Fulfilled, Cause::Refund] {
                if let Effect::Move(to) = status.on(cause) {
                    assert_ne!(to, status);
                    assert_ne!(to, Status::Pending);
                }
            }
        }
    }
}
