// One entry of the queue.

import { ask, query } from "./api.js";
import { button, el, facts, fill, fresh, name, plain, write } from "./dom.js";
import { drawForm, drawnAs, sheet } from "./draw.js";
import { attempts, badge, command, folded, refusal } from "./parts.js";
import { duration, percent, rich, say } from "./texts.js";

/** Make the view of an entry: its node, and what brings it up to date. */
export function entryView(id) {
  const heading = fresh("entry");
  const title = el("h3", { id: heading, tabindex: "-1" });
  const state = el("span", { class: "state" });
  const bar = el("progress", { max: "1", "aria-labelledby": heading });
  const step = el("span", { class: "step" });
  const left = el("span", { class: "left" });
  const meter = el("div", { class: "meter", hidden: true }, bar, el("p", { class: "quiet row spread" }, step, left));
  const because = el("div", { class: "because" });
  const result = el("div", { class: "result" });
  const tools = el("div", { class: "row tools" });
  const log = logView(id);
  const head = el("div", { class: "entry-head" }, title, state);
  const makes = el("p", { class: "quiet makes" });
  const node = el(
    "li",
    { "aria-labelledby": heading, "data-id": id },
    head,
    makes,
    meter,
    because,
    result,
    el("div", { class: "foot" }, tools, log.node),
  );
  const draw = { key: "" };
  let entry = {};
  let context = {};

  node.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!event.altKey || !by || entry.state !== "waiting") return;
    event.preventDefault();
    move(entry, context, by);
  });

  function advance(now) {
    const isKnown = now.total > 0;
    if (isKnown) bar.value = Math.min(1, (now.done ?? 0) / now.total);
    else bar.removeAttribute("value");
    write(step, now.step);
    const share = isKnown ? percent(now.done ?? 0, now.total) : "";
    const rest = Number.isFinite(now.left) && now.left !== null ? say("left", { time: duration(now.left) }) : "";
    write(left, [share, rest].filter(Boolean).join(" · "));
    log.follow();
  }

  function update(now, around) {
    entry = now;
    context = around;
    write(title, now.title);
    node.dataset.state = now.state;
    head.draggable = now.state === "waiting" && around.waiting.length > 1;
    meter.hidden = now.state !== "running";
    write(makes, now.state === "done" ? "" : (now.makes ?? []).join(", "));
    log.node.hidden = now.state === "waiting";
    if (now.state === "running") advance(now);
    log.update(now);
    // What has buttons or pictures is only made anew if it changes, or a focus would be lost.
    const key = JSON.stringify({ ...now, place: 0, done: 0, total: 0, left: 0, step: "" });
    const place = around.waiting.findIndex((one) => one.id === now.id);
    if (draw.key !== key) {
      fill(state, badge("state", now.state));
      fill(because, because_(now));
      fill(result, now.state === "done" ? results(now, around) : []);
    }
    if (draw.key !== key || draw.place !== place || draw.of !== around.waiting.length) {
      keepFocus(tools, () => fill(tools, buttons(now, around, place)));
    }
    Object.assign(draw, { key, place, of: around.waiting.length });
  }

  return { node, update, advance };
}

/** Make buttons anew; who was at one of them is at its successor afterwards. */
function keepFocus(tools, makes) {
  const held = tools.contains(document.activeElement) ? document.activeElement.dataset.does : "";
  makes();
  if (held) (tools.querySelector(`[data-does="${held}"]`) ?? tools.querySelector("button"))?.focus();
}

/** Why it failed, and what helps; what the tool knows besides is folded. */
function because_(entry) {
  if (entry.state !== "failed") return [];
  const lines = (entry.explanation ?? "").split("\n").filter(Boolean);
  return [
    refusal({ what: entry.because || say("failed.unknown"), remedy: entry.remedy }),
    lines.length ? folded(say("failed.why"), lines.map((line) => el("p", {}, rich(line)))) : null,
  ];
}

function tool(key, entry, does, attributes = {}) {
  const label = `${say(key)}: ${plain(entry.title)}`;
  return button(say(key), does, { class: "small", "data-does": key, "aria-label": label, ...attributes });
}

function buttons(entry, context, place) {
  const { act, waiting } = context;
  const made = [];
  if (entry.state === "waiting" && waiting.length > 1) {
    made.push(tool("up", entry, () => move(entry, context, -1), { "aria-disabled": String(place === 0) }));
    made.push(tool("down", entry, () => move(entry, context, 1), { "aria-disabled": String(place === waiting.length - 1) }));
  }
  if (["waiting", "running"].includes(entry.state)) made.push(tool("cancel", entry, () => act(`/${entry.id}/cancel`)));
  if (["failed", "cancelled"].includes(entry.state)) made.push(tool("retry", entry, () => act(`/${entry.id}/retry`)));
  if (["failed", "cancelled", "done"].includes(entry.state)) {
    made.push(tool("remove", entry, () => act(`/${entry.id}/remove`), { title: say("remove.why") }));
  }
  return made;
}

/** Move a waiting entry among those that wait. */
function move(entry, { waiting, act }, by) {
  const place = waiting.findIndex((one) => one.id === entry.id) + by;
  if (place < 0 || place >= waiting.length) return;
  const others = waiting.filter((one) => one.id !== entry.id);
  act(`/${entry.id}/move`, { before: others[place]?.id ?? null });
}

function results(entry, { watch }) {
  const { problem, attempt } = attempts();
  const folders = (entry.folders ?? []).map((folder) => folderLine(folder, entry, attempt));
  return [
    entry.figures?.length ? figures(entry.figures) : null,
    entry.warnings?.length ? el("ul", { class: "plain" }, entry.warnings.map((text) => el("li", {}, rich(text)))) : null,
    folders.length ? el("ul", { class: "made" }, folders) : null,
    entry.pictures?.length ? sheet(entry) : null,
    entry.drawn ? drawnAs(entry.drawn) : null,
    entry.kind === "convert" && entry.prompt ? drawForm(entry, { id: entry.id }, attempt, (id, told) => watch(id, () => fill(told))) : null,
    problem,
  ];
}

function figures(pairs) {
  const made = facts(pairs);
  made.className = "figures";
  return made;
}

function folderLine(folder, entry, attempt) {
  const label = (key) => ({ class: "small", "aria-label": `${say(key)}: ${plain(folder.name)}` });
  const install = async (event) => {
    const pressed = event.currentTarget;
    if (await attempt(() => ask("POST", "/api/install", { id: entry.id }))) write(pressed, say("install.asked"));
  };
  return el(
    "li",
    {},
    el("span", { class: "name" }, name(folder.name), folder.place ? [" ", el("span", { class: "quiet" }, say("folder.in", { place: plain(folder.place) }))] : null),
    el(
      "span",
      { class: "row" },
      button(say("reveal"), () => attempt(() => ask("POST", "/api/reveal", { handle: folder.handle })), label("reveal")),
      entry.can_install ? button(say("install"), install, label("install")) : null,
      folder.report ? reportLink(folder) : null,
    ),
  );
}

export const reportLink = (folder) =>
  String(folder.report).startsWith("/report/")
    ? el("a", { href: folder.report, target: "_blank", rel: "noopener", class: "button small", "aria-label": `${say("report")}: ${plain(folder.name)}` }, say("report"))
    : null;

/** The log of an entry: asked for only while it is unfolded. */
function logView(id) {
  const lines = el("pre", { tabindex: "0", "aria-label": say("log") });
  const typed = el("div");
  const node = el("details", { class: "log" }, el("summary", {}, say("log")), typed, lines);
  let offset = 0;
  let isAsking = false;
  async function follow() {
    if (!node.open || isAsking) return;
    isAsking = true;
    try {
      const found = await ask("GET", query(`/api/queue/${encodeURIComponent(id)}/log`, { offset }));
      offset = found.offset;
      if (found.is_anew) fill(lines);
      const isAtEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 4;
      if (found.lines.length) lines.append(plain(`${found.lines.join("\n")}\n`));
      if (isAtEnd) lines.scrollTop = lines.scrollHeight;
    } catch {
      // it is asked for again with the next event
    }
    isAsking = false;
  }
  node.addEventListener("toggle", follow);
  let said = "";
  function update(entry) {
    if (entry.command && entry.command !== said) fill(typed, el("p", { class: "label" }, say("plan.command")), command(entry.command));
    said = entry.command;
    follow();
  }
  return { node, follow, update };
}
