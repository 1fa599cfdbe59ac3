// The queue: what is on disk, shown. Nothing is kept here but how it is shown.

import { ask, isGone } from "./api.js";
import { announce, arrange, el, fill, focusOn, write } from "./dom.js";
import { letDrag } from "./drag.js";
import { releaseSheet } from "./draw.js";
import { entryView } from "./entry.js";
import { refusal } from "./parts.js";
import { percent, rich, say } from "./texts.js";

const at = (id) => document.getElementById(id);
const views = new Map();
const watched = new Map();
const states = new Map();
let entries = [];
let isPaused = false;
let faults = [];
let told = "[]";
let expected = "";
let isFirst = true;

/** Do something to the queue and show what became of it; what is refused is said under its heading. */
async function act(path, body) {
  const problem = at("queue-problem");
  fill(problem);
  try {
    const answer = await ask("POST", `/api/queue${path}`, body ?? {});
    if (answer.entries) show(answer);
    return answer;
  } catch (error) {
    if (!isGone(error)) fill(problem, refusal(error));
    return null;
  }
}

function show(found) {
  if (!found) return;
  entries = found.entries;
  isPaused = found.is_paused;
  faults = found.faults ?? [];
  const held = document.activeElement?.closest?.(".entries > li");
  const gone = [...views.keys()].filter((id) => !entries.some((entry) => entry.id === id));
  const waiting = entries.filter((entry) => entry.state === "waiting");
  const context = { waiting, act, watch };
  for (const entry of entries) {
    if (!views.has(entry.id)) views.set(entry.id, entryView(entry.id));
    views.get(entry.id).update(entry, context);
    tell(entry);
  }
  for (const id of gone) leave(id, held);
  const ended = entries.filter(isEnded).reverse();
  arrange([
    [at("entries"), entries.filter((entry) => !isEnded(entry)).map(nodeOf)],
    [at("finished"), ended.map(nodeOf)],
  ]);
  head(waiting.length, ended);
  isFirst = false;
  if (expected && views.has(expected)) {
    focusOn(views.get(expected).node.querySelector("h3"));
    expected = "";
  }
}

const isEnded = (entry) => ["done", "failed", "cancelled"].includes(entry.state);
const nodeOf = (entry) => views.get(entry.id).node;

/** Forget an entry that is no longer there; who was at it is taken to its neighbour. */
function leave(id, held) {
  const { node } = views.get(id);
  views.delete(id);
  states.delete(id);
  releaseSheet(id);
  watched.get(id)?.(null);
  watched.delete(id);
  if (held !== node) return;
  const next = node.nextElementSibling ?? node.previousElementSibling;
  node.remove();
  focusOn(next?.querySelector("h3") ?? at("queue-title"));
}

function head(waiting, ended) {
  const toggle = at("pause");
  at("queue-empty").hidden = entries.length > 0;
  at("finished-head").hidden = !ended.length;
  toggle.hidden = !isPaused && !entries.some((entry) => ["running", "waiting"].includes(entry.state));
  write(toggle, say(isPaused ? "resume" : "pause"));
  toggle.onclick = () => act(isPaused ? "/resume" : "/pause");
  at("clear").hidden = ended.length < 2;
  at("clear").onclick = async () => {
    for (const entry of ended) await act(`/${entry.id}/remove`);
    focusOn(at("queue-title"));
  };
  const said = isPaused ? say("queue.paused") : waiting ? say("queue.waiting", { count: waiting }) : "";
  write(at("queue-state"), said);
  const key = JSON.stringify(faults);
  if (key === told) return;
  told = key;
  fill(at("queue-faults"), faults.map((text) => el("p", {}, rich(text))));
}

/** Say what became of an entry, once: not each of its steps. */
function tell(entry) {
  const before = states.get(entry.id);
  states.set(entry.id, entry.state);
  if (before === entry.state || isFirst) return;
  if (isEnded(entry)) {
    announce(say(`became.${entry.state}`, { name: entry.title, because: entry.because ?? "" }));
    watched.get(entry.id)?.(entry);
  }
}

/** Call a function with an entry whenever it has ended, and with null when it is removed. */
function watch(id, does) {
  watched.set(id, does);
  const entry = entries.find((one) => one.id === id);
  if (entry && isEnded(entry)) does(entry);
}

letDrag(at("entries"), (id, before) => act(`/${id}/move`, { before }));

export const queue = {
  show,
  watch,
  act,
  advance(progress) {
    const entry = entries.find((one) => one.id === progress.id);
    if (!entry) return;
    Object.assign(entry, progress, { folders: entry.folders });
    views.get(entry.id)?.advance(entry);
  },
  /** Take the focus to an entry as soon as it is there. */
  expect(id) {
    expected = id;
    if (views.has(id)) show({ entries, is_paused: isPaused, faults });
  },
  share() {
    const running = entries.find((entry) => entry.state === "running");
    return running?.total ? percent(running.done ?? 0, running.total) : "";
  },
};
