// Dead letters: entries that could not be handled, the reasons, and how to replay or drop them.

import { change, get } from './api.js';
import { confirm, note, perform } from './dialogs.js';
import { button, commandLine, facts, h, setText, syncChildren, viewElement } from './dom.js';
import { clock, count, day, plural, words } from './format.js';
import { deadLetterCount, deadLettersOf, isUnavailable, state } from './state.js';
import { STREAMS } from './streams.js';

const PAGE_SIZE = 20;

/** By stream: the letters that were loaded, and `seen`, the number of dead letters when that was. */
const groups = STREAMS.map((stream) => ({ stream, seen: null, letters: [], next: null, loading: false, error: null }));
const list = h('div', { class: 'letters' });
const empty = h('div', { class: 'panel empty-letters' },
  h('h2', {}, 'No dead letters'),
  h('p', {}, 'Every event was handled. To make one, append an order for zero units:'),
  commandLine('redis-cli XADD order-completed \'*\' data \'{"order_id":"bad","customer_id":"ada","lines":[{"line_id":1,"product_id":"teapot","qty":0}]}\''),
  h('p', { class: 'quiet' }, 'The warehouse rejects it with a reason, the entries beside it go on, and it appears here within a second.'));
const problem = h('p', { class: 'error', hidden: true });

export const deadLetters = {
  id: 'dead',
  title: 'Dead letters',
  element: viewElement('Dead letters',
    'An event that cannot be handled, or was tried too often, is moved beside its stream with the reason. Remove the cause and replay it: only the group in which it failed gets it again. Or drop it.',
    null, problem, empty, list),
  update,
};

function update() {
  const unavailable = Object.keys(state.services).find(isUnavailable);
  problem.hidden = !unavailable;
  if (unavailable) setText(problem, `The dead letters cannot be loaded: ${state.reasons[unavailable]}. These are from the last answer.`);
  empty.hidden = unavailable !== undefined || deadLetterCount() > 0;
  for (const group of groups) {
    const known = deadLettersOf(group.stream);
    if (known !== null && known !== group.seen && !group.loading) load(group);
  }
  draw();
}

/** Loads the first page, or the one at a cursor. A failure is tried again after the next poll. */
async function load(group, cursor = null) {
  const { name, from } = group.stream;
  const known = deadLettersOf(group.stream);
  group.loading = true;
  try {
    if (known === 0) {
      Object.assign(group, { letters: [], next: null });
    } else {
      const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
      const { items, next_cursor: next } = await get(`/${from}/streams/${name}/dead?limit=${PAGE_SIZE}${query}`);
      Object.assign(group, { letters: cursor ? [...group.letters, ...items] : items, next });
    }
    group.seen = known;
    group.error = null;
  } catch (error) {
    group.error = error.message;
  }
  group.loading = false;
  draw();
}

function draw() {
  const shown = groups.filter((group) => group.letters.length > 0 || group.error);
  syncChildren(list, shown, (group) => group.stream.name, makeGroup, updateGroup);
}

function makeGroup(group) {
  const id = `dead-${group.stream.name}`;
  return h('section', { class: 'letter-group', 'aria-labelledby': id },
    h('h2', { id }), h('p', { class: 'error' }), h('ul', {}), button('Show more', () => load(group, group.next)));
}

function updateGroup(element, group) {
  const [title, error, letters, more] = element.children;
  setText(title, `${group.stream.name}: ${plural(deadLettersOf(group.stream) ?? group.letters.length, 'dead letter')}`);
  error.hidden = !group.error;
  setText(error, group.error ? `They cannot be shown: ${group.error}.` : '');
  syncChildren(letters, group.letters, (letter) => letter.entry, (letter) => makeLetter(group, letter));
  more.hidden = !group.next;
}

function makeLetter(group, letter) {
  const path = `/${group.stream.from}/streams/${group.stream.name}/dead/${letter.entry}`;
  const remove = async (method, path, text) => {
    await change(method, path).catch((error) => {
      // Somebody else was faster, with the same result for the person.
      if (error.slug !== 'unknown_dead_letter') throw error;
    });
    group.letters = group.letters.filter(({ entry }) => entry !== letter.entry);
    note(text);
    draw();
  };
  const replay = ({ currentTarget }) => perform(currentTarget,
    () => remove('POST', `${path}/replay`, 'Replayed: the entry is at the end of its stream again.'));
  const drop = ({ currentTarget }) => perform(currentTarget, async () => {
    const isSure = await confirm('Drop this dead letter?', 'It cannot be replayed afterwards, and no copy is kept.', 'Drop it');
    if (isSure) await remove('DELETE', path, 'Dropped.');
  });
  return h('li', { class: 'letter' },
    h('div', { class: 'letter-head' },
      h('span', { class: 'chip', 'data-status': 'dead' }, words(letter.cause ?? 'unknown')),
      h('p', { class: 'letter-reason' }, letter.reason ?? 'Not written by the sidecar: without a cause and a reason.')),
    facts(
      ['Entry', h('code', {}, letter.original_entry ?? letter.entry)],
      letter.group && ['Group', h('code', {}, letter.group)],
      letter.attempts !== null && ['Attempts', count(letter.attempts)],
      letter.at && ['Failed', h('time', { datetime: letter.at }, `${day(letter.at)}, ${clock(letter.at)}`)]),
    h('details', { class: 'more' }, h('summary', {}, 'The entry itself'),
      letter.fields.length === 0
        ? h('p', { class: 'quiet' }, 'Kept by reference: the original is still in the stream.')
        : h('dl', { class: 'entry' }, letter.fields.map(({ name, value }) => [h('dt', {}, name), h('dd', {}, h('pre', { tabindex: '0' }, pretty(value)))])),
      letter.truncated && h('p', { class: 'quiet' }, 'Shortened here; a replay takes all of it.')),
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
