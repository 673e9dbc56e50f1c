//! The warehouse's rules: no clock, no randomness, no I/O. In reading order:

pub mod stock;
pub mod create_product;
pub mod move_stock;
pub mod allocate;
