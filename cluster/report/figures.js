"use strict";
// Draws the figures with the colours of the style sheet, and draws them again when light turns to dark or to print.
(() => {
  const root = document.documentElement;
  const read = (id) => JSON.parse(document.getElementById(id).textContent);

  // Links within the page, and to its neighbours: an artifact viewer shows a page alone, in a frame without either.
  const framed = window.self !== window.top || !["file:", "http:", "https:"].includes(location.protocol);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const target = link && document.getElementById(decodeURIComponent(link.getAttribute("href").slice(1)));
    if (!target) return;
    event.preventDefault();
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    target.scrollIntoView();
    try { history.replaceState(null, "", link.getAttribute("href")); } catch { /* a frame may not */ }
  });
  if (framed) document.querySelectorAll("[data-sibling]").forEach((link) => {
    const told = document.createElement("span");
    told.textContent = link.dataset.sibling;
    link.replaceWith(told);
  });

  const places = [...document.querySelectorAll("[data-figure]")];
  if (!places.length || typeof Plotly === "undefined") return;
  const figures = read("figures"), shared = read("shared");
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();

  const resolved = (value) => {
    if (typeof value === "string") {
      if (value.startsWith("@")) return colour(value.slice(1));
      if (value.startsWith("$") && Object.hasOwn(shared, value.slice(1))) return shared[value.slice(1)];
      return value;
    }
    if (Array.isArray(value)) return value.map(resolved);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolved(item)]));
    return value;
  };

  const roomOf = (given, width) => (width - 60) * (given.domain ? given.domain[1] - given.domain[0] : 1);
  const DATE_ROOM = 56; // pixels that a date on an axis takes
  const axis = (given, width) => ({
    gridcolor: colour("rule"), linecolor: colour("rule"), zerolinecolor: colour("rule"),
    tickfont: { color: colour("muted"), size: 11 }, automargin: true, ...given,
    ...(given.type === "date" && { nticks: Math.min(given.nticks || 8, Math.max(2, Math.floor(roomOf(given, width) / DATE_ROOM))) }),
    title: { font: { color: colour("muted"), size: 12 }, ...(given.title || {}) },
  });

  const layoutOf = (given, width) => {
    const layout = resolved(given);
    const compact = (given.height || 0) < 250;
    for (const key of Object.keys(layout)) if (/^[xy]axis\d*$/.test(key)) layout[key] = axis(layout[key], width);
    if (width < 500) for (const note of layout.annotations || []) note.font = { ...note.font, size: 9.5 };
    return {
      ...layout,
      width,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, color: colour("ink"), size: 12 },
      margin: compact ? { l: 36, r: 8, t: 30, b: 24 } : { l: 48, r: 12, t: 28, b: 66 },
      title: layout.title ? { ...layout.title, font: { size: 13, color: colour("ink") }, x: 0.02, xanchor: "left" } : undefined,
      legend: { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom", font: { color: colour("muted"), size: 11 } },
      hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("rule"), font: { color: colour("ink") }, align: "left" },
    };
  };

  const drawnAt = new Map(); // what each place shows: nothing is drawn twice alike
  let look = 0; // changes with the colours
  const draw = (place) => {
    const width = place.clientWidth;
    if (!width) return; // inside a closed <details>
    const now = `${place.dataset.figure}/${width}/${look}`;
    if (drawnAt.get(place) === now) return;
    drawnAt.set(place, now);
    const figure = figures[Number(place.dataset.figure)];
    place.style.height = `${figure.layout.height || 340}px`;
    Plotly.react(place, resolved(figure.data), layoutOf(figure.layout, width), { displayModeBar: false, responsive: false });
  };
  let turn = 0;
  const drawAll = () => { turn += 1; places.forEach(draw); };
  // One after the other, so that the first are seen while the others are drawn; begins anew where something changed.
  const drawInTurn = () => {
    const mine = (turn += 1);
    const next = (number) => {
      if (mine !== turn || number >= places.length) return;
      draw(places[number]);
      setTimeout(next, 0, number + 1);
    };
    next(0);
  };
  const recoloured = (how) => { look += 1; how(); };

  drawInTurn();
  document.querySelectorAll("details").forEach((part) => part.addEventListener("toggle", drawInTurn));
  document.querySelectorAll("select[data-choice]").forEach((list) => list.addEventListener("change", () => {
    const place = list.closest(".choice").querySelector("[data-figure]");
    place.dataset.figure = list.value;
    list.nextElementSibling.textContent = list.selectedOptions[0].textContent;
    draw(place);
  }));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => recoloured(drawInTurn));
  // A frame that is not shown has no width: then this tells when it has.
  if (typeof ResizeObserver !== "undefined") {
    let pending = 0, width = document.body.clientWidth;
    new ResizeObserver(() => {
      if (document.body.clientWidth === width || root.dataset.print) return;
      width = document.body.clientWidth;
      clearTimeout(pending);
      pending = setTimeout(drawInTurn, 150);
    }).observe(document.body);
  }
  let opened = [];
  window.addEventListener("beforeprint", () => {
    root.dataset.print = "yes";
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((part) => { part.open = true; });
    recoloured(drawAll);
  });
  window.addEventListener("afterprint", () => {
    delete root.dataset.print;
    opened.forEach((part) => { part.open = false; });
    recoloured(drawInTurn);
  });
})();
