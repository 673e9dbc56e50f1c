// One order: its history as a timeline with the event behind every step, and what can still be done with it.

import { change, get, idempotencyKey } from './api.js';
import { doing, note } from './ask.js';
import { button, fill, h } from './dom.js';
import { clock, count, day, many, money, span, tail, words } from './format.js';
import { MEANING, isEnd, streamOf } from './lanes.js';
import { refresh, watch, world } from './world.js';

const sheet = document.getElementById('order');

/** A state as a mark that does not need its colour to be understood. */
export const chip = (status) => h('span', { class: 'chip', 'data-status': status }, words(status));

/** What an order is about, in a line. */
export function summary(order) {
  const lines = order.lines ?? [];
  const first = lines.slice(0, 2).map((line) => `${count(line.qty)} × ${line.name}`);
  if (lines.length > 2) first.push(`${lines.length - 2} more`);
  return first.join(', ');
}

/** Everything that is known of an order. */
async function load(orderId) {
  const path = encodeURIComponent(orderId);
  const [order, history] = await Promise.all([get(`/store/orders/${path}`), get(`/store/orders/${path}/history`)]);
  let allocation = null;
  if (order.status === 'refunded') {
    allocation = await get(`/warehouse/allocations/${path}`).catch(() => null);
  }
  return { order, steps: history.items ?? [], allocation };
}

function timeline({ order, steps, allocation }) {
  let before = null;
  const list = steps.map((step) => {
    const at = new Date(step.at).getTime();
    const later = before === null ? null : `${span(at - before)} later`;
    before = at;
    const stream = streamOf(step.cause);
    return h('li', { class: 'step', 'data-status': step.to },
      h('div', { class: 'step-head' }, chip(step.to), h('span', { class: 'quiet' }, MEANING[step.to] ?? '')),
      h('div', { class: 'step-time' }, h('time', { datetime: step.at }, clock(step.at)), later && h('span', { class: 'quiet' }, later)),
      h('dl', { class: 'facts' },
        h('dt', {}, 'Cause'), h('dd', {}, words(step.cause)),
        stream && [h('dt', {}, 'Event'), h('dd', {}, h('code', {}, stream))],
        step.event_id && [h('dt', {}, 'Event id'), h('dd', {}, h('code', {}, step.event_id))]));
  });
  if (!isEnd(order.status)) {
    list.push(h('li', { class: 'step waiting' }, h('div', { class: 'step-head' },
      h('span', { class: 'quiet' }, order.status === 'pending' ? 'Next: the payment, by order-placed' : 'Next: the warehouse decides, by order-completed'))));
  }
  return [
    h('ol', { class: 'timeline', 'aria-label': 'History' }, list),
    order.reason && h('p', { class: 'reason' }, h('strong', {}, 'Reason: '), words(order.reason), shortage(order, allocation)),
  ];
}

/** Which lines were short, as the warehouse tells it. */
function shortage(order, allocation) {
  const names = new Map(order.lines.map((line) => [line.product_id, line.name]));
  const short = (allocation?.lines ?? []).filter((line) => line.requested !== undefined);
  return short.length > 0 && h('ul', {}, short.map((line) =>
    h('li', {}, `${names.get(line.product_id) ?? line.product_id}: ${count(line.requested)} wanted, ${count(line.available)} there`)));
}

function bill(order) {
  return h('table', { class: 'bill' },
    h('caption', { class: 'hidden' }, 'What was ordered'),
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Product'), h('th', { scope: 'col' }, 'Qty'), h('th', { scope: 'col' }, 'Each'))),
    h('tbody', {}, order.lines.map((line) => h('tr', {},
      h('td', {}, line.name), h('td', {}, count(line.qty)), h('td', {}, money(line.unit_price_minor, order.currency))))),
    h('tfoot', {},
      h('tr', {}, h('th', { scope: 'row', colspan: '2' }, 'Subtotal'), h('td', {}, money(order.subtotal_minor, order.currency))),
      h('tr', {}, h('th', { scope: 'row', colspan: '2' }, 'Fee'), h('td', {}, money(order.fee_minor, order.currency))),
      h('tr', { class: 'total' }, h('th', { scope: 'row', colspan: '2' }, 'Total'), h('td', {}, money(order.total_minor, order.currency)))));
}

function actions(order, again) {
  const path = `/store/orders/${encodeURIComponent(order.order_id)}`;
  const after = async (text) => {
    note(text);
    await refresh();
    await again();
  };
  if (order.status === 'pending' || order.status === 'completed') {
    const press = (event) => doing(event.currentTarget, async () => {
      const answer = await change('POST', `${path}/cancel`, { reason: 'changed my mind' });
      await after(answer?.status === 'cancelled' ? 'The order is cancelled.' : 'Cancelling is asked for; the warehouse decides.');
    });
    return h('div', { class: 'actions' }, button('Cancel this order', press, { class: 'button danger' }));
  }
  if (order.status === 'fulfilled') {
    const inputs = order.lines.map((line) => {
      const id = `return-${order.order_id}-${line.line_id}`;
      const input = h('input', { id, type: 'number', min: '0', max: String(line.qty), step: '1', inputmode: 'numeric', value: '0' });
      return { line, input, row: h('div', { class: 'pair' }, h('label', { for: id }, `${line.name}, of ${count(line.qty)}`), input) };
    });
    const submit = (event) => {
      event.preventDefault();
      doing(event.submitter, async () => {
        const lines = inputs.map(({ line, input }) => ({ line_id: line.line_id, qty: Number(input.value) })).filter((line) => line.qty > 0);
        if (lines.length === 0) {
          note('Say how many units come back.', 'error');
          return;
        }
        await change('POST', '/warehouse/returns', { order_id: order.order_id, lines }, { 'idempotency-key': idempotencyKey() });
        await after('The units are back in the warehouse; the refund is on its way.');
      });
    };
    return h('details', { class: 'more' }, h('summary', {}, 'Return units'),
      h('form', { on: { submit } }, inputs.map(({ row }) => row),
        h('div', { class: 'actions' }, h('button', { class: 'button', type: 'submit' }, 'Return'))));
  }
  return null;
}

/** Fills `place` with an order, and again whenever the order moves on, until `place` shows something else. */
export async function showOrder(place, orderId, heading) {
  place.dataset.order = orderId;
  let shown = null;
  const draw = async () => {
    try {
      const found = await load(orderId);
      if (place.dataset.order !== orderId) return;
      shown = found.order.rev;
      const { order } = found;
      fill(place,
        h('div', { class: 'order-head' }, heading(order), chip(order.status)),
        h('p', { class: 'quiet' }, 'Placed by ', h('strong', {}, order.customer_id), `, ${day(order.created_at)}. `, h('code', {}, order.order_id)),
        timeline(found), bill(order), refunds(order), actions(order, draw));
    } catch (error) {
      if (place.dataset.order !== orderId) return;
      fill(place, heading(null), h('p', { class: 'error' }, `The order cannot be shown: ${error.message}.`), button('Try again', draw));
    }
  };
  drawn.set(place, { orderId, draw, rev: () => shown });
  await draw();
}

function refunds(order) {
  const given = order.refunds ?? [];
  return given.length > 0 && h('p', { class: 'quiet' },
    `${many(given.length, 'refund')}: ${given.map((refund) => money(refund.amount_minor ?? refund.total_minor ?? 0, order.currency)).join(', ')}`);
}

/** By place, the order that it shows. */
const drawn = new Map();

/** Draws the shown orders again that have moved on. */
watch(() => {
  for (const [place, { orderId, draw, rev }] of drawn) {
    if (place.dataset.order !== orderId || !place.isConnected || (place === content && !sheet.open)) continue;
    const known = world.orders?.find((order) => order.order_id === orderId);
    if (known && known.rev !== rev()) draw();
  }
});

const content = h('div', { class: 'sheet-content' });

/** Opens an order beside the page. */
export function openOrder(orderId) {
  fill(content, h('h2', { id: 'order-title' }, `Order ${tail(orderId)}`), h('p', { class: 'quiet' }, 'Loading'));
  fill(sheet, h('div', { class: 'sheet-bar' }, button('Close', () => sheet.close())), content);
  if (!sheet.open) sheet.showModal();
  showOrder(content, orderId, () => h('h2', { id: 'order-title' }, `Order ${tail(orderId)}`));
}

sheet.addEventListener('click', (event) => { if (event.target === sheet) sheet.close(); });
