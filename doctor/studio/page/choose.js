// The beginning: drop a file, choose from this machine, or name a model of the hub.

import { ask, wasAborted } from "./api.js";
import { announce, button, el, fill, focusOn, name } from "./dom.js";
import { isFiles } from "./drag.js";
import { discard, droppedFile, takeDropped } from "./drop.js";
import { chooseItem } from "./folders.js";
import { showModel } from "./model.js";
import { refusal } from "./parts.js";
import { say } from "./texts.js";

let asking = new AbortController();

const at = (id) => document.getElementById(id);

export function startChoosing() {
  const zone = at("drop");
  const picker = at("file");
  picker.addEventListener("change", () => {
    if (picker.files.length) take(droppedFile(picker.files[0]));
    picker.value = "";
  });
  at("pick").addEventListener("click", () => picker.click());
  at("browse").addEventListener("click", async () => {
    const item = await chooseItem(say("folders.title"));
    if (item) examine(item.name, (signal) => ask("POST", "/api/examine", { handle: item.handle }, signal), { handle: item.handle });
  });
  at("hub").addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = at("hub-name").value.trim();
    if (typed) examine(typed, (signal) => ask("POST", "/api/examine", { name: typed }, signal), { name: typed });
    else at("hub-name").focus();
  });
  let depth = 0;
  const lift = (by) => {
    depth = Math.max(0, depth + by);
    zone.classList.toggle("over", depth > 0);
  };
  // The whole window takes what is dropped: who misses the area must not lose the page to the file.
  addEventListener("dragenter", (event) => isFiles(event) && lift(1));
  addEventListener("dragleave", (event) => isFiles(event) && lift(-1));
  addEventListener("dragover", (event) => isFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    depth = 0;
    lift(0);
    const dropped = takeDropped(event.dataTransfer);
    location.hash = "#/convert";
    if (dropped === "many") refuse({ what: say("drop.many"), remedy: say("drop.instead") });
    else if (dropped) take(dropped);
  });
}

function take(dropped) {
  // This is not broken off: its answer says what has to be removed from the disk again.
  examine(dropped.name, dropped.examine, null, dropped);
}

/** Leave what is looked at; a copy of it that is going on ends, and says so. */
function leave() {
  fill(at("stopped"));
  asking.abort();
}

const tell = (text) => fill(at("stopped"), el("p", {}, text));

function refuse(error) {
  leave();
  showRefusal(error);
}

/** Ask what something is, and show the verdict; only the last that was asked for is shown. */
async function examine(title, asked, reference, dropped = null) {
  leave();
  asking = new AbortController();
  const { signal } = asking;
  const place = turn(true);
  fill(place, el("p", { class: "looking" }, say("looking"), " ", name(title)));
  try {
    const model = await asked(signal);
    if (signal.aborted) {
      if (dropped) discard(model.drop);
      return;
    }
    showModel(place, model, { reference: reference ?? { drop: model.drop }, dropped, signal, startOver, tell });
    announce(model.verdict.sentence);
  } catch (error) {
    if (wasAborted(error) || signal.aborted) return;
    showRefusal(error, title);
  }
}

function showRefusal(error, title = "") {
  const place = turn(true);
  const heading = el("h2", {}, title ? name(title) : say("refused.title"));
  fill(place, heading, refusal(error), button(say("another"), startOver));
  focusOn(heading);
}

/** Show the beginning again. */
export function startOver(isFocused = true) {
  leave();
  fill(turn(false));
  at("hub-name").value = "";
  if (isFocused) at("browse").focus();
}

/** Show what was chosen instead of the beginning, or the other way round; return its place. */
function turn(isChosen) {
  at("start").hidden = isChosen;
  at("model").hidden = !isChosen;
  at("convert-title").classList.toggle("unseen", isChosen);
  return at("model");
}
