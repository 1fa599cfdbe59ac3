// What is in the app's folder, with verdicts.

import { ask, isGone } from "./api.js";
import { announce, button, el, fill, name, plain } from "./dom.js";
import { drawForm, reportLink } from "./entry.js";
import { badge, refusal, tone } from "./parts.js";
import { rich, say, size } from "./texts.js";

export async function showLibrary() {
  const place = document.getElementById("library-list");
  document.getElementById("library-again").onclick = showLibrary;
  place.setAttribute("aria-busy", "true");
  try {
    const found = await ask("GET", "/api/library");
    const where = found.folder ? el("p", { class: "quiet" }, say("library.in"), " ", el("code", {}, name(found.folder))) : null;
    const none = found.models.length ? null : el("p", { class: "empty" }, say("library.empty"));
    fill(place, where, none, el("ul", { class: "shelf" }, found.models.map(book)));
    announce(say("library.count", { count: found.models.length }));
  } catch (error) {
    fill(place, refusal(error));
  }
  place.removeAttribute("aria-busy");
}

function book(model) {
  const problem = el("div", { role: "alert" });
  const attempt = async (asked) => {
    fill(problem);
    try {
      return await asked();
    } catch (error) {
      if (!isGone(error)) fill(problem, refusal(error));
      return null;
    }
  };
  const reveal = () => attempt(() => ask("POST", "/api/reveal", { handle: model.handle }));
  return el(
    "li",
    { class: tone(model.verdict) },
    el("div", { class: "entry-head" }, el("h2", {}, name(model.name)), badge("shelf", model.verdict)),
    model.text ? el("p", {}, rich(model.text)) : null,
    el(
      "div",
      { class: "row tools" },
      model.size ? el("span", { class: "quiet" }, size(model.size)) : null,
      button(say("reveal"), reveal, { class: "small", "aria-label": `${say("reveal")}: ${plain(model.name)}` }),
      model.report ? reportLink(model) : null,
    ),
    model.can_draw ? drawForm(model, attempt) : null,
    problem,
  );
}
