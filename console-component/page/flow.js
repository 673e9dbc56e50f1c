// The flow: the two services, the streams between them, and the orders on their way.

import { changeOnce } from './api.js';
import { note, perform } from './dialogs.js';
import { button, fill, h, setText, syncChildren, viewElement } from './dom.js';
import { clock, count, duration, money, plural, shortId } from './format.js';
import { chip, openOrder, summary } from './order.js';
import { deadLettersOf, groupOf, refresh, stalledStreams, state } from './state.js';
import { STREAMS } from './streams.js';
import { Traffic } from './traffic.js';

const ROWS = 8;

const streams = STREAMS.map(makeStream);
const traffic = new Traffic(new Map(streams.map(({ stream, track }) => [stream.name, track])), openOrder);
/** By order, the revision at the last poll; null if what happened since is not to be shown. */
let revisions = null;
let paused = false;

const store = makeService('store', 'Store', 'Takes orders, charges for them, gives money back. Keeps its own copy of the catalogue.', 'of the newest 50 orders');
const warehouse = makeService('warehouse', 'Warehouse', 'Holds the stock. Takes all that an order needs, or nothing of it.', 'right now');
const newest = h('ol', { class: 'newest' });
const noOrders = h('p', { class: 'empty' });
const sidecarText = h('p', {});
const sidecar = h('div', { class: 'sidecar' }, h('h2', {}, 'Sidecar'), sidecarText);
const notDrawn = h('p', { class: 'quiet not-drawn', 'aria-hidden': 'true' });

const pause = button('Pause', () => {
  paused = !paused;
  pause.setAttribute('aria-pressed', String(paused));
  pause.textContent = paused ? 'Go on' : 'Pause';
  traffic.pause(paused);
  if (!paused) update();
}, { 'aria-pressed': 'false' });

export const flow = {
  id: 'flow',
  title: 'Flow',
  element: viewElement('Two services that never call each other',
    'An order is placed in the store and charged. Paid, it travels to the warehouse, which takes the stock of the whole order or refuses. The outcome travels back: fulfilled, or refunded. Between them are Redis streams; a sidecar delivers their entries to the service that reads them.',
    h('div', { class: 'actions' },
      button('Place an order', (event) => placeOrder(event.currentTarget, false), { class: 'button primary' }),
      button('Ask for too much', (event) => placeOrder(event.currentTarget, true)),
      pause),
    h('div', { class: 'map' }, store.element, h('div', { class: 'between' }, h('ol', { class: 'streams', 'aria-label': 'Streams' }, streams.map(({ element }) => element)), sidecar), warehouse.element),
    h('section', { class: 'panel', 'aria-labelledby': 'newest-title' },
      h('div', { class: 'panel-head' }, h('h2', { id: 'newest-title' }, 'Newest orders'), notDrawn),
      noOrders, newest)),
  update,
  /** Orders that move while another view is shown are not shown later. */
  leave() { revisions = null; },
};

function makeService(id, title, text, scope) {
  const numbers = h('dl', { class: 'numbers' });
  const status = h('p', { class: 'state', 'data-state': 'unknown' }, 'not asked yet');
  return { id, status, numbers, element: h('article', { class: `service ${id}` }, h('h2', {}, title), h('p', {}, text), status, numbers, h('p', { class: 'quiet' }, scope)) };
}

function makeStream(stream) {
  const [waiting, pending, dead] = ['waiting', 'pending', 'dead'].map((label) => h('div', { class: 'number' }, h('dt', {}, label), h('dd', {}, '–')));
  const direction = stream.from === stream.to ? 'loop' : stream.to === 'warehouse' ? 'out' : 'back';
  const age = h('span', { class: 'age' });
  const track = h('div', { class: 'track', 'data-direction': direction }, h('span', { class: 'rail', 'aria-hidden': 'true' }));
  const element = h('li', { class: 'stream', 'data-stream': stream.name },
    h('div', { class: 'stream-head' },
      h('span', { class: stream.step ? 'bullet' : 'bullet none', 'aria-hidden': 'true' }, stream.step),
      h('h3', {}, stream.name),
      h('p', {}, stream.text),
      h('p', { class: 'hidden' }, `from the ${stream.from} to the ${stream.to}, group ${stream.group}`)),
    track,
    h('dl', { class: 'counts' }, waiting, pending, dead), age);
  return { stream, track, element, waiting, pending, dead, age };
}

function update() {
  updateService(store);
  updateService(warehouse);
  const stalled = new Set(stalledStreams());
  if (!paused) {
    for (const shown of streams) updateStream(shown, stalled.has(shown.stream));
    updateOrders();
    updateNumbers();
  }
  const isUp = Object.values(state.services).every((status) => status === 'up');
  sidecar.dataset.state = stalled.size > 0 ? 'stalled' : 'ok';
  setText(sidecarText, stalled.size > 0 ? 'Entries wait and none is taken: it is stopped, or the component does not answer it. Nothing is lost; it goes on where it was.'
    : isUp ? 'Serves every stream: it reads a consumer group, delivers the entries, and settles each as the receipt says.'
      : 'The numbers are from the last answer.');
}

function updateService({ id, status }) {
  const reason = state.reasons[id];
  status.dataset.state = state.services[id];
  setText(status, { unknown: 'not asked yet', up: 'answers', storage: `answers, but: ${reason}`, down: reason }[state.services[id]]);
}

function updateStream({ stream, element, waiting, pending, dead, age }, isStalled) {
  const known = state.streams.get(stream.name);
  if (!known) return;
  const group = groupOf(stream);
  const letters = deadLettersOf(stream);
  // Waiting for the first delivery or for a retry; and delivered, but not acknowledged.
  setText(waiting.lastChild, count(!group ? known.length : group.lag === null ? null : group.lag + group.waiting));
  setText(pending.lastChild, count(group ? group.pending - group.waiting : 0));
  setText(dead.lastChild, count(letters));
  waiting.title = group?.lag === null ? 'Redis does not know how many wait' : group ? '' : `The group ${stream.group} does not exist yet`;
  element.classList.toggle('stalled', isStalled);
  element.classList.toggle('has-dead', letters > 0);
  const oldest = group?.oldest_pending_ms ?? 0;
  setText(age, oldest > 2000 ? `oldest ${duration(oldest)}` : '');
}

function updateOrders() {
  if (state.orders === null) return;
  // Oldest first.
  const changed = state.orders.filter((order) => revisions && revisions.get(order.order_id) !== order.rev).reverse();
  changed.forEach((order) => traffic.send(order));
  revisions = new Map(state.orders.map((order) => [order.order_id, order.rev]));
  setText(notDrawn, traffic.notDrawn > 0 ? `${plural(traffic.notDrawn, 'order')} more than were drawn` : '');
  noOrders.hidden = state.orders.length > 0;
  setText(noOrders, 'No order yet. Place one: it appears here, and moves over the streams above.');
  syncChildren(newest, state.orders.slice(0, ROWS), (order) => order.order_id, makeRow, updateRow);
}

function makeRow(order) {
  return h('li', {}, h('button', { type: 'button', class: 'row', on: { click: () => openOrder(order.order_id) } }));
}

function updateRow(row, order) {
  if (row.dataset.rev === String(order.rev)) return;
  row.dataset.rev = order.rev;
  fill(row.firstChild,
    h('code', { class: 'row-id' }, shortId(order.order_id)),
    chip(order.status),
    h('span', { class: 'row-what' }, summary(order)),
    h('span', { class: 'row-total' }, money(order.total_minor, order.currency)),
    h('time', { datetime: order.created_at }, clock(order.created_at)));
}

function updateNumbers() {
  if (state.orders) {
    const withStatus = (...statuses) => state.orders.filter((order) => statuses.includes(order.status)).length;
    setNumbers(store, [['on their way', withStatus('pending', 'completed')], ['fulfilled', withStatus('fulfilled')], ['refunded', withStatus('refunded', 'returned')]]);
  }
  if (state.stock) {
    const units = state.stock.reduce((sum, product) => sum + product.on_hand, 0);
    const low = state.stock.filter((product) => product.on_hand <= product.low_stock_at).length;
    setNumbers(warehouse, [['products', state.stock.length], ['units', units], ['low in stock', low]]);
  }
}

function setNumbers({ numbers }, pairs) {
  const make = ([label]) => h('div', {}, h('dt', {}, label), h('dd', {}, ''));
  syncChildren(numbers, pairs, ([label]) => label, make, (row, [, value]) => setText(row.lastChild, count(value)));
}

/** By kind, the order that was wanted last and is not known to be placed. */
const wantedOrders = new Map();

/** Places an order for a random product: for one unit, or for more than is in stock. */
function placeOrder(pressed, isTooMuch) {
  return perform(pressed, async () => {
    const active = new Set((state.catalogue ?? []).filter((product) => product.active).map((product) => product.product_id));
    const stock = (state.stock ?? []).filter((product) => active.has(product.product_id) && (isTooMuch || product.on_hand > 0));
    if (stock.length === 0) {
      note('There is no product in stock. Supply some in the Warehouse first.', 'error');
      return;
    }
    const product = stock[Math.floor(Math.random() * stock.length)];
    const line = wantedOrders.get(isTooMuch) ?? { product_id: product.product_id, qty: isTooMuch ? product.on_hand + 1 : 1 };
    wantedOrders.set(isTooMuch, line);
    await changeOnce('POST', '/store/orders', { customer_id: 'visitor', lines: [line] }, isTooMuch ? 'flow, too much' : 'flow');
    wantedOrders.delete(isTooMuch);
    await refresh();
  });
}
