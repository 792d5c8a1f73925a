"use strict";
// Numbers: Student's t, the comparison of two cells, ranks, and how quantities become text.
// The same formulas as benchsuite/statistics/runs.py and benchsuite/render/explorer/words.py; a test compares them.
const numbers = (() => {
  const STEP = 1e-5,
    MARGIN = 0.01,
    FEWEST = 3;

  // -- Student's t, by the continued fraction of the incomplete beta function (Abramowitz & Stegun 26.5.8)
  const LANCZOS = [
    676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
    -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  const lnGamma = (x) => {
    if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - lnGamma(1 - x);
    const t = x + 6.5;
    const sum = LANCZOS.reduce((all, c, i) => all + c / (x + i), 0.99999999999980993);
    return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
  };
  const fraction = (a, b, x) => {
    const safe = (v) => (Math.abs(v) < 1e-300 ? 1e-300 : v);
    let c = 1,
      d = 1 / safe(1 - ((a + b) * x) / (a + 1)),
      found = d;
    for (let m = 1; m <= 500; m++) {
      const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
      d = 1 / safe(1 + even * d);
      c = safe(1 + even / c);
      found *= d * c;
      const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
      d = 1 / safe(1 + odd * d);
      c = safe(1 + odd / c);
      found *= d * c;
      if (Math.abs(d * c - 1) < 1e-15) break;
    }
    return found;
  };
  const beta = (a, b, x) => {
    if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
    const front = Math.exp(lnGamma(a + b) - lnGamma(a) - lnGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
    return x < (a + 1) / (a + b + 2) ? (front * fraction(a, b, x)) / a : 1 - (front * fraction(b, a, 1 - x)) / b;
  };
  // The probability of t beyond a distance above zero.
  const tail = (t, freedom) => 0.5 * beta(freedom / 2, 0.5, freedom / (freedom + t * t));
  const known = new Map();
  const quantile = (p, freedom) => {
    const key = p + " " + freedom;
    if (!known.has(key)) {
      let low = 0,
        high = 2;
      while (tail(high, freedom) > 1 - p) high *= 2;
      for (let i = 0; i < 100 && high - low > 1e-13 * high; i++) {
        const middle = (low + high) / 2;
        if (tail(middle, freedom) > 1 - p) low = middle;
        else high = middle;
      }
      known.set(key, (low + high) / 2);
    }
    return known.get(key);
  };

  // -- cells
  const sum = (values) => values.reduce((all, value) => all + value, 0);
  const spread = (steps) => {
    const mean = sum(steps) / steps.length;
    return { mean, variance: sum(steps.map((step) => (step - mean) ** 2)) / (steps.length - 1) };
  };
  // Half the 95 % t interval of runs, on the log scale.
  const reach = (steps) => quantile(0.975, steps.length - 1) * STEP * Math.sqrt(spread(steps).variance / steps.length);
  const restored = (value, steps) => steps.map((step) => value * Math.exp(step * STEP));

  // Welch's t on the logs of the runs: b over a, better-is-up. Null with fewer than three runs on a side.
  const welch = (a, b, higher) => {
    if (!a.runs || !b.runs || a.runs.length < FEWEST || b.runs.length < FEWEST) return null;
    const [x, y] = [spread(a.runs), spread(b.runs)];
    const [va, vb] = [(x.variance * STEP * STEP) / a.runs.length, (y.variance * STEP * STEP) / b.runs.length];
    const up = Math.log(b.value / a.value) + STEP * (y.mean - x.mean);
    const difference = higher ? up : -up;
    const error = Math.sqrt(va + vb);
    if (error === 0) {
      const exact = Math.exp(difference);
      return { ratio: exact, low: exact, high: exact, p: difference === 0 ? 1 : 0, sameLow: exact, sameHigh: exact };
    }
    const freedom = (va + vb) ** 2 / ((va * va) / (a.runs.length - 1) + (vb * vb) / (b.runs.length - 1));
    const [wide, narrow] = [quantile(0.975, freedom) * error, quantile(0.95, freedom) * error];
    const [ratio, low, high, sameLow, sameHigh] = [0, -wide, wide, -narrow, narrow].map((step) =>
      Math.exp(difference + step),
    );
    return { ratio, low, high, p: 2 * tail(Math.abs(difference) / error, freedom), sameLow, sameHigh };
  };
  // Which hypotheses Holm's step-down rejects at 5 % for the whole family.
  const holm = (ps) => {
    const order = ps.map((_, i) => i).sort((i, j) => ps[i] - ps[j]);
    const rejected = ps.map(() => false);
    for (const [step, i] of order.entries()) {
      if (!(ps[i] <= 0.05 / (ps.length - step))) break;
      rejected[i] = true;
    }
    return rejected;
  };
  // As a ratio the margin reaches from 1 / (1 + margin) to 1 + margin: A against B says what B against A says.
  const LEAST = 1 / (1 + MARGIN);
  const MOST = 1 + MARGIN;
  const verdict = (ratio, shown) => {
    if (shown && ratio.low > MOST) return "faster";
    if (shown && ratio.high < LEAST) return "slower";
    return ratio.sameLow >= LEAST && ratio.sameHigh <= MOST ? "same" : "undecided";
  };

  // -- ranks: those of benchsuite/ranking.py, all pairs under one Holm correction
  // Critical values by degrees of freedom, read between knots of 1 / freedom; exact where a pair lies near one.
  const critical = (p, least, most) => {
    const KNOTS = 64,
      [a, b] = [1 / most, 1 / least];
    const values = Array.from({ length: KNOTS + 1 }, (_, i) => quantile(p, 1 / (a + ((b - a) * i) / KNOTS)));
    return (freedom) => {
      const where = b > a ? ((1 / freedom - a) / (b - a)) * KNOTS : 0,
        i = Math.min(KNOTS - 1, Math.max(0, Math.floor(where)));
      return values[i] + (where - i) * (values[i + 1] - values[i]);
    };
  };
  const MOST_PAIRS = 1500;
  // Of sides {mean: log of the value, better-is-up; runs}, the best first: the range of each one's rank.
  const ranks = (sides) => {
    const few = sides.map(({ mean, runs }) => ({
      mean,
      n: runs.length,
      error: (spread(runs).variance * STEP * STEP) / runs.length,
    }));
    return few.length <= MOST_PAIRS ? byPairs(few) : byIntervals(few);
  };
  const byPairs = (sides) => {
    const N = sides.length,
      tests = (N * (N - 1)) / 2,
      margin = Math.log1p(MARGIN);
    const [mean, error, shed] = [
      (side) => side.mean,
      (side) => side.error,
      (side) => side.error ** 2 / (side.n - 1),
    ].map((of) => Float64Array.from(sides, of));
    const t = new Float64Array(tests),
      free = new Float64Array(tests),
      rejected = new Uint8Array(tests);
    let least = Infinity,
      most = 0;
    for (let i = 0, k = 0; i < N; i++) {
      for (let j = i + 1; j < N; j++, k++) {
        const both = error[i] + error[j];
        if (both === 0) {
          free[k] = 1;
          t[k] = mean[i] > mean[j] ? Infinity : 0;
          continue;
        }
        const freedom = (both * both) / (shed[i] + shed[j]);
        free[k] = freedom;
        t[k] = (mean[i] - mean[j]) / Math.sqrt(both);
        if (freedom < least) least = freedom;
        if (freedom > most) most = freedom;
      }
    }
    if (least > most) least = most = 1;
    for (let found = 0, before = -1; found > before;) {
      // Holm's steps, as many at a time as share a threshold
      before = found;
      const p = 0.05 / (tests - found || 1),
        line = critical(1 - p / 2, least, most);
      for (let k = 0; k < tests; k++) {
        if (rejected[k]) continue;
        const bound = line(free[k]);
        if (Math.abs(t[k] - bound) > 0.005 * bound ? t[k] >= bound : 2 * tail(t[k], free[k]) <= p) {
          rejected[k] = 1;
          found += 1;
        }
      }
    }
    const wide = critical(0.975, least, most),
      better = new Int32Array(N),
      worse = new Int32Array(N);
    for (let i = 0, k = 0; i < N; i++) {
      for (let j = i + 1; j < N; j++, k++) {
        const distance = mean[i] - mean[j] - margin;
        if (!rejected[k] || distance <= 0) continue;
        const spread = Math.sqrt(error[i] + error[j]),
          bound = wide(free[k]) * spread;
        if (Math.abs(distance - bound) > 0.005 * bound ? distance > bound : tail(distance / spread, free[k]) < 0.025) {
          better[j] += 1;
          worse[i] += 1;
        }
      }
    }
    return { ranges: sides.map((_, i) => [1 + better[i], N - worse[i]]), tests, method: "pairs" };
  };
  // For very many: two are told apart where simultaneous intervals (Bonferroni over all) do not touch. Wider, and linear.
  const byIntervals = (sides) => {
    const p = 1 - 0.025 / sides.length,
      margin = Math.log1p(MARGIN) / 2;
    const halves = sides.map((side) => quantile(p, side.n - 1) * Math.sqrt(side.error) + margin);
    const lows = sides.map((side, i) => side.mean - halves[i]),
      highs = sides.map((side, i) => side.mean + halves[i]);
    const [up, down] = [[...lows].sort((a, b) => a - b), [...highs].sort((a, b) => a - b)];
    const less = (sorted, value, orEqual) => {
      let low = 0,
        high = sorted.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (orEqual ? sorted[middle] <= value : sorted[middle] < value) low = middle + 1;
        else high = middle;
      }
      return low;
    };
    return {
      ranges: sides.map((_, i) => [
        1 + sides.length - less(up, highs[i], true),
        sides.length - less(down, lows[i], false),
      ]),
      tests: sides.length,
      method: "intervals",
    };
  };
  // Type 6 of Hyndman & Fan, as benchsuite/bands.py has it.
  const percentile = (sorted, share) => {
    const at = Math.min(Math.max(share * (sorted.length + 1) - 1, 0), sorted.length - 1),
      low = Math.floor(at),
      high = Math.ceil(at);
    return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
  };

  // -- text
  const SPACE = "\u00a0",
    DASH = "\u2013";
  const decimals = (half) => {
    if (!(half > 0) || !Number.isFinite(half)) return 3;
    const exponent = Math.floor(Math.log10(half));
    return Math.max(0, -exponent + (half / 10 ** exponent < 3 ? 1 : 0));
  };
  const significant = (value, digits = 3) =>
    value === 0 ? "0" : value.toFixed(Math.min(20, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))))));
  // "612 ± 3"; by its ends where the interval is wide; three digits where there is none.
  const amount = (value, low, high) => {
    if (low === null || high === null || !(high > low)) return significant(value);
    const half = (high - low) / 2;
    if (half <= 0.5 * value) {
      const places = Math.min(20, decimals(half));
      return value.toFixed(places) + SPACE + "±" + SPACE + half.toFixed(places);
    }
    return significant(value) + " (" + significant(low) + DASH + significant(high) + ")";
  };
  const places = (low, high) => Math.min(3, Math.max(2, decimals((high - low) / 2)));
  const times = (ratio, low = ratio, high = ratio) => "×" + ratio.toFixed(places(low, high));
  const range = (low, high) => low.toFixed(places(low, high)) + DASH + high.toFixed(places(low, high));
  const PREFIXES = [..."PTGMk"]
    .map((letter, i) => [10 ** (15 - 3 * i), letter])
    .concat(
      [[1, ""]],
      [..."mµnp"].map((letter, i) => [10 ** (-3 * (i + 1)), letter]),
    );
  const prefix = (value) => PREFIXES.find(([scale]) => Math.abs(value) >= scale * 0.9995) || PREFIXES.at(-1);
  const counted = (count, one, many = one + "s") => count + " " + (count === 1 ? one : many);

  return {
    STEP,
    MARGIN,
    FEWEST,
    SPACE,
    DASH,
    tail,
    quantile,
    reach,
    restored,
    welch,
    holm,
    verdict,
    ranks,
    percentile,
    decimals,
    significant,
    amount,
    times,
    range,
    prefix,
    counted,
  };
})();
