// Dialogs, and notes on the outcome of what the person did.

import { button, fill, h, submitButton } from './dom.js';

const TOAST_MS = 6000;
const TOASTS_MAX = 4;

const box = document.getElementById('dialog');
const toasts = document.getElementById('toasts');

/** Shows a dialog with a form. Resolves to what `read` returns on submit, else to null. */
function ask(title, content, submit, read = () => true) {
  return new Promise((resolve) => {
    let answer = null;
    fill(box, h('form', { method: 'dialog', on: { submit: () => { answer = read(); } } },
      h('h2', { id: 'dialog-title' }, title),
      content,
      h('div', { class: 'actions' }, button('Cancel', () => box.close()), submit)));
    box.addEventListener('close', () => resolve(answer), { once: true });
    box.showModal();
  });
}

let tokenAnswer = null;

/** Asks for the token; all callers at the same time get the same answer. */
export function askToken(wasWrong) {
  const input = h('input', { id: 'token', type: 'password', autocomplete: 'off', required: true, 'aria-describedby': 'token-note' });
  tokenAnswer ??= ask('Token required',
    [
      h('p', {}, 'The services take changes only with their token, the value of the variable ', h('code', {}, 'api_token'), '.'),
      wasWrong && h('p', { class: 'error', role: 'alert' }, 'That token is wrong.'),
      h('label', { for: 'token' }, 'Token'),
      input,
      h('p', { id: 'token-note', class: 'quiet' }, 'Kept in this tab until you close it.'),
    ],
    submitButton('Use this token', { class: 'button primary' }), () => input.value).finally(() => { tokenAnswer = null; });
  return tokenAnswer;
}

export const confirm = (title, text, yes) => ask(title, h('p', {}, text), submitButton(yes, { class: 'button danger' }));

/** A note that goes away by itself; `kind` is ok or error. */
export function note(text, kind = 'ok') {
  const toast = h('p', { class: `toast ${kind}` }, text);
  toasts.append(toast);
  while (toasts.children.length > TOASTS_MAX) toasts.firstChild.remove();
  setTimeout(() => toast.remove(), TOAST_MS);
}

/** Runs an action with its button disabled, and shows its failure. */
export async function perform(pressed, action) {
  pressed.disabled = true;
  try {
    await action();
  } catch (error) {
    if (error.status === 401) note('Nothing was changed: the token is required.', 'error');
    else note(`That did not work: ${error.message}.`, 'error');
  } finally {
    pressed.disabled = false;
  }
}
