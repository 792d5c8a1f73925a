"use strict";
// What is chosen and filtered, kept in the address of the page.
const choice = (() => {
  const { SPACE } = numbers;
  const { words, cases, machines } = explorer;
  const { $ } = dom;
  const nameOf = (n) => `${cases[n].family}, ${cases[n].words}`;
  const about = (machine) =>
    [machine.origin === "measured" ? "" : machine.origin, machine.level, (machine.started || "").slice(0, 10)]
      .filter(Boolean)
      .join(" · ");
  const model = (machine) => machine.name;
  // -- what is chosen: kept in the address, "#v1;base=a;m=a,b;show=ratio;only=bf16;sort=dollars;case=…"
  const fresh = () => ({
    chosen: [...words.chosen],
    base: words.chosen[0],
    show: "ratio",
    only: "",
    sort: "value",
    case: words.case,
    benchmarks: [],
    hardware: "",
    provider: "",
    origin: "",
    complete: false,
    every: false,
    own: false,
  });
  const state = fresh();
  const text = (name, allowed) => [
    (value) => {
      if (!allowed || allowed.includes(value)) state[name] = value;
    },
    () => state[name],
  ];
  const flag = (name) => [
    (value) => {
      state[name] = value === "1";
    },
    () => (state[name] ? "1" : ""),
  ];
  const unknown = [];
  const placed = (key) => {
    if (explorer.places.has(key) && machines[explorer.places.get(key)].origin !== "published")
      return explorer.places.get(key);
    unknown.push(key);
    return null;
  };
  const KEYS = {
    m: [
      (value) => {
        const found = value
          .split(",")
          .map(placed)
          .filter((place) => place !== null);
        state.chosen = [...new Set(found)].slice(0, words.most);
        state.own = true;
      },
      () => state.chosen.map((place) => machines[place].key).join(","),
    ],
    base: [
      (value) => {
        const place = placed(value);
        if (place !== null) state.base = place;
      },
      () => (state.base === undefined ? "" : machines[state.base].key),
    ],
    show: text("show", ["ratio", "value", "watts", "dollars"]),
    only: text("only"),
    sort: text("sort", ["value", "watts", "dollars"]),
    case: [
      (value) => {
        const n = cases.findIndex((one) => one.key === value);
        if (n >= 0) state.case = n;
      },
      () => (cases[state.case] ? cases[state.case].key : ""),
    ],
    benchmarks: [
      (value) => {
        state.benchmarks = value.split(",").filter((name) => cases.some((one) => one.benchmark === name));
      },
      () => state.benchmarks.join(","),
    ],
    hardware: text("hardware"),
    provider: text("provider"),
    origin: text("origin"),
    complete: flag("complete"),
    every: flag("every"),
  };
  const encode = (value) => encodeURIComponent(value).replaceAll("%20", "+").replaceAll("%2C", ",");
  const decode = (value) => {
    try {
      return decodeURIComponent(value.replaceAll("+", " "));
    } catch {
      return value;
    }
  };
  const usual = fresh();
  const write = () => {
    const told = Object.entries(KEYS)
      .map(([name, [, read]]) => [name, read()])
      .filter(
        ([name, value]) =>
          value &&
          value !== "" &&
          !(name === "show" && value === usual.show) &&
          !(name === "sort" && value === usual.sort),
      );
    return "#v1;" + told.map(([name, value]) => name + "=" + encode(value)).join(";");
  };
  const read = () => {
    if (!/^#v1(;|$)/.test(location.hash)) return false;
    Object.assign(state, fresh());
    unknown.length = 0;
    const ignored = [];
    for (const part of location.hash.slice(1).split(";").slice(1).filter(Boolean)) {
      const [name, value] = [part.split("=")[0], part.slice(part.indexOf("=") + 1)];
      if (Object.hasOwn(KEYS, name)) KEYS[name][0](decode(value));
      else ignored.push(name);
    }
    if (!state.chosen.includes(state.base)) state.base = state.chosen[0];
    const told = [];
    if (unknown.length) told.push(`Not in this file: ${unknown.join(", ")}.`);
    if (ignored.length) told.push(`Not understood in the link: ${ignored.join(", ")}.`);
    $("notice").textContent = told.join(" ");
    return true;
  };
  const remember = () => {
    try {
      history.replaceState(null, "", write());
    } catch {
      /* the address stays */
    }
  };
  // A mark for each that is chosen, kept as long as it is: its place where there are few machines, else the first free
  // one, the six of different colours before the two that only differ in shape. No filter changes it.
  const COLOURS = 6;
  const given = new Map();
  const looks = () => {
    for (const place of [...given.keys()]) if (!state.chosen.includes(place)) given.delete(place);
    for (const place of state.chosen) {
      if (given.has(place)) continue;
      const taken = [...given.values()];
      const order = Array.from({ length: words.most }, (_, i) => (i < COLOURS ? (place + i) % COLOURS : i));
      given.set(place, machines.length <= words.most ? place : order.find((look) => !taken.includes(look)));
    }
    return given;
  };
  // -- filters
  const parts = () => state.only.toLowerCase().split(/\s+/).filter(Boolean);
  const haystack = cases.map((one) =>
    `${one.family} ${one.benchmark} ${one.words} ${one.key} ${one.dtype}`.toLowerCase().replaceAll(SPACE, " "),
  );
  const fits = (n, implementation = "") =>
    (!state.benchmarks.length || state.benchmarks.includes(cases[n].benchmark)) &&
    parts().every((part) => haystack[n].includes(part) || implementation.toLowerCase().includes(part));
  const kept = () => {
    const wanted = state.complete ? cases.map((_, n) => n).filter((n) => cases[n].count && fits(n)) : [];
    const by = (machine) =>
      (!state.hardware || model(machine) === state.hardware) &&
      (!state.provider || machine.provider === state.provider) &&
      (!state.origin || machine.origin === state.origin) &&
      wanted.every((n) => explorer.holds(machine, n));
    return new Set(machines.filter(by).map((machine) => machine.place));
  };
  const filtersTold = () => [state.only && `“${state.only}”`, ...state.benchmarks].filter(Boolean).join(", ");
  const machineFiltersTold = () =>
    [state.hardware, state.provider, state.origin, state.complete && "complete only"].filter(Boolean).join(", ");
  const ordered = () =>
    [state.base, ...state.chosen.filter((place) => place !== state.base)].filter((place) => place !== undefined);
  // What the page shows at the moment; "n" is the case of the board.
  const PAGE = 20;
  const now = { comparison: null, rows: [], board: null, keep: null, n: null, limit: PAGE, everyRow: false };

  return {
    PAGE,
    now,
    state,
    nameOf,
    about,
    model,
    write,
    read,
    remember,
    looks,
    fits,
    kept,
    filtersTold,
    machineFiltersTold,
    ordered,
  };
})();
