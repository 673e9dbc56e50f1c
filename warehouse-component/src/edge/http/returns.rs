//! Units of fulfilled orders that come back.

use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use contracts::events::{OrderLine, ReturnReceived};
use edge::http::json_text;
use edge::idempotency::{self, Earlier, Scope};
use edge::problem::Problem;
use edge::{clock, json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::movements::{self, ReturnOf};
use super::orders::decided;
use super::problems::{corrupt, invalid, not_fulfilled, refused};
use super::text;
use crate::domain::allocate::needs;
use crate::domain::take_back::{self, RETURNS_MAX, Refusal, ReturnLine, Sold};
use crate::edge::redis::{self, Outcome, Return, Returned, StoredAllocation, TakenBack};

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
    // Whoever comes in between adds a return, of which an order has so many at most.
    for _ in 0..=RETURNS_MAX {
        let allocation = decided(&request.order_id).await;
        // A repeat is answered as before, even when the order was archived since. It is looked for once the allocation is
        // read: what the same request has taken back at this moment is no reason to refuse it.
        match idempotency::earlier(&scope).await? {
            Some(Earlier::Answer { body, .. }) => return Ok(json_text(StatusCode::CREATED, body)),
            Some(Earlier::KeyReused) => return Err(idempotency::reused()),
            None => {}
        }
        let allocation = allocation?;
        if allocation.decision.outcome != Outcome::Fulfilled {
            return Err(not_fulfilled(&request.order_id));
        }
        let returned = allocation.returned().map_err(corrupt)?;
        let returned: Vec<_> = returned.into_iter().map(|entry| entry.lines).collect();
        let sold = Sold::with_returns(allocation.lines().map_err(corrupt)?, &returned)
            .ok_or_else(|| Problem::corrupt(format!("more of the order {} is back than was sold", request.order_id)))?;
        let back = take_back::may_come_back(&sold, &lines).map_err(refused)?;
        match commit(&allocation, back, &scope).await? {
            TakenBack::Taken(answer) => return Ok(json_text(StatusCode::CREATED, answer)),
            TakenBack::KeyReused => return Err(idempotency::reused()),
            TakenBack::StockTooLarge(product_id) => return Err(refused(Refusal::StockTooLarge(product_id))),
            TakenBack::Changed => {}
        }
    }
    let detail = format!("the allocation of the order {} keeps changing", request.order_id);
    Err(Problem::corrupt(detail))
}

/// Takes the units back, if the order is still allocated as it was read.
async fn commit(allocation: &StoredAllocation, back: Vec<OrderLine>, scope: &Scope) -> Result<TakenBack, Problem> {
    let order_id = &allocation.order_id;
    let (return_id, now) = (clock::new_id(), clock::now());
    let cause = ReturnOf {
        order_id,
        return_id: &return_id,
    };
    let movements = needs(&back)
        .into_iter()
        .map(|need| {
            let movement = movements::open(&need.product_id, "return", need.qty, &now, Some(cause))?;
            Ok((need, movement))
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    let answer = text(&ReturnView {
        return_id: &return_id,
        order_id,
        at: &now,
        lines: &back,
    })?;
    let event_data = text(&ReturnReceived {
        order_id: order_id.clone(),
        return_id: return_id.clone(),
        lines: back.clone(),
    })?;
    let entry = text(&Returned {
        return_id: return_id.clone(),
        at: now.clone(),
        lines: back,
    })?;
    let wanted = Return {
        allocation,
        return_id,
        now,
        event_data,
        entry,
        answer,
        scope,
    };
    redis::take_back(wanted, movements).await?.map_err(corrupt)
}
