//! The events, and checks of their values.

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use crate::generated::{
    OrderCancelRequested, OrderCompleted, OrderFulfilled, OrderLine, OrderPlaced, ProductChanged, RefundOrder,
    RefundReason, ReturnReceived, ShortLine,
};
use crate::limits::{ORDER_LINES_MAX, check_currency, check_id, check_name, check_price, check_qty, check_rev};
use crate::names;

/// An event of this contract.
pub trait Event: Serialize + for<'de> Deserialize<'de> {
    /// The stream that carries it, also the event's type.
    const STREAM: &'static str;

    /// Checks every value.
    ///
    /// # Errors
    /// The path of the first illegal value within `data`, and what it must be.
    fn check(&self) -> Result<(), String>;
}

fn at(path: &str, check: Result<(), String>) -> Result<(), String> {
    check.map_err(|reason| format!("{path}: {reason}"))
}

fn check_lines(lines: &[OrderLine]) -> Result<(), String> {
    if lines.is_empty() || lines.len() > ORDER_LINES_MAX {
        return Err(format!(
            "lines: must hold 1 to {ORDER_LINES_MAX} lines, holds {}",
            lines.len()
        ));
    }
    for (index, line) in lines.iter().enumerate() {
        if line.line_id == 0 {
            return Err(format!("lines[{index}].line_id: must be an integer from 1, is 0"));
        }
        if lines[..index].iter().any(|other| other.line_id == line.line_id) {
            return Err(format!("lines[{index}].line_id: {} is there twice", line.line_id));
        }
        at(&format!("lines[{index}].product_id"), check_id(&line.product_id))?;
        at(&format!("lines[{index}].qty"), check_qty(line.qty))?;
    }
    Ok(())
}

impl Event for OrderPlaced {
    const STREAM: &'static str = names::ORDER_PLACED;

    fn check(&self) -> Result<(), String> {
        at("order_id", check_id(&self.order_id))
    }
}

impl Event for OrderCompleted {
    const STREAM: &'static str = names::ORDER_COMPLETED;

    fn check(&self) -> Result<(), String> {
        at("order_id", check_id(&self.order_id))?;
        at("customer_id", check_id(&self.customer_id))?;
        check_lines(&self.lines)
    }
}

impl Event for OrderFulfilled {
    const STREAM: &'static str = names::ORDER_FULFILLED;

    fn check(&self) -> Result<(), String> {
        at("order_id", check_id(&self.order_id))?;
        check_lines(&self.lines)
    }
}

impl Event for RefundOrder {
    const STREAM: &'static str = names::REFUND_ORDER;

    fn check(&self) -> Result<(), String> {
        at("order_id", check_id(&self.order_id))?;
        for (index, line) in self.lines.iter().enumerate() {
            at(&format!("lines[{index}].product_id"), check_id(&line.product_id))?;
        }
        Ok(())
    }
}

impl Event for OrderCancelRequested {
    const STREAM: &'static str = names::ORDER_CANCEL_REQUESTED;

    fn check(&self) -> Result<(), String> {
        at("order_id", check_id(&self.order_id))?;
        at("reason", check_name(&self.reason))
    }
}

impl Event for ReturnReceived {
    const STREAM: &'static str = names::RETURN_RECEIVED;

    fn check(&self) -> Result<(), String> {
        at("order_id", check_id(&self.order_id))?;
        at("return_id", check_id(&self.return_id))?;
        check_lines(&self.lines)
    }
}

impl Event for ProductChanged {
    const STREAM: &'static str = names::PRODUCT_CHANGED;

    fn check(&self) -> Result<(), String> {
        at("product_id", check_id(&self.product_id))?;
        at("rev", check_rev(self.rev))?;
        at("name", check_name(&self.name))?;
        at("price_minor", check_price(self.price_minor))?;
        at("currency", check_currency(&self.currency))
    }
}

impl RefundReason {
    const ALL: [Self; 3] = [Self::InsufficientStock, Self::UnknownProduct, Self::CustomerCancelled];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InsufficientStock => "insufficient_stock",
            Self::UnknownProduct => "unknown_product",
            Self::CustomerCancelled => "customer_cancelled",
        }
    }
}

impl Serialize for RefundReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RefundReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let expected = "one of insufficient_stock, unknown_product, customer_cancelled";
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == name)
            .ok_or_else(|| Error::invalid_value(Unexpected::Str(&name), &expected))
    }
}
