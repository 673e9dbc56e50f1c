//! Taking back units of a fulfilled order.

use std::collections::BTreeMap;

use contracts::events::OrderLine;
use contracts::limits::{ORDER_LINES_MAX, check_id, check_qty};

use super::needs::needs;
use super::stock::{LIFETIME_MAX, ON_HAND_MAX, Stock};

/// Returns of one order: all of them are shown with its allocation.
pub const RETURNS_MAX: usize = 100;

/// Units of one order line that come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnLine {
    pub line_id: u32,
    pub qty: u32,
}

/// Why units are not taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakeBackError {
    /// The order has no such lines: their indices in the request.
    UnknownLines(Vec<usize>),
    /// More units than were sold and have not come back yet: the indices in the request, and how many units are left.
    TooMany(Vec<(usize, u64)>),
    /// The order came back in [`RETURNS_MAX`] parts already.
    TooManyReturns,
    /// More units of this product would be there, or would ever have come back, than are allowed.
    StockTooLarge(String),
}

/// Checks everything that does not depend on the order.
///
/// # Errors
/// Path and reason of every field at fault.
pub fn check(order_id: &str, lines: &[ReturnLine]) -> Result<(), Vec<(String, String)>> {
    let mut faults = Vec::new();
    if let Err(reason) = check_id(order_id) {
        faults.push(("order_id".to_owned(), reason));
    }
    if lines.is_empty() || lines.len() > ORDER_LINES_MAX {
        let reason = format!("must hold 1 to {ORDER_LINES_MAX} lines, holds {}", lines.len());
        faults.push(("lines".to_owned(), reason));
        return Err(faults);
    }
    for (index, line) in lines.iter().enumerate() {
        if let Err(reason) = check_qty(line.qty) {
            faults.push((format!("lines[{index}].qty"), reason));
        }
        if lines[..index].iter().any(|other| other.line_id == line.line_id) {
            faults.push((
                format!("lines[{index}].line_id"),
                format!("{} is there twice", line.line_id),
            ));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// The order's lines that a request names, each with the units that come back.
///
/// # Errors
/// When the order has no such line.
fn resolve(sold: &[OrderLine], lines: &[ReturnLine]) -> Result<Vec<OrderLine>, TakeBackError> {
    let find = |line_id: u32| sold.iter().find(|sold| sold.line_id == line_id);
    let unknown: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| find(line.line_id).is_none().then_some(index))
        .collect();
    if !unknown.is_empty() {
        return Err(TakeBackError::UnknownLines(unknown));
    }
    let back = lines.iter().filter_map(|line| {
        Some(OrderLine {
            line_id: line.line_id,
            product_id: find(line.line_id)?.product_id.clone(),
            qty: line.qty,
        })
    });
    Ok(back.collect())
}

/// A fulfilled order, and the units of it that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    pub lines: Vec<OrderLine>,
    /// Units that came back, by line.
    pub returned: BTreeMap<u32, u64>,
    /// The number of returns.
    pub returns: usize,
}

impl Sold {
    /// A fulfilled order of which nothing has come back.
    #[must_use]
    pub fn new(lines: Vec<OrderLine>) -> Self {
        Self {
            lines,
            returned: BTreeMap::new(),
            returns: 0,
        }
    }

    /// A fulfilled order with these returns; `None` where more came back than was sold.
    #[must_use]
    pub fn with_returns(lines: Vec<OrderLine>, returns: &[Vec<OrderLine>]) -> Option<Self> {
        let mut order = Self::new(lines);
        for line in returns.iter().flatten() {
            if u64::from(line.qty) > order.left(line.line_id) {
                return None;
            }
            *order.returned.entry(line.line_id).or_default() += u64::from(line.qty);
        }
        order.returns = returns.len();
        Some(order)
    }

    /// Units of a line that may still come back.
    #[must_use]
    pub fn left(&self, line_id: u32) -> u64 {
        let sold = self.lines.iter().find(|line| line.line_id == line_id);
        let sold = sold.map_or(0, |line| u64::from(line.qty));
        sold.saturating_sub(self.returned.get(&line_id).copied().unwrap_or(0))
    }
}

/// Takes units back into the stock, and gives the lines that came back; or says why not, and changes nothing.
///
/// # Errors
/// The first thing in the way.
pub fn take_back(
    order: &mut Sold,
    lines: &[ReturnLine],
    stocks: &mut BTreeMap<String, Stock>,
) -> Result<Vec<OrderLine>, TakeBackError> {
    let back = resolve(&order.lines, lines)?;
    if order.returns >= RETURNS_MAX {
        return Err(TakeBackError::TooManyReturns);
    }
    let too_many: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| (index, u64::from(line.qty), order.left(line.line_id)))
        .filter_map(|(index, qty, left)| (qty > left).then_some((index, left)))
        .collect();
    if !too_many.is_empty() {
        return Err(TakeBackError::TooMany(too_many));
    }
    let units = needs(&back);
    for unit in &units {
        let stock = stocks.get(&unit.product_id).copied().unwrap_or_default();
        if stock.on_hand + unit.qty > ON_HAND_MAX || stock.returned + unit.qty > LIFETIME_MAX {
            return Err(TakeBackError::StockTooLarge(unit.product_id.clone()));
        }
    }
    for unit in units {
        if let Some(stock) = stocks.get_mut(&unit.product_id) {
            stock.on_hand += unit.qty;
            stock.returned += unit.qty;
        }
    }
    for line in lines {
        *order.returned.entry(line.line_id).or_default() += u64::from(line.qty);
    }
    order.returns += 1;
    Ok(back)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sold() -> Sold {
        let line = |line_id, product_id: &str, qty| OrderLine {
            line_id,
            product_id: product_id.to_owned(),
            qty,
        };
        Sold::new(vec![line(1, "cup", 3), line(2, "pot", 1), line(3, "cup", 2)])
    }

    fn stocks() -> BTreeMap<String, Stock> {
        let gone = |units| Stock {
            supplied: units,
            sold: units,
            ..Stock::default()
        };
        BTreeMap::from([("cup".to_owned(), gone(5)), ("pot".to_owned(), gone(1))])
    }

    fn lines(lines: &[(u32, u32)]) -> Vec<ReturnLine> {
        let line = |(line_id, qty): &(u32, u32)| ReturnLine {
            line_id: *line_id,
            qty: *qty,
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn units_come_back_to_the_stock() {
        let (mut order, mut stocks) = (sold(), stocks());
        let back = take_back(&mut order, &lines(&[(3, 2), (1, 1)]), &mut stocks).expect("legal");
        assert_eq!(needs(&back).len(), 1);
        assert_eq!((stocks["cup"].on_hand, stocks["cup"].returned), (3, 3));
        assert_eq!((order.left(1), order.left(2), order.left(3)), (2, 1, 0));
    }

    #[test]
    fn never_more_than_was_sold() {
        let (mut order, mut stocks) = (sold(), stocks());
        take_back(&mut order, &lines(&[(1, 2)]), &mut stocks).expect("legal");
        let before = (order.clone(), stocks.clone());
        for (wanted, refusal) in [
            (lines(&[(2, 1), (1, 2)]), TakeBackError::TooMany(vec![(1, 1)])),
            (lines(&[(1, 1), (4, 1)]), TakeBackError::UnknownLines(vec![1])),
        ] {
            assert_eq!(take_back(&mut order, &wanted, &mut stocks), Err(refusal));
            assert_eq!((order.clone(), stocks.clone()), before);
        }
    }

    #[test]
    fn what_is_listed_counts() {
        let (mut order, mut stocks) = (sold(), stocks());
        let listed: Vec<_> = [lines(&[(3, 1), (1, 2)]), lines(&[(3, 1)])]
            .iter()
            .map(|wanted| take_back(&mut order, wanted, &mut stocks).expect("legal"))
            .collect();
        assert_eq!(Sold::with_returns(sold().lines, &listed), Some(order.clone()));
        let too_many = Err(TakeBackError::TooMany(vec![(0, 0)]));
        assert_eq!(take_back(&mut order, &lines(&[(3, 1), (1, 1)]), &mut stocks), too_many);
        let twice = [&listed[..], &listed[..1]].concat();
        assert_eq!(Sold::with_returns(sold().lines, &twice), None);
    }

    #[test]
    fn limits_hold() {
        let (mut order, mut stocks) = (sold(), stocks());
        if let Some(stock) = stocks.get_mut("cup") {
            stock.returned = LIFETIME_MAX;
        }
        assert_eq!(
            take_back(&mut order, &lines(&[(1, 1)]), &mut stocks),
            Err(TakeBackError::StockTooLarge("cup".to_owned()))
        );
        order.returns = RETURNS_MAX;
        assert_eq!(
            take_back(&mut order, &lines(&[(2, 1)]), &mut stocks),
            Err(TakeBackError::TooManyReturns)
        );
    }

    #[test]
    fn every_illegal_field_is_named() {
        let fields = |order_id: &str, wanted: &[(u32, u32)]| -> Vec<String> {
            let faults = check(order_id, &lines(wanted)).expect_err("illegal");
            faults.into_iter().map(|(field, _)| field).collect()
        };
        assert_eq!(fields("-", &[]), ["order_id", "lines"]);
        assert_eq!(fields("o", &[(1, 0), (1, 1)]), ["lines[0].qty", "lines[1].line_id"]);
        assert_eq!(fields("o", &[(1, 1); 101]), ["lines"]);
        assert_eq!(check("o", &lines(&[(1, 1), (2, 1_000_000)])), Ok(()));
    }

    proptest! {
        #[test]
        fn whatever_is_tried_no_more_comes_back_than_was_sold(
            attempts in proptest::collection::vec(proptest::collection::btree_map(1_u32..5, 1_u32..4, 1..4), 0..20),
        ) {
            let (mut order, mut stocks) = (sold(), stocks());
            for attempt in attempts {
                let wanted: Vec<_> = attempt.into_iter().collect();
                let before = (order.clone(), stocks.clone());
                if take_back(&mut order, &lines(&wanted), &mut stocks).is_err() {
                    prop_assert_eq!(&(order.clone(), stocks.clone()), &before);
                }
                for line in &order.lines {
                    prop_assert!(order.returned.get(&line.line_id).copied().unwrap_or(0) <= u64::from(line.qty));
                }
                prop_assert!(stocks.values().all(|stock| stock.is_balanced() && stock.returned <= stock.sold));
            }
        }
    }
}
