"use strict";
// Small drawings, one to one in pixels, so that text stays 12 px at any width. Texts enter as text nodes only; every
// mark that matters carries its sentence as aria-label, which is also the tooltip. Better is always up, or to the right.
const charts = (() => {
  const { SPACE, significant } = numbers;
  const NARROW = 600,
    LINE = 15,
    LETTER = 7,
    MOST_NAMES = 4;
  const MARKS = [
    "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0",
    "M0-6L5 0L0 6L-5 0Z",
    "M-4.5-4.5H4.5V4.5H-4.5Z",
    "M0-5.5L5.5 4.5H-5.5Z",
    "M-5-2H-2V-5H2V-2H5V2H2V5H-2V2H-5Z",
    "M0 5.5L-5.5-4.5H5.5Z",
    "M-5.5-2.5L-2.5-5.5L0-3L2.5-5.5L5.5-2.5L3 0L5.5 2.5L2.5 5.5L0 3L-2.5 5.5L-5.5 2.5L-3 0Z",
    "M0-6L5.7-1.8L3.5 5H-3.5L-5.7-1.8Z",
  ];

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined)
        element.setAttribute(name, typeof value === "number" ? String(Math.round(value * 10) / 10) : value);
    }
    element.append(...children);
    return element;
  };
  const canvas = (width, height, label) =>
    make("svg", {
      class: "chart",
      width,
      height,
      viewBox: `0 0 ${Math.round(width)} ${Math.round(height)}`,
      role: "group",
      "aria-label": label,
    });
  const text = (x, y, words, attributes = {}) => make("text", { x, y, ...attributes }, words);
  const line = (x1, y1, x2, y2, kind) => make("line", { x1, y1, x2, y2, class: kind });
  const path = (d, kind, attributes = {}) => make("path", { d, class: kind, ...attributes });
  const mark = (x, y, look, label, kind = "") =>
    make("path", {
      d: MARKS[look % MARKS.length],
      class: `look${(look % MARKS.length) + 1} ${kind}`.trim(),
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
      role: "img",
      "aria-label": label,
    });
  const key = (look) =>
    make(
      "svg",
      {
        class: `key look${(look % MARKS.length) + 1}`,
        viewBox: "-7 -7 14 14",
        width: 14,
        height: 14,
        "aria-hidden": "true",
      },
      make("path", { d: MARKS[look % MARKS.length] }),
    );
  // Text that fits, by what letters of this size take on average.
  const fit = (words, width) =>
    words.length * LETTER <= width
      ? words
      : words.slice(0, Math.max(3, Math.floor(width / LETTER) - 1)).trimEnd() + "…";

  // -- scales
  const scale = (low, high, from, to, log) => {
    const f = log ? Math.log : (value) => value;
    const [a, b] = [f(low), f(high)];
    return (value) => from + ((to - from) * (f(value) - a)) / (b - a || 1);
  };
  const steps = (low, high, most) => {
    const rough = (high - low) / most,
      power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((each) => each * power >= rough * 0.999) * power;
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
  };
  const decades = (low, high, most) => {
    const every = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const each of [1, 2, 5]) every.push(each * 10 ** power);
    }
    const inside = every.filter((value) => value >= low * 0.999 && value <= high * 1.001);
    if (inside.length < 2) return steps(low, high, most);
    const whole = inside.filter((value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9);
    if (inside.length <= most) return inside;
    if (whole.length <= most && whole.length > 1) return whole;
    const each = Math.ceil(whole.length / most);
    return whole.filter((_, i) => i % each === 0);
  };
  const plain = (value) => String(Number(value.toPrecision(6)));
  const powers = (value) => {
    // 1e15 -> 1 P
    const [unit, letter] = numbers.prefix(value);
    return plain(value / unit) + (letter ? SPACE + letter : "");
  };

  // Labels beside marks, moved down until they overlap nothing that was placed before.
  const labels = (svg, wanted, width) => {
    const placed = [];
    for (const one of wanted.sort((a, b) => a.y - b.y)) {
      const words = fit(one.words, Math.min(210, width / 2)),
        long = words.length * LETTER,
        right = one.x + 10 + long <= width;
      const left = right ? one.x + 10 : one.x - 10 - long;
      let y = one.y + 4;
      const clash = () =>
        placed.find((other) => left < other.right && other.left < left + long && Math.abs(other.y - y) < LINE - 1);
      for (let tries = 0, hit = clash(); hit && tries < 40; tries++, hit = clash()) y = hit.y + LINE;
      placed.push({ left, right: left + long, y });
      svg.append(
        text(right ? one.x + 10 : one.x - 10, y, words, { class: "name", "text-anchor": right ? "start" : "end" }),
      );
    }
  };

  // -- forest: ratios to the baseline, test by test
  // rows: [{group, label, points: [{look, ratio, low, high, label}]}]
  const TICKS = [
    [0.98, 0.99, 1, 1.01, 1.02],
    [0.95, 0.975, 1, 1.025, 1.05],
    [0.9, 0.95, 1, 1.05, 1.1],
    [0.8, 0.9, 1, 1.1, 1.25],
    [0.5, 0.7, 1, 1.4, 2],
  ];
  const ratioTicks = (low, high, most) => {
    const fine = TICKS.find((each) => each[0] <= low && each.at(-1) >= high);
    if (fine) return fine;
    for (const step of [1, 2, 3]) {
      const found = [];
      for (let power = -6; power <= 6; power++)
        if (power % step === 0 && 2 ** power >= low * 0.999 && 2 ** power <= high * 1.001) found.push(2 ** power);
      if (found.length <= most) return found;
    }
    return [1 / 64, 1, 64].filter((tick) => tick >= low && tick <= high);
  };
  const forest = (width, rows, title) => {
    const narrow = width < NARROW,
      left = narrow ? 16 : Math.min(300, width * 0.34),
      right = width - 24;
    const ends = rows.flatMap((row) => row.points.flatMap((point) => [point.low, point.high, point.ratio]));
    const [least, most] = [Math.max(1 / 64, Math.min(1 / 1.02, ...ends)), Math.min(64, Math.max(1.02, ...ends))];
    const ticks = ratioTicks(least, most, narrow ? 5 : 9);
    const [low, high] = [Math.min(least / 1.03, ticks[0]), Math.max(most * 1.03, ticks.at(-1))];
    const x = scale(low, high, left, right, true);
    let y = 24;
    const body = [];
    let group = null;
    for (const row of rows) {
      if (row.group !== group) {
        group = row.group;
        y += 20;
        body.push(text(0, y - 2, fit(group, width), { class: "group" }));
        y += 4;
      }
      const words = narrow ? width : left - 12;
      body.push(text(narrow ? 0 : 8, y + 14, fit(row.label, words), { class: "test" }));
      const middle = narrow ? y + 28 : y + 10;
      body.push(line(left, middle, right, middle, "grid"));
      for (const point of row.points) {
        const [from, to] = [Math.max(low, point.low), Math.min(high, point.high)];
        const off = point.ratio < low || point.ratio > high,
          at = Math.min(high, Math.max(low, point.ratio));
        if (x(to) - x(from) > 12)
          body.push(
            path(
              `M${x(from).toFixed(1)} ${middle}H${x(to).toFixed(1)}`,
              `whisker line${(point.look % MARKS.length) + 1}`,
            ),
          );
        if (off)
          body.push(
            text(
              x(at) + (point.ratio > 1 ? -10 : 10),
              middle + 4,
              (point.ratio > 1 ? "→ " : "← ") + numbers.times(point.ratio),
              { "text-anchor": point.ratio > 1 ? "end" : "start" },
            ),
          );
        body.push(mark(x(at), middle, point.look, point.label));
      }
      y += narrow ? 42 : 24;
    }
    const svg = canvas(width, y + 30, title);
    svg.append(
      make("rect", {
        x: x(1 / (1 + numbers.MARGIN)),
        y: 18,
        width: x(1 + numbers.MARGIN) - x(1 / (1 + numbers.MARGIN)),
        height: y - 12,
        class: "margin",
      }),
    );
    for (const tick of ticks) {
      svg.append(line(x(tick), 18, x(tick), y + 6, tick === 1 ? "base" : "grid"));
      for (const at of [12, y + 22])
        svg.append(
          text(x(tick), at, "×" + plain(Number(tick.toPrecision(3))), { class: "tick", "text-anchor": "middle" }),
        );
    }
    svg.append(...body);
    return svg;
  };

  // -- scatter: price against rate, with the steps of the best that money buys
  // points: [{x, y, low, high, kind: "chosen" | "front" | "near" | "rest" | "published", look, name, label}]
  const scatter = (width, points, { title, xTitle, yTitle, lower, front }) => {
    const height = width < NARROW ? 300 : 380,
      left = 52,
      right = width - 14,
      top = 26,
      bottom = height - 42;
    const xs = points.map((point) => point.x),
      ys = points.flatMap((point) => [point.low, point.high]);
    const [x0, x1] = [Math.min(...xs) / 1.12, Math.max(...xs) * 1.12];
    const [y0, y1] = lower ? [Math.min(...ys) / 1.06, Math.max(...ys) * 1.06] : [0, Math.max(...ys) * 1.06];
    const x = scale(x0, x1, left, right, true);
    const y = lower ? scale(y0, y1, top, bottom, true) : scale(y0, y1, bottom, top, false);
    const svg = canvas(width, height, title);
    for (const tick of lower ? decades(y0, y1, 6) : steps(y0, y1, 6)) {
      svg.append(
        line(left, y(tick), right, y(tick), "grid"),
        text(left - 6, y(tick) + 4, plain(tick), { class: "tick", "text-anchor": "end" }),
      );
    }
    for (const tick of decades(x0, x1, width < NARROW ? 5 : 8)) {
      svg.append(
        line(x(tick), bottom, x(tick), bottom + 4, "axis"),
        text(x(tick), bottom + 18, "$" + plain(tick), { class: "tick", "text-anchor": "middle" }),
      );
    }
    svg.append(
      line(left, bottom, right, bottom, "axis"),
      text(0, 12, yTitle, { class: "title" }),
      text(right, height - 6, xTitle, { class: "title", "text-anchor": "end" }),
    );
    if (front.length) {
      const d = front
        .map((point, i) =>
          i
            ? `H${x(point.x).toFixed(1)}V${y(point.y).toFixed(1)}`
            : `M${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`,
        )
        .join("");
      svg.append(path(d + `H${right}`, "front"));
    }
    const rest = points.filter((point) => point.kind === "rest");
    svg.append(path(rest.map((point) => `M${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}h0`).join(""), "cloud"));
    const named = [];
    for (const kind of ["published", "near", "front", "chosen"]) {
      for (const point of points.filter((each) => each.kind === kind)) {
        const [px, py] = [x(point.x), y(point.y)];
        if (Math.abs(y(point.low) - y(point.high)) > 12)
          svg.append(path(`M${px.toFixed(1)} ${y(point.low).toFixed(1)}V${y(point.high).toFixed(1)}`, "whisker"));
        svg.append(
          kind === "chosen"
            ? mark(px, py, point.look, point.label)
            : make("circle", { cx: px, cy: py, r: 4, class: kind, role: "img", "aria-label": point.label }),
        );
        if (kind === "chosen") named.push({ x: px, y: py + LINE, words: point.name });
      }
    }
    if (named.length <= MOST_NAMES) labels(svg, named, width);
    nearest(
      svg,
      rest.map((point) => ({ px: x(point.x), py: y(point.y), label: point.label })),
    );
    return svg;
  };
  // Which of many points lies under the pointer: by arithmetic, not by an element for each.
  const nearest = (svg, points) => {
    svg.addEventListener("pointermove", (event) => {
      if (event.target.getAttribute("role") === "img") return;
      const box = svg.getBoundingClientRect(),
        grow = box.width / svg.width.baseVal.value;
      let best = null,
        distance = 64;
      for (const point of points) {
        const d = (point.px * grow + box.left - event.clientX) ** 2 + (point.py * grow + box.top - event.clientY) ** 2;
        if (d < distance) {
          best = point;
          distance = d;
        }
      }
      svg.dispatchEvent(
        new CustomEvent("tip", {
          bubbles: true,
          detail: best && { label: best.label, x: best.px * grow + box.left, y: best.py * grow + box.top },
        }),
      );
    });
  };

  // -- strips: every machine of a model, each row against its own median
  // rows: [{label, detail, quantiles: [p5, p25, p50, p75, p95] | null, dots: [share], chosen: [{look, value, low, high,
  //   name, label}], published: [{value, label}], says}]; all as shares of the row's median, better is larger
  const strips = (width, rows, { title }) => {
    const narrow = width < NARROW,
      left = narrow ? 16 : Math.min(250, width * 0.3),
      right = width - 24;
    const all = rows.flatMap((row) => [
      1,
      ...row.dots,
      ...row.chosen.map((one) => one.value),
      ...row.published.map((one) => one.value),
    ]);
    const pad = Math.max(0.01, (Math.max(...all) - Math.min(...all)) * 0.04);
    const [low, high] = [Math.min(...all) - pad, Math.max(...all) + pad],
      x = scale(low, high, left, right, false);
    const body = [];
    let y = 26;
    for (const row of rows) {
      const head = narrow ? 18 : 0,
        tall = row.chosen.length ? 52 : 40;
      body.push(
        text(
          0,
          y + (narrow ? 12 : 18),
          fit(narrow ? `${row.label}: ${row.detail}` : row.label, narrow ? width : left - 12),
          { class: "test" },
        ),
      );
      if (!narrow) body.push(text(0, y + 33, fit(row.detail, left - 12), { class: "tick" }));
      const middle = y + head + 18,
        band = make("g", { role: "img", "aria-label": row.says });
      band.append(line(left, middle, right, middle, "grid"));
      if (row.quantiles) {
        const [p5, p25, p50, p75, p95] = row.quantiles.map(x);
        band.append(
          line(p5, middle, p95, middle, "range"),
          make("rect", {
            x: Math.min(p25, p75),
            y: middle - 9,
            width: Math.max(2, Math.abs(p75 - p25)),
            height: 18,
            class: "box",
          }),
          line(p50, middle - 11, p50, middle + 11, "median"),
        );
      }
      const jitter = (i) => ((i * 37) % 17) - 8;
      band.append(
        path(
          row.dots.map((value, i) => `M${x(value).toFixed(1)} ${(middle + jitter(i) * 0.7).toFixed(1)}h0`).join(""),
          "cloud",
        ),
      );
      body.push(band);
      for (const one of row.published)
        body.push(
          make("path", {
            d: `M${x(one.value).toFixed(1)} ${middle - 14}v28`,
            class: "published",
            role: "img",
            "aria-label": one.label,
          }),
          make("circle", {
            cx: x(one.value),
            cy: middle,
            r: 4.5,
            class: "published",
            role: "img",
            "aria-label": one.label,
          }),
        );
      const named = [];
      for (const one of row.chosen) {
        if (Math.abs(x(one.high) - x(one.low)) > 12)
          body.push(path(`M${x(one.low).toFixed(1)} ${middle}H${x(one.high).toFixed(1)}`, "whisker"));
        body.push(mark(x(one.value), middle, one.look, one.label));
        named.push({ x: x(one.value), words: one.name });
      }
      let free = -Infinity;
      for (const one of named.sort((a, b) => a.x - b.x)) {
        const words = fit(one.words, 190),
          long = words.length * LETTER,
          start = Math.max(left, Math.min(one.x - long / 2, right - long));
        if (start < free) continue;
        free = start + long + 8;
        body.push(text(start, middle + 27, words, { class: "name" }));
      }
      y += head + tall;
    }
    const svg = canvas(width, y + 22, title);
    for (const tick of steps(low, high, narrow ? 4 : 8)) {
      svg.append(
        line(x(tick), 20, x(tick), y, Math.abs(tick - 1) < 1e-9 ? "axis" : "grid"),
        text(x(tick), 12, plain(tick * 100) + SPACE + "%", { class: "tick", "text-anchor": "middle" }),
      );
    }
    svg.append(
      text(right, y + 14, "of the model’s median, better to the right", { class: "title", "text-anchor": "end" }),
      ...body,
    );
    return svg;
  };

  // -- roofline: what each machine's own ceilings allow, and where its results lie
  // roofs: [{look, name, peak, bandwidth}]; points: [{look, x, y, label}]
  const roofline = (width, roofs, points, { title, dtype }) => {
    const height = width < NARROW ? 300 : 380,
      left = 58,
      right = width - 14,
      top = 26,
      bottom = height - 42;
    const ridges = roofs.map((roof) => roof.peak / roof.bandwidth),
      xs = [...ridges, ...points.map((point) => point.x)];
    const [x0, x1] = [Math.min(...xs) / 8, Math.max(...xs) * 2.5];
    const ys = [
      ...roofs.map((roof) => roof.peak),
      ...points.map((point) => point.y),
      ...roofs.map((roof) => x0 * 3 * roof.bandwidth),
    ];
    const [y0, y1] = [Math.min(...ys) / 1.6, Math.max(...ys) * 1.5];
    const x = scale(x0, x1, left, right, true),
      y = scale(y0, y1, bottom, top, true);
    const svg = canvas(width, height, title);
    for (const tick of decades(y0, y1, 6))
      svg.append(
        line(left, y(tick), right, y(tick), "grid"),
        text(left - 6, y(tick) + 4, powers(tick), { class: "tick", "text-anchor": "end" }),
      );
    for (const tick of decades(x0, x1, width < NARROW ? 4 : 7))
      svg.append(
        line(x(tick), bottom, x(tick), bottom + 4, "axis"),
        text(x(tick), bottom + 18, powers(tick), { class: "tick", "text-anchor": "middle" }),
      );
    svg.append(
      line(left, bottom, right, bottom, "axis"),
      text(0, 12, `FLOP/s in ${dtype}`, { class: "title" }),
      text(right, height - 6, "FLOP per byte", { class: "title", "text-anchor": "end" }),
    );
    for (const roof of roofs) {
      const from = Math.max(x0, y0 / roof.bandwidth),
        ridge = roof.peak / roof.bandwidth;
      const d = `M${x(from).toFixed(1)} ${y(from * roof.bandwidth).toFixed(1)}L${x(ridge).toFixed(1)} ${y(roof.peak).toFixed(1)}H${right}`;
      svg.append(path(d, `roof line${(roof.look % MARKS.length) + 1}`, { role: "img", "aria-label": roof.label }));
    }
    for (const point of points) svg.append(mark(x(point.x), y(point.y), point.look, point.label));
    if (roofs.length <= MOST_NAMES)
      labels(
        svg,
        roofs.map((roof) => ({ x: x(roof.peak / roof.bandwidth) - 6, y: y(roof.peak) - 12, words: roof.name })),
        width,
      );
    return svg;
  };

  // -- runs of a number: a dot each, against its machine's own value
  // sides: [{name, look, value, runs}]
  const runs = (width, sides, title) => {
    const most =
      Math.max(0.001, ...sides.flatMap((side) => side.runs.map((run) => Math.abs(run / side.value - 1)))) * 1.1;
    const x = scale(-most, most, 12, width - 28, false),
      bottom = 28 + sides.length * 40,
      svg = canvas(width, bottom, title);
    for (const tick of steps(-most, most, 4))
      svg.append(
        line(x(tick), 18, x(tick), bottom, Math.abs(tick) < 1e-12 ? "axis" : "grid"),
        text(x(tick), 12, (tick > 0 ? "+" : "") + plain(tick * 100).replace("-", "−") + SPACE + "%", {
          class: "tick",
          "text-anchor": "middle",
        }),
      );
    for (const [row, side] of sides.entries()) {
      const middle = 50 + row * 40;
      svg.append(
        text(0, middle - 12, fit(side.name, width), { class: "tick" }),
        line(10, middle, width - 12, middle, "grid"),
      );
      for (const [i, run] of side.runs.entries())
        svg.append(
          mark(x(run / side.value - 1), middle, side.look, `${side.name}, run ${i + 1}: ${significant(run, 5)}`),
        );
    }
    return svg;
  };

  return { MARKS, key, forest, scatter, strips, roofline, runs };
})();
