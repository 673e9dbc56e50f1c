// Questions to the person, and notes on what became of what they did.

import { button, fill, h } from './dom.js';

const box = document.getElementById('ask');
const toasts = document.getElementById('toasts');
/** How long a note stays. */
const TOAST_MS = 6000;
const TOASTS_MAX = 4;

/** Shows a dialog with a form; gives what `read` reads from it, or null if the person did not want to. */
function dialog(title, content, { yes, danger = false, read = () => true }) {
  return new Promise((resolve) => {
    let answer = null;
    const form = h('form', { method: 'dialog', on: { submit: () => { answer = read(); } } },
      h('h2', { id: 'ask-title' }, title),
      content,
      h('div', { class: 'actions' },
        button('Cancel', () => box.close()),
        h('button', { class: danger ? 'button danger' : 'button primary', type: 'submit' }, yes)));
    fill(box, form);
    box.addEventListener('close', () => resolve(answer), { once: true });
    box.showModal();
  });
}

let asking = null;

/** Asks for the token; everybody who waits for one gets the same. */
export function askToken(wasWrong) {
  const input = h('input', { id: 'token', type: 'password', autocomplete: 'off', required: true, 'aria-describedby': 'token-note' });
  asking ??= dialog('This wants the token',
    [
      h('p', {}, 'The services let only those change something who know their token, the value of the variable ', h('code', {}, 'api_token'), '.'),
      wasWrong && h('p', { class: 'error', role: 'alert' }, 'The token was not the right one.'),
      h('label', { for: 'token' }, 'Token'),
      input,
      h('p', { id: 'token-note', class: 'quiet' }, 'Kept in this tab until you close it.'),
    ],
    { yes: 'Use this token', read: () => input.value }).finally(() => { asking = null; });
  return asking;
}

export const confirm = (title, text, yes) => dialog(title, h('p', {}, text), { yes, danger: true });

/** A note that goes away by itself; `kind` is ok or error. */
export function note(text, kind = 'ok') {
  const toast = h('p', { class: `toast ${kind}` }, text);
  toasts.append(toast);
  while (toasts.children.length > TOASTS_MAX) toasts.firstChild.remove();
  setTimeout(() => toast.remove(), TOAST_MS);
}

/** Does something while its button is disabled, and says if it failed. */
export async function doing(pressed, work) {
  pressed.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (error.status === 401) note('Nothing was changed: it wants the token.', 'error');
    else note(`That did not work: ${error.message}.`, 'error');
    return undefined;
  } finally {
    pressed.disabled = false;
  }
}
