// The streams as lanes, and the way of an order over them. Pure: no page, no network.

/** Every stream: who appends to it, and who reads it in which group. */
export const LANES = [
  { stream: 'order-placed', owner: 'store', from: 'store', to: 'store', group: 'payment-group', step: '1', says: 'an order waits for its payment' },
  { stream: 'order-completed', owner: 'store', from: 'store', to: 'warehouse', group: 'warehouse-group', step: '2', says: 'paid: please take the stock' },
  { stream: 'order-fulfilled', owner: 'warehouse', from: 'warehouse', to: 'store', group: 'store-group', step: '3', says: 'the stock was taken, all of it' },
  { stream: 'refund-order', owner: 'warehouse', from: 'warehouse', to: 'store', group: 'payment-group', step: '3', says: 'too little there: money back' },
  { stream: 'order-cancel-requested', owner: 'store', from: 'store', to: 'warehouse', group: 'warehouse-group', says: 'the customer wants out' },
  { stream: 'return-received', owner: 'warehouse', from: 'warehouse', to: 'store', group: 'payment-group', says: 'units came back' },
  { stream: 'product-changed', owner: 'warehouse', from: 'warehouse', to: 'store', group: 'store-group', says: 'a new name or price' },
];

/** States that an order does not leave by itself. */
const ENDS = new Set(['payment_failed', 'cancelled', 'fulfilled', 'refunded', 'returned']);

export const isEnd = (status) => ENDS.has(status);

const WAYS = {
  pending: ['order-placed'],
  payment_failed: ['order-placed'],
  cancelled: ['order-placed'],
  completed: ['order-placed', 'order-completed'],
  fulfilled: ['order-placed', 'order-completed', 'order-fulfilled'],
  refunded: ['order-placed', 'order-completed', 'refund-order'],
  returned: ['order-placed', 'order-completed', 'order-fulfilled', 'return-received'],
};

/** The lanes that an order has come over, the last of which it still is on unless it is at an end. */
export const wayOf = (order) => WAYS[order.status] ?? [];

/** The event behind a step of an order's history: the stream that carried it. */
export function streamOf(cause) {
  if (cause === 'placed' || cause?.startsWith('payment_')) return 'order-placed';
  if (cause?.startsWith('refund')) return 'refund-order';
  if (cause?.startsWith('fulfil')) return 'order-fulfilled';
  if (cause?.endsWith('returned')) return 'return-received';
  if (cause === 'cancel_requested') return 'order-cancel-requested';
  return null;
}

/** What an order's state means, in a person's words. */
export const MEANING = {
  pending: 'waits for its payment',
  completed: 'paid, the warehouse decides',
  payment_failed: 'the payment was declined',
  cancelled: 'cancelled before it was paid',
  fulfilled: 'the stock was taken',
  refunded: 'the money went back',
  returned: 'every unit came back',
};

/** Which orders changed since the last look, oldest first. */
export function changed(before, orders) {
  return orders.filter((order) => before.get(order.order_id) !== order.rev).reverse();
}
