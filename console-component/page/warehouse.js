// The warehouse: the stock of each product, its movements, and its low-stock mark.

import { change, changeOnce, get } from './api.js';
import { note, perform } from './dialogs.js';
import { button, fill, h, numberInput, setText, submitButton, syncChildren, viewElement } from './dom.js';
import { clock, count, day, words } from './format.js';
import { isUnavailable, refresh, state } from './state.js';

const MOVEMENTS_PAGE_SIZE = 20;

const list = h('ul', { class: 'stock' });
const empty = h('p', { class: 'empty' }, 'Loading the stock');
const onlyLow = h('input', { id: 'only-low', type: 'checkbox', on: { change: () => update() } });

export const warehouse = {
  id: 'warehouse',
  title: 'Warehouse',
  element: viewElement('Warehouse',
    'Units are only ever moved: supplied, sold to an order, returned, written off. The stock is always the sum of its movements.',
    h('div', { class: 'check' }, onlyLow, h('label', { for: 'only-low' }, 'Low stock only')),
    empty, list),
  update,
};

function update() {
  if (state.stock === null) {
    if (isUnavailable('warehouse')) setText(empty, `The stock cannot be shown: ${state.reasons.warehouse}.`);
    return;
  }
  const shown = onlyLow.checked ? state.stock.filter(isLow) : state.stock;
  empty.hidden = shown.length > 0;
  setText(empty, onlyLow.checked ? 'Nothing is low.' : 'The warehouse is empty. make up adds a few products; POST /warehouse/products adds yours.');
  syncChildren(list, shown, (product) => product.product_id, makeProduct, updateProduct);
}

const isLow = (product) => product.on_hand <= product.low_stock_at;

function makeProduct({ product_id: id, low_stock_at: lowStockAt }) {
  const path = `/warehouse/products/${encodeURIComponent(id)}`;
  const qty = numberInput(`units-${id}`, 1, 10, { max: 1_000_000, required: true });
  const mark = numberInput(`mark-${id}`, 0, lowStockAt, { required: true });
  const movements = h('div', { class: 'movements' });
  const form = (action) => (event) => {
    event.preventDefault();
    perform(event.submitter, () => action(event.submitter.value));
  };
  const move = form(async (type) => {
    await changeOnce('POST', `${path}/movements`, { type, qty: Number(qty.value) });
    note(`${count(Number(qty.value))} units ${type === 'supply' ? 'supplied' : 'written off'}.`);
    await refresh();
    await showMovements(movements, path);
  });
  const setMark = form(async () => {
    const { rev } = await get(path);
    await change('PATCH', path, { low_stock_at: Number(mark.value) }, { 'if-match': `"${rev}"` });
    note('The low-stock mark is set.');
    await refresh();
  });
  const details = h('details', { class: 'more' }, h('summary', {}, 'Move stock and see movements'),
    h('div', { class: 'forms' },
      h('form', { on: { submit: move } },
        h('label', { for: qty.id }, 'Units'),
        h('div', { class: 'inline' }, qty,
          submitButton('Supply', { class: 'button primary', value: 'supply' }), submitButton('Write off', { value: 'write_off' }))),
      h('form', { on: { submit: setMark } },
        h('label', { for: mark.id }, 'Low at'),
        h('div', { class: 'inline' }, mark, submitButton('Set the mark')))),
    movements);
  details.addEventListener('toggle', () => { if (details.open) showMovements(movements, path); });
  return h('li', { class: 'item' },
    h('div', { class: 'item-head' }, h('h2', {}), h('code', {}), h('span', { class: 'chip' })),
    h('div', { class: 'level' }, h('p', { class: 'on-hand' }), h('div', { class: 'bar', 'aria-hidden': 'true' }, h('span', { class: 'bar-fill' }), h('span', { class: 'bar-mark' }))),
    h('dl', { class: 'numbers' }, ['supplied', 'sold', 'returned', 'written off'].map((label) => h('div', {}, h('dt', {}, label), h('dd', {})))),
    details);
}

function updateProduct(element, product) {
  const [head, level, numbers] = element.children;
  const [name, sku, status] = head.children;
  setText(name, product.name);
  setText(sku, product.sku);
  status.dataset.status = product.on_hand === 0 ? 'out' : isLow(product) ? 'low' : 'enough';
  setText(status, product.on_hand === 0 ? 'out of stock' : status.dataset.status);
  setText(level.children[0], `${count(product.on_hand)} in stock, low at ${count(product.low_stock_at)}`);
  const full = Math.max(product.supplied + product.returned, product.low_stock_at, 1);
  const [bar, mark] = level.children[1].children;
  bar.style.setProperty('--part', String(product.on_hand / full));
  mark.style.setProperty('--part', String(product.low_stock_at / full));
  element.dataset.low = String(isLow(product));
  ['supplied', 'sold', 'returned', 'written_off'].forEach((field, index) => setText(numbers.children[index].lastChild, count(product[field])));
}

async function showMovements(element, path, cursor) {
  try {
    const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
    const { items, next_cursor: next } = await get(`${path}/movements?limit=${MOVEMENTS_PAGE_SIZE}${query}`);
    if (items.length === 0) {
      fill(element, h('p', { class: 'quiet' }, 'No movement yet; units of orders are counted as sold.'));
      return;
    }
    fill(element,
      h('table', {},
        h('caption', {}, cursor ? 'Older movements' : 'Newest movements'),
        h('thead', {}, h('tr', {}, ['Kind', 'Units', 'Left', 'When'].map((label) => h('th', { scope: 'col' }, label)))),
        h('tbody', {}, items.map((movement) => h('tr', {},
          h('td', {}, words(movement.type)), h('td', {}, count(movement.qty)), h('td', {}, count(movement.on_hand)),
          h('td', {}, h('time', { datetime: movement.at }, `${day(movement.at)}, ${clock(movement.at)}`)))))),
      next && button('Show older', () => showMovements(element, path, next), { class: 'button small' }));
  } catch (error) {
    fill(element, h('p', { class: 'error' }, `The movements cannot be shown: ${error.message}.`));
  }
}
