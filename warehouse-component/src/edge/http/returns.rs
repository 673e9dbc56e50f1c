//! Units of fulfilled orders that come back.

use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use contracts::events::{OrderLine, ReturnReceived};
use edge::http::json_text;
use edge::idempotency::{self, Earlier};
use edge::problem::Problem;
use edge::{clock, json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::movements::{self, ReturnOf};
use super::orders::decided;
use super::problems::{corrupt, invalid, not_fulfilled, refused, unknown_allocation};
use super::text;
use crate::domain::allocate::needs;
use crate::domain::take_back::{self, Refusal, ReturnLine};
use crate::edge::redis::{self, Return, TakenBack};

const FULFILLED: &str = "fulfilled";

/// The body of `POST /warehouse/returns`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeBack {
    #[schema(
        example = "01K5PQ8T3V0000000000000000",
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
    )]
    order_id: String,
    /// Each of the order's lines once.
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<TakeBackLine>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TakeBackLine {
    #[schema(example = 1, minimum = 0)]
    line_id: u32,
    /// Units.
    #[schema(example = 1, minimum = 1, maximum = 1_000_000)]
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Return)]
pub(super) struct ReturnView<'a> {
    #[schema(example = "01K5PQ8T3V0000000000000000")]
    return_id: &'a str,
    order_id: &'a str,
    #[schema(example = "2026-01-31T12:00:00.000Z")]
    at: &'a str,
    #[schema(value_type = Vec<LineView>)]
    lines: &'a [OrderLine],
}

/// Units of a line.
#[derive(ToSchema)]
#[schema(as = AllocatedLine)]
#[allow(
    dead_code,
    reason = "what is answered is the contract's own line; this says what is in it"
)]
pub(super) struct LineView {
    #[schema(example = 1)]
    line_id: u32,
    #[schema(example = "espresso-cup")]
    product_id: String,
    #[schema(example = 2)]
    qty: u32,
}

/// Takes units of a fulfilled order back into the stock; the store gives the money back.
#[utoipa::path(post, path = "/warehouse/returns", operation_id = "take_back",
    params(("Idempotency-Key" = String, Header,
        description = "1 to 255 printable ASCII characters; the same key and body give the same answer for 24 hours")),
    request_body = TakeBack,
    responses((status = 201, description = "Taken back, now or by the same request before", body = ReturnView<'_>)),
)]
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
    let back = take_back::resolve(&sold, &lines).map_err(refused)?;

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
        TakenBack::TooMany(lines) => Err(refused(Refusal::TooMany(lines))),
        TakenBack::TooManyReturns => Err(refused(Refusal::TooManyReturns)),
        TakenBack::StockTooLarge(product_id) => Err(refused(Refusal::StockTooLarge(product_id))),
    }
}
