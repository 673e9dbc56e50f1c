//! The model of `warehouse-component/src/storage/take_stock.lua`: taking the stock for an order, whole or not at all.

use std::collections::BTreeMap;

use contracts::events::{OrderCompleted, RefundReason, ShortLine};
use warehouse_component::domain::needs::{Need, needs};
use warehouse_component::domain::stock::Stock;

/// The decision for an order.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The stock was taken.
    Fulfilled,
    /// The order cannot be fulfilled because of these lines.
    Refunded {
        /// An unknown product comes before a short one.
        reason: RefundReason,
        /// Every line of a product that is unknown or short.
        lines: Vec<ShortLine>,
    },
}

/// Takes the stock for an order, or says why not; stock that is not enough stays as it is.
pub fn allocate(order: &OrderCompleted, stocks: &mut BTreeMap<String, Stock>) -> Outcome {
    let needs = needs(&order.lines);
    let on_hand = |product_id: &str| stocks.get(product_id).map(|stock| stock.on_hand);
    let unknown = |need: &Need| on_hand(&need.product_id).is_none();
    let short = |need: &Need| need.qty > on_hand(&need.product_id).unwrap_or(0);

    if needs.iter().any(short) {
        let reason = if needs.iter().any(unknown) {
            RefundReason::UnknownProduct
        } else {
            RefundReason::InsufficientStock
        };
        let in_the_way: Vec<&Need> = needs.iter().filter(|need| short(need)).collect();
        let lines = order.lines.iter().filter_map(|line| {
            let need = in_the_way.iter().find(|need| need.product_id == line.product_id)?;
            Some(ShortLine {
                line_id: line.line_id,
                product_id: line.product_id.clone(),
                requested: need.qty,
                available: on_hand(&need.product_id).unwrap_or(0),
            })
        });
        return Outcome::Refunded {
            reason,
            lines: lines.collect(),
        };
    }
    for need in needs {
        if let Some(stock) = stocks.get_mut(&need.product_id) {
            stock.on_hand -= need.qty;
            stock.sold += need.qty;
        }
    }
    Outcome::Fulfilled
}
