//! The warehouse's rules: no clock, no randomness, no I/O.
//!
//! One rule is not here: whether there is stock for an order is decided in `storage/take_stock.lua`, since many orders want
//! the same few products at once.
//!
//! In reading order:

pub mod stock;
pub mod create_product;
pub mod change_product;
pub mod move_stock;
pub mod needs;
pub mod cancel;
pub mod take_back;
