// All words of the page are in one catalogue, which another language replaces.

import { el } from "./dom.js";

let catalogue = {};
let plurals = new Intl.PluralRules("en");
let language = "en";

// The server is on this very machine, so the browser knows what it is.
const isMac = navigator.userAgent.includes("Macintosh");

export async function loadTexts() {
  const answer = await fetch("/page/texts.en.json");
  catalogue = await answer.json();
  language = catalogue.language;
  plurals = new Intl.PluralRules(language);
  for (const node of document.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
  for (const node of document.querySelectorAll("[data-label]"))
    node.setAttribute("aria-label", say(node.dataset.label));
  for (const node of document.querySelectorAll("[data-hint]"))
    node.setAttribute("placeholder", say(node.dataset.hint));
}

/** Return a text of the catalogue with its {values} put in; `count` chooses among its plurals.

A text may be another on a Mac: it has the ending .mac. */
export function say(key, values = {}) {
  const found = (isMac && catalogue[`${key}.mac`]) || catalogue[key];
  const text = typeof found === "object" ? (found[plurals.select(values.count)] ?? found.other) : found;
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Return whether the catalogue has a text: words of the tool that it lacks stay as they are. */
export const has = (key) => key in catalogue;

/** Return a text in which `commands` are set as code. */
export function rich(text) {
  return String(text ?? "")
    .split("`")
    .map((part, place) => (place % 2 ? el("code", {}, part) : part));
}

const count = (value, digits) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);

export function size(bytes) {
  if (!Number.isFinite(bytes)) return "";
  const [unit, by] =
    bytes >= 1e9 ? ["size.gb", 1e9] : bytes >= 1e6 ? ["size.mb", 1e6] : bytes >= 1e3 ? ["size.kb", 1e3] : ["size.b", 1];
  const shown = bytes / by;
  return say(unit, { number: count(shown, shown < 10 && by > 1e3 ? 1 : 0) });
}

export function duration(seconds) {
  if (seconds < 50) return say("time.seconds", { count: Math.max(1, Math.round(seconds / 5) * 5 || 1) });
  if (seconds < 5400) return say("time.minutes", { count: Math.max(1, Math.round(seconds / 60)) });
  return say("time.hours", { count: count(seconds / 3600, 1) });
}

export const percent = (done, total) => say("percent", { number: count((100 * done) / total, 0) });
