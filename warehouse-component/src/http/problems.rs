//! The warehouse's problems, and which of them each error of the domain and the use cases is.

use kit::web::if_match::why_altered;
use kit::web::problem::{BUSY, FieldError, Problem, ProblemType};

use crate::app::change_product::ChangeProductError;
use crate::app::create_product::CreateProductError;
use crate::app::move_stock::MoveError;
use crate::app::take_back::ReturnError;
use crate::domain::move_stock::MoveStockError;
use crate::domain::stock::{LIFETIME_MAX, ON_HAND_MAX};
use crate::domain::take_back::{RETURNS_MAX, TakeBackError};

/// There is no such product.
pub(super) const UNKNOWN_PRODUCT: ProblemType = ProblemType::new(404, "unknown_product", "There is no such product");
/// Nothing is decided for the order.
pub(super) const UNKNOWN_ALLOCATION: ProblemType =
    ProblemType::new(404, "unknown_allocation", "Nothing is decided for this order");
/// The chosen id is taken.
pub(super) const PRODUCT_EXISTS: ProblemType =
    ProblemType::new(409, "product_exists", "There is a product with this id");
/// Fewer units are there than are to be written off.
pub(super) const INSUFFICIENT_STOCK: ProblemType =
    ProblemType::new(409, "insufficient_stock", "There are fewer units than are to go");
/// A limit of the stock would be passed.
pub(super) const STOCK_TOO_LARGE: ProblemType = ProblemType::new(
    409,
    "stock_too_large",
    "There would be more units than the warehouse may hold",
);
/// The order was refunded, so nothing of it can come back.
pub(super) const NOT_FULFILLED: ProblemType =
    ProblemType::new(409, "not_fulfilled", "Only what was sold can come back");
/// More units than were sold and are not back yet.
pub(super) const RETURN_TOO_LARGE: ProblemType =
    ProblemType::new(409, "return_too_large", "More would come back than was sold");
/// The order has as many returns as it may.
pub(super) const TOO_MANY_RETURNS: ProblemType =
    ProblemType::new(409, "too_many_returns", "The order came back in too many parts");
/// Somebody changed the product since the client read it.
pub(super) const STALE_REVISION: ProblemType =
    ProblemType::new(412, "stale_revision", "The product has changed since it was read");
/// A line that the order does not have.
pub(super) const UNKNOWN_LINE: ProblemType = ProblemType::new(422, "unknown_line", "The order has no such line");

pub(super) fn unknown_product(product_id: &str) -> Problem {
    UNKNOWN_PRODUCT.with(format!("no product {product_id}"))
}

pub(super) fn unknown_allocation(order_id: &str) -> Problem {
    UNKNOWN_ALLOCATION.with(format!("no allocation of an order {order_id}, or not yet"))
}

const RETRY: &str = "others kept changing the same data; repeat the request";

/// The problem of a product that was not created.
pub(super) fn not_created(product_id: &str, error: CreateProductError) -> Problem {
    match error {
        CreateProductError::Exists => {
            PRODUCT_EXISTS.with(format!("the product {product_id} exists; choose another product_id"))
        }
        CreateProductError::Other(problem) => problem,
    }
}

/// The problem of a product that was not changed.
pub(super) fn not_changed(product_id: &str, error: ChangeProductError) -> Problem {
    match error {
        ChangeProductError::UnknownProduct => unknown_product(product_id),
        ChangeProductError::Stale { rev, altered: None } => STALE_REVISION.with(format!(
            "the product is at revision {rev}; read it again, and send its ETag as If-Match"
        )),
        ChangeProductError::Stale {
            rev,
            altered: Some(tag),
        } => STALE_REVISION.with(format!("the product is at revision {rev}; {}", why_altered(&tag))),
        ChangeProductError::Busy => BUSY.with(RETRY),
        ChangeProductError::Other(problem) => problem,
    }
}

/// The problem of stock that was not moved.
pub(super) fn not_moved(product_id: &str, qty: u32, error: MoveError) -> Problem {
    match error {
        MoveError::UnknownProduct => unknown_product(product_id),
        MoveError::Refused(stock, MoveStockError::InsufficientStock) => INSUFFICIENT_STOCK.with(format!(
            "{} units are there, {qty} were to be written off",
            stock.on_hand
        )),
        MoveError::Refused(_, MoveStockError::TooMuch) => STOCK_TOO_LARGE.with(format!(
            "the warehouse may hold {ON_HAND_MAX} units of a product, and get {LIFETIME_MAX} in its lifetime"
        )),
        MoveError::Busy => BUSY.with(RETRY),
        MoveError::Other(problem) => problem,
    }
}

/// 422 for fields that the domain found at fault.
pub(super) fn invalid<F: Into<String>>(faults: Vec<(F, String)>) -> Problem {
    let errors = faults.into_iter().map(|(field, reason)| FieldError::new(field, reason));
    Problem::invalid(errors.collect())
}

/// The problem of units that were not taken back.
pub(super) fn not_taken_back(order_id: &str, error: ReturnError) -> Problem {
    match error {
        ReturnError::UnknownAllocation => unknown_allocation(order_id),
        ReturnError::NotFulfilled => NOT_FULFILLED.with(format!(
            "the order {order_id} was refunded, so none of it left the warehouse"
        )),
        ReturnError::Refused(error) => refused(error),
        ReturnError::Busy => BUSY.with(RETRY),
        ReturnError::Other(problem) => problem,
    }
}

fn refused(error: TakeBackError) -> Problem {
    match error {
        TakeBackError::UnknownLines(indices) => {
            let reason = "the order has no such line; its allocation shows its lines";
            let errors = indices
                .into_iter()
                .map(|index| (format!("lines[{index}].line_id"), reason));
            UNKNOWN_LINE.at(errors.map(|(field, reason)| FieldError::new(field, reason)).collect())
        }
        TakeBackError::TooMany(lines) => {
            let error = |(index, left)| {
                FieldError::new(
                    format!("lines[{index}].qty"),
                    format!("at most {left} may still come back"),
                )
            };
            RETURN_TOO_LARGE.at(lines.into_iter().map(error).collect())
        }
        TakeBackError::TooManyReturns => TOO_MANY_RETURNS.with(format!(
            "an order may have {RETURNS_MAX} returns; write the units in as a supply"
        )),
        TakeBackError::StockTooLarge(product_id) => STOCK_TOO_LARGE.with(format!(
            "the warehouse may hold {ON_HAND_MAX} units of the product {product_id}, and take back {LIFETIME_MAX} in \
             its lifetime"
        )),
    }
}
