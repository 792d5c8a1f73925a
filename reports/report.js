"use strict";
// Enhances a page that is complete without it: theme, sorting, filters, tooltips, copy, CSV.
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const data = JSON.parse($("data").textContent);
  all(".tools, .filters").forEach((element) => { element.hidden = false; });

  // -- theme: auto, light, dark -------------------------------------------------------------
  const themes = ["auto", "light", "dark"];
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("benchsuite-theme"); } catch { return null; } };
  const setTheme = (name) => {
    if (name === "auto") delete root.dataset.theme; else root.dataset.theme = name;
    $("theme").textContent = "Theme: " + name;
    try { localStorage.setItem("benchsuite-theme", name); } catch { /* not allowed here: forget it */ }
  };
  setTheme(themes.includes(stored()) ? stored() : "auto");
  $("theme").addEventListener("click", () => {
    setTheme(themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length]);
  });

  // -- table: filter and sort ---------------------------------------------------------------
  const table = $("table");
  if (table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const pressed = (selector) => all(selector).filter((chip) => chip.getAttribute("aria-pressed") === "true");
    const refresh = () => {
      const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
      const families = pressed(".chip[data-family]").map((chip) => chip.dataset.family);
      const trouble = pressed(".chip[data-trouble]").length > 0;
      const every = !$("all") || $("all").checked;
      let shown = 0;
      for (const row of rows) {
        const hide = (!every && row.classList.contains("other"))
          || (families.length > 0 && !families.includes(row.dataset.family))
          || (trouble && row.dataset.status === "ok")
          || words.some((word) => !texts.get(row).includes(word));
        row.hidden = hide;
        shown += !hide;
      }
      $("count").textContent = shown + " of " + rows.length + " shown";
    };
    $("filter").addEventListener("input", refresh);
    if ($("all")) $("all").addEventListener("change", refresh);
    all(".chip").forEach((chip) => chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      refresh();
    }));
    refresh();

    const keys = {
      text: (cell) => cell.textContent.trim(),
      number: (cell) => (cell.dataset.value === "" ? null : Number(cell.dataset.value)),
    };
    const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
    const sort = (head, column) => {
      const first = head.dataset.sort === "number" ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      all("th[aria-sort]", table).forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const entries = rows.map((row, index) => [keys[head.dataset.sort](row.cells[column]), index, row]);
      // Rows without a number come last in either order.
      entries.sort((a, b) => (a[0] === null) - (b[0] === null) || (a[0] !== null && sign * compare(a[0], b[0])) || a[1] - b[1]);
      body.append(...entries.map((entry) => entry[2]));
    };
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => sort(head, column));
    });
  }

  // -- links into closed details open them --------------------------------------------------
  const reveal = () => {
    const target = location.hash.length > 1 && $(decodeURIComponent(location.hash.slice(1)));
    const holder = target && target.closest("details");
    if (holder && !holder.open) { holder.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  reveal();

  // -- tooltips from the labels that screen readers read ------------------------------------
  const tip = $("tip");
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest('.chart [role="img"]');
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.getAttribute("aria-label");
    tip.style.left = "0px";
    const box = mark.getBoundingClientRect();
    const left = Math.min(box.right + 8, root.clientWidth - tip.offsetWidth - 8);
    tip.style.left = Math.max(4, left) + scrollX + "px";
    tip.style.top = Math.max(4, box.top - tip.offsetHeight - 6) + scrollY + "px";
  });

  // -- take it along ------------------------------------------------------------------------
  const say = (button, text) => {
    const before = button.textContent;
    button.textContent = text;
    setTimeout(() => { button.textContent = before; }, 1500);
  };
  // A text that begins like a formula must not become one in a spreadsheet.
  const field = (value) => {
    if (typeof value === "number") return String(value);
    const text = value === null || value === undefined ? "" : String(value);
    return '"' + (/^[=+\-@\t\r]/.test(text) ? "'" : "") + text.replaceAll('"', '""') + '"';
  };
  const parameters = (one) => Object.entries(one).map(([name, value]) => name + "=" + value).join(" ");
  $("csv").addEventListener("click", () => {
    const columns = ["benchmark", "parameters", "ranks", "implementation", "provider", "status",
      "value", "low", "high", "unit", "algbw", "interval", "of_ceiling", "joules", "best", "reason"];
    const lines = data.cases.map((one) => {
      const flat = { ...one, parameters: parameters(one.parameters) };
      return columns.map((name) => field(flat[name])).join(",");
    });
    const preamble = "# benchsuite " + data.version + ", run " + data.run + ", records.jsonl sha256 " + data.digest;
    const text = [preamble.replace(/[\r\n]/g, " "), columns.join(","), ...lines, ""].join("\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = data.run.replace(/[^\w.-]/g, "_") + ".csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  $("copy").addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(data.copy); say($("copy"), "Copied"); }
    catch { say($("copy"), "Not allowed here"); }
  });
})();
