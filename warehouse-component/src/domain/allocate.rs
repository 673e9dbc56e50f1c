//! Taking the stock for an order, whole or not at all. The model of `edge/redis/allocate.lua`, which does the same to a
//! batch of orders in one atomic step.

use std::collections::BTreeMap;

use contracts::events::{OrderCompleted, OrderLine, RefundReason, ShortLine};

use super::stock::Stock;

/// Units of one product, over all lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The product.
    pub product_id: String,
    /// Units.
    pub qty: u64,
}

/// What the warehouse decided for an order.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The stock was taken.
    Fulfilled,
    /// The order cannot be fulfilled, and these lines are why.
    Refunded {
        /// What is in the way; an unknown product before a short one.
        reason: RefundReason,
        /// Every line of a product that is unknown or short.
        lines: Vec<ShortLine>,
    },
}

/// Lines of the same product counted together, in the order of their first line.
#[must_use]
pub fn needs(lines: &[OrderLine]) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::with_capacity(lines.len());
    for line in lines {
        let qty = u64::from(line.qty);
        match needs.iter_mut().find(|need| need.product_id == line.product_id) {
            Some(need) => need.qty += qty,
            None => needs.push(Need {
                product_id: line.product_id.clone(),
                qty,
            }),
        }
    }
    needs
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(lines: &[(&str, u32)]) -> OrderCompleted {
        OrderCompleted {
            order_id: "o-1".to_owned(),
            customer_id: "ada".to_owned(),
            lines: (1..)
                .zip(lines)
                .map(|(line_id, (product_id, qty))| OrderLine {
                    line_id,
                    product_id: (*product_id).to_owned(),
                    qty: *qty,
                })
                .collect(),
        }
    }

    fn stocks(stocks: &[(&str, u64)]) -> BTreeMap<String, Stock> {
        stocks
            .iter()
            .map(|(id, units)| ((*id).to_owned(), Stock::supplied(*units)))
            .collect()
    }

    fn short(line_id: u32, product_id: &str, requested: u64, available: u64) -> ShortLine {
        ShortLine {
            line_id,
            product_id: product_id.to_owned(),
            requested,
            available,
        }
    }

    #[test]
    fn enough_is_taken() {
        let mut stocks = stocks(&[("cup", 5), ("pot", 1)]);
        assert_eq!(
            allocate(&order(&[("cup", 5), ("pot", 1)]), &mut stocks),
            Outcome::Fulfilled
        );
        assert!(stocks.values().all(|stock| stock.on_hand == 0 && stock.is_balanced()));
    }

    #[test]
    fn one_short_line_refunds_the_whole_order() {
        let mut stocks = stocks(&[("cup", 5), ("pot", 1)]);
        let before = stocks.clone();
        assert_eq!(
            allocate(&order(&[("cup", 5), ("pot", 2)]), &mut stocks),
            Outcome::Refunded {
                reason: RefundReason::InsufficientStock,
                lines: vec![short(2, "pot", 2, 1)],
            }
        );
        assert_eq!(stocks, before);
    }

    #[test]
    fn lines_of_one_product_are_counted_together() {
        let mut stocks = stocks(&[("cup", 5)]);
        assert_eq!(
            allocate(&order(&[("cup", 3), ("cup", 3)]), &mut stocks),
            Outcome::Refunded {
                reason: RefundReason::InsufficientStock,
                lines: vec![short(1, "cup", 6, 5), short(2, "cup", 6, 5)],
            }
        );
        assert_eq!(
            allocate(&order(&[("cup", 3), ("cup", 2)]), &mut stocks),
            Outcome::Fulfilled
        );
    }

    #[test]
    fn an_unknown_product_comes_first() {
        let mut stocks = stocks(&[("cup", 5)]);
        assert_eq!(
            allocate(&order(&[("cup", 6), ("pan", 1)]), &mut stocks),
            Outcome::Refunded {
                reason: RefundReason::UnknownProduct,
                lines: vec![short(1, "cup", 6, 5), short(2, "pan", 1, 0)],
            }
        );
    }

    proptest! {
        #[test]
        fn stock_is_taken_whole_or_not_at_all(
            orders in proptest::collection::vec(
                proptest::collection::vec((0_usize..4, 1_u32..5), 1..5),
                0..20,
            ),
        ) {
            let products = ["cup", "pan", "pot", "tin"];
            // There is no pan.
            let mut stocks = stocks(&[("cup", 20), ("pot", 3), ("tin", 0)]);
            for wanted in orders {
                let lines: Vec<_> = wanted.iter().map(|(product, qty)| (products[*product], *qty)).collect();
                let wanted = order(&lines);
                let before = stocks.clone();
                let taken: u64 = match allocate(&wanted, &mut stocks) {
                    Outcome::Fulfilled => wanted.lines.iter().map(|line| u64::from(line.qty)).sum(),
                    Outcome::Refunded { lines, .. } => {
                        prop_assert!(!lines.is_empty());
                        prop_assert!(lines.iter().all(|line| line.requested > line.available));
                        prop_assert_eq!(&stocks, &before);
                        0
                    }
                };
                let on_hand = |stocks: &BTreeMap<String, Stock>| stocks.values().map(|stock| stock.on_hand).sum::<u64>();
                prop_assert_eq!(on_hand(&before) - on_hand(&stocks), taken);
                prop_assert!(stocks.values().all(Stock::is_balanced));
            }
        }
    }
}
