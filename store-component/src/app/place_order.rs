//! Placing an order: priced by the store's copy of the catalogue, and committed if the products are still the same.

use contracts::envelope::to_json;
use contracts::events::OrderPlaced;
use kit::change::ROUNDS_MAX;
use kit::clock;
use kit::commit::{Commit, IdempotencyRecord, Outcome, commit};
use kit::redis::StorageError;
use kit::web::idempotency;
use kit::web::problem::Problem;
use serde_json::value::RawValue;

use crate::domain::order::Status;
use crate::domain::place_order::{self, OrderRequest, PlaceOrderError, PricedOrder};
use crate::storage::products::{self, KnownProduct};
use crate::storage::{StoredOrder, StoredTransition, orders};

/// The answer to a request: the order's path, and the order as JSON.
pub(crate) struct Placed {
    pub(crate) location: String,
    pub(crate) body: String,
}

/// Why an order was not placed.
pub(crate) enum PlaceError {
    Refused(PlaceOrderError),
    /// Others kept changing the order's products.
    Busy,
    /// The idempotency key or the storage is in the way.
    Other(Problem),
}

impl From<Problem> for PlaceError {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<StorageError> for PlaceError {
    fn from(error: StorageError) -> Self {
        Self::Other(error.into())
    }
}

/// Places an order. `show` writes the order as it is answered; the answer is kept under the idempotency key, if one was
/// sent, and given again to a repeated request.
///
/// # Errors
/// Why it was not placed.
pub(crate) async fn place_order(
    request: &OrderRequest,
    record: Option<&IdempotencyRecord>,
    show: impl Fn(&str, &StoredOrder) -> String,
) -> Result<Placed, PlaceError> {
    place_order::check(request).map_err(PlaceError::Refused)?;
    let ids: Vec<_> = request
        .lines
        .iter()
        .map(|(product_id, _)| product_id.as_str())
        .collect();
    // The first round goes by what is remembered of the products. It places the order only if they are still the same; it
    // refuses nothing, since they may have changed, and a Redis that is full can still be read.
    let mut remembered = products::remembered(&ids);
    for _ in 0..ROUNDS_MAX {
        let is_remembered = remembered.is_some();
        let known: Vec<Option<KnownProduct>> = match remembered.take() {
            Some(products) => products.into_iter().map(Some).collect(),
            None => {
                // A repeat is answered as before, whatever became of the products since.
                if let Some(record) = record
                    && let Some((location, body)) = idempotency::earlier_answer(record).await?
                {
                    return Ok(Placed { location, body });
                }
                products::read(&ids).await?.into_iter().collect::<Result<_, _>>()?
            }
        };
        let products = known
            .iter()
            .map(|known| Some(known.as_ref()?.product.clone()))
            .collect();
        let order = match place_order::price(request, products) {
            Ok(order) => order,
            Err(_) if is_remembered => continue,
            Err(error) => return Err(PlaceError::Refused(error)),
        };
        let known: Vec<_> = known.into_iter().flatten().collect();
        let order_id = clock::new_id();
        let location = format!("/store/orders/{order_id}");
        let stored = stored_order(request, &order);
        let body = show(&order_id, &stored.order);
        let mut placing = Commit::new();
        orders::place(&mut placing, &order_id, &stored.order, &known);
        let placed = OrderPlaced {
            order_id: order_id.clone(),
        };
        placing.append(&stored.event_id, &stored.order.created_at, &placed);
        if let Some(record) = record {
            placing.answer(record, &location, &body);
        }
        match commit(placing).await {
            Ok(Outcome::Committed) => return Ok(Placed { location, body }),
            Ok(Outcome::Answered { location, body }) => {
                // Sent twice at once: the other one was first.
                return Ok(Placed { location, body });
            }
            Ok(Outcome::KeyReused) => return Err(idempotency::reused().into()),
            Ok(Outcome::Changed) => {}
            Err(StorageError::Full(_)) if is_remembered => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(PlaceError::Busy)
}

/// A new order, and the id of the event that tells of it.
struct NewOrder {
    order: StoredOrder,
    event_id: String,
}

fn stored_order(request: &OrderRequest, priced: &PricedOrder) -> NewOrder {
    let (event_id, now) = (clock::new_id(), clock::now());
    let placed = StoredTransition {
        at: &now,
        from: None,
        to: Status::Pending.as_str(),
        cause: "placed",
        event_id: &event_id,
    };
    let order = StoredOrder {
        rev: 1,
        updated_at: now.clone(),
        status: Status::Pending.as_str().to_owned(),
        customer_id: request.customer_id.clone(),
        currency: priced.currency.clone(),
        lines: RawValue::from_string(to_json(&priced.lines)).unwrap_or_default(),
        subtotal_minor: priced.price.subtotal,
        fee_minor: priced.price.fee,
        total_minor: priced.price.total,
        created_at: now.clone(),
        payment_token: request.token.clone().unwrap_or_default(),
        payment_failures: 0,
        reason: None,
        cancel: None,
        cancel_reason: None,
        cancelled_by: None,
        returned: Vec::new(),
        refunds: Vec::new(),
        history: vec![placed.to_raw()],
    };
    NewOrder { order, event_id }
}
