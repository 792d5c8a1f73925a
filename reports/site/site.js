"use strict";
// Enhances pages that are complete without it: theme, search, filters, sorting, tooltips. It opens no connection.
(() => {
  const root = document.documentElement;
  const themes = ["auto", "light", "dark"];
  const home = document.currentScript.dataset.root;
  const stored = () => { try { return localStorage.getItem("benchsuite-theme"); } catch { return null; } };
  const show = (name) => { if (name === "auto") delete root.dataset.theme; else root.dataset.theme = name; };
  show(themes.includes(stored()) ? stored() : "auto"); // before anything is painted

  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

  const theme = (button) => {
    const name = () => root.dataset.theme || "auto";
    button.textContent = "Theme: " + name();
    button.addEventListener("click", () => {
      show(themes[(themes.indexOf(name()) + 1) % themes.length]);
      button.textContent = "Theme: " + name();
      try { localStorage.setItem("benchsuite-theme", name()); } catch { /* not allowed here: forget it */ }
    });
  };

  // -- tables: filter and sort --------------------------------------------------------------
  const filter = (input) => {
    const body = document.getElementById(input.dataset.table).tBodies[0];
    const rows = [...body.rows].map((row) => [row, row.textContent.toLowerCase()]);
    const count = input.closest(".filters").querySelector(".count");
    const refresh = () => {
      const wanted = words(input.value);
      let shown = 0;
      for (const [row, text] of rows) {
        row.hidden = wanted.some((word) => !text.includes(word));
        shown += !row.hidden;
      }
      count.textContent = shown + " of " + rows.length + " shown";
    };
    input.addEventListener("input", refresh);
    refresh();
  };
  const value = (cell, kind) => {
    if (kind !== "number") return cell.textContent.trim();
    return cell.dataset.value === "" || cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  const sortable = (table) => {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const kind = head.dataset.sort;
      if (!kind) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const first = kind === "number" ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const order = head.getAttribute("aria-sort") === first ? other : first;
        all("th[aria-sort]", table).forEach((each) => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const keyed = rows.map((row, place) => [value(row.cells[column], kind), place, row]);
        // Rows without a number come last in either order.
        keyed.sort((a, b) => (a[0] === null) - (b[0] === null) || (a[0] !== null && sign * compare(a[0], b[0])) || a[1] - b[1]);
        body.append(...keyed.map((entry) => entry[2]));
      });
    });
  };

  // -- search: the index is loaded when the box is first used ----------------------------------
  const MOST = 12;
  const search = (input) => {
    const list = document.getElementById("found");
    const count = document.getElementById("found-count");
    let index = null;
    const link = (row) => {
      const item = document.createElement("li");
      const anchor = document.createElement("a");
      anchor.href = home + row[2];
      for (const text of row.slice(0, 2)) {
        const part = document.createElement("span");
        part.textContent = text;
        anchor.append(part);
      }
      item.append(anchor);
      return item;
    };
    const refresh = () => {
      const wanted = words(input.value);
      if (!wanted.length || !index) { list.replaceChildren(); count.textContent = ""; return; }
      const hits = index.rows.filter((row) => { const text = (row[0] + " " + row[1]).toLowerCase(); return wanted.every((word) => text.includes(word)); });
      list.replaceChildren(...hits.slice(0, MOST).map(link));
      const rest = index.left ? "; " + index.left + " older runs are in the list of runs only" : "";
      count.textContent = (hits.length ? Math.min(MOST, hits.length) + " of " + hits.length + " found" : "Nothing found") + rest;
    };
    window.benchsuiteIndex = (found) => { index = found; refresh(); };
    const load = () => {
      if (document.getElementById("index")) return;
      const script = document.createElement("script");
      script.id = "index";
      script.src = home + "assets/search.js";
      document.head.append(script);
    };
    input.addEventListener("focus", load);
    input.addEventListener("input", () => { load(); refresh(); });
    input.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const first = list.querySelector("a");
      if (first) first.click();
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" && list.querySelector("a")) { event.preventDefault(); list.querySelector("a").focus(); }
    });
    list.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const links = all("a", list);
      const next = links.indexOf(document.activeElement) + step;
      if (next < 0) input.focus(); else if (next < links.length) links[next].focus();
    });
  };

  // -- tooltips from the labels that screen readers read -----------------------------------------
  const tips = (tip) => document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest ? event.target.closest('svg [role="img"], svg.position') : null;
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.getAttribute("aria-label");
    tip.style.left = "0px";
    const box = mark.getBoundingClientRect();
    const left = Math.min(box.right + 8, root.clientWidth - tip.offsetWidth - 8);
    tip.style.left = Math.max(4, left) + scrollX + "px";
    tip.style.top = Math.max(4, box.top - tip.offsetHeight - 6) + scrollY + "px";
  });

  // -- links into closed details open them ------------------------------------------------------
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let holder = target && target.closest("details"); holder; holder = holder.parentElement.closest("details")) holder.open = true;
    if (target) target.scrollIntoView();
  };

  document.addEventListener("DOMContentLoaded", () => {
    all(".tools, .filters, form.search").forEach((element) => { element.hidden = false; });
    all("#theme").forEach(theme);
    all("table.sortable").forEach(sortable);
    all("input.filter").forEach(filter);
    all("#search").forEach(search);
    all("#tip").forEach(tips);
    if (location.hash) reveal();
    addEventListener("hashchange", reveal);
  });
})();
