"use strict";
// Zoom, tooltips, copying of commands. The page says all of it without this script, too.
// A view is [left, top, width, height] in shares of the drawing, 0 to 1.
const WIDTH = 1000, HEIGHT = 500, DEEPEST = 1 / 2000;

const short = (v) => String(Number(v.toFixed(3)));
const commas = (v) => Number(v.toFixed(3)).toLocaleString("en");
const time = (ns) => {
  const [unit, name] = ns < 1e3 ? [1, "ns"] : ns < 1e6 ? [1e3, "µs"] : ns < 1e9 ? [1e6, "ms"] : [1e9, "s"];
  return Number((ns / unit).toPrecision(3)) + " " + name;
};
const LABELS = {
  count: (v) => (v >= 1e6 && v % 1e5 === 0 ? short(v / 1e6) + " M" : commas(v)), port: short, size: (v) => commas(Math.abs(v)), s: (v) => commas(v) + " s", ns: time,
  share: (v) => short(v * 100) + " %", step: (v) => (v > 0 ? "+" : "") + short(v).replace("-", "−"),
};

function scale(ends, unit) {
  const [low, high, kind] = ends.split(" ");
  const [a, b] = [Number(low), Number(high)], log = kind === "log";
  return {
    label: LABELS[unit], whole: unit !== "s" && unit !== "share" && unit !== "ns",
    value: (p) => (log ? a * (b / a) ** p : a + (b - a) * p),
    place: (v) => (log ? Math.log(v / a) / Math.log(b / a) : (v - a) / (b - a)), log,
  };
}

// Round values between two places of a scale.
function ticks(s, from, to, wanted) {
  const low = s.value(from), high = s.value(to), values = [];
  if (s.log && high / low > 20) {
    for (let e = Math.ceil(Math.log10(low)); 10 ** e <= high; e++) values.push(10 ** e);
    return values;
  }
  const raw = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(raw));
  let step = [1, 2, 5, 10].map((m) => m * power).find((v) => v >= raw);
  if (s.whole) step = Math.max(1, step);
  for (let n = Math.ceil(low / step); n * step <= high && values.length < 64; n++) values.push(n * step);
  return values;
}

function cellsOf(data) {
  if (!data) return null;
  const [columns, rows] = data.dataset.size.split(" ").map(Number), counts = new Float64Array(columns * rows);
  let at = 0;
  for (const n of data.value.split(",").map(Number)) n < 0 ? (at -= n) : (counts[at++] = n);
  const [left, top, width, height] = data.dataset.place.split(" ").map(Number);
  return { columns, rows, counts, left: left / WIDTH, top: top / HEIGHT, width: width / WIDTH, height: height / HEIGHT };
}

function chart(plot) {
  const area = plot.querySelector(".area"), svg = area.querySelector("svg"), d = plot.dataset;
  const x = scale(d.x, d.xUnit), y = scale(d.y, d.yUnit), cells = cellsOf(area.querySelector("data"));
  const axes = [plot.querySelector(".axis.across"), plot.querySelector(".axis.up")];
  const tip = document.createElement("div"), box = document.createElement("div"), fingers = new Map();
  let view = [0, 0, 1, 1], start = null;
  tip.className = "tip"; tip.hidden = true; box.className = "box"; box.hidden = true;
  area.append(tip, box);

  function show([left, top, width, height]) {
    width = Math.min(1, Math.max(DEEPEST, width)); height = Math.min(1, Math.max(DEEPEST, height));
    left = Math.min(1 - width, Math.max(0, left)); top = Math.min(1 - height, Math.max(0, top));
    view = [left, top, width, height];
    svg.setAttribute("viewBox", [left * WIDTH, top * HEIGHT, width * WIDTH, height * HEIGHT].join(" "));
    const across = ticks(x, left, left + width, 8), up = ticks(y, 1 - top - height, 1 - top, 6);
    label(axes[0], across.map((v) => ["left", (x.place(v) - left) / width, x.label(v)]));
    label(axes[1], up.map((v) => ["top", (1 - y.place(v) - top) / height, y.label(v)]));
    svg.querySelector(".lines").setAttribute("d",
      across.map((v) => `M${x.place(v) * WIDTH} 0V${HEIGHT}`).concat(up.map((v) => `M0 ${(1 - y.place(v)) * HEIGHT}H${WIDTH}`)).join(""));
    for (const letter of area.querySelectorAll(".letter")) {
      const [a, b] = letter.dataset.at.split(" ").map(Number);
      letter.style.left = ((a - left) / width) * 100 + "%"; letter.style.top = ((b - top) / height) * 100 + "%";
    }
    tip.hidden = true;
  }
  function label(axis, all) {
    axis.replaceChildren(...all.map(([side, place, text]) => {
      const span = document.createElement("span");
      span.style[side] = place * 100 + "%"; span.textContent = text;
      return span;
    }));
  }
  const inside = (e) => {
    const r = area.getBoundingClientRect();
    return [(e.clientX - r.left) / r.width, (e.clientY - r.top) / r.height];
  };
  // Zooms by `factor` about a place of the area.
  function zoom(factor, [px, py] = [0.5, 0.5]) {
    const [left, top, width, height] = view;
    const w = Math.min(1, Math.max(DEEPEST, width * factor)), h = Math.min(1, Math.max(DEEPEST, height * factor));
    show([left + px * (width - w), top + py * (height - h), w, h]);
  }
  const move = (dx, dy) => show([view[0] + dx * view[2], view[1] + dy * view[3], view[2], view[3]]);

  // What is under the pointer: the shape's own title, or the cell of the grid.
  function say(e) {
    const at = inside(e), title = e.target.querySelector?.("title");
    const text = title ? title.textContent : cellText(at, e.target);
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    tip.style[at[0] < 0.5 ? "left" : "right"] = `calc(${(at[0] < 0.5 ? at[0] : 1 - at[0]) * 100}% + 14px)`;
    tip.style[at[0] < 0.5 ? "right" : "left"] = "auto";
    tip.style[at[1] < 0.5 ? "top" : "bottom"] = `calc(${(at[1] < 0.5 ? at[1] : 1 - at[1]) * 100}% + 14px)`;
    tip.style[at[1] < 0.5 ? "bottom" : "top"] = "auto";
  }
  function cellText([px, py], target) {
    if (!cells) return "";
    const column = Math.floor(((view[0] + px * view[2] - cells.left) / cells.width) * cells.columns);
    const row = Math.floor(((view[1] + py * view[3] - cells.top) / cells.height) * cells.rows);
    const inGrid = column >= 0 && row >= 0 && column < cells.columns && row < cells.rows;
    const n = inGrid ? cells.counts[row * cells.columns + column] : 0;
    if (!n) return "";
    const left = cells.left + (column / cells.columns) * cells.width, right = left + cells.width / cells.columns;
    const top = cells.top + (row / cells.rows) * cells.height, bottom = top + cells.height / cells.rows;
    const span = (s, from, to) => {
      const [a, b] = s.whole && !s.log ? [Math.round(s.value(from)), Math.round(s.value(to)) - 1] : [s.value(from), s.value(to)];
      return a === b ? s.label(a) : s.label(a) + " to " + s.label(b);
    };
    const hue = /\bh(\d)\b/.exec(target.getAttribute?.("class") || "");
    const name = hue && document.querySelector(`.legend .h${hue[1]} span`)?.textContent;
    return `${commas(n)} ${n === 1 ? "event" : "events"}, ${d.xName} ${span(x, left, right)}, ${d.yName} ${span(y, 1 - bottom, 1 - top)}` + (!name ? "" : hue[1] === "9" ? ", to several destinations" : `, most to ${name}`);
  }

  area.addEventListener("wheel", (e) => {
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault();
    zoom(Math.exp(Math.max(-1, Math.min(1, e.deltaY / 200))), inside(e));
  }, { passive: false });
  area.addEventListener("pointerdown", (e) => {
    fingers.set(e.pointerId, inside(e));
    start = { at: inside(e), view, pan: e.shiftKey || e.pointerType !== "mouse" };
    if (e.button === 0 && e.pointerType === "mouse") area.setPointerCapture(e.pointerId);
    say(e);
  });
  area.addEventListener("pointermove", (e) => {
    const at = inside(e);
    if (!fingers.has(e.pointerId) || !start) return say(e);
    const before = fingers.get(e.pointerId);
    tip.hidden = true;
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== e.pointerId)[1];
      const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1e-3;
      zoom(apart(before) / apart(at), [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2]);
    } else if (start.pan) {
      move(before[0] - at[0], before[1] - at[1]);
    } else {
      const [l, t] = [Math.min(at[0], start.at[0]), Math.min(at[1], start.at[1])];
      box.hidden = false;
      box.style.cssText = `left:${l * 100}%;top:${t * 100}%;width:${Math.abs(at[0] - start.at[0]) * 100}%;height:${Math.abs(at[1] - start.at[1]) * 100}%`;
    }
    fingers.set(e.pointerId, at);
  });
  const end = (e) => {
    const at = inside(e);
    if (start && !start.pan && !box.hidden) {
      const [w, h] = [Math.abs(at[0] - start.at[0]), Math.abs(at[1] - start.at[1])];
      // What is flat or thin chooses a span of one axis alone.
      const [l, t] = [Math.min(at[0], start.at[0]), Math.min(at[1], start.at[1])];
      const [vl, vt, vw, vh] = view;
      if (w > 0.02 || h > 0.02)
        show([w > 0.02 ? vl + l * vw : vl, h > 0.04 ? vt + t * vh : vt, w > 0.02 ? w * vw : vw, h > 0.04 ? h * vh : vh]);
    }
    box.hidden = true; fingers.delete(e.pointerId);
    if (!fingers.size) start = null;
  };
  area.addEventListener("pointerup", end);
  area.addEventListener("pointercancel", end);
  area.addEventListener("pointerleave", (e) => { if (e.pointerType === "mouse") tip.hidden = true; });
  area.addEventListener("dblclick", () => show([0, 0, 1, 1]));
  const keys = {
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => show([0, 0, 1, 1]),
    ArrowLeft: () => move(-0.2, 0), ArrowRight: () => move(0.2, 0), ArrowUp: () => move(0, -0.2), ArrowDown: () => move(0, 0.2),
  };
  area.tabIndex = 0;
  area.setAttribute("role", "group");
  area.setAttribute("aria-label", "Chart; keys + and − zoom, arrows move, 0 shows all");
  area.addEventListener("keydown", (e) => {
    if (!(e.key in keys) || e.ctrlKey || e.altKey || e.metaKey) return;
    e.preventDefault(); keys[e.key]();
  });
  const tools = document.createElement("div");
  tools.className = "tools";
  for (const [text, name, act] of [["+", "Zoom in", keys["+"]], ["−", "Zoom out", keys["-"]], ["Reset", "Reset to show all", keys[0]]]) {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = text; button.title = button.ariaLabel = name;
    button.addEventListener("click", act); tools.append(button);
  }
  plot.prepend(tools);
}

// A page out of a file or over plain HTTP may have no clipboard: then the selection is copied.
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    const selection = getSelection();
    selection.selectAllChildren(code);
    return document.execCommand("copy");
  }
}
const told = document.createElement("p");
told.className = "told"; told.setAttribute("role", "status"); document.body.append(told);
document.querySelectorAll(".command").forEach((code) => {
  const button = document.createElement("button");
  button.type = "button"; button.className = "copy"; button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + code.textContent);
  button.addEventListener("click", async () => {
    const is = await copied(code);
    button.textContent = is ? "Copied" : "Selected"; told.textContent = is ? "Copied" : "Selected; copy it by Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; told.textContent = ""; }, 2000);
  });
  code.after(" ", button);
});
document.querySelectorAll(".plot").forEach(chart);
document.querySelectorAll(".howto").forEach((text) => { text.hidden = false; });
