"use strict";
// The births: columns decoded, ids and names, kin, rules in words.
const data = JSON.parse(document.getElementById("data").textContent);
const ARRAYS = { Uint8Array, Uint16Array, Uint32Array, Int32Array, Float32Array };

const unpack = ([type, text]) => {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new ARRAYS[type](bytes.buffer);
};

const births = {};
for (const [name, column] of Object.entries(data.births)) if (name !== "families") births[name] = unpack(column);
const families = data.births.families;
const nBirths = births.island.length;
const nIslands = births.island.reduce((most, one) => Math.max(most, one + 1), 0);
const nGenerations = births.generation.reduce((most, one) => Math.max(most, one + 1), 0);
const NOBODY = -1;

const nameOf = (row) => `${births.island[row]}.${births.generation[row]}.${births.index[row]}`;
const idOf = (row) => births.island[row] * 2 ** 40 + births.generation[row] * 2 ** 20 + births.index[row];
const parentsOf = (row) => [births.first[row], births.second[row]].filter((parent) => parent !== NOBODY);

// Births are sorted by island, generation and index: a generation of an island is a block of rows.
const blocks = new Map();
for (let row = 0; row < nBirths; row++) {
  const key = births.island[row] * nGenerations + births.generation[row];
  const block = blocks.get(key);
  if (block) block.end = row + 1;
  else blocks.set(key, { island: births.island[row], generation: births.generation[row], start: row, end: row + 1 });
}
const blockOf = (island, generation) => blocks.get(island * nGenerations + generation);
let mostAtOnce = 1;
for (const block of blocks.values()) {
  mostAtOnce = Math.max(mostAtOnce, block.end - block.start);
  block.byPlace = new Int32Array(block.end - block.start);
  for (let row = block.start; row < block.end; row++) block.byPlace[births.place[row]] = row;
}

// Children of row r: kin.children[kin.starts[r] … kin.starts[r + 1]].
const kin = (() => {
  const starts = new Uint32Array(nBirths + 2);
  for (const column of [births.first, births.second])
    for (let row = 0; row < nBirths; row++) if (column[row] !== NOBODY) starts[column[row] + 2]++;
  for (let row = 2; row < starts.length; row++) starts[row] += starts[row - 1];
  const children = new Uint32Array(starts[nBirths + 1]);
  for (const column of [births.first, births.second])
    for (let row = 0; row < nBirths; row++) if (column[row] !== NOBODY) children[starts[column[row] + 1]++] = row;
  return { starts, children };
})();
const childrenOf = (row) => [...new Set(kin.children.subarray(kin.starts[row], kin.starts[row + 1]))];

const closure = (row, step) => {
  const reached = new Set(), waiting = [row];
  while (waiting.length)
    for (const next of step(waiting.pop())) if (!reached.has(next)) { reached.add(next); waiting.push(next); }
  return reached;
};
const ancestorsOf = (row) => closure(row, parentsOf);
const descendantsOf = (row) => closure(row, childrenOf);

const fitnessBefore = (row) => {
  const known = parentsOf(row).map((parent) => births.fitness[parent]).filter((value) => !Number.isNaN(value));
  return known.length ? Math.max(...known) : NaN;
};

// Lists that follow one another in a column, by how long each is.
const lists = (counts, codes) => {
  const starts = new Uint32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) starts[i + 1] = starts[i] + counts[i];
  return (place) => codes.subarray(starts[place], starts[place + 1]);
};

const rules = new Map(), rulesById = new Map();
{
  const rows = unpack(data.rules.rows), of = lists(unpack(data.rules.counts), unpack(data.rules.codes));
  rows.forEach((row, place) => {
    const id = data.rules.ids[place];
    rules.set(row, { id, parts: of(place) });
    if (!rulesById.has(id)) rulesById.set(id, []);
    rulesById.get(id).push(row);
  });
}
const changedOf = data.changes && lists(unpack(data.changes.counts), unpack(data.changes.codes));
const judged = new Map();
for (const one of data.candidates) if (!judged.has(one.row) || one.elite) judged.set(one.row, one);

const valid = births.fitness.filter((value) => !Number.isNaN(value)).sort();
const quantile = (share) => (valid.length ? valid[Math.min(valid.length - 1, Math.floor(share * valid.length))] : NaN);
const scale = { low: quantile(0.05), high: quantile(1) };
const bestRow = births.fitness.reduce(
  (best, value, row) => (!Number.isNaN(value) && (best < 0 || value > births.fitness[best]) ? row : best), -1);

const familySizes = new Uint32Array(families.length);
for (const family of births.family) familySizes[family]++;
const greatFamilies = [...familySizes.keys()].sort((a, b) => familySizes[b] - familySizes[a] || a - b).slice(0, 8);
const familyPlace = new Map(greatFamilies.map((family, place) => [family, place]));
const familyName = (family) => {
  const id = Number(families[family]);
  return `${Math.floor(id / 2 ** 40)}.${Math.floor(id / 2 ** 20) % 2 ** 20}.${id % 2 ** 20}`;
};

const number = (value, digits = 3) => (value === null || Number.isNaN(value) ? "–" : value.toFixed(digits).replace("-", "−"));
const count = (value) => value.toLocaleString("en-GB");
const many = (value, one, several = one + "s") => `${count(value)} ${value === 1 ? one : several}`;
const spoken = (word) => word.replaceAll("_", " ");
