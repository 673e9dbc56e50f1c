// The streams between the services, and the way of an order over them. Pure: no page, no network.

/** Every stream: the service that appends to it (`from`), and the one that reads it (`to`), in a consumer group. */
export const STREAMS = [
  { name: 'order-placed', from: 'store', to: 'store', group: 'payment-group', step: '1', text: 'an order waits for its payment' },
  { name: 'order-completed', from: 'store', to: 'warehouse', group: 'warehouse-group', step: '2', text: 'paid: please take the stock' },
  { name: 'order-fulfilled', from: 'warehouse', to: 'store', group: 'store-group', step: '3', text: 'the stock of the whole order was taken' },
  { name: 'refund-order', from: 'warehouse', to: 'store', group: 'payment-group', step: '3', text: 'too little in stock: money back' },
  { name: 'order-cancel-requested', from: 'store', to: 'warehouse', group: 'warehouse-group', text: 'the customer asks to cancel' },
  { name: 'return-received', from: 'warehouse', to: 'store', group: 'payment-group', text: 'units came back' },
  { name: 'product-changed', from: 'warehouse', to: 'store', group: 'store-group', text: 'a new name or price' },
];

const FINAL_STATUSES = new Set(['payment_failed', 'cancelled', 'fulfilled', 'refunded', 'returned']);

export const isFinal = (status) => FINAL_STATUSES.has(status);

const PATHS = {
  pending: ['order-placed'],
  payment_failed: ['order-placed'],
  cancelled: ['order-placed'],
  completed: ['order-placed', 'order-completed'],
  fulfilled: ['order-placed', 'order-completed', 'order-fulfilled'],
  refunded: ['order-placed', 'order-completed', 'refund-order'],
  returned: ['order-placed', 'order-completed', 'order-fulfilled', 'return-received'],
};

/** The streams that an order has passed; on the last one it still is, unless its status is final. */
export const pathOf = (order) => PATHS[order.status] ?? [];

/** The stream with the event behind a step of an order's history. */
export function streamOf(cause) {
  if (cause === 'placed' || cause?.startsWith('payment_')) return 'order-placed';
  if (cause?.startsWith('refund')) return 'refund-order';
  if (cause?.startsWith('fulfil')) return 'order-fulfilled';
  if (cause?.endsWith('returned')) return 'return-received';
  if (cause === 'cancel_requested') return 'order-cancel-requested';
  return null;
}

/** An order's status in a few words. */
export const MEANING = {
  pending: 'waits for its payment',
  completed: 'paid, the warehouse decides',
  payment_failed: 'the payment was declined',
  cancelled: 'cancelled before it was paid',
  fulfilled: 'the stock was taken',
  refunded: 'the money went back',
  returned: 'every unit came back',
};
