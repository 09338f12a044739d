// Table of all runs, with sorting, filters and selection.
"use strict";
const table = (() => {
  const STATES = ["running", "silent", "interrupted", "finished", "unknown"];
  const WORDS = { running: "running", silent: "no activity", interrupted: "interrupted", finished: "finished", unknown: "unknown" };
  const MARKS = { running: "running", silent: "bad", interrupted: "look", finished: "good", unknown: "none" };
  const progress = (row) => (row.max_epochs && row.epoch !== null ? Math.min(1, row.epoch / row.max_epochs) : row.state === "finished" ? 1 : null);
  const mega = (value) => (formats.known(value) ? formats.bytes(1e6 * value) : formats.NONE);
  const unit = (text) => make("span", { class: "unit" }, ` ${text}`);

  // id, header, sort key, cell contents, class, initial sort direction
  const COLUMNS = [
    { id: "name", head: ["Run"], value: (row) => row.name.toLowerCase(), kind: "left name" },
    { id: "family", head: ["Family"], value: (row) => row.family, cell: (row) => [row.family || formats.NONE], kind: "left extra" },
    { id: "state", head: ["State"], value: (row) => STATES.indexOf(row.state), cell: stateCell, kind: "left" },
    { id: "progress", head: ["Epoch"], value: progress, cell: progressCell, down: true },
    { id: "elapsed", head: ["Time used"], value: (row) => row.elapsed, cell: (row) => [formats.duration(row.elapsed)], kind: "extra", down: true },
    { id: "left", head: ["Time left"], value: (row) => row.left, cell: (row) => [formats.duration(row.left)], kind: "extra" },
    { id: "forces", head: ["Forces", unit("meV/Å")], value: (row) => row.best.forces, cell: (row) => best(row, "forces") },
    { id: "energy", head: ["Energy", unit("meV/atom")], value: (row) => row.best.energy, cell: (row) => best(row, "energy"), kind: "extra" },
    { id: "rate", head: ["Learning rate"], value: (row) => row.learning_rate, cell: (row) => [formats.rate(row.learning_rate)], kind: "extra", down: true },
    { id: "cpu", head: ["CPU", unit("%")], value: (row) => row.hardware.cpu_percent, cell: (row) => [formats.number(row.hardware.cpu_percent)], kind: "extra", down: true },
    { id: "memory", head: ["Memory"], value: (row) => row.hardware.memory_MB, cell: (row) => [mega(row.hardware.memory_MB)], kind: "extra", down: true },
    { id: "warnings", head: ["Warnings"], value: (row) => row.warnings, cell: warningCell, kind: "extra", down: true },
    { id: "updated", head: ["Last update"], value: (row) => row.updated, cell: (row) => [formats.ago(server.now() - row.updated)], kind: "extra", down: true },
    { id: "report", head: ["Report"], value: (row) => (row.report ? 0 : 1), cell: reportCell, kind: "extra" },
  ];
  const SHOWN_AT_MOST = 1000;
  let sorting = { id: "state", down: false };
  const hiddenStates = new Set();
  const elements = new Map(); // key -> { tr, box, cells }

  function stateCell(row) {
    const mark = make("span", { class: `mark ${MARKS[row.state]}`, title: row.note || null }, WORDS[row.state]);
    return row.state === "silent" ? [mark, make("span", { class: "small since" }, `since ${formats.time(row.updated)}`)] : [mark];
  }

  function progressCell(row) {
    const share = progress(row), bar = make("span", { class: "bar", "aria-hidden": "true" }, make("span"));
    bar.firstChild.style.width = `${100 * (share ?? 0)}%`;
    return [bar, make("span", { class: "epochs" }, formats.epoch(row.epoch), row.max_epochs ? make("span", { class: "small" }, ` / ${row.max_epochs}`) : null)];
  }

  function best(row, name) {
    const text = formats.number(row.best[name]);
    return [row.best_is_last && text !== formats.NONE ? make("span", { title: "latest value; the best is too far back in metrics.csv" }, `${text}*`) : text];
  }

  function warningCell(row) {
    if (!row.warnings) return [formats.NONE];
    return [make("a", { href: `#run=${row.key}`, class: "warned" }, `${row.warnings}${row.warnings_exact ? "" : "+"}`)];
  }

  function reportCell(row) {
    return [row.report ? make("a", { href: `files/${row.key}/report.html`, target: "_blank", rel: "noopener", "aria-label": `Report of ${row.name}` }, "open") : formats.NONE];
  }

  function head() {
    const heads = COLUMNS.map((column) => {
      const down = sorting.id === column.id && sorting.down;
      const sort = sorting.id !== column.id ? null : down ? "descending" : "ascending";
      const button = make("button", { type: "button", onclick: () => sortBy(column) }, ...column.head.map((part) => (typeof part === "string" ? part : part.cloneNode(true))));
      return make("th", { scope: "col", class: column.kind, "aria-sort": sort }, button);
    });
    byId("runs").tHead.rows[0].replaceChildren(make("th", { scope: "col", "aria-label": "Selected" }), ...heads);
  }

  function sortBy(column) {
    sorting = { id: column.id, down: sorting.id === column.id ? !sorting.down : Boolean(column.down) };
    head();
    arrange();
    byId("runs").tHead.querySelector("[aria-sort] button")?.focus();
  }

  function build(key) {
    const box = make("input", { type: "checkbox", onchange: () => selection.set(key, box.checked) });
    const swatch = make("span"), link = make("a", { href: `#run=${key}` });
    const cells = COLUMNS.map((column) => make("td", { class: column.kind }));
    cells[0].append(swatch, link);
    const tr = make("tr", {}, make("td", {}, box), ...cells);
    return { tr, box, cells, link, swatch };
  }

  function fill(key) {
    const row = server.row(key);
    if (!elements.has(key)) elements.set(key, build(key));
    const { tr, box, cells, link } = elements.get(key);
    tr.className = row.state;
    link.textContent = row.name;
    box.setAttribute("aria-label", `Select ${row.name}`);
    COLUMNS.forEach((column, index) => {
      if (!column.cell) return;
      const fresh = make("td", {}, ...column.cell(row));
      if (fresh.innerHTML !== cells[index].innerHTML) cells[index].replaceChildren(...fresh.childNodes);
    });
    mark(key);
  }

  function mark(key) {
    const { box, swatch } = elements.get(key);
    box.checked = selection.has(key);
    box.disabled = !box.checked && selection.full();
    swatch.replaceChildren(...(selection.has(key) ? [selection.swatch(key)] : []));
  }

  function compare(a, b) {
    const { value } = COLUMNS.find((column) => column.id === sorting.id);
    const first = value(a), second = value(b);
    const absent = (x) => x === null || x === undefined || x === "";
    if (absent(first) || absent(second)) return absent(first) - absent(second);
    const order = first < second ? -1 : first > second ? 1 : 0;
    return sorting.down ? -order : order;
  }

  const matching = () => {
    const words = byId("filter").value.trim().toLowerCase().split(/\s+/);
    return server.keys().map(server.row).filter((row) => row && !hiddenStates.has(row.state)
      && words.every((word) => `${row.name} ${row.family}`.toLowerCase().includes(word)));
  };

  // Sorts the rows and moves only those in other places, so that focus and scroll position are kept.
  function arrange() {
    const rows = matching().sort((a, b) => compare(a, b) || (b.updated ?? 0) - (a.updated ?? 0)).slice(0, SHOWN_AT_MOST);
    const body = byId("runs").tBodies[0];
    const shown = rows.map((row) => elements.get(row.key).tr), keep = new Set(shown);
    for (const tr of [...body.rows]) if (!keep.has(tr)) tr.remove();
    shown.forEach((tr, index) => { if (body.rows[index] !== tr) body.insertBefore(tr, body.rows[index] ?? null); });
    byId("runs-box").hidden = !server.keys().length;
    say(rows.length);
  }

  function say(count) {
    const all = server.keys().length, nothing = byId("nothing"), folder = document.documentElement.dataset.folder;
    nothing.hidden = count > 0;
    nothing.textContent = all ? "No run matches the filter."
      : `There is no run in ${folder} or its subfolders (a run is a folder with resolved.yaml or status.json). Start one with “potentials train CONFIG”; it appears here automatically. For runs elsewhere: “potentials dashboard FOLDER”.`;
    byId("choose-shown").textContent = count > selection.MOST ? `Select first ${selection.MOST}` : "Select shown";
    byId("remarks").replaceChildren(...server.remarks().map((remark) => make("li", {}, remark)));
  }

  // A button for each state that occurs, to hide its runs.
  function states() {
    const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
    for (const key of server.keys()) counts[server.row(key).state]++;
    for (const state of STATES) {
      const button = byId("states").querySelector(`[data-state="${state}"]`);
      button.textContent = `${WORDS[state]} ${counts[state]}`;
      button.hidden = !counts[state];
    }
  }

  function stateButton(state) {
    const button = make("button", { type: "button", "aria-pressed": "true", "data-state": state, hidden: true });
    button.addEventListener("click", () => {
      if (!hiddenStates.delete(state)) hiddenStates.add(state);
      button.setAttribute("aria-pressed", String(!hiddenStates.has(state)));
      arrange();
    });
    return button;
  }

  function update(changed) {
    for (const key of elements.keys()) if (!server.row(key)) elements.delete(key);
    const keys = elements.size ? changed : server.keys();
    for (const key of keys) fill(key);
    states();
    arrange();
    byId("runs").dataset.revision = server.revision();
  }

  function ages() {
    const index = COLUMNS.findIndex((column) => column.id === "updated");
    for (const [key, { cells }] of elements) cells[index].textContent = formats.ago(server.now() - server.row(key)?.updated);
  }

  function start() {
    head();
    byId("states").append(...STATES.map(stateButton));
    byId("filter").addEventListener("input", arrange);
    byId("choose-none").addEventListener("click", () => selection.setAll([]));
    byId("choose-shown").addEventListener("click", () => {
      const chosen = [...byId("runs").tBodies[0].rows].map((tr) => [...elements].find(([, parts]) => parts.tr === tr)[0]);
      selection.setAll(chosen.slice(0, selection.MOST));
    });
    document.addEventListener("selectionchange", () => { for (const key of elements.keys()) mark(key); });
    setInterval(ages, 5000);
  }

  return { start, update, WORDS, MARKS, progress };
})();
