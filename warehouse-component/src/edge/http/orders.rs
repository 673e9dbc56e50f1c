//! What was decided for orders, and what of them comes back.

use axum::extract::Path;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use contracts::events::{OrderLine, ReturnReceived};
use contracts::limits::check_id;
use edge::http::json_text;
use edge::idempotency::{self, Earlier};
use edge::problem::{FieldError, Problem};
use edge::{clock, json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::redis::{self, Return, StoredAllocation, TakenBack};
use super::movements::{self, ReturnOf};
use super::{corrupt, invalid, stock_too_large, text, unknown_allocation};
use crate::domain::allocate::needs;
use crate::domain::stock::{LIFETIME_MAX, ON_HAND_MAX};
use crate::domain::take_back::{self, RETURNS_MAX, Refusal, ReturnLine};

const FULFILLED: &str = "fulfilled";

/// What the warehouse decided for an order, as it is answered.
#[derive(Debug, Serialize)]
struct AllocationView {
    order_id: String,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    lines: Box<RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    returns: Vec<Box<RawValue>>,
    at: String,
}

/// The body of `POST /warehouse/returns`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TakeBack {
    order_id: String,
    lines: Vec<TakeBackLine>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TakeBackLine {
    line_id: u32,
    qty: u32,
}

/// A return as it is listed with its allocation; `announce_allocation.lua` takes it apart.
#[derive(Debug, Serialize)]
struct ReturnEntry<'a> {
    return_id: &'a str,
    at: &'a str,
    lines: &'a [OrderLine],
}

/// A return as it is answered.
#[derive(Debug, Serialize)]
struct ReturnView<'a> {
    return_id: &'a str,
    order_id: &'a str,
    at: &'a str,
    lines: &'a [OrderLine],
}

pub(super) async fn show_allocation(Path(order_id): Path<String>) -> Result<Response, Problem> {
    let allocation = decided(&order_id).await?;
    let raw = |json| {
        RawValue::from_string(json)
            .map_err(|error| Problem::corrupt(format!("the allocation of the order {order_id}: {error}")))
    };
    let view = AllocationView {
        outcome: allocation.outcome,
        reason: allocation.reason,
        lines: raw(allocation.lines)?,
        returns: allocation.returns.into_iter().map(raw).collect::<Result<_, _>>()?,
        at: allocation.at,
        order_id,
    };
    Ok(edge::http::json(StatusCode::OK, &view))
}

async fn decided(order_id: &str) -> Result<StoredAllocation, Problem> {
    check_id(order_id).map_err(|_| unknown_allocation(order_id))?;
    let allocation = redis::allocation(order_id).await?.map_err(corrupt)?;
    allocation.ok_or_else(|| unknown_allocation(order_id))
}

pub(super) async fn take_back(headers: HeaderMap, method: Method, body: Bytes) -> Result<Response, Problem> {
    let request: TakeBack = json::parse(&body)?;
    let scope = idempotency::required_scope(&headers, &method, "/warehouse/returns", text(&request)?)?;
    let lines: Vec<_> = request
        .lines
        .iter()
        .map(|line| ReturnLine {
            line_id: line.line_id,
            qty: line.qty,
        })
        .collect();
    take_back::check(&request.order_id, &lines).map_err(invalid)?;
    // A repeat is answered as before, even when the order was archived since.
    match idempotency::earlier(&scope).await? {
        Some(Earlier::Answer { body, .. }) => return Ok(json_text(StatusCode::CREATED, body)),
        Some(Earlier::KeyReused) => return Err(idempotency::reused()),
        None => {}
    }
    let order_id = request.order_id;
    let allocation = decided(&order_id).await?;
    if allocation.outcome != FULFILLED {
        return Err(not_fulfilled(&order_id));
    }
    let sold: Vec<OrderLine> = serde_json::from_str(&allocation.lines)
        .map_err(|error| Problem::corrupt(format!("the lines of the allocation of the order {order_id}: {error}")))?;
    let back = take_back::resolve(&sold, &lines).map_err(|refusal| refused(&refusal))?;

    let (return_id, now) = (clock::new_id(), clock::now());
    let cause = ReturnOf {
        order_id: &order_id,
        return_id: &return_id,
    };
    let movements = needs(&back)
        .into_iter()
        .map(|need| {
            let movement = movements::open(&need.product_id, "return", need.qty, &now, Some(cause))?;
            Ok((need, movement))
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    let wanted = Return {
        order_id: &order_id,
        sold_json: &allocation.lines,
        sold: &sold,
        back: &back,
        return_id: &return_id,
        now: &now,
        event_data: text(&ReturnReceived {
            order_id: order_id.clone(),
            return_id: return_id.clone(),
            lines: back.clone(),
        })?,
        entry: text(&ReturnEntry {
            return_id: &return_id,
            at: &now,
            lines: &back,
        })?,
        answer: text(&ReturnView {
            return_id: &return_id,
            order_id: &order_id,
            at: &now,
            lines: &back,
        })?,
        scope,
    };
    match redis::take_back(wanted, movements).await?.map_err(corrupt)? {
        TakenBack::Taken(answer) => Ok(json_text(StatusCode::CREATED, answer)),
        TakenBack::KeyReused => Err(idempotency::reused()),
        TakenBack::Unknown => Err(unknown_allocation(&order_id)),
        TakenBack::NotFulfilled => Err(not_fulfilled(&order_id)),
        TakenBack::TooMany(lines) => Err(refused(&Refusal::TooMany(lines))),
        TakenBack::TooManyReturns => Err(refused(&Refusal::TooManyReturns)),
        TakenBack::StockTooLarge(product_id) => Err(refused(&Refusal::StockTooLarge(product_id))),
    }
}

fn not_fulfilled(order_id: &str) -> Problem {
    Problem::new(
        409,
        "not_fulfilled",
        "Only what was sold can come back",
        format!("the order {order_id} was refunded, so none of it left the warehouse"),
    )
}

/// The problem for a return that is not taken.
fn refused(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::UnknownLines(places) => Problem {
            slug: "unknown_line",
            title: "The order has no such line",
            ..Problem::invalid(
                places
                    .iter()
                    .map(|place| {
                        FieldError::new(
                            format!("lines[{place}].line_id"),
                            "the order has no such line; GET /warehouse/allocations/{order_id} shows its lines",
                        )
                    })
                    .collect(),
            )
        },
        Refusal::TooMany(lines) => Problem {
            status: 409,
            slug: "return_too_large",
            title: "More would come back than was sold",
            ..Problem::invalid(
                lines
                    .iter()
                    .map(|(place, left)| {
                        FieldError::new(
                            format!("lines[{place}].qty"),
                            format!("{left} units may still come back"),
                        )
                    })
                    .collect(),
            )
        },
        Refusal::TooManyReturns => Problem::new(
            409,
            "too_many_returns",
            "The order came back in too many parts",
            format!("an order may have {RETURNS_MAX} returns; write the units in as a supply"),
        ),
        Refusal::StockTooLarge(product_id) => stock_too_large(format!(
            "the warehouse may hold {ON_HAND_MAX} units of the product {product_id}, and take back {LIFETIME_MAX} in \
             its lifetime"
        )),
    }
}
