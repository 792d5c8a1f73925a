"use strict";
// The comparison of the chosen machines: verdicts, table, forest, conditions.
const table = (() => {
  const { DASH, SPACE, amount, counted, times, range, prefix } = numbers;
  const { words, cases, machines, measured } = explorer;
  const { $, root, all, h, detail, filled, sentence, tally } = dom;
  const { now, state, nameOf, about, looks, fits, filtersTold, ordered } = choice;
  // -- the comparison
  const amountOf = (one) => amount(one.value, one.low, one.high);
  const status = (one) => words.statuses[one.status === "ok" ? "failed" : one.status];
  const scaled = (worth, n, by) => {
    // with a prefix of its own
    const unit = by === "dollars" ? cases[n].work + "/$" : cases[n].symbol + " per W";
    const [scale, letter] = prefix(worth.value);
    return [
      amount(worth.value / scale, worth.low && worth.low / scale, worth.high && worth.high / scale),
      letter + unit,
    ];
  };
  const said = (one, pair, show) => {
    // [main, more, tone, value]
    if (!one) return [DASH, "not measured", "unknown"];
    if (one.value === null) return status(one);
    if (show === "watts" || show === "dollars") {
      const worth = explorer.worth(one, show);
      return worth
        ? [scaled(worth, one.n, show).join(SPACE), "", "", amountOf(one)]
        : [DASH, show === "watts" ? "no power known" : "no price", "unknown"];
    }
    if (!pair || pair.ratio === null)
      return [
        amountOf(one) + (one.unclean ? words.marks.unclean : ""),
        pair ? words.verdicts[pair.verdict].slice(0, 2).join(" ") : "",
        "",
      ];
    const [glyph, word, tone] = words.verdicts[pair.verdict];
    const known = pair.low !== null;
    const ratio =
      (known ? times(pair.ratio, pair.low, pair.high) : "×" + pair.ratio.toFixed(3)) +
      (pair.differs.length ? words.marks.differs : "") +
      (pair.unclean ? words.marks.unclean : "");
    const ends = known ? ` (${range(pair.low, pair.high)})` : "";
    return show === "ratio"
      ? [`${glyph} ${ratio}`, word + ends, tone, amountOf(one)]
      : [amountOf(one), `${glyph} ${ratio} ${word}`, ""];
  };
  const head = (place, look, base) =>
    h(
      "th",
      { role: "columnheader", scope: "col", class: "entrant" },
      h("span", { class: "label" }, charts.key(look), " " + machines[place].label),
      " ",
      detail((base ? "baseline · " : "") + about(machines[place])),
    );
  const drawTable = () => {
    const look = looks(),
      order = ordered();
    $("cells").className = order.length > 4 ? "compact" : order.length > 2 ? "" : "pair";
    $("cells").tHead.replaceChildren(
      h(
        "tr",
        { role: "row" },
        h("th", { role: "columnheader", scope: "col" }, "Test"),
        order.map((place) => head(place, look.get(place), place === state.base)),
      ),
    );
    all("tbody", $("cells")).forEach((body) => body.remove());
    now.rows = [];
    let body = null,
      family = null;
    for (const row of now.comparison.rows) {
      if (!state.every && !row.first) continue;
      if (cases[row.n].family !== family) {
        family = cases[row.n].family;
        body = h(
          "tbody",
          { role: "rowgroup" },
          h(
            "tr",
            { role: "row", class: "group" },
            h("th", { role: "rowheader", scope: "rowgroup", colspan: order.length + 1 }, family),
          ),
        );
        $("cells").append(body);
      }
      const cells = order.map((place) => {
        const one = row.cells.get(place),
          [main, more, tone, value] = said(one, row.pairs.get(place), state.show);
        const inside = [
          h("span", { class: ("main " + tone).trim() }, main),
          more && " ",
          more && detail(more),
          value && " ",
          value && h("span", { class: "detail value" }, value),
        ];
        return h(
          "td",
          { role: "cell" },
          h("span", { class: "who" }, machines[place].label),
          one ? h("button", { type: "button", class: "cell", tabindex: -1, "data-place": place }, inside) : inside,
        );
      });
      const element = h(
        "tr",
        { role: "row" },
        h(
          "th",
          { role: "rowheader", scope: "row", class: "case" },
          cases[row.n].words,
          " ",
          detail(`${cases[row.n].unit} · ${row.implementation}${cases[row.n].higher ? "" : " · less is better"}`),
        ),
        cells,
      );
      element.row = row;
      now.rows.push({ row, element, body });
      body.append(element);
    }
    const first = $("cells").querySelector("button.cell");
    if (first) first.tabIndex = 0;
    $("caption").textContent = order.length > 1 ? filled(words.method, counted(now.comparison.family, "test")) : "";
  };
  const filterRows = () => {
    const seen = new Map();
    let shown = 0;
    for (const { row, element, body } of now.rows) {
      const fit = fits(row.n, row.implementation);
      element.hidden = !fit;
      shown += fit;
      seen.set(body, seen.get(body) || fit);
    }
    for (const [body, any] of seen) body.hidden = !any;
    const hidden = now.rows.length - shown;
    $("count").replaceChildren(
      `${shown} of ${counted(now.rows.length, "test")} shown`,
      hidden ? `; ${hidden} hidden by ${filtersTold()} ` : "",
      hidden ? h("button", { type: "button", class: "text", id: "clear" }, "clear") : "",
    );
    drawForest();
  };
  const MOST_ROWS = 16;
  const drawForest = () => {
    const look = looks(),
      others = ordered().slice(1);
    const drawn = now.rows
      .filter(({ row, element }) => !element.hidden && others.some((place) => (row.pairs.get(place) || {}).ratio))
      .map(({ row }) => row);
    const some = now.everyRow ? drawn : drawn.slice(0, MOST_ROWS);
    $("forest").hidden = !some.length;
    if (!some.length) return;
    const figure = some.map((row) => ({
      group: cases[row.n].family,
      label: cases[row.n].words + (cases[row.n].higher ? "" : ", inverted"),
      points: others
        .map((place) => [place, row.pairs.get(place)])
        .filter(([, pair]) => pair && pair.ratio)
        .map(([place, pair]) => ({
          look: look.get(place),
          ratio: pair.ratio,
          low: pair.low || pair.ratio,
          high: pair.high || pair.ratio,
          label: `${machines[place].label}, ${nameOf(row.n)}: ${times(pair.ratio, pair.low || undefined, pair.high || undefined)} of the baseline${pair.low ? `, 95 % interval ${range(pair.low, pair.high)}` : ""}, ${words.verdicts[pair.verdict][1]}`,
        })),
    }));
    draw("forest", (width) =>
      charts.forest(width, figure, "Ratio to the baseline, test by test; the table above has the numbers"),
    );
    legend("forest", others);
    $("forest")
      .querySelector("figcaption")
      .replaceChildren(
        `Right of ×1 is better than ${machines[state.base].label}. Whiskers: 95${SPACE}% interval. Grey: differences within ±1${SPACE}%, which are not called. `,
        drawn.length > MOST_ROWS
          ? h(
              "button",
              { type: "button", class: "text", id: "all-rows" },
              now.everyRow ? `Draw only ${MOST_ROWS} tests` : `Draw all ${drawn.length} tests`,
            )
          : "",
      );
  };
  const legend = (id, places) => {
    const look = looks();
    $(id)
      .querySelector(".legend")
      .replaceChildren(...places.map((place) => h("li", {}, charts.key(look.get(place)), " " + machines[place].label)));
  };
  // Drawings are made for a width, and again when it changes.
  const drawings = new Map();
  const draw = (id, make) => {
    drawings.set(id, make);
    const box = $(id).querySelector(".drawing");
    box.replaceChildren(make(Math.max(288, Math.floor(box.clientWidth))));
  };
  let wide = root.clientWidth;
  addEventListener("resize", () => {
    if (root.clientWidth === wide) return;
    wide = root.clientWidth;
    for (const [id, make] of drawings) if (!$(id).hidden) draw(id, make);
  });

  const drawHeader = async () => {
    const others = ordered().slice(1);
    const told = others
      .map((place) => [
        now.comparison.rows.filter((row) => (row.pairs.get(place) || {}).verdict === "faster").length,
        explorer.headline(now.comparison, state.base, place),
      ])
      .sort((a, b) => b[0] - a[0])
      .map(([, words]) => words);
    if (!state.chosen.length) told.push("No machine is chosen.");
    else if (!told.length) told.push(`Only ${machines[state.base].label} is chosen: add a machine to compare it with.`);
    if (!state.own && measured.length > words.most) told.unshift(words.headline);
    $("verdict").textContent = told[0];
    $("sentences").replaceChildren(...told.slice(1).map((line) => h("li", {}, line)));
    const pairs = now.comparison.rows.flatMap((row) => [...row.pairs.values()]),
      notes = [];
    for (const [reason, count] of tally(pairs.flatMap((pair) => (pair.unclean ? pair.unclean.split("; ") : []))))
      notes.push(`${words.marks.unclean} ${counted(count, "pair")} not clean: ${reason}.`);
    for (const place of others) {
      const differs = new Set(now.comparison.rows.flatMap((row) => (row.pairs.get(place) || { differs: [] }).differs));
      if (differs.size)
        notes.push(`${words.marks.differs} ${machines[place].label} differs in: ${[...differs].join(", ")}.`);
    }
    for (const [reason, count] of tally(
      pairs.filter((pair) => pair.verdict === "incomparable").map((pair) => pair.reason),
    ))
      notes.push(`≠ ${counted(count, "pair")}: ${sentence(reason)}`);
    $("notes").replaceChildren(...notes.map((line) => h("li", {}, line)));
  };
  const drawConditions = () => {
    const order = ordered(),
      told = order.map((place) => conditions(place)),
      names = [...new Set(told.flatMap((each) => Object.keys(each)))];
    const differ = names.filter((name) => new Set(told.map((each) => each[name] || "not known")).size > 1);
    const look = looks();
    $("differ").tHead.replaceChildren(
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Condition"),
        order.map((place) =>
          h(
            "th",
            { scope: "col", class: "entrant" },
            h("span", { class: "label" }, charts.key(look.get(place)), " " + machines[place].label),
          ),
        ),
      ),
    );
    $("differ").tBodies[0].replaceChildren(
      ...(differ.length
        ? differ.map((name) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, name),
              told.map((each) => h("td", {}, each[name] || "not known")),
            ),
          )
        : [h("tr", {}, h("td", { colspan: order.length + 1 }, "None that is on record."))]),
    );
    const gaps = [];
    for (const place of order) {
      const missing = new Map();
      for (const row of now.comparison.rows) {
        const one = row.cells.get(place),
          name = `${nameOf(row.n)} [${row.implementation}]`;
        const why = !one
          ? "not measured"
          : one.value === null
            ? `${status(one)[1]}: ${one.reason || "no reason given"}`
            : "";
        if (why) missing.set(why, [...(missing.get(why) || []), name]);
      }
      for (const [why, names] of missing)
        gaps.push(
          h(
            "li",
            {},
            `${machines[place].label}: ${counted(names.length, "test")} ${why}`,
            names.length > 3
              ? h("details", {}, h("summary", {}, "which"), detail(names.join("; ")))
              : detail(" " + names.join("; ")),
          ),
        );
    }
    $("gaps").replaceChildren(...(gaps.length ? gaps : [h("li", {}, "Nothing that another of these machines has.")]));
  };
  const conditions = (place) => {
    const one = machines[place],
      told = {
        machine: one.name,
        devices: String(one.devices),
        origin: one.origin,
        "measured on": (one.started || "").slice(0, 10),
        suite: one.suite,
        runs: one.runs ? String(one.runs) : "",
        backend: one.backend,
        tool: `${one.tool} ${one.version}`.trim(),
        code: (one.code || "").slice(0, 12),
        provider: one.provider,
        instance: one.instance,
        region: one.region,
        ...now.comparison.told.get(place).facts,
      };
    return Object.fromEntries(Object.entries(told).filter(([, value]) => value));
  };

  return {
    said,
    status,
    amountOf,
    scaled,
    draw,
    legend,
    drawTable,
    filterRows,
    drawForest,
    drawHeader,
    drawConditions,
  };
})();
