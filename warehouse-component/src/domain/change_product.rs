//! Changing a product's own fields, which are all but its stock.

use contracts::limits::{check_name, check_price};

use super::create_product::check_units;

/// The fields of a product that can be changed, and its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changeable {
    pub name: String,
    /// Minor units.
    pub price_minor: u64,
    /// Whether it is on sale.
    pub active: bool,
    /// At or below this number of units the stock counts as low.
    pub low_stock_at: u64,
    /// Rises by one with every change.
    pub rev: u64,
}

/// The fields to change; `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    pub name: Option<String>,
    /// In minor units.
    pub price_minor: Option<u64>,
    pub active: Option<bool>,
    /// In units.
    pub low_stock_at: Option<u64>,
}

impl Change {
    /// Takes a product off sale.
    #[must_use]
    pub fn deactivation() -> Self {
        Self {
            active: Some(false),
            ..Self::default()
        }
    }
}

/// The effect of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Everything was as wanted before: the revision stays, and no event follows.
    Nothing,
    /// The product has a new revision, but nothing that the store knows of it is different.
    Changed,
    /// Name, price or availability is different: an event tells the store.
    Announced,
}

/// Checks a change.
///
/// # Errors
/// Path and reason of every field at fault.
pub fn check(change: &Change) -> Result<(), Vec<(&'static str, String)>> {
    let faults: Vec<_> = [
        ("name", change.name.as_deref().map(check_name)),
        ("price_minor", change.price_minor.map(check_price)),
        ("low_stock_at", change.low_stock_at.map(check_units)),
    ]
    .into_iter()
    .filter_map(|(field, check)| Some((field, check?.err()?)))
    .collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// The product after a change.
#[must_use]
pub fn change(product: &Changeable, change: &Change) -> (Changeable, Effect) {
    let mut after = Changeable {
        name: change.name.clone().unwrap_or_else(|| product.name.clone()),
        price_minor: change.price_minor.unwrap_or(product.price_minor),
        active: change.active.unwrap_or(product.active),
        low_stock_at: change.low_stock_at.unwrap_or(product.low_stock_at),
        rev: product.rev,
    };
    if after == *product {
        return (after, Effect::Nothing);
    }
    after.rev += 1;
    let announced = |product: &Changeable| (product.name.clone(), product.price_minor, product.active);
    let effect = if announced(&after) == announced(product) {
        Effect::Changed
    } else {
        Effect::Announced
    };
    (after, effect)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cup() -> Changeable {
        Changeable {
            name: "Cup".to_owned(),
            price_minor: 900,
            active: true,
            low_stock_at: 5,
            rev: 7,
        }
    }

    #[test]
    fn only_what_is_different_counts() {
        for (wanted, rev, effect) in [
            (Change::default(), 7, Effect::Nothing),
            (
                Change {
                    name: Some("Cup".to_owned()),
                    price_minor: Some(900),
                    active: Some(true),
                    low_stock_at: Some(5),
                },
                7,
                Effect::Nothing,
            ),
            (
                Change {
                    low_stock_at: Some(6),
                    ..Change::default()
                },
                8,
                Effect::Changed,
            ),
            (
                Change {
                    price_minor: Some(901),
                    ..Change::default()
                },
                8,
                Effect::Announced,
            ),
            (Change::deactivation(), 8, Effect::Announced),
        ] {
            let (after, came) = change(&cup(), &wanted);
            assert_eq!((after.rev, came), (rev, effect), "{wanted:?}");
        }
    }

    #[test]
    fn every_illegal_field_is_named() {
        let bad = Change {
            name: Some("\n".to_owned()),
            price_minor: Some(1_000_000_001),
            active: None,
            low_stock_at: Some(u64::MAX),
        };
        let fields: Vec<_> = check(&bad)
            .expect_err("illegal")
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["name", "price_minor", "low_stock_at"]);
    }

    fn any_change() -> impl Strategy<Value = Change> {
        let name = proptest::option::of(prop_oneof![Just("Cup".to_owned()), Just("Mug".to_owned())]);
        let price = proptest::option::of(899_u64..902);
        let low = proptest::option::of(4_u64..7);
        (name, price, any::<Option<bool>>(), low).prop_map(|(name, price_minor, active, low_stock_at)| Change {
            name,
            price_minor,
            active,
            low_stock_at,
        })
    }

    proptest! {
        #[test]
        fn the_same_change_twice_changes_once(wanted in any_change()) {
            let (once, effect) = change(&cup(), &wanted);
            let (twice, again) = change(&once, &wanted);
            prop_assert_eq!(&twice, &once);
            prop_assert_eq!(again, Effect::Nothing);
            prop_assert_eq!(once.rev, cup().rev + u64::from(effect != Effect::Nothing));
        }
    }
}
