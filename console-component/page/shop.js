// The shop: products, a basket, and the order that was placed last.

import { changeOnce } from './api.js';
import { perform } from './dialogs.js';
import { button, h, numberInput, setText, submitButton, syncChildren, viewElement } from './dom.js';
import { count, money, plural, shortId } from './format.js';
import { showOrder } from './order.js';
import { isUnavailable, refresh, state } from './state.js';

const QTY_MAX = 1_000_000;
/** Pauses before the first polls of a new order: most reach their final status within milliseconds. */
const POLL_PAUSES_MS = [120, 400];

/** By product id, the quantity in the basket. */
const basket = new Map();
const products = h('ul', { class: 'products' });
const empty = h('p', { class: 'empty' }, 'Loading the products');
const basketLines = h('ul', { class: 'basket-lines' });
const total = h('p', { class: 'basket-total' });
const hint = h('p', { class: 'quiet basket-hint' });
const customer = h('input', { id: 'customer', required: true, maxlength: '64', autocomplete: 'off', value: 'ada' });
const payment = h('select', { id: 'payment' },
  h('option', { value: '' }, 'goes through'),
  h('option', { value: 'tok_decline' }, 'is declined'),
  h('option', { value: 'tok_retry_2' }, 'fails twice, then goes through'));
const placeButton = submitButton('Place the order', { class: 'button primary', disabled: true });
const yourOrder = h('section', { class: 'panel yours', 'aria-label': 'Your order', 'aria-live': 'polite' },
  h('h2', {}, 'Your order'), h('p', { class: 'empty' }, 'Place one, and follow it here.'));

// Not ready until the products are loaded: what stands below them would jump.
const content = h('div', { class: 'shop', 'data-ready': 'false' },
  h('div', {}, empty, products),
  h('div', { class: 'side' },
    h('form', { class: 'panel basket', on: { submit } },
      h('h2', {}, 'Basket'), basketLines, total, hint,
      h('div', { class: 'pair' }, h('label', { for: 'customer' }, 'Customer'), customer),
      h('div', { class: 'pair' }, h('label', { for: 'payment' }, 'The payment'), payment),
      placeButton),
    yourOrder));

export const shop = {
  id: 'shop',
  title: 'Shop',
  element: viewElement('Shop',
    'Prices are the store’s own copy of the catalogue; the stock is the warehouse’s. Ask for more than is in stock: the store takes the order, and the warehouse has it refunded.',
    null, content),
  update,
};

function update() {
  if (state.catalogue === null) {
    if (isUnavailable('store')) setText(empty, `The products cannot be shown: ${state.reasons.store}.`);
    return;
  }
  content.dataset.ready = 'true';
  const offered = state.catalogue.filter((product) => product.active);
  empty.hidden = offered.length > 0;
  setText(empty, 'No product is on sale. make up adds a few; POST /warehouse/products adds yours.');
  const stock = new Map((state.stock ?? []).map((product) => [product.product_id, product]));
  syncChildren(products, offered, (product) => product.product_id, makeProduct, (element, product) => updateProduct(element, product, stock.get(product.product_id)));
  updateBasket(offered, stock);
}

function makeProduct({ product_id: id, name }) {
  const input = numberInput(`qty-${id}`, 0, 0, { max: QTY_MAX, 'aria-label': `Quantity of ${name}` });
  const set = (wanted) => {
    const qty = Math.min(QTY_MAX, Math.max(0, Math.trunc(wanted) || 0));
    if (qty === 0) basket.delete(id);
    else basket.set(id, qty);
    if (input.value !== String(qty)) input.value = String(qty);
    update();
  };
  const step = (sign, units, label) => button(sign, () => set(Number(input.value) + units), { 'aria-label': label, class: 'button step-button' });
  input.addEventListener('change', () => set(Number(input.value)));
  input.addEventListener('input', () => { if (input.value !== '') set(Number(input.value)); });
  return h('li', { class: 'product' },
    h('h2', {}), h('p', { class: 'price' }), h('p', { class: 'in-stock' }),
    h('div', { class: 'stepper' }, step('−', -1, `One ${name} less`), input, step('+', 1, `One ${name} more`)));
}

function updateProduct(element, product, stock) {
  const [name, price, left, stepper] = element.children;
  setText(name, product.name);
  setText(price, money(product.price_minor, product.currency));
  setText(left, stock ? (stock.on_hand === 0 ? 'none left' : `${count(stock.on_hand)} in stock`) : ' ');
  left.dataset.low = String(Boolean(stock && stock.on_hand <= stock.low_stock_at));
  const isChosen = basket.has(product.product_id);
  element.classList.toggle('chosen', isChosen);
  const input = stepper.querySelector('input');
  if (!isChosen && input.value !== '0' && document.activeElement !== input) input.value = '0';
}

function updateBasket(offered, stock) {
  const lines = offered.filter((product) => basket.has(product.product_id)).map((product) => ({ product, qty: basket.get(product.product_id) }));
  syncChildren(basketLines, lines, ({ product }) => product.product_id, () => h('li', {}, h('span', {}), h('span', {})), (row, { product, qty }) => {
    setText(row.children[0], `${count(qty)} × ${product.name}`);
    setText(row.children[1], money(qty * product.price_minor, product.currency));
  });
  const currencies = new Set(lines.map(({ product }) => product.currency));
  const sum = lines.reduce((all, { product, qty }) => all + qty * product.price_minor, 0);
  const short = lines.filter(({ product, qty }) => qty > (stock.get(product.product_id)?.on_hand ?? Infinity));
  setText(total, lines.length === 0 ? 'Nothing chosen yet.' : currencies.size > 1 ? 'Several currencies: the store takes one per order.' : `${money(sum, lines[0].product.currency)} and the store’s fee`);
  setText(hint, short.length > 0 ? `More than there is of ${plural(short.length, 'product')}: all of the order will be refunded.` : '');
  placeButton.disabled = lines.length === 0;
}

function submit(event) {
  event.preventDefault();
  perform(placeButton, async () => {
    const lines = [...basket].map(([product_id, qty]) => ({ product_id, qty }));
    const body = { customer_id: customer.value.trim(), lines };
    if (payment.value !== '') body.payment = { token: payment.value };
    const order = await changeOnce('POST', '/store/orders', body);
    basket.clear();
    for (const input of products.querySelectorAll('input')) input.value = '0';
    await showOrder(yourOrder, order.order_id, () => h('h2', {}, `Your order ${shortId(order.order_id)}`));
    for (const pause of POLL_PAUSES_MS) {
      await new Promise((resolve) => { setTimeout(resolve, pause); });
      await refresh();
    }
  }).finally(update);
}
