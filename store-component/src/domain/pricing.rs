//! The price of an order. Money is an integer of minor units.

use contracts::limits::JSON_INTEGER_MAX;

/// The fee, in hundredths of the subtotal.
const FEE_PERCENT: u64 = 20;

/// The price of an order, in minor units of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// The sum of the lines.
    pub subtotal: u64,
    /// [`FEE_PERCENT`] of the subtotal, rounded half up.
    pub fee: u64,
    /// Subtotal and fee.
    pub total: u64,
}

/// Prices lines of a quantity and a unit price each; `None` when the total passes 2^53 - 1.
pub fn price(lines: impl IntoIterator<Item = (u32, u64)>) -> Option<Price> {
    let subtotal = lines.into_iter().try_fold(0_u64, |sum, (qty, unit_price)| {
        sum.checked_add(u64::from(qty).checked_mul(unit_price)?)
    })?;
    let fee = subtotal.checked_mul(FEE_PERCENT)?.checked_add(50)? / 100;
    let total = subtotal.checked_add(fee).filter(|total| *total <= JSON_INTEGER_MAX)?;
    Some(Price { subtotal, fee, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fee_is_a_fifth_rounded_half_up() {
        for (subtotal, fee) in [
            (0, 0),
            (1, 0),
            (2, 0),
            (3, 1),
            (5, 1),
            (7, 1),
            (8, 2),
            (999, 200),
            (1_000, 200),
        ] {
            let total = subtotal + fee;
            assert_eq!(
                price([(1, subtotal)]),
                Some(Price { subtotal, fee, total }),
                "{subtotal}"
            );
        }
    }

    #[test]
    fn quantities_count() {
        assert_eq!(price([(3, 250), (2, 100)]).map(|price| price.subtotal), Some(950));
    }

    #[test]
    fn the_total_stays_exact_in_every_json_reader() {
        assert!(price([(1_000_000, 1_000_000_000), (1_000_000, 1_000_000_000)]).is_some());
        assert_eq!(price(std::iter::repeat_n((1_000_000, 1_000_000_000), 8)), None);
        assert_eq!(price([(u32::MAX, u64::MAX)]), None);
    }
}
