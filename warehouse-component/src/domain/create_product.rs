//! Creating a product.

use contracts::limits::{check_currency, check_id, check_name, check_price, check_range};

use super::stock::ON_HAND_MAX;

/// Length of a stock keeping unit's code, in characters.
const SKU_CHARS_MAX: usize = 64;

/// A product as somebody wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// Chosen by the client or made by the service.
    pub product_id: String,
    /// The stock keeping unit's code.
    pub sku: String,
    pub name: String,
    /// Minor units.
    pub price_minor: u64,
    /// ISO 4217.
    pub currency: String,
    /// The first supply; 0 for none.
    pub on_hand: u64,
    /// At or below this number of units the stock counts as low.
    pub low_stock_at: u64,
}

/// Checks a new product.
///
/// # Errors
/// Path and reason of every field at fault.
pub fn check(product: &NewProduct) -> Result<(), Vec<(&'static str, String)>> {
    let faults: Vec<_> = [
        ("product_id", check_id(&product.product_id)),
        ("sku", check_sku(&product.sku)),
        ("name", check_name(&product.name)),
        ("price_minor", check_price(product.price_minor)),
        ("currency", check_currency(&product.currency)),
        ("on_hand", check_units(product.on_hand)),
        ("low_stock_at", check_units(product.low_stock_at)),
    ]
    .into_iter()
    .filter_map(|(field, check)| Some((field, check.err()?)))
    .collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn check_sku(sku: &str) -> Result<(), String> {
    if (1..=SKU_CHARS_MAX).contains(&sku.len()) && sku.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(format!(
            "must be 1 to {SKU_CHARS_MAX} printable ASCII characters without spaces"
        ))
    }
}

pub(super) fn check_units(units: u64) -> Result<(), String> {
    check_range(units, 0, ON_HAND_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cup() -> NewProduct {
        NewProduct {
            product_id: "cup".to_owned(),
            sku: "CUP-1".to_owned(),
            name: "Cup".to_owned(),
            price_minor: 900,
            currency: "EUR".to_owned(),
            on_hand: 0,
            low_stock_at: 0,
        }
    }

    #[test]
    fn every_illegal_field_is_named() {
        assert_eq!(check(&cup()), Ok(()));
        let bad = NewProduct {
            product_id: "a b".to_owned(),
            sku: String::new(),
            name: "\n".to_owned(),
            price_minor: 1_000_000_001,
            currency: "eur".to_owned(),
            on_hand: ON_HAND_MAX + 1,
            low_stock_at: ON_HAND_MAX + 1,
        };
        let fields: Vec<_> = check(&bad)
            .expect_err("illegal")
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(
            fields,
            [
                "product_id",
                "sku",
                "name",
                "price_minor",
                "currency",
                "on_hand",
                "low_stock_at"
            ]
        );
    }
}
