// The shop: what there is, what it costs, and what becomes of an order.

import { change, idempotencyKey } from './api.js';
import { doing } from './ask.js';
import { button, fill, h, say, sync } from './dom.js';
import { count, many, money, tail } from './format.js';
import { showOrder } from './order.js';
import { refresh, world } from './world.js';

const QTY_MAX = 1_000_000;
/** After placing, the order is looked at so often at first: mostly it is at its end within milliseconds. */
const LOOKS_MS = [120, 400];

const chosen = new Map();
const products = h('ul', { class: 'products' });
const empty = h('p', { class: 'empty' }, 'Loading the products');
const basket = h('ul', { class: 'basket-lines' });
const total = h('p', { class: 'basket-total' });
const hint = h('p', { class: 'quiet basket-hint' });
const customer = h('input', { id: 'customer', required: true, maxlength: '64', autocomplete: 'off', value: 'ada' });
const payment = h('select', { id: 'payment' },
  h('option', { value: '' }, 'goes through'),
  h('option', { value: 'tok_decline' }, 'is declined'),
  h('option', { value: 'tok_retry_2' }, 'fails twice, then goes through'));
const place = h('button', { class: 'button primary', type: 'submit', disabled: true }, 'Place the order');
const yours = h('section', { class: 'panel yours', 'aria-label': 'Your order', 'aria-live': 'polite' },
  h('h2', {}, 'Your order'), h('p', { class: 'empty' }, 'Place one, and watch it reach its end here.'));

// Until the products are there, what stands below them would jump.
const page = h('div', { class: 'shop', 'data-ready': 'false' },
  h('div', {}, empty, products),
  h('div', { class: 'side' },
    h('form', { class: 'panel basket', on: { submit } },
      h('h2', {}, 'Basket'), basket, total, hint,
      h('div', { class: 'pair' }, h('label', { for: 'customer' }, 'Customer'), customer),
      h('div', { class: 'pair' }, h('label', { for: 'payment' }, 'The payment'), payment),
      place),
    yours));

export const shop = {
  id: 'shop',
  title: 'Shop',
  element: h('section', { class: 'view' },
    h('div', { class: 'lead' }, h('div', {},
      h('h1', { tabindex: '-1' }, 'Shop'),
      h('p', { class: 'intro' }, 'Prices are the store’s own copy of the catalogue; the stock is the warehouse’s. Ask for more than there is: the store takes the order, and the warehouse has it refunded.'))),
    page),
  update,
};

function update() {
  if (world.catalogue === null) {
    if (world.services.store === 'away' || world.services.store === 'storage') say(empty, `The products cannot be shown: ${world.reasons.store}.`);
    return;
  }
  page.dataset.ready = 'true';
  const offered = world.catalogue.filter((product) => product.active);
  empty.hidden = offered.length > 0;
  if (offered.length === 0) say(empty, 'No product is on sale. make up adds a few; POST /warehouse/products adds yours.');
  const stock = new Map((world.stock ?? []).map((product) => [product.product_id, product]));
  sync(products, offered, (product) => product.product_id, makeProduct, (element, product) => updateProduct(element, product, stock.get(product.product_id)));
  showBasket(offered, stock);
}

function makeProduct(product) {
  const id = `qty-${product.product_id}`;
  const input = h('input', { id, type: 'number', min: '0', max: String(QTY_MAX), step: '1', inputmode: 'numeric', value: '0', 'aria-label': `Quantity of ${product.name}` });
  const set = (qty) => {
    const legal = Math.min(QTY_MAX, Math.max(0, Math.trunc(qty) || 0));
    if (legal === 0) chosen.delete(product.product_id);
    else chosen.set(product.product_id, legal);
    if (input.value !== String(legal)) input.value = String(legal);
    update();
  };
  input.addEventListener('change', () => set(Number(input.value)));
  input.addEventListener('input', () => { if (input.value !== '') set(Number(input.value)); });
  return h('li', { class: 'product' },
    h('h2', {}), h('p', { class: 'price' }), h('p', { class: 'in-stock' }),
    h('div', { class: 'stepper' },
      button('−', () => set(Number(input.value) - 1), { 'aria-label': `One ${product.name} less`, class: 'button step-button' }), input,
      button('+', () => set(Number(input.value) + 1), { 'aria-label': `One ${product.name} more`, class: 'button step-button' })));
}

function updateProduct(element, product, stock) {
  const [name, price, left, stepper] = element.children;
  say(name, product.name);
  say(price, money(product.price_minor, product.currency));
  say(left, stock ? (stock.on_hand === 0 ? 'none left' : `${count(stock.on_hand)} in stock`) : ' ');
  left.dataset.low = String(Boolean(stock && stock.on_hand <= stock.low_stock_at));
  const qty = chosen.get(product.product_id) ?? 0;
  element.classList.toggle('chosen', qty > 0);
  const input = stepper.querySelector('input');
  if (qty === 0 && input.value !== '0' && document.activeElement !== input) input.value = '0';
}

function showBasket(offered, stock) {
  const lines = offered.filter((product) => chosen.has(product.product_id));
  sync(basket, lines, (product) => product.product_id, () => h('li', {}, h('span', {}), h('span', {})), (row, product) => {
    const qty = chosen.get(product.product_id);
    say(row.children[0], `${count(qty)} × ${product.name}`);
    say(row.children[1], money(qty * product.price_minor, product.currency));
  });
  const currencies = new Set(lines.map((product) => product.currency));
  const sum = lines.reduce((all, product) => all + chosen.get(product.product_id) * product.price_minor, 0);
  const short = lines.filter((product) => chosen.get(product.product_id) > (stock.get(product.product_id)?.on_hand ?? Infinity));
  say(total, lines.length === 0 ? 'Nothing chosen yet.' : currencies.size > 1 ? 'Several currencies: the store takes one per order.' : `${money(sum, lines[0].currency)} and the store’s fee`);
  say(hint, short.length > 0 ? `More than there is of ${many(short.length, 'product')}: all of the order will be refunded.` : '');
  place.disabled = lines.length === 0;
}

function submit(event) {
  event.preventDefault();
  doing(place, async () => {
    const lines = [...chosen].map(([product_id, qty]) => ({ product_id, qty }));
    const body = { customer_id: customer.value.trim(), lines };
    if (payment.value !== '') body.payment = { token: payment.value };
    const order = await change('POST', '/store/orders', body, { 'idempotency-key': idempotencyKey() });
    chosen.clear();
    for (const input of products.querySelectorAll('input')) input.value = '0';
    await showOrder(yours, order.order_id, () => h('h2', {}, `Your order ${tail(order.order_id)}`));
    for (const pause of LOOKS_MS) {
      await new Promise((resolve) => { setTimeout(resolve, pause); });
      await refresh();
    }
  }).finally(update);
}
