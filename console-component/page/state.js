// The state of the system, polled at a steady pace, whatever happens: fewer than four requests a second, and none while
// the page is hidden.

import { get } from './api.js';
import { STREAMS } from './streams.js';

/** Pause between two polls of the streams and the newest orders. */
const POLL_MS = 1000;
/** The stock and the catalogue are polled at every second and sixth poll. */
const STOCK_POLLS = 2;
const CATALOGUE_POLLS = 6;
const ORDERS_SHOWN = 50;
/** Entries that wait this long, none of them taken, stand still. */
const STANDSTILL_MS = 2500;

export const state = {
  /** By service: `unknown`, `up`, `storage` (its Redis is gone or full) or `down`. */
  services: { store: 'unknown', warehouse: 'unknown' },
  /** By service: why it is not up. */
  reasons: {},
  /** By stream: length, dead letters, groups. */
  streams: new Map(),
  /** Newest first; null until the first answer. */
  orders: null,
  /** The warehouse's products, and the store's; null until the first answer. */
  stock: null,
  catalogue: null,
};

const listeners = new Set();
/** By stream: the lag at the last poll, and since when entries wait (null if none does). */
const waits = new Map();
let polls = 0;
let isRunning = false;

/** Calls `listener` after every poll. */
export function onPoll(listener) { listeners.add(listener); }

export function start() {
  document.addEventListener('visibilitychange', run);
  run();
}

async function run() {
  if (isRunning) return;
  isRunning = true;
  while (!document.hidden) {
    await poll();
    await new Promise((resolve) => { setTimeout(resolve, POLL_MS); });
  }
  isRunning = false;
}

async function poll() {
  const requests = [pollStreams('store'), pollStreams('warehouse'), pollOrders()];
  if (polls % STOCK_POLLS === 0) requests.push(pollStock());
  if (polls % CATALOGUE_POLLS === 0) requests.push(pollCatalogue());
  polls += 1;
  await Promise.all(requests);
  notify();
}

function notify() { for (const listener of listeners) listener(); }

async function ask(service, path, take) {
  try {
    take(await get(path));
    state.services[service] = 'up';
    delete state.reasons[service];
  } catch (error) {
    state.services[service] = error.slug.startsWith('storage_') ? 'storage' : 'down';
    state.reasons[service] = error.message;
  }
}

const pollStreams = (service) => ask(service, `/${service}/streams`, ({ items }) => {
  for (const item of items) state.streams.set(item.stream, item);
  const now = performance.now();
  for (const stream of STREAMS.filter(({ from }) => from === service)) {
    const group = groupOf(stream);
    if (group) waits.set(stream, waitOf(group, waits.get(stream), now));
  }
});

/** Entries wait while the lag does not fall, or while a sidecar holds them without an answer. */
function waitOf({ lag, pending, waiting, oldest_pending_ms: oldest }, last, now) {
  if (pending > 0 && waiting === 0 && oldest > STANDSTILL_MS) return { lag, since: now - oldest };
  if (!(lag > 0)) return { lag, since: null };
  const isSame = last && lag >= last.lag && last.since !== null;
  return { lag, since: isSame ? last.since : now };
}

const pollOrders = () => ask('store', `/store/orders?limit=${ORDERS_SHOWN}`, ({ items }) => { state.orders = items; });

/** Only the first page of both lists. */
const pollStock = () => ask('warehouse', '/warehouse/products?limit=100', ({ items }) => { state.stock = items; });
const pollCatalogue = () => ask('store', '/store/products?limit=100', ({ items }) => { state.catalogue = items; });

/** Polls stock and orders at once, after a change made here. */
export async function refresh() {
  await Promise.all([pollOrders(), pollStock()]);
  notify();
}

/** A service cannot show what is asked of it: it is down, or its Redis is. */
export const isUnavailable = (service) => state.services[service] === 'down' || state.services[service] === 'storage';

/** The state of a stream's group; null if unknown, as before the group exists. */
export function groupOf(stream) {
  return state.streams.get(stream.name)?.groups.find((group) => group.group === stream.group) ?? null;
}

export const deadLettersOf = (stream) => state.streams.get(stream.name)?.dead ?? null;

export const deadLetterCount = () => STREAMS.reduce((sum, stream) => sum + (deadLettersOf(stream) ?? 0), 0);

/** The streams with entries that stand still. */
export function stalledStreams() {
  const now = performance.now();
  return STREAMS.filter((stream) => {
    const since = waits.get(stream)?.since ?? null;
    return since !== null && now - since > STANDSTILL_MS;
  });
}

/** The state of the system in a few words; `level` is up, down or unknown. */
export function health() {
  const { store, warehouse } = state.services;
  const down = (text) => ({ level: 'down', text });
  if (store === 'unknown' || warehouse === 'unknown') return { level: 'unknown', text: 'Connecting' };
  const withoutStorage = Object.keys(state.services).find((service) => state.services[service] === 'storage');
  if (withoutStorage) return down(state.reasons[withoutStorage]?.includes('full') ? 'Redis is full' : 'Redis does not answer');
  if (store === 'down' && warehouse === 'down') return down('The app does not answer');
  if (store === 'down') return down('The store does not answer');
  if (warehouse === 'down') return down('The warehouse does not answer');
  if (stalledStreams().length > 0) return down('Entries wait, none is delivered');
  return { level: 'up', text: 'Everything runs' };
}

/** The state of each part that may be stopped: `ok` is true, false, or null if it cannot be seen. */
export function parts() {
  const states = Object.values(state.services);
  const isUp = states.every((one) => one === 'up');
  const answers = states.some((one) => one === 'up' || one === 'storage');
  const isStalled = stalledStreams().length > 0;
  const waiting = STREAMS.reduce((sum, stream) => sum + (groupOf(stream)?.lag ?? 0) + (groupOf(stream)?.pending ?? 0), 0);
  const part = (ok, text) => ({ ok, text });
  const unknown = part(null, 'unknown');
  return {
    runtime: states.includes('unknown') ? unknown : part(answers, answers ? 'answers' : 'does not answer'),
    sidecar: !isUp ? unknown : isStalled ? part(false, 'does not deliver') : part(true, waiting > 0 ? 'delivers' : 'idle'),
    Redis: states.includes('storage') ? part(false, 'does not answer') : isUp ? part(true, 'answers') : unknown,
    waiting: isUp ? part(!isStalled, `${waiting} ${waiting === 1 ? 'entry' : 'entries'}`) : unknown,
  };
}
