// Trying a fault: what to stop, what happens then, and what this page sees of it.

import { command, fill, h, say } from './dom.js';
import { clock, span } from './format.js';
import { health, parts } from './world.js';

const FAULTS = [
  {
    title: 'Stop the runtime',
    text: 'Spin, or devhost, serves this page and runs both components. Without it nothing is answered and nothing is handled; the streams keep what waits, and the sidecar holds it back without spending an attempt.',
    see: 'The state above turns to “The app does not answer”. The runtime is started again within seconds, and orders on their way come to their end.',
    commands: ["pkill -KILL -f 'devhost run|spin (up|trigger)'"],
  },
  {
    title: 'Stop the sidecar',
    text: 'Nobody carries the lanes. Orders are still taken, and wait as pending: they are in Redis, not in anybody’s memory.',
    see: 'Place orders in the Flow meanwhile: “waiting” rises on order-placed. When the sidecar is there again, all of them go on, each once.',
    commands: ['pkill -STOP stream-sidecar; sleep 10; pkill -CONT stream-sidecar', 'pkill -KILL stream-sidecar'],
  },
  {
    title: 'Stop Redis',
    text: 'Redis holds everything: orders, stock, streams. Without it the services answer 503 or not at all, and Spin exits. What Redis has on disk is there again afterwards.',
    see: 'The state above says that Redis, or the app, does not answer. Both are started again, and this page goes on by itself: no reload.',
    commands: ['redis-cli shutdown', 'redis-cli client pause 5000 all'],
  },
];

const PARTS = ['runtime', 'sidecar', 'Redis', 'waiting'];
const rows = PARTS.map((part) => h('dd', { 'data-part': part }, ''));
const seen = h('dl', { class: 'seen' }, PARTS.map((part, index) => h('div', {}, h('dt', {}, part), rows[index])));
const now = h('p', { class: 'now', 'data-level': 'unknown' });
const log = h('ol', { class: 'log', 'aria-live': 'polite', 'aria-label': 'What happened', tabindex: '0' });
const LOG_MAX = 12;
let last = null;

export const fault = {
  id: 'fault',
  title: 'Try a fault',
  element: h('section', { class: 'view' },
    h('div', { class: 'lead' }, h('div', {},
      h('h1', { tabindex: '-1' }, 'Try a fault'),
      h('p', { class: 'intro' }, 'Stop any part while orders are on their way. Nothing that was acknowledged is lost, nothing is done twice, and everything goes on by itself. The commands are for a system that ',
        h('code', {}, 'make up'), ' started on this machine: it starts again what stops. It says when its Redis has another port than 6379.'))),
    h('div', { class: 'faults' },
      h('div', { class: 'cards' }, FAULTS.map(({ title, text, see, commands }) => h('article', { class: 'panel fault' },
        h('h2', {}, title), h('p', {}, text),
        h('p', { class: 'see' }, h('strong', {}, 'What you see: '), see),
        commands.map((line) => command(line))))),
      h('section', { class: 'panel watching', 'aria-labelledby': 'watching' },
        h('h2', { id: 'watching' }, 'What this page sees'), now, seen, log))),
  update,
};

/** Notes every change of the system's state, also while another view is shown. */
export function noteHealth() {
  const { level, text } = health();
  if (last?.text === text || level === 'unknown') return;
  const at = new Date();
  if (last) last.row.append(h('span', { class: 'quiet' }, ` for ${span(at - last.at)}`));
  const row = h('li', { 'data-level': level }, h('time', { datetime: at.toISOString() }, clock(at.toISOString())), h('span', {}, text));
  log.prepend(row);
  while (log.children.length > LOG_MAX) log.lastChild.remove();
  last = { text, at, row };
}

function update() {
  const { level, text } = health();
  now.dataset.level = level;
  say(now, text);
  const found = parts();
  PARTS.forEach((part, index) => {
    const { ok, says } = found[part];
    rows[index].dataset.ok = String(ok);
    say(rows[index], says);
  });
}
