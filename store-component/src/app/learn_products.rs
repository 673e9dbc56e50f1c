//! The store learns what the warehouse says of its products.

use contracts::events::ProductChanged;
use kit::change::{Decision, change_all};
use kit::commit::Commit;
use kit::redis::StorageError;

use crate::domain::catalogue::{Product, is_news};
use crate::storage::products::{self, KnownProduct};

/// Takes events over into the catalogue. An answer is `None` if others kept changing the product.
///
/// # Errors
/// When Redis is away or full. An error within the list is of that event alone.
pub(crate) async fn learn_products(
    events: &[ProductChanged],
) -> Result<Vec<Result<Option<()>, StorageError>>, StorageError> {
    let ids: Vec<_> = events.iter().map(|event| event.product_id.as_str()).collect();
    let decide = |product_id: &str, known: Option<KnownProduct>, positions: &[usize]| {
        let before = known.as_ref().map(|known| known.product.clone());
        let after = positions.iter().fold(before.clone(), |known, position| {
            let said = product(&events[*position]);
            if is_news(known.as_ref(), &said) {
                Some(said)
            } else {
                known
            }
        });
        let commit = after.filter(|after| before.as_ref() != Some(after)).map(|after| {
            let mut commit = Commit::new();
            products::learn(&mut commit, product_id, known.as_ref(), &after);
            commit
        });
        Decision {
            answers: positions.iter().map(|_| ()).collect(),
            commit,
        }
    };
    change_all(&ids, products::read, decide).await
}

fn product(event: &ProductChanged) -> Product {
    Product {
        rev: event.rev,
        name: event.name.clone(),
        price_minor: event.price_minor,
        currency: event.currency.clone(),
        active: event.active,
    }
}
