// The page: its views, and the state of the system above all of them.

import { onTokenWanted } from './api.js';
import { askToken } from './ask.js';
import { dead } from './dead.js';
import { h, say } from './dom.js';
import { fault, noteHealth } from './fault.js';
import { flow } from './flow.js';
import { count } from './format.js';
import { shop } from './shop.js';
import { warehouse } from './warehouse.js';
import { deadTotal, health, start, watch } from './world.js';

const VIEWS = [flow, shop, warehouse, dead, fault];

const main = document.getElementById('main');
const pill = document.getElementById('health');
const badge = h('span', { class: 'badge', hidden: true });
const links = new Map(VIEWS.map((view) => [view.id, h('a', { href: `#${view.id}` }, view.title, view === dead && badge)]));
let shown = null;

document.getElementById('views').append(...[...links.values()].map((link) => h('li', {}, link)));
for (const view of VIEWS) {
  view.element.id = view.id;
  view.element.hidden = true;
  main.append(view.element);
}
onTokenWanted(askToken);
addEventListener('hashchange', () => show(true));
show(false);
watch(update);
start();

function show(byPerson) {
  const wanted = VIEWS.find((view) => `#${view.id}` === location.hash) ?? flow;
  if (shown && shown !== wanted) shown.leave?.();
  if (shown) shown.element.hidden = true;
  shown = wanted;
  shown.element.hidden = false;
  for (const [id, link] of links) {
    if (id === shown.id) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${shown.title} – Store and warehouse`;
  shown.update();
  if (byPerson) {
    scrollTo(0, 0);
    shown.element.querySelector('h1').focus({ preventScroll: true });
    links.get(shown.id).scrollIntoView({ block: 'nearest', inline: 'center' });
  }
}

function update() {
  const { level, text } = health();
  pill.dataset.level = level;
  say(pill.lastElementChild, text);
  const letters = deadTotal();
  badge.hidden = letters === 0;
  say(badge, count(letters));
  badge.title = 'Dead letters';
  noteHealth();
  shown.update();
}
