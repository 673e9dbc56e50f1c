//! Units of fulfilled orders that come back.

use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use contracts::envelope::to_json;
use contracts::events::OrderLine;
use kit::web::problem::Problem;
use kit::web::response::json_text;
use kit::web::{idempotency, json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problems::{invalid, not_taken_back};
use crate::app::take_back::take_back;
use crate::domain::take_back::{self, ReturnLine};
use crate::storage::allocations::Return;

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
pub(super) async fn make(headers: HeaderMap, method: Method, body: Bytes) -> Result<Response, Problem> {
    let request: TakeBack = json::parse(&body)?;
    let record = idempotency::required_record(&headers, &method, "/warehouse/returns", &to_json(&request))?;
    let lines: Vec<_> = request
        .lines
        .iter()
        .map(|line| ReturnLine {
            line_id: line.line_id,
            qty: line.qty,
        })
        .collect();
    take_back::check(&request.order_id, &lines).map_err(invalid)?;
    let show = |new: &Return| {
        to_json(&ReturnView {
            return_id: &new.return_id,
            order_id: &request.order_id,
            at: &new.at,
            lines: &new.lines,
        })
    };
    let answer = take_back(&request.order_id, &lines, &record, show)
        .await
        .map_err(|error| not_taken_back(&request.order_id, error))?;
    Ok(json_text(StatusCode::CREATED, answer))
}
