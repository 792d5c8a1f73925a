"use strict";
// One number with all that is known of it, and numbers to take along.
const detailed = (() => {
  const { SPACE, counted, significant } = numbers;
  const { words, cases, machines } = explorer;
  const { $, h, detail, link, capital, sentence, definitions, prefixed } = dom;
  const { now, state, nameOf, looks, ordered } = choice;
  const { said, status, amountOf, scaled } = table;
  // -- take it along
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
  const values = (one) =>
    Object.fromEntries(
      ["value", "low", "high"].map((name) => [
        name,
        one[name] === null ? null : Number((one[name] * cases[one.n].scale).toPrecision(7)),
      ]),
    );
  const taken = () =>
    now.rows
      .filter(({ element }) => !element.hidden)
      .flatMap(({ row }) =>
        ordered().map((place) => {
          const one = row.cells.get(place),
            pair = row.pairs.get(place) || {},
            machine = machines[place];
          return {
            machine: machine.label,
            run: machine.id,
            provider: machine.provider,
            origin: machine.origin,
            level: machine.level,
            benchmark: cases[row.n].benchmark,
            case: cases[row.n].key,
            implementation: row.implementation,
            status: one ? one.status : "not measured",
            ...(one ? values(one) : { value: null, low: null, high: null }),
            unit: cases[row.n].metric,
            runs: one && one.runs ? one.runs.length : null,
            baseline: machines[state.base].label,
            ratio: pair.ratio ?? null,
            ratio_low: pair.low ?? null,
            ratio_high: pair.high ?? null,
            verdict: pair.verdict || "",
            watts: one ? one.watts : null,
            usd_per_hour: one ? explorer.price(one) : null,
            notes: one ? one.notes : "",
            reason: one ? one.reason : "",
            source: one ? one.source || machine.source : "",
          };
        }),
      );
  // -- one number, all that is known of it
  const open = async (one) => {
    const machine = machines[one.place],
      told = await explorer.about(one.place),
      unit = cases[one.n].unit;
    const place = told.cells.findIndex((each) => each.n === one.n && each.implementation === one.implementation),
      more = (told.details || [])[place] || {};
    const row = now.comparison.rows.find((each) => each.n === one.n && each.implementation === one.implementation),
      pair = row && row.pairs.get(one.place);
    const share = (value) => (value ? `${(value * 100).toFixed(value < 0.0995 ? 1 : 0)}${SPACE}%` : "");
    const runs = one.runs ? numbers.restored(one.value, one.runs) : [],
      samples = more.samples || [];
    const against =
      pair && pair.ratio
        ? `${said(one, pair, "ratio").slice(0, 2).join(" ")} (baseline: ${machines[state.base].label})${pair.reason ? ". " + sentence(capital(pair.reason)) : ""}`
        : "";
    const seconds = (value) => prefixed(value, "s");
    const sides = [{ name: machine.label, look: looks().get(one.place) || 0, value: one.value, runs }];
    if (pair && pair.a.runs)
      sides.push({
        name: machines[state.base].label,
        look: looks().get(state.base),
        value: pair.a.value,
        runs: numbers.restored(pair.a.value, pair.a.runs),
      });
    const facts = Object.entries(told.facts);
    const record = {
      machine: machine.key,
      label: machine.label,
      case: cases[one.n].key,
      implementation: one.implementation,
      status: one.status,
      unit: cases[one.n].metric,
      ...values(one),
      runs: runs.map((value) => Number((value * cases[one.n].scale).toPrecision(7))),
      details: more,
      facts: told.facts,
      run: machine.id,
      digest: machine.digest,
      source: one.source || machine.source,
    };
    $("detail").replaceChildren(
      h(
        "div",
        { class: "top" },
        h("h2", { id: "detail-title", tabindex: -1 }, machine.label),
        h("button", { type: "button", class: "chip", id: "close" }, "Close"),
      ),
      h(
        "p",
        {},
        `${nameOf(one.n)} `,
        detail(`by ${one.implementation || "an unnamed implementation"}${one.provider ? ", " + one.provider : ""}`),
      ),
      h(
        "p",
        { class: "figure" },
        one.value === null ? `${status(one)[0]} ${status(one)[1]}` : `${amountOf(one)} ${unit}`,
        " ",
        detail(
          one.value === null
            ? one.reason
            : one.runs
              ? `95 % interval over ${counted(one.runs.length, "run")}`
              : more.interval || "single run",
        ),
      ),
      definitions([
        ["Against", against],
        ["Declared differences", pair && pair.differs.join(", ")],
        ["Not clean", one.unclean && capital(one.unclean)],
        ["Algorithm bandwidth", more.algbw && `${prefixed(more.algbw, "B/s")}; busbw = algbw × ${more.factor}`],
        ["Of its own ceiling", more.of_ceiling && `${share(more.of_ceiling)} of ${more.ceiling}`],
        ["Of the datasheet", share(more.of_datasheet)],
        [
          "Per watt",
          explorer.worth(one, "watts") &&
            `${scaled(explorer.worth(one, "watts"), one.n, "watts").join(SPACE)} at ${one.watts}${SPACE}W`,
        ],
        [
          "Per dollar",
          explorer.worth(one, "dollars") &&
            h(
              "span",
              {},
              `${scaled(explorer.worth(one, "dollars"), one.n, "dollars").join(SPACE)} at $${explorer.price(one).toFixed(2)} an hour, ${machine.price_kind || "kind not known"}, ${machine.price_as_of || "date not known"}, `,
              link(machine.price_source || "source not known"),
            ),
        ],
        [
          "Notes",
          one.notes &&
            one.notes
              .split(" ")
              .map((code) => capital(words.caveats[code] || code))
              .join("; "),
        ],
        ["Not to publish as clean", more.withheld && more.withheld.join(" ")],
      ]),
      runs.length ? h("h3", {}, "Runs") : "",
      runs.length ? h("div", { class: "drawing" }) : "",
      runs.length
        ? h(
            "div",
            { class: "scroll", tabindex: 0, role: "region", "aria-label": "Runs" },
            h(
              "table",
              { id: "samples" },
              h(
                "thead",
                {},
                h(
                  "tr",
                  {},
                  ["Run", unit, ...(samples.length ? ["samples", "least", "5 %", "median", "95 %", "most"] : [])].map(
                    (name) => h("th", { scope: "col", class: "number" }, name),
                  ),
                ),
              ),
              h(
                "tbody",
                {},
                runs.map((value, i) =>
                  h(
                    "tr",
                    {},
                    h("td", { class: "number" }, String(i + 1)),
                    h("td", { class: "number" }, significant(value, 5)),
                    (samples[i] || []).map((each, j) => h("td", { class: "number" }, j ? seconds(each) : String(each))),
                  ),
                ),
              ),
            ),
          )
        : "",
      runs.length && !samples.length
        ? h("p", { class: "detail" }, "The quantiles of its samples lie in the machine’s own file.")
        : "",
      Object.keys(more.conditions || {}).length
        ? h(
            "details",
            {},
            h("summary", {}, "Sensors, medians while it was measured"),
            definitions(Object.entries(more.conditions).map(([name, value]) => [name, String(value)])),
          )
        : "",
      facts.length
        ? h("details", {}, h("summary", {}, `Environment: ${counted(facts.length, "fact")}`), definitions(facts))
        : "",
      h("h3", {}, "Source"),
      definitions([
        ["Provenance", `${machine.origin}, ${machine.level}${machine.signer ? " by " + machine.signer : ""}`],
        ["Run", machine.href ? h("a", { href: machine.href }, machine.id) : machine.id],
        ["Started", machine.started],
        [
          "Measured by",
          `${machine.tool} ${machine.version}`.trim() + (machine.suite ? `, suite ${machine.suite}` : ""),
        ],
        ["SHA-256 of its records", machine.digest && h("code", {}, machine.digest)],
        ["Stands at", (one.source || machine.source) && link(one.source || machine.source)],
        ["Left out of it", machine.problems],
      ]),
      h("p", { class: "tools" }, h("button", { type: "button", id: "record" }, "Save this number as JSON")),
    );
    $("detail").showModal();
    const box = $("detail").querySelector(".drawing");
    if (box)
      box.append(
        charts.runs(
          Math.max(288, box.clientWidth),
          sides,
          "Each run against its machine’s own value; the table below has the numbers",
        ),
      );
    $("close").addEventListener("click", () => $("detail").close());
    $("record").addEventListener("click", () =>
      save(JSON.stringify(record, null, 1), "application/json", `${machine.key}.json`),
    );
  };

  return { open, save, field, taken };
})();
