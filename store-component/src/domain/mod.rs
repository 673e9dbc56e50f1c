//! The store's rules: no clock, no randomness, no I/O. In reading order:

pub mod order;
pub mod pricing;
pub mod catalogue;
pub mod place_order;
pub mod charge_order;
pub mod cancel_order;
pub mod refund_order;
