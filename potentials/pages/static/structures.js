// Draws structures with plotly: spheres, bonds, edges of the cell and arrows, all as meshes.
"use strict";
const potentialsStructures = (() => {
  const LIGHT = { ambient: 0.72, diffuse: 0.7, specular: 0.12, roughness: 0.6, fresnel: 0.05 };
  const BOND = 0.09, SHAFT = 0.055, HEAD = 0.14, SIDES = 16;

  const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
  const scale = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
  const subtract = (a, b) => add(a, scale(b, -1));
  const norm = (a) => Math.hypot(...a);
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

  // An icosahedron with its triangles subdivided twice: 162 points of the unit sphere, 320 triangles.
  const SPHERE = (() => {
    const g = (1 + Math.sqrt(5)) / 2;
    let points = [[-1, g, 0], [1, g, 0], [-1, -g, 0], [1, -g, 0], [0, -1, g], [0, 1, g], [0, -1, -g], [0, 1, -g], [g, 0, -1], [g, 0, 1], [-g, 0, -1], [-g, 0, 1]]
      .map((p) => scale(p, 1 / norm(p)));
    let triangles = [[0, 11, 5], [0, 5, 1], [0, 1, 7], [0, 7, 10], [0, 10, 11], [1, 5, 9], [5, 11, 4], [11, 10, 2], [10, 7, 6], [7, 1, 8],
      [3, 9, 4], [3, 4, 2], [3, 2, 6], [3, 6, 8], [3, 8, 9], [4, 9, 5], [2, 4, 11], [6, 2, 10], [8, 6, 7], [9, 8, 1]];
    for (let round = 0; round < 2; round++) {
      const middles = new Map();
      const middle = (a, b) => {
        const key = a < b ? `${a},${b}` : `${b},${a}`;
        if (!middles.has(key)) {
          const sum = add(points[a], points[b]);
          middles.set(key, points.push(scale(sum, 1 / norm(sum))) - 1);
        }
        return middles.get(key);
      };
      triangles = triangles.flatMap(([a, b, c]) => {
        const ab = middle(a, b), bc = middle(b, c), ca = middle(c, a);
        return [[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]];
      });
    }
    return { points, triangles };
  })();

  // Collects triangles of one color in one trace.
  class Mesh {
    constructor() { this.x = []; this.y = []; this.z = []; this.i = []; this.j = []; this.k = []; this.text = []; }
    point(p, text) { this.text.push(text); this.x.push(p[0]); this.y.push(p[1]); return this.z.push(p[2]) - 1; }
    triangle(a, b, c) { this.i.push(a); this.j.push(b); this.k.push(c); }

    sphere(center, radius, text) {
      const first = this.x.length;
      for (const p of SPHERE.points) this.point(add(center, scale(p, radius)), text);
      for (const [a, b, c] of SPHERE.triangles) this.triangle(first + a, first + b, first + c);
    }

    // A tube between two points with linearly varying radius; an end radius of 0 gives a cone.
    tube(from, to, radius, end, text) {
      const along = subtract(to, from), length = norm(along);
      if (length < 1e-9) return;
      const z = scale(along, 1 / length);
      const x0 = cross(z, Math.abs(z[0]) < 0.9 ? [1, 0, 0] : [0, 1, 0]);
      const x = scale(x0, 1 / norm(x0)), y = cross(z, x);
      const first = this.x.length;
      for (let side = 0; side < SIDES; side++) {
        const angle = 2 * Math.PI * side / SIDES;
        const out = add(scale(x, Math.cos(angle)), scale(y, Math.sin(angle)));
        this.point(add(from, scale(out, radius)), text);
        this.point(add(to, scale(out, end)), text);
      }
      for (let side = 0; side < SIDES; side++) {
        const a = first + 2 * side, b = first + 2 * ((side + 1) % SIDES);
        this.triangle(a, b, a + 1);
        this.triangle(a + 1, b, b + 1);
      }
    }

    arrow(from, vector, text) {
      const length = norm(vector);
      if (length < 1e-3) return;
      const head = Math.min(3 * HEAD, 0.5 * length);
      const neck = add(from, scale(vector, 1 - head / length));
      const width = Math.min(1, head / (3 * HEAD) + 0.3);
      this.tube(from, neck, SHAFT * width, SHAFT * width, text);
      this.tube(neck, add(from, vector), HEAD * width, 0, text);
      this.tube(neck, add(neck, scale(vector, 1e-4)), 0, HEAD * width, text);
    }

    trace(color, more) {
      const { text, ...mesh } = this;
      return {
        type: "mesh3d", ...mesh, text, color: color, flatshading: false, lighting: LIGHT, lightposition: { x: 6000, y: -9000, z: 9000 },
        hovertemplate: "%{text}<extra></extra>", showscale: false, ...more,
      };
    }
  }

  // Traces of a structure in the format of `structure_json` (structure.py).
  function traces(structure) {
    const { symbols, positions, radii, colors, bonds, cell, notes, arrows } = structure;
    const meshes = Object.fromEntries(Object.keys(colors).map((symbol) => [symbol, new Mesh()]));
    const texts = symbols.map((symbol, atom) => `${symbol} ${atom}${notes[atom] ? `<br>${escaped(notes[atom])}` : ""}`);
    positions.forEach((center, atom) => meshes[symbols[atom]].sphere(center, radii[atom], texts[atom]));
    for (const [a, b] of bonds) {
      const middle = scale(add(positions[a], positions[b]), 0.5);
      meshes[symbols[a]].tube(positions[a], middle, BOND, BOND, texts[a]);
      meshes[symbols[b]].tube(middle, positions[b], BOND, BOND, texts[b]);
    }
    const result = Object.entries(meshes).map(([symbol, mesh]) => mesh.trace(colors[symbol], { name: symbol }));
    if (cell.length) {
      const line = (axis) => cell.flatMap(([from, to]) => [from[axis], to[axis], null]);
      result.push({
        type: "scatter3d", mode: "lines", x: line(0), y: line(1), z: line(2), hoverinfo: "skip", showlegend: false,
        line: { color: "var(--muted)", width: 2 },
      });
    }
    for (const set of arrows) {
      const mesh = new Mesh();
      set.vectors.forEach((vector, atom) => mesh.arrow(positions[atom], vector, `${texts[atom]}<br>${escaped(set.name)}`));
      if (mesh.x.length) result.push(mesh.trace(set.color, { name: set.name, showlegend: true, opacity: 1 }));
    }
    return result;
  }

  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  // Layout of a scene without axes that keeps its rotation when it is redrawn.
  function layout(more) {
    const hidden = { visible: false, showspikes: false };
    return {
      margin: { l: 0, r: 0, t: 0, b: 0 }, uirevision: "scene", showlegend: true,
      legend: { orientation: "h", x: 0, y: 0, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)", itemsizing: "constant" },
      scene: {
        xaxis: hidden, yaxis: hidden, zaxis: hidden, aspectmode: "data", dragmode: "orbit",
        camera: { eye: { x: 1.0, y: -1.2, z: 0.6 }, projection: { type: "perspective" } },
      },
      ...more,
    };
  }

  for (const figure of document.querySelectorAll("figure.structures")) {
    const element = figure.querySelector(".drawing");
    const frames = JSON.parse(element.querySelector("script").textContent);
    let current = 0;
    const draw = () => {
      const scene = layout();
      // A cell has corners outside the atoms, and on narrow screens the width limits what is visible.
      const cell = frames.some((frame) => frame.cell.length) ? 1.2 : 1.0;
      const away = cell * Math.max(1, 1.15 * element.clientHeight / element.clientWidth);
      const { x, y, z } = scene.scene.camera.eye;
      scene.scene.camera.eye = { x: away * x, y: away * y, z: away * z };
      return potentialsPlots.draw(element, { data: traces(frames[current]), layout: scene });
    };
    potentialsPlots.choices([...figure.querySelectorAll(".choices > button")], (number) => {
      current = number;
      figure.querySelector(".of-frame").textContent = frames[number].caption;
      draw();
    });
    potentialsPlots.whenSeen(element, draw);
  }

  return { Mesh, SPHERE, traces, layout };
})();
