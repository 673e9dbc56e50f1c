//! The stock of one product.

pub use contracts::limits::ON_HAND_MAX;

/// Units of one product that may ever be supplied, and that may ever come back. What came in bounds what goes out, so
/// every sum of a stock stays below 10^15: exact for Lua and for every JSON reader.
pub const LIFETIME_MAX: u64 = 400_000_000_000_000;

/// Units of one product: those there now, and those that ever came and went.
///
/// Always `on_hand = supplied + returned - sold - written_off`, and never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stock {
    /// Units there now.
    pub on_hand: u64,
    /// Units supplied, ever.
    pub supplied: u64,
    /// Units taken for fulfilled orders, ever.
    pub sold: u64,
    /// Units that came back, ever.
    pub returned: u64,
    /// Units lost, broken or thrown away, ever.
    pub written_off: u64,
}

impl Stock {
    /// A product's first stock.
    #[must_use]
    pub fn supplied(units: u64) -> Self {
        Self {
            on_hand: units,
            supplied: units,
            ..Self::default()
        }
    }

    /// So few units are there that more should be bought. A product with a limit of 0 is low when it is gone.
    #[must_use]
    pub fn is_low(&self, low_stock_at: u64) -> bool {
        self.on_hand <= low_stock_at
    }

    /// The numbers fit together.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.on_hand + self.sold + self.written_off == self.supplied + self.returned
    }
}
