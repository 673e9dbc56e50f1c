// The page: its views, and the state of the system above all of them.

import { onTokenWanted } from './api.js';
import { deadLetters } from './dead_letters.js';
import { askToken } from './dialogs.js';
import { h, setText } from './dom.js';
import { faults, logHealth } from './faults.js';
import { flow } from './flow.js';
import { count } from './format.js';
import { shop } from './shop.js';
import { deadLetterCount, health, onPoll, start } from './state.js';
import { warehouse } from './warehouse.js';

/** Each has an id, a title, an element, `update`, and perhaps `leave`. */
const VIEWS = [flow, shop, warehouse, deadLetters, faults];

const main = document.getElementById('main');
const healthSign = document.getElementById('health');
const badge = h('span', { class: 'badge', hidden: true, title: 'Dead letters' });
const links = new Map(VIEWS.map((view) => [view, h('a', { href: `#${view.id}` }, view.title, view === deadLetters && badge)]));
let shown = flow;

document.getElementById('views').append(...[...links.values()].map((link) => h('li', {}, link)));
for (const view of VIEWS) {
  view.element.id = view.id;
  view.element.hidden = true;
  main.append(view.element);
}
onTokenWanted(askToken);
addEventListener('hashchange', () => {
  show();
  scrollTo(0, 0);
  shown.element.querySelector('h1').focus({ preventScroll: true });
  links.get(shown).scrollIntoView({ block: 'nearest', inline: 'center' });
});
show();
onPoll(update);
start();

function show() {
  const wanted = VIEWS.find((view) => `#${view.id}` === location.hash) ?? flow;
  if (shown !== wanted) shown.leave?.();
  shown.element.hidden = true;
  shown = wanted;
  shown.element.hidden = false;
  for (const [view, link] of links) {
    if (view === shown) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${shown.title} – Store and warehouse`;
  shown.update();
}

function update() {
  const { level, text } = health();
  healthSign.dataset.level = level;
  setText(healthSign.lastElementChild, text);
  badge.hidden = deadLetterCount() === 0;
  setText(badge, count(deadLetterCount()));
  logHealth();
  shown.update();
}
