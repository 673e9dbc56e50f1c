//! Moving stock by hand: supplies and write-offs.

use super::stock::{LIFETIME_MAX, ON_HAND_MAX, Stock};

/// The kind of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Units came in.
    Supply,
    /// Units were lost, broken or thrown away.
    WriteOff,
}

impl Kind {
    /// The word in Redis and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Supply => "supply",
            Self::WriteOff => "write_off",
        }
    }
}

/// Why stock cannot be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveStockError {
    /// Fewer units are there than are to go.
    InsufficientStock,
    /// More than [`ON_HAND_MAX`] units would be there, or more than [`LIFETIME_MAX`] would ever have come in.
    TooMuch,
}

/// The stock after a movement.
///
/// # Errors
/// When the stock would become negative or too large.
pub fn move_stock(stock: Stock, kind: Kind, qty: u32) -> Result<Stock, MoveStockError> {
    let qty = u64::from(qty);
    match kind {
        Kind::Supply if stock.on_hand + qty > ON_HAND_MAX || stock.supplied + qty > LIFETIME_MAX => {
            Err(MoveStockError::TooMuch)
        }
        Kind::Supply => Ok(Stock {
            on_hand: stock.on_hand + qty,
            supplied: stock.supplied + qty,
            ..stock
        }),
        Kind::WriteOff if qty > stock.on_hand => Err(MoveStockError::InsufficientStock),
        Kind::WriteOff => Ok(Stock {
            on_hand: stock.on_hand - qty,
            written_off: stock.written_off + qty,
            ..stock
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_supplied_in_a_lifetime_has_a_limit() {
        let stock = Stock {
            supplied: LIFETIME_MAX,
            sold: LIFETIME_MAX,
            ..Stock::default()
        };
        assert_eq!(move_stock(stock, Kind::Supply, 1), Err(MoveStockError::TooMuch));
    }

    proptest! {
        #[test]
        fn a_movement_changes_the_stock_by_its_units_or_not_at_all(
            supplied in 0..=ON_HAND_MAX,
            supply: bool,
            qty in 1..=contracts::limits::QTY_MAX,
        ) {
            let before = Stock::supplied(supplied);
            let kind = if supply { Kind::Supply } else { Kind::WriteOff };
            if let Ok(after) = move_stock(before, kind, qty) {
                prop_assert!(after.is_balanced() && after.on_hand <= ON_HAND_MAX);
                prop_assert_eq!(after.on_hand.abs_diff(before.on_hand), u64::from(qty));
                prop_assert_eq!(after.on_hand > before.on_hand, supply);
            }
        }
    }

    #[test]
    fn movements_keep_the_balance() {
        let stock = Stock::supplied(5);
        let more = move_stock(stock, Kind::Supply, 3).expect("there is room");
        assert_eq!((more.on_hand, more.supplied), (8, 8));
        let less = move_stock(more, Kind::WriteOff, 8).expect("there are enough");
        assert_eq!((less.on_hand, less.written_off), (0, 8));
        assert!(more.is_balanced() && less.is_balanced());
        assert_eq!(
            move_stock(less, Kind::WriteOff, 1),
            Err(MoveStockError::InsufficientStock)
        );
        assert_eq!(
            move_stock(Stock::supplied(ON_HAND_MAX), Kind::Supply, 1),
            Err(MoveStockError::TooMuch)
        );
    }
}
