//! The store's own copy of the warehouse's catalogue.

use serde::{Deserialize, Serialize};

/// A product as the store knows it; this is also its form in Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The warehouse's revision.
    pub rev: u64,
    pub name: String,
    pub price_minor: u64,
    /// ISO 4217.
    pub currency: String,
    /// Whether new orders may have it.
    pub active: bool,
}

/// Decides if the store takes over what the warehouse says of a product.
///
/// A revision that is known already counts when something else is said of it: a warehouse that was restored from a backup
/// gives revisions a second time, and what it says last is so.
#[must_use]
pub fn is_news(known: Option<&Product>, said: &Product) -> bool {
    known.is_none_or(|known| known.rev <= said.rev && known != said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_older_revisions_and_repeats_are_ignored() {
        let cup = |rev, price_minor| Product {
            rev,
            name: "Cup".to_owned(),
            price_minor,
            currency: "EUR".to_owned(),
            active: true,
        };
        assert!(is_news(None, &cup(1, 900)));
        for (said, news) in [
            (cup(4, 900), false),
            (cup(5, 900), false),
            (cup(5, 901), true),
            (cup(6, 900), true),
        ] {
            assert_eq!(is_news(Some(&cup(5, 900)), &said), news, "{said:?}");
        }
    }
}
