// The page is a view: it shows what the server says, and keeps nothing that matters.

import { ask, follow } from "./api.js";
import { announce, button, el, fill, focusOn } from "./dom.js";
import { startChoosing } from "./choose.js";
import { showDoctor } from "./doctor.js";
import { showLibrary } from "./library.js";
import { takeToken } from "./pass.js";
import { queue } from "./queue.js";
import { loadTexts, rich, say, size } from "./texts.js";

const VIEWS = { convert: () => {}, library: showLibrary, doctor: showDoctor };
let shown = "";
let connection = "";

function showView(isAsked) {
  const asked = /^#\/(\w+)$/.exec(location.hash)?.[1];
  const view = asked in VIEWS ? asked : "convert";
  if (view === shown) return;
  shown = view;
  for (const name of Object.keys(VIEWS)) {
    document.getElementById(name).hidden = name !== view;
    const link = document.querySelector(`nav a[href="#/${name}"]`);
    if (name === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  titleOf();
  if (isAsked) focusOn(document.querySelector(`#${view} h1`));
  VIEWS[view]();
}

function titleOf() {
  const done = queue.share();
  const parts = [done, say(`tab.${shown || "convert"}`), say("name")];
  document.title = parts.filter(Boolean).join(" · ");
}

/** Say at the top what stands between the page and the server; nothing if all is well. */
function notice(kind) {
  const place = document.getElementById("notice");
  if (kind === connection) return;
  const wasGone = connection === "gone";
  connection = kind;
  document.body.dataset.server = kind;
  if (kind === "here") {
    fill(place);
    if (wasGone) announce(say("gone.back"));
    return;
  }
  fill(
    place,
    el("strong", {}, say(`${kind}.what`)),
    el("span", {}, rich(say(`${kind}.remedy`))),
    kind !== "gone" ? button(say("again"), () => location.reload()) : null,
  );
}

async function greet() {
  const state = await ask("GET", "/api/state");
  const machine = state.machine ?? {};
  const here = [machine.chip, machine.memory ? say("machine.memory", { size: size(machine.memory) }) : "", machine.system];
  fill(document.getElementById("machine"), here.filter(Boolean).join(" · "));
  fill(document.getElementById("version"), say("version", { version: state.version }));
  queue.show(state.queue);
}

async function onState(kind) {
  if (kind === "here") await greet();
  notice(kind);
}

function onEvent(event, data) {
  if (event === "queue") queue.show(data);
  if (event === "progress") queue.advance(data);
  titleOf();
}

async function start() {
  const isKnown = await takeToken();
  await loadTexts();
  showView(false);
  addEventListener("hashchange", () => {
    // Somebody pasted an address with another token into this tab: nothing is loaded anew then.
    if (/^#[\w-]{16,}$/.test(location.hash)) location.reload();
    else showView(true);
  });
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    focusOn(document.getElementById("main"));
  });
  startChoosing();
  document.body.dataset.ready = "yes";
  if (isKnown) await follow(onState, onEvent);
  else notice("keyless");
}

start();
