// The doctor's findings, each fix with the command that it runs, and the same check again afterwards.

import { ask, query } from "./api.js";
import { announce, button, el, fill, focusOn } from "./dom.js";
import { badge, command, folded, refusal, tone } from "./parts.js";
import { queue } from "./queue.js";
import { rich, say } from "./texts.js";

const at = (id) => document.getElementById(id);
const isFine = (finding) => ["ok", "info"].includes(finding.status) && !finding.fix;
const isSkipped = (finding) => finding.status === "skipped" && !finding.fix;

export async function showDoctor() {
  const place = at("doctor-list");
  at("doctor-again").onclick = showDoctor;
  place.setAttribute("aria-busy", "true");
  try {
    const found = await ask("GET", "/api/doctor");
    const fine = found.findings.filter(isFine);
    const skipped = found.findings.filter(isSkipped);
    const bad = found.findings.filter((one) => !isFine(one) && !isSkipped(one));
    fill(
      place,
      el("ul", { class: "verdicts" }, (found.verdicts ?? []).map(verdict)),
      bad.length ? el("ul", { class: "checks" }, bad.map(check)) : el("p", { class: "empty" }, say("doctor.well")),
      fine.length ? folded(say("doctor.fine", { count: fine.length }), el("ul", { class: "checks" }, fine.map(check))) : null,
      skipped.length ? folded(say("doctor.skipped", { count: skipped.length }), el("ul", { class: "checks" }, skipped.map(check))) : null,
    );
    announce(say("doctor.count", { count: bad.length }));
  } catch (error) {
    fill(place, refusal(error));
  }
  place.removeAttribute("aria-busy");
}

const verdict = (one) =>
  el(
    "li",
    {},
    badge("answer", one.answer),
    el("span", {}, rich(one.sentence ?? one.goal), one.needs?.length ? el("span", { class: "quiet" }, " ", rich(one.needs.join(" · "))) : null),
  );

/** One check; a fix is run through the queue, and then the same check is asked for again. */
function check(finding) {
  const node = el("li", { class: tone(finding.status), "data-check": finding.id });
  const progress = el("p", { role: "status", class: "quiet" });

  async function again() {
    const found = await ask("GET", query("/api/doctor", { select: finding.id }));
    const now = found.findings.find((one) => one.id === finding.id);
    if (!now) return;
    const next = check(now);
    node.replaceWith(next);
    focusOn(next.querySelector("h2, h3"));
    announce(say("doctor.now", { title: now.title, status: say(`status.${now.status}`) }));
  }

  async function run(event) {
    const pressed = event.currentTarget;
    pressed.setAttribute("aria-disabled", "true");
    try {
      const { id } = await ask("POST", "/api/fix", { key: finding.fix.key });
      progress.textContent = say("fix.runs");
      queue.watch(id, async (entry) => {
        if (!node.isConnected) return;
        fill(progress);
        if (!entry) return pressed.setAttribute("aria-disabled", "false");
        if (entry.state !== "done") fill(progress, refusal({ what: entry.because || say("failed.unknown"), remedy: entry.remedy }));
        await again().catch((error) => fill(progress, refusal(error)));
      });
    } catch (error) {
      fill(progress, refusal(error));
      pressed.setAttribute("aria-disabled", "false");
    }
  }

  fill(
    node,
    // The title says what is demanded, which may be the opposite of what was found.
    el("div", { class: "entry-head" }, el("h2", {}, rich(finding.what ?? finding.title)), badge("status", finding.status)),
    el("p", { class: "quiet" }, finding.what ? say("doctor.checked", { title: finding.title }) : null, " ", el("code", {}, finding.id)),
    finding.why ? el("p", {}, rich(finding.why)) : null,
    finding.where ? el("p", { class: "quiet" }, el("code", {}, finding.where)) : null,
    finding.fix ? fixOf(finding.fix, run) : null,
    finding.fix ? progress : null,
  );
  return node;
}

function fixOf(fix, run) {
  const hasButton = Boolean(fix.key);
  return el(
    "div",
    { class: "fix" },
    el("p", {}, rich(fix.title)),
    fix.command ? command(Array.isArray(fix.command) ? fix.command.join(" ") : fix.command) : null,
    hasButton ? button(say("fix"), run, { class: fix.is_safe ? "primary" : "" }) : null,
    hasButton && !fix.is_safe ? el("p", { class: "quiet" }, say("fix.unsafe")) : null,
  );
}
