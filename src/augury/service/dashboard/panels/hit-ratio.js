// The live hit ratio against what LRU would reach, and what nobody could exceed.

import { Plot, legend, ticks, timeTicks } from "../charts/plot.js";
import { h, numbers } from "../dom.js";
import { clock, count, percent } from "../format.js";
import { AT, HIT_RATIO, LRU, OPTIMUM, REQUESTS } from "../history.js";

const SERIES = [["This cache", HIT_RATIO], ["LRU", LRU], ["Optimum", OPTIMUM]];

/** Return a range of ratios that holds all of these, of a tenth at least, and within 0 and 1. */
function rangeOf(values) {
  const low = Math.min(...values, 1);
  const high = Math.max(...values, 0);
  if (low > high) return [0, 1];
  const spare = Math.max(0.02, (0.1 - (high - low)) / 2);
  const floor = Math.max(0, Math.floor((low - spare) * 20) / 20);
  return [floor, Math.min(1, Math.max(floor + 0.1, Math.ceil((high + spare) * 20) / 20))];
}

export default {
  title: "Hit ratio",
  about: "Of each interval, against LRU of the same size and the estimated optimum (Belady's MIN).",
  width: "wide",
  of: ({ cache }) => (cache.history.length ? cache.history : null),
  missing: ["No interval has passed yet. Read from the cache; the first point comes within seconds."],
  build(body) {
    let shown = [];
    const plot = new Plot("Hit ratio over time", "moment", 280);
    const table = numbers("Hit ratio, the latest interval first",
      ["Until", "Reads", "This cache", "LRU", "Optimum"],
      () => shown.toReversed().map((row) => [clock(row[AT]), count(row[REQUESTS]),
        percent(row[HIT_RATIO]), percent(row[LRU]), percent(row[OPTIMUM])]));
    body.append(plot.element, table);
    return (history) => {
      shown = history;
      const series = SERIES.map(([name, column], at) =>
        ({ name, kind: "line", area: at === 0, points: history.map((row) => [row[AT], row[column]]) }));
      const known = history.flatMap((row) => SERIES.map(([, column]) => row[column]))
        .filter((value) => value !== null);
      const range = rangeOf(known);
      plot.draw({
        series,
        x: { range: [history[0][AT], history.at(-1)[AT]], format: clock,
          ticks: ([low, high], about) => timeTicks(low, high, about) },
        y: { range, ticks: ticks(...range, 4), format: (value) => `${Math.round(100 * value)}%` },
        read(at) {
          const row = history[at];
          const values = SERIES.map(([name, column]) => [name, percent(row[column])]);
          return {
            parts: [...values.map(([name, value], each) => legend(each, name, value)),
              h("span", { class: "when" }, clock(row[AT]))],
            text: `${clock(row[AT])}: ${values.map((pair) => pair.join(" ")).join(", ")}`,
          };
        },
      });
    };
  },
};
