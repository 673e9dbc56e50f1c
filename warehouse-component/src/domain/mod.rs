//! The warehouse's rules: no clock, no randomness, no I/O. In reading order:

pub mod stock;
pub mod create_product;
pub mod change_product;
pub mod move_stock;
pub mod allocate;
pub mod cancel;
pub mod take_back;
pub mod archive;
