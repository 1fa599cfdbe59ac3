// All words of the window are in catalogues, one for each language: texts.en.json has every text.
// A text is found by its key; a language that lacks one has the English. What is no text of the
// window stays as it came: names, and what the tool says of itself wherever it is asked (findings,
// refusals, commands, logs).

import { el } from "./dom.js";

let catalogues = []; // the chosen language, then English

// The server is on this very machine, so the browser knows what it is.
const isMac = navigator.userAgent.includes("Macintosh");

/** Load the catalogue of the browser's language, if index.html names one, and the English one. */
export async function loadTexts() {
  const links = [...document.querySelectorAll("link[hreflang]")];
  const known = new Map(links.map((link) => [link.hreflang, link.href]));
  const wanted = navigator.languages.flatMap((tag) => [tag, tag.split("-")[0]]);
  const names = new Set([wanted.find((tag) => known.has(tag)) ?? "en", "en"]);
  const loaded = await Promise.all([...names].map((language) => load(language, known.get(language))));
  catalogues = loaded.filter(Boolean);
  document.documentElement.lang = catalogues[0].language;
  for (const node of document.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
  for (const node of document.querySelectorAll("[data-label]"))
    node.setAttribute("aria-label", say(node.dataset.label));
  for (const node of document.querySelectorAll("[data-hint]"))
    node.setAttribute("placeholder", say(node.dataset.hint));
}

async function load(language, address) {
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) return null;
  return { language, plurals: new Intl.PluralRules(language), texts: await answer.json() };
}

/** Return a text and the catalogue that has it; on a Mac, one with the ending .mac goes before. */
function find(key) {
  for (const catalogue of catalogues) {
    const text = (isMac && catalogue.texts[`${key}.mac`]) || catalogue.texts[key];
    if (text !== undefined) return { text, catalogue };
  }
  return null;
}

/** Return whether a catalogue has a text: words of the tool that it lacks stay as they are. */
export const has = (key) => find(key) !== null;

/**
 * Return a text with its {values} put in; `count` chooses among its plurals. {bytes|size},
 * {seconds|duration} and {names|list} say how a value is written in this language.
 */
export function say(key, values = {}) {
  const found = find(key);
  if (!found) return key;
  const { text, catalogue } = found;
  const said = typeof text === "object" ? (text[catalogue.plurals.select(values.count)] ?? text.other) : text;
  return said.replace(/\{(\w+)(?:\|(\w+))?\}/g, (whole, name, form) =>
    Object.hasOwn(values, name) ? (FORMS[form] ?? write)(values[name]) : whole,
  );
}

/**
 * Read JSON of the server: a text of the window comes as {say: key, ...values} and leaves as words,
 * inner ones first. A string is no text of the window: it stays as it is.
 */
export const read = (json) =>
  JSON.parse(json, (_, value) => (typeof value?.say === "string" ? say(value.say, value) : value));

/** Return a text in which `commands` are set as code. */
export function rich(text) {
  return String(text ?? "")
    .split("`")
    .map((part, place) => (place % 2 ? el("code", {}, part) : part));
}

const language = () => catalogues[0]?.language ?? "en";
const count = (value, digits) =>
  new Intl.NumberFormat(language(), { maximumFractionDigits: digits }).format(value);
const write = (value) => (typeof value === "number" ? count(value, 4) : String(value));
const list = (names) => new Intl.ListFormat(language(), { type: "conjunction" }).format([].concat(names).map(String));

const FORMS = { size, duration, list };

export function size(bytes) {
  if (!Number.isFinite(bytes)) return "";
  const [unit, by] =
    bytes >= 1e9 ? ["size.gb", 1e9] : bytes >= 1e6 ? ["size.mb", 1e6] : bytes >= 1e3 ? ["size.kb", 1e3] : ["size.b", 1];
  const shown = bytes / by;
  return say(unit, { count: bytes, number: count(shown, shown < 10 && by > 1e3 ? 1 : 0) });
}

export function duration(seconds) {
  if (seconds < 50) return say("time.seconds", { count: Math.max(1, Math.round(seconds / 5) * 5 || 1) });
  if (seconds < 5400) return say("time.minutes", { count: Math.max(1, Math.round(seconds / 60)) });
  return say("time.hours", { count: Math.round(seconds / 360) / 10 });
}

export const percent = (done, total) => say("percent", { number: count((100 * done) / total, 0) });
