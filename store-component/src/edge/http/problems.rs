//! The store's own kinds of errors, and which of them each refusal of the domain is.

use edge::problem::{FieldError, INTERNAL, Problem, ProblemType};

use crate::domain::place_order::Refusal;
use crate::edge::redis::Corrupt;

/// The store has no such order.
pub(super) const UNKNOWN_ORDER: ProblemType = ProblemType::new(404, "unknown_order", "There is no such order");
/// A line names a product that the store does not know.
pub(super) const UNKNOWN_PRODUCT: ProblemType =
    ProblemType::new(422, "unknown_product", "The store does not know the product");
/// A line names a product that is no longer on sale.
pub(super) const INACTIVE_PRODUCT: ProblemType =
    ProblemType::new(422, "inactive_product", "The product is no longer on sale");
/// The lines are priced in different currencies.
pub(super) const MIXED_CURRENCIES: ProblemType = ProblemType::new(422, "mixed_currencies", "An order has one currency");
/// The total passes what every JSON reader keeps exact.
pub(super) const TOTAL_TOO_LARGE: ProblemType =
    ProblemType::new(422, "total_too_large", "The order's total is too large");

/// The order is in a state in which there is nothing to cancel.
pub(super) const NOT_CANCELLABLE: ProblemType =
    ProblemType::new(409, "not_cancellable", "The order cannot be cancelled any more");
/// Others kept changing what the request wants to change.
pub(super) const BUSY: ProblemType = ProblemType::new(503, "busy", "Others keep changing the same data");

/// The problem for an order that is not there.
pub(super) fn unknown_order(order_id: &str) -> Problem {
    UNKNOWN_ORDER.with(format!("no order {order_id}"))
}

pub(super) fn unwritable(error: &serde_json::Error) -> Problem {
    INTERNAL.with(error.to_string())
}

pub(super) fn corrupt(Corrupt(what): Corrupt) -> Problem {
    Problem::corrupt(what)
}

/// The problem for an order that cannot be placed.
pub(super) fn refused(refusal: Refusal) -> Problem {
    let at = |paths: Vec<String>, reason: &str| -> Vec<FieldError> {
        paths.into_iter().map(|path| FieldError::new(path, reason)).collect()
    };
    match refusal {
        Refusal::Invalid(faults) => Problem::invalid(
            faults
                .into_iter()
                .map(|(path, reason)| FieldError::new(path, reason))
                .collect(),
        ),
        Refusal::UnknownProduct(paths) => {
            UNKNOWN_PRODUCT.at(at(paths, "no such product; GET /store/products lists what there is"))
        }
        Refusal::InactiveProduct(paths) => INACTIVE_PRODUCT.at(at(paths, "this product is no longer on sale")),
        Refusal::MixedCurrencies(paths) => MIXED_CURRENCIES.at(at(
            paths,
            "priced in another currency than the first line; place two orders",
        )),
        Refusal::TotalTooLarge => TOTAL_TOO_LARGE.at(at(
            vec!["lines".to_owned()],
            "the total passes 2^53 - 1 minor units; place several orders",
        )),
    }
}
