// Connects the modules: selects the view and passes on changes.
"use strict";
(() => {
  const viewed = () => /^#run=([0-9a-f]{16})$/.exec(location.hash)?.[1] ?? null;
  const shownKeys = () => (viewed() ? [viewed()] : selection.keys());
  const MOST_AT_START = 6;

  function view() {
    const key = viewed(), one = Boolean(key && server.row(key));
    document.body.dataset.view = one ? "run" : "all";
    byId("overview").hidden = one;
    byId("run").hidden = byId("run-details").hidden = !one;
    byId("legend").hidden = one;
    document.title = `${one ? server.row(key).name : "Runs"} · ${document.documentElement.dataset.folder}`;
    if (one) details.show(key);
    else details.forget();
    comparison.update();
    charts.show(shownKeys());
  }

  // Initially the running runs, otherwise the latest ones.
  function chooseSome() {
    const rows = server.keys().map(server.row).sort((a, b) => (b.updated ?? 0) - (a.updated ?? 0));
    const running = rows.filter((row) => row.state === "running");
    selection.setAll((running.length ? running : rows).slice(0, MOST_AT_START).map((row) => row.key));
  }

  async function machine() {
    const found = await server.ask("api/machine");
    const gpu = (card) => [card.name, [
      card.percent === null ? null : `${formats.number(card.percent)}%`,
      card.memory_used === null ? null : `${formats.bytes(card.memory_used * 2 ** 20)} of ${formats.bytes(card.memory_total * 2 ** 20)}`,
    ].filter(Boolean).join(", ")];
    const facts = [
      ["runs", String(server.keys().length)],
      [`processor, ${found.cores} cores`, `${formats.number(found.cpu_percent, 2)}%`],
      ["memory", `${formats.bytes(found.memory_used)} of ${formats.bytes(found.memory_total)}`],
      ...found.gpus.map(gpu),
    ];
    byId("machine").replaceChildren(...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  }
  const lookAtMachine = () => { if (!document.hidden) machine().catch(() => {}); }; // the lost connection is already reported

  table.start();
  charts.start();
  let begun = false;
  document.addEventListener("runschange", (event) => {
    table.update(event.detail);
    selection.keepOnly(new Set(server.keys()));
    if (!begun && server.keys().length) {
      begun = true;
      charts.loadPlotly().catch(() => {}); // while the curves are read; the charts report a failure
      if (!selection.made()) chooseSome();
    }
    view();
  });
  document.addEventListener("selectionchange", () => { view(); server.refresh(); });
  window.addEventListener("hashchange", () => { view(); window.scrollTo(0, 0); server.refresh(); });
  server.start(shownKeys).then(lookAtMachine);
  setInterval(lookAtMachine, 5000);
})();
