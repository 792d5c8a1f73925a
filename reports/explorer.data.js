"use strict";
// The comparison of N machines. Where its data comes from (benchsuite/render/explorer/data.py writes all of it):
//
//   index            machines and cases, without any cell: data.index(); always in the page, in <script id="data">
//   load(case)       Promise of the column of a case (its place in index.cases): data.columns(n)
//   about(machine)   Promise of one machine alone: facts, ceilings, its row of cells and their details: data.about(m)
//
// A single file embeds everything, in columns: {"index": …, "columns": [of each case], "facts": [[name, column of words]],
// "roofs": [of each machine], "details": [of each machine; only while that is little]}.
// A page that loads on demand has {"index": …, "from": "data/"}. For case n it adds the script "data/case-<n>.js", which
// calls benchsuite.case(n, {…}), and for machine m "data/machine-<m>.js", which calls benchsuite.machine(m, {…}). A column
// "href" in index.machines becomes a link to the page of each machine.
//
// A column of words is a list, {"all": word, "but": {"place": word}}, or {"of": [words], "at": [places]}; one with gaps
// is a list with null, or {"place": value}. A column without anything to say is left out. In a case's column:
//   machine         places of the machines, null for "each once, in order"
//   implementation, provider
//   value           in units of the case's scale; null without a verified number
//   runs            each run as ln(run / value) in steps of 1e-5; 0 where there are not several
//   ends            [low, high] of the interval, where the runs do not give it (t interval of their logs)
//   gate            what two cells must share to be compared, by "|", in the order of index.gate
//   notes           codes of caveats, by blanks; unclean: what compromised it, by "; "
//   status, source, watts; reason: why it cannot be compared; devices: how many must be paid for it, 0 where no price buys it
const explorer = (() => {
  const { FEWEST } = numbers;
  const packed = JSON.parse(document.getElementById("data").textContent);
  const { index, words } = packed;
  const cases = index.cases,
    count = index.machines.count;

  // One word of a column.
  const at = (column, i) => {
    if (column === undefined || column === null) return null;
    if (Array.isArray(column)) return column[i];
    if (column.at) return column.of[column.at[i]];
    if ("all" in column) return column.but && i in column.but ? column.but[i] : column.all;
    return i in column ? column[i] : null;
  };
  const machines = Array.from({ length: count }, (_, place) => {
    const one = { place };
    for (const name of Object.keys(index.machines)) if (name !== "count") one[name] = at(index.machines[name], place);
    return one;
  });
  const places = new Map(machines.map((machine) => [machine.key, machine.place]));
  const measured = machines.filter((machine) => machine.origin !== "published");
  const holds = (machine, n) => {
    // whether it has a verified number for case n
    const digits = machine.has,
      digit = digits.length - 1 - (n >> 2);
    return digit >= 0 && ((parseInt(digits[digit], 16) >> (n & 3)) & 1) === 1;
  };

  // -- loading
  const loaded = new Map(),
    waiting = new Map();
  const script = (kind, n) => {
    const name = kind + "-" + n;
    if (!loaded.has(name)) {
      loaded.set(
        name,
        new Promise((done, fail) => {
          const element = document.createElement("script");
          waiting.set(name, done);
          element.src = packed.from + name + ".js";
          element.onerror = () => {
            loaded.delete(name);
            fail(new Error(name + ".js cannot be loaded"));
          };
          document.head.append(element);
        }),
      );
    }
    return loaded.get(name);
  };
  const arrived = (kind) => (n, value) => {
    const done = waiting.get(kind + "-" + n);
    if (done) done(value);
  };

  const cell = (column, i, n, place) => {
    const value = column.value[i],
      runs = column.runs[i] || null,
      ends = at(column.ends, i);
    const half = value !== null && runs && !ends ? Math.exp(numbers.reach(runs)) : null;
    return {
      place,
      n,
      value,
      runs,
      low: ends ? ends[0] : half && value / half,
      high: ends ? ends[1] : half && value * half,
      implementation: at(column.implementation, i) || "",
      provider: at(column.provider, i) || "",
      gate: at(column.gate, i) || "",
      notes: at(column.notes, i) || "",
      unclean: at(column.unclean, i) || "",
      status: at(column.status, i) || "ok",
      reason: at(column.reason, i) || "",
      source: at(column.source, i) || "",
      watts: at(column.watts, i),
      devices: at(column.devices, i) || 0,
    };
  };
  const made = new Map();
  const column = (n, raw) => {
    if (!made.has(n)) {
      const places = raw.machine || raw.value.map((_, i) => i);
      made.set(n, { cells: places.map((place, i) => cell(raw, i, n, place)), published: raw.published || [] });
    }
    return made.get(n);
  };
  // Promise of {cells, published} of a case.
  const load = async (n) => column(n, packed.columns ? packed.columns[n] : await script("case", n));
  const abouts = new Map();
  const about = (place) => {
    if (!abouts.has(place)) abouts.set(place, tell(place));
    return abouts.get(place);
  };
  // Promise of {facts, roof, cells, details} of a machine.
  const tell = async (place) => {
    if (!packed.columns) {
      const told = await script("machine", place);
      return {
        ...told,
        facts: Object.fromEntries(told.facts),
        cells: told.cells.case.map((n, i) => cell(told.cells, i, n, place)),
      };
    }
    const facts = {};
    for (const [name, values] of packed.facts) {
      const fact = at(values, place);
      if (fact) facts[name] = fact;
    }
    const own = (raw) => (raw.machine ? raw.machine.flatMap((each, i) => (each === place ? [i] : [])) : [place]);
    const cells = packed.columns.flatMap((raw, n) => own(raw).map((i) => cell(raw, i, n, place)));
    return { facts, roof: packed.roofs[place], cells, details: packed.details ? packed.details[place] : null };
  };

  // -- comparing
  const task = (one) => one.n + " " + one.implementation;
  const better = (n) => (a, b) => (cases[n].higher ? b.value - a.value : a.value - b.value);
  const unlike = (a, b) => {
    for (const one of [a, b]) if (one.value === null || one.reason) return one.reason || "no value";
    const [x, y] = [a.gate.split("|"), b.gate.split("|")];
    const differs = index.gate.findIndex((_, i) => x[i] !== y[i]);
    return differs < 0
      ? ""
      : `the ${index.gate[differs]} differs: ${x[differs] || "unknown"} and ${y[differs] || "unknown"}`;
  };
  const unmeasured = (...origins) => origins.map((origin) => words.unmeasured[origin]).find(Boolean) || "";
  const differing = (a, b, one, other) => {
    const names = index.declared[machines[one.place].backend] || [];
    const found = names
      .filter((name) => (a.facts[name] || "") !== (b.facts[name] || ""))
      .map((name) => name.split(": ").at(-1));
    if (one.provider !== other.provider) found.push("library");
    if (machines[one.place].code !== machines[other.place].code) found.push("benchsuite");
    return found;
  };
  // Every task that the chosen ones have, each with its cells and what the others are to the baseline. All pairs are one
  // family of tests (compare.against).
  const compare = async (base, chosen) => {
    const told = new Map(await Promise.all(chosen.map(async (place) => [place, await about(place)])));
    const rows = new Map();
    for (const place of chosen) {
      for (const one of told.get(place).cells) {
        if (!rows.has(task(one)))
          rows.set(task(one), {
            n: one.n,
            implementation: one.implementation,
            cells: new Map(),
            pairs: new Map(),
            first: false,
          });
        rows.get(task(one)).cells.set(place, one);
      }
      const best = new Map();
      for (const one of told.get(place).cells) {
        const rival = best.get(one.n);
        if (!rival || (one.value !== null && (rival.value === null || better(one.n)(one, rival) < 0)))
          best.set(one.n, one);
      }
      for (const one of best.values()) rows.get(task(one)).first = true;
    }
    const pairs = [];
    for (const row of rows.values()) {
      const a = row.cells.get(base);
      for (const place of chosen) {
        const b = row.cells.get(place);
        if (place === base || !a || !b || a.status === "skipped" || b.status === "skipped") continue;
        const pair = {
          place,
          a,
          b,
          reason: unlike(a, b),
          verdict: "incomparable",
          ratio: null,
          low: null,
          high: null,
          differs: [],
          unclean: "",
        };
        row.pairs.set(place, pair);
        if (pair.reason) continue;
        pair.ratio = cases[row.n].higher ? b.value / a.value : a.value / b.value;
        pair.differs = differing(told.get(base), told.get(place), a, b);
        pair.reason = unmeasured(machines[base].origin, machines[place].origin);
        if (pair.reason) continue;
        pair.welch = numbers.welch(a, b, cases[row.n].higher);
        if (pair.welch) pairs.push(pair);
        else {
          pair.verdict = "undecided";
          pair.reason = `fewer than ${FEWEST} runs on a side`;
        }
      }
    }
    const shown = numbers.holm(pairs.map((pair) => pair.welch.p));
    for (const [i, pair] of pairs.entries()) {
      Object.assign(pair, {
        ratio: pair.welch.ratio,
        low: pair.welch.low,
        high: pair.welch.high,
        verdict: numbers.verdict(pair.welch, shown[i]),
      });
      pair.unclean = [
        ...new Set([pair.a.unclean, pair.b.unclean].filter(Boolean).flatMap((text) => text.split("; "))),
      ].join("; ");
    }
    const order = [...rows.values()].sort((a, b) => a.n - b.n);
    return { rows: order, told, family: pairs.length };
  };
  const headline = (comparison, base, place) => {
    const pairs = comparison.rows.map((row) => row.pairs.get(place)).filter(Boolean);
    const of = (verdict) => pairs.filter((pair) => pair.verdict === verdict);
    const spread = (some) => {
      const ratios = some
        .map((pair) => pair.ratio)
        .sort((a, b) => a - b)
        .map((ratio) => "×" + ratio.toFixed(2));
      return ` (${[...new Set([ratios[0], ratios.at(-1)])].join(" to ")})`;
    };
    const told = [
      ["faster", "faster in"],
      ["slower", "slower in"],
      ["same", "the same in"],
      ["undecided", "no difference shown in"],
      ["incomparable", "not comparable in"],
    ]
      .filter(([verdict]) => of(verdict).length)
      .map(
        ([verdict, phrase]) =>
          `${phrase} ${of(verdict).length}${verdict === "faster" || verdict === "slower" ? spread(of(verdict)) : ""}`,
      );
    return `${machines[place].label} against ${machines[base].label}, ${numbers.counted(pairs.length, "case")}: ${told.join(", ") || "nothing to compare"}.`;
  };

  // -- the board of a case
  const price = (one) => (one.devices && machines[one.place].usd ? machines[one.place].usd * one.devices : null);
  // What a cell is worth: {value, low, high, unit: SI} by value, watts or dollars; null where that is not known.
  const worth = (one, by) => {
    const { scale, work } = cases[one.n]; // without work there is no rate to buy
    if (one.value === null) return null;
    const factor =
      by === "value"
        ? 1
        : work === null
          ? null
          : by === "watts"
            ? one.watts && scale / one.watts
            : price(one) && (scale * 3600) / price(one);
    return factor
      ? { value: one.value * factor, low: one.low && one.low * factor, high: one.high && one.high * factor, factor }
      : null;
  };
  const unworthy = (one, by) => {
    if (cases[one.n].work === null) return "it is no work over time";
    return by === "watts" ? "no sensor told its power" : "no price";
  };
  const boards = new Map();
  const board = async (n, by) => {
    const name = n + " " + by;
    if (boards.has(name)) return boards.get(name);
    const { cells, published } = await load(n);
    const best = new Map();
    for (const one of cells) {
      const rival = best.get(one.place);
      if (!rival || (one.value !== null && (rival.value === null || better(n)(one, rival) < 0)))
        best.set(one.place, one);
    }
    const able = [],
      unranked = [],
      missing = [];
    for (const one of best.values()) {
      if (one.value === null || one.reason) {
        missing.push({ place: one.place, one, reason: one.reason || "no value" });
        continue;
      }
      const amount = worth(one, by),
        entry = { place: one.place, one, ...amount };
      entry.reason =
        unmeasured(machines[one.place].origin) ||
        one.unclean ||
        (one.runs && one.runs.length >= FEWEST ? "" : `fewer than ${FEWEST} runs`);
      if (!amount) missing.push({ ...entry, reason: unworthy(one, by) });
      else if (entry.reason) unranked.push(entry);
      else able.push(entry);
    }
    const gates = new Map();
    for (const entry of able) gates.set(entry.one.gate, (gates.get(entry.one.gate) || 0) + 1);
    const usual = [...gates].sort((a, b) => b[1] - a[1])[0];
    const model = able.find((entry) => usual && entry.one.gate === usual[0]);
    const ranked = able.filter((entry) => {
      entry.reason = unlike(model.one, entry.one);
      return !entry.reason;
    });
    unranked.push(...able.filter((entry) => entry.reason));
    const up = by === "value" && !cases[n].higher ? -1 : 1;
    const order = (a, b) => up * (b.value - a.value) || (machines[a.place].label < machines[b.place].label ? -1 : 1);
    ranked.sort(order);
    unranked.sort(order);
    const ranks = numbers.ranks(ranked.map((entry) => ({ mean: up * Math.log(entry.value), runs: entry.one.runs })));
    ranked.forEach((entry, i) => {
      [entry.first, entry.last] = ranks.ranges[i];
    });
    for (const machine of measured)
      if (!best.has(machine.place)) missing.push({ place: machine.place, one: null, reason: "not measured" });
    const all = [...ranked, ...unranked].map((entry) => entry.value).sort((a, b) => a - b);
    const made = {
      ranked,
      unranked,
      missing,
      published,
      up,
      tests: ranks.tests,
      method: ranks.method,
      middle: all[all.length >> 1] || 1,
    };
    boards.set(name, made);
    return made;
  };

  return {
    packed,
    index,
    words,
    cases,
    machines,
    measured,
    places,
    holds,
    at,
    load,
    about,
    compare,
    headline,
    board,
    worth,
    price,
    task,
    api: { case: arrived("case"), machine: arrived("machine") },
  };
})();
