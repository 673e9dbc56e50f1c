// Faults to try: commands that stop a part, what happens then, and the state that this page sees.

import { commandLine, h, setText, viewElement } from './dom.js';
import { clock, duration } from './format.js';
import { health, parts } from './state.js';

const FAULTS = [
  {
    title: 'Stop the runtime',
    text: 'Spin, or devhost, serves this page and runs both components. Without it nothing is answered and no event is handled. The entries wait in their streams, and none spends an attempt.',
    see: 'The state above turns to “The app does not answer”. The runtime is started again within seconds, and the orders on their way are finished.',
    commands: ["pkill -KILL -f 'devhost run|spin (up|trigger)'"],
  },
  {
    title: 'Stop the sidecar',
    text: 'No entry is delivered. Orders are still taken and stay pending: they wait in Redis, not in the memory of a process.',
    see: 'Place orders in the Flow meanwhile: “waiting” rises on order-placed. When the sidecar runs again, all of them go on, each once.',
    commands: ['pkill -STOP stream-sidecar; sleep 10; pkill -CONT stream-sidecar', 'pkill -KILL stream-sidecar'],
  },
  {
    title: 'Stop Redis',
    text: 'Redis holds everything: orders, stock, streams. Without it the services answer 503 or not at all, and Spin exits. Afterwards all that Redis has on disk is there again.',
    see: 'The state above says that Redis, or the app, does not answer. Both are started again, and this page goes on without a reload.',
    commands: ['redis-cli shutdown', 'redis-cli client pause 5000 all'],
  },
];

const LOG_LINES_MAX = 12;
const PARTS = ['runtime', 'sidecar', 'Redis', 'waiting'];
const partStates = PARTS.map(() => h('dd', {}, ''));
const now = h('p', { class: 'now', 'data-level': 'unknown' });
const log = h('ol', { class: 'log', 'aria-live': 'polite', 'aria-label': 'What happened', tabindex: '0' });
let last = null;

export const faults = {
  id: 'fault',
  title: 'Try a fault',
  element: viewElement('Try a fault',
    ['Stop any part while orders are on their way. Nothing that was acknowledged is lost, nothing is done twice, and everything goes on by itself. The commands are for a system that ',
      h('code', {}, 'make up'), ' started on this machine: it starts again what stops. It prints the port of its Redis if that is not 6379.'],
    null,
    h('div', { class: 'faults' },
      h('div', { class: 'cards' }, FAULTS.map(({ title, text, see, commands }) => h('article', { class: 'panel fault' },
        h('h2', {}, title), h('p', {}, text),
        h('p', { class: 'see' }, h('strong', {}, 'What you see: '), see),
        commands.map(commandLine)))),
      h('section', { class: 'panel watching', 'aria-labelledby': 'watching' },
        h('h2', { id: 'watching' }, 'What this page sees'), now,
        h('dl', { class: 'seen' }, PARTS.map((part, index) => h('div', {}, h('dt', {}, part), partStates[index]))), log))),
  update,
};

/** Logs every change of the system's state, also while another view is shown. */
export function logHealth() {
  const { level, text } = health();
  if (last?.text === text || level === 'unknown') return;
  const at = new Date();
  if (last) last.row.append(h('span', { class: 'quiet' }, ` for ${duration(at - last.at)}`));
  const row = h('li', { 'data-level': level }, h('time', { datetime: at.toISOString() }, clock(at)), h('span', {}, text));
  log.prepend(row);
  while (log.children.length > LOG_LINES_MAX) log.lastChild.remove();
  last = { text, at, row };
}

function update() {
  const { level, text } = health();
  now.dataset.level = level;
  setText(now, text);
  const states = parts();
  PARTS.forEach((part, index) => {
    partStates[index].dataset.ok = String(states[part].ok);
    setText(partStates[index], states[part].text);
  });
}
