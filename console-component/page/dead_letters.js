// Dead letters: what could not be handled, why, and what to do about it.

import { change, get } from './api.js';
import { confirm, doing, note } from './ask.js';
import { button, command, fill, h, say, sync } from './dom.js';
import { clock, count, day, many, words } from './format.js';
import { LANES } from './lanes.js';
import { deadOf, deadTotal, world } from './world.js';

const PAGE = 20;

const groups = LANES.map((lane) => ({ lane, shown: null, letters: [], next: null, loading: false, error: null }));
const list = h('div', { class: 'letters' });
const empty = h('div', { class: 'panel empty-letters' },
  h('h2', {}, 'No dead letters'),
  h('p', {}, 'Every event was handled. To see one die, append one that asks for nothing:'),
  command('redis-cli XADD order-completed \'*\' data \'{"order_id":"bad","customer_id":"ada","lines":[{"line_id":1,"product_id":"teapot","qty":0}]}\''),
  h('p', { class: 'quiet' }, 'The warehouse rejects it with a reason, the entries beside it go on, and it appears here within a second.'));
const problem = h('p', { class: 'error', hidden: true });

export const dead = {
  id: 'dead',
  title: 'Dead letters',
  element: h('section', { class: 'view' },
    h('div', { class: 'lead' }, h('div', {},
      h('h1', { tabindex: '-1' }, 'Dead letters'),
      h('p', { class: 'intro' }, 'An event that cannot be handled, or was tried too often, is put beside its stream with the reason. Mend the cause, then replay it: only the group in which it died gets it again. Drop it if it is of no use.'))),
    problem, empty, list),
  update,
};

function update() {
  const failure = Object.entries(world.services).find(([, state]) => state === 'away' || state === 'storage');
  problem.hidden = !failure;
  if (failure) say(problem, `The dead letters cannot be asked for: ${world.reasons[failure[0]]}. Shown are those of the last answer.`);
  empty.hidden = failure !== undefined || deadTotal() > 0;
  for (const group of groups) {
    const now = deadOf(group.lane.stream);
    if (now !== null && now !== group.shown && !group.loading) load(group);
  }
  draw();
}

/** Reads the first page, or the next one. */
async function load(group, cursor = null) {
  const { stream, owner } = group.lane;
  const wanted = deadOf(stream);
  group.loading = true;
  try {
    if (wanted === 0) {
      Object.assign(group, { letters: [], next: null });
    } else {
      const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
      const { items, next_cursor: next } = await get(`/${owner}/streams/${stream}/dead?limit=${PAGE}${query}`);
      Object.assign(group, { letters: cursor ? [...group.letters, ...items] : items, next });
    }
    group.shown = wanted;
    group.error = null;
  } catch (error) {
    // Asked again at the next look.
    group.error = error.message;
  }
  group.loading = false;
  draw();
}

function draw() {
  const there = groups.filter((group) => group.letters.length > 0 || group.error);
  sync(list, there, (group) => group.lane.stream, makeGroup, updateGroup);
}

function makeGroup(group) {
  const { stream } = group.lane;
  const more = button('Show more', () => load(group, group.next));
  return h('section', { class: 'letter-group', 'aria-labelledby': `dead-${stream}` },
    h('h2', { id: `dead-${stream}` }), h('p', { class: 'error' }), h('ul', {}), more);
}

function updateGroup(element, group) {
  const [title, error, letters, more] = element.children;
  say(title, `${group.lane.stream}: ${many(deadOf(group.lane.stream) ?? group.letters.length, 'dead letter')}`);
  error.hidden = !group.error;
  say(error, group.error ? `They cannot be shown: ${group.error}.` : '');
  sync(letters, group.letters, (letter) => letter.entry, (letter) => makeLetter(group, letter));
  more.hidden = !group.next;
}

function makeLetter(group, letter) {
  const { stream, owner } = group.lane;
  const path = `/${owner}/streams/${stream}/dead/${letter.entry}`;
  const gone = async (text) => {
    group.letters = group.letters.filter(({ entry }) => entry !== letter.entry);
    note(text);
    draw();
  };
  /** Somebody else was faster: the same for the person. */
  const orGone = (error) => { if (error.slug !== 'unknown_dead_letter') throw error; };
  const replay = (event) => doing(event.currentTarget, async () => {
    await change('POST', `${path}/replay`).catch(orGone);
    await gone('Replayed: the entry is at the end of its stream again.');
  });
  const drop = (event) => {
    const pressed = event.currentTarget;
    return doing(pressed, async () => {
      if (!await confirm('Drop this dead letter?', 'It cannot be replayed afterwards. Nothing else remembers it.', 'Drop it')) return;
      await change('DELETE', path).catch(orGone);
      await gone('Dropped.');
    });
  };
  return h('li', { class: 'letter' },
    h('div', { class: 'letter-head' },
      h('span', { class: 'chip', 'data-status': 'dead' }, words(letter.cause ?? 'unknown')),
      h('p', { class: 'letter-reason' }, letter.reason ?? 'Not written by the sidecar: without a cause and a reason.')),
    h('dl', { class: 'facts' },
      h('dt', {}, 'Entry'), h('dd', {}, h('code', {}, letter.original_entry ?? letter.entry)),
      letter.group && [h('dt', {}, 'Group'), h('dd', {}, h('code', {}, letter.group))],
      letter.attempts !== null && [h('dt', {}, 'Attempts'), h('dd', {}, count(letter.attempts))],
      letter.at && [h('dt', {}, 'Died'), h('dd', {}, h('time', { datetime: letter.at }, `${day(letter.at)}, ${clock(letter.at)}`))]),
    h('details', { class: 'more' }, h('summary', {}, 'The entry itself'),
      letter.fields.length === 0
        ? h('p', { class: 'quiet' }, 'Kept by reference: the original is still in the stream.')
        : h('dl', { class: 'entry' }, letter.fields.map(({ name, value }) => [h('dt', {}, name), h('dd', {}, h('pre', { tabindex: '0' }, pretty(value)))])),
      letter.truncated && h('p', { class: 'quiet' }, 'Shortened; a replay takes all of it.')),
    h('div', { class: 'actions' },
      button('Replay', replay, { class: 'button primary' }),
      button('Drop', drop, { class: 'button danger' })));
}

/** JSON with line breaks; other text as it is. */
function pretty(value) {
  try {
    const parsed = JSON.parse(value);
    return typeof parsed === 'object' ? JSON.stringify(parsed, null, 2) : value;
  } catch {
    return value;
  }
}
