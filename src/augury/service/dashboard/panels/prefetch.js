// How often what was fetched ahead was asked for.

import { Bars, Stack } from "../charts/bars.js";
import { badge, h, terms } from "../dom.js";
import { count, percent } from "../format.js";
import { Each } from "../panel.js";

const ADVICE = ["Nothing is fetched ahead. Give a cache a prefetcher, and observe it:",
  'prefetcher = augury.Prefetcher(cache, source)\nobserver.add("users", prefetcher)'];

function prefetcher(first) {
  const state = h("span");
  const stack = new Stack();
  const bars = new Bars();
  const heading = h("h5", {}, "Precision by predictor");
  const [list, tellTerms] = terms("Precision", "Recall", "Fetched", "Late");
  const element = h("article", {}, h("div", { class: "tier-head" }, h("h4", {}, first.name), state),
    list, stack.element, heading, bars.element);
  return [element, (view) => {
    state.replaceChildren(badge(!view.paused, view.paused ? "paused" : "fetching"));
    tellTerms(percent(view.precision), percent(view.recall), count(view.fetched), count(view.late));
    const waiting = Math.max(0, view.fetched - view.used - view.unused);
    stack.draw([["used", view.used], ["waiting", waiting], ["unused", view.unused]].map(
      ([name, value]) => ({ name, value, text: count(value) })));
    const predictors = Object.entries(view.by_predictor);
    heading.hidden = predictors.length === 0;
    bars.draw(predictors.map(([name, [fetched, used]]) => ({
      name, share: fetched ? used / fetched : 0,
      text: `${percent(fetched ? used / fetched : null)} of ${count(fetched)}`,
    })));
  }];
}

export default {
  title: "Prefetching",
  about: "Precision: share of what was fetched that was asked for. Recall: share of misses that it spared.",
  width: "narrow",
  of: ({ snapshot }) => (snapshot.prefetchers.length ? snapshot.prefetchers : null),
  missing: ADVICE,
  build(body) {
    const each = new Each(body, prefetcher);
    return (views) => each.draw(views);
  },
};
