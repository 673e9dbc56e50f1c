//! The model of `warehouse-component/src/storage/take_stock.lua`: the stock of an order is taken whole or not at all.

use std::collections::BTreeMap;

use contracts::events::{OrderCompleted, RefundReason, ShortLine};
use warehouse_component::domain::needs::needs;
use warehouse_component::domain::stock::Stock;

/// Takes the stock for an order, or leaves it as it is and says why the order is refunded.
///
/// # Errors
/// The reason, an unknown product before a short one, and every line of a product that is unknown or short.
pub fn allocate(
    order: &OrderCompleted,
    stocks: &mut BTreeMap<String, Stock>,
) -> Result<(), (RefundReason, Vec<ShortLine>)> {
    let needs = needs(&order.lines);
    let on_hand = |product_id: &str| stocks.get(product_id).map(|stock| stock.on_hand);
    let mut short = needs.clone();
    short.retain(|need| need.qty > on_hand(&need.product_id).unwrap_or(0));
    if !short.is_empty() {
        let is_unknown = short.iter().any(|need| on_hand(&need.product_id).is_none());
        let lines = order.lines.iter().filter_map(|line| {
            let need = short.iter().find(|need| need.product_id == line.product_id)?;
            Some(ShortLine {
                line_id: line.line_id,
                product_id: line.product_id.clone(),
                requested: need.qty,
                available: on_hand(&need.product_id).unwrap_or(0),
            })
        });
        let reasons = [RefundReason::InsufficientStock, RefundReason::UnknownProduct];
        return Err((reasons[usize::from(is_unknown)], lines.collect()));
    }
    for need in needs {
        let stock = stocks.get_mut(&need.product_id).unwrap();
        stock.on_hand -= need.qty;
        stock.sold += need.qty;
    }
    Ok(())
}
