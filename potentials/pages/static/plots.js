// Draws plotly figures when they become visible, in the colors of the page.
"use strict";
const potentialsPlots = (() => {
  const color = potentialsTheme.color;
  const NARROW = 560;
  const CONFIG = {
    responsive: true, displaylogo: false, scrollZoom: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "hoverClosest3d", "tableRotation", "resetCameraLastSave3d"],
    toImageButtonOptions: { format: "svg" },
  };

  // Copies a figure with color variables replaced by their values. Typed arrays are not copied.
  function resolved(value) {
    if (typeof value === "string") return color(value);
    if (Array.isArray(value)) return value.map(resolved);
    if (value && typeof value === "object" && !ArrayBuffer.isView(value)) {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolved(inner)]));
    }
    return value;
  }

  function axis(given) {
    return {
      gridcolor: color("var(--line)"), linecolor: color("var(--muted)"), tickcolor: color("var(--muted)"),
      zeroline: false, ticks: "outside", ticklen: 4, showline: true, automargin: true, ...given,
      title: { standoff: 8, ...(typeof given.title === "string" ? { text: given.title } : given.title) },
    };
  }

  // The layout of a figure with the settings of the page: fonts, backgrounds, axes, and position of the legend.
  function themed(layout, width) {
    const narrow = width < NARROW;
    const own = resolved(layout);
    const result = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", colorway: resolved([1, 2, 3, 4, 5, 6, 7, 8].map((n) => `var(--series-${n})`)),
      hoverlabel: { bgcolor: color("var(--surface)"), bordercolor: color("var(--line)"), font: { color: color("var(--ink)") }, align: "left" },
      margin: { l: narrow ? 46 : 60, r: 12, t: own.title ? 40 : 14, b: 46 },
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
      ...own,
      font: { family: getComputedStyle(document.body).fontFamily, size: narrow ? 11 : 13, color: color("var(--ink)"), ...own.font },
    };
    for (const key of Object.keys(own)) if (/^[xy]axis\d*$/.test(key)) result[key] = axis(own[key]);
    if (!Object.keys(own).some((key) => /^scene\d*$/.test(key))) {
      result.xaxis = axis(own.xaxis || {});
      result.yaxis = axis(own.yaxis || {});
    }
    delete result.template;
    return result;
  }

  // Draws or redraws a figure {data, layout} in an element.
  function draw(element, figure) {
    return Plotly.react(element, resolved(figure.data), themed(figure.layout || {}, element.clientWidth), CONFIG);
  }

  const drawers = new Map(); // element -> function that draws it
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting || !entry.target.clientWidth) continue;
      observer.unobserve(entry.target);
      entry.target.dataset.drawn = "";
      drawers.get(entry.target)();
    }
  }, { rootMargin: "400px" });

  // Calls `drawer` when the element becomes visible, and again when the theme changes.
  function whenSeen(element, drawer) {
    drawers.set(element, drawer);
    observer.observe(element);
  }

  function redraw() {
    for (const [element, drawer] of drawers) if ("drawn" in element.dataset) drawer();
  }

  document.addEventListener("themechange", redraw);
  for (const element of document.querySelectorAll("figure.plot > .drawing")) {
    const figure = JSON.parse(element.querySelector("script").textContent);
    whenSeen(element, () => draw(element, figure));
  }

  // Buttons of which one is pressed; `chosen` is called with its index.
  function choices(buttons, chosen) {
    buttons.forEach((button, number) => button.addEventListener("click", () => {
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      chosen(number);
    }));
  }

  for (const gallery of document.querySelectorAll(".gallery")) {
    const panes = [...gallery.querySelectorAll(":scope > .choice")];
    choices([...gallery.querySelectorAll(":scope > .choices > button")], (number) => {
      panes.forEach((pane, index) => { pane.hidden = index !== number; });
      for (const element of panes[number].querySelectorAll(".drawing")) {
        if ("drawn" in element.dataset) Plotly.Plots.resize(element);
      }
    });
  }

  const links = new Map([...document.querySelectorAll("nav a[href^='#']")].map((link) => [link.hash.slice(1), link]));
  const reading = new IntersectionObserver((entries) => {
    for (const entry of entries) links.get(entry.target.id)?.classList.toggle("here", entry.isIntersecting);
  }, { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll("main > section[id]").forEach((section) => reading.observe(section));

  if (window.matchMedia("(max-width: 62rem)").matches) document.querySelector("nav details")?.removeAttribute("open");

  return { draw, whenSeen, choices, resolved, themed, CONFIG };
})();
