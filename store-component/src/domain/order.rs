//! An order, its states, and what moves it from one to another.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::pricing::Price;

/// The state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Placed, not paid yet.
    Pending,
    /// Paid; the warehouse decides.
    Completed,
    /// The payment was declined. An end.
    PaymentFailed,
    /// The customer cancelled before paying. An end.
    Cancelled,
    /// The stock was taken. An end, unless units come back.
    Fulfilled,
    /// It could not be fulfilled, and the money went back. An end.
    Refunded,
    /// Every unit came back, and all of the money went back. An end.
    Returned,
}

/// The cause of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The payment went through.
    PaymentApproved,
    /// The payment was declined.
    PaymentDeclined,
    /// The customer cancelled before paying.
    Cancelled,
    /// The customer asks to cancel after paying.
    CancelRequested,
    /// The stock was taken.
    Fulfilled,
    /// It cannot be fulfilled.
    Refund,
    /// Some of the units came back.
    PartlyReturned,
    /// The last of the units came back.
    Returned,
}

/// The effect of a cause on an order in some state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The order moves to this state, which may be the one that it is in.
    Move(Status),
    /// The cause has had its effect before: nothing changes.
    Nothing,
    /// The cause contradicts what is known.
    Contradiction,
}

/// An entry of an order's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub from: Status,
    pub to: Status,
    pub cause: Cause,
}

/// The outcome of a cancel after payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// The warehouse was told; the order's state says what it decided.
    Requested,
    /// The order had been fulfilled by then.
    Refused,
}

/// An event or request does not fit what is known of the order; in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction(pub String);

/// Money that went back; this is also its form in Redis and in responses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(target_family = "wasm", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Refund {
    /// In minor units of the order's currency.
    #[cfg_attr(target_family = "wasm", schema(example = 1_200))]
    pub amount_minor: u64,
    /// `insufficient_stock`, `unknown_product`, `customer_cancelled` or `returned`.
    #[cfg_attr(target_family = "wasm", schema(example = "returned"))]
    pub reason: String,
    #[cfg_attr(target_family = "wasm", schema(example = "2026-01-31T12:00:00.000Z"))]
    pub at: String,
    /// The return that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_id: Option<String>,
}

/// A line of an order, read from its form in Redis, and the units of it that came back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// From 1.
    pub line_id: u32,
    pub product_id: String,
    pub qty: u32,
    /// Minor units each.
    pub unit_price_minor: u64,
    /// Never more than were bought.
    #[serde(skip)]
    pub returned: u32,
}

/// The part of an order that decisions are made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub status: Status,
    /// The number of entries in its history.
    pub rev: u64,
    pub price: Price,
    pub lines: Vec<Line>,
    /// The payment token; empty for none.
    pub token: String,
    pub payment_failures: u32,
    /// Why it failed or was refunded or cancelled.
    pub reason: Option<String>,
    pub cancel: Option<Cancel>,
    /// The customer's reason.
    pub cancel_reason: Option<String>,
    /// The request that cancelled it before it was paid.
    pub cancelled_by: Option<String>,
    /// The money that went back; its sum is never more than the total.
    pub refunds: Vec<Refund>,
}

/// The transitions that something makes; none when it has had its effect before.
pub type Steps = Vec<Transition>;

impl Order {
    /// The payment went through.
    ///
    /// # Errors
    /// Never: an order that waits for no payment stays as it is.
    pub fn approve(&mut self) -> Result<Steps, Contradiction> {
        self.step(Cause::PaymentApproved)
    }

    /// The payment was declined.
    ///
    /// # Errors
    /// Never: an order that waits for no payment stays as it is.
    pub fn decline(&mut self) -> Result<Steps, Contradiction> {
        let steps = self.step(Cause::PaymentDeclined)?;
        if !steps.is_empty() {
            self.reason = Some("payment_declined".to_owned());
        }
        Ok(steps)
    }

    /// The stock was taken.
    ///
    /// # Errors
    /// At a state that contradicts it.
    pub fn fulfil(&mut self) -> Result<Steps, Contradiction> {
        let steps = self.step(Cause::Fulfilled)?;
        if !steps.is_empty() && self.cancel == Some(Cancel::Requested) {
            self.cancel = Some(Cancel::Refused);
        }
        Ok(steps)
    }

    /// No more came back than was bought, and no more money went back than was paid.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let refunded = self
            .refunds
            .iter()
            .try_fold(0_u64, |sum, refund| sum.checked_add(refund.amount_minor));
        self.lines.iter().all(|line| line.returned <= line.qty) && refunded.is_some_and(|sum| sum <= self.price.total)
    }

    /// Moves along the transition table.
    pub(super) fn step(&mut self, cause: Cause) -> Result<Steps, Contradiction> {
        match self.status.on(cause) {
            Effect::Move(to) => {
                let from = std::mem::replace(&mut self.status, to);
                self.rev += 1;
                Ok(vec![Transition { from, to, cause }])
            }
            Effect::Nothing => Ok(Vec::new()),
            Effect::Contradiction => Err(Contradiction(format!(
                "the order is {}, which {cause} does not fit",
                self.status
            ))),
        }
    }
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Completed,
        Self::PaymentFailed,
        Self::Cancelled,
        Self::Fulfilled,
        Self::Refunded,
        Self::Returned,
    ];

    /// The word in Redis and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::PaymentFailed => "payment_failed",
            Self::Cancelled => "cancelled",
            Self::Fulfilled => "fulfilled",
            Self::Refunded => "refunded",
            Self::Returned => "returned",
        }
    }

    /// The status with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// This is a final state: no further event is waited for.
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Pending | Self::Completed)
    }

    /// The transition table.
    #[must_use]
    pub fn on(self, cause: Cause) -> Effect {
        use Effect::{Contradiction, Move, Nothing};
        match (self, cause) {
            (Self::Pending, Cause::PaymentApproved) => Move(Self::Completed),
            (Self::Pending, Cause::PaymentDeclined) => Move(Self::PaymentFailed),
            (_, Cause::PaymentApproved | Cause::PaymentDeclined) => Nothing,

            (Self::Pending, Cause::Cancelled) => Move(Self::Cancelled),
            (Self::Completed, Cause::CancelRequested) => Move(Self::Completed),

            (Self::Completed, Cause::Fulfilled) => Move(Self::Fulfilled),
            (Self::Fulfilled | Self::Returned, Cause::Fulfilled) => Nothing,

            (Self::Completed, Cause::Refund) => Move(Self::Refunded),
            (Self::Refunded, Cause::Refund) => Nothing,

            (Self::Fulfilled, Cause::PartlyReturned) => Move(Self::Fulfilled),
            (Self::Fulfilled, Cause::Returned) => Move(Self::Returned),

            _ => Contradiction,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::PaymentApproved,
        Self::PaymentDeclined,
        Self::Cancelled,
        Self::CancelRequested,
        Self::Fulfilled,
        Self::Refund,
        Self::PartlyReturned,
        Self::Returned,
    ];

    /// The word in the order's history.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PaymentApproved => "payment_approved",
            Self::PaymentDeclined => "payment_declined",
            Self::Cancelled => "cancelled",
            Self::CancelRequested => "cancel_requested",
            Self::Fulfilled => "fulfilled",
            Self::Refund => "refund",
            Self::PartlyReturned => "partly_returned",
            Self::Returned => "returned",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Cancel {
    /// The word in Redis and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Refused => "refused",
        }
    }

    /// The value with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Requested, Self::Refused]
            .into_iter()
            .find(|cancel| cancel.as_str() == word)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::pricing;

    /// An order of these units and unit prices, in this state, with nothing returned.
    pub(in crate::domain) fn order(status: Status, lines: &[(u32, u64)]) -> Order {
        let lines: Vec<_> = (1..)
            .zip(lines)
            .map(|(line_id, (qty, unit_price_minor))| Line {
                line_id,
                product_id: format!("p-{line_id}"),
                qty: *qty,
                unit_price_minor: *unit_price_minor,
                returned: 0,
            })
            .collect();
        Order {
            status,
            rev: 1,
            price: pricing::price(lines.iter().map(|line| (line.qty, line.unit_price_minor))).unwrap(),
            lines,
            token: String::new(),
            payment_failures: 0,
            reason: None,
            cancel: None,
            cancel_reason: None,
            cancelled_by: None,
            refunds: Vec::new(),
        }
    }

    #[test]
    fn every_cell_of_the_table() {
        use super::Status::{Cancelled, Completed, Fulfilled, PaymentFailed, Pending, Refunded, Returned};
        use Effect::{Contradiction as X, Move, Nothing};
        #[rustfmt::skip]
        let table = [
            // at             approved         declined             cancelled        cancel_requested fulfilled        refund          partly_returned  returned
            (Pending,       [Move(Completed), Move(PaymentFailed), Move(Cancelled), X,               X,               X,              X,               X]),
            (Completed,     [Nothing,         Nothing,             X,               Move(Completed), Move(Fulfilled), Move(Refunded), X,               X]),
            (PaymentFailed, [Nothing,         Nothing,             X,               X,               X,               X,              X,               X]),
            (Cancelled,     [Nothing,         Nothing,             X,               X,               X,               X,              X,               X]),
            (Fulfilled,     [Nothing,         Nothing,             X,               X,               Nothing,         X,              Move(Fulfilled), Move(Returned)]),
            (Refunded,      [Nothing,         Nothing,             X,               X,               X,               Nothing,        X,               X]),
            (Returned,      [Nothing,         Nothing,             X,               X,               Nothing,         X,              X,               X]),
        ];
        assert_eq!(table.map(|(status, _)| status), Status::ALL);
        for (status, effects) in table {
            assert_eq!(Cause::ALL.map(|cause| status.on(cause)), effects, "{status}");
        }
    }

    #[test]
    fn every_step_is_of_the_table_and_raises_the_revision() {
        for status in Status::ALL {
            for cause in Cause::ALL {
                let mut order = order(status, &[(1, 100)]);
                match (status.on(cause), order.step(cause)) {
                    (Effect::Move(to), Ok(steps)) => {
                        assert_eq!(
                            steps,
                            [Transition {
                                from: status,
                                to,
                                cause
                            }]
                        );
                        assert_eq!((order.status, order.rev), (to, 2));
                    }
                    (Effect::Nothing, Ok(steps)) => assert_eq!((steps.len(), order.rev), (0, 1)),
                    (Effect::Contradiction, Err(_)) => assert_eq!((order.status, order.rev), (status, 1)),
                    (effect, steps) => panic!("{status} {cause}: {effect:?} {steps:?}"),
                }
            }
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        for cancel in [Cancel::Requested, Cancel::Refused] {
            assert_eq!(Cancel::parse(cancel.as_str()), Some(cancel));
        }
        assert_eq!((Status::parse("lost"), Cancel::parse("lost")), (None, None));
    }

    #[test]
    fn nothing_leads_back() {
        for from in Status::ALL {
            for cause in Cause::ALL {
                let Effect::Move(to) = from.on(cause) else { continue };
                let stays = matches!(cause, Cause::CancelRequested | Cause::PartlyReturned);
                assert_eq!(to == from, stays, "{from} {cause}");
                assert_ne!(to, Status::Pending);
                assert!(to.is_end() || !from.is_end(), "{from} {cause}");
            }
        }
    }
}
