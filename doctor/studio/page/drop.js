// What is dropped: a browser hands over no path, so headers and tails go first, the rest when asked.

import { ask, isGone, pause, query, unreadable } from "./api.js";

const START = 4 << 20;
const END = 1 << 20;
const CHUNK = 4 << 20;
const LONGEST_HEADER = 6 << 20;
const MOST_FILES = 2000; // with more, the server says what it is
const COUNTED = /\.(safetensors|bin|ckpt|pt|pth|json|txt|model)$/i; // the rest, such as pictures, would be left out

/** Return what was dropped, as a thing with a name, or "many" for what is more than one, or null. */
export function takeDropped(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  if (items.length > 1) return "many";
  const entry = items[0]?.webkitGetAsEntry?.();
  if (entry?.isDirectory) return droppedFolder(entry);
  const file = transfer.files[0];
  return file ? droppedFile(file) : null;
}

/** `examine` says what it is: MODEL with `drop`, the number of the upload; `send` copies all of it. */
export function droppedFile(file) {
  const examine = async () => ask("POST", query("/api/drop", { name: file.name, size: file.size }), await endsOf(file));
  const send = (id, onProgress, signal) => sendParts(id, [{ file, about: {} }], onProgress, signal);
  return { name: file.name, examine, send };
}

/** A folder is listed first: the server wants the files that a model is made of, and no others. */
export function droppedFolder(entry) {
  let parts = [];
  const examine = async () => {
    const files = await filesIn(entry);
    const listed = files.map(({ path, file }) => ({ path, size: file.size }));
    const { drop, wants } = await ask("POST", query("/api/drop/folder", { name: entry.name }), { files: listed });
    parts = wants.map((place) => ({ file: files[place].file, about: { file: place } }));
    try {
      for (const { file, about } of parts) await ask("PUT", query(`/api/drop/${drop}/ends`, about), await endsOf(file));
      return await ask("POST", "/api/examine", { drop });
    } catch (error) {
      discard(drop);
      throw error;
    }
  };
  return { name: entry.name, examine, send: (id, onProgress, signal) => sendParts(id, parts, onProgress, signal) };
}

/** Return the files below a folder that a model can be made of, with their paths; hidden ones are left out. */
async function filesIn(folder, above = "", found = []) {
  const reader = folder.createReader();
  for (;;) {
    const entries = await readable(above, (done, failed) => reader.readEntries(done, failed));
    if (!entries.length) return found;
    for (const entry of entries) {
      if (found.length > MOST_FILES) return found;
      if (entry.name.startsWith(".")) continue;
      const path = `${above}${entry.name}`;
      if (entry.isDirectory) await filesIn(entry, `${path}/`, found);
      else if (COUNTED.test(path)) found.push({ path, file: await readable(path, (done, failed) => entry.file(done, failed)) });
    }
  }
}

/** Return what is read of a dropped path; a browser's own words for what it cannot read are for nobody. */
function readable(path, reads) {
  return new Promise(reads).catch(() => {
    throw unreadable(path);
  });
}

/** Return the length of a file's head, the head, and the tail. */
async function endsOf(file) {
  const head = await headOf(file);
  const tail = file.slice(Math.max(head.size, file.size - END));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, head.size, true);
  return new Blob([length, head, tail]);
}

async function headOf(file) {
  const start = await readable(file.name, (done, failed) => file.slice(0, 8).arrayBuffer().then(done, failed));
  const first = new DataView(start);
  const isTensors = /\.(safetensors|sft)$/i.test(file.name) && first.byteLength === 8;
  const header = isTensors ? Number(first.getBigUint64(0, true)) : 0;
  return file.slice(0, header && header <= LONGEST_HEADER ? 8 + header : START);
}

/** Send what is missing to the server's disk, going on where it was after a lost connection; return the handle. */
async function sendParts(id, parts, onProgress, signal) {
  const total = parts.reduce((sum, { file }) => sum + file.size, 0);
  for (;;) {
    try {
      const known = await ask("GET", `/api/drop/${id}`, undefined, signal);
      const handle = await sendMissing(id, parts, known, (all) => onProgress(all, total), signal);
      if (handle) return handle;
    } catch (error) {
      if (!isGone(error) && error.status !== 409) throw error;
      await pause(500);
    }
  }
}

async function sendMissing(id, parts, known, onProgress, signal) {
  let all = known.received;
  for (const part of parts) {
    const { file, about } = part;
    let received = "file" in about ? known.files.find((one) => one.file === about.file).received : known.received;
    const isLast = part === parts.at(-1); // the answer to its end has the handle, also if nothing was missing
    while (received < file.size || isLast) {
      onProgress(all);
      const chunk = file.slice(received, received + CHUNK);
      const answer = await ask("PUT", query(`/api/drop/${id}`, { ...about, offset: received }), chunk, signal);
      if (answer.handle) return answer.handle;
      all += answer.received - received;
      if (answer.received === received) break;
      received = answer.received;
    }
  }
  return null;
}

/** Leave what nobody converts: nothing of it stays on the server's disk. */
export const discard = (id) => ask("DELETE", `/api/drop/${id}`).catch(() => {});
