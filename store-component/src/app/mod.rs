//! The store's use cases, one to a file: each reads, has the domain decide, and commits if nothing has changed since.

pub(crate) mod place_order;
pub(crate) mod change_orders;
pub(crate) mod cancel_order;
pub(crate) mod learn_products;
pub(crate) mod resend_completed;
pub(crate) mod archive_orders;
