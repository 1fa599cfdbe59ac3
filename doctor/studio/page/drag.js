// Waiting entries can be dragged by their head; buttons and keys do the same for whoever cannot drag.

const KIND = "application/x-sdcoreml-entry";

export const isFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
const isEntry = (event) => event.dataTransfer?.types.includes(KIND) ?? false;

/** Let the entries of a list be dragged; `onMove(id, before)` is told where one was dropped. */
export function letDrag(list, onMove) {
  const clear = () => {
    for (const node of list.children) delete node.dataset.over;
  };
  const target = (event) => {
    const node = event.target.closest("li");
    return node?.parentNode === list && node.dataset.state === "waiting" ? node : null;
  };
  const isBelow = (event, node) => {
    const box = node.getBoundingClientRect();
    return event.clientY > box.top + box.height / 2;
  };
  list.addEventListener("dragstart", (event) => {
    const node = target(event);
    if (!node) return;
    event.dataTransfer.setData(KIND, node.dataset.id);
    event.dataTransfer.effectAllowed = "move";
  });
  list.addEventListener("dragover", (event) => {
    const node = target(event);
    if (!node || !isEntry(event)) return;
    event.preventDefault();
    clear();
    node.dataset.over = isBelow(event, node) ? "below" : "above";
  });
  list.addEventListener("dragend", clear);
  list.addEventListener("dragleave", clear);
  list.addEventListener("drop", (event) => {
    const node = target(event);
    clear();
    if (!node || !isEntry(event)) return;
    event.preventDefault();
    const before = isBelow(event, node) ? node.nextElementSibling : node;
    const id = event.dataTransfer.getData(KIND);
    if (id !== node.dataset.id && id !== before?.dataset.id) onMove(id, before?.dataset.id ?? null);
  });
}
