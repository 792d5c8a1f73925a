"use strict";
// The page: what is chosen and filtered, and what follows from it. The data and how it is loaded: explorer.data.js.
// Texts of publications enter the page as text nodes and attributes of ours only, never as markup.
globalThis.benchsuite = { numbers, compare: explorer.compare, board: explorer.board, ...explorer.api };
(() => {
  const { DASH, SPACE, amount, counted, significant, times, range, prefix } = numbers;
  const { index, words, cases, machines, measured } = explorer;
  const $ = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const h = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) element.setAttribute(name, "");
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  };
  const detail = (...parts) => h("span", { class: "detail" }, ...parts);
  const link = (text) => { // a source as a link where it is an address, else as it is
    if (!/^https:\/\/[^\s"'<>\\]+$/.test(text)) return text;
    return h("a", { href: text, rel: "noopener noreferrer", target: "_blank" }, text);
  };
  const filled = (template, ...parts) => parts.reduce((text, part) => text.replace("{}", () => part), template);
  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  const sentence = (text) => (/[.!?]$/.test(text) ? text : text + ".");
  const nameOf = (n) => `${cases[n].family}, ${cases[n].words}`;
  const about = (machine) => [machine.origin === "measured" ? "" : machine.origin, machine.level, (machine.started || "").slice(0, 10)].filter(Boolean).join(" · ");
  const model = (machine) => machine.name;
  all(".tools, .filters, .picker").forEach((element) => { element.hidden = false; });
  if (explorer.packed.from) $("loads").textContent = "This page loads only its own data, and sends nothing.";

  // -- theme: auto, light, dark -----------------------------------------------------------------------------------
  const root = document.documentElement, themes = ["auto", "light", "dark"];
  const stored = () => { try { return localStorage.getItem("benchsuite-theme"); } catch { return null; } };
  const setTheme = (name) => {
    if (name === "auto") delete root.dataset.theme; else root.dataset.theme = name;
    $("theme").textContent = "Theme: " + name;
    try { localStorage.setItem("benchsuite-theme", name); } catch { /* not allowed here: forget it */ }
  };
  setTheme(themes.includes(stored()) ? stored() : "auto");
  $("theme").addEventListener("click", () => setTheme(themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length]));

  // -- what is chosen: kept in the address, "#v1;base=a;m=a,b;show=ratio;only=bf16;sort=dollars;case=…" ------------------
  const fresh = () => ({ chosen: [...words.chosen], base: words.chosen[0], show: "ratio", only: "", sort: "value", case: words.case, benchmarks: [],
    hardware: "", provider: "", origin: "", complete: false, every: false, own: false });
  let state = fresh();
  const text = (name, allowed) => [(value) => { if (!allowed || allowed.includes(value)) state[name] = value; }, () => state[name]];
  const flag = (name) => [(value) => { state[name] = value === "1"; }, () => (state[name] ? "1" : "")];
  const unknown = [];
  const placed = (key) => { if (explorer.places.has(key) && machines[explorer.places.get(key)].origin !== "published") return explorer.places.get(key); unknown.push(key); return null; };
  const KEYS = {
    m: [(value) => { const found = value.split(",").map(placed).filter((place) => place !== null); state.chosen = [...new Set(found)].slice(0, words.most); state.own = true; },
      () => state.chosen.map((place) => machines[place].key).join(",")],
    base: [(value) => { const place = placed(value); if (place !== null) state.base = place; }, () => (state.base === undefined ? "" : machines[state.base].key)],
    show: text("show", ["ratio", "value", "watts", "dollars"]), only: text("only"), sort: text("sort", ["value", "watts", "dollars"]),
    case: [(value) => { const n = cases.findIndex((one) => one.key === value); if (n >= 0) state.case = n; }, () => (cases[state.case] ? cases[state.case].key : "")],
    benchmarks: [(value) => { state.benchmarks = value.split(",").filter((name) => cases.some((one) => one.benchmark === name)); }, () => state.benchmarks.join(",")],
    hardware: text("hardware"), provider: text("provider"), origin: text("origin"), complete: flag("complete"), every: flag("every"),
  };
  const encode = (value) => encodeURIComponent(value).replaceAll("%20", "+").replaceAll("%2C", ",");
  const decode = (value) => { try { return decodeURIComponent(value.replaceAll("+", " ")); } catch { return value; } };
  const usual = fresh();
  const write = () => {
    const told = Object.entries(KEYS).map(([name, [, read]]) => [name, read()]).filter(([name, value]) => value && value !== "" && !(name === "show" && value === usual.show) && !(name === "sort" && value === usual.sort));
    return "#v1;" + told.map(([name, value]) => name + "=" + encode(value)).join(";");
  };
  const read = () => {
    if (!/^#v1(;|$)/.test(location.hash)) return false;
    state = fresh(); unknown.length = 0;
    const ignored = [];
    for (const part of location.hash.slice(1).split(";").slice(1).filter(Boolean)) {
      const [name, value] = [part.split("=")[0], part.slice(part.indexOf("=") + 1)];
      if (Object.hasOwn(KEYS, name)) KEYS[name][0](decode(value)); else ignored.push(name);
    }
    if (!state.chosen.includes(state.base)) state.base = state.chosen[0];
    const told = [];
    if (unknown.length) told.push(`Not in this file: ${unknown.join(", ")}.`);
    if (ignored.length) told.push(`Not understood in the link: ${ignored.join(", ")}.`);
    $("notice").textContent = told.join(" ");
    return true;
  };
  const remember = () => { try { history.replaceState(null, "", write()); } catch { /* the address stays */ } };
  // A mark for each that is chosen: its place in the whole set decides, so that no filter changes it.
  const looks = () => {
    const found = new Map(), taken = new Set();
    for (const place of state.chosen) {
      let look = place % words.most;
      while (taken.has(look)) look = (look + 1) % words.most;
      taken.add(look); found.set(place, look);
    }
    return found;
  };

  // -- filters ------------------------------------------------------------------------------------------------------
  const parts = () => state.only.toLowerCase().split(/\s+/).filter(Boolean);
  const haystack = cases.map((one) => `${one.family} ${one.benchmark} ${one.words} ${one.key} ${one.dtype}`.toLowerCase().replaceAll(SPACE, " "));
  const fits = (n, implementation = "") => (!state.benchmarks.length || state.benchmarks.includes(cases[n].benchmark))
    && parts().every((part) => haystack[n].includes(part) || implementation.toLowerCase().includes(part));
  const kept = () => {
    const wanted = state.complete ? cases.map((_, n) => n).filter((n) => cases[n].count && fits(n)) : [];
    const by = (machine) => (!state.hardware || model(machine) === state.hardware) && (!state.provider || machine.provider === state.provider)
      && (!state.origin || machine.origin === state.origin) && wanted.every((n) => explorer.holds(machine, n));
    return new Set(machines.filter(by).map((machine) => machine.place));
  };
  const filtersTold = () => [state.only && `“${state.only}”`, ...state.benchmarks].filter(Boolean).join(", ");
  const machineFiltersTold = () => [state.hardware, state.provider, state.origin, state.complete && "complete only"].filter(Boolean).join(", ");

  // -- the comparison -------------------------------------------------------------------------------------------------
  let comparison = null, rows = [];
  const amountOf = (one) => amount(one.value, one.low, one.high);
  const status = (one) => words.statuses[one.status === "ok" ? "failed" : one.status];
  const scaled = (worth, n, by) => { // with a prefix of its own
    const unit = by === "dollars" ? cases[n].work + "/$" : cases[n].symbol + " per W";
    const [scale, letter] = prefix(worth.value);
    return [amount(worth.value / scale, worth.low && worth.low / scale, worth.high && worth.high / scale), letter + unit];
  };
  const said = (one, pair, show) => { // [main, more, tone, value]
    if (!one) return [DASH, "not measured", "unknown"];
    if (one.value === null) return status(one);
    if (show === "watts" || show === "dollars") {
      const worth = explorer.worth(one, show);
      return worth ? [scaled(worth, one.n, show).join(SPACE), "", "", amountOf(one)] : [DASH, show === "watts" ? "no power known" : "no price", "unknown"];
    }
    if (!pair || pair.ratio === null) return [amountOf(one) + (one.unclean ? words.marks.unclean : ""), pair ? words.verdicts[pair.verdict].slice(0, 2).join(" ") : "", ""];
    const [glyph, word, tone] = words.verdicts[pair.verdict];
    const known = pair.low !== null;
    const ratio = (known ? times(pair.ratio, pair.low, pair.high) : "×" + pair.ratio.toFixed(3)) + (pair.differs.length ? words.marks.differs : "") + (pair.unclean ? words.marks.unclean : "");
    const ends = known ? ` (${range(pair.low, pair.high)})` : "";
    return show === "ratio" ? [`${glyph} ${ratio}`, word + ends, tone, amountOf(one)] : [amountOf(one), `${glyph} ${ratio} ${word}`, ""];
  };
  const head = (place, look, base) => h("th", { role: "columnheader", scope: "col", class: "entrant" }, h("span", { class: "label" }, charts.key(look), " " + machines[place].label), " ", detail((base ? "baseline · " : "") + about(machines[place])));
  const drawTable = () => {
    const look = looks(), order = ordered();
    $("cells").className = order.length > 4 ? "compact" : order.length > 2 ? "" : "pair";
    $("cells").tHead.replaceChildren(h("tr", { role: "row" }, h("th", { role: "columnheader", scope: "col" }, "Test"), order.map((place) => head(place, look.get(place), place === state.base))));
    all("tbody", $("cells")).forEach((body) => body.remove());
    rows = [];
    let body = null, family = null;
    for (const row of comparison.rows) {
      if (!state.every && !row.first) continue;
      if (cases[row.n].family !== family) {
        family = cases[row.n].family;
        body = h("tbody", { role: "rowgroup" }, h("tr", { role: "row", class: "group" }, h("th", { role: "rowheader", scope: "rowgroup", colspan: order.length + 1 }, family)));
        $("cells").append(body);
      }
      const cells = order.map((place) => {
        const one = row.cells.get(place), [main, more, tone, value] = said(one, row.pairs.get(place), state.show);
        const inside = [h("span", { class: ("main " + tone).trim() }, main), more && " ", more && detail(more), value && " ", value && h("span", { class: "detail value" }, value)];
        return h("td", { role: "cell" }, h("span", { class: "who" }, machines[place].label), one ? h("button", { type: "button", class: "cell", tabindex: -1, "data-place": place }, inside) : inside);
      });
      const element = h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row", class: "case" }, cases[row.n].words, " ", detail(`${cases[row.n].unit} · ${row.implementation}${cases[row.n].higher ? "" : " · less is better"}`)), cells);
      element.row = row;
      rows.push({ row, element, body });
      body.append(element);
    }
    const first = $("cells").querySelector("button.cell");
    if (first) first.tabIndex = 0;
    $("caption").textContent = order.length > 1 ? filled(words.method, counted(comparison.family, "test")) : "";
  };
  const ordered = () => [state.base, ...state.chosen.filter((place) => place !== state.base)].filter((place) => place !== undefined);
  const filterRows = () => {
    const seen = new Map();
    let shown = 0;
    for (const { row, element, body } of rows) {
      const fit = fits(row.n, row.implementation);
      element.hidden = !fit; shown += fit;
      seen.set(body, seen.get(body) || fit);
    }
    for (const [body, any] of seen) body.hidden = !any;
    const hidden = rows.length - shown;
    $("count").replaceChildren(`${shown} of ${counted(rows.length, "test")} shown`, hidden ? `; ${hidden} hidden by ${filtersTold()} ` : "", hidden ? h("button", { type: "button", class: "text", id: "clear" }, "clear") : "");
    drawForest();
  };
  const MOST_ROWS = 16;
  let everyRow = false;
  const drawForest = () => {
    const look = looks(), others = ordered().slice(1);
    const drawn = rows.filter(({ row, element }) => !element.hidden && others.some((place) => (row.pairs.get(place) || {}).ratio)).map(({ row }) => row);
    const some = everyRow ? drawn : drawn.slice(0, MOST_ROWS);
    $("forest").hidden = !some.length;
    if (!some.length) return;
    const figure = some.map((row) => ({ group: cases[row.n].family, label: cases[row.n].words + (cases[row.n].higher ? "" : ", inverted"),
      points: others.map((place) => [place, row.pairs.get(place)]).filter(([, pair]) => pair && pair.ratio).map(([place, pair]) => ({
        look: look.get(place), ratio: pair.ratio, low: pair.low || pair.ratio, high: pair.high || pair.ratio,
        label: `${machines[place].label}, ${nameOf(row.n)}: ${times(pair.ratio, pair.low || undefined, pair.high || undefined)} of the baseline${pair.low ? `, 95 % interval ${range(pair.low, pair.high)}` : ""}, ${words.verdicts[pair.verdict][1]}` })) }));
    draw("forest", (width) => charts.forest(width, figure, "Ratio to the baseline, test by test; the table above has the numbers"));
    legend("forest", others);
    $("forest").querySelector("figcaption").replaceChildren(`Right of ×1 is better than ${machines[state.base].label}. Whiskers: 95${SPACE}% interval. Grey: differences within ±1${SPACE}%, which are not called. `,
      drawn.length > MOST_ROWS ? h("button", { type: "button", class: "text", id: "all-rows" }, everyRow ? `Draw only ${MOST_ROWS} tests` : `Draw all ${drawn.length} tests`) : "");
  };
  const legend = (id, places) => {
    const look = looks();
    $(id).querySelector(".legend").replaceChildren(...places.map((place) => h("li", {}, charts.key(look.get(place)), " " + machines[place].label)));
  };
  // Drawings are made for a width, and again when it changes.
  const drawings = new Map();
  const draw = (id, make) => { drawings.set(id, make); const box = $(id).querySelector(".drawing"); box.replaceChildren(make(Math.max(288, Math.floor(box.clientWidth)))); };
  let wide = root.clientWidth;
  addEventListener("resize", () => {
    if (root.clientWidth === wide) return;
    wide = root.clientWidth;
    for (const [id, make] of drawings) if (!$(id).hidden) draw(id, make);
  });

  const drawHeader = async () => {
    const others = ordered().slice(1);
    const told = others.map((place) => [comparison.rows.filter((row) => (row.pairs.get(place) || {}).verdict === "faster").length, explorer.headline(comparison, state.base, place)])
      .sort((a, b) => b[0] - a[0]).map(([, words]) => words);
    if (!state.chosen.length) told.push("No machine is chosen.");
    else if (!told.length) told.push(`Only ${machines[state.base].label} is chosen: add a machine to compare it with.`);
    if (!state.own && measured.length > words.most) told.unshift(words.headline);
    $("verdict").textContent = told[0];
    $("sentences").replaceChildren(...told.slice(1).map((line) => h("li", {}, line)));
    const pairs = comparison.rows.flatMap((row) => [...row.pairs.values()]), notes = [];
    for (const [reason, count] of tally(pairs.flatMap((pair) => (pair.unclean ? pair.unclean.split("; ") : [])))) notes.push(`${words.marks.unclean} ${counted(count, "pair")} not clean: ${reason}.`);
    for (const place of others) {
      const differs = new Set(comparison.rows.flatMap((row) => (row.pairs.get(place) || { differs: [] }).differs));
      if (differs.size) notes.push(`${words.marks.differs} ${machines[place].label} differs in: ${[...differs].join(", ")}.`);
    }
    for (const [reason, count] of tally(pairs.filter((pair) => pair.verdict === "incomparable").map((pair) => pair.reason))) notes.push(`≠ ${counted(count, "pair")}: ${sentence(reason)}`);
    $("notes").replaceChildren(...notes.map((line) => h("li", {}, line)));
  };
  const tally = (values) => { const found = new Map(); for (const value of values) found.set(value, (found.get(value) || 0) + 1); return found; };
  const drawConditions = () => {
    const order = ordered(), told = order.map((place) => conditions(place)), names = [...new Set(told.flatMap((each) => Object.keys(each)))];
    const differ = names.filter((name) => new Set(told.map((each) => each[name] || "not known")).size > 1);
    const look = looks();
    $("differ").tHead.replaceChildren(h("tr", {}, h("th", { scope: "col" }, "Condition"), order.map((place) => h("th", { scope: "col", class: "entrant" }, h("span", { class: "label" }, charts.key(look.get(place)), " " + machines[place].label)))));
    $("differ").tBodies[0].replaceChildren(...(differ.length ? differ.map((name) => h("tr", {}, h("th", { scope: "row" }, name), told.map((each) => h("td", {}, each[name] || "not known"))))
      : [h("tr", {}, h("td", { colspan: order.length + 1 }, "None that is on record."))]));
    const gaps = [];
    for (const place of order) {
      const missing = new Map();
      for (const row of comparison.rows) {
        const one = row.cells.get(place), name = `${nameOf(row.n)} [${row.implementation}]`;
        const why = !one ? "not measured" : one.value === null ? `${status(one)[1]}: ${one.reason || "no reason given"}` : "";
        if (why) missing.set(why, [...(missing.get(why) || []), name]);
      }
      for (const [why, names] of missing) gaps.push(h("li", {}, `${machines[place].label}: ${counted(names.length, "test")} ${why}`, names.length > 3 ? h("details", {}, h("summary", {}, "which"), detail(names.join("; "))) : detail(" " + names.join("; "))));
    }
    $("gaps").replaceChildren(...(gaps.length ? gaps : [h("li", {}, "Nothing that another of these machines has.")]));
  };
  const conditions = (place) => {
    const one = machines[place], told = { machine: one.name, devices: String(one.devices), origin: one.origin, "measured on": (one.started || "").slice(0, 10), suite: one.suite, runs: one.runs ? String(one.runs) : "",
      backend: one.backend, tool: `${one.tool} ${one.version}`.trim(), code: (one.code || "").slice(0, 12), provider: one.provider, instance: one.instance, region: one.region, ...comparison.told.get(place).facts };
    return Object.fromEntries(Object.entries(told).filter(([, value]) => value));
  };

  // -- choosing machines ------------------------------------------------------------------------------------------------
  const drawChosen = () => {
    const look = looks();
    $("chosen").replaceChildren(...state.chosen.map((place) => h("li", { class: "chip" }, charts.key(look.get(place)), h("span", {}, machines[place].label), h("button", { type: "button", "data-drop": place, "aria-label": "Remove " + machines[place].label }, "×"))));
    $("base").replaceChildren(...state.chosen.map((place) => h("option", { value: place, selected: place === state.base }, machines[place].label)));
    $("base").value = String(state.base);
  };
  const search = $("search"), found = $("found");
  let active = -1;
  const suggest = () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean), keep = kept();
    const hits = wanted.length ? measured.filter((one) => keep.has(one.place) && !state.chosen.includes(one.place) && wanted.every((word) => `${one.label} ${one.name} ${one.hardware} ${one.provider} ${one.instance} ${one.id}`.toLowerCase().includes(word))) : [];
    const full = state.chosen.length >= words.most, some = hits.slice(0, 8);
    const note = full ? `${words.most} are chosen: remove one first.` : hits.length > 8 ? `${hits.length - 8} more match: type on.` : hits.length ? "" : "No machine matches.";
    found.replaceChildren(...(full ? [] : some).map((one, i) => h("li", { role: "option", id: "option-" + i, "data-place": one.place, "aria-selected": i === active }, one.label, " ", detail(about(one)))), note ? h("li", { role: "option", "aria-disabled": "true", "aria-selected": "false", class: "note" }, note) : "");
    found.hidden = !wanted.length;
    search.setAttribute("aria-expanded", String(!found.hidden));
    if (active >= 0 && !found.hidden) search.setAttribute("aria-activedescendant", "option-" + active); else search.removeAttribute("aria-activedescendant");
  };
  const closeFound = () => { active = -1; found.hidden = true; search.setAttribute("aria-expanded", "false"); search.removeAttribute("aria-activedescendant"); };
  const toggle = (place) => {
    state.chosen = state.chosen.includes(place) ? state.chosen.filter((each) => each !== place) : [...state.chosen, place].slice(0, words.most);
    if (!state.chosen.includes(state.base)) state.base = state.chosen[0];
    state.own = true;
    return update();
  };
  search.addEventListener("input", () => { active = -1; suggest(); });
  search.addEventListener("keydown", (event) => {
    const options = all("[data-place]", found);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") { active = options.length ? (active + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length : -1; suggest(); event.preventDefault(); }
    else if (event.key === "Enter" && options.length) { const place = Number(options[Math.max(0, active)].dataset.place); search.value = ""; closeFound(); toggle(place); event.preventDefault(); }
    else if (event.key === "Escape") { search.value = ""; closeFound(); }
  });
  search.addEventListener("blur", closeFound); // an option under the pointer leaves the focus here
  found.addEventListener("pointerdown", (event) => { const option = event.target.closest("[data-place]"); if (option) { event.preventDefault(); search.value = ""; closeFound(); toggle(Number(option.dataset.place)); } });
  $("chosen").addEventListener("click", (event) => { const button = event.target.closest("[data-drop]"); if (button) { toggle(Number(button.dataset.drop)); search.focus(); } });

  // -- the leader board ---------------------------------------------------------------------------------------------------
  const PAGE = 20;
  let limit = PAGE, board = null, keep = null, boardCase = null;
  const rank = (entry) => (entry.first === undefined ? DASH : entry.first === entry.last ? String(entry.first) : entry.first + DASH + entry.last);
  const shownCase = () => (cases[state.case] && cases[state.case].count && fits(state.case) ? state.case : cases.findIndex((one, n) => one.count && fits(n)));
  const drawBoard = () => {
    const n = boardCase, look = looks(), by = state.sort;
    const entries = [...board.ranked, ...board.unranked].filter((entry) => keep.has(entry.place));
    $("board-title").textContent = nameOf(n);
    const total = board.ranked.length + board.unranked.length, filters = machineFiltersTold();
    const missing = tally(board.missing.map((entry) => (entry.one && entry.one.value === null ? status(entry.one)[1] : entry.reason)));
    $("board-count").textContent = `${entries.length} of ${counted(total, "machine")} shown${total - entries.length ? `; ${total - entries.length} hidden by ${filters}` : ""}. ${counted(board.ranked.length, "machine")} ranked`
      + (board.unranked.length ? `, ${board.unranked.length} with a number but no rank` : "") + (missing.size ? `; without a number: ${[...missing].map(([why, count]) => `${count} ${why}`).join(", ")}` : "") + ".";
    const scales = Object.fromEntries(["watts", "dollars"].map((each) => {
      const values = [...board.ranked, ...board.unranked].map((entry) => explorer.worth(entry.one, each)).filter(Boolean).map((worth) => worth.value).sort((a, b) => a - b);
      return [each, values.length ? prefix(values[values.length >> 1]) : [1, ""]];
    }));
    const unit = { watts: `${scales.watts[1]}${cases[n].symbol} per watt`, dollars: `${scales.dollars[1]}${cases[n].work || ""} per dollar`, value: cases[n].unit + (cases[n].higher ? "" : ", less is better") };
    for (const cell of all("#places thead th[data-sort]")) {
      const name = cell.dataset.sort;
      cell.replaceChildren(h("button", { type: "button" }, unit[name]));
      if (name === by) cell.setAttribute("aria-sort", name === "value" && !cases[n].higher ? "ascending" : "descending"); else cell.removeAttribute("aria-sort");
    }
    const column = (entry, name) => {
      const worth = explorer.worth(entry.one, name), scale = name === "value" ? 1 : scales[name][0];
      const words = worth ? (name === by ? amount(worth.value / scale, worth.low && worth.low / scale, worth.high && worth.high / scale) : name === "value" ? amountOf(entry.one) : significant(worth.value / scale)) : DASH;
      return h("td", { role: "cell", class: "number " + name }, name === "value" ? h("button", { type: "button", class: "cell", "data-place": entry.place }, words) : words);
    };
    $("places").tBodies[0].replaceChildren(...entries.slice(0, limit).map((entry) => {
      const machine = machines[entry.place], chosen = look.has(entry.place);
      const pick = h("button", { type: "button", class: "pick", "aria-pressed": String(chosen), "data-place": entry.place, "aria-label": (chosen ? "Chosen: " : "Compare ") + machine.label }, chosen ? charts.key(look.get(entry.place)) : "+");
      const element = h("tr", { role: "row", class: chosen ? "chosen" : "" }, h("td", { role: "cell", class: "rank" }, rank(entry)),
        h("th", { role: "rowheader", scope: "row", class: "entrant" }, pick, " ", h("span", { class: "label" }, machine.label), " ", detail(about(machine) + (entry.reason ? ` · not ranked: ${entry.reason}` : ""))),
        column(entry, "value"), column(entry, "watts"), column(entry, "dollars"),
        h("td", { role: "cell", class: "number price" }, explorer.price(entry.one) ? "$" + explorer.price(entry.one).toFixed(2) : DASH));
      element.entry = entry;
      return element;
    }));
    const rest = entries.length - limit;
    $("rows").hidden = rest <= 0;
    $("rows").textContent = `Show ${Math.min(rest, 50)} of ${rest} more`;
    const direction = by === "value" && !cases[n].higher ? "less" : "more";
    $("board-caption").textContent = board.method === "pairs" ? filled(words.order, "the best implementation of each" + { value: "", watts: " per watt", dollars: " per dollar" }[by], direction, counted(board.tests, "pair"))
      : `By the best implementation of each; ${direction} is better. A rank is the range that simultaneous 95${SPACE}% intervals of all machines leave, which is wider than what pairs would.`;
  };
  const tableTwin = (id, heads, lines) => {
    const table = $(id).querySelector("details table");
    table.replaceChildren(h("thead", {}, h("tr", {}, heads.map((name, i) => h("th", { scope: "col", class: i ? "number" : "" }, name)))),
      h("tbody", {}, lines.map((line) => h("tr", {}, line.map((value, i) => (i ? h("td", { class: "number" }, value) : h("th", { scope: "row" }, value)))))));
  };
  const drawScatter = () => {
    const n = boardCase, look = looks(), lower = !cases[n].higher;
    const values = new Map([...board.ranked, ...board.unranked].map((entry) => [entry.place, entry.one]));
    const points = [...values.values()].filter((one) => keep.has(one.place) && one.value !== null && machines[one.place].origin === "measured" && explorer.price(one))
      .map((one) => ({ place: one.place, x: explorer.price(one), y: one.value, low: one.low || one.value, high: one.high || one.value, name: machines[one.place].label, look: look.get(one.place),
        label: `${machines[one.place].label}: ${amountOf(one)} ${cases[n].unit} at $${explorer.price(one).toFixed(2)} an hour` })).sort((a, b) => a.x - b.x || (lower ? a.y - b.y : b.y - a.y));
    $("scatter").hidden = points.length < 2;
    if (points.length < 2) return;
    const front = [], better = (a, b) => (lower ? a < b : a > b);
    for (const point of points) if (!front.length || better(point.y, front.at(-1).y)) front.push(point);
    const level = (x) => { let at = front[0]; for (const point of front) if (point.x <= x) at = point; return at.y; };
    for (const point of points) point.kind = look.has(point.place) ? "chosen" : front.includes(point) ? "front" : (lower ? point.low <= level(point.x) : point.high >= level(point.x)) ? "near" : "rest";
    const title = `Price against ${nameOf(n)}: ${counted(points.length, "machine")}, ${front.length} on the front`;
    draw("scatter", (width) => charts.scatter(width, points, { title, xTitle: "$ per hour", yTitle: cases[n].unit + (lower ? ", better upwards" : ""), lower, front }));
    const chosen = points.filter((point) => point.kind === "chosen").map((point) => point.place);
    legend("scatter", chosen);
    $("scatter").querySelector("figcaption").textContent = `${nameOf(n)}. The line joins machines than which none cheaper is better. Hollow: below the line by less than their interval.` + (values.size > points.length ? ` ${counted(values.size - points.length, "machine")} without a price or filtered out.` : "");
    tableTwin("scatter", ["On the front", "$ per hour", cases[n].unit], front.map((point) => [point.name, point.x.toFixed(2), amount(point.y, point.low, point.high)]));
  };
  const ENOUGH = 20, MOST_STRIPS = 12;
  const drawStrips = () => {
    const n = boardCase, look = looks(), lower = !cases[n].higher, groups = new Map();
    const group = (name) => { if (!groups.has(name)) groups.set(name, { dots: [], chosen: [], published: [], sources: new Set() }); return groups.get(name); };
    for (const entry of [...board.ranked, ...board.unranked]) {
      if (!keep.has(entry.place) || machines[entry.place].origin !== "measured") continue;
      const one = entry.one, machine = machines[one.place], of = group(model(machine));
      of.dots.push(one.value); of.sources.add(machine.signer || machine.provider);
      if (look.has(one.place)) of.chosen.push({ look: look.get(one.place), value: one.value, low: one.low || one.value, high: one.high || one.value, name: machine.label.replace(model(machine), "").replace(/^[\s·]+/, "") || machine.label, label: `${machine.label}: ${amountOf(one)} ${cases[n].unit}` });
    }
    const byHardware = new Map(machines.filter((machine) => machine.origin !== "published" && machine.hardware).map((machine) => [machine.hardware, model(machine)]));
    const outside = [];
    for (const figure of board.published) {
      const machine = machines[figure.machine], name = byHardware.get(machine.hardware);
      const told = { value: figure.value, label: `published, ${machine.label}: ${significant(figure.value)} ${cases[n].unit}${figure.source || machine.source ? ", " + (figure.source || machine.source) : ""}` };
      if (name && groups.has(name)) groups.get(name).published.push(told); else outside.push(told);
    }
    const alone = [...groups].filter(([, of]) => of.dots.length + of.published.length < 2).length;
    const made = [...groups].filter(([, of]) => of.dots.length && of.dots.length + of.published.length > 1).map(([name, of]) => {
      const sorted = [...of.dots].sort((a, b) => a - b), many = sorted.length >= ENOUGH;
      const quantiles = many ? [0.05, 0.25, 0.5, 0.75, 0.95].map((share) => numbers.percentile(sorted, share)) : null;
      const middle = numbers.percentile(sorted, 0.5);
      const says = `${name}: ${counted(sorted.length, "machine")}, ${significant(sorted[0])} to ${significant(sorted.at(-1))} ${cases[n].unit}` + (many ? `; middle 90 of 100 from ${significant(quantiles[0])} to ${significant(quantiles[4])}, median ${significant(quantiles[2])}` : "; too few to say what is usual");
      return { name, many, quantiles, ...of, says, middle, sorted };
    }).sort((a, b) => (b.chosen.length > 0) - (a.chosen.length > 0) || (lower ? a.middle - b.middle : b.middle - a.middle));
    const share = (middle) => (value) => (lower ? middle / value : value / middle);
    const relative = (row) => {
      const part = share(row.middle);
      return { label: row.name, detail: `${counted(row.sorted.length, "machine")}, median ${significant(row.middle)}`, says: row.says, quantiles: row.quantiles && row.quantiles.map(part), dots: row.dots.map(part),
        chosen: row.chosen.map((one) => ({ ...one, value: part(one.value), low: part(one.low), high: part(one.high) })), published: row.published.map((one) => ({ ...one, value: part(one.value) })) };
    };
    const some = made.slice(0, MOST_STRIPS);
    $("strips").hidden = !some.length;
    $("lonely").hidden = some.length > 0;
    if (!some.length) return;
    $("strips").querySelector("h3").textContent = nameOf(n);
    draw("strips", (width) => charts.strips(width, some.map(relative), { title: `Distribution by model: ${nameOf(n)}` }));
    $("strips").querySelector("figcaption").textContent = `A dot is a machine, set against the median of its model${lower ? " (inverted: less is better)" : ""}. From ${ENOUGH} machines of a model on, whiskers hold 90 and the box 50 of 100; with fewer nothing is called usual.`
      + (some.some((row) => row.published.length) ? " Dashed and hollow: published by others, not measured here." : "") + (made.length > some.length ? ` ${counted(made.length - some.length, "more model")} not drawn: filter by hardware.` : "") + (alone ? ` ${counted(alone, "model")} with one value not drawn.` : "");
    $("standing").replaceChildren(...some.flatMap((row) => row.chosen.map((one) => h("li", {}, standing(row, one)))));
    tableTwin("strips", ["Model", "machines", "least", "5 %", "median", "95 %", "most", "published", "chosen"], made.map((row) => [row.name, String(row.sorted.length), significant(row.sorted[0]), ...(row.quantiles ? [0, 2, 4].map((i) => significant(row.quantiles[i])) : [DASH, DASH, DASH]),
      significant(row.sorted.at(-1)), row.published.map((one) => significant(one.value)).join(", ") || DASH, row.chosen.map((one) => one.label).join("; ") || DASH]));
  };
  // Better than how many others of its model: by both ends of its interval, itself left out.
  const standing = (row, one) => {
    const lower = !cases[boardCase].higher, others = [...row.sorted];
    others.splice(others.indexOf(one.value), 1);
    const count = (end) => others.filter((value) => (lower ? value > end : value < end)).length;
    const [least, most] = [count(one.low), count(one.high)].sort((a, b) => a - b);
    if (!others.length) return `${one.label}; no other machine of its model is here.`;
    return `${one.label}; better than ${least === most ? least : least + DASH + most} of ${counted(others.length, "other machine")} of its model.`;
  };
  const drawRoofline = () => {
    const look = looks(), order = ordered(), told = comparison.told, wanted = cases[boardCase] ? cases[boardCase].dtype : "";
    const known = tally(order.flatMap((place) => Object.keys((told.get(place).roof || { flops: {} }).flops)));
    const dtype = known.has(wanted) ? wanted : [...known].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([name]) => name)[0];
    const roofs = order.map((place) => ({ place, roof: told.get(place).roof })).filter(({ roof }) => dtype && roof && roof.flops[dtype] && roof.bandwidth)
      .map(({ place, roof }) => ({ look: look.get(place), name: machines[place].label, peak: roof.flops[dtype], bandwidth: roof.bandwidth,
        label: `${machines[place].label}: at most ${prefixed(roof.flops[dtype], "FLOP/s")} in ${dtype}, ${prefixed(roof.bandwidth, "B/s")} from memory` }));
    $("roofline").hidden = !roofs.length;
    if (!roofs.length) return;
    const points = comparison.rows.filter((row) => row.first && cases[row.n].metric === "flop/s" && cases[row.n].dtype === dtype && cases[row.n].intensity)
      .flatMap((row) => order.map((place) => row.cells.get(place)).filter((one) => one && one.value !== null).map((one) => ({ look: look.get(one.place), x: cases[row.n].intensity, y: one.value * cases[row.n].scale, name: machines[one.place].label, words: nameOf(row.n), shown: `${amountOf(one)} ${cases[row.n].unit}`,
        label: `${machines[one.place].label}, ${nameOf(row.n)}: ${amountOf(one)} ${cases[row.n].unit} at ${significant(cases[row.n].intensity)} FLOP per byte` })));
    draw("roofline", (width) => charts.roofline(width, roofs, points, { title: `Roofline in ${dtype} of ${counted(roofs.length, "machine")}`, dtype }));
    legend("roofline", order.filter((place) => roofs.some((roof) => roof.look === look.get(place))));
    $("roofline").querySelector("figcaption").textContent = `Lines: each machine’s own measured ceilings in ${dtype} and of its memory. Marks: its results.`;
    tableTwin("roofline", ["Machine", "test", "FLOP per byte", "value"], [...roofs.map((roof) => [roof.name, "ceilings", DASH, `${prefixed(roof.peak, "FLOP/s")}, ${prefixed(roof.bandwidth, "B/s")}`]), ...points.map((point) => [point.name, point.words, significant(point.x), point.shown])]);
  };
  const prefixed = (value, unit) => { const [scale, letter] = prefix(value); return significant(value / scale) + SPACE + letter + unit; };

  // -- one number, all that is known of it ---------------------------------------------------------------------------------
  const definitions = (pairs) => h("dl", {}, pairs.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  const open = async (one) => {
    const machine = machines[one.place], told = await explorer.about(one.place), unit = cases[one.n].unit;
    const place = told.cells.findIndex((each) => each.n === one.n && each.implementation === one.implementation), more = (told.details || [])[place] || {};
    const row = comparison.rows.find((each) => each.n === one.n && each.implementation === one.implementation), pair = row && row.pairs.get(one.place);
    const share = (value) => (value ? `${(value * 100).toFixed(value < 0.0995 ? 1 : 0)}${SPACE}%` : "");
    const runs = one.runs ? numbers.restored(one.value, one.runs) : [], samples = more.samples || [];
    const against = pair && pair.ratio ? `${said(one, pair, "ratio").slice(0, 2).join(" ")} (baseline: ${machines[state.base].label})${pair.reason ? ". " + sentence(capital(pair.reason)) : ""}` : "";
    const seconds = (value) => prefixed(value, "s");
    const sides = [{ name: machine.label, look: looks().get(one.place) || 0, value: one.value, runs }];
    if (pair && pair.a.runs) sides.push({ name: machines[state.base].label, look: looks().get(state.base), value: pair.a.value, runs: numbers.restored(pair.a.value, pair.a.runs) });
    const facts = Object.entries(told.facts);
    const record = { machine: machine.key, label: machine.label, case: cases[one.n].key, implementation: one.implementation, status: one.status, unit: cases[one.n].metric, ...values(one), runs: runs.map((value) => Number((value * cases[one.n].scale).toPrecision(7))), details: more, facts: told.facts, run: machine.id, digest: machine.digest, source: one.source || machine.source };
    $("detail").replaceChildren(
      h("div", { class: "top" }, h("h2", { id: "detail-title", tabindex: -1 }, machine.label), h("button", { type: "button", class: "chip", id: "close" }, "Close")),
      h("p", {}, `${nameOf(one.n)} `, detail(`by ${one.implementation || "an unnamed implementation"}${one.provider ? ", " + one.provider : ""}`)),
      h("p", { class: "figure" }, one.value === null ? `${status(one)[0]} ${status(one)[1]}` : `${amountOf(one)} ${unit}`, " ", detail(one.value === null ? one.reason : one.runs ? `95 % interval over ${counted(one.runs.length, "run")}` : more.interval || "single run")),
      definitions([["Against", against], ["Declared differences", pair && pair.differs.join(", ")], ["Not clean", one.unclean && capital(one.unclean)], ["Of its own ceiling", more.of_ceiling && `${share(more.of_ceiling)} of ${more.ceiling}`], ["Of the datasheet", share(more.of_datasheet)],
        ["Per watt", explorer.worth(one, "watts") && `${scaled(explorer.worth(one, "watts"), one.n, "watts").join(SPACE)} at ${one.watts}${SPACE}W`], ["Per dollar", explorer.worth(one, "dollars") && h("span", {}, `${scaled(explorer.worth(one, "dollars"), one.n, "dollars").join(SPACE)} at $${explorer.price(one).toFixed(2)} an hour, ${machine.price_kind || "kind not known"}, ${machine.price_as_of || "date not known"}, `, link(machine.price_source || "source not known"))],
        ["Notes", one.notes && one.notes.split(" ").map((code) => capital(words.caveats[code] || code)).join("; ")], ["Not to publish as clean", more.withheld && more.withheld.join(" ")]]),
      runs.length ? h("h3", {}, "Runs") : "", runs.length ? h("div", { class: "drawing" }) : "",
      runs.length ? h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Runs" }, h("table", { id: "samples" }, h("thead", {}, h("tr", {}, ["Run", unit, ...(samples.length ? ["samples", "least", "5 %", "median", "95 %", "most"] : [])].map((name) => h("th", { scope: "col", class: "number" }, name)))),
        h("tbody", {}, runs.map((value, i) => h("tr", {}, h("td", { class: "number" }, String(i + 1)), h("td", { class: "number" }, significant(value, 5)), (samples[i] || []).map((each, j) => h("td", { class: "number" }, j ? seconds(each) : String(each)))))))) : "",
      runs.length && !samples.length ? h("p", { class: "detail" }, "The quantiles of its samples lie in the machine’s own file.") : "",
      Object.keys(more.conditions || {}).length ? h("details", {}, h("summary", {}, "Sensors, medians while it was measured"), definitions(Object.entries(more.conditions).map(([name, value]) => [name, String(value)]))) : "",
      facts.length ? h("details", {}, h("summary", {}, `Environment: ${counted(facts.length, "fact")}`), definitions(facts)) : "",
      h("h3", {}, "Source"),
      definitions([["Provenance", `${machine.origin}, ${machine.level}${machine.signer ? " by " + machine.signer : ""}`], ["Run", machine.href ? h("a", { href: machine.href }, machine.id) : machine.id], ["Started", machine.started], ["Measured by", `${machine.tool} ${machine.version}`.trim() + (machine.suite ? `, suite ${machine.suite}` : "")], ["SHA-256 of its records", machine.digest && h("code", {}, machine.digest)], ["Stands at", (one.source || machine.source) && link(one.source || machine.source)], ["Left out of it", machine.problems]]),
      h("p", { class: "tools" }, h("button", { type: "button", id: "record" }, "Save this number as JSON")));
    $("detail").showModal();
    const box = $("detail").querySelector(".drawing");
    if (box) box.append(charts.runs(Math.max(288, box.clientWidth), sides, "Each run against its machine’s own value; the table below has the numbers"));
    $("close").addEventListener("click", () => $("detail").close());
    $("record").addEventListener("click", () => save(JSON.stringify(record, null, 1), "application/json", `${machine.key}.json`));
  };
  $("detail").addEventListener("click", (event) => { if (event.target === $("detail")) $("detail").close(); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.classList.contains("cell")) {
      const line = button.closest("tr"), one = line.entry ? line.entry.one : line.row.cells.get(Number(button.dataset.place));
      open(one);
    } else if (button.classList.contains("pick")) { const place = Number(button.dataset.place); toggle(place).then(() => { const again = $("places").querySelector(`.pick[data-place="${place}"]`); if (again) again.focus(); }); }
    else if (button.id === "clear") { Object.assign(state, { only: "", benchmarks: [] }); update(); $("only").focus(); }
    else if (button.id === "all-rows") { everyRow = !everyRow; drawForest(); }
    else if (button.id === "rows") { const before = limit; limit += 50; drawBoard(); all("#places .pick")[before]?.focus(); }
    else if (button.dataset.benchmark) { const name = button.dataset.benchmark; state.benchmarks = state.benchmarks.includes(name) ? state.benchmarks.filter((each) => each !== name) : [...state.benchmarks, name]; update(); }
    else if (button.closest("th[data-sort]")) { const name = button.closest("th").dataset.sort; state.sort = name; update().then(() => $("places").querySelector(`th[data-sort="${name}"] button`).focus()); }
  });
  // Arrow keys between the numbers of the table, whose buttons are one stop of the Tab key.
  $("cells").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const button = event.target.closest("button.cell");
    if (!step || !button) return;
    event.preventDefault();
    const lines = rows.filter(({ element }) => !element.hidden).map(({ element }) => element), cell = button.closest("td");
    let line = lines.indexOf(button.closest("tr")), column = cell.cellIndex;
    for (;;) {
      line += step[0]; column += step[1];
      const next = lines[line] && lines[line].cells[column];
      if (!next || column < 1) return;
      const target = next.querySelector("button.cell");
      if (target) { focusCell(target); return; }
    }
  });
  const focusCell = (button) => { all("button.cell", $("cells")).forEach((each) => { each.tabIndex = -1; }); button.tabIndex = 0; button.focus(); };

  // -- tooltips from the labels that screen readers read ------------------------------------------------------------------
  const tip = $("tip");
  const showTip = (label, left, top) => {
    tip.hidden = !label;
    if (!label) return;
    tip.textContent = label;
    tip.style.left = "0px";
    tip.style.left = Math.max(4, Math.min(left + 8, root.clientWidth - tip.offsetWidth - 8)) + scrollX + "px";
    tip.style.top = Math.max(4, top - tip.offsetHeight - 6) + scrollY + "px";
  };
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest('.chart [role="img"]'), box = mark && mark.getBoundingClientRect();
    showTip(mark && mark.getAttribute("aria-label"), box ? Math.min(box.right, event.clientX + 6) : 0, box ? box.top : 0);
  });
  document.addEventListener("tip", (event) => showTip(event.detail && event.detail.label, event.detail ? event.detail.x : 0, event.detail ? event.detail.y : 0));

  // -- take it along ----------------------------------------------------------------------------------------------------------
  const say = (button, words) => { const before = button.textContent; button.textContent = words; setTimeout(() => { button.textContent = before; }, 1500); };
  $("link").addEventListener("click", async () => {
    remember();
    try { await navigator.clipboard.writeText(location.href); say($("link"), "Copied"); } catch { say($("link"), "It is in the address bar"); }
  });
  const save = (content, type, name) => {
    const anchor = h("a", { download: name.replace(/[^\w.-]/g, "_") });
    anchor.href = URL.createObjectURL(new Blob([content], { type }));
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
  };
  // A text that begins like a formula must not become one in a spreadsheet.
  const field = (value) => {
    if (typeof value === "number") return String(value);
    const plain = value === null || value === undefined ? "" : String(value);
    return '"' + (/^[=+\-@\t\r]/.test(plain) ? "'" : "") + plain.replaceAll('"', '""') + '"';
  };
  const values = (one) => Object.fromEntries(["value", "low", "high"].map((name) => [name, one[name] === null ? null : Number((one[name] * cases[one.n].scale).toPrecision(7))]));
  const taken = () => rows.filter(({ element }) => !element.hidden).flatMap(({ row }) => ordered().map((place) => {
    const one = row.cells.get(place), pair = row.pairs.get(place) || {}, machine = machines[place];
    return { machine: machine.label, run: machine.id, provider: machine.provider, origin: machine.origin, level: machine.level, benchmark: cases[row.n].benchmark, case: cases[row.n].key, implementation: row.implementation,
      status: one ? one.status : "not measured", ...(one ? values(one) : { value: null, low: null, high: null }), unit: cases[row.n].metric, runs: one && one.runs ? one.runs.length : null, baseline: machines[state.base].label,
      ratio: pair.ratio ?? null, ratio_low: pair.low ?? null, ratio_high: pair.high ?? null, verdict: pair.verdict || "", watts: one ? one.watts : null, usd_per_hour: one ? explorer.price(one) : null, notes: one ? one.notes : "", reason: one ? one.reason : "", source: one ? one.source || machine.source : "" };
  }));
  $("csv").addEventListener("click", () => {
    const lines = taken(), names = Object.keys(lines[0] || { machine: "" });
    const preamble = `# benchsuite ${explorer.packed.version}, ${counted(state.chosen.length, "machine")}, ${counted(lines.length, "number")}, intervals of 95 %`;
    save([preamble, names.join(","), ...lines.map((line) => names.map((name) => field(line[name])).join(",")), ""].join("\n"), "text/csv", "comparison.csv");
  });
  $("json").addEventListener("click", () => save(JSON.stringify({ benchsuite: explorer.packed.version, link: write(), machines: ordered().map((place) => ({ ...machines[place], ...comparison.told.get(place).facts })), numbers: taken() }, null, 1), "application/json", "comparison.json"));

  // -- the controls, and what follows from a change ------------------------------------------------------------------------------
  const options = (select, found) => select.append(...[...new Set(found.filter(Boolean))].sort().map((value) => h("option", { value }, value)));
  options($("hardware"), measured.map(model)); options($("provider"), measured.map((one) => one.provider)); options($("origin"), measured.map((one) => one.origin));
  $("benchmarks").append(...[...new Map(cases.filter((one) => one.count).map((one) => [one.benchmark, one.family]))].map(([name, family]) => h("button", { type: "button", class: "chip", "data-benchmark": name, "aria-pressed": "false" }, family)));
  if ($("case")) {
    const families = new Map();
    cases.forEach((one, n) => { if (one.count) families.set(one.family, [...(families.get(one.family) || []), h("option", { value: n }, one.words)]); });
    $("case").append(...[...families].map(([label, list]) => h("optgroup", { label }, list)));
    $("case").addEventListener("change", () => { state.case = Number($("case").value); limit = PAGE; update(); });
  }
  for (const name of ["show", "hardware", "provider", "origin"]) $(name).addEventListener("change", () => { state[name] = $(name).value; limit = PAGE; update(); });
  for (const name of ["complete", "every"]) $(name).addEventListener("change", () => { state[name] = $(name).checked; limit = PAGE; update(); });
  $("base").addEventListener("change", () => { state.base = Number($("base").value); state.own = true; update(); });
  $("only").addEventListener("input", () => { state.only = $("only").value; update(); });
  const controls = () => {
    for (const name of ["show", "hardware", "provider", "origin", "only"]) if ($(name).value !== state[name]) $(name).value = state[name];
    for (const name of ["complete", "every"]) $(name).checked = state[name];
    for (const chip of all("[data-benchmark]")) chip.setAttribute("aria-pressed", String(state.benchmarks.includes(chip.dataset.benchmark)));
    if (state.hardware || state.provider || state.origin || state.complete || state.every || state.benchmarks.length) $("more").open = true;
  };
  let turn = 0, drawn = {};
  const changed = (name, value) => { const same = drawn[name] === value; drawn[name] = value; return !same; };
  const update = async (silent = false) => {
    const mine = ++turn;
    if (!silent) remember();
    controls();
    const picks = JSON.stringify([ordered(), state.own]);
    if (drawn.picks !== picks) {
      const next = await explorer.compare(state.base, ordered());
      if (mine !== turn) return;
      comparison = next;
    }
    const n = shownCase(), by = state.sort;
    const nextBoard = $("places") && n >= 0 ? await explorer.board(n, by) : null;
    if (mine !== turn) return;
    keep = kept(); board = nextBoard;
    const anew = changed("picks", picks), shapes = changed("table", JSON.stringify([state.show, state.every]));
    if (anew) { drawChosen(); await drawHeader(); drawConditions(); }
    if (anew || shapes) drawTable();
    if (changed("tests", JSON.stringify([state.only, state.benchmarks])) || anew || shapes) filterRows();
    if (board) {
      const other = n !== boardCase;
      boardCase = n;
      if ($("case").value !== String(n)) $("case").value = String(n);
      const filters = changed("machines", JSON.stringify([n, by, state.hardware, state.provider, state.origin, state.complete, state.complete && [state.only, state.benchmarks]]));
      if (filters || anew) { drawBoard(); drawScatter(); drawStrips(); }
      if (other || anew) drawRoofline();
    }
    const hidden = [filtersTold(), machineFiltersTold()].filter(Boolean).join(", ");
    $("settings").textContent = state.base === undefined ? "" : `Baseline: ${machines[state.base].label}. Shown: ${$("show").selectedOptions[0].textContent}. Filters: ${hidden || "none"}. ${$("count").firstChild ? $("count").firstChild.textContent : ""}.`;
    root.dataset.ready = String(mine);
  };
  addEventListener("hashchange", () => { if (read()) update(true); });
  read();
  update(true);
})();
