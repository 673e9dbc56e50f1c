// Makes and changes elements. Text becomes text nodes, never markup, whatever an API answers.

/**
 * An element. `props` are attributes, except `on` (listeners by event) and `value`; null and false leave an attribute
 * out. Children are nodes, texts and arrays of them; null and false are left out.
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === 'value') {
      element.value = value;
    } else if (value !== null && value !== false && value !== undefined) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  return fill(element, ...children);
}

/** Replaces an element's children. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets an element's text only if it changed, which spares a new layout. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of `list` match `items`. The child of an item, known by its key, stays the same element, with its
 * focus and its open details.
 */
export function syncChildren(list, items, key, make, update) {
  const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const id = key(item);
    let child = known.get(id);
    if (child) {
      known.delete(id);
    } else {
      child = make(item);
      child.dataset.key = id;
    }
    if (list.children[index] !== child) list.insertBefore(child, list.children[index] ?? null);
    update?.(child, item);
  });
  for (const gone of known.values()) gone.remove();
}

/** A view's element: its heading with an introduction, `beside` them, and the content below. */
export function viewElement(heading, intro, beside, ...content) {
  return h('section', { class: 'view' },
    h('div', { class: 'lead' },
      h('div', {}, h('h1', { tabindex: '-1' }, heading), h('p', { class: 'intro' }, intro)),
      beside),
    content);
}

export function button(label, press, props = {}) {
  return h('button', { type: 'button', class: 'button', ...props, on: { click: press } }, label);
}

export function submitButton(label, props = {}) {
  return h('button', { class: 'button', type: 'submit', ...props }, label);
}

/** A number of units, counts and the like, from `min`. */
export function numberInput(id, min, value, props = {}) {
  return h('input', { id, type: 'number', min, step: '1', inputmode: 'numeric', value: String(value), ...props });
}

/** A list of terms, each with its description; null and false leave a pair out. */
export function facts(...pairs) {
  return h('dl', { class: 'facts' }, pairs.filter(Boolean).map(([term, description]) => [h('dt', {}, term), h('dd', {}, description)]));
}

/** A command with a button that copies it. */
export function commandLine(text) {
  const copy = button('Copy', async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = 'Copied';
    } catch {
      // Without permission, or over plain HTTP from another host: the person copies by hand.
      getSelection().selectAllChildren(code);
      copy.textContent = 'Selected';
    }
    setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
  }, { class: 'button small', 'aria-label': `Copy the command ${text}` });
  const code = h('code', { tabindex: '0' }, text);
  return h('div', { class: 'command' }, code, copy);
}
