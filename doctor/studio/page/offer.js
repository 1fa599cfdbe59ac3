// The choices that a model allows, each with a sentence, the recommended ones chosen.

import { button, el, fill, fresh, name } from "./dom.js";
import { chooseItem } from "./folders.js";
import { folded } from "./parts.js";
import { rich, say, size } from "./texts.js";

const FEW = 6; // more than so many options of one group are a menu

/** Make the fields of an OFFER; return their nodes and a function that reads what is chosen. */
export function showOffer(offer, onChange) {
  const made = offer.groups.filter((group) => group.kind in KINDS).map((group) => ({ group, ...KINDS[group.kind](group, onChange) }));
  const open = made.filter(({ group }) => !group.is_folded).map(({ node }) => node);
  const rest = made.filter(({ group }) => group.is_folded).map(({ node }) => node);
  const read = () => {
    const found = {};
    for (const { group, value } of made) {
      const chosen = value();
      if (chosen !== undefined) found[group.key] = chosen;
    }
    return found;
  };
  return { nodes: rest.length ? [...open, folded(say("choices.more"), ...rest)] : open, read };
}

const KINDS = { one: chooseOne, many: chooseMany, number: chooseNumber, file: chooseFiles };

const field = (group, ...children) =>
  el(
    "fieldset",
    { "data-key": group.key },
    el("legend", {}, group.title),
    group.sentence ? el("p", { class: "quiet" }, rich(group.sentence)) : null,
    ...children,
  );

const firstOf = (group) => ("value" in group ? group.value : group.options.find((one) => one.is_recommended)?.value);

function costs(option) {
  return [option.size ? size(option.size) : "", option.cost ?? ""].filter(Boolean).join(" · ");
}

function card(group, option, type, isChosen) {
  const [title, why] = [fresh("title"), fresh("why")];
  const input = el("input", {
    type,
    name: `choice-${group.key}`,
    "aria-labelledby": title,
    "aria-describedby": why,
    checked: isChosen,
  });
  const cost = costs(option);
  const node = el(
    "label",
    { class: "option" },
    input,
    el(
      "span",
      { class: "words" },
      el(
        "span",
        { class: "title", id: title },
        name(option.title),
        option.is_recommended ? [" ", el("span", { class: "recommended" }, say("recommended"))] : null,
      ),
      el("span", { class: "why", id: why }, rich(option.sentence ?? ""), cost ? [" ", el("span", { class: "cost" }, cost)] : null),
    ),
  );
  return { node, input, option };
}

function chooseOne(group, onChange) {
  if (group.options.length > FEW) return chooseFromMenu(group, onChange);
  const first = firstOf(group);
  const cards = group.options.map((option) => card(group, option, "radio", option.value === first));
  if (!cards.some(({ input }) => input.checked) && cards.length) cards[0].input.checked = true;
  const node = field(group, el("div", { class: "options" }, cards.map((one) => one.node)));
  node.addEventListener("change", onChange);
  return { node, value: () => cards.find(({ input }) => input.checked)?.option.value };
}

function chooseFromMenu(group, onChange) {
  const first = firstOf(group);
  const why = el("p", { class: "quiet", id: fresh("why") });
  const lines = group.options.map((option, place) =>
    el(
      "option",
      { value: String(place), selected: option.value === first },
      option.is_recommended ? `${option.title} (${say("recommended")})` : option.title,
    ),
  );
  const menu = el("select", { "aria-label": group.title, "aria-describedby": why.id }, lines);
  const chosen = () => group.options[Number(menu.value)];
  const tell = () => fill(why, rich(chosen().sentence ?? ""), costs(chosen()) ? ` ${costs(chosen())}` : null);
  tell();
  const node = field(group, menu, why);
  menu.addEventListener("change", () => {
    tell();
    onChange();
  });
  return { node, value: () => chosen().value };
}

function chooseMany(group, onChange) {
  const first = new Set(group.value ?? group.options.filter((one) => one.is_recommended).map((one) => one.value));
  const cards = group.options.map((option) => card(group, option, "checkbox", first.has(option.value)));
  const node = field(group, el("div", { class: "options" }, cards.map((one) => one.node)));
  node.addEventListener("change", onChange);
  return { node, value: () => cards.filter(({ input }) => input.checked).map(({ option }) => option.value) };
}

function chooseNumber(group, onChange) {
  const { min, max, step, value } = group;
  const input = el("input", { type: "number", min, max, step: step ?? "any", value, "aria-label": group.title });
  const node = field(group, el("div", { class: "row" }, input, group.unit ? el("span", { class: "quiet" }, group.unit) : null));
  input.addEventListener("input", onChange);
  return { node, value: () => (input.value === "" || !input.validity.valid ? undefined : Number(input.value)) };
}

/** Files from this machine: each may have a strength. */
function chooseFiles(group, onChange) {
  let chosen = [];
  const list = el("ul", { class: "chosen" });
  const add = button(say("file.add"), async () => {
    const item = await chooseItem(group.title);
    if (!item) return;
    chosen = group.is_many ? [...chosen, { item, scale: "1" }] : [{ item, scale: "1" }];
    show();
    onChange();
  });
  const show = () => {
    fill(list, chosen.map(line));
    add.textContent = say(chosen.length && !group.is_many ? "file.other" : "file.add");
  };
  const line = (one) => {
    const strength = el("input", {
      type: "number", step: "0.05", min: "-4", max: "4", value: one.scale, "aria-label": say("file.strength", { name: one.item.name }),
    });
    strength.addEventListener("input", () => {
      one.scale = strength.value;
      onChange();
    });
    const drop = button(say("remove"), () => {
      chosen = chosen.filter((other) => other !== one);
      show();
      add.focus();
      onChange();
    }, { class: "small", "aria-label": say("file.remove", { name: one.item.name }) });
    return el("li", {}, el("span", { class: "name" }, name(one.item.name)), group.has_scale ? strength : null, drop);
  };
  const value = () =>
    chosen.length
      ? chosen.map(({ item, scale }) => ({ handle: item.handle, ...(group.has_scale ? { scale: Number(scale) } : {}) }))
      : undefined;
  return { node: field(group, list, add), value };
}
