// Data from the server: rows of runs and points of curves, of which only changes are sent.
// Dispatches "runschange" and "curveschange" on document.
"use strict";
const server = (() => {
  const REST = 0.4, SHARE = 2; // seconds between requests: minimum, and multiple of the duration of the last one
  const runs = new Map(); // key -> row
  let keys = [], remarks = [], revision = 0, offset = 0, lastHeard = null;
  let curves = new Map(); // key -> { steps, metrics }, each { seen, columns: name -> [x, y] }
  let axis = "step", reading = false;

  async function ask(address) {
    const answer = await fetch(address, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    return answer.json();
  }

  async function askRuns() {
    const news = await ask(`api/runs?since=${revision}`);
    offset = news.time - Date.now() / 1000;
    for (const row of news.rows) runs.set(row.key, row);
    if (news.keys) {
      ({ keys, remarks } = news);
      const existing = new Set(keys);
      for (const key of runs.keys()) if (!existing.has(key)) runs.delete(key);
      for (const key of curves.keys()) if (!existing.has(key)) curves.delete(key);
    }
    const changed = revision !== news.revision || Boolean(news.keys);
    revision = news.revision;
    if (changed) document.dispatchEvent(new CustomEvent("runschange", { detail: news.rows.map((row) => row.key) }));
  }

  // Points of a column after an update: the earlier points that remain valid, then the new ones.
  const joined = (before, after, keep) => [0, 1].map((part) => [...(before?.[part] ?? []).slice(0, keep), ...after[part]]);

  function take(key, kind, news) {
    const files = curves.get(key) ?? {};
    const before = news.keep ? files[kind]?.columns ?? {} : {};
    const columns = {};
    for (const [name, points] of Object.entries(news.columns)) columns[name] = joined(before[name], points, news.keep);
    curves.set(key, { ...files, [kind]: { seen: news.seen, columns } });
  }

  async function askCurves(shown) {
    if (!shown.length) return;
    const asked = axis;
    const query = shown.map((key) => `run=${key},${curves.get(key)?.steps?.seen ?? ""},${curves.get(key)?.metrics?.seen ?? ""}`);
    const answer = await ask(`api/curves?x=${asked}&${query.join("&")}`);
    if (asked !== axis) return;
    for (const [key, kinds] of Object.entries(answer.runs)) for (const [kind, news] of Object.entries(kinds)) take(key, kind, news);
    const wasReading = reading;
    reading = answer.more;
    const drawn = []; // promises of the drawing functions, so that the next request waits for them
    if (Object.keys(answer.runs).length || wasReading !== reading) document.dispatchEvent(new CustomEvent("curveschange", { detail: drawn }));
    await Promise.all(drawn);
    if (reading) setTimeout(lines, 60);
  }

  function heard() {
    lastHeard = Date.now() / 1000;
    byId("lost").hidden = true;
  }

  function notHeard(error) {
    byId("lost").textContent = `No answer from the server${lastHeard ? ` since ${formats.time(lastHeard)}` : ""} (${error.message}); trying again.`;
    byId("lost").hidden = false;
  }

  // A function that sends a request now and repeatedly while the window is visible; slow responses and drawing reduce the frequency.
  // One request at a time; a call during a request starts another one afterwards.
  function repeated(question) {
    let asking = false, wanted = false, timer = null, took = 0;
    async function once() {
      const begun = performance.now();
      try { await question(); heard(); } catch (error) { notHeard(error); }
      took = performance.now() - begun;
    }
    async function now() {
      wanted = true;
      if (asking) return;
      asking = true;
      clearTimeout(timer);
      while (wanted) { wanted = false; await once(); }
      asking = false;
      rest();
    }
    const rest = () => { timer = setTimeout(() => (document.hidden ? rest() : now()), Math.max(1000 * REST, SHARE * took)); };
    return now;
  }

  // Separate requests, so that the table does not wait for curves.
  let shownKeys = () => [];
  const table = repeated(askRuns), lines = repeated(() => askCurves(shownKeys()));
  const refresh = () => Promise.all([table(), lines()]);
  async function start(whose) {
    shownKeys = whose;
    document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
    await table();
    await lines();
  }

  function setAxis(name) {
    axis = name;
    curves = new Map();
    lines();
  }

  return {
    ask, start, refresh, setAxis, row: (key) => runs.get(key), curve: (key) => curves.get(key), keys: () => keys,
    remarks: () => remarks, revision: () => revision, now: () => Date.now() / 1000 + offset, axis: () => axis, reading: () => reading,
  };
})();
