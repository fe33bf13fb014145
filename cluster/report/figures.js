"use strict";
// Draws the figures with the colours of the style sheet, and draws them again when light turns to dark or to print.
(() => {
  const places = document.querySelectorAll("[data-figure]");
  if (!places.length || typeof Plotly === "undefined") return;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  const resolved = (value) => {
    if (typeof value === "string") return value.startsWith("@") ? colour(value.slice(1)) : value;
    if (Array.isArray(value)) return value.map(resolved);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolved(item)]));
    return value;
  };

  const axis = (given) => ({
    gridcolor: colour("rule"), linecolor: colour("rule"), zerolinecolor: colour("rule"),
    tickfont: { color: colour("muted"), size: 11 }, automargin: true, ...given,
    title: { font: { color: colour("muted"), size: 12 }, ...(given.title || {}) },
  });

  const layoutOf = (given, width) => {
    const layout = resolved(given);
    const compact = (given.height || 0) < 250;
    for (const key of Object.keys(layout)) if (/^[xy]axis\d*$/.test(key)) layout[key] = axis(layout[key]);
    return {
      ...layout,
      width,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, color: colour("ink"), size: 12 },
      margin: compact ? { l: 36, r: 8, t: 30, b: 24 } : { l: 48, r: 12, t: 28, b: 66 },
      title: layout.title ? { ...layout.title, font: { size: 13, color: colour("ink") }, x: 0.02, xanchor: "left" } : undefined,
      legend: { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom", font: { color: colour("muted"), size: 11 } },
      hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("rule"), font: { color: colour("ink") } },
    };
  };

  const draw = (place) => {
    const figure = figures[Number(place.dataset.figure)];
    const width = place.clientWidth;
    if (!width) return; // inside a closed <details>
    Plotly.react(place, resolved(figure.data), layoutOf(figure.layout, width), { displayModeBar: false, responsive: false });
  };
  const drawAll = () => places.forEach(draw);

  drawAll();
  document.querySelectorAll("details").forEach((part) => part.addEventListener("toggle", drawAll));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let pending = 0;
  window.addEventListener("resize", () => { clearTimeout(pending); pending = setTimeout(drawAll, 150); });
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.print = "yes";
    document.querySelectorAll("details").forEach((part) => { part.open = true; });
    drawAll();
  });
  window.addEventListener("afterprint", () => { delete document.documentElement.dataset.print; drawAll(); });
})();
