// What the page knows of the system, asked for at a steady pace whatever happens there: below four requests a second,
// and none while nobody looks.

import { get } from './api.js';
import { LANES } from './lanes.js';

/** Between two looks at the streams and the newest orders. */
const TICK_MS = 1000;
/** The catalogue and the stock are asked for at every so many looks. */
const STOCK_TICKS = 2;
const CATALOGUE_TICKS = 6;
const ORDERS_SHOWN = 50;
/** Entries that wait so long without any being taken: nobody carries them. */
const STANDSTILL_MS = 2500;

export const world = {
  /** By service: `unknown`, `up`, `storage` (its Redis is gone or full) or `away`. */
  services: { store: 'unknown', warehouse: 'unknown' },
  /** By service, why it is not up. */
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
const waits = new Map();
let ticks = 0;
let running = false;

/** Has `listener` called after every look. */
export function watch(listener) { listeners.add(listener); }

/** Looks now and from then on. */
export function start() {
  document.addEventListener('visibilitychange', () => { if (!document.hidden) run(); });
  run();
}

async function run() {
  if (running) return;
  running = true;
  while (!document.hidden) {
    await look();
    await new Promise((resolve) => { setTimeout(resolve, TICK_MS); });
  }
  running = false;
}

async function look() {
  const asked = [streamsOf('store'), streamsOf('warehouse'), refreshOrders()];
  if (ticks % STOCK_TICKS === 0) asked.push(refreshStock());
  if (ticks % CATALOGUE_TICKS === 0) asked.push(refreshCatalogue());
  ticks += 1;
  await Promise.all(asked);
  tell();
}

function tell() { for (const listener of listeners) listener(world); }

async function ask(service, path, take) {
  try {
    take(await get(path));
    world.services[service] = 'up';
    delete world.reasons[service];
  } catch (error) {
    const isStorage = error.slug.startsWith('storage_');
    world.services[service] = isStorage ? 'storage' : 'away';
    world.reasons[service] = error.message;
  }
}

const streamsOf = (service) => ask(service, `/${service}/streams`, ({ items }) => {
  const now = performance.now();
  for (const item of items) {
    world.streams.set(item.stream, item);
    for (const group of item.groups) noteWait(`${item.stream} ${group.group}`, group, now);
  }
});

/** Since when a group's entries wait and none is taken: new ones, or such as are in a sidecar's hands for too long. */
function noteWait(key, group, now) {
  const last = waits.get(key);
  const stands = group.lag > 0 && last && group.lag >= last.lag;
  const isHeld = group.pending > 0 && group.waiting === 0 && group.oldest_pending_ms > STANDSTILL_MS;
  const since = isHeld ? now - group.oldest_pending_ms : stands ? last.since : now;
  waits.set(key, { lag: group.lag, waits: isHeld || group.lag > 0, since });
}

export const refreshOrders = () => ask('store', `/store/orders?limit=${ORDERS_SHOWN}`, ({ items }) => { world.orders = items; });

/** Both lists have a first page only: what a person looks at. */
export const refreshStock = () => ask('warehouse', '/warehouse/products?limit=100', ({ items }) => { world.stock = items; });
const refreshCatalogue = () => ask('store', '/store/products?limit=100', ({ items }) => { world.catalogue = items; });

/** Looks at the stock and the orders at once, after something was changed here. */
export async function refresh() {
  await Promise.all([refreshOrders(), refreshStock()]);
  tell();
}

/** The state of a lane's group; null when it is not known, as before the group exists. */
export function groupOf(lane) {
  return world.streams.get(lane.stream)?.groups.find((group) => group.group === lane.group) ?? null;
}

export const deadOf = (stream) => world.streams.get(stream)?.dead ?? null;

export const deadTotal = () => LANES.reduce((sum, lane) => sum + (deadOf(lane.stream) ?? 0), 0);

/** The lanes whose entries wait and that nobody carries. */
export function standstill() {
  const now = performance.now();
  return LANES.filter((lane) => {
    const wait = waits.get(`${lane.stream} ${lane.group}`);
    return wait?.waits && now - wait.since > STANDSTILL_MS;
  });
}

/** The system's state in a few words: `level` is up, busy, down or unknown. */
export function health() {
  const { store, warehouse } = world.services;
  const states = [store, warehouse];
  if (states.includes('unknown')) return { level: 'unknown', what: 'connecting', text: 'Connecting' };
  if (states.includes('storage')) {
    const service = store === 'storage' ? 'store' : 'warehouse';
    const isFull = world.reasons[service]?.includes('full');
    return { level: 'down', what: 'redis', text: isFull ? 'Redis is full' : 'Redis does not answer' };
  }
  if (store === 'away' && warehouse === 'away') return { level: 'down', what: 'app', text: 'The app does not answer' };
  if (store === 'away') return { level: 'down', what: 'store', text: 'The store does not answer' };
  if (warehouse === 'away') return { level: 'down', what: 'warehouse', text: 'The warehouse does not answer' };
  if (standstill().length > 0) return { level: 'down', what: 'sidecar', text: 'Entries wait, nobody carries them' };
  return { level: 'up', what: 'up', text: 'Everything runs' };
}

/** What can be told of each part that may be stopped: `ok` is true, false, or null for what cannot be seen. */
export function parts() {
  const states = Object.values(world.services);
  const runs = states.some((state) => state === 'up' || state === 'storage');
  const isUp = states.every((state) => state === 'up');
  const lost = states.includes('storage');
  const stands = standstill().length > 0;
  const waiting = LANES.reduce((sum, lane) => sum + (groupOf(lane)?.lag ?? 0) + (groupOf(lane)?.pending ?? 0), 0);
  const unseen = { ok: null, says: 'unknown' };
  return {
    runtime: states.includes('unknown') ? unseen : runs ? { ok: true, says: 'answers' } : { ok: false, says: 'away' },
    sidecar: !isUp ? unseen : stands ? { ok: false, says: 'stands still' } : { ok: true, says: waiting > 0 ? 'carries' : 'idle' },
    Redis: lost ? { ok: false, says: 'away' } : isUp ? { ok: true, says: 'answers' } : unseen,
    waiting: isUp ? { ok: !stands, says: `${waiting} ${waiting === 1 ? 'entry' : 'entries'}` } : unseen,
  };
}
