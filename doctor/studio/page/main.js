// The page is a view: it shows what the server says, and keeps nothing that matters.

import { ask, follow } from "./api.js";
import { announce, el, fill, focusOn } from "./dom.js";
import { startChoosing } from "./choose.js";
import { showDoctor } from "./doctor.js";
import { showLibrary } from "./library.js";
import { changeToken, isGiven, takeToken } from "./pass.js";
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
  // No button loads the page anew: that would load what answers here, whoever it is.
  fill(place, el("strong", {}, say(`${kind}.what`)), el("span", {}, rich(say(`${kind}.remedy`))));
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
  const taken = takeToken();
  await loadTexts();
  showView(false);
  addEventListener("hashchange", () => {
    if (isGiven()) onAddress();
    else showView(true);
  });
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    focusOn(document.getElementById("main"));
  });
  startChoosing();
  document.body.dataset.ready = "yes";
  if (await taken) await follow(onState, onEvent);
  else notice("keyless");
}

/**
 * Somebody pasted an address with another token into this tab, whose browser loads nothing anew then:
 * the page does, if the server proves that it knows that token.
 */
async function onAddress() {
  if (await changeToken()) location.reload();
}

start();
