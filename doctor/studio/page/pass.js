// The page and its server know each other by a token that neither of them sends. After a crash,
// somebody else may listen at this port: whoever answers proves itself first, and only then is
// asked for anything, with a pass that is good for that life of the server alone. This tab's memory,
// which outlives a reload, has the token only while the server is there: else a page that was loaded
// anew from that somebody could read it.

const KEPT = "sdcoreml-token";
const ADDRESS = /^#([\w-]{16,})$/;
const PATIENCE = 5_000; // milliseconds for a proof, which takes a few
const LONG = 30_000; // for a ticket, which is good once: a busy machine must not lose it
const HASH = { name: "HMAC", hash: "SHA-256" };
let token = "";
let pass = null; // the promise of it, since many ask at once
let isLeaving = false;

// A page that is loaded anew loses its connections, too, in some browsers while its scripts still run.
for (const event of ["beforeunload", "pagehide"])
  addEventListener(event, () => {
    isLeaving = true;
    setTimeout(() => (isLeaving = false), 2_000);
  });

export const isGiven = () => ADDRESS.test(location.hash);

/**
 * Take the token from the address or from this tab's memory; return whether there is one. A browser
 * is started with a ticket, since others can read its arguments: it is exchanged for the token.
 */
export async function takeToken() {
  token = (await given()) || (sessionStorage.getItem(KEPT) ?? "");
  return token !== "";
}

/** Take another token from the address, if the server proves that it knows it; else the old one stays. */
export async function changeToken() {
  const other = await given();
  if (!other || !(await prove(other).catch(() => ""))) return false;
  token = other;
  sessionStorage.setItem(KEPT, token);
  return true;
}

/** Return the token that the address has, where it must not stay; "" if it has none. */
async function given() {
  const found = ADDRESS.exec(location.hash)?.[1] ?? "";
  if (found) history.replaceState(null, "", `${location.pathname}${location.search}#/convert`);
  return found.startsWith("once-") ? exchange(found) : found;
}

async function exchange(ticket) {
  const headers = { Authorization: `Bearer ${ticket}` };
  const asked = { method: "POST", headers, cache: "no-store", signal: AbortSignal.timeout(LONG) };
  const answer = await fetch("/api/token", asked).then((one) => (one.ok ? one.json() : {}), () => ({}));
  return answer.token ?? "";
}

/** Return the pass; "" if what answers here is not the server of this page. Throws if nothing answers. */
export function passOf() {
  if (!pass) {
    const asked = prove(token);
    pass = asked;
    asked.then(
      (found) => {
        if (!found) forget(asked);
        else if (pass === asked) sessionStorage.setItem(KEPT, token);
      },
      () => forget(asked),
    );
  }
  return pass;
}

/** Have the server prove itself again before it is asked for more; another pass than this one stays. */
export function forget(old = pass) {
  if (pass !== old) return;
  pass = null;
  if (!isLeaving) sessionStorage.removeItem(KEPT);
}

async function prove(key) {
  const nonce = crypto.randomUUID();
  const asked = { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
  const answer = await fetch(`/api/proof?nonce=${nonce}`, asked);
  if (!answer.ok) return "";
  const { id, proof } = await answer.json().catch(() => ({}));
  return proof === (await sign(key, `server ${id} ${nonce}`)) ? sign(key, `page ${id}`) : "";
}

async function sign(key, words) {
  const bytes = (text) => new TextEncoder().encode(text);
  const signer = await crypto.subtle.importKey("raw", bytes(key), HASH, false, ["sign"]);
  const signed = new Uint8Array(await crypto.subtle.sign("HMAC", signer, bytes(words)));
  return [...signed].map((one) => one.toString(16).padStart(2, "0")).join("");
}
