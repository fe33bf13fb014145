"use strict";
// Choosing, searching, moving about: what the reader does.
const found = document.getElementById("found");
const say = (text) => { found.textContent = text; };

const choose = (row) => {
  chosen.row = row;
  chosen.ancestors = row === NOBODY ? new Set() : ancestorsOf(row);
  chosen.descendants = row !== NOBODY && shownAs.descendants ? descendantsOf(row) : new Set();
  canvas.dataset.chosen = row === NOBODY ? "" : nameOf(row);
  document.getElementById("more").hidden = row === NOBODY;
  showPanel(); redraw();
  say(row === NOBODY ? "" : `${birthWords(row).join(", ")}; ${many(chosen.ancestors.size, "ancestor")} highlighted.`);
  canvas.setAttribute("aria-label", `Tree of ${many(nBirths, "birth")} in ${many(nGenerations, "generation")} on ${many(nIslands, "island")}` + (row === NOBODY ? "" : `; chosen: ${nameOf(row)}`));
};

const rowOfName = (island, generation, index) => {
  const block = blockOf(island, generation);
  for (let row = block ? block.start : 0; block && row < block.end; row++) if (births.index[row] === index) return row;
  return NOBODY;
};
const rowsOf = (query) => {
  const place = query.match(/^(\d+)\.(\d+)\.(\d+)$/);
  if (place) return [rowOfName(...place.slice(1).map(Number))];
  if (query === "best") return [bestRow];
  if (query === "elite") return data.candidates.filter((one) => one.elite).map((one) => one.row);
  if (/^\d+$/.test(query) && Number.isSafeInteger(Number(query))) {
    const id = Number(query), row = rowOfName(Math.floor(id / 2 ** 40), Math.floor(id / 2 ** 20) % 2 ** 20, id % 2 ** 20);
    if (row !== NOBODY) return [row];
  }
  if (!/^[0-9a-f]+$/.test(query)) return [];
  const first = data.candidates.filter((one) => one.id.startsWith(query)).map((one) => one.row);
  return [...new Set([...first, ...[...rulesById].filter(([id]) => id.startsWith(query)).flatMap(([, rows]) => rows)])];
};
const search = (text) => {
  const query = text.trim().toLowerCase();
  const rows = rowsOf(query).filter((row) => row !== NOBODY);
  if (!query) return say("Type the id of a birth or of a strategy, its beginning, island.generation.index, best or elite.");
  if (!rows.length)
    return say(`Nothing on this page is called “${query}”. Strategies are found by id where their rules are on it: candidates, their ancestors, the best of each generation.`);
  choose(rows[0]); bringIn(rows[0]);
  if (rows.length > 1) say(`${many(rows.length, "birth")} fit “${query}”: this is the first. The others: ${rows.slice(1, 8).map(nameOf).join(", ")}${rows.length > 8 ? " …" : ""}.`);
};

// ---- keys -----------------------------------------------------------------------------------------------------------
const neighbour = (row, step) => {
  const block = blockOf(births.island[row], births.generation[row]), at = births.place[row] + step;
  return at >= 0 && at < block.byPlace.length ? block.byPlace[at] : NOBODY;
};
const bestChild = (row) => childrenOf(row).sort((a, b) => (births.fitness[b] || -Infinity) - (births.fitness[a] || -Infinity) || a - b)[0] ?? NOBODY;
const nextJudged = () => {
  const rows = [...judged.values()].sort((a, b) => b.elite - a.elite).map((one) => one.row);
  return rows.length ? rows[(rows.indexOf(chosen.row) + 1) % rows.length] : NOBODY;
};
const go = (row) => { if (row !== NOBODY) { choose(row); bringIn(row); } };
const KEYS = {
  ArrowLeft: () => (chosen.row === NOBODY ? moveBy(60, 0) : go(births.first[chosen.row])),
  ArrowRight: () => (chosen.row === NOBODY ? moveBy(-60, 0) : go(bestChild(chosen.row))),
  ArrowUp: () => (chosen.row === NOBODY ? moveBy(0, 60) : go(neighbour(chosen.row, -1))),
  ArrowDown: () => (chosen.row === NOBODY ? moveBy(0, -60) : go(neighbour(chosen.row, 1))),
  Enter: () => chosen.row === NOBODY && go(bestRow),
  e: () => go(nextJudged()), "+": () => zoomAt(1.4), "=": () => zoomAt(1.4), "-": () => zoomAt(1 / 1.4), 0: fitWhole,
};
canvas.addEventListener("keydown", (event) => {
  const act = !event.ctrlKey && !event.metaKey && !event.altKey && KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (act) { event.preventDefault(); act(); }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.target.id === "query") return;
  tip.hidden = true;
  if (chosen.row !== NOBODY) { choose(NOBODY); canvas.focus(); }
});

// ---- pointer: click, drag, wheel, pinch -----------------------------------------------------------------------------
const pointers = new Map();
let dragged = 0;
const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
canvas.addEventListener("pointerdown", (event) => { pointers.set(event.pointerId, at(event)); dragged = pointers.size > 1 ? 99 : 0; canvas.setPointerCapture(event.pointerId); });
canvas.addEventListener("pointermove", (event) => {
  const now = at(event), before = pointers.get(event.pointerId);
  if (!before) return showTip(...now);
  const other = [...pointers].find(([id]) => id !== event.pointerId);
  if (other) {
    const far = (point) => Math.hypot(point[0] - other[1][0], point[1] - other[1][1]) || 1;
    zoomAt(far(now) / far(before), (now[0] + other[1][0]) / 2, (now[1] + other[1][1]) / 2);
  } else if (dragged > 4) moveBy(now[0] - before[0], now[1] - before[1]);
  dragged += Math.hypot(now[0] - before[0], now[1] - before[1]);
  tip.hidden = true;
  pointers.set(event.pointerId, now);
});
const lifted = (event) => {
  const begun = pointers.delete(event.pointerId);
  if (event.type !== "pointerup" || !begun || dragged > 4 || pointers.size) return;
  const what = hit(...at(event));
  choose(what ? what.row : NOBODY);
};
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, lifted);
canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault(); tip.hidden = true;
  zoomAt(Math.exp(-Math.max(-120, Math.min(120, event.deltaY * (event.deltaMode ? 24 : 1))) * 0.0022), ...at(event));
}, { passive: false });

// ---- controls -------------------------------------------------------------------------------------------------------
document.querySelectorAll("[name=colour], [name=cell]").forEach((input) => input.addEventListener("change", () => {
  shownAs[input.name] = input.value;
  document.getElementById("cell-choice").hidden = shownAs.colour !== "fitness";
  showLegend(); redraw();
}));
for (const name of ["migrations", "descendants"])
  document.getElementById(name).addEventListener("change", (event) => {
    shownAs[name] = event.target.checked;
    if (chosen.row === NOBODY) redraw(); else choose(chosen.row);
  });
const query = document.getElementById("query"); // no form: a frame that is allowed scripts alone may send none
query.addEventListener("keydown", (event) => { if (event.key === "Enter") search(query.value); });
document.getElementById("go").addEventListener("click", () => search(query.value));
for (const [id, act] of [["in", () => zoomAt(1.6)], ["out", () => zoomAt(1 / 1.6)], ["fit", fitWhole]]) document.getElementById(id).addEventListener("click", act);

document.getElementById("more").addEventListener("click", () => { panel.scrollIntoView(); panel.focus({ preventScroll: true }); });

const measure = () => {
  const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  const least = tree.width ? fitted() : null, whole = !least || (tree.kx <= least.kx * 1.01 && tree.ky <= least.ky * 1.01);
  Object.assign(tree, { width: Math.max(160, box.width), height: Math.max(160, box.height) });
  canvas.width = Math.round(tree.width * ratio); canvas.height = Math.round(tree.height * ratio);
  if (whole) Object.assign(tree, { x: 0, y: 0, ...fitted() });
  clampView(); draw();
};
const recolour = () => { tree.palette = null; showLegend(); draw(); };
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
window.addEventListener("beforeprint", () => { root.dataset.print = "yes"; measure(); recolour(); });
window.addEventListener("afterprint", () => { delete root.dataset.print; measure(); recolour(); });
new ResizeObserver(measure).observe(canvas);

document.getElementById("omitted").textContent = [
  nBirths < data.job.n_births ? `${many(data.job.n_births - nBirths, "birth")} of ${count(data.job.n_births)} ${data.job.n_births - nBirths === 1 ? "is" : "are"} left out of this page for its size: the worst of those without children here, so numbers of marks are of those drawn.` : `All ${many(nBirths, "birth")} are on this page.`,
  `${many(data.rules.ids.length, "birth")} ${data.rules.ids.length === 1 ? "has its" : "have their"} rules in words: candidates and elites, their ancestors, and the best of each generation on each island${data.rules.ids.length < data.rules.n_wanted ? `, as far as there was room (${count(data.rules.n_wanted)} would have it)` : ""}.`,
  data.changes ? "All others tell which parts they changed." : "What the others changed is left out for its size.",
].join(" ");
showLegend(); choose(NOBODY);
if (nGenerations === 1) say("There is one generation by now: founders, and no lines yet.");
window.genealogy = Object.freeze({
  names: (rows) => [...rows].map(nameOf), chosen: () => chosen, tree: () => ({ ...tree }), judged, hit,
  point: (row) => [screenX(births.generation[row]), screenY(worldY[row])], zoomAt, draw, choose,
});
