// The warehouse: what is there, how it came and went, and when to get more.

import { change, get, idempotencyKey } from './api.js';
import { doing, note } from './ask.js';
import { button, fill, h, say, sync } from './dom.js';
import { clock, count, day, words } from './format.js';
import { refresh, world } from './world.js';

const MOVEMENTS_SHOWN = 20;

const list = h('ul', { class: 'stock' });
const empty = h('p', { class: 'empty' }, 'Loading the stock');
const onlyLow = h('input', { id: 'only-low', type: 'checkbox', on: { change: () => update() } });

export const warehouse = {
  id: 'warehouse',
  title: 'Warehouse',
  element: h('section', { class: 'view' },
    h('div', { class: 'lead' },
      h('div', {}, h('h1', { tabindex: '-1' }, 'Warehouse'),
        h('p', { class: 'intro' }, 'Units are only ever moved: supplied, sold to an order, returned, written off. What is there is always what came less what went.')),
      h('div', { class: 'check' }, onlyLow, h('label', { for: 'only-low' }, 'Low stock only'))),
    empty, list),
  update,
};

function update() {
  if (world.stock === null) {
    if (world.services.warehouse === 'away' || world.services.warehouse === 'storage') say(empty, `The stock cannot be shown: ${world.reasons.warehouse}.`);
    return;
  }
  const shown = onlyLow.checked ? world.stock.filter(isLow) : world.stock;
  empty.hidden = shown.length > 0;
  if (shown.length === 0) say(empty, onlyLow.checked ? 'Nothing is low.' : 'The warehouse is empty. make up adds a few products; POST /warehouse/products adds yours.');
  sync(list, shown, (product) => product.product_id, makeProduct, updateProduct);
}

const isLow = (product) => product.on_hand <= product.low_stock_at;

function makeProduct(product) {
  const id = product.product_id;
  const path = `/warehouse/products/${encodeURIComponent(id)}`;
  const qty = h('input', { id: `units-${id}`, type: 'number', min: '1', max: '1000000', step: '1', required: true, inputmode: 'numeric', value: '10' });
  const mark = h('input', { id: `mark-${id}`, type: 'number', min: '0', step: '1', required: true, inputmode: 'numeric', value: String(product.low_stock_at) });
  const movements = h('div', { class: 'movements' });
  const move = (event) => {
    event.preventDefault();
    const type = event.submitter.value;
    doing(event.submitter, async () => {
      await change('POST', `${path}/movements`, { type, qty: Number(qty.value) }, { 'idempotency-key': idempotencyKey() });
      note(`${count(Number(qty.value))} units ${type === 'supply' ? 'supplied' : 'written off'}.`);
      await refresh();
      await showMovements(movements, path);
    });
  };
  const setMark = (event) => {
    event.preventDefault();
    doing(event.submitter, async () => {
      const { rev } = await get(path);
      await change('PATCH', path, { low_stock_at: Number(mark.value) }, { 'if-match': `"${rev}"` });
      note('The low-stock mark is set.');
      await refresh();
    });
  };
  const number = (label) => h('div', {}, h('dt', {}, label), h('dd', {}, ''));
  const details = h('details', { class: 'more' }, h('summary', {}, 'Move stock and see movements'),
    h('div', { class: 'forms' },
      h('form', { on: { submit: move } },
        h('label', { for: `units-${id}` }, 'Units'),
        h('div', { class: 'inline' }, qty,
          h('button', { class: 'button primary', type: 'submit', value: 'supply' }, 'Supply'),
          h('button', { class: 'button', type: 'submit', value: 'write_off' }, 'Write off'))),
      h('form', { on: { submit: setMark } },
        h('label', { for: `mark-${id}` }, 'Low at'),
        h('div', { class: 'inline' }, mark, h('button', { class: 'button', type: 'submit' }, 'Set the mark')))),
    movements);
  details.addEventListener('toggle', () => { if (details.open) showMovements(movements, path); });
  return h('li', { class: 'item' },
    h('div', { class: 'item-head' }, h('h2', {}), h('code', {}), h('span', { class: 'chip' })),
    h('div', { class: 'level' }, h('p', { class: 'on-hand' }), h('div', { class: 'bar', 'aria-hidden': 'true' }, h('span', { class: 'bar-fill' }), h('span', { class: 'bar-mark' }))),
    h('dl', { class: 'numbers' }, ['supplied', 'sold', 'returned', 'written off'].map(number)),
    details);
}

function updateProduct(element, product) {
  const [head, level, numbers] = element.children;
  const [name, sku, state] = head.children;
  say(name, product.name);
  say(sku, product.sku);
  const low = isLow(product);
  state.dataset.status = product.on_hand === 0 ? 'out' : low ? 'low' : 'enough';
  say(state, product.on_hand === 0 ? 'out of stock' : low ? 'low' : 'enough');
  say(level.children[0], `${count(product.on_hand)} there, low at ${count(product.low_stock_at)}`);
  const full = Math.max(product.supplied + product.returned, product.low_stock_at, 1);
  const [bar, mark] = level.children[1].children;
  bar.style.setProperty('--part', String(product.on_hand / full));
  mark.style.setProperty('--part', String(product.low_stock_at / full));
  element.dataset.low = String(low);
  ['supplied', 'sold', 'returned', 'written_off'].forEach((field, index) => say(numbers.children[index].lastChild, count(product[field])));
}

async function showMovements(place, path, cursor) {
  try {
    const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
    const { items, next_cursor: next } = await get(`${path}/movements?limit=${MOVEMENTS_SHOWN}${query}`);
    const rows = items.map((movement) => h('tr', {},
      h('td', {}, words(movement.type)), h('td', {}, count(movement.qty)), h('td', {}, count(movement.on_hand)),
      h('td', {}, h('time', { datetime: movement.at }, `${day(movement.at)}, ${clock(movement.at)}`))));
    const more = next && button('Show older', () => showMovements(place, path, next), { class: 'button small' });
    if (items.length === 0) {
      fill(place, h('p', { class: 'quiet' }, 'No movement yet; what orders took is counted as sold.'));
      return;
    }
    fill(place, h('table', {},
      h('caption', {}, cursor ? 'Older movements' : 'Newest movements'),
      h('thead', {}, h('tr', {}, ['Kind', 'Units', 'Left', 'When'].map((label) => h('th', { scope: 'col' }, label)))),
      h('tbody', {}, rows)), more);
  } catch (error) {
    fill(place, h('p', { class: 'error' }, `The movements cannot be shown: ${error.message}.`));
  }
}
