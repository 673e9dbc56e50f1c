//! The component's variables.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use spin_sdk::variables::{self, Error};

thread_local! {
    /// Kept for an instance, which sees no more than some hundred requests. While Spin reads a variable of its
    /// environment, another thread takes over its other work, and then an answer's head and body may leave apart: see
    /// [`crate::http`].
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
