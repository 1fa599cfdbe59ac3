// What is in the app's folder, with verdicts.

import { ask } from "./api.js";
import { announce, button, el, fill, name, plain } from "./dom.js";
import { drawForm, drawnAs, sheet } from "./draw.js";
import { reportLink } from "./entry.js";
import { attempts, badge, findings, refusal, tone } from "./parts.js";
import { queue } from "./queue.js";
import { rich, say, size } from "./texts.js";

// What was typed, asked for and drawn with a model stays when the library is looked at again.
const desks = new Map();

export async function showLibrary() {
  const place = document.getElementById("library-list");
  document.getElementById("library-again").onclick = showLibrary;
  place.setAttribute("aria-busy", "true");
  try {
    const found = await ask("GET", "/api/library");
    const shelves = found.folders.map((folder) => shelf(folder, found.models.filter((model) => model.folder === folder)));
    for (const key of desks.keys()) if (!found.models.some((model) => keyOf(model) === key)) desks.delete(key);
    fill(place, shelves.length ? shelves : empty());
    announce(say("library.count", { count: found.models.length }));
  } catch (error) {
    fill(place, refusal(error));
  }
  place.removeAttribute("aria-busy");
}

const empty = () => el("p", { class: "empty" }, say("library.empty"));

/** A folder of models: where it is, and what is in it. */
const shelf = (folder, models) => [
  el("p", { class: "quiet" }, say("library.in"), " ", el("code", {}, name(folder))),
  models.length ? el("ul", { class: "shelf" }, models.map(book)) : empty(),
];

const keyOf = (model) => JSON.stringify([model.handle, model.draw]);

/** Return what draws with a model: made once, since a person types there. */
function deskOf(model) {
  const key = keyOf(model);
  if (!desks.has(key)) desks.set(key, desk(model));
  return desks.get(key);
}

function desk(model) {
  const { problem, attempt } = attempts();
  const drawn = el("div");
  const show = (id, told) =>
    queue.watch(id, (entry) => {
      fill(told);
      if (!entry) return;
      const failed = () => refusal({ what: entry.because || say(`state.${entry.state}`), remedy: entry.remedy });
      fill(drawn, entry.state === "done" ? [sheet(entry), entry.drawn ? drawnAs(entry.drawn) : null] : failed());
    });
  return [drawForm(model.draw, { handle: model.handle }, attempt, show), problem, drawn];
}

function book(model) {
  const { problem, attempt } = attempts();
  const reveal = () => attempt(() => ask("POST", "/api/reveal", { handle: model.handle }));
  return el(
    "li",
    { class: tone(model.verdict) },
    el("div", { class: "entry-head" }, el("h2", {}, name(model.name)), badge("shelf", model.verdict)),
    model.text ? el("p", {}, rich(model.text)) : null,
    model.findings?.length ? findings(model.findings) : null,
    el(
      "div",
      { class: "row tools" },
      model.size ? el("span", { class: "quiet" }, size(model.size)) : null,
      button(say("reveal"), reveal, { class: "small", "aria-label": `${say("reveal")}: ${plain(model.name)}` }),
      model.report ? reportLink(model) : null,
    ),
    problem,
    model.draw ? deskOf(model) : null,
  );
}
