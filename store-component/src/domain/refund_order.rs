//! Giving money back: all of it when an order cannot be fulfilled, a share of it when units come back.

use super::order::{Cause, Contradiction, Line, Order, Refund, Status, Steps};
use super::pricing::Price;
use contracts::limits::ORDER_RETURNS_MAX;

/// The reason of a refund for units that came back.
const RETURNED: &str = "returned";

/// Units of one line that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnedLine<'a> {
    /// The line of the order.
    pub line_id: u32,
    /// Its product.
    pub product_id: &'a str,
    /// Units.
    pub qty: u32,
}

/// The order cannot be fulfilled, for a reason named by a word: all of the money goes back.
///
/// # Errors
/// At a state that contradicts it.
pub fn refund(order: &mut Order, reason: &str, at: &str) -> Result<Steps, Contradiction> {
    let steps = order.step(Cause::Refund)?;
    if !steps.is_empty() {
        order.reason = Some(reason.to_owned());
        order.refunds.push(Refund {
            amount_minor: order.price.total,
            reason: reason.to_owned(),
            at: at.to_owned(),
            return_id: None,
        });
    }
    Ok(steps)
}

/// Units came back: their share of the money goes back. One that overtook the news of the order's fulfilment fulfils
/// the order too; a return that was seen before changes nothing.
///
/// # Errors
/// At a state that contradicts it, for units that were not bought or are back already, and for more returns than an
/// order may have.
pub fn take_back(
    order: &mut Order,
    return_id: &str,
    lines: &[ReturnedLine<'_>],
    at: &str,
) -> Result<Steps, Contradiction> {
    if order
        .refunds
        .iter()
        .any(|refund| refund.return_id.as_deref() == Some(return_id))
    {
        return Ok(Steps::new());
    }
    if order.refunds.len() >= ORDER_RETURNS_MAX {
        return Err(Contradiction(format!(
            "the order has {ORDER_RETURNS_MAX} returns, and may have no more"
        )));
    }
    if !matches!(order.status, Status::Completed | Status::Fulfilled | Status::Returned) {
        return Err(Contradiction(format!(
            "the order is {}, which a return does not fit",
            order.status
        )));
    }
    let indices = lines
        .iter()
        .map(|line| line_index(&order.lines, line))
        .collect::<Result<Vec<_>, _>>()?;
    let mut subtotal = 0;
    for (index, line) in indices.iter().zip(lines) {
        subtotal += u64::from(line.qty) * order.lines[*index].unit_price_minor;
    }

    let mut steps = if order.status == Status::Completed {
        order.fulfil()?
    } else {
        Steps::new()
    };
    for (index, line) in indices.iter().zip(lines) {
        order.lines[*index].returned += line.qty;
    }
    let all = order.lines.iter().all(|line| line.returned == line.qty);
    steps.extend(order.step(if all { Cause::Returned } else { Cause::PartlyReturned })?);
    let amount_minor = if all {
        order.price.total - order.refunds.iter().map(|refund| refund.amount_minor).sum::<u64>()
    } else {
        share(order.price, subtotal)
    };
    order.refunds.push(Refund {
        amount_minor,
        reason: RETURNED.to_owned(),
        at: at.to_owned(),
        return_id: Some(return_id.to_owned()),
    });
    Ok(steps)
}

/// The index of a returned line in the order, if that many of its units have not come back yet.
fn line_index(bought: &[Line], line: &ReturnedLine<'_>) -> Result<usize, Contradiction> {
    let Some(index) = bought.iter().position(|other| other.line_id == line.line_id) else {
        return Err(Contradiction(format!("the order has no line {}", line.line_id)));
    };
    let other = &bought[index];
    if other.product_id != line.product_id {
        return Err(Contradiction(format!(
            "line {} of the order is of {}, not of {}",
            line.line_id, other.product_id, line.product_id
        )));
    }
    let left = other.qty - other.returned;
    if line.qty > left {
        return Err(Contradiction(format!(
            "{} units of line {} came back, and of {} bought only {left} are still out",
            line.qty, line.line_id, other.qty
        )));
    }
    Ok(index)
}

/// This part of the subtotal, and its share of the fee rounded down, so that all shares together never pass the total;
/// the last refund takes what is left.
fn share(price: Price, subtotal: u64) -> u64 {
    let fee = u128::from(price.fee) * u128::from(subtotal) / u128::from(price.subtotal.max(1));
    subtotal + u64::try_from(fee).unwrap_or(price.fee)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Cancel;
    use crate::domain::order::tests::order;
    use proptest::prelude::*;

    fn line(line_id: u32, product_id: &str, qty: u32) -> ReturnedLine<'_> {
        ReturnedLine {
            line_id,
            product_id,
            qty,
        }
    }

    fn causes(steps: &Steps) -> Vec<Cause> {
        steps.iter().map(|step| step.cause).collect()
    }

    fn amounts(order: &Order) -> Vec<u64> {
        order.refunds.iter().map(|refund| refund.amount_minor).collect()
    }

    #[test]
    fn a_refund_is_of_everything_and_once() {
        for status in Status::ALL {
            let mut order = order(status, &[(2, 150), (1, 7)]);
            let before = order.clone();
            match (status, refund(&mut order, "insufficient_stock", "now")) {
                (Status::Completed, Ok(steps)) => {
                    assert_eq!(causes(&steps), [Cause::Refund]);
                    assert_eq!(amounts(&order), [order.price.total]);
                    assert_eq!(order.reason.as_deref(), Some("insufficient_stock"));
                    let once = order.clone();
                    assert_eq!(refund(&mut order, "customer_cancelled", "later"), Ok(vec![]));
                    assert_eq!(order, once);
                }
                (Status::Refunded, Ok(steps)) => assert_eq!((steps.len(), &order), (0, &before)),
                (Status::Completed, Err(error)) => panic!("{error:?}"),
                (_, Err(_)) => assert_eq!(order, before),
                (_, Ok(steps)) => panic!("{status}: {steps:?}"),
            }
        }
    }

    #[test]
    fn a_return_at_every_state() {
        for status in Status::ALL {
            for (qty, last) in [(1, false), (2, true)] {
                let mut order = order(status, &[(2, 100)]);
                let before = order.clone();
                let outcome = take_back(&mut order, "t-1", &[line(1, "p-1", qty)], "now");
                let cause = if last { Cause::Returned } else { Cause::PartlyReturned };
                match (status, outcome) {
                    (Status::Completed, Ok(steps)) => assert_eq!(causes(&steps), [Cause::Fulfilled, cause]),
                    (Status::Fulfilled, Ok(steps)) => assert_eq!(causes(&steps), [cause]),
                    // Nothing is back of this one, so the table alone speaks against it.
                    (Status::Returned, Err(_)) => {}
                    (Status::Completed | Status::Fulfilled | Status::Returned, other) => panic!("{status}: {other:?}"),
                    (_, Err(_)) => assert_eq!(order, before),
                    (_, Ok(steps)) => panic!("{status}: {steps:?}"),
                }
                if matches!(status, Status::Completed | Status::Fulfilled) {
                    assert_eq!(order.status, if last { Status::Returned } else { Status::Fulfilled });
                    assert_eq!(amounts(&order), [if last { 240 } else { 120 }]);
                    assert_eq!(order.fulfil(), Ok(vec![]), "order-fulfilled, overtaken");
                }
            }
        }
    }

    #[test]
    fn a_return_that_overtook_the_fulfilment_refuses_a_cancel() {
        let mut order = order(Status::Completed, &[(2, 100)]);
        order.cancel = Some(Cancel::Requested);
        take_back(&mut order, "t-1", &[line(1, "p-1", 1)], "now").unwrap();
        assert_eq!(order.cancel, Some(Cancel::Refused));
    }

    #[test]
    fn a_return_counts_once() {
        let mut order = order(Status::Fulfilled, &[(2, 100)]);
        take_back(&mut order, "t-1", &[line(1, "p-1", 1)], "now").unwrap();
        let once = order.clone();
        assert_eq!(take_back(&mut order, "t-1", &[line(1, "p-1", 1)], "later"), Ok(vec![]));
        assert_eq!(order, once);
        take_back(&mut order, "t-2", &[line(1, "p-1", 1)], "later").unwrap();
        assert_eq!((order.status, amounts(&order)), (Status::Returned, vec![120, 120]));
        assert_eq!(take_back(&mut order, "t-2", &[line(1, "p-1", 1)], "later"), Ok(vec![]));
    }

    #[test]
    fn what_was_not_bought_cannot_come_back() {
        let fresh = order(Status::Fulfilled, &[(2, 100), (1, 50)]);
        for lines in [
            vec![line(1, "p-1", 3)],
            vec![line(1, "p-1", 1), line(2, "p-2", 2)],
            vec![line(3, "p-1", 1)],
            vec![line(1, "p-2", 1)],
        ] {
            let mut order = fresh.clone();
            assert!(take_back(&mut order, "t-1", &lines, "now").is_err(), "{lines:?}");
            assert_eq!(order, fresh);
        }
        let mut order = fresh;
        take_back(&mut order, "t-1", &[line(1, "p-1", 2)], "now").unwrap();
        let before = order.clone();
        assert!(take_back(&mut order, "t-2", &[line(1, "p-1", 1)], "now").is_err());
        assert_eq!(order, before);
    }

    #[test]
    fn returns_are_counted() {
        let many = u32::try_from(ORDER_RETURNS_MAX).unwrap() + 2;
        let mut order = order(Status::Fulfilled, &[(many, 100)]);
        for number in 0..ORDER_RETURNS_MAX {
            take_back(&mut order, &format!("t-{number}"), &[line(1, "p-1", 1)], "now").unwrap();
        }
        assert!(take_back(&mut order, "one more", &[line(1, "p-1", 1)], "now").is_err());
        assert_eq!(take_back(&mut order, "t-0", &[line(1, "p-1", 1)], "now"), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn refunds_never_pass_the_total_and_end_at_it(
            lines in prop::collection::vec((1_u32..40, 0_u64..=1_000_000_000), 1..6),
            attempts in prop::collection::vec(prop::collection::vec((0_usize..6, 1_u32..20), 1..4), 0..60),
        ) {
            let mut order = order(Status::Fulfilled, &lines);
            for (number, attempt) in attempts.iter().enumerate() {
                let before = order.clone();
                let mut attempt = attempt.clone();
                attempt.sort_unstable();
                attempt.dedup_by_key(|(index, _)| *index);
                let lines: Vec<_> = attempt
                    .iter()
                    .filter(|(index, _)| *index < order.lines.len())
                    .map(|(index, qty)| (order.lines[*index].line_id, order.lines[*index].product_id.clone(), *qty))
                    .collect();
                if lines.is_empty() {
                    continue;
                }
                let lines: Vec<_> = lines.iter().map(|(id, product, qty)| line(*id, product, *qty)).collect();
                match take_back(&mut order, &format!("t-{number}"), &lines, "now") {
                    Err(_) => prop_assert_eq!(&order, &before),
                    Ok(steps) => {
                        prop_assert_eq!(order.rev, before.rev + steps.len() as u64);
                        let given = order.refunds.last().unwrap().amount_minor;
                        let worth: u64 = lines
                            .iter()
                            .map(|line| {
                                let price = before.lines[line.line_id as usize - 1].unit_price_minor;
                                u64::from(line.qty) * price
                            })
                            .sum();
                        prop_assert!(given >= worth, "less than the lines' own price");
                    }
                }
                let sum: u64 = amounts(&order).iter().sum();
                let back = order.lines.iter().all(|line| line.returned == line.qty);
                prop_assert!(sum <= order.price.total);
                prop_assert_eq!(back, order.status == Status::Returned);
                if back {
                    prop_assert_eq!(sum, order.price.total);
                }
            }
            // What is still out comes back at once.
            let rest: Vec<_> = order
                .lines
                .iter()
                .filter(|line| line.returned < line.qty)
                .map(|line| (line.line_id, line.product_id.clone(), line.qty - line.returned))
                .collect();
            if !rest.is_empty() {
                let rest: Vec<_> = rest.iter().map(|(id, product, qty)| line(*id, product, *qty)).collect();
                take_back(&mut order, "the rest", &rest, "now").unwrap();
            }
            prop_assert_eq!(order.status, Status::Returned);
            prop_assert_eq!(amounts(&order).iter().sum::<u64>(), order.price.total);
        }
    }
}
