// Elements are made here, and nowhere from markup: whatever a model or a person called something is text.

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Return a text in which nothing can hide or turn the direction of its neighbours. */
export const plain = (value) => String(value ?? "").replace(HIDDEN, "\ufffd");

/** Make an element; strings among its children become text. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "on") {
      for (const [event, does] of Object.entries(value)) made.addEventListener(event, does);
    } else if (value === true) made.setAttribute(key, "");
    else made.setAttribute(key, plain(value));
  }
  made.append(...kept(children));
  return made;
}

/** Put these children into an element, instead of those that it has. */
export const fill = (parent, ...children) => parent.replaceChildren(...kept(children));

const kept = (children) =>
  children
    .flat(2)
    .filter((one) => one !== undefined && one !== null && one !== false && one !== "")
    .map((one) => (one instanceof Node ? one : plain(one)));

/** A name that somebody gave: its direction does not spread. */
export const name = (value) => el("bdi", {}, value);

/** Change a text only if it is another, so that nothing is read out twice. */
export function write(node, text) {
  const said = plain(text);
  if (node.textContent !== said) node.textContent = said;
}

export function button(text, does, attributes = {}) {
  return el("button", { type: "button", ...attributes, on: { click: does } }, text);
}

let number = 0;
export const fresh = (stem) => `${stem}-${++number}`;

/** Let a screen reader say a sentence, once. */
export function announce(text) {
  const place = document.getElementById("said");
  place.textContent = "";
  setTimeout(() => (place.textContent = plain(text)), 60);
}

/** Names and values, as the reports have them. */
export const facts = (pairs) =>
  el("dl", {}, pairs.map(([key, value]) => el("div", {}, el("dt", {}, key), el("dd", {}, value))));

/** Move the focus to a heading or a region that cannot be tabbed to. */
export function focusOn(node) {
  if (!node) return;
  if (!node.hasAttribute("tabindex") && node.tabIndex < 0) node.setAttribute("tabindex", "-1");
  node.focus();
}

/** Give lists their children, in order, without taking the focus from any: [[list, nodes], …]. */
export function arrange(lists) {
  const held = document.activeElement;
  for (const [list, nodes] of lists) {
    nodes.forEach((node, place) => {
      if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
    });
  }
  for (const [list, nodes] of lists) {
    while (list.children.length > nodes.length) list.lastElementChild.remove();
  }
  if (held?.isConnected && held !== document.activeElement) held.focus({ preventScroll: true });
}
