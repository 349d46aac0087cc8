// The miss-ratio curve, and where on it the cache is.

import { Plot, logTicks, ticks } from "../charts/plot.js";
import { h, numbers } from "../dom.js";
import { compact, count, percent } from "../format.js";

const REACH = 100;

/** Return the miss ratio at a capacity, between the measured ones on a straight line. */
export function missRatioAt({ capacities, miss_ratios: ratios }, capacity) {
  const after = capacities.findIndex((each) => each >= capacity);
  if (after < 0 || (after === 0 && capacities[0] > capacity)) return null;
  if (capacities[after] === capacity) return ratios[after];
  const [low, high] = [capacities[after - 1], capacities[after]];
  const share = (capacity - low) / (high - low);
  return ratios[after - 1] + share * (ratios[after] - ratios[after - 1]);
}

/** Return the part of a curve within reach of the present capacity: far from it, nobody decides. */
function around({ capacities, miss_ratios: ratios, present }) {
  const near = capacities.map((each) => each >= present / REACH && each <= present * REACH);
  if (near.filter(Boolean).length < 2) return { capacities, ratios };
  return { capacities: capacities.filter((_, at) => near[at]), ratios: ratios.filter((_, at) => near[at]) };
}

export default {
  title: "Miss-ratio curve",
  about: "What other sizes would miss, measured on a sample of the reads.",
  width: "narrow",
  of: ({ cache }) => (cache.curve?.capacities.length ? cache.curve : null),
  missing: ["No curve yet: it is drawn as soon as enough reads were sampled. Keep reading."],
  build(body) {
    let shown = null;
    const plot = new Plot("Miss ratio by capacity", "capacity");
    const advice = h("p", { class: "reason" });
    const table = numbers("Miss ratio by capacity", ["Capacity", "Miss ratio"],
      () => shown.capacities.map((each, at) => [count(each), percent(shown.miss_ratios[at])]));
    body.append(plot.element, advice, table);
    return (curve) => {
      shown = curve;
      const { present } = curve;
      const { capacities, ratios } = around(curve);
      const log = capacities[0] > 0 && capacities.at(-1) / capacities[0] > 30;
      const range = [Math.min(capacities[0], present), Math.max(capacities.at(-1), present)];
      const most = Math.min(1, Math.max(0.1, Math.ceil(10 * Math.max(...ratios)) / 10));
      const here = missRatioAt(curve, present);
      const doubled = missRatioAt(curve, 2 * present);
      const halved = missRatioAt(curve, present / 2);
      advice.textContent = [
        [doubled, "Twice the size would miss"], [halved, "Half the size would miss"],
      ].filter(([ratio]) => ratio !== null).map(([ratio, said]) => `${said} ${percent(ratio)}.`).join(" ");
      plot.draw({
        series: [{ kind: "line", area: true, points: capacities.map((each, at) => [each, ratios[at]]) }],
        x: { range, log, format: compact,
          ticks: ([low, high], about) => (log ? logTicks : ticks)(low, high, about) },
        y: { range: [0, most], ticks: ticks(0, most, 4), format: (value) => `${Math.round(100 * value)}%` },
        marks: [{ x: present, y: here, name: `now ${count(present)}` }],
        read(at, chosen) {
          const [capacity, ratio] = chosen ? [capacities[at], ratios[at]] : [present, here];
          const text = `${count(capacity)}: ${percent(ratio)} missed`;
          return { text, parts: [h("span", { class: "legend" }, `${chosen ? "With" : "Now, with"} `,
            h("strong", {}, count(capacity)), " missed ", h("strong", {}, percent(ratio)))] };
        },
      });
    };
  },
};
