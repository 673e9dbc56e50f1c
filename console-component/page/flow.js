// The flow, live: two houses, the lanes between them, and the orders on their way.

import { change } from './api.js';
import { doing, note } from './ask.js';
import { button, fill, h, say, sync } from './dom.js';
import { clock, count, many, money, span, tail } from './format.js';
import { LANES, changed } from './lanes.js';
import { chip, openOrder, summary } from './order.js';
import { Traffic } from './travel.js';
import { deadOf, groupOf, refresh, standstill, world } from './world.js';

const ROWS = 8;

const lanes = LANES.map(makeLane);
const traffic = new Traffic(new Map(lanes.map(({ lane, track }) => [lane.stream, track])), openOrder);
const revisions = new Map();
let paused = false;
let first = true;

const house = (id, title, text, scope) => {
  const numbers = h('dl', { class: 'numbers' });
  const state = h('p', { class: 'state', 'data-state': 'unknown' }, 'not asked yet');
  return { state, numbers, element: h('article', { class: `house ${id}` }, h('h2', {}, title), h('p', {}, text), state, numbers, h('p', { class: 'quiet' }, scope)) };
};
const store = house('store', 'Store', 'Takes orders, charges for them, gives money back. Keeps its own copy of the catalogue.', 'of the newest 50 orders');
const warehouse = house('warehouse', 'Warehouse', 'Holds the stock. Takes all that an order needs, or nothing of it.', 'right now');
const recent = h('ol', { class: 'recent' });
const nothing = h('p', { class: 'empty' });
const carried = h('p', {});
const carrier = h('div', { class: 'carrier' }, h('h2', {}, 'Sidecar'), carried);
const beyond = h('p', { class: 'quiet beyond', 'aria-hidden': 'true' });

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
  element: h('section', { class: 'view' },
    h('div', { class: 'lead' },
      h('div', {},
        h('h1', { tabindex: '-1' }, 'Two services that never call each other'),
        h('p', { class: 'intro' },
          'An order is placed in the store and charged. Paid, it travels to the warehouse, which takes the stock whole or refuses. ',
          'The outcome travels back: fulfilled, or refunded. Every lane is a Redis stream; a sidecar carries its entries to whoever reads them.')),
      h('div', { class: 'actions' },
        button('Place an order', (event) => placeOne(event.currentTarget, false), { class: 'button primary' }),
        button('Ask for too much', (event) => placeOne(event.currentTarget, true)),
        pause)),
    h('div', { class: 'map' }, store.element, h('div', { class: 'between' }, h('ol', { class: 'lanes', 'aria-label': 'Streams' }, lanes.map(({ element }) => element)), carrier), warehouse.element),
    h('section', { class: 'panel', 'aria-labelledby': 'recent-title' },
      h('div', { class: 'panel-head' }, h('h2', { id: 'recent-title' }, 'Newest orders'), beyond),
      nothing, recent)),
  update,
  /** What happens meanwhile is not shown afterwards. */
  leave() { first = true; },
};

function makeLane(lane) {
  const number = (label) => {
    const value = h('dd', {}, '–');
    return { value, pair: h('div', { class: 'number' }, h('dt', {}, label), value) };
  };
  const [waiting, pending, dead] = ['waiting', 'pending', 'dead'].map(number);
  const direction = lane.from === lane.to ? 'loop' : lane.to === 'warehouse' ? 'out' : 'back';
  const age = h('span', { class: 'age' });
  const track = h('div', { class: 'track', 'data-direction': direction }, h('span', { class: 'rail', 'aria-hidden': 'true' }));
  const element = h('li', { class: 'lane', 'data-stream': lane.stream },
    h('div', { class: 'lane-head' },
      lane.step ? h('span', { class: 'bullet', 'aria-hidden': 'true' }, lane.step) : h('span', { class: 'bullet none', 'aria-hidden': 'true' }),
      h('h3', {}, lane.stream),
      h('p', {}, lane.says),
      h('p', { class: 'hidden' }, `from the ${lane.from} to the ${lane.to}, group ${lane.group}`)),
    track,
    h('dl', { class: 'counts' }, waiting.pair, pending.pair, dead.pair), age);
  return { lane, track, element, waiting, pending, dead, age };
}

function update() {
  showHouse(store, world.services.store, world.reasons.store);
  showHouse(warehouse, world.services.warehouse, world.reasons.warehouse);
  const stuck = new Set(standstill());
  if (!paused) {
    for (const shown of lanes) showLane(shown, stuck.has(shown.lane));
    showOrders();
    showNumbers();
  }
  const isUp = Object.values(world.services).every((state) => state === 'up');
  carrier.dataset.state = stuck.size > 0 ? 'stuck' : 'ok';
  say(carried, stuck.size > 0 ? 'Entries wait and none is taken: it is stopped, or the component does not answer it. Nothing is lost; it goes on where it was.'
    : isUp ? 'Carries every lane: it reads a group, hands the entries over, and notes what became of each.'
      : 'The numbers are those of the last answer.');
}

function showHouse(shown, state, reason) {
  const text = { unknown: 'not asked yet', up: 'answers', storage: `answers, but: ${reason}`, away: reason }[state];
  shown.state.dataset.state = state;
  say(shown.state, text ?? state);
}

function showLane({ lane, element, waiting, pending, dead, age }, isStuck) {
  const stream = world.streams.get(lane.stream);
  if (!stream) return;
  const group = groupOf(lane);
  const letters = deadOf(lane.stream);
  // What waits for its first delivery or its next; and what was handed over and is not acknowledged.
  say(waiting.value, count(!group ? stream.length : group.lag === null ? null : group.lag + group.waiting));
  say(pending.value, count(group ? group.pending - group.waiting : 0));
  say(dead.value, count(letters));
  waiting.pair.title = group?.lag === null ? 'Redis does not know how many wait' : group ? '' : `The group ${lane.group} does not exist yet`;
  element.classList.toggle('stuck', isStuck);
  element.classList.toggle('has-dead', letters > 0);
  const oldest = group?.oldest_pending_ms ?? 0;
  say(age, oldest > 2000 ? `oldest ${span(oldest)}` : '');
}

function showOrders() {
  if (world.orders === null) return;
  const moved = changed(revisions, world.orders);
  revisions.clear();
  for (const order of world.orders) revisions.set(order.order_id, order.rev);
  if (!first) moved.forEach((order) => traffic.send(order));
  first = false;
  say(beyond, traffic.beyond > 0 ? `${many(traffic.beyond, 'order')} more than were drawn` : '');
  nothing.hidden = world.orders.length > 0;
  if (!nothing.hidden) say(nothing, 'No order yet. Place one: it appears here, and travels over the lanes above.');
  sync(recent, world.orders.slice(0, ROWS), (order) => order.order_id, makeRow, updateRow);
}

function makeRow(order) {
  return h('li', {}, h('button', { type: 'button', class: 'row', on: { click: () => openOrder(order.order_id) } }));
}

function updateRow(row, order) {
  if (row.dataset.rev === String(order.rev)) return;
  row.dataset.rev = order.rev;
  fill(row.firstChild,
    h('code', { class: 'row-id' }, tail(order.order_id)),
    chip(order.status),
    h('span', { class: 'row-what' }, summary(order)),
    h('span', { class: 'row-total' }, money(order.total_minor, order.currency)),
    h('time', { datetime: order.created_at }, clock(order.created_at)));
}

function showNumbers() {
  if (world.orders) {
    const by = (...states) => world.orders.filter((order) => states.includes(order.status)).length;
    numbers(store, [['on their way', by('pending', 'completed')], ['fulfilled', by('fulfilled')], ['refunded', by('refunded', 'returned')]]);
  }
  if (world.stock) {
    const units = world.stock.reduce((sum, product) => sum + product.on_hand, 0);
    const low = world.stock.filter((product) => product.on_hand <= product.low_stock_at).length;
    numbers(warehouse, [['products', world.stock.length], ['units', units], ['low in stock', low]]);
  }
}

function numbers(shown, pairs) {
  if (shown.numbers.children.length === 0) {
    fill(shown.numbers, pairs.map(([label]) => h('div', {}, h('dt', {}, label), h('dd', {}, ''))));
  }
  pairs.forEach(([, value], index) => say(shown.numbers.children[index].lastChild, count(value)));
}

/** An order made up on the spot: of something that is there, or of more than there is. */
function placeOne(pressed, tooMuch) {
  return doing(pressed, async () => {
    const known = new Set((world.catalogue ?? []).filter((product) => product.active).map((product) => product.product_id));
    const stock = (world.stock ?? []).filter((product) => known.has(product.product_id) && (tooMuch || product.on_hand > 0));
    if (stock.length === 0) {
      note('There is no product in stock. Supply some in the Warehouse first.', 'error');
      return;
    }
    const product = stock[Math.floor(Math.random() * stock.length)];
    const qty = tooMuch ? product.on_hand + 1 : 1;
    await change('POST', '/store/orders', { customer_id: 'visitor', lines: [{ product_id: product.product_id, qty }] });
    await refresh();
  });
}
