// The one way to the server: every request has the pass, every refusal is a value that can be shown.

import { forget, passOf } from "./pass.js";
import { read, say } from "./texts.js";

const UNKNOWN = 401;
const UNREADABLE = 410; // no server said so, but it is as final
const SILENCE = 45_000; // the server sends a comment every 15 s: after three, it is gone

export class Refusal extends Error {
  constructor({ what, where, remedy, code }, status) {
    super(what);
    Object.assign(this, { what, where, remedy, code, status });
  }
}

export const isGone = (error) => error instanceof Refusal && error.status === 0;
export const wasAborted = (error) => error?.name === "AbortError";

async function send(method, path, body, signal, isAgain = false) {
  const isRaw = body instanceof Blob || body instanceof Uint8Array;
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = isRaw ? "application/octet-stream" : "application/json";
  const sent = isRaw || body === undefined ? body : JSON.stringify(body);
  const proved = passOf();
  let answer;
  try {
    const pass = await unless(signal, proved);
    if (!pass) throw stranger();
    headers.Authorization = `Bearer ${pass}`;
    answer = await fetch(path, { method, headers, body: sent, signal, cache: "no-store" });
  } catch (error) {
    if (wasAborted(error) || error instanceof Refusal) throw error;
    // A browser says the same of a server that is gone and of a file that is.
    if (sent instanceof Blob && !(await isReadable(sent))) throw unreadable();
    forget(proved);
    throw new Refusal({ what: say("gone.what"), remedy: say("gone.remedy") }, 0);
  }
  if (answer.ok) return answer;
  if (answer.status === UNKNOWN && !isAgain) {
    forget(proved); // the server was started anew
    return send(method, path, body, signal, true);
  }
  const said = await heard(answer).catch(() => ({}));
  const unknown = { what: say("refused.unknown", { status: answer.status }) };
  throw new Refusal(said.error ?? unknown, answer.status);
}

/** Wait for something, unless it is broken off before. */
function unless(signal, asked) {
  if (!signal) return asked;
  signal.throwIfAborted();
  const stopped = new Promise((_, failed) => signal.addEventListener("abort", () => failed(signal.reason), { once: true }));
  return Promise.race([asked, stopped]);
}

const isReadable = (blob) => blob.slice(-1).arrayBuffer().then(() => true, () => false);

/** Return what is said of a dropped file that was moved, changed or removed meanwhile. */
export const unreadable = (path) =>
  new Refusal({ what: say("drop.unreadable.what"), where: path, remedy: say("drop.unreadable.remedy") }, UNREADABLE);

const stranger = () => new Refusal({ what: say("stranger.what"), remedy: say("stranger.remedy") }, UNKNOWN);

const heard = async (answer) => read(await answer.text());

export async function ask(method, path, body, signal) {
  const answer = await send(method, path, body, signal);
  return answer.status === 204 ? {} : heard(answer);
}

const pictures = new Map(); // by path, the promise of an address

/**
 * Return a picture as an address that an <img> takes; it has to be asked for with the pass. It is kept
 * until it is released, so that what is shown can be saved.
 */
export function picture(path) {
  if (!pictures.has(path)) {
    const made = send("GET", path).then((answer) => answer.blob()).then((blob) => URL.createObjectURL(blob));
    pictures.set(path, made);
    made.catch(() => pictures.delete(path));
  }
  return pictures.get(path);
}

/** Free the pictures whose path begins like this. */
export function release(stem) {
  for (const [path, made] of [...pictures].filter(([one]) => one.startsWith(stem))) {
    pictures.delete(path);
    made.then((address) => URL.revokeObjectURL(address), () => {});
  }
}

export const query = (path, values) => `${path}?${new URLSearchParams(values)}`;
export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/**
 * Follow the server's events for as long as the page is open. `onState` is told "here", "gone" or
 * "stranger" (it is not the server of this page), `onEvent` each event's name and data.
 */
export async function follow(onState, onEvent) {
  for (let wait = 400; ; wait = Math.min(wait * 1.4, 4000)) {
    const control = new AbortController();
    let isStrange = false;
    try {
      const answer = await send("GET", "/api/events", undefined, control.signal);
      await onState("here");
      wait = 400;
      await readEvents(answer.body.getReader(), control, onEvent);
    } catch (error) {
      isStrange = error.status === UNKNOWN;
    }
    forget();
    // Another studio may have this port for a while: the own one may be back later.
    onState(isStrange ? "stranger" : "gone");
    await pause(wait);
  }
}

async function readEvents(reader, control, onEvent) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const watchdog = setTimeout(() => control.abort(), SILENCE);
    const { done, value } = await reader.read().finally(() => clearTimeout(watchdog));
    if (done) return;
    const blocks = (rest + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) emit(block, onEvent);
  }
}

function emit(block, onEvent) {
  let event = "message";
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5));
  }
  if (data.length) onEvent(event, read(data.join("\n")));
}
