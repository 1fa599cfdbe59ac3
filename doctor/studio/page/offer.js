// The choices that a model allows, each with a sentence, the recommended ones chosen.

import { arrange, button, el, fill, fresh, name } from "./dom.js";
import { chooseItem } from "./folders.js";
import { badge, tone } from "./parts.js";
import { rich, say, size } from "./texts.js";

const FEW = 6; // more than so many options of one group are a menu

/** Make the fields of an OFFER, which a later offer changes where it differs. */
export function makeChoices(onChange) {
  const open = el("div");
  const folds = [fold(say("choices.extras")), fold(say("choices.more"))];
  const changed = el("div", { class: "changed", role: "status" });
  const made = new Map();
  const touched = new Set(); // what was chosen by hand; all else is recommended anew with each change
  let order = [];

  function tell() {
    for (const { inside, told } of folds) {
      const lines = order
        .filter(({ node }) => inside.contains(node))
        .map((one) => ({ group: one.group.title, chosen: one.said() }))
        .filter(({ chosen }) => chosen);
      fill(told, lines.map((line) => say("choices.told", line)).join("; "));
    }
  }

  const changes = (key) => {
    touched.add(key);
    tell();
    onChange();
  };

  function show(offer) {
    const groups = offer.groups.filter((group) => group.kind in KINDS);
    forget(groups);
    order = groups.map((group) => {
      const signature = JSON.stringify({ ...group, value: null });
      const kept = made.get(group.key);
      if (kept?.signature === signature) {
        if ("value" in group) kept.set?.(group.value);
        return kept;
      }
      const view = KINDS[group.kind](group, () => changes(group.key), kept);
      if (kept?.node.contains(document.activeElement)) refocus(kept.node, view.node);
      const told = kept?.told ?? el("div", { class: "note", role: "status" });
      made.set(group.key, { ...view, signature, group, told });
      return made.get(group.key);
    });
    const nodesOf = (place) => order.filter(({ group }, at) => placeOf(group, at) === place).map(({ node }) => node);
    arrange([[open, nodesOf("open")], [folds[0].inside, nodesOf("extras")], [folds[1].inside, nodesOf("more")]]);
    for (const { node, inside } of folds) node.hidden = !inside.children.length;
    tell();
    const said = (offer.changed ?? []).map((text) => el("p", {}, rich(text)));
    if (said.length || changed.children.length) fill(changed, said);
  }

  /** What is no longer offered, or was answered with another value, is no wish any more. */
  function forget(groups) {
    for (const key of touched) {
      const [now, before] = [groups.find((one) => one.key === key), order.find(({ group }) => group.key === key)];
      const isOther = now?.kind === "one" && "value" in now && now.value !== before?.value();
      if (!now || isOther) touched.delete(key);
    }
  }

  /** Say what is to be known of what was chosen in a group, at that group: {key: verdict}. */
  function note(said) {
    for (const { group, node, told } of order) {
      const text = group.key in said ? verdict(said[group.key]) : null;
      if (told.textContent !== (text?.textContent ?? "")) fill(told, text);
      if (told.parentNode !== node) node.append(told);
    }
  }

  /** Return the wishes; with `isAll` everything as it is seen, recommended or not. */
  function read(isAll = false) {
    const found = {};
    for (const { group, value } of order) {
      const chosen = value();
      const isWish = isAll || group.kind !== "one" || touched.has(group.key);
      if (isWish && chosen !== undefined) found[group.key] = chosen;
    }
    return found;
  }

  return { node: el("div", {}, open, folds.map(({ node }) => node), changed), show, note, read };
}

const verdict = ({ verdict, what, remedy }) =>
  el("p", { class: `verdict ${tone(verdict)}` }, badge("shelf", verdict), el("span", {}, rich(what), remedy ? [" ", ...rich(remedy)] : null));

/**
 * Few choices are in sight: the rare ones are folded, and so is what is merged in or made besides.
 * What comes first, unfolded, is what the model cannot do without, such as a VAE that it lacks.
 */
function placeOf(group, place) {
  if (place === 0 && !group.is_folded) return "open";
  if (group.is_folded) return "more";
  return ["file", "many"].includes(group.kind) ? "extras" : "open";
}

/** A fold that says beside its title what is chosen in it. */
function fold(title) {
  const inside = el("div");
  const told = el("span", { class: "told" });
  return { inside, told, node: el("details", {}, el("summary", {}, title, " ", told), inside) };
}

/** A group is made anew under somebody's hands: they stay at the same place of it. */
function refocus(before, after) {
  const fields = (node) => [...node.querySelectorAll("input, select, button")];
  const place = fields(before).indexOf(document.activeElement);
  before.replaceWith(after);
  (fields(after)[place] ?? fields(after)[0])?.focus();
}

const KINDS = { one: chooseOne, many: chooseMany, file: chooseFiles };

const field = (group, ...children) =>
  el(
    "fieldset",
    { "data-key": group.key },
    el("legend", {}, group.title),
    group.sentence ? el("p", { class: "quiet" }, rich(group.sentence)) : null,
    ...children,
  );

/** What is said of a choice outside its fold: nothing, if it is the recommended one. */
const unusual = (option) => (option && !option.is_recommended ? option.title : "");

const firstOf = (group) => ("value" in group ? group.value : group.options.find((one) => one.is_recommended)?.value);

/** What an option takes: its size, and what that costs, which is a phrase that may be long. */
function costs(option) {
  const amount = option.size ? el("span", { class: "amount" }, size(option.size)) : null;
  return [amount, amount && option.cost ? " " : null, option.cost].filter(Boolean);
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
      el("span", { class: "why", id: why }, rich(option.sentence ?? ""), cost.length ? [" ", el("span", { class: "cost" }, cost)] : null),
    ),
  );
  return { node, input, option };
}

function chooseOne(group, onChange) {
  if (group.options.length > FEW) return chooseFromMenu(group, onChange);
  const first = firstOf(group);
  const cards = group.options.map((option) => card(group, option, "radio", option.value === first));
  const node = field(group, el("div", { class: "options" }, cards.map((one) => one.node)));
  node.addEventListener("change", onChange);
  const set = (value) => {
    for (const { input, option } of cards) input.checked = option.value === value;
  };
  const chosen = () => cards.find(({ input }) => input.checked)?.option;
  return { node, set, value: () => chosen()?.value, said: () => unusual(chosen()) };
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
  const tell = () => {
    const option = chosen();
    fill(why, option ? [...rich(option.sentence ?? ""), " ", ...costs(option)] : null);
  };
  if (!group.options.some((option) => option.value === first)) menu.selectedIndex = -1;
  tell();
  const node = field(group, menu, why);
  menu.addEventListener("change", () => {
    tell();
    onChange();
  });
  const set = (value) => {
    menu.value = String(group.options.findIndex((option) => option.value === value));
    tell();
  };
  return { node, set, value: () => chosen()?.value, said: () => unusual(chosen()) };
}

function chooseMany(group, onChange) {
  const first = new Set(group.value ?? group.options.filter((one) => one.is_recommended).map((one) => one.value));
  const cards = group.options.map((option) => card(group, option, "checkbox", first.has(option.value)));
  const node = field(group, el("div", { class: "options" }, cards.map((one) => one.node)));
  node.addEventListener("change", onChange);
  const set = (values) => {
    for (const { input, option } of cards) input.checked = values.includes(option.value);
  };
  const chosen = () => cards.filter(({ input }) => input.checked).map(({ option }) => option);
  const said = () => chosen().map((option) => option.title).join(", ");
  return { node, set, said, value: () => chosen().map((option) => option.value) };
}

/** Files from this machine: each may have a strength. */
function chooseFiles(group, onChange, before) {
  let chosen = before?.chosen?.() ?? [];
  const list = el("ul", { class: "chosen" });
  const add = button("", async () => {
    const item = await chooseItem(group.title);
    if (!item) return;
    chosen = [...(group.is_many ? chosen : []), { item, scale: "1" }];
    show();
    onChange();
  });
  const show = () => {
    fill(list, chosen.map(line));
    const isFull = chosen.length && !group.is_many;
    add.textContent = say(isFull ? "file.other" : group.takes === "folder" ? "file.folder" : "file.add");
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
  show();
  const said = () => chosen.map(({ item }) => item.name).join(", ");
  return { node: field(group, list, add), value, said, chosen: () => chosen };
}
