// A dropped file: a browser hands over no path, so its header and tail go first, the rest when asked.

import { ask, isGone, pause, query } from "./api.js";

const START = 4 << 20;
const END = 1 << 20;
const CHUNK = 4 << 20;
const LONGEST_HEADER = 6 << 20;

/** Return what the server says of a file: MODEL with `drop`, the number of the upload. */
export async function examineFile(file) {
  const head = await headOf(file);
  const tail = file.slice(Math.max(head.size, file.size - END));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, head.size, true);
  const body = new Blob([length, head, tail]);
  return ask("POST", query("/api/drop", { name: file.name, size: file.size }), body);
}

async function headOf(file) {
  const first = new DataView(await file.slice(0, 8).arrayBuffer());
  const isTensors = /\.(safetensors|sft)$/i.test(file.name) && first.byteLength === 8;
  const header = isTensors ? Number(first.getBigUint64(0, true)) : 0;
  return file.slice(0, header && header <= LONGEST_HEADER ? 8 + header : START);
}

/** Send a file to the server's disk, going on where it was after a lost connection; return its handle. */
export async function sendFile(id, file, onProgress, signal) {
  let { received } = await ask("GET", `/api/drop/${id}`, undefined, signal);
  for (;;) {
    onProgress(received, file.size);
    try {
      const chunk = file.slice(received, received + CHUNK);
      const answer = await ask("PUT", query(`/api/drop/${id}`, { offset: received }), chunk, signal);
      received = answer.received;
      if (answer.handle) return answer.handle;
    } catch (error) {
      if (!isGone(error) && error.status !== 409) throw error;
      received = await whereItWas(id, signal);
    }
  }
}

async function whereItWas(id, signal) {
  for (;;) {
    await pause(500);
    try {
      return (await ask("GET", `/api/drop/${id}`, undefined, signal)).received;
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

/** Leave a file that nobody converts: nothing of it stays on the server's disk. */
export const discard = (id) => ask("DELETE", `/api/drop/${id}`).catch(() => {});

/** Return the one file that was dropped, "folder" or "many" for what a browser cannot hand over, or null. */
export function fileOf(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file");
  if (entries.some((item) => item.webkitGetAsEntry?.()?.isDirectory)) return "folder";
  if (transfer.files.length > 1) return "many";
  return transfer.files[0] ?? null;
}
