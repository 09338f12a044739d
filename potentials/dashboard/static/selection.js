// Selected runs, with the color and dash style of each. Dispatches "selectionchange" on document.
"use strict";
const selection = (() => {
  const MOST = Number(document.documentElement.dataset.most);
  const COLORS = 8;
  const DASHES = ["solid", "dash", "dot"];
  const STORE = `potentials-chosen ${document.documentElement.dataset.folder}`;
  const slots = new Map(); // key -> number of its color and dash
  let stored = null;
  try {
    stored = JSON.parse(sessionStorage.getItem(STORE));
    if (Array.isArray(stored)) for (const [key, slot] of stored) slots.set(String(key), Number(slot));
  } catch { /* without storage nothing is chosen at the start */ }

  function changed() {
    stored = [...slots];
    try { sessionStorage.setItem(STORE, JSON.stringify(stored)); } catch { /* as above */ }
    document.dispatchEvent(new CustomEvent("selectionchange"));
  }

  function add(key) {
    if (slots.has(key) || slots.size >= MOST) return;
    const taken = new Set(slots.values());
    let slot = 0;
    while (taken.has(slot)) slot++;
    slots.set(key, slot);
  }

  const made = () => Array.isArray(stored); // by the user, now or before the page was reloaded
  const has = (key) => slots.has(key);
  const keys = () => [...slots.keys()];
  const full = () => slots.size >= MOST;
  function set(key, chosen) { if (chosen) add(key); else slots.delete(key); changed(); }
  function setAll(chosen) { slots.clear(); chosen.forEach(add); changed(); }
  function keepOnly(existing) {
    const gone = keys().filter((key) => !existing.has(key));
    gone.forEach((key) => slots.delete(key));
    if (gone.length) changed();
  }
  const color = (key) => `var(--series-${1 + ((slots.get(key) ?? 0) % COLORS)})`;
  const dash = (key) => DASHES[Math.floor((slots.get(key) ?? 0) / COLORS) % DASHES.length];

  function swatch(key) {
    const mark = make("span", { class: `swatch d${DASHES.indexOf(dash(key))}`, "aria-hidden": "true" });
    mark.style.borderTopColor = color(key);
    return mark;
  }

  return { MOST, made, has, keys, full, set, setAll, keepOnly, color, dash, swatch };
})();
