//! The component's variables, as `spin.toml` gives them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use spin_sdk::variables::{self, Error};

thread_local! {
    /// Kept for the life of an instance, which is a thousand requests at most: while Spin reads a variable of its
    /// environment, another thread must take over all other work of this one.
    static KEPT: RefCell<HashMap<&'static str, Arc<str>>> = RefCell::default();
}

/// The value of a variable.
///
/// # Errors
/// When the app does not give the component its variable, or where it is kept is away.
pub(crate) async fn read(name: &'static str) -> Result<Arc<str>, Error> {
    if let Some(value) = KEPT.with_borrow(|kept| kept.get(name).cloned()) {
        return Ok(value);
    }
    let value: Arc<str> = variables::get(name).await?.into();
    KEPT.with_borrow_mut(|kept| kept.insert(name, Arc::clone(&value)));
    Ok(value)
}
