//! Moving stock by hand: supplies and write-offs. The model of `edge/move_stock.lua`.

use super::stock::{ON_HAND_MAX, Stock};

/// Why units come or go.
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
pub enum Refusal {
    /// Fewer units are there than are to go.
    InsufficientStock,
    /// More than [`ON_HAND_MAX`] units would be there.
    TooMuch,
}

/// The stock after a movement.
///
/// # Errors
/// When the stock would become negative or too large.
pub fn move_stock(stock: Stock, kind: Kind, qty: u32) -> Result<Stock, Refusal> {
    let qty = u64::from(qty);
    match kind {
        Kind::Supply if stock.on_hand + qty > ON_HAND_MAX => Err(Refusal::TooMuch),
        Kind::Supply => Ok(Stock {
            on_hand: stock.on_hand + qty,
            supplied: stock.supplied + qty,
            ..stock
        }),
        Kind::WriteOff if qty > stock.on_hand => Err(Refusal::InsufficientStock),
        Kind::WriteOff => Ok(Stock {
            on_hand: stock.on_hand - qty,
            written_off: stock.written_off + qty,
            ..stock
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn movements_keep_the_balance() {
        let stock = Stock::supplied(5);
        let more = move_stock(stock, Kind::Supply, 3).expect("there is room");
        assert_eq!((more.on_hand, more.supplied), (8, 8));
        let less = move_stock(more, Kind::WriteOff, 8).expect("there are enough");
        assert_eq!((less.on_hand, less.written_off), (0, 8));
        assert!(more.is_balanced() && less.is_balanced());
        assert_eq!(move_stock(less, Kind::WriteOff, 1), Err(Refusal::InsufficientStock));
        assert_eq!(
            move_stock(Stock::supplied(ON_HAND_MAX), Kind::Supply, 1),
            Err(Refusal::TooMuch)
        );
    }
}
