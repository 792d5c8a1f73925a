"use strict";
// Enhances a page that is complete without it: sort, filter, theme, tooltips, copy, CSV.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  document.querySelectorAll(".tools, .filters").forEach((element) => { element.hidden = false; });

  // -- theme: auto, light, dark -------------------------------------------------------------
  const themes = ["auto", "light", "dark"];
  const stored = () => { try { return localStorage.getItem("benchsuite-theme"); } catch { return null; } };
  const setTheme = (name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    $("theme").textContent = "theme: " + name;
    try { localStorage.setItem("benchsuite-theme", name); } catch { /* private mode: forget it */ }
  };
  setTheme(themes.includes(stored()) ? stored() : "auto");
  $("theme").addEventListener("click", () => {
    const now = document.documentElement.dataset.theme || "auto";
    setTheme(themes[(themes.indexOf(now) + 1) % themes.length]);
  });

  // -- table: filter and sort ---------------------------------------------------------------
  const table = $("table");
  if (table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const refresh = () => {
      const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        const hide = (!$("all").checked && row.classList.contains("other")) || words.some((word) => !text.includes(word));
        row.classList.toggle("hidden", hide);
        shown += !hide;
      }
      $("count").textContent = shown + " of " + rows.length + " rows";
    };
    $("filter").addEventListener("input", refresh);
    $("all").addEventListener("change", refresh);
    refresh();

    const key = (row, column, name) => {
      if (name === "value" || name === "share") return Number(row.dataset[name]);
      return row.cells[column].textContent.trim();
    };
    const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const sign = up ? 1 : -1;
        const name = head.dataset.key;
        const order = rows.map((row, index) => [key(row, column, name), index, row]);
        order.sort((a, b) => sign * compare(a[0], b[0]) || a[1] - b[1]);
        body.append(...order.map((entry) => entry[2]));
      });
    });
  }

  // -- tooltips from the labels that screen readers read ------------------------------------
  const tip = $("tip");
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest('svg [role="graphics-symbol"][aria-label]');
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.getAttribute("aria-label");
    const box = mark.getBoundingClientRect();
    const left = Math.min(box.right + 8, document.documentElement.clientWidth - tip.offsetWidth - 8);
    tip.style.left = Math.max(4, left) + window.scrollX + "px";
    tip.style.top = box.top + window.scrollY - tip.offsetHeight - 6 + "px";
  });

  // -- take it along ------------------------------------------------------------------------
  const safe = (value) => {
    if (typeof value === "number") return String(value);
    const text = value === null ? "" : String(value);
    return '"' + (/^[=+\-@\t\r]/.test(text) ? "'" : "") + text.replaceAll('"', '""') + '"';
  };
  $("csv").addEventListener("click", () => {
    const columns = ["benchmark", "parameters", "ranks", "implementation", "provider", "status", "value", "low", "high", "unit"];
    const words = (item) => Object.entries(item).map(([name, value]) => name + "=" + value).join(" ");
    const lines = data.cases.map((one) => columns.map((name) => safe(name === "parameters" ? words(one[name]) : one[name])).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([columns.join(",") + "\n" + lines.join("\n") + "\n"], { type: "text/csv" }));
    link.download = data.run + ".csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  $("copy").addEventListener("click", async () => {
    const lines = [document.querySelector("h1"), ...document.querySelectorAll(".machine, .cards li")];
    const text = lines.map((one) => [...one.childNodes].map((part) => part.textContent.trim()).filter(Boolean).join("  ")).join("\n");
    try { await navigator.clipboard.writeText(text + "\nrun " + data.run); $("copy").textContent = "copied"; }
    catch { $("copy").textContent = "not allowed here"; }
  });
})();
