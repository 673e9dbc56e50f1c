// One order: its history as a timeline with the event behind every step, and the actions that are still possible.

import { changeOnce, get } from './api.js';
import { note, perform } from './dialogs.js';
import { button, facts, fill, h, numberInput, submitButton } from './dom.js';
import { clock, count, day, duration, money, plural, shortId, words } from './format.js';
import { onPoll, refresh, state } from './state.js';
import { MEANING, isFinal, streamOf } from './streams.js';

const sheet = document.getElementById('order');
const sheetContent = h('div', { class: 'sheet-content' });
/** By element, the order that it shows: its id, its revision, and how to draw it again. */
const shownOrders = new Map();

/** An order's status, with a mark that does not need its colour to be understood. */
export const chip = (status) => h('span', { class: 'chip', 'data-status': status }, words(status));

/** The lines of an order in a few words. */
export function summary({ lines }) {
  const parts = lines.slice(0, 2).map((line) => `${count(line.qty)} × ${line.name}`);
  if (lines.length > 2) parts.push(`${lines.length - 2} more`);
  return parts.join(', ');
}

/** Opens an order beside the page. */
export function openOrder(orderId) {
  const title = () => h('h2', { id: 'order-title' }, `Order ${shortId(orderId)}`);
  fill(sheetContent, title(), h('p', { class: 'quiet' }, 'Loading'));
  fill(sheet, h('div', { class: 'sheet-bar' }, button('Close', () => sheet.close())), sheetContent);
  if (!sheet.open) sheet.showModal();
  showOrder(sheetContent, orderId, title);
}

sheet.addEventListener('click', (event) => { if (event.target === sheet) sheet.close(); });

/** Shows an order in `element`, and again whenever it changes, until `element` shows another one. */
export async function showOrder(element, orderId, title) {
  const shown = { orderId, rev: null };
  const isShown = () => shownOrders.get(element) === shown;
  shown.draw = async () => {
    try {
      const { order, steps, allocation } = await load(orderId);
      if (!isShown()) return;
      shown.rev = order.rev;
      fill(element,
        h('div', { class: 'order-head' }, title(), chip(order.status)),
        h('p', { class: 'quiet' }, 'Placed by ', h('strong', {}, order.customer_id), `, ${day(order.created_at)}. `, h('code', {}, order.order_id)),
        timeline(order, steps), reason(order, allocation), bill(order), refunds(order), actions(order, shown.draw));
    } catch (error) {
      if (!isShown()) return;
      fill(element, title(), h('p', { class: 'error' }, `The order cannot be shown: ${error.message}.`), button('Try again', shown.draw));
    }
  };
  shownOrders.set(element, shown);
  await shown.draw();
}

onPoll(() => {
  for (const [element, { orderId, rev, draw }] of shownOrders) {
    if (!element.isConnected || (element === sheetContent && !sheet.open)) continue;
    const known = state.orders?.find((order) => order.order_id === orderId);
    if (known && known.rev !== rev) draw();
  }
});

async function load(orderId) {
  const id = encodeURIComponent(orderId);
  const [order, history] = await Promise.all([get(`/store/orders/${id}`), get(`/store/orders/${id}/history`)]);
  const allocation = order.status === 'refunded' ? await get(`/warehouse/allocations/${id}`).catch(() => null) : null;
  return { order, steps: history.items, allocation };
}

function timeline(order, steps) {
  const times = steps.map((step) => new Date(step.at).getTime());
  const list = steps.map((step, index) => {
    const stream = streamOf(step.cause);
    return h('li', { class: 'step', 'data-status': step.to },
      h('div', { class: 'step-head' }, chip(step.to), h('span', { class: 'quiet' }, MEANING[step.to] ?? '')),
      h('div', { class: 'step-time' }, h('time', { datetime: step.at }, clock(step.at)),
        index > 0 && h('span', { class: 'quiet' }, `${duration(times[index] - times[index - 1])} later`)),
      facts(
        ['Cause', words(step.cause)],
        stream && ['Event', h('code', {}, stream)],
        step.event_id && ['Event id', h('code', {}, step.event_id)]));
  });
  if (!isFinal(order.status)) {
    const next = order.status === 'pending' ? 'Next: the payment, by order-placed' : 'Next: the warehouse decides, by order-completed';
    list.push(h('li', { class: 'step waiting' }, h('div', { class: 'step-head' }, h('span', { class: 'quiet' }, next))));
  }
  return h('ol', { class: 'timeline', 'aria-label': 'History' }, list);
}

/** The reason for a refund, with the short lines of the warehouse's allocation. */
function reason(order, allocation) {
  if (!order.reason) return null;
  const names = new Map(order.lines.map((line) => [line.product_id, line.name]));
  const short = (allocation?.lines ?? []).filter((line) => line.requested !== undefined);
  return h('p', { class: 'reason' }, h('strong', {}, 'Reason: '), words(order.reason),
    short.length > 0 && h('ul', {}, short.map((line) =>
      h('li', {}, `${names.get(line.product_id) ?? line.product_id}: ${count(line.requested)} wanted, ${count(line.available)} in stock`))));
}

function bill(order) {
  const amount = (minor) => h('td', {}, money(minor, order.currency));
  const sum = (label, minor, name) => h('tr', { class: name }, h('th', { scope: 'row', colspan: '2' }, label), amount(minor));
  return h('table', { class: 'bill' },
    h('caption', { class: 'hidden' }, 'What was ordered'),
    h('thead', {}, h('tr', {}, ['Product', 'Qty', 'Each'].map((label) => h('th', { scope: 'col' }, label)))),
    h('tbody', {}, order.lines.map((line) => h('tr', {}, h('td', {}, line.name), h('td', {}, count(line.qty)), amount(line.unit_price_minor)))),
    h('tfoot', {}, sum('Subtotal', order.subtotal_minor), sum('Fee', order.fee_minor), sum('Total', order.total_minor, 'total')));
}

function refunds({ refunds: given, currency }) {
  return given.length > 0 && h('p', { class: 'quiet' },
    `${plural(given.length, 'refund')}: ${given.map((refund) => money(refund.amount_minor, currency)).join(', ')}`);
}

function actions(order, draw) {
  const done = async (text) => {
    note(text);
    await refresh();
    await draw();
  };
  if (order.status === 'pending' || order.status === 'completed') {
    const cancel = (event) => perform(event.currentTarget, async () => {
      const answer = await changeOnce('POST', `/store/orders/${encodeURIComponent(order.order_id)}/cancel`, { reason: 'changed my mind' });
      await done(answer?.status === 'cancelled' ? 'The order is cancelled.' : 'The cancel is requested; the warehouse decides.');
    });
    return h('div', { class: 'actions' }, button('Cancel this order', cancel, { class: 'button danger' }));
  }
  return order.status === 'fulfilled' ? returnForm(order, done) : null;
}

function returnForm(order, done) {
  const rows = order.lines.map((line) => {
    const input = numberInput(`return-${order.order_id}-${line.line_id}`, 0, 0, { max: line.qty });
    return { line, input, row: h('div', { class: 'pair' }, h('label', { for: input.id }, `${line.name}, of ${count(line.qty)}`), input) };
  });
  const submit = (event) => {
    event.preventDefault();
    perform(event.submitter, async () => {
      const lines = rows.map(({ line, input }) => ({ line_id: line.line_id, qty: Number(input.value) })).filter((line) => line.qty > 0);
      if (lines.length === 0) {
        note('Enter how many units come back.', 'error');
        return;
      }
      await changeOnce('POST', '/warehouse/returns', { order_id: order.order_id, lines });
      await done('The units are back in the warehouse; the refund follows.');
    });
  };
  return h('details', { class: 'more' }, h('summary', {}, 'Return units'),
    h('form', { on: { submit } }, rows.map(({ row }) => row), h('div', { class: 'actions' }, submitButton('Return'))));
}
