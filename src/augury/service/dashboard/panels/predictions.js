// What the model predicted against what came.

import { Plot, ticks } from "../charts/plot.js";
import { badge, h, numbers, tell } from "../dom.js";
import { compact, count, decimal, moment, percent } from "../format.js";

const EVENTS = 5;
const axis = { range: [0, 1], format: (value) => `${Math.round(100 * value)}%` };

export default {
  title: "Predictions and outcomes",
  about: "Keys by the predicted chance that they come again. On the line, as many came as predicted.",
  width: "narrow",
  of: ({ cache }) => cache.model,
  missing: ["No predictions: no model decides here."],
  build(body) {
    let shown = [];
    const plot = new Plot("Observed by predicted share of keys that came again");
    const few = h("p", { class: "missing" },
      "Not enough keys yet to compare with what was predicted. Keep reading.");
    const drift = h("p", { class: "reason" });
    const state = h("span", {});
    const text = h("span");
    drift.append(state, text);
    const table = numbers("Predicted and observed", ["Predicted", "Observed", "Keys"],
      () => shown.map(([a, b, n]) => [percent(a), percent(b), count(n)]));
    const events = h("ol", { class: "events" });
    body.append(drift, plot.element, few, table, h("h4", {}, "What the learner did"), events);
    return (model) => {
      shown = model.calibration;
      const known = model.drift !== null;
      state.replaceChildren(known ? badge(!model.drifted, model.drifted ? "drifted" : "steady") : "");
      tell(text, known ? ` error ${decimal(model.drift)} times that in training` : "Drift is not known yet.");
      few.hidden = shown.length > 0;
      plot.element.hidden = table.hidden = shown.length === 0;
      if (shown.length)
        plot.draw({
          series: [
            { kind: "line", points: [[0, 0], [1, 1]] },
            { kind: "dots", points: shown },
          ],
          x: { ...axis, ticks: () => ticks(0, 1, 4) },
          y: { ...axis, ticks: ticks(0, 1, 4) },
        });
      const keys = shown.reduce((sum, [, , n]) => sum + n, 0);
      plot.reading.textContent = `${compact(keys)} keys in ${shown.length} groups`;
      events.replaceChildren(...(model.events.length
        ? model.events.slice(0, EVENTS).map(([at, said]) => h("li", {}, h("time", {}, moment(at)), said))
        : [h("li", {}, "Nothing yet.")]));
    };
  },
};
