// Pictures: asking for one, and showing those that were drawn.

import { ask, picture, release } from "./api.js";
import { el, facts, fill, fresh, name, plain } from "./dom.js";
import { folded } from "./parts.js";
import { say } from "./texts.js";

const MOST_SEED = 2 ** 32 - 1;

const stem = (id) => `/api/pictures/${encodeURIComponent(id)}/`;

/** Free the pictures of an entry that was removed. */
export const releaseSheet = (id) => release(stem(id));

/** Pictures side by side: the original's, and what was made of it. */
export function sheet(entry) {
  return el(
    "div",
    { class: "sheet" },
    entry.pictures.map((one, place) => {
      const image = el("img", { alt: say("picture", { title: plain(one.title) }) });
      picture(`${stem(entry.id)}${place}.png`).then(
        (address) => (image.src = address),
        () => {},
      );
      return el("figure", {}, image, el("figcaption", {}, el("strong", {}, name(one.title)), one.text ? [" ", one.text] : null));
    }),
  );
}

/** What a picture was drawn of: whoever asks for the same gets the same. */
export const drawnAs = ({ prompt, seed, steps }) =>
  facts([
    [say("draw.prompt"), prompt],
    [say("draw.seed"), seed],
    [say("draw.steps"), steps],
  ].map(([title, value]) => [title, name(value)]));

/**
 * Ask for a picture of a finished folder: `first` are its prompt and steps to begin with; `onAsked`
 * is told the number of its entry of the queue, and where to say what becomes of it.
 */
export function drawForm(first, reference, attempt, onAsked) {
  const text = el("input", { id: fresh("prompt"), type: "text", maxlength: "500", value: first.prompt, autocomplete: "off" });
  const number = el("input", { id: fresh("steps"), type: "number", min: "1", max: String(first.most_steps), value: String(first.steps), required: true });
  const seed = el("input", { id: fresh("seed"), type: "number", min: "0", max: String(MOST_SEED), value: "0", required: true });
  const told = el("p", { role: "status", class: "quiet" });
  const field = (key, input, kind) => el("div", { class: kind }, el("label", { for: input.id }, say(key)), input);
  const form = el(
    "form",
    { class: "draw" },
    field("draw.prompt", text, "grow"),
    field("draw.steps", number),
    field("draw.seed", seed),
    el("button", { type: "submit" }, say("draw")),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wish = { prompt: text.value, steps: Number(number.value), seed: Number(seed.value) };
    const asked = await attempt(() => ask("POST", "/api/pictures", { ...reference, ...wish }));
    if (!asked) return;
    fill(told, say("draw.asked"));
    onAsked(asked.id, told);
  });
  return folded(say("draw.title"), form, told);
}
