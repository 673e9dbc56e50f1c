// Making elements. Every text becomes a text node, never markup: what an API says is shown, whatever it contains.

/**
 * An element. `props` are attributes, except `class`, `on` (listeners by event) and `value`; null and false leave an
 * attribute out. Children are nodes or texts; null and false are left out.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === 'value') {
      element.value = value;
    } else if (value !== null && value !== false && value !== undefined) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  put(element, children);
  return element;
}

/** Replaces an element's children. */
export function fill(element, ...children) {
  element.replaceChildren();
  put(element, children);
  return element;
}

/** Sets an element's text if it changed, so that nothing is laid out again for nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function put(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/**
 * Keeps the children of a list in step with items, each child known by its item's key: children stay the same
 * elements as long as their item stays, with focus and open details.
 */
export function sync(list, items, key, make, update) {
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

/** A button. */
export function button(label, press, props = {}) {
  return h('button', { type: 'button', class: 'button', ...props, on: { click: press } }, label);
}

/** A text of a command with a button that copies it. */
export function command(text) {
  const copy = button('Copy', async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = 'Copied';
    } catch {
      // Without permission, or not on a secure address: the person still can by hand.
      getSelection().selectAllChildren(code);
      copy.textContent = 'Selected';
    }
    setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
  }, { class: 'button small', 'aria-label': `Copy the command ${text}` });
  const code = h('code', { tabindex: '0' }, text);
  return h('div', { class: 'command' }, code, copy);
}
