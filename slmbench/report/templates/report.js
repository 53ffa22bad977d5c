(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const DASHES = ["", "7 3", "2 3", "8 3 2 3"];

  // ---- small helpers -------------------------------------------------------------------------------------------

  const svg = (tag, attributes = {}, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const html = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  /** Three significant digits, as the tables have. */
  const digits = (value) => {
    if (value === 0) return "0";
    const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
    return value.toLocaleString("en", { maximumFractionDigits: decimals, minimumFractionDigits: decimals });
  };
  const plain = (value) => value.toLocaleString("en", { maximumSignificantDigits: 6 });
  const figures = (kind) => [...document.querySelectorAll(`figure[data-chart="${kind}"]`)];
  const axisOf = (name) => data.axes.find((axis) => axis.name === name);

  // ---- tooltip -------------------------------------------------------------------------------------------------

  const tip = document.getElementById("tip");
  const showTip = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
    tip.style.top = `${y - height - 12 > 0 ? y - height - 12 : y + 16}px`;
  };
  const hideTip = () => { tip.hidden = true; };
  /** Make a mark tell its numbers to pointer, keyboard and screen reader. */
  const telling = (node, text) => {
    node.setAttribute("tabindex", "0");
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", text.replaceAll("\n", ", "));
    const show = () => {
      const box = node.getBoundingClientRect();
      showTip(text, box.x + box.width / 2, box.y + box.height / 2);
    };
    node.addEventListener("pointerenter", show);
    node.addEventListener("focus", show);
    node.addEventListener("pointerleave", hideTip);
    node.addEventListener("blur", hideTip);
    return node;
  };
  addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });

  // ---- scales and frames ---------------------------------------------------------------------------------------

  const niceTicks = (low, high, count) => {
    const rough = (high - low) / count;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * unit).find((size) => size >= rough);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)));
    return found;
  };
  const logTicks = (low, high, count) => {
    const choices = [[1, 2, 5], [1, 3], [1]].map((steps) => {
      const found = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
        for (const step of steps) found.push(Number((step * 10 ** power).toPrecision(3)));
      }
      return found.filter((value) => value >= low && value <= high);
    });
    // Within less than a decade such steps are too few, and level ones do as well.
    if (choices[0].length < 3) return niceTicks(low, high, Math.min(count, 4)).filter((value) => value > 0);
    return choices.find((found) => found.length <= count + 2) || choices[2];
  };
  /** Map values to pixels; `from` and `to` are the pixels of the ends of the domain. */
  const scale = (values, { log, from, to, pad = 0.06, ends }) => {
    const known = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
    const way = log ? Math.log10 : (value) => value;
    let [low, high] = ends || [Math.min(...known), Math.max(...known)];
    low = way(low); high = way(high);
    const room = ends ? 0 : (high - low) * pad || (log ? 0.1 : Math.abs(high) * 0.05 || 1);
    low -= room; high += room;
    const map = (value) => from + ((way(value) - low) / (high - low)) * (to - from);
    const back = log ? (value) => 10 ** value : (value) => value;
    map.ticks = (count) => (log ? logTicks : niceTicks)(back(low), back(high), count);
    return map;
  };
  /** Draw grid, ticks and titles; `x` and `y` are {map, title, count}, `x.write` names a tick. */
  const frame = (area, { left, right, top, bottom }, x, y) => {
    for (const value of x.map.ticks(x.count)) {
      const at = x.map(value);
      area.append(svg("g", { class: "tick" },
        svg("line", { class: "grid", x1: at, x2: at, y1: top, y2: bottom }),
        svg("text", { x: at, y: bottom + 18, "text-anchor": "middle" }, (x.write || plain)(value))));
    }
    if (y) for (const value of y.map.ticks(y.count)) {
      const at = y.map(value);
      area.append(svg("g", { class: "tick" },
        svg("line", { class: "grid", x1: left, x2: right, y1: at, y2: at }),
        svg("text", { x: left - 8, y: at + 4, "text-anchor": "end" }, plain(value))));
    }
    area.append(svg("text", { x: (left + right) / 2, y: bottom + 38, "text-anchor": "middle" }, x.title));
    if (y) area.append(svg("text", { x: 0, y: 13 }, y.title));
  };
  /** An empty drawing as wide as its figure, in place of the one before. */
  const canvas = (figure, height, label) => {
    const width = Math.max(240, figure.clientWidth);
    const area = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label });
    figure.querySelector(":scope > svg")?.remove();
    figure.prepend(area);
    return [area, width];
  };

  // ---- accuracy against cost -----------------------------------------------------------------------------------

  const better = (axis, a, b) => (axis.better === "more" ? a >= b : a <= b);
  const counts = (row) => !row.refused && !row.apart;
  const onFront = (rows, x, y) => rows.filter((row) => counts(row) && !rows.some((other) => {
    const [a, b, c, d] = [other.values[x.name], row.values[x.name], other.values[y.name], row.values[y.name]];
    return counts(other) && better(x, a, b) && better(y, c, d) && (a !== b || c !== d);
  }));
  const standing = (row) => (row.recommended ? " (recommended)" : row.refused ? " (refused)" : row.apart ? " (measured in another way, not compared)" : "");
  const describe = (row) => [row.label + standing(row),
    ...data.axes.filter((axis) => axis.table && axis.name in row.values).map((axis) => {
      const interval = row.intervals[axis.name];
      return `${axis.short}: ${digits(row.values[axis.name])} ${axis.unit}${interval ? ` (${digits(interval[0])}–${digits(interval[1])})` : ""}`;
    })].join("\n");

  const drawPareto = (figure) => {
    const x = axisOf(document.getElementById("axis-x").value), y = axisOf(document.getElementById("axis-y").value);
    const rows = data.rows.filter((row) => row.machine === figure.dataset.machine && x.name in row.values && y.name in row.values);
    const [area, width] = canvas(figure, 440, `${y.title} against ${x.title}`);
    figure.dataset.axes = `${x.name} ${y.name}`;
    if (!rows.length) {
      area.append(svg("text", { x: 10, y: 40 }, "No row has both quantities."));
      return;
    }
    const box = { left: 46, right: width - 14, top: 28, bottom: 392 };
    const span = (axis) => rows.flatMap((row) => [row.values[axis.name], ...(row.intervals[axis.name] || [])]);
    const px = scale(span(x), { log: x.log, from: box.left, to: box.right, pad: 0.09 });
    const py = scale(span(y), { log: y.log, from: box.bottom, to: box.top });
    frame(area, box, { map: px, title: x.title + (x.log ? " (log scale)" : ""), count: Math.max(4, width / 90) },
      { map: py, title: y.title + (y.log ? " (log scale)" : ""), count: 7 });
    const spots = rows.map((row) => ({ row, x: px(row.values[x.name]), y: py(row.values[y.name]) }));
    const front = onFront(rows, x, y);
    const corners = spots.filter((spot) => front.includes(spot.row))
      .sort((a, b) => (x.better === "less" ? a.x - b.x : b.x - a.x));
    if (corners.length) {
      const path = corners.map((spot, i) => (i ? `H${spot.x}V${spot.y}` : `M${spot.x} ${spot.y}`)).join("");
      area.append(svg("path", { class: "front", d: `${path}H${x.better === "less" ? box.right : box.left}` }));
    }
    const taken = spots.map((spot) => ({ x: spot.x - 8, y: spot.y - 8, w: 16, h: 16 }));
    // Names avoid the front's line too: each of its steps is a horizontal and a vertical segment.
    corners.forEach((spot, i) => {
      const next = corners[i + 1] || { x: x.better === "less" ? box.right : box.left, y: spot.y };
      taken.push({ x: Math.min(spot.x, next.x), y: spot.y - 2, w: Math.abs(next.x - spot.x), h: 4 });
      taken.push({ x: next.x - 2, y: Math.min(spot.y, next.y), w: 4, h: Math.abs(next.y - spot.y) });
    });
    for (const spot of spots) {
      const { row } = spot, mark = svg("g", { class: `k${row.colour}` });
      const [ix, iy] = [row.intervals[x.name], row.intervals[y.name]];
      const thin = { stroke: "currentColor", "stroke-width": 1.2, opacity: 0.6 };
      if (iy) mark.append(svg("line", { ...thin, x1: spot.x, x2: spot.x, y1: py(iy[0]), y2: py(iy[1]) }));
      if (ix) mark.append(svg("line", { ...thin, x1: px(ix[0]), x2: px(ix[1]), y1: spot.y, y2: spot.y }));
      const ring = front.includes(row) && row.recommended ? 9.5 : 7;
      mark.append(svg("circle", { cx: spot.x, cy: spot.y, r: ring, fill: counts(row) ? "currentColor" : "var(--card)",
        stroke: front.includes(row) ? "var(--ink)" : "currentColor", "stroke-width": front.includes(row) ? 2 : 1 }));
      if (row.recommended) mark.append(svg("text", { x: spot.x, y: spot.y + 4.5, "text-anchor": "middle", style: "fill: var(--card)" }, "★"));
      area.append(telling(mark, describe(row)));
    }
    const first = (spot) => (spot.row.recommended ? 0 : front.includes(spot.row) ? 1 : 2);
    for (const spot of [...spots].sort((a, b) => first(a) - first(b))) {
      // On a phone only what matters most is named; the rest is a touch away.
      if (width < 520 && first(spot) === 2) continue;
      place(area, box, spot, taken, spot.row.recommended);
    }
  };
  /** Write a name beside its mark where it hides least. */
  const place = (area, box, spot, taken, strong) => {
    const text = svg("text", { class: `halo${strong ? " strong" : ""}`, "aria-hidden": "true" }, spot.row.label);
    area.append(text);
    const w = text.getComputedTextLength() + 4, h = 15;
    const around = [[12, -h / 2], [-w - 12, -h / 2], [-w / 2, -h - 11], [-w / 2, 11], [10, -h - 8], [10, 8], [-w - 10, -h - 8], [-w - 10, 8], [-w / 2, -h - 26], [-w / 2, 26]];
    const overlap = (a, b) => Math.max(0, Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x)) * Math.max(0, Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y));
    const inside = { x: box.left, y: box.top - 8, w: box.right - box.left + 10, h: box.bottom - box.top + 8 };
    const tries = around.map(([dx, dy], rank) => {
      const spotBox = { x: spot.x + dx, y: spot.y + dy, w, h };
      const hidden = taken.reduce((sum, other) => sum + overlap(spotBox, other), 0);
      return { ...spotBox, cost: hidden * 4 + (w * h - overlap(spotBox, inside)) * 8 + rank };
    });
    const best = tries.reduce((a, b) => (b.cost < a.cost ? b : a));
    text.setAttribute("x", best.x + 2);
    text.setAttribute("y", best.y + 11.5);
    taken.push(best);
  };

  // ---- curves: latency distributions, ROC, cascade, sweeps -------------------------------------------------------------

  const hiddenSeries = new Map();
  /**
   * Draw series of {label, name, colour, dash, points}; `x` and `y` are {title, log, ends, say}. A point is [x, y] or
   * [x, y, low, high]; `dots` marks each, with a star at the x that is a series' `best`; `ticks` name 0, 1, 2 … of x.
   */
  const drawCurves = (figure, label, series, x, y, { height = 400, mark, dots, ticks } = {}) => {
    const [area, width] = canvas(figure, height, label);
    const box = { left: 46, right: width - 14, top: 28, bottom: height - 48 };
    const all = series.flatMap((one) => one.points);
    const px = scale(all.map((point) => point[0]), { ...x, from: box.left, to: box.right, pad: 0.02 });
    const py = scale(all.flatMap((point) => point.slice(1)), { ...y, from: box.bottom, to: box.top });
    // Names of ticks need some fifty pixels each.
    const every = ticks && Math.ceil((50 * ticks.length) / (box.right - box.left));
    if (ticks) px.ticks = () => [...ticks.keys()].filter((place) => place % every === 0);
    frame(area, box, { map: px, title: x.title, count: Math.max(4, width / 90), write: ticks && ((place) => ticks[place]) }, { map: py, title: y.title, count: 6 });
    if (!hiddenSeries.has(figure)) hiddenSeries.set(figure, new Set());
    const off = hiddenSeries.get(figure);
    if (mark !== undefined) area.append(svg("line", { x1: px(mark), x2: px(mark), y1: box.top, y2: box.bottom, stroke: "var(--muted)", "stroke-dasharray": "4 4" }));
    const trace = (points, at) => points.map((point, i) => `${i ? "L" : "M"}${px(point[0]).toFixed(1)} ${py(point[at]).toFixed(1)}`).join("");
    const lines = series.map((one) => {
      const line = svg("g", { class: `k${one.colour}` });
      const bounded = one.points.filter((point) => point.length > 2);
      if (bounded.length > 1) line.append(svg("path", { class: "band", fill: "currentColor", opacity: 0.16,
        d: `${trace(bounded, 2)}${trace([...bounded].reverse(), 3).replace("M", "L")}Z` }));
      line.append(svg("path", { fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": DASHES[one.dash], d: trace(one.points, 1) }));
      if (dots) for (const point of one.points) {
        const [cx, cy, best] = [px(point[0]), py(point[1]), point[0] === one.best];
        line.append(svg("circle", { cx, cy, r: best ? 8 : 3.5, fill: "currentColor" }));
        if (best) line.append(svg("text", { x: cx, y: cy + 4.5, "text-anchor": "middle", style: "fill: var(--card)" }, "★"));
      }
      return line;
    });
    lines.forEach((line, i) => { if (!off.has(i)) area.append(line); });
    const highlight = (chosen) => lines.forEach((line, i) => line.classList.toggle("faded", chosen >= 0 && i !== chosen));
    area.addEventListener("pointermove", (event) => {
      const bounds = area.getBoundingClientRect(), ratio = width / bounds.width;
      const [cx, cy] = [(event.clientX - bounds.x) * ratio, (event.clientY - bounds.y) * ratio];
      let nearest = { distance: 24 };
      series.forEach((one, i) => {
        if (off.has(i)) return;
        for (const point of one.points) {
          const distance = Math.hypot(px(point[0]) - cx, py(point[1]) - cy);
          if (distance < nearest.distance) nearest = { distance, i, point };
        }
      });
      highlight(nearest.point ? nearest.i : -1);
      const [at, value, ...interval] = nearest.point || [];
      if (nearest.point) showTip(`${series[nearest.i].label}\n${x.say(at)}, ${y.say(value)}${interval.length ? ` (${interval.map(digits).join("–")})` : ""}`, event.clientX, event.clientY);
      else hideTip();
    });
    area.addEventListener("pointerleave", () => { highlight(-1); hideTip(); });

    const legend = html("div", { className: "legend" });
    series.forEach((one, i) => {
      const sample = svg("svg", { viewBox: "0 0 26 10", "aria-hidden": "true", class: `k${one.colour}` },
        svg("line", { x1: 0, x2: 26, y1: 5, y2: 5, stroke: "currentColor", "stroke-width": 2.5, "stroke-dasharray": DASHES[one.dash] }));
      const button = html("button", { type: "button", title: "Show or hide" }, sample, one.name || one.label);
      button.setAttribute("aria-pressed", String(!off.has(i)));
      button.addEventListener("click", () => {
        off.has(i) ? off.delete(i) : off.add(i);
        button.setAttribute("aria-pressed", String(!off.has(i)));
        off.has(i) ? lines[i].remove() : area.append(lines[i]);
      });
      for (const [event, chosen] of [["pointerenter", i], ["focus", i], ["pointerleave", -1], ["blur", -1]]) button.addEventListener(event, () => highlight(chosen));
      legend.append(button);
    });
    figure.querySelector(".legend")?.remove();
    area.after(legend);
  };
  const timedOn = (machine) => data.rows.filter((row) => row.machine === machine && row.quantiles);

  const drawEcdf = (figure) => {
    const rows = timedOn(figure.dataset.machine);
    const series = rows.map((row) => ({ ...row, points: row.quantiles.map((ms, i) => [ms, (100 * i) / (row.quantiles.length - 1)]) }));
    drawCurves(figure, "Distribution of the latency of single reviews", series,
      { title: "latency of one review, ms (log scale)", log: true, say: (ms) => `${digits(ms)} ms` },
      { title: "answered within, % of reviews", ends: [0, 100], say: (share) => `${plain(share)} %` });
  };
  const drawRoc = (figure) => {
    const series = data.roc.map((one) => ({ ...one, name: `${one.area.toFixed(3)} ${one.label}` }));
    if (!series.length) return;
    const share = (value) => `${(100 * value).toFixed(1)} %`;
    drawCurves(figure, "ROC curves", series, { title: data.rates[0], ends: [0, 1], say: (value) => `false positives ${share(value)}` },
      { title: data.rates[1], ends: [0, 1], say: (value) => `true positives ${share(value)}` }, { height: 460 });
  };
  const drawCascade = (figure) => {
    const cascade = data.cascades.find((one) => one.label === figure.dataset.cascade);
    const points = (key) => cascade.sweep.filter((step) => step[key] !== null).map((step) => [step.threshold, 100 * step[key]]);
    const series = [["accuracy, test", "accuracy", 0, 0], ["accuracy, validation", "validation_accuracy", 0, 1], ["routed", "routed", 1, 0]]
      .map(([label, key, colour, dash]) => ({ label, colour, dash, points: points(key) })).filter((one) => one.points.length);
    drawCurves(figure, "Accuracy and routed reviews by threshold", series,
      { title: "threshold (dashed line: the one chosen)", say: (value) => `threshold ${plain(value)}` },
      { title: "%", ends: [0, 100], say: (value) => `${value.toFixed(1)} %` }, { mark: cascade.threshold });
  };

  const drawSweep = (figure) => {
    const { axis, label, ticks, curves } = data.charts[Number(figure.dataset.number)];
    const said = new Map(curves.flatMap((curve) => curve.points.map((point, i) => [point[0], curve.settings[i]])));
    drawCurves(figure, label, curves, { title: ticks ? axis : `${axis} (log scale)`, log: !ticks, say: (place) => said.get(place) },
      { title: "ms a review (log scale)", log: true, say: (ms) => `${digits(ms)} ms` }, { height: 340, dots: true, ticks });
  };

  const drawTrace = (figure) => {
    const { title, unit, series } = data.traces[Number(figure.dataset.number)];
    drawCurves(figure, title, series, { title: "minutes without a pause", say: (at) => `after ${digits(at)} min` },
      { title: `${title}, ${unit}`, say: (value) => `${digits(value)} ${unit}` }, { height: 260 });
  };

  // ---- medians of single processes -----------------------------------------------------------------------------

  const drawProcesses = (figure) => {
    const rows = timedOn(figure.dataset.machine), lane = 36;
    const [area, width] = canvas(figure, rows.length * lane + 62, "Median latency of each process");
    const names = width > 640 ? 190 : 0;
    const box = { left: 8 + names, right: width - 14, top: 6, bottom: rows.length * lane + 12 };
    const span = rows.flatMap((row) => [...row.processes, ...(row.intervals.p50 || []), row.values.p50]);
    const px = scale(span, { log: true, from: box.left, to: box.right });
    frame(area, box, { map: px, title: "median latency, ms (log scale)", count: Math.max(4, width / 90) });
    rows.forEach((row, i) => {
      const y = i * lane + 30, mark = svg("g", { class: `k${row.colour}` }), interval = row.intervals.p50;
      const stroke = { stroke: "currentColor", "stroke-width": 2 };
      const middle = px(row.values.p50);
      if (interval) mark.append(svg("line", { ...stroke, x1: px(interval[0]), x2: px(interval[1]), y1: y, y2: y }));
      mark.append(svg("line", { ...stroke, "stroke-width": 3, x1: middle, x2: middle, y1: y - 7, y2: y + 7 }));
      for (const median of row.processes) mark.append(svg("circle", { cx: px(median), cy: y, r: 4.5, fill: "none", ...stroke, "stroke-width": 1.5 }));
      area.append(telling(mark, `${row.label}\np50 ${digits(row.values.p50)} ms${interval ? ` (${digits(interval[0])}–${digits(interval[1])})` : ""}\nprocesses: ${row.processes.map(digits).join(", ")} ms`));
      // Without a column of their own, names are drawn where the lane is empty.
      const far = names || middle > width / 2;
      area.append(svg("text", { class: "halo", x: far ? (names ? 0 : box.left + 2) : box.right - 2, y: y + 4, "text-anchor": far ? "start" : "end" }, row.label));
    });
  };

  // ---- sorting, theme, start -----------------------------------------------------------------------------------

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (!column) return;
      const button = html("button", { type: "button", title: "Sort by this column" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => {
          const cell = row.cells[column];
          if (!cell || cell.colSpan > 1) return "";
          const value = cell.dataset.value ?? cell.textContent;
          return value !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
        };
        const order = (a, b) => {
          const [one, two] = [key(a), key(b)];
          if (one === "" || two === "") return (one === "") - (two === "");
          return (down ? -1 : 1) * (typeof one === "number" && typeof two === "number" ? one - two : String(one).localeCompare(String(two)));
        };
        table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
      });
    });
  }

  const theme = document.getElementById("theme");
  const remembered = { get: () => { try { return localStorage.getItem("slmbench-theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("slmbench-theme", value); } catch { /* pages from files may not keep anything */ } } };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { theme.textContent = dark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`); };
  if (remembered.get()) root.dataset.theme = remembered.get();
  theme.hidden = false;
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; remembered.set(root.dataset.theme); nameTheme(); });
  nameTheme();

  const kinds = { pareto: drawPareto, ecdf: drawEcdf, processes: drawProcesses, roc: drawRoc, cascade: drawCascade, sweep: drawSweep, trace: drawTrace };
  const draw = (kind) => figures(kind).forEach(kinds[kind]);
  if (figures("pareto").length) {
    document.querySelector(".controls").hidden = false;
    ["axis-x", "axis-y"].forEach((id, i) => {
      const select = document.getElementById(id);
      select.append(...data.axes.map((axis) => html("option", { value: axis.name, selected: axis.name === data.start[i] }, axis.title)));
      select.addEventListener("change", () => draw("pareto"));
    });
  }
  let drawnWidth = 0;
  const drawAll = () => {
    if (document.body.clientWidth === drawnWidth) return;
    drawnWidth = document.body.clientWidth;
    Object.keys(kinds).forEach(draw);
  };
  drawAll();
  new ResizeObserver(drawAll).observe(document.body);
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
})();
