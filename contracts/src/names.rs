//! Names of the streams and consumer groups.

/// An order waits for its payment. Store to store.
pub const ORDER_PLACED: &str = "order-placed";
/// An order is placed and paid. Store to warehouse.
pub const ORDER_COMPLETED: &str = "order-completed";
/// An order cannot be fulfilled. Warehouse to store.
pub const REFUND_ORDER: &str = "refund-order";
/// The stock of an order was taken. Warehouse to store.
pub const ORDER_FULFILLED: &str = "order-fulfilled";
/// A customer asks to cancel a paid order. Store to warehouse.
pub const ORDER_CANCEL_REQUESTED: &str = "order-cancel-requested";
/// Units of an order came back. Warehouse to store.
pub const RETURN_RECEIVED: &str = "return-received";
/// A product's name, price or availability changed. Warehouse to store.
pub const PRODUCT_CHANGED: &str = "product-changed";

/// Streams in the store's database, which the store appends to.
pub const STORE_STREAMS: &[&str] = &[ORDER_PLACED, ORDER_COMPLETED, ORDER_CANCEL_REQUESTED];
/// Streams in the warehouse's database, which the warehouse appends to.
pub const WAREHOUSE_STREAMS: &[&str] = &[ORDER_FULFILLED, REFUND_ORDER, RETURN_RECEIVED, PRODUCT_CHANGED];

/// The store's group for charges, refunds and returns.
pub const PAYMENT_GROUP: &str = "payment-group";
/// The store's group for the other events of the warehouse.
pub const STORE_GROUP: &str = "store-group";
/// The warehouse's group.
pub const WAREHOUSE_GROUP: &str = "warehouse-group";
