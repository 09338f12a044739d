// Interactive drawings of `potentials visualize`, based on plots.js and structures.js.
"use strict";
const potentialsVisualize = (() => {
  const holder = document.getElementById("visual-shared");
  if (!holder) return {};
  const { sphere, structure } = JSON.parse(holder.textContent);
  const { Mesh, traces, layout } = potentialsStructures;
  const SIGN = [[0, "var(--negative)"], [0.499, "var(--negative)"], [0.501, "var(--positive)"], [1, "var(--positive)"]];
  const LIGHT = { ambient: 0.66, diffuse: 0.75, specular: 0.15, roughness: 0.6, fresnel: 0.05 };
  const REACH = 0.95; // A, radius of the largest signal
  const POINTS = sphere.points.length / 3;
  const names = structure.symbols.map((symbol, atom) => `${symbol} ${structure.numbers[atom]}`);

  const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  // f(u) = sum_m h_m Y_lm(u) at the points of the sphere.
  function signal(coefficients, degree) {
    const first = degree * degree, values = new Float32Array(POINTS);
    for (let point = 0; point < POINTS; point++) {
      const row = point * sphere.components + first;
      for (let m = 0; m < coefficients.length; m++) values[point] += coefficients[m] * sphere.harmonics[row + m];
    }
    return values;
  }

  // Collects signals in one trace; the radius of each is `scale` times its absolute value in a direction.
  class Signals {
    constructor() { this.x = []; this.y = []; this.z = []; this.i = []; this.j = []; this.k = []; this.signs = []; this.text = []; }

    add(values, center, scale, text) {
      const first = this.x.length;
      for (let point = 0; point < POINTS; point++) {
        const radius = scale * Math.abs(values[point]), p = 3 * point;
        this.x.push(center[0] + radius * sphere.points[p]);
        this.y.push(center[1] + radius * sphere.points[p + 1]);
        this.z.push(center[2] + radius * sphere.points[p + 2]);
        this.signs.push(Math.sign(values[point]));
        this.text.push(text);
      }
      for (let t = 0; t < sphere.triangles.length; t += 3) {
        this.i.push(first + sphere.triangles[t]); this.j.push(first + sphere.triangles[t + 1]); this.k.push(first + sphere.triangles[t + 2]);
      }
    }

    // A small sphere (of structures.js) for values on a grid of orientations.
    dot(value, center, radius, text) {
      const first = this.x.length;
      for (const p of potentialsStructures.SPHERE.points) {
        this.x.push(center[0] + radius * p[0]); this.y.push(center[1] + radius * p[1]); this.z.push(center[2] + radius * p[2]);
        this.signs.push(Math.sign(value)); this.text.push(text);
      }
      for (const [a, b, c] of potentialsStructures.SPHERE.triangles) { this.i.push(first + a); this.j.push(first + b); this.k.push(first + c); }
    }

    trace(more) {
      const { signs, ...mesh } = this;
      return {
        type: "mesh3d", ...mesh, intensity: signs, cmin: -1, cmax: 1, colorscale: SIGN, showscale: false, flatshading: false,
        lighting: LIGHT, lightposition: { x: 6000, y: -9000, z: 9000 }, hovertemplate: "%{text}<extra></extra>", ...more,
      };
    }
  }

  // The molecule: opaque, or faint as a background of drawings on its atoms.
  function molecule(positions, faint) {
    const drawn = traces({ ...structure, positions, arrows: [], notes: names.map((_, atom) => `atom ${structure.numbers[atom]}`) });
    return drawn.map((trace) => ({ ...trace, showlegend: false, opacity: faint ? 0.28 : 1, hoverinfo: faint ? "skip" : undefined, hovertemplate: faint ? undefined : trace.hovertemplate }));
  }

  // A scene of fixed extent, so that the scale is constant during a rotation.
  function scene(place) {
    const result = layout({ showlegend: false });
    const reach = 1.05 + Math.max(...structure.positions.map((p) => Math.hypot(...p)));
    const axis = { visible: false, showspikes: false, range: [-reach, reach], autorange: false };
    Object.assign(result.scene, { xaxis: axis, yaxis: axis, zaxis: axis, aspectmode: "cube" });
    const [x, y, z] = structure.eye.map((part) => 1.12 * Math.max(1, place.clientHeight / place.clientWidth) * part), [upX, upY, upZ] = structure.up;
    result.scene.camera = { eye: { x, y, z }, up: { x: upX, y: upY, z: upZ }, projection: { type: "perspective" } };
    return result;
  }

  // Controls. Each function returns an object whose `value` is the selection.
  function select(controls, name, options, changed) {
    const label = document.createElement("label"), field = document.createElement("select");
    field.setAttribute("aria-label", name);
    label.append(name, field);
    controls.append(label);
    const fill = (texts) => {
      const before = field.selectedIndex < 0 ? 0 : field.selectedIndex;
      field.replaceChildren(...texts.map((text, number) => new Option(text, number)));
      field.selectedIndex = Math.min(before, texts.length - 1);
      label.hidden = texts.length < 2;
    };
    fill(options);
    field.addEventListener("change", changed);
    return { get value() { return field.selectedIndex; }, set value(number) { field.selectedIndex = number; }, fill };
  }

  function slider(controls, name, most, describeValue, changed) {
    const label = document.createElement("label"), field = document.createElement("input"), output = document.createElement("output");
    Object.assign(field, { type: "range", min: 0, max: most, value: 0, step: 1 });
    field.setAttribute("aria-label", name);
    output.style.minWidth = "3.2em";
    label.append(name, field, output);
    controls.append(label);
    const describe = () => { output.textContent = describeValue(Number(field.value)); };
    field.addEventListener("input", () => { describe(); changed(); });
    describe();
    return { get value() { return Number(field.value); } };
  }

  function button(controls, text, pressed) {
    const field = document.createElement("button");
    Object.assign(field, { type: "button", textContent: text });
    field.addEventListener("click", () => pressed(field));
    controls.append(field);
  }

  // The elements of a figure, and a function that redraws all of its drawings that have been visible.
  function parts(figure) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const places = Object.fromEntries([...figure.querySelectorAll(".drawing")].map((place) => [place.dataset.name, place]));
    const drawers = {};
    const redraw = () => { for (const [name, drawer] of Object.entries(drawers)) if ("drawn" in places[name].dataset) drawer(); };
    const draw = (name, make) => {
      drawers[name] = () => potentialsPlots.draw(places[name], make());
      potentialsPlots.whenSeen(places[name], drawers[name]);
    };
    const say = (text) => { figure.querySelector(".said").textContent = text; };
    return { data, places, draw, redraw, say, controls: figure.querySelector(".controls") };
  }

  // A click on an atom selects it: vertices have names such as "C 0".
  function onAtom(place, chosen) {
    let waiting = false;
    const listen = () => place.on("plotly_click", ({ points }) => {
      const found = /^[A-Z][a-z]? (\d+)/.exec(points[0]?.text ?? "");
      const atom = found ? structure.numbers.indexOf(Number(found[1])) : -1;
      if (atom < 0 || waiting) return;
      // Delayed: drawing within plotly's click event would trigger the event again.
      waiting = true;
      setTimeout(() => { chosen(atom); waiting = false; }, 50);
    });
    new MutationObserver((_, observer) => { if (place.on) { observer.disconnect(); listen(); } }).observe(place, { childList: true });
  }

  const narrow = (place) => place.clientWidth < 560;
  const short = (value, digits = 2) => (value === 0 ? "0" : value.toPrecision(digits));
  const kinds = {};

  kinds.harmonics = ({ data, draw, places }) => {
    if (narrow(places.scene)) places.scene.style.height = "300px";
    const shapes = new Signals(), labels = { x: [], y: [], z: [], text: [] };
    const reach = 0.44, parity = (l) => (l % 2 ? "o" : "e");
    for (let l = 0; l <= data.degree; l++) {
      for (let m = -l; m <= l; m++) {
        const coefficients = new Array(2 * l + 1).fill(0);
        coefficients[l + m] = 1;
        const values = signal(coefficients, l);
        const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        // In the x-y plane, because y is the polar axis.
        shapes.add(values, [m, -l, 0], (l ? reach : 0.28) / largest, `l = ${l}, m = ${m}`);
      }
      labels.x.push(-data.degree - 0.9); labels.y.push(-l); labels.z.push(0); labels.text.push(narrow(places.scene) ? `${l}${parity(l)}` : `l = ${l}  (${l}${parity(l)})`);
    }
    draw("scene", () => ({
      data: [shapes.trace(), { type: "scatter3d", mode: "text", ...labels, hoverinfo: "skip", textfont: { color: "var(--muted)", size: 13 }, textposition: "middle center" }],
      layout: (() => {
        const result = layout({ showlegend: false });
        // Plotly scales the box to volume one; the vertical angle of view is 45 degrees.
        const wide = 2 * data.degree + 2.6, high = data.degree + 1.1, size = Math.cbrt(wide * high);
        const aspect = places.scene.clientWidth / places.scene.clientHeight;
        const far = 0.1 + 0.5 * Math.max(wide / aspect, high) / size / Math.tan(Math.PI / 8);
        result.scene.camera = { eye: { x: 0.1 * far, y: 0.16 * far, z: far }, up: { x: 0, y: 1, z: 0 }, projection: { type: "perspective" } };
        return result;
      })(),
    }));
  };

  kinds.radial = ({ data, draw, redraw, controls, say }) => {
    const rounds = ["basis", ...data.rounds.map((round) => (round.learned ? `learned, ${round.name}` : round.name))];
    const what = select(controls, "show", rounds, changed);
    const path = select(controls, "path", [""], redrawAll);
    const pair = select(controls, "neighbor to atom", ["all", ...data.pairs], redrawAll);
    if (data.rounds.length) what.value = 1;
    function redrawAll() { describe(); redraw(); }
    function changed() { path.fill(what.value ? data.rounds[what.value - 1].paths : [""]); path.value = 0; redrawAll(); }
    // If the functions do not depend on the species, there is a single set of them.
    const of = (sets) => sets[Math.min(Math.max(pair.value - 1, 0), sets.length - 1)];
    function describe() {
      if (!what.value) { say("The basis functions and the envelope."); return; }
      const count = of(data.rounds[what.value - 1].curves)[path.value].length;
      say(`The ${count} channels with the largest weights of this path.`);
    }
    const line = (values, name, number) => ({
      type: "scatter", mode: "lines", x: data.distances, y: values, name,
      line: { color: `var(--series-${number % 8 + 1})`, width: number === 0 && what.value ? 3 : 1.8, dash: number >= 8 ? "dot" : "solid" },
    });
    draw("curves", () => {
      const counts = pair.value ? data.histogram.pairs[pair.value - 1] : data.histogram.all, { middles, width } = data.histogram;
      const curves = what.value
        ? of(data.rounds[what.value - 1].curves)[path.value].map(({ channel, values }, number) => line(values, `channel ${channel}`, number))
        : of(data.basis).map((values, number) => line(values, `B${number + 1}`, number));
      if (!what.value && data.envelope.length) {
        curves.push({ type: "scatter", mode: "lines", x: data.distances, y: data.envelope, name: "envelope", line: { color: "var(--ink)", dash: "dash", width: 2 } });
      }
      const first = counts.findIndex((count) => count > 0), nearest = first < 0 ? 0 : middles[first] - width / 2;
      // Functions may be large at distances shorter than those of atoms; scale to the relevant range.
      const seen = curves.flatMap(({ y }) => y.filter((_, place) => data.distances[place] >= nearest - 0.1));
      const low = Math.min(0, ...seen), high = Math.max(0, ...seen), room = 0.08 * (high - low || 1);
      const bars = {
        type: "bar", x: middles, y: counts, width: width * 0.9, yaxis: "y2", showlegend: false, marker: { color: "var(--muted)" }, hovertemplate: "%{x:.2f} A: %{y}<extra></extra>",
      };
      const edge = { type: "line", x0: data.cutoff, x1: data.cutoff, y0: 0, y1: 1, yref: "paper", line: { color: "var(--muted)", dash: "dash", width: 1 } };
      const empty = { type: "rect", x0: 0, x1: nearest, y0: 0, y1: 1, yref: "paper", fillcolor: "var(--shade)", line: { width: 0 }, layer: "below" };
      return {
        data: [...curves, bars],
        layout: {
          xaxis: { title: "distance (Å)", range: [0, data.cutoff * 1.02], anchor: "y2" },
          yaxis: { title: what.value ? "R(r)" : "B(r)", domain: [0.34, 1], range: [low - room, high + room], zeroline: true, zerolinecolor: "var(--muted)" },
          yaxis2: { title: "neighbors", domain: [0, 0.24], rangemode: "tozero" },
          shapes: nearest ? [empty, edge] : [edge], showlegend: curves.length < 14, hovermode: "closest",
        },
      };
    });
    changed();
  };

  kinds.messages = ({ data, places, draw, redraw, controls, say }) => {
    const heaviest = data.receivers.reduce((best, receiver, atom) => (receiver.of > data.receivers[best].of || (receiver.of === data.receivers[best].of && structure.symbols[atom] !== "H" && structure.symbols[best] === "H") ? atom : best), 0);
    const atom = select(controls, "atom", names, all);
    const round = select(controls, "layer", data.rounds.map(({ name }) => name), all);
    atom.value = heaviest;
    const total = (sizes) => Math.sqrt(sizes.reduce((sum, size) => sum + size * size, 0));
    function all() { describe(); redraw(); }
    function describe() {
      const { neighbors, of } = data.receivers[atom.value], sizes = data.rounds[round.value].sizes[atom.value].map(total);
      if (!neighbors.length) { say(`${names[atom.value]} has no neighbors within the cutoff.`); return; }
      const sum = total(data.rounds[round.value].sums[atom.value]), apart = sizes.reduce((a, b) => a + b, 0);
      const kept = of > neighbors.length ? ` The ${neighbors.length} largest are shown.` : "";
      say(`${names[atom.value]} has ${of} neighbors.${kept} The norms of their messages add up to ${apart.toPrecision(3)}; the norm of the sum is ${sum.toPrecision(3)}.`);
    }
    draw("scene", () => {
      const center = structure.positions[atom.value], { neighbors } = data.receivers[atom.value];
      const sizes = data.rounds[round.value].sizes[atom.value].map(total), most = Math.max(...sizes, 1e-12);
      const lines = new Mesh(), images = new Mesh(), ring = new Mesh();
      neighbors.forEach((neighbor, number) => {
        const end = add(center, neighbor.offset), text = `${neighbor.symbol} ${neighbor.number}<br>norm ${sizes[number].toPrecision(3)}`;
        const radius = 0.02 + 0.15 * sizes[number] / most;
        lines.tube(end, center, radius, radius * 0.6, text);
        if (!structure.positions.some((p) => Math.hypot(p[0] - end[0], p[1] - end[1], p[2] - end[2]) < 0.05)) images.sphere(end, 0.25, text);
      });
      ring.sphere(center, structure.radii[atom.value] * 1.35, names[atom.value]);
      const result = molecule(structure.positions, false);
      if (lines.x.length) result.push(lines.trace("var(--series-2)", { name: "messages", opacity: 0.85 }));
      if (images.x.length) result.push(images.trace("var(--muted)", { name: "images", opacity: 0.6 }));
      result.push(ring.trace("var(--accent)", { opacity: 0.25, hoverinfo: "skip", hovertemplate: undefined }));
      return { data: result, layout: scene(places.scene) };
    });
    draw("bars", () => {
      const { neighbors } = data.receivers[atom.value], { blocks, sizes } = data.rounds[round.value];
      const label = neighbors.map(({ symbol, number, offset }) => `${symbol} ${number}, ${Math.hypot(...offset).toFixed(2)} A`);
      // Fractions of squares, because these add up to the square of the message norm.
      const bars = blocks.map((block, number) => ({
        type: "bar", orientation: "h", name: block, y: label.map((_, row) => row), marker: { color: `var(--series-${number % 8 + 1})` },
        x: sizes[atom.value].map((parts) => parts[number] ** 2 / Math.max(total(parts), 1e-300)),
        customdata: label.map((text, row) => `${text}<br>${block}: ${sizes[atom.value][row][number].toPrecision(3)}`), hovertemplate: "%{customdata}<extra></extra>",
      }));
      return {
        data: bars,
        layout: {
          barmode: "stack", legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal" }, xaxis: { title: "norm of the message by degree", rangemode: "tozero" },
          yaxis: { tickvals: label.map((_, row) => row), ticktext: label, autorange: "reversed", showgrid: false },
        },
      };
    });
    onAtom(places.scene, (chosen) => { if (atom.value !== chosen) { atom.value = chosen; all(); } });
    describe();
  };

  kinds.features = ({ data, places, draw, redraw, controls, say }) => {
    const stage = select(controls, "layer", data.stages.map(({ name }) => name), restage);
    const block = select(controls, "block", [""], reblock);
    const channel = select(controls, "channel", [""], all);
    const atom = select(controls, "atom", ["all", ...names], all);
    const current = () => data.stages[stage.value].blocks[block.value];
    // Start with the last layer whose features have directions.
    stage.value = data.stages.reduce((best, { blocks }, number) => (blocks.length >= data.stages[best].blocks.length && !data.stages[number].name.startsWith("A") ? number : best), 0);
    function all() { describe(); redraw(); }
    function restage() { const { blocks } = data.stages[stage.value]; block.fill(blocks.map(({ label }) => label)); block.value = blocks.length - 1; reblock(); }
    function reblock() { channel.fill(current().channels); channel.value = 0; all(); }
    const components = () => (data.stages[stage.value].grid ? data.stages[stage.value].grid.length / 3 : 2 * current().degree + 1);
    function values(of, chosen) {
      const { values: numbers, channels } = current(), size = components();
      return Array.from({ length: size }, (_, m) => numbers[(of * size + m) * channels.length + chosen]);
    }
    const norm = (list) => Math.hypot(...list);
    function describe() {
      const { label, degree, pseudo, channels } = current(), found = names.map((_, of) => norm(values(of, channel.value)));
      const largest = found.indexOf(Math.max(...found));
      const kind = pseudo ? " Pseudotensor: its colors are also swapped under reflection." : "";
      const symmetry = degree ? " It rotates with the structure." : " It is invariant under rotation.";
      say(`${label}, ${channels[channel.value]}: largest on ${names[largest]}.${data.stages[stage.value].grid ? "" : symmetry}${kind}`);
    }
    draw("scene", () => {
      const { grid } = data.stages[stage.value], shapes = new Signals();
      const all = names.map((_, of) => values(of, channel.value));
      const drawn = grid ? all : all.map((numbers) => signal(numbers, current().degree));
      const most = Math.max(...drawn.map((numbers) => numbers.reduce((m, v) => Math.max(m, Math.abs(v)), 0)), 1e-12);
      drawn.forEach((numbers, of) => {
        if (atom.value && of !== atom.value - 1) return;
        const text = `${names[of]}<br>norm ${norm(all[of]).toPrecision(3)}`, center = structure.positions[of];
        if (!grid) { shapes.add(numbers, center, REACH / most, text); return; }
        numbers.forEach((value, o) => {
          const at = add(center, [0, 1, 2].map((axis) => 0.6 * grid[3 * o + axis]));
          shapes.dot(value, at, 0.16 * Math.sqrt(Math.abs(value) / most), text);
        });
      });
      return { data: [...molecule(structure.positions, true), shapes.trace()], layout: scene(places.scene) };
    });
    draw("bars", () => {
      const chosen = atom.value ? atom.value - 1 : -1, { channels, degree } = current();
      const scalar = degree === 0 && !data.stages[stage.value].grid;
      const of = (which) => (scalar ? values(which, channel.value)[0] : norm(values(which, channel.value)));
      if (chosen < 0) {
        return {
          data: [{ type: "bar", x: names, y: names.map((_, which) => of(which)), marker: { color: "var(--series-1)" }, hovertemplate: "%{x}: %{y:.3g}<extra></extra>" }],
          layout: { xaxis: { title: "atom" }, yaxis: { title: scalar ? "value" : "norm" } },
        };
      }
      const shown = channels.map((name, number) => ({ name: name.replace(/ \(.*/, "").replace("combination", "comb.").replace("channel ", ""), value: scalar ? values(chosen, number)[0] : norm(values(chosen, number)), number }));
      return {
        data: [{ type: "bar", x: shown.map(({ name }) => name), y: shown.map(({ value }) => value), marker: { color: shown.map(({ number }) => (number === channel.value ? "var(--series-2)" : "var(--series-1)")) }, hovertemplate: "%{x}: %{y:.3g}<extra></extra>" }],
        layout: { xaxis: { title: `channels of ${names[chosen]}`, type: "category" }, yaxis: { title: scalar ? "value" : "norm" } },
      };
    });
    onAtom(places.scene, (chosen) => { if (atom.value !== chosen + 1) { atom.value = chosen + 1; all(); } });
    restage();
  };

  kinds.rotation = ({ data, places, draw, redraw, controls, say }) => {
    const stage = select(controls, "features", data.stages.map(({ name }) => name), restage);
    const block = select(controls, "block", [""], all);
    const axis = select(controls, "rotation axis", data.axes, all);
    const right = select(controls, "right picture", ["rotated by Wigner's D", "unchanged"], all);
    const angle = slider(controls, "angle", data.angles.length - 1, (step) => `${Math.round(data.angles[step])}\u00b0`, all);
    let timer = null;
    button(controls, "Play", (field) => {
      if (timer) { clearInterval(timer); timer = null; field.textContent = "Play"; return; }
      field.textContent = "Pause";
      const input = controls.querySelector("input[type=range]");
      timer = setInterval(() => {
        input.value = (Number(input.value) + 1) % data.angles.length;
        input.dispatchEvent(new Event("input"));
      }, 250);
    });
    // Start with the highest degree of the last layer that has one, whose rotation is most visible.
    stage.value = data.stages.reduce((best, { blocks, name }, number) => (blocks.length >= data.stages[best].blocks.length && !name.startsWith("A") ? number : best), 0);
    function restage() { const { blocks } = data.stages[stage.value]; block.fill(blocks.map(({ label }) => label)); block.value = blocks.length - 1; all(); }
    const rotation = () => axis.value * data.angles.length + angle.value;
    function all() {
      describe();
      redraw();
    }
    function describe() {
      const relative = data.stages[stage.value].difference[rotation()];
      say(`Rotated by ${Math.round(data.angles[angle.value])}\u00b0 about ${data.axes[axis.value]}: energy ${signed(data.energy[rotation()])} meV, forces differ by ${short(data.forces[rotation()])} meV/Å at most, these features by ${short(relative)} of the largest feature.`);
    }
    const signed = (value) => `${value < 0 ? "\u2212" : "+"}${short(Math.abs(value))}`;
    function positions() {
      const radians = data.angles[angle.value] * Math.PI / 180, c = Math.cos(radians), s = Math.sin(radians);
      const a = (axis.value + 1) % 3, b = (axis.value + 2) % 3;
      return structure.positions.map((p) => { const q = [...p]; q[a] = c * p[a] - s * p[b]; q[b] = s * p[a] + c * p[b]; return q; });
    }
    function picture(numbers) {
      const { degree, computed } = data.stages[stage.value].blocks[block.value], size = 2 * degree + 1, count = data.atoms.length * size;
      const most = largest(computed.slice(0, count), degree), shapes = new Signals(), rotated = positions();
      data.atoms.forEach((atom, n) => {
        const values = signal(numbers.slice(n * size, (n + 1) * size), degree);
        shapes.add(values, rotated[atom], REACH / most, names[atom]);
      });
      return { data: [...molecule(rotated, true), shapes.trace()], layout: scene(places.computed) };
    }
    function largest(numbers, degree) {
      let most = 1e-12;
      const size = 2 * degree + 1;
      for (let first = 0; first < numbers.length; first += size) for (const value of signal(numbers.slice(first, first + size), degree)) most = Math.max(most, Math.abs(value));
      return most;
    }
    function at(numbers, step) {
      const count = data.atoms.length * (2 * data.stages[stage.value].blocks[block.value].degree + 1);
      return numbers.slice(step * count, (step + 1) * count);
    }
    draw("computed", () => picture(at(data.stages[stage.value].blocks[block.value].computed, rotation())));
    draw("expected", () => {
      const { expected } = data.stages[stage.value].blocks[block.value];
      return picture(right.value ? at(expected, axis.value * data.angles.length) : at(expected, rotation()));
    });
    restage();
  };

  for (const figure of document.querySelectorAll("figure.visual")) kinds[figure.dataset.kind](parts(figure));
  return { kinds, signal, escaped };
})();
