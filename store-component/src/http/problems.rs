//! The store's problems, and which of them each error of the domain and the use cases is.

use kit::web::problem::{BUSY, FieldError, Problem, ProblemType};

use crate::app::cancel_order::CancelError;
use crate::app::place_order::PlaceError;
use crate::domain::place_order::PlaceOrderError;

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

/// The problem for an order that is not there.
pub(super) fn unknown_order(order_id: &str) -> Problem {
    UNKNOWN_ORDER.with(format!("no order {order_id}"))
}

/// The problem of an order that was not placed.
pub(super) fn not_placed(error: PlaceError) -> Problem {
    match error {
        PlaceError::Refused(error) => refused(error),
        PlaceError::Busy => BUSY.with("others kept changing the order's products; repeat the request"),
        PlaceError::Other(problem) => problem,
    }
}

fn refused(error: PlaceOrderError) -> Problem {
    let at = |paths: Vec<String>, reason: &str| -> Vec<FieldError> {
        paths.into_iter().map(|path| FieldError::new(path, reason)).collect()
    };
    match error {
        PlaceOrderError::Invalid(faults) => Problem::invalid(
            faults
                .into_iter()
                .map(|(path, reason)| FieldError::new(path, reason))
                .collect(),
        ),
        PlaceOrderError::UnknownProduct(paths) => {
            UNKNOWN_PRODUCT.at(at(paths, "no such product; GET /store/products lists what there is"))
        }
        PlaceOrderError::InactiveProduct(paths) => INACTIVE_PRODUCT.at(at(paths, "this product is no longer on sale")),
        PlaceOrderError::MixedCurrencies(paths) => MIXED_CURRENCIES.at(at(
            paths,
            "priced in another currency than the first line; place two orders",
        )),
        PlaceOrderError::TotalTooLarge => TOTAL_TOO_LARGE.at(at(
            vec!["lines".to_owned()],
            "the total passes 2^53 - 1 minor units; place several orders",
        )),
    }
}

/// The problem of an order that was not cancelled.
pub(super) fn not_cancelled(order_id: &str, error: CancelError) -> Problem {
    match error {
        CancelError::UnknownOrder => unknown_order(order_id),
        CancelError::Contradiction(what) => NOT_CANCELLABLE.with(what),
        CancelError::Busy => BUSY.with("others kept changing the order; repeat the request"),
        CancelError::Other(problem) => problem,
    }
}
