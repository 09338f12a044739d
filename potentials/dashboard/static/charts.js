// Curves of the displayed runs, drawn with plotly, which is loaded after the table is displayed.
"use strict";
const charts = (() => {
  const rmse = (name, unit) => ({ file: "metrics", columns: { rmse: `${name}_rmse_${unit}`, mae: `${name}_mae_${unit}` } });
  const CHARTS = [
    { id: "loss", noisy: true, title: "Training loss", unit: "of batches", file: "steps", choose: "part", columns: { total: "loss", energy: "loss_energy", forces: "loss_forces", stress: "loss_stress" }, log: true, otherwise: ["metrics", "training_loss"] },
    { id: "validation", title: "Validation loss", unit: "", file: "metrics", column: "validation_loss", log: true },
    { id: "forces", title: "Forces, validation", unit: "meV/Å", choose: "error", ...rmse("forces", "meV_per_A"), log: true },
    { id: "energy", title: "Energy, validation", unit: "meV/atom", choose: "error", file: "metrics", columns: { rmse: "energy_per_atom_rmse_meV", mae: "energy_per_atom_mae_meV" }, log: true },
    { id: "stress", title: "Stress, validation", unit: "meV/Å³", choose: "error", ...rmse("stress", "meV_per_A3"), log: true },
    { id: "rate", title: "Learning rate", unit: "", file: "steps", column: "learning_rate", log: true, otherwise: ["metrics", "learning_rate"] },
    { id: "gradient", noisy: true, title: "Gradient norm", unit: "before clipping", file: "steps", column: "gradient_norm", log: true },
    { id: "speed", noisy: true, title: "Speed", unit: "frames/s", file: "steps", column: "frames_per_s" },
    { id: "cpu", noisy: true, title: "Processor", unit: "%, 100 is one core", file: "steps", column: "cpu_percent", sparse: true },
    { id: "memory", title: "Memory", unit: "MB", file: "steps", column: "memory_MB", sparse: true },
    { id: "gpu", title: "GPU memory", unit: "MB", file: "steps", column: "gpu_memory_MB", sparse: true },
  ];
  const CONTROLS = [
    { id: "axis", name: "x axis", values: { step: "step", epoch: "epoch", time: "time" } },
    { id: "scale", name: "scale", values: { log: "logarithmic", linear: "linear" } },
    { id: "error", name: "errors", values: { rmse: "RMSE", mae: "MAE" } },
    { id: "part", name: "loss term", values: { total: "total", energy: "energy", forces: "forces", stress: "stress" } },
  ];
  const chosen = Object.fromEntries(CONTROLS.map(({ id, values }) => [id, Object.keys(values)[0]]));
  let smoothing = 0.9, shown = [], asked = null;
  const figures = new Map(); // id -> { figure, drawing }
  let plotly = null;

  function loadPlotly() {
    plotly ??= new Promise((resolve, reject) => {
      const script = make("script", { src: document.documentElement.dataset.plotly, onload: resolve, onerror: () => reject(new Error("plotly.js cannot be loaded")) });
      document.head.append(script);
    });
    return plotly;
  }

  // Bias-corrected exponential moving average over points, of logarithms on a logarithmic scale; gaps remain gaps.
  function smoothed(values, log) {
    let mean = 0, weight = 0;
    return values.map((value) => {
      if (value === null || (log && value <= 0)) return null;
      mean = smoothing * mean + (1 - smoothing) * (log ? Math.log(value) : value);
      weight = smoothing * weight + (1 - smoothing);
      return log ? Math.exp(mean / weight) : mean / weight;
    });
  }

  const isLogarithmic = (chart) => Boolean(chart.log) && chosen.scale === "log";

  function points(key, chart) {
    const files = server.curve(key);
    const column = chart.column ?? chart.columns[chosen[chart.choose]];
    const found = files?.[chart.file]?.columns[column];
    if (found || !chart.otherwise || (chart.choose && chosen[chart.choose] !== "total")) return found;
    return files?.[chart.otherwise[0]]?.columns[chart.otherwise[1]];
  }

  const HOVER_X = { step: "step %{x:,.0f}", epoch: "epoch %{x:,.2f}", time: "%{x:,.3~f} h" };
  const AXIS_TITLE = { step: "step", epoch: "epoch", time: "hours of training" };

  function traces(chart) {
    const result = [];
    for (const key of shown) {
      let curve = points(key, chart);
      if (!curve) continue;
      if (chart.sparse) curve = curve.map((part) => part.filter((_, index) => curve[1][index] !== null)); // not recorded in every row
      const x = chosen.axis === "time" ? curve[0].map((seconds) => (seconds === null ? null : seconds / 3600)) : curve[0];
      const line = { color: selection.color(key), dash: selection.dash(key), width: 1.4 };
      const common = { type: "scatter", mode: x.length < 3 ? "markers" : "lines", x, name: escapedForPlotly(server.row(key)?.name ?? ""), showlegend: false };
      const smooth = smoothing > 0 && chart.noisy;
      if (smooth) result.push({ ...common, y: curve[1], line: { ...line, width: 0.8 }, opacity: 0.25, hoverinfo: "skip" });
      result.push({
        ...common, y: smooth ? smoothed(curve[1], isLogarithmic(chart)) : curve[1], line, customdata: curve[1],
        hovertemplate: `<b>%{fullData.name}</b><br>${HOVER_X[chosen.axis]}<br>${chart.title.toLowerCase()} %{customdata:.4~g}`
          + `${smooth ? "<br>smoothed %{y:.4~g}" : ""}<extra></extra>`,
      });
    }
    return result;
  }

  // Labeled ticks of a logarithmic axis: every digit, 1, 2 and 5, or powers of ten, depending on the visible decades.
  function logarithmic(drawn) {
    let low = Infinity, high = 0;
    for (const { y } of drawn) for (const value of y) if (value > 0) { low = Math.min(low, value); high = Math.max(high, value); }
    const decades = Math.log10(high / low);
    const linear = () => {
      const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
      return `L${power * [1, 2, 5, 10].find((factor) => factor * power >= rough)}`;
    };
    const dtick = !(decades > 0) ? null : decades < 0.4 ? linear() : decades < 0.8 ? "D1" : decades < 2.5 ? "D2" : 1;
    return { type: "log", tickformat: ".3~g", ...(dtick === null ? {} : { dtick }) };
  }

  function layout(chart, drawn) {
    const log = isLogarithmic(chart);
    const tickfont = { size: 11 };
    return {
      hovermode: "closest", hoverdistance: 40, uirevision: `${chosen.axis} ${log}`, margin: { l: 50, r: 10, t: 8, b: 38 }, showlegend: false,
      xaxis: { title: { text: AXIS_TITLE[chosen.axis], standoff: 4, font: { size: 12 } }, nticks: 7, exponentformat: "none", tickfont },
      yaxis: { ...(log ? logarithmic(drawn) : { rangemode: "tozero", tickformat: "~s" }), nticks: 6, tickfont },
    };
  }

  function draw(chart) {
    const { figure, drawing } = figures.get(chart.id);
    figure.querySelector(".kind").textContent = chart.choose === "error" ? ` ${chosen.error.toUpperCase()}` : "";
    if (figure.hidden) return;
    const drawn = traces(chart);
    potentialsPlots.draw(drawing, { data: drawn, layout: layout(chart, drawn) });
  }

  // Updates and draws the charts; changes during a drawing are drawn afterwards.
  let drawing = null, again = false;
  function update() {
    if (drawing) again = true;
    else drawing = drawUntilShown();
    return drawing;
  }

  async function drawUntilShown() {
    try {
      do { again = false; await drawAll(); } while (again);
    } finally {
      drawing = null;
    }
  }

  // Elements that are or were visible.
  async function drawAll() {
    const any = shown.some((key) => server.curve(key));
    let drawn = 0;
    for (const chart of CHARTS) {
      const { figure } = figures.get(chart.id);
      figure.hidden = !any || !shown.some((key) => points(key, chart));
      if (!figure.hidden) drawn++;
    }
    const none = byId("no-curves");
    none.hidden = drawn > 0;
    none.textContent = !shown.length ? "Select runs in the table to see their curves." : any ? "These runs have no metrics yet." : "Reading ...";
    byId("reading").hidden = !server.reading();
    if (!drawn) return;
    try {
      await loadPlotly();
    } catch (error) {
      none.hidden = false;
      none.textContent = `Curves cannot be drawn: ${error.message}. Reload the page.`;
      return;
    }
    for (const chart of CHARTS) {
      const { figure, drawing } = figures.get(chart.id);
      if (figure.hidden) continue;
      if ("drawn" in drawing.dataset) {
        draw(chart);
        await new Promise((resolve) => setTimeout(resolve)); // handle clicks and table updates between two charts
      } else if (!drawing.dataset.waits) { drawing.dataset.waits = "1"; potentialsPlots.whenSeen(drawing, () => draw(chart)); }
    }
  }

  // Draws only if the runs have changed; new points are announced by "curveschange".
  function show(keys) {
    if (asked === String(keys)) return;
    asked = String(keys);
    shown = keys;
    update();
  }

  function control({ id, name, values }) {
    const select = make("select", { id: `control-${id}`, "aria-label": name }, ...Object.entries(values).map(([value, text]) => make("option", { value }, text)));
    select.addEventListener("change", () => {
      chosen[id] = select.value;
      if (id === "axis") server.setAxis(select.value);
      else update();
    });
    return make("label", {}, make("span", { class: "name" }, name), select);
  }

  function start() {
    for (const chart of CHARTS) {
      const drawing = make("div", { class: "drawing", role: "img", "aria-label": `${chart.title} of the selected runs` });
      const head = make("figcaption", {}, chart.title, make("span", { class: "kind" }), make("span", { class: "unit" }, chart.unit ? `  ${chart.unit}` : ""));
      const figure = make("figure", { class: "chart", id: `chart-${chart.id}`, hidden: true }, head, drawing);
      figures.set(chart.id, { figure, drawing });
      byId("charts").append(figure);
    }
    const slider = make("input", { type: "range", id: "control-smoothing", min: "0", max: "0.98", step: "0.02", value: "0.9", "aria-label": "smoothing of noisy curves" });
    slider.addEventListener("input", () => { smoothing = Number(slider.value); update(); });
    byId("chart-controls").append(...CONTROLS.map(control), make("label", {}, make("span", { class: "name" }, "smoothing"), slider),
      make("span", { class: "reading", id: "reading", role: "status", hidden: true }, "reading long files; curves show a sample so far"));
    document.addEventListener("curveschange", (event) => event.detail.push(update().catch(reportError))); // not an error of the server
  }

  return { start, show, update, loadPlotly };
})();
