// Choosing from the machine's own folders: a listing copies nothing.

import { ask, query } from "./api.js";
import { button, el, fill, focusOn, fresh, name, write } from "./dom.js";
import { say, size } from "./texts.js";
import { refusal } from "./parts.js";

const LAST = "sdcoreml-folder";

/** Let somebody choose; return the item {handle, name}, or null. */
export function chooseItem(title) {
  return new Promise((chosen) => open(title, chosen));
}

function open(title, chosen) {
  const heading = fresh("heading");
  const path = el("nav", { class: "path", "aria-label": say("folders.path") });
  const list = el("ul", { class: "items" });
  const status = el("p", { class: "quiet", role: "status" });
  const here = button(say("folders.here"), () => close(at), { hidden: true });
  const dialog = el(
    "dialog",
    { class: "folders", "aria-labelledby": heading },
    el("h2", { id: heading }, title),
    path,
    el("div", { class: "scroll", tabindex: "0", "aria-labelledby": heading, role: "region" }, list),
    status,
    el("div", { class: "row end" }, here, button(say("close"), () => close(null))),
  );
  let at = null;
  let answer = null;

  const close = (item) => {
    answer = item;
    dialog.close();
  };
  dialog.addEventListener("close", () => {
    dialog.remove();
    chosen(answer);
  });
  dialog.addEventListener("keydown", (event) => walk(event, list, path));

  async function enter(handle, isFirst = false) {
    let found;
    try {
      found = await ask("GET", handle ? query("/api/folders", { handle }) : "/api/folders");
    } catch (error) {
      if (isFirst && handle) return enter(null);
      fill(list, el("li", {}, refusal(error)));
      return;
    }
    sessionStorage.setItem(LAST, handle ?? "");
    at = handle ? { handle, name: found.name } : null;
    here.hidden = !at;
    const steps = [{ handle: null, name: say("folders.top") }, ...(found.parents ?? [])];
    const crumbs = steps.map((step) => el("li", {}, button(name(step.name), () => enter(step.handle), { class: "crumb" })));
    if (at) crumbs.push(el("li", { "aria-current": "location" }, name(found.name)));
    fill(path, el("ol", {}, at ? crumbs : []));
    fill(list, found.items.map((item) => el("li", {}, line(item))));
    write(status, say(found.is_cut ? "folders.cut" : "folders.count", { count: found.items.length }));
    focusOn(list.querySelector("button") ?? here);
  }

  function line(item) {
    const isFolder = item.kind === "folder";
    const label = [el("span", { class: "name" }, name(item.name))];
    if (item.what) label.push(el("span", { class: "what" }, item.what));
    if (item.size && !isFolder) label.push(el("span", { class: "size" }, size(item.size)));
    const does = () => (isFolder ? enter(item.handle) : close(item));
    return button(label, does, { class: `item ${isFolder ? "folder" : item.kind === "model" ? "model" : "file"}` });
  }

  document.body.append(dialog);
  dialog.showModal();
  enter(sessionStorage.getItem(LAST) || null, true);
}

/** Arrows walk through the list, Left and Backspace go to the folder above. */
function walk(event, list, path) {
  const all = [...list.querySelectorAll("button")];
  const place = all.indexOf(document.activeElement);
  const next = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: all.length - 1 }[event.key];
  if (next !== undefined && all.length) all[Math.max(0, Math.min(next, all.length - 1))].focus();
  else if (event.key === "ArrowLeft" || event.key === "Backspace") [...path.querySelectorAll("button")].pop()?.click();
  else return;
  event.preventDefault();
}
