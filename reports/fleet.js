"use strict";
// Enhances a page that is complete without it: theme, copy, JSON, links into closed details, everything open on paper.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  document.querySelectorAll(".tools").forEach((element) => { element.hidden = false; });

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

  // -- links into closed details open them --------------------------------------------------
  const reveal = () => {
    const target = location.hash.length > 1 && $(decodeURIComponent(location.hash.slice(1)));
    const holder = target && target.closest("details");
    if (holder && !holder.open) { holder.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  reveal();
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((one) => { one.open = true; });
  });

  // -- take it along ------------------------------------------------------------------------
  const say = (button, text) => {
    const before = button.textContent;
    button.textContent = text;
    setTimeout(() => { button.textContent = before; }, 1500);
  };
  $("json").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(data.document, null, 1)], { type: "application/json" }));
    link.download = data.name.replace(/[^\w.-]/g, "_") + ".json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  $("copy").addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(data.copy); say($("copy"), "Copied"); }
    catch { say($("copy"), "Not allowed here"); }
  });
})();
