"use strict";
// The leader board of a case, and the drawings that belong to it.
const board = (() => {
  const { DASH, SPACE, amount, counted, significant, prefix } = numbers;
  const { words, cases, machines } = explorer;
  const { $, all, h, detail, filled, tally, prefixed } = dom;
  const { now, state, nameOf, about, model, looks, fits, machineFiltersTold, ordered } = choice;
  const { status, amountOf, draw, legend } = table;
  // -- the leader board
  const rank = (entry) =>
    entry.first === undefined
      ? DASH
      : entry.first === entry.last
        ? String(entry.first)
        : entry.first + DASH + entry.last;
  const shownCase = () =>
    cases[state.case] && cases[state.case].count && fits(state.case)
      ? state.case
      : cases.findIndex((one, n) => one.count && fits(n));
  const drawBoard = () => {
    const n = now.n,
      look = looks(),
      by = state.sort;
    const entries = [...now.board.ranked, ...now.board.unranked].filter((entry) => now.keep.has(entry.place));
    $("board-title").textContent = nameOf(n);
    const total = now.board.ranked.length + now.board.unranked.length,
      filters = machineFiltersTold();
    const missing = tally(
      now.board.missing.map((entry) => (entry.one && entry.one.value === null ? status(entry.one)[1] : entry.reason)),
    );
    $("board-count").textContent =
      `${entries.length} of ${counted(total, "machine")} shown${total - entries.length ? `; ${total - entries.length} hidden by ${filters}` : ""}. ${counted(now.board.ranked.length, "machine")} ranked` +
      (now.board.unranked.length ? `, ${now.board.unranked.length} with a number but no rank` : "") +
      (missing.size ? `; without a number: ${[...missing].map(([why, count]) => `${count} ${why}`).join(", ")}` : "") +
      ".";
    const scales = Object.fromEntries(
      ["watts", "dollars"].map((each) => {
        const values = [...now.board.ranked, ...now.board.unranked]
          .map((entry) => explorer.worth(entry.one, each))
          .filter(Boolean)
          .map((worth) => worth.value)
          .sort((a, b) => a - b);
        return [each, values.length ? prefix(values[values.length >> 1]) : [1, ""]];
      }),
    );
    const unit = {
      watts: `${scales.watts[1]}${cases[n].symbol} per watt`,
      dollars: `${scales.dollars[1]}${cases[n].work || ""} per dollar`,
      value: cases[n].unit + (cases[n].higher ? "" : ", less is better"),
    };
    for (const cell of all("#places thead th[data-sort]")) {
      const name = cell.dataset.sort;
      cell.replaceChildren(h("button", { type: "button" }, unit[name]));
      if (name === by)
        cell.setAttribute("aria-sort", name === "value" && !cases[n].higher ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    }
    const column = (entry, name) => {
      const worth = explorer.worth(entry.one, name),
        scale = name === "value" ? 1 : scales[name][0];
      const words = worth
        ? name === by
          ? amount(worth.value / scale, worth.low && worth.low / scale, worth.high && worth.high / scale)
          : name === "value"
            ? amountOf(entry.one)
            : significant(worth.value / scale)
        : DASH;
      return h(
        "td",
        { role: "cell", class: "number " + name },
        name === "value" ? h("button", { type: "button", class: "cell", "data-place": entry.place }, words) : words,
      );
    };
    $("places").tBodies[0].replaceChildren(
      ...entries.slice(0, now.limit).map((entry) => {
        const machine = machines[entry.place],
          chosen = look.has(entry.place);
        const pick = h(
          "button",
          {
            type: "button",
            class: "pick",
            "aria-pressed": String(chosen),
            "data-place": entry.place,
            "aria-label": (chosen ? "Chosen: " : "Compare ") + machine.label,
          },
          chosen ? charts.key(look.get(entry.place)) : "+",
        );
        const element = h(
          "tr",
          { role: "row", class: chosen ? "chosen" : "" },
          h("td", { role: "cell", class: "rank" }, rank(entry)),
          h(
            "th",
            { role: "rowheader", scope: "row", class: "entrant" },
            pick,
            " ",
            h("span", { class: "label" }, machine.label),
            " ",
            detail(about(machine) + (entry.reason ? ` · not ranked: ${entry.reason}` : "")),
          ),
          column(entry, "value"),
          column(entry, "watts"),
          column(entry, "dollars"),
          h(
            "td",
            { role: "cell", class: "number price" },
            explorer.price(entry.one) ? "$" + explorer.price(entry.one).toFixed(2) : DASH,
          ),
        );
        element.entry = entry;
        return element;
      }),
    );
    const rest = entries.length - now.limit;
    $("rows").hidden = rest <= 0;
    $("rows").textContent = `Show ${Math.min(rest, 50)} of ${rest} more`;
    const direction = by === "value" && !cases[n].higher ? "less" : "more";
    $("board-caption").textContent =
      now.board.method === "pairs"
        ? filled(
            words.order,
            "the best implementation of each" + { value: "", watts: " per watt", dollars: " per dollar" }[by],
            direction,
            counted(now.board.tests, "pair"),
          )
        : `By the best implementation of each; ${direction} is better. A rank is the range that simultaneous 95${SPACE}% intervals of all machines leave, which is wider than what pairs would.`;
  };
  const tableTwin = (id, heads, lines) => {
    const table = $(id).querySelector("details table");
    table.replaceChildren(
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((name, i) => h("th", { scope: "col", class: i ? "number" : "" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        lines.map((line) =>
          h(
            "tr",
            {},
            line.map((value, i) => (i ? h("td", { class: "number" }, value) : h("th", { scope: "row" }, value))),
          ),
        ),
      ),
    );
  };
  const drawScatter = () => {
    const n = now.n,
      look = looks(),
      lower = !cases[n].higher;
    const values = new Map([...now.board.ranked, ...now.board.unranked].map((entry) => [entry.place, entry.one]));
    const points = [...values.values()]
      .filter(
        (one) =>
          now.keep.has(one.place) &&
          one.value !== null &&
          machines[one.place].origin === "measured" &&
          explorer.price(one),
      )
      .map((one) => ({
        place: one.place,
        x: explorer.price(one),
        y: one.value,
        low: one.low || one.value,
        high: one.high || one.value,
        name: machines[one.place].label,
        look: look.get(one.place),
        label: `${machines[one.place].label}: ${amountOf(one)} ${cases[n].unit} at $${explorer.price(one).toFixed(2)} an hour`,
      }))
      .sort((a, b) => a.x - b.x || (lower ? a.y - b.y : b.y - a.y));
    $("scatter").hidden = points.length < 2;
    if (points.length < 2) return;
    const front = [],
      better = (a, b) => (lower ? a < b : a > b);
    for (const point of points) if (!front.length || better(point.y, front.at(-1).y)) front.push(point);
    const level = (x) => {
      let at = front[0];
      for (const point of front) if (point.x <= x) at = point;
      return at.y;
    };
    for (const point of points)
      point.kind = look.has(point.place)
        ? "chosen"
        : front.includes(point)
          ? "front"
          : (lower ? point.low <= level(point.x) : point.high >= level(point.x))
            ? "near"
            : "rest";
    const title = `Price against ${nameOf(n)}: ${counted(points.length, "machine")}, ${front.length} on the front`;
    draw("scatter", (width) =>
      charts.scatter(width, points, {
        title,
        xTitle: "$ per hour",
        yTitle: cases[n].unit + (lower ? ", better upwards" : ""),
        lower,
        front,
      }),
    );
    const chosen = points.filter((point) => point.kind === "chosen").map((point) => point.place);
    legend("scatter", chosen);
    $("scatter").querySelector("figcaption").textContent =
      `${nameOf(n)}. The line joins machines than which none cheaper is better. Hollow: below the line by less than their interval.` +
      (values.size > points.length
        ? ` ${counted(values.size - points.length, "machine")} without a price or filtered out.`
        : "");
    tableTwin(
      "scatter",
      ["On the front", "$ per hour", cases[n].unit],
      front.map((point) => [point.name, point.x.toFixed(2), amount(point.y, point.low, point.high)]),
    );
  };
  const ENOUGH = 20,
    MOST_STRIPS = 12;
  const drawStrips = () => {
    const n = now.n,
      look = looks(),
      lower = !cases[n].higher,
      groups = new Map();
    const group = (name) => {
      if (!groups.has(name)) groups.set(name, { dots: [], chosen: [], published: [], sources: new Set() });
      return groups.get(name);
    };
    for (const entry of [...now.board.ranked, ...now.board.unranked]) {
      if (!now.keep.has(entry.place) || machines[entry.place].origin !== "measured") continue;
      const one = entry.one,
        machine = machines[one.place],
        of = group(model(machine));
      of.dots.push(one.value);
      of.sources.add(machine.signer || machine.provider);
      if (look.has(one.place))
        of.chosen.push({
          look: look.get(one.place),
          value: one.value,
          low: one.low || one.value,
          high: one.high || one.value,
          name: machine.label.replace(model(machine), "").replace(/^[\s·]+/, "") || machine.label,
          label: `${machine.label}: ${amountOf(one)} ${cases[n].unit}`,
        });
    }
    const byHardware = new Map(
      machines
        .filter((machine) => machine.origin !== "published" && machine.hardware)
        .map((machine) => [machine.hardware, model(machine)]),
    );
    const outside = [];
    for (const figure of now.board.published) {
      const machine = machines[figure.machine],
        name = byHardware.get(machine.hardware);
      const told = {
        value: figure.value,
        label: `published, ${machine.label}: ${significant(figure.value)} ${cases[n].unit}${figure.source || machine.source ? ", " + (figure.source || machine.source) : ""}`,
      };
      if (name && groups.has(name)) groups.get(name).published.push(told);
      else outside.push(told);
    }
    const alone = [...groups].filter(([, of]) => of.dots.length + of.published.length < 2).length;
    const made = [...groups]
      .filter(([, of]) => of.dots.length && of.dots.length + of.published.length > 1)
      .map(([name, of]) => {
        const sorted = [...of.dots].sort((a, b) => a - b),
          many = sorted.length >= ENOUGH;
        const quantiles = many ? [0.05, 0.25, 0.5, 0.75, 0.95].map((share) => numbers.percentile(sorted, share)) : null;
        const middle = numbers.percentile(sorted, 0.5);
        const says =
          `${name}: ${counted(sorted.length, "machine")}, ${significant(sorted[0])} to ${significant(sorted.at(-1))} ${cases[n].unit}` +
          (many
            ? `; middle 90 of 100 from ${significant(quantiles[0])} to ${significant(quantiles[4])}, median ${significant(quantiles[2])}`
            : "; too few to say what is usual");
        return { name, many, quantiles, ...of, says, middle, sorted };
      })
      .sort(
        (a, b) => (b.chosen.length > 0) - (a.chosen.length > 0) || (lower ? a.middle - b.middle : b.middle - a.middle),
      );
    const share = (middle) => (value) => (lower ? middle / value : value / middle);
    const relative = (row) => {
      const part = share(row.middle);
      return {
        label: row.name,
        detail: `${counted(row.sorted.length, "machine")}, median ${significant(row.middle)}`,
        says: row.says,
        quantiles: row.quantiles && row.quantiles.map(part),
        dots: row.dots.map(part),
        chosen: row.chosen.map((one) => ({ ...one, value: part(one.value), low: part(one.low), high: part(one.high) })),
        published: row.published.map((one) => ({ ...one, value: part(one.value) })),
      };
    };
    const some = made.slice(0, MOST_STRIPS);
    $("strips").hidden = !some.length;
    $("lonely").hidden = some.length > 0;
    if (!some.length) return;
    $("strips").querySelector("h3").textContent = nameOf(n);
    draw("strips", (width) =>
      charts.strips(width, some.map(relative), { title: `Distribution by model: ${nameOf(n)}` }),
    );
    $("strips").querySelector("figcaption").textContent =
      `A dot is a machine, set against the median of its model${lower ? " (inverted: less is better)" : ""}. From ${ENOUGH} machines of a model on, whiskers hold 90 and the box 50 of 100; with fewer nothing is called usual.` +
      (some.some((row) => row.published.length) ? " Dashed and hollow: published by others, not measured here." : "") +
      (made.length > some.length
        ? ` ${counted(made.length - some.length, "more model")} not drawn: filter by hardware.`
        : "") +
      (alone ? ` ${counted(alone, "model")} with one value not drawn.` : "");
    $("standing").replaceChildren(...some.flatMap((row) => row.chosen.map((one) => h("li", {}, standing(row, one)))));
    tableTwin(
      "strips",
      ["Model", "machines", "least", "5 %", "median", "95 %", "most", "published", "chosen"],
      made.map((row) => [
        row.name,
        String(row.sorted.length),
        significant(row.sorted[0]),
        ...(row.quantiles ? [0, 2, 4].map((i) => significant(row.quantiles[i])) : [DASH, DASH, DASH]),
        significant(row.sorted.at(-1)),
        row.published.map((one) => significant(one.value)).join(", ") || DASH,
        row.chosen.map((one) => one.label).join("; ") || DASH,
      ]),
    );
  };
  // Better than how many others of its model: by both ends of its interval, itself left out.
  const standing = (row, one) => {
    const lower = !cases[now.n].higher,
      others = [...row.sorted];
    others.splice(others.indexOf(one.value), 1);
    const count = (end) => others.filter((value) => (lower ? value > end : value < end)).length;
    const [least, most] = [count(one.low), count(one.high)].sort((a, b) => a - b);
    if (!others.length) return `${one.label}; no other machine of its model is here.`;
    return `${one.label}; better than ${least === most ? least : least + DASH + most} of ${counted(others.length, "other machine")} of its model.`;
  };
  const drawRoofline = () => {
    const look = looks(),
      order = ordered(),
      told = now.comparison.told,
      wanted = cases[now.n] ? cases[now.n].dtype : "";
    const known = tally(order.flatMap((place) => Object.keys((told.get(place).roof || { flops: {} }).flops)));
    const dtype = known.has(wanted)
      ? wanted
      : [...known].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([name]) => name)[0];
    const roofs = order
      .map((place) => ({ place, roof: told.get(place).roof }))
      .filter(({ roof }) => dtype && roof && roof.flops[dtype] && roof.bandwidth)
      .map(({ place, roof }) => ({
        look: look.get(place),
        name: machines[place].label,
        peak: roof.flops[dtype],
        bandwidth: roof.bandwidth,
        label: `${machines[place].label}: at most ${prefixed(roof.flops[dtype], "FLOP/s")} in ${dtype}, ${prefixed(roof.bandwidth, "B/s")} from memory`,
      }));
    $("roofline").hidden = !roofs.length;
    if (!roofs.length) return;
    const points = now.comparison.rows
      .filter(
        (row) =>
          row.first && cases[row.n].metric === "flop/s" && cases[row.n].dtype === dtype && cases[row.n].intensity,
      )
      .flatMap((row) =>
        order
          .map((place) => row.cells.get(place))
          .filter((one) => one && one.value !== null)
          .map((one) => ({
            look: look.get(one.place),
            x: cases[row.n].intensity,
            y: one.value * cases[row.n].scale,
            name: machines[one.place].label,
            words: nameOf(row.n),
            shown: `${amountOf(one)} ${cases[row.n].unit}`,
            label: `${machines[one.place].label}, ${nameOf(row.n)}: ${amountOf(one)} ${cases[row.n].unit} at ${significant(cases[row.n].intensity)} FLOP per byte`,
          })),
      );
    draw("roofline", (width) =>
      charts.roofline(width, roofs, points, {
        title: `Roofline in ${dtype} of ${counted(roofs.length, "machine")}`,
        dtype,
      }),
    );
    legend(
      "roofline",
      order.filter((place) => roofs.some((roof) => roof.look === look.get(place))),
    );
    $("roofline").querySelector("figcaption").textContent =
      `Lines: each machine’s own measured ceilings in ${dtype} and of its memory. Marks: its results.`;
    tableTwin(
      "roofline",
      ["Machine", "test", "FLOP per byte", "value"],
      [
        ...roofs.map((roof) => [
          roof.name,
          "ceilings",
          DASH,
          `${prefixed(roof.peak, "FLOP/s")}, ${prefixed(roof.bandwidth, "B/s")}`,
        ]),
        ...points.map((point) => [point.name, point.words, significant(point.x), point.shown]),
      ],
    );
  };

  return { shownCase, drawBoard, drawScatter, drawStrips, drawRoofline };
})();
