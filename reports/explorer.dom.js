"use strict";
// Elements without markup: texts of publications enter the page as text nodes and attributes of ours only.
const dom = (() => {
  const { SPACE, prefix, significant } = numbers;
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
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
  const link = (text) => {
    // a source as a link where it is an address, else as it is
    if (!/^https:\/\/[^\s"'<>\\]+$/.test(text)) return text;
    return h("a", { href: text, rel: "noopener noreferrer", target: "_blank" }, text);
  };
  const filled = (template, ...parts) => parts.reduce((text, part) => text.replace("{}", () => part), template);
  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  const sentence = (text) => (/[.!?]$/.test(text) ? text : text + ".");

  const tally = (values) => {
    const found = new Map();
    for (const value of values) found.set(value, (found.get(value) || 0) + 1);
    return found;
  };
  const definitions = (pairs) =>
    h(
      "dl",
      {},
      pairs.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    );
  const prefixed = (value, unit) => {
    const [scale, letter] = prefix(value);
    return significant(value / scale) + SPACE + letter + unit;
  };

  return { $, root, all, h, detail, link, filled, capital, sentence, tally, definitions, prefixed };
})();
