// Small parts that several views show.

import { isGone } from "./api.js";
import { button, el, facts, fill } from "./dom.js";
import { duration, has, rich, say, size } from "./texts.js";

const TONES = {
  yes: "good", good: "good", ok: "good", headers: "good", done: "good",
  no: "bad", bad: "bad", fail: "bad", failed: "bad", blocker: "bad", error: "bad",
  warn: "open", limited: "open", warning: "open", open: "open", unknown: "open",
};

export const tone = (word) => TONES[word] ?? "note";

/** A word in the colour of what it says; the colour is never all that says it. */
export function badge(kind, word) {
  const key = `${kind}.${word}`;
  return el("span", { class: `badge ${tone(word)}` }, has(key) ? say(key) : word);
}

/** What was refused, and what helps. */
export function refusal(error) {
  return el(
    "div",
    { class: "refusal" },
    el("p", {}, el("strong", {}, rich(error.what ?? error.message)), error.where ? [" ", el("span", { class: "quiet" }, error.where)] : null),
    error.remedy ? el("p", {}, rich(error.remedy)) : null,
  );
}

/** A command, with a button that copies it. */
export function command(text) {
  const copied = async (event) => {
    await navigator.clipboard.writeText(text);
    event.target.textContent = say("copied");
  };
  return el("div", { class: "command" }, el("code", {}, text), button(say("copy"), copied, { class: "small" }));
}

export const findings = (found) =>
  el(
    "ul",
    { class: "findings" },
    found.map((one) =>
      el(
        "li",
        { class: tone(one.status) },
        el("p", {}, badge("status", one.status), " ", rich(one.what), one.where ? [" ", el("span", { class: "quiet" }, one.where)] : null),
        one.why ? el("p", { class: "quiet" }, rich(one.why)) : null,
        one.remedy ? el("p", {}, rich(one.remedy)) : null,
        one.command ? command(one.command) : null,
      ),
    ),
  );

/** The few figures that decide: how large it becomes, what it takes on disk, how long, and the room there is. */
export function needs(plan) {
  const { disk, minutes } = plan.needs ?? {};
  const rows = [
    [say("plan.result"), plan.result ? size(plan.result) : ""],
    [say("plan.disk"), disk ? size(disk) : ""],
    [say("plan.time"), minutes ? duration(minutes * 60) : ""],
    [say("plan.room"), plan.room ? size(plan.room.free) : ""],
  ];
  const made = facts(rows.filter(([, value]) => value));
  made.className = "figures";
  return made;
}

export const folded = (title, ...children) => el("details", {}, el("summary", {}, title), ...children);

/** Return a place for what is refused, and what tries to ask and tells it there. */
export function attempts() {
  const problem = el("div", { role: "alert" });
  const attempt = async (asked) => {
    fill(problem);
    try {
      return await asked();
    } catch (error) {
      if (!isGone(error)) fill(problem, refusal(error));
      return null;
    }
  };
  return { problem, attempt };
}
