"use strict";
// The drawing: where births stand, marks of many births at far zoom and single ones at near zoom, lines, hit tests.
const canvas = document.getElementById("tree");
const pen = canvas.getContext("2d");
const root = document.documentElement;
const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
const PAD = { left: 62, top: 24, right: 14, bottom: 8 };
const LEAST_MARK = 3; // px; what is lower joins its neighbours
const MOST_LINES = 6000;
const tree = { x: 0, y: 0, kx: 1, ky: 1, width: 0, height: 0, mode: "", bin: 1, frameMs: 0, palette: null };
const chosen = { row: NOBODY, ancestors: new Set(), descendants: new Set() };
const shownAs = { colour: "fitness", cell: "best", migrations: true, descendants: false };

const worldY = new Float32Array(nBirths);
for (const block of blocks.values())
  for (let row = block.start; row < block.end; row++)
    worldY[row] = block.island + 0.5 + ((births.place[row] + 0.5 - (block.end - block.start) / 2) / mostAtOnce) * 0.9;

const screenX = (generation) => PAD.left + (generation + 0.5 - tree.x) * tree.kx;
const screenY = (world) => PAD.top + (world - tree.y) * tree.ky;
const fitted = () => ({
  kx: (tree.width - PAD.left - PAD.right) / nGenerations, ky: (tree.height - PAD.top - PAD.bottom) / nIslands,
});
const spacing = () => (tree.ky * 0.9) / mostAtOnce;

const clampView = () => {
  const least = fitted();
  tree.kx = Math.min(Math.max(tree.kx, least.kx), Math.max(160, least.kx));
  tree.ky = Math.min(Math.max(tree.ky, least.ky), Math.max(26 * mostAtOnce, least.ky));
  const wide = (tree.width - PAD.left - PAD.right) / tree.kx, high = (tree.height - PAD.top - PAD.bottom) / tree.ky;
  tree.x = Math.min(Math.max(tree.x, 0), Math.max(0, nGenerations - wide));
  tree.y = Math.min(Math.max(tree.y, 0), Math.max(0, nIslands - high));
};
const zoomAt = (factor, px = tree.width / 2, py = tree.height / 2) => {
  const x = tree.x + (px - PAD.left) / tree.kx, y = tree.y + (py - PAD.top) / tree.ky;
  tree.kx *= factor; tree.ky *= factor;
  clampView();
  tree.x = x - (px - PAD.left) / tree.kx; tree.y = y - (py - PAD.top) / tree.ky;
  clampView(); redraw();
};
const moveBy = (dx, dy) => { tree.x -= dx / tree.kx; tree.y -= dy / tree.ky; clampView(); redraw(); };
const fitWhole = () => { Object.assign(tree, { x: 0, y: 0, ...fitted() }); redraw(); };
const bringIn = (row) => {
  const px = screenX(births.generation[row]), py = screenY(worldY[row]);
  const inside = px > PAD.left + 8 && px < tree.width - 20 && py > PAD.top + 8 && py < tree.height - 14;
  if (!inside) moveBy(tree.width / 2 - px, tree.height / 2 - py);
};

// ---- marks of many births -------------------------------------------------------------------------------------------
const binsKnown = new Map();
const commonest = (codes) => {
  const counts = new Map();
  let best = codes[0];
  for (const code of codes) {
    counts.set(code, (counts.get(code) || 0) + 1);
    if (counts.get(code) > counts.get(best)) best = code;
  }
  return best;
};
const summary = (rows) => {
  const known = rows.filter((row) => !Number.isNaN(births.fitness[row]));
  known.sort((a, b) => births.fitness[b] - births.fitness[a]);
  return {
    rows, bestRow: known.length ? known[0] : rows[0],
    best: known.length ? births.fitness[known[0]] : NaN,
    median: known.length ? births.fitness[known[known.length >> 1]] : NaN,
    species: commonest(rows.map((row) => births.species[row])),
    operator: commonest(rows.map((row) => births.operator[row])),
  };
};
// Groups by island and bin, each a list of cells by family from top to bottom, with heights in lanes.
const groupsOf = (bin) => {
  if (binsKnown.has(bin)) return binsKnown.get(bin);
  const groups = [];
  for (let island = 0; island < nIslands; island++)
    for (let begin = 0; begin < nGenerations; begin += bin) {
      const byFamily = new Map();
      let n = 0;
      for (let generation = begin; generation < begin + bin && generation < nGenerations; generation++) {
        const block = blockOf(island, generation);
        if (!block) continue;
        n += block.end - block.start;
        for (let row = block.start; row < block.end; row++) {
          const known = byFamily.get(births.family[row]);
          if (known) known.push(row); else byFamily.set(births.family[row], [row]);
        }
      }
      const unit = 0.9 / (mostAtOnce * bin);
      let top = island + 0.5 - (n * unit) / 2;
      const cells = [...byFamily.keys()].sort((a, b) => a - b).map((family) => {
        const rows = byFamily.get(family);
        const cell = { ...summary(rows), island, begin, bin, families: [family], top, bottom: top + rows.length * unit };
        top = cell.bottom;
        return cell;
      });
      if (cells.length) groups.push({ island, begin, cells, merged: null, at: 0 });
    }
  binsKnown.set(bin, groups);
  return groups;
};
// Cells that would be too low to see are joined with the low ones beside them.
const marksOf = (group) => {
  if (group.merged && group.at === tree.ky) return group.merged;
  const marks = [];
  let low = [];
  const flush = () => {
    if (low.length === 1) marks.push(low[0]);
    if (low.length > 1)
      marks.push({
        ...summary(low.flatMap((cell) => cell.rows)), island: group.island, begin: group.begin, bin: low[0].bin,
        families: low.map((cell) => cell.families[0]), top: low[0].top, bottom: low[low.length - 1].bottom,
      });
    low = [];
  };
  for (const cell of group.cells) {
    if ((cell.bottom - cell.top) * tree.ky >= LEAST_MARK) { flush(); marks.push(cell); continue; }
    low.push(cell);
    if ((cell.bottom - low[0].top) * tree.ky >= LEAST_MARK) flush();
  }
  flush();
  Object.assign(group, { merged: marks, at: tree.ky });
  return marks;
};

// ---- colours --------------------------------------------------------------------------------------------------------
const palette = () => {
  if (tree.palette) return tree.palette;
  const listed = (prefix, n) => Array.from({ length: n }, (_, place) => colour(`${prefix}-${place}`));
  const stops = listed("ramp", 5).map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const ramp = Array.from({ length: 65 }, (_, step) => {
    const at = (step / 64) * 4, low = Math.min(3, Math.floor(at));
    return `rgb(${stops[low].map((one, k) => Math.round(one + (stops[low + 1][k] - one) * (at - low))).join(",")})`;
  });
  const names = ["paper", "ink", "muted", "rule", "soft", "none", "chosen", "descent", "migration", "elite"];
  tree.palette = { ramp, kinds: listed("kind", 9), ...Object.fromEntries(names.map((name) => [name, colour(name)])) };
  return tree.palette;
};
const fitnessColour = (value) => {
  if (Number.isNaN(value)) return palette().none;
  const share = scale.high > scale.low ? (value - scale.low) / (scale.high - scale.low) : 1;
  return palette().ramp[Math.round(64 * Math.min(1, Math.max(0, share)))];
};
const familyColour = (family) => (familyPlace.has(family) ? palette().kinds[familyPlace.get(family)] : palette().none);
const birthColour = (row) => ({
  fitness: () => fitnessColour(births.fitness[row]), species: () => palette().kinds[births.species[row]],
  operator: () => palette().kinds[births.operator[row]], family: () => familyColour(births.family[row]),
})[shownAs.colour]();
const markColour = (mark) => ({
  fitness: () => fitnessColour(mark[shownAs.cell]), species: () => palette().kinds[mark.species],
  operator: () => palette().kinds[mark.operator],
  family: () => (mark.families.length === 1 ? familyColour(mark.families[0]) : palette().none),
})[shownAs.colour]();

// ---- drawing --------------------------------------------------------------------------------------------------------
let waiting = 0;
const redraw = () => { if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; draw(); }); };
const chooseMode = () => {
  tree.mode = spacing() >= 4.2 && tree.kx >= 9 ? "births" : "marks";
  tree.bin = 1;
  while (tree.bin * tree.kx < 9) tree.bin *= 2;
};
const inView = (generation) => { const px = screenX(generation); return px > PAD.left - tree.kx && px < tree.width + tree.kx; };
const dimmed = (row) => chosen.row !== NOBODY && row !== chosen.row && !chosen.ancestors.has(row) && !chosen.descendants.has(row);
const line = (x0, y0, x1, y1) => {
  const bend = (x1 - x0) * 0.5;
  pen.moveTo(x0, y0); pen.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
};
const lineage = (child, parent) => {
  const x0 = screenX(births.generation[parent]), x1 = screenX(births.generation[child]);
  const y0 = screenY(worldY[parent]), y1 = screenY(worldY[child]);
  const beside = x1 < PAD.left || x0 > tree.width || Math.max(y0, y1) < PAD.top || Math.min(y0, y1) > tree.height;
  if (!beside) line(x0, y0, x1, y1);
};

const draw = () => {
  const begun = performance.now();
  chooseMode();
  const ratio = canvas.width / tree.width, look = palette();
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = look.paper; pen.fillRect(0, 0, tree.width, tree.height);
  pen.save();
  pen.beginPath(); pen.rect(PAD.left, PAD.top, tree.width - PAD.left, tree.height - PAD.top); pen.clip();
  drawLanes(look);
  const dotted = tree.mode === "births" ? visibleRows() : [];
  if (tree.mode === "births") drawLines(dotted, look); else drawMarks(look);
  if (shownAs.migrations) drawMigrations(dotted, look);
  if (tree.mode === "births") drawDots(dotted, look);
  drawKin(look); drawJudged(look);
  pen.restore();
  drawAxes(look);
  tree.frameMs = performance.now() - begun;
  canvas.dataset.mode = tree.mode; canvas.dataset.frameMs = tree.frameMs.toFixed(1);
  told();
};
const drawLanes = (look) => {
  pen.strokeStyle = look.rule; pen.lineWidth = 1; pen.beginPath();
  for (let island = 1; island < nIslands; island++) { const y = Math.round(screenY(island)) + 0.5; pen.moveTo(0, y); pen.lineTo(tree.width, y); }
  pen.stroke();
};
const columnOf = (group) => {
  const whole = tree.bin * tree.kx, gap = Math.min(4, whole * 0.3);
  return { left: screenX(group.begin) - tree.kx / 2 + gap / 2, width: whole - gap, gap };
};
const beside = (group, left, width) =>
  left > tree.width || left + width < PAD.left - width || screenY(group.island + 1) < 0 || screenY(group.island) > tree.height;
const drawMarks = (look) => {
  const faint = chosen.row === NOBODY ? 1 : 0.28;
  const before = new Map();
  for (const group of groupsOf(tree.bin)) {
    const { left, width, gap } = columnOf(group);
    if (beside(group, left, width)) continue;
    for (const mark of marksOf(group)) {
      const y = screenY(mark.top), high = (mark.bottom - mark.top) * tree.ky;
      pen.fillStyle = markColour(mark);
      const key = group.island * families.length + mark.families[0], old = mark.families.length === 1 && before.get(key);
      if (old && Math.abs(old.right + gap - left) < 1) {
        pen.globalAlpha = 0.3 * faint; pen.beginPath(); pen.moveTo(old.right, old.y); pen.lineTo(left, y);
        pen.lineTo(left, y + high); pen.lineTo(old.right, old.y + old.high); pen.fill();
      }
      if (mark.families.length === 1) before.set(key, { right: left + width, y, high });
      pen.globalAlpha = faint;
      pen.fillRect(left, y, width, Math.max(1, high - (high > 5 ? 1 : 0.4)));
    }
  }
  pen.globalAlpha = 1;
};
const visibleRows = () => {
  const rows = [];
  for (const block of blocks.values()) {
    if (!inView(block.generation) || screenY(block.island + 1) < PAD.top || screenY(block.island) > tree.height) continue;
    for (let row = block.start; row < block.end; row++) {
      const y = screenY(worldY[row]);
      if (y > PAD.top - 10 && y < tree.height + 10) rows.push(row);
    }
  }
  return rows;
};
const drawLines = (rows, look) => {
  pen.strokeStyle = look.muted; pen.lineWidth = 0.8; pen.globalAlpha = chosen.row === NOBODY ? 0.4 : 0.1;
  const both = rows.length * 2 <= MOST_LINES;
  for (const second of both ? [false, true] : [false]) {
    pen.setLineDash(second ? [2, 3] : []); pen.beginPath();
    for (const row of rows.slice(0, MOST_LINES)) {
      const parent = second ? births.second[row] : births.first[row];
      if (parent !== NOBODY && births.island[parent] === births.island[row]) lineage(row, parent);
    }
    pen.stroke();
  }
  pen.setLineDash([]); pen.globalAlpha = 1;
};
const migrants = [];
const MIGRANT = data.operators.indexOf("migrant");
for (let row = 0; row < nBirths; row++) if (births.operator[row] === MIGRANT) migrants.push(row);
const drawMigrations = (dotted, look) => {
  pen.strokeStyle = look.migration; pen.globalAlpha = chosen.row === NOBODY ? 0.45 : 0.12;
  if (tree.mode === "births") {
    pen.lineWidth = 1; pen.setLineDash([5, 3]); pen.beginPath();
    for (const row of migrants) if (inView(births.generation[row])) lineage(row, births.first[row]);
    pen.stroke();
  } else {
    const ways = new Map();
    for (const row of migrants) {
      const key = [births.island[births.first[row]], births.island[row], Math.floor(births.generation[row] / tree.bin)].join();
      ways.set(key, (ways.get(key) || 0) + 1);
    }
    for (const [key, n] of ways) {
      const [from, to, at] = key.split(",").map(Number), x = screenX((at + 0.5) * tree.bin - 0.5);
      const y0 = screenY(from + 0.5 + (to > from ? 0.3 : -0.3)), y1 = screenY(to + 0.5 + (to > from ? -0.3 : 0.3));
      pen.lineWidth = 0.6 + Math.log2(1 + n / tree.bin) * 0.35; pen.beginPath();
      pen.moveTo(x - tree.kx * tree.bin, y0);
      pen.bezierCurveTo(x - tree.kx * tree.bin * 0.2, y0, x - tree.kx * tree.bin * 0.8, y1, x, y1); pen.stroke();
    }
  }
  pen.setLineDash([]); pen.globalAlpha = 1;
};
const radius = () => Math.min(Math.max(1.8, spacing() * 0.42), tree.kx * 0.3, 8);
const disc = (row, size) => {
  pen.beginPath(); pen.arc(screenX(births.generation[row]), screenY(worldY[row]), size, 0, 7); pen.fill();
};
const drawDots = (rows) => {
  const size = radius();
  for (const row of rows) { pen.globalAlpha = dimmed(row) ? 0.2 : 1; pen.fillStyle = birthColour(row); disc(row, size); }
  pen.globalAlpha = 1;
};
