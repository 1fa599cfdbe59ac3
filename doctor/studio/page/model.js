// What a model is, the verdict, the few choices, the plan, and the button.

import { ask, wasAborted } from "./api.js";
import { announce, button, el, facts, fill, focusOn, fresh, name, plain } from "./dom.js";
import { discard } from "./drop.js";
import { makeChoices } from "./offer.js";
import { badge, command, findings, folded, needs, refusal, tone } from "./parts.js";
import { queue } from "./queue.js";
import { percent, rich, say, size } from "./texts.js";

const PATIENCE = 150; // milliseconds between the last change and the question what it means

/**
 * Show a MODEL; `context` has its reference, what was dropped if it was so, the way back, and a
 * signal that is given as soon as another is looked at.
 */
export function showModel(place, model, context) {
  const heading = el("h2", {}, name(model.title));
  const verdict = model.verdict;
  const about = [model.family, model.form, model.size ? size(model.size) : ""].filter(Boolean).join(" · ");
  // A model may need an answer before it can be converted: it has an offer, then, and no plan yet.
  const offer = model.offer?.groups?.length ? converting(model, context) : null;
  context.signal.addEventListener("abort", () => leave(model, context));
  fill(
    place,
    el(
      "header",
      { class: "model-head" },
      el("div", {}, heading, about ? el("p", { class: "quiet" }, about) : null),
      button(say("another"), () => context.startOver(), { class: "small" }),
    ),
    el("p", { class: `verdict ${tone(verdict.can)}` }, badge("can", verdict.can), el("span", {}, rich(verdict.sentence))),
    model.findings?.length ? findings(model.findings) : null,
    model.facts?.length ? folded(say("facts"), facts(model.facts), verdict.apps?.length ? appsOf(verdict.apps) : null) : null,
    offer,
  );
  focusOn(heading);
}

/** Of what was dropped and nobody converts, nothing stays on the disk. */
function leave(model, context) {
  if (context.dropped && !context.isSent) discard(model.drop);
}

/** Which apps run it, each with the reason where one does not. */
const appsOf = (apps) =>
  el(
    "ul",
    { class: "apps" },
    apps.map((app) => el("li", {}, badge("runs", app.runs), " ", name(app.name), app.reason ? [": ", rich(app.reason)] : null)),
  );

function converting(model, context) {
  const plan = el("div", { class: "plan" });
  const details = el("div", { class: "details" });
  const problem = el("div", { role: "alert" });
  const convert = el("button", { class: "primary", type: "submit" }, say("convert"));
  const hint = context.dropped ? el("p", { class: "quiet" }, say("drop.copied")) : null;
  const form = el("form", { class: "offer", "aria-labelledby": "choices" });
  let asking = new AbortController();
  let timer = 0;
  let isRefused = true;
  let isSending = false;

  const allow = () => convert.setAttribute("aria-disabled", String(isRefused || isSending));

  const choices = makeChoices(() => {
    asking.abort(); // an answer to older choices must not take back what was chosen since
    clearTimeout(timer);
    timer = setTimeout(replan, PATIENCE);
  });

  function show(found) {
    isRefused = Boolean(found.refused);
    if (found.offer?.groups) choices.show(found.offer);
    fill(plan, found.refused ? refusal(found.refused) : needs(found));
    choices.note(found.notes ?? {});
    fill(details, found.folders ? showPlan(found) : null);
    allow();
  }

  async function replan() {
    asking.abort();
    asking = new AbortController();
    plan.setAttribute("aria-busy", "true");
    try {
      const found = await ask("POST", "/api/plan", { model: context.reference, choices: choices.read() }, asking.signal);
      show(found);
    } catch (error) {
      if (wasAborted(error)) return;
      show({ refused: error });
    }
    plan.removeAttribute("aria-busy");
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (convert.getAttribute("aria-disabled") === "true") return;
    isSending = true;
    allow();
    fill(problem);
    try {
      const reference = context.dropped ? { handle: await copy(model, context, form) } : context.reference;
      context.isSent = true; // from here on the queue needs it
      const { id } = await ask("POST", "/api/queue", { model: reference, choices: choices.read(true) });
      if (form.isConnected) {
        context.startOver(false); // another model may have been opened meanwhile: it stays
        queue.expect(id);
      }
      announce(say("queue.added", { name: model.title }));
    } catch (error) {
      const wasSent = context.isSent;
      context.isSent = false;
      if (wasSent && context.signal.aborted) leave(model, context);
      if (!wasAborted(error)) fill(problem, refusal(error));
    }
    isSending = false;
    allow();
  });
  form.append(el("h3", { id: "choices" }, say("choices")), choices.node, details);
  form.append(el("div", { class: "bar" }, problem, plan, el("div", { class: "row" }, convert, hint)));
  choices.show(model.offer);
  if (model.plan) show(model.plan);
  else if (model.verdict.can !== "no") replan();
  else show({ refused: { what: say("choices.first") } });
  return form;
}

function showPlan(plan) {
  const short = (plan.machine?.findings ?? []).filter((one) => !["ok", "info"].includes(one.status));
  const makes = (plan.folders ?? []).map((made) =>
    el("li", {}, name(made.folder.split("/").pop()), " ", el("span", { class: "quiet" }, made.programs.map((one) => one.name).join(", "))),
  );
  return [
    plan.sentence ? el("p", {}, rich(plan.sentence)) : null,
    short.length ? findings(short) : null,
    folded(
      say("plan.more"),
      makes.length ? [el("p", { class: "label" }, say("plan.makes")), el("ul", { class: "plain" }, makes)] : null,
      plan.needs?.memory ? [el("p", { class: "label" }, say("plan.memory")), el("p", {}, size(plan.needs.memory))] : null,
      plan.command ? [el("p", { class: "label" }, say("plan.command")), command(plan.command)] : null,
    ),
  ];
}

/** Copy what was dropped to the server's disk while a bar shows how far it is. */
async function copy(model, context, form) {
  const control = new AbortController();
  const stopToo = () => {
    control.abort();
    context.tell(say("drop.stopped", { name: plain(model.title) }));
  };
  const label = fresh("label");
  const bar = el("progress", { max: "1", value: "0", "aria-labelledby": label });
  const said = el("span", { class: "quiet" });
  const stop = button(say("cancel"), () => control.abort(), { class: "small" });
  const box = el("div", { class: "copying" }, el("p", { id: label }, say("drop.copying")), bar, said, stop);
  const warn = (event) => event.preventDefault();
  const fields = [...form.querySelectorAll("fieldset")];
  for (const field of fields) field.disabled = true;
  form.querySelector(".bar").prepend(box);
  addEventListener("beforeunload", warn);
  context.signal.addEventListener("abort", stopToo);
  try {
    return await context.dropped.send(
      model.drop,
      (received, total) => {
        bar.value = total ? received / total : 1;
        said.textContent = say("drop.sofar", { done: size(received), total: size(total), percent: percent(received, total || 1) });
      },
      control.signal,
    );
  } finally {
    removeEventListener("beforeunload", warn);
    context.signal.removeEventListener("abort", stopToo);
    for (const field of fields) field.disabled = false;
    box.remove();
  }
}
