// Comparison of the selected runs: legend, best values, and differences of the configurations.
"use strict";
const comparison = (() => {
  const COLUMNS = [
    ["Forces RMSE", "meV/Å", "forces"], ["MAE", "meV/Å", "forces_mae"], ["Energy RMSE", "meV/atom", "energy"], ["MAE", "meV/atom", "energy_mae"],
    ["Stress RMSE", "meV/Å³", "stress"], ["MAE", "meV/Å³", "stress_mae"], ["Loss", "", "loss"],
  ];
  let asked = "";

  const name = (key) => server.row(key)?.name ?? "";
  const named = (key) => [selection.swatch(key), " ", make("a", { href: `#run=${key}` }, name(key))];

  function legend() {
    byId("legend").replaceChildren(...selection.keys().map((key) => make("li", {}, selection.swatch(key), make("a", { href: `#run=${key}` }, name(key)),
      make("button", { type: "button", "aria-label": `Remove ${name(key)}`, onclick: () => selection.set(key, false) }, "×"))));
  }

  function best(keys) {
    const rows = keys.map((key) => server.row(key)).filter(Boolean);
    const columns = COLUMNS.filter(([, , column]) => rows.some((row) => formats.known(row.best[column])));
    const least = Object.fromEntries(columns.map(([, , column]) => [column, Math.min(...rows.map((row) => row.best[column]).filter(formats.known))]));
    const heads = [["Run", ""], ...columns, ["Epoch", ""], ["Time", ""]];
    const line = (row) => make("tr", {}, make("td", { class: "left" }, ...named(row.key)),
      ...columns.map(([, , column]) => make("td", { class: rows.length > 1 && row.best[column] === least[column] ? "least" : null }, formats.number(row.best[column]))),
      make("td", {}, formats.epoch(row.best.epoch)), make("td", {}, formats.duration(row.best.time)));
    byId("best").replaceChildren(
      make("thead", {}, make("tr", {}, ...heads.map(([head, unit]) => make("th", { scope: "col" }, head, unit ? make("span", { class: "unit" }, ` ${unit}`) : null)))),
      make("tbody", {}, ...rows.map(line)),
    );
  }

  // Values of the keys that differ between the runs.
  async function differences(keys) {
    const wanted = keys.join();
    if (wanted === asked) return;
    asked = wanted;
    const { keys: found, rows, unreadable } = await server.ask(`api/differences?${keys.map((key) => `run=${key}`).join("&")}`);
    if (wanted !== asked) return;
    const same = byId("same");
    const without = unreadable.length ? ` Not compared: ${unreadable.map(name).join(", ")} (resolved.yaml is not readable).` : "";
    same.hidden = rows.length > 0 && !without;
    same.textContent = (rows.length ? "" : found.length > 1 ? "The selected runs have identical configurations." : "Select at least two runs with a readable configuration.") + without;
    byId("differences").replaceChildren(
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Key"), ...(rows.length ? found : []).map((key) => make("th", { scope: "col", class: "run" }, selection.swatch(key), " ", name(key))))),
      make("tbody", {}, ...rows.map(([key, values]) => make("tr", {}, make("td", { class: "left" }, make("code", {}, key)), ...values.map((value) => make("td", { class: "value" }, value === null ? formats.NONE : value))))),
    );
    byId("differences").hidden = !rows.length;
  }

  function update() {
    legend();
    const keys = selection.keys().filter((key) => server.row(key));
    byId("comparison").hidden = document.body.dataset.view === "run" || !keys.length;
    if (byId("comparison").hidden) return;
    best(keys);
    differences(keys).catch(() => { asked = ""; }); // the lost connection is already reported; the request is repeated with the next change
  }

  return { update };
})();
