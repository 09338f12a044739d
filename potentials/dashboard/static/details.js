// One run: state, warnings, errors, configuration, log and files. Its curves are drawn by charts.js.
"use strict";
const details = (() => {
  const ERRORS = [["Energy MAE", "meV/atom", "energy_mae"], ["RMSE", "meV/atom", "energy_rmse"], ["Forces MAE", "meV/Å", "forces_mae"], ["RMSE", "meV/Å", "forces_rmse"], ["Stress MAE", "meV/Å³", "stress_mae"], ["RMSE", "meV/Å³", "stress_rmse"]];
  let current = null, updated = null;

  const fact = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));

  function head(row) {
    const share = table.progress(row), hardware = row.hardware;
    const facts = [
      ["family", row.family], ["epoch", `${formats.epoch(row.epoch)}${row.max_epochs ? ` of ${row.max_epochs}` : ""}${share !== null && share < 1 ? ` (${Math.round(100 * share)}%)` : ""}`],
      ["time used", formats.duration(row.elapsed)], ["time left", formats.duration(row.left)], ["learning rate", formats.rate(row.learning_rate)],
      ["forces RMSE, validation", `${formats.number(row.best.forces)} meV/Å`], ["energy RMSE, validation", `${formats.number(row.best.energy)} meV/atom`],
      ["stress RMSE, validation", `${formats.number(row.best.stress)} meV/Å³`],
      ["speed", formats.known(hardware.frames_per_s) ? `${formats.number(hardware.frames_per_s)} frames/s` : formats.NONE],
      ["processor", formats.known(hardware.cpu_percent) ? `${formats.number(hardware.cpu_percent)}%` : formats.NONE],
      ["memory", formats.bytes(formats.known(hardware.memory_MB) ? 1e6 * hardware.memory_MB : null)],
      ["GPU memory", formats.bytes(formats.known(hardware.gpu_memory_MB) ? 1e6 * hardware.gpu_memory_MB : null)], ["last update", formats.time(row.updated)],
    ].filter(([, value]) => value && !value.startsWith(formats.NONE));
    byId("run").replaceChildren(
      make("a", { href: "#", class: "back" }, "← all runs"),
      make("h2", {}, row.name),
      make("p", {}, make("span", { class: `mark ${table.MARKS[row.state]}` }, table.WORDS[row.state]),
        row.state === "silent" ? ` since ${formats.time(row.updated)}` : "", row.note ? make("span", { class: "small" }, `  ${row.note}`) : null,
        row.report ? make("span", {}, "  ", make("a", { href: `files/${row.key}/report.html`, target: "_blank", rel: "noopener" }, "report")) : null),
      ...row.problems.filter((problem) => problem !== row.note).map((problem) => make("p", { class: "missing" }, problem)),
      make("dl", { class: "facts" }, ...facts.map(([name, value]) => fact(name, value))),
    );
  }

  function warnings(row, found) {
    const count = row.warnings === found.length && row.warnings_exact ? `${row.warnings}` : `the last ${found.length} of ${row.warnings}${row.warnings_exact ? "" : " or more"}`;
    return [make("h3", {}, `Warnings (${found.length ? count : "none"})`), make("ul", { class: "warnings" }, ...found.map((warning) => make("li", {},
      make("span", { class: "small" }, `${warning.time}  `), warning.text,
      warning.frames.length ? make("div", { class: "frames", "aria-label": "Frames" }, ...warning.frames.map((frame) => make("span", {}, `${frame.source}: ${frame.frames}`))) : null)))];
  }

  function errors(rows) {
    if (!rows.length) return [make("h3", {}, "Errors"), make("p", { class: "missing" }, "errors.json is written when the run ends.")];
    const columns = ERRORS.filter(([, , column]) => rows.some((row) => row[column] !== null));
    const heads = [["Split", ""], ["Frames", ""], ...columns];
    const label = (row) => (row.kind === "split" ? row.split : row.kind === "group" ? row.name : `on ${row.name}`);
    return [make("h3", {}, "Errors of the best model"), make("div", { class: "scroll", tabindex: "0" }, make("table", { id: "errors" },
      make("thead", {}, make("tr", {}, ...heads.map(([text, unit]) => make("th", { scope: "col" }, text, unit ? make("span", { class: "unit" }, ` ${unit}`) : null)))),
      make("tbody", {}, ...rows.map((row) => make("tr", { class: row.kind === "split" ? null : "below" }, make("td", {}, label(row)), make("td", {}, row.frames === null ? "" : String(row.frames)),
        ...columns.map(([, , column]) => make("td", {}, row[column] === null ? "" : formats.number(row[column]))))))))];
  }

  const box = (summary, text, open) => make("details", { class: "box", open }, make("summary", {}, summary), make("pre", { tabindex: "0" }, text));

  function files(key, found) {
    const line = (file) => make("tr", {}, make("td", {}, make("a", { href: `files/${key}/${encodeURIComponent(file.name)}`, target: "_blank", rel: "noopener" }, file.name)),
      make("td", {}, formats.bytes(file.size)), make("td", {}, formats.time(file.modified)));
    return [make("h3", {}, "Files"), make("div", { class: "scroll", tabindex: "0" }, make("table", {}, make("thead", {}, make("tr", {}, ...["Name", "Size", "Changed"].map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...found.map(line))))];
  }

  async function load(key) {
    const found = await server.ask(`api/run/${key}`);
    if (key !== current) return;
    const open = new Set([...document.querySelectorAll("#run-details details[open] > summary")].map((summary) => summary.textContent));
    byId("run-details").replaceChildren(
      ...warnings(found.summary, found.warnings), ...errors(found.errors),
      make("h3", {}, "Configuration and log"),
      found.config === null ? make("p", { class: "missing" }, "resolved.yaml is missing or not readable.") : box("resolved.yaml", found.config, open.has("resolved.yaml")),
      found.log.length ? box("end of log.txt", found.log.join("\n"), open.has("end of log.txt")) : make("p", { class: "missing" }, "log.txt is missing or not readable."),
      ...files(key, found.files),
    );
  }

  // Shows a run; the data below the curves are requested again when the run has changed, at most every ten seconds.
  function show(key) {
    const row = server.row(key);
    if (!row) return;
    head(row);
    const now = Date.now();
    if (key === current && (row.updated === updated?.stamp || now - updated.at < 10_000)) return;
    current = key;
    updated = { stamp: row.updated, at: now };
    load(key).catch(() => { current = null; }); // the lost connection is already reported
  }

  return { show, forget: () => { current = null; } };
})();
