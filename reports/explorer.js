"use strict";
// The page comes alive: choosing, filtering, sorting, and what follows from it. The data and how it is loaded:
// explorer.data.js.
globalThis.benchsuite = { numbers, compare: explorer.compare, board: explorer.board, ...explorer.api };
(() => {
  const { counted } = numbers;
  const { words, cases, machines, measured } = explorer;
  const { $, root, all, h, detail } = dom;
  const {
    PAGE,
    now,
    state,
    about,
    model,
    write,
    read,
    remember,
    looks,
    kept,
    filtersTold,
    machineFiltersTold,
    ordered,
  } = choice;
  const { drawTable, filterRows, drawForest, drawHeader, drawConditions } = table;
  const { shownCase, drawBoard, drawScatter, drawStrips, drawRoofline } = board;
  const { open, save, field, taken } = detailed;
  all(".tools, .filters, .picker").forEach((element) => {
    element.hidden = false;
  });
  if (explorer.packed.from) $("loads").textContent = "This page loads only its own data, and sends nothing.";

  // -- theme: auto, light, dark
  const themes = ["auto", "light", "dark"];
  const stored = () => {
    try {
      return localStorage.getItem("benchsuite-theme");
    } catch {
      return null;
    }
  };
  const setTheme = (name) => {
    if (name === "auto") delete root.dataset.theme;
    else root.dataset.theme = name;
    $("theme").textContent = "Theme: " + name;
    try {
      localStorage.setItem("benchsuite-theme", name);
    } catch {
      /* not allowed here: forget it */
    }
  };
  setTheme(themes.includes(stored()) ? stored() : "auto");
  $("theme").addEventListener("click", () =>
    setTheme(themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length]),
  );

  // -- choosing machines
  const drawChosen = () => {
    const look = looks();
    $("chosen").replaceChildren(
      ...state.chosen.map((place) =>
        h(
          "li",
          { class: "chip" },
          charts.key(look.get(place)),
          h("span", {}, machines[place].label),
          h("button", { type: "button", "data-drop": place, "aria-label": "Remove " + machines[place].label }, "×"),
        ),
      ),
    );
    $("base").replaceChildren(
      ...state.chosen.map((place) =>
        h("option", { value: place, selected: place === state.base }, machines[place].label),
      ),
    );
    $("base").value = String(state.base);
  };
  const search = $("search"),
    found = $("found");
  let active = -1;
  const suggest = () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean),
      keep = kept();
    const hits = wanted.length
      ? measured.filter(
          (one) =>
            keep.has(one.place) &&
            !state.chosen.includes(one.place) &&
            wanted.every((word) =>
              `${one.label} ${one.name} ${one.hardware} ${one.provider} ${one.instance} ${one.id}`
                .toLowerCase()
                .includes(word),
            ),
        )
      : [];
    const full = state.chosen.length >= words.most,
      some = hits.slice(0, 8);
    const note = full
      ? `${words.most} are chosen: remove one first.`
      : hits.length > 8
        ? `${hits.length - 8} more match: type on.`
        : hits.length
          ? ""
          : "No machine matches.";
    found.replaceChildren(
      ...(full ? [] : some).map((one, i) =>
        h(
          "li",
          { role: "option", id: "option-" + i, "data-place": one.place, "aria-selected": i === active },
          one.label,
          " ",
          detail(about(one)),
        ),
      ),
      note ? h("li", { role: "option", "aria-disabled": "true", "aria-selected": "false", class: "note" }, note) : "",
    );
    found.hidden = !wanted.length;
    search.setAttribute("aria-expanded", String(!found.hidden));
    if (active >= 0 && !found.hidden) search.setAttribute("aria-activedescendant", "option-" + active);
    else search.removeAttribute("aria-activedescendant");
  };
  const closeFound = () => {
    active = -1;
    found.hidden = true;
    search.setAttribute("aria-expanded", "false");
    search.removeAttribute("aria-activedescendant");
  };
  const toggle = (place) => {
    state.chosen = state.chosen.includes(place)
      ? state.chosen.filter((each) => each !== place)
      : [...state.chosen, place].slice(0, words.most);
    if (!state.chosen.includes(state.base)) state.base = state.chosen[0];
    state.own = true;
    return update();
  };
  search.addEventListener("input", () => {
    active = -1;
    suggest();
  });
  search.addEventListener("keydown", (event) => {
    const options = all("[data-place]", found);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      active = options.length ? (active + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length : -1;
      suggest();
      event.preventDefault();
    } else if (event.key === "Enter" && options.length) {
      const place = Number(options[Math.max(0, active)].dataset.place);
      search.value = "";
      closeFound();
      toggle(place);
      event.preventDefault();
    } else if (event.key === "Escape") {
      search.value = "";
      closeFound();
    }
  });
  search.addEventListener("blur", closeFound); // an option under the pointer leaves the focus here
  found.addEventListener("pointerdown", (event) => {
    const option = event.target.closest("[data-place]");
    if (option) {
      event.preventDefault();
      search.value = "";
      closeFound();
      toggle(Number(option.dataset.place));
    }
  });
  $("chosen").addEventListener("click", (event) => {
    const button = event.target.closest("[data-drop]");
    if (button) {
      toggle(Number(button.dataset.drop));
      search.focus();
    }
  });

  // -- what a click and an arrow key do
  $("detail").addEventListener("click", (event) => {
    if (event.target === $("detail")) $("detail").close();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.classList.contains("cell")) {
      const line = button.closest("tr"),
        one = line.entry ? line.entry.one : line.row.cells.get(Number(button.dataset.place));
      open(one);
    } else if (button.classList.contains("pick")) {
      const place = Number(button.dataset.place);
      toggle(place).then(() => {
        const again = $("places").querySelector(`.pick[data-place="${place}"]`);
        if (again) again.focus();
      });
    } else if (button.id === "clear") {
      Object.assign(state, { only: "", benchmarks: [] });
      update();
      $("only").focus();
    } else if (button.id === "all-rows") {
      now.everyRow = !now.everyRow;
      drawForest();
    } else if (button.id === "rows") {
      const before = now.limit;
      now.limit += 50;
      drawBoard();
      all("#places .pick")[before]?.focus();
    } else if (button.dataset.benchmark) {
      const name = button.dataset.benchmark;
      state.benchmarks = state.benchmarks.includes(name)
        ? state.benchmarks.filter((each) => each !== name)
        : [...state.benchmarks, name];
      update();
    } else if (button.closest("th[data-sort]")) {
      const name = button.closest("th").dataset.sort;
      state.sort = name;
      update().then(() => $("places").querySelector(`th[data-sort="${name}"] button`).focus());
    }
  });
  // Arrow keys between the numbers of the table, whose buttons are one stop of the Tab key.
  $("cells").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const button = event.target.closest("button.cell");
    if (!step || !button) return;
    event.preventDefault();
    const lines = now.rows.filter(({ element }) => !element.hidden).map(({ element }) => element),
      cell = button.closest("td");
    let line = lines.indexOf(button.closest("tr")),
      column = cell.cellIndex;
    for (;;) {
      line += step[0];
      column += step[1];
      const next = lines[line] && lines[line].cells[column];
      if (!next || column < 1) return;
      const target = next.querySelector("button.cell");
      if (target) {
        focusCell(target);
        return;
      }
    }
  });
  const focusCell = (button) => {
    all("button.cell", $("cells")).forEach((each) => {
      each.tabIndex = -1;
    });
    button.tabIndex = 0;
    button.focus();
  };

  // -- tooltips from the labels that screen readers read
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
    const mark = event.target.closest('.chart [role="img"]'),
      box = mark && mark.getBoundingClientRect();
    showTip(
      mark && mark.getAttribute("aria-label"),
      box ? Math.min(box.right, event.clientX + 6) : 0,
      box ? box.top : 0,
    );
  });
  document.addEventListener("tip", (event) =>
    showTip(event.detail && event.detail.label, event.detail ? event.detail.x : 0, event.detail ? event.detail.y : 0),
  );

  // -- take it along
  const say = (button, words) => {
    const before = button.textContent;
    button.textContent = words;
    setTimeout(() => {
      button.textContent = before;
    }, 1500);
  };
  $("link").addEventListener("click", async () => {
    remember();
    try {
      await navigator.clipboard.writeText(location.href);
      say($("link"), "Copied");
    } catch {
      say($("link"), "It is in the address bar");
    }
  });
  $("csv").addEventListener("click", () => {
    const lines = taken(),
      names = Object.keys(lines[0] || { machine: "" });
    const preamble = `# benchsuite ${explorer.packed.version}, ${counted(state.chosen.length, "machine")}, ${counted(lines.length, "number")}, intervals of 95 %`;
    save(
      [preamble, names.join(","), ...lines.map((line) => names.map((name) => field(line[name])).join(",")), ""].join(
        "\n",
      ),
      "text/csv",
      "comparison.csv",
    );
  });
  $("json").addEventListener("click", () =>
    save(
      JSON.stringify(
        {
          benchsuite: explorer.packed.version,
          link: write(),
          machines: ordered().map((place) => ({ ...machines[place], ...now.comparison.told.get(place).facts })),
          numbers: taken(),
        },
        null,
        1,
      ),
      "application/json",
      "comparison.json",
    ),
  );

  // -- the controls, and what follows from a change
  const options = (select, found) =>
    select.append(...[...new Set(found.filter(Boolean))].sort().map((value) => h("option", { value }, value)));
  options($("hardware"), measured.map(model));
  options(
    $("provider"),
    measured.map((one) => one.provider),
  );
  options(
    $("origin"),
    measured.map((one) => one.origin),
  );
  $("benchmarks").append(
    ...[...new Map(cases.filter((one) => one.count).map((one) => [one.benchmark, one.family]))].map(([name, family]) =>
      h("button", { type: "button", class: "chip", "data-benchmark": name, "aria-pressed": "false" }, family),
    ),
  );
  if ($("case")) {
    const families = new Map();
    cases.forEach((one, n) => {
      if (one.count)
        families.set(one.family, [...(families.get(one.family) || []), h("option", { value: n }, one.words)]);
    });
    $("case").append(...[...families].map(([label, list]) => h("optgroup", { label }, list)));
    $("case").addEventListener("change", () => {
      state.case = Number($("case").value);
      now.limit = PAGE;
      update();
    });
  }
  for (const name of ["show", "hardware", "provider", "origin"])
    $(name).addEventListener("change", () => {
      state[name] = $(name).value;
      now.limit = PAGE;
      update();
    });
  for (const name of ["complete", "every"])
    $(name).addEventListener("change", () => {
      state[name] = $(name).checked;
      now.limit = PAGE;
      update();
    });
  $("base").addEventListener("change", () => {
    state.base = Number($("base").value);
    state.own = true;
    update();
  });
  $("only").addEventListener("input", () => {
    state.only = $("only").value;
    update();
  });
  const controls = () => {
    for (const name of ["show", "hardware", "provider", "origin", "only"])
      if ($(name).value !== state[name]) $(name).value = state[name];
    for (const name of ["complete", "every"]) $(name).checked = state[name];
    for (const chip of all("[data-benchmark]"))
      chip.setAttribute("aria-pressed", String(state.benchmarks.includes(chip.dataset.benchmark)));
    if (state.hardware || state.provider || state.origin || state.complete || state.every || state.benchmarks.length)
      $("more").open = true;
  };
  let turn = 0,
    drawn = {};
  const changed = (name, value) => {
    const same = drawn[name] === value;
    drawn[name] = value;
    return !same;
  };
  const update = async (silent = false) => {
    const mine = ++turn;
    if (!silent) remember();
    controls();
    const picks = JSON.stringify([ordered(), state.own]);
    if (drawn.picks !== picks) {
      const next = await explorer.compare(state.base, ordered());
      if (mine !== turn) return;
      now.comparison = next;
    }
    const n = shownCase(),
      by = state.sort;
    const nextBoard = $("places") && n >= 0 ? await explorer.board(n, by) : null;
    if (mine !== turn) return;
    now.keep = kept();
    now.board = nextBoard;
    const anew = changed("picks", picks),
      shapes = changed("table", JSON.stringify([state.show, state.every]));
    if (anew) {
      drawChosen();
      await drawHeader();
      drawConditions();
    }
    if (anew || shapes) drawTable();
    if (changed("tests", JSON.stringify([state.only, state.benchmarks])) || anew || shapes) filterRows();
    if (now.board) {
      const other = n !== now.n;
      now.n = n;
      if ($("case").value !== String(n)) $("case").value = String(n);
      const filters = changed(
        "machines",
        JSON.stringify([
          n,
          by,
          state.hardware,
          state.provider,
          state.origin,
          state.complete,
          state.complete && [state.only, state.benchmarks],
        ]),
      );
      if (filters || anew) {
        drawBoard();
        drawScatter();
        drawStrips();
      }
      if (other || anew) drawRoofline();
    }
    const hidden = [filtersTold(), machineFiltersTold()].filter(Boolean).join(", ");
    $("settings").textContent =
      state.base === undefined
        ? ""
        : `Baseline: ${machines[state.base].label}. Shown: ${$("show").selectedOptions[0].textContent}. Filters: ${hidden || "none"}. ${$("count").firstChild ? $("count").firstChild.textContent : ""}.`;
    root.dataset.ready = String(mine);
  };
  addEventListener("hashchange", () => {
    if (read()) update(true);
  });
  read();
  update(true);
})();
