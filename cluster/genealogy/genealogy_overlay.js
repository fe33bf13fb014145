"use strict";
// What lies over the tree: kin of the chosen birth, candidates and elites, axes, legend, and what the pointer is on.
const MOST_DASHED = 3000; // dashes are slow
const MOST_TRACED = 2000; // more kin than that, one by one, would hide the tree
const traced = (rows) => tree.mode === "births" || rows.size <= MOST_TRACED;
const drawKin = (look) => {
  if (chosen.row === NOBODY) return;
  const size = Math.max(2.2, radius() * 0.9);
  for (const [rows, ink] of [[chosen.descendants, look.descent], [chosen.ancestors, look.chosen]]) {
    if (!traced(rows)) { drawShares(rows, ink); continue; }
    pen.strokeStyle = ink; pen.fillStyle = ink; pen.lineWidth = 1.3;
    const within = ink === look.chosen ? [chosen.row, ...rows] : [...rows];
    for (const second of [true, false]) {
      pen.setLineDash(second && rows.size < MOST_DASHED ? [3, 3] : []); pen.globalAlpha = second ? 0.5 : 0.85; pen.beginPath();
      for (const row of within) {
        const parent = second ? births.second[row] : births.first[row];
        if (parent !== NOBODY && (ink === look.chosen || parent === chosen.row || rows.has(parent))) lineage(row, parent);
      }
      pen.stroke();
    }
    pen.setLineDash([]); pen.globalAlpha = 1;
    if (tree.mode === "marks") for (const row of rows) disc(row, size);
    else for (const row of rows) { ring(row, radius() + 1.5); }
  }
  if (!traced(chosen.ancestors)) drawFirstLine(look);
  pen.strokeStyle = look.ink; pen.lineWidth = 2; ring(chosen.row, Math.max(7, radius() + 3));
};
// How many of each mark's births are kin, as that part of its height.
const drawShares = (rows, ink) => {
  pen.fillStyle = ink; pen.globalAlpha = 0.75;
  for (const group of groupsOf(tree.bin)) {
    const { left, width } = columnOf(group);
    if (beside(group, left, width)) continue;
    for (const mark of marksOf(group)) {
      const n = mark.rows.reduce((sum, row) => sum + rows.has(row), 0), high = (mark.bottom - mark.top) * tree.ky;
      if (n) pen.fillRect(left, screenY(mark.top), width, Math.max(0.5, (high * n) / mark.rows.length));
    }
  }
  pen.globalAlpha = 1;
};
const drawFirstLine = (look) => {
  for (const [ink, width] of [[look.paper, 4], [look.ink, 1.6]]) {
    pen.strokeStyle = ink; pen.lineWidth = width; pen.beginPath();
    for (let row = chosen.row; births.first[row] !== NOBODY; row = births.first[row]) lineage(row, births.first[row]);
    pen.stroke();
  }
};
const ring = (row, size) => {
  pen.beginPath(); pen.arc(screenX(births.generation[row]), screenY(worldY[row]), size, 0, 7); pen.stroke();
};
const star = (x, y, size) => {
  pen.beginPath();
  for (let point = 0; point < 10; point++) {
    const far = point % 2 ? size * 0.45 : size, angle = (point * Math.PI) / 5 - Math.PI / 2;
    pen.lineTo(x + far * Math.cos(angle), y + far * Math.sin(angle));
  }
  pen.closePath(); pen.fill(); pen.stroke();
};
const drawJudged = (look) => {
  const size = Math.max(4.5, Math.min(radius() + 2, 9));
  for (const [row, one] of judged) {
    pen.globalAlpha = dimmed(row) ? 0.55 : 1;
    pen.strokeStyle = look.paper; pen.lineWidth = 4; if (!one.elite) ring(row, size);
    pen.strokeStyle = one.elite ? look.paper : look.ink; pen.lineWidth = one.elite ? 1.2 : 1.8; pen.fillStyle = look.elite;
    if (one.elite) star(screenX(births.generation[row]), screenY(worldY[row]), size + 3.5); else ring(row, size);
  }
  pen.globalAlpha = 1;
};

const drawAxes = (look) => {
  pen.fillStyle = look.muted; pen.font = `11px ${getComputedStyle(document.body).fontFamily}`; pen.textAlign = "center";
  let step = 1;
  for (const wanted of [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]) { step = wanted; if (wanted * tree.kx >= 34) break; }
  for (let generation = 0; generation < nGenerations; generation += step) {
    const x = screenX(generation);
    if (x >= PAD.left && x <= tree.width - 6) pen.fillText(String(generation), x, 15);
  }
  pen.textAlign = "left"; pen.fillText("gen.", 2, 15);
  for (let island = 0; island < nIslands; island++) {
    const top = Math.max(screenY(island), PAD.top), bottom = Math.min(screenY(island + 1), tree.height);
    if (bottom - top > 12) pen.fillText(`island ${island}`, 2, (top + bottom) / 2 + 4);
  }
};

const legend = document.getElementById("legend");
const entry = (ink, text, shape = "swatch") => {
  const item = document.createElement("span"), mark = document.createElement("i");
  mark.className = shape; if (ink) mark.style.background = ink;
  item.append(mark, text);
  return item;
};
const showLegend = () => {
  const look = palette(), items = [];
  if (shownAs.colour === "fitness") {
    const bar = document.createElement("i");
    bar.className = "bar"; bar.style.background = `linear-gradient(90deg, ${[0, 16, 32, 48, 64].map((at) => look.ramp[at]).join(",")})`;
    const item = document.createElement("span");
    item.append(`${data.job.objective}  ≤ ${number(scale.low, 2)}`, bar, number(scale.high, 2));
    items.push(item, entry(look.none, "no fitness"));
  }
  if (shownAs.colour === "species") data.species.forEach((name, code) => items.push(entry(look.kinds[code], name)));
  if (shownAs.colour === "operator") {
    const used = new Set(births.operator);
    data.operators.forEach((name, code) => used.has(code) && items.push(entry(look.kinds[code], spoken(name))));
  }
  if (shownAs.colour === "family") {
    greatFamilies.forEach((family, place) => items.push(entry(look.kinds[place], `${familyName(family)} (${count(familySizes[family])})`)));
    if (families.length > greatFamilies.length) items.push(entry(look.none, `${many(families.length - greatFamilies.length, "other family", "other families")}, or several in one mark`));
  }
  if ([...judged.values()].some((one) => one.elite)) items.push(entry("", "elite", "star"));
  if ([...judged.values()].some((one) => !one.elite)) items.push(entry("", "candidate", "ring"));
  if (migrants.length) items.push(entry("", `migration (${count(migrants.length)})`, "way"));
  legend.replaceChildren(...items);
};

const level = document.getElementById("level");
const told = () => {
  const bins = tree.bin === 1 ? "one generation" : `${tree.bin} generations`;
  const colours = { fitness: `its colour their ${shownAs.cell} fitness`, species: "its colour their commonest species", operator: "its colour their commonest operator", family: "grey where these are of several families" }[shownAs.colour];
  const text = tree.mode === "births"
    ? `Each dot is one birth. Solid lines come from first parents, dotted ones from second parents (left out where more than ${count(MOST_LINES)} lines would be in view).`
    : `Aggregated: each mark is all births of one family on one island in ${bins}, its height their number, ${colours}. Families too few to be seen share a mark with their neighbours. Zoom in for single births.`;
  const filled = ["ancestors", "descendants"].filter((name) => !traced(chosen[name]));
  const kin = filled.length ? ` The filled part of a mark is ${filled.join(" or ")}.${traced(chosen.ancestors) ? "" : " The line leads through first parents."}` : "";
  if (level.textContent !== text + kin) level.textContent = text + kin;
};

// ---- what the pointer is on -----------------------------------------------------------------------------------------
const hit = (px, py) => {
  if (px < PAD.left || py < PAD.top) return null;
  for (const row of judged.keys())
    if (Math.hypot(screenX(births.generation[row]) - px, screenY(worldY[row]) - py) < 9) return { row };
  if (tree.mode === "births") {
    let best = null, near = 14;
    const at = Math.round((px - PAD.left) / tree.kx + tree.x - 0.5);
    for (let island = 0; island < nIslands; island++) {
      const block = blockOf(island, at);
      if (block) for (let row = block.start; row < block.end; row++) {
        const far = Math.hypot(screenX(at) - px, screenY(worldY[row]) - py);
        if (far < near) { near = far; best = { row }; }
      }
    }
    return best;
  }
  const generation = (px - PAD.left) / tree.kx + tree.x, world = (py - PAD.top) / tree.ky + tree.y;
  const group = groupsOf(tree.bin).find((one) => one.island === Math.floor(world) && generation >= one.begin && generation < one.begin + tree.bin);
  const mark = group && marksOf(group).find((one) => world >= one.top && world <= one.bottom);
  return mark ? { row: mark.bestRow, mark } : null;
};

const tip = document.getElementById("tip");
const birthWords = (row) => {
  const known = judged.get(row);
  return [
    `${known ? (known.elite ? "Elite " : "Candidate ") : "Birth "}${nameOf(row)}`,
    `${spoken(data.operators[births.operator[row]])}, ${data.species[births.species[row]]}, family ${familyName(births.family[row])}`,
    births.reason[row] ? `no fitness: ${data.reasons[births.reason[row]]}` : `fitness ${number(births.fitness[row])}`,
  ];
};
const markWords = (mark) => {
  const last = Math.min(mark.begin + mark.bin, nGenerations) - 1;
  return [
    many(mark.rows.length, "birth"),
    `island ${mark.island}, generation${last > mark.begin ? `s ${mark.begin} to ${last}` : ` ${mark.begin}`}`,
    mark.families.length === 1 ? `family ${familyName(mark.families[0])}` : many(mark.families.length, "family", "families"),
    `best ${number(mark.best)}, median ${number(mark.median)}`,
  ];
};
const showTip = (px, py) => {
  const found = hit(px, py);
  tip.hidden = !found;
  canvas.style.cursor = found ? "pointer" : "grab";
  if (!found) return;
  const words = found.mark && found.mark.rows.length > 1 ? markWords(found.mark) : birthWords(found.row);
  tip.replaceChildren(...words.map((text) => Object.assign(document.createElement("div"), { textContent: text })));
  tip.style.left = `${Math.max(4, Math.min(px + 14, tree.width - tip.offsetWidth - 4))}px`;
  tip.style.top = `${Math.max(4, py + 16 + tip.offsetHeight > tree.height ? py - tip.offsetHeight - 10 : py + 16)}px`;
};
