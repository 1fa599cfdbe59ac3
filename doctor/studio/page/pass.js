// The page and its server know each other by a token that neither of them sends. After a crash,
// somebody else may listen at this port: whoever answers proves itself first, and only then is
// asked for anything, with a pass that is good for that life of the server alone.

const KEPT = "sdcoreml-token";
const HASH = { name: "HMAC", hash: "SHA-256" };
let token = "";
let pass = null; // the promise of it, since many ask at once

/**
 * Take the token from the address, where it must not stay, or from this tab's memory. A browser is
 * started with a ticket, since others can read its arguments: it is exchanged for the token.
 */
export async function takeToken() {
  const given = /^#([\w-]{16,})$/.exec(location.hash)?.[1];
  if (given) {
    sessionStorage.setItem(KEPT, given.startsWith("once-") ? await exchange(given) : given);
    history.replaceState(null, "", `${location.pathname}#/convert`);
  }
  token = sessionStorage.getItem(KEPT) ?? "";
  return token !== "";
}

async function exchange(ticket) {
  const headers = { Authorization: `Bearer ${ticket}` };
  const answer = await fetch("/api/token", { method: "POST", headers, cache: "no-store" }).catch(() => null);
  return answer?.ok ? (await answer.json()).token : "";
}

/** Return the pass; "" if what answers here is not the server of this page. Throws if nothing answers. */
export function passOf() {
  if (!pass) {
    const asked = prove();
    pass = asked;
    asked.then((found) => found || forget(asked), () => forget(asked));
  }
  return pass;
}

/** Have the server prove itself again before it is asked for more; another pass than this one stays. */
export function forget(old = pass) {
  if (pass === old) pass = null;
}

async function prove() {
  const nonce = crypto.randomUUID();
  const answer = await fetch(`/api/proof?nonce=${nonce}`, { cache: "no-store" });
  if (!answer.ok) return "";
  const { id, proof } = await answer.json().catch(() => ({}));
  return proof === (await sign(`server ${id} ${nonce}`)) ? sign(`page ${id}`) : "";
}

async function sign(words) {
  const bytes = (text) => new TextEncoder().encode(text);
  const key = await crypto.subtle.importKey("raw", bytes(token), HASH, false, ["sign"]);
  const signed = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes(words)));
  return [...signed].map((one) => one.toString(16).padStart(2, "0")).join("");
}
