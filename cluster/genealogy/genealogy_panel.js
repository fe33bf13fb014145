"use strict";
// The panel: what is known of the chosen birth, or the candidates and elites where none is chosen.
const panel = document.getElementById("panel");
const part = (name, content, attributes = {}) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...[content].flat());
  return made;
};
const chooser = (row, text) => {
  const made = part("button", text, { type: "button", class: "birth" });
  made.addEventListener("click", () => { choose(row); bringIn(row); });
  return made;
};
const fact = (name, content) => [part("dt", name), part("dd", content)];

const overview = () => {
  const known = [...judged.values()].sort((a, b) => b.elite - a.elite);
  const elites = known.filter((one) => one.elite).length;
  const items = known.map((one) =>
    part("li", [
      chooser(one.row, [part("i", "", { class: one.elite ? "star" : "ring" }), ` ${nameOf(one.row)} `, part("code", one.id)]),
      part("small", one.elite ? "elite" : one.failed.length ? `not promoted: ${one.failed.map(spoken).join(", ")}` : "not promoted"),
    ]));
  return [
    part("h2", known.length ? `${elites ? many(elites, "elite") : "No elite"}, ${many(known.length - elites, elites ? "further candidate" : "candidate")}` : "Nothing judged"),
    part("p", known.length ? "Choose one to see its rules and where it comes from." : data.job.status === "finished" ? "The job ended without a candidate." : "Candidates and elites stand here once the job has judged its best.", { class: "lead" }),
    part("ol", items, { class: "judged" }),
    ...(bestRow >= 0 ? [part("p", ["Highest fitness: ", chooser(bestRow, `${nameOf(bestRow)} (${number(births.fitness[bestRow])})`)])] : []),
  ];
};

const textOf = (code) => data.rules.texts[code];
const clauses = (row) => {
  const byLabel = new Map();
  for (const code of rules.get(row).parts) {
    const [label, words] = textOf(code);
    if (!byLabel.has(label)) byLabel.set(label, []);
    byLabel.get(label).push(words);
  }
  const items = [...byLabel].map(([label, words]) =>
    words.length === 1 ? part("li", plain(label, words[0])) : part("li", [`${label}:`, part("ul", words.map((text) => part("li", text)))]));
  return part("ul", items, { class: "clauses" });
};
const plain = (label, words) => (words.startsWith(label) || ["cooldown", "breaker", "gate", "time stop", "conflict"].includes(label) ? words : `${label}: ${words}`);

// What went and what came between two lists of parts; a pair under one label with the same first word was changed.
const difference = (before, after) => {
  const came = [...after];
  const went = [];
  for (const code of before) { const at = came.indexOf(code); if (at < 0) went.push(code); else came.splice(at, 1); }
  const changed = [];
  const subject = (code) => [textOf(code)[0], textOf(code)[1].split(/[ (]/)[0]].join();
  const single = (code) => !["enter", "leave", "gate", "learner"].includes(textOf(code)[0]);
  for (const old of [...went]) {
    const at = came.findIndex((code) => (single(old) ? textOf(code)[0] === textOf(old)[0] : subject(code) === subject(old)));
    if (at >= 0) { changed.push([old, came[at]]); came.splice(at, 1); went.splice(went.indexOf(old), 1); }
  }
  return { went, came, changed };
};
const differenceList = (row, parent, other) => {
  const found = difference(rules.get(parent).parts, rules.get(row).parts);
  const theirs = other === undefined || !rules.has(other) ? [] : rules.get(other).parts;
  const from = (code) => (theirs.includes(code) ? [part("small", ` as in ${nameOf(other)}`)] : []);
  const said = (code) => plain(...textOf(code));
  const items = [
    ...found.went.map((code) => part("li", part("del", said(code)), { class: "went" })),
    ...found.came.map((code) => part("li", [part("ins", said(code)), ...from(code)], { class: "came" })),
    ...found.changed.map(([old, now]) => part("li", [part("del", said(old)), " → ", part("ins", said(now)), ...from(now)], { class: "changed" })),
  ];
  return part("ul", items.length ? items : [part("li", "nothing that its rules say")], { class: "difference" });
};
const wordOf = (code) => {
  const [, sign, name, second] = data.changes.words[code].match(/^([-+~])(.*?)(@b)?$/);
  const [kind, place, field] = name.split(".");
  const told = { entry: "entry condition", exit: "exit condition", learner: "learner" }[kind];
  const what = told && /^\d+$/.test(place) ? `${told} ${place}${field ? `: ${spoken(field)}` : ""}` : spoken(kind === "risk" || kind === "fusion" ? place : `${kind} ${place}`);
  return `${{ "-": "without ", "+": "new ", "~": "" }[sign]}${what}${second ? " (as the second parent)" : ""}`;
};

const differences = (row) => {
  const parents = parentsOf(row);
  if (!parents.length) return [part("p", "It has no parents.", { class: "lead" })];
  if (births.operator[row] === MIGRANT) return [part("p", ["The same strategy, come from ", chooser(parents[0], nameOf(parents[0])), "."])];
  if (rules.has(row) && parents.some((parent) => rules.has(parent)))
    return parents.flatMap((parent, place) => rules.has(parent)
      ? [part("h4", [`Against its ${place ? "second" : "first"} parent `, chooser(parent, nameOf(parent))]), differenceList(row, parent, parents[1 - place])] : []);
  const links = part("p", ["Parents: ", ...parents.flatMap((parent) => [chooser(parent, nameOf(parent)), " "])]);
  if (!changedOf) return [links, part("p", "What changed was left out of this page for its size.", { class: "lead" })];
  const words = [...changedOf(row)].map(wordOf);
  return [links, part("p", "Parts that differ from the first parent:"), part("ul", words.length ? words.map((word) => part("li", word)) : [part("li", "none")], { class: "difference" })];
};

const svg = (name, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const thumbnail = (known) => {
  if (!known.equity.length) return [part("p", "The job has no equity curve of it.", { class: "lead" })];
  const width = 300, high = 110, total = known.equity.reduce((sum, one) => sum + one.equity.length, 0);
  const values = known.equity.flatMap((one) => [...one.equity, ...one.benchmark]);
  const low = Math.min(...values), span = Math.max(...values) - low || 1;
  const figure = svg("svg", { viewBox: `0 0 ${width} ${high}`, class: "equity", role: "img", "aria-label": `Equity of ${known.id}: ${known.equity.map((one) => `${spoken(one.segment)} ends at ${number(one.equity.at(-1), 2)}`).join(", ")}` });
  let at = 0;
  for (const one of known.equity) {
    const x = (place) => ((at + place) / total) * width, y = (value) => high - 18 - ((value - low) / span) * (high - 24);
    figure.append(svg("rect", { x: x(0), y: 0, width: (one.equity.length / total) * width - 2, height: high - 14, class: one.segment }));
    for (const name of ["benchmark", "equity"])
      figure.append(svg("polyline", { points: one[name].map((value, place) => `${x(place).toFixed(1)},${y(value).toFixed(1)}`).join(" "), class: name }));
    const label = svg("text", { x: x(0) + 3, y: high - 3 });
    label.textContent = spoken(one.segment);
    figure.append(label);
    at += one.equity.length;
  }
  const sharpes = Object.entries(known.sharpe).filter(([, value]) => value !== null).map(([name, value]) => `${spoken(name)} ${number(value, 2)}`);
  return [part("h3", "Equity, all shards as one account"), figure, part("p", `Solid: the strategy, faint: holding; each stretch begins at 1. Sharpe ratio: ${sharpes.join(", ")}.`, { class: "lead" })];
};

const details = (row) => {
  const known = judged.get(row), before = fitnessBefore(row), after = births.fitness[row];
  const founders = [...chosen.ancestors].filter((one) => !parentsOf(one).length).length;
  const close = part("button", "Close", { type: "button", class: "close" });
  close.addEventListener("click", () => { choose(NOBODY); canvas.focus(); });
  const kind = known ? (known.elite ? "Elite" : "Candidate") : "Birth";
  return [
    part("div", [part("h2", `${kind} ${nameOf(row)}`), close], { class: "head" }),
    part("dl", [
      ...fact("Operator", spoken(data.operators[births.operator[row]])),
      ...fact("Fitness", births.reason[row] ? `none: ${data.reasons[births.reason[row]]}` : parentsOf(row).length ? `${number(before)} → ${number(after)} (${number(after - before)})` : number(after)),
      ...fact("Species", data.species[births.species[row]]),
      ...fact("Family", familyName(births.family[row])),
      ...fact("Island, generation", `${births.island[row]}, ${births.generation[row]}`),
      ...fact("Ancestors", `${count(chosen.ancestors.size)}, of them ${many(founders, "founder")}`),
      ...fact("Descendants", count(shownAs.descendants ? chosen.descendants.size : descendantsOf(row).size)),
      ...fact("Birth id", part("code", String(idOf(row)))),
      ...(rules.has(row) ? fact("Strategy", part("code", rules.get(row).id)) : []),
      ...(known && !known.elite ? fact("Did not pass", known.failed.map(spoken).join(", ") || "–") : []),
    ]),
    ...(known ? thumbnail(known) : []),
    part("h3", "Rules"),
    rules.has(row) ? clauses(row) : part("p", ["Rules are on this page for candidates, their ancestors and the best of each generation only. ", part("code", `studbook pedigree ${nameOf(row)} --job ${data.job.id}`), " tells those of this one."], { class: "lead" }),
    part("h3", "What its birth changed"),
    ...differences(row),
  ];
};
const showPanel = () => panel.replaceChildren(...(chosen.row === NOBODY ? overview() : details(chosen.row)));
